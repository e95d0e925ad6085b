//! Several IPv6 addresses for a stack that has one.
//!
//! On the LAN the router has a link-local address and one in each of the LAN's prefixes, and answers to all of them. embassy-net
//! gives a stack one IPv6 address: here the others are exchanged for that one, the link-local one, on the way between router and
//! stack.
//!
//! ```text
//!   host ── to 2001:db8:1::1 ─────► to fe80::1 ───► stack
//!   host ◄── from 2001:db8:1::1 ─── from fe80::1 ── stack
//! ```
//!
//! The way back needs no memory: who has a link-local address of its own has asked the link-local one, since a host's source has
//! the scope of its destination (RFC 6724 §5, rule 2); anybody else the address in its own prefix (rule 8).
//!
//! Reading list: RFC 8200 §8.1 (which checksums cover addresses); RFC 1624 (changing them).

use smoltcp::wire::{IpProtocol, Ipv6Address, Ipv6Cidr};

const HEADER_LEN: usize = 40;
const SOURCE: usize = 8;
const DESTINATION: usize = 24;

/// A packet of the LAN's for the stack, whose address is `own`.
pub(crate) fn enter(packet: &mut [u8], own: Ipv6Address) {
    if let Some(destination) = address(packet, DESTINATION)
        && destination != own
        && !destination.is_multicast()
    {
        exchange(packet, DESTINATION, own);
    }
}

/// A packet of the stack's for the LAN, where the router has `own` and these addresses.
pub(crate) fn leave(packet: &mut [u8], own: Ipv6Address, mut others: impl Iterator<Item = Ipv6Cidr>) {
    let (Some(source), Some(destination)) = (address(packet, SOURCE), address(packet, DESTINATION)) else {
        return;
    };
    if source != own || destination.is_unicast_link_local() || destination.is_multicast() {
        return;
    }
    let Some(first) = others.next() else { return };
    let near = core::iter::once(first).chain(others).find(|known| known.contains_addr(&destination));
    exchange(packet, SOURCE, near.unwrap_or(first).address());
}

/// The address at `at` of an IPv6 packet.
fn address(packet: &[u8], at: usize) -> Option<Ipv6Address> {
    let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
    (packet.first()? >> 4 == 6 && packet.len() >= HEADER_LEN).then(|| octets.into())
}

/// Writes another address, and makes the transport's checksum fit. Behind an extension header there is none to be found: the
/// packet is then dropped by whom it is for.
fn exchange(packet: &mut [u8], at: usize, new: Ipv6Address) {
    let is_udp = packet.get(6) == Some(&IpProtocol::Udp.into());
    let offset = match packet.get(6).copied().map(IpProtocol::from) {
        Some(IpProtocol::Tcp) => Some(16),
        Some(IpProtocol::Udp) => Some(6),
        Some(IpProtocol::Icmpv6) => Some(2),
        _ => None,
    };
    let Some(field) = packet.get_mut(at..at + 16) else { return };
    // RFC 1624, equation 3, over all eight words.
    let change = sum(&new.octets()) + 8 * 0xFFFF - sum(field);
    field.copy_from_slice(&new.octets());
    let Some(field) = offset.and_then(|offset| packet.get_mut(HEADER_LEN + offset..HEADER_LEN + offset + 2))
    else {
        return;
    };
    let known = sum(field);
    let new = !fold((0xFFFF ^ known) + change);
    // RFC 768: a checksum of zero is said as its other zero.
    let new = if is_udp && new == 0 { 0xFFFF } else { new };
    field.copy_from_slice(&new.to_be_bytes());
}

/// The sum of an even number of octets, in words; 16 octets do not overflow it.
fn sum(octets: &[u8]) -> u32 {
    octets.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum()
}

fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xFFFF) + (sum >> 16);
    ((sum & 0xFFFF) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{IpAddress, Ipv6Packet, Ipv6Repr, TcpPacket, UdpPacket, UdpRepr};
    use std::vec::Vec;

    use super::*;

    const OWN: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const FIRST: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1), 64);
    const SECOND: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1), 64);
    const HOST: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x10);
    const NEAR: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10);
    const GROUP: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

    fn header(source: Ipv6Address, destination: Ipv6Address, protocol: IpProtocol, len: usize) -> Vec<u8> {
        let ip = Ipv6Repr {
            src_addr: source,
            dst_addr: destination,
            next_header: protocol,
            payload_len: len,
            hop_limit: 64,
        };
        let mut packet = std::vec![0; HEADER_LEN + len];
        ip.emit(&mut Ipv6Packet::new_unchecked(&mut packet));
        packet
    }

    fn udp(source: Ipv6Address, destination: Ipv6Address, payload: [u8; 2]) -> Vec<u8> {
        let mut packet = header(source, destination, IpProtocol::Udp, 10);
        UdpRepr { src_port: 4000, dst_port: 53 }.emit(
            &mut UdpPacket::new_unchecked(&mut packet[HEADER_LEN..]),
            &source.into(),
            &destination.into(),
            2,
            |room| room.copy_from_slice(&payload),
            &smoltcp::phy::ChecksumCapabilities::default(),
        );
        packet
    }

    fn ends(packet: &[u8]) -> (Ipv6Address, Ipv6Address) {
        let packet = Ipv6Packet::new_checked(packet).unwrap();
        (packet.src_addr(), packet.dst_addr())
    }

    #[track_caller]
    fn assert_udp(packet: &[u8], source: Ipv6Address, destination: Ipv6Address) {
        assert_eq!(ends(packet), (source, destination));
        let datagram = UdpPacket::new_checked(&packet[HEADER_LEN..]).unwrap();
        assert!(datagram.verify_checksum(&IpAddress::Ipv6(source), &IpAddress::Ipv6(destination)));
    }

    #[test]
    fn what_is_for_any_address_arrives_at_the_one() {
        for word in 0..=u16::MAX {
            // Every sum there is, 0 and 0xFFFF among them.
            let mut packet = udp(HOST, SECOND.address(), word.to_be_bytes());
            enter(&mut packet, OWN);
            assert_udp(&packet, HOST, OWN);
        }
    }

    #[test]
    fn answers_come_from_the_address_that_was_asked() {
        let others = || [FIRST, SECOND].into_iter();
        let mut packet = udp(OWN, HOST, [1, 2]);
        leave(&mut packet, OWN, others());
        assert_udp(&packet, SECOND.address(), HOST);
        let afar = Ipv6Address::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 1);
        let mut packet = udp(OWN, afar, [1, 2]);
        leave(&mut packet, OWN, others());
        assert_udp(&packet, FIRST.address(), afar);
        for destination in [NEAR, GROUP] {
            let mut packet = udp(OWN, destination, [1, 2]);
            leave(&mut packet, OWN, others());
            assert_udp(&packet, OWN, destination);
        }
        let mut packet = udp(OWN, HOST, [1, 2]);
        leave(&mut packet, OWN, core::iter::empty());
        assert_udp(&packet, OWN, HOST);
    }

    #[test]
    fn tcp_too() {
        let (source, destination) = (HOST, FIRST.address());
        let mut packet = header(source, destination, IpProtocol::Tcp, 20);
        let mut segment = TcpPacket::new_unchecked(&mut packet[HEADER_LEN..]);
        segment.set_header_len(20);
        segment.fill_checksum(&source.into(), &destination.into());
        enter(&mut packet, OWN);
        assert_eq!(ends(&packet), (HOST, OWN));
        let segment = TcpPacket::new_checked(&packet[HEADER_LEN..]).unwrap();
        assert!(segment.verify_checksum(&IpAddress::Ipv6(HOST), &IpAddress::Ipv6(OWN)));
    }

    #[test]
    fn what_is_none_of_that_stays_as_it_is() {
        let ipv4: &[u8] = &[0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 192, 168, 1, 1, 192, 168, 1, 2];
        let short = &udp(HOST, FIRST.address(), [0, 0])[..39];
        for packet in [&[][..], ipv4, short] {
            let mut changed = packet.to_vec();
            enter(&mut changed, OWN);
            leave(&mut changed, OWN, [FIRST].into_iter());
            assert_eq!(changed, packet);
        }
        // Cut off before its checksum.
        for len in HEADER_LEN..HEADER_LEN + 8 {
            let mut packet = udp(HOST, FIRST.address(), [0, 0]);
            packet.truncate(len);
            enter(&mut packet, OWN);
            assert_eq!(address(&packet, DESTINATION), Some(OWN));
        }
    }
}
