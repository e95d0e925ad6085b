//! Tunnels of IPv6 over IPv4 (RFC 4213), both ends.

use gatelet_router::{DatapathEvent, Dropped, Ipv6Route, Tos, TunnelConfig, TunnelId, TunnelRole, Via};
use smoltcp::wire::{Ipv4Address, Ipv6Address, Ipv6Cidr};

use crate::house::{FAR, FIBRE_ADDRESS, FIBRE_GATEWAY, HOP, House, OURS, WAN, mac};
use crate::house6::{ANN6, BOB6, EVERYWHERE, GATEWAY6, LAN_PREFIX, WEB6};
use crate::packets::{UNREACHABLE, edited, fragments, icmp, icmp_error, ip};
use crate::packets6::{at, check6, error6, ping6, tcp6_with, udp6, with_class, with_hop_limit, words6};

const TUNNEL: TunnelId = TunnelId(0);
/// The broker's end.
const BROKER: Ipv4Address = FAR;
/// Our address on the tunnel, and theirs.
const CLIENT6: Ipv6Address = Ipv6Address::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8889);
const SERVER6: Ipv6Address = Ipv6Address::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888);

/// A house whose IPv6 comes through a tunnel.
fn house() -> House {
    let mut house = House::new();
    open(&mut house, TunnelConfig::new(WAN, BROKER));
    house
}

fn open(house: &mut House, config: TunnelConfig) {
    assert!(house.router.set_tunnel(house.now, TUNNEL, Some(config)));
    assert!(house.router.set_ipv6_addresses(Via::Tunnel(TUNNEL), &[Ipv6Cidr::new(CLIENT6, 127)]));
    assert!(house.router.set_ipv6_addresses(Via::Lan, &[LAN_PREFIX]));
    let everywhere = Ipv6Route { destination: EVERYWHERE, source: EVERYWHERE, gateway: None };
    assert!(house.router.set_ipv6_routes(Via::Tunnel(TUNNEL), &[everywhere]));
    house.v6.hosts = vec![ANN6, BOB6];
    house.settle();
    house.ndp_seen();
    // The line's address is one of a carrier's, which it is told.
    house.events.clear();
    // The outer header has a TTL of its own.
    house.any_ttl = true;
}

/// The IPv4 packet around it.
fn outside(from: Ipv4Address, to: Ipv4Address, inner: &[u8]) -> Vec<u8> {
    ip(41, from, to, inner)
}

fn broker_sends(house: &mut House, inner: &[u8]) {
    house.internet_sends(&outside(BROKER, OURS, inner));
    house.answer6();
}

/// What the broker got: the IPv4 headers and the IPv6 packets.
fn broker_got(house: &mut House) -> Vec<(Vec<u8>, Vec<u8>)> {
    let split = |packet: Vec<u8>| {
        assert_eq!((&packet[12..16], &packet[16..20]), (&OURS.octets()[..], &BROKER.octets()[..]));
        assert_eq!(packet[9], 41);
        check6(&packet[20..]);
        (packet[..20].to_vec(), packet[20..].to_vec())
    };
    house.internet_packets().into_iter().map(split).collect()
}

fn broker_got_words(house: &mut House) -> Vec<String> {
    broker_got(house).iter().map(|(_, inner)| words6(inner)).collect()
}

#[test]
fn there_and_back() {
    for skew in [0, 1] {
        let mut house = house();
        house.skew = skew;
        for n in 0..3 {
            let sent = udp6((ANN6, 5000), (WEB6, 53), &vec![n; usize::from(n) * 500]);
            house.lan6_sends(ANN6, &sent);
            let got = broker_got(&mut house);
            assert_eq!(got.len(), 1, "{n}");
            assert_eq!(got[0].1, with_hop_limit(sent, 49));
            assert_eq!((got[0].0[8], got[0].0[6]), (255, 0x40), "TTL, and Don't Fragment");
            broker_sends(&mut house, &udp6((WEB6, 53), (ANN6, 5000), b"answer"));
            assert_eq!(house.lan6_packets().len(), 1);
        }
        assert_eq!((house.table_use().flows6, house.flows()), (1, 0), "no flow of IPv4 is in the way");
        house.check_tables();
        house.assert_silent();
    }
}

