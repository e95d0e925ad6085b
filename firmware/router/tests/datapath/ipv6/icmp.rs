//! `ICMPv6` errors (RFC 4443, RFC 4890): those that pass, and those that we send.

use gatelet_router::Dropped;

use crate::house::House;
use crate::house6::{ANN6, BOB6, FAR6, HOP6, OURS6, WEB6};
use crate::packets::{ACK, SYN};
use crate::packets6::{error6, icmp6, ping6, tcp6, udp6, with_hop_limit};

#[test]
fn errors_find_their_flow_by_what_they_quote() {
    let mut house = House::with_ipv6();
    let asked = udp6((ANN6, 5000), (WEB6, 53), b"question");
    house.lan6_sends(ANN6, &asked);
    house.internet6_got();
    for kind in [(1, 4), (2, 0), (3, 0), (4, 1)] {
        house.internet6_sends(&error6(HOP6, ANN6, kind, 1280, &asked));
        assert_eq!(house.lan6_packets(), [with_hop_limit(error6(HOP6, ANN6, kind, 1280, &asked), 49)]);
    }
    // From inside about what came in.
    let answer = udp6((WEB6, 53), (ANN6, 5000), b"answer");
    house.internet6_sends(&answer);
    house.lan6_got();
    house.lan6_sends(ANN6, &error6(ANN6, WEB6, (1, 4), 0, &answer));
    assert_eq!(house.internet6_got().len(), 1);
    let ping = ping6(ANN6, WEB6, 7);
    house.lan6_sends(ANN6, &ping);
    house.internet6_got();
    house.internet6_sends(&error6(HOP6, ANN6, (1, 0), 0, &ping));
    assert_eq!(
        house.lan6_got(),
        ["ICMP 2620:0:1::1 > 2001:db8:1::10 1/0 [ICMP 2001:db8:1::10 > 2620:0:80::50 ping 7]"]
    );
    house.check_tables();
}

#[test]
fn errors_about_nothing_of_ours_go_nowhere() {
    let mut house = House::with_ipv6();
    let asked = udp6((ANN6, 5000), (WEB6, 53), b"question");
    house.lan6_sends(ANN6, &asked);
    house.internet6_got();
    let mut wrong = error6(HOP6, ANN6, (2, 0), 1280, &asked);
    wrong[42] ^= 1;
    for (packet, reason) in [
        (error6(HOP6, ANN6, (1, 4), 0, &udp6((ANN6, 5001), (WEB6, 53), b"x")), Dropped::IcmpUnrelated),
        (error6(HOP6, BOB6, (1, 4), 0, &asked), Dropped::IcmpUnrelated),
        (error6(HOP6, ANN6, (1, 4), 0, &udp6((WEB6, 53), (ANN6, 5000), b"x")), Dropped::IcmpUnrelated),
        (error6(HOP6, ANN6, (1, 4), 0, &asked[..30]), Dropped::IcmpUnrelated),
        (error6(HOP6, ANN6, (100, 0), 0, &asked), Dropped::IcmpUnwanted),
        (wrong, Dropped::BadChecksum),
    ] {
        let dropped = house.dropped_by(|house| house.internet6_sends(&packet));
        assert_eq!(dropped, [(reason, 1)], "{packet:02x?}");
    }
    house.assert_silent();
}

/// RFC 4443 §3.2: the MTU of the link behind us; never in parts.
#[test]
fn packet_too_big_by_us() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), &[0; 1492 - 48]));
    assert_eq!(house.internet6_packets()[0].len(), 1492);
    let dropped =
        house.dropped_by(|house| house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), &[0; 1493 - 48])));
    assert_eq!(dropped, [(Dropped::TooLong, 1)]);
    let told = house.lan6_packets();
    assert_eq!(
        (told[0].len(), &told[0][40..48]),
        (1280, &[2, 0, told[0][42], told[0][43], 0, 0, 5, 212][..])
    );
    house.assert_silent();
}

