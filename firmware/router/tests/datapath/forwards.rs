//! Ways in: port forwards and the DMZ.

use gatelet_router::{Action, Dropped, Filtering, Forward, PortRange, Prefix, Protocol, Rule, Zone};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::house::{ANN, BOB, FAR, GATEWAY, House, OURS, WEB, mac};
use crate::packets::{ACK, SYN, UNREACHABLE, icmp_error, ip, ping, tcp, tcp_with, udp, with_ttl, words};

fn anybody() -> Ipv4Cidr {
    Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 0)
}

/// The web server on Bob's port 8080.
fn to_bob() -> Forward {
    Forward {
        protocol: Protocol::Tcp,
        ports: PortRange::one(80),
        host: BOB,
        host_port: 8080,
        source: anybody(),
    }
}

fn house_with(forward: Forward) -> House {
    let mut house = House::new();
    assert!(house.router.add_forward(forward));
    house
}

#[test]
fn a_connection_from_outside() {
    let mut house = house_with(to_bob());
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN));
    let frames = house.lan_frames();
    assert_eq!(words(&frames[0].1), "TCP 192.0.2.80:999 > 192.168.1.11:8080 S");
    assert_eq!(frames[0].0, mac(BOB));
    house.lan_sends(BOB, &tcp((BOB, 8080), (WEB, 999), SYN | ACK));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:80 > 192.0.2.80:999 SA"]);
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), ACK));
    house.lan_sends(BOB, &tcp_with((BOB, 8080), (WEB, 999), ACK, &[], b"hello"));
    assert_eq!((house.lan_got().len(), house.internet_got().len()), (1, 1));
    house.run_secs(7440);
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), ACK));
    assert_eq!(house.lan_got().len(), 1, "it was established");
    assert_eq!((house.flows(), house.table_use().mappings), (1, 0));
    house.check_tables();
}

#[test]
fn an_mss_from_outside_is_clamped() {
    let mut house = house_with(to_bob());
    house.internet_sends(&tcp_with((WEB, 999), (OURS, 80), SYN, &[2, 4, 0x05, 0xB4], b""));
    assert_eq!(house.lan_packets()[0][42..44], 1452_u16.to_be_bytes());
}

/// Errors about what came in by a forward.
#[test]
fn errors_through_a_forward() {
    let mut house = house_with(to_bob());
    let asked = tcp((WEB, 999), (OURS, 80), SYN);
    house.internet_sends(&asked);
    let delivered = house.lan_packets().pop().unwrap();
    house.lan_sends(BOB, &icmp_error(BOB, WEB, (UNREACHABLE, 3), &delivered, 8));
    assert_eq!(
        house.internet_got(),
        ["ICMP 100.64.0.7 > 192.0.2.80 3/3 [TCP 192.0.2.80:999 > 100.64.0.7:80 ]"]
    );
    house.lan_sends(BOB, &tcp((BOB, 8080), (WEB, 999), SYN | ACK));
    let answer = house.internet_packets().pop().unwrap();
    house.internet_sends(&icmp_error(WEB, OURS, (UNREACHABLE, 3), &answer, 8));
    assert_eq!(
        house.lan_got(),
        ["ICMP 192.0.2.80 > 192.168.1.11 3/3 [TCP 192.168.1.11:8080 > 192.0.2.80:999 ]"]
    );
}

#[test]
fn ranges_and_their_edges() {
    let mut house = house_with(Forward {
        protocol: Protocol::TcpUdp,
        ports: PortRange { first: 7000, last: 7009 },
        host_port: 100,
        ..to_bob()
    });
    for (port, inside) in [(7000, 100), (7004, 104), (7009, 109)] {
        house.internet_sends(&udp((WEB, 999), (OURS, port), b"x"));
        house.internet_sends(&tcp((WEB, 999), (OURS, port), SYN));
        assert_eq!(
            house.lan_got(),
            [
                format!("UDP 192.0.2.80:999 > 192.168.1.11:{inside}"),
                format!("TCP 192.0.2.80:999 > 192.168.1.11:{inside} S")
            ]
        );
    }
    let dropped = house.dropped_by(|house| {
        for port in [6999, 7010] {
            house.internet_sends(&udp((WEB, 999), (OURS, port), b"x"));
        }
        house.internet_sends(&ping(WEB, OURS, 7000));
        house.internet_sends(&ip(47, WEB, OURS, b"01234567"));
    });
    assert_eq!(dropped, [(Dropped::Uninvited, 4)]);
}

