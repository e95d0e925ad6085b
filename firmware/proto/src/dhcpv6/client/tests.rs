//! Transcripts with a server that answers as it is told.

extern crate std;

use chacha20::ChaCha8Rng;
use dhcproto::v6 as judge;
use dhcproto::{Decodable, Decoder};
use gatelet_wire::EthernetAddress;
use gatelet_wire::dhcpv6::{Message, MessageType, OptionCode, StatusCode, Writer};
use heapless::Vec;
use rand_core::SeedableRng;

use super::*;
use crate::dhcpv6::duid_ll;
use crate::lifetime::Lifetime;

const SERVER: &[u8] = &[0, 3, 0, 1, 2, 0, 0, 0, 1, 1];
const OTHER: &[u8] = &[0, 3, 0, 1, 2, 0, 0, 0, 1, 2];

struct World {
    client: Client,
    rng: ChaCha8Rng,
    now: Instant,
    buffer: [u8; 700],
    len: usize,
}

/// What a server puts into its answer.
struct Says<'a> {
    server: &'a [u8],
    prefixes: &'a [(u16, u32, u32)],
    status: Option<StatusCode>,
    /// Of the message as a whole.
    of_all: Option<StatusCode>,
    times: (u32, u32),
    rapid: bool,
    preference: Option<u8>,
}

const GRANTS: Says<'_> = Says {
    server: SERVER,
    prefixes: &[(1, 3600, 7200)],
    status: None,
    of_all: None,
    times: (1800, 2880),
    rapid: false,
    preference: None,
};

fn prefix(third: u16) -> Ipv6Cidr {
    Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, third, 0, 0, 0, 0, 0), 56)
}

impl World {
    fn new(config: Config) -> Self {
        Self {
            client: Client::new(config),
            rng: ChaCha8Rng::from_seed([3; 32]),
            now: Instant::from_secs(1000),
            buffer: [0xA5; 700],
            len: 0,
        }
    }

    fn up() -> Self {
        let mut config = Config::new(duid_ll(EthernetAddress([2, 0, 0, 0, 0, 9])));
        config.wants_address = false;
        let mut world = Self::new(config);
        world.client.link_up(world.now, &mut world.rng);
        world
    }

    fn bound() -> Self {
        let mut world = Self::up();
        assert_eq!(world.sends(), Some((MessageType::Solicit, 1)));
        assert_eq!(world.hears(MessageType::Reply, &Says { rapid: true, ..GRANTS }), Ok(()));
        assert_eq!(world.events(), [Event::Bound]);
        world
    }

    /// The next message that is due, which somebody else's parser has read as well.
    fn sends(&mut self) -> Option<(MessageType, u8)> {
        let out = self.client.poll_transmit(self.now, &mut self.buffer)?;
        self.len = out.len;
        let judged = judge::Message::decode(&mut Decoder::new(&self.buffer[..out.len])).expect("well-formed");
        assert_eq!(u8::from(judged.msg_type()), u8::from(out.message_type));
        Some((out.message_type, out.attempt))
    }

