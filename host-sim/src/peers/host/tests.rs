use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetProtocol, IpAddress, Ipv4Address, Ipv4Cidr,
    Ipv4Packet, Ipv6Address, Ipv6Packet,
};

use super::{Family, Lease, Machine, Memory, Service, Size, Target, Task};
use crate::peers::internet::{DNS, DNS6, HOST, HOST6, Internet, Narrow};
use crate::peers::ndp::{self, Advertisement, Prefix};
use crate::peers::packet;

const SERVER: IpAddress = IpAddress::v4(10, 0, 0, 2);

fn fixed(last: u8) -> Lease {
    let address = Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, last), 24);
    Lease { address, gateway: Ipv4Address::new(10, 0, 0, 9), dns: Vec::new(), portal: None }
}

/// A client that does `task` and a server, on one cable that loses frames for which `loses` says so. What the client
/// tells, as tags and reasons, and its end.
fn meet(task: Task, mut loses: impl FnMut(u64) -> bool) -> (Vec<(&'static str, String)>, Instant) {
    let mut memory = [Memory::new(Size::LAN_HOST), Memory::new(Size::LAN_HOST)];
    let mut storage = memory.each_ref().map(Memory::storage);
    let [here, there] = &mut memory;
    let [one, other] = &mut storage;
    let mac = |last| EthernetAddress([2, 0, 0, 0, 0, last]);
    let mut client = Machine::on_ethernet("client", mac(1), Some(fixed(1)), here, one, 1);
    let mut server = Machine::on_ethernet("server", mac(2), Some(fixed(2)), there, other, 2);
    client.forget_ipv6();
    server.forget_ipv6();
    server.serve(Service::Http, 80, 2);
    server.serve(Service::EchoTcp, 7, 2);
    server.serve(Service::EchoUdp, 7, 1);
    let mut now = Instant::ZERO;
    client.begin(now, task);
    let (mut news, mut frames) = (Vec::new(), 0);
    while client.busy() > 0 {
        assert!(now < Instant::from_secs(100_000), "it goes on for ever");
        client.poll(now);
        while let Some(frame) = client.sent() {
            frames += 1;
            if !loses(frames) {
                server.receive(now, &frame);
            }
        }
        server.poll(now);
        while let Some(frame) = server.sent() {
            frames += 1;
            if !loses(frames) {
                client.receive(now, &frame);
            }
        }
        news.extend(client.take_news().map(|news| (news.tag, news.why)));
        let next = [client.poll_at(), server.poll_at()].into_iter().flatten().min();
        now = next.unwrap_or(now).max(now + Duration::from_micros(10));
    }
    (news, now)
}

fn fetch(port: u16, size: u64) -> Task {
    let patience = Duration::from_secs(20);
    Task::Fetch { target: Target::Address(SERVER), port, size, patience }
}

fn tags(told: &[(&'static str, String)]) -> Vec<&'static str> {
    told.iter().map(|(tag, _)| *tag).collect()
}

#[test]
fn a_page_comes_whole_over_a_good_and_a_bad_cable() {
    assert_eq!(tags(&meet(fetch(80, 100_000), |_| false).0), ["fetched"]);
    assert_eq!(tags(&meet(fetch(80, 100_000), |frame| frame % 10 == 3).0), ["fetched"]);
    assert_eq!(tags(&meet(fetch(80, 0), |_| false).0), ["fetched"]);
}

#[test]
fn a_page_does_not_come_from_a_closed_port_nor_over_a_dead_cable() {
    let (told, _) = meet(fetch(81, 1000), |_| false);
    assert_eq!(told, [("fetch-failed", "the connection was refused".into())]);
    let (told, _) = meet(fetch(80, 100_000), |frame| frame > 30);
    assert!(told[0].1.starts_with("stalled after "), "{told:?}");
}

#[test]
fn datagrams_are_counted() {
    let every = Duration::from_millis(20);
    let lasts = Duration::from_secs(1);
    let task = || Task::Stream { target: Target::Address(SERVER), port: 7, every, lasts, size: 100 };
    assert_eq!(tags(&meet(task(), |_| false).0), ["stream-over"]);
    let (told, end) = meet(task(), |frame| frame == 30);
    assert_eq!(tags(&told), ["datagrams-lost"]);
    assert!(end >= Instant::from_millis(2900), "the last is waited for: {end}");
}

#[test]
fn a_connection_survives_hours_of_silence_and_not_a_dead_cable() {
    let (every, lasts) = (Duration::from_secs(5400), Duration::from_secs(20_000));
    let task = || Task::Hold {
        target: Target::Address(SERVER),
        port: 7,
        every,
        lasts,
        patience: Duration::from_secs(20),
    };
    let (told, _) = meet(task(), |_| false);
    assert_eq!(tags(&told), ["flow-opened", "flow-survived"]);
    assert_eq!(told[1].1, "4 words answered");
    let (told, _) = meet(task(), |frame| frame > 12);
    assert_eq!(tags(&told), ["flow-opened", "flow-lost"]);
}

#[test]
fn pings_are_answered_or_missed() {
    let task = || Task::Ping { target: Target::Address(SERVER), count: 3, size: 32 };
    assert_eq!(tags(&meet(task(), |_| false).0), ["ping"; 3]);
    assert_eq!(tags(&meet(task(), |frame| frame > 4).0), ["ping", "ping-lost", "ping-lost"]);
}

/// A router without NAT that knows who is where before it is told: one computer on one side, the Internet on the other.
struct Home<'a> {
    now: Instant,
    client: Machine<'a>,
    internet: Internet<'a>,
    /// Whether IPv6 packets get through.
    passes_ipv6: bool,
    news: Vec<(&'static str, String)>,
}

const ROUTER_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);
const ROUTER: Ipv6Address = Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0xFF, 0xFE00, 9);
const CLIENT_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

impl Home<'_> {
    fn advertise(&mut self, lifetime: u64, prefixes: &[(&str, u64)]) {
        let prefixes = prefixes.iter().map(|&(prefix, preferred)| Prefix {
            cidr: prefix.parse().unwrap(),
            on_link: true,
            autonomous: true,
            valid: Duration::from_secs(7200),
            preferred: Duration::from_secs(preferred),
        });
        let advertisement = Advertisement {
            lifetime: Duration::from_secs(lifetime),
            mac: Some(ROUTER_MAC),
            prefixes: prefixes.collect(),
            dns: DNS6.to_vec(),
            dns_lifetime: Duration::from_secs(1800),
            ..Advertisement::default()
        };
        let packet = advertisement.emit(ROUTER, ndp::ALL_NODES);
        let frame = packet::ethernet(ROUTER_MAC, CLIENT_MAC, EthernetProtocol::Ipv6, &packet);
        self.client.receive(self.now, &frame);
    }

    /// The router's answer to a question for its hardware address.
    fn answer(frame: &[u8]) -> Option<Vec<u8>> {
        if let Some(packet) = packet::ipv6_in_frame(frame) {
            let (_, message) = packet::ipv6_payload(packet)?;
            let from = Ipv6Packet::new_unchecked(packet).src_addr();
            let asked = message.first() == Some(&135) && message.get(8..24)? == ROUTER.octets();
            return asked.then(|| ndp::advertise_neighbour(ROUTER_MAC, ROUTER, CLIENT_MAC, from));
        }
        let arp = ArpPacket::new_checked(frame.get(14..)?).ok().filter(|_| frame[12..14] == [8, 6])?;
        let ArpRepr::EthernetIpv4 {
            source_hardware_addr, source_protocol_addr, target_protocol_addr, ..
        } = ArpRepr::parse(&arp).ok()?
        else {
            return None;
        };
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: ROUTER_MAC,
            source_protocol_addr: target_protocol_addr,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        };
        let mut bytes = vec![0; reply.buffer_len()];
        reply.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        Some(packet::ethernet(ROUTER_MAC, CLIENT_MAC, EthernetProtocol::Arp, &bytes))
    }

    fn settle(&mut self) {
        self.client.poll(self.now);
        while let Some(frame) = self.client.sent() {
            if let Some(answer) = Self::answer(&frame) {
                self.client.receive(self.now, &answer);
            } else if let Some(packet) = packet::ipv6_in_frame(&frame) {
                if self.passes_ipv6 && !Ipv6Packet::new_unchecked(packet).dst_addr().is_multicast() {
                    self.internet.handle_packet(self.now, packet);
                }
            } else if let Some(packet) = packet::ipv4_in_frame(&frame) {
                let len = usize::from(Ipv4Packet::new_unchecked(packet).total_len());
                self.internet.handle_packet(self.now, &packet[..len]);
            }
        }
        self.internet.handle_timeout(self.now);
        while let Some(packet) = self.internet.poll_packet(self.now) {
            let kind = if packet::is_ipv6(&packet) { EthernetProtocol::Ipv6 } else { EthernetProtocol::Ipv4 };
            let frame = packet::ethernet(ROUTER_MAC, CLIENT_MAC, kind, &packet);
            self.client.receive(self.now, &frame);
        }
        self.news
            .extend(self.client.take_news().map(|news| (news.tag, format!("{}; {}", news.what, news.why))));
    }

    /// Until the client has nothing to do any more.
    fn run(&mut self) {
        for _ in 0..100_000 {
            self.settle();
            let next = [self.client.poll_at(), self.internet.poll_at()].into_iter().flatten().min();
            if self.client.busy() == 0 {
                return;
            }
            self.now = next.unwrap_or(self.now).max(self.now + Duration::from_micros(10));
        }
        panic!("it goes on for ever: {:?}", self.news);
    }

    fn does(&mut self, task: Task) -> Vec<(&'static str, String)> {
        self.news.clear();
        self.client.begin(self.now, task);
        self.run();
        self.news.clone()
    }
}

