//! Each message, in each of a client's states.

use gatelet_proto::dhcp::server::{Config, ConfigError, Destination, Dropped, Event, Reservation};
use gatelet_wire::dhcpv4::{Header, MIN_LEN, MessageType, OptionCode, Writer};
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use smoltcp::time::Duration;

use crate::lan::{Lan, NAS, NOWHERE, OWN, PC, Said, TV, at, config, host, reserve, said};

#[test]
fn a_newcomer_gets_an_address_that_nobody_has() {
    let mut lan = Lan::new(config());
    assert_eq!(lan.say(&said(PC, MessageType::Discover).asking_for(at(150))), Ok(()));
    lan.run_for(Duration::from_millis(499));
    assert!(lan.heard.is_empty(), "the probe is under way");
    lan.run_for_secs(1);
    assert_eq!(lan.say(&said(PC, MessageType::Request).asking_for(at(150)).server(OWN)), Ok(()));
    lan.expect_transcript(
        "pc -> DISCOVER 192.168.1.150
            probe 192.168.1.150: nobody
         pc <- OFFER 192.168.1.150
         pc -> REQUEST 192.168.1.150
         pc <- ACK 192.168.1.150",
    );
    assert_eq!(lan.events, [Event::Granted { address: at(150), mac: PC }]);
    let lease = lan.server.lookup_address(at(150)).expect("leased");
    assert_eq!(lease.mac(), PC);
    let left = lease.expires_at().unwrap() - lan.now;
    assert!(left >= Config::LEASE_TIME && left <= Config::LEASE_TIME + Duration::from_secs(1));
}

#[test]
fn an_answer_says_what_there_is_to_know() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    let ack = lan.last();
    let seconds = |hours: u32| Some((hours * 3600).to_be_bytes().to_vec());
    let own = Some(OWN.octets().to_vec());
    assert_eq!(ack.value(OptionCode::SERVER_IDENTIFIER), own);
    assert_eq!(ack.value(OptionCode::LEASE_TIME), seconds(12));
    assert_eq!(ack.value(OptionCode::RENEWAL_TIME), seconds(6));
    assert_eq!(ack.value(OptionCode::REBINDING_TIME), Some((10 * 3600 + 1800_u32).to_be_bytes().to_vec()));
    assert_eq!(ack.value(OptionCode::SUBNET_MASK), Some(vec![255, 255, 255, 0]));
    assert_eq!(ack.value(OptionCode::ROUTER), own);
    assert_eq!(ack.value(OptionCode::DOMAIN_NAME_SERVER), own);
    assert_eq!(ack.value(OptionCode::DOMAIN_NAME), Some(b"lan".to_vec()));
    assert_eq!(ack.value(OptionCode::CLIENT_IDENTIFIER), None, "there was none to echo");
    assert_eq!(ack.payload.len(), MIN_LEN);
    assert_eq!(ack.message().header.xid, 0xCAFE);
}

#[test]
fn what_is_asked_for_is_told_in_that_order_and_nothing_else() {
    let mut config = config();
    config.ntp_server = Some(at(9));
    config.mtu = Some(1480);
    let mut lan = Lan::new(config);
    lan.server.set_captive_portal_uri("https://portal.example/api");
    let codes = |lan: &Lan| lan.last().message().options().map(|option| option.code.0).collect::<Vec<_>>();
    lan.join_with(PC, |said| {
        said.option(OptionCode::PARAMETER_REQUEST_LIST, &[114, 3, 1, 42, 26, 99, 3, 28])
    });
    assert_eq!(codes(&lan), [53, 54, 51, 58, 59, 1, 114, 3, 42, 26, 28]);
    assert_eq!(lan.last().value(OptionCode::CAPTIVE_PORTAL), Some(b"https://portal.example/api".to_vec()));
    assert_eq!(lan.last().value(OptionCode::NTP_SERVERS), Some(at(9).octets().to_vec()));
    assert_eq!(lan.last().value(OptionCode::INTERFACE_MTU), Some(1480_u16.to_be_bytes().to_vec()));
    lan.server.set_captive_portal_uri("");
    lan.join_with(PC, |said| said.option(OptionCode::PARAMETER_REQUEST_LIST, &[114]));
    assert_eq!(codes(&lan), [53, 54, 51, 58, 59, 1], "the mask is always told");
}

