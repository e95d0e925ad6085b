//! Neighbours on the LAN: ARP (RFC 826, RFC 1122 §2.3.2, RFC 5227).

use gatelet_router::{DatapathEvent, Dropped};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet;
use smoltcp::wire::{ArpOperation, ArpRepr, Ipv4Address};

use crate::house::{ANN, BOB, GATEWAY, House, LAN_MAC, OURS, WEB, mac};
use crate::packets::{udp, with_ttl};

const NOBODY: Ipv4Address = Ipv4Address::new(192, 168, 1, 200);
const STRANGER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0x66, 0x66]);

fn arp(operation: ArpOperation, mac: EthernetAddress, source: Ipv4Address, target: Ipv4Address) -> ArpRepr {
    ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: mac,
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    }
}

fn request(mac: EthernetAddress, source: Ipv4Address, target: Ipv4Address) -> ArpRepr {
    arp(ArpOperation::Request, mac, source, target)
}

/// Questions of the router's about `wanted`.
fn questions(house: &mut House, wanted: Ipv4Address) -> usize {
    let about = |repr: &ArpRepr| {
        matches!(repr, ArpRepr::EthernetIpv4 { operation: ArpOperation::Request, target_protocol_addr, .. }
            if *target_protocol_addr == wanted)
    };
    std::mem::take(&mut house.arp_seen).iter().filter(|repr| about(repr)).count()
}

fn answers(house: &mut House) -> Vec<ArpRepr> {
    let mut seen = std::mem::take(&mut house.arp_seen);
    seen.retain(|repr| matches!(repr, ArpRepr::EthernetIpv4 { operation: ArpOperation::Reply, .. }));
    seen
}

/// The `lan` stack has something for a host.
fn stack_to(house: &mut House, host: Ipv4Address) {
    house.lan_stack_sends(&with_ttl(udp((GATEWAY, 53), (host, 9999), b"x"), 64));
}

#[test]
fn our_address_is_told_to_who_asks() {
    let mut house = House::new();
    house.lan_arp(&request(mac(ANN), ANN, GATEWAY));
    house.settle();
    let answer = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: LAN_MAC,
        source_protocol_addr: GATEWAY,
        target_hardware_addr: mac(ANN),
        target_protocol_addr: ANN,
    };
    assert_eq!(answers(&mut house), [answer]);
    // Not those of others, nor our address on another interface.
    house.lan_arp(&request(mac(ANN), ANN, BOB));
    house.lan_arp(&request(mac(ANN), ANN, OURS));
    house.settle();
    assert_eq!(answers(&mut house), []);
    // Who only wants to know whether the address is taken is told so, too (RFC 5227 §2.1.1).
    house.lan_arp(&request(STRANGER, Ipv4Address::UNSPECIFIED, GATEWAY));
    house.settle();
    assert_eq!(answers(&mut house).len(), 1);
}

/// RFC 1122 §2.3.2.2: what is to be sent waits for the answer, the newest two of it.
#[test]
fn frames_wait_for_the_answer() {
    let mut house = House::new();
    house.hosts.clear();
    let dropped = house.dropped_by(|house| {
        for port in 1..=4 {
            house.lan_stack_sends(&with_ttl(udp((GATEWAY, 53), (BOB, port), b"x"), 64));
        }
        house.settle();
    });
    assert_eq!(dropped, [(Dropped::Unreachable, 2)]);
    assert_eq!(house.table_use().waiting, 2);
    house.lan_arp(&arp(ArpOperation::Reply, mac(BOB), BOB, GATEWAY));
    house.settle();
    assert_eq!(
        house.lan_got(),
        ["UDP 192.168.1.1:53 > 192.168.1.11:3", "UDP 192.168.1.1:53 > 192.168.1.11:4"]
    );
    house.check_tables();
}

