//! Every simulated network against our engine and against models of Android, `NetworkManager` and Firefox.
//!
//! What is expected of each cell, and why, is in `expected.toml`. The matrix is in `docs/connectivity-matrix.md`; after a
//! change, `GATELET_WRITE_DOCS=1 cargo test -p gatelet-sim --test portal_table` writes it anew.

mod others;
mod ours;
mod timing;
mod wire;

use std::fmt::Write;

use gatelet_proto::connectivity::{Config, Family, Region, Verdict};
use gatelet_sim::peers::portal;
use serde::Deserialize;
use smoltcp::time::Duration;

use ours::Run;

const EXPECTED: &str = include_str!("expected.toml");
const MATRIX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/connectivity-matrix.md");
const REGIONS: [Region<'static>; 3] = [Region::Cn, Region::Global, Region::Auto];
const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    network: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    what: String,
    truth: String,
    /// Why ours says the truth.
    ours: String,
    android: [String; 2],
    networkmanager: [String; 2],
    firefox: [String; 2],
}

fn expected() -> Vec<Row> {
    toml::from_str::<Expected>(EXPECTED).expect("expected.toml").network
}

fn network(row: &Row) -> portal::Network {
    portal::network(&row.name).unwrap_or_else(|| panic!("no model of {}", row.name))
}

/// The word for a verdict: with the stage, where there is one.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Offline { stage } => format!("offline-{}", stage.name()),
        other => other.name().to_owned(),
    }
}

