//! The DHCP server of a LAN: an address for each client, the same one each time.
//!
//! ```text
//!            probe, nobody answers          REQUEST                 no REQUEST in time, RELEASE
//!   DISCOVER ─────────► (Probing) ──OFFER─► (Offered) ──ACK─► Bound ─────────────────────────► Past
//!      │                    │ somebody has it                  ▲  │ DECLINE                      │
//!      │                    ▼                                  │  ▼                              │
//!      │              quarantined; the next address            │ quarantined                     │
//!      └── an address the client has or had: OFFER at once ────┴─────────────────────────────────┘
//! ```
//!
//! *Probing* and *Offered* are promises, 16 at most, in a list of their own: whoever only asks never
//! touches the table of leases. *Bound* and *Past* are places of that table. A place is taken only for
//! an ACK, and only from those that are free or *Past* (the oldest first): no newcomer, however many
//! there are, displaces a bound lease. Newcomers are also limited per minute, and nobody is offered what
//! that limit would not let him have.
//!
//! The server speaks with authority, as the only one on its link: a client that asks for an address
//! it cannot have is told so (DHCPNAK) even if it is unknown here, and one that asks for a free address
//! it says it has gets it. A reboot without memory therefore costs nobody its address.
//!
//! Which address (RFC 2131 §4.3.1): the reserved one; the one the client has or had; the one it asks
//! for, if nobody has or had it; one that a hash of the client picks, or the next nobody has or had;
//! the one that was given up longest ago.
//!
//! A name is whose who joined with it last: a phone with a new hardware address is the phone. A renewal takes
//! no name from anybody, and a host with a reservation keeps its own.
//!
//! The tables are searched from end to end. That is a few thousand steps for the rare message, and none
//! for a forwarded packet.
//!
//! Reading list: RFC 2131 §3, §4.1 (where answers go), §4.3 (server); RFC 2132; RFC 6842 (client
//! identifier in answers); RFC 4361 (identifiers); RFC 8910 §2.1 (captive portal); RFC 1542 §2.1
//! (relays, which are refused).

mod config;
mod event;
mod lease;
mod pending;
mod request;
mod select;
mod steps;

pub use config::{Config, ConfigError, DOMAIN_NAME_MAX, RESERVATIONS, Reservation, URI_MAX};
pub use event::{Counters, Dropped, Event};
pub use lease::{Lease, LeaseRecord};
pub use request::Destination;

use gatelet_wire::dhcpv4::{Message, MessageType, Operation, OptionCode};
use gatelet_wire::{EthernetAddress, Ipv4Address};
use heapless::{Deque, String, Vec};
use smoltcp::time::{Duration, Instant};

use lease::{ClientKey, State, seconds};
use pending::{Bucket, Pending, Quarantined, Stage};
use request::{Answer, Request};

/// How long the owner listens for an answer to a probe. A host on the link answers within milliseconds,
/// one that has to be woken within some 100; and the OFFER is still well before the client repeats its
/// DISCOVER, after 3 to 5 s (RFC 2131 §4.1).
const PROBE_WAIT: Duration = Duration::from_millis(500);

/// How long an address stays promised after its OFFER. Clients that collect offers do so for a few
/// seconds; the first repetition of a REQUEST comes after 4 s (RFC 2131 §4.1).
const OFFER_HOLD: Duration = Duration::from_secs(15);

/// How long an address that was found in use is given to nobody: 10 min, dnsmasq's choice for one that was
/// declined.
const QUARANTINE: Duration = Duration::from_secs(600);

/// Promises at one time.
const PENDING: usize = 16;

/// Addresses in quarantine; one more ends the quarantine that has the least left.
const QUARANTINES: usize = 16;

/// Answers that wait for the owner.
const ANSWERS: usize = 4;

/// A server of one subnet. 4.3 KB at most, without its table.
#[derive(Debug)]
pub struct Server<'a> {
    config: Config,
    captive_portal_uri: String<URI_MAX>,
    leases: &'a mut [Lease],
    pending: Vec<Pending, PENDING>,
    quarantine: Vec<Quarantined, QUARANTINES>,
    newcomers: Bucket,
    stores: Bucket,
    next_store: usize,
    answers: Deque<Answer, ANSWERS>,
    events: Deque<Event, 8>,
    counters: Counters,
    /// [`Event::Exhausted`] has been told.
    is_exhausted: bool,
}

