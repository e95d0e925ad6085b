//! The wire, the clock and the router's owner.

use std::fmt::Write as _;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{Frame, FramePool, LinkState, Pool, PortId};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_router::{Command, Egress, Router, RouterEvent, WanConfig, WanEvent, WanId, WanStatus};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header};
use gatelet_wire::pppoe::{Code, Packet};
use smoltcp::time::{Duration, Instant};

use crate::concentrator::{Concentrator, ONE_WAY};
use crate::server::{PASSWORD, USERNAME};
use crate::words;

pub(crate) const PORT: PortId = PortId(0);
pub(crate) const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x01]);
pub(crate) const WAN: WanId = WanId(0);
const FRAMES: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the router.
    Up,
    /// To the router.
    Down,
}

/// A frame as it left its sender.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) way: Way,
    pub(crate) bytes: Vec<u8>,
    pub(crate) lost: bool,
}

impl Seen {
    pub(crate) fn header(&self) -> Header {
        Header::parse(&self.bytes).expect("readable").0
    }

    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet::parse(Header::parse(&self.bytes).expect("readable").1).expect("readable")
    }

    /// What it is, in words.
    pub(crate) fn words(&self) -> String {
        let packet = self.packet();
        match packet.code {
            Code::Session => words::describe(packet.payload),
            Code::Padt => format!("PADT {:#06x}", packet.session_id),
            code => format!("{code:?}").to_uppercase(),
        }
    }
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) router: Router<'static>,
    pub(crate) pool: Pool<'static>,
    pub(crate) concentrators: Vec<Concentrator>,
    pub(crate) one_way: Duration,
    /// Decides on each frame whether it is lost.
    pub(crate) lose: Box<dyn FnMut(&Seen) -> bool>,
    /// Whether ledgers are stored as soon as they are given, or wait for [`World::store`].
    pub(crate) stores: bool,
    being_stored: Option<(WanId, Ledger)>,
    pub(crate) flash: Option<Ledger>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) events: Vec<(Instant, WanId, WanEvent)>,
    pub(crate) shut_down: bool,
    pub(crate) told_time: Option<u64>,
    /// IP packets that went to the stacks.
    pub(crate) to_stack: Vec<(WanId, Vec<u8>)>,
    in_flight: Vec<(Instant, Way, Vec<u8>)>,
}

impl World {
    /// One untagged WAN on a plain Ethernet port, and one concentrator.
    pub(crate) fn new() -> Self {
        Self::with(1514, config())
    }

    pub(crate) fn with(max_frame_len: usize, config: WanConfig) -> Self {
        let mut world = Self::bare(max_frame_len);
        world.add_wan(config, None);
        world.router.handle_link(world.now, PORT, LinkState::Up);
        world.settle();
        world
    }

