//! The LAN: a switch with computers, behind the router's second port.
//!
//! ```text
//!            link (loss, delay, rate)        ┌── Host: Machine (DHCP, TCP, UDP, ICMP) and perhaps Rogue
//!  router ═══════════════════════════ switch ┼── Host
//!                                            └── Host ...
//! ```
//!
//! The switch knows who is where; broadcasts, and frames for nobody it knows, go to all. What the router sends to hosts is
//! inspected on the way: checksums, and whether anything gets in that nobody asked for.

mod rogue;
mod watch;

use std::collections::VecDeque;

use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

pub use self::rogue::{Mischief, Scheme};
pub use self::watch::Watch;

use self::rogue::Rogue;
use super::host::{Machine, News, Tally, Task};
use crate::link::{End, Link, Quality};

/// The router's port on the LAN side.
pub const LAN_MAC: EthernetAddress = EthernetAddress([0x02, 0x00, 0x5E, 0x00, 0x53, 0x02]);

/// The address of the host of this number.
pub fn mac(number: usize) -> EthernetAddress {
    let [high, low] = (number as u16).to_be_bytes();
    EthernetAddress([0x02, 0x00, 0x5E, 0x10, high, low])
}

/// A computer on the LAN.
struct Host<'a> {
    machine: Machine<'a>,
    mac: EthernetAddress,
    joins_at: Instant,
    rogues: Vec<Rogue>,
}

/// The LAN.
pub struct Lan<'a> {
    /// Between the router's port and the switch.
    pub link: Link,
    hosts: Vec<Host<'a>>,
    watch: Watch,
    /// From one host to others, by the number of the sender.
    between: VecDeque<(usize, Vec<u8>)>,
    news: Vec<News>,
    seed: u64,
}

impl<'a> Lan<'a> {
    /// An empty one.
    pub fn new(quality: Quality, seed: u64) -> Self {
        Self {
            link: Link::new(quality, seed),
            hosts: Vec::new(),
            watch: Watch::default(),
            between: VecDeque::new(),
            news: Vec::new(),
            seed,
        }
    }

    /// Plugs in the next computer, whose address on the link is [`mac`] of its number, at `joins_at`.
    pub fn add(&mut self, machine: Machine<'a>, joins_at: Instant) {
        let mac = mac(self.hosts.len());
        self.hosts.push(Host { machine, mac, joins_at, rogues: Vec::new() });
    }

    /// What the hosts experienced, in sum.
    pub fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        self.hosts.iter().for_each(|host| sum.add(host.machine.tally()));
        sum
    }

    /// What the watch at the router's port saw.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// How many hosts have an address.
    pub fn leased(&self) -> usize {
        self.hosts.iter().filter(|host| host.machine.lease().is_some()).count()
    }

    /// How many hosts have an address and a way over IPv6.
    pub fn with_ipv6(&self) -> usize {
        self.hosts.iter().filter(|host| host.machine.ipv6_address().is_some()).count()
    }

    /// A host begins something.
    pub fn begin(&mut self, now: Instant, host: usize, task: Task) {
        self.hosts[host].machine.begin(now, task);
    }

    /// A host begins to misbehave.
    pub fn misbehave(&mut self, now: Instant, host: usize, scheme: Scheme) {
        let Host { machine, mac, rogues, .. } = &mut self.hosts[host];
        self.seed = self.seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        let rogue = Rogue::new(now, *mac, scheme, self.seed);
        let what = format!("{}: {}", machine.name(), rogue.intent());
        self.news.push(News { tag: "misbehaves", tone: crate::timeline::Tone::Bad, what, why: rogue.pace() });
        rogues.push(rogue);
    }

    /// The cable of every host came back: they ask for their addresses again.
    pub fn reconnect(&mut self, now: Instant) {
        self.hosts.iter_mut().for_each(|host| host.machine.reconnect(now));
    }

    /// Does everything that is due; frames for the router are put on the link.
    pub fn poll(&mut self, now: Instant) -> bool {
        let mut busy = false;
        loop {
            let due = self.hosts.iter().position(|host| host.poll_at().is_some_and(|at| at <= now));
            if let Some(index) = due {
                busy = true;
                self.poll_host(now, index);
            } else if let Some((sender, frame)) = self.between.pop_front() {
                busy = true;
                self.deliver(now, Some(sender), &frame);
            } else {
                return busy;
            }
        }
    }

    /// When [`Lan::poll`] is wanted.
    pub fn poll_at(&self) -> Option<Instant> {
        self.hosts.iter().filter_map(Host::poll_at).min()
    }

    /// A frame of the router's reaches the switch.
    pub fn handle_frame(&mut self, now: Instant, frame: &[u8]) {
        self.deliver(now, None, frame);
    }

    /// What there is to tell.
    pub fn take_news(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        for host in &mut self.hosts {
            news.extend(host.machine.take_news());
            news.extend(host.rogues.iter_mut().filter_map(|rogue| rogue.take_news(host.machine.name())));
            host.rogues.retain(|rogue| rogue.poll_at().is_some());
        }
        news
    }

    fn poll_host(&mut self, now: Instant, index: usize) {
        let host = &mut self.hosts[index];
        if host.machine.poll_at().is_some_and(|at| at <= now) {
            host.machine.poll(now);
        }
        let lease = host.machine.lease().cloned();
        let made = host.rogues.iter_mut().flat_map(|rogue| rogue.poll(now, lease.as_ref()));
        let mut frames: Vec<Vec<u8>> = made.collect();
        while let Some(frame) = host.machine.sent() {
            frames.push(frame);
        }
        for frame in frames {
            let to = destination(&frame);
            let is_known = self.hosts.iter().any(|host| host.mac == to);
            if !is_known {
                self.link.send(now, End::Peers, &frame);
            }
            if is_known || to.is_multicast() || to.is_broadcast() {
                self.between.push_back((index, frame));
            }
        }
    }

    /// To whom it is for, but not back to its sender; from the router if that is `None`.
    fn deliver(&mut self, now: Instant, sender: Option<usize>, frame: &[u8]) {
        let to = destination(frame);
        let only = self.hosts.iter().position(|host| host.mac == to);
        for (index, host) in self.hosts.iter_mut().enumerate() {
            let meant = only.is_none_or(|only| only == index) && sender != Some(index);
            if !meant || now < host.joins_at {
                continue;
            }
            if sender.is_none() && (only.is_some() || index == 0) {
                let complaint = self.watch.inspect(frame, &host.machine);
                self.news.extend(complaint);
            }
            let mut is_a_rogues = false;
            for rogue in &mut host.rogues {
                is_a_rogues |= rogue.handle_frame(frame);
            }
            if !is_a_rogues {
                host.machine.receive(now, frame);
            }
        }
    }
}

impl Host<'_> {
    fn poll_at(&self) -> Option<Instant> {
        let rogues = self.rogues.iter().filter_map(Rogue::poll_at);
        self.machine.poll_at().into_iter().chain(rogues).min().map(|at| at.max(self.joins_at))
    }
}

fn destination(frame: &[u8]) -> EthernetAddress {
    frame.first_chunk().map_or(EthernetAddress([0; 6]), |octets| EthernetAddress(*octets))
}
