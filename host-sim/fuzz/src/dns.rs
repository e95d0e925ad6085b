//! The DNS forwarder: hosts that ask, servers that answer, and forgers who know the name but have to
//! guess the rest.

use std::collections::HashMap;

use gatelet_proto::dns::{
    CacheEntry, Client, ClientRate, ClientTransport, Config, Destination, Forwarder, Hosts, NameList,
    Pending, Tables, Transmit, Transport, UpstreamQuery, Waiter,
};
use gatelet_wire::dns::{Class, Flags, Message, NameBuf, Opt, Rcode, Section, Type, Writer};
use gatelet_wire::{IpAddress, Ipv4Address};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpEndpoint;

use crate::input::Input;

const SERVERS: [IpAddress; 3] = [
    IpAddress::v4(198, 51, 100, 1),
    IpAddress::v4(198, 51, 100, 2),
    IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53),
];
/// What servers say,
const RIGHT: [u8; 4] = [203, 0, 113, 7];
/// and what forgers do.
const FORGED: [u8; 4] = [203, 0, 113, 66];
const ARENA: usize = 2048;

/// The owner of a [`Forwarder`], with little room.
struct Owner<'a> {
    forwarder: Forwarder<'a>,
    rng: chacha20::ChaCha8Rng,
    now: Instant,
    /// The last messages to servers.
    asked: Vec<(UpstreamQuery, Vec<u8>)>,
    /// Queries by ID, and whether they were answered.
    queries: HashMap<u16, bool>,
}

/// Any sequence of steps. Every query is answered once at most, in octets that can be read; what
/// goes to servers can be read too; nothing forged is ever told; and after a minute nobody waits.
pub fn forwarder(input: &[u8]) {
    let mut input = Input::new(input);
    let mut entries = [CacheEntry::default(); 5];
    let mut arena = [0xA5; ARENA];
    let mut pending = [Pending::default(); 3];
    let mut waiters = [Waiter::default(); 5];
    let mut clients = [ClientRate::default(); 2];
    let tables = Tables {
        entries: &mut entries,
        arena: &mut arena,
        pending: &mut pending,
        waiters: &mut waiters,
        clients: &mut clients,
    };
    let mut owner = Owner {
        forwarder: Forwarder::new(Config { ttl_floor_s: input.u8().into(), ..Config::default() }, tables),
        rng: chacha20::ChaCha8Rng::seed_from_u64(1),
        now: Instant::from_secs(1),
        asked: Vec::new(),
        queries: HashMap::new(),
    };
    owner.forwarder.set_wan_up(owner.now, true);
    owner.forwarder.set_upstreams(owner.now, &mut owner.rng, &SERVERS[..2]);
    while let Some(operation) = input.operation() {
        owner.step(operation, &mut input);
        owner.drain();
    }
    owner.pass(Duration::from_secs(60));
    assert_eq!(owner.forwarder.poll_at(), None, "somebody waits for ever");
}

