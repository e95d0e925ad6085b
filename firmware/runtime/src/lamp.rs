//! A lamp that says how a WAN is, to who looks at the box.
//!
//! ```text
//!   ████████  on line                                     two seconds, a letter each quarter of one
//!   █·█·█·█·  dials, or hangs up
//!   █·······  no cable, or the modem is off
//!   █·█·····  waits to dial again, or the line is dark
//!   █·█·█···  keeps silent, so that the carrier lifts a lock
//!   ········  hung up, or nobody has told the user name yet, or no firmware
//! ```

use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, Timer};
use embedded_hal::digital::{OutputPin, PinState};
use gatelet_proto::redial::Doing;
use gatelet_router::{WanId, WanStatus};

use crate::Gatelet;

/// An eighth of the two seconds.
const STEP: Duration = Duration::from_millis(250);

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Shows with `lamp`, which is lit while the pin is at `lit`, how `wan` is, for ever.
    ///
    /// | lamp, in two seconds | what it means |
    /// |---|---|
    /// | on | on line |
    /// | blinks twice a second | dials, or hangs up |
    /// | one flash | no cable, or the modem is off |
    /// | two flashes | waits to dial again, or the line is dark |
    /// | three flashes | keeps silent, so that the carrier lifts a lock |
    /// | off | hung up, or nobody has told the user name yet |
    pub async fn run_lamp(&self, wan: WanId, mut lamp: impl OutputPin, lit: PinState) -> ! {
        loop {
            let pattern = pattern(self.wan_status(wan).await.as_ref());
            for step in 0..8 {
                let state = if pattern >> step & 1 == 1 { lit } else { !lit };
                // A pin that fails is a lamp that fails.
                let _ = lamp.set_state(state);
                Timer::after(STEP).await;
            }
        }
    }
}

/// A bit for each step, the lowest first.
fn pattern(status: Option<&WanStatus>) -> u8 {
    match status.map(|status| status.advice.doing) {
        Some(Doing::Up) => 0b1111_1111,
        Some(Doing::Dialing | Doing::Polling | Doing::HangingUp) => 0b0101_0101,
        Some(Doing::NoLink) => 0b0000_0001,
        Some(Doing::BackOff | Doing::Budget | Doing::DarkPolling | Doing::DarkSilence) => 0b0000_0101,
        Some(Doing::Hold(_) | Doing::ColdStartInHold) => 0b0001_0101,
        Some(Doing::Stopped) | None => 0,
    }
}
