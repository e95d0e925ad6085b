//! Fragments through the NAT and of its making: RFC 4787 REQ-13, REQ-14; RFC 791 §3.2; RFC 1858; RFC 3128.

use gatelet_router::Dropped;

use crate::house::{ANN, BOB, FAR, House, OURS, WEB};
use crate::packets::{
    ACK, SYN, dont_fragment, edited, fragment, fragments, ip_with, reassembled, tcp_with, udp, with_ttl,
    words,
};

fn big(len: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..len).map(|n| n as u8).collect();
    udp((WEB, 53), (OURS, 5000), &data)
}

/// Ann has asked, so that the answer comes through.
fn asked() -> House {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.internet_got();
    house
}

/// The answer as Ann is to get it.
fn expected(len: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..len).map(|n| n as u8).collect();
    with_ttl(udp((WEB, 53), (ANN, 5000), &data), 49)
}

#[test]
fn in_order_and_in_any_other() {
    let parts = fragments(&big(3000), 1000);
    assert_eq!(parts.len(), 4);
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1], [3, 0, 2, 1]];
    for order in orders {
        let mut house = asked();
        for n in order {
            house.internet_sends(&parts[n]);
        }
        let got = house.lan_packets();
        assert_eq!(got.len(), 4, "{order:?}");
        assert_eq!(reassembled(&got), expected(3000), "{order:?}");
        house.check_tables();
    }
}

#[test]
fn outwards_too_and_with_a_checksum_over_all() {
    let mut house = House::new();
    // Bob has the port, so that Ann's is another and the checksum changes.
    house.lan_sends(BOB, &udp((BOB, 5000), (WEB, 53), b"x"));
    house.internet_got();
    let whole = udp((ANN, 5000), (WEB, 53), &[0xA7; 2500]);
    for part in fragments(&whole, 800).iter().rev() {
        house.lan_sends(ANN, part);
    }
    let sent = house.internet_packets();
    assert_eq!(reassembled(&sent).len(), whole.len(), "its checksum holds");
    assert_eq!(house.flows(), 2);
}

#[test]
fn tcp_in_fragments() {
    let mut house = House::new();
    for part in fragments(&tcp_with((ANN, 5000), (WEB, 80), ACK, &[], &[1; 600]), 24) {
        house.lan_sends(ANN, &part);
    }
    let sent = house.internet_packets();
    assert_eq!(words(&reassembled(&sent)), "TCP 100.64.0.7:5000 > 192.0.2.80:80 A");
}

#[test]
fn through_a_hairpin() {
    let mut house = House::new();
    house.lan_sends(BOB, &udp((BOB, 6000), (WEB, 53), b"x"));
    house.internet_got();
    for part in fragments(&udp((ANN, 5000), (OURS, 6000), &[2; 100]), 48) {
        house.lan_sends(ANN, &part);
    }
    let got = house.lan_packets();
    assert_eq!(words(&reassembled(&got)), "UDP 100.64.0.7:5000 > 192.168.1.11:6000");
}

/// Without the first, nobody knows whose it is: few are kept, and not for long.
#[test]
fn the_first_is_missing() {
    let mut house = asked();
    let parts = fragments(&big(3000), 1000);
    house.internet_sends(&parts[1]);
    house.internet_sends(&parts[2]);
    house.assert_silent();
    let dropped = house.dropped_by(|house| house.run_secs(40));
    assert_eq!(dropped, [(Dropped::FragmentsWaiting, 2)]);
    house.internet_sends(&parts[0]);
    assert_eq!(house.lan_got().len(), 1, "only itself");
    house.check_tables();
}

#[test]
fn of_nobodys_datagram() {
    let mut house = House::new();
    let parts = fragments(&big(3000), 1000);
    let dropped = house.dropped_by(|house| parts.iter().for_each(|part| house.internet_sends(part)));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    let dropped = house.dropped_by(|house| house.run_secs(40));
    assert_eq!(dropped, [(Dropped::FragmentsWaiting, 3)]);
    house.assert_silent();
}

