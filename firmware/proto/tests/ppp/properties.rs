//! What holds whatever a peer sends.

use std::cell::RefCell;
use std::collections::HashMap;

use chacha20::ChaCha8Rng;
use gatelet_proto::ppp::auth::{AuthMethod, mschapv2 as hash};
use gatelet_proto::ppp::{Credentials, LastIpv4, Link, LinkConfig, LinkEvent, Phase};
use gatelet_wire::ppp::{self, Code, Control, Protocol, Writer, chap, ipcp, ipv6cp, lcp, mschapv2, pap};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::script::Script;
use crate::world::config;

#[derive(Debug, Clone)]
enum Step {
    /// Any octets.
    Noise(Vec<u8>),
    /// A control packet of a protocol a link speaks, with any contents.
    Control {
        protocol: u16,
        code: u8,
        identifier: u8,
        data: Vec<u8>,
    },
    /// The newest request of a protocol comes back as an Ack, a Nak, a Reject, or itself.
    Answer {
        protocol: Protocol,
        code: u8,
    },
    /// A sensible Configure-Request, LCP's with or without a demand.
    Request {
        protocol: Protocol,
        identifier: u8,
        auth: Option<AuthMethod>,
    },
    /// A CHAP challenge.
    Challenge(u8),
    /// What a server that knows the password says to the newest PAP request or CHAP response.
    Verdict {
        accept: bool,
    },
    Wait(u64),
    Traffic,
    Open,
    Close,
    LowerDown,
    Permit,
    PaddedEcho(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let control =
        || prop::sample::select(vec![Protocol::Lcp, Protocol::Lcp, Protocol::Ipcp, Protocol::Ipv6cp]);
    let any_protocol = prop::sample::select(vec![0xC021, 0xC021, 0x8021, 0x8057, 0xC023, 0xC223, 0x80FD]);
    let octets = || prop::collection::vec(any::<u8>(), 0..40);
    let auth = prop::sample::select(vec![
        None,
        None,
        Some(AuthMethod::Pap),
        Some(AuthMethod::ChapMd5),
        Some(AuthMethod::MsChapV2),
    ]);
    let acks = vec![2u8, 2, 2, 2, 2, 2, 3, 4, 1];
    prop_oneof![
        2 => octets().prop_map(Step::Noise),
        4 => (any_protocol, 0u8..14, 0u8..6, octets()).prop_map(|(protocol, code, identifier, data)| {
            Step::Control { protocol, code, identifier, data }
        }),
        40 => (control(), prop::sample::select(acks)).prop_map(|(protocol, code)| Step::Answer { protocol, code }),
        30 => (control(), 0u8..4, auth).prop_map(|(protocol, identifier, auth)| {
            Step::Request { protocol, identifier, auth }
        }),
        10 => (0u8..3).prop_map(Step::Challenge),
        20 => prop::bool::weighted(0.9).prop_map(|accept| Step::Verdict { accept }),
        10 => (0u64..4_000_000).prop_map(Step::Wait),
        2 => Just(Step::Traffic),
        2 => Just(Step::Open),
        1 => Just(Step::Close),
        1 => Just(Step::LowerDown),
        10 => Just(Step::Permit),
        2 => (0u16..2000).prop_map(Step::PaddedEcho),
    ]
}

const USERNAME: &str = "user";
const PASSWORD: &str = "password";
const CHALLENGE: &[u8; 16] = b"0123456789abcdef";

/// What the link sent last, of each kind that can be answered.
#[derive(Default)]
struct Sent {
    requests: HashMap<u16, Vec<u8>>,
    auth: Option<Vec<u8>>,
}

impl Sent {
    fn note(&mut self, packet: &[u8]) {
        let (protocol, information) = ppp::parse(packet).expect("we send readable packets");
        match protocol {
            Protocol::Pap | Protocol::Chap => self.auth = Some(packet.to_vec()),
            _ if information[0] == 1 => _ = self.requests.insert(protocol.into(), packet.to_vec()),
            _ => {}
        }
    }

