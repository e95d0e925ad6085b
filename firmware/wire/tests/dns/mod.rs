//! The fixtures of DNS, both ways, and what holds for names.

use gatelet_wire::dns::{
    self, Class, ExtendedError, Flags, Message, NameBuf, Opcode, Opt, Rcode, Section, Type, Writer,
};
use gatelet_wire::{BufferTooSmall, IpAddress, Malformed};

use crate::emitted;
use crate::fixture::load;

fn name(text: &str) -> NameBuf {
    NameBuf::from_text(text).expect("a name")
}

/// Header and question of fixture `case`, in a line.
#[track_caller]
fn check_question(case: &str, id: u16, flags: u16, question: Option<(&str, Type)>) {
    let octets = load(&format!("dns/{case}"));
    let message = Message::parse(&octets).expect(case);
    assert_eq!((message.id(), message.flags()), (id, Flags(flags)), "{case}");
    let read = message.question().expect(case);
    let read = read.map(|question| {
        assert_eq!(question.class, Class::IN, "{case}");
        (question.name.to_string(), question.kind)
    });
    assert_eq!(read, question.map(|(name, kind)| (name.to_owned(), kind)), "{case}");
}

#[test]
fn headers_and_questions() {
    let asked = |kind| Some(("example.org", kind));
    check_question("query-a", 0x1234, 0x0100, asked(Type::A));
    check_question("query-mixed-case-edns-do", 0xbeef, 0x0120, Some(("wWw.ExAmPlE.oRg", Type::AAAA)));
    check_question("query-root", 1, 0, Some((".", Type::NS)));
    check_question("query-notify", 3, 0x2000, asked(Type::SOA));
    check_question("response-a", 0x1234, 0x8180, asked(Type::A));
    check_question("response-cname-compressed", 0x1234, 0x81a0, Some(("www.example.org", Type::A)));
    check_question("response-nxdomain", 0x1234, 0x8183, Some(("no.example.org", Type::A)));
    check_question("response-truncated", 0x1234, 0x8380, asked(Type::TXT));
    check_question("response-header-only", 0x1234, 0x8181, None);
    check_question("response-https-hints", 0x1234, 0x8180, asked(Type::HTTPS));
    check_question("response-ptr", 0x1234, 0x8180, Some(("7.113.0.203.in-addr.arpa", Type::PTR)));
    check_question("response-unknown-type", 0x1234, 0x8180, asked(Type(65_000)));
    let flags = Flags(0x2000);
    assert_eq!((flags.opcode(), flags.rcode()), (Opcode(4), Rcode::NOERROR));
    assert_eq!(Flags(0x8183).rcode(), Rcode::NXDOMAIN);
    assert_eq!(Flags::RESPONSE.with_opcode(Opcode(4)).with_rcode(Rcode(0x15)), Flags(0xA005));
    assert!(Flags(0x8380).contains(Flags::TRUNCATED.with(Flags::RESPONSE)));
    assert!(!Flags(0x8180).contains(Flags::TRUNCATED.with(Flags::RESPONSE)));
}

/// The records of a fixture: section, name, type, TTL, and data as text where it has a form.
fn records(case: &str) -> Vec<(Section, String, Type, u32, String)> {
    let octets = load(&format!("dns/{case}"));
    let message = Message::parse(&octets).expect(case);
    let read = message.records().expect(case).map(|record| {
        let record = record.expect(case);
        let data = record
            .address()
            .map(|address| address.to_string())
            .or_else(|| record.target().map(|name| name.to_string()))
            .or_else(|| record.soa().map(|soa| format!("{} {} {}", soa.primary, soa.mailbox, soa.minimum)))
            .unwrap_or_else(|| format!("{} octets", record.data.len()));
        (record.section, record.name.to_string(), record.kind, record.ttl, data)
    });
    read.collect()
}