/// A flood of parts of nothing costs four frames, and does not keep those from passing that come just before their first.
#[test]
fn a_flood_is_bounded() {
    let mut house = asked();
    let dropped = house.dropped_by(|house| {
        for id in 0..200_u16 {
            let part = fragment(&big(20), 800, &[0; 64], true);
            house.internet_sends(&edited(part, |bytes| bytes[4..6].copy_from_slice(&id.to_be_bytes())));
            house.check_tables();
        }
        house.run_secs(2);
    });
    assert_eq!(dropped, [(Dropped::FragmentsWaiting, 196)]);
    let parts = fragments(&big(1500), 800);
    house.internet_sends(&parts[1]);
    house.internet_sends(&parts[0]);
    assert_eq!(reassembled(&house.lan_packets()), expected(1500));
}

/// RFC 1858, RFC 5722: what overlaps is somebody's trick, and so is the rest of it.
#[test]
fn overlaps_end_a_datagram() {
    let whole = big(3000);
    let parts = fragments(&whole, 1000);
    let overlapping = fragment(&whole, 992, &[0; 16], true);
    let mut house = asked();
    house.internet_sends(&parts[0]);
    assert_eq!(house.lan_got().len(), 1);
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&overlapping);
        house.internet_sends(&parts[1]);
        house.internet_sends(&parts[2]);
    });
    assert_eq!(dropped, [(Dropped::FragmentOverlap, 3)]);
    // Those that waited are gone with it.
    let mut house = asked();
    house.internet_sends(&parts[1]);
    house.internet_sends(&parts[2]);
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&overlapping);
        house.internet_sends(&parts[0]);
        house.run_secs(2);
    });
    assert_eq!(dropped, [(Dropped::FragmentOverlap, 2), (Dropped::FragmentsWaiting, 2)]);
    house.assert_silent();
}

/// The network may double a packet (RFC 791 §1.4, in effect): that is nobody's trick.
#[test]
fn doubles_are_dropped_alone() {
    let mut house = asked();
    let parts = fragments(&big(3000), 1000);
    let dropped = house.dropped_by(|house| {
        for n in [0, 0, 1, 0, 3, 1, 2, 2] {
            house.internet_sends(&parts[n]);
        }
    });
    assert_eq!(dropped, [(Dropped::FragmentOverlap, 4)]);
    assert_eq!(reassembled(&house.lan_packets()), expected(3000));
}

/// RFC 3128: a first fragment without the flags, a second one that writes over them.
#[test]
fn tiny_fragments_of_tcp() {
    let whole = tcp_with((ANN, 5000), (WEB, 80), SYN, &[], &[1; 64]);
    let mut house = House::new();
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &fragments(&whole, 16)[0]));
    assert_eq!(dropped, [(Dropped::Malformed, 1)]);
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &fragment(&whole, 8, &whole[28..92], false)));
    assert_eq!(dropped, [(Dropped::FragmentOverlap, 1)]);
    house.assert_silent();
    // UDP's header is in the smallest of parts.
    let mut house = asked();
    for part in fragments(&big(64), 8) {
        house.internet_sends(&part);
    }
    assert_eq!(reassembled(&house.lan_packets()), expected(64));
}

#[test]
fn impossible_lengths() {
    let whole = big(3000);
    let bad = [
        ("an odd part in the middle", fragment(&whole, 800, &[0; 13], true)),
        ("nothing at all", fragment(&whole, 800, &[], true)),
        ("beyond 65,535", fragment(&whole, 65_528, &[0; 16], false)),
    ];
    let mut house = asked();
    for (name, part) in bad {
        let dropped = house.dropped_by(|house| house.internet_sends(&part));
        assert_eq!(dropped, [(Dropped::Malformed, 1)], "{name}");
    }
    house.assert_silent();
}

/// The same identification, from others and to others, is another datagram.
#[test]
fn datagrams_are_told_apart() {
    let mut house = asked();
    house.lan_sends(BOB, &udp((BOB, 6000), (FAR, 53), b"x"));
    house.internet_got();
    let from_far = udp((FAR, 53), (OURS, 6000), &[9; 3000]);
    for (ours, theirs) in fragments(&big(3000), 1000).iter().zip(&fragments(&from_far, 1000)) {
        house.internet_sends(ours);
        house.internet_sends(theirs);
    }
    let (ann, bob): (Vec<_>, Vec<_>) = house.lan_packets().into_iter().partition(|packet| packet[19] == 10);
    assert_eq!(reassembled(&ann), expected(3000));
    assert_eq!(words(&reassembled(&bob)), "UDP 198.51.100.9:53 > 192.168.1.11:6000");
}

