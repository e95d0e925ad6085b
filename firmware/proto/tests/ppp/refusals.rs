//! Negotiation with peers that refuse, insist, or do not know what they want.

use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{Dropped, LastIpv4, LinkEvent, LinkFailure, Ncp, NcpFailure, Phase};
use gatelet_wire::ppp::lcp::{Authentication, ConfigOption as Lcp, ProtocolReject};
use gatelet_wire::ppp::{Code, Protocol, ipcp::ConfigOption as Ipcp};
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Address;

use crate::script::Script;
use crate::server::{CLIENT_ADDRESS, DNS, SERVER_ADDRESS};
use crate::world::config;

const MAGIC: Lcp<'static> = Lcp::MagicNumber(0x1111_1111);

fn auth(method: AuthMethod) -> Lcp<'static> {
    Lcp::AuthenticationProtocol(method.option())
}

#[test]
fn rejected_options_are_not_asked_for_again() {
    let mut script = Script::open(config());
    script.hears("LCP Configure-Request 1 mru=1492 magic");
    script.reject_all();
    script.hears("LCP Configure-Request 2");
    script.acknowledge();
    script.lcp(Code::ConfigureRequest, 9, &[]).unwrap();
    script.hears("LCP Configure-Ack 9");
    assert_eq!(
        script.link_events()[0],
        // An MRU that was not negotiated is 1500; we send no more than Ethernet takes.
        LinkEvent::LcpUp { peer_mru: 1492, mru: 1500, auth: None }
    );
    // Without a magic number an echo carries 0.
    script.skip();
    script.wait(Duration::from_secs(20));
    while !script.next().expect("an echo").starts_with("LCP Echo-Request") {}
    assert_eq!(script.last[6..10], [0; 4]);
}

#[test]
fn a_nakd_mru_is_taken_if_we_can_receive_it() {
    let mut script = Script::open(config());
    script.skip();
    script.lcp(Code::ConfigureNak, 1, &[Lcp::MaximumReceiveUnit(1480)]).unwrap();
    script.hears("LCP Configure-Request 2 mru=1480 magic");
    script.lcp(Code::ConfigureNak, 2, &[Lcp::MaximumReceiveUnit(9000)]).unwrap();
    script.hears("LCP Configure-Request 3 mru=1480 magic");
    script.lcp(Code::ConfigureNak, 3, &[Lcp::MaximumReceiveUnit(60)]).unwrap();
    script.hears("LCP Configure-Request 4 mru=1480 magic");
}

#[test]
fn an_option_that_is_nakd_for_ever_is_given_up() {
    let mut script = Script::open(config());
    for identifier in 1..=6 {
        script.hears(&format!("LCP Configure-Request {identifier} mru=1492 magic"));
        script.lcp(Code::ConfigureNak, identifier, &[Lcp::MaximumReceiveUnit(1492)]).unwrap();
    }
    script.hears("LCP Configure-Request 7 magic");
}

#[test]
fn a_peer_that_naks_whatever_we_ask_ends_the_link_after_ten() {
    let mut script = Script::open(config());
    for identifier in 1..=10 {
        script.skip();
        script.lcp(Code::ConfigureNak, identifier, &[Lcp::MagicNumber(7)]).unwrap();
    }
    assert_eq!(script.link_events()[0], LinkEvent::Failed(LinkFailure::LcpNoConvergence));
    script.skip();
    assert!(script.last.starts_with(&[0xC0, 0x21, u8::from(Code::TerminateRequest)]));
}

#[test]
fn what_pppoe_has_no_use_for_is_rejected_and_nothing_else() {
    let mut script = Script::open(config());
    script.skip();
    let multilink = Lcp::Unknown { kind: 17, value: &[0x05, 0xD4] };
    let accm = Lcp::Unknown { kind: 2, value: &[0; 4] };
    let options = [
        Lcp::MaximumReceiveUnit(1492),
        accm,
        MAGIC,
        Lcp::ProtocolFieldCompression,
        Lcp::AddressAndControlFieldCompression,
        multilink,
    ];
    script.lcp(Code::ConfigureRequest, 5, &options).unwrap();
    script.hears("LCP Configure-Reject 5 option-2 option-7 option-8 option-17");
    // An option of wrong size is rejected, as raw as it came.
    script.lcp(Code::ConfigureRequest, 6, &[Lcp::Unknown { kind: 1, value: &[5] }]).unwrap();
    script.hears("LCP Configure-Reject 6 option-1");
    script.lcp(Code::ConfigureRequest, 7, &[Lcp::MaximumReceiveUnit(1492), MAGIC]).unwrap();
    script.hears("LCP Configure-Ack 7 mru=1492 magic");
}

