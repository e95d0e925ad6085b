//! The parsers of `gatelet-wire`. What is read is written back, and must be what was read.

use gatelet_wire::BufferTooSmall;
use gatelet_wire::ethernet::{self, VlanTag};
use gatelet_wire::http::{BODY_MAX, LOCATION_MAX, Progress, ResponseReader};
use gatelet_wire::ppp::lcp::{self, Echo, ProtocolReject};
use gatelet_wire::ppp::mschapv2::{Failure, Response, Success};
use gatelet_wire::ppp::{self, Code, Control, Protocol, RawOption, Writer, chap, ipcp, ipv6cp, pap};
use gatelet_wire::pppoe::{self, Packet, TagKind, TagSet};
use gatelet_wire::tls::{ANSWER_MAX, Answer, CLIENT_HELLO_MAX, ClientHello};

/// What writing may add to what was read: a Msg-Length, a retry flag, a header around an option.
const MARGIN: usize = 64;

/// An Ethernet frame.
pub fn ethernet(frame: &[u8]) {
    let Ok((header, payload)) = ethernet::Header::parse(frame) else { return };
    assert_eq!(header.len() + payload.len(), frame.len());
    assert_eq!(emitted(frame, |buffer| header.emit(buffer)), frame[..header.len()]);

    let Some(tag) = header.vlan else { return };
    for vlan in [VlanTag { id: tag.id | 0xFFF, ..tag }, VlanTag { priority: tag.priority | 8, ..tag }] {
        let wrong = ethernet::Header { vlan: Some(vlan), ..header };
        assert_eq!(wrong.emit(&mut [0; 18]), Err(BufferTooSmall), "such a tag cannot be written");
    }
}

/// An Ethernet payload of either `PPPoE` `EtherType`: header, tags.
pub fn pppoe(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let length = pppoe::HEADER_LEN + packet.payload.len();
    assert_eq!(emitted(bytes, |buffer| packet.emit(buffer)), bytes[..length]);

    let written = emitted(bytes, |buffer| {
        let mut writer = pppoe::Writer::new(buffer, packet.code, packet.session_id);
        for tag in packet.tags().flatten() {
            writer.push(tag.kind, tag.value);
        }
        writer.push_some(TagKind::HostUniq, None).finish()
    });
    assert_eq!(written[pppoe::HEADER_LEN..], bytes[pppoe::HEADER_LEN..written.len()]);
    let ended = emitted(bytes, |buffer| {
        let mut writer = pppoe::Writer::new(buffer, packet.code, packet.session_id);
        writer.push_some(TagKind::EndOfList, Some(b"")).push(TagKind::AcName, b"not a tag").finish()
    });
    let ended = Packet::parse(&ended).expect("just written");
    assert_eq!(ended.tags().next(), None, "nothing follows an End-Of-List");

    let set = TagSet::parse(&packet);
    if packet.tags().any(|tag| tag.is_err()) {
        assert!(set.is_err(), "an unreadable list has no tags");
    }
    assert!(pppoe::is_session_id(packet.session_id) || packet.session_id == 0);
    if packet.code == pppoe::Code::Session {
        assert!(pppoe::is_session_id(packet.session_id));
        let mut header = [0xA5; pppoe::HEADER_LEN];
        let payload_len = u16::try_from(packet.payload.len()).expect("LENGTH has 16 bits");
        pppoe::emit_session_header(&mut header, packet.session_id, payload_len);
        assert_eq!(header, bytes[..pppoe::HEADER_LEN]);
    }
}

/// A PPP packet: protocol field, control packet, options, the data of LCP's own packets.
pub fn ppp(packet: &[u8]) {
    let Ok((protocol, information)) = ppp::parse(packet) else { return };
    assert_eq!(u16::from(protocol).to_be_bytes(), packet[..2]);
    let Ok(control) = Control::parse(information) else { return };
    let length = ppp::PROTOCOL_LEN + ppp::CONTROL_HEADER_LEN + control.data.len();
    assert_eq!(emitted(packet, |buffer| control.emit(buffer, protocol)), packet[..length]);

    for option in control.options().flatten() {
        ppp_option(option);
    }
    let identifier = control.identifier;
    if let Ok(echo) = Echo::parse(control.data) {
        let written = emitted(packet, |buffer| echo.emit(buffer, control.code, identifier));
        assert_eq!(written[2..], packet[2..length]);
        let padded = emitted(packet, |buffer| {
            lcp::emit_padded_echo_request(buffer, identifier, echo.magic_number, echo.data.len())
        });
        assert_eq!(padded.len(), written.len());
    }
    let mut buffer = vec![0; packet.len() + MARGIN];
    let mut writer = Writer::new(&mut buffer, protocol, Code::ConfigureNak, identifier);
    let fits_an_option = control.data.len() <= 253;
    assert_eq!(writer.option(0, control.data).finish().is_ok(), fits_an_option);
    if let Ok(reject) = ProtocolReject::parse(control.data) {
        let written = emitted(packet, |buffer| reject.emit(buffer, identifier, u16::MAX));
        assert_eq!(written[6..], *control.data);
    }
    let mru = 64;
    let written =
        emitted(packet, |buffer| lcp::emit_code_reject(buffer, protocol, identifier, information, mru));
    assert!(written.len() <= ppp::PROTOCOL_LEN + usize::from(mru));
}

