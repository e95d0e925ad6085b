extern crate std;

use chacha20::ChaCha8Rng;
use gatelet_wire::ndp::ALL_ROUTERS;
use rand_core::SeedableRng;
use std::vec::Vec as List;

use super::*;
use crate::ra::host;

const OWN: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const PC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x10]);

/// For whom, the router's lifetime, prefixes with their preferred and valid lifetimes.
type Said = (Ipv6Address, u16, List<(Ipv6Cidr, u32, u32)>);

struct World {
    router: Router,
    now: Instant,
    buffer: [u8; PACKET_MAX],
}

fn link_local(last: u16) -> Ipv6Address {
    Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
}

fn prefix(third: u16) -> Ipv6Cidr {
    Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, third, 0, 0, 0, 0, 0), 64)
}

impl World {
    fn up() -> Self {
        let mut router = Router::new(Config { link_local: link_local(1), mac: OWN });
        let now = Instant::from_secs(50);
        router.link_up(now, &mut ChaCha8Rng::from_seed([5; 32]));
        Self { router, now, buffer: [0xA5; PACKET_MAX] }
    }

    fn has(&mut self, thirds: &[u16], preferred: u32, valid: u32) {
        let all: List<_> = thirds
            .iter()
            .map(|third| LanPrefix {
                prefix: prefix(*third),
                preferred: Lifetime::of(self.now, preferred),
                valid: Lifetime::of(self.now, valid),
            })
            .collect();
        self.router.set_prefixes(self.now, &all);
    }

    /// The next advertisement.
    fn says(&mut self) -> Option<Said> {
        self.router.handle_timeout(self.now);
        let out = self.router.poll_transmit(self.now, &mut self.buffer)?;
        let packet = Packet::parse(&self.buffer[..out.len]).expect("well-formed");
        assert_eq!((packet.source, packet.destination), (link_local(1), out.destination));
        let Message::RouterAdvertisement(said) = packet.message else { panic!("{packet:?}") };
        let prefixes = packet.options().filter_map(|option| match option {
            NdOption::Prefix(said) => {
                assert!(said.is_on_link && said.is_autonomous);
                Some((said.prefix, said.preferred_lifetime_seconds, said.valid_lifetime_seconds))
            }
            _ => None,
        });
        Some((out.destination, said.router_lifetime_seconds, prefixes.collect()))
    }

    fn next(&mut self) {
        self.now = self.router.poll_at().expect("it never stops").max(self.now);
    }

    fn rests(&mut self) {
        while self.router.poll_at().is_some_and(|at| at < self.now + Duration::from_secs(60)) {
            self.next();
            self.says();
        }
        self.now += Duration::from_secs(10);
    }

    fn is_asked(&mut self, source: Ipv6Address, mac: Option<EthernetAddress>) -> Result<(), Dropped> {
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer, source, ALL_ROUTERS, &Message::RouterSolicitation);
        if let Some(mac) = mac {
            writer.source_link_layer(mac);
        }
        let len = writer.finish().unwrap();
        self.router.handle_packet(self.now, &buffer[..len])
    }
}

#[test]
fn hosts_learn_the_prefix_at_once_and_again() {
    let mut world = World::up();
    world.has(&[1], 86_400, 172_800);
    world.router.set_default_router(world.now, true);
    let expected = (ALL_NODES, 1800, [(prefix(1), 2700, 5400)].to_vec());
    assert_eq!(world.says(), Some(expected.clone()), "no longer than RFC 9096 has it");
    assert_eq!(world.says(), None);
    let mut waits = List::new();
    for _ in 0..6 {
        let before = world.now;
        world.next();
        assert_eq!(world.says(), Some(expected.clone()));
        waits.push((world.now - before).secs());
    }
    assert_eq!(waits[..2], [16, 16]);
    assert!(waits[2..].iter().all(|wait| (200..600).contains(wait)), "{waits:?}");
    world.router.link_down();
    assert!(!world.router.wants_to_send(world.now + Duration::from_secs(9999)));
    assert_eq!(world.is_asked(link_local(2), None), Err(Dropped::Down));
}

