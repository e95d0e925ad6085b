//! What may open a flow (RFC 6092), and which addresses may be seen where (RFC 7084, RFC 4890).

use gatelet_router::{Action, DatapathEvent, Dropped, Ipv6Policy, PortRange, Prefix, Protocol, Rule, Zone};
use smoltcp::wire::Ipv6Cidr;

use crate::house::House;
use crate::house6::{ANN6, BOB6, FAR6, GATEWAY6, OURS6, WEB6};
use crate::packets::{ACK, SYN};
use crate::packets6::{at, extended, icmp6, ip6, ping6, tcp6, udp6};

/// RFC 6092 REC-11, REC-33: what nobody inside has asked for does not get in, whatever it is.
#[test]
fn nothing_gets_in_uninvited() {
    let mut house = House::with_ipv6();
    for packet in [
        tcp6((WEB6, 443), (ANN6, 22), SYN),
        tcp6((WEB6, 443), (ANN6, 22), ACK),
        udp6((WEB6, 53), (ANN6, 53), b"x"),
        udp6((WEB6, 500), (ANN6, 500), b"x"),
        ip6(50, WEB6, ANN6, &[0; 20]),
        ip6(47, WEB6, ANN6, &[0; 20]),
        udp6((WEB6, 53), (GATEWAY6, 53), b"x"),
        tcp6((WEB6, 443), (OURS6, 22), SYN),
    ] {
        let dropped = house.dropped_by(|house| house.internet6_sends(&packet));
        assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    }
    assert_eq!(house.table_use().flows6, 0);
    assert_eq!(house.ndp_seen(), [""; 0], "nobody was even asked for");
    house.assert_silent();
}

/// An open flow is for its two ends: another port, another host and the other way round are something else.
#[test]
fn a_flow_is_for_its_ends_alone() {
    let mut house = House::with_ipv6();
    house.lan6_sends(ANN6, &udp6((ANN6, 5000), (WEB6, 53), b"x"));
    assert_eq!(house.internet6_got().len(), 1);
    for packet in [
        udp6((WEB6, 54), (ANN6, 5000), b"x"),
        udp6((WEB6, 53), (ANN6, 5001), b"x"),
        udp6((FAR6, 53), (ANN6, 5000), b"x"),
        udp6((WEB6, 53), (BOB6, 5000), b"x"),
    ] {
        let dropped = house.dropped_by(|house| house.internet6_sends(&packet));
        assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    }
    house.assert_silent();
}

#[test]
fn rules_decide_on_ipv6_too() {
    let mut house = House::with_ipv6();
    let ann = Prefix::Ipv6(Ipv6Cidr::new(ANN6, 128));
    let web = Rule {
        destination: ann,
        protocol: Protocol::Tcp,
        destination_ports: PortRange::one(80),
        log: true,
        ..Rule::new(Zone::Wan, Zone::Lan, Action::Accept)
    };
    assert!(house.router.add_rule(web));
    assert!(
        house
            .router
            .add_rule(Rule { protocol: Protocol::Icmp, ..Rule::new(Zone::Wan, Zone::Lan, Action::Drop) })
    );
    assert!(house.router.add_rule(Rule {
        source: ann,
        destination_ports: PortRange::one(25),
        protocol: Protocol::Tcp,
        ..Rule::new(Zone::Lan, Zone::Wan, Action::Reject)
    }));
    house.internet6_sends(&tcp6((WEB6, 443), (ANN6, 80), SYN));
    house.lan6_sends(ANN6, &tcp6((ANN6, 80), (WEB6, 443), SYN | ACK));
    house.internet6_sends(&tcp6((WEB6, 443), (ANN6, 80), ACK));
    assert_eq!((house.lan6_got().len(), house.internet6_got().len()), (2, 1));
    let expected =
        DatapathEvent::Ipv6Rule { number: 0, action: Action::Accept, source: WEB6, destination: ANN6 };
    assert_eq!(house.events, [expected]);
    let dropped = house.dropped_by(|house| {
        house.internet6_sends(&tcp6((WEB6, 443), (BOB6, 80), SYN));
        house.internet6_sends(&ping6(WEB6, ANN6, 1));
        house.lan6_sends(ANN6, &tcp6((ANN6, 5000), (WEB6, 25), SYN));
    });
    assert_eq!(dropped, [(Dropped::Uninvited, 1), (Dropped::Rule, 2)]);
    assert_eq!(house.lan6_got(), ["TCP [2620:0:80::50]:25 > [2001:db8:1::10]:5000 RA"]);
    // A rule of IPv4 says nothing about IPv6, and the other way round.
    assert_eq!(house.router.rules().map(|rule| rule.1).collect::<Vec<_>>(), [1, 1, 1]);
    // Without its rule, the flow ends with its next packet.
    house.router.clear_rules();
    let dropped = house.dropped_by(|house| house.internet6_sends(&tcp6((WEB6, 443), (ANN6, 80), ACK)));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    house.check_tables();
}

