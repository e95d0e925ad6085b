//! Flows: what was decided for the packets between two ends, both ways.

use core::mem::size_of;

use smoltcp::time::Instant;

use super::checksum;
use super::index::{Bucket, HashKey, Index};
use super::interface::Hop;
use super::packet::{ACK, FIN, ICMP, Packet, RST, SYN, TCP, swapped};

/// Addresses and ports of one way, in memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tuple {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) ports: u32,
}

impl Tuple {
    pub(crate) const fn of(packet: &Packet) -> Self {
        Self { source: packet.source, destination: packet.destination, ports: packet.ports }
    }

    /// The key of the index.
    #[inline]
    const fn words(&self, protocol: u8, hop: Hop) -> [u32; 4] {
        [self.source, self.destination, self.ports, protocol as u32 | hop.bits()]
    }

    /// As the answer has it.
    #[inline]
    pub(crate) const fn answer(self) -> Self {
        Self { source: self.destination, destination: self.source, ports: swapped(self.ports) }
    }
}

/// One IPv4 flow, both directions. 44 bytes, and 16 more in the index.
///
/// `forward` is a packet of the side that opened the flow, as it arrives; `reverse` is an answer, as it arrives. What a packet
/// is rewritten to is the other one turned round.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    pub(crate) forward: Tuple,
    pub(crate) reverse: Tuple,
    /// When a packet passed last, in ticks.
    pub(crate) seen: u32,
    /// What rewriting `forward` adds to the IP header's checksum, and to that of the transport.
    pub(crate) ip_difference: u16,
    pub(crate) transport_difference: u16,
    /// The [epoch](super::Datapath) in which it was decided.
    pub(crate) epoch: u16,
    /// Its place in the table of mappings, [`NONE`] without one.
    pub(crate) mapping: u16,
    /// 0: a free place; the next free one is in `mapping`.
    pub(crate) protocol: u8,
    pub(crate) state: State,
    /// Where `forward` arrives, and where it goes.
    pub(crate) from: Hop,
    pub(crate) to: Hop,
    /// The neighbours there, [`NO_NEIGHBOUR`] where none is needed.
    pub(crate) from_neighbour: u8,
    pub(crate) to_neighbour: u8,
    /// The neighbour on whose account it is.
    pub(crate) host: u8,
}

const _: () = assert!(size_of::<Flow>() <= 44);

/// How gladly flows are given up: by class, and within it by how long they are idle.
pub(super) const EXPIRED: u32 = 0x3_0000;
pub(super) const UNANSWERED: u32 = 0x1_0000;

/// No place in a table of flows or mappings.
pub(crate) const NONE: u16 = u16::MAX;
/// No neighbour.
pub(crate) const NO_NEIGHBOUR: u8 = u8::MAX;

/// Which way a packet goes in its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Reverse,
}

/// How far a flow has come. Bits, so that what is remembered of one direction leaves the other's alone.
///
/// ```text
///               answer               TCP: ACK of the answer          FIN both ways, RST
///   (created) ─────────► REPLIED ─────────────────────► STEADY ───────────────────────► CLOSING
///                        UDP, ICMP: STEADY at once
///   a RST may be forged: packets both ways after it, and it is STEADY again (RFC 7857 §2.2).
///   the WAN's address is another: CUT. The next packet from inside is answered by a RST, if it is TCP.
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u8);

impl State {
    pub(crate) const NEW: Self = Self(0);
    /// There was an answer.
    const REPLIED: u8 = 1;
    /// Nothing is to be watched but the next SYN, FIN or RST.
    const STEADY: u8 = 2;
    const FIN_FORWARD: u8 = 4;
    const FIN_REVERSE: u8 = 8;
    /// TCP's connection is at its end.
    const CLOSING: u8 = 16;
    /// It leads nowhere any more.
    const CUT: u8 = 32;

    #[inline]
    pub(crate) const fn is_steady(self) -> bool {
        self.0 & Self::STEADY != 0
    }

    /// Whether there was an answer.
    pub(crate) const fn is_replied(self) -> bool {
        self.0 & Self::REPLIED != 0
    }

    /// Its way is gone.
    pub(crate) const fn cut(&mut self) {
        self.0 = Self::CUT;
    }

    pub(crate) const fn is_cut(self) -> bool {
        self.0 & Self::CUT != 0
    }