/// RFC 4213 §3.2: what the WAN leaves, at least 1,280 bytes; an override below it.
#[test]
fn the_mtu_follows_the_wan() {
    let mut house = house();
    assert_eq!(house.router.ipv6_mtu(Via::Tunnel(TUNNEL)), Some(1472));
    let sent = tcp6_with((ANN6, 5000), (WEB6, 443), 2, &[2, 4, 5, 0xA0], &[]);
    house.lan6_sends(ANN6, &sent);
    assert_eq!(broker_got(&mut house)[0].1[62..64], 1412_u16.to_be_bytes(), "1472 less 60");
    let dropped =
        house.dropped_by(|house| house.lan6_sends(ANN6, &udp6((ANN6, 1), (WEB6, 1), &[0; 1473 - 48])));
    assert_eq!(dropped, [(Dropped::TooLong, 1)]);
    assert!(house.lan6_got()[0].contains("too big, 1472"));
    for (mtu, expected) in [(1400, 1400), (1000, 1280), (1480, 1472)] {
        let config = TunnelConfig { mtu: Some(mtu), ..TunnelConfig::new(WAN, BROKER) };
        assert!(house.router.set_tunnel(house.now, TUNNEL, Some(config)));
        assert_eq!(house.router.ipv6_mtu(Via::Tunnel(TUNNEL)), Some(expected));
    }
    assert!(house.router.set_tunnel(house.now, TUNNEL, None));
    assert_eq!(house.router.ipv6_mtu(Via::Tunnel(TUNNEL)), None);
}

/// RFC 6040: in by copying, out by the table; TOS as it is configured.
#[test]
fn classes_and_congestion() {
    let mut house = house();
    let tos = |house: &mut House, class| {
        house.lan6_sends(ANN6, &with_class(udp6((ANN6, 5000), (WEB6, 53), b"x"), class));
        let got = broker_got(house);
        assert_eq!(got[0].1[..2], [0x60 | class >> 4, class << 4], "inside all stays");
        got[0].0[1]
    };
    for class in [0, 0xB8, 0xBA, 0x03] {
        assert_eq!(tos(&mut house, class), class);
        assert_eq!(tos(&mut house, class), class, "by the fast path");
    }
    let config = TunnelConfig { tos: Tos::Fixed(8), ..TunnelConfig::new(WAN, BROKER) };
    assert!(house.router.set_tunnel(house.now, TUNNEL, Some(config)));
    assert_eq!(tos(&mut house, 0xBA), 0x22);
    assert_eq!(tos(&mut house, 0xBA), 0x22);
    let mut receive = |inner: u8, outer: u8| {
        let packet = with_class(udp6((WEB6, 53), (ANN6, 5000), b"x"), 0xB8 | inner);
        let packet = edited(outside(BROKER, OURS, &packet), |bytes| bytes[1] = outer);
        house.internet_sends(&packet);
        house.answer6();
        house.lan6_packets().first().map(|got| got[1] >> 4 & 3)
    };
    assert_eq!(receive(2, 0), Some(2));
    assert_eq!(receive(2, 3), Some(3), "congestion is told");
    assert_eq!(receive(2, 1), Some(1));
    assert_eq!(receive(3, 2), Some(3));
    assert_eq!(receive(0, 2), Some(0));
    assert_eq!(receive(0, 3), None, "who does not understand it is told by loss");
    assert_eq!(house.router.counters().of(Dropped::TunnelEcn), 1);
}

/// RFC 4213 §4: from the peer alone.
#[test]
fn only_the_peer_may_speak() {
    let mut house = house();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    broker_got(&mut house);
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&outside(HOP, OURS, &udp6((WEB6, 53), (ANN6, 5000), b"x")));
    });
    assert_eq!(dropped, [(Dropped::TunnelPeer, 1)]);
    house.assert_silent();
}

