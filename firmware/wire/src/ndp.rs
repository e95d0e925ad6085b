//! Neighbor Discovery: solicitations and advertisements of routers and neighbors, and their options.
//!
//! Reading list: RFC 4861 §4 (formats), §6.1 and §7.1 (validation); RFC 4191 §2 (preference, Route Information);
//! RFC 8106 §5.1 (RDNSS); RFC 8910 §2.3 (Captive-Portal).
//!
//! ```text
//!   Router Solicitation     133  reserved (4)                                             options
//!   Router Advertisement    134  hop limit (1) M O H Prf P (1) lifetime (2)
//!                                reachable time (4) retrans timer (4)                     options
//!   Neighbor Solicitation   135  reserved (4)  target (16)                                options
//!   Neighbor Advertisement  136  R S O, reserved (4)  target (16)                         options
//!     option:  TYPE (1)  LENGTH in units of 8 octets, itself and the type included (1)  VALUE
//! ```
//!
//! A packet whose options cannot be told apart is refused as a whole (RFC 4861 §4.6); an option that is known, and has
//! not the form it should have, is [`NdOption::Unreadable`], and to be ignored alone (RFC 8106 §5.3.1). Redirects are
//! not spoken: a router sends its own way.

use smoltcp::wire::{EthernetAddress, Ipv6Address, Ipv6Cidr};

use crate::cursor::{Filler, Reader};
use crate::icmpv6::{self, begin, finish};
use crate::{BufferTooSmall, Malformed};

/// The hop limit of every message: who sees it knows that no router has passed it on (RFC 4861 §3.1).
pub const HOP_LIMIT: u8 = 255;
/// All nodes on the link, `ff02::1` (RFC 4291 §2.7.1).
pub const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers on the link, `ff02::2` (RFC 4291 §2.7.1).
pub const ALL_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// A lifetime without end (RFC 4861 §4.6.2).
pub const INFINITE: u32 = u32::MAX;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const PREFIX_INFORMATION: u8 = 3;
const MTU: u8 = 5;
const ROUTE_INFORMATION: u8 = 24;
const RDNSS: u8 = 25;
const CAPTIVE_PORTAL: u8 = 37;

/// A message, without its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// RFC 4861 §4.1.
    RouterSolicitation,
    /// RFC 4861 §4.2.
    RouterAdvertisement(RouterAdvertisement),
    /// RFC 4861 §4.3.
    NeighborSolicitation {
        /// Whose link-layer address is asked for.
        target: Ipv6Address,
    },
    /// RFC 4861 §4.4.
    NeighborAdvertisement {
        /// Whose link-layer address is told.
        target: Ipv6Address,
        /// R: the sender is a router.
        is_router: bool,
        /// S: it answers a solicitation.
        is_solicited: bool,
        /// O: it counts for more than what is known.
        overrides: bool,
    },
}

/// What a router says of itself and the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// The hop limit that hosts should use; 0: not told.
    pub hop_limit: u8,
    /// M: addresses are to be had by DHCPv6.
    pub is_managed: bool,
    /// O: other settings are to be had by DHCPv6.
    pub has_other: bool,
    /// How it compares with other routers.
    pub preference: Preference,
    /// For how long it is a default router; 0: it is none.
    pub router_lifetime_seconds: u16,
    /// How long a neighbour counts as reachable; 0: not told.
    pub reachable_time_ms: u32,
    /// Between two solicitations; 0: not told.
    pub retrans_timer_ms: u32,
}

/// A router's, or a route's, preference (RFC 4191 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Preference {
    /// 11.
    Low,
    /// 00.
    #[default]
    Medium,
    /// 01.
    High,
}

impl Preference {
    /// `None` for the reserved value 10.
    const fn parse(flags: u8) -> Option<Self> {
        match flags >> 3 & 3 {
            0 => Some(Self::Medium),
            1 => Some(Self::High),
            3 => Some(Self::Low),
            _ => None,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Medium => 0,
            Self::High => 1 << 3,
            Self::Low => 3 << 3,
        }
    }
}

