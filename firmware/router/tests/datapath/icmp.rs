//! ICMP through the NAT and by the router: RFC 5508, RFC 1812 §4.3.

use gatelet_router::Dropped;
use smoltcp::wire::Ipv4Address;

use crate::house::{ANN, BOB, FAR, GATEWAY, HOP, House, OURS, WEB, mac};
use crate::packets::{
    ACK, SYN, TIME_EXCEEDED, UNREACHABLE, dont_fragment, edited, icmp, icmp_error, ip, ping, pong, tcp,
    tcp_with, udp, with_ttl, without_checksum, words,
};

const INSIDE_ROUTER: Ipv4Address = Ipv4Address::new(192, 168, 1, 77);

/// RFC 5508 REQ-1, REQ-2.
#[test]
fn queries_are_told_apart_by_their_identifier() {
    let mut house = House::new();
    house.lan_sends(ANN, &ping(ANN, WEB, 77));
    house.lan_sends(BOB, &ping(BOB, WEB, 77));
    let sent = house.internet_packets();
    assert_eq!(words(&sent[0]), "ICMP 100.64.0.7 > 192.0.2.80 ping 77");
    let id = u16::from_be_bytes([sent[1][24], sent[1][25]]);
    assert_ne!(id, 77);
    house.internet_sends(&pong(WEB, OURS, id));
    house.internet_sends(&pong(WEB, OURS, 77));
    let frames = house.lan_frames();
    assert_eq!(words(&frames[0].1), "ICMP 192.0.2.80 > 192.168.1.11 pong 77");
    assert_eq!(words(&frames[1].1), "ICMP 192.0.2.80 > 192.168.1.10 pong 77");
    assert_eq!((frames[0].0, frames[1].0), (mac(BOB), mac(ANN)));
    // One mapping for all whom a host asks.
    house.lan_sends(BOB, &ping(BOB, FAR, 77));
    assert_eq!(house.internet_got(), [format!("ICMP 100.64.0.7 > 198.51.100.9 ping {id}")]);
    assert_eq!((house.flows(), house.table_use().mappings), (3, 2));
    // At least 60 s.
    house.run_secs(60);
    house.internet_sends(&pong(WEB, OURS, 77));
    assert_eq!(house.lan_got().len(), 1);
    house.run_secs(60 + 40);
    assert_eq!((house.flows(), house.table_use().mappings), (0, 0));
    house.check_tables();
}

#[test]
fn timestamps_are_queries_too() {
    let mut house = House::new();
    house.lan_sends(ANN, &icmp(ANN, WEB, (13, 0), [0, 9, 0, 1], &[0; 12]));
    assert_eq!(house.internet_got(), ["ICMP 100.64.0.7 > 192.0.2.80 13/0"]);
    house.internet_sends(&icmp(WEB, OURS, (14, 0), [0, 9, 0, 1], &[0; 12]));
    assert_eq!(house.lan_got(), ["ICMP 192.0.2.80 > 192.168.1.10 14/0"]);
}

#[test]
fn answers_that_nobody_asked_for() {
    let mut house = House::new();
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&pong(WEB, OURS, 77));
        house.lan_sends(ANN, &pong(ANN, WEB, 77));
    });
    assert_eq!(dropped, [(Dropped::NoFlow, 2)]);
    house.assert_silent();
}