    /// No WAN yet, and no carrier.
    pub(crate) fn bare(max_frame_len: usize) -> Self {
        // Tests are short: their pools may stay.
        let pool: &'static FramePool<NoopRawMutex, FRAMES> = Box::leak(Box::new(FramePool::new()));
        let mut router = Router::new(pool.pool(), [7; 32]);
        assert!(router.add_port(PORT, MAC, max_frame_len));
        Self {
            now: Instant::from_secs(1000),
            router,
            pool: pool.pool(),
            concentrators: vec![Concentrator::new(1)],
            one_way: ONE_WAY,
            lose: Box::new(|_| false),
            stores: true,
            being_stored: None,
            flash: None,
            seen: Vec::new(),
            events: Vec::new(),
            shut_down: false,
            told_time: None,
            to_stack: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    pub(crate) fn add_wan(&mut self, config: WanConfig, ledger: Option<Ledger>) -> WanId {
        self.router.add_wan(self.now, config, Boot::Warm, ledger).expect("there is room")
    }

    pub(crate) fn ac(&mut self) -> &mut Concentrator {
        &mut self.concentrators[0]
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.router.handle_command(self.now, command);
        self.settle();
    }

    pub(crate) fn link(&mut self, state: LinkState) {
        self.router.handle_link(self.now, PORT, state);
        self.settle();
    }

    /// A frame arrives at the router now.
    pub(crate) fn arrive(&mut self, bytes: &[u8]) {
        if let Some(frame) = self.frame(bytes) {
            let sent = self.router.handle_frame(self.now, PORT, frame);
            self.send(sent);
        }
        self.settle();
    }

    /// The stack of `wan` sends a packet.
    pub(crate) fn stack_sends(&mut self, wan: WanId, packet: &[u8]) {
        let frame = self.frame(packet).expect("a frame is free");
        let sent = self.router.handle_stack_packet(self.now, wan, frame);
        self.send(sent);
    }

    /// Sends what the router has answered.
    pub(crate) fn send(&mut self, sent: Option<(Egress, Frame<'static>)>) {
        let Some((egress, frame)) = sent else { return };
        match egress {
            Egress::Port(port) => {
                assert_eq!(port, PORT);
                let bytes = frame.bytes().to_vec();
                self.launch(Way::Up, bytes);
            }
            Egress::Stack(wan) => self.to_stack.push((wan, frame.bytes().to_vec())),
            Egress::LanStack => panic!("there is no LAN"),
        }
    }

    /// A frame of the port's with these bytes.
    pub(crate) fn frame(&self, bytes: &[u8]) -> Option<Frame<'static>> {
        let mut frame = self.pool.take(PORT)?;
        assert!(frame.extend(bytes));
        Some(frame)
    }

    /// Carries out what the router and the concentrators want.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut busy = false;
            while let Some(sent) = self.router.poll_transmit(self.now) {
                busy = true;
                self.send(Some(sent));
            }
            if let Some(record) = self.router.poll_store(self.now) {
                busy = true;
                self.being_stored = Some(record);
            }
            if self.stores {
                busy |= self.store(true);
            }
            while let Some(event) = self.router.poll_event() {
                match event {
                    RouterEvent::Wan(wan, event) => self.events.push((self.now, wan, event)),
                    RouterEvent::Dhcp(event) => panic!("there is no LAN: {event:?}"),
                    RouterEvent::Datapath(event) => panic!("there is no datapath: {event:?}"),
                    RouterEvent::WallClock { unix_seconds } => self.told_time = Some(unix_seconds),
                    RouterEvent::Ipv6(event) => panic!("nobody has asked for IPv6: {event:?}"),
                    RouterEvent::ShutDown => self.shut_down = true,
                }
            }
            let said: Vec<_> = self.concentrators.iter_mut().flat_map(|ac| ac.out.drain(..)).collect();
            busy |= !said.is_empty();
            for bytes in said {
                self.launch(Way::Down, bytes);
            }
            if !busy {
                return;
            }
        }
    }

    /// The flash is done, for better or worse. False if it had nothing to do.
    pub(crate) fn store(&mut self, stored: bool) -> bool {
        let Some((wan, ledger)) = self.being_stored.take() else { return false };
        if stored {
            self.flash = Some(ledger);
        }
        self.router.handle_stored(self.now, wan, stored);
        true
    }

    fn launch(&mut self, way: Way, bytes: Vec<u8>) {
        let mut seen = Seen { at: self.now, way, bytes, lost: false };
        seen.lost = (self.lose)(&seen);
        if !seen.lost {
            self.in_flight.push((self.now + self.one_way, way, seen.bytes.clone()));
        }
        self.seen.push(seen);
    }

    /// The next moment at which anything happens.
    fn next_at(&self) -> Option<Instant> {
        let flights = self.in_flight.iter().map(|flight| flight.0);
        let servers = self.concentrators.iter().filter_map(Concentrator::poll_at);
        flights.chain(servers).chain(self.router.poll_at()).min()
    }

