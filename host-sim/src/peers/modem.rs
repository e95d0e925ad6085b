//! The page of a modem: a small computer in the ONT, in a network of its own on plain Ethernet beside the session.
//!
//! It is at this end of the fibre: whether there is a session, or a line at all, is nothing to it.

use smoltcp::iface::SocketStorage;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr};

use super::host::{Lease, Machine, Memory, News, Service};

/// Its Ethernet address.
pub const MODEM_MAC: EthernetAddress = EthernetAddress([0x02, 0x0D, 0, 0, 0, 1]);
/// Where its page is, and how many look at it at once.
const HTTP: u16 = 80;
const CLIENTS: usize = 4;

/// The modem's computer.
pub struct Modem<'a> {
    machine: Machine<'a>,
}

impl<'a> Modem<'a> {
    /// One that is at `address`.
    pub fn new(
        address: Ipv4Cidr,
        memory: &'a mut Memory,
        storage: &'a mut [SocketStorage<'a>],
        seed: u64,
    ) -> Self {
        // It has no way out, and answers only in its own network.
        let lease = Lease { address, gateway: address.address(), dns: Vec::new(), portal: None };
        let mut machine = Machine::on_ethernet("modem", MODEM_MAC, Some(lease), memory, storage, seed);
        machine.forget_ipv6();
        machine.serve(Service::Http, HTTP, CLIENTS);
        Self { machine }
    }

    /// Pages it has shown.
    pub fn served(&self) -> u64 {
        self.machine.tally().served
    }

    /// A frame of the router's, whoever it is for.
    pub fn handle_frame(&mut self, now: Instant, frame: &[u8]) {
        let is_for_it = |to: &[u8; 6]| *to == MODEM_MAC.0 || *to == [0xFF; 6];
        if frame.first_chunk().is_some_and(is_for_it) {
            self.machine.receive(now, frame);
        }
    }

    /// Lets it work, if there is something to do; answers what it sends.
    pub fn poll(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.machine.poll_at().is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.machine.poll(now);
        std::iter::from_fn(|| self.machine.sent()).collect()
    }

    /// When [`Modem::poll`] is wanted.
    pub fn poll_at(&self) -> Option<Instant> {
        self.machine.poll_at()
    }

    /// What there is to tell.
    pub fn take_news(&mut self) -> Vec<News> {
        self.machine.take_news().collect()
    }
}
