//! Whether the Internet is there: the engine of `gatelet-proto` between sockets of a WAN's stack.
//!
//! ```text
//!                      session ──► line_up, line_down
//!   events() ◄── events ──┐         │         ┌── tasks ──► a slot each: DNS by UDP and TCP, HTTP, TLS ── WAN
//!   NoTraffic, DNS cache ◄┴───── Engine ◄─────┴── outcomes ──┘
//!                                   ▲
//!                    what LAN hosts send and get back, every two seconds
//! ```
//!
//! All of it is one task: the engine is in a [`Connectivity`] that is never borrowed across an `.await`.

mod probe;
mod question;
mod traffic;

use core::cell::{Cell, RefCell};
use core::net::IpAddr;

use embassy_futures::join::{join_array, join3};
use embassy_futures::select::{Either4, select, select4};
use embassy_net::Stack;
use embassy_net::udp::PacketMetadata;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use embassy_sync::signal::Signal;
use embassy_sync::watch::{DynReceiver, Watch};
use embassy_time::Timer;
use gatelet_proto::connectivity::{
    self, Config, Engine, Family, Outcome, RESOLVERS_MAX, Task, TaskId, Verdict,
};
use gatelet_proto::dhcp::client::URI_MAX;
use gatelet_proto::redial::Language;
use gatelet_router::{Captive, Command, WanId};
use gatelet_wire::dns::NameBuf;
use heapless::{String, Vec};
use rand_core::Rng;
use smoltcp::time::Instant;

use crate::fmt::{Show, info};
use crate::gatelet::{Event, TimedEvent};
use crate::{Gatelet, Session, clock};
use probe::Sockets;

/// The engine of one WAN and one family, where its task and whoever wants to see it meet.
pub struct Connectivity<'a, M: RawMutex> {
    wan: WanId,
    engine: Mutex<M, RefCell<Engine<'a>>>,
    /// Somebody other than the engine's own loop has done something to it.
    touched: Signal<M, ()>,
}

impl<'a, M: RawMutex> Connectivity<'a, M> {
    /// An engine for `wan`, whose line is down until [`Gatelet::run_connectivity`] runs it.
    pub const fn new(wan: WanId, config: Config<'a>) -> Self {
        Self { wan, engine: Mutex::new(RefCell::new(Engine::new(config))), touched: Signal::new() }
    }

    /// Looks at the engine: its verdict, the evidence for it, what the network says of itself.
    pub fn look<R>(&self, look: impl FnOnce(&Engine<'a>) -> R) -> R {
        self.engine.lock(|engine| look(&engine.borrow()))
    }

    /// The user wants to know: looks at once, unless it is looking, or the line is down.
    pub fn check_now(&self) {
        self.touch(|engine| engine.check_now(clock::now()));
    }

    /// Does something to the engine, and has its loop see to what follows.
    fn touch<R>(&self, touch: impl FnOnce(&mut Engine<'a>) -> R) -> R {
        let result = self.engine.lock(|engine| touch(&mut engine.borrow_mut()));
        self.touched.signal(());
        result
    }

    fn next_event(&self) -> Option<(Family, connectivity::Event)> {
        self.engine.lock(|engine| {
            let mut engine = engine.borrow_mut();
            engine.poll_event().map(|event| (engine.config().family, event))
        })
    }
}

/// The memory of an engine's task: sockets for `SLOTS` probes at once, 2.6 KB each; the task itself takes about as much again. The engine is to be given no more than
/// `SLOTS` ([`Config::in_flight`]).
pub struct ProbeSpace<const SLOTS: usize = 8> {
    slots: [SlotSpace; SLOTS],
}

impl<const SLOTS: usize> ProbeSpace<SLOTS> {
    /// No socket is open.
    #[expect(clippy::new_without_default, reason = "tens of kilobytes: for statics and boxes")]
    pub const fn new() -> Self {
        Self { slots: [const { SlotSpace::new() }; SLOTS] }
    }

    /// Sockets that the stack must have room for.
    pub const SOCKETS: usize = 2 * SLOTS;
}

struct SlotSpace {
    /// A window of a kilobyte keeps certificates away, and pages that do not end.
    tcp_rx: [u8; 1024],
    tcp_tx: [u8; 512],
    rx_meta: [PacketMetadata; 2],
    udp_rx: [u8; 600],
    tx_meta: [PacketMetadata; 1],
    udp_tx: [u8; 300],
}

impl SlotSpace {
    const fn new() -> Self {
        Self {
            tcp_rx: [0; 1024],
            tcp_tx: [0; 512],
            rx_meta: [PacketMetadata::EMPTY; 2],
            udp_rx: [0; 600],
            tx_meta: [PacketMetadata::EMPTY; 1],
            udp_tx: [0; 300],
        }
    }
}

/// What a WAN's connectivity means for others, and what others know of it.
pub(crate) struct PortalDesk<M: RawMutex> {
    /// For the WAN's DNS service.
    pub(crate) dns: Watch<M, DnsPolicy, 1>,
    /// What the line says of a captive portal (RFC 8910 §2); empty: nothing.
    uri: Mutex<M, RefCell<String<URI_MAX>>>,
    /// What each family's engine says; `None`: nobody looks.
    standings: Mutex<M, Cell<[Option<Standing>; 2]>>,
    /// Each family is to be looked at, because a portal has come or gone in the other.
    look: [Signal<M, ()>; 2],
}

/// A verdict, as far as the other family and the LAN's IPv6 depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unknown,
    Online,
    Portal,
    Other,
}

impl Standing {
    const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Unknown => Self::Unknown,
            Verdict::Online => Self::Online,
            Verdict::Portal { .. } => Self::Portal,
            Verdict::Partial { .. } | Verdict::Hijacked | Verdict::Offline { .. } => Self::Other,
        }
    }
}

