//! The router's box: the runtime that boards run, between its switch, its flash and its port.
//!
//! It lives from power-on to power-off. Each life has its own clock (`embassy-time` begins at zero), its own
//! memory and its own tasks; what a life hands to the next is what flash holds and, over a reset, a ledger
//! in retained memory.
//!
//! What it does it is told by who makes it, or, if there is a [`Seat`] at its console, by the settings in its flash (`board`).

mod board;
mod seat;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;

use embassy_futures::select::select;
use embassy_net::icmp::{
    ChecksumCapabilities, IcmpEndpoint, IcmpSocket, Icmpv4Packet, Icmpv4Repr, PacketMetadata,
};
use embassy_net::{Stack, StackResources};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pubsub::WaitResult;
use gatelet_hal::{EthernetPort, Frame, FramePool, LinkState, PortId, Ready};
use gatelet_proto::connectivity::{self, Family, Region};
use gatelet_proto::dhcpv6::{client, duid_ll};
use gatelet_proto::dns;
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_proto::sixinfour::Tunnel;
use gatelet_router::{
    EthernetWanConfig, Filtering, Forward, LanConfig, PingPolicy, Router, TableSpace, TunnelId, WanConfig,
    WanId,
};
use gatelet_runtime::{
    Connectivity, DnsSpace, Event, FlashLeases, FlashLedger, Gatelet, LeaseStore, LedgerStore, PlainHttp,
    ProbeSpace, TimedEvent, TunnelUpdate, UpdateDesk, UpdateSpace,
};
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

pub use self::seat::Seat;
use super::flash::{self, Flash};
use super::network::{Director, Errand, Network, Power, ROUTER_MAC, Side};
use crate::clock;
use crate::executor::{Executor, Mode, Pacer, Stuck};
use crate::narrate;
use crate::peers::lan::LAN_MAC;
use crate::scenario::values::format_duration;
use crate::timeline::{Actor, Tone};

/// Frames of the box's pool: what a small board can afford.
const FRAMES: usize = 24;
/// Set aside for the WAN port, and for what the router makes itself.
const RESERVED: u16 = 8;
const WAN_PORT: PortId = PortId(0);
const LAN_PORT: PortId = PortId(1);
const PORTS: usize = 2;
/// Frames of a box with a LAN.
const LAN_FRAMES: usize = 64;
/// Flows and neighbours of a box with a LAN.
const FLOWS: usize = 1024;
const HOSTS: usize = 128;
/// The longest frame of the LAN port: plain Ethernet, without FCS.
const LAN_FRAME_LEN: usize = 1514;
const WAN: WanId = WanId(0);
/// Sockets of the `wan` stack: ping, its own lookups, the time of day, a broker's, those of the LAN, and both families' probes'.
const SOCKETS: usize = 5 + UpdateSpace::WAN_SOCKETS + Dns::WAN_SOCKETS + 2 * ProbeSpace::<PROBES>::SOCKETS;
/// Sockets of the `lan` stack: those of the DNS service, the one for lookups that embassy-net itself makes, and those where far
/// ends of tunnels speak.
const LAN_SOCKETS: usize = Dns::LAN_SOCKETS + 1 + UpdateSpace::LAN_SOCKETS;
/// The memory of the DNS service: eight questions at once, 8 KB of answers kept.
type Dns = DnsSpace<8, 8192>;
/// Probes at once.
const PROBES: usize = 8;
/// The engine that asks them.
type Checks = Connectivity<'static, NoopRawMutex>;
/// The name of this firmware, for `show version`.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (simulator)");
/// How long a user waits for a ping.
const PATIENCE: embassy_time::Duration = embassy_time::Duration::from_secs(2);

/// What the owner has set for the home network.
#[derive(Debug, Clone)]
pub struct LanSettings {
    /// The LAN itself.
    pub config: LanConfig,
    /// Ports that lead inside.
    pub forwards: Vec<Forward>,
    /// Who gets what is for nobody else.
    pub dmz: Option<Ipv4Address>,
    /// Whose packets an open mapping lets in.
    pub filtering: Filtering,
    /// The most flows of one host, if not what the router thinks right.
    pub host_quota: Option<u16>,
    /// Whose pings are answered on the WAN.
    pub ping: PingPolicy,
    /// IPv6, if it is wanted.
    pub ipv6: Option<Ipv6Settings>,
}