/// RFC 4213 §3.6 and §4: sources inside that are ours, and addresses that no packet has.
#[test]
fn what_must_not_come_out() {
    let mut house = house();
    for (inner, reason) in [
        (udp6((BOB6, 53), (ANN6, 5000), b"x"), Dropped::TunnelSource),
        (udp6((GATEWAY6, 53), (ANN6, 5000), b"x"), Dropped::TunnelSource),
        (udp6((CLIENT6, 53), (ANN6, 5000), b"x"), Dropped::TunnelSource),
        (udp6((at("fe80::1"), 53), (ANN6, 5000), b"x"), Dropped::TunnelScope),
        (udp6((WEB6, 53), (at("ff02::1"), 5000), b"x"), Dropped::TunnelScope),
        (udp6((WEB6, 53), (at("ff05::1"), 5000), b"x"), Dropped::TunnelScope),
        (udp6((at("::1"), 53), (ANN6, 5000), b"x"), Dropped::TunnelScope),
        (udp6((at("::ffff:10.0.0.1"), 53), (ANN6, 5000), b"x"), Dropped::TunnelScope),
        (udp6((WEB6, 53), (at("::10.0.0.1"), 5000), b"x"), Dropped::TunnelScope),
        (udp6((at("::"), 53), (ANN6, 5000), b"x"), Dropped::TunnelScope),
        // RFC 6324: back into the tunnel.
        (udp6((WEB6, 53), (at("2620::77"), 5000), b"x"), Dropped::TunnelLoop),
        // RFC 6164 §5.1: on a network of two there is no third.
        (udp6((WEB6, 53), (SERVER6, 5000), b"x"), Dropped::TunnelLoop),
        (b"no packet at all".to_vec(), Dropped::Malformed),
    ] {
        let dropped = house.dropped_by(|house| broker_sends(house, &inner));
        assert_eq!(dropped, [(reason, 1)], "{inner:02x?}");
    }
    assert_eq!((house.lan6_got(), house.table_use().flows6), (vec![], 0));
}

/// The firewall is the same as on a line.
#[test]
fn nothing_gets_in_uninvited() {
    let mut house = house();
    let dropped = house.dropped_by(|house| broker_sends(house, &udp6((WEB6, 53), (ANN6, 53), b"x")));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    broker_sends(&mut house, &ping6(SERVER6, CLIENT6, 1));
    assert_eq!(broker_got_words(&mut house), ["ICMP 2001:4860:4860::8889 > 2001:4860:4860::8888 pong 1"]);
    house.lan6_sends(ANN6, &ping6(ANN6, SERVER6, 2));
    assert_eq!(broker_got_words(&mut house), ["ICMP 2001:db8:1::10 > 2001:4860:4860::8888 ping 2"]);
}

/// RFC 4213 §3.6: 1,500 bytes in parts are put together, two at once, not for ever.
#[test]
fn parts_are_put_together() {
    let mut house = house();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    house.internet_packets();
    let whole = udp6((WEB6, 53), (ANN6, 5000), &[7; 1500 - 48]);
    let parts = |id: u8| fragments(&edited(outside(BROKER, OURS, &whole), |bytes| bytes[5] = id), 512);
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        for n in order {
            house.internet_sends(&parts(1)[n]);
        }
        house.answer6();
        assert_eq!(house.lan6_packets(), [with_hop_limit(whole.clone(), 49)]);
    }
    // Three at once: the first has to go.
    for id in 1..=3 {
        house.internet_sends(&parts(id)[0]);
    }
    for id in 1..=3 {
        house.internet_sends(&parts(id)[1]);
        house.internet_sends(&parts(id)[2]);
    }
    let got = house.lan6_packets().len();
    assert!(got <= 2, "{got}");
    // What is lost is forgotten, and its frames are back.
    house.run_secs(30);
    house.check_tables();
    assert_eq!(house.table_use().waiting, 0);
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&parts(9)[0]);
        house.internet_sends(&parts(9)[0]);
    });
    assert_eq!(dropped, [(Dropped::FragmentOverlap, 1)]);
    house.run_secs(30);
    house.check_tables();
}

