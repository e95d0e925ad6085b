//! The year's figures, from `year.toml`.

use std::collections::BTreeMap;

use gatelet_proto::redial;
use serde::{Deserialize, Deserializer};
use smoltcp::time::Duration;

use crate::peers::radius::Refusal;
use crate::scenario::values;

/// The file, as it was compiled in.
const SOURCE: &str = include_str!("year.toml");

/// Everything in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Data {
    pub(super) line: Line,
    pub(super) event: Vec<EventRate>,
    pub(super) carrier: BTreeMap<String, Carrier>,
    pub(super) policy: BTreeMap<String, Client>,
}

impl Data {
    /// Reads the file.
    ///
    /// # Panics
    /// If the file in the sources is broken, which a test would have told.
    pub(super) fn load() -> Self {
        toml::from_str(SOURCE).expect("year.toml is well formed")
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Line {
    #[serde(deserialize_with = "values::duration")]
    pub(super) round_trip: Duration,
    #[serde(deserialize_with = "values::duration")]
    pub(super) router_boot: Duration,
    #[serde(deserialize_with = "values::duration")]
    pub(super) patience: Duration,
    #[serde(deserialize_with = "values::duration")]
    pub(super) unplugged: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    PowerCut,
    Replug,
    ReplugStorm,
    RouterReset,
    AnotherDevice,
    OntReboot,
    FibreGlitch,
    FibreCut,
    Loss,
    OrderlyRestart,
    Crash,
    LostSession,
    Padt,
    QuickOffline,
    StalePadt,
    BlackHole,
    Silence,
    PadoWithoutPads,
    PadsError,
    RadiusTrouble,
    ContraryDay,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct EventRate {
    pub(super) what: What,
    pub(super) per_year: f64,
    #[serde(deserialize_with = "range")]
    pub(super) lasts: (Duration, Duration),
    pub(super) source: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Carrier {
    #[serde(default, deserialize_with = "some_range")]
    pub(super) kick: Option<(Duration, Duration)>,
    pub(super) echo: bool,
    pub(super) simultaneous: Option<usize>,
    #[serde(default, deserialize_with = "values::some_duration")]
    pub(super) ageing: Option<Duration>,
    #[serde(deserialize_with = "refusal")]
    pub(super) refusal: Refusal,
    pub(super) source: String,
}

/// A policy that is not ours: timers of a simple client.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
pub(super) struct Client {
    pub(super) title: String,
    #[serde(deserialize_with = "list")]
    pub(super) padi_waits: Vec<Duration>,
    #[serde(deserialize_with = "list")]
    pub(super) padr_waits: Vec<Duration>,
    #[serde(deserialize_with = "values::duration")]
    pub(super) redial: Duration,
    #[serde(deserialize_with = "values::duration")]
    pub(super) lcp_restart: Duration,
    pub(super) lcp_tries: u8,
    #[serde(default, deserialize_with = "values::some_duration")]
    pub(super) echo_interval: Option<Duration>,
    #[serde(default)]
    pub(super) echo_failures: u8,
    #[serde(default)]
    pub(super) echo_adaptive: bool,
    pub(super) stops_on_refusal: bool,
    pub(super) heeds_padt: bool,
    pub(super) hears_carrier: bool,
    pub(super) source: String,
}

/// Our own preset for a carrier of the file.
pub(super) fn preset(carrier: &str) -> redial::Preset {
    match carrier {
        "unicom" => redial::Preset::Unicom,
        "telecom" => redial::Preset::Telecom,
        "mobile" => redial::Preset::Mobile,
        _ => redial::Preset::Generic,
    }
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| values::parse_duration(text))
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}

fn range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(Duration, Duration), D::Error> {
    match list(deserializer)?[..] {
        [least, most] if least <= most => Ok((least, most)),
        _ => Err(serde::de::Error::custom("a range is two durations, the shorter first")),
    }
}

fn some_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(Duration, Duration)>, D::Error> {
    range(deserializer).map(Some)
}

fn refusal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Refusal, D::Error> {
    Ok(match String::deserialize(deserializer)?.as_str() {
        "wrong-password" => Refusal::WrongPassword,
        "too-many-sessions" => Refusal::TooManySessions,
        "locked" => Refusal::Locked,
        "binding" => Refusal::Binding,
        "exhausted" => Refusal::Exhausted,
        "trouble" => Refusal::Trouble,
        other => return Err(serde::de::Error::custom(format!("no such refusal: {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_and_every_figure_has_a_source() {
        let data = Data::load();
        assert!(data.event.iter().all(|event| event.per_year > 0.0 && !event.source.is_empty()));
        assert!(data.carrier.values().all(|carrier| !carrier.source.is_empty()));
        assert!(data.policy.values().all(|policy| !policy.source.is_empty()));
        let mut kinds: Vec<_> = data.event.iter().map(|event| event.what).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), data.event.len(), "an event stands once");
    }
}
