//! What holds whatever hosts and servers say.

use std::collections::HashMap;

use gatelet_proto::dns::{Client, ClientTransport, Config, Dropped};
use gatelet_wire::IpAddress;
use gatelet_wire::dns::{self, Flags, Message, NameBuf, Opt, Rcode, Type, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use smoltcp::time::Duration;
use smoltcp::wire::IpEndpoint;

use crate::world::{S1, S2, Sizes, World, response, soa, tcp, udp};

#[derive(Debug, Clone)]
enum Step {
    /// A host asks for one of a few names.
    Ask {
        host: u8,
        name: u8,
        kind: u8,
        over_tcp: bool,
        edns: Option<u16>,
    },
    /// A server answers one of the last questions, with this many addresses.
    Answer {
        which: u8,
        rcode: u8,
        addresses: u8,
        ttl: u16,
        is_truncated: bool,
    },
    /// Somebody answers one of the last questions with a mistake in it.
    Forge {
        which: u8,
        at: u16,
        flip: u8,
        from: u8,
    },
    /// Any octets, from a host or a server.
    Noise {
        from_host: bool,
        which: u8,
        octets: Vec<u8>,
    },
    Wait(u32),
    Line(bool),
    Freeze(bool),
    TcpFails(u8),
    Servers(u8),
    Forget(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_u8, 0..12_u8, 0..3_u8, any::<bool>(), proptest::option::of(any::<u16>()))
            .prop_map(|(host, name, kind, over_tcp, edns)| Step::Ask { host, name, kind, over_tcp, edns }),
        8 => (any::<u8>(), 0..6_u8, 0..40_u8, any::<u16>(), prop::bool::weighted(0.1)).prop_map(
            |(which, rcode, addresses, ttl, is_truncated)| Step::Answer { which, rcode, addresses, ttl, is_truncated }
        ),
        3 => (any::<u8>(), any::<u16>(), 1_u8.., 0..3_u8)
            .prop_map(|(which, at, flip, from)| Step::Forge { which, at, flip, from }),
        1 => (any::<bool>(), any::<u8>(), vec(any::<u8>(), 0..200))
            .prop_map(|(from_host, which, octets)| Step::Noise { from_host, which, octets }),
        4 => (0..20_000_u32).prop_map(Step::Wait),
        1 => (0..100_000_000_u32).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Line),
        1 => any::<bool>().prop_map(Step::Freeze),
        1 => any::<u8>().prop_map(Step::TcpFails),
        1 => any::<u8>().prop_map(Step::Servers),
        1 => (0..4_u8).prop_map(Step::Forget),
    ]
}

const SMALL: Sizes = Sizes { entries: 6, arena: 2048, pending: 3, waiters: 5, clients: 3 };

