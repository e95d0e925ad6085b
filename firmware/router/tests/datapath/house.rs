//! The world around the router: a LAN, a line, the Internet, and a clock that only moves when it is told to.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{Frame, FramePool, LinkState, MAX_PORTS, Pool, PortId};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::Boot;
use gatelet_router::{
    Addressing, DatapathEvent, Dropped, Egress, EthernetWanConfig, LanConfig, Router, RouterEvent,
    TableSpace, TableUse, WanConfig, WanId,
};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use gatelet_wire::pppoe::{Code, Packet};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, Ipv4Address, Ipv4Cidr};

use crate::concentrator::Concentrator;
use crate::house6::House6;
use crate::packets::{TTL, check, check_header, ttl, words};
use crate::server::{CLIENT_ADDRESS, PASSWORD, USERNAME};

pub(crate) const WAN_PORT: PortId = PortId(0);
pub(crate) const LAN_PORT: PortId = PortId(1);
pub(crate) const WAN: WanId = WanId(0);
/// A line of plain Ethernet, where there are two.
pub(crate) const FIBRE_PORT: PortId = PortId(2);
pub(crate) const FIBRE_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 3]);
pub(crate) const FIBRE_ADDRESS: Ipv4Address = Ipv4Address::new(203, 0, 113, 34);
pub(crate) const FIBRE_GATEWAY: Ipv4Address = Ipv4Address::new(203, 0, 113, 33);
const WAN_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const LAN_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

/// The router on the LAN.
pub(crate) const GATEWAY: Ipv4Address = Ipv4Address::new(192, 168, 1, 1);
/// Hosts on the LAN.
pub(crate) const ANN: Ipv4Address = Ipv4Address::new(192, 168, 1, 10);
pub(crate) const BOB: Ipv4Address = Ipv4Address::new(192, 168, 1, 11);
pub(crate) const CAT: Ipv4Address = Ipv4Address::new(192, 168, 1, 12);
/// Our address on the WAN.
pub(crate) const OURS: Ipv4Address = CLIENT_ADDRESS;
/// Hosts on the Internet.
pub(crate) const WEB: Ipv4Address = Ipv4Address::new(192, 0, 2, 80);
pub(crate) const FAR: Ipv4Address = Ipv4Address::new(198, 51, 100, 9);
/// A router on the way to them.
pub(crate) const HOP: Ipv4Address = Ipv4Address::new(203, 0, 113, 1);

const FLOWS: usize = 64;
const NEIGHBOURS: usize = 16;
const FRAMES: usize = 48;

pub(crate) struct House {
    pub(crate) now: Instant,
    pub(crate) router: Router<'static>,
    pub(crate) pool: Pool<'static>,
    pub(crate) isp: Concentrator,
    /// Who is on the LAN and answers ARP.
    pub(crate) hosts: Vec<Ipv4Address>,
    /// Frames to the LAN that are no ARP questions and answers of ours, with the addressee.
    lan_inbox: Vec<(EthernetAddress, Vec<u8>)>,
    wan_inbox: Vec<Vec<u8>>,
    fibre_inbox: Vec<(EthernetAddress, Vec<u8>)>,
    stack_inbox: Vec<(Egress, Vec<u8>)>,
    /// What is IPv6, and whatever is about it.
    pub(crate) v6: House6,
    /// ARP packets that the router sent on the LAN.
    pub(crate) arp_seen: Vec<ArpRepr>,
    pub(crate) events: Vec<DatapathEvent>,
    /// How far frames begin from where they should: with 1, no word is aligned, and nothing takes the fast path.
    pub(crate) skew: usize,
    /// The TTL of what is forwarded, unless it may be any.
    pub(crate) ttl: u8,
    pub(crate) any_ttl: bool,
    /// What comes in may be broken: only the IP headers of what leaves are verified.
    pub(crate) lenient: bool,
}

impl House {
    /// A line that is up, and three hosts of whom the router has not heard yet.
    pub(crate) fn new() -> Self {
        Self::with(None, FLOWS)
    }

    pub(crate) fn with(vlan: Option<VlanTag>, flows: usize) -> Self {
        let mut house = match flows {
            64 => Self::bare(vlan, TableSpace::<64, NEIGHBOURS>::new()),
            16 => Self::bare(vlan, TableSpace::<16, NEIGHBOURS>::new()),
            1024 => Self::bare(vlan, TableSpace::<1024, 255>::new()),
            other => panic!("no tables of {other} flows"),
        };
        house.come_up();
        house
    }