#[test]
fn a_peers_mru_below_128_is_nakd_five_times_then_rejected() {
    let mut script = Script::open(config());
    script.skip();
    for identifier in 1..=5 {
        script.lcp(Code::ConfigureRequest, identifier, &[Lcp::MaximumReceiveUnit(64)]).unwrap();
        script.hears(&format!("LCP Configure-Nak {identifier} mru=1492"));
    }
    script.lcp(Code::ConfigureRequest, 6, &[Lcp::MaximumReceiveUnit(64)]).unwrap();
    script.hears("LCP Configure-Reject 6 mru=64");
}

#[test]
fn more_options_than_anybody_has_are_rejected_from_the_33rd_on() {
    let mut script = Script::open(config());
    script.skip();
    script.lcp(Code::ConfigureRequest, 1, &[Lcp::MaximumReceiveUnit(1492); 40]).unwrap();
    script.hears(&format!("LCP Configure-Reject 1{}", " mru=1492".repeat(8)));
}

#[test]
fn a_weaker_method_is_answered_by_stronger_ones() {
    let mut config = config();
    config.minimum_auth = AuthMethod::ChapMd5;
    let mut script = Script::open(config);
    script.skip();
    script.lcp(Code::ConfigureRequest, 1, &[auth(AuthMethod::Pap), MAGIC]).unwrap();
    script.hears("LCP Configure-Nak 1 auth=chap-md5");
    script.lcp(Code::ConfigureRequest, 2, &[auth(AuthMethod::Pap), MAGIC]).unwrap();
    script.hears("LCP Configure-Nak 2 auth=mschapv2");
    script.lcp(Code::ConfigureRequest, 3, &[auth(AuthMethod::MsChapV2), MAGIC]).unwrap();
    script.hears("LCP Configure-Ack 3 auth=mschapv2 magic");
}

#[test]
fn a_peer_that_insists_on_a_weaker_method_is_left_and_the_method_named() {
    let mut config = config();
    config.minimum_auth = AuthMethod::MsChapV2;
    let mut script = Script::open(config);
    script.skip();
    for identifier in 1..=5 {
        script.lcp(Code::ConfigureRequest, identifier, &[auth(AuthMethod::Pap)]).unwrap();
        script.hears(&format!("LCP Configure-Nak {identifier} auth=mschapv2"));
        assert_eq!(script.link_events(), []);
    }
    script.lcp(Code::ConfigureRequest, 6, &[auth(AuthMethod::Pap)]).unwrap();
    let failure = LinkFailure::AuthTooWeak { offered: Some(AuthMethod::Pap) };
    assert_eq!(script.link_events(), [LinkEvent::Failed(failure)]);
}

#[test]
fn eap_and_mschapv1_are_nakd_with_what_we_speak() {
    for unknown in [Authentication::MsChapV1, Authentication::Unknown { protocol: 0xC227, data: &[] }] {
        let mut script = Script::open(config());
        script.skip();
        let suggestions = ["chap-md5", "mschapv2", "pap", "chap-md5", "mschapv2"];
        for (identifier, suggestion) in (1..).zip(suggestions) {
            script.lcp(Code::ConfigureRequest, identifier, &[Lcp::AuthenticationProtocol(unknown)]).unwrap();
            script.hears(&format!("LCP Configure-Nak {identifier} auth={suggestion}"));
        }
        script.lcp(Code::ConfigureRequest, 6, &[Lcp::AuthenticationProtocol(unknown)]).unwrap();
        let failure = LinkFailure::AuthTooWeak { offered: None };
        assert_eq!(script.link_events(), [LinkEvent::Failed(failure)]);
    }
}

