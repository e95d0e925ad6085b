//! What a year on a line is judged by.

use std::collections::VecDeque;

use smoltcp::time::{Duration, Instant};

use crate::peers::concentrator::Counters;
use crate::peers::concentrator::throttle::Lockout;

/// So many dials within this time are history that a client can know of: silence after them means locked.
const KNOWN_DIALS: (usize, Duration) = (3, Duration::from_secs(600));

/// What can be seen at one moment.
pub(super) struct Observation<'a> {
    pub(super) now: Instant,
    /// The subscriber's packets get through.
    pub(super) service: bool,
    /// A first dial of an unlocked client would succeed.
    pub(super) willing: bool,
    pub(super) counters: &'a Counters,
}

/// A lock and what came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LockEpisode {
    pub(super) lockout: Lockout,
    /// When the subscriber first asked in vain: only from then on can it know.
    pub(super) first_ignored: Option<Instant>,
    /// When service was back.
    pub(super) recovered: Option<Instant>,
    /// The subscriber had dialed often enough to suspect a lock from its own memory.
    pub(super) known: bool,
    /// Something else happened to the line meanwhile: the time says nothing about the policy.
    pub(super) disturbed: bool,
}

impl LockEpisode {
    /// From the first request in vain to service, if nothing else interfered.
    pub(super) fn recovery(&self) -> Option<Duration> {
        let (Some(ignored), Some(recovered), false) = (self.first_ignored, self.recovered, self.disturbed)
        else {
            return None;
        };
        Some(recovered - ignored)
    }

    /// Tripped by what was provoked, or by another device: not the policy's fault.
    pub(super) fn is_history(&self) -> bool {
        !self.lockout.own_making
    }
}

/// Measures service, outages and locks.
#[derive(Debug)]
pub(super) struct Stopwatch {
    service: bool,
    willing: bool,
    changed_at: Instant,
    down_since: Instant,
    answers_since: Option<Instant>,
    locks_seen: usize,
    ignored_seen: u64,
    pub(super) up_time: Duration,
    pub(super) longest_outage: Duration,
    /// From "the line answers" to service, each time service returned.
    pub(super) recoveries: Vec<Duration>,
    pub(super) outages: Vec<(Instant, Duration)>,
    pub(super) locks: Vec<LockEpisode>,
    pub(super) padis_sent: u64,
    pub(super) padrs_sent: u64,
    /// When the latest dials began, each with its PADR.
    dials: VecDeque<Instant>,
    /// How often somebody pulled the plug because nothing else helped.
    pub(super) replugs: u32,
}

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self {
            service: false,
            willing: false,
            changed_at: Instant::ZERO,
            down_since: Instant::ZERO,
            answers_since: None,
            locks_seen: 0,
            ignored_seen: 0,
            up_time: Duration::ZERO,
            longest_outage: Duration::ZERO,
            recoveries: Vec::new(),
            outages: Vec::new(),
            locks: Vec::new(),
            padis_sent: 0,
            padrs_sent: 0,
            dials: VecDeque::new(),
            replugs: 0,
        }
    }

    /// The subscriber sent a frame.
    pub(super) fn note_sent(&mut self, now: Instant, frame: &[u8]) {
        // Untagged: EtherType 0x8863, then VER/TYPE and CODE.
        match frame.get(12..16) {
            Some([0x88, 0x63, 0x11, 0x09]) => self.padis_sent += 1,
            Some([0x88, 0x63, 0x11, 0x19]) => {
                self.padrs_sent += 1;
                self.dials.push_back(now);
                if self.dials.len() > KNOWN_DIALS.0 {
                    self.dials.pop_front();
                }
            }
            _ => {}
        }
    }

    /// Something happened to the line.
    pub(super) fn note_disturbance(&mut self, now: Instant) {
        for lock in self.locks.iter_mut().filter(|lock| lock.recovered.is_none() && lock.lockout.at < now) {
            lock.disturbed = true;
        }
    }

    pub(super) fn observe(&mut self, seen: &Observation) {
        let ignored = seen.counters.padis_unanswered + seen.counters.padrs_unanswered;
        for &lockout in &seen.counters.lockouts[self.locks_seen..] {
            let recent = self.dials.iter().filter(|&&at| seen.now < at + KNOWN_DIALS.1).count();
            let known = recent >= KNOWN_DIALS.0;
            self.locks.push(LockEpisode {
                lockout,
                first_ignored: None,
                recovered: None,
                known,
                disturbed: false,
            });
        }
        self.locks_seen = seen.counters.lockouts.len();
        if ignored > self.ignored_seen {
            self.ignored_seen = ignored;
            for lock in self.locks.iter_mut().rev().take_while(|lock| lock.recovered.is_none()) {
                lock.first_ignored.get_or_insert(seen.now);
            }
        }
        if seen.service != self.service {
            if seen.service {
                let outage = seen.now - self.down_since;
                self.outages.push((self.down_since, outage));
                self.longest_outage = self.longest_outage.max(outage);
                if let Some(answers) = self.answers_since {
                    self.recoveries.push(seen.now - answers);
                }
                for lock in self.locks.iter_mut().rev().take_while(|lock| lock.recovered.is_none()) {
                    lock.recovered = Some(seen.now);
                }
            } else {
                self.up_time += seen.now - self.changed_at;
                self.down_since = seen.now;
            }
            self.changed_at = seen.now;
        }
        self.answers_since = match (seen.service, seen.willing) {
            (true, _) | (_, false) => None,
            (false, true) => Some(self.answers_since.unwrap_or(seen.now)),
        };
        self.service = seen.service;
        self.willing = seen.willing;
    }

    /// The year is over.
    pub(super) fn finish(&mut self, end: Instant) {
        if self.service {
            self.up_time += end - self.changed_at;
        } else {
            self.longest_outage = self.longest_outage.max(end - self.down_since);
            self.outages.push((self.down_since, end - self.down_since));
        }
        self.changed_at = end;
    }
}
