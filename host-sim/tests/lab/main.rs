//! Interoperability: the real binary dials a concentrator nobody here wrote (`host-sim/peer-lab`).
//!
//! `cargo xtask interop [NAME…]`; `--list` names the checks, `--all` runs the long ones too, `--keep DIR` keeps captures and
//! logs.
//! A suite of its own, because it boots virtual machines and works in a network namespace: `cargo
//! test` alone does not run it, `cargo xtask test` does, and it fails where it cannot run.

mod board;
mod calibration;
mod capture;
mod dialer;
mod dialing;
mod faults;
mod lan;
mod lan_inbound;
mod lan_ipoe;
mod lan_ipv6;
mod lan_modem;
mod lan_services;
mod lan_traffic;
mod losses;
mod machine;
mod portal;
mod throughput;
mod trace;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use machine::Machine;

/// The outcome of a check.
pub(crate) type Checked = Result<(), String>;

/// A failure of any type.
pub(crate) fn fail<T>(message: impl Into<String>) -> Result<T, String> {
    Err(message.into())
}

/// Fails with `message` unless `condition`.
pub(crate) fn ensure(condition: bool, message: impl FnOnce() -> String) -> Checked {
    if condition { Ok(()) } else { Err(message()) }
}

/// What the checks work with.
pub(crate) struct Lab {
    /// The provider.
    pub(crate) isp: Machine,
    /// The reference subscriber, to tell our fault from the peer's.
    pub(crate) subscriber: Machine,
    /// Captures, ledgers, logs.
    pub(crate) folder: PathBuf,
    /// Lines printed after the checks: tables and figures.
    pub(crate) report: Vec<String>,
    /// What the subscriber's session carried.
    pub(crate) baseline: Option<throughput::Throughput>,
    /// When the clients to be measured began to dial.
    pub(crate) calibration_began: Option<Instant>,
    /// The router with its LAN, once a check has started it.
    pub(crate) lan: Option<lan::Lan>,
    /// How many of them were started.
    pub(crate) lans: u32,
}

type Check = (&'static str, fn(&mut Lab) -> Checked);

/// In the order in which they run: what a later one needs comes first.
const CHECKS: &[Check] = &[
    ("calibrate: begin", calibration::begin),
    ("subscriber: dials, pings, throughput", throughput::subscriber),
    ("dial: CHAP-MD5", dialing::chap),
    ("dial: PAP", dialing::pap),
    ("dial: MS-CHAPv2", dialing::mschapv2),
    ("dial: by TAP device", dialing::by_tap),
    ("dial: in a VLAN, by packet socket", dialing::vlan_by_packet_socket),
    ("dial: in a VLAN, by TAP device", dialing::vlan_by_tap),
    ("dial: RFC 4638, an MTU of 1500", dialing::jumbo),
    ("dial: RFC 4638, a path that does not carry it", dialing::jumbo_black_hole),
    ("dial: by name of service and concentrator", dialing::filters),
    ("traffic: throughput", throughput::ours),
    ("fault: wrong password", faults::wrong_password),
    ("fault: PADT from the server", faults::padt),
    ("fault: a PADT for another session", faults::padt_for_another),
    ("fault: LCP Terminate-Request", faults::terminate),
    ("fault: kill -9, then start again", faults::killed),
    ("fault: server stopped and started", faults::server_restart),
    ("fault: cable pulled and put back", faults::cable),
    ("fault: session lost without a word", faults::silent_drop),
    ("fault: Ctrl-C twice while the wire is cut", faults::second_interrupt),
    ("loss: each message of a dial", losses::each_message),
    ("lan: throughput", lan_traffic::throughput),
    ("lan: by TAP device", lan_traffic::by_tap),
    ("lan: DHCP", lan_services::dhcp),
    ("lan: DNS", lan_services::dns),
    ("lan: ping, traceroute, curl", lan_traffic::everyday),
    ("lan: a hundred transfers at once", lan_traffic::hundred_transfers),
    ("lan: a port forward, from outside and from inside", lan_inbound::port_forward),
    ("lan: closed to the Internet", lan_inbound::closed),
    ("lan: PADT in the middle of a transfer", lan_inbound::padt),
    ("lan: another address", lan_inbound::another_address),
    ("lan: Ctrl-C, and started again", lan_inbound::restart),
    ("lan: behind a line without PPP, by dnsmasq", lan_ipoe::dhcp_line),
    ("lan: a lease renewed, and rebound with another server", lan_ipoe::renewed),
    ("lan: the time of day, by chrony", lan_ipoe::time_of_day),
    ("lan: the modem's page beside the session", lan_modem::page),
    ("lan: IPv6 by delegation, from Kea and dibbler", lan_ipv6::delegated),
    ("lan: IPv6 through a tunnel to Linux's sit", lan_ipv6::tunnel),
    ("board: from power-on to a page, by console", board::first_boot),
    ("portal: each way a carrier can be in the way", portal::every_mode),
    ("board: a hold outlasts a power cut", board::hold),
    ("captures: of the lab, read by tshark", capture::of_the_lab),
    ("captures: of the simulator, read by tshark", capture::of_the_simulator),
    ("calibrate: PADI times of pppd and OpenWrt", calibration::end),
];

/// Those that take minutes: run when they are named, and with `--all`.
const LONG: &[Check] = &[("hotspot: a portal by openNDS", portal::hotspot)];

fn main() -> ExitCode {
    match suite() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("the suite cannot run: {message}");
            ExitCode::FAILURE
        }
    }
}

