//! The client in each of its states, with a server that is played.

use gatelet_proto::dhcp::client::{ClientIdentifier, Config, Dropped, Event, Lease, Phase, Times};
use gatelet_wire::dhcpv4::{Header, MessageType, Operation, OptionCode, Route};
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use smoltcp::time::{Duration, Instant};

use crate::link::{Link, OTHER_SERVER, ROUTER, SERVER, Says, wan};

const NOWHERE: Ipv4Address = Ipv4Address::UNSPECIFIED;

#[test]
fn from_nothing_to_an_address() {
    let mut link = Link::new();
    link.up();
    link.hear(&link.offer()).unwrap();
    link.hear(&link.ack()).unwrap();
    assert_eq!((link.client.phase(), link.client.lease()), (Phase::Checking, None), "not yet");
    link.client.accept();
    link.settle();
    link.expect_transcript(
        "-> all DISCOVER (1)
         <- OFFER 100.64.0.9
         -> all REQUEST 100.64.0.9 (1)
         <- ACK 100.64.0.9
            Check { address: 100.64.0.9 }
            Bound",
    );
    let lease = link.client.lease().expect("bound");
    assert_eq!(lease.address, Ipv4Cidr::new(wan(9), 24));
    assert_eq!((lease.router, lease.server), (Some(SERVER), SERVER));
    assert_eq!(lease.dns_servers, [SERVER, OTHER_SERVER]);
    assert!(lease.routes.is_empty() && lease.captive_portal_uri.is_empty() && lease.mtu.is_none());
    let request = link.last();
    assert_eq!(request.value(OptionCode::SERVER_IDENTIFIER), Some(SERVER.octets().to_vec()));
    assert_eq!(request.header().ciaddr, NOWHERE);
    assert_eq!(request.header().xid, link.sent[0].header().xid);
    assert_eq!(link.client.expires_at(), Some(request.at + Duration::from_secs(3600)));
}

#[test]
fn what_a_client_says_about_itself() {
    let mut link = Link::new();
    link.up();
    let discover = link.last();
    assert_eq!(discover.value(OptionCode::CLIENT_IDENTIFIER), Some([&[1], &ROUTER.0[..]].concat()));
    assert_eq!(
        discover.value(OptionCode::PARAMETER_REQUEST_LIST),
        Some(vec![1, 121, 3, 6, 15, 26, 28, 42, 51, 54, 58, 59, 114])
    );
    assert_eq!(discover.value(OptionCode::MAX_MESSAGE_SIZE), Some(1500_u16.to_be_bytes().to_vec()));
    assert_eq!(discover.value(OptionCode::HOST_NAME), None);
    assert_eq!(discover.value(OptionCode::VENDOR_CLASS), None);
    assert!(!discover.header().wants_broadcast());

    let mut config = Config::new(ROUTER);
    config.identifier = ClientIdentifier::Omitted;
    config.host_name = "gate".try_into().unwrap();
    config.vendor_class = heapless::Vec::from_slice(b"carrier-box").unwrap();
    config.wants_broadcast = true;
    let mut link = Link::with_config(config.clone());
    link.up();
    assert_eq!(link.last().value(OptionCode::CLIENT_IDENTIFIER), None);
    assert_eq!(link.last().value(OptionCode::HOST_NAME), Some(b"gate".to_vec()));
    assert_eq!(link.last().value(OptionCode::VENDOR_CLASS), Some(b"carrier-box".to_vec()));
    assert!(link.last().header().wants_broadcast());

    config.identifier = ClientIdentifier::Other(heapless::Vec::from_slice(b"\0user@carrier").unwrap());
    let mut link = Link::with_config(config);
    link.up();
    assert_eq!(link.last().value(OptionCode::CLIENT_IDENTIFIER), Some(b"\0user@carrier".to_vec()));
}

