//! Rules, and what is dropped before any rule is asked: RFC 2827, RFC 1812 §5.3, RFC 6890, RFC 7126.

use gatelet_router::{Action, DatapathEvent, Dropped, PingPolicy, PortRange, Prefix, Protocol, Rule, Zone};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, VlanTag};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::house::{ANN, BOB, FAR, GATEWAY, House, LAN_MAC, LAN_PORT, OURS, WAN_PORT, WEB, mac};
use crate::packets::{SYN, edited, ip_with, ping, pong, tcp, udp, with_ttl};

fn lan_to_wan(action: Action) -> Rule {
    Rule::new(Zone::Lan, Zone::Wan, action)
}

fn hits(house: &House) -> Vec<u32> {
    house.router.rules().map(|(_, hits)| hits).collect()
}

#[test]
fn the_first_rule_that_fits_decides() {
    let mut house = House::new();
    let dns = PortRange::one(53);
    let friend = Prefix::Ipv4(Ipv4Cidr::new(WEB, 32));
    for rule in [
        Rule { destination: friend, ..lan_to_wan(Action::Accept) },
        Rule {
            protocol: Protocol::Udp,
            destination_ports: dns,
            action: Action::Drop,
            log: true,
            ..lan_to_wan(Action::Drop)
        },
        lan_to_wan(Action::Reject),
    ] {
        assert!(house.router.add_rule(rule));
    }
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:5000 > 192.0.2.80:53"]);
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &udp((ANN, 5000), (FAR, 53), b"x")));
    assert_eq!(dropped, [(Dropped::Rule, 1)]);
    house.assert_silent();
    let event = DatapathEvent::Rule { number: 1, action: Action::Drop, source: ANN, destination: FAR };
    assert_eq!(house.events, [event]);
    let dropped = house.dropped_by(|house| {
        house.lan_sends(ANN, &udp((ANN, 5000), (FAR, 54), b"x"));
        house.lan_sends(ANN, &tcp((ANN, 5000), (FAR, 80), SYN));
    });
    assert_eq!(dropped, [(Dropped::Rule, 2)]);
    assert_eq!(
        house.lan_got(),
        [
            "ICMP 192.168.1.1 > 192.168.1.10 3/13 [UDP 192.168.1.10:5000 > 198.51.100.9:54]",
            "TCP 198.51.100.9:80 > 192.168.1.10:5000 RA"
        ]
    );
    assert_eq!(hits(&house), [1, 1, 2]);
    assert_eq!((house.flows(), house.table_use().mappings), (1, 1), "what is refused leaves nothing behind");
    // Packets of a flow ask no rule, and its answers need none.
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    assert_eq!((house.lan_got().len(), house.internet_got().len()), (1, 1));
    assert_eq!(hits(&house), [1, 1, 2]);
}

/// Other rules are for flows that are open, too: with their next packet.
#[test]
fn a_new_rule_ends_flows() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.lan_sends(BOB, &udp((BOB, 5001), (WEB, 53), b"x"));
    house.internet_got();
    let ann = Prefix::Ipv4(Ipv4Cidr::new(ANN, 32));
    assert!(house.router.add_rule(Rule { source: ann, ..lan_to_wan(Action::Drop) }));
    let dropped = house.dropped_by(|house| {
        house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
        house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    });
    assert_eq!(dropped, [(Dropped::Uninvited, 1), (Dropped::Rule, 1)]);
    house.lan_sends(BOB, &udp((BOB, 5001), (WEB, 53), b"x"));
    house.internet_sends(&udp((WEB, 53), (OURS, 5001), b"x"));
    assert_eq!((house.lan_got().len(), house.internet_got().len()), (1, 1));
    assert_eq!((house.flows(), house.table_use().mappings), (1, 1));
    assert_eq!(hits(&house), [1], "Bob's flow was checked, which is no hit");
    house.router.clear_rules();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    assert_eq!(house.internet_got().len(), 1);
    house.check_tables();
}

