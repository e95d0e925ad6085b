//! The process's one embassy time driver, and the schedule of the world that runs on this thread.
//!
//! `embassy-time` knows one driver per process; ours looks at a thread-local `Schedule`, so every
//! thread has its own time and worlds run in parallel. A schedule is: what time it is, which tasks
//! are ready, and for each task the earliest moment it asked to be woken.
//!
//! Wakers are indices (world, task), not pointers: cloning copies, dropping does nothing. Code that
//! is never dropped (embassy-net's inner state) therefore leaks nothing, and a waker that outlives
//! its world, or crosses to another thread, finds no such world there and does nothing.

use core::cell::{Cell, RefCell};
use core::num::NonZeroU32;
use core::task::{RawWaker, RawWakerVTable, Waker};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use embassy_time_driver::Driver;
use nix::poll::PollFlags;
use smoltcp::time::Instant;

/// No deadline: the task waits for a waker only.
const NEVER: u64 = u64::MAX;

/// The age of the world on this thread (zero outside of any world). `embassy-time` tells the time since
/// the machine in it was switched on.
pub fn now() -> Instant {
    let micros = CURRENT.with_borrow(|current| current.as_ref().map_or(0, |schedule| schedule.now()));
    Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// Has `waker`, a task's of this world, woken when the world is `at` old.
pub fn wake_at(at: Instant, waker: &Waker) {
    CURRENT.with_borrow(|current| {
        let Some(schedule) = current else { return };
        if let Some(task) = schedule.owns(waker) {
            schedule.schedule(u64::try_from(at.total_micros()).unwrap_or(0), task);
        }
    });
}

/// Waits until the world is `at` old.
pub async fn sleep_until(at: Instant) {
    let micros = u64::try_from(at.total_micros()).unwrap_or(0);
    let booted = CURRENT.with_borrow(|current| current.as_ref().map_or(0, |schedule| schedule.booted));
    embassy_time::Timer::at(embassy_time::Instant::from_micros(micros.saturating_sub(booted))).await;
}

/// Whether time jumps or passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When every task waits, the clock jumps to the next timer.
    Virtual,
    /// When every task waits, the thread sleeps until the next timer or until a watched file is ready.
    Real,
    /// As [`Real`](Self::Real), with so many seconds in one.
    Fast(NonZeroU32),
}

/// One world's tasks, as far as time and readiness go.
pub(crate) struct Schedule {
    id: u32,
    /// Virtual mode: microseconds since the world began.
    now: Cell<u64>,
    /// Real mode: what the time was at `booted`.
    began: Option<std::time::Instant>,
    /// Real mode: how many of the world's seconds pass in one.
    speed: NonZeroU32,
    /// When the machine was switched on, in microseconds since the world began: zero of `embassy-time`.
    booted: u64,
    sequence: Cell<u64>,
    tasks: RefCell<Vec<TaskSchedule>>,
    ready: RefCell<VecDeque<usize>>,
    watches: RefCell<Vec<Watch>>,
}

struct TaskSchedule {
    deadline: u64,
    /// When the deadline was set, in the order of all deadlines set: breaks ties the same way in every run.
    sequence: u64,
    ready: bool,
}

struct Watch {
    fd: RawFd,
    flags: PollFlags,
    task: usize,
    token: u64,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Schedule>>> = const { RefCell::new(None) };
}

/// Makes a schedule the thread's; restores the one before when dropped, panics included.
pub(crate) struct Installed(Option<Rc<Schedule>>);

