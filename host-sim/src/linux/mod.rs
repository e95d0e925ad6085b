//! Real time on Linux interfaces.

use std::process::ExitCode;

/// Arguments of `linux`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> ExitCode {
    ExitCode::FAILURE
}
