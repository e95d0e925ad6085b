//! `soak`.

use std::process::ExitCode;

use console::style;

use crate::soak::{self, Settings};

/// Arguments of `soak`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Packets of flows, both ways
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    packets: u64,
    /// Flows that are open at once
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..=3000))]
    flows: u16,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// `soak`
pub(super) fn run(args: &Args) -> ExitCode {
    let began = std::time::Instant::now();
    let settings = Settings { packets: args.packets, flows: usize::from(args.flows), seed: args.seed };
    let outcome = soak::run(settings);
    let took = began.elapsed().as_secs_f64();
    say!(
        "{} packets of {} flows (at most {} in the table), {} datagrams in pieces and {} of none in {took:.1} s; {} came to nothing, {} moved: \
         the table was full",
        outcome.right,
        outcome.opened,
        outcome.most_flows,
        outcome.in_pieces,
        outcome.noise,
        outcome.lost,
        outcome.moved,
    );
    for complaint in &outcome.complaints {
        say!("{} {complaint}", style("✗").red().bold());
    }
    if outcome.complaints.is_empty() {
        say!("{}", style("nothing is lost: every table is empty, every frame is back").green().bold());
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
