//! What a computer on the LAN does to the network when something bad lives on it.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::Deserialize;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Packet, TcpControl, TcpPacket, TcpSeqNumber, UdpPacket,
};

use super::LAN_MAC;
use crate::peers::host::{Lease, News};
use crate::peers::internet::HOST;
use crate::peers::packet::{self, Fragment};
use crate::timeline::Tone;

/// Kinds of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mischief {
    /// Opens UDP flows without end, each from a new port.
    UdpFlows,
    /// Opens TCP connections without end and finishes none.
    SynFlood,
    /// Opens TCP connections without end and closes none.
    TcpFlows,
    /// Opens flows without end, each from an address and a hardware address it has made up.
    ManyFaces,
    /// Asks for addresses with made-up hardware addresses, and takes what is offered.
    DhcpStarvation,
    /// Claims the router's address and its neighbours'.
    ArpSpoof,
    /// Sends ICMP errors about connections of others.
    IcmpErrors,
    /// Sends fragments that never become whole.
    Fragments,
    /// Sends from addresses that are not its own.
    SpoofedSources,
}

impl Mischief {
    fn intent(self) -> &'static str {
        match self {
            Self::UdpFlows => "opens UDP flows without end",
            Self::SynFlood => "sends SYNs without end",
            Self::TcpFlows => "opens connections without end",
            Self::ManyFaces => "pretends to be everybody on the LAN",
            Self::DhcpStarvation => "takes every address there is",
            Self::ArpSpoof => "claims everybody's address",
            Self::IcmpErrors => "forges ICMP errors",
            Self::Fragments => "sends fragments without end",
            Self::SpoofedSources => "sends from foreign addresses",
        }
    }
}

/// A misbehaviour, how fierce and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// What kind.
    pub mischief: Mischief,
    /// Frames per second.
    pub rate: u32,
    /// For how long.
    pub lasts: Duration,
}

#[derive(Debug)]
pub(super) struct Rogue {
    scheme: Scheme,
    mac: EthernetAddress,
    rng: ChaCha8Rng,
    /// `None` once it is over.
    next: Option<Instant>,
    until: Instant,
    sent: u64,
    news: bool,
    /// Answers to what was heard.
    answers: Vec<Vec<u8>>,
    stolen: u64,
}

const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const ETHERNET_HEADER: usize = 14;
const UDP_HEADER: usize = 8;

impl Rogue {
    pub(super) fn new(now: Instant, mac: EthernetAddress, scheme: Scheme, seed: u64) -> Self {
        Self {
            scheme,
            mac,
            rng: ChaCha8Rng::seed_from_u64(seed),
            next: Some(now),
            until: now + scheme.lasts,
            sent: 0,
            news: false,
            answers: Vec::new(),
            stolen: 0,
        }
    }

