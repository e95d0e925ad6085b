//! Packets of IPv6 flows, there and back.

use gatelet_router::{Dropped, Ipv6Route, Via};
use smoltcp::wire::Ipv6Cidr;

use crate::house::{ANN, House, LAN_MAC, WAN, WEB};
use crate::house6::{ANN6, BOB6, EVERYWHERE, FAR6, GATEWAY6, LAN_PREFIX, NEAR, OURS6, WEB6, mac6};
use crate::packets::{ACK, FIN, RST, SYN, udp};
use crate::packets6::{at, extended, ip6, ping6, pong6, tcp6, tcp6_with, udp6, with_hop_limit};

#[test]
fn there_and_back() {
    let mut house = House::with_ipv6();
    for n in 0..3 {
        house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"question"));
        house.internet6_sends(&udp6((WEB6, 53), (ANN6, 5000), b"answer"));
        assert_eq!(
            house.internet6_got(),
            ["UDP [2001:db8:1::10]:5000 > [2620:0:80::50]:53"],
            "nothing is translated, {n}"
        );
        let got = house.lan6_frames();
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].0, mac6(ANN6));
        assert_eq!(got[0].1[40..], udp6((WEB6, 53), (ANN6, 5000), b"answer")[40..]);
    }
    assert_eq!(house.table_use().flows6, 1);
    house.check_tables();
    house.assert_silent();
}

/// Each packet that takes the fast path takes the slow one too, where frames begin elsewhere; both say the same.
#[test]
fn fast_and_slow_say_the_same() {
    let run = |skew: usize| {
        let mut house = House::with_ipv6();
        house.skew = skew;
        let mut all = Vec::new();
        for n in 0..4_u16 {
            let (ann, web) = ((ANN6, 5000 + n % 2), (WEB6, 443));
            let flags = [SYN, ACK, ACK, ACK][usize::from(n)];
            for len in [0, 1, 7, 100, 1432] {
                let data = vec![n as u8; len];
                house.lan6_sends(ANN6, &tcp6_with(ann, web, flags, &[], &data));
                house.internet6_sends(&tcp6_with(web, ann, ACK, &[], &data));
                house.lan6_sends(ANN6, &udp6(ann, web, &data));
                house.internet6_sends(&udp6(web, ann, &data));
                all.extend(house.internet6_packets());
                all.extend(house.lan6_packets());
            }
        }
        (all, house.table_use())
    };
    let (fast, slow) = (run(0), run(1));
    assert_eq!(fast.0.len(), 4 * 5 * 4);
    assert_eq!(fast, slow);
}

#[test]
fn a_connection_from_its_first_packet_to_its_last() {
    let mut house = House::with_ipv6();
    let (ann, web) = ((ANN6, 5000), (WEB6, 443));
    for (from_lan, flags) in
        [(true, SYN), (false, SYN | ACK), (true, ACK), (false, ACK), (true, FIN | ACK), (false, FIN | ACK)]
    {
        if from_lan {
            house.lan6_sends(ANN6, &tcp6(ann, web, flags));
        } else {
            house.internet6_sends(&tcp6(web, ann, flags));
        }
    }
    assert_eq!((house.internet6_got().len(), house.lan6_got().len()), (3, 3));
    // RFC 6092 REC-35: two hours and four minutes while it is established; it is closing now.
    house.run_secs(300);
    assert_eq!(house.table_use().flows6, 0);
    let dropped = house.dropped_by(|house| house.internet6_sends(&tcp6(web, ann, RST)));
    assert_eq!(dropped, [(Dropped::NoFlow, 1)]);
}

/// RFC 6092 REC-35.
#[test]
fn an_established_connection_may_be_idle_for_two_hours_and_four_minutes() {
    let mut house = House::with_ipv6();
    let (ann, web) = ((ANN6, 5000), (WEB6, 443));
    house.lan6_sends(ANN6, &tcp6(ann, web, SYN));
    house.internet6_sends(&tcp6(web, ann, SYN | ACK));
    house.lan6_sends(ANN6, &tcp6(ann, web, ACK));
    house.lan6_got();
    house.run_secs(7440);
    house.internet6_sends(&tcp6(web, ann, ACK));
    house.answer6();
    assert_eq!(house.lan6_got(), ["TCP [2620:0:80::50]:443 > [2001:db8:1::10]:5000 A"]);
    house.run_secs(7900);
    assert_eq!(house.table_use().flows6, 0);
}

