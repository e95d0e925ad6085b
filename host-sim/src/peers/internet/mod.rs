//! What lies behind the concentrator: the Internet.
//!
//! ```text
//!                       hop 1            hop 2
//!  subscriber ═══ concentrator ────── core router ──────┬── every server there is: HTTP 80, echo 7 (a real TCP/IP stack)
//!                  100.64.0.1          192.0.2.1        ├── DNS 192.0.2.53, 192.0.2.54
//!                                                       ├── the time of day at port 123 of each
//!                                                       ├── nobody: 203.0.113.0/24
//!                                                       └── somebody with bad intentions: 198.51.100.66
//! ```
//!
//! Over IPv6, in `ipv6`, the same: `2001:db8:64::1` and `2001:db8:1::1` are the routers, three servers are at
//! `2001:db8:80::80` and behind it, DNS is at `2001:db8:53::53` and `::54`, and bad intentions are at `2001:db8:bad::66`.
//!
//! A [`Network`] may be put on the way: a portal, a hijacker, a hole. Then it has its say in DNS, at
//! port 80 and at port 443, and what it leaves alone are the hosts that connectivity checks ask.
//!
//! In a world without a LAN, two functions without a state take its place ([`answer_ipv4`], [`answer_ipv6`]): enough for
//! the pings and lookups of the router itself.

mod answers;
mod attacker;
mod attacker6;
mod ipv6;
mod network;

use std::collections::VecDeque;

use smoltcp::iface::SocketStorage;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpProtocol, Ipv4Address, Ipv4Packet, TcpControl, TcpPacket, UdpPacket};

pub use self::answers::{
    DNS, DNS6, EPOCH, HOST, HOST6, HOSTS6, answer_ipv4, answer_ipv6, answer_ntp, link_local,
};
pub use self::attacker::{ATTACKER, Attack, Campaign};
pub(super) use self::ipv6::HOPS6;
pub use self::ipv6::{ATTACKER6, Narrow, too_big};
pub(super) use self::network::server;

use self::attacker::Attacker;
use super::broker::{BROKER, Broker};
use super::far::{FAR, Far};
use super::home::{HOME, Home};
use super::host::{Machine, Memory, News, Service, Task};
use super::packet;
use super::portal::Network;

/// The first and the second router on the way.
const HOPS: [Ipv4Address; 2] = [Ipv4Address::new(100, 64, 0, 1), Ipv4Address::new(192, 0, 2, 1)];
/// One way, beyond the concentrator.
const DELAY: Duration = Duration::from_millis(5);
/// Addresses where nobody is (RFC 5737): packets to them are not answered.
fn nobody(address: Ipv4Address) -> bool {
    address.octets()[..3] == [203, 0, 113]
}
/// Where servers of the Internet listen.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;
const DNS_PORT: u16 = 53;
const ECHO: u16 = 7;
/// RFC 863.
const DISCARD: u16 = 9;
/// Beyond this port, datagrams come back so many seconds later: what waits for a server to have something to say.
const LATE_ECHO: u16 = 10_000;
const LATEST_ECHO: u16 = 20_000;
/// Clients that are served at once.
const HTTP_CLIENTS: usize = 256;
const ECHO_CLIENTS: usize = 128;
const HTTPS_CLIENTS: usize = 8;
const DNS_CLIENTS: usize = 4;

/// How a DNS server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnsMood {
    /// It answers.
    #[default]
    Well,
    /// It does not.
    Silent,
    /// It says SERVFAIL.
    Failing,
    /// It takes its time.
    Slow(Duration),
}

/// What passed between subscriber and Internet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named for what it counts")]
pub struct Traffic {
    pub from_subscriber: u64,
    pub to_subscriber: u64,
    pub dns_questions: u64,
    pub time_questions: u64,
    pub times_told: u64,
    /// Packets of the subscriber's over IPv6.
    pub ipv6: u64,
    /// Those of them that are not for the Internet: to or from addresses of a link, of nobody, of many.
    pub leaked: u64,
    /// Packets that were too long for the path, either way.
    pub too_long: u64,
    /// Packets of the subscriber's that are not in order.
    pub malformed: u64,
    /// What was wrong with the first of them.
    pub complaint: Option<String>,
}

/// The Internet.
pub struct Internet<'a> {
    /// How each of the two DNS servers behaves.
    pub dns: [DnsMood; 2],
    /// Whether anybody tells what time it is.
    pub tells_time: bool,
    /// Whether the path is narrower over IPv6 than the line is.
    pub narrow: Option<Narrow>,
    /// A tunnel broker, if there is one.
    pub broker: Option<Broker<'a>>,
    /// Somebody behind a tunnel that the subscriber serves.
    pub far: Option<Far<'a>>,
    /// Another home, whose router serves a tunnel.
    pub home: Option<Home<'a>>,
    machine: Machine<'a>,
    /// What is between the subscriber and all that.
    network: Option<Network>,
    attacker: Attacker,
    arriving: VecDeque<(Instant, Vec<u8>)>,
    leaving: VecDeque<(Instant, Vec<u8>)>,
    traffic: Traffic,
}

