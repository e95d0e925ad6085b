//! The grammar: what a command is made of, and how a line that is not finished can go on. The commands themselves are in
//! `table.rs`.

mod table;

use gatelet_proto::redial::Language;
use gatelet_settings::{KEYS, Key, PathError, Unset, find, next_segments};
use heapless::String;

use crate::command::{Mistake, SLOTS, filter, find_verb, match_word};
use crate::words::Words;

use table::FILTERS;
pub(crate) use table::VERBS;

/// A text in both languages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text(pub(crate) &'static str, pub(crate) &'static str);

impl Text {
    pub(crate) const fn pick(self, language: Language) -> &'static str {
        match language {
            Language::English => self.0,
            Language::Chinese => self.1,
        }
    }
}

/// A command.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) id: VerbId,
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) help: Text,
    pub(crate) slots: &'static [Slot],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerbId {
    Show,
    Set,
    Unset,
    Commit,
    Revert,
    Diff,
    Export,
    Import,
    Dial,
    HangUp,
    Probe,
    Ping,
    Traceroute,
    Resolve,
    Capture,
    Log,
    Reboot,
    FactoryReset,
    SetUp,
    Terminal,
    Help,
    Exit,
}

/// A place for a word.
#[derive(Debug)]
pub(crate) enum Slot {
    /// One of these; may be left out or not.
    Choice {
        choices: &'static [Choice],
        is_optional: bool,
    },
    /// The path of a setting.
    Path,
    /// What it is set to: the rest of the line.
    Value,
    Number {
        name: &'static str,
        least: u16,
        most: u16,
        is_optional: bool,
        help: Text,
    },
    /// Any word.
    Word {
        name: &'static str,
        is_optional: bool,
        help: Text,
    },
    /// Which frames to capture.
    Filter,
}

#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) name: &'static str,
    pub(crate) help: Text,
}

/// What a word is in its slot.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Matched<'l> {
    Choice(usize),
    Text(&'l str),
    Number(u16),
}

impl Slot {
    pub(crate) const fn is_optional(&self) -> bool {
        match self {
            Self::Choice { is_optional, .. }
            | Self::Number { is_optional, .. }
            | Self::Word { is_optional, .. } => *is_optional,
            Self::Path | Self::Value => false,
            Self::Filter => true,
        }
    }

    pub(crate) fn choices(&self) -> &'static [Choice] {
        match self {
            Self::Choice { choices, .. } => choices,
            Self::Filter => FILTERS,
            _ => &[],
        }
    }

    /// What `word` is here. The error is what to tell, where this slot knows better than that the word does not fit.
    pub(crate) fn matches<'l>(&self, word: &'l str) -> Result<Matched<'l>, Option<Mistake<'l>>> {
        match self {
            Self::Choice { choices, .. } => {
                if let Some(place) = choices.iter().position(|choice| choice.name == word) {
                    return Ok(Matched::Choice(place));
                }
                let mut begun =
                    choices.iter().enumerate().filter(|(_, choice)| choice.name.starts_with(word));
                match (begun.next(), begun.next()) {
                    (Some((place, _)), None) if !word.is_empty() => Ok(Matched::Choice(place)),
                    (Some(_), Some(_)) if !word.is_empty() => Err(Some(Mistake::Ambiguous { word })),
                    _ => Err(None),
                }
            }
            Self::Number { least, most, .. } => {
                if word.is_empty() || !word.bytes().all(|octet| octet.is_ascii_digit()) {
                    return Err(None);
                }
                let number = word.parse().ok().filter(|number| (*least..=*most).contains(number));
                number.map(Matched::Number).ok_or(Some(Mistake::Range { word, least: *least, most: *most }))
            }
            Self::Filter => filter(word).map(|_| Matched::Text(word)).ok_or(None),
            Self::Path | Self::Value | Self::Word { .. } => Ok(Matched::Text(word)),
        }
    }
}

/// How a line can go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'c> {
    /// The whole word; in angle brackets if it is not to be taken literally.
    pub(crate) word: &'c str,
    pub(crate) help: &'c str,
    /// What follows the word.
    pub(crate) end: &'static str,
}

