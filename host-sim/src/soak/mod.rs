//! A soak: millions of packets through one router, over thousands of flows that come and go, and nothing may leak.
//!
//! ```text
//!   32 hosts ── packets made by hand ──► Router::handle_frame ──► compared, octet by octet, with what they must be
//!   2,000 flows: TCP from SYN to FIN, UDP, ping;    and among them: fragments, forged errors, noise, spoofed sources,
//!                                                   and now and then a redial
//! ```
//!
//! No stack, no link, no runtime: only the router, so that ten million packets take seconds.

mod flow;
mod fragment;
mod rig;

use chacha20::ChaCha8Rng;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{FramePool, PortId};
use gatelet_router::{Dropped, TableSpace};
use rand_core::{Rng, SeedableRng};
use smoltcp::time::Duration;
use smoltcp::wire::{IpProtocol, Ipv4Address, TcpControl};

use self::flow::{Flow, Step};
use self::rig::{LAN, Rig, WAN};
use crate::peers::internet::{ATTACKER, HOST};
use crate::peers::lan::mac;
use crate::peers::packet::{self, Fragment};

/// Hosts on the LAN.
const HOSTS: u8 = 32;
/// Places for flows: some of those that have ended wait here for their time to be over.
const FLOWS: usize = 4096;
const FRAMES: usize = 48;
/// From one packet to the next: what a line of 10 Mbit/s carries.
const PACE: Duration = Duration::from_millis(1);
/// Packets between two redials. The address stays, and with it every established connection.
const REDIAL: u64 = 300_000;
/// Packets between two looks at the tables.
const INSPECTION: u64 = 1 << 14;
/// Longer than any flow lives without a packet (RFC 5382: 2 h 4 min).
const FORGETTING: Duration = Duration::from_secs(3 * 3600);

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Packets of flows, both ways.
    pub packets: u64,
    /// Flows that are open at once.
    pub flows: usize,
    /// Of everything random.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Packets of flows that arrived as they must be.
    pub right: u64,
    /// Packets of flows that did not arrive: the table was full, and theirs was given up.
    pub lost: u64,
    /// Flows that went on under another port outside, for the same reason.
    pub moved: u64,
    /// Flows that were opened.
    pub opened: u64,
    /// Datagrams in pieces that came whole.
    pub in_pieces: u64,
    /// Frames that belong to no flow: noise.
    pub noise: u64,
    /// The most flows in the table.
    pub most_flows: usize,
    /// What is wrong, at most a few of many.
    pub complaints: Vec<String>,
}

impl Outcome {
    fn complain(&mut self, complaint: impl FnOnce() -> String) {
        const MOST: usize = 10;
        if self.complaints.len() < MOST {
            self.complaints.push(complaint());
        }
    }
}

/// Runs a soak.
pub fn run(settings: Settings) -> Outcome {
    let mut outcome = Outcome::default();
    let frames = Box::new(FramePool::<NoopRawMutex, FRAMES>::new());
    let mut tables = Box::new(TableSpace::<FLOWS, 64>::new());
    let Some(mut rig) = Rig::new(frames.pool(), tables.lend(), settings.seed) else {
        outcome.complain(|| "the router does not get on line".into());
        return outcome;
    };
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut flows: Vec<Flow> = (0..settings.flows).map(|_| Flow::new(&mut rng)).collect();
    outcome.opened = settings.flows as u64;
    for number in 0..settings.packets {
        let index = rng.next_u32() as usize % flows.len();
        let flow = &mut flows[index];
        match flow.step(&mut rig, &mut rng) {
            Step::Right => outcome.right += 1,
            Step::Lost => {
                outcome.lost += 1;
                flow.restart(&mut rng);
                outcome.opened += 1;
            }
            Step::Moved => {
                outcome.right += 1;
                outcome.moved += 1;
            }
            Step::Wrong(what) => outcome.complain(|| format!("packet {number}: {what}")),
            Step::Over => {
                outcome.right += 1;
                flow.restart(&mut rng);
                outcome.opened += 1;
            }
        }
        if number.is_multiple_of(32) {
            match fragment::pass(&flows[index], &mut rig, &mut rng) {
                Ok(whole) => outcome.in_pieces += u64::from(whole),
                Err(wrong) => outcome.complain(|| format!("packet {number}: {wrong}")),
            }
        }
        if number.is_multiple_of(64) {
            outcome.noise += 1;
            make_noise(&mut rig, &mut rng);
        }
        rig.pass_time(PACE);
        if number % REDIAL == REDIAL - 1 && !rig.redial() {
            outcome.complain(|| format!("packet {number}: no redial, or another address"));
        }
        if number.is_multiple_of(INSPECTION) {
            inspect(&rig, &mut outcome);
        }
    }
    // The table is full all the time, and finds room all the time.
    let refused = rig.router.counters();
    let refused = refused.of(Dropped::NoMapping) + refused.of(Dropped::FlowTableFull);
    if u64::from(refused) > outcome.opened / 1000 {
        outcome.complain(|| format!("{refused} flows were refused for want of room"));
    }
    forget(&mut rig, &mut outcome);
    outcome
}

