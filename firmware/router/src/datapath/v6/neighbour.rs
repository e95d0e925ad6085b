//! Neighbours by Neighbor Discovery (RFC 4861 §7): the [cache of ARP](crate::datapath::neighbour), for longer addresses, with the
//! same states, and against the same tricks.
//!
//! ```text
//!            needed              answer            30 s, with flows or on a WAN      answer
//!   (none) ────────► Incomplete ────────► Reachable ─────────────────► Probed ──────────► Reachable
//!                        │ 3 unanswered       │ 30 s, without           │ 3 unanswered
//!                        ▼                    ▼                         ▼
//!                      (none)              Stale ── needed ──► Probed  (none)
//!   Reachable, Stale, Probed ── somebody else claims the address ──► Disputed ── the known one is silent for 2 s ──► Reachable
//! ```
//!
//! Where RFC 4861 §7.2.5 would believe an Override at once, the station we know is asked first. A scan of a network makes
//! Incomplete entries, of which there may be a quarter of the places: the oldest makes room (RFC 6583 §6.2).

use core::mem::size_of;

use gatelet_wire::EthernetAddress;
use smoltcp::time::{Duration, Instant};

use super::address::{Address, UNSPECIFIED};
use crate::datapath::interface::{Hop, Mac};

/// A station on one of our links, and the account of the flows it opened. 48 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour6 {
    /// In memory order; unspecified: a free place.
    pub(crate) address: Address,
    mac: Mac,
    /// The claimant, where the address is disputed.
    claimant: Mac,
    /// When the next step is due.
    due: Instant,
    /// Flows on its account.
    pub(crate) flows: u16,
    state: State,
    hop: Hop,
    /// Questions asked and not answered.
    asked: u8,
}

const _: () = assert!(size_of::<Neighbour6>() <= 48);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Incomplete,
    Stale,
    Probed,
    Disputed,
    Reachable,
}

impl Neighbour6 {
    pub(crate) const FREE: Self = Self {
        address: UNSPECIFIED,
        mac: Mac::ZERO,
        claimant: Mac::ZERO,
        due: Instant::ZERO,
        flows: 0,
        state: State::Incomplete,
        hop: Hop::LAN,
        asked: 0,
    };

    fn is_free(&self) -> bool {
        self.address == UNSPECIFIED
    }

    /// Its hardware address, if it is known.
    #[inline]
    pub(crate) const fn reachable(&self) -> Option<Mac> {
        match self.state {
            State::Incomplete => None,
            _ => Some(self.mac),
        }
    }

    pub(crate) const fn hop(&self) -> Hop {
        self.hop
    }
}

/// What is to be asked: who has `address`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question6 {
    pub(crate) hop: Hop,
    pub(crate) address: Address,
    /// The neighbour alone; `None`: everybody.
    pub(crate) to: Option<EthernetAddress>,
}

/// What a message or a timeout has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change6 {
    Nothing,
    /// The neighbour at this place can be reached now.
    Reachable(u8),
    /// The neighbour at this place does not answer.
    Gone(u8),
    /// Somebody else claims the neighbour's address.
    Disputed(u8),
}

/// The cache. A full one gives up, of the neighbours without flows on their account, one that has not answered, else one that is
/// stale, each time the one due first; with none such it refuses.
#[derive(Debug)]
pub(crate) struct NeighbourTable6<'a> {
    neighbours: &'a mut [Neighbour6],
}

impl<'a> NeighbourTable6<'a> {
    /// With [`MOST`] places at most.
    pub(crate) fn new(neighbours: &'a mut [Neighbour6]) -> Self {
        let places = neighbours.len().min(MOST);
        let neighbours = &mut neighbours[..places];
        neighbours.fill(Neighbour6::FREE);
        Self { neighbours }
    }

    #[inline]
    pub(crate) fn neighbour(&self, place: u8) -> Option<&Neighbour6> {
        self.neighbours.get(usize::from(place))
    }

    pub(crate) fn find(&self, hop: Hop, address: &Address) -> Option<u8> {
        let is_it = |known: &Neighbour6| known.address == *address && known.hop == hop && !known.is_free();
        self.neighbours.iter().position(is_it).map(|place| place as u8)
    }

