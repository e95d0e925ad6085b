//! What hosts are answered: what is kept, for how long, in which form.

use gatelet_proto::dns::{Config, Dropped};
use gatelet_wire::dns::{Class, Flags, Message, NameBuf, Opt, Rcode, Section, Type, Writer};
use smoltcp::time::Duration;

use crate::world::{USUAL, World, a, response, show, soa, tcp, udp};

const EDNS: Opt<'static> =
    Opt { udp_payload_size: 1400, extended_rcode: 0, version: 0, flags: 0, options: &[] };
const DNSSEC: Opt<'static> = Opt { flags: Opt::DNSSEC_OK, ..EDNS };

#[test]
fn an_answer_is_passed_on_kept_and_grows_old() {
    let mut world = World::new();
    world.ask(1, "www.Example.org", Type::A).unwrap();
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    world.run_for(Duration::from_secs(100));
    world.ask(2, "WWW.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(200));
    world.ask(2, "www.example.org", Type::A).unwrap();
    world.expect_transcript(
        "h1 -> www.Example.org A
            -> s1 ad www.example.org a edns 1232
            <- s1 noerror www.example.org a : a 300 203.0.113.7
         h1 <- NOERROR www.Example.org A : A 300 203.0.113.7
         h2 -> WWW.example.org A
         h2 <- NOERROR WWW.example.org A : A 200 203.0.113.7
         h2 -> www.example.org A
            -> s1 ad www.example.org a edns 1232",
    );
}

#[test]
fn an_answer_has_the_id_and_the_letters_of_its_query() {
    let mut world = World::new();
    world.ask(1, "wWw.eXample.org", Type::A).unwrap();
    let query = world.last_asked().bytes;
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    let told = world.last_told();
    let message = Message::parse(&told.bytes).unwrap();
    assert_eq!(message.id(), 0x4001, "as in the query of the host");
    assert_ne!(Message::parse(&query).unwrap().id(), 0x4001, "an ID of our own");
    let flags = Flags::RESPONSE.with(Flags::RECURSION_DESIRED).with(Flags::RECURSION_AVAILABLE);
    assert_eq!(message.flags(), flags);
    assert_eq!(message.question().unwrap().unwrap().name.to_string(), "wWw.eXample.org");
    assert_eq!(told.client, udp(1));
}

#[test]
fn that_there_is_nothing_is_kept_for_as_long_as_the_zone_says() {
    let mut world = World::new();
    world.ask(1, "no.example.org", Type::A).unwrap();
    world.answer(Rcode::NXDOMAIN, |writer| soa(writer, "example.org", 900, 60)).unwrap();
    world.run_for(Duration::from_secs(59));
    world.ask(2, "no.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(1));
    world.ask(2, "no.example.org", Type::A).unwrap();
    world.expect_transcript(
        "h1 -> no.example.org A
            -> s1 ad no.example.org a edns 1232
            <- s1 nxdomain no.example.org a ; soa 900 min 60
         h1 <- NXDOMAIN no.example.org A ; SOA 60 min 60
         h2 -> no.example.org A
         h2 <- NXDOMAIN no.example.org A ; SOA 1 min 60
         h2 -> no.example.org A
            -> s1 ad no.example.org a edns 1232",
    );
}

/// Asks, lets the server answer, and answers whether it is still known `after`.
fn is_kept(rcode: Rcode, fill: impl FnOnce(&mut Writer<'_>), after: Duration) -> bool {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    world.answer(rcode, fill).unwrap();
    world.run_for(after);
    world.ask(2, "www.example.org", Type::A).unwrap();
    world.asked.len() == 1
}

#[test]
fn what_is_nobodys_word_or_has_no_lifetime_is_not_kept() {
    let soon = Duration::from_millis(10);
    assert!(is_kept(Rcode::NOERROR, a(7, 1), soon), "the counter-check");
    assert!(!is_kept(Rcode::NOERROR, a(7, 0), soon));
    assert!(!is_kept(Rcode::NOERROR, a(7, 0x8000_0005), soon), "RFC 2181 §8");
    assert!(!is_kept(Rcode::NOERROR, |_| (), soon), "no data, and no SOA (RFC 2308 §5)");
    assert!(!is_kept(Rcode::NXDOMAIN, |_| (), soon));
    assert!(is_kept(Rcode::NOERROR, |writer| soa(writer, "example.org", 9, 9), soon));
    assert!(!is_kept(Rcode::NXDOMAIN, |writer| soa(writer, "example.net", 9, 9), soon), "another zone's");
    assert!(!is_kept(Rcode::NXDOMAIN, |writer| soa(writer, "a.www.example.org", 9, 9), soon));
    assert!(!is_kept(Rcode(6), a(7, 300), soon), "YXDOMAIN, and what else nobody foresaw");
    // The record that is to be forgotten first decides for all of them.
    let two = |writer: &mut Writer<'_>| {
        writer.answer(Type::A, 300, &[203, 0, 113, 7]).answer(Type::A, 10, &[203, 0, 113, 8]);
    };
    assert!(is_kept(Rcode::NOERROR, two, Duration::from_secs(9)));
    assert!(!is_kept(Rcode::NOERROR, two, Duration::from_secs(10)));
}

#[test]
fn no_data_at_the_end_of_an_alias_is_the_word_of_the_last_zone() {
    let alias = |zone: &'static str| {
        move |writer: &mut Writer<'_>| {
            let target = NameBuf::from_text("cdn.example.net").unwrap();
            writer.answer(Type::CNAME, 300, target.as_bytes());
            soa(writer, zone, 60, 60);
        }
    };
    let soon = Duration::from_secs(30);
    assert!(is_kept(Rcode::NOERROR, alias("example.net"), soon));
    assert!(!is_kept(Rcode::NOERROR, alias("example.org"), soon));
    let circle = |writer: &mut Writer<'_>| {
        let own = NameBuf::from_text("www.example.org").unwrap();
        writer.answer(Type::CNAME, 300, own.as_bytes());
        soa(writer, "example.org", 60, 60);
    };
    assert!(is_kept(Rcode::NOERROR, circle, soon));
}

