//! Runs the tasks of one world on this thread, in virtual or in real time.
//!
//! Poll every ready task; when none is left, jump to the earliest timer (virtual) or sleep until it
//! (real). Everything the tasks borrow is declared before the executor, so tasks need no `'static`.

use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::rc::Rc;

use smoltcp::time::Instant;

use crate::clock::Schedule;
pub use crate::clock::{Mode, now, readable, sleep_until, writable};

/// Polls at one and the same instant before the world counts as livelocked. A burst over a link
/// without delay costs a few polls a frame; tens of thousands without a microsecond passing are a bug.
const LIVELOCK_POLLS: u32 = 100_000;
/// Real mode: busy tasks let the files be looked at every so many polls.
const POLLS_BETWEEN_FILES: u32 = 32;

/// Called before a virtual clock jumps, with where it stands and where it goes. May sleep.
pub type Pacer<'a> = Box<dyn FnMut(Instant, Instant) + 'a>;

/// One world's tasks.
pub struct Executor<'a> {
    schedule: Rc<Schedule>,
    mode: Mode,
    tasks: Vec<Task<'a>>,
    pacer: Option<Pacer<'a>>,
}

struct Task<'a> {
    name: &'static str,
    index: usize,
    /// `None` once it has ended.
    future: Option<Pin<Box<dyn Future<Output = ()> + 'a>>>,
}

/// Why a world cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// Every task waits for something that no timer and no file will bring.
    Deadlock,
    /// Tasks wake each other without time passing; the name is that of the last one polled.
    Livelock {
        /// The task polled last.
        task: &'static str,
        /// When, in microseconds since the world began.
        at: u64,
    },
}

impl core::fmt::Display for Stuck {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Deadlock => write!(f, "every task waits and no timer runs"),
            Self::Livelock { task, at } => {
                write!(f, "{LIVELOCK_POLLS} polls without time passing at {at} µs (task {task})")
            }
        }
    }
}

impl std::error::Error for Stuck {}

impl<'a> Executor<'a> {
    /// A world without tasks, at time zero.
    pub fn new(mode: Mode) -> Self {
        Self::booting_at(mode, Instant::ZERO)
    }

    /// A machine that is switched on when the world is `now` old: its own clock (`embassy-time`) begins
    /// at zero, as a board's does; [`now`] and [`Executor::now`] go on telling the world's time.
    pub fn booting_at(mode: Mode, now: Instant) -> Self {
        Self { schedule: Schedule::new(mode, now), mode, tasks: Vec::new(), pacer: None }
    }

    /// Has `pacer` called before each jump of a virtual clock.
    pub fn set_pacer(&mut self, pacer: Pacer<'a>) {
        self.pacer = Some(pacer);
    }

    /// Adds a task. It runs from the next [`Executor::run_until`] on; its output is dropped.
    pub fn spawn<F: Future + 'a>(&mut self, name: &'static str, future: F) {
        let index = self.schedule.add_task();
        let future: Pin<Box<dyn Future<Output = ()> + 'a>> = Box::pin(async move {
            future.await;
        });
        self.tasks.push(Task { name, index, future: Some(future) });
    }

    /// What the world's clock says.
    pub fn now(&self) -> Instant {
        instant(self.schedule.now())
    }

    /// Runs all tasks until `main` is done.
    ///
    /// # Errors
    /// [`Stuck`] if the tasks wait for nothing that can come, or spin.
    pub fn run_until<T>(&mut self, main: impl Future<Output = T>) -> Result<T, Stuck> {
        let mut main = pin!(main);
        let main_index = self.schedule.add_task();
        let _installed = self.schedule.install();
        let mut polls = 0;
        let mut last_time = self.schedule.now();
        loop {
            while let Some(index) = self.schedule.next_ready() {
                let waker = self.schedule.waker(index);
                let mut context = Context::from_waker(&waker);
                let mut name = "main";
                if index == main_index {
                    if let Poll::Ready(output) = main.as_mut().poll(&mut context) {
                        return Ok(output);
                    }
                } else if let Some(task) = self.tasks.iter_mut().find(|task| task.index == index) {
                    name = task.name;
                    if let Some(future) = &mut task.future
                        && future.as_mut().poll(&mut context).is_ready()
                    {
                        task.future = None;
                    }
                }
                polls += 1;
                if self.mode != Mode::Virtual {
                    if polls % POLLS_BETWEEN_FILES == 0 {
                        self.schedule.sleep(Some(0));
                        self.schedule.fire_due();
                    }
                } else if polls > LIVELOCK_POLLS {
                    return Err(Stuck::Livelock { task: name, at: last_time });
                }
            }
            let next = self.schedule.earliest();
            match self.mode {
                Mode::Virtual => {
                    let at = next.ok_or(Stuck::Deadlock)?;
                    if let Some(pacer) = &mut self.pacer {
                        pacer(instant(last_time), instant(at));
                    }
                    self.schedule.jump(at);
                    last_time = at;
                }
                Mode::Real | Mode::Fast(_) if next.is_none() && !self.schedule.has_watches() => {
                    return Err(Stuck::Deadlock);
                }
                Mode::Real | Mode::Fast(_) => self.schedule.sleep(next),
            }
            polls = 0;
            self.schedule.fire_due();
        }
    }
}

