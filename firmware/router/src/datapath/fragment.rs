//! Fragments (RFC 4787 REQ-14): translated one by one, never put together.
//!
//! Only the first carries ports. It finds its flow and leaves a note; the others follow the note by addresses, protocol and
//! identification. Those that come before the first wait for it: few, and not for long. A fragment that overlaps another of its
//! datagram is dropped, and with it all that come later: it is somebody's trick (RFC 1858, RFC 5722 §4). One that has come before in
//! whole was doubled by the network: it is dropped alone.

use core::mem::size_of;

use gatelet_hal::Frame;
use heapless::Vec;

use super::flow::Direction;
use super::interface::Hop;
use super::packet::{Fragment, Packet, TCP};
use crate::Dropped;

/// A datagram of which fragments pass. 48 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Datagram {
    source: u32,
    destination: u32,
    id: u16,
    /// 0: a free place.
    protocol: u8,
    hop: Hop,
    /// Its flow, once the first fragment has come.
    flow: Option<(u16, Direction)>,
    poisoned: bool,
    parts: Parts,
    /// In ticks.
    began: u32,
}

const _: () = assert!(size_of::<Datagram>() <= 48);

impl Datagram {
    pub(crate) const FREE: Self = Self {
        source: 0,
        destination: 0,
        id: 0,
        protocol: 0,
        hop: Hop::LAN,
        flow: None,
        poisoned: false,
        parts: Parts::NONE,
        began: 0,
    };

    fn is_of(&self, packet: &Packet, fragment: Fragment, hop: Hop) -> bool {
        (self.source, self.destination) == (packet.source, packet.destination)
            && (self.id, self.protocol, self.hop) == (fragment.id, packet.protocol, hop)
    }
}

/// Parts of a datagram that have come, as pairs of first byte and the one behind the last; (0, 0) is none. Parts that touch are
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts([(u16, u16); PARTS]);

impl Parts {
    pub(crate) const NONE: Self = Self([(0, 0); PARTS]);

    /// Whether all of a part has come before: the network has doubled it.
    pub(crate) fn has(&self, first: u16, end: u16) -> bool {
        self.0.iter().any(|part| part.0 <= first && end <= part.1)
    }

    /// Adds a part. False if it overlaps one that has come, or is one too many.
    pub(crate) fn add(&mut self, mut first: u16, mut end: u16) -> bool {
        if self.0.iter().any(|part| part.0 < part.1 && first < part.1 && part.0 < end) {
            return false;
        }
        // What touches it, on the left and on the right, becomes one with it.
        for part in self.0.iter_mut().filter(|part| part.0 < part.1) {
            if part.1 == first {
                first = part.0;
            } else if part.0 == end {
                end = part.1;
            } else {
                continue;
            }
            *part = (0, 0);
        }
        match self.0.iter_mut().find(|part| part.0 == part.1) {
            Some(part) => {
                *part = (first, end);
                true
            }
            None => false,
        }
    }
}

