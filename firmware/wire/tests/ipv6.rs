//! What belongs to IPv6: the fixtures of ICMPv6, Neighbor Discovery and DHCPv6, both ways; how a tunnel's
//! end is updated; and what holds for any octets.

mod fixture;

use fixture::load;
use gatelet_wire::dhcpv6::{self, Duid, MessageType, OptionCode, StatusCode, TransactionId};
use gatelet_wire::icmpv6::{self, Echo};
use gatelet_wire::ndp::{
    self, ALL_NODES, ALL_ROUTERS, INFINITE, Message, NdOption, Packet, Preference, PrefixInformation,
    RouteInformation, RouterAdvertisement, Writer, network, solicited_node,
};
use gatelet_wire::nic_update::{Answer, Request, Update};
use gatelet_wire::{BufferTooSmall, EthernetAddress, Ipv4Address, Ipv6Address, Ipv6Cidr, Malformed, http};
use proptest::collection::vec;
use proptest::prelude::*;

const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

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

fn ip(text: &str) -> Ipv6Address {
    text.parse().expect(text)
}

fn prefix(text: &str) -> Ipv6Cidr {
    let (address, len) = text.split_once('/').expect(text);
    Ipv6Cidr::new(ip(address), len.parse().expect(text))
}

// ---- Neighbor Discovery

/// Writes a packet with the options that have been read.
fn rewritten(buffer: &mut [u8], packet: &Packet<'_>) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(buffer, packet.source, packet.destination, &packet.message);
    for option in packet.options() {
        match option {
            NdOption::SourceLinkLayer(mac) => writer.source_link_layer(mac),
            NdOption::TargetLinkLayer(mac) => writer.target_link_layer(mac),
            NdOption::Prefix(prefix) => writer.prefix(&prefix),
            NdOption::Mtu(mtu) => writer.mtu(mtu),
            NdOption::Route(route) => writer.route(&route),
            NdOption::Rdnss { lifetime_seconds, servers } => {
                writer.rdnss(lifetime_seconds, &servers.collect::<Vec<_>>())
            }
            NdOption::CaptivePortal(uri) => writer.captive_portal(uri),
            NdOption::Unreadable { .. } | NdOption::Other { .. } => &mut writer,
        };
    }
    writer.finish()
}

/// Reads a fixture and writes it again. What was not canonical is compared after another reading.
fn check_ndp(
    name: &str,
    source: &str,
    destination: Ipv6Address,
    message: Message,
    is_canonical: bool,
) -> Vec<u8> {
    let octets = load(&format!("ndp/{name}"));
    let packet = Packet::parse(&octets).expect(name);
    assert_eq!((packet.source, packet.destination, packet.message), (ip(source), destination, message));
    let written = emitted(|buffer| rewritten(buffer, &packet));
    assert_eq!(written == octets, is_canonical, "{name}");
    octets
}

/// What a host hears that is told nothing but a lifetime.
const PLAIN: RouterAdvertisement = RouterAdvertisement {
    hop_limit: 64,
    is_managed: false,
    has_other: false,
    preference: Preference::Medium,
    router_lifetime_seconds: 1800,
    reachable_time_ms: 0,
    retrans_timer_ms: 0,
};

#[test]
fn solicitations_and_advertisements() {
    let solicitation = Message::RouterSolicitation;
    let octets = check_ndp("router-solicitation", "fe80::a", ALL_ROUTERS, solicitation, true);
    let options: Vec<_> = Packet::parse(&octets).unwrap().options().collect();
    assert_eq!(options, [NdOption::SourceLinkLayer(MAC)]);
    check_ndp("router-solicitation-unspecified", "::", ALL_ROUTERS, solicitation, true);

    let target = ip("2001:db8:0:1::1");
    let group = solicited_node(target);
    let solicitation = Message::NeighborSolicitation { target };
    check_ndp("neighbor-solicitation", "fe80::a", group, solicitation, true);
    check_ndp("neighbor-solicitation-dad", "::", group, solicitation, true);
    let answer =
        Message::NeighborAdvertisement { target, is_router: true, is_solicited: true, overrides: true };
    let octets = check_ndp("neighbor-advertisement", "2001:db8:0:1::1", ip("fe80::a"), answer, true);
    assert!(Packet::parse(&octets).unwrap().options().eq([NdOption::TargetLinkLayer(MAC)]));
    let target = ip("fe80::a");
    let news =
        Message::NeighborAdvertisement { target, is_router: false, is_solicited: false, overrides: true };
    check_ndp("neighbor-advertisement-unsolicited", "fe80::a", ALL_NODES, news, true);
}