    /// Those that are there, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &Neighbour6)> {
        (0..).zip(self.neighbours.iter()).filter(|(_, known)| !known.is_free())
    }

    /// The neighbour at `address`, to be asked for if it is not known. `mac`, if its frame told, is used until it has answered.
    /// `given_up` is the place of one that had to go: not `keep`, which the same packet needs too. `None` if nobody may go.
    pub(crate) fn need(
        &mut self,
        now: Instant,
        hop: Hop,
        address: &Address,
        mac: Option<EthernetAddress>,
        keep: u8,
        given_up: impl FnOnce(u8),
    ) -> Option<u8> {
        if let Some(place) = self.find(hop, address) {
            if let Some(known) = self.neighbours.get_mut(usize::from(place))
                && known.state == State::Stale
            {
                *known = Neighbour6 { state: State::Probed, asked: 0, due: now, ..*known };
            }
            return Some(place);
        }
        let incomplete = self.iter().filter(|(_, known)| known.state == State::Incomplete).count();
        let is_scan = mac.is_none() && incomplete >= (self.neighbours.len() / 4).max(1);
        let free = self.neighbours.iter().position(Neighbour6::is_free).filter(|_| !is_scan);
        let place = if let Some(place) = free {
            place
        } else {
            let idle = self.iter().filter(|(place, known)| {
                known.flows == 0 && *place != keep && (!is_scan || known.state == State::Incomplete)
            });
            let (place, _) = idle.min_by_key(|(_, known)| (known.state, known.due))?;
            given_up(place);
            usize::from(place)
        };
        let state = if mac.is_some() { State::Probed } else { State::Incomplete };
        let mac = mac.map_or(Mac::ZERO, Mac::of);
        *self.neighbours.get_mut(place)? =
            Neighbour6 { address: *address, mac, state, hop, due: now, ..Neighbour6::FREE };
        Some(place as u8)
    }

    /// A frame came from a neighbour, with this source: good enough for one that is being asked for. True if it can be reached
    /// now and could not before.
    pub(crate) fn hear(&mut self, now: Instant, place: u8, mac: EthernetAddress) -> bool {
        let Some(known) = self.neighbours.get_mut(usize::from(place)) else { return false };
        let news = !known.is_free() && known.state == State::Incomplete && mac.is_unicast();
        if news {
            *known = Neighbour6 { mac: Mac::of(mac), state: State::Probed, asked: 0, due: now, ..*known };
        }
        news
    }

    /// Something is to be sent to a neighbour that is not to be asked for yet: soon, then.
    pub(crate) fn hurry(&mut self, now: Instant, place: u8) {
        if let Some(known) = self.neighbours.get_mut(usize::from(place))
            && known.state == State::Incomplete
        {
            known.due = known.due.min(now + RETRANS_TIMER);
        }
    }

    /// Counts a flow on a neighbour's account, or off it.
    pub(crate) fn charge(&mut self, place: u8, flows: i16) {
        if let Some(neighbour) = self.neighbours.get_mut(usize::from(place)) {
            neighbour.flows = neighbour.flows.saturating_add_signed(flows);
        }
    }

    /// Whether two places are one station's: the same, or with the same hardware address on the same link.
    pub(crate) fn is_same_host(&self, place: u8, other: u8) -> bool {
        let same = |one: &Neighbour6, two: &Neighbour6| {
            one.hop == two.hop && one.reachable().is_some_and(|mac| two.reachable() == Some(mac))
        };
        place == other
            || self.neighbour(place).zip(self.neighbour(other)).is_some_and(|(one, two)| same(one, two))
    }

    /// Flows on the accounts of all addresses of the station at a place.
    pub(crate) fn flows_of_host(&self, place: u8) -> Option<u16> {
        self.neighbour(place)?;
        let accounts =
            self.iter().filter(|(other, known)| known.flows > 0 && self.is_same_host(place, *other));
        Some(accounts.fold(0, |flows: u16, (_, known)| flows.saturating_add(known.flows)))
    }

    /// `mac` says that it has `address`. An advertisement that nobody asked for is no answer, and one without Override adds to
    /// what is known, but does not change it.
    pub(crate) fn handle_claim(
        &mut self,
        now: Instant,
        hop: Hop,
        address: &Address,
        mac: EthernetAddress,
        is_answer: bool,
        overrides: bool,
    ) -> Change6 {
        let Some(place) = self.find(hop, address) else { return Change6::Nothing };
        let mac = Mac::of(mac);
        let Some(known) = self.neighbours.get_mut(usize::from(place)) else { return Change6::Nothing };
        match known.state {
            State::Incomplete => {
                let (state, due) =
                    if is_answer { (State::Reachable, now + REACHABLE_TIME) } else { (State::Probed, now) };
                *known = Neighbour6 { mac, state, asked: 0, due, ..*known };
                Change6::Reachable(place)
            }
            _ if known.mac == mac => {
                if is_answer {
                    let due = now + REACHABLE_TIME;
                    *known = Neighbour6 { state: State::Reachable, asked: 0, due, ..*known };
                }
                Change6::Nothing
            }
            State::Disputed => Change6::Nothing,
            _ if !overrides => Change6::Nothing,
            State::Reachable | State::Stale | State::Probed => {
                *known = Neighbour6 { claimant: mac, state: State::Disputed, asked: 0, due: now, ..*known };
                Change6::Disputed(place)
            }
        }
    }

    /// The next question that is due, and what its not being answered so far has changed.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(Option<Question6>, Change6)> {
        let is_due = |known: &Neighbour6| !known.is_free() && known.state != State::Stale && known.due <= now;
        let place = self.neighbours.iter().position(is_due)?;
        let known = self.neighbours.get_mut(place)?;
        let place = place as u8;
        match known.state {
            State::Reachable | State::Stale => {
                // The fast path does not tell that it uses a gateway: those of WANs, which are few, are always asked.
                let is_used = known.flows > 0 || known.hop != Hop::LAN;
                known.state = if is_used { State::Probed } else { State::Stale };
                Some((None, Change6::Nothing))
            }
            State::Incomplete | State::Probed if known.asked >= MAX_SOLICIT => {
                if known.flows > 0 {
                    // Its flows are still on its account: it stays, and is asked again, ever more rarely.
                    let due = now + RETRY_LATER;
                    *known = Neighbour6 { state: State::Incomplete, asked: 0, due, ..*known };
                } else {
                    *known = Neighbour6::FREE;
                }
                Some((None, Change6::Gone(place)))
            }
            State::Disputed if known.asked >= DISPUTE_ATTEMPTS => {
                let (mac, due) = (known.claimant, now + REACHABLE_TIME);
                *known = Neighbour6 { mac, state: State::Reachable, asked: 0, due, ..*known };
                Some((None, Change6::Nothing))
            }
            state => {
                let to = (state != State::Incomplete).then(|| known.mac.address());
                known.asked += 1;
                known.due = now + RETRANS_TIMER;
                Some((Some(Question6 { hop: known.hop, address: known.address, to }), Change6::Nothing))
            }
        }
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.iter().filter(|(_, known)| known.state != State::Stale).map(|(_, known)| known.due).min()
    }

    /// Forgets the hardware addresses of all neighbours of `hop`. Those with flows on their account keep the account.
    pub(crate) fn forget(&mut self, now: Instant, hop: Hop) {
        for known in self.neighbours.iter_mut().filter(|known| !known.is_free() && known.hop == hop) {
            *known = if known.flows == 0 {
                Neighbour6::FREE
            } else {
                let due = now + RETRY_LATER;
                Neighbour6 { mac: Mac::ZERO, state: State::Incomplete, asked: 0, due, ..*known }
            };
        }
    }
}

