//! The slow path: every packet that is not one of an established flow, with every check.

use gatelet_hal::Frame;
use gatelet_wire::EthernetAddress;
use smoltcp::time::Instant;
use smoltcp::wire::UdpPacket;

use super::Datapath;
use super::flow::{Direction, Flow, Tuple, tick};
use super::fragment::Verdict;
use super::icmp::ErrorKind;
use super::interface::{Hop, HopKind, address};
use super::packet::{Packet, SYN, TCP, UDP, adjust_at, checksum_place, destination_port, swapped};
use crate::Dropped;
use crate::router::Egress;

/// What became of a packet.
#[derive(Debug)]
pub(crate) enum Outcome<'p> {
    /// It is to be sent.
    Sent(Egress, Frame<'p>),
    /// It waits, or became something else that [`poll_transmit`](Datapath::poll_transmit) gives out.
    Kept,
    /// It is for the DHCP server: where its UDP payload is, and who sent it.
    Dhcp { source: EthernetAddress, from: u32, payload: core::ops::Range<usize>, frame: Frame<'p> },
    /// An IPv6 packet for a machine of the router's own, from its header on: router discovery, DHCPv6, what a tunnel's end
    /// answers. `mac` is its sender on the link, where frames tell.
    Control { hop: Hop, mac: Option<EthernetAddress>, frame: Frame<'p> },
}

/// Everything about where a packet was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) hop: Hop,
    /// Where its IP header is in the frame.
    pub(crate) at: usize,
    /// How many bytes may belong to it.
    pub(crate) room: usize,
    /// Its sender on the link, where frames tell.
    pub(crate) mac: Option<EthernetAddress>,
    /// Whether its frame was for a group of stations (RFC 1812 §5.3.4: not to be forwarded).
    pub(crate) to_group: bool,
}

impl<'p> Datapath<'p> {
    /// Takes a packet that the fast path did not.
    pub(crate) fn slow(
        &mut self,
        now: Instant,
        arrival: Arrival,
        frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let Arrival { hop, at, room, mac, to_group } = arrival;
        let packet = Packet::parse(frame.bytes(), at, room)?;
        self.traffic[hop.index()].count_received(packet.len);
        if hop == Hop::LAN && self.is_for_dhcp(&packet) {
            return self.for_dhcp(&packet, mac, frame);
        }
        if to_group {
            return Err(Dropped::Group);
        }
        self.check_source(hop, &packet)?;
        self.check_destination(hop, packet.destination)?;
        if self.is_tunnelled(hop, &packet)? {
            return self.decapsulate(now, &packet, frame);
        }
        if let Some(fragment) = packet.fragment {
            return match self.fragments.handle(tick(now), hop, &packet, fragment, frame)? {
                Verdict::Held => Ok(Outcome::Kept),
                Verdict::Follows(place, direction, frame) if self.holds(now, place) => {
                    self.carry(now, place, direction, &packet, frame)
                }
                Verdict::Follows(..) => Err(Dropped::NoFlow),
                Verdict::First(frame) => {
                    let (place, direction, frame) = match self.find_or_decide(now, arrival, &packet, frame)? {
                        Found::Flow(place, direction, frame) => (place, direction, frame),
                        Found::Done(outcome) => return Ok(outcome),
                    };
                    self.fragments.note(hop, &packet, fragment, (place, direction));
                    let outcome = self.carry(now, place, direction, &packet, frame)?;
                    self.release_fragments(now);
                    Ok(outcome)
                }
            };
        }
        if packet.is_icmp_error() {
            return self.icmp_error(now, hop, &packet, frame);
        }
        match self.find_or_decide(now, arrival, &packet, frame)? {
            Found::Flow(place, direction, frame) => self.carry(now, place, direction, &packet, frame),
            Found::Done(outcome) => Ok(outcome),
        }
    }

    /// Whether it is for the DHCP server of the LAN, and not for one elsewhere.
    fn is_for_dhcp(&self, packet: &Packet) -> bool {
        let lan = self.interface(Hop::LAN);
        let to_us = packet.destination == u32::MAX
            || lan.address == Some(packet.destination)
            || packet.destination == lan.network.broadcast();
        packet.protocol == UDP && destination_port(packet.ports) == DHCP_SERVER_PORT && to_us
    }

    fn for_dhcp(
        &mut self,
        packet: &Packet,
        mac: Option<EthernetAddress>,
        frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let from_lan = packet.source == 0 || self.interface(Hop::LAN).network.contains(packet.source);
        if !from_lan || packet.fragment.is_some() {
            return Err(Dropped::Spoofed);
        }
        let begin = packet.at + packet.header_len;
        let datagram = frame.bytes().get(begin..packet.at + packet.len).ok_or(Dropped::Malformed)?;
        let datagram = UdpPacket::new_checked(datagram).map_err(|_| Dropped::Malformed)?;
        let (from, to) = (address(packet.source).into(), address(packet.destination).into());
        if !datagram.verify_checksum(&from, &to) {
            return Err(Dropped::BadChecksum);
        }
        let payload = begin + UDP_HEADER_LEN..begin + usize::from(datagram.len());
        let source = mac.ok_or(Dropped::Spoofed)?;
        Ok(Outcome::Dhcp { source, from: packet.source, payload, frame })
    }

    /// Whether the source is one that may come from there (RFC 2827, RFC 3704; RFC 1122 §3.2.1.3).
    fn check_source(&self, hop: Hop, packet: &Packet) -> Result<(), Dropped> {
        let source = packet.source;
        let lan = self.interface(Hop::LAN);
        if is_martian(source) || source == packet.destination {
            return Err(Dropped::Martian);
        }
        match hop.kind() {
            HopKind::Lan => {
                let is_host = lan.network.contains(source) && !lan.network.is_edge(source);
                if !is_host || self.owner(source).is_some() { Err(Dropped::Spoofed) } else { Ok(()) }
            }
            HopKind::Wan(_) | HopKind::Modem(_) | HopKind::Tunnel(_) => {
                let of_lan = lan.is_up() && lan.network.contains(source);
                if of_lan || self.owner(source).is_some() { Err(Dropped::Spoofed) } else { Ok(()) }
            }
            HopKind::LanStack | HopKind::Stack(_) => Ok(()),
        }
    }

    /// Broadcasts and multicasts are not forwarded (RFC 2644), and nobody routes through us.
    fn check_destination(&self, hop: Hop, destination: u32) -> Result<(), Dropped> {
        let [first, ..] = destination.to_ne_bytes();
        let interface = self.interface(hop);
        let broadcast = interface.network.is_edge(destination) && interface.has_neighbours();
        if first >= 224 || first == 0 || first == 127 || broadcast {
            return Err(Dropped::Group);
        }
        // From outside, all is for our own address.
        if !hop.is_inside() && interface.address != Some(destination) {
            return Err(Dropped::NotForUs);
        }
        Ok(())
    }

    /// The stack behind an address of ours, as seen from `hop`.
    pub(super) fn own_destination(&self, hop: Hop, destination: u32) -> Option<Hop> {
        match self.owner(destination)?.kind() {
            HopKind::Lan if hop == Hop::LAN => Some(Hop::LAN_STACK),
            HopKind::Wan(wan) if hop != Hop::wan(wan) => Some(Hop::stack(wan)),
            _ => None,
        }
    }

    fn find_or_decide(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet,
        frame: Frame<'p>,
    ) -> Result<Found<'p>, Dropped> {
        let tuple = Tuple::of(packet);
        if let Some((place, direction)) = self.flows.find(&tuple, packet.protocol, arrival.hop) {
            let is_cut = self.flows.flow(place).is_some_and(|flow| flow.state.is_cut());
            if is_cut && packet.tcp_flags & SYN == 0 {
                self.answer_cut(now, arrival.hop, place, packet, &frame);
                return Err(Dropped::Cut);
            }
            if self.holds(now, place) {
                self.hear(now, arrival, place, direction);
                return Ok(Found::Flow(place, direction, frame));
            }
            self.end_flow(place);
        }
        self.decide(now, arrival, packet, frame)
    }

    /// Whether packets of a flow may go its way, by the rules, routes and addresses of now.
    pub(super) fn holds(&mut self, now: Instant, place: u16) -> bool {
        let Some(flow) = self.flows.flow(place).filter(|flow| flow.protocol != 0) else { return false };
        !flow.state.is_cut() && (flow.epoch == self.epoch || self.still_holds(now, place))
    }

    /// A frame tells the hardware address of a host that does not answer ARP at the moment: one that has slept, say.
    fn hear(&mut self, now: Instant, arrival: Arrival, place: u16, direction: Direction) {
        let (Hop::LAN, Some(mac), Some(flow)) = (arrival.hop, arrival.mac, self.flows.flow(place)) else {
            return;
        };
        let sender = match direction {
            Direction::Forward => flow.from_neighbour,
            Direction::Reverse => flow.to_neighbour,
        };
        if self.neighbours.hear(now, sender, mac) {
            self.release_waiting(now, sender);
        }
    }

    /// Sends a packet of a flow on its way.
    pub(super) fn carry(
        &mut self,
        now: Instant,
        place: u16,
        direction: Direction,
        packet: &Packet,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let flow = *self.flows.flow(place).filter(|flow| flow.protocol != 0).ok_or(Dropped::NoFlow)?;
        let (from, to, neighbour) = match direction {
            Direction::Forward => (flow.from, flow.to, flow.to_neighbour),
            Direction::Reverse => (flow.to, flow.from, flow.from_neighbour),
        };
        if to.is_stack() && packet.fragment.is_some() {
            // Nothing there puts them together, and a part must not be taken for a whole.
            return Err(Dropped::NoFlow);
        }
        let egress = *self.interface(to);
        if !to.is_stack() {
            if !egress.is_up() {
                self.send_error(now, from, packet, &frame, ErrorKind::NetworkUnreachable);
                return Err(Dropped::NetworkDown);
            }
            if packet.ttl <= 1 && !from.is_stack() {
                self.send_error(now, from, packet, &frame, ErrorKind::TimeExceeded);
                return Err(Dropped::TtlExceeded);
            }
            if packet.len > usize::from(egress.mtu) && packet.dont_fragment {
                self.send_error(now, from, packet, &frame, ErrorKind::FragmentationNeeded(egress.mtu));
                return Err(Dropped::TooLong);
            }
        }
        if packet.protocol == TCP && packet.tcp_flags & SYN != 0 {
            let mtu = |hop: Hop| if hop.is_stack() { u16::MAX } else { self.interface(hop).mtu };
            super::tcp::clamp_mss(&mut frame, packet, mtu(from).min(mtu(to)));
        }
        rewrite(&mut frame, packet, &flow, direction, !to.is_stack() && !from.is_stack());
        if let Some(flow) = self.flows.flow_mut(place) {
            flow.seen = tick(now);
            if !packet.is_later_fragment() {
                flow.state.note(packet.protocol, direction, packet.tcp_flags);
            }
        }
        frame.truncate(packet.at + packet.len);
        let _ = frame.pull_front(packet.at);
        self.send(now, to, neighbour, frame)
    }

    /// Sends on the fragments that waited for their first.
    fn release_fragments(&mut self, now: Instant) {
        while let Some((place, direction, packet, frame)) = self.fragments.release() {
            if self.holds(now, place)
                && let Ok(Outcome::Sent(egress, frame)) = self.carry(now, place, direction, &packet, frame)
            {
                // At most four, and the queue has room for more.
                let _ = self.queue(egress, frame);
            }
        }
    }
}

