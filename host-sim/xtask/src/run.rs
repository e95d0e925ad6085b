//! Commands, and steps with their times.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why a task failed, for the person who typed it.
pub(crate) type Failure = String;
/// The outcome of a task.
pub(crate) type Outcome = Result<(), Failure>;

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("xtask lies two folders below the root")
        .to_owned()
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |dir| workspace().join(PathBuf::from(dir)))
}

/// The cargo that runs us, in the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).args(arguments);
    command
}

/// Whether a program is on the search path (or where system administrators' programs are, which a
/// user's path may lack).
pub(crate) fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).any(|dir| dir.join(name).is_file())
}

/// Runs a command whose output the user sees.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = words(command);
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("failed ({status}): {line}")),
        Err(error) => Err(format!("cannot start `{line}`: {error}")),
    }
}

/// Runs a command and returns what it wrote; on failure its error output is part of the message.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let line = words(command);
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("failed ({}): {line}\n{}", output.status, said.trim_end()))
}

fn words(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(line, " {}", argument.to_string_lossy());
    }
    line
}

/// The steps of a long task: each is announced, timed, and listed at the end.
pub(crate) struct Steps {
    total: usize,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// A task of `total` steps.
    pub(crate) fn new(total: usize) -> Self {
        Self { total, done: Vec::new() }
    }

    /// Runs one step; the first that fails ends the task.
    ///
    /// # Errors
    /// The step's, with its name and the times so far.
    pub(crate) fn step(&mut self, name: &'static str, work: impl FnOnce() -> Outcome) -> Outcome {
        let number = self.done.len() + 1;
        println!("━━ {number}/{} {name}", self.total);
        let began = Instant::now();
        let outcome = work();
        self.done.push((name, began.elapsed()));
        match outcome {
            Ok(()) => {
                println!(
                    "━━ {number}/{} {name}: done in {:.1} s\n",
                    self.total,
                    began.elapsed().as_secs_f64()
                );
                Ok(())
            }
            Err(failure) => Err(format!(
                "step {number} of {} ({name}) failed after {:.1} s\n{failure}",
                self.total,
                began.elapsed().as_secs_f64()
            )),
        }
    }

    /// Prints what took how long.
    pub(crate) fn summary(&self) {
        debug_assert_eq!(self.done.len(), self.total);
        println!("━━ time by step");
        for (name, time) in &self.done {
            println!("   {:>7.1} s  {name}", time.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, time)| *time).sum();
        println!("   {:>7.1} s  in all", total.as_secs_f64());
    }
}