impl Drop for Installed {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl Schedule {
    pub(crate) fn new(mode: Mode, now: Instant) -> Rc<Self> {
        static NEXT_ID: AtomicU32 = AtomicU32::new(1);
        let booted = u64::try_from(now.total_micros()).unwrap_or(0);
        Rc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            now: Cell::new(booted),
            booted,
            began: (mode != Mode::Virtual).then(std::time::Instant::now),
            speed: if let Mode::Fast(speed) = mode { speed } else { NonZeroU32::MIN },
            sequence: Cell::new(0),
            tasks: RefCell::default(),
            ready: RefCell::default(),
            watches: RefCell::default(),
        })
    }

    pub(crate) fn install(self: &Rc<Self>) -> Installed {
        Installed(CURRENT.replace(Some(self.clone())))
    }

    pub(crate) fn now(&self) -> u64 {
        match self.began {
            Some(began) => {
                let elapsed = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.booted.saturating_add(elapsed.saturating_mul(u64::from(self.speed.get())))
            }
            None => self.now.get(),
        }
    }

    /// Virtual mode: the clock stands at `at` from here on. Never backwards.
    pub(crate) fn jump(&self, at: u64) {
        self.now.set(self.now.get().max(at));
    }

    pub(crate) fn add_task(&self) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(TaskSchedule { deadline: NEVER, sequence: 0, ready: false });
        let task = tasks.len() - 1;
        drop(tasks);
        self.wake(task);
        task
    }

    pub(crate) fn wake(&self, task: usize) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(entry) = tasks.get_mut(task) else { return };
        if !entry.ready {
            entry.ready = true;
            self.ready.borrow_mut().push_back(task);
        }
    }

    /// The next task to poll. Its deadline is forgotten: dropping a `Timer` does not cancel it, so
    /// only what the coming poll asks for counts.
    pub(crate) fn next_ready(&self) -> Option<usize> {
        let task = self.ready.borrow_mut().pop_front()?;
        if let Some(entry) = self.tasks.borrow_mut().get_mut(task) {
            entry.ready = false;
            entry.deadline = NEVER;
        }
        Some(task)
    }

    /// The earliest deadline of all tasks. A world has a handful of tasks: a scan beats a heap.
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.tasks.borrow().iter().map(|entry| entry.deadline).filter(|&at| at != NEVER).min()
    }

    /// Makes every task whose deadline has come ready, in the order of (deadline, sequence).
    pub(crate) fn fire_due(&self) {
        let now = self.now();
        loop {
            let due = {
                let tasks = self.tasks.borrow();
                let waiting = tasks.iter().enumerate().filter(|(_, entry)| entry.deadline <= now);
                waiting.min_by_key(|(_, entry)| (entry.deadline, entry.sequence)).map(|(task, _)| task)
            };
            let Some(task) = due else { return };
            self.tasks.borrow_mut()[task].deadline = NEVER;
            self.wake(task);
        }
    }

    fn schedule(&self, at: u64, task: usize) {
        if at <= self.now() {
            // A timer in the past yields once: ready at once, no trip through the clock.
            self.wake(task);
            return;
        }
        let mut tasks = self.tasks.borrow_mut();
        let Some(entry) = tasks.get_mut(task) else { return };
        if at < entry.deadline {
            entry.deadline = at;
            entry.sequence = self.sequence.get();
            self.sequence.set(entry.sequence + 1);
        }
    }

    pub(crate) fn waker(&self, task: usize) -> Waker {
        let task = u32::try_from(task).expect("fewer than 2^32 tasks");
        let data = core::ptr::without_provenance(pack(self.id, task));
        // SAFETY: the data is an integer, never dereferenced, and the functions of `VTABLE` neither
        // own nor free anything; they are safe to call from any thread, as they only look at that
        // thread's own schedule.
        unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
    }

    fn owns(&self, waker: &Waker) -> Option<usize> {
        let (world, task) = unpack(waker.data().addr());
        (core::ptr::eq(waker.vtable(), &raw const VTABLE) && world == self.id).then_some(task)
    }

    fn watch(&self, fd: RawFd, flags: PollFlags, waker: &Waker) -> u64 {
        let task = self.owns(waker).expect("a file is awaited by a task of the world");
        let token = self.sequence.get();
        self.sequence.set(token + 1);
        self.watches.borrow_mut().push(Watch { fd, flags, task, token });
        token
    }

    pub(crate) fn has_watches(&self) -> bool {
        !self.watches.borrow().is_empty()
    }

    /// Real mode: waits until a watched file is ready or `until` (microseconds) has come, and wakes
    /// who waits for the files.
    pub(crate) fn sleep(&self, until: Option<u64>) {
        use std::os::fd::BorrowedFd;
        let mut polled: Vec<nix::poll::PollFd<'_>> = Vec::new();
        for watch in self.watches.borrow().iter() {
            // SAFETY: whoever awaits a file holds it open for as long as it awaits; the entry goes
            // when the future is dropped (`Ready::drop`).
            let fd = unsafe { BorrowedFd::borrow_raw(watch.fd) };
            polled.push(nix::poll::PollFd::new(fd, watch.flags));
        }
        let timeout = until.map(|at| {
            nix::sys::time::TimeSpec::from_duration(core::time::Duration::from_micros(
                at.saturating_sub(self.now()).div_ceil(u64::from(self.speed.get())),
            ))
        });
        // An error here is an interrupting signal: whoever cares has a file for it.
        if nix::poll::ppoll(&mut polled, timeout, None).unwrap_or(0) <= 0 {
            return;
        }
        let ready: Vec<bool> = polled.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let mut index = 0;
        self.watches.borrow_mut().retain(|watch| {
            let is_ready = ready[index];
            index += 1;
            if is_ready {
                self.wake(watch.task);
            }
            !is_ready
        });
    }
}

