//! What happens to the line in one particular year: drawn from the seed alone, before any policy lives through it.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};

use super::data::{Carrier, Data, What};

/// A change of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The router loses power, or gets it back.
    RouterPower(bool),
    /// The router is reset with the power on; it is back after a moment.
    RouterReset(bool),
    /// The ONT loses power, or gets it back and boots.
    OntPower(bool),
    /// Nothing passes the fibre, or things do again.
    Fibre(bool),
    /// Frames get lost, or no longer.
    Loss(bool),
    /// The concentrator leaves, with a PADT to everybody or without, or returns.
    Concentrator { on: bool, orderly: bool },
    /// The concentrator forgets the session.
    LostSession,
    /// The concentrator ends the session by PADT.
    Padt,
    /// The concentrator ends it as it does every 48 hours.
    Kick,
    /// The next three sessions are ended right after they came up; or no longer.
    QuickOffline(bool),
    /// A PADT that is not for us.
    StalePadt { from_second_ac: bool },
    /// Nothing gets through until a redial.
    BlackHole,
    /// PADIs go unanswered, or no longer.
    Silence(bool),
    /// PADRs go unanswered, or no longer.
    PadoWithoutPads(bool),
    /// PADRs are refused, or no longer.
    PadsError(bool),
    /// Everybody's credentials are refused, or no longer.
    RadiusTrouble(bool),
    /// The concentrator objects to everything, or no longer.
    Contrary(bool),
    /// Somebody else's dials on this line have ended the session and tripped the lock.
    ForeignLock,
}

/// How many times a replug storm pulls the plug.
const STORM: u32 = 10;
/// How many times the router is replugged before somebody tries a PC instead.
const BEFORE_PC: u32 = 3;

/// The year of `seed` for a customer of `carrier`, in order of time, up to `length`.
pub(super) fn write(data: &Data, carrier: &Carrier, seed: u64, length: Duration) -> Vec<(Instant, Step)> {
    let mut steps = Vec::new();
    for event in &data.event {
        // Each kind has randomness of its own: changing the rate of one leaves the others as they were.
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ ((event.what as u64 + 1) << 48));
        let mean_gap = 365.0 * 86_400.0 / event.per_year;
        let mut at = Instant::ZERO;
        loop {
            at += seconds(-mean_gap * (1.0 - uniform(&mut rng)).ln());
            if at >= Instant::ZERO + length {
                break;
            }
            let lasts = duration(&mut rng, event.lasts);
            act(event.what, at, lasts, &mut rng, &mut steps);
        }
    }
    if let Some((least, most)) = carrier.kick {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x4B1C_4B1C);
        let mut at = Instant::ZERO;
        while at < Instant::ZERO + length {
            let spread = (most - least).total_micros().max(1);
            at += least + Duration::from_micros(rng.next_u64() % spread);
            steps.push((at, Step::Kick));
        }
    }
    steps.retain(|&(at, _)| at < Instant::ZERO + length);
    steps.sort_by_key(|&(at, _)| at); // stable: the order of the file decides ties
    steps
}

fn act(what: What, at: Instant, lasts: Duration, rng: &mut ChaCha8Rng, steps: &mut Vec<(Instant, Step)>) {
    let mut spell = |step: fn(bool) -> Step, begins: bool| {
        steps.push((at, step(begins)));
        steps.push((at + lasts, step(!begins)));
    };
    match what {
        What::PowerCut => {
            spell(Step::OntPower, false);
            spell(Step::RouterPower, false);
        }
        What::Replug => spell(Step::RouterPower, false),
        What::RouterReset => spell(Step::RouterReset, false),
        What::OntReboot => spell(Step::OntPower, false),
        What::FibreGlitch | What::FibreCut => spell(Step::Fibre, false),
        What::Loss => spell(Step::Loss, true),
        What::QuickOffline => spell(Step::QuickOffline, true),
        What::Silence => spell(Step::Silence, true),
        What::PadoWithoutPads => spell(Step::PadoWithoutPads, true),
        What::PadsError => spell(Step::PadsError, true),
        What::RadiusTrouble => spell(Step::RadiusTrouble, true),
        What::ContraryDay => spell(Step::Contrary, true),
        What::OrderlyRestart => spell(|on| Step::Concentrator { on, orderly: true }, false),
        What::Crash => spell(|on| Step::Concentrator { on, orderly: false }, false),
        What::ReplugStorm => {
            let period = lasts / STORM;
            for turn in 0..STORM {
                steps.push((at + period * turn, Step::RouterPower(false)));
                steps.push((at + period * turn + period / 4, Step::RouterPower(true)));
            }
        }
        What::AnotherDevice => {
            let period = lasts / (BEFORE_PC + 1);
            for turn in 0..BEFORE_PC {
                steps.push((at + period * turn, Step::RouterPower(false)));
                steps.push((at + period * turn + period / 4, Step::RouterPower(true)));
            }
            steps.push((at + lasts, Step::ForeignLock));
        }
        What::LostSession => steps.push((at, Step::LostSession)),
        What::Padt => steps.push((at, Step::Padt)),
        What::StalePadt => {
            steps.push((at, Step::StalePadt { from_second_ac: rng.next_u32().is_multiple_of(2) }));
        }
        What::BlackHole => steps.push((at, Step::BlackHole)),
    }
}

/// Evenly on a logarithmic scale.
fn duration(rng: &mut ChaCha8Rng, (least, most): (Duration, Duration)) -> Duration {
    let share = uniform(rng);
    if most <= Duration::from_secs(0) {
        return Duration::ZERO;
    }
    let (least, most) = (least.total_micros().max(1), most.total_micros());
    #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 microseconds")]
    let (least, ratio) = (least as f64, most as f64 / least as f64);
    seconds(least * ratio.powf(share) / 1e6)
}

/// Evenly in [0, 1).
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / 4_294_967_296.0
}

#[expect(clippy::cast_sign_loss, reason = "never negative")]
fn seconds(seconds: f64) -> Duration {
    Duration::from_micros((seconds * 1e6) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn the_seed_alone_decides() {
        let data = Data::load();
        let unicom = &data.carrier["unicom"];
        assert_eq!(write(&data, unicom, 7, YEAR), write(&data, unicom, 7, YEAR));
        assert_ne!(write(&data, unicom, 7, YEAR), write(&data, unicom, 8, YEAR));
    }

    #[test]
    fn rates_come_out_as_written_over_many_years() {
        let data = Data::load();
        let generic = &data.carrier["generic"];
        let years = 200;
        let padts = (0..years)
            .flat_map(|seed| write(&data, generic, seed, YEAR))
            .filter(|(_, step)| *step == Step::Padt)
            .count();
        let mean = padts / years as usize;
        assert!((11..=13).contains(&mean), "12 a year are written, {mean} came");
    }

    #[test]
    fn unicom_kicks_about_every_48_hours() {
        let data = Data::load();
        let kicks = write(&data, &data.carrier["unicom"], 1, YEAR);
        let kicks: Vec<_> = kicks.iter().filter(|(_, step)| *step == Step::Kick).collect();
        assert!((182..=186).contains(&kicks.len()), "{}", kicks.len());
    }
}
