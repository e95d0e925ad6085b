//! What holds for any sequence of events, commands, resets and power cuts.

use super::bench::{Answer, Bench, Flash, seconds};
use super::std::{format, vec, vec::Vec};
use crate::redial::{AuthRefusal, Event, Failure, Ledger, PadsErrorTag, Policy, Preset, Window};
use proptest::prelude::*;
use smoltcp::time::Duration;

#[derive(Debug, Clone)]
enum Operation {
    Pass(Duration),
    Answer(Answer),
    Flash(Flash),
    /// The record on its way arrives.
    Store,
    PowerCut {
        off: Duration,
        record_arrived: bool,
    },
    Reset,
    Dial {
        force: bool,
    },
    HangUp,
    Credentials(u8),
    /// The session or the dial ends.
    Fail(Failure),
    Plug(bool),
    Replug,
    NoTraffic,
    EchoIgnored,
}

fn failures() -> impl Strategy<Value = Failure> {
    proptest::sample::select(
        &[
            Failure::LcpTimeout,
            Failure::NcpFailed,
            Failure::AuthTimeout,
            Failure::AuthRefused(AuthRefusal::WrongPassword),
            Failure::AuthRefused(AuthRefusal::TooManySessions),
            Failure::AuthRefused(AuthRefusal::Locked),
            Failure::PadsError(PadsErrorTag::AcSystemError),
            Failure::EchoTimeout,
            Failure::Padt,
            Failure::TerminateRequest,
        ][..],
    )
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..3000u64).prop_map(Duration::from_millis),
        (0..90u64).prop_map(seconds),
        (0..400u64).prop_map(seconds),
        (0..100_000u64).prop_map(seconds),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    let answers = prop_oneof![
        Just(Answer::Silence),
        Just(Answer::Pado),
        Just(Answer::Up),
        failures().prop_map(Answer::Fails)
    ];
    prop_oneof![
        6 => durations().prop_map(Operation::Pass),
        3 => answers.prop_map(Operation::Answer),
        1 => proptest::sample::select(&[Flash::Stores, Flash::Busy][..]).prop_map(Operation::Flash),
        1 => Just(Operation::Store),
        2 => (durations(), any::<bool>()).prop_map(|(off, record_arrived)| Operation::PowerCut { off, record_arrived }),
        2 => any::<bool>().prop_map(|record_arrived| Operation::PowerCut { off: seconds(0), record_arrived }),
        1 => Just(Operation::Reset),
        1 => any::<bool>().prop_map(|force| Operation::Dial { force }),
        1 => Just(Operation::HangUp),
        1 => (0..3u8).prop_map(Operation::Credentials),
        3 => failures().prop_map(Operation::Fail),
        1 => any::<bool>().prop_map(Operation::Plug),
        1 => Just(Operation::Replug),
        1 => Just(Operation::NoTraffic),
        1 => Just(Operation::EchoIgnored),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let windows =
        || (0..10u8, 1..400u64).prop_map(|(limit, period)| Window { limit, period: seconds(period) });
    (windows(), windows(), windows(), 0..5u8).prop_map(
        |(discovery, dials, authentications, padi_attempts)| Policy {
            discovery,
            dials,
            authentications,
            padi_attempts,
            ..Policy::default()
        },
    )
}

fn apply(bench: &mut Bench, operation: &Operation) {
    match *operation {
        Operation::Pass(duration) => bench.pass(duration),
        Operation::Answer(answer) => bench.answer = answer,
        Operation::Flash(flash) => bench.flash = flash,
        Operation::Store => {
            bench.store();
            bench.drain();
        }
        Operation::PowerCut { off, record_arrived } => bench.power_cut(off, record_arrived),
        Operation::Reset => bench.reset(),
        Operation::Dial { force } => bench.dial(force),
        Operation::HangUp => bench.hang_up(),
        Operation::Credentials(which) => bench.set_credentials(&format!("{which}")),
        Operation::Fail(failure) => bench.fail(failure),
        Operation::Plug(up) => bench.plug(up),
        Operation::Replug => {
            bench.plug(false);
            bench.plug(true);
        }
        Operation::NoTraffic => bench.event(Event::NoTraffic),
        Operation::EchoIgnored => bench.event(Event::PeerIgnoresEcho),
    }
}

