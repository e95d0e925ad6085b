//! What goes to the terminal: a bounded queue, with line ends as terminals want them.

use core::fmt;

use heapless::Deque;

/// Octets that wait for the line.
pub(crate) const OUTPUT: usize = 1600;

/// The most that one step of the console writes: a line with its prompt and its escape sequences. While less is free, the
/// console stands still.
pub(crate) const STEP: usize = 800;

/// The queue. What finds no room is lost and counted; [`has_room`](Self::has_room) is asked first, so nothing is.
#[derive(Debug, Default)]
pub(crate) struct Output {
    queue: Deque<u8, OUTPUT>,
    lost: u32,
}

impl Output {
    /// Whether a step's output fits.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.capacity() - self.queue.len() >= STEP
    }

    /// What is to be sent next.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.queue.as_slices().0
    }

    /// The first `len` octets are sent.
    pub(crate) fn sent(&mut self, len: usize) {
        for _ in 0..len {
            self.queue.pop_front();
        }
    }

    /// Octets that found no room. Wraps around.
    pub(crate) const fn lost(&self) -> u32 {
        self.lost
    }

    /// Writes what always fits: see [`STEP`].
    pub(crate) fn put(&mut self, text: fmt::Arguments<'_>) {
        // Writing here never fails; a value whose own `Display` does is cut short.
        let _ = fmt::Write::write_fmt(self, text);
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for octet in text.bytes() {
            let is_new_line = octet == b'\n';
            let needed = 1 + usize::from(is_new_line);
            if self.queue.capacity() - self.queue.len() < needed {
                self.lost = self.lost.wrapping_add(1);
                continue;
            }
            if is_new_line {
                let _ = self.queue.push_back(b'\r');
            }
            let _ = self.queue.push_back(octet);
        }
        Ok(())
    }
}