/// What a captive portal has of a WAN where IPv4 and IPv6 stand so. One that IPv4 has met may have shut off IPv6 without a word;
/// that IPv6 gets through all the same must have been seen, or be still being looked at.
fn captive([ipv4, ipv6]: [Option<Standing>; 2]) -> Captive {
    let is_portal = |standing| standing == Some(Standing::Portal);
    match ipv6 {
        _ if is_portal(ipv6) => Captive::All,
        _ if !is_portal(ipv4) => Captive::No,
        Some(Standing::Online | Standing::Unknown) => Captive::Ipv4,
        _ => Captive::All,
    }
}

/// How the DNS service of a WAN is to go about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DnsPolicy {
    /// Whether answers are neither kept nor served from the cache, as each family's engine says.
    pub(crate) is_frozen: [bool; 2],
    /// The name that may resolve to a private address, as each family's engine says.
    pub(crate) portal: [Option<NameBuf>; 2],
}

impl<M: RawMutex> PortalDesk<M> {
    pub(crate) const fn new() -> Self {
        Self {
            dns: Watch::new(),
            uri: Mutex::new(RefCell::new(String::new())),
            standings: Mutex::new(Cell::new([None; 2])),
            look: [const { Signal::new() }; 2],
        }
    }

    /// Takes note of a family's verdict, and has the other looked at if a portal has come or gone that it has not noticed. Answers
    /// what a portal has of the WAN, if that is not what it was.
    fn note(&self, engine: &Engine<'_>) -> Option<Captive> {
        self.take(engine.config().family, Standing::of(engine.verdict()))
    }

    fn take(&self, family: Family, standing: Standing) -> Option<Captive> {
        let other = match family {
            Family::Ipv4 => Family::Ipv6,
            Family::Ipv6 => Family::Ipv4,
        } as usize;
        let [before, after] = self.standings.lock(|standings| {
            let before = standings.get();
            let mut after = before;
            after[family as usize] = Some(standing);
            standings.set(after);
            [before, after]
        });
        let was = before[family as usize];
        let (is_portal, was_portal) = (standing == Standing::Portal, was == Some(Standing::Portal));
        let is_news = is_portal && !was_portal || was_portal && standing == Standing::Online;
        if is_news && after[other] != Some(standing) {
            self.look[other].signal(());
        }
        (captive(before) != captive(after)).then(|| captive(after))
    }

    /// What one family's engine wants of DNS.
    fn set_dns(&self, engine: &Engine<'_>) {
        let family = engine.config().family as usize;
        let is_frozen = engine.freezes_dns_cache();
        let portal = engine.portal_name().and_then(|name| NameBuf::from_text(name).ok());
        self.dns.sender().send_if_modified(|policy| {
            let policy = policy.get_or_insert_default();
            let changed = policy.is_frozen[family] != is_frozen || policy.portal[family] != portal;
            policy.is_frozen[family] = is_frozen;
            policy.portal[family] = portal;
            changed
        });
    }

