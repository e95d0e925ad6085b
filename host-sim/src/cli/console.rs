//! `console`: a person, or a script at a socket, at the console of a simulated router.

use std::cell::RefCell;
use std::fs::File as FsFile;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use console::style;

use super::run::{FIRST, MAX_WIDTH, TROUBLE, capture, load};
use crate::peers::concentrator::ACCOUNT;
use crate::scenario::{self, File, Options, Visit};
use crate::timeline::{Listener, Painter};
use crate::world::Seat;

/// Arguments of `console`.
#[derive(Debug, Args)]
pub(super) struct ConsoleArgs {
    /// Whose world is around the router: name of a scenario (see `list`) or path of a TOML file
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = FIRST)]
    scenario: String,
    /// The router has never been set up: the console asks its three questions
    #[arg(long)]
    first_start: bool,
    /// How many of the router's seconds pass in one
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN)]
    speed: NonZeroU32,
    /// The console is at a Unix socket, for scripts (`socat -,raw,echo=0 PATH`); the timeline is on standard output, until Ctrl-C
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Write the timeline to FILE; at the terminal, it is not shown otherwise
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write what passes the router's WAN port to FILE, for Wireshark
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

/// `console`
pub(super) fn run(args: &ConsoleArgs) -> ExitCode {
    match visit(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error}", style("error:").red().bold().for_stderr());
            ExitCode::from(TROUBLE)
        }
    }
}

fn visit(args: &ConsoleArgs) -> Result<(), String> {
    let (name, text) = load(&args.scenario)?;
    let file = world(&text).map_err(|error| format!("{name}: {error}"))?;
    let listener = match &args.timeline {
        Some(path) => Some(writer(create(path)?)),
        None => args.socket.is_some().then(|| writer(io::stdout())),
    };
    let pcap = args.pcap.as_deref().map(capture).transpose()?;
    if args.socket.is_none() {
        introduce(&name, &file.title);
    }
    // From here on a terminal is raw.
    let seat = Seat::open(args.socket.as_deref())?;
    let visit = Visit { seat, speed: args.speed, is_first_start: args.first_start };
    let options =
        Options { seed: args.seed, capture: pcap, listener, visit: Some(visit), ..Options::default() };
    scenario::run(&name, &file, options).map_err(|error| format!("{name}: {error}"))?;
    Ok(())
}

/// The scenario; a router with a console has a LAN, if one where nobody is.
fn world(text: &str) -> Result<File, String> {
    let file = File::parse(text)?;
    if file.lan.is_some() { Ok(file) } else { File::parse(&format!("{text}\n[lan]\n")) }
}

fn introduce(name: &str, title: &str) {
    let (user, password) = ACCOUNT;
    say!("\n  {}  {}", style(name).bold().cyan(), style(title).bold());
    say!("  {}", style(format!("The carrier knows {user}, password {password}.")).dim());
    say!("  {}", style("`exit` or Ctrl-D ends the simulation.").dim());
}

fn create(path: &Path) -> Result<FsFile, String> {
    FsFile::create(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes each entry as it happens, so that it can be followed.
fn writer(output: impl Write + 'static) -> Listener {
    let (output, painter) = (RefCell::new(output), Painter { width: MAX_WIDTH });
    Box::new(move |entry| {
        // Who does not read any more misses the rest.
        let _ = writeln!(output.borrow_mut(), "{}", painter.paint(entry));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be_sat_down_at() {
        let is_refused = |text| world(text).and_then(|file| file.settings()).is_err();
        let refused: Vec<_> = scenario::bundled()
            .iter()
            .filter(|scenario| is_refused(scenario.text))
            .map(|scenario| scenario.name)
            .collect();
        // What these show, the settings do not let anybody commit.
        assert_eq!(refused, ["modem-clash"]);
    }
}
