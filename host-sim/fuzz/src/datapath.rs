//! The router between a LAN, a `PPPoE` line and a line of plain Ethernet: frames from all of them, made of nothing, made well, or
//! made well and then damaged; time, ARP, rules, forwards, new addresses.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{Frame, FramePool, LinkState, MAX_PORTS, Pool, PortId};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::Boot;
use gatelet_router::{
    Action, Addressing, Egress, EthernetWanConfig, Filtering, Forward, LanConfig, PingPolicy, PortRange,
    Prefix, Protocol as RuleProtocol, Router, Rule, TableSpace, WanConfig, WanId, Zone,
};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use gatelet_wire::pppoe::{Code, Packet, TagKind, TagSet, Writer};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, Icmpv4Packet, IpAddress, Ipv4Address, Ipv4Cidr, Ipv4Packet, Ipv6Packet,
    TcpPacket, UdpPacket,
};

use crate::input::Input;
use crate::ppp::Peer;
use crate::pppoe::concentrator;

const FRAMES: usize = 40;
const FLOWS: usize = 16;
const NEIGHBOURS: usize = 8;
const LINE: PortId = PortId(0);
const LAN: PortId = PortId(1);
const FIBRE: PortId = PortId(2);
const PPPOE: WanId = WanId(0);
const PLAIN: WanId = WanId(1);
/// Nothing that comes from a router goes on for longer.
const DRAIN_MOST: usize = 400;

const fn mac(port: PortId) -> EthernetAddress {
    EthernetAddress([2, 0, 0x5E, 0, 0x53, 0xF0 + port.0])
}

/// The router and three more hosts on the LAN, of any third octet.
const fn host(net: u8, number: u8) -> Ipv4Address {
    Ipv4Address::new(192, 168, net, 1 + number % 4)
}

const fn host_mac(number: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0x5E, 0, 0x54, 1 + number % 4])
}

/// Our address on the plain line, and its gateway.
const PLAIN_ADDRESS: Ipv4Address = Ipv4Address::new(198, 51, 100, 2);
const GATEWAY: Ipv4Address = Ipv4Address::new(198, 51, 100, 1);
const GATEWAY_MAC: EthernetAddress = EthernetAddress([2, 0, 0x5E, 0, 0x55, 1]);

/// Any sequence of steps. The router never panics and never stands still; what leaves it is well-formed, under its own
/// addresses, and never shows one of the LAN to the Internet; its tables agree with each other, and no frame is kept that waits
/// for nothing.
pub fn ingress(input: &[u8]) {
    let frames = FramePool::<NoopRawMutex, FRAMES>::new();
    let mut tables = Box::new(TableSpace::<FLOWS, NEIGHBOURS>::new());
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
    vlan: Option<VlanTag>,
    session_id: u16,
    peer: Peer,
    /// The third octet of the LAN.
    net: u8,
    /// Whether hosts and gateway answer ARP.
    answers: bool,
    /// How far frames begin from where they should.
    skew: usize,
    /// What left last, to the Internet or the LAN.
    last: Vec<u8>,
    last_on_lan: bool,
}

impl<'p> World<'p> {
    fn new(pool: Pool<'p>, tables: &'p mut TableSpace<FLOWS, NEIGHBOURS>, input: &mut Input<'_>) -> Self {
        let wishes = input.u8();
        let vlan = (wishes & 1 != 0).then(|| VlanTag::new(35).expect("in range"));
        let now = Instant::from_secs(1);
        let mut router = Router::new(pool, [wishes; 32]);
        for port in [LINE, LAN, FIBRE] {
            assert!(router.add_port(port, mac(port), 1518));
        }
        router.lend_tables(tables.lend());
        let mut config = WanConfig::new(LINE, Credentials::new("0101234@adsl", "secret").expect("short"));
        config.vlan = vlan;
        assert_eq!(router.add_wan(now, config, Boot::Warm, None), Some(PPPOE));
        let addressing = Addressing::Static {
            address: Ipv4Cidr::new(PLAIN_ADDRESS, 24),
            gateway: GATEWAY,
            dns: [None, None],
        };
        let config = EthernetWanConfig { port: FIBRE, vlan: None, mac: None, addressing };
        assert_eq!(router.add_ethernet_wan(now, config), Some(PLAIN));
        let mut world = Self {
            router,
            pool,
            now,
            vlan,
            session_id: 0,
            peer: Peer::default(),
            net: 1,
            answers: wishes & 2 == 0,
            skew: usize::from(wishes >> 2 & 1),
            last: Vec::new(),
            last_on_lan: false,
        };
        world.set_lan(1, 1);
        if wishes & 8 == 0 {
            world.router.handle_link(now, LINE, LinkState::Up);
        }
        world.router.handle_link(now, LAN, LinkState::Up);
        world.router.handle_link(now, FIBRE, LinkState::Up);
        world.drain();
        world
    }