impl Owner<'_> {
    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        match operation % 12 {
            0 | 1 => self.ask(input),
            2 | 3 => self.answer(input),
            4 => self.forge(input),
            5 => {
                let client = client(input.u8());
                let octets = input.octets();
                let id = octets.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
                // Noise has IDs of its own: what may be asked twice is not looked at.
                if !self.queries.contains_key(&id) {
                    self.query(client, octets);
                }
            }
            6 => {
                let (which, octets) = (input.u8(), input.octets());
                let Some((to, _)) = self.pick(which) else { return };
                self.reply(&to, to.server, octets);
            }
            7 => self.pass(input.duration()),
            8 => {
                // To the very moment something is due.
                let wait = self.forwarder.poll_at().map_or(Duration::ZERO, |at| at - self.now.min(at));
                self.pass(wait);
            }
            9 => {
                let number = input.u8();
                if let Some((to, _)) = self.pick(number >> 1) {
                    if number & 1 == 0 {
                        self.forwarder.handle_tcp_failed(self.now, &mut self.rng, to.query);
                    } else {
                        self.forwarder.handle_port_taken(&mut self.rng, to.query);
                    }
                }
            }
            10 => self.wish(input),
            _ => self.forwarder.forget_client(input.u8() % 4),
        }
    }

    fn wish(&mut self, input: &mut Input<'_>) {
        let wish = input.u8();
        match wish % 7 {
            0 => self.forwarder.set_wan_up(self.now, wish & 8 == 0),
            1 => self.forwarder.freeze_cache(wish & 8 == 0),
            2 => self.forwarder.clear_cache(),
            3 => self.forwarder.relax_rebind((wish & 8 == 0).then(|| name(wish >> 4))),
            4 => {
                let mut exceptions = NameList::new();
                exceptions.push(&name(wish >> 4)).expect("room enough");
                self.forwarder.set_rebind_exceptions(exceptions);
            }
            5 => {
                let config = Config { stale_max_s: wish.into(), ..Config::default() };
                self.forwarder.set_config(config);
            }
            _ => {
                let servers: Vec<_> =
                    (0..3).filter(|n| wish >> (n + 3) & 1 == 1).map(|n| SERVERS[n]).collect();
                self.forwarder.set_upstreams(self.now, &mut self.rng, &servers);
            }
        }
    }

    /// A host asks something sensible.
    fn ask(&mut self, input: &mut Input<'_>) {
        let (who, what, how) = (input.u8(), input.u8(), input.u8());
        let kind =
            [Type::A, Type::AAAA, Type::PTR, Type::HTTPS, Type::ANY, Type(65_000)][usize::from(how % 6)];
        let id = self.queries.len() as u16 | 0x8000;
        if self.queries.insert(id, false).is_some() {
            return;
        }
        let mut buffer = [0; 400];
        let flags = if how & 0x80 == 0 { Flags::RECURSION_DESIRED } else { Flags::CHECKING_DISABLED };
        let mut writer = Writer::new(&mut buffer, id, flags);
        writer.question(&name(what), kind, Class::IN);
        if how & 0x40 != 0 {
            let flags = if how & 0x20 == 0 { 0 } else { Opt::DNSSEC_OK };
            let udp_payload_size = u16::from(what) * 16;
            writer.opt(&Opt { udp_payload_size, extended_rcode: 0, version: 0, flags, options: &[] });
        }
        let len = writer.finish().expect("room enough");
        self.query(client(who), &buffer[..len]);
    }

    fn query(&mut self, client: Client, octets: &[u8]) {
        let printer = Ipv4Address::new(192, 168, 1, 20);
        let hosts = Hosts {
            address_of: &|name| (name == "printer").then_some(printer),
            name_of: &|address| (address == printer).then(|| "printer".try_into().expect("fits")),
        };
        let _ = self.forwarder.handle_query(self.now, &mut self.rng, client, octets, &hosts);
    }

    /// A server answers what it was asked, well or badly.
    fn answer(&mut self, input: &mut Input<'_>) {
        let (which, how, ttl, extra) = (input.u8(), input.u8(), input.u16(), input.octets());
        let Some((to, query)) = self.pick(which) else { return };
        let truncated = if how & 0x80 == 0 { Flags::default() } else { Flags::TRUNCATED };
        let octets =
            respond(&query, truncated.with_rcode(Rcode(u16::from(how & 7))), |writer, kind| {
                match how >> 3 & 7 {
                    0 => {}
                    1 => soa(writer, "example.org", ttl.into()),
                    2 => {
                        writer.answer(Type::CNAME, ttl.into(), name(how).as_bytes());
                        soa(writer, "org", ttl.into());
                    }
                    3 => {
                        let private: &[u8] = &[192, 168, 1, 66];
                        writer.answer(Type::A, ttl.into(), private);
                    }
                    4 => {
                        writer.answer(Type(65_001), ttl.into(), extra);
                    }
                    count => {
                        for _ in 4..count {
                            match kind {
                                Type::AAAA => writer.answer(kind, ttl.into(), &[0x20; 16]),
                                Type::A => writer.answer(kind, ttl.into(), &RIGHT),
                                _ => writer.answer(Type(65_000), ttl.into(), extra),
                            };
                        }
                        let options = if extra.len() < 4 { &[] } else { extra };
                        let opt =
                            Opt { udp_payload_size: ttl, extended_rcode: 0, version: 0, flags: 0, options };
                        writer.opt(&opt).record(Section::Additional, &name(1), Type::A, Class::IN, 9, &RIGHT);
                    }
                }
            });
        let server = if which & 0x80 == 0 { to.server } else { SERVERS[usize::from(which & 1)] };
        self.reply(&to, server, &octets);
    }

    /// Somebody answers who has seen nothing but the name: ID and letters are not those asked for.
    fn forge(&mut self, input: &mut Input<'_>) {
        let (which, id, letter) = (input.u8(), input.u16(), input.u8());
        let Some((to, query)) = self.pick(which) else { return };
        let mut octets = respond(&query, Flags::default(), |writer, _| {
            writer.answer(Type::A, 300, &FORGED);
        });
        let right = Message::parse(&query).expect("well-formed");
        if right.id() == id {
            // The ID is guessed: a letter has the other case.
            let name = right.question().expect("readable").expect("there").name.to_buf();
            let letters: Vec<_> = (0..name.as_bytes().len())
                .filter(|at| name.as_bytes()[*at].is_ascii_alphabetic())
                .map(|at| 12 + at)
                .collect();
            let Some(at) = letters.get(usize::from(letter) % letters.len().max(1)) else { return };
            // A name that is asked in small letters has nothing to guess.
            if !name.as_bytes().iter().any(u8::is_ascii_uppercase) {
                return;
            }
            octets[*at] ^= 0x20;
        }
        octets[..2].copy_from_slice(&id.to_be_bytes());
        self.reply(&to, to.server, &octets);
    }

    fn reply(&mut self, to: &UpstreamQuery, server: IpAddress, octets: &[u8]) {
        let from = IpEndpoint::new(server, 53);
        let awaited = self.forwarder.is_awaiting(to.query);
        let taken =
            self.forwarder.handle_answer(self.now, &mut self.rng, to.query, to.transport, from, octets);
        assert!(awaited || taken.is_err(), "nobody waited for that");
    }

    fn pick(&self, which: u8) -> Option<(UpstreamQuery, Vec<u8>)> {
        let recent = self.asked.len().min(4);
        self.asked
            .len()
            .checked_sub(1 + usize::from(which & 0x7F) % recent.max(1))
            .map(|at| self.asked[at].clone())
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.forwarder.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.forwarder.handle_timeout(self.now, &mut self.rng);
            self.drain();
            assert!(self.forwarder.poll_at().is_none_or(|at| at > self.now), "it stands still");
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut buffer = [0xA5; 2100];
        while let Some(Transmit { to, len }) = self.forwarder.poll_transmit(self.now, &mut buffer) {
            let message = Message::parse(&buffer[..len]).expect("a header");
            let layout = message.check().expect("well-formed");
            assert_eq!(layout.end, len);
            match to {
                Destination::Client(client) => {
                    self.check_answer(client, &message);
                }
                Destination::Upstream(to) => {
                    assert_eq!((message.question_count(), message.flags().opcode().0), (1, 0));
                    assert!(self.forwarder.is_awaiting(to.query));
                    assert!(to.transport == Transport::Udp || len > 0);
                    self.asked.push((to, buffer[..len].to_vec()));
                }
            }
        }
        while self.forwarder.poll_event().is_some() {}
        let (entries, octets) = self.forwarder.cache_usage();
        assert!(entries <= 5 && octets <= ARENA && (entries > 0 || octets == 0));
    }

    fn check_answer(&mut self, client: Client, message: &Message<'_>) {
        assert!(message.flags().contains(Flags::RESPONSE));
        let limit = if client.transport == ClientTransport::Udp { 1232 } else { ARENA };
        assert!(message.bytes().len() <= limit);
        if let Some(is_answered) = self.queries.get_mut(&message.id()) {
            assert!(!std::mem::replace(is_answered, true), "answered twice");
        }
        let records = message.records().expect("readable");
        assert!(records.flatten().all(|record| record.data != FORGED), "somebody believed a forger");
    }
}