/// What is to be done with a fragment.
#[derive(Debug)]
pub(crate) enum Verdict<'p> {
    /// It is the first: it finds its flow by itself, and [`FragmentTable::note`] is to be told.
    First(Frame<'p>),
    /// It goes the way of its flow.
    Follows(u16, Direction, Frame<'p>),
    /// It waits for the first.
    Held,
}

/// The datagrams of which fragments pass. A full table forgets the oldest. Fragments that wait are held by frames of their own
/// port's quota, [`HELD`] at most: the one that has waited for longest makes room.
#[derive(Debug)]
pub(crate) struct FragmentTable<'a, 'p> {
    datagrams: &'a mut [Datagram],
    /// Fragments that waited in vain and were not told of yet.
    in_vain: u32,
    held: Vec<(u8, Packet, Frame<'p>), HELD>,
}

impl<'a, 'p> FragmentTable<'a, 'p> {
    pub(crate) fn new(datagrams: &'a mut [Datagram]) -> Self {
        let places = datagrams.len().min(usize::from(u8::MAX));
        let datagrams = &mut datagrams[..places];
        datagrams.fill(Datagram::FREE);
        Self { datagrams, in_vain: 0, held: Vec::new() }
    }

    /// Takes a fragment that arrived at `hop`.
    pub(crate) fn handle(
        &mut self,
        now: u32,
        hop: Hop,
        packet: &Packet,
        fragment: Fragment,
        frame: Frame<'p>,
    ) -> Result<Verdict<'p>, Dropped> {
        let payload = packet.len - packet.header_len;
        let end = usize::from(fragment.offset) + payload;
        if payload == 0 || end > 0xFFFF || fragment.more && !payload.is_multiple_of(8) {
            return Err(Dropped::Malformed);
        }
        // A second fragment that reaches into TCP's header (RFC 3128).
        if packet.protocol == TCP && fragment.offset > 0 && fragment.offset < 24 {
            return Err(Dropped::FragmentOverlap);
        }
        let place = self.place(now, hop, packet, fragment).ok_or(Dropped::FragmentTableFull)?;
        let datagram = self.datagrams.get_mut(usize::from(place)).ok_or(Dropped::FragmentTableFull)?;
        if !datagram.poisoned && datagram.parts.has(fragment.offset, end as u16) {
            return Err(Dropped::FragmentOverlap);
        }
        if datagram.poisoned || !datagram.parts.add(fragment.offset, end as u16) {
            datagram.poisoned = true;
            self.drop_held(place);
            return Err(Dropped::FragmentOverlap);
        }
        if fragment.offset == 0 {
            return Ok(Verdict::First(frame));
        }
        if let Some((flow, direction)) = datagram.flow {
            return Ok(Verdict::Follows(flow, direction, frame));
        }
        if self.held.is_full() {
            self.held.remove(0);
            self.in_vain += 1;
        }
        self.held.push((place, *packet, frame)).map_err(|_| Dropped::FragmentsWaiting)?;
        Ok(Verdict::Held)
    }

    fn drop_held(&mut self, place: u8) {
        let before = self.held.len();
        self.held.retain(|held| held.0 != place);
        self.in_vain += (before - self.held.len()) as u32;
    }

    /// The first fragment of `packet`'s datagram went the way of this flow.
    pub(crate) fn note(&mut self, hop: Hop, packet: &Packet, fragment: Fragment, flow: (u16, Direction)) {
        if let Some(datagram) = self.datagrams.iter_mut().find(|known| known.is_of(packet, fragment, hop)) {
            datagram.flow = Some(flow);
        }
    }

    /// A fragment whose first one has come meanwhile.
    pub(crate) fn release(&mut self) -> Option<(u16, Direction, Packet, Frame<'p>)> {
        let ready = self.held.iter().position(|(place, _, _)| {
            self.datagrams.get(usize::from(*place)).is_some_and(|datagram| datagram.flow.is_some())
        })?;
        let (place, packet, frame) = self.held.remove(ready);
        let (flow, direction) = self.datagrams.get(usize::from(place))?.flow?;
        Some((flow, direction, packet, frame))
    }

    /// Forgets what a flow that is gone was noted for.
    pub(crate) fn forget_flow(&mut self, flow: u16) {
        self.forget(|datagram| datagram.flow.is_some_and(|noted| noted.0 == flow));
    }

    /// Forgets datagrams that began too long ago, and what waits for them. Answers how many frames have waited in vain since the
    /// last call.
    pub(crate) fn expire(&mut self, now: u32) -> u32 {
        self.forget(|datagram| datagram.protocol != 0 && now.wrapping_sub(datagram.began) > LIFETIME);
        core::mem::replace(&mut self.in_vain, 0)
    }

    fn forget(&mut self, is_over: impl Fn(&Datagram) -> bool) {
        for place in 0..self.datagrams.len() {
            if is_over(&self.datagrams[place]) {
                self.datagrams[place] = Datagram::FREE;
                self.drop_held(place as u8);
            }
        }
    }

    /// Whether anything will have to expire.
    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.iter().all(|datagram| datagram.protocol == 0)
    }

    fn place(&mut self, now: u32, hop: Hop, packet: &Packet, fragment: Fragment) -> Option<u8> {
        if let Some(known) = self.datagrams.iter().position(|known| known.is_of(packet, fragment, hop)) {
            return Some(known as u8);
        }
        let free = self.datagrams.iter().position(|known| known.protocol == 0);
        let place = free.or_else(|| {
            let ages = self.datagrams.iter().map(|known| now.wrapping_sub(known.began)).enumerate();
            ages.max_by_key(|(_, age)| *age).map(|(place, _)| place)
        })?;
        self.drop_held(place as u8);
        *self.datagrams.get_mut(place)? = Datagram {
            source: packet.source,
            destination: packet.destination,
            id: fragment.id,
            protocol: packet.protocol,
            hop,
            began: now,
            ..Datagram::FREE
        };
        Some(place as u8)
    }
}

/// Gaps that may be open at once in a datagram whose fragments come out of order.
const PARTS: usize = 4;
/// Fragments that wait for their first one.
const HELD: usize = 4;
/// Ticks from the first fragment seen: reassembly takes 15 to 60 s (RFC 1122 §3.3.2 asks for 60 to 120 of a host).
const LIFETIME: u32 = 30;