#[test]
fn the_hop_limit_ends_at_us() {
    let mut house = House::with_ipv6();
    house.ttl = 2;
    for limit in [0, 1] {
        let packet = with_hop_limit(udp6((ANN6, 5000), (WEB6, 53), b"x"), limit);
        let dropped = house.dropped_by(|house| house.lan6_sends(ANN6, &packet));
        assert_eq!(dropped, [(Dropped::TtlExceeded, 1)]);
        assert_eq!(
            house.lan6_got(),
            ["ICMP 2001:db8:1::1 > 2001:db8:1::10 3/0 [UDP [2001:db8:1::10]:5000 > [2620:0:80::50]:53]"]
        );
    }
    house.lan6_sends(ANN6, &with_hop_limit(udp6((ANN6, 5000), (WEB6, 53), b"x"), 2));
    assert_eq!(house.internet6_packets()[0][7], 1);
    house.lan6_sends(ANN6, &with_hop_limit(udp6((ANN6, 5000), (WEB6, 53), b"x"), 2));
    assert_eq!(house.internet6_packets()[0][7], 1, "by the fast path, too");
    // From outside: told to the Internet under our address there.
    house.internet6_sends(&with_hop_limit(udp6((WEB6, 53), (ANN6, 5000), b"x"), 1));
    assert_eq!(
        house.internet6_got(),
        ["ICMP 2001:db8:f::7 > 2620:0:80::50 3/0 [UDP [2620:0:80::50]:53 > [2001:db8:1::10]:5000]"]
    );
}

/// RFC 4443 §2.4 (e), (f).
#[test]
fn our_own_errors_are_few_and_never_about_errors() {
    let mut house = House::with_ipv6();
    let lost = at_nowhere();
    for port in 0..100 {
        house.lan6_sends(ANN6, &udp6((ANN6, port), (lost, 53), b"x"));
    }
    assert_eq!(house.lan6_got().len(), 20);
    house.run_secs(10);
    let dropped = house.dropped_by(|house| {
        house.lan6_sends(ANN6, &error6(ANN6, lost, (1, 0), 0, &udp6((lost, 1), (ANN6, 1), b"x")));
        house.lan6_sends(ANN6, &icmp6(ANN6, WEB6, (200, 0), [0; 4], b"x"));
    });
    assert_eq!(dropped, [(Dropped::NoFlow, 1), (Dropped::IcmpUnrelated, 1)]);
    house.assert_silent();
}

fn at_nowhere() -> smoltcp::wire::Ipv6Address {
    crate::packets6::at("2001:db8:1:99::1")
}

/// An error neither refreshes nor ends a flow, and errors from outside are limited.
#[test]
fn an_error_changes_no_flow() {
    let mut house = House::with_ipv6();
    let ann = (ANN6, 5000);
    let asked = tcp6(ann, (WEB6, 443), SYN);
    house.lan6_sends(ANN6, &asked);
    house.internet6_sends(&tcp6((WEB6, 443), ann, SYN | ACK));
    house.lan6_sends(ANN6, &tcp6(ann, (WEB6, 443), ACK));
    house.lan6_got();
    house.internet6_got();
    let dropped = house.dropped_by(|house| {
        for _ in 0..200 {
            house.internet6_sends(&error6(HOP6, ANN6, (1, 4), 0, &asked));
        }
    });
    assert_eq!(dropped, [(Dropped::RateLimited, 150)]);
    assert_eq!(house.lan6_got().len(), 50);
    house.internet6_sends(&tcp6((WEB6, 443), ann, ACK));
    assert_eq!(house.lan6_got().len(), 1);
    // And one about a packet of the router's own.
    let own = with_hop_limit(udp6((OURS6, 6000), (FAR6, 53), b"x"), 64);
    house.wan_stack_sends(&own);
    house.internet6_got();
    house.run_secs(5);
    house.internet6_sends(&error6(HOP6, OURS6, (2, 0), 1280, &own));
    assert_eq!(house.stacks6_got().len(), 1);
}
