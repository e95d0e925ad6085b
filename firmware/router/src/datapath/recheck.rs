//! Whether a flow that was decided on under other rules, routes and addresses would be decided on as it was.

use smoltcp::time::Instant;

use super::Datapath;
use super::decide::opening;
use super::firewall::Action;
use super::flow::{Flow, NO_NEIGHBOUR, NONE};
use super::interface::Hop;
use super::packet::{destination_port, source_port};
use crate::WanId;

impl Datapath<'_> {
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
            // A link that is down has no way to anybody, and may have the same one again.
            neighbours[n] = known;
            if known != NO_NEIGHBOUR && self.interface(hop).is_up() {
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
}
