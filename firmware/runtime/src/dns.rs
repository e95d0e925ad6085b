//! The DNS service of the LAN: the forwarder of `gatelet-proto` between sockets of the two stacks.
//!
//! ```text
//!   LAN ── UDP 53 ──┐                              ┌── a UDP socket per query, at a port of its own ── WAN
//!                   ├── Forwarder (cache, names) ──┤
//!   LAN ── TCP 53 ──┘                              └── TCP, where an answer was cut off ───────────── WAN
//! ```
//!
//! All of it is one task: the forwarder is in a cell that is never borrowed across an `.await`.

use core::array;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embassy_futures::join::{join, join3};
use embassy_net::tcp::TcpSocket;
use embassy_net::udp::{PacketMetadata, UdpMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use embassy_sync::signal::Signal;
use embassy_sync::watch::DynReceiver;
use embassy_time::{Duration, WithTimeout};
use gatelet_proto::dns::{
    CacheEntry, Client, ClientRate, ClientTransport, Config, Counters, Destination, Forwarder, Hosts,
    MAX_MESSAGE_LEN, MAX_UPSTREAMS, Pending, QueryId, Statistics, Tables, Transmit, Transport,
    UDP_PAYLOAD_SIZE, UpstreamQuery, Waiter,
};
use gatelet_router::WanId;
use gatelet_settings::UPSTREAMS;
use gatelet_wire::dns::tcp_prefix;
use heapless::{String, Vec};
use rand_core::Rng;
use smoltcp::wire::{IpAddress, Ipv4Address};

use crate::connectivity::DnsPolicy;
use crate::fmt::{Debug, info};
use crate::gatelet::Names;
use crate::lan::LanAddresses;
use crate::{Gatelet, Session, clock};

/// The memory of the DNS service: `QUERIES` that may be under way at once, `ARENA` bytes of answers kept (at least 2,048, and
/// twice as many as the longest answer), and messages of `MESSAGE` bytes, the two of TCP's length (RFC 1035 §4.2.2) among them: at
/// least two more than [`UDP_PAYLOAD_SIZE`]. A longer answer cannot be fetched.
///
/// 11 KB, 3 KB more for each query, four messages, and the arena.
pub struct DnsSpace<const QUERIES: usize, const ARENA: usize, const MESSAGE: usize = LONGEST_MESSAGE> {
    entries: [[CacheEntry; CACHED]; QUERIES],
    arena: [u8; ARENA],
    pending: [Pending; QUERIES],
    waiters: [[Waiter; WAITERS]; QUERIES],
    clients: [ClientRate; CLIENTS],
    upstream: [UdpSpace<1, 1280, 384>; QUERIES],
    lan: UdpSpace<8, 2048, 2560>,
    tcp: [TcpSpace<512, 1024, MESSAGE>; TCP_CLIENTS],
    upstream_tcp: TcpSpace<1536, 512, MESSAGE>,
    /// What is being read or written.
    message: [u8; MESSAGE],
}

impl<const QUERIES: usize, const ARENA: usize, const MESSAGE: usize> DnsSpace<QUERIES, ARENA, MESSAGE> {
    /// Nothing kept, nothing under way.
    #[expect(clippy::new_without_default, reason = "tens of kilobytes: for statics and boxes")]
    pub fn new() -> Self {
        const { assert!(MESSAGE >= 2 + UDP_PAYLOAD_SIZE as usize, "shorter than what servers may send") };
        Self {
            entries: [[CacheEntry::default(); CACHED]; QUERIES],
            arena: [0; ARENA],
            pending: array::from_fn(|_| Pending::default()),
            waiters: [[Waiter::default(); WAITERS]; QUERIES],
            clients: [ClientRate::default(); CLIENTS],
            upstream: [const { UdpSpace::new() }; QUERIES],
            lan: UdpSpace::new(),
            tcp: [const { TcpSpace::new() }; TCP_CLIENTS],
            upstream_tcp: TcpSpace::new(),
            message: [0; MESSAGE],
        }
    }

    /// Sockets that the `lan` stack must have room for, embassy-net's own one for look-ups among them.
    pub const LAN_SOCKETS: usize = 1 + TCP_CLIENTS + 1;
    /// Sockets that the `wan` stack must have room for, embassy-net's own one for look-ups among them.
    pub const WAN_SOCKETS: usize = QUERIES + 1 + 1;
}

/// The DNS service at one moment, for the console.
#[derive(Debug, Clone)]
pub(crate) struct DnsStatus {
    pub(crate) upstreams: Vec<IpAddress, MAX_UPSTREAMS>,
    /// Answers, and the bytes they take.
    pub(crate) cached: (usize, usize),
    pub(crate) statistics: Statistics,
    pub(crate) counters: Counters,
}

/// Answers that can be kept, if the arena has room, for each query that may be under way.
const CACHED: usize = 16;
/// Clients that may wait for answers at once, for each query that may be under way.
const WAITERS: usize = 4;
/// As long as the forwarder has use for.
const LONGEST_MESSAGE: usize = 2 + MAX_MESSAGE_LEN;
/// Clients whose rate is watched.
const CLIENTS: usize = 16;
/// Clients that may ask over TCP at once.
const TCP_CLIENTS: usize = 2;
/// How long a client on TCP may think (RFC 7766 §6.2.3 leaves it to us), and how long it waits for an answer.
const IDLE: Duration = Duration::from_secs(10);
/// How long a server may take to accept a connection, and to answer on it (RFC 7766 gives none; the forwarder's own patience is
/// below 3 s for UDP).
const UPSTREAM_PATIENCE: Duration = Duration::from_secs(5);
/// DNS.
const PORT: u16 = 53;

struct UdpSpace<const PACKETS: usize, const RX: usize, const TX: usize> {
    rx_meta: [PacketMetadata; PACKETS],
    rx: [u8; RX],
    tx_meta: [PacketMetadata; PACKETS],
    tx: [u8; TX],
}

impl<const PACKETS: usize, const RX: usize, const TX: usize> UdpSpace<PACKETS, RX, TX> {
    const fn new() -> Self {
        Self {
            rx_meta: [PacketMetadata::EMPTY; PACKETS],
            rx: [0; RX],
            tx_meta: [PacketMetadata::EMPTY; PACKETS],
            tx: [0; TX],
        }
    }

    fn socket<'a>(&'a mut self, stack: Stack<'a>) -> UdpSocket<'a> {
        UdpSocket::new(stack, &mut self.rx_meta, &mut self.rx, &mut self.tx_meta, &mut self.tx)
    }
}

struct TcpSpace<const RX: usize, const TX: usize, const MESSAGE: usize> {
    rx: [u8; RX],
    tx: [u8; TX],
    /// A message on its way, with its length in front.
    message: [u8; MESSAGE],
}

impl<const RX: usize, const TX: usize, const MESSAGE: usize> TcpSpace<RX, TX, MESSAGE> {
    const fn new() -> Self {
        Self { rx: [0; RX], tx: [0; TX], message: [0; MESSAGE] }
    }
}

/// A message for one of the TCP connections, with its length in front, and word that it is there.
struct Mailbox<'a> {
    message: RefCell<&'a mut [u8]>,
    /// Its length; 0: it is free.
    len: Cell<usize>,
    arrived: Signal<NoopRawMutex, ()>,
}

