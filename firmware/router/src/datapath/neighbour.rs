//! Neighbours on Ethernet: ARP (RFC 826, RFC 5227) with a cache that is bounded, ages, and does not believe everything.
//!
//! ```text
//!            needed          answer                  60 s            answer
//!   (none) ────────► Asked ──────────► Known ───────────────► Probed ──────► Known
//!                      │ 3 unanswered    ▲                      │ 3 unanswered
//!                      ▼                 │ answer               ▼
//!                    (none)              └──── Disputed ◄── another address claims it
//!                                                 │ 2 unanswered: the claimant is believed
//!                                                 ▼
//!                                               Known
//! ```
//!
//! A station that claims a neighbour's IP address changes nothing by saying so: the neighbour is asked first, at the address we
//! know, and only its silence makes room for the other. What is not needed is not learnt.

use core::mem::size_of;

use gatelet_wire::EthernetAddress;
use smoltcp::time::{Duration, Instant};

use super::flow::NO_NEIGHBOUR;
use super::interface::{Hop, Mac};

/// A station on one of our links, and the account of the flows it opened. 40 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour {
    /// In memory order; 0: a free place.
    pub(crate) address: u32,
    pub(crate) mac: Mac,
    /// The claimant, where the address is disputed.
    claimant: Mac,
    state: State,
    hop: Hop,
    /// Questions asked and not answered.
    asked: u8,
    /// When the next step is due.
    due: Instant,
    /// Flows on its account.
    pub(crate) flows: u16,
}

const _: () = assert!(size_of::<Neighbour>() <= 40);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    Known,
    Probed,
    Disputed,
}

impl Neighbour {
    pub(crate) const FREE: Self = Self {
        address: 0,
        mac: Mac::ZERO,
        claimant: Mac::ZERO,
        state: State::Asked,
        hop: Hop::LAN,
        asked: 0,
        due: Instant::ZERO,
        flows: 0,
    };

    /// Its hardware address, if it is known.
    #[inline]
    pub(crate) const fn reachable(&self) -> Option<Mac> {
        match self.state {
            State::Asked => None,
            State::Known | State::Probed | State::Disputed => Some(self.mac),
        }
    }

    pub(crate) const fn hop(&self) -> Hop {
        self.hop
    }
}

/// What ARP has to send: who has `address`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) hop: Hop,
    pub(crate) address: u32,
    /// The neighbour alone, or everybody.
    pub(crate) to: EthernetAddress,
}

/// What an ARP packet or a timeout has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// The neighbour at this place can be reached now.
    Reachable(u8),
    /// The neighbour at this place is gone; its address was this.
    Gone(u8, u32),
    /// Somebody else claims the neighbour's address.
    Disputed(u8),
    /// The claimant has it now.
    Moved(u8),
}

/// The cache. A full one gives up, of the neighbours without flows on their account, one that has not answered, else the one not
/// heard of for longest; with none such it refuses.
#[derive(Debug)]
pub(crate) struct NeighbourTable<'a> {
    neighbours: &'a mut [Neighbour],
}

impl<'a> NeighbourTable<'a> {
    pub(crate) fn new(neighbours: &'a mut [Neighbour]) -> Self {
        let places = neighbours.len().min(usize::from(NO_NEIGHBOUR));
        let neighbours = &mut neighbours[..places];
        neighbours.fill(Neighbour::FREE);
        Self { neighbours }
    }

    #[inline]
    pub(crate) fn neighbour(&self, place: u8) -> Option<&Neighbour> {
        self.neighbours.get(usize::from(place))
    }

    /// How many there may be.
    pub(crate) const fn capacity(&self) -> usize {
        self.neighbours.len()
    }

    pub(crate) fn find(&self, hop: Hop, address: u32) -> Option<u8> {
        let found = self.neighbours.iter().position(|known| known.address == address && known.hop == hop);
        found.map(|place| place as u8)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.iter().filter(|neighbour| neighbour.address != 0)
    }