/// What does not fit is left out, the last asked for first; 548 octets are what every client takes.
#[test]
fn an_answer_is_no_longer_than_the_client_takes() {
    let mut config = config();
    config.domain_name = "d".repeat(63).as_str().try_into().unwrap();
    let mut lan = Lan::new(config);
    lan.server.set_captive_portal_uri(&"u".repeat(255));
    let list = [114, 3, 6, 15];
    lan.join_with(PC, |said| said.option(OptionCode::PARAMETER_REQUEST_LIST, &list));
    assert!(lan.last().payload.len() <= 548);
    assert_eq!(lan.last().value(OptionCode::CAPTIVE_PORTAL).map(|uri| uri.len()), Some(255));
    assert_eq!(lan.last().value(OptionCode::DOMAIN_NAME), None);
    lan.join_with(PC, |said| {
        said.option(OptionCode::PARAMETER_REQUEST_LIST, &list)
            .option(OptionCode::MAX_MESSAGE_SIZE, &1500_u16.to_be_bytes())
    });
    assert_eq!(lan.last().value(OptionCode::CAPTIVE_PORTAL).map(|uri| uri.len()), Some(255));
    assert_eq!(lan.last().value(OptionCode::DOMAIN_NAME).map(|name| name.len()), Some(63));
}

#[test]
fn where_answers_go() {
    let mut lan = Lan::new(config());
    let to_all = Destination { mac: EthernetAddress::BROADCAST, ip: Ipv4Address::BROADCAST };
    lan.join_at(PC, at(150));
    assert_eq!(lan.last().destination, Destination { mac: PC, ip: at(150) });

    let mut discover = said(PC, MessageType::Discover);
    discover.header.set_broadcast(true);
    assert_eq!(lan.say(&discover), Ok(()));
    assert_eq!(lan.last().destination, to_all);
    assert!(lan.last().message().header.wants_broadcast());

    let mut renewing = said(PC, MessageType::Request).having(at(150));
    renewing.header.set_broadcast(true);
    assert_eq!(lan.say(&renewing), Ok(()));
    assert_eq!(lan.last().destination, Destination { mac: PC, ip: at(150) }, "ciaddr comes first");
    assert_eq!(lan.last().message().header.ciaddr, at(150));

    assert_eq!(lan.say(&said(TV, MessageType::Request).having(at(150))), Ok(()));
    assert_eq!((lan.last().kind(), lan.last().destination), (MessageType::Nak, to_all));
}

#[test]
fn the_identifier_is_echoed_if_it_can_be_kept() {
    let mut lan = Lan::new(config());
    for (length, is_echoed) in [(1, true), (32, true), (33, false), (250, false)] {
        let identifier = vec![7; length];
        lan.join_with(PC, |said| said.option(OptionCode::CLIENT_IDENTIFIER, &identifier)).expect("joined");
        assert_eq!(lan.last().value(OptionCode::CLIENT_IDENTIFIER), is_echoed.then_some(identifier));
    }
}

#[test]
fn somebody_already_has_the_address() {
    let mut lan = Lan::new(config());
    lan.arp.insert(at(150), NAS);
    assert_eq!(lan.say(&said(PC, MessageType::Discover).asking_for(at(150))), Ok(()));
    lan.run_for_secs(1);
    assert_eq!(lan.events, [Event::Conflict { address: at(150), mac: NAS }]);
    let other = lan.last().yiaddr();
    assert_ne!(other, at(150));
    lan.expect_transcript(&format!(
        "pc -> DISCOVER 192.168.1.150
            probe 192.168.1.150: nas
            probe {other}: nobody
         pc <- OFFER {other}",
    ));
    // For 10 min nobody gets it, then it is tried again.
    assert_eq!(lan.say(&said(TV, MessageType::Discover).asking_for(at(150))), Ok(()));
    lan.run_for_secs(1);
    assert_ne!(lan.last().yiaddr(), at(150));
    lan.arp.clear();
    lan.run_for_secs(600);
    lan.join_at(TV, at(150));
}

/// A host that was set up by hand before keeps its address when it begins to ask.
#[test]
fn a_host_is_no_conflict_with_itself() {
    let mut lan = Lan::new(config());
    lan.arp.insert(at(150), PC);
    lan.join_at(PC, at(150));
    assert_eq!(lan.events, [Event::Granted { address: at(150), mac: PC }]);
}