/// What an index holds must be in the tables, and every frame must be somewhere.
fn inspect(rig: &Rig<'_>, outcome: &mut Outcome) {
    let Some(used) = rig.router.table_use() else { return };
    outcome.most_flows = outcome.most_flows.max(used.flows);
    if used.index_entries != 2 * (used.flows + used.mappings) {
        outcome.complain(|| format!("the indices do not fit the tables: {used:?}"));
    }
    if used.mappings > used.flows {
        outcome.complain(|| format!("mappings without flows: {used:?}"));
    }
    if !rig.is_up() {
        outcome.complain(|| "the session is lost".into());
    }
}

/// Nothing happens for hours: everything has to be forgotten, and every frame must be back.
fn forget(rig: &mut Rig<'_>, outcome: &mut Outcome) {
    let step = Duration::from_secs(1);
    for _ in 0..FORGETTING.secs() {
        rig.pass_time(step);
    }
    inspect(rig, outcome);
    if let Some(used) = rig.router.table_use()
        && (used.flows, used.mappings, used.index_entries, used.waiting) != (0, 0, 0, 0)
    {
        outcome.complain(|| format!("something is left in the tables: {used:?}"));
    }
    for port in [WAN, LAN, PortId::LOCAL] {
        let counters = rig.pool.counters(port);
        // The router keeps one at hand for what it makes itself.
        if counters.in_use > u16::from(port == PortId::LOCAL) {
            outcome.complain(|| format!("frames are gone: {port:?} {counters:?}"));
        }
    }
}

/// Something that belongs to no flow.
fn make_noise(rig: &mut Rig<'_>, rng: &mut ChaCha8Rng) {
    let random = rng.next_u64();
    let (low, high) = (random as u16, (random >> 16) as u16);
    let inside = rig::host((random >> 32) as u8 % HOSTS);
    let source = mac((random >> 32) as usize % usize::from(HOSTS));
    let fragment = Fragment { ident: low & 7, offset: (high & 3) * 600, more: high & 4 != 0 };
    let stray = packet::udp((rig.address, low), (HOST, 80), b"a datagram there never was");
    let sent = match (random >> 40) % 9 {
        0 => rig.down(&packet::tcp((ATTACKER, low), (rig.address, high), TcpControl::Syn, 1, None)),
        1 => rig.down(&packet::ipv4(ATTACKER, rig.address, IpProtocol::Udp, fragment, &[0xF7; 600])),
        2 => rig.down(&packet::icmp_error(ATTACKER, rig.address, 3, (high & 3) as u8, [0; 4], &stray)),
        3 => rig.up(source, &packet::ipv4(inside, HOST, IpProtocol::Udp, fragment, &[0xF8; 600])),
        4 => rig.up(source, &packet::udp((Ipv4Address::new(203, 0, 113, 7), low), (HOST, high), b"not me")),
        5 => rig.up(source, &packet::udp((inside, low), (Ipv4Address::new(203, 0, 113, 7), 9), b"to nobody")),
        6 => {
            let mut bytes = vec![0; usize::from(high % 1500)];
            rng.fill_bytes(&mut bytes);
            rig.up(source, &bytes)
        }
        7 => {
            let mut bytes = vec![0; usize::from(high % 1490)];
            rng.fill_bytes(&mut bytes);
            rig.down(&bytes)
        }
        _ => {
            let mut bytes = vec![0; usize::from(high % 1514)];
            rng.fill_bytes(&mut bytes);
            rig.frame(if low & 1 == 0 { WAN } else { LAN }, &[&bytes])
        }
    };
    rig.aside += u64::from(sent.is_some());
}
