//! What is bounded: flows, mappings, accounts. Who goes first, and who never.

use gatelet_router::{DatapathEvent, Dropped, WanId};
use smoltcp::wire::Ipv4Address;

use crate::house::{ANN, BOB, CAT, House, OURS, WEB};
use crate::packets::{ACK, SYN, tcp, udp};

fn establish(house: &mut House, host: Ipv4Address, port: u16) {
    house.lan_sends(host, &tcp((host, port), (WEB, 80), SYN));
    house.internet_sends(&tcp((WEB, 80), (OURS, port), SYN | ACK));
    house.lan_sends(host, &tcp((host, port), (WEB, 80), ACK));
    assert_eq!((house.lan_got().len(), house.internet_got().len()), (1, 2));
}

fn is_established(house: &mut House, port: u16) -> bool {
    house.internet_sends(&tcp((WEB, 80), (OURS, port), ACK));
    !house.lan_got().is_empty()
}

#[test]
fn flows_and_mappings_can_be_looked_at_from_any_place_on() {
    let mut house = House::new();
    establish(&mut house, ANN, 4000);
    house.lan_sends(BOB, &udp((BOB, 4000), (WEB, 53), b"x"));
    house.run_secs(60);
    let flows: Vec<_> = house.router.flows(house.now, 0).collect();
    let told: Vec<_> =
        flows.iter().map(|(_, flow)| (flow.protocol, flow.source.port(), flow.is_established)).collect();
    assert_eq!(told, [(6, 4000, true), (17, 4000, false)]);
    let (place, flow) = flows[1];
    assert_eq!((*flow.source.ip(), *flow.destination.ip()), (BOB, WEB));
    assert_eq!((*flow.translated_source.ip(), flow.translated_destination), (OURS, flow.destination));
    assert!((58..=62).contains(&flow.idle.secs()), "{:?}", flow.idle);
    assert_eq!(house.router.flows(house.now, place).collect::<Vec<_>>(), [flows[1]]);
    assert_eq!(house.router.flows(house.now, place + 1).count(), 0);
    let mappings: Vec<_> = house.router.mappings(0).map(|(_, mapping)| mapping).collect();
    assert_eq!(mappings.iter().map(|mapping| mapping.flows).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(
        (*mappings[1].inside.ip(), mappings[1].inside.port(), mappings[1].wan),
        (BOB, 4000, Some(WanId(0)))
    );
    assert_eq!(mappings[1].external_port, flow.translated_source.port());
    assert_eq!(house.router.mappings(9999).count(), 0);
}

/// A host's own unanswered flow makes room, so that it does not wait for a resolver that is gone; the oldest first.
#[test]
fn a_host_that_asks_and_asks_has_its_quota() {
    let mut house = House::new();
    let dropped = house.dropped_by(|house| {
        for port in 0..100 {
            house.lan_sends(ANN, &udp((ANN, 2000 + port), (WEB, 53), b"x"));
            house.run_secs(1);
        }
    });
    assert_eq!(dropped, []);
    assert_eq!((house.flows(), house.internet_got().len()), (16, 100));
    let answered = |house: &mut House, port| {
        house.internet_sends(&udp((WEB, 53), (OURS, port), b"x"));
        house.lan_got().len()
    };
    let newest: usize = (2084..2100).map(|port| answered(&mut house, port)).sum();
    assert_eq!((newest, answered(&mut house, 2083)), (16, 0));
    house.check_tables();
}

/// A quarter of all, unless it is told otherwise.
#[test]
fn a_host_has_its_quota() {
    let mut house = House::new();
    let answered = |house: &mut House, host, port: u16| {
        house.lan_sends(host, &udp((host, port), (WEB, 53), b"x"));
        house.internet_sends(&udp((WEB, 53), (OURS, port), b"x"));
    };
    let dropped = house.dropped_by(|house| (2000..2016).for_each(|port| answered(house, ANN, port)));
    assert_eq!((dropped, house.lan_got().len()), (Vec::new(), 16));
    let dropped = house.dropped_by(|house| {
        for port in 0..84 {
            house.lan_sends(ANN, &udp((ANN, 3000 + port), (WEB, 53), b"x"));
        }
    });
    assert_eq!(dropped, [(Dropped::HostQuota, 84)]);
    assert_eq!(house.flows(), 16);
    // RFC 5508 REQ-8, within the limits of all errors.
    let told = house.lan_got();
    assert_eq!(told.len(), 10);
    assert_eq!(told[0], "ICMP 192.168.1.1 > 192.168.1.10 3/13 [UDP 192.168.1.10:3000 > 192.0.2.80:53]");
    assert_eq!(house.events, [DatapathEvent::HostQuota { address: ANN }]);
    // Others are not concerned, and its own flows go on.
    house.lan_sends(BOB, &udp((BOB, 5000), (WEB, 53), b"x"));
    house.lan_sends(ANN, &udp((ANN, 2000), (WEB, 53), b"x"));
    assert_eq!(house.internet_got().len(), 18);
    assert!(house.router.set_host_quota(20));
    let dropped = house.dropped_by(|house| (4000..4004).for_each(|port| answered(house, ANN, port)));
    assert_eq!(dropped, []);
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &udp((ANN, 4004), (WEB, 53), b"x")));
    assert_eq!(dropped, [(Dropped::HostQuota, 1)]);
    house.run_secs(400);
    assert_eq!(house.flows(), 0);
    house.check_tables();
    house.lan_sends(ANN, &udp((ANN, 2000), (WEB, 53), b"x"));
    assert_eq!(house.flows(), 1);
}

