//! `cargo xtask bench`: counts on three machines what a packet costs, weighs the router for two, and compares with what
//! is recorded. See host-sim/benches/README.md.

mod figures;
mod machine;
pub(crate) mod size;

use std::fmt::Write as _;
use std::fs;
use std::thread;

use crate::run::{Failure, Outcome, cargo, run as run_command, workspace};
use figures::{Figures, Line};
use machine::Machine;
use size::Size;

/// `cargo xtask bench …`
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Run only the cases whose name contains this
    filter: Option<String>,
    /// Record what was measured
    #[arg(long, conflicts_with = "filter")]
    update: bool,
}

/// How far a figure may rise above the recorded one, in percent.
const TOLERANCE_PERCENT: u64 = 2;

/// Builds, measures, prints and compares.
pub(crate) fn run(arguments: &Bench) -> Outcome {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    build()?;
    let measured = thread::scope(|scope| {
        let running = Machine::ALL.map(|machine| scope.spawn(move || machine.measure(filter)));
        running.map(|thread| thread.join().unwrap_or_else(|_| Err("a measuring thread panicked".into())))
    });
    let mut now = Figures { rustc: rustc()?, ..Figures::default() };
    for (machine, lines) in Machine::ALL.into_iter().zip(measured) {
        now.counts.insert(machine.name().to_owned(), lines?);
    }
    if filter.is_empty() {
        now.sizes = size::weigh()?;
    }
    let folder = workspace().join("host-sim/benches");
    let elsewhere = Figures::read(&folder.join("elsewhere.toml"))?;
    for machine in Machine::ALL {
        print(machine.name(), now.lines(machine.name()), elsewhere.lines(machine.name()));
    }
    size::print(&now.sizes);

    let recorded = folder.join("figures.toml");
    if arguments.update {
        return fs::write(&recorded, now.to_toml())
            .map_err(|error| format!("{}: {error}", recorded.display()));
    }
    compare(&Figures::read(&recorded)?, &now)
}

/// Everything that runs or is weighed, in the profile that boards are built with.
fn build() -> Outcome {
    let arguments = ["build", "--quiet", "--profile", "firmware", "--package", "gatelet-bench", "--bins"];
    run_command(&mut cargo(&arguments))?;
    let mut bare = cargo(&arguments);
    bare.args(machine::TARGETS.iter().chain(&size::TARGETS).flat_map(|target| ["--target", target]));
    run_command(&mut bare)
}

fn print(machine: &str, lines: &[Line], elsewhere: &[Line]) {
    println!("\n{machine:<40}  gatelet    worst    bound   ratio     lwIP   target");
    for line in lines {
        let there = elsewhere.iter().find(|there| there.case == line.case);
        let figure = |name: &str| line.value(name).map_or_else(String::new, thousands);
        let there =
            |name: &str| there.and_then(|there| there.value(name)).map_or_else(String::new, thousands);
        let ratio = match (line.value("gatelet"), line.value("bound")) {
            (Some(ours), Some(bound)) if bound > 0 => {
                format!("{}.{:02}", ours / bound, ours % bound * 100 / bound)
            }
            _ => String::new(),
        };
        println!(
            "{:<40} {:>8} {:>8} {:>8} {ratio:>7} {:>8} {:>8}",
            line.case,
            figure("gatelet"),
            figure("worst"),
            figure("bound"),
            there("lwip"),
            there("target")
        );
    }
}

/// 1234567 as 1,234,567.
pub(crate) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// # Errors
/// What costs more than recorded, and what is not recorded.
fn compare(recorded: &Figures, now: &Figures) -> Outcome {
    let mut failures = Vec::new();
    let mut cheaper = 0;
    let mut judge = |what: String, before: Option<u64>, after: u64| match before {
        None => failures.push(format!("{what}: {after}, not recorded")),
        Some(before) if after * 100 > before * (100 + TOLERANCE_PERCENT) => {
            failures.push(format!("{what}: {after}, recorded {before}"));
        }
        Some(before) if after * 100 < before * (100 - TOLERANCE_PERCENT) => cheaper += 1,
        Some(_) => {}
    };
    for (machine, lines) in &now.counts {
        for line in lines {
            if let Some(ours) = line.value("gatelet") {
                let before = recorded.lines(machine).iter().find(|before| before.case == line.case);
                let before = before.and_then(|before| before.value("gatelet"));
                judge(format!("{machine}: {}", line.case), before, ours);
            }
        }
    }
    for (target, size) in &now.sizes {
        judge(format!("{target}: flash"), recorded.sizes.get(target).map(Size::flash), size.flash());
    }
    if cheaper > 0 {
        println!(
            "\n{cheaper} figures are below the recorded ones: `cargo xtask bench --update` records them"
        );
    }
    if failures.is_empty() {
        return Ok(());
    }
    let mut text = format!("figures have risen by more than {TOLERANCE_PERCENT} %:\n");
    if recorded.rustc != now.rustc {
        let _ = writeln!(text, "(the recorded ones are of rustc {}, this is {})", recorded.rustc, now.rustc);
    }
    Err(text + &failures.join("\n") + "\nIf it is worth it: cargo xtask bench --update")
}

/// The compiler's version.
pub(crate) fn rustc() -> Result<String, Failure> {
    let version = crate::run::output(std::process::Command::new("rustc").arg("--version"))?;
    Ok(version.trim().trim_start_matches("rustc ").to_owned())
}
