//! The router on Linux: the same runtime as on a board, in real time. The line is an Ethernet
//! interface, the ledger a file; the session's IP traffic is a TUN device's, or that of the LAN at a
//! second interface.
//!
//! ```text
//!   modem ══ WAN ══ packet socket ─┐                          ┌─ TUN ══ the host: ping, curl, iperf3
//!            (or a TAP device) ────┴─► run_port ─► run_router ┼─► ledger file, timeline, pcap
//!                                                             └─ run_port ─ packet socket ══ LAN ══ its hosts
//! ```

use std::env;
use std::fs::{self, File};
use std::io::{BufWriter, Read};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;

use chacha20::ChaCha8Rng;
use embassy_futures::join::join;
use embassy_net::StackResources;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::DynamicSender;
use embassy_sync::pubsub::{DynSubscriber, WaitResult};
use gatelet_hal::{EthernetPort, FramePool, PortId};
use gatelet_proto::connectivity::probes::Probe;
use gatelet_proto::connectivity::{self, Family, Region};
use gatelet_proto::dns;
use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{Credentials, Echo};
use gatelet_proto::redial::{Between, Policy, Preset, Window};
use gatelet_router::{Command, EthernetWanConfig, Router, RouterEvent, TunnelId, WanConfig, WanId};
use gatelet_runtime::settings::Sides;
use gatelet_runtime::{
    Connectivity, ConsoleSide, Event, Gatelet, PlainHttp, TimedEvent, UpdateDesk, UpdateSpace,
};
use gatelet_wire::ethernet::VlanTag;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rand_core::SeedableRng;
use smoltcp::time::Duration;

use crate::executor::{Executor, Mode, readable};
use crate::pcap;
use crate::timeline::Tone;

pub mod args;
pub mod console;
pub mod interface;
pub mod lan;
pub mod lease_file;
pub mod ledger_file;
pub mod offload;
pub mod output;
pub mod packet_socket;
pub mod port;
pub mod session;
pub mod settings_file;
pub mod tunnels;
pub mod tuntap;

pub use args::{Args, Attach};

use args::{Budget, EchoMode, Expert, Line, MinimumAuth};
use lease_file::LeaseFile;
use ledger_file::LedgerFile;
use output::Output;
use port::{Capture, LinuxPort, Side};
use session::Session;
use tuntap::{Kind, TunTap};

/// Where the line is.
const WAN_PORT: PortId = PortId(0);
/// Where the LAN is; without one, the quota in which the packets from the TUN device travel.
const INSIDE: PortId = PortId(1);
/// The one WAN.
const WAN: WanId = WanId(0);
/// Frames in the pool: 1.7 MB, a few milliseconds at line rate in each direction.
const FRAMES: usize = 1024;
/// Of which each direction and the router itself have so many to themselves.
const RESERVED: u16 = 256;

