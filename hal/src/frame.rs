//! One frame: owned, moved, never copied; with room in front and behind.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::pool::Shelf;
use crate::{HEADROOM, MAX_FRAME_LEN, PortId, TAILROOM};

const BUFFER_LEN: usize = (HEADROOM + MAX_FRAME_LEN + TAILROOM).next_multiple_of(4);

/// The memory of one frame, and what is known of it. Its bytes begin on a multiple of four, so that positions inside tell
/// alignment.
#[repr(C, align(4))]
pub(crate) struct Buffer {
    meta: Meta,
    bytes: [u8; BUFFER_LEN],
}

/// What is known of a frame. It lies with the bytes, not in the [`Frame`], so that a frame is one pointer: it is moved a dozen
/// times on its way, in and out of queues and enums.
struct Meta {
    /// Where the buffer goes back to; `None` while it is there.
    shelf: Option<NonNull<dyn Shelf>>,
    /// `start <= end <= BUFFER_LEN`, always.
    start: u16,
    end: u16,
    index: u16,
    port: PortId,
}

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self {
            meta: Meta { shelf: None, start: 0, end: 0, index: 0, port: PortId(0) },
            bytes: [0; BUFFER_LEN],
        }
    }
}

/// An Ethernet frame, or the IP packet that is left of one: a window of bytes in a buffer of the pool, with
/// free room on both sides, so that headers come and go without a copy.
///
/// ```text
///  0            start                      end           1632
///  │  headroom    │          bytes()         │  tailroom   │
///  └── ◄ push_front ── pull_front ►  ◄ truncate ── push_back ► ──┘
/// ```
///
/// Dropping it returns the buffer. It is not `Send`: frames stay on the executor that took them. It is as large as a pointer.
pub struct Frame<'p> {
    /// Owned from `take` to drop. A raw pointer, because a `&mut` would still claim the buffer in a caller's
    /// frame at the moment `drop` gives it back.
    buffer: NonNull<Buffer>,
    /// The shelf that `Meta` points to is borrowed for so long.
    pool: PhantomData<&'p dyn Shelf>,
}

impl<'p> Frame<'p> {
    /// # Safety
    /// `shelf.take(port)` just gave `index` and `buffer`.
    pub(crate) unsafe fn from_shelf(
        shelf: &'p dyn Shelf,
        buffer: NonNull<Buffer>,
        index: u16,
        port: PortId,
    ) -> Self {
        let start = HEADROOM as u16;
        // Its lifetime is kept by `pool` below.
        let shelf = NonNull::from(shelf);
        // SAFETY: the types differ in a lifetime only, and `drop`, which alone uses it, runs within it.
        let shelf =
            unsafe { core::mem::transmute::<NonNull<dyn Shelf + 'p>, NonNull<dyn Shelf + 'static>>(shelf) };
        let meta = Meta { shelf: Some(shelf), start, end: start, index, port };
        // SAFETY: the buffer is ours by the caller's promise, and inside the pool's array.
        unsafe { (&raw mut (*buffer.as_ptr()).meta).write(meta) };
        Self { buffer, pool: PhantomData }
    }

    #[inline]
    fn meta(&self) -> &Meta {
        // SAFETY: the buffer is ours until drop, and nobody writes to its `meta` but by `&mut self`.
        unsafe { &(*self.buffer.as_ptr()).meta }
    }

    #[inline]
    fn meta_mut(&mut self) -> &mut Meta {
        // SAFETY: as in `meta`, and `&mut self` makes this the only reference.
        unsafe { &mut (*self.buffer.as_ptr()).meta }
    }

    /// The first byte of the buffer.
    #[inline]
    fn first(&self) -> NonNull<u8> {
        // SAFETY: the field is inside the buffer.
        unsafe { NonNull::new_unchecked((&raw mut (*self.buffer.as_ptr()).bytes).cast::<u8>()) }
    }

    /// Whose quota the frame came from.
    pub fn port(&self) -> PortId {
        self.meta().port
    }