    /// The line says so, or nothing any more.
    pub(crate) fn set_captive_portal_uri(&self, uri: &str) {
        self.uri.lock(|known| {
            if known.borrow().as_str() != uri {
                // It is no longer than what a lease keeps.
                *known.borrow_mut() = String::try_from(uri).unwrap_or_default();
            }
        });
    }

    /// Tells the engine what the line says, if it is not what it said before.
    fn follow_uri(&self, engine: &mut Engine<'_>, told: &mut String<URI_MAX>) {
        self.uri.lock(|uri| {
            let uri = uri.borrow();
            if *uri != *told {
                engine.set_captive_portal_uri(Some(uri.as_str()).filter(|uri| !uri.is_empty()));
                told.clone_from(&uri);
            }
        });
    }
}

/// A probe at work, as the engine's loop sees it.
struct Slot<'a> {
    /// What it is to do, or does.
    busy: Cell<Option<TaskId>>,
    task: Signal<NoopRawMutex, Task<'a>>,
    /// `busy` is not what it was any more.
    cancelled: Signal<NoopRawMutex, ()>,
}

impl Slot<'_> {
    /// Until nobody waits for the outcome any more.
    async fn cancelled(&self, id: TaskId) {
        while self.busy.get() == Some(id) {
            self.cancelled.wait().await;
        }
    }
}

/// What the parts of the task share.
struct Desk<'d, 'a, M: RawMutex, R, const SLOTS: usize> {
    connectivity: &'d Connectivity<'a, M>,
    rng: RefCell<R>,
    slots: [Slot<'a>; SLOTS],
}

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Looks, for ever, whether the Internet is there, over `stack`, which is that of the WAN of `connectivity`. What comes of
    /// it: [events](Self::events), the redial engine's redial of a dead session, and a DNS service
    /// ([`run_dns`](Self::run_dns)) that neither keeps what a portal says nor withholds the portal's own address. `rng` is to
    /// be one that nobody can guess.
    ///
    /// The line is up for IPv4 while the session has an address; for IPv6 while it has a way to the Internet
    /// ([`Session::ipv6_access`]), over the line or through a tunnel.
    /// `stack` needs room for [`SOCKETS`](ProbeSpace::SOCKETS) sockets. Does nothing, for ever, if the session has more
    /// followers than there is room for.
    ///
    /// # Panics
    /// If the WAN is not below `WANS`, or the stack has no room for the sockets.
    pub async fn run_connectivity<const SLOTS: usize>(
        &self,
        connectivity: &Connectivity<'_, M>,
        stack: Stack<'_>,
        space: &mut ProbeSpace<SLOTS>,
        rng: impl Rng,
    ) -> ! {
        let wan = connectivity.wan;
        let desk = Desk {
            connectivity,
            rng: RefCell::new(rng),
            slots: [const { Slot { busy: Cell::new(None), task: Signal::new(), cancelled: Signal::new() } };
                SLOTS],
        };
        let mut slots = desk.slots.iter();
        let workers = space.slots.each_mut().map(|space| {
            let (slot, sockets) = (slots.next(), Sockets::new(stack, space));
            desk.work(slot, sockets)
        });
        let drive = async {
            match self.session(wan) {
                Some(session) => self.drive(&desk, session).await,
                None => core::future::pending().await,
            }
        };
        join3(drive, self.watch_traffic(connectivity), join_array(workers)).await.0
    }

