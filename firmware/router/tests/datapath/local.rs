//! What is for the router's own stacks, and what they say.

use gatelet_router::Dropped;

use crate::house::{ANN, GATEWAY, House, OURS, WEB};
use crate::packets::{ACK, RST, SYN, UNREACHABLE, icmp_error, pong, tcp, tcp_with, udp, with_ttl};

/// A connection to the router's own page, by either of its addresses.
#[test]
fn a_connection_to_the_router() {
    for (address, stack) in [(GATEWAY, "lan"), (OURS, "wan")] {
        let mut house = House::new();
        let say = |house: &mut House, packet: Vec<u8>| {
            let packet = with_ttl(packet, 64);
            if stack == "lan" { house.lan_stack_sends(&packet) } else { house.wan_stack_sends(&packet) }
        };
        house.lan_sends(ANN, &tcp((ANN, 5000), (address, 80), SYN));
        assert_eq!(house.stacks_got(), [format!("{stack}: TCP 192.168.1.10:5000 > {address}:80 S")]);
        say(&mut house, tcp((address, 80), (ANN, 5000), SYN | ACK));
        assert_eq!(house.lan_got(), [format!("TCP {address}:80 > 192.168.1.10:5000 SA")]);
        for _ in 0..4 {
            house.lan_sends(ANN, &tcp((ANN, 5000), (address, 80), ACK));
            assert_eq!(house.stacks_got().len(), 1);
        }
        say(&mut house, tcp_with((address, 80), (ANN, 5000), ACK, &[], b"page"));
        assert_eq!(house.lan_got(), [format!("TCP {address}:80 > 192.168.1.10:5000 A")]);
        house.assert_silent();
        house.check_tables();
    }
}

/// A closed port says so.
#[test]
fn refusals_of_our_own() {
    let mut house = House::new();
    house.lan_sends(ANN, &tcp((ANN, 5000), (GATEWAY, 81), SYN));
    house.lan_sends(ANN, &udp((ANN, 5000), (GATEWAY, 81), b"x"));
    assert_eq!(house.stacks_got().len(), 2);
    house.lan_stack_sends(&with_ttl(tcp((GATEWAY, 81), (ANN, 5000), RST | ACK), 64));
    let about = udp((ANN, 5000), (GATEWAY, 81), b"x");
    house.lan_stack_sends(&with_ttl(icmp_error(GATEWAY, ANN, (UNREACHABLE, 3), &about, 8), 64));
    assert_eq!(
        house.lan_got(),
        [
            "TCP 192.168.1.1:81 > 192.168.1.10:5000 RA",
            "ICMP 192.168.1.1 > 192.168.1.10 3/3 [UDP 192.168.1.10:5000 > 192.168.1.1:81]"
        ]
    );
    assert_eq!(house.flows(), 0);
    // To the Internet, a RST of nothing has no port to leave by.
    let dropped = house.dropped_by(|house| {
        house.wan_stack_sends(&with_ttl(tcp((OURS, 81), (WEB, 5000), RST | ACK), 64));
    });
    assert_eq!(dropped, [(Dropped::NoFlow, 1)]);
    // Nor has an answer of the `lan` stack, under an address of the LAN, nor one under anybody else's.
    let dropped = house.dropped_by(|house| {
        house.lan_stack_sends(&with_ttl(pong(GATEWAY, WEB, 7), 64));
        house.wan_stack_sends(&with_ttl(pong(ANN, WEB, 7), 64));
    });
    assert_eq!(dropped, [(Dropped::NoFlow, 2)]);
    house.assert_silent();
}

/// What our DNS answers is soon forgotten: a home asks a lot.
#[test]
fn answers_on_the_lan_are_not_remembered_for_long() {
    let mut house = House::new();
    for port in 5000..5040 {
        house.lan_sends(ANN, &udp((ANN, port), (GATEWAY, 53), b"?"));
        house.lan_stack_sends(&with_ttl(udp((GATEWAY, 53), (ANN, port), b"!"), 64));
    }
    assert_eq!((house.stacks_got().len(), house.lan_got().len()), (40, 40));
    house.run_secs(30 + 35);
    assert_eq!(house.flows(), 0);
}

/// The `lan` stack reaches the Internet, too: under the WAN's address.
#[test]
fn the_lan_stack_on_the_internet() {
    let mut house = House::new();
    house.lan_stack_sends(&with_ttl(udp((GATEWAY, 5000), (WEB, 123), b"x"), 64));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:5000 > 192.0.2.80:123"]);
    house.internet_sends(&udp((WEB, 123), (OURS, 5000), b"x"));
    assert_eq!(house.stacks_got(), ["lan: UDP 192.0.2.80:123 > 192.168.1.1:5000"]);
    house.check_tables();
}

/// DHCP is for the server on the LAN, unless it is for one elsewhere.
#[test]
fn dhcp_to_a_server_elsewhere() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 68), (WEB, 67), b"x"));
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:68 > 192.0.2.80:67"]);
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &udp((ANN, 68), (GATEWAY, 67), b"x")));
    assert_eq!(dropped, [(Dropped::DhcpRefused, 1)]);
    let mut wrong = udp((ANN, 68), (GATEWAY, 67), b"x");
    wrong[28] ^= 1;
    assert_eq!(house.dropped_by(|house| house.lan_sends(ANN, &wrong)), [(Dropped::BadChecksum, 1)]);
    house.assert_silent();
}
