//! One PPP session: its owner's wishes, time, and a peer that answers our packets fittingly, wrongly
//! or not at all.

use gatelet_proto::ppp::auth::{AuthMethod, mschapv2};
use gatelet_proto::ppp::{Credentials, Echo, Link, LinkConfig, LinkEvent, Phase};
use gatelet_wire::ppp::mschapv2::{Response, Success};
use gatelet_wire::ppp::{self, Code, Control, Protocol, Writer, chap, pap};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::input::Input;

const USERNAME: &str = "0101234@adsl";
const PASSWORD: &str = "correct horse battery";
const CHALLENGE: [u8; 16] = [7; 16];
/// The longest packet of an MRU of 1500, with its protocol field.
const ROOM: usize = 1502;
/// No single call makes a link say more than this.
const DRAIN_MOST: usize = 64;

/// The owner of a [`Link`], and the other end of it.
struct Owner {
    link: Link,
    minimum_auth: AuthMethod,
    rng: chacha20::ChaCha8Rng,
    now: Instant,
    peer: Peer,
    told: Told,
    peer_said_password: bool,
    peer_proved_itself: bool,
}

/// What the events of this session said so far.
#[derive(Default)]
struct Told {
    stage: Stage,
    ipv4: bool,
    ipv6: bool,
}

/// How far a session has come: only forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Opening,
    LcpUp,
    Ended,
    Closed,
}

/// The protocols of [`Peer::heard`].
const PROTOCOLS: [Protocol; 5] =
    [Protocol::Lcp, Protocol::Pap, Protocol::Chap, Protocol::Ipcp, Protocol::Ipv6cp];