#[test]
fn a_looped_line_is_recognised() {
    let mut script = Script::open(config());
    let mut rounds = 0;
    // Whatever we say comes back to us.
    while let Some(words) = script.next() {
        rounds += usize::from(words.starts_with("LCP Configure-Request"));
        let packet = script.last.clone();
        // Late enough to be taken for the answer of a peer that has just begun.
        script.wait(Duration::from_millis(150));
        let _ = script.says(&packet);
        assert!(rounds < 10, "never recognised");
    }
    assert_eq!(script.link_events()[0], LinkEvent::Failed(LinkFailure::Loop), "and nothing else before");
    assert_eq!(rounds, 3);
}

#[test]
fn a_peer_with_our_magic_number_by_chance_is_nakd_and_draws_another() {
    let mut script = Script::open(config());
    script.skip();
    let magic = u32::from_be_bytes(script.last[12..16].try_into().unwrap());
    script.lcp(Code::ConfigureRequest, 1, &[Lcp::MagicNumber(magic)]).unwrap();
    script.hears("LCP Configure-Nak 1 magic");
    script.lcp(Code::ConfigureRequest, 2, &[MAGIC]).unwrap();
    script.hears("LCP Configure-Ack 2 magic");
    // Zero stands for none and is nak'd (RFC 1661 §6.4).
    script.lcp(Code::ConfigureRequest, 3, &[Lcp::MagicNumber(0)]).unwrap();
    script.hears("LCP Configure-Nak 3 magic");
}

#[test]
fn a_line_looped_later_is_recognised_by_our_own_echoes() {
    let mut script = Script::up(config());
    for _ in 0..3 {
        script.wait(Duration::from_secs(20));
        while let Some(words) = script.next() {
            if words.starts_with("LCP Echo-Request") {
                let packet = script.last.clone();
                assert_eq!(script.says(&packet), Err(Dropped::MagicNumber));
            }
        }
    }
    let events = script.link_events();
    assert!(events.contains(&LinkEvent::Failed(LinkFailure::Loop)), "{events:?}");
}

#[test]
fn identifiers_and_contents_of_answers_have_to_match() {
    let mut script = Script::open(config());
    script.skip();
    let (request, magic) =
        (script.last.clone(), Lcp::MagicNumber(u32::from_be_bytes(script.last[12..16].try_into().unwrap())));
    let mru = Lcp::MaximumReceiveUnit(1492);
    assert_eq!(script.lcp(Code::ConfigureAck, 2, &[mru, magic]), Err(Dropped::Identifier));
    assert_eq!(script.lcp(Code::ConfigureNak, 0, &[mru]), Err(Dropped::Identifier));
    assert_eq!(script.lcp(Code::ConfigureAck, 1, &[magic, mru]), Err(Dropped::NotRequested));
    assert_eq!(script.lcp(Code::ConfigureAck, 1, &[mru]), Err(Dropped::NotRequested));
    let stranger = Lcp::ProtocolFieldCompression;
    assert_eq!(script.lcp(Code::ConfigureReject, 1, &[stranger]), Err(Dropped::NotRequested));
    script.hears_nothing();
    script.lcp(Code::ConfigureAck, 1, &[mru, magic]).unwrap();
    // An identifier is good for one answer.
    assert_eq!(script.lcp(Code::ConfigureAck, 1, &[mru, magic]), Err(Dropped::Identifier));
    assert_eq!(script.lcp(Code::ConfigureNak, 1, &[mru]), Err(Dropped::Identifier));
    script.hears_nothing();
    assert_eq!(script.link.counters().dropped(Dropped::Identifier), 4);
    assert_eq!(script.link.counters().dropped(Dropped::NotRequested), 3);
    assert!(request.len() > 6);
}