/// An answer that was written, and is to be sent from our address and port 67 to port 68.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Its length in bytes: the payload of a UDP datagram.
    pub len: usize,
    /// Whom it is for.
    pub destination: Destination,
}

/// What is to be kept in flash for one place of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The number of the place.
    pub place: usize,
    /// The record. `None`: what is kept is to be erased.
    pub record: Option<LeaseRecord>,
}

impl<'a> Server<'a> {
    /// A server for as many clients as there are places in `leases`, none of which it knows yet.
    ///
    /// # Errors
    /// What is wrong with `config`.
    pub fn new(config: Config, leases: &'a mut [Lease]) -> Result<Self, ConfigError> {
        config.check()?;
        leases.fill(Lease::FREE);
        Ok(Self {
            newcomers: Bucket::full(config.newcomers_per_minute, config.newcomers_per_minute),
            stores: Bucket::full(LeaseRecord::BURST, LeaseRecord::PER_MINUTE),
            next_store: 0,
            config,
            captive_portal_uri: String::new(),
            leases,
            pending: Vec::new(),
            quarantine: Vec::new(),
            answers: Deque::new(),
            events: Deque::new(),
            counters: Counters::default(),
            is_exhausted: false,
        })
    }

    /// What is told about the subnet.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the subnet or what is told about it. Leases that are not possible any more end; their
    /// clients learn it when they renew.
    ///
    /// # Errors
    /// What is wrong with `config`; nothing has changed then.
    pub fn set_config(&mut self, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        if config.newcomers_per_minute != self.config.newcomers_per_minute {
            self.newcomers = Bucket::full(config.newcomers_per_minute, config.newcomers_per_minute);
        }
        self.config = config;
        self.pending.clear();
        self.answers.clear();
        self.is_exhausted = false;
        let config = &self.config;
        self.quarantine.retain(|quarantined| config.is_host(quarantined.address));
        for index in 0..self.leases.len() {
            let Some(lease) = self.leases.get_mut(index) else { break };
            if lease.is_free() {
                continue;
            }
            if self.config.permits(lease.address, lease.mac) {
                self.know_by_hardware_if_reserved(index);
                continue;
            }
            let withdrawn = Event::Withdrawn { address: lease.address, mac: lease.mac };
            let is_bound = lease.is_bound();
            lease.clear();
            if is_bound {
                self.tell(withdrawn);
            }
        }
        Ok(())
    }

    /// The captive portal's URI that clients get if they ask (option 114): what the WAN was told.
    /// Empty: none. One longer than [`URI_MAX`] is none either.
    pub fn set_captive_portal_uri(&mut self, uri: &str) {
        if uri != self.captive_portal_uri {
            self.captive_portal_uri = String::try_from(uri).unwrap_or_default();
        }
    }

    /// What clients get so; empty: nothing.
    pub fn captive_portal_uri(&self) -> &str {
        &self.captive_portal_uri
    }

    /// Takes what flash has kept, each record with the number of its place; answers how many were
    /// good. Comes first, before any message. A record that does not fit the configuration or
    /// contradicts another is erased.
    pub fn restore(
        &mut self,
        now: Instant,
        records: impl IntoIterator<Item = (usize, LeaseRecord)>,
    ) -> usize {
        let mut restored = 0;
        for (place, record) in records {
            let lease = record.restore(now, self.config.lease_time_max).filter(|lease| {
                self.config.permits(lease.address, lease.mac)
                    && !self.leases.iter().any(|other| {
                        !other.is_free() && (other.key == lease.key || other.address == lease.address)
                    })
            });
            let lease = lease.map(|lease| {
                let host_name = self.name_unless_taken(lease.key, &lease.host_name);
                Lease { host_name, ..lease }
            });
            let Some(slot) = self.leases.get_mut(place).filter(|slot| slot.is_free()) else { continue };
            restored += usize::from(lease.is_some());
            *slot = lease.unwrap_or_default();
            slot.is_changed = slot.record().as_ref() != Some(&record);
        }
        restored
    }

