//! What is kept of one life on the line, and sums over several.

use serde_json::{Value, json};
use smoltcp::time::{Duration, Instant};

use super::Policy;
use super::promise::Verdict;
use super::stopwatch::LockEpisode;
use super::street::Street;
use crate::peers::concentrator::Model;

/// Which life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LifeId {
    pub(super) policy: Policy,
    pub(super) carrier: String,
    pub(super) model: Model,
    pub(super) seed: u64,
}

/// One policy's year.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) id: LifeId,
    /// Share of the year with service.
    pub(super) availability: f64,
    pub(super) longest_outage: Duration,
    /// From "the line answers" to service, sorted.
    pub(super) recoveries: Vec<Duration>,
    pub(super) outages: Vec<(Instant, Duration)>,
    pub(super) locks: Vec<LockEpisode>,
    pub(super) lock_extensions: u64,
    pub(super) padis_sent: u64,
    pub(super) dials: u64,
    pub(super) replugs: u32,
    pub(super) frames: u64,
    pub(super) core_seconds: f64,
}

impl Life {
    pub(super) fn new(id: LifeId, length: Duration, street: &Street<'_>, core_seconds: f64) -> Self {
        let watch = &street.watch;
        let mut recoveries = watch.recoveries.clone();
        recoveries.sort_unstable();
        Self {
            id,
            availability: seconds(watch.up_time) / seconds(length),
            longest_outage: watch.longest_outage,
            recoveries,
            outages: watch.outages.clone(),
            locks: watch.locks.clone(),
            lock_extensions: street.concentrator.counters().lock_extensions,
            padis_sent: watch.padis_sent,
            dials: watch.padrs_sent,
            replugs: watch.replugs,
            frames: street.frames,
            core_seconds,
        }
    }

    /// Lockouts that took a dial beyond the first after each failure the line caused.
    pub(super) fn own_lockouts(&self) -> usize {
        self.locks.iter().filter(|lock| lock.lockout.own_making).count()
    }

    /// Lockouts tripped by what the line or its people did.
    pub(super) fn history_lockouts(&self) -> usize {
        self.locks.iter().filter(|lock| lock.is_history()).count()
    }
}

/// Several lives as one row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) policy: Policy,
    pub(super) model: Model,
    pub(super) years: usize,
    pub(super) availability: f64,
    /// To the oracle's, in percentage points; `None` if it did not live.
    pub(super) behind_oracle: Option<f64>,
    pub(super) recoveries: Vec<Duration>,
    pub(super) longest_outage: Duration,
    /// A year.
    pub(super) own_lockouts: f64,
    pub(super) history_lockouts: f64,
    pub(super) lock_extensions: f64,
    pub(super) padis: f64,
    pub(super) dials: f64,
    pub(super) replugs: f64,
}

/// One row for each model and policy, in the order of `lives`.
pub(super) fn rows(lives: &[Life]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for life in lives {
        let known = rows.iter().any(|row| row.policy == life.id.policy && row.model == life.id.model);
        if !known {
            let same: Vec<&Life> = lives
                .iter()
                .filter(|other| other.id.policy == life.id.policy && other.id.model == life.id.model)
                .collect();
            rows.push(row(&same, lives));
        }
    }
    rows
}

fn row(same: &[&Life], lives: &[Life]) -> Row {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred years")]
    let years = same.len() as f64;
    let mean = |of: &dyn Fn(&Life) -> f64| same.iter().map(|life| of(life)).sum::<f64>() / years;
    #[expect(clippy::cast_precision_loss, reason = "counts of a year")]
    let count = |number: usize| number as f64;
    let mut recoveries: Vec<Duration> =
        same.iter().flat_map(|life| life.recoveries.iter().copied()).collect();
    recoveries.sort_unstable();
    let behind: Vec<f64> = same.iter().filter_map(|life| behind_oracle(life, lives)).collect();
    Row {
        policy: same[0].id.policy,
        model: same[0].id.model.clone(),
        years: same.len(),
        availability: mean(&|life| life.availability),
        behind_oracle: (!behind.is_empty()).then(|| behind.iter().sum::<f64>() / count(behind.len())),
        recoveries,
        longest_outage: same.iter().map(|life| life.longest_outage).max().unwrap_or(Duration::ZERO),
        own_lockouts: mean(&|life| count(life.own_lockouts())),
        history_lockouts: mean(&|life| count(life.history_lockouts())),
        lock_extensions: mean(&|life| count(life.lock_extensions as usize)),
        padis: mean(&|life| count(life.padis_sent as usize)),
        dials: mean(&|life| count(life.dials as usize)),
        replugs: mean(&|life| f64::from(life.replugs)),
    }
}

