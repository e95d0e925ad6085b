//! Everything the tasks share, in one value: the queues between them, commands in, events out.

use core::cell::RefCell;

use embassy_futures::select::{Either, select};
use embassy_net::{Config, Stack, StackResources};
use embassy_sync::blocking_mutex::{self, raw::RawMutex};
use embassy_sync::channel::{Channel, DynamicReceiver, DynamicSender};
use embassy_sync::mutex::Mutex;
use embassy_sync::pubsub::{DynSubscriber, PubSubChannel};
use embassy_sync::signal::Signal;
use embassy_sync::watch::DynReceiver;
use gatelet_hal::{EthernetPort, Frame, Pool, PoolCounters, PortId};
use gatelet_proto::connectivity::{self, Family};
use gatelet_proto::dhcp::HostName;
use gatelet_proto::dhcp::server::Store;
use gatelet_proto::redial::Ledger;
use gatelet_proto::sixinfour::update;
use gatelet_router::{Command, Router, RouterEvent, TunnelId, WanId, WanStatus};
use heapless::Vec;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Address;

use crate::connectivity::PortalDesk;
use crate::console::{ReportDesk, Tap};
use crate::dns::DnsStatus;
use crate::fmt::{Show, warning};
use crate::lan::LanAddresses;
use crate::leases::Prefixes;
use crate::queues::{PortQueues, StackQueues};
use crate::settings::SettingsDesk;
use crate::tunnel_update::UpdateDesk;
use crate::vigil::RollCall;
use crate::{IpDevice, LanRunner, LeaseStore, LedgerStore, Session, WanRunner, port, router};

/// The longest IP packet of a session without RFC 4638 (RFC 2516, section 7: 1500 - 6 - 2), and of Ethernet (RFC 894).
const WAN_MTU: usize = 1492;
const LAN_MTU: usize = 1500;
/// Commands that may wait for the router.
const COMMANDS: usize = 4;
/// Events kept for a subscriber that lags; it is told how many it missed beyond them.
const EVENTS: usize = 24;
/// Leases that may wait for flash; the router keeps further ones.
pub(crate) const LEASES: usize = 4;
/// Hosts that are known by name.
const NAMES: usize = 64;
/// How many may listen to events at once: a timeline, a console, the firmware's own logic.
const SUBSCRIBERS: usize = 4;

/// An event and its moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedEvent {
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// In the router.
    Router(RouterEvent),
    /// An engine has found out whether the Internet is there: [`Connectivity::look`](crate::Connectivity::look) tells.
    Connectivity {
        /// Of which WAN.
        wan: WanId,
        /// Of which family.
        family: Family,
        /// What.
        event: connectivity::Event,
    },
    /// A broker was told our address, or could not be.
    TunnelUpdate {
        /// Of which tunnel.
        tunnel: TunnelId,
        /// What came of it.
        event: update::Event,
    },
}

