//! What must hold whatever happens: translation is undone by the way back, checksums hold, the tables agree, and the fast path
//! does what the slow one does.

use gatelet_router::{Action, Filtering, Forward, PortRange, Protocol, Rule, Zone};
use proptest::prelude::*;
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::house::{ANN, BOB, CAT, FAR, GATEWAY, House, OURS, WEB};
use crate::packets::{
    ACK, FIN, RST, SYN, edited, fragments, icmp_error, ip, ping, pong, tcp_with, udp, with_ttl,
    without_checksum,
};

#[derive(Debug, Clone)]
enum Op {
    Lan(usize, Vec<u8>),
    Internet(Vec<u8>),
    LanStack(Vec<u8>),
    WanStack(Vec<u8>),
    /// An error about the packet that left last, from outside or inside.
    Complain {
        from_lan: bool,
        quoted: usize,
    },
    Wait(u64),
    Rule(bool),
    Forward(bool),
    Filtering(Filtering),
    Redial(u8),
    /// Hosts answer ARP, or do not.
    Hosts(bool),
}

const HOSTS: [Ipv4Address; 4] = [ANN, BOB, CAT, Ipv4Address::new(192, 168, 1, 13)];
const SERVERS: [Ipv4Address; 3] = [WEB, FAR, OURS];

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (0..1472_usize).prop_map(|len| vec![0x5A; len]),
    ]
}

/// A good packet from one of `from` to one of `to`. Few ports: flows are to be met again.
fn packet(from: &'static [Ipv4Address], to: &'static [Ipv4Address]) -> impl Strategy<Value = Vec<u8>> {
    let ends = (prop::sample::select(from), 0..6_u16, prop::sample::select(to), 0..6_u16);
    let flags = prop::sample::select(vec![SYN, SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST, RST | ACK]);
    (ends, 0..12_u8, flags, payload(), any::<bool>()).prop_map(|(ends, kind, flags, data, flip)| {
        let (from, to) = ((ends.0, 5000 + ends.1), (ends.2, 5000 + ends.3));
        match kind {
            0..=3 => udp(from, to, &data),
            4 => without_checksum(udp(from, to, &data)),
            5..=8 => {
                let options: &[u8] = if flip { &[1, 2, 4, 5, 0xB4, 1, 1, 0] } else { &[] };
                tcp_with(from, to, flags, options, &data[..data.len().min(1400)])
            }
            9 => ping(from.0, to.0, from.1),
            10 => pong(from.0, to.0, to.1),
            _ => ip(47, from.0, to.0, b"01234567"),
        }
    })
}

/// Changes of a packet that leave it good for the IP layer.
fn varied(packets: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (packets, prop::sample::select(vec![50_u8, 50, 50, 50, 2, 1, 0, 255]), any::<bool>()).prop_map(
        |(packet, ttl, dont_fragment)| {
            edited(with_ttl(packet, ttl), |bytes| bytes[6] |= if dont_fragment { 0x40 } else { 0 })
        },
    )
}

/// Any change of any byte, with the IP checksum right or not.
fn broken(packets: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (packets, any::<prop::sample::Index>(), any::<u8>(), any::<bool>(), 0..4_usize).prop_map(
        |(mut packet, at, value, refill, cut)| {
            let at = at.index(packet.len().min(44));
            packet[at] = value;
            if refill && packet[0] == 0x45 {
                packet = edited(packet, |_| ());
            }
            let len = packet.len().saturating_sub(cut);
            packet.truncate(len);
            packet
        },
    )
}

/// As [`op`], or a packet that is broken.
fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        36 => op(),
        4 => (broken(packet(&HOSTS, &SERVERS)), 0..HOSTS.len()).prop_map(|(packet, n)| Op::Lan(n, packet)),
        4 => broken(packet(&[WEB, FAR], &[OURS])).prop_map(Op::Internet),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let lan = || varied(packet(&HOSTS, &SERVERS));
    let internet = || varied(packet(&[WEB, FAR], &[OURS]));
    prop_oneof![
        12 => (lan(), 0..HOSTS.len()).prop_map(|(packet, n)| Op::Lan(n, packet)),
        12 => internet().prop_map(Op::Internet),
        1 => packet(&HOSTS, &[GATEWAY]).prop_map(|packet| Op::Lan(0, packet)),
        1 => packet(&[GATEWAY], &[ANN, WEB]).prop_map(Op::LanStack),
        1 => packet(&[OURS], &[ANN, WEB]).prop_map(Op::WanStack),
        2 => (any::<bool>(), 0..60_usize).prop_map(|(from_lan, quoted)| Op::Complain { from_lan, quoted }),
        2 => prop::sample::select(vec![10_u64, 1_000, 20_000, 70_000, 250_000, 310_000, 8_000_000]).prop_map(Op::Wait),
        1 => any::<bool>().prop_map(Op::Rule),
        1 => any::<bool>().prop_map(Op::Forward),
        1 => prop::sample::select(vec![
            Filtering::AddressAndPortDependent,
            Filtering::AddressDependent,
            Filtering::EndpointIndependent,
        ]).prop_map(Op::Filtering),
        1 => (0..2_u8).prop_map(Op::Redial),
        1 => any::<bool>().prop_map(Op::Hosts),
    ]
}

