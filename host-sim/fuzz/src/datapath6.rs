//! The router between a LAN, a line of plain Ethernet, and both ends of a tunnel: IPv6 packets from all of them, made of nothing,
//! made well, or made well and then damaged; time, Neighbor Discovery, rules, routes, new addresses.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{Frame, FramePool, LinkState, MAX_PORTS, Pool, PortId};
use gatelet_router::{
    Action, Addressing, Egress, EthernetWanConfig, Ipv6Policy, Ipv6Route, LanConfig, Router, Rule,
    TableSpace, Tos, TunnelConfig, TunnelId, TunnelRole, Via, WanId, Zone,
};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header};
use gatelet_wire::ndp::{self, Message};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, Icmpv6Packet, IpAddress, Ipv4Address, Ipv4Cidr, Ipv4Packet,
    Ipv6Address, Ipv6Cidr, Ipv6Packet, TcpPacket, UdpPacket,
};

use crate::datapath::check_ipv6;
use crate::input::Input;

const FRAMES: usize = 40;
const FLOWS: usize = 16;
const NEIGHBOURS: usize = 4;
const LAN: PortId = PortId(1);
const LINE: PortId = PortId(2);
const WAN: WanId = WanId(0);
/// Nothing that comes from a router goes on for longer.
const DRAIN_MOST: usize = 400;

const fn mac(port: PortId) -> EthernetAddress {
    EthernetAddress([2, 0, 0x5E, 0, 0x53, 0xF0 + port.0])
}

const fn host_mac(number: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0x5E, 0, 0x54, number % 8])
}

const OURS: Ipv4Address = Ipv4Address::new(198, 51, 100, 2);
const GATEWAY: Ipv4Address = Ipv4Address::new(198, 51, 100, 1);
const GATEWAY_MAC: EthernetAddress = EthernetAddress([2, 0, 0x5E, 0, 0x55, 1]);
/// The broker whose client we are, and a client of ours.
const BROKER: Ipv4Address = Ipv4Address::new(192, 0, 2, 41);
const CLIENT: Ipv4Address = Ipv4Address::new(192, 0, 2, 42);

const ALL: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, 0);
const SERVED: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0), 48);
const GATEWAY6: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Any sequence of steps. The router never panics and never stands still; what leaves it is well-formed and under a source that
/// may be there; its tables agree with each other, and no frame is kept that waits for nothing.
pub fn ingress(input: &[u8]) {
    let frames = FramePool::<NoopRawMutex, FRAMES>::new();
    let mut tables = Box::new(TableSpace::<FLOWS, NEIGHBOURS, FLOWS>::new());
    let mut input = Input::new(input);
    let mut world = World::new(frames.pool(), &mut tables, &mut input);
    while let Some(operation) = input.operation() {
        world.step(operation, &mut input);
    }
    drop(world);
    assert_eq!(frames_in_use(frames.pool()), 0, "all frames are back");
}

struct World<'p> {
    router: Router<'p>,
    pool: Pool<'p>,
    now: Instant,
    /// The third group of the LAN's prefix.
    net: u16,
    /// Whether hosts and gateway answer who asks for them.
    answers: bool,
    /// How far frames begin from where they should.
    skew: usize,
    /// What was forwarded last.
    last: Vec<u8>,
    last_way: u8,
}

