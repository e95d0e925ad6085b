//! Where packets go: networks on the link, routes of DHCP servers, the WANs; and over which neighbour.

use smoltcp::time::Instant;

use super::flow::NO_NEIGHBOUR;
use super::interface::{Hop, HopKind};
use super::{Datapath, Route};
use crate::{Dropped, WanId};

impl Datapath<'_> {
    /// Whether packets still go that way, or would if it were up. What went to the Internet by a line goes on there, as long as
    /// it is up, whichever line is first for new flows.
    pub(super) fn routes_to(&self, from: Hop, destination: u32, to: Hop) -> bool {
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
    pub(super) fn default_route(&self) -> Option<Hop> {
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
}
