//! Runs a scenario and judges it.

mod ipv6;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroU32;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{FramePool, PortId};
use gatelet_router::TableSpace;
use gatelet_settings::Settings;
use serde::Serialize;
use smoltcp::iface::SocketStorage;
use smoltcp::time::{Duration, Instant};

use super::file::ConnectivityFile;
use super::ipv6::Ipv6File;
use super::{Check, Expectation, File, LanFile, Script};
use crate::executor::Mode;
use crate::peers::broker::Broker;
use crate::peers::edge::{EDGE_MAC, Edge};
use crate::peers::far::Far;
use crate::peers::home::Home;
use crate::peers::host::{Memory, Size};
use crate::peers::internet::Internet;
use crate::peers::modem::{MODEM_MAC, Modem};
use crate::peers::portal;
use crate::timeline::{Actor, Entry, Timeline, Tone};
use crate::world::mirror::Mirror;
use crate::world::{Gateway, Network, Outbox, Run, Seat, Side, WorldPacer};

/// Longer than anybody sits at a console: a hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Frames, flows and hosts of another home's router.
const HOME_FRAMES: usize = 48;
const HOME_FLOWS: usize = 256;
const HOME_HOSTS: usize = 8;

/// How to run it.
#[derive(Default)]
pub struct Options {
    /// In place of the file's.
    pub seed: Option<u64>,
    /// Time passes instead of jumping.
    pub real_time: bool,
    /// Gets a capture of the router's WAN port.
    pub capture: Option<Box<dyn Write>>,
    /// Gets a capture of the router's LAN port.
    pub lan_capture: Option<Box<dyn Write>>,
    /// Hears each entry of the timeline as it happens.
    pub listener: Option<crate::timeline::Listener>,
    /// Called before the clock jumps.
    pub pacer: Option<WorldPacer<'static>>,
    /// Somebody sits down at the router's console. The world goes on until he leaves.
    pub visit: Option<Visit>,
}

/// Somebody at the router's console.
pub struct Visit {
    /// Where.
    pub seat: Seat,
    /// So many seconds pass there in one of his.
    pub speed: NonZeroU32,
    /// The router has never been set up.
    pub is_first_start: bool,
}

/// How it went. Serializes to the object that `--json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Name of the scenario.
    pub scenario: String,
    /// The seed it ran with.
    pub seed: u64,
    /// Whether every check passed.
    pub passed: bool,
    /// What was expected and what was found.
    pub checks: Vec<Check>,
    /// Virtual time, power-on to end.
    pub virtual_seconds: f64,
    /// How long it took.
    pub wall_seconds: f64,
    /// Equal for equal runs: over every frame at the router's port, its time and its direction.
    pub digest: String,
    /// What was counted.
    pub counters: BTreeMap<String, u64>,
    /// What happened.
    #[serde(skip)]
    pub entries: Vec<Entry>,
}

