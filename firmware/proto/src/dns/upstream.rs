//! The servers that are asked, and what is known of each.

use gatelet_wire::IpAddress;
use heapless::Vec;
use smoltcp::time::{Duration, Instant};

use super::MAX_UPSTREAMS;

/// A server is given no less than this to answer: it may have to ask three others first.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// And no more: clients give up after 5 s.
const TIMEOUT_MAX: Duration = Duration::from_secs(3);
/// Queries left unanswered in a row that make a server silent.
const SILENT_AFTER: u8 = 3;
/// A silent server is asked last for this long, doubled each time it stays silent,
const BACKOFF_MIN: Duration = Duration::from_secs(10);
/// up to this.
const BACKOFF_MAX: Duration = Duration::from_secs(320);
/// Answers in a row with the case of their question changed, until 0x20 is given up.
const CASE_STRIKES: u8 = 3;

#[derive(Debug, Clone)]
pub(super) struct Upstream {
    pub(super) address: IpAddress,
    /// RFC 6298 §2: the smoothed round trip and its variation.
    round_trip: Option<(Duration, Duration)>,
    unanswered: u8,
    /// Asked last until then, and how long that is.
    backoff: Option<(Instant, Duration)>,
    /// Whether it reads EDNS.
    pub(super) edns: bool,
    /// Whether it keeps the case of names.
    pub(super) keeps_case: bool,
    case_strikes: u8,
}

impl Upstream {
    const fn new(address: IpAddress) -> Self {
        Self {
            address,
            round_trip: None,
            unanswered: 0,
            backoff: None,
            edns: true,
            keeps_case: true,
            case_strikes: 0,
        }
    }

    /// How long to wait for an answer, `repetition` being how often this query has been asked here
    /// before.
    pub(super) fn timeout(&self, repetition: u8) -> Duration {
        let expected = self.round_trip.map_or(TIMEOUT_MIN, |(smoothed, variation)| smoothed + variation * 4);
        let backed_off = expected.clamp(TIMEOUT_MIN, TIMEOUT_MAX) * (1 << repetition.min(2));
        backed_off.clamp(TIMEOUT_MIN, TIMEOUT_MAX)
    }

    /// It answered, after `round_trip` if that can be told. Answers whether that is news.
    pub(super) fn note_answer(&mut self, round_trip: Option<Duration>) -> bool {
        if let Some(new) = round_trip {
            let (smoothed, variation) = self.round_trip.unwrap_or((new, new / 2));
            let error = new.max(smoothed) - new.min(smoothed);
            self.round_trip = Some(((smoothed * 7 + new) / 8, (variation * 3 + error) / 4));
        }
        self.unanswered = 0;
        self.backoff.take().is_some()
    }

    /// It did not. Answers whether it counts as silent from now on.
    pub(super) fn note_timeout(&mut self, now: Instant) -> bool {
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered < SILENT_AFTER {
            return false;
        }
        let before = self.backoff;
        // Those that were under way together fail together: that is one failure.
        if before.is_none_or(|(until, _)| until <= now) {
            let wait = before.map_or(BACKOFF_MIN, |(_, wait)| (wait * 2).min(BACKOFF_MAX));
            self.backoff = Some((now + wait, wait));
        }
        before.is_none()
    }

    /// It changed the case of a name. Answers whether it is given up there.
    pub(super) fn note_case_lost(&mut self) -> bool {
        self.case_strikes = self.case_strikes.saturating_add(1);
        let gives_up = self.keeps_case && self.case_strikes >= CASE_STRIKES;
        if gives_up {
            self.keeps_case = false;
        }
        gives_up
    }

    /// It kept the case of a name that had been mixed.
    pub(super) const fn note_case_kept(&mut self) {
        self.case_strikes = 0;
    }

    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.backoff.is_some_and(|(until, _)| until > now)
    }
}

/// The servers, the one to be asked first in front.
#[derive(Debug)]
pub(super) struct Upstreams(Vec<Upstream, MAX_UPSTREAMS>);

impl Upstreams {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Those of `addresses` that can be asked and fit, each once; what is known of one stays known.
    /// Answers whether they are others than before.
    pub(super) fn set(&mut self, addresses: &[IpAddress]) -> bool {
        let mut new: Vec<Upstream, MAX_UPSTREAMS> = Vec::new();
        for address in addresses {
            if address.is_unicast() && !new.iter().any(|other| other.address == *address) {
                let known = self.0.iter().find(|known| known.address == *address);
                let _ = new.push(known.cloned().unwrap_or_else(|| Upstream::new(*address)));
            }
        }
        let is_same = new.iter().map(|one| one.address).eq(self.0.iter().map(|one| one.address));
        self.0 = new;
        !is_same
    }

    /// All that is known of them may be wrong: another session may lead to others of that address.
    pub(super) fn forget(&mut self) {
        for upstream in &mut self.0 {
            *upstream = Upstream::new(upstream.address);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> u8 {
        self.0.len() as u8
    }

    pub(super) fn get(&self, number: u8) -> Option<&Upstream> {
        self.0.get(usize::from(number))
    }

    pub(super) fn get_mut(&mut self, number: u8) -> Option<&mut Upstream> {
        self.0.get_mut(usize::from(number))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Upstream> {
        self.0.iter()
    }

    /// Whom to ask next: one that was not asked yet before one that was, of those one that answers
    /// before one that is silent, of those the one in front.
    pub(super) fn choose(&self, now: Instant, asked: [u8; MAX_UPSTREAMS]) -> Option<u8> {
        let rank = |number: u8| {
            let times = asked.get(usize::from(number)).copied();
            let is_silent = self.get(number).is_some_and(|upstream| upstream.is_silent(now));
            (times, is_silent, number)
        };
        (0..self.len()).min_by_key(|number| rank(*number))
    }
}
