//! What feeds a watchdog: that all who must make progress do.

use core::cell::Cell;
use core::future::pending;
use core::pin::pin;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::{Mutex, raw::RawMutex};
use embassy_sync::signal::Signal;
use embassy_sync::watch::{Receiver, Watch};
use embassy_time::{Duration, Timer, WithTimeout};
use gatelet_router::WanId;

use crate::Gatelet;
use crate::fmt::{Show, warning};

/// How often everybody is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How long the router and the consoles may take for an answer: a turn takes milliseconds, an erased page of flash 400 ms at most (W25Q16JV
/// data sheet, section 9.6: tSE).
const PATIENCE: Duration = Duration::from_secs(2);

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Calls `feed` every half second, as long as
    ///
    /// - the router answers, which takes its turn and everybody's before it;
    /// - no port has been busy with one and the same frame since the last time, as one is whose DMA never ends;
    /// - each [console](Self::run_console) answers, which it does while it waits for somebody to type, or to read;
    /// - `others` says so, who is asked for what the firmware has of its own.
    ///
    /// A watchdog with a patience of 5 s or more then bites only who deserves it.
    pub async fn run_vigil(&self, wan: WanId, mut others: impl FnMut() -> bool, mut feed: impl FnMut()) -> ! {
        let mut rounds = self.rounds();
        loop {
            Timer::after(EVERY).await;
            let router = self.wan_status(wan).with_timeout(PATIENCE);
            let consoles = self.roll_call.everybody().with_timeout(PATIENCE);
            let (router, consoles) = join(router, consoles).await;
            if consoles.is_err() {
                warning!("a console does not answer");
            }
            let before = core::mem::replace(&mut rounds, self.rounds());
            let stuck = before.iter().zip(&rounds).position(|(before, now)| now % 2 == 1 && before == now);
            if let Some(port) = stuck {
                warning!("port {}: its driver does not come to an end", Show(port));
            }
            if router.is_ok() && consoles.is_ok() && stuck.is_none() && others() {
                feed();
            }
        }
    }

    fn rounds(&self) -> [u32; PORTS] {
        core::array::from_fn(|index| self.ports.get(index).map_or(0, |port| port.round.value()))
    }
}

/// Where the consoles tell that they are there.
pub(crate) struct RollCall<M: RawMutex> {
    /// The number of the call.
    call: Watch<M, u32, CONSOLES>,
    present: Mutex<M, Cell<Present>>,
    answered: Signal<M, ()>,
}

#[derive(Clone, Copy, Default)]
struct Present {
    members: u8,
    /// Those who have answered the last call, and the number of that.
    answers: u8,
    call: u32,
}

/// Consoles that are watched; further ones are not.
const CONSOLES: usize = 4;

impl<M: RawMutex> RollCall<M> {
    pub(crate) const fn new() -> Self {
        let nobody = Present { members: 0, answers: 0, call: 0 };
        Self { call: Watch::new(), present: Mutex::new(Cell::new(nobody)), answered: Signal::new() }
    }

    /// Somebody more is to answer.
    pub(crate) fn join(&self) -> Member<'_, M> {
        let call = self.call.receiver();
        if call.is_some() {
            self.note(|present| present.members = present.members.saturating_add(1));
        }
        Member { roll_call: self, call }
    }

    /// Calls, and waits until everybody has answered who is there.
    async fn everybody(&self) {
        self.note(|present| (present.call, present.answers) = (present.call.wrapping_add(1), 0));
        self.call.sender().send(self.present.lock(Cell::get).call);
        loop {
            let Present { members, answers, .. } = self.present.lock(Cell::get);
            if answers >= members {
                return;
            }
            self.answered.wait().await;
        }
    }

    fn note(&self, note: impl FnOnce(&mut Present)) {
        self.present.lock(|cell| {
            let mut present = cell.get();
            note(&mut present);
            cell.set(present);
        });
        self.answered.signal(());
    }
}

/// Somebody who is called, as long as this lives.
pub(crate) struct Member<'a, M: RawMutex> {
    roll_call: &'a RollCall<M>,
    call: Option<Receiver<'a, M, u32, CONSOLES>>,
}

impl<M: RawMutex> Member<'_, M> {
    /// Waits for `future`, and answers calls meanwhile: for what may take as long as it likes.
    pub(crate) async fn answering<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            let called = async {
                match &mut self.call {
                    Some(call) => call.changed().await,
                    None => pending().await,
                }
            };
            // The call first: not even who has something to do at all times fails to answer.
            match select(called, &mut future).await {
                Either::First(call) => self.roll_call.note(|present| {
                    if present.call == call {
                        present.answers = present.answers.saturating_add(1);
                    }
                }),
                Either::Second(result) => return result,
            }
        }
    }
}

impl<M: RawMutex> Drop for Member<'_, M> {
    fn drop(&mut self) {
        if self.call.is_some() {
            self.roll_call.note(|present| present.members = present.members.saturating_sub(1));
        }
    }
}