/// Runs `file` as `name`.
///
/// # Errors
/// What in the file cannot be, or that the world got stuck, or why the capture could not be written.
pub fn run(name: &str, file: &File, options: Options) -> Result<Report, String> {
    let began = std::time::Instant::now();
    let seed = options.seed.unwrap_or(file.seed);
    file.expectations.iter().try_for_each(Expectation::check_fields)?;
    let faults = file.script()?;
    let (config, max_frame_len) = file.router.config(PortId(0))?;
    let budget = usize::from(config.policy.discovery.limit);
    let mut timeline = Timeline::new();
    if let Some(listener) = options.listener {
        timeline.listen(listener);
    }
    let mut concentrator = file.concentrator.build(seed ^ 0xAC)?;
    concentrator.moods.passes_on = file.lan.is_some();
    concentrator.moods.ipv6_access = file.ipv6.as_ref().map(Ipv6File::access).transpose()?;
    let mut memory = file.lan.as_ref().map_or(Ok(Vec::new()), LanFile::memory)?;
    let mut storage: Vec<_> = memory.iter().map(Memory::storage).collect();
    let mut outer_memory = Memory::new(Size::INTERNET);
    let mut outer_storage = outer_memory.storage();
    let mut broker_memory = Memory::new(Size::MODEM);
    let mut broker_storage = broker_memory.storage();
    let mut far_memory = Memory::new(Size::LAN_HOST);
    let mut far_storage = far_memory.storage();
    let home_frames = Box::new(FramePool::<NoopRawMutex, HOME_FRAMES>::new());
    let mut home_tables = file.home.as_ref().map(|_| Box::new(TableSpace::<HOME_FLOWS, HOME_HOSTS>::new()));
    let mut home_memory = [Size::LAN_HOST, Size::MODEM].map(Memory::new);
    let mut home_storage = [home_memory[0].storage(), home_memory[1].storage()];
    let mut modem_memory = Memory::new(Size::MODEM);
    let mut modem_storage = modem_memory.storage();
    let mut network = Network::new(concentrator, file.line.clone(), timeline, seed);
    if file.concentrator.is_mirror() {
        network.others.push(Box::new(Mirror::default()));
    }
    if let Some(lan) = &file.lan {
        network.lan = Some(lan.build(&mut memory, &mut storage, seed ^ 0x1A));
        let rooms = [
            (&mut outer_memory, outer_storage.as_mut_slice()),
            (&mut broker_memory, broker_storage.as_mut_slice()),
            (&mut far_memory, far_storage.as_mut_slice()),
        ];
        let mut internet = internet(file, seed, rooms)?;
        if let (Some(home), Some(tables)) = (&file.home, &mut home_tables) {
            let [memory, page_memory] = &mut home_memory;
            let [storage, page_storage] = &mut home_storage;
            let rooms = [(memory, storage.as_mut_slice()), (page_memory, page_storage.as_mut_slice())];
            let parts = (home_frames.pool(), tables.lend());
            internet.home = Some(Home::new(parts, home.tunnel()?, home.on_link(), rooms, seed ^ 0x40E));
        }
        network.internet = Some(internet);
    } else if file.needs_ipv6_outside() {
        return Err("ipv6, broker, far, tunnel: there is no [lan], and without one no Internet".into());
    } else if file.connectivity.is_some() || file.internet.network()?.is_some() {
        return Err("connectivity, internet.network: without a [lan] there is no Internet".into());
    }
    if let Some(modem) = &file.modem {
        let (memory, storage) = (&mut modem_memory, &mut modem_storage);
        network.modem = Some(Modem::new(modem.address, memory, storage, seed ^ 0x30D));
        network.meter.plain = Some(MODEM_MAC);
    }
    put_edge(file, &mut network)?;
    for (side, capture) in [(Side::Wan, options.capture), (Side::Lan, options.lan_capture)] {
        if let Some(capture) = capture {
            network.capture(side, capture).map_err(|error| format!("the capture: {error}"))?;
        }
    }
    network.tell(Actor::Line, "power-on", Tone::Plain, "power on".into(), String::new());
    if file.ont_boots.is_some() {
        network.set_ont_power(true, file.ont_boots);
    }
    let script = Script::new(faults, config.clone(), file.line.clone());
    let mut gateway = gateway(file, seed)?;
    gateway.max_frame_len = max_frame_len;
    let mut world = Run {
        mode: if options.real_time { Mode::Real } else { Mode::Virtual },
        end: Instant::ZERO + file.lasts,
        pacer: options.pacer,
    };
    sit_down(file, options.visit, &mut gateway, &mut world)?;
    let network = RefCell::new(network);
    let outcome = gateway.run(&network, &RefCell::new(script), world);
    let mut network = network.into_inner();
    network.end_capture().map_err(|error| format!("the capture: {error}"))?;

    let counters = counters(&network, &gateway);
    let entries = network.timeline.entries().to_vec();
    let mut checks: Vec<Check> =
        file.expectations.iter().map(|expectation| expectation.judge(&entries, &counters)).collect();
    checks.extend(standing_checks(&network, budget));
    if let Err(stuck) = outcome {
        checks.push(Check { name: "the world goes on".into(), passed: false, detail: stuck.to_string() });
    }
    Ok(Report {
        scenario: name.to_owned(),
        seed,
        passed: checks.iter().all(|check| check.passed),
        checks,
        virtual_seconds: seconds(network.now()),
        wall_seconds: began.elapsed().as_secs_f64(),
        digest: format!("{:016x}", digest(&network)),
        counters,
        entries,
    })
}

/// Puts somebody at the router's console, if the scenario has one or somebody wants to.
fn sit_down(
    file: &File,
    visit: Option<Visit>,
    gateway: &mut Gateway,
    world: &mut Run<'_>,
) -> Result<(), String> {
    let settings = match (&file.console, &visit) {
        (_, Some(visit)) if visit.is_first_start => Settings::new(),
        (Some(console), _) => console.settings()?,
        (None, Some(_)) => file.settings()?,
        (None, None) => return Ok(()),
    };
    if file.lan.is_none() {
        return Err("console: there is no [lan], and a router with a console has one".into());
    }
    if settings.records().next().is_some() {
        gateway.keep(&settings).map_err(|stuck| stuck.to_string())?;
    }
    gateway.seat = Some(Seat::Script);
    if let Some(visit) = visit {
        gateway.seat = Some(visit.seat);
        world.mode = Mode::Fast(visit.speed);
        world.end = Instant::ZERO + FOR_EVER;
    }
    Ok(())
}

