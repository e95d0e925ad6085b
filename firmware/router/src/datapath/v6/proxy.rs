//! Answering for hosts that are elsewhere (RFC 4389), on a link that has their network too.
//!
//! ```text
//!   NS for one of a proxied network ─► routed to another side of ours?
//!        behind a tunnel, or another router ─────────────────────► NA: whatever is there is ours to reach
//!        on the LAN: known ──────────────────────────────────────► NA
//!                    not known ─► asked for there ─► it answers ─► NA
//!                                                └─► nobody does: nothing is said, it may be anybody's
//! ```
//!
//! Where carrier and LAN share one /64, most of its addresses are nobody's, and some are those of other stations of the carrier's: to
//! answer for all of them would take these their packets, and the address itself from who is about to take one (RFC 4862 §5.4).

use gatelet_wire::EthernetAddress;
use smoltcp::time::Instant;

use super::Medium;
use super::address::{Address, Scope, UNSPECIFIED};
use super::route::Target;
use crate::Dropped;
use crate::datapath::Datapath;
use crate::datapath::flow::NO_NEIGHBOUR;
use crate::datapath::interface::Hop;

/// A solicitation that can be answered once the host it is about has been heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The host, by its place among the neighbours and by its address.
    place: u8,
    target: Address,
    asker: Asker,
}

/// Who is to be answered, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) hop: Hop,
    /// An address, or all nodes where it has none yet.
    pub(super) to: Address,
    /// Its station; `None` on a link without such.
    pub(super) mac: Option<EthernetAddress>,
}

impl Datapath<'_> {
    /// The way to a host for whom we answer on `hop`; `None`: we do not.
    pub(super) fn proxied_way(&self, hop: Hop, target: &Address) -> Option<Target> {
        let is_listed =
            self.v6.proxied.iter().any(|(known, network)| *known == hop && network.contains(target));
        if !is_listed
            || self.owner6(target).is_some_and(|owner| owner == hop)
            || !Scope::of(target).is_routable()
        {
            return None;
        }
        let way = self.route6(Hop::NONE, &UNSPECIFIED, target)?;
        (way.hop != hop && self.is_served(way.hop)).then_some(way)
    }

    /// Whether the host behind `way` is there. If that is not known, it is asked for, and `asker` hears of it when it answers. Of
    /// those who wait the oldest is forgotten where there are more than [`ASKERS`]: he asks again.
    ///
    /// # Errors
    /// More is asked than our own hosts are to be disturbed for, or there is no place for another neighbour.
    pub(super) fn is_there6(
        &mut self,
        now: Instant,
        way: Target,
        target: &Address,
        asker: Asker,
    ) -> Result<bool, Dropped> {
        let medium = self.link6(way.hop).map_or(Medium::Down, |link| link.medium);
        let is_ours = self.owner6(target).is_some();
        if medium != Medium::Ethernet || way.gateway != UNSPECIFIED || is_ours {
            return Ok(true);
        }
        if self.v6.neighbours.find(way.hop, target).is_none() && !self.v6.proxy.permit(now) {
            return Err(Dropped::RateLimited);
        }
        let place = self.need_neighbour6(now, way.hop, target, None, NO_NEIGHBOUR)?;
        if self.v6.neighbours.neighbour(place).is_some_and(|known| known.reachable().is_some()) {
            return Ok(true);
        }
        let question = Asked { place, target: *target, asker };
        let is_known = |known: &Asked| known.target == *target && known.asker.to == asker.to;
        self.v6.asked.retain(|known| !is_known(known));
        if self.v6.asked.is_full() {
            self.v6.asked.remove(0);
        }
        // There is a place now.
        let _ = self.v6.asked.push(question);
        Ok(false)
    }

    /// The neighbour at `place` has been heard: those are answered who asked for it.
    pub(super) fn answer_askers6(&mut self, place: u8) {
        while let Some(index) = self.v6.asked.iter().position(|asked| asked.place == place) {
            let Asked { target, asker, .. } = self.v6.asked.remove(index);
            let is_it = self.v6.neighbours.neighbour(place).is_some_and(|known| known.address == target);
            if is_it && self.proxied_way(asker.hop, &target).is_some() {
                // Lost for want of a frame, it is asked for again.
                let _ = self.advertise6(&target, asker);
            }
        }
    }
}

/// Who waits for hosts to be heard.
pub(super) const ASKERS: usize = 4;