    /// Lets time pass until `done`, at most for `most`. Answers whether it was done.
    pub(crate) fn run_until(&mut self, most: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + most;
        let mut spins = 0;
        loop {
            if done(self) {
                return true;
            }
            let Some(at) = self.next_at().filter(|at| *at <= end) else {
                self.now = end;
                return false;
            };
            spins = if at <= self.now { spins + 1 } else { 0 };
            assert!(spins < 100, "time stands still at {}: {:?}", self.now, self.events.last());
            self.now = self.now.max(at);
            self.step();
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }

    fn step(&mut self) {
        let now = self.now;
        let (landed, flying): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.in_flight).into_iter().partition(|flight| flight.0 <= now);
        self.in_flight = flying;
        for (_, way, bytes) in landed {
            match way {
                Way::Up => self.concentrators.iter_mut().for_each(|ac| ac.handle_frame(now, &bytes)),
                Way::Down => self.arrive(&bytes),
            }
        }
        for ac in &mut self.concentrators {
            if ac.poll_at().is_some_and(|at| at <= now) {
                ac.handle_timeout(now);
            }
        }
        if self.router.poll_at().is_some_and(|at| at <= now) {
            self.router.handle_timeout(now);
        }
        self.settle();
    }

    pub(crate) fn status(&self) -> WanStatus {
        self.router.wan(WAN).expect("it was added")
    }

    pub(crate) fn session_id(&self) -> Option<u16> {
        self.status().session.map(|session| session.id)
    }

    /// Waits until IPv4 is up. Answers how long that took.
    #[track_caller]
    pub(crate) fn come_up(&mut self) -> Duration {
        let began = self.now;
        let up = self.run_until(Duration::from_secs(900), |world| world.status().ipv4.is_some());
        assert!(up, "not up:\n{}", self.transcript());
        self.now - began
    }

    pub(crate) fn saw(&self, mut wanted: impl FnMut(&WanEvent) -> bool) -> bool {
        self.events.iter().any(|(_, _, event)| wanted(event))
    }

    /// What the router sent, of this code.
    pub(crate) fn sent(&self, code: Code) -> Vec<&Seen> {
        self.seen.iter().filter(|seen| seen.way == Way::Up && seen.packet().code == code).collect()
    }

    /// What was on the wire, in words, and when.
    pub(crate) fn transcript(&self) -> String {
        let from = self.seen.first().map_or(self.now, |seen| seen.at);
        let mut lines = String::new();
        for seen in &self.seen {
            let arrow = if seen.way == Way::Up { "->" } else { "<-" };
            let lost = if seen.lost { "   (lost)" } else { "" };
            let millis = (seen.at - from).total_millis();
            let (seconds, millis) = (millis / 1000, millis % 1000);
            writeln!(lines, "{seconds}.{millis:03} {arrow} {}{lost}", seen.words()).expect("a string");
        }
        lines
    }
}

pub(crate) fn config() -> WanConfig {
    WanConfig::new(PORT, Credentials::new(USERNAME, PASSWORD).expect("short"))
}

/// The frame that a station with `source` would send to the router.
pub(crate) fn session_frame(source: EthernetAddress, session_id: u16, ppp: &[u8]) -> Vec<u8> {
    let header = Header { destination: MAC, source, vlan: None, ether_type: ethernet::PPPOE_SESSION };
    let mut bytes = vec![0; 14 + 6];
    header.emit(&mut bytes).expect("fits");
    Packet { code: Code::Session, session_id, payload: &[] }.emit(&mut bytes[14..]).expect("fits");
    bytes[18..20].copy_from_slice(&u16::try_from(ppp.len()).expect("short").to_be_bytes());
    bytes.extend(ppp);
    bytes
}

/// An IPv4 packet, as far as the router looks at it.
pub(crate) fn ipv4(len: usize) -> Vec<u8> {
    let mut packet = vec![0x5A; len];
    packet[0] = 0x45;
    packet
}