/// RFC 4787 REQ-13, RFC 791 §3.2: without Don't Fragment, what is too long for the line leaves in parts.
#[test]
fn too_long_packets_are_fragmented_by_us() {
    let mut house = House::new();
    let packet = udp((ANN, 5000), (WEB, 53), &[3; 1472]);
    house.lan_sends(ANN, &packet);
    let sent = house.internet_packets();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [1492, 28]);
    assert_eq!(words(&reassembled(&sent)), "UDP 100.64.0.7:5000 > 192.0.2.80:53");
    // A part that is itself too long: its own place in the whole is kept.
    for part in fragments(&udp((ANN, 5000), (WEB, 53), &[3; 4000]), 1480) {
        house.lan_sends(ANN, &part);
    }
    let sent = house.internet_packets();
    assert_eq!(sent.len(), 5);
    assert_eq!(reassembled(&sent)[28..], [3; 4000]);
    house.check_tables();
}

/// RFC 791 §3.1: options without the copied flag are in the first part only.
#[test]
fn options_in_fragments_of_ours() {
    let mut house = House::new();
    // Record Route (not copied), Router Alert (copied), end of list.
    let options = [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0];
    let payload = &udp((ANN, 5000), (WEB, 53), &[3; 1460])[20..];
    house.lan_sends(ANN, &ip_with(17, ANN, WEB, &options, payload));
    let sent = house.internet_packets();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0][20..32], options);
    assert_eq!(sent[1][20..32], [1, 1, 1, 1, 1, 1, 1, 148, 4, 0, 0, 0]);
    assert_eq!(words(&reassembled(&sent)), "UDP 100.64.0.7:5000 > 192.0.2.80:53");
}

/// A part with Don't Fragment that is too long: the sender is told, if it is the first.
#[test]
fn a_fragment_that_must_not_be_fragmented() {
    let mut house = House::new();
    let parts = fragments(&udp((ANN, 5000), (WEB, 53), &[3; 3000]), 1480);
    let dropped = house.dropped_by(|house| {
        for part in parts {
            house.lan_sends(ANN, &dont_fragment(part));
        }
    });
    assert_eq!(dropped, [(Dropped::TooLong, 2)]);
    assert_eq!(
        house.lan_got(),
        ["ICMP 192.168.1.1 > 192.168.1.10 3/4 mtu 1492 [UDP 192.168.1.10:5000 > 192.0.2.80:53 part 0+]"]
    );
    assert_eq!(house.internet_got(), ["17 100.64.0.7 > 192.0.2.80 part 2960"]);
}

/// The router's own stacks put nothing together.
#[test]
fn fragments_for_the_router() {
    let mut house = House::new();
    house.wan_stack_sends(&with_ttl(udp((OURS, 5000), (WEB, 53), b"x"), 64));
    house.internet_got();
    let to_lan_stack = udp((ANN, 5000), (crate::house::GATEWAY, 53), &[0; 100]);
    let dropped = house.dropped_by(|house| {
        for part in fragments(&big(100), 56) {
            house.internet_sends(&part);
        }
        house.lan_sends(ANN, &fragments(&to_lan_stack, 56)[0]);
    });
    assert_eq!(dropped, [(Dropped::NoFlow, 3)]);
    house.assert_silent();
}

/// A rule that comes between two parts is a rule for the second.
#[test]
fn a_flow_that_ends_takes_its_fragments_along() {
    use gatelet_router::{Action, Rule, Zone};
    let mut house = House::new();
    let parts = fragments(&udp((ANN, 5000), (WEB, 53), &[3; 3000]), 1480);
    house.lan_sends(ANN, &parts[0]);
    house.internet_got();
    assert!(house.router.add_rule(Rule::new(Zone::Lan, Zone::Wan, Action::Drop)));
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &parts[1]));
    assert_eq!(dropped, [(Dropped::NoFlow, 1)]);
    house.assert_silent();
}
