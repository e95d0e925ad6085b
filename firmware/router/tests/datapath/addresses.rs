//! The WAN's address comes, goes and changes.

use gatelet_router::{DatapathEvent, Dropped, Filtering, Forward, PortRange, Protocol};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::house::{ANN, BOB, CAT, House, OURS, WEB};
use crate::packets::{ACK, RST, SYN, tcp, udp, with_ttl, words};

const NEW: Ipv4Address = Ipv4Address::new(100, 64, 0, 99);

fn open(house: &mut House, host: Ipv4Address, port: u16) {
    let ours = house.address().expect("up");
    house.lan_sends(host, &tcp((host, port), (WEB, 80), SYN));
    house.internet_sends(&tcp((WEB, 80), (ours, port), SYN | ACK));
    house.lan_sends(host, &tcp((host, port), (WEB, 80), ACK));
    assert_eq!((house.lan_got().len(), house.internet_got().len()), (1, 2));
}

/// The same address again: nobody inside has noticed.
#[test]
fn flows_survive_a_line_that_comes_back() {
    let mut house = House::new();
    open(&mut house, ANN, 5000);
    house.lan_sends(ANN, &udp((ANN, 5001), (WEB, 53), b"x"));
    house.internet_got();
    house.drop_line();
    // Meanwhile the network is unreachable, and the flows are kept.
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), ACK)));
    assert_eq!(dropped, [(Dropped::NetworkDown, 1)]);
    assert_eq!(
        house.lan_got(),
        ["ICMP 192.168.1.1 > 192.168.1.10 3/0 [TCP 192.168.1.10:5000 > 192.0.2.80:80 A]"]
    );
    assert_eq!(house.flows(), 2);
    house.redial(OURS);
    house.internet_sends(&tcp((WEB, 80), (OURS, 5000), ACK));
    house.internet_sends(&udp((WEB, 53), (OURS, 5001), b"x"));
    assert_eq!(house.lan_got().len(), 2);
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), ACK));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:5000 > 192.0.2.80:80 A"]);
    assert_eq!(house.events, []);
    house.check_tables();
}

/// Another address: the old connections lead nowhere. Both ends inside are told: the one that speaks, and the one that only
/// listens, which is made to speak.
#[test]
fn connections_through_another_address_are_reset() {
    let mut house = House::new();
    open(&mut house, ANN, 5000);
    open(&mut house, BOB, 5001);
    house.lan_sends(CAT, &udp((CAT, 5002), (WEB, 53), b"x"));
    house.internet_got();
    house.redial(NEW);
    assert_eq!(house.events, [DatapathEvent::FlowsCut { flows: 2 }]);
    assert_eq!((house.flows(), house.table_use().mappings), (2, 0), "UDP and all mappings are gone");
    // An ACK that fits nothing: who gets it, answers it (RFC 9293 §3.10.7.4).
    // Twice, with acknowledgements half of all numbers apart: some say nothing to an old one.
    let elicited = house.lan_packets();
    let mut said: Vec<_> = elicited.iter().map(|packet| words(packet)).collect();
    said.sort_unstable();
    said.dedup();
    assert_eq!(elicited.len(), 4);
    assert_eq!(said, ["TCP 192.0.2.80:80 > 192.168.1.10:5000 A", "TCP 192.0.2.80:80 > 192.168.1.11:5001 A"]);
    // The answer gets its RST, in the window.
    let dropped = house.dropped_by(|house| {
        house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), ACK));
        house.lan_sends(BOB, &tcp((BOB, 5001), (WEB, 80), ACK));
    });
    assert_eq!(dropped, [(Dropped::Cut, 2)]);
    let resets = house.lan_packets();
    assert_eq!(words(&resets[0]), "TCP 192.0.2.80:80 > 192.168.1.10:5000 R");
    assert_eq!(resets[0][24..28], 2000_u32.to_be_bytes(), "the sequence number that was acknowledged");
    assert_eq!(house.flows(), 0);
    house.assert_silent();
    // A new connection from the same port to the same server works at once.
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), SYN));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.99:5000 > 192.0.2.80:80 S"]);
    house.check_tables();
}

#[test]
fn a_new_connection_needs_no_reset_of_the_old_one() {
    let mut house = House::new();
    open(&mut house, ANN, 5000);
    house.redial(NEW);
    house.lan_got();
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), SYN));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.99:5000 > 192.0.2.80:80 S"]);
    house.internet_sends(&tcp((WEB, 80), (NEW, 5000), SYN | ACK));
    assert_eq!(house.lan_got(), ["TCP 192.0.2.80:80 > 192.168.1.10:5000 SA"]);
    house.check_tables();
}