/// An option as each of the three protocols understands it.
fn ppp_option(raw: RawOption<'_>) {
    let write = |write: &dyn Fn(&mut Writer<'_>)| {
        emitted(raw.value, |buffer| {
            let mut writer = Writer::new(buffer, Protocol::Lcp, Code::ConfigureRequest, 0);
            write(&mut writer);
            writer.finish()
        })
    };
    let expected = write(&|writer| {
        writer.raw_option(raw);
    });
    if let Ok(option) = lcp::ConfigOption::parse(raw) {
        assert_eq!((option.kind(), write(&|writer| option.write(writer))), (raw.kind, expected.clone()));
    }
    if let Ok(option) = ipcp::ConfigOption::parse(raw) {
        assert_eq!((option.kind(), write(&|writer| option.write(writer))), (raw.kind, expected.clone()));
    }
    if let Ok(option) = ipv6cp::ConfigOption::parse(raw) {
        assert_eq!((option.kind(), write(&|writer| option.write(writer))), (raw.kind, expected));
    }
}

/// A PAP packet, with its PPP protocol field.
pub fn pap(packet: &[u8]) {
    let Ok((Protocol::Pap, information)) = ppp::parse(packet) else { return };
    let Ok(parsed) = pap::Packet::parse(information) else { return };
    let written = emitted(packet, |buffer| parsed.emit(buffer));
    let (_, again) = ppp::parse(&written).expect("just written");
    assert_eq!(pap::Packet::parse(again), Ok(parsed));
}

/// A CHAP packet, with its PPP protocol field.
pub fn chap(packet: &[u8]) {
    let Ok((Protocol::Chap, information)) = ppp::parse(packet) else { return };
    let Ok(parsed) = chap::Packet::parse(information) else { return };
    let written = emitted(packet, |buffer| parsed.emit(buffer));
    assert_eq!(written, packet[..written.len()]);
}

/// What MS-CHAPv2 puts into CHAP: a Response's value, a Success' or Failure's message.
pub fn mschapv2(bytes: &[u8]) {
    if let Ok(response) = Response::parse(bytes) {
        assert_eq!(Response::parse(&response.value()), Ok(response));
    }
    if let Ok(success) = Success::parse(bytes) {
        assert_eq!(Success::parse(&emitted(bytes, |buffer| success.emit(buffer))), Ok(success));
    }
    if let Ok(failure) = Failure::parse(bytes) {
        assert_eq!(Failure::parse(&emitted(bytes, |buffer| failure.emit(buffer))), Ok(failure));
    }
}

/// An HTTP response, whole and octet by octet.
pub fn http(stream: &[u8]) {
    let mut whole = ResponseReader::new();
    let mut parts = ResponseReader::new();
    let pushed = whole.push(stream);
    let last = stream.iter().map(|octet| parts.push(&[*octet])).last().unwrap_or(Ok(Progress::More));
    assert_eq!(pushed, last, "pieces make no difference");
    assert_eq!(whole.response(), parts.response());

    let before = whole.response().map(|response| (response.status, response.body.to_vec()));
    let closed = whole.close();
    assert_ne!(closed, Ok(Progress::More), "nothing comes after the end");
    assert_eq!(whole.push(b"HTTP/1.1 204 No Content\r\n\r\n"), closed, "the end is final");
    let after = whole.response();
    assert_eq!(after.is_some(), closed.is_ok());
    let Some(response) = after else { return };
    assert_eq!(before, Some((response.status, response.body.to_vec())), "the end adds nothing");
    assert!(response.status >= 200 || response.status == 101, "{}", response.status);
    assert!(response.body.len() <= BODY_MAX.min(stream.len()));
    let location = response.location.unwrap_or_default();
    assert!(location.len() <= LOCATION_MAX && !location.contains(&b'\n'));
    assert!(!response.location_is_cut || location.len() == LOCATION_MAX);
}

/// The first octets of a TLS stream, from a server or a client.
pub fn tls(octets: &[u8]) {
    if let Ok(hello) = ClientHello::parse(octets) {
        let is_a_name = hello.server_name.is_none_or(|name| (1..=253).contains(&name.len()));
        let mut buffer = [0xA5; CLIENT_HELLO_MAX];
        let written = hello.emit(&mut buffer);
        assert_eq!(written.is_ok(), is_a_name);
        if let Ok(len) = written {
            assert_eq!(ClientHello::parse(&buffer[..len]), Ok(hello));
        }
    }
    let answer = Answer::parse(octets);
    match answer {
        Ok(Some(answer)) => {
            let written = emitted(octets, |buffer| answer.emit(buffer));
            assert_eq!(Answer::parse(&written), Ok(Some(answer)));
        }
        Ok(None) => assert!(octets.len() < ANSWER_MAX, "more is never needed than there is room for"),
        // What is refused is not taken when more of it has come.
        Err(_) => assert!(Answer::parse(&[octets, &[0; 8]].concat()).is_err()),
    }
    for cut in 0..octets.len() {
        if let Ok(Some(early)) = Answer::parse(&octets[..cut]) {
            assert_eq!(answer, Ok(Some(early)), "what follows the answer changes nothing");
        }
    }
}

/// What `emit` makes of what was read from `input`, in a buffer full of something else. A buffer that is one octet short must be
/// refused, as must one with no room at all.
fn emitted(input: &[u8], emit: impl Fn(&mut [u8]) -> Result<usize, BufferTooSmall>) -> Vec<u8> {
    let mut buffer = vec![0xA5; input.len() + MARGIN];
    let length = emit(&mut buffer).expect("room enough");
    assert!(buffer[length..].iter().all(|octet| *octet == 0xA5), "wrote behind its length");
    assert_eq!(emit(&mut []), Err(BufferTooSmall));
    assert_eq!(emit(&mut vec![0; length - 1]), Err(BufferTooSmall));
    buffer.truncate(length);
    buffer
}