/// Four hosts with nothing but connections would fill the table: the last eighth is for those who have few.
#[test]
fn there_is_always_room_for_a_host_with_few_flows() {
    let mut house = House::new();
    let hosts = (20..24).map(|n| Ipv4Address::new(192, 168, 1, n));
    let dropped = house.dropped_by(|house| {
        for (n, host) in (0..).zip(hosts) {
            for port in 0..16 {
                let port = 5000 + 100 * n + port;
                house.lan_sends(host, &tcp((host, port), (WEB, 80), SYN));
                house.internet_sends(&tcp((WEB, 80), (OURS, port), SYN | ACK));
                house.lan_sends(host, &tcp((host, port), (WEB, 80), ACK));
            }
        }
    });
    assert_eq!((dropped, house.flows()), (vec![(Dropped::Uninvited, 8), (Dropped::HostQuota, 16)], 56));
    house.lan_got();
    house.internet_got();
    for (host, port) in [(ANN, 6000), (ANN, 6001), (ANN, 6002), (ANN, 6003), (BOB, 6100)] {
        establish(&mut house, host, port);
    }
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &tcp((ANN, 6004), (WEB, 80), SYN)));
    assert_eq!(dropped, [(Dropped::HostQuota, 1)]);
    house.check_tables();
}

/// SYNs by the thousand, from one host and from all: no established connection goes, and everybody can open another.
#[test]
fn a_flood_takes_nobodys_connection() {
    let mut house = House::new();
    for (n, host) in [ANN, BOB, CAT].into_iter().enumerate() {
        for port in 0..5 {
            establish(&mut house, host, 5000 + 10 * n as u16 + port);
        }
    }
    let flooder = Ipv4Address::new(192, 168, 1, 66);
    let flood = |house: &mut House, host: Ipv4Address, ports: std::ops::Range<u16>| {
        for port in ports {
            house.lan_sends(host, &tcp((host, port), (WEB, 81), SYN));
        }
        house.internet_got();
        house.lan_got();
        house.check_tables();
    };
    let dropped = house.dropped_by(|house| flood(house, flooder, 10_000..12_000));
    assert_eq!((dropped, house.flows()), (Vec::new(), 31));
    // All of them together fill the table.
    for n in 67..75 {
        flood(&mut house, Ipv4Address::new(192, 168, 1, n), 10_000..10_100);
    }
    assert_eq!(house.flows(), 64);
    for host in [ANN, BOB, CAT] {
        house.lan_sends(host, &tcp((host, 7000), (WEB, 80), SYN));
        assert_eq!(house.internet_got().len(), 1, "{host}");
    }
    for port in (0..5).flat_map(|port| [5000 + port, 5010 + port, 5020 + port]) {
        assert!(is_established(&mut house, port), "{port}");
    }
    house.check_tables();
}