#[test]
fn packets_that_cannot_be_are_dropped_by_name() {
    let mut script = Script::open(config());
    script.skip();
    assert_eq!(script.says(&[]), Err(Dropped::Malformed));
    assert_eq!(script.says(&[0xC0]), Err(Dropped::Malformed));
    assert_eq!(script.says(&[0xC0, 0x21, 1, 1]), Err(Dropped::Malformed));
    assert_eq!(script.says(&[0xC0, 0x21, 1, 1, 0, 9]), Err(Dropped::Malformed), "length beyond the packet");
    assert_eq!(script.says(&[0xC0, 0x21, 1, 1, 0, 6, 1, 9]), Err(Dropped::Malformed), "option overrun");
    assert_eq!(script.says(&[0x00, 0x21, 0x45]), Err(Dropped::NotControl));
    assert_eq!(script.says(&[0; 1503]), Err(Dropped::Oversize));
    assert_eq!(script.control(Protocol::Ipcp, Code::ConfigureRequest, 1, &[]), Err(Dropped::WrongPhase));
    assert_eq!(script.control(Protocol::Pap, Code::ConfigureAck, 1, &[0]), Err(Dropped::WrongPhase));
    assert_eq!(
        script.control(Protocol::Unknown(0x80FD), Code::ConfigureRequest, 1, &[]),
        Err(Dropped::WrongPhase)
    );
    assert_eq!(script.control(Protocol::Lcp, Code::EchoRequest, 1, &[0; 4]), Err(Dropped::WrongPhase));
    assert_eq!(
        script.control(Protocol::Lcp, Code::Identification, 1, b"\0\0\0\0hello"),
        Err(Dropped::Discarded)
    );
    script.hears_nothing();
    script.link.lower_down(script.now);
    assert_eq!(script.says(&[0xC0, 0x21, 1, 1, 0, 4]), Err(Dropped::LinkDown));
}

#[test]
fn unknown_protocols_and_codes_are_rejected_once_the_link_is_open() {
    let mut script = Script::up(config());
    script.control(Protocol::Unknown(0x80FD), Code::ConfigureRequest, 1, &[18, 6, 1, 0, 0, 0]).unwrap();
    script.hears("LCP Protocol-Reject 1 80fd");
    script.control(Protocol::Unknown(0x8281), Code::ConfigureRequest, 1, &[]).unwrap();
    script.hears("LCP Protocol-Reject 2 8281");
    script.control(Protocol::Lcp, Code::Unknown(99), 1, &[1, 2, 3]).unwrap();
    script.hears("LCP Code-Reject 1 99");
    script.control(Protocol::Ipcp, Code::EchoRequest, 1, &[1, 2, 3]).unwrap();
    script.hears("IPCP Code-Reject 1 9");
    assert_eq!(script.link.phase(), Phase::Network);
}

#[test]
fn rejects_are_cut_to_the_peers_mru() {
    let mut script = Script::open(config());
    script.skip();
    script.acknowledge();
    script.lcp(Code::ConfigureRequest, 1, &[Lcp::MaximumReceiveUnit(128)]).unwrap();
    script.skip();
    script.control(Protocol::Unknown(0x80FD), Code::ConfigureRequest, 1, &[0; 1000]).unwrap();
    script.hears("LCP Protocol-Reject 1 80fd");
    assert_eq!(script.last.len(), 2 + 128);
    script.control(Protocol::Lcp, Code::Unknown(99), 1, &[0; 1000]).unwrap();
    script.hears("LCP Code-Reject 1 99");
    assert_eq!(script.last.len(), 2 + 128);
    // Too small for IPv6, so it is not begun, and refused if the peer begins it.
    let unavailable = LinkEvent::NcpUnavailable { ncp: Ncp::Ipv6cp, reason: NcpFailure::MruTooSmall };
    assert!(script.link_events().contains(&unavailable));
    script.control(Protocol::Ipv6cp, Code::ConfigureRequest, 1, &[]).unwrap();
    script.hears("LCP Protocol-Reject 2 8057");
}

