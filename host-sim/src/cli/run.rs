//! `list` and `run`.

use std::cell::RefCell;
use std::fs::File as FsFile;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use clap::Args;
use console::{Style, style};

use super::show::Show;
use crate::scenario::values::format_duration;
use crate::scenario::{self, File, Options, Report};
use crate::timeline::Painter;
use crate::timeline::tags::TAGS;

/// The scenario shown when none is named.
pub(super) const FIRST: &str = "unicom";
/// Exit status when the run itself could not be: a file that cannot be read, a wrong name.
pub(super) const TROUBLE: u8 = 2;
/// Lines wider than this are hard to read.
pub(super) const MAX_WIDTH: usize = 140;

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print names only
    #[arg(long)]
    names: bool,
    /// List the events that scenario files can wait for and count, instead
    #[arg(long, conflicts_with = "names")]
    events: bool,
}

/// Arguments of `run`.
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// Name of a scenario (see `list`) or path of a TOML file
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = FIRST)]
    scenario: String,
    /// Seed of everything random; the same seed gives the same run, frame by frame
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write what passes the router's WAN port to FILE, for Wireshark (virtual timestamps)
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// The same for the router's LAN port, if the scenario has a LAN
    #[arg(long, value_name = "FILE")]
    pcap_lan: Option<PathBuf>,
    /// Print one JSON object instead of a timeline
    #[arg(long)]
    json: bool,
    /// Let time pass as it does on a real line
    #[arg(long)]
    real_time: bool,
    /// Do not slow down for the eye, even on a terminal
    #[arg(long, conflicts_with = "real_time")]
    instant: bool,
}

/// `list`
pub(super) fn list(args: &ListArgs) -> ExitCode {
    if args.events {
        let width = TAGS.iter().map(|(tag, _)| tag.len()).max().unwrap_or(0);
        for (tag, meaning) in TAGS {
            say!("{:width$}  {meaning}", style(tag).cyan());
        }
        return ExitCode::SUCCESS;
    }
    let scenarios = scenario::bundled();
    let width = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    for scenario in scenarios {
        let line = if args.names {
            scenario.name.to_owned()
        } else {
            let title = scenario.parse().map_or_else(|error| error, |file| file.title);
            format!("{:width$}  {title}", style(scenario.name).cyan())
        };
        say!("{line}");
    }
    ExitCode::SUCCESS
}

/// `run`
pub(super) fn run(args: &RunArgs) -> ExitCode {
    let name = if args.scenario.is_empty() { FIRST } else { &args.scenario };
    match execute(name, args) {
        Ok(report) if report.passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{} {error}", style("error:").red().bold().for_stderr());
            ExitCode::from(TROUBLE)
        }
    }
}

fn execute(name: &str, args: &RunArgs) -> Result<Report, String> {
    let (name, text) = load(name)?;
    let file = File::parse(&text).map_err(|error| format!("{name}: {error}"))?;
    let mut options = Options { seed: args.seed, real_time: args.real_time, ..Options::default() };
    options.capture = args.pcap.as_deref().map(capture).transpose()?;
    options.lan_capture = args.pcap_lan.as_deref().map(capture).transpose()?;
    if args.json {
        let report = scenario::run(&name, &file, options).map_err(|error| format!("{name}: {error}"))?;
        say!("{}", serde_json::to_string(&report).map_err(|error| error.to_string())?);
        return Ok(report);
    }
    let terminal = std::io::stdout().is_terminal();
    let width =
        if terminal { usize::from(console::Term::stdout().size().1).min(MAX_WIDTH) } else { MAX_WIDTH };
    introduce(&name, &file, &text, args.seed.unwrap_or(file.seed));
    let paced = terminal && !args.instant && !args.real_time;
    let show = Rc::new(RefCell::new(Show::new(Painter { width }, terminal, paced)));
    options.listener = Some({
        let show = show.clone();
        Box::new(move |entry| show.borrow_mut().entry(entry))
    });
    if paced {
        let show = show.clone();
        options.pacer = Some(Box::new(move |from, to, _| show.borrow_mut().wait(from, to)));
    }
    let report = scenario::run(&name, &file, options).map_err(|error| format!("{name}: {error}"))?;
    show.borrow_mut().clear();
    summarize(&report, args);
    Ok(report)
}

/// A file for a capture.
pub(super) fn capture(path: &Path) -> Result<Box<dyn Write>, String> {
    let output = FsFile::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Box::new(BufWriter::new(output)))
}

/// The text of a scenario, from the program or from a file, and its name.
pub(super) fn load(name: &str) -> Result<(String, String), String> {
    if let Some(bundled) = scenario::find(name) {
        return Ok((bundled.name.to_owned(), bundled.text.to_owned()));
    }
    let path = Path::new(name);
    let is_path = path.extension().is_some_and(|extension| extension == "toml") || name.contains('/');
    if !is_path {
        let known = scenario::bundled().iter().map(|scenario| scenario.name);
        let guess = super::closest(name, known).unwrap_or(FIRST);
        return Err(format!(
            "there is no scenario {name:?}; did you mean {guess:?}? `gatelet-sim list` shows all of them"
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let stem = path.file_stem().map_or_else(|| name.into(), |stem| stem.to_string_lossy().into_owned());
    Ok((stem, text))
}

fn introduce(name: &str, file: &File, text: &str, seed: u64) {
    let quiet = Style::new().dim();
    say!("\n  {}  {}", style(name).bold().cyan(), style(&file.title).bold());
    say!("  {}\n", quiet.apply_to(format!("{} of line time, seed {seed}", format_duration(file.lasts))));
    for line in scenario::topology(text).lines() {
        say!("  {}", quiet.apply_to(line));
    }
    if !file.about.trim().is_empty() {
        say!();
        for line in wrap(file.about.trim(), 88) {
            say!("  {line}");
        }
    }
    say!();
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("begins with one");
        if !last.is_empty() && console::measure_text_width(last) + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

fn summarize(report: &Report, args: &RunArgs) {
    let counter = |name: &str| report.counters.get(name).copied().unwrap_or(0);
    let quiet = Style::new().dim();
    say!("\n  {}", style("What became of it").bold());
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let share = 100.0 * counter("seconds-up") as f64 / report.virtual_seconds.max(1.0);
    say!(
        "  on line {share:.1} % of the time · {} sessions · {} PADI + {} PADR · {} lockouts · {} holds · {} frames",
        counter("ups"),
        counter("padi-sent"),
        counter("padr-sent"),
        counter("lockouts"),
        counter("holds"),
        counter("frames"),
    );
    say!();
    for check in &report.checks {
        let mark = if check.passed { style("✓").green().bold() } else { style("✗").red().bold() };
        say!("  {mark} {}  {}", check.name, quiet.apply_to(&check.detail));
    }
    let good = report.checks.iter().filter(|check| check.passed).count();
    let total = report.checks.len();
    let verdict = if report.passed {
        style(format!("PASSED {good} of {total} checks")).green().bold()
    } else {
        style(format!("FAILED {} of {total} checks", total - good)).red().bold()
    };
    let took = format!("{:.0} s of line time in {:.2} s", report.virtual_seconds, report.wall_seconds);
    say!("\n  {verdict}  {}", quiet.apply_to(format!("{took}, digest {}", report.digest)));
    for path in args.pcap.iter().chain(&args.pcap_lan) {
        say!("  capture: {}  {}", path.display(), quiet.apply_to("(wireshark, tshark -r)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let error = load("unicmo").unwrap_err();
        assert!(error.contains("\"unicom\""), "{error}");
    }
}