#[test]
fn router_advertisements() {
    let full = RouterAdvertisement {
        is_managed: true,
        has_other: true,
        preference: Preference::High,
        reachable_time_ms: 30_000,
        retrans_timer_ms: 1_000,
        ..PLAIN
    };
    let said = Message::RouterAdvertisement;
    let octets = check_ndp("router-advertisement", "fe80::1", ALL_NODES, said(full), true);
    let options: Vec<_> = Packet::parse(&octets).unwrap().options().collect();
    let mut servers = None;
    if let Some(NdOption::Rdnss { servers: found, .. }) = options.get(4) {
        servers = Some(found.clone().collect::<Vec<_>>());
    }
    assert_eq!(servers, Some(vec![ip("2001:db8:0:1::1"), ip("2001:db8:0:1::2")]));
    let home = PrefixInformation {
        prefix: prefix("2001:db8:0:1::/64"),
        is_on_link: true,
        is_autonomous: true,
        valid_lifetime_seconds: 86_400,
        preferred_lifetime_seconds: 14_400,
    };
    let route = RouteInformation {
        prefix: prefix("2001:db8:1::/48"),
        preference: Preference::High,
        lifetime_seconds: 3600,
    };
    let expected = [
        NdOption::SourceLinkLayer(MAC),
        NdOption::Mtu(1492),
        NdOption::Prefix(home),
        NdOption::Route(route),
        options[4].clone(),
        NdOption::CaptivePortal(b"https://p.example/ap"),
    ];
    assert_eq!(options, expected);

    check_ndp("router-advertisement-bare", "fe80::1", ALL_NODES, said(PLAIN), false);
    let none = RouterAdvertisement { router_lifetime_seconds: 0, ..PLAIN };
    // The reserved preference is written as medium.
    let octets = check_ndp("router-advertisement-withdrawn", "fe80::1", ALL_NODES, said(none), false);
    let old = PrefixInformation { valid_lifetime_seconds: 7200, preferred_lifetime_seconds: 0, ..home };
    assert!(Packet::parse(&octets).unwrap().options().eq([NdOption::Prefix(old)]));

    let octets = check_ndp("router-advertisement-odd-options", "fe80::1", ALL_NODES, said(PLAIN), false);
    let options: Vec<_> = Packet::parse(&octets).unwrap().options().collect();
    let unreadable = [1, 5, 3, 3, 24, 24, 25, 25, 37].map(|kind| NdOption::Unreadable { kind });
    assert_eq!(options[..9], unreadable);
    assert_eq!(options[9..], [NdOption::Other { kind: 14, value: &[1, 2, 3, 4, 5, 6] }]);

    let octets = check_ndp("router-advertisement-routes", "fe80::1", ALL_NODES, said(PLAIN), false);
    let route = |text, preference, lifetime_seconds| {
        NdOption::Route(RouteInformation { prefix: prefix(text), preference, lifetime_seconds })
    };
    let expected = [
        route("::/0", Preference::Low, 0),
        route("2001:db8:1:fffe::/63", Preference::Medium, INFINITE),
        route("2001:db8::1/128", Preference::Medium, 1),
    ];
    assert!(Packet::parse(&octets).unwrap().options().eq(expected));
}