/// RFC 5508 REQ-3, REQ-4, REQ-5: errors from outside about what was sent from inside, of every protocol, however much is quoted.
#[test]
fn errors_from_outside() {
    let mut house = House::new();
    let packets = [
        udp((ANN, 5000), (WEB, 53), b"some data"),
        without_checksum(udp((ANN, 5001), (WEB, 53), b"some data")),
        tcp((ANN, 5000), (WEB, 80), SYN),
        ping(ANN, WEB, 77),
        ip(47, ANN, WEB, b"0123456789"),
    ];
    for from in [WEB, HOP] {
        for packet in &packets {
            // Somebody else has the port and the identifier already, so that they change.
            let theirs = edited(packet.clone(), |bytes| bytes[12..16].copy_from_slice(&BOB.octets()));
            let other = edited(theirs, |bytes| bytes[16..20].copy_from_slice(&FAR.octets()));
            house.lan_sends(BOB, &refilled(other));
            house.lan_sends(ANN, packet);
            let sent = house.internet_packets().pop().unwrap();
            for quoted in [8, 12, 100] {
                house.internet_sends(&icmp_error(from, OURS, (TIME_EXCEEDED, 0), &sent, quoted));
                let frames = house.lan_frames();
                let about = words(&packet[..packet.len().min(20 + quoted)]);
                let expected = format!("ICMP {from} > 192.168.1.10 11/0 [{about}]");
                assert_eq!(frames.iter().map(|frame| words(&frame.1)).collect::<Vec<_>>(), [expected]);
                assert_eq!(frames[0].0, mac(ANN));
                // What is quoted is what was sent, but for the TTL: byte by byte.
                let quote = &frames[0].1[28..];
                let original = with_ttl(packet.clone(), 49);
                assert_eq!(quote, &original[..original.len().min(20 + quoted)]);
            }
        }
    }
}

/// The packet with its transport checksum right again, if it had one.
fn refilled(mut packet: Vec<u8>) -> Vec<u8> {
    use smoltcp::wire::{IpAddress, Ipv4Packet, TcpPacket, UdpPacket};
    let (from, to, protocol) = {
        let ip = Ipv4Packet::new_unchecked(&packet[..]);
        (IpAddress::Ipv4(ip.src_addr()), IpAddress::Ipv4(ip.dst_addr()), packet[9])
    };
    match protocol {
        6 => TcpPacket::new_unchecked(&mut packet[20..]).fill_checksum(&from, &to),
        17 if packet[26..28] != [0, 0] => {
            UdpPacket::new_unchecked(&mut packet[20..]).fill_checksum(&from, &to);
        }
        _ => {}
    }
    packet
}

/// RFC 5508 REQ-5: the other way, and nobody outside sees an address of the inside.
#[test]
fn errors_from_inside() {
    let mut house = House::new();
    house.hosts.push(INSIDE_ROUTER);
    for packet in [udp((ANN, 5000), (WEB, 53), b"x"), tcp((ANN, 5000), (WEB, 80), SYN), ping(ANN, WEB, 77)] {
        house.lan_sends(ANN, &packet);
    }
    house.internet_got();
    for answer in [
        udp((WEB, 53), (OURS, 5000), b"too late"),
        tcp((WEB, 80), (OURS, 5000), SYN | ACK),
        pong(WEB, OURS, 77),
    ] {
        house.internet_sends(&answer);
        let delivered = house.lan_packets().pop().unwrap();
        for from in [ANN, INSIDE_ROUTER] {
            house.lan_sends(from, &icmp_error(from, WEB, (UNREACHABLE, 3), &delivered, 8));
            let sent = house.internet_packets();
            let expected = format!("ICMP 100.64.0.7 > 192.0.2.80 3/3 [{}]", words(&answer[..28]));
            assert_eq!(sent.iter().map(|packet| words(packet)).collect::<Vec<_>>(), [expected]);
            assert_eq!(sent[0][28..], with_ttl(answer.clone(), 49)[..28]);
        }
    }
    house.assert_silent();
}

/// RFC 5508 REQ-7: both ends inside.
#[test]
fn errors_through_a_hairpin() {
    let mut house = House::new();
    house.lan_sends(BOB, &udp((BOB, 6000), (WEB, 53), b"x"));
    house.internet_got();
    house.lan_sends(ANN, &udp((ANN, 5000), (OURS, 6000), b"x"));
    let delivered = house.lan_packets().pop().unwrap();
    house.lan_sends(BOB, &icmp_error(BOB, OURS, (UNREACHABLE, 3), &delivered, 8));
    assert_eq!(
        house.lan_got(),
        ["ICMP 100.64.0.7 > 192.168.1.10 3/3 [UDP 192.168.1.10:5000 > 100.64.0.7:6000]"]
    );
}