#[test]
fn where_everything_is_in_use_the_server_gives_up_for_now() {
    let mut lan = Lan::new(config());
    for last in 128..255 {
        lan.arp.insert(at(last), NAS);
    }
    assert_eq!(lan.say(&said(PC, MessageType::Discover)), Ok(()));
    lan.run_for_secs(1);
    assert!(lan.heard.is_empty());
    assert_eq!(lan.events.len(), 4, "four were probed");
    assert_eq!(lan.server.poll_at(), Some(lan.now + Duration::from_secs(599)), "only quarantine is left");
}

#[test]
fn the_same_client_gets_the_same_address() {
    let mut lan = Lan::new(config());
    let first = lan.join(PC).expect("an address");
    assert_eq!(lan.say(&said(PC, MessageType::Release).having(first).server(OWN)), Ok(()));
    assert!(lan.server.lookup_address(first).is_none());
    for number in 0..10 {
        lan.join(host(number)).expect("an address");
        lan.run_for_secs(10);
    }
    lan.forget_transcript();
    // Even if it would like another.
    assert_eq!(lan.say(&said(PC, MessageType::Discover).asking_for(at(250))), Ok(()));
    lan.expect_transcript(&format!(
        "pc -> DISCOVER 192.168.1.250
         pc <- OFFER {first}",
    ));
}

/// The address depends on the client only: a server that has forgotten everything gives the same one.
#[test]
fn a_forgetful_server_gives_the_same_addresses() {
    let addresses = |order: &[u32]| {
        let mut lan = Lan::new(config());
        order
            .iter()
            .map(|number| (*number, lan.join(host(*number)).expect("an address")))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(addresses(&[1, 2, 3]), addresses(&[3, 1, 2]));
}

#[test]
fn a_client_is_known_by_its_identifier() {
    let mut lan = Lan::new(config());
    let laptop = |said: crate::lan::Said| said.option(OptionCode::CLIENT_IDENTIFIER, b"\xffLAPTOP");
    let wireless = lan.join_with(PC, laptop).expect("an address");
    let docked = lan.join_with(TV, laptop).expect("an address");
    assert_eq!(wireless, docked);
    assert_eq!(lan.server.lookup_address(docked).map(gatelet_proto::dhcp::server::Lease::mac), Some(TV));
    assert_ne!(lan.join(PC), Some(docked), "without identifier it is another client");
}

#[test]
fn a_boot_loader_and_its_system_are_one_client() {
    let mut lan = Lan::new(config());
    let loader = lan.join(PC).expect("an address");
    let identifier = [&[1], &PC.0[..]].concat();
    let system = lan.join_with(PC, |said| said.option(OptionCode::CLIENT_IDENTIFIER, &identifier));
    assert_eq!(system, Some(loader));
}

#[test]
fn one_host_gets_four_addresses_and_no_more() {
    let mut lan = Lan::new(config());
    for number in 0..4_u8 {
        let joined = lan.join_with(PC, |said| said.option(OptionCode::CLIENT_IDENTIFIER, &[0, number]));
        assert!(joined.is_some(), "{number}");
    }
    let fifth = said(PC, MessageType::Discover).option(OptionCode::CLIENT_IDENTIFIER, &[0, 4]);
    assert_eq!(lan.say(&fifth), Err(Dropped::TooManyOfOneHost));
}

#[test]
fn a_repeated_discover_gets_the_same_offer() {
    let mut lan = Lan::new(config());
    let discover = said(PC, MessageType::Discover).asking_for(at(150));
    assert_eq!(lan.say(&discover), Ok(()));
    assert_eq!(lan.say(&discover), Ok(()));
    lan.run_for_secs(1);
    assert_eq!(lan.say(&said(PC, MessageType::Discover)), Ok(()));
    lan.expect_transcript(
        "pc -> DISCOVER 192.168.1.150
            probe 192.168.1.150: nobody
         pc -> DISCOVER 192.168.1.150
         pc <- OFFER 192.168.1.150
         pc -> DISCOVER
         pc <- OFFER 192.168.1.150",
    );
}

#[test]
fn an_offer_is_not_made_twice() {
    let mut lan = Lan::new(config());
    lan.say(&said(PC, MessageType::Discover).asking_for(at(150))).unwrap();
    lan.say(&said(TV, MessageType::Discover).asking_for(at(150))).unwrap();
    lan.run_for_secs(1);
    let offered: Vec<_> = lan.heard.iter().map(crate::lan::Heard::yiaddr).collect();
    assert!(offered.len() == 2 && offered[0] == at(150) && offered[1] != at(150), "{offered:?}");
}

// ---- REQUEST (RFC 2131 §4.3.2)

#[test]
fn selecting_another_server() {
    let mut lan = Lan::new(config());
    lan.say(&said(PC, MessageType::Discover).asking_for(at(150))).unwrap();
    lan.run_for_secs(1);
    let request = said(PC, MessageType::Request).asking_for(at(77)).server(at(2));
    assert_eq!(lan.say(&request), Err(Dropped::OtherServer));
    // Ours is free again at once.
    lan.join_at(TV, at(150));
}

#[test]
fn selecting_what_was_never_offered_or_is_offered_no_longer() {
    let mut lan = Lan::new(config());
    let request = said(PC, MessageType::Request).asking_for(at(150)).server(OWN);
    lan.say(&request).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Nak);
    lan.say(&said(PC, MessageType::Discover).asking_for(at(150))).unwrap();
    lan.run_for_secs(16);
    lan.say(&request).unwrap();
    lan.expect_transcript(
        "pc -> REQUEST 192.168.1.150
         pc <- NAK to all
         pc -> DISCOVER 192.168.1.150
            probe 192.168.1.150: nobody
         pc <- OFFER 192.168.1.150
         pc -> REQUEST 192.168.1.150
         pc <- NAK to all",
    );
    let refused = Event::Refused { address: at(150), mac: PC };
    assert_eq!(lan.events, [refused, refused]);
}

