//! The words between the engine and its owner, beside the tasks.

use super::url::Url;

/// What the datapath sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activity {
    /// A LAN host sends something out. Once a second is often enough.
    LanActive,
    /// Traffic of LAN hosts comes back from the Internet: more than answers to the handshakes of a portal, such as
    /// octets of an established flow.
    TrafficReturns,
    /// LAN hosts send, and nothing has come back for some seconds.
    TrafficStalled,
}

/// What happened, and what is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// [`super::Engine::verdict`] is another, or has become final.
    VerdictChanged {
        /// Whether the round is over that led to it.
        is_final: bool,
    },
    /// Answers to LAN hosts are to be handed on, but neither kept nor served from the cache: what resolves now is
    /// forged, or will be wrong once somebody has signed in.
    DnsCacheFrozen,
    /// The cache may be used again.
    DnsCacheThawed,
    /// The name in [`super::Engine::portal_name`] may resolve to a private address.
    RebindRelaxed,
    /// No name may any more.
    RebindRestored,
    /// The session has an address, but nothing comes back: [`crate::redial::Event::NoTraffic`] is to be reported. Of the
    /// IPv4 engine only.
    NoTraffic,
    /// A probe failed twice while others succeeded; it is asked seldom from now on.
    ProbeDemoted {
        /// Its row in the region's list; see [`super::Engine::probe`].
        row: u8,
    },
    /// A demoted probe works again.
    ProbeRestored {
        /// Its row in the region's list.
        row: u8,
    },
}

/// What the network says of itself: DHCP option 114, RA option 37, `DHCPv6` option 103 (RFC 8910 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
pub enum CaptivePortalUri {
    /// `urn:ietf:params:capport:unrestricted`: there is no portal.
    Unrestricted,
    /// Where the API is (RFC 8908). It needs HTTPS with certificates, so it is shown and handed on, not fetched.
    Api(Url),
}

impl CaptivePortalUri {
    /// Reads the option's text. `None` if it is nothing that may be shown.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("urn:ietf:params:capport:unrestricted") {
            return Some(Self::Unrestricted);
        }
        Url::parse(text).map(Self::Api)
    }
}

/// Why the outcome of a task was ignored. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// Nobody waits for it any more.
    Late,
    /// It is no outcome of such a task.
    Mismatch,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 2] = [Self::Late, Self::Mismatch];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Late => "connectivity-late",
            Self::Mismatch => "connectivity-mismatch",
        }
    }
}

/// How often each reason of [`Dropped`] occurred. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters([u32; Dropped::ALL.len()]);

impl Counters {
    pub(super) const NONE: Self = Self([0; Dropped::ALL.len()]);

    /// Counts one.
    pub(super) fn count(&mut self, reason: Dropped) {
        let counter = &mut self.0[reason as usize];
        *counter = counter.wrapping_add(1);
    }

    /// How often `reason` occurred.
    pub const fn of(&self, reason: Dropped) -> u32 {
        self.0[reason as usize]
    }
}