/// 4 s, doubling to 64 s, up to a second more or less (RFC 2131 §4.1).
#[test]
fn nobody_answers() {
    let mut link = Link::new();
    link.up();
    link.run_for_secs(1_000);
    let times: Vec<_> = link.sent.iter().map(|sent| sent.at).collect();
    let waits: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).total_millis()).collect();
    let expected = [4, 8, 16, 32, 64, 64, 64, 64];
    for (index, wait) in waits.iter().enumerate() {
        let expected: u64 = expected[index.min(7)] * 1000;
        assert!(wait.abs_diff(expected) <= 1000, "{index}: {wait}");
    }
    assert!(waits.len() > 15 && waits.iter().any(|wait| wait % 1000 != 0), "{waits:?}");
    assert!(link.sent.iter().all(|sent| sent.header().xid == link.sent[0].header().xid));
    assert_eq!(link.sent.last().map(|sent| sent.out.attempt), u8::try_from(link.sent.len()).ok());
    let secs = link.last().header().secs;
    assert_eq!(u64::from(secs), (link.last().at - link.sent[0].at).secs());
}

/// The REQUEST repeats the `secs` of its DISCOVER (RFC 2131 §3.1).
#[test]
fn the_second_discover_is_answered() {
    let mut link = Link::new();
    link.up();
    link.run_for_secs(7);
    link.hear(&link.offer()).unwrap();
    let secs = link.sent[1].header().secs;
    assert!((3..=5).contains(&secs));
    assert_eq!(link.last().header().secs, secs);
    link.expect_transcript(
        "-> all DISCOVER (1)
         -> all DISCOVER (2)
         <- OFFER 100.64.0.9
         -> all REQUEST 100.64.0.9 (1)",
    );
}

#[test]
fn a_server_that_offers_and_falls_silent() {
    let mut link = Link::new();
    link.up();
    link.hear(&link.offer()).unwrap();
    let asked_at = link.now;
    while link.last().out.message_type == MessageType::Request {
        link.run_for_secs(1);
    }
    let waited = (link.last().at - asked_at).total_millis();
    assert!((56_000..=64_000).contains(&waited), "{waited}");
    link.expect_transcript(
        "-> all DISCOVER (1)
         <- OFFER 100.64.0.9
         -> all REQUEST 100.64.0.9 (1)
         -> all REQUEST 100.64.0.9 (2)
         -> all REQUEST 100.64.0.9 (3)
         -> all REQUEST 100.64.0.9 (4)
         -> all DISCOVER (1)",
    );
    assert_ne!(link.last().header().xid, link.sent[0].header().xid, "a new exchange");
}

#[test]
fn an_offer_is_taken_back() {
    let mut link = Link::new();
    link.up();
    link.hear(&link.offer()).unwrap();
    link.hear(&link.nak()).unwrap();
    link.run_for(Duration::ZERO);
    link.expect_transcript(
        "-> all DISCOVER (1)
         <- OFFER 100.64.0.9
         -> all REQUEST 100.64.0.9 (1)
         <- NAK
         -> all DISCOVER (1)",
    );
    assert!(link.events.is_empty(), "there was nothing to lose");
}

/// A server that offers and refuses, over and over, at line speed.
#[test]
fn a_mad_server_is_not_asked_all_the_time() {
    let mut link = Link::new();
    link.up();
    let mut waits = Vec::new();
    for _ in 0..9 {
        link.hear(&link.offer()).unwrap();
        link.hear(&link.nak()).unwrap();
        let refused_at = link.now;
        while link.client.phase() == Phase::Init {
            link.run_for(Duration::from_millis(100));
        }
        waits.push((link.last().at - refused_at).secs());
    }
    assert_eq!(waits, [0, 2, 4, 8, 16, 32, 64, 64, 64]);
}

#[test]
fn the_owner_says_nothing_about_the_address() {
    let mut link = Link::new();
    link.up();
    link.hear(&link.offer()).unwrap();
    link.hear(&link.ack()).unwrap();
    link.run_for(Duration::from_millis(1999));
    assert_eq!(link.client.phase(), Phase::Checking);
    link.run_for(Duration::from_millis(1));
    assert_eq!((link.client.phase(), link.events.last()), (Phase::Bound, Some(&Event::Bound)));
}