/// What the owner has set for IPv6.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ipv6Settings {
    /// Whether addresses and prefixes are asked for on the WAN.
    pub acquires: bool,
    /// Whom hosts are to ask for names.
    pub dns: Vec<Ipv6Address>,
    /// Tunnels over the WAN, and what keeps them together when an end of them moves.
    pub tunnels: Vec<(Tunnel, Option<TunnelUpdate>)>,
}

/// How the box gets on line.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
pub enum Access {
    /// By a session.
    Pppoe(WanConfig),
    /// Without one; needs a LAN.
    Ethernet(EthernetWanConfig),
}

/// The box.
pub struct Gateway {
    /// What its owner has set.
    pub access: Access,
    /// Whom it asks what time it is, if it has a LAN.
    pub ntp: Vec<String>,
    /// What its WAN port can carry: 1514 for plain Ethernet.
    pub max_frame_len: usize,
    /// Whether the `wan` stack runs in it (errands need it).
    pub stack: bool,
    /// Its second port, if there is a LAN; needs [`stack`](Self::stack).
    pub lan: Option<LanSettings>,
    /// Which probes it asks whether the Internet is there, if it asks any; needs [`stack`](Self::stack).
    pub connectivity: Option<Region<'static>>,
    /// Who sits at its console. If there is one, the box does what the settings in its flash say ([`Gateway::keep`]), and not
    /// what is said here of line, LAN and time servers; needs a LAN.
    pub seat: Option<Seat>,
    flash: Flash,
    /// Survives a reset, not a power cut.
    retained: Option<Ledger>,
    /// What the router dropped, of each reason, in all its lives.
    dropped: BTreeMap<&'static str, u64>,
    rng: chacha20::ChaCha8Rng,
}

/// Called before a virtual clock jumps, with where it stands, where it goes, and the network. May sleep.
pub type WorldPacer<'a> = Box<dyn FnMut(Instant, Instant, &Network<'_>) + 'a>;

/// A world to run.
pub struct Run<'a> {
    /// Whether time jumps or passes.
    pub mode: Mode,
    /// When it ends.
    pub end: Instant,
    /// Called before a virtual clock jumps.
    pub pacer: Option<WorldPacer<'a>>,
}

impl Gateway {
    /// A new box, never switched on. `seed` decides every random number it uses.
    pub fn new(access: Access, seed: u64) -> Self {
        Self {
            access,
            ntp: Vec::new(),
            max_frame_len: 1514,
            stack: true,
            lan: None,
            connectivity: None,
            seat: None,
            flash: Flash::new(),
            retained: None,
            dropped: BTreeMap::new(),
            rng: chacha20::ChaCha8Rng::seed_from_u64(seed.rotate_left(17)),
        }
    }

    /// Its flash.
    pub fn flash(&self) -> &Flash {
        &self.flash
    }