#[test]
fn lifetimes_have_bounds() {
    let config = Config { ttl_cap_s: 100, ttl_floor_s: 10, negative_ttl_cap_s: 50, ..Config::default() };
    let mut world = World::with(config, &USUAL);
    world.resolve(1, "long.example.org", 1, 100_000);
    world.resolve(1, "short.example.org", 2, 1);
    world.ask(1, "no.example.org", Type::A).unwrap();
    world.answer(Rcode::NXDOMAIN, |writer| soa(writer, "example.org", 900, 900)).unwrap();
    let told: Vec<_> = world.told.iter().map(|told| show(&told.bytes)).collect();
    assert_eq!(
        told,
        [
            "NOERROR long.example.org A : A 100 203.0.113.1",
            "NOERROR short.example.org A : A 10 203.0.113.2",
            "NXDOMAIN no.example.org A ; SOA 50 min 900",
        ]
    );
    let asked = world.asked.len();
    world.run_for(Duration::from_secs(9));
    world.ask(2, "short.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(40));
    world.ask(2, "no.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(50));
    world.ask(2, "long.example.org", Type::A).unwrap();
    assert_eq!(world.asked.len(), asked, "all of them are still known");
    world.run_for(Duration::from_secs(1));
    for name in ["short.example.org", "no.example.org", "long.example.org"] {
        world.ask(3, name, Type::A).unwrap();
    }
    assert_eq!(world.asked.len(), asked + 3, "and none a second later");
}

#[test]
fn identical_questions_are_asked_once() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    world.ask(2, "www.EXAMPLE.org", Type::A).unwrap();
    world.ask_with(tcp(3, 0), "www.example.org", Type::A, Flags::RECURSION_DESIRED, Some(EDNS)).unwrap();
    world.ask(1, "www.example.org", Type::AAAA).unwrap();
    world.answer_to(&world.asked[0].clone(), Rcode::NOERROR, a(7, 300)).unwrap();
    world.expect_transcript(
        "h1 -> www.example.org A
            -> s1 ad www.example.org a edns 1232
         h2 -> www.EXAMPLE.org A
         h3 tcp -> www.example.org A edns 1400
         h1 -> www.example.org AAAA
            -> s1 ad www.example.org aaaa edns 1232
            <- s1 noerror www.example.org a : a 300 203.0.113.7
         h1 <- NOERROR www.example.org A : A 300 203.0.113.7
         h2 <- NOERROR www.EXAMPLE.org A : A 300 203.0.113.7
         h3 tcp <- NOERROR www.example.org A : A 300 203.0.113.7 edns 1232",
    );
    assert_eq!(world.forwarder.statistics().coalesced, 2);
}

#[test]
fn what_asks_for_another_answer_is_another_question() {
    let mut world = World::new();
    let recursion = Flags::RECURSION_DESIRED;
    world.ask_with(udp(1), "www.example.org", Type::A, recursion, Some(EDNS)).unwrap();
    world.ask_with(udp(1), "www.example.org", Type::A, recursion, Some(DNSSEC)).unwrap();
    let checking = recursion.with(Flags::CHECKING_DISABLED);
    world.ask_with(udp(1), "www.example.org", Type::A, checking, Some(DNSSEC)).unwrap();
    world.expect_transcript(
        "h1 -> www.example.org A edns 1400
            -> s1 ad www.example.org a edns 1232
         h1 -> www.example.org A edns 1400 do
            -> s1 ad www.example.org a edns 1232 do
         h1 -> cd www.example.org A edns 1400 do
            -> s1 ad cd www.example.org a edns 1232 do",
    );
}

#[test]
fn ad_is_for_those_who_know_it() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    let asked = world.last_asked();
    let flags = Flags::AUTHENTIC_DATA.with(Flags::AUTHORITATIVE);
    world.reply(&asked, &response(&asked.bytes, flags, a(7, 300))).unwrap();
    let recursion = Flags::RECURSION_DESIRED;
    let wanted = recursion.with(Flags::AUTHENTIC_DATA);
    world.ask_with(udp(2), "www.example.org", Type::A, wanted, None).unwrap();
    let told: Vec<_> = world.told.iter().map(|told| Message::parse(&told.bytes).unwrap().flags()).collect();
    assert!(!told[0].contains(Flags::AUTHENTIC_DATA), "RFC 6840 §5.8");
    assert!(told[1].contains(Flags::AUTHENTIC_DATA));
    assert!(!told[1].contains(Flags::AUTHORITATIVE), "we are not");
}

