//! IPv6 packets that are for the router itself: Neighbor Discovery, router discovery, DHCPv6, what is for its own stacks.

use gatelet_hal::Frame;
use smoltcp::time::Instant;

use super::address::{Address, Scope, UNSPECIFIED};
use super::packet::{
    self, ICMPV6, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, Packet6, REDIRECT, ROUTER_ADVERTISEMENT,
    ROUTER_SOLICITATION,
};
use crate::Dropped;
use crate::datapath::interface::{Hop, HopKind};
use crate::datapath::packet::{UDP, destination_port};
use crate::datapath::slow::{Arrival, Outcome};
use crate::datapath::{Datapath, stack_egress};

impl<'p> Datapath<'p> {
    /// The stack behind an address of ours.
    pub(super) fn local_end6(&self, from: Hop, destination: &Address) -> Option<Hop> {
        match self.owner6(destination)?.kind() {
            HopKind::Lan => Some(Hop::LAN_STACK),
            HopKind::Wan(wan) => Some(Hop::stack(wan)),
            HopKind::Tunnel(id) => match self.tunnel(id)?.wan.kind() {
                HopKind::Wan(wan) => Some(Hop::stack(wan)),
                _ => None,
            },
            _ => None,
        }
        .filter(|stack| *stack != from)
    }

    /// Whether a packet is for a machine of the router's own, whatever flows there are: it speaks to the link, not through us.
    pub(super) fn is_link_business(&self, hop: Hop, packet: &Packet6) -> bool {
        let scope = Scope::of(&packet.destination);
        if matches!(scope, Scope::Multicast | Scope::LinkLocal) {
            return true;
        }
        let is_discovery =
            packet.protocol == ICMPV6 && matches!(packet.icmp_type, ROUTER_SOLICITATION..=REDIRECT);
        let is_dhcp = packet.protocol == UDP
            && matches!(destination_port(packet.ports), DHCPV6_CLIENT | DHCPV6_SERVER)
            && !packet.is_later_fragment();
        let is_ours = || self.has6(hop, &packet.destination);
        // A solicitation of an address we proxy for may come to that address itself (RFC 4861 §7.3.3).
        is_discovery || is_dhcp && is_ours()
    }

    /// Takes such a packet.
    pub(super) fn link_business(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet6,
        frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let hop = arrival.hop;
        self.link6(hop).filter(|link| link.is_up()).ok_or(Dropped::NetworkDown)?;
        let is_group = Scope::of(&packet.destination) == Scope::Multicast;
        let is_solicitation = packet.protocol == ICMPV6 && packet.icmp_type == NEIGHBOUR_SOLICITATION;
        if !is_group && !is_solicitation && !self.has6(hop, &packet.destination) {
            return Err(Dropped::NotForUs);
        }
        if packet.fragment.is_some() {
            // RFC 6980 §5, and our stacks put nothing together.
            return Err(Dropped::NoFlow);
        }
        match (packet.protocol, packet.icmp_type) {
            (ICMPV6, NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT) => {
                self.handle_ndp(now, arrival, packet, &frame).map(|()| Outcome::Kept)
            }
            (ICMPV6, ROUTER_SOLICITATION | ROUTER_ADVERTISEMENT) => Ok(control6(arrival, packet, frame)),
            // Nobody may redirect a router (RFC 4861 §8.2).
            (ICMPV6, REDIRECT) => Err(Dropped::IcmpUnwanted),
            (UDP, _) if is_dhcpv6_for(hop, packet) => Ok(control6(arrival, packet, frame)),
            _ if is_group => Err(Dropped::Group),
            // What is left is for our link-local address, and comes from the link.
            _ if packet.source == UNSPECIFIED => Err(Dropped::Martian),
            (ICMPV6, packet::ECHO_REQUEST) => {
                self.hear_source6(now, arrival, packet);
                self.answer_echo6(now, hop, packet, frame)
            }
            (ICMPV6, packet::ECHO_REPLY) if matches!(hop.kind(), HopKind::Tunnel(_)) => {
                Ok(control6(arrival, packet, frame))
            }
            (ICMPV6, packet::ECHO_REPLY) => {
                let stack = self.local_end6(hop, &packet.destination).ok_or(Dropped::NotForUs)?;
                deliver6(stack, packet, frame)
            }
            _ if hop == Hop::LAN => {
                self.hear_source6(now, arrival, packet);
                let stack = self.local_end6(hop, &packet.destination).ok_or(Dropped::NotForUs)?;
                deliver6(stack, packet, frame)
            }
            _ => Err(Dropped::Uninvited),
        }
    }

    /// Who speaks to us will be answered: its hardware address is in the frame.
    pub(super) fn hear_source6(&mut self, now: Instant, arrival: Arrival, packet: &Packet6) {
        let Some(mac) = arrival.mac else { return };
        let is_near = Scope::of(&packet.source) == Scope::LinkLocal
            || self.addresses6(arrival.hop).iter().any(|own| own.contains(&packet.source));
        if !is_near {
            return;
        }
        let keep = crate::datapath::flow::NO_NEIGHBOUR;
        let Ok(place) = self.need_neighbour6(now, arrival.hop, &packet.source, Some(mac), keep) else {
            return;
        };
        if self.v6.neighbours.hear(now, place, mac) {
            self.release_waiting6(now, place);
        }
    }
}

/// A client speaks to the LAN's server, a WAN's server to our client.
fn is_dhcpv6_for(hop: Hop, packet: &Packet6) -> bool {
    let port = if hop == Hop::LAN { DHCPV6_SERVER } else { DHCPV6_CLIENT };
    destination_port(packet.ports) == port && matches!(hop.kind(), HopKind::Lan | HopKind::Wan(_))
}

/// Gives a packet to the machines beside the datapath, from its header on.
pub(super) fn control6<'p>(arrival: Arrival, packet: &Packet6, mut frame: Frame<'p>) -> Outcome<'p> {
    frame.truncate(packet.at + packet.len);
    let _ = frame.pull_front(packet.at);
    Outcome::Control { hop: arrival.hop, mac: arrival.mac, frame }
}

/// Gives a packet to a stack of ours, without a flow.
pub(super) fn deliver6<'p>(
    stack: Hop,
    packet: &Packet6,
    mut frame: Frame<'p>,
) -> Result<Outcome<'p>, Dropped> {
    let egress = stack_egress(stack).ok_or(Dropped::NotForUs)?;
    frame.truncate(packet.at + packet.len);
    let _ = frame.pull_front(packet.at);
    Ok(Outcome::Sent(egress, frame))
}

/// RFC 8415 §7.2.
const DHCPV6_CLIENT: u16 = 546;
const DHCPV6_SERVER: u16 = 547;