    /// The answer of a server that knows the password.
    fn verdict(&self, accept: bool, buffer: &mut [u8]) -> Option<usize> {
        let packet = self.auth.as_ref()?;
        let (protocol, information) = ppp::parse(packet).ok()?;
        if protocol == Protocol::Pap {
            let pap::Packet::AuthenticateRequest { identifier, .. } = pap::Packet::parse(information).ok()?
            else {
                return None;
            };
            let ack = pap::Packet::AuthenticateAck { identifier, message: b"" };
            let nak = pap::Packet::AuthenticateNak { identifier, message: b"locked" };
            return if accept { ack } else { nak }.emit(buffer).ok();
        }
        let chap::Packet::Response { identifier, value, .. } = chap::Packet::parse(information).ok()? else {
            return None;
        };
        if !accept {
            return chap::Packet::Failure { identifier, message: b"E=691" }.emit(buffer).ok();
        }
        let mut text = [0; 64];
        let length = mschapv2::Response::parse(value).map_or(0, |response| {
            let proof = hash::authenticator_response(
                CHALLENGE,
                &response.peer_challenge,
                &response.nt_response,
                USERNAME,
                PASSWORD,
            );
            mschapv2::Success { authenticator_response: proof, message: b"" }.emit(&mut text).expect("fits")
        });
        chap::Packet::Success { identifier, message: &text[..length] }.emit(buffer).ok()
    }
}

/// Octets of what a step gives the link, if it gives any.
fn packet(step: &Step, sent: &Sent, buffer: &mut [u8]) -> Option<usize> {
    match step {
        Step::Noise(octets) => {
            buffer[..octets.len()].copy_from_slice(octets);
            Some(octets.len())
        }
        Step::Control { protocol, code, identifier, data } => {
            let control = Control { code: Code::from(*code), identifier: *identifier, data };
            control.emit(buffer, Protocol::from(*protocol)).ok()
        }
        Step::Answer { protocol, code } => {
            let request = sent.requests.get(&u16::from(*protocol))?;
            buffer[..request.len()].copy_from_slice(request);
            buffer[2] = *code;
            Some(request.len())
        }
        Step::Request { protocol, identifier, auth } => {
            let mut writer = Writer::new(buffer, *protocol, Code::ConfigureRequest, *identifier);
            match protocol {
                Protocol::Ipcp => ipcp::ConfigOption::IpAddress([10, 0, 0, 1].into()).write(&mut writer),
                Protocol::Ipv6cp => ipv6cp::ConfigOption::InterfaceIdentifier([9; 8]).write(&mut writer),
                _ => {
                    if let Some(method) = auth {
                        lcp::ConfigOption::AuthenticationProtocol(method.option()).write(&mut writer);
                    }
                }
            }
            writer.finish().ok()
        }
        Step::Challenge(identifier) => {
            chap::Packet::Challenge { identifier: *identifier, value: CHALLENGE, name: b"ac" }
                .emit(buffer)
                .ok()
        }
        Step::Verdict { accept } => sent.verdict(*accept, buffer),
        _ => None,
    }
}

/// How often walks got somewhere.
#[derive(Default)]
struct Reached {
    lcp_up: u32,
    authenticated: u32,
    ipv4_up: u32,
    ipv6_up: u32,
}

/// What a link may be seen doing, checked event by event.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is something seen")]
struct Observer {
    /// LCP came up with a demand that was not satisfied yet.
    owes: Option<AuthMethod>,
    lcp_up: bool,
    ipv4_up: bool,
    ipv6_up: bool,
    ended: bool,
    closed: bool,
    /// What the configuration and the owner allow to be sent.
    minimum: Option<AuthMethod>,
    permitted: bool,
}

impl Observer {
    /// Nothing about the password goes out weaker than allowed, or before the owner permitted it.
    fn see_packet(&self, packet: &[u8]) {
        let (protocol, _) = gatelet_wire::ppp::parse(packet).expect("we send readable packets");
        if matches!(protocol, Protocol::Pap | Protocol::Chap) {
            assert!(self.permitted, "not permitted: {packet:?}");
        }
        assert!(protocol != Protocol::Pap || self.minimum == Some(AuthMethod::Pap), "too weak");
    }

    fn see(&mut self, event: &LinkEvent, reached: &mut Reached) {
        match event {
            LinkEvent::LcpUp { .. } => reached.lcp_up += 1,
            LinkEvent::Authenticated { .. } => reached.authenticated += 1,
            LinkEvent::Ipv4Up { .. } => reached.ipv4_up += 1,
            LinkEvent::Ipv6Up { .. } => reached.ipv6_up += 1,
            _ => {}
        }
        match event {
            LinkEvent::LcpUp { auth, peer_mru, .. } => {
                assert!(!self.ended && !self.ipv4_up && !self.ipv6_up);
                assert!(*peer_mru <= 1492);
                self.owes = *auth;
                self.lcp_up = true;
            }
            LinkEvent::Authenticated { .. } => self.owes = None,
            LinkEvent::Ipv4Up { address, .. } => {
                assert!(self.lcp_up && self.owes.is_none() && !self.ended && !self.ipv4_up);
                assert!(!address.is_unspecified());
                self.ipv4_up = true;
            }
            LinkEvent::Ipv6Up { local, peer } => {
                assert!(self.lcp_up && self.owes.is_none() && !self.ended && !self.ipv6_up);
                assert!(*local != [0; 8] && Some(*local) != *peer);
                self.ipv6_up = true;
            }
            LinkEvent::Ipv4Down => assert!(std::mem::take(&mut self.ipv4_up)),
            LinkEvent::Ipv6Down => assert!(std::mem::take(&mut self.ipv6_up)),
            LinkEvent::AuthRefused { .. } | LinkEvent::Failed(_) | LinkEvent::TerminatedByPeer { .. } => {
                assert!(!std::mem::replace(&mut self.ended, true), "ended twice");
            }
            LinkEvent::Closed => assert!(!std::mem::replace(&mut self.closed, true), "closed twice"),
            _ => {}
        }
    }
}

/// One walk.
struct Walk<'a> {
    link: Link,
    rng: ChaCha8Rng,
    now: Instant,
    observer: Observer,
    sent: Sent,
    reached: &'a mut Reached,
}

