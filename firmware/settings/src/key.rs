//! A key: one thing that can be set, where it is found, and what is known about it.

use core::fmt;

use crate::{KEYS, Kind, Reason, Value};

/// One thing that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its number in flash. A number never gets another meaning, not even when its key is gone.
    pub id: u16,
    /// Where it is: segments between dots. `#` stands for the number of an entry, from 1 on: `forward.#.port`.
    pub path: &'static str,
    /// The most entries, if it is in a list; 0 if it is not.
    pub most: u8,
    /// What may stand in it.
    pub kind: Kind,
    /// What holds while it is not set.
    pub unset: Unset,
    /// A value as somebody might type it.
    pub example: &'static str,
    /// What it is for: a sentence.
    pub help: &'static str,
    /// Whether it is not to be shown.
    pub secret: bool,
    /// What it takes for a change to be felt.
    pub effect: Effect,
}

/// What holds while a key is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// This value.
    Value(&'static str),
    /// No value; what that means.
    Means(&'static str),
    /// Nothing: the entry of the list is of no use without it.
    Required,
}

/// What it takes for a change to be felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing: with the commit.
    Live,
    /// The line begins anew, which is done with the commit: the session is ended and dialed again, or the address asked for again.
    Redial,
    /// A reboot, which is left to the user.
    Restart,
}

impl Effect {
    /// For a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "at once",
            Self::Redial => "redials",
            Self::Restart => "after a reboot",
        }
    }
}

impl Key {
    /// The values there are, for completion; none if they cannot be listed.
    pub const fn values(&self) -> &'static [&'static str] {
        self.kind.values()
    }

    /// What holds while it is not set.
    pub fn default_value(&self) -> Option<Value<'static>> {
        match self.unset {
            Unset::Value(text) => self.kind.parse(text).ok(),
            Unset::Means(_) | Unset::Required => None,
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it; [`Key::example`] is a right one.
    pub fn parse<'t>(&self, text: &'t str) -> Result<Value<'t>, Reason> {
        self.kind.parse(text)
    }

    /// The list that it is in: what stands in front of its `.#`.
    pub(crate) fn list(&self) -> Option<&'static str> {
        self.path.split_once(".#").map(|(list, _)| list)
    }

    /// Whether the key, of this entry, is `branch` or is below it.
    pub(crate) fn is_below(&self, number: u8, branch: &str) -> bool {
        let mut own = self.path.split('.');
        branch.split('.').all(|segment| own.next().is_some_and(|own| fits(own, segment, number)))
    }
}

/// Whether a segment that somebody typed is this one of a key's path.
fn fits(own: &str, typed: &str, number: u8) -> bool {
    if own == "#" { entry_number(typed) == Some(number) } else { own == typed }
}

/// An entry's number as it is typed: no sign, no zero in front, so that each entry has one name.
fn entry_number(text: &str) -> Option<u8> {
    let plain = !text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// A key, and of which entry if it is in a list. Shown as its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The key.
    pub key: &'static Key,
    /// The entry, from 1 on; 0 if the key is in no list.
    pub number: u8,
}

impl Place {
    /// The place with this number in flash; `None` if this firmware knows none such.
    pub fn of_id(id: u16, number: u8) -> Option<Self> {
        let key = KEYS.iter().find(|key| key.id == id)?;
        (if key.most == 0 { number == 0 } else { (1..=key.most).contains(&number) })
            .then_some(Self { key, number })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.key.path.split('.').enumerate() {
            f.write_str(if n == 0 { "" } else { "." })?;
            match segment {
                "#" => write!(f, "{}", self.number)?,
                segment => f.write_str(segment)?,
            }
        }
        Ok(())
    }
}

/// Why a path leads to no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// There is nothing of this name.
    Unknown,
    /// It is the beginning of longer ones.
    Branch,
    /// The number of the entry is not from 1 to this.
    Number(u8),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such setting"),
            Self::Branch => f.write_str("not a setting, but a group of them: type ? for what is in it"),
            Self::Number(most) => write!(f, "entries are numbered from 1 to {most}"),
        }
    }
}

impl core::error::Error for PathError {}

/// Looks a path up.
///
/// # Errors
/// Why there is none.
pub fn find(path: &str) -> Result<Place, PathError> {
    let mut nearest = PathError::Unknown;
    for key in KEYS {
        match key.look_up(path) {
            Ok(number) => return Ok(Place { key, number }),
            Err(PathError::Unknown) => {}
            Err(error) => nearest = error,
        }
    }
    Err(nearest)
}

