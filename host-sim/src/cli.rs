//! The command line of `gatelet-sim`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{linux, year};

#[derive(Debug, Parser)]
#[command(name = "gatelet-sim", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Live a random year with every redial policy and compare them
    Year(year::Args),
    /// Dial a real line from Linux interfaces, in real time
    Linux(linux::Args),
}

/// Parses the command line and runs what it asks for.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::Year(args)) => year::run(&args),
        Some(Command::Linux(args)) => linux::run(&args),
        None => ExitCode::FAILURE,
    }
}