/// Sixty addresses: some 1,000 octets.
fn many(writer: &mut Writer<'_>) {
    for last in 0..60 {
        writer.answer(Type::A, 300, &[203, 0, 113, last]);
    }
}

#[test]
fn no_client_gets_more_than_it_can_receive() {
    let mut world = World::new();
    let recursion = Flags::RECURSION_DESIRED;
    world.ask(1, "big.example.org", Type::A).unwrap();
    world.answer(Rcode::NOERROR, many).unwrap();
    let small = Opt { udp_payload_size: 600, ..EDNS };
    let tiny = Opt { udp_payload_size: 0, ..EDNS };
    for (client, opt) in
        [(udp(2), Some(small)), (udp(2), Some(tiny)), (udp(2), Some(EDNS)), (tcp(3, 0), None)]
    {
        world.ask_with(client, "big.example.org", Type::A, recursion, opt).unwrap();
    }
    let lengths: Vec<_> = world
        .told
        .iter()
        .map(|told| {
            let message = Message::parse(&told.bytes).unwrap();
            let layout = message.check().unwrap();
            assert_eq!(layout.end, told.bytes.len());
            let is_cut = message.flags().contains(Flags::TRUNCATED);
            (is_cut, message.record_count(Section::Answer), told.bytes.len())
        })
        .collect();
    let question = 12 + 17 + 4;
    assert_eq!(
        lengths,
        [
            (true, 0, question),
            (true, 0, question + 11),
            (true, 0, question + 11),
            (false, 60, question + 60 * 16 + 11),
            (false, 60, question + 60 * 16),
        ]
    );
}

#[test]
fn what_nobody_asked_for_goes_before_an_answer_is_cut_off() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    world
        .answer(Rcode::NOERROR, |writer| {
            writer.answer(Type::A, 300, &[203, 0, 113, 7]);
            let server = NameBuf::from_text("ns.example.org").unwrap();
            for last in 0..20 {
                writer.record(Section::Additional, &server, Type::A, Class::IN, 300, &[203, 0, 113, last]);
            }
        })
        .unwrap();
    assert_eq!(show(&world.last_told().bytes), "NOERROR www.example.org A : A 300 203.0.113.7");
}