/// RFC 4213 §3.2.2, §3.4: what routers on the way of the tunnel say.
#[test]
fn errors_about_the_packet_outside() {
    let mut house = house();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), &[0; 1400]));
    let sent = house.internet_packets().remove(0);
    let mut too_big = icmp_error(HOP, OURS, (UNREACHABLE, 4), &sent, 200);
    too_big[26..28].copy_from_slice(&1400_u16.to_be_bytes());
    let message = icmp(HOP, OURS, (UNREACHABLE, 4), [0, 0, 5, 120], &too_big[28..]);
    house.internet_sends(&message);
    house.answer6();
    assert_eq!(house.router.ipv6_mtu(Via::Tunnel(TUNNEL)), Some(1380));
    assert_eq!(house.events, [DatapathEvent::TunnelPathMtu { tunnel: TUNNEL, mtu: 1380 }]);
    assert!(house.lan6_got()[0].contains("too big, 1380"));
    // The next one is told by ourselves.
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), &[0; 1400]));
    assert!(house.lan6_got()[0].contains("too big, 1380"));
    // Never below what IPv6 needs (who says less is lying, or in for fragments), and not for ever.
    let message = icmp(HOP, OURS, (UNREACHABLE, 4), [0, 0, 0, 68], &too_big[28..]);
    house.internet_sends(&message);
    assert_eq!(house.router.ipv6_mtu(Via::Tunnel(TUNNEL)), Some(1280));
    house.lan6_got();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), &[0; 1000]));
    assert_eq!(broker_got(&mut house)[0].0[6], 0, "it may be fragmented now");
    house.run_secs(601);
    assert_eq!(house.router.ipv6_mtu(Via::Tunnel(TUNNEL)), Some(1472));
    // Other errors become their like.
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    let sent = house.internet_packets().remove(0);
    house.internet_sends(&icmp_error(HOP, OURS, (UNREACHABLE, 1), &sent, 100));
    house.answer6();
    assert_eq!(
        house.lan6_got(),
        ["ICMP 2001:db8:1::1 > 2001:db8:1::10 1/3 [UDP [2001:db8:1::10]:5000 > [2620:0:80::50]:53]"]
    );
    // About packets that nobody here has sent: nothing.
    let forged = outside(OURS, BROKER, &udp6((ANN6, 1), (WEB6, 2), b"x"));
    house.internet_sends(&icmp_error(HOP, OURS, (UNREACHABLE, 1), &forged, 100));
    let other = outside(OURS, HOP, &udp6((ANN6, 1), (WEB6, 2), b"x"));
    let dropped =
        house.dropped_by(|house| house.internet_sends(&icmp_error(HOP, OURS, (UNREACHABLE, 1), &other, 100)));
    assert_eq!(dropped, [(Dropped::IcmpUnrelated, 1)]);
    house.assert_silent();
}

/// `ICMPv6` errors from inside the tunnel find their flow.
#[test]
fn errors_inside_the_tunnel() {
    let mut house = house();
    let sent = udp6((ANN6, 5000), (WEB6, 53), b"x");
    house.lan6_sends(ANN6, &sent);
    house.internet_packets();
    broker_sends(&mut house, &error6(SERVER6, ANN6, (3, 0), 0, &sent));
    assert_eq!(house.lan6_got().len(), 1);
}

/// Our end follows the WAN.
#[test]
fn the_address_of_the_wan_changes() {
    let mut house = house();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    broker_got(&mut house);
    let new = Ipv4Address::new(203, 0, 113, 200);
    house.redial(new);
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    let sent = house.internet_packets().remove(0);
    assert_eq!(sent[12..16], new.octets());
    house.internet_sends(&outside(BROKER, new, &udp6((WEB6, 53), (ANN6, 5000), b"x")));
    house.answer6();
    assert_eq!(house.lan6_got().len(), 1, "the flow goes on");
    // What is in the addresses of carriers cannot be reached.
    house.events.clear();
    let shared = Ipv4Address::new(100, 64, 3, 4);
    house.redial(shared);
    assert!(matches!(
        house.events[..],
        [.., DatapathEvent::TunnelBehindNat { tunnel: TUNNEL, address, .. }] if address == shared
    ));
}

