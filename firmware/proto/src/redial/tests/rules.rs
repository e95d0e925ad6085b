//! One transcript for each rule, named after it.

use super::bench::{ADDRESS, Answer, Bench, Flash, Step, seconds};
use super::std::vec::Vec;
use crate::redial::{
    AuthRefusal, Boot, Doing, Engine, Event, Failure, HangUpReason, HoldReason, Ledger, NightlyReconnect,
    Note, Permit, Policy, Preset,
};
use crate::redial::{DiscoveryMessage, Window};
use smoltcp::time::{Duration, Instant};

/// Two failed sessions, then silence: locked out.
fn locked_out() -> Bench {
    let mut bench = Bench::on(Answer::Fails(Failure::LcpTimeout));
    bench.pass(seconds(2));
    bench.pass(seconds(4));
    assert_eq!(bench.times(Instant::ZERO, Step::Padr).len(), 2);
    bench.answer = Answer::Silence;
    bench.pass(seconds(100));
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
    bench
}

fn hold_ends(bench: &Bench) -> Instant {
    bench.true_time(bench.engine.advice().until.unwrap())
}

fn up() -> Bench {
    let bench = Bench::on(Answer::Up);
    assert!(bench.up);
    bench
}

#[test]
fn the_first_dial_is_at_once() {
    let bench = up();
    assert_eq!(bench.times(bench.now, Step::Padi), [0.0]);
    assert_eq!(bench.times(bench.now, Step::Padr), [0.0]);
    assert_eq!(bench.engine.advice().doing, Doing::Up);
    assert_eq!(bench.engine.last_address(), Some(ADDRESS));
}

#[test]
fn the_record_comes_before_the_padi() {
    let mut bench = Bench::new(Policy::default(), 1);
    bench.answer = Answer::Up;
    bench.flash = Flash::Busy;
    bench.plug(true);
    bench.pass(seconds(60));
    assert_eq!(bench.discovery_since(Instant::ZERO), 0);
    assert!(bench.offered.is_some(), "offered again and again");
    bench.store();
    bench.pass(seconds(0));
    assert!(bench.up);
}

