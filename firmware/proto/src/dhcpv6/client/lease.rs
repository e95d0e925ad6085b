//! What a server grants, looked at twice before it is believed.

use gatelet_wire::dhcpv6::{INFINITE, Ia, OptionCode, Options, StatusCode};
use gatelet_wire::{Ipv6Address, Ipv6Cidr};
use heapless::{String, Vec};
use smoltcp::time::Instant;

use super::Config;
use super::event::{Counters, Dropped};
use crate::dhcpv6::DuidBuf;
use crate::lifetime::Lifetime;
use crate::ra::is_usable_network;

/// Prefixes that are kept.
pub const PREFIXES: usize = 4;
/// Addresses that are kept.
pub const ADDRESSES: usize = 2;
/// DNS servers that are kept.
pub const DNS_SERVERS: usize = 3;
/// Octets of a captive portal's URI (RFC 8910 §2).
pub const URI_MAX: usize = 255;

/// The shortest prefix that is believed: carriers themselves get no more than a few bits less, sites get 48 to 64 bits
/// (RFC 6177 §2). Who delegates half of the Internet wants to have its traffic.
const LEAST_PREFIX_LEN: u8 = 24;
/// The longest: a LAN has 64 bits (RFC 4291 §2.5.1).
const MOST_PREFIX_LEN: u8 = 64;
/// T1 and T2 are not believed below this, lest we ask every second.
const LEAST_RENEWAL_SECONDS: u32 = 30;

/// A delegated prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delegated {
    /// The prefix, of 24 to 64 bits.
    pub prefix: Ipv6Cidr,
    /// How long it is to be used for what is new.
    pub preferred: Lifetime,
    /// How long it is ours.
    pub valid: Lifetime,
}

/// An assigned address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The address.
    pub address: Ipv6Address,
    /// How long it is to be used for what is new.
    pub preferred: Lifetime,
    /// How long it is ours.
    pub valid: Lifetime,
}

/// What we have been granted, and told about the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who renews it.
    pub server: DuidBuf,
    /// Prefixes that are ours.
    pub prefixes: Vec<Delegated, PREFIXES>,
    /// Addresses that are ours.
    pub addresses: Vec<Assigned, ADDRESSES>,
    /// DNS servers.
    pub dns_servers: Vec<Ipv6Address, DNS_SERVERS>,
    /// The URI of a captive portal's API (RFC 8910), printable ASCII; or empty.
    pub captive_portal_uri: String<URI_MAX>,
    /// T1: when its server is asked for more time.
    pub renew_at: Lifetime,
    /// T2: when any server is.
    pub rebind_at: Lifetime,
}

/// What a REPLY or ADVERTISE grants.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) lease: Lease,
    /// Leases whose lifetime is zero: not ours any more.
    withdrawn: Vec<Ipv6Cidr, { PREFIXES + ADDRESSES }>,
    /// The server knows nothing of what was to be renewed.
    pub(super) has_no_binding: bool,
    /// Whether any of our identity associations is in it.
    pub(super) answers: bool,
}

/// Reads what is ours in a message.
pub(super) struct Reading<'c> {
    now: Instant,
    config: &'c Config,
    counters: &'c mut Counters,
    granted: Granted,
    t1: u32,
    t2: u32,
    /// The shortest lifetimes of all.
    preferred: u32,
    valid: u32,
}

impl Granted {
    /// Reads the leases of a message from `server`. What cannot be used is counted and left out.
    pub(super) fn parse(
        now: Instant,
        config: &Config,
        counters: &mut Counters,
        server: &[u8],
        options: &Options<'_>,
    ) -> Result<Self, Dropped> {
        let server = DuidBuf::from_slice(server).map_err(|_| Dropped::Malformed)?;
        let lease = Lease {
            server,
            prefixes: Vec::new(),
            addresses: Vec::new(),
            dns_servers: dns_servers(options)?,
            captive_portal_uri: captive_portal_uri(options)?,
            renew_at: Lifetime::Forever,
            rebind_at: Lifetime::Forever,
        };
        let granted = Self { lease, withdrawn: Vec::new(), has_no_binding: false, answers: false };
        let (never, forever) = (INFINITE, INFINITE);
        let mut reading =
            Reading { now, config, counters, granted, t1: 0, t2: 0, preferred: never, valid: forever };
        for association in options.ias(OptionCode::IA_PD) {
            reading.take_prefixes(&association?)?;
        }
        for association in options.ias(OptionCode::IA_NA) {
            reading.take_addresses(&association?)?;
        }
        Ok(reading.finish())
    }

