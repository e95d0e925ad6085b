//! The owner of a [`Forwarder`], the hosts of its LAN, and the servers' mouth.

use chacha20::ChaCha8Rng;
use gatelet_proto::dns::{
    CacheEntry, Client, ClientRate, ClientTransport, Config, Destination, Dropped, Event, Forwarder, Hosts,
    Pending, Tables, Transmit, Transport, UpstreamQuery, Waiter,
};
use gatelet_wire::dns::{Class, Flags, Message, NameBuf, Opt, Rcode, Section, Type, Writer};
use gatelet_wire::{IpAddress, Ipv4Address};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpEndpoint;

pub(crate) const S1: IpAddress = IpAddress::v4(198, 51, 100, 1);
pub(crate) const S2: IpAddress = IpAddress::v4(198, 51, 100, 2);
pub(crate) const S3: IpAddress = IpAddress::v6(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x53);

/// A message of the forwarder to a server.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) to: UpstreamQuery,
    pub(crate) bytes: Vec<u8>,
}

/// A message of the forwarder to a host.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) client: Client,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) forwarder: Forwarder<'static>,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Instant,
    pub(crate) asked: Vec<Asked>,
    pub(crate) told: Vec<Told>,
    pub(crate) events: Vec<Event>,
    pub(crate) transcript: Vec<String>,
    /// The ID of the last query.
    pub(crate) last_id: u16,
}

/// How large the tables are.
pub(crate) struct Sizes {
    pub(crate) entries: usize,
    pub(crate) arena: usize,
    pub(crate) pending: usize,
    pub(crate) waiters: usize,
    pub(crate) clients: usize,
}

pub(crate) const USUAL: Sizes = Sizes { entries: 64, arena: 16_384, pending: 8, waiters: 16, clients: 8 };