/// The response to `query`.
fn respond(query: &[u8], flags: Flags, fill: impl FnOnce(&mut Writer<'_>, Type)) -> Vec<u8> {
    let message = Message::parse(query).expect("well-formed");
    let question = message.question().expect("readable").expect("there");
    let mut buffer = vec![0; 4096];
    let mut writer = Writer::new(&mut buffer, message.id(), flags.with(Flags::RESPONSE));
    writer.question(&question.name.to_buf(), question.kind, question.class);
    fill(&mut writer, question.kind);
    let len = writer.finish().expect("room enough");
    buffer.truncate(len);
    buffer
}

fn soa(writer: &mut Writer<'_>, zone: &str, ttl: u32) {
    let zone = NameBuf::from_text(zone).expect("a name");
    let data = [zone.as_bytes(), zone.as_bytes(), &[0; 16], &ttl.to_be_bytes()].concat();
    writer.record(Section::Authority, &zone, Type::SOA, Class::IN, ttl, &data);
}

/// A few names of the world outside, and some of the LAN's.
fn name(number: u8) -> NameBuf {
    let text = match number % 16 {
        0 => "printer.lan".into(),
        1 => "gatelet".into(),
        2 => "20.1.168.192.in-addr.arpa".into(),
        3 => "x.localhost".into(),
        4 => "dns.msftncsi.com".into(),
        5 => "7.113.1.203.in-addr.arpa".into(),
        6 => String::new(),
        other => format!("n{other}.Example.ORG"),
    };
    NameBuf::from_text(&text).expect("a name")
}

fn client(number: u8) -> Client {
    let transport =
        if number & 4 == 0 { ClientTransport::Udp } else { ClientTransport::Tcp(number >> 4 & 3) };
    Client {
        remote: IpEndpoint::new(IpAddress::v4(192, 168, 1, 100 + number % 4), 40_000),
        local: None,
        transport,
    }
}
