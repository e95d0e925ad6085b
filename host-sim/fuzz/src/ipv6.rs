//! The machines of IPv6's control plane: both sides of Router Advertisements, and of DHCPv6.

use chacha20::ChaCha8Rng;
use gatelet_proto::dhcpv6::client::{self, Client, Phase};
use gatelet_proto::dhcpv6::{duid_ll, server};
use gatelet_proto::lifetime::Lifetime;
use gatelet_proto::ra::{host, router};
use gatelet_wire::dhcpv6::{ALL_SERVERS, MessageType, OptionCode, StatusCode, TransactionId};
use gatelet_wire::ndp::{
    self, ALL_NODES, ALL_ROUTERS, Message, Preference, PrefixInformation, RouteInformation,
    RouterAdvertisement,
};
use gatelet_wire::{EthernetAddress, Ipv6Address, Ipv6Cidr, dhcpv6};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::input::Input;

const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

/// An address that depends on one octet, mostly one that a host can have.
fn address(octet: u8) -> Ipv6Address {
    match octet {
        0xF0 => Ipv6Address::UNSPECIFIED,
        0xF1 => ALL_NODES,
        0xF2 => Ipv6Address::LOCALHOST,
        0xF3 => Ipv6Address::new(0, 0, 0, 0, 0, 0xffff, 0x0a00, 1),
        0xF4.. => Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(octet)),
        _ => Ipv6Address::new(0x2001, 0xdb8, u16::from(octet), 0, 0, 0, 0, 0),
    }
}

fn seconds(input: &mut Input<'_>) -> u32 {
    match input.u8() {
        0xFF => u32::MAX,
        0xFE => u32::MAX - 1,
        octet => u32::from(octet) * u32::from(input.u8()),
    }
}

fn is_usable(prefix: Ipv6Cidr) -> bool {
    let address = prefix.address();
    prefix.prefix_len() > 0
        && !address.is_multicast()
        && !address.is_unicast_link_local()
        && !address.is_unspecified()
        && !address.is_loopback()
        && address.to_ipv4_mapped().is_none()
}

