//! How servers are asked: again, the next one, over TCP, without what they cannot do.

use gatelet_proto::dns::{Config, Dropped, Event, Transport};
use gatelet_wire::IpAddress;
use gatelet_wire::dns::{Flags, Message, Rcode, Section, Type, Writer};
use smoltcp::time::{Duration, Instant};

use crate::world::{S1, S2, S3, USUAL, World, a, response, show};

/// Whom the world asked, when (milliseconds since `since`).
fn asked_since(world: &World, since: Instant) -> Vec<(IpAddress, u64)> {
    world.asked.iter().map(|asked| (asked.to.server, (asked.at - since).total_millis())).collect()
}

#[test]
fn a_silent_server_is_followed_by_the_next() {
    let mut world = World::new();
    let start = world.now;
    world.ask(1, "www.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(10));
    assert_eq!(asked_since(&world, start), [(S1, 0), (S2, 1000), (S1, 2000), (S2, 4000)]);
    let same = world.asked.iter().all(|asked| {
        (asked.to.query, asked.to.source_port) == (world.asked[0].to.query, world.asked[0].to.source_port)
            && asked.bytes == world.asked[0].bytes
    });
    assert!(same, "one message from one port: whoever answers first");
    assert_eq!(show(&world.last_told().bytes), "SERVFAIL www.example.org A");
    assert!(!world.forwarder.is_awaiting(world.asked[0].to.query));
    world.expect_count(Dropped::AllFailed, 1);
}

#[test]
fn a_late_answer_of_the_first_is_taken() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    world.run_for(Duration::from_millis(1100));
    let first = world.asked[0].clone();
    assert_eq!(world.asked.len(), 2);
    world.answer_to(&first, Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(show(&world.last_told().bytes), "NOERROR www.example.org A : A 300 203.0.113.7");
    let second = world.asked[1].clone();
    let late = world.answer_to(&second, Rcode::NOERROR, a(8, 300));
    assert_eq!(late, Err(Dropped::NotAwaited));
}

#[test]
fn a_server_that_fails_or_refuses_is_followed_by_the_next_at_once() {
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED] {
        let mut world = World::new();
        world.ask(1, "www.example.org", Type::A).unwrap();
        world.answer(rcode, |_| ()).unwrap();
        assert_eq!((world.asked.len(), world.last_asked().to.server), (2, S2));
        assert_ne!(world.asked[0].to, world.asked[1].to, "a new question: new ID, new port");
        world.answer(rcode, |_| ()).unwrap();
        assert_eq!(show(&world.last_told().bytes), "SERVFAIL www.example.org A");
        assert_eq!(world.asked.len(), 2, "nobody is asked twice who has answered");
    }
}

#[test]
fn that_all_failed_is_remembered_for_five_seconds() {
    let mut world = World::new();
    world.forwarder.set_upstreams(world.now, &mut world.rng, &[S1]);
    world.ask(1, "www.example.org", Type::A).unwrap();
    world.answer(Rcode::SERVFAIL, |_| ()).unwrap();
    world.run_for(Duration::from_millis(4_900));
    world.ask(2, "www.example.org", Type::A).unwrap();
    assert_eq!((world.asked.len(), world.told.len()), (1, 2));
    assert_eq!(show(&world.last_told().bytes), "SERVFAIL www.example.org A");
    world.run_for(Duration::from_millis(100));
    world.ask(2, "www.example.org", Type::A).unwrap();
    assert_eq!(world.asked.len(), 2, "RFC 9520 §3.2");
}

#[test]
fn a_failure_of_one_given_up_does_not_end_the_wait_for_the_other() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    world.run_for(Duration::from_millis(1100));
    let first = world.asked[0].clone();
    world.answer_to(&first, Rcode::SERVFAIL, |_| ()).unwrap();
    assert_eq!(world.asked.len(), 2);
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(show(&world.last_told().bytes), "NOERROR www.example.org A : A 300 203.0.113.7");
}