#[test]
fn edns_is_between_neighbours() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    world
        .answer(Rcode::NOERROR, |writer| {
            let server = NameBuf::from_text("ns.example.org").unwrap();
            let cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
            writer
                .answer(Type::A, 300, &[203, 0, 113, 7])
                .record(Section::Additional, &server, Type::A, Class::IN, 300, &[203, 0, 113, 53])
                .opt(&Opt { options: &cookie, ..EDNS });
        })
        .unwrap();
    world.ask_with(udp(2), "www.example.org", Type::A, Flags::RECURSION_DESIRED, Some(EDNS)).unwrap();
    world.expect_transcript(
        "h1 -> www.example.org A
            -> s1 ad www.example.org a edns 1232
            <- s1 noerror www.example.org a : a 300 203.0.113.7 + a 300 203.0.113.53 edns 1400
         h1 <- NOERROR www.example.org A : A 300 203.0.113.7 + A 300 203.0.113.53
         h2 -> www.example.org A edns 1400
         h2 <- NOERROR www.example.org A : A 300 203.0.113.7 + A 300 203.0.113.53 edns 1232",
    );
    let told = world.last_told().bytes;
    assert!(Message::parse(&told).unwrap().check().unwrap().opt.unwrap().options.is_empty());
}

/// Found by the fuzzer: a name whose pointer leads into a TTL becomes another when that grows old.
#[test]
fn a_name_that_reads_a_ttl_is_not_told_when_it_changes() {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    let asked = world.last_asked();
    // 65,792 s are the octets 0, 1, 1, 0: behind the first, a name of one label of one octet.
    let mut bytes = response(&asked.bytes, Flags::default(), |writer| {
        writer.answer(Type::A, 65_792, &[203, 0, 113, 7]).answer(Type::A, 65_792, &[203, 0, 113, 8]);
    });
    let question = 12 + 17 + 4;
    bytes[question + 16 + 1] = (question + 7) as u8;
    world.reply(&asked, &bytes).unwrap();
    world.run_for(Duration::from_secs(1));
    world.ask(2, "www.example.org", Type::A).unwrap();
    let told: Vec<_> = world.told.iter().map(|told| show(&told.bytes)).collect();
    assert_eq!(
        told,
        [
            "NOERROR www.example.org A : A 65792 203.0.113.7 : A 65792 203.0.113.8",
            "SERVFAIL www.example.org A",
        ]
    );
}

/// One above the cap changes at once.
#[test]
fn a_name_that_reads_a_ttl_above_the_cap_is_malformed() {
    let mut world = World::with(Config { ttl_cap_s: 255, ..Config::default() }, &USUAL);
    world.ask(1, "www.example.org", Type::A).unwrap();
    let asked = world.last_asked();
    let mut bytes = response(&asked.bytes, Flags::default(), |writer| {
        writer.answer(Type::A, 65_792, &[203, 0, 113, 7]).answer(Type::A, 60, &[203, 0, 113, 8]);
    });
    let question = 12 + 17 + 4;
    // The octets 0, 0, 0, 255 now: behind the last there is no end of a pointer.
    bytes[question + 16 + 1] = (question + 9) as u8;
    bytes[question + 9] = 0;
    assert_eq!(world.reply(&asked, &bytes), Err(Dropped::AnswerMalformed));
    assert_eq!(world.forwarder.cache_usage(), (0, 0));
}

#[test]
fn unknown_types_pass_untouched() {
    let mut world = World::new();
    let data: Vec<u8> = (0..=255).collect();
    world.ask(1, "odd.example.org", Type(65_000)).unwrap();
    world
        .answer(Rcode::NOERROR, |writer| {
            writer.answer(Type(65_000), 300, &data);
        })
        .unwrap();
    let told = world.last_told().bytes;
    let record = Message::parse(&told).unwrap().records().unwrap().next().unwrap().unwrap();
    assert_eq!((record.kind, record.data), (Type(65_000), &data[..]));
    world.ask(2, "odd.example.org", Type(65_000)).unwrap();
    assert_eq!(world.asked.len(), 1, "and are kept");
}

