//! A timeline at a pace people can follow: lines come one by one, waits fly by with a countdown.

use std::io::Write;
use std::time::Duration as Wall;

use console::{Term, style};
use smoltcp::time::{Duration, Instant};

use crate::scenario::values::format_duration;
use crate::timeline::{Entry, Painter, clock};

/// After each line, while paced.
const BEAT: Wall = Wall::from_millis(130);
/// One picture of a countdown.
const PICTURE: Wall = Wall::from_millis(40);
/// Waits shorter than this pass unseen.
const WORTH_SHOWING: Duration = Duration::from_secs(2);
/// Columns of the bar.
const BAR: usize = 28;

/// Prints a timeline as it grows.
pub(super) struct Show {
    painter: Painter,
    term: Term,
    terminal: bool,
    paced: bool,
    last_line: Instant,
    /// What is being waited for, since when, until when.
    waiting: Option<(Instant, Instant)>,
    drawn: bool,
}

impl Show {
    pub(super) fn new(painter: Painter, terminal: bool, paced: bool) -> Self {
        let term = Term::buffered_stdout();
        Self { painter, term, terminal, paced, last_line: Instant::ZERO, waiting: None, drawn: false }
    }

    /// Prints a line.
    pub(super) fn entry(&mut self, entry: &Entry) {
        self.clear();
        if self.terminal {
            // A terminal that goes away is noticed by nobody; the run ends by itself.
            let _ = self.term.write_line(&self.painter.paint(entry));
            let _ = self.term.flush();
        } else {
            let _ = writeln!(std::io::stdout(), "{}", self.painter.paint(entry));
        }
        self.last_line = entry.at;
        if let Some(until) = entry.until {
            self.waiting = Some((entry.at, until));
        }
        if self.paced {
            std::thread::sleep(BEAT);
        }
    }

    /// Lets the time from `from` to `to` fly by.
    pub(super) fn wait(&mut self, from: Instant, to: Instant) {
        if to - self.last_line < WORTH_SHOWING {
            return;
        }
        let (since, until) = match self.waiting {
            Some((since, until)) if until > from => (since, until),
            _ => {
                self.waiting = None;
                (self.last_line, to)
            }
        };
        let total = wall_time(to - self.last_line).saturating_sub(wall_time(from - self.last_line));
        let pictures = (total.as_micros() / PICTURE.as_micros()).max(1);
        if total < PICTURE / 4 {
            return;
        }
        for picture in 1..=pictures {
            let passed = (to - from).total_micros() as u128 * picture / pictures;
            self.draw(from + Duration::from_micros(passed as u64), since, until);
            std::thread::sleep(total / pictures as u32);
        }
    }

    fn draw(&mut self, now: Instant, since: Instant, until: Instant) {
        let total = (until - since).total_micros().max(1);
        let done = if now > since { (now - since).total_micros() } else { 0 };
        let filled = (BAR as u64 * done.min(total) / total) as usize;
        let bar = format!("{}{}", "━".repeat(filled), "─".repeat(BAR - filled));
        let rest = if until > now { format_duration(until - now) } else { String::new() };
        let what = if self.waiting.is_some() { format!("{rest} left") } else { "nothing happens".into() };
        let _ = self.term.clear_line();
        let _ = self.term.write_str(&format!(
            "{}  {} {}  {}",
            style(format!("{:>13}", clock(now))).dim(),
            style("»").cyan().bold(),
            style(bar).cyan(),
            style(what).dim(),
        ));
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
