//! The slow path of IPv6: every packet that is not one of an established flow, with every check.

use gatelet_hal::Frame;
use smoltcp::time::Instant;

use super::address::{Address, Scope, UNSPECIFIED};
use super::decide::Found6;
use super::flow::Tuple6;
use super::fragment::Verdict6;
use super::icmp::ErrorKind6;
use super::packet::Packet6;
use crate::Dropped;
use crate::datapath::Datapath;
use crate::datapath::flow::{Direction, tick};
use crate::datapath::interface::{Hop, HopKind};
use crate::datapath::packet::{SYN, TCP};
use crate::datapath::slow::{Arrival, Outcome};

impl<'p> Datapath<'p> {
    /// Takes an IPv6 packet that the fast path did not.
    pub(crate) fn slow6(
        &mut self,
        now: Instant,
        arrival: Arrival,
        frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let Arrival { hop, at, room, to_group, .. } = arrival;
        let packet = Packet6::parse(frame.bytes(), at, room)?;
        if let Some(traffic) = self.v6.traffic.get_mut(hop.index()) {
            traffic.count_received(packet.len);
        }
        check_scopes(&packet)?;
        if hop.is_stack() && !Scope::of(&packet.destination).is_routable() {
            return self.stack_to_link(now, hop, &packet, frame);
        }
        if !hop.is_stack() && self.is_link_business(hop, &packet) {
            return self.link_business(now, arrival, &packet, frame);
        }
        if to_group {
            return Err(Dropped::Group);
        }
        let is_near = Scope::of(&packet.source) == Scope::LinkLocal;
        if is_near && hop == Hop::LAN && self.local_end6(hop, &packet.destination).is_some() {
            // From a neighbour to another address of ours: it stays on the link.
            self.hear_source6(now, arrival, &packet);
        } else if let Err(reason) = self.check_source6(hop, &packet.source) {
            if hop == Hop::LAN && reason == Dropped::Spoofed {
                self.send_error6(now, hop, &packet, &frame, ErrorKind6::SourcePolicy);
            }
            return Err(reason);
        }
        if let Some(fragment) = packet.fragment {
            return match self.v6.fragments.handle(tick(now), hop, &packet, fragment, frame)? {
                Verdict6::Held => Ok(Outcome::Kept),
                Verdict6::Follows(place, direction, frame) if self.holds6(now, place) => {
                    self.carry6(now, place, direction, &packet, frame)
                }
                Verdict6::Follows(..) => Err(Dropped::NoFlow),
                Verdict6::First(frame) => {
                    let (place, direction, frame) =
                        match self.find_or_decide6(now, arrival, &packet, frame)? {
                            Found6::Flow(place, direction, frame) => (place, direction, frame),
                            Found6::Done(outcome) => return Ok(outcome),
                        };
                    self.v6.fragments.note(hop, &packet, fragment, (place, direction));
                    let outcome = self.carry6(now, place, direction, &packet, frame)?;
                    self.release_fragments6(now);
                    Ok(outcome)
                }
            };
        }
        if packet.is_icmp_error() {
            return self.icmp_error6(now, hop, &packet, frame);
        }
        match self.find_or_decide6(now, arrival, &packet, frame)? {
            Found6::Flow(place, direction, frame) => self.carry6(now, place, direction, &packet, frame),
            Found6::Done(outcome) => Ok(outcome),
        }
    }

    /// A packet of a stack of ours that stays on its link.
    fn stack_to_link(
        &mut self,
        now: Instant,
        stack: Hop,
        packet: &Packet6,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let hop = match stack.kind() {
            HopKind::Stack(wan) => Hop::wan(wan),
            _ => Hop::LAN,
        };
        let is_ours = self.owner6(&packet.source).is_some() || packet.source == UNSPECIFIED;
        if !is_ours {
            return Err(Dropped::Spoofed);
        }
        frame.truncate(packet.at + packet.len);
        let _ = frame.pull_front(packet.at);
        self.send_own6(now, hop, frame).map(|()| Outcome::Kept)
    }

    /// Whether the source is one that may come from there, to go anywhere (RFC 2827, RFC 6092 REC-5 and REC-6, RFC 7084 L-14).
    pub(super) fn check_source6(&self, hop: Hop, source: &Address) -> Result<(), Dropped> {
        if !Scope::of(source).is_routable() {
            return Err(Dropped::Scope);
        }
        let is_own = self.owner6(source).is_some();
        let is_good = if hop.is_stack() {
            is_own
        } else if is_own {
            false
        } else if self.is_served(hop) {
            self.is_behind(hop, source)
        } else {
            !self.is_ours6(source) || self.is_shared6(hop, source)
        };
        if is_good { Ok(()) } else { Err(Dropped::Spoofed) }
    }

    /// Whether an address is in a network that a WAN shares with our LAN, and none that is known to be in the LAN: its station may be
    /// on the WAN's side (RFC 4389).
    fn is_shared6(&self, hop: Hop, address: &Address) -> bool {
        let is_listed =
            || self.v6.proxied.iter().any(|(known, network)| *known == hop && network.contains(address));
        let host = || {
            let place = self.v6.neighbours.find(Hop::LAN, address)?;
            self.v6.neighbours.neighbour(place)
        };
        is_listed()
            && self.is_behind(Hop::LAN, address)
            && host().is_none_or(|host| host.reachable().is_none())
    }