    fn bare<const N: usize, const M: usize>(vlan: Option<VlanTag>, tables: TableSpace<N, M>) -> Self {
        // Tests are short: their pools and tables may stay.
        let pool: &'static FramePool<NoopRawMutex, FRAMES> = Box::leak(Box::new(FramePool::new()));
        let tables = Box::leak(Box::new(tables));
        let now = Instant::from_secs(1000);
        let mut router = Router::new(pool.pool(), [7; 32]);
        assert!(router.add_port(WAN_PORT, WAN_MAC, 1518));
        assert!(router.add_port(LAN_PORT, LAN_MAC, 1514));
        router.lend_tables(tables.lend());
        let mut config = WanConfig::new(WAN_PORT, Credentials::new(USERNAME, PASSWORD).expect("short"));
        config.vlan = vlan;
        assert_eq!(router.add_wan(now, config, Boot::Warm, None), Some(WAN));
        assert!(router.add_lan(now, LanConfig::new(LAN_PORT, Ipv4Cidr::new(GATEWAY, 24))));
        let mut isp = Concentrator::new(1);
        isp.vlan = vlan;
        let mut house = Self {
            now,
            router,
            pool: pool.pool(),
            isp,
            hosts: vec![ANN, BOB, CAT],
            lan_inbox: Vec::new(),
            wan_inbox: Vec::new(),
            fibre_inbox: Vec::new(),
            stack_inbox: Vec::new(),
            v6: House6::default(),
            arp_seen: Vec::new(),
            events: Vec::new(),
            skew: 0,
            ttl: TTL,
            any_ttl: false,
            lenient: false,
        };
        house.router.handle_link(now, WAN_PORT, LinkState::Up);
        house.router.handle_link(now, LAN_PORT, LinkState::Up);
        house.settle();
        house
    }

    /// A second line: plain Ethernet, a network of eight addresses, and a gateway that answers ARP.
    pub(crate) fn add_fibre(&mut self) {
        let addressing = Addressing::Static {
            address: Ipv4Cidr::new(FIBRE_ADDRESS, 29),
            gateway: FIBRE_GATEWAY,
            dns: [None, None],
        };
        let config = EthernetWanConfig { port: FIBRE_PORT, vlan: None, mac: None, addressing };
        assert!(self.router.add_port(FIBRE_PORT, FIBRE_MAC, 1514));
        assert!(self.router.add_ethernet_wan(self.now, config).is_some());
        self.hosts.push(FIBRE_GATEWAY);
        self.router.handle_link(self.now, FIBRE_PORT, LinkState::Up);
        self.settle();
        self.run_secs(10);
        self.arp_seen.clear();
    }

    /// A packet from the Internet, through the gateway of the second line.
    pub(crate) fn fibre_sends(&mut self, packet: &[u8]) {
        let header = Header {
            destination: FIBRE_MAC,
            source: mac(FIBRE_GATEWAY),
            vlan: None,
            ether_type: ethernet::IPV4,
        };
        self.receive(FIBRE_PORT, &framed(&header, packet));
    }

    /// What left by the second line, and to whom.
    pub(crate) fn fibre_got(&mut self) -> Vec<(EthernetAddress, String)> {
        std::mem::take(&mut self.fibre_inbox).iter().map(|(to, packet)| (*to, words(packet))).collect()
    }

    /// Waits for the line.
    #[track_caller]
    pub(crate) fn come_up(&mut self) {
        self.isp.alive = true;
        for _ in 0..10_000 {
            if self.address().is_some() {
                self.settle();
                self.arp_seen.clear();
                return;
            }
            let next = self.next_at().expect("something is due");
            self.run_until(next);
        }
        panic!("the line does not come up");
    }

    /// Our address on the WAN.
    pub(crate) fn address(&self) -> Option<Ipv4Address> {
        self.router.wan(WAN).and_then(|status| status.ipv4).map(|ipv4| ipv4.address)
    }

    // What arrives.

    /// A host on the LAN sends an IP packet to the router.
    pub(crate) fn lan_sends(&mut self, host: Ipv4Address, packet: &[u8]) {
        self.lan_frame(mac(host), LAN_MAC, ethernet::IPV4, packet);
    }

    pub(crate) fn lan_frame(
        &mut self,
        source: EthernetAddress,
        destination: EthernetAddress,
        ether_type: u16,
        payload: &[u8],
    ) {
        let header = Header { destination, source, vlan: None, ether_type };
        self.receive(LAN_PORT, &framed(&header, payload));
    }