/// A message that passed the validation of RFC 4861.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// From whom.
    pub source: Ipv6Address,
    /// For whom.
    pub destination: Ipv6Address,
    /// What it says.
    pub message: Message,
    options: Options<'a>,
}

impl<'a> Packet<'a> {
    /// Reads a whole IPv6 packet.
    ///
    /// # Errors
    /// Those of [`icmpv6::Packet::parse`]; [`Malformed::NotNeighborDiscovery`], [`Malformed::HopLimit`],
    /// [`Malformed::Addresses`], [`Malformed::OptionOverrun`].
    pub fn parse(packet: &'a [u8]) -> Result<Self, Malformed> {
        let icmpv6::Packet { source, destination, hop_limit, kind, code, body } =
            icmpv6::Packet::parse(packet)?;
        if !matches!(kind, ROUTER_SOLICITATION..=NEIGHBOR_ADVERTISEMENT) || code != 0 {
            return Err(Malformed::NotNeighborDiscovery);
        }
        if hop_limit != HOP_LIMIT {
            return Err(Malformed::HopLimit);
        }
        let mut reader = Reader::new(body);
        let flags = reader.array::<4>()?;
        let message = match kind {
            ROUTER_SOLICITATION => Message::RouterSolicitation,
            ROUTER_ADVERTISEMENT => {
                let [hop_limit, bits, lifetime @ ..] = flags;
                Message::RouterAdvertisement(RouterAdvertisement {
                    hop_limit,
                    is_managed: bits & 0x80 != 0,
                    has_other: bits & 0x40 != 0,
                    // The reserved value counts as medium here (RFC 4191 §2.2).
                    preference: Preference::parse(bits).unwrap_or_default(),
                    router_lifetime_seconds: u16::from_be_bytes(lifetime),
                    reachable_time_ms: reader.u32()?,
                    retrans_timer_ms: reader.u32()?,
                })
            }
            NEIGHBOR_SOLICITATION => {
                Message::NeighborSolicitation { target: Ipv6Address::from(reader.array::<16>()?) }
            }
            _ => Message::NeighborAdvertisement {
                target: Ipv6Address::from(reader.array::<16>()?),
                is_router: flags[0] & 0x80 != 0,
                is_solicited: flags[0] & 0x40 != 0,
                overrides: flags[0] & 0x20 != 0,
            },
        };
        let options = Options { rest: reader.rest() };
        let mut all = options.clone();
        while all.parse_next()?.is_some() {}
        let packet = Self { source, destination, message, options };
        if packet.has_good_addresses() { Ok(packet) } else { Err(Malformed::Addresses) }
    }

    /// RFC 4861 §6.1.1, §6.1.2, §7.1.1, §7.1.2.
    fn has_good_addresses(&self) -> bool {
        let has_source = self.options().any(|option| matches!(option, NdOption::SourceLinkLayer(_)));
        match self.message {
            Message::RouterSolicitation => !self.source.is_unspecified() || !has_source,
            Message::RouterAdvertisement(_) => self.source.is_unicast_link_local(),
            Message::NeighborSolicitation { target } => {
                let is_probe = !has_source && self.destination == solicited_node(target);
                !target.is_multicast() && (!self.source.is_unspecified() || is_probe)
            }
            Message::NeighborAdvertisement { target, is_solicited, .. } => {
                !target.is_multicast() && (!self.destination.is_multicast() || !is_solicited)
            }
        }
    }

    /// Its options, in order.
    pub fn options(&self) -> Options<'a> {
        self.options.clone()
    }
}

/// The group that `address` is solicited in (RFC 4291 §2.7.1).
pub const fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, u16::from_be_bytes([b, c]))
}

/// The first address of the network that has the first `prefix_len` bits of `address`; 128 at most.
pub const fn network(address: Ipv6Address, prefix_len: u8) -> Ipv6Cidr {
    let prefix_len = if prefix_len > 128 { 128 } else { prefix_len };
    let mask = match u128::MAX.checked_shl(128 - prefix_len as u32) {
        Some(mask) => mask,
        None => 0,
    };
    Ipv6Cidr::new(Ipv6Address::from_bits(address.to_bits() & mask), prefix_len)
}

