//! UDP through the NAT: RFC 4787.

use gatelet_router::{Dropped, Filtering};
use smoltcp::wire::Ipv4Address;

use crate::house::{ANN, BOB, CAT, FAR, GATEWAY, House, OURS, WEB, mac};
use crate::packets::{ACK, SYN, ip, tcp, ttl, udp, with_ttl, without_checksum, words};

const NO_WORDS: [&str; 0] = [];

/// The external port of a packet from `from` to `to`.
fn external_port(house: &mut House, from: (Ipv4Address, u16), to: (Ipv4Address, u16)) -> u16 {
    house.lan_sends(from.0, &udp(from, to, b"x"));
    let packets = house.internet_packets();
    assert_eq!(packets.len(), 1, "it came through");
    assert_eq!(packets[0][12..16], OURS.octets());
    u16::from_be_bytes([packets[0][20], packets[0][21]])
}

#[test]
fn there_and_back() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"question"));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:5000 > 192.0.2.80:53"]);
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"answer"));
    let frames = house.lan_frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(words(&frames[0].1), "UDP 192.0.2.80:53 > 192.168.1.10:5000");
    assert_eq!((frames[0].0, &frames[0].1[28..]), (mac(ANN), &b"answer"[..]));
    assert_eq!((house.flows(), house.table_use().mappings), (1, 1));
    house.check_tables();
}

/// RFC 4787 REQ-1.
#[test]
fn one_endpoint_has_one_mapping_whomever_it_talks_to() {
    let mut house = House::new();
    // Bob has the port first, so that Ann's is another.
    assert_eq!(external_port(&mut house, (BOB, 5000), (WEB, 53)), 5000);
    let port = external_port(&mut house, (ANN, 5000), (WEB, 53));
    assert_ne!(port, 5000);
    for to in [(WEB, 54), (FAR, 53), (FAR, 9)] {
        assert_eq!(external_port(&mut house, (ANN, 5000), to), port);
    }
    assert_eq!((house.flows(), house.table_use().mappings), (5, 2));
    house.check_tables();
}

/// RFC 4787 REQ-3: no two endpoints share a port; a free port is kept.
#[test]
fn ports_are_kept_if_they_are_free_and_never_shared() {
    let mut house = House::new();
    let mut ports = Vec::new();
    for host in [ANN, BOB, CAT] {
        for port in [1024, 5000, 40_001, 65_535] {
            ports.push(external_port(&mut house, (host, port), (WEB, 53)));
        }
    }
    assert_eq!(ports[..4], [1024, 5000, 40_001, 65_535]);
    let mut distinct = ports.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ports.len(), "{ports:?}");
}

/// RFC 4787 REQ-3a, REQ-4.
#[test]
fn another_port_has_the_parity_and_the_range_of_the_first() {
    let mut house = House::new();
    for port in [500, 501, 5000, 5001] {
        external_port(&mut house, (ANN, port), (WEB, 53));
        for host in [BOB, CAT] {
            let other = external_port(&mut house, (host, port), (WEB, 53));
            assert_eq!((other % 2, other < 1024), (port % 2, port < 1024), "{other} for {port}");
        }
    }
}

/// RFC 4787 REQ-5, REQ-6: at least two minutes, better five; what goes out refreshes it.
#[test]
fn a_mapping_lives_for_five_minutes_after_its_last_packet() {
    let mut house = House::new();
    let there = udp((ANN, 5000), (WEB, 53), b"x");
    let back = udp((WEB, 53), (OURS, 5000), b"x");
    for _ in 0..3 {
        house.lan_sends(ANN, &there);
        assert_eq!(house.internet_got().len(), 1);
        house.run_secs(299);
    }
    assert_eq!(house.flows(), 1);
    house.internet_sends(&back);
    assert_eq!(house.lan_got().len(), 1, "still there after 299 s");
    // A sweep through all flows takes half a minute.
    house.run_secs(300 + 40);
    assert_eq!((house.flows(), house.table_use().mappings), (0, 0));
    let dropped = house.dropped_by(|house| house.internet_sends(&back));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    house.assert_silent();
}

/// RFC 4787 REQ-8: by default, only whom a packet was sent to may answer.
#[test]
fn filtering_by_address_and_port() {
    let mut house = House::new();
    external_port(&mut house, (ANN, 5000), (WEB, 53));
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&udp((WEB, 54), (OURS, 5000), b"x"));
        house.internet_sends(&udp((FAR, 53), (OURS, 5000), b"x"));
        house.internet_sends(&udp((WEB, 53), (OURS, 5001), b"x"));
    });
    assert_eq!(dropped, [(Dropped::Uninvited, 3)]);
    house.assert_silent();
}