fn suite() -> Result<bool, String> {
    let mut wanted = Vec::new();
    let (mut keep, mut all) = (None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => {
                for (name, _) in CHECKS.iter().chain(LONG) {
                    println!("{name}");
                }
                return Ok(true);
            }
            "--all" => all = true,
            "--keep" => keep = Some(PathBuf::from(arguments.next().ok_or("--keep wants a folder")?)),
            // cargo hands its own --quiet down.
            "--quiet" | "-q" => {}
            _ => wanted.push(argument),
        }
    }
    let named = |name: &str| wanted.iter().any(|part| name.contains(part));
    let usual = CHECKS.iter().filter(|(name, _)| all || wanted.is_empty() || named(name));
    let checks: Vec<_> = usual.chain(LONG.iter().filter(|(name, _)| all || named(name))).collect();
    for (name, _) in LONG.iter().filter(|(name, _)| wanted.is_empty() && !all && !named(name)) {
        println!("a check of its own, not run now: {name}");
    }
    if checks.is_empty() {
        return fail(format!("no check's name contains {wanted:?}"));
    }

    machine::enter_namespace()?;
    let (temporary, folder) = folder(keep)?;
    let began = Instant::now();
    let isp = Machine::boot("isp", "isp", &folder)?;
    let subscriber = Machine::boot("subscriber", "sub", &folder)?;
    let (isp, subscriber) = (isp.ready()?, subscriber.ready()?);
    println!(
        "booted the ISP in {:.1} s, the subscriber in {:.1} s",
        isp.boot.as_secs_f64(),
        subscriber.boot.as_secs_f64()
    );
    let mut lab = Lab {
        isp,
        subscriber,
        folder,
        report: Vec::new(),
        baseline: None,
        calibration_began: None,
        lan: None,
        lans: 0,
    };
    let mut failed = 0;
    for (name, check) in &checks {
        let at = Instant::now();
        let outcome = check(&mut lab);
        let seconds = at.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("ok    {seconds:6.1} s  {name}"),
            Err(message) => {
                failed += 1;
                println!("FAIL  {seconds:6.1} s  {name}");
                for line in message.lines() {
                    println!("        {line}");
                }
                // The next check finds the lab as it expects it.
                lab.lan = None;
                let _ = lab.reset();
            }
        }
    }
    for line in &lab.report {
        println!("{line}");
    }
    println!("{:.1} s in all", began.elapsed().as_secs_f64());
    println!("{} passed, {failed} failed", checks.len() - failed);
    if failed == 0 && temporary {
        let folder = lab.folder.clone();
        drop(lab);
        let _ = std::fs::remove_dir_all(folder);
    } else {
        println!("captures and logs: {}", lab.folder.display());
    }
    Ok(failed == 0)
}

impl Lab {
    /// Puts the provider back to its defaults.
    pub(crate) fn reset(&self) -> Checked {
        for command in [
            "wire on",
            "netem off",
            "pppopt clear",
            "echo 10 3",
            "auth chap",
            "ipv6 kea",
            "vlan off",
            "addr pool",
            "drop padt",
        ] {
            self.isp.command(command)?;
        }
        Ok(())
    }

    /// Adds a line to the report.
    pub(crate) fn tell(&mut self, line: impl Into<String>) {
        self.report.push(line.into());
    }
}

/// Where captures go, and whether it is to be deleted in the end. Short: the name of a machine's
/// socket below it has 107 bytes at most.
fn folder(keep: Option<PathBuf>) -> Result<(bool, PathBuf), String> {
    let temporary = keep.is_none();
    let folder =
        keep.unwrap_or_else(|| std::env::temp_dir().join(format!("gatelet-lab-{}", std::process::id())));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok((temporary, folder))
}