    fn sent(&self) -> Message<'_> {
        Message::parse(&self.buffer[..self.len]).unwrap()
    }

    fn asks_for(&self) -> Vec<Ipv6Cidr, 8> {
        let association = self.sent().options().ias(OptionCode::IA_PD).next().unwrap().unwrap();
        association.options.ia_prefixes().map(|said| said.unwrap().prefix).collect()
    }

    fn hears(&mut self, message_type: MessageType, says: &Says<'_>) -> Result<(), Dropped> {
        let id = self.sent().transaction_id;
        let duid = self.client.config().duid.clone();
        let mut buffer = [0; 700];
        let mut writer = Writer::new(&mut buffer, message_type, id);
        writer.push(OptionCode::CLIENT_ID, &duid).push(OptionCode::SERVER_ID, says.server);
        if says.rapid {
            writer.push(OptionCode::RAPID_COMMIT, b"");
        }
        if let Some(preference) = says.preference {
            writer.push(OptionCode::PREFERENCE, &[preference]);
        }
        writer.ia(OptionCode::IA_PD, 1, says.times.0, says.times.1, |writer| {
            for (third, preferred, valid) in says.prefixes {
                writer.ia_prefix(prefix(*third), *preferred, *valid);
            }
            if let Some(status) = says.status {
                writer.status(status, "no");
            }
        });
        if let Some(status) = says.of_all {
            writer.status(status, "no");
        }
        let len = writer.finish().unwrap();
        self.client.handle_message(self.now, &mut self.rng, &buffer[..len])
    }

    fn events(&mut self) -> Vec<Event, 8> {
        core::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.client.handle_timeout(self.now, &mut self.rng);
    }

    /// To the next deadline.
    fn next(&mut self) {
        self.now = self.client.poll_at().expect("it waits for something").max(self.now);
        self.client.handle_timeout(self.now, &mut self.rng);
    }

    fn held(&self) -> Vec<Ipv6Cidr, 4> {
        self.client.lease().iter().flat_map(|lease| &lease.prefixes).map(|held| held.prefix).collect()
    }
}

#[test]
fn four_messages_from_link_to_prefix() {
    let mut world = World::up();
    assert_eq!(world.sends(), Some((MessageType::Solicit, 1)));
    assert_eq!(world.asks_for(), [Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, 56)], "a hint of the length");
    assert!(world.sent().options().value(OptionCode::RAPID_COMMIT).unwrap().is_some());
    assert_eq!(world.sends(), None);
    let other = Says { server: OTHER, prefixes: &[(2, 3600, 7200)], ..GRANTS };
    assert_eq!(world.hears(MessageType::Advertise, &other), Ok(()));
    let better = Says { preference: Some(10), ..GRANTS };
    assert_eq!(world.hears(MessageType::Advertise, &better), Ok(()));
    assert_eq!(world.hears(MessageType::Advertise, &other), Err(Dropped::WorseOffer));
    assert_eq!(world.sends(), None, "until the first wait is over, others may answer");
    world.next();
    assert_eq!(world.sends(), Some((MessageType::Request, 1)));
    assert_eq!(world.asks_for(), [prefix(1)]);
    assert_eq!(world.sent().options().value(OptionCode::SERVER_ID), Ok(Some(SERVER)));
    assert_eq!(world.hears(MessageType::Reply, &other), Err(Dropped::Server));
    assert_eq!(world.hears(MessageType::Reply, &GRANTS), Ok(()));
    assert_eq!(world.events(), [Event::Bound]);
    let lease = world.client.lease().unwrap();
    assert_eq!(lease.renew_at, Lifetime::of(world.now, 1800));
    assert_eq!(lease.prefixes[0].valid, Lifetime::of(world.now, 7200));
    assert_eq!((world.client.phase(), world.held().as_slice()), (Phase::Bound, &[prefix(1)][..]));
}

#[test]
fn a_preference_of_255_is_taken_at_once() {
    let mut world = World::up();
    world.sends();
    world.hears(MessageType::Advertise, &Says { preference: Some(255), ..GRANTS }).unwrap();
    assert_eq!(world.sends(), Some((MessageType::Request, 1)));
}

#[test]
fn two_messages_with_rapid_commit() {
    let mut world = World::up();
    world.sends();
    assert_eq!(world.hears(MessageType::Reply, &GRANTS), Err(Dropped::NotAwaited), "it was not rapid");
    assert_eq!(world.hears(MessageType::Reply, &Says { rapid: true, ..GRANTS }), Ok(()));
    assert_eq!(world.held(), [prefix(1)]);
}

