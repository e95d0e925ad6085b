//! Everything outside the router: cable, ONT, line, concentrator, and a director who decides what befalls them.
//!
//! ```text
//!   router ═══ cable ═══ ONT ─── line (delay, loss, cut) ─── concentrator ── Internet
//!    ║ ▲         ▲        ▲        ▲                             ▲
//!    ║ └─────────┴────────┴────────┴── Director: power, faults ──┘
//!    ╚═══ LAN, if there is one
//! ```
//!
//! Sans-IO but for the two wakers: the task that drives it sleeps until [`Network::poll_at`], the router's
//! port waits for frames.

mod acts;
mod ports;

use std::collections::VecDeque;
use std::io::Write;
use std::task::{Poll, Waker};

use chacha20::ChaCha8Rng;
use gatelet_router::Command;
use rand_core::SeedableRng;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use self::ports::Inbox;
pub use self::ports::Side;
use super::meter::Meter;
use super::{Node, Outbox};
use crate::link::{End, Link, Quality};
use crate::pcap;
use crate::peers::concentrator::Concentrator;
use crate::peers::edge::Edge;
use crate::peers::host::News;
use crate::peers::internet::Internet;
use crate::peers::lan::Lan;
use crate::peers::modem::Modem;
use crate::peers::ont::Ont;
use crate::timeline::{Actor, Entry, Timeline, Tone};

/// The router's port on the WAN side (RFC 7042 §2.1.2: documentation range, locally administered).
pub const ROUTER_MAC: EthernetAddress = EthernetAddress([0x02, 0x00, 0x5E, 0x00, 0x53, 0x01]);

/// Rounds in which everything is due again at one instant before the world counts as spinning.
const SPIN_LIMIT: u32 = 10_000;

/// Decides what befalls the world, and when.
pub trait Director {
    /// When [`Director::act`] is wanted.
    fn poll_at(&self) -> Option<Instant>;

    /// Does what is due.
    fn act(&mut self, now: Instant, network: &mut Network);

    /// Something happened (also what it did itself).
    fn notice(&mut self, entry: &Entry) {
        let _ = entry;
    }
}

/// The router's switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It does not; what is not in flash is gone.
    Off,
    /// It is being reset: off and on within an instant, retained memory stays.
    Reset,
}

/// Something a user does with the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Pings a host on the Internet.
    Ping(Ipv4Address),
    /// Looks up a name at the DNS servers that IPCP gave.
    Resolve(String),
}

/// The world around the router.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Network<'a> {
    /// From the router's port to the concentrator. Change its quality at will.
    pub link: Link,
    /// The concentrator, with all it can be made to do.
    pub concentrator: Concentrator,
    /// What happened.
    pub timeline: Timeline,
    /// Counts what passed the router's port.
    pub meter: Meter,
    /// The network's own randomness, for directors.
    pub rng: ChaCha8Rng,
    /// What is there in place of the concentrator on a line without PPP.
    pub edge: Option<Edge>,
    /// The page of the ONT, if it has one.
    pub modem: Option<Modem<'a>>,
    /// Further peers on the segment.
    pub others: Vec<Box<dyn Node>>,
    /// What is behind the router's second port.
    pub lan: Option<Lan<'a>>,
    /// What is behind the concentrator, if more than two functions.
    pub internet: Option<Internet<'a>>,
    /// Counts what passed the router's LAN port.
    pub lan_meter: Meter,
    ont: Ont,
    ont_bridges: bool,
    cable: bool,
    power: Power,
    /// The switch was touched, and the box has not acted on it yet.
    power_touched: bool,
    now: Instant,
    outbox: Outbox,
    news: VecDeque<Entry>,
    inboxes: [Inbox; 2],
    captures: [Option<pcap::Writer<Box<dyn Write>>>; 2],
    capture_error: Option<std::io::Error>,
    commands: VecDeque<Command>,
    errands: VecDeque<Errand>,
    typed: VecDeque<u8>,
    /// Who was there has left.
    is_over: bool,
    /// The task that polls.
    driver: Option<Waker>,
    /// Who takes commands to the router, and who runs errands.
    clerk: Option<Waker>,
    runner: Option<Waker>,
    /// The console.
    typist: Option<Waker>,
}

