//! Shortened years: the promise over a few weeks, and that a seed is a seed. The full year is a command of its own
//! (`gatelet-sim year`), run in release mode by CI.

use super::*;
use crate::peers::concentrator::throttle::Cause;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn life(policy: Policy, carrier: &str, model: Model, seed: u64, length: Duration) -> Life {
    // Everything that happens in a year happens within the weeks of this one.
    let mut data = Data::load();
    for event in &mut data.event {
        event.per_year *= seconds_of(Duration::from_secs(365 * 86_400)) / seconds_of(length) / 4.0;
    }
    live(&LifeId { policy, carrier: carrier.to_owned(), model, seed }, length, &data)
}

fn seconds_of(duration: Duration) -> f64 {
    results::seconds(duration)
}

#[test]
fn the_promise_holds_in_crowded_weeks() {
    let mut lives = Vec::new();
    for (model, carrier, seed) in [
        (Model::cisco(), "unicom", 1),
        (Model::cisco_strict(), "unicom", 2),
        (Model::huawei(), "unicom", 3),
        (Model::huawei_padi_discard(), "telecom", 4),
        (Model::h3c(), "mobile", 5),
    ] {
        lives.push(life(Policy::Gatelet, carrier, model, seed, WEEK));
    }
    let verdicts = promise::judge(&lives);
    assert!(verdicts.len() >= 2, "no own lockouts, recovery");
    for verdict in verdicts {
        assert!(verdict.passed, "{}: {}", verdict.name, verdict.detail);
    }
    let judged =
        lives.iter().flat_map(|life| &life.locks).filter(|lock| lock.known && lock.recovery().is_some());
    assert!(judged.count() > 0, "some lock was tripped by history, or its recovery was never judged");
    for life in &lives {
        assert!(life.outages.len() > 20, "a crowded week on {}: {}", life.id.model.name, life.outages.len());
        assert!(life.availability > 0.5, "{}: {}", life.id.model.name, life.availability);
    }
}

#[test]
fn openwrt_s_timers_lock_it_out_of_a_cisco() {
    let life = life(Policy::Openwrt, "unicom", Model::cisco(), 1, WEEK);
    assert!(life.own_lockouts() > 0);
    assert!(life.locks.iter().any(|lock| lock.lockout.cause == Cause::Requests));
}

#[test]
fn the_oracle_is_never_locked_and_comes_back_at_once() {
    let life = life(Policy::Oracle, "unicom", Model::cisco_strict(), 1, WEEK);
    assert_eq!(life.own_lockouts(), 0);
    let median = results::percentile(&life.recoveries, 50);
    assert!(median < Duration::from_millis(500), "{median:?}");
}

#[test]
fn a_seed_decides_to_the_frame() {
    let run = || life(Policy::Gatelet, "unicom", Model::cisco(), 9, Duration::from_secs(2 * 86_400));
    let (first, second) = (run(), std::thread::spawn(run).join().expect("lives through it"));
    assert_eq!(first.frames, second.frames);
    assert_eq!(first.outages, second.outages);
    assert!(first.frames > 10_000);
}

#[test]
fn a_verdict_can_be_broken() {
    let mut lives = vec![
        life(Policy::Openwrt, "unicom", Model::cisco(), 1, WEEK),
        life(Policy::Oracle, "unicom", Model::cisco(), 1, WEEK),
    ];
    lives[0].id.policy = Policy::Gatelet; // judged as if it were ours
    let verdicts = promise::judge(&lives);
    assert!(verdicts.iter().any(|verdict| verdict.name.starts_with("no lockout") && !verdict.passed));
    assert!(verdicts.iter().any(|verdict| verdict.name.starts_with("availability") && !verdict.passed));
}

#[test]
fn percentiles_of_few_values() {
    let values: Vec<Duration> = (1..=20).map(Duration::from_secs).collect();
    assert_eq!(results::percentile(&values, 50), Duration::from_secs(10));
    assert_eq!(results::percentile(&values, 95), Duration::from_secs(19));
    assert_eq!(results::percentile(&values, 100), Duration::from_secs(20));
    assert_eq!(results::percentile(&[], 50), Duration::ZERO);
}

#[test]
fn a_year_has_a_length_that_can_be_judged() {
    assert_eq!(parse_length("30d"), Ok(Duration::from_secs(30 * 86_400)));
    for bad in ["0d", "59m", "36501d", "soon", ""] {
        assert!(parse_length(bad).is_err(), "{bad}");
    }
}
