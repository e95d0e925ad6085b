//! Neighbor Discovery (RFC 4861, RFC 4862, RFC 4389, RFC 6583).

use gatelet_router::{Action, DatapathEvent, Dropped, Ipv6Route, Rule, Via, Zone};
use gatelet_wire::EthernetAddress;
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use crate::house::{House, LAN_MAC, WAN};
use crate::house6::{ANN6, BOB6, EVERYWHERE, GATEWAY6, NEAR, WEB6, mac6};
use crate::packets6::{at, icmp6, neighbour, udp6, with_hop_limit};

const ALL: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The option with a link-layer address.
fn option(kind: u8, mac: EthernetAddress) -> Vec<u8> {
    [&[kind, 1], &mac.0[..]].concat()
}

fn group(target: Ipv6Address) -> Ipv6Address {
    gatelet_wire::ndp::solicited_node(target)
}

#[test]
fn hosts_are_asked_for_and_packets_wait() {
    let mut house = House::with_ipv6();
    assert!(house.router.add_rule(Rule::new(Zone::Wan, Zone::Lan, Action::Accept)));
    house.v6.hosts.clear();
    for n in 0..3 {
        house.internet6_sends(&udp6((WEB6, n), (ANN6, 53), b"x"));
    }
    assert_eq!(house.lan6_got(), [""; 0]);
    assert_eq!(house.ndp_seen(), ["ICMP fe80::ff:fe00:2 > ff02::1:ff00:10 who has 2001:db8:1::10"]);
    let answer = neighbour(ANN6, NEAR, 136, 0x60, ANN6, &option(2, mac6(ANN6)));
    house.lan6_sends(ANN6, &answer);
    // The two newest.
    assert_eq!(
        house.lan6_got(),
        ["UDP [2620:0:80::50]:1 > [2001:db8:1::10]:53", "UDP [2620:0:80::50]:2 > [2001:db8:1::10]:53"]
    );
    house.check_tables();
}

#[test]
fn who_does_not_answer_is_given_up() {
    let mut house = House::with_ipv6();
    assert!(house.router.add_rule(Rule::new(Zone::Wan, Zone::Lan, Action::Accept)));
    house.v6.hosts.clear();
    let dropped = house.dropped_by(|house| {
        house.internet6_sends(&udp6((WEB6, 1), (ANN6, 53), b"x"));
        house.run_secs(10);
    });
    assert_eq!(dropped, [(Dropped::Unreachable, 1)]);
    assert_eq!(house.ndp_seen().len(), 3);
    house.check_tables();
}

#[test]
fn we_answer_for_our_addresses() {
    let mut house = House::with_ipv6();
    for own in [GATEWAY6, NEAR] {
        let asked = neighbour(ANN6, group(own), 135, 0, own, &option(1, mac6(ANN6)));
        house.lan6_says(ANN6, &asked);
        assert_eq!(house.ndp_seen()[0], format!("ICMP {own} > {ANN6} I have {own} (0xe0)"));
        // RFC 4862 §5.4.3: somebody wants to know whether he may have it.
        let probe = neighbour(at("::"), group(own), 135, 0, own, &[]);
        house.lan6_says(ANN6, &probe);
        assert_eq!(house.ndp_seen(), [format!("ICMP {own} > ff02::1 I have {own} (0xa0)")]);
    }
    // Nor for anybody else's.
    let dropped = house.dropped_by(|house| {
        house.lan6_says(ANN6, &neighbour(ANN6, group(BOB6), 135, 0, BOB6, &option(1, mac6(ANN6))));
    });
    assert_eq!(dropped, [(Dropped::NotForUs, 1)]);
    assert_eq!(house.ndp_seen(), [""; 0]);
    house.assert_silent();
}

/// RFC 4861 §6.1, §7.1: hop limit 255, code 0, checksum, lengths.
#[test]
fn what_is_not_well_formed_is_ignored() {
    let mut house = House::with_ipv6();
    let good = neighbour(ANN6, group(GATEWAY6), 135, 0, GATEWAY6, &option(1, mac6(ANN6)));
    let mut checksum = good.clone();
    checksum[42] ^= 1;
    for packet in [
        with_hop_limit(good.clone(), 254),
        checksum,
        neighbour(ANN6, group(GATEWAY6), 135, 0, GATEWAY6, &[1, 0, 0, 0, 0, 0, 0, 0]),
        neighbour(at("::"), GATEWAY6, 135, 0, GATEWAY6, &[]),
        neighbour(ANN6, group(GATEWAY6), 135, 0, at("ff02::1"), &[]),
    ] {
        let dropped = house.dropped_by(|house| house.lan6_says(ANN6, &packet));
        assert_eq!(dropped, [(Dropped::NdpInvalid, 1)], "{packet:02x?}");
    }
    let redirect = with_hop_limit(icmp6(at("fe80::66"), NEAR, (137, 0), [0; 4], &[0; 32]), 255);
    let dropped = house.dropped_by(|house| house.lan6_sends(ANN6, &redirect));
    assert_eq!(dropped, [(Dropped::IcmpUnwanted, 1)]);
    assert_eq!(house.ndp_seen(), [""; 0]);
    house.lan6_says(ANN6, &good);
    assert_eq!(house.ndp_seen()[0], format!("ICMP {GATEWAY6} > {ANN6} I have {GATEWAY6} (0xe0)"));
}

