//! The same random year against every redial policy.

use std::process::ExitCode;

/// Arguments of `year`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> ExitCode {
    ExitCode::FAILURE
}
