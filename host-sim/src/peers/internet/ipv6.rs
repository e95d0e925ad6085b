//! The Internet over IPv6.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv6Address, Ipv6Packet, UdpPacket};

use super::answers::answer_dns;
use super::{DNS6, DnsMood, Internet, LATE_ECHO, LATEST_ECHO};
use crate::peers::broker::{BROKER, Broker};
use crate::peers::home::Home;
use crate::peers::ndp;
use crate::peers::packet::{self, IPV6_LEAST_MTU};

/// Where attacks over IPv6 come from, if they do not say otherwise (RFC 3849).
pub const ATTACKER6: Ipv6Address = Ipv6Address::new(0x2001, 0xDB8, 0xBAD, 0, 0, 0, 0, 0x66);
/// The first and the second router on the way.
pub(in super::super) const HOPS6: [Ipv6Address; 2] =
    [Ipv6Address::new(0x2001, 0xDB8, 0x64, 0, 0, 0, 0, 1), Ipv6Address::new(0x2001, 0xDB8, 1, 0, 0, 0, 0, 1)];
const DNS_PORT: u16 = 53;
/// RFC 4443 §3.2 and §3.3, types and codes.
const PACKET_TOO_BIG: (u8, u8) = (2, 0);
const TIME_EXCEEDED: (u8, u8) = (3, 0);

/// A path that takes less than the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow {
    /// Octets of a packet.
    pub mtu: usize,
    /// Whether what is longer vanishes without a word.
    pub is_black_hole: bool,
}

/// What becomes of a packet on a narrow way.
enum Passage {
    Free,
    /// Its sender is told.
    Told(Vec<u8>),
    Swallowed,
}

impl Internet<'_> {
    /// An IPv6 packet of a subscriber's, in order, reaches the first router: natively or out of a tunnel.
    pub(super) fn handle_ipv6(&mut self, now: Instant, bytes: &[u8]) {
        self.traffic.ipv6 += 1;
        let packet = Ipv6Packet::new_unchecked(bytes);
        let (source, destination) = (packet.src_addr(), packet.dst_addr());
        if !is_global(source) || !is_global(destination) {
            self.traffic.leaked += 1;
            return;
        }
        if let Some(router) = HOPS6.get(usize::from(packet.hop_limit()).wrapping_sub(1)) {
            self.send_ipv6(now, packet::icmpv6_error(*router, source, TIME_EXCEEDED, [0; 4], bytes));
            return;
        }
        self.attacker.overhear_ipv6(bytes);
        match self.passage(bytes) {
            Passage::Free => self.arriving.push_back((now + super::DELAY, bytes.to_vec())),
            Passage::Told(error) => self.send_ipv6(now, error),
            Passage::Swallowed => {}
        }
    }

    /// What the network on the other side has to say about a packet of somebody's out here.
    pub fn handle_error(&mut self, now: Instant, bytes: &[u8]) {
        let is_ipv6 = packet::is_ipv6(bytes);
        let is_for_it =
            |_: &&mut Broker<'_>| !is_ipv6 && Ipv4Packet::new_unchecked(bytes).dst_addr() == BROKER;
        match self.broker.as_mut().filter(is_for_it) {
            Some(broker) => broker.handle(now, bytes),
            None => self.machine.receive(now, bytes),
        }
    }

    /// Passes on what the broker has to say.
    pub(super) fn settle_broker(&mut self, now: Instant) {
        while let Some(packet) = self.broker.as_mut().and_then(Broker::inside) {
            self.handle_ipv6(now, &packet);
        }
        while let Some(packet) = self.broker.as_mut().and_then(Broker::outside) {
            self.send(now, packet);
        }
    }

    /// Passes on what comes out of the other home.
    pub(super) fn settle_home(&mut self, now: Instant) {
        while let Some(packet) = self.home.as_mut().and_then(Home::sent) {
            if packet::is_ipv6(&packet) {
                self.handle_ipv6(now, &packet);
            } else {
                self.send(now, packet);
            }
        }
    }

    /// Whether a packet fits through the way.
    fn passage(&mut self, bytes: &[u8]) -> Passage {
        let Some(narrow) = self.narrow.filter(|narrow| bytes.len() > narrow.mtu) else {
            return Passage::Free;
        };
        self.traffic.too_long += 1;
        let source = Ipv6Packet::new_unchecked(bytes).src_addr();
        if narrow.is_black_hole {
            Passage::Swallowed
        } else {
            Passage::Told(too_big(HOPS6[1], source, narrow.mtu, bytes))
        }
    }

    /// Whether a packet is for the other home.
    fn is_at_home(&self, now: Instant, bytes: &[u8]) -> bool {
        let to = Ipv6Packet::new_unchecked(bytes).dst_addr();
        self.home.as_ref().is_some_and(|home| home.routes(now, to))
    }

    /// Sends an IPv6 packet to wherever the subscriber has its destination.
    pub(super) fn send_ipv6(&mut self, now: Instant, bytes: Vec<u8>) {
        match self.passage(&bytes) {
            Passage::Told(error) => self.machine.receive(now, &error),
            Passage::Swallowed => {}
            Passage::Free if self.is_at_home(now, &bytes) => {
                if let Some(home) = &mut self.home {
                    home.deliver(now, &bytes);
                }
                self.settle_home(now);
            }
            Passage::Free => match &mut self.broker {
                Some(broker) if broker.routes(Ipv6Packet::new_unchecked(&bytes).dst_addr()) => {
                    if let Some(error) = broker.encapsulate(&bytes) {
                        self.machine.receive(now, &error);
                    }
                    self.settle_broker(now);
                }
                _ => self.send(now, bytes),
            },
        }
    }

    pub(super) fn serve_ipv6(&mut self, now: Instant, bytes: &[u8]) {
        if self.interferes(now, bytes) {
            return;
        }
        let to = Ipv6Packet::new_unchecked(bytes).dst_addr();
        if let Some(server) = DNS6.iter().position(|server| *server == to) {
            self.answer_dns_over_ipv6(now, server, bytes);
        } else if let Some((delay, answer)) = late_echo(bytes) {
            self.send_ipv6(now + delay, answer);
        } else {
            self.machine.receive(now, bytes);
        }
    }

    fn answer_dns_over_ipv6(&mut self, now: Instant, server: usize, bytes: &[u8]) {
        let Some((from, to, question)) = datagram(bytes).filter(|(_, to, _)| to.1 == DNS_PORT) else {
            return;
        };
        self.traffic.dns_questions += 1;
        let Some(mut answer) = answer_dns(question) else { return };
        let delay = match self.dns[server] {
            DnsMood::Well => Duration::ZERO,
            DnsMood::Slow(delay) => delay,
            DnsMood::Silent => return,
            DnsMood::Failing => {
                answer = question.to_vec();
                answer[2..4].copy_from_slice(&[0x81, 0x82]);
                Duration::ZERO
            }
        };
        self.send_ipv6(now + delay, packet::udp(to, from, &answer));
    }
}

