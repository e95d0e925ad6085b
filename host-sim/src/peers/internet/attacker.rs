//! Somebody on the Internet who knows the subscriber's address and wishes it ill.

use std::collections::VecDeque;

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv4Repr, IpProtocol, Ipv4Address, Ipv4Packet, TcpControl};

use super::{DNS, HOST};
use crate::peers::host::{News, dns};
use crate::peers::packet::{self, Fragment};
use crate::timeline::Tone;

/// Where the attacks come from, if they do not say otherwise (RFC 5737).
pub const ATTACKER: Ipv4Address = Ipv4Address::new(198, 51, 100, 66);
/// What a poisoned name would lead to.
const TRAP: Ipv4Address = Ipv4Address::new(203, 0, 113, 66);
/// Packets of the subscriber's whose beginning is remembered: what a real attacker learns by owning a server.
const OVERHEARD: usize = 64;

/// Kinds of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// SYNs, datagrams and echoes at every port, unsolicited.
    Scan,
    /// SYNs from everywhere to one port.
    SynFlood,
    /// ICMP errors about connections the subscriber has, and about some it has not (RFC 5927).
    IcmpErrors,
    /// First fragments, last fragments, overlapping and tiny ones (RFC 1858).
    Fragments,
    /// Packets that claim to come from the LAN, from the subscriber itself, from nowhere (RFC 1812 §5.3.8).
    SpoofedSources,
    /// Answers to questions that DNS servers are being asked: guesses of port and id.
    DnsGuesses,
    /// Answers with the right port and id, from the wrong server or about the wrong name.
    DnsStrangers,
    /// SYNs, datagrams and segments at every port of hosts that were overheard, and at addresses beside them where nobody
    /// is (RFC 6583).
    ScanIpv6,
    /// Packets that claim to come from the LAN, from its link, from nowhere (RFC 7084 §4.2, RFC 4890 §4.3).
    SpoofedIpv6,
    /// `ICMPv6` errors about connections the subscriber has, and about some it has not.
    IcmpErrorsIpv6,
    /// Packets of protocol 41, from strangers and as if from the broker, with all that must not be inside
    /// (RFC 4213 §4, RFC 6324).
    Tunnel,
}

impl Attack {
    fn name(self) -> &'static str {
        match self {
            Self::Scan => "scans every port",
            Self::SynFlood => "floods with SYNs",
            Self::IcmpErrors => "forges ICMP errors",
            Self::Fragments => "floods with fragments",
            Self::SpoofedSources => "spoofs source addresses",
            Self::DnsGuesses => "guesses at DNS answers",
            Self::DnsStrangers => "answers DNS questions put to others",
            Self::ScanIpv6 => "scans hosts and addresses beside them",
            Self::SpoofedIpv6 => "spoofs source addresses over IPv6",
            Self::IcmpErrorsIpv6 => "forges ICMPv6 errors",
            Self::Tunnel => "sends packets of protocol 41",
        }
    }
}

/// An attack, how fierce and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Campaign {
    /// What kind.
    pub attack: Attack,
    /// Packets per second.
    pub rate: u32,
    /// For how long.
    pub lasts: Duration,
    /// A port it is about: that of the SYN flood.
    pub port: u16,
}

#[derive(Debug)]
struct Running {
    campaign: Campaign,
    subscriber: Ipv4Address,
    next: Instant,
    until: Instant,
    sent: u64,
}

#[derive(Debug)]
pub(super) struct Attacker {
    pub(super) rng: ChaCha8Rng,
    running: Vec<Running>,
    overheard: VecDeque<Vec<u8>>,
    /// The beginnings of packets over IPv6, the last one of each connection, the newest behind.
    pub(super) overheard6: VecDeque<Vec<u8>>,
    /// The last question put to a DNS server, whole.
    question: Option<Vec<u8>>,
    news: Vec<News>,
}