#[test]
fn rules_for_the_router_itself() {
    let mut house = House::new();
    assert!(house.router.add_rule(Rule {
        protocol: Protocol::Tcp,
        destination_ports: PortRange::one(22),
        ..Rule::new(Zone::Lan, Zone::Router, Action::Reject)
    }));
    assert!(house.router.add_rule(Rule::new(Zone::Router, Zone::Wan, Action::Drop)));
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &tcp((ANN, 5000), (GATEWAY, 22), SYN)));
    assert_eq!(dropped, [(Dropped::Rule, 1)]);
    assert_eq!(house.lan_got(), ["TCP 192.168.1.1:22 > 192.168.1.10:5000 RA"]);
    house.lan_sends(ANN, &tcp((ANN, 5000), (GATEWAY, 80), SYN));
    assert_eq!(house.stacks_got(), ["lan: TCP 192.168.1.10:5000 > 192.168.1.1:80 S"]);
    let dropped =
        house.dropped_by(|house| house.wan_stack_sends(&with_ttl(udp((OURS, 1), (WEB, 53), b"x"), 64)));
    assert_eq!(dropped, [(Dropped::Rule, 1)]);
    house.assert_silent();
}

/// No more rules than there is room for.
#[test]
fn thirty_two_rules() {
    let mut house = House::new();
    assert!((0..gatelet_router::MAX_RULES).all(|_| house.router.add_rule(lan_to_wan(Action::Accept))));
    assert!(!house.router.add_rule(lan_to_wan(Action::Accept)));
}

/// RFC 2827: sources that do not belong where they come from.
#[test]
fn spoofed_sources() {
    let mut house = House::new();
    let cases: [(&str, bool, Ipv4Address, Dropped); 11] = [
        ("not of the LAN", true, FAR, Dropped::Spoofed),
        ("the network itself", true, Ipv4Address::new(192, 168, 1, 0), Dropped::Spoofed),
        ("all of the network", true, Ipv4Address::new(192, 168, 1, 255), Dropped::Spoofed),
        ("us, on the LAN", true, GATEWAY, Dropped::Spoofed),
        ("us, on the WAN", true, OURS, Dropped::Spoofed),
        ("loopback", true, Ipv4Address::LOCALHOST, Dropped::Martian),
        ("of the LAN, from outside", false, ANN, Dropped::Spoofed),
        ("us, from outside", false, OURS, Dropped::Martian),
        ("us on the LAN, from outside", false, GATEWAY, Dropped::Spoofed),
        ("a group, from outside", false, Ipv4Address::new(224, 0, 0, 5), Dropped::Martian),
        ("nobody, from outside", false, Ipv4Address::UNSPECIFIED, Dropped::Martian),
    ];
    for (name, from_lan, source, expected) in cases {
        let dropped = house.dropped_by(|house| {
            if from_lan {
                house.lan_sends(ANN, &udp((source, 5000), (WEB, 53), b"x"));
            } else {
                house.internet_sends(&udp((source, 53), (OURS, 5000), b"x"));
            }
        });
        assert_eq!(dropped, [(expected, 1)], "{name}");
    }
    // Land: from itself to itself.
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &tcp((ANN, 80), (ANN, 80), SYN)));
    assert_eq!(dropped, [(Dropped::Martian, 1)]);
    house.assert_silent();
    assert_eq!(house.flows(), 0);
}

/// Addresses that a lab may have (RFC 5737), that a provider's own routers may have, or a carrier's NAT (RFC 6598).
#[test]
fn sources_that_may_be() {
    let mut house = House::new();
    for server in [[192, 0, 2, 1], [198, 51, 100, 1], [203, 0, 113, 1], [10, 1, 2, 3], [100, 64, 9, 9]] {
        let server = Ipv4Address::from(server);
        house.lan_sends(ANN, &udp((ANN, 5000), (server, 53), b"x"));
        house.internet_sends(&udp((server, 53), (OURS, 5000), b"x"));
        assert_eq!((house.lan_got().len(), house.internet_got().len()), (1, 1), "{server}");
    }
}

/// RFC 2644, RFC 1812 §5.3.
#[test]
fn destinations_that_are_not_forwarded() {
    let mut house = House::new();
    for to in [
        [224, 0, 0, 251],
        [239, 255, 255, 250],
        [255, 255, 255, 255],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [192, 168, 1, 255],
    ] {
        let to = Ipv4Address::from(to);
        let dropped = house.dropped_by(|house| house.lan_sends(ANN, &udp((ANN, 5000), (to, 1900), b"x")));
        assert_eq!(dropped, [(Dropped::Group, 1)], "{to}");
    }
    let dropped = house.dropped_by(|house| {
        house.lan_sends(ANN, &udp((ANN, 5000), (BOB, 53), b"x"));
        house.internet_sends(&udp((WEB, 53), (FAR, 53), b"x"));
        house.internet_sends(&udp((WEB, 53), (ANN, 53), b"x"));
        // Our own stack has nothing to tell to all of the LAN.
        house.lan_stack_sends(&udp((GATEWAY, 53), (Ipv4Address::new(192, 168, 1, 255), 53), b"x"));
    });
    assert_eq!(dropped, [(Dropped::NotForUs, 2), (Dropped::Group, 1), (Dropped::OnLink, 1)]);
    house.assert_silent();
    assert_eq!(house.flows(), 0);
}