#[test]
fn only_for_some() {
    let mut house = house_with(Forward { source: Ipv4Cidr::new(FAR, 24), ..to_bob() });
    let dropped = house.dropped_by(|house| house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN)));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    house.internet_sends(&tcp((FAR, 999), (OURS, 80), SYN));
    assert_eq!(house.lan_got(), ["TCP 198.51.100.9:999 > 192.168.1.11:8080 S"]);
}

/// RFC 4787 REQ-9: by the outside name from inside, even for the host itself.
#[test]
fn hairpin_through_a_forward() {
    let mut house = house_with(to_bob());
    house.lan_sends(ANN, &tcp((ANN, 5000), (OURS, 80), SYN));
    assert_eq!(house.lan_got(), ["TCP 100.64.0.7:5000 > 192.168.1.11:8080 S"]);
    house.lan_sends(BOB, &tcp((BOB, 8080), (OURS, 5000), SYN | ACK));
    assert_eq!(house.lan_got(), ["TCP 100.64.0.7:80 > 192.168.1.10:5000 SA"]);
    house.lan_sends(BOB, &tcp((BOB, 5000), (OURS, 80), SYN));
    let sent = house.lan_packets();
    assert_eq!(sent[0][12..20], [OURS.octets(), BOB.octets()].concat());
    house.assert_silent();
    house.check_tables();
}

/// The port of a forward is nobody else's, and what its host sends from there comes from the forward's port.
#[test]
fn a_forwards_port_is_its_hosts() {
    let mut house = house_with(Forward {
        protocol: Protocol::Udp,
        ports: PortRange::one(6881),
        host_port: 6881,
        ..to_bob()
    });
    house.lan_sends(ANN, &udp((ANN, 6881), (WEB, 53), b"x"));
    let sent = house.internet_packets();
    assert_ne!(sent[0][20..22], 6881_u16.to_be_bytes());
    house.lan_sends(BOB, &udp((BOB, 6881), (WEB, 53), b"x"));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:6881 > 192.0.2.80:53"]);
    house.internet_sends(&udp((WEB, 53), (OURS, 6881), b"x"));
    house.internet_sends(&udp((FAR, 53), (OURS, 6881), b"x"));
    assert_eq!(
        house.lan_got(),
        ["UDP 192.0.2.80:53 > 192.168.1.11:6881", "UDP 198.51.100.9:53 > 192.168.1.11:6881"]
    );
    // With another port inside: still the forward's outside.
    let mut house = house_with(Forward {
        protocol: Protocol::Udp,
        ports: PortRange::one(700),
        host_port: 6881,
        ..to_bob()
    });
    house.lan_sends(BOB, &udp((BOB, 6881), (WEB, 53), b"x"));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:700 > 192.0.2.80:53"]);
    house.check_tables();
}

/// A forward that is gone, or leads elsewhere, ends what came in by it: with the next packet.
#[test]
fn other_forwards_are_for_open_connections_too() {
    let mut house = house_with(to_bob());
    let open = |house: &mut House| {
        house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN));
        house.lan_sends(BOB, &tcp((BOB, 8080), (WEB, 999), SYN | ACK));
        house.internet_sends(&tcp((WEB, 999), (OURS, 80), ACK));
        assert_eq!((house.lan_got().len(), house.internet_got().len()), (2, 1));
    };
    open(&mut house);
    // Another one beside it changes nothing.
    assert!(house.router.add_forward(Forward { ports: PortRange::one(81), ..to_bob() }));
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), ACK));
    assert_eq!(house.lan_got().len(), 1);
    house.router.clear_forwards();
    let dropped = house.dropped_by(|house| house.internet_sends(&tcp((WEB, 999), (OURS, 80), ACK)));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    assert_eq!(house.flows(), 0);
    assert!(house.router.add_forward(to_bob()));
    open(&mut house);
    house.router.clear_forwards();
    assert!(house.router.add_forward(Forward { host: ANN, ..to_bob() }));
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN));
    assert_eq!(house.lan_got(), ["TCP 192.0.2.80:999 > 192.168.1.10:8080 S"]);
    house.check_tables();
}

