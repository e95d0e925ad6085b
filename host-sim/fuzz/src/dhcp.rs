//! The DHCP server and client: time, wishes of their owners, and whatever the other side may say.

use std::collections::BTreeMap;

use gatelet_proto::dhcp::client::{self, Client, ClientIdentifier, Phase, Times};
use gatelet_proto::dhcp::server::{Config, Event, Lease, LeaseRecord, Reservation, Server};
use gatelet_wire::dhcpv4::{Header, MIN_LEN, Message, MessageType, Operation, OptionCode, Writer};
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::input::Input;

/// Enough for every message: what both machines' `poll_transmit` ask for.
const ROOM: usize = 548;

/// Places in the table of leases.
const PLACES: usize = 4;

/// How often the server is started.
const LIVES: usize = 16;

/// Who a client is to a server: its identifier, or its hardware address as one.
type Identity = Vec<u8>;

/// The owner of a [`Server`], and what its clients have been promised.
struct ServerOwner<'a> {
    server: Server<'a>,
    /// A table for each life of the server.
    tables: std::slice::ChunksMut<'a, Lease>,
    now: Instant,
    flash: BTreeMap<usize, LeaseRecord>,
    /// Whose each address is, and until when, as the ACKs have it.
    granted: BTreeMap<Ipv4Address, (Identity, Instant)>,
}

/// Any sequence of steps. The server never panics or stands still, says nothing malformed, and gives no
/// address that is another's.
pub fn server(input: &[u8]) {
    let mut input = Input::new(input);
    let mut places = vec![Lease::FREE; PLACES * LIVES];
    let mut tables = places.chunks_mut(PLACES);
    let first = tables.next().expect("at least one");
    let mut owner = ServerOwner {
        server: Server::new(server_config(input.u8()), first).expect("a good configuration"),
        tables,
        now: Instant::from_secs(1),
        flash: BTreeMap::new(),
        granted: BTreeMap::new(),
    };
    while let Some(operation) = input.operation() {
        owner.step(operation, &mut input);
        owner.drain();
    }
}

/// Five addresses for newcomers; with a reservation, without one, in another subnet.
fn server_config(wishes: u8) -> Config {
    let own = Ipv4Address::new(10, 0, wishes & 1, 1);
    let mut config = Config::new(Ipv4Cidr::new(own, 24));
    let near = |last: u32| Ipv4Address::from_bits(own.to_bits() - 1 + last);
    (config.first, config.last) = (near(10), near(14));
    config.newcomers_per_minute = if wishes & 2 == 0 { 30 } else { 2 };
    config.mtu = (wishes & 4 != 0).then_some(1480);
    if wishes & 8 != 0 {
        let address = near(if wishes & 16 == 0 { 11 } else { 40 });
        let _ = config.reservations.push(Reservation { mac: host(0), address });
    }
    config
}

