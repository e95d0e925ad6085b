//! What has been set: a short list of records, each a key's number, an entry's, and a text.
//!
//! ```text
//!   │ id (2) │ entry (1) │ length (1) │ text … │ id │ …         in the order of id and entry
//! ```
//!
//! Only what somebody has set is there. Records of keys that this firmware does not know stay as they are, for the day when
//! the newer firmware that wrote them comes back.

use core::cmp::Ordering;
use core::fmt::{self, Write as _};

use heapless::{String, Vec};

use crate::check::Conflict;
use crate::{KEYS, Key, Place, Reason, TEXT_MAX, Unset, Value};

/// Bytes of all records together. Every list full and every key set to something long does not fit; a home's are some hundred
/// bytes, and 16 forwards with 32 rules some 3 KB.
pub const ROOM: usize = 4096;
const HEADER_LEN: usize = 4;

/// What has been set.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    records: Vec<u8, ROOM>,
}

/// One thing that has been set, as it is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'s> {
    /// The key's number; this firmware may not know it.
    pub id: u16,
    /// The entry, from 1 on; 0 if the key is in no list.
    pub number: u8,
    /// The value, 255 bytes at most.
    pub text: &'s str,
}

impl Record<'_> {
    /// Where it belongs; `None` if this firmware does not know.
    pub fn place(&self) -> Option<Place> {
        Place::of_id(self.id, self.number)
    }

    fn order(&self, id: u16, number: u8) -> Ordering {
        (self.id, self.number).cmp(&(id, number))
    }
}

impl fmt::Debug for Record<'_> {
    /// Without the text: it may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}.{} ({} bytes)", self.id, self.number, self.text.len())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.records()).finish()
    }
}

/// There is no room for more settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NoRoom;

/// Why a value was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The value is none for this key.
    Value(&'static Key, Reason),
    /// There is no room for more settings.
    NoRoom,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(key, reason) => write!(f, "{reason}; for example {}", key.example),
            Self::NoRoom => f.write_str("there is no room for more settings; unset what is not needed"),
        }
    }
}

impl core::error::Error for Refused {}

/// Something in flash that this firmware does not use as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// The value is none for this key any more: the default holds.
    Invalid(Place, Reason),
    /// It does not go together with the others: the default holds.
    Conflict(Conflict),
    /// There is something in flash, and nothing of it can be read: all defaults hold.
    Unreadable,
    /// A firmware that knows more has set this key: kept, not used.
    Unknown {
        /// The key's number.
        id: u16,
        /// The entry.
        number: u8,
    },
    /// There is more than there is room for: left out.
    NoRoom {
        /// The key's number.
        id: u16,
        /// The entry.
        number: u8,
    },
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(place, reason) => {
                write!(f, "{place}: the stored value cannot be: {reason}; the default holds")
            }
            Self::Conflict(conflict) => write!(f, "{conflict}; the default holds"),
            Self::Unreadable => f.write_str("nothing that is stored can be read; all defaults hold"),
            Self::Unknown { id, number } => {
                write!(f, "setting {id:#06x}.{number} is of another firmware: kept, not used")
            }
            Self::NoRoom { id, number } => write!(f, "setting {id:#06x}.{number} found no room: left out"),
        }
    }
}

impl Settings {
    /// Nothing set: every default holds.
    pub const fn new() -> Self {
        Self { records: Vec::new() }
    }