    /// What its router dropped since it was new, by the names of the counters.
    pub fn dropped(&self) -> &BTreeMap<&'static str, u64> {
        &self.dropped
    }

    /// Runs the box in `network` until the end.
    ///
    /// # Errors
    /// [`Stuck`], if its tasks spin.
    pub fn run(
        &mut self,
        network: &RefCell<Network<'_>>,
        director: &RefCell<dyn Director + '_>,
        mut run: Run<'_>,
    ) -> Result<(), Stuck> {
        let mut now = network.borrow().now();
        while now < run.end && !network.borrow().is_over() {
            let power = network.borrow_mut().settle_power();
            now = match power {
                Power::Off => self.rest(network, director, &mut run, now)?,
                Power::On | Power::Reset if self.seat.is_some() => {
                    self.live_by_settings(network, director, &mut run, now)?
                }
                Power::On | Power::Reset => self.live(network, director, &mut run, now)?,
            };
        }
        Ok(())
    }

    /// Without power: the world goes on.
    fn rest(
        &mut self,
        network: &RefCell<Network<'_>>,
        director: &RefCell<dyn Director + '_>,
        run: &mut Run<'_>,
        now: Instant,
    ) -> Result<Instant, Stuck> {
        self.retained = None;
        let mut executor = Executor::booting_at(run.mode, now);
        let (end, pacer) = (run.end, pacer(network, run));
        if let Some(pacer) = pacer {
            executor.set_pacer(pacer);
        }
        executor.run_until(drive(network, director, end))?;
        Ok(executor.now())
    }

    /// From power-on to power-off.
    fn live(
        &mut self,
        network: &RefCell<Network<'_>>,
        director: &RefCell<dyn Director + '_>,
        run: &mut Run<'_>,
        booted: Instant,
    ) -> Result<Instant, Stuck> {
        let update_desk = UpdateDesk::new();
        let frames = Box::new(FramePool::<NoopRawMutex, FRAMES>::new());
        let more_frames = self.lan.is_some().then(|| Box::new(FramePool::<NoopRawMutex, LAN_FRAMES>::new()));
        let pool = more_frames.as_ref().map_or(frames.pool(), |frames| frames.pool());
        for port in [WAN_PORT, PortId::LOCAL].into_iter().chain(self.lan.is_some().then_some(LAN_PORT)) {
            pool.reserve(port, RESERVED).expect("the pool has as many frames");
        }
        let mut tables = self.lan.is_some().then(|| Box::new(TableSpace::<FLOWS, HOSTS>::new()));
        let mut gatelet: Gatelet<'_, NoopRawMutex, PORTS> = Gatelet::new(pool);
        gatelet.lend_tunnel_updates(&update_desk);
        let mut resources = StackResources::<SOCKETS>::new();
        let mut lan_resources = StackResources::<LAN_SOCKETS>::new();
        let mut dns = self.lan.is_some().then(|| Box::new(Dns::new()));
        let mut update_space = Box::new(UpdateSpace::new());
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let stack_seed = self.rng.next_u64();
        let mut router = Router::new(pool, seed);
        router.add_port(WAN_PORT, ROUTER_MAC, self.max_frame_len);
        let lan = self.lan.clone();
        let (lan_seed, dns_rng) = match lan {
            Some(_) => (self.rng.next_u64(), chacha20::ChaCha8Rng::from_rng(&mut self.rng)),
            None => (0, chacha20::ChaCha8Rng::seed_from_u64(0)),
        };
        let mut checks = self.checks();
        if let Some(tables) = &mut tables {
            router.add_port(LAN_PORT, LAN_MAC, LAN_FRAME_LEN);
            router.lend_tables(tables.lend());
        }
        let mut store: FlashLedger<_> =
            FlashLedger::new(self.flash.clone(), flash::LEDGER).expect("two whole sectors");
        let mut leases = FlashLeases::new(self.flash.clone(), flash::LEASES).expect("two whole sectors");
        let retained = self.retained.take();
        let (access, with_stack, port) = (self.access.clone(), self.stack, self.port(Side::Wan, network));
        let ntp: Vec<&str> = self.ntp.iter().map(String::as_str).collect();
        let ntp_rng = chacha20::ChaCha8Rng::seed_from_u64(stack_seed.rotate_left(9));
        let lan_port = self.port(Side::Lan, network);
        let now = {
            let mut executor = Executor::booting_at(run.mode, booted);
            let (end, pacer) = (run.end, pacer(network, run));
            if let Some(pacer) = pacer {
                executor.set_pacer(pacer);
            }
            executor.spawn("port", gatelet.run_port(WAN_PORT, port));
            let (checks, probes): (Vec<&Checks>, Vec<_>) =
                checks.iter_mut().map(|(checks, space, rng)| (&*checks, (space, rng))).unzip();
            executor.spawn("events", tell_events(&gatelet, checks.clone(), network, booted));
            executor.spawn("commands", carry_commands(&gatelet, network));
            if with_stack {
                let wan = gatelet.wan_stack(WAN, &mut resources, stack_seed);
                let (stack, runner) = wan.expect("a frame is reserved, and nobody else follows the session");
                executor.spawn("stack", runner.run());
                if let Some(dns) = &mut dns {
                    executor.spawn("LAN port", gatelet.run_port(LAN_PORT, lan_port));
                    let lan_stack = gatelet.lan_stack(&mut lan_resources, lan_seed);
                    let (lan_stack, runner) = lan_stack.expect("a frame is reserved, and this is the first");
                    executor.spawn("LAN stack", runner.run());
                    let stacks = (lan_stack, stack);
                    let names = dns::Config::default();
                    if !ntp.is_empty() {
                        executor.spawn("SNTP", gatelet.run_sntp(WAN, stack, &ntp, ntp_rng));
                    }
                    executor.spawn("DNS", gatelet.run_dns(WAN, stacks, names, dns, dns_rng));
                    let updates = gatelet.run_tunnel_updates(WAN, stacks, PlainHttp, &mut update_space);
                    executor.spawn("tunnel updates", updates);
                }
                for (checks, (space, rng)) in checks.into_iter().zip(probes) {
                    executor.spawn("connectivity", gatelet.run_connectivity(checks, stack, space, rng));
                }
                executor.spawn("user", run_errands(stack, network));
            }
            let router = &mut router;
            executor.spawn("router", async {
                let (boot, ledger) = match retained {
                    Some(ledger) => (Boot::Warm, Some(ledger)),
                    None => (Boot::Cold, store.load(WAN).await),
                };
                let now = gatelet_runtime::now();
                let wan = match access {
                    Access::Pppoe(config) => router.add_wan(now, config, boot, ledger),
                    Access::Ethernet(config) => router.add_ethernet_wan(now, config),
                };
                assert_eq!(wan, Some(WAN), "a router has room for a WAN");
                let Some(lan) = lan else { return gatelet.run_router(router, &mut store).await };
                lan.apply(&gatelet, router);
                recall(router, &mut leases).await;
                select(gatelet.run_router(router, &mut store), gatelet.run_leases(&mut leases)).await;
            });
            executor.run_until(drive(network, director, end))?;
            executor.now()
        };
        self.note_dropped(&router);
        let mut network = network.borrow_mut();
        network.drop_received();
        if network.power() == Power::Reset {
            self.retained = router.snapshot(Instant::ZERO + (now - booted), WAN);
        }
        Ok(now)
    }

    fn note_dropped(&mut self, router: &Router<'_>) {
        for (reason, count) in router.counters().iter() {
            *self.dropped.entry(reason.name()).or_default() += u64::from(count);
        }
    }

    /// What looks whether the Internet is there, if anything does: for each family that the box speaks the engine, its memory, its
    /// random numbers.
    fn checks(&mut self) -> Vec<(Checks, Box<ProbeSpace<PROBES>>, chacha20::ChaCha8Rng)> {
        let Some(region) = self.connectivity else { return Vec::new() };
        let ipv6 = self.lan.as_ref().is_some_and(|lan| lan.ipv6.is_some()).then_some(Family::Ipv6);
        let families = core::iter::once(Family::Ipv4).chain(ipv6);
        let engine = |family| {
            let checks = Connectivity::new(WAN, connectivity::Config::new(region, family));
            (checks, Box::new(ProbeSpace::new()), chacha20::ChaCha8Rng::from_rng(&mut self.rng))
        };
        families.map(engine).collect()
    }

    fn port<'n, 'w>(&self, side: Side, network: &'n RefCell<Network<'w>>) -> Port<'n, 'w> {
        let max_frame_len = match side {
            Side::Wan => self.max_frame_len,
            Side::Lan => LAN_FRAME_LEN,
        };
        Port { network, side, max_frame_len, link: LinkState::Down }
    }
}