    /// Takes the payload of a datagram that came to port 67. `ethernet_source` and `ip_source` are
    /// those of the frame it came in.
    ///
    /// # Errors
    /// Why it was ignored; it has been counted.
    pub fn handle_message(
        &mut self,
        now: Instant,
        ethernet_source: EthernetAddress,
        ip_source: Ipv4Address,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        self.expire_leases(now);
        let result = self.take_message(now, ethernet_source, ip_source, payload);
        if let Err(reason) = result {
            self.count(reason);
        }
        result
    }

    /// An address that somebody is to be asked for by ARP, now: whoever answers is told with
    /// [`handle_probe_answer`](Self::handle_probe_answer). Ask until there is none.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Ipv4Address> {
        self.pending.iter_mut().find_map(|pending| match &mut pending.stage {
            Stage::Probing { is_asked, until, .. } if !*is_asked => {
                *is_asked = true;
                *until = now + PROBE_WAIT;
                Some(pending.address)
            }
            _ => None,
        })
    }

    /// `mac` says it has `address`. Of no matter unless that address is being probed, and not by the
    /// very client that is to have it.
    pub fn handle_probe_answer(&mut self, now: Instant, address: Ipv4Address, mac: EthernetAddress) {
        let is_conflict = |pending: &Pending| {
            matches!(pending.stage, Stage::Probing { .. }) && pending.address == address && pending.mac != mac
        };
        if let Some(index) = self.pending.iter().position(is_conflict) {
            self.conflict(now, index, mac);
        }
    }

    /// Takes the steps that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_leases(now);
        self.quarantine.retain(|quarantined| quarantined.until > now);
        // An answer that has no room now stays due.
        while !self.answers.is_full() {
            let Some(index) = self.pending.iter().position(|pending| pending.at() <= now) else { return };
            self.pending_is_over(now, index);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), or to ask [`poll_store`](Self::poll_store)
    /// again. In the past while answers wait for the owner.
    pub fn poll_at(&self) -> Option<Instant> {
        let pending = self.pending.iter().map(Pending::at);
        let quarantine = self.quarantine.iter().map(|quarantined| quarantined.until);
        let store = self.stores.next_at().filter(|_| self.leases.iter().any(|lease| lease.is_changed));
        let leases = self.leases.iter().filter_map(Lease::expires_at);
        pending.chain(quarantine).chain(store).chain(leases).min()
    }

    /// Whether an answer is due.
    pub fn has_transmit(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Writes an answer that is due into `buffer`, as the payload of a UDP datagram. `None` if none is
    /// due, or `buffer` is too small for it. 548 bytes are enough for every client that does not ask
    /// for more than it must be able to take; of options that do not fit, the last asked for are left
    /// out.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<Reply> {
        let answer = self.answers.front()?;
        let len = answer.emit(&self.config, &self.captive_portal_uri, buffer)?;
        let destination = answer.destination();
        self.answers.pop_front();
        Some(Reply { len, destination })
    }

    /// A place whose record in flash is out of date. Ask until there is none. Nothing waits for it:
    /// what a power cut takes from flash, the clients still know. Paced, so that no client can wear out
    /// the flash ([`LeaseRecord::PER_MINUTE`]).
    pub fn poll_store(&mut self, now: Instant) -> Option<Store> {
        if !self.stores.has_token(now) {
            return None;
        }
        // In turn: a place that changes all the time must not keep the others from flash.
        let places = self.leases.len();
        let mut in_turn = (self.next_store..places).chain(0..self.next_store.min(places));
        let place = in_turn.find(|place| self.leases.get(*place).is_some_and(|lease| lease.is_changed))?;
        let lease = self.leases.get_mut(place)?;
        self.stores.take();
        self.next_store = place + 1;
        lease.is_changed = false;
        Some(Store { place, record: lease.record() })
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The leases that clients have.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(|lease| lease.is_bound())
    }

    /// The lease of the client that calls itself `host_name`, in whatever case.
    pub fn lookup_name(&self, host_name: &str) -> Option<&Lease> {
        self.leases().find(|lease| !host_name.is_empty() && lease.host_name().eq_ignore_ascii_case(host_name))
    }

    /// The lease of `address`.
    pub fn lookup_address(&self, address: Ipv4Address) -> Option<&Lease> {
        self.leases().find(|lease| lease.address == address)
    }

    /// What was ignored, and how often.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn take_message(
        &mut self,
        now: Instant,
        ethernet_source: EthernetAddress,
        ip_source: Ipv4Address,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        let message = Message::parse(payload)?;
        if message.header.operation != Operation::Request {
            return Err(Dropped::NotForServers);
        }
        let mac = message.header.ethernet_address().ok_or(Dropped::NotEthernet)?;
        if !message.header.giaddr.is_unspecified() {
            return Err(Dropped::Relayed);
        }
        if mac != ethernet_source || !mac.is_unicast() || mac.0 == [0; 6] {
            return Err(Dropped::HardwareAddress);
        }
        let ciaddr = message.header.ciaddr;
        // Without `ciaddr` the source means nothing: some still speak from the address they had.
        if !ciaddr.is_unspecified() && !ip_source.is_unspecified() && ip_source != ciaddr {
            return Err(Dropped::SourceAddress);
        }
        let message_type = message.message_type()?.ok_or(Dropped::Bootp)?;
        let request = Request::new(&self.config, &message, mac)?;
        let requested = message.address(OptionCode::REQUESTED_ADDRESS)?;
        let server = message.address(OptionCode::SERVER_IDENTIFIER)?;
        if self.answers.is_full() {
            return Err(Dropped::Busy);
        }
        match message_type {
            MessageType::Discover => self.discover(now, request, requested),
            MessageType::Request => {
                // Which of a client's states this comes from (RFC 2131 §4.3.2).
                match (server, requested, ciaddr.is_unspecified()) {
                    (Some(server), _, _) if server != self.config.own() => {
                        self.pending.retain(|pending| pending.key != request.key);
                        Err(Dropped::OtherServer)
                    }
                    (Some(_), Some(address), _) => self.request_selecting(now, request, address),
                    (None, Some(address), true) => self.request_init_reboot(now, request, address),
                    // One that names us must not, and means no harm.
                    (_, _, false) => self.request_renewing(now, request, ciaddr),
                    (_, None, true) => Err(Dropped::NoAddress),
                }
            }
            _ if server.is_some_and(|server| server != self.config.own()) => Err(Dropped::OtherServer),
            MessageType::Decline => self.decline(now, &request, requested.ok_or(Dropped::NoAddress)?),
            MessageType::Release => self.release(now, &request),
            MessageType::Inform => self.inform(request),
            MessageType::Offer | MessageType::Ack | MessageType::Nak | MessageType::Unknown(_) => {
                Err(Dropped::MessageType)
            }
        }
    }

    /// A host with a reservation goes by its hardware address; one that just got it may have come by
    /// another name.
    fn know_by_hardware_if_reserved(&mut self, index: usize) {
        let Some(mac) = self.leases.get(index).map(|lease| lease.mac) else { return };
        let key = ClientKey::by_hardware(mac);
        if self.config.reserved_for(mac).is_some()
            && self.place_of(key).is_none()
            && let Some(lease) = self.leases.get_mut(index)
        {
            lease.key = key;
            lease.is_changed = true;
        }
    }

    fn expire_leases(&mut self, now: Instant) {
        let now = seconds(now);
        for index in 0..self.leases.len() {
            let Some(lease) = self.leases.get_mut(index) else { break };
            if let State::Bound { until, .. } = lease.state
                && until <= now
            {
                lease.state = State::Past { since: until };
                lease.is_changed = true;
                let event = Event::Expired { address: lease.address, mac: lease.mac };
                self.tell(event);
            }
        }
    }

    fn count(&mut self, reason: Dropped) {
        self.counters.count(reason);
        if reason == Dropped::Exhausted && !core::mem::replace(&mut self.is_exhausted, true) {
            self.tell(Event::Exhausted);
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.push_back(event).is_err() {
            self.counters.events_lost = self.counters.events_lost.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_as_small_as_it_says() {
        assert!(size_of::<Server<'_>>() <= 4_300, "{}", size_of::<Server<'_>>());
    }
}