    /// The neighbour at `address`, to be asked for if it is not known. `mac`, if its frame told, is used until it has answered.
    /// `given_up` is the place of one that had to go: not `keep`, which the same packet needs too. `None` if nobody may go.
    pub(crate) fn need(
        &mut self,
        now: Instant,
        hop: Hop,
        address: u32,
        mac: Option<EthernetAddress>,
        keep: u8,
        given_up: impl FnOnce(u8),
    ) -> Option<u8> {
        if let Some(place) = self.find(hop, address) {
            return Some(place);
        }
        let free = self.neighbours.iter().position(|neighbour| neighbour.address == 0);
        let place = if let Some(place) = free {
            place
        } else {
            let idle = self
                .neighbours
                .iter()
                .enumerate()
                .filter(|(place, neighbour)| neighbour.flows == 0 && *place != usize::from(keep));
            let (place, _) =
                idle.min_by_key(|(_, neighbour)| (neighbour.state != State::Asked, neighbour.due))?;
            given_up(place as u8);
            place
        };
        let state = if mac.is_some() { State::Probed } else { State::Asked };
        let mac = mac.map_or(Mac::ZERO, Mac::of);
        *self.neighbours.get_mut(place)? =
            Neighbour { address, mac, state, hop, due: now, ..Neighbour::FREE };
        Some(place as u8)
    }

    /// A frame came from a neighbour, with this source: good enough for one that is being asked for. True if it can be reached
    /// now and could not before.
    pub(crate) fn hear(&mut self, now: Instant, place: u8, mac: EthernetAddress) -> bool {
        let Some(known) = self.neighbours.get_mut(usize::from(place)) else { return false };
        let news = known.address != 0 && known.state == State::Asked && mac.is_unicast();
        if news {
            *known = Neighbour { mac: Mac::of(mac), state: State::Probed, asked: 0, due: now, ..*known };
        }
        news
    }

    /// Something is to be sent to a neighbour that is not to be asked for yet: soon, then.
    pub(crate) fn hurry(&mut self, now: Instant, place: u8) {
        if let Some(known) = self.neighbours.get_mut(usize::from(place))
            && known.state == State::Asked
        {
            known.due = known.due.min(now + ANSWER_TIME);
        }
    }

    /// Counts a flow on a neighbour's account, or off it.
    pub(crate) fn charge(&mut self, place: u8, flows: i16) {
        if let Some(neighbour) = self.neighbours.get_mut(usize::from(place)) {
            neighbour.flows = neighbour.flows.saturating_add_signed(flows);
        }
    }

    /// Takes an ARP packet: `mac` says that it has `address`. A broadcast that nobody asked for is no answer.
    pub(crate) fn handle_claim(
        &mut self,
        now: Instant,
        hop: Hop,
        address: u32,
        mac: EthernetAddress,
        is_answer: bool,
    ) -> Change {
        let Some(place) = self.find(hop, address) else { return Change::Nothing };
        let mac = Mac::of(mac);
        let Some(known) = self.neighbours.get_mut(usize::from(place)) else { return Change::Nothing };
        match known.state {
            State::Asked => {
                *known =
                    Neighbour { mac, state: State::Known, asked: 0, due: now + REACHABLE_TIME, ..*known };
                Change::Reachable(place)
            }
            _ if known.mac == mac => {
                if is_answer || known.state == State::Probed {
                    *known = Neighbour { state: State::Known, asked: 0, due: now + REACHABLE_TIME, ..*known };
                }
                Change::Nothing
            }
            State::Disputed => Change::Nothing,
            State::Known | State::Probed => {
                *known = Neighbour { claimant: mac, state: State::Disputed, asked: 0, due: now, ..*known };
                Change::Disputed(place)
            }
        }
    }

