//! Nobody gets more than their share, and nothing grows.

use gatelet_proto::dns::{
    CacheEntry, Client, ClientRate, Config, Destination, Dropped, Forwarder, Pending, Transport, Waiter,
};
use gatelet_wire::IpAddress;
use gatelet_wire::dns::{Flags, Message, NameBuf, Rcode, Section, Type};
use smoltcp::time::Duration;
use smoltcp::wire::IpEndpoint;

use crate::world::{Sizes, USUAL, World, a, show, tcp, udp};

#[test]
fn one_host_cannot_take_all_places() {
    let mut world = World::new();
    let results: Vec<_> =
        (0..8).map(|number| world.ask(1, &format!("www{number}.example.org"), Type::A)).collect();
    assert_eq!(results[..6], [Ok(()); 6], "three quarters of eight");
    assert_eq!(results[6..], [Err(Dropped::ClientQuota); 2]);
    assert_eq!(world.ask(2, "mail.example.org", Type::A), Ok(()), "there is room for another");
    // What is known, or known here, needs no place.
    assert_eq!(world.ask(1, "printer.lan", Type::A), Ok(()));
    // And when one is answered, there is a place again.
    let first = world.asked[0].clone();
    world.answer_to(&first, Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(world.ask(1, "www7.example.org", Type::A), Ok(()));
}

#[test]
fn all_places_taken() {
    let mut world = World::new();
    let ask = |world: &mut World, host: u8| world.ask(host, &format!("www{host}.example.org"), Type::A);
    for host in 0..8 {
        assert_eq!(ask(&mut world, host), Ok(()));
    }
    assert_eq!(ask(&mut world, 8), Err(Dropped::TableFull));
    assert!(world.told.is_empty(), "over UDP it is asked again");
    let flags = Flags::RECURSION_DESIRED;
    let over_tcp = world.ask_with(tcp(9, 0), "www9.example.org", Type::A, flags, None);
    assert_eq!(over_tcp, Err(Dropped::TableFull));
    assert_eq!(show(&world.last_told().bytes), "SERVFAIL www9.example.org A");
    // Whoever asks the same as another still finds a place to wait in, until those are taken as well.
    for host in 10..18 {
        assert_eq!(world.ask(host, "www0.example.org", Type::A), Ok(()));
    }
    assert_eq!(world.ask(18, "www0.example.org", Type::A), Err(Dropped::TableFull));
}

#[test]
fn a_repeated_question_takes_no_second_place() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    let query = {
        let mut buffer = vec![0; 64];
        let name = NameBuf::from_text("www.example.org").unwrap();
        let len = gatelet_wire::dns::Writer::new(&mut buffer, 0x4001, Flags::RECURSION_DESIRED)
            .question(&name, Type::A, gatelet_wire::dns::Class::IN)
            .finish()
            .unwrap();
        buffer.truncate(len);
        buffer
    };
    assert_eq!(world.hear(udp(1), &query), Err(Dropped::Duplicate));
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(world.told.len(), 1);
}

#[test]
fn no_host_may_ask_too_often() {
    let config = Config { rate_per_s: 10, burst: 20, ..Config::default() };
    let mut world = World::with(config, &USUAL);
    let mut admitted = 0;
    for _ in 0..30 {
        admitted += u32::from(world.ask(1, "printer.lan", Type::A).is_ok());
    }
    assert_eq!(admitted, 20);
    world.expect_count(Dropped::RateLimited, 10);
    assert!(world.ask(2, "printer.lan", Type::A).is_ok(), "another may");
    for _ in 0..50 {
        world.run_for(Duration::from_millis(20));
        admitted += u32::from(world.ask(1, "printer.lan", Type::A).is_ok());
    }
    assert_eq!(admitted, 30, "ten a second");
}

#[test]
fn a_client_forgotten_begins_anew() {
    let config = Config { rate_per_s: 1, burst: 1, ..Config::default() };
    let mut world = World::with(config, &Sizes { clients: 2, ..USUAL });
    let ask = |world: &mut World, host| {
        world.run_for(Duration::from_millis(1));
        world.ask(host, "printer.lan", Type::A)
    };
    assert_eq!(ask(&mut world, 1), Ok(()));
    assert_eq!(ask(&mut world, 2), Ok(()));
    assert_eq!(ask(&mut world, 1), Err(Dropped::RateLimited));
    assert_eq!(ask(&mut world, 3), Ok(()), "takes the place of 2, not heard of the longest");
    assert_eq!(ask(&mut world, 1), Err(Dropped::RateLimited));
    assert_eq!(ask(&mut world, 2), Ok(()));
}