impl Network<'_> {
    /// A network with power on, the cable in, and a line of `quality`.
    pub fn new(concentrator: Concentrator, quality: Quality, timeline: Timeline, seed: u64) -> Self {
        Self {
            link: Link::new(quality, seed),
            concentrator,
            timeline,
            meter: Meter::default(),
            rng: ChaCha8Rng::seed_from_u64(!seed),
            edge: None,
            modem: None,
            others: Vec::new(),
            lan: None,
            internet: None,
            lan_meter: Meter::default(),
            ont: Ont::up(),
            ont_bridges: true,
            cable: true,
            power: Power::On,
            power_touched: false,
            now: Instant::ZERO,
            outbox: Outbox::new(),
            news: VecDeque::new(),
            inboxes: Default::default(),
            captures: [None, None],
            capture_error: None,
            commands: VecDeque::new(),
            errands: VecDeque::new(),
            typed: VecDeque::new(),
            is_over: false,
            driver: None,
            clerk: None,
            runner: None,
            typist: None,
        }
    }

    /// The present moment, as of the last poll.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Puts a line into the timeline.
    pub fn tell(&mut self, actor: Actor, tag: &'static str, tone: Tone, what: String, why: String) {
        self.push(Entry { at: self.now, actor, tag, what, why, tone, until: None });
    }

    /// Puts an entry into the timeline and before the director.
    pub fn push(&mut self, entry: Entry) {
        self.timeline.push(entry.clone());
        self.news.push_back(entry);
        wake(self.driver.as_ref());
    }

    // What the router's box needs.

    /// Whether the box must act on its switch.
    pub fn power_was_touched(&self) -> bool {
        self.power_touched
    }

    /// Where the switch was left. From here on a reset is over.
    pub fn settle_power(&mut self) -> Power {
        self.power_touched = false;
        if self.power == Power::Reset {
            self.power = Power::On;
        }
        self.power
    }

    /// Brings the clock up to date, for who tells something between two polls.
    pub fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// The next command for the router.
    pub fn take_command(&mut self, waker: &Waker) -> Option<Command> {
        keep(&mut self.clerk, waker);
        self.commands.pop_front()
    }

    /// The next errand.
    pub fn take_errand(&mut self, waker: &Waker) -> Option<Errand> {
        keep(&mut self.runner, waker);
        self.errands.pop_front()
    }

    /// What was typed at the router's console; ready when there is something.
    pub fn poll_typed(&mut self, octets: &mut [u8], waker: &Waker) -> Poll<usize> {
        keep(&mut self.typist, waker);
        let len = octets.len().min(self.typed.len());
        if len == 0 {
            return Poll::Pending;
        }
        octets.iter_mut().zip(self.typed.drain(..len)).for_each(|(room, octet)| *room = octet);
        Poll::Ready(len)
    }

    /// Ends the world.
    pub fn leave(&mut self) {
        self.is_over = true;
        wake(self.driver.as_ref());
    }

    /// Whether somebody has ended the world.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Has `waker` woken when the network must be polled earlier than it said.
    pub fn wake_driver(&mut self, waker: &Waker) {
        keep(&mut self.driver, waker);
    }

    // What drives it.

    /// Does everything that is due at `now`.
    ///
    /// # Panics
    /// If the peers or the director are due again and again without time passing.
    pub fn poll(&mut self, now: Instant, director: &mut dyn Director) {
        self.now = now;
        let mut rounds = 0;
        while self.poll_once(director) {
            rounds += 1;
            assert!(rounds < SPIN_LIMIT, "the network is due again and again at {now}");
        }
    }

    /// When [`Network::poll`] has something to do again, as far as the network itself goes.
    pub fn poll_at(&self) -> Option<Instant> {
        let ont = if self.ont_bridges { None } else { self.ont.poll_at(self.now) };
        let others = self.others.iter().filter_map(|node| node.poll_at());
        let lan = self.lan.as_ref().map(|lan| [lan.link.poll_at(), lan.poll_at()]);
        let internet = self.internet.as_ref().and_then(Internet::poll_at);
        let modem = self.modem.as_ref().and_then(Modem::poll_at);
        let edge = self.edge.as_ref().and_then(Edge::poll_at);
        let line = [self.link.poll_at(), self.concentrator.poll_at(), ont, modem, internet, edge];
        line.into_iter().chain(lan.into_iter().flatten()).flatten().chain(others).min()
    }

    fn poll_once(&mut self, director: &mut dyn Director) -> bool {
        let now = self.now;
        let mut busy = false;
        while let Some((end, frame)) = self.link.receive(now) {
            busy = true;
            if !self.ont_bridges {
                self.link.recycle(frame);
            } else if end == End::Peers {
                self.deliver(&frame);
                self.link.recycle(frame);
            } else {
                self.arrive(Side::Wan, frame);
            }
        }
        busy |= self.poll_modem();
        busy |= self.poll_lan();
        busy |= self.poll_internet();
        if self.concentrator.poll_at().is_some_and(|at| at <= now) {
            busy = true;
            self.concentrator.handle_timeout(now, &mut self.outbox);
        }
        if let Some(edge) = self.edge.as_mut().filter(|edge| edge.poll_at().is_some_and(|at| at <= now)) {
            busy = true;
            edge.handle_timeout(now, &mut self.outbox);
        }
        for node in &mut self.others {
            if node.poll_at().is_some_and(|at| at <= now) {
                busy = true;
                node.handle_timeout(now, &mut self.outbox);
            }
        }
        self.flush();
        if !self.ont_bridges && self.ont.bridges(now) {
            busy = true;
            self.ont_bridges = true;
            let what = "the ONT is ready; its optical lamp is on";
            self.tell(Actor::Line, "ont-ready", Tone::Plain, what.into(), String::new());
        }
        while let Some(entry) = self.news.pop_front() {
            director.notice(&entry);
        }
        if director.poll_at().is_some_and(|at| at <= now) {
            busy = true;
            director.act(now, self);
        }
        busy
    }

    fn poll_lan(&mut self) -> bool {
        let Some(lan) = &mut self.lan else { return false };
        let mut busy = lan.poll(self.now);
        let mut arrived = Vec::new();
        while let Some((end, frame)) = lan.link.receive(self.now) {
            busy = true;
            match end {
                End::Peers => lan.handle_frame(self.now, &frame),
                End::Router => arrived.push(frame),
            }
        }
        let news = lan.take_news();
        for frame in arrived {
            self.arrive(Side::Lan, frame);
        }
        self.report(Actor::Lan, news) | busy
    }

    fn poll_modem(&mut self) -> bool {
        let Some(modem) = &mut self.modem else { return false };
        let frames = modem.poll(self.now);
        let news = modem.take_news();
        let mut busy = false;
        for frame in frames {
            busy = true;
            self.arrive(Side::Wan, frame);
        }
        self.report(Actor::Line, news) | busy
    }

    fn poll_internet(&mut self) -> bool {
        let now = self.now;
        let Some(internet) = &mut self.internet else { return false };
        let mut busy = internet.poll_at().is_some_and(|at| at <= now);
        if busy {
            internet.handle_timeout(now);
        }
        while let Some(packet) = internet.poll_packet(now) {
            busy = true;
            match &mut self.edge {
                Some(edge) => edge.deliver(now, &packet, &mut self.outbox),
                None => {
                    if let Some(error) = self.concentrator.deliver(now, &packet, &mut self.outbox) {
                        internet.handle_error(now, &error);
                    }
                }
            }
        }
        let news = internet.take_news();
        self.report(Actor::Internet, news) | busy
    }

    /// Whether there were any.
    fn report(&mut self, actor: Actor, news: Vec<News>) -> bool {
        let any = !news.is_empty();
        for News { tag, tone, what, why } in news {
            self.tell(actor, tag, tone, what, why);
        }
        any
    }

    fn deliver(&mut self, frame: &[u8]) {
        self.concentrator.handle_frame(self.now, frame, &mut self.outbox);
        if let Some(edge) = &mut self.edge {
            edge.handle_frame(self.now, frame, &mut self.outbox);
        }
        for node in &mut self.others {
            node.handle_frame(self.now, frame, &mut self.outbox);
        }
        self.flush();
    }

    /// Sends and tells what the peers have put out.
    fn flush(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        for frame in outbox.frames() {
            self.link.send(self.now, End::Peers, frame);
        }
        for remark in outbox.take_remarks() {
            self.tell(Actor::Carrier, remark.tag(), remark.tone(), remark.what, remark.why);
        }
        for packet in outbox.take_passed_on() {
            if let Some(internet) = &mut self.internet {
                internet.handle_packet(self.now, &packet);
            }
        }
        outbox.clear();
        self.outbox = outbox;
    }
}

fn wake(waker: Option<&Waker>) {
    if let Some(waker) = waker {
        waker.wake_by_ref();
    }
}

fn keep(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}
