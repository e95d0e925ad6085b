//! Interoperability: the real binary dials a concentrator nobody here wrote (`host-sim/peer-lab`).
//!
//! `cargo xtask interop [NAME…]`; `--list` names the checks, `--all` runs the long ones too, `--keep DIR` keeps captures and
//! logs. They run in two [lanes](lanes), side by side.
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
mod lan_sit;
mod lan_traffic;
mod lanes;
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
    pub(crate) baseline: Option<throughput::Baseline>,
    /// When the clients to be measured began to dial.
    pub(crate) calibration_began: Option<Instant>,
    /// The router with its LAN, once a check has started it.
    pub(crate) lan: Option<lan::Lan>,
    /// How many of them were started.
    pub(crate) lans: u32,
}

/// Which of the two labs a check runs in. They work side by side, each with a provider and a network of its own: most checks
/// wait, for a peer's timer or for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// One who dials. Begins alone: what is measured there must have the machine to itself.
    Line,
    /// The LAN behind it. Begins when nothing is measured any more.
    House,
}

impl Lane {
    const ALL: [Self; 2] = [Self::Line, Self::House];

    const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::House => "house",
        }
    }

    /// In the order in which they run: what a later one needs comes first.
    const fn checks(self) -> &'static [Check] {
        match self {
            Self::Line => LINE,
            Self::House => HOUSE,
        }
    }
}

type Check = (&'static str, fn(&mut Lab) -> Checked);

/// Those that are alone on the machine, the first of [`Lane::Line`].
const ALONE: usize = 5;

const LINE: &[Check] = &[
    ("calibrate: begin", calibration::begin),
    ("subscriber: dials, pings, throughput", throughput::subscriber),
    ("traffic: throughput", throughput::ours),
    ("lan: throughput", lan_traffic::throughput),
    ("lan: throughput over IPv6", lan_ipv6::throughput),
    ("dial: CHAP-MD5", dialing::chap),
    ("dial: PAP", dialing::pap),
    ("dial: MS-CHAPv2", dialing::mschapv2),
    ("dial: by TAP device", dialing::by_tap),
    ("dial: in a VLAN, by packet socket", dialing::vlan_by_packet_socket),
    ("dial: in a VLAN, by TAP device", dialing::vlan_by_tap),
    ("dial: RFC 4638, an MTU of 1500", dialing::jumbo),
    ("dial: RFC 4638, a path that does not carry it", dialing::jumbo_black_hole),
    ("dial: by name of service and concentrator", dialing::filters),
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
    ("portal: each way a carrier can be in the way", portal::every_mode),
    ("captures: of the line, read by tshark", capture::of_the_lab),
    ("captures: of the simulator, read by tshark", capture::of_the_simulator),
    ("calibrate: PADI times of pppd and OpenWrt", calibration::end),
];

const HOUSE: &[Check] = &[
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
    (
        "lan: neighbours on Ethernet reach a tunnel's client, and what is theirs stays theirs",
        lan_sit::neighbours,
    ),
    ("board: from power-on to a page, by console", board::first_boot),
    ("board: a hold outlasts a power cut", board::hold),
    ("captures: of the house, read by tshark", capture::of_the_lab),
];

/// Those of [`Lane::House`] that take minutes, or have failed behind the others and passed alone: run when they are named, and with
/// `--all`.
const LONG: &[Check] = &[
    ("lan: a tunnel's server, with Linux's sit as its client", lan_sit::server),
    ("hotspot: a portal by openNDS", portal::hotspot),
];

fn main() -> ExitCode {
    let outcome = Arguments::of(std::env::args().skip(1)).and_then(|arguments| match arguments.lane {
        _ if arguments.list => {
            let names = LINE.iter().chain(HOUSE).chain(LONG).map(|(name, _)| name);
            names.for_each(|name| println!("{name}"));
            Ok(true)
        }
        Some(lane) => run(lane, &arguments),
        None => lanes::run(&arguments),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("the suite cannot run: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What is on the command line.
#[derive(Default)]
pub(crate) struct Arguments {
    /// Parts of the names of those that are wanted; none: all.
    wanted: Vec<String>,
    list: bool,
    all: bool,
    /// Where captures and logs are to stay.
    keep: Option<PathBuf>,
    /// One lane alone, in this process.
    lane: Option<Lane>,
}

impl Arguments {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut found = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => found.list = true,
                "--all" => found.all = true,
                "--keep" => found.keep = Some(arguments.next().ok_or("--keep wants a folder")?.into()),
                "--lane" => {
                    let name = arguments.next().unwrap_or_default();
                    let lane = Lane::ALL.into_iter().find(|lane| lane.name() == name);
                    found.lane = Some(lane.ok_or_else(|| format!("there is no lane {name:?}"))?);
                }
                // cargo hands its own --quiet down.
                "--quiet" | "-q" => {}
                _ => found.wanted.push(argument),
            }
        }
        Ok(found)
    }

    /// The checks of a lane that are to run.
    pub(crate) fn checks(&self, lane: Lane) -> Vec<&'static Check> {
        let named = |name: &str| self.wanted.iter().any(|part| name.contains(part));
        let usual =
            lane.checks().iter().filter(|(name, _)| self.all || self.wanted.is_empty() || named(name));
        let long = LONG.iter().filter(|(name, _)| lane == Lane::House && (self.all || named(name)));
        usual.chain(long).collect()
    }
}

/// Runs the checks of one lane, in a network of this process alone.
fn run(lane: Lane, arguments: &Arguments) -> Result<bool, String> {
    let folder = arguments.keep.clone().ok_or("a lane wants a folder: --keep")?;
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    machine::enter_namespace()?;
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
    let alone: Vec<_> = LINE.iter().take(ALONE).map(|(name, _)| name).collect();
    let mut is_alone = lane == Lane::Line;
    for (name, check) in arguments.checks(lane) {
        if is_alone && !alone.contains(&name) {
            is_alone = false;
            println!("{}", lanes::NOT_ALONE);
        }
        let at = Instant::now();
        let outcome = check(&mut lab);
        let seconds = at.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("{}{seconds:6.1} s  {name}", lanes::OK),
            Err(message) => {
                failed += 1;
                println!("{}{seconds:6.1} s  {name}", lanes::FAILED);
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
        println!("{}{line}", lanes::REPORT);
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
