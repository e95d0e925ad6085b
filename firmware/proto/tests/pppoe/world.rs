//! The owner of a [`Discovery`], who sends whatever is due, and the concentrators' mouth.

use chacha20::ChaCha8Rng;
use gatelet_proto::pppoe::{Discovery, DiscoveryConfig, Dropped, Event, Mode};
use gatelet_wire::EthernetAddress;
use gatelet_wire::pppoe::{Code, Packet, Tag, TagKind, Tags, Writer};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

pub(crate) const AC1: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xA1]);
pub(crate) const AC2: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xA2]);
pub(crate) const AC3: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xA3]);
pub(crate) const AC4: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xA4]);

/// A message that went out.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) to: EthernetAddress,
    pub(crate) code: Code,
    payload: Vec<u8>,
}

impl Sent {
    pub(crate) fn tag(&self, kind: TagKind) -> Option<&[u8]> {
        Tags::new(&self.payload).flatten().find(|tag| tag.kind == kind).map(|tag| tag.value)
    }
}

pub(crate) struct World {
    pub(crate) discovery: Discovery,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Instant,
    pub(crate) sent: Vec<Sent>,
    pub(crate) transcript: Vec<String>,
    events: Vec<Event>,
}

impl World {
    pub(crate) fn new(config: DiscoveryConfig) -> Self {
        Self::seeded(config, 1)
    }

    pub(crate) fn seeded(config: DiscoveryConfig, seed: u64) -> Self {
        Self {
            discovery: Discovery::new(config),
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: Instant::ZERO,
            sent: Vec::new(),
            transcript: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn start(&mut self, mode: Mode) {
        self.discovery.start(self.now, &mut self.rng, mode);
        self.settle();
    }

    /// Sends what is due, and notes what happened.
    pub(crate) fn settle(&mut self) {
        let mut buffer = [0xA5; 260];
        while let Some(message) = self.discovery.wants_to_send(self.now) {
            let out = self.discovery.poll_transmit(self.now, &mut buffer).expect("it is due");
            assert_eq!(out.message, message);
            let packet = Packet::parse(&buffer[..out.len]).expect("well-formed");
            assert_eq!((packet.session_id, packet.payload.len() + 6), (0, out.len));
            self.transcript.push(format!("-> {} {:?} {}", name(out.destination), packet.code, out.attempt));
            let payload = packet.payload.to_vec();
            self.sent.push(Sent { at: self.now, to: out.destination, code: packet.code, payload });
        }
        while let Some(event) = self.discovery.poll_event() {
            self.transcript.push(format!("   {}", tell(&event)));
            self.events.push(event);
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.discovery.poll_at().filter(|at| *at <= end) {
            self.now = at;
            self.discovery.handle_timeout(at, &mut self.rng);
            self.settle();
        }
        self.now = end;
    }

    pub(crate) fn last_sent(&self) -> &Sent {
        self.sent.last().expect("something was sent")
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Our Host-Uniq of this attempt.
    pub(crate) fn host_uniq(&self) -> Vec<u8> {
        self.last_sent().tag(TagKind::HostUniq).expect("always there").to_vec()
    }

    /// `source` says something, with exactly these tags.
    pub(crate) fn hear(
        &mut self,
        source: EthernetAddress,
        code: Code,
        session_id: u16,
        tags: &[(TagKind, &[u8])],
    ) -> Result<(), Dropped> {
        let mut buffer = [0; 1500];
        let mut writer = Writer::new(&mut buffer, code, session_id);
        for (kind, value) in tags {
            writer.push(*kind, value);
        }
        let len = writer.finish().expect("fits");
        let packet = Packet { code, session_id, payload: &buffer[6..len] };
        self.hear_packet(source, &packet)
    }

    pub(crate) fn hear_packet(
        &mut self,
        source: EthernetAddress,
        packet: &Packet<'_>,
    ) -> Result<(), Dropped> {
        let result = self.discovery.handle_packet(self.now, &mut self.rng, source, packet);
        let verdict = result.err().map_or(String::new(), |reason| format!(" ({})", reason.name()));
        self.transcript.push(format!(
            "<- {} {:?}{}{verdict}",
            name(source),
            packet.code,
            if packet.session_id == 0 { String::new() } else { format!(" session {}", packet.session_id) },
        ));
        self.settle();
        result
    }

    /// An offer as it should be, with `extra` tags.
    pub(crate) fn pado(
        &mut self,
        source: EthernetAddress,
        extra: &[(TagKind, &[u8])],
    ) -> Result<(), Dropped> {
        let host_uniq = self.host_uniq();
        let mut tags: Vec<(TagKind, &[u8])> = vec![
            (TagKind::ServiceName, b""),
            (TagKind::AcName, name(source).as_bytes()),
            (TagKind::HostUniq, &host_uniq),
        ];
        tags.extend(extra);
        self.hear(source, Code::Pado, 0, &tags)
    }

    /// A confirmation as it should be, with `extra` tags.
    pub(crate) fn pads(
        &mut self,
        source: EthernetAddress,
        session_id: u16,
        extra: &[(TagKind, &[u8])],
    ) -> Result<(), Dropped> {
        let host_uniq = self.host_uniq();
        let mut tags: Vec<(TagKind, &[u8])> =
            vec![(TagKind::ServiceName, b""), (TagKind::HostUniq, &host_uniq)];
        tags.extend(extra);
        self.hear(source, Code::Pads, session_id, &tags)
    }

    #[track_caller]
    pub(crate) fn expect_transcript(&self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said: Vec<&str> = self.transcript.iter().map(|line| line.trim()).collect();
        assert_eq!(said, expected, "\n{}", self.transcript.join("\n"));
    }
}

/// The packet of a PADT.
pub(crate) fn padt(session_id: u16, payload: &[u8]) -> Packet<'_> {
    Packet { code: Code::Padt, session_id, payload }
}

/// A tag as it stands on the wire.
pub(crate) fn tag_bytes(tag: Tag<'_>) -> Vec<u8> {
    let mut bytes = u16::from(tag.kind).to_be_bytes().to_vec();
    bytes.extend(u16::try_from(tag.value.len()).expect("short").to_be_bytes());
    bytes.extend(tag.value);
    bytes
}

pub(crate) fn name(mac: EthernetAddress) -> &'static str {
    match mac {
        AC1 => "ac1",
        AC2 => "ac2",
        AC3 => "ac3",
        AC4 => "ac4",
        EthernetAddress::BROADCAST => "all",
        _ => "stranger",
    }
}

fn tell(event: &Event) -> String {
    match event {
        Event::Offer { ac_name, fallback: false, .. } => format!("chosen: {ac_name}"),
        Event::Offer { ac_name, fallback: true, .. } => format!("fallback chosen: {ac_name}"),
        Event::OfferKept { ac_name, .. } => format!("kept: {ac_name}"),
        Event::Refused(refusal) => {
            format!("refused by {}: {:?} \"{}\"", name(refusal.ac_mac), refusal.kind, refusal.text)
        }
        Event::Established(session) => format!("session {} with {}", session.id, session.ac_name),
        Event::SurplusPads { ac_mac, session_id } => format!("surplus {session_id} of {}", name(*ac_mac)),
        Event::Failed(failure) => {
            let failure = format!("{failure:?}");
            let kind = failure.split([' ', '(']).next().unwrap_or_default();
            format!("failed: {kind}")
        }
    }
}
