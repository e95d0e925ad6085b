//! A computer with a real TCP/IP stack (smoltcp's) and people who use it: at home on the LAN, or a server on the Internet.
//!
//! ```text
//!            ┌────────── tasks: fetch, stream, ping, trace, hold, resolve ──────────┐
//!            │           servers: HTTP, echo                                        │
//!            └── smoltcp: TCP, UDP, ICMP, DHCP client, ARP, NDP; SLAAC ── Device ── frames or packets
//! ```
//!
//! Sans-IO: [`Machine::receive`] is given what arrived, [`Machine::poll`] lets it work, [`Machine::sent`] gives out what
//! it sends. Everything follows from its seed.

mod ask;
mod body;
mod connect;
mod device;
pub mod dns;
mod fetch;
mod flow;
mod lookup;
mod memory;
mod ping;
mod server;
mod slaac;
mod stream;
mod trace;

#[cfg(test)]
mod tests;

use smoltcp::iface::SocketStorage;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

pub use self::body::{Lease, News, Tally};
pub use self::lookup::{Family, Target};
pub use self::memory::{Memory, Size};
pub use self::server::{Question, Service, content};

use self::ask::Ask;
use self::body::{Body, Wire};
use self::fetch::Fetch;
use self::flow::Flow;
use self::lookup::Resolve;
use self::ping::Ping;
use self::server::Servers;
use self::stream::Stream;
use self::trace::Trace;
use super::portal::Network;

/// Something a person does with a computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Looks a name up.
    Resolve {
        /// The name.
        name: String,
        /// Which addresses of it.
        family: Family,
    },
    /// Fetches a page over HTTP and compares every octet with what it must be.
    Fetch {
        /// From whom.
        target: Target,
        /// From which port.
        port: u16,
        /// How long the page is, in octets.
        size: u64,
        /// How long without an octet until the user gives up.
        patience: Duration,
    },
    /// Talks over UDP: sends a datagram every so often, wants each back.
    Stream {
        /// With whom.
        target: Target,
        /// To which port.
        port: u16,
        /// How often.
        every: Duration,
        /// For how long.
        lasts: Duration,
        /// Octets of each datagram.
        size: usize,
    },
    /// Pings.
    Ping {
        /// Whom.
        target: Target,
        /// How many times, a second apart.
        count: u16,
        /// Octets of data in each.
        size: usize,
    },
    /// Keeps a TCP connection open and says something once in a while.
    Hold {
        /// With whom.
        target: Target,
        /// To which port.
        port: u16,
        /// How often something is said.
        every: Duration,
        /// For how long.
        lasts: Duration,
        /// How long an answer may take, or a connection.
        patience: Duration,
    },
    /// Says something over TCP, word for word, and tells the answer.
    Ask {
        /// To whom.
        target: Target,
        /// To which port.
        port: u16,
        /// What.
        text: String,
    },
    /// Traces the route.
    Trace {
        /// To whom.
        target: Target,
    },
}

impl Task {
    /// Makes it be about this address.
    pub fn retarget(&mut self, address: IpAddress) {
        if let Some(target) = self.target_mut() {
            *target = Target::Address(address);
        }
    }

    fn number(&mut self, number: u64) {
        let name = match self {
            Self::Resolve { name, .. } => Some(name),
            task => match task.target_mut() {
                Some(Target::Name(name, _)) => Some(name),
                _ => None,
            },
        };
        if let Some(name) = name {
            *name = name.replace('#', &number.to_string());
        }
    }

    fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Self::Resolve { .. } => None,
            Self::Fetch { target, .. }
            | Self::Stream { target, .. }
            | Self::Ping { target, .. }
            | Self::Hold { target, .. }
            | Self::Ask { target, .. }
            | Self::Trace { target } => Some(target),
        }
    }
}

/// Where a task is.
#[derive(Debug)]
enum Running {
    Resolve(Resolve),
    Fetch(Fetch),
    Stream(Stream),
    Ping(Ping),
    Hold(Flow),
    Ask(Ask),
    Trace(Trace),
}

/// What a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Something to arrive, or this moment.
    Wait(Option<Instant>),
    /// Nothing: it is over.
    Done,
}

/// A computer.
pub struct Machine<'a> {
    body: Body<'a>,
    servers: Servers,
    running: Vec<Running>,
    begun: u64,
    wake_at: Option<Instant>,
}