/// Once a second, three times, and then what waited is dropped and counted.
#[test]
fn nobody_answers() {
    let mut house = House::new();
    stack_to(&mut house, NOBODY);
    assert_eq!(questions(&mut house, NOBODY), 1);
    let dropped = house.dropped_by(|house| house.run_secs(10));
    assert_eq!(dropped, [(Dropped::Unreachable, 1)]);
    assert_eq!(questions(&mut house, NOBODY), 2);
    assert_eq!(house.table_use().waiting, 0);
    house.run_secs(60);
    assert_eq!(house.table_use().neighbours, 0, "and it is forgotten");
    house.assert_silent();
    house.check_tables();
}

/// Many who do not answer: eight frames wait, no more.
#[test]
fn waiting_frames_are_bounded() {
    let mut house = House::new();
    let dropped = house.dropped_by(|house| {
        for n in 0..16 {
            stack_to(house, Ipv4Address::new(192, 168, 1, 100 + n));
            house.check_tables();
        }
        house.settle();
    });
    assert_eq!(house.table_use().waiting, 8);
    assert_eq!(dropped, [(Dropped::Unreachable, 8)]);
}

/// RFC 1122 §2.3.2.1: what is known is asked for again after a minute, at its own address first.
#[test]
fn what_is_known_grows_old() {
    let mut house = House::new();
    stack_to(&mut house, ANN);
    assert_eq!((house.lan_got().len(), questions(&mut house, ANN)), (1, 1));
    stack_to(&mut house, ANN);
    house.run_secs(59);
    assert_eq!(questions(&mut house, ANN), 0);
    house.run_secs(2);
    assert_eq!(questions(&mut house, ANN), 1);
    // Gone, it is given up after three more.
    house.hosts.clear();
    house.run_secs(70);
    assert_eq!(questions(&mut house, ANN), 3);
    assert_eq!(house.table_use().neighbours, 0);
}

/// The host that sends needs not be asked before it is answered.
#[test]
fn a_frame_tells_its_sender() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.hosts.clear();
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    assert_eq!(house.lan_frames()[0].0, mac(ANN));
}

/// A host that sleeps, and wakes up without a word but its data.
#[test]
fn a_host_that_has_slept() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.internet_got();
    house.hosts.clear();
    house.run_secs(120);
    house.arp_seen.clear();
    assert_eq!(house.table_use().neighbours, 1, "its flow keeps its account");
    // What comes for it has it asked for again, and soon.
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"1"));
    house.run_secs(2);
    assert!(questions(&mut house, ANN) >= 1);
    // Its own packet will do for an answer.
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    assert_eq!(house.internet_got().len(), 1);
    assert_eq!(house.lan_got(), ["UDP 192.0.2.80:53 > 192.168.1.10:5000"]);
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"2"));
    assert_eq!(house.lan_got().len(), 1);
    // Or the first of another flow.
    house.run_secs(120);
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"3"));
    assert_eq!(house.lan_got().len(), 0);
    house.lan_sends(ANN, &udp((ANN, 5001), (WEB, 53), b"x"));
    assert_eq!(house.internet_got().len(), 1);
    assert_eq!(house.lan_got(), ["UDP 192.0.2.80:53 > 192.168.1.10:5000"]);
    house.check_tables();
}

/// What nobody needs is not learnt, and a claim alone moves nobody.
#[test]
fn gratuitous_claims_are_not_believed() {
    let mut house = House::new();
    house.lan_arp(&request(STRANGER, NOBODY, NOBODY));
    house.lan_arp(&arp(ArpOperation::Reply, STRANGER, NOBODY, GATEWAY));
    assert_eq!(house.table_use().neighbours, 0);
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.settle();
    house.arp_seen.clear();
    for claim in [request(STRANGER, ANN, ANN), arp(ArpOperation::Reply, STRANGER, ANN, GATEWAY)] {
        house.lan_arp(&claim);
        house.settle();
        assert_eq!(questions(&mut house, ANN), 1);
        house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
        assert_eq!(house.lan_frames()[0].0, mac(ANN));
        house.run_secs(5);
        house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
        assert_eq!(house.lan_frames()[0].0, mac(ANN));
    }
    assert_eq!(house.events[0], DatapathEvent::NeighbourDisputed { address: ANN, mac: STRANGER });
}

