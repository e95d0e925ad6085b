//! What feeds a watchdog: that all who must make progress do.

use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, Timer, WithTimeout};
use gatelet_router::WanId;

use crate::Gatelet;
use crate::fmt::{Show, warning};

/// How often everybody is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How long the router may take for an answer: a turn takes milliseconds, an erased page of flash 400 ms at most (W25Q16JV
/// data sheet, section 9.6: tSE).
const PATIENCE: Duration = Duration::from_secs(2);

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Calls `feed` every half second, as long as
    ///
    /// - the router answers, which takes its turn and everybody's before it;
    /// - no port has been busy with one and the same frame since the last time, as one is whose DMA never ends;
    /// - `others` says so, who is asked for what the firmware has of its own: a console that answers, for example.
    ///
    /// A watchdog with a patience of 5 s or more then bites only who deserves it.
    pub async fn run_vigil(&self, wan: WanId, mut others: impl FnMut() -> bool, mut feed: impl FnMut()) -> ! {
        let mut rounds = self.rounds();
        loop {
            Timer::after(EVERY).await;
            let router = self.wan_status(wan).with_timeout(PATIENCE).await.is_ok();
            let before = core::mem::replace(&mut rounds, self.rounds());
            let stuck = before.iter().zip(&rounds).position(|(before, now)| now % 2 == 1 && before == now);
            if let Some(port) = stuck {
                warning!("port {}: its driver does not come to an end", Show(port));
            }
            if router && stuck.is_none() && others() {
                feed();
            }
        }
    }

    fn rounds(&self) -> [u32; PORTS] {
        core::array::from_fn(|index| self.ports.get(index).map_or(0, |port| port.round.value()))
    }
}
