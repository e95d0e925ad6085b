//! What a scenario expects: one `[[expect]]` of its file, judged over the timeline and the counters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smoltcp::time::{Duration, Instant};

use super::values;
use crate::timeline::{Entry, clock, tags};

/// A check of a scenario. Either over an `event` or over a `counter`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// What is expected, in words.
    pub name: String,
    /// The tag of the events that count.
    event: Option<String>,
    /// Only events whose text (what and why) contains this.
    contains: Option<String>,
    /// Only events from this moment on.
    #[serde(default, deserialize_with = "values::some_duration")]
    from: Option<Duration>,
    /// Only events after this one, by its tag ...
    after: Option<String>,
    /// ... the how manieth, from 1.
    nth: Option<u32>,
    /// Only events within this long of that.
    #[serde(default, deserialize_with = "values::some_duration")]
    within: Option<Duration>,
    /// A counter by name, instead of events.
    counter: Option<String>,
    count: Option<u64>,
    at_least: Option<u64>,
    at_most: Option<u64>,
}

/// A check and how it came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was expected.
    pub name: String,
    /// Whether it is so.
    pub passed: bool,
    /// What was found.
    pub detail: String,
}

impl Expectation {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// A sentence that says what does not.
    pub fn check_fields(&self) -> Result<(), String> {
        let complain = |what: &str| Err(format!("expect {:?}: {what}", self.name));
        match (&self.event, &self.counter) {
            (Some(_), Some(_)) | (None, None) => return complain("say either `event` or `counter`"),
            (None, Some(_)) => {
                let of_events = self.contains.is_some() || self.from.is_some() || self.after.is_some();
                if of_events || self.within.is_some() {
                    return complain("a counter has one value at the end: only count, at-least, at-most fit");
                }
                if self.count.is_none() && self.at_least.is_none() && self.at_most.is_none() {
                    return complain("say count, at-least or at-most");
                }
            }
            (Some(tag), None) => tags::check(tag).or_else(|error| complain(&error))?,
        }
        if let Some(tag) = &self.after {
            tags::check(tag).or_else(|error| complain(&error))?;
        }
        if self.from.is_some() && self.after.is_some() {
            return complain("`from` and `after` are two ways to say the same");
        }
        if self.nth.is_some() && self.after.is_none() {
            return complain("`nth` belongs to `after`");
        }
        if self.count.is_some() && (self.at_least.is_some() || self.at_most.is_some()) {
            return complain("`count` is exact: leave at-least and at-most out");
        }
        Ok(())
    }

    /// Judges.
    pub fn judge(&self, entries: &[Entry], counters: &BTreeMap<String, u64>) -> Check {
        let found = match (&self.event, &self.counter) {
            (Some(tag), _) => self.count_events(tag, entries),
            (None, name) => read_counter(name.as_deref().unwrap_or_default(), counters),
        };
        let (found, detail) = match found {
            Ok(found) => found,
            Err(detail) => return Check { name: self.name.clone(), passed: false, detail },
        };
        let (least, most) = match (self.count, self.at_least, self.at_most) {
            (Some(count), _, _) => (count, count),
            (None, None, Some(most)) => (0, most),
            (None, least, most) => (least.unwrap_or(1), most.unwrap_or(u64::MAX)),
        };
        let passed = (least..=most).contains(&found);
        let wanted = match (least, most) {
            (least, u64::MAX) => format!("at least {least}"),
            (least, most) if least == most => format!("{least}"),
            (0, most) => format!("at most {most}"),
            (least, most) => format!("{least} to {most}"),
        };
        let detail = if passed { detail } else { format!("{detail}; wanted {wanted}") };
        Check { name: self.name.clone(), passed, detail }
    }

    /// `None` if the event it counts from did not happen.
    fn window(&self, entries: &[Entry]) -> Option<(Instant, Instant)> {
        let from = match &self.after {
            Some(tag) => {
                let nth = self.nth.unwrap_or(1).max(1) as usize;
                entries.iter().filter(|entry| entry.tag == tag).nth(nth - 1)?.at
            }
            None => Instant::ZERO + self.from.unwrap_or(Duration::ZERO),
        };
        let until = self.within.map_or(Instant::from_micros(i64::MAX), |within| from + within);
        Some((from, until))
    }