/// An advertisement that comes unasked moves nobody, unless the one we know is silent.
#[test]
fn a_claim_is_checked_first() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    house.internet6_got();
    house.ndp_seen();
    let thief = EthernetAddress([2, 0, 0, 0, 0x66, 0x66]);
    let claim = neighbour(ANN6, ALL, 136, 0x20, ANN6, &option(2, thief));
    house.lan_frame(thief, LAN_MAC, 0x86DD, &claim);
    house.answer6();
    house.internet6_sends(&udp6((WEB6, 53), (ANN6, 5000), b"x"));
    assert_eq!(house.lan6_frames()[0].0, mac6(ANN6));
    assert_eq!(house.events, [DatapathEvent::Ipv6NeighbourDisputed { address: ANN6, mac: thief }]);
    assert_eq!(house.ndp_seen(), ["ICMP fe80::ff:fe00:2 > 2001:db8:1::10 who has 2001:db8:1::10"]);
    // Another time nobody answers at the old place.
    house.v6.hosts.clear();
    house.lan_frame(thief, LAN_MAC, 0x86DD, &claim);
    house.run_secs(3);
    house.internet6_sends(&udp6((WEB6, 53), (ANN6, 5000), b"x"));
    assert_eq!(house.lan6_frames()[0].0, thief);
}

#[test]
fn our_address_is_defended() {
    let mut house = House::with_ipv6();
    let thief = EthernetAddress([2, 0, 0, 0, 0x66, 0x66]);
    let claim = neighbour(GATEWAY6, ALL, 136, 0x20, GATEWAY6, &option(2, thief));
    for _ in 0..5 {
        house.lan_frame(thief, LAN_MAC, 0x86DD, &claim);
    }
    assert_eq!(house.events, [DatapathEvent::Ipv6AddressConflict { address: GATEWAY6, mac: thief }]);
    assert_eq!(house.ndp_seen(), [format!("ICMP {GATEWAY6} > ff02::1 I have {GATEWAY6} (0xa0)")]);
}

/// Our addresses are asked for when they are set (RFC 4862 §5.4.2).
#[test]
fn new_addresses_are_probed() {
    let mut house = House::with_ipv6();
    let new = at("2001:db8:1::1234");
    assert!(house.router.set_ipv6_addresses(Via::Lan, &[Ipv6Cidr::new(new, 64)]));
    house.settle();
    assert_eq!(
        house.ndp_seen(),
        [
            "ICMP :: > ff02::1:ff00:2 who has fe80::ff:fe00:2",
            "ICMP :: > ff02::1:ff00:1234 who has 2001:db8:1::1234"
        ]
    );
}

/// RFC 6583: whoever scans a network of 2^64 addresses, those who are there can be reached.
#[test]
fn a_scan_exhausts_nothing() {
    let mut house = House::with_ipv6();
    assert!(house.router.add_rule(Rule::new(Zone::Wan, Zone::Lan, Action::Accept)));
    house.lan6_sends(BOB6, &udp6((BOB6, 5000), (WEB6, 53), b"x"));
    for n in 0..5000_u32 {
        let [a, b, c, d] = n.to_be_bytes();
        let mut octets = ANN6.octets();
        octets[11..15].copy_from_slice(&[7, a | b, c, d]);
        house.internet6_sends(&udp6((WEB6, 1), (octets.into(), 53), b"x"));
    }
    house.check_tables();
    let asked = house.ndp_seen().len();
    assert!(asked <= 5010, "{asked} questions");
    house.internet6_sends(&udp6((WEB6, 53), (BOB6, 5000), b"x"));
    assert_eq!(house.lan6_got(), ["UDP [2620:0:80::50]:53 > [2001:db8:1::11]:5000"]);
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    house.internet6_sends(&udp6((WEB6, 53), (ANN6, 5000), b"x"));
    assert_eq!(house.lan6_got().len(), 1, "and a newcomer");
}

/// RFC 4389: for hosts behind us we answer upstream, and for nobody else.
#[test]
fn proxy_for_what_is_behind_us() {
    let mut house = House::with_ipv6();
    let isp = at("fe80::ac");
    let asked = |target| neighbour(isp, group(target), 135, 0, target, &[]);
    let dropped = house.dropped_by(|house| house.internet6_sends(&asked(ANN6)));
    assert_eq!(dropped, [(Dropped::NotForUs, 1)]);
    assert!(house.router.set_ndp_proxy(Via::Wan(WAN), &[Ipv6Cidr::new(at("2001:db8::"), 32)]));
    // Not known yet: asked for on the LAN, and then answered for.
    house.internet6_sends(&asked(ANN6));
    house.answer6();
    assert_eq!(house.internet6_got(), [format!("ICMP {ANN6} > fe80::ac I have {ANN6} (0xc0)")]);
    house.internet6_sends(&asked(ANN6));
    assert_eq!(house.internet6_got().len(), 1, "known");
    // Nobody is there: it may be another station's of the carrier's, or is about to be.
    let nobody = at("2001:db8:1::99");
    let probe = neighbour(at("::"), group(nobody), 135, 0, nobody, &[]);
    for packet in [asked(nobody), probe] {
        house.internet6_sends(&packet);
        house.run_for(Duration::from_secs(1));
        assert_eq!(house.internet6_got(), [""; 0]);
    }
    // Our own address there is ours to answer for.
    house.internet6_sends(&asked(GATEWAY6));
    assert_eq!(house.internet6_got().len(), 1);
    // Listed, and its route does not lead inside.
    let elsewhere =
        Ipv6Route { destination: Ipv6Cidr::new(at("2001:db8:8::"), 48), source: EVERYWHERE, gateway: None };
    assert!(house.router.set_ipv6_routes(Via::Nowhere, &[elsewhere]));
    let dropped = house.dropped_by(|house| house.internet6_sends(&asked(at("2001:db8:8::1"))));
    assert_eq!(dropped, [(Dropped::NotForUs, 1)]);
}
