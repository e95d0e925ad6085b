//! The parsers of `gatelet-wire`. What is read is written back, and must be what was read.

use gatelet_wire::BufferTooSmall;
use gatelet_wire::dhcpv4::{self, OptionCode};
use gatelet_wire::dhcpv6;
use gatelet_wire::dns::{self, Class, Flags, Message, NameBuf, Section, Type};
use gatelet_wire::ethernet::{self, VlanTag};
use gatelet_wire::http::{BODY_MAX, LOCATION_MAX, Progress, ResponseReader};
use gatelet_wire::icmpv6::{self, Echo as Ping};
use gatelet_wire::ndp::{self, NdOption};
use gatelet_wire::nic_update::{Answer as BrokerAnswer, REQUEST_MAX, Request, Update};
use gatelet_wire::ntp;
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

/// An SNTP packet.
pub fn ntp(bytes: &[u8]) {
    let Ok(answer) = ntp::Answer::parse(bytes) else { return };
    assert!(bytes.len() >= ntp::PACKET_LEN && answer.leap <= 3 && answer.mode <= 7);
    // From 1968 to 2104: 68 years on either side of the new era's beginning.
    let era: i64 = 2_085_978_496;
    let seconds = answer.unix_seconds().cast_signed();
    assert!((era - (1 << 31)..era + (1 << 31)).contains(&seconds));
    let written =
        emitted_with_margin(bytes, ntp::PACKET_LEN, |buffer| ntp::emit_request(buffer, answer.transmit));
    assert_eq!(ntp::Answer::parse(&written).expect("just written").transmit, answer.transmit);
}

/// A DHCPv4 message: header, options, the values that are more than octets.
pub fn dhcpv4(bytes: &[u8]) {
    let Ok(message) = dhcpv4::Message::parse(bytes) else { return };
    let written = emitted_with_margin(bytes, dhcpv4::MIN_LEN, |buffer| {
        let mut writer = dhcpv4::Writer::new(buffer, &message.header);
        for option in message.options().filter(|option| option.code != OptionCode::OVERLOAD) {
            writer.push(option.code, option.value);
        }
        writer.finish()
    });
    assert_eq!(written[..44], bytes[..44]);
    let again = dhcpv4::Message::parse(&written).expect("just written");
    assert!(again.options().eq(message.options().filter(|option| option.code != OptionCode::OVERLOAD)));

    for option in message.options() {
        let value = message.value(option.code).expect("just seen");
        assert_eq!(value.octets().count(), value.len());
        if let Ok(addresses) = value.addresses() {
            assert_eq!(addresses.count() * 4, value.len());
        }
        let routes: Result<Vec<_>, _> = value.classless_routes().collect();
        let Ok(routes) = routes else { continue };
        let written = emitted_with_margin(bytes, dhcpv4::MIN_LEN, |buffer| {
            dhcpv4::Writer::new(buffer, &message.header).classless_routes(&routes).finish()
        });
        let again =
            dhcpv4::Message::parse(&written).expect("just written").value(OptionCode::CLASSLESS_ROUTES);
        assert!(again.iter().flat_map(dhcpv4::Value::classless_routes).eq(routes.into_iter().map(Ok)));
    }
    let is_typed = matches!(message.message_type(), Ok(Some(_)));
    assert!(!is_typed || message.value(OptionCode::MESSAGE_TYPE).is_some());
    assert!(message.max_answer_len().map_or(true, |len| len >= dhcpv4::DEFAULT_MAX_LEN));
}

/// An IPv6 packet with an ICMPv6 message.
pub fn icmpv6(bytes: &[u8]) {
    let octets = with_good_checksum(bytes);
    let Ok(packet) = icmpv6::Packet::parse(&octets) else { return };
    assert!(icmpv6::HEADER_LEN + packet.body.len() <= octets.len());
    let Ok(ping) = Ping::parse(packet.body) else { return };
    let icmpv6::Packet { source, destination, hop_limit, kind, .. } = packet;
    let written = emitted(bytes, |buffer| ping.emit(buffer, kind, source, destination, hop_limit));
    let again = icmpv6::Packet::parse(&written).expect("just written");
    assert_eq!(again, icmpv6::Packet { code: 0, ..packet });
}