/// Whoever looks after the client late finds it up to date after one call.
#[test]
fn an_owner_comes_late() {
    for (late, phase) in [(1801, Phase::Renewing), (3200, Phase::Rebinding), (4000, Phase::Selecting)] {
        let mut link = Link::new();
        link.up();
        link.hear(&link.offer()).unwrap();
        link.hear(&link.ack()).unwrap();
        link.now += Duration::from_secs(late);
        link.client.handle_timeout(link.now, &mut link.rng);
        link.settle();
        assert_eq!(link.client.phase(), phase);
        assert!(link.client.poll_at() > Some(link.now));
    }
}

#[test]
fn somebody_has_the_address() {
    let mut link = Link::new();
    link.up();
    link.hear(&link.offer()).unwrap();
    link.hear(&link.ack()).unwrap();
    link.client.decline(link.now, &mut link.rng);
    link.settle();
    let decline = link.last().clone();
    link.run_for(Duration::from_millis(9_999));
    assert_eq!(link.last().at, decline.at, "ten seconds of silence");
    link.run_for(Duration::from_millis(1));
    link.expect_transcript(
        "-> all DISCOVER (1)
         <- OFFER 100.64.0.9
         -> all REQUEST 100.64.0.9 (1)
         <- ACK 100.64.0.9
            Check { address: 100.64.0.9 }
         -> all DECLINE 100.64.0.9 (1)
         -> all DISCOVER (1)",
    );
    assert_eq!(decline.header().ciaddr, NOWHERE);
    assert_eq!(decline.value(OptionCode::SERVER_IDENTIFIER), Some(SERVER.octets().to_vec()));
    assert_eq!(decline.value(OptionCode::PARAMETER_REQUEST_LIST), None);
}

#[test]
fn somebody_takes_the_address_later() {
    let mut link = Link::bound();
    link.client.decline(link.now, &mut link.rng);
    link.settle();
    link.expect_transcript(
        "-> all DECLINE 100.64.0.9 (1)
            Lost(Conflict)",
    );
    assert_eq!((link.client.phase(), link.client.lease()), (Phase::Init, None));
}

// ---- INIT-REBOOT

#[test]
fn an_address_of_before_is_still_good() {
    let mut link = Link::new();
    link.client.remember(wan(9));
    link.up();
    assert_eq!(link.client.phase(), Phase::Rebooting);
    assert_eq!(link.last().value(OptionCode::SERVER_IDENTIFIER), None);
    // Any server may say so.
    link.hear(&link.ack().option(OptionCode::SERVER_IDENTIFIER, &OTHER_SERVER.octets())).unwrap();
    link.client.accept();
    link.settle();
    link.expect_transcript(
        "-> all REQUEST 100.64.0.9 (1)
         <- ACK 100.64.0.9
            Check { address: 100.64.0.9 }
            Bound",
    );
    assert_eq!(link.client.lease().map(|lease| lease.server), Some(OTHER_SERVER));
}

#[test]
fn an_address_of_before_is_refused() {
    let mut link = Link::new();
    link.client.remember(wan(9));
    link.up();
    link.hear(&link.nak()).unwrap();
    link.run_for(Duration::ZERO);
    link.expect_transcript(
        "-> all REQUEST 100.64.0.9 (1)
         <- NAK
         -> all DISCOVER (1)",
    );
}

#[test]
fn nobody_knows_the_address_of_before() {
    let mut link = Link::new();
    link.client.remember(wan(9));
    link.up();
    link.run_for_secs(14);
    link.expect_transcript(
        "-> all REQUEST 100.64.0.9 (1)
         -> all REQUEST 100.64.0.9 (2)
         -> all DISCOVER 100.64.0.9 (1)",
    );
}

