//! Somebody on the Internet with IPv4, who has IPv6 by a tunnel that the subscriber's router serves: what
//! `ip tunnel add sit1 mode sit remote <router> local <own> ttl 255` makes of a computer with Linux.
//!
//! Reading list: RFC 4213 §3.5 and §3.6 (decapsulation).

use smoltcp::iface::SocketStorage;
use smoltcp::time::Instant;
use smoltcp::wire::{Ipv4Address, Ipv4Packet, Ipv6Address};

use super::broker::SIT;
use super::host::{Machine, Memory, News, Service, Task};
use super::packet::{self, Fragment};

/// Where it is.
pub const FAR: Ipv4Address = Ipv4Address::new(192, 0, 2, 61);

const TTL: u8 = 255;
const HTTP: u16 = 80;
const ECHO: u16 = 7;
const CLIENTS: usize = 4;

/// The computer.
pub struct Far<'a> {
    machine: Machine<'a>,
    /// The other end, once it was told.
    server: Option<Ipv4Address>,
    /// Packets of protocol 41 from anybody else, which Linux does not even see.
    strangers: u64,
    /// Packets inside that are not in order.
    malformed: u64,
    received: u64,
}

impl<'a> Far<'a> {
    /// One with these IPv6 addresses, the first for what it begins.
    pub fn new(
        addresses: &[Ipv6Address],
        memory: &'a mut Memory,
        storage: &'a mut [SocketStorage<'a>],
        seed: u64,
    ) -> Self {
        let mut machine = Machine::of_the_internet("far", FAR, addresses, memory, storage, seed);
        machine.serve(Service::Http, HTTP, CLIENTS);
        machine.serve(Service::EchoTcp, ECHO, CLIENTS);
        machine.serve(Service::EchoUdp, ECHO, 1);
        Self { machine, server: None, strangers: 0, malformed: 0, received: 0 }
    }

    /// What it has experienced.
    pub fn machine(&self) -> &Machine<'a> {
        &self.machine
    }

    /// Packets that came through the tunnel, those of strangers, and those that were not in order.
    pub fn counted(&self) -> (u64, u64, u64) {
        (self.received, self.strangers, self.malformed)
    }

    /// Begins something, with the other end of its tunnel at `server`.
    pub fn begin(&mut self, now: Instant, server: Ipv4Address, task: Task) {
        self.server = Some(server);
        self.machine.begin(now, task);
    }

    /// An IPv4 packet for it.
    pub fn handle(&mut self, now: Instant, bytes: &[u8]) {
        let outer = Ipv4Packet::new_unchecked(bytes);
        if outer.next_header() != SIT {
            self.machine.receive(now, bytes);
        } else if Some(outer.src_addr()) != self.server {
            self.strangers += 1;
        } else if !packet::is_ipv6(outer.payload()) || packet::inspect(outer.payload()).is_err() {
            self.malformed += 1;
        } else {
            self.received += 1;
            self.machine.receive(now, outer.payload());
        }
    }

    /// Lets it work.
    pub fn poll(&mut self, now: Instant) {
        self.machine.poll(now);
    }

    /// When [`Far::poll`] is wanted.
    pub fn poll_at(&self) -> Option<Instant> {
        self.machine.poll_at()
    }

    /// The next packet that it sends; of IPv6, in one of protocol 41.
    pub fn sent(&mut self) -> Option<Vec<u8>> {
        let inner = self.machine.sent()?;
        if !packet::is_ipv6(&inner) {
            return Some(inner);
        }
        let mut outer = packet::ipv4(FAR, self.server?, SIT, Fragment::default(), &inner);
        let mut header = Ipv4Packet::new_unchecked(&mut outer);
        header.set_hop_limit(TTL);
        header.set_dont_frag(true);
        header.fill_checksum();
        Some(outer)
    }

    /// What it has to tell.
    pub fn take_news(&mut self) -> impl Iterator<Item = News> {
        self.machine.take_news()
    }
}