#[test]
fn a_server_that_stays_silent_is_asked_last_for_a_while() {
    let mut world = World::new();
    let mut first_asked = Vec::new();
    for number in 0..6 {
        world.ask(1, &format!("www{number}.example.org"), Type::A).unwrap();
        first_asked.push(world.last_asked().to.server);
        if world.last_asked().to.server == S1 {
            world.run_for(Duration::from_millis(1000));
        }
        world.answer(Rcode::NOERROR, a(number, 300)).unwrap();
    }
    assert_eq!(first_asked, [S1, S1, S1, S2, S2, S2]);
    assert_eq!(world.events, [Event::UpstreamSilent(S1)]);
    world.run_for(Duration::from_secs(10));
    world.ask(1, "again.example.org", Type::A).unwrap();
    assert_eq!(world.last_asked().to.server, S1, "it is given another chance");
    world.answer(Rcode::NOERROR, a(9, 300)).unwrap();
    assert_eq!(world.events, [Event::UpstreamSilent(S1), Event::UpstreamAnswers(S1)]);
}

#[test]
fn one_that_is_silent_still_is_left_alone_for_twice_as_long() {
    let mut world = World::new();
    let mut waits = Vec::new();
    let mut last = None;
    for number in 0..2000_u32 {
        world.ask(1, &format!("www{number}.example.org"), Type::A).unwrap();
        if world.last_asked().to.server == S1 {
            if let Some(last) = last.replace(world.now) {
                waits.push((world.now - last).secs());
            }
            world.run_for(Duration::from_millis(1000));
        }
        world.answer(Rcode::NOERROR, a(1, 300)).unwrap();
        world.run_for(Duration::from_secs(1));
    }
    assert_eq!(waits[..8], [2, 2, 11, 21, 41, 81, 161, 321]);
    assert!(waits[8..].iter().all(|wait| *wait == 321), "{waits:?}");
}

#[test]
fn a_slow_server_is_given_more_time() {
    let mut world = World::new();
    world.forwarder.set_upstreams(world.now, &mut world.rng, &[S1]);
    for number in 0..20 {
        world.ask(1, &format!("www{number}.example.org"), Type::A).unwrap();
        world.run_for(Duration::from_millis(900 + 50 * (number % 2)));
        world.answer(Rcode::NOERROR, a(1, 300)).unwrap();
    }
    let start = world.now;
    world.asked.clear();
    world.ask(1, "slow.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(10));
    let (_, second) = asked_since(&world, start)[1];
    assert!((1001..1300).contains(&second), "{second} ms");
}

#[test]
fn three_servers_of_either_family_and_no_more() {
    let mut world = World::new();
    let fourth = IpAddress::v4(198, 51, 100, 4);
    let nobody = [IpAddress::v4(0, 0, 0, 0), IpAddress::v4(255, 255, 255, 255), S3];
    let servers = [&nobody[..], &[S3, S1, S2, fourth]].concat();
    world.forwarder.set_upstreams(world.now, &mut world.rng, &servers);
    assert_eq!(world.forwarder.upstreams().collect::<Vec<_>>(), [S3, S1, S2]);
    world.ask(1, "www.example.org", Type::A).unwrap();
    assert_eq!(world.last_asked().to.server, S3);
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(world.told.len(), 1);
}

#[test]
fn other_servers_are_asked_what_is_under_way() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    let first = world.last_asked();
    world.forwarder.set_upstreams(world.now, &mut world.rng, &[S1, S2]);
    world.settle();
    assert_eq!(world.asked.len(), 1, "nothing has changed");
    world.forwarder.set_upstreams(world.now, &mut world.rng, &[S3]);
    world.settle();
    assert_eq!((world.asked.len(), world.last_asked().to.server), (2, S3));
    assert!(!world.forwarder.is_awaiting(first.to.query));
    assert_eq!(world.answer_to(&first, Rcode::NOERROR, a(7, 300)), Err(Dropped::NotAwaited));
    world.forwarder.set_upstreams(world.now, &mut world.rng, &[]);
    world.settle();
    assert_eq!(show(&world.last_told().bytes), "SERVFAIL www.example.org A");
}

#[test]
fn without_a_line_nobody_is_asked() {
    let mut world = World::down(Config::default(), &USUAL);
    assert_eq!(world.ask(1, "www.example.org", Type::A), Err(Dropped::NoUpstream));
    world.forwarder.set_upstreams(world.now, &mut world.rng, &[S1]);
    assert_eq!(world.ask(1, "www.example.org", Type::A), Err(Dropped::NoUpstream));
    world.forwarder.set_wan_up(world.now, true);
    assert_eq!(world.ask(1, "www.example.org", Type::A), Ok(()), "and that was not remembered");
    world.forwarder.set_wan_up(world.now, false);
    world.settle();
    let told: Vec<_> = world.told.iter().map(|told| show(&told.bytes)).collect();
    assert_eq!(told, ["SERVFAIL www.example.org A"; 3]);
    assert_eq!(world.forwarder.poll_at(), None);
}

