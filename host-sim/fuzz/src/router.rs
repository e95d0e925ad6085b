//! The whole WAN machine: the router fed with frames, time, link changes, commands, slow and failing
//! flash, reboots. Two lines on one port, told apart by their VLAN, each with a concentrator that may
//! oblige, mislead or ignore it.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{FramePool, LinkState, MAX_PORTS, Pool, PortId};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::{Boot, Ledger, Policy, Preset};
use gatelet_router::{Command, Egress, Router, RouterEvent, WanConfig, WanEvent, WanId, WanState};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use gatelet_wire::ppp::{self, Protocol};
use gatelet_wire::pppoe::{Code, Packet, TagKind, TagSet, Writer, is_session_id};
use smoltcp::time::Instant;

use crate::input::Input;
use crate::ppp::Peer;
use crate::pppoe::{concentrator, speak};
use crate::redial::{Meter, NIGHTLY};

const FRAMES: usize = 16;
const WANS: usize = 2;
const WAN_PORT: PortId = PortId(0);
const MAC: EthernetAddress = EthernetAddress([2, 0, 0x5e, 0, 0x53, 0xAA]);
/// 14 and 4 of Ethernet, 8 of `PPPoE`, 1500 of IP.
const MAX_FRAME_LEN: usize = 1526;
/// An obliging concentrator's conversation, from PADI to IPv6, is shorter than this.
const DRAIN_MOST: usize = 200;

/// Any sequence of steps. The router never panics and never stands still; its lines stay within the
/// discovery budget across reboots; it keeps no frame it does not need and sends none that is
/// malformed; nothing is up without a session.
pub fn operations(input: &[u8]) {
    let frames = FramePool::<NoopRawMutex, FRAMES>::new();
    let mut input = Input::new(input);
    let mut world = World::new(frames.pool(), &mut input);
    while let Some(operation) = input.operation() {
        world.step(operation, &mut input);
    }
    drop(world);
    assert_eq!(frames_in_use(frames.pool()), 0, "all frames are back");
}

struct World<'p> {
    router: Router<'p>,
    pool: Pool<'p>,
    policy: Policy,
    seed: u8,
    /// Time that goes on while the power is off.
    time: Instant,
    booted: Instant,
    flash: [Option<Ledger>; WANS],
    flash_mood: FlashMood,
    /// Being written.
    records: [Option<Ledger>; WANS],
    boots: u8,
    isps: [Isp; WANS],
}

#[derive(Clone, Copy, PartialEq)]
enum FlashMood {
    Fine,
    Slow,
    Broken,
}

/// One line's concentrator.
struct Isp {
    vlan: Option<VlanTag>,
    discovery: Meter,
    host_uniq: Vec<u8>,
    is_obliging: bool,
    session_id: u16,
    peer: Peer,
}

impl<'p> World<'p> {
    fn new(pool: Pool<'p>, input: &mut Input<'_>) -> Self {
        let seed = input.u8();
        let preset = [Preset::Unicom, Preset::Telecom, Preset::Mobile, Preset::Generic];
        let mut policy = Policy::preset(preset[usize::from(seed & 3)]);
        policy.nightly = (seed & 0x40 != 0).then_some(NIGHTLY);
        let isp = |vlan| Isp {
            vlan,
            discovery: Meter::new("discovery messages", policy.discovery),
            host_uniq: Vec::new(),
            is_obliging: seed & 4 == 0,
            session_id: 0,
            peer: Peer::default(),
        };
        let vlan = VlanTag::new(35).expect("in range");
        let mut world = Self {
            router: Router::new(pool, [seed; 32]),
            pool,
            isps: [isp(None), isp(Some(vlan))],
            policy,
            seed,
            time: Instant::ZERO,
            booted: Instant::ZERO,
            flash: [None, None],
            flash_mood: FlashMood::Fine,
            records: [None, None],
            boots: 0,
        };
        world.boot(Boot::Cold, [None, None]);
        world
    }

    /// The router's own time: it begins anew with each boot.
    fn now(&self) -> Instant {
        Instant::ZERO + (self.time - self.booted)
    }

