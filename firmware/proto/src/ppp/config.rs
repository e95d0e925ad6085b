//! What a [`Link`](super::Link) is told before it opens, and the defaults with their sources.

use core::fmt;

use heapless::String;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Address;

use super::auth::AuthMethod;

/// User name and password, at most 128 octets each.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The account at the carrier.
    pub username: String<128>,
    /// Never printed.
    pub password: String<128>,
}

impl Credentials {
    /// Both at once; `None` if either is longer than 128 octets.
    pub fn new(username: &str, password: &str) -> Option<Self> {
        Some(Self { username: username.try_into().ok()?, password: password.try_into().ok()? })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Everything a [`Link`](super::Link) needs to know.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Who we are.
    pub credentials: Credentials,
    /// The weakest method the password may be shown by. PAP by default, because carriers use it. A
    /// peer that demands no authentication at all is accepted: then nothing is shown to it.
    pub minimum_auth: AuthMethod,
    /// Whether [`Link::authenticate`](super::Link::authenticate) must be called before the first
    /// PAP request or CHAP response of a session goes out. Off by default. It lets the redial
    /// engine count authentications before they happen.
    pub ask_before_authenticating: bool,
    /// Our MRU and the most we send, octets: 1492 on Ethernet (RFC 2516 §7), up to 1500 where
    /// discovery echoed PPP-Max-Payload (RFC 4638).
    pub mru: u16,
    /// Whether IPCP is wanted; its failure ends the link.
    pub ipv4: bool,
    /// Whether IPV6CP is wanted; its failure ends the link only where IPv4 is not wanted.
    pub ipv6: bool,
    /// What IPCP gave us last time, asked for again.
    pub last_ipv4: Option<LastIpv4>,
    /// LCP echo.
    pub echo: Echo,
    /// Timers and limits.
    pub timers: Timers,
}

impl LinkConfig {
    /// The defaults for these credentials: PAP allowed, MRU 1492, IPv4 and IPv6, adaptive echo.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            minimum_auth: AuthMethod::Pap,
            ask_before_authenticating: false,
            mru: 1492,
            ipv4: true,
            ipv6: true,
            last_ipv4: None,
            echo: Echo::default(),
            timers: Timers::default(),
        }
    }
}

/// The IPv4 settings of the previous session. With all of them in the first IPCP
/// Configure-Request a concentrator that still agrees acknowledges at once, which saves the round
/// trip of the Configure-Nak. A server that is unknown is asked for by 0.0.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastIpv4 {
    /// Our address.
    pub address: Ipv4Address,
    /// The DNS servers (RFC 1877).
    pub dns: [Option<Ipv4Address>; 2],
}

/// When LCP Echo-Requests go out (RFC 1661 §5.8).
///
/// An echo counts as missed only if nothing at all arrived from its sending until the next one is
/// due: a link that carries traffic is alive whatever it does with echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// Never.
    Off,
    /// One each `interval`.
    On {
        /// From one echo to the next.
        interval: Duration,
        /// This many missed in a row end the link.
        max_missed: u8,
    },
    /// One only when nothing was received for `interval`. The first of a session are sent even with
    /// traffic, until one is answered, so that a peer that ignores echo is known before the line
    /// falls idle and would be mistaken for a dead one.
    Adaptive {
        /// The silence that calls for an echo, and from one echo to the next.
        interval: Duration,
        /// This many missed in a row end the link.
        max_missed: u8,
    },
}

impl Echo {
    /// 20 s: `LCP_INTERVAL` in rp-pppoe's pppoe.conf.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(20);
    /// 3: `LCP_FAILURE` there. A dead line is noticed 60 to 80 s after its last packet; shorter
    /// would turn outages a line survives into redials, which cost more (concentrators throttle).
    pub const DEFAULT_MAX_MISSED: u8 = 3;

    /// Interval and limit, where echoes are sent at all.
    pub(super) const fn timing(self) -> Option<(Duration, u8)> {
        match self {
            Self::Off => None,
            Self::On { interval, max_missed } | Self::Adaptive { interval, max_missed } => {
                Some((interval, max_missed))
            }
        }
    }
}

/// Adaptive, 20 s, 3 missed.
impl Default for Echo {
    fn default() -> Self {
        Self::Adaptive { interval: Self::DEFAULT_INTERVAL, max_missed: Self::DEFAULT_MAX_MISSED }
    }
}

/// Restart timer, counters and patience.
///
/// A request is first repeated after 1.1 to 1.25 s, then after twice that, then every 3 s, ten
/// transmissions in all: given up 25 to 28 s after the first. pppd waits 3 s ten times, 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// The first Restart period is drawn between this, 1.1 s,
    pub restart_min: Duration,
    /// and this, 1.25 s: once for each session.
    pub restart_max: Duration,
    /// The Restart period doubles up to this, 3 s: RFC 1661 §4.6's default.
    pub restart_ceiling: Duration,
    /// Max-Configure, 10 (RFC 1661 §4.6); for PAP requests as well.
    pub max_configure: u8,
    /// Max-Terminate, 2 (RFC 1661 §4.6).
    pub max_terminate: u8,
    /// Max-Failure, 5 (RFC 1661 §4.6): after so many Configure-Naks we reject instead.
    pub max_failure: u8,
    /// Longest stay, 30 s, in each of LCP, authentication and a network protocol's negotiation,
    /// against a peer that keeps answering without ever agreeing, or leaves the next step undone.
    pub patience: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            restart_min: Duration::from_millis(1100),
            restart_max: Duration::from_millis(1250),
            restart_ceiling: Duration::from_secs(3),
            max_configure: 10,
            max_terminate: 2,
            max_failure: 5,
            patience: Duration::from_secs(30),
        }
    }
}