/// Everything that left: frames to the LAN, packets to the Internet and to the stacks.
type Left = (Vec<(gatelet_wire::EthernetAddress, Vec<u8>)>, Vec<Vec<u8>>, Vec<String>);

fn perform(house: &mut House, op: &Op, last: &[u8]) -> Left {
    match op {
        Op::Lan(host, packet) => house.lan_sends(HOSTS[*host], packet),
        Op::Internet(packet) => house.internet_sends(packet),
        Op::LanStack(packet) => house.lan_stack_sends(packet),
        Op::WanStack(packet) => house.wan_stack_sends(packet),
        Op::Complain { from_lan, quoted } if last.len() >= 20 && last[0] >> 4 == 4 => {
            let (source, destination): ([u8; 4], [u8; 4]) =
                (last[12..16].try_into().unwrap(), last[16..20].try_into().unwrap());
            let error = icmp_error(destination.into(), source.into(), (3, 1), last, *quoted);
            if *from_lan {
                house.lan_sends(destination.into(), &error);
            } else {
                house.internet_sends(&error);
            }
        }
        Op::Complain { .. } => {}
        Op::Wait(millis) => house.run_for(Duration::from_millis(*millis)),
        Op::Rule(true) => {
            let rule = Rule {
                protocol: Protocol::Udp,
                destination_ports: PortRange::one(5003),
                ..Rule::new(Zone::Lan, Zone::Wan, Action::Reject)
            };
            house.router.add_rule(rule);
        }
        Op::Rule(false) => house.router.clear_rules(),
        Op::Forward(true) => {
            house.router.add_forward(Forward {
                protocol: Protocol::TcpUdp,
                ports: PortRange { first: 5001, last: 5002 },
                host: BOB,
                host_port: 5002,
                source: Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 0),
            });
        }
        Op::Forward(false) => house.router.clear_forwards(),
        Op::Filtering(filtering) => {
            house.router.set_filtering(*filtering);
        }
        Op::Redial(n) => house.redial(if *n == 0 { OURS } else { Ipv4Address::new(100, 64, 0, 99) }),
        Op::Hosts(there) => house.hosts = if *there { HOSTS.to_vec() } else { Vec::new() },
    }
    house.settle();
    house.check_tables();
    (house.lan_frames(), house.internet_packets(), house.stacks_got())
}

/// Performs the same in two worlds.
fn twice(ops: &[Op], houses: &mut [House; 2]) {
    let mut last = Vec::new();
    for op in ops {
        let [fast, slow] = houses.each_mut().map(|house| perform(house, op, &last));
        assert_eq!(fast, slow, "{op:?}");
        last = fast.1.last().or(fast.0.last().map(|frame| &frame.1)).cloned().unwrap_or(last);
        let [a, b] = &*houses;
        assert_eq!(a.router.counters(), b.router.counters(), "{op:?}");
        assert_eq!(a.table_use(), b.table_use(), "{op:?}");
        let traffic = |house: &House| {
            let counters = house.router.wan(crate::house::WAN).unwrap().counters;
            (counters.ip_received, counters.ip_sent, counters.ip_received_bytes, counters.ip_sent_bytes)
        };
        assert_eq!(traffic(a), traffic(b), "{op:?}");
    }
}

