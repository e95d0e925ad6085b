extern crate std;

use chacha20::ChaCha8Rng;
use gatelet_wire::Ipv6Cidr;
use gatelet_wire::ndp::ALL_NODES;
use rand_core::SeedableRng;

use super::*;

const OWN_ID: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 0xA];

struct World {
    host: Host,
    rng: ChaCha8Rng,
    now: Instant,
}

impl World {
    fn up() -> Self {
        let config = Config { interface_id: OWN_ID, mac: None, mtu: 1492 };
        let (mut host, mut rng) = (Host::new(config), ChaCha8Rng::from_seed([7; 32]));
        let now = Instant::from_secs(100);
        host.link_up(now, &mut rng, config);
        Self { host, rng, now }
    }

    /// A router advertises with what `fill` adds.
    fn hears(
        &mut self,
        router: u16,
        preference: Preference,
        lifetime: u16,
        fill: impl Fn(&mut Writer<'_>),
    ) -> Vec<Event, 16> {
        let said = RouterAdvertisement {
            hop_limit: 64,
            is_managed: false,
            has_other: false,
            preference,
            router_lifetime_seconds: lifetime,
            reachable_time_ms: 0,
            retrans_timer_ms: 0,
        };
        let mut buffer = [0; 1280];
        let source = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, router);
        let mut writer = Writer::new(&mut buffer, source, ALL_NODES, &Message::RouterAdvertisement(said));
        fill(&mut writer);
        let len = writer.finish().unwrap();
        self.host.handle_packet(self.now, &mut self.rng, &buffer[..len]).unwrap();
        self.events()
    }

    fn hears_prefix(&mut self, third: u16, valid: u32, preferred: u32) -> Vec<Event, 16> {
        let prefix = information(third, valid, preferred);
        self.hears(1, Preference::Medium, 1800, |writer| _ = writer.prefix(&prefix))
    }

    fn events(&mut self) -> Vec<Event, 16> {
        core::iter::from_fn(|| self.host.poll_event()).collect()
    }

    /// Goes on to the next deadline, until `seconds` have gone by.
    fn goes_on(&mut self, seconds: u64) -> Vec<Event, 16> {
        let end = self.now + Duration::from_secs(seconds);
        let mut told = Vec::new();
        let mut buffer = [0; 100];
        while let Some(at) = self.host.poll_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.host.handle_timeout(self.now, &mut self.rng);
            self.host.poll_transmit(self.now, &mut buffer);
            told.extend(self.events());
            assert!(self.host.poll_at().is_none_or(|at| at > self.now), "it stands still");
        }
        self.now = end;
        told
    }
}

fn information(third: u16, valid: u32, preferred: u32) -> PrefixInformation {
    PrefixInformation {
        prefix: Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, third, 0, 0, 0, 0, 0), 64),
        is_on_link: true,
        is_autonomous: true,
        valid_lifetime_seconds: valid,
        preferred_lifetime_seconds: preferred,
    }
}

fn own(third: u16) -> Ipv6Address {
    Ipv6Address::new(0x2001, 0xdb8, third, 0, 0, 0, 0, 0xA)
}

fn router(last: u16) -> Ipv6Address {
    Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
}

#[test]
fn a_line_comes_up() {
    let mut world = World::up();
    let mut buffer = [0; 100];
    assert_eq!(world.host.poll_transmit(world.now, &mut buffer[..47]), None, "no room");
    let len = world.host.poll_transmit(world.now, &mut buffer).expect("at once on a point-to-point link");
    let packet = Packet::parse(&buffer[..len]).unwrap();
    assert_eq!((packet.source, packet.destination), (router(0xA), ALL_ROUTERS));
    assert_eq!(packet.options().count(), 0, "it has no hardware address to tell");

    let prefix = information(1, 7200, 3600);
    let dns = [own(0x53)];
    let told = world.hears(1, Preference::Medium, 1800, |writer| {
        writer.mtu(1480).prefix(&prefix).rdnss(600, &dns).captive_portal(b"https://p.example/ap");
    });
    let (first, second) = (Event::Router { address: router(1) }, Event::Address { address: own(1) });
    assert_eq!(told, [first, second, Event::SettingsChanged]);
    assert_eq!(world.host.address(), Some(own(1)));
    assert_eq!((world.host.mtu(), world.host.hop_limit()), (1480, Some(64)));
    assert_eq!(world.host.dns_servers()[0].address, own(0x53));
    assert_eq!(world.host.captive_portal_uri(), "https://p.example/ap");
    assert!(!world.host.wants_to_send(world.now + Duration::from_secs(60)), "it has a router");

    assert_eq!(world.goes_on(599), []);
    assert_eq!(world.goes_on(1), [Event::SettingsChanged], "the DNS server has ended");
    assert_eq!(world.goes_on(1200), [Event::RouterLost]);
    assert!(world.host.poll_at() > Some(world.now), "it solicits again");
    assert_eq!(world.goes_on(1800), [Event::AddressDeprecated { address: own(1) }]);
    assert_eq!(world.host.address(), Some(own(1)), "better than none");
    assert_eq!(world.goes_on(3600), [Event::AddressLost { address: own(1) }]);
    world.host.link_down();
    assert_eq!(world.events(), []);
    assert_eq!(world.host.poll_at(), None);
}

