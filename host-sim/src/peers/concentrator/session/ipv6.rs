//! IPv6 of a session, once IPV6CP is open: Router Advertisements, DHCPv6, and whose packets are whose.
//!
//! ```text
//!  IPV6CP open ─► RA: a /64 for the line, DNS, MTU ◄── RS
//!             └─► DHCPv6: prefixes, routed here ─► packets from and to them pass
//! ```
//!
//! Reading list: RFC 5072 §4 (link-local addresses), RFC 4861 §6.2 (routers), RFC 7084 §4.2 (what a customer's router
//! expects).

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpProtocol, Ipv6Address, Ipv6Cidr, Ipv6Packet, UdpPacket};

use crate::peers::dhcpv6::{self, Mood, Server};
use crate::peers::internet::{self, DNS6};
use crate::peers::ndp::{self, Advertisement, Prefix};
use crate::peers::packet;

/// Between advertisements nobody asked for (RFC 4861 §6.2.1, `MaxRtrAdvInterval`).
const ADVERTISES_EVERY: Duration = Duration::from_secs(600);
/// Where the prefixes of lines are from (RFC 3849).
const LINES: Ipv6Address = Ipv6Address::new(0x2001, 0xDB8, 0xF000, 0, 0, 0, 0, 0);

/// What a concentrator gives a subscriber over IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Ipv6Access {
    /// Whether its advertisements have a prefix for the line.
    pub line_prefix: bool,
    /// How long it is a default router, as it says.
    pub router_lifetime: Duration,
    /// Whether its advertisements name DNS servers.
    pub rdnss: bool,
    /// Whether they say that there is DHCPv6 (O, and M where it gives an address).
    pub dhcp: bool,
    /// Length of a delegated prefix; `None`: nothing is delegated.
    pub delegates: Option<u8>,
    /// How many of them.
    pub prefixes: u32,
    /// Whether DHCPv6 gives an address for the line.
    pub address: bool,
    /// Whether SOLICIT with rapid commit binds.
    pub rapid_commit: bool,
    /// Preferred lifetime of what is given; the valid one is twice as long.
    pub preferred: Duration,
    /// Whether who redials gets the prefixes he had.
    pub keeps_prefix: bool,
    /// The captive portal that its advertisements name (RFC 8910).
    pub portal: Option<String>,
}

impl Default for Ipv6Access {
    fn default() -> Self {
        Self {
            line_prefix: true,
            router_lifetime: Duration::from_secs(1800),
            rdnss: true,
            dhcp: true,
            delegates: Some(56),
            prefixes: 1,
            address: false,
            rapid_commit: true,
            preferred: Duration::from_secs(3600),
            keeps_prefix: false,
            portal: None,
        }
    }
}

/// IPv6 of one session, or of a line without such.
#[derive(Debug)]
pub(in crate::peers) struct Routes {
    access: Ipv6Access,
    line: Ipv6Cidr,
    /// The prefix the line had, which advertisements take back.
    former: Option<Ipv6Cidr>,
    server: Server,
    advertise_at: Option<Instant>,
    /// On Ethernet: its hardware address. The line's /64 is on the link there.
    mac: Option<EthernetAddress>,
    pub(in super::super) advertised: u64,
    pub(in super::super) solicited: u64,
}

/// What came of a packet.
pub(in crate::peers) enum Made {
    /// It goes on to the Internet.
    Forward,
    /// Its source is nobody's here.
    Foreign,
    /// Its source was the subscriber's until the carrier renumbered, and that was not his fault.
    Stale,
    /// It was for the concentrator, which answers, and has something to tell.
    Answer(Vec<Vec<u8>>, Vec<Ipv6Cidr>),
}

impl Routes {
    pub(in crate::peers) fn new(access: Ipv6Access, subscriber: u32) -> Self {
        let line = line(subscriber);
        let address = access.address.then(|| Ipv6Address::from_bits(line.address().to_bits() | 0xD));
        let settings = dhcpv6::Settings {
            prefix_len: access.delegates.unwrap_or(64),
            prefixes: if access.delegates.is_some() { access.prefixes } else { 0 },
            address,
            rapid_commit: access.rapid_commit,
            preferred: access.preferred,
            valid: access.preferred * 2,
            dns: DNS6.to_vec(),
        };
        let server = Server::new(settings, subscriber);
        Self {
            access,
            line,
            former: None,
            server,
            advertise_at: None,
            mac: None,
            advertised: 0,
            solicited: 0,
        }
    }

    pub(in crate::peers) fn dhcp(&self) -> &dhcpv6::Counters {
        self.server.counters()
    }

    /// The same on Ethernet, of a router with this address.
    pub(in crate::peers) fn on_ethernet(self, mac: EthernetAddress) -> Self {
        Self { mac: Some(mac), ..self }
    }

    /// Whether an address is of the line's own /64.
    pub(in crate::peers) fn is_on_line(&self, address: Ipv6Address) -> bool {
        self.line.contains_addr(&address)
    }

    /// IPV6CP is open.
    pub(in crate::peers) fn open(&mut self, now: Instant) {
        self.advertise_at = Some(now);
    }