#[test]
fn received_rejects_are_acted_on() {
    // Code-Reject of something essential ends LCP, before and after it opened.
    let mut script = Script::open(config());
    script.skip();
    script.control(Protocol::Lcp, Code::CodeReject, 1, &[1, 1, 0, 4]).unwrap();
    assert_eq!(script.link_events(), [LinkEvent::Failed(LinkFailure::LcpRejected), LinkEvent::Closed]);
    let mut script = Script::up(config());
    script.control(Protocol::Lcp, Code::CodeReject, 1, &[5, 1, 0, 4]).unwrap();
    assert_eq!(script.link_events(), [LinkEvent::Ipv4Down, LinkEvent::Failed(LinkFailure::LcpRejected)]);
    // Of an Echo-Request it only ends echo.
    let mut script = Script::up(config());
    script.control(Protocol::Lcp, Code::CodeReject, 1, &[9, 1, 0, 8]).unwrap();
    assert_eq!(script.link_events(), [LinkEvent::PeerIgnoresEcho]);
    assert_eq!(script.link.phase(), Phase::Network);
}

fn protocol_reject(script: &mut Script, protocol: Protocol) -> Result<(), Dropped> {
    let mut buffer = [0; 64];
    let reject = ProtocolReject { protocol, information: &[1, 1, 0, 4] };
    let length = reject.emit(&mut buffer, 1, 1492).unwrap();
    script.says(&buffer[..length])
}

#[test]
fn a_protocol_reject_ends_what_it_names() {
    let mut script = Script::up(config());
    protocol_reject(&mut script, Protocol::Ipv6cp).unwrap();
    let unavailable = |ncp| LinkEvent::NcpUnavailable { ncp, reason: NcpFailure::Rejected };
    assert_eq!(script.link_events(), [unavailable(Ncp::Ipv6cp)]);
    assert_eq!(protocol_reject(&mut script, Protocol::Unknown(0x80FD)), Err(Dropped::NotRequested));
    assert_eq!(protocol_reject(&mut script, Protocol::Pap), Err(Dropped::NotRequested));
    protocol_reject(&mut script, Protocol::Ipcp).unwrap();
    let failure = LinkFailure::NcpFailed { ncp: Ncp::Ipcp, reason: NcpFailure::Rejected };
    assert_eq!(
        script.link_events(),
        [LinkEvent::Ipv4Down, unavailable(Ncp::Ipcp), LinkEvent::Failed(failure)]
    );

    let mut script = Script::with_lcp(config(), Some(AuthMethod::Pap));
    script.link_events();
    assert_eq!(protocol_reject(&mut script, Protocol::Chap), Err(Dropped::NotRequested));
    protocol_reject(&mut script, Protocol::Pap).unwrap();
    let failure = LinkFailure::AuthRejected { method: AuthMethod::Pap };
    assert_eq!(script.link_events(), [LinkEvent::Failed(failure)]);
}

fn ipcp_script(last: Option<LastIpv4>) -> Script {
    let mut config = config();
    config.ipv6 = false;
    config.last_ipv4 = last;
    let mut script = Script::open(config);
    script.skip();
    script.acknowledge();
    script.lcp(Code::ConfigureRequest, 1, &[MAGIC]).unwrap();
    script.hears("LCP Configure-Ack 1 magic");
    script.link_events();
    script
}

#[test]
fn ipcp_options_that_are_rejected_are_dropped_one_by_one() {
    let mut script = ipcp_script(None);
    script.hears("IPCP Configure-Request 1 address=0.0.0.0 dns1=0.0.0.0 dns2=0.0.0.0");
    let any = Ipv4Address::UNSPECIFIED;
    script.ipcp(Code::ConfigureReject, 1, &[Ipcp::SecondaryDns(any)]).unwrap();
    script.hears("IPCP Configure-Request 2 address=0.0.0.0 dns1=0.0.0.0");
    // A server nak'd with 0.0.0.0 is none.
    script.ipcp(Code::ConfigureNak, 2, &[Ipcp::IpAddress(CLIENT_ADDRESS), Ipcp::PrimaryDns(any)]).unwrap();
    script.hears("IPCP Configure-Request 3 address=100.64.0.7");
    script.acknowledge();
    // VJ compression and an address of 0.0.0.0 are refused.
    let compression = Ipcp::Unknown { kind: 2, value: &[0, 0x2D, 15, 1] };
    script.ipcp(Code::ConfigureRequest, 1, &[compression, Ipcp::IpAddress(any)]).unwrap();
    script.hears("IPCP Configure-Reject 1 option-2 address=0.0.0.0");
    assert_eq!(script.link_events(), []);
    script.ipcp(Code::ConfigureRequest, 2, &[]).unwrap();
    script.hears("IPCP Configure-Ack 2");
    let up = LinkEvent::Ipv4Up { address: CLIENT_ADDRESS, peer: None, dns: [None, None] };
    assert_eq!(script.link_events(), [up]);
}