impl ServerOwner<'_> {
    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        match operation % 10 {
            0..=4 => self.hear_structured(input),
            5 => {
                let _ = self.server.handle_message(
                    self.now,
                    host(input.u8()),
                    Ipv4Address::UNSPECIFIED,
                    input.octets(),
                );
            }
            6 => {
                self.now += input.duration();
                self.time_passes();
            }
            7 => {
                self.now = self.server.poll_at().map_or(self.now, |at| at.max(self.now));
                self.time_passes();
            }
            8 => {
                let (last, mac) = (input.u8(), host(input.u8()));
                self.server.handle_probe_answer(self.now, self.near(last), mac);
            }
            _ => self.rare(input),
        }
    }

    fn rare(&mut self, input: &mut Input<'_>) {
        let wishes = input.u8();
        match wishes & 0xC0 {
            0 => {
                let config = server_config(wishes);
                self.server.set_config(config).expect("a good configuration");
                // What does not fit any more is nobody's; what does, stays.
                let kept: Vec<_> = self.server.leases().map(Lease::address).collect();
                self.granted.retain(|address, _| kept.contains(address));
            }
            0x40 => self.server.set_captive_portal_uri(&"u".repeat(usize::from(input.u8()))),
            _ => {
                let Some(places) = self.tables.next() else { return };
                let config = self.server.config().clone();
                self.server = Server::new(config, places).expect("as before");
                if wishes & 0x40 == 0 {
                    let records: Vec<_> =
                        self.flash.iter().map(|(place, record)| (*place, reread(record))).collect();
                    self.server.restore(self.now, records);
                }
                let kept: Vec<_> = self.server.leases().map(Lease::address).collect();
                self.granted.retain(|address, _| kept.contains(address));
            }
        }
    }

    /// 10.0.x.`last`, of the subnet as it is.
    fn near(&self, last: u8) -> Ipv4Address {
        let network = self.server.config().address.network().address().to_bits();
        Ipv4Address::from_bits(network + u32::from(last))
    }

    /// A message that is more or less what a client would say.
    fn hear_structured(&mut self, input: &mut Input<'_>) {
        let (kind, wishes, mac, last) = (input.u8(), input.u8(), host(input.u8()), input.u8());
        let address = self.near(if wishes & 0x80 == 0 { 10 + last % 5 } else { last });
        let own = self.server.config().address.address();
        let mut header = Header::request(u32::from(kind), mac);
        header.set_broadcast(wishes & 1 != 0);
        if wishes & 2 != 0 {
            header.ciaddr = address;
        }
        let mut buffer = [0; 1200];
        let mut writer = Writer::new(&mut buffer, &header);
        writer.push(OptionCode::MESSAGE_TYPE, &[kind % 10]);
        if wishes & 4 != 0 {
            writer.address(OptionCode::REQUESTED_ADDRESS, address);
        }
        if wishes & 8 != 0 {
            writer.address(OptionCode::SERVER_IDENTIFIER, own);
        }
        if wishes & 16 != 0 {
            writer.push(OptionCode::CLIENT_IDENTIFIER, &[0, last % 3]);
        }
        if wishes & 32 != 0 {
            writer.push(OptionCode::HOST_NAME, input.octets());
        }
        if wishes & 64 != 0 {
            writer.push(OptionCode::PARAMETER_REQUEST_LIST, input.octets());
        }
        let length = writer.finish().expect("room enough");
        let _ = self.server.handle_message(self.now, mac, header.ciaddr, &buffer[..length]);
    }

    fn time_passes(&mut self) {
        loop {
            self.server.handle_timeout(self.now);
            self.drain();
            if self.server.poll_at().is_none_or(|at| at > self.now) {
                return;
            }
            assert!(self.server.leases().count() <= PLACES, "it stands still");
        }
    }

    fn drain(&mut self) {
        while let Some(address) = self.server.poll_probe(self.now) {
            assert_ne!(address, self.server.config().address.address());
        }
        while let Some(event) = self.server.poll_event() {
            if let Event::Released { address, .. } | Event::Declined { address, .. } = event {
                self.granted.remove(&address);
            }
        }
        let mut buffer = [0xA5; ROOM];
        while let Some(reply) = self.server.poll_transmit(&mut buffer) {
            self.check_reply(&buffer[..reply.len]);
        }
        while let Some(store) = self.server.poll_store(self.now) {
            match store.record {
                Some(record) => _ = self.flash.insert(store.place, record),
                None => _ = self.flash.remove(&store.place),
            }
        }
        let mut addresses: Vec<_> = self.server.leases().map(Lease::address).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), self.server.leases().count(), "an address is leased twice");
        for lease in self.server.leases().filter(|lease| !lease.host_name().is_empty()) {
            let is_label = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
            assert!(lease.host_name().bytes().all(is_label));
            let found = self.server.lookup_name(lease.host_name()).map(Lease::address);
            assert_eq!(found, Some(lease.address()), "a name is one host's");
        }
    }

    fn check_reply(&mut self, payload: &[u8]) {
        let message = Message::parse(payload).expect("well-formed");
        assert_eq!(message.header.operation, Operation::Reply);
        let message_type = message.message_type().expect("well-formed").expect("it has one");
        let address = message.header.yiaddr;
        if address.is_unspecified() {
            assert!(matches!(message_type, MessageType::Nak | MessageType::Ack));
            return;
        }
        let config = self.server.config();
        let mac = message.header.ethernet_address().expect("Ethernet");
        let reserved = config.reservations.iter().find(|reserved| reserved.address == address);
        match reserved {
            Some(reserved) => assert_eq!(reserved.mac, mac, "another's reservation"),
            None => assert!((config.first..=config.last).contains(&address), "outside of the pool"),
        }
        let by_hardware = [&[1], &mac.0[..]].concat();
        let identity = message.value(OptionCode::CLIENT_IDENTIFIER).map(|value| value.octets().collect());
        // A host with a reservation goes by its hardware address.
        let identity = identity.filter(|_| reserved.is_none()).unwrap_or(by_hardware);
        if let Some((whose, until)) = self.granted.get(&address) {
            assert!(*whose == identity || *until <= self.now, "{address} is another's");
        }
        if message_type == MessageType::Ack {
            let seconds = message.u32(OptionCode::LEASE_TIME).expect("well-formed").expect("it has one");
            let until = self.now + Duration::from_secs(u64::from(seconds));
            // Who is given another address has left the one before.
            self.granted.retain(|_, (whose, _)| *whose != identity);
            self.granted.insert(address, (identity, until));
        }
    }
}