    /// A packet from the Internet, through the session.
    pub(crate) fn internet_sends(&mut self, packet: &[u8]) {
        let frame = self.session_frame(&[&[0x00, 0x21], packet].concat());
        self.receive(WAN_PORT, &frame);
    }

    /// A frame of the session with this PPP packet.
    pub(crate) fn session_frame(&self, ppp: &[u8]) -> Vec<u8> {
        let session = *self.isp.sessions.keys().next_back().expect("there is a session");
        let header = Header {
            destination: WAN_MAC,
            source: self.isp.mac,
            vlan: self.isp.vlan,
            ether_type: ethernet::PPPOE_SESSION,
        };
        let mut payload = vec![0; 6 + ppp.len()];
        let packet = Packet { code: Code::Session, session_id: session, payload: ppp };
        packet.emit(&mut payload).expect("fits");
        framed(&header, &payload)
    }

    /// A frame arrives, padded as on the wire.
    pub(crate) fn receive(&mut self, port: PortId, bytes: &[u8]) {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().max(ethernet::MIN_FRAME_LEN), 0xEE);
        if let Some(mut frame) = self.pool.take(port) {
            if self.skew > 0 {
                frame.clear(gatelet_hal::HEADROOM - self.skew);
            }
            assert!(frame.extend(&padded));
            let sent = self.router.handle_frame(self.now, port, frame);
            self.sent(sent);
        }
        self.settle();
    }

    /// The router's own `wan` stack sends a packet.
    pub(crate) fn wan_stack_sends(&mut self, packet: &[u8]) {
        let frame = self.stack_frame(packet);
        let sent = self.router.handle_stack_packet(self.now, WAN, frame);
        self.sent(sent);
        self.settle();
    }

    /// The router's own `lan` stack sends a packet.
    pub(crate) fn lan_stack_sends(&mut self, packet: &[u8]) {
        let frame = self.stack_frame(packet);
        let sent = self.router.handle_lan_packet(self.now, frame);
        self.sent(sent);
        self.settle();
    }

    fn stack_frame(&self, packet: &[u8]) -> Frame<'static> {
        let mut frame = self.pool.take(PortId::LOCAL).expect("a frame is free");
        frame.clear(Frame::IP_HEADROOM);
        assert!(frame.extend(packet));
        frame
    }

    // What leaves.

    /// What hosts on the LAN got since the last call, in words.
    pub(crate) fn lan_got(&mut self) -> Vec<String> {
        self.lan_packets().iter().map(|packet| words(packet)).collect()
    }

    /// The packets themselves.
    pub(crate) fn lan_packets(&mut self) -> Vec<Vec<u8>> {
        self.lan_frames().into_iter().map(|(_, packet)| packet).collect()
    }

    /// The packets and the hardware addresses they went to.
    pub(crate) fn lan_frames(&mut self) -> Vec<(EthernetAddress, Vec<u8>)> {
        std::mem::take(&mut self.lan_inbox)
    }

    pub(crate) fn internet_got(&mut self) -> Vec<String> {
        self.internet_packets().iter().map(|packet| words(packet)).collect()
    }

    pub(crate) fn internet_packets(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.wan_inbox)
    }

    /// What the router's own stacks got.
    pub(crate) fn stacks_got(&mut self) -> Vec<String> {
        let said = |(egress, packet): (Egress, Vec<u8>)| {
            let stack = if egress == Egress::LanStack { "lan" } else { "wan" };
            format!("{stack}: {}", words(&packet))
        };
        std::mem::take(&mut self.stack_inbox).into_iter().map(said).collect()
    }

    /// Panics if anything left that no test has looked at.
    #[track_caller]
    pub(crate) fn assert_silent(&mut self) {
        assert_eq!(self.lan_got(), [""; 0], "to the LAN");
        assert_eq!(self.internet_got(), [""; 0], "to the Internet");
        assert_eq!(self.stacks_got(), [""; 0], "to the stacks");
        assert_eq!(self.v6.everything(), [""; 0], "by IPv6");
    }

    #[track_caller]
    fn sent(&mut self, sent: Option<(Egress, Frame<'static>)>) {
        let Some((egress, frame)) = sent else { return };
        let bytes = frame.bytes().to_vec();
        drop(frame);
        match egress {
            Egress::Port(port @ (LAN_PORT | FIBRE_PORT)) => self.sent_on_ethernet(port, &bytes),
            Egress::Port(WAN_PORT) => self.sent_on_wan(&bytes),
            Egress::Port(port) => panic!("no such port: {port:?}"),
            stack if bytes[0] >> 4 == 6 => self.v6.heard_by_stack(stack, bytes),
            stack => {
                if self.lenient {
                    check_header(&bytes);
                } else {
                    check(&bytes);
                }
                self.stack_inbox.push((stack, bytes));
            }
        }
    }

    #[track_caller]
    fn sent_on_ethernet(&mut self, port: PortId, bytes: &[u8]) {
        assert!(bytes.len() <= 1514, "too long for Ethernet");
        let (header, payload) = Header::parse(bytes).expect("readable");
        let own = if port == LAN_PORT { LAN_MAC } else { FIBRE_MAC };
        assert_eq!((header.source, header.vlan), (own, None));
        match header.ether_type {
            ethernet::ARP => {
                assert!(
                    bytes.len() >= ethernet::MIN_FRAME_LEN && payload[28..].iter().all(|byte| *byte == 0)
                );
                let arp = ArpPacket::new_checked(payload).expect("readable");
                self.hear_arp(port, &header, ArpRepr::parse(&arp).expect("readable"));
            }
            ethernet::IPV4 => {
                assert!(header.destination.is_unicast());
                self.check_packet(payload);
                let inbox = if port == LAN_PORT { &mut self.lan_inbox } else { &mut self.fibre_inbox };
                inbox.push((header.destination, payload.to_vec()));
            }
            ethernet::IPV6 => self.ipv6_on_ethernet(port, &header, payload),
            other => panic!("EtherType {other:#06x}"),
        }
    }

    /// Hosts answer who asks for them.
    fn hear_arp(&mut self, port: PortId, header: &Header, repr: ArpRepr) {
        self.arp_seen.push(repr);
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr: wanted,
            ..
        } = repr
        else {
            return;
        };
        let heard = header.destination.is_broadcast() || header.destination == mac(wanted);
        if self.hosts.contains(&wanted) && heard && source_protocol_addr != wanted {
            self.say_arp(
                port,
                &ArpRepr::EthernetIpv4 {
                    operation: ArpOperation::Reply,
                    source_hardware_addr: mac(wanted),
                    source_protocol_addr: wanted,
                    target_hardware_addr: source_hardware_addr,
                    target_protocol_addr: source_protocol_addr,
                },
            );
        }
    }

    /// A station on the LAN sends an ARP packet: an answer to the router alone, anything else to all.
    pub(crate) fn lan_arp(&mut self, repr: &ArpRepr) {
        self.say_arp(LAN_PORT, repr);
    }

    fn say_arp(&mut self, port: PortId, repr: &ArpRepr) {
        let ArpRepr::EthernetIpv4 { operation, source_hardware_addr, .. } = *repr else {
            panic!("no other hardware")
        };
        let own = if port == LAN_PORT { LAN_MAC } else { FIBRE_MAC };
        let destination = if operation == ArpOperation::Reply { own } else { EthernetAddress::BROADCAST };
        let mut payload = vec![0; repr.buffer_len()];
        repr.emit(&mut ArpPacket::new_unchecked(&mut payload[..]));
        let header =
            Header { destination, source: source_hardware_addr, vlan: None, ether_type: ethernet::ARP };
        let bytes = framed(&header, &payload);
        let mut frame = self.pool.take(port).expect("a frame is free");
        assert!(frame.extend(&bytes));
        let sent = self.router.handle_frame(self.now, port, frame);
        self.sent(sent);
    }

    #[track_caller]
    fn sent_on_wan(&mut self, bytes: &[u8]) {
        let (header, payload) = Header::parse(bytes).expect("readable");
        assert_eq!((header.source, header.vlan), (WAN_MAC, self.isp.vlan));
        let packet = Packet::parse(payload).expect("readable");
        if packet.code == Code::Session && packet.payload.starts_with(&[0x00, 0x21]) {
            assert_eq!(header.destination, self.isp.mac);
            assert!(self.isp.sessions.contains_key(&packet.session_id));
            assert_eq!(payload.len(), 6 + packet.payload.len(), "nothing behind the packet");
            self.check_packet(&packet.payload[2..]);
            assert!(packet.payload.len() - 2 <= 1492, "too long for the session");
            self.wan_inbox.push(packet.payload[2..].to_vec());
        } else if packet.code == Code::Session && packet.payload.starts_with(&[0x00, 0x57]) {
            assert_eq!(payload.len(), 6 + packet.payload.len(), "nothing behind the packet");
            assert!(packet.payload.len() - 2 <= 1492, "too long for the session");
            self.v6.heard_outside(&packet.payload[2..], self.ttl);
        } else {
            self.isp.handle_frame(self.now, bytes);
        }
    }

    #[track_caller]
    fn check_packet(&self, packet: &[u8]) {
        if self.lenient {
            return check_header(packet);
        }
        check(packet);
        let ttl = ttl(packet);
        assert!(self.any_ttl || ttl == 64 || ttl == self.ttl - 1, "TTL {ttl} of {}", words(packet));
    }

    // Time.

    /// Carries out what the router and the concentrator want.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        loop {
            let mut busy = false;
            while let Some(sent) = self.router.poll_transmit(self.now) {
                busy = true;
                self.sent(Some(sent));
            }
            while let Some((wan, _)) = self.router.poll_store(self.now) {
                busy = true;
                self.router.handle_stored(self.now, wan, true);
            }
            while let Some(event) = self.router.poll_event() {
                if let RouterEvent::Datapath(event) = event {
                    self.events.push(event);
                }
            }
            for bytes in std::mem::take(&mut self.isp.out) {
                busy = true;
                let mut frame = self.pool.take(WAN_PORT).expect("a frame is free");
                assert!(frame.extend(&bytes));
                let sent = self.router.handle_frame(self.now, WAN_PORT, frame);
                self.sent(sent);
            }
            if !busy {
                return;
            }
        }
    }

    fn next_at(&self) -> Option<Instant> {
        self.router.poll_at().into_iter().chain(self.isp.poll_at()).min()
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(end);
    }

    pub(crate) fn run_secs(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    fn run_until(&mut self, end: Instant) {
        let mut spins = 0;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            spins = if at <= self.now { spins + 1 } else { 0 };
            assert!(spins < 100, "time stands still at {}", self.now);
            self.now = self.now.max(at);
            if self.isp.poll_at().is_some_and(|at| at <= self.now) {
                self.isp.handle_timeout(self.now);
            }
            self.router.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    // The line.

    /// The session ends, and the next one has this address.
    pub(crate) fn redial(&mut self, address: Ipv4Address) {
        self.drop_line();
        self.isp.client_address = address;
        self.come_up();
        assert_eq!(self.address(), Some(address));
    }

    /// The concentrator ends the session.
    pub(crate) fn drop_line(&mut self) {
        let ids: Vec<_> = self.isp.sessions.keys().copied().collect();
        for id in ids {
            self.isp.kick(id);
        }
        // Else the next session might be there at once.
        self.isp.alive = false;
        self.settle();
        assert_eq!(self.address(), None);
    }

    // What is counted.

    /// What `act` has dropped.
    pub(crate) fn dropped_by(&mut self, act: impl FnOnce(&mut Self)) -> Vec<(Dropped, u32)> {
        let before = *self.router.counters();
        act(self);
        let after = self.router.counters();
        after
            .iter()
            .map(|(reason, count)| (reason, count - before.of(reason)))
            .filter(|(_, n)| *n > 0)
            .collect()
    }

    pub(crate) fn table_use(&self) -> TableUse {
        self.router.table_use().expect("tables are lent")
    }

    pub(crate) fn flows(&self) -> usize {
        self.table_use().flows
    }

    /// Panics if the tables contradict each other, or a frame is missing.
    #[track_caller]
    pub(crate) fn check_tables(&self) {
        let used = self.table_use();
        assert_eq!(used.index_entries, 2 * used.flows + 2 * used.mappings, "{used:?}");
        assert_eq!(used.mapped_flows[0], used.mapped_flows[1], "{used:?}");
        assert_eq!(used.host_flows[0], used.host_flows[1], "{used:?}");
        assert_eq!(used.index_entries6, 2 * used.flows6, "{used:?}");
        assert_eq!(used.host_flows6[0], used.host_flows6[1], "{used:?}");
        let frames: u16 = (0..MAX_PORTS as u8).map(|port| self.pool.counters(PortId(port)).in_use).sum();
        // One is at hand for the next control message.
        assert!(usize::from(frames) <= used.waiting + 4 + 1, "{frames} frames out, {used:?}");
    }
}

/// The hardware address of a host on the LAN.
pub(crate) fn mac(host: Ipv4Address) -> EthernetAddress {
    let [.., last] = host.octets();
    EthernetAddress([2, 0, 0, 0, 0x10, last])
}

pub(crate) fn framed(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; header.len()];
    header.emit(&mut bytes).expect("fits");
    bytes.extend(payload);
    bytes
}
