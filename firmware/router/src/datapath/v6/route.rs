//! Where IPv6 packets go: the longest network that fits, of those the one that asks for the longest source (RFC 8028 §3.1), of
//! those the first; and over which neighbour.

use smoltcp::time::Instant;

use super::address::{Address, UNSPECIFIED};
use super::{Medium, Route};
use crate::Dropped;
use crate::datapath::Datapath;
use crate::datapath::flow::NO_NEIGHBOUR;
use crate::datapath::interface::{Hop, HopKind};
use gatelet_wire::EthernetAddress;

/// A way, and the router to send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) hop: Hop,
    /// Unspecified: the destination itself.
    pub(super) gateway: Address,
}

impl Datapath<'_> {
    /// Where packets from `source` to `destination` go. `from` is where they come from: a WAN's own stack speaks through its WAN
    /// and the tunnels over it alone, and to the LAN.
    pub(super) fn route6(&self, from: Hop, source: &Address, destination: &Address) -> Option<Target> {
        let may_use = |hop: Hop| match from.kind() {
            HopKind::Stack(wan) => match hop.kind() {
                HopKind::Tunnel(id) => self.tunnel(id).is_some_and(|tunnel| tunnel.wan == Hop::wan(wan)),
                _ => hop == Hop::wan(wan) || hop == Hop::LAN,
            },
            _ => true,
        };
        let is_up = |hop: Hop| hop == Hop::NONE || self.link6(hop).is_some_and(super::Link::is_up);
        let mut best: Option<(u8, u8, Target)> = None;
        let mut consider = |prefix_len: u8, source_len: u8, hop: Hop, gateway: Address| {
            if best.is_none_or(|known| (known.0, known.1) < (prefix_len, source_len)) {
                best = Some((prefix_len, source_len, Target { hop, gateway }));
            }
        };
        for hop in Hop::all6().filter(|hop| may_use(*hop)) {
            if self.link6(hop).is_none_or(|link| !link.is_up() || link.medium == Medium::Stack) {
                continue;
            }
            for own in self.addresses6(hop).iter().filter(|own| own.prefix_len < 128) {
                if own.contains(destination) {
                    consider(own.prefix_len, 0, hop, UNSPECIFIED);
                }
            }
        }
        for Route { hop, destination: network, source: wanted, gateway } in &self.v6.routes {
            if may_use(*hop) && is_up(*hop) && network.contains(destination) && wanted.contains(source) {
                consider(network.prefix_len, wanted.prefix_len, *hop, *gateway);
            }
        }
        best.map(|(_, _, target)| target).filter(|target| target.hop != Hop::NONE)
    }

    /// Whether packets to `address` would go out of `hop`, whoever sends them.
    pub(super) fn is_behind(&self, hop: Hop, address: &Address) -> bool {
        self.route6(hop, &UNSPECIFIED, address).is_some_and(|target| target.hop == hop)
    }

    /// The neighbour to send to, where the link has neighbours. `keep` is one that the same packet needs too.
    pub(super) fn next_hop6(
        &mut self,
        now: Instant,
        target: Target,
        destination: &Address,
        keep: u8,
    ) -> Result<u8, Dropped> {
        let medium = self.link6(target.hop).map_or(Medium::Down, |link| link.medium);
        match medium {
            Medium::Ethernet => {
                let next = if target.gateway == UNSPECIFIED { destination } else { &target.gateway };
                self.need_neighbour6(now, target.hop, next, None, keep)
            }
            Medium::Tunnel(_) => self.prepare_tunnel(now, target.hop).map(|()| NO_NEIGHBOUR),
            Medium::Down | Medium::Stack | Medium::Ppp => Ok(NO_NEIGHBOUR),
        }
    }

    /// The other way: the neighbour over which packets to `source` go back to `hop`, where they came from.
    pub(super) fn way_back6(
        &mut self,
        now: Instant,
        hop: Hop,
        source: &Address,
        keep: u8,
    ) -> Result<u8, Dropped> {
        let back = self.route6(hop, &UNSPECIFIED, source).filter(|target| target.hop == hop);
        let back = back.unwrap_or_else(|| {
            // By a route that asks for the source: the gateway of the widest on this link will do.
            let on_link = self.v6.routes.iter().filter(|route| route.hop == hop);
            let widest = on_link.min_by_key(|route| route.destination.prefix_len);
            Target { hop, gateway: widest.map_or(UNSPECIFIED, |route| route.gateway) }
        });
        self.next_hop6(now, back, source, keep)
    }

    pub(super) fn need_neighbour6(
        &mut self,
        now: Instant,
        hop: Hop,
        next: &Address,
        mac: Option<EthernetAddress>,
        keep: u8,
    ) -> Result<u8, Dropped> {
        let mut given_up = None;
        let place = self.v6.neighbours.need(now, hop, next, mac, keep, |place| given_up = Some(place));
        if let Some(place) = given_up {
            // Flows of others may lead to it: not any more.
            self.drop_waiting6(place);
            self.next_epoch();
        }
        place.ok_or(Dropped::NeighbourTableFull)
    }
}
