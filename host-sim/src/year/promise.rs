//! What Gatelet promises, held against the years it lived.
//!
//! 1. No lockout of its own making, on any model that takes five requests or failures to lock.
//! 2. Service within one hold and 20 s of the first request in vain, when history had tripped the lock: dials that the
//!    client made and knows of, or another device's after three of its own within ten minutes. A lock that comes out of
//!    the blue looks like a dark line and is polled like one; how long that took at worst is told.
//! 3. Availability within 0.1 percentage point of the oracle's in the same year.

use std::fmt::Write as _;

use smoltcp::time::Duration;

use super::Policy;
use super::results::{Life, behind_oracle};
use crate::scenario::values::format_duration;

/// The longest a hold lasts: 300 s and up to 60 s of jitter.
const HOLD: Duration = Duration::from_secs(360);
/// What may pass from the end of the hold to service.
const AFTER_HOLD: Duration = Duration::from_secs(20);
/// In percentage points.
const BEHIND_ORACLE: f64 = 0.1;

/// One check, over all years.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) name: &'static str,
    pub(super) passed: bool,
    pub(super) detail: String,
}

/// The verdicts; none if Gatelet did not live.
pub(super) fn judge(lives: &[Life]) -> Vec<Verdict> {
    let ours: Vec<&Life> = lives.iter().filter(|life| life.id.policy == Policy::Gatelet).collect();
    if ours.is_empty() {
        return Vec::new();
    }
    let promised: Vec<&&Life> = ours.iter().filter(|life| life.id.model.promised()).collect();
    let mut verdicts = Vec::new();
    if !promised.is_empty() {
        verdicts.push(no_own_lockouts(&promised));
        verdicts.push(recovery(&promised));
    }
    verdicts.extend(near_the_oracle(&ours, lives));
    verdicts
}

fn no_own_lockouts(promised: &[&&Life]) -> Verdict {
    let guilty: Vec<String> = promised
        .iter()
        .filter(|life| life.own_lockouts() > 0)
        .map(|life| format!("{} on {} ({})", life.own_lockouts(), life.id.model.name, whereabouts(life)))
        .collect();
    Verdict {
        name: "no lockout of its own making",
        passed: guilty.is_empty(),
        detail: summary(guilty, format!("0 in {} years on models with N >= 5", promised.len())),
    }
}

fn recovery(promised: &[&&Life]) -> Verdict {
    let mut slow = Vec::new();
    let mut worst = Duration::ZERO;
    let mut unknown = Duration::ZERO;
    let mut locks = 0;
    for life in promised {
        for lock in life.locks.iter().filter(|lock| lock.is_history()) {
            let Some(recovery) = lock.recovery() else { continue };
            if !lock.known {
                unknown = unknown.max(recovery);
                continue;
            }
            locks += 1;
            worst = worst.max(recovery);
            if recovery > HOLD + AFTER_HOLD {
                let place = whereabouts(life);
                let since = format_duration(lock.lockout.at - smoltcp::time::Instant::ZERO);
                slow.push(format!(
                    "{} on {} ({place}, at {since})",
                    format_duration(recovery),
                    life.id.model.name
                ));
            }
        }
    }
    let mut praise = match locks {
        0 => "no lock was tripped by history".to_owned(),
        1 => format!("one lock tripped by history, recovered in {}", format_duration(worst)),
        _ => format!("{locks} locks tripped by history, the slowest recovered in {}", format_duration(worst)),
    };
    if unknown > Duration::ZERO {
        let _ = write!(praise, " (after locks out of the blue: {})", format_duration(unknown));
    }
    Verdict { name: "recovery within hold + 20 s", passed: slow.is_empty(), detail: summary(slow, praise) }
}

fn near_the_oracle(ours: &[&Life], lives: &[Life]) -> Option<Verdict> {
    let behind: Vec<(f64, &Life)> =
        ours.iter().filter_map(|life| behind_oracle(life, lives).map(|points| (points, *life))).collect();
    let &(worst, life) = behind.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(Verdict {
        name: "availability within 0.1 percentage point of the oracle's",
        passed: worst <= BEHIND_ORACLE,
        detail: format!("at worst {worst:.4} behind, on {} ({})", life.id.model.name, whereabouts(life)),
    })
}

fn summary(complaints: Vec<String>, praise: String) -> String {
    const SHOWN: usize = 5;
    if complaints.is_empty() {
        return praise;
    }
    let more = complaints.len().saturating_sub(SHOWN);
    let mut text = complaints.into_iter().take(SHOWN).collect::<Vec<_>>().join("; ");
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    text
}

fn whereabouts(life: &Life) -> String {
    format!("{}, seed {}", life.id.carrier, life.id.seed)
}
