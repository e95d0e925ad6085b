//! A server and several clients on one link, with time, losses and ARP; and what must hold at every
//! moment.

use std::collections::{BTreeMap, BTreeSet};

use chacha20::ChaCha8Rng;
use gatelet_proto::dhcp::client::{self, Client};
use gatelet_proto::dhcp::server::{self, Lease, LeaseRecord, Server};
use gatelet_wire::dhcpv4::{Message, MessageType};
use gatelet_wire::{EthernetAddress, Ipv4Address};
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};

/// One way across the link.
const LATENCY: Duration = Duration::from_millis(2);

/// How long after a probe the last answer to it is heard.
const PROBE: Duration = Duration::from_millis(400);

#[derive(Debug, Clone)]
enum Delivery {
    ToServer {
        from: EthernetAddress,
        ip_source: Ipv4Address,
        payload: Vec<u8>,
    },
    ToClients {
        to: EthernetAddress,
        payload: Vec<u8>,
    },
    /// Whoever has the address answers the server's probe.
    ProbeByServer(Ipv4Address),
    /// Whoever has the address answers client `index`'s probe; else it is accepted.
    ProbeByClient {
        index: usize,
        address: Ipv4Address,
        is_last: bool,
    },
}

pub(crate) struct Host {
    pub(crate) mac: EthernetAddress,
    pub(crate) client: Client,
    pub(crate) events: Vec<client::Event>,
    /// When it was last bound.
    pub(crate) bound_at: Option<Instant>,
}

pub(crate) struct Net {
    pub(crate) server: Server<'static>,
    pub(crate) hosts: Vec<Host>,
    /// Hosts that were set up by hand.
    pub(crate) squatters: BTreeMap<Ipv4Address, EthernetAddress>,
    pub(crate) flash: BTreeMap<usize, LeaseRecord>,
    pub(crate) now: Instant,
    pub(crate) rng: ChaCha8Rng,
    /// Of 256 messages, how many are lost.
    pub(crate) loss: u8,
    /// Messages to be lost, by their type: the next of each.
    pub(crate) lose_next: Vec<MessageType>,
    /// Nothing that is not for everybody gets through.
    pub(crate) is_unicast_lost: bool,
    /// Every message that was sent.
    pub(crate) capture: Vec<Vec<u8>>,
    pub(crate) server_events: Vec<server::Event>,
    queue: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
    places: usize,
}

impl Net {
    pub(crate) fn new(config: server::Config, places: usize, hosts: usize, seed: u64) -> Self {
        let hosts = (0..hosts).map(|number| {
            let mac = EthernetAddress([2, 0, 0, 0, 1, u8::try_from(number).expect("few")]);
            Host { mac, client: Client::new(client::Config::new(mac)), events: Vec::new(), bound_at: None }
        });
        let hosts = hosts.collect();
        Self {
            server: Server::new(config, vec![Lease::FREE; places].leak()).expect("a good configuration"),
            hosts,
            squatters: BTreeMap::new(),
            flash: BTreeMap::new(),
            now: Instant::from_secs(1_000),
            rng: ChaCha8Rng::seed_from_u64(seed),
            loss: 0,
            lose_next: Vec::new(),
            is_unicast_lost: false,
            capture: Vec::new(),
            server_events: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            places,
        }
    }

    pub(crate) fn link_up(&mut self, index: usize) {
        self.hosts[index].client.link_up(self.now, &mut self.rng);
        self.settle();
    }

    pub(crate) fn link_down(&mut self, index: usize) {
        self.hosts[index].client.link_down();
        self.settle();
    }

    pub(crate) fn release(&mut self, index: usize) {
        self.hosts[index].client.release(&mut self.rng);
        self.settle();
    }

    /// The server's power goes; its flash is kept or not.
    pub(crate) fn reboot_server(&mut self, is_flash_kept: bool) {
        let config = self.server.config().clone();
        self.server = Server::new(config, vec![Lease::FREE; self.places].leak()).expect("as before");
        if !is_flash_kept {
            self.flash.clear();
        }
        self.server.restore(self.now, self.flash.clone());
        self.settle();
    }

    pub(crate) fn set_config(&mut self, config: server::Config) {
        self.server.set_config(config).expect("a good configuration");
        self.settle();
    }

