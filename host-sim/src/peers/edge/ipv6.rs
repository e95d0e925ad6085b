//! IPv6 on a line without PPP: the carrier's router advertises itself, delegates prefixes, and asks for the hardware address
//! of whoever it has a packet for.
//!
//! ```text
//!   packet for ─┬─ an address of the line's /64 ── that neighbour ──┐ known ─► sent
//!               └─ a delegated prefix ── who was given it ──────────┘ not ──► NS, 3 times; it waits meanwhile
//! ```
//!
//! Reading list: RFC 4861 §6.2 and §7.2, RFC 7084 §4.2 (what a customer's router expects).

use std::collections::BTreeMap;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, EthernetProtocol, Ipv6Address, Ipv6Cidr, Ipv6Packet};

use super::EDGE_MAC;
use crate::peers::concentrator::{Ipv6Access, Made, Routes};
use crate::peers::dhcpv6::{self, Mood};
use crate::peers::ndp::{self, Neighbourly};
use crate::peers::packet;
use crate::world::Outbox;

/// RFC 4861 §10: `REACHABLE_TIME`, `RETRANS_TIMER`, `MAX_MULTICAST_SOLICIT`.
const REACHABLE: Duration = Duration::from_secs(30);
const RETRANSMISSION: Duration = Duration::from_secs(1);
const MOST_QUESTIONS: u8 = 3;
/// Packets that wait for one neighbour.
const WAITING: usize = 32;
const MTU: u16 = 1500;

/// The carrier's side.
#[derive(Debug)]
pub(super) struct Side {
    /// How its DHCPv6 server is today.
    pub(super) mood: Mood,
    routes: Routes,
    own: Ipv6Address,
    /// Where it believes neighbours to be, and until when.
    neighbours: BTreeMap<Ipv6Address, (EthernetAddress, Instant)>,
    questions: Vec<Question>,
    /// Who was given a prefix: the way to it.
    subscriber: Option<Ipv6Address>,
    /// What else is on the line.
    also: Option<Ipv6Cidr>,
    /// Which decides the prefixes.
    number: u32,
    pub(super) foreign_sources: u64,
    pub(super) undelivered: u64,
    pub(super) malformed: u64,
}

/// A neighbour that is asked for.
#[derive(Debug)]
struct Question {
    target: Ipv6Address,
    asked: u8,
    next: Instant,
    packets: Vec<Vec<u8>>,
}