    /// The engine's loop.
    async fn drive<R: Rng, const SLOTS: usize>(
        &self,
        desk: &Desk<'_, '_, M, R, SLOTS>,
        mut session: DynReceiver<'_, Option<Session>>,
    ) -> ! {
        let wan = desk.connectivity.wan;
        let family = desk.connectivity.look(|engine| engine.config().family);
        // From now on somebody looks.
        let _ = desk.connectivity.look(|engine| self.portals[usize::from(wan.0)].note(engine));
        let (mut line, mut given, mut uri) = (Line::default(), None, String::new());
        loop {
            desk.give_out();
            while let Some((family, event)) = desk.connectivity.next_event() {
                self.carry_out(desk.connectivity, family, event).await;
            }
            let deadline = desk.connectivity.look(Engine::poll_at);
            let timeout = async {
                match deadline {
                    Some(at) => clock::at(at).await,
                    None => core::future::pending().await,
                }
            };
            let look = self.portals[usize::from(wan.0)].look[family as usize].wait();
            let woken = select4(session.changed(), look, desk.connectivity.touched.wait(), timeout).await;
            let now = clock::now();
            desk.connectivity.engine.lock(|engine| {
                let engine = &mut *engine.borrow_mut();
                match woken {
                    Either4::First(session) => given = session,
                    Either4::Second(()) => engine.check_now(now),
                    Either4::Third(()) | Either4::Fourth(()) => {}
                }
                let new = Line::of(engine.config().family, given.as_ref());
                if new != line {
                    new.tell(now, engine);
                    if !new.is_up() {
                        // The engine forgets it with the line.
                        uri.clear();
                    }
                    line = new;
                }
                if line.is_up() {
                    self.portals[usize::from(wan.0)].follow_uri(engine, &mut uri);
                }
                if engine.poll_at().is_some_and(|at| at <= now) {
                    engine.handle_timeout(now, &mut *desk.rng.borrow_mut());
                }
            });
        }
    }

    /// What follows from an event.
    async fn carry_out(
        &self,
        connectivity: &Connectivity<'_, M>,
        family: Family,
        event: connectivity::Event,
    ) {
        let wan = connectivity.wan;
        let portal = &self.portals[usize::from(wan.0)];
        let captive = connectivity.look(|engine| {
            portal.set_dns(engine);
            if let connectivity::Event::VerdictChanged { is_final } = event {
                let provisionally = if is_final { "" } else { " (provisional)" };
                info!(
                    "wan {}, {}{}: {}",
                    Show(wan.0),
                    Show(family.name()),
                    Show(provisionally),
                    Show(Sentence(engine.verdict()))
                );
            }
            portal.note(engine)
        });
        let told = TimedEvent { at: clock::now(), event: Event::Connectivity { wan, family, event } };
        self.events.immediate_publisher().publish_immediate(told);
        if event == connectivity::Event::NoTraffic {
            self.commands.send(Command::NoTraffic { wan }).await;
        }
        if let Some(captive) = captive {
            self.commands.send(Command::Captive { wan, captive }).await;
        }
    }

    /// Tells the engine what LAN hosts experience.
    async fn watch_traffic(&self, connectivity: &Connectivity<'_, M>) -> ! {
        // Of IPv4 and of IPv6.
        let mut watches = [const { traffic::Watch::NEW }; 2];
        loop {
            Timer::after(traffic::INTERVAL).await;
            let (family, is_up) =
                connectivity.look(|engine| (engine.config().family, engine.poll_at().is_some()));
            let Some(status) = (if is_up { self.wan_status(connectivity.wan).await } else { None }) else {
                continue;
            };
            let now = clock::now();
            let [watch, watch_ipv6] = &mut watches;
            let seen = [watch.see(now, status.forwarded), watch_ipv6.see(now, status.forwarded_ipv6)];
            // Somebody who is there is there for both: a portal takes away the one, and he tries the other.
            let active = seen.iter().find_map(|seen| seen[0]);
            let answer = seen[family as usize][1];
            if active.is_some() || answer.is_some() {
                connectivity.touch(|engine| {
                    for activity in active.into_iter().chain(answer) {
                        engine.handle_activity(now, activity);
                    }
                });
            }
        }
    }
}

/// The line as an engine is told of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    address: Option<IpAddr>,
    resolvers: Vec<IpAddr, RESOLVERS_MAX>,
}

impl Line {
    /// What there is for a family.
    fn of(family: Family, session: Option<&Session>) -> Self {
        let Some(session) = session else { return Self::default() };
        let by_ipv4 = session.ipv4.into_iter().flat_map(|ipv4| ipv4.dns).flatten().map(IpAddr::V4);
        match family {
            Family::Ipv4 => {
                let address = session.ipv4.map(|ipv4| ipv4.address.into());
                Self { address, resolvers: by_ipv4.take(RESOLVERS_MAX).collect() }
            }
            Family::Ipv6 => {
                let access = session.ipv6_access;
                let by_ipv6 = access.into_iter().flat_map(|access| access.dns).flatten().map(IpAddr::V6);
                Self {
                    address: access.map(|access| access.address.into()),
                    resolvers: by_ipv6.chain(by_ipv4).take(RESOLVERS_MAX).collect(),
                }
            }
        }
    }

