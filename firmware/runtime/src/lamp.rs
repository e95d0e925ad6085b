//! A lamp that says how a WAN is, to who looks at the box.
//!
//! ```text
//!   ████████  on line                                     two seconds, a letter each quarter of one
//!   █·█·█·█·  dials, or hangs up
//!   █·······  no cable, or the modem is off
//!   █·█·····  waits to dial again, or the line is dark
//!   █·█·█···  keeps silent, so that the carrier lifts a lock
//!   █·█·█·█·█·█·█·█·  (twice as quick) there is no WAN yet: the console asks for user name and password
//!   ········  hung up, or no firmware
//! ```

use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, Timer};
use embedded_hal::digital::{OutputPin, PinState};
use gatelet_proto::redial::Doing;
use gatelet_router::{WanId, WanStatus};

use crate::Gatelet;

/// Eighths of the two seconds, twice: sixteen of an eighth of a second each.
const STEP: Duration = Duration::from_millis(125);

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
    /// | blinks four times a second | no WAN yet |
    /// | off | hung up |
    pub async fn run_lamp(&self, wan: WanId, mut lamp: impl OutputPin, lit: PinState) -> ! {
        loop {
            let pattern = pattern(self.wan_status(wan).await.as_ref());
            for step in 0..16 {
                let state = if pattern >> step & 1 == 1 { lit } else { !lit };
                // A pin that fails is a lamp that fails.
                let _ = lamp.set_state(state);
                Timer::after(STEP).await;
            }
        }
    }
}

/// A bit for each step, the lowest first.
fn pattern(status: Option<&WanStatus>) -> u16 {
    match status.map(|status| status.advice.doing) {
        None => 0b0101_0101_0101_0101,
        Some(Doing::Up) => 0b1111_1111_1111_1111,
        Some(Doing::Dialing | Doing::Polling | Doing::HangingUp) => 0b0011_0011_0011_0011,
        Some(Doing::NoLink) => 0b0000_0000_0000_0011,
        Some(Doing::BackOff | Doing::Budget | Doing::DarkPolling | Doing::DarkSilence) => {
            0b0000_0000_0011_0011
        }
        Some(Doing::Hold(_) | Doing::ColdStartInHold) => 0b0000_0011_0011_0011,
        Some(Doing::Stopped) => 0,
    }
}