#[test]
fn silence_is_solicited_ever_more_rarely() {
    let mut world = World::up();
    let mut waits = std::vec::Vec::new();
    for attempt in 1..=20 {
        assert_eq!(world.sends(), Some((MessageType::Solicit, attempt)));
        waits.push((world.client.poll_at().unwrap() - world.now).total_millis());
        if attempt == 2 {
            let elapsed = world.sent().options().fixed(OptionCode::ELAPSED_TIME).unwrap();
            assert!((100..=110).contains(&u16::from_be_bytes(elapsed.unwrap())), "{elapsed:?}");
        }
        world.next();
    }
    assert!((1000..=1100).contains(&waits[0]) && (1900..=2350).contains(&waits[1]), "{waits:?}");
    assert!(waits[15..].iter().all(|wait| (3_240_000..=3_960_000).contains(wait)), "{waits:?}");
    // Whoever answers late is taken at once.
    assert_eq!(world.sends().map(|(message_type, _)| message_type), Some(MessageType::Solicit));
    world.hears(MessageType::Advertise, &GRANTS).unwrap();
    assert_eq!(world.sends(), Some((MessageType::Request, 1)));
}

#[test]
fn a_server_says_how_rarely_to_solicit() {
    let mut world = World::up();
    world.sends();
    let (id, duid) = (world.sent().transaction_id, world.client.config().duid.clone());
    let mut buffer = [0; 200];
    let len = Writer::new(&mut buffer, MessageType::Advertise, id)
        .push(OptionCode::CLIENT_ID, &duid)
        .push(OptionCode::SERVER_ID, SERVER)
        .u32(OptionCode::SOL_MAX_RT, 60)
        .status(StatusCode::NoAddrsAvail, "nothing here")
        .finish()
        .unwrap();
    let taken = world.client.handle_message(world.now, &mut world.rng, &buffer[..len]);
    assert_eq!(taken, Err(Dropped::NothingGranted));
    assert_eq!(world.events(), [Event::NothingAvailable]);
    for _ in 0..12 {
        world.next();
        world.sends();
    }
    let wait = world.client.poll_at().unwrap() - world.now;
    assert!((54..=66).contains(&wait.secs()), "{wait}");
}

/// As dibbler 1.0.1 does where it has prefixes and no addresses.
#[test]
fn a_prefix_counts_beside_no_addresses() {
    let mut world = World::up();
    world.sends();
    let partly = Says { preference: Some(255), of_all: Some(StatusCode::NoAddrsAvail), ..GRANTS };
    assert_eq!(world.hears(MessageType::Advertise, &partly), Ok(()));
    assert_eq!(world.sends(), Some((MessageType::Request, 1)));
    assert_eq!(world.hears(MessageType::Reply, &partly), Ok(()));
    assert_eq!(world.events(), [Event::Bound]);
}

#[test]
fn nobody_is_asked_without_end_for_what_it_offered() {
    let mut world = World::up();
    world.sends();
    world.hears(MessageType::Advertise, &Says { preference: Some(255), ..GRANTS }).unwrap();
    for attempt in 1..=10 {
        assert_eq!(world.sends(), Some((MessageType::Request, attempt)));
        world.next();
    }
    assert_eq!(world.sends(), Some((MessageType::Solicit, 1)));
    // One that offers and does not grant is asked later each time.
    for least in [2, 4, 8, 16] {
        world.hears(MessageType::Advertise, &Says { preference: Some(255), ..GRANTS }).unwrap();
        assert_eq!(world.sends(), Some((MessageType::Request, 1)));
        let sold_out = Says { prefixes: &[], status: Some(StatusCode::NoPrefixAvail), ..GRANTS };
        assert_eq!(world.hears(MessageType::Reply, &sold_out), Err(Dropped::NothingGranted));
        assert_eq!(world.client.poll_at(), Some(world.now + Duration::from_secs(least)));
        world.next();
        assert_eq!(world.sends(), Some((MessageType::Solicit, 1)));
    }
    assert_eq!(world.events(), [Event::NothingAvailable], "told once");
}

