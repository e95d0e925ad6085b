//! Two lines: a `PPPoE` session first, plain Ethernet with a gateway second.

use gatelet_router::Dropped;
use gatelet_wire::EthernetAddress;
use smoltcp::wire::{ArpOperation, ArpRepr, Ipv4Address};

use crate::house::{ANN, FIBRE_ADDRESS, FIBRE_GATEWAY, GATEWAY, House, OURS, WEB, mac};
use crate::packets::{ACK, SYN, TIME_EXCEEDED, dont_fragment, icmp_error, tcp, udp, words};

/// The second line alone.
fn on_fibre() -> House {
    let mut house = House::new();
    house.drop_line();
    house.add_fibre();
    house
}

fn question() -> Vec<u8> {
    udp((ANN, 5000), (WEB, 53), b"x")
}

/// On the link, the gateway is asked for and everything goes to it; who is on the link himself gets his own.
#[test]
fn through_a_gateway() {
    let mut house = on_fibre();
    house.lan_sends(ANN, &question());
    let to_gateway = (mac(FIBRE_GATEWAY), "UDP 203.0.113.34:5000 > 192.0.2.80:53".to_owned());
    assert_eq!(house.fibre_got(), std::slice::from_ref(&to_gateway));
    for _ in 0..3 {
        house.fibre_sends(&udp((WEB, 53), (FIBRE_ADDRESS, 5000), b"x"));
        assert_eq!(house.lan_got(), ["UDP 192.0.2.80:53 > 192.168.1.10:5000"]);
        house.lan_sends(ANN, &question());
        assert_eq!(house.fibre_got(), std::slice::from_ref(&to_gateway));
    }
    let neighbour = Ipv4Address::new(203, 0, 113, 35);
    house.hosts.push(neighbour);
    house.lan_sends(ANN, &udp((ANN, 5000), (neighbour, 53), b"x"));
    assert_eq!(house.fibre_got(), [(mac(neighbour), "UDP 203.0.113.34:5000 > 203.0.113.35:53".to_owned())]);
    // RFC 2644: not to all of them.
    let everybody = Ipv4Address::new(203, 0, 113, 39);
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &udp((ANN, 5000), (everybody, 53), b"x")));
    assert_eq!(dropped, [(Dropped::Group, 1)]);
    house.check_tables();
}

/// Ethernet is wider than PPPoE: 1500 bytes pass, and an MSS of 1460.
#[test]
fn nothing_is_clamped_between_equals() {
    let mut house = on_fibre();
    house.lan_sends(ANN, &dont_fragment(udp((ANN, 5000), (WEB, 53), &[7; 1472])));
    let long = house.fibre_got();
    assert_eq!(long.len(), 1);
    let options = [2, 4, 0x05, 0xB4];
    house.lan_sends(ANN, &crate::packets::tcp_with((ANN, 5000), (WEB, 80), SYN, &options, b""));
    house.fibre_sends(&crate::packets::tcp_with((WEB, 80), (FIBRE_ADDRESS, 5000), SYN | ACK, &options, b""));
    assert_eq!(house.lan_packets()[0][40..44], options);
}

/// A flood of ARP takes places in the table, and may take the gateway's: then it is asked for again, and nobody else gets what
/// was for it.
#[test]
fn the_gateways_place_is_not_another_hosts() {
    let mut house = on_fibre();
    house.lan_sends(ANN, &question());
    house.fibre_sends(&udp((WEB, 53), (FIBRE_ADDRESS, 5000), b"x"));
    assert_eq!((house.fibre_got().len(), house.lan_got().len()), (1, 1));
    for n in 100..200 {
        let host = Ipv4Address::new(192, 168, 1, n);
        // It answers when it is asked: the gateway is the one that was not heard of for longest.
        house.hosts.push(host);
        house.run_secs(1);
        house.lan_arp(&ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: mac(host),
            source_protocol_addr: host,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: GATEWAY,
        });
        house.lan_sends(ANN, &question());
        house.settle();
        assert!(house.fibre_got().iter().all(|(to, _)| *to == mac(FIBRE_GATEWAY)));
        house.fibre_sends(&udp((WEB, 53), (FIBRE_ADDRESS, 5000), b"x"));
        assert_eq!(house.lan_frames()[0].0, mac(ANN));
        house.check_tables();
    }
}

/// The first line is for all that is new, as long as it is up; what went by the other stays there.
#[test]
fn a_line_that_fails_and_comes_back() {
    let mut house = House::new();
    house.add_fibre();
    house.lan_sends(ANN, &question());
    assert_eq!(house.internet_got(), ["UDP 100.64.0.7:5000 > 192.0.2.80:53"]);
    house.drop_line();
    house.lan_sends(ANN, &question());
    assert_eq!(words_of(&house.fibre_got()), ["UDP 203.0.113.34:5000 > 192.0.2.80:53"]);
    house.lan_sends(ANN, &tcp((ANN, 5001), (WEB, 80), SYN));
    house.fibre_sends(&tcp((WEB, 80), (FIBRE_ADDRESS, 5001), SYN | ACK));
    house.lan_sends(ANN, &tcp((ANN, 5001), (WEB, 80), ACK));
    assert_eq!((house.fibre_got().len(), house.lan_got().len()), (2, 1));
    house.redial(OURS);
    house.lan_sends(ANN, &tcp((ANN, 5001), (WEB, 80), ACK));
    assert_eq!(words_of(&house.fibre_got()), ["TCP 203.0.113.34:5001 > 192.0.2.80:80 A"]);
    house.lan_sends(ANN, &tcp((ANN, 5002), (WEB, 80), SYN));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:5002 > 192.0.2.80:80 S"]);
    house.check_tables();
}

/// Sources that do not belong on the second line, and errors that do.
#[test]
fn what_comes_by_the_second_line() {
    let mut house = on_fibre();
    house.lan_sends(ANN, &question());
    house.fibre_got();
    let sent = udp((FIBRE_ADDRESS, 5000), (WEB, 53), b"x");
    house.fibre_sends(&icmp_error(FIBRE_GATEWAY, FIBRE_ADDRESS, (TIME_EXCEEDED, 0), &sent, 8));
    let got = house.lan_packets();
    assert_eq!(
        words(&got[0]),
        "ICMP 203.0.113.33 > 192.168.1.10 11/0 [UDP 192.168.1.10:5000 > 192.0.2.80:53]"
    );
    let dropped = house.dropped_by(|house| {
        house.fibre_sends(&udp((ANN, 53), (FIBRE_ADDRESS, 5000), b"x"));
        house.fibre_sends(&udp((WEB, 53), (Ipv4Address::new(203, 0, 113, 35), 5000), b"x"));
        house.fibre_sends(&udp((WEB, 53), (Ipv4Address::new(203, 0, 113, 39), 5000), b"x"));
        house.fibre_sends(&udp((WEB, 53), (ANN, 5000), b"x"));
    });
    assert_eq!(dropped, [(Dropped::NotForUs, 2), (Dropped::Spoofed, 1), (Dropped::Group, 1)]);
    house.assert_silent();
}

fn words_of(got: &[(EthernetAddress, String)]) -> Vec<&str> {
    got.iter().map(|(_, words)| words.as_str()).collect()
}