/// RFC 5508 REQ-3, REQ-6.
#[test]
fn errors_about_nothing_of_ours_go_nowhere() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    let sent = house.internet_packets().pop().unwrap();
    let about = |from, to| udp(from, to, b"x");
    let error = |about: &[u8], quoted| icmp_error(HOP, OURS, (UNREACHABLE, 1), about, quoted);
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&error(&about((OURS, 5000), (WEB, 54)), 8));
        house.internet_sends(&error(&about((OURS, 5001), (WEB, 53)), 8));
        house.internet_sends(&error(&about((WEB, 53), (OURS, 5000)), 8));
    });
    assert_eq!(dropped, [(Dropped::IcmpUnrelated, 3)]);
    // About an error, however it came to be.
    let nested = icmp_error(OURS, WEB, (UNREACHABLE, 1), &sent, 8);
    assert_eq!(
        house.dropped_by(|house| house.internet_sends(&error(&nested, 40))),
        [(Dropped::IcmpUnrelated, 1)]
    );
    // Too short to tell.
    assert_eq!(house.dropped_by(|house| house.internet_sends(&error(&sent, 3))), [(Dropped::Malformed, 1)]);
    // A wrong checksum, of the message or in it.
    let mut wrong = error(&sent, 8);
    wrong[30] ^= 1;
    assert_eq!(house.dropped_by(|house| house.internet_sends(&wrong)), [(Dropped::BadChecksum, 1)]);
    for kind in [(4, 0), (5, 0), (5, 1)] {
        let unwanted = icmp_error(HOP, OURS, kind, &sent, 8);
        assert_eq!(house.dropped_by(|house| house.internet_sends(&unwanted)), [(Dropped::IcmpUnwanted, 1)]);
    }
    house.assert_silent();
}

/// RFC 5508 REQ-5, RFC 5382 REQ-10: an error ends nothing, and refreshes nothing.
#[test]
fn an_error_changes_no_flow() {
    let mut house = House::new();
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), SYN));
    let sent = house.internet_packets().pop().unwrap();
    house.internet_sends(&icmp_error(HOP, OURS, (UNREACHABLE, 1), &sent, 8));
    assert_eq!(house.lan_got().len(), 1);
    house.internet_sends(&tcp((WEB, 80), (OURS, 5000), SYN | ACK));
    assert_eq!(house.lan_got().len(), 1);
    house.run_secs(200);
    house.internet_sends(&icmp_error(HOP, OURS, (UNREACHABLE, 1), &sent, 8));
    house.run_secs(100);
    assert_eq!(house.flows(), 0);
}

/// RFC 5508 REQ-4 a), RFC 1191: what makes the sender send shorter packets comes through with the MTU it names.
#[test]
fn fragmentation_needed_is_passed_on() {
    let mut house = House::new();
    house.lan_sends(ANN, &tcp_with((ANN, 5000), (WEB, 80), ACK, &[], &[7; 1400]));
    let sent = house.internet_packets().pop().unwrap();
    let mut error = icmp(HOP, OURS, (UNREACHABLE, 4), [0, 0, 0x05, 0x14], &sent[..28]);
    error = edited(error, |_| ());
    house.internet_sends(&error);
    assert_eq!(
        house.lan_got(),
        ["ICMP 203.0.113.1 > 192.168.1.10 3/4 mtu 1300 [TCP 192.168.1.10:5000 > 192.0.2.80:80 ]"]
    );
}

/// RFC 1191 §4: our own line is narrower than Ethernet.
#[test]
fn fragmentation_needed_by_us() {
    let mut house = House::new();
    let packet = dont_fragment(udp((ANN, 5000), (WEB, 53), &[7; 1465]));
    assert_eq!(packet.len(), 1493);
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &packet));
    assert_eq!(dropped, [(Dropped::TooLong, 1)]);
    let sent = house.lan_packets();
    assert_eq!(
        words(&sent[0]),
        "ICMP 192.168.1.1 > 192.168.1.10 3/4 mtu 1492 [UDP 192.168.1.10:5000 > 192.0.2.80:53]"
    );
    assert_eq!(sent[0].len(), 576);
    assert_eq!(sent[0][28..], packet[..548]);
    house.lan_sends(ANN, &dont_fragment(udp((ANN, 5000), (WEB, 53), &[7; 1464])));
    assert_eq!(house.internet_packets()[0].len(), 1492);
    house.assert_silent();
}

