//! The two little hands of this crate: one takes integers off the front of a slice, the other fills
//! a lent buffer and remembers that it ran over. Neither can panic.

use crate::{BufferTooSmall, Malformed};

/// Takes fields off the front of `bytes`.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next `N` octets.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.bytes = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next `len` octets; `overrun` names what it means that there are fewer.
    pub(crate) fn take(&mut self, len: usize, overrun: Malformed) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.bytes.split_at_checked(len).ok_or(overrun)?;
        self.bytes = rest;
        Ok(head)
    }

    /// Everything not yet taken.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.bytes
    }
}

/// Fills `buffer` from the front. What does not fit is not written, and `finish` then says so, so
/// callers need not look after every field.
#[derive(Debug)]
pub(crate) struct Filler<'a> {
    buffer: &'a mut [u8],
    len: usize,
    overflow: bool,
}

impl<'a> Filler<'a> {
    pub(crate) const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0, overflow: false }
    }

    /// Goes on behind the first `len` octets of `buffer`, which hold something already.
    pub(crate) const fn resume(buffer: &'a mut [u8], len: usize) -> Self {
        Self { buffer, len, overflow: false }
    }

    /// Appends `bytes`.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// Appends `count` times the octet 0.
    pub(crate) fn zeros(&mut self, count: usize) {
        if let Some(room) = self.room(count) {
            room.fill(0);
        }
    }

    /// Overwrites what was put at `offset` before, for a length that is known only at the end.
    pub(crate) fn patch_u16(&mut self, offset: usize, value: usize) {
        let end = offset + 2;
        match (u16::try_from(value), self.buffer.get_mut(offset..end)) {
            (Ok(value), Some(field)) if end <= self.len => {
                field.copy_from_slice(&value.to_be_bytes());
            }
            _ => self.overflow = true,
        }
    }

    /// Marks that a value does not fit its field.
    pub(crate) const fn fail(&mut self) {
        self.overflow = true;
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many octets still fit: none once something was left out.
    pub(crate) const fn room_left(&self) -> usize {
        if self.overflow { 0 } else { self.buffer.len().saturating_sub(self.len) }
    }

    /// What has been written so far.
    pub(crate) fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    pub(crate) const fn finish(&self) -> Result<usize, BufferTooSmall> {
        if self.overflow { Err(BufferTooSmall) } else { Ok(self.len) }
    }

    fn room(&mut self, count: usize) -> Option<&mut [u8]> {
        // Once something was left out nothing may follow it: the packet would have a hole.
        let end = self.len.checked_add(count).filter(|end| !self.overflow && *end <= self.buffer.len());
        let Some(end) = end else {
            self.overflow = true;
            return None;
        };
        let start = core::mem::replace(&mut self.len, end);
        self.buffer.get_mut(start..end)
    }
}