impl Attacker {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            running: Vec::new(),
            overheard: VecDeque::new(),
            overheard6: VecDeque::new(),
            question: None,
            news: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, now: Instant, campaign: Campaign, subscriber: Ipv4Address) {
        let what = format!("{ATTACKER} {}", campaign.attack.name());
        let why = format!("{} packets a second at {subscriber}", campaign.rate);
        self.news.push(News { tag: "attack", tone: Tone::Bad, what, why });
        let until = now + campaign.lasts;
        self.running.push(Running { campaign, subscriber, next: now, until, sent: 0 });
    }

    pub(super) fn overhear(&mut self, bytes: &[u8]) {
        const QUOTED: usize = 28;
        let packet = Ipv4Packet::new_unchecked(bytes);
        if DNS.contains(&packet.dst_addr()) && packet.next_header() == IpProtocol::Udp {
            self.question = Some(bytes.to_vec());
        }
        let beginning = &bytes[..bytes.len().min(QUOTED)];
        if self.overheard.iter().any(|known| known[12..] == beginning[12..]) {
            return;
        }
        if self.overheard.len() == OVERHEARD {
            self.overheard.pop_front();
        }
        self.overheard.push_back(beginning.to_vec());
    }

    /// The same of a packet over IPv6.
    pub(super) fn overhear_ipv6(&mut self, bytes: &[u8]) {
        // A whole header of TCP: less says nothing (RFC 4443 §2.4 c has errors quote as much as fits).
        const QUOTED: usize = packet::IPV6_HEADER + 20;
        let beginning = &bytes[..bytes.len().min(QUOTED)];
        let flow = |bytes: &[u8]| (bytes[8..40].to_vec(), bytes.get(40..44).map(<[u8]>::to_vec));
        self.overheard6.retain(|known| flow(known) != flow(beginning));
        if self.overheard6.len() == OVERHEARD {
            self.overheard6.pop_front();
        }
        self.overheard6.push_back(beginning.to_vec());
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.running.iter().map(|running| running.next).min()
    }

    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// The next packet that is due.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        loop {
            let index = self.running.iter().position(|running| running.next <= now)?;
            let running = &mut self.running[index];
            if running.next >= running.until {
                let over = self.running.remove(index);
                let what = format!("{ATTACKER} gives up");
                let why = format!("{} packets were sent", over.sent);
                self.news.push(News { tag: "attack-over", tone: Tone::Plain, what, why });
                continue;
            }
            let number = running.sent;
            running.sent += 1;
            running.next += Duration::from_micros(1_000_000 / u64::from(running.campaign.rate.max(1)));
            let (campaign, subscriber) = (running.campaign, running.subscriber);
            if let Some(bytes) = self.make(campaign, subscriber, number) {
                return Some(bytes);
            }
        }
    }

    fn make(&mut self, campaign: Campaign, victim: Ipv4Address, number: u64) -> Option<Vec<u8>> {
        let random = self.rng.next_u64();
        let port = (random >> 16) as u16;
        let swept = number as u16;
        Some(match campaign.attack {
            Attack::Scan => match number % 4 {
                0 => packet::tcp((ATTACKER, port), (victim, swept), TcpControl::Syn, port.into(), None),
                1 => packet::udp((ATTACKER, port), (victim, swept), b"anybody there?"),
                2 => packet::tcp((ATTACKER, port), (victim, swept), TcpControl::None, 1, Some(1)),
                _ => {
                    let echo =
                        Icmpv4Repr::EchoRequest { ident: port, seq_no: swept, data: b"anybody there?" };
                    packet::icmp(ATTACKER, victim, &echo)
                }
            },
            Attack::SynFlood => {
                let source = Ipv4Address::from((random >> 32) as u32 | 0x0100_0000);
                packet::tcp((source, port), (victim, campaign.port), TcpControl::Syn, swept.into(), None)
            }
            Attack::IcmpErrors => self.icmp_error(victim, number, random),
            Attack::Fragments => {
                let (ident, pick) = (port, number % 5);
                let payload = vec![0xF7; if pick == 3 { 8 } else { 600 }];
                let (offset, more) = match pick {
                    0 | 3 => (0, true),
                    1 => (1200, false),
                    2 => (600, true),
                    // Beyond what a datagram can be (the "ping of death").
                    _ => (65_528, true),
                };
                let fragment = Fragment { ident, offset, more };
                packet::ipv4(ATTACKER, victim, IpProtocol::Udp, fragment, &payload)
            }
            Attack::SpoofedSources => {
                let sources = [
                    Ipv4Address::new(192, 168, 1, 100),
                    victim,
                    Ipv4Address::LOCALHOST,
                    Ipv4Address::new(224, 0, 0, 1),
                    Ipv4Address::BROADCAST,
                    Ipv4Address::UNSPECIFIED,
                    Ipv4Address::new(192, 168, 1, 1),
                    Ipv4Address::new(10, 1, 2, 3),
                ];
                let source = sources[(random % 8) as usize];
                let destinations =
                    [victim, Ipv4Address::new(192, 168, 1, 100), Ipv4Address::new(192, 168, 1, 1)];
                let destination = destinations[((random >> 8) % 3) as usize];
                packet::tcp((source, port), (destination, port), TcpControl::Syn, 1, None)
            }
            Attack::DnsGuesses => {
                // It knows what is being asked: it had somebody at home ask.
                let (_, mut question) = self.question()?;
                question[..2].copy_from_slice(&((random >> 32) as u16).to_be_bytes());
                packet::udp((DNS[(random & 1) as usize], dns::PORT), (victim, port), &forged(&question))
            }
            Attack::DnsStrangers => return self.dns_stranger(victim, number),
            Attack::ScanIpv6 => return self.scan_ipv6(number, random),
            Attack::SpoofedIpv6 => return self.spoofed_ipv6(number, random),
            Attack::IcmpErrorsIpv6 => return self.icmpv6_error(number),
            Attack::Tunnel => return self.tunnel(victim, number, random),
        })
    }

    fn icmp_error(&mut self, victim: Ipv4Address, number: u64, random: u64) -> Vec<u8> {
        const UNREACHABLE: u8 = 3;
        const REDIRECT: u8 = 5;
        const EXCEEDED: u8 = 11;
        let kinds = [
            (UNREACHABLE, 1, [0; 4]),
            (UNREACHABLE, 3, [0; 4]),
            // Next-hop MTU 68: the least there is (RFC 791).
            (UNREACHABLE, 4, [0, 0, 0, 68]),
            (EXCEEDED, 0, [0; 4]),
            (REDIRECT, 1, ATTACKER.octets()),
        ];
        let (kind, code, rest) = kinds[(number % 5) as usize];
        let known = &self.overheard;
        let about = match (number / 5) % 3 {
            // A connection there is.
            0 | 1 if !known.is_empty() => known[(random % known.len() as u64) as usize].clone(),
            // One there is not.
            _ => packet::udp((victim, (random >> 8) as u16), (HOST, 80), b"12345678"),
        };
        packet::icmp_error(ATTACKER, victim, kind, code, rest, &about)
    }

    fn dns_stranger(&mut self, victim: Ipv4Address, number: u64) -> Option<Vec<u8>> {
        let (client_port, question) = self.question()?;
        let id = u16::from_be_bytes([question[0], question[1]]);
        let (server, message) = if number.is_multiple_of(2) {
            (ATTACKER, forged(&question))
        } else {
            (DNS[(number / 2 % 2) as usize], forged(&dns::question(id, "bank.example", dns::Kind::A)))
        };
        Some(packet::udp((server, dns::PORT), (victim, client_port), &message))
    }

    /// The last question that a DNS server was asked, and the port it came from.
    fn question(&self) -> Option<(u16, Vec<u8>)> {
        const UDP_HEADER: usize = 8;
        const DNS_HEADER: usize = 12;
        let packet = Ipv4Packet::new_unchecked(self.question.as_ref()?);
        let (ports, question) = packet.payload().split_at_checked(UDP_HEADER)?;
        (question.len() > DNS_HEADER).then(|| (u16::from_be_bytes([ports[0], ports[1]]), question.to_vec()))
    }

    #[cfg(test)]
    fn overheard(&self) -> usize {
        self.overheard.len()
    }
}

