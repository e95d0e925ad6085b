//! Fragments (RFC 8200 §4.5): forwarded one by one, as [those of IPv4](crate::datapath::fragment) are. The first one decides, the
//! others follow. One that overlaps another takes its datagram with it (RFC 5722 §4, RFC 6092 REC-18).

use core::mem::size_of;

use gatelet_hal::Frame;
use heapless::Vec;

use super::address::{Address, UNSPECIFIED};
use super::packet::{Fragment6, Packet6};
use crate::Dropped;
use crate::datapath::flow::Direction;
use crate::datapath::fragment::Parts;
use crate::datapath::interface::Hop;

/// A datagram of which fragments pass. 72 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Datagram6 {
    source: Address,
    destination: Address,
    id: u32,
    /// In ticks.
    began: u32,
    parts: Parts,
    /// Its flow, once the first fragment has come.
    flow: Option<(u16, Direction)>,
    hop: Hop,
    in_use: bool,
    poisoned: bool,
}

const _: () = assert!(size_of::<Datagram6>() <= 72);

impl Datagram6 {
    pub(crate) const FREE: Self = Self {
        source: UNSPECIFIED,
        destination: UNSPECIFIED,
        id: 0,
        began: 0,
        parts: Parts::NONE,
        flow: None,
        hop: Hop::LAN,
        in_use: false,
        poisoned: false,
    };

    fn is_of(&self, packet: &Packet6, fragment: Fragment6, hop: Hop) -> bool {
        self.in_use
            && (self.id, self.hop) == (fragment.id, hop)
            && (self.source, self.destination) == (packet.source, packet.destination)
    }
}

/// What is to be done with a fragment.
#[derive(Debug)]
pub(crate) enum Verdict6<'p> {
    /// It is the first: it finds its flow by itself, and [`FragmentTable6::note`] is to be told.
    First(Frame<'p>),
    /// It goes the way of its flow.
    Follows(u16, Direction, Frame<'p>),
    /// It waits for the first.
    Held,
}

/// The datagrams of which fragments pass. A full table forgets the oldest. Fragments that wait are held by frames of their own
/// port's quota, [`HELD`] at most: the one that has waited for longest makes room.
#[derive(Debug)]
pub(crate) struct FragmentTable6<'a, 'p> {
    datagrams: &'a mut [Datagram6],
    /// Fragments that waited in vain and were not told of yet.
    in_vain: u32,
    held: Vec<(u8, Packet6, Frame<'p>), HELD>,
}

impl<'a, 'p> FragmentTable6<'a, 'p> {
    pub(crate) fn new(datagrams: &'a mut [Datagram6]) -> Self {
        let places = datagrams.len().min(usize::from(u8::MAX));
        let datagrams = &mut datagrams[..places];
        datagrams.fill(Datagram6::FREE);
        Self { datagrams, in_vain: 0, held: Vec::new() }
    }

    /// Takes a fragment that arrived at `hop`.
    pub(crate) fn handle(
        &mut self,
        now: u32,
        hop: Hop,
        packet: &Packet6,
        fragment: Fragment6,
        frame: Frame<'p>,
    ) -> Result<Verdict6<'p>, Dropped> {
        let end = u32::from(fragment.offset) + u32::from(fragment.len);
        let is_odd = fragment.more && !fragment.len.is_multiple_of(8);
        if fragment.len == 0 || end > 0xFFFF || is_odd {
            return Err(Dropped::Malformed);
        }
        let (first, end) = (fragment.offset, end as u16);
        let place = self.place(now, hop, packet, fragment).ok_or(Dropped::FragmentTableFull)?;
        let datagram = self.datagrams.get_mut(usize::from(place)).ok_or(Dropped::FragmentTableFull)?;
        if !datagram.poisoned && datagram.parts.has(first, end) {
            return Err(Dropped::FragmentOverlap);
        }
        if datagram.poisoned || !datagram.parts.add(first, end) {
            datagram.poisoned = true;
            self.drop_held(place);
            return Err(Dropped::FragmentOverlap);
        }
        if first == 0 {
            return Ok(Verdict6::First(frame));
        }
        if let Some((flow, direction)) = datagram.flow {
            return Ok(Verdict6::Follows(flow, direction, frame));
        }
        if self.held.is_full() {
            self.held.remove(0);
            self.in_vain += 1;
        }
        self.held.push((place, *packet, frame)).map_err(|_| Dropped::FragmentsWaiting)?;
        Ok(Verdict6::Held)
    }

    fn drop_held(&mut self, place: u8) {
        let before = self.held.len();
        self.held.retain(|held| held.0 != place);
        self.in_vain += (before - self.held.len()) as u32;
    }

    /// The first fragment of `packet`'s datagram went the way of this flow.
    pub(crate) fn note(&mut self, hop: Hop, packet: &Packet6, fragment: Fragment6, flow: (u16, Direction)) {
        if let Some(datagram) = self.datagrams.iter_mut().find(|known| known.is_of(packet, fragment, hop)) {
            datagram.flow = Some(flow);
        }
    }

    /// A fragment whose first one has come meanwhile.
    pub(crate) fn release(&mut self) -> Option<(u16, Direction, Packet6, Frame<'p>)> {
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
        self.forget(|datagram| now.wrapping_sub(datagram.began) > LIFETIME);
        core::mem::replace(&mut self.in_vain, 0)
    }

    fn forget(&mut self, is_over: impl Fn(&Datagram6) -> bool) {
        for place in 0..self.datagrams.len() {
            if self.datagrams[place].in_use && is_over(&self.datagrams[place]) {
                self.datagrams[place] = Datagram6::FREE;
                self.drop_held(place as u8);
            }
        }
    }

    /// Whether nothing will have to expire.
    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.iter().all(|datagram| !datagram.in_use)
    }

    fn place(&mut self, now: u32, hop: Hop, packet: &Packet6, fragment: Fragment6) -> Option<u8> {
        if let Some(known) = self.datagrams.iter().position(|known| known.is_of(packet, fragment, hop)) {
            return Some(known as u8);
        }
        let free = self.datagrams.iter().position(|known| !known.in_use);
        let place = free.or_else(|| {
            let ages = self.datagrams.iter().map(|known| now.wrapping_sub(known.began)).enumerate();
            ages.max_by_key(|(_, age)| *age).map(|(place, _)| place)
        })?;
        self.drop_held(place as u8);
        *self.datagrams.get_mut(place)? = Datagram6 {
            source: packet.source,
            destination: packet.destination,
            id: fragment.id,
            hop,
            began: now,
            in_use: true,
            ..Datagram6::FREE
        };
        Some(place as u8)
    }
}

/// Fragments that wait for their first one.
const HELD: usize = 4;
/// Ticks from the first fragment seen; RFC 8200 §4.5 gives a host 60 s, most fragments come within one.
const LIFETIME: u32 = 30;
