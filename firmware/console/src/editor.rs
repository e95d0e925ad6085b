//! The line being typed: what it is, where the cursor is, and how both look on a terminal of any width.
//!
//! A line longer than the terminal is wide shows the part around the cursor; `<` and `>` stand where it goes on. Everything is
//! drawn from the left margin, so that nothing depends on where the terminal thinks the cursor is. The last column stays
//! empty, because terminals disagree about what writing there does.

use heapless::String;

use crate::output::Output;
use crate::width;

/// The longest line, in octets.
pub const LINE_MAX: usize = 320;

/// A line.
pub(crate) type Line = String<LINE_MAX>;

/// The editor.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    line: Line,
    /// The octet the cursor is before.
    cursor: usize,
    /// The first octet shown.
    left: usize,
    /// Characters were refused, because the line is full: what it says is not what was meant.
    is_overfull: bool,
}

impl Editor {
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// What is before the cursor.
    pub(crate) fn before(&self) -> &str {
        self.line.get(..self.cursor).unwrap_or_default()
    }

    /// What is behind the cursor.
    fn after(&self) -> &str {
        self.line.get(self.cursor..).unwrap_or_default()
    }

    pub(crate) const fn is_overfull(&self) -> bool {
        self.is_overfull
    }

    /// The line, for who takes it; the next one begins.
    pub(crate) fn take(&mut self) -> Line {
        core::mem::take(self).line
    }

    /// Another line, with the cursor at its end.
    pub(crate) fn replace(&mut self, line: &str) {
        *self = Self { line: line.try_into().unwrap_or_default(), ..Self::default() };
        self.cursor = self.line.len();
    }

    /// A character at the cursor. False if the line is full.
    pub(crate) fn insert(&mut self, character: char) -> bool {
        let mut octets = [0; 4];
        self.insert_str(character.encode_utf8(&mut octets))
    }

    /// Text at the cursor, all or nothing. False if the line is full.
    pub(crate) fn insert_str(&mut self, text: &str) -> bool {
        // The cursor is between characters, always.
        if self.line.len() + text.len() > LINE_MAX || self.line.insert_str(self.cursor, text).is_err() {
            self.is_overfull = true;
            return false;
        }
        self.cursor += text.len();
        true
    }

    // The cursor.

    pub(crate) fn move_left(&mut self) {
        self.cursor = before_last(self.before());
    }

    pub(crate) fn move_right(&mut self) {
        self.cursor += first_len(self.after());
    }

    pub(crate) fn move_word_left(&mut self) {
        self.cursor = word_start(self.before());
    }

    pub(crate) fn move_word_right(&mut self) {
        let after = self.after();
        let word = after.len() - after.trim_start_matches(is_gap).len();
        let end = after.get(word..).and_then(|rest| rest.find(is_gap));
        self.cursor += end.map_or(after.len(), |end| word + end);
    }

    pub(crate) const fn move_home(&mut self) {
        self.cursor = 0;
    }

    pub(crate) fn move_end(&mut self) {
        self.cursor = self.line.len();
    }

    // What goes.

    pub(crate) fn delete_left(&mut self) {
        self.remove(before_last(self.before()), self.cursor);
    }

    pub(crate) fn delete_right(&mut self) {
        self.remove(self.cursor, self.cursor + first_len(self.after()));
    }

    pub(crate) fn delete_word_left(&mut self) {
        self.remove(word_start(self.before()), self.cursor);
    }

    pub(crate) fn delete_to_start(&mut self) {
        self.remove(0, self.cursor);
    }

    pub(crate) fn delete_to_end(&mut self) {
        self.remove(self.cursor, self.line.len());
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.line.drain(from..to);
        self.cursor = from;
        self.is_overfull = false;
    }

    // How it looks.

