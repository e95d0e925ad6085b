//! The last steps of a packet: cut to the link's MTU, given its header, held while its neighbour is asked for.

use gatelet_hal::{Frame, PortId};
use smoltcp::time::Instant;

use super::flow::NO_NEIGHBOUR;
use super::interface::{Hop, Mac};
use super::packet::HEADER_LEN;
use super::slow::Outcome;
use super::{Datapath, checksum, stack_egress};
use crate::Dropped;
use crate::router::Egress;

impl<'p> Datapath<'p> {
    /// Sends the IP packet in `frame` out of `hop`.
    pub(super) fn send(
        &mut self,
        now: Instant,
        hop: Hop,
        neighbour: u8,
        frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        if let Some(egress) = stack_egress(hop) {
            self.traffic[hop.index()].count_sent(frame.len());
            return Ok(Outcome::Sent(egress, frame));
        }
        if !self.interface(hop).is_up() {
            return Err(Dropped::NetworkDown);
        }
        let mtu = usize::from(self.interface(hop).mtu);
        if frame.len() <= mtu {
            return self.send_whole(now, hop, neighbour, frame);
        }
        self.send_in_fragments(now, hop, neighbour, &frame, mtu)?;
        Ok(Outcome::Kept)
    }

    fn send_whole(
        &mut self,
        now: Instant,
        hop: Hop,
        neighbour: u8,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let interface = *self.interface(hop);
        let mac = match neighbour {
            NO_NEIGHBOUR => Mac::ZERO,
            neighbour => {
                let known = self.neighbours.neighbour(neighbour).ok_or(Dropped::Unreachable)?;
                if let Some(mac) = known.reachable() {
                    mac
                } else {
                    self.neighbours.hurry(now, neighbour);
                    self.wait_for(neighbour, frame)?;
                    return Ok(Outcome::Kept);
                }
            }
        };
        self.traffic[hop.index()].count_sent(frame.len());
        if !interface.framing.push(&mut frame, mac) {
            return Err(Dropped::NoHeadroom);
        }
        Ok(Outcome::Sent(Egress::Port(interface.port), frame))
    }

    /// Holds a frame until its neighbour has answered: the two newest of each (RFC 1122 §2.3.2.2 asks for at least one).
    fn wait_for(&mut self, neighbour: u8, frame: Frame<'p>) -> Result<(), Dropped> {
        if self.waiting.iter().filter(|waiting| waiting.0 == neighbour).count() >= WAITING_EACH
            && let Some(oldest) = self.waiting.iter().position(|waiting| waiting.0 == neighbour)
        {
            self.waiting.remove(oldest);
            self.waited_in_vain += 1;
        }
        self.waiting.push((neighbour, frame)).map_err(|_| Dropped::Unreachable)
    }

    /// Forgets what waits for a neighbour.
    pub(super) fn drop_waiting(&mut self, neighbour: u8) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.0 != neighbour);
        self.waited_in_vain += (before - self.waiting.len()) as u32;
    }

    /// Sends what waited for a neighbour that can be reached now.
    pub(super) fn release_waiting(&mut self, now: Instant, neighbour: u8) {
        while let Some(place) = self.waiting.iter().position(|waiting| waiting.0 == neighbour) {
            let (_, frame) = self.waiting.remove(place);
            let Some(hop) = self.neighbours.neighbour(neighbour).map(super::neighbour::Neighbour::hop) else {
                return;
            };
            if let Ok(Outcome::Sent(egress, frame)) = self.send_whole(now, hop, neighbour, frame) {
                let _ = self.queue(egress, frame);
            }
        }
    }

    /// Sends a packet that is too long in parts (RFC 791 §3.2), each in a frame of the router's own.
    fn send_in_fragments(
        &mut self,
        now: Instant,
        hop: Hop,
        neighbour: u8,
        frame: &Frame<'p>,
        mtu: usize,
    ) -> Result<(), Dropped> {
        let bytes = frame.bytes();
        let header_len = bytes.first().map_or(0, |first| usize::from(first & 0x0F) * 4);
        let (header, payload) =
            bytes.split_at_checked(header_len.max(HEADER_LEN)).ok_or(Dropped::Malformed)?;
        let field = u16::from_be_bytes([header[6], header[7]]);
        let (offset, more_follow) = (usize::from(field & 0x1FFF) * 8, field & MORE_FRAGMENTS != 0);
        let step = mtu.saturating_sub(header.len()) / 8 * 8;
        if step == 0 {
            return Err(Dropped::TooLong);
        }
        let parts = payload.chunks(step).count();
        for (n, part) in payload.chunks(step).enumerate() {
            let mut fragment = self.pool.take(PortId::LOCAL).ok_or(Dropped::OutOfFrames)?;
            fragment.clear(Frame::IP_HEADROOM);
            if !fragment.extend(header) || !fragment.extend(part) {
                return Err(Dropped::TooLong);
            }
            let len = fragment.len() as u16;
            let head = fragment.bytes_mut().get_mut(..header.len()).ok_or(Dropped::Malformed)?;
            head[2..4].copy_from_slice(&len.to_be_bytes());
            let more = n + 1 < parts || more_follow;
            let field = ((offset + n * step) / 8) as u16 | if more { MORE_FRAGMENTS } else { 0 };
            head[6..8].copy_from_slice(&field.to_be_bytes());
            if n > 0 {
                blank_uncopied_options(&mut head[HEADER_LEN..]);
            }
            head[10..12].fill(0);
            let sum = checksum::of(head, 0);
            head[10..12].copy_from_slice(&sum.to_ne_bytes());
            if let Outcome::Sent(egress, fragment) = self.send_whole(now, hop, neighbour, fragment)? {
                self.queue(egress, fragment)?;
            }
        }
        Ok(())
    }
}

/// Options without the copied flag are the first fragment's alone (RFC 791 §3.1): No Operation takes their place.
fn blank_uncopied_options(mut options: &mut [u8]) {
    while let [kind, ..] = options {
        let len = match *kind {
            0 => return,
            1 => 1,
            _ => options.get(1).map_or(0, |len| usize::from(*len)),
        };
        if len == 0 || len > options.len() {
            return;
        }
        let (option, rest) = options.split_at_mut(len);
        if option[0] & 0x80 == 0 {
            option.fill(1);
        }
        options = rest;
    }
}

const MORE_FRAGMENTS: u16 = 0x2000;
/// Frames that wait for one neighbour.
const WAITING_EACH: usize = 2;
