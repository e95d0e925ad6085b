//! `isp`.

use std::process::ExitCode;

use console::style;

use crate::isp::{self, Args};
use crate::peers::concentrator::ACCOUNT;

/// `isp`
pub(super) fn run(args: &Args) -> ExitCode {
    say!("{}; its customer is {} / {}", args.bras.title, ACCOUNT.0, ACCOUNT.1);
    let outcome = isp::run(args, |at, what, why| {
        say!("{:>9}.{:03}  {what}  {}", at.secs(), at.millis(), style(why).dim());
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error}", style("error:").red().bold().for_stderr());
            ExitCode::FAILURE
        }
    }
}
