//! Every file of `testdata`, both ways: octets to values, values back to the same octets in a buffer
//! full of something else; and each malformed one refused for its own reason.

mod dns;
mod fixture;

use fixture::load;
use gatelet_wire::dhcpv4::{self, Header, Message, MessageType, OptionCode, Route};
use gatelet_wire::ethernet::{self, VlanTag};
use gatelet_wire::ntp;
use gatelet_wire::ppp::lcp::{Authentication, Echo, ProtocolReject};
use gatelet_wire::ppp::mschapv2::{Failure, Response, Success};
use gatelet_wire::ppp::{self, Code, Control, Protocol, RawOption, chap, ipcp, ipv6cp, lcp, pap};
use gatelet_wire::pppoe::{self, Packet, Tag, TagKind, TagSet};
use gatelet_wire::{BufferTooSmall, EthernetAddress, Ipv4Address, Ipv4Cidr, Malformed, http, tls};

const CONCENTRATOR: EthernetAddress = EthernetAddress([2, 0, 0x5e, 0, 0x53, 0x01]);
const ROUTER: EthernetAddress = EthernetAddress([2, 0, 0x5e, 0, 0x53, 0x0a]);
const MAGIC: u32 = 0x1bad_cafe;

/// What `emit` writes: the same octets whatever was in the buffer, nothing behind them, and a clean
/// refusal of every shorter buffer.
fn emitted(emit: impl Fn(&mut [u8]) -> Result<usize, BufferTooSmall>) -> Vec<u8> {
    let mut buffer = [0xA5; 2048];
    let len = emit(&mut buffer).expect("fits");
    assert!(buffer[len..].iter().all(|octet| *octet == 0xA5), "wrote behind its length");
    for short in 0..len {
        assert_eq!(emit(&mut vec![0xA5; short]), Err(BufferTooSmall), "{short} of {len} octets");
    }
    buffer[..len].to_vec()
}

// ---- SNTP

#[test]
fn ntp_packets() {
    let answer = |name: &str| ntp::Answer::parse(&load(&format!("ntp/{name}")));
    let normal = answer("answer").unwrap();
    assert_eq!((normal.leap, normal.version, normal.mode, normal.stratum), (0, 4, 4, 2));
    assert_eq!((normal.origin, normal.unix_seconds()), (0x0123_4567_89AB_CDEF, 1_795_597_200));
    let kiss = answer("kiss-of-death").unwrap();
    assert_eq!((kiss.stratum, &kiss.reference_id), (0, b"RATE"));
    // 2036-02-07 06:28:16 UTC is 2,085,978,496.
    assert_eq!(answer("era-1").unwrap().unix_seconds(), 2_085_978_506);
    assert_eq!(answer("malformed-truncated"), Err(Malformed::Truncated));
    assert_eq!(answer("malformed-version"), Err(Malformed::Version));
    let request = emitted(|buffer| ntp::emit_request(buffer, 0x0123_4567_89AB_CDEF));
    let read = ntp::Answer::parse(&request).unwrap();
    assert_eq!((read.version, read.mode, read.transmit), (4, 3, 0x0123_4567_89AB_CDEF));
    assert!(request[1..40].iter().all(|octet| *octet == 0));
}

// ---- Ethernet

#[test]
fn ethernet_headers() {
    let header =
        |destination, vlan, ether_type| ethernet::Header { destination, source: ROUTER, vlan, ether_type };
    let tag = |id, priority, drop_eligible| Some(VlanTag { id, priority, drop_eligible });
    let cases = [
        ("untagged", header(CONCENTRATOR, None, ethernet::PPPOE_SESSION), 6),
        (
            "vlan-35-priority-6",
            header(EthernetAddress::BROADCAST, tag(35, 6, true), ethernet::PPPOE_DISCOVERY),
            0,
        ),
        ("priority-tag", header(CONCENTRATOR, tag(0, 7, false), ethernet::IPV4), 0),
        ("stacked-tags", header(CONCENTRATOR, tag(100, 0, false), ethernet::VLAN), 4),
        (
            "length-instead-of-type",
            ethernet::Header {
                source: CONCENTRATOR,
                ..header(EthernetAddress([1, 0x80, 0xc2, 0, 0, 0]), None, 3)
            },
            3,
        ),
    ];
    for (name, expected, payload_len) in cases {
        let octets = load(&format!("ethernet/{name}"));
        let (header, payload) = ethernet::Header::parse(&octets).expect(name);
        assert_eq!(header, expected, "{name}");
        assert_eq!(payload.len(), payload_len, "{name}");
        assert_eq!(header.len() + payload.len(), octets.len(), "{name}");
        assert_eq!(emitted(|buffer| header.emit(buffer)), octets[..header.len()], "{name}");
    }
}

#[test]
fn malformed_ethernet_headers() {
    let cases = [
        ("malformed-truncated", Malformed::Truncated),
        ("malformed-truncated-tag", Malformed::Truncated),
        ("malformed-truncated-tagged-type", Malformed::Truncated),
        ("malformed-reserved-vlan", Malformed::VlanId),
    ];
    for (name, expected) in cases {
        assert_eq!(ethernet::Header::parse(&load(&format!("ethernet/{name}"))), Err(expected), "{name}");
    }
}

#[test]
fn a_vlan_tag_that_does_not_fit_is_not_emitted() {
    let header = |vlan| ethernet::Header {
        destination: CONCENTRATOR,
        source: ROUTER,
        vlan: Some(vlan),
        ether_type: ethernet::PPPOE_SESSION,
    };
    let reserved = VlanTag { id: 0xFFF, ..VlanTag::default() };
    let urgent = VlanTag { priority: 8, ..VlanTag::default() };
    for vlan in [reserved, urgent] {
        assert_eq!(header(vlan).emit(&mut [0; 64]), Err(BufferTooSmall));
    }
    assert_eq!(VlanTag::new(0xFFF), Err(Malformed::VlanId));
    assert_eq!(VlanTag::new(0xFFE), Ok(VlanTag { id: 0xFFE, ..VlanTag::default() }));
}

// ---- PPPoE