#[test]
fn a_lease_is_renewed_and_rebound() {
    let mut world = World::bound();
    world.next();
    assert_eq!(world.client.lease().unwrap().renew_at, Lifetime::Until(world.now));
    assert_eq!(world.sends(), Some((MessageType::Renew, 1)));
    assert_eq!(world.asks_for(), [prefix(1)]);
    assert_eq!(world.hears(MessageType::Reply, &Says { prefixes: &[], ..GRANTS }), Ok(()));
    assert_eq!(world.events(), [Event::Renewed { is_changed: false }], "what is not mentioned stays");
    world.next();
    world.sends();
    let second = Says { prefixes: &[(1, 3600, 7200), (2, 600, 7200)], times: (0, 0), ..GRANTS };
    world.hears(MessageType::Reply, &second).unwrap();
    assert_eq!(world.events(), [Event::Renewed { is_changed: true }]);
    let lease = world.client.lease().unwrap();
    assert_eq!(lease.renew_at, Lifetime::of(world.now, 300), "half of the shortest preferred lifetime");
    assert_eq!(lease.rebind_at, Lifetime::of(world.now, 480));

    world.next();
    assert_eq!(world.sends(), Some((MessageType::Renew, 1)));
    while world.client.phase() == Phase::Renewing {
        world.next();
        world.sends();
    }
    assert_eq!(world.sent().message_type, MessageType::Rebind);
    assert_eq!(world.sent().options().value(OptionCode::SERVER_ID), Ok(None));
    let other = Says { server: OTHER, prefixes: &[(1, 3600, 7200), (2, 0, 0)], ..GRANTS };
    world.hears(MessageType::Reply, &other).unwrap();
    assert_eq!(
        world.events(),
        [Event::PrefixLost { prefix: prefix(2) }, Event::Renewed { is_changed: true }]
    );
    assert_eq!(world.client.lease().unwrap().server, OTHER);
}

#[test]
fn a_lease_that_nobody_renews_ends() {
    let mut world = World::bound();
    let mut messages = 0;
    while world.client.lease().is_some() {
        world.next();
        messages += u32::from(world.sends().is_some());
        assert!(messages < 30, "it does not ask without end");
    }
    assert_eq!(world.events(), [Event::PrefixLost { prefix: prefix(1) }, Event::Lost(Loss::Expired)]);
    assert_eq!(world.now, Instant::from_secs(1000 + 7200));
    assert_eq!(world.sent().message_type, MessageType::Solicit);
    assert_eq!(world.asks_for(), [prefix(1)], "that of before would be nice");
}

#[test]
fn a_server_without_memory_is_asked_to_make_a_lease() {
    let mut world = World::bound();
    world.next();
    world.sends();
    let amnesia = Says { prefixes: &[], status: Some(StatusCode::NoBinding), ..GRANTS };
    assert_eq!(world.hears(MessageType::Reply, &amnesia), Ok(()));
    assert_eq!(world.events(), [Event::Lost(Loss::NoBinding)]);
    assert_eq!(world.sends(), Some((MessageType::Request, 1)));
    assert_eq!(world.asks_for(), [prefix(1)]);
    world.hears(MessageType::Reply, &GRANTS).unwrap();
    assert_eq!(world.events(), [Event::Bound]);
}

#[test]
fn a_server_takes_everything_back() {
    let mut world = World::bound();
    world.client.renew(world.now, &mut world.rng);
    assert_eq!(world.sends(), Some((MessageType::Renew, 1)));
    world.hears(MessageType::Reply, &Says { prefixes: &[(1, 0, 0)], ..GRANTS }).unwrap();
    assert_eq!(world.events(), [Event::PrefixLost { prefix: prefix(1) }, Event::Lost(Loss::Withdrawn)]);
    assert_eq!(world.client.phase(), Phase::Soliciting);
}

#[test]
fn a_redial_keeps_the_prefix() {
    let mut world = World::bound();
    world.client.link_down();
    assert_eq!(world.events(), [Event::Lost(Loss::LinkDown)]);
    assert_eq!((world.client.lease(), world.client.poll_at()), (None, None));
    world.wait(60);
    world.client.link_up(world.now, &mut world.rng);
    assert_eq!(world.sends(), Some((MessageType::Rebind, 1)));
    assert_eq!(world.asks_for(), [prefix(1)]);
    world.hears(MessageType::Reply, &GRANTS).unwrap();
    assert_eq!((world.events().as_slice(), world.held().as_slice()), (&[Event::Bound][..], &[prefix(1)][..]));
}

