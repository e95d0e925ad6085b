//! What a server is told.

use core::ops::RangeInclusive;

use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use heapless::{String, Vec};
use smoltcp::time::Duration;

/// Reservations a server takes.
pub const RESERVATIONS: usize = 16;
/// Bytes of the domain name that is told to clients.
pub const DOMAIN_NAME_MAX: usize = 63;
/// Bytes of the captive portal's URI: what one option holds (RFC 8910 §2).
pub const URI_MAX: usize = 255;

/// A client that always gets the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// The client's hardware address.
    pub mac: EthernetAddress,
    /// Its address: any of the subnet, within the pool or not.
    pub address: Ipv4Address,
}

/// The subnet and what is told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Our own address, which is server identifier, router and DNS server; and its prefix.
    pub address: Ipv4Cidr,
    /// The first address for newcomers.
    pub first: Ipv4Address,
    /// The last one.
    pub last: Ipv4Address,
    /// How long a lease is if the client does not say (option 51).
    pub lease_time: Duration,
    /// The shortest lease a client can have by asking; also what a newcomer gets while places are short.
    pub lease_time_min: Duration,
    /// The longest lease a client can have by asking.
    pub lease_time_max: Duration,
    /// Clients that always get the same address.
    pub reservations: Vec<Reservation, RESERVATIONS>,
    /// Domain Name (option 15). Empty: none.
    pub domain_name: String<DOMAIN_NAME_MAX>,
    /// NTP server (option 42).
    pub ntp_server: Option<Ipv4Address>,
    /// Interface MTU (option 26).
    pub mtu: Option<u16>,
    /// Leases to clients never seen, per minute: so many at once, and so many in the long run.
    pub newcomers_per_minute: u8,
}

/// Why a [`Config`] is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigError {
    /// The prefix leaves no room for hosts, or is no subnet of a LAN: /8 to /30 are.
    PrefixLength,
    /// Our own address is not one a host can have in that prefix.
    OwnAddress,
    /// The pool is empty, or reaches beyond the hosts of the subnet.
    Pool,
    /// A reserved address cannot be had in the subnet, or is ours.
    ReservationAddress(Ipv4Address),
    /// An address or a client is reserved twice.
    ReservedTwice(Ipv4Address),
    /// The lease times are zero, not in order, or a day beyond what 32 bits of seconds hold.
    LeaseTime,
}

impl Config {
    /// 12 h, OpenWrt's default: clients renew four times a day.
    pub const LEASE_TIME: Duration = Duration::from_secs(12 * 3600);
    /// 10 min: a client that asks for less would renew every few minutes.
    pub const LEASE_TIME_MIN: Duration = Duration::from_secs(600);
    /// A week.
    pub const LEASE_TIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
    /// A new home's devices come all at once when the power does; an attacker's never end.
    pub const NEWCOMERS_PER_MINUTE: u8 = 30;

    /// A subnet whose upper half, but for the last address, is for newcomers; of a /24, .128 to .254.
    pub fn new(address: Ipv4Cidr) -> Self {
        let network = address.network().address().to_bits();
        let size = 1_u32.checked_shl(32 - u32::from(address.prefix_len().max(1))).unwrap_or_default();
        Self {
            address,
            first: Ipv4Address::from_bits(network + size / 2),
            last: Ipv4Address::from_bits(network + size.saturating_sub(2)),
            lease_time: Self::LEASE_TIME,
            lease_time_min: Self::LEASE_TIME_MIN,
            lease_time_max: Self::LEASE_TIME_MAX,
            reservations: Vec::new(),
            domain_name: String::new(),
            ntp_server: None,
            mtu: None,
            newcomers_per_minute: Self::NEWCOMERS_PER_MINUTE,
        }
    }

    /// Whether a server can work with this.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(8..=30).contains(&self.address.prefix_len()) {
            return Err(ConfigError::PrefixLength);
        }
        if !self.is_host(self.own()) {
            return Err(ConfigError::OwnAddress);
        }
        if self.first > self.last || !self.is_host(self.first) || !self.is_host(self.last) {
            return Err(ConfigError::Pool);
        }
        for (index, reserved) in self.reservations.iter().enumerate() {
            let address = reserved.address;
            if !self.is_host(address) || address == self.own() {
                return Err(ConfigError::ReservationAddress(address));
            }
            let before = self.reservations.iter().take(index);
            if before.into_iter().any(|other| other.address == address || other.mac == reserved.mac) {
                return Err(ConfigError::ReservedTwice(address));
            }
        }
        let (min, max) = (self.lease_time_min, self.lease_time_max);
        let longest = Duration::from_secs(u64::from(u32::MAX) - 86_400);
        if min.secs() == 0 || min > self.lease_time || self.lease_time > max || max > longest {
            return Err(ConfigError::LeaseTime);
        }
        Ok(())
    }

    pub(super) const fn own(&self) -> Ipv4Address {
        self.address.address()
    }

    /// Whether a host can have `address` in this subnet.
    pub(super) fn is_host(&self, address: Ipv4Address) -> bool {
        self.address.contains_addr(&address)
            && address != self.address.network().address()
            && Some(address) != self.address.broadcast()
    }

    pub(super) fn reserved_for(&self, mac: EthernetAddress) -> Option<Ipv4Address> {
        self.reservations.iter().find(|reserved| reserved.mac == mac).map(|reserved| reserved.address)
    }

    /// Whether `mac` may be given `address`, as far as pool and reservations go.
    pub(super) fn permits(&self, address: Ipv4Address, mac: EthernetAddress) -> bool {
        if address == self.own() {
            return false;
        }
        match self.reservations.iter().find(|reserved| reserved.address == address) {
            Some(reserved) => reserved.mac == mac,
            None => self.pool().contains(&address.to_bits()),
        }
    }

    pub(super) const fn pool(&self) -> RangeInclusive<u32> {
        self.first.to_bits()..=self.last.to_bits()
    }
}