    /// Takes note of a packet of `protocol` in `direction`.
    pub(crate) fn note(&mut self, protocol: u8, direction: Direction, tcp_flags: u8) {
        if direction == Direction::Reverse && tcp_flags & RST == 0 {
            self.0 |= Self::REPLIED;
        }
        if protocol != TCP {
            if self.0 & Self::REPLIED != 0 {
                self.0 |= Self::STEADY;
            }
            return;
        }
        if tcp_flags & SYN != 0 && tcp_flags & ACK == 0 && self.0 & Self::CLOSING != 0 {
            // The old connection's place is taken by a new one (RFC 6191).
            self.0 = 0;
        }
        if tcp_flags & RST != 0 {
            // The side that has reset it answers nothing but by another RST: what comes both ways is not what was under way.
            self.0 = self.0 & !(Self::STEADY | Self::REPLIED) | Self::CLOSING;
        }
        if tcp_flags & FIN != 0 {
            self.0 |= if direction == Direction::Forward { Self::FIN_FORWARD } else { Self::FIN_REVERSE };
        }
        let both = Self::FIN_FORWARD | Self::FIN_REVERSE;
        if self.0 & both == both {
            self.0 = self.0 & !Self::STEADY | Self::CLOSING;
            return;
        }
        let opened = self.0 & Self::REPLIED != 0 && direction == Direction::Forward;
        if opened && tcp_flags & (SYN | RST) == 0 {
            self.0 = self.0 & !Self::CLOSING | Self::STEADY;
        }
    }
}

impl Flow {
    pub(crate) const FREE: Self = Self {
        forward: Tuple { source: 0, destination: 0, ports: 0 },
        reverse: Tuple { source: 0, destination: 0, ports: 0 },
        seen: 0,
        ip_difference: 0,
        transport_difference: 0,
        epoch: 0,
        mapping: NONE,
        protocol: 0,
        state: State::NEW,
        from: Hop::LAN,
        to: Hop::LAN,
        from_neighbour: NO_NEIGHBOUR,
        to_neighbour: NO_NEIGHBOUR,
        host: NO_NEIGHBOUR,
    };

    /// Works out what rewriting adds to the checksums.
    pub(crate) fn set_differences(&mut self) {
        let new = self.reverse.answer();
        let (old_addresses, new_addresses) =
            ([self.forward.source, self.forward.destination], [new.source, new.destination]);
        let addresses = checksum::difference(old_addresses, new_addresses);
        let ports = checksum::difference([self.forward.ports], [new.ports]);
        self.ip_difference = addresses;
        self.transport_difference = match self.protocol {
            // An identifier is in the checksum, addresses are not: ICMP has no pseudo-header.
            ICMP => ports,
            _ => checksum::fold(u32::from(addresses) + u32::from(ports)),
        };
    }

    /// Idle for longer, in ticks, it is over.
    pub(crate) const fn timeout(&self) -> u32 {
        if self.state.is_cut() {
            return CUT_TIMEOUT;
        }
        match self.protocol {
            TCP if self.state.is_steady() => TCP_ESTABLISHED_TIMEOUT,
            TCP => TCP_TRANSITORY_TIMEOUT,
            ICMP => ICMP_TIMEOUT,
            // What our own stacks answer on the LAN (DNS, mostly) is not translated, and nothing more is to come.
            _ if self.from.is_stack() && self.mapping == NONE => OWN_TIMEOUT,
            _ => UDP_TIMEOUT,
        }
    }

    pub(crate) const fn has_expired(&self, now: u32) -> bool {
        now.wrapping_sub(self.seen) > self.timeout()
    }

    /// How gladly it is given up for a new one; `None`: never. Established TCP connections stay until they expire.
    const fn expendability(&self, now: u32) -> Option<u32> {
        let idle = now.wrapping_sub(self.seen);
        let idle = if idle > 0xFFFF { 0xFFFF } else { idle };
        if self.has_expired(now) || self.state.is_cut() {
            return Some(EXPIRED | idle);
        }
        match (self.protocol, self.state.0 & State::REPLIED != 0) {
            (TCP, _) if self.state.is_steady() => None,
            (TCP | ICMP, _) | (_, false) => Some(UNANSWERED | idle),
            (_, true) => Some(idle),
        }
    }
}