#[test]
fn a_remembered_address_that_is_rejected_falls_back_to_any() {
    let mut script = ipcp_script(Some(LastIpv4 { address: [100, 64, 9, 9].into(), dns: [None, None] }));
    script.hears("IPCP Configure-Request 1 address=100.64.9.9 dns1=0.0.0.0 dns2=0.0.0.0");
    script.ipcp(Code::ConfigureReject, 1, &[Ipcp::IpAddress([100, 64, 9, 9].into())]).unwrap();
    script.hears("IPCP Configure-Request 2 address=0.0.0.0 dns1=0.0.0.0 dns2=0.0.0.0");
    script.ipcp(Code::ConfigureNak, 2, &[Ipcp::IpAddress(CLIENT_ADDRESS), Ipcp::PrimaryDns(DNS[0])]).unwrap();
    script.hears("IPCP Configure-Request 3 address=100.64.0.7 dns1=10.0.0.53 dns2=0.0.0.0");
}

#[test]
fn agreement_on_no_address_is_a_failure_with_that_reason() {
    let mut script = ipcp_script(None);
    script.skip();
    script.acknowledge();
    script.ipcp(Code::ConfigureRequest, 1, &[Ipcp::IpAddress(SERVER_ADDRESS)]).unwrap();
    let (ncp, reason) = (Ncp::Ipcp, NcpFailure::NoAddress);
    assert_eq!(
        script.link_events(),
        [
            LinkEvent::NcpUnavailable { ncp, reason },
            LinkEvent::Failed(LinkFailure::NcpFailed { ncp, reason })
        ]
    );
}

#[test]
fn a_peer_that_naks_every_address_is_given_up_after_ten() {
    let mut script = ipcp_script(None);
    for identifier in 1..=10 {
        script.skip();
        let another = Ipcp::IpAddress(Ipv4Address::new(10, 1, 1, identifier));
        script.ipcp(Code::ConfigureNak, identifier, &[another]).unwrap();
    }
    let (ncp, reason) = (Ncp::Ipcp, NcpFailure::NoConvergence);
    assert_eq!(
        script.link_events(),
        [
            LinkEvent::NcpUnavailable { ncp, reason },
            LinkEvent::Failed(LinkFailure::NcpFailed { ncp, reason })
        ]
    );
}