    pub(super) fn intent(&self) -> &'static str {
        self.scheme.mischief.intent()
    }

    pub(super) fn pace(&self) -> String {
        format!("{} frames a second", self.scheme.rate)
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn take_news(&mut self, name: &str) -> Option<News> {
        std::mem::take(&mut self.news).then(|| {
            let why = match self.scheme.mischief {
                Mischief::DhcpStarvation => format!("{} frames, {} addresses taken", self.sent, self.stolen),
                _ => format!("{} frames", self.sent),
            };
            News { tag: "behaves", tone: Tone::Plain, what: format!("{name}: behaves again"), why }
        })
    }

    /// The frames that are due.
    pub(super) fn poll(&mut self, now: Instant, lease: Option<&Lease>) -> Vec<Vec<u8>> {
        let mut frames = std::mem::take(&mut self.answers);
        while let Some(at) = self.next.filter(|&at| at <= now) {
            if at >= self.until {
                self.next = None;
                self.news = true;
                break;
            }
            self.next = Some(at + Duration::from_micros(1_000_000 / u64::from(self.scheme.rate.max(1))));
            let number = self.sent;
            self.sent += 1;
            if let Some(frame) = self.make(number, lease) {
                frames.push(frame);
            }
        }
        frames
    }

    /// Hears what is answered to it, and offered to those it pretends to be. Whether it was for it alone: the computer's own
    /// stack knows nothing of its connections, and would refuse them.
    pub(super) fn handle_frame(&mut self, frame: &[u8]) -> bool {
        match self.scheme.mischief {
            Mischief::DhcpStarvation => self.take_offer(frame),
            Mischief::TcpFlows => {
                let answer = self.confirmation(frame);
                let is_its_own = answer.is_some();
                self.answers.extend(answer);
                return is_its_own;
            }
            _ => {}
        }
        false
    }

    /// The third step of a connection it has begun.
    fn confirmation(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let packet = Ipv4Packet::new_checked(packet::ipv4_in_frame(frame)?).ok()?;
        let segment = TcpPacket::new_checked(packet.payload()).ok()?;
        let ours = segment.ack_number() == TcpSeqNumber(OPENING_SEQ.cast_signed() + 1);
        if packet.next_header() != IpProtocol::Tcp || !(segment.syn() && segment.ack() && ours) {
            return None;
        }
        let (from, to) = ((packet.dst_addr(), segment.dst_port()), (packet.src_addr(), segment.src_port()));
        let ack = segment.seq_number().0.cast_unsigned().wrapping_add(1);
        let answer = packet::tcp(from, to, TcpControl::None, OPENING_SEQ + 1, Some(ack));
        Some(packet::ethernet(self.mac, LAN_MAC, EthernetProtocol::Ipv4, &answer))
    }

    fn take_offer(&mut self, frame: &[u8]) {
        let Some(packet) = dhcp_of_server(frame) else { return };
        if let Ok(offer) = DhcpRepr::parse(&packet)
            && offer.client_hardware_address.0[..2] == FAKE
        {
            match offer.message_type {
                DhcpMessageType::Offer => self.answers.push(dhcp(&DhcpRepr {
                    message_type: DhcpMessageType::Request,
                    requested_ip: Some(offer.your_ip),
                    ..offer
                })),
                DhcpMessageType::Ack => self.stolen += 1,
                _ => {}
            }
        }
    }

    fn make(&mut self, number: u64, lease: Option<&Lease>) -> Option<Vec<u8>> {
        let random = self.rng.next_u64();
        let port = 1024 + (number % 64_000) as u16;
        // What needs an address waits for one.
        let mine = lease.map(|lease| lease.address.address());
        let packet = match self.scheme.mischief {
            Mischief::UdpFlows => packet::udp((mine?, port), (server(random), 9), b"who are you?"),
            Mischief::SynFlood => {
                let seq = (random >> 16) as u32;
                packet::tcp((mine?, port), (HOST, 80), TcpControl::Syn, seq, None)
            }
            Mischief::TcpFlows => {
                // To where any number is taken.
                packet::tcp((mine?, port), (HOST, 9), TcpControl::Syn, OPENING_SEQ, None)
            }
            Mischief::ManyFaces => {
                let [a, b, c, _] = lease?.address.address().octets();
                let source = Ipv4Address::new(a, b, c, 2 + (random % 250) as u8);
                let mac = EthernetAddress([FAKE[0], FAKE[1], 0, 0, 0, (random % 250) as u8]);
                let packet = packet::udp((source, port), (server(random), 9), b"who are you?");
                return Some(packet::ethernet(mac, LAN_MAC, EthernetProtocol::Ipv4, &packet));
            }
            Mischief::DhcpStarvation => return Some(discover(random)),
            Mischief::ArpSpoof => return Some(self.claim(number, lease?)),
            Mischief::IcmpErrors => {
                let neighbour = neighbour(lease?, random);
                let about = packet::tcp((HOST, 80), (neighbour, port), TcpControl::None, 1, Some(1));
                packet::icmp_error(neighbour, HOST, 3, (random % 4) as u8, [0, 0, 0, 68], &about)
            }
            Mischief::Fragments => {
                let ident = random as u16;
                let (offset, more) =
                    [(0, true), (1200, false), (600, true), (65_528, true)][(number % 4) as usize];
                let fragment = Fragment { ident, offset, more };
                packet::ipv4(mine?, HOST, IpProtocol::Udp, fragment, &[0xF8; 600])
            }
            Mischief::SpoofedSources => {
                let source = match number % 4 {
                    0 => server(random),
                    1 => Ipv4Address::new(100, 64, 0, 1),
                    2 => Ipv4Address::LOCALHOST,
                    _ => Ipv4Address::new(224, 0, 0, 5),
                };
                packet::udp((source, port), (HOST, 7), b"not me")
            }
        };
        Some(packet::ethernet(self.mac, LAN_MAC, EthernetProtocol::Ipv4, &packet))
    }

    /// To everybody: the router's address is here. To the router: a neighbour's is.
    fn claim(&self, number: u64, lease: &Lease) -> Vec<u8> {
        let (claimed, to_mac, to) = if number.is_multiple_of(2) {
            (lease.gateway, EthernetAddress::BROADCAST, lease.gateway)
        } else {
            (neighbour(lease, number / 2), LAN_MAC, lease.gateway)
        };
        let arp = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: self.mac,
            source_protocol_addr: claimed,
            target_hardware_addr: to_mac,
            target_protocol_addr: to,
        };
        let mut bytes = vec![0; arp.buffer_len()];
        arp.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        packet::ethernet(self.mac, to_mac, EthernetProtocol::Arp, &bytes)
    }
}