/// Nothing but established connections: a new one is refused, and told about.
#[test]
fn a_table_full_of_connections() {
    let mut house = House::with(None, 16);
    assert!(house.router.set_host_quota(100));
    for port in 5000..5016 {
        establish(&mut house, ANN, port);
    }
    let dropped = house.dropped_by(|house| house.lan_sends(BOB, &tcp((BOB, 7000), (WEB, 80), SYN)));
    assert_eq!(dropped, [(Dropped::FlowTableFull, 1)]);
    assert_eq!(house.events, [DatapathEvent::FlowTableFull]);
    assert_eq!(house.lan_got().len(), 1, "and the host was told");
    assert_eq!(house.table_use().mappings, 16, "its mapping is gone again");
    assert!((5000..5016).all(|port| is_established(&mut house, port)));
    house.check_tables();
}

/// The order in which flows are given up: expired, unanswered and half-open, answered UDP; of each, the oldest.
#[test]
fn who_goes_first() {
    let mut house = House::with(None, 16);
    assert!(house.router.set_host_quota(100));
    // Fourteen answered ones, the last of them the oldest; an unanswered one; a connection.
    for port in (5000..5014).rev() {
        house.lan_sends(ANN, &udp((ANN, port), (WEB, 53), b"x"));
        house.internet_sends(&udp((WEB, 53), (OURS, port), b"x"));
        house.run_secs(3);
    }
    house.lan_sends(ANN, &udp((ANN, 6000), (WEB, 53), b"x"));
    assert_eq!((house.lan_got().len(), house.internet_got().len()), (14, 15));
    establish(&mut house, ANN, 7000);
    assert_eq!(house.flows(), 16);
    let answers = |house: &mut House, port| {
        house.internet_sends(&udp((WEB, 53), (OURS, port), b"x"));
        !house.lan_got().is_empty()
    };
    // Answered at once, so that the next one is not taken for it.
    let another = |house: &mut House, port| {
        house.lan_sends(BOB, &udp((BOB, port), (WEB, 53), b"x"));
        house.internet_sends(&udp((WEB, 53), (OURS, port), b"x"));
        assert_eq!((house.internet_got().len(), house.lan_got().len()), (1, 1));
        house.check_tables();
    };
    another(&mut house, 8000);
    assert!(!answers(&mut house, 6000), "the unanswered one");
    another(&mut house, 8001);
    another(&mut house, 8002);
    assert!(!answers(&mut house, 5013) && !answers(&mut house, 5012), "the oldest two");
    assert!(answers(&mut house, 5011) && answers(&mut house, 5000));
    assert!(is_established(&mut house, 7000));
}

/// Flows and mappings come and go by the thousand, and nothing is left of them.
#[test]
fn nothing_leaks() {
    let mut house = House::with(None, 1024);
    assert!(house.router.set_host_quota(1000));
    for round in 0..5_u16 {
        for n in 0..3000_u16 {
            let port = 1024 + round * 3000 + n;
            house.lan_sends(ANN, &udp((ANN, port), (WEB, 53 + n % 7), b"x"));
        }
        house.internet_got();
        house.check_tables();
        house.run_secs(u64::from(round) * 100);
    }
    house.run_secs(400);
    house.check_tables();
    assert_eq!((house.flows(), house.table_use().mappings, house.table_use().index_entries), (0, 0, 0));
}

/// Sixty-five thousand changes of the rules later, the numbers of their epochs come again.
#[test]
fn epochs_come_round() {
    use gatelet_router::{Action, Prefix, Rule, Zone};
    use smoltcp::wire::Ipv4Cidr;
    let mut house = House::new();
    establish(&mut house, ANN, 5000);
    let ann = Prefix::Ipv4(Ipv4Cidr::new(ANN, 32));
    assert!(house.router.add_rule(Rule { source: ann, ..Rule::new(Zone::Lan, Zone::Wan, Action::Drop) }));
    // With the rule, as many as there are numbers: the flow's own is in force again.
    for _ in 0..65_534 {
        house.router.set_dmz(None);
    }
    let dropped = house.dropped_by(|house| house.lan_sends(ANN, &tcp((ANN, 5000), (WEB, 80), ACK)));
    assert_eq!(dropped, [(Dropped::Rule, 1)]);
}