#[test]
fn rebooting_with_the_right_address() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.forget_transcript();
    lan.say(&said(PC, MessageType::Request).asking_for(at(150))).unwrap();
    lan.expect_transcript(
        "pc -> REQUEST 192.168.1.150
         pc <- ACK 192.168.1.150",
    );
    assert_eq!(lan.events.last(), Some(&Event::Renewed { address: at(150), mac: PC }));
}

#[test]
fn rebooting_with_a_wrong_address() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.join_at(TV, at(160));
    let wrong = [
        at(151),                           // another than it has
        at(160),                           // another's
        at(1),                             // ours
        at(20),                            // outside of the pool
        at(255),                           // nobody's
        Ipv4Address::new(192, 168, 0, 50), // of another network
        Ipv4Address::new(10, 0, 0, 5),
    ];
    for address in wrong {
        lan.say(&said(PC, MessageType::Request).asking_for(address)).unwrap();
        assert_eq!(lan.last().kind(), MessageType::Nak, "{address}");
        assert_eq!(lan.last().yiaddr(), NOWHERE);
    }
    assert_eq!(
        lan.server.lookup_address(at(150)).map(gatelet_proto::dhcp::server::Lease::mac),
        Some(PC),
        "as before"
    );
}

/// We have lost our memory, or replace another router: nobody has to change its address.
#[test]
fn rebooting_unknown_with_a_free_address() {
    let mut lan = Lan::new(config());
    lan.say(&said(PC, MessageType::Request).asking_for(at(150))).unwrap();
    lan.run_for_secs(1);
    lan.arp.insert(at(151), NAS);
    lan.say(&said(TV, MessageType::Request).asking_for(at(151))).unwrap();
    lan.expect_transcript(
        "pc -> REQUEST 192.168.1.150
            probe 192.168.1.150: nobody
         pc <- ACK 192.168.1.150
         tv -> REQUEST 192.168.1.151
            probe 192.168.1.151: nas
         tv <- NAK to all",
    );
}

#[test]
fn renewing() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.run_for_secs(6 * 3600);
    lan.say(&said(PC, MessageType::Request).having(at(150))).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Ack);
    lan.run_for_secs(11 * 3600);
    assert!(lan.server.lookup_address(at(150)).is_some(), "for 12 h from the renewal on");
    lan.run_for_secs(3601);
    assert!(lan.server.lookup_address(at(150)).is_none());
    assert_eq!(lan.events.last(), Some(&Event::Expired { address: at(150), mac: PC }));
}

#[test]
fn renewing_from_no_address_or_with_our_name() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    let mut odd = said(PC, MessageType::Request).having(at(150)).server(OWN);
    assert_eq!(lan.say(&odd), Ok(()), "it must not name us, and means no harm");
    odd.from = NOWHERE;
    assert_eq!(lan.say(&odd), Ok(()));
    odd.from = at(151);
    assert_eq!(lan.say(&odd), Err(Dropped::SourceAddress));
}