/// The options of a [`Packet`], in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    fn parse_next(&mut self) -> Result<Option<NdOption<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(self.rest);
        let [kind, units] = reader.array().map_err(|_| Malformed::OptionOverrun)?;
        let length = (usize::from(units) * 8).checked_sub(2).ok_or(Malformed::OptionOverrun)?;
        let value = reader.take(length, Malformed::OptionOverrun)?;
        self.rest = reader.rest();
        Ok(Some(NdOption::read(kind, value)))
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = NdOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // `Packet::parse` has read them all once: there is no error left to meet.
        self.parse_next().unwrap_or_default()
    }
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NdOption<'a> {
    /// 1: the sender's link-layer address (RFC 4861 §4.6.1).
    SourceLinkLayer(EthernetAddress),
    /// 2: the target's link-layer address (RFC 4861 §4.6.1).
    TargetLinkLayer(EthernetAddress),
    /// 3 (RFC 4861 §4.6.2).
    Prefix(PrefixInformation),
    /// 5: the link's MTU in octets (RFC 4861 §4.6.4).
    Mtu(u32),
    /// 24 (RFC 4191 §2.3).
    Route(RouteInformation),
    /// 25: recursive DNS servers (RFC 8106 §5.1).
    Rdnss {
        /// For how long; 0: not any more.
        lifetime_seconds: u32,
        /// The servers, at least one.
        servers: Servers<'a>,
    },
    /// 37: the URI of a captive portal's API, without the zeros behind it (RFC 8910 §2.3).
    CaptivePortal(&'a [u8]),
    /// One of those above in a wrong form: to be ignored.
    Unreadable {
        /// Its type.
        kind: u8,
    },
    /// Anything else: to be ignored.
    Other {
        /// Its type.
        kind: u8,
        /// What follows its length.
        value: &'a [u8],
    },
}

/// A prefix of the link (RFC 4861 §4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixInformation {
    /// The prefix; no bits are set behind it.
    pub prefix: Ipv6Cidr,
    /// L: its addresses are on the link.
    pub is_on_link: bool,
    /// A: addresses may be made of it (RFC 4862).
    pub is_autonomous: bool,
    /// How long it is on the link, and its addresses are valid; [`INFINITE`] is for ever.
    pub valid_lifetime_seconds: u32,
    /// How long its addresses are preferred; [`INFINITE`] is for ever.
    pub preferred_lifetime_seconds: u32,
}

/// A route by the sender (RFC 4191 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInformation {
    /// Where it leads; no bits are set behind the prefix.
    pub prefix: Ipv6Cidr,
    /// How it compares with others.
    pub preference: Preference,
    /// For how long; 0: not any more.
    pub lifetime_seconds: u32,
}

/// The servers of [`NdOption::Rdnss`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers<'a> {
    rest: &'a [[u8; 16]],
}

impl Iterator for Servers<'_> {
    type Item = Ipv6Address;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(Ipv6Address::from(*first))
    }
}

impl<'a> NdOption<'a> {
    fn read(kind: u8, value: &'a [u8]) -> Self {
        let known = match kind {
            SOURCE_LINK_LAYER => link_layer(value).map(Self::SourceLinkLayer),
            TARGET_LINK_LAYER => link_layer(value).map(Self::TargetLinkLayer),
            PREFIX_INFORMATION => PrefixInformation::read(value).map(Self::Prefix),
            MTU => <[u8; 6]>::try_from(value).ok().map(|[_, _, mtu @ ..]| Self::Mtu(u32::from_be_bytes(mtu))),
            ROUTE_INFORMATION => RouteInformation::read(value).map(Self::Route),
            RDNSS => rdnss(value),
            CAPTIVE_PORTAL => {
                let end = value.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
                value.get(..end).filter(|uri| !uri.is_empty()).map(Self::CaptivePortal)
            }
            _ => return Self::Other { kind, value },
        };
        known.unwrap_or(Self::Unreadable { kind })
    }
}