/// RFC 7126 §4.3, §4.4: options that tell the way are dropped; others are carried.
#[test]
fn ip_options() {
    let mut house = House::new();
    let packet = |options: &[u8]| ip_with(17, ANN, WEB, options, &udp((ANN, 5000), (WEB, 53), b"x")[20..]);
    let refused: [&[u8]; 5] = [
        &[131, 7, 4, 1, 2, 3, 4, 0],
        &[137, 7, 4, 1, 2, 3, 4, 0],
        &[1, 131, 3, 4],
        &[7, 0, 0, 0],
        &[7, 9, 0, 0],
    ];
    for options in refused {
        let dropped = house.dropped_by(|house| house.lan_sends(ANN, &packet(options)));
        assert_eq!(dropped, [(Dropped::SourceRoute, 1)], "{options:?}");
    }
    let carried: [&[u8]; 3] = [&[148, 4, 0, 0], &[1, 1, 1, 0], &[0, 131, 3, 4]];
    for options in carried {
        house.lan_sends(ANN, &packet(options));
        let sent = house.internet_packets();
        assert_eq!(sent[0][20..20 + options.len()], *options);
    }
}

/// Every check of RFC 1812 §5.2.2, each with its counter.
#[test]
fn broken_packets() {
    let mut house = House::new();
    let good = || udp((ANN, 5000), (WEB, 53), b"some data");
    // Without a right checksum: that is looked at last.
    let changed = |change: fn(&mut [u8])| {
        let mut bytes = good();
        change(&mut bytes);
        bytes
    };
    let cases: [(&str, Vec<u8>, Dropped); 10] = [
        ("IPv6", changed(|bytes| bytes[0] = 0x65), Dropped::NotIp),
        ("a header of 16", changed(|bytes| bytes[0] = 0x44), Dropped::Malformed),
        ("a header longer than all", changed(|bytes| bytes[0] = 0x4F), Dropped::Malformed),
        (
            "longer than its frame",
            changed(|bytes| bytes[2..4].copy_from_slice(&[0, 200])),
            Dropped::Malformed,
        ),
        (
            "shorter than its header",
            changed(|bytes| bytes[2..4].copy_from_slice(&[0, 19])),
            Dropped::Malformed,
        ),
        (
            "no room for UDP",
            edited(good(), |bytes| bytes[2..4].copy_from_slice(&[0, 27])),
            Dropped::Malformed,
        ),
        (
            "no room for TCP",
            edited(good(), |bytes| {
                bytes[9] = 6;
                bytes[2..4].copy_from_slice(&[0, 37]);
            }),
            Dropped::Malformed,
        ),
        (
            "no room for ICMP",
            edited(good(), |bytes| {
                bytes[9] = 1;
                bytes[2..4].copy_from_slice(&[0, 27]);
            }),
            Dropped::Malformed,
        ),
        ("a wrong checksum", changed(|bytes| bytes[10] ^= 1), Dropped::BadChecksum),
        ("nothing", Vec::new(), Dropped::NotIp),
    ];
    for (name, packet, expected) in cases {
        let dropped = house.dropped_by(|house| house.lan_sends(ANN, &packet));
        assert_eq!(dropped, [(expected, 1)], "{name}");
    }
    house.assert_silent();
    assert_eq!(house.flows(), 0);
    // The fast path has the same eyes.
    house.lan_sends(ANN, &good());
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    let wrong = changed(|bytes| bytes[10] ^= 1);
    let long = changed(|bytes| bytes[2..4].copy_from_slice(&[0, 200]));
    assert_eq!((house.lan_got().len(), house.internet_got().len()), (1, 1));
    let dropped = house.dropped_by(|house| {
        house.lan_sends(ANN, &wrong);
        house.lan_sends(ANN, &long);
    });
    assert_eq!(dropped, [(Dropped::Malformed, 1), (Dropped::BadChecksum, 1)]);
    house.assert_silent();
}