/// RFC 6092 REC-14.
#[test]
fn a_udp_flow_may_be_idle_for_five_minutes() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    house.run_secs(299);
    assert_eq!(house.table_use().flows6, 1);
    house.run_secs(60);
    assert_eq!(house.table_use().flows6, 0);
    house.check_tables();
}

#[test]
fn echoes_are_told_apart_by_their_identifier() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &ping6(ANN6, WEB6, 7));
    house.lan6_sends(BOB6, &ping6(BOB6, WEB6, 7));
    house.internet6_sends(&pong6(WEB6, BOB6, 7));
    assert_eq!(house.internet6_got().len(), 2);
    assert_eq!(house.lan6_got(), ["ICMP 2620:0:80::50 > 2001:db8:1::11 pong 7"]);
    let dropped = house.dropped_by(|house| house.internet6_sends(&pong6(WEB6, BOB6, 8)));
    assert_eq!(dropped, [(Dropped::NoFlow, 1)]);
}

/// Whatever the transport is, and whatever is in front of it (RFC 6092 REC-11).
#[test]
fn other_protocols_and_extension_headers() {
    let mut house = House::with_ipv6();
    for protocol in [47, 50, 59, 99, 132] {
        let payload = [0x13, 0x88, 0, 80, 0, 0, 0, 1];
        let answer = [0, 80, 0x13, 0x88, 0, 0, 0, 1];
        house.lan6_sends(ANN6, &ip6(protocol, ANN6, WEB6, &payload));
        house.internet6_sends(&ip6(protocol, WEB6, ANN6, &answer));
        assert_eq!(house.internet6_got(), [format!("{protocol} 2001:db8:1::10 > 2620:0:80::50")]);
        assert_eq!(house.lan6_got(), [format!("{protocol} 2620:0:80::50 > 2001:db8:1::10")]);
    }
    let plain = udp6((ANN6, 5000), (WEB6, 53), b"x");
    house.lan6_sends(ANN6, &extended(&extended(&plain, 60), 0));
    house.internet6_sends(&extended(&udp6((WEB6, 53), (ANN6, 5000), b"x"), 60));
    assert_eq!(house.internet6_got(), ["UDP [2001:db8:1::10]:5000 > [2620:0:80::50]:53"]);
    assert_eq!(house.lan6_got(), ["UDP [2620:0:80::50]:53 > [2001:db8:1::10]:5000"]);
    assert_eq!(house.table_use().flows6, 6);
}

#[test]
fn the_mss_is_clamped_to_the_line() {
    let mut house = House::with_ipv6();
    let (ann, web) = ((ANN6, 5000), (WEB6, 443));
    let mss = |packet: &[u8]| u16::from_be_bytes([packet[62], packet[63]]);
    house.lan6_sends(ANN6, &tcp6_with(ann, web, SYN, &[2, 4, 0x05, 0xA0], &[]));
    house.internet6_sends(&tcp6_with(web, ann, SYN | ACK, &[2, 4, 0x05, 0xA0], &[]));
    assert_eq!(house.internet6_packets().iter().map(|packet| mss(packet)).collect::<Vec<_>>(), [1432]);
    assert_eq!(house.lan6_packets().iter().map(|packet| mss(packet)).collect::<Vec<_>>(), [1432]);
    house.lan6_sends(ANN6, &tcp6_with((ANN6, 5001), web, SYN, &[2, 4, 0x04, 0x00], &[]));
    assert_eq!(house.internet6_packets().iter().map(|packet| mss(packet)).collect::<Vec<_>>(), [1024]);
}

