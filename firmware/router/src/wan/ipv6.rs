//! What a WAN gets for IPv6: addresses and routers by Router Advertisements, prefixes by DHCPv6.
//!
//! ```text
//!   IPV6CP up, or carrier ──► RS … RA ──► router, address, MTU, DNS
//!                        └──► SOLICIT … REPLY ──► delegated prefixes
//!   session or carrier gone ──► all of it is void, but for the prefixes: the LAN keeps them until the next session has
//!                               said whether they are still good, lest a redial renumber the home (RFC 9096)
//! ```
//!
//! Reading list: RFC 7084 §4.2 (a home router's WAN); RFC 8415 §18.2.12; RFC 5072 §5 (addresses on PPP).

use chacha20::ChaCha8Rng;
use gatelet_proto::dhcpv6::client::{self, Client, Delegated, Loss, PREFIXES};
use gatelet_proto::lifetime::Lifetime;
use gatelet_proto::ra::host::{self, Host};
use gatelet_proto::ra::with_interface_id;
use gatelet_wire::dhcpv6::{ALL_SERVERS, CLIENT_PORT, SERVER_PORT};
use gatelet_wire::ndp::network;
use heapless::{Deque, Vec};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpProtocol, Ipv6Address, Ipv6Cidr};

use super::WanId;
use crate::ipv6::{HEADERS_LEN, Ipv6Event, udp_payload, wrap_udp};
use crate::{Dropped, MAX_IPV6_ADDRESSES};

/// A DHCPv6 server answers within a second or two; one that has said nothing by then is not there, or sold out.
const PATIENCE: Duration = Duration::from_secs(30);

/// IPv6's machines of one WAN.
#[derive(Debug)]
pub(crate) struct Uplink {
    wan: WanId,
    host: Host,
    client: Client,
    /// The link as the machines know it; `None`: down.
    link: Option<host::Config>,
    /// Prefixes that the LAN may use: those of the lease, and without one those of the last.
    held: Vec<Delegated, PREFIXES>,
    /// The line gives addresses and no prefix.
    has_no_prefix: bool,
    /// When no answer of a DHCPv6 server counts for an answer that there is nothing.
    patience: Option<Instant>,
    /// Where nothing is delegated, the LAN has the link's own /64.
    pub(crate) shares: bool,
    events: Deque<Ipv6Event, 16>,
    events_lost: u32,
}

impl Uplink {
    pub(crate) const fn new(wan: WanId, config: client::Config) -> Self {
        Self {
            wan,
            host: Host::new(host::Config { interface_id: [0; 8], mac: None, mtu: 0 }),
            client: Client::new(config),
            link: None,
            held: Vec::new(),
            has_no_prefix: false,
            patience: None,
            shares: true,
            events: Deque::new(),
            events_lost: 0,
        }
    }

    pub(crate) const fn config(&self) -> &client::Config {
        self.client.config()
    }

    // What the datapath and the LAN are told.

    /// The default router, while the link is up and there is one.
    pub(crate) fn router(&self) -> Option<Ipv6Address> {
        self.host.router().map(|router| router.address)
    }

    /// Whether there is one other end, so that nobody needs to be named.
    pub(crate) fn is_point_to_point(&self) -> bool {
        self.link.is_some_and(|link| link.mac.is_none())
    }

    /// The longest packet, in bytes.
    pub(crate) fn mtu(&self) -> u16 {
        self.host.mtu()
    }

    /// Our addresses, each with the length of the network on the link; what is preferred first. A line that gives a prefix and no
    /// address gives one out of the prefix (RFC 7084 WAA-7).
    pub(crate) fn addresses(&self) -> Vec<Ipv6Cidr, MAX_IPV6_ADDRESSES> {
        let mut all = Vec::new();
        let shares = self.shared().is_some();
        let made = |is_deprecated: bool| {
            self.host.prefixes().iter().filter(move |known| known.is_deprecated == is_deprecated)
        };
        let granted = self.client.lease().into_iter().flat_map(|lease| &lease.addresses);
        let of_host = |known: &host::OnLink| {
            // A prefix that is given on to the LAN is on the link there.
            let len = if known.is_on_link && !shares { known.prefix.prefix_len() } else { 128 };
            known.address.map(|address| Ipv6Cidr::new(address, len))
        };
        let granted = granted.map(|assigned| Ipv6Cidr::new(assigned.address, 128));
        let made_first = made(false).filter_map(of_host);
        for address in made_first.chain(granted).chain(made(true).filter_map(of_host)) {
            // One too many is not used.
            let _ = all.push(address);
        }
        if all.is_empty() {
            let _ = self.address_of_prefix().map(|address| all.push(address));
        }
        all
    }

