//! The command line of `gatelet-sim`.

mod run;
mod show;

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
    /// Live a random year with every redial policy and compare them
    Year(year::Args),
    /// Dial a real line over Linux interfaces, in real time
    Linux(linux::Args),
}

/// Parses the command line and runs what it asks for.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::List(args)) => run::list(&args),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Year(args)) => year::run(&args),
        Some(Command::Linux(args)) => linux::run(&args),
        None => run::run(&run::RunArgs::default()),
    }
}
