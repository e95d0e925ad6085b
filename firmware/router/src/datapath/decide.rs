//! The decision about a new flow: may it, where to, on whose account, under which address.

use gatelet_hal::Frame;
use gatelet_wire::EthernetAddress;
use smoltcp::time::Instant;

use super::firewall::{Action, Filtering, Opening, Zone};
use super::flow::{Direction, Flow, NO_NEIGHBOUR, NONE, State, Tuple, tick};
use super::icmp::ErrorKind;
use super::interface::{Hop, HopKind, address};
use super::packet::{ICMP, Packet, RST, TCP, UDP, destination_port, pair, source_port};
use super::slow::{Arrival, Found, Outcome};
use super::{Datapath, DatapathEvent, settle, stack_egress};
use crate::Dropped;

/// A flow to be, before it has its places.
struct Plan {
    to: Hop,
    /// The packet as it leaves.
    leaving: Tuple,
    mapping: u16,
    /// On whose account it is: an end that is a host on the LAN.
    host: u8,
    from_neighbour: u8,
    to_neighbour: u8,
}

impl<'p> Datapath<'p> {
    /// Decides on the first packet of what may become a flow.
    pub(super) fn decide(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet,
        frame: Frame<'p>,
    ) -> Result<Found<'p>, Dropped> {
        let hop = arrival.hop;
        // A RST or an answer opens nothing.
        let is_icmp_answer = !packet.is_icmp_query() || matches!(packet.icmp_type, 0 | 14 | 16 | 18);
        if packet.protocol == ICMP && is_icmp_answer || packet.tcp_flags & RST != 0 {
            let is_own = self.answers_lan(hop, packet) || self.answers_ping(hop, packet);
            return if is_own {
                self.send_answer(now, hop, packet, frame).map(Found::Done)
            } else {
                Err(Dropped::NoFlow)
            };
        }
        let planned = if hop.is_inside() {
            self.plan_outward(now, arrival, packet, &frame)
        } else {
            self.plan_inward(now, arrival, packet, &frame)
        };
        let opened = match planned {
            // Nothing there puts fragments together, and a part must not be taken for a whole.
            Ok(Planned::Local(_)) if packet.fragment.is_some() => return Err(Dropped::NoFlow),
            Ok(Planned::Local(stack)) => return deliver(stack, packet, frame).map(Found::Done),
            Ok(Planned::Flow(plan)) => self.open(now, hop, packet, &plan).inspect_err(|_| {
                // The mapping was made for this flow, unless others hold it.
                self.mappings.hold(plan.mapping);
                self.mappings.release(plan.mapping);
            }),
            Err(reason) => Err(reason),
        };
        match opened {
            Ok(place) => Ok(Found::Flow(place, Direction::Forward, frame)),
            Err(reason) => {
                if hop == Hop::LAN && is_shortage(reason) {
                    // RFC 5508 REQ-8: better than a host that waits.
                    self.send_error(now, hop, packet, &frame, ErrorKind::Prohibited);
                }
                Err(reason)
            }
        }
    }

    /// A packet from the LAN, or from a stack of the router's.
    fn plan_outward(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet,
        frame: &Frame<'p>,
    ) -> Result<Planned, Dropped> {
        let hop = arrival.hop;
        let destination = packet.destination;
        if let Some(owner) = self.owner(destination) {
            if hop == Hop::LAN
                && matches!(owner.kind(), HopKind::Wan(_))
                && let Some(plan) = self.plan_hairpin(now, arrival, packet, owner)?
            {
                return Ok(Planned::Flow(plan));
            }
            let stack = self.own_destination(hop, destination).ok_or(Dropped::NotForUs)?;
            self.ask_rules(now, hop, stack, packet, Tuple::of(packet), frame, Action::Accept)?;
            return Ok(Planned::Local(stack));
        }
        let Some(to) = self.route(hop, destination) else {
            self.send_error(now, hop, packet, frame, ErrorKind::NetworkUnreachable);
            return Err(Dropped::NoRoute);
        };
        if to == hop {
            // Both are on the LAN and need no router.
            return Err(Dropped::OnLink);
        }
        self.ask_rules(now, hop, to, packet, Tuple::of(packet), frame, Action::Accept)?;
        let from_neighbour = self.source_account(now, arrival, packet)?;
        let to_neighbour = self.next_hop(now, to, destination, from_neighbour)?;
        let mut leaving = Tuple::of(packet);
        let mut mapping = NONE;
        if self.interface(to).masquerades {
            (leaving, mapping) = self.masquerade(now, to, packet)?;
        }
        Ok(Planned::Flow(Plan { to, leaving, mapping, host: from_neighbour, from_neighbour, to_neighbour }))
    }

    /// A packet from a WAN, for an address of ours.
    fn plan_inward(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet,
        frame: &Frame<'p>,
    ) -> Result<Planned, Dropped> {
        let hop = arrival.hop;
        let HopKind::Wan(wan) = hop.kind() else { return Err(Dropped::Uninvited) };
        if packet.protocol == ICMP && packet.icmp_type == 8 && self.firewall.may_ping(packet.source) {
            return if self.ping.permit(now) {
                Ok(Planned::Local(Hop::stack(wan)))
            } else {
                Err(Dropped::RateLimited)
            };
        }
        let Some((host, port, mapping)) = self.inside_of(hop, packet, self.firewall.filtering) else {
            return Err(Dropped::Uninvited);
        };
        if self.interface(hop).address == Some(host) {
            // A mapping of the router's own stack, open to everybody.
            return Ok(Planned::Local(Hop::stack(wan)));
        }
        let ports = pair(source_port(packet.ports), port);
        let leaving = Tuple { destination: host, ports, ..Tuple::of(packet) };
        let lan = self.interface(Hop::LAN);
        if !lan.network.contains(host) {
            return Err(Dropped::NoRoute);
        }
        let to = if lan.address == Some(host) { Hop::LAN_STACK } else { Hop::LAN };
        self.ask_rules(now, hop, to, packet, leaving, frame, Action::Accept)?;
        let to_neighbour = self.next_hop(now, to, host, NO_NEIGHBOUR)?;
        self.admit(now, to_neighbour)?;
        if self.mappings.mapping(mapping).is_none() && mapping != NONE {
            // It went with the flow that made room.
            return Err(Dropped::Uninvited);
        }
        let from_neighbour = self.next_hop(now, hop, packet.source, to_neighbour)?;
        Ok(Planned::Flow(Plan { to, leaving, mapping, host: to_neighbour, from_neighbour, to_neighbour }))
    }

    /// A packet from the LAN to our own address outside that is meant for a host on the LAN (RFC 4787 REQ-9): its source becomes
    /// our address too. The filtering, which is for strangers, does not stand between hosts who could talk to each other
    /// without us.
    fn plan_hairpin(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet,
        wan: Hop,
    ) -> Result<Option<Plan>, Dropped> {
        let Some((host, port, _)) = self.inside_of(wan, packet, Filtering::EndpointIndependent) else {
            return Ok(None);
        };
        let lan = self.interface(Hop::LAN);
        if !lan.network.contains(host) || lan.address == Some(host) {
            return Ok(None);
        }
        let from_neighbour = self.source_account(now, arrival, packet)?;
        let to_neighbour = self.next_hop(now, Hop::LAN, host, from_neighbour)?;
        let (outside, mapping) = self.masquerade(now, wan, packet)?;
        let ports = pair(source_port(outside.ports), port);
        let leaving = Tuple { source: outside.source, destination: host, ports };
        Ok(Some(Plan { to: Hop::LAN, leaving, mapping, host: from_neighbour, from_neighbour, to_neighbour }))
    }

    /// The endpoint inside that a packet to an address of ours at `wan` is for: by an existing mapping, as far as the filtering
    /// lets it in, or by a forward.
    fn inside_of(&self, wan: Hop, packet: &Packet, filtering: Filtering) -> Option<(u32, u16, u16)> {
        if !matches!(packet.protocol, TCP | UDP) {
            return None;
        }
        let port = destination_port(packet.ports);
        if let Some(place) = self.mappings.find_external(wan, packet.protocol, port)
            && let Some(mapping) = self.mappings.mapping(place)
        {
            let known = match filtering {
                Filtering::EndpointIndependent => true,
                Filtering::AddressDependent => self.flows.iter().any(|(_, flow)| {
                    flow.mapping == place && flow.reverse.source == packet.source && flow.to == wan
                }),
                Filtering::AddressAndPortDependent => false,
            };
            if known {
                return Some((mapping.address, mapping.port, place));
            }
        }
        let (host, port) = self.firewall.inside(packet.protocol, packet.source, port)?;
        Some((host, port, NONE))
    }

    /// The packet as it leaves `to` under our address there, and the mapping that stands for its source.
    fn masquerade(&mut self, now: Instant, to: Hop, packet: &Packet) -> Result<(Tuple, u16), Dropped> {
        let source = self.interface(to).address.ok_or(Dropped::NetworkDown)?;
        let outside = Tuple { source, ..Tuple::of(packet) };
        if !matches!(packet.protocol, TCP | UDP) && !packet.is_icmp_query() {
            // By address alone: only as long as the answer is nobody else's.
            return match self.flows.find(&outside.answer(), packet.protocol, to) {
                None => Ok((outside, NONE)),
                Some(_) => Err(Dropped::Ambiguous),
            };
        }
        let (protocol, port) = (packet.protocol, source_port(packet.ports));
        let known = self.mappings.find_internal(to, protocol, packet.source, port);
        let mapping = if let Some(place) = known {
            place
        } else {
            if self.mappings.is_full() {
                let (place, victim) = self.flows.give_up(tick(now)).ok_or_else(|| self.table_is_full(now))?;
                self.settle(&victim);
                self.fragments.forget_flow(place);
            }
            let firewall = &self.firewall;
            let forwarded = firewall.outside(protocol, packet.source, port);
            let own = packet.source == source;
            let taken = |port: u16| !own && Some(port) != forwarded && firewall.reserves(protocol, port);
            let (endpoint, wanted) = ((packet.source, port), forwarded.unwrap_or(port));
            let created = self.mappings.create(&mut self.rng, to, protocol, endpoint, wanted, taken);
            created.ok_or(Dropped::NoMapping)?
        };
        let external = self.mappings.mapping(mapping).ok_or(Dropped::NoMapping)?.external_port;
        let ports = pair(external, destination_port(packet.ports));
        Ok((Tuple { ports, ..outside }, mapping))
    }

    /// Records the flow.
    fn open(&mut self, now: Instant, from: Hop, packet: &Packet, plan: &Plan) -> Result<u16, Dropped> {
        let reverse = plan.leaving.answer();
        if self.flows.find(&reverse, packet.protocol, plan.to).is_some() {
            return Err(Dropped::Ambiguous);
        }
        let mut flow = Flow {
            forward: Tuple::of(packet),
            reverse,
            seen: tick(now),
            epoch: self.epoch,
            mapping: plan.mapping,
            protocol: packet.protocol,
            state: State::NEW,
            from,
            to: plan.to,
            from_neighbour: plan.from_neighbour,
            to_neighbour: plan.to_neighbour,
            host: plan.host,
            ..Flow::FREE
        };
        flow.set_differences();
        // Held before others are given up, lest it go with the last of them.
        self.mappings.hold(plan.mapping);
        let (mappings, neighbours, fragments) =
            (&mut self.mappings, &mut self.neighbours, &mut self.fragments);
        let opened = self.flows.insert(flow, tick(now), |place, victim| {
            settle(mappings, neighbours, victim);
            fragments.forget_flow(place);
        });
        let Some(place) = opened else {
            self.mappings.release(plan.mapping);
            return Err(self.table_is_full(now));
        };
        self.neighbours.charge(plan.host, 1);
        Ok(place)
    }

    fn table_is_full(&mut self, now: Instant) -> Dropped {
        if self.tell_full.permit(now) {
            self.tell(DatapathEvent::FlowTableFull);
        }
        Dropped::FlowTableFull
    }

    /// The account of a packet's source, on the LAN.
    fn source_account(&mut self, now: Instant, arrival: Arrival, packet: &Packet) -> Result<u8, Dropped> {
        if arrival.hop != Hop::LAN {
            return Ok(NO_NEIGHBOUR);
        }
        let place = self.need_neighbour(now, Hop::LAN, packet.source, arrival.mac, NO_NEIGHBOUR)?;
        if arrival.mac.is_some_and(|mac| self.neighbours.hear(now, place, mac)) {
            self.release_waiting(now, place);
        }
        self.admit(now, place)?;
        Ok(place)
    }

    pub(super) fn need_neighbour(
        &mut self,
        now: Instant,
        hop: Hop,
        next: u32,
        mac: Option<EthernetAddress>,
        keep: u8,
    ) -> Result<u8, Dropped> {
        let mut given_up = None;
        let place = self.neighbours.need(now, hop, next, mac, keep, |place| given_up = Some(place));
        if let Some(place) = given_up {
            // Flows of others may lead to it: not any more.
            self.drop_waiting(place);
            self.next_epoch();
        }
        place.ok_or(Dropped::NeighbourTableFull)
    }

    /// How many flows a host may have, at the moment.
    pub(super) fn quota(&self) -> u16 {
        let crowded = self.flows.len() >= self.flows.capacity() / CROWDED.1 * CROWDED.0;
        if crowded { (self.host_quota / CROWDED_SHARE).max(1) } else { self.host_quota }
    }

    /// Whether `host` may have one more flow. At its quota it gets on at its own expense, at its share of a crowded table at
    /// anybody's, as long as there is a flow that was never answered.
    fn admit(&mut self, now: Instant, host: u8) -> Result<(), Dropped> {
        let Some(neighbour) = self.neighbours.neighbour(host) else { return Ok(()) };
        let (flows, address) = (neighbour.flows, address(neighbour.address));
        if flows < self.quota() {
            return Ok(());
        }
        let whose = (flows >= self.host_quota).then_some(host);
        if let Some(victim) = self.flows.unanswered_of(whose, tick(now)) {
            self.end_flow(victim);
            return Ok(());
        }
        if self.tell_quota.permit(now) {
            self.tell(DatapathEvent::HostQuota { address });
        }
        Err(Dropped::HostQuota)
    }

    /// Asks the rules about a new flow.
    #[expect(clippy::too_many_arguments, reason = "all that a decision is made from, once")]
    fn ask_rules(
        &mut self,
        now: Instant,
        from: Hop,
        to: Hop,
        packet: &Packet,
        leaving: Tuple,
        frame: &Frame<'p>,
        default: Action,
    ) -> Result<(), Dropped> {
        let opening =
            opening(from, to, packet.protocol, leaving.destination, leaving.ports, &Tuple::of(packet));
        let rule = self.firewall.decide(&opening);
        if let Some((number, rule)) = rule.filter(|(_, rule)| rule.log) {
            let (source, destination) = (address(packet.source), address(leaving.destination));
            self.tell(DatapathEvent::Rule { number, action: rule.action, source, destination });
        }
        match rule.map_or(default, |(_, rule)| rule.action) {
            Action::Accept => Ok(()),
            Action::Drop => Err(Dropped::Rule),
            Action::Reject => {
                if packet.protocol == TCP {
                    self.send_reset(now, from, packet, frame);
                } else {
                    self.send_error(now, from, packet, frame, ErrorKind::Prohibited);
                }
                Err(Dropped::Rule)
            }
        }
    }

    /// Whether a stack of ours speaks to the LAN: what it answers there needs no flow, since nothing is translated.
    pub(super) fn answers_lan(&self, from: Hop, packet: &Packet) -> bool {
        from.is_stack() && self.route(from, packet.destination) == Some(Hop::LAN)
    }

    /// Whether a WAN's own stack answers a ping, under its own address.
    fn answers_ping(&self, from: Hop, packet: &Packet) -> bool {
        packet.protocol == ICMP
            && packet.icmp_type == 0
            && matches!(from.kind(), HopKind::Stack(_))
            && self.interface(from).address == Some(packet.source)
    }

    /// An answer of a stack of ours, to a packet that it got without a flow: echo reply, RST, ICMP error.
    pub(super) fn send_answer(
        &mut self,
        now: Instant,
        from: Hop,
        packet: &Packet,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let to = self.route(from, packet.destination).ok_or(Dropped::NoRoute)?;
        let neighbour = self.next_hop(now, to, packet.destination, NO_NEIGHBOUR)?;
        frame.truncate(packet.at + packet.len);
        let _ = frame.pull_front(packet.at);
        self.send(now, to, neighbour, frame)
    }
}