    fn set_lan(&mut self, net: u8, own: u8) {
        let address = Ipv4Cidr::new(Ipv4Address::new(192, 168, net, own), 24);
        assert!(self.router.add_lan(self.now, LanConfig::new(LAN, address)));
        self.net = net;
    }

    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        let now = self.now;
        match operation & 31 {
            0 => self.now += input.duration(),
            1 | 2 => self.now = self.router.poll_at().map_or(now, |at| at.max(now)),
            3 => {
                let port = PortId(operation >> 6 & 3);
                self.receive(port, input.octets());
            }
            4 => {
                let packet = input.octets().to_vec();
                self.arrive(operation >> 6, &packet);
            }
            // Flows that are met again and again, with an accident now and then.
            5..=10 => {
                let packet = self.packet(true, input);
                let packet = damaged(operation, packet, input);
                self.arrive(0, &packet);
            }
            11..=13 => {
                let packet = self.packet(false, input);
                let packet = damaged(operation, packet, input);
                self.arrive(1 + operation % 2, &packet);
            }
            14..=17 => {
                let answer = turned(&self.last);
                let packet = damaged(operation, answer, input);
                self.arrive_answering(operation, &packet);
            }
            18 | 19 => {
                let (kind, quoted) = (input.u8(), usize::from(input.u8()));
                let error = error_about(&self.last, kind, quoted);
                let packet = damaged(operation, error, input);
                self.arrive_answering(operation, &packet);
            }
            20 | 21 => {
                let whole = if operation & 64 == 0 { self.packet(true, input) } else { turned(&self.last) };
                let (offset, len) = (usize::from(input.u8()) * 8, usize::from(input.u8()));
                let part = part_of(&whole, offset, len);
                let packet = damaged(operation, part, input);
                if operation & 64 == 0 {
                    self.arrive(0, &packet);
                } else {
                    self.arrive_answering(operation, &packet);
                }
            }
            22 => self.hear_arp(input),
            23 => self.answers ^= true,
            24 => self.change_rules(operation, input),
            25 => self.change_forwards(operation, input),
            26 => self.change_policy(input.u8()),
            27 => self.end_session(),
            28 => {
                let packet = self.packet(true, input);
                self.stack_says(operation, &packet);
            }
            29 => self.set_lan(1 + (operation >> 6 & 1), 1 + (operation >> 7)),
            30 => {
                let state = if operation & 128 == 0 { LinkState::Up } else { LinkState::Down };
                self.router.handle_link(now, PortId(operation >> 5 & 3), state);
            }
            _ => {
                // Many of a kind, to fill what can be filled.
                let mut packet = self.packet(true, input);
                for n in 0..input.u8() {
                    if packet.len() > 24 {
                        packet[21] = n;
                        let fixed = refilled(packet.clone());
                        self.arrive(0, &fixed);
                    }
                }
            }
        }
        self.drain();
    }

    /// A packet from the LAN to the Internet, or the other way, as good as any.
    fn packet(&self, from_lan: bool, input: &mut Input<'_>) -> Vec<u8> {
        let (kind, ends, ports) = (input.u8(), input.u8(), input.u8());
        let ours = |wan| self.router.wan(wan).and_then(|status| status.ipv4).map(|ipv4| ipv4.address);
        let server = match ends >> 2 & 7 {
            0..=3 => Ipv4Address::new(192, 0, 2, 80),
            4 => Ipv4Address::new(198, 51, 100, 77),
            5 => ours(PPPOE).unwrap_or(PLAIN_ADDRESS),
            6 => PLAIN_ADDRESS,
            _ => Ipv4Address::new(203, 0, 113, ends >> 5),
        };
        let inside = host(self.net, ends);
        let (a, b) = (2000 + u16::from(ports & 7), 80 + u16::from(ports >> 3 & 7));
        let ours = ours(if ends & 1 == 0 { PPPOE } else { PLAIN }).unwrap_or(PLAIN_ADDRESS);
        let (from, to) = if from_lan { ((inside, a), (server, b)) } else { ((server, b), (ours, a)) };
        let len = if kind & 0x80 == 0 { usize::from(kind >> 4 & 7) } else { 1000 + usize::from(ports) * 2 };
        let mut payload = vec![0; 8];
        payload[..2].copy_from_slice(&from.1.to_be_bytes());
        payload[2..4].copy_from_slice(&to.1.to_be_bytes());
        let protocol = match kind & 15 {
            0..=4 => {
                payload[4..6].copy_from_slice(&(8 + len as u16).to_be_bytes());
                payload[6] = kind & 1;
                17
            }
            5..=10 => {
                payload.resize(20, 0);
                payload[12] = 0x50;
                payload[13] = [2, 18, 16, 16, 17, 4][usize::from(kind & 15) - 5];
                if payload[13] & 2 != 0 {
                    payload[12] = 0x60;
                    payload.extend([2, 4, 5, 0xB4]);
                }
                6
            }
            11 => {
                payload[..8].copy_from_slice(&[8, 0, 0, 0, 0, ports, 0, 1]);
                1
            }
            12 => {
                payload[..8].copy_from_slice(&[0, 0, 0, 0, 0, ports, 0, 1]);
                1
            }
            13 => 47,
            14 => 0,
            _ => ports,
        };
        payload.resize(payload.len() + len, 0x5A);
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[6] = if kind & 0x40 == 0 { 0 } else { 0x40 };
        packet[8] = if ports >> 6 == 3 { 1 } else { 64 };
        packet[9] = protocol;
        packet[12..16].copy_from_slice(&from.0.octets());
        packet[16..20].copy_from_slice(&to.0.octets());
        packet.extend(payload);
        refilled(packet)
    }

    /// An IP packet arrives: on the LAN, through the session, on the plain line.
    fn arrive(&mut self, way: u8, packet: &[u8]) {
        let number = packet.get(15).map_or(0, |last| last.wrapping_sub(1));
        match way {
            0 => self.framed(LAN, host_mac(number), packet),
            1 => {
                let mut payload = vec![0; packet.len() + 8];
                let ppp = [&[0x00, 0x21], packet].concat();
                let session = Packet { code: Code::Session, session_id: self.session_id, payload: &ppp };
                if session.emit(&mut payload).is_ok() {
                    self.receive_from_line(ethernet::PPPOE_SESSION, &payload);
                }
            }
            _ => self.framed(FIBRE, GATEWAY_MAC, packet),
        }
    }

    /// It arrives from where it would, as an answer to what left last.
    fn arrive_answering(&mut self, operation: u8, packet: &[u8]) {
        let to_plain = packet.get(16..20) == Some(&PLAIN_ADDRESS.octets()[..]);
        let way = if self.last_on_lan { 0 } else { 1 + u8::from(to_plain) };
        self.arrive(if operation & 32 == 0 { way } else { 1 }, packet);
    }

    fn framed(&mut self, port: PortId, source: EthernetAddress, packet: &[u8]) {
        let header = Header { destination: mac(port), source, vlan: None, ether_type: ethernet::IPV4 };
        self.receive(port, &with_header(&header, packet));
    }

    fn receive_from_line(&mut self, ether_type: u16, payload: &[u8]) {
        let header = Header { destination: mac(LINE), source: concentrator(0), vlan: self.vlan, ether_type };
        self.receive(LINE, &with_header(&header, payload));
    }

    fn receive(&mut self, port: PortId, bytes: &[u8]) {
        let Some(mut frame) = self.pool.take(port) else { return };
        frame.clear(gatelet_hal::HEADROOM - self.skew);
        if frame.extend(&bytes[..bytes.len().min(1518)])
            && let Some((egress, frame)) = self.router.handle_frame(self.now, port, frame)
        {
            self.sent(egress, &frame, &mut Vec::new());
        }
    }

    fn stack_says(&mut self, operation: u8, packet: &[u8]) {
        let lan = operation & 64 == 0;
        let own = if lan {
            self.router.lan().map(|lan| lan.address())
        } else {
            self.router.wan(PPPOE).and_then(|status| status.ipv4).map(|ipv4| ipv4.address)
        };
        let (Some(own), Some(mut frame)) = (own, self.pool.take(PortId::LOCAL)) else { return };
        let mut packet = packet.to_vec();
        packet[12..16].copy_from_slice(&own.octets());
        if operation & 128 != 0 {
            let to = host(self.net, packet[21]);
            packet[16..20].copy_from_slice(&to.octets());
        }
        frame.clear(Frame::IP_HEADROOM);
        if frame.extend(&refilled(packet)) {
            let sent = if lan {
                self.router.handle_lan_packet(self.now, frame)
            } else {
                self.router.handle_stack_packet(self.now, PPPOE, frame)
            };
            if let Some((egress, frame)) = sent {
                self.sent(egress, &frame, &mut Vec::new());
            }
        }
    }

    /// A station on the LAN or the plain line says something by ARP.
    fn hear_arp(&mut self, input: &mut Input<'_>) {
        let (kind, who, whom) = (input.u8(), input.u8(), input.u8());
        let on_lan = kind & 1 == 0;
        let address = |number: u8| {
            if number & 0x80 != 0 {
                Ipv4Address::UNSPECIFIED
            } else if on_lan {
                Ipv4Address::new(192, 168, self.net, number & 31)
            } else {
                Ipv4Address::new(198, 51, 100, number & 31)
            }
        };
        let operation = if kind & 2 == 0 { ArpOperation::Request } else { ArpOperation::Reply };
        let repr = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: host_mac(kind >> 2),
            source_protocol_addr: address(who),
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address(whom),
        };
        self.say_arp(if on_lan { LAN } else { FIBRE }, &repr);
    }

    fn say_arp(&mut self, port: PortId, repr: &ArpRepr) {
        let ArpRepr::EthernetIpv4 { source_hardware_addr: source, .. } = *repr else { return };
        let mut payload = vec![0; repr.buffer_len()];
        repr.emit(&mut ArpPacket::new_unchecked(&mut payload[..]));
        let destination = EthernetAddress::BROADCAST;
        let header = Header { destination, source, vlan: None, ether_type: ethernet::ARP };
        self.receive(port, &with_header(&header, &payload));
    }

    fn change_rules(&mut self, operation: u8, input: &mut Input<'_>) {
        if operation & 64 != 0 {
            return self.router.clear_rules();
        }
        let (zones, what) = (input.u8(), input.u8());
        let zone = |n: u8| [Zone::Lan, Zone::Wan, Zone::Router][usize::from(n & 3) % 3];
        let action = [Action::Accept, Action::Drop, Action::Reject][usize::from(what & 3) % 3];
        let protocols = [
            RuleProtocol::Any,
            RuleProtocol::Tcp,
            RuleProtocol::Udp,
            RuleProtocol::Icmp,
            RuleProtocol::TcpUdp,
        ];
        self.router.add_rule(Rule {
            protocol: protocols[usize::from(what >> 2 & 7) % 5],
            source: if what & 32 == 0 {
                Prefix::Any
            } else {
                Prefix::Ipv4(Ipv4Cidr::new(host(self.net, what >> 6), 32))
            },
            destination_ports: if zones & 64 == 0 { PortRange::ALL } else { PortRange::one(82) },
            log: zones & 128 != 0,
            ..Rule::new(zone(zones), zone(zones >> 2), action)
        });
    }

    fn change_forwards(&mut self, operation: u8, input: &mut Input<'_>) {
        if operation & 64 != 0 {
            return self.router.clear_forwards();
        }
        let what = input.u8();
        self.router.add_forward(Forward {
            protocol: [RuleProtocol::Tcp, RuleProtocol::Udp, RuleProtocol::TcpUdp][usize::from(what & 3) % 3],
            ports: PortRange { first: 2000, last: 2000 + u16::from(what >> 2 & 3) },
            host: host(self.net, what >> 4),
            host_port: 80 + u16::from(what >> 6),
            source: Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 0), if operation & 128 == 0 { 0 } else { 24 }),
        });
    }

    fn change_policy(&mut self, what: u8) {
        let filtering =
            [Filtering::AddressAndPortDependent, Filtering::AddressDependent, Filtering::EndpointIndependent];
        self.router.set_filtering(filtering[usize::from(what & 3) % 3]);
        self.router.set_dmz((what & 4 != 0).then(|| host(self.net, what >> 3)));
        let everybody = Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 0);
        self.router.set_ping(if what & 32 == 0 { PingPolicy::Nobody } else { PingPolicy::From(everybody) });
        self.router.set_host_quota([4, 8, 16, 1][usize::from(what >> 6)]);
    }

    /// The concentrator ends the session; the next one has another address.
    fn end_session(&mut self) {
        let mut buffer = [0; 6];
        let length = Writer::new(&mut buffer, Code::Padt, self.session_id).finish().expect("room enough");
        self.receive_from_line(ethernet::PPPOE_DISCOVERY, &buffer[..length]);
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
            while let Some((wan, _)) = self.router.poll_store(self.now) {
                is_quiet = false;
                self.router.handle_stored(self.now, wan, true);
            }
            while self.router.poll_lease(self.now).is_some() {}
            while self.router.poll_event().is_some() {}
            for (port, ether_type, payload) in answers {
                is_quiet = false;
                if port == LINE {
                    self.receive_from_line(ether_type, &payload);
                } else {
                    let arp = ArpPacket::new_checked(&payload[..]).expect("our own");
                    self.say_arp(port, &ArpRepr::parse(&arp).expect("our own"));
                }
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
        assert_eq!(used.index_entries, 2 * used.flows + 2 * used.mappings, "{used:?}");
        assert_eq!(used.mapped_flows[0], used.mapped_flows[1], "{used:?}");
        assert_eq!(used.host_flows[0], used.host_flows[1], "{used:?}");
        assert!(
            used.flows <= FLOWS && used.mappings <= used.flows && used.neighbours <= NEIGHBOURS,
            "{used:?}"
        );
        // Four fragments wait, two frames for a PADS, one is at hand for the next message.
        let in_use = frames_in_use(self.pool);
        assert!(in_use <= used.waiting + 4 + 2 + 1, "{in_use} frames kept, {used:?}");
    }

    /// The router sent something: it must be as it ought to be, and may have an answer.
    fn sent(&mut self, egress: Egress, frame: &Frame<'_>, answers: &mut Vec<(PortId, u16, Vec<u8>)>) {
        let bytes = frame.bytes();
        match egress {
            Egress::Stack(_) | Egress::LanStack if bytes[0] >> 4 == 6 => check_ipv6(bytes),
            Egress::Stack(_) | Egress::LanStack => {
                check_ip(bytes);
            }
            Egress::Port(port) => {
                assert!(bytes.len() <= 1518);
                let (header, payload) = Header::parse(bytes).expect("well-formed");
                assert_eq!(header.source, mac(port));
                assert_eq!(header.vlan, if port == LINE { self.vlan } else { None });
                match header.ether_type {
                    ethernet::ARP => self.sent_arp(port, payload, answers),
                    ethernet::IPV4 => {
                        assert!(port == LAN || port == FIBRE);
                        self.sent_ip(port, payload);
                    }
                    // It has no addresses here but those of its links: what they are asked it answers.
                    ethernet::IPV6 => check_ipv6(payload),
                    _ => self.sent_on_line(&header, payload, answers),
                }
            }
        }
    }

    fn sent_arp(&self, port: PortId, payload: &[u8], answers: &mut Vec<(PortId, u16, Vec<u8>)>) {
        let arp = ArpPacket::new_checked(payload).expect("well-formed");
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr: wanted,
            ..
        } = ArpRepr::parse(&arp).expect("well-formed")
        else {
            return;
        };
        let number = wanted.octets()[3].wrapping_sub(1);
        let (own, source_mac) =
            if port == LAN { (host(self.net, number), host_mac(number)) } else { (GATEWAY, GATEWAY_MAC) };
        if self.answers
            && own == wanted
            && wanted != source_protocol_addr
            && self.router.lan().is_some_and(|lan| lan.address() != wanted)
        {
            let repr = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: source_mac,
                source_protocol_addr: wanted,
                target_hardware_addr: source_hardware_addr,
                target_protocol_addr: source_protocol_addr,
            };
            let mut bytes = vec![0; repr.buffer_len()];
            repr.emit(&mut ArpPacket::new_unchecked(&mut bytes[..]));
            answers.push((port, ethernet::ARP, bytes));
        }
    }

    fn sent_ip(&mut self, port: PortId, payload: &[u8]) {
        let (source, destination) = check_ip(payload);
        assert!(payload[8] > 0, "its time to live is over");
        if port == LAN {
            // DHCP speaks to all, and to who has no address yet.
            let lan = self.router.lan().expect("there is one");
            let is_dhcp = payload[9] == 17 && payload[20..22] == [0, 67];
            assert!(is_dhcp || lan.contains_addr(&destination), "{destination} is not on the LAN");
        } else {
            assert_eq!(source, PLAIN_ADDRESS, "{source} is not our address");
        }
        self.last = payload.to_vec();
        self.last_on_lan = port == LAN;
    }

    fn sent_on_line(&mut self, header: &Header, payload: &[u8], answers: &mut Vec<(PortId, u16, Vec<u8>)>) {
        let packet = Packet::parse(payload).expect("well-formed");
        let mut confirm = |code, session_id, tags: &TagSet<'_>| {
            let mut buffer = [0; 200];
            let length = Writer::new(&mut buffer, code, session_id)
                .push(TagKind::ServiceName, b"")
                .push(TagKind::AcName, b"ac")
                .push_some(TagKind::HostUniq, tags.host_uniq)
                .finish()
                .expect("room enough");
            answers.push((LINE, ethernet::PPPOE_DISCOVERY, buffer[..length].to_vec()));
        };
        match packet.code {
            Code::Padi => confirm(Code::Pado, 0, &TagSet::parse(&packet).expect("well-formed")),
            Code::Padr => {
                self.session_id = self.session_id % 0x7FFF + 1;
                let address = self.peer.address.wrapping_add(1);
                self.peer = Peer::default();
                self.peer.address = address;
                confirm(Code::Pads, self.session_id, &TagSet::parse(&packet).expect("well-formed"));
            }
            Code::Session if packet.payload.starts_with(&[0x00, 0x21]) => {
                assert_eq!((header.destination, packet.session_id), (concentrator(0), self.session_id));
                assert_eq!(payload.len(), 6 + packet.payload.len(), "no padding");
                let (source, _) = check_ip(&packet.payload[2..]);
                assert!(packet.payload[2 + 8] > 0, "its time to live is over");
                let own = self.router.wan(PPPOE).and_then(|status| status.ipv4).map(|ipv4| ipv4.address);
                assert_eq!(Some(source), own, "not our address");
                self.last = packet.payload[2..].to_vec();
                self.last_on_lan = false;
            }
            Code::Session if packet.payload.starts_with(&[0x00, 0x57]) => check_ipv6(&packet.payload[2..]),
            Code::Session if packet.session_id == self.session_id => {
                for said in self.peer.oblige(packet.payload) {
                    let mut framed = vec![0; said.len() + 6];
                    let session =
                        Packet { code: Code::Session, session_id: packet.session_id, payload: &said };
                    session.emit(&mut framed).expect("room enough");
                    answers.push((LINE, ethernet::PPPOE_SESSION, framed));
                }
            }
            Code::Session | Code::Padt => {}
            other => panic!("a client does not send {other:?}"),
        }
    }
}