    /// An address in the first /64 of what this session's lease delegates, where the LAN's hosts and the router itself have
    /// others.
    fn address_of_prefix(&self) -> Option<Ipv6Cidr> {
        let prefix = network(self.client.lease()?.prefixes.first()?.prefix.address(), 64);
        let interface_id = self.link?.interface_id;
        Some(Ipv6Cidr::new(with_interface_id(prefix.address(), interface_id), 128))
    }

    /// Prefixes that are ours, whole.
    pub(crate) fn held(&self) -> &[Delegated] {
        &self.held
    }

    /// The /64 of the link itself, for the LAN to share where nothing is delegated (RFC 4389, RFC 7278).
    pub(crate) fn shared(&self) -> Option<Delegated> {
        if !self.shares || !self.has_no_prefix || !self.held.is_empty() {
            return None;
        }
        let is_good = |known: &&host::OnLink| known.address.is_some() && !known.is_deprecated;
        let host::OnLink { prefix, preferred, valid, .. } = *self.host.prefixes().iter().find(is_good)?;
        Some(Delegated { prefix, preferred, valid })
    }

    /// Whether it is known what the line gives: prefixes, or none.
    pub(crate) fn is_settled(&self) -> bool {
        self.has_no_prefix || !self.held.is_empty()
    }