#[test]
fn a_prefix_that_changes_is_deprecated() {
    let mut world = World::up();
    world.router.set_default_router(world.now, true);
    world.has(&[1], 3600, 7200);
    world.rests();
    world.has(&[2], 3600, 7200);
    let both = [(prefix(1), 0, 5400), (prefix(2), 2700, 5400)].to_vec();
    assert_eq!(world.says(), Some((ALL_NODES, 1800, both)));
    let changed = world.now;
    // It is said for as long as somebody could have an address of it.
    while world.router.old_prefixes().count() > 0 {
        world.next();
        world.says();
    }
    assert_eq!(world.now - changed, Duration::from_secs(5400));
    // One that comes back is good again.
    world.has(&[3], 3600, 7200);
    world.has(&[2], 3600, 7200);
    world.next();
    let (_, _, said) = world.says().unwrap();
    assert_eq!(said, [(prefix(2), 2700, 5400), (prefix(3), 0, 5400)]);
}

#[test]
fn a_prefix_of_before_a_reboot_is_deprecated() {
    let mut world = World::up();
    world.has(&[2], 3600, 7200);
    for third in [1, 2] {
        world.router.deprecate(world.now, prefix(third));
    }
    let (_, _, said) = world.says().unwrap();
    assert_eq!(said, [(prefix(2), 2700, 5400), (prefix(1), 0, 5400)]);
}

#[test]
fn lifetimes_run_down_with_the_lease() {
    let mut world = World::up();
    world.has(&[1], 100, 200);
    assert_eq!(world.says().unwrap().2, [(prefix(1), 100, 200)]);
    world.now += Duration::from_secs(150);
    assert_eq!(world.says().unwrap().2, [(prefix(1), 0, 50)]);
    world.now += Duration::from_secs(50);
    assert_eq!(world.says().map(|said| said.2), Some(List::new()));
}

#[test]
fn without_a_way_out_hosts_fall_back_at_once() {
    let mut world = World::up();
    world.has(&[1], 3600, 7200);
    world.router.set_default_router(world.now, true);
    world.rests();
    world.router.set_default_router(world.now, false);
    let (_, lifetime, prefixes) = world.says().expect("at once");
    assert_eq!((lifetime, prefixes.len()), (0, 1), "the prefix stays: the LAN is still one");
    world.router.set_default_router(world.now, true);
    assert_eq!(world.says(), None, "not within three seconds");
    assert_eq!(world.router.poll_at(), Some(world.now + LEAST_DELAY));
    world.next();
    assert_eq!(world.says().map(|said| said.1), Some(1800));
}

#[test]
fn who_asks_is_answered() {
    let mut world = World::up();
    world.has(&[1], 3600, 7200);
    world.rests();
    assert_eq!(world.is_asked(link_local(0x10), Some(PC)), Ok(()));
    assert_eq!(world.is_asked(link_local(0x10), Some(PC)), Ok(()), "once more does not count");
    let asked = world.now;
    world.next();
    assert!(world.now - asked < Duration::from_millis(500));
    assert_eq!(world.says().map(|said| said.0), Some(link_local(0x10)));
    assert_eq!(world.says(), None);
    // Who cannot be answered alone is answered with all; and so are too many.
    assert_eq!(world.is_asked(Ipv6Address::UNSPECIFIED, None), Ok(()));
    world.next();
    assert_eq!(world.says().map(|said| said.0), Some(ALL_NODES));
    world.rests();
    for last in 0x20..0x30 {
        assert_eq!(world.is_asked(link_local(last), Some(PC)), Ok(()));
    }
    world.now += Duration::from_millis(500);
    assert_eq!(world.says().map(|said| said.0), Some(ALL_NODES));
    assert_eq!(world.says(), None, "one advertisement for all of them");
}

#[test]
fn a_flood_of_solicitations_brings_one_advertisement_in_three_seconds() {
    let mut world = World::up();
    world.rests();
    let mut sent = 0;
    for _ in 0..1000 {
        let _ = world.is_asked(Ipv6Address::UNSPECIFIED, None);
        world.now += Duration::from_millis(30);
        sent += u32::from(world.says().is_some());
    }
    assert!((9..=11).contains(&sent), "{sent} in 30 s");
}

