//! The board that needs no board (boards/qemu-virt), between the provider and two hosts, driven through its console only.
//!
//! ```text
//!   the provider ══ bridge ══ tap gate: virtio-net 0 ┐ QEMU's virt machine  ┌ virtio-net 1: tap lantap ══ bridge ══ hosts
//!                                                    └──── UART: console ───┘
//! ```

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lan::{Host, PORTS, ROUTER};
use crate::lan_services::expect;
use crate::machine::tail;
use crate::throughput::INTERNET_HOST;
use crate::{Checked, Lab, ensure, fail};

/// How long QEMU may take to listen at the console, and the image from there to its first question.
const START: Duration = Duration::from_secs(20);
/// "Boots to prompt in under a second."
const TO_PROMPT: Duration = Duration::from_secs(1);
/// A dial with whatever the provider takes for it.
const DIAL: Duration = Duration::from_secs(30);
/// The same after a power cut, of which the redial engine must assume the worst: that it was its own dials' doing.
const AFTER_A_CUT: Duration = Duration::from_secs(100);
/// What the console says when it wants a command.
const PROMPT: &str = "gatelet> ";

/// A running board.
struct Board {
    process: Child,
    console: UnixStream,
    said: String,
}

impl Board {
    /// Starts it with the flash that is there, or an erased one.
    fn start(lab: &Lab, name: &str) -> Result<Self, String> {
        let variable = |name| {
            std::env::var_os(name)
                .ok_or(format!("{name} is not set: run this suite with `cargo xtask interop`"))
        };
        let file = |kind: &str| lab.folder.join(format!("{name}.{kind}"));
        let path = file("console");
        let _ = std::fs::remove_file(&path);
        let log = std::fs::File::create(file("log")).map_err(|error| error.to_string())?;
        let dump = |side: &str| {
            format!(
                "filter-dump,id=dump-{side},netdev={side},file={}",
                file(&format!("{side}.pcap")).display()
            )
        };
        let process = Command::new(PathBuf::from(variable("GATELET_BOARD_RUN")?))
            .arg(variable("GATELET_BOARD_IMAGE")?)
            .arg(file("flash"))
            .args(["tap:gate", &format!("tap:{}", PORTS[1]), "--console"])
            .arg(&path)
            .args(["--", "-object", &dump("wan"), "-object", &dump("lan")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start the board: {error}"))?;
        let began = Instant::now();
        let console = loop {
            match UnixStream::connect(&path) {
                Ok(console) => break console,
                Err(error) if began.elapsed() > START => {
                    return fail(format!("no console at {}: {error}", path.display()));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let poll = Some(Duration::from_millis(100));
        console.set_read_timeout(poll).map_err(|error| error.to_string())?;
        Ok(Self { process, console, said: String::new() })
    }

    /// Types a line.
    fn enter(&mut self, line: &str) -> Checked {
        let fault = |error: std::io::Error| format!("the console, at {line:?}: {error}");
        self.console.write_all(line.as_bytes()).and_then(|()| self.console.write_all(b"\r")).map_err(fault)
    }

    /// Waits until the console says `text`; what it said before it, since the last wait.
    fn wait(&mut self, text: &str, time: Duration) -> Result<String, String> {
        let began = Instant::now();
        loop {
            if let Some(at) = self.said.find(text) {
                let rest = self.said.split_off(at + text.len());
                return Ok(std::mem::replace(&mut self.said, rest));
            }
            if began.elapsed() > time {
                return fail(format!("no {text:?} on the console in {time:?}:\n{}", tail(&self.said, 20)));
            }
            let mut some = [0; 1024];
            match self.console.read(&mut some) {
                Ok(0) => return fail(format!("the board ended:\n{}", tail(&self.said, 20))),
                Ok(len) => self.said.push_str(&String::from_utf8_lossy(&some[..len])),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return fail(format!("the console: {error}")),
            }
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// From power-on to a page in a browser, with nothing but what is typed; and what was typed is still there after a reset, and after
/// a power cut in the middle of the next commit.
pub(crate) fn first_boot(lab: &mut Lab) -> Checked {
    // Another router with the same address is of no use in a LAN.
    lab.lan = None;
    let one = Host::start("one", &lab.folder)?;
    let mut board = Board::start(lab, "board")?;
    let began = Instant::now();
    board.wait("Carrier (1-6): ", START)?;
    let prompt = began.elapsed();
    let dialed = board.answer("alice@isp.test", "wonderland")?;
    let lease = one.dhclient()?;
    ensure(lease.router == ROUTER && lease.dns == ROUTER, || format!("told by DHCP: {lease:?}"))?;
    surf(&one)?;

    board.enter("reboot")?;
    board.wait("(y/n)", START)?;
    board.enter("y")?;
    board.wait("Gatelet ", START)?;
    let again = board.on_line()?;
    surf(&one)?;

    // The power goes at once: whether the commit has begun or not.
    board.enter("set lan.domain home")?;
    board.enter("commit")?;
    drop(board);
    let mut board = Board::start(lab, "board")?;
    board.wait(PROMPT, START)?;
    board.on_line()?;
    board.enter("show settings")?;
    board.wait("wan.user                   alice@isp.test", START)?;
    surf(&one)?;
    one.dhclient_release()?;
    lab.tell(format!(
        "board in QEMU: {:.2} s from power-on to the first question, {:.2} s from the password to the line, {:.1} s after a \
         reset",
        prompt.as_secs_f64(),
        dialed.as_secs_f64(),
        again.as_secs_f64()
    ));
    ensure(prompt < TO_PROMPT, || format!("it took {prompt:?} to the first question"))
}

/// A wrong password keeps the board silent, also when it is plugged out and in again.
pub(crate) fn hold(lab: &mut Lab) -> Checked {
    let mut board = Board::start(lab, "board-hold")?;
    board.wait("Carrier (1-6): ", START)?;
    board.enter("5")?;
    board.enter("alice@isp.test")?;
    board.enter("looking-glass")?;
    board.wait("Keeping silent", DIAL)?;
    drop(board);
    let mut board = Board::start(lab, "board-hold")?;
    board.wait(PROMPT, START)?;
    board.enter("show wan")?;
    let said = board.wait("Since start     0 dials", START)?;
    ensure(said.contains("Power came back while the line was locked"), || said)
}

impl Board {
    /// Answers the questions of the first start; the time from the last answer to the line.
    fn answer(&mut self, user: &str, password: &str) -> Result<Duration, String> {
        self.enter("5")?;
        self.wait("User name: ", START)?;
        self.enter(user)?;
        self.wait("Password: ", START)?;
        self.enter(password)?;
        let began = Instant::now();
        self.wait("You are on line.", DIAL)?;
        Ok(began.elapsed())
    }

    /// Asks until it is on line; the time it took.
    fn on_line(&mut self) -> Result<Duration, String> {
        let began = Instant::now();
        loop {
            self.enter("show wan")?;
            let said = self.wait("Sent  ", START)?;
            if said.contains(": on line") {
                return Ok(began.elapsed());
            }
            ensure(began.elapsed() < AFTER_A_CUT, || format!("not on line again:\n{said}"))?;
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// Everyday use of the line.
fn surf(host: &Host) -> Checked {
    host.run("ping", &["-c", "2", "-i", "0.2", "-W", "2", INTERNET_HOST])?;
    expect(host, &["+notcp", "probe.isp.test", "A"], "NOERROR", INTERNET_HOST)?;
    let body = host.curl(5, "http://probe.isp.test/success.txt")?;
    ensure(body == "success\n", || format!("by name: {body}"))
}