/// A host on a WAN: time, links that come and go, routers that say anything.
pub fn ra_host(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut rng = ChaCha8Rng::from_seed([input.u8(); 32]);
    let config = host::Config { interface_id: [0, 0, 0, 0, 0, 0, 0, 9], mac: None, mtu: 1492 };
    let mut machine = host::Host::new(config);
    let mut now = Instant::from_secs(1);
    let mut last_sent: Option<Instant> = None;
    let mut addresses: Vec<Ipv6Address> = Vec::new();
    let mut default_router = None;
    while let Some(operation) = input.operation() {
        match operation % 8 {
            0 => {
                let mac = (input.u8() & 1 == 1).then_some(MAC);
                machine.link_up(now, &mut rng, host::Config { mac, ..config });
                last_sent = None;
            }
            1 => machine.link_down(),
            2 => now += input.duration(),
            3 | 4 => now = machine.poll_at().map_or(now, |at| at.max(now)),
            5 => _ = machine.handle_packet(now, &mut rng, input.octets()),
            _ => {
                let packet = advertisement(&mut input);
                let _ = machine.handle_packet(now, &mut rng, &packet);
            }
        }
        if matches!(operation % 8, 2..=4) {
            machine.handle_timeout(now, &mut rng);
            let mut buffer = [0xA5; 100];
            assert!(machine.poll_transmit(now, &mut buffer[..40]).is_none(), "no room");
            while let Some(len) = machine.poll_transmit(now, &mut buffer) {
                let packet = ndp::Packet::parse(&buffer[..len]).expect("well-formed");
                assert_eq!((packet.message, packet.destination), (Message::RouterSolicitation, ALL_ROUTERS));
                assert!(machine.router().is_none(), "it has a router");
                let is_early = last_sent.is_some_and(|last| now - last < Duration::from_millis(3600));
                assert!(!is_early || default_router.is_some(), "repeated too early");
                last_sent = Some(now);
            }
            assert!(machine.poll_at().is_none_or(|at| at > now), "it stands still");
        }
        default_router = None;
        while let Some(event) = machine.poll_event() {
            match event {
                host::Event::Router { address } => default_router = Some(address),
                // A solicitation may follow at once.
                host::Event::RouterLost => last_sent = None,
                host::Event::Address { address } => {
                    assert!(!address.is_multicast() && !address.is_unspecified());
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                host::Event::AddressDeprecated { address } => assert!(addresses.contains(&address)),
                host::Event::AddressLost { address } => addresses.retain(|known| *known != address),
                host::Event::SettingsChanged => {}
            }
        }
        if let Some(told) = default_router {
            assert_eq!(machine.router().map(|router| router.address), Some(told));
        }
        if machine.counters().events_lost == 0 {
            let held: Vec<_> = machine.prefixes().iter().filter_map(|prefix| prefix.address).collect();
            assert!(held.iter().all(|address| addresses.contains(address)), "{held:?} {addresses:?}");
            assert_eq!(held.len(), addresses.len(), "each gain and loss is told once");
        }
        assert!(
            machine.prefixes().iter().all(|known| is_usable(known.prefix) && known.preferred <= known.valid)
        );
        assert!((host::LEAST_MTU..=1492).contains(&machine.mtu()));
        assert!(machine.captive_portal_uri().bytes().all(|octet| octet.is_ascii_graphic()));
    }
}

/// What a router says, mostly well-formed.
fn advertisement(input: &mut Input<'_>) -> Vec<u8> {
    let (wishes, last) = (input.u16(), input.u8());
    let is_set = |bit: u16| wishes & 1 << bit != 0;
    let said = RouterAdvertisement {
        hop_limit: last,
        is_managed: is_set(0),
        has_other: is_set(1),
        preference: [Preference::Low, Preference::Medium, Preference::High][usize::from(last % 3)],
        router_lifetime_seconds: if is_set(2) { 0 } else { u16::from(last) * 8 },
        reachable_time_ms: 0,
        retrans_timer_ms: 0,
    };
    let mut buffer = [0; 2000];
    let source = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last % 8));
    let mut writer = ndp::Writer::new(&mut buffer, source, ALL_NODES, &Message::RouterAdvertisement(said));
    for bit in 3..7 {
        if !is_set(bit) {
            continue;
        }
        let length = if is_set(7) { input.u8() } else { 64 };
        writer.prefix(&PrefixInformation {
            prefix: ndp::network(address(input.u8()), length),
            is_on_link: !is_set(8),
            is_autonomous: !is_set(9),
            valid_lifetime_seconds: seconds(input),
            preferred_lifetime_seconds: seconds(input),
        });
    }
    if is_set(10) {
        let servers: Vec<_> = input.octets().iter().take(20).map(|octet| address(*octet)).collect();
        writer.rdnss(seconds(input), &servers);
    }
    if is_set(11) {
        writer.mtu(u32::from(input.u16()) * 3);
    }
    if is_set(12) {
        writer.captive_portal(input.octets());
    }
    if is_set(13) {
        let prefix = ndp::network(address(input.u8()), input.u8());
        let preference = Preference::Medium;
        writer.route(&RouteInformation { prefix, preference, lifetime_seconds: 9 });
    }
    let len = writer.finish().expect("room enough");
    buffer[..len].to_vec()
}

