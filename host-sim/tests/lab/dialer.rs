//! The program under test: `gatelet-sim linux`, started, listened to, interrupted and killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::Checked;
use crate::machine::tail;

/// How to dial; every field is a command line option or a pair of them.
#[derive(Clone)]
pub(crate) struct Dial<'a> {
    /// Folder for the ledger, the capture and what the program wrote.
    pub(crate) folder: PathBuf,
    /// Prefix of the files.
    pub(crate) name: &'a str,
    /// The end of the wire.
    pub(crate) wan: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    /// Further options, separated by blanks.
    pub(crate) options: &'a str,
    /// Another dial's ledger, to start with that one's memory.
    pub(crate) ledger: Option<PathBuf>,
    /// Whether to record the line.
    pub(crate) record: bool,
    /// Whether the session's traffic goes to a TUN device.
    pub(crate) tun: bool,
}

impl<'a> Dial<'a> {
    /// alice's line by packet socket, with a memory of its own.
    pub(crate) fn new(folder: &Path, name: &'a str) -> Self {
        let (user, password) = ("alice@isp.test", "wonderland");
        Self {
            folder: folder.to_owned(),
            name,
            wan: "wan0",
            user,
            password,
            options: "",
            ledger: None,
            record: true,
            tun: true,
        }
    }

    /// Where the capture goes.
    pub(crate) fn pcap(&self) -> PathBuf {
        self.folder.join(format!("{}.pcap", self.name))
    }

    /// Where the ledger is.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.ledger.clone().unwrap_or_else(|| self.folder.join(format!("{}.ledger", self.name)))
    }

    /// Starts the program.
    pub(crate) fn start(&self) -> Result<Gatelet, String> {
        let errors = self.folder.join(format!("{}.stderr", self.name));
        let mut process = Command::new(env!("CARGO_BIN_EXE_gatelet-sim"))
            .args(["linux", "--json", "--wan", self.wan])
            .args(if self.tun { &["--tun", TUN][..] } else { &[] })
            .args(if self.user.is_empty() {
                vec![]
            } else {
                vec!["--user", self.user, "--password", self.password]
            })
            .arg("--ledger")
            .arg(self.ledger())
            .args(if self.record { vec!["--pcap".into(), self.pcap()] } else { vec![] })
            .args(self.options.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).map_err(|error| format!("{}: {error}", errors.display()))?)
            .spawn()
            .map_err(|error| format!("cannot start gatelet-sim: {error}"))?;
        let (sender, events) = channel();
        let lines = BufReader::new(process.stdout.take().expect("piped above"));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Gatelet { process, events, seen: Vec::new(), start: None, errors })
    }

    /// Starts the program and waits until IPv4 is up; answers also the `up` event.
    pub(crate) fn up(&self) -> Result<(Gatelet, Value), String> {
        let mut gatelet = self.start()?;
        let up = gatelet.wait("up", UP_TIMEOUT)?;
        Ok((gatelet, up))
    }
}

/// Name of the TUN device of the program under test.
pub(crate) const TUN: &str = "gatelet0";
/// A dial against an emulated concentrator takes half a second; this is for a busy machine.
pub(crate) const UP_TIMEOUT: Duration = Duration::from_secs(25);
/// Terminate-Request and its answer, with repeats.
const END_TIMEOUT: Duration = Duration::from_secs(15);

/// The running program.
pub(crate) struct Gatelet {
    process: Child,
    events: Receiver<String>,
    seen: Vec<Value>,
    /// When its clock was at 0, at the latest: what is read was said before.
    start: Option<Instant>,
    errors: PathBuf,
}

impl Gatelet {
    /// The next event named `event`.
    pub(crate) fn wait(&mut self, event: &str, timeout: Duration) -> Result<Value, String> {
        self.wait_where(event, timeout, |_| true)
    }

    /// The next event named `event` for which `wanted` holds.
    pub(crate) fn wait_where(
        &mut self,
        event: &str,
        timeout: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let value: Value = serde_json::from_str(&line)
                        .map_err(|error| format!("--json wrote a line that is not JSON ({error}): {line}"))?;
                    let ago = value["at"].as_f64().and_then(|at| Duration::try_from_secs_f64(at).ok());
                    let start = ago.and_then(|ago| Instant::now().checked_sub(ago));
                    self.start = self.start.into_iter().chain(start).min();
                    self.seen.push(value.clone());
                    if value["event"] == event && wanted(&value) {
                        return Ok(value);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no `{event}` within {timeout:?}\n{}", self.story()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("it ended before `{event}`\n{}", self.story()));
                }
            }
        }
    }

    /// Whether an event named `event` comes within `time`.
    pub(crate) fn hears(&mut self, event: &str, time: Duration) -> bool {
        self.wait(event, time).is_ok()
    }

    /// Whether an event named `event` for which `wanted` holds comes within `time`.
    pub(crate) fn hears_where(
        &mut self,
        event: &str,
        time: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> bool {
        self.wait_where(event, time, wanted).is_ok()
    }

    /// When it was so late by its clock.
    pub(crate) fn moment(&self, at: f64) -> Option<Instant> {
        Some(self.start? + Duration::try_from_secs_f64(at).ok()?)
    }

    /// Every event read so far.
    pub(crate) fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Ctrl-C, then waits for the end.
    pub(crate) fn interrupt(mut self) -> Result<ExitStatus, String> {
        self.signal(Signal::SIGINT)?;
        self.end()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Checked {
        let id = i32::try_from(self.process.id()).map_err(|error| error.to_string())?;
        kill(Pid::from_raw(id), signal).map_err(|error| format!("{signal}: {error}"))
    }

    /// Waits for the program's end.
    pub(crate) fn end(&mut self) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + END_TIMEOUT;
        loop {
            if let Some(status) = self.process.try_wait().map_err(|error| error.to_string())? {
                while let Ok(line) = self.events.recv_timeout(Duration::from_millis(100)) {
                    self.seen.extend(serde_json::from_str::<Value>(&line));
                }
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(format!("still running {END_TIMEOUT:?} after Ctrl-C\n{}", self.story()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// What it said last, for a failure's message.
    pub(crate) fn story(&self) -> String {
        let last = &self.seen[self.seen.len().saturating_sub(14)..];
        let events = last.iter().fold(String::new(), |text, event| format!("{text}  {event}\n"));
        let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
        format!("{events}{}", tail(&errors, 10))
    }
}

impl Drop for Gatelet {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