impl LanSettings {
    fn apply(self, gatelet: &Gatelet<'_, NoopRawMutex, PORTS>, router: &mut Router<'_>) {
        assert!(router.add_lan(gatelet_runtime::now(), self.config), "it has tables and a port");
        for forward in self.forwards {
            assert!(router.add_forward(forward), "checked when it was read");
        }
        router.set_dmz(self.dmz);
        router.set_filtering(self.filtering);
        router.set_ping(self.ping);
        if let Some(flows) = self.host_quota {
            router.set_host_quota(flows);
        }
        if let Some(ipv6) = self.ipv6 {
            ipv6.apply(gatelet, router);
        }
    }
}

impl Ipv6Settings {
    fn apply(self, gatelet: &Gatelet<'_, NoopRawMutex, PORTS>, router: &mut Router<'_>) {
        let now = gatelet_runtime::now();
        if self.acquires {
            let config = client::Config::new(duid_ll(ROUTER_MAC));
            assert!(router.acquire_ipv6(now, WAN, Some(config)), "it has tables and a WAN");
        }
        assert!(router.advertise_ipv6(now, &self.dns), "it has a LAN");
        for (id, (tunnel, update)) in (0..).map(TunnelId).zip(self.tunnels) {
            assert!(router.set_up_tunnel(now, id, WAN, Some(&tunnel)), "checked when it was read");
            gatelet.set_tunnel_update(id, update);
        }
    }
}