/// A hairpin, too.
#[test]
fn a_hairpin_ends_with_its_forward() {
    let mut house = house_with(Forward { protocol: Protocol::Udp, ..to_bob() });
    house.lan_sends(ANN, &udp((ANN, 5000), (OURS, 80), b"x"));
    assert_eq!(house.lan_got().len(), 1);
    house.router.clear_forwards();
    house.lan_sends(ANN, &udp((ANN, 5000), (OURS, 80), b"x"));
    assert_eq!(house.lan_got(), [""; 0]);
    assert_eq!(house.stacks_got(), ["wan: UDP 192.168.1.10:5000 > 100.64.0.7:80"]);
    assert_eq!((house.flows(), house.table_use().mappings), (0, 0));
}

/// Rules see the host inside.
#[test]
fn rules_about_forwards() {
    let mut house = house_with(to_bob());
    let rule = Rule {
        source: Prefix::Ipv4(Ipv4Cidr::new(FAR, 32)),
        destination: Prefix::Ipv4(Ipv4Cidr::new(BOB, 32)),
        destination_ports: PortRange::one(8080),
        ..Rule::new(Zone::Wan, Zone::Lan, Action::Reject)
    };
    assert!(house.router.add_rule(rule));
    let dropped = house.dropped_by(|house| house.internet_sends(&tcp((FAR, 999), (OURS, 80), SYN)));
    assert_eq!(dropped, [(Dropped::Rule, 1)]);
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:80 > 198.51.100.9:999 RA"]);
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN));
    assert_eq!(house.lan_got().len(), 1);
}

#[test]
fn what_is_no_forward() {
    let mut house = House::new();
    for bad in [
        Forward { ports: PortRange { first: 90, last: 80 }, ..to_bob() },
        Forward { ports: PortRange { first: 0, last: 80 }, ..to_bob() },
        Forward { host_port: 0, ..to_bob() },
        Forward { protocol: Protocol::Icmp, ..to_bob() },
        Forward { host: Ipv4Address::UNSPECIFIED, ..to_bob() },
    ] {
        assert!(!house.router.add_forward(bad), "{bad:?}");
    }
    assert!((0..gatelet_router::MAX_FORWARDS).all(|_| house.router.add_forward(to_bob())));
    assert!(!house.router.add_forward(to_bob()));
    // A host that is not on the LAN.
    let mut house = house_with(Forward { host: FAR, ..to_bob() });
    let dropped = house.dropped_by(|house| house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN)));
    assert_eq!(dropped, [(Dropped::NoRoute, 1)]);
    // Nor all of the LAN.
    let mut house = house_with(Forward { host: Ipv4Address::new(192, 168, 1, 255), ..to_bob() });
    let dropped = house.dropped_by(|house| house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN)));
    assert_eq!(dropped, [(Dropped::Group, 1)]);
    assert_eq!(house.flows(), 0);
}

/// To the router's own page, from outside.
#[test]
fn to_the_router_itself() {
    let mut house = house_with(Forward { host: GATEWAY, ..to_bob() });
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN));
    assert_eq!(house.stacks_got(), ["lan: TCP 192.0.2.80:999 > 192.168.1.1:8080 S"]);
    house.lan_stack_sends(&with_ttl(tcp((GATEWAY, 8080), (WEB, 999), SYN | ACK), 64));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:80 > 192.0.2.80:999 SA"]);
    house.assert_silent();
    house.check_tables();
}

#[test]
fn the_dmz_gets_what_nobody_else_wants() {
    let mut house = house_with(to_bob());
    assert!(house.router.set_dmz(Some(ANN)));
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN));
    house.internet_sends(&tcp((WEB, 999), (OURS, 81), SYN));
    house.internet_sends(&udp((WEB, 999), (OURS, 81), b"x"));
    assert_eq!(
        house.lan_got(),
        [
            "TCP 192.0.2.80:999 > 192.168.1.11:8080 S",
            "TCP 192.0.2.80:999 > 192.168.1.10:81 S",
            "UDP 192.0.2.80:999 > 192.168.1.10:81"
        ]
    );
    house.lan_sends(ANN, &udp((ANN, 81), (WEB, 999), b"x"));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:81 > 192.0.2.80:999"]);
    // Bob's own flow is his.
    house.lan_sends(BOB, &udp((BOB, 5000), (WEB, 53), b"x"));
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    assert_eq!(house.lan_got(), ["UDP 192.0.2.80:53 > 192.168.1.11:5000"]);
    assert!(house.router.set_dmz(None));
    house.internet_got();
    let dropped = house.dropped_by(|house| house.internet_sends(&udp((WEB, 999), (OURS, 81), b"x")));
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    house.check_tables();
}

