//! Copies of the frames at a port, for a capture.

use core::cell::Cell;
use core::sync::atomic::{AtomicU8, Ordering};

use embassy_sync::blocking_mutex::{Mutex, raw::RawMutex};
use embassy_sync::channel::Channel;
use gatelet_console::{Filter, pcap::SNAP};
use gatelet_hal::PortId;
use heapless::Vec;
use smoltcp::time::Instant;

use super::{Word, Words};

/// The beginning of a frame.
pub(super) struct Snap {
    pub(super) at: Instant,
    /// How long the frame was.
    pub(super) len: u16,
    pub(super) bytes: Vec<u8, SNAP>,
}

/// Where the router's task leaves copies. While nobody captures, a frame costs one load and a comparison.
pub(crate) struct Tap<M: RawMutex> {
    /// The port that is captured, [`NOBODY`] if none is.
    port: AtomicU8,
    filter: Mutex<M, Cell<Filter>>,
    /// What is not fetched in time is left out.
    snaps: Channel<M, Snap, 4>,
}

const NOBODY: u8 = u8::MAX;

impl<M: RawMutex> Tap<M> {
    pub(crate) const fn new() -> Self {
        Self {
            port: AtomicU8::new(NOBODY),
            filter: Mutex::new(Cell::new(Filter::All)),
            snaps: Channel::new(),
        }
    }

    /// A frame passes at a port.
    #[inline]
    pub(crate) fn see(&self, now: Instant, port: PortId, bytes: &[u8]) {
        // Both sides are tasks of one executor: no order is needed.
        if self.port.load(Ordering::Relaxed) == port.0 {
            self.copy(now, bytes);
        }
    }

    #[cold]
    fn copy(&self, now: Instant, bytes: &[u8]) {
        if self.filter.lock(Cell::get).matches(bytes) {
            let kept = bytes.get(..SNAP).unwrap_or(bytes);
            let bytes_kept = Vec::from_slice(kept).unwrap_or_default();
            let _ = self.snaps.try_send(Snap { at: now, len: bytes.len() as u16, bytes: bytes_kept });
        }
    }

    /// Captures until `count` frames are there. Of several who do, the last one gets them.
    pub(super) async fn run(&self, port: PortId, filter: Filter, count: u16, words: &Words) {
        while self.snaps.try_receive().is_ok() {}
        self.filter.lock(|cell| cell.set(filter));
        self.port.store(port.0, Ordering::Relaxed);
        let _end = End(&self.port);
        for _ in 0..count {
            words.send(Word::Frame(self.snaps.receive().await)).await;
        }
        words.send(Word::Done).await;
    }
}

/// Ends the capture, however it ends.
struct End<'a>(&'a AtomicU8);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(NOBODY, Ordering::Relaxed);
    }
}
