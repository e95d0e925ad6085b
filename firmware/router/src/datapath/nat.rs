//! Mappings of NAPT (RFC 4787): which external port stands for which endpoint inside.
//!
//! A mapping does not depend on whom the endpoint talks to (endpoint-independent mapping, REQ-1): all flows of an endpoint share
//! one, and it lives as long as one of them does. Flows are in a table of their own, because their number is another.

use core::mem::size_of;

use rand_core::Rng;

use super::flow::NONE;
use super::index::{Bucket, HashKey, Index};
use super::interface::Hop;

/// One endpoint inside, and its port outside. 16 bytes, and 16 more in the index.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    /// The endpoint inside: address in memory order, port (or identifier of ICMP) as a number.
    pub(crate) address: u32,
    pub(crate) port: u16,
    /// What stands for it outside.
    pub(crate) external_port: u16,
    /// How many flows use it.
    pub(crate) flows: u16,
    /// 0: a free place; the next free one is in `flows`.
    pub(crate) protocol: u8,
    pub(crate) hop: Hop,
}

const _: () = assert!(size_of::<Mapping>() <= 16);

impl Mapping {
    pub(crate) const FREE: Self =
        Self { address: 0, port: 0, external_port: 0, flows: NONE, protocol: 0, hop: Hop::LAN };
}

/// All mappings. A full table refuses: what makes room is that flows end, or are given up.
#[derive(Debug)]
pub(crate) struct MappingTable<'a> {
    mappings: &'a mut [Mapping],
    index: Index<'a>,
    key: HashKey,
    free: u16,
    len: u16,
}