#[test]
fn renewing_unknown_with_a_free_address() {
    let mut lan = Lan::new(config());
    lan.say(&said(PC, MessageType::Request).having(at(150))).unwrap();
    lan.expect_transcript(
        "pc -> REQUEST 192.168.1.150
         pc <- ACK 192.168.1.150",
    );
    assert_eq!(lan.events, [Event::Granted { address: at(150), mac: PC }]);
}

#[test]
fn renewing_what_is_anothers() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.say(&said(TV, MessageType::Request).having(at(150))).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Nak);
    assert_eq!(lan.server.lookup_address(at(150)).map(gatelet_proto::dhcp::server::Lease::mac), Some(PC));
    // Given up, it is still remembered for the one who had it.
    lan.say(&said(PC, MessageType::Release).having(at(150)).server(OWN)).unwrap();
    lan.say(&said(TV, MessageType::Request).having(at(150))).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Nak);
}

// ---- DECLINE, RELEASE, INFORM

#[test]
fn a_declined_address_is_left_alone_for_a_while() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.say(&said(PC, MessageType::Decline).asking_for(at(150)).server(OWN)).unwrap();
    assert_eq!(lan.events.last(), Some(&Event::Declined { address: at(150), mac: PC }));
    let other = lan.join(PC).expect("another address");
    assert_ne!(other, at(150));
    lan.say(&said(TV, MessageType::Request).having(at(150))).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Nak);
    lan.run_for_secs(600);
    lan.say(&said(TV, MessageType::Request).having(at(150))).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Ack);
}

#[test]
fn nobody_declines_or_releases_what_is_anothers() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    let pc = [&[1], &PC.0[..]].concat();
    for kind in [MessageType::Decline, MessageType::Release] {
        let by_other = said(TV, kind).asking_for(at(150)).having(at(150)).server(OWN);
        assert_eq!(lan.say(&by_other), Err(Dropped::NoSuchLease));
        let by_impostor = by_other.option(OptionCode::CLIENT_IDENTIFIER, &pc);
        assert_eq!(lan.say(&by_impostor), Err(Dropped::NoSuchLease));
        let wrong = said(PC, kind).asking_for(at(151)).having(at(151)).server(OWN);
        assert_eq!(lan.say(&wrong), Err(Dropped::NoSuchLease));
        let elsewhere = said(PC, kind).asking_for(at(150)).having(at(150)).server(at(2));
        assert_eq!(lan.say(&elsewhere), Err(Dropped::OtherServer));
    }
    assert_eq!(lan.server.lookup_address(at(150)).map(gatelet_proto::dhcp::server::Lease::mac), Some(PC));
}

#[test]
fn whoever_has_an_address_may_ask_what_else_there_is() {
    let mut lan = Lan::new(config());
    lan.say(&said(NAS, MessageType::Inform).having(at(9))).unwrap();
    let ack = lan.last();
    assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, NOWHERE));
    assert_eq!(ack.destination, Destination { mac: NAS, ip: at(9) });
    assert_eq!(ack.value(OptionCode::LEASE_TIME), None);
    assert_eq!(ack.value(OptionCode::ROUTER), Some(OWN.octets().to_vec()));
    assert!(lan.server.leases().next().is_none() && lan.events.is_empty());
    for elsewhere in [NOWHERE, Ipv4Address::new(10, 0, 0, 9)] {
        let inform = said(NAS, MessageType::Inform).having(elsewhere);
        assert_eq!(lan.say(&inform), Err(Dropped::NoAddress));
    }
}

// ---- Reservations, names, lease times

#[test]
fn a_reserved_address_is_for_its_host() {
    let mut config = config();
    reserve(&mut config, NAS, at(9));
    reserve(&mut config, TV, at(150));
    let mut lan = Lan::new(config);
    assert_eq!(lan.join(NAS), Some(at(9)));
    lan.say(&said(PC, MessageType::Request).asking_for(at(150))).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Nak);
    assert_ne!(lan.join_with(PC, |said| said.asking_for(at(150))), Some(at(150)));
    assert_eq!(lan.join(TV), Some(at(150)));
    // Whatever each of its systems calls itself.
    assert_eq!(lan.join_with(TV, |said| said.option(OptionCode::CLIENT_IDENTIFIER, b"other")), Some(at(150)));
}

