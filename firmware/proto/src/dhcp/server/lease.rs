//! The table of leases, and what of it survives a reboot.

use core::iter;
use core::net::Ipv4Addr;

use gatelet_wire::{EthernetAddress, Ipv4Address};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use smoltcp::time::{Duration, Instant};

use crate::dhcp::host_name::{self, HostName};

/// Who a client is: by its client identifier if it sends one, else by its hardware address
/// (RFC 2131 §4.2).
///
/// An identifier is kept as 63 bits of its MD5, so that nobody can find a second one for another's
/// lease by trying. One that merely spells the hardware address counts as none: a host whose boot
/// loader sends none and whose system sends that is one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct ClientKey([u8; 8]);

impl ClientKey {
    pub(super) fn new(mac: EthernetAddress, identifier: Option<impl Iterator<Item = u8> + Clone>) -> Self {
        match identifier {
            Some(identifier) if !identifier.clone().eq(iter::once(1).chain(mac.0)) => {
                let mut md5 = Md5::new();
                for octet in identifier {
                    md5.update([octet]);
                }
                Self::collect(0x80, md5.finalize())
            }
            _ => Self::by_hardware(mac),
        }
    }

    pub(super) fn by_hardware(mac: EthernetAddress) -> Self {
        Self::collect(0, [0, 0].into_iter().chain(mac.0))
    }

    /// The first 8 octets, with the bit set that tells an identifier from a hardware address.
    fn collect(bit: u8, octets: impl IntoIterator<Item = u8>) -> Self {
        let mut key = [0; 8];
        for (to, from) in key.iter_mut().zip(octets) {
            *to = from;
        }
        key[0] |= bit;
        Self(key)
    }

    /// Where in a pool of `size` addresses this client's is looked for first: the same place each
    /// time, and well spread for hardware addresses in a row.
    pub(super) const fn place(self, size: u32) -> u32 {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        let mixed = u64::from_be_bytes(self.0).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        ((mixed * size as u64) >> 32) as u32
    }
}

/// A place in the table of leases, which the owner lends as a slice. 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub(super) state: State,
    pub(super) key: ClientKey,
    pub(super) mac: EthernetAddress,
    pub(super) address: Ipv4Address,
    pub(super) host_name: HostName,
    /// What flash knows of this place is not true any more.
    pub(super) is_changed: bool,
}

/// Times are seconds of the owner's clock, rounded so that no lease ends before its client thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody's.
    Free,
    /// A client has the address.
    Bound { until: u32, lease_seconds: u32 },
    /// A client had it, and is to have it again, unless the place is needed.
    Past { since: u32 },
}

impl Lease {
    /// A place that is nobody's.
    pub const FREE: Self = Self {
        state: State::Free,
        key: ClientKey([0; 8]),
        mac: EthernetAddress([0; 6]),
        address: Ipv4Address::UNSPECIFIED,
        host_name: HostName::new(),
        is_changed: false,
    };

    /// The address.
    pub const fn address(&self) -> Ipv4Address {
        self.address
    }

    /// The client.
    pub const fn mac(&self) -> EthernetAddress {
        self.mac
    }

    /// What the client calls itself: a label of the DNS; empty if it does not say, or somebody else
    /// has that name: who joined with it last.
    pub fn host_name(&self) -> &str {
        &self.host_name
    }

    /// When the lease ends, to the second.
    pub fn expires_at(&self) -> Option<Instant> {
        match self.state {
            State::Bound { until, .. } => Some(Instant::from_secs(until)),
            State::Free | State::Past { .. } => None,
        }
    }

    pub(super) const fn is_bound(&self) -> bool {
        matches!(self.state, State::Bound { .. })
    }

    pub(super) const fn is_free(&self) -> bool {
        matches!(self.state, State::Free)
    }

    /// Whether its client has or had `address`.
    pub(super) fn has(&self, address: Ipv4Address) -> bool {
        !self.is_free() && self.address == address
    }

    /// Empties the place.
    pub(super) fn clear(&mut self) {
        if !self.is_free() {
            *self = Self { is_changed: true, ..Self::FREE };
        }
    }

    pub(super) fn record(&self) -> Option<LeaseRecord> {
        let lease_seconds = match self.state {
            State::Free => return None,
            State::Bound { lease_seconds, .. } => lease_seconds,
            State::Past { .. } => 0,
        };
        Some(LeaseRecord {
            format: FORMAT,
            address: self.address,
            mac: self.mac.0,
            key: self.key,
            lease_seconds,
            host_name: self.host_name.clone(),
        })
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self::FREE
    }
}

/// The layout of [`LeaseRecord`]. A record of another layout is not guessed at.
const FORMAT: u8 = 1;

/// One lease as it is kept in flash, by the number of its place (postcard).
///
/// Flash has no clock, and nobody knows how long the power was off. So the record holds how long the
/// lease was granted for, and after a reboot it is taken to begin anew: later than its client thinks,
/// never earlier. A renewal for the same time changes nothing, and writes nothing; a client costs one
/// write when it comes and one when it has gone. However clients behave, no more than
/// [`LeaseRecord::PER_MINUTE`] are written in the long run: 8640 a day. With 50 to a page of 4 KiB, eight
/// pages good for 100 000 erasures each (the usual figure of data sheets) last 12 years of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    format: u8,
    address: Ipv4Addr,
    mac: [u8; 6],
    key: ClientKey,
    /// 0: it has ended, and the client is to have the address again.
    lease_seconds: u32,
    host_name: HostName,
}