#[test]
fn silence_without_activity_is_a_dark_line() {
    let mut bench = Bench::on(Answer::Silence);
    let start = bench.now;
    bench.pass(seconds(1200));
    assert!(bench.noted(|note| *note == Note::LineDark));
    let padis = bench.times(start, Step::Padi);
    // One dial of two PADIs, polls every 30 s for 5 min, a silence, polls again.
    assert_eq!(padis[..2], [0.0, 1.2]);
    let pauses: Vec<f64> = padis[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (polls, rest) = pauses.split_at(9);
    assert!(polls.iter().all(|pause| (30.0..=31.0).contains(pause)), "{polls:?}");
    assert!((310.0..=365.0).contains(&rest[0]), "{rest:?}");
    assert!(rest[1..9].iter().all(|pause| (30.0..=31.0).contains(pause)), "{rest:?}");
}

#[test]
fn a_dark_line_that_comes_back_is_up_at_the_next_poll() {
    let mut bench = Bench::on(Answer::Silence);
    bench.pass(seconds(100));
    let back = bench.now;
    bench.answer = Answer::Up;
    bench.pass(seconds(31));
    assert!(bench.times(back, Step::Up)[0] <= 31.0);
    assert_eq!(bench.times(back, Step::Padi).len(), 1);
}

#[test]
fn dark_polls_do_not_wear_flash() {
    let mut bench = Bench::on(Answer::Silence);
    bench.pass(seconds(60));
    let before = bench.writes;
    assert_eq!(before, 2, "before the dial, and when the line was found dark");
    bench.pass(seconds(86_400));
    assert!(bench.times(Instant::ZERO, Step::Padi).len() > 1000);
    assert_eq!(bench.writes, before);
}

#[test]
fn a_link_that_comes_back_ends_a_dark_silence_once() {
    let mut bench = Bench::on(Answer::Silence);
    bench.pass(seconds(330));
    assert_eq!(bench.engine.advice().doing, Doing::DarkSilence);
    let start = bench.now;
    bench.plug(false);
    bench.plug(true);
    assert_eq!(bench.times(start, Step::Padi), [0.0]);
    bench.pass(seconds(120));
    assert_eq!(bench.times(start, Step::Padi).len(), 4, "and the polls begin again");
}

#[test]
fn silence_after_two_failed_sessions_is_a_lockout() {
    let mut bench = locked_out();
    assert!(bench.noted(|note| matches!(note, Note::HoldBegun { reason: HoldReason::Silence, .. })));
    let last = bench.steps.iter().rfind(|(_, step)| *step == Step::Padi).unwrap().0;
    let ends = hold_ends(&bench);
    assert!(ends - last >= seconds(310));
    let since = bench.now;
    bench.pass(ends - bench.now - Duration::from_millis(1));
    assert_eq!(bench.discovery_since(since), 0, "not one PADI or PADR");
}

#[test]
fn silence_after_three_dials_is_a_lockout() {
    let mut bench = up();
    for _ in 0..2 {
        bench.pass(seconds(70));
        bench.fail(Failure::Padt);
        bench.pass(seconds(2));
        assert!(bench.up, "a session of a minute is no failure: dialed at once");
    }
    bench.pass(seconds(170));
    bench.answer = Answer::Silence;
    bench.fail(Failure::EchoTimeout);
    bench.pass(seconds(60));
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
}

#[test]
fn unanswered_padrs_are_a_lockout_at_the_third_dial() {
    let mut bench = Bench::on(Answer::Pado);
    bench.pass(seconds(200));
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
    bench.audit();
}

#[test]
fn one_dial_after_a_full_hold_succeeds() {
    let mut bench = locked_out();
    let ends = hold_ends(&bench);
    bench.answer = Answer::Up;
    bench.pass(ends - bench.now);
    assert!(bench.up);
    assert_eq!(bench.times(ends, Step::Padi).len(), 1);
}

#[test]
fn the_first_dial_unanswered_after_a_full_hold_says_that_the_line_looks_dead() {
    let mut bench = locked_out();
    let ends = hold_ends(&bench);
    bench.pass(ends - bench.now);
    assert!(!bench.noted(|note| *note == Note::LineLooksDead));
    bench.pass(seconds(20));
    assert!(bench.noted(|note| *note == Note::LineLooksDead));
    assert_eq!(bench.engine.advice().doing, Doing::DarkPolling, "and is polled, not held again");
}

#[test]
fn a_long_silence_ends_with_a_padt() {
    // A Cisco stays silent until it sees a PADT from our address, whatever its session.
    let mut bench = locked_out();
    let ends = hold_ends(&bench);
    bench.pass(ends - bench.now);
    let farewell = bench.steps.iter().position(|(at, step)| *at == ends && matches!(step, Step::Padt(_)));
    let question = bench.steps.iter().position(|(at, step)| *at == ends && *step == Step::Padi);
    assert!(farewell.unwrap() < question.unwrap());
}

#[test]
fn a_cold_power_on_inside_a_hold_waits_a_minute_and_polls_once() {
    let mut bench = locked_out();
    bench.power_cut(seconds(3), false);
    let booted = bench.now;
    assert_eq!(bench.engine.advice().doing, Doing::ColdStartInHold);
    bench.flash = Flash::Busy;
    bench.pass(seconds(61));
    assert_eq!(bench.discovery_since(booted), 0, "flagged first");
    assert!(bench.offered.as_ref().unwrap().hold.unwrap().polled);
    bench.flash = Flash::Stores;
    bench.store();
    bench.pass(seconds(300));
    let padis = bench.times(booted, Step::Padi);
    assert_eq!(padis.len(), 1, "{padis:?}");
    assert!((60.0..=61.1).contains(&padis[0]), "{padis:?}");
    // Silence restarts the hold, whose one poll is spent.
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
    let ends = hold_ends(&bench);
    assert!(ends - booted >= seconds(60 + 310));
    bench.power_cut(seconds(3), false);
    let booted = bench.now;
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
    bench.pass(seconds(300));
    assert_eq!(bench.discovery_since(booted), 0);
}

#[test]
fn the_folk_cure_works_after_a_minute() {
    let mut bench = locked_out();
    bench.answer = Answer::Up;
    bench.power_cut(seconds(300), false);
    bench.pass(seconds(61));
    assert!(bench.up);
    assert!(bench.stored.as_ref().unwrap().hold.is_none());
}

#[test]
fn a_warm_reset_keeps_the_hold_and_its_time() {
    let mut bench = locked_out();
    let ends = hold_ends(&bench);
    bench.pass(seconds(200));
    bench.reset();
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
    let now_ends = hold_ends(&bench);
    assert!(now_ends >= ends && now_ends - ends <= seconds(1));
}

#[test]
fn replugging_ten_times_does_not_trip_the_lock() {
    for pause in [0, 1, 5, 20, 61, 100] {
        for answer in [Answer::Up, Answer::Silence, Answer::Pado, Answer::Fails(Failure::NcpFailed)] {
            let mut bench = Bench::on(answer);
            for _ in 0..10 {
                bench.pass(seconds(pause));
                bench.power_cut(seconds(0), false);
            }
            bench.pass(seconds(600));
            bench.audit();
        }
    }
}

#[test]
fn a_settled_session_leaves_the_next_power_on_its_whole_budget() {
    let mut bench = up();
    bench.pass(seconds(86_400));
    bench.power_cut(seconds(0), false);
    let booted = bench.now;
    bench.answer = Answer::Silence;
    bench.power_cut(seconds(0), false);
    bench.pass(seconds(5));
    assert!(bench.discovery_since(booted) >= 3);
    bench.audit();
}

#[test]
fn force_lifts_a_hold_but_not_the_budget() {
    let mut bench = locked_out();
    let forced = bench.now;
    bench.dial(false);
    assert!(bench.noted(|note| matches!(note, Note::DialHeld { .. })));
    assert_eq!(bench.discovery_since(forced), 0);
    for _ in 0..50 {
        bench.dial(true);
        bench.pass(seconds(5));
    }
    assert!(bench.noted(|note| *note == Note::HoldLifted));
    assert!(bench.discovery_since(forced) > 4);
    bench.audit();
}

#[test]
fn changed_credentials_clear_an_authentication_hold() {
    let refused = Failure::AuthRefused(AuthRefusal::WrongPassword);
    let mut bench = Bench::new(Policy::default(), 1);
    bench.set_credentials("wrong");
    bench.answer = Answer::Fails(refused);
    bench.plug(true);
    bench.pass(seconds(400));
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Authentication));
    bench.set_credentials("wrong");
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Authentication), "the same ones");
    bench.answer = Answer::Up;
    bench.set_credentials("right");
    bench.pass(seconds(5));
    assert!(bench.up);
}

