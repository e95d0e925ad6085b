//! What hosts of the LAN have been given, in flash: the DHCP server's leases, one keyed record for each place of its table, and
//! in one more the prefixes of IPv6 that were advertised last.
//!
//! Unlike the [ledger](crate::FlashLedger), a lease may come back older than it was: its client renews it, or asks for another.
//! So a general map does: [`sequential-storage`](sequential_storage).

use embedded_storage_async::nor_flash::NorFlash;
use gatelet_proto::dhcp::server::{LeaseRecord, Store};
use gatelet_proto::ra::router;
use heapless::Vec;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};

use crate::StoreError;
use crate::ledger::BadRange;

/// Where leases are kept over a reboot.
#[expect(async_fn_in_trait, reason = "one executor runs everything")]
pub trait LeaseStore {
    /// Gives each lease that is kept, with its place, to `take`. What cannot be read is left out.
    async fn load(&mut self, take: &mut dyn FnMut(usize, LeaseRecord));

    /// Keeps what is now at a place.
    ///
    /// # Errors
    /// [`StoreError`], if it could not be kept; the one before may be lost with it.
    async fn store(&mut self, store: &Store) -> Result<(), StoreError>;

    /// The prefixes that were advertised before this boot: for [`Router::remember_ipv6_prefixes`]. None, if that cannot
    /// be read.
    ///
    /// [`Router::remember_ipv6_prefixes`]: gatelet_router::Router::remember_ipv6_prefixes
    async fn load_prefixes(&mut self) -> Prefixes;

    /// Keeps the prefixes that are advertised now.
    ///
    /// # Errors
    /// [`StoreError`], if they could not be kept; those of before may be lost with them.
    async fn store_prefixes(&mut self, prefixes: &Prefixes) -> Result<(), StoreError>;
}

/// The first 64 bits of each prefix of the LAN: the rest is its hosts'. As many as are advertised at a time.
pub type Prefixes = Vec<u64, { router::PREFIXES }>;

/// Reading 255 places takes 255 walks over the pages, once a boot: not worth memory.
type NoCache = Cache<Uncached, Uncached, Uncached, u16>;

/// A [`LeaseStore`] in a part of a NOR flash: two pages at least. A page of 4 KiB holds some fifty records; more pages
/// only lengthen the flash's life.
pub struct FlashLeases<F: NorFlash> {
    map: MapStorage<u16, F, NoCache>,
}

impl<F: NorFlash> FlashLeases<F> {
    /// The store in `range` of `flash`, in bytes.
    ///
    /// # Errors
    /// [`BadRange`], if it is not two whole pages at least.
    pub fn new(flash: F, range: core::ops::Range<u32>) -> Result<Self, BadRange> {
        let config = MapConfig::try_new(range).map_err(|_| BadRange)?;
        Ok(Self { map: MapStorage::new(flash, config, NoCache::new_uncached()) })
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.map.destroy().0
    }
}

impl<F: NorFlash> LeaseStore for FlashLeases<F> {
    async fn load(&mut self, take: &mut dyn FnMut(usize, LeaseRecord)) {
        let mut buffer = Buffer::new();
        for place in 0..PLACES {
            // The newest of each place: a walk over all items would meet the old ones too.
            let Ok(Some(bytes)) = self.map.fetch_item::<&[u8]>(&mut buffer.0, &place).await else { continue };
            if let Ok(record) = postcard::from_bytes(bytes) {
                take(usize::from(place), record);
            }
        }
    }

    async fn store(&mut self, store: &Store) -> Result<(), StoreError> {
        let place = u16::try_from(store.place).ok().filter(|place| *place < PLACES).ok_or(StoreError)?;
        let mut encoded = [0; LeaseRecord::MAX_ENCODED_LEN];
        // An empty value is no record: it cannot be read as one.
        let bytes: &[u8] = match &store.record {
            Some(record) => postcard::to_slice(record, &mut encoded).map_err(|_| StoreError)?,
            None => &[],
        };
        let mut buffer = Buffer::new();
        self.map.store_item(&mut buffer.0, &place, &bytes).await.map_err(|_| StoreError)
    }

    async fn load_prefixes(&mut self) -> Prefixes {
        let mut buffer = Buffer::new();
        let kept = self.map.fetch_item::<&[u8]>(&mut buffer.0, &PREFIXES_KEY).await;
        let (prefixes, _) = kept.ok().flatten().unwrap_or_default().as_chunks::<8>();
        prefixes.iter().take(router::PREFIXES).map(|octets| u64::from_be_bytes(*octets)).collect()
    }

    async fn store_prefixes(&mut self, prefixes: &Prefixes) -> Result<(), StoreError> {
        let octets: Vec<u8, { 8 * router::PREFIXES }> =
            prefixes.iter().flat_map(|prefix| prefix.to_be_bytes()).collect();
        let mut buffer = Buffer::new();
        self.map.store_item(&mut buffer.0, &PREFIXES_KEY, &octets.as_slice()).await.map_err(|_| StoreError)
    }
}

/// Flash is read and written in words, and some drivers want them aligned.
#[repr(align(4))]
struct Buffer([u8; 128]);

impl Buffer {
    const fn new() -> Self {
        Self([0; 128])
    }
}