#[test]
fn the_link_goes_down_and_up() {
    let mut link = Link::bound();
    link.client.link_down();
    link.settle();
    assert_eq!((link.client.phase(), link.client.poll_at()), (Phase::Idle, None));
    link.run_for_secs(100);
    link.client.link_up(link.now, &mut link.rng);
    link.settle();
    link.client.link_up(link.now, &mut link.rng); // of no effect
    link.settle();
    link.expect_transcript(
        "Lost(LinkDown)
         -> all REQUEST 100.64.0.9 (1)",
    );
    assert_eq!(link.hear(&link.ack()), Ok(()));
    link.client.link_down();
    link.settle();
    assert_eq!(link.events.iter().filter(|event| matches!(event, Event::Lost(_))).count(), 1);
}

/// A street has its power back: not everybody speaks in the same moment.
#[test]
fn the_first_message_waits_up_to_a_second() {
    let mut times = Vec::new();
    for seed in 0..20 {
        let mut link = Link::new();
        link.rng = rand_core::SeedableRng::seed_from_u64(seed);
        link.up();
        times.push((link.sent[0].at - Instant::from_secs(50)).total_millis());
    }
    assert!(times.iter().all(|time| *time <= 1_000));
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() > 500, "{times:?}");
}

// ---- BOUND, RENEWING, REBINDING

#[test]
fn a_lease_is_renewed_at_half_time() {
    let mut link = Link::bound();
    let bound_at = link.sent[1].at;
    link.run_for_secs(1800);
    link.expect_transcript("-> server REQUEST from 100.64.0.9 (1)");
    let request = link.last().clone();
    let after = (request.at - bound_at).secs();
    assert!((1800 - 1800 / 32 - 1..=1800).contains(&after), "{after}");
    assert_eq!(request.header().ciaddr, wan(9));
    assert_eq!(request.value(OptionCode::SERVER_IDENTIFIER), None);
    assert_eq!((request.out.source, request.out.destination), (wan(9), SERVER));
    link.hear(&link.ack()).unwrap();
    link.expect_transcript(
        "<- ACK 100.64.0.9
            Renewed { is_changed: false }",
    );
    assert_eq!(link.client.expires_at(), Some(request.at + Duration::from_secs(3600)));
    link.run_for_secs(1800);
    link.hear(&link.ack().option(OptionCode::DOMAIN_NAME_SERVER, &[9, 9, 9, 9])).unwrap();
    assert_eq!(link.events.last(), Some(&Event::Renewed { is_changed: true }));
    let lease = link.client.lease().unwrap();
    assert_eq!(lease.dns_servers, [Ipv4Address::new(9, 9, 9, 9)]);
}

#[test]
fn the_server_has_gone_and_another_takes_over() {
    let mut link = Link::bound();
    let start = link.sent[1].at;
    link.run_for_secs(3200);
    // Half of what is left to T2 each time, 60 s at least; then everybody is asked.
    let times: Vec<_> = link.sent[2..]
        .iter()
        .map(|sent| ((sent.at - start).secs(), sent.out.destination == SERVER))
        .collect();
    assert_eq!(times.iter().filter(|(_, to_server)| *to_server).count(), 6, "{times:?}");
    let (first_of_all, _) = times.iter().find(|(_, to_server)| !to_server).unwrap();
    assert_eq!(*first_of_all, 3150);
    assert_eq!(link.client.phase(), Phase::Rebinding);
    let other = link.ack().option(OptionCode::SERVER_IDENTIFIER, &OTHER_SERVER.octets());
    link.hear(&other).unwrap();
    assert_eq!(link.events.last(), Some(&Event::Renewed { is_changed: true }));
    assert_eq!(link.client.lease().map(|lease| lease.server), Some(OTHER_SERVER));
}