#[test]
fn credentials_changed_while_the_power_was_off_clear_it_too() {
    let mut bench = Bench::new(Policy::default(), 1);
    bench.set_credentials("wrong");
    bench.answer = Answer::Fails(Failure::AuthRefused(AuthRefusal::WrongPassword));
    bench.plug(true);
    bench.pass(seconds(30));
    bench.plug(false);
    bench.power_cut(seconds(0), false);
    assert_eq!(bench.engine.advice().because, None);
    bench.set_credentials("right");
    bench.answer = Answer::Up;
    bench.plug(true);
    bench.pass(seconds(1));
    assert!(bench.up);
}

#[test]
fn changed_credentials_do_not_clear_a_lockout() {
    let mut bench = locked_out();
    bench.set_credentials("one");
    bench.set_credentials("other");
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
}

#[test]
fn wrong_passwords_are_retried_ever_more_rarely() {
    let mut bench = Bench::on(Answer::Fails(Failure::AuthRefused(AuthRefusal::WrongPassword)));
    let start = bench.now;
    bench.pass(seconds(86_400));
    let dials = bench.times(start, Step::Authenticate);
    let pauses: Vec<f64> = dials.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, least) in pauses.iter().zip([60.0, 300.0, 900.0, 1800.0, 3600.0, 3600.0]) {
        assert!((least..=least * 1.1 + 2.0).contains(pause), "{pauses:?}");
    }
    assert!(dials.len() < 32);
}

