//! The host's side on a WAN: solicits routers, and keeps what they advertise for as long as it lasts.
//!
//! ```text
//!            link_up                       RA of a default router
//!   Down ───────────────► Soliciting ──────────────────────────────► Settled
//!    ▲                     │  ▲  RS after 4 s, 8 s, … up to an hour      │ the last default router
//!    │ link_down           │  └─────────────────────────────────────────┘ has ended
//!    └─────────────────────┘      prefixes, servers and MTU are heard in either state
//! ```
//!
//! A router that says so is obeyed at once, as far as RFC 4862 §5.5.3 (e) lets anybody shorten a prefix: two hours are
//! left at least, so that a forger cannot take our addresses away.
//!
//! Reading list: RFC 4861 §6.3 (hosts); RFC 4862 §5.5 (addresses); RFC 7559 (solicitations without end); RFC 4191 §3
//! (preferences); RFC 8106 §5.3, §6 (RDNSS); RFC 8910 §2.3 (captive portal); RFC 7084 §4.2 (a home router's WAN).

mod event;
mod table;

pub use event::{Counters, Dropped, Event};
pub use table::{DefaultRouter, DnsServer, OnLink};

use gatelet_wire::ndp::{
    ALL_ROUTERS, Message, NdOption, Options, Packet, Preference, PrefixInformation, RouterAdvertisement,
    Writer,
};
use gatelet_wire::{EthernetAddress, Ipv6Address};
use heapless::{Deque, String, Vec};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::{is_usable_network, link_local, with_interface_id};
use crate::lifetime::Lifetime;
use crate::retransmit::{Exchange, Pace};

/// Default routers that are kept.
pub const ROUTERS: usize = 2;
/// Prefixes that are kept.
pub const PREFIXES: usize = 4;
/// DNS servers that are kept.
pub const DNS_SERVERS: usize = 3;
/// Octets of a captive portal's URI (RFC 8910 §2).
pub const URI_MAX: usize = 255;
/// The least MTU of a link that carries IPv6 (RFC 8200 §5).
pub const LEAST_MTU: u16 = 1280;

/// `RTR_SOLICITATION_INTERVAL` and the longest wait (RFC 7559 §2).
const SOLICITATIONS: Pace =
    Pace { initial: Duration::from_secs(4), most: Duration::from_secs(3600), is_first_full: false };
/// `MAX_RTR_SOLICITATION_DELAY` (RFC 4861 §10): on a link with others, so that a street does not speak in chorus.
const START_SPREAD_MICROS: u32 = 1_000_000;
/// What nobody can shorten a prefix below (RFC 4862 §5.5.3 (e)).
const SHORTENED_LEAST_SECONDS: u32 = 2 * 3600;

/// Who we are on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// What our addresses end with: IPV6CP's, or one of our own.
    pub interface_id: [u8; 8],
    /// Our hardware address, on a link that has such.
    pub mac: Option<EthernetAddress>,
    /// The longest packet that the link carries, in octets: what routers say cannot be above it.
    pub mtu: u16,
}

/// The host. About 1 KB.
#[derive(Debug)]
pub struct Host {
    config: Config,
    state: State,
    routers: Vec<DefaultRouter, ROUTERS>,
    prefixes: Vec<OnLink, PREFIXES>,
    dns_servers: Vec<DnsServer, DNS_SERVERS>,
    /// What is told once for the link.
    settings: Settings,
    events: Deque<Event, 8>,
    counters: Counters,
}