#[test]
fn a_reserved_address_that_is_in_use_is_not_given() {
    let mut config = config();
    reserve(&mut config, NAS, at(9));
    let mut lan = Lan::new(config);
    lan.arp.insert(at(9), PC);
    let other = lan.join(NAS).expect("an address of the pool instead");
    assert!(other != at(9) && other >= at(128));
    // Once it can have its own, it is told so when it renews.
    lan.arp.clear();
    lan.say(&said(NAS, MessageType::Request).having(other)).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Ack);
    lan.run_for_secs(600);
    lan.say(&said(NAS, MessageType::Request).having(other)).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Nak);
    assert_eq!(lan.join(NAS), Some(at(9)));
}

/// The address a host has becomes its own for good: it keeps it, whatever it called itself.
#[test]
fn a_reservation_of_the_address_a_host_has() {
    let mut lan = Lan::new(config());
    let named = |said: crate::lan::Said| said.option(OptionCode::CLIENT_IDENTIFIER, b"\xffTV");
    let address = lan.join_with(TV, named).expect("joined");
    let mut config = config();
    reserve(&mut config, TV, address);
    lan.server.set_config(config).unwrap();
    lan.settle();
    lan.say(&named(said(TV, MessageType::Request).having(address))).unwrap();
    assert_eq!(lan.last().kind(), MessageType::Ack);
    assert_eq!(lan.join(TV), Some(address));
    assert_eq!(lan.server.leases().count(), 1);
}

#[test]
fn hosts_are_found_by_name() {
    let mut lan = Lan::new(config());
    let address = lan.join_with(PC, |said| said.called("Wang's PC")).expect("joined");
    assert_eq!(
        lan.server.lookup_name("wang-s-pc").map(gatelet_proto::dhcp::server::Lease::address),
        Some(address)
    );
    assert_eq!(
        lan.server.lookup_name("WANG-S-PC").map(gatelet_proto::dhcp::server::Lease::address),
        Some(address)
    );
    assert!(lan.server.lookup_name("").is_none());
    // Who does not say its name again keeps it.
    lan.say(&said(PC, MessageType::Request).having(address)).unwrap();
    assert!(lan.server.lookup_name("wang-s-pc").is_some());
    lan.say(&said(PC, MessageType::Release).having(address)).unwrap();
    assert!(lan.server.lookup_name("wang-s-pc").is_none());
}

/// Of two leases with one name, the one that joined last: a phone with a new hardware address has its old lease yet.
#[test]
fn a_name_is_whose_who_joined_with_it_last() {
    let named = |said: Said| said.called("phone");
    let mut config = config();
    reserve(&mut config, NAS, at(20));
    let mut lan = Lan::new(config);
    let bearer = |lan: &Lan| lan.server.lookup_name("phone").map(gatelet_proto::dhcp::server::Lease::mac);
    let first = lan.join_with(PC, named).expect("joined");
    lan.run_for_secs(60);
    let second = lan.join_with(TV, named).expect("joined");
    assert_eq!(bearer(&lan), Some(TV));
    assert_eq!(lan.server.lookup_address(first).map(gatelet_proto::dhcp::server::Lease::host_name), Some(""));
    // Two that are there, and renew, do not take it from each other.
    lan.say(&named(said(PC, MessageType::Request).having(first))).unwrap();
    assert_eq!(bearer(&lan), Some(TV));
    // The first one comes back: it is the one that is here.
    assert_eq!(lan.join_with(PC, named), Some(first));
    assert_eq!(bearer(&lan), Some(PC));
    // Gone, it leaves its name to who renews.
    lan.say(&said(PC, MessageType::Release).having(first)).unwrap();
    lan.say(&named(said(TV, MessageType::Request).having(second))).unwrap();
    assert_eq!(bearer(&lan), Some(TV));
    // Nobody takes a name from a host with a reservation.
    lan.join_with(NAS, named).expect("joined");
    lan.join_with(PC, named).expect("joined");
    assert_eq!(bearer(&lan), Some(NAS));
}

