//! The router's side on the LAN: tells hosts the prefixes, the way out, the DNS servers.
//!
//! ```text
//!              link_up                  every 200 to 600 s; the first three, and the three after a change, within 16 s
//!   Down ───────────────► Advertising ────────────────────────────────────────────────────────► RA to all
//!    ▲                      │    ▲
//!    └──────── link_down ───┘    └── Router Solicitation: answered within 0.5 s, by unicast where it told how
//! ```
//!
//! A prefix that is gone is not just left out: hosts would keep addresses of it for hours. It is advertised with a
//! preferred lifetime of zero for as long as its addresses could be in use (RFC 9096 §3.5). A router without a way out
//! says so with a router lifetime of zero, and hosts fall back to what else they have at once.
//!
//! Reading list: RFC 4861 §6.2 (routers); RFC 9096 §3.4, §3.5 (lifetimes, stale prefixes); RFC 7084 §4.3 (a home
//! router's LAN); RFC 8106 §5 (DNS); RFC 8910 §2.3 (captive portal).

mod event;

pub use event::{Counters, Dropped, Event};

use gatelet_wire::ndp::{
    ALL_NODES, Message, NdOption, Packet, Preference, PrefixInformation, RouterAdvertisement, Writer, network,
};
use gatelet_wire::{EthernetAddress, Ipv6Address, Ipv6Cidr};
use heapless::{Deque, String, Vec};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::is_usable_network;
use crate::lifetime::Lifetime;

/// Prefixes that are advertised, those that are gone included.
pub const PREFIXES: usize = 6;
/// DNS servers that are advertised.
pub const DNS_SERVERS: usize = 3;
/// Octets of a captive portal's URI (RFC 8910 §2).
pub const URI_MAX: usize = 255;
/// Octets of the longest advertisement.
pub const PACKET_MAX: usize = 56 + 8 + 8 + 32 * PREFIXES + 2 * (8 + 16 * DNS_SERVERS) + 8 + URI_MAX;

/// `AdvDefaultLifetime`: three times the longest interval (RFC 4861 §6.2.1).
const ROUTER_LIFETIME_SECONDS: u16 = 1800;
/// `ND_PREFERRED_LIMIT`: 45 minutes (RFC 9096 §3.4).
const PREFERRED_MOST_SECONDS: u32 = 2700;
/// `ND_VALID_LIMIT`: 90 minutes (RFC 9096 §3.4).
const VALID_MOST_SECONDS: u32 = 5400;
/// `MinRtrAdvInterval` and `MaxRtrAdvInterval` (RFC 4861 §6.2.1, the defaults).
const INTERVAL_SECONDS: (u32, u32) = (200, 600);
/// `MAX_INITIAL_RTR_ADVERT_INTERVAL` (RFC 4861 §10).
const INITIAL_INTERVAL: Duration = Duration::from_secs(16);
/// `MAX_INITIAL_RTR_ADVERTISEMENTS` (RFC 4861 §10).
const INITIAL_COUNT: u8 = 3;
/// `MIN_DELAY_BETWEEN_RAS` (RFC 4861 §10).
const LEAST_DELAY: Duration = Duration::from_secs(3);
/// `MAX_RA_DELAY_TIME` (RFC 4861 §10).
const ANSWER_DELAY_MICROS: u32 = 500_000;
/// Solicitations that wait for an answer by unicast; one more, and all hear it.
const WAITING: usize = 4;

/// Who we are on the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Our link-local address.
    pub link_local: Ipv6Address,
    /// Our hardware address.
    pub mac: EthernetAddress,
}

/// A prefix for hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanPrefix {
    /// The prefix: 64 bits, or hosts cannot make addresses of it.
    pub prefix: Ipv6Cidr,
    /// How long it is to be used for what is new.
    pub preferred: Lifetime,
    /// How long it is ours.
    pub valid: Lifetime,
}

/// The router. About 800 B.
#[derive(Debug)]
pub struct Router {
    config: Config,
    state: State,
    prefixes: Vec<Advertised, PREFIXES>,
    has_way_out: bool,
    /// In octets; `None`: what Ethernet has.
    mtu: Option<u16>,
    dns_servers: Vec<Ipv6Address, DNS_SERVERS>,
    /// Servers that hosts are to forget.
    old_dns_servers: Vec<Ipv6Address, DNS_SERVERS>,
    captive_portal_uri: String<URI_MAX>,
    events: Deque<Event, 4>,
    /// The other router that was told of last.
    other: Option<Ipv6Address>,
    counters: Counters,
}