/// The box under test, as its owner has set it up.
fn gateway(file: &File, seed: u64) -> Result<Gateway, String> {
    let mut gateway = Gateway::new(file.access(PortId(0))?, seed);
    gateway.ntp.clone_from(&file.router.ntp);
    gateway.connectivity = file.connectivity.map(ConnectivityFile::region);
    if let Some(lan) = &file.lan {
        gateway.lan = Some(lan.settings(PortId(1), &file.nat, &file.forwards, file.ipv6()?)?);
    } else if !file.forwards.is_empty() {
        return Err("forward: there is no [lan] to lead to".into());
    }
    Ok(gateway)
}

/// Puts the carrier's router in the concentrator's place, and a neighbour beside it, on a line without PPP.
fn put_edge(file: &File, network: &mut Network<'_>) -> Result<(), String> {
    if let Some(mut edge) = file.edge.build(file.router.wan) {
        if let Some(ipv6) = &file.ipv6 {
            edge.add_ipv6(ipv6.access()?);
        }
        if let Some(neighbour) = &file.neighbour {
            network.others.push(Box::new(neighbour.build()));
        }
        network.concentrator.set_power(Instant::ZERO, false, &mut Outbox::new());
        network.edge = Some(edge);
        network.meter.plain = Some(EDGE_MAC);
    }
    Ok(())
}

