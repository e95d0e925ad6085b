//! Which address a client gets, and which place of the table.

use gatelet_wire::Ipv4Address;
use smoltcp::time::{Duration, Instant};

use super::lease::{ClientKey, Lease, State};
use super::pending::{Quarantined, Stage};
use super::request::Request;
use super::{Dropped, QUARANTINE, Server};
use crate::dhcp::HostName;

/// Leases and promises that one hardware address can have, by sending several client identifiers: a
/// boot loader, two systems, and one to spare.
const PER_HOST: usize = 4;

/// An address for a client.
pub(super) struct Choice {
    pub(super) address: Ipv4Address,
    /// The client has it or had it last: no need to ask whether anybody else does.
    pub(super) is_own: bool,
}

impl Server<'_> {
    /// The address `request`'s client is to have, of which it would like `requested`.
    pub(super) fn select(
        &self,
        request: &Request,
        requested: Option<Ipv4Address>,
    ) -> Result<Choice, Dropped> {
        let (key, mac) = (request.key, request.mac);
        let own = self.place_of(key).and_then(|place| self.leases.get(place)).map(|lease| lease.address);
        let choice = |address| Choice { address, is_own: own == Some(address) };
        let is_good =
            |address: &Ipv4Address| self.config.permits(*address, mac) && self.is_available(*address, key);
        let reserved = self.config.reserved_for(mac).filter(is_good);
        if let Some(address) = reserved.or_else(|| own.filter(is_good)) {
            return Ok(choice(address));
        }
        if own.is_none() && !self.has_place_for_newcomer() {
            return Err(Dropped::Exhausted);
        }
        let is_untouched =
            |address: &Ipv4Address| is_good(address) && !self.leases.iter().any(|lease| lease.has(*address));
        if let Some(address) = requested.filter(is_untouched) {
            return Ok(choice(address));
        }
        let pool = self.config.pool();
        let size = pool.end() - pool.start() + 1;
        let first = key.place(size);
        // Ends soon after as many steps as there are leases, promises, reservations and quarantines.
        let mut in_order =
            (first..size).chain(0..first).map(|offset| Ipv4Address::from_bits(pool.start() + offset));
        if let Some(address) = in_order.find(is_untouched) {
            return Ok(choice(address));
        }
        let given_up = self.leases.iter().filter_map(|lease| match lease.state {
            State::Past { since } if is_good(&lease.address) => Some((since, lease.address)),
            _ => None,
        });
        let (_, address) = given_up.min().ok_or(Dropped::Exhausted)?;
        Ok(choice(address))
    }

    /// Whether a client that asks for the address it believes to have may have it.
    pub(super) fn may_keep(&self, request: &Request, address: Ipv4Address) -> bool {
        let (key, mac) = (request.key, request.mac);
        if !self.config.permits(address, mac) || !self.is_available(address, key) {
            return false;
        }
        // It has a better one waiting.
        let reserved = self.config.reserved_for(mac).filter(|reserved| *reserved != address);
        if reserved.is_some_and(|reserved| self.is_available(reserved, key)) {
            return false;
        }
        match self.place_of(key).and_then(|place| self.leases.get(place)) {
            Some(lease) => lease.address == address,
            None => !self.leases.iter().any(|lease| lease.has(address)),
        }
    }

    /// Whether nobody but the client `key` has a claim to `address`.
    pub(super) fn is_available(&self, address: Ipv4Address, key: ClientKey) -> bool {
        !self.quarantine.iter().any(|quarantined| quarantined.address == address)
            && !self
                .leases
                .iter()
                .any(|lease| lease.is_bound() && lease.address == address && lease.key != key)
            && !self.pending.iter().any(|pending| pending.address == address && pending.key != key)
    }

    /// The place in the table of client `key`.
    pub(super) fn place_of(&self, key: ClientKey) -> Option<usize> {
        self.leases.iter().position(|lease| !lease.is_free() && lease.key == key)
    }

    /// A place for a newcomer who gets `address`: the one that remembers the address, a free one, or
    /// the one given up longest ago.
    pub(super) fn place_for_newcomer(&self, address: Ipv4Address) -> Option<usize> {
        let rank = |(place, lease): (usize, &Lease)| match lease.state {
            State::Bound { .. } => None,
            State::Past { .. } if lease.address == address => Some((0, 0, place)),
            State::Free => Some((1, 0, place)),
            State::Past { since } => Some((2, since, place)),
        };
        self.leases.iter().enumerate().filter_map(rank).min().map(|(_, _, place)| place)
    }

    /// Whether `request`'s client may have a promise or a lease. Who has a place or a reservation always may. What is promised to
    /// others is theirs: nobody is offered what he will not get.
    pub(super) fn admit(&mut self, now: Instant, request: &Request) -> Result<(), Dropped> {
        let Request { key, mac, .. } = *request;
        if self.place_of(key).is_some() || self.config.reserved_for(mac).is_some() {
            return Ok(());
        }
        let promised = self.pending.iter().filter(|pending| pending.key != key).count();
        if usize::from(self.newcomers.tokens(now)) <= promised {
            return Err(Dropped::TooManyNewcomers);
        }
        let leases = self.leases.iter().filter(|lease| lease.is_bound() && lease.mac == mac).count();
        let pending = self.pending.iter().filter(|pending| pending.mac == mac && pending.key != key).count();
        if leases + pending >= PER_HOST {
            return Err(Dropped::TooManyOfOneHost);
        }
        Ok(())
    }

    fn has_place_for_newcomer(&self) -> bool {
        let places = self.leases.iter().filter(|lease| !lease.is_bound()).count();
        let promised = self.pending.iter().filter(|pending| self.place_of(pending.key).is_none()).count();
        places > promised
    }

    /// For how many seconds a client has its address.
    pub(super) fn lease_seconds(&self, request: &Request) -> u32 {
        let config = &self.config;
        let seconds = |time: Duration| u32::try_from(time.secs()).unwrap_or(u32::MAX);
        let (min, max) = (seconds(config.lease_time_min), seconds(config.lease_time_max));
        let time = match request.lease_seconds {
            // `check` has seen to their order.
            Some(asked) => asked.max(min).min(max),
            None => seconds(config.lease_time),
        };
        let is_known = self.place_of(request.key).is_some() || config.reserved_for(request.mac).is_some();
        if is_known || !self.is_scarce() { time } else { min }
    }

    /// Three quarters of what can be had is.
    fn is_scarce(&self) -> bool {
        let pool = self.config.pool();
        let addresses = (pool.end() - pool.start()).saturating_add(1) as usize;
        self.leases().count() * 4 >= self.leases.len().min(addresses) * 3
    }

    /// `name`, unless another client has it.
    pub(super) fn name_unless_taken(&self, key: ClientKey, name: &HostName) -> HostName {
        if self.bearer(key, name).is_some() { HostName::new() } else { name.clone() }
    }

    /// The name that `request`'s client is to have. Who joins with a name takes it from who had it before, for that is mostly
    /// itself, with another hardware address (phones change theirs) or another system. It is not taken by a mere renewal, and
    /// not from a host with a reservation by one without.
    pub(super) fn name_for(&mut self, request: &Request) -> HostName {
        let Some(place) = self.bearer(request.key, &request.host_name) else {
            return request.host_name.clone();
        };
        let is_reserved = |mac| self.config.reserved_for(mac).is_some();
        let bearer = self.leases.get(place).map_or(request.mac, |lease| lease.mac);
        let yields = is_reserved(request.mac) || !is_reserved(bearer);
        if !request.ciaddr.is_unspecified() || !yields {
            return HostName::new();
        }
        if let Some(lease) = self.leases.get_mut(place) {
            lease.host_name = HostName::new();
            lease.is_changed = true;
        }
        request.host_name.clone()
    }

    /// The place of another client than `key` that has this name.
    fn bearer(&self, key: ClientKey, name: &HostName) -> Option<usize> {
        let has_it = |lease: &Lease| lease.is_bound() && lease.key != key && lease.host_name == *name;
        self.leases.iter().position(has_it).filter(|_| !name.is_empty())
    }

    /// The promise of client `key`, and whether it has been offered already.
    pub(super) fn pending_of(&self, key: ClientKey) -> Option<(usize, bool)> {
        let place = self.pending.iter().position(|pending| pending.key == key)?;
        let is_offered = matches!(self.pending.get(place)?.stage, Stage::Offered { .. });
        Some((place, is_offered))
    }

    /// Somebody has `address` who should not.
    pub(super) fn quarantine(&mut self, now: Instant, address: Ipv4Address) {
        self.quarantine.retain(|quarantined| quarantined.address != address);
        if self.quarantine.is_full() {
            // They stand in the order in which they end.
            self.quarantine.remove(0);
        }
        let until = now + QUARANTINE;
        let _ = self.quarantine.push(Quarantined { address, until });
    }
}