/// Places that a flow can name: the numbers above are the accounts of tunnels.
pub(crate) const MOST: usize = 240;
/// RFC 4861 §10: `REACHABLE_TIME`, `RETRANS_TIMER`, `MAX_MULTICAST_SOLICIT` and `MAX_UNICAST_SOLICIT`.
const REACHABLE_TIME: Duration = Duration::from_secs(30);
const RETRANS_TIMER: Duration = Duration::from_secs(1);
const MAX_SOLICIT: u8 = 3;
/// Questions before a claimant is believed.
const DISPUTE_ATTEMPTS: u8 = 2;
/// When one that is gone, and still has flows, is asked for again.
const RETRY_LATER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::datapath::flow::NO_NEIGHBOUR;

    const OLD: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
    const NEW: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

    fn at(n: u32) -> Address {
        [0xFE80, 0, 0, n]
    }

    fn questions(
        table: &mut NeighbourTable6<'_>,
        now: Instant,
    ) -> (Vec<Option<EthernetAddress>>, Vec<Change6>) {
        let mut all = (Vec::new(), Vec::new());
        while let Some((question, change)) = table.poll(now) {
            all.0.extend(question.map(|question| question.to));
            all.1.extend([change].into_iter().filter(|change| *change != Change6::Nothing));
        }
        all
    }

    fn need(table: &mut NeighbourTable6<'_>, now: Instant, n: u32) -> Option<u8> {
        table.need(now, Hop::LAN, &at(n), None, NO_NEIGHBOUR, |_| ())
    }

    fn known(table: &mut NeighbourTable6<'_>, now: Instant) -> u8 {
        let place = need(table, now, 1).unwrap();
        assert_eq!(questions(table, now).0, [None]);
        assert_eq!(table.handle_claim(now, Hop::LAN, &at(1), OLD, true, true), Change6::Reachable(place));
        place
    }

    #[test]
    fn asked_three_times_and_then_gone() {
        let mut places = [Neighbour6::FREE; 4];
        let mut table = NeighbourTable6::new(&mut places);
        let now = Instant::from_secs(100);
        need(&mut table, now, 1).unwrap();
        for second in 0..3 {
            assert_eq!(questions(&mut table, now + Duration::from_secs(second)).0, [None]);
        }
        assert_eq!(questions(&mut table, now + Duration::from_secs(3)).1, [Change6::Gone(0)]);
        assert_eq!(table.poll_at(), None);
    }

    /// Who has no flows is left alone until he is needed; who has some is asked again and again.
    #[test]
    fn unreachability_is_detected_where_it_matters() {
        let mut places = [Neighbour6::FREE; 4];
        let mut table = NeighbourTable6::new(&mut places);
        let now = Instant::from_secs(100);
        let place = known(&mut table, now);
        assert_eq!(questions(&mut table, now + REACHABLE_TIME), (Vec::new(), Vec::new()));
        assert_eq!((table.poll_at(), table.neighbour(place).unwrap().state), (None, State::Stale));
        let later = now + Duration::from_secs(1000);
        assert_eq!(need(&mut table, later, 1), Some(place));
        assert_eq!(table.neighbour(place).unwrap().reachable(), Some(Mac::of(OLD)));
        assert_eq!(questions(&mut table, later).0, [Some(OLD)]);
        assert_eq!(table.handle_claim(later, Hop::LAN, &at(1), OLD, true, false), Change6::Nothing);
        table.charge(place, 1);
        assert_eq!(questions(&mut table, later + REACHABLE_TIME).0, [Some(OLD)]);
        for second in 31..33 {
            assert_eq!(questions(&mut table, later + Duration::from_secs(second)).0, [Some(OLD)]);
        }
        assert_eq!(questions(&mut table, later + Duration::from_secs(33)).1, [Change6::Gone(place)]);
        assert_eq!(table.neighbour(place).unwrap().reachable(), None);
    }

    #[test]
    fn a_claim_alone_moves_nobody() {
        let mut places = [Neighbour6::FREE; 4];
        let mut table = NeighbourTable6::new(&mut places);
        let now = Instant::from_secs(100);
        let place = known(&mut table, now);
        // RFC 4861 §7.2.5: without Override it is another opinion.
        assert_eq!(table.handle_claim(now, Hop::LAN, &at(1), NEW, true, false), Change6::Nothing);
        assert_eq!(table.handle_claim(now, Hop::LAN, &at(1), NEW, true, true), Change6::Disputed(place));
        let seconds = |n| now + Duration::from_secs(n);
        assert_eq!(questions(&mut table, now).0, [Some(OLD)], "the one we know is asked");
        assert_eq!(questions(&mut table, seconds(1)).0, [Some(OLD)]);
        assert_eq!(questions(&mut table, seconds(2)), (Vec::new(), Vec::new()));
        assert_eq!(table.neighbour(place).unwrap().reachable(), Some(Mac::of(NEW)));
    }

    /// RFC 6583: what nobody answers takes a quarter of the places, and pushes out nobody who is there.
    #[test]
    fn a_scan_exhausts_nothing() {
        let mut places = [Neighbour6::FREE; 16];
        let mut table = NeighbourTable6::new(&mut places);
        let now = Instant::from_secs(100);
        let place = known(&mut table, now);
        for n in 0..12 {
            let mac = EthernetAddress([2, 0, 0, 0, 1, n]);
            assert!(
                table.need(now, Hop::LAN, &at(100 + u32::from(n)), Some(mac), NO_NEIGHBOUR, |_| ()).is_some()
            );
        }
        for n in 0..10_000 {
            assert!(need(&mut table, now + Duration::from_micros(n), 1000 + n as u32).is_some());
            let incomplete = table.iter().filter(|(_, known)| known.state == State::Incomplete).count();
            assert!(incomplete <= 4);
        }
        assert_eq!(table.find(Hop::LAN, &at(1)), Some(place));
        assert!((0..12).all(|n| table.find(Hop::LAN, &at(100 + n)).is_some()));
    }
}
