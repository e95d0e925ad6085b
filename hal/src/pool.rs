//! The fixed pool all frames come from, and the quotas that keep one port from starving another.
//!
//! A port may always have its reserved number of frames in flight; beyond it, ports share what nobody has
//! reserved. So a flood on one port can use up the shared frames and its own, and never those another port
//! needs to answer. Taking and giving back are a handful of instructions under one lock.

use core::cell::{RefCell, UnsafeCell};
use core::fmt;
use core::ptr::NonNull;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;

use crate::frame::{Buffer, Frame};
use crate::{MAX_PORTS, PortId};

/// `N` frame buffers (1632 bytes each, and 16 about them) and their accounting.
///
/// `M` guards the accounting: `NoopRawMutex` where one executor runs everything (the usual case, since a
/// [`Frame`] stays on the thread that took it), `CriticalSectionRawMutex` for a plain `static`. A new pool is all zero
/// bytes, so that a static one lies in `.bss` and costs no flash.
pub struct FramePool<M: RawMutex, const N: usize> {
    buffers: UnsafeCell<[Buffer; N]>,
    accounts: Mutex<M, RefCell<Accounts<N>>>,
}

// SAFETY: the buffers are reached only through `Frame`s, each of which owns the index it was given until its
// drop returns it, and indices are handed out under the mutex. `M: Sync` makes the mutex one that threads
// may share. (`Frame` itself is neither Send nor Sync, so a buffer never changes threads while it is owned.)
unsafe impl<M: RawMutex + Sync, const N: usize> Sync for FramePool<M, N> {}

// SAFETY: what forbids it is the pointer to the shelf in each buffer. It is read while a `Frame` has the buffer only, and frames
// borrow the pool, so that none is out while the pool moves.
unsafe impl<M: RawMutex + Send, const N: usize> Send for FramePool<M, N> {}

impl<M: RawMutex, const N: usize> FramePool<M, N> {
    /// A pool in which nothing is reserved yet: every port may take every frame.
    #[expect(clippy::new_without_default, reason = "2 KB to 200 KB: const, for statics, is the only use")]
    pub const fn new() -> Self {
        const { assert!(N > 0 && N <= u16::MAX as usize) }
        Self {
            buffers: UnsafeCell::new([const { Buffer::new() }; N]),
            accounts: Mutex::new(RefCell::new(Accounts::new())),
        }
    }

    /// The handle everybody but the pool's owner uses.
    pub fn pool(&self) -> Pool<'_> {
        Pool { shelf: self }
    }

    fn with<R>(&self, f: impl FnOnce(&mut Accounts<N>) -> R) -> R {
        self.accounts.lock(|accounts| f(&mut accounts.borrow_mut()))
    }
}

/// A handle on a [`FramePool`], whatever its size and mutex.
#[derive(Clone, Copy)]
pub struct Pool<'p> {
    shelf: &'p dyn Shelf,
}

impl<'p> Pool<'p> {
    /// An empty frame on `port`'s account, or `None` (counted) if the port has its reserved frames out and
    /// nothing is left of the shared ones. The caller drops what it wanted the frame for; nobody waits.
    pub fn take(self, port: PortId) -> Option<Frame<'p>> {
        let (index, buffer) = self.shelf.take(port)?;
        // SAFETY: `take` gave us `index` and its buffer, which live as long as the shelf is borrowed (`'p`)
        // and belong to nobody else until the frame's drop gives them back.
        Some(unsafe { Frame::from_shelf(self.shelf, buffer, index, port) })
    }

    /// Sets aside `frames` of the pool for `port`, in place of what was set aside for it before. To be done at
    /// start-up, before the port's first frame.
    ///
    /// # Errors
    /// [`QuotaRefused`] if the ports together would have more than the pool, if the port is not below
    /// [`MAX_PORTS`], or if it has frames out already. Nothing has changed then.
    pub fn reserve(self, port: PortId, frames: u16) -> Result<(), QuotaRefused> {
        self.shelf.reserve(port, frames)
    }

    /// The account of one port. All zero for one that is not below [`MAX_PORTS`].
    pub fn counters(self, port: PortId) -> PoolCounters {
        self.shelf.counters(port)
    }
}

impl fmt::Debug for Pool<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// What [`Pool::reserve`] answers when the quota cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaRefused;

impl fmt::Display for QuotaRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ports together reserve more frames than the pool has, or the port is already in use")
    }
}

impl core::error::Error for QuotaRefused {}

