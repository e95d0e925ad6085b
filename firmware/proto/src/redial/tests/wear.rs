//! How many records the worst line makes the engine write in a day.

use super::bench::{Answer, Bench, Step, seconds};
use super::std::{eprintln, vec};
use crate::redial::{AuthRefusal, Failure, Ledger, Policy};
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};

const DAY: Duration = seconds(86_400);

/// Lets a day pass; `line` decides once a second how the line answers and whether it breaks.
fn writes_in_a_day(seed: u64, mut line: impl FnMut(&mut Bench, Duration)) -> u32 {
    let mut bench = Bench::new(Policy::default(), seed);
    line(&mut bench, Duration::ZERO);
    bench.plug(true);
    let start = bench.now;
    while bench.now < start + DAY {
        let came_up =
            bench.steps.iter().rfind(|(_, step)| *step == Step::Up).map_or(bench.now, |(at, _)| *at);
        let up_for = bench.now - came_up;
        line(&mut bench, up_for);
        bench.pass(seconds(1));
    }
    bench.audit();
    bench.writes
}

/// Breaks every session once it is `age` old.
fn breaks_at(age: Duration) -> impl FnMut(&mut Bench, Duration) {
    move |bench, up_for| {
        bench.answer = Answer::Up;
        if bench.up && up_for >= age {
            bench.fail(Failure::Padt);
        }
    }
}

/// Falls silent when a session breaks, until it is polled; so that each dial is found dark first.
fn dark_at_first(age: Duration) -> impl FnMut(&mut Bench, Duration) {
    let mut padis_at_loss = 0;
    move |bench, up_for| {
        let padis = bench.times(Instant::ZERO, Step::Padi).len();
        if bench.up && up_for >= age {
            bench.answer = Answer::Silence;
            bench.fail(Failure::EchoTimeout);
            padis_at_loss = padis;
        } else if bench.answer == Answer::Silence && padis > padis_at_loss + 1 {
            bench.answer = Answer::Up;
        }
    }
}

/// Two sessions fail, then silence for ever; the user will not have it.
fn forced() -> impl FnMut(&mut Bench, Duration) {
    let mut dials = 0;
    move |bench, _| {
        dials += 1;
        bench.answer = if dials < 10 { Answer::Fails(Failure::LcpTimeout) } else { Answer::Silence };
        bench.dial(true);
    }
}

fn capricious(seed: u64) -> impl FnMut(&mut Bench, Duration) {
    let mut rng = chacha20::ChaCha8Rng::seed_from_u64(seed);
    let answers = [
        Answer::Silence,
        Answer::Pado,
        Answer::Up,
        Answer::Up,
        Answer::Fails(Failure::NcpFailed),
        Answer::Fails(Failure::AuthRefused(AuthRefusal::TooManySessions)),
        Answer::Fails(Failure::AuthRefused(AuthRefusal::WrongPassword)),
    ];
    move |bench, _| {
        if rng.next_u32() % 20 == 0 {
            bench.answer = answers[rng.next_u32() as usize % answers.len()];
        }
        match rng.next_u32() % 200 {
            0..4 if bench.up => bench.fail(Failure::Padt),
            4 => {
                bench.plug(false);
                bench.plug(true);
            }
            5 => bench.dial(true),
            _ => {}
        }
    }
}

#[test]
fn the_worst_line_stays_within_the_stated_wear() {
    let always = |answer: Answer| move |bench: &mut Bench, _: Duration| bench.answer = answer;
    let refused = |refusal| Answer::Fails(Failure::AuthRefused(refusal));
    let mut days = vec![
        ("calm", writes_in_a_day(1, breaks_at(seconds(80_000)))),
        ("broken after a minute", writes_in_a_day(1, breaks_at(seconds(61)))),
        ("broken at once", writes_in_a_day(1, breaks_at(seconds(1)))),
        ("broken once settled", writes_in_a_day(1, breaks_at(seconds(601)))),
        ("dark before each dial", writes_in_a_day(1, dark_at_first(seconds(61)))),
        ("silent", writes_in_a_day(1, always(Answer::Silence))),
        ("no PADS", writes_in_a_day(1, always(Answer::Pado))),
        ("no address", writes_in_a_day(1, always(Answer::Fails(Failure::NcpFailed)))),
        ("stale session", writes_in_a_day(1, always(refused(AuthRefusal::TooManySessions)))),
        ("wrong password", writes_in_a_day(1, always(refused(AuthRefusal::WrongPassword)))),
        ("locked, with a user who forces every second", writes_in_a_day(1, forced())),
    ];
    for seed in 0..2 {
        days.push(("capricious, with a user who insists", writes_in_a_day(seed, capricious(seed))));
    }
    for (line, writes) in &days {
        eprintln!("{writes:5} writes a day: {line}");
        assert!(*writes <= Ledger::MOST_WRITES_PER_DAY, "{line}: {writes}");
    }
    assert_eq!(days[0].1, 6, "the first dial of a calm line and its daily one write 3 each");
    let worst = days.iter().map(|day| day.1).max();
    assert_eq!(worst, Some(Ledger::WORST_SEEN), "the docstring reckons with it");
}