fn link_layer(value: &[u8]) -> Option<EthernetAddress> {
    <[u8; 6]>::try_from(value).ok().map(EthernetAddress)
}

fn rdnss(value: &[u8]) -> Option<NdOption<'_>> {
    let ([_, _, lifetime @ ..], servers) = value.split_first_chunk::<6>()?;
    let (servers, odd) = servers.as_chunks();
    let is_good = odd.is_empty() && !servers.is_empty();
    is_good.then_some(NdOption::Rdnss {
        lifetime_seconds: u32::from_be_bytes(*lifetime),
        servers: Servers { rest: servers },
    })
}

impl PrefixInformation {
    fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let [prefix_len, flags] = reader.array().ok()?;
        let (valid_lifetime_seconds, preferred_lifetime_seconds) = (reader.u32().ok()?, reader.u32().ok()?);
        reader.u32().ok()?;
        let prefix = Ipv6Address::from(reader.array::<16>().ok()?);
        let is_good = reader.rest().is_empty() && prefix_len <= 128;
        is_good.then_some(Self {
            prefix: network(prefix, prefix_len),
            is_on_link: flags & 0x80 != 0,
            is_autonomous: flags & 0x40 != 0,
            valid_lifetime_seconds,
            preferred_lifetime_seconds,
        })
    }
}

impl RouteInformation {
    fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let [prefix_len, flags] = reader.array().ok()?;
        let lifetime_seconds = reader.u32().ok()?;
        let given = reader.rest();
        let mut prefix = [0; 16];
        prefix.get_mut(..given.len())?.copy_from_slice(given);
        let is_long_enough = prefix_len <= 128 && usize::from(prefix_len) <= 8 * given.len();
        // The reserved preference makes the option void (RFC 4191 §2.3).
        let preference = Preference::parse(flags).filter(|_| is_long_enough)?;
        Some(Self { prefix: network(Ipv6Address::from(prefix), prefix_len), preference, lifetime_seconds })
    }
}

/// Writes a message, from its IPv6 header on, into a lent buffer.
///
/// ```
/// use gatelet_wire::Ipv6Address;
/// use gatelet_wire::ndp::{ALL_ROUTERS, Message, Packet, Writer};
/// let mut buffer = [0; 1280];
/// let own = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// let len = Writer::new(&mut buffer, own, ALL_ROUTERS, &Message::RouterSolicitation).finish()?;
/// assert_eq!(Packet::parse(&buffer[..len]).unwrap().source, own);
/// # Ok::<(), gatelet_wire::BufferTooSmall>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    filler: Filler<'a>,
    source: Ipv6Address,
    destination: Ipv6Address,
}

impl<'a> Writer<'a> {
    /// Begins a message at the front of `buffer`.
    pub fn new(
        buffer: &'a mut [u8],
        source: Ipv6Address,
        destination: Ipv6Address,
        message: &Message,
    ) -> Self {
        let mut filler = Filler::new(buffer);
        let kind = match message {
            Message::RouterSolicitation => ROUTER_SOLICITATION,
            Message::RouterAdvertisement(_) => ROUTER_ADVERTISEMENT,
            Message::NeighborSolicitation { .. } => NEIGHBOR_SOLICITATION,
            Message::NeighborAdvertisement { .. } => NEIGHBOR_ADVERTISEMENT,
        };
        begin(&mut filler, source, destination, HOP_LIMIT, kind);
        match message {
            Message::RouterSolicitation => filler.zeros(4),
            Message::RouterAdvertisement(said) => {
                let flags = u8::from(said.is_managed) << 7 | u8::from(said.has_other) << 6;
                filler.put(&[said.hop_limit, flags | said.preference.bits()]);
                filler.put(&said.router_lifetime_seconds.to_be_bytes());
                filler.put(&said.reachable_time_ms.to_be_bytes());
                filler.put(&said.retrans_timer_ms.to_be_bytes());
            }
            Message::NeighborSolicitation { target } => {
                filler.zeros(4);
                filler.put(&target.octets());
            }
            Message::NeighborAdvertisement { target, is_router, is_solicited, overrides } => {
                let flags = [(is_router, 7), (is_solicited, 6), (overrides, 5)];
                let flags = flags.iter().fold(0, |all, (is_set, bit)| all | u8::from(**is_set) << bit);
                filler.put(&[flags, 0, 0, 0]);
                filler.put(&target.octets());
            }
        }
        Self { filler, source, destination }
    }

