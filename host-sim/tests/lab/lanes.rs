//! The lanes: a process for each, whose words are printed as they come, and what they report when all are done.
//!
//! ```text
//!   line   ├─ alone: what is measured ─┤ dials, faults, losses, portals ─────┤
//!   house                              ├─ boots, LAN, IPv6, boards ───────────┤
//! ```

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Instant;

use crate::{Arguments, Checked, LONG, Lane, fail};

/// What the lines of a lane begin with: a check that passed, one that failed, a line for after the checks.
pub(crate) const OK: &str = "ok    ";
pub(crate) const FAILED: &str = "FAIL  ";
pub(crate) const REPORT: &str = "= ";
/// A whole line: others may have the machine, too.
pub(crate) const NOT_ALONE: &str = "nothing is measured any more";

enum Said {
    Line(String),
    /// The process has ended, and whether as it should.
    Ended(bool),
}

/// Runs the lanes that have something to do, and says what became of it.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, String> {
    let mut waiting: VecDeque<Lane> =
        Lane::ALL.into_iter().filter(|lane| !arguments.checks(*lane).is_empty()).collect();
    if waiting.is_empty() {
        return fail(format!("no check's name contains {:?}", arguments.wanted));
    }
    if arguments.wanted.is_empty() && !arguments.all {
        for (name, _) in LONG {
            println!("a check of its own, not run now: {name}");
        }
    }
    let (temporary, folder) = (arguments.keep.is_none(), folder(arguments));
    let began = Instant::now();
    let (said, heard) = channel();
    let mut start_next = |at_work: &mut usize| -> Checked {
        if let Some(lane) = waiting.pop_front() {
            start(lane, arguments, &folder, said.clone())?;
            *at_work += 1;
        }
        Ok(())
    };
    let mut at_work = 0;
    start_next(&mut at_work)?;
    let (mut passed, mut failed, mut report) = (0, 0, Vec::new());
    while at_work > 0 {
        let (lane, words): (Lane, Said) = heard.recv().map_err(|error| error.to_string())?;
        match words {
            Said::Line(text) if text == NOT_ALONE => start_next(&mut at_work)?,
            Said::Line(text) => {
                if let Some(text) = text.strip_prefix(REPORT) {
                    report.push((lane, text.to_owned()));
                } else {
                    passed += usize::from(text.starts_with(OK));
                    failed += usize::from(text.starts_with(FAILED));
                    println!("{:<6} {text}", lane.name());
                }
            }
            Said::Ended(is_good) => {
                at_work -= 1;
                if !is_good && failed == 0 {
                    failed += 1;
                    println!("{:<6} {FAILED}it ended before its checks", lane.name());
                }
                // It may have had nothing to measure, or not come so far.
                start_next(&mut at_work)?;
            }
        }
    }
    for lane in Lane::ALL {
        for (_, line) in report.iter().filter(|(of, _)| *of == lane) {
            println!("{line}");
        }
    }
    println!("{:.1} s in all", began.elapsed().as_secs_f64());
    println!("{passed} passed, {failed} failed");
    if failed == 0 && temporary {
        let _ = std::fs::remove_dir_all(folder);
    } else {
        println!("captures and logs: {}", folder.display());
    }
    Ok(failed == 0)
}

/// Starts this program once more, for one lane.
fn start(lane: Lane, arguments: &Arguments, folder: &Path, said: Sender<(Lane, Said)>) -> Checked {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["--lane", lane.name(), "--keep"]).arg(folder.join(lane.name()));
    command.args(arguments.all.then_some("--all")).args(&arguments.wanted);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("the lane {}: {error}", lane.name()))?;
    let out = child.stdout.take().ok_or("no output of a lane")?;
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = said.send((lane, Said::Line(line)));
        }
        let is_good = child.wait().is_ok_and(|status| status.success());
        let _ = said.send((lane, Said::Ended(is_good)));
    });
    Ok(())
}

/// Where captures go. Short: the name of a machine's socket below it has 107 bytes at most.
fn folder(arguments: &Arguments) -> PathBuf {
    let temporary = || std::env::temp_dir().join(format!("gatelet-lab-{}", std::process::id()));
    arguments.keep.clone().unwrap_or_else(temporary)
}