#[test]
fn a_stale_session_is_waited_out_about_100_s_at_a_time() {
    let mut bench = up();
    bench.pass(seconds(7200));
    bench.power_cut(seconds(10), false);
    let start = bench.now;
    bench.answer = Answer::Fails(bench.engine.auth_refused("Authentication failed"));
    assert_eq!(
        bench.answer,
        Answer::Fails(Failure::AuthRefused(AuthRefusal::TooManySessions)),
        "they worked before"
    );
    bench.power_cut(seconds(0), false);
    bench.pass(seconds(360));
    bench.answer = Answer::Up;
    bench.pass(seconds(110));
    assert!(bench.up, "{:?}", bench.engine.advice());
    assert!(bench.times(start, Step::Authenticate).len() <= 7);
    bench.audit();
}

#[test]
fn credentials_that_worked_are_not_doubted_at_the_first_refusal() {
    let mut bench = up();
    bench.pass(seconds(7200));
    let start = bench.now;
    bench.answer = Answer::Fails(Failure::AuthRefused(AuthRefusal::WrongPassword));
    bench.fail(Failure::Padt);
    bench.pass(seconds(80));
    assert_eq!(bench.times(start, Step::Authenticate).len(), 3);
    bench.pass(seconds(86_400));
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Authentication));
}

#[test]
fn a_forced_disconnect_after_48_h_is_redialed_at_once() {
    let mut bench = up();
    bench.pass(seconds(2850 * 60));
    let kicked = bench.now;
    bench.fail(Failure::Padt);
    bench.pass(seconds(0));
    assert_eq!(bench.times(kicked, Step::Up), [0.0]);
    assert!(bench.noted(|note| matches!(note, Note::ForcedDisconnect { .. })));
}

#[test]
fn a_nightly_reconnect_comes_before_the_forced_disconnect() {
    let policy = Policy { nightly: Some(NightlyReconnect::CHINA_48_HOURS), ..Policy::default() };
    let mut bench = Bench::new(policy, 1);
    bench.answer = Answer::Up;
    bench.plug(true);
    bench.pass(seconds(5 * 86_400));
    assert_eq!(
        bench.times(Instant::ZERO, Step::HangUp(HangUpReason::Nightly)).len(),
        0,
        "no clock, no night"
    );
    let midnight = bench.now;
    bench.set_wall_clock(1_772_294_400);
    bench.pass(seconds(2 * 86_400 + 5 * 3600));
    let night = 4.5 * 3600.0;
    let times = bench.times(midnight, Step::HangUp(HangUpReason::Nightly));
    assert_eq!(times, [night, night + 86_400.0, night + 2.0 * 86_400.0]);
    assert_eq!(bench.times(midnight, Step::Up), times, "and dials again at once");
}

#[test]
fn no_traffic_redials_once_in_ten_minutes() {
    let mut bench = up();
    let start = bench.now;
    for _ in 0..120 {
        bench.pass(seconds(10));
        bench.event(Event::NoTraffic);
        assert!(bench.up);
    }
    let times = bench.times(start, Step::HangUp(HangUpReason::NoTraffic));
    assert_eq!(times, [10.0, 610.0]);
}

#[test]
fn a_settled_session_ends_the_back_off() {
    let mut bench = Bench::on(Answer::Fails(Failure::NcpFailed));
    bench.pass(seconds(1000));
    bench.answer = Answer::Up;
    bench.pass(seconds(2000));
    assert!(bench.up);
    bench.power_cut(seconds(0), false);
    let booted = bench.now;
    bench.answer = Answer::Fails(Failure::NcpFailed);
    bench.power_cut(seconds(0), false);
    bench.pass(seconds(10));
    assert!(bench.times(booted, Step::Padr).len() >= 2, "3 s after the first failure, not 300");
}

#[test]
fn a_peer_that_starts_lcp_over_and_over_does_not_wear_flash() {
    let mut bench = up();
    let writes = bench.writes;
    let mut granted = 0;
    for address in 0..3600 {
        bench.event(Event::Up { address: Some(core::net::Ipv4Addr::from_bits(address)) });
        granted += u32::from(bench.ask_to_authenticate());
        bench.pass(seconds(1));
    }
    assert!(bench.writes - writes <= 81 && granted <= 80, "{} {granted}", bench.writes);
    bench.audit();
}