impl<'p> World<'p> {
    fn new(
        pool: Pool<'p>,
        tables: &'p mut TableSpace<FLOWS, NEIGHBOURS, FLOWS>,
        input: &mut Input<'_>,
    ) -> Self {
        let wishes = input.u8();
        let now = Instant::from_secs(1);
        let mut router = Router::new(pool, [wishes; 32]);
        for port in [LAN, LINE] {
            assert!(router.add_port(port, mac(port), 1518));
        }
        router.lend_tables(tables.lend());
        let addressing =
            Addressing::Static { address: Ipv4Cidr::new(OURS, 24), gateway: GATEWAY, dns: [None, None] };
        let config = EthernetWanConfig { port: LINE, vlan: None, mac: None, addressing };
        assert_eq!(router.add_ethernet_wan(now, config), Some(WAN));
        let lan = Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24);
        assert!(router.add_lan(now, LanConfig::new(LAN, lan)));
        router.handle_link(now, LAN, LinkState::Up);
        router.handle_link(now, LINE, LinkState::Up);
        let mut world = Self {
            router,
            pool,
            now,
            net: 1,
            answers: wishes & 1 == 0,
            skew: usize::from(wishes >> 1 & 1),
            last: Vec::new(),
            last_way: 0,
        };
        world.set_lan(1);
        let policy = Ipv6Policy {
            allow_echo: wishes & 4 == 0,
            allow_ipsec: wishes & 8 != 0,
            answer_echo: wishes & 16 == 0,
        };
        assert!(world.router.set_ipv6_policy(policy));
        let tos = if wishes & 32 == 0 { Tos::Inherit } else { Tos::Fixed(10) };
        let client = TunnelConfig { tos, ..TunnelConfig::new(WAN, BROKER) };
        let server = TunnelConfig { role: TunnelRole::Server, remote: CLIENT, ..client };
        for (id, config) in [(0, client), (1, server)] {
            assert!(world.router.set_tunnel(now, TunnelId(id), Some(config)));
        }
        let route = |destination, gateway| Ipv6Route { destination, source: ALL, gateway };
        let half = Ipv6Cidr::new(Ipv6Address::new(0x2620, 0, 0, 0, 0, 0, 0, 0), 16);
        assert!(world.router.set_ipv6_routes(Via::Tunnel(TunnelId(0)), &[route(half, None)]));
        assert!(world.router.set_ipv6_routes(Via::Tunnel(TunnelId(1)), &[route(SERVED, None)]));
        assert!(world.router.set_ipv6_routes(Via::Wan(WAN), &[route(ALL, Some(GATEWAY6))]));
        assert!(world.router.set_ndp_proxy(Via::Wan(WAN), &[SERVED]));
        world.now += smoltcp::time::Duration::from_secs(20);
        world.drain();
        world
    }

    fn set_lan(&mut self, net: u16) {
        let address = Ipv6Address::new(0x2001, 0xdb8, net, 0, 0, 0, 0, 1);
        assert!(self.router.set_ipv6_addresses(Via::Lan, &[Ipv6Cidr::new(address, 64)]));
        self.net = net;
    }

    fn host(&self, number: u8) -> Ipv6Address {
        Ipv6Address::new(0x2001, 0xdb8, self.net, 0, 0, 0, 0, 0x10 + u16::from(number % 8))
    }

    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        let now = self.now;
        match operation & 15 {
            0 => self.now += input.duration(),
            1 => self.now = self.router.poll_at().map_or(now, |at| at.max(now)),
            2 => {
                let packet = input.octets().to_vec();
                self.arrive(operation >> 4, &packet);
            }
            3..=6 => {
                let (packet, way) = self.packet(input);
                let packet = damaged(operation, packet, input);
                self.arrive(way, &packet);
            }
            7 | 8 => {
                let packet = damaged(operation, turned(&self.last), input);
                self.arrive(self.last_way, &packet);
            }
            9 => {
                let error = error_about(&self.last, input.u8(), usize::from(input.u8()));
                let packet = damaged(operation, error, input);
                self.arrive(self.last_way, &packet);
            }
            10 => {
                let (whole, way) = self.packet(input);
                let part = part_of(&whole, usize::from(input.u8()) * 8, usize::from(input.u8()), operation);
                self.arrive(way, &part);
            }
            11 => self.discover(operation, input),
            12 => self.change_rules(operation, input),
            13 => match operation >> 4 & 7 {
                0 => self.answers ^= true,
                1 => self.set_lan(1 + u16::from(input.u8() & 1)),
                2 => {
                    let mtu = Some(1200 + u16::from(input.u8()));
                    let config = TunnelConfig { mtu, ..TunnelConfig::new(WAN, BROKER) };
                    assert!(self.router.set_tunnel(now, TunnelId(0), Some(config)));
                }
                3 => assert!(self.router.set_tunnel(now, TunnelId(0), None)),
                4 => self.router.handle_link(now, LINE, LinkState::Down),
                _ => self.router.handle_link(now, LINE, LinkState::Up),
            },
            14 => {
                let (whole, way) = self.packet(input);
                self.arrive_in_parts(way, &whole, input);
            }
            _ => {
                let (packet, _) = self.packet(input);
                self.stack_says(&packet);
            }
        }
        self.drain();
    }

    /// A packet as good as any, and the way it comes: from the LAN, the line, the broker or our client.
    fn packet(&self, input: &mut Input<'_>) -> (Vec<u8>, u8) {
        let (kind, ends, ports) = (input.u8(), input.u8(), input.u8());
        let way = ends >> 6;
        let far = match ends >> 3 & 7 {
            0..=2 => Ipv6Address::new(0x2620, 0, 0x80, 0, 0, 0, 0, 80),
            3 | 4 => Ipv6Address::new(0x2a00, 1, 2, 3, 0, 0, 0, 9),
            5 => Ipv6Address::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 5),
            6 => Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(ports)),
            _ => Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, u16::from(ports)),
        };
        let near = if ends & 7 == 7 {
            Ipv6Address::new(0x2001, 0xdb8, self.net, 0, 0, 0, 0, 1)
        } else {
            self.host(ends)
        };
        let (a, b) = (2000 + u16::from(ports & 7), 80 + u16::from(ports >> 3 & 7));
        let (from, to) = if way == 0 { ((near, a), (far, b)) } else { ((far, b), (near, a)) };
        let len = if kind & 0x80 == 0 { usize::from(kind >> 4 & 7) } else { 1000 + usize::from(ports) * 2 };
        let mut payload = vec![0; 8];
        payload[..2].copy_from_slice(&from.1.to_be_bytes());
        payload[2..4].copy_from_slice(&to.1.to_be_bytes());
        let next = match kind & 15 {
            0..=4 => 17,
            5..=9 => {
                payload.resize(20, 0);
                payload[12] = 0x50;
                payload[13] = [2, 18, 16, 17, 4][usize::from(kind & 15) - 5];
                if payload[13] & 2 != 0 {
                    payload[12] = 0x60;
                    payload.extend([2, 4, 5, 0xB4]);
                }
                6
            }
            10 | 11 => {
                payload[..8].copy_from_slice(&[128 + (kind & 1), 0, 0, 0, 0, ports, 0, 1]);
                58
            }
            12 => {
                payload[..4].copy_from_slice(&[17, 0, 1, 4]);
                payload.resize(16, 0);
                60
            }
            13 => 50,
            14 => 43,
            _ => ports,
        };
        payload.resize(payload.len() + len, 0x5A);
        let mut packet = vec![0; 40];
        packet[1] = (ports & 3) << 4;
        packet[6] = next;
        packet[7] = if ports >> 6 == 3 { 1 } else { 64 };
        packet[8..24].copy_from_slice(&from.0.octets());
        packet[24..40].copy_from_slice(&to.0.octets());
        packet.extend(payload);
        (refilled(packet), way)
    }

    /// An IPv6 packet arrives: on the LAN, on the line, out of a tunnel.
    fn arrive(&mut self, way: u8, packet: &[u8]) {
        match way & 3 {
            0 => {
                let number = packet.get(23).map_or(0, |last| last.wrapping_sub(0x10));
                self.framed(LAN, host_mac(number), ethernet::IPV6, packet);
            }
            1 => self.framed(LINE, GATEWAY_MAC, ethernet::IPV6, packet),
            way => {
                let outside = outside(way, packet);
                self.framed(LINE, GATEWAY_MAC, ethernet::IPV4, &outside);
            }
        }
    }

    /// The same, the packet outside in two parts.
    fn arrive_in_parts(&mut self, way: u8, packet: &[u8], input: &mut Input<'_>) {
        let whole = outside(2 + (way & 1), packet);
        let (order, cut) = (input.u8(), 8 * usize::from(input.u8()));
        let cut = cut.min((whole.len() - 20) / 8 * 8);
        let part = |offset: usize, bytes: &[u8], more: bool| {
            let mut part = [&whole[..20], bytes].concat();
            let len = part.len() as u16;
            part[2..4].copy_from_slice(&len.to_be_bytes());
            let field = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
            part[6..8].copy_from_slice(&field.to_be_bytes());
            part[5] = order >> 4;
            Ipv4Packet::new_unchecked(&mut part[..]).fill_checksum();
            part
        };
        let parts = [part(0, &whole[20..20 + cut], true), part(cut, &whole[20 + cut..], false)];
        for n in [order & 1, order >> 1 & 1] {
            self.framed(LINE, GATEWAY_MAC, ethernet::IPV4, &parts[usize::from(n)]);
        }
    }

    fn framed(&mut self, port: PortId, source: EthernetAddress, ether_type: u16, packet: &[u8]) {
        let mut bytes = vec![0; 14];
        let header = Header { destination: mac(port), source, vlan: None, ether_type };
        header.emit(&mut bytes).expect("room enough");
        bytes.extend(packet);
        let Some(mut frame) = self.pool.take(port) else { return };
        frame.clear(gatelet_hal::HEADROOM - self.skew);
        if frame.extend(&bytes[..bytes.len().min(1518)])
            && let Some((egress, frame)) = self.router.handle_frame(self.now, port, frame)
        {
            self.sent(egress, &frame, &mut Vec::new());
        }
    }

    fn stack_says(&mut self, packet: &[u8]) {
        let Some(mut frame) = self.pool.take(PortId::LOCAL) else { return };
        let own = Ipv6Address::new(0x2001, 0xdb8, self.net, 0, 0, 0, 0, 1);
        let mut packet = packet.to_vec();
        packet[8..24].copy_from_slice(&own.octets());
        frame.clear(Frame::IP_HEADROOM);
        if frame.extend(&refilled(packet))
            && let Some((egress, frame)) = self.router.handle_lan_packet(self.now, frame)
        {
            self.sent(egress, &frame, &mut Vec::new());
        }
    }

    /// A station says something by Neighbor Discovery, true or not.
    fn discover(&mut self, operation: u8, input: &mut Input<'_>) {
        let (who, whom, how) = (input.u8(), input.u8(), input.u8());
        let address = |number: u8| match number >> 6 {
            0 => self.host(number),
            1 => Ipv6Address::new(0x2001, 0xdb8, self.net, 0, 0, 0, 0, 1),
            2 => Ipv6Address::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, u16::from(number)),
            _ => Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number & 7)),
        };
        let (source, target) =
            (if how & 1 == 0 { address(who) } else { Ipv6Address::UNSPECIFIED }, address(whom));
        let message = match how >> 1 & 3 {
            0 => Message::NeighborSolicitation { target },
            1 => Message::RouterSolicitation,
            _ => Message::NeighborAdvertisement {
                target,
                is_router: how & 8 != 0,
                is_solicited: how & 16 != 0,
                overrides: how & 32 != 0,
            },
        };
        let destination = if how & 64 == 0 { ndp::solicited_node(target) } else { address(0x40) };
        let mut bytes = [0; 100];
        let mut writer = ndp::Writer::new(&mut bytes, source, destination, &message);
        if how & 128 == 0 {
            writer.target_link_layer(host_mac(who));
        }
        let len = writer.finish().expect("room enough");
        let packet = damaged(operation, bytes[..len].to_vec(), input);
        self.arrive(operation >> 4 & 3, &packet);
    }

    fn change_rules(&mut self, operation: u8, input: &mut Input<'_>) {
        if operation & 64 != 0 {
            return self.router.clear_rules();
        }
        let what = input.u8();
        let zone = |n: u8| [Zone::Lan, Zone::Wan, Zone::Router][usize::from(n & 3) % 3];
        let action = [Action::Accept, Action::Drop, Action::Reject][usize::from(what >> 4 & 3) % 3];
        self.router.add_rule(Rule { log: what & 128 != 0, ..Rule::new(zone(what), zone(what >> 2), action) });
    }

    /// Does all that is due now.
    fn drain(&mut self) {
        for _ in 0..DRAIN_MOST {
            let mut is_quiet = true;
            let mut answers = Vec::new();
            while let Some((egress, frame)) = self.router.poll_transmit(self.now) {
                is_quiet = false;
                self.sent(egress, &frame, &mut answers);
            }
            while self.router.poll_lease(self.now).is_some() {}
            while self.router.poll_event().is_some() {}
            for (port, source, ether_type, payload) in answers {
                is_quiet = false;
                self.framed(port, source, ether_type, &payload);
            }
            self.check();
            if is_quiet {
                if self.router.poll_at().is_none_or(|at| at > self.now) {
                    return;
                }
                self.router.handle_timeout(self.now);
            }
        }
        panic!("it does not come to rest");
    }

    /// The tables agree, and every frame that is out is accounted for.
    fn check(&self) {
        let used = self.router.table_use().expect("tables are lent");
        assert_eq!(used.index_entries6, 2 * used.flows6, "{used:?}");
        assert_eq!(used.host_flows6[0], used.host_flows6[1], "{used:?}");
        assert!(used.flows6 <= FLOWS, "{used:?}");
        // Four fragments wait in each family, one frame is at hand for the next message.
        let in_use = frames_in_use(self.pool);
        assert!(in_use <= used.waiting + 8 + 1, "{in_use} frames kept, {used:?}");
    }

    /// The router sent something: it must be as it ought to be, and may have an answer.
    fn sent(
        &mut self,
        egress: Egress,
        frame: &Frame<'_>,
        answers: &mut Vec<(PortId, EthernetAddress, u16, Vec<u8>)>,
    ) {
        let bytes = frame.bytes();
        let Egress::Port(port) = egress else {
            return if bytes[0] >> 4 == 6 { check_ipv6(bytes) } else { check_ipv4(bytes) };
        };
        assert!(bytes.len() <= 1518);
        let (header, payload) = Header::parse(bytes).expect("well-formed");
        assert_eq!(header.source, mac(port));
        match header.ether_type {
            ethernet::ARP => self.sent_arp(port, payload, answers),
            ethernet::IPV4 if payload[9] == 41 => {
                check_ipv4(payload);
                let to = Ipv4Address::from(<[u8; 4]>::try_from(&payload[16..20]).expect("an address"));
                assert!(port == LINE && payload[12..16] == OURS.octets() && [BROKER, CLIENT].contains(&to));
                // Parts of a packet that is too long for its path are judged by their IPv4 header alone.
                let outer = Ipv4Packet::new_unchecked(payload);
                if !outer.more_frags() && outer.frag_offset() == 0 {
                    self.sent_ipv6(if to == BROKER { 2 } else { 3 }, &payload[20..], answers);
                }
            }
            ethernet::IPV4 => check_ipv4(payload),
            ethernet::IPV6 => self.sent_ipv6(u8::from(port == LINE), payload, answers),
            other => panic!("EtherType {other:#06x}"),
        }
    }

    fn sent_arp(
        &self,
        port: PortId,
        payload: &[u8],
        answers: &mut Vec<(PortId, EthernetAddress, u16, Vec<u8>)>,
    ) {
        let arp = ArpPacket::new_checked(payload).expect("well-formed");
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr: GATEWAY,
            ..
        } = ArpRepr::parse(&arp).expect("well-formed")
        else {
            return;
        };
        if self.answers && port == LINE {
            let repr = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: GATEWAY_MAC,
                source_protocol_addr: GATEWAY,
                target_hardware_addr: source_hardware_addr,
                target_protocol_addr: source_protocol_addr,
            };
            let mut bytes = vec![0; repr.buffer_len()];
            repr.emit(&mut ArpPacket::new_unchecked(&mut bytes[..]));
            answers.push((port, GATEWAY_MAC, ethernet::ARP, bytes));
        }
    }

    /// An IPv6 packet left by a way.
    fn sent_ipv6(
        &mut self,
        way: u8,
        packet: &[u8],
        answers: &mut Vec<(PortId, EthernetAddress, u16, Vec<u8>)>,
    ) {
        check_ipv6(packet);
        let read = Ipv6Packet::new_unchecked(packet);
        let (source, destination) = (read.src_addr(), read.dst_addr());
        if let Ok(asked) = ndp::Packet::parse(packet) {
            assert!(way < 2 || source.is_unicast_link_local(), "{source} speaks to the link");
            if let Message::NeighborSolicitation { target } = asked.message
                && self.answers
                && !source.is_unspecified()
            {
                self.advertise(way, source, target, answers);
            }
            return;
        }
        let is_local = |address: Ipv6Address| {
            address.is_unicast_link_local() || address.is_multicast() || address.is_unspecified()
        };
        // Only an answer to a neighbour is under a link-local address, or to one; our own stack may speak to the LAN's groups.
        let is_answer = packet[6] == 58 && packet.get(40).is_some_and(|kind| [1, 2, 3, 129].contains(kind));
        let own = Ipv6Address::new(0x2001, 0xdb8, self.net, 0, 0, 0, 0, 1);
        let is_stack = way == 0 && source == own;
        assert!(
            is_answer || is_stack || !is_local(source) && !is_local(destination),
            "{source} to {destination}"
        );
        self.last = packet.to_vec();
        self.last_way = way;
    }

    fn advertise(
        &self,
        way: u8,
        source: Ipv6Address,
        target: Ipv6Address,
        answers: &mut Vec<(PortId, EthernetAddress, u16, Vec<u8>)>,
    ) {
        let (port, mac) = match way {
            0 if (0..8).any(|number| self.host(number) == target) => {
                (LAN, host_mac(target.octets()[15].wrapping_sub(0x10)))
            }
            1 if target == GATEWAY6 => (LINE, GATEWAY_MAC),
            _ => return,
        };
        let message =
            Message::NeighborAdvertisement { target, is_router: false, is_solicited: true, overrides: true };
        let mut bytes = [0; 72];
        let len = ndp::Writer::new(&mut bytes, target, source, &message)
            .target_link_layer(mac)
            .finish()
            .expect("room enough");
        answers.push((port, mac, ethernet::IPV6, bytes[..len].to_vec()));
    }
}