impl<'a> Machine<'a> {
    /// One on an Ethernet. It asks for an address (DHCP) from its first poll on, unless `address` and `gateway` are given.
    pub fn on_ethernet(
        name: &str,
        mac: EthernetAddress,
        fixed: Option<Lease>,
        memory: &'a mut Memory,
        storage: &'a mut [SocketStorage<'a>],
        seed: u64,
    ) -> Self {
        let mut body = Body::new(name, Wire::Ethernet(mac), fixed.is_none(), memory, storage, seed);
        if let Some(lease) = fixed {
            body.configure(lease);
        }
        Self {
            body,
            servers: Servers::default(),
            running: Vec::new(),
            begun: 0,
            wake_at: Some(Instant::ZERO),
        }
    }

    /// Many in one, without a link layer: it answers for every IPv4 address it is asked for, and for those of `ipv6`.
    /// `address`, and the first of `ipv6`, is where its own connections come from.
    pub fn of_the_internet(
        name: &str,
        address: Ipv4Address,
        ipv6: &[Ipv6Address],
        memory: &'a mut Memory,
        storage: &'a mut [SocketStorage<'a>],
        seed: u64,
    ) -> Self {
        let mut body = Body::new(name, Wire::Ip, false, memory, storage, seed);
        body.configure(Lease {
            address: Ipv4Cidr::new(address, 0),
            gateway: address,
            dns: Vec::new(),
            portal: None,
        });
        body.configure_ipv6(ipv6.iter().map(|&address| Ipv6Cidr::new(address, 128)).collect());
        Self { body, servers: Servers::default(), running: Vec::new(), begun: 0, wake_at: None }
    }

    /// Says only what goes wrong from now on.
    pub fn set_quiet(&mut self, quiet: bool) {
        self.body.quiet = quiet;
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.body.name
    }

    /// The address it has.
    pub fn lease(&self) -> Option<&Lease> {
        self.body.lease.as_ref()
    }

    /// The IPv6 address that its connections to the Internet come from, if it has one and a way there.
    pub fn ipv6_address(&self) -> Option<Ipv6Address> {
        match self.body.source(IpAddress::Ipv6(Ipv6Address::UNSPECIFIED))? {
            IpAddress::Ipv6(address) => Some(address),
            IpAddress::Ipv4(_) => None,
        }
    }

    /// Every IPv6 address it has made itself of a prefix.
    pub fn ipv6_addresses(&self) -> impl Iterator<Item = Ipv6Cidr> {
        self.body.slaac.iter().flat_map(slaac::Slaac::addresses)
    }

    /// The default router that Router Advertisements told of.
    pub fn ipv6_router(&self) -> Option<Ipv6Address> {
        self.body.slaac.as_ref().and_then(slaac::Slaac::router)
    }

    /// Takes IPv6 away from it, as from a computer that is too old for it.
    pub fn forget_ipv6(&mut self) {
        self.body.forget_ipv6();
    }

    /// What it has experienced.
    pub fn tally(&self) -> &Tally {
        &self.body.tally
    }

    /// Offers a service on `port`, to `clients` at once.
    pub fn serve(&mut self, service: Service, port: u16, clients: usize) {
        self.servers.open(&mut self.body, service, port, clients);
    }

    /// Puts a network on the way to its servers, or takes it away.
    pub fn set_network(&mut self, network: Option<Network>) {
        self.servers.network = network;
    }

    /// The next request at a port of [`Service::Questions`].
    pub fn take_question(&mut self) -> Option<Question> {
        self.servers.take_question()
    }

    /// Answers it; [`Machine::poll`] sends it.
    pub fn answer(&mut self, number: usize, status: &str, body: &str) {
        self.servers.answer(number, status, body);
    }

    /// Whether a datagram or a connection from outside to `port` is expected.
    pub fn expects(&self, port: u16) -> bool {
        self.servers.ports().any(|open| open == port)
    }

    /// Begins something. In names `#` is the number of what it has begun so far, so that no answer is known already.
    pub fn begin(&mut self, now: Instant, mut task: Task) {
        self.begun += 1;
        task.number(self.begun);
        self.running.push(match task {
            Task::Resolve { name, family } => Running::Resolve(Resolve::new(now, name, family)),
            Task::Fetch { target, port, size, patience } => {
                Running::Fetch(Fetch::new(now, target, port, size, patience))
            }
            Task::Stream { target, port, every, lasts, size } => {
                Running::Stream(Stream::new(now, target, port, every, lasts, size))
            }
            Task::Ping { target, count, size } => Running::Ping(Ping::new(now, target, count, size)),
            Task::Hold { target, port, every, lasts, patience } => {
                Running::Hold(Flow::new(now, target, port, every, lasts, patience))
            }
            Task::Ask { target, port, text } => Running::Ask(Ask::new(now, target, port, text)),
            Task::Trace { target } => Running::Trace(Trace::new(now, target)),
        });
        self.wake_at = Some(now);
    }

    /// Its link came back: it asks for an address again, as after the cable was put in.
    pub fn reconnect(&mut self, now: Instant) {
        self.body.restart_dhcp();
        self.body.restart_slaac(now);
        self.wake_at = Some(now);
    }

    /// A frame, or a packet, has arrived.
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) {
        if self.body.packet(bytes).is_some_and(|packet| self.servers.knows(&self.body, packet)) {
            return;
        }
        self.body.receive(now, bytes);
        self.wake_at = Some(now);
    }

    /// Lets it work.
    pub fn poll(&mut self, now: Instant) {
        // What a task says to a socket is sent by the next poll of the interface, and the other way around.
        loop {
            let moved = self.body.poll(now);
            let served = self.servers.poll(now, &mut self.body);
            let mut running = std::mem::take(&mut self.running);
            let mut wake_at = None;
            running.retain_mut(|task| match task.poll(now, &mut self.body) {
                Next::Done => false,
                Next::Wait(until) => {
                    wake_at = earliest(wake_at, until);
                    true
                }
            });
            self.running = running;
            if !moved && !served && self.body.is_idle() {
                self.wake_at = earliest(earliest(wake_at, self.servers.poll_at()), self.body.poll_at(now));
                return;
            }
        }
    }

    /// When [`Machine::poll`] is wanted.
    pub fn poll_at(&self) -> Option<Instant> {
        self.wake_at
    }

    /// The next frame, or packet, it sends.
    pub fn sent(&mut self) -> Option<Vec<u8>> {
        self.body.sent()
    }

    /// What it has to tell.
    pub fn take_news(&mut self) -> impl Iterator<Item = News> {
        self.body.news.drain(..)
    }

    /// How many tasks it is busy with.
    pub fn busy(&self) -> usize {
        self.running.len()
    }
}

impl Running {
    fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        match self {
            Self::Resolve(task) => task.poll(now, body),
            Self::Fetch(task) => task.poll(now, body),
            Self::Stream(task) => task.poll(now, body),
            Self::Ping(task) => task.poll(now, body),
            Self::Hold(task) => task.poll(now, body),
            Self::Ask(task) => task.poll(now, body),
            Self::Trace(task) => task.poll(now, body),
        }
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