fn check_pppoe(name: &str, code: pppoe::Code, session_id: u16, expected: &[(TagKind, &[u8])]) {
    let octets = load(&format!("pppoe/{name}"));
    let packet = Packet::parse(&octets).expect(name);
    assert_eq!((packet.code, packet.session_id), (code, session_id), "{name}");
    let tags: Vec<_> = packet.tags().map(|tag| tag.map(|tag| (tag.kind, tag.value))).collect();
    let expected: Vec<_> = expected.iter().map(|tag| Ok(*tag)).collect();
    assert_eq!(tags, expected, "{name}");

    let parsed_len = pppoe::HEADER_LEN + packet.payload.len();
    assert_eq!(emitted(|buffer| packet.emit(buffer)), octets[..parsed_len], "{name}");
    // An End-Of-List and what follows it are nothing a writer would say.
    if name != "pado-end-of-list" {
        let written = emitted(|buffer| {
            let mut writer = pppoe::Writer::new(buffer, code, session_id);
            for tag in packet.tags() {
                let tag = tag.expect(name);
                writer.push(tag.kind, tag.value);
            }
            writer.finish()
        });
        assert_eq!(written, octets[..parsed_len], "{name}");
    }
}

#[test]
fn discovery_packets() {
    use TagKind as K;
    use pppoe::Code as C;
    const UNIQ: (K, &[u8]) = (K::HostUniq, &[0x00, 0xc0, 0xff, 0xee]);
    const ANY: (K, &[u8]) = (K::ServiceName, b"");
    const AC: (K, &[u8]) = (K::AcName, b"ac");
    const COOKIE: (K, &[u8]) = (K::AcCookie, &[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    const JUMBO: (K, &[u8]) = (K::PppMaxPayload, &[0x05, 0xdc]);
    const RELAY: (K, &[u8]) = (K::RelaySessionId, &[10, 0, 0, 1]);
    check_pppoe("padi-any-service", C::Padi, 0, &[ANY, UNIQ]);
    check_pppoe("padi-jumbo", C::Padi, 0, &[ANY, UNIQ, JUMBO]);
    check_pppoe("padi-no-tags", C::Padi, 0, &[]);
    let circuit = b"\x00\x00\x0d\xe9\x01\x10olt7 eth 1/2/3:4";
    let relayed: [(K, &[u8]); 4] =
        [(K::ServiceName, b"iptv"), (K::HostUniq, b""), RELAY, (K::VendorSpecific, circuit)];
    check_pppoe("padi-relayed", C::Padi, 0, &relayed);
    let offer: [(K, &[u8]); 5] =
        [(K::AcName, b"BRAS-ZZ-017"), ANY, (K::ServiceName, b"internet"), COOKIE, UNIQ];
    check_pppoe("pado", C::Pado, 0, &offer);
    check_pppoe("pado-padded", C::Pado, 0, &[AC, ANY, UNIQ]);
    check_pppoe("pado-end-of-list", C::Pado, 0, &[AC, ANY]);
    check_pppoe("pado-repeated-name", C::Pado, 0, &[AC, AC, ANY]);
    check_pppoe("pado-unknown-tag", C::Pado, 0, &[AC, ANY, (K::Unknown(0x0106), &[0x00, 0x40])]);
    check_pppoe("padr", C::Padr, 0, &[ANY, UNIQ, COOKIE, RELAY, JUMBO]);
    check_pppoe("pads", C::Pads, 0x1234, &[ANY, UNIQ, JUMBO]);
    let refusal: [(K, &[u8]); 3] = [ANY, (K::ServiceNameError, b"No such name"), (K::HostUniq, b"")];
    check_pppoe("pads-service-name-error", C::Pads, 0, &refusal);
    check_pppoe("pads-ac-system-error", C::Pads, 0, &[(K::AcSystemError, b"out of memory")]);
    check_pppoe("pads-generic-error", C::Pads, 0, &[(K::GenericError, b"bad"), (K::AcSystemError, b"")]);
    check_pppoe("padt", C::Padt, 0x1234, &[(K::GenericError, b"RP-LCP-gone")]);
    check_pppoe("padt-session-zero", C::Padt, 0, &[]);
    check_pppoe("unknown-code", C::Unknown(0xd3), 0, &[]);
}

#[test]
fn tags_that_stand_once() {
    let set = |name: &str| {
        let octets: &'static [u8] = load(&format!("pppoe/{name}")).leak();
        TagSet::parse(&Packet::parse(octets).expect(name)).expect(name)
    };
    let offer = TagSet {
        service_name: Some(b""),
        ac_name: Some(b"BRAS-ZZ-017"),
        host_uniq: Some(&[0x00, 0xc0, 0xff, 0xee]),
        ac_cookie: Some(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]),
        ..TagSet::default()
    };
    assert_eq!(set("pado"), offer);
    assert_eq!(set("pado-repeated-name").ac_name, Some(&b"ac"[..]));
    assert_eq!(set("pado-end-of-list").ac_name, Some(&b"ac"[..]));
    assert_eq!(set("padr").relay_session_id, Some(&[10, 0, 0, 1][..]));
    assert_eq!(set("pads").max_payload, Some(1500));
    assert_eq!(set("padi-relayed").host_uniq, Some(&b""[..]));
    let error = |name| set(name).error.expect("an error tag");
    assert_eq!(
        error("pads-service-name-error"),
        Tag { kind: TagKind::ServiceNameError, value: b"No such name" }
    );
    assert_eq!(error("pads-ac-system-error"), Tag { kind: TagKind::AcSystemError, value: b"out of memory" });
    assert_eq!(error("pads-generic-error"), Tag { kind: TagKind::GenericError, value: b"bad" });
    assert_eq!(set("pado-unknown-tag").error, None);
}

#[test]
fn session_packets() {
    let octets = load("pppoe/session-ipv4");
    let packet = Packet::parse(&octets).expect("well-formed");
    assert_eq!((packet.code, packet.session_id), (pppoe::Code::Session, 0x1234));
    let (protocol, ip) = ppp::parse(packet.payload).expect("well-formed");
    assert_eq!((protocol, ip), (Protocol::Ipv4, &octets[pppoe::SESSION_OVERHEAD..]));
    assert_eq!(emitted(|buffer| packet.emit(buffer)), octets);

    let mut header = [0xA5; pppoe::HEADER_LEN];
    pppoe::emit_session_header(&mut header, 0x1234, 6);
    assert_eq!(header, octets[..pppoe::HEADER_LEN]);
}

#[test]
fn malformed_pppoe() {
    let headers = [
        ("malformed-truncated", Malformed::Truncated),
        ("malformed-version", Malformed::Version),
        ("malformed-type", Malformed::Version),
        ("malformed-length-overrun", Malformed::LengthOverrun),
        ("malformed-session-ffff", Malformed::SessionId),
        ("malformed-session-zero-data", Malformed::SessionId),
    ];
    for (name, expected) in headers {
        assert_eq!(Packet::parse(&load(&format!("pppoe/{name}"))), Err(expected), "{name}");
    }
    let tags = [
        ("malformed-tag-overrun", Malformed::TagOverrun),
        ("malformed-tag-header-cut", Malformed::TagOverrun),
        ("malformed-max-payload-size", Malformed::TagLength),
        ("malformed-two-cookies", Malformed::DuplicateTag),
    ];
    for (name, expected) in tags {
        let octets = load(&format!("pppoe/{name}"));
        let packet = Packet::parse(&octets).expect(name);
        assert_eq!(TagSet::parse(&packet), Err(expected), "{name}");
        if expected == Malformed::TagOverrun {
            let tags: Vec<_> = packet.tags().collect();
            assert_eq!(tags.last(), Some(&Err(expected)), "{name}: nothing follows the error");
            assert_eq!(tags.len(), 2, "{name}: what precedes it is still read");
        }
    }
}

#[test]
fn a_tag_that_does_not_fit_is_not_emitted() {
    let mut buffer = vec![0; 1 << 17];
    let too_long = vec![0; 1 << 16];
    let mut writer = pppoe::Writer::new(&mut buffer, pppoe::Code::Padi, 0);
    assert_eq!(writer.push(TagKind::VendorSpecific, &too_long).finish(), Err(BufferTooSmall));
    // Two tags that fit their own fields, but not LENGTH.
    let long = vec![0; 0x9000];
    let mut writer = pppoe::Writer::new(&mut buffer, pppoe::Code::Padi, 0);
    writer.push(TagKind::VendorSpecific, &long).push(TagKind::VendorSpecific, &long);
    assert_eq!(writer.finish(), Err(BufferTooSmall));
}

#[test]
fn absent_tags_are_not_emitted() {
    let written = emitted(|buffer| {
        pppoe::Writer::new(buffer, pppoe::Code::Padi, 0)
            .push_some(TagKind::AcCookie, None)
            .push_some(TagKind::ServiceName, Some(b""))
            .push_some(TagKind::HostUniq, Some(&[0x00, 0xc0, 0xff, 0xee]))
            .finish()
    });
    assert_eq!(written, load("pppoe/padi-any-service"));
}

// ---- PPP control packets and options

/// Parses a control packet, checks it goes back to the same octets, and answers it for a closer look.
fn control(name: &str, protocol: Protocol, code: Code, identifier: u8) -> Control<'static> {
    let octets: &'static [u8] = load(&format!("ppp/{name}")).leak();
    let (found, rest) = ppp::parse(octets).expect(name);
    assert_eq!(found, protocol, "{name}");
    let control = Control::parse(rest).expect(name);
    assert_eq!((control.code, control.identifier), (code, identifier), "{name}");
    let parsed_len = ppp::PROTOCOL_LEN + ppp::CONTROL_HEADER_LEN + control.data.len();
    assert_eq!(emitted(|buffer| control.emit(buffer, protocol)), octets[..parsed_len], "{name}");
    control
}