#[test]
fn settings_reach_a_host() {
    let mut world = World::up();
    let dns = [link_local(1), prefix(1).address(), link_local(2), link_local(3)];
    world.has(&[1], 3600, 7200);
    world.router.set_default_router(world.now, true);
    world.router.set_dns_servers(world.now, &dns);
    world.router.set_mtu(world.now, Some(1472));
    world.router.set_captive_portal_uri(world.now, "https://p.example/ap");
    let config = host::Config { interface_id: [0, 0, 0, 0, 0, 0, 0, 9], mac: Some(PC), mtu: 1500 };
    let (mut pc, mut rng) = (host::Host::new(config), ChaCha8Rng::from_seed([1; 32]));
    pc.link_up(world.now, &mut rng, config);
    let mut hears = |world: &mut World, pc: &mut host::Host| {
        let len = world.router.poll_transmit(world.now, &mut world.buffer).expect("due").len;
        pc.handle_packet(world.now, &mut rng, &world.buffer[..len]).unwrap();
    };
    hears(&mut world, &mut pc);
    assert_eq!((pc.mtu(), pc.has_other(), pc.is_managed()), (1472, true, false));
    assert_eq!(pc.captive_portal_uri(), "https://p.example/ap");
    assert_eq!(pc.router().map(|router| router.address), Some(link_local(1)));
    let servers: List<_> = pc.dns_servers().iter().map(|server| server.address).collect();
    assert_eq!(servers, dns[..3]);

    world.rests();
    world.router.set_dns_servers(world.now, &dns[..1]);
    world.router.set_mtu(world.now, Some(1279));
    world.router.set_captive_portal_uri(world.now, "");
    hears(&mut world, &mut pc);
    let servers: List<_> = pc.dns_servers().iter().map(|server| server.address).collect();
    assert_eq!(servers, dns[..1], "those that are gone are withdrawn");
    world.rests();
    let len = world.router.emit(world.now, &mut world.buffer, ALL_NODES).unwrap();
    let packet = Packet::parse(&world.buffer[..len]).unwrap();
    let lists = packet.options().filter(|option| matches!(option, NdOption::Rdnss { .. }));
    assert_eq!(lists.count(), 1, "withdrawn three times is enough");
}

#[test]
fn what_cannot_be_advertised_and_who_else_advertises() {
    let mut world = World::up();
    world.has(&[1, 2, 3, 4, 5, 6, 7], 3600, 7200);
    let bad = LanPrefix {
        prefix: Ipv6Cidr::new(prefix(9).address(), 56),
        preferred: Lifetime::Forever,
        valid: Lifetime::Forever,
    };
    world.router.set_prefixes(world.now, &[bad]);
    let counters = world.router.counters();
    assert_eq!(counters.dropped(Dropped::TooManyPrefixes), 1);
    assert_eq!(counters.dropped(Dropped::Prefix), 1);
    assert_eq!(world.router.old_prefixes().count(), PREFIXES);
    world.has(&[8], 3600, 7200);
    assert_eq!(world.router.prefixes().count(), 1, "one that is gone makes room");

    let rogue = RouterAdvertisement {
        hop_limit: 64,
        is_managed: false,
        has_other: false,
        preference: Preference::High,
        router_lifetime_seconds: 9000,
        reachable_time_ms: 0,
        retrans_timer_ms: 0,
    };
    let mut buffer = [0; 100];
    for _ in 0..3 {
        let message = Message::RouterAdvertisement(rogue);
        let len = Writer::new(&mut buffer, link_local(0x66), ALL_NODES, &message).finish().unwrap();
        assert_eq!(world.router.handle_packet(world.now, &buffer[..len]), Err(Dropped::OtherRouter));
    }
    assert_eq!(world.router.poll_event(), Some(Event::OtherRouter { address: link_local(0x66) }));
    assert_eq!(world.router.poll_event(), None);
    assert_eq!(world.router.handle_packet(world.now, &[]), Err(Dropped::Malformed));
    assert!(size_of::<Router>() <= 1200, "{}", size_of::<Router>());
}
