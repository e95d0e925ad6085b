//! What a machine offers to others: pages whose content everybody knows, and an echo.
//!
//! `GET /65536` is answered with 65,536 octets of [`content`], then the connection is closed (RFC 1945). Where a
//! [`Network`] is on the way, what it has to say is said in the servers' stead.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket};

use gatelet_proto::connectivity::Transport;
use gatelet_wire::dns::{tcp_message, tcp_prefix};

use super::body::Body;
use crate::peers::internet::server;
use crate::peers::packet;
use crate::peers::portal::{Connection, Meeting, Network, Treatment};

/// What is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Pages, over TCP.
    Http,
    /// What comes goes back, over TCP (RFC 862).
    EchoTcp,
    /// What comes goes back, over UDP (RFC 862).
    EchoUdp,
    /// The first words of TLS, where a [`Network`] is on the way.
    Tls,
    /// Whatever its owner says ([`Question`]), over HTTP.
    Questions,
    /// DNS over TCP (RFC 7766), where a [`Network`] is on the way.
    Dns,
}

/// A request that waits for what the machine's owner says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which it is.
    pub number: usize,
    /// Who asks.
    pub from: IpAddress,
    /// The request, head only.
    pub text: String,
}

/// The octet at `offset` of every page.
pub fn content(offset: u64) -> u8 {
    // Of no short period, so that a piece that is lost or twice there is seen.
    (offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// Longest request.
const REQUEST_LIMIT: usize = 1024;
/// A client that says nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Servers {
    listeners: Vec<Listener>,
    echoes: Vec<(SocketHandle, u16)>,
    /// What is on the way to them.
    pub(super) network: Option<Network>,
}

#[derive(Debug)]
struct Listener {
    service: Service,
    port: u16,
    handle: SocketHandle,
    request: Vec<u8>,
    /// What is still to be sent: the head, then octets of the page from one offset to another.
    head: Vec<u8>,
    page: core::ops::Range<u64>,
    drip: Option<Drip>,
    /// Not taken by the owner yet.
    question: Option<(IpAddress, String)>,
}

/// What follows an octet at a time, over and over.
#[derive(Debug)]
struct Drip {
    every: Duration,
    unit: Vec<u8>,
    sent: usize,
    next: Instant,
}

impl Servers {
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        let listening = self.listeners.iter().map(|listener| listener.port);
        listening.chain(self.echoes.iter().map(|&(_, port)| port))
    }

    /// Opens `port` for so many clients at once, or as many as there are sockets for.
    pub(super) fn open(&mut self, body: &mut Body<'_>, service: Service, port: u16, clients: usize) {
        if service == Service::EchoUdp {
            if let Some((handle, _)) = body.claim_udp() {
                let socket = body.udp(handle);
                socket.close();
                socket.bind(port).expect("no port is 0");
                self.echoes.push((handle, port));
            }
            return;
        }
        for _ in 0..clients {
            let Some(handle) = body.claim_tcp() else { return };
            // A socket that was idle can listen.
            let _ = body.tcp(handle).listen(port);
            let (request, head, page) = (Vec::new(), Vec::new(), 0..0);
            self.listeners.push(Listener {
                service,
                port,
                handle,
                request,
                head,
                page,
                drip: None,
                question: None,
            });
        }
    }

    /// Whether a segment is a SYN of a connection that a server has already. smoltcp would give it to another socket that
    /// listens, and the client would hear of two connections.
    pub(super) fn knows(&self, body: &Body<'_>, packet: &[u8]) -> bool {
        let Some((source, segment)) = segment(packet) else { return false };
        let Ok(segment) = TcpPacket::new_checked(segment) else { return false };
        let client = IpEndpoint::new(source, segment.src_port());
        let mut sockets = self.listeners.iter().filter(|listener| listener.port == segment.dst_port());
        segment.syn()
            && sockets.any(|listener| {
                let socket = body.sockets.set.get::<tcp::Socket>(listener.handle);
                socket.is_active() && socket.remote_endpoint() == Some(client)
            })
    }

    /// Whether anything was done that the stack does not know yet.
    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> bool {
        let mut busy = false;
        for &(handle, _) in &self.echoes {
            let socket = body.udp(handle);
            while socket.can_send()
                && let Ok((data, from)) = socket.recv()
            {
                let data = data.to_vec();
                // The queue has room.
                let _ = socket.send_slice(&data, from);
                busy = true;
            }
        }
        for listener in &mut self.listeners {
            let socket = body.sockets.set.get_mut::<tcp::Socket>(listener.handle);
            if !socket.is_open() {
                busy = true;
                listener.reset();
                socket.set_timeout(Some(PATIENCE));
                // A closed socket can listen.
                let _ = socket.listen(listener.port);
            } else if listener.service == Service::EchoTcp {
                if socket.state() != tcp::State::SynReceived {
                    socket.set_timeout(None); // it may be quiet for days
                }
                busy |= echo(socket);
            } else if listener.serve(now, socket, self.network.as_ref()) {
                busy = true;
                body.tally.served += 1;
            }
        }
        busy
    }

    /// The next request that nobody but the owner can answer.
    pub(super) fn take_question(&mut self) -> Option<Question> {
        let (number, listener) =
            self.listeners.iter_mut().enumerate().find(|(_, listener)| listener.question.is_some())?;
        let (from, text) = listener.question.take()?;
        Some(Question { number, from, text })
    }

    /// What the owner says to it.
    pub(super) fn answer(&mut self, number: usize, status: &str, body: &str) {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        self.listeners[number].head = head.into_bytes();
    }

    /// When something more is to be said.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.listeners.iter().filter_map(|listener| listener.drip.as_ref()).map(|drip| drip.next).min()
    }
}