    /// A character was inserted; draws no more than that, if no more has changed.
    pub(crate) fn draw_inserted(&mut self, prompt: &str, columns: u16, character: char, out: &mut Output) {
        let room = room(prompt, columns);
        let shown = self.line.get(self.left..).unwrap_or_default();
        let is_at_end = self.cursor == self.line.len();
        if is_at_end && width::of(shown) <= room && width::of_char(character) > 0 {
            out.put(format_args!("{character}"));
        } else {
            self.draw(prompt, columns, out);
        }
    }

    /// Draws prompt, line and cursor over what is in the cursor's row.
    pub(crate) fn draw(&mut self, prompt: &str, columns: u16, out: &mut Output) {
        let room = room(prompt, columns);
        self.scroll(room);
        out.put(format_args!("\r{prompt}"));
        let shown = self.line.get(self.left..).unwrap_or_default();
        let mut taken = 0;
        let mut cursor_column = 0;
        let mut rest = width::of(shown);
        for (at, character) in shown.char_indices() {
            if self.left + at == self.cursor {
                cursor_column = taken;
            }
            let width = width::of_char(character);
            // Room for the mark, if the line goes on behind this character.
            if taken + width > room || taken + width == room && rest > width {
                out.put(format_args!("{:>1$}", ">", room - taken));
                break;
            }
            if at == 0 && self.left > 0 {
                out.put(format_args!("{:<1$}", "<", width));
            } else {
                out.put(format_args!("{character}"));
            }
            taken += width;
            rest -= width;
        }
        if self.cursor == self.line.len() {
            cursor_column = taken;
        }
        out.put(format_args!("\x1b[K\r"));
        let column = width::of(prompt) + cursor_column;
        if column > 0 {
            out.put(format_args!("\x1b[{column}C"));
        }
    }

    /// Moves the part that is shown, if the cursor is not within.
    fn scroll(&mut self, room: usize) {
        // A cursor under a mark would say nothing.
        let is_left_of_it = self.left > 0 && self.cursor <= self.left + first_len(self.shown_line());
        let to_cursor = self.line.get(self.left..self.cursor).map_or(0, width::of);
        let under = width::of_char(self.after().chars().next().unwrap_or(' ')).max(1);
        let goes_on = self.after().len() > first_len(self.after());
        let needed = to_cursor + under + usize::from(goes_on);
        if !is_left_of_it && needed <= room + usize::from(self.cursor == self.line.len()) {
            return;
        }
        // A third of the room before the cursor if it went to the left, two thirds if it went to the right.
        let wanted = if is_left_of_it { room / 3 } else { room * 2 / 3 };
        let mut taken = 0;
        let mut left = self.cursor;
        while left > 0 {
            let before = before_last(self.line.get(..left).unwrap_or_default());
            taken += self.line.get(before..left).map_or(0, width::of);
            if taken > wanted {
                break;
            }
            left = before;
        }
        // Nothing is gained by a mark in the place of the only character before.
        self.left = if taken <= wanted { 0 } else { left };
    }

    fn shown_line(&self) -> &str {
        self.line.get(self.left..).unwrap_or_default()
    }
}

/// Columns for the line behind `prompt`.
fn room(prompt: &str, columns: u16) -> usize {
    usize::from(columns).saturating_sub(width::of(prompt) + 1).max(4)
}

/// Where the last character of `text` begins, the marks on it included.
fn before_last(text: &str) -> usize {
    let base = text.char_indices().rev().find(|(_, character)| width::of_char(*character) > 0);
    base.map_or(0, |(at, _)| at)
}

/// How long the first character of `text` is, in octets, the marks on it included.
fn first_len(text: &str) -> usize {
    let next = text.char_indices().skip(1).find(|(_, character)| width::of_char(*character) > 0);
    next.map_or(text.len(), |(at, _)| at)
}

/// Where the last word of `text` begins.
fn word_start(text: &str) -> usize {
    let word = text.trim_end_matches(is_gap);
    word.rfind(is_gap).map_or(0, |gap| gap + 1)
}

/// Words end here: paths are edited part by part.
const fn is_gap(character: char) -> bool {
    matches!(character, ' ' | '.')
}