    const fn is_up(&self) -> bool {
        self.address.is_some()
    }

    fn tell(&self, now: Instant, engine: &mut Engine<'_>) {
        if self.is_up() {
            engine.line_up(now, &self.resolvers);
        } else {
            engine.line_down(now);
        }
    }
}

impl<'a, M: RawMutex, R: Rng, const SLOTS: usize> Desk<'_, 'a, M, R, SLOTS> {
    /// Gives up what nobody waits for any more, then gives out what is to be done, as far as there are slots.
    fn give_out(&self) {
        let now = clock::now();
        self.connectivity.engine.lock(|engine| {
            let mut engine = engine.borrow_mut();
            loop {
                for slot in &self.slots {
                    if slot.busy.get().is_some_and(|id| !engine.awaits(id)) {
                        slot.busy.set(None);
                        slot.task.reset();
                        slot.cancelled.signal(());
                    }
                }
                let Some(slot) = self.slots.iter().find(|slot| slot.busy.get().is_none()) else { return };
                let Some(task) = engine.poll_task(now) else { return };
                slot.busy.set(Some(task.id));
                slot.task.signal(task);
            }
        });
    }

    /// One task after the other.
    async fn work(&self, slot: Option<&Slot<'a>>, mut sockets: Sockets<'_>) {
        // There are as many as there are sockets.
        let Some(slot) = slot else { return };
        loop {
            let task = slot.task.wait().await;
            let id = task.id;
            let report = |octets: u32, outcome: Outcome<'_>| {
                // What was given up may end before it hears of that, and the slot has its next task already.
                if slot.busy.get() == Some(id) {
                    slot.busy.set(None);
                }
                // What it ignores, it counts.
                let _ =
                    self.connectivity.touch(|engine| engine.handle_result(clock::now(), id, octets, outcome));
            };
            select(sockets.perform(&task, &self.rng, report), slot.cancelled(id)).await;
            sockets.clear().await;
        }
    }
}

/// A verdict in words, for the log.
struct Sentence<'v>(&'v Verdict);

impl core::fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.write(f, Language::English)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_portal_has_of_a_wan() {
        use Standing::{Online, Other, Portal, Unknown};
        let of = |ipv4, ipv6: Option<Standing>| captive([Some(ipv4), ipv6]);
        for ipv6 in [None, Some(Unknown), Some(Online), Some(Other)] {
            assert_eq!(of(Online, ipv6), Captive::No);
            assert_eq!(of(Other, ipv6), Captive::No, "dead is not captive");
        }
        assert_eq!(of(Portal, Some(Online)), Captive::Ipv4);
        assert_eq!(of(Portal, Some(Unknown)), Captive::Ipv4, "it is being looked at");
        assert_eq!(of(Portal, Some(Other)), Captive::All);
        assert_eq!(of(Portal, None), Captive::All, "nobody looks");
        for ipv4 in [Unknown, Online, Portal, Other] {
            assert_eq!(of(ipv4, Some(Portal)), Captive::All);
        }
    }

    #[test]
    fn a_portal_that_comes_or_goes_has_the_other_family_looked_at() {
        use connectivity::Region;
        let desk = PortalDesk::<NoopRawMutex>::new();
        let engine = |family| Engine::new(Config::new(Region::Cn, family));
        for family in [Family::Ipv4, Family::Ipv6] {
            assert_eq!(desk.note(&engine(family)), None);
        }
        let portal = |known: Standing, new: Standing| {
            desk.standings.lock(|standings| standings.set([Some(known), Some(Standing::Other)]));
            desk.look[1].reset();
            let told = desk.take(Family::Ipv4, new);
            (told, desk.look[1].signaled())
        };
        assert_eq!(portal(Standing::Online, Standing::Portal), (Some(Captive::All), true));
        assert_eq!(portal(Standing::Portal, Standing::Portal), (None, false));
        assert_eq!(portal(Standing::Portal, Standing::Online), (Some(Captive::No), true));
        assert_eq!(
            portal(Standing::Portal, Standing::Unknown),
            (Some(Captive::No), false),
            "the line is down"
        );
        assert_eq!(portal(Standing::Online, Standing::Other), (None, false));
    }
}