/// How much availability `life` lacks to the oracle's same year, in percentage points.
pub(super) fn behind_oracle(life: &Life, lives: &[Life]) -> Option<f64> {
    let oracle = lives.iter().find(|other| {
        other.id.policy == Policy::Oracle
            && other.id.model == life.id.model
            && other.id.carrier == life.id.carrier
            && other.id.seed == life.id.seed
    })?;
    Some((oracle.availability - life.availability) * 100.0)
}

/// The value below which `percent` of `sorted` lie; zero if there is none.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(Duration::ZERO)
}

#[expect(clippy::cast_precision_loss, reason = "a year is far below 2^52 microseconds")]
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.total_micros() as f64 / 1e6
}

/// Everything as one JSON object.
pub(super) fn json(lives: &[Life], verdicts: &[Verdict], length: Duration, wall: f64) -> Value {
    let lives_of = |row: &Row| -> Vec<Value> {
        lives
            .iter()
            .filter(|life| life.id.policy == row.policy && life.id.model == row.model)
            .map(|life| {
                json!({
                    "carrier": life.id.carrier,
                    "seed": life.id.seed,
                    "availability": life.availability,
                    "behind_oracle_percentage_points": behind_oracle(life, lives),
                    "own_lockouts": life.own_lockouts(),
                    "history_lockouts": life.history_lockouts(),
                    "padis_sent": life.padis_sent,
                    "dials": life.dials,
                    "frames": life.frames,
                    "core_seconds": life.core_seconds,
                })
            })
            .collect()
    };
    let rows: Vec<Value> = rows(lives)
        .iter()
        .map(|row| {
            json!({
                "policy": row.policy.name(),
                "bras": row.model.name,
                "promised": row.model.promised(),
                "years": lives_of(row),
                "availability": row.availability,
                "behind_oracle_percentage_points": row.behind_oracle,
                "answers_to_up_seconds": {
                    "p50": seconds(percentile(&row.recoveries, 50)),
                    "p95": seconds(percentile(&row.recoveries, 95)),
                    "max": seconds(percentile(&row.recoveries, 100)),
                },
                "longest_outage_seconds": seconds(row.longest_outage),
                "own_lockouts_a_year": row.own_lockouts,
                "history_lockouts_a_year": row.history_lockouts,
                "lock_extensions_a_year": row.lock_extensions,
                "padis_a_year": row.padis,
                "dials_a_year": row.dials,
                "replugs_out_of_despair_a_year": row.replugs,
            })
        })
        .collect();
    json!({
        "scenario": "year",
        "seed": lives.iter().map(|life| life.id.seed).min(),
        "passed": verdicts.iter().all(|verdict| verdict.passed),
        "checks": verdicts.iter().map(|verdict| json!({
            "name": verdict.name, "passed": verdict.passed, "detail": verdict.detail,
        })).collect::<Vec<_>>(),
        "virtual_seconds": seconds(length),
        "wall_seconds": wall,
        "counters": {
            "years": lives.len(),
            "frames": lives.iter().map(|life| life.frames).sum::<u64>(),
            "padis": lives.iter().map(|life| life.padis_sent).sum::<u64>(),
            "dials": lives.iter().map(|life| life.dials).sum::<u64>(),
            "lockouts": lives.iter().map(|life| life.locks.len()).sum::<usize>(),
        },
        "results": rows,
    })
}