#[test]
fn frames_for_others_and_of_others() {
    let mut house = House::new();
    let packet = udp((ANN, 5000), (WEB, 53), b"x");
    let dropped = house.dropped_by(|house| {
        house.lan_frame(mac(ANN), mac(BOB), ethernet::IPV4, &packet);
        house.lan_frame(mac(ANN), LAN_MAC, 0x88CC, &packet);
        house.receive(LAN_PORT, &[&LAN_MAC.0[..], &mac(ANN).0, &[0x81, 0, 0, 35, 8, 0], &packet].concat());
    });
    assert_eq!(dropped, [(Dropped::NotForUs, 1), (Dropped::OtherVlan, 1), (Dropped::OtherEtherType, 1)]);
    // A priority is no VLAN.
    house.receive(LAN_PORT, &[&LAN_MAC.0[..], &mac(ANN).0, &[0x81, 0, 0xE0, 0, 8, 0], &packet].concat());
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:5000 > 192.0.2.80:53"]);
}

/// A WAN in a VLAN: the tag goes on, and whatever priority comes in is let through.
#[test]
fn a_tagged_wan() {
    let vlan = VlanTag { id: 35, priority: 5, drop_eligible: false };
    let mut house = House::with(Some(vlan), 64);
    for _ in 0..3 {
        house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
        assert_eq!(house.internet_got(), ["UDP 100.64.0.7:5000 > 192.0.2.80:53"]);
        let frame = house.session_frame(&[&[0x00, 0x21][..], &udp((WEB, 53), (OURS, 5000), b"x")].concat());
        for priority in 0..8 {
            let mut frame = frame.clone();
            frame[14] = frame[14] & 0x1F | priority << 5;
            house.receive(WAN_PORT, &frame);
            assert_eq!(house.lan_got(), ["UDP 192.0.2.80:53 > 192.168.1.10:5000"]);
        }
        let mut other = frame.clone();
        other[15] = 36;
        assert_eq!(house.dropped_by(|house| house.receive(WAN_PORT, &other)), [(Dropped::OtherVlan, 1)]);
    }
}

/// Session frames from somebody else, and of another session.
#[test]
fn frames_of_another_session() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.internet_got();
    let frame = house.session_frame(&[&[0x00, 0x21][..], &udp((WEB, 53), (OURS, 5000), b"x")].concat());
    house.receive(WAN_PORT, &frame);
    assert_eq!(house.lan_got().len(), 1);
    for at in [6, 11, 16, 17] {
        let mut other = frame.clone();
        other[at] ^= 4;
        let dropped = house.dropped_by(|house| house.receive(WAN_PORT, &other));
        assert_eq!(dropped, [(Dropped::UnknownSession, 1)], "byte {at}");
    }
    let mut other = frame;
    other[5] ^= 4;
    assert_eq!(house.dropped_by(|house| house.receive(WAN_PORT, &other)), [(Dropped::NotForUs, 1)]);
    house.assert_silent();
}

/// RFC 792, and who may know that we are here.
#[test]
fn pings_from_outside() {
    let mut house = House::new();
    let dropped = house.dropped_by(|house| house.internet_sends(&ping(WEB, OURS, 7)));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    assert!(house.router.set_ping(PingPolicy::From(Ipv4Cidr::new(WEB, 24))));
    house.internet_sends(&ping(WEB, OURS, 7));
    assert_eq!(house.stacks_got(), ["wan: ICMP 192.0.2.80 > 100.64.0.7 ping 7"]);
    house.wan_stack_sends(&with_ttl(pong(OURS, WEB, 7), 64));
    assert_eq!(house.internet_got(), ["ICMP 100.64.0.7 > 192.0.2.80 pong 7"]);
    let dropped = house.dropped_by(|house| house.internet_sends(&ping(FAR, OURS, 7)));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    // Ten at once, ten a second.
    house.run_secs(2);
    let dropped = house.dropped_by(|house| (0..50).for_each(|_| house.internet_sends(&ping(WEB, OURS, 7))));
    assert_eq!(dropped, [(Dropped::RateLimited, 40)]);
    assert_eq!((house.stacks_got().len(), house.flows()), (10, 0));
}

/// To all on the link, but for somebody beyond (RFC 1812 §5.3.4): not forwarded.
#[test]
fn a_broadcast_on_the_link_is_not_forwarded() {
    let mut house = House::new();
    let packet = udp((ANN, 5000), (WEB, 53), b"x");
    for to in [EthernetAddress::BROADCAST, EthernetAddress([1, 0, 0x5E, 0, 0, 1])] {
        house.lan_frame(mac(ANN), to, ethernet::IPV4, &packet);
    }
    house.assert_silent();
}