    /// Somebody says something to the server.
    pub(crate) fn say(&mut self, from: EthernetAddress, ip_source: Ipv4Address, payload: &[u8]) {
        let _ = self.server.handle_message(self.now, from, ip_source, payload);
        self.settle();
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let delivery = self.queue.keys().next().map(|(at, _)| *at);
            let clients = self.hosts.iter().filter_map(|host| host.client.poll_at());
            let next = clients.chain(self.server.poll_at()).chain(delivery).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let delivery = entry.remove();
                self.deliver(delivery);
                self.settle();
            }
            self.server.handle_timeout(self.now);
            for host in &mut self.hosts {
                host.client.handle_timeout(self.now, &mut self.rng);
            }
            self.settle();
        }
        self.now = end;
    }

    pub(crate) fn run_for_secs(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    pub(crate) fn address(&self, index: usize) -> Option<Ipv4Address> {
        self.hosts[index].client.lease().map(|lease| lease.address.address())
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::ToServer { from, ip_source, payload } => {
                let _ = self.server.handle_message(self.now, from, ip_source, &payload);
            }
            Delivery::ToClients { to, payload } => {
                for host in &mut self.hosts {
                    if to == host.mac || to == EthernetAddress::BROADCAST {
                        let _ = host.client.handle_message(self.now, &mut self.rng, &payload);
                    }
                }
            }
            Delivery::ProbeByServer(address) => {
                for mac in self.owners(address) {
                    self.server.handle_probe_answer(self.now, address, mac);
                }
            }
            Delivery::ProbeByClient { index, address, is_last } => {
                let owners = self.owners(address);
                let host = &mut self.hosts[index];
                let is_asked =
                    host.client.phase() == client::Phase::Checking && host.client.checking() == Some(address);
                if !is_asked {
                } else if owners.iter().any(|mac| *mac != host.mac) {
                    host.client.decline(self.now, &mut self.rng);
                } else if is_last {
                    host.client.accept();
                }
            }
        }
    }

    /// Who answers ARP for `address`.
    fn owners(&self, address: Ipv4Address) -> Vec<EthernetAddress> {
        let has = |client: &Client| {
            client.lease().map(|lease| lease.address.address()).or(client.checking()) == Some(address)
        };
        let hosts = self.hosts.iter().filter(|host| has(&host.client)).map(|host| host.mac);
        hosts.chain(self.squatters.get(&address).copied()).collect()
    }

    fn settle(&mut self) {
        let mut buffer = [0xA5; 1500];
        while let Some(address) = self.server.poll_probe(self.now) {
            self.enqueue(LATENCY, Delivery::ProbeByServer(address));
            self.enqueue(PROBE, Delivery::ProbeByServer(address));
        }
        while let Some(reply) = self.server.poll_transmit(&mut buffer) {
            let payload = buffer[..reply.len].to_vec();
            self.send(
                reply.destination.ip,
                payload.clone(),
                Delivery::ToClients { to: reply.destination.mac, payload },
            );
        }
        while let Some(event) = self.server.poll_event() {
            self.server_events.push(event);
        }
        while let Some(store) = self.server.poll_store(self.now) {
            match store.record {
                Some(record) => _ = self.flash.insert(store.place, record),
                None => _ = self.flash.remove(&store.place),
            }
        }
        for index in 0..self.hosts.len() {
            while let Some(out) = self.hosts[index].client.poll_transmit(self.now, &mut buffer) {
                let (from, payload) = (self.hosts[index].mac, buffer[..out.len].to_vec());
                self.send(
                    out.destination,
                    payload.clone(),
                    Delivery::ToServer { from, ip_source: out.source, payload },
                );
            }
            while let Some(event) = self.hosts[index].client.poll_event() {
                match event {
                    client::Event::Check { address } => {
                        self.enqueue(LATENCY, Delivery::ProbeByClient { index, address, is_last: false });
                        self.enqueue(PROBE, Delivery::ProbeByClient { index, address, is_last: true });
                    }
                    client::Event::Bound => self.hosts[index].bound_at = Some(self.now),
                    client::Event::Renewed { .. } | client::Event::Lost(_) => {}
                }
                self.hosts[index].events.push(event);
            }
        }
        self.check();
    }

    fn send(&mut self, to: Ipv4Address, payload: Vec<u8>, delivery: Delivery) {
        let message = Message::parse(&payload).expect("well-formed");
        let message_type = message.message_type().expect("well-formed").expect("no BOOTP");
        self.capture.push(payload);
        let is_next = self.lose_next.iter().position(|lost| *lost == message_type);
        let is_unicast = to != Ipv4Address::BROADCAST;
        if let Some(index) = is_next {
            self.lose_next.remove(index);
        } else if (self.rng.next_u32() & 0xFF) < u32::from(self.loss) || (is_unicast && self.is_unicast_lost)
        {
        } else {
            self.enqueue(LATENCY, delivery);
        }
    }

    fn enqueue(&mut self, after: Duration, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), delivery);
    }

    /// What must hold at every moment.
    fn check(&self) {
        let mut leased = BTreeSet::new();
        for lease in self.server.leases() {
            assert!(leased.insert(lease.address()), "{} is leased twice", lease.address());
            let config = self.server.config();
            let is_reserved = config
                .reservations
                .iter()
                .any(|reserved| reserved.address == lease.address() && reserved.mac == lease.mac());
            let is_anothers = config.reservations.iter().any(|reserved| reserved.address == lease.address());
            let is_pooled = (config.first..=config.last).contains(&lease.address()) && !is_anothers;
            assert!(is_reserved || is_pooled, "{} is not ours to give", lease.address());
            assert_ne!(lease.address(), config.address.address(), "that is us");
        }
        let mut bound = BTreeMap::new();
        for host in &self.hosts {
            let Some(lease) = host.client.lease() else { continue };
            let before = bound.insert(lease.address.address(), host.mac);
            assert_eq!(before, None, "{} is bound twice", lease.address);
            // The server remembers a lease for longer than its client believes in it; but for a client it
            // has forgotten, and has just promised anew what that one has not heard yet.
            let known = self.server.lookup_address(lease.address.address());
            let known =
                known.filter(|known| known.mac() == host.mac && host.client.phase() == client::Phase::Bound);
            if let Some(known) = known {
                assert!(known.expires_at() >= host.client.expires_at(), "{known:?} against {lease:?}");
            }
        }
    }
}