/// The router's own stacks: without a flow on the LAN, by flows to the Internet.
#[test]
fn the_routers_own_stacks() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (GATEWAY6, 53), b"question"));
    assert_eq!(house.stacks6_got(), ["lan: UDP [2001:db8:1::10]:5000 > [2001:db8:1::1]:53"]);
    house.lan_stack_sends(&with_hop_limit(udp6((GATEWAY6, 53), (ANN6, 5000), b"answer"), 64));
    assert_eq!(house.lan6_got(), ["UDP [2001:db8:1::1]:53 > [2001:db8:1::10]:5000"]);
    assert_eq!(house.table_use().flows6, 0);
    house.wan_stack_sends(&with_hop_limit(udp6((OURS6, 6000), (WEB6, 53), b"question"), 64));
    house.internet6_sends(&udp6((WEB6, 53), (OURS6, 6000), b"answer"));
    assert_eq!(house.internet6_got(), ["UDP [2001:db8:f::7]:6000 > [2620:0:80::50]:53"]);
    assert_eq!(house.stacks6_got(), ["wan: UDP [2620:0:80::50]:53 > [2001:db8:f::7]:6000"]);
    // What a stack says under an address that is not ours goes nowhere.
    let dropped =
        house.dropped_by(|house| house.wan_stack_sends(&udp6((FAR6, 6000), (WEB6, 53), b"question")));
    assert_eq!(dropped, [(Dropped::Spoofed, 1)]);
    house.assert_silent();
}

#[test]
fn echo_requests_to_the_router_are_answered() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &ping6(ANN6, GATEWAY6, 1));
    house.lan6_sends(ANN6, &ping6(ANN6, OURS6, 2));
    house.lan6_sends(ANN6, &ping6(at("fe80::10"), NEAR, 3));
    house.internet6_sends(&extended(&ping6(WEB6, OURS6, 4), 60));
    house.internet6_sends(&ping6(at("fe80::ac"), at("fe80::ac:1"), 5));
    assert_eq!(
        house.lan6_got(),
        [
            "ICMP 2001:db8:1::1 > 2001:db8:1::10 pong 1",
            "ICMP 2001:db8:f::7 > 2001:db8:1::10 pong 2",
            "ICMP fe80::ff:fe00:2 > fe80::10 pong 3",
        ]
    );
    assert_eq!(house.internet6_got(), ["ICMP 2001:db8:f::7 > 2620:0:80::50 pong 4"]);
    house.assert_silent();
}

/// RFC 8028 §3: the way out is the one for the source.
#[test]
fn the_source_chooses_the_line() {
    let mut house = House::with_ipv6();
    house.add_fibre();
    let other = at("2001:db8:2::1");
    let gateway = at("fe80::fe");
    house.v6.hosts.push(gateway);
    let networks = [LAN_PREFIX, Ipv6Cidr::new(other, 64)];
    assert!(house.router.set_ipv6_addresses(Via::Lan, &networks));
    let route = Ipv6Route {
        destination: EVERYWHERE,
        source: Ipv6Cidr::new(at("2001:db8:2::"), 56),
        gateway: Some(gateway),
    };
    let fibre = Via::Wan(gatelet_router::WanId(1));
    assert!(house.router.set_ipv6_routes(fibre, &[route]));
    let guest = at("2001:db8:2::20");
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    house.lan6_sends(guest, &udp6((guest, 5000), (WEB6, 53), b"x"));
    assert_eq!(house.internet6_got(), ["UDP [2001:db8:1::10]:5000 > [2620:0:80::50]:53"]);
    let expected = (mac6(gateway), "UDP [2001:db8:2::20]:5000 > [2620:0:80::50]:53".to_owned());
    assert_eq!(house.fibre6_got(), [expected]);
    house.fibre6_sends(mac6(gateway), &udp6((WEB6, 53), (guest, 5000), b"x"));
    house.answer6();
    assert_eq!(house.lan6_got(), ["UDP [2620:0:80::50]:53 > [2001:db8:2::20]:5000"]);
    // An answer that comes in by the other line is nobody's.
    let dropped = house.dropped_by(|house| house.internet6_sends(&udp6((WEB6, 53), (guest, 5000), b"x")));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
}

/// With another prefix, flows of the old one end, and their hosts are told (RFC 7084 L-14).
#[test]
fn the_prefix_changes_under_a_flow() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    assert_eq!(house.internet6_got().len(), 1);
    let new = Ipv6Cidr::new(at("2001:db8:77::1"), 64);
    assert!(house.router.set_ipv6_addresses(Via::Lan, &[new]));
    let dropped = house.dropped_by(|house| {
        house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    });
    assert_eq!(dropped, [(Dropped::Spoofed, 1)]);
    assert_eq!(
        house.lan6_got(),
        ["ICMP 2001:db8:77::1 > 2001:db8:1::10 1/5 [UDP [2001:db8:1::10]:5000 > [2620:0:80::50]:53]"]
    );
    house.check_tables();
}