#[test]
fn malformed_ndp_packets() {
    let cases = [
        ("malformed-version", Malformed::Version),
        ("malformed-next-header", Malformed::NextHeader),
        ("malformed-length-overrun", Malformed::LengthOverrun),
        ("malformed-checksum", Malformed::Checksum),
        ("malformed-hop-limit", Malformed::HopLimit),
        ("malformed-code", Malformed::NotNeighborDiscovery),
        ("malformed-redirect", Malformed::NotNeighborDiscovery),
        ("malformed-truncated-advertisement", Malformed::Truncated),
        ("malformed-truncated-target", Malformed::Truncated),
        ("malformed-option-of-no-length", Malformed::OptionOverrun),
        ("malformed-option-overrun", Malformed::OptionOverrun),
        ("malformed-option-header-cut", Malformed::OptionOverrun),
        ("malformed-advertisement-from-afar", Malformed::Addresses),
        ("malformed-solicitation-from-nobody", Malformed::Addresses),
        ("malformed-dad-to-all", Malformed::Addresses),
        ("malformed-multicast-target", Malformed::Addresses),
        ("malformed-solicited-to-all", Malformed::Addresses),
    ];
    for (name, expected) in cases {
        assert_eq!(Packet::parse(&load(&format!("ndp/{name}"))), Err(expected), "{name}");
    }
}

#[test]
fn ndp_options_that_do_not_fit() {
    let mut buffer = [0xA5; 8192];
    let own = ip("fe80::1");
    let mut write = |fill: &dyn Fn(&mut Writer<'_>)| {
        let mut writer = Writer::new(&mut buffer, own, ALL_NODES, &Message::RouterAdvertisement(PLAIN));
        fill(&mut writer);
        writer.finish()
    };
    let servers = [own; 128];
    let bare = write(&|_| {}).unwrap();
    assert_eq!(write(&|writer| _ = writer.rdnss(1, &servers)), Err(BufferTooSmall));
    assert_eq!(write(&|writer| _ = writer.rdnss(1, &servers[..127])), Ok(bare + 8 + 127 * 16));
    assert_eq!(write(&|writer| _ = writer.rdnss(1, &[])), Ok(bare));
    assert_eq!(write(&|writer| _ = writer.captive_portal(&[b'a'; 2039])), Err(BufferTooSmall));
    assert_eq!(write(&|writer| _ = writer.captive_portal(&[b'a'; 2038])), Ok(bare + 2040));
    assert_eq!(write(&|writer| _ = writer.captive_portal(b"")), Ok(bare));
}

#[test]
fn networks_and_groups() {
    assert_eq!(network(ip("2001:db8::ffff"), 0), prefix("::/0"));
    assert_eq!(network(ip("2001:db8::ffff"), 128), prefix("2001:db8::ffff/128"));
    assert_eq!(network(ip("2001:db8::ffff"), 255), prefix("2001:db8::ffff/128"));
    assert_eq!(network(ip("2001:db8::ffff"), 121), prefix("2001:db8::ff80/121"));
    assert_eq!(solicited_node(ip("2001:db8::12:3456")), ip("ff02::1:ff12:3456"));
}

// ---- ICMPv6

#[test]
fn echoes() {
    let cases = [
        ("echo-request", icmpv6::ECHO_REQUEST, "fe80::1", "fe80::1:2", &b"abc"[..]),
        ("echo-reply", icmpv6::ECHO_REPLY, "fe80::1:2", "fe80::1", b""),
    ];
    for (name, kind, source, destination, data) in cases {
        let octets = load(&format!("icmpv6/{name}"));
        let packet = icmpv6::Packet::parse(&octets).expect(name);
        assert_eq!((packet.kind, packet.code, packet.hop_limit), (kind, 0, 64), "{name}");
        assert_eq!((packet.source, packet.destination), (ip(source), ip(destination)), "{name}");
        let echo = Echo::parse(packet.body).expect(name);
        assert_eq!(echo, Echo { identifier: 0x0102, sequence_number: 3, data }, "{name}");
        let written = emitted(|buffer| echo.emit(buffer, kind, packet.source, packet.destination, 64));
        assert_eq!(written, octets, "{name}");
    }
}