    /// All that is set, in the order of the keys' numbers.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = self.records.as_slice();
        core::iter::from_fn(move || {
            let record = first(rest)?;
            rest = rest.get(HEADER_LEN + record.text.len()..)?;
            Some(record)
        })
    }

    /// Bytes that are free of [`ROOM`].
    pub fn free(&self) -> usize {
        ROOM - self.records.len()
    }

    /// What is set at a place.
    pub fn text(&self, place: Place) -> Option<&str> {
        let found = self.records().find(|record| record.order(place.key.id, place.number).is_ge())?;
        found.order(place.key.id, place.number).is_eq().then_some(found.text)
    }

    /// What holds at a place: what is set there, else the default, if there is one.
    pub fn value(&self, place: Place) -> Option<Value<'_>> {
        let set = self.text(place).and_then(|text| place.key.parse(text).ok());
        set.or_else(|| place.key.default_value())
    }

    /// What holds at a path of the table: `#` there is entry `number`.
    pub(crate) fn at(&self, path: &str, number: u8) -> Option<Value<'_>> {
        self.value(Place { key: KEYS.iter().find(|key| key.path == path)?, number })
    }

    /// Whether anything of an entry of a list is set.
    pub(crate) fn has_entry(&self, list: &str, number: u8) -> bool {
        self.records().any(|record| is_of_entry(&record, list, number))
    }

    /// Sets a value, in its one form.
    ///
    /// # Errors
    /// What is wrong with it, or that there is no room. Nothing has changed then.
    pub fn set(&mut self, place: Place, text: &str) -> Result<(), Refused> {
        let value = place.key.parse(text).map_err(|reason| Refused::Value(place.key, reason))?;
        let mut text = String::<TEXT_MAX>::new();
        write!(text, "{value}").map_err(|_| Refused::NoRoom)?;
        self.put(Record { id: place.key.id, number: place.number, text: &text })
            .map_err(|NoRoom| Refused::NoRoom)
    }

    /// Lets the default hold again. False if it did.
    pub fn unset(&mut self, place: Place) -> bool {
        self.remove(|record| record.order(place.key.id, place.number).is_eq()) > 0
    }

    /// Lets the defaults hold of all that is `branch`, or below it. Answers how many were set.
    pub fn unset_below(&mut self, branch: &str) -> usize {
        self.remove(|record| record.place().is_some_and(|place| place.key.is_below(place.number, branch)))
    }

    /// Takes a record out of flash. What is wrong with a value leaves the default in force.
    ///
    /// # Errors
    /// What is to be told to the user.
    pub fn restore(&mut self, record: Record<'_>) -> Result<(), Complaint> {
        let Record { id, number, text } = record;
        let place = record.place();
        if let Some(place) = place {
            return self.set(place, text).map_err(|refused| match refused {
                Refused::Value(_, reason) => Complaint::Invalid(place, reason),
                Refused::NoRoom => Complaint::NoRoom { id, number },
            });
        }
        match self.put(record) {
            Ok(()) => Err(Complaint::Unknown { id, number }),
            Err(NoRoom) => Err(Complaint::NoRoom { id, number }),
        }
    }

    /// To be called when all is [restored](Self::restore): unsets what does not go together, and tells each. An entry of a list that
    /// would be incomplete goes as a whole.
    pub fn mend(&mut self, tell: &mut dyn FnMut(Complaint)) {
        while let Some(conflict) = self.first_conflict() {
            let Place { key, number } = conflict.place;
            let count = match key.list().filter(|_| key.unset == Unset::Required) {
                Some(list) => self.remove(|record| is_of_entry(record, list, number)),
                None => usize::from(self.unset(conflict.place)),
            };
            tell(Complaint::Conflict(conflict));
            // What is blamed is set, and so each turn takes away one at least.
            if count == 0 {
                return;
            }
        }
    }

    /// Puts a record where it belongs, in place of one that is there.
    fn put(&mut self, record: Record<'_>) -> Result<(), NoRoom> {
        let Record { id, number, text } = record;
        let len = u8::try_from(text.len()).map_err(|_| NoRoom)?;
        let [low, high] = id.to_le_bytes();
        let before: usize =
            self.records().take_while(|known| known.order(id, number).is_lt()).map(size).sum();
        let known = self.records().find(|known| known.order(id, number).is_eq()).map_or(0, size);
        let new = HEADER_LEN + text.len();
        if self.records.len() - known + new > ROOM {
            return Err(NoRoom);
        }
        // To the end, and from there to its place.
        self.cut(before, known);
        let header = self.records.extend_from_slice(&[low, high, number, len]);
        header.and_then(|()| self.records.extend_from_slice(text.as_bytes())).map_err(|_| NoRoom)?;
        if let Some(tail) = self.records.get_mut(before..) {
            tail.rotate_right(new);
        }
        Ok(())
    }

    /// Takes `len` bytes out.
    fn cut(&mut self, at: usize, len: usize) {
        if let Some(tail) = self.records.get_mut(at..) {
            tail.rotate_left(len.min(tail.len()));
            self.records.truncate(self.records.len().saturating_sub(len));
        }
    }

    /// Takes out all records that `which` names. Answers how many.
    fn remove(&mut self, mut which: impl FnMut(&Record<'_>) -> bool) -> usize {
        let (mut at, mut count) = (0, 0);
        while let Some(record) = self.records.get(at..).and_then(first) {
            let len = size(record);
            if which(&record) {
                self.cut(at, len);
                count += 1;
            } else {
                at += len;
            }
        }
        count
    }
}