impl<'a> Mailbox<'a> {
    fn new(message: &'a mut [u8]) -> Self {
        Self { message: RefCell::new(message), len: Cell::new(0), arrived: Signal::new() }
    }

    /// Puts a message in. False if there is one already.
    fn put(&self, message: &[u8]) -> bool {
        let Some(prefix) = tcp_prefix(message.len()).filter(|_| self.len.get() == 0) else { return false };
        let mut room = self.message.borrow_mut();
        let Some(body) = room.get_mut(2..2 + message.len()) else { return false };
        body.copy_from_slice(message);
        room[..2].copy_from_slice(&prefix);
        self.len.set(2 + message.len());
        self.arrived.signal(());
        true
    }

    /// Empties it.
    fn clear(&self) {
        self.len.set(0);
        self.arrived.reset();
    }
}

/// What the parts of the service share.
struct Desk<'a, R, const QUERIES: usize> {
    forwarder: RefCell<Forwarder<'a>>,
    rng: RefCell<R>,
    names: &'a dyn Names,
    lan: UdpSocket<'a>,
    /// One for each query, and for which it is bound.
    upstream: Vec<RefCell<(UdpSocket<'a>, Option<QueryId>)>, QUERIES>,
    tcp: [Mailbox<'a>; TCP_CLIENTS],
    upstream_tcp: Mailbox<'a>,
    /// For whom the message in `upstream_tcp` is.
    upstream_tcp_query: Cell<Option<UpstreamQuery>>,
    /// The user's own servers; none: those that the session gives.
    own_upstreams: Vec<Ipv4Address, UPSTREAMS>,
    /// Two bytes shorter than a mailbox, which has the length in front.
    buffer: RefCell<&'a mut [u8]>,
    /// A part other than the main loop has changed something that has a deadline.
    changed: Signal<NoopRawMutex, ()>,
}

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Serves DNS to the LAN, for ever, from the servers that `wan` gives, or from those of the [settings](Self::lend_settings).
    /// `rng` is to be one that nobody can guess.
    ///
    /// `lan` and `wan_stack` need room for [`LAN_SOCKETS`](DnsSpace::LAN_SOCKETS) and [`WAN_SOCKETS`](DnsSpace::WAN_SOCKETS)
    /// sockets. Does nothing, for ever, if the session of `wan` has more followers than there is room for.
    ///
    /// # Panics
    /// If `wan` is not below `WANS`, or the stacks have no room for the sockets.
    pub async fn run_dns<const QUERIES: usize, const ARENA: usize, const MESSAGE: usize>(
        &self,
        wan: WanId,
        (lan, wan_stack): (Stack<'_>, Stack<'_>),
        config: Config,
        space: &mut DnsSpace<QUERIES, ARENA, MESSAGE>,
        rng: impl Rng,
    ) -> ! {
        let DnsSpace {
            entries,
            arena,
            pending,
            waiters,
            clients,
            upstream,
            lan: lan_space,
            tcp,
            upstream_tcp,
            message,
        } = space;
        let followers = self.session(wan).zip(self.lan_addresses());
        // What is borrowed in a block of its own does not stay in this task's memory a second time.
        let (forwarder, own_upstreams) = {
            let (entries, waiters) = (entries.as_flattened_mut(), waiters.as_flattened_mut());
            let mut forwarder = Forwarder::new(config, Tables { entries, arena, pending, waiters, clients });
            let mut own_upstreams = Vec::new();
            if let Some(desk) = self.settings {
                desk.read(|settings| {
                    forwarder.set_rebind_exceptions(settings.rebind_exceptions());
                    own_upstreams = settings.dns_upstreams();
                });
            }
            (forwarder, own_upstreams)
        };
        let policy = self.portals.get(usize::from(wan.0)).and_then(|portal| portal.dns.dyn_receiver());
        let mut lan_socket = lan_space.socket(lan);
        // The port is nobody else's: the stack is new.
        let _ = lan_socket.bind(PORT);
        let [one, two] = tcp;
        let mut one_socket = TcpSocket::new(lan, &mut one.rx, &mut one.tx);
        let mut two_socket = TcpSocket::new(lan, &mut two.rx, &mut two.tx);
        let mut upstream_socket = TcpSocket::new(wan_stack, &mut upstream_tcp.rx, &mut upstream_tcp.tx);
        let desk = Desk::<_, QUERIES> {
            forwarder: RefCell::new(forwarder),
            rng: RefCell::new(rng),
            names: self,
            lan: lan_socket,
            upstream: upstream
                .iter_mut()
                .map(|space| RefCell::new((space.socket(wan_stack), None)))
                .collect(),
            tcp: [Mailbox::new(&mut one.message), Mailbox::new(&mut two.message)],
            upstream_tcp: Mailbox::new(&mut upstream_tcp.message),
            upstream_tcp_query: Cell::new(None),
            own_upstreams,
            buffer: RefCell::new(message.get_mut(2..).unwrap_or_default()),
            changed: Signal::new(),
        };
        let udp = async {
            match (followers, policy) {
                (Some((session, addresses)), Some(policy)) => desk.serve(session, addresses, policy).await,
                _ => pending_for_ever().await,
            }
        };
        let clients = join(desk.serve_tcp(0, &mut one_socket), desk.serve_tcp(1, &mut two_socket));
        join3(udp, clients, desk.ask_by_tcp(&mut upstream_socket)).await.0
    }
}