/// All flows of a family.
///
/// A full table gives up, among 16 flows that a hand going round looks at, the most expendable: expired ones first, then those
/// without an answer, half-open TCP and ICMP, then answered UDP, each time the one idle for longest. Established TCP connections
/// are never given up; where the hand finds nothing else it goes on, 256 flows at most. Where both buckets of the index are
/// full, the same choice is made among their places.
#[derive(Debug)]
pub(crate) struct FlowTable<'a> {
    flows: &'a mut [Flow],
    index: Index<'a>,
    key: HashKey,
    free: u16,
    len: u16,
    /// The hand of the eviction, and that of the sweep.
    hand: u16,
    sweep: u16,
}

impl<'a> FlowTable<'a> {
    pub(crate) fn new(flows: &'a mut [Flow], buckets: &'a mut [Bucket], key: HashKey) -> Self {
        let places = flows.len().min(usize::from(PLACE) - 1);
        let flows = &mut flows[..places];
        for (place, flow) in flows.iter_mut().enumerate() {
            *flow = Flow::FREE;
            flow.mapping = if place + 1 < places { place as u16 + 1 } else { NONE };
        }
        let free = if places == 0 { NONE } else { 0 };
        Self { flows, index: Index::new(buckets), key, free, len: 0, hand: 0, sweep: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.flows.len()
    }

    /// Entries of the index, two for each flow; for soaks.
    pub(crate) fn index_len(&self) -> usize {
        self.index.len()
    }

    #[inline]
    pub(crate) fn flow(&self, place: u16) -> Option<&Flow> {
        self.flows.get(usize::from(place))
    }

    #[inline]
    pub(crate) fn flow_mut(&mut self, place: u16) -> Option<&mut Flow> {
        self.flows.get_mut(usize::from(place))
    }

    /// Those that are there from a place on, with their places.
    pub(crate) fn iter_from(&self, from: u16) -> impl Iterator<Item = (u16, &Flow)> {
        (0..).zip(self.flows.iter()).skip(usize::from(from)).filter(|(_, flow)| flow.protocol != 0)
    }

    /// Those that are there, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &Flow)> {
        self.iter_from(0)
    }

    #[inline(never)]
    pub(crate) fn hash(&self, tuple: &Tuple, protocol: u8, hop: Hop) -> u32 {
        self.key.hash(tuple.words(protocol, hop))
    }

    /// The flow of a packet with this tuple that arrives at `hop`.
    #[inline(never)]
    pub(crate) fn find(&self, tuple: &Tuple, protocol: u8, hop: Hop) -> Option<(u16, Direction)> {
        self.find_inline(tuple, protocol, hop)
    }

    /// [`find`](Self::find), for the one place where a call costs too much.
    #[expect(clippy::inline_always, reason = "a tenth of the fast path")]
    #[inline(always)]
    pub(crate) fn find_inline(&self, tuple: &Tuple, protocol: u8, hop: Hop) -> Option<(u16, Direction)> {
        let hash = self.key.hash(tuple.words(protocol, hop));
        let found = self.index.find(hash, |place| self.is_at(place, tuple, protocol, hop))?;
        let direction = if found & REVERSE == 0 { Direction::Forward } else { Direction::Reverse };
        Some((found & PLACE, direction))
    }

    /// Whether an entry of the index is of the flow whose packets with this tuple arrive at `hop`.
    #[expect(clippy::inline_always, reason = "a tenth of the fast path")]
    #[inline(always)]
    fn is_at(&self, entry: u16, tuple: &Tuple, protocol: u8, hop: Hop) -> bool {
        let Some(flow) = self.flows.get(usize::from(entry & PLACE)) else { return false };
        let (known, at) =
            if entry & REVERSE == 0 { (&flow.forward, flow.from) } else { (&flow.reverse, flow.to) };
        let differs = (known.source ^ tuple.source)
            | (known.destination ^ tuple.destination)
            | (known.ports ^ tuple.ports);
        differs == 0 && flow.protocol == protocol && at == hop
    }

    /// A place for a flow whose `forward` is known not to be in the table, if there is room at once, and `reverse` is not in it
    /// either. The caller writes the flow.
    pub(crate) fn insert_new(
        &mut self,
        protocol: u8,
        (forward, from): (&Tuple, Hop),
        (reverse, to): (&Tuple, Hop),
    ) -> Option<(u16, &mut Flow)> {
        let place = self.free;
        let next = self.flow(place)?.mapping;
        let hash = self.key.hash(reverse.words(protocol, to));
        let found = self.index.find_or_vacancy(hash, |place| self.is_at(place, reverse, protocol, to));
        let vacancy = found.err()?;
        self.index.fill(vacancy, hash, place | REVERSE).ok()?;
        if self.index.insert(self.key.hash(forward.words(protocol, from)), place).is_err() {
            self.index.remove(hash, place | REVERSE);
            return None;
        }
        self.free = next;
        self.len += 1;
        Some((place, self.flows.get_mut(usize::from(place))?))
    }