#[derive(Debug)]
enum State {
    Down,
    Advertising(Schedule),
}

#[derive(Debug)]
struct Schedule {
    /// When the next advertisement for all is due.
    at: Instant,
    last: Option<Instant>,
    /// How many are still to come quickly.
    hurry: u8,
    /// Who is to be answered alone, and when.
    waiting: Vec<Solicitor, WAITING>,
    answer_at: Option<Instant>,
    random: u32,
}

/// A host that has asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Solicitor {
    address: Ipv6Address,
    mac: EthernetAddress,
}

#[derive(Debug, Clone, Copy)]
struct Advertised {
    prefix: LanPrefix,
    /// It is gone, and hosts are told so until its valid lifetime ends.
    is_old: bool,
}

/// An advertisement that was written: an IPv6 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// For whom.
    pub destination: Ipv6Address,
    /// By which hardware address.
    pub mac: EthernetAddress,
    /// Its length in octets.
    pub len: usize,
}

impl Router {
    /// A router at rest that knows no way out.
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Down,
            prefixes: Vec::new(),
            has_way_out: false,
            mtu: None,
            dns_servers: Vec::new(),
            old_dns_servers: Vec::new(),
            captive_portal_uri: String::new(),
            events: Deque::new(),
            other: None,
            counters: Counters::ZERO,
        }
    }

    /// What is advertised and not gone.
    pub fn prefixes(&self) -> impl Iterator<Item = &LanPrefix> {
        self.prefixes.iter().filter(|known| !known.is_old).map(|known| &known.prefix)
    }

    /// What is gone, and advertised as such.
    pub fn old_prefixes(&self) -> impl Iterator<Item = &LanPrefix> {
        self.prefixes.iter().filter(|known| known.is_old).map(|known| &known.prefix)
    }

    /// Whether hosts are told that there is a way out.
    pub const fn is_default_router(&self) -> bool {
        self.has_way_out
    }

    /// What was ignored, and how often.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The LAN is up: begins, unless it has begun already.
    pub fn link_up(&mut self, now: Instant, rng: &mut dyn Rng) {
        if matches!(self.state, State::Down) {
            self.state = State::Advertising(Schedule {
                at: now,
                last: None,
                hurry: INITIAL_COUNT,
                waiting: Vec::new(),
                answer_at: None,
                random: rng.next_u32(),
            });
        }
    }

    /// The LAN is down.
    pub fn link_down(&mut self) {
        self.state = State::Down;
    }

    /// Advertises these prefixes from now on. Those of before that are not among them are deprecated at once, and told
    /// so for 90 minutes at most (RFC 9096 §3.5). Where there is no place for a new one, the oldest of those that are
    /// gone is forgotten.
    pub fn set_prefixes(&mut self, now: Instant, prefixes: &[LanPrefix]) {
        let mut is_changed = false;
        for known in self.prefixes.iter_mut().filter(|known| !known.is_old) {
            if !prefixes.iter().any(|new| new.prefix == known.prefix.prefix) {
                known.grow_old(now);
                is_changed = true;
            }
        }
        for new in prefixes {
            if let Some(known) = self.prefixes.iter_mut().find(|known| known.prefix.prefix == new.prefix) {
                is_changed |= known.is_old;
                *known = Advertised { prefix: *new, is_old: false };
            } else if new.prefix.prefix_len() == 64 && is_usable_network(new.prefix) {
                self.insert(Advertised { prefix: *new, is_old: false });
                is_changed = true;
            } else {
                self.counters.count(Dropped::Prefix);
            }
        }
        if is_changed {
            self.hurry(now);
        }
    }

    /// Hosts may have addresses of this prefix, from before a reboot: it is advertised as gone, unless it is among those
    /// that are not (RFC 9096 §3.5).
    pub fn deprecate(&mut self, now: Instant, prefix: Ipv6Cidr) {
        let is_known = self.prefixes.iter().any(|known| known.prefix.prefix == prefix);
        if is_known || prefix.prefix_len() != 64 || !is_usable_network(prefix) {
            return;
        }
        let valid = Lifetime::of(now, VALID_MOST_SECONDS);
        let prefix = LanPrefix { prefix, preferred: Lifetime::Until(now), valid };
        self.insert(Advertised { prefix, is_old: true });
        self.hurry(now);
    }

    /// Whether there is a way out, by which hosts may send to the Internet.
    pub fn set_default_router(&mut self, now: Instant, is_default_router: bool) {
        if core::mem::replace(&mut self.has_way_out, is_default_router) != is_default_router {
            self.hurry(now);
        }
    }

    /// The longest packet that hosts are to send, in octets; `None`: as long as Ethernet has it. One below 1280 is
    /// none.
    pub fn set_mtu(&mut self, now: Instant, mtu: Option<u16>) {
        let mtu = mtu.filter(|mtu| *mtu >= super::host::LEAST_MTU);
        if core::mem::replace(&mut self.mtu, mtu) != mtu {
            self.hurry(now);
        }
    }

    /// The DNS servers that hosts are to ask. Beyond [`DNS_SERVERS`] they are left out; those of before are withdrawn.
    pub fn set_dns_servers(&mut self, now: Instant, servers: &[Ipv6Address]) {
        let new: Vec<Ipv6Address, DNS_SERVERS> = servers.iter().copied().take(DNS_SERVERS).collect();
        if new == self.dns_servers {
            return;
        }
        let old = core::mem::replace(&mut self.dns_servers, new);
        let gone = old.into_iter().filter(|server| !self.dns_servers.contains(server));
        self.old_dns_servers = gone.collect();
        self.hurry(now);
    }

    /// The URI of a captive portal's API; empty, or longer than [`URI_MAX`]: none.
    pub fn set_captive_portal_uri(&mut self, now: Instant, uri: &str) {
        let uri = if uri.len() > URI_MAX { "" } else { uri };
        if uri != self.captive_portal_uri {
            self.captive_portal_uri = String::try_from(uri).unwrap_or_default();
            self.hurry(now);
        }
    }

    /// Takes an IPv6 packet of the LAN with an ICMPv6 message.
    ///
    /// # Errors
    /// Why it was ignored; it has been counted.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) -> Result<(), Dropped> {
        let result = self.take(now, packet);
        if let Err(reason) = result {
            self.counters.count(reason);
        }
        result
    }

    fn take(&mut self, now: Instant, packet: &[u8]) -> Result<(), Dropped> {
        let packet = Packet::parse(packet)?;
        match packet.message {
            Message::RouterSolicitation => {}
            Message::RouterAdvertisement(_) => {
                if packet.source != self.config.link_local && self.other != Some(packet.source) {
                    self.other = Some(packet.source);
                    self.tell(Event::OtherRouter { address: packet.source });
                }
                return Err(Dropped::OtherRouter);
            }
            _ => return Err(Dropped::NotSolicitation),
        }
        let State::Advertising(schedule) = &mut self.state else { return Err(Dropped::Down) };
        let mac = packet.options().find_map(|option| match option {
            NdOption::SourceLinkLayer(mac) => Some(mac),
            _ => None,
        });
        let at = now + Duration::from_micros(u64::from(schedule.draw(ANSWER_DELAY_MICROS)));
        let solicitor = mac
            .filter(|mac| mac.is_unicast() && !packet.source.is_unspecified())
            .map(|mac| Solicitor { address: packet.source, mac });
        match solicitor {
            Some(solicitor) if schedule.waiting.contains(&solicitor) => {}
            Some(solicitor) if schedule.waiting.push(solicitor).is_ok() => {
                schedule.answer_at.get_or_insert(at);
            }
            _ => schedule.no_later_than(at),
        }
        Ok(())
    }

    /// Forgets what has ended.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.prefixes.retain(|known| !known.prefix.valid.is_over(now));
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and [`poll_transmit`](Self::poll_transmit) after it.
    pub fn poll_at(&self) -> Option<Instant> {
        let prefixes = self.prefixes.iter().filter_map(|known| known.prefix.valid.until());
        let State::Advertising(schedule) = &self.state else { return prefixes.min() };
        prefixes.chain([schedule.at]).chain(schedule.answer_at).min()
    }

    /// Whether an advertisement is due.
    pub fn wants_to_send(&self, now: Instant) -> bool {
        let State::Advertising(schedule) = &self.state else { return false };
        schedule.at <= now || schedule.answer_at.is_some_and(|at| at <= now)
    }

    /// Writes the advertisement that is due, an IPv6 packet. `None` if none is due, or `buffer` is too small for it
    /// ([`PACKET_MAX`] octets are enough).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Outgoing> {
        let State::Advertising(schedule) = &self.state else { return None };
        let is_for_all = schedule.at <= now;
        let (destination, mac) = if is_for_all {
            (ALL_NODES, ALL_NODES_MAC)
        } else {
            schedule.answer_at.filter(|at| *at <= now)?;
            let Solicitor { address, mac } = schedule.waiting.first()?;
            (*address, *mac)
        };
        let len = self.emit(now, buffer, destination)?;
        let State::Advertising(schedule) = &mut self.state else { return None };
        if is_for_all {
            schedule.note_sent(now);
            if schedule.hurry == 0 {
                // Said often enough.
                self.old_dns_servers.clear();
            }
        } else {
            schedule.waiting.remove(0);
            if schedule.waiting.is_empty() {
                schedule.answer_at = None;
            }
        }
        Some(Outgoing { destination, mac, len })
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn emit(&self, now: Instant, buffer: &mut [u8], destination: Ipv6Address) -> Option<usize> {
        let said = RouterAdvertisement {
            hop_limit: 64,
            is_managed: false,
            // The DNS servers, for hosts that know nothing of RDNSS.
            has_other: !self.dns_servers.is_empty(),
            preference: Preference::Medium,
            router_lifetime_seconds: if self.has_way_out { ROUTER_LIFETIME_SECONDS } else { 0 },
            reachable_time_ms: 0,
            retrans_timer_ms: 0,
        };
        let message = Message::RouterAdvertisement(said);
        let mut writer = Writer::new(buffer, self.config.link_local, destination, &message);
        writer.source_link_layer(self.config.mac);
        if let Some(mtu) = self.mtu {
            writer.mtu(u32::from(mtu));
        }
        for Advertised { prefix, is_old } in &self.prefixes {
            let valid = prefix.valid.seconds(now).min(VALID_MOST_SECONDS);
            let preferred = prefix.preferred.seconds(now).min(PREFERRED_MOST_SECONDS).min(valid);
            writer.prefix(&PrefixInformation {
                prefix: network(prefix.prefix.address(), 64),
                is_on_link: true,
                is_autonomous: true,
                valid_lifetime_seconds: valid,
                preferred_lifetime_seconds: if *is_old { 0 } else { preferred },
            });
        }
        writer.rdnss(u32::from(ROUTER_LIFETIME_SECONDS), &self.dns_servers);
        writer.rdnss(0, &self.old_dns_servers);
        writer.captive_portal(self.captive_portal_uri.as_bytes());
        writer.finish().ok()
    }

    /// Something has changed: hosts are told soon, and more than once.
    fn hurry(&mut self, now: Instant) {
        if let State::Advertising(schedule) = &mut self.state {
            schedule.hurry = INITIAL_COUNT;
            schedule.no_later_than(now);
        }
    }

    fn insert(&mut self, new: Advertised) {
        if self.prefixes.is_full() {
            let old = self.prefixes.iter().enumerate().filter(|(_, known)| known.is_old);
            let Some((index, _)) = old.min_by_key(|(_, known)| known.prefix.valid) else {
                self.counters.count(Dropped::TooManyPrefixes);
                return;
            };
            self.prefixes.remove(index);
        }
        // There is a place now.
        let _ = self.prefixes.push(new);
    }

    fn tell(&mut self, event: Event) {
        if self.events.push_back(event).is_err() {
            self.counters.events_lost = self.counters.events_lost.wrapping_add(1);
        }
    }
}