/// What a router says whose next link takes `mtu` octets (RFC 4443 §3.2).
pub fn too_big(router: Ipv6Address, to: Ipv6Address, mtu: usize, about: &[u8]) -> Vec<u8> {
    let mtu = mtu.max(IPV6_LEAST_MTU) as u32;
    packet::icmpv6_error(router, to, PACKET_TOO_BIG, mtu.to_be_bytes(), about)
}

/// Whether a packet with this address has any business on the Internet (RFC 6890).
fn is_global(address: Ipv6Address) -> bool {
    let is_local = address.segments()[0] & 0xFE00 == 0xFC00;
    let is_mapped = address.to_ipv4_mapped().is_some();
    let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    !(ndp::is_link_local(address) || is_local || is_mapped || special)
}

/// Source, destination and data of a UDP datagram.
type Datagram<'a> = ((Ipv6Address, u16), (Ipv6Address, u16), &'a [u8]);

fn datagram(bytes: &[u8]) -> Option<Datagram<'_>> {
    let (protocol, payload) = packet::ipv6_payload(bytes)?;
    let datagram = UdpPacket::new_checked(payload).ok().filter(|_| protocol == IpProtocol::Udp)?;
    let packet = Ipv6Packet::new_unchecked(bytes);
    let from = (packet.src_addr(), datagram.src_port());
    Some((from, (packet.dst_addr(), datagram.dst_port()), datagram.payload()))
}

/// The answer of a server that has something to say later.
fn late_echo(bytes: &[u8]) -> Option<(Duration, Vec<u8>)> {
    let (from, to, data) = datagram(bytes)?;
    let seconds = to.1.checked_sub(LATE_ECHO).filter(|_| to.1 <= LATEST_ECHO)?;
    Some((Duration::from_secs(u64::from(seconds)), packet::udp(to, from, data)))
}