/// Tells the router what hosts of the LAN had before it was booted.
async fn recall(router: &mut Router<'_>, leases: &mut impl LeaseStore) {
    let mut kept = Vec::new();
    leases.load(&mut |place, record| kept.push((place, record))).await;
    router.restore_leases(gatelet_runtime::now(), kept);
    router.remember_ipv6_prefixes(&leases.load_prefixes().await);
}

fn pacer<'a>(network: &'a RefCell<Network<'_>>, run: &'a mut Run<'_>) -> Option<Pacer<'a>> {
    let pacer = run.pacer.as_mut()?;
    Some(Box::new(move |from, to| pacer(from, to, &network.borrow())))
}

/// Drives the network until the end, or until the box's switch is touched.
async fn drive(network: &RefCell<Network<'_>>, director: &RefCell<dyn Director + '_>, end: Instant) {
    poll_fn(|cx| {
        let mut network = network.borrow_mut();
        let mut director = director.borrow_mut();
        let now = clock::now();
        network.wake_driver(cx.waker());
        network.poll(now, &mut *director);
        if now >= end || network.power_was_touched() || network.is_over() {
            return Poll::Ready(());
        }
        let next = [network.poll_at(), director.poll_at(), Some(end)].into_iter().flatten().min();
        if let Some(at) = next {
            clock::wake_at(at, cx.waker());
        }
        Poll::Pending
    })
    .await;
}

/// Puts what the router reports into the timeline.
async fn tell_events(
    gatelet: &Gatelet<'_, NoopRawMutex, PORTS>,
    checks: Vec<&Checks>,
    network: &RefCell<Network<'_>>,
    booted: Instant,
) {
    let mut events = gatelet.events().expect("the first to listen");
    loop {
        match events.next_message().await {
            WaitResult::Message(event) => {
                let TimedEvent { at, event } = event;
                let entry = match event {
                    Event::TunnelUpdate { tunnel, event } => {
                        Some(narrate::tunnel_update(tunnel, event, at, booted))
                    }
                    Event::Router(event) => narrate::entry(&event, at, booted),
                    Event::Connectivity { family, event, .. } => checks.iter().find_map(|checks| {
                        checks.look(|engine| {
                            let is_it = engine.config().family == family;
                            is_it.then(|| narrate::connectivity(event, engine, at, booted)).flatten()
                        })
                    }),
                };
                if let Some(entry) = entry {
                    network.borrow_mut().push(entry);
                }
            }
            WaitResult::Lagged(count) => {
                let mut network = network.borrow_mut();
                let what = format!("{count} events were lost");
                network.tell(Actor::Router, "events-lost", Tone::Bad, what, String::new());
            }
        }
    }
}

async fn carry_commands(gatelet: &Gatelet<'_, NoopRawMutex, PORTS>, network: &RefCell<Network<'_>>) {
    loop {
        let command = poll_fn(|cx| match network.borrow_mut().take_command(cx.waker()) {
            Some(command) => Poll::Ready(command),
            None => Poll::Pending,
        });
        let command = command.await;
        gatelet.commands().send(command).await;
    }
}

