//! The owner of a [`Server`], who probes by ARP, sends, and keeps records in a pretended flash.

use std::collections::BTreeMap;

use gatelet_proto::dhcp::server::{
    Config, Destination, Dropped, Event, Lease, LeaseRecord, Reservation, Server,
};
use gatelet_wire::dhcpv4::{Header, Message, MessageType, OptionCode, Writer};
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use smoltcp::time::{Duration, Instant};

pub(crate) const OWN: Ipv4Address = Ipv4Address::new(192, 168, 1, 1);
pub(crate) const NOWHERE: Ipv4Address = Ipv4Address::UNSPECIFIED;

pub(crate) const PC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x0A]);
pub(crate) const TV: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x0B]);
pub(crate) const NAS: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x0C]);

/// 192.168.1.`last`.
pub(crate) const fn at(last: u8) -> Ipv4Address {
    Ipv4Address::new(192, 168, 1, last)
}

/// Host number `number`: any but the named ones.
pub(crate) fn host(number: u32) -> EthernetAddress {
    let [a, b, c, d] = number.to_be_bytes();
    EthernetAddress([6, 0, a, b, c, d])
}

pub(crate) fn config() -> Config {
    let mut config = Config::new(Ipv4Cidr::new(OWN, 24));
    config.domain_name = "lan".try_into().expect("short");
    config
}

pub(crate) fn reserve(config: &mut Config, mac: EthernetAddress, address: Ipv4Address) {
    config.reservations.push(Reservation { mac, address }).expect("room enough");
}

/// What a host says: its message without what every message has.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) mac: EthernetAddress,
    pub(crate) header: Header,
    pub(crate) options: Vec<(OptionCode, Vec<u8>)>,
    pub(crate) from: Ipv4Address,
}

pub(crate) fn said(mac: EthernetAddress, message_type: MessageType) -> Said {
    let header = Header::request(0xCAFE, mac);
    let options = vec![(OptionCode::MESSAGE_TYPE, vec![message_type.into()])];
    Said { mac, header, options, from: NOWHERE }
}

impl Said {
    pub(crate) fn option(mut self, code: OptionCode, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    pub(crate) fn asking_for(self, address: Ipv4Address) -> Self {
        self.option(OptionCode::REQUESTED_ADDRESS, &address.octets())
    }

    pub(crate) fn server(self, address: Ipv4Address) -> Self {
        self.option(OptionCode::SERVER_IDENTIFIER, &address.octets())
    }

    pub(crate) fn called(self, name: &str) -> Self {
        self.option(OptionCode::HOST_NAME, name.as_bytes())
    }

    pub(crate) fn having(mut self, address: Ipv4Address) -> Self {
        self.header.ciaddr = address;
        self.from = address;
        self
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut buffer = [0; 1500];
        let mut writer = Writer::new(&mut buffer, &self.header);
        for (code, value) in &self.options {
            writer.push(*code, value);
        }
        let len = writer.finish().expect("fits");
        buffer[..len].to_vec()
    }
}

/// An answer of the server's.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) destination: Destination,
    pub(crate) payload: Vec<u8>,
}

impl Heard {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.payload).expect("well-formed")
    }

    pub(crate) fn kind(&self) -> MessageType {
        self.message().message_type().expect("well-formed").expect("it is no BOOTP")
    }

    pub(crate) fn yiaddr(&self) -> Ipv4Address {
        self.message().header.yiaddr
    }

    pub(crate) fn value(&self, code: OptionCode) -> Option<Vec<u8>> {
        Some(self.message().value(code)?.octets().collect())
    }
}

pub(crate) struct Lan {
    pub(crate) server: Server<'static>,
    pub(crate) now: Instant,
    /// Who answers ARP.
    pub(crate) arp: BTreeMap<Ipv4Address, EthernetAddress>,
    pub(crate) flash: BTreeMap<usize, LeaseRecord>,
    pub(crate) writes: usize,
    pub(crate) heard: Vec<Heard>,
    pub(crate) events: Vec<Event>,
    transcript: Vec<String>,
}

impl Lan {
    pub(crate) fn new(config: Config) -> Self {
        Self::with_places(config, 32)
    }

    pub(crate) fn with_places(config: Config, places: usize) -> Self {
        let leases = vec![Lease::FREE; places].leak();
        Self {
            server: Server::new(config, leases).expect("a good configuration"),
            now: Instant::from_secs(100),
            arp: BTreeMap::new(),
            flash: BTreeMap::new(),
            writes: 0,
            heard: Vec::new(),
            events: Vec::new(),
            transcript: Vec::new(),
        }
    }

    /// The power goes and comes back: flash is all that is left.
    pub(crate) fn reboot(&mut self, config: Config, places: usize) {
        let leases = vec![Lease::FREE; places].leak();
        self.server = Server::new(config, leases).expect("a good configuration");
        self.now = Instant::from_secs(3);
        let records = std::mem::take(&mut self.flash);
        self.server.restore(self.now, records.clone());
        self.flash = records;
        self.settle();
    }