impl<'a> Internet<'a> {
    /// An Internet that works. `seed` decides every random number in it.
    pub fn new(memory: &'a mut Memory, storage: &'a mut [SocketStorage<'a>], seed: u64) -> Self {
        let mut machine = Machine::of_the_internet("Internet", HOST, &HOSTS6, memory, storage, seed);
        machine.serve(Service::Http, HTTP, HTTP_CLIENTS);
        machine.serve(Service::EchoTcp, ECHO, ECHO_CLIENTS);
        machine.serve(Service::EchoUdp, ECHO, 1);
        Self {
            dns: [DnsMood::Well; 2],
            tells_time: true,
            narrow: None,
            broker: None,
            far: None,
            home: None,
            machine,
            network: None,
            attacker: Attacker::new(seed.rotate_left(7)),
            arriving: VecDeque::new(),
            leaving: VecDeque::new(),
            traffic: Traffic::default(),
        }
    }

    /// What passed so far.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// What its servers and users experienced.
    pub fn machine(&self) -> &Machine<'a> {
        &self.machine
    }

    /// Puts a network between the subscriber and the Internet; the first time, probes' hosts come with it.
    pub fn set_network(&mut self, network: Network) {
        if self.network.replace(network).is_none() {
            self.machine.serve(Service::Tls, HTTPS, HTTPS_CLIENTS);
            self.machine.serve(Service::Dns, DNS_PORT, DNS_CLIENTS);
        }
        self.machine.set_network(self.network);
    }

    /// Somebody out there begins something.
    pub fn begin(&mut self, now: Instant, task: Task) {
        self.machine.begin(now, task);
    }

    /// Somebody out there attacks the subscriber that has this address now.
    pub fn attack(&mut self, now: Instant, campaign: Campaign, subscriber: Ipv4Address) {
        self.attacker.begin(now, campaign, subscriber);
    }