fn echo(socket: &mut tcp::Socket<'_>) -> bool {
    let mut busy = false;
    while socket.can_recv() && socket.can_send() {
        let room = socket.send_capacity() - socket.send_queue();
        let mut data = vec![0; room.min(socket.recv_queue())];
        let Ok(len) = socket.recv_slice(&mut data) else { break };
        let sent = socket.send_slice(&data[..len]);
        debug_assert_eq!(sent, Ok(len));
        busy = true;
    }
    if !socket.may_recv() && socket.may_send() && !socket.can_recv() {
        socket.close();
        busy = true;
    }
    busy
}

impl Listener {
    fn reset(&mut self) {
        self.request.clear();
        self.head.clear();
        self.page = 0..0;
        self.drip = None;
        self.question = None;
    }

    /// Whether a page was begun.
    fn serve(&mut self, now: Instant, socket: &mut tcp::Socket<'_>, network: Option<&Network>) -> bool {
        let mut begun = false;
        if socket.can_recv() {
            let request = &mut self.request;
            // There is something.
            let _ = socket.recv(|bytes| {
                request.extend_from_slice(bytes);
                (bytes.len(), ())
            });
            if self.request.len() > REQUEST_LIMIT {
                socket.abort();
                return false;
            }
            if self.service == Service::Questions && self.is_whole() {
                let from = socket.remote_endpoint().map(|endpoint| endpoint.addr);
                self.question = from.map(|from| (from, String::from_utf8_lossy(&self.request).into_owned()));
                self.request.clear();
            } else if self.is_whole() {
                begun = true;
                let local = socket.local_endpoint();
                match network.zip(local).map_or(Meeting::Page, |(network, at)| self.meet(network, at)) {
                    Meeting::Page => {
                        let size = size(&self.request).unwrap_or(0);
                        self.head = format!("HTTP/1.0 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
                        self.page = 0..size;
                    }
                    Meeting::Stream { at_once, drip } => {
                        self.head = at_once;
                        self.drip = drip.map(|(every, unit)| Drip {
                            every: every.into(),
                            unit,
                            sent: 0,
                            next: now + every.into(),
                        });
                    }
                    Meeting::Reset => socket.abort(),
                    Meeting::Dropped => {}
                }
                self.request.clear();
            }
        }
        self.drip(now, socket);
        let had_something = !self.head.is_empty() || !self.page.is_empty();
        while socket.can_send() && !self.head.is_empty() {
            let Ok(sent) = socket.send_slice(&self.head) else { break };
            self.head.drain(..sent);
        }
        while socket.can_send() && self.head.is_empty() && !self.page.is_empty() {
            let page = &mut self.page;
            let sent = socket.send(|room| {
                let len = (page.end - page.start).min(room.len() as u64) as usize;
                for octet in &mut room[..len] {
                    *octet = content(page.start);
                    page.start += 1;
                }
                (len, ())
            });
            if sent.is_err() {
                break;
            }
        }
        let all_said = self.head.is_empty() && self.page.is_empty() && self.drip.is_none();
        if !socket.may_send() {
            self.drip = None;
        }
        if had_something && all_said || socket.may_send() && !socket.may_recv() && all_said {
            socket.close();
        }
        begun
    }
}

/// The TCP segment in an IP packet, and who has sent it.
fn segment(packet: &[u8]) -> Option<(IpAddress, &[u8])> {
    if packet::is_ipv6(packet) {
        let (protocol, payload) = packet::ipv6_payload(packet)?;
        let source = Ipv6Packet::new_unchecked(packet).src_addr();
        return (protocol == IpProtocol::Tcp).then_some((source.into(), payload));
    }
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    (packet.next_header() == IpProtocol::Tcp).then(|| (packet.src_addr().into(), packet.payload()))
}

impl Listener {
    /// Whether the request is there.
    fn is_whole(&self) -> bool {
        const TLS_HEADER: usize = 5;
        match (self.service, self.request.get(3..TLS_HEADER)) {
            (Service::Tls, Some(&[high, low])) => {
                self.request.len() >= TLS_HEADER + usize::from(u16::from_be_bytes([high, low]))
            }
            (Service::Tls, _) => false,
            (Service::Dns, _) => tcp_message(&self.request).is_some(),
            _ => self.request.windows(4).any(|window| window == b"\r\n\r\n"),
        }
    }