/// What the tasks of a Gatelet share: bounded queues between `PORTS` ports, the router, and the IP stacks of
/// `WANS` sessions. Nothing in it is static and no task owns it, so that a process may hold many.
///
/// `M` is the mutex of all of it: `NoopRawMutex` where one executor runs all tasks.
pub struct Gatelet<'p, M: RawMutex, const PORTS: usize = 1, const WANS: usize = 1> {
    pub(crate) pool: Pool<'p>,
    pub(crate) ports: [PortQueues<'p, M>; PORTS],
    pub(crate) stacks: [StackQueues<'p, M, Session>; WANS],
    pub(crate) lan: StackQueues<'p, M, LanAddresses>,
    /// Between each WAN's connectivity, its DNS service and the router.
    pub(crate) portals: [PortalDesk<M>; WANS],
    /// Leases that are to be kept.
    pub(crate) leases: Channel<M, Store, LEASES>,
    /// Prefixes of the LAN that are to be kept; the newest are all.
    pub(crate) prefixes: Signal<M, Prefixes>,
    /// The LAN's hosts that have told DHCP their names.
    pub(crate) names: blocking_mutex::Mutex<M, RefCell<Vec<(HostName, Ipv4Address), NAMES>>>,
    pub(crate) commands: Channel<M, Command, COMMANDS>,
    pub(crate) events: PubSubChannel<M, TimedEvent, EVENTS, SUBSCRIBERS, 0>,
    pub(crate) status: StatusDesk<M>,
    /// The DNS service, as it was after its last turn.
    pub(crate) dns: blocking_mutex::Mutex<M, RefCell<Option<DnsStatus>>>,
    pub(crate) updates: Option<&'p UpdateDesk<M>>,
    pub(crate) reports: ReportDesk<M>,
    pub(crate) tap: Tap<M>,
    pub(crate) roll_call: RollCall<M>,
    pub(crate) settings: Option<&'p SettingsDesk<M>>,
}

/// Where tasks ask the router, which nobody but its own task can reach, how a WAN is.
pub(crate) struct StatusDesk<M: RawMutex> {
    /// One asks at a time.
    turn: Mutex<M, ()>,
    pub(crate) question: Signal<M, WanId>,
    pub(crate) answer: Signal<M, Option<WanStatus>>,
}

impl<'p, M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'p, M, PORTS, WANS> {
    /// Empty queues. Ports are numbered from `PortId(0)`, WANs from `WanId(0)`.
    pub fn new(pool: Pool<'p>) -> Self {
        Self {
            pool,
            ports: [const { PortQueues::new() }; PORTS],
            stacks: [const { StackQueues::new() }; WANS],
            lan: StackQueues::new(),
            portals: [const { PortalDesk::new() }; WANS],
            leases: Channel::new(),
            prefixes: Signal::new(),
            names: blocking_mutex::Mutex::new(RefCell::new(Vec::new())),
            commands: Channel::new(),
            events: PubSubChannel::new(),
            status: StatusDesk { turn: Mutex::new(()), question: Signal::new(), answer: Signal::new() },
            dns: blocking_mutex::Mutex::new(RefCell::new(None)),
            updates: None,
            reports: ReportDesk::new(),
            tap: Tap::new(),
            roll_call: RollCall::new(),
            settings: None,
        }
    }

    /// Lends the settings to the tasks: what is committed from now on, the router's task carries out.
    pub fn lend_settings(&mut self, desk: &'p SettingsDesk<M>) {
        self.settings = Some(desk);
    }

    /// Lends the memory of what is wanted when an end of a tunnel moves, for [`run_tunnel_updates`](Self::run_tunnel_updates).
    pub fn lend_tunnel_updates(&mut self, desk: &'p UpdateDesk<M>) {
        self.updates = Some(desk);
    }

    /// Runs the router: the task that owns it. Returns after [`Command::Shutdown`], when every session has been
    /// ended and the ports have had 100 ms for the last frames.
    ///
    /// The router needs its ports ([`Router::add_port`]) and WANs ([`Router::add_wan`]) first; `store` is where its
    /// ledgers go.
    pub async fn run_router(&self, router: &mut Router<'p>, store: &mut impl LedgerStore) {
        router::run(self, router, store, None).await;
    }

    /// [`run_router`](Self::run_router) on a board with memory that a reset leaves alone: `retain` is given every WAN's
    /// ledger once a second and with each event, to keep it there. After a warm reset [`Boot::Warm`](gatelet_proto::redial::Boot::Warm)
    /// and the retained ledger let the redial engine go on as if nothing had happened, with the time right; what it
    /// cannot know after a power cut it must assume at its worst.
    pub async fn run_router_retaining(
        &self,
        router: &mut Router<'p>,
        store: &mut impl LedgerStore,
        retain: &mut dyn FnMut(WanId, Ledger),
    ) {
        router::run(self, router, store, Some(retain)).await;
    }

    /// Keeps the leases of the LAN and its IPv6 prefixes, for ever: a task of its own, since nobody waits for them. What was kept
    /// before this boot is given to the router ([`Router::restore_leases`], [`Router::remember_ipv6_prefixes`]) before it runs.
    pub async fn run_leases(&self, store: &mut impl LeaseStore) -> ! {
        loop {
            match select(self.leases.receive(), self.prefixes.wait()).await {
                Either::First(lease) => {
                    if let Err(error) = store.store(&lease).await {
                        warning!("lease {}: {}", Show(lease.place), Show(error));
                    }
                }
                Either::Second(prefixes) => {
                    if let Err(error) = store.store_prefixes(&prefixes).await {
                        warning!("prefixes of the LAN: {}", Show(error));
                    }
                }
            }
        }
    }

    /// Pumps a port's frames, for ever: one task per port.
    ///
    /// # Panics
    /// If `id` is not below `PORTS`.
    pub async fn run_port(&self, id: PortId, port: impl EthernetPort<'p>) -> ! {
        port::pump(&self.ports[usize::from(id.0)], self.pool, id, port).await
    }

    /// A WAN's IP stack, and what runs it. It is up while the session is, with the address and the name servers
    /// the carrier gave. `seed` is to be random; `resources` set the number of sockets.
    ///
    /// `None` if the pool has no frame for [`PortId::LOCAL`], or the session has more followers than there is
    /// room for. Either the stack or [`stack_queue`](Self::stack_queue) should be used for one WAN, not both.
    ///
    /// # Panics
    /// If `wan` is not below `WANS`.
    pub fn wan_stack<'a, const SOCKETS: usize>(
        &'a self,
        wan: WanId,
        resources: &'a mut StackResources<SOCKETS>,
        seed: u64,
    ) -> Option<(Stack<'a>, WanRunner<'a, 'p>)> {
        let queues = &self.stacks[usize::from(wan.0)];
        let device = IpDevice {
            to_stack: queues.to_stack.channel.dyn_receiver(),
            from_stack: queues.from_stack.channel.dyn_sender(),
            link: self.session(wan)?,
            pool: self.pool,
            spare: self.pool.take(PortId::LOCAL)?,
            up: false,
            mtu: WAN_MTU,
        };
        let session = self.session(wan)?;
        let (stack, runner) = embassy_net::new(device, Config::default(), resources, seed);
        Some((stack, WanRunner { runner, stack, session }))
    }

    /// The router's IP stack on the LAN, and what runs it: it answers to all of the router's addresses there, of IPv4 and IPv6, the
    /// latter under the link-local one ([`Stack::config_v6`]), and to pings. `seed` is to be random; `resources` set the number of
    /// sockets.
    ///
    /// `None` if the pool has no frame for [`PortId::LOCAL`], or if the stack was made before.
    pub fn lan_stack<'a, const SOCKETS: usize>(
        &'a self,
        resources: &'a mut StackResources<SOCKETS>,
        seed: u64,
    ) -> Option<(Stack<'a>, LanRunner<'a, 'p>)> {
        let device = IpDevice {
            to_stack: self.lan.to_stack.channel.dyn_receiver(),
            from_stack: self.lan.from_stack.channel.dyn_sender(),
            link: self.lan.session.dyn_receiver()?,
            pool: self.pool,
            spare: self.pool.take(PortId::LOCAL)?,
            up: false,
            mtu: LAN_MTU,
        };
        let addresses = self.lan.session.dyn_receiver()?;
        let (stack, runner) = embassy_net::new(device, Config::default(), resources, seed);
        Some((stack, LanRunner { runner, stack, addresses }))
    }

    /// The IP packets of a WAN as plain queues, for who has a stack of his own: a receiver of the frames that
    /// begin with an IP header, and a sender for such frames (taken from the pool and
    /// [cleared](Frame::clear) to [`Frame::IP_HEADROOM`]).
    ///
    /// # Panics
    /// If `wan` is not below `WANS`.
    pub fn stack_queue(&self, wan: WanId) -> (DynamicReceiver<'_, Frame<'p>>, DynamicSender<'_, Frame<'p>>) {
        let queues = &self.stacks[usize::from(wan.0)];
        (queues.to_stack.channel.dyn_receiver(), queues.from_stack.channel.dyn_sender())
    }

    /// The session of a WAN: what it gives now, and a wait for the next change. `None` if seven follow it already.
    ///
    /// # Panics
    /// If `wan` is not below `WANS`.
    pub fn session(&self, wan: WanId) -> Option<DynReceiver<'_, Option<Session>>> {
        self.stacks[usize::from(wan.0)].session.dyn_receiver()
    }

    /// The router's addresses on the LAN: what they are now, and a wait for the next change. `None` if seven follow them already.
    pub(crate) fn lan_addresses(&self) -> Option<DynReceiver<'_, Option<LanAddresses>>> {
        self.lan.session.dyn_receiver()
    }

    /// Where commands for the router go; a sender waits while four are pending.
    pub fn commands(&self) -> DynamicSender<'_, Command> {
        self.commands.dyn_sender()
    }

    /// Listens from now on to what happens. `None` if four listen already.
    pub fn events(&self) -> Option<DynSubscriber<'_, TimedEvent>> {
        self.events.dyn_subscriber().ok()
    }

    /// How a WAN is at this moment, `None` if the router has no such. Needs the router's task to run.
    pub async fn wan_status(&self, wan: WanId) -> Option<WanStatus> {
        let _turn = self.status.turn.lock().await;
        // The answer to somebody who stopped waiting for it.
        self.status.answer.reset();
        self.status.question.signal(wan);
        self.status.answer.wait().await
    }

    /// Packets dropped because the stack on the LAN did not keep up. Wraps around.
    pub fn lan_stack_full(&self) -> u32 {
        self.lan.to_stack.full.value()
    }

    /// Packets dropped because a WAN's stack, or who else reads its queue, did not keep up. Wraps around.
    ///
    /// # Panics
    /// If `wan` is not below `WANS`.
    pub fn stack_full(&self, wan: WanId) -> u32 {
        self.stacks[usize::from(wan.0)].to_stack.full.value()
    }

    /// What was dropped on the way between a port and the router.
    ///
    /// # Panics
    /// If `id` is not below `PORTS`.
    pub fn port_counters(&self, id: PortId) -> PortCounters {
        let queues = &self.ports[usize::from(id.0)];
        PortCounters {
            frames: self.pool.counters(id),
            ingress_full: queues.ingress.full.value(),
            egress_full: queues.egress.full.value(),
            unusable: queues.unusable.value(),
            refused: queues.refused.value(),
        }
    }
}