    /// Takes what an answer to RENEW or REBIND says into what we have (RFC 8415 §18.2.10.1): what it does not mention
    /// stays. `lost` hears of prefixes that were withdrawn.
    pub(super) fn renew(
        mut self,
        held: &Lease,
        counters: &mut Counters,
        mut lost: impl FnMut(Ipv6Cidr),
    ) -> Lease {
        for known in &held.prefixes {
            let is_withdrawn = self.withdrawn.contains(&known.prefix);
            if is_withdrawn {
                lost(known.prefix);
            } else if !self.lease.prefixes.iter().any(|new| new.prefix == known.prefix)
                && self.lease.prefixes.push(*known).is_err()
            {
                counters.count(Dropped::TooManyLeases);
                lost(known.prefix);
            }
        }
        for known in &held.addresses {
            let is_mentioned = self.withdrawn.contains(&Ipv6Cidr::new(known.address, 128))
                || self.lease.addresses.iter().any(|new| new.address == known.address);
            if !is_mentioned && self.lease.addresses.push(*known).is_err() {
                counters.count(Dropped::TooManyLeases);
            }
        }
        self.lease
    }
}

impl Reading<'_> {
    /// Whether an identity association is to be read further: it is ours, and nothing is wrong with it.
    fn begins(&mut self, association: &Ia<'_>) -> Result<bool, Dropped> {
        if association.iaid != self.config.iaid {
            self.counters.count(Dropped::Iaid);
            return Ok(false);
        }
        let Ia { t1_seconds, t2_seconds, .. } = *association;
        if t1_seconds > t2_seconds && t2_seconds > 0 {
            self.counters.count(Dropped::Times);
            return Ok(false);
        }
        self.granted.answers = true;
        let code = association.options.status()?.code;
        self.granted.has_no_binding |= code == StatusCode::NoBinding;
        let is_good = code == StatusCode::Success;
        if is_good {
            self.t1 = earlier(self.t1, t1_seconds);
            self.t2 = earlier(self.t2, t2_seconds);
        }
        Ok(is_good)
    }

    fn take_prefixes(&mut self, association: &Ia<'_>) -> Result<(), Dropped> {
        if self.config.wants_prefix.is_none() || !self.begins(association)? {
            return Ok(());
        }
        for said in association.options.ia_prefixes() {
            let said = said?;
            let (preferred, valid) = (said.preferred_seconds, said.valid_seconds);
            let is_long_enough = (LEAST_PREFIX_LEN..=MOST_PREFIX_LEN).contains(&said.prefix.prefix_len());
            if !is_long_enough || !is_usable_network(said.prefix) {
                self.counters.count(Dropped::Prefix);
            } else if preferred > valid {
                self.counters.count(Dropped::Times);
            } else if said.options.status()?.code != StatusCode::Success {
                self.counters.count(Dropped::Status);
            } else if valid == 0 {
                // One too many is forgotten when its own time is up.
                let _ = self.granted.withdrawn.push(said.prefix);
            } else {
                let (preferred, valid) = self.lifetimes(preferred, valid);
                let delegated = Delegated { prefix: said.prefix, preferred, valid };
                let all = &mut self.granted.lease.prefixes;
                let is_new = all.iter().all(|known| known.prefix != said.prefix);
                if is_new && all.push(delegated).is_err() {
                    self.counters.count(Dropped::TooManyLeases);
                }
            }
        }
        Ok(())
    }

    fn take_addresses(&mut self, association: &Ia<'_>) -> Result<(), Dropped> {
        if !self.config.wants_address || !self.begins(association)? {
            return Ok(());
        }
        for said in association.options.ia_addresses() {
            let said = said?;
            let (preferred, valid) = (said.preferred_seconds, said.valid_seconds);
            let host = Ipv6Cidr::new(said.address, 128);
            if !is_usable_network(host) {
                self.counters.count(Dropped::Address);
            } else if preferred > valid {
                self.counters.count(Dropped::Times);
            } else if said.options.status()?.code != StatusCode::Success {
                self.counters.count(Dropped::Status);
            } else if valid == 0 {
                let _ = self.granted.withdrawn.push(host);
            } else {
                let (preferred, valid) = self.lifetimes(preferred, valid);
                let assigned = Assigned { address: said.address, preferred, valid };
                let all = &mut self.granted.lease.addresses;
                let is_new = all.iter().all(|known| known.address != said.address);
                if is_new && all.push(assigned).is_err() {
                    self.counters.count(Dropped::TooManyLeases);
                }
            }
        }
        Ok(())
    }

    fn lifetimes(&mut self, preferred: u32, valid: u32) -> (Lifetime, Lifetime) {
        if preferred > 0 {
            self.preferred = self.preferred.min(preferred);
        }
        self.valid = self.valid.min(valid);
        (Lifetime::of(self.now, preferred), Lifetime::of(self.now, valid))
    }

    /// T1 and T2: the server's, unless they are too late; else half and four fifths of the shortest preferred lifetime
    /// (RFC 8415 §21.4).
    fn finish(self) -> Granted {
        let Self { now, mut granted, .. } = self;
        let shortest = self.preferred.min(self.valid);
        let part = |of: u32, count: u32| match shortest {
            INFINITE => INFINITE,
            seconds => seconds / of * count,
        };
        let or = |said: u32, default: u32| if said == 0 { default } else { said };
        let (half, four_fifths) = (part(2, 1), part(5, 4));
        let t1 = or(self.t1, half);
        let t2 = or(self.t2, four_fifths.max(t1));
        let is_in_time = t1 <= t2 && (t2 <= self.valid || self.valid == INFINITE);
        let (t1, t2) = if is_in_time { (t1, t2) } else { (half, four_fifths) };
        let t1 = t1.max(LEAST_RENEWAL_SECONDS);
        granted.lease.renew_at = Lifetime::of(now, t1);
        granted.lease.rebind_at = Lifetime::of(now, t2.max(t1));
        granted
    }
}