/// The line is fine and everything works: whatever came before, we are on line sooner or later, unless somebody is
/// still waiting for a person.
fn recovers(bench: &mut Bench) {
    bench.flash = Flash::Stores;
    bench.store();
    bench.answer = Answer::Up;
    bench.plug(true);
    bench.dial(false);
    bench.pass(seconds(3600 + 360 + 300));
    assert!(bench.up, "{:?}", bench.engine.advice());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The bench itself asserts that no hold is broken and that the engine neither spins nor waits for nothing.
    #[test]
    fn budgets_are_kept_holds_unbroken_and_the_line_recovers(
        seed in any::<u64>(),
        preset in proptest::sample::select(&Preset::ALL[..]),
        operations in proptest::collection::vec(operations(), 1..80),
    ) {
        let mut bench = Bench::new(Policy::preset(preset), seed);
        bench.plug(true);
        for operation in &operations {
            apply(&mut bench, operation);
        }
        recovers(&mut bench);
        bench.audit();
    }

    /// The folk cure in a hurry: power on, power off, at any moment of a dial or a hold.
    #[test]
    fn replugging_at_any_moment_keeps_the_budgets(
        seed in any::<u64>(),
        lines in proptest::collection::vec((0..4u8, 0..90_000u64, any::<bool>()), 1..40),
    ) {
        let mut bench = Bench::new(Policy::default(), seed);
        bench.plug(true);
        for (line, milliseconds, record_arrived) in lines {
            bench.answer =
                [Answer::Silence, Answer::Pado, Answer::Up, Answer::Fails(Failure::LcpTimeout)][usize::from(line)];
            bench.pass(Duration::from_millis(milliseconds));
            bench.power_cut(seconds(0), record_arrived);
        }
        recovers(&mut bench);
        bench.audit();
    }

    /// The user's own figures are kept as faithfully.
    #[test]
    fn any_policy_is_kept(
        seed in any::<u64>(),
        policy in policies(),
        operations in proptest::collection::vec(operations(), 1..80),
    ) {
        let mut bench = Bench::new(policy, seed);
        bench.plug(true);
        for operation in &operations {
            apply(&mut bench, operation);
        }
        recovers(&mut bench);
        bench.audit();
    }

    /// Without a memory the budgets are kept by waiting.
    #[test]
    fn a_broken_flash_keeps_the_budgets_across_power_cuts(
        seed in any::<u64>(),
        operations in proptest::collection::vec(operations(), 1..80),
    ) {
        let mut bench = Bench::new(Policy::default(), seed);
        bench.flash = Flash::Broken;
        bench.plug(true);
        for operation in &operations {
            if !matches!(operation, Operation::Flash(_)) {
                apply(&mut bench, operation);
            }
        }
        bench.audit();
    }

    /// One PADI in a hold, however often and whenever the power is cut in it.
    #[test]
    fn replugging_in_a_hold_gets_one_padi(
        seed in any::<u64>(),
        cuts in proptest::collection::vec((0..75_000u64, any::<bool>()), 1..20),
    ) {
        let mut bench = Bench::new(Policy::default(), seed);
        bench.answer = Answer::Fails(Failure::LcpTimeout);
        bench.plug(true);
        bench.pass(seconds(5));
        bench.answer = Answer::Silence;
        bench.pass(seconds(90));
        prop_assert!(bench.stored.as_ref().is_some_and(|ledger| ledger.hold().is_some()));
        let held = bench.now;
        for (milliseconds, record_arrived) in cuts {
            bench.pass(Duration::from_millis(milliseconds));
            bench.power_cut(seconds(0), record_arrived);
        }
        // The clock stops while the power is off, so not even an hour of 75 s at a time is a hold of 310 s.
        prop_assert!(bench.discovery_since(held) <= 1);
    }

    /// A damaged record is refused, or is a past that can be lived with.
    #[test]
    fn any_bytes_make_a_ledger_that_recovers(
        bytes in proptest::collection::vec(any::<u8>(), 0..Ledger::MAX_ENCODED_LEN),
        format in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if format && !bytes.is_empty() {
            bytes[0] = 1;
        }
        let ledger: Result<Ledger, _> = postcard::from_bytes(&bytes);
        let mut bench = Bench::new(Policy::default(), 1);
        bench.plug(true);
        bench.stored = Some(ledger.unwrap_or_else(|_| Ledger::unreadable()));
        bench.power_cut(seconds(0), false);
        bench.event(Event::LinkUp);
        bench.answer = Answer::Up;
        bench.pass(seconds(4 * 3600 + 400));
        assert!(bench.up, "{:?}", bench.engine.advice());
    }

    /// One changed field of a real record.
    #[test]
    fn a_record_with_flipped_bits_recovers(flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..6)) {
        let mut bench = Bench::on(Answer::Up);
        bench.pass(seconds(30));
        let mut bytes: Vec<u8> = postcard::to_slice(bench.stored.as_ref().unwrap(), &mut [0; 512]).unwrap().to_vec();
        for (index, bit) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= 1 << bit;
        }
        bench.stored = Some(postcard::from_bytes(&bytes).unwrap_or_else(|_| Ledger::unreadable()));
        bench.pass(seconds(100));
        bench.power_cut(seconds(0), false);
        bench.pass(seconds(4 * 3600 + 400));
        assert!(bench.up, "{:?}", bench.engine.advice());
    }
}