/// The server's end: its clients' sources are theirs alone, and it forwards between them and the line.
#[test]
fn the_servers_end() {
    let mut house = House::with_ipv6();
    house.any_ttl = true;
    let (client, routed) = (at("2001:db8:f::2"), at("2001:db8:c::1"));
    let config = TunnelConfig { role: TunnelRole::Server, ..TunnelConfig::new(WAN, BROKER) };
    assert!(house.router.set_tunnel(house.now, TUNNEL, Some(config)));
    let tunnel = Via::Tunnel(TUNNEL);
    let route = |destination| Ipv6Route { destination, source: EVERYWHERE, gateway: None };
    let ways = [route(Ipv6Cidr::new(client, 128)), route(Ipv6Cidr::new(at("2001:db8:c::"), 48))];
    assert!(house.router.set_ipv6_routes(tunnel, &ways));
    let out = Ipv6Route { destination: EVERYWHERE, source: EVERYWHERE, gateway: None };
    assert!(house.router.set_ipv6_routes(Via::Wan(WAN), &[out]));
    assert!(house.router.set_ndp_proxy(Via::Wan(WAN), &[Ipv6Cidr::new(client, 128)]));
    // From the client to the Internet and back, by both of its networks.
    for source in [client, routed] {
        broker_sends(&mut house, &udp6((source, 5000), (WEB6, 53), b"x"));
        assert_eq!(house.internet6_got(), [format!("UDP [{source}]:5000 > [2620:0:80::50]:53")]);
        house.internet6_sends(&udp6((WEB6, 53), (source, 5000), b"x"));
        assert_eq!(broker_got_words(&mut house), [format!("UDP [2620:0:80::50]:53 > [{source}]:5000")]);
    }
    // From the Internet to the client unasked: it has a firewall of its own.
    house.internet6_sends(&udp6((WEB6, 1), (routed, 80), b"x"));
    assert_eq!(broker_got_words(&mut house).len(), 1);
    for (inner, reason) in [
        (udp6((at("2001:db8:d::1"), 1), (WEB6, 53), b"x"), Dropped::TunnelSource),
        (udp6((ANN6, 1), (WEB6, 53), b"x"), Dropped::TunnelSource),
        (udp6((WEB6, 1), (FAR6, 53), b"x"), Dropped::TunnelSource),
        // To our LAN it is a stranger.
        (udp6((routed, 1), (ANN6, 53), b"x"), Dropped::Uninvited),
        (udp6((routed, 1), (at("2001:db8:c::9"), 53), b"x"), Dropped::TunnelLoop),
    ] {
        let dropped = house.dropped_by(|house| broker_sends(house, &inner));
        assert_eq!(dropped, [(reason, 1)], "{inner:02x?}");
    }
    house.internet_packets();
    // The line asks for an address that is on no interface of ours.
    let asked = crate::packets6::neighbour(
        at("fe80::ac"),
        gatelet_wire::ndp::solicited_node(client),
        135,
        0,
        client,
        &[],
    );
    house.internet6_sends(&asked);
    assert_eq!(house.internet6_got(), [format!("ICMP {client} > fe80::ac I have {client} (0xc0)")]);
    house.check_tables();
}

const FAR6: Ipv6Address = crate::house6::FAR6;

/// Over a line of plain Ethernet: 1,480 bytes, and the gateway's hardware address.
#[test]
fn over_ethernet() {
    let mut house = House::new();
    house.add_fibre();
    house.any_ttl = true;
    open(&mut house, TunnelConfig::new(gatelet_router::WanId(1), BROKER));
    assert_eq!(house.router.ipv6_mtu(Via::Tunnel(TUNNEL)), Some(1480));
    for n in 0..3 {
        house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
        let got = house.fibre_got();
        assert_eq!(got, [(mac(FIBRE_GATEWAY), format!("41 {FIBRE_ADDRESS} > {BROKER}"))], "{n}");
        house.fibre_sends(&outside(BROKER, FIBRE_ADDRESS, &udp6((WEB6, 53), (ANN6, 5000), b"x")));
        house.answer6();
        assert_eq!(house.lan6_got().len(), 1);
    }
}

/// A host inside that has a tunnel of its own keeps it.
#[test]
fn somebody_elses_tunnel_passes() {
    let mut house = house();
    let ann = crate::house::ANN;
    house.lan_sends(ann, &ip(41, ann, HOP, &udp6((WEB6, 1), (FAR6, 1), b"x")));
    assert_eq!(house.internet_got().len(), 1);
    house.internet_sends(&outside(HOP, OURS, &udp6((FAR6, 1), (WEB6, 1), b"x")));
    assert_eq!(house.lan_got().len(), 1);
}
