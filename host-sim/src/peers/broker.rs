//! A tunnel broker: the far end of IPv6 over IPv4, and the page where subscribers tell it their new address.
//!
//! ```text
//!                             ┌── from the endpoint? from inside its prefixes? ──► the Internet over IPv6
//!  endpoint ══ protocol 41 ══►│
//!          ◄══════════════════└── encapsulated, told or silent where it is too long ◄── packets to its prefixes
//!
//!  GET /nic/update?hostname=… ─► known, and may he? ─► does the new endpoint answer a ping? ─► good, nochg, ...
//! ```
//!
//! It is stricter than Linux (which lets any source in) and as strict as Hurricane Electric's. Reading list: RFC 4213 §3
//! (encapsulation, MTU, ingress), RFC 4443 §3 and §4; what its page says are the answers of the broker's documentation.

use std::collections::VecDeque;

use smoltcp::iface::SocketStorage;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    Icmpv4Message, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, Ipv6Address,
    Ipv6Cidr, Ipv6Packet,
};

use super::host::{Machine, Memory, News, Question, Service};
use super::internet::too_big;
use super::packet::{self, Fragment, IPV6_LEAST_MTU};
use crate::timeline::Tone;

/// Where it is.
pub const BROKER: Ipv4Address = Ipv4Address::new(192, 0, 2, 41);
/// IPv6 in IPv4 (RFC 4213 §3.5).
pub const SIT: IpProtocol = IpProtocol::Unknown(41);

const IPV4_HEADER: usize = 20;
const HTTP: u16 = 80;
const CLIENTS: usize = 4;
/// How long an endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Identifier of its pings.
const PING: u16 = 0xB20C;
/// RFC 4443 §3.3 and §4: types and codes.
const TIME_EXCEEDED: (u8, u8) = (3, 0);
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: (u8, u8) = (129, 0);
const OWN_HOP_LIMIT: u8 = 64;

/// A tunnel of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// What the page calls it.
    pub id: String,
    /// Who may change its endpoint, and the key.
    pub user: String,
    /// The key.
    pub key: String,
    /// The far end; `None` until it was told.
    pub endpoint: Option<Ipv4Address>,
    /// The broker's address on it.
    pub server: Ipv6Address,
    /// The client's.
    pub client: Ipv6Address,
    /// What is routed into it beside.
    pub routed: Vec<Ipv6Cidr>,
    /// The longest packet it takes, in octets.
    pub mtu: usize,
}

/// What it does with packets that are too long for the way to an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TooLong {
    /// It says Packet Too Big, and believes what routers say to it.
    #[default]
    Tell,
    /// They vanish.
    Vanish,
    /// It lets the IPv4 packets be cut into pieces.
    Fragment,
}

/// How it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// It works.
    #[default]
    Well,
    /// "911": something is wrong on its side.
    Failing,
    /// Its page does not answer.
    Silent,
    /// Nothing of it does.
    Gone,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named for what it counts")]
pub struct Counters {
    pub from_clients: u64,
    pub to_clients: u64,
    /// Packets of protocol 41 from who is no endpoint.
    pub strangers: u64,
    /// Packets whose source inside is not the client's.
    pub spoofed: u64,
    /// Packets inside that are not in order.
    pub malformed: u64,
    pub too_long: u64,
    pub pings_answered: u64,
    pub updates: u64,
    pub updates_refused: u64,
}

/// An update that waits for a ping to be answered.
#[derive(Debug)]
struct Waiting {
    question: usize,
    tunnel: usize,
    endpoint: Ipv4Address,
    deadline: Instant,
}

/// The broker.
pub struct Broker<'a> {
    /// How it is.
    pub mood: Mood,
    /// What it does with what is too long.
    pub too_long: TooLong,
    tunnels: Vec<Tunnel>,
    page: Machine<'a>,
    waiting: Vec<Waiting>,
    /// IPv6 packets for the Internet, IPv4 packets for endpoints, IPv6 packets for those who sent what was too long.
    inside: VecDeque<Vec<u8>>,
    outside: VecDeque<Vec<u8>>,
    ident: u16,
    news: Vec<News>,
    counters: Counters,
}

