//! How many records the worst line makes the engine write in a day.

use super::bench::{Answer, Bench, seconds};
use super::std::{eprintln, vec::Vec};
use crate::redial::{AuthRefusal, Failure, Ledger, Policy};
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};

const DAY: Duration = seconds(86_400);

/// Lets a day pass; `line` decides once a second how the line answers and whether it breaks.
fn writes_in_a_day(seed: u64, mut line: impl FnMut(&mut Bench, Duration)) -> u32 {
    let mut bench = Bench::new(Policy::default(), seed);
    bench.plug(true);
    let start = bench.now;
    let mut up_since = Instant::ZERO;
    while bench.now < start + DAY {
        if !bench.up {
            up_since = bench.now;
        }
        let up_for = bench.now - up_since;
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
        let padis = bench.times(Instant::ZERO, super::bench::Step::Padi).len();
        if bench.up && up_for >= age {
            bench.answer = Answer::Silence;
            bench.fail(Failure::EchoTimeout);
            padis_at_loss = padis;
        } else if bench.answer == Answer::Silence && padis > padis_at_loss + 1 {
            bench.answer = Answer::Up;
        }
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
    let mut days = Vec::new();
    days.push(("calm", writes_in_a_day(1, breaks_at(seconds(80_000)))));
    days.push(("broken after a minute", writes_in_a_day(1, breaks_at(seconds(61)))));
    days.push(("broken at once", writes_in_a_day(1, breaks_at(seconds(1)))));
    days.push(("broken once settled", writes_in_a_day(1, breaks_at(seconds(601)))));
    days.push(("dark before each dial", writes_in_a_day(1, dark_at_first(seconds(61)))));
    days.push(("silent", writes_in_a_day(1, always(Answer::Silence))));
    days.push(("no PADS", writes_in_a_day(1, always(Answer::Pado))));
    days.push(("no address", writes_in_a_day(1, always(Answer::Fails(Failure::NcpFailed)))));
    days.push(("stale session", writes_in_a_day(1, always(refused(AuthRefusal::TooManySessions)))));
    days.push(("wrong password", writes_in_a_day(1, always(refused(AuthRefusal::WrongPassword)))));
    for seed in 0..5 {
        days.push(("capricious, with a user who insists", writes_in_a_day(seed, capricious(seed))));
    }
    for (line, writes) in &days {
        eprintln!("{writes:5} writes a day: {line}");
        assert!(*writes <= Ledger::MOST_WRITES_PER_DAY, "{line}: {writes}");
    }
    let calm = days[0].1;
    assert!(calm <= 6, "a calm line writes {calm}");
}
