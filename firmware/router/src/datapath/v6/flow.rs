//! IPv6 flows: what was decided for the packets between two ends, both ways. Nothing is translated, so one tuple serves both.

use core::mem::size_of;

use rand_core::Rng;

use super::address::Address;
use super::packet::{ICMPV6, Packet6};
use crate::datapath::flow::{
    CUT_TIMEOUT, Direction, EXPIRED, ICMP_TIMEOUT, NO_NEIGHBOUR, NONE, State, TCP_ESTABLISHED_TIMEOUT,
    TCP_TRANSITORY_TIMEOUT, UDP_TIMEOUT, UNANSWERED,
};
use crate::datapath::index::{Bucket, Index};
use crate::datapath::interface::Hop;
use crate::datapath::packet::{TCP, swapped};

/// Source, destination and ports of one way, in memory order: as they lie in a packet without extension headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuple6(pub(crate) [u32; 9]);

impl Tuple6 {
    pub(crate) const fn new(source: &Address, destination: &Address, ports: u32) -> Self {
        let (from, to) = (source, destination);
        Self([from[0], from[1], from[2], from[3], to[0], to[1], to[2], to[3], ports])
    }

    pub(crate) const fn of(packet: &Packet6) -> Self {
        Self::new(&packet.source, &packet.destination, packet.ports)
    }

    pub(crate) const fn source(&self) -> Address {
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }

    pub(crate) const fn destination(&self) -> Address {
        [self.0[4], self.0[5], self.0[6], self.0[7]]
    }

    pub(crate) const fn ports(&self) -> u32 {
        self.0[8]
    }

    /// As the answer has it.
    pub(crate) const fn answer(&self) -> Self {
        Self::new(&self.destination(), &self.source(), swapped(self.ports()))
    }
}

/// The key of the hash: one word for each of a tuple's, and one for the rest.
#[derive(Debug, Clone, Copy)]
struct HashKey6 {
    words: [u32; 9],
    last: u32,
}

impl HashKey6 {
    /// Pairwise multiplication, as in NH (RFC 4418 §5.2.2): to each word its key is added, and its halves are multiplied. Half of
    /// the multiplications that [IPv4's four words](crate::datapath::index::HashKey::hash) afford. Two tuples that differ have
    /// the same sum with no more than 2 in 2^16 keys: say that they differ in a word, that the keys of all others are given, and
    /// that `a` and `b` are the halves of the sum of word and key. The other tuple's product may differ from `a * b` by one
    /// given number alone. If its lower half is another, then for each `b` the difference is linear in `a`, with a factor below
    /// 2^16, but for one wrap of the upper half: two `a` at most. If the lower half is the same, the same goes for `b`.
    #[inline]
    fn hash(&self, words: &[u32; 9], last: u32) -> u32 {
        let mut hash = last.wrapping_mul(self.last);
        let pair = |word: u32, key: u32| {
            let sum = word.wrapping_add(key);
            (sum & 0xFFFF).wrapping_mul(sum >> 16)
        };
        let threes = words.as_chunks::<3>().0.iter().zip(self.words.as_chunks::<3>().0);
        for ([a, b, c], [k, l, m]) in threes {
            hash = hash.wrapping_add(pair(*a, *k)).wrapping_add(pair(*b, *l)).wrapping_add(pair(*c, *m));
        }
        hash = (hash ^ hash >> 16).wrapping_mul(0x9E37_79B1);
        hash ^ hash >> 15
    }
}

/// One IPv6 flow, both directions. 52 bytes, and 16 more in the index.
#[derive(Debug, Clone, Copy)]
pub struct Flow6 {
    /// A packet of the side that opened the flow.
    pub(crate) forward: Tuple6,
    /// When a packet passed last, in ticks.
    pub(crate) seen: u32,
    /// The epoch in which it was decided. Of a free place, the next free one.
    pub(crate) epoch: u16,
    /// 0: a free place.
    pub(crate) protocol: u8,
    pub(crate) state: State,
    /// Where `forward` arrives, and where it goes.
    pub(crate) from: Hop,
    pub(crate) to: Hop,
    /// The neighbours there, [`NO_NEIGHBOUR`] where none is needed.
    pub(crate) from_neighbour: u8,
    pub(crate) to_neighbour: u8,
    /// On whose [account](super::V6::charge) it is.
    pub(crate) account: u8,
}