#[test]
fn nobody_renews_the_lease() {
    let mut link = Link::bound();
    let end = link.client.expires_at().unwrap();
    link.run_for(end - link.now - Duration::from_micros(1));
    assert!(link.client.lease().is_some());
    link.forget_transcript();
    link.run_for(Duration::from_micros(1));
    link.expect_transcript(
        "-> all DISCOVER 100.64.0.9 (1)
            Lost(Expired)",
    );
    assert!(link.client.lease().is_none());
    let renewals = &link.sent[2..link.sent.len() - 1];
    let to_one = renewals.windows(2).filter(|pair| pair[0].out.destination == pair[1].out.destination);
    assert!(to_one.clone().count() > 5);
    assert!({ to_one }.all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(60)));
}

#[test]
fn the_server_refuses_to_renew() {
    let mut link = Link::bound();
    link.run_for_secs(1800);
    link.hear(&link.nak()).unwrap();
    link.run_for(Duration::ZERO);
    link.expect_transcript(
        "-> server REQUEST from 100.64.0.9 (1)
         <- NAK
            Lost(Refused)
         -> all DISCOVER (1)",
    );
}

#[test]
fn only_the_server_that_was_asked_may_answer() {
    let by_other = |says: Says| says.option(OptionCode::SERVER_IDENTIFIER, &OTHER_SERVER.octets());
    let mut link = Link::new();
    link.up();
    link.hear(&link.offer()).unwrap();
    assert_eq!(link.hear(&by_other(link.ack())), Err(Dropped::Server));
    assert_eq!(link.hear(&by_other(link.nak())), Err(Dropped::Server));
    assert_eq!(link.hear(&link.nak().without(OptionCode::SERVER_IDENTIFIER)), Err(Dropped::Server));
    link.hear(&link.ack()).unwrap();
    let mut link = Link::bound();
    link.run_for_secs(1800);
    assert_eq!(link.hear(&by_other(link.ack())), Err(Dropped::Server));
    assert_eq!(link.hear(&by_other(link.nak())), Err(Dropped::Server));
    assert_eq!(link.client.phase(), Phase::Renewing);
    assert_eq!(link.hear(&link.ack().address(wan(10))), Err(Dropped::Address), "it is not for us to move");
}

#[test]
fn an_owner_may_renew_early() {
    let mut link = Link::bound();
    link.client.renew(link.now, &mut link.rng);
    link.settle();
    link.hear(&link.ack()).unwrap();
    link.expect_transcript(
        "-> server REQUEST from 100.64.0.9 (1)
         <- ACK 100.64.0.9
            Renewed { is_changed: false }",
    );
}

#[test]
fn a_lease_for_ever() {
    let mut link = Link::new();
    link.up();
    let forever = |says: Says| says.seconds(OptionCode::LEASE_TIME, u32::MAX);
    link.hear(&forever(link.offer())).unwrap();
    link.hear(&forever(link.ack())).unwrap();
    link.client.accept();
    link.settle();
    assert_eq!(link.client.lease().map(|lease| lease.times), Some(Times::Infinite));
    assert_eq!((link.client.poll_at(), link.client.expires_at()), (None, None));
    // Who asks for more of it and hears nothing leaves it at that.
    link.client.renew(link.now, &mut link.rng);
    link.settle();
    link.run_for_secs(1_000_000);
    assert_eq!(link.client.phase(), Phase::Bound);
    assert_eq!(link.sent.len(), 2 + 4);
}