    /// The next question that is due, and what its not being answered so far has changed.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(Option<Question>, Change)> {
        let place = self.neighbours.iter().position(|known| known.address != 0 && known.due <= now)?;
        let known = self.neighbours.get_mut(place)?;
        let place = place as u8;
        let question = |to| Some(Question { hop: known.hop, address: known.address, to });
        match known.state {
            State::Known => {
                known.state = State::Probed;
                Some((None, Change::Nothing))
            }
            State::Asked | State::Probed if known.asked >= ATTEMPTS => {
                let (address, flows) = (known.address, known.flows);
                if flows > 0 {
                    // Its flows are still on its account: it stays, and is asked again, ever more rarely.
                    *known = Neighbour { state: State::Asked, asked: 0, due: now + RETRY_LATER, ..*known };
                } else {
                    *known = Neighbour::FREE;
                }
                Some((None, Change::Gone(place, address)))
            }
            State::Disputed if known.asked >= DISPUTE_ATTEMPTS => {
                let mac = known.claimant;
                *known =
                    Neighbour { mac, state: State::Known, asked: 0, due: now + REACHABLE_TIME, ..*known };
                Some((None, Change::Moved(place)))
            }
            state => {
                let to = if state == State::Asked { EthernetAddress::BROADCAST } else { known.mac.address() };
                let question = question(to);
                known.asked += 1;
                known.due = now + ANSWER_TIME;
                Some((question, Change::Nothing))
            }
        }
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.iter().map(|neighbour| neighbour.due).min()
    }

    /// Forgets the hardware addresses of all neighbours of `hop`: its network is another one. Those with flows on their account
    /// keep the account.
    pub(crate) fn forget(&mut self, now: Instant, hop: Hop) {
        for known in self.neighbours.iter_mut().filter(|known| known.address != 0 && known.hop == hop) {
            *known = if known.flows == 0 {
                Neighbour::FREE
            } else {
                Neighbour { mac: Mac::ZERO, state: State::Asked, asked: 0, due: now + RETRY_LATER, ..*known }
            };
        }
    }
}