/// A packet in the tunnel of the broker (2) or of our client (3).
fn outside(way: u8, packet: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    bytes[0] = 0x45;
    bytes[1] = packet.get(2).map_or(0, |octet| octet & 3);
    let len = 20 + packet.len() as u16;
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    bytes[8..10].copy_from_slice(&[64, 41]);
    bytes[12..16].copy_from_slice(&if way == 2 { BROKER } else { CLIENT }.octets());
    bytes[16..20].copy_from_slice(&OURS.octets());
    Ipv4Packet::new_unchecked(&mut bytes[..]).fill_checksum();
    bytes.extend(packet);
    bytes
}

fn check_ipv4(bytes: &[u8]) {
    let packet = Ipv4Packet::new_checked(bytes).expect("well-formed");
    assert!(packet.verify_checksum(), "{bytes:02x?}");
    assert_eq!(usize::from(packet.total_len()), bytes.len(), "no padding");
}

/// The packet with its length and checksum right.
fn refilled(mut packet: Vec<u8>) -> Vec<u8> {
    if packet.len() < 40 {
        return packet;
    }
    packet[0] = packet[0] & 0x0F | 0x60;
    let len = (packet.len() - 40) as u16;
    packet[4..6].copy_from_slice(&len.to_be_bytes());
    let address =
        |at: usize| Ipv6Address::from(<[u8; 16]>::try_from(&packet[at..at + 16]).expect("16 octets"));
    let (source, destination, next) = (address(8), address(24), packet[6]);
    let (from, to) = (IpAddress::Ipv6(source), IpAddress::Ipv6(destination));
    let payload = &mut packet[40..];
    match next {
        58 if payload.len() >= 8 => {
            Icmpv6Packet::new_unchecked(&mut *payload).fill_checksum(&source, &destination);
        }
        6 if payload.len() >= 20 => TcpPacket::new_unchecked(&mut *payload).fill_checksum(&from, &to),
        17 if payload.len() >= 8 => {
            let len = payload.len() as u16;
            let mut datagram = UdpPacket::new_unchecked(&mut *payload);
            datagram.set_len(len);
            datagram.fill_checksum(&from, &to);
        }
        _ => {}
    }
    packet
}