impl Advertised {
    fn grow_old(&mut self, now: Instant) {
        self.is_old = true;
        self.prefix.preferred = Lifetime::Until(now);
        self.prefix.valid = self.prefix.valid.min(Lifetime::of(now, VALID_MOST_SECONDS));
    }
}

impl Schedule {
    /// Brings the next advertisement for all forward, but not closer to the last one than RFC 4861 §6.2.6 has it.
    fn no_later_than(&mut self, at: Instant) {
        let least = self.last.map_or(at, |last| at.max(last + LEAST_DELAY));
        self.at = self.at.min(least);
    }

    fn note_sent(&mut self, now: Instant) {
        self.last = Some(now);
        let (least, most) = INTERVAL_SECONDS;
        let wait = least * 1_000_000 + self.draw((most - least) * 1_000_000);
        let wait = Duration::from_micros(u64::from(wait));
        self.hurry = self.hurry.saturating_sub(1);
        self.at = now + if self.hurry > 0 { wait.min(INITIAL_INTERVAL) } else { wait };
        // All have heard it.
        self.waiting.clear();
        self.answer_at = None;
    }

    /// A number below `bound`.
    fn draw(&mut self, bound: u32) -> u32 {
        // The generator of Numerical Recipes: good enough to keep hosts from answering in chorus.
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(bound) * u64::from(self.random)) >> 32) as u32
    }
}

/// `33:33` and the last four octets of `ff02::1` (RFC 2464 §7).
const ALL_NODES_MAC: EthernetAddress = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);

#[cfg(test)]
mod tests;