/// The smaller of what is not zero.
const fn earlier(one: u32, other: u32) -> u32 {
    if one == 0 || (other != 0 && other < one) { other } else { one }
}

impl Lease {
    /// Whether there is neither prefix nor address.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.addresses.is_empty()
    }

    /// Whether the other has the same prefixes, addresses and settings, apart from times.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let prefixes = |lease: &Self| -> Vec<Ipv6Cidr, PREFIXES> {
            lease.prefixes.iter().map(|delegated| delegated.prefix).collect()
        };
        let addresses = |lease: &Self| -> Vec<Ipv6Address, ADDRESSES> {
            lease.addresses.iter().map(|assigned| assigned.address).collect()
        };
        prefixes(self) == prefixes(other)
            && addresses(self) == addresses(other)
            && self.dns_servers == other.dns_servers
            && self.captive_portal_uri == other.captive_portal_uri
    }

    /// Forgets what has ended; `lost` hears of prefixes.
    pub(super) fn forget_expired(&mut self, now: Instant, mut lost: impl FnMut(Ipv6Cidr)) {
        self.prefixes.retain(|delegated| {
            let is_over = delegated.valid.is_over(now);
            if is_over {
                lost(delegated.prefix);
            }
            !is_over
        });
        self.addresses.retain(|assigned| !assigned.valid.is_over(now));
    }

    /// When something ends.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let prefixes = self.prefixes.iter().map(|delegated| delegated.valid);
        let addresses = self.addresses.iter().map(|assigned| assigned.valid);
        prefixes.chain(addresses).min()?.until()
    }
}

fn dns_servers(options: &Options<'_>) -> Result<Vec<Ipv6Address, DNS_SERVERS>, Dropped> {
    let all = options.addresses(OptionCode::DNS_SERVERS)?;
    let is_host = |address: &Ipv6Address| {
        !address.is_multicast() && !address.is_unspecified() && !address.is_loopback()
    };
    Ok(all.filter(is_host).take(DNS_SERVERS).collect())
}

fn captive_portal_uri(options: &Options<'_>) -> Result<String<URI_MAX>, Dropped> {
    let mut text = String::new();
    for octet in options.value(OptionCode::CAPTIVE_PORTAL)?.unwrap_or_default() {
        if !octet.is_ascii_graphic() || text.push(char::from(*octet)).is_err() {
            return Ok(String::new());
        }
    }
    Ok(text)
}