    /// Adds a flow. Its tuples must not be in the table. `give_up` is told of each flow that had to go for it; `None`, and the
    /// flow is refused, if nothing may go.
    pub(crate) fn insert(
        &mut self,
        flow: Flow,
        now: u32,
        mut give_up: impl FnMut(u16, &Flow),
    ) -> Option<u16> {
        if self.is_full() {
            let (victim, flow) = self.give_up(now)?;
            give_up(victim, &flow);
        }
        let hashes = [
            (self.hash(&flow.forward, flow.protocol, flow.from), 0),
            (self.hash(&flow.reverse, flow.protocol, flow.to), REVERSE),
        ];
        let place = self.free;
        self.free = self.flow(place)?.mapping;
        for (n, (hash, direction)) in hashes.into_iter().enumerate() {
            let mut inserted = self.index.insert(hash, place | direction);
            if inserted.is_err()
                && let Some(victim) = self.choose_rival(hash, now)
                && let Some(flow) = self.remove(victim)
            {
                give_up(victim, &flow);
                inserted = self.index.insert(hash, place | direction);
            }
            if inserted.is_err() {
                if n > 0 {
                    self.index.remove(hashes[0].0, place);
                }
                self.put_free(place);
                return None;
            }
        }
        *self.flow_mut(place)? = flow;
        self.len += 1;
        Some(place)
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.free == NONE
    }

    /// Removes the most expendable flow, and answers what it was. `None` if nothing may go.
    pub(crate) fn give_up(&mut self, now: u32) -> Option<(u16, Flow)> {
        let victim = self.choose_victim(now)?;
        Some((victim, self.remove(victim)?))
    }

    /// A flow on the account of `host`, or of anybody, that was never answered, or is over: the most expendable of those that the
    /// hand finds among the next 64.
    pub(crate) fn unanswered_of(&mut self, host: Option<u8>, now: u32) -> Option<u16> {
        let places = self.at_hand(LOOKED_AT_FOR_ONE);
        let own = places
            .filter(|place| self.flow(*place).is_some_and(|flow| host.is_none_or(|host| flow.host == host)));
        let victim = self.most_expendable(own, now);
        self.advance_hand(LOOKED_AT_FOR_ONE);
        let victim = victim?;
        let is_unanswered = self.flow(victim).and_then(|flow| flow.expendability(now))? >= UNANSWERED;
        is_unanswered.then_some(victim)
    }

    fn put_free(&mut self, place: u16) {
        let free = self.free;
        if let Some(slot) = self.flow_mut(place) {
            *slot = Flow { mapping: free, ..Flow::FREE };
            self.free = place;
        }
    }

    /// Removes a flow and answers what it was.
    pub(crate) fn remove(&mut self, place: u16) -> Option<Flow> {
        let flow = *self.flow(place).filter(|flow| flow.protocol != 0)?;
        self.index.remove(self.hash(&flow.forward, flow.protocol, flow.from), place);
        self.index.remove(self.hash(&flow.reverse, flow.protocol, flow.to), place | REVERSE);
        self.put_free(place);
        self.len -= 1;
        Some(flow)
    }

    /// All flows are to have their decisions checked.
    pub(crate) fn forget_epochs(&mut self) {
        self.flows.iter_mut().for_each(|flow| flow.epoch = 0);
    }

    /// Looks at the next `most` places and answers the first whose flow has expired.
    pub(crate) fn next_expired(&mut self, now: u32, most: &mut u32) -> Option<u16> {
        while *most > 0 {
            *most -= 1;
            let place = self.sweep;
            self.sweep = if usize::from(place) + 1 < self.flows.len() { place + 1 } else { 0 };
            if self.flow(place).is_some_and(|flow| flow.protocol != 0 && flow.has_expired(now)) {
                return Some(place);
            }
        }
        None
    }

