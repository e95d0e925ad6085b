//! Hosts that are none, by the thousand.

use gatelet_proto::dhcp::server::{Config, Dropped, Event};
use gatelet_wire::dhcpv4::{MessageType, OptionCode};
use smoltcp::time::Duration;

use crate::lan::{Heard, Lan, OWN, PC, TV, at, config, host, said};

/// 10,000 hosts that only ask, ten a second, while one that is there lives on.
#[test]
fn discovers_of_ten_thousand_hosts() {
    let mut lan = Lan::new(Config {
        lease_time: Duration::from_secs(600),
        lease_time_min: Duration::from_secs(600),
        ..config()
    });
    lan.join_at(PC, at(150));
    for number in 0..10_000 {
        let _ = lan.say(&said(host(number), MessageType::Discover));
        lan.run_for(Duration::from_millis(100));
        if number % 3_000 == 2_999 {
            lan.say(&said(PC, MessageType::Request).having(at(150))).expect("it renews");
            assert_eq!((lan.last().kind(), lan.last().yiaddr()), (MessageType::Ack, at(150)));
        }
    }
    let leases: Vec<_> = lan.server.leases().map(gatelet_proto::dhcp::server::Lease::mac).collect();
    assert_eq!(leases, [PC], "who only asks gets no lease");
    let dropped = |reason| lan.server.counters().dropped(reason);
    assert!(dropped(Dropped::TooManyOffers) > 8_900);
    let offers = lan.heard.iter().filter(|heard| heard.kind() == MessageType::Offer).count();
    assert!(offers <= 1_000 / 15 * 16 + 32, "{offers} offers in 1000 s, 16 in 15 s at most");
    assert!(lan.writes <= 2, "{} writes", lan.writes);
    // When it is over, who comes is served.
    lan.run_for_secs(60);
    assert!(lan.join(TV).is_some());
}

/// 10,000 hosts that take what they are offered.
#[test]
fn leases_of_ten_thousand_hosts() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.run_for_secs(3_600);
    for number in 0..10_000 {
        let before = lan.heard.len();
        if lan.say(&said(host(number), MessageType::Discover)).is_ok() {
            lan.run_for(Duration::from_millis(600));
            let offered = lan.heard[before..].iter().map(crate::lan::Heard::yiaddr).next_back();
            if let Some(address) = offered {
                let request = said(host(number), MessageType::Request).asking_for(address).server(OWN);
                let _ = lan.say(&request);
            }
        }
        lan.run_for(Duration::from_millis(1));
        if number % 1_000 == 999 {
            lan.say(&said(PC, MessageType::Request).having(at(150))).expect("it renews");
            assert_eq!((lan.last().kind(), lan.last().yiaddr()), (MessageType::Ack, at(150)));
        }
    }
    assert_eq!(lan.server.leases().count(), 32, "as many as there are places");
    assert!(lan.server.counters().dropped(Dropped::Exhausted) > 0);
    assert_eq!(lan.server.lookup_address(at(150)).map(gatelet_proto::dhcp::server::Lease::mac), Some(PC));
    // Newcomers had short leases once places were short, so the flood dries up by itself.
    lan.run_for_secs(700);
    assert!(lan.server.leases().count() <= 25, "{}", lan.server.leases().count());
    assert!(lan.join(TV).is_some());
}

#[test]
fn no_more_newcomers_than_allowed() {
    let mut lan = Lan::with_places(Config { newcomers_per_minute: 5, ..config() }, 64);
    let mut granted = 0;
    for number in 0..200 {
        granted += u32::from(lan.join(host(number)).is_some());
        lan.run_for(Duration::from_millis(300));
    }
    // 200 attempts in 61 s or more: 5 at once, and then one each 12 s.
    let elapsed = (lan.now - smoltcp::time::Instant::from_secs(100)).secs();
    assert!(u64::from(granted) <= 5 + elapsed / 12 + 1, "{granted} in {elapsed} s");
    assert!(granted >= 10, "{granted}");
}

/// Who is offered an address gets it, and who would not get it is offered none.
#[test]
fn no_more_are_offered_than_may_come() {
    let mut lan = Lan::with_places(Config { newcomers_per_minute: 5, ..config() }, 64);
    for number in 0..12 {
        let taken = lan.say(&said(host(number), MessageType::Discover));
        assert_eq!(taken.is_ok(), number < 5, "{number}: {taken:?}");
    }
    assert_eq!(lan.server.counters().dropped(Dropped::TooManyNewcomers), 7);
    lan.run_for_secs(1);
    let offers = lan.heard.iter().filter(|heard| heard.kind() == MessageType::Offer);
    let whose = |heard: &Heard| heard.message().header.ethernet_address().expect("an Ethernet's");
    let offers: Vec<_> = offers.map(|heard| (whose(heard), heard.yiaddr())).collect();
    assert_eq!(offers.len(), 5);
    // What was promised goes to nobody else in between, however he asks.
    let stranger = said(host(50), MessageType::Request).having(at(250));
    assert_eq!(lan.say(&stranger), Err(Dropped::TooManyNewcomers));
    for (mac, address) in offers {
        let request = said(mac, MessageType::Request).asking_for(address).server(OWN);
        lan.say(&request).expect("promised");
        assert_eq!((lan.last().kind(), lan.last().yiaddr()), (MessageType::Ack, address));
    }
}