/// How long an answer is good for (RFC 2461's `REACHABLE_TIME` is 30 s; ARP asks in whole minutes, RFC 1122 §2.3.2.1).
const REACHABLE_TIME: Duration = Duration::from_secs(60);
/// How long a question waits for its answer (RFC 1122 §2.3.2.1: one per second at most).
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// Questions before a neighbour is taken for gone.
const ATTEMPTS: u8 = 3;
/// Questions before a claimant is believed.
const DISPUTE_ATTEMPTS: u8 = 2;
/// When one that is gone, and still has flows, is asked for again.
const RETRY_LATER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
    const NEW: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
    const AT: u32 = 0x0100_A8C0;

    fn questions(
        table: &mut NeighbourTable<'_>,
        now: Instant,
    ) -> (std::vec::Vec<EthernetAddress>, std::vec::Vec<Change>) {
        let mut all = (std::vec::Vec::new(), std::vec::Vec::new());
        while let Some((question, change)) = table.poll(now) {
            all.0.extend(question.map(|question| question.to));
            all.1.extend([change].into_iter().filter(|change| *change != Change::Nothing));
        }
        all
    }

    fn known(table: &mut NeighbourTable<'_>, now: Instant) -> u8 {
        let place = table.need(now, Hop::LAN, AT, None, NO_NEIGHBOUR, |_| ()).unwrap();
        assert_eq!(questions(table, now).0, [EthernetAddress::BROADCAST]);
        assert_eq!(table.handle_claim(now, Hop::LAN, AT, OLD, true), Change::Reachable(place));
        place
    }

    #[test]
    fn asked_three_times_and_then_gone() {
        let mut places = [Neighbour::FREE; 4];
        let mut table = NeighbourTable::new(&mut places);
        let now = Instant::from_secs(100);
        table.need(now, Hop::LAN, AT, None, NO_NEIGHBOUR, |_| ()).unwrap();
        for second in 0..3 {
            assert_eq!(questions(&mut table, now + Duration::from_secs(second)).0.len(), 1);
        }
        assert_eq!(questions(&mut table, now + Duration::from_secs(3)).1, [Change::Gone(0, AT)]);
        assert_eq!(table.poll_at(), None);
    }

    #[test]
    fn a_claim_alone_moves_nobody() {
        let mut places = [Neighbour::FREE; 4];
        let mut table = NeighbourTable::new(&mut places);
        let now = Instant::from_secs(100);
        let place = known(&mut table, now);
        assert_eq!(table.handle_claim(now, Hop::LAN, AT, NEW, false), Change::Disputed(place));
        assert_eq!(questions(&mut table, now).0, [OLD], "the one we know is asked");
        assert_eq!(table.neighbour(place).unwrap().reachable(), Some(Mac::of(OLD)));
        // It answers: all is as it was.
        assert_eq!(table.handle_claim(now, Hop::LAN, AT, OLD, true), Change::Nothing);
        assert_eq!(questions(&mut table, now + Duration::from_secs(5)), (std::vec![], std::vec![]));
        // Another time it does not.
        assert_eq!(table.handle_claim(now, Hop::LAN, AT, NEW, false), Change::Disputed(place));
        let seconds = |n| now + Duration::from_secs(n);
        assert_eq!(questions(&mut table, seconds(1)).0, [OLD]);
        assert_eq!(questions(&mut table, seconds(2)).0, [OLD]);
        assert_eq!(questions(&mut table, seconds(3)).1, [Change::Moved(place)]);
        assert_eq!(table.neighbour(place).unwrap().reachable(), Some(Mac::of(NEW)));
    }

    #[test]
    fn who_has_flows_keeps_its_place() {
        let mut places = [Neighbour::FREE; 2];
        let mut table = NeighbourTable::new(&mut places);
        let now = Instant::from_secs(100);
        for address in 1..=2 {
            let place = table.need(now, Hop::LAN, address, Some(OLD), NO_NEIGHBOUR, |_| ()).unwrap();
            table.charge(place, 1);
        }
        assert_eq!(table.need(now, Hop::LAN, 3, None, NO_NEIGHBOUR, |_| ()), None);
        table.charge(1, -1);
        let mut given_up = None;
        let given_up_too = |place| given_up = Some(place);
        assert_eq!(table.need(now, Hop::LAN, 3, None, 1, |_| ()), None, "it is needed too");
        assert_eq!(table.need(now, Hop::LAN, 3, None, NO_NEIGHBOUR, given_up_too), Some(1));
        assert_eq!(given_up, Some(1));
    }

    #[test]
    fn who_has_not_answered_goes_first_and_then_who_was_not_heard_of_for_longest() {
        let mut places = [Neighbour::FREE; 3];
        let mut table = NeighbourTable::new(&mut places);
        let seconds = |n| Instant::from_secs(100) + Duration::from_secs(n);
        for address in 1..=3 {
            let now = seconds(u64::from(address));
            assert!(table.need(now, Hop::LAN, address, None, NO_NEIGHBOUR, |_| ()).is_some());
            if address != 2 {
                table.handle_claim(now, Hop::LAN, address, OLD, true);
            }
        }
        let mut need = |address| {
            let mut given_up = None;
            table.need(seconds(5), Hop::LAN, address, None, NO_NEIGHBOUR, |place| given_up = Some(place));
            table.handle_claim(seconds(5), Hop::LAN, address, NEW, true);
            given_up
        };
        assert_eq!([need(4), need(5), need(6)], [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn a_frame_is_as_good_as_an_answer_until_it_is_asked() {
        let mut places = [Neighbour::FREE; 1];
        let mut table = NeighbourTable::new(&mut places);
        let now = Instant::from_secs(100);
        let place = table.need(now, Hop::LAN, AT, None, NO_NEIGHBOUR, |_| ()).unwrap();
        assert!(table.hear(now, place, OLD));
        assert!(!table.hear(now, place, NEW), "once");
        assert_eq!(table.neighbour(place).unwrap().reachable(), Some(Mac::of(OLD)));
        assert_eq!(questions(&mut table, now).0, [OLD]);
        assert!(!table.hear(now, NO_NEIGHBOUR, OLD));
    }

    #[test]
    fn what_is_known_is_asked_again_after_a_minute() {
        let mut places = [Neighbour::FREE; 2];
        let mut table = NeighbourTable::new(&mut places);
        let now = Instant::from_secs(100);
        let place = known(&mut table, now);
        let later = now + REACHABLE_TIME;
        assert_eq!(questions(&mut table, later).0, [OLD]);
        assert!(table.neighbour(place).unwrap().reachable().is_some());
        assert_eq!(table.handle_claim(later, Hop::LAN, AT, OLD, true), Change::Nothing);
        assert_eq!(table.poll_at(), Some(later + REACHABLE_TIME));
    }
}