#[test]
fn what_is_no_question_is_refused() {
    let mut world = World::new();
    let recursion = Flags::RECURSION_DESIRED;
    let refuse = |world: &mut World, kind| world.ask_with(udp(1), "example.org", kind, recursion, None);
    assert_eq!(refuse(&mut world, Type::ANY), Err(Dropped::Any));
    assert_eq!(refuse(&mut world, Type::AXFR), Err(Dropped::MetaType));
    assert_eq!(refuse(&mut world, Type::IXFR), Err(Dropped::MetaType));
    assert_eq!(refuse(&mut world, Type::OPT), Err(Dropped::MetaType));
    let notify = recursion.with_opcode(gatelet_wire::dns::Opcode(4));
    assert_eq!(world.ask_with(udp(1), "example.org", Type::SOA, notify, None), Err(Dropped::Opcode));
    let newer = Opt { version: 1, ..EDNS };
    let query = world.ask_with(udp(1), "example.org", Type::A, recursion, Some(newer));
    assert_eq!(query, Err(Dropped::EdnsVersion));
    let query = world.ask_with(udp(1), "example.org", Type::A, Flags::default(), None);
    assert_eq!(query, Err(Dropped::NoRecursion));

    let mut buffer = [0; 64];
    let name = NameBuf::from_text("version.bind").unwrap();
    let len = Writer::new(&mut buffer, 1, recursion).question(&name, Type::TXT, Class(3)).finish().unwrap();
    assert_eq!(world.hear(udp(1), &buffer[..len]), Err(Dropped::Class));
    assert_eq!(world.hear(udp(1), &buffer[..len - 1]), Err(Dropped::QueryMalformed));
    assert_eq!(world.hear(udp(1), &buffer[..11]), Err(Dropped::QueryTruncated));
    let len = Writer::new(&mut buffer, 1, recursion).finish().unwrap();
    assert_eq!(world.hear(udp(1), &buffer[..len]), Err(Dropped::QueryMalformed));
    let len = Writer::new(&mut buffer, 1, recursion)
        .question(&name, Type::A, Class::IN)
        .question(&name, Type::AAAA, Class::IN)
        .finish()
        .unwrap();
    assert_eq!(world.hear(udp(1), &buffer[..len]), Err(Dropped::QueryMalformed));
    assert_eq!(
        world.ask_with(udp(1), "example.org", Type::A, Flags::RESPONSE, None),
        Err(Dropped::QueryIsResponse)
    );
    let told: Vec<_> = world.told.iter().map(|told| show(&told.bytes)).collect();
    assert_eq!(
        told,
        [
            "NOERROR example.org ANY : HINFO 3600 9 octets",
            "REFUSED example.org TYPE252",
            "REFUSED example.org TYPE251",
            "REFUSED example.org TYPE41",
            "NOTIMP",
            "BADVERS example.org A edns 1232",
            "REFUSED example.org A",
            "NOTIMP version.bind TXT",
            "FORMERR",
            "FORMERR",
            "FORMERR",
        ]
    );
    assert!(world.asked.is_empty(), "nobody was asked any of that");
}

#[test]
fn a_client_that_wants_no_recursion_gets_what_is_known() {
    let mut world = World::new();
    world.resolve(1, "www.example.org", 7, 300);
    world.ask_with(udp(2), "www.example.org", Type::A, Flags::default(), None).unwrap();
    let told = world.last_told().bytes;
    assert_eq!(show(&told), "NOERROR www.example.org A : A 300 203.0.113.7");
    assert!(!Message::parse(&told).unwrap().flags().contains(Flags::RECURSION_DESIRED));
}

#[test]
fn a_frozen_cache_learns_nothing_and_forgets_nothing() {
    let mut world = World::new();
    world.resolve(1, "old.example.org", 7, 300);
    world.forwarder.freeze_cache(true);
    world.resolve(1, "new.example.org", 8, 300);
    assert_eq!(show(&world.last_told().bytes), "NOERROR new.example.org A : A 300 203.0.113.8");
    world.ask(1, "old.example.org", Type::A).unwrap();
    assert_eq!(world.asked.len(), 2);
    world.resolve(1, "new.example.org", 9, 300);
    world.run_for(Duration::from_secs(400));
    // The portal's answer to an old question does not take the place of the old answer.
    world.resolve(1, "old.example.org", 9, 300);
    world.forwarder.set_wan_up(world.now, false);
    world.ask(1, "old.example.org", Type::A).unwrap();
    assert_eq!(show(&world.last_told().bytes), "NOERROR old.example.org A : A 30 203.0.113.7");
    assert_eq!(world.forwarder.cache_usage().0, 1);
    world.forwarder.freeze_cache(false);
    world.forwarder.set_wan_up(world.now, true);
    world.resolve(1, "new.example.org", 9, 300);
    assert_eq!(world.forwarder.cache_usage().0, 2);
    world.forwarder.clear_cache();
    assert_eq!(world.forwarder.cache_usage(), (0, 0));
}