impl LeaseRecord {
    /// No serialised record (postcard) is longer than this, in bytes.
    pub const MAX_ENCODED_LEN: usize = 56;

    /// Records per minute in the long run.
    pub const PER_MINUTE: u8 = 6;

    /// Records at once: a household that comes home.
    pub(super) const BURST: u8 = 32;

    /// The address it is about.
    pub const fn address(&self) -> Ipv4Address {
        self.address
    }

    /// The lease as it begins anew at `now`; `None` if this is no record of ours.
    pub(super) fn restore(&self, now: Instant, longest: Duration) -> Option<Lease> {
        let mac = EthernetAddress(self.mac);
        if self.format != FORMAT || !mac.is_unicast() || u64::from(self.lease_seconds) > longest.secs() {
            return None;
        }
        let state = if self.lease_seconds == 0 {
            State::Past { since: seconds(now) }
        } else {
            State::Bound { until: deadline(now, self.lease_seconds), lease_seconds: self.lease_seconds }
        };
        // Whatever was in flash: what goes into the DNS is a label.
        let host_name = host_name::host_name(self.host_name.bytes());
        Some(Lease { state, key: self.key, mac, address: self.address, host_name, is_changed: false })
    }
}

/// Whole seconds at `now`.
pub(super) fn seconds(now: Instant) -> u32 {
    u32::try_from(now.secs()).unwrap_or(if now.secs() < 0 { 0 } else { u32::MAX })
}

/// The first whole second at which `lease_seconds` from `now` are over.
pub(super) fn deadline(now: Instant, lease_seconds: u32) -> u32 {
    seconds(now).saturating_add(1).saturating_add(lease_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

    fn key(mac: EthernetAddress, identifier: &[u8]) -> ClientKey {
        ClientKey::new(mac, Some(identifier.iter().copied()))
    }

    #[test]
    fn a_lease_takes_64_bytes() {
        assert_eq!(size_of::<Lease>(), 64);
    }

    #[test]
    fn an_identifier_that_spells_the_hardware_address_is_none() {
        let by_hardware = ClientKey::new(MAC, None::<iter::Empty<u8>>);
        assert_eq!(key(MAC, &[1, 2, 0, 0, 0, 0, 1]), by_hardware);
        assert_ne!(key(EthernetAddress([2, 0, 0, 0, 0, 2]), &[1, 2, 0, 0, 0, 0, 1]), by_hardware);
        assert_ne!(key(MAC, &[0, 2, 0, 0, 0, 0, 1]), by_hardware);
        assert_ne!(key(MAC, b""), by_hardware);
        // The first 8 octets of the MD5 of "a", with the uppermost bit set.
        assert_eq!(key(MAC, b"a").0, [0x8c, 0xc1, 0x75, 0xb9, 0xc0, 0xf1, 0xb6, 0xa8]);
    }

    #[test]
    fn hardware_addresses_in_a_row_are_spread() {
        let mut places: heapless::Vec<u32, 64> = (0..64)
            .map(|last| {
                let mac = EthernetAddress([2, 0, 0, 0, 0, last]);
                ClientKey::new(mac, None::<iter::Empty<u8>>).place(128)
            })
            .collect();
        places.sort_unstable();
        assert!(places.last().is_some_and(|last| *last < 128));
        let pairs = places.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(pairs <= 8, "{places:?}");
    }

    fn longest() -> LeaseRecord {
        LeaseRecord {
            format: 255,
            address: Ipv4Address::BROADCAST,
            mac: [255; 6],
            key: ClientKey([255; 8]),
            lease_seconds: u32::MAX,
            host_name: "x".repeat(31).as_str().try_into().unwrap(),
        }
    }

    #[test]
    fn the_longest_record_fits_its_bound() {
        let mut buffer = [0; 128];
        let bytes = postcard::to_slice(&longest(), &mut buffer).unwrap();
        assert_eq!(bytes.len(), LeaseRecord::MAX_ENCODED_LEN);
        assert_eq!(postcard::from_bytes::<LeaseRecord>(bytes).unwrap(), longest());
    }

    #[test]
    fn what_is_no_record_of_ours_is_not_restored() {
        let good = LeaseRecord { format: FORMAT, mac: MAC.0, lease_seconds: 3600, ..longest() };
        let day = Duration::from_secs(86_400);
        let lease = good.restore(Instant::from_secs(7), day).unwrap();
        assert_eq!(lease.expires_at(), Some(Instant::from_secs(3608)));
        assert_eq!(lease.record(), Some(good.clone()));
        for bad in [
            LeaseRecord { format: FORMAT + 1, ..good.clone() },
            LeaseRecord { mac: [3; 6], ..good.clone() },
            LeaseRecord { lease_seconds: 86_401, ..good.clone() },
        ] {
            assert_eq!(bad.restore(Instant::from_secs(7), day), None);
        }
        let odd = LeaseRecord { host_name: "Evil\nname.x".try_into().unwrap(), ..good };
        assert_eq!(odd.restore(Instant::ZERO, day).unwrap().host_name(), "evil-name");
    }
}
