//! What is between the subscriber and the Internet has its say in web pages, TLS and DNS, over IPv4 and IPv6 alike.

use gatelet_proto::connectivity::probes::KNOWN_NAME;
use gatelet_proto::connectivity::{Family, Transport};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpControl, TcpPacket, UdpPacket};

use super::{DNS, DNS_PORT, DNS6, DnsMood, HTTP, HTTPS, Internet};
use crate::peers::packet;
use crate::peers::portal::{Meeting, Network, Reply, Treatment};

/// RFC 792 and RFC 4443 §3.1: port unreachable.
const PORT_UNREACHABLE: (u8, u8) = (3, 3);
const PORT_UNREACHABLE_IPV6: (u8, u8) = (1, 4);

impl Internet<'_> {
    /// Whether there is a network that deals with a packet itself.
    pub(super) fn interferes(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Some(network) = self.network else { return false };
        let Some((from, to, protocol, payload)) = parts(bytes) else { return false };
        let server = server(to);
        match (protocol, server) {
            (IpProtocol::Udp, Some(server)) => self.interferes_with_dns(now, network, server, bytes),
            (IpProtocol::Tcp, _) => {
                let Ok(segment) = TcpPacket::new_checked(payload) else { return true };
                let door = match (segment.dst_port(), server) {
                    (HTTP | HTTPS, _) => network.door(to.into(), segment.dst_port()),
                    (DNS_PORT, Some(server)) => {
                        match (network.dns)(server, Transport::Tcp, KNOWN_NAME, Family::Ipv4) {
                            Reply::Silent => Meeting::Dropped,
                            Reply::Rejected => Meeting::Reset,
                            _ => Meeting::Page,
                        }
                    }
                    _ => return false,
                };
                match door {
                    Meeting::Dropped => {}
                    Meeting::Reset if segment.syn() => {
                        let (near, far) = ((to, segment.dst_port()), (from, segment.src_port()));
                        let ack = segment.seq_number().0.cast_unsigned().wrapping_add(1);
                        self.send_either(now, packet::tcp(near, far, TcpControl::Rst, 0, Some(ack)));
                    }
                    Meeting::Reset | Meeting::Page | Meeting::Stream { .. } => {
                        self.machine.receive(now, bytes);
                    }
                }
                true
            }
            _ => false,
        }
    }

    /// The same of a datagram to a DNS server.
    fn interferes_with_dns(&mut self, now: Instant, network: Network, server: usize, bytes: &[u8]) -> bool {
        let Some((from, to, _, payload)) = parts(bytes) else { return false };
        let Ok(datagram) = UdpPacket::new_checked(payload) else { return true };
        if datagram.dst_port() != DNS_PORT {
            return false;
        }
        let delay = match self.dns[server] {
            DnsMood::Well => Duration::ZERO,
            DnsMood::Slow(delay) => delay,
            DnsMood::Silent | DnsMood::Failing => return false,
        };
        self.traffic.dns_questions += 1;
        match network.resolve(server, Transport::Udp, datagram.payload()) {
            Treatment::Answer(answer) => {
                let answer = packet::udp((to, DNS_PORT), (from, datagram.src_port()), &answer);
                self.send_either(now + delay, answer);
            }
            Treatment::Rejected => {
                let rejection = match (to, from) {
                    (IpAddress::Ipv4(to), IpAddress::Ipv4(from)) => {
                        let (kind, code) = PORT_UNREACHABLE;
                        packet::icmp_error(to, from, kind, code, [0; 4], bytes)
                    }
                    (IpAddress::Ipv6(to), IpAddress::Ipv6(from)) => {
                        packet::icmpv6_error(to, from, PORT_UNREACHABLE_IPV6, [0; 4], bytes)
                    }
                    _ => return true,
                };
                self.send_either(now, rejection);
            }
            Treatment::Silence => {}
        }
        true
    }
}

/// Which of the DNS servers has an address.
pub(in super::super) fn server(address: IpAddress) -> Option<usize> {
    match address {
        IpAddress::Ipv4(address) => DNS.iter().position(|server| *server == address),
        IpAddress::Ipv6(address) => DNS6.iter().position(|server| *server == address),
    }
}

/// Source, destination, protocol and payload.
fn parts(bytes: &[u8]) -> Option<(IpAddress, IpAddress, IpProtocol, &[u8])> {
    if packet::is_ipv6(bytes) {
        let (protocol, payload) = packet::ipv6_payload(bytes)?;
        let packet = Ipv6Packet::new_unchecked(bytes);
        return Some((packet.src_addr().into(), packet.dst_addr().into(), protocol, payload));
    }
    let packet = Ipv4Packet::new_unchecked(bytes);
    Some((packet.src_addr().into(), packet.dst_addr().into(), packet.next_header(), packet.payload()))
}