/// A host that has another network card now: the old one does not answer.
#[test]
fn a_dispute_is_lost_by_silence() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.settle();
    house.hosts.clear();
    house.lan_arp(&request(STRANGER, ANN, ANN));
    house.run_secs(5);
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    assert_eq!(house.lan_frames()[0].0, STRANGER);
}

/// RFC 5227 §2.4: our address is defended, once in ten seconds.
#[test]
fn our_address_is_defended() {
    let mut house = House::new();
    for _ in 0..5 {
        house.lan_arp(&request(STRANGER, GATEWAY, ANN));
        house.settle();
    }
    let announcement = request(LAN_MAC, GATEWAY, GATEWAY);
    assert_eq!(house.arp_seen, [announcement]);
    assert_eq!(house.events, [DatapathEvent::AddressConflict { address: GATEWAY, mac: STRANGER }]);
    house.run_secs(11);
    house.lan_arp(&request(STRANGER, GATEWAY, ANN));
    house.settle();
    assert_eq!(house.arp_seen.len(), 2);
}

#[test]
fn what_is_no_arp() {
    let mut house = House::new();
    let good = {
        let repr = request(mac(ANN), ANN, GATEWAY);
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut smoltcp::wire::ArpPacket::new_unchecked(&mut bytes[..]));
        bytes
    };
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let send = |house: &mut House, bytes: &[u8]| {
        house.lan_frame(mac(ANN), EthernetAddress::BROADCAST, ethernet::ARP, bytes);
    };
    // Hardware, protocol and their lengths.
    for (at, value) in [(0, 1), (1, 6), (2, 9), (4, 8), (5, 16)] {
        let dropped = house.dropped_by(|house| send(house, &changed(at, value)));
        assert_eq!(dropped, [(Dropped::Malformed, 1)], "byte {at}");
    }
    // From a group, and from ourselves.
    let dropped = house.dropped_by(|house| {
        send(house, &changed(8, 0xFF));
        house.lan_arp(&request(LAN_MAC, ANN, GATEWAY));
    });
    assert_eq!(dropped, [(Dropped::Spoofed, 2)]);
    assert_eq!(answers(&mut house), []);
}

/// Questions of more hosts than there is room for: who has flows stays, who was heard of last too.
#[test]
fn a_flood_of_hosts() {
    let mut house = House::new();
    house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x"));
    house.internet_got();
    stack_to(&mut house, BOB);
    house.lan_got();
    for n in 100..200 {
        let host = Ipv4Address::new(192, 168, 1, n);
        house.lan_arp(&request(mac(host), host, GATEWAY));
        house.settle();
        house.check_tables();
    }
    assert!(house.table_use().neighbours <= 16);
    house.internet_sends(&udp((WEB, 53), (OURS, 5000), b"x"));
    assert_eq!(house.lan_frames()[0].0, mac(ANN));
    // Bob's place is another's now; his flow does not lead there.
    stack_to(&mut house, BOB);
    assert_eq!(house.lan_frames()[0].0, mac(BOB));
}

/// All places are taken by hosts with flows: another one has to wait.
#[test]
fn a_full_table_of_neighbours() {
    let mut house = House::new();
    for n in 0..16 {
        let host = Ipv4Address::new(192, 168, 1, 100 + n);
        house.lan_sends(host, &udp((host, 5000), (WEB, 53), b"x"));
    }
    assert_eq!(house.internet_got().len(), 16);
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"x")));
    assert_eq!(dropped, [(Dropped::NeighbourTableFull, 1)]);
    // Who has flows may have more.
    let host = Ipv4Address::new(192, 168, 1, 100);
    house.lan_sends(host, &udp((host, 5001), (WEB, 53), b"x"));
    assert_eq!(house.internet_got().len(), 1);
    house.check_tables();
}