#[test]
fn records_of_all_sections() {
    use Section::{Additional, Answer, Authority};
    let row = |section, name: &str, kind, ttl, data: &str| (section, name.into(), kind, ttl, data.into());
    assert_eq!(
        records("response-a"),
        [
            row(Answer, "example.org", Type::A, 300, "203.0.113.7"),
            row(Answer, "example.org", Type::A, 60, "203.0.113.8"),
        ]
    );
    assert_eq!(
        records("response-cname-compressed"),
        [
            row(Answer, "www.example.org", Type::CNAME, 3600, "cdn.example.org"),
            row(Answer, "cdn.example.org", Type::A, 60, "203.0.113.7"),
            row(Authority, "example.org", Type::NS, 3600, "ns.example.org"),
            row(Additional, "ns.example.org", Type::AAAA, 3600, "2001:db8::53"),
        ]
    );
    assert_eq!(
        records("response-nxdomain"),
        [row(Authority, "example.org", Type::SOA, 900, "ns.example.org admin.example.org 60")]
    );
    assert_eq!(
        records("response-ptr"),
        [row(Answer, "7.113.0.203.in-addr.arpa", Type::PTR, 3600, "www.example.org")]
    );
    assert_eq!(records("response-unknown-type"), [row(Answer, "example.org", Type(65_000), 300, "3 octets")]);
    assert_eq!(
        records("response-dname"),
        [
            row(Answer, "example.org", Type::DNAME, 3600, "example.net"),
            row(Answer, "www.example.org", Type::CNAME, 3600, "www.example.net"),
        ]
    );
    assert_eq!(
        records("response-mx-srv"),
        [
            row(Answer, "example.org", Type::MX, 3600, "7 octets"),
            row(Additional, "_smtp._tcp.example.org", Type::SRV, 3600, "11 octets"),
        ]
    );
    assert_eq!(records("response-ttl-first-bit"), [row(Answer, "example.org", Type::A, 0, "203.0.113.7")]);
}

#[test]
fn hints_of_a_service_binding() {
    let octets = load("dns/response-https-hints");
    let message = Message::parse(&octets).unwrap();
    message.check().unwrap();
    let record = message.records().unwrap().next().unwrap().unwrap();
    let hints: Vec<_> = record.svc_hints().collect();
    let expected = [
        IpAddress::v4(203, 0, 113, 7),
        IpAddress::v4(203, 0, 113, 8),
        IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7),
    ];
    assert_eq!(hints, expected);
    let octets = load("dns/response-a");
    let record = Message::parse(&octets).unwrap().records().unwrap().next().unwrap().unwrap();
    assert_eq!(record.svc_hints().next(), None, "an A has none");
}

#[test]
fn edns() {
    let octets = load("dns/query-mixed-case-edns-do");
    let layout = Message::parse(&octets).unwrap().check().unwrap();
    let opt =
        Opt { udp_payload_size: 1232, extended_rcode: 0, version: 0, flags: Opt::DNSSEC_OK, options: &[] };
    assert_eq!((layout.opt, layout.opt_at, layout.before_opt), (Some(opt), octets.len() - 11, 0));

    let octets = load("dns/response-extended-error");
    let message = Message::parse(&octets).unwrap();
    let opt = message.check().unwrap().opt.unwrap();
    assert_eq!(opt.rcode(message.flags().rcode()), Rcode::BADVERS);
    assert_eq!(opt.extended_error(), Some(ExtendedError::STALE_ANSWER));
    let cut = Opt { options: &opt.options[..opt.options.len() - 1], ..opt };
    assert_eq!(cut.extended_error(), None);
    let options = ExtendedError::BLOCKED.to_option();
    assert_eq!(Opt { options: &options, ..opt }.extended_error(), Some(ExtendedError::BLOCKED));
}