impl World {
    /// The line is up and there are two servers.
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), &USUAL)
    }

    pub(crate) fn with(config: Config, sizes: &Sizes) -> Self {
        let mut world = Self::down(config, sizes);
        world.forwarder.set_wan_up(world.now, true);
        world.forwarder.set_upstreams(world.now, &mut world.rng, &[S1, S2]);
        world
    }

    /// The line is down and nobody can be asked.
    pub(crate) fn down(config: Config, sizes: &Sizes) -> Self {
        let tables = Tables {
            entries: vec![CacheEntry::default(); sizes.entries].leak(),
            arena: vec![0xA5; sizes.arena].leak(),
            pending: vec![Pending::default(); sizes.pending].leak(),
            waiters: vec![Waiter::default(); sizes.waiters].leak(),
            clients: vec![ClientRate::default(); sizes.clients].leak(),
        };
        Self {
            forwarder: Forwarder::new(config, tables),
            rng: ChaCha8Rng::seed_from_u64(1),
            now: Instant::from_secs(1000),
            asked: Vec::new(),
            told: Vec::new(),
            events: Vec::new(),
            transcript: Vec::new(),
            last_id: 0x4000,
        }
    }

    /// `host` asks over UDP, without EDNS.
    pub(crate) fn ask(&mut self, host: u8, name: &str, kind: Type) -> Result<(), Dropped> {
        self.ask_with(udp(host), name, kind, Flags::RECURSION_DESIRED, None)
    }

    pub(crate) fn ask_with(
        &mut self,
        client: Client,
        name: &str,
        kind: Type,
        flags: Flags,
        opt: Option<Opt<'_>>,
    ) -> Result<(), Dropped> {
        self.last_id += 1;
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer, self.last_id, flags);
        writer.question(&NameBuf::from_text(name).expect("a name"), kind, Class::IN);
        if let Some(opt) = opt {
            writer.opt(&opt);
        }
        let len = writer.finish().expect("fits");
        self.hear(client, &buffer[..len])
    }

    /// A host says something.
    pub(crate) fn hear(&mut self, client: Client, bytes: &[u8]) -> Result<(), Dropped> {
        let address_of = |name: &str| (name == "printer").then(|| Ipv4Address::new(192, 168, 1, 20));
        let name_of = |address: Ipv4Address| {
            (address == Ipv4Address::new(192, 168, 1, 20)).then(|| "printer".try_into().expect("fits"))
        };
        let hosts = Hosts { address_of: &address_of, name_of: &name_of };
        let result = self.forwarder.handle_query(self.now, &mut self.rng, client, bytes, &hosts);
        let verdict = result.err().map_or(String::new(), |reason| format!(" ({})", reason.name()));
        self.transcript.push(format!("{} -> {}{verdict}", host_name(client), show(bytes)));
        self.settle();
        result
    }

    /// Sends what is due, and notes what happened.
    pub(crate) fn settle(&mut self) {
        let mut buffer = vec![0xA5; 4096];
        while let Some(Transmit { to, len }) = self.forwarder.poll_transmit(self.now, &mut buffer) {
            let bytes = buffer[..len].to_vec();
            match to {
                Destination::Client(client) => {
                    self.transcript.push(format!("{} <- {}", host_name(client), show(&bytes)));
                    self.told.push(Told { client, bytes });
                }
                Destination::Upstream(to) => {
                    let transport = if to.transport == Transport::Tcp { " tcp" } else { "" };
                    self.transcript.push(format!(
                        "   -> {}{transport} {}",
                        server_name(to.server),
                        show(&bytes).to_lowercase()
                    ));
                    self.asked.push(Asked { at: self.now, to, bytes });
                }
            }
        }
        while let Some(event) = self.forwarder.poll_event() {
            self.transcript.push(format!("   {event:?}"));
            self.events.push(event);
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.forwarder.poll_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.forwarder.handle_timeout(self.now, &mut self.rng);
            self.settle();
            assert!(self.forwarder.poll_at().is_none_or(|at| at > self.now), "it stands still");
        }
        self.now = end;
    }

    pub(crate) fn last_asked(&self) -> Asked {
        self.asked.last().expect("somebody was asked").clone()
    }

    pub(crate) fn last_told(&self) -> Told {
        self.told.last().expect("somebody was told").clone()
    }

    /// The server asked last answers, with what `fill` writes behind the question.
    pub(crate) fn answer(&mut self, rcode: Rcode, fill: impl FnOnce(&mut Writer<'_>)) -> Result<(), Dropped> {
        let asked = self.last_asked();
        self.answer_to(&asked, rcode, fill)
    }

    pub(crate) fn answer_to(
        &mut self,
        asked: &Asked,
        rcode: Rcode,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Result<(), Dropped> {
        let bytes = response(&asked.bytes, Flags::RECURSION_AVAILABLE.with_rcode(rcode), fill);
        self.reply(asked, &bytes)
    }

    /// What a server says to what it was asked, octet by octet.
    pub(crate) fn reply(&mut self, asked: &Asked, bytes: &[u8]) -> Result<(), Dropped> {
        self.reply_from(asked, IpEndpoint::new(asked.to.server, 53), bytes)
    }

    pub(crate) fn reply_from(
        &mut self,
        asked: &Asked,
        from: IpEndpoint,
        bytes: &[u8],
    ) -> Result<(), Dropped> {
        let (query, transport) = (asked.to.query, asked.to.transport);
        let result = self.forwarder.handle_answer(self.now, &mut self.rng, query, transport, from, bytes);
        let verdict = result.err().map_or(String::new(), |reason| format!(" ({})", reason.name()));
        self.transcript.push(format!(
            "   <- {} {}{verdict}",
            server_name(from.addr),
            show(bytes).to_lowercase()
        ));
        self.settle();
        result
    }

    /// `host` asks for A of `name`, the server says `last` of the network 203.0.113.0 for `ttl`
    /// seconds.
    pub(crate) fn resolve(&mut self, host: u8, name: &str, last: u8, ttl: u32) {
        assert_eq!(self.ask(host, name, Type::A), Ok(()));
        assert_eq!(self.answer(Rcode::NOERROR, a(last, ttl)), Ok(()));
    }

    #[track_caller]
    pub(crate) fn expect_transcript(&mut self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said = std::mem::take(&mut self.transcript);
        let said: Vec<&str> = said.iter().map(|line| line.trim()).collect();
        assert_eq!(said, expected, "\n{}", said.join("\n"));
    }

    #[track_caller]
    pub(crate) fn expect_count(&self, reason: Dropped, count: u32) {
        assert_eq!(self.forwarder.counters().of(reason), count, "{}", reason.name());
    }
}

/// Writes an A record of 203.0.113.`last`.
pub(crate) fn a(last: u8, ttl: u32) -> impl FnOnce(&mut Writer<'_>) {
    move |writer| {
        writer.answer(Type::A, ttl, &[203, 0, 113, last]);
    }
}

/// The response to the query that `query` is.
pub(crate) fn response(query: &[u8], flags: Flags, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let message = Message::parse(query).expect("well-formed");
    let question = message.question().expect("readable").expect("there");
    let mut buffer = vec![0; 65_535];
    let flags = flags.with(Flags::RESPONSE).with(message.flags().only(Flags::RECURSION_DESIRED));
    let mut writer = Writer::new(&mut buffer, message.id(), flags);
    writer.question(&question.name.to_buf(), question.kind, question.class);
    fill(&mut writer);
    let len = writer.finish().expect("fits");
    buffer.truncate(len);
    buffer
}

/// The SOA of `zone`, with this MINIMUM.
pub(crate) fn soa(writer: &mut Writer<'_>, zone: &str, ttl: u32, minimum: u32) {
    let zone = NameBuf::from_text(zone).expect("a name");
    let mut data = zone.as_bytes().to_vec();
    data.extend(zone.as_bytes());
    data.extend([1, 2, 3, 4, minimum].map(u32::to_be_bytes).as_flattened());
    writer.record(Section::Authority, &zone, Type::SOA, Class::IN, ttl, &data);
}

pub(crate) fn udp(host: u8) -> Client {
    Client {
        remote: IpEndpoint::new(IpAddress::v4(192, 168, 1, 100 + host), 40_000),
        local: Some(IpAddress::v4(192, 168, 1, 1)),
        transport: ClientTransport::Udp,
    }
}

pub(crate) fn tcp(host: u8, connection: u8) -> Client {
    Client { transport: ClientTransport::Tcp(connection), ..udp(host) }
}

fn host_name(client: Client) -> String {
    let IpAddress::Ipv4(address) = client.remote.addr else { return "h6".into() };
    let transport = if client.transport == ClientTransport::Udp { "" } else { " tcp" };
    format!("h{}{transport}", address.octets()[3] - 100)
}

fn server_name(address: IpAddress) -> &'static str {
    match address {
        S1 => "s1",
        S2 => "s2",
        S3 => "s3",
        _ => "stranger",
    }
}

