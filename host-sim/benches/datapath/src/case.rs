//! What is measured, and how a measurement goes.

use core::fmt;

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, HEADROOM, Pool};
use gatelet_router::Egress;
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};

use crate::flow::{Family, Flow, Keys, Protocol};
use crate::packet::{Direction, Kind, fill};
use crate::{Counter, Datapath, FLOWS, LAN, WAN, isp, judge};

/// What the packets of a case are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Data of flows that exist, each packet of one chosen at random.
    Established(Direction),
    /// The first packet of a flow, while so many exist.
    New,
    /// First packets of new flows, while the table is full. Each may be refused.
    Flood,
    /// Packets from the Internet that belong to nothing. All are dropped.
    Strangers,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// How they travel.
    pub family: Family,
    /// What the packets are.
    pub work: Work,
    /// How many flows exist.
    pub flows: u16,
    /// Which.
    pub keys: Keys,
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Octets of payload.
    pub payload: u16,
}

/// What a case cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figure {
    /// Packets that were counted.
    pub packets: u32,
    /// Instructions for all of them.
    pub instructions: u32,
    /// Instructions for the one that took most.
    pub worst: u32,
}

impl Figure {
    fn add(&mut self, instructions: u32) {
        self.packets += 1;
        self.instructions += instructions;
        self.worst = self.worst.max(instructions);
    }
}

/// All that is measured of the real datapath.
pub fn cases() -> impl Iterator<Item = Case> {
    let usual = usual();
    let tcp = usual.map(|case| Case { protocol: Protocol::Tcp, ..case });
    let long = established().flat_map(|case| {
        [Protocol::Udp, Protocol::Tcp].map(|protocol| Case { payload: 1400, protocol, ..case })
    });
    let hard = [Keys::SequentialPorts, Keys::TopBits, Keys::SameLowBits].into_iter().flat_map(|keys| {
        [Direction::Up, Direction::Down].map(|way| Case {
            keys,
            flows: 1024,
            ..case(Work::Established(way), 1024)
        })
    });
    let floods = [Work::Flood, Work::Strangers].map(|work| case(work, 1024));
    let syn_flood = Case { protocol: Protocol::Tcp, ..floods[0] };
    let tunnelled = tunnelled().into_iter();
    let long_tunnelled =
        tunnelled.clone().filter(|case| case.flows == 1).map(|case| Case { payload: 1384, ..case });
    let tcp_tunnelled = tunnelled.clone().map(|case| Case { protocol: Protocol::Tcp, ..case });
    let tunnelled = tunnelled.chain(tcp_tunnelled).chain(long_tunnelled);
    usual.into_iter().chain(tcp).chain(long).chain(hard).chain(floods).chain([syn_flood]).chain(tunnelled)
}

/// What is measured of the lower bound.
pub fn usual() -> [Case; 9] {
    let mut cases = [case(Work::New, 1); 9];
    for (place, known) in cases.iter_mut().zip(established()) {
        *place = known;
    }
    cases[7].flows = 64;
    cases[8].flows = 1023;
    cases
}

/// What is measured of tunnels, and of the lower bound for them.
pub fn tunnelled() -> [Case; 7] {
    let mut cases = [Case { family: Family::SixInFour, ..case(Work::New, 64) }; 7];
    for (place, known) in cases.iter_mut().zip(established()) {
        *place = Case { family: Family::SixInFour, ..known };
    }
    cases
}

fn established() -> impl Iterator<Item = Case> {
    [Direction::Up, Direction::Down]
        .into_iter()
        .flat_map(|way| [1, 64, 1024].map(|flows| case(Work::Established(way), flows)))
}

const fn case(work: Work, flows: u16) -> Case {
    Case { family: Family::Nat, work, flows, keys: Keys::Random, protocol: Protocol::Udp, payload: 64 }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.protocol == Protocol::Udp { "UDP" } else { "TCP" };
        if self.family == Family::SixInFour {
            f.write_str("6in4 ")?;
        }
        match self.work {
            Work::Established(Direction::Up) => f.write_str("up")?,
            Work::Established(Direction::Down) => f.write_str("down")?,
            Work::New => f.write_str("new flow")?,
            Work::Flood => f.write_str("flood")?,
            Work::Strangers => f.write_str("strangers")?,
        }
        let flows = if self.flows == 1 { "flow" } else { "flows" };
        write!(f, ", {} {flows}, {protocol} {}", self.flows, self.payload)?;
        match self.keys {
            Keys::Random => Ok(()),
            Keys::SequentialPorts => f.write_str(", sequential ports"),
            Keys::TopBits => f.write_str(", top bits"),
            Keys::SameLowBits => f.write_str(", same low bits"),
        }
    }
}

/// A datapath with its neighbours, and the flows that go through it.
pub struct World<'w, 'p, D> {
    datapath: &'w mut D,
    pool: Pool<'p>,
    now: Instant,
    rng: ChaCha8Rng,
    flows: [Flow; FLOWS],
    /// How many of `flows` exist.
    len: u16,
    /// Of the last packet.
    number: u32,
}

