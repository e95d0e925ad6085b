//! What a concentrator may do to its clients, one switch each. Facts and their sources: router issue trackers and
//! vendor manuals, named at the switch.

use gatelet_wire::pppoe::TagKind;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Address;

use super::Ipv6Access;
use crate::peers::{dhcpv6, internet};

/// How PADI or PADR is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reception {
    /// By the book.
    Answer,
    /// Not at all.
    Silence,
    /// By an error tag (RFC 2516 appendix A) with a text.
    Error(TagKind, String),
}

/// When PPP begins after PADS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Startup {
    /// A Configure-Request follows PADS at once, as Cisco does (pppd's source works around it).
    AtOnce,
    /// The Configure-Request even overtakes PADS on the way.
    Early,
    /// Nothing is heard or said for this long: pppoe-server starts pppd, 0.24 s.
    After(Duration),
    /// Waits for the client to begin.
    Passive,
}

/// RFC 4638.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxPayload {
    /// The tag is ignored.
    Ignore,
    /// The tag is echoed, as long as it asks for no more than this.
    Echo(u16),
}

/// How clients must prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    None,
    /// PAP.
    Pap,
    /// CHAP-MD5.
    ChapMd5,
    /// MS-CHAPv2.
    MsChapV2,
}

/// AC-Cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// None is sent.
    None,
    /// One per client.
    Stable,
    /// A new one in each PADO; PADRs must carry the latest.
    Changing,
    /// A PADR is met with silence once, because the cookie has just changed: the client must start over from PADI.
    StaleOnce,
}

/// Liveness checks of the concentrator's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// An Echo-Request goes out when nothing was heard for this long.
    pub interval: Duration,
    /// After this many unanswered ones the session is given up.
    pub failures: u32,
}

/// What the concentrator is like today. Any field may be changed while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Moods {
    /// How PADIs are met.
    pub padi: Reception,
    /// How PADRs are met. `Silence` is "PADO without PADS".
    pub padr: Reception,
    /// Overrides the model: whether requests during a lock start it anew.
    pub lock_extended_by_requests: Option<bool>,
    /// Service names offered beside the empty one.
    pub services: Vec<String>,
    /// Cookies.
    pub cookie: Cookie,
    /// A second concentrator on the segment offers too.
    pub second_ac: bool,
    /// When PPP begins.
    pub startup: Startup,
    /// RFC 4638.
    pub max_payload: MaxPayload,
    /// Session packets with more than this many octets after the PPP protocol field vanish, either way.
    pub mtu_hole: Option<usize>,
    /// LCP, IPCP and IPV6CP nak and reject everything they may before they agree.
    pub contrary: bool,
    /// How clients authenticate.
    pub authentication: Authentication,
    /// Whether Echo-Requests are answered (rt-n56u issue 18: China Mobile does not).
    pub echo: bool,
    /// The concentrator's own Echo-Requests. It takes about 5 minutes to miss a client that lost power.
    pub keepalive: Option<Keepalive>,
    /// Whether subscribers' IP packets get anywhere (lede issue 6409: address obtained, no traffic until redial).
    pub forwarding: bool,
    /// A black hole ends when the client dials anew.
    pub forwarding_mended_by_redial: bool,
    /// Whether subscribers' IPv4 packets are passed on to an Internet with real servers ([`Outbox::pass_on`]), or
    /// answered on the spot by [`internet::answer_ipv4`].
    ///
    /// [`Outbox::pass_on`]: crate::world::Outbox::pass_on
    pub passes_on: bool,
    /// Sessions are ended after a time in this range (Unicom: 2826 to 2885 min in users' logs).
    pub kick_after: Option<(Duration, Duration)>,
    /// A second session of a user gets a walled-garden address and a portal (lede issue 4232).
    pub walled_garden: bool,
    /// Data for a session nobody knows is answered by PADT.
    pub padt_for_unknown: bool,
    /// A client that asks for an address it had before gets it if it is free.
    pub honours_requested_address: bool,
    /// Addresses are from a range of the Internet's, not from a carrier's NAT.
    pub public_addresses: bool,
    /// DNS servers handed out, at most two.
    pub dns: Vec<Ipv4Address>,
    /// Whether IPV6CP is spoken.
    pub ipv6: bool,
    /// What is given over IPv6 beyond a link; `None`: nothing. Counts from the next session on.
    pub ipv6_access: Option<Ipv6Access>,
    /// How the DHCPv6 server is.
    pub dhcpv6: dhcpv6::Mood,
    /// A text in Success and Authenticate-Ack.
    pub welcome: String,
}

impl Default for Moods {
    fn default() -> Self {
        Self {
            padi: Reception::Answer,
            padr: Reception::Answer,
            lock_extended_by_requests: None,
            services: Vec::new(),
            cookie: Cookie::Stable,
            second_ac: false,
            startup: Startup::AtOnce,
            max_payload: MaxPayload::Ignore,
            mtu_hole: None,
            contrary: false,
            authentication: Authentication::ChapMd5,
            echo: true,
            keepalive: Some(Keepalive { interval: Duration::from_secs(60), failures: 5 }),
            forwarding: true,
            forwarding_mended_by_redial: false,
            passes_on: false,
            kick_after: None,
            walled_garden: false,
            padt_for_unknown: false,
            honours_requested_address: true,
            public_addresses: false,
            dns: internet::DNS.to_vec(),
            ipv6: true,
            ipv6_access: None,
            dhcpv6: dhcpv6::Mood::Well,
            welcome: String::new(),
        }
    }
}
