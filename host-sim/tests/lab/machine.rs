//! The lab's virtual machines (`host-sim/peer-lab`) and the wire they are on.
//!
//! ```text
//!   ISP (QEMU) ─── tap isp ─┐
//!   subscriber (QEMU) ─ tap sub ─┼─ bridge ─┬─ veth wan1 ═ wan0: gatelet-sim by packet socket
//!                           ┘               └─ tap gate: gatelet-sim by TAP device
//! ```
//! All of it, and every program under test, is in a network namespace of this process alone.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getegid, geteuid};

use crate::{Checked, fail};

/// Hardware address of the concentrator.
pub(crate) const ISP_MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x00, 0x53, 0x01];
/// How long a machine may take to boot, emulated, on a machine busy with other things.
const BOOT_TIMEOUT: Duration = Duration::from_mins(4);
/// Commands so far, in all machines.
static COMMANDS: AtomicU32 = AtomicU32::new(0);
/// How long a command in a machine may take.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);

/// Moves this process to a network namespace of its own, as root or (where the system lets users
/// have namespaces) as anyone. To be called while there is one thread.
pub(crate) fn enter_namespace() -> Checked {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("a network namespace: {error}"))?;
    } else {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(|error| {
            format!("a network namespace: {error}; run this as root, or let users have namespaces")
        })?;
        let map =
            |file: &str, line: String| fs::write(file, line).map_err(|error| format!("{file}: {error}"));
        map("/proc/self/setgroups", "deny".into())?;
        map("/proc/self/uid_map", format!("0 {user} 1"))?;
        map("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    for words in [
        "link set lo up",
        "link add name bridge0 type bridge",
        "tuntap add name isp mode tap",
        "tuntap add name sub mode tap",
        "tuntap add name gate mode tap",
        "link add name wan0 type veth peer name wan1",
    ] {
        ip(words)?;
    }
    for name in ["isp", "sub", "gate", "wan1"] {
        ip(&format!("link set {name} master bridge0"))?;
    }
    for name in ["bridge0", "isp", "sub", "gate", "wan0", "wan1"] {
        // No chatter of the host's own on the wire under test.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
        ip(&format!("link set {name} up"))?;
    }
    Ok(())
}

/// `ip WORDS` in the namespace.
pub(crate) fn ip(words: &str) -> Checked {
    output("ip", &words.split(' ').collect::<Vec<_>>()).map(drop)
}

/// A program's standard output; both outputs are in the message if it fails.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let line = format!("{program} {}", arguments.join(" "));
    let path = format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default());
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{line}: {}\n{}{}", output.status, tail(&text, 12), tail(&said, 12)))
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().fold(String::new(), |text, line| text + line + "\n")
}

/// A running machine.
pub(crate) struct Machine {
    process: Child,
    control: PathBuf,
    /// From start to ready.
    pub(crate) boot: Duration,
}

/// A machine that is booting.
pub(crate) struct Booting {
    process: Child,
    began: Instant,
    log: PathBuf,
    control: PathBuf,
}

impl Machine {
    /// Starts a machine in `role` on the TAP device `tap`; its sockets and logs go to `folder`.
    pub(crate) fn boot(role: &str, tap: &str, folder: &Path) -> Result<Booting, String> {
        let variable = |name| {
            env::var_os(name).ok_or(format!("{name} is not set: run this suite with `cargo xtask interop`"))
        };
        let script = PathBuf::from(variable("GATELET_LAB_SCRIPTS")?).join("run-isp");
        let image = variable("GATELET_LAB_IMAGE")?;
        let run = folder.join(role);
        let log = folder.join(format!("{role}.log"));
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let process = Command::new(&script)
            .arg(image)
            .arg(&run)
            .arg(format!("tap:{tap}"))
            .args(["--role", role])
            .env("READY_TIMEOUT", BOOT_TIMEOUT.as_secs().to_string())
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(|error| error.to_string())?)
            .stderr(file)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", script.display()))?;
        Ok(Booting { process, began: Instant::now(), log, control: run.join("ctl") })
    }

    /// Runs one command in the machine and returns what it printed.
    pub(crate) fn command(&self, line: &str) -> Result<String, String> {
        let fault = |error: std::io::Error| format!("`{line}` in the machine: {error}");
        let mut stream = UnixStream::connect(&self.control).map_err(fault)?;
        stream.set_read_timeout(Some(COMMAND_TIMEOUT)).map_err(fault)?;
        // No answer to an earlier command is taken for that to this one.
        let token = format!("{:x}-{:x}", std::process::id(), COMMANDS.fetch_add(1, Ordering::Relaxed));
        stream.write_all(format!("{token} {line}\n").as_bytes()).map_err(fault)?;
        let (start, end) = (format!("<<{token}"), format!(">>{token} "));
        let mut reader = BufReader::new(stream);
        let mut printed = String::new();
        let mut inside = false;
        loop {
            let mut text = Vec::new();
            if reader.read_until(b'\n', &mut text).map_err(fault)? == 0 {
                return Err(format!("`{line}`: the machine closed its control channel"));
            }
            let text = String::from_utf8_lossy(&text);
            let text = text.trim_end_matches(['\n', '\r']);
            match text.strip_prefix(&end) {
                Some("0") if inside => return Ok(printed),
                Some(status) if inside => {
                    return Err(format!(
                        "`{line}` in the machine: exit status {status}\n{}",
                        tail(&printed, 12)
                    ));
                }
                _ if inside => {
                    printed += text;
                    printed.push('\n');
                }
                _ => inside = text == start,
            }
        }
    }

    /// The PPPoE sessions that the concentrator believes to be alive.
    pub(crate) fn sessions(&self) -> Result<usize, String> {
        Ok(self.command("status")?.lines().filter(|line| line.starts_with("session=")).count())
    }
}

impl Booting {
    /// Waits until the machine can be used.
    pub(crate) fn ready(mut self) -> Result<Machine, String> {
        loop {
            let mut said = String::new();
            let _ = File::open(&self.log).and_then(|mut log| log.read_to_string(&mut said));
            if said.starts_with("ready") || said.contains("\nready") {
                break;
            }
            let ended = self.process.try_wait().ok().flatten().is_some();
            if ended || self.began.elapsed() > BOOT_TIMEOUT {
                stop(&mut self.process);
                return fail(format!("the machine did not boot:\n{}", tail(&said, 20)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Machine { process: self.process, control: self.control, boot: self.began.elapsed() })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// Ends a child politely, waits for it.
fn stop(process: &mut Child) {
    if let Ok(id) = i32::try_from(process.id()) {
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
    let _ = process.wait();
}