fn with_header(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; header.len()];
    header.emit(&mut bytes).expect("room enough");
    bytes.extend(payload);
    bytes
}

/// The header of an IPv6 packet must be right, and nothing behind it.
pub(crate) fn check_ipv6(bytes: &[u8]) {
    let packet = Ipv6Packet::new_checked(bytes).expect("well-formed");
    assert_eq!((packet.version(), packet.total_len()), (6, bytes.len()), "no padding");
    assert!(packet.hop_limit() > 0, "its hop limit is over");
}

/// Source and destination of a packet whose header must be right, and nothing behind it.
fn check_ip(bytes: &[u8]) -> (Ipv4Address, Ipv4Address) {
    let packet = Ipv4Packet::new_checked(bytes).expect("well-formed");
    assert!(packet.verify_checksum(), "{bytes:02x?}");
    assert_eq!(usize::from(packet.total_len()), bytes.len(), "no padding");
    (packet.src_addr(), packet.dst_addr())
}

/// The packet with its lengths and checksums right. No more than it is long.
fn refilled(mut packet: Vec<u8>) -> Vec<u8> {
    if packet.len() < 20 {
        return packet;
    }
    let len = packet.len() as u16;
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    let address = |at: usize| {
        IpAddress::Ipv4(Ipv4Address::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]))
    };
    let (from, to, protocol) = (address(12), address(16), packet[9]);
    let is_part = packet[6] & 0x3F != 0 || packet[7] != 0;
    let (header, payload) = packet.split_at_mut(20);
    match protocol {
        _ if is_part => {}
        1 if payload.len() >= 8 => Icmpv4Packet::new_unchecked(&mut *payload).fill_checksum(),
        6 if payload.len() >= 20 => TcpPacket::new_unchecked(&mut *payload).fill_checksum(&from, &to),
        17 if payload.len() >= 8 => {
            let len = payload.len() as u16;
            let mut datagram = UdpPacket::new_unchecked(&mut *payload);
            datagram.set_len(len);
            datagram.fill_checksum(&from, &to);
        }
        _ => {}
    }
    Ipv4Packet::new_unchecked(header).fill_checksum();
    packet
}