/// Gives a packet to a stack of ours, without a flow.
fn deliver<'p>(stack: Hop, packet: &Packet, mut frame: Frame<'p>) -> Result<Outcome<'p>, Dropped> {
    let egress = stack_egress(stack).ok_or(Dropped::NotForUs)?;
    frame.truncate(packet.at + packet.len);
    let _ = frame.pull_front(packet.at);
    Ok(Outcome::Sent(egress, frame))
}

/// From so much of the table on, hosts may have the fourth part of their quota: what is left is for others.
const CROWDED: (usize, usize) = (7, 8);
const CROWDED_SHARE: u16 = 4;

/// Whether there is no room for another flow.
const fn is_shortage(reason: Dropped) -> bool {
    matches!(
        reason,
        Dropped::HostQuota | Dropped::FlowTableFull | Dropped::NoMapping | Dropped::NeighbourTableFull
    )
}

enum Planned {
    Flow(Plan),
    /// For a stack of ours, without a flow.
    Local(Hop),
}

/// What a rule is asked about a flow.
pub(super) fn opening(
    from: Hop,
    to: Hop,
    protocol: u8,
    destination: u32,
    leaving_ports: u32,
    arriving: &Tuple,
) -> Opening {
    let zone = |hop: Hop| match hop.kind() {
        HopKind::Lan => Zone::Lan,
        HopKind::LanStack | HopKind::Stack(_) => Zone::Router,
        HopKind::Wan(_) | HopKind::Modem(_) | HopKind::Tunnel(_) => Zone::Wan,
    };
    let has_ports = matches!(protocol, TCP | UDP);
    let port = |port: u16| if has_ports { port } else { 0 };
    Opening {
        from: zone(from),
        to: zone(to),
        source: arriving.source,
        destination,
        protocol,
        source_port: port(source_port(arriving.ports)),
        destination_port: port(destination_port(leaving_ports)),
    }
}
