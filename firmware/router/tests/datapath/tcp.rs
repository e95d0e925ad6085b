//! TCP through the NAT: RFC 5382.

use gatelet_router::{Action, Dropped, Rule, Zone};

use crate::house::{ANN, BOB, FAR, House, OURS, WEB};
use crate::packets::{ACK, FIN, RST, SYN, check, tcp, tcp_with, udp, words};

/// Opens a connection from Ann's port 5000 to the web server.
fn open(house: &mut House) {
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), SYN));
    house.internet_sends(&tcp((WEB, 80), (OURS, 5000), SYN | ACK));
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), ACK));
    assert_eq!(house.internet_got().len() + house.lan_got().len(), 3);
}

fn up(house: &mut House, flags: u8) {
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), flags));
    assert_eq!(house.internet_got().len(), 1, "up");
}

fn down(house: &mut House, flags: u8) {
    house.internet_sends(&tcp((WEB, 80), (OURS, 5000), flags));
    assert_eq!(house.lan_got().len(), 1, "down");
}

/// Whether a segment from the server still comes through.
fn is_open(house: &mut House) -> bool {
    house.internet_sends(&tcp((WEB, 80), (OURS, 5000), ACK));
    !house.lan_got().is_empty()
}

#[test]
fn a_connection_from_its_first_packet_to_its_last() {
    let mut house = House::new();
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), SYN));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:5000 > 192.0.2.80:80 S"]);
    house.internet_sends(&tcp((WEB, 80), (OURS, 5000), SYN | ACK));
    assert_eq!(house.lan_got(), ["TCP 192.0.2.80:80 > 192.168.1.10:5000 SA"]);
    house.lan_sends(ANN, &tcp_with((ANN, 5000), (WEB, 80), ACK, &[], b"GET /"));
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), FIN | ACK));
    assert_eq!(
        house.internet_got(),
        ["TCP 100.64.0.7:5000 > 192.0.2.80:80 A", "TCP 100.64.0.7:5000 > 192.0.2.80:80 FA"]
    );
    house.internet_sends(&tcp_with((WEB, 80), (OURS, 5000), ACK, &[], b"200 OK"));
    house.internet_sends(&tcp((WEB, 80), (OURS, 5000), FIN | ACK));
    assert_eq!(
        house.lan_got(),
        ["TCP 192.0.2.80:80 > 192.168.1.10:5000 A", "TCP 192.0.2.80:80 > 192.168.1.10:5000 FA"]
    );
    house.check_tables();
}

/// RFC 5382 REQ-5.
#[test]
fn an_established_connection_may_be_idle_for_two_hours_and_four_minutes() {
    let mut house = House::new();
    open(&mut house);
    house.run_secs(7440);
    assert!(is_open(&mut house));
    house.run_secs(7440 + 40);
    assert_eq!(house.flows(), 0);
    assert!(!is_open(&mut house));
}

/// RFC 5382 REQ-5, RFC 7857 §2.1: four minutes while it opens or closes.
#[test]
fn opening_and_closing_connections_may_be_idle_for_four_minutes() {
    type Steps = fn(&mut House);
    let states: [(&str, Steps); 6] = [
        ("SYN", |house| up(house, SYN)),
        ("SYN, answered", |house| {
            up(house, SYN);
            down(house, SYN | ACK);
        }),
        ("FIN both ways, ours first", |house| {
            open(house);
            up(house, FIN | ACK);
            down(house, FIN | ACK);
            up(house, ACK);
        }),
        ("FIN both ways, theirs first", |house| {
            open(house);
            down(house, FIN | ACK);
            up(house, FIN | ACK);
            down(house, ACK);
        }),
        ("RST from inside", |house| {
            open(house);
            up(house, RST);
        }),
        ("RST from outside", |house| {
            open(house);
            down(house, RST);
        }),
    ];
    for (name, steps) in states {
        let mut house = House::new();
        steps(&mut house);
        house.run_secs(240);
        assert!(is_open(&mut house), "{name}: too early");
        house.run_secs(240 + 40);
        assert_eq!(house.flows(), 0, "{name}: too late");
    }
}

/// A connection of which one side has said all it has to say may stay for as long as any (RFC 9293 §3.6).
#[test]
fn half_closed_is_established() {
    let mut house = House::new();
    open(&mut house);
    down(&mut house, FIN | ACK);
    up(&mut house, ACK);
    house.run_secs(3600);
    up(&mut house, ACK);
    assert!(is_open(&mut house));
}

