//! DNS messages between us and hickory-proto, which nobody here wrote: what it makes we read, what we
//! make it reads.

use gatelet_wire::dns::{self, Class, Flags, Message, NameBuf, Opt, Section, Type, Writer};
use gatelet_wire::{IpAddress, Ipv4Address};
use hickory_proto::op::{self, Edns, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{self, DNSClass, RData, RecordType};
use proptest::collection::vec;
use proptest::prelude::*;

fn label() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9]{1,20}"
}

/// Names that often end alike, so that there is something to compress.
fn domain() -> impl Strategy<Value = String> {
    (
        vec(label(), 0..4),
        proptest::sample::select(vec!["example.org", "Example.ORG", "example", "a.very.deep.zone.test"]),
    )
        .prop_map(|(labels, zone)| labels.into_iter().chain([zone.to_owned()]).collect::<Vec<_>>().join("."))
}

fn fully_qualified(name: &str) -> rr::Name {
    rr::Name::from_ascii(format!("{name}.")).expect("a name")
}

fn data() -> impl Strategy<Value = RData> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| RData::A(A(octets.into()))),
        any::<[u8; 16]>().prop_map(|octets| RData::AAAA(AAAA(octets.into()))),
        domain().prop_map(|name| RData::CNAME(CNAME(fully_qualified(&name)))),
        domain().prop_map(|name| RData::NS(NS(fully_qualified(&name)))),
        domain().prop_map(|name| RData::PTR(PTR(fully_qualified(&name)))),
        (any::<u16>(), domain())
            .prop_map(|(preference, name)| RData::MX(MX::new(preference, fully_qualified(&name)))),
        (any::<u16>(), domain()).prop_map(|(port, name)| RData::SRV(SRV::new(
            1,
            2,
            port,
            fully_qualified(&name)
        ))),
        (domain(), domain(), any::<u32>()).prop_map(|(primary, mailbox, minimum)| RData::SOA(SOA::new(
            fully_qualified(&primary),
            fully_qualified(&mailbox),
            1,
            2,
            3,
            4,
            minimum
        ))),
        "[ -~]{0,60}".prop_map(|text| RData::TXT(TXT::new(vec![text]))),
    ]
}

fn records() -> impl Strategy<Value = Vec<(String, u32, RData)>> {
    vec((domain(), 0..=i32::MAX as u32, data()), 0..5)
}

/// As text, to compare what two libraries read: the data where it has a form here.
fn theirs(record: &rr::Record) -> (String, u16, u32, Option<String>) {
    let text = |name: &rr::Name| name.to_ascii().trim_end_matches('.').to_owned();
    let data = match &record.data {
        RData::A(address) => Some(address.0.to_string()),
        RData::AAAA(address) => Some(IpAddress::from(address.0).to_string()),
        RData::CNAME(CNAME(name)) | RData::NS(NS(name)) | RData::PTR(PTR(name)) => Some(text(name)),
        RData::SOA(soa) => Some(format!("{} {} {}", text(&soa.mname), text(&soa.rname), soa.minimum)),
        _ => None,
    };
    (text(&record.name), record.record_type().into(), record.ttl, data)
}

fn ours(record: &dns::Record<'_>) -> (String, u16, u32, Option<String>) {
    let data = record
        .address()
        .map(|address| address.to_string())
        .or_else(|| record.target().map(|name| name.to_string()))
        .or_else(|| record.soa().map(|soa| format!("{} {} {}", soa.primary, soa.mailbox, soa.minimum)));
    (record.name.to_string(), record.kind.0, record.ttl, data)
}