/// The Internet of a scenario, with rooms for its servers, for a broker and for somebody far away.
fn internet<'a>(
    file: &File,
    seed: u64,
    rooms: [(&'a mut Memory, &'a mut [SocketStorage<'a>]); 3],
) -> Result<Internet<'a>, String> {
    let [(memory, storage), brokers, fars] = rooms;
    let mut internet = Internet::new(memory, storage, seed ^ 0x1E7);
    internet.narrow = file.ipv6.as_ref().and_then(Ipv6File::narrow);
    if let Some(broker) = &file.broker {
        let (memory, storage) = brokers;
        internet.broker =
            Some(Broker::new(broker.tunnels()?, broker.too_long, memory, storage, seed ^ 0xB20));
    }
    if let Some(far) = &file.far {
        let (memory, storage) = fars;
        internet.far = Some(Far::new(&far.addresses, memory, storage, seed ^ 0xFA2));
    }
    // Where connectivity is looked at, there is somebody to ask.
    let clean = file.connectivity.and_then(|_| portal::network("clean"));
    if let Some(network) = file.internet.network()?.or(clean) {
        internet.set_network(network);
    }
    Ok(internet)
}

fn digest(network: &Network<'_>) -> u64 {
    let lan = network.lan.as_ref().map_or(0, |_| network.lan_meter.digest().rotate_left(32));
    network.meter.digest() ^ lan
}

/// What every scenario expects.
fn standing_checks(network: &Network<'_>, budget: usize) -> Vec<Check> {
    let most = network.meter.most_discovery_in_a_minute;
    let edge = network.edge.as_ref().map(Edge::counters);
    let own = network.concentrator.counters().lockouts.iter().filter(|lockout| lockout.own_making).count();
    let unknown = network.meter.unknown_from_router;
    let mut checks = vec![
        Check {
            name: "the discovery budget holds on the wire".into(),
            passed: most <= budget,
            detail: format!("at most {most} PADIs and PADRs within any 60 s, {budget} allowed"),
        },
        Check {
            name: "no lockout of our own making".into(),
            passed: own == 0,
            detail: format!("{own} lockouts that the line did not cause"),
        },
        Check {
            name: "every frame of the router's is one of its line's".into(),
            passed: unknown == 0,
            detail: format!("{unknown} others"),
        },
    ];
    if let (Some(lan), Some(internet)) = (&network.lan, &network.internet) {
        let (watch, traffic) = (lan.watch(), internet.traffic());
        let complaint = watch.complaint.as_ref().or(traffic.complaint.as_ref());
        let foreign = network.concentrator.counters().foreign_sources;
        let foreign = edge.map_or(foreign, |edge| edge.foreign_sources);
        let packets = watch.packets + traffic.from_subscriber;
        // What a link has damaged is forwarded as it came: NAT changes checksums by differences (RFC 1624).
        let damaged = network.link.counters().corrupted + lan.link.counters().corrupted;
        let complaint = complaint.filter(|_| damaged == 0);
        let foreign = if damaged == 0 { foreign } else { 0 };
        checks.push(Check {
            name: "every packet the router forwards is in order".into(),
            passed: complaint.is_none(),
            detail: complaint.cloned().unwrap_or_else(|| format!("{packets} packets inspected")),
        });
        checks.push(Check {
            name: "nothing gets into the LAN that nobody asked for".into(),
            passed: watch.intruded == 0,
            detail: format!("{} packets", watch.intruded),
        });
        if damaged == 0 {
            checks.extend(ipv6::checks(network, internet));
        }
        checks.push(Check {
            name: "nothing leaves with a source address that is not the subscriber's".into(),
            passed: foreign == 0,
            detail: format!("{foreign} packets"),
        });
    }
    checks
}

fn counters(network: &Network<'_>, gateway: &Gateway) -> BTreeMap<String, u64> {
    let (meter, link) = (&network.meter, network.link.counters());
    let (ac, wear) = (network.concentrator.counters(), gateway.flash().wear());
    let timeline = &network.timeline;
    let edge = network.edge.as_ref().map(Edge::counters);
    let named = [
        ("frames", meter.frames),
        ("bytes", meter.bytes),
        ("padi-sent", meter.padi),
        ("padr-sent", meter.padr),
        ("padt-sent", meter.padt),
        ("echoes", meter.echoes),
        ("ip-packets", meter.ip),
        ("frames-lost", link.lost),
        ("frames-duplicated", link.duplicated),
        ("frames-reordered", link.reordered),
        ("frames-corrupted", link.corrupted),
        ("dials", timeline.count("dial")),
        ("ups", timeline.count("up")),
        ("downs", timeline.count("down")),
        ("holds", timeline.count("hold")),
        ("lockouts", ac.lockouts.len() as u64),
        ("lock-extensions", ac.lock_extensions),
        ("padis-unanswered", ac.padis_unanswered),
        ("padrs-unanswered", ac.padrs_unanswered),
        ("authentications", ac.authentications),
        ("authentications-refused", ac.authentications_refused),
        ("seconds-up", seconds_up(timeline.entries(), network.now())),
        ("flash-writes", wear.writes),
        ("flash-bytes", wear.bytes),
        ("flash-erases", wear.erases),
    ];
    let mut named = named.to_vec();
    named.extend(gateway.dropped().iter().map(|(name, count)| (*name, *count)));
    if let (Some(lan), Some(internet)) = (&network.lan, &network.internet) {
        let (watch, traffic) = (lan.watch(), internet.traffic());
        named.extend(lan.tally().values());
        named.extend([
            ("hosts-leased", lan.leased() as u64),
            ("lan-frames", network.lan_meter.frames),
            ("lan-frames-lost", lan.link.counters().lost),
            ("lan-packets", watch.packets),
            ("lan-malformed", watch.malformed),
            ("lan-intruded", watch.intruded),
            ("lan-forged-errors", watch.forged_errors),
            ("internet-packets", traffic.from_subscriber),
            ("internet-malformed", traffic.malformed),
            ("internet-dns-questions", traffic.dns_questions),
            ("internet-times-asked", traffic.time_questions),
            ("internet-times-told", traffic.times_told),
            ("foreign-sources", edge.map_or(ac.foreign_sources, |edge| edge.foreign_sources)),
            ("undelivered", edge.map_or(ac.undelivered, |edge| edge.undelivered)),
        ]);
    }
    named.extend(ipv6::counters(network));
    if let Some(edge) = edge {
        named.extend([
            ("dhcp-discovers", edge.discovers),
            ("dhcp-requests", edge.requests),
            ("dhcp-renewals", edge.renewals),
            ("dhcp-unanswered", edge.unanswered),
            ("dhcp-refused", edge.refused),
        ]);
    }
    if let Some(modem) = &network.modem {
        named.push(("modem-pages-served", modem.served()));
    }
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whole seconds with an address, in the router's own reading.
fn seconds_up(entries: &[Entry], end: Instant) -> u64 {
    let mut up_since = None;
    let mut micros = 0;
    for entry in entries {
        let is_over = match entry.tag {
            "up" => {
                up_since = up_since.or(Some(entry.at));
                false
            }
            "down" | "wan-lease-lost" | "link-down" | "hanging-up" | "terminated" => true,
            "fault" => entry.what.starts_with("the router"),
            _ => false,
        };
        if is_over && let Some(since) = up_since.take() {
            micros += (entry.at - since).total_micros();
        }
    }
    micros += up_since.map_or(0, |since| (end - since).total_micros());
    micros / 1_000_000
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of years are far below 2^52")]
fn seconds(at: Instant) -> f64 {
    at.total_micros() as f64 / 1e6
}
