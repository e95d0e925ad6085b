//! What holds for any value and any input: what is written is read back as it was, and nothing the
//! network can say makes a parser panic, read on forever or point outside of what it was given.

use gatelet_wire::dhcpv4::{self, Header, Message, OptionCode, Route};
use gatelet_wire::ethernet::{self, VlanTag};
use gatelet_wire::ppp::lcp::{Authentication, Echo, ProtocolReject};
use gatelet_wire::ppp::mschapv2::{Failure, Response, Success};
use gatelet_wire::ppp::{self, Code, Control, Protocol, RawOption, chap, ipcp, ipv6cp, lcp, pap};
use gatelet_wire::pppoe::{self, Packet, TagKind, TagSet};
use gatelet_wire::{BufferTooSmall, EthernetAddress, Ipv4Address, Ipv4Cidr, Malformed};
use proptest::collection::vec;
use proptest::prelude::*;

fn octets(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=max)
}

/// What `emit` writes into a buffer full of something else.
fn emitted(emit: impl FnOnce(&mut [u8]) -> Result<usize, BufferTooSmall>) -> Vec<u8> {
    let mut buffer = vec![0xA5; 4096];
    let len = emit(&mut buffer).expect("fits");
    assert!(buffer[len..].iter().all(|octet| *octet == 0xA5), "wrote behind its length");
    buffer.truncate(len);
    buffer
}

/// What follows the protocol field, which must be `protocol`.
fn information(packet: &[u8], protocol: Protocol) -> &[u8] {
    let (found, rest) = ppp::parse(packet).expect("well-formed");
    assert_eq!(found, protocol);
    rest
}

/// Whether `part` lies within `whole`: nothing was copied, nothing invented.
fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