/// RFC 7857 §2.2: a forged RST must not end a connection that goes on.
#[test]
fn a_connection_that_goes_on_after_a_rst_is_established_again() {
    let mut house = House::new();
    open(&mut house);
    down(&mut house, RST);
    up(&mut house, ACK);
    down(&mut house, ACK);
    up(&mut house, ACK);
    house.run_secs(3600);
    assert!(is_open(&mut house), "both have spoken again");
    // What was still under way when the connection was reset does not bring it back.
    let mut house = House::new();
    open(&mut house);
    up(&mut house, RST);
    down(&mut house, ACK);
    down(&mut house, ACK);
    up(&mut house, RST);
    house.run_secs(300);
    assert_eq!(house.flows(), 0);
    let mut house = House::new();
    open(&mut house);
    down(&mut house, RST);
    up(&mut house, ACK);
    up(&mut house, ACK);
    house.run_secs(300);
    assert_eq!(house.flows(), 0);
}

/// RFC 6191, RFC 5382 REQ-2: the next connection between the same endpoints.
#[test]
fn a_syn_uses_a_closing_connections_place() {
    let mut house = House::new();
    for _ in 0..2 {
        open(&mut house);
        up(&mut house, FIN | ACK);
        down(&mut house, FIN | ACK);
        up(&mut house, ACK);
    }
    open(&mut house);
    house.run_secs(3600);
    assert!(is_open(&mut house), "the new one is established");
    assert_eq!(house.flows(), 1);
}

/// RFC 5382 REQ-2: both ends send a SYN.
#[test]
fn simultaneous_open() {
    let mut house = House::new();
    up(&mut house, SYN);
    down(&mut house, SYN);
    up(&mut house, SYN | ACK);
    down(&mut house, SYN | ACK);
    up(&mut house, ACK);
    house.run_secs(3600);
    assert!(is_open(&mut house));
}

/// RFC 5382 REQ-4: silence, so that a SYN of ours that is under way still finds an open door.
#[test]
fn a_syn_that_nobody_asked_for_is_not_answered() {
    let mut house = House::new();
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&tcp((WEB, 80), (OURS, 5000), SYN));
        house.run_secs(5);
        house.assert_silent();
    });
    assert_eq!(dropped, [(Dropped::Uninvited, 1)]);
    up(&mut house, SYN);
    down(&mut house, SYN);
    up(&mut house, SYN | ACK);
}

/// After a reboot, connections go on: the first packet from inside opens the flow, whatever it is.
#[test]
fn a_connection_is_picked_up_in_the_middle() {
    let mut house = House::new();
    house.lan_sends(ANN, &tcp_with((ANN, 5000), (WEB, 80), ACK, &[], b"more"));
    assert_eq!(house.internet_got(), ["TCP 100.64.0.7:5000 > 192.0.2.80:80 A"]);
    down(&mut house, ACK);
    up(&mut house, ACK);
    house.run_secs(3600);
    assert!(is_open(&mut house), "it is established");
    // From outside nothing is picked up, and a RST opens nothing.
    let dropped = house.dropped_by(|house| {
        house.internet_sends(&tcp((FAR, 80), (OURS, 5001), ACK));
        house.lan_sends(ANN, &tcp((ANN, 5001), (FAR, 80), RST));
    });
    assert_eq!(dropped, [(Dropped::NoFlow, 1), (Dropped::Uninvited, 1)]);
}

/// RFC 5382 REQ-1: endpoint-independent, as for UDP.
#[test]
fn one_mapping_for_all_connections_of_a_port() {
    let mut house = House::new();
    house.lan_sends(BOB, &tcp((BOB, 5000), (WEB, 80), SYN));
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), SYN));
    house.lan_sends(ANN, &tcp((ANN, 5000), (FAR, 80), SYN));
    let packets = house.internet_packets();
    assert_ne!(packets[0][20..22], packets[1][20..22]);
    assert_eq!(packets[1][20..22], packets[2][20..22]);
    assert_eq!(house.table_use().mappings, 2);
}

