//! The discovery machine: time, wishes of its owner, and whatever concentrators may say.

use gatelet_proto::pppoe::{Discovery, DiscoveryConfig, DiscoveryMessage, Event, Mode, NAME_MAX, Outgoing};
use gatelet_wire::EthernetAddress;
use gatelet_wire::pppoe::{Code, Packet, TagKind, TagSet, Writer, is_session_id};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::input::Input;

/// The longest message there is: what [`Discovery::poll_transmit`] asks for.
const TRANSMIT_ROOM: usize = 260;

/// Shorter than any wait between two copies of one message (accel-ppp drops a PADI within 1 s of the
/// one before).
const REPEAT_MIN: Duration = Duration::from_millis(1_100);

/// The owner of a [`Discovery`], and the concentrators it talks to.
struct Owner {
    discovery: Discovery,
    rng: chacha20::ChaCha8Rng,
    now: Instant,
    /// Host-Uniq of the last message.
    host_uniq: Vec<u8>,
    /// Whom, with which Host-Uniq, when: the last message to each.
    sent: Vec<(EthernetAddress, Vec<u8>, Instant)>,
    offered: Vec<EthernetAddress>,
}

/// Any sequence of steps. The machine never panics, never stands still while it is active, repeats
/// no message too early, and asks and believes only whom it should.
pub fn discovery(input: &[u8]) {
    let mut input = Input::new(input);
    let mut owner = Owner::new(&mut input);
    while let Some(operation) = input.operation() {
        owner.step(operation, &mut input);
        owner.drain();
    }
}

impl Owner {
    fn new(input: &mut Input<'_>) -> Self {
        let wishes = input.u8();
        let text = |bit: u8, text: &str| {
            let wish = if wishes & bit == 0 { "" } else { text };
            heapless::String::try_from(wish).expect("fits")
        };
        let config = DiscoveryConfig {
            service_name: text(1, &"x".repeat(NAME_MAX)),
            ac_name: text(2, "ac"),
            ac_mac: (wishes & 4 != 0).then(|| concentrator(0)),
            max_payload: (wishes & 8 != 0).then_some(1500),
            padi_attempts: wishes >> 4 & 3,
            padr_attempts: wishes >> 6,
        };
        Self {
            discovery: Discovery::new(config),
            rng: chacha20::ChaCha8Rng::seed_from_u64(1),
            now: Instant::from_secs(1),
            host_uniq: Vec::new(),
            sent: Vec::new(),
            offered: Vec::new(),
        }
    }

    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        match operation % 8 {
            0 => self.discovery.start(self.now, &mut self.rng, Mode::Dial),
            1 => self.discovery.start(self.now, &mut self.rng, Mode::Probe),
            2 => self.discovery.stop(),
            3 => {
                self.now += input.duration();
                self.time_passes();
            }
            // To the very moment something is due.
            4 => {
                self.now = self.discovery.poll_at().map_or(self.now, |at| at.max(self.now));
                self.time_passes();
            }
            5 => self.transmit(input),
            6 => self.answer(input),
            _ => {
                let source = concentrator(input.u8());
                if let Ok(packet) = Packet::parse(input.octets()) {
                    let _ = self.discovery.handle_packet(self.now, &mut self.rng, source, &packet);
                }
            }
        }
    }

    fn time_passes(&mut self) {
        self.discovery.handle_timeout(self.now, &mut self.rng);
        let is_waiting = self.discovery.poll_at().is_none_or(|at| at > self.now);
        assert!(is_waiting || self.discovery.wants_to_send(self.now).is_some(), "it stands still");
    }

    fn transmit(&mut self, input: &mut Input<'_>) {
        let Some(message) = self.discovery.wants_to_send(self.now) else {
            assert!(self.discovery.poll_transmit(self.now, &mut [0; TRANSMIT_ROOM]).is_none());
            return;
        };
        if input.u8() & 1 == 1 {
            let until = self.now + input.duration();
            self.discovery.defer(until);
            return;
        }
        let mut buffer = [0xA5; TRANSMIT_ROOM];
        let Outgoing { destination: to, len: length, .. } =
            self.discovery.poll_transmit(self.now, &mut buffer).expect("room enough");
        let packet = Packet::parse(&buffer[..length]).expect("well-formed");
        assert_eq!((packet.payload.len() + 6, packet.session_id), (length, 0));
        let tags = TagSet::parse(&packet).expect("well-formed");
        let host_uniq = tags.host_uniq.expect("always there").to_vec();
        match message {
            DiscoveryMessage::Padi => assert_eq!((packet.code, to), (Code::Padi, EthernetAddress::BROADCAST)),
            DiscoveryMessage::Padr => {
                assert_eq!(packet.code, Code::Padr);
                assert!(self.offered.contains(&to), "asked one who offered nothing");
            }
        }
        let before = self.sent.iter_mut().find(|sent| sent.0 == to && sent.1 == host_uniq);
        if let Some((.., at)) = before {
            assert!(self.now >= *at + REPEAT_MIN, "repeated after {}", self.now - *at);
            *at = self.now;
        } else {
            self.sent.push((to, host_uniq.clone(), self.now));
        }
        self.host_uniq = host_uniq;
        assert_eq!(self.discovery.wants_to_send(self.now), None, "one message at a time");
    }

    fn answer(&mut self, input: &mut Input<'_>) {
        let service = self.discovery.config().service_name.clone();
        let (source, answer) = speak(&self.host_uniq, service.as_bytes(), input);
        let packet = Packet::parse(&answer).expect("just written");
        if packet.code == Code::Pado {
            self.offered.push(source);
        }
        let is_good = TagSet::parse(&packet).is_ok_and(|tags| tags.error.is_none());
        let is_awaited = is_session_id(packet.session_id) && self.discovery.may_hold(source);
        let taken = self.discovery.handle_packet(self.now, &mut self.rng, source, &packet);
        if is_good && is_awaited {
            assert_eq!(taken, Ok(()), "the session we asked for");
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.discovery.poll_event() {
            match event {
                Event::Established(session) => {
                    assert!(is_session_id(session.id));
                    assert!(!self.discovery.is_active());
                    self.assert_asked(session.ac_mac);
                    check_farewell(&session);
                }
                Event::SurplusPads { ac_mac, session_id } => {
                    self.assert_asked(ac_mac);
                    assert!(is_session_id(session_id));
                }
                Event::Offer { ac_mac, .. } | Event::OfferKept { ac_mac, .. } => {
                    assert!(self.offered.contains(&ac_mac));
                }
                Event::Failed(_) => assert!(!self.discovery.is_active()),
                Event::Refused(_) => {}
            }
        }
        assert_eq!(
            self.discovery.poll_at().is_some(),
            self.discovery.is_active(),
            "active means a timer runs"
        );
    }

    fn assert_asked(&self, ac_mac: EthernetAddress) {
        let asked = self.sent.iter().any(|(to, host_uniq, _)| *to == ac_mac && *host_uniq == self.host_uniq);
        assert!(asked, "a session with one who was not asked");
    }
}