const _: () = assert!(size_of::<Flow6>() <= 52);

impl Flow6 {
    pub(crate) const FREE: Self = Self {
        forward: Tuple6([0; 9]),
        seen: 0,
        epoch: NONE,
        protocol: 0,
        state: State::NEW,
        from: Hop::LAN,
        to: Hop::LAN,
        from_neighbour: NO_NEIGHBOUR,
        to_neighbour: NO_NEIGHBOUR,
        account: NO_NEIGHBOUR,
    };

    /// Idle for longer, in ticks, it is over (RFC 6092 REC-14, REC-35).
    pub(crate) const fn timeout(&self) -> u32 {
        match self.protocol {
            _ if self.state.is_cut() => CUT_TIMEOUT,
            TCP if self.state.is_steady() => TCP_ESTABLISHED_TIMEOUT,
            TCP => TCP_TRANSITORY_TIMEOUT,
            ICMPV6 => ICMP_TIMEOUT,
            _ => UDP_TIMEOUT,
        }
    }

    pub(crate) const fn has_expired(&self, now: u32) -> bool {
        now.wrapping_sub(self.seen) > self.timeout()
    }

    /// How gladly it is given up for a new one; `None`: never.
    const fn expendability(&self, now: u32) -> Option<u32> {
        let idle = now.wrapping_sub(self.seen);
        let idle = if idle > 0xFFFF { 0xFFFF } else { idle };
        if self.has_expired(now) {
            return Some(EXPIRED | idle);
        }
        match (self.protocol, self.state.is_replied()) {
            (TCP, _) if self.state.is_steady() => None,
            (TCP | ICMPV6, _) | (_, false) => Some(UNANSWERED | idle),
            (_, true) => Some(idle),
        }
    }
}

/// All IPv6 flows. What a full table gives up is what the [one of IPv4](crate::datapath::flow::FlowTable) does, in the same order.
#[derive(Debug)]
pub(crate) struct FlowTable6<'a> {
    flows: &'a mut [Flow6],
    index: Index<'a>,
    key: HashKey6,
    free: u16,
    len: u16,
    /// The hand of the eviction, and that of the sweep.
    hand: u16,
    sweep: u16,
}

impl<'a> FlowTable6<'a> {
    pub(crate) fn new(flows: &'a mut [Flow6], buckets: &'a mut [Bucket], rng: &mut impl Rng) -> Self {
        let places = flows.len().min(usize::from(PLACE) - 1);
        let flows = &mut flows[..places];
        for (place, flow) in flows.iter_mut().enumerate() {
            let next = if place + 1 < places { place as u16 + 1 } else { NONE };
            *flow = Flow6 { epoch: next, ..Flow6::FREE };
        }
        let free = if places == 0 { NONE } else { 0 };
        let key = HashKey6 { words: core::array::from_fn(|_| rng.next_u32()), last: rng.next_u32() };
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
    pub(crate) fn flow(&self, place: u16) -> Option<&Flow6> {
        self.flows.get(usize::from(place))
    }

    #[inline]
    pub(crate) fn flow_mut(&mut self, place: u16) -> Option<&mut Flow6> {
        self.flows.get_mut(usize::from(place))
    }

    /// Those from a place on that are there, with their places.
    pub(crate) fn iter_from(&self, from: u16) -> impl Iterator<Item = (u16, &Flow6)> {
        (0..).zip(self.flows.iter()).skip(usize::from(from)).filter(|(_, flow)| flow.protocol != 0)
    }

    /// Those that are there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flow6> {
        self.iter_from(0).map(|(_, flow)| flow)
    }

    #[inline(never)]
    fn hash(&self, tuple: &Tuple6, protocol: u8, hop: Hop) -> u32 {
        self.key.hash(&tuple.0, u32::from(protocol) | hop.bits())
    }