/// Bytes of a record.
fn size(record: Record<'_>) -> usize {
    HEADER_LEN + record.text.len()
}

/// The record at the front.
fn first(bytes: &[u8]) -> Option<Record<'_>> {
    let (&[low, high, number, len], rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
    let text = core::str::from_utf8(rest.get(..usize::from(len))?).ok()?;
    Some(Record { id: u16::from_le_bytes([low, high]), number, text })
}

fn is_of_entry(record: &Record<'_>, list: &str, number: u8) -> bool {
    record.number == number && record.place().is_some_and(|place| place.key.list() == Some(list))
}

#[cfg(test)]
mod tests {
    use std::string::{String as Text, ToString};
    use std::vec::Vec as List;

    use super::*;
    use crate::find;

    fn shown(settings: &Settings) -> List<(Text, Text)> {
        let place = |record: &Record<'_>| {
            record.place().map_or_else(|| std::format!("{record:?}"), |place| place.to_string())
        };
        settings.records().map(|record| (place(&record), record.text.to_string())).collect()
    }

    fn set(settings: &mut Settings, path: &str, text: &str) {
        settings.set(find(path).unwrap(), text).unwrap_or_else(|refused| panic!("{path}: {refused}"));
    }

    #[test]
    fn what_is_set_holds_and_what_is_not_is_the_default() {
        let mut settings = Settings::new();
        let address = find("lan.address").unwrap();
        assert_eq!(settings.value(address).unwrap().to_string(), "192.168.1.1/24");
        assert_eq!(settings.text(address), None);
        set(&mut settings, "lan.address", "10.0.0.1/16");
        set(&mut settings, "forward.2.port", "80");
        set(&mut settings, "forward.1.port", "8080");
        set(&mut settings, "wan.user", "alice");
        set(&mut settings, "lan.address", "10.1.0.1/16");
        assert_eq!(settings.text(address), Some("10.1.0.1/16"));
        let texts = [
            ("wan.user", "alice"),
            ("lan.address", "10.1.0.1/16"),
            ("forward.1.port", "8080"),
            ("forward.2.port", "80"),
        ];
        assert_eq!(shown(&settings), texts.map(|(path, text)| (path.into(), text.into())));
        assert!(
            settings.has_entry("forward", 2)
                && !settings.has_entry("forward", 3)
                && !settings.has_entry("for", 1)
        );
        assert!(settings.unset(address) && !settings.unset(address));
        assert_eq!(settings.unset_below("forward.2"), 1);
        assert_eq!(
            shown(&settings),
            [("wan.user", "alice"), ("forward.1.port", "8080")]
                .map(|(path, text)| (path.into(), text.into()))
        );
        assert_eq!(settings.unset_below("wan"), 1);
        assert_eq!(settings.unset_below("forward"), 1);
        assert_eq!(settings, Settings::new());
        assert_eq!(settings.free(), ROOM);
    }

    #[test]
    fn a_value_that_is_refused_changes_nothing_and_says_why() {
        let mut settings = Settings::new();
        let vlan = find("wan.vlan").unwrap();
        set(&mut settings, "wan.vlan", "7");
        let refused = settings.set(vlan, "4095").unwrap_err().to_string();
        assert_eq!(
            refused,
            "it is an id from 1 to 4094, and after a colon a priority from 0 to 7; for example 7"
        );
        assert_eq!(settings.text(vlan), Some("7"));
    }

    #[test]
    fn a_full_house_takes_no_more_and_loses_nothing() {
        let mut settings = Settings::new();
        let long = "x".repeat(64);
        let mut count = 0;
        for (id, number) in (0x7000..0x7010_u16).flat_map(|id| (1..=16).map(move |number| (id, number))) {
            match settings.put(Record { id, number, text: &long }) {
                Ok(()) => count += 1,
                Err(NoRoom) => break,
            }
        }
        assert_eq!(count, ROOM / (HEADER_LEN + 64));
        assert_eq!(settings.records().count(), count);
        let before = settings.clone();
        let refused = settings.set(find("wan.user").unwrap(), &long);
        assert_eq!(refused, Err(Refused::NoRoom));
        assert_eq!(settings, before);
        // The same length again fits: the old one makes room.
        assert_eq!(settings.put(Record { id: 0x7000, number: 1, text: &"y".repeat(64) }), Ok(()));
    }

    #[test]
    fn what_another_firmware_wrote_is_kept_and_what_is_damaged_is_told() {
        let mut settings = Settings::new();
        let unknown = Record { id: 0x7A01, number: 0, text: "2001:db8::/48" };
        assert_eq!(settings.restore(unknown), Err(Complaint::Unknown { id: 0x7A01, number: 0 }));
        // A list that is longer there.
        let beyond = Record { id: 0x0502, number: 17, text: "80" };
        assert_eq!(settings.restore(beyond), Err(Complaint::Unknown { id: 0x0502, number: 17 }));
        let user = Record { id: 0x0203, number: 0, text: "alice" };
        assert_eq!(settings.restore(user), Ok(()));
        let bad = settings.restore(Record { id: 0x0209, number: 0, text: "4095" }).unwrap_err().to_string();
        assert!(
            bad.starts_with("wan.vlan: the stored value cannot be: ") && bad.ends_with("; the default holds"),
            "{bad}"
        );
        assert_eq!(settings.text(find("wan.vlan").unwrap()), None);
        assert_eq!(settings.records().collect::<List<_>>(), [user, beyond, unknown]);
        assert_eq!(settings.unset_below("forward"), 0, "not ours to forget");
    }

    #[test]
    fn what_does_not_go_together_falls_back_and_the_rest_stays() {
        let mut settings = Settings::new();
        set(&mut settings, "wan.user", "alice");
        set(&mut settings, "lan.dhcp.pool", "10.0.0.2-10.0.0.9");
        set(&mut settings, "forward.1.port", "80");
        set(&mut settings, "forward.1.protocol", "tcp");
        set(&mut settings, "wan.kind", "static");
        let mut told = List::new();
        settings.mend(&mut |complaint| told.push(complaint.to_string()));
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().all(|complaint| complaint.ends_with("the default holds")), "{told:?}");
        assert_eq!(shown(&settings), [("wan.user".into(), "alice".into())]);
        settings.mend(&mut |complaint| panic!("{complaint}"));
    }

    #[test]
    fn debugging_output_shows_no_password() {
        let mut settings = Settings::new();
        set(&mut settings, "wan.password", "verysecret");
        assert!(!std::format!("{settings:?}").contains("verysecret"));
    }
}