/// IPv6 without IPv4, and a line that goes and comes.
#[test]
fn the_line_goes_and_comes() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    assert_eq!(house.internet6_got().len(), 1);
    house.drop_line();
    let dropped = house.dropped_by(|house| {
        house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    });
    assert_eq!(dropped, [(Dropped::NoRoute, 1)]);
    assert_eq!(
        house.lan6_got(),
        ["ICMP 2001:db8:1::1 > 2001:db8:1::10 1/0 [UDP [2001:db8:1::10]:5000 > [2620:0:80::50]:53]"]
    );
    house.come_up();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    assert_eq!(house.internet6_got().len(), 1);
    assert_eq!(house.router.ipv6_mtu(Via::Wan(WAN)), Some(1492));
    // Both families at once.
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    assert_eq!((house.internet_got().len(), house.flows(), house.table_use().flows6), (1, 1, 1));
}

/// A host has its quota, and a full table gives up what is worth least.
#[test]
fn tables_are_bounded() {
    let mut house = House::with_ipv6();
    house.lan6_sends(BOB6, &tcp6((BOB6, 1), (WEB6, 443), SYN));
    house.internet6_sends(&tcp6((WEB6, 443), (BOB6, 1), SYN | ACK));
    house.lan6_sends(BOB6, &tcp6((BOB6, 1), (WEB6, 443), ACK));
    for port in 1000..3000 {
        house.lan6_sends(ANN6, &udp6((ANN6, port), (WEB6, 53), b"x"));
    }
    house.check_tables();
    assert_eq!(house.table_use().flows6, 64 + 1, "a quarter of 256");
    for n in 0x20..0x30_u16 {
        let mut octets = ANN6.octets();
        octets[15] = n as u8;
        let host = octets.into();
        house.v6.hosts.push(host);
        for port in 1000..1064 {
            house.lan6_sends(host, &udp6((host, port), (WEB6, 53), b"x"));
        }
    }
    assert_eq!(house.table_use().flows6, 256);
    house.check_tables();
    house.internet6_got();
    house.lan6_got();
    house.internet6_sends(&tcp6((WEB6, 443), (BOB6, 1), ACK));
    assert_eq!(house.lan6_got(), ["TCP [2620:0:80::50]:443 > [2001:db8:1::11]:1 A"]);
    house.run_secs(400);
    assert_eq!(house.table_use().flows6, 1);
    house.check_tables();
}

/// A new address for every hundred flows (RFC 8981 privacy addresses, or malice) does not get a host more of the table.
#[test]
fn a_host_of_many_addresses_has_one_quota() {
    let mut house = House::with_ipv6();
    house.lan6_sends(BOB6, &udp6((BOB6, 1), (WEB6, 53), b"x"));
    for n in 0..40_u16 {
        let mut octets = ANN6.octets();
        octets[14..].copy_from_slice(&(0x100 + n).to_be_bytes());
        for port in 1000..1016 {
            let packet = udp6((octets.into(), port), (WEB6, 53), b"x");
            house.lan_frame(mac6(ANN6), LAN_MAC, 0x86DD, &packet);
        }
    }
    house.check_tables();
    assert_eq!(house.table_use().flows6, 64 + 1, "a quarter of 256, and Bob's");
    house.internet6_got();
    house.internet6_sends(&udp6((WEB6, 53), (BOB6, 1), b"y"));
    assert_eq!(house.lan6_frames().last().map(|(to, _)| *to), Some(mac6(BOB6)));
}

/// A frame for a group that carries a packet for one host is nobody's (RFC 1812 §5.3.4, for IPv6 too).
#[test]
fn frames_for_groups_are_not_forwarded() {
    let mut house = House::with_ipv6();
    let packet = udp6((ANN6, 5000), (WEB6, 53), b"x");
    let dropped = house.dropped_by(|house| house.lan6_says(ANN6, &packet));
    assert_eq!(dropped, [(Dropped::Group, 1)]);
    let dropped = house.dropped_by(|house| {
        house.lan_frame(mac6(ANN6), LAN_MAC, 0x0800, &packet);
    });
    assert_eq!(dropped, [(Dropped::NotIp, 1)]);
}
