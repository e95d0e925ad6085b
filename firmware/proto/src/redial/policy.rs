//! The figures the engine works with, and the presets for people.

use smoltcp::time::Duration;

/// Whose line it is: for the hotline in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Carrier {
    /// China Unicom.
    Unicom,
    /// China Telecom.
    Telecom,
    /// China Mobile.
    Mobile,
    /// Any other.
    #[default]
    Other,
}

impl Carrier {
    /// The customer hotline.
    pub const fn hotline(self) -> Option<&'static str> {
        match self {
            Self::Unicom => Some("10010"),
            Self::Telecom => Some("10000"),
            Self::Mobile => Some("10086"),
            Self::Other => None,
        }
    }
}

/// At most `limit` events within any `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub limit: u8,
    /// Within which time.
    pub period: Duration,
}

/// Hang up and dial again at a quiet hour, before the carrier does so at a busy one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NightlyReconnect {
    /// Seconds after local midnight.
    pub second_of_day: u32,
    /// Minutes the local time is ahead of UTC (China: 480).
    pub utc_offset_minutes: i16,
    /// Age at which the carrier ends a session: nights on which it would outlive the next one are slept through.
    pub forced_disconnect: Duration,
}

/// The names of the presets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// China Unicom.
    Unicom,
    /// China Telecom.
    Telecom,
    /// China Mobile: its concentrators answer no LCP echo.
    Mobile,
    /// Any carrier.
    Generic,
}

/// Every figure of the engine; start from a [`Preset`] and override what you know better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whose hotline the sentences name.
    pub carrier: Carrier,
    /// PADIs and PADRs together.
    pub discovery: Window,
    /// Dials, each counted from its PADR.
    pub dials: Window,
    /// Authentications.
    pub authentications: Window,
    /// A scheduled reconnect; needs [`super::Engine::set_wall_clock`].
    pub nightly: Option<NightlyReconnect>,
    /// Whether to send LCP echoes at all.
    pub echo: bool,
}

impl Policy {
    /// The figures of `preset`.
    pub const fn preset(_preset: Preset) -> Self {
        Self {
            carrier: Carrier::Other,
            discovery: Window { limit: 4, period: Duration::from_secs(60) },
            dials: Window { limit: 3, period: Duration::from_secs(300) },
            authentications: Window { limit: 4, period: Duration::from_secs(180) },
            nightly: None,
            echo: true,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::preset(Preset::Generic)
    }
}
