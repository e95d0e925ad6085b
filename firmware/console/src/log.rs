//! What happened lately, as lines.

use core::fmt::{self, Write};

use heapless::String;
use smoltcp::time::Instant;

use crate::lines::LINE_TEXT;
use crate::time::{Clock, Stamp};
use crate::width::Printable;

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something is to be looked at.
    Warning,
    /// Something happened.
    Info,
    /// A step of it.
    Debug,
}

impl Level {
    /// All, the one that matters most first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warning, Self::Info, Self::Debug];

    /// The letter before a line.
    const fn letter(self) -> char {
        match self {
            Self::Error => 'E',
            Self::Warning => 'W',
            Self::Info => 'I',
            Self::Debug => ' ',
        }
    }
}

/// The lines, oldest first, each ended by a new line. A full log forgets the oldest.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: String<LOG>,
    /// How many were forgotten. Wraps around.
    forgotten: u32,
}

impl Log {
    /// Adds a line, and answers it.
    pub(crate) fn add(&mut self, at: Instant, clock: Clock, level: Level, text: fmt::Arguments<'_>) -> &str {
        let mut line: String<LINE_TEXT> = String::new();
        // What is too long is cut.
        let _ = write!(Printable(&mut line), "{} {} {text}", Stamp(clock, at), level.letter());
        while self.lines.len() + line.len() + 1 > LOG {
            let first = self.lines.find('\n').map_or(self.lines.len(), |end| end + 1);
            self.lines.drain(..first);
            self.forgotten = self.forgotten.wrapping_add(1);
        }
        let start = self.lines.len();
        // There is room now.
        let _ = self.lines.push_str(&line);
        let _ = self.lines.push('\n');
        self.lines.get(start..self.lines.len() - 1).unwrap_or_default()
    }

    /// The line of this number since the start, or the oldest after it; and the next number.
    pub(crate) fn line(&self, number: u32) -> Option<(&str, u32)> {
        let place = number.saturating_sub(self.forgotten);
        let line = self.lines.split_terminator('\n').nth(place as usize)?;
        Some((line, self.forgotten.wrapping_add(place).wrapping_add(1)))
    }
}

/// Octets of all lines together.
const LOG: usize = 3072;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_and_numbers_stay() {
        let mut log = Log::default();
        for n in 0..500 {
            log.add(Instant::from_secs(n), Clock::default(), Level::Info, format_args!("line {n} \x1b"));
        }
        let (first, next) = log.line(0).unwrap();
        assert!(first.ends_with('\u{FFFD}'), "{first}");
        let (second, _) = log.line(next).unwrap();
        assert_ne!(first, second);
        assert_eq!(log.line(499).map(|(line, next)| (line.contains("line 499"), next)), Some((true, 500)));
        assert_eq!(log.line(500), None);
    }
}