/// What a concentrator that knows our Host-Uniq might say: a more or less fitting PADO or PADS.
pub(crate) fn speak(host_uniq: &[u8], service: &[u8], input: &mut Input<'_>) -> (EthernetAddress, Vec<u8>) {
    let (flags, source, extra) = (input.u8(), concentrator(input.u8()), input.octets());
    let (code, session_id) = match flags & 3 {
        0 | 1 => (Code::Pado, 0),
        2 => (Code::Pads, u16::from(flags) << 8 | 1),
        _ => (Code::Pads, 0),
    };
    let mut buffer = [0; 1500];
    let mut writer = Writer::new(&mut buffer, code, session_id);
    writer.push(TagKind::HostUniq, host_uniq);
    if flags & 4 == 0 {
        writer.push(TagKind::AcName, b"ac");
        writer.push(TagKind::ServiceName, service);
    }
    let kind = [
        TagKind::AcCookie,
        TagKind::RelaySessionId,
        TagKind::PppMaxPayload,
        TagKind::GenericError,
        TagKind::AcSystemError,
        TagKind::ServiceNameError,
        TagKind::AcName,
        TagKind::Unknown(0x0106),
    ][usize::from(flags >> 3 & 7)];
    writer.push_some(kind, (flags & 0x40 != 0).then_some(extra));
    let length = writer.finish().expect("room enough");
    (source, buffer[..length].to_vec())
}

/// The PADT that ends a session names it, and only its concentrator may send the like.
fn check_farewell(session: &gatelet_proto::pppoe::Session) {
    let mut buffer = [0; 330];
    let length = session.emit_padt(&mut buffer).expect("room enough");
    let padt = Packet::parse(&buffer[..length]).expect("well-formed");
    assert_eq!(session.handle_padt(session.ac_mac, &padt).as_deref(), Ok(""));
    assert!(session.handle_padt(concentrator(99), &padt).is_err(), "another's word does not count");
}

/// The address of a concentrator; every eighth has one that is no host's.
pub(crate) const fn concentrator(number: u8) -> EthernetAddress {
    EthernetAddress([if number % 8 == 7 { 0x03 } else { 0x02 }, 0, 0x5e, 0, 0x53, number])
}
