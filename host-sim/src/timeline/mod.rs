//! What happened, for people: time, actor, what, why.
//!
//! Every entry also has a `tag`, the stable name by which scenarios wait for it and count it
//! ([`tags`]).

pub mod tags;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use console::{Color, Style, measure_text_width};
use smoltcp::time::Instant;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The cable, the ONT, the fibre, the power: what the script does to the world.
    Line,
    /// The router under test.
    Router,
    /// Its console.
    Console,
    /// The carrier: a concentrator and what stands behind it.
    Carrier,
    /// Somebody who uses the line.
    User,
    /// A computer on the LAN.
    Lan,
    /// Somebody or something on the Internet.
    Internet,
}

impl Actor {
    fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Router => "router",
            Self::Console => "console",
            Self::Carrier => "carrier",
            Self::User => "user",
            Self::Lan => "lan",
            Self::Internet => "net",
        }
    }

    fn color(self) -> Color {
        match self {
            Self::Line => Color::Magenta,
            Self::Router | Self::Console => Color::Cyan,
            Self::Carrier => Color::Yellow,
            Self::User => Color::Blue,
            Self::Lan => Color::Green,
            Self::Internet => Color::White,
        }
    }
}

/// How it is for the person at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// A step on the way.
    #[default]
    Plain,
    /// What everybody waits for.
    Good,
    /// What nobody wants.
    Bad,
    /// What deserves to be read.
    Notice,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Virtual time since the world began.
    pub at: Instant,
    /// Who.
    pub actor: Actor,
    /// The stable name, e.g. `up`.
    pub tag: &'static str,
    /// What happened.
    pub what: String,
    /// Why; may be empty.
    pub why: String,
    /// How that is.
    pub tone: Tone,
    /// Until when it lasts, where it is a wait.
    pub until: Option<Instant>,
}

/// Called with each entry as it happens.
pub type Listener = Box<dyn FnMut(&Entry)>;

/// Entries in the order they happened.
#[derive(Default)]
pub struct Timeline {
    entries: Vec<Entry>,
    counts: BTreeMap<&'static str, u64>,
    listener: Option<Listener>,
    forgets: bool,
}

impl Timeline {
    /// An empty one that keeps all entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that only counts: for long runs.
    pub fn counting_only() -> Self {
        Self { forgets: true, ..Self::default() }
    }

    /// Has `listener` called with each entry from now on.
    pub fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: Entry) {
        *self.counts.entry(entry.tag).or_default() += 1;
        if let Some(listener) = &mut self.listener {
            listener(&entry);
        }
        if !self.forgets {
            self.entries.push(entry);
        }
    }

    /// All entries so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries had `tag`.
    pub fn count(&self, tag: &str) -> u64 {
        self.counts.get(tag).copied().unwrap_or(0)
    }

    /// How many entries each tag had.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}

/// Writes entries as lines of a terminal `width` columns wide.
#[derive(Debug, Clone, Copy)]
pub struct Painter {
    /// Columns; the why goes to a line of its own where it does not fit.
    pub width: usize,
}

/// Columns before the text: time, two blanks, actor, two blanks.
const MARGIN: usize = 13 + 2 + 7 + 2;

impl Painter {
    /// The lines of one entry, without the last line break.
    pub fn paint(self, entry: &Entry) -> String {
        let tone = match entry.tone {
            Tone::Plain => Style::new(),
            Tone::Good => Style::new().green().bold(),
            Tone::Bad => Style::new().red().bold(),
            Tone::Notice => Style::new().yellow().bold(),
        };
        let quiet = Style::new().dim();
        let actor = Style::new().fg(entry.actor.color());
        let mut text = format!(
            "{}  {}  ",
            quiet.apply_to(format!("{:>13}", clock(entry.at))),
            actor.apply_to(format!("{:7}", entry.actor.name())),
        );
        let room = self.width.saturating_sub(MARGIN).max(20);
        let mut column = 0;
        let mut put = |text: &mut String, words: &str, style: &Style| {
            for word in words.split_whitespace() {
                let width = measure_text_width(word);
                if column > 0 && column + 1 + width > room {
                    let _ = write!(text, "\n{:MARGIN$}", "");
                    column = 0;
                } else if column > 0 {
                    text.push(' ');
                    column += 1;
                }
                let _ = write!(text, "{}", style.apply_to(word));
                column += width;
            }
        };
        put(&mut text, &entry.what, &tone);
        if !entry.why.is_empty() {
            put(&mut text, "·", &quiet);
            put(&mut text, &entry.why, &quiet);
        }
        text
    }
}

/// Time since the world began: `00:01:02.345`, with days in front from the second day on.
pub fn clock(at: Instant) -> String {
    let millis = u64::try_from(at.total_millis()).unwrap_or(0);
    let (days, hours, minutes) = (millis / 86_400_000, millis / 3_600_000 % 24, millis / 60_000 % 60);
    let seconds = format!("{:02}.{:03}", millis / 1000 % 60, millis % 1000);
    match days {
        0 => format!("{hours:02}:{minutes:02}:{seconds}"),
        // The thousandth is nothing beside a day.
        _ => format!("{days}d {hours:02}:{minutes:02}:{:02}", millis / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: Instant, what: &str, why: &str) -> Entry {
        Entry {
            at,
            actor: Actor::Router,
            tag: "test",
            what: what.into(),
            why: why.into(),
            tone: Tone::Good,
            until: None,
        }
    }

    #[test]
    fn a_long_why_is_wrapped_under_the_text() {
        let entry = entry(Instant::from_millis(62_345), "holds", &"because of the throttle ".repeat(6));
        let painted = console::strip_ansi_codes(&Painter { width: 60 }.paint(&entry)).into_owned();
        let lines: Vec<&str> = painted.lines().collect();
        assert!(lines[0].starts_with(" 00:01:02.345  router   holds · because"), "{painted}");
        assert!(lines.len() > 2);
        assert!(lines.iter().all(|line| measure_text_width(line) <= 60), "{painted}");
        assert!(lines[1].starts_with(&" ".repeat(MARGIN)));
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(clock(Instant::from_millis(3_723_004)), "01:02:03.004");
        assert_eq!(clock(Instant::from_secs(2 * 86_400 + 61)), "2d 00:01:01");
    }

    #[test]
    fn entries_are_counted_by_tag() {
        let mut timeline = Timeline::counting_only();
        timeline.push(entry(Instant::ZERO, "a", ""));
        timeline.push(entry(Instant::ZERO, "b", ""));
        assert_eq!((timeline.count("test"), timeline.count("other")), (2, 0));
        assert!(timeline.entries().is_empty());
    }
}