    /// The flow of a packet with this tuple that arrives at `hop`.
    #[inline(never)]
    pub(crate) fn find(&self, tuple: &[u32; 9], protocol: u8, hop: Hop) -> Option<(u16, Direction)> {
        let hash = self.key.hash(tuple, u32::from(protocol) | hop.bits());
        self.index.find(hash, |place| self.is_at(place, tuple, protocol, hop)).map(place_and_direction)
    }

    /// [`find`](Self::find), for the one place where a call costs too much. It is written twice, so that either is compiled as
    /// what has one caller.
    #[expect(clippy::inline_always, reason = "a tenth of the fast path")]
    #[inline(always)]
    pub(crate) fn find_inline(&self, tuple: &[u32; 9], protocol: u8, hop: Hop) -> Option<(u16, Direction)> {
        let hash = self.key.hash(tuple, u32::from(protocol) | hop.bits());
        self.index.find(hash, |place| self.is_at(place, tuple, protocol, hop)).map(place_and_direction)
    }

    /// Whether an entry of the index is of the flow whose packets with this tuple arrive at `hop`.
    #[expect(clippy::inline_always, reason = "a tenth of the fast path")]
    #[inline(always)]
    fn is_at(&self, entry: u16, tuple: &[u32; 9], protocol: u8, hop: Hop) -> bool {
        let Some(flow) = self.flows.get(usize::from(entry & PLACE)) else { return false };
        let known = &flow.forward.0;
        // The other way round, an answer's source is where a packet's destination is.
        let (source, ports, at) =
            if entry & REVERSE == 0 { (0, known[8], flow.from) } else { (4, swapped(known[8]), flow.to) };
        let (Some(from), Some(to)) =
            (known[source..].first_chunk::<4>(), known[4 - source..].first_chunk::<4>())
        else {
            return false;
        };
        // Written out: a loop would not be unrolled where size counts.
        let differs = (tuple[0] ^ from[0])
            | (tuple[1] ^ from[1])
            | (tuple[2] ^ from[2])
            | (tuple[3] ^ from[3])
            | (tuple[4] ^ to[0])
            | (tuple[5] ^ to[1])
            | (tuple[6] ^ to[2])
            | (tuple[7] ^ to[3])
            | (tuple[8] ^ ports);
        differs == 0 && flow.protocol == protocol && at == hop
    }

    /// Adds a flow. Its tuples must not be in the table. `give_up` is told of each flow that had to go for it; `None`, and the
    /// flow is refused, if nothing may go.
    pub(crate) fn insert(
        &mut self,
        flow: Flow6,
        now: u32,
        mut give_up: impl FnMut(u16, &Flow6),
    ) -> Option<u16> {
        if self.free == NONE {
            let victim = self.choose_victim(now)?;
            let gone = self.remove(victim)?;
            give_up(victim, &gone);
        }
        let place = self.free;
        self.free = self.flow(place)?.epoch;
        let ends = [(flow.forward, flow.from, 0), (flow.forward.answer(), flow.to, REVERSE)];
        for (n, (tuple, hop, direction)) in ends.iter().enumerate() {
            let hash = self.hash(tuple, flow.protocol, *hop);
            let mut inserted = self.index.insert(hash, place | direction);
            if inserted.is_err()
                && let Some(victim) = self.choose_rival(hash, now)
                && let Some(gone) = self.remove(victim)
            {
                give_up(victim, &gone);
                inserted = self.index.insert(hash, place | direction);
            }
            if inserted.is_err() {
                if n > 0 {
                    self.index.remove(self.hash(&flow.forward, flow.protocol, flow.from), place);
                }
                self.put_free(place);
                return None;
            }
        }
        *self.flow_mut(place)? = flow;
        self.len += 1;
        Some(place)
    }

    fn put_free(&mut self, place: u16) {
        let free = self.free;
        if let Some(slot) = self.flow_mut(place) {
            *slot = Flow6 { epoch: free, ..Flow6::FREE };
            self.free = place;
        }
    }