fn decide(row: &Row, region: Region<'static>, family: Family) -> Run<'static> {
    let mut run = Run::new(region, family);
    run.line_up();
    run.decide(&network(row));
    run
}

#[test]
fn ours_has_no_wrong_cell() {
    let mut wrong = Vec::new();
    for row in expected() {
        for region in REGIONS {
            for family in FAMILIES {
                let run = decide(&row, region, family);
                let said = word(run.engine.verdict());
                if said != row.truth || !run.engine.is_final() {
                    let evidence: Vec<_> = run.engine.evidence().collect();
                    wrong.push(format!(
                        "{} ({}, {}): {said}, not {}\n{evidence:#?}",
                        row.name,
                        region.name(),
                        family.name(),
                        row.truth
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A verdict is there within 3 s and final within 15 s; where the verdict is "on line" within 5 s although the blocked
/// class is silent, and what is said before the end is not something else.
#[test]
fn verdicts_come_in_time_and_do_not_waver() {
    for row in expected() {
        for region in REGIONS {
            for family in FAMILIES {
                let run = decide(&row, region, family);
                let context =
                    format!("{} ({}, {}): {:?}", row.name, region.name(), family.name(), run.verdicts);
                let (first, last) = (run.verdicts.first().expect("one"), run.verdicts.last().expect("one"));
                assert!(first.0 <= Duration::from_secs(3), "{context}");
                assert!(last.0 <= Duration::from_secs(15), "{context}");
                if row.truth == "online" {
                    assert!(first.1 == Verdict::Online && first.0 <= Duration::from_secs(5), "{context}");
                }
                let class = row.truth.split('-').next().expect("a word");
                for (_, verdict, _) in &run.verdicts {
                    let is_guess = WAVERING.contains(&(row.name.as_str(), verdict.name()));
                    assert!(verdict.name() == class || is_guess, "{context}");
                }
            }
        }
    }
}

/// In whatever order the answers come, and however few are asked for at once.
#[test]
fn the_order_of_answers_makes_no_difference() {
    for row in expected() {
        for (seed, in_flight) in (0..).zip([4, 5, 6, 8, 8, 8, 8, 8, 8, 12, 12, 20]) {
            for (region, family) in
                REGIONS.into_iter().flat_map(|region| FAMILIES.map(|family| (region, family)))
            {
                let config = Config { in_flight, ..Config::new(region, family) };
                let mut run = Run::with(config, seed);
                run.jitter = Duration::from_millis(600);
                run.line_up();
                run.decide(&network(&row));
                let said = word(run.engine.verdict());
                let evidence: Vec<_> = run.engine.evidence().collect();
                assert_eq!(
                    said,
                    row.truth,
                    "{} ({}, {}, seed {seed}, {in_flight} in flight): {evidence:#?}",
                    row.name,
                    region.name(),
                    family.name()
                );
            }
        }
    }
}

/// What may be said after 3 s, provisionally, and turns out to be something else: whoever drips keeps the secret.
const WAVERING: [(&str, &str); 1] = [("portal-drip-body", "offline")];

#[test]
fn others_are_as_expected() {
    for row in expected() {
        let network = network(&row);
        assert_eq!(others::android(&network), row.android[0], "Android in {}", row.name);
        assert_eq!(
            others::network_manager(&network),
            row.networkmanager[0],
            "NetworkManager in {}",
            row.name
        );
        assert_eq!(others::firefox(&network), row.firefox[0], "Firefox in {}", row.name);
    }
}

/// How good a word is for what is true.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Right,
    /// Not the whole truth, but nobody is led astray.
    Vague,
    Wrong,
}

fn mark(truth: &str, said: &str) -> Mark {
    let truth = truth.split('-').next().unwrap_or(truth);
    match (truth, said.split('-').next().unwrap_or(said)) {
        (truth, said) if truth == said => Mark::Right,
        // Whoever is told nothing is not misled, unless he should have been told to sign in.
        (truth, "unknown") if truth != "portal" => Mark::Vague,
        ("hijacked", "portal" | "partial" | "offline") | ("partial", "offline") => Mark::Vague,
        _ => Mark::Wrong,
    }
}

fn cell(truth: &str, said: &str) -> String {
    let sign = match mark(truth, said) {
        Mark::Right => "✓",
        Mark::Vague => "≈",
        Mark::Wrong => "✗",
    };
    format!("{sign} {said}")
}

const OPENING: &str = "# What Gatelet says of a network, and what others would

Every simulated network, what is true of it, and the word of each strategy. ✓ right · ≈ vague, but nobody is led astray ·
✗ wrong: \"on line\" where it is not, or not where it is; a portal where there is none, or none where there is one.

Ours is the verdict of the region sets `cn`, `global` and `auto`, on IPv4 and on IPv6, which all agree; the time is that of
the final verdict (`cn`, IPv4; a round trip of 40 ms). The others are models of what their code does, not the programs
themselves; what they know no word for they cannot say. The networks and the models are in `host-sim/tests/portal_table`,
where the expected cells were written down before the strategies. What no strategy here can see is said in
[connectivity.md](connectivity.md).

This page is written by the test: `GATELET_WRITE_DOCS=1 cargo test -p gatelet-sim --test portal_table`.
";

#[test]
fn docs_connectivity_matrix_md_is_what_the_strategies_say() {
    let rows = expected();
    let mut page = String::from(OPENING);
    page.push_str("\n| network | truth | ours | after | Android | NetworkManager | Firefox |\n|---|---|---|---|---|---|---|\n");
    let mut score = [[0_usize; 3]; 4];
    for row in &rows {
        let run = decide(row, Region::Cn, Family::Ipv4);
        let network = network(row);
        let after = run.verdicts.last().expect("one").0.total_millis();
        let said = [
            word(run.engine.verdict()),
            others::android(&network).to_owned(),
            others::network_manager(&network).to_owned(),
            others::firefox(&network).to_owned(),
        ];
        for (score, said) in score.iter_mut().zip(&said) {
            score[mark(&row.truth, said) as usize] += 1;
        }
        let [ours, android, network_manager, firefox] = said.map(|said| cell(&row.truth, &said));
        writeln!(
            page,
            "| `{}` | {} | {ours} | {}.{} s | {android} | {network_manager} | {firefox} |",
            row.name,
            row.truth,
            after / 1000,
            after % 1000 / 100,
        )
        .unwrap();
    }
    let total = |mark: Mark| score.map(|score| score[mark as usize]);
    for (sign, mark) in [("✓", Mark::Right), ("≈", Mark::Vague), ("✗", Mark::Wrong)] {
        let [ours, android, network_manager, firefox] = total(mark);
        writeln!(page, "| **{sign}** | | {ours} | | {android} | {network_manager} | {firefox} |").unwrap();
    }
    page.push_str("\n## The networks, and why each cell is as it is\n");
    for row in &rows {
        let [android, network_manager, firefox] =
            [&row.android, &row.networkmanager, &row.firefox].map(|cell| &cell[1]);
        writeln!(
            page,
            "\n**`{}`** — {}.\n\n- ours, {}: {}\n- Android, {}: {android}\n- NetworkManager, {}: {network_manager}\n- \
             Firefox, {}: {firefox}",
            row.name, row.what, row.truth, row.ours, row.android[0], row.networkmanager[0], row.firefox[0],
        )
        .unwrap();
    }
    println!("{page}");
    assert_eq!(total(Mark::Wrong)[0], 0, "ours has a wrong cell");
    if std::env::var_os("GATELET_WRITE_DOCS").is_some() {
        std::fs::write(MATRIX, &page).unwrap();
    }
    let written = std::fs::read_to_string(MATRIX).unwrap_or_default();
    assert!(
        written == page,
        "docs/connectivity-matrix.md is not what the strategies say: see this test's file"
    );
}