#[test]
fn a_lease_is_as_long_as_is_asked_for_within_bounds() {
    let mut lan = Lan::new(config());
    for (asked, given) in [(3600, 3600), (1, 600), (u32::MAX, 7 * 86_400)] {
        lan.join_with(PC, |said| said.option(OptionCode::LEASE_TIME, &asked.to_be_bytes())).unwrap();
        let expected: u32 = given;
        assert_eq!(lan.last().value(OptionCode::LEASE_TIME), Some(expected.to_be_bytes().to_vec()));
    }
}

/// Who asks for less than it had may not hear the answer: what it had is kept for it.
#[test]
fn a_lease_does_not_become_shorter() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    let end = lan.server.lookup_address(at(150)).unwrap().expires_at();
    let shorter = said(PC, MessageType::Request).having(at(150));
    lan.say(&shorter.option(OptionCode::LEASE_TIME, &600_u32.to_be_bytes())).unwrap();
    assert_eq!(lan.last().value(OptionCode::LEASE_TIME), Some(600_u32.to_be_bytes().to_vec()));
    assert_eq!(lan.server.lookup_address(at(150)).unwrap().expires_at(), end);
}

// ---- What is ignored

#[test]
fn what_is_ignored() {
    let mut lan = Lan::new(config());
    let discover = said(PC, MessageType::Discover);
    let changed = |change: fn(&mut Header)| {
        let mut said = discover.clone();
        change(&mut said.header);
        said
    };
    let cases = [
        (changed(|header| header.operation = gatelet_wire::dhcpv4::Operation::Reply), Dropped::NotForServers),
        (changed(|header| header.hardware_type = 6), Dropped::NotEthernet),
        (changed(|header| header.hardware_len = 8), Dropped::NotEthernet),
        (changed(|header| header.giaddr = at(3)), Dropped::Relayed),
        (changed(|header| header.chaddr[5] = 0x77), Dropped::HardwareAddress),
        (said(PC, MessageType::Offer), Dropped::MessageType),
        (said(PC, MessageType::Ack), Dropped::MessageType),
        (said(PC, MessageType::Nak), Dropped::MessageType),
        (said(PC, MessageType::Unknown(10)), Dropped::MessageType),
        (said(PC, MessageType::Request), Dropped::NoAddress),
        (said(PC, MessageType::Decline), Dropped::NoAddress),
        (said(PC, MessageType::Release), Dropped::NoSuchLease),
        (discover.clone().option(OptionCode::REQUESTED_ADDRESS, &[1, 2, 3]), Dropped::Malformed),
    ];
    for (message, reason) in cases {
        let before = lan.server.counters().dropped(reason);
        assert_eq!(lan.say(&message), Err(reason));
        assert_eq!(lan.server.counters().dropped(reason), before + 1, "{reason:?}");
    }
    let mut bootp = discover.clone();
    bootp.options.clear();
    assert_eq!(lan.say(&bootp), Err(Dropped::Bootp));
    assert_eq!(lan.hear_payload(PC, NOWHERE, b"\x01\x01\x06\x00"), Err(Dropped::Malformed));
    for group in [EthernetAddress::BROADCAST, EthernetAddress([1, 0, 0, 0, 0, 1]), EthernetAddress([0; 6])] {
        assert_eq!(lan.say(&said(group, MessageType::Discover)), Err(Dropped::HardwareAddress));
    }
    assert!(lan.heard.is_empty() && lan.events.is_empty());
}

#[test]
fn an_owner_that_sends_nothing_is_not_given_more() {
    let mut lan = Lan::new(config());
    let payload = said(PC, MessageType::Inform).having(at(9)).payload();
    for _ in 0..4 {
        assert_eq!(lan.server.handle_message(lan.now, PC, at(9), &payload), Ok(()));
    }
    assert_eq!(lan.server.handle_message(lan.now, PC, at(9), &payload), Err(Dropped::Busy));
    assert!(lan.server.poll_transmit(&mut [0; MIN_LEN - 1]).is_none(), "kept until there is room");
    lan.settle();
    assert_eq!(lan.heard.len(), 4);
}

// ---- The subnet