/// A message in a line, without its ID.
pub(crate) fn show(bytes: &[u8]) -> String {
    let Ok(message) = Message::parse(bytes) else { return "nothing".into() };
    let mut words = Vec::new();
    let flags = message.flags();
    let opt = message.check().ok().and_then(|layout| layout.opt.map(|opt| (opt, layout)));
    if flags.contains(Flags::RESPONSE) {
        let rcode = opt.map_or(flags.rcode(), |(opt, _)| opt.rcode(flags.rcode()));
        words.push(rcode_name(rcode));
    }
    let names = [
        (Flags::AUTHORITATIVE, "aa"),
        (Flags::TRUNCATED, "tc"),
        (Flags::AUTHENTIC_DATA, "ad"),
        (Flags::CHECKING_DISABLED, "cd"),
    ];
    words.extend(names.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| (*name).into()));
    if let Ok(Some(question)) = message.question() {
        words.push(format!("{} {}", question.name, type_name(question.kind)));
    }
    for record in message.records().into_iter().flatten() {
        let Ok(record) = record else {
            words.push("malformed".into());
            break;
        };
        if record.kind == Type::OPT {
            continue;
        }
        let mark = ["", ":", ";", "+"][record.section as usize];
        let data = record
            .address()
            .map(|address| address.to_string())
            .or_else(|| record.target().map(|name| name.to_string()))
            .or_else(|| record.soa().map(|soa| format!("min {}", soa.minimum)))
            .unwrap_or_else(|| format!("{} octets", record.data.len()));
        words.push(format!("{mark} {} {} {data}", type_name(record.kind), record.ttl));
    }
    if let Some((opt, _)) = opt {
        let dnssec_ok = if opt.flags & Opt::DNSSEC_OK == 0 { "" } else { " do" };
        let error = opt.extended_error().map_or(String::new(), |error| format!(" ede {}", error.0));
        words.push(format!("edns {}{dnssec_ok}{error}", opt.udp_payload_size));
    }
    words.join(" ")
}

fn rcode_name(rcode: Rcode) -> String {
    match rcode {
        Rcode::NOERROR => "NOERROR".into(),
        Rcode::FORMERR => "FORMERR".into(),
        Rcode::SERVFAIL => "SERVFAIL".into(),
        Rcode::NXDOMAIN => "NXDOMAIN".into(),
        Rcode::NOTIMP => "NOTIMP".into(),
        Rcode::REFUSED => "REFUSED".into(),
        Rcode::BADVERS => "BADVERS".into(),
        Rcode(other) => format!("RCODE{other}"),
    }
}

fn type_name(kind: Type) -> String {
    match kind {
        Type::A => "A".into(),
        Type::AAAA => "AAAA".into(),
        Type::NS => "NS".into(),
        Type::CNAME => "CNAME".into(),
        Type::SOA => "SOA".into(),
        Type::PTR => "PTR".into(),
        Type::TXT => "TXT".into(),
        Type::HINFO => "HINFO".into(),
        Type::ANY => "ANY".into(),
        Type::HTTPS => "HTTPS".into(),
        Type(other) => format!("TYPE{other}"),
    }
}