/// Flows from outside are on the account of the host they lead to.
#[test]
fn a_forward_does_not_fill_the_table() {
    let mut house = House::new();
    assert!(house.router.add_forward(to_bob()));
    let dropped = house.dropped_by(|house| {
        for port in 1000..1100 {
            house.internet_sends(&tcp((WEB, port), (OURS, 80), SYN));
        }
    });
    assert_eq!((dropped, house.flows()), (Vec::new(), 16));
    // A stranger who means it gets in.
    house.lan_got();
    house.internet_sends(&tcp((FAR, 2000), (OURS, 80), SYN));
    house.lan_sends(BOB, &tcp((BOB, 8080), (FAR, 2000), SYN | ACK));
    assert_eq!((house.lan_got().len(), house.internet_got().len()), (1, 1));
    house.check_tables();
}

/// With the laxest filtering, an open mapping wins over a forward of the same port that was added later.
#[test]
fn a_mapping_and_a_forward_of_the_same_port() {
    let mut house = House::new();
    house.lan_sends(ANN, &tcp((ANN, 80), (WEB, 999), SYN));
    house.internet_got();
    assert!(house.router.add_forward(to_bob()));
    house.internet_sends(&tcp((WEB, 999), (OURS, 80), SYN | ACK));
    house.internet_sends(&tcp((FAR, 999), (OURS, 80), SYN));
    assert_eq!(
        house.lan_got(),
        ["TCP 192.0.2.80:999 > 192.168.1.10:80 SA", "TCP 198.51.100.9:999 > 192.168.1.11:8080 S"]
    );
    assert!(house.router.set_filtering(Filtering::EndpointIndependent));
    house.internet_sends(&tcp((FAR, 1000), (OURS, 80), SYN));
    assert_eq!(house.lan_got(), ["TCP 198.51.100.9:1000 > 192.168.1.10:80 S"]);
    house.check_tables();
}

/// The port at which the router itself is reached.
#[test]
fn the_router_listens() {
    let mut house = House::new();
    let asks = |house: &mut House| {
        house.internet_sends(&tcp((WEB, 999), (OURS, 8041), SYN));
        house.stacks_got()
    };
    assert_eq!(asks(&mut house), [""; 0]);
    assert!(house.router.set_listening(Some(8041)) && !house.router.set_listening(Some(0)));
    assert_eq!(asks(&mut house), ["lan: TCP 192.0.2.80:999 > 192.168.1.1:8041 S"]);
    house.lan_stack_sends(&with_ttl(tcp((GATEWAY, 8041), (WEB, 999), SYN | ACK), 64));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:8041 > 192.0.2.80:999 SA"]);
    // Nothing else gets in by it.
    for other in [tcp((WEB, 999), (OURS, 8042), SYN), udp((WEB, 999), (OURS, 8041), b"x")] {
        assert_eq!(house.dropped_by(|house| house.internet_sends(&other)), [(Dropped::Uninvited, 1)]);
    }
    // The port is nobody else's outside.
    house.lan_sends(ANN, &tcp((ANN, 8041), (FAR, 80), SYN));
    assert_ne!(house.internet_got(), ["TCP 100.64.0.7:8041 > 198.51.100.9:80 S"]);
    let rule = Rule { protocol: Protocol::Tcp, ..Rule::new(Zone::Wan, Zone::Router, Action::Drop) };
    assert!(house.router.add_rule(rule));
    house.internet_sends(&tcp((WEB, 999), (OURS, 8041), ACK));
    assert_eq!(house.stacks_got(), [""; 0], "the owner's rules are asked");
    house.router.clear_rules();
    assert_eq!(asks(&mut house).len(), 1);
    // A forward of the owner's goes first.
    assert!(house.router.add_forward(Forward { ports: PortRange::one(8041), ..to_bob() }));
    house.internet_sends(&tcp((FAR, 7), (OURS, 8041), SYN));
    assert_eq!(house.lan_got().len(), 1);
    house.router.clear_forwards();
    assert!(house.router.set_listening(None));
    assert_eq!(asks(&mut house), [""; 0], "connections end with it");
    house.check_tables();
}