#[test]
fn a_redial_to_a_concentrator_that_knows_nothing() {
    for says_so in [true, false] {
        let mut world = World::bound();
        world.client.link_down();
        world.client.link_up(world.now, &mut world.rng);
        world.sends();
        if says_so {
            let amnesia = Says { prefixes: &[], status: Some(StatusCode::NoBinding), ..GRANTS };
            world.hears(MessageType::Reply, &amnesia).unwrap();
        } else {
            let began = world.now;
            while world.client.phase() == Phase::Confirming {
                world.next();
                world.sends();
            }
            assert_eq!(world.now - began, Duration::from_secs(10));
        }
        if says_so {
            assert_eq!(world.sends(), Some((MessageType::Solicit, 1)));
        }
        world
            .hears(MessageType::Reply, &Says { rapid: true, prefixes: &[(7, 3600, 7200)], ..GRANTS })
            .unwrap();
        assert_eq!(world.held(), [prefix(7)]);
    }
    // What ended meanwhile is not confirmed.
    let mut world = World::bound();
    world.client.link_down();
    world.wait(7200);
    world.client.link_up(world.now, &mut world.rng);
    assert_eq!(world.sends(), Some((MessageType::Solicit, 1)));
}

#[test]
fn everything_is_given_back() {
    for answers in [true, false] {
        let mut world = World::bound();
        world.client.release(world.now, &mut world.rng);
        assert_eq!((world.client.lease(), world.client.phase()), (None, Phase::Releasing));
        assert_eq!(world.sends(), Some((MessageType::Release, 1)));
        assert_eq!(world.asks_for(), [prefix(1)]);
        if answers {
            world.hears(MessageType::Reply, &Says { prefixes: &[], ..GRANTS }).unwrap();
        } else {
            for attempt in 2..=4 {
                world.next();
                assert_eq!(world.sends(), Some((MessageType::Release, attempt)));
            }
            world.next();
        }
        assert_eq!((world.client.phase(), world.client.poll_at()), (Phase::Idle, None));
        assert_eq!(world.events(), []);
    }
    // A link that comes up does not wait for it.
    let mut world = World::bound();
    world.client.release(world.now, &mut world.rng);
    world.client.link_up(world.now, &mut world.rng);
    assert_eq!(world.sends(), Some((MessageType::Solicit, 1)));
}

#[test]
fn what_no_lan_can_use_is_left_out() {
    let mut world = World::up();
    world.sends();
    let (id, duid) = (world.sent().transaction_id, world.client.config().duid.clone());
    let mut buffer = [0; 700];
    let cidr = |text: &str, len| Ipv6Cidr::new(text.parse().unwrap(), len);
    let bad = [
        cidr("2000::", 3),
        cidr("2001:db8::", 65),
        cidr("fe80::", 64),
        cidr("ff00::", 64),
        cidr("::", 64),
        cidr("::ffff:0:0", 96),
    ];
    let mut writer = Writer::new(&mut buffer, MessageType::Reply, id);
    writer.push(OptionCode::CLIENT_ID, &duid).push(OptionCode::SERVER_ID, SERVER);
    writer.push(OptionCode::RAPID_COMMIT, b"");
    writer.ia(OptionCode::IA_PD, 1, 0, 0, |writer| {
        for prefix in bad {
            writer.ia_prefix(prefix, 60, 120);
        }
        writer.ia_prefix(prefix(1), 120, 60);
    });
    writer.ia(OptionCode::IA_PD, 2, 0, 0, |writer| writer.ia_prefix(prefix(2), 60, 120));
    writer.ia(OptionCode::IA_PD, 1, 100, 50, |writer| writer.ia_prefix(prefix(3), 60, 120));
    let len = writer.finish().unwrap();
    let taken = world.client.handle_message(world.now, &mut world.rng, &buffer[..len]);
    assert_eq!(taken, Err(Dropped::NothingGranted));
    let counters = world.client.counters();
    let counts = [Dropped::Prefix, Dropped::Times, Dropped::Iaid].map(|reason| counters.dropped(reason));
    assert_eq!(counts, [6, 2, 1]);
}

