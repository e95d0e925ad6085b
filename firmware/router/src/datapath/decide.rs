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
use super::{Datapath, DatapathEvent, Route, settle, stack_egress};
use crate::{Dropped, WanId};

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
        self.check_quota(now, to_neighbour)?;
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

    /// Whether a flow of another epoch would be decided on as it was; it is of this epoch then.
    pub(super) fn still_holds(&mut self, now: Instant, place: u16) -> bool {
        let Some(flow) = self.flows.flow(place).copied() else { return false };
        let leaving = flow.reverse.answer();
        let ends_are_ours = |hop: Hop, address: u32| {
            let interface = self.interface(hop);
            hop.is_stack() || !interface.is_up() || interface.address == Some(address)
        };
        let translated = flow.forward.source != leaving.source;
        let source_is_ours = !translated || flow.to == Hop::LAN || ends_are_ours(flow.to, leaving.source);
        let inward = !flow.from.is_inside();
        let destination_is_ours = !inward || ends_are_ours(flow.from, flow.forward.destination);
        if !source_is_ours || !destination_is_ours {
            return false;
        }
        if inward && flow.mapping == NONE {
            let (source, port) = (flow.forward.source, destination_port(flow.forward.ports));
            let target = (leaving.destination, destination_port(leaving.ports));
            if self.firewall.inside(flow.protocol, source, port) != Some(target) {
                return false;
            }
        }
        let is_hairpin = flow.from == Hop::LAN && flow.to == Hop::LAN;
        if is_hairpin && !self.leads_back(&flow) {
            return false;
        }
        if !inward && !is_hairpin && !self.routes_to(flow.from, leaving.destination, flow.to) {
            return false;
        }
        let opening =
            opening(flow.from, flow.to, flow.protocol, leaving.destination, leaving.ports, &flow.forward);
        if self.firewall.find(&opening).is_some_and(|(_, rule)| rule.action != Action::Accept) {
            return false;
        }
        let mut neighbours = [NO_NEIGHBOUR; 2];
        let ends = [
            (flow.from, flow.forward.source, flow.from_neighbour),
            (flow.to, leaving.destination, flow.to_neighbour),
        ];
        for (n, (hop, peer, known)) in ends.into_iter().enumerate() {
            if known != NO_NEIGHBOUR {
                let Ok(place) = self.next_hop(now, hop, peer, neighbours[0]) else { return false };
                neighbours[n] = place;
            }
        }
        let [from_neighbour, to_neighbour] = neighbours;
        let host = if flow.host == flow.from_neighbour { from_neighbour } else { to_neighbour };
        if host != flow.host {
            self.neighbours.charge(flow.host, -1);
            self.neighbours.charge(host, 1);
        }
        // While an end cannot be reached, all packets are looked at: the next from there tells its hardware address.
        let mut ends = [from_neighbour, to_neighbour].into_iter().filter(|end| *end != NO_NEIGHBOUR);
        let is_reachable =
            |end| self.neighbours.neighbour(end).is_some_and(|known| known.reachable().is_some());
        let epoch = if ends.all(is_reachable) { self.epoch } else { flow.epoch };
        if let Some(flow) = self.flows.flow_mut(place) {
            (flow.epoch, flow.host) = (epoch, host);
            (flow.from_neighbour, flow.to_neighbour) = (from_neighbour, to_neighbour);
        }
        true
    }

    /// Whether a hairpin still ends at the host it was opened to: by the host's mapping, which is there as long as it is used, or
    /// by a forward.
    fn leads_back(&self, flow: &Flow) -> bool {
        let (host, port) = (flow.reverse.source, source_port(flow.reverse.ports));
        let outside = destination_port(flow.forward.ports);
        let mut wans = (0..crate::router::MAX_WANS as u8).map(|wan| Hop::wan(WanId(wan)));
        let is_mapped = |wan: Hop| {
            let mapping = self.mappings.find_external(wan, flow.protocol, outside);
            mapping
                .and_then(|place| self.mappings.mapping(place))
                .is_some_and(|mapping| (mapping.address, mapping.port) == (host, port))
        };
        let is_forwarded = self.firewall.inside(flow.protocol, flow.forward.source, outside);
        is_forwarded == Some((host, port)) || wans.any(is_mapped)
    }

    /// Whether packets still go that way, or would if it were up. What went to the Internet by a line goes on there, as long as
    /// it is up, whichever line is first for new flows.
    fn routes_to(&self, from: Hop, destination: u32, to: Hop) -> bool {
        match self.known_route(from, destination) {
            Some(hop) => hop == to,
            None if !matches!(to.kind(), HopKind::Wan(_)) => false,
            None if from.is_stack() => true,
            None => self.interface(to).is_up() || self.default_route().is_none(),
        }
    }

    /// Where packets to `destination` go.
    pub(super) fn route(&self, from: Hop, destination: u32) -> Option<Hop> {
        self.known_route(from, destination).or_else(|| {
            // A WAN's own stack speaks through its WAN alone.
            if matches!(from.kind(), HopKind::Stack(_)) { None } else { self.default_route() }
        })
    }

    /// The first WAN that is up.
    fn default_route(&self) -> Option<Hop> {
        (0..crate::router::MAX_WANS as u8)
            .map(|wan| Hop::wan(WanId(wan)))
            .find(|hop| self.interface(*hop).is_up())
    }

    /// Where packets to `destination` go, if it is on a link, or has a route.
    fn known_route(&self, from: Hop, destination: u32) -> Option<Hop> {
        let is_linked = |hop: Hop| {
            let interface = self.interface(hop);
            interface.is_up() && interface.has_neighbours() && interface.network.contains(destination)
        };
        if let HopKind::Stack(wan) = from.kind() {
            // A WAN's own stack speaks through its WAN, and answers the LAN.
            return [Hop::LAN, Hop::modem(wan), Hop::wan(wan)]
                .into_iter()
                .find(|hop| is_linked(*hop) || *hop == Hop::wan(wan) && self.interface(*hop).is_up());
        }
        let wans = || (0..crate::router::MAX_WANS as u8).map(WanId);
        let linked = core::iter::once(Hop::LAN)
            .chain(wans().map(Hop::modem))
            .chain(wans().map(Hop::wan))
            .find(|hop| is_linked(*hop));
        linked.or_else(|| self.route_of(None, destination).map(|route| route.hop))
    }

    /// The longest route to `destination`, of `hop` or of any that is up.
    fn route_of(&self, hop: Option<Hop>, destination: u32) -> Option<&Route> {
        let fits = |route: &&Route| {
            route.network.contains(destination)
                && self.interface(route.hop).is_up()
                && hop.is_none_or(|hop| hop == route.hop)
        };
        self.routes.iter().filter(fits).max_by_key(|route| route.prefix_len)
    }

    /// The neighbour to send to for `destination`, where the link has neighbours.
    /// `keep` is one that the same packet needs too.
    pub(super) fn next_hop(
        &mut self,
        now: Instant,
        hop: Hop,
        destination: u32,
        keep: u8,
    ) -> Result<u8, Dropped> {
        let interface = *self.interface(hop);
        if hop.is_stack() || !interface.has_neighbours() {
            return Ok(NO_NEIGHBOUR);
        }
        if interface.network.is_edge(destination) {
            // A broadcast that was not for the link it arrived from (RFC 2644).
            return Err(Dropped::Group);
        }
        let next = if interface.network.contains(destination) {
            destination
        } else {
            match self.route_of(Some(hop), destination).map(|route| route.gateway) {
                Some(0) => destination,
                Some(gateway) => gateway,
                None => interface.gateway.filter(|gateway| *gateway != 0).ok_or(Dropped::NoRoute)?,
            }
        };
        self.need_neighbour(now, hop, next, None, keep)
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
        self.check_quota(now, place)?;
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

    fn check_quota(&mut self, now: Instant, host: u8) -> Result<(), Dropped> {
        let Some(neighbour) = self.neighbours.neighbour(host) else { return Ok(()) };
        if neighbour.flows < self.host_quota {
            return Ok(());
        }
        let address = address(neighbour.address);
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

fn opening(
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
        HopKind::Wan(_) | HopKind::Modem(_) => Zone::Wan,
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