#[test]
fn filtering_by_address() {
    let mut house = House::new();
    assert!(house.router.set_filtering(Filtering::AddressDependent));
    external_port(&mut house, (ANN, 5000), (WEB, 53));
    house.internet_sends(&udp((WEB, 54), (OURS, 5000), b"x"));
    assert_eq!(house.lan_got(), ["UDP 192.0.2.80:54 > 192.168.1.10:5000"]);
    let dropped = house.dropped_by(|house| house.internet_sends(&udp((FAR, 53), (OURS, 5000), b"x")));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    // The answer goes out by the same port.
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 54), b"x"));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:5000 > 192.0.2.80:54"]);
    house.check_tables();
}

#[test]
fn filtering_by_nothing() {
    let mut house = House::new();
    assert!(house.router.set_filtering(Filtering::EndpointIndependent));
    external_port(&mut house, (ANN, 5000), (WEB, 53));
    house.internet_sends(&udp((FAR, 99), (OURS, 5000), b"x"));
    assert_eq!(house.lan_got(), ["UDP 198.51.100.9:99 > 192.168.1.10:5000"]);
    assert_eq!((house.flows(), house.table_use().mappings), (2, 1));
    let dropped = house.dropped_by(|house| house.internet_sends(&udp((FAR, 99), (OURS, 5001), b"x")));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    // The mapping lives as long as the last of both.
    house.run_secs(200);
    house.internet_sends(&udp((FAR, 99), (OURS, 5000), b"x"));
    house.run_secs(200);
    assert_eq!((house.flows(), house.table_use().mappings), (1, 1));
    house.run_secs(200);
    assert_eq!((house.flows(), house.table_use().mappings), (0, 0));
    house.check_tables();
}

/// RFC 4787 REQ-9: a packet to a mapping's outside, from inside, comes from our own outside.
#[test]
fn hairpin_between_two_hosts_inside() {
    for filtering in
        [Filtering::AddressAndPortDependent, Filtering::AddressDependent, Filtering::EndpointIndependent]
    {
        let mut house = House::new();
        assert!(house.router.set_filtering(filtering));
        // Both have told a server outside their endpoints.
        let ann = external_port(&mut house, (ANN, 5000), (WEB, 3478));
        let bob = external_port(&mut house, (BOB, 5000), (WEB, 3478));
        house.lan_sends(ANN, &udp((ANN, 5000), (OURS, bob), b"hello"));
        let frames = house.lan_frames();
        assert_eq!(frames.len(), 1, "{filtering:?}");
        assert_eq!(words(&frames[0].1), format!("UDP 100.64.0.7:{ann} > 192.168.1.11:5000"));
        assert_eq!(frames[0].0, mac(BOB));
        house.lan_sends(BOB, &udp((BOB, 5000), (OURS, ann), b"hello yourself"));
        assert_eq!(house.lan_got(), [format!("UDP 100.64.0.7:{bob} > 192.168.1.10:5000")]);
        house.assert_silent();
        house.check_tables();
    }
}

#[test]
fn hairpin_to_oneself() {
    let mut house = House::new();
    external_port(&mut house, (ANN, 5000), (WEB, 3478));
    for _ in 0..2 {
        house.lan_sends(ANN, &udp((ANN, 5000), (OURS, 5000), b"hello"));
        assert_eq!(house.lan_got(), ["UDP 100.64.0.7:5000 > 192.168.1.10:5000"]);
    }
    house.run_secs(400);
    assert_eq!((house.flows(), house.table_use().mappings), (0, 0));
    house.check_tables();
}

/// A host that sends from an outside address of ours does not exist: nothing is hairpinned where no mapping is.
#[test]
fn a_port_of_ours_without_a_mapping_is_the_routers_own() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (OURS, 4000), b"x"));
    assert_eq!(house.stacks_got(), ["wan: UDP 192.168.1.10:5000 > 100.64.0.7:4000"]);
    house.lan_sends(ANN, &udp((ANN, 5000), (GATEWAY, 53), b"x"));
    assert_eq!(house.stacks_got(), ["lan: UDP 192.168.1.10:5000 > 192.168.1.1:53"]);
    house.assert_silent();
}

/// RFC 3022 §4.1: no checksum stays no checksum; RFC 768: a checksum that comes out as zero is sent as all ones.
#[test]
fn udp_checksums() {
    let mut house = House::new();
    house.lan_sends(ANN, &without_checksum(udp((ANN, 5000), (WEB, 53), b"x")));
    assert_eq!(house.internet_packets()[0][26..28], [0, 0]);
    house.internet_sends(&without_checksum(udp((WEB, 53), (OURS, 5000), b"x")));
    assert_eq!(house.lan_packets()[0][26..28], [0, 0]);
    // Of all payloads of two bytes, one has the sum of zero behind the NAT.
    let mut all_ones = 0;
    for value in 0..=u16::MAX {
        house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), &value.to_be_bytes()));
        let sent = house.internet_packets();
        assert_ne!(sent[0][26..28], [0, 0]);
        all_ones += u32::from(sent[0][26..28] == [0xFF, 0xFF]);
    }
    assert_eq!(all_ones, 1);
}

