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
pub struct Dial<'a> {
    /// Folder for the ledger, the capture and what the program wrote.
    pub folder: &'a Path,
    /// Prefix of the files.
    pub name: &'a str,
    /// The end of the wire.
    pub wan: &'a str,
    pub user: &'a str,
    pub password: &'a str,
    /// Further options, separated by blanks.
    pub options: &'a str,
    /// Another dial's ledger, to start with that one's memory.
    pub ledger: Option<PathBuf>,
    /// Whether to record the line.
    pub record: bool,
}

impl<'a> Dial<'a> {
    /// alice's line by packet socket, with a memory of its own.
    pub fn new(folder: &'a Path, name: &'a str) -> Self {
        let (user, password) = ("alice@isp.test", "wonderland");
        Self { folder, name, wan: "wan0", user, password, options: "", ledger: None, record: true }
    }

    /// Where the capture goes.
    pub fn pcap(&self) -> PathBuf {
        self.folder.join(format!("{}.pcap", self.name))
    }

    /// Where the ledger is.
    pub fn ledger(&self) -> PathBuf {
        self.ledger.clone().unwrap_or_else(|| self.folder.join(format!("{}.ledger", self.name)))
    }

    /// Starts the program.
    pub fn start(&self) -> Result<Gatelet, String> {
        let errors = self.folder.join(format!("{}.stderr", self.name));
        let mut process = Command::new(env!("CARGO_BIN_EXE_gatelet-sim"))
            .args(["linux", "--json", "--wan", self.wan, "--tun", TUN])
            .args(["--user", self.user, "--password", self.password])
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
        Ok(Gatelet { process, events, seen: Vec::new(), errors })
    }

    /// Starts the program and waits until IPv4 is up; answers also the `up` event.
    pub fn up(&self) -> Result<(Gatelet, Value), String> {
        let mut gatelet = self.start()?;
        let up = gatelet.wait("up", UP_TIMEOUT)?;
        Ok((gatelet, up))
    }
}

/// Name of the TUN device of the program under test.
pub const TUN: &str = "gatelet0";
/// A dial against an emulated concentrator takes half a second; this is for a busy machine.
pub const UP_TIMEOUT: Duration = Duration::from_secs(25);
/// Terminate-Request and its answer, with repeats.
const END_TIMEOUT: Duration = Duration::from_secs(15);

/// The running program.
pub struct Gatelet {
    process: Child,
    events: Receiver<String>,
    seen: Vec<Value>,
    errors: PathBuf,
}

impl Gatelet {
    /// The next event named `event`.
    pub fn wait(&mut self, event: &str, timeout: Duration) -> Result<Value, String> {
        self.wait_where(event, timeout, |_| true)
    }

    /// The next event named `event` for which `wanted` holds.
    pub fn wait_where(
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
    pub fn hears(&mut self, event: &str, time: Duration) -> bool {
        self.wait(event, time).is_ok()
    }

    /// Every event read so far.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Ctrl-C, then waits for the end.
    pub fn interrupt(mut self) -> Result<ExitStatus, String> {
        self.signal(Signal::SIGINT)?;
        self.end()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Checked {
        let id = i32::try_from(self.process.id()).map_err(|error| error.to_string())?;
        kill(Pid::from_raw(id), signal).map_err(|error| format!("{signal}: {error}"))
    }

    /// Waits for the program's end.
    pub fn end(&mut self) -> Result<ExitStatus, String> {
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
    pub fn kill(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// What it said last, for a failure's message.
    pub fn story(&self) -> String {
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