/// However many there are: each is asked, each is reset, in no burst that a queue would drop.
#[test]
fn all_of_many_are_told() {
    let mut house = House::with(None, 1024);
    for port in 5000..5100 {
        open(&mut house, ANN, port);
    }
    house.redial(NEW);
    house.run_secs(1);
    let elicited = house.lan_packets();
    assert_eq!(elicited.len(), 2 * 100);
    for port in 5000..5100 {
        house.lan_sends(ANN, &tcp((ANN, port), (WEB, 80), ACK));
        assert_eq!(house.lan_got(), [format!("TCP 192.0.2.80:80 > 192.168.1.10:{port} R")]);
    }
    assert_eq!(house.flows(), 0);
    house.check_tables();
}

/// One that answers nothing is forgotten.
#[test]
fn a_cut_connection_is_not_kept() {
    let mut house = House::new();
    open(&mut house, ANN, 5000);
    house.redial(NEW);
    house.run_secs(100);
    assert_eq!(house.flows(), 0);
    house.check_tables();
}

/// A second change: who was told of the first need not be told again.
#[test]
fn twice_in_a_row() {
    let mut house = House::new();
    open(&mut house, ANN, 5000);
    house.redial(NEW);
    assert_eq!(house.lan_got().len(), 2);
    house.redial(OURS);
    house.assert_silent();
    let dropped = house.dropped_by(|house| house.internet_sends(&tcp((WEB, 80), (OURS, 5000), ACK)));
    assert_eq!(dropped, [(Dropped::Cut, 1)], "it is not what it was, though the address is");
    house.assert_silent();
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), RST));
    house.assert_silent();
    assert_eq!(house.flows(), 0);
}

/// A connection of the router's own stack is cut, too.
#[test]
fn our_own_connections_are_cut() {
    let mut house = House::new();
    house.wan_stack_sends(&with_ttl(tcp((OURS, 5000), (WEB, 80), SYN), 64));
    house.internet_sends(&tcp((WEB, 80), (OURS, 5000), SYN | ACK));
    house.wan_stack_sends(&with_ttl(tcp((OURS, 5000), (WEB, 80), ACK), 64));
    assert_eq!((house.stacks_got().len(), house.internet_got().len()), (1, 2));
    house.redial(NEW);
    assert_eq!(house.stacks_got(), ["wan: TCP 192.0.2.80:80 > 100.64.0.7:5000 A"; 2]);
    house.wan_stack_sends(&with_ttl(tcp((OURS, 5000), (WEB, 80), ACK), 64));
    assert_eq!(house.stacks_got(), ["wan: TCP 192.0.2.80:80 > 100.64.0.7:5000 R"]);
    assert_eq!(house.flows(), 0);
}

/// A hairpin through an address that is somebody else's now.
#[test]
fn hairpins_end_with_the_address() {
    let mut house = House::new();
    assert!(house.router.add_forward(Forward {
        protocol: Protocol::TcpUdp,
        ports: PortRange::one(80),
        host: BOB,
        host_port: 8080,
        source: Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 0),
    }));
    house.lan_sends(ANN, &udp((ANN, 5000), (OURS, 80), b"x"));
    assert_eq!(house.lan_got(), ["UDP 100.64.0.7:5000 > 192.168.1.11:8080"]);
    house.lan_sends(ANN, &tcp((ANN, 5000), (OURS, 80), SYN));
    house.lan_sends(BOB, &tcp((BOB, 8080), (OURS, 5000), SYN | ACK));
    house.lan_sends(ANN, &tcp((ANN, 5000), (OURS, 80), ACK));
    assert_eq!(house.lan_got().len(), 3);
    house.redial(NEW);
    assert_eq!(house.lan_got(), ["TCP 100.64.0.7:80 > 192.168.1.10:5000 A"; 2]);
    house.lan_sends(ANN, &udp((ANN, 5000), (OURS, 80), b"x"));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.99:5000 > 100.64.0.7:80"], "it is elsewhere now");
    house.lan_sends(BOB, &tcp((BOB, 8080), (OURS, 5000), ACK));
    assert_eq!(house.lan_got(), ["TCP 100.64.0.7:5000 > 192.168.1.11:8080 R"]);
    house.lan_sends(ANN, &udp((ANN, 5000), (NEW, 80), b"x"));
    assert_eq!(house.lan_got(), ["UDP 100.64.0.99:5000 > 192.168.1.11:8080"]);
    house.check_tables();
}

/// What comes for the old address is not for us.
#[test]
fn the_old_address_is_not_ours() {
    let mut house = House::new();
    assert!(house.router.set_filtering(Filtering::EndpointIndependent));
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.redial(NEW);
    house.internet_got();
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
        house.internet_sends(&udp((WEB, 53), (NEW, 5000), b"x"));
    });
    assert_eq!(dropped, [(Dropped::NotForUs, 1), (Dropped::Uninvited, 1)]);
    house.assert_silent();
}