proptest! {
    #[test]
    fn ethernet_headers_come_back(
        destination: [u8; 6],
        source: [u8; 6],
        tag in proptest::option::of((0..=VlanTag::MAX_ID, 0_u8..8, any::<bool>())),
        ether_type: u16,
        payload in octets(64),
    ) {
        prop_assume!(tag.is_some() || ether_type != ethernet::VLAN);
        let header = ethernet::Header {
            destination: EthernetAddress(destination),
            source: EthernetAddress(source),
            vlan: tag.map(|(id, priority, drop_eligible)| VlanTag { id, priority, drop_eligible }),
            ether_type,
        };
        let mut frame = emitted(|buffer| header.emit(buffer));
        prop_assert_eq!(frame.len(), header.len());
        frame.extend(&payload);
        prop_assert_eq!(ethernet::Header::parse(&frame), Ok((header, &payload[..])));
    }

    #[test]
    fn dhcpv4_options_come_back_whole(
        options in vec((1_u8..255, octets(600)), 0..5),
        xid: u32,
        addresses: [u32; 4],
        chaddr: [u8; 16],
    ) {
        prop_assume!(options.iter().all(|(code, _)| *code != OptionCode::OVERLOAD.0));
        let [ciaddr, yiaddr, siaddr, giaddr] = addresses.map(Ipv4Address::from);
        let blank = Header::reply(xid, EthernetAddress([0; 6]));
        let header = Header { ciaddr, yiaddr, siaddr, giaddr, chaddr, ..blank };
        let bytes = emitted(|buffer| {
            let mut writer = dhcpv4::Writer::new(buffer, &header);
            for (code, value) in &options {
                writer.push(OptionCode(*code), value);
            }
            writer.finish()
        });
        prop_assert!(bytes.len() >= dhcpv4::MIN_LEN);
        let message = Message::parse(&bytes).expect("well-formed");
        prop_assert_eq!(message.header, header);
        for (code, _) in &options {
            let expected = options.iter().filter(|(other, _)| other == code).flat_map(|(_, value)| value);
            let value = message.value(OptionCode(*code)).expect("it was written");
            prop_assert!(value.octets().eq(expected.copied()));
            prop_assert!(value.pieces().all(|piece| is_within(piece, &bytes)));
        }
    }

    #[test]
    fn classless_routes_come_back(routes in vec((any::<u32>(), 0_u8..=32, any::<u32>()), 0..80)) {
        let routes: Vec<_> = routes
            .into_iter()
            .map(|(address, width, router)| Route {
                destination: Ipv4Cidr::new(Ipv4Address::from(address), width).network(),
                router: Ipv4Address::from(router),
            })
            .collect();
        let header = Header::reply(1, EthernetAddress([0; 6]));
        let bytes = emitted(|buffer| dhcpv4::Writer::new(buffer, &header).classless_routes(&routes).finish());
        let value = Message::parse(&bytes).expect("well-formed").value(OptionCode::CLASSLESS_ROUTES);
        let read: Result<Vec<_>, _> = value.iter().flat_map(dhcpv4::Value::classless_routes).collect();
        prop_assert_eq!(read, Ok(routes));
    }

    #[test]
    fn discovery_packets_come_back(
        code: u8,
        session_id in 1_u16..0xFFFF,
        tags in vec((1_u16.., octets(40)), 0..12),
        padding in octets(40),
    ) {
        let mut bytes = emitted(|buffer| {
            let mut writer = pppoe::Writer::new(buffer, code.into(), session_id);
            for (kind, value) in &tags {
                writer.push(TagKind::from(*kind), value);
            }
            writer.finish()
        });
        bytes.extend(padding);
        let packet = Packet::parse(&bytes).expect("well-formed");
        prop_assert_eq!((u8::from(packet.code), packet.session_id), (code, session_id));
        let read: Result<Vec<_>, _> =
            packet.tags().map(|tag| tag.map(|tag| (u16::from(tag.kind), tag.value.to_vec()))).collect();
        prop_assert_eq!(read, Ok(tags));
    }

    #[test]
    fn control_packets_come_back(
        protocol: u16,
        code: u8,
        identifier: u8,
        options in vec((any::<u8>(), octets(253)), 0..6),
        padding in octets(8),
    ) {
        let protocol = Protocol::from(protocol & 0xFEFE | 0x0001);
        let mut bytes = emitted(|buffer| {
            let mut writer = ppp::Writer::new(buffer, protocol, code.into(), identifier);
            for (kind, value) in &options {
                writer.option(*kind, value);
            }
            writer.finish()
        });
        bytes.extend(padding);
        let control = Control::parse(information(&bytes, protocol)).expect("well-formed");
        prop_assert_eq!((u8::from(control.code), control.identifier), (code, identifier));
        let read: Result<Vec<_>, _> =
            control.options().map(|option| option.map(|option| (option.kind, option.value.to_vec()))).collect();
        prop_assert_eq!(read, Ok(options));
    }

    /// Whatever an option says, if it has a meaning then that meaning is written as the option was.
    #[test]
    fn option_values_come_back(kind in prop_oneof![0_u8..12, 128_u8..134, any::<u8>()], value in octets(20)) {
        let raw = RawOption { kind, value: &value };
        let write = |option: &dyn Fn(&mut ppp::Writer<'_>)| {
            emitted(|buffer| {
                let mut writer = ppp::Writer::new(buffer, Protocol::Lcp, Code::ConfigureRequest, 1);
                option(&mut writer);
                writer.finish()
            })
        };
        let expected = write(&|writer| { writer.raw_option(raw); });
        if let Ok(option) = lcp::ConfigOption::parse(raw) {
            prop_assert_eq!(option.kind(), kind);
            prop_assert_eq!(write(&|writer| option.write(writer)), &expected[..]);
        }
        if let Ok(option) = ipcp::ConfigOption::parse(raw) {
            prop_assert_eq!(option.kind(), kind);
            prop_assert_eq!(write(&|writer| option.write(writer)), &expected[..]);
        }
        if let Ok(option) = ipv6cp::ConfigOption::parse(raw) {
            prop_assert_eq!(option.kind(), kind);
            prop_assert_eq!(write(&|writer| option.write(writer)), &expected[..]);
        }
    }

    #[test]
    fn authentication_options_come_back(protocol: u16, data in octets(4)) {
        let value = [&protocol.to_be_bytes()[..], &data].concat();
        let parsed = lcp::ConfigOption::parse(RawOption { kind: 3, value: &value });
        let is_known = matches!(Protocol::from(protocol), Protocol::Pap | Protocol::Chap);
        if !is_known {
            let expected = Authentication::Unknown { protocol, data: &data };
            prop_assert_eq!(parsed, Ok(lcp::ConfigOption::AuthenticationProtocol(expected)));
        }
    }

    #[test]
    fn echo_packets_come_back(code: u8, identifier: u8, magic_number: u32, data in octets(1500)) {
        let echo = Echo { magic_number, data: &data };
        let bytes = emitted(|buffer| echo.emit(buffer, code.into(), identifier));
        let control = Control::parse(information(&bytes, Protocol::Lcp)).expect("well-formed");
        prop_assert_eq!(Echo::parse(control.data), Ok(echo));
    }

    #[test]
    fn rejects_fit_the_mru(protocol: u16, rejected in octets(1600), mru in 64_u16..1600) {
        let reject = ProtocolReject { protocol: protocol.into(), information: &rejected };
        let bytes = emitted(|buffer| reject.emit(buffer, 1, mru));
        let control = Control::parse(information(&bytes, Protocol::Lcp)).expect("well-formed");
        let read = ProtocolReject::parse(control.data).expect("well-formed");
        prop_assert_eq!(read.protocol, reject.protocol);
        prop_assert!(rejected.starts_with(read.information));
        let fits = rejected.len() + 6 <= usize::from(mru);
        prop_assert_eq!(bytes.len() - 2, if fits { rejected.len() + 6 } else { usize::from(mru) });

        let bytes = emitted(|buffer| lcp::emit_code_reject(buffer, Protocol::Ipcp, 1, &rejected, mru));
        let control = Control::parse(information(&bytes, Protocol::Ipcp)).expect("well-formed");
        prop_assert_eq!(control.code, Code::CodeReject);
        prop_assert!(rejected.starts_with(control.data));
        prop_assert_eq!(bytes.len() - 2, usize::from(mru).min(rejected.len() + 4));
    }

    #[test]
    fn pap_packets_come_back(identifier: u8, first in octets(255), second in octets(255)) {
        use pap::Packet as P;
        for packet in [
            P::AuthenticateRequest { identifier, peer_id: &first, password: &second },
            P::AuthenticateAck { identifier, message: &first },
            P::AuthenticateNak { identifier, message: &second },
        ] {
            let bytes = emitted(|buffer| packet.emit(buffer));
            prop_assert_eq!(P::parse(information(&bytes, Protocol::Pap)), Ok(packet));
        }
    }

    #[test]
    fn chap_packets_come_back(identifier: u8, value in vec(any::<u8>(), 1..=255), text in octets(255)) {
        use chap::Packet as P;
        for packet in [
            P::Challenge { identifier, value: &value, name: &text },
            P::Response { identifier, value: &value, name: &text },
            P::Success { identifier, message: &text },
            P::Failure { identifier, message: &text },
        ] {
            let bytes = emitted(|buffer| packet.emit(buffer));
            prop_assert_eq!(P::parse(information(&bytes, Protocol::Chap)), Ok(packet));
        }
    }

    #[test]
    fn mschapv2_texts_come_back(
        peer_challenge: [u8; 16],
        nt_response: [u8; 24],
        authenticator_response: [u8; 20],
        error: u32,
        retry: bool,
        challenge: Option<[u8; 16]>,
        version: Option<u32>,
        message in octets(80),
    ) {
        let response = Response { peer_challenge, nt_response };
        prop_assert_eq!(Response::parse(&response.value()), Ok(response));
        let success = Success { authenticator_response, message: &message };
        let text = emitted(|buffer| success.emit(buffer));
        prop_assert_eq!(Success::parse(&text), Ok(success));
        let failure = Failure { error, retry, challenge, version, message: &message };
        let text = emitted(|buffer| failure.emit(buffer));
        prop_assert_eq!(Failure::parse(&text), Ok(failure));
    }

    /// Arbitrary octets, with a plausible header in front every other time so that deeper parsers
    /// are reached.
    #[test]
    fn no_input_panics(
        head in prop_oneof![
            Just(vec![]),
            Just(vec![0x11, 0x07, 0, 0, 0]),
            Just(vec![0xc0, 0x21, 1, 1, 0]),
            Just(vec![1, 1, 0]),
            Just(b"E=691 R=1 C=".to_vec()),
        ],
        tail in octets(300),
    ) {
        let input = [head, tail].concat();
        if let Ok((header, payload)) = ethernet::Header::parse(&input) {
            prop_assert!(is_within(payload, &input));
            prop_assert_eq!(header.len() + payload.len(), input.len());
        }
        if let Ok(packet) = Packet::parse(&input) {
            prop_assert!(is_within(packet.payload, &input));
            let tags: Vec<_> = packet.tags().collect();
            prop_assert!(tags.len() <= input.len() / 4);
            let errors = tags.iter().filter(|tag| tag.is_err()).count();
            prop_assert!(errors <= 1, "the list ends at the first error");
            for tag in tags.into_iter().flatten() {
                prop_assert!(is_within(tag.value, packet.payload));
            }
            if errors == 1 {
                prop_assert!(TagSet::parse(&packet).is_err());
            }
        }
        for bytes in [&input[..], ppp::parse(&input).map_or(&input[..], |(_, rest)| rest)] {
            if let Ok(control) = Control::parse(bytes) {
                prop_assert!(is_within(control.data, bytes));
                let options: Vec<_> = control.options().collect();
                prop_assert!(options.len() <= bytes.len() / 2);
                prop_assert!(options.iter().filter(|option| option.is_err()).count() <= 1);
                for option in options.into_iter().flatten() {
                    prop_assert!(is_within(option.value, control.data));
                    let _ = lcp::ConfigOption::parse(option);
                    let _ = ipcp::ConfigOption::parse(option);
                    let _ = ipv6cp::ConfigOption::parse(option);
                }
                let _ = Echo::parse(control.data);
                let _ = ProtocolReject::parse(control.data);
            }
            let _ = pap::Packet::parse(bytes);
            let _ = chap::Packet::parse(bytes);
        }
        let _ = Response::parse(&input);
        let _ = Success::parse(&input);
        if let Ok(failure) = Failure::parse(&input) {
            prop_assert!(is_within(failure.message, &input) || failure.message.is_empty());
        }
    }

    /// A packet cut off anywhere is refused, never half read.
    #[test]
    fn cut_off_packets_are_refused(values in vec(octets(20), 1..5), cut in any::<prop::sample::Index>()) {
        let tags = emitted(|buffer| {
            let mut writer = pppoe::Writer::new(buffer, pppoe::Code::Pado, 0);
            for value in &values {
                writer.push(TagKind::VendorSpecific, value);
            }
            writer.finish()
        });
        let refused = Packet::parse(&tags[..cut.index(tags.len())]);
        prop_assert!(matches!(refused, Err(Malformed::Truncated | Malformed::LengthOverrun)));

        let options = emitted(|buffer| {
            let mut writer = ppp::Writer::new(buffer, Protocol::Lcp, Code::ConfigureRequest, 1);
            for value in &values {
                writer.option(99, value);
            }
            writer.finish()
        });
        let options = information(&options, Protocol::Lcp);
        let refused = Control::parse(&options[..cut.index(options.len())]);
        prop_assert!(matches!(refused, Err(Malformed::Truncated | Malformed::LengthOverrun)));
    }
}