fn at_home(test: impl FnOnce(&mut Home<'_>)) {
    let mut memory = [Memory::new(Size::LAN_HOST), Memory::new(Size::INTERNET)];
    let mut storage = memory.each_ref().map(Memory::storage);
    let [here, there] = &mut memory;
    let [one, other] = &mut storage;
    let lease = Lease { dns: DNS.to_vec(), ..fixed(1) };
    let client = Machine::on_ethernet("client", CLIENT_MAC, Some(lease), here, one, 1);
    let internet = Internet::new(there, other, 2);
    let (now, news) = (Instant::ZERO, Vec::new());
    test(&mut Home { now, client, internet, passes_ipv6: true, news });
}

fn page(family: Family) -> Task {
    let target = Target::Name("www.example.net".into(), family);
    Task::Fetch { target, port: 80, size: 50_000, patience: Duration::from_secs(20) }
}

#[test]
fn both_families_are_asked_for_and_ipv6_is_taken_where_there_is_a_way() {
    at_home(|home| {
        let told = home.does(page(Family::Any));
        assert!(
            told.iter().any(|(tag, why)| *tag == "fetched" && why.contains(&HOST.to_string())),
            "{told:?}"
        );
        home.advertise(1800, &[("2001:db8:d000::/64", 3600)]);
        let told = home.does(page(Family::Any));
        assert!(
            told.iter().any(|(tag, why)| *tag == "fetched" && why.contains(&HOST6.to_string())),
            "{told:?}"
        );
        let told = home.does(page(Family::Ipv4));
        assert!(
            told.iter().any(|(tag, why)| *tag == "fetched" && why.contains(&HOST.to_string())),
            "{told:?}"
        );
        assert_eq!(home.client.tally().connections_over_ipv6, 1);
        // The way is withdrawn: nothing waits for it.
        home.advertise(0, &[("2001:db8:d000::/64", 3600)]);
        let began = home.now;
        let told = home.does(page(Family::Any));
        assert!(
            told.iter().any(|(tag, why)| *tag == "fetched" && why.contains(&HOST.to_string())),
            "{told:?}"
        );
        assert!(home.now < began + Duration::from_millis(200), "{}", home.now - began);
        let told = home.does(page(Family::Ipv6));
        assert!(told.iter().any(|(tag, why)| *tag == "fetch-failed" && why.contains("no way")), "{told:?}");
    });
}

#[test]
fn where_ipv6_is_dead_ipv4_is_tried_a_quarter_of_a_second_later() {
    at_home(|home| {
        home.advertise(1800, &[("2001:db8:d000::/64", 3600)]);
        home.does(page(Family::Any));
        home.passes_ipv6 = false;
        // The DNS servers over IPv6 are dead, too: three seconds for that.
        let began = home.now;
        let told = home.does(page(Family::Any));
        assert!(
            told.iter().any(|(tag, why)| *tag == "fetched" && why.contains(&HOST.to_string())),
            "{told:?}"
        );
        let took = home.now - began;
        assert!(took > Duration::from_millis(250) && took < Duration::from_secs(8), "{took}");
    });
}

#[test]
fn pings_streams_and_traces_go_over_ipv6() {
    at_home(|home| {
        home.advertise(1800, &[("2001:db8:d000::/64", 3600)]);
        let target = || Target::Name("ipv6.example.net".into(), Family::Any);
        let told = home.does(Task::Ping { target: target(), count: 2, size: 1000 });
        assert_eq!(told.iter().filter(|(tag, _)| *tag == "ping").count(), 2, "{told:?}");
        let (every, lasts) = (Duration::from_millis(20), Duration::from_secs(1));
        let told = home.does(Task::Stream { target: target(), port: 7, every, lasts, size: 100 });
        assert!(told.iter().any(|(tag, _)| *tag == "stream-over"), "{told:?}");
        let told = home.does(Task::Trace { target: target() });
        // There is nobody between this client and the first router of the Internet.
        let route = format!("2001:db8:64::1, 2001:db8:1::1, {HOST6}");
        assert!(told.iter().any(|(tag, why)| *tag == "traced" && why.contains(&route)), "{told:?}");
        let told = home.does(Task::Resolve { name: "ipv4.example.net".into(), family: Family::Ipv6 });
        assert_eq!(told.last().map(|(tag, _)| *tag), Some("resolve-failed"));
    });
}

#[test]
fn a_narrow_path_is_heard_of_unless_it_is_a_black_hole() {
    let upload = |home: &mut Home<'_>| {
        let task =
            Task::Ping { target: Target::Name("ipv6.example.net".into(), Family::Any), count: 1, size: 1400 };
        home.does(task)
    };
    for is_black_hole in [false, true] {
        at_home(|home| {
            home.internet.narrow = Some(Narrow { mtu: 1400, is_black_hole });
            home.advertise(1800, &[("2001:db8:d000::/64", 3600)]);
            let told = upload(home);
            assert!(told.iter().any(|(tag, _)| *tag == "ping-lost"), "{told:?}");
            assert_eq!(told.iter().any(|(tag, _)| *tag == "packet-too-big"), !is_black_hole, "{told:?}");
            // The server hears of it, and the page comes; through a black hole it does not.
            let told = home.does(page(Family::Ipv6));
            assert_eq!(told.iter().any(|(tag, _)| *tag == "fetched"), !is_black_hole, "{told:?}");
        });
    }
}