impl<'a> MappingTable<'a> {
    pub(crate) fn new(mappings: &'a mut [Mapping], buckets: &'a mut [Bucket], key: HashKey) -> Self {
        let places = mappings.len().min(usize::from(PLACE) - 1);
        let mappings = &mut mappings[..places];
        for (place, mapping) in mappings.iter_mut().enumerate() {
            let next = if place + 1 < places { place as u16 + 1 } else { NONE };
            *mapping = Mapping { flows: next, ..Mapping::FREE };
        }
        let free = if places == 0 { NONE } else { 0 };
        Self { mappings, index: Index::new(buckets), key, free, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.free == NONE
    }

    pub(crate) fn index_len(&self) -> usize {
        self.index.len()
    }

    /// How many flows use them all together; for soaks.
    pub(crate) fn uses(&self) -> usize {
        let used = self.mappings.iter().filter(|mapping| mapping.protocol != 0);
        used.map(|mapping| usize::from(mapping.flows)).sum()
    }

    /// Those that are there from a place on, with their places.
    pub(crate) fn iter_from(&self, from: u16) -> impl Iterator<Item = (u16, &Mapping)> {
        let places = (0..).zip(self.mappings.iter()).skip(usize::from(from));
        places.filter(|(_, mapping)| mapping.protocol != 0)
    }

    pub(crate) fn mapping(&self, place: u16) -> Option<&Mapping> {
        self.mappings.get(usize::from(place)).filter(|mapping| mapping.protocol != 0)
    }

    /// The mapping of an endpoint inside.
    pub(crate) fn find_internal(&self, hop: Hop, protocol: u8, address: u32, port: u16) -> Option<u16> {
        let hash = self.internal_hash(hop, protocol, address, port);
        let found = self.index.find(hash, |entry| self.is_internal(entry, hop, protocol, address, port));
        found.map(|place| place & PLACE)
    }

    /// The mapping that an external port stands for.
    pub(crate) fn find_external(&self, hop: Hop, protocol: u8, port: u16) -> Option<u16> {
        let hash = self.external_hash(hop, protocol, port);
        let found = self.index.find(hash, |entry| self.is_external(entry, hop, protocol, port));
        found.map(|place| place & PLACE)
    }

    /// The mapping of an endpoint inside, or a new one with the endpoint's own port, for one more flow; and the external port.
    /// `None` if that is another's, or there is no room at once.
    pub(crate) fn hold_or_keep_port(
        &mut self,
        hop: Hop,
        protocol: u8,
        address: u32,
        port: u16,
    ) -> Option<(u16, u16)> {
        let internal = self.internal_hash(hop, protocol, address, port);
        let found = self
            .index
            .find_or_vacancy(internal, |entry| self.is_internal(entry, hop, protocol, address, port));
        let vacancy = match found {
            Ok(place) => {
                let mapping = self.mappings.get_mut(usize::from(place & PLACE))?;
                mapping.flows = mapping.flows.saturating_add(1);
                return Some((place & PLACE, mapping.external_port));
            }
            Err(vacancy) => vacancy,
        };
        let external = self.external_hash(hop, protocol, port);
        let found =
            self.index.find_or_vacancy(external, |entry| self.is_external(entry, hop, protocol, port));
        let external_vacancy = found.err()?;
        let place = self.free;
        let slot = self.mappings.get_mut(usize::from(place))?;
        self.index.fill(vacancy, internal, place).ok()?;
        if self.index.fill(external_vacancy, external, place | EXTERNAL).is_err() {
            self.index.remove(internal, place);
            return None;
        }
        self.free = slot.flows;
        *slot = Mapping { address, port, external_port: port, flows: 1, protocol, hop };
        self.len += 1;
        Some((place, port))
    }

    /// Whether an entry of the index is of the mapping of this endpoint inside.
    #[inline]
    fn is_internal(&self, entry: u16, hop: Hop, protocol: u8, address: u32, port: u16) -> bool {
        entry & EXTERNAL == 0
            && self.mapping(entry & PLACE).is_some_and(|mapping| {
                (mapping.address, mapping.port) == (address, port)
                    && (mapping.protocol, mapping.hop) == (protocol, hop)
            })
    }

    /// Whether an entry of the index is of the mapping that this external port stands for.
    #[inline]
    fn is_external(&self, entry: u16, hop: Hop, protocol: u8, port: u16) -> bool {
        entry & EXTERNAL != 0
            && self.mapping(entry & PLACE).is_some_and(|mapping| {
                mapping.external_port == port && (mapping.protocol, mapping.hop) == (protocol, hop)
            })
    }

    /// A new mapping, with the port `wanted` if that is free (the endpoint's own: port preservation), else a random one with the
    /// parity of the endpoint's and on its side of 1024 (RFC 4787 REQ-3, REQ-4). `is_taken` names ports that are somebody else's. `None` if the table is
    /// full, or no free port was found among 32.
    pub(crate) fn create(
        &mut self,
        rng: &mut impl Rng,
        hop: Hop,
        protocol: u8,
        (address, port): (u32, u16),
        wanted: u16,
        is_taken: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        if self.is_full() {
            return None;
        }
        let free = |port: u16| self.find_external(hop, protocol, port).is_none() && !is_taken(port);
        let mut external_port = wanted;
        let mut tries = 0;
        while !free(external_port) {
            tries += 1;
            if tries > TRIES {
                return None;
            }
            external_port = candidate(rng, port);
        }
        let place = self.free;
        let internal = self.internal_hash(hop, protocol, address, port);
        self.index.insert(internal, place).ok()?;
        let external = self.external_hash(hop, protocol, external_port);
        if self.index.insert(external, place | EXTERNAL).is_err() {
            self.index.remove(internal, place);
            return None;
        }
        let slot = self.mappings.get_mut(usize::from(place))?;
        self.free = slot.flows;
        *slot = Mapping { address, port, external_port, flows: 0, protocol, hop };
        self.len += 1;
        Some(place)
    }

    /// One more flow uses it.
    pub(crate) fn hold(&mut self, place: u16) {
        if let Some(mapping) =
            self.mappings.get_mut(usize::from(place)).filter(|mapping| mapping.protocol != 0)
        {
            mapping.flows = mapping.flows.saturating_add(1);
        }
    }

    /// A flow of it is over. With the last one, it is too.
    pub(crate) fn release(&mut self, place: u16) {
        let Some(mapping) = self.mappings.get_mut(usize::from(place)).filter(|mapping| mapping.protocol != 0)
        else {
            return;
        };
        mapping.flows = mapping.flows.saturating_sub(1);
        if mapping.flows > 0 {
            return;
        }
        let Mapping { address, port, external_port, protocol, hop, .. } = *mapping;
        *mapping = Mapping { flows: self.free, ..Mapping::FREE };
        self.free = place;
        self.len -= 1;
        self.index.remove(self.internal_hash(hop, protocol, address, port), place);
        self.index.remove(self.external_hash(hop, protocol, external_port), place | EXTERNAL);
    }

    fn internal_hash(&self, hop: Hop, protocol: u8, address: u32, port: u16) -> u32 {
        self.key.hash([address, port.into(), u32::from(protocol) | hop.bits(), 0])
    }

    fn external_hash(&self, hop: Hop, protocol: u8, port: u16) -> u32 {
        self.key.hash([0, port.into(), u32::from(protocol) | hop.bits(), 1])
    }
}

/// A random port with the parity of `port` and on its side of 1024.
fn candidate(rng: &mut impl Rng, port: u16) -> u16 {
    let random = rng.next_u32();
    let (from, count) = if port < FIRST_USER_PORT {
        (2, FIRST_USER_PORT - 2)
    } else {
        (FIRST_USER_PORT, u16::MAX - FIRST_USER_PORT)
    };
    let chosen = from + ((u64::from(random) * u64::from(count)) >> 32) as u16;
    chosen & !1 | port & 1
}

/// Ports below are for well-known services (RFC 6335 §6).
const FIRST_USER_PORT: u16 = 1024;
/// The side and the place of an entry of the index.
const EXTERNAL: u16 = 0x8000;
const PLACE: u16 = 0x7FFF;
/// Random ports that are tried before a mapping is refused.
const TRIES: u32 = 32;

#[cfg(test)]
mod tests {
    use chacha20::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::datapath::packet::UDP;