#[test]
fn what_was_cut_off_is_asked_over_tcp() {
    let mut world = World::new();
    world.ask(1, "big.example.org", Type::A).unwrap();
    let over_udp = world.last_asked();
    world.reply(&over_udp, &response(&over_udp.bytes, Flags::TRUNCATED, |_| ())).unwrap();
    let over_tcp = world.last_asked();
    assert_eq!((over_tcp.to.server, over_tcp.to.transport), (S1, Transport::Tcp));
    assert!(!world.forwarder.is_awaiting(over_udp.to.query));
    world
        .answer(Rcode::NOERROR, |writer| {
            for last in 0..200 {
                writer.answer(Type::A, 300, &[203, 0, 113, last]);
            }
        })
        .unwrap();
    let told = world.last_told().bytes;
    assert_eq!(show(&told), "NOERROR tc big.example.org A", "over UDP it is still too long");
    world.hear(crate::world::tcp(1, 3), &query("big.example.org")).unwrap();
    let told = world.last_told();
    assert_eq!(told.client, crate::world::tcp(1, 3));
    assert_eq!(Message::parse(&told.bytes).unwrap().record_count(Section::Answer), 200);
    assert_eq!(world.asked.len(), 2, "it was kept");
    assert_eq!(world.forwarder.statistics().asked_tcp, 1);
}

fn query(name: &str) -> Vec<u8> {
    let mut buffer = vec![0; 300];
    let name = gatelet_wire::dns::NameBuf::from_text(name).unwrap();
    let len = Writer::new(&mut buffer, 7, Flags::RECURSION_DESIRED)
        .question(&name, Type::A, gatelet_wire::dns::Class::IN)
        .finish()
        .unwrap();
    buffer.truncate(len);
    buffer
}

#[test]
fn a_connection_that_fails_leads_to_the_next_server() {
    let mut world = World::new();
    world.ask(1, "big.example.org", Type::A).unwrap();
    for server in [S1, S2] {
        let over_udp = world.last_asked();
        assert_eq!((over_udp.to.server, over_udp.to.transport), (server, Transport::Udp));
        world.forwarder.handle_tcp_failed(world.now, &mut world.rng, over_udp.to.query);
        world.settle();
        assert_eq!(world.last_asked().to, over_udp.to, "it was not asked over TCP");
        world.reply(&over_udp, &response(&over_udp.bytes, Flags::TRUNCATED, |_| ())).unwrap();
        let over_tcp = world.last_asked();
        assert_eq!((over_tcp.to.server, over_tcp.to.transport), (server, Transport::Tcp));
        world.forwarder.handle_tcp_failed(world.now, &mut world.rng, over_tcp.to.query);
        world.settle();
    }
    assert_eq!(show(&world.last_told().bytes), "SERVFAIL big.example.org A");
    assert_eq!(world.asked.len(), 4);
}

#[test]
fn a_connection_that_hangs_is_not_waited_for_for_ever() {
    let mut world = World::new();
    world.ask(1, "big.example.org", Type::A).unwrap();
    let over_udp = world.last_asked();
    world.reply(&over_udp, &response(&over_udp.bytes, Flags::TRUNCATED, |_| ())).unwrap();
    let start = world.now;
    world.asked.clear();
    world.run_for(Duration::from_secs(6));
    assert_eq!(asked_since(&world, start), [(S2, 5000), (S2, 6000)]);
}

#[test]
fn a_server_without_edns_is_asked_without() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    world.answer(Rcode::FORMERR, |_| ()).unwrap();
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    world.ask(1, "mail.example.org", Type::A).unwrap();
    world.expect_transcript(
        "h1 -> www.example.org A
            -> s1 ad www.example.org a edns 1232
            <- s1 formerr www.example.org a
            -> s1 www.example.org a
            <- s1 noerror www.example.org a : a 300 203.0.113.7
         h1 <- NOERROR www.example.org A : A 300 203.0.113.7
            EdnsOff(Ipv4(198.51.100.1))
         h1 -> mail.example.org A
            -> s1 mail.example.org a",
    );
    assert_ne!(world.asked[0].to.query, world.asked[1].to.query);
}