/// The LAN's router: time, prefixes that come and go, hosts that ask, other routers.
pub fn ra_router(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut rng = ChaCha8Rng::from_seed([input.u8(); 32]);
    let own = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let mut machine = router::Router::new(router::Config { link_local: own, mac: MAC });
    let mut now = Instant::from_secs(1);
    let mut last_to_all: Option<Instant> = None;
    while let Some(operation) = input.operation() {
        match operation % 12 {
            0 => machine.link_up(now, &mut rng),
            1 => {
                machine.link_down();
                last_to_all = None;
            }
            2 => now += input.duration(),
            3 | 4 => now = machine.poll_at().map_or(now, |at| at.max(now)),
            5 => {
                let prefixes: Vec<_> = (0..input.u8() % 9)
                    .map(|_| router::LanPrefix {
                        prefix: ndp::network(address(input.u8()), if input.u8() == 1 { 56 } else { 64 }),
                        preferred: Lifetime::of(now, seconds(&mut input)),
                        valid: Lifetime::of(now, seconds(&mut input)),
                    })
                    .collect();
                machine.set_prefixes(now, &prefixes);
            }
            6 => machine.deprecate(now, ndp::network(address(input.u8()), 64)),
            7 => machine.set_default_router(now, input.u8() & 1 == 1),
            8 => {
                let servers: Vec<_> = input.octets().iter().take(5).map(|octet| address(*octet)).collect();
                machine.set_dns_servers(now, &servers);
            }
            9 => machine.set_mtu(now, Some(input.u16())),
            10 => {
                let mut buffer = [0; 100];
                let source = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(input.u8()));
                let mut writer =
                    ndp::Writer::new(&mut buffer, source, ALL_ROUTERS, &Message::RouterSolicitation);
                if input.u8() & 1 == 1 {
                    writer.source_link_layer(MAC);
                }
                let len = writer.finish().expect("room enough");
                let _ = machine.handle_packet(now, &buffer[..len]);
            }
            _ => _ = machine.handle_packet(now, &advertisement(&mut input)),
        }
        while machine.poll_event().is_some() {}
        if !matches!(operation % 12, 2..=4) {
            continue;
        }
        machine.handle_timeout(now);
        let mut buffer = [0xA5; router::PACKET_MAX];
        while let Some(out) = machine.poll_transmit(now, &mut buffer) {
            let packet = ndp::Packet::parse(&buffer[..out.len]).expect("well-formed");
            assert_eq!((packet.source, packet.destination), (own, out.destination));
            let Message::RouterAdvertisement(said) = packet.message else { panic!("no advertisement") };
            assert_eq!(said.router_lifetime_seconds > 0, machine.is_default_router());
            if out.destination == ALL_NODES {
                let is_early = last_to_all.is_some_and(|last| now - last < Duration::from_secs(3));
                assert!(!is_early, "two within three seconds");
                last_to_all = Some(now);
            }
            for option in packet.options() {
                assert!(!matches!(option, ndp::NdOption::Unreadable { .. } | ndp::NdOption::Other { .. }));
                if let ndp::NdOption::Prefix(said) = option {
                    assert!(said.preferred_lifetime_seconds <= said.valid_lifetime_seconds);
                    assert!(is_usable(said.prefix) && said.prefix.prefix_len() == 64);
                    let is_old = machine.old_prefixes().any(|old| old.prefix == said.prefix);
                    assert!(!is_old || said.preferred_lifetime_seconds == 0);
                }
            }
        }
        assert!(machine.poll_at().is_none_or(|at| at > now), "it stands still");
    }
}

/// The DHCPv6 client: time, the owner's calls, servers' messages, fitting or not.
pub fn dhcpv6_client(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut config = client::Config::new(duid_ll(MAC));
    let wishes = input.u8();
    config.wants_address = wishes & 1 == 0;
    config.rapid_commit = wishes & 2 == 0;
    if wishes & 4 != 0 {
        config.wants_prefix = None;
    }
    let mut world = Line {
        client: Client::new(config),
        rng: ChaCha8Rng::from_seed([wishes; 32]),
        now: Instant::from_secs(1),
        sent: None,
        is_bound: false,
    };
    while let Some(operation) = input.operation() {
        world.step(operation, &mut input);
    }
}

struct Line {
    client: Client,
    rng: ChaCha8Rng,
    now: Instant,
    /// The last message: transaction, type, when.
    sent: Option<(TransactionId, MessageType, Instant)>,
    is_bound: bool,
}