    /// Whether an address is in a network of ours, in use or not.
    pub(super) fn is_ours6(&self, address: &Address) -> bool {
        let on_lan = self.addresses6(Hop::LAN).iter().any(|own| own.contains(address));
        on_lan
            || self.v6.routes.iter().any(|route| {
                let is_inside = route.hop == Hop::NONE || self.is_served(route.hop);
                is_inside && route.destination.prefix_len > 0 && route.destination.contains(address)
            })
    }

    fn find_or_decide6(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet6,
        frame: Frame<'p>,
    ) -> Result<Found6<'p>, Dropped> {
        let tuple = Tuple6::of(packet);
        if let Some((place, direction)) = self.v6.flows.find(&tuple.0, packet.protocol, arrival.hop) {
            if self.holds6(now, place) {
                self.hear6(now, arrival, place, direction);
                return Ok(Found6::Flow(place, direction, frame));
            }
            self.end_flow6(place);
        }
        self.decide6(now, arrival, packet, frame)
    }

    /// A frame tells the hardware address of a host that does not answer at the moment.
    fn hear6(&mut self, now: Instant, arrival: Arrival, place: u16, direction: Direction) {
        let (Some(mac), Some(flow)) = (arrival.mac, self.v6.flows.flow(place)) else { return };
        let sender = match direction {
            Direction::Forward => flow.from_neighbour,
            Direction::Reverse => flow.to_neighbour,
        };
        if self.v6.neighbours.hear(now, sender, mac) {
            self.release_waiting6(now, sender);
        }
    }

    /// Sends a packet of a flow on its way.
    pub(super) fn carry6(
        &mut self,
        now: Instant,
        place: u16,
        direction: Direction,
        packet: &Packet6,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let flow = *self.v6.flows.flow(place).filter(|flow| flow.protocol != 0).ok_or(Dropped::NoFlow)?;
        let (from, to, neighbour) = match direction {
            Direction::Forward => (flow.from, flow.to, flow.to_neighbour),
            Direction::Reverse => (flow.to, flow.from, flow.from_neighbour),
        };
        if to.is_stack() && packet.fragment.is_some() {
            // Nothing there puts them together, and a part must not be taken for a whole.
            return Err(Dropped::NoFlow);
        }
        let egress = self.link6(to).ok_or(Dropped::NoFlow)?;
        let (mtu, is_up) = (egress.mtu, egress.is_up());
        if !to.is_stack() {
            if !is_up {
                self.send_error6(now, from, packet, &frame, ErrorKind6::NoRoute);
                return Err(Dropped::NetworkDown);
            }
            if packet.hop_limit <= 1 && !from.is_stack() {
                self.send_error6(now, from, packet, &frame, ErrorKind6::HopLimitExceeded);
                return Err(Dropped::TtlExceeded);
            }
            if packet.len > usize::from(mtu) {
                self.send_error6(now, from, packet, &frame, ErrorKind6::PacketTooBig(mtu));
                return Err(Dropped::TooLong);
            }
        }
        if packet.protocol == TCP && packet.tcp_flags & SYN != 0 {
            let mtu = |hop: Hop| match self.link6(hop) {
                Some(link) if !hop.is_stack() => link.mtu,
                _ => u16::MAX,
            };
            let most = mtu(from).min(mtu(to)).saturating_sub(HEADERS_LEN);
            let (begin, end) = (packet.at + packet.header_len, packet.at + packet.len);
            if let Some(segment) = frame.bytes_mut().get_mut(begin..end) {
                crate::datapath::tcp::clamp_segment(segment, most);
            }
        }
        if !to.is_stack()
            && !from.is_stack()
            && let Some(limit) = frame.bytes_mut().get_mut(packet.at + 7)
        {
            *limit -= 1;
        }
        if let Some(flow) = self.v6.flows.flow_mut(place) {
            flow.seen = tick(now);
            if !packet.is_later_fragment() {
                flow.state.note(packet.protocol, direction, packet.tcp_flags);
            }
        }
        frame.truncate(packet.at + packet.len);
        let _ = frame.pull_front(packet.at);
        self.send6(now, to, neighbour, frame)
    }

    /// Sends on the fragments that waited for their first.
    fn release_fragments6(&mut self, now: Instant) {
        while let Some((place, direction, packet, frame)) = self.v6.fragments.release() {
            if self.holds6(now, place)
                && let Ok(Outcome::Sent(egress, frame)) = self.carry6(now, place, direction, &packet, frame)
            {
                // At most four, and the queue has room for more.
                let _ = self.queue(egress, frame);
            }
        }
    }
}

/// Addresses that no packet has anywhere.
fn check_scopes(packet: &Packet6) -> Result<(), Dropped> {
    let (source, destination) = (Scope::of(&packet.source), Scope::of(&packet.destination));
    if matches!(source, Scope::Multicast | Scope::Nowhere) || packet.source == packet.destination {
        return Err(Dropped::Martian);
    }
    if matches!(destination, Scope::Unspecified | Scope::Nowhere) {
        return Err(Dropped::Scope);
    }
    Ok(())
}

/// The headers of IPv6 and TCP, which the MSS leaves out (RFC 9293 §3.7.1).
const HEADERS_LEN: u16 = 60;