impl<'a> Broker<'a> {
    /// One with these tunnels.
    pub fn new(
        tunnels: Vec<Tunnel>,
        too_long: TooLong,
        memory: &'a mut Memory,
        storage: &'a mut [SocketStorage<'a>],
        seed: u64,
    ) -> Self {
        let mut page = Machine::of_the_internet("broker", BROKER, &[], memory, storage, seed);
        page.serve(Service::Questions, HTTP, CLIENTS);
        page.set_quiet(true);
        Self {
            mood: Mood::Well,
            too_long,
            tunnels,
            page,
            waiting: Vec::new(),
            inside: VecDeque::new(),
            outside: VecDeque::new(),
            ident: 0,
            news: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The endpoint of its first tunnel.
    pub fn endpoint(&self) -> Option<Ipv4Address> {
        self.tunnels.first()?.endpoint
    }

    /// Whether packets to this address go through one of its tunnels.
    pub fn routes(&self, to: Ipv6Address) -> bool {
        self.tunnel_to(to).is_some()
    }

    fn tunnel_to(&self, to: Ipv6Address) -> Option<usize> {
        self.tunnels.iter().position(|tunnel| tunnel.has(to))
    }

    /// An IPv4 packet, in order, for it.
    pub fn handle(&mut self, now: Instant, bytes: &[u8]) {
        if self.mood == Mood::Gone {
            return;
        }
        let packet = Ipv4Packet::new_unchecked(bytes);
        let from = packet.src_addr();
        if packet.next_header() == SIT {
            self.decapsulate(from, packet.payload());
            return;
        }
        if packet.next_header() == IpProtocol::Icmp && self.handle_icmp(now, from, packet.payload()) {
            return;
        }
        self.page.receive(now, bytes);
    }

    fn decapsulate(&mut self, from: Ipv4Address, inner: &[u8]) {
        let Some(tunnel) = self.tunnels.iter().position(|tunnel| tunnel.endpoint == Some(from)) else {
            self.counters.strangers += 1;
            return;
        };
        self.counters.from_clients += 1;
        if !packet::is_ipv6(inner) || packet::inspect(inner).is_err() {
            self.counters.malformed += 1;
            return;
        }
        let tunnel = &self.tunnels[tunnel];
        let packet = Ipv6Packet::new_unchecked(inner);
        let (source, destination, hop_limit) = (packet.src_addr(), packet.dst_addr(), packet.hop_limit());
        if !tunnel.has(source) {
            self.counters.spoofed += 1;
            return;
        }
        let server = tunnel.server;
        if destination == server {
            if let Some((IpProtocol::Icmpv6, [ECHO_REQUEST, 0, _, _, body @ ..])) =
                packet::ipv6_payload(inner)
            {
                self.counters.pings_answered += 1;
                let reply = packet::icmpv6(server, source, OWN_HOP_LIMIT, ECHO_REPLY, body);
                self.encapsulate(&reply);
            }
        } else if hop_limit <= 1 {
            let exceeded = packet::icmpv6_error(server, source, TIME_EXCEEDED, [0; 4], inner);
            self.encapsulate(&exceeded);
        } else {
            let mut inner = inner.to_vec();
            inner[7] -= 1;
            self.inside.push_back(inner);
        }
    }

    /// Whether it was one of its own business: that a way is narrower than thought, or an answer to its ping.
    fn handle_icmp(&mut self, now: Instant, from: Ipv4Address, bytes: &[u8]) -> bool {
        const FRAGMENTATION_NEEDED: u8 = 4;
        let Ok(message) = Icmpv4Packet::new_checked(bytes) else { return false };
        match message.msg_type() {
            Icmpv4Message::EchoReply if message.echo_ident() == PING => {
                let answered = self.waiting.extract_if(.., |waiting| waiting.endpoint == from);
                for waiting in answered.collect::<Vec<_>>() {
                    self.move_to(&waiting);
                }
                // It says so at once.
                self.page.poll(now);
                true
            }
            Icmpv4Message::DstUnreachable if message.msg_code() == FRAGMENTATION_NEEDED => {
                let about = Ipv4Packet::new_unchecked(&bytes[8..]);
                let mtu = usize::from(u16::from_be_bytes([bytes[6], bytes[7]])).saturating_sub(IPV4_HEADER);
                if bytes.len() >= 8 + IPV4_HEADER
                    && self.too_long == TooLong::Tell
                    && let Some(tunnel) =
                        self.tunnels.iter_mut().find(|tunnel| tunnel.endpoint == Some(about.dst_addr()))
                {
                    tunnel.mtu = tunnel.mtu.min(mtu).max(IPV6_LEAST_MTU);
                }
                true
            }
            _ => false,
        }
    }

    /// An IPv6 packet of the Internet's for one of its clients. What is said to its sender, if it is too long.
    pub fn encapsulate(&mut self, inner: &[u8]) -> Option<Vec<u8>> {
        let packet = Ipv6Packet::new_unchecked(inner);
        let tunnel = &self.tunnels[self.tunnel_to(packet.dst_addr())?];
        let endpoint = tunnel.endpoint.filter(|_| self.mood != Mood::Gone)?;
        if inner.len() > tunnel.mtu {
            self.counters.too_long += 1;
            match self.too_long {
                TooLong::Tell => {
                    return Some(too_big(tunnel.server, packet.src_addr(), tunnel.mtu, inner));
                }
                TooLong::Vanish => return None,
                TooLong::Fragment => {}
            }
        }
        self.counters.to_clients += 1;
        self.ident = self.ident.wrapping_add(1);
        let whole = self.too_long != TooLong::Fragment || inner.len() <= tunnel.mtu;
        let piece = if whole { inner.len() } else { tunnel.mtu / 8 * 8 };
        for (number, data) in inner.chunks(piece.max(8)).enumerate() {
            let offset = number * piece;
            let more = offset + data.len() < inner.len();
            let fragment = Fragment { ident: self.ident, offset: offset as u16, more };
            let mut outer = packet::ipv4(BROKER, endpoint, SIT, fragment, data);
            if self.too_long != TooLong::Fragment {
                let mut header = Ipv4Packet::new_unchecked(&mut outer);
                header.set_dont_frag(true);
                header.fill_checksum();
            }
            self.outside.push_back(outer);
        }
        None
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.page.poll_at().is_some_and(|at| at <= now) {
            self.page.poll(now);
        }
        let mut answered = false;
        while let Some(question) = self.page.take_question() {
            answered = true;
            self.answer(now, &question);
        }
        let late = self.waiting.extract_if(.., |waiting| waiting.deadline <= now);
        for waiting in late.collect::<Vec<_>>() {
            answered = true;
            self.refuse(waiting.question, "-ERROR: the address does not answer pings");
        }
        if answered {
            self.page.poll(now);
        }
        while let Some(packet) = self.page.sent() {
            self.outside.push_back(packet);
        }
    }

    /// When [`Broker::handle_timeout`] is wanted.
    pub fn poll_at(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|waiting| waiting.deadline);
        waiting.chain(self.page.poll_at()).min()
    }

    /// The next IPv6 packet of a client's for the Internet.
    pub fn inside(&mut self) -> Option<Vec<u8>> {
        self.inside.pop_front()
    }

    /// The next IPv4 packet of its own.
    pub fn outside(&mut self) -> Option<Vec<u8>> {
        self.outside.pop_front()
    }

    /// What there is to tell.
    pub fn take_news(&mut self) -> impl Iterator<Item = News> {
        self.news.drain(..).chain(self.page.take_news())
    }

    /// Answers what its page was asked.
    fn answer(&mut self, now: Instant, question: &Question) {
        match self.mood {
            Mood::Silent | Mood::Gone => return,
            Mood::Failing => return self.refuse(question.number, "911"),
            Mood::Well => {}
        }
        let Some(update) = Update::parse(&question.text) else {
            return self.page.answer(question.number, "404 Not Found", "");
        };
        let tunnel = self.tunnels.iter().position(|tunnel| {
            (&tunnel.user, &tunnel.key) == (&update.user, &update.key) && tunnel.id == update.hostname
        });
        let address = update.address.or(match question.from {
            IpAddress::Ipv4(address) => Some(address),
            IpAddress::Ipv6(_) => None,
        });
        let known_user =
            self.tunnels.iter().any(|tunnel| (&tunnel.user, &tunnel.key) == (&update.user, &update.key));
        match (tunnel, address) {
            (None, _) if known_user => self.refuse(question.number, "nohost"),
            (None, _) => self.refuse(question.number, "badauth"),
            (Some(_), None) => self.refuse(question.number, "-ERROR: no IPv4 address"),
            (Some(tunnel), Some(endpoint)) if self.tunnels[tunnel].endpoint == Some(endpoint) => {
                self.counters.updates += 1;
                self.page.answer(question.number, "200 OK", &format!("nochg {endpoint}"));
            }
            (Some(tunnel), Some(endpoint)) => {
                let echo = Icmpv4Repr::EchoRequest { ident: PING, seq_no: 1, data: b"are you there?" };
                self.outside.push_back(packet::icmp(BROKER, endpoint, &echo));
                let (question, deadline) = (question.number, now + PATIENCE);
                self.waiting.push(Waiting { question, tunnel, endpoint, deadline });
            }
        }
    }

    fn refuse(&mut self, question: usize, why: &str) {
        self.counters.updates_refused += 1;
        let what = "the broker refuses another endpoint".into();
        self.news.push(News { tag: "endpoint-refused", tone: Tone::Bad, what, why: why.into() });
        self.page.answer(question, "200 OK", why);
    }

    /// The endpoint has answered.
    fn move_to(&mut self, waiting: &Waiting) {
        self.counters.updates += 1;
        let tunnel = &mut self.tunnels[waiting.tunnel];
        tunnel.endpoint = Some(waiting.endpoint);
        let what = format!("the broker has {} as endpoint of tunnel {}", waiting.endpoint, tunnel.id);
        self.news.push(News { tag: "endpoint-updated", tone: Tone::Good, what, why: String::new() });
        self.page.answer(waiting.question, "200 OK", &format!("good {}", waiting.endpoint));
    }
}