impl<'a> Walk<'a> {
    fn new(config: LinkConfig, reached: &'a mut Reached) -> Self {
        let observer = Observer {
            minimum: Some(config.minimum_auth),
            permitted: !config.ask_before_authenticating,
            ..Observer::default()
        };
        let rng = ChaCha8Rng::seed_from_u64(7);
        let now = Instant::from_secs(1);
        let mut walk = Self { link: Link::new(config), rng, now, observer, sent: Sent::default(), reached };
        walk.link.open(now, &mut walk.rng);
        walk.drain();
        walk
    }

    fn drain(&mut self) {
        let mut buffer = [0; 1600];
        while let Some(length) = self.link.poll_transmit(self.now, &mut buffer) {
            assert!(length <= 2 + 1492);
            self.observer.see_packet(&buffer[..length]);
            self.sent.note(&buffer[..length]);
        }
        while let Some(event) = self.link.poll_event() {
            self.observer.see(&event, self.reached);
        }
        assert_eq!((self.link.counters().unsent, self.link.counters().events_lost), (0, 0));
        assert!(self.link.poll_at().is_none_or(|at| at >= self.now), "a timer that was not served");
        if self.link.phase() == Phase::Dead {
            assert!(!self.observer.ipv4_up && !self.observer.ipv6_up);
            assert_eq!(self.link.poll_at(), None);
        }
        if self.observer.ipv4_up || self.observer.ipv6_up {
            assert_eq!(self.link.phase(), Phase::Network);
        }
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.link.poll_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.link.handle_timeout(self.now);
            self.drain();
            assert!(self.link.poll_at().is_none_or(|at| at > self.now), "a timer that does not move on");
        }
        self.now = until;
    }

    fn take(&mut self, step: &Step) {
        let mut buffer = [0; 1600];
        if let Some(length) = packet(step, &self.sent, &mut buffer) {
            let _ = self.link.handle_packet(self.now, &mut self.rng, &buffer[..length]);
        }
        match step {
            Step::Wait(micros) => self.wait(Duration::from_micros(*micros)),
            Step::Traffic => self.link.note_traffic(self.now),
            Step::Open => {
                self.link.lower_down(self.now);
                self.drain();
                let asks = self.link.config_mut().ask_before_authenticating;
                self.observer =
                    Observer { minimum: self.observer.minimum, permitted: !asks, ..Observer::default() };
                self.sent = Sent::default();
                self.link.open(self.now, &mut self.rng);
            }
            Step::Close if self.link.phase() != Phase::Dead => self.link.close(self.now),
            Step::LowerDown => self.link.lower_down(self.now),
            Step::Permit => {
                self.observer.permitted |= self.link.phase() != Phase::Dead;
                self.link.authenticate(self.now);
            }
            Step::PaddedEcho(size) => self.link.echo_padded(self.now, *size),
            _ => {}
        }
        self.drain();
    }
}

#[test]
fn no_sequence_of_packets_panics_or_opens_what_may_not_open() {
    let walks = 3000;
    let config = ProptestConfig { cases: walks, failure_persistence: None, ..ProptestConfig::default() };
    let methods = prop::sample::select(AuthMethod::ALL.to_vec());
    let walk = (prop::collection::vec(step(), 0..120), methods, any::<bool>(), any::<bool>());
    let reached = RefCell::new(Reached::default());
    TestRunner::new(config)
        .run(&walk, |(steps, minimum, ask, remembers)| {
            let credentials = Credentials::new(USERNAME, PASSWORD).unwrap();
            let last = LastIpv4 { address: [100, 64, 0, 7].into(), dns: [None; 2] };
            let config = LinkConfig {
                minimum_auth: minimum,
                ask_before_authenticating: ask,
                last_ipv4: remembers.then_some(last),
                ..LinkConfig::new(credentials)
            };
            let mut reached = reached.borrow_mut();
            let mut walk = Walk::new(config, &mut reached);
            for step in &steps {
                walk.take(step);
            }
            Ok(())
        })
        .unwrap();
    // The walk is only worth something if it gets somewhere.
    let Reached { lcp_up, authenticated, ipv4_up, ipv6_up } = reached.into_inner();
    println!("{walks} walks: LCP up {lcp_up}, authenticated {authenticated}, IPv4 {ipv4_up}, IPv6 {ipv6_up}");
    assert!(lcp_up > 1000 && authenticated > 100 && ipv4_up > 100 && ipv6_up > 100);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_packet_to_an_open_link_is_survived(packet in prop::collection::vec(any::<u8>(), 0..1600)) {
        let mut script = Script::up(config());
        let _ = script.says(&packet);
        script.skip();
    }
}