#[test]
fn every_hop_takes_one_off_the_ttl() {
    let mut house = House::new();
    for sent in [2, 64, 255] {
        house.ttl = sent;
        house.lan_sends(ANN, &with_ttl(udp((ANN, 5000), (WEB, 53), b"x"), sent));
        assert_eq!(ttl(&house.internet_packets()[0]), sent - 1);
        house.internet_sends(&with_ttl(udp((WEB, 53), (OURS, 5000), b"x"), sent));
        assert_eq!(ttl(&house.lan_packets()[0]), sent - 1);
    }
}

/// Protocols without ports are told apart by address, as long as that is possible.
#[test]
fn other_protocols_by_address() {
    const GRE: u8 = 47;
    const ESP: u8 = 50;
    let mut house = House::new();
    for protocol in [GRE, ESP] {
        house.lan_sends(ANN, &ip(protocol, ANN, WEB, b"01234567"));
        assert_eq!(house.internet_got(), [format!("{protocol} 100.64.0.7 > 192.0.2.80")]);
        house.internet_sends(&ip(protocol, WEB, OURS, b"01234567"));
        assert_eq!(house.lan_got(), [format!("{protocol} 192.0.2.80 > 192.168.1.10")]);
    }
    // Bob wants the same, and its answer would be Ann's.
    let dropped = house.dropped_by(|house| house.lan_sends(BOB, &ip(GRE, BOB, WEB, b"01234567")));
    assert_eq!(dropped, [(Dropped::Ambiguous, 1)]);
    house.lan_sends(BOB, &ip(GRE, BOB, FAR, b"01234567"));
    assert_eq!(house.internet_got(), ["47 100.64.0.7 > 198.51.100.9"]);
    let dropped = house.dropped_by(|house| house.internet_sends(&ip(ESP, FAR, OURS, b"01234567")));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    house.check_tables();
}

/// What says "no flow here" in the table must not come from a packet.
#[test]
fn protocol_zero_is_nothing() {
    let mut house = House::new();
    for n in 0..200 {
        let to = Ipv4Address::new(198, 51, 100, n);
        let dropped = house.dropped_by(|house| house.lan_sends(ANN, &ip(0, ANN, to, b"01234567")));
        assert_eq!(dropped, [(Dropped::Malformed, 1)]);
    }
    assert_eq!(house.flows(), 0);
    house.check_tables();
    external_port(&mut house, (ANN, 5000), (WEB, 53));
}

/// The same ports for TCP and UDP are different endpoints (RFC 7857 §5).
#[test]
fn protocols_do_not_share_mappings() {
    let mut house = House::new();
    external_port(&mut house, (ANN, 5000), (WEB, 53));
    house.lan_sends(BOB, &tcp((BOB, 5000), (WEB, 53), SYN));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:5000 > 192.0.2.80:53 S"]);
    house.internet_sends(&tcp((WEB, 53), (OURS, 5000), SYN | ACK));
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    assert_eq!(
        house.lan_got(),
        ["TCP 192.0.2.80:53 > 192.168.1.11:5000 SA", "UDP 192.0.2.80:53 > 192.168.1.10:5000"]
    );
    assert_eq!(house.lan_got(), NO_WORDS);
}

/// A host that has heard from nobody but us is told no more than what it asked for: padding is not forwarded.
#[test]
fn padding_is_cut_off() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    assert_eq!(house.internet_packets()[0].len(), 29);
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    assert_eq!(house.lan_packets()[0].len(), 29);
}

/// The router's own stack speaks under its own address and shares the ports with everybody.
#[test]
fn the_routers_own_flows_are_flows_too() {
    let mut house = House::new();
    external_port(&mut house, (ANN, 5000), (WEB, 53));
    house.wan_stack_sends(&with_ttl(udp((OURS, 5001), (WEB, 53), b"x"), 64));
    let sent = house.internet_packets();
    assert_eq!(words(&sent[0]), "UDP 100.64.0.7:5001 > 192.0.2.80:53");
    assert_eq!(ttl(&sent[0]), 64, "it is no hop away from itself");
    // The second answer is one of an established flow: it is no less for the stack.
    for _ in 0..2 {
        house.internet_sends(&udp((WEB, 53), (OURS, 5001), b"x"));
        assert_eq!(house.stacks_got(), ["wan: UDP 192.0.2.80:53 > 100.64.0.7:5001"]);
    }
    // A port that is Ann's already.
    house.wan_stack_sends(&with_ttl(udp((OURS, 5000), (WEB, 53), b"x"), 64));
    let sent = house.internet_packets();
    let port = u16::from_be_bytes([sent[0][20], sent[0][21]]);
    assert_ne!(port, 5000);
    house.internet_sends(&udp((WEB, 53), (OURS, port), b"x"));
    assert_eq!(house.stacks_got(), ["wan: UDP 192.0.2.80:53 > 100.64.0.7:5000"]);
    house.assert_silent();
    house.check_tables();
}
