//! How the two ends of a tunnel keep knowing each other's IPv4 address: the sockets of [`gatelet_proto::sixinfour::update`].
//!
//! ```text
//!   we move:    WAN's address ──► Client ── GET /nic/update ── TCP, `wan` stack ──► broker
//!   they move:  far end ── TCP, a port of the WAN ──► `lan` stack ── Server ── Command::MoveTunnel ──► router
//! ```
//!
//! Brokers are told one after the other; two far ends may speak at once, and each stage of it has its time. The port is open
//! only while there is a tunnel whose far end may move.

use core::cell::{Cell, RefCell};
use core::future::pending;

use embassy_futures::join::{join, join3};
use embassy_futures::select::{Either, Either3, select, select3};
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::TcpSocket;
use embassy_net::{IpEndpoint, Stack};
use embassy_sync::blocking_mutex;
use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use embassy_sync::signal::Signal;
use embassy_sync::watch::{DynReceiver, Watch};
use embassy_time::{Duration, WithTimeout};
use gatelet_proto::sixinfour::update::server::{Counters, Entry, Server};
use gatelet_proto::sixinfour::update::{Client, Config};
use gatelet_router::{Command, MAX_TUNNELS, TunnelId, WanId};
use gatelet_wire::http::{Progress, ResponseReader};
use gatelet_wire::nic_update::REQUEST_MAX;
use smoltcp::wire::IpAddress;

use crate::fmt::{Debug, Show, info};
use crate::gatelet::{Event, TimedEvent};
use crate::{Gatelet, Session, clock};

/// What keeps a tunnel together when an end of it moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TunnelUpdate {
    /// We move: this broker is told.
    Tell(Config),
    /// The far end moves: who has this account may say where it is.
    Hear(Entry),
}

/// What lies between a request and the connection it goes over: for now [`PlainHttp`]; TLS would be another one.
#[expect(async_fn_in_trait, reason = "awaited by a task on its own executor")]
pub trait UpdateTransport {
    /// Whether nobody else can read what is said. Without that the key is only said to who allows it
    /// ([`Config::allows_plain_http`]).
    const IS_ENCRYPTED: bool;

    /// Says `request` to `host` on a connection that has just been opened, and reads what it answers, until there is a whole
    /// response. False if there is none. It may be dropped at any moment.
    async fn exchange(
        &mut self,
        connection: &mut TcpSocket<'_>,
        host: &str,
        request: &[u8],
        response: &mut ResponseReader,
    ) -> bool;
}

/// HTTP as it is: everybody on the way can read the key.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainHttp;

impl UpdateTransport for PlainHttp {
    const IS_ENCRYPTED: bool = false;