    /// Appends our link-layer address.
    pub fn source_link_layer(&mut self, mac: EthernetAddress) -> &mut Self {
        self.option(SOURCE_LINK_LAYER, 1, &mac.0)
    }

    /// Appends the target's link-layer address.
    pub fn target_link_layer(&mut self, mac: EthernetAddress) -> &mut Self {
        self.option(TARGET_LINK_LAYER, 1, &mac.0)
    }

    /// Appends the link's MTU, in octets.
    pub fn mtu(&mut self, mtu: u32) -> &mut Self {
        self.option(MTU, 1, &[0, 0]);
        self.filler.put(&mtu.to_be_bytes());
        self
    }

    /// Appends a prefix.
    pub fn prefix(&mut self, prefix: &PrefixInformation) -> &mut Self {
        let flags = u8::from(prefix.is_on_link) << 7 | u8::from(prefix.is_autonomous) << 6;
        self.option(PREFIX_INFORMATION, 4, &[prefix.prefix.prefix_len(), flags]);
        self.filler.put(&prefix.valid_lifetime_seconds.to_be_bytes());
        self.filler.put(&prefix.preferred_lifetime_seconds.to_be_bytes());
        self.filler.zeros(4);
        self.filler.put(&prefix.prefix.address().octets());
        self
    }

    /// Appends a route, in the fewest octets that hold its prefix.
    pub fn route(&mut self, route: &RouteInformation) -> &mut Self {
        let units = route.prefix.prefix_len().div_ceil(64);
        self.option(ROUTE_INFORMATION, 1 + units, &[route.prefix.prefix_len(), route.preference.bits()]);
        self.filler.put(&route.lifetime_seconds.to_be_bytes());
        let octets = route.prefix.address().octets();
        self.filler.put(octets.get(..usize::from(units) * 8).unwrap_or_default());
        self
    }

    /// Appends DNS servers; nothing if there are none. 127 fit at most.
    pub fn rdnss(&mut self, lifetime_seconds: u32, servers: &[Ipv6Address]) -> &mut Self {
        if servers.is_empty() {
            return self;
        }
        let Ok(units) = u8::try_from(1 + 2 * servers.len()) else {
            self.filler.fail();
            return self;
        };
        self.option(RDNSS, units, &[0, 0]);
        self.filler.put(&lifetime_seconds.to_be_bytes());
        for server in servers {
            self.filler.put(&server.octets());
        }
        self
    }

    /// Appends the URI of a captive portal's API; nothing if it is empty.
    pub fn captive_portal(&mut self, uri: &[u8]) -> &mut Self {
        if uri.is_empty() {
            return self;
        }
        let Ok(units) = u8::try_from((2 + uri.len()).div_ceil(8)) else {
            self.filler.fail();
            return self;
        };
        self.option(CAPTIVE_PORTAL, units, uri);
        self.filler.zeros(usize::from(units) * 8 - 2 - uri.len());
        self
    }

    /// Writes payload length and checksum, and answers the length of the packet.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if anything did not fit.
    pub fn finish(&mut self) -> Result<usize, BufferTooSmall> {
        finish(&mut self.filler, self.source, self.destination)
    }

    fn option(&mut self, kind: u8, units: u8, value: &[u8]) -> &mut Self {
        self.filler.put(&[kind, units]);
        self.filler.put(value);
        self
    }
}