#[derive(Debug)]
enum State {
    Down,
    Soliciting(Exchange),
    Settled,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Settings {
    mtu: Option<u16>,
    hop_limit: Option<u8>,
    is_managed: bool,
    has_other: bool,
    captive_portal_uri: String<URI_MAX>,
}

impl Host {
    /// A host at rest.
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Down,
            routers: Vec::new(),
            prefixes: Vec::new(),
            dns_servers: Vec::new(),
            settings: Settings {
                mtu: None,
                hop_limit: None,
                is_managed: false,
                has_other: false,
                captive_portal_uri: String::new(),
            },
            events: Deque::new(),
            counters: Counters::ZERO,
        }
    }

    /// Our link-local address.
    pub const fn link_local(&self) -> Ipv6Address {
        link_local(self.config.interface_id)
    }

    /// The default router: the most preferred, of these the one that was heard first.
    pub fn router(&self) -> Option<&DefaultRouter> {
        // The table is sorted.
        self.routers.first()
    }

    /// Prefixes of the link, and our addresses in them.
    pub fn prefixes(&self) -> &[OnLink] {
        &self.prefixes
    }

    /// Our address: of those that are preferred, else of those that are valid, the one that stays longest.
    pub fn address(&self) -> Option<Ipv6Address> {
        let all = self.prefixes.iter().filter(|prefix| prefix.address.is_some());
        all.max_by_key(|prefix| (!prefix.is_deprecated, prefix.preferred, prefix.valid))?.address
    }

    /// DNS servers, the one that stays longest first.
    pub fn dns_servers(&self) -> &[DnsServer] {
        &self.dns_servers
    }

    /// The link's MTU in octets: the routers', if it is one, at most that of [`Config`].
    pub fn mtu(&self) -> u16 {
        self.settings.mtu.map_or(self.config.mtu, |mtu| mtu.min(self.config.mtu))
    }

    /// The hop limit that routers suggest.
    pub const fn hop_limit(&self) -> Option<u8> {
        self.settings.hop_limit
    }

    /// The newest advertisement's M flag: there are addresses by DHCPv6.
    pub const fn is_managed(&self) -> bool {
        self.settings.is_managed
    }

    /// The newest advertisement's O flag: there are other settings by DHCPv6.
    pub const fn has_other(&self) -> bool {
        self.settings.has_other
    }

    /// The URI of a captive portal's API, printable ASCII; or empty.
    pub fn captive_portal_uri(&self) -> &str {
        &self.settings.captive_portal_uri
    }

    /// What was ignored, and how often.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The link is up: begins anew, as `config` has it.
    pub fn link_up(&mut self, now: Instant, rng: &mut dyn Rng, config: Config) {
        self.link_down();
        self.config = config;
        let spread = match config.mac {
            Some(_) => u64::from(rng.next_u32() % START_SPREAD_MICROS),
            // Nobody else is on a point-to-point link.
            None => 0,
        };
        self.state = State::Soliciting(Exchange::new(now + Duration::from_micros(spread), rng));
    }

    /// The link is down: everything heard on it is void.
    pub fn link_down(&mut self) {
        if matches!(self.state, State::Down) {
            return;
        }
        self.state = State::Down;
        if !self.routers.is_empty() {
            self.routers.clear();
            self.tell(Event::RouterLost);
        }
        while let Some(prefix) = self.prefixes.pop() {
            if let Some(address) = prefix.address {
                self.tell(Event::AddressLost { address });
            }
        }
        self.dns_servers.clear();
        self.settings = Settings::default();
    }

    /// Takes an IPv6 packet with an ICMPv6 message.
    ///
    /// # Errors
    /// Why it was ignored as a whole; it has been counted.
    pub fn handle_packet(&mut self, now: Instant, rng: &mut dyn Rng, packet: &[u8]) -> Result<(), Dropped> {
        let result = self.take(now, rng, packet);
        if let Err(reason) = result {
            self.counters.count(reason);
        }
        result
    }

    fn take(&mut self, now: Instant, rng: &mut dyn Rng, packet: &[u8]) -> Result<(), Dropped> {
        let packet = Packet::parse(packet)?;
        let Message::RouterAdvertisement(said) = packet.message else {
            return Err(Dropped::NotAdvertisement);
        };
        if matches!(self.state, State::Down) {
            return Err(Dropped::Down);
        }
        if packet.source == self.link_local() {
            return Err(Dropped::OwnAddress);
        }
        self.take_router(now, rng, packet.source, &said);
        let before = self.settings.clone();
        self.settings.is_managed = said.is_managed;
        self.settings.has_other = said.has_other;
        if said.hop_limit != 0 {
            self.settings.hop_limit = Some(said.hop_limit);
        }
        let servers_changed = self.take_options(now, packet.options());
        if servers_changed || before != self.settings {
            self.tell(Event::SettingsChanged);
        }
        Ok(())
    }

    fn take_router(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        address: Ipv6Address,
        said: &RouterAdvertisement,
    ) {
        let before = self.router().map(|router| router.address);
        self.routers.retain(|router| router.address != address);
        if said.router_lifetime_seconds > 0 {
            let lifetime = Lifetime::of(now, u32::from(said.router_lifetime_seconds));
            let router = DefaultRouter { address, preference: said.preference, lifetime };
            if !table::insert_router(&mut self.routers, router, before == Some(address)) {
                self.counters.count(Dropped::TooManyRouters);
            }
        }
        self.router_may_have_changed(now, rng, before);
    }

    /// Tells of another default router than `before`, and looks for one where there is none.
    fn router_may_have_changed(&mut self, now: Instant, rng: &mut dyn Rng, before: Option<Ipv6Address>) {
        let router = self.router().map(|router| router.address);
        match (&self.state, router) {
            (State::Soliciting(_), Some(_)) => self.state = State::Settled,
            (State::Settled, None) => self.state = State::Soliciting(Exchange::new(now, rng)),
            _ => {}
        }
        if router == before {
            return;
        }
        self.tell(router.map_or(Event::RouterLost, |address| Event::Router { address }));
    }

    /// Answers whether the list of DNS servers has changed.
    fn take_options(&mut self, now: Instant, options: Options<'_>) -> bool {
        let mut servers_changed = false;
        for option in options {
            match option {
                NdOption::Prefix(prefix) => self.take_prefix(now, &prefix),
                // One below the least is a mistake, and ignored (RFC 4861 §6.3.4).
                NdOption::Mtu(mtu) => match u16::try_from(mtu) {
                    Ok(mtu) if mtu >= LEAST_MTU => self.settings.mtu = Some(mtu),
                    Ok(_) => self.counters.count(Dropped::Mtu),
                    // More than any link of ours has.
                    Err(_) => self.settings.mtu = Some(u16::MAX),
                },
                NdOption::Rdnss { lifetime_seconds, servers } => {
                    for address in servers {
                        servers_changed |= self.take_server(now, address, lifetime_seconds);
                    }
                }
                NdOption::CaptivePortal(uri) => {
                    let mut text = String::new();
                    let fits = uri
                        .iter()
                        .all(|octet| octet.is_ascii_graphic() && text.push(char::from(*octet)).is_ok());
                    if fits {
                        self.settings.captive_portal_uri = text;
                    } else {
                        self.counters.count(Dropped::CaptivePortal);
                    }
                }
                NdOption::Unreadable { .. } => self.counters.count(Dropped::UnreadableOption),
                // Routes: the default router is asked instead (RFC 4191 §3.1, type A and B hosts).
                NdOption::SourceLinkLayer(_)
                | NdOption::TargetLinkLayer(_)
                | NdOption::Route(_)
                | NdOption::Other { .. } => {}
            }
        }
        servers_changed
    }

    /// RFC 4861 §6.3.4, RFC 4862 §5.5.3.
    fn take_prefix(&mut self, now: Instant, said: &PrefixInformation) {
        let (valid_seconds, preferred_seconds) =
            (said.valid_lifetime_seconds, said.preferred_lifetime_seconds);
        if !is_usable_network(said.prefix) || preferred_seconds > valid_seconds {
            self.counters.count(Dropped::Prefix);
            return;
        }
        let (valid, preferred) = (Lifetime::of(now, valid_seconds), Lifetime::of(now, preferred_seconds));
        if let Some(known) = self.prefixes.iter_mut().find(|known| known.prefix == said.prefix) {
            let two_hours = Lifetime::of(now, SHORTENED_LEAST_SECONDS);
            known.valid = if valid_seconds > SHORTENED_LEAST_SECONDS || valid > known.valid {
                valid
            } else {
                known.valid.min(two_hours)
            };
            known.preferred = preferred.min(known.valid);
            let was_deprecated = core::mem::replace(&mut known.is_deprecated, known.preferred.is_over(now));
            let is_deprecated = known.is_deprecated;
            known.is_on_link |= said.is_on_link;
            let is_new = known.address.is_none() && said.is_autonomous && said.prefix.prefix_len() == 64;
            if is_new {
                known.address = Some(with_interface_id(said.prefix.address(), self.config.interface_id));
            }
            let Some(address) = known.address else { return };
            if is_new || (was_deprecated && !is_deprecated) {
                self.tell(Event::Address { address });
            } else if is_deprecated && !was_deprecated {
                self.tell(Event::AddressDeprecated { address });
            }
            return;
        }
        if valid_seconds == 0 || !(said.is_on_link || said.is_autonomous) {
            return;
        }
        // Interface identifiers have 64 bits: a prefix of another length makes no address (RFC 4862 §5.5.3 (d)).
        let makes_address = said.is_autonomous && said.prefix.prefix_len() == 64;
        let address =
            makes_address.then(|| with_interface_id(said.prefix.address(), self.config.interface_id));
        let prefix = OnLink {
            prefix: said.prefix,
            is_on_link: said.is_on_link,
            address,
            preferred,
            valid,
            is_deprecated: false,
        };
        match table::insert_prefix(&mut self.prefixes, prefix) {
            Ok(given_up) => {
                if let Some(address) = given_up.and_then(|given_up| given_up.address) {
                    self.tell(Event::AddressLost { address });
                }
                if let Some(address) = address {
                    self.tell(Event::Address { address });
                }
            }
            Err(table::Full) => self.counters.count(Dropped::TooManyPrefixes),
        }
    }

    fn take_server(&mut self, now: Instant, address: Ipv6Address, lifetime_seconds: u32) -> bool {
        if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
            self.counters.count(Dropped::DnsServer);
            return false;
        }
        let was_known = self.dns_servers.iter().any(|server| server.address == address);
        self.dns_servers.retain(|server| server.address != address);
        if lifetime_seconds == 0 {
            return was_known;
        }
        let server = DnsServer { address, lifetime: Lifetime::of(now, lifetime_seconds) };
        let is_kept = table::insert_server(&mut self.dns_servers, server);
        if !is_kept {
            self.counters.count(Dropped::TooManyServers);
        }
        is_kept && !was_known
    }

    /// Forgets what has ended.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut dyn Rng) {
        if matches!(self.state, State::Down) {
            return;
        }
        let before = self.router().map(|router| router.address);
        self.routers.retain(|router| !router.lifetime.is_over(now));
        self.router_may_have_changed(now, rng, before);
        let servers = self.dns_servers.len();
        self.dns_servers.retain(|server| !server.lifetime.is_over(now));
        if self.dns_servers.len() != servers {
            self.tell(Event::SettingsChanged);
        }
        for index in (0..self.prefixes.len()).rev() {
            let Some(prefix) = self.prefixes.get_mut(index) else { continue };
            let address = prefix.address;
            let event = if prefix.valid.is_over(now) {
                self.prefixes.remove(index);
                address.map(|address| Event::AddressLost { address })
            } else if !prefix.is_deprecated && prefix.preferred.is_over(now) {
                prefix.is_deprecated = true;
                address.map(|address| Event::AddressDeprecated { address })
            } else {
                None
            };
            if let Some(event) = event {
                self.tell(event);
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and [`poll_transmit`](Self::poll_transmit) after it.
    pub fn poll_at(&self) -> Option<Instant> {
        let solicitation = match &self.state {
            State::Soliciting(exchange) => Some(exchange.at),
            State::Down | State::Settled => None,
        };
        let routers = self.routers.iter().filter_map(|router| router.lifetime.until());
        let servers = self.dns_servers.iter().filter_map(|server| server.lifetime.until());
        let prefixes = self.prefixes.iter().filter_map(OnLink::next_change);
        solicitation.into_iter().chain(routers).chain(servers).chain(prefixes).min()
    }

    /// Whether a solicitation is due.
    pub fn wants_to_send(&self, now: Instant) -> bool {
        matches!(&self.state, State::Soliciting(exchange) if exchange.is_due(now))
    }

    /// Writes the Router Solicitation that is due, an IPv6 packet to `ff02::2`, and answers its length. `None` if none is
    /// due, or `buffer` is too small for it (56 octets are enough).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        let source = self.link_local();
        let State::Soliciting(exchange) = &mut self.state else { return None };
        if !exchange.is_due(now) {
            return None;
        }
        let mut writer = Writer::new(buffer, source, ALL_ROUTERS, &Message::RouterSolicitation);
        if let Some(mac) = self.config.mac {
            writer.source_link_layer(mac);
        }
        let len = writer.finish().ok()?;
        exchange.note_sent(now, SOLICITATIONS);
        Some(len)
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn tell(&mut self, event: Event) {
        if self.events.push_back(event).is_err() {
            self.counters.events_lost = self.counters.events_lost.wrapping_add(1);
        }
    }
}

/// The order in which routers are asked.
const fn rank(preference: Preference) -> u8 {
    match preference {
        Preference::High => 0,
        Preference::Medium => 1,
        Preference::Low => 2,
    }
}

#[cfg(test)]
mod tests;
