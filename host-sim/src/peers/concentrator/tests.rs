//! Transcripts: a client made of `proto::ppp::Link` and hand-written discovery meets every throttle and mood.

use gatelet_proto::ppp::{Credentials, Echo, Link, LinkConfig, LinkEvent, LinkFailure};
use gatelet_wire::ethernet;
use gatelet_wire::ppp::Protocol;
use gatelet_wire::pppoe::{TagSet, Writer};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Repr, Ipv6Address};

use super::throttle::{Cause, Stage};
use super::*;
use crate::peers::internet;
use crate::peers::ndp::{self, Advertisement};

const CLIENT: EthernetAddress = EthernetAddress([0x02, 0xC1, 0, 0, 0, 7]);

/// A client and a concentrator on one wire without delay.
struct Pair {
    now: Instant,
    mac: EthernetAddress,
    ac: Concentrator,
    link: Link,
    rng: ChaCha8Rng,
    out: Outbox,
    /// Frames from the concentrator that nobody looked at yet.
    inbox: Vec<Vec<u8>>,
    events: Vec<LinkEvent>,
    cookie: Vec<u8>,
    ac_mac: EthernetAddress,
    session_id: u16,
    pings_answered: u32,
    /// IPv6 packets from the concentrator.
    ipv6: Vec<Vec<u8>>,
}

impl Pair {
    fn new(model: Model, moods: Moods) -> Self {
        Self {
            now: Instant::from_secs(1000),
            mac: CLIENT,
            ac: Concentrator::new(model, moods, 42),
            link: Link::new(config(ACCOUNT.1)),
            rng: ChaCha8Rng::seed_from_u64(7),
            out: Outbox::new(),
            inbox: Vec::new(),
            events: Vec::new(),
            cookie: Vec::new(),
            ac_mac: AC_MAC,
            session_id: 0,
            pings_answered: 0,
            ipv6: Vec::new(),
        }
    }

    fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        loop {
            let next = [self.ac.poll_at(), self.link.poll_at()].into_iter().flatten().min();
            match next {
                Some(at) if at <= until => self.now = self.now.max(at),
                _ => break,
            }
            self.ac.handle_timeout(self.now, &mut self.out);
            self.link.handle_timeout(self.now);
            self.settle();
        }
        self.now = until;
    }

    fn send(&mut self, destination: EthernetAddress, ether_type: u16, packet: &[u8]) {
        let mut frame = [0; 1600];
        let header = Header { destination, source: self.mac, vlan: self.ac.vlan, ether_type };
        let start = header.emit(&mut frame).unwrap();
        frame[start..start + packet.len()].copy_from_slice(packet);
        self.ac.handle_frame(self.now, &frame[..start + packet.len()], &mut self.out);
        self.inbox.extend(self.out.frames().map(<[u8]>::to_vec));
        self.out.clear();
    }

    fn discovery(&mut self, destination: EthernetAddress, code: Code, id: u16, tags: &[(TagKind, &[u8])]) {
        let mut packet = [0; 512];
        let mut writer = Writer::new(&mut packet, code, id);
        for (kind, value) in tags {
            writer.push(*kind, value);
        }
        let len = writer.finish().unwrap();
        self.send(destination, ethernet::PPPOE_DISCOVERY, &packet[..len]);
    }

    /// Takes the next discovery packet with this code out of the inbox.
    fn take(&mut self, code: Code) -> Option<Vec<u8>> {
        let index = self.inbox.iter().position(|frame| {
            let (header, payload) = Header::parse(frame).unwrap();
            header.ether_type == ethernet::PPPOE_DISCOVERY && Packet::parse(payload).unwrap().code == code
        })?;
        Some(self.inbox.remove(index))
    }

    /// A PADI; true if a PADO answers it.
    fn padi(&mut self) -> bool {
        self.discovery(
            EthernetAddress::BROADCAST,
            Code::Padi,
            0,
            &[(TagKind::ServiceName, b""), (TagKind::HostUniq, b"uniq")],
        );
        if self.ac.model().pado_delay > Duration::ZERO {
            self.now += self.ac.model().pado_delay;
            self.ac.handle_timeout(self.now, &mut self.out);
            self.inbox.extend(self.out.frames().map(<[u8]>::to_vec));
            self.out.clear();
        }
        let Some(frame) = self.take(Code::Pado) else { return false };
        let (header, payload) = Header::parse(&frame).unwrap();
        let tags = TagSet::parse(&Packet::parse(payload).unwrap()).unwrap();
        assert_eq!(tags.host_uniq, Some(&b"uniq"[..]));
        self.cookie = tags.ac_cookie.unwrap_or_default().to_vec();
        self.ac_mac = header.source;
        true
    }

    /// A PADR; the PADS that answers it, if one does.
    fn padr(&mut self, tags: &[(TagKind, &[u8])]) -> Option<Vec<u8>> {
        let cookie = self.cookie.clone();
        let mut all: Vec<(TagKind, &[u8])> = vec![(TagKind::ServiceName, b""), (TagKind::HostUniq, b"uniq")];
        all.push((TagKind::AcCookie, &cookie));
        all.extend_from_slice(tags);
        let ac = self.ac_mac;
        self.discovery(ac, Code::Padr, 0, &all);
        self.take(Code::Pads)
    }

    fn padt(&mut self, id: u16) {
        self.discovery(AC_MAC, Code::Padt, id, &[]);
    }

    /// From PADI to whatever PPP makes of it at once. True if there is a session.
    fn dial(&mut self) -> bool {
        if !self.padi() {
            return false;
        }
        let Some(pads) = self.padr(&[]) else { return false };
        let (_, payload) = Header::parse(&pads).unwrap();
        self.session_id = Packet::parse(payload).unwrap().session_id;
        if self.session_id == 0 {
            return false;
        }
        self.events.clear();
        self.link.open(self.now, &mut self.rng);
        self.settle();
        true
    }

    fn dial_with(&mut self, password: &str) -> bool {
        self.link = Link::new(config(password));
        self.dial()
    }

    /// PPP back and forth until nothing moves.
    fn settle(&mut self) {
        self.inbox.extend(self.out.frames().map(<[u8]>::to_vec));
        self.out.clear();
        let mut buffer = [0; 1510];
        loop {
            let mut idle = true;
            for frame in std::mem::take(&mut self.inbox) {
                let (header, payload) = Header::parse(&frame).unwrap();
                let packet = Packet::parse(payload).unwrap();
                if header.ether_type == ethernet::PPPOE_DISCOVERY {
                    if packet.code == Code::Padt && packet.session_id == self.session_id {
                        self.link.lower_down(self.now);
                        self.session_id = 0;
                    }
                    continue;
                }
                idle = false;
                match gatelet_wire::ppp::parse(packet.payload).unwrap().0 {
                    Protocol::Ipv4 => self.pings_answered += 1,
                    Protocol::Ipv6 => self.ipv6.push(packet.payload[2..].to_vec()),
                    _ => drop(self.link.handle_packet(self.now, &mut self.rng, packet.payload)),
                }
            }
            while let Some(len) = self.link.poll_transmit(self.now, &mut buffer) {
                idle = false;
                let packet = buffer[..len].to_vec();
                self.session(&packet);
            }
            while let Some(event) = self.link.poll_event() {
                self.events.push(event);
            }
            if idle {
                return;
            }
        }
    }

    /// A session frame.
    fn session(&mut self, ppp: &[u8]) {
        let mut packet = [0; 1550];
        let len = Packet { code: Code::Session, session_id: self.session_id, payload: ppp }
            .emit(&mut packet)
            .unwrap();
        let ac = self.ac_mac;
        self.send(ac, ethernet::PPPOE_SESSION, &packet[..len]);
    }

    fn address(&self) -> Option<Ipv4Address> {
        self.events.iter().find_map(|event| match event {
            LinkEvent::Ipv4Up { address, .. } => Some(*address),
            _ => None,
        })
    }

    fn refusal(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            LinkEvent::AuthRefused { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether a ping of `size` octets comes back.
    fn ping(&mut self, size: usize) -> bool {
        let source = self.address().expect("an address");
        let data = vec![0x5A; size - 28];
        let echo = Icmpv4Repr::EchoRequest { ident: 1, seq_no: 1, data: &data };
        let header = Ipv4Repr {
            src_addr: source,
            dst_addr: internet::HOST,
            next_header: IpProtocol::Icmp,
            payload_len: echo.buffer_len(),
            hop_limit: 64,
        };
        let mut packet = vec![0; 2 + size];
        packet[..2].copy_from_slice(&[0x00, 0x21]);
        header.emit(&mut Ipv4Packet::new_unchecked(&mut packet[2..]), &ChecksumCapabilities::default());
        echo.emit(&mut Icmpv4Packet::new_unchecked(&mut packet[22..]), &ChecksumCapabilities::default());
        self.pings_answered = 0;
        self.session(&packet);
        self.settle();
        self.pings_answered == 1
    }

    /// Sends an IPv6 packet; what comes back, and what is passed on.
    fn send_ipv6(&mut self, packet: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut packet = [&[0x00, 0x57], packet].concat();
        packet.truncate(1502);
        let len = Packet { code: Code::Session, session_id: self.session_id, payload: &packet };
        let mut bytes = [0; 1550];
        let len = len.emit(&mut bytes).unwrap();
        let header = Header {
            destination: self.ac_mac,
            source: self.mac,
            vlan: None,
            ether_type: ethernet::PPPOE_SESSION,
        };
        let mut frame = [0; 1600];
        let start = header.emit(&mut frame).unwrap();
        frame[start..start + len].copy_from_slice(&bytes[..len]);
        self.ac.handle_frame(self.now, &frame[..start + len], &mut self.out);
        let passed_on = self.out.take_passed_on();
        self.ipv6.clear();
        self.settle();
        (std::mem::take(&mut self.ipv6), passed_on)
    }

    fn lockouts(&self) -> &[Lockout] {
        &self.ac.counters().lockouts
    }
}

fn config(password: &str) -> LinkConfig {
    LinkConfig { echo: Echo::Off, ..LinkConfig::new(Credentials::new(ACCOUNT.0, password).unwrap()) }
}

fn pair(model: Model) -> Pair {
    Pair::new(model, Moods::default())
}

fn moody(moods: Moods) -> Pair {
    Pair::new(Model::open(), moods)
}

// ------------------------------------------------------------------------------------------------------- by the book

#[test]
fn a_dial_by_the_book_gets_an_address_and_the_internet() {
    for authentication in
        [Authentication::None, Authentication::Pap, Authentication::ChapMd5, Authentication::MsChapV2]
    {
        let mut pair = moody(Moods { authentication, ..Moods::default() });
        assert!(pair.dial(), "{authentication:?}");
        assert!(pair.address().is_some(), "{authentication:?}: {:?}", pair.events);
        assert!(pair.events.iter().any(|event| matches!(event, LinkEvent::Ipv6Up { .. })));
        assert!(pair.ping(84), "{authentication:?}");
        let view = pair.ac.session_of(CLIENT).expect("a session");
        assert_eq!((view.id, Some(view.address)), (pair.session_id, pair.address()));
        assert!(pair.ac.forwards(CLIENT, view.id));
    }
}

#[test]
fn a_wrong_password_is_refused_in_the_server_s_words_and_ends_the_session() {
    for authentication in [Authentication::Pap, Authentication::ChapMd5, Authentication::MsChapV2] {
        let mut pair = moody(Moods { authentication, ..Moods::default() });
        assert!(pair.dial_with("looking-glass"));
        assert_eq!(pair.refusal(), Some("Authentication failed"), "{authentication:?}");
        pair.wait(5);
        assert_eq!(pair.ac.sessions().count(), 0);
        assert_eq!(pair.ac.counters().authentications_refused, 1);
    }
}

#[test]
fn refusals_come_in_the_carriers_words() {
    for refusal in [Refusal::Locked, Refusal::TooManySessions, Refusal::Binding, Refusal::Exhausted] {
        let mut pair = pair(Model::open());
        pair.ac.refuse(Some(refusal));
        assert!(pair.dial());
        assert_eq!(pair.refusal(), Some(refusal.text()));
    }
}

#[test]
fn a_repeated_padr_confirms_the_same_session() {
    let mut pair = pair(Model::open());
    assert!(pair.padi());
    let first = pair.padr(&[]).expect("PADS");
    let again = pair.padr(&[]).expect("PADS");
    assert_eq!(first, again);
    assert_eq!(pair.ac.counters().sessions_opened, 1);
}

#[test]
fn a_service_it_does_not_offer_is_not_answered() {
    let mut pair = moody(Moods { services: vec!["gold".into()], ..Moods::default() });
    let ask = |pair: &mut Pair, service: &[u8]| {
        pair.discovery(EthernetAddress::BROADCAST, Code::Padi, 0, &[(TagKind::ServiceName, service)]);
        pair.take(Code::Pado).is_some()
    };
    assert!(ask(&mut pair, b"gold"));
    assert!(ask(&mut pair, b""));
    assert!(!ask(&mut pair, b"silver"));
}

#[test]
fn a_vlan_keeps_others_out() {
    let mut pair = pair(Model::open());
    pair.ac.vlan = Some(VlanTag::new(35).unwrap());
    assert!(pair.dial());
    let untagged = Pair { mac: EthernetAddress([2, 0, 0, 0, 0, 9]), ..pair_with_vlan_off() };
    assert_eq!(untagged.ac.counters().padis, 0);
}

fn pair_with_vlan_off() -> Pair {
    let mut pair = pair(Model::open());
    let mut frame = [0; 60];
    let header = Header {
        destination: EthernetAddress::BROADCAST,
        source: CLIENT,
        vlan: None,
        ether_type: ethernet::PPPOE_DISCOVERY,
    };
    pair.ac.vlan = Some(VlanTag::new(35).unwrap());
    let start = header.emit(&mut frame).unwrap();
    Writer::new(&mut frame[start..], Code::Padi, 0).push(TagKind::ServiceName, b"").finish().unwrap();
    pair.ac.handle_frame(pair.now, &frame, &mut pair.out);
    assert_eq!(pair.out.frames().count(), 0);
    pair
}

// ---------------------------------------------------------------------------------------------------------- throttles

#[test]
fn cisco_locks_at_the_tenth_request_in_a_minute_for_five() {
    let mut pair = pair(Model::cisco());
    for _ in 0..10 {
        assert!(pair.padi(), "the tenth has passed too");
        pair.wait(5);
    }
    assert_eq!(pair.lockouts().len(), 1);
    let lockout = pair.lockouts()[0];
    assert_eq!((lockout.cause, lockout.stage), (Cause::Requests, Stage::Padi));
    assert!(lockout.own_making);
    assert!(!pair.padi());
    pair.wait(200);
    assert!(!pair.padi());
    pair.wait(95);
    assert!(pair.padi(), "a PADI during the lock did not extend it");
}

#[test]
fn requests_spread_over_minutes_never_lock_a_cisco() {
    let mut pair = pair(Model::cisco());
    for _ in 0..50 {
        assert!(pair.padi());
        pair.wait(7);
    }
    assert!(pair.lockouts().is_empty());
}

#[test]
fn an_extended_lock_begins_anew_with_each_padi() {
    let mut pair = pair(Model::cisco_strict());
    for _ in 0..5 {
        assert!(pair.padi());
    }
    pair.wait(290);
    assert!(!pair.padi());
    pair.wait(290);
    assert!(!pair.padi(), "the PADI ten seconds before its end began it anew");
    pair.wait(301);
    assert!(pair.padi());
    assert_eq!(pair.ac.counters().lock_extensions, 2);
    pair.ac.moods.lock_extended_by_requests = Some(false);
    for _ in 0..5 {
        pair.padi();
    }
    pair.wait(290);
    assert!(!pair.padi());
    pair.wait(20);
    assert!(pair.padi(), "the mood overrides the model");
}

#[test]
fn a_new_mac_helps_with_a_cisco_and_not_with_an_asr9000() {
    for (model, helps) in [(Model::cisco(), true), (Model::asr9000(), false)] {
        let mut pair = pair(model);
        for _ in 0..10 {
            assert!(pair.padi());
        }
        assert!(!pair.padi());
        pair.mac = EthernetAddress([0x02, 0xC1, 0, 0, 0, 8]);
        assert_eq!(pair.padi(), helps);
    }
}

#[test]
fn huawei_freezes_after_five_refusals_and_drops_at_padr() {
    let mut pair = pair(Model::huawei());
    for _ in 0..5 {
        assert!(pair.dial_with("wrong"));
        pair.wait(10);
    }
    assert_eq!(pair.lockouts().len(), 1);
    assert_eq!(pair.lockouts()[0].cause, Cause::Failures);
    assert!(pair.padi(), "PADO still comes");
    assert!(pair.padr(&[]).is_none(), "PADS does not");
    pair.wait(301);
    assert!(pair.dial_with(ACCOUNT.1));
    assert!(pair.address().is_some());
}

#[test]
fn huawei_with_padi_discard_is_silent_at_once() {
    let mut pair = pair(Model::huawei_padi_discard());
    for _ in 0..5 {
        assert!(pair.dial_with("wrong"));
        pair.wait(10);
    }
    assert!(!pair.padi());
}

#[test]
fn huawei_counts_sessions_that_die_right_after_coming_up() {
    let mut pair = pair(Model::huawei());
    for _ in 0..5 {
        assert!(pair.dial());
        pair.wait(20);
        let id = pair.session_id;
        pair.padt(id);
        pair.link.lower_down(pair.now);
    }
    assert_eq!(pair.lockouts().len(), 1);
    assert_eq!(pair.lockouts()[0].cause, Cause::QuickOffline);
}

#[test]
fn h3c_chastens_the_user_not_the_mac() {
    let mut pair = pair(Model::h3c());
    for turn in 0..6 {
        pair.mac = EthernetAddress([0x02, 0xC1, 0, 0, 1, turn]);
        assert!(pair.dial_with("wrong"));
        pair.wait(5);
    }
    assert_eq!(pair.lockouts().len(), 1);
    pair.mac = EthernetAddress([0x02, 0xC1, 0, 0, 1, 99]);
    assert!(pair.dial_with(ACCOUNT.1), "a session is opened");
    assert_eq!(pair.refusal(), Some("userid locked"), "and the right password refused");
    pair.wait(301);
    assert!(pair.dial_with(ACCOUNT.1));
    assert!(pair.address().is_some());
}

#[test]
fn junos_doubles_its_lockout_and_forgets_after_a_quarter_of_an_hour() {
    let mut pair = pair(Model::junos());
    let mut lengths = Vec::new();
    for _ in 0..4 {
        assert!(pair.dial_with("wrong"));
        let lockout = *pair.lockouts().last().unwrap();
        lengths.push((lockout.until - lockout.at).secs());
        assert!(!pair.padi());
        pair.wait(lengths[lengths.len() - 1] + 5);
    }
    assert_eq!(lengths, [1, 2, 4, 8]);
    pair.wait(15 * 60);
    assert!(pair.dial_with("wrong"));
    let lockout = pair.lockouts()[4];
    assert_eq!((lockout.until - lockout.at).secs(), 1);
}

#[test]
fn junose_begins_at_thirty_seconds_and_ends_at_three_hundred() {
    let mut pair = pair(Model::junose());
    let mut lengths = Vec::new();
    for _ in 0..6 {
        assert!(pair.dial_with("wrong"));
        pair.wait(5);
        let lockout = *pair.lockouts().last().unwrap();
        lengths.push((lockout.until - lockout.at).secs());
        pair.wait(lengths[lengths.len() - 1]);
    }
    assert_eq!(lengths, [30, 60, 120, 240, 300, 300]);
}

#[test]
fn accel_ppp_drops_a_second_padi_within_a_second_and_delays_its_pado() {
    let mut pair = pair(Model::accel_ppp());
    assert!(pair.padi());
    assert!(!pair.padi(), "0.1 s later");
    pair.now += Duration::from_millis(900);
    assert!(pair.padi());
    assert!(pair.lockouts().is_empty());
}

#[test]
fn accel_ppp_replaces_or_denies_a_second_session() {
    let mut pair = pair(Model::accel_ppp());
    assert!(pair.dial());
    let first = pair.session_id;
    pair.wait(2);
    pair.link = Link::new(config(ACCOUNT.1));
    assert!(pair.dial());
    assert!(pair.address().is_some());
    assert!(pair.ac.sessions().all(|session| session.id != first), "the old one was ended");

    let mut pair = self::pair(Model::accel_ppp_deny());
    assert!(pair.dial());
    pair.wait(2);
    pair.link = Link::new(config(ACCOUNT.1));
    assert!(pair.dial());
    assert_eq!(pair.refusal(), Some("Radius User Restriction"));
}

#[test]
fn bell_answers_nobody_for_a_quarter_of_an_hour_after_a_rejection() {
    let mut pair = pair(Model::bell());
    assert!(pair.dial_with("wrong"));
    pair.wait(890);
    assert!(!pair.padi());
    pair.wait(15);
    assert!(pair.padi());
}

#[test]
fn the_silent_cisco_speaks_again_after_a_padt_with_session_zero() {
    let mut pair = pair(Model::silent_cisco());
    for _ in 0..8 {
        assert!(pair.padi());
        pair.wait(30);
    }
    assert_eq!(pair.lockouts()[0].cause, Cause::Unfinished);
    assert!(!pair.padi());
    pair.wait(1000);
    assert!(!pair.padi());
    pair.padt(0);
    assert!(pair.padi());
}

#[test]
fn a_session_clears_the_silent_cisco_s_count() {
    let mut pair = pair(Model::silent_cisco());
    for _ in 0..5 {
        for _ in 0..6 {
            assert!(pair.padi());
            pair.wait(30);
        }
        assert!(pair.dial());
    }
    assert!(pair.lockouts().is_empty());
}

#[test]
fn what_the_line_provoked_is_not_of_the_client_s_own_making() {
    let mut pair = pair(Model::cisco_strict());
    for _ in 0..3 {
        pair.ac.line_failed(CLIENT);
        pair.dial(); // a PADI and a PADR, both provoked; the third PADI is the fifth request
        pair.wait(3);
    }
    assert_eq!(pair.lockouts().len(), 1);
    assert!(!pair.lockouts()[0].own_making);

    let mut pair = self::pair(Model::cisco_strict());
    pair.ac.line_failed(CLIENT);
    for _ in 0..3 {
        pair.dial();
        pair.wait(3);
    }
    assert_eq!(pair.lockouts().len(), 1);
    assert!(pair.lockouts()[0].own_making, "only the first dial was provoked");
}

#[test]
fn an_imposed_lock_bites_every_model() {
    for model in Model::all() {
        let name = model.name;
        let mut pair = pair(model);
        let mut out = Outbox::new();
        pair.ac.lock(pair.now, CLIENT, Duration::from_secs(300), &mut out);
        assert!(pair.ac.answers_at(pair.now, CLIENT).is_some_and(|at| at > pair.now), "{name}");
        assert!(!pair.dial() || pair.refusal().is_some(), "{name}");
        assert!(!pair.lockouts()[0].own_making);
        pair.wait(301);
        let extended = pair.ac.counters().lock_extensions > 0;
        assert!(extended || pair.padi(), "{name}");
    }
}

#[test]
fn every_model_names_its_source_and_its_promise() {
    let promised: Vec<_> =
        Model::all().iter().filter(|model| model.promised()).map(|model| model.name).collect();
    assert!(Model::all().iter().all(|model| !model.source.is_empty()));
    for name in
        ["open", "cisco", "cisco-strict", "asr9000", "huawei", "huawei-padi-discard", "h3c", "accel-ppp"]
    {
        assert!(promised.contains(&name), "{name}");
    }
    for name in ["cisco-tight", "junos", "junose", "bell"] {
        assert!(!promised.contains(&name), "{name}");
    }
}

// -------------------------------------------------------------------------------------------------------------- moods

#[test]
fn silence_and_pado_without_pads() {
    let mut pair = pair(Model::open());
    pair.ac.set_silence(true);
    assert!(!pair.padi());
    pair.ac.set_silence(false);
    pair.ac.moods.padr = Reception::Silence;
    assert!(pair.padi());
    assert!(pair.padr(&[]).is_none());
    assert_eq!((pair.ac.counters().padis_unanswered, pair.ac.counters().padrs_unanswered), (1, 1));
}

#[test]
fn error_tags_come_with_their_text() {
    for kind in [TagKind::ServiceNameError, TagKind::AcSystemError, TagKind::GenericError] {
        let mut pair = moody(Moods { padr: error_tag(kind), ..Moods::default() });
        assert!(pair.padi());
        let pads = pair.padr(&[]).expect("PADS");
        let (_, payload) = Header::parse(&pads).unwrap();
        let packet = Packet::parse(payload).unwrap();
        assert_eq!(packet.session_id, 0);
        let error = TagSet::parse(&packet).unwrap().error.expect("an error tag");
        assert_eq!(error.kind, kind);
        assert!(!error.value.is_empty());
    }
}

#[test]
fn cookies_change_and_old_ones_are_worthless() {
    let mut pair = moody(Moods { cookie: Cookie::Changing, ..Moods::default() });
    assert!(pair.padi());
    let old = pair.cookie.clone();
    assert!(pair.padi());
    assert_ne!(pair.cookie, old);
    let fresh = std::mem::replace(&mut pair.cookie, old);
    assert!(pair.padr(&[]).is_none());
    pair.cookie = fresh;
    assert!(pair.padr(&[]).is_some());

    let mut pair = moody(Moods { cookie: Cookie::StaleOnce, ..Moods::default() });
    assert!(!pair.dial(), "the cookie has just changed");
    assert!(pair.dial());
}

#[test]
fn two_concentrators_offer_and_either_serves() {
    let mut pair = moody(Moods { second_ac: true, ..Moods::default() });
    assert!(pair.padi());
    let other = pair.take(Code::Pado).expect("a second PADO");
    let (header, _) = Header::parse(&other).unwrap();
    assert_ne!(header.source, pair.ac_mac);
    pair.ac_mac = header.source;
    assert!(pair.padr(&[]).is_some());
    assert_eq!(pair.ac.sessions().next().unwrap().ac, header.source);
}

#[test]
fn start_up_at_once_early_late_and_passive() {
    let first_frames = |startup| {
        let mut pair = moody(Moods { startup, ..Moods::default() });
        assert!(pair.padi());
        let cookie = pair.cookie.clone();
        let ac = pair.ac_mac;
        pair.discovery(ac, Code::Padr, 0, &[(TagKind::ServiceName, b""), (TagKind::AcCookie, &cookie)]);
        let types: Vec<u16> =
            pair.inbox.iter().map(|frame| Header::parse(frame).unwrap().0.ether_type).collect();
        (types, pair)
    };
    assert_eq!(first_frames(Startup::AtOnce).0, [ethernet::PPPOE_DISCOVERY, ethernet::PPPOE_SESSION]);
    assert_eq!(first_frames(Startup::Early).0, [ethernet::PPPOE_SESSION, ethernet::PPPOE_DISCOVERY]);
    assert_eq!(first_frames(Startup::Passive).0, [ethernet::PPPOE_DISCOVERY]);
    let (types, mut pair) = first_frames(Startup::After(Duration::from_millis(240)));
    assert_eq!(types, [ethernet::PPPOE_DISCOVERY]);
    assert_eq!(pair.ac.poll_at(), Some(pair.now + Duration::from_millis(240)));
    pair.now += Duration::from_millis(240);
    pair.ac.handle_timeout(pair.now, &mut pair.out);
    assert_eq!(pair.out.frames().count(), 1);
}

#[test]
fn every_start_up_ends_in_a_session() {
    for startup in
        [Startup::AtOnce, Startup::Early, Startup::Passive, Startup::After(Duration::from_millis(240))]
    {
        let mut pair = moody(Moods { startup, ..Moods::default() });
        assert!(pair.dial());
        pair.wait(5);
        assert!(pair.address().is_some(), "{startup:?}: {:?}", pair.events);
    }
}

#[test]
fn a_contrary_concentrator_agrees_in_the_end() {
    let mut pair = moody(Moods { contrary: true, ..Moods::default() });
    assert!(pair.dial());
    pair.wait(10);
    assert!(pair.address().is_some(), "{:?}", pair.events);
    assert!(pair.ping(84));
}

#[test]
fn rfc_4638_is_echoed_only_when_it_may_and_a_hole_under_it_swallows() {
    let wish: &[(TagKind, &[u8])] = &[(TagKind::PppMaxPayload, &[0x05, 0xDC])];
    let granted = |pair: &mut Pair| {
        assert!(pair.padi());
        let pads = pair.padr(wish).expect("PADS");
        let (_, payload) = Header::parse(&pads).unwrap();
        TagSet::parse(&Packet::parse(payload).unwrap()).unwrap().max_payload
    };
    assert_eq!(granted(&mut pair(Model::open())), None);
    assert_eq!(
        granted(&mut moody(Moods { max_payload: MaxPayload::Echo(1500), ..Moods::default() })),
        Some(1500)
    );

    let mut pair = moody(Moods { mtu_hole: Some(1492), ..Moods::default() });
    assert!(pair.dial());
    assert!(pair.ping(1492));
    assert!(!pair.ping(1493));
}

#[test]
fn a_concentrator_that_ignores_echo() {
    for (echo, survives) in [(true, true), (false, false)] {
        let mut pair = moody(Moods { echo, ..Moods::default() });
        let echo = Echo::On { interval: Duration::from_secs(20), max_missed: 3 };
        pair.link = Link::new(LinkConfig { echo, ..config(ACCOUNT.1) });
        assert!(pair.dial());
        pair.wait(120);
        let timed_out = pair
            .events
            .iter()
            .any(|event| matches!(event, LinkEvent::Failed(LinkFailure::EchoTimeout { .. })));
        assert_eq!(timed_out, !survives);
    }
}

#[test]
fn its_own_keepalive_finds_a_client_that_lost_power_after_five_minutes() {
    let mut pair = pair(Model::open());
    assert!(pair.dial());
    pair.link = Link::new(config(ACCOUNT.1)); // the power is off: nothing answers
    pair.wait(300);
    assert_eq!(pair.ac.sessions().count(), 1);
    pair.wait(65);
    assert_eq!(pair.ac.sessions().count(), 0);
}

#[test]
fn one_session_radius_refuses_until_the_stale_one_ages_or_a_padt_clears_it() {
    let mut pair = pair(Model::open());
    pair.ac.radius.simultaneous = Some(1);
    assert!(pair.dial());
    let stale = pair.session_id;
    pair.link = Link::new(config(ACCOUNT.1));
    assert!(pair.dial());
    assert_eq!(pair.refusal(), Some("Radius User Restriction"));
    pair.wait(3);
    pair.padt(stale);
    pair.link = Link::new(config(ACCOUNT.1));
    assert!(pair.dial());
    assert!(pair.address().is_some());

    let mut out = Outbox::new();
    pair.ac.forget_sessions(pair.now, CLIENT, false, &mut out);
    assert_eq!(pair.ac.answers_at(pair.now, CLIENT), Some(pair.now + pair.ac.radius.ageing));
    pair.link = Link::new(config(ACCOUNT.1));
    assert!(pair.dial());
    assert!(pair.refusal().is_some());
    pair.wait(330);
    pair.link = Link::new(config(ACCOUNT.1));
    assert!(pair.dial());
    assert!(pair.address().is_some());
}

#[test]
fn kicks_come_after_their_time() {
    let hour = Duration::from_secs(3600);
    let mut pair = moody(Moods { kick_after: Some((hour * 47, hour * 48)), ..Moods::default() });
    assert!(pair.dial());
    pair.wait(47 * 3600 - 1);
    assert!(pair.ac.session_of(CLIENT).is_some());
    pair.wait(3605);
    assert!(pair.ac.session_of(CLIENT).is_none());
    assert!(pair.events.iter().any(|event| matches!(event, LinkEvent::TerminatedByPeer { .. })));
}

#[test]
fn a_black_hole_is_mended_by_a_redial() {
    let mut pair = pair(Model::open());
    assert!(pair.dial());
    assert!(pair.ping(84));
    pair.ac.black_hole();
    assert!(!pair.ping(84));
    assert!(!pair.ac.forwards(CLIENT, pair.session_id));
    let id = pair.session_id;
    pair.padt(id);
    pair.link = Link::new(config(ACCOUNT.1));
    assert!(pair.dial());
    assert!(pair.ping(84));
}

#[test]
fn the_second_session_lands_in_the_walled_garden() {
    let mut pair = moody(Moods { walled_garden: true, ..Moods::default() });
    assert!(pair.dial());
    assert!(pair.ping(84));
    pair.link = Link::new(config(ACCOUNT.1));
    assert!(pair.dial());
    assert_eq!(pair.address().map(|address| address.octets()[0]), Some(12));
    assert!(!pair.ping(84));
}

#[test]
fn stale_padts_name_another_session_or_another_concentrator() {
    let mut pair = pair(Model::open());
    assert!(pair.dial());
    for from_second_ac in [false, true] {
        let mut out = Outbox::new();
        pair.ac.stale_padt(CLIENT, from_second_ac, &mut out);
        let frame = out.frames().next().expect("a PADT");
        let (header, payload) = Header::parse(frame).unwrap();
        let packet = Packet::parse(payload).unwrap();
        assert_eq!(packet.code, Code::Padt);
        assert_eq!(header.source != AC_MAC, from_second_ac);
        assert_eq!(packet.session_id == pair.session_id, from_second_ac);
    }
    assert!(pair.ac.session_of(CLIENT).is_some());
}

#[test]
fn data_of_an_unknown_session_is_answered_by_padt_where_the_mood_is_so() {
    let mut pair = moody(Moods { padt_for_unknown: true, ..Moods::default() });
    pair.session_id = 77;
    pair.session(&[0xC0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0]);
    let padt = pair.take(Code::Padt).expect("a PADT");
    let (_, payload) = Header::parse(&padt).unwrap();
    assert_eq!(Packet::parse(payload).unwrap().session_id, 77);
}

#[test]
fn a_restart_says_goodbye_or_not_and_forgets_locks() {
    for goodbye in [true, false] {
        let mut pair = pair(Model::cisco_strict());
        assert!(pair.dial());
        for _ in 0..4 {
            pair.padi();
        }
        assert!(!pair.padi(), "locked");
        pair.inbox.clear();
        let mut out = Outbox::new();
        pair.ac.restart(pair.now, goodbye, &mut out);
        assert_eq!(out.frames().count() == 1, goodbye);
        assert!(pair.padi());
        assert_eq!(pair.ac.sessions().count(), 0);
    }
}

#[test]
fn switched_off_it_is_deaf() {
    let mut pair = pair(Model::open());
    let mut out = Outbox::new();
    pair.ac.set_power(pair.now, false, &mut out);
    assert!(!pair.padi());
    pair.ac.set_power(pair.now, true, &mut out);
    assert!(pair.padi());
}

#[test]
fn the_same_address_again_costs_no_nak() {
    let mut pair = pair(Model::open());
    assert!(pair.dial());
    let address = pair.address().unwrap();
    let id = pair.session_id;
    pair.padt(id);
    let last = gatelet_proto::ppp::LastIpv4 { address, dns: internet::DNS.map(Some) };
    pair.link = Link::new(LinkConfig { last_ipv4: Some(last), ..config(ACCOUNT.1) });
    assert!(pair.dial());
    assert_eq!(pair.address(), Some(address));
}

// ---------------------------------------------------------------------------------------------------------------- IPv6

/// A packet of a subscriber's to a server on the Internet.
fn to_a_server(source: Ipv6Address) -> Vec<u8> {
    packet::udp((source, 5000), (internet::HOST6, 7), b"hello")
}

#[test]
fn a_session_gets_a_prefix_for_its_line_and_others_by_dhcpv6() {
    let mut pair =
        moody(Moods { passes_on: true, ipv6_access: Some(Ipv6Access::default()), ..Moods::default() });
    assert!(pair.dial());
    pair.wait(1);
    let advertised = pair.ipv6.iter().find_map(|packet| Advertisement::parse(packet)).expect("advertised");
    let (router, advertisement) = advertised.expect("in order");
    assert_eq!((advertisement.mtu, advertisement.other), (Some(1492), true));
    let line = advertisement.prefixes[0].cidr;
    assert_eq!(line, "2001:db8:f000:1::/64".parse().unwrap());
    let solicitation = ndp::solicit_router(CLIENT, internet::link_local([7; 8]));
    let (answers, _) = pair.send_ipv6(packet::ipv6_in_frame(&solicitation).unwrap());
    assert!(matches!(Advertisement::parse(&answers[0]), Some(Ok((from, _))) if from == router));

    let own: Ipv6Address = "2001:db8:f000:1::7".parse().unwrap();
    let delegated: Ipv6Address = "2001:db8:d000:400::7".parse().unwrap();
    assert_eq!(pair.send_ipv6(&to_a_server(own)).1.len(), 1);
    assert_eq!(pair.send_ipv6(&to_a_server(delegated)).1.len(), 0, "nobody's yet");
    let from = (internet::link_local([7; 8]), dhcpv6::CLIENT_PORT);
    let solicit = dhcpv6::tests::message(dhcproto::v6::MessageType::Solicit, false, true);
    let solicit = packet::udp(from, (dhcpv6::ALL_SERVERS, dhcpv6::SERVER_PORT), &solicit);
    let (answers, _) = pair.send_ipv6(&solicit);
    assert_eq!(packet::inspect(&answers[0]), Ok(()));
    assert_eq!(pair.send_ipv6(&to_a_server(delegated)).1.len(), 1);
    assert_eq!((pair.ac.counters().foreign_sources, pair.ac.dhcpv6().bound), (1, 1));

    let back = packet::udp((internet::HOST6, 7), (delegated, 5000), &[0; 1400]);
    assert_eq!(pair.ac.deliver(pair.now, &back, &mut pair.out), None);
    pair.ipv6.clear();
    pair.settle();
    assert_eq!(pair.ipv6, [back]);
    let long = packet::udp((internet::HOST6, 7), (delegated, 5000), &[0; 1446]);
    let error = pair.ac.deliver(pair.now, &long, &mut pair.out).expect("1494 octets are too many");
    assert_eq!((packet::inspect(&error), &error[40..42]), (Ok(()), &[2, 0][..]));
    assert_eq!(error[44..48], 1492u32.to_be_bytes());

    // The carrier renumbers: the old prefixes are nobody's, and the line hears of it at once.
    pair.ac.renumber(pair.now, CLIENT, &mut pair.out);
    pair.wait(1);
    let (_, advertisement) = Advertisement::parse(pair.ipv6.last().unwrap()).unwrap().unwrap();
    let preferred: Vec<_> = advertisement.prefixes.iter().map(|prefix| prefix.preferred.secs()).collect();
    assert_eq!(preferred, [3600, 0]);
    assert_eq!(pair.send_ipv6(&to_a_server(delegated)).1.len(), 0);
}

#[test]
fn who_redials_has_other_prefixes_unless_the_carrier_keeps_them() {
    for keeps_prefix in [false, true] {
        let access = Ipv6Access { keeps_prefix, ..Ipv6Access::default() };
        let mut pair = moody(Moods { passes_on: true, ipv6_access: Some(access), ..Moods::default() });
        let mut lines = Vec::new();
        for _ in 0..2 {
            assert!(pair.dial());
            pair.ipv6.clear();
            pair.wait(1);
            let advertised = pair.ipv6.iter().find_map(|packet| Advertisement::parse(packet)).unwrap();
            lines.push(advertised.unwrap().1.prefixes[0].cidr);
            let id = pair.session_id;
            pair.padt(id);
            pair.link = Link::new(config(ACCOUNT.1));
        }
        assert_eq!(lines[0] == lines[1], keeps_prefix, "{lines:?}");
    }
}