impl Key {
    /// The number of the entry that `path` names, if it leads here.
    fn look_up(&self, path: &str) -> Result<u8, PathError> {
        let mut typed = path.split('.');
        let mut number = 0;
        for own in self.path.split('.') {
            let Some(segment) = typed.next() else { return Err(PathError::Branch) };
            if own == "#" {
                let named = entry_number(segment).filter(|number| (1..=self.most).contains(number));
                number = named.ok_or(PathError::Number(self.most))?;
            } else if own != segment {
                return Err(PathError::Unknown);
            }
        }
        if typed.next().is_some() { Err(PathError::Unknown) } else { Ok(number) }
    }
}

/// What can follow `branch`, for completion: the next segments of the paths below it, each once; `#` for the number of an
/// entry. An empty branch is the root.
pub fn next_segments(branch: &str) -> impl Iterator<Item = &'static str> {
    let depth = if branch.is_empty() { 0 } else { branch.split('.').count() };
    // Keys of one branch are neighbours in the table: what was told last is the only one that could be told again.
    let mut last = "";
    KEYS.iter().filter_map(move |key| {
        let mut own = key.path.split('.');
        let mut typed = branch.split('.').take(depth);
        let leads_here = typed.all(|segment| {
            own.next()
                .is_some_and(|own| if own == "#" { entry_number(segment).is_some() } else { own == segment })
        });
        let next = own.next().filter(|next| leads_here && *next != last)?;
        last = next;
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn every_key_is_found_by_its_path_and_by_its_number() {
        for key in KEYS {
            let numbers = if key.most == 0 { 0..=0 } else { 1..=key.most };
            for number in numbers {
                let place = Place { key, number };
                assert_eq!(find(&place.to_string()), Ok(place));
                assert_eq!(Place::of_id(key.id, number), Some(place));
                assert!(key.is_below(number, key.path.split('.').next().unwrap()));
                assert!(key.is_below(number, &place.to_string()));
            }
            assert_eq!(Place::of_id(key.id, key.most + 1), None, "{}", key.path);
        }
    }

    #[test]
    fn what_is_no_path_is_told_apart() {
        for (path, error) in [
            ("", PathError::Unknown),
            ("lan.adress", PathError::Unknown),
            ("lan.address.more", PathError::Unknown),
            ("lan", PathError::Branch),
            ("forward.1", PathError::Branch),
            ("forward", PathError::Branch),
            ("forward.0.port", PathError::Number(16)),
            ("forward.17.port", PathError::Number(16)),
            ("forward.01.port", PathError::Number(16)),
            ("forward.+1.port", PathError::Number(16)),
            ("forward.#.port", PathError::Number(16)),
            ("tunnel.5.remote", PathError::Number(4)),
            ("tunnel.1.update", PathError::Branch),
            ("tunnel.1.updates", PathError::Unknown),
        ] {
            assert_eq!(find(path), Err(error), "{path}");
        }
    }

    #[test]
    fn completion_goes_segment_by_segment() {
        fn next(branch: &str) -> Vec<&'static str> {
            next_segments(branch).collect()
        }
        assert_eq!(next("forward"), ["#"]);
        assert_eq!(next("forward.3"), ["protocol", "port", "to", "to-port", "source"]);
        assert_eq!(next("wan.limit"), ["hold", "discovery", "dials"]);
        assert_eq!(next("forward.3.port"), [""; 0]);
        assert_eq!(next("nothing"), [""; 0]);
        // Each once, at every branch there is.
        for key in KEYS {
            let path = key.path.replace('#', "1");
            let mut branch = "";
            for (at, _) in path.match_indices('.').chain([(path.len(), "")]) {
                let told = next(branch);
                let distinct: BTreeSet<_> = told.iter().collect();
                assert_eq!(told.len(), distinct.len(), "{branch}: {told:?}");
                branch = &path[..at];
            }
        }
    }

    #[test]
    fn a_branch_holds_what_is_below_it() {
        let port = find("forward.12.port").unwrap();
        for (branch, holds) in [
            ("forward", true),
            ("forward.12", true),
            ("forward.12.port", true),
            ("forward.1", false),
            ("forward.12.port.x", false),
            ("for", false),
        ] {
            assert_eq!(port.key.is_below(port.number, branch), holds, "{branch}");
        }
    }
}
