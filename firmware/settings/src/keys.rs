//! The table of all keys.
//!
//! Numbers are for ever: 0xSSNN, section and key. A key that is dropped leaves its number behind; one that changes its meaning
//! gets a new one.

mod home;
mod ipv6;
mod line;
mod services;

use crate::key::{Effect, Key, Unset};
use crate::kind::Kind;

/// What most keys have in common.
const LIVE: Key = Key {
    id: 0,
    path: "",
    most: 0,
    kind: Kind::Flag,
    unset: Unset::Means(""),
    example: "",
    help: "",
    secret: false,
    effect: Effect::Live,
};
const LINE: Key = Key { effect: Effect::Redial, ..LIVE };
const BOOT: Key = Key { effect: Effect::Restart, ..LIVE };

const SECTIONS: [&[Key]; 4] = [line::KEYS, home::KEYS, services::KEYS, ipv6::KEYS];
const COUNT: usize = {
    let (mut count, mut section) = (0, 0);
    while section < SECTIONS.len() {
        count += SECTIONS[section].len();
        section += 1;
    }
    count
};

/// All that can be set, in the order in which it is shown. Keys of one branch are neighbours.
pub static KEYS: &[Key] = &join();

/// One table of all sections, made by the compiler.
const fn join() -> [Key; COUNT] {
    let mut all = [LIVE; COUNT];
    let (mut count, mut section) = (0, 0);
    while section < SECTIONS.len() {
        let mut at = 0;
        while at < SECTIONS[section].len() {
            all[count] = SECTIONS[section][at];
            count += 1;
            at += 1;
        }
        section += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_paths_are_each_keys_own_and_sections_stay_together() {
        let ids: BTreeSet<_> = KEYS.iter().map(|key| key.id).collect();
        let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
        assert_eq!((ids.len(), paths.len()), (KEYS.len(), KEYS.len()));
        assert!(KEYS.is_sorted_by_key(|key| key.id), "found by looking from the front, shown in this order");
        for key in KEYS {
            assert_eq!(key.path.contains('#'), key.most > 0, "{}", key.path);
            assert!(!paths.contains(key.path.rsplit_once('.').unwrap().0), "{} is below a key", key.path);
        }
    }

    #[test]
    fn every_default_and_every_example_is_a_right_value() {
        for key in KEYS {
            let example = key.parse(key.example).unwrap_or_else(|reason| panic!("{}: {reason}", key.path));
            assert_ne!(Some(example), key.default_value(), "{}: the example shows nothing new", key.path);
            if let Unset::Value(text) = key.unset {
                let value = key.parse(text).unwrap_or_else(|reason| panic!("{}: {reason}", key.path));
                assert_eq!(std::format!("{value}"), text, "{}", key.path);
            }
            for word in key.values() {
                assert!(key.parse(word).is_ok(), "{}: {word}", key.path);
            }
            assert!(key.help.ends_with('.') && key.help.len() <= 180, "{}", key.path);
        }
    }
}
