//! Answers that are kept, whole and as they came, one behind the other in an arena.
//!
//! An arena without gaps, not places of one size: most answers take 60 to 250 octets, so places of
//! 512 would waste more than half of the little memory there is. Taking an answer out moves those
//! behind it up, some 16 KB at worst, which is nothing beside the 100 ms an answer takes to come.
//! Finding one compares a number of 32 bits for each; a DNS query is not worth a hash table.

use gatelet_wire::dns::{HEADER_LEN, NameBuf, Type};
use smoltcp::time::{Duration, Instant};

use super::MAX_MESSAGE_LEN;

/// An answer's place in the cache. Opaque; lent by the owner as [`Default`] makes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct CacheEntry(Option<Stored>);

#[derive(Debug, Clone, Copy)]
struct Stored {
    at: u16,
    len: u16,
    fingerprint: u32,
    kind: Type,
    flavour: Flavour,
    /// How many answers to clients are still to be made of it.
    owed: u8,
    /// Whether it may be found: it may be here only for those who wait.
    is_kept: bool,
    /// It is only known that nobody could answer (RFC 9520).
    is_failure: bool,
    since: Instant,
    lifetime_s: u32,
    /// Not before then somebody is asked again, though it has expired.
    retry_at: Instant,
    /// When it was asked for, counted in questions.
    used: u32,
}

/// What else of a query, beside name and type, makes another answer: DO and CD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flavour {
    pub(super) dnssec_ok: bool,
    pub(super) checking_disabled: bool,
}

/// What an answer is kept under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'k> {
    pub(super) name: &'k NameBuf,
    pub(super) kind: Type,
    pub(super) flavour: Flavour,
}

/// How good an answer still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// As good as on the first day.
    Fresh,
    /// Expired: somebody should be asked.
    Stale,
    /// Expired; but nobody could be asked a moment ago.
    Tried,
}

/// The number of an entry; it stays the same while something is owed of it.
pub(super) type EntryId = u16;

#[derive(Debug)]
pub(super) struct Cache<'a> {
    entries: &'a mut [CacheEntry],
    arena: &'a mut [u8],
    in_use: usize,
    questions: u32,
    pub(super) evicted: u32,
}

impl<'a> Cache<'a> {
    pub(super) fn new(entries: &'a mut [CacheEntry], arena: &'a mut [u8]) -> Self {
        entries.fill(CacheEntry(None));
        // What the numbers of an entry can name.
        let entries_len = entries.len().min(usize::from(u16::MAX));
        let arena_len = arena.len().min(usize::from(u16::MAX));
        let (entries, _) = entries.split_at_mut(entries_len);
        let (arena, _) = arena.split_at_mut(arena_len);
        Self { entries, arena, in_use: 0, questions: 0, evicted: 0 }
    }

    /// The longest message that is kept: no single one may take more than half of the arena.
    pub(super) fn max_message_len(&self) -> usize {
        MAX_MESSAGE_LEN.min(self.arena.len() / 2)
    }

    /// What is known of `key`, unless it has been expired for longer than `stale_max_s`.
    pub(super) fn find(
        &mut self,
        now: Instant,
        key: &Key<'_>,
        stale_max_s: u32,
    ) -> Option<(EntryId, Freshness)> {
        let id = self.position(key)?;
        self.questions = self.questions.wrapping_add(1);
        let questions = self.questions;
        let stored = self.stored_mut(id)?;
        let expires_at = stored.expires_at();
        let freshness = if now < expires_at {
            Freshness::Fresh
        } else if stored.is_failure || now >= expires_at + Duration::from_secs(stale_max_s.into()) {
            return None;
        } else if now < stored.retry_at {
            Freshness::Tried
        } else {
            Freshness::Stale
        };
        stored.used = questions;
        Some((id, freshness))
    }

    /// Whether what is kept there is that nobody could answer.
    pub(super) fn is_failure(&self, id: EntryId) -> bool {
        self.stored(id).is_some_and(|stored| stored.is_failure)
    }

    /// Nobody could be asked: it is not tried again before `retry_at`.
    pub(super) fn note_tried(&mut self, id: EntryId, retry_at: Instant) {
        if let Some(stored) = self.stored_mut(id) {
            stored.retry_at = retry_at;
        }
    }

