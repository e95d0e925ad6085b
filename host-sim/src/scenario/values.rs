//! Values as people write them in scenario files: `"5m30s"`, `0.02`.

use chacha20::ChaCha8Rng;
use rand_core::Rng;
use serde::{Deserialize, Deserializer, de::Error};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Cidr, Ipv6Cidr};

/// Units of a duration and their microseconds, longest name first where one begins another.
const UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Reads a duration such as `"90s"`, `"5m30s"`, `"1.5h"`, `"2d"`, `"250ms"`.
///
/// # Errors
/// A sentence that says what was wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let complaint =
        || format!("{text:?} is no duration: write it like \"90s\", \"5m30s\", \"250ms\" or \"2d\"");
    let mut rest = text.trim();
    let mut micros = 0.0;
    if rest.is_empty() {
        return Err(complaint());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(complaint)?;
        let number: f64 = rest[..digits].parse().map_err(|_| complaint())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..letters]).ok_or_else(complaint)?;
        #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
        let unit = *unit as f64;
        micros += number * unit;
        rest = rest[letters..].trim_start();
    }
    #[expect(clippy::cast_sign_loss, reason = "no sign was accepted above")]
    Ok(Duration::from_micros(micros.round() as u64))
}

/// Writes a duration the way [`parse_duration`] reads it, to the second above ten seconds.
pub fn format_duration(duration: Duration) -> String {
    let micros = duration.total_micros();
    if micros < 1_000_000 {
        return format!("{} ms", micros.div_ceil(1000));
    }
    if micros < 10_000_000 {
        let tenths = micros / 100_000;
        return if tenths.is_multiple_of(10) {
            format!("{} s", tenths / 10)
        } else {
            format!("{}.{} s", tenths / 10, tenths % 10)
        };
    }
    let seconds = (micros + 500_000) / 1_000_000;
    let (days, hours, minutes, seconds) =
        (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut parts = Vec::new();
    for (number, unit) in [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")] {
        if number > 0 {
            parts.push(format!("{number} {unit}"));
        }
    }
    parts.join(" ")
}

/// For `#[serde(deserialize_with)]`.
///
/// # Errors
/// As [`parse_duration`].
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with)]` on an optional field (with `default`).
///
/// # Errors
/// As [`parse_duration`].
pub fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// For `#[serde(deserialize_with)]`: an address with the length of its network.
///
/// # Errors
/// A sentence that says how to write one.
pub fn cidr<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ipv4Cidr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|()| {
        D::Error::custom(format!("{text:?} is no address with its network: write it like \"192.168.1.1/24\""))
    })
}

/// For `#[serde(deserialize_with)]` on an optional field (with `default`).
///
/// # Errors
/// As [`cidr`].
pub fn some_cidr<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ipv4Cidr>, D::Error> {
    cidr(deserializer).map(Some)
}

/// For `#[serde(deserialize_with)]`: an IPv6 address with the length of its network.
///
/// # Errors
/// A sentence that says how to write one.
pub fn ipv6_cidr<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ipv6Cidr, D::Error> {
    read_ipv6_cidr(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with)]`: a list of them.
///
/// # Errors
/// As [`ipv6_cidr`].
pub fn ipv6_cidrs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Ipv6Cidr>, D::Error> {
    let texts: Vec<String> = Vec::deserialize(deserializer)?;
    texts.iter().map(|text| read_ipv6_cidr(text).map_err(D::Error::custom)).collect()
}

fn read_ipv6_cidr(text: &str) -> Result<Ipv6Cidr, String> {
    text.parse()
        .map_err(|()| format!("{text:?} is no address with its network: write it like \"2001:db8::1/64\""))
}

/// A probability, 0 to 1, drawn exactly the same way on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "f64")]
pub struct Probability(u32);

impl Probability {
    /// Zero.
    pub const NEVER: Self = Self(0);

    /// `None` if `share` is not between 0 and 1.
    pub fn new(share: f64) -> Option<Self> {
        #[expect(clippy::cast_sign_loss, reason = "checked")]
        (0.0..=1.0).contains(&share).then(|| Self((share * f64::from(u32::MAX)).round() as u32))
    }

    /// Draws. Certain outcomes draw nothing.
    pub fn strikes(self, rng: &mut ChaCha8Rng) -> bool {
        match self.0 {
            0 => false,
            u32::MAX => true,
            threshold => rng.next_u32() < threshold,
        }
    }
}

impl TryFrom<f64> for Probability {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        Self::new(share).ok_or_else(|| format!("{share} is no probability: it must lie between 0 and 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_written() {
        let cases = [
            ("90s", 90_000),
            ("5m30s", 330_000),
            ("250ms", 250),
            ("2d", 172_800_000),
            ("1.5h", 5_400_000),
            ("1m 1s", 61_000),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "5x", "-3s", "1.2.3s"] {
            assert!(parse_duration(text).unwrap_err().contains("5m30s"), "{text}");
        }
        let shown =
            [(250, "250 ms"), (1_250, "1.2 s"), (3000, "3 s"), (90_000, "1 min 30 s"), (172_800_000, "2 d")];
        for (millis, text) in shown {
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn probabilities_are_bounded() {
        assert!(Probability::try_from(1.5).is_err());
        assert!(Probability::new(-0.1).is_none());
        assert_eq!(Probability::new(0.0), Some(Probability::NEVER));
    }
}