/// Waits until `fd` can be read (or is at its end, or broken: the read will tell). Real mode only; in
/// virtual time no file is ever ready.
pub async fn readable(fd: RawFd) {
    ready(fd, PollFlags::POLLIN).await;
}

/// Waits until `fd` can be written. Real mode only.
pub async fn writable(fd: RawFd) {
    ready(fd, PollFlags::POLLOUT).await;
}

async fn ready(fd: RawFd, flags: PollFlags) {
    Ready { fd, flags, token: None }.await;
}

struct Ready {
    fd: RawFd,
    flags: PollFlags,
    token: Option<u64>,
}

impl Future for Ready {
    type Output = ();

    fn poll(
        mut self: core::pin::Pin<&mut Self>,
        context: &mut core::task::Context<'_>,
    ) -> core::task::Poll<()> {
        let Some(schedule) = CURRENT.with_borrow(Clone::clone) else { return core::task::Poll::Pending };
        match self.token {
            None => self.token = Some(schedule.watch(self.fd, self.flags, context.waker())),
            Some(token) if schedule.watches.borrow().iter().any(|watch| watch.token == token) => {}
            Some(_) => return core::task::Poll::Ready(()),
        }
        core::task::Poll::Pending
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        let (Some(token), Some(schedule)) = (self.token, CURRENT.with_borrow(Clone::clone)) else { return };
        schedule.watches.borrow_mut().retain(|watch| watch.token != token);
    }
}

struct ThreadClock;

embassy_time_driver::time_driver_impl!(static DRIVER: ThreadClock = ThreadClock);

impl Driver for ThreadClock {
    fn now(&self) -> u64 {
        CURRENT.with_borrow(|current| {
            current.as_ref().map_or(0, |schedule| schedule.now().saturating_sub(schedule.booted))
        })
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        CURRENT.with_borrow(|current| {
            let schedule = current.as_ref().expect("a timer is awaited inside a world");
            let task = schedule.owns(waker).expect("a timer is awaited by a task of the world on its thread");
            schedule.schedule(at.saturating_add(schedule.booted), task);
        });
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, |_| {});

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    let (world, task) = unpack(data.addr());
    // While the thread ends its locals are gone, and so is every world.
    let _ = CURRENT.try_with(|current| {
        if let Some(schedule) = current.borrow().as_ref().filter(|schedule| schedule.id == world) {
            schedule.wake(task);
        }
    });
}

fn pack(world: u32, task: u32) -> usize {
    const { assert!(usize::BITS == 64, "a waker holds the world and the task in one 64-bit word") };
    (world as usize) << 32 | task as usize
}

fn unpack(data: usize) -> (u32, usize) {
    ((data >> 32) as u32, data & 0xFFFF_FFFF)
}