    /// Keeps `message` under `key`, instead of what was there; `None` if there is no room even
    /// without all others.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        key: &Key<'_>,
        message: &[u8],
        lifetime_s: u32,
        is_failure: bool,
    ) -> Option<EntryId> {
        if message.len() > self.max_message_len() {
            return None;
        }
        if let Some(old) = self.position(key) {
            self.forget(old);
        }
        let id = self.insert(now, key, message, lifetime_s)?;
        let stored = self.stored_mut(id)?;
        stored.is_kept = true;
        stored.is_failure = is_failure;
        Some(id)
    }

    /// Holds `message` for those who wait for it, and for nobody else.
    pub(super) fn hold(&mut self, now: Instant, key: &Key<'_>, message: &[u8]) -> Option<EntryId> {
        self.insert(now, key, message, 0)
    }

    /// Lets `edit` change the message that was taken in last, and say how long it is then. `None` from
    /// it throws the message away.
    pub(super) fn edit_newest(
        &mut self,
        id: EntryId,
        edit: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<()> {
        let stored = self.entries.get_mut(usize::from(id))?.0.as_mut()?;
        let (start, len) = (usize::from(stored.at), usize::from(stored.len));
        let message = self.arena.get_mut(start..start + len).filter(|_| start + len == self.in_use);
        if let Some(shorter) = message.and_then(edit).filter(|shorter| *shorter <= len) {
            stored.len = shorter as u16;
            self.in_use = start + shorter;
            Some(())
        } else {
            self.remove(id);
            None
        }
    }

    /// One more answer is to be made of this entry: it stays until [`settle`](Self::settle).
    pub(super) fn owe(&mut self, id: EntryId) {
        if let Some(stored) = self.stored_mut(id) {
            stored.owed = stored.owed.saturating_add(1);
        }
    }

    /// That answer was made.
    pub(super) fn settle(&mut self, id: EntryId) {
        if let Some(stored) = self.stored_mut(id) {
            stored.owed = stored.owed.saturating_sub(1);
            if stored.owed == 0 && !stored.is_kept {
                self.remove(id);
            }
        }
    }

    /// The message, and how many seconds ago it came.
    pub(super) fn message(&self, now: Instant, id: EntryId) -> Option<(&[u8], u32)> {
        let stored = self.stored(id)?;
        let age_s = if now > stored.since { (now - stored.since).secs() } else { 0 };
        let start = usize::from(stored.at);
        let message = self.arena.get(start..start + usize::from(stored.len))?;
        Some((message, u32::try_from(age_s).unwrap_or(u32::MAX)))
    }

    /// Forgets everything that nobody waits for.
    pub(super) fn clear(&mut self) {
        for id in 0..self.entries.len() as u16 {
            self.forget(id);
        }
    }

    /// How many answers are kept, and how many octets they take.
    pub(super) fn usage(&self) -> (usize, usize) {
        (self.entries.iter().filter(|entry| entry.0.is_some()).count(), self.in_use)
    }

    fn position(&self, key: &Key<'_>) -> Option<EntryId> {
        let fingerprint = fingerprint(key);
        let is_it = |stored: &Stored| {
            let name = self.arena.get(usize::from(stored.at) + HEADER_LEN..).unwrap_or_default();
            let name = name.get(..key.name.as_bytes().len()).unwrap_or_default();
            stored.is_kept
                && stored.fingerprint == fingerprint
                && stored.kind == key.kind
                && stored.flavour == key.flavour
                && name.eq_ignore_ascii_case(key.name.as_bytes())
        };
        let id = self.entries.iter().position(|entry| entry.0.as_ref().is_some_and(is_it))?;
        u16::try_from(id).ok()
    }

    fn insert(&mut self, now: Instant, key: &Key<'_>, message: &[u8], lifetime_s: u32) -> Option<EntryId> {
        if message.len() > self.max_message_len() {
            return None;
        }
        let id = loop {
            let free = self.entries.iter().position(|entry| entry.0.is_none());
            match free {
                Some(id) if self.in_use + message.len() <= self.arena.len() => break id as u16,
                _ => self.evict(now)?,
            }
        };
        let at = self.in_use;
        self.arena.get_mut(at..at + message.len())?.copy_from_slice(message);
        self.in_use += message.len();
        self.questions = self.questions.wrapping_add(1);
        let stored = Stored {
            at: at as u16,
            len: message.len() as u16,
            fingerprint: fingerprint(key),
            kind: key.kind,
            flavour: key.flavour,
            owed: 0,
            is_kept: false,
            is_failure: false,
            since: now,
            lifetime_s,
            retry_at: now,
            used: self.questions,
        };
        self.entries.get_mut(usize::from(id))?.0 = Some(stored);
        Some(id)
    }

    /// Takes out the one that is missed least: of those expired, else of all, the one not asked for
    /// the longest. One that is owed stays.
    fn evict(&mut self, now: Instant) -> Option<()> {
        let questions = self.questions;
        let victims = self.entries.iter().enumerate().filter_map(|(id, entry)| {
            let stored = entry.0.as_ref().filter(|stored| stored.owed == 0)?;
            let is_expired = stored.expires_at() <= now;
            Some((is_expired, questions.wrapping_sub(stored.used), id as u16))
        });
        let (is_expired, _, victim) = victims.max()?;
        self.remove(victim);
        if !is_expired {
            self.evicted = self.evicted.wrapping_add(1);
        }
        Some(())
    }

    /// It is not found any more, and goes as soon as nothing is owed.
    fn forget(&mut self, id: EntryId) {
        if let Some(stored) = self.stored_mut(id) {
            stored.is_kept = false;
            if stored.owed == 0 {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: EntryId) {
        let Some(gone) = self.entries.get_mut(usize::from(id)).and_then(|entry| entry.0.take()) else {
            return;
        };
        let end = usize::from(gone.at) + usize::from(gone.len);
        self.arena.copy_within(end..self.in_use, usize::from(gone.at));
        self.in_use -= usize::from(gone.len);
        for other in self.entries.iter_mut().filter_map(|entry| entry.0.as_mut()) {
            if other.at > gone.at {
                other.at -= gone.len;
            }
        }
    }

    fn stored(&self, id: EntryId) -> Option<&Stored> {
        self.entries.get(usize::from(id))?.0.as_ref()
    }

    fn stored_mut(&mut self, id: EntryId) -> Option<&mut Stored> {
        self.entries.get_mut(usize::from(id))?.0.as_mut()
    }
}

impl Stored {
    fn expires_at(&self) -> Instant {
        self.since + Duration::from_secs(self.lifetime_s.into())
    }
}

/// FNV-1a over the name in small letters and what else counts: to compare names only where it is
/// worth it. Who makes two of them equal gains nothing.
fn fingerprint(key: &Key<'_>) -> u32 {
    let kind = key.kind.0.to_be_bytes();
    let flavour = [u8::from(key.flavour.dnssec_ok), u8::from(key.flavour.checking_disabled)];
    let octets = key.name.as_bytes().iter().chain(&kind).chain(&flavour);
    octets.fold(0x811C_9DC5, |hash, octet| {
        (hash ^ u32::from(octet.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    })
}
