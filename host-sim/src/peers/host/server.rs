//! What a machine offers to others: pages whose content everybody knows, and an echo.
//!
//! `GET /65536` is answered with 65,536 octets of [`content`], then the connection is closed (RFC 1945).

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket};

use super::body::Body;
use crate::peers::packet;

/// What is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Pages, over TCP.
    Http,
    /// What comes goes back, over TCP (RFC 862).
    EchoTcp,
    /// What comes goes back, over UDP (RFC 862).
    EchoUdp,
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
            self.listeners.push(Listener { service, port, handle, request, head, page });
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
    pub(super) fn poll(&mut self, body: &mut Body<'_>) -> bool {
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
            } else if listener.serve(socket) {
                busy = true;
                body.tally.served += 1;
            }
        }
        busy
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
    }

    /// Whether a page was begun.
    fn serve(&mut self, socket: &mut tcp::Socket<'_>) -> bool {
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
            if self.request.windows(4).any(|window| window == b"\r\n\r\n") {
                let size = size(&self.request).unwrap_or(0);
                self.request.clear();
                self.head = format!("HTTP/1.0 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
                self.page = 0..size;
                begun = true;
            }
        }
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
        let all_said = self.head.is_empty() && self.page.is_empty();
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

/// Of `GET /65536 HTTP/1.0`.
fn size(request: &[u8]) -> Option<u64> {
    let line = core::str::from_utf8(request).ok()?.lines().next()?;
    line.strip_prefix("GET /")?.split(' ').next()?.parse().ok()
}