    fn config(&self, wan: usize, wishes: u8) -> WanConfig {
        let credentials = Credentials::new("0101234@adsl", "secret").expect("short enough");
        let mut config = WanConfig::new(WAN_PORT, credentials);
        config.vlan = self.isps[wan].vlan;
        config.policy = self.policy.clone();
        config.jumbo = wishes & 1 == 0;
        config.ipv6 = wishes & 2 == 0;
        config.ac_mac = (wishes & 4 != 0).then(|| concentrator(1));
        config.mac = (wishes & 8 != 0).then_some(MAC);
        config
    }

    fn boot(&mut self, boot: Boot, ledgers: [Option<Ledger>; WANS]) {
        self.booted = self.time;
        self.records = [None, None];
        self.boots = self.boots.wrapping_add(1);
        self.router = Router::new(self.pool, [self.boots; 32]);
        assert!(self.router.add_port(WAN_PORT, MAC, MAX_FRAME_LEN));
        for (wan, ledger) in ledgers.into_iter().enumerate() {
            let config = self.config(wan, self.seed >> 3);
            assert_eq!(self.router.add_wan(self.now(), config, boot, ledger), Some(WanId(wan as u8)));
        }
        self.drain();
    }

    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        let now = self.now();
        let wan = usize::from(operation >> 7);
        let id = WanId(wan as u8);
        match operation & 31 {
            0 => self.time += input.duration(),
            1..=4 => self.jump(),
            5 => self.router.handle_link(now, WAN_PORT, LinkState::Up),
            6 => self.router.handle_link(now, WAN_PORT, LinkState::Down),
            7 => self.router.handle_command(now, Command::Dial { wan: id, force: input.u8() & 1 == 1 }),
            8 => self.router.handle_command(now, Command::HangUp { wan: id }),
            9 => self.router.handle_command(now, Command::Shutdown),
            10 => {
                let config = self.config(wan, input.u8());
                self.router.handle_command(now, Command::Reconfigure { wan: id, config });
            }
            11 => self.router.handle_command(now, Command::NoTraffic { wan: id }),
            12 => {
                let unix_seconds = u64::from(input.u16()) * 60;
                self.router.handle_command(now, Command::WallClock { unix_seconds });
            }
            13 => self.isps[wan].is_obliging ^= true,
            14 => {
                self.flash_mood =
                    [FlashMood::Fine, FlashMood::Slow, FlashMood::Broken][usize::from(input.u8()) % 3];
            }
            15 => self.finish_records(),
            16 => self.reboot(input),
            17 => self.receive(input.octets()),
            // A PADO or PADS, more or less to the point.
            18 | 19 => {
                let isp = &self.isps[wan];
                let (source, packet) = speak(&isp.host_uniq, b"", input);
                self.receive_from(wan, source, ethernet::PPPOE_DISCOVERY, &packet);
            }
            20 => self.padt(wan, input),
            // Data, or anything else with the protocol of data.
            21 => {
                let session_id = self.isps[wan].session_id;
                let payload =
                    [&[0x00, if input.u8() & 1 == 0 { 0x21 } else { 0x57 }], input.octets()].concat();
                self.receive_session(wan, session_id, &payload);
            }
            22 => self.send_data(id, input),
            // Whatever a PPP peer may say, to our session or to another one.
            spoken => {
                let isp = &self.isps[wan];
                let session_id = isp.session_id ^ u16::from(operation >> 6 & 1);
                if let Some(packet) = isp.peer.speak((spoken - 23) % 7, input) {
                    self.receive_session(wan, session_id, &packet);
                }
            }
        }
        self.drain();
    }

    /// To the very moment the router wants to be called again.
    fn jump(&mut self) {
        if let Some(at) = self.router.poll_at() {
            self.time = self.time.max(self.booted + (at - Instant::ZERO));
        }
    }

    fn reboot(&mut self, input: &mut Input<'_>) {
        let now = self.now();
        let kind = input.u8();
        if kind & 1 == 0 {
            let ledgers = [0, 1].map(|wan| self.router.snapshot(now, WanId(wan)));
            self.boot(Boot::Warm, ledgers);
        } else {
            self.time += input.duration();
            self.boot(Boot::Cold, self.flash.clone());
        }
        if kind & 2 == 0 {
            self.router.handle_link(self.now(), WAN_PORT, LinkState::Up);
        }
    }

    fn padt(&mut self, wan: usize, input: &mut Input<'_>) {
        let (source, other) = (concentrator(input.u8()), input.u8());
        let session_id = self.isps[wan].session_id ^ u16::from(other);
        let mut buffer = [0; 300];
        let length = Writer::new(&mut buffer, Code::Padt, session_id)
            .push(TagKind::GenericError, input.octets())
            .finish()
            .expect("room enough");
        self.receive_from(wan, source, ethernet::PPPOE_DISCOVERY, &buffer[..length]);
    }

    fn send_data(&mut self, wan: WanId, input: &mut Input<'_>) {
        let Some(mut frame) = self.pool.take(PortId::LOCAL) else { return };
        let length = usize::from(input.u16()) % 1600;
        let packet: Vec<u8> = std::iter::once(0x45).chain(0..=255).cycle().take(length).collect();
        frame.clear(gatelet_hal::Frame::IP_HEADROOM);
        if frame.extend(&packet)
            && let Some((egress, frame)) = self.router.handle_stack_packet(self.now(), wan, frame)
        {
            assert_eq!(egress, Egress::Port(WAN_PORT));
            self.sent(frame.bytes(), &mut Vec::new());
        }
    }

    fn receive_session(&mut self, wan: usize, session_id: u16, payload: &[u8]) {
        let mut packet = vec![0; payload.len() + 6];
        let session = Packet { code: Code::Session, session_id, payload };
        session.emit(&mut packet).expect("room enough");
        self.receive_from(wan, concentrator(0), ethernet::PPPOE_SESSION, &packet);
    }

    fn receive_from(&mut self, wan: usize, source: EthernetAddress, ether_type: u16, payload: &[u8]) {
        let header = Header { destination: MAC, source, vlan: self.isps[wan].vlan, ether_type };
        let mut bytes = vec![0; header.len()];
        header.emit(&mut bytes).expect("room enough");
        bytes.extend(payload);
        self.receive(&bytes);
    }

    fn receive(&mut self, bytes: &[u8]) {
        let Some(mut frame) = self.pool.take(WAN_PORT) else { return };
        if frame.extend(&bytes[..bytes.len().min(MAX_FRAME_LEN)])
            && let Some((egress, frame)) = self.router.handle_frame(self.now(), WAN_PORT, frame)
        {
            assert!(matches!(egress, Egress::Stack(_)) && !frame.is_empty(), "an IP packet");
        }
    }

    /// Does all that is due now.
    fn drain(&mut self) {
        for _ in 0..DRAIN_MOST {
            let mut is_quiet = true;
            let now = self.now();
            while let Some((wan, ledger)) = self.router.poll_store(now) {
                is_quiet = false;
                self.records[usize::from(wan.0)] = Some(ledger);
                if self.flash_mood != FlashMood::Slow {
                    self.finish_records();
                }
            }
            let mut answers = Vec::new();
            while let Some((egress, frame)) = self.router.poll_transmit(now) {
                is_quiet = false;
                match egress {
                    Egress::Port(port) => {
                        assert_eq!(port, WAN_PORT);
                        self.sent(frame.bytes(), &mut answers);
                    }
                    Egress::Stack(_) | Egress::LanStack => panic!("IP packets come back at once"),
                }
            }
            while let Some(event) = self.router.poll_event() {
                is_quiet = false;
                if let RouterEvent::Wan(_, WanEvent::PadsReceived { session_id, .. }) = event {
                    assert!(is_session_id(session_id));
                }
            }
            for (wan, ether_type, packet) in answers {
                self.receive_from(wan, concentrator(0), ether_type, &packet);
            }
            self.check_status();
            if is_quiet {
                if self.router.poll_at().is_none_or(|at| at > now) {
                    return;
                }
                self.router.handle_timeout(now);
            }
        }
        panic!("it does not come to rest");
    }

    fn finish_records(&mut self) {
        let now = self.now();
        let is_stored = self.flash_mood != FlashMood::Broken;
        for wan in 0..WANS {
            let Some(ledger) = self.records[wan].take() else { continue };
            if is_stored {
                self.flash[wan] = Some(ledger);
            }
            self.router.handle_stored(now, WanId(wan as u8), is_stored);
        }
    }

    /// The router sent a frame. An obliging concentrator has answers.
    fn sent(&mut self, bytes: &[u8], answers: &mut Vec<(usize, u16, Vec<u8>)>) {
        assert!(bytes.len() <= MAX_FRAME_LEN);
        let (header, payload) = Header::parse(bytes).expect("well-formed");
        assert_eq!(header.source, MAC);
        let wan = self.isps.iter().position(|isp| isp.vlan == header.vlan).expect("a VLAN of ours");
        let packet = Packet::parse(payload).expect("well-formed");
        let time = self.time;
        let isp = &mut self.isps[wan];
        let mut confirm = |code, session_id, tags: &TagSet<'_>| {
            let mut buffer = [0; 200];
            let length = Writer::new(&mut buffer, code, session_id)
                .push(TagKind::ServiceName, b"")
                .push(TagKind::AcName, b"ac")
                .push_some(TagKind::HostUniq, tags.host_uniq)
                .push_some(
                    TagKind::PppMaxPayload,
                    tags.max_payload.map(u16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice),
                )
                .finish()
                .expect("room enough");
            answers.push((wan, ethernet::PPPOE_DISCOVERY, buffer[..length].to_vec()));
        };
        match packet.code {
            Code::Padi | Code::Padr => {
                assert_eq!(header.ether_type, ethernet::PPPOE_DISCOVERY);
                assert_eq!(header.destination == EthernetAddress::BROADCAST, packet.code == Code::Padi);
                isp.discovery.count(time);
                let tags = TagSet::parse(&packet).expect("well-formed");
                isp.host_uniq = tags.host_uniq.expect("always there").to_vec();
                if isp.is_obliging && packet.code == Code::Padi {
                    confirm(Code::Pado, 0, &tags);
                } else if isp.is_obliging {
                    isp.session_id = isp.session_id % 0x7FFF + 1;
                    isp.peer = Peer::default();
                    confirm(Code::Pads, isp.session_id, &tags);
                }
            }
            Code::Padt => {
                assert_eq!(header.ether_type, ethernet::PPPOE_DISCOVERY);
                TagSet::parse(&packet).expect("well-formed");
            }
            Code::Session => {
                assert_eq!(header.ether_type, ethernet::PPPOE_SESSION);
                let (protocol, information) = ppp::parse(packet.payload).expect("well-formed");
                isp.peer.hear(packet.payload);
                if matches!(protocol, Protocol::Ipv4 | Protocol::Ipv6) {
                    assert!(!information.is_empty());
                } else if isp.is_obliging && packet.session_id == isp.session_id {
                    for said in isp.peer.oblige(packet.payload) {
                        let mut framed = vec![0; said.len() + 6];
                        let session =
                            Packet { code: Code::Session, session_id: packet.session_id, payload: &said };
                        session.emit(&mut framed).expect("room enough");
                        answers.push((wan, ethernet::PPPOE_SESSION, framed));
                    }
                }
            }
            other => panic!("a client does not send {other:?}"),
        }
    }

    fn check_status(&self) {
        for wan in 0..WANS {
            let status = self.router.wan(WanId(wan as u8)).expect("it was added");
            let is_up = status.ipv4.is_some() || status.ipv6.is_some();
            assert_eq!(status.state == WanState::Up, is_up, "{:?}", status.state);
            assert!(status.session.is_some() || !is_up, "up without a session");
            assert!(status.session.is_some() || status.mtu == 0, "an MTU of nothing");
            assert!(status.mtu <= 1500);
        }
        // Two held for each line that awaits a PADS, and one at hand for the next message.
        let in_use = frames_in_use(self.pool);
        assert!(in_use <= 2 * WANS + 1, "{in_use} frames kept");
    }
}

fn frames_in_use(pool: Pool<'_>) -> usize {
    (0..MAX_PORTS).map(|port| usize::from(pool.counters(PortId(port as u8)).in_use)).sum()
}