    /// IPV6CP is not open any more.
    pub(in crate::peers) fn close(&mut self) {
        self.advertise_at = None;
    }

    /// Other prefixes from now on: said at once of the line, when it renews of what is delegated.
    pub(in crate::peers) fn renumber(&mut self, now: Instant, subscriber: u32) {
        self.former = Some(self.line);
        self.line = line(subscriber);
        self.server.renumber(subscriber);
        self.advertise_at = self.advertise_at.and(Some(now));
    }

    pub(in crate::peers) fn poll_at(&self) -> Option<Instant> {
        self.advertise_at
    }

    /// The advertisement that is due.
    pub(in crate::peers) fn advertisement(
        &mut self,
        now: Instant,
        router: Ipv6Address,
        mtu: u16,
    ) -> Option<Vec<u8>> {
        self.advertise_at.filter(|&at| at <= now)?;
        self.advertise_at = Some(now + ADVERTISES_EVERY);
        Some(self.advertise(router, mtu))
    }

    fn advertise(&mut self, router: Ipv6Address, mtu: u16) -> Vec<u8> {
        self.advertised += 1;
        let (preferred, on_link) = (self.access.preferred, self.mac.is_some());
        let of =
            |cidr, preferred| Prefix { cidr, on_link, autonomous: true, valid: preferred * 2, preferred };
        let line = self.access.line_prefix.then(|| of(self.line, preferred));
        let former = self.former.filter(|_| self.access.line_prefix).map(|cidr| of(cidr, Duration::ZERO));
        let advertisement = Advertisement {
            lifetime: self.access.router_lifetime,
            managed: self.access.dhcp && self.access.address,
            other: self.access.dhcp,
            mac: self.mac,
            mtu: Some(u32::from(mtu)),
            prefixes: line.into_iter().chain(former).collect(),
            dns: if self.access.rdnss { DNS6.to_vec() } else { Vec::new() },
            dns_lifetime: self.access.router_lifetime,
            old_dns: Vec::new(),
            portal: self.access.portal.clone(),
        };
        advertisement.emit(router, ndp::ALL_NODES)
    }

    /// Whether an address is the subscriber's.
    pub(in crate::peers) fn has(&self, now: Instant, address: Ipv6Address) -> bool {
        self.access.line_prefix && self.line.contains_addr(&address)
            || self.access.address && self.line.contains_addr(&address)
            || self.server.delegated(now).any(|prefix| prefix.contains_addr(&address))
    }

    /// A packet, in order, of the subscriber's. `router` is the concentrator's address on the session.
    pub(in crate::peers) fn handle(
        &mut self,
        now: Instant,
        mood: Mood,
        router: Ipv6Address,
        mtu: u16,
        bytes: &[u8],
    ) -> Made {
        let packet = Ipv6Packet::new_unchecked(bytes);
        let (source, destination) = (packet.src_addr(), packet.dst_addr());
        if ndp::is_solicitation(bytes) {
            self.solicited += 1;
            return Made::Answer(vec![self.advertise(router, mtu)], Vec::new());
        }
        if let Some(message) = to_server(bytes).filter(|_| destination == dhcpv6::ALL_SERVERS) {
            if !self.access.dhcp {
                return Made::Answer(Vec::new(), Vec::new());
            }
            let answer = self.server.handle(now, mood, message);
            let (from, to) = ((router, dhcpv6::SERVER_PORT), (source, dhcpv6::CLIENT_PORT));
            let reply = answer.as_ref().map(|answer| packet::udp(from, to, &answer.message));
            let delegated = answer.map_or(Vec::new(), |answer| answer.delegated);
            return Made::Answer(reply.into_iter().collect(), delegated);
        }
        let is_of_the_link = ndp::is_link_local(source) || source.is_unspecified();
        if is_of_the_link && (ndp::is_link_local(destination) || destination.is_multicast()) {
            let mut identifier = [0; 8];
            identifier.copy_from_slice(&router.octets()[8..]);
            let reply = internet::answer_ipv6(bytes, identifier);
            return Made::Answer(reply.into_iter().collect(), Vec::new());
        }
        let was_the_line_s = self.former.is_some_and(|former| former.contains_addr(&source));
        if self.has(now, source) {
            Made::Forward
        } else if was_the_line_s || self.server.had(source) {
            Made::Stale
        } else {
            Made::Foreign
        }
    }
}

/// The /64 of a subscriber's line.
fn line(subscriber: u32) -> Ipv6Cidr {
    Ipv6Cidr::new(Ipv6Address::from_bits(LINES.to_bits() | u128::from(subscriber) << 64), 64)
}

/// The message to a DHCPv6 server in a packet.
fn to_server(bytes: &[u8]) -> Option<&[u8]> {
    let (protocol, payload) = packet::ipv6_payload(bytes)?;
    let datagram = UdpPacket::new_checked(payload).ok().filter(|_| protocol == IpProtocol::Udp)?;
    (datagram.dst_port() == dhcpv6::SERVER_PORT).then(|| datagram.payload())
}
