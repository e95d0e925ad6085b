//! Concentrator models, as data: what each vendor documents, what the field reports, and what we had to assume.
//!
//! The figures come from the vendors' command references and from issue trackers, named at each model. Where a vendor
//! gives only a range, or ships the throttle switched off, the figure here is an assumption and says so.

use smoltcp::time::Duration;

use super::throttle::{Key, Kind, Rule, Stage};

/// What the concentrator itself does about a second session of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleSession {
    /// As many as they like.
    Allow,
    /// The new one replaces the old one, which gets a PADT.
    Replace,
    /// The new one is refused while the old one lives.
    Deny,
}

/// A kind of access concentrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for people.
    pub title: &'static str,
    /// Where the figures come from.
    pub source: &'static str,
    /// Its throttles. A request must pass all of them.
    pub rules: Vec<Rule>,
    /// Second sessions of one user.
    pub single_session: SingleSession,
    /// How long a PADO is held back.
    pub pado_delay: Duration,
}

impl Model {
    /// Every model, in the order reports list them.
    pub fn all() -> Vec<Self> {
        vec![
            Self::open(),
            Self::cisco(),
            Self::cisco_strict(),
            Self::cisco_tight(),
            Self::asr9000(),
            Self::huawei(),
            Self::huawei_padi_discard(),
            Self::h3c(),
            Self::junos(),
            Self::junos_line(),
            Self::junose(),
            Self::accel_ppp(),
            Self::accel_ppp_deny(),
            Self::bell(),
            Self::silent_cisco(),
        ]
    }