/// Where a packet goes.
pub(super) enum Found<'p> {
    Flow(u16, Direction, Frame<'p>),
    Done(Outcome<'p>),
}

/// Rewrites addresses, ports and checksums of a packet of `flow`.
fn rewrite(frame: &mut Frame<'_>, packet: &Packet, flow: &Flow, direction: Direction, decrement_ttl: bool) {
    let (new, flip) = match direction {
        Direction::Forward => (flow.reverse.answer(), 0),
        Direction::Reverse => (flow.forward.answer(), 0xFFFF),
    };
    let Some(bytes) = frame.bytes_mut().get_mut(packet.at..) else { return };
    let header_len = packet.header_len;
    adjust_at(bytes, 10, false, flow.ip_difference ^ flip);
    put(bytes, 12, new.source);
    put(bytes, 16, new.destination);
    if decrement_ttl {
        bytes[8] -= 1;
        adjust_at(bytes, 10, false, u16::from_ne_bytes([0xFE, 0xFF]));
    }
    if packet.is_later_fragment() {
        return;
    }
    match packet.protocol {
        TCP | UDP => put(bytes, header_len, new.ports),
        super::packet::ICMP if packet.is_icmp_query() => {
            // The identifier is where the request has it.
            let asks = packet.ports & 0xFFFF == packet.ports;
            let id = if asks { new.ports } else { swapped(new.ports) };
            if let Some(field) = bytes.get_mut(header_len + 4..header_len + 6) {
                field.copy_from_slice(&(id as u16).to_ne_bytes());
            }
        }
        _ => return,
    }
    if let Some((at, optional)) = checksum_place(packet.protocol) {
        adjust_at(bytes, header_len + at, optional, flow.transport_difference ^ flip);
    }
}

fn put(bytes: &mut [u8], at: usize, word: u32) {
    if let Some(field) = bytes.get_mut(at..at + 4) {
        field.copy_from_slice(&word.to_ne_bytes());
    }
}

/// Sources that no packet has: this network, loopback, multicast, reserved, broadcast (RFC 6890). Private networks are none: a
/// provider's own routers may have such addresses. Documentation prefixes are none either.
fn is_martian(source: u32) -> bool {
    let [first, ..] = source.to_ne_bytes();
    first == 0 || first == 127 || first >= 224
}

const DHCP_SERVER_PORT: u16 = 67;
const UDP_HEADER_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn martians() {
        use smoltcp::wire::Ipv4Address;

        use crate::datapath::word;
        let all = |addresses: &[[u8; 4]], expected| {
            for address in addresses {
                assert_eq!(is_martian(word(Ipv4Address::from(*address))), expected, "{address:?}");
            }
        };
        all(&[[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [240, 1, 1, 1], [255, 255, 255, 255]], true);
        all(&[[10, 0, 0, 1], [100, 64, 0, 1], [192, 0, 2, 1], [198, 51, 100, 1], [203, 0, 113, 1]], false);
    }
}
