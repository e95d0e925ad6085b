//! Texts that are printed line by line, a page at a time.

use core::fmt::Write;

use gatelet_settings::{Editor as Settings, KEYS, Place, Quoted, Unset};
use smoltcp::time::Instant;

use super::{Console, Listing, Mode, Step, Wanted};
use crate::command::find_verb;
use crate::grammar::{VERBS, candidates};
use crate::lines::Lines;
use crate::request::Text;
use crate::time::Context;
use crate::width;

impl Console {
    /// Makes the next line and prints it; or asks the owner for it.
    pub(super) fn print_next(&mut self, what: Listing, at: u32, now: Instant, settings: &Settings) {
        if let Listing::Report(report) = what {
            self.request = Some(Wanted::Line { report, at });
            self.mode = Mode::Listing { what, at, step: Step::Asked };
            return;
        }
        let mut text = Text::new();
        let next = self.make_line(what, at, now, settings, &mut text);
        match next {
            Some(next) => self.print_line(what, &text, next),
            None => self.end_listing(what),
        }
    }

    /// Prints a line of a text, or stops before it if the page is full.
    pub(super) fn print_line(&mut self, what: Listing, text: &str, next: u32) {
        let columns = usize::from(self.columns);
        let rows = width::of(text).div_ceil(columns).max(1) as u16;
        self.output.put(format_args!("{text}\n"));
        self.printed = self.printed.saturating_add(rows);
        let is_full = self.rows > 0 && self.printed + 1 >= self.rows;
        self.mode = Mode::Listing { what, at: next, step: if is_full { Step::More } else { Step::Ready } };
        if is_full {
            self.show_more();
        }
    }

    /// The text is over, or nobody wants more of it.
    pub(super) fn end_listing(&mut self, what: Listing) {
        self.mode = Mode::Prompt;
        self.printed = 0;
        if what == Listing::Candidates {
            self.draw();
        } else {
            self.prompt();
        }
    }

    fn make_line(
        &self,
        what: Listing,
        at: u32,
        now: Instant,
        settings: &Settings,
        out: &mut Text,
    ) -> Option<u32> {
        if what == Listing::Log {
            let (line, next) = self.log.line(at)?;
            *out = line.try_into().unwrap_or_default();
            return Some(next);
        }
        let (clock, language, columns) = (self.clock, self.language, self.columns);
        let context = Context { now, clock, language, columns, day: crate::Day::default() };
        let mut lines = Lines::new(out, at, &context);
        match what {
            Listing::Version => {
                lines.line(format_args!("Gatelet {}", self.version));
                lines.line(format_args!("up {}", crate::time::Span(now - Instant::ZERO, language)));
            }
            Listing::Settings => self.list_settings(settings, &mut lines),
            Listing::Diff => list_diff(settings, &mut lines),
            Listing::Export { secrets } => {
                settings.running().export(secrets).for_each(|line| lines.line(format_args!("{line}")));
                if settings.is_changed() {
                    lines.line(format_args!("# what is not committed is not in here"));
                }
            }
            Listing::Conflicts => {
                settings.working().conflicts(&mut |conflict| lines.line(format_args!("  {conflict}")));
            }
            Listing::Commands => {
                for verb in VERBS {
                    lines.paragraph(16, verb.name, verb.help.pick(language));
                }
            }
            Listing::Command => match find_verb(&self.subject) {
                Ok(verb) => {
                    lines.line(format_args!("{}", verb.usage));
                    lines.paragraph(2, "", verb.help.pick(language));
                    let slots = verb.slots.iter().flat_map(crate::grammar::Slot::choices);
                    for choice in slots {
                        lines.paragraph(16, choice.name, choice.help.pick(language));
                    }
                }
                Err(mistake) => lines.line(format_args!("{mistake}")),
            },
            Listing::Candidates => {
                let mut tell = |candidate: crate::grammar::Candidate<'_>| {
                    lines.paragraph(CANDIDATE, candidate.word, candidate.help);
                };
                candidates(self.editor.before(), language, &mut tell);
            }
            Listing::Report(_) | Listing::Log => {}
        }
        lines.is_found().then(|| at + 1)
    }

    fn list_settings(&self, settings: &Settings, lines: &mut Lines<'_>) {
        for key in KEYS {
            let numbers = if key.most == 0 { 0..=0 } else { 1..=key.most };
            for place in numbers.map(|number| Place { key, number }) {
                let mut path = heapless::String::<64>::new();
                // No path is longer.
                let _ = write!(path, "{place}");
                if !path.starts_with(self.subject.as_str()) {
                    continue;
                }
                match (settings.working().text(place), key.unset) {
                    (Some(_), _) if key.secret => lines.line(format_args!("  {path:<26} (set)")),
                    (Some(text), _) => lines.line(format_args!("  {path:<26} {}", Quoted(text))),
                    (None, _) if key.most > 0 => {}
                    (None, Unset::Value(text)) => lines.line(format_args!("  {path:<26} {text}  (default)")),
                    (None, Unset::Required) => {}
                    (None, Unset::Means(what)) => lines.line(format_args!("  {path:<26} ({what})")),
                }
            }
        }
    }
}

fn list_diff(settings: &Settings, lines: &mut Lines<'_>) {
    for difference in settings.diff() {
        let place = difference.place;
        let is_secret = place.key.secret;
        let shown = |text| if is_secret { "(not shown)" } else { text };
        if let Some(old) = difference.old {
            lines.line(format_args!("- {place} {}", shown(old)));
        }
        if let Some(new) = difference.new {
            lines.line(format_args!("+ {place} {}", shown(new)));
        }
    }
}

/// Columns of a word before its help.
const CANDIDATE: usize = 26;