#[test]
fn solicitations_grow_rare_and_do_not_end() {
    let mut world = World::up();
    let mut buffer = [0; 100];
    let mut waits = std::vec::Vec::new();
    for _ in 0..20 {
        assert!(world.host.poll_transmit(world.now, &mut buffer).is_some());
        let at = world.host.poll_at().unwrap();
        waits.push((at - world.now).secs());
        world.now = at;
        // One that is no default router does not end it (RFC 7559 §2.1).
        world.hears(1, Preference::Medium, 0, |_| {});
    }
    assert!((3..=4).contains(&waits[0]) && (6..=9).contains(&waits[1]), "{waits:?}");
    assert!(waits[15..].iter().all(|wait| (3240..=3960).contains(wait)), "{waits:?}");
}

#[test]
fn on_a_link_with_others_it_waits_a_little_and_tells_its_hardware_address() {
    let mac = EthernetAddress([2, 0, 0, 0, 0, 9]);
    let config = Config { interface_id: super::super::modified_eui_64(mac), mac: Some(mac), mtu: 1500 };
    let (mut host, mut rng) = (Host::new(config), ChaCha8Rng::from_seed([1; 32]));
    host.link_up(Instant::ZERO, &mut rng, config);
    let at = host.poll_at().unwrap();
    assert!(at > Instant::ZERO && at < Instant::from_secs(1));
    let mut buffer = [0; 56];
    let len = host.poll_transmit(at, &mut buffer).unwrap();
    let packet = Packet::parse(&buffer[..len]).unwrap();
    assert!(packet.options().eq([NdOption::SourceLinkLayer(mac)]));
    assert_eq!(packet.source, Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 9));
}

#[test]
fn the_most_preferred_router_leads() {
    let mut world = World::up();
    let is_default = |last| [Event::Router { address: router(last) }];
    assert_eq!(world.hears(1, Preference::Medium, 1800, |_| {})[..1], is_default(1));
    assert_eq!(world.hears(2, Preference::Medium, 1800, |_| {}), []);
    assert_eq!(world.hears(1, Preference::Medium, 1800, |_| {}), [], "it still leads");
    assert_eq!(world.hears(3, Preference::Low, 1800, |_| {}), []);
    assert_eq!(world.host.counters().dropped(Dropped::TooManyRouters), 1);
    assert_eq!(world.hears(4, Preference::High, 1800, |_| {}), is_default(4));
    assert_eq!(world.hears(4, Preference::High, 0, |_| {}), is_default(1));
    assert_eq!(world.hears(1, Preference::Medium, 0, |_| {}), [Event::RouterLost]);
}

#[test]
fn nobody_shortens_a_prefix_below_two_hours() {
    let mut world = World::up();
    world.hears_prefix(1, 86_400, 86_400);
    let left = |world: &World| world.host.prefixes()[0].valid.seconds(world.now);
    assert_eq!(world.hears_prefix(1, 10_000, 10_000), []);
    assert_eq!(left(&world), 10_000, "above two hours all is believed");
    assert_eq!(world.hears_prefix(1, 0, 0), [Event::AddressDeprecated { address: own(1) }]);
    assert_eq!(left(&world), 7200);
    world.goes_on(3600);
    world.hears_prefix(1, 1800, 1800);
    assert_eq!(left(&world), 3600, "what is left stays");
    world.hears_prefix(1, 5000, 5000);
    assert_eq!(left(&world), 5000);
    assert_eq!(world.host.prefixes()[0].preferred.seconds(world.now), 5000);
}

