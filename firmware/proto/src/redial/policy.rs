//! The figures the engine works with, and the presets for people. All of it is data; every figure may be overridden.

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
    /// How many; 1 to 8 (what the ledger remembers), for discovery 2 to 8 (a PADI and its PADR). Other values count as
    /// the nearest of these.
    pub limit: u8,
    /// Within which time.
    pub period: Duration,
}

/// A time to be drawn evenly from between two bounds, so that a street whose power comes back does not dial in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

/// Hang up and dial again at a quiet hour, before the carrier does so at a busy one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NightlyReconnect {
    /// Seconds after local midnight.
    pub second_of_day: u32,
    /// Minutes the local time is ahead of UTC (China: 480).
    pub utc_offset_minutes: i16,
    /// The age at which the carrier ends a session. A night whose session will still be younger than that on the
    /// next one is slept through.
    pub forced_disconnect: Duration,
}

impl NightlyReconnect {
    /// 04:30 in China, against a forced disconnect every 48 h (logs show 2826 to 2885 minutes).
    pub const CHINA_48_HOURS: Self = Self {
        second_of_day: 4 * 3600 + 30 * 60,
        utc_offset_minutes: 480,
        forced_disconnect: Duration::from_secs(2826 * 60),
    };
}

/// Every figure of the engine; start from a [`Preset`] and override what you know better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whose hotline the sentences name.
    pub carrier: Carrier,

    /// PADIs and PADRs together. The last place in the window is kept for the PADR that a PADO calls for.
    pub discovery: Window,
    /// Dials, each counted from its first PADR.
    pub dials: Window,
    /// Authentications.
    pub authentications: Window,
    /// PADIs are at least this far apart.
    pub padi_spacing: Duration,
    /// PADIs in one dial, the first included, before it counts as unanswered.
    pub padi_attempts: u8,

    /// Silence after this many dials means that we are locked out.
    pub suspicious_dials: Window,
    /// Silence after this many sessions that failed before they were of use means that we are locked out.
    pub suspicious_sessions: Window,
    /// How long a lockout is waited out without one PADI or PADR.
    pub hold: Between,
    /// After a cold power-on inside a hold: how long before its one PADI.
    pub cold_start: Duration,

    /// A dark line is polled with a single PADI this often, ...
    pub dark_poll: Between,
    /// ... for this long, ...
    pub dark_polling: Duration,
    /// ... and then left in silence for this long, in turns.
    pub dark_silence: Between,

    /// The first wait after a dial that failed; each further one is four times as long, ...
    pub back_off_first: Duration,
    /// ... up to this.
    pub back_off_most: Duration,
    /// A session that ends sooner than this after coming up counts as failed.
    pub quick_offline: Duration,
    /// A session this old writes the ledger once more, so that the next power-on knows that the dial is long past.
    pub settled: Duration,
    /// How often "up, but no traffic" may redial.
    pub no_traffic: Duration,

    /// A scheduled reconnect; needs [`super::Engine::set_wall_clock`].
    pub nightly: Option<NightlyReconnect>,
    /// Whether to send LCP echoes at all.
    pub echo: bool,
}

/// The names of the presets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// China Unicom.
    Unicom,
    /// China Telecom.
    Telecom,
    /// China Mobile: some of its concentrators answer no LCP echo.
    Mobile,
    /// Bell Canada: refuses reconnects for 15 minutes.
    Bell,
    /// Any carrier.
    Generic,
    /// The user's own figures, which start from those of [`Preset::Generic`].
    Custom,
}

impl Preset {
    /// Every preset, in the order a person should see them.
    pub const ALL: [Self; 6] =
        [Self::Unicom, Self::Telecom, Self::Mobile, Self::Bell, Self::Generic, Self::Custom];

    /// The name in settings and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unicom => "unicom",
            Self::Telecom => "telecom",
            Self::Mobile => "mobile",
            Self::Bell => "bell",
            Self::Generic => "generic",
            Self::Custom => "custom",
        }
    }

    /// The preset called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What every preset starts from.