/// Who on the LAN is called how.
pub(crate) trait Names {
    /// Takes note of how the DNS service is.
    fn note_status(&self, status: DnsStatus);
    fn address_of(&self, name: &str) -> Option<Ipv4Address>;
    fn name_of(&self, address: Ipv4Address) -> Option<HostName>;
}

// A trait of one implementation, so that who asks for names need not know the mutex and the numbers of a `Gatelet`.
impl<M: RawMutex, const PORTS: usize, const WANS: usize> Names for Gatelet<'_, M, PORTS, WANS> {
    fn note_status(&self, status: DnsStatus) {
        self.dns.lock(|cell| *cell.borrow_mut() = Some(status));
    }

    fn address_of(&self, name: &str) -> Option<Ipv4Address> {
        let same = |known: &&(HostName, Ipv4Address)| known.0.eq_ignore_ascii_case(name);
        self.names.lock(|names| names.borrow().iter().find(same).map(|known| known.1))
    }

    fn name_of(&self, address: Ipv4Address) -> Option<HostName> {
        let same = |known: &&(HostName, Ipv4Address)| known.1 == address;
        self.names.lock(|names| names.borrow().iter().find(same).map(|known| known.0.clone()))
    }
}

/// What was dropped at a port, in frames. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortCounters {
    /// The port's account in the pool; `out_of_frames` counts what was received and found no frame.
    pub frames: PoolCounters,
    /// Received while the router had a full queue of the port's frames to look at.
    pub ingress_full: u32,
    /// To be sent while a full queue waited for the port.
    pub egress_full: u32,
    /// Received and of no use: too long for the port, or damaged on the bus.
    pub unusable: u32,
    /// To be sent and not taken by the driver: too long for it.
    pub refused: u32,
}