/// Places of a table of leases that are kept: as many as there can be neighbours.
const PLACES: u16 = 255;
/// Behind them, for the prefixes. Older firmware does not look there.
const PREFIXES_KEY: u16 = 0x100;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use embassy_futures::block_on;
    use gatelet_proto::dhcp::server::{Config, Lease, Server};
    use smoltcp::time::Instant;
    use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

    use super::*;
    use crate::ledger::tests::Nor;

    /// A record as the server makes it: of a client that has just got its lease.
    fn record(last: u8) -> LeaseRecord {
        let mut leases = [const { Lease::FREE }; 1];
        let address = Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24);
        let mut config = Config::new(address);
        config.first = Ipv4Address::new(192, 168, 1, last);
        config.last = config.first;
        let mut server = Server::new(config, &mut leases).unwrap();
        let mac = EthernetAddress([2, 0, 0, 0, 0, last]);
        let now = Instant::from_secs(1000);
        // DHCPREQUEST of INIT-REBOOT for the only address there is, as a discover would end too.
        let mut message = std::vec![0; 300];
        message[..4].copy_from_slice(&[1, 1, 6, 0]);
        message[28..34].copy_from_slice(&mac.0);
        message[236..240].copy_from_slice(&[99, 130, 83, 99]);
        message[240..244].copy_from_slice(&[53, 1, 1, 255]);
        server.handle_message(now, mac, Ipv4Address::UNSPECIFIED, &message).unwrap();
        while server.poll_probe(now).is_some() {}
        let later = Instant::from_secs(1002);
        server.handle_timeout(later);
        let mut buffer = [0; 600];
        assert!(server.poll_transmit(&mut buffer).is_some(), "an offer");
        message[240..256].copy_from_slice(&[53, 1, 3, 54, 4, 192, 168, 1, 1, 50, 4, 192, 168, 1, last, 255]);
        server.handle_message(later, mac, Ipv4Address::UNSPECIFIED, &message).unwrap();
        let store = server.poll_store(later).expect("a lease to be kept");
        store.record.expect("a record")
    }

    fn loaded(flash: Nor, pages: u32) -> (Vec<(usize, LeaseRecord)>, Nor) {
        let mut store = FlashLeases::new(flash, 0..pages * 1024).unwrap();
        let mut all = Vec::new();
        block_on(store.load(&mut |place, record| all.push((place, record))));
        (all, store.into_flash())
    }

    #[test]
    fn the_newest_of_each_place_comes_back() {
        let mut store = FlashLeases::new(Nor::new(4), 0..4096).unwrap();
        let put = |store: &mut FlashLeases<Nor>, place, record| {
            block_on(store.store(&Store { place, record })).unwrap();
        };
        // More than fits into all pages at once: old ones have to make room.
        for round in 0..40 {
            for place in 0..8 {
                put(&mut store, place, Some(record(10 + place as u8 + round % 3)));
            }
        }
        put(&mut store, 3, None);
        let (all, _) = loaded(store.into_flash(), 4);
        let expected: Vec<_> =
            (0..8).filter(|place| *place != 3).map(|place| (place, record(10 + place as u8))).collect();
        assert_eq!(all, expected);
    }

    fn prefixes(n: u16) -> Prefixes {
        let prefix = |n| 0x2001_0DB8_0000_0000 | u64::from(n) << 16;
        (n..n + 1 + n % router::PREFIXES as u16).map(prefix).collect()
    }

    /// A carrier that gives another prefix with each session, two sessions a day.
    #[test]
    fn a_year_of_new_prefixes_wears_no_flash_out() {
        let pages = 2;
        let mut store = FlashLeases::new(Nor::new(pages), 0..pages as u32 * 1024).unwrap();
        for n in 0..730 {
            block_on(store.store_prefixes(&prefixes(n))).unwrap();
            assert_eq!(block_on(store.load_prefixes()), prefixes(n));
        }
        let flash = store.into_flash();
        // Pages here have 1 KiB, those of boards 4: theirs last four times as long. At 100 000 cycles that is 5000 years.
        let most = flash.erases.iter().max().unwrap();
        assert!((10..=20).contains(most), "{most} erases of a page");
        let mut store = FlashLeases::new(flash, 0..pages as u32 * 1024).unwrap();
        assert_eq!(block_on(store.load_prefixes()), prefixes(729));
    }

    #[test]
    fn prefixes_and_leases_are_beside_each_other() {
        let mut store = FlashLeases::new(Nor::new(4), 0..4096).unwrap();
        assert_eq!(block_on(store.load_prefixes()), Prefixes::new());
        block_on(store.store_prefixes(&prefixes(5))).unwrap();
        block_on(store.store(&Store { place: 3, record: Some(record(10)) })).unwrap();
        let (all, flash) = loaded(store.into_flash(), 4);
        assert_eq!(all, [(3, record(10))]);
        let mut store = FlashLeases::new(flash, 0..4096).unwrap();
        assert_eq!(block_on(store.load_prefixes()), prefixes(5));
    }

    #[test]
    fn garbage_is_no_lease_and_no_panic() {
        let mut flash = Nor::new(4);
        flash.bytes.iter_mut().enumerate().for_each(|(n, byte)| *byte = (n * 37 + n / 7) as u8);
        let (all, flash) = loaded(flash, 4);
        assert_eq!(all, []);
        let mut store = FlashLeases::new(flash, 0..4096).unwrap();
        // Whether it can be kept or not: the store goes on.
        let _ = block_on(store.store(&Store { place: 0, record: Some(record(20)) }));
        let _ = block_on(store.load_prefixes());
    }

    #[test]
    fn a_range_that_is_no_two_pages_is_refused() {
        assert!(FlashLeases::new(Nor::new(4), 0..1024).is_err());
        assert!(FlashLeases::new(Nor::new(4), 0..1500).is_err());
    }
}