#[test]
fn a_prefix_that_no_host_can_use_is_ignored() {
    let mut world = World::up();
    world.hears(1, Preference::Medium, 1800, |_| {});
    let with = |network: Ipv6Address, len, valid, preferred| PrefixInformation {
        prefix: Ipv6Cidr::new(network, len),
        ..information(1, valid, preferred)
    };
    let bad = [
        with(router(0), 64, 7200, 3600),
        with(Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0), 64, 7200, 3600),
        with(Ipv6Address::UNSPECIFIED, 0, 7200, 3600),
        with(Ipv6Address::UNSPECIFIED, 64, 7200, 3600),
        with(Ipv6Address::new(0, 0, 0, 0, 0, 0xffff, 0x0a00, 0), 120, 7200, 3600),
        information(1, 3600, 7200),
    ];
    for prefix in &bad {
        assert_eq!(world.hears(1, Preference::Medium, 1800, |writer| _ = writer.prefix(prefix)), []);
    }
    assert_eq!(world.host.counters().dropped(Dropped::Prefix), 6);
    let long = with(Ipv6Address::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 0), 96, 7200, 3600);
    assert_eq!(world.hears(1, Preference::Medium, 1800, |writer| _ = writer.prefix(&long)), []);
    assert_eq!(world.host.prefixes()[0].address, None, "on the link, and without an address of ours");
}

#[test]
fn tables_are_bounded_and_forget_what_is_deprecated() {
    let mut world = World::up();
    for third in 1..=4 {
        world.hears_prefix(third, 86_400, 3600 * u32::from(third));
    }
    assert_eq!(world.hears_prefix(5, 86_400, 86_400), []);
    assert_eq!(world.host.counters().dropped(Dropped::TooManyPrefixes), 1);
    world.hears_prefix(2, 86_400, 0);
    let told = world.hears_prefix(5, 86_400, 86_400);
    assert_eq!(told, [Event::AddressLost { address: own(2) }, Event::Address { address: own(5) }]);
    assert_eq!(world.host.address(), Some(own(5)));

    let servers = [1, 2, 3, 4].map(own);
    world.hears(1, Preference::Medium, 1800, |writer| {
        writer.rdnss(100, &servers[..3]).rdnss(50, &servers[3..]).rdnss(200, &servers[3..]);
    });
    let kept: Vec<_, 4> = world.host.dns_servers().iter().map(|server| server.address).collect();
    assert_eq!(kept, [own(4), own(1), own(2)]);
    let told = world.hears(1, Preference::Medium, 1800, |writer| _ = writer.rdnss(0, &servers[3..]));
    assert_eq!(told, [Event::SettingsChanged]);
}

#[test]
fn odd_options_are_counted_and_nothing_else() {
    let mut world = World::up();
    let group = [ALL_NODES];
    world.hears(1, Preference::Medium, 1800, |writer| {
        writer.mtu(1279).captive_portal(b"not a uri").rdnss(60, &group);
    });
    for reason in [Dropped::Mtu, Dropped::CaptivePortal, Dropped::DnsServer] {
        assert_eq!(world.host.counters().dropped(reason), 1, "{reason:?}");
    }
    assert_eq!(world.host.mtu(), 1492);
    world.hears(1, Preference::Medium, 1800, |writer| _ = writer.mtu(9000));
    assert_eq!(world.host.mtu(), 1492, "no more than the link has");
    let mut refuse = |packet: &[u8]| world.host.handle_packet(world.now, &mut world.rng, packet);
    assert_eq!(refuse(&[0x60]), Err(Dropped::Malformed));
    let mut buffer = [0; 100];
    let len =
        Writer::new(&mut buffer, router(3), ALL_ROUTERS, &Message::RouterSolicitation).finish().unwrap();
    assert_eq!(refuse(&buffer[..len]), Err(Dropped::NotAdvertisement));
    assert!(size_of::<Host>() <= 1100, "{}", size_of::<Host>());
}