    fn choose_victim(&mut self, now: u32) -> Option<u16> {
        let places = self.flows.len() as u16;
        for _ in 0..places.div_ceil(LOOKED_AT).min(TRIES) {
            let victim = self.most_expendable(self.at_hand(LOOKED_AT), now);
            self.advance_hand(LOOKED_AT);
            if victim.is_some() {
                return victim;
            }
        }
        None
    }

    /// So many places from the hand on.
    fn at_hand(&self, count: u16) -> impl Iterator<Item = u16> + use<> {
        let (hand, places) = (self.hand, self.flows.len() as u16);
        (0..count.min(places)).map(move |n| {
            // Without a division, which a Cortex-M0+ does not have.
            let place = hand + n;
            if place < places { place } else { place - places }
        })
    }

    fn advance_hand(&mut self, count: u16) {
        let places = self.flows.len() as u16;
        let hand = self.hand + count.min(places);
        self.hand = if hand < places { hand } else { hand - places };
    }

    fn choose_rival(&self, hash: u32, now: u32) -> Option<u16> {
        self.most_expendable(self.index.rivals(hash).map(|place| place & PLACE), now)
    }

    fn most_expendable(&self, places: impl Iterator<Item = u16>, now: u32) -> Option<u16> {
        let rated = places.filter_map(|place| {
            let flow = self.flow(place).filter(|flow| flow.protocol != 0)?;
            Some((flow.expendability(now)?, place))
        });
        rated.max().map(|(_, place)| place)
    }
}

/// The way and the place of an entry of the index.
const REVERSE: u16 = 0x8000;
const PLACE: u16 = 0x7FFF;
/// Flows a full table considers to give up for a new one, and how often it looks at as many more if none of them may go.
const LOOKED_AT_FOR_ONE: u16 = 64;
const LOOKED_AT: u16 = 16;
const TRIES: u16 = 16;

/// Time in ticks of 2^20 µs (1.05 s), which cost no division.
#[inline]
pub(crate) const fn tick(now: Instant) -> u32 {
    (now.total_micros().cast_unsigned() >> 20) as u32
}

/// A timeout of at least so many seconds.
const fn ticks(seconds: u32) -> u32 {
    ((seconds as u64 * 1_000_000) >> 20) as u32 + 2
}

/// RFC 4787 REQ-5: never below two minutes, five recommended.
pub(super) const UDP_TIMEOUT: u32 = ticks(300);
/// No mapping depends on it.
const OWN_TIMEOUT: u32 = ticks(30);
/// RFC 5382 REQ-5: at least 2 h 4 min for an established connection.
pub(super) const TCP_ESTABLISHED_TIMEOUT: u32 = ticks(7440);
/// RFC 5382 REQ-5: at least 4 min for one that is opening or closing; RFC 7857 §2.2: as long after a RST.
pub(super) const TCP_TRANSITORY_TIMEOUT: u32 = ticks(240);
/// RFC 5508 REQ-2: at least 60 s.
pub(super) const ICMP_TIMEOUT: u32 = ticks(60);
/// How long a connection that is cut waits for a packet that can be answered by a RST.
pub(super) const CUT_TIMEOUT: u32 = ticks(60);

#[cfg(test)]
mod tests {
    use chacha20::ChaCha8Rng;
    use proptest::prelude::*;
    use rand_core::SeedableRng;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use super::*;
    use crate::datapath::packet::{UDP, pair};