#[test]
fn interface_identifiers_have_to_be_there_and_to_differ() {
    let mut script = Script::up(config());
    let identifier = |script: &mut Script, code, number, id: [u8; 8]| {
        let mut data = [1, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        data[2..].copy_from_slice(&id);
        script.control(Protocol::Ipv6cp, code, number, &data)
    };
    identifier(&mut script, Code::ConfigureRequest, 1, [0; 8]).unwrap();
    script.hears("IPV6CP Configure-Nak 1 id");
    let suggested = script.last[8..16].to_vec();
    assert_ne!(suggested, [0; 8]);
    assert_eq!(suggested[0] & 2, 0, "drawn at random, so not universal");
    // The peer suggests one to us; we take it, and refuse the peer the same.
    identifier(&mut script, Code::ConfigureNak, 1, [0, 0, 0, 0, 0, 0, 0, 5]).unwrap();
    script.hears("IPV6CP Configure-Request 2 id");
    assert_eq!(script.last[8..16], [0, 0, 0, 0, 0, 0, 0, 5]);
    identifier(&mut script, Code::ConfigureRequest, 2, [0, 0, 0, 0, 0, 0, 0, 5]).unwrap();
    script.hears("IPV6CP Configure-Nak 2 id");
    assert_ne!(script.last[8..16], [0, 0, 0, 0, 0, 0, 0, 5]);
    identifier(&mut script, Code::ConfigureRequest, 3, [0, 0, 0, 0, 0, 0, 0, 6]).unwrap();
    script.hears("IPV6CP Configure-Ack 3 id");
    // Suggesting zero, or the peer's own, makes us draw another.
    identifier(&mut script, Code::ConfigureNak, 2, [0; 8]).unwrap();
    script.hears("IPV6CP Configure-Request 3 id");
    assert_ne!(script.last[8..16], [0; 8]);
    identifier(&mut script, Code::ConfigureNak, 3, [0, 0, 0, 0, 0, 0, 0, 6]).unwrap();
    script.hears("IPV6CP Configure-Request 4 id");
    assert_ne!(script.last[8..16], [0, 0, 0, 0, 0, 0, 0, 6]);
    let local: [u8; 8] = script.last[8..16].try_into().unwrap();
    script.acknowledge();
    let up = LinkEvent::Ipv6Up { local, peer: Some([0, 0, 0, 0, 0, 0, 0, 6]) };
    assert_eq!(script.link_events(), [up]);
}

#[test]
fn a_peer_that_begins_ipv6_late_still_gets_it() {
    let mut script = Script::up(config());
    script.link.set_echo(script.now, gatelet_proto::ppp::Echo::Off);
    script.wait(Duration::from_secs(60));
    let (ncp, reason) = (Ncp::Ipv6cp, NcpFailure::Timeout);
    assert!(script.link_events().contains(&LinkEvent::NcpUnavailable { ncp, reason }));
    script.skip();
    script.control(Protocol::Ipv6cp, Code::ConfigureRequest, 1, &[1, 10, 0, 0, 0, 0, 0, 0, 0, 9]).unwrap();
    script.next();
    script.acknowledge();
    assert!(matches!(script.link_events()[..], [LinkEvent::Ipv6Up { .. }]));
}

#[test]
fn lcp_without_any_answer_is_given_up_within_30_seconds() {
    let mut script = Script::open(config());
    let opened = script.now;
    let mut sent = Vec::new();
    while script.link.poll_at().is_some() {
        while let Some(words) = script.next() {
            if words.starts_with("LCP Configure-Request 1 ") {
                sent.push((script.now - opened).total_millis());
            }
        }
        let at = script.link.poll_at().unwrap();
        script.wait(at - script.now);
        if script.link_events().contains(&LinkEvent::Failed(LinkFailure::LcpTimeout { peer_heard: false })) {
            break;
        }
    }
    assert_eq!(sent.len(), 10);
    let patience = (script.now - opened).total_millis();
    println!("LCP Configure-Request at {sent:?} ms, given up at {patience} ms");
    assert!((1100..=1250).contains(&sent[1]), "{sent:?}");
    assert!((25_000..=30_000).contains(&patience), "{patience}");
}

#[test]
fn answers_without_agreement_end_after_30_seconds() {
    // The peer acknowledges us but never asks anything of its own.
    let mut script = Script::open(config());
    for _ in 0..40 {
        script.skip();
        if script.last[2] == u8::from(Code::ConfigureRequest) && script.link.phase() == Phase::Establish {
            let mut ack = script.last.clone();
            ack[2] = u8::from(Code::ConfigureAck);
            let _ = script.says(&ack);
        }
        script.wait(Duration::from_secs(1));
    }
    let events = script.link_events();
    assert!(events.contains(&LinkEvent::Failed(LinkFailure::LcpNoConvergence)), "{events:?}");
}

#[test]
fn a_peer_that_rejects_interface_identifiers_gives_no_ipv6_but_keeps_ipv4() {
    let mut script = Script::up(config());
    let request = [1, 10, 0, 0, 0, 0, 0, 0, 0, 9];
    script.control(Protocol::Ipv6cp, Code::ConfigureReject, 1, &request).unwrap();
    script.hears("IPV6CP Configure-Request 2");
    script.acknowledge();
    script.control(Protocol::Ipv6cp, Code::ConfigureRequest, 1, &request).unwrap();
    let (ncp, reason) = (Ncp::Ipv6cp, NcpFailure::NoAddress);
    assert_eq!(script.link_events(), [LinkEvent::NcpUnavailable { ncp, reason }]);
    assert_eq!(script.link.phase(), Phase::Network);
}