/// RFC 4890 §4.3.1, RFC 6092 REC-21 to REC-25: what the policy may let in.
#[test]
fn the_policy_lets_in_what_it_says() {
    let mut house = House::with_ipv6();
    house.internet6_sends(&ping6(WEB6, ANN6, 1));
    house.lan6_sends(ANN6, &icmp6(ANN6, WEB6, (129, 0), [0, 1, 0, 1], b"x"));
    assert_eq!((house.lan6_got().len(), house.internet6_got().len()), (1, 1));
    let policy = Ipv6Policy { allow_echo: false, allow_ipsec: true, answer_echo: false };
    assert!(house.router.set_ipv6_policy(policy));
    let dropped = house.dropped_by(|house| {
        house.internet6_sends(&ping6(WEB6, ANN6, 2));
        house.internet6_sends(&ping6(WEB6, OURS6, 2));
    });
    assert_eq!(dropped, [(Dropped::Uninvited, 2)]);
    for packet in
        [ip6(50, WEB6, ANN6, &[0; 20]), ip6(51, WEB6, ANN6, &[0; 20]), udp6((WEB6, 500), (ANN6, 500), b"x")]
    {
        house.internet6_sends(&packet);
        assert_eq!(house.lan6_packets().len(), 1, "{packet:02x?}");
    }
    let dropped = house.dropped_by(|house| house.internet6_sends(&udp6((WEB6, 500), (ANN6, 501), b"x")));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    house.assert_silent();
}

/// RFC 6092 REC-1 to REC-10, RFC 4291 §2.5: addresses that go nowhere.
#[test]
fn addresses_that_are_not_forwarded() {
    let mut house = House::with_ipv6();
    let from = |source| udp6((source, 5000), (WEB6, 53), b"x");
    let to = |destination| udp6((ANN6, 5000), (destination, 53), b"x");
    for (packet, reason) in [
        (from(at("fe80::10")), Dropped::Scope),
        (from(at("::")), Dropped::Scope),
        (from(at("::1")), Dropped::Martian),
        (from(at("::ffff:192.0.2.1")), Dropped::Martian),
        (from(at("ff02::1")), Dropped::Martian),
        (from(WEB6), Dropped::Martian),
        (from(at("2001:db8:1:5::1")), Dropped::Spoofed),
        (from(FAR6), Dropped::Spoofed),
        (from(GATEWAY6), Dropped::Spoofed),
        (to(at("::1")), Dropped::Scope),
        (to(at("::ffff:192.0.2.1")), Dropped::Scope),
        (to(at("::192.0.2.1")), Dropped::Scope),
        (to(at("fe80::99")), Dropped::NotForUs),
        (to(at("ff05::2")), Dropped::Group),
        (to(at("ff02::fb")), Dropped::Group),
        // Delegated to us and not in use: it must not go back where it came from (RFC 7084 WPD-5).
        (to(at("2001:db8:1:77::1")), Dropped::NoRoute),
        (to(BOB6), Dropped::OnLink),
    ] {
        let dropped = house.dropped_by(|house| house.lan6_sends(ANN6, &packet));
        assert_eq!(dropped, [(reason, 1)], "{packet:02x?}");
    }
    assert_eq!(house.internet6_got(), [""; 0]);
    let from = |source| udp6((source, 5000), (ANN6, 53), b"x");
    for (packet, reason) in [
        (from(BOB6), Dropped::Spoofed),
        (from(at("2001:db8:1:77::1")), Dropped::Spoofed),
        (from(GATEWAY6), Dropped::Spoofed),
        (from(OURS6), Dropped::Spoofed),
        (from(at("fe80::1")), Dropped::Scope),
        (from(at("::1")), Dropped::Martian),
        (udp6((WEB6, 1), (at("2001:db8:1:77::1"), 1), b"x"), Dropped::NoRoute),
        (udp6((WEB6, 1), (FAR6, 1), b"x"), Dropped::NoRoute),
    ] {
        let dropped = house.dropped_by(|house| house.internet6_sends(&packet));
        assert_eq!(dropped, [(reason, 1)], "{packet:02x?}");
    }
    assert_eq!(house.table_use().flows6, 0);
}

/// RFC 5095, RFC 8200 §4: what is in front of the transport.
#[test]
fn headers_that_are_not_passed() {
    let mut house = House::with_ipv6();
    let plain = udp6((ANN6, 5000), (WEB6, 53), b"x");
    let mut type_0 = extended(&plain, 43);
    type_0[42] = 0;
    let long = (0..8).fold(plain.clone(), |packet, _| extended(&packet, 60));
    let mut cut = plain.clone();
    cut[4..6].copy_from_slice(&[0xFF, 0xFF]);
    for (packet, reason) in [
        (type_0, Dropped::SourceRoute),
        (long, Dropped::ExtensionHeaders),
        (extended(&extended(&plain, 0), 60), Dropped::Malformed),
        (cut, Dropped::Malformed),
        (plain[..47].to_vec(), Dropped::Malformed),
    ] {
        let dropped = house.dropped_by(|house| house.lan6_sends(ANN6, &packet));
        assert_eq!(dropped, [(reason, 1)], "{packet:02x?}");
    }
    // Another type of routing header is its receiver's business.
    let mut type_2 = extended(&plain, 43);
    type_2[42] = 2;
    house.lan6_sends(ANN6, &type_2);
    assert_eq!(house.internet6_got().len(), 1);
}