impl Line {
    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        let (client, rng, now) = (&mut self.client, &mut self.rng, self.now);
        match operation % 16 {
            0 | 1 => client.link_up(now, rng),
            2 => client.link_down(),
            3 => {
                client.release(now, rng);
                // The owner's own doing, and no event.
                self.is_bound = false;
            }
            4 => client.renew(now, rng),
            5 => self.now += input.duration(),
            6..=8 => self.now = client.poll_at().map_or(now, |at| at.max(now)),
            9 => _ = client.handle_message(now, rng, input.octets()),
            _ => self.answer(input),
        }
        if matches!(operation % 16, 5..=8) {
            self.client.handle_timeout(self.now, &mut self.rng);
            self.drain();
            assert!(self.client.poll_at().is_none_or(|at| at > self.now), "it stands still");
        }
        self.look();
    }

    /// A server's more or less fitting answer to the last message.
    fn answer(&mut self, input: &mut Input<'_>) {
        let Some((id, ..)) = self.sent else { return };
        let (wishes, last) = (input.u16(), input.u8());
        let is_set = |bit: u16| wishes & 1 << bit != 0;
        let message_type = if is_set(15) { MessageType::Advertise } else { MessageType::Reply };
        let mut buffer = [0; 4000];
        let mut writer = dhcpv6::Writer::new(&mut buffer, message_type, id);
        writer.push(OptionCode::CLIENT_ID, &self.client.config().duid);
        writer.push(OptionCode::SERVER_ID, &[0, 3, 0, 1, if is_set(0) { last } else { 1 }]);
        if is_set(1) {
            writer.push(OptionCode::RAPID_COMMIT, b"");
        }
        if is_set(2) {
            writer.push(OptionCode::PREFERENCE, &[last]);
        }
        if is_set(3) {
            writer.u32(OptionCode::SOL_MAX_RT, u32::from(last) * 400);
        }
        if is_set(4) {
            writer.status(StatusCode::from(u16::from(last % 8)), "?");
        }
        let (t1, t2) = if is_set(5) { (seconds(input), seconds(input)) } else { (0, 0) };
        let status = is_set(6).then(|| StatusCode::from(u16::from(input.u8() % 8)));
        let length = if is_set(7) { input.u8() % 129 } else { 56 };
        writer.ia(OptionCode::IA_PD, u32::from(!is_set(8)), t1, t2, |writer| {
            for _ in 0..last % 6 {
                let prefix = ndp::network(address(input.u8()), length);
                writer.ia_prefix(prefix, seconds(input), seconds(input));
            }
            if let Some(status) = status {
                writer.status(status, "");
            }
        });
        if is_set(9) {
            writer.ia(OptionCode::IA_NA, 1, t1, t2, |writer| {
                for _ in 0..last % 4 {
                    writer.ia_address(address(input.u8()), seconds(input), seconds(input));
                }
            });
        }
        if is_set(10) {
            writer.addresses(OptionCode::DNS_SERVERS, &[address(last), ALL_SERVERS, address(1)]);
        }
        if is_set(11) {
            writer.push(OptionCode(input.u16()), input.octets());
        }
        let len = writer.finish().expect("room enough");
        let _ = self.client.handle_message(self.now, &mut self.rng, &buffer[..len]);
    }

    fn drain(&mut self) {
        let mut buffer = [0xA5; 700];
        assert!(self.client.poll_transmit(self.now, &mut buffer[..8]).is_none(), "no room");
        while let Some(out) = self.client.poll_transmit(self.now, &mut buffer) {
            let message = dhcpv6::Message::parse(&buffer[..out.len]).expect("well-formed");
            assert_eq!(message.message_type, out.message_type);
            let id = message.transaction_id;
            if let Some((_, _, at)) =
                self.sent.filter(|(last, kind, _)| (*last, *kind) == (id, out.message_type))
            {
                assert!(self.now - at >= Duration::from_millis(900), "repeated too early");
            }
            let is_named = message.options().value(OptionCode::SERVER_ID) != Ok(None);
            let is_for_one =
                matches!(out.message_type, MessageType::Request | MessageType::Renew | MessageType::Release);
            assert_eq!(is_named, is_for_one);
            self.sent = Some((id, out.message_type, self.now));
        }
    }

    fn look(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                client::Event::Bound => assert!(!std::mem::replace(&mut self.is_bound, true)),
                client::Event::Renewed { .. } => assert!(self.is_bound),
                client::Event::Lost(_) => assert!(std::mem::take(&mut self.is_bound)),
                client::Event::PrefixLost { .. } | client::Event::NothingAvailable => {}
            }
        }
        let Some(lease) = self.client.lease() else {
            assert!(!self.is_bound);
            return;
        };
        assert!(self.is_bound && !lease.is_empty() && lease.renew_at <= lease.rebind_at);
        assert!(matches!(self.client.phase(), Phase::Bound | Phase::Renewing | Phase::Rebinding));
        for held in &lease.prefixes {
            assert!(is_usable(held.prefix) && (24..=64).contains(&held.prefix.prefix_len()));
            assert!(held.preferred <= held.valid);
            assert_eq!(lease.prefixes.iter().filter(|other| other.prefix == held.prefix).count(), 1);
        }
        assert!(lease.addresses.iter().all(|held| is_usable(Ipv6Cidr::new(held.address, 128))));
    }
}

/// The stateless DHCPv6 server: any octets, and any octets as the options of a request.
pub fn dhcpv6_server(bytes: &[u8]) {
    let mut config = server::Config::new(duid_ll(MAC));
    let _ = config.dns_servers.push(address(1));
    let mut machine = server::Server::new(config);
    let request = [&[11, 1, 2, 3], bytes].concat();
    for payload in [bytes, &request] {
        let mut buffer = [0xA5; 900];
        let Ok(len) = machine.handle_message(payload, &mut buffer) else { continue };
        let answer = dhcpv6::Message::parse(&buffer[..len]).expect("well-formed");
        assert_eq!(answer.message_type, MessageType::Reply);
        assert_eq!(answer.transaction_id.0, payload[1..4]);
        assert!(buffer[len..].iter().all(|octet| *octet == 0xA5));
    }
}