    /// Removes a flow and answers what it was.
    pub(crate) fn remove(&mut self, place: u16) -> Option<Flow6> {
        let flow = *self.flow(place).filter(|flow| flow.protocol != 0)?;
        self.index.remove(self.hash(&flow.forward, flow.protocol, flow.from), place);
        self.index.remove(self.hash(&flow.forward.answer(), flow.protocol, flow.to), place | REVERSE);
        self.put_free(place);
        self.len -= 1;
        Some(flow)
    }

    /// All flows are to have their decisions checked.
    pub(crate) fn forget_epochs(&mut self) {
        self.flows.iter_mut().filter(|flow| flow.protocol != 0).for_each(|flow| flow.epoch = 0);
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

    /// A flow on an account for which `is_theirs` that was never answered, or is over: the most expendable of those that the hand
    /// finds among the next 64.
    pub(crate) fn unanswered_of(&mut self, is_theirs: impl Fn(u8) -> bool, now: u32) -> Option<u16> {
        let places = self.at_hand(LOOKED_AT_FOR_ONE);
        let own = places.filter(|place| self.flow(*place).is_some_and(|flow| is_theirs(flow.account)));
        let victim = self.most_expendable(own, now);
        self.advance_hand(LOOKED_AT_FOR_ONE);
        let victim = victim?;
        let is_unanswered = self.flow(victim).and_then(|flow| flow.expendability(now))? >= UNANSWERED;
        is_unanswered.then_some(victim)
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

#[inline]
const fn place_and_direction(entry: u16) -> (u16, Direction) {
    (entry & PLACE, if entry & REVERSE == 0 { Direction::Forward } else { Direction::Reverse })
}

/// The way and the place of an entry of the index.
const REVERSE: u16 = 0x8000;
const PLACE: u16 = 0x7FFF;
/// As in the [table of IPv4](crate::datapath::flow::FlowTable).
const LOOKED_AT_FOR_ONE: u16 = 64;
const LOOKED_AT: u16 = 16;
const TRIES: u16 = 16;

#[cfg(test)]
mod tests {
    use chacha20::ChaCha8Rng;
    use proptest::prelude::*;
    use rand_core::SeedableRng;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use super::*;
    use crate::datapath::packet::{ACK, UDP, pair};

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u16),
        Remove(u16),
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

    /// The `n`th flow: they differ in one word each, and some share an end with others.
    fn flow(n: u16, now: u32) -> Flow6 {
        let source = [1, 0, 0, u32::from(n % 4)];
        let forward = Tuple6::new(&source, &[2, 0, 0, u32::from(n % 8)], pair(n, 80));
        let protocol = if n.is_multiple_of(2) { TCP } else { UDP };
        Flow6 { forward, protocol, to: Hop::LAN_STACK, seen: now, ..Flow6::FREE }
    }

    /// What is in the table is what ought to be, and is found both ways.
    fn check(table: &FlowTable6<'_>, known: &BTreeMap<u16, u16>) {
        assert_eq!((table.len(), table.index_len()), (known.len(), 2 * known.len()));
        assert_eq!(table.iter().count(), known.len());
        for n in 0..64 {
            let flow = flow(n, 0);
            let place = known.get(&n).copied();
            let forward = table.find(&flow.forward.0, flow.protocol, flow.from);
            assert_eq!(forward, place.map(|place| (place, Direction::Forward)), "flow {n}");
            let reverse = table.find(&flow.forward.answer().0, flow.protocol, flow.to);
            assert_eq!(reverse, place.map(|place| (place, Direction::Reverse)), "flow {n}");
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
            let (mut flows, mut buckets) = ([Flow6::FREE; 16], std::vec![Bucket::EMPTY; buckets]);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut table = FlowTable6::new(&mut flows, &mut buckets, &mut rng);
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
                        prop_assert!(table.iter().all(|flow| !flow.has_expired(now)));
                    }
                }
                check(&table, &known);
            }
        }
    }
}