/// With the highest bit set, one octet is another, and length and checksum are right all the same, or not.
fn damaged(operation: u8, mut packet: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    if operation & 128 == 0 || packet.is_empty() {
        return packet;
    }
    let (at, value, how) = (usize::from(input.u8()), input.u8(), input.u8());
    let at = at % packet.len().min(88);
    packet[at] = value;
    if how & 1 == 0 {
        packet = refilled(packet);
    }
    let len = packet.len().saturating_sub(usize::from(how >> 4));
    packet.truncate(len);
    packet
}

/// The answer to a packet: its ends changed about.
fn turned(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet.len() >= 48 {
        let (source, destination) = packet[8..40].split_at_mut(16);
        source.swap_with_slice(destination);
        packet[7] = 64;
        match packet[6] {
            6 => {
                packet[40..44].rotate_left(2);
                packet.get_mut(53).into_iter().for_each(|flags| *flags |= 16);
            }
            17 => packet[40..44].rotate_left(2),
            58 if packet[40] == 128 => packet[40] = 129,
            _ => {}
        }
    }
    refilled(packet)
}

/// An error to the sender of a packet.
fn error_about(packet: &[u8], kind: u8, quoted: usize) -> Vec<u8> {
    if packet.len() < 40 {
        return Vec::new();
    }
    let mut error = packet[..40].to_vec();
    error[6..8].copy_from_slice(&[58, 64]);
    let (source, destination) = error[8..40].split_at_mut(16);
    destination.copy_from_slice(source);
    source.copy_from_slice(&packet[24..40]);
    error.extend([1 + kind % 5, kind >> 4, 0, 0, 0, 0, 5, 0]);
    error.extend(&packet[..packet.len().min(40 + quoted)]);
    refilled(error)
}

/// A part of a datagram.
fn part_of(whole: &[u8], offset: usize, len: usize, id: u8) -> Vec<u8> {
    let Some((header, payload)) = whole.split_at_checked(40) else { return Vec::new() };
    let begin = offset.min(payload.len() / 8 * 8);
    let end = (begin + len).min(payload.len());
    let [high, low] = (begin as u16 | u16::from(end < payload.len())).to_be_bytes();
    let mut part = [header, &[header[6], 0, high, low, 0, 0, 0, id >> 6], &payload[begin..end]].concat();
    part[6] = 44;
    refilled(part)
}

fn frames_in_use(pool: Pool<'_>) -> usize {
    (0..MAX_PORTS).map(|port| usize::from(pool.counters(PortId(port as u8)).in_use)).sum()
}