    #[derive(Debug, Clone)]
    enum Op {
        /// Of 64 flows that there may be, if it is not there.
        Insert(u16),
        Remove(u16),
        /// Packets both ways, of TCP until it is established.
        Answer(u16),
        Pass(u32),
        Sweep,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..64_u16).prop_map(Op::Insert),
            2 => (0..64_u16).prop_map(Op::Remove),
            2 => (0..64_u16).prop_map(Op::Answer),
            1 => (0..400_u32).prop_map(Op::Pass),
            1 => Just(Op::Sweep),
        ]
    }

    /// The `n`th flow: some share an end with others.
    fn flow(n: u16, now: u32) -> Flow {
        let forward = Tuple { source: 1, destination: u32::from(n % 8), ports: pair(n, 80) };
        let leaving = Tuple { source: 99, ports: pair(1000 + n, 80), ..forward };
        let protocol = if n.is_multiple_of(2) { TCP } else { UDP };
        Flow { forward, reverse: leaving.answer(), protocol, to: Hop::LAN_STACK, seen: now, ..Flow::FREE }
    }

    fn place_of(table: &FlowTable<'_>, flow: &Flow) -> Option<u16> {
        let (place, direction) = table.find(&flow.forward, flow.protocol, flow.from)?;
        assert_eq!(direction, Direction::Forward);
        Some(place)
    }

    /// What is in the table is what ought to be, and is found both ways.
    fn check(table: &FlowTable<'_>, known: &BTreeMap<u16, u16>) {
        assert_eq!((table.len(), table.index_len()), (known.len(), 2 * known.len()));
        assert_eq!(table.iter().count(), known.len());
        for n in 0..64 {
            let flow = flow(n, 0);
            assert_eq!(place_of(table, &flow), known.get(&n).copied(), "flow {n}");
            let reverse = table.find(&flow.reverse, flow.protocol, flow.to);
            assert_eq!(reverse, known.get(&n).map(|place| (*place, Direction::Reverse)), "flow {n}");
        }
    }

    proptest! {
        /// Whatever comes and goes: each flow is found by its two keys and by no other, no place is lost, no established
        /// connection is given up.
        #[test]
        fn the_index_knows_what_is_there(
            ops in prop::collection::vec(op(), 1..300),
            seed in any::<u64>(),
            buckets in 1..17_usize,
        ) {
            let (mut flows, mut buckets) = ([Flow::FREE; 16], std::vec![Bucket::EMPTY; buckets]);
            let key = HashKey::random(&mut ChaCha8Rng::seed_from_u64(seed));
            let mut table = FlowTable::new(&mut flows, &mut buckets, key);
            let mut known = BTreeMap::new();
            let mut now = 1_000_000;
            for op in ops {
                match op {
                    Op::Insert(n) if !known.contains_key(&n) => {
                        let mut gone = Vec::new();
                        let place = table.insert(flow(n, now), now, |place, flow| {
                            gone.push((place, flow.protocol == TCP && flow.state.is_steady() && !flow.has_expired(now)));
                        });
                        for (place, is_established) in gone {
                            prop_assert!(!is_established);
                            known.retain(|_, at| *at != place);
                        }
                        if let Some(place) = place {
                            known.insert(n, place);
                        }
                    }
                    Op::Insert(n) | Op::Answer(n) => {
                        if let Some(flow) = known.get(&n).and_then(|place| table.flow_mut(*place)) {
                            flow.seen = now;
                            flow.state.note(flow.protocol, Direction::Reverse, ACK);
                            flow.state.note(flow.protocol, Direction::Forward, ACK);
                        }
                    }
                    Op::Remove(n) => {
                        let removed = known.remove(&n).and_then(|place| table.remove(place));
                        prop_assert!(removed.is_none_or(|removed| removed.forward == flow(n, 0).forward));
                    }
                    Op::Pass(ticks) => now += ticks,
                    Op::Sweep => {
                        let mut most = 16;
                        while let Some(place) = table.next_expired(now, &mut most) {
                            prop_assert!(table.remove(place).is_some());
                            known.retain(|_, at| *at != place);
                        }
                        prop_assert!(table.iter().all(|(_, flow)| !flow.has_expired(now)));
                    }
                }
                check(&table, &known);
            }
        }
    }

    /// RFC 5382 REQ-5, RFC 4787 REQ-5, RFC 5508 REQ-2: never sooner than so many seconds.
    #[test]
    fn timeouts_are_never_short() {
        for (protocol, steady, seconds) in [
            (TCP, true, 7440_i64),
            (TCP, false, 240),
            (UDP, true, 300),
            (UDP, false, 300),
            (ICMP, false, 60),
            (47, true, 300),
        ] {
            let mut flow = Flow { protocol, mapping: 0, ..Flow::FREE };
            if steady {
                flow.state.note(protocol, Direction::Reverse, ACK);
                flow.state.note(protocol, Direction::Forward, ACK);
            }
            // Wherever in its tick the last packet came.
            for start in [0, 1, 500_000, 1_048_575, 1_048_576, 123_456_789] {
                let at = |seconds: i64| Instant::from_micros(start + seconds * 1_000_000);
                flow.seen = tick(at(0));
                assert!(!flow.has_expired(tick(at(seconds))), "{protocol} after {seconds} s");
                assert!(flow.has_expired(tick(at(seconds + seconds / 10 + 4))), "{protocol}: too long");
            }
        }
    }
}
