//! embassy's clock on the CLINT's `mtime`, which counts at 10 MHz, in ticks of a microsecond.

use core::cell::RefCell;
use core::task::Waker;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time_driver::{Driver, time_driver_impl};
use embassy_time_queue_utils::Queue;
use riscv::interrupt::Interrupt;

use crate::machine::{read, write};

struct Clock {
    queue: Mutex<CriticalSectionRawMutex, RefCell<Queue>>,
}

time_driver_impl!(static CLOCK: Clock = Clock { queue: Mutex::new(RefCell::new(Queue::new())) });

impl Driver for Clock {
    fn now(&self) -> u64 {
        mtime() / MTIME_PER_TICK
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        self.queue.lock(|queue| {
            let mut queue = queue.borrow_mut();
            if queue.schedule_wake(at, waker) {
                set_alarm(queue.next_expiration(self.now()));
            }
        });
    }
}

#[riscv_rt::core_interrupt(Interrupt::MachineTimer)]
fn alarm() {
    CLOCK.queue.lock(|queue| set_alarm(queue.borrow_mut().next_expiration(CLOCK.now())));
}

fn mtime() -> u64 {
    loop {
        // SAFETY: a counter, read in halves: right if no carry came between.
        let (high, low, again) = unsafe { (read(MTIME + 4), read(MTIME), read(MTIME + 4)) };
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

/// The interrupt is pending while `mtime` is not below `mtimecmp`: one that is in the past comes at once.
fn set_alarm(at: u64) {
    let at = at.saturating_mul(MTIME_PER_TICK);
    // SAFETY: the comparator's halves; in this order it is never below `at` (the RISC-V privileged architecture 3.2.1).
    unsafe {
        write(MTIMECMP, u32::MAX);
        write(MTIMECMP + 4, (at >> 32) as u32);
        write(MTIMECMP, at as u32);
    }
}

const MTIMECMP: usize = 0x0200_4000;
const MTIME: usize = 0x0200_BFF8;
const MTIME_PER_TICK: u64 = 10_000_000 / embassy_time_driver::TICK_HZ;
