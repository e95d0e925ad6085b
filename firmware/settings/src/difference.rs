//! What differs between two sets of settings, and what it takes to get from one to the other.

use core::fmt;

use crate::{Effect, Key, Place, Settings};

/// A setting that differs between what is in force and what is edited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Difference<'s> {
    /// Where.
    pub place: Place,
    /// What is set there now; `None`: the default holds.
    pub old: Option<&'s str>,
    /// What will be.
    pub new: Option<&'s str>,
}

impl fmt::Debug for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Difference<'_> {
    /// `-` and `+` in front of the path, as people know it; a secret is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text| if self.place.key.secret { "(not shown)" } else { text };
        if let Some(old) = self.old {
            write!(f, "- {} {}", self.place, shown(old))?;
        }
        if let Some(new) = self.new {
            write!(f, "{}+ {} {}", if self.old.is_some() { "\n" } else { "" }, self.place, shown(new))?;
        }
        Ok(())
    }
}

/// What it takes for a change to be felt, all keys together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each may be there with or without the others")]
pub struct Effects {
    /// Something changes at once.
    pub live: bool,
    /// It is about the LAN, its address or its DHCP server.
    pub lan: bool,
    /// It is about IPv6, or a tunnel that carries it.
    pub ipv6: bool,
    /// The line is to begin anew: to be dialed, or to get its address.
    pub redial: bool,
    /// Something waits for a reboot.
    pub restart: bool,
}

impl Effects {
    /// Nothing.
    pub const NONE: Self = Self { live: false, lan: false, ipv6: false, redial: false, restart: false };

    /// Whether there is nothing.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            live: self.live || other.live,
            lan: self.lan || other.lan,
            ipv6: self.ipv6 || other.ipv6,
            redial: self.redial || other.redial,
            restart: self.restart || other.restart,
        }
    }
}

/// Places that differ, in the order of their numbers.
pub(crate) fn differences<'s>(old: &'s Settings, new: &'s Settings) -> impl Iterator<Item = Difference<'s>> {
    let gone = |place: Place| new.text(place).is_none();
    let (mut olds, mut news) = (old.records().peekable(), new.records().peekable());
    let merged = core::iter::from_fn(move || {
        let from_old = match (olds.peek(), news.peek()) {
            (Some(old), Some(new)) => (old.id, old.number) <= (new.id, new.number),
            (old, None) => old.is_some(),
            (None, Some(_)) => false,
        };
        if from_old {
            olds.next().map(|record| (record, true))
        } else {
            news.next().map(|record| (record, false))
        }
    });
    merged.filter_map(move |(record, from_old)| {
        let place = record.place()?;
        let before = old.text(place);
        // A place that both have comes twice: the new one tells.
        if from_old {
            return gone(place).then_some(Difference { place, old: before, new: None });
        }
        (before != Some(record.text)).then_some(Difference { place, old: before, new: Some(record.text) })
    })
}

/// What it takes to get from one to the other.
pub(crate) fn effects(old: &Settings, new: &Settings) -> Effects {
    let mut effects = Effects::default();
    let kind = old.choice("wan.kind", 0);
    for difference in differences(old, new) {
        let key = difference.place.key;
        match key.effect {
            Effect::Live => {
                effects.live = true;
                effects.lan |= key.path.starts_with("lan.");
                effects.ipv6 |= key.path.starts_with("ipv6.") || key.list() == Some("tunnel");
            }
            Effect::Redial => effects.redial |= is_about(key, kind),
            Effect::Restart => effects.restart = true,
        }
    }
    // A line of another kind is made at the next boot.
    effects.redial &= kind == new.choice("wan.kind", 0);
    effects
}

/// Whether a setting of the line is one for a line of this kind.
fn is_about(key: &Key, kind: &str) -> bool {
    match key.path {
        "wan.mac" | "wan.vlan" => true,
        "wan.address" | "wan.gateway" | "wan.dns.#" => kind == "static",
        path if path.starts_with("wan.dhcp.") => kind == "dhcp",
        _ => kind == "pppoe",
    }
}