/// Any sequence of steps. The link never panics, never stands still, sends nothing malformed, tells
/// each session's end once and nothing good after it, and shows the password to nobody who should not
/// see it.
pub fn link(input: &[u8]) {
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
        let minimum_auth = AuthMethod::ALL[usize::from(wishes & 3) % 3];
        let credentials = Credentials::new(USERNAME, PASSWORD).expect("short enough");
        let interval = Duration::from_secs(20);
        let mut config = LinkConfig::new(credentials);
        config.minimum_auth = minimum_auth;
        config.ask_before_authenticating = wishes & 4 != 0;
        config.mru = if wishes & 8 == 0 { 1492 } else { 1500 };
        config.ipv4 = wishes & 16 == 0;
        config.ipv6 = wishes & 32 == 0;
        config.echo = match wishes >> 6 {
            0 => Echo::Off,
            1 => Echo::On { interval, max_missed: 3 },
            _ => Echo::Adaptive { interval, max_missed: 2 },
        };
        Self {
            link: Link::new(config),
            minimum_auth,
            rng: chacha20::ChaCha8Rng::seed_from_u64(2),
            now: Instant::from_secs(1),
            peer: Peer::default(),
            told: Told::default(),
            peer_said_password: false,
            peer_proved_itself: false,
        }
    }

    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        let now = self.now;
        match operation % 16 {
            0 => {
                self.drain();
                // What is still up goes down in the course of it.
                self.told.stage = Stage::Opening;
                self.peer_proved_itself = false;
                self.link.open(now, &mut self.rng);
            }
            1 => self.link.close(now),
            2 => {
                self.link.lower_down(now);
                assert_eq!(self.link.phase(), Phase::Dead);
                assert_eq!(self.link.poll_transmit(now, &mut [0; ROOM]), None);
                assert_eq!(self.link.poll_at(), None);
            }
            3 => {
                self.now += input.duration();
                self.time_passes();
            }
            // To the very moment something is due.
            4 | 5 => {
                self.now = self.link.poll_at().map_or(now, |at| at.max(now));
                self.time_passes();
            }
            6 => self.link.note_traffic(now),
            7 => self.link.echo_padded(now, input.u16()),
            8 => {
                if self.link.wants_to_authenticate() {
                    self.link.authenticate(now);
                }
            }
            spoken => {
                if let Some(packet) = self.peer.speak(spoken - 9, input) {
                    self.hear(&packet);
                }
            }
        }
    }

    fn hear(&mut self, packet: &[u8]) {
        self.peer_said_password |= has_password(packet);
        self.peer_proved_itself |= self.peer.genuine_success().is_some_and(|success| packet == success);
        let _ = self.link.handle_packet(self.now, &mut self.rng, packet);
    }

    fn time_passes(&mut self) {
        // Several timers may have run out; each call takes at least one step.
        for _ in 0..DRAIN_MOST {
            self.link.handle_timeout(self.now);
            self.drain();
            if self.link.poll_at().is_none_or(|at| at > self.now) {
                return;
            }
        }
        panic!("it stands still");
    }

    /// Fetches what the link has to send and to tell, and looks at it.
    fn drain(&mut self) {
        let mut buffer = [0xA5; ROOM];
        for count in 0.. {
            let Some(length) = self.link.poll_transmit(self.now, &mut buffer) else { break };
            assert!(count < DRAIN_MOST, "it does not stop talking");
            self.check_sent(&buffer[..length]);
        }
        for count in 0.. {
            let Some(event) = self.link.poll_event() else { break };
            assert!(count < DRAIN_MOST, "it does not stop telling");
            self.check_event(&event);
        }
    }

    fn check_sent(&mut self, packet: &[u8]) {
        let (protocol, information) = ppp::parse(packet).expect("well-formed");
        // What the peer said itself may come back to it in a reject.
        let shows_password = has_password(packet) && !self.peer_said_password;
        match protocol {
            Protocol::Pap => {
                pap::Packet::parse(information).expect("well-formed");
                assert_eq!(self.minimum_auth, AuthMethod::Pap, "the password in clear");
            }
            Protocol::Chap => drop(chap::Packet::parse(information).expect("well-formed")),
            _ => {
                let control = Control::parse(information).expect("well-formed");
                if control.code == Code::ConfigureRequest {
                    assert!(control.options().all(|option| option.is_ok()));
                }
                // RFC 1661 §4.1: what a closed automaton still answers.
                let is_answer = matches!(control.code, Code::TerminateAck | Code::CodeReject);
                assert!(is_answer || self.told.stage != Stage::Closed, "sent after Closed: {control:?}");
            }
        }
        assert!(!shows_password || protocol == Protocol::Pap, "the password in another packet");
        self.peer.hear(packet);
    }

    fn check_event(&mut self, event: &LinkEvent) {
        let told = &mut self.told;
        let is_up = told.stage == Stage::LcpUp;
        match event {
            LinkEvent::LcpUp { peer_mru, .. } => {
                assert!(told.stage <= Stage::LcpUp, "up after its end");
                assert!(*peer_mru <= 1500);
                told.stage = Stage::LcpUp;
            }
            LinkEvent::Ipv4Up { address, .. } => {
                assert!(is_up && !told.ipv4);
                assert!(!address.is_unspecified(), "an address is one");
                told.ipv4 = true;
            }
            LinkEvent::Ipv6Up { local, peer } => {
                assert!(is_up && !told.ipv6);
                assert_ne!(*local, [0; 8]);
                assert_ne!(Some(*local), *peer, "two ends, two identifiers");
                told.ipv6 = true;
            }
            LinkEvent::Ipv4Down => assert!(std::mem::take(&mut told.ipv4), "down twice"),
            LinkEvent::Ipv6Down => assert!(std::mem::take(&mut told.ipv6), "down twice"),
            LinkEvent::Authenticated { method, .. } => {
                assert!(is_up && *method >= self.minimum_auth);
                assert!(*method != AuthMethod::MsChapV2 || self.peer_proved_itself, "a server on its word");
            }
            LinkEvent::AuthSent { method } => assert!(is_up && *method >= self.minimum_auth),
            LinkEvent::AuthRefused { .. } | LinkEvent::Failed(_) | LinkEvent::TerminatedByPeer { .. } => {
                assert!(told.stage < Stage::Ended, "it ends once");
                told.stage = Stage::Ended;
            }
            LinkEvent::Closed => {
                assert!(!told.ipv4 && !told.ipv6, "what was up went down first");
                told.stage = Stage::Closed;
            }
            LinkEvent::NcpUnavailable { .. }
            | LinkEvent::PeerIgnoresEcho
            | LinkEvent::PaddedEcho { .. }
            | LinkEvent::Repeated { .. }
            | LinkEvent::PeerTimer { .. } => {}
        }
    }
}

/// The other end of a session. It remembers what it heard, and answers it.
#[derive(Default)]
pub(crate) struct Peer {
    /// The last request of each of [`PROTOCOLS`].
    heard: [Vec<u8>; PROTOCOLS.len()],
    /// The protocols it has sent a Configure-Request of, when it is [obliging](Self::oblige).
    requested: Vec<Protocol>,
    /// What is added to the last octet of the address that it gives away.
    pub(crate) address: u8,
}

impl Peer {
    /// The packet came through. What asks for nothing is not remembered.
    pub(crate) fn hear(&mut self, packet: &[u8]) {
        let Ok((protocol, information)) = ppp::parse(packet) else { return };
        let is_question = match (protocol, Control::parse(information).map(|control| control.code)) {
            (Protocol::Pap | Protocol::Chap, _) => true,
            (_, Ok(code)) => {
                matches!(code, Code::ConfigureRequest | Code::TerminateRequest | Code::EchoRequest)
            }
            _ => false,
        };
        if !is_question {
            return;
        }
        if let Some(index) = PROTOCOLS.iter().position(|known| *known == protocol) {
            self.heard[index] = packet.to_vec();
        }
    }