/// An IPv6 packet of Neighbor Discovery.
pub fn ndp(bytes: &[u8]) {
    let octets = with_good_checksum(bytes);
    let Ok(packet) = ndp::Packet::parse(&octets) else { return };
    let written = emitted(bytes, |buffer| {
        let mut writer = ndp::Writer::new(buffer, packet.source, packet.destination, &packet.message);
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
    });
    let again = ndp::Packet::parse(&written).expect("just written");
    assert_eq!(again.message, packet.message);
    let is_known =
        |option: &NdOption<'_>| !matches!(option, NdOption::Unreadable { .. } | NdOption::Other { .. });
    assert!(again.options().eq(packet.options().filter(is_known)));
}

/// A request to move a tunnel's end, and a broker's answer to one.
pub fn nic_update(bytes: &[u8]) {
    for status in [200, 401, 403, 503] {
        let Some(answer) = BrokerAnswer::parse(status, bytes) else { continue };
        let written = emitted_with_margin(bytes, 256, |buffer| answer.emit(buffer));
        let mut reader = ResponseReader::new();
        reader.push(&written).expect("just written");
        let response = reader.response().expect("whole");
        assert_eq!(BrokerAnswer::parse(response.status, response.body), Some(answer));
    }
    let Ok(Some(request)) = Request::parse(bytes) else { return };
    let mut decoded = [0xA5; REQUEST_MAX];
    let Some((username, key)) = request.credentials(&mut decoded) else { return };
    let text = std::str::from_utf8;
    let (Ok(hostname), Ok(username), Ok(key)) = (text(request.hostname), text(username), text(key)) else {
        return;
    };
    let update = Update { host: "b", port: 1, hostname, address: request.address, username, key };
    let mut written = vec![0xA5; 2 * REQUEST_MAX];
    let Ok(length) = update.emit(&mut written) else { return };
    // It may be longer than what was read: all fields are there.
    let Ok(Some(again)) = Request::parse(&written[..length]) else { return };
    assert_eq!((again.hostname, again.address), (request.hostname, request.address));
    let mut decoded = [0xA5; REQUEST_MAX];
    assert_eq!(again.credentials(&mut decoded), Some((username.as_bytes(), key.as_bytes())));
}

/// The same packet with the length and the checksum that make it worth a look.
fn with_good_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut octets = bytes.to_vec();
    if octets.len() < icmpv6::HEADER_LEN {
        return octets;
    }
    let length = (octets.len() - icmpv6::IPV6_HEADER_LEN).min(usize::from(u16::MAX));
    octets[4..6].copy_from_slice(&u16::try_from(length).expect("cut").to_be_bytes());
    let (header, message) = octets.split_at_mut(icmpv6::IPV6_HEADER_LEN);
    let header = smoltcp::wire::Ipv6Packet::new_unchecked(&*header);
    let (source, destination) = (header.src_addr(), header.dst_addr());
    let mut message = smoltcp::wire::Icmpv6Packet::new_unchecked(&mut message[..length]);
    message.fill_checksum(&source, &destination);
    octets
}

/// A DHCPv6 message: options, and options within them.
pub fn dhcpv6(bytes: &[u8]) {
    let Ok(message) = dhcpv6::Message::parse(bytes) else { return };
    let written = emitted(bytes, |buffer| {
        let mut writer = dhcpv6::Writer::new(buffer, message.message_type, message.transaction_id);
        for option in message.options() {
            writer.push(option.code, option.value);
        }
        writer.finish()
    });
    assert_eq!(written, bytes);
    let options = message.options();
    for option in options.clone() {
        if let Ok(addresses) = options.addresses(option.code) {
            assert!(addresses.count() * 16 == option.value.len());
        }
        for association in options.ias(option.code).flatten() {
            let inner = association.options;
            assert!(12 + inner.clone().map(|option| 4 + option.value.len()).sum::<usize>() <= bytes.len());
            let addresses: Vec<_> = inner.ia_addresses().flatten().collect();
            let prefixes: Vec<_> = inner.ia_prefixes().flatten().collect();
            let written = emitted(bytes, |buffer| {
                let mut writer = dhcpv6::Writer::new(buffer, message.message_type, message.transaction_id);
                let (t1, t2) = (association.t1_seconds, association.t2_seconds);
                writer.ia(option.code, association.iaid, t1, t2, |writer| {
                    for found in &addresses {
                        writer.ia_address(found.address, found.preferred_seconds, found.valid_seconds);
                    }
                    for found in &prefixes {
                        writer.ia_prefix(found.prefix, found.preferred_seconds, found.valid_seconds);
                    }
                });
                writer.finish()
            });
            let again = dhcpv6::Message::parse(&written).expect("just written").options();
            let again = again.ias(option.code).next().expect("just written").expect("well-formed").options;
            assert!(
                again
                    .ia_prefixes()
                    .flatten()
                    .map(|found| found.prefix)
                    .eq(prefixes.iter().map(|found| found.prefix))
            );
            assert!(
                again
                    .ia_addresses()
                    .flatten()
                    .map(|found| found.address)
                    .eq(addresses.iter().map(|found| found.address))
            );
        }
    }
    if let Ok(status) = options.status() {
        assert!(status.text.len() <= bytes.len());
    }
}