/// A host that is known is not held back by those who are not.
#[test]
fn a_flood_does_not_hold_back_who_is_known() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.say(&said(PC, MessageType::Release).having(at(150))).unwrap();
    for number in 0..40 {
        let _ = lan.say(&said(host(number), MessageType::Discover));
    }
    assert!(lan.server.counters().dropped(Dropped::TooManyOffers) > 0);
    lan.join_at(PC, at(150));
}

#[test]
fn exhaustion_is_silence_and_one_event() {
    let mut lan = Lan::new(Config { first: at(200), last: at(202), ..config() });
    for number in 0..3 {
        lan.join(host(number)).expect("an address");
    }
    lan.forget_transcript();
    for _ in 0..2 {
        assert_eq!(lan.say(&said(PC, MessageType::Discover)), Err(Dropped::Exhausted));
    }
    lan.expect_transcript(
        "pc -> DISCOVER
            (exhausted)
            exhausted
         pc -> DISCOVER
            (exhausted)",
    );
    assert_eq!(lan.server.counters().dropped(Dropped::Exhausted), 2);
    // One leaves; its address is the only one to give.
    let address = lan.server.leases().next().unwrap().address();
    let mac = lan.server.leases().next().unwrap().mac();
    lan.say(&said(mac, MessageType::Release).having(address)).unwrap();
    assert_eq!(lan.join(PC), Some(address));
    assert_eq!(lan.events.iter().filter(|event| **event == Event::Exhausted).count(), 1);
}

#[test]
fn what_was_given_up_longest_ago_is_given_away_first() {
    let mut lan = Lan::with_places(Config { first: at(200), last: at(203), ..config() }, 4);
    let mut addresses = Vec::new();
    for number in 0..4 {
        addresses.push(lan.join(host(number)).expect("an address"));
    }
    for number in [2, 0, 3] {
        let address = addresses[number];
        let mac = host(u32::try_from(number).unwrap());
        lan.say(&said(mac, MessageType::Release).having(address)).unwrap();
        lan.run_for_secs(10);
    }
    assert_eq!(lan.join(PC), Some(addresses[2]));
    assert_eq!(lan.join(TV), Some(addresses[0]));
    assert_eq!(lan.join(host(3)), Some(addresses[3]), "the last one was kept for who had it");
}

/// 10,000 hosts that say they have an address, and want to keep it.
#[test]
fn renewals_of_ten_thousand_strangers() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    for number in 0..10_000 {
        let address = at(u8::try_from(128 + number % 127).unwrap());
        let request = said(host(number), MessageType::Request);
        let _ = lan.say(&if number % 2 == 0 { request.having(address) } else { request.asking_for(address) });
        lan.run_for(Duration::from_millis(600));
        if number % 1_000 == 999 {
            lan.say(&said(PC, MessageType::Request).having(at(150))).expect("it renews");
            assert_eq!((lan.last().kind(), lan.last().yiaddr()), (MessageType::Ack, at(150)));
        }
    }
    assert_eq!(lan.server.leases().count(), 32, "as many as there are places");
    assert!(lan.server.counters().dropped(Dropped::Exhausted) > 0);
    assert_eq!(lan.server.lookup_address(at(150)).map(gatelet_proto::dhcp::server::Lease::mac), Some(PC));
}

/// Of two hosts that remember an address, the one that has it is the only one that is remembered.
#[test]
fn an_address_is_remembered_once() {
    let mut lan = Lan::with_places(Config { first: at(200), last: at(201), ..config() }, 4);
    let first = lan.join(PC).expect("an address");
    let second = lan.join(TV).expect("the other");
    lan.say(&said(TV, MessageType::Release).having(second)).unwrap();
    lan.run_for_secs(10);
    lan.say(&said(PC, MessageType::Release).having(first)).unwrap();
    // A third would get the address given up longest ago, but somebody has it, and the other one too.
    lan.arp.insert(second, host(99));
    assert_eq!(lan.join(host(1)), Some(first));
    lan.say(&said(host(1), MessageType::Release).having(first)).unwrap();
    // Who had the one that is in use gets the one that two have had by now.
    assert_eq!(lan.join(TV), Some(first));
    let remembered: Vec<_> =
        lan.flash.values().map(gatelet_proto::dhcp::server::LeaseRecord::address).collect();
    assert_eq!(remembered, [first], "{:?}", lan.flash);
}

/// A client that changes its name with each renewal must not wear out the flash.
#[test]
fn records_are_written_no_faster_than_flash_can_take() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    for number in 0..3_600 {
        let name = format!("name-{number}");
        lan.say(&said(PC, MessageType::Request).having(at(150)).called(&name)).unwrap();
        lan.run_for_secs(1);
    }
    assert!(lan.writes <= 32 + 6 * 61, "{} writes in an hour", lan.writes);
    lan.run_for_secs(60);
    let stored = lan.server.lookup_name("name-3599").is_some();
    assert!(stored && lan.server.poll_store(lan.now).is_none(), "the last word is written");
}

/// A renewal for as long as before writes nothing.
#[test]
fn renewals_cost_no_writes() {
    let mut lan = Lan::new(config());
    lan.join_with(PC, |said| said.called("pc")).unwrap();
    let address = lan.last().yiaddr();
    for _ in 0..100 {
        lan.run_for_secs(6 * 3600);
        lan.say(&said(PC, MessageType::Request).having(address).called("pc")).unwrap();
    }
    assert_eq!(lan.writes, 1);
    let asked = said(PC, MessageType::Request).having(address);
    lan.say(&asked.option(OptionCode::LEASE_TIME, &86_400_u32.to_be_bytes())).unwrap();
    assert_eq!(lan.writes, 2, "a longer lease is another record");
}