/// The answer that leads into the trap.
fn forged(question: &[u8]) -> Vec<u8> {
    const HEADER: usize = 12;
    const TYPE_AND_CLASS: usize = 4;
    let name = question.iter().skip(HEADER).position(|&octet| octet == 0).unwrap_or(0) + 1;
    let mut message = question[..question.len().min(HEADER + name + TYPE_AND_CLASS)].to_vec();
    if message.len() > HEADER {
        message[2..HEADER].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    }
    message.extend_from_slice(&[0xC0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0x0E, 0x10, 0, 4]);
    message.extend_from_slice(&TRAP.octets());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::internet::HOST6;

    const VICTIM: Ipv4Address = Ipv4Address::new(100, 64, 0, 2);

    #[test]
    fn a_campaign_has_its_pace_and_its_end_and_its_packets_are_in_order() {
        let attacks = [
            Attack::Scan,
            Attack::SynFlood,
            Attack::IcmpErrors,
            Attack::Fragments,
            Attack::SpoofedSources,
            Attack::DnsGuesses,
            Attack::DnsStrangers,
            Attack::ScanIpv6,
            Attack::SpoofedIpv6,
            Attack::IcmpErrorsIpv6,
            Attack::Tunnel,
        ];
        for attack in attacks {
            let mut attacker = Attacker::new(1);
            let question =
                packet::udp((VICTIM, 5000), (DNS[0], 53), &dns::question(7, "up.test", dns::Kind::A));
            attacker.overhear(&question);
            attacker.overhear(&question);
            assert_eq!(attacker.overheard(), 1);
            let home = "2001:db8:d000::7".parse().unwrap();
            attacker.overhear_ipv6(&packet::tcp((home, 5000), (HOST6, 80), TcpControl::Syn, 7, None));
            let lasts = Duration::from_secs(2);
            attacker.begin(Instant::ZERO, Campaign { attack, rate: 100, lasts, port: 80 }, VICTIM);
            let (mut packets, mut damaged) = (0, 0);
            while let Some(at) = attacker.poll_at() {
                while let Some(bytes) = attacker.poll(at) {
                    damaged += u32::from(packet::inspect(&bytes).is_err());
                    packets += 1;
                }
            }
            // Of errors over IPv6 the last six of each 36.
            let expected = if attack == Attack::IcmpErrorsIpv6 { 30 } else { 0 };
            assert_eq!((packets, damaged), (200, expected), "{attack:?}");
            let told: Vec<_> = attacker.take_news().into_iter().map(|news| news.tag).collect();
            assert_eq!(told, ["attack", "attack-over"]);
        }
    }
}