/// A DNS message: everything in it, written anew without compression; and what is done to one in
/// place.
pub fn dns(bytes: &[u8]) {
    if let Some((message, rest)) = dns::tcp_message(bytes) {
        let prefix = dns::tcp_prefix(message.len()).expect("it had one");
        assert_eq!([&prefix[..], message, rest].concat(), bytes);
    }
    if let Ok(name) = NameBuf::from_bytes(bytes) {
        assert!(bytes.starts_with(name.as_bytes()));
        dns_name(&name);
    }
    if let Ok(text) = core::str::from_utf8(bytes)
        && let Ok(name) = NameBuf::from_text(text)
    {
        assert_eq!(name.labels().map(|label| label.len() + 1).sum::<usize>() + 1, name.as_bytes().len());
        dns_name(&name);
    }
    let mut changed = bytes.to_vec();
    dns::set_id(&mut changed, 0x1234);
    let Ok(message) = Message::parse(bytes) else {
        assert_eq!(changed, bytes, "without a header there is no ID");
        return;
    };
    assert_eq!((&changed[..2], &changed[2..]), (&[0x12, 0x34][..], &bytes[2..]));
    let Ok(layout) = message.check() else {
        // What is wrong is wrong the second time, too, and ends it.
        let records = message.records().map(|records| records.map(|record| record.is_err()).collect());
        let records: Vec<_> = records.unwrap_or_default();
        assert!(records.iter().rev().skip(1).all(|is_err| !is_err));
        let _ = dns::rewrite_ttls(&mut changed, |_, ttl| ttl);
        return;
    };
    dns_writer(bytes, layout.end);
    let order = [dns::HEADER_LEN, layout.answers, layout.authority, layout.additional, layout.end];
    assert!(order.is_sorted() && layout.end <= bytes.len());

    let mut written = vec![0xA5; 70_000 + 300 * bytes.len()];
    let mut writer = dns::Writer::new(&mut written, message.id(), message.flags());
    let question = message.question().expect("checked");
    if let Some(question) = question {
        writer.question(&question.name.to_buf(), question.kind, question.class);
        dns_name(&question.name.to_buf());
    }
    for record in message.records().expect("checked") {
        let record = record.expect("checked");
        let name = record.name.to_buf();
        assert!(record.name.eq_ignore_ascii_case(&name));
        assert_eq!(
            (format!("{:?}", record.name), record.name.to_string()),
            (format!("{name:?}"), name.to_string())
        );
        if record.kind == Type::OPT {
            let opt = layout.opt.expect("there is one");
            assert_eq!(opt.rcode(message.flags().rcode()).0 >> 4, opt.extended_rcode.into());
            if let Some(error) = opt.extended_error() {
                let option = error.to_option();
                assert!(opt.options.windows(2).any(|code| code == &option[4..]));
            }
            writer.opt(&opt);
        } else if matches!(record.kind, Type::A | Type::AAAA) {
            assert!(record.address().is_some());
            writer.record(record.section, &name, record.kind, record.class, record.ttl, record.data);
        } else {
            // What may be compressed is written whole, or as what has no form.
            let target = record.target().map(dns::Name::to_buf);
            let kind = if target.is_some() { record.kind } else { Type(65_000) };
            let data = target.as_ref().map_or(record.data, NameBuf::as_bytes);
            writer.record(record.section, &name, kind, record.class, record.ttl, data);
            let _ = (record.soa(), record.svc_hints().count());
        }
    }
    let len = writer.finish().expect("room enough");
    assert!(written[len..].iter().all(|octet| *octet == 0xA5), "wrote behind its length");
    let again = Message::parse(&written[..len]).expect("just written");
    let again_layout = again.check().expect("just written");
    assert_eq!((again.id(), again.flags(), again_layout.end), (message.id(), message.flags(), len));
    assert_eq!(again_layout.opt, layout.opt);
    let both = message.records().expect("checked").zip(again.records().expect("just written"));
    for (first, second) in both {
        let (first, second) = (first.expect("checked"), second.expect("just written"));
        assert_eq!(first.name.to_buf(), second.name.to_buf());
        assert_eq!((first.section, first.ttl), (second.section, second.ttl));
        assert_eq!(first.address(), second.address());
        assert_eq!(first.target().map(dns::Name::to_buf), second.target().map(dns::Name::to_buf));
    }

    let mut aged = bytes.to_vec();
    let _ = dns::rewrite_ttls(&mut aged, |_, ttl| ttl / 2);
    dns::set_id(&mut aged, !message.id());
    dns::set_flags(&mut aged, Flags(!message.flags().0));
    // A pointer may lead into a TTL: then a name is another now, or none. Records stay where they are.
    if let Ok(changed) = Message::parse(&aged).expect("as before").check() {
        assert_eq!(changed.end, layout.end);
    }
    let mut aged = bytes.to_vec();
    let len = dns::cut_opt(&mut aged, &layout);
    let cut = Message::parse(&aged[..len]).expect("as before").check().expect("as before");
    assert_eq!((cut.opt, cut.end), (None, len));
    for section in [Section::Additional, Section::Authority, Section::Answer] {
        let len = dns::cut_from(&mut aged, &layout, section);
        let cut = Message::parse(&aged[..len]).expect("as before").check().expect("as before");
        assert_eq!(cut.end, len);
    }
}