#[test]
fn a_window_of_discovery_too_small_for_a_dial_still_dials() {
    let discovery = Window { limit: 0, period: seconds(60) };
    let mut bench = Bench::new(Policy { discovery, ..Policy::default() }, 1);
    bench.answer = Answer::Up;
    bench.plug(true);
    assert!(bench.up);
}

#[test]
fn quick_offline_backs_off_exponentially() {
    let mut bench = up();
    let mut pauses = Vec::new();
    for _ in 0..5 {
        bench.pass(seconds(59));
        bench.fail(Failure::Padt);
        assert_eq!(bench.engine.last_failure(), Some(Failure::QuickOffline));
        let lost = bench.now;
        while !bench.up {
            bench.pass(seconds(1));
        }
        pauses.push(bench.times(lost, Step::Up)[0]);
        bench.audit();
    }
    for (pause, expected) in pauses.iter().zip([3.0, 12.0, 48.0, 192.0, 300.0]) {
        assert!(*pause >= expected * 0.8 && *pause <= (expected * 1.2f64).max(300.0), "{pauses:?}");
    }
}

#[test]
fn link_down_costs_nothing() {
    let mut bench = Bench::on(Answer::Silence);
    bench.pass(seconds(1));
    let writes = bench.writes;
    for _ in 0..100 {
        bench.plug(false);
        bench.pass(seconds(30));
        assert_eq!(bench.engine.advice().doing, Doing::NoLink);
        bench.plug(true);
        bench.pass(seconds(1));
    }
    assert_eq!(bench.writes, writes, "an unused record serves the next dial");
    assert!(!bench.noted(|note| matches!(note, Note::HoldBegun { .. })));
    bench.plug(false);
    bench.pass(seconds(70));
    bench.answer = Answer::Up;
    bench.plug(true);
    assert!(bench.up, "at once");
    bench.audit();
}

#[test]
fn a_cable_pulled_out_of_a_session_clears_it_on_return() {
    let mut bench = up();
    bench.pass(seconds(3600));
    bench.plug(false);
    let back = bench.now;
    bench.plug(true);
    let order: Vec<Step> = bench.steps.iter().filter(|(at, _)| *at >= back).map(|(_, step)| *step).collect();
    assert_eq!(order, [Step::Padt(1), Step::Padi, Step::Padr, Step::Authenticate, Step::Up]);
}

#[test]
fn ignored_echo_is_switched_off_with_a_note_and_stays_off() {
    let mut bench = up();
    assert!(bench.engine.echo());
    bench.event(Event::PeerIgnoresEcho);
    bench.event(Event::PeerIgnoresEcho);
    assert!(!bench.engine.echo());
    let notes = bench.steps.iter().filter(|(_, step)| *step == Step::Note(Note::EchoSwitchedOff)).count();
    assert_eq!(notes, 1);
    bench.power_cut(seconds(1), false);
    assert!(!bench.engine.echo());
}

#[test]
fn mobile_sends_no_echo_from_the_start() {
    let bench = Bench::new(Policy::preset(Preset::Mobile), 1);
    assert!(!bench.engine.echo());
}

#[test]
fn a_remembered_session_is_cleared_before_the_first_padi() {
    let mut bench = up();
    bench.pass(seconds(3600));
    bench.power_cut(seconds(10), false);
    let booted = bench.now;
    let order: Vec<Step> =
        bench.steps.iter().filter(|(at, _)| *at >= booted).map(|(_, step)| *step).collect();
    assert_eq!(order[..2], [Step::Padt(1), Step::Padi]);
    assert_eq!(bench.times(booted, Step::Padt(1)).len(), 1);
}

#[test]
fn it_is_cleared_once_more_when_a_silent_line_answers() {
    let mut bench = up();
    bench.pass(seconds(3600));
    bench.answer = Answer::Silence;
    bench.power_cut(seconds(10), false);
    bench.pass(seconds(70));
    let back = bench.now;
    bench.answer = Answer::Up;
    bench.pass(seconds(31));
    let order: Vec<Step> = bench.steps.iter().filter(|(at, _)| *at >= back).map(|(_, step)| *step).collect();
    assert_eq!(order, [Step::Padi, Step::Padt(1), Step::Padr, Step::Authenticate, Step::Up]);
}