fn check_lcp_options(name: &str, code: Code, identifier: u8, expected: &[lcp::ConfigOption<'_>]) {
    let control = control(name, Protocol::Lcp, code, identifier);
    let options: Result<Vec<_>, _> =
        control.options().map(|option| option.and_then(lcp::ConfigOption::parse)).collect();
    assert_eq!(options.expect(name), expected, "{name}");
    let write = |buffer: &mut [u8]| {
        let mut writer = ppp::Writer::new(buffer, Protocol::Lcp, code, identifier);
        for option in expected {
            option.write(&mut writer);
        }
        writer.finish()
    };
    assert_eq!(emitted(write)[6..], *control.data, "{name}");
    let echo = |buffer: &mut [u8]| {
        let mut writer = ppp::Writer::new(buffer, Protocol::Lcp, code, identifier);
        for option in control.options() {
            writer.raw_option(option.expect(name));
        }
        writer.finish()
    };
    assert_eq!(emitted(echo)[6..], *control.data, "{name}");
}

#[test]
fn lcp_options() {
    use lcp::ConfigOption as O;
    let request = [
        O::MaximumReceiveUnit(1492),
        O::AuthenticationProtocol(Authentication::ChapMd5),
        O::MagicNumber(MAGIC),
    ];
    check_lcp_options("lcp-configure-request", Code::ConfigureRequest, 1, &request);
    check_lcp_options("lcp-configure-request-empty", Code::ConfigureRequest, 255, &[]);
    check_lcp_options(
        "lcp-configure-request-padded",
        Code::ConfigureRequest,
        2,
        &[O::MaximumReceiveUnit(1492)],
    );
    let ack = [O::MaximumReceiveUnit(1492), O::MagicNumber(MAGIC)];
    check_lcp_options("lcp-configure-ack", Code::ConfigureAck, 1, &ack);
    let nak = [
        O::AuthenticationProtocol(Authentication::Pap),
        O::AuthenticationProtocol(Authentication::MsChapV2),
        O::AuthenticationProtocol(Authentication::MsChapV1),
        O::AuthenticationProtocol(Authentication::Unknown { protocol: 0xc227, data: &[] }),
    ];
    check_lcp_options("lcp-configure-nak", Code::ConfigureNak, 1, &nak);
    let reject = [
        O::ProtocolFieldCompression,
        O::AddressAndControlFieldCompression,
        O::Unknown { kind: 13, value: &[6] },
        O::Unknown { kind: 2, value: &[0, 0x0a, 0, 0] },
    ];
    check_lcp_options("lcp-configure-reject", Code::ConfigureReject, 3, &reject);
}

#[test]
fn lcp_packets_without_options() {
    let lcp = |name, code, identifier| control(name, Protocol::Lcp, code, identifier).data;
    assert_eq!(lcp("lcp-terminate-request", Code::TerminateRequest, 7), b"User request");
    assert_eq!(lcp("lcp-terminate-ack", Code::TerminateAck, 7), b"");
    assert_eq!(lcp("lcp-unknown-code", Code::Unknown(14), 5), [0x12, 0x34]);

    let rejected = lcp("lcp-code-reject", Code::CodeReject, 8);
    assert_eq!(rejected, &load("ppp/lcp-unknown-code")[2..]);
    let octets = load("ppp/lcp-code-reject");
    let emit = |mru| emitted(|buffer| lcp::emit_code_reject(buffer, Protocol::Lcp, 8, rejected, mru));
    assert_eq!(emit(1492), octets);
    assert_eq!(emit(9), [&octets[..4], &[0, 9], &octets[6..11]].concat(), "cut off at the peer's MRU");

    let data = lcp("lcp-protocol-reject", Code::ProtocolReject, 9);
    let reject = ProtocolReject::parse(data).expect("well-formed");
    assert_eq!(reject, ProtocolReject { protocol: Protocol::Unknown(0x80fd), information: &[1, 1, 0, 4] });
    let octets = load("ppp/lcp-protocol-reject");
    assert_eq!(emitted(|buffer| reject.emit(buffer, 9, 1492)), octets);
    let cut = emitted(|buffer| reject.emit(buffer, 9, 7));
    assert_eq!(cut, [&octets[..4], &[0, 7], &octets[6..9]].concat(), "cut off at the peer's MRU");
}

#[test]
fn lcp_echo() {
    let cases: [(_, _, _, _, &[u8]); 5] = [
        ("lcp-echo-request", Code::EchoRequest, 42, MAGIC, &[0; 4]),
        ("lcp-echo-reply", Code::EchoReply, 42, 0, b""),
        ("lcp-discard-request", Code::DiscardRequest, 1, MAGIC, b"x"),
        ("lcp-identification", Code::Identification, 1, MAGIC, b"MSRASV5"),
        ("lcp-time-remaining", Code::TimeRemaining, 1, MAGIC, &3600_u32.to_be_bytes()),
    ];
    for (name, code, identifier, magic_number, data) in cases {
        let echo = Echo::parse(control(name, Protocol::Lcp, code, identifier).data).expect(name);
        assert_eq!(echo, Echo { magic_number, data }, "{name}");
        let octets = load(&format!("ppp/{name}"));
        assert_eq!(emitted(|buffer| echo.emit(buffer, code, identifier)), octets, "{name}");
    }
    let padded = emitted(|buffer| lcp::emit_padded_echo_request(buffer, 42, MAGIC, 4));
    assert_eq!(padded, load("ppp/lcp-echo-request"));
    let mut buffer = [0; 1502];
    let len = lcp::emit_padded_echo_request(&mut buffer, 1, MAGIC, 1500 - lcp::ECHO_OVERHEAD);
    assert_eq!(len, Ok(ppp::PROTOCOL_LEN + 1500), "as long as an MRU of 1500 lets it be");
}

#[test]
fn ipcp_options() {
    use ipcp::ConfigOption as O;
    let none = Ipv4Address::UNSPECIFIED;
    let cases: [(_, _, &[O<'_>]); 3] = [
        (
            "ipcp-configure-request",
            Code::ConfigureRequest,
            &[O::IpAddress(none), O::PrimaryDns(none), O::SecondaryDns(none)],
        ),
        (
            "ipcp-configure-nak",
            Code::ConfigureNak,
            &[
                O::IpAddress(Ipv4Address::new(100, 64, 0, 1)),
                O::PrimaryDns(Ipv4Address::new(202, 106, 0, 20)),
                O::PrimaryNbns(Ipv4Address::new(10, 0, 0, 1)),
                O::SecondaryDns(Ipv4Address::new(202, 106, 46, 151)),
                O::SecondaryNbns(Ipv4Address::new(10, 0, 0, 2)),
            ],
        ),
        (
            "ipcp-van-jacobson",
            Code::ConfigureRequest,
            &[
                O::Unknown { kind: 2, value: &[0x00, 0x2d, 0x0f, 0x01] },
                O::IpAddress(Ipv4Address::new(100, 64, 0, 1)),
            ],
        ),
    ];
    for (name, code, expected) in cases {
        let control = control(name, Protocol::Ipcp, code, 1);
        let options: Result<Vec<_>, _> = control.options().map(|option| option.and_then(O::parse)).collect();
        assert_eq!(options.expect(name), expected, "{name}");
        let written = emitted(|buffer| {
            let mut writer = ppp::Writer::new(buffer, Protocol::Ipcp, code, 1);
            for option in expected {
                option.write(&mut writer);
            }
            writer.finish()
        });
        assert_eq!(written, load(&format!("ppp/{name}")), "{name}");
    }
}

#[test]
fn ipv6cp_options() {
    use ipv6cp::ConfigOption as O;
    let name = "ipv6cp-configure-request";
    let control = control(name, Protocol::Ipv6cp, Code::ConfigureRequest, 1);
    let options: Result<Vec<_>, _> = control.options().map(|option| option.and_then(O::parse)).collect();
    let expected = [
        O::InterfaceIdentifier([0x02, 0, 0x05, 0xff, 0xee, 0, 0x53, 0x0a]),
        O::Unknown { kind: 2, value: &[0, 0x61] },
    ];
    assert_eq!(options.expect(name), expected);
    let written = emitted(|buffer| {
        let mut writer = ppp::Writer::new(buffer, Protocol::Ipv6cp, Code::ConfigureRequest, 1);
        for option in expected {
            option.write(&mut writer);
        }
        writer.finish()
    });
    assert_eq!(written, load("ppp/ipv6cp-configure-request"));
}

#[test]
fn malformed_ppp() {
    let protocols = [
        ("malformed-truncated-protocol", Malformed::Truncated),
        ("malformed-compressed-protocol", Malformed::ProtocolField),
        ("malformed-even-protocol", Malformed::ProtocolField),
        ("malformed-address-and-control", Malformed::ProtocolField),
    ];
    for (name, expected) in protocols {
        assert_eq!(ppp::parse(&load(&format!("ppp/{name}"))), Err(expected), "{name}");
    }
    let headers = [
        ("malformed-truncated-control", Malformed::Truncated),
        ("malformed-length-short", Malformed::LengthTooShort),
        ("malformed-length-overrun", Malformed::LengthOverrun),
    ];
    for (name, expected) in headers {
        let octets = load(&format!("ppp/{name}"));
        let (_, rest) = ppp::parse(&octets).expect(name);
        assert_eq!(Control::parse(rest), Err(expected), "{name}");
    }
    // The list breaks off at the error, after what was good.
    let lists = [
        ("malformed-option-length-zero", 0),
        ("malformed-option-length-one", 0),
        ("malformed-option-overrun", 1),
        ("malformed-option-header-cut", 1),
    ];
    for (name, good) in lists {
        let octets = load(&format!("ppp/{name}"));
        let control = Control::parse(&octets[2..]).expect(name);
        let options: Vec<_> = control.options().collect();
        assert_eq!(options.len(), good + 1, "{name}");
        assert_eq!(options[good], Err(Malformed::OptionOverrun), "{name}");
    }
}

#[test]
fn malformed_option_values() {
    let first_option = |name: &str| {
        let octets: &'static [u8] = load(&format!("ppp/{name}")).leak();
        let control = Control::parse(&octets[2..]).expect(name);
        control.options().next().expect(name).expect(name)
    };
    for name in [
        "malformed-lcp-mru-size",
        "malformed-lcp-magic-number-size",
        "malformed-lcp-authentication-size",
        "malformed-lcp-pap-with-data",
        "malformed-lcp-chap-without-algorithm",
        "malformed-lcp-compression-with-value",
    ] {
        assert_eq!(lcp::ConfigOption::parse(first_option(name)), Err(Malformed::OptionLength), "{name}");
    }
    for name in ["malformed-ipcp-address-size", "malformed-ipcp-dns-size"] {
        assert_eq!(ipcp::ConfigOption::parse(first_option(name)), Err(Malformed::OptionLength), "{name}");
    }
    let name = "malformed-ipv6cp-identifier-size";
    assert_eq!(ipv6cp::ConfigOption::parse(first_option(name)), Err(Malformed::OptionLength), "{name}");

    let data = |name: &str| load(&format!("ppp/{name}"))[6..].to_vec();
    assert_eq!(Echo::parse(&data("malformed-lcp-echo-size")), Err(Malformed::Truncated));
    let reject = data("malformed-lcp-protocol-reject-size");
    assert_eq!(ProtocolReject::parse(&reject), Err(Malformed::Truncated));
}

#[test]
fn an_option_that_does_not_fit_is_not_emitted() {
    let write = |option: lcp::ConfigOption<'_>| {
        let mut buffer = [0; 512];
        let mut writer = ppp::Writer::new(&mut buffer, Protocol::Lcp, Code::ConfigureRequest, 1);
        option.write(&mut writer);
        writer.finish()
    };
    let value = [0; 254];
    assert_eq!(write(lcp::ConfigOption::Unknown { kind: 99, value: &value[..253] }), Ok(6 + 255));
    assert_eq!(write(lcp::ConfigOption::Unknown { kind: 99, value: &value }), Err(BufferTooSmall));
    let authentication =
        |data| lcp::ConfigOption::AuthenticationProtocol(Authentication::Unknown { protocol: 0xc227, data });
    assert_eq!(write(authentication(&value[..251])), Ok(6 + 255));
    assert_eq!(write(authentication(&value[..252])), Err(BufferTooSmall));
    let raw = RawOption { kind: 1, value: &value };
    let mut buffer = [0; 512];
    let mut writer = ppp::Writer::new(&mut buffer, Protocol::Lcp, Code::ConfigureAck, 1);
    assert_eq!(writer.raw_option(raw).finish(), Err(BufferTooSmall));
}

// ---- PAP

#[test]
fn pap_packets() {
    use pap::Packet as P;
    let cases = [
        (
            "authenticate-request",
            P::AuthenticateRequest { identifier: 1, peer_id: b"0101234@adsl", password: b"secret" },
        ),
        ("authenticate-request-empty", P::AuthenticateRequest { identifier: 2, peer_id: b"", password: b"" }),
        ("authenticate-ack", P::AuthenticateAck { identifier: 1, message: b"" }),
        ("authenticate-nak", P::AuthenticateNak { identifier: 1, message: b"Userid locked" }),
    ];
    for (name, expected) in cases {
        let octets = load(&format!("pap/{name}"));
        let (protocol, rest) = ppp::parse(&octets).expect(name);
        assert_eq!((protocol, P::parse(rest)), (Protocol::Pap, Ok(expected)), "{name}");
        assert_eq!(emitted(|buffer| expected.emit(buffer)), octets, "{name}");
    }
    // Read kindly, but written as the RFC asks.
    let octets = load("pap/authenticate-ack-without-length");
    let ack = P::parse(&octets[2..]).expect("taken");
    assert_eq!(emitted(|buffer| ack.emit(buffer)), load("pap/authenticate-ack"));

    let long = [b'x'; 256];
    let request = P::AuthenticateRequest { identifier: 1, peer_id: &long, password: b"" };
    assert_eq!(request.emit(&mut [0; 512]), Err(BufferTooSmall));
}

#[test]
fn malformed_pap() {
    let cases = [
        ("malformed-unknown-code", Malformed::UnknownCode),
        ("malformed-truncated", Malformed::Truncated),
        ("malformed-length-overrun", Malformed::LengthOverrun),
        ("malformed-peer-id-overrun", Malformed::FieldLength),
        ("malformed-no-password-length", Malformed::FieldLength),
        ("malformed-password-overrun", Malformed::FieldLength),
        ("malformed-no-peer-id", Malformed::FieldLength),
        ("malformed-message-overrun", Malformed::FieldLength),
    ];
    for (name, expected) in cases {
        let octets = load(&format!("pap/{name}"));
        assert_eq!(pap::Packet::parse(&octets[2..]), Err(expected), "{name}");
    }
}

// ---- CHAP

#[test]
fn chap_packets() {
    use chap::Packet as P;
    let counting: Vec<u8> = (0..32).collect();
    let cases = [
        ("challenge", P::Challenge { identifier: 5, value: &counting[..16], name: b"BRAS-ZZ-017" }),
        ("challenge-without-name", P::Challenge { identifier: 6, value: &[0x7f], name: b"" }),
        ("response", P::Response { identifier: 5, value: &counting[16..], name: b"0101234@adsl" }),
        ("success", P::Success { identifier: 5, message: b"Welcome" }),
        ("success-empty", P::Success { identifier: 5, message: b"" }),
        ("failure", P::Failure { identifier: 5, message: b"not match, no access!" }),
    ];
    for (name, expected) in cases {
        let octets = load(&format!("chap/{name}"));
        let (protocol, rest) = ppp::parse(&octets).expect(name);
        assert_eq!((protocol, P::parse(rest)), (Protocol::Chap, Ok(expected)), "{name}");
        assert_eq!(emitted(|buffer| expected.emit(buffer)), octets, "{name}");
    }
    let challenge = P::Challenge { identifier: 1, value: &[0; 256], name: b"" };
    assert_eq!(challenge.emit(&mut [0; 512]), Err(BufferTooSmall));
}

#[test]
fn malformed_chap() {
    let cases = [
        ("malformed-unknown-code", Malformed::UnknownCode),
        ("malformed-truncated", Malformed::Truncated),
        ("malformed-length-short", Malformed::LengthTooShort),
        ("malformed-no-value", Malformed::FieldLength),
        ("malformed-empty-value", Malformed::FieldLength),
        ("malformed-value-overrun", Malformed::FieldLength),
    ];
    for (name, expected) in cases {
        let octets = load(&format!("chap/{name}"));
        assert_eq!(chap::Packet::parse(&octets[2..]), Err(expected), "{name}");
    }
}

// ---- MS-CHAPv2

#[test]
fn mschapv2_response() {
    let octets = load("mschapv2/response");
    let response = Response::parse(&octets).expect("well-formed");
    assert_eq!(response.peer_challenge, octets[..16]);
    assert_eq!(response.nt_response, octets[24..48]);
    assert_eq!(response.value(), octets[..]);
    assert_eq!(Response::parse(&load("mschapv2/response-reserved-set")), Ok(response));
    assert_eq!(Response::parse(&load("mschapv2/malformed-response-short")), Err(Malformed::FieldLength));
}

#[test]
fn mschapv2_success() {
    let proof = [
        0x40, 0x7A, 0x55, 0x89, 0x11, 0x5F, 0xD0, 0xD6, 0x20, 0x9F, 0x51, 0x0F, 0xE9, 0xC0, 0x45, 0x66, 0x93,
        0x2C, 0xDA, 0x56,
    ];
    let cases: [(_, &[u8], _); 4] = [
        ("success", b"Access granted", true),
        ("success-empty-text", b"", true),
        ("success-without-text", b"", false),
        ("success-lower-case", b"ok", false),
    ];
    for (name, message, is_canonical) in cases {
        let octets = load(&format!("mschapv2/{name}"));
        let expected = Success { authenticator_response: proof, message };
        assert_eq!(Success::parse(&octets), Ok(expected), "{name}");
        let written = emitted(|buffer| expected.emit(buffer));
        assert_eq!(written == octets, is_canonical, "{name}");
    }
    for name in ["no-response", "short", "not-hex", "long"] {
        let octets = load(&format!("mschapv2/malformed-success-{name}"));
        assert_eq!(Success::parse(&octets), Err(Malformed::Text), "{name}");
    }
}

#[test]
fn mschapv2_failure() {
    let full = Failure {
        error: 691,
        retry: true,
        challenge: Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        version: Some(3),
        message: b"Authentication failed",
    };
    let short = Failure { error: 691, retry: false, challenge: None, version: None, message: b"" };
    for (name, expected) in [("failure", full), ("failure-short", short)] {
        let octets = load(&format!("mschapv2/{name}"));
        assert_eq!(Failure::parse(&octets), Ok(expected), "{name}");
        assert_eq!(emitted(|buffer| expected.emit(buffer)), octets, "{name}");
    }
    let shuffled = Failure { error: 648, version: Some(3), ..short };
    assert_eq!(Failure::parse(&load("mschapv2/failure-shuffled")), Ok(shuffled));
    for name in [
        "no-error",
        "error-word",
        "error-empty",
        "error-huge",
        "error-not-ascii",
        "retry",
        "version",
        "challenge",
    ] {
        let octets = load(&format!("mschapv2/malformed-failure-{name}"));
        assert_eq!(Failure::parse(&octets), Err(Malformed::Text), "{name}");
    }
}

// ---- DHCPv4

/// Whether a writer says it in the same octets.
#[derive(PartialEq)]
enum Form {
    Canonical,
    /// It has PAD, END is missing, or options stand in `file` or `sname`: nothing a writer does.
    Loose,
}

fn check_dhcpv4(name: &str, header: &Header, expected: &[(u8, &[u8])], form: &Form) {
    let octets = load(&format!("dhcpv4/{name}"));
    let message = Message::parse(&octets).expect(name);
    assert_eq!(message.header, *header, "{name}");
    let options: Vec<_> = message.options().map(|option| (option.code.0, option.value)).collect();
    assert_eq!(options, expected, "{name}");
    let written = emitted(|buffer| {
        let mut writer = dhcpv4::Writer::new(buffer, header);
        for option in message.options() {
            writer.push(option.code, option.value);
        }
        writer.finish()
    });
    assert_eq!(written == octets, *form == Form::Canonical, "{name}");
    let again = Message::parse(&written).expect(name);
    assert!(again.header == *header && again.options().eq(message.options()), "{name}");
}

#[test]
fn dhcpv4_messages() {
    let client = EthernetAddress([2, 0, 0, 0, 0, 1]);
    let xid = 0x3903_f326;
    let request = Header::request(xid, client);
    let reply = Header { yiaddr: Ipv4Address::new(192, 168, 1, 23), ..Header::reply(xid, client) };
    let broadcast = |header: Header| {
        let mut header = header;
        header.set_broadcast(true);
        header
    };
    let discover: [(u8, &[u8]); 6] = [
        (53, &[1]),
        (61, &[1, 2, 0, 0, 0, 0, 1]),
        (50, &[192, 168, 1, 23]),
        (12, b"Printer"),
        (57, &[0x05, 0xdc]),
        (55, &[1, 121, 3, 6, 15, 26, 42, 51, 54, 114]),
    ];
    check_dhcpv4("discover", &Header { secs: 4, ..broadcast(request) }, &discover, &Form::Canonical);
    let offer: [(u8, &[u8]); 9] = [
        (53, &[2]),
        (54, &[192, 168, 1, 1]),
        (51, &43_200_u32.to_be_bytes()),
        (58, &21_600_u32.to_be_bytes()),
        (59, &37_800_u32.to_be_bytes()),
        (1, &[255, 255, 255, 0]),
        (3, &[192, 168, 1, 1]),
        (6, &[192, 168, 1, 1, 192, 168, 1, 2]),
        (15, b"lan"),
    ];
    check_dhcpv4("offer", &reply, &offer, &Form::Canonical);
    let renewing = Header { xid: 7, secs: 1, ciaddr: Ipv4Address::new(192, 168, 1, 23), ..request };
    check_dhcpv4("request-renewing", &renewing, &[(53, &[3])], &Form::Canonical);
    let portal: [(u8, &[u8]); 3] =
        [(53, &[5]), (54, &[10, 0, 0, 1]), (114, b"https://portal.example/api/v1")];
    let here = Header { yiaddr: Ipv4Address::new(10, 0, 0, 9), ..reply };
    check_dhcpv4("ack-captive-portal", &here, &portal, &Form::Canonical);
    let nak: [(u8, &[u8]); 3] = [(53, &[6]), (54, &[192, 168, 1, 1]), (56, b"wrong network")];
    check_dhcpv4("nak", &broadcast(Header::reply(xid, client)), &nak, &Form::Canonical);
    let both: [(u8, &[u8]); 5] =
        [(53, &[5]), (52, &[3]), (3, &[192, 168, 1, 1]), (15, b"lan.home"), (42, &[192, 168, 1, 2])];
    check_dhcpv4("ack-overload-both", &reply, &both, &Form::Loose);
    check_dhcpv4("ack-overload-file", &reply, &[both[0], (52, &[1]), both[3]], &Form::Loose);
    check_dhcpv4("ack-overload-sname", &reply, &[both[0], (52, &[2]), both[4]], &Form::Loose);
    let pieces: [(u8, &[u8]); 4] =
        [(53, &[5]), (6, &[8, 8, 8, 8, 1, 1]), (3, &[192, 168, 1, 1]), (6, &[1, 1, 9, 9, 9, 9])];
    check_dhcpv4("ack-long-option", &reply, &pieces, &Form::Canonical);
    check_dhcpv4("discover-padded", &request, &[(53, &[1]), (12, b"")], &Form::Loose);
    check_dhcpv4("discover-without-end", &request, &[(53, &[1])], &Form::Loose);
    check_dhcpv4("discover-twice-typed", &request, &[(53, &[1]), (53, &[1])], &Form::Canonical);
    check_dhcpv4("bootp-request", &request, &[], &Form::Canonical);
    let token_ring = Header { hardware_type: 6, ciaddr: reply.yiaddr, ..request };
    check_dhcpv4("inform-token-ring", &token_ring, &[(53, &[8])], &Form::Canonical);
    assert_eq!((request.ethernet_address(), token_ring.ethernet_address()), (Some(client), None));
}

#[test]
fn dhcpv4_values() {
    let read = |name: &str| Message::parse(load(&format!("dhcpv4/{name}")).leak()).expect(name);
    let discover = read("discover");
    assert_eq!(discover.message_type(), Ok(Some(MessageType::Discover)));
    assert!(discover.header.wants_broadcast());
    let requested = discover.address(OptionCode::REQUESTED_ADDRESS);
    assert_eq!(requested, Ok(Some(Ipv4Address::new(192, 168, 1, 23))));
    assert_eq!(discover.max_answer_len(), Ok(1472));
    assert_eq!(discover.value(OptionCode::DOMAIN_NAME), None);
    assert_eq!(read("discover-twice-typed").message_type(), Ok(Some(MessageType::Discover)));
    assert_eq!(read("bootp-request").message_type(), Ok(None));
    assert!(read("discover-padded").value(OptionCode::HOST_NAME).unwrap().is_empty());

    let offer = read("offer");
    assert_eq!(offer.u32(OptionCode::LEASE_TIME), Ok(Some(43_200)));
    assert_eq!(offer.u32(OptionCode::SUBNET_MASK), Ok(Some(0xffff_ff00)));
    assert_eq!(offer.u16(OptionCode::LEASE_TIME), Err(Malformed::OptionLength));
    assert_eq!(offer.max_answer_len(), Ok(dhcpv4::DEFAULT_MAX_LEN));
    let servers = read("ack-long-option").value(OptionCode::DOMAIN_NAME_SERVER).unwrap();
    let servers: Vec<_> = servers.addresses().unwrap().map(|address| address.to_string()).collect();
    assert_eq!(servers, ["8.8.8.8", "1.1.1.1", "9.9.9.9"]);

    let octets = load("dhcpv4/ack-classless-routes");
    let routes = Message::parse(&octets).unwrap().value(OptionCode::CLASSLESS_ROUTES).unwrap();
    let routes: Vec<_> = routes.classless_routes().map(Result::unwrap).collect();
    let route = |destination, width, router| Route {
        destination: Ipv4Cidr::new(destination, width),
        router: Ipv4Address::from(router),
    };
    let expected = [
        route(Ipv4Address::UNSPECIFIED, 0, [100, 64, 0, 1]),
        route(Ipv4Address::new(10, 0, 0, 1), 32, [0; 4]),
        route(Ipv4Address::new(10, 16, 0, 0), 16, [100, 64, 0, 2]),
        route(Ipv4Address::new(10, 16, 0, 0), 15, [100, 64, 0, 3]),
    ];
    assert_eq!(routes, expected);
    let header = Message::parse(&octets).unwrap().header;
    let written = emitted(|buffer| {
        dhcpv4::Writer::new(buffer, &header)
            .message_type(MessageType::Ack)
            .address(OptionCode::SERVER_IDENTIFIER, Ipv4Address::new(100, 64, 0, 1))
            .classless_routes(&routes)
            .finish()
    });
    assert_eq!(written, octets);
}

#[test]
fn malformed_dhcpv4_messages() {
    let cases = [
        ("malformed-truncated", Malformed::Truncated),
        ("malformed-empty", Malformed::Truncated),
        ("malformed-operation", Malformed::Operation),
        ("malformed-hardware-length", Malformed::HardwareLength),
        ("malformed-magic-cookie", Malformed::MagicCookie),
        ("malformed-option-overrun", Malformed::OptionOverrun),
        ("malformed-option-header-cut", Malformed::OptionOverrun),
        ("malformed-overload-value", Malformed::Overload),
        ("malformed-overload-size", Malformed::OptionLength),
        ("malformed-overload-twice", Malformed::DuplicateOption),
        ("malformed-overload-overrun", Malformed::OptionOverrun),
        ("malformed-two-message-types", Malformed::DuplicateOption),
        ("malformed-message-type-size", Malformed::OptionLength),
        ("malformed-route-width", Malformed::PrefixLength),
        ("malformed-route-cut", Malformed::OptionLength),
        ("malformed-addresses", Malformed::OptionLength),
    ];
    for (name, expected) in cases {
        assert_eq!(read_dhcpv4(&load(&format!("dhcpv4/{name}"))), Err(expected), "{name}");
    }
}

/// What a writer refuses, and what it leaves out.
#[test]
fn dhcpv4_options_that_do_not_fit() {
    let header = Header::request(1, ROUTER);
    let mut buffer = [0xA5; dhcpv4::MIN_LEN];
    for code in [OptionCode(0), OptionCode(255)] {
        let mut writer = dhcpv4::Writer::new(&mut buffer, &header);
        assert_eq!(writer.push(code, b"").finish(), Err(BufferTooSmall));
    }
    let long = Header { hardware_len: 17, ..header };
    assert_eq!(dhcpv4::Writer::new(&mut buffer, &long).finish(), Err(BufferTooSmall));
    // 60 octets are free, one of them for END.
    for (length, fits) in [(57, true), (58, false)] {
        let mut writer = dhcpv4::Writer::new(&mut buffer, &header);
        assert_eq!(writer.push_if_it_fits(OptionCode::MESSAGE, &[0xAA; 64][..length]), fits, "{length}");
        assert_eq!(writer.finish(), Ok(dhcpv4::MIN_LEN), "{length}");
    }
    let long = [0x61; 300];
    let written =
        emitted(|buffer| dhcpv4::Writer::new(buffer, &header).push(OptionCode::MESSAGE, &long).finish());
    let message = Message::parse(&written).unwrap();
    let value = message.value(OptionCode::MESSAGE).unwrap();
    assert_eq!(value.pieces().map(<[u8]>::len).collect::<Vec<_>>(), [255, 45]);
    assert!(value.octets().eq(long));
}

// ---- All of them

/// A fixture nobody reads is a claim nobody checks.
#[test]
fn every_fixture_is_tested() {
    let tests = concat!(
        include_str!("fixtures.rs"),
        include_str!("dns/mod.rs"),
        include_str!("probes.rs"),
        include_str!("ipv6.rs")
    );
    for name in fixture::all() {
        let (_, case) = name.split_once('/').unwrap();
        let short = case
            .trim_start_matches("malformed-")
            .trim_start_matches("success-")
            .trim_start_matches("failure-");
        let is_named = [&name, case, short].iter().any(|name| tests.contains(&format!("\"{name}\"")));
        assert!(is_named, "no test reads {name}");
    }
}

fn read_dhcpv4(octets: &[u8]) -> Result<(), Malformed> {
    let message = Message::parse(octets)?;
    message.message_type()?;
    if let Some(servers) = message.value(OptionCode::DOMAIN_NAME_SERVER) {
        servers.addresses().map(drop)?;
    }
    let routes = message.value(OptionCode::CLASSLESS_ROUTES);
    routes.map_or(Ok(()), |routes| routes.classless_routes().try_for_each(|route| route.map(drop)))
}

/// Reads all of a fixture, layer by layer, as far as its group goes.
fn read(group: &str, case: &str, octets: &[u8]) -> Result<(), Malformed> {
    match group {
        "ethernet" => ethernet::Header::parse(octets).map(drop),
        "dhcpv4" => read_dhcpv4(octets),
        "pppoe" => TagSet::parse(&Packet::parse(octets)?).map(drop).or_else(|error| {
            let is_session = Packet::parse(octets)?.code == pppoe::Code::Session;
            if is_session { Ok(()) } else { Err(error) }
        }),
        "dns" => gatelet_wire::dns::Message::parse(octets)?.check().map(drop),
        "pap" => pap::Packet::parse(ppp::parse(octets)?.1).map(drop),
        "chap" => chap::Packet::parse(ppp::parse(octets)?.1).map(drop),
        "mschapv2" => match case.trim_start_matches("malformed-").split('-').next() {
            Some("response") => Response::parse(octets).map(drop),
            Some("success") => Success::parse(octets).map(drop),
            _ => Failure::parse(octets).map(drop),
        },
        "http" if case == "get" => Ok(()),
        "http" => {
            let mut reader = http::ResponseReader::new();
            reader.push(octets).and_then(|_| reader.close()).map(drop)
        }
        "tls" if case.contains("client-hello") => tls::ClientHello::parse(octets).map(drop),
        "tls" => tls::Answer::parse(octets)?.map(drop).ok_or(Malformed::Truncated),
        "ntp" => ntp::Answer::parse(octets).map(drop),
        _ => {
            let (protocol, information) = ppp::parse(octets)?;
            let control = Control::parse(information)?;
            match control.code {
                Code::ProtocolReject => ProtocolReject::parse(control.data).map(drop),
                Code::EchoRequest
                | Code::EchoReply
                | Code::DiscardRequest
                | Code::Identification
                | Code::TimeRemaining => Echo::parse(control.data).map(drop),
                Code::ConfigureRequest | Code::ConfigureAck | Code::ConfigureNak | Code::ConfigureReject => {
                    control.options().try_for_each(|option| match protocol {
                        Protocol::Ipcp => ipcp::ConfigOption::parse(option?).map(drop),
                        Protocol::Ipv6cp => ipv6cp::ConfigOption::parse(option?).map(drop),
                        _ => lcp::ConfigOption::parse(option?).map(drop),
                    })
                }
                _ => Ok(()),
            }
        }
    }
}

#[test]
fn every_fixture_is_what_its_name_says() {
    for name in fixture::all() {
        let (group, case) = name.split_once('/').unwrap();
        if matches!(group, "dhcpv6" | "icmpv6" | "ndp" | "nic_update") {
            continue; // `ipv6.rs` does so.
        }
        let outcome = read(group, case, &load(&name));
        assert_eq!(outcome.is_err(), case.starts_with("malformed-"), "{name}: {outcome:?}");
    }
}

#[test]
fn every_error_has_words() {
    let reasons = [
        Malformed::Truncated,
        Malformed::Version,
        Malformed::LengthOverrun,
        Malformed::LengthTooShort,
        Malformed::VlanId,
        Malformed::SessionId,
        Malformed::TagOverrun,
        Malformed::TagLength,
        Malformed::DuplicateTag,
        Malformed::ProtocolField,
        Malformed::OptionOverrun,
        Malformed::OptionLength,
        Malformed::UnknownCode,
        Malformed::FieldLength,
        Malformed::Text,
        Malformed::Operation,
        Malformed::HardwareLength,
        Malformed::MagicCookie,
        Malformed::DuplicateOption,
        Malformed::Overload,
        Malformed::PrefixLength,
        Malformed::LabelType,
        Malformed::CompressionPointer,
        Malformed::NameLength,
        Malformed::Opt,
        Malformed::StatusLine,
        Malformed::HeadTooLong,
        Malformed::ChunkSize,
        Malformed::NotTls,
        Malformed::RequestLine,
        Malformed::NextHeader,
        Malformed::Checksum,
        Malformed::HopLimit,
        Malformed::NotNeighborDiscovery,
        Malformed::Addresses,
        Malformed::DuidLength,
    ];
    let mut words: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    words.sort();
    words.dedup();
    assert_eq!(words.len(), reasons.len(), "each has its own");
    assert_eq!(BufferTooSmall.to_string(), "buffer too small");
}
