//! What holds whatever a peer sends.

use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{Credentials, Link, LinkConfig, LinkEvent, Phase};
use gatelet_wire::ppp::{Code, Control, Protocol};
use proptest::prelude::*;
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
    /// What the link sent last comes back as another code: an Ack, Nak, Reject, or looped.
    Answer {
        code: u8,
    },
    /// A sensible Configure-Request.
    Request {
        protocol: u16,
        identifier: u8,
        auth: bool,
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
    let protocol = prop::sample::select(vec![0xC021, 0xC021, 0xC021, 0x8021, 0x8057, 0xC023, 0xC223, 0x80FD]);
    let octets = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        1 => octets().prop_map(Step::Noise),
        6 => (protocol.clone(), 0u8..14, 0u8..6, octets()).prop_map(|(protocol, code, identifier, data)| {
            Step::Control { protocol, code, identifier, data }
        }),
        12 => prop::sample::select(vec![2u8, 2, 2, 2, 3, 4, 1, 6, 10]).prop_map(|code| Step::Answer { code }),
        12 => (protocol, 0u8..4, any::<bool>()).prop_map(|(protocol, identifier, auth)| {
            Step::Request { protocol, identifier, auth }
        }),
        4 => (0u64..5_000_000).prop_map(Step::Wait),
        1 => Just(Step::Traffic),
        1 => Just(Step::Open),
        1 => Just(Step::Close),
        1 => Just(Step::LowerDown),
        1 => Just(Step::Permit),
        1 => (0u16..2000).prop_map(Step::PaddedEcho),
    ]
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
    fn see_all(&mut self, link: &mut Link) {
        while let Some(event) = link.poll_event() {
            self.see(&event);
        }
    }

    /// Nothing about the password goes out weaker than allowed, or before the owner permitted it.
    fn see_packet(&self, packet: &[u8]) {
        let (protocol, _) = gatelet_wire::ppp::parse(packet).expect("we send readable packets");
        if matches!(protocol, Protocol::Pap | Protocol::Chap) {
            assert!(self.permitted, "not permitted: {packet:?}");
        }
        assert!(protocol != Protocol::Pap || self.minimum == Some(AuthMethod::Pap), "too weak");
    }

    fn see(&mut self, event: &LinkEvent) {
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

fn play(steps: &[Step], config: LinkConfig) {
    let mut rng = chacha20::ChaCha8Rng::seed_from_u64(7);
    let mut now = Instant::from_secs(1);
    let (minimum, asks) = (Some(config.minimum_auth), config.ask_before_authenticating);
    let new_observer = || Observer { minimum, permitted: !asks, ..Observer::default() };
    let mut observer = new_observer();
    let mut last = Vec::new();
    let mut link = Link::new(config);
    link.open(now, &mut rng);
    for step in steps {
        let mut buffer = [0; 1600];
        match step {
            Step::Noise(octets) => _ = link.handle_packet(now, &mut rng, octets),
            Step::Control { protocol, code, identifier, data } => {
                let control = Control { code: Code::from(*code), identifier: *identifier, data };
                let length = control.emit(&mut buffer, Protocol::from(*protocol)).unwrap();
                _ = link.handle_packet(now, &mut rng, &buffer[..length]);
            }
            Step::Answer { code } if last.len() > 3 => {
                let mut packet: Vec<u8> = last.clone();
                packet[2] = *code;
                _ = link.handle_packet(now, &mut rng, &packet);
            }
            Step::Request { protocol, identifier, auth } => {
                let data: &[u8] = match (protocol, auth) {
                    (0xC021, true) => &[3, 4, 0xC0, 0x23],
                    (0x8021, _) => &[3, 6, 10, 0, 0, 1],
                    (0x8057, _) => &[1, 10, 0, 0, 0, 0, 0, 0, 0, 1],
                    _ => &[],
                };
                let control = Control { code: Code::ConfigureRequest, identifier: *identifier, data };
                let length = control.emit(&mut buffer, Protocol::from(*protocol)).unwrap();
                _ = link.handle_packet(now, &mut rng, &buffer[..length]);
            }
            Step::Wait(micros) => {
                let until = now + Duration::from_micros(*micros);
                while let Some(at) = link.poll_at().filter(|at| *at <= until) {
                    now = now.max(at);
                    link.handle_timeout(now);
                    assert!(link.poll_at().is_none_or(|at| at > now), "a timer that does not move on");
                    observer.see_all(&mut link);
                    while let Some(length) = link.poll_transmit(now, &mut buffer) {
                        observer.see_packet(&buffer[..length]);
                    }
                }
                now = until;
            }
            Step::Traffic => link.note_traffic(now),
            Step::Open => {
                link.open(now, &mut rng);
                observer.see_all(&mut link);
                observer = new_observer();
            }
            Step::Close if link.phase() != Phase::Dead => link.close(now),
            Step::Answer { .. } | Step::Close => {}
            Step::LowerDown => link.lower_down(now),
            Step::Permit => {
                observer.permitted |= link.phase() != Phase::Dead;
                link.authenticate(now);
            }
            Step::PaddedEcho(size) => link.echo_padded(now, *size),
        }
        while let Some(length) = link.poll_transmit(now, &mut buffer) {
            assert!(length <= 2 + 1492);
            observer.see_packet(&buffer[..length]);
            last = buffer[..length].to_vec();
        }
        observer.see_all(&mut link);
        assert_eq!(link.counters().unsent, 0);
        assert_eq!(link.counters().events_lost, 0);
        if link.phase() == Phase::Dead {
            assert!(!observer.ipv4_up && !observer.ipv6_up);
            assert_eq!(link.poll_at(), None);
        }
        if observer.ipv4_up || observer.ipv6_up {
            assert_eq!(link.phase(), Phase::Network);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_packets_panics_or_opens_what_may_not_open(
        steps in prop::collection::vec(step(), 0..80),
        minimum in prop::sample::select(AuthMethod::ALL.to_vec()),
        ask in any::<bool>(),
    ) {
        let credentials = Credentials::new("user", "password").unwrap();
        let config = LinkConfig {
            minimum_auth: minimum,
            ask_before_authenticating: ask,
            ..LinkConfig::new(credentials)
        };
        play(&steps, config);
    }

    #[test]
    fn any_packet_to_an_open_link_is_survived(packet in prop::collection::vec(any::<u8>(), 0..1600)) {
        let mut script = Script::up(config());
        let _ = script.says(&packet);
        script.skip();
    }
}

/// The random walk above is only worth something if it gets somewhere.
#[test]
fn the_walk_reaches_the_network_phase() {
    let steps = [
        Step::Answer { code: 2 },
        Step::Request { protocol: 0xC021, identifier: 1, auth: true },
        Step::Permit,
        Step::Control { protocol: 0xC023, code: 2, identifier: 1, data: vec![0] },
        Step::Answer { code: 2 },
        Step::Request { protocol: 0x8057, identifier: 1, auth: false },
    ];
    play(&steps, config());
}