/// All is over after three hours: nothing may be left.
fn assert_nothing_is_left(house: &mut House) {
    house.run_secs(3 * 3600);
    house.check_tables();
    let used = house.table_use();
    assert_eq!((used.flows, used.mappings, used.index_entries, used.waiting), (0, 0, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Good packets of any kind, in any order: all that leaves has right checksums, and the tables agree all the time.
    #[test]
    fn checksums_hold_and_tables_agree(ops in prop::collection::vec(op(), 1..120)) {
        let mut house = House::with(None, 16);
        house.any_ttl = true;
        let mut last = Vec::new();
        for op in &ops {
            let left = perform(&mut house, op, &last);
            last = left.1.last().or(left.0.last().map(|frame| &frame.1)).cloned().unwrap_or(last);
        }
        assert_nothing_is_left(&mut house);
    }

    /// A frame that begins one byte off cannot take the fast path: all else is the same, to the byte and to the counter.
    #[test]
    fn the_fast_path_does_what_the_slow_one_does(ops in prop::collection::vec(any_op(), 1..120)) {
        let mut houses: Box<[House; 2]> = vec![House::new(), House::new()].try_into().ok().expect("two");
        for house in houses.iter_mut() {
            (house.any_ttl, house.lenient) = (true, true);
        }
        houses[1].skew = 1;
        twice(&ops, &mut houses);
    }

    /// What a server sends back as it came arrives as it was sent.
    #[test]
    fn the_way_back_undoes_the_translation(
        host in 0..3_usize,
        ports in (any::<u16>(), any::<u16>()),
        data in payload(),
        kind in 0..4_u8,
        flags in prop::sample::select(vec![SYN, ACK, FIN | ACK]),
        taken in any::<bool>(),
    ) {
        let (from, to) = ((HOSTS[host], ports.0), (WEB, ports.1));
        let of = |from: (Ipv4Address, u16), to: (Ipv4Address, u16)| match kind {
            0 => udp(from, to, &data),
            1 => without_checksum(udp(from, to, &data)),
            2 => tcp_with(from, to, flags, &[], &data[..data.len().min(1400)]),
            _ => ping(from.0, to.0, from.1),
        };
        let mut house = House::new();
        house.any_ttl = true;
        if taken {
            // The port is somebody else's already.
            let other = HOSTS[(host + 1) % 3];
            house.lan_sends(other, &of((other, ports.0), to));
            house.internet_got();
        }
        house.lan_sends(from.0, &of(from, to));
        let sent = house.internet_packets();
        if data.len() <= 1400 {
            prop_assert_eq!(sent.len(), 1);
            let back = turned(&sent[0]);
            house.internet_sends(&back);
            let got = house.lan_packets();
            prop_assert_eq!(got.len(), 1);
            // Two hops further, and turned round.
            let expected = turned(&of(from, to));
            let expected = edited(expected, |bytes| bytes[8] = got[0][8]);
            prop_assert_eq!(&got[0], &expected);
        }
    }

    /// A fragment goes where its datagram goes, whatever the order.
    #[test]
    fn fragments_in_any_order(
        len in 1..4000_usize,
        step in (1..180_usize).prop_map(|n| n * 8),
        seed in any::<u64>(),
    ) {
        let data: Vec<u8> = (0..len).map(|n| (n * 7) as u8).collect();
        let mut parts = fragments(&udp((WEB, 53), (OURS, 5000), &data), step);
        // At most four wait for the first, and four gaps are kept: neighbours change places.
        let mut random = seed;
        for n in 1..parts.len() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if random >> 63 == 1 {
                parts.swap(n - 1, n);
            }
        }
        let is_first = |part: &Vec<u8>| u16::from_be_bytes([part[6], part[7]]).is_multiple_of(0x2000);
        prop_assume!(parts.iter().take(5).any(is_first));
        let mut house = House::new();
        house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
        house.internet_got();
        for part in &parts {
            house.internet_sends(part);
        }
        let got = house.lan_packets();
        prop_assert_eq!(got.len(), parts.len());
        let whole = crate::packets::reassembled(&got);
        prop_assert_eq!(&whole[28..], &data[..]);
    }
}

/// The packet with source and destination changed about, an answer to what it asked. Sums do not mind.
fn turned(packet: &[u8]) -> Vec<u8> {
    edited(packet.to_vec(), |bytes| {
        let (source, destination) = bytes[12..20].split_at_mut(4);
        source.swap_with_slice(destination);
        if bytes[9] == 1 {
            bytes[20] = 0;
            // 8 became 0: the checksum takes it back.
            let sum = u32::from(u16::from_be_bytes([bytes[22], bytes[23]])) + 0x0800;
            let sum = (sum & 0xFFFF) + (sum >> 16);
            bytes[22..24].copy_from_slice(&(sum as u16).to_be_bytes());
        } else {
            bytes[20..24].rotate_left(2);
        }
    })
}
