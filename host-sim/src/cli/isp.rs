//! `isp`.

use std::fmt::Arguments;
use std::process::ExitCode;

use console::style;

use crate::isp::{self, Args, Wire};
use crate::peers::concentrator::ACCOUNT;

/// `isp`
pub(super) fn run(args: &Args) -> ExitCode {
    let tell = |line: Arguments<'_>| match args.wire {
        // Where the frames are on stdout.
        Wire::Pipe => eprintln!("{line}"),
        Wire::Udp(..) | Wire::Unix(..) => say!("{line}"),
    };
    tell(format_args!("{}; its customer is {} / {}", args.bras.title, ACCOUNT.0, ACCOUNT.1));
    let outcome = isp::run(args, |at, what, why| {
        tell(format_args!("{:>9}.{:03}  {what}  {}", at.secs(), at.millis(), style(why).dim()));
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error}", style("error:").red().bold().for_stderr());
            ExitCode::FAILURE
        }
    }
}