/// With the highest bit set, one octet is another, and the checksums are right all the same, or not.
fn damaged(operation: u8, mut packet: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    if operation & 128 == 0 || packet.is_empty() {
        return packet;
    }
    let (at, value, how) = (usize::from(input.u8()), input.u8(), input.u8());
    let at = at % packet.len().min(64);
    packet[at] = value;
    if how & 1 == 0 {
        packet = refilled(packet);
    } else if how & 2 == 0 && packet.len() >= 20 && packet[0] == 0x45 {
        Ipv4Packet::new_unchecked(&mut packet[..]).fill_checksum();
    }
    let cut = usize::from(how >> 4);
    let len = packet.len().saturating_sub(cut);
    packet.truncate(len);
    packet
}

/// The answer to a packet: its ends changed about.
fn turned(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet.len() >= 28 {
        let (source, destination) = packet[12..20].split_at_mut(4);
        source.swap_with_slice(destination);
        packet[8] = 64;
        match packet[9] {
            6 => {
                packet[20..24].rotate_left(2);
                packet.get_mut(33).into_iter().for_each(|flags| *flags |= 16);
            }
            17 => packet[20..24].rotate_left(2),
            1 if packet[20] == 8 => packet[20] = 0,
            _ => {}
        }
    }
    refilled(packet)
}