impl Tunnel {
    /// Whether an address is its client's.
    fn has(&self, address: Ipv6Address) -> bool {
        self.client == address || self.routed.iter().any(|prefix| prefix.contains_addr(&address))
    }
}

/// What a subscriber says on the page.
#[derive(Debug, PartialEq, Eq)]
struct Update {
    user: String,
    key: String,
    hostname: String,
    /// `None`: the address it comes from.
    address: Option<Ipv4Address>,
}

impl Update {
    /// Of `GET /nic/update?hostname=1&myip=192.0.2.1 HTTP/1.1` with `Authorization: Basic ...`.
    fn parse(request: &str) -> Option<Self> {
        let mut lines = request.lines();
        let path = lines.next()?.strip_prefix("GET /nic/update?")?.split(' ').next()?;
        let fields: Vec<_> = path.split('&').filter_map(|field| field.split_once('=')).collect();
        let field = |name| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let is_authorization = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("authorization");
        let header = lines.filter_map(|line| line.split_once(": ")).find(is_authorization);
        let secret = header.and_then(|(_, value)| base64(value.trim().strip_prefix("Basic ")?));
        let secret = secret.and_then(|secret| String::from_utf8(secret).ok()).unwrap_or_default();
        let (user, key) = secret.split_once(':').unwrap_or_default();
        Some(Self {
            user: user.to_owned(),
            key: key.to_owned(),
            hostname: field("hostname")?.to_owned(),
            address: field("myip").and_then(|address| address.parse().ok()),
        })
    }
}