/// Does what users want from the Internet, over the `wan` stack.
async fn run_errands(stack: Stack<'_>, network: &RefCell<Network<'_>>) {
    loop {
        let errand = poll_fn(|cx| match network.borrow_mut().take_errand(cx.waker()) {
            Some(errand) => Poll::Ready(errand),
            None => Poll::Pending,
        });
        let (tag, tone, what, why) = match errand.await {
            Errand::Ping(target) => match ping(stack, target).await {
                Some(took) => (
                    "ping",
                    Tone::Good,
                    format!("ping {target}: answered"),
                    format!("after {}", format_duration(took)),
                ),
                None => ("ping-lost", Tone::Bad, format!("ping {target}: no answer"), String::new()),
            },
            Errand::Resolve(name) => {
                let answer = stack.dns_query(&name, smoltcp::wire::DnsQueryType::A).await;
                match answer.ok().and_then(|addresses| addresses.first().copied()) {
                    Some(address) => {
                        let server = stack.config_v4().and_then(|config| config.dns_servers.first().copied());
                        let why = server.map_or(String::new(), |server| {
                            format!("says {server}, the DNS server IPCP gave")
                        });
                        ("resolved", Tone::Good, format!("{name} is {address}"), why)
                    }
                    None => ("resolve-failed", Tone::Bad, format!("{name}: no answer"), String::new()),
                }
            }
        };
        let mut network = network.borrow_mut();
        network.set_now(clock::now());
        network.tell(Actor::User, tag, tone, what, why);
    }
}

/// One echo (RFC 792) and its answer. (`PingManager` of embassy-net 0.9 spins while it waits: no time would pass.)
async fn ping(stack: Stack<'_>, target: Ipv4Address) -> Option<Duration> {
    const DATA: &[u8] = b"Gatelet was here";
    let (mut received, mut sent) = ([0; 256], [0; 256]);
    let (mut received_meta, mut sent_meta) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 1]);
    let mut socket = IcmpSocket::new(stack, &mut received_meta, &mut received, &mut sent_meta, &mut sent);
    let ident = embassy_time::Instant::now().as_millis() as u16;
    socket.bind(IcmpEndpoint::Ident(ident)).ok()?;
    let request = Icmpv4Repr::EchoRequest { ident, seq_no: 1, data: DATA };
    let mut packet = [0; 64];
    let packet = &mut packet[..request.buffer_len()];
    request.emit(&mut Icmpv4Packet::new_unchecked(&mut *packet), &ChecksumCapabilities::default());
    let began = embassy_time::Instant::now();
    let exchange = async {
        socket.send_to(packet, target).await.ok()?;
        loop {
            let mut answer = [0; 64];
            let (len, _) = socket.recv_from(&mut answer).await.ok()?;
            let answer = Icmpv4Packet::new_checked(&answer[..len]).ok()?;
            let answer = Icmpv4Repr::parse(&answer, &ChecksumCapabilities::default());
            if answer == Ok(Icmpv4Repr::EchoReply { ident, seq_no: 1, data: DATA }) {
                return Some(Duration::from_micros(began.elapsed().as_micros()));
            }
        }
    };
    embassy_time::with_timeout(PATIENCE, exchange).await.ok()?
}

/// A port of the box: the near end of one of the network's cables.
struct Port<'n, 'w> {
    network: &'n RefCell<Network<'w>>,
    side: Side,
    max_frame_len: usize,
    link: LinkState,
}

impl<'p> EthernetPort<'p> for Port<'_, '_> {
    fn hardware_address(&self) -> EthernetAddress {
        match self.side {
            Side::Wan => ROUTER_MAC,
            Side::Lan => LAN_MAC,
        }
    }

    fn max_frame_len(&self) -> usize {
        self.max_frame_len
    }

    fn link_state(&self) -> LinkState {
        self.link
    }

    async fn wait(&mut self, to_transmit: bool) -> Ready {
        poll_fn(|cx| {
            let mut network = self.network.borrow_mut();
            network.wake_port(self.side, cx.waker());
            let link = network.carrier(self.side);
            let changed = core::mem::replace(&mut self.link, link) != link;
            let ready = Ready {
                receive: network.has_frame(self.side),
                transmit: to_transmit && link == LinkState::Up,
            };
            if changed || ready.receive || ready.transmit { Poll::Ready(ready) } else { Poll::Pending }
        })
        .await
    }

    async fn receive(&mut self, frame: &mut Frame<'p>) -> bool {
        frame.clear(gatelet_hal::HEADROOM);
        let longest = self.max_frame_len;
        let mut network = self.network.borrow_mut();
        network.receive(self.side, |bytes| bytes.len() <= longest && frame.extend(bytes)).unwrap_or(false)
    }

    async fn transmit(&mut self, frame: Frame<'p>) -> bool {
        let mut network = self.network.borrow_mut();
        frame.len() <= self.max_frame_len && network.transmit(clock::now(), self.side, frame.bytes())
    }
}