/// Takes a step; `owed` are those who asked and were not refused.
fn take(world: &mut World, owed: &mut Vec<(u16, Client)>, step: Step) {
    let pick = |world: &World, which: u8| {
        let last = world.asked.len().min(6);
        (last > 0).then(|| world.asked[world.asked.len() - 1 - usize::from(which) % last].clone())
    };
    match step {
        Step::Ask { host, name, kind, over_tcp, edns } => {
            let client = if over_tcp { tcp(host, host) } else { udp(host) };
            let kind = [Type::A, Type::AAAA, Type::PTR][usize::from(kind)];
            let opt = edns.map(|size| Opt {
                udp_payload_size: size,
                extended_rcode: 0,
                version: 0,
                flags: size & Opt::DNSSEC_OK,
                options: &[],
            });
            let taken =
                world.ask_with(client, &format!("n{name}.Example.org"), kind, Flags::RECURSION_DESIRED, opt);
            if taken.is_ok() {
                owed.push((world.last_id, client));
            }
        }
        Step::Answer { which, rcode, addresses, ttl, is_truncated } => {
            let Some(asked) = pick(world, which) else { return };
            let flags = if is_truncated { Flags::TRUNCATED } else { Flags::default() };
            let bytes = response(&asked.bytes, flags.with_rcode(Rcode(rcode.into())), |writer| {
                let (kind, octets): (_, &[u8]) = match writer_kind(&asked.bytes) {
                    Type::AAAA => (Type::AAAA, &[0x20, 1, 13, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                    _ => (Type::A, &[203, 0, 113, 1]),
                };
                for _ in 0..addresses {
                    writer.answer(kind, ttl.into(), octets);
                }
                if addresses == 0 {
                    soa(writer, "example.org", ttl.into(), 600);
                }
            });
            let _ = world.reply(&asked, &bytes);
        }
        Step::Forge { which, at, flip, from } => {
            let Some(asked) = pick(world, which) else { return };
            let mut bytes = response(&asked.bytes, Flags::default(), |writer| {
                writer.answer(Type::A, 300, &[203, 0, 113, 66]);
            });
            // Wrong in the ID, the question, or where it comes from: never quite right.
            let end = bytes.len() - 16;
            let spoilt = usize::from(at) % (end - 12);
            let place = if spoilt < 2 { spoilt } else { 12 + spoilt - 2 };
            bytes[place] ^= flip;
            let from = [asked.to.server, S2, IpAddress::v4(198, 51, 100, 9)][usize::from(from)];
            let result = world.reply_from(&asked, IpEndpoint::new(from, 53), &bytes);
            assert!(result.is_err(), "a forged answer was taken");
        }
        Step::Noise { from_host, which, octets } => {
            if from_host {
                let _ = world.hear(udp(which % 4), &octets);
            } else if let Some(asked) = pick(world, which) {
                let _ = world.reply(&asked, &octets);
            }
        }
        Step::Wait(millis) => world.run_for(Duration::from_millis(millis.into())),
        Step::Line(is_up) => {
            world.forwarder.set_wan_up(world.now, is_up);
            world.settle();
        }
        Step::Freeze(is_frozen) => world.forwarder.freeze_cache(is_frozen),
        Step::TcpFails(which) => {
            if let Some(asked) = pick(world, which) {
                world.forwarder.handle_tcp_failed(world.now, &mut world.rng, asked.to.query);
                world.settle();
            }
        }
        Step::Servers(bits) => {
            let servers: Vec<_> = [S1, S2]
                .into_iter()
                .enumerate()
                .filter(|(n, _)| bits >> n & 1 == 1)
                .map(|(_, s)| s)
                .collect();
            world.forwarder.set_upstreams(world.now, &mut world.rng, &servers);
            world.settle();
        }
        Step::Forget(host) => {
            world.forwarder.forget_client(host);
            owed.retain(|(_, client)| client.transport != ClientTransport::Tcp(host));
        }
    }
}

fn writer_kind(query: &[u8]) -> Type {
    Message::parse(query).unwrap().question().unwrap().unwrap().kind
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every query that was taken gets one answer, which is well-formed and its own; no forged address is
    /// ever told; and when all is over, nobody waits.
    #[test]
    fn every_query_is_answered_once_and_truly(steps in vec(step(), 1..60)) {
        let config = Config { rate_per_s: 1000, burst: 1000, ..Config::default() };
        let mut world = World::with(config, &SMALL);
        let mut owed = Vec::new();
        for step in steps {
            take(&mut world, &mut owed, step);
        }
        world.run_for(Duration::from_secs(60));
        prop_assert_eq!(world.forwarder.poll_at(), None, "nothing is under way after a minute");
        let mut answered = HashMap::new();
        for told in &world.told {
            let message = Message::parse(&told.bytes).expect("a header");
            let layout = message.check().expect("well-formed");
            prop_assert_eq!(layout.end, told.bytes.len());
            prop_assert!(message.flags().contains(Flags::RESPONSE));
            // Noise has IDs of its own, and may be answered.
            if let Ok(Some(question)) = message.question() && question.name.labels().count() == 3 {
                let count = answered.entry(message.id()).or_insert(0_u32);
                *count += 1;
                prop_assert_eq!(*count, 1, "answered twice");
            }
            for record in message.records().expect("readable").flatten() {
                prop_assert!(record.data != [203, 0, 113, 66], "poisoned");
                prop_assert!(record.kind == Type::OPT || record.ttl <= 86_400);
            }
        }
        for (id, client) in owed {
            prop_assert!(answered.contains_key(&id), "{:?} was not answered", client);
        }
        for asked in &world.asked {
            let message = Message::parse(&asked.bytes).expect("a header");
            prop_assert_eq!(message.check().expect("well-formed").end, asked.bytes.len());
            prop_assert_eq!(message.question_count(), 1);
        }
    }

    /// What is cached is told as it came, only older.
    #[test]
    fn a_cached_answer_is_the_answer(
        ttls in vec(1..5000_u32, 1..10),
        age in 0..5000_u32,
        rotation in any::<u8>(),
    ) {
        let mut world = World::new();
        world.ask(1, "www.example.org", Type::A).unwrap();
        world.answer(Rcode::NOERROR, |writer| {
            for (number, ttl) in ttls.iter().enumerate() {
                writer.answer(Type::A, *ttl, &[203, 0, rotation, number as u8]);
            }
        }).unwrap();
        let first = world.last_told().bytes;
        world.run_for(Duration::from_secs(age.into()));
        world.ask(2, "www.example.org", Type::A).unwrap();
        let least = *ttls.iter().min().expect("at least one");
        if age < least {
            let second = world.last_told().bytes;
            let read = |bytes: &[u8]| -> Vec<(Vec<u8>, u32)> {
                let message = Message::parse(bytes).expect("a header");
                message.records().expect("readable").map(|r| r.expect("readable")).map(|r| (r.data.to_vec(), r.ttl)).collect()
            };
            let expected: Vec<_> = read(&first).into_iter().map(|(data, ttl)| (data, ttl - age)).collect();
            prop_assert_eq!(read(&second), expected);
        } else {
            prop_assert_eq!(world.asked.len(), 2, "it has expired");
        }
    }

    /// A forger who knows everything but ID, port and letters.
    #[test]
    fn a_blind_forger_has_no_luck(ids in vec(any::<u16>(), 1..200)) {
        let mut world = World::new();
        world.ask(1, "www.example.org", Type::A).unwrap();
        let asked = world.last_asked();
        let right = Message::parse(&asked.bytes).unwrap().id();
        let name = NameBuf::from_text("www.example.org").unwrap();
        for id in ids {
            let mut forged = vec![0; 64];
            let len = Writer::new(&mut forged, id, Flags::RESPONSE)
                .question(&name, Type::A, dns::Class::IN)
                .answer(Type::A, 300, &[203, 0, 113, 66])
                .finish()
                .unwrap();
            let result = world.reply(&asked, &forged[..len]);
            let is_refused = matches!(
                result,
                Err(Dropped::WrongId | Dropped::WrongCase | Dropped::Guessed | Dropped::NotAwaited)
            );
            prop_assert!(is_refused, "{:?} with ID {} for {}", result, id, right);
        }
        prop_assert!(world.told.is_empty());
        prop_assert_eq!(world.forwarder.cache_usage(), (0, 0));
    }
}