impl Side {
    /// Of the subscriber of this number. `also` is on the line beside its /64.
    pub(super) fn new(access: Ipv6Access, subscriber: u32, also: Option<Ipv6Cidr>) -> Self {
        let own = ndp::address_in(Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 0), EDGE_MAC);
        let mut routes = Routes::new(access, subscriber).on_ethernet(EDGE_MAC);
        routes.open(Instant::ZERO);
        Self {
            mood: Mood::Well,
            routes,
            own,
            neighbours: BTreeMap::new(),
            questions: Vec::new(),
            subscriber: None,
            also,
            number: subscriber,
            foreign_sources: 0,
            undelivered: 0,
            malformed: 0,
        }
    }

    pub(super) fn dhcp(&self) -> &dhcpv6::Counters {
        self.routes.dhcp()
    }

    /// The subscriber gets other prefixes.
    pub(super) fn renumber(&mut self, now: Instant) {
        self.number += 1;
        self.routes.renumber(now, self.number);
    }

    /// Whether an address is of the subscriber's networks.
    pub(super) fn has(&self, now: Instant, address: Ipv6Address) -> bool {
        self.routes.has(now, address) || self.is_also(address)
    }

    fn is_also(&self, address: Ipv6Address) -> bool {
        self.also.is_some_and(|also| also.contains_addr(&address))
    }

    /// A packet of the Internet's.
    pub(super) fn deliver(&mut self, now: Instant, bytes: &[u8], out: &mut Outbox) {
        let to = Ipv6Packet::new_unchecked(bytes).dst_addr();
        let is_on_line = self.routes.is_on_line(to) || self.is_also(to);
        let next = if is_on_line { Some(to) } else { self.subscriber };
        match next.filter(|_| self.has(now, to)) {
            Some(next) => self.send(now, next, bytes.to_vec(), out),
            None => self.undelivered += 1,
        }
    }

    /// A frame's packet, for it or for many.
    pub(super) fn handle(&mut self, now: Instant, from: EthernetAddress, bytes: &[u8], out: &mut Outbox) {
        let Some(bytes) = packet::ipv6_of(bytes).filter(|bytes| packet::inspect(bytes).is_ok()) else {
            self.malformed += 1;
            return;
        };
        let source = Ipv6Packet::new_unchecked(bytes).src_addr();
        match ndp::neighbourly(bytes) {
            Some(Neighbourly::Solicitation { target, mac }) => {
                if let Some(mac) = mac {
                    self.learn(now, source, mac, out);
                }
                if target == self.own && !source.is_unspecified() {
                    out.send(&ndp::advertise_neighbour(EDGE_MAC, self.own, from, source));
                }
                return;
            }
            Some(Neighbourly::Advertisement { target, mac, is_solicited }) => {
                if is_solicited || self.questions.iter().any(|question| question.target == target) {
                    self.learn(now, target, mac.unwrap_or(from), out);
                }
                return;
            }
            None => {}
        }
        let destination = Ipv6Packet::new_unchecked(bytes).dst_addr();
        if destination == dhcpv6::ALL_SERVERS {
            self.subscriber = Some(source);
        }
        match self.routes.handle(now, self.mood, self.own, MTU, bytes) {
            Made::Forward => out.pass_on(bytes),
            Made::Foreign if self.is_also(source) => out.pass_on(bytes),
            Made::Foreign => self.foreign_sources += 1,
            Made::Stale => {}
            Made::Answer(replies, delegated) => {
                for reply in replies {
                    let to = Ipv6Packet::new_unchecked(&reply[..]).dst_addr();
                    let mac = if to.is_multicast() { ndp::multicast_mac(to) } else { from };
                    out.send(&packet::ethernet(EDGE_MAC, mac, EthernetProtocol::Ipv6, &reply));
                }
                for prefix in delegated {
                    out.remark(format!("delegates {prefix}"), "");
                }
            }
        }
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.questions.iter().map(|question| question.next).chain(self.routes.poll_at()).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        if let Some(advertisement) = self.routes.advertisement(now, self.own, MTU) {
            let mac = ndp::multicast_mac(ndp::ALL_NODES);
            out.send(&packet::ethernet(EDGE_MAC, mac, EthernetProtocol::Ipv6, &advertisement));
        }
        let own = self.own;
        for question in self.questions.iter_mut().filter(|question| question.next <= now) {
            if question.asked < MOST_QUESTIONS {
                out.send(&ndp::solicit_neighbour(EDGE_MAC, own, question.target));
            }
            question.asked += 1;
            question.next = now + RETRANSMISSION;
        }
        for vain in self.questions.extract_if(.., |question| question.asked > MOST_QUESTIONS) {
            self.undelivered += vain.packets.len() as u64;
        }
    }

    fn send(&mut self, now: Instant, next: Ipv6Address, bytes: Vec<u8>, out: &mut Outbox) {
        if let Some((mac, _)) = self.neighbours.get(&next).filter(|(_, until)| now < *until) {
            out.send(&packet::ethernet(EDGE_MAC, *mac, EthernetProtocol::Ipv6, &bytes));
            return;
        }
        let known = self.questions.iter_mut().find(|question| question.target == next);
        match known {
            Some(question) if question.packets.len() < WAITING => question.packets.push(bytes),
            Some(_) => self.undelivered += 1,
            None => {
                self.questions.push(Question { target: next, asked: 0, next: now, packets: vec![bytes] });
            }
        }
    }

    fn learn(&mut self, now: Instant, address: Ipv6Address, mac: EthernetAddress, out: &mut Outbox) {
        self.neighbours.insert(address, (mac, now + REACHABLE));
        for answered in self.questions.extract_if(.., |question| question.target == address) {
            for bytes in answered.packets {
                out.send(&packet::ethernet(EDGE_MAC, mac, EthernetProtocol::Ipv6, &bytes));
            }
        }
    }
}