    /// What the network on the way makes of it.
    fn meet(&self, network: &Network, at: IpEndpoint) -> Meeting {
        if self.service == Service::Dns {
            let Some((server, (query, _))) = server(at.addr).zip(tcp_message(&self.request)) else {
                return Meeting::Reset;
            };
            return match network.resolve(server, Transport::Tcp, query) {
                Treatment::Answer(answer) => {
                    let prefix = tcp_prefix(answer.len()).expect("512 octets at most");
                    Meeting::Stream { at_once: [&prefix[..], &answer].concat(), drip: None }
                }
                Treatment::Rejected => Meeting::Reset,
                Treatment::Silence => Meeting::Dropped,
            };
        }
        let text =
            if self.service == Service::Tls { "".into() } else { String::from_utf8_lossy(&self.request) };
        let word =
            |line: Option<&str>, number| line.and_then(|line| line.split(' ').nth(number)).map(str::to_owned);
        let path = word(text.lines().next(), 1).unwrap_or_default();
        let host = word(text.lines().find(|line| line.starts_with("Host: ")), 1).unwrap_or_default();
        (network.tcp)(&Connection { address: at.addr.into(), port: at.port, host: &host, path: &path })
    }

    /// Says the next octets that are due.
    fn drip(&mut self, now: Instant, socket: &mut tcp::Socket<'_>) {
        let Some(drip) = self.drip.as_mut().filter(|_| self.head.is_empty()) else { return };
        while drip.next <= now && socket.can_send() {
            let octet = drip.unit[drip.sent % drip.unit.len()];
            if socket.send_slice(&[octet]).is_err() {
                break;
            }
            drip.sent += 1;
            drip.next += drip.every;
        }
        // A far end that takes no more is asked again then.
        drip.next = drip.next.max(now + Duration::from_micros(1));
    }
}

/// Of `GET /65536 HTTP/1.0`.
fn size(request: &[u8]) -> Option<u64> {
    let line = core::str::from_utf8(request).ok()?.lines().next()?;
    line.strip_prefix("GET /")?.split(' ').next()?.parse().ok()
}
