//! Turns the fuzzer's octets into what a target does next. Octets that run out are zeros, so every
//! input means something and a cut-off input means nearly the same.

/// The octets not yet used.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// All of `octets`.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// What to do next; `None` at the end.
    pub fn operation(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next octet, as a number.
    pub fn u8(&mut self) -> u8 {
        self.operation().unwrap_or(0)
    }

    /// The next two octets, as a number.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    /// Up to 255 octets, their count first.
    pub fn octets(&mut self) -> &'a [u8] {
        let length = usize::from(self.u8()).min(self.rest.len());
        let (octets, rest) = self.rest.split_at(length);
        self.rest = rest;
        octets
    }

    /// A duration with a wide range in few octets: up to 65 s in milliseconds, or up to 18 hours in
    /// seconds.
    pub fn duration(&mut self) -> smoltcp::time::Duration {
        let is_seconds = self.u8() & 1 == 1;
        let count = u64::from(self.u16());
        smoltcp::time::Duration::from_millis(if is_seconds { count * 1000 } else { count })
    }
}