#[test]
fn one_that_does_not_even_repeat_the_question_is_understood() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    let asked = world.last_asked();
    let id = Message::parse(&asked.bytes).unwrap().id();
    let mut header = [0; 12];
    let flags = Flags::RESPONSE.with_rcode(Rcode::FORMERR);
    Writer::new(&mut header, id, flags).finish().unwrap();
    world.reply(&asked, &header).unwrap();
    assert_eq!(show(&world.last_asked().bytes).to_lowercase(), "www.example.org a");
    // Without EDNS it has nothing to complain about any more.
    let asked = world.last_asked();
    header[..2].copy_from_slice(&asked.bytes[..2]);
    assert_eq!(world.reply(&asked, &header), Err(Dropped::WrongQuestion));
}

#[test]
fn format_errors_that_have_nothing_to_do_with_edns_are_failures() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    for _ in 0..4 {
        world.answer(Rcode::FORMERR, |_| ()).unwrap();
    }
    assert_eq!(show(&world.last_told().bytes), "SERVFAIL www.example.org A");
    assert!(world.events.is_empty(), "EDNS is not blamed");
}

#[test]
fn a_server_that_changes_letters_is_asked_in_small_ones() {
    let mut world = World::new();
    for number in 0..4 {
        world.ask(1, &format!("www{number}.example.org"), Type::A).unwrap();
        let asked = world.last_asked();
        let mut bytes = response(&asked.bytes, Flags::default(), a(7, 300));
        if bytes[12..].starts_with(b"\x04www") {
            // The last one is asked in small letters from the first.
            assert_eq!(number, 3);
        } else {
            let end = 12 + format!("www{number}.example.org").len() + 1;
            bytes[12..end].make_ascii_lowercase();
            assert_eq!(world.reply(&asked, &bytes), Err(Dropped::WrongCase));
            let again = world.last_asked();
            assert_eq!(again.to.server, S1);
            assert_ne!(again.to.query, asked.to.query, "all has to be guessed anew");
            bytes[..2].copy_from_slice(&again.bytes[..2]);
            assert_eq!(again.bytes[12..end], bytes[12..end], "small letters");
            world.reply(&again, &bytes).unwrap();
        }
    }
    assert_eq!(world.events, [Event::CaseRandomisationOff(S1)]);
    assert_eq!(world.told.len(), 3);
}

#[test]
fn a_new_line_means_new_servers() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    world.answer(Rcode::FORMERR, |_| ()).unwrap();
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    world.forwarder.set_wan_up(world.now, true);
    world.ask(1, "mail.example.org", Type::A).unwrap();
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    world.forwarder.set_wan_up(world.now, false);
    world.forwarder.set_wan_up(world.now, true);
    world.ask(1, "ftp.example.org", Type::A).unwrap();
    let asked: Vec<_> = world.asked.iter().map(|asked| show(&asked.bytes).to_lowercase()).collect();
    assert_eq!(asked[2], "mail.example.org a");
    assert_eq!(asked[3], "ad ftp.example.org a edns 1232");
}

#[test]
fn every_question_has_an_id_and_a_port_of_its_own() {
    let config = Config { source_port_min: 50_000, source_port_max: 50_007, ..Config::default() };
    let mut world = World::with(config, &USUAL);
    let mut ids = Vec::new();
    for round in 0..20 {
        let mut ports: Vec<_> = (0..8)
            .map(|number| {
                world.ask(number, &format!("www{round}.example.org"), Type(100 + u16::from(number))).unwrap();
                let asked = world.last_asked();
                ids.push(Message::parse(&asked.bytes).unwrap().id());
                asked.to.source_port
            })
            .collect();
        ports.sort_unstable();
        assert_eq!(ports, (50_000..=50_007).collect::<Vec<_>>(), "no two at once");
        world.forwarder.set_wan_up(world.now, false);
        world.forwarder.set_wan_up(world.now, true);
        world.settle();
        world.run_for(Duration::from_secs(1));
    }
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() > 155, "{} of 160", ids.len());
}

#[test]
fn a_port_that_cannot_be_had_is_exchanged() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    let first = world.last_asked();
    world.forwarder.handle_port_taken(&mut world.rng, first.to.query);
    world.settle();
    let second = world.last_asked();
    assert_ne!(first.to.source_port, second.to.source_port);
    assert_ne!(first.to.query, second.to.query);
    world.forwarder.handle_port_taken(&mut world.rng, first.to.query);
    world.settle();
    assert_eq!(world.asked.len(), 2, "that one is over");
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(world.told.len(), 1);
}
