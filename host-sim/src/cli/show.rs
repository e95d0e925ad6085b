//! A timeline at a pace people can follow: lines come one by one, waits fly by with a countdown.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration as Wall;

use console::{Term, style};
use smoltcp::time::{Duration, Instant};

use crate::scenario::values::format_duration;
use crate::timeline::{Entry, Painter, clock};

/// After each line, while paced.
const BEAT: Wall = Wall::from_millis(110);
/// One picture of a countdown.
const PICTURE: Wall = Wall::from_millis(40);
/// Waits shorter than this pass unseen.
const WORTH_SHOWING: Duration = Duration::from_secs(2);
/// Explanations beyond this many bytes are sentences, not facts.
const LONG: usize = 60;
/// Columns of the bar.
const BAR: usize = 28;

/// What is being waited for.
#[derive(Clone, Copy)]
struct Wait {
    since: Instant,
    until: Instant,
    /// In a few words.
    why: &'static str,
}

/// Prints a timeline as it grows.
pub(super) struct Show {
    painter: Painter,
    term: Term,
    terminal: bool,
    paced: bool,
    last_line: Instant,
    /// Long explanations that were given already: once is enough.
    explained: BTreeSet<String>,
    waiting: Option<Wait>,
    drawn: bool,
}

impl Show {
    pub(super) fn new(painter: Painter, terminal: bool, paced: bool) -> Self {
        let term = Term::buffered_stdout();
        Self {
            painter,
            term,
            terminal,
            paced,
            last_line: Instant::ZERO,
            explained: BTreeSet::new(),
            waiting: None,
            drawn: false,
        }
    }

    /// Prints a line, unless the one before has said it.
    pub(super) fn entry(&mut self, entry: &Entry) {
        if entry.at == self.last_line
            && entry.until.is_some()
            && entry.until == self.waiting.map(|wait| wait.until)
        {
            return;
        }
        self.clear();
        let entry = &self.abbreviate(entry);
        if self.terminal {
            // A terminal that goes away is noticed by nobody; the run ends by itself.
            let _ = self.term.write_line(&self.painter.paint(entry));
            let _ = self.term.flush();
        } else {
            let _ = writeln!(std::io::stdout(), "{}", self.painter.paint(entry));
        }
        self.last_line = entry.at;
        if let Some(until) = entry.until {
            self.waiting = Some(Wait { since: entry.at, until, why: why(entry.tag) });
        }
        if self.paced {
            std::thread::sleep(BEAT);
        }
    }

    /// An explanation is given once, then the fact alone.
    fn abbreviate(&mut self, entry: &Entry) -> Entry {
        let known = entry.why.len() > LONG && !self.explained.insert(entry.why.clone());
        Entry { why: if known { String::new() } else { entry.why.clone() }, ..entry.clone() }
    }

    /// Lets the time from `from` to `to` fly by.
    pub(super) fn wait(&mut self, from: Instant, to: Instant) {
        if to - self.last_line < WORTH_SHOWING {
            return;
        }
        self.waiting = self.waiting.filter(|wait| wait.until > from);
        let total = wall_time(to - self.last_line).saturating_sub(wall_time(from - self.last_line));
        let pictures = (total.as_micros() / PICTURE.as_micros()).max(1);
        if total < PICTURE / 4 {
            return;
        }
        for picture in 1..=pictures {
            let passed = u128::from((to - from).total_micros()) * picture / pictures;
            self.draw(from + Duration::from_micros(passed as u64));
            std::thread::sleep(total / pictures as u32);
        }
    }

    fn draw(&mut self, now: Instant) {
        let (bar, what) = match self.waiting {
            Some(wait) => countdown(now, wait),
            None => (String::new(), "nothing happens".to_owned()),
        };
        let line = format!(
            "{}  {} {}{}",
            style(format!("{:>13}", clock(now))).dim(),
            style("»").cyan().bold(),
            style(bar).cyan(),
            style(what).dim(),
        );
        let _ = self.term.clear_line();
        let _ = self.term.write_str(&console::truncate_str(&line, self.painter.width, "…"));
        let _ = self.term.flush();
        self.drawn = true;
    }

    /// Takes the countdown off the screen.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = self.term.clear_line();
            let _ = self.term.flush();
        }
    }
}

/// A bar that fills, and what is left.
fn countdown(now: Instant, wait: Wait) -> (String, String) {
    let total = (wait.until - wait.since).total_micros().max(1);
    let done = if now > wait.since { (now - wait.since).total_micros() } else { 0 };
    let filled = (BAR as u64 * done.min(total) / total) as usize;
    let rest = if wait.until > now { format_duration(wait.until - now) } else { "nothing".into() };
    let bar = format!("{}{}  ", "━".repeat(filled), "─".repeat(BAR - filled));
    (bar, format!("{rest} left: {}", wait.why))
}

/// What a wait of this tag is good for.
fn why(tag: &str) -> &'static str {
    match tag {
        "hold" | "hold-silence" => "only silence unlocks the line",
        "hold-authentication" => "another attempt could lock the account",
        "cold-start-in-hold" => "the line may still be locked",
        "dark-polling" => "then one more PADI",
        "dark-silence" => "in case it is a lock after all",
        "budget" | "deferred" => "more dials now would look like an attack",
        _ => "then the next dial",
    }
}

/// How long so much virtual time without a line takes to watch: five minutes are three seconds, two days five.
fn wall_time(virtual_time: Duration) -> Wall {
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let seconds = virtual_time.total_micros() as f64 / 1e6;
    Wall::from_secs_f64(((1.0 + seconds / 10.0).ln() * 0.85).min(5.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_takes_seconds_to_watch_and_days_not_much_more() {
        let hold = wall_time(Duration::from_secs(330));
        assert!((2.0..4.0).contains(&hold.as_secs_f64()), "{hold:?}");
        assert!(wall_time(Duration::from_secs(172_800)) <= Wall::from_secs(5));
        assert!(wall_time(Duration::from_millis(10)) < Wall::from_millis(5));
    }
}
