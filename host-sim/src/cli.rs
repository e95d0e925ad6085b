//! The command line of `gatelet-sim`.

/// Prints a line. A closed pipe (`| head`) is no reason to panic: the rest goes nowhere.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}

mod console;
mod isp;
mod run;
mod show;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{linux, year};

/// Gatelet's simulator: the router's own firmware dials simulated carriers in virtual time
///
/// Without a command it shows the scenario `unicom`: a line that is dialed, cut, locked and recovered.
#[derive(Debug, Parser)]
#[command(name = "gatelet-sim", version, about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios
    List(run::ListArgs),
    /// Run a scenario and check what it expects
    Run(run::RunArgs),
    /// Sit down at the console of a simulated router, while its line lives a scenario
    Console(console::ConsoleArgs),
    /// Live a random year with every redial policy and compare them
    Year(year::Args),
    /// Send millions of packets through the router alone, over thousands of flows, and look for leaks
    Soak(soak::Args),
    /// Be a provider in real time, for a router outside of this process
    Isp(crate::isp::Args),
    /// Dial a real line over Linux interfaces, in real time
    Linux(Box<linux::Args>),
}

/// Parses the command line and runs what it asks for.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::List(args)) => run::list(&args),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Console(args)) => console::run(&args),
        Some(Command::Year(args)) => year::run(&args),
        Some(Command::Soak(args)) => soak::run(&args),
        Some(Command::Isp(args)) => isp::run(&args),
        Some(Command::Linux(args)) => linux::run(&args),
        None => run::run(&run::RunArgs::default()),
    }
}

/// The known name that was probably meant.
pub(crate) fn closest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known.min_by_key(|known| distance(known, name))
}

/// Levenshtein's distance, to guess what was meant.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let next = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_levenshteins() {
        assert_eq!(distance("unicom", "unicmo"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(closest("unicmo", ["bell", "unicom"].into_iter()), Some("unicom"));
    }

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