    /// A host says something, and hears what is answered at once.
    pub(crate) fn say(&mut self, said: &Said) -> Result<(), Dropped> {
        self.say_from(said.mac, said)
    }

    /// In a frame from `ethernet_source`.
    pub(crate) fn say_from(&mut self, ethernet_source: EthernetAddress, said: &Said) -> Result<(), Dropped> {
        let payload = said.payload();
        let message = Message::parse(&payload).expect("well-formed");
        let kind = message.message_type().ok().flatten();
        let kind = kind.map_or("BOOTP".into(), |kind| format!("{kind:?}").to_uppercase());
        let address = message.address(OptionCode::REQUESTED_ADDRESS).ok().flatten();
        let address = address.or(Some(said.header.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified()));
        let address = address.map_or(String::new(), |address| format!(" {address}"));
        let line = format!("{} -> {kind}{address}", name(said.mac));
        self.transcript.push(line);
        self.hear_payload(ethernet_source, said.from, &payload)
    }

    pub(crate) fn hear_payload(
        &mut self,
        ethernet_source: EthernetAddress,
        ip_source: Ipv4Address,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        let result = self.server.handle_message(self.now, ethernet_source, ip_source, payload);
        if let Err(reason) = result {
            self.transcript.push(format!("   ({})", reason.name().trim_start_matches("dhcp-server-")));
        }
        self.settle();
        result
    }

    pub(crate) fn settle(&mut self) {
        let mut buffer = [0xA5; 1500];
        while let Some(address) = self.server.poll_probe(self.now) {
            let answer = self.arp.get(&address).copied();
            let verdict = answer.map_or("nobody", name);
            self.transcript.push(format!("   probe {address}: {verdict}"));
            if let Some(mac) = answer {
                self.server.handle_probe_answer(self.now, address, mac);
            }
        }
        while let Some(reply) = self.server.poll_transmit(&mut buffer) {
            let heard = Heard { destination: reply.destination, payload: buffer[..reply.len].to_vec() };
            let kind = format!("{:?}", heard.kind()).to_uppercase();
            let address = Some(heard.yiaddr()).filter(|address| !address.is_unspecified());
            let address = address.map_or(String::new(), |address| format!(" {address}"));
            let to = heard.message().header.ethernet_address().expect("Ethernet");
            let how = if reply.destination.ip == Ipv4Address::BROADCAST { " to all" } else { "" };
            self.transcript.push(format!("{} <- {kind}{address}{how}", name(to)));
            self.heard.push(heard);
        }
        while let Some(event) = self.server.poll_event() {
            if matches!(event, Event::Expired { .. } | Event::Withdrawn { .. } | Event::Exhausted) {
                let event = format!("{event:?}").to_lowercase();
                self.transcript.push(format!("   {}", event.split(' ').next().unwrap_or_default()));
            }
            self.events.push(event);
        }
        while let Some(store) = self.server.poll_store(self.now) {
            self.writes += 1;
            match store.record {
                Some(record) => _ = self.flash.insert(store.place, record),
                None => _ = self.flash.remove(&store.place),
            }
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.server.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    pub(crate) fn run_for_secs(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    pub(crate) fn last(&self) -> &Heard {
        self.heard.last().expect("something was answered")
    }

    /// DISCOVER, OFFER, REQUEST, ACK; answers the address.
    pub(crate) fn join(&mut self, mac: EthernetAddress) -> Option<Ipv4Address> {
        self.join_with(mac, |said| said)
    }

    /// The same, each message with something added.
    pub(crate) fn join_with(
        &mut self,
        mac: EthernetAddress,
        add: impl Fn(Said) -> Said,
    ) -> Option<Ipv4Address> {
        let before = self.heard.len();
        self.say(&add(said(mac, MessageType::Discover))).ok()?;
        self.run_for_secs(1);
        let offer = self.heard.get(before)?.yiaddr();
        self.say(&add(said(mac, MessageType::Request).asking_for(offer).server(OWN))).ok()?;
        let ack = self.heard.get(before + 1)?;
        (ack.kind() == MessageType::Ack).then(|| ack.yiaddr())
    }

    /// As [`join`](Self::join), and `address` is what it asks for.
    pub(crate) fn join_at(&mut self, mac: EthernetAddress, address: Ipv4Address) {
        self.say(&said(mac, MessageType::Discover).asking_for(address)).expect("taken");
        self.run_for_secs(1);
        self.say(&said(mac, MessageType::Request).asking_for(address).server(OWN)).expect("taken");
        assert_eq!((self.last().kind(), self.last().yiaddr()), (MessageType::Ack, address));
    }

    /// What was said since the last call must be this.
    #[track_caller]
    pub(crate) fn expect_transcript(&mut self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said: Vec<&str> = self.transcript.iter().map(|line| line.trim()).collect();
        assert_eq!(said, expected, "\n{}", self.transcript.join("\n"));
        self.transcript.clear();
    }

    pub(crate) fn forget_transcript(&mut self) {
        self.transcript.clear();
    }
}

fn name(mac: EthernetAddress) -> &'static str {
    match mac {
        PC => "pc",
        TV => "tv",
        NAS => "nas",
        _ => "host",
    }
}