    /// Something a peer might say, of seven kinds.
    pub(crate) fn speak(&self, kind: u8, input: &mut Input<'_>) -> Option<Vec<u8>> {
        match kind {
            0 => Some(input.octets().to_vec()),
            1 => Self::request(input),
            2 | 3 => self.answer(input),
            4 => self.authenticator(input),
            // The line is looped back.
            5 => Some(self.heard[usize::from(input.u8()) % PROTOCOLS.len()].clone()),
            _ => Self::other_lcp(input),
        }
    }

    /// A Configure-Request of the peer's.
    fn request(input: &mut Input<'_>) -> Option<Vec<u8>> {
        let protocol = control_protocol(input.u8());
        let (choice, identifier) = (input.u8(), input.u8());
        let mut buffer = [0; ROOM];
        let mut writer = Writer::new(&mut buffer, protocol, Code::ConfigureRequest, identifier);
        match protocol {
            Protocol::Lcp => {
                match choice & 7 {
                    0 => writer.option(3, &[0xC0, 0x23]),
                    1 => writer.option(3, &[0xC2, 0x23, 0x05]),
                    2 => writer.option(3, &[0xC2, 0x23, 0x81]),
                    3 => writer.option(3, &[0xC2, 0x23, 0x80]),
                    4 => writer.option(3, &[0xC2, 0x27]),
                    _ => &mut writer,
                };
                if choice & 8 != 0 {
                    writer.option(1, &input.u16().to_be_bytes());
                }
                if choice & 16 != 0 {
                    writer.option(5, &[identifier, 1, 2, 3]);
                }
                if choice & 32 != 0 {
                    writer.option(7, &[]).option(8, &[]);
                }
            }
            Protocol::Ipcp => {
                if choice & 1 == 0 {
                    writer.option(3, &[100, 64, 0, 1]);
                }
                if choice & 2 != 0 {
                    writer.option(2, &[0, 0x2d, 0x0f, 1]);
                }
            }
            _ => {
                if choice & 1 == 0 {
                    writer.option(1, &[2, 0, 0, 0, 0, 0, 0, choice]);
                }
            }
        }
        if choice & 64 != 0 {
            writer.option(input.u8(), input.octets());
        }
        let length = writer.finish().ok()?;
        Some(buffer[..length].to_vec())
    }

    /// The peer's answer to our last Configure-Request, Terminate-Request or Echo-Request.
    fn answer(&self, input: &mut Input<'_>) -> Option<Vec<u8>> {
        let (protocol, choice) = (control_protocol(input.u8()), input.u8());
        let ours = self.last_of(protocol).clone();
        let ours = Control::parse(ours.get(2..)?).ok()?;
        let mut buffer = [0; ROOM];
        let answer = match (ours.code, choice & 3) {
            (Code::TerminateRequest, _) => Code::TerminateAck,
            (Code::EchoRequest, _) => Code::EchoReply,
            (_, 0) => Code::ConfigureAck,
            (_, 1 | 2) => Code::ConfigureNak,
            (_, _) => Code::ConfigureReject,
        };
        let mut writer = Writer::new(&mut buffer, protocol, answer, ours.identifier);
        match answer {
            Code::TerminateAck => {}
            Code::EchoReply => {
                writer.bytes(&[choice & 1, 0, 0, 0]).bytes(ours.data.get(4..).unwrap_or_default());
            }
            Code::ConfigureNak => {
                for option in ours.options().flatten() {
                    // Another value of the same length, or of none.
                    let mut value = option.value.to_vec();
                    for octet in &mut value {
                        *octet = input.u8();
                    }
                    writer.option(option.kind, if choice & 4 == 0 { &value } else { &[] });
                }
                if choice & 8 != 0 {
                    writer.option(input.u8(), input.octets());
                }
            }
            _ => {
                // All of the options, or some.
                let mut mask = if choice & 4 == 0 { 0xFF } else { input.u8() };
                for option in ours.options().flatten() {
                    if mask & 1 != 0 {
                        writer.raw_option(option);
                    }
                    mask >>= 1;
                }
            }
        }
        let length = writer.finish().ok()?;
        Some(buffer[..length].to_vec())
    }