/// RFC 5382 REQ-8.
#[test]
fn hairpin() {
    let mut house = House::new();
    // Bob's port is open, because he talks to somebody from it.
    house.lan_sends(BOB, &tcp((BOB, 6000), (WEB, 80), SYN));
    house.internet_got();
    house.lan_sends(ANN, &tcp((ANN, 5000), (OURS, 6000), SYN));
    assert_eq!(house.lan_got(), ["TCP 100.64.0.7:5000 > 192.168.1.11:6000 S"]);
    house.lan_sends(BOB, &tcp((BOB, 6000), (OURS, 5000), SYN | ACK));
    assert_eq!(house.lan_got(), ["TCP 100.64.0.7:6000 > 192.168.1.10:5000 SA"]);
    house.lan_sends(ANN, &tcp((ANN, 5000), (OURS, 6000), ACK));
    assert_eq!(house.lan_got(), ["TCP 100.64.0.7:5000 > 192.168.1.11:6000 A"]);
    house.check_tables();
}

const NOP: u8 = 1;

/// The MSS option of a packet at its place behind `before` octets of options.
fn mss(packet: &[u8], before: usize) -> u16 {
    u16::from_be_bytes([packet[40 + before + 2], packet[40 + before + 3]])
}

/// RFC 2923 §2.1: 1492 of PPPoE, less 40.
#[test]
fn the_mss_is_clamped_both_ways_wherever_it_stands() {
    for before in 0..4 {
        for (offered, expected) in
            [(1460_u16, 1452), (65535, 1452), (1453, 1452), (1452, 1452), (536, 536), (0, 0)]
        {
            let mut options = vec![NOP; before];
            options.extend([2, 4, offered.to_be_bytes()[0], offered.to_be_bytes()[1]]);
            // Another option behind it, to the next multiple of four.
            options.extend([4, 2]);
            options.resize(options.len().next_multiple_of(4), 0);
            // The first from a host is decided on by the slow path, later ones may be opened by the fast one.
            let mut house = House::new();
            for port in [5000, 5001] {
                house.lan_sends(ANN, &tcp_with((ANN, port), (WEB, 80), SYN, &options, b""));
                let sent = house.internet_packets();
                assert_eq!(mss(&sent[0], before), expected, "up, behind {before}");
                house.internet_sends(&tcp_with((WEB, 80), (OURS, port), SYN | ACK, &options, b""));
                let sent = house.lan_packets();
                assert_eq!(mss(&sent[0], before), expected, "down, behind {before}");
            }
        }
    }
}

#[test]
fn only_the_mss_of_a_syn_is_clamped() {
    let mut house = House::new();
    open(&mut house);
    let option = [2, 4, 0x05, 0xB4];
    house.lan_sends(ANN, &tcp_with((ANN, 5000), (WEB, 80), ACK, &option, b""));
    assert_eq!(mss(&house.internet_packets()[0], 0), 1460);
}

/// Options that cannot be read are left as they are.
#[test]
fn broken_options_are_nobodys_business() {
    let broken: [&[u8]; 6] =
        [&[2, 4, 5, 180], &[2, 0, 0, 0], &[2, 1, 5, 180], &[NOP, NOP, NOP, 2], &[0, 2, 4, 5], &[8, 40, 0, 0]];
    for (n, options) in broken.into_iter().enumerate() {
        let mut house = House::new();
        house.lan_sends(ANN, &udp((ANN, 5000), (WEB, 53), b"Here I am."));
        house.internet_got();
        let mut packet = tcp_with((ANN, 5000), (WEB, 80), SYN, options, b"");
        if n == 0 {
            // The data offset says that there are none.
            packet = tcp_with((ANN, 5000), (WEB, 80), SYN, &[], options);
        }
        house.lan_sends(ANN, &packet);
        let sent = house.internet_packets();
        assert_eq!(sent[0][40..], packet[40..], "{options:?}");
    }
}

/// RFC 9293 §3.10.7.1: the RST of a rule fits the segment it answers.
#[test]
fn resets_are_acceptable() {
    let mut house = House::new();
    assert!(house.router.add_rule(Rule::new(Zone::Lan, Zone::Wan, Action::Reject)));
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), SYN));
    let sent = house.lan_packets();
    assert_eq!(words(&sent[0]), "TCP 192.0.2.80:80 > 192.168.1.10:5000 RA");
    check(&sent[0]);
    assert_eq!((&sent[0][24..28], &sent[0][28..32]), (&[0; 4][..], &1001_u32.to_be_bytes()[..]));
    house.lan_sends(ANN, &tcp_with((ANN, 5000), (WEB, 80), ACK, &[], b"data"));
    let sent = house.lan_packets();
    assert_eq!(words(&sent[0]), "TCP 192.0.2.80:80 > 192.168.1.10:5000 R");
    assert_eq!(sent[0][24..28], 2000_u32.to_be_bytes());
    house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), RST));
    house.assert_silent();
}