const GENERIC: Policy = Policy {
    carrier: Carrier::Other,

    // Cisco's example throttle is 10 requests in 60 s; half of that is still not reached.
    discovery: Window { limit: 4, period: seconds(60) },
    // "Several dials in a short time" lock a Unicom line; Huawei's `quickoffline` counts 5 sessions in 180 s.
    dials: Window { limit: 3, period: seconds(300) },
    // Huawei `ppp connection chasten`: 5 failed authentications in 180 s freeze the account.
    authentications: Window { limit: 4, period: seconds(180) },
    // accel-ppp drops a second PADI of the same MAC address within 1 s.
    padi_spacing: Duration::from_millis(1100),
    // With a third, the first poll of a dark line would find no room in the window for itself and its PADR.
    padi_attempts: 2,

    // As many dials as the budget allows within one window of it, seen over two windows.
    suspicious_dials: Window { limit: 3, period: seconds(600) },
    suspicious_sessions: Window { limit: 2, period: seconds(600) },
    // Cisco's example, Huawei and Junos lock for 300 s; users of Unicom lines wait "five minutes or more". Whether a
    // PADI prolongs the lock is not documented, so the line is left alone for longer than that.
    hold: Between { least: seconds(310), most: seconds(360) },
    // Unplugging for five minutes is the folk cure; a minute more rules out the user who waited only four.
    cold_start: seconds(60),

    // An ONT boots in 60 to 120 s: four polls. Two PADIs a minute are within every documented throttle.
    dark_poll: Between { least: seconds(30), most: seconds(31) },
    dark_polling: seconds(300),
    dark_silence: Between { least: seconds(310), most: seconds(360) },

    // JunosE locks for min * 2^(n-1), from 1 s: 3, 12, 48, 192 s stay ahead of 1, 2, 4, 8 s.
    back_off_first: seconds(3),
    back_off_most: seconds(300),
    quick_offline: seconds(60),
    settled: seconds(600),
    no_traffic: seconds(600),

    nightly: None,
    echo: true,
};

impl Policy {
    /// The figures of `preset`.
    pub const fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Unicom => Self { carrier: Carrier::Unicom, ..GENERIC },
            Preset::Telecom => Self { carrier: Carrier::Telecom, ..GENERIC },
            // China Mobile concentrators that answer no LCP echo had sessions dropped by the client itself every
            // 6 to 12 h (rt-n56u issue 18).
            Preset::Mobile => Self { carrier: Carrier::Mobile, echo: false, ..GENERIC },
            // Field reports: reconnects refused for 15 minutes; a hold-off of 1000 s works.
            Preset::Bell => Self { hold: Between { least: seconds(1000), most: seconds(1050) }, ..GENERIC },
            Preset::Generic | Preset::Custom => GENERIC,
        }
    }
}

impl Policy {
    /// With a window of discovery that a dial fits into.
    pub(super) fn usable(mut self) -> Self {
        self.discovery.limit = self.discovery.limit.max(2);
        self
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::preset(Preset::Generic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_found_by_name() {
        for preset in Preset::ALL {
            assert_eq!(Preset::from_name(preset.name()), Some(preset));
        }
        assert_eq!(Preset::from_name("Unicom"), None);
    }

    #[test]
    fn every_preset_keeps_the_documented_throttles() {
        for policy in Preset::ALL.map(Policy::preset) {
            assert!(policy.discovery.limit < 5 && policy.discovery.period >= seconds(60));
            assert!(policy.authentications.limit < 5 && policy.authentications.period >= seconds(180));
            assert!(policy.hold.least >= seconds(310) && policy.hold.most >= policy.hold.least);
            assert!(policy.dark_silence.least >= seconds(310));
        }
    }

    #[test]
    fn only_a_documented_longer_lock_makes_a_longer_silence() {
        for preset in Preset::ALL {
            let longer = Policy::preset(preset).hold.least > seconds(310);
            assert_eq!(longer, preset == Preset::Bell, "{}", preset.name());
        }
    }

    #[test]
    fn mobile_sends_no_echo() {
        for preset in Preset::ALL {
            assert_eq!(Policy::preset(preset).echo, preset != Preset::Mobile);
        }
    }
}