#[test]
fn strangers_are_not_believed() {
    let mut world = World::up();
    let says = Says { rapid: true, ..GRANTS };
    world.sends();
    let mut refuse = |change: &dyn Fn(&mut [u8; 100], usize)| {
        let id = Message::parse(&world.buffer[..world.len]).unwrap().transaction_id;
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer, MessageType::Reply, id);
        writer.push(OptionCode::CLIENT_ID, &world.client.config().duid).push(OptionCode::SERVER_ID, SERVER);
        let len = writer.finish().unwrap();
        change(&mut buffer, len);
        world.client.handle_message(world.now, &mut world.rng, &buffer[..len])
    };
    assert_eq!(refuse(&|buffer, _| buffer[0] = 10), Err(Dropped::Reconfigure));
    assert_eq!(refuse(&|buffer, _| buffer[0] = 1), Err(Dropped::MessageType));
    assert_eq!(refuse(&|buffer, _| buffer[0] = 12), Err(Dropped::Malformed));
    assert_eq!(refuse(&|buffer, _| buffer[3] ^= 1), Err(Dropped::TransactionId));
    assert_eq!(refuse(&|buffer, _| buffer[17] ^= 1), Err(Dropped::ClientId));
    assert_eq!(refuse(&|buffer, _| buffer[5] = 99), Err(Dropped::ClientId));
    assert_eq!(refuse(&|buffer, _| buffer[19] = 99), Err(Dropped::Server));
    assert_eq!(world.hears(MessageType::Reply, &says), Ok(()));
    assert_eq!(world.hears(MessageType::Reply, &says), Err(Dropped::NotAwaited), "once is enough");
    assert_eq!(world.client.counters().dropped(Dropped::ClientId), 2);
    assert!(size_of::<Client>() <= 1400, "{}", size_of::<Client>());
}

#[test]
fn an_address_is_asked_for_too() {
    let mut world = World::new(Config::new(duid_ll(EthernetAddress([2, 0, 0, 0, 0, 9]))));
    world.client.link_up(world.now, &mut world.rng);
    world.sends();
    let association = world.sent().options().ias(OptionCode::IA_NA).next().unwrap().unwrap();
    assert_eq!((association.iaid, association.options.count()), (1, 0));
    let (id, duid) = (world.sent().transaction_id, world.client.config().duid.clone());
    let mut buffer = [0; 300];
    let address: Ipv6Address = "2001:db8::17".parse().unwrap();
    let dns = ["2001:db8::53".parse().unwrap(), Ipv6Address::LOCALHOST];
    let mut writer = Writer::new(&mut buffer, MessageType::Reply, id);
    writer.push(OptionCode::CLIENT_ID, &duid).push(OptionCode::SERVER_ID, SERVER);
    writer.push(OptionCode::RAPID_COMMIT, b"").addresses(OptionCode::DNS_SERVERS, &dns);
    writer.push(OptionCode::CAPTIVE_PORTAL, b"https://p.example/ap");
    writer.ia(OptionCode::IA_NA, 1, 0, 0, |writer| writer.ia_address(address, u32::MAX, u32::MAX));
    let len = writer.finish().unwrap();
    world.client.handle_message(world.now, &mut world.rng, &buffer[..len]).unwrap();
    let lease = world.client.lease().unwrap();
    assert_eq!((lease.addresses[0].address, lease.addresses[0].valid), (address, Lifetime::Forever));
    assert_eq!(
        (lease.dns_servers.as_slice(), lease.captive_portal_uri.as_str()),
        (&dns[..1], "https://p.example/ap")
    );
    assert_eq!(world.client.poll_at(), None, "what is for ever need not be renewed");
    world.client.renew(world.now, &mut world.rng);
    assert_eq!(world.sends(), Some((MessageType::Renew, 1)));
}