proptest! {
    #[test]
    fn what_it_writes_we_read(
        id: u16,
        asked in domain(),
        sections in (records(), records(), records()),
        edns in proptest::option::of((512_u16.., any::<bool>())),
        bits in vec(any::<bool>(), 6),
    ) {
        let mut message = op::Message::response(id, OpCode::Query);
        message.metadata.response_code = ResponseCode::NXDomain;
        message.metadata.authoritative = bits[0];
        message.metadata.truncation = bits[1];
        message.metadata.recursion_desired = bits[2];
        message.metadata.recursion_available = bits[3];
        message.metadata.authentic_data = bits[4];
        message.metadata.checking_disabled = bits[5];
        message.add_query(Query::query(fully_qualified(&asked), RecordType::AAAA));
        let record = |(name, ttl, data): &(String, u32, RData)| {
            rr::Record::from_rdata(fully_qualified(name), *ttl, data.clone())
        };
        message.add_answers(sections.0.iter().map(record));
        message.add_authorities(sections.1.iter().map(record));
        message.add_additionals(sections.2.iter().map(record));
        if let Some((size, dnssec_ok)) = edns {
            let mut opt = Edns::new();
            opt.set_max_payload(size).set_dnssec_ok(dnssec_ok);
            message.set_edns(opt);
        }
        let bytes = message.to_vec().expect("it writes");

        let read = Message::parse(&bytes).expect("a header");
        let layout = read.check().expect("well-formed");
        prop_assert_eq!((read.id(), layout.end), (id, bytes.len()));
        let flags = [
            Flags::AUTHORITATIVE,
            Flags::TRUNCATED,
            Flags::RECURSION_DESIRED,
            Flags::RECURSION_AVAILABLE,
            Flags::AUTHENTIC_DATA,
            Flags::CHECKING_DISABLED,
        ];
        prop_assert_eq!(flags.map(|flag| read.flags().contains(flag)).to_vec(), bits);
        prop_assert_eq!(read.flags().rcode(), dns::Rcode::NXDOMAIN);
        let question = read.question().expect("readable").expect("there");
        prop_assert_eq!((question.name.to_string(), question.kind), (asked, Type::AAAA));
        let found = layout.opt.map(|opt| (opt.udp_payload_size, opt.flags == Opt::DNSSEC_OK));
        prop_assert_eq!(found, edns);
        let all = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
        let expected: Vec<_> = all.map(theirs).collect();
        let found: Vec<_> = read
            .records()
            .expect("readable")
            .map(|record| record.expect("readable"))
            .filter(|record| record.kind != Type::OPT)
            .map(|record| ours(&record))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn what_we_write_it_reads(
        id: u16,
        asked in domain(),
        addresses in vec((any::<[u8; 4]>(), 0..=i32::MAX as u32), 0..6),
        additional in vec((domain(), domain()), 0..4),
        size in 512_u16..,
    ) {
        let name = NameBuf::from_text(&asked).expect("a name");
        let mut buffer = vec![0xA5; 4096];
        let mut writer = Writer::new(&mut buffer, id, Flags::RESPONSE.with(Flags::RECURSION_AVAILABLE));
        writer.question(&name, Type::A, Class::IN);
        for (address, ttl) in &addresses {
            writer.answer(Type::A, *ttl, address);
        }
        for (owner, target) in &additional {
            let owner = NameBuf::from_text(owner).expect("a name");
            let target = NameBuf::from_text(target).expect("a name");
            writer.record(Section::Additional, &owner, Type::NS, Class::IN, 60, target.as_bytes());
        }
        let opt = Opt {
            udp_payload_size: size,
            extended_rcode: 1,
            version: 0,
            flags: Opt::DNSSEC_OK,
            options: &dns::ExtendedError::STALE_ANSWER.to_option(),
        };
        let len = writer.opt(&opt).finish().expect("fits");
        let read = op::Message::from_vec(&buffer[..len]).expect("it reads");
        prop_assert_eq!((read.metadata.id, read.metadata.message_type), (id, MessageType::Response));
        prop_assert!(read.metadata.recursion_available);
        prop_assert_eq!(read.queries[0].name(), &fully_qualified(&asked));
        prop_assert_eq!(read.queries[0].query_class(), DNSClass::IN);
        let found: Vec<_> = read.answers.iter().map(theirs).collect();
        let expected: Vec<_> = addresses
            .iter()
            .map(|(address, ttl)| (asked.clone(), 1, *ttl, Some(Ipv4Address::from(*address).to_string())))
            .collect();
        prop_assert_eq!(found, expected);
        let found: Vec<_> = read.additionals.iter().map(theirs).collect();
        let expected: Vec<_> =
            additional.into_iter().map(|(owner, target)| (owner, 2, 60, Some(target))).collect();
        prop_assert_eq!(found, expected);
        let edns = read.edns.expect("there");
        prop_assert_eq!((edns.max_payload(), edns.rcode_high(), edns.flags().dnssec_ok), (size, 1, true));
        prop_assert!(edns.option(rr::rdata::opt::EdnsCode::from(15)).is_some());
    }
}