    /// How many, and a sentence about them; or why that cannot be said.
    fn count_events(&self, tag: &str, entries: &[Entry]) -> Result<(u64, String), String> {
        let (from, until) = self.window(entries).ok_or_else(|| {
            let after = self.after.as_deref().unwrap_or_default();
            format!("`{after}` did not happen {} times", self.nth.unwrap_or(1))
        })?;
        let wanted = self.contains.as_deref().unwrap_or_default();
        // Right after an event means after it, even where it is of the same kind.
        let is_inside = |entry: &&Entry| match self.after {
            Some(_) => entry.at > from && entry.at <= until,
            None => entry.at >= from && entry.at <= until,
        };
        let hits: Vec<&Entry> = entries
            .iter()
            .filter(|entry| entry.tag == tag)
            .filter(is_inside)
            .filter(|entry| entry.what.contains(wanted) || entry.why.contains(wanted))
            .collect();
        let first = match hits.first() {
            Some(entry) => format!(", first at {}", clock(entry.at)),
            None => String::new(),
        };
        Ok((hits.len() as u64, format!("`{tag}` {} times{first}", hits.len())))
    }
}

fn read_counter(name: &str, counters: &BTreeMap<String, u64>) -> Result<(u64, String), String> {
    let value = counters.get(name).copied().ok_or_else(|| {
        let known: Vec<_> = counters.keys().map(String::as_str).collect();
        format!("there is no counter {name:?}; there are {}", known.join(", "))
    })?;
    Ok((value, format!("{name} = {value}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Actor, Tone};

    fn entries() -> Vec<Entry> {
        let entry = |at, tag, what: &str| Entry {
            at: Instant::from_secs(at),
            actor: Actor::Router,
            tag,
            what: what.into(),
            why: String::new(),
            tone: Tone::Plain,
            until: None,
        };
        vec![
            entry(1, "up", "UP: 1"),
            entry(60, "fault", ""),
            entry(65, "up", "UP: 2"),
            entry(90, "up", "UP: 3"),
        ]
    }

    fn judge(text: &str) -> Check {
        let expectation: Expectation = toml::from_str(text).unwrap();
        expectation.check_fields().unwrap();
        expectation.judge(&entries(), &BTreeMap::from([("padi".to_owned(), 3)]))
    }

    #[test]
    fn events_are_counted_in_their_window() {
        let cases = [
            ("event = 'up'", true),
            ("event = 'up'\ncount = 3", true),
            ("event = 'up'\ncount = 2", false),
            ("event = 'up'\nafter = 'fault'\nwithin = '10s'\ncount = 1", true),
            ("event = 'up'\nafter = 'fault'\nwithin = '4s'", false),
            ("event = 'up'\nafter = 'up'\nnth = 2\ncount = 1", true),
            ("event = 'up'\nafter = 'up'\nnth = 4", false),
            ("event = 'up'\nfrom = '60s'\nat-most = 2", true),
            ("event = 'up'\ncontains = 'UP: 2'\ncount = 1", true),
            ("event = 'down'\nat-most = 0", true),
            ("counter = 'padi'\nat-most = 4", true),
            ("counter = 'padi'\nat-least = 4", false),
            ("counter = 'pady'\nat-least = 0", false),
        ];
        for (text, passes) in cases {
            let check = judge(&format!("name = 'x'\n{text}"));
            assert_eq!(check.passed, passes, "{text}: {}", check.detail);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "event = 'up'\ncounter = 'padi'", "counter = 'padi'", "event = 'up'\nnth = 2"] {
            let expectation: Expectation = toml::from_str(&format!("name = 'x'\n{text}")).unwrap();
            assert!(expectation.check_fields().unwrap_err().contains("\"x\""), "{text}");
        }
    }
}