/// RFC 4648 §4.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut octets, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for octet in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == octet)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::host::{Size, Target, Task};

    const CLIENT: Ipv6Address = Ipv6Address::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888);
    const SERVER: Ipv6Address = Ipv6Address::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8889);
    const LAN: Ipv6Address = Ipv6Address::new(0x2001, 0xDB8, 0xC000, 0, 0, 0, 0, 7);
    const FAR: Ipv6Address = Ipv6Address::new(0x2001, 0xDB8, 0x80, 0, 0, 0, 0, 0x80);
    const ENDPOINT: Ipv4Address = Ipv4Address::new(198, 51, 100, 130);

    fn with_broker(too_long: TooLong, test: impl FnOnce(&mut Broker<'_>)) {
        let mut memory = Memory::new(Size::MODEM);
        let mut storage = memory.storage();
        let tunnel = Tunnel {
            id: "1".into(),
            user: "alice".into(),
            key: "wonderland".into(),
            endpoint: Some(ENDPOINT),
            server: SERVER,
            client: CLIENT,
            routed: vec!["2001:db8:c000::/48".parse().unwrap()],
            mtu: 1480,
        };
        test(&mut Broker::new(vec![tunnel], too_long, &mut memory, &mut storage, 1));
    }

    fn sit(from: Ipv4Address, inner: &[u8]) -> Vec<u8> {
        packet::ipv4(from, BROKER, SIT, Fragment::default(), inner)
    }

    #[test]
    fn what_comes_from_the_client_goes_on_and_nothing_else_does() {
        with_broker(TooLong::Tell, |broker| {
            let good = packet::udp((LAN, 5000), (FAR, 7), b"hello");
            broker.handle(Instant::ZERO, &sit(ENDPOINT, &good));
            let forwarded = broker.inside().expect("forwarded");
            assert_eq!((forwarded[7], &forwarded[8..]), (63, &good[8..]));
            broker.handle(Instant::ZERO, &sit(Ipv4Address::new(203, 0, 113, 9), &good));
            broker.handle(Instant::ZERO, &sit(ENDPOINT, &packet::udp((FAR, 5000), (LAN, 7), b"loop")));
            broker.handle(Instant::ZERO, &sit(ENDPOINT, &good[..30]));
            assert_eq!(broker.inside(), None);
            let counters = broker.counters();
            assert_eq!((counters.strangers, counters.spoofed, counters.malformed), (1, 1, 1));
        });
    }

    #[test]
    fn its_end_of_the_127_answers_pings() {
        with_broker(TooLong::Tell, |broker| {
            let ping = packet::icmpv6(CLIENT, SERVER, 64, (128, 0), &[0, 7, 0, 1, 1, 2, 3]);
            broker.handle(Instant::ZERO, &sit(ENDPOINT, &ping));
            let outer = broker.outside().expect("answered");
            let outer = Ipv4Packet::new_checked(&outer[..]).unwrap();
            assert_eq!((outer.dst_addr(), outer.next_header(), outer.dont_frag()), (ENDPOINT, SIT, true));
            assert_eq!(outer.payload(), packet::icmpv6(SERVER, CLIENT, 64, (129, 0), &[0, 7, 0, 1, 1, 2, 3]));
        });
    }

    #[test]
    fn what_is_too_long_is_told_vanishes_or_comes_in_pieces() {
        let long = packet::udp((FAR, 7), (LAN, 5000), &[7; 1440]);
        assert_eq!(long.len(), 1488);
        with_broker(TooLong::Tell, |broker| {
            let error = broker.encapsulate(&long).expect("said");
            assert_eq!((&error[40..42], &error[44..48]), (&[2, 0][..], &1480u32.to_be_bytes()[..]));
            // A router on the way says that 1,492 octets are the most: 1,472 of IPv6.
            let outer = packet::ipv4(BROKER, ENDPOINT, SIT, Fragment::default(), &long);
            let gateway = Ipv4Address::new(100, 64, 0, 1);
            let needed = packet::icmp_error(gateway, BROKER, 3, 4, [0, 0, 0x05, 0xD4], &outer);
            broker.handle(Instant::ZERO, &needed);
            let error = broker.encapsulate(&long[..]).expect("said");
            assert_eq!(error[44..48], 1472u32.to_be_bytes());
        });
        with_broker(TooLong::Vanish, |broker| {
            assert_eq!((broker.encapsulate(&long), broker.outside()), (None, None));
        });
        with_broker(TooLong::Fragment, |broker| {
            assert_eq!(broker.encapsulate(&long), None);
            let pieces: Vec<_> = core::iter::from_fn(|| broker.outside()).collect();
            let (first, second) =
                (Ipv4Packet::new_unchecked(&pieces[0]), Ipv4Packet::new_unchecked(&pieces[1]));
            assert!(first.more_frags() && !second.more_frags() && pieces.len() == 2);
            assert_eq!(usize::from(second.frag_offset()), first.payload().len());
            assert_eq!([first.payload(), second.payload()].concat(), long);
        });
    }

    /// What the page answers to a subscriber at `from` who says `path` with `secret`; `answers`: its pings, too.
    fn update(broker: &mut Broker<'_>, from: Ipv4Address, request: &str, answers: bool) -> String {
        let mut memory = Memory::new(Size::LAN_HOST);
        let mut storage = memory.storage();
        let mut client = Machine::of_the_internet("client", from, &[], &mut memory, &mut storage, 9);
        let (mut now, mut said) = (Instant::ZERO, None);
        client
            .begin(now, Task::Ask { target: Target::Address(BROKER.into()), port: 80, text: request.into() });
        for _ in 0..1000 {
            client.poll(now);
            while let Some(packet) = client.sent() {
                broker.handle(now, &packet);
            }
            broker.handle_timeout(now);
            while let Some(packet) = broker.outside() {
                if answers || Ipv4Packet::new_unchecked(&packet[..]).next_header() != IpProtocol::Icmp {
                    client.receive(now, &packet);
                }
            }
            for news in client.take_news() {
                said = (news.tag == "answered").then_some(news.why).or(said);
            }
            let next = [client.poll_at(), broker.poll_at()].into_iter().flatten().min();
            now = next.unwrap_or(now).max(now + Duration::from_millis(1));
            if client.busy() == 0 {
                break;
            }
        }
        said.unwrap_or_default()
    }

    #[test]
    fn an_endpoint_moves_if_its_owner_says_so_and_it_answers() {
        const REQUEST: &str = "GET /nic/update?hostname=1 HTTP/1.1\r\nHost: broker\r\nAuthorization: Basic ";
        // alice:wonderland, alice:looking-glass
        let right = format!("{REQUEST}YWxpY2U6d29uZGVybGFuZA==\r\n\r\n");
        let wrong = format!("{REQUEST}YWxpY2U6bG9va2luZy1nbGFzcw==\r\n\r\n");
        let new = Ipv4Address::new(198, 51, 100, 140);
        with_broker(TooLong::Tell, |broker| {
            assert!(update(broker, new, &wrong, true).ends_with("badauth"));
            assert!(update(broker, new, &right, false).contains("does not answer pings"));
            assert_eq!(broker.endpoint(), Some(ENDPOINT));
            assert!(update(broker, new, &right, true).ends_with(&format!("good {new}")));
            assert_eq!(broker.endpoint(), Some(new));
            assert!(update(broker, new, &right, true).ends_with(&format!("nochg {new}")));
            let named = right.replace("hostname=1 ", &format!("hostname=1&myip={ENDPOINT} "));
            assert!(update(broker, ENDPOINT, &named, true).ends_with(&format!("good {ENDPOINT}")));
            assert!(
                update(broker, new, &right.replace("hostname=1", "hostname=2"), true).ends_with("nohost")
            );
            broker.mood = Mood::Failing;
            assert!(update(broker, new, &right, true).ends_with("911"));
        });
    }
}
