//! The last steps of an IPv6 packet: into a tunnel or behind a header, held while its neighbour is asked for.

use gatelet_hal::Frame;
use heapless::Vec;
use smoltcp::time::Instant;

use super::address::{self, Address, Scope};
use super::route::Target;
use super::{Medium, UNSPECIFIED, WAITING};
use crate::Dropped;
use crate::datapath::flow::NO_NEIGHBOUR;
use crate::datapath::interface::{Hop, Mac};
use crate::datapath::slow::Outcome;
use crate::datapath::{Datapath, stack_egress};
use crate::router::Egress;

impl<'p> Datapath<'p> {
    /// Sends the IPv6 packet in `frame` out of `hop`.
    pub(super) fn send6(
        &mut self,
        now: Instant,
        hop: Hop,
        neighbour: u8,
        frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        if let Some(egress) = stack_egress(hop) {
            return Ok(Outcome::Sent(egress, frame));
        }
        let link = self.link6(hop).ok_or(Dropped::NetworkDown)?;
        if frame.len() > usize::from(link.mtu) && link.is_up() {
            return Err(Dropped::TooLong);
        }
        match link.medium {
            Medium::Tunnel(id) => self.encapsulate(now, id, frame),
            Medium::Ppp => self.send_framed6(hop, Mac::ZERO, frame),
            Medium::Ethernet => {
                let known = self.v6.neighbours.neighbour(neighbour).ok_or(Dropped::Unreachable)?;
                if let Some(mac) = known.reachable() {
                    return self.send_framed6(hop, mac, frame);
                }
                self.v6.neighbours.hurry(now, neighbour);
                self.wait_for6(neighbour, frame)?;
                Ok(Outcome::Kept)
            }
            Medium::Down | Medium::Stack => Err(Dropped::NetworkDown),
        }
    }

    /// Puts the link's header before the packet.
    fn send_framed6(&mut self, hop: Hop, mac: Mac, mut frame: Frame<'p>) -> Result<Outcome<'p>, Dropped> {
        let link = self.v6.links.get(hop.index()).ok_or(Dropped::NetworkDown)?;
        if let Some(traffic) = self.v6.traffic.get_mut(hop.index()) {
            traffic.count_sent(frame.len());
        }
        if !link.framing.push(&mut frame, mac) {
            return Err(Dropped::NoHeadroom);
        }
        Ok(Outcome::Sent(Egress::Port(link.port), frame))
    }

    /// Sends a packet of the router's own out of `hop`: to a group, or to whom it is for.
    pub(crate) fn send_own6(&mut self, now: Instant, hop: Hop, frame: Frame<'p>) -> Result<(), Dropped> {
        let destination = address::read(frame.bytes(), 24).ok_or(Dropped::Malformed)?;
        let link = self.link6(hop).filter(|link| link.is_up()).ok_or(Dropped::NetworkDown)?;
        let sent = if link.medium == Medium::Ethernet && Scope::of(&destination) == Scope::Multicast {
            self.send_framed6(hop, group_mac(&destination), frame)?
        } else {
            let neighbour = if Scope::of(&destination) == Scope::LinkLocal {
                self.next_hop6(now, Target { hop, gateway: UNSPECIFIED }, &destination, NO_NEIGHBOUR)?
            } else {
                self.way_back6(now, hop, &destination, NO_NEIGHBOUR)?
            };
            self.send6(now, hop, neighbour, frame)?
        };
        match sent {
            Outcome::Sent(egress, frame) => self.queue(egress, frame),
            _ => Ok(()),
        }
    }

    /// The same, to a station that has just told its hardware address.
    pub(crate) fn send_to6(&mut self, hop: Hop, mac: Mac, frame: Frame<'p>) -> Result<(), Dropped> {
        match self.send_framed6(hop, mac, frame)? {
            Outcome::Sent(egress, frame) => self.queue(egress, frame),
            _ => Ok(()),
        }
    }

    /// Holds a frame until its neighbour has answered: the two newest of each (RFC 4861 §7.2.2 asks for at least one).
    fn wait_for6(&mut self, neighbour: u8, frame: Frame<'p>) -> Result<(), Dropped> {
        let waiting = &mut self.v6.waiting;
        if waiting.iter().filter(|waiting| waiting.0 == neighbour).count() >= WAITING_EACH
            && let Some(oldest) = waiting.iter().position(|waiting| waiting.0 == neighbour)
        {
            waiting.remove(oldest);
            self.waited_in_vain += 1;
        }
        self.v6.waiting.push((neighbour, frame)).map_err(|_| Dropped::Unreachable)
    }

    /// The neighbours of `hop` for which something waits.
    pub(super) fn waiting_for6(&self, hop: Hop) -> Vec<u8, WAITING> {
        let is_there =
            |place: &u8| self.v6.neighbours.neighbour(*place).is_some_and(|known| known.hop() == hop);
        self.v6.waiting.iter().map(|waiting| waiting.0).filter(is_there).collect()
    }

    /// Forgets what waits for a neighbour.
    pub(super) fn drop_waiting6(&mut self, neighbour: u8) {
        let before = self.v6.waiting.len();
        self.v6.waiting.retain(|waiting| waiting.0 != neighbour);
        self.waited_in_vain += (before - self.v6.waiting.len()) as u32;
    }

    /// Sends what waited for a neighbour that can be reached now.
    pub(super) fn release_waiting6(&mut self, now: Instant, neighbour: u8) {
        self.answer_askers6(neighbour);
        while let Some(place) = self.v6.waiting.iter().position(|waiting| waiting.0 == neighbour) {
            let (_, frame) = self.v6.waiting.remove(place);
            let Some(hop) = self.v6.neighbours.neighbour(neighbour).map(super::Neighbour6::hop) else {
                return;
            };
            if let Ok(Outcome::Sent(egress, frame)) = self.send6(now, hop, neighbour, frame) {
                let _ = self.queue(egress, frame);
            }
        }
    }
}

/// Where a group is on Ethernet (RFC 2464 §7).
fn group_mac(group: &Address) -> Mac {
    Mac { head: u16::from_ne_bytes([0x33, 0x33]), tail: group[3] }
}

/// Frames that wait for one neighbour.
const WAITING_EACH: usize = 2;
