//! The DHCP server's leases, and the LAN's IPv6 prefixes, in a file of JSON, replaced as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use gatelet_proto::dhcp::server::{LeaseRecord, Store};
use gatelet_runtime::{LeaseStore, Prefixes, StoreError};
use serde_json::Value;

/// A [`LeaseStore`] of which the file is a copy.
pub struct LeaseFile {
    path: PathBuf,
    /// By place in the server's table. One that cannot be read stays as it is until its place is written.
    leases: BTreeMap<usize, Value>,
}

impl LeaseFile {
    /// The store at `path`. A file that is not there, or not such a file, is one without leases.
    ///
    /// # Errors
    /// A sentence for the person who chose the path, if nothing can be written there.
    pub fn open(path: &Path) -> Result<Self, String> {
        let content = fs::read(path).unwrap_or_default();
        let store =
            Self { path: path.to_owned(), leases: serde_json::from_slice(&content).unwrap_or_default() };
        store.write().map_err(|error| {
            format!(
                "the leases cannot be kept in {}: {error}; choose another file with --leases",
                path.display()
            )
        })?;
        Ok(store)
    }

    /// The leases with their places, without those that cannot be read.
    pub fn leases(&self) -> impl Iterator<Item = (usize, LeaseRecord)> {
        self.leases.iter().filter_map(|(place, lease)| {
            serde_json::from_value(lease.clone()).ok().map(|lease| (*place, lease))
        })
    }

    /// The prefixes of IPv6 that were advertised last, without those that cannot be read.
    pub fn prefixes(&self) -> Prefixes {
        let kept = self.leases.get(&PREFIXES).and_then(Value::as_array).into_iter().flatten();
        let address = |text: &Value| text.as_str()?.strip_suffix("/64")?.parse::<Ipv6Addr>().ok();
        kept.filter_map(address)
            .map(|address| (address.to_bits() >> 64) as u64)
            .take(Prefixes::new().capacity())
            .collect()
    }

    fn change(&mut self, store: &Store) -> io::Result<()> {
        match &store.record {
            Some(record) => self.leases.insert(store.place, serde_json::to_value(record)?),
            None => self.leases.remove(&store.place),
        };
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let mut draft = self.path.clone().into_os_string();
        draft.push(".new");
        // Not synchronised: a lease that a power cut takes back is asked for again.
        fs::write(&draft, serde_json::to_vec_pretty(&self.leases)?)?;
        fs::rename(&draft, &self.path)
    }
}

impl LeaseStore for LeaseFile {
    async fn load(&mut self, take: &mut dyn FnMut(usize, LeaseRecord)) {
        self.leases().for_each(|(place, lease)| take(place, lease));
    }

    async fn store(&mut self, store: &Store) -> Result<(), StoreError> {
        self.change(store).map_err(|_| StoreError)
    }

    async fn load_prefixes(&mut self) -> Prefixes {
        self.prefixes()
    }

    async fn store_prefixes(&mut self, prefixes: &Prefixes) -> Result<(), StoreError> {
        let shown = |bits: &u64| Value::from(format!("{}/64", Ipv6Addr::from_bits(u128::from(*bits) << 64)));
        self.leases.insert(PREFIXES, prefixes.iter().map(shown).collect());
        self.write().map_err(|_| StoreError)
    }
}

/// Where the prefixes are: behind all places that a server's table can have.
const PREFIXES: usize = 0x100;

#[cfg(test)]
mod tests {
    use gatelet_proto::dhcp::server::{Config, Lease, Server};
    use smoltcp::time::{Duration, Instant};
    use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

    use super::*;

    /// What the server wants kept of a client that has just got the only address there is.
    fn record() -> LeaseRecord {
        let mut leases = [Lease::FREE];
        let mut config = Config::new(Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24));
        config.last = config.first;
        let (address, mac) = (config.first, EthernetAddress([2, 0, 0, 0, 0, 7]));
        let mut server = Server::new(config, &mut leases).unwrap();
        let mut now = Instant::from_secs(1000);
        let discover = [53, 1, 1, 255];
        let request = [&[53, 1, 3, 54, 4, 192, 168, 1, 1, 50, 4][..], &address.octets(), &[255]].concat();
        for options in [&discover[..], &request] {
            let mut message = vec![0; 300];
            message[..4].copy_from_slice(&[1, 1, 6, 0]);
            message[28..34].copy_from_slice(&mac.0);
            message[236..240].copy_from_slice(&[99, 130, 83, 99]);
            message[240..240 + options.len()].copy_from_slice(options);
            server.handle_message(now, mac, Ipv4Address::UNSPECIFIED, &message).unwrap();
            while server.poll_probe(now).is_some() {}
            now += Duration::from_secs(2);
            server.handle_timeout(now);
            server.poll_transmit(&mut [0; 600]).expect("an answer");
        }
        server.poll_store(now).expect("a lease to be kept").record.expect("a record")
    }

    #[test]
    fn what_is_kept_is_read_back_and_what_cannot_be_read_is_left_out() {
        let path = std::env::temp_dir().join(format!("gatelet-leases-{}.json", std::process::id()));
        let record = record();
        let mut file = LeaseFile::open(&path).unwrap();
        assert_eq!(file.leases().count(), 0, "there is no file");
        file.change(&Store { place: 7, record: Some(record.clone()) }).unwrap();
        file.change(&Store { place: 9, record: Some(record.clone()) }).unwrap();
        file.change(&Store { place: 9, record: None }).unwrap();
        file.leases.insert(8, Value::Null);
        file.change(&Store { place: 10, record: None }).unwrap();
        let prefixes: Prefixes = [0x2001_0DB8_0066_0001, 0xFD12_3456_789A_0000].into_iter().collect();
        embassy_futures::block_on(file.store_prefixes(&prefixes)).unwrap();
        let read: Vec<_> = LeaseFile::open(&path).unwrap().leases().collect();
        assert_eq!(read, [(7, record)]);
        assert_eq!(LeaseFile::open(&path).unwrap().prefixes(), prefixes);
        fs::write(&path, "{").unwrap();
        assert_eq!(LeaseFile::open(&path).unwrap().leases().count(), 0, "a damaged file");
        fs::remove_file(&path).unwrap();
        let nowhere = LeaseFile::open(Path::new("/proc/gatelet/leases.json"));
        assert!(nowhere.is_err_and(|error| error.contains("--leases")));
    }
}