    /// An IP packet of a subscriber's reaches the concentrator.
    pub fn handle_packet(&mut self, now: Instant, bytes: &[u8]) {
        self.traffic.from_subscriber += 1;
        if let Err(complaint) = packet::inspect(bytes) {
            self.traffic.malformed += 1;
            let packet = &bytes[..bytes.len().min(48)];
            self.traffic.complaint.get_or_insert_with(|| format!("{complaint}: {packet:02x?}"));
            return;
        }
        if packet::is_ipv6(bytes) {
            self.handle_ipv6(now, bytes);
            return;
        }
        let packet = Ipv4Packet::new_unchecked(bytes);
        let source = packet.src_addr();
        if let Some(router) = HOPS.get(usize::from(packet.hop_limit()).wrapping_sub(1)) {
            let exceeded = packet::icmp_error(*router, source, 11, 0, [0; 4], bytes);
            self.send(now, exceeded);
            return;
        }
        self.attacker.overhear(bytes);
        self.arriving.push_back((now + DELAY, bytes.to_vec()));
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, bytes)) = self.arriving.pop_front_if(|(at, _)| *at <= now) {
            self.serve(now, &bytes);
        }
        if self.machine.poll_at().is_some_and(|at| at <= now) {
            self.machine.poll(now);
        }
        while let Some(bytes) = self.machine.sent() {
            self.send_either(now, bytes);
        }
        if let Some(broker) =
            self.broker.as_mut().filter(|broker| broker.poll_at().is_some_and(|at| at <= now))
        {
            broker.handle_timeout(now);
        }
        self.settle_broker(now);
        if let Some(far) = self.far.as_mut().filter(|far| far.poll_at().is_some_and(|at| at <= now)) {
            far.poll(now);
        }
        while let Some(bytes) = self.far.as_mut().and_then(Far::sent) {
            self.send(now, bytes);
        }
        if let Some(home) = self.home.as_mut().filter(|home| home.poll_at().is_some_and(|at| at <= now)) {
            home.poll(now);
        }
        self.settle_home(now);
        while let Some(bytes) = self.attacker.poll(now) {
            self.send_either(now, bytes);
        }
    }

    /// When [`Internet::handle_timeout`] or [`Internet::poll_packet`] is wanted.
    pub fn poll_at(&self) -> Option<Instant> {
        let packets = [self.arriving.front(), self.leaving.front()].map(|first| first.map(|&(at, _)| at));
        let broker = self.broker.as_ref().and_then(Broker::poll_at);
        let far = self.far.as_ref().and_then(Far::poll_at);
        let home = self.home.as_ref().and_then(Home::poll_at);
        let others = [self.machine.poll_at(), self.attacker.poll_at(), broker, far, home];
        packets.into_iter().chain(others).flatten().min()
    }

    /// The next packet that reaches the concentrator, for whichever subscriber has its destination address.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Vec<u8>> {
        let (_, bytes) = self.leaving.pop_front_if(|(at, _)| *at <= now)?;
        self.traffic.to_subscriber += 1;
        Some(bytes)
    }

    /// What there is to tell.
    pub fn take_news(&mut self) -> Vec<News> {
        let attacks = self.attacker.take_news();
        let broker = self.broker.iter_mut().flat_map(Broker::take_news);
        let far = self.far.iter_mut().flat_map(Far::take_news);
        let home = self.home.iter_mut().flat_map(Home::take_news);
        self.machine.take_news().chain(attacks).chain(broker).chain(far).chain(home).collect()
    }

    fn serve(&mut self, now: Instant, bytes: &[u8]) {
        if packet::is_ipv6(bytes) {
            self.serve_ipv6(now, bytes);
            return;
        }
        let packet = Ipv4Packet::new_unchecked(bytes);
        let to = packet.dst_addr();
        if self.interferes(now, bytes) {
            return;
        }
        if nobody(to) || to == ATTACKER {
            return;
        }
        if let Some(far) = self.far.as_mut().filter(|_| to == FAR) {
            far.handle(now, bytes);
            return;
        }
        if let Some(home) = self.home.as_mut().filter(|_| to == HOME) {
            home.deliver(now, bytes);
            self.settle_home(now);
            return;
        }
        if let Some(broker) = self.broker.as_mut().filter(|_| to == BROKER) {
            broker.handle(now, bytes);
            self.settle_broker(now);
            return;
        }
        match DNS.iter().position(|server| *server == to) {
            Some(server) if packet.next_header() == IpProtocol::Udp => {
                self.traffic.dns_questions += 1;
                let answer = answer_ipv4(bytes, packet.src_addr());
                match (self.dns[server], answer) {
                    (DnsMood::Well, Some(answer)) => self.send(now, answer),
                    (DnsMood::Slow(delay), Some(answer)) => self.send(now + delay, answer),
                    (DnsMood::Failing, Some(_)) => self.send_failure(now, bytes),
                    _ => {}
                }
            }
            _ if let Some(answer) = answer_ntp(&packet, now) => {
                self.traffic.time_questions += 1;
                if self.tells_time {
                    self.traffic.times_told += 1;
                    self.send(now, answer);
                }
            }
            _ if let Some(segment) = discarded(&packet) => {
                if segment.syn() && !segment.ack() {
                    self.send(now, accept(&packet, &segment));
                }
            }
            _ => match late_echo(&packet) {
                Some((delay, answer)) => self.send(now + delay, answer),
                None => self.machine.receive(now, bytes),
            },
        }
    }

    /// SERVFAIL (RFC 1035 §4.1.1), the question with it.
    fn send_failure(&mut self, now: Instant, question: &[u8]) {
        const UDP_HEADER: usize = 8;
        let packet = Ipv4Packet::new_unchecked(question);
        let (ports, message) = packet.payload().split_at(UDP_HEADER);
        let port = |index: usize| u16::from_be_bytes([ports[index], ports[index + 1]]);
        let mut message = message.to_vec();
        if let Some(flags) = message.get_mut(2..4) {
            flags.copy_from_slice(&[0x81, 0x82]);
            let answer = packet::udp((packet.dst_addr(), port(2)), (packet.src_addr(), port(0)), &message);
            self.send(now, answer);
        }
    }

    fn send_either(&mut self, now: Instant, bytes: Vec<u8>) {
        if packet::is_ipv6(&bytes) {
            self.send_ipv6(now, bytes);
        } else {
            self.send(now, bytes);
        }
    }

    fn send(&mut self, now: Instant, bytes: Vec<u8>) {
        let at = now + DELAY;
        let place = self.leaving.partition_point(|&(other, _)| other <= at);
        self.leaving.insert(place, (at, bytes));
    }
}

/// A segment for the port where any number of connections is taken and nothing is ever said.
fn discarded<'a>(packet: &Ipv4Packet<&'a [u8]>) -> Option<TcpPacket<&'a [u8]>> {
    if packet.next_header() != IpProtocol::Tcp {
        return None;
    }
    TcpPacket::new_checked(packet.payload()).ok().filter(|segment| segment.dst_port() == DISCARD)
}

/// The answer to a SYN there.
fn accept(packet: &Ipv4Packet<&[u8]>, segment: &TcpPacket<&[u8]>) -> Vec<u8> {
    let (from, to) = ((packet.dst_addr(), DISCARD), (packet.src_addr(), segment.src_port()));
    let ack = segment.seq_number().0.cast_unsigned().wrapping_add(1);
    packet::tcp(from, to, TcpControl::Syn, ack.rotate_left(16), Some(ack))
}

/// The answer of a server that has something to say later.
fn late_echo(packet: &Ipv4Packet<&[u8]>) -> Option<(Duration, Vec<u8>)> {
    if packet.next_header() != IpProtocol::Udp {
        return None;
    }
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    let seconds = datagram.dst_port().checked_sub(LATE_ECHO)?;
    if datagram.dst_port() > LATEST_ECHO {
        return None;
    }
    let from = (packet.dst_addr(), datagram.dst_port());
    let answer = packet::udp(from, (packet.src_addr(), datagram.src_port()), datagram.payload());
    Some((Duration::from_secs(u64::from(seconds)), answer))
}