    /// The content.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the buffer is ours until drop and always initialised (it begins as zeros), and
        // `start <= end <= BUFFER_LEN`, so the window lies inside it.
        unsafe {
            let first = self.first().add(usize::from(self.meta().start));
            core::slice::from_raw_parts(first.as_ptr(), self.len())
        }
    }

    /// The content, to be rewritten in place.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let (start, len) = (self.meta().start, self.len());
        self.window_mut(start, len)
    }

    /// The `N` words from byte `at` of the content on, in the byte order of the machine: `None` unless they begin on a
    /// multiple of four and lie within the content. A header that is read and rewritten in whole words costs a third of one
    /// that is put together from bytes, on a chip that cannot load a word from anywhere else.
    #[inline]
    pub fn words<const N: usize>(&self, at: usize) -> Option<&[u32; N]> {
        let words = self.words_at(at, N)?;
        // SAFETY: `words_at` has checked that they lie inside the content and are aligned; any bytes are a `u32`.
        Some(unsafe { &*words.cast::<[u32; N]>() })
    }

    /// [`words`](Self::words), to be rewritten in place.
    #[inline]
    pub fn words_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u32; N]> {
        let words = self.words_at(at, N)?;
        // SAFETY: as in `words`, and `&mut self` makes this the only reference into the buffer.
        Some(unsafe { &mut *words.cast::<[u32; N]>() })
    }

    /// All whole words from byte `at` of the content on, to be rewritten in place; `None` unless they begin on a multiple of four.
    #[inline]
    pub fn words_from_mut(&mut self, at: usize) -> Option<&mut [u32]> {
        let words = self.words_at(at, 0)?;
        let count = (self.len() - at) / 4;
        // SAFETY: as in `words_mut`: `words_at` has checked that `at` is inside the content, and so many words are behind it.
        Some(unsafe { core::slice::from_raw_parts_mut(words, count) })
    }

    /// Where `count` words from byte `at` on are, if they are all inside the content and aligned.
    #[inline]
    fn words_at(&self, at: usize, count: usize) -> Option<*mut u32> {
        let meta = self.meta();
        let position = usize::from(meta.start) + at;
        if !position.is_multiple_of(4) || position + 4 * count > usize::from(meta.end) {
            return None;
        }
        #[expect(clippy::cast_ptr_alignment, reason = "checked above")]
        // SAFETY: `position` is below `end`, which is at most BUFFER_LEN (or it is `end` and nothing is read). The buffer is
        // aligned to four, so a position that is a multiple of four is aligned too.
        let words = unsafe { self.first().add(position) }.as_ptr().cast::<u32>();
        Some(words)
    }

    /// The length of the content in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.meta().end - self.meta().start)
    }

    /// Whether there is no content.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.meta().start == self.meta().end
    }

    /// Free bytes in front.
    #[inline]
    pub fn headroom(&self) -> usize {
        usize::from(self.meta().start)
    }

    /// Free bytes behind.
    #[inline]
    pub fn tailroom(&self) -> usize {
        BUFFER_LEN - usize::from(self.meta().end)
    }

    /// Empties the frame, with `headroom` bytes free in front: [`HEADROOM`] for an Ethernet frame,
    /// [`IP_HEADROOM`](Self::IP_HEADROOM) for an IP packet. More than the buffer has counts as all of it.
    pub fn clear(&mut self, headroom: usize) {
        let meta = self.meta_mut();
        meta.start = headroom.min(BUFFER_LEN) as u16;
        meta.end = meta.start;
    }

    /// Where an IP packet begins in a buffer: behind the room for an Ethernet header, on a multiple of four.
    pub const IP_HEADROOM: usize = HEADROOM + 14;

    /// Grows the frame by `n` bytes in front and lends them, to be written by the caller: they hold whatever
    /// was there. `None`, and no change, without the room.
    #[inline]
    #[must_use]
    pub fn push_front(&mut self, n: usize) -> Option<&mut [u8]> {
        let start = usize::from(self.meta().start).checked_sub(n)?;
        self.meta_mut().start = start as u16;
        Some(self.window_mut(start as u16, n))
    }

    /// Takes `n` bytes off the front, as after parsing a header. False, and no change, if there are fewer.
    #[inline]
    #[must_use]
    pub fn pull_front(&mut self, n: usize) -> bool {
        let fits = n <= self.len();
        if fits {
            self.meta_mut().start += n as u16;
        }
        fits
    }

    /// Grows the frame by `n` bytes behind and lends them, to be written by the caller: they hold whatever was
    /// there. `None`, and no change, without the room.
    #[inline]
    #[must_use]
    pub fn push_back(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.tailroom() {
            return None;
        }
        let end = self.meta().end;
        self.meta_mut().end += n as u16;
        Some(self.window_mut(end, n))
    }

    /// Appends a copy of `bytes`. False, and no change, without the room.
    #[must_use]
    pub fn extend(&mut self, bytes: &[u8]) -> bool {
        self.push_back(bytes.len()).map(|room| room.copy_from_slice(bytes)).is_some()
    }

    /// Replaces the first `pull` bytes by `push` bytes, which the caller writes, and keeps `len` of those that follow: from one
    /// header to another, without the padding, in one step. `None`, and no change, without so many bytes or the room.
    #[inline]
    #[must_use]
    pub fn reframe(&mut self, pull: usize, len: usize, push: usize) -> Option<()> {
        let meta = self.meta_mut();
        let kept = usize::from(meta.start) + pull;
        let end = kept + len;
        if end > usize::from(meta.end) || push > kept {
            return None;
        }
        (meta.start, meta.end) = ((kept - push) as u16, end as u16);
        Some(())
    }

    /// [`reframe`](Self::reframe), and lends the `N` words that end where the new header ends, to be written: those of it that
    /// are in front of the `push` bytes are headroom. `None`, and no change, also if the header does not end on a multiple of
    /// four.
    #[inline]
    #[must_use]
    pub fn reframe_words<const N: usize>(
        &mut self,
        pull: usize,
        len: usize,
        push: usize,
    ) -> Option<&mut [u32; N]> {
        let meta = self.meta_mut();
        let kept = usize::from(meta.start) + pull;
        let end = kept + len;
        if end > usize::from(meta.end) || kept < 4 * N || push > 4 * N || !kept.is_multiple_of(4) {
            return None;
        }
        (meta.start, meta.end) = ((kept - push) as u16, end as u16);
        // SAFETY: from `kept - 4 * N`, a multiple of four in a buffer that is aligned to four, to `kept`, which is at most
        // `end`, all is ours and initialised; any bytes are a `u32`. `&mut self` makes this the only reference.
        Some(unsafe { &mut *self.first().add(kept - 4 * N).as_ptr().cast::<[u32; N]>() })
    }

    /// The first `N` words of a frame whose header ends on a multiple of four, and which begins, like every Ethernet header,
    /// two bytes past one: two bytes of headroom are in front. `None` if it begins elsewhere or is shorter.
    #[inline]
    pub fn header_words<const N: usize>(&self) -> Option<&[u32; N]> {
        let meta = self.meta();
        let position = usize::from(meta.start).checked_sub(2)?;
        if !position.is_multiple_of(4) || position + 4 * N > usize::from(meta.end) {
            return None;
        }
        // SAFETY: as in `words`; what is in front of the content is initialised, too.
        Some(unsafe { &*self.first().add(position).as_ptr().cast::<[u32; N]>() })
    }

    /// Shortens the content to its first `len` bytes; a shorter one stays as it is.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            let meta = self.meta_mut();
            meta.end = meta.start + len as u16;
        }
    }

    /// `start + len <= BUFFER_LEN` is the callers' to hold: all of them derive it from `end`.
    #[inline]
    fn window_mut(&mut self, start: u16, len: usize) -> &mut [u8] {
        debug_assert!(usize::from(start) + len <= BUFFER_LEN);
        // SAFETY: as in `bytes`, and `&mut self` makes this the only reference into the buffer.
        unsafe {
            let first = self.first().add(usize::from(start));
            core::slice::from_raw_parts_mut(first.as_ptr(), len)
        }
    }
}

impl Drop for Frame<'_> {
    #[inline]
    fn drop(&mut self) {
        let &Meta { shelf: Some(home), index, port, .. } = self.meta() else { return };
        // SAFETY: index and port are those `take` was called with, and a frame is dropped once; no reference
        // into the buffer outlives it, because all borrow the frame. The shelf is borrowed for `'p`, which has not ended.
        unsafe { home.as_ref().give_back(index, port) }
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("port", &self.port()).field("len", &self.len()).finish_non_exhaustive()
    }
}