#[test]
fn the_cache_forgets_what_expired_then_what_nobody_asks_for() {
    let mut world = World::with(Config::default(), &Sizes { entries: 4, ..USUAL });
    world.resolve(1, "short.example.org", 1, 5);
    for number in 0..3 {
        world.resolve(1, &format!("www{number}.example.org"), number, 300);
    }
    world.ask(1, "www0.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(6));
    let known = |world: &mut World, name: &str| {
        let before = world.asked.len();
        world.ask(2, name, Type::A).unwrap();
        let is_known = world.asked.len() == before;
        if !is_known {
            world.forwarder.set_wan_up(world.now, false);
            world.forwarder.set_wan_up(world.now, true);
            world.settle();
        }
        is_known
    };
    world.resolve(1, "www3.example.org", 3, 300);
    assert_eq!(world.forwarder.statistics().evicted, 0, "the expired one went");
    world.resolve(1, "www4.example.org", 4, 300);
    assert_eq!(world.forwarder.statistics().evicted, 1);
    let names = ["www0", "www1", "www2", "www3", "www4"];
    let known: Vec<_> =
        names.iter().filter(|name| known(&mut world, &format!("{name}.example.org"))).collect();
    assert_eq!(known, [&"www0", &"www2", &"www3", &"www4"], "www1 was not asked for the longest");
}

#[test]
fn the_arena_is_used_to_its_last_octet() {
    let mut world = World::with(Config::default(), &Sizes { entries: 64, arena: 2048, ..USUAL });
    // Question and one A of a name of ten letters: 12 + 12 + 4 + 16.
    for number in 100..200 {
        world.resolve(1, &format!("w{number}.test-x"), 7, 300);
        let (entries, octets) = world.forwarder.cache_usage();
        assert_eq!(octets, entries * 45);
        world.run_for(Duration::from_millis(50));
    }
    assert_eq!(world.forwarder.cache_usage(), (45, 2025));
    world.asked.clear();
    for number in 155..200 {
        world.ask(2, &format!("w{number}.test-x"), Type::A).unwrap();
        assert!(show(&world.last_told().bytes).contains(&format!("w{number}.test-x A : A")));
        world.run_for(Duration::from_millis(50));
    }
    assert!(world.asked.is_empty());
}

#[test]
fn an_answer_longer_than_is_kept_is_none() {
    let mut world = World::with(Config::default(), &Sizes { arena: 2048, ..USUAL });
    world.ask(1, "big.example.org", Type::TXT).unwrap();
    let answer = world.answer(Rcode::NOERROR, |writer| {
        writer.answer(Type::TXT, 300, &[0; 1000]);
    });
    assert_eq!(answer, Err(Dropped::AnswerTooLong));
    assert_eq!(show(&world.last_told().bytes), "SERVFAIL big.example.org TXT");
}

#[test]
fn a_connection_that_is_gone_is_told_nothing() {
    let mut world = World::new();
    let flags = Flags::RECURSION_DESIRED;
    world.ask_with(tcp(1, 0), "www.example.org", Type::A, flags, None).unwrap();
    world.ask_with(tcp(2, 1), "www.example.org", Type::A, flags, None).unwrap();
    world.forwarder.forget_client(0);
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    let told: Vec<_> = world.told.iter().map(|told| told.client).collect();
    assert_eq!(told, [tcp(2, 1)]);
}

#[test]
fn a_query_nobody_waits_for_makes_room_but_is_kept_if_there_is() {
    let mut world = World::with(Config::default(), &Sizes { pending: 1, waiters: 4, ..USUAL });
    let flags = Flags::RECURSION_DESIRED;
    world.ask_with(tcp(1, 0), "www.example.org", Type::A, flags, None).unwrap();
    let first = world.last_asked();
    assert_eq!(world.ask(2, "mail.example.org", Type::A), Err(Dropped::TableFull));
    world.forwarder.forget_client(0);
    assert!(world.forwarder.is_awaiting(first.to.query), "the answer will be of use");
    assert_eq!(world.ask(2, "mail.example.org", Type::A), Ok(()));
    assert!(!world.forwarder.is_awaiting(first.to.query));
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(world.told.len(), 1);
}

#[test]
fn an_owner_that_does_not_fetch_is_told_so() {
    let mut world = World::new();
    let hosts = gatelet_proto::dns::Hosts { address_of: &|_| None, name_of: &|_| None };
    let mut query = vec![0; 64];
    let name = NameBuf::from_text("localhost").unwrap();
    let len = gatelet_wire::dns::Writer::new(&mut query, 1, Flags::RECURSION_DESIRED)
        .question(&name, Type::A, gatelet_wire::dns::Class::IN)
        .finish()
        .unwrap();
    for _ in 0..2 {
        world.forwarder.handle_query(world.now, &mut world.rng, udp(1), &query[..len], &hosts).unwrap();
    }
    world.expect_count(Dropped::ReplyNotFetched, 1);
    world.settle();
    assert_eq!(world.told.len(), 1);
    world.forwarder.handle_query(world.now, &mut world.rng, udp(1), &query[..len], &hosts).unwrap();
    assert_eq!(world.forwarder.poll_transmit(world.now, &mut [0; 20]), None);
    world.expect_count(Dropped::BufferTooSmall, 1);
}

/// In a small buffer an answer is cut off, as for a client that cannot receive it.
#[test]
fn a_small_buffer_is_a_small_message() {
    let mut world = World::new();
    world.resolve(1, "www.example.org", 7, 300);
    let hosts = gatelet_proto::dns::Hosts { address_of: &|_| None, name_of: &|_| None };
    let mut query = vec![0; 64];
    let name = NameBuf::from_text("www.example.org").unwrap();
    let len = gatelet_wire::dns::Writer::new(&mut query, 1, Flags::RECURSION_DESIRED)
        .question(&name, Type::A, gatelet_wire::dns::Class::IN)
        .finish()
        .unwrap();
    for (client, expected) in
        [(udp(1), "NOERROR tc www.example.org A"), (tcp(1, 0), "SERVFAIL www.example.org A")]
    {
        let mut buffer = [0; 40];
        world.forwarder.handle_query(world.now, &mut world.rng, client, &query[..len], &hosts).unwrap();
        let transmit = world.forwarder.poll_transmit(world.now, &mut buffer).expect("due");
        assert_eq!(transmit.to, Destination::Client(client));
        assert_eq!(show(&buffer[..transmit.len]), expected);
    }
}

#[test]
fn tables_of_no_size_do_no_harm() {
    let none = Sizes { entries: 0, arena: 0, pending: 0, waiters: 0, clients: 0 };
    let mut world = World::with(Config::default(), &none);
    assert_eq!(world.ask(1, "www.example.org", Type::A), Err(Dropped::TableFull));
    assert_eq!(world.ask(1, "printer.lan", Type::A), Ok(()));
    let mut world = World::with(Config::default(), &Sizes { entries: 0, ..USUAL });
    world.ask(1, "www.example.org", Type::A).unwrap();
    assert_eq!(world.answer(Rcode::NOERROR, a(7, 300)), Err(Dropped::AnswerTooLong));
}

#[test]
fn a_client_of_ipv6_and_one_that_says_whom_it_asked() {
    let mut world = World::new();
    let client = Client {
        remote: IpEndpoint::new(IpAddress::v6(0xfe80, 0, 0, 0, 0, 0, 0, 9), 50_000),
        local: Some(IpAddress::v6(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
        ..udp(0)
    };
    world.ask_with(client, "www.example.org", Type::AAAA, Flags::RECURSION_DESIRED, None).unwrap();
    let asked = world.last_asked();
    assert_eq!(asked.to.transport, Transport::Udp);
    world
        .answer(Rcode::NOERROR, |writer| {
            writer.answer(Type::AAAA, 300, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        })
        .unwrap();
    let told = world.last_told();
    assert_eq!(told.client, client);
    assert_eq!(Message::parse(&told.bytes).unwrap().record_count(Section::Answer), 1);
}

/// What the documentation of `gatelet_proto::dns` says the tables cost.
#[test]
fn the_tables_are_no_larger_than_documented() {
    let sizes = [
        size_of::<CacheEntry>(),
        size_of::<Pending>(),
        size_of::<Waiter>(),
        size_of::<ClientRate>(),
        size_of::<Forwarder<'_>>(),
    ];
    assert!(sizes.iter().zip([40, 352, 82, 40, 3136]).all(|(size, bound)| *size <= bound), "{sizes:?}");
}