    /// The first /64 of each prefix, for the LAN.
    pub(crate) fn lan_prefixes(&self) -> impl Iterator<Item = Delegated> + '_ {
        let first = |held: &Delegated| Delegated { prefix: network(held.prefix.address(), 64), ..*held };
        self.held.iter().map(first).chain(self.shared())
    }

    /// DNS servers that the routers and the DHCPv6 server told.
    pub(crate) fn dns_servers(&self) -> impl Iterator<Item = Ipv6Address> + '_ {
        let advertised = self.host.dns_servers().iter().map(|server| server.address);
        let granted = self.client.lease().into_iter().flat_map(|lease| lease.dns_servers.iter().copied());
        let is_new =
            |server: &Ipv6Address| !self.host.dns_servers().iter().any(|known| known.address == *server);
        advertised.chain(granted.filter(is_new))
    }

    /// The URI of the captive portal's API that the line has told; empty: none.
    pub(crate) fn captive_portal_uri(&self) -> &str {
        let granted = self.client.lease().map(|lease| lease.captive_portal_uri.as_str());
        Some(self.host.captive_portal_uri()).filter(|uri| !uri.is_empty()).or(granted).unwrap_or_default()
    }

    // What arrives.

    /// The link is up as `link` says, or down. Answers whether anything is different.
    pub(crate) fn set_link(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        link: Option<host::Config>,
    ) -> bool {
        if self.link == link {
            return false;
        }
        if self.link.is_some() {
            self.host.link_down();
            self.client.link_down();
        }
        self.link = link;
        self.patience = None;
        if let Some(config) = link {
            self.has_no_prefix = false;
            self.patience = Some(now + PATIENCE);
            self.host.link_up(now, rng, config);
            self.client.link_up(now, rng);
        }
        self.advance(now);
        true
    }

    /// Takes an IPv6 packet: an ICMPv6 message, or one for the DHCPv6 client. Answers whether something has changed.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        packet: &[u8],
    ) -> Result<bool, Dropped> {
        let taken = if packet.get(6).copied().map(IpProtocol::from) == Some(IpProtocol::Icmpv6) {
            self.host.handle_packet(now, rng, packet).is_ok()
        } else {
            let (_, payload) = udp_payload(packet, CLIENT_PORT).ok_or(Dropped::ControlRefused)?;
            self.client.handle_message(now, rng, payload).is_ok()
        };
        // The LAN is told how long a prefix lasts that it shares with the link.
        let is_changed = self.advance(now) || (taken && self.shared().is_some());
        // Why something was not taken, each machine has counted.
        if taken || is_changed { Ok(is_changed) } else { Err(Dropped::ControlRefused) }
    }

    /// Takes the steps that are due. Answers whether something has changed.
    pub(crate) fn handle_timeout(&mut self, now: Instant, rng: &mut ChaCha8Rng) -> bool {
        self.host.handle_timeout(now, rng);
        self.client.handle_timeout(now, rng);
        let before = self.held.len();
        self.held.retain(|held| !held.valid.is_over(now));
        let is_given_up = self.patience.is_some_and(|until| until <= now);
        if is_given_up {
            self.patience = None;
            self.has_nothing();
        }
        self.advance(now) || is_given_up || self.held.len() != before
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let held = self.held.iter().filter_map(|held| held.valid.until());
        held.chain(self.patience).chain(self.host.poll_at()).chain(self.client.poll_at()).min()
    }

    pub(crate) fn wants_to_send(&self, now: Instant) -> bool {
        self.link.is_some() && (self.host.wants_to_send(now) || self.client.wants_to_send(now))
    }

    /// Writes the next IPv6 packet, and answers its length.
    pub(crate) fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        if let Some(len) = self.host.poll_transmit(now, buffer) {
            return Some(len);
        }
        let out = self.client.poll_transmit(now, buffer.get_mut(HEADERS_LEN..)?)?;
        let ends = (self.host.link_local(), ALL_SERVERS);
        wrap_udp(buffer, ends, (CLIENT_PORT, SERVER_PORT), out.len)
    }

    pub(crate) fn poll_event(&mut self) -> Option<Ipv6Event> {
        self.events.pop_front()
    }

    pub(crate) const fn take_events_lost(&mut self) -> u32 {
        core::mem::replace(&mut self.events_lost, 0)
    }

    /// Takes note of what the machines tell. Answers whether they told anything.
    fn advance(&mut self, now: Instant) -> bool {
        let wan = self.wan;
        let mut is_changed = false;
        while let Some(event) = self.host.poll_event() {
            is_changed = true;
            self.tell(match event {
                host::Event::Router { address } => Ipv6Event::Router { wan, address },
                host::Event::RouterLost => Ipv6Event::RouterLost { wan },
                host::Event::Address { address } => Ipv6Event::Address { wan, address },
                host::Event::AddressDeprecated { address } => Ipv6Event::AddressDeprecated { wan, address },
                host::Event::AddressLost { address } => Ipv6Event::AddressLost { wan, address },
                host::Event::SettingsChanged => Ipv6Event::SettingsChanged { wan },
            });
        }
        while let Some(event) = self.client.poll_event() {
            is_changed = true;
            match event {
                client::Event::Bound | client::Event::Renewed { .. } => self.take_lease(now),
                client::Event::PrefixLost { prefix } => self.lose(|held| held.prefix == prefix),
                client::Event::Lost(Loss::LinkDown) => {}
                client::Event::Lost(Loss::Expired | Loss::NoBinding | Loss::Withdrawn) => {
                    self.lose(|_| true);
                }
                client::Event::NothingAvailable => self.has_nothing(),
            }
        }
        is_changed
    }

    /// No server has a prefix for us; those of the last session are not ours any more.
    fn has_nothing(&mut self) {
        self.patience = None;
        self.has_no_prefix = true;
        self.lose(|_| true);
        self.tell(Ipv6Event::NothingDelegated { wan: self.wan });
    }

    fn take_lease(&mut self, now: Instant) {
        let Some(lease) = self.client.lease() else { return };
        self.patience = None;
        let prefixes = lease.prefixes.clone();
        self.has_no_prefix = prefixes.is_empty();
        self.lose(|held| !prefixes.iter().any(|new| new.prefix == held.prefix));
        for Delegated { prefix, preferred, valid } in prefixes.iter().copied() {
            let known = self.held.iter().find(|held| held.prefix == prefix);
            // A renewal that says nothing about it is no news.
            if known.is_none_or(|known| known.valid != valid) && valid > Lifetime::Until(now) {
                self.tell(Ipv6Event::Delegated { wan: self.wan, prefix, preferred, valid });
            }
        }
        self.held = prefixes;
    }

    fn lose(&mut self, is_lost: impl Fn(&Delegated) -> bool) {
        for index in (0..self.held.len()).rev() {
            if self.held.get(index).is_some_and(&is_lost) {
                let Delegated { prefix, .. } = self.held.remove(index);
                self.tell(Ipv6Event::DelegationLost { wan: self.wan, prefix });
            }
        }
    }

    fn tell(&mut self, event: Ipv6Event) {
        if self.events.push_back(event).is_err() {
            self.events_lost += 1;
        }
    }
}