#[test]
fn a_session_the_peer_ended_needs_no_padt() {
    let mut bench = up();
    bench.pass(seconds(3600));
    bench.fail(Failure::TerminateRequest);
    bench.pass(seconds(10));
    assert!(!bench.steps.iter().any(|(_, step)| matches!(step, Step::Padt(_))));
}

#[test]
fn the_user_hangs_up_and_stays_off_line() {
    let mut bench = up();
    bench.pass(seconds(100));
    bench.hang_up();
    let off = bench.now;
    assert_eq!(bench.engine.advice().doing, Doing::Stopped);
    for _ in 0..10 {
        bench.plug(false);
        bench.plug(true);
        bench.pass(seconds(1000));
    }
    assert_eq!(bench.discovery_since(off), 0);
    assert!(bench.stored.as_ref().unwrap().last_session().is_none(), "closed properly");
    bench.dial(false);
    assert!(bench.up);
}

#[test]
fn a_hold_goes_on_while_the_user_is_off_line() {
    let mut bench = locked_out();
    let since = bench.now;
    bench.hang_up();
    bench.dial(false);
    bench.pass(seconds(100));
    assert_eq!(bench.discovery_since(since), 0);
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
}

#[test]
fn an_attempt_in_which_nothing_happens_is_given_up() {
    let mut bench = Bench::new(Policy::default(), 1);
    // An owner who never sends anything.
    let mut rng = <chacha20::ChaCha8Rng as rand_core::SeedableRng>::seed_from_u64(1);
    let engine = &mut bench.engine;
    engine.handle_event(Instant::ZERO, &mut rng, Event::LinkUp);
    assert_eq!(engine.poll_action(Instant::ZERO, &mut rng), None);
    assert!(engine.poll_store(Instant::ZERO).is_some());
    engine.stored();
    assert_eq!(engine.poll_action(Instant::ZERO, &mut rng), Some(crate::redial::Action::Dial));
    let deadline = engine.poll_at().unwrap();
    assert_eq!(
        engine.poll_action(deadline, &mut rng),
        Some(crate::redial::Action::HangUp(HangUpReason::Abandoned))
    );
    let closed = engine.poll_at().unwrap();
    assert_eq!(
        engine.poll_action(closed, &mut rng),
        Some(crate::redial::Action::Dial),
        "and the dial begins again"
    );
}

#[test]
fn no_discovery_message_is_permitted_outside_a_dial() {
    let mut bench = locked_out();
    let now = Instant::from_secs(1_000_000);
    assert!(matches!(bench.engine.permit(now, DiscoveryMessage::Padi), Permit::At(at) if at > now));
    assert!(matches!(bench.engine.permit(now, DiscoveryMessage::Padr), Permit::At(at) if at > now));
    assert!(matches!(bench.engine.permit_authentication(now), Permit::At(at) if at > now));
}

#[test]
fn an_unreadable_ledger_is_taken_for_a_hold() {
    let mut bench = Bench::on(Answer::Silence);
    bench.pass(seconds(1));
    bench.stored = Some(Ledger::unreadable());
    bench.power_cut(seconds(0), false);
    let booted = bench.now;
    assert!(bench.noted(|note| *note == Note::LedgerUnreadable));
    bench.pass(seconds(300));
    assert_eq!(bench.times(booted, Step::Padi).len(), 1);
    assert!(bench.times(booted, Step::Padi)[0] >= 60.0);
    assert_eq!(bench.engine.advice().doing, Doing::Hold(HoldReason::Silence));
}

#[test]
fn a_ledger_of_another_layout_is_taken_for_a_hold() {
    let mut bench = up();
    let mut ledger = bench.stored.clone().unwrap();
    ledger.format += 1;
    bench.stored = Some(ledger);
    bench.power_cut(seconds(0), false);
    bench.pass(seconds(59));
    assert!(!bench.up);
    bench.pass(seconds(2));
    assert!(bench.up, "{:?}", bench.engine.advice());
}