    /// What a server says to find out who we are, and what it thinks of it.
    fn authenticator(&self, input: &mut Input<'_>) -> Option<Vec<u8>> {
        let (choice, text) = (input.u8(), input.octets());
        let identifier = |last: &[u8]| last.get(3).copied().unwrap_or_default();
        let mut buffer = [0; ROOM];
        let (pap, chap) = (identifier(self.last_of(Protocol::Pap)), identifier(self.last_of(Protocol::Chap)));
        if choice & 15 == 8 {
            return self.genuine_success();
        }
        let length = match choice & 7 {
            0 => pap::Packet::AuthenticateAck { identifier: pap, message: text }.emit(&mut buffer),
            1 => pap::Packet::AuthenticateNak { identifier: pap, message: text }.emit(&mut buffer),
            2 => chap::Packet::Success { identifier: chap, message: text }.emit(&mut buffer),
            3 => chap::Packet::Failure { identifier: chap, message: text }.emit(&mut buffer),
            4 => {
                let message = b"E=691 R=1 C=000102030405060708090A0B0C0D0E0F V=3";
                chap::Packet::Failure { identifier: chap, message }.emit(&mut buffer)
            }
            5 => chap::Packet::Challenge { identifier: choice, value: &CHALLENGE, name: text }
                .emit(&mut buffer),
            6 => chap::Packet::Challenge { identifier: choice, value: text, name: b"ac" }.emit(&mut buffer),
            _ => {
                let packet =
                    pap::Packet::AuthenticateRequest { identifier: 1, peer_id: text, password: text };
                packet.emit(&mut buffer)
            }
        };
        length.ok().map(|length| buffer[..length].to_vec())
    }

    /// The Success of a server that knows the password, to the last MS-CHAPv2 response.
    fn genuine_success(&self) -> Option<Vec<u8>> {
        let information = self.last_of(Protocol::Chap).get(2..)?;
        let Ok(chap::Packet::Response { identifier, value, .. }) = chap::Packet::parse(information) else {
            return None;
        };
        let response = Response::parse(value).ok()?;
        let authenticator_response = mschapv2::authenticator_response(
            &CHALLENGE,
            &response.peer_challenge,
            &response.nt_response,
            USERNAME,
            PASSWORD,
        );
        let mut text = [0; 64];
        let length = Success { authenticator_response, message: b"" }.emit(&mut text).ok()?;
        let mut buffer = [0; ROOM];
        let success = chap::Packet::Success { identifier, message: &text[..length] };
        let length = success.emit(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    }

    /// What LCP has besides options.
    fn other_lcp(input: &mut Input<'_>) -> Option<Vec<u8>> {
        let (code, identifier, data) = (input.u8(), input.u8(), input.octets());
        let protocol = control_protocol(code >> 4);
        let mut buffer = [0; ROOM];
        let mut writer = Writer::new(&mut buffer, protocol, Code::from(code & 15), identifier);
        let length = writer.bytes(data).finish().ok()?;
        Some(buffer[..length].to_vec())
    }

    fn last_of(&self, protocol: Protocol) -> &Vec<u8> {
        let index = PROTOCOLS.iter().position(|known| *known == protocol).expect("one of them");
        &self.heard[index]
    }

    /// What a peer that wants a session by PAP answers to `packet`.
    pub(crate) fn oblige(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let Ok((protocol, information)) = ppp::parse(packet) else { return Vec::new() };
        let Ok(control) = Control::parse(information) else { return Vec::new() };
        let written = |code, data: &[u8]| {
            let mut buffer = [0; ROOM];
            let length = Control { code, identifier: control.identifier, data }.emit(&mut buffer, protocol);
            buffer[..length.unwrap_or(0)].to_vec()
        };
        match (protocol, control.code) {
            (Protocol::Pap, _) => vec![written(Code::ConfigureAck, &[0])],
            (_, Code::ConfigureRequest) => {
                let asks_for_address = control.data.starts_with(&[3, 6, 0, 0, 0, 0]);
                let mut said = if protocol == Protocol::Ipcp && asks_for_address {
                    vec![written(Code::ConfigureNak, &[3, 6, 100, 64, 0, 9 + self.address % 4])]
                } else {
                    vec![written(Code::ConfigureAck, control.data)]
                };
                if !self.requested.contains(&protocol) {
                    self.requested.push(protocol);
                    said.push(written(
                        Code::ConfigureRequest,
                        match protocol {
                            Protocol::Lcp => &[1, 4, 5, 0xD4, 3, 4, 0xC0, 0x23, 5, 6, 1, 2, 3, 4],
                            Protocol::Ipcp => &[3, 6, 100, 64, 0, 1],
                            _ => &[1, 10, 2, 0, 0, 0, 0, 0, 0, 1],
                        },
                    ));
                }
                said
            }
            (_, Code::EchoRequest) => vec![written(Code::EchoReply, &[1, 2, 3, 4])],
            (_, Code::TerminateRequest) => vec![written(Code::TerminateAck, &[])],
            _ => Vec::new(),
        }
    }
}

/// LCP mostly, else a network control protocol.
const fn control_protocol(choice: u8) -> Protocol {
    match choice & 3 {
        0 | 1 => Protocol::Lcp,
        2 => Protocol::Ipcp,
        _ => Protocol::Ipv6cp,
    }
}

fn has_password(packet: &[u8]) -> bool {
    packet.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes())
}