/// A record as it comes back from flash.
fn reread(record: &LeaseRecord) -> LeaseRecord {
    let mut buffer = [0; LeaseRecord::MAX_ENCODED_LEN];
    let bytes = postcard::to_slice(record, &mut buffer).expect("its bound");
    postcard::from_bytes(bytes).expect("just written")
}

const fn host(number: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0x5e, 0, 0x53, number % 8])
}

/// The owner of a [`Client`], and the servers it talks to.
struct ClientOwner {
    client: Client,
    rng: chacha20::ChaCha8Rng,
    now: Instant,
    /// The last message but a farewell: its `xid`, its kind, when.
    sent: Option<(u32, MessageType, Instant)>,
    is_bound: bool,
}

/// Any sequence of steps. The client never panics, never stands still, repeats nothing within 3 s, and
/// has only addresses that a host can have.
pub fn client(input: &[u8]) {
    let mut input = Input::new(input);
    let mut config = client::Config::new(host(0));
    let wishes = input.u8();
    if wishes & 1 != 0 {
        config.identifier = ClientIdentifier::Omitted;
    }
    if wishes & 2 != 0 {
        config.host_name = "x".repeat(client::HOST_NAME_MAX).as_str().try_into().expect("fits");
        config.vendor_class = heapless::Vec::from_slice(&[b'v'; client::IDENTIFIER_MAX]).expect("fits");
        config.identifier = ClientIdentifier::Other(config.vendor_class.clone());
    }
    config.wants_broadcast = wishes & 4 != 0;
    let mut owner = ClientOwner {
        client: Client::new(config),
        rng: chacha20::ChaCha8Rng::seed_from_u64(1),
        now: Instant::from_secs(1),
        sent: None,
        is_bound: false,
    };
    if wishes & 8 != 0 {
        owner.client.remember(Ipv4Address::new(10, 0, 0, 9));
    }
    while let Some(operation) = input.operation() {
        owner.step(operation, &mut input);
        owner.drain();
    }
}