    /// The model of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|model| model.name == name)
    }

    /// The fewest requests or failures that lock this model's clients out; `None` if nothing does.
    pub fn limit(&self) -> Option<u32> {
        self.rules
            .iter()
            .filter_map(|rule| match rule.kind {
                Kind::Requests { limit, .. }
                | Kind::Failures { limit, .. }
                | Kind::Unfinished { limit, .. } => Some(limit),
                Kind::ShortCycle { .. } | Kind::Rejection { .. } => Some(1),
                Kind::Spacing { .. } => None,
            })
            .min()
    }

    /// Whether Gatelet promises never to lock itself out of this model: N >= 5, or no throttle that locks.
    pub fn promised(&self) -> bool {
        self.limit().is_none_or(|limit| limit >= 5)
    }

    /// The longest its locks last.
    pub fn longest_block(&self) -> Duration {
        let block = |rule: &Rule| match rule.kind {
            Kind::Requests { block, .. }
            | Kind::Failures { block, .. }
            | Kind::Rejection { block }
            | Kind::Unfinished { block, .. } => block,
            Kind::ShortCycle { maximum, .. } => maximum,
            Kind::Spacing { .. } => Duration::ZERO,
        };
        self.rules.iter().map(block).max().unwrap_or(Duration::ZERO)
    }

    /// No throttle at all.
    pub fn open() -> Self {
        Self {
            name: "open",
            title: "no throttle",
            source: "RFC 2516 asks for none",
            rules: Vec::new(),
            single_session: SingleSession::Allow,
            pado_delay: Duration::ZERO,
        }
    }

    /// Cisco IOS with the throttle its own documentation shows.
    pub fn cisco() -> Self {
        Self {
            name: "cisco",
            title: "Cisco IOS, sessions per-mac throttle 10 60 300",
            source: "Cisco IOS, PPPoE Connection Throttling: 10 requests in 60 s, then silence for 300 s; \
                     which of PADI and PADR is a \"request\" is not said: both are counted, the stricter reading",
            rules: vec![requests(10, 60, 300, Key::Mac, false)],
            ..Self::open()
        }
    }

    /// The strictest Cisco that Gatelet's promise covers.
    pub fn cisco_strict() -> Self {
        Self {
            name: "cisco-strict",
            title: "Cisco IOS, throttle 5 60 300, extended by PADIs",
            source: "assumption: the smallest N of the promise, and a lock that every PADI starts anew",
            rules: vec![requests(5, 60, 300, Key::Mac, true)],
            ..Self::open()
        }
    }

    /// A Cisco stricter than any promise can hold: one dial already costs two of three requests.
    pub fn cisco_tight() -> Self {
        Self {
            name: "cisco-tight",
            title: "Cisco IOS, throttle 3 60 300",
            source: "assumption: below the promise, to see what happens there",
            rules: vec![requests(3, 60, 300, Key::Mac, false)],
            ..Self::open()
        }
    }

    /// Cisco ASR 9000, throttle keyed by circuit.
    pub fn asr9000() -> Self {
        Self {
            name: "asr9000",
            title: "Cisco ASR 9000, sessions circuit-id throttle 10 60 300",
            source: "ASR 9000 command reference: keyed by MAC, circuit id or VLAN, off by default; \
                     assumption: the figures of the IOS example",
            rules: vec![requests(10, 60, 300, Key::Line, false)],
            ..Self::open()
        }
    }

    /// Huawei `NetEngine` with the chastening it ships with.
    pub fn huawei() -> Self {
        Self {
            name: "huawei",
            title: "Huawei NetEngine, ppp connection chasten 5 180 300 quickoffline",
            source: "NetEngine 8000 command reference: 5 failures in 180 s freeze for 300 s, by default dropped at \
                     PADR; quickoffline counts sessions that end right after they came up (assumption: 60 s)",
            rules: vec![chasten(Stage::Padr, Key::Mac)],
            ..Self::open()
        }
    }

    /// Huawei `NetEngine` that drops frozen clients' PADIs.
    pub fn huawei_padi_discard() -> Self {
        Self {
            name: "huawei-padi-discard",
            title: "Huawei NetEngine, ppp connection chasten 5 180 300 padi-discard quickoffline",
            source: "NetEngine 8000 command reference, option padi-discard",
            rules: vec![Rule { extended_by_requests: true, ..chasten(Stage::Padi, Key::Mac) }],
            ..Self::open()
        }
    }

    /// H3C with both its throttles.
    pub fn h3c() -> Self {
        Self {
            name: "h3c",
            title: "H3C, pppoe-server throttle per-mac 6 60 300 and ppp authentication chasten 6 60 300",
            source: "H3C command reference: N 1..100000, T and B 1..3600 s, chastening keyed by user and domain, \
                     both off by default; assumption: 6 in 60 s, 300 s",
            rules: vec![
                requests(6, 60, 300, Key::Mac, false),
                Rule {
                    kind: Kind::Failures {
                        limit: 6,
                        window: Duration::from_secs(60),
                        block: Duration::from_secs(300),
                        quick_offline: None,
                    },
                    key: Key::User,
                    stage: Stage::Authentication,
                    extended_by_requests: false,
                },
            ],
            ..Self::open()
        }
    }

    /// Juniper Junos.
    pub fn junos() -> Self {
        Self {
            name: "junos",
            title: "Juniper Junos, short-cycle-protection (1..300 s)",
            source: "Junos reference: failed or short-lived sessions are locked out for 1..300 s; \
                     assumption: short-lived is under 60 s, lengths double as on JunosE",
            rules: vec![short_cycle(Key::Mac)],
            ..Self::open()
        }
    }

    /// Juniper Junos, locking the line.
    pub fn junos_line() -> Self {
        Self {
            name: "junos-line",
            title: "Juniper Junos, short-cycle-protection filter aci",
            source: "Junos reference: the filter locks every session of the agent circuit id",
            rules: vec![short_cycle(Key::Line)],
            ..Self::open()
        }
    }

    /// Juniper `JunosE`.
    pub fn junose() -> Self {
        Self {
            name: "junose",
            title: "Juniper JunosE, encapsulation type lockout (30 s doubling to 300 s)",
            source: "JunosE 13.2 guide: min * 2^(n-1), n counted anew after max(15 min, lockout max); \
                     assumption: configured 30..300 s, failed sessions only",
            rules: vec![Rule {
                kind: Kind::ShortCycle {
                    minimum: Duration::from_secs(30),
                    maximum: Duration::from_secs(300),
                    short: Duration::ZERO,
                    forget: Duration::from_secs(15 * 60),
                },
                key: Key::Mac,
                stage: Stage::Padi,
                extended_by_requests: false,
            }],
            ..Self::open()
        }
    }

    /// accel-ppp as it ships.
    pub fn accel_ppp() -> Self {
        Self {
            name: "accel-ppp",
            title: "accel-ppp, one PADI a second, pado-delay 100, single-session=replace",
            source: "accel-ppp: a second PADI of a MAC within 1 s is dropped; pado-delay, single-session: accel-ppp.conf(5)",
            rules: vec![Rule {
                kind: Kind::Spacing { interval: Duration::from_secs(1) },
                key: Key::Mac,
                stage: Stage::Padi,
                extended_by_requests: false,
            }],
            single_session: SingleSession::Replace,
            pado_delay: Duration::from_millis(100),
        }
    }

    /// accel-ppp that refuses second sessions.
    pub fn accel_ppp_deny() -> Self {
        Self {
            name: "accel-ppp-deny",
            title: "accel-ppp, one PADI a second, single-session=deny",
            single_session: SingleSession::Deny,
            ..Self::accel_ppp()
        }
    }

    /// Bell Canada as its customers report it.
    pub fn bell() -> Self {
        Self {
            name: "bell",
            title: "Bell Canada: no reconnect for 15 min after a rejection",
            source: "asuswrt-merlin issue 1526: blocked when reconnecting within 15 min of a rejection; \
                     work-around in use: hold-off 1000 s",
            rules: vec![Rule {
                kind: Kind::Rejection { block: Duration::from_secs(15 * 60) },
                key: Key::Line,
                stage: Stage::Padi,
                extended_by_requests: false,
            }],
            ..Self::open()
        }
    }

    /// A Cisco that falls silent until it gets a PADT.
    pub fn silent_cisco() -> Self {
        Self {
            name: "silent-cisco",
            title: "a Cisco, silent for 30 min after futile PADIs, or until a PADT",
            source: "rp-pppoe issue 28: silent for 30 min or more after too many PADI/PADO failures until a PADT \
                     with session 0 comes from the client's MAC; assumption: 8 PADIs without a session",
            rules: vec![Rule {
                kind: Kind::Unfinished { limit: 8, block: Duration::from_secs(30 * 60) },
                key: Key::Mac,
                stage: Stage::Padi,
                extended_by_requests: false,
            }],
            ..Self::open()
        }
    }
}

fn requests(limit: u32, window: u64, block: u64, key: Key, extended_by_requests: bool) -> Rule {
    Rule {
        kind: Kind::Requests {
            limit,
            window: Duration::from_secs(window),
            block: Duration::from_secs(block),
        },
        key,
        stage: Stage::Padi,
        extended_by_requests,
    }
}

fn chasten(stage: Stage, key: Key) -> Rule {
    Rule {
        kind: Kind::Failures {
            limit: 5,
            window: Duration::from_secs(180),
            block: Duration::from_secs(300),
            quick_offline: Some(Duration::from_secs(60)),
        },
        key,
        stage,
        extended_by_requests: false,
    }
}

fn short_cycle(key: Key) -> Rule {
    Rule {
        kind: Kind::ShortCycle {
            minimum: Duration::from_secs(1),
            maximum: Duration::from_secs(300),
            short: Duration::from_secs(60),
            forget: Duration::from_secs(15 * 60),
        },
        key,
        stage: Stage::Padi,
        extended_by_requests: false,
    }
}