#[test]
fn malformed_icmpv6_packets() {
    for name in ["malformed-truncated-header", "malformed-truncated-message"] {
        let octets = load(&format!("icmpv6/{name}"));
        assert_eq!(icmpv6::Packet::parse(&octets), Err(Malformed::Truncated), "{name}");
    }
    let octets = load("icmpv6/malformed-truncated-echo");
    let packet = icmpv6::Packet::parse(&octets).unwrap();
    assert_eq!(Echo::parse(packet.body), Err(Malformed::Truncated));
}

// ---- DHCPv6

/// Reads a fixture, writes its options again, and gives its octets.
fn check_dhcpv6(name: &str, message_type: MessageType, codes: &[u16]) -> Vec<u8> {
    let octets = load(&format!("dhcpv6/{name}"));
    let message = dhcpv6::Message::parse(&octets).expect(name);
    assert_eq!(message.message_type, message_type, "{name}");
    let found: Vec<_> = message.options().map(|option| option.code.0).collect();
    assert_eq!(found, codes, "{name}");
    let written = emitted(|buffer| {
        let mut writer = dhcpv6::Writer::new(buffer, message.message_type, message.transaction_id);
        for option in message.options() {
            writer.push(option.code, option.value);
        }
        writer.finish()
    });
    assert_eq!(written, octets, "{name}");
    octets
}

#[test]
fn dhcpv6_messages() {
    check_dhcpv6("solicit", MessageType::Solicit, &[1, 14, 8, 6, 3, 25]);
    check_dhcpv6("advertise", MessageType::Advertise, &[1, 2, 7, 3, 25]);
    check_dhcpv6("reply", MessageType::Reply, &[1, 2, 25, 23, 24, 82, 32, 103]);
    check_dhcpv6("reply-no-prefix", MessageType::Reply, &[1, 2, 25]);
    check_dhcpv6("release", MessageType::Release, &[1, 2, 8, 25]);
    check_dhcpv6("information-request", MessageType::InformationRequest, &[8, 6]);
    check_dhcpv6("reconfigure", MessageType::Reconfigure, &[1, 2, 19]);
    check_dhcpv6("unknown-type", MessageType::Unknown(15), &[]);
    for code in 0..=255 {
        assert_eq!(u8::from(MessageType::from(code)), code);
        assert_eq!(u16::from(StatusCode::from(u16::from(code))), u16::from(code));
    }
}

