//! A world: the runtime under test at one end of a link, simulated peers at the other.
//!
//! Peers are sans-IO [`Node`]s: they are handed frames and timeouts and put what they send, and what
//! there is to tell about it, into an [`Outbox`].

pub mod flash;
mod gateway;
mod meter;
pub mod mirror;
mod network;

use smoltcp::time::Instant;

pub use self::gateway::{Access, Gateway, Ipv6Settings, LanSettings, Run, Seat, WorldPacer};
pub use self::meter::Meter;
pub use self::network::{Director, Errand, Network, Power, ROUTER_MAC, Side};
use crate::timeline::Tone;

/// A peer at the far end of a link: an access concentrator, a LAN host, ...
pub trait Node {
    /// A frame (from the Ethernet header on, no FCS) has arrived. Nodes share a segment like stations
    /// on a hub: they see frames for others too.
    fn handle_frame(&mut self, now: Instant, frame: &[u8], out: &mut Outbox);

    /// The time that [`Node::poll_at`] named has come.
    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox);

    /// When [`Node::handle_timeout`] is wanted.
    fn poll_at(&self) -> Option<Instant>;
}

/// Something worth a line in the timeline, told by a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What happened, e.g. "locks this line out for 300 s".
    pub what: String,
    /// Why, e.g. "10 PADIs within 60 s".
    pub why: String,
}

/// How remarks begin, the tag they get in the timeline, and their tone.
const REMARKS: [(&str, &str, Tone); 15] = [
    ("a session is up", "session-up", Tone::Plain),
    ("delegates", "prefix-delegated", Tone::Plain),
    ("gives the subscriber other prefixes", "renumbered", Tone::Bad),
    ("ends the session", "kick", Tone::Bad),
    ("forgets the session", "session-forgotten", Tone::Bad),
    ("locks the client out", "lockout", Tone::Bad),
    ("refuses the credentials", "credentials-refused", Tone::Bad),
    ("refuses the session", "session-refused", Tone::Bad),
    ("restarts", "restart", Tone::Bad),
    ("a neighbour on the line takes", "neighbour-joins", Tone::Plain),
    ("a neighbour on the line may not take", "neighbour-refused", Tone::Bad),
    ("a neighbour on the line finds", "neighbour-found", Tone::Plain),
    ("a neighbour on the line does not find", "neighbour-not-found", Tone::Plain),
    ("sends PADT", "padt", Tone::Bad),
    ("sends a stale PADT", "stale-padt", Tone::Notice),
];

impl Remark {
    /// The tag of its entry in the timeline.
    pub fn tag(&self) -> &'static str {
        self.kind().0
    }

    /// The tone of its entry in the timeline.
    pub fn tone(&self) -> Tone {
        self.kind().1
    }

    fn kind(&self) -> (&'static str, Tone) {
        let known = REMARKS.iter().find(|(beginning, _, _)| self.what.starts_with(beginning));
        known.map_or(("remark", Tone::Plain), |&(_, tag, tone)| (tag, tone))
    }
}

/// What a [`Node`] sends and tells. Reused from call to call: no allocation per frame.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Where each frame ends in `bytes`.
    ends: Vec<usize>,
    remarks: Vec<Remark>,
    upstream: Vec<Vec<u8>>,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a frame (from the Ethernet header on, no FCS).
    pub fn send(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    /// Sends a frame that `write` puts into a zeroed buffer of `room` octets, returning its length.
    pub fn send_with(&mut self, room: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let start = self.bytes.len();
        self.bytes.resize(start + room, 0);
        let len = write(&mut self.bytes[start..]).min(room);
        self.bytes.truncate(start + len);
        self.ends.push(start + len);
    }

    /// Tells the timeline what happened and why.
    pub fn remark(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.remarks.push(Remark { what: what.into(), why: why.into() });
    }

    /// Passes an IP packet on, away from the link: what a concentrator does with a subscriber's.
    pub fn pass_on(&mut self, packet: &[u8]) {
        self.upstream.push(packet.to_vec());
    }

    /// Takes the packets out that were passed on.
    pub fn take_passed_on(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.upstream)
    }

    /// The frames to send, in order.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// Takes the remarks out.
    pub fn take_remarks(&mut self) -> impl Iterator<Item = Remark> {
        self.remarks.drain(..)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.remarks.is_empty() && self.upstream.is_empty()
    }

    /// Forgets everything, keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.remarks.clear();
        self.upstream.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_keeps_frames_apart_and_in_order() {
        let mut out = Outbox::new();
        out.send(b"one");
        out.send_with(100, |buffer| {
            buffer[..2].copy_from_slice(b"ab");
            2
        });
        out.send(b"");
        assert_eq!(out.frames().collect::<Vec<_>>(), [&b"one"[..], b"ab", b""]);
        out.clear();
        assert_eq!(out.frames().count(), 0);
    }
}