/// Dials the line until Ctrl-C.
pub fn run(args: &Args) -> ExitCode {
    match dial(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("gatelet-sim: {message}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::too_many_lines, reason = "the house, part by part")]
fn dial(args: &Args) -> Result<(), String> {
    let config = wan_config(&args.line, &args.expert)?;
    let wan_port = LinuxPort::open(
        &args.wan,
        args.attach,
        if args.line.ipoe {
            Side::Station
        } else {
            Side::Wan { mac: args.line.mac, modem: args.line.modem.is_some() }
        },
        args.host.pcap.as_ref().map(capture).transpose()?,
    )?;
    let mut ledger = LedgerFile::open(&ledger_path(args))?;
    let inside = Inside::open(args)?;
    let tunnels = args.lan.ipv6.tunnels()?;
    let mut session = match &inside {
        Inside::Tun(tun) => Some(Session::new(tun.interface().clone(), &args.host)),
        Inside::Lan(..) => None,
    };
    let console = args.host.console.as_deref().map(console::Seat::open).transpose()?;
    if args.host.json && console.as_ref().is_some_and(console::Seat::is_terminal) {
        return Err("--console at this terminal, and --json: name a Unix socket for one of them".into());
    }
    let output = Output::new(args.host.json, console.as_ref().is_some_and(console::Seat::is_terminal));
    let signals = Signals::catch()?;

    let sides = Sides { wan: WAN_PORT, lan: INSIDE };
    let desk = console.as_ref().map(|_| console::desk(args, &config, sides)).transpose()?;
    let (desk, settings_file) = desk.map_or((None, None), |(desk, file)| (Some(desk), file));
    let update_desk = UpdateDesk::new();
    let memory: Box<FramePool<NoopRawMutex, FRAMES>> = Box::new(FramePool::new());
    let pool = memory.pool();
    for quota in [WAN_PORT, INSIDE, PortId::LOCAL] {
        pool.reserve(quota, RESERVED).map_err(|error| error.to_string())?;
    }
    let mut tables = Box::new(lan::Tables::new());
    let mut router = Router::new(pool, random()?);
    let wan_mac = wan_port.hardware_address();
    router.add_port(WAN_PORT, wan_mac, wan_port.max_frame_len());
    let mut gatelet = Gatelet::<NoopRawMutex, 2>::new(pool);
    if let Some(desk) = &desk {
        gatelet.lend_settings(desk);
    }
    gatelet.lend_tunnel_updates(&update_desk);
    let gatelet = gatelet;
    let mut console_stack = None;
    let mut events = gatelet.events().ok_or("nobody else listens yet, and there is no room")?;
    let commands = gatelet.commands();
    let mut names = Box::new(lan::Names::new());
    let mut updates = Box::new(UpdateSpace::new());
    let mut wan_sockets = StackResources::<{ lan::WAN_SOCKETS }>::new();
    let mut lan_sockets = StackResources::<{ lan::LAN_SOCKETS }>::new();

    let rows: Vec<_> = args.lan.probes.iter().map(args::ProbePage::row).collect();
    let checks: Vec<_> = region(args, &rows)
        .into_iter()
        .flat_map(|region| families(args).map(move |family| connectivity::Config::new(region, family)))
        .map(|config| Connectivity::new(WAN, config))
        .collect();
    let mut probes: Vec<_> = checks.iter().map(|_| Box::new(lan::Probes::new())).collect();

    let mut executor = Executor::new(Mode::Real);
    let start = executor.now();
    output.note(start, "wan", format!("{}: {}", args.wan, wan_port.describe()), Tone::Plain);
    let (boot, past) = ledger.restore();
    if matches!(inside, Inside::Lan(..)) {
        // Before a WAN without PPP: it is the datapath that speaks ARP.
        router.lend_tables(tables.lend());
    }
    let wan = if args.line.ipoe {
        router.add_ethernet_wan(start, ipoe_config(&args.line))
    } else {
        router.add_wan(start, config, boot, past)
    };
    wan.ok_or("the router takes no WAN")?;
    executor.spawn("WAN port", gatelet.run_port(WAN_PORT, wan_port));
    match inside {
        Inside::Tun(tun) => {
            let (to_tun, from_tun) = gatelet.stack_queue(WAN);
            executor.spawn("TUN", async move {
                join(session::to_tun(to_tun, &tun), session::from_tun(&tun, from_tun, pool, INSIDE)).await
            });
        }
        Inside::Lan(port, mut leases) => {
            output.note(start, "lan", format!("{}: {}", args.lan.address, port.describe()), Tone::Plain);
            router.add_port(INSIDE, port.hardware_address(), port.max_frame_len());
            lan::set_up(&mut router, start, INSIDE, &args.lan)?;
            tunnels::set_up(&mut router, start, WAN, wan_mac, (&args.lan.ipv6, &tunnels))?;
            router.restore_leases(start, leases.leases());
            router.remember_ipv6_prefixes(&leases.prefixes());
            let keeper = &gatelet;
            executor.spawn("leases", async move { keeper.run_leases(&mut leases).await });
            executor.spawn("LAN port", gatelet.run_port(INSIDE, port));
            let (wan_stack, runner) =
                gatelet.wan_stack(WAN, &mut wan_sockets, u64::from_ne_bytes(random()?)).ok_or(NO_STACK)?;
            executor.spawn("WAN stack", runner.run());
            console_stack = Some(wan_stack);
            let (lan_stack, runner) =
                gatelet.lan_stack(&mut lan_sockets, u64::from_ne_bytes(random()?)).ok_or(NO_STACK)?;
            executor.spawn("LAN stack", runner.run());
            let rng = ChaCha8Rng::from_seed(random()?);
            let config = dns::Config::default();
            if !args.lan.ntp.is_empty() {
                let (gatelet, rng) = (&gatelet, ChaCha8Rng::from_seed(random()?));
                executor.spawn("SNTP", async move {
                    let servers: Vec<_> = args.lan.ntp.iter().map(String::as_str).collect();
                    gatelet.run_sntp(WAN, wan_stack, &servers, rng).await
                });
            }
            for (checks, probes) in checks.iter().zip(&mut probes) {
                let rng = ChaCha8Rng::from_seed(random()?);
                executor.spawn("connectivity", gatelet.run_connectivity(checks, wan_stack, probes, rng));
            }
            let stacks = (lan_stack, wan_stack);
            executor.spawn("DNS", gatelet.run_dns(WAN, stacks, config, &mut names, rng));
            gatelet.set_tunnel_update_port(args.lan.ipv6.sit_update_port);
            for (number, (_, update)) in (0..).zip(tunnels) {
                gatelet.set_tunnel_update(TunnelId(number), update);
            }
            let run = gatelet.run_tunnel_updates(WAN, stacks, PlainHttp, &mut updates);
            executor.spawn("tunnel updates", run);
        }
    }
    if let (Some(place), Some(desk)) = (console, &desk) {
        let gatelet = &gatelet;
        executor.spawn("settings", console::keep(desk, settings_file));
        let checks = &checks;
        executor.spawn("console", async move {
            let engines = &|show: &mut dyn FnMut(&connectivity::Engine<'_>)| {
                for checks in checks {
                    checks.look(|engine| show(engine));
                }
            };
            let probe = &|| {
                checks.iter().for_each(Connectivity::check_now);
                !checks.is_empty()
            };
            let (settings, stack) = (desk, console_stack);
            let mut side = ConsoleSide { settings, stack, engines, probe, is_terminal: false };
            place.run(gatelet, &mut side).await;
        });
    }
    executor.spawn("events", follow(&mut events, &mut session, &checks, &output));
    executor.spawn("signals", hang_up(&signals, commands, &checks, &output));
    executor.run_until(gatelet.run_router(&mut router, &mut ledger)).map_err(|stuck| stuck.to_string())?;
    // What happened since the last record need not be assumed at the next start: it is known.
    if let Some(past) = router.snapshot(executor.now(), WAN) {
        ledger.write(&past).map_err(|error| format!("the ledger: {error}"))?;
    }
    Ok(())
}

/// Whom to ask whether the Internet is there, if anybody.
fn region<'a>(args: &Args, rows: &'a [Probe<'a>]) -> Option<Region<'a>> {
    match args.lan.connectivity.as_deref() {
        Some("cn") => Some(Region::Cn),
        Some("global") => Some(Region::Global),
        Some(_) => Some(Region::Auto),
        None => (!rows.is_empty()).then_some(Region::Custom(rows)),
    }
}

/// What is looked at: IPv6 where there may be a way for it.
fn families(args: &Args) -> impl Iterator<Item = Family> + use<> {
    // The console may turn it on.
    let has_ipv6 = args.lan.ipv6.leads_out() || args.host.console.is_some();
    core::iter::once(Family::Ipv4).chain(has_ipv6.then_some(Family::Ipv6))
}

/// Tells what happens, and does to this machine what it means, for ever.
async fn follow(
    events: &mut DynSubscriber<'_, TimedEvent>,
    session: &mut Option<Session>,
    checks: &[Connectivity<'_, NoopRawMutex>],
    output: &Output,
) {
    loop {
        match events.next_message().await {
            WaitResult::Message(timed) => {
                if let Event::Router(RouterEvent::Wan(_, event)) = &timed.event
                    && let Some(session) = session
                    && let Err(error) = session.follow(event)
                {
                    output.note(timed.at, "trouble", error, Tone::Bad);
                }
                match &timed.event {
                    Event::Router(event) => output.event(timed.at, event),
                    Event::TunnelUpdate { tunnel, event } => output.tunnel_update(timed.at, *tunnel, *event),
                    Event::Connectivity { family, event, .. } => checks.iter().for_each(|checks| {
                        checks.look(|engine| {
                            if engine.config().family == *family {
                                output.connectivity(timed.at, *event, engine);
                            }
                        });
                    }),
                }
            }
            WaitResult::Lagged(count) => {
                let what = format!("{count} events were lost");
                output.note(crate::clock::now(), "lagged", what, Tone::Notice);
            }
        }
    }
}

/// Looks at once whether the Internet is there, at SIGUSR1. Ends the sessions at the first other signal, the process at the
/// second.
async fn hang_up(
    signals: &Signals,
    commands: DynamicSender<'_, Command>,
    checks: &[Connectivity<'_, NoopRawMutex>],
    output: &Output,
) {
    let signal = loop {
        match signals.next().await {
            signal if signal == Signal::SIGUSR1.as_str() => checks.iter().for_each(Connectivity::check_now),
            signal => break signal,
        }
    };
    let what = format!("{signal}: hangs up; once more to end at once");
    output.note(crate::clock::now(), "interrupted", what, Tone::Notice);
    commands.send(Command::Shutdown).await;
    while signals.next().await == Signal::SIGUSR1.as_str() {}
    std::process::exit(ENDED_AT_ONCE);
}

/// Whom the session is for.
enum Inside {
    /// This machine.
    Tun(TunTap),
    /// The hosts at another interface, with the addresses they have.
    Lan(LinuxPort, LeaseFile),
}

impl Inside {
    fn open(args: &Args) -> Result<Self, String> {
        let Some(name) = &args.lan.interface else { return attach_tun(&args.host.tun).map(Self::Tun) };
        if *name == args.wan {
            return Err(format!("{name}: the line and the LAN are at two interfaces"));
        }
        let capture = args.lan.pcap.as_ref().map(capture).transpose()?;
        let port = LinuxPort::open(name, args.lan.attach, Side::Station, capture)?;
        let leases =
            LeaseFile::open(&args.lan.leases.clone().unwrap_or_else(|| default_leases_path(args, name)))?;
        Ok(Self::Lan(port, leases))
    }
}

/// A line without PPP.
fn ipoe_config(line: &Line) -> EthernetWanConfig {
    let vlan = line.vlan.map(|(id, priority)| VlanTag { id, priority, drop_eligible: false });
    EthernetWanConfig { vlan, ..EthernetWanConfig::dhcp(WAN_PORT) }
}

fn wan_config(line: &Line, expert: &Expert) -> Result<WanConfig, String> {
    let password = match (&line.password, &line.password_file) {
        (Some(password), _) => password.clone(),
        (None, Some(path)) => {
            let content = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            content.lines().next().unwrap_or_default().to_owned()
        }
        (None, None) => String::new(),
    };
    let credentials = Credentials::new(&line.user, &password)
        .ok_or("user name and password have at most 128 bytes each")?;
    let name = |option: &Option<String>| {
        let text = option.as_deref().unwrap_or_default();
        text.try_into().map_err(|_| format!("a name of more than 64 bytes: {text}"))
    };
    let mut config = WanConfig::new(WAN_PORT, credentials);
    config.service_name = name(&line.service)?;
    config.ac_name = name(&line.ac_name)?;
    config.ac_mac = line.ac_mac;
    config.mac = line.mac;
    config.vlan = line.vlan.map(|(id, priority)| VlanTag { id, priority, drop_eligible: false });
    config.jumbo = line.jumbo;
    config.modem = line.modem;
    config.ipv6 = !line.no_ipv6;
    config.minimum_auth = match line.minimum_auth {
        MinimumAuth::Pap => AuthMethod::Pap,
        MinimumAuth::Chap => AuthMethod::ChapMd5,
        MinimumAuth::Mschapv2 => AuthMethod::MsChapV2,
    };
    config.policy = policy(&line.carrier, expert);
    config.echo = echo(config.echo, expert);
    config.policy.echo &= expert.echo != Some(EchoMode::Off);
    Ok(config)
}

fn policy(carrier: &str, expert: &Expert) -> Policy {
    let mut policy = Policy::preset(Preset::from_name(carrier).unwrap_or(Preset::Generic));
    let window =
        |budget: Budget| Window { limit: budget.count, period: Duration::from_secs(budget.seconds.into()) };
    if let Some(seconds) = expert.hold {
        let hold = Duration::from_secs(seconds.into());
        policy.hold = Between { least: hold, most: hold };
    }
    if let Some(budget) = expert.budget {
        policy.discovery = window(budget);
    }
    if let Some(budget) = expert.dial_budget {
        policy.dials = window(budget);
    }
    policy
}

fn echo(default: Echo, expert: &Expert) -> Echo {
    let interval =
        expert.echo_interval.map_or(Echo::DEFAULT_INTERVAL, |seconds| Duration::from_secs(seconds.into()));
    let max_missed = Echo::DEFAULT_MAX_MISSED;
    match (expert.echo, default) {
        (Some(EchoMode::Off), _) | (None, Echo::Off) => Echo::Off,
        (Some(EchoMode::On), _) | (None, Echo::On { .. }) => Echo::On { interval, max_missed },
        (Some(EchoMode::Adaptive), _) | (None, Echo::Adaptive { .. }) => {
            Echo::Adaptive { interval, max_missed }
        }
    }
}

fn capture(path: &PathBuf) -> Result<Capture, String> {
    File::create(path)
        .and_then(|file| pcap::Writer::new(BufWriter::new(file)))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn attach_tun(name: &str) -> Result<TunTap, String> {
    TunTap::attach(name, Kind::Tun).map_err(|error| match error.kind() {
        std::io::ErrorKind::ResourceBusy => {
            format!("the TUN device {name} is held by another process; choose another name with --tun")
        }
        std::io::ErrorKind::InvalidInput => {
            format!("{name} is an interface of another kind; choose another name with --tun")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("{name}: permission denied; run it as root, or with CAP_NET_ADMIN and CAP_NET_RAW")
        }
        std::io::ErrorKind::NotFound => {
            "this kernel has no TUN devices (/dev/net/tun); `modprobe tun`".into()
        }
        _ => format!("{name}: {error}"),
    })
}

fn ledger_path(args: &Args) -> PathBuf {
    args.host.ledger.clone().unwrap_or_else(|| state_folder().join(format!("{}.json", args.wan)))
}

fn default_leases_path(args: &Args, lan: &str) -> PathBuf {
    ledger_path(args).with_file_name(format!("{lan}.leases.json"))
}

fn state_folder() -> PathBuf {
    let state = match env::var_os("HOME") {
        Some(home) if !nix::unistd::geteuid().is_root() => PathBuf::from(home).join(".local/state"),
        _ => "/var/lib".into(),
    };
    state.join("gatelet")
}

/// Bytes nobody can guess.
fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(bytes)
}

/// Why a stack of the router's own could not be made.
const NO_STACK: &str = "no frame for the router's own stack";

/// Exit status after a second Ctrl-C, as a shell gives it to what SIGINT ended: 128 and 2.
const ENDED_AT_ONCE: i32 = 130;

/// Ctrl-C and its like, and SIGUSR1, as something to wait for.
struct Signals(SignalFd);

impl Signals {
    fn catch() -> Result<Self, String> {
        let set = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1]);
        let fd = set
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC))
            .map_err(|error| format!("signals: {error}"))?;
        Ok(Self(fd))
    }

    /// The name of the next that comes.
    async fn next(&self) -> &'static str {
        loop {
            readable(self.0.as_raw_fd()).await;
            if let Ok(Some(info)) = self.0.read_signal() {
                let number = i32::try_from(info.ssi_signo).unwrap_or(0);
                return Signal::try_from(number).map_or("a signal", Signal::as_str);
            }
        }
    }
}
