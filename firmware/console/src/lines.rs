//! A text made line by line, so that who prints it needs room for one line only.

use core::fmt::{self, Write};

use heapless::String;

use crate::time::Context;
use crate::width::{Printable, of, wrap};

/// The longest line of a text, in octets of UTF-8. What is longer is cut.
pub const LINE_TEXT: usize = 320;

/// Writes the one line of a text that is asked for. Who makes the text goes through all of it each time, which costs little for
/// a text of a screen; longer ones are tables, whose rows are found by their place.
pub struct Lines<'w> {
    out: &'w mut String<LINE_TEXT>,
    wanted: u32,
    next: u32,
    columns: usize,
}

impl<'w> Lines<'w> {
    /// For the line of this number, from 0 on.
    pub fn new(out: &'w mut String<LINE_TEXT>, wanted: u32, context: &Context) -> Self {
        out.clear();
        Self { out, wanted, next: 0, columns: usize::from(context.columns) }
    }

    /// Whether the line was there: then another one may follow.
    pub const fn is_found(&self) -> bool {
        self.next > self.wanted
    }

    /// A line.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        if self.next == self.wanted {
            // What is too long is cut.
            let _ = Printable(self.out).write_fmt(text);
        }
        self.next += 1;
    }

    /// A line with a label before it, in a column of its own.
    pub fn field(&mut self, label: &str, text: fmt::Arguments<'_>) {
        self.column(LABEL, label, text);
    }

    /// A sentence with a label before it, in as many lines as it needs.
    pub fn sentence(&mut self, label: &str, text: &str) {
        self.paragraph(LABEL, label, text);
    }

    /// The same with a wider column.
    pub(crate) fn paragraph(&mut self, width: usize, label: &str, text: &str) {
        let columns = self.columns.saturating_sub(width + 1).max(10);
        let mut label = label;
        let mut rest = text;
        loop {
            let (end, next) = wrap(rest, columns);
            self.column(width, label, format_args!("{}", rest.get(..end).unwrap_or_default()));
            rest = rest.get(next..).unwrap_or_default();
            label = "";
            if rest.is_empty() {
                return;
            }
        }
    }

    fn column(&mut self, width: usize, label: &str, text: fmt::Arguments<'_>) {
        let gap = width.saturating_sub(of(label)).max(usize::from(width > 0));
        self.line(format_args!("{label}{:gap$}{text}", ""));
    }
}

/// Columns of the labels.
const LABEL: usize = 16;