/// Fixtures whose only compression is a pointer to the question's name in front of a record, which is
/// how the writer compresses.
#[test]
fn messages_are_written_as_they_were_read() {
    let cases = [
        "query-a",
        "query-mixed-case-edns-do",
        "query-root",
        "query-longest-name",
        "query-notify",
        "response-a",
        "response-truncated",
        "response-header-only",
        "response-https-hints",
        "response-ptr",
        "response-extended-error",
    ];
    for case in cases {
        let octets = load(&format!("dns/{case}"));
        let message = Message::parse(&octets).expect(case);
        let written = emitted(|buffer| {
            let mut writer = Writer::new(buffer, message.id(), message.flags());
            if let Some(question) = message.question().expect(case) {
                writer.question(&question.name.to_buf(), question.kind, question.class);
            }
            for record in message.records().expect(case) {
                let record = record.expect(case);
                if record.kind == Type::OPT {
                    writer.opt(&message.check().expect(case).opt.expect(case));
                } else {
                    assert_eq!((record.section, record.class), (Section::Answer, Class::IN), "{case}");
                    writer.answer(record.kind, record.ttl, record.data);
                }
            }
            writer.finish()
        });
        assert_eq!(written, octets, "{case}");
        assert_eq!(message.check().expect(case).end, octets.len(), "{case}");
    }
}

#[test]
fn a_record_with_its_whole_name() {
    let owner = name("b.example.org");
    let written = emitted(|buffer| {
        Writer::new(buffer, 1, Flags::RESPONSE)
            .question(&name("a.example.org"), Type::A, Class::IN)
            .record(Section::Authority, &owner, Type::TXT, Class(3), 7, b"\x01x")
            .finish()
    });
    let message = Message::parse(&written).unwrap();
    let record = message.records().unwrap().next().unwrap().unwrap();
    assert!(record.name.eq_ignore_ascii_case(&owner));
    assert_eq!((record.section, record.kind, record.class), (Section::Authority, Type::TXT, Class(3)));
    assert_eq!((record.ttl, record.data), (7, &b"\x01x"[..]));
}

#[test]
fn sections_are_written_in_order() {
    let mut buffer = [0; 128];
    let mut writer = Writer::new(&mut buffer, 1, Flags::RESPONSE);
    writer.record(Section::Additional, &NameBuf::ROOT, Type::A, Class::IN, 0, &[0; 4]);
    assert!(writer.finish().is_ok());
    assert_eq!(writer.answer(Type::A, 0, &[0; 4]).finish(), Err(BufferTooSmall));
    let mut writer = Writer::new(&mut buffer, 1, Flags::RESPONSE);
    assert_eq!(writer.answer(Type::TXT, 0, &vec![0; 65_536]).finish(), Err(BufferTooSmall));
    assert!(matches!(Writer::resume(&mut buffer, 129), Err(BufferTooSmall)));
    assert!(matches!(Writer::resume(&mut buffer, 11), Err(BufferTooSmall)));
}

#[test]
fn malformed_messages() {
    use Malformed as M;
    let cases = [
        ("truncated-header", M::Truncated),
        ("no-question", M::Truncated),
        ("question-cut", M::Truncated),
        ("label-cut", M::Truncated),
        ("record-missing", M::Truncated),
        ("record-cut", M::Truncated),
        ("rdata-overrun", M::LengthOverrun),
        ("label-type", M::LabelType),
        ("pointer-itself", M::CompressionPointer),
        ("pointer-forward", M::CompressionPointer),
        ("pointer-header", M::CompressionPointer),
        ("pointer-circle", M::CompressionPointer),
        ("pointer-in-question", M::CompressionPointer),
        ("pointer-runs-on", M::CompressionPointer),
        ("pointer-cut", M::Truncated),
        ("name-256", M::NameLength),
        ("a-size", M::FieldLength),
        ("aaaa-size", M::FieldLength),
        ("cname-short", M::FieldLength),
        ("cname-long", M::FieldLength),
        ("cname-empty", M::FieldLength),
        ("mx-empty", M::FieldLength),
        ("soa-short", M::FieldLength),
        ("https-parameter", M::FieldLength),
        ("https-target", M::FieldLength),
        ("two-opts", M::Opt),
        ("opt-name", M::Opt),
        ("opt-in-answer", M::Opt),
    ];
    for (case, expected) in cases {
        let octets = load(&format!("dns/malformed-{case}"));
        let read = Message::parse(&octets).and_then(|message| message.check().map(drop));
        assert_eq!(read, Err(expected), "{case}");
    }
}