/// A question for an address, by somebody there is not.
fn discover(random: u64) -> Vec<u8> {
    let [a, b, c, d, ..] = random.to_be_bytes();
    dhcp(&DhcpRepr {
        message_type: DhcpMessageType::Discover,
        transaction_id: (random >> 8) as u32,
        secs: 0,
        client_hardware_address: EthernetAddress([FAKE[0], FAKE[1], a, b, c, d]),
        client_ip: Ipv4Address::UNSPECIFIED,
        your_ip: Ipv4Address::UNSPECIFIED,
        server_ip: Ipv4Address::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Address::UNSPECIFIED,
        broadcast: true,
        requested_ip: None,
        client_identifier: None,
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    })
}

/// Where the connections it opens begin to count.
const OPENING_SEQ: u32 = 0x0BAD_0000;

/// How the made-up hardware addresses begin.
const FAKE: [u8; 2] = [0x02, 0xFA];

/// Some server on the Internet that does not answer.
fn server(random: u64) -> Ipv4Address {
    Ipv4Address::new(203, 0, 113, (random >> 40) as u8)
}

fn neighbour(lease: &Lease, random: u64) -> Ipv4Address {
    let [a, b, c, _] = lease.address.address().octets();
    Ipv4Address::new(a, b, c, 100 + (random % 20) as u8)
}

fn dhcp(message: &DhcpRepr<'_>) -> Vec<u8> {
    let mut bytes = vec![0; message.buffer_len()];
    let mut emitted = DhcpPacket::new_unchecked(&mut bytes);
    message.emit(&mut emitted).expect("there is room for all of it");
    let from = (Ipv4Address::UNSPECIFIED, DHCP_CLIENT);
    let packet = packet::udp(from, (Ipv4Address::BROADCAST, DHCP_SERVER), &bytes);
    let source = message.client_hardware_address;
    packet::ethernet(source, EthernetAddress::BROADCAST, EthernetProtocol::Ipv4, &packet)
}

/// The DHCP message a server sent in this frame.
fn dhcp_of_server(frame: &[u8]) -> Option<DhcpPacket<&[u8]>> {
    packet::ipv4_in_frame(frame)?;
    let packet = Ipv4Packet::new_checked(frame.get(ETHERNET_HEADER..)?).ok()?;
    if packet.next_header() != IpProtocol::Udp {
        return None;
    }
    let header = usize::from(packet.header_len());
    let udp = frame.get(ETHERNET_HEADER + header..)?;
    let datagram = UdpPacket::new_checked(udp).ok()?;
    if (datagram.src_port(), datagram.dst_port()) != (DHCP_SERVER, DHCP_CLIENT) {
        return None;
    }
    let len = usize::from(datagram.len());
    DhcpPacket::new_checked(udp.get(UDP_HEADER..len)?).ok()
}
