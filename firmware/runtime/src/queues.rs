//! The bounded queues between the router and everybody else. Nobody waits for room: a full queue drops the
//! newest frame and counts it.

use core::cell::Cell;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::signal::Signal;
use embassy_sync::watch::Watch;
use gatelet_hal::{Frame, LinkState};

/// Frames a queue holds. A slot costs as much as a `Frame` (a pointer); what bounds memory is
/// the pool, whose quota a port cannot exceed however long the queues are.
pub const QUEUE_DEPTH: usize = 32;

/// How many may follow the same session: the stack's device, its configuration, the connectivity of two families, DNS, the time
/// of day, and who tells a tunnel's broker.
pub(crate) const SESSION_FOLLOWERS: usize = 7;

/// Between one port's pump and the router.
pub(crate) struct PortQueues<'p, M: RawMutex> {
    pub(crate) ingress: FrameQueue<'p, M>,
    pub(crate) egress: FrameQueue<'p, M>,
    /// The newest link state the router has not seen.
    pub(crate) link: Signal<M, LinkState>,
    pub(crate) unusable: Counter<M>,
    pub(crate) refused: Counter<M>,
    /// Odd while the driver has a frame in its hands.
    pub(crate) round: Counter<M>,
}

/// Between the router and one of its IP stacks, whose link is up while there is an `L`.
pub(crate) struct StackQueues<'p, M: RawMutex, L: Clone> {
    pub(crate) to_stack: FrameQueue<'p, M>,
    pub(crate) from_stack: FrameQueue<'p, M>,
    pub(crate) session: Watch<M, Option<L>, SESSION_FOLLOWERS>,
}

/// A bounded queue of frames that counts what it refused.
pub(crate) struct FrameQueue<'p, M: RawMutex> {
    pub(crate) channel: Channel<M, Frame<'p>, QUEUE_DEPTH>,
    pub(crate) full: Counter<M>,
}

impl<'p, M: RawMutex> FrameQueue<'p, M> {
    /// Appends `frame`, or drops and counts it.
    pub(crate) fn push(&self, frame: Frame<'p>) {
        if self.channel.try_send(frame).is_err() {
            self.full.increment();
        }
    }

    /// Drops everything in it.
    pub(crate) fn drain(&self) {
        // Not `Channel::clear`: a frame's drop takes the pool's lock, which must not happen under the queue's.
        while self.channel.try_receive().is_ok() {}
    }

    pub(crate) const fn new() -> Self {
        Self { channel: Channel::new(), full: Counter::new() }
    }
}

impl<M: RawMutex> PortQueues<'_, M> {
    pub(crate) const fn new() -> Self {
        Self {
            ingress: FrameQueue::new(),
            egress: FrameQueue::new(),
            link: Signal::new(),
            unusable: Counter::new(),
            refused: Counter::new(),
            round: Counter::new(),
        }
    }
}

impl<M: RawMutex, L: Clone> StackQueues<'_, M, L> {
    pub(crate) const fn new() -> Self {
        Self { to_stack: FrameQueue::new(), from_stack: FrameQueue::new(), session: Watch::new() }
    }
}

/// A counter several tasks share. (Not an atomic: thumbv6m has no read-modify-write instruction.)
pub(crate) struct Counter<M: RawMutex>(Mutex<M, Cell<u32>>);

impl<M: RawMutex> Counter<M> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Cell::new(0)))
    }

    pub(crate) fn increment(&self) {
        self.0.lock(|count| count.set(count.get().wrapping_add(1)));
    }

    pub(crate) fn value(&self) -> u32 {
        self.0.lock(Cell::get)
    }
}
