//! The first packet of the most common kind of flow, opened from within the fast path: a host on the LAN that is known, and
//! something on the Internet, over the line that everything goes by.
//!
//! What the slow path would decide is the same for all such packets as long as rules, routes and addresses stay what they are,
//! so it is worked out once for each epoch. Whatever is not plain (a rule, a port forward, a destination on a link or behind a
//! route, a host we have not heard of, its quota, a full table, a port that somebody else has) is left to the slow path, and
//! nothing has changed.

use heapless::Vec;

use super::Datapath;
use super::checksum::{fold, replacement};
use super::flow::{NO_NEIGHBOUR, State, Tuple, tick};
use super::interface::{Hop, Network};
use super::packet::{destination_port, pair, source_port, swapped};
use smoltcp::time::Instant;

/// Where everything goes that goes nowhere in particular.
#[derive(Debug)]
pub(super) struct Outward {
    /// When it was worked out. It never is [`NEVER`] in force.
    epoch: u16,
    /// [`Hop::NONE`]: nothing can be opened this way.
    to: Hop,
    /// The provider's gateway, where the link has neighbours.
    neighbour: u8,
    /// Our address there, in memory order.
    address: u32,
    /// The network of the LAN, and what is no host in it: its own address, its broadcast address, ours.
    lan: Network,
    not_hosts: [u32; 3],
    /// What is not on the Internet, or is ourselves.
    elsewhere: Vec<Network, ELSEWHERE>,
}

/// No epoch: [`Datapath::next_epoch`] leaves it out.
pub(super) const NEVER: u16 = 0;
/// More networks than that, and the slow path decides.
const ELSEWHERE: usize = 8;

impl Outward {
    pub(super) const UNKNOWN: Self = Self {
        epoch: NEVER,
        to: Hop::NONE,
        neighbour: NO_NEIGHBOUR,
        address: 0,
        lan: Network::NOWHERE,
        not_hosts: [0; 3],
        elsewhere: Vec::new(),
    };
}

impl Datapath<'_> {
    /// Opens the flow of a packet that came from the LAN, of TCP or UDP. Answers its place.
    #[inline(never)]
    pub(super) fn open_outward(&mut self, now: Instant, tuple: &Tuple, protocol: u8) -> Option<u16> {
        if self.outward.epoch != self.epoch && !self.find_outward() {
            return None;
        }
        let outward = &self.outward;
        let Tuple { source, destination, ports } = *tuple;
        let first = destination as u8;
        let is_unicast = first != 0 && first != 127 && first < 224;
        let is_host = outward.lan.contains(source) && !outward.not_hosts.contains(&source);
        if !is_unicast || !is_host || outward.elsewhere.iter().any(|network| network.contains(destination)) {
            return None;
        }
        let to = outward.to;
        let host = self.neighbours.find(Hop::LAN, source)?;
        let account = self.neighbours.neighbour(host)?;
        if account.flows >= self.quota() || account.reachable().is_none() {
            return None;
        }
        let (mapping, external) =
            self.mappings.hold_or_keep_port(to, protocol, source, source_port(ports))?;
        let kept = source_port(ports);
        let new_ports = if external == kept { ports } else { pair(external, destination_port(ports)) };
        let reverse = Tuple { source: destination, destination: outward.address, ports: swapped(new_ports) };
        let Some((place, flow)) = self.flows.insert_new(protocol, (tuple, Hop::LAN), (&reverse, to)) else {
            self.mappings.release(mapping);
            return None;
        };
        let addresses = replacement(source, outward.address);
        // Field by field: to put it together elsewhere and copy it costs 50 instructions.
        flow.forward = *tuple;
        flow.reverse = reverse;
        flow.seen = tick(now);
        flow.ip_difference = fold(addresses);
        flow.transport_difference = fold(addresses + replacement(ports, new_ports));
        flow.epoch = self.epoch;
        flow.mapping = mapping;
        flow.protocol = protocol;
        flow.state = State::NEW;
        flow.from = Hop::LAN;
        flow.to = to;
        flow.from_neighbour = host;
        flow.to_neighbour = outward.neighbour;
        flow.host = host;
        self.neighbours.charge(host, 1);
        Some(place)
    }

    /// Works out [`Outward`] for this epoch. False if that cannot be done yet.
    #[cold]
    #[inline(never)]
    fn find_outward(&mut self) -> bool {
        let Some(found) = self.outward() else { return false };
        let is_found = found.to != Hop::NONE;
        self.outward = found;
        is_found
    }

    /// `None`: only for now.
    fn outward(&self) -> Option<Outward> {
        let nothing = Outward { epoch: self.epoch, ..Outward::UNKNOWN };
        let lan = self.interface(Hop::LAN);
        let (Some(lan_address), Some(to)) = (lan.address, self.default_route()) else { return Some(nothing) };
        let line = self.interface(to);
        let asks_more = !self.firewall.rules.is_empty() || !self.firewall.forwards.is_empty();
        let (Some(address), true, false) = (line.address, line.masquerades, asks_more) else {
            return Some(nothing);
        };
        let mut elsewhere = Vec::new();
        for interface in Hop::all().filter(|hop| !hop.is_stack()).map(|hop| self.interface(hop)) {
            let Some(ours) = interface.address else { continue };
            if ours != lan_address && lan.network.contains(ours) {
                return Some(nothing);
            }
            let network = if interface.has_neighbours() { interface.network } else { Network::host(ours) };
            if elsewhere.push(network).is_err()
                || !network.contains(ours) && elsewhere.push(Network::host(ours)).is_err()
            {
                return Some(nothing);
            }
        }
        for route in &self.routes {
            if elsewhere.push(route.network).is_err() {
                return Some(nothing);
            }
        }
        let neighbour = if line.has_neighbours() {
            let gateway = line.gateway.filter(|gateway| *gateway != 0)?;
            let place = self.neighbours.find(to, gateway)?;
            self.neighbours.neighbour(place)?.reachable()?;
            place
        } else {
            NO_NEIGHBOUR
        };
        let (epoch, lan) = (self.epoch, lan.network);
        // A network of two has no other addresses than its hosts'.
        let [first, last] =
            [lan.first(), lan.broadcast()].map(|edge| if lan.is_edge(edge) { edge } else { lan_address });
        Some(Outward { epoch, to, neighbour, address, lan, not_hosts: [first, last, lan_address], elsewhere })
    }
}