/// One port's account in a pool, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolCounters {
    /// Set aside for this port.
    pub reserved: u16,
    /// Out at this moment.
    pub in_use: u16,
    /// The most that were out at one moment.
    pub peak: u16,
    /// How often the port asked and got none: what it held then was dropped.
    pub out_of_frames: u32,
}

/// What a frame and a handle know of their pool: neither its size nor its mutex.
pub(crate) trait Shelf {
    fn take(&self, port: PortId) -> Option<(u16, NonNull<Buffer>)>;
    /// Takes back a buffer that `take` gave for `port`.
    ///
    /// # Safety
    /// `index` came from `take(port)`, is given back once, and its buffer is not touched again.
    unsafe fn give_back(&self, index: u16, port: PortId);
    fn reserve(&self, port: PortId, frames: u16) -> Result<(), QuotaRefused>;
    fn counters(&self, port: PortId) -> PoolCounters;
}

impl<M: RawMutex, const N: usize> Shelf for FramePool<M, N> {
    fn take(&self, port: PortId) -> Option<(u16, NonNull<Buffer>)> {
        let index = self.with(|accounts| accounts.take(port))?;
        let first = NonNull::new(self.buffers.get())?.cast::<Buffer>();
        // SAFETY: `Accounts::take` only hands out indices below N, so the pointer stays inside the array.
        Some((index, unsafe { first.add(usize::from(index)) }))
    }

    unsafe fn give_back(&self, index: u16, port: PortId) {
        self.with(|accounts| accounts.give_back(index, port));
    }

    fn reserve(&self, port: PortId, frames: u16) -> Result<(), QuotaRefused> {
        self.with(|accounts| accounts.reserve(port, frames))
    }

    fn counters(&self, port: PortId) -> PoolCounters {
        self.with(|accounts| accounts.ports.get(usize::from(port.0)).copied().unwrap_or_default())
    }
}

/// Who has how many frames, and which are free. Safe code: the unsafe half of the pool relies on nothing but
/// that an index below `N` is out at most once.
struct Accounts<const N: usize> {
    /// A stack of the free indices that were out before.
    free: [u16; N],
    free_len: u16,
    /// Indices from here on were never out. (With it, a new account is all zeros.)
    fresh: u16,
    ports: [PoolCounters; MAX_PORTS],
    /// The sum of all `reserved`.
    reserved: u16,
    /// Frames out beyond their port's reserve: at most `N - reserved`.
    shared_in_use: u16,
}

impl<const N: usize> Accounts<N> {
    const fn new() -> Self {
        const NONE: PoolCounters = PoolCounters { reserved: 0, in_use: 0, peak: 0, out_of_frames: 0 };
        Self { free: [0; N], free_len: 0, fresh: 0, ports: [NONE; MAX_PORTS], reserved: 0, shared_in_use: 0 }
    }

    fn take(&mut self, port: PortId) -> Option<u16> {
        let account = self.ports.get_mut(usize::from(port.0))?;
        if account.in_use >= account.reserved {
            if self.shared_in_use >= N as u16 - self.reserved {
                account.out_of_frames = account.out_of_frames.wrapping_add(1);
                return None;
            }
            self.shared_in_use += 1;
        }
        account.in_use += 1;
        account.peak = account.peak.max(account.in_use);
        // The quotas add up to N, so one is free: either on the stack or never used.
        if self.free_len > 0 {
            self.free_len -= 1;
            Some(self.free[usize::from(self.free_len)])
        } else {
            debug_assert!(usize::from(self.fresh) < N);
            self.fresh += 1;
            Some(self.fresh - 1)
        }
    }

    fn give_back(&mut self, index: u16, port: PortId) {
        let account = &mut self.ports[usize::from(port.0)];
        if account.in_use > account.reserved {
            self.shared_in_use -= 1;
        }
        account.in_use -= 1;
        self.free[usize::from(self.free_len)] = index;
        self.free_len += 1;
    }

    fn reserve(&mut self, port: PortId, frames: u16) -> Result<(), QuotaRefused> {
        let account = self.ports.get_mut(usize::from(port.0)).ok_or(QuotaRefused)?;
        let others = usize::from(self.reserved - account.reserved);
        let total = others + usize::from(frames);
        if account.in_use != 0 || total + usize::from(self.shared_in_use) > N {
            return Err(QuotaRefused);
        }
        account.reserved = frames;
        self.reserved = total as u16;
        Ok(())
    }
}