impl ClientOwner {
    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        match operation % 16 {
            0 => self.client.link_up(self.now, &mut self.rng),
            1 => self.client.link_down(),
            2 => self.client.release(&mut self.rng),
            3 => self.client.renew(self.now, &mut self.rng),
            4 => self.client.accept(),
            5 => self.client.decline(self.now, &mut self.rng),
            6 => {
                self.now += input.duration();
                self.time_passes();
            }
            7..=9 => {
                self.now = self.client.poll_at().map_or(self.now, |at| at.max(self.now));
                self.time_passes();
            }
            10 => {
                let _ = self.client.handle_message(self.now, &mut self.rng, input.octets());
            }
            _ => self.answer(input),
        }
    }

    fn time_passes(&mut self) {
        self.client.handle_timeout(self.now, &mut self.rng);
        self.drain();
        assert!(self.client.poll_at().is_none_or(|at| at > self.now), "it stands still");
    }

    /// A server's more or less fitting answer to the last message.
    fn answer(&mut self, input: &mut Input<'_>) {
        let Some((xid, ..)) = self.sent else { return };
        let (wishes, last) = (input.u16(), input.u8());
        let is_set = |bit: u16| wishes & 1 << bit != 0;
        let mut header = Header::reply(xid, host(0));
        header.yiaddr = Ipv4Address::new(10, 0, 0, if is_set(0) { last } else { 9 });
        let message_type = [MessageType::Offer, MessageType::Ack, MessageType::Ack, MessageType::Nak];
        let mut buffer = [0; 2000];
        let mut writer = Writer::new(&mut buffer, &header);
        writer.message_type(message_type[usize::from(wishes >> 14)]);
        let server = Ipv4Address::new(10, 0, 0, if is_set(1) { last } else { 1 });
        if !is_set(2) {
            writer.address(OptionCode::SERVER_IDENTIFIER, server);
        }
        if !is_set(3) {
            let seconds = if is_set(4) { u32::from(last) << 24 | 0xFF_FFFF } else { 3600 };
            writer.u32(OptionCode::LEASE_TIME, seconds);
        }
        if !is_set(5) {
            let mask = if is_set(6) { u32::MAX << (last % 32) } else { 0xFFFF_FF00 };
            writer.u32(OptionCode::SUBNET_MASK, mask);
        }
        if is_set(7) {
            writer.address(OptionCode::ROUTER, server);
        }
        if is_set(8) {
            writer.push(OptionCode::CLASSLESS_ROUTES, input.octets());
        }
        if is_set(9) {
            writer.u32(OptionCode::RENEWAL_TIME, u32::from(last));
            writer.u32(OptionCode::REBINDING_TIME, u32::from(input.u16()));
        }
        if is_set(10) {
            writer.push(OptionCode::CAPTIVE_PORTAL, input.octets());
        }
        if is_set(11) {
            writer.push(OptionCode(input.u8().clamp(1, 254)), input.octets());
        }
        let length = writer.finish().expect("room enough");
        let _ = self.client.handle_message(self.now, &mut self.rng, &buffer[..length]);
    }

    fn drain(&mut self) {
        let mut buffer = [0xA5; ROOM];
        assert!(self.client.poll_transmit(self.now, &mut buffer[..MIN_LEN - 1]).is_none(), "no room");
        while let Some(out) = self.client.poll_transmit(self.now, &mut buffer) {
            let message = Message::parse(&buffer[..out.len]).expect("well-formed");
            assert_eq!(message.header.operation, Operation::Request);
            assert_eq!(message.header.ciaddr, out.source);
            assert_eq!(message.message_type(), Ok(Some(out.message_type)));
            if matches!(out.message_type, MessageType::Release | MessageType::Decline) {
                continue;
            }
            let xid = message.header.xid;
            if let Some((_, _, at)) =
                self.sent.filter(|(last, kind, _)| (*last, *kind) == (xid, out.message_type))
            {
                assert!(self.now - at >= Duration::from_secs(3), "repeated too early");
            }
            self.sent = Some((xid, out.message_type, self.now));
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                client::Event::Check { .. } => {}
                client::Event::Bound => assert!(!std::mem::replace(&mut self.is_bound, true)),
                client::Event::Renewed { .. } => assert!(self.is_bound),
                client::Event::Lost(_) => assert!(std::mem::take(&mut self.is_bound)),
            }
        }
        if self.client.phase() == Phase::Idle {
            // A release is the owner's own doing, and no event.
            self.is_bound = false;
        }
        assert_eq!(self.client.lease().is_some(), self.is_bound);
        let Some(lease) = self.client.lease() else { return };
        let is_host = |address: Ipv4Address| !matches!(address.octets()[0], 0 | 127 | 224..);
        assert!(is_host(lease.address.address()) && lease.address.prefix_len() > 0);
        assert!(lease.router.is_none_or(|router| is_host(router) && router != lease.address.address()));
        assert!(lease.dns_servers.iter().all(|server| is_host(*server)));
        assert!(lease.captive_portal_uri.bytes().all(|octet| octet.is_ascii_graphic()));
        match lease.times {
            Times::Infinite => assert_eq!(self.client.expires_at(), None),
            Times::Finite { renewal, rebinding, end } => assert!(renewal < rebinding && rebinding < end),
        }
    }
}