async fn pending_for_ever() -> ! {
    loop {
        core::future::pending::<()>().await;
    }
}

impl<R: Rng, const QUERIES: usize> Desk<'_, R, QUERIES> {
    /// UDP, both sides, and the clock.
    async fn serve(
        &self,
        mut session: DynReceiver<'_, Option<Session>>,
        mut addresses: DynReceiver<'_, Option<LanAddresses>>,
        mut policy: DynReceiver<'_, DnsPolicy>,
    ) -> ! {
        loop {
            self.send();
            let deadline = self.forwarder.borrow().poll_at();
            let mut timer = deadline.map(clock::at);
            poll_fn(|cx| {
                let mut ready = timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready());
                while let Poll::Ready(session) = pin!(session.changed()).poll(cx) {
                    self.follow(session);
                    ready = true;
                }
                while let Poll::Ready(addresses) = pin!(addresses.changed()).poll(cx) {
                    if let Some(LanAddresses { ipv4: lan, ipv6: lan_ipv6, .. }) = addresses {
                        let mut forwarder = self.forwarder.borrow_mut();
                        let config = Config { lan, lan_ipv6, ..forwarder.config().clone() };
                        forwarder.set_config(config);
                    }
                    ready = true;
                }
                while let Poll::Ready(policy) = pin!(policy.changed()).poll(cx) {
                    let mut forwarder = self.forwarder.borrow_mut();
                    forwarder.freeze_cache(policy.is_frozen.contains(&true));
                    forwarder.relax_rebind(policy.portal.into_iter().flatten().next());
                    ready = true;
                }
                ready |= self.receive_queries(cx) | self.receive_answers(cx);
                if self.changed.signaled() {
                    self.changed.reset();
                    ready = true;
                } else if let Poll::Ready(()) = pin!(self.changed.wait()).poll(cx) {
                    ready = true;
                }
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let now = clock::now();
            let mut forwarder = self.forwarder.borrow_mut();
            if forwarder.poll_at().is_some_and(|at| at <= now) {
                forwarder.handle_timeout(now, &mut *self.rng.borrow_mut());
            }
            while let Some(event) = forwarder.poll_event() {
                info!("dns: {}", Debug(event));
            }
            self.names.note_status(DnsStatus {
                upstreams: forwarder.upstreams().collect(),
                cached: forwarder.cache_usage(),
                statistics: forwarder.statistics(),
                counters: *forwarder.counters(),
            });
        }
    }

    /// The session gives other servers, or none: those of both families in turns, since one family may be out of order.
    fn follow(&self, session: Option<Session>) {
        let ipv4 = session.and_then(|session| session.ipv4);
        let ipv6 = session.and_then(|session| session.ipv6_access);
        let own: Vec<IpAddress, UPSTREAMS> =
            self.own_upstreams.iter().copied().map(IpAddress::Ipv4).collect();
        let ipv4_server = |turn| Some(IpAddress::Ipv4((*ipv4?.dns.get(turn)?)?));
        let ipv6_server = |turn| Some(IpAddress::Ipv6((*ipv6?.dns.get(turn)?)?));
        let in_turns = (0..MAX_UPSTREAMS).flat_map(|turn| [ipv4_server(turn), ipv6_server(turn)]);
        let given: Vec<IpAddress, MAX_UPSTREAMS> = in_turns.flatten().take(MAX_UPSTREAMS).collect();
        let servers: &[IpAddress] = if own.is_empty() { &given } else { &own };
        let is_up = ipv4.is_some() || ipv6.is_some();
        let (now, mut forwarder) = (clock::now(), self.forwarder.borrow_mut());
        if is_up {
            forwarder.set_upstreams(now, &mut *self.rng.borrow_mut(), servers);
        }
        forwarder.set_wan_up(now, is_up);
    }

    fn take_query(&self, client: Client, message: &[u8]) {
        let hosts = Hosts {
            address_of: &|name| self.names.address_of(name),
            name_of: &|address| {
                let name = self.names.name_of(address)?;
                String::try_from(name.as_str()).ok()
            },
        };
        // What it refuses, it counts.
        let _ = self.forwarder.borrow_mut().handle_query(
            clock::now(),
            &mut *self.rng.borrow_mut(),
            client,
            message,
            &hosts,
        );
    }

    /// Whether clients have asked. At most a few at a time, lest others starve.
    fn receive_queries(&self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        for _ in 0..BURST {
            let mut buffer = self.buffer.borrow_mut();
            match self.lan.poll_recv_from(&mut buffer, cx) {
                Poll::Ready(Ok((len, meta))) => {
                    any = true;
                    let client = Client {
                        remote: meta.endpoint,
                        local: meta.local_address,
                        transport: ClientTransport::Udp,
                    };
                    self.take_query(client, &buffer[..len]);
                    drop(buffer);
                    self.send();
                }
                Poll::Ready(Err(_)) => any = true,
                Poll::Pending => return any,
            }
        }
        true
    }

    fn receive_answers(&self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        for socket in &self.upstream {
            let mut socket = socket.borrow_mut();
            let (socket, query) = &mut *socket;
            let Some(asked) = *query else { continue };
            let mut buffer = self.buffer.borrow_mut();
            while let Poll::Ready(received) = socket.poll_recv_from(&mut buffer, cx) {
                any = true;
                let Ok((len, meta)) = received else { continue };
                let mut forwarder = self.forwarder.borrow_mut();
                // What it ignores, it counts.
                let _ = forwarder.handle_answer(
                    clock::now(),
                    &mut *self.rng.borrow_mut(),
                    asked,
                    Transport::Udp,
                    meta.endpoint,
                    &buffer[..len],
                );
            }
            if !self.forwarder.borrow().is_awaiting(asked) {
                // Nobody may answer it any more.
                socket.close();
                *query = None;
            }
        }
        any
    }

    /// Sends all that the forwarder has to say.
    fn send(&self) {
        let mut buffer = self.buffer.borrow_mut();
        loop {
            let Some(Transmit { to, len }) =
                self.forwarder.borrow_mut().poll_transmit(clock::now(), &mut buffer)
            else {
                return;
            };
            let message = &buffer[..len];
            match to {
                Destination::Client(client) => self.send_to_client(client, message),
                Destination::Upstream(query) if query.transport == Transport::Udp => {
                    self.send_upstream(query, message);
                }
                Destination::Upstream(query) => {
                    if self.upstream_tcp.put(message) {
                        self.upstream_tcp_query.set(Some(query));
                    } else {
                        let mut rng = self.rng.borrow_mut();
                        self.forwarder.borrow_mut().handle_tcp_failed(clock::now(), &mut *rng, query.query);
                    }
                }
            }
        }
    }

    fn send_to_client(&self, client: Client, message: &[u8]) {
        match client.transport {
            ClientTransport::Udp => {
                let meta = UdpMetadata { local_address: client.local, ..client.remote.into() };
                send_now(&self.lan, message, meta);
            }
            ClientTransport::Tcp(number) => {
                if let Some(mailbox) = self.tcp.get(usize::from(number)) {
                    let _ = mailbox.put(message);
                }
            }
        }
    }

    fn send_upstream(&self, query: UpstreamQuery, message: &[u8]) {
        let Some(socket) = self.upstream.get(usize::from(query.query.slot)) else { return };
        let mut socket = socket.borrow_mut();
        let (socket, bound_for) = &mut *socket;
        if *bound_for != Some(query.query) || socket.endpoint().port != query.source_port {
            socket.close();
            *bound_for = Some(query.query);
            if socket.bind(query.source_port).is_err() {
                *bound_for = None;
                self.forwarder.borrow_mut().handle_port_taken(&mut *self.rng.borrow_mut(), query.query);
                return;
            }
            // Its waker is not known to the main loop yet.
            self.changed.signal(());
        }
        send_now(socket, message, IpEndpoint::new(query.server, PORT).into());
    }

    /// One client after the other on a TCP connection (RFC 7766).
    async fn serve_tcp(&self, number: u8, socket: &mut TcpSocket<'_>) -> ! {
        let mailbox = &self.tcp[usize::from(number)];
        loop {
            // From the first SYN on: who never answers ours must not hold the place.
            socket.set_timeout(Some(IDLE));
            if socket.accept(PORT).await.is_ok() {
                if let Some(remote) = socket.remote_endpoint() {
                    self.serve_connection(number, remote, socket, mailbox).await;
                }
                self.forwarder.borrow_mut().forget_client(number);
                mailbox.clear();
                socket.close();
                let _ = socket.flush().with_timeout(IDLE).await;
            }
            socket.abort();
            let _ = socket.flush().with_timeout(IDLE).await;
        }
    }

    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "until it is cleared, `put` does not touch a message"
    )]
    async fn serve_connection(
        &self,
        number: u8,
        remote: IpEndpoint,
        socket: &mut TcpSocket<'_>,
        mailbox: &Mailbox<'_>,
    ) {
        let mut query = [0; QUERY_MOST];
        loop {
            let mut prefix = [0; 2];
            if !matches!(read_all(socket, &mut prefix).with_timeout(IDLE).await, Ok(true)) {
                return;
            }
            let Some(query) = query.get_mut(..usize::from(u16::from_be_bytes(prefix))) else { return };
            if !matches!(read_all(socket, query).with_timeout(IDLE).await, Ok(true)) {
                return;
            }
            mailbox.clear();
            let local = socket.local_endpoint().map(|local| local.addr);
            self.take_query(Client { remote, local, transport: ClientTransport::Tcp(number) }, query);
            self.send();
            self.changed.signal(());
            if mailbox.arrived.wait().with_timeout(IDLE).await.is_err() {
                return;
            }
            // Nothing is put in before it is cleared.
            let mut sent = 0;
            while sent < mailbox.len.get() {
                let message = mailbox.message.borrow();
                let written = write_some(socket, &message[sent..mailbox.len.get()]).with_timeout(IDLE).await;
                match written {
                    Ok(Some(written)) => sent += written,
                    _ => return,
                }
            }
            mailbox.clear();
        }
    }

    /// One query after the other that a server has to be asked over TCP.
    async fn ask_by_tcp(&self, socket: &mut TcpSocket<'_>) -> ! {
        loop {
            self.upstream_tcp.arrived.wait().await;
            if let Some(query) = self.upstream_tcp_query.take() {
                let len = self.ask_once(query, socket).with_timeout(UPSTREAM_PATIENCE).await.ok().flatten();
                let (now, rng) = (clock::now(), &mut *self.rng.borrow_mut());
                let mut forwarder = self.forwarder.borrow_mut();
                let message = self.upstream_tcp.message.borrow();
                if let Some(answer) = len.and_then(|len| message.get(..len)) {
                    let from = IpEndpoint::new(query.server, PORT);
                    let _ = forwarder.handle_answer(now, rng, query.query, Transport::Tcp, from, answer);
                } else {
                    forwarder.handle_tcp_failed(now, rng, query.query);
                }
            }
            self.upstream_tcp.clear();
            socket.abort();
            let _ = socket.flush().with_timeout(UPSTREAM_PATIENCE).await;
            self.send();
            self.changed.signal(());
        }
    }

    /// Asks, and puts the answer in the place of the question. Answers its length.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "until it is cleared, `put` does not touch a message"
    )]
    async fn ask_once(&self, query: UpstreamQuery, socket: &mut TcpSocket<'_>) -> Option<usize> {
        socket.connect(IpEndpoint::new(query.server, PORT)).await.ok()?;
        let mut message = self.upstream_tcp.message.borrow_mut();
        let mut sent = 0;
        while sent < self.upstream_tcp.len.get() {
            sent += write_some(socket, &message[sent..self.upstream_tcp.len.get()]).await?;
        }
        let mut prefix = [0; 2];
        if !read_all(socket, &mut prefix).await {
            return None;
        }
        let len = usize::from(u16::from_be_bytes(prefix));
        let room = message.get_mut(..len)?;
        read_all(socket, room).await.then_some(len)
    }
}

/// Queries taken from clients before the servers' answers get their turn.
const BURST: u32 = 8;
/// The longest query that is read from a TCP connection: a name, EDNS, and room for its options, padding among them (RFC 8467
/// §4.1: up to the next 128 octets).
const QUERY_MOST: usize = 512;

/// Sends if there is room now: a datagram that finds none is lost, as on any wire.
fn send_now(socket: &UdpSocket<'_>, message: &[u8], to: UdpMetadata) {
    let mut context = Context::from_waker(core::task::Waker::noop());
    let _ = socket.poll_send_to(message, to, &mut context);
}

/// Fills `buffer`. False if the connection ended before.
async fn read_all(socket: &mut TcpSocket<'_>, buffer: &mut [u8]) -> bool {
    let mut filled = 0;
    while filled < buffer.len() {
        match socket.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return false,
            Ok(read) => filled += read,
        }
    }
    true
}

/// Writes what fits. `None` if the connection ended.
async fn write_some(socket: &mut TcpSocket<'_>, bytes: &[u8]) -> Option<usize> {
    socket.write(bytes).await.ok().filter(|written| *written > 0)
}