#[test]
fn times_that_contradict_themselves() {
    let times = |renewal: Option<u32>, rebinding: Option<u32>| {
        let mut link = Link::new();
        link.up();
        link.hear(&link.offer()).unwrap();
        let mut ack = link.ack();
        if let Some(seconds) = renewal {
            ack = ack.seconds(OptionCode::RENEWAL_TIME, seconds);
        }
        if let Some(seconds) = rebinding {
            ack = ack.seconds(OptionCode::REBINDING_TIME, seconds);
        }
        link.hear(&ack).unwrap();
        link.client.accept();
        match link.client.lease().map(|lease| lease.times) {
            Some(Times::Finite { renewal, rebinding, end }) => (renewal.secs(), rebinding.secs(), end.secs()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(times(None, None), (1800, 3150, 3600));
    assert_eq!(times(Some(600), Some(1200)), (600, 1200, 3600));
    assert_eq!(times(Some(600), None), (600, 3150, 3600));
    assert_eq!(times(Some(1200), Some(600)), (1800, 3150, 3600));
    assert_eq!(times(Some(0), Some(600)), (1800, 3150, 3600));
    assert_eq!(times(Some(600), Some(3600)), (1800, 3150, 3600));
    assert_eq!(times(Some(u32::MAX), Some(u32::MAX)), (1800, 3150, 3600));
}

// ---- Release

#[test]
fn hanging_up() {
    let mut link = Link::bound();
    link.client.release(&mut link.rng);
    link.settle();
    let release = link.last();
    assert_eq!((release.out.source, release.out.destination), (wan(9), SERVER));
    assert_eq!(release.header().ciaddr, wan(9));
    assert_eq!(release.value(OptionCode::SERVER_IDENTIFIER), Some(SERVER.octets().to_vec()));
    assert_eq!((link.client.phase(), link.client.lease()), (Phase::Idle, None));
    link.run_for_secs(100_000);
    link.client.link_up(link.now, &mut link.rng);
    link.run_for_secs(1);
    // It is given back: it may be asked for again, but not taken for ours.
    link.expect_transcript(
        "-> server RELEASE from 100.64.0.9 (1)
         -> all DISCOVER 100.64.0.9 (1)",
    );
    link.client.release(&mut link.rng);
    link.settle();
    assert_eq!(link.last().out.message_type, MessageType::Discover, "there is nothing to give back");
}

// ---- What is offered

/// The lease that comes of an offer and an ACK with the same changes.
fn lease_of(change: impl Fn(Says) -> Says) -> Result<Lease, Dropped> {
    let mut link = Link::new();
    link.up();
    link.hear(&change(link.offer()))?;
    link.hear(&change(link.ack()))?;
    link.client.accept();
    Ok(link.client.lease().expect("bound").clone())
}

#[test]
fn addresses_that_no_host_can_have() {
    let bad = [[0, 0, 0, 9], [127, 0, 0, 9], [224, 0, 0, 9], [240, 0, 0, 9], [255, 255, 255, 255]];
    for octets in bad {
        let address = Ipv4Address::from(octets);
        assert_eq!(lease_of(|says| says.address(address)), Err(Dropped::Address), "{address}");
        let server = lease_of(|says| says.option(OptionCode::SERVER_IDENTIFIER, &octets));
        assert_eq!(server, Err(Dropped::Server), "{address}");
        let router = lease_of(|says| says.option(OptionCode::ROUTER, &octets));
        assert_eq!(router, Err(Dropped::Router), "{address}");
        let dns = lease_of(|says| says.option(OptionCode::DOMAIN_NAME_SERVER, &octets));
        assert!(dns.unwrap().dns_servers.is_empty(), "{address}");
    }
    for last in [0, 255] {
        assert_eq!(lease_of(|says| says.address(wan(last))), Err(Dropped::Address));
    }
}

#[test]
fn masks() {
    let prefix = |mask: [u8; 4]| {
        lease_of(|says| says.without(OptionCode::ROUTER).option(OptionCode::SUBNET_MASK, &mask))
            .map(|lease| lease.address.prefix_len())
    };
    assert_eq!(prefix([255, 255, 0, 0]), Ok(16));
    assert_eq!(prefix([255, 255, 255, 254]), Ok(31));
    assert_eq!(prefix([255, 255, 255, 255]), Ok(32));
    assert_eq!(prefix([255, 0, 255, 0]), Err(Dropped::SubnetMask));
    assert_eq!(prefix([0, 0, 0, 0]), Err(Dropped::SubnetMask));
    let class = |address: [u8; 4]| {
        lease_of(|says| {
            says.without(OptionCode::ROUTER).without(OptionCode::SUBNET_MASK).address(address.into())
        })
        .map(|lease| lease.address.prefix_len())
    };
    assert_eq!(class([10, 1, 2, 3]), Ok(8));
    assert_eq!(class([172, 16, 0, 9]), Ok(16));
    assert_eq!(class([192, 168, 1, 9]), Ok(24));
}

#[test]
fn routers() {
    let router =
        |routers: &[u8]| lease_of(|says| says.option(OptionCode::ROUTER, routers)).map(|it| it.router);
    assert_eq!(router(&[100, 64, 0, 7]), Ok(Some(wan(7))));
    assert_eq!(router(&[10, 0, 0, 1, 100, 64, 0, 7]), Ok(Some(wan(7))), "the first that can be reached");
    assert_eq!(router(&[10, 0, 0, 1]), Err(Dropped::Router));
    assert_eq!(router(&[100, 64, 0, 9]), Err(Dropped::Router), "that is us");
    assert_eq!(lease_of(|says| says.without(OptionCode::ROUTER)).map(|lease| lease.router), Ok(None));
    let alone = lease_of(|says| {
        says.option(OptionCode::SUBNET_MASK, &[255; 4]).option(OptionCode::ROUTER, &[10, 0, 0, 1])
    });
    assert_eq!(alone.map(|lease| lease.router), Ok(Some(Ipv4Address::new(10, 0, 0, 1))), "a /32 has no link");
}

#[test]
fn classless_routes_count_instead_of_routers() {
    let route = |destination: [u8; 4], width, router: [u8; 4]| Route {
        destination: Ipv4Cidr::new(destination.into(), width),
        router: router.into(),
    };
    let with = |routes: &[Route]| {
        lease_of(|says| Says { routes: routes.to_vec(), ..says })
            .map(|lease| (lease.router, lease.routes.to_vec()))
    };
    let default = route([0; 4], 0, [100, 64, 0, 7]);
    let near = route([10, 0, 0, 0], 8, [100, 64, 0, 3]);
    assert_eq!(with(&[near, default]), Ok((Some(wan(7)), vec![near])));
    assert_eq!(with(&[near]), Ok((None, vec![near])), "option 3 does not count");
    let far = route([10, 0, 0, 0], 8, [172, 16, 0, 1]);
    assert_eq!(with(&[far, default]), Ok((Some(wan(7)), vec![])), "its router is nowhere");
    let on_link = route([172, 16, 0, 0], 12, [0; 4]);
    assert_eq!(with(&[far, on_link]), Ok((None, vec![far, on_link])));
    assert_eq!(with(&[route([0; 4], 0, [172, 16, 0, 1])]), Err(Dropped::Router));
    let many: Vec<_> = (0..12).map(|last| route([10, 0, last, 0], 24, [100, 64, 0, 3])).collect();
    assert_eq!(with(&many).map(|(_, routes)| routes), Ok(many[..8].to_vec()));
    let cut = lease_of(|says| says.option(OptionCode::CLASSLESS_ROUTES, &[24, 10, 0]));
    assert_eq!(cut, Err(Dropped::Malformed));
}

#[test]
fn what_else_is_told() {
    let lease = lease_of(|says| {
        says.option(OptionCode::CAPTIVE_PORTAL, b"https://portal.example/api")
            .option(OptionCode::DOMAIN_NAME, b"carrier.example")
            .option(OptionCode::INTERFACE_MTU, &1480_u16.to_be_bytes())
            .option(OptionCode::NTP_SERVERS, &[100, 64, 0, 5])
            .option(
                OptionCode::DOMAIN_NAME_SERVER,
                &[1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4],
            )
    })
    .unwrap();
    assert_eq!(lease.captive_portal_uri, "https://portal.example/api");
    assert_eq!(lease.domain_name, "carrier.example");
    assert_eq!((lease.mtu, lease.ntp_servers.to_vec()), (Some(1480), vec![wan(5)]));
    let dns: Vec<_> = lease.dns_servers.iter().map(ToString::to_string).collect();
    assert_eq!(dns, ["1.1.1.1", "2.2.2.2", "3.3.3.3"]);

    let lease = lease_of(|says| {
        says.option(OptionCode::CAPTIVE_PORTAL, b"https://x\r\nHost: y")
            .option(OptionCode::INTERFACE_MTU, &68_u16.to_be_bytes())
            .option(OptionCode::DOMAIN_NAME, &[b'd'; 200])
    })
    .unwrap();
    assert_eq!((lease.captive_portal_uri.as_str(), lease.mtu), ("", None));
    assert_eq!(lease.domain_name.len(), 63);
}

#[test]
fn leases_without_or_with_hardly_any_time() {
    let timed = |seconds| lease_of(|says| says.seconds(OptionCode::LEASE_TIME, seconds)).map(drop);
    assert_eq!(lease_of(|says| says.without(OptionCode::LEASE_TIME)).map(drop), Err(Dropped::LeaseTime));
    assert_eq!((timed(0), timed(9)), (Err(Dropped::LeaseTime), Err(Dropped::LeaseTime)));
    assert_eq!((timed(10), timed(u32::MAX - 1)), (Ok(()), Ok(())));
}

#[test]
fn what_is_ignored() {
    let mut link = Link::new();
    link.up();
    let offer = link.offer();
    let changed = |change: fn(&mut Header)| {
        let mut says = offer.clone();
        change(&mut says.header);
        says
    };
    let cases = [
        (changed(|header| header.operation = Operation::Request), Dropped::NotForClients),
        (changed(|header| header.xid ^= 1), Dropped::TransactionId),
        (changed(|header| header.chaddr[0] ^= 2), Dropped::HardwareAddress),
        (changed(|header| header.hardware_type = 6), Dropped::HardwareAddress),
        (offer.clone().option(OptionCode::CLIENT_IDENTIFIER, b"other"), Dropped::ClientIdentifier),
        (Says { message_type: MessageType::Unknown(9), ..offer.clone() }, Dropped::MessageType),
        (Says { message_type: MessageType::Ack, ..offer.clone() }, Dropped::NotAwaited),
        (Says { message_type: MessageType::Nak, ..offer.clone() }, Dropped::NotAwaited),
        (offer.clone().without(OptionCode::SERVER_IDENTIFIER), Dropped::Server),
    ];
    for (says, reason) in cases {
        let before = link.client.counters().dropped(reason);
        assert_eq!(link.hear(&says), Err(reason));
        assert_eq!(link.client.counters().dropped(reason), before + 1, "{reason:?}");
    }
    assert_eq!(link.hear_payload(b"\x02"), Err(Dropped::Malformed));
    let own = [&[1], &ROUTER.0[..]].concat();
    assert_eq!(link.hear(&offer.option(OptionCode::CLIENT_IDENTIFIER, &own)), Ok(()), "echoed (RFC 6842)");
    assert_eq!(link.hear(&link.offer()), Err(Dropped::NotAwaited), "the first was taken");

    let mut link = Link::new();
    let early = Says { header: Header::reply(0, EthernetAddress(ROUTER.0)), ..Link::bound().offer() };
    assert_eq!(link.hear(&early), Err(Dropped::TransactionId), "nothing was asked");
    let mut link = Link::bound();
    assert_eq!(link.hear(&link.ack()), Err(Dropped::TransactionId), "a copy that comes late");
}

#[test]
fn not_every_offer_is_looked_at() {
    let mut link = Link::new();
    link.up();
    for _ in 0..8 {
        assert_eq!(link.hear(&link.offer().address(NOWHERE)), Err(Dropped::Address));
    }
    assert_eq!(link.hear(&link.offer()), Err(Dropped::TooManyOffers));
    link.run_for_secs(5);
    assert_eq!(link.hear(&link.offer()), Ok(()), "after the next DISCOVER");
}