// ---- Changes in place

#[test]
fn an_opt_is_taken_off_with_what_follows_it() {
    let mut octets = load("dns/response-opt-not-last");
    let copy = octets.clone();
    let layout = Message::parse(&copy).unwrap().check().unwrap();
    assert_eq!(layout.before_opt, 1);
    let len = dns::cut_opt(&mut octets, &layout);
    octets.truncate(len);
    let cut = Message::parse(&octets).unwrap();
    let layout = cut.check().unwrap();
    assert_eq!((layout.opt, layout.end), (None, octets.len()));
    assert_eq!(cut.record_count(Section::Additional), 1);
    let before = octets.clone();
    let again = Message::parse(&before).unwrap().check().unwrap();
    assert_eq!(dns::cut_opt(&mut octets, &again), before.len(), "there is none any more");
    assert_eq!(octets, before);
}

#[test]
fn sections_are_taken_off() {
    let octets = load("dns/response-cname-compressed");
    let layout = Message::parse(&octets).unwrap().check().unwrap();
    for (section, left) in [(Section::Additional, 3), (Section::Authority, 2), (Section::Answer, 0)] {
        let mut cut = octets.clone();
        let len = dns::cut_from(&mut cut, &layout, section);
        cut.truncate(len);
        let message = Message::parse(&cut).unwrap();
        assert_eq!(message.check().unwrap().end, cut.len());
        assert_eq!(message.records().unwrap().count(), left, "{section:?}");
    }
}

#[test]
fn octets_behind_the_message_are_no_part_of_it() {
    let octets = load("dns/response-padded");
    assert_eq!(Message::parse(&octets).unwrap().check().unwrap().end, octets.len() - 4);
}

#[test]
fn ttls_are_rewritten_but_an_opts() {
    let mut octets = load("dns/response-opt-not-last");
    dns::rewrite_ttls(&mut octets, |section, ttl| {
        assert_eq!((section, ttl), (Section::Additional, 300));
        ttl - 100
    })
    .unwrap();
    let message = Message::parse(&octets).unwrap();
    let ttls: Vec<_> = message.records().unwrap().map(|record| record.unwrap().ttl).collect();
    assert_eq!(ttls, [200, 0, 200], "what an OPT has there is all zero here");
    let mut octets = load("dns/malformed-record-cut");
    assert_eq!(dns::rewrite_ttls(&mut octets, |_, ttl| ttl), Err(Malformed::Truncated));
}

#[test]
fn id_and_flags_are_replaced() {
    let mut octets = load("dns/response-a");
    dns::set_id(&mut octets, 0xABCD);
    dns::set_flags(&mut octets, Flags(0x8182));
    let message = Message::parse(&octets).unwrap();
    assert_eq!((message.id(), message.flags()), (0xABCD, Flags(0x8182)));
    let mut no_header = [0x55; 11];
    dns::set_id(&mut no_header, 0);
    assert_eq!(no_header, [0x55; 11]);
}

#[test]
fn messages_on_a_stream() {
    assert_eq!(dns::tcp_prefix(0x123), Some([1, 0x23]));
    assert_eq!(dns::tcp_prefix(65_536), None);
    assert_eq!(dns::tcp_message(&[0]), None);
    assert_eq!(dns::tcp_message(&[0, 3, 1, 2]), None);
    assert_eq!(dns::tcp_message(&[0, 2, 1, 2, 9]), Some((&[1, 2][..], &[9][..])));
    assert_eq!(dns::tcp_message(&[0, 0]), Some((&[][..], &[][..])));
}

// ---- Names