#[test]
fn the_subnet_moves() {
    let mut config = config();
    reserve(&mut config, NAS, at(9));
    let mut lan = Lan::new(config);
    lan.join_at(PC, at(150));
    lan.join(NAS).unwrap();
    lan.say(&said(TV, MessageType::Discover)).unwrap();
    lan.forget_transcript();

    let own = Ipv4Address::new(192, 168, 8, 1);
    lan.server.set_config(Config::new(Ipv4Cidr::new(own, 24))).unwrap();
    lan.settle();
    assert!(lan.server.leases().next().is_none());
    lan.say(&said(PC, MessageType::Request).having(at(150))).unwrap();
    lan.say(&said(PC, MessageType::Discover).asking_for(at(150))).unwrap();
    lan.run_for_secs(1);
    let offered = lan.last().yiaddr();
    assert_eq!(offered.octets()[..3], own.octets()[..3]);
    lan.expect_transcript(&format!(
        "withdrawn
         withdrawn
         pc -> REQUEST 192.168.1.150
         pc <- NAK to all
         pc -> DISCOVER 192.168.1.150
            probe {offered}: nobody
         pc <- OFFER {offered}",
    ));
    assert!(lan.flash.is_empty());
}

#[test]
fn what_stays_possible_stays() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.join_at(TV, at(200));
    let mut smaller = config();
    smaller.last = at(199);
    reserve(&mut smaller, NAS, at(180));
    lan.server.set_config(smaller).unwrap();
    lan.settle();
    let left: Vec<_> = lan.server.leases().map(|lease| (lease.address(), lease.mac())).collect();
    assert_eq!(left, [(at(150), PC)]);
}

#[test]
fn configurations_that_are_refused() {
    let good = config();
    let cidr = |last, width| Ipv4Cidr::new(at(last), width);
    assert_eq!(good.check(), Ok(()));
    for width in [0, 7, 31, 32] {
        let wide = Config { address: cidr(1, width), ..good.clone() };
        assert_eq!(wide.check(), Err(ConfigError::PrefixLength), "{width}");
        assert!(Config::new(cidr(1, width)).check().is_err(), "{width}");
    }
    for width in 8..=30 {
        assert_eq!(Config::new(cidr(1, width)).check(), Ok(()), "{width}");
    }
    for last in [0, 255] {
        assert_eq!(Config { address: cidr(last, 24), ..good.clone() }.check(), Err(ConfigError::OwnAddress));
    }
    for (first, last) in [(at(20), at(10)), (at(0), at(9)), (at(200), at(255)), (at(9), OWN)] {
        assert_eq!(Config { first, last, ..good.clone() }.check(), Err(ConfigError::Pool));
    }
    for address in [OWN, at(255), Ipv4Address::new(192, 168, 2, 9)] {
        let mut config = good.clone();
        reserve(&mut config, NAS, address);
        assert_eq!(config.check(), Err(ConfigError::ReservationAddress(address)));
    }
    for second in [Reservation { mac: TV, address: at(9) }, Reservation { mac: NAS, address: at(10) }] {
        let mut config = good.clone();
        reserve(&mut config, NAS, at(9));
        config.reservations.push(second).unwrap();
        assert_eq!(config.check(), Err(ConfigError::ReservedTwice(second.address)));
    }
    let seconds = Duration::from_secs;
    for (min, time, max) in [(0, 600, 900), (700, 600, 900), (600, 900, 700), (600, 600, 1 << 32)] {
        let (lease_time_min, lease_time, lease_time_max) = (seconds(min), seconds(time), seconds(max));
        let config = Config { lease_time_min, lease_time, lease_time_max, ..good.clone() };
        assert_eq!(config.check(), Err(ConfigError::LeaseTime));
    }
    let mut lan = Lan::new(good.clone());
    assert!(lan.server.set_config(Config { first: at(0), ..good.clone() }).is_err());
    assert_eq!(*lan.server.config(), good, "as before");
}

/// A message in the shape some clients give it: an option split in two (RFC 3396).
#[test]
fn a_split_identifier_is_one() {
    let mut lan = Lan::new(config());
    let whole = lan.join_with(PC, |said| said.option(OptionCode::CLIENT_IDENTIFIER, b"abcdef")).unwrap();
    let header = Header::request(1, PC);
    let mut buffer = [0; 600];
    let len = Writer::new(&mut buffer, &header)
        .message_type(MessageType::Discover)
        .push(OptionCode::CLIENT_IDENTIFIER, b"abc")
        .push(OptionCode::CLIENT_IDENTIFIER, b"def")
        .finish()
        .unwrap();
    lan.hear_payload(PC, NOWHERE, &buffer[..len]).unwrap();
    assert_eq!(lan.last().yiaddr(), whole);
}
