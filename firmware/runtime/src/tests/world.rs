//! A clock and an executor for one test: polls what was woken, in order, and jumps to the next timer when all wait.

use std::boxed::Box;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread_local;
use std::vec::Vec;

use embassy_time_driver::{Driver, time_driver_impl};

struct Clock;

time_driver_impl!(static CLOCK: Clock = Clock);

thread_local! {
    static NOW: RefCell<u64> = const { RefCell::new(0) };
    static TIMERS: RefCell<BTreeMap<u64, Vec<Waker>>> = const { RefCell::new(BTreeMap::new()) };
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        NOW.with_borrow(|now| *now)
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        TIMERS.with_borrow_mut(|timers| timers.entry(at).or_default().push(waker.clone()));
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A test's tasks.
#[derive(Default)]
pub(crate) struct World<'a> {
    tasks: Vec<(Task<'a>, Arc<Woken>)>,
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl<'a> World<'a> {
    pub(crate) fn spawn(&mut self, task: impl Future + 'a) {
        let task = Box::pin(async {
            task.await;
        });
        self.tasks.push((task, Arc::new(Woken(AtomicBool::new(true)))));
    }

    /// Runs for so many microseconds, or until no task is left or waits for a timer. A task that keeps the
    /// processor fails the test.
    pub(crate) fn run_for(&mut self, micros: u64) {
        let end = NOW.with_borrow(|now| now + micros);
        let mut polls_of_this_moment = 0;
        loop {
            let mut polled = Self::fire_timers();
            self.tasks.retain_mut(|(task, woken)| {
                if !woken.0.swap(false, Ordering::Relaxed) {
                    return true;
                }
                polled = true;
                let waker = Waker::from(woken.clone());
                task.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending
            });
            polls_of_this_moment += 1;
            assert!(polls_of_this_moment < 100_000, "time stands still");
            if polled {
                continue;
            }
            let next = TIMERS.with_borrow_mut(BTreeMap::pop_first);
            match next {
                Some((at, wakers)) if at <= end => {
                    polls_of_this_moment = 0;
                    NOW.with_borrow_mut(|now| *now = at.max(*now));
                    wakers.into_iter().for_each(Waker::wake);
                }
                Some((at, wakers)) => {
                    TIMERS.with_borrow_mut(|timers| timers.insert(at, wakers));
                    break;
                }
                None => break,
            }
        }
        NOW.with_borrow_mut(|now| *now = end);
    }

    /// Wakes those whose time has come.
    fn fire_timers() -> bool {
        let now = NOW.with_borrow(|now| *now);
        let due = TIMERS.with_borrow_mut(|timers| {
            let later = timers.split_off(&(now + 1));
            core::mem::replace(timers, later)
        });
        let any = !due.is_empty();
        due.into_values().flatten().for_each(Waker::wake);
        any
    }

    /// Runs until every task that can end has ended, at most for an hour.
    pub(crate) fn run(&mut self) {
        self.run_for(3_600_000_000);
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        TIMERS.with_borrow_mut(BTreeMap::clear);
    }
}