    const WAN: Hop = Hop::wan(crate::WanId(0));

    #[test]
    fn a_port_is_kept_if_it_is_free_and_else_keeps_parity_and_range() {
        let mut mappings = [Mapping::FREE; 64];
        let mut buckets = [Bucket::EMPTY; 64];
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let key = HashKey::random(&mut rng);
        let mut table = MappingTable::new(&mut mappings, &mut buckets, key);
        for port in [7, 8, 5000, 5001, 65535] {
            for host in 0..8 {
                let place = table.create(&mut rng, WAN, UDP, (host, port), port, |_| false).unwrap();
                let external = table.mapping(place).unwrap().external_port;
                assert!(host > 0 || external == port);
                assert_eq!((external % 2, external < 1024), (port % 2, port < 1024));
                assert_eq!(table.find_internal(WAN, UDP, host, port), Some(place));
                assert_eq!(table.find_external(WAN, UDP, external), Some(place));
                table.hold(place);
            }
        }
        assert_eq!((table.len(), table.index_len()), (40, 80));
        (0..40).for_each(|place| table.release(place));
        assert_eq!((table.len(), table.index_len()), (0, 0));
    }

    #[test]
    fn a_full_table_refuses() {
        let mut mappings = [Mapping::FREE; 2];
        let mut buckets = [Bucket::EMPTY; 2];
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let key = HashKey::random(&mut rng);
        let mut table = MappingTable::new(&mut mappings, &mut buckets, key);
        assert!((0..2).all(|host| table.create(&mut rng, WAN, UDP, (host, 9999), 9999, |_| false).is_some()));
        assert_eq!(table.create(&mut rng, WAN, UDP, (2, 9999), 9999, |_| false), None);
    }
}