/// A message can be gone on with, in its order and no other.
fn dns_writer(bytes: &[u8], len: usize) {
    let mut buffer = [bytes, &[0xA5; 64]].concat();
    let message = Message::parse(bytes).expect("checked");
    let counts =
        [Section::Answer, Section::Authority, Section::Additional].map(|it| message.record_count(it));
    let mut writer = dns::Writer::resume(&mut buffer, len).expect("a header");
    let written = writer.record(Section::Additional, &NameBuf::ROOT, Type::TXT, Class::IN, 0, b"x").finish();
    assert_eq!(written.is_ok(), counts[2] < u16::MAX);
    assert_eq!(writer.answer(Type::A, 0, &[0; 4]).finish(), Err(BufferTooSmall), "that section is over");
    let mut writer = dns::Writer::resume(&mut buffer, len).expect("a header");
    assert_eq!(writer.answer(Type::TXT, 0, &vec![0; 65_536]).finish(), Err(BufferTooSmall));
    let is_whole = dns::Writer::resume(&mut buffer[..len - 1], len).is_ok();
    assert!(!is_whole && dns::tcp_prefix(65_536).is_none());
}

/// A name survives being shown, compared and changed.
fn dns_name(name: &NameBuf) {
    assert_eq!(NameBuf::from_bytes(name.as_bytes()).as_ref(), Ok(name));
    assert!(name.to_ascii_lowercase().eq_ignore_ascii_case(name));
    assert!(name.is_within(name) && name.is_within(&NameBuf::ROOT));
    let mut swapped = *name;
    swapped.map_letters(|_, letter| letter ^ 0x20);
    assert!(swapped.eq_ignore_ascii_case(name));
    let is_plain = name.as_bytes().iter().all(|octet| octet.is_ascii_alphanumeric() || *octet < 64);
    let text = name.to_string();
    assert!(text.is_ascii());
    if is_plain && !text.contains('\\') {
        assert_eq!(NameBuf::from_text(&text).as_ref(), Ok(name));
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
    emitted_with_margin(input, MARGIN, emit)
}

fn emitted_with_margin(
    input: &[u8],
    margin: usize,
    emit: impl Fn(&mut [u8]) -> Result<usize, BufferTooSmall>,
) -> Vec<u8> {
    let mut buffer = vec![0xA5; input.len() + margin];
    let length = emit(&mut buffer).expect("room enough");
    assert!(buffer[length..].iter().all(|octet| *octet == 0xA5), "wrote behind its length");
    assert_eq!(emit(&mut []), Err(BufferTooSmall));
    assert_eq!(emit(&mut vec![0; length - 1]), Err(BufferTooSmall));
    buffer.truncate(length);
    buffer
}
