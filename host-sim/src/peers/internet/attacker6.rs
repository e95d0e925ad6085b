//! What the attacker does over IPv6, and to tunnels.

use rand_core::Rng;
use smoltcp::wire::{IpProtocol, Ipv4Address, Ipv6Address, Ipv6Packet, TcpControl};

use super::attacker::Attacker;
use super::ipv6::ATTACKER6;
use super::{ATTACKER, HOST6};
use crate::peers::broker::{BROKER, SIT};
use crate::peers::packet::{self, Fragment, IPV6_HEADER};

/// Next headers (RFC 4303).
const ESP: IpProtocol = IpProtocol::IpSecEsp;
const HOP_LIMIT: u8 = 60;
/// RFC 4443 and RFC 4861: types.
const UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const PARAMETER_PROBLEM: u8 = 4;
const REDIRECT: u8 = 137;
const ROUTER_ADVERTISEMENT: u8 = 134;

impl Attacker {
    /// A host of the subscriber's that was overheard.
    fn victim(&self, random: u64) -> Option<Ipv6Address> {
        let count = self.overheard6.len() as u64;
        let known = self.overheard6.get(random.checked_rem(count)? as usize)?;
        Some(Ipv6Packet::new_unchecked(known).src_addr())
    }

    pub(super) fn scan_ipv6(&mut self, number: u64, random: u64) -> Option<Vec<u8>> {
        let mut victim = self.victim(random >> 8)?;
        let (port, swept) = (random as u16 | 1, number as u16);
        if number % 2 == 1 {
            let beside = self.rng.next_u64();
            victim = Ipv6Address::from_bits(victim.to_bits() & !u128::from(u64::MAX) | u128::from(beside));
        }
        Some(match number / 2 % 5 {
            0 => packet::tcp((ATTACKER6, port), (victim, swept), TcpControl::Syn, port.into(), None),
            1 => packet::udp((ATTACKER6, port), (victim, swept), b"anybody there?"),
            2 => packet::tcp((ATTACKER6, port), (victim, swept), TcpControl::None, 1, Some(1)),
            3 => packet::ipv6(ATTACKER6, victim, ESP, HOP_LIMIT, &random.to_be_bytes()),
            // The first fragment of nothing in particular.
            _ => packet::ipv6(
                ATTACKER6,
                victim,
                IpProtocol::Ipv6Frag,
                HOP_LIMIT,
                &[17, 0, 0, 1, 1, 2, 3, 4, 0, 7, 0, 7],
            ),
        })
    }

    pub(super) fn spoofed_ipv6(&mut self, number: u64, random: u64) -> Option<Vec<u8>> {
        let victim = self.victim(random >> 8)?;
        let port = random as u16 | 1;
        let neighbour = Ipv6Address::from_bits(victim.to_bits() ^ 0xFF);
        let sources = [
            victim,
            neighbour,
            Ipv6Address::LOCALHOST,
            Ipv6Address::UNSPECIFIED,
            Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 0x66),
            Ipv6Address::new(0xFF02, 0, 0, 0, 0, 0, 0, 1),
            Ipv4Address::new(192, 168, 1, 1).to_ipv6_mapped(),
            Ipv6Address::new(0xFD00, 0, 0, 0, 0, 0, 0, 1),
        ];
        let source = sources[(number % 8) as usize];
        if number % 9 == 8 {
            // As if from the link: another router, for the WAN itself.
            let from = Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 0x66);
            return Some(packet::icmpv6(
                from,
                victim,
                HOP_LIMIT,
                (ROUTER_ADVERTISEMENT, 0),
                &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0],
            ));
        }
        Some(packet::tcp((source, port), (victim, port), TcpControl::Syn, 1, None))
    }

    /// A forged error about what was overheard last. Of each kind, of six in a row, two are as RFC 4890 §4.3.1 lets them in; the
    /// others are about a connection there is not, to another host than they are about, too short to tell about what they are,
    /// and damaged.
    pub(super) fn icmpv6_error(&mut self, number: u64) -> Option<Vec<u8>> {
        // (RFC 8200 §5: no path has an MTU of less than 1280.)
        let kinds = [
            ((UNREACHABLE, 4), [0; 4]),
            ((UNREACHABLE, 1), [0; 4]),
            ((PACKET_TOO_BIG, 0), [0, 0, 0, 68]),
            ((TIME_EXCEEDED, 0), [0; 4]),
            ((PARAMETER_PROBLEM, 1), [0, 0, 0, 6]),
            ((REDIRECT, 0), [0; 4]),
        ];
        let (kind, rest) = kinds[(number % 6) as usize];
        let known = self.overheard6.back()?;
        let host = Ipv6Packet::new_unchecked(known).src_addr();
        let error = |to, about: &[u8]| packet::icmpv6_error(ATTACKER6, to, kind, rest, about);
        Some(match number / 6 % 6 {
            0 | 1 => error(host, known),
            2 => {
                let mut other = known.clone();
                other[IPV6_HEADER] ^= 0x80;
                error(host, &other)
            }
            3 => error(Ipv6Address::from_bits(host.to_bits() ^ 0xFF), known),
            4 => error(host, &known[..IPV6_HEADER + 4]),
            _ => {
                let mut damaged = error(host, known);
                *damaged.last_mut()? ^= 1;
                damaged
            }
        })
    }

    pub(super) fn tunnel(&mut self, endpoint: Ipv4Address, number: u64, random: u64) -> Option<Vec<u8>> {
        let victim = self.victim(random >> 8)?;
        let port = random as u16 | 1;
        let outer = [ATTACKER, BROKER, endpoint, Ipv4Address::new(192, 168, 1, 1)][(number % 4) as usize];
        let neighbour = Ipv6Address::from_bits(victim.to_bits() ^ 0xFF);
        let [a, b, c, d] = endpoint.octets().map(u16::from);
        // 6to4 and ISATAP addresses of the endpoint itself: the loops of RFC 6324.
        let loop_6to4 = Ipv6Address::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 1);
        let pairs = [
            (ATTACKER6, victim),
            (victim, HOST6),
            (neighbour, victim),
            (HOST6, loop_6to4),
            (Ipv6Address::LOCALHOST, victim),
            (Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 1), victim),
            (HOST6, Ipv6Address::new(0xFF02, 0, 0, 0, 0, 0, 0, 1)),
            (Ipv4Address::new(192, 168, 1, 1).to_ipv6_mapped(), victim),
            (HOST6, ATTACKER6),
        ];
        let (source, destination) = pairs[(number / 4 % 9) as usize];
        let inner = packet::tcp((source, port), (destination, port), TcpControl::Syn, 1, None);
        let cut = if number.is_multiple_of(37) { IPV6_HEADER - 3 } else { inner.len() };
        Some(packet::ipv4(outer, endpoint, SIT, Fragment::default(), &inner[..cut]))
    }
}
