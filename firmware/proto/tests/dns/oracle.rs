//! hickory-proto, which nobody here wrote, as judge: it reads what the forwarder says to hosts and
//! servers, and the forwarder passes on what it writes.

use gatelet_proto::dns::Config;
use gatelet_wire::dns::{Flags, Type};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, SOA};
use hickory_proto::rr::{Name, RData, Record};
use smoltcp::time::Duration;

use crate::world::{USUAL, World, soa, udp};

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

/// The server's answer to what it was asked last, written by hickory-proto, compression and all.
fn answer(world: &mut World, code: ResponseCode, records: &[Record], authority: &[Record]) {
    let asked = world.last_asked();
    let query = Message::from_vec(&asked.bytes).expect("it reads what we ask");
    assert!(query.metadata.recursion_desired);
    let edns = query.edns.as_ref().expect("there");
    assert_eq!((edns.max_payload(), edns.version()), (1232, 0));
    let mut response = Message::response(query.metadata.id, OpCode::Query);
    response.metadata.response_code = code;
    response.add_queries(query.queries.clone());
    response.add_answers(records.to_vec());
    response.add_authorities(authority.to_vec());
    world.reply(&asked, &response.to_vec().expect("it writes")).expect("taken");
}

fn told(world: &World) -> Message {
    Message::from_vec(&world.last_told().bytes).expect("it reads what we tell")
}

#[test]
fn answers_with_aged_ttls_are_read_again() {
    let mut world = World::new();
    let records = [
        Record::from_rdata(name("www.example.org."), 600, RData::CNAME(CNAME(name("cdn.example.org.")))),
        Record::from_rdata(name("cdn.example.org."), 300, RData::A(A::new(203, 0, 113, 7))),
        Record::from_rdata(name("cdn.example.org."), 400, RData::A(A::new(203, 0, 113, 8))),
    ];
    world.ask(1, "www.example.org", Type::A).unwrap();
    answer(&mut world, ResponseCode::NoError, &records, &[]);
    let first = told(&world);
    assert_eq!(first.answers, records);
    assert_eq!(first.queries[0].name(), &name("www.example.org."));
    for age in [1, 99, 200 - 1] {
        world.run_for(Duration::from_secs(age));
        world.ask(2, "www.example.org", Type::A).unwrap();
    }
    let aged = told(&world);
    assert_eq!(world.asked.len(), 1, "from the cache");
    let ttls: Vec<_> = aged.answers.iter().map(|record| record.ttl).collect();
    assert_eq!(ttls, [301, 1, 101]);
    let same =
        aged.answers.iter().zip(&records).all(|(new, old)| (&new.name, &new.data) == (&old.name, &old.data));
    assert!(same);
}

#[test]
fn compressed_data_of_many_kinds_survives() {
    let mut world = World::new();
    let records: Vec<_> = (0..5)
        .map(|number| {
            let exchange = name(&format!("mx{number}.mail.example.org."));
            Record::from_rdata(name("example.org."), 300, RData::MX(MX::new(number, exchange)))
        })
        .collect();
    world.ask(1, "Example.ORG", Type::MX).unwrap();
    answer(&mut world, ResponseCode::NoError, &records, &[]);
    let first = told(&world);
    assert_eq!(first.answers, records);
    assert_eq!(first.queries[0].name().to_string(), "Example.ORG.", "the letters of the host");
}

#[test]
fn that_there_is_nothing_is_read_again() {
    let mut world = World::new();
    let data = SOA::new(name("ns.example.org."), name("admin.example.org."), 1, 2, 3, 4, 60);
    let authority = [Record::from_rdata(name("example.org."), 900, RData::SOA(data.clone()))];
    world.ask(1, "no.example.org", Type::A).unwrap();
    answer(&mut world, ResponseCode::NXDomain, &[], &authority);
    world.run_for(Duration::from_secs(20));
    world.ask(2, "no.example.org", Type::A).unwrap();
    let told = told(&world);
    assert_eq!(told.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(told.authorities, [Record::from_rdata(name("example.org."), 40, RData::SOA(data))]);
}

#[test]
fn all_our_own_answers_are_read() {
    let mut world = World::new();
    let questions = [
        ("printer.lan", Type::A),
        ("nobody.lan", Type::A),
        ("gatelet.lan", Type::AAAA),
        ("localhost", Type::AAAA),
        ("20.1.168.192.in-addr.arpa", Type::PTR),
        ("9.9.9.10.in-addr.arpa", Type::PTR),
        ("x.invalid", Type::TXT),
        ("example.org", Type::ANY),
        ("example.org", Type::AXFR),
    ];
    let edns = gatelet_wire::dns::Opt {
        udp_payload_size: 4096,
        extended_rcode: 0,
        version: 0,
        flags: 0,
        options: &[],
    };
    for (name, kind) in questions {
        for opt in [None, Some(edns)] {
            let _ = world.ask_with(udp(1), name, kind, Flags::RECURSION_DESIRED, opt);
            let read = told(&world);
            assert_eq!(read.edns.is_some(), opt.is_some(), "{name}");
            assert_eq!(read.queries[0].name().to_string(), format!("{name}."));
            assert_eq!(u16::from(read.queries[0].query_type()), kind.0);
        }
    }
    assert!(world.asked.is_empty());
}

#[test]
fn what_is_stale_or_failed_is_read() {
    let mut world = World::with(Config::default(), &USUAL);
    world.resolve(1, "www.example.org", 7, 60);
    world.run_for(Duration::from_secs(100));
    world.forwarder.set_wan_up(world.now, false);
    let edns = gatelet_wire::dns::Opt {
        udp_payload_size: 4096,
        extended_rcode: 0,
        version: 0,
        flags: 0,
        options: &[],
    };
    world.ask_with(udp(1), "www.example.org", Type::A, Flags::RECURSION_DESIRED, Some(edns)).unwrap();
    let read = told(&world);
    assert_eq!(read.answers[0].ttl, 30);
    assert!(read.edns.is_some_and(|edns| edns.option(15_u16.into()).is_some()));
    let _ = world.ask_with(udp(1), "mail.example.org", Type::A, Flags::RECURSION_DESIRED, Some(edns));
    assert_eq!(told(&world).metadata.response_code, ResponseCode::ServFail);
}

/// The fixture maker of the other tests is judged as well.
#[test]
fn our_test_server_speaks_dns() {
    let mut world = World::new();
    world.ask(1, "no.example.org", Type::A).unwrap();
    let asked = world.last_asked();
    let bytes =
        crate::world::response(&asked.bytes, Flags::default(), |writer| soa(writer, "example.org", 9, 9));
    let read = Message::from_vec(&bytes).expect("readable");
    assert!(matches!(&read.authorities[0].data, RData::SOA(soa) if soa.minimum == 9));
}