#[test]
fn a_broken_flash_does_not_keep_the_user_off_line() {
    let mut bench = Bench::new(Policy::default(), 1);
    bench.flash = Flash::Broken;
    bench.answer = Answer::Up;
    bench.plug(true);
    let start = bench.now;
    bench.pass(seconds(102));
    assert!(bench.up);
    assert!(bench.noted(|note| *note == Note::LedgerNotStored));
    assert_eq!(bench.times(start, Step::Padi), [101.0]);
    for _ in 0..10 {
        bench.power_cut(seconds(0), false);
        bench.pass(seconds(102));
    }
    bench.audit();
}

#[test]
fn a_longer_lock_is_waited_out_where_it_is_documented() {
    let mut bench = Bench::new(Policy::preset(Preset::Bell), 1);
    bench.answer = Answer::Fails(Failure::LcpTimeout);
    bench.plug(true);
    bench.pass(seconds(5));
    bench.answer = Answer::Silence;
    bench.pass(seconds(100));
    let since = bench.now;
    bench.pass(seconds(900));
    assert_eq!(bench.discovery_since(since), 0);
}

#[test]
fn a_repeated_padi_the_budget_forbids_ends_the_dial_within_seconds() {
    // A PADI and a PADR are spent, so the second dial has one PADI; it is not kept open for a minute.
    let mut bench = Bench::on(Answer::Fails(Failure::LcpTimeout));
    bench.answer = Answer::Silence;
    let start = bench.now;
    bench.pass(seconds(15));
    assert_eq!(bench.times(start, Step::HangUp(HangUpReason::Abandoned)).len(), 1);
    assert_eq!(bench.engine.advice().doing, Doing::DarkPolling, "that was silence");
    bench.pass(seconds(600));
    bench.audit();
}

/// Always the same number.
struct Constant(u32);

impl rand_core::TryRng for Constant {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from(self.0) << 32 | u64::from(self.0))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(self.0 as u8);
        Ok(())
    }
}

#[test]
fn the_extremes_of_jitter_stay_within_the_rules() {
    for (drawn, hold) in [(0, 310), (u32::MAX, 360)] {
        let mut bench = Bench::new(Policy::default(), 1).with_rng(Constant(drawn));
        bench.answer = Answer::Fails(Failure::LcpTimeout);
        bench.plug(true);
        bench.pass(seconds(5));
        bench.answer = Answer::Silence;
        bench.pass(seconds(90));
        let (left, reason) = bench.stored.as_ref().unwrap().hold().unwrap();
        assert_eq!(reason, HoldReason::Silence);
        assert!((hold..=hold + 1).contains(&left), "{left}");
        bench.pass(seconds(5000));
        bench.audit();
    }
}

#[test]
fn clocks_at_their_ends_do_no_harm() {
    let mut rng = Constant(u32::MAX);
    for start in [i64::MIN, -1, 0, i64::MAX - 1, i64::MAX] {
        let start = Instant::from_micros(start);
        let ledger = Ledger { clock: u32::MAX / 2 - 1, ..Ledger::blank() };
        let mut engine = Engine::new(Policy::default(), start, Boot::Warm, Some(ledger));
        for now in
            [start, Instant::from_micros(i64::MIN), Instant::ZERO, Instant::from_micros(i64::MAX), start]
        {
            engine.handle_event(now, &mut rng, Event::LinkUp);
            if engine.poll_store(now).is_some() {
                engine.stored();
            }
            engine.poll_action(now, &mut rng);
            engine.permit(now, DiscoveryMessage::Padi);
            engine.handle_event(now, &mut rng, Event::Failed(Failure::NoPado));
            engine.poll_at();
            engine.advice();
            engine.snapshot(now);
        }
    }
}

#[test]
fn figures_out_of_all_reason_do_no_harm() {
    let huge = Duration::from_micros(u64::MAX);
    let window = Window { limit: 255, period: huge };
    let policy = Policy {
        discovery: Window { limit: 0, period: huge },
        dials: window,
        authentications: window,
        suspicious_dials: window,
        suspicious_sessions: window,
        back_off_first: huge,
        back_off_most: huge,
        quick_offline: huge,
        settled: huge,
        no_traffic: huge,
        padi_attempts: 0,
        ..Policy::default()
    };
    let mut bench = Bench::new(policy, 1);
    bench.answer = Answer::Fails(Failure::NcpFailed);
    bench.plug(true);
    bench.pass(seconds(1000));
    bench.dial(true);
    bench.pass(seconds(1000));
}