/// Tells how `line`, up to the cursor, can go on. Answers how long the word is that is being typed.
pub(crate) fn candidates(line: &str, language: Language, tell: &mut dyn FnMut(Candidate<'_>)) -> usize {
    let words = Words::split(line);
    let typed = if words.is_open { words.len().saturating_sub(1) } else { words.len() };
    let word = if words.is_open { words.get(typed).unwrap_or_default() } else { "" };
    let mut tell = |candidate: Candidate<'_>| {
        if candidate.word.starts_with(word) || candidate.word.starts_with('<') {
            tell(candidate);
        }
    };
    if typed == 0 {
        if !line.trim_start().starts_with('#') {
            for verb in VERBS {
                tell(Candidate { word: verb.name, help: verb.help.pick(language), end: " " });
            }
        }
        return word.len();
    }
    let Some(Ok(verb)) = words.get(0).map(find_verb) else { return word.len() };
    let mut at = 0;
    let mut slots = [None; SLOTS];
    for before in (1..typed).filter_map(|place| words.get(place)) {
        match match_word(verb, at, before, &mut slots) {
            Ok(place) => at = place + 1,
            Err(_) => return word.len(),
        }
    }
    if verb.id == VerbId::Help {
        for verb in VERBS {
            tell(Candidate { word: verb.name, help: verb.help.pick(language), end: "" });
        }
        return word.len();
    }
    for slot in verb.slots.iter().skip(at) {
        match slot {
            Slot::Choice { .. } | Slot::Filter => {
                for choice in slot.choices() {
                    tell(Candidate { word: choice.name, help: choice.help.pick(language), end: " " });
                }
            }
            Slot::Path => path_candidates(word, &mut tell),
            Slot::Value => value_candidates(words.get(1).unwrap_or_default(), &mut tell),
            Slot::Number { name, help, .. } | Slot::Word { name, help, .. } => {
                let is_path =
                    verb.id == VerbId::Show && words.get(1).is_some_and(|topic| topic.starts_with("set"));
                if is_path {
                    path_candidates(word, &mut tell);
                } else {
                    tell(Candidate { word: name, help: help.pick(language), end: "" });
                }
            }
        }
        if !slot.is_optional() {
            break;
        }
    }
    word.len()
}

fn path_candidates(typed: &str, tell: &mut dyn FnMut(Candidate<'_>)) {
    let (branch, last) = typed.rsplit_once('.').unwrap_or(("", typed));
    for segment in next_segments(branch) {
        // A number is what was typed, if it was.
        let segment = if segment == "#" { last } else { segment };
        let mut path: String<PATH_MAX> = String::new();
        let parts = [branch, if branch.is_empty() { "" } else { "." }, segment];
        if parts.iter().any(|part| path.push_str(part).is_err()) {
            continue;
        }
        if segment.is_empty() {
            tell(Candidate { word: "<number>", help: "which entry, from 1 on", end: "" });
            continue;
        }
        match find(&path) {
            Ok(place) => tell(Candidate { word: &path, help: place.key.help, end: " " }),
            Err(PathError::Branch) => tell(Candidate { word: &path, help: "…", end: "." }),
            Err(_) => {}
        }
    }
}

fn value_candidates(path: &str, tell: &mut dyn FnMut(Candidate<'_>)) {
    let Ok(place) = find(path) else { return };
    let key: &Key = place.key;
    for value in key.values() {
        tell(Candidate {
            word: value,
            help: if key.unset == Unset::Value(value) { "(default)" } else { "" },
            end: "",
        });
    }
    tell(Candidate { word: "<value>", help: key.help, end: "" });
    tell(Candidate { word: "<example>", help: key.example, end: "" });
    let unset = match key.unset {
        Unset::Required => return,
        Unset::Value(text) | Unset::Means(text) => text,
    };
    tell(Candidate { word: "<default>", help: unset, end: "" });
}

/// The path that may have been meant.
pub(crate) fn nearest_path(path: &str) -> Option<&'static str> {
    crate::nearest::nearest(path, KEYS.iter().map(|key| key.path))
}

/// Longer paths lead nowhere.
const PATH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    fn offered(line: &str) -> Vec<String> {
        let mut all = Vec::new();
        candidates(line, Language::English, &mut |candidate| all.push(candidate.word.to_string()));
        all
    }

    #[test]
    fn the_ids_are_in_the_order_of_the_table() {
        for (place, verb) in VERBS.iter().enumerate() {
            assert_eq!(verb.id as usize, place, "{}", verb.name);
            assert!(verb.usage.starts_with(verb.name), "{}", verb.name);
            assert!(verb.slots.len() <= SLOTS);
        }
    }

    #[test]
    fn what_can_follow() {
        assert_eq!(offered("ex"), ["export", "exit"]);
        assert_eq!(offered("show l"), ["lan", "leases", "log", "<which>"]);
        assert_eq!(offered("show lan l"), ["<which>"]);
        assert_eq!(offered("commit "), ["confirmed", "<minutes>"]);
        assert_eq!(offered("dial "), ["force", "<wan>"]);
        assert_eq!(offered("capture wan d"), ["dial", "dhcp", "dns", "<count>"]);
        assert_eq!(offered("set system.l"), ["system.language"]);
        assert_eq!(offered("set lan.d"), ["lan.domain", "lan.dhcp"]);
        assert_eq!(offered("set system.language c"), ["chinese", "<value>", "<example>", "<default>"]);
        assert_eq!(offered("nonsense "), Vec::<String>::new());
        assert_eq!(offered("ping a b c "), Vec::<String>::new());
    }
}
