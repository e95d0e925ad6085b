//! Lines typed before.

use heapless::String;

use crate::editor::Line;

/// The lines, oldest first, each ended by a new line. A full history forgets the oldest.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: String<HISTORY>,
    /// Which is shown: 0 is the one being typed, 1 the newest.
    shown: usize,
    /// What was being typed.
    draft: Line,
}

impl History {
    /// Remembers a line, unless it says nothing new.
    pub(crate) fn add(&mut self, line: &str) {
        self.shown = 0;
        if line.trim().is_empty() || self.line(1) == Some(line) || line.len() >= HISTORY {
            return;
        }
        while self.lines.len() + line.len() + 1 > HISTORY {
            let first = self.lines.find('\n').map_or(self.lines.len(), |end| end + 1);
            self.lines.drain(..first);
        }
        // There is room now.
        let _ = self.lines.push_str(line);
        let _ = self.lines.push('\n');
    }

    /// The line before the one shown; `current` is what the editor has.
    pub(crate) fn older(&mut self, current: &str) -> Option<&str> {
        self.line(self.shown + 1)?;
        if self.shown == 0 {
            self.draft = current.try_into().unwrap_or_default();
        }
        self.shown += 1;
        self.line(self.shown)
    }

    /// The line after the one shown.
    pub(crate) fn newer(&mut self) -> Option<&str> {
        self.shown = self.shown.checked_sub(1)?;
        if self.shown == 0 { Some(&self.draft) } else { self.line(self.shown) }
    }

    /// The line shown is not one of these any more.
    pub(crate) const fn leave(&mut self) {
        self.shown = 0;
    }

    fn line(&self, age: usize) -> Option<&str> {
        self.lines.rsplit_terminator('\n').nth(age.checked_sub(1)?)
    }
}

/// Octets of all lines together.
const HISTORY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down_and_back_to_what_was_typed() {
        let mut history = History::default();
        for line in ["one", "two", "two", "  ", "three"] {
            history.add(line);
        }
        assert_eq!(history.older("thr"), Some("three"));
        assert_eq!(history.older("three"), Some("two"));
        assert_eq!(history.older("two"), Some("one"));
        assert_eq!(history.older("one"), None);
        assert_eq!(history.newer(), Some("two"));
        assert_eq!(history.newer(), Some("three"));
        assert_eq!(history.newer(), Some("thr"));
        assert_eq!(history.newer(), None);
    }

    #[test]
    fn a_full_history_forgets_the_oldest() {
        let mut history = History::default();
        for n in 0..2000 {
            history.add(&std::format!("line {n}"));
        }
        assert_eq!(history.older(""), Some("line 1999"));
        let mut kept = 1;
        while history.older("").is_some() {
            kept += 1;
        }
        assert_eq!(kept, HISTORY / "line 1999\n".len());
    }
}