fn instant(micros: u64) -> Instant {
    Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;

    use embassy_futures::select::{Either, select};
    use embassy_sync::blocking_mutex::raw::NoopRawMutex;
    use embassy_sync::channel::Channel;
    use embassy_time::{Duration, Timer};

    use super::*;

    /// Three tasks of different rhythm over a year; what they did, in order.
    fn transcript() -> Vec<(u64, u8)> {
        let log = RefCell::new(Vec::new());
        let channel = Channel::<NoopRawMutex, u8, 4>::new();
        let mut executor = Executor::new(Mode::Virtual);
        for (who, hours) in [(1, 7), (2, 24), (3, 24)] {
            let channel = &channel;
            executor.spawn("rhythm", async move {
                loop {
                    Timer::after(Duration::from_secs(hours * 3600)).await;
                    channel.send(who).await;
                }
            });
        }
        executor.spawn("writer", async {
            loop {
                let who = channel.receive().await;
                log.borrow_mut().push((embassy_time::Instant::now().as_micros(), who));
            }
        });
        executor.run_until(Timer::after(Duration::from_secs(365 * 86_400))).unwrap();
        drop(executor);
        log.into_inner()
    }

    #[test]
    fn a_year_passes_at_once_and_the_same_way_on_every_thread() {
        let here = transcript();
        assert!(here.len() > 365 * 2);
        assert_eq!(here, transcript());
        assert_eq!(here, std::thread::spawn(transcript).join().unwrap());
    }

    #[test]
    fn a_timer_in_the_past_is_ready_at_once() {
        let mut executor = Executor::new(Mode::Virtual);
        let main = async {
            Timer::after_secs(5).await;
            Timer::at(embassy_time::Instant::from_secs(1)).await;
            embassy_time::Instant::now().as_micros()
        };
        assert_eq!(executor.run_until(main), Ok(5_000_000));
    }

    #[test]
    fn a_dropped_timer_wakes_nobody() {
        let polls = core::cell::Cell::new(0);
        let mut executor = Executor::new(Mode::Virtual);
        let main = async {
            for _ in 0..10 {
                let lost = Timer::after_secs(100);
                assert!(matches!(select(lost, Timer::after_secs(1)).await, Either::Second(())));
            }
            embassy_futures::yield_now().await; // the poll that dropped the last one asked for it
            let mut end = Timer::after_secs(1000);
            core::future::poll_fn(|context| {
                polls.set(polls.get() + 1);
                Pin::new(&mut end).poll(context)
            })
            .await;
        };
        assert_eq!(executor.run_until(main), Ok(()));
        assert_eq!(polls.get(), 2);
    }

    #[test]
    fn a_livelock_and_a_deadlock_are_errors() {
        let mut executor = Executor::new(Mode::Virtual);
        executor.spawn("spinner", async {
            loop {
                embassy_futures::yield_now().await;
            }
        });
        assert!(matches!(executor.run_until(Timer::after_secs(1)), Err(Stuck::Livelock { .. })));
        let mut executor = Executor::new(Mode::Virtual);
        assert_eq!(executor.run_until(core::future::pending::<()>()), Err(Stuck::Deadlock));
    }

    #[test]
    fn the_thread_is_free_again_after_a_panic() {
        let broken = std::panic::catch_unwind(|| {
            Executor::new(Mode::Virtual).run_until(async { panic!("a world that fails") })
        });
        assert!(broken.is_err());
        assert_eq!(embassy_time::Instant::now().as_ticks(), 0);
        assert_eq!(Executor::new(Mode::Virtual).run_until(Timer::after_secs(1)), Ok(()));
    }

    #[test]
    fn worlds_interleave_on_one_thread() {
        let mut first = Executor::new(Mode::Virtual);
        let mut second = Executor::new(Mode::Virtual);
        let wait = async |seconds| Timer::after_secs(seconds).await;
        first.run_until(wait(10)).unwrap();
        second.run_until(wait(3)).unwrap();
        first.run_until(wait(10)).unwrap();
        assert_eq!(first.now(), Instant::from_secs(20));
        assert_eq!(second.now(), Instant::from_secs(3));
    }

    #[test]
    fn a_machine_that_boots_later_has_a_clock_of_its_own() {
        let mut executor = Executor::booting_at(Mode::Virtual, Instant::from_secs(100));
        let main = async {
            assert_eq!(embassy_time::Instant::now().as_ticks(), 0);
            Timer::after_secs(5).await;
            assert_eq!(now(), Instant::from_secs(105));
            sleep_until(Instant::from_secs(110)).await;
            embassy_time::Instant::now().as_secs()
        };
        assert_eq!(executor.run_until(main), Ok(10));
        assert_eq!(executor.now(), Instant::from_secs(110));
    }

    #[test]
    fn real_time_waits_for_a_file_or_a_timer() {
        use std::io::Write;
        use std::os::fd::AsRawFd;
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut executor = Executor::new(Mode::Real);
        let main = async {
            let early = select(readable(reader.as_raw_fd()), Timer::after_millis(5)).await;
            assert!(matches!(early, Either::Second(())), "nothing was written yet");
            writer.write_all(b"x").unwrap();
            let late = select(readable(reader.as_raw_fd()), Timer::after_secs(60)).await;
            assert!(matches!(late, Either::First(())));
        };
        assert_eq!(executor.run_until(main), Ok(()));
    }
}