/// An ICMP error to the sender of a packet.
fn error_about(packet: &[u8], kind: u8, quoted: usize) -> Vec<u8> {
    if packet.len() < 20 {
        return Vec::new();
    }
    let kinds = [(3, 1), (3, 3), (3, 4), (11, 0), (12, 0), (5, 0), (4, 0), (3, 13)];
    let (kind, code) = kinds[usize::from(kind & 7)];
    let mut error = packet[..20].to_vec();
    error[6..10].copy_from_slice(&[0, 0, 64, 1]);
    let (source, destination) = error[12..20].split_at_mut(4);
    destination.copy_from_slice(source);
    source.copy_from_slice(if quoted & 1 == 0 { &packet[16..20] } else { &[203, 0, 113, 1] });
    error.extend([kind, code, 0, 0, 0, 0, 5, 0]);
    error.extend(&packet[..packet.len().min(20 + quoted)]);
    refilled(error)
}

/// A part of a datagram.
fn part_of(whole: &[u8], offset: usize, len: usize) -> Vec<u8> {
    let Some((header, payload)) = whole.split_at_checked(20) else { return Vec::new() };
    let begin = offset.min(payload.len());
    let end = (begin + len).min(payload.len());
    let mut part = [header, &payload[begin..end]].concat();
    let more = if end < payload.len() { 0x2000 } else { 0 };
    part[6..8].copy_from_slice(&((begin / 8) as u16 | more).to_be_bytes());
    refilled(part)
}

fn frames_in_use(pool: Pool<'_>) -> usize {
    (0..MAX_PORTS).map(|port| usize::from(pool.counters(PortId(port as u8)).in_use)).sum()
}