/// RFC 1812 §5.3.1; what traceroute lives on.
#[test]
fn time_exceeded_at_us() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 33_434), b"x"));
    house.internet_got();
    for ttl in [0, 1] {
        let dropped = house
            .dropped_by(|house| house.lan_sends(ANN, &with_ttl(udp((ANN, 5000), (WEB, 33_434), b"x"), ttl)));
        assert_eq!(dropped, [(Dropped::TtlExceeded, 1)]);
        assert_eq!(
            house.lan_got(),
            ["ICMP 192.168.1.1 > 192.168.1.10 11/0 [UDP 192.168.1.10:5000 > 192.0.2.80:33434]"]
        );
    }
    // And from outside.
    house.internet_sends(&with_ttl(udp((WEB, 33_434), (OURS, 5000), b"x"), 1));
    assert_eq!(
        house.internet_got(),
        ["ICMP 100.64.0.7 > 192.0.2.80 11/0 [UDP 192.0.2.80:33434 > 100.64.0.7:5000]"]
    );
    house.assert_silent();
}

/// RFC 1812 §4.3.2.8: ten at once, ten a second.
#[test]
fn our_own_errors_are_few() {
    let mut house = House::new();
    let spent = with_ttl(udp((ANN, 5000), (WEB, 33_434), b"x"), 1);
    (0..50).for_each(|_| house.lan_sends(ANN, &spent));
    assert_eq!(house.lan_got().len(), 10);
    house.run_secs(1);
    (0..50).for_each(|_| house.lan_sends(ANN, &spent));
    assert_eq!(house.lan_got().len(), 10);
}

/// Errors from outside pass at 50 a second: a flood of forged ones does not reach the LAN.
#[test]
fn errors_from_outside_are_limited() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    let sent = house.internet_packets().pop().unwrap();
    let error = icmp_error(HOP, OURS, (UNREACHABLE, 1), &sent, 8);
    let dropped = house.dropped_by(|house| (0..80).for_each(|_| house.internet_sends(&error)));
    assert_eq!(dropped, [(Dropped::RateLimited, 30)]);
    assert_eq!(house.lan_got().len(), 50);
}

/// RFC 1812 §4.3.2.7: never about an error, never about a part that is not the first.
#[test]
fn no_errors_about_errors() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    let sent = house.internet_packets().pop().unwrap();
    let error = with_ttl(icmp_error(HOP, OURS, (UNREACHABLE, 1), &sent, 8), 1);
    assert_eq!(house.dropped_by(|house| house.internet_sends(&error)), [(Dropped::TtlExceeded, 1)]);
    house.assert_silent();
}

/// RFC 1812 §4.3.3.1: without a line, hosts are told at once.
#[test]
fn network_unreachable_without_a_line() {
    let mut house = House::new();
    house.drop_line();
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x")));
    assert_eq!(dropped, [(Dropped::NoRoute, 1)]);
    assert_eq!(
        house.lan_got(),
        ["ICMP 192.168.1.1 > 192.168.1.10 3/0 [UDP 192.168.1.10:5000 > 192.0.2.80:53]"]
    );
    assert_eq!(house.flows(), 0);
}

/// A query from a host to another one's identifier outside finds nobody: only TCP and UDP are hairpinned (RFC 7857 §12 asks
/// for more).
#[test]
fn a_ping_to_our_own_outside_is_answered_by_us() {
    let mut house = House::new();
    house.lan_sends(ANN, &ping(ANN, OURS, 7));
    assert_eq!(house.stacks_got(), ["wan: ICMP 192.168.1.10 > 100.64.0.7 ping 7"]);
    house.wan_stack_sends(&with_ttl(pong(OURS, ANN, 7), 64));
    assert_eq!(house.lan_got(), ["ICMP 100.64.0.7 > 192.168.1.10 pong 7"]);
    house.lan_sends(ANN, &ping(ANN, GATEWAY, 8));
    assert_eq!(house.stacks_got(), ["lan: ICMP 192.168.1.10 > 192.168.1.1 ping 8"]);
    house.lan_stack_sends(&with_ttl(pong(GATEWAY, ANN, 8), 64));
    assert_eq!(house.lan_got(), ["ICMP 192.168.1.1 > 192.168.1.10 pong 8"]);
    assert_eq!(house.flows(), 0);
    house.assert_silent();
}