    async fn exchange(
        &mut self,
        connection: &mut TcpSocket<'_>,
        _: &str,
        request: &[u8],
        response: &mut ResponseReader,
    ) -> bool {
        if !write_all(connection, request).await {
            return false;
        }
        loop {
            let read =
                connection.read_with(|octets| (octets.len(), (octets.len(), response.push(octets)))).await;
            let progress = match read {
                Ok((1.., progress)) => progress,
                // Closed in good order, which may be how the body ends.
                Ok((0, _)) | Err(_) => response.close(),
            };
            match progress {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// The memory of it: 7 KB.
pub struct UpdateSpace {
    clients: [Option<Client>; MAX_TUNNELS],
    teller: Buffers,
    entries: [Entry; MAX_TUNNELS],
    hearers: [(Buffers, [u8; REQUEST_MAX]); HEARERS],
}

impl UpdateSpace {
    /// Sockets that the `lan` stack must have room for.
    pub const LAN_SOCKETS: usize = HEARERS;
    /// Sockets that the `wan` stack must have room for, beside embassy-net's own one for look-ups.
    pub const WAN_SOCKETS: usize = 1;

    /// Nobody speaks yet.
    #[expect(clippy::new_without_default, reason = "kilobytes: for statics and boxes")]
    pub const fn new() -> Self {
        Self {
            clients: [const { None }; MAX_TUNNELS],
            teller: Buffers::new(),
            entries: [const { Entry::NOBODY }; MAX_TUNNELS],
            hearers: [const { (Buffers::new(), [0; REQUEST_MAX]) }; HEARERS],
        }
    }
}

/// Of a connection: what goes over it has some hundreds of octets, and may take two turns.
struct Buffers {
    rx: [u8; 256],
    tx: [u8; 256],
}

impl Buffers {
    const fn new() -> Self {
        Self { rx: [0; 256], tx: [0; 256] }
    }
}

/// What the owner wants, where the tasks find it. [Lent](Gatelet::lend_tunnel_updates) to the [`Gatelet`] by who has tunnels whose
/// ends move: 1.3 KB.
pub struct UpdateDesk<M: RawMutex> {
    wanted: blocking_mutex::Mutex<M, RefCell<Wanted>>,
    telling: Signal<M, ()>,
    hearing: Signal<M, ()>,
    counters: blocking_mutex::Mutex<M, Cell<Option<Counters>>>,
}

struct Wanted {
    port: u16,
    tunnels: [Tunnel; MAX_TUNNELS],
}

/// One tunnel, and what of it the tasks have not seen yet.
struct Tunnel {
    update: Option<TunnelUpdate>,
    is_new_to_teller: bool,
    is_new_to_hearers: bool,
    is_silent: bool,
}

impl Tunnel {
    const NONE: Self =
        Self { update: None, is_new_to_teller: false, is_new_to_hearers: false, is_silent: false };
}

impl<M: RawMutex> UpdateDesk<M> {
    /// Nothing is wanted yet.
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        let wanted = Wanted { port: PORT, tunnels: [const { Tunnel::NONE }; MAX_TUNNELS] };
        Self {
            wanted: blocking_mutex::Mutex::new(RefCell::new(wanted)),
            telling: Signal::new(),
            hearing: Signal::new(),
            counters: blocking_mutex::Mutex::new(Cell::new(None)),
        }
    }

    fn with_tunnel(&self, id: TunnelId, change: impl FnOnce(&mut Tunnel)) {
        self.wanted.lock(|wanted| wanted.borrow_mut().tunnels.get_mut(usize::from(id.0)).map(change));
    }

    /// The far end of a tunnel does not answer.
    pub(crate) fn note_silence(&self, id: TunnelId) {
        self.with_tunnel(id, |tunnel| tunnel.is_silent = true);
        self.telling.signal(());
    }

    fn note_counters(&self, server: &RefCell<Server<'_>>) {
        self.counters.lock(|counters| counters.set(Some(*server.borrow().counters())));
    }

    /// Brings the clients up to date.
    fn lead(&self, clients: &mut [Option<Client>; MAX_TUNNELS]) {
        let now = clock::now();
        self.wanted.lock(|wanted| {
            for (tunnel, client) in wanted.borrow_mut().tunnels.iter_mut().zip(clients) {
                if core::mem::take(&mut tunnel.is_new_to_teller) {
                    match (&tunnel.update, &mut *client) {
                        (Some(TunnelUpdate::Tell(config)), Some(client)) => {
                            client.set_config(now, config.clone());
                        }
                        (Some(TunnelUpdate::Tell(config)), client) => {
                            *client = Some(Client::new(config.clone()));
                        }
                        (_, client) => *client = None,
                    }
                }
                if let (true, Some(client)) = (core::mem::take(&mut tunnel.is_silent), client) {
                    client.handle_silence(now);
                }
            }
        });
    }

    /// Brings the server up to date, and answers at which port it is wanted, if it is.
    fn instruct(&self, server: &mut Server<'_>) -> Option<u16> {
        self.wanted.lock(|wanted| {
            let mut wanted = wanted.borrow_mut();
            let mut is_wanted = false;
            for (place, tunnel) in wanted.tunnels.iter_mut().enumerate() {
                let entry = match &tunnel.update {
                    Some(TunnelUpdate::Hear(entry)) => Some(entry),
                    _ => None,
                };
                is_wanted |= entry.is_some();
                if core::mem::take(&mut tunnel.is_new_to_hearers) {
                    server.set_entry(place, entry.cloned().unwrap_or(Entry::NOBODY));
                }
            }
            Some(wanted.port).filter(|port| is_wanted && *port > 0)
        })
    }
}

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// What keeps a tunnel together when an end of it moves; `None`: nothing. Without effect beyond [`MAX_TUNNELS`], without a
    /// [desk](Self::lend_tunnel_updates), or if it is what it was.
    pub fn set_tunnel_update(&self, id: TunnelId, update: Option<TunnelUpdate>) {
        let Some(desk) = self.updates else { return };
        desk.with_tunnel(id, |tunnel| {
            if tunnel.update != update {
                tunnel.update = update;
                (tunnel.is_new_to_teller, tunnel.is_new_to_hearers) = (true, true);
            }
        });
        desk.telling.signal(());
        desk.hearing.signal(());
    }

    /// At which TCP port of the WANs far ends say where they are: 8041, unless this says otherwise. (Carriers at home keep 80 and
    /// 443 closed to their subscribers.)
    pub fn set_tunnel_update_port(&self, port: u16) {
        let Some(desk) = self.updates else { return };
        desk.wanted.lock(|wanted| wanted.borrow_mut().port = port);
        desk.hearing.signal(());
    }

    /// What far ends have said, and how often it was refused; `None` before [`run_tunnel_updates`](Self::run_tunnel_updates).
    pub fn tunnel_update_counters(&self) -> Option<Counters> {
        self.updates?.counters.lock(Cell::get)
    }

    /// Tells brokers the address of `wan` and hears from far ends, for ever, as [`set_tunnel_update`](Self::set_tunnel_update)
    /// has it: a task of its own. `lan` and `wan_stack` need room for [`LAN_SOCKETS`](UpdateSpace::LAN_SOCKETS) and
    /// [`WAN_SOCKETS`](UpdateSpace::WAN_SOCKETS) sockets.
    ///
    /// What comes of telling is an [`Event::TunnelUpdate`], a far end that moves an
    /// [`Ipv6Event::TunnelMoved`](gatelet_router::Ipv6Event::TunnelMoved). Nothing is done, for ever, without a
    /// [desk](Self::lend_tunnel_updates); nobody is told if the session of `wan` has more followers than there is room for.
    ///
    /// # Panics
    /// If `wan` is not below `WANS`, or the stacks have no room for the sockets.
    pub async fn run_tunnel_updates(
        &self,
        wan: WanId,
        (lan, wan_stack): (Stack<'_>, Stack<'_>),
        transport: impl UpdateTransport,
        space: &mut UpdateSpace,
    ) -> ! {
        let UpdateSpace { clients, teller, entries, hearers } = space;
        let (Some(desk), session) = (self.updates, self.session(wan)) else { for_ever().await };
        let tell = async {
            match session {
                Some(session) => self.tell(desk, session, wan_stack, transport, (clients, teller)).await,
                None => for_ever().await,
            }
        };
        join(tell, self.hear(desk, lan, (entries, hearers))).await.0
    }

    async fn tell(
        &self,
        desk: &UpdateDesk<M>,
        mut session: DynReceiver<'_, Option<Session>>,
        stack: Stack<'_>,
        mut transport: impl UpdateTransport,
        (clients, buffers): (&mut [Option<Client>; MAX_TUNNELS], &mut Buffers),
    ) -> ! {
        let mut socket = TcpSocket::new(stack, &mut buffers.rx, &mut buffers.tx);
        let mut address = None;
        loop {
            desk.lead(clients);
            for (tunnel, client) in (0..).map(TunnelId).zip(&mut *clients) {
                let Some(client) = client else { continue };
                client.set_address(clock::now(), address);
                client.handle_timeout(clock::now());
                if client.wants_request(clock::now()) {
                    tell_once(client, stack, &mut socket, &mut transport).await;
                }
                if let Some(event) = client.poll_event() {
                    info!("tunnel {}: {}", Show(tunnel.0), Debug(event));
                    let event = Event::TunnelUpdate { tunnel, event };
                    let told = TimedEvent { at: clock::now(), event };
                    self.events.immediate_publisher().publish_immediate(told);
                }
            }
            let deadline = clients.iter().flatten().filter_map(Client::poll_at).min();
            let wait = async {
                match deadline {
                    Some(at) => clock::at(at).await,
                    None => pending().await,
                }
            };
            let changed = select3(session.changed(), desk.telling.wait(), wait).await;
            if let Either3::First(session) = changed {
                address = session.and_then(|session| session.ipv4).map(|ipv4| ipv4.address);
            }
        }
    }

    async fn hear(
        &self,
        desk: &UpdateDesk<M>,
        stack: Stack<'_>,
        (entries, spaces): (&mut [Entry; MAX_TUNNELS], &mut [(Buffers, [u8; REQUEST_MAX]); HEARERS]),
    ) -> ! {
        let server = RefCell::new(Server::new(entries));
        let open = Watch::<NoopRawMutex, Option<u16>, HEARERS>::new();
        let follow = async {
            let mut known = None;
            loop {
                let port = desk.instruct(&mut server.borrow_mut());
                desk.note_counters(&server);
                if port != known {
                    known = port;
                    self.commands.send(Command::Listen { port }).await;
                    open.sender().send(port);
                }
                desk.hearing.wait().await;
            }
        };
        let [one, two] = spaces;
        let hearers = (
            self.hear_at(desk, stack, (&server, &open), one),
            self.hear_at(desk, stack, (&server, &open), two),
        );
        join3(follow, hearers.0, hearers.1).await.0
    }

    /// One far end after the other on a connection.
    async fn hear_at(
        &self,
        desk: &UpdateDesk<M>,
        stack: Stack<'_>,
        (server, open): (&RefCell<Server<'_>>, &Watch<NoopRawMutex, Option<u16>, HEARERS>),
        (buffers, request): &mut (Buffers, [u8; REQUEST_MAX]),
    ) {
        // There is one for each.
        let Some(mut open) = open.receiver() else { return };
        let mut socket = TcpSocket::new(stack, &mut buffers.rx, &mut buffers.tx);
        let mut port = None;
        loop {
            let Some(at) = port else {
                port = open.changed().await;
                continue;
            };
            // From the first SYN on: who never answers ours holds nothing up for longer than who never asks.
            socket.set_timeout(Some(PATIENCE));
            match select(socket.accept(at), open.changed()).await {
                Either::First(Ok(())) => {
                    let _ = self.answer(server, &mut socket, request).with_timeout(PATIENCE).await;
                    desk.note_counters(server);
                    socket.close();
                    let _ = socket.flush().with_timeout(LINGER).await;
                }
                Either::First(Err(_)) => {}
                Either::Second(other) => port = other,
            }
            socket.abort();
            let _ = socket.flush().with_timeout(LINGER).await;
        }
    }

    /// Hears one request, and answers it.
    async fn answer(
        &self,
        server: &RefCell<Server<'_>>,
        socket: &mut TcpSocket<'_>,
        request: &mut [u8; REQUEST_MAX],
    ) {
        let Some(IpEndpoint { addr: IpAddress::Ipv4(source), .. }) = socket.remote_endpoint() else { return };
        let (mut len, mut response) = (0, [0; RESPONSE_MOST]);
        while let Some(room) = request.get_mut(len..).filter(|room| !room.is_empty()) {
            let Ok(read @ 1..) = socket.read(room).await else { return };
            len += read;
            let heard = request.get(..len).unwrap_or_default();
            let outcome = server.borrow_mut().handle_request(clock::now(), source, heard, &mut response);
            match outcome {
                Ok(None) => {}
                Ok(Some(outcome)) => {
                    if let Some((place, remote)) = outcome.update {
                        let tunnel = TunnelId(place as u8);
                        // Before it is answered: what comes through the tunnel next comes from there.
                        self.commands.send(Command::MoveTunnel { tunnel, remote }).await;
                    }
                    write_all(socket, response.get(..outcome.len).unwrap_or_default()).await;
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

async fn for_ever() -> ! {
    loop {
        pending::<()>().await;
    }
}

/// Tells a broker what is to be told.
async fn tell_once<T: UpdateTransport>(
    client: &mut Client,
    stack: Stack<'_>,
    socket: &mut TcpSocket<'_>,
    transport: &mut T,
) {
    let (mut request, mut response) = ([0; REQUEST_MOST], ResponseReader::new());
    let Some(len) = client.write_request(clock::now(), &mut request, T::IS_ENCRYPTED) else { return };
    let Config { server, port, .. } = client.config();
    let exchange = async {
        let found = stack.dns_query(server, DnsQueryType::A).await.ok()?;
        let broker = IpEndpoint::new(*found.first()?, *port);
        socket.connect(broker).await.ok()?;
        let request = request.get(..len)?;
        transport.exchange(socket, server, request, &mut response).await.then_some(())
    };
    let is_answered = matches!(exchange.with_timeout(TELL_PATIENCE).await, Ok(Some(())));
    match response.response().filter(|_| is_answered) {
        Some(response) => client.handle_response(clock::now(), response.status, response.body),
        None => client.handle_failure(clock::now()),
    }
    socket.close();
    let _ = socket.flush().with_timeout(LINGER).await;
    socket.abort();
    let _ = socket.flush().with_timeout(LINGER).await;
}

/// False if the connection ended before.
async fn write_all(socket: &mut TcpSocket<'_>, mut octets: &[u8]) -> bool {
    while !octets.is_empty() {
        match socket.write(octets).await {
            Ok(written @ 1..) => octets = octets.get(written..).unwrap_or_default(),
            _ => return false,
        }
    }
    socket.flush().await.is_ok()
}

/// Where far ends speak, if nothing else is said: of the ports that IANA leaves to anybody's use, one with 41 in it.
pub(crate) const PORT: u16 = 8041;
/// Far ends that may speak at once: one that dawdles keeps out no other.
const HEARERS: usize = 2;
/// The longest request that is written ([`Client::write_request`]), and the longest response ([`Server::handle_request`]).
const REQUEST_MOST: usize = 512;
const RESPONSE_MOST: usize = 256;
/// How long a far end may take from the connection's opening to the last octet of its request, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a broker may take to be found and to answer, as [`Client`] has it.
const TELL_PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take to end in good order.
const LINGER: Duration = Duration::from_secs(2);
