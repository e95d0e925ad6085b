//! The same networks, met by the runtime: real DNS, TCP and HTTP through the `wan` stack and the datapath, in virtual time.

use gatelet_sim::scenario::{self, File, Options};
use gatelet_sim::timeline::Entry;
use smoltcp::time::Duration;

use crate::{Row, expected};

/// Long enough for the first round, its end included.
const LASTS: Duration = Duration::from_secs(20);

/// What a router says of `network`, and when since its line is up.
fn verdicts(network: &str, region: &str, seed: u64) -> Vec<(Duration, bool, String)> {
    let text = format!(
        "title = \"{network}\"\nlasts = \"{}s\"\n[connectivity]\nregion = \"{region}\"\n[internet]\nnetwork = \"{network}\"\n\
         [lan]\n[[lan.host]]\nname = \"laptop\"\n",
        LASTS.secs()
    );
    let file = File::parse(&text).expect("a scenario");
    let options = Options { seed: Some(seed), ..Options::default() };
    let report = scenario::run(network, &file, options).expect(network);
    assert!(report.passed, "{network}, {region}: {:#?}", report.checks);
    let up = report.entries.iter().find(|entry| entry.tag == "up").expect("a line").at;
    let is_verdict = |entry: &&Entry| entry.tag.starts_with("verdict");
    let told = report.entries.iter().filter(is_verdict);
    told.map(|entry| (entry.at - up, entry.tag == "verdict", entry.what.clone())).collect()
}

/// The sentence of the timeline for the table's word.
fn sentence(row: &Row) -> String {
    format!("IPv4 is {}", row.truth.replace('-', ": "))
}

/// The first final verdict is the truth, in every region, and it is there in time.
#[test]
fn the_runtime_has_no_wrong_cell_either() {
    let mut wrong = Vec::new();
    for row in expected() {
        for (region, seed) in [("cn", 1), ("global", 2), ("auto", 3)] {
            let told = verdicts(&row.name, region, seed);
            let first = told.first();
            let last = told.iter().find(|(_, is_final, _)| *is_final);
            let is_true = last.is_some_and(|(at, _, what)| {
                what.starts_with(&sentence(&row)) && *at <= Duration::from_secs(15)
            });
            let is_early = first.is_some_and(|(at, ..)| *at <= Duration::from_millis(3100));
            if !(is_true && is_early) {
                wrong.push(format!("{} ({region}) is {}: {told:?}", row.name, row.truth));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