#[test]
fn a_dhcpv6_message_written_by_its_parts() {
    let id = TransactionId([0x12, 0x34, 0x56]);
    let client = [0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
    let server = [0, 1, 0, 1, 0x2c, 0, 0, 0, 2, 0, 0, 0, 1, 1];
    let solicit = emitted(|buffer| {
        let codes = [23, 24, 82, 83, 103].map(OptionCode);
        dhcpv6::Writer::new(buffer, MessageType::Solicit, id)
            .push(OptionCode::CLIENT_ID, &client)
            .push(OptionCode::RAPID_COMMIT, b"")
            .elapsed_time(0)
            .option_request(&codes)
            .ia(OptionCode::IA_NA, 1, 0, 0, |_| {})
            .ia(OptionCode::IA_PD, 1, 0, 0, |writer| writer.ia_prefix(prefix("::/56"), 0, 0))
            .finish()
    });
    assert_eq!(solicit, load("dhcpv6/solicit"));
    let advertise = emitted(|buffer| {
        dhcpv6::Writer::new(buffer, MessageType::Advertise, id)
            .push(OptionCode::CLIENT_ID, &client)
            .push(OptionCode::SERVER_ID, &server)
            .push(OptionCode::PREFERENCE, &[255])
            .ia(OptionCode::IA_NA, 1, 1800, 2880, |writer| {
                writer.ia_address(ip("2001:db8::17"), 3600, 7200);
            })
            .ia(OptionCode::IA_PD, 1, 1800, 2880, |writer| {
                writer.ia_prefix(prefix("2001:db8:100:ff00::/56"), 3600, 7200);
            })
            .finish()
    });
    assert_eq!(advertise, load("dhcpv6/advertise"));
    let refusal = emitted(|buffer| {
        dhcpv6::Writer::new(buffer, MessageType::Reply, id)
            .push(OptionCode::CLIENT_ID, &client)
            .push(OptionCode::SERVER_ID, &server)
            .ia(OptionCode::IA_PD, 1, 0, 0, |writer| {
                writer.status(StatusCode::NoPrefixAvail, "sold ou");
            })
            .finish()
    });
    assert_eq!(refusal, load("dhcpv6/reply-no-prefix"));
}

#[test]
fn dhcpv6_values() {
    let octets = load("dhcpv6/reply");
    let options = dhcpv6::Message::parse(&octets).unwrap().options();
    let server = options.duid(OptionCode::SERVER_ID).unwrap().unwrap();
    assert_eq!((server.octets().len(), server.octets()[1]), (14, 1));
    let servers: Vec<_> = options.addresses(OptionCode::DNS_SERVERS).unwrap().collect();
    assert_eq!(servers, [ip("2001:db8::53"), ip("2001:db8::54")]);
    assert_eq!(options.addresses(OptionCode(31)).unwrap().next(), None);
    assert_eq!(options.u32(OptionCode::SOL_MAX_RT), Ok(Some(3600)));
    assert_eq!(options.u32(OptionCode::INF_MAX_RT), Ok(None));
    assert_eq!(options.value(OptionCode::CAPTIVE_PORTAL), Ok(Some(&b"https://p.example/ap"[..])));
    assert_eq!(options.status().unwrap().code, StatusCode::Success);

    let association = options.ias(OptionCode::IA_PD).next().unwrap().unwrap();
    assert_eq!((association.iaid, association.t1_seconds, association.t2_seconds), (1, 1800, 2880));
    let prefixes: Vec<_> = association.options.ia_prefixes().map(Result::unwrap).collect();
    assert_eq!(prefixes[0].prefix, prefix("2001:db8:100:ff00::/56"));
    assert_eq!((prefixes[0].preferred_seconds, prefixes[0].valid_seconds), (3600, 7200));
    assert_eq!(prefixes[1].prefix, prefix("2001:db8:200:1::/64"), "bits behind the prefix are gone");
    assert_eq!((prefixes[1].preferred_seconds, prefixes[1].valid_seconds), (0, dhcpv6::INFINITE));
    assert_eq!(prefixes[1].options.status().unwrap().text, b"all good?");

    let octets = load("dhcpv6/reply-no-prefix");
    let options = dhcpv6::Message::parse(&octets).unwrap().options();
    let association = options.ias(OptionCode::IA_PD).next().unwrap().unwrap();
    assert_eq!(association.options.status().unwrap().code, StatusCode::NoPrefixAvail);
    assert_eq!(association.options.ia_prefixes().count(), 0);

    let octets = load("dhcpv6/advertise");
    let options = dhcpv6::Message::parse(&octets).unwrap().options();
    assert_eq!(options.fixed(OptionCode::PREFERENCE), Ok(Some([255])));
    let association = options.ias(OptionCode::IA_NA).next().unwrap().unwrap();
    let address = association.options.ia_addresses().next().unwrap().unwrap();
    assert_eq!((address.address, address.preferred_seconds), (ip("2001:db8::17"), 3600));
    assert_eq!((address.valid_seconds, address.options.count()), (7200, 0));
}

/// Everything that is read of a message anywhere.
fn read_dhcpv6(octets: &[u8]) -> Result<(), Malformed> {
    let options = dhcpv6::Message::parse(octets)?.options();
    options.duid(OptionCode::CLIENT_ID)?;
    options.duid(OptionCode::SERVER_ID)?;
    options.status()?;
    options.addresses(OptionCode::DNS_SERVERS)?;
    options.u32(OptionCode::SOL_MAX_RT)?;
    for association in options.ias(OptionCode::IA_NA) {
        for address in association?.options.ia_addresses() {
            address?.options.status()?;
        }
    }
    for association in options.ias(OptionCode::IA_PD) {
        for prefix in association?.options.ia_prefixes() {
            prefix?.options.status()?;
        }
    }
    Ok(())
}

#[test]
fn malformed_dhcpv6_messages() {
    let cases = [
        ("malformed-empty", Malformed::Truncated),
        ("malformed-truncated", Malformed::Truncated),
        ("malformed-relay", Malformed::UnknownCode),
        ("malformed-option-overrun", Malformed::OptionOverrun),
        ("malformed-option-header-cut", Malformed::OptionOverrun),
        ("malformed-nested-overrun", Malformed::OptionOverrun),
        ("malformed-ia-size", Malformed::OptionLength),
        ("malformed-prefix-length", Malformed::PrefixLength),
        ("malformed-prefix-size", Malformed::OptionLength),
        ("malformed-address-size", Malformed::OptionLength),
        ("malformed-two-server-ids", Malformed::DuplicateOption),
        ("malformed-duid-short", Malformed::DuidLength),
        ("malformed-duid-long", Malformed::DuidLength),
        ("malformed-dns-size", Malformed::OptionLength),
        ("malformed-dns-empty", Malformed::OptionLength),
        ("malformed-status-size", Malformed::OptionLength),
        ("malformed-max-rt-size", Malformed::OptionLength),
    ];
    for (name, expected) in cases {
        assert_eq!(read_dhcpv6(&load(&format!("dhcpv6/{name}"))), Err(expected), "{name}");
    }
    assert!(Duid::parse(&[0; Duid::MAX_LEN]).is_ok());
}

// ---- Updates of a tunnel's endpoint

const ENDPOINT: Ipv4Address = Ipv4Address::new(203, 0, 113, 5);

#[test]
fn endpoint_updates() {
    let update = Update {
        host: "tunnelbroker.example",
        port: 80,
        hostname: "123456",
        address: Some(ENDPOINT),
        username: "alice",
        key: "s3cr:et",
    };
    let here = Update { hostname: "home-1.example", address: None, ..update };
    let elsewhere = Update { port: 8041, ..update };
    let alice: Option<(&[u8], &[u8])> = Some((b"alice", b"s3cr:et"));
    let cases = [
        ("request", Some(update), &b"123456"[..], Some(ENDPOINT), alice),
        ("request-from-here", Some(here), b"home-1.example", None, alice),
        ("request-at-a-port", Some(elsewhere), b"123456", Some(ENDPOINT), alice),
        ("request-of-others", None, b"123456", Some(ENDPOINT), Some((&b"bob"[..], &b""[..]))),
        ("request-without-credentials", None, b"1", None, None),
        ("request-bad-base64", None, b"1", None, None),
    ];
    for (name, written, hostname, address, credentials) in cases {
        let octets = load(&format!("nic_update/{name}"));
        let request = Request::parse(&octets).expect(name).expect(name);
        assert_eq!((request.hostname, request.address), (hostname, address), "{name}");
        assert_eq!(request.credentials(&mut [0xA5; 64]), credentials, "{name}");
        assert_eq!(request.credentials(&mut [0xA5; 3]), None, "{name}: no room");
        if let Some(update) = written {
            assert_eq!(emitted(|buffer| update.emit(buffer)), octets, "{name}");
        }
        for cut in 0..octets.len() {
            assert_eq!(Request::parse(&octets[..cut]).map(|read| read.is_some()), Ok(false), "{name}");
        }
    }
    let bad = [
        Update { host: "a b", ..update },
        Update { host: "", ..update },
        Update { hostname: "1&myip=192.0.2.1", ..update },
        Update { username: "a:b", ..update },
        Update { key: "a\r\nb", ..update },
    ];
    for update in bad {
        assert_eq!(update.emit(&mut [0; 1024]), Err(BufferTooSmall));
    }
}

#[test]
fn malformed_endpoint_updates() {
    let cases = [
        ("malformed-post", Malformed::RequestLine),
        ("malformed-other-path", Malformed::RequestLine),
        ("malformed-version", Malformed::RequestLine),
        ("malformed-address", Malformed::Text),
        ("malformed-hostname", Malformed::Text),
        ("malformed-endless", Malformed::HeadTooLong),
    ];
    for (name, expected) in cases {
        let octets = load(&format!("nic_update/{name}"));
        assert_eq!(Request::parse(&octets).map(drop), Err(expected), "{name}");
    }
}

#[test]
fn answers_to_endpoint_updates() {
    let cases = [
        ("answer-good", Answer::Good(Some(ENDPOINT))),
        ("answer-nochg", Answer::NoChange(Some(ENDPOINT))),
        ("answer-badauth", Answer::BadAuth),
        ("answer-911", Answer::ServerError),
    ];
    for (name, answer) in cases {
        let octets = load(&format!("nic_update/{name}"));
        let mut reader = http::ResponseReader::new();
        reader.push(&octets).expect(name);
        let response = reader.response().expect(name);
        assert_eq!(Answer::parse(response.status, response.body), Some(answer), "{name}");
        assert_eq!(emitted(|buffer| answer.emit(buffer)), octets, "{name}");
    }
    for (status, body, expected) in [
        (200, "abuse", Some(Answer::Abuse)),
        (403, "nohost", Some(Answer::NoHost)),
        (200, "!yours\n", Some(Answer::NoHost)),
        (200, "badagent", Some(Answer::BadAgent)),
        (200, "  GOOD\t203.0.113.5", Some(Answer::Good(Some(ENDPOINT)))),
        (200, "good soon", Some(Answer::Good(None))),
        (302, "good 203.0.113.5", None),
        (200, "<html>good</html>", None),
        (200, "", None),
        (503, "good", Some(Answer::ServerError)),
        (429, "", Some(Answer::ServerError)),
    ] {
        assert_eq!(Answer::parse(status, body.as_bytes()), expected, "{status} {body}");
    }
}

#[test]
fn every_fixture_is_what_its_name_says() {
    for name in fixture::all() {
        let octets = load(&name);
        let (group, case) = name.split_once('/').unwrap();
        let outcome = match group {
            "dhcpv6" => read_dhcpv6(&octets),
            "icmpv6" => icmpv6::Packet::parse(&octets).and_then(|packet| Echo::parse(packet.body)).map(drop),
            "ndp" => Packet::parse(&octets).map(drop),
            "nic_update" if !case.starts_with("answer-") => Request::parse(&octets).map(drop),
            _ => continue,
        };
        assert_eq!(outcome.is_err(), case.starts_with("malformed-"), "{name}: {outcome:?}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in vec(any::<u8>(), 0..400)) {
        let _ = Packet::parse(&octets);
        let _ = read_dhcpv6(&octets);
    }

    #[test]
    fn an_advertisement_with_any_options_is_read_or_refused(options in vec(any::<u8>(), 0..200)) {
        let mut buffer = [0; 512];
        let said = Message::RouterAdvertisement(PLAIN);
        let echo = Echo { identifier: 0x4000, sequence_number: 1800, data: &[&[0; 8], &options[..]].concat() };
        let len = echo.emit(&mut buffer, 134, ip("fe80::1"), ALL_NODES, ndp::HOP_LIMIT).unwrap();
        if let Ok(packet) = Packet::parse(&buffer[..len]) {
            prop_assert_eq!(packet.message, said);
            let written = emitted(|buffer| rewritten(buffer, &packet));
            let again = Packet::parse(&written).unwrap();
            let known = packet.options().filter(|option| {
                !matches!(option, NdOption::Unreadable { .. } | NdOption::Other { .. })
            });
            prop_assert!(again.options().eq(known));
        }
    }
}