#[test]
fn names_from_text() {
    assert_eq!(name("example.org").as_bytes(), b"\x07example\x03org\x00");
    assert_eq!(name("example.org."), name("example.org"));
    assert_eq!((name("").is_root(), name(".").is_root()), (true, true));
    assert_eq!(NameBuf::default(), name(""));
    assert_eq!(NameBuf::from_text("a..b"), Err(Malformed::NameLength));
    assert_eq!(NameBuf::from_text(".a"), Err(Malformed::NameLength));
    assert_eq!(NameBuf::from_text(&"a".repeat(64)), Err(Malformed::NameLength));
    assert!(NameBuf::from_text(&"a".repeat(63)).is_ok());
    // 127 labels of one letter are 254 octets and the root's.
    assert_eq!(name(&vec!["a"; 127].join(".")).as_bytes().len(), 255);
    assert_eq!(NameBuf::from_text(&vec!["a"; 128].join(".")), Err(Malformed::NameLength));
    assert_eq!(name(&vec!["a"; 127].join(".")).labels().count(), 127);
}

#[test]
fn names_from_octets() {
    assert_eq!(NameBuf::from_bytes(b"\x01a\x00rest"), Ok(name("a")));
    assert_eq!(NameBuf::from_bytes(b"\x01a"), Err(Malformed::Truncated));
    assert_eq!(NameBuf::from_bytes(b"\xC0\x00"), Err(Malformed::LabelType));
    assert_eq!(NameBuf::from_bytes(b"\x01a\xC0\x00"), Err(Malformed::LabelType));
    assert_eq!(NameBuf::from_bytes(b"\x81a\x00"), Err(Malformed::LabelType));
}

#[test]
fn names_in_text() {
    let mut odd = NameBuf::ROOT;
    odd.push(b"a.b\\").unwrap();
    odd.push(b"\x00 \xff").unwrap();
    assert_eq!(odd.to_string(), "a\\.b\\\\.\\000\\032\\255");
    assert_eq!(format!("{odd:?}"), odd.to_string());
    assert_eq!(name("").to_string(), ".");
}

#[test]
fn names_are_compared_without_case() {
    let upper = name("WWW.EXAMPLE.ORG");
    assert!(upper.eq_ignore_ascii_case(&name("www.example.org")));
    assert!(upper != name("www.example.org"));
    assert_eq!(upper.to_ascii_lowercase(), name("www.example.org"));
    assert!(!upper.eq_ignore_ascii_case(&name("www.example")));
    // "@" and "`" differ by the bit that the case of letters is in.
    let (mut at, mut tick) = (NameBuf::ROOT, NameBuf::ROOT);
    at.push(b"@").unwrap();
    tick.push(b"`").unwrap();
    assert!(!at.eq_ignore_ascii_case(&tick));

    let octets = load("dns/response-cname-compressed");
    let message = Message::parse(&octets).unwrap();
    let owners: Vec<_> = message.records().unwrap().map(|record| record.unwrap().name).collect();
    assert!(owners[1].eq_ignore_ascii_case(&name("CDN.example.org")));
    assert!(!owners[1].eq_ignore_ascii_case(&name("cdn.example.org.zz")));
    assert!(!owners[1].eq_ignore_ascii_case(&name("cdn.example")));
}

#[test]
fn a_zone_begins_where_a_label_does() {
    let host = name("www.Example.org");
    assert_eq!(host.offset_of(&name("example.ORG")), Some(4));
    assert_eq!(host.offset_of(&host), Some(0));
    assert_eq!(host.offset_of(&NameBuf::ROOT), Some(16));
    assert!(host.is_within(&name("org")));
    assert!(!name("org").is_within(&host));
    assert!(!name("badexample.org").is_within(&name("example.org")));
    // Octets that look like the zone, but within a label.
    let mut trap = NameBuf::ROOT;
    trap.push(b"x\x03org").unwrap();
    assert!(!trap.is_within(&name("org")));
}

#[test]
fn letters_change_their_case_and_nothing_else() {
    let mut mixed = name("a1-b.cd");
    mixed.map_letters(|number, letter| if number % 2 == 1 { letter.to_ascii_uppercase() } else { letter });
    assert_eq!(mixed, name("A1-b.cD"));
    mixed.map_letters(|_, _| b'x');
    assert_eq!(mixed, name("A1-b.cD"), "another letter is no other case");
}