impl<'w, 'p, D: Datapath<'p>> World<'w, 'p, D> {
    /// A world without flows. `pool` is where the frames of both ports come from.
    pub fn new(datapath: &'w mut D, pool: Pool<'p>, now: Instant) -> Self {
        let mut rng = ChaCha8Rng::from_seed(*b"the same packets every time, all");
        let flow = Keys::Random.flow(Protocol::Udp, 0, &mut rng);
        Self { datapath, pool, now, rng, flows: [flow; FLOWS], len: 0, number: 0 }
    }

    /// Prepares and measures `case`.
    ///
    /// # Panics
    /// If a packet is not forwarded as it should be.
    pub fn run(&mut self, case: Case, counter: &mut impl Counter) -> Figure {
        // Around 1,023 flows: what is counted are the last that fit.
        let fresh = if case.flows == 1023 { 32 } else { NEW_FLOWS };
        let existing = if case.flows == 1023 { case.flows - fresh } else { case.flows };
        for number in 0..existing {
            self.open(case, number);
        }
        counter.begin();
        let mut figure = Figure::default();
        match case.work {
            Work::Established(direction) => self.established(case, direction, counter, &mut figure),
            Work::New => {
                for number in existing..existing + fresh {
                    let mut flow = self.flow(case, number);
                    let first = first(case);
                    let out = self.forward(Direction::Up, &flow, first, counter, &mut figure);
                    judge::judge(&out.expect("forwarded"), Direction::Up, &mut flow, first, self.number);
                }
            }
            Work::Flood => {
                for number in existing..existing + FLOOD {
                    let mut flow = self.flow(case, number);
                    let first = first(case);
                    let out = self.forward(Direction::Up, &flow, first, counter, &mut figure);
                    // Who is refused may be told so (RFC 5508 REQ-8).
                    if let Some(out) = out.filter(|(egress, _)| *egress != Egress::Port(LAN)) {
                        judge::judge(&out, Direction::Up, &mut flow, first, self.number);
                    }
                }
            }
            Work::Strangers => {
                for number in 0..FLOOD {
                    let mut flow = self.flow(case, number);
                    flow.external_port = flow.host_port;
                    let kind = Kind::Data(usize::from(case.payload));
                    let out = self.forward(Direction::Down, &flow, kind, counter, &mut figure);
                    assert!(out.is_none_or(|(egress, _)| egress != Egress::Port(LAN)), "a stranger got in");
                }
            }
        }
        figure
    }

    /// Answers what the router asks of its neighbours. What it sent that needs no answer comes back, the last of it.
    ///
    /// # Panics
    /// If the pool is exhausted: somebody keeps frames.
    pub fn settle(&mut self) -> Option<(Egress, Frame<'p>)> {
        let mut last = None;
        while let Some((egress, frame)) = self.datapath.poll_transmit(self.now) {
            let Egress::Port(port) = egress else { continue };
            let replies = isp::answer(port, frame.bytes());
            if replies.is_empty() {
                last = Some((egress, frame));
            }
            for reply in replies {
                let mut frame = self.pool.take(port).expect("no frame is kept");
                assert!(frame.extend(&reply));
                // Forwarded at once are only packets of flows.
                let _ = self.datapath.forward(self.now, port, frame);
            }
        }
        last
    }

    /// The flow with this number.
    fn flow(&mut self, case: Case, number: u16) -> Flow {
        Flow { family: case.family, ..case.keys.flow(case.protocol, number, &mut self.rng) }
    }

    /// A flow comes to exist, with packets both ways.
    fn open(&mut self, case: Case, number: u16) {
        let mut flow = self.flow(case, number);
        let handshake: &[_] = match case.protocol {
            Protocol::Udp => &[(Direction::Up, Kind::Data(64)), (Direction::Down, Kind::Data(64))],
            Protocol::Tcp => {
                &[(Direction::Up, Kind::Syn), (Direction::Down, Kind::SynAck), (Direction::Up, Kind::Data(0))]
            }
        };
        for (direction, kind) in handshake {
            let out = self.forward(*direction, &flow, *kind, &mut Uncounted, &mut Figure::default());
            judge::judge(&out.expect("forwarded"), *direction, &mut flow, *kind, self.number);
        }
        self.flows[usize::from(self.len)] = flow;
        self.len += 1;
    }

    fn established(
        &mut self,
        case: Case,
        direction: Direction,
        counter: &mut impl Counter,
        figure: &mut Figure,
    ) {
        let kind = Kind::Data(usize::from(case.payload));
        for _ in 0..if case.flows > 64 { PACKETS } else { PACKETS / 4 } {
            let index = (self.rng.next_u32() % u32::from(self.len)) as usize;
            let mut flow = self.flows[index];
            let out = self.forward(direction, &flow, kind, counter, figure);
            judge::judge(&out.expect("forwarded"), direction, &mut flow, kind, self.number);
        }
    }

    /// One packet of `flow` goes through.
    fn forward(
        &mut self,
        direction: Direction,
        flow: &Flow,
        kind: Kind,
        counter: &mut impl Counter,
        figure: &mut Figure,
    ) -> Option<(Egress, Frame<'p>)> {
        self.number += 1;
        self.now += BETWEEN_PACKETS;
        let port = if direction == Direction::Up { LAN } else { WAN };
        let mut frame = self.pool.take(port).expect("no frame is kept");
        debug_assert_eq!(frame.headroom(), HEADROOM);
        fill(&mut frame, direction, flow, kind, self.number);
        let before = counter.read();
        let out = self.datapath.forward(self.now, port, frame);
        let after = counter.read();
        figure.add(counter.between(before, after));
        // The very first packet to a host may have had to wait for its MAC address.
        let late = self.settle();
        out.or(late)
    }
}

fn first(case: Case) -> Kind {
    match case.protocol {
        Protocol::Udp => Kind::Data(usize::from(case.payload)),
        Protocol::Tcp => Kind::Syn,
    }
}

struct Uncounted;

impl Counter for Uncounted {
    fn read(&mut self) -> u32 {
        0
    }
}

/// Counted where 1,024 flows exist; a quarter of it where fewer do.
const PACKETS: u32 = 1024;
/// New flows counted while few exist.
const NEW_FLOWS: u16 = 32;
/// Packets of a flood.
const FLOOD: u16 = 1024;
/// Time between two packets, so that timestamps differ.
const BETWEEN_PACKETS: Duration = Duration::from_micros(20);
