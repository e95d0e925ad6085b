//! A flow of the soak: what its next packet is, and what must become of it.

use chacha20::ChaCha8Rng;
use gatelet_router::Egress;
use rand_core::Rng;
use smoltcp::wire::{Icmpv4Repr, Ipv4Address, Ipv4Packet, TcpControl};

use super::HOSTS;
use super::rig::{LAN, Rig, SESSION_HEADER, WAN, host};
use crate::peers::lan::mac;
use crate::peers::packet::{self, Endpoint};

const ETHERNET_HEADER: usize = 14;
/// What fits into a frame of Ethernet, and of `PPPoE`.
const MSS: u16 = 1460;
const CLAMPED_MSS: u16 = 1452;
/// One packet in so many is a flow's last.
const LIFE: u32 = 50;

/// What became of a packet.
pub(super) enum Step {
    Right,
    /// Right, and the flow is over.
    Over,
    /// It did not arrive: the flow was given up for others.
    Lost,
    /// Right, but under another port outside: the flow was given up for others, and is another now.
    Moved,
    Wrong(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    Echo,
}

/// How far a flow has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    /// It is the other end's turn to answer the first packet.
    Asked,
    Open,
    /// TCP: our FIN is out.
    Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

pub(super) struct Flow {
    kind: Kind,
    host: u8,
    inside_port: u16,
    remote: Endpoint,
    /// The port outside, once it is known.
    outside_port: Option<u16>,
    stage: Stage,
    seq: u32,
}

impl Flow {
    pub(super) fn new(rng: &mut ChaCha8Rng) -> Self {
        let random = rng.next_u64();
        let kind = match random % 8 {
            0..4 => Kind::Tcp,
            4..7 => Kind::Udp,
            _ => Kind::Echo,
        };
        Self {
            kind,
            host: (random >> 8) as u8 % HOSTS,
            inside_port: 1024 + (random >> 16) as u16 % 60_000,
            remote: (
                Ipv4Address::new(198, 18, (random >> 32) as u8, (random >> 40) as u8),
                1 + (random >> 48) as u16 % 1000,
            ),
            outside_port: None,
            stage: Stage::New,
            seq: 0,
        }
    }

    /// Its ends, as the host sees them, and its port outside, if it is UDP and open.
    pub(super) fn open_udp(&self) -> Option<(Endpoint, Endpoint, u16)> {
        let open = self.kind == Kind::Udp && self.stage == Stage::Open;
        let home = (host(self.host), self.inside_port);
        self.outside_port.filter(|_| open).map(|outside_port| (home, self.remote, outside_port))
    }

    /// Another one in its place.
    pub(super) fn restart(&mut self, rng: &mut ChaCha8Rng) {
        *self = Self::new(rng);
    }

    /// Its next packet.
    pub(super) fn step(&mut self, rig: &mut Rig<'_>, rng: &mut ChaCha8Rng) -> Step {
        let random = rng.next_u32();
        let (way, control, next) = match (self.stage, self.kind) {
            (Stage::New, Kind::Tcp) => (Way::Up, TcpControl::Syn, Stage::Asked),
            (Stage::New, _) => (Way::Up, TcpControl::None, Stage::Asked),
            (Stage::Asked, Kind::Tcp) => (Way::Down, TcpControl::Syn, Stage::Open),
            (Stage::Closing, _) => (Way::Down, TcpControl::Fin, Stage::Closing),
            (Stage::Open, Kind::Tcp) if random.is_multiple_of(LIFE) => {
                (Way::Up, TcpControl::Fin, Stage::Closing)
            }
            (Stage::Open, _) if random & 0x100 == 0 => (Way::Up, TcpControl::None, Stage::Open),
            (Stage::Open | Stage::Asked, _) => (Way::Down, TcpControl::None, Stage::Open),
        };
        let is_over = self.stage == Stage::Closing
            || self.stage == Stage::Open && self.kind != Kind::Tcp && random.is_multiple_of(LIFE);
        let mut verdict = match way {
            Way::Up => self.send_up(rig, control),
            Way::Down => self.send_down(rig, control),
        };
        if control == TcpControl::Syn && self.stage == Stage::Asked && matches!(verdict, Step::Right) {
            // At once, so that the router cannot have given the connection up before it is established.
            verdict = self.send_up(rig, TcpControl::None);
        }
        self.stage = next;
        self.seq = self.seq.wrapping_add(1);
        match verdict {
            Step::Right if is_over => Step::Over,
            other => other,
        }
    }

    fn send_up(&mut self, rig: &mut Rig<'_>, control: TcpControl) -> Step {
        let inside = (host(self.host), self.inside_port);
        let sent = self.packet(Way::Up, inside, control, MSS);
        let answer = rig.up(mac(usize::from(self.host)), &sent);
        let Some((egress, frame)) = answer else { return self.given_up(Step::Lost) };
        let bytes = frame.bytes();
        if egress != Egress::Port(WAN) || !rig.is_of_session(bytes) {
            return Step::Wrong(format!("{egress:?}, {:02x?}", &bytes[..bytes.len().min(SESSION_HEADER)]));
        }
        let packet = &bytes[SESSION_HEADER..];
        let known = self.outside_port;
        let outside_port = self.learn(packet);
        let expected = self.packet(Way::Up, (rig.address, outside_port), control, CLAMPED_MSS);
        match compare(packet, expected) {
            Step::Right if known.is_some_and(|known| known != outside_port) => self.given_up(Step::Moved),
            verdict => verdict,
        }
    }

    /// The router gave the flow up for others. An established connection it may not.
    fn given_up(&self, how: Step) -> Step {
        let established = self.kind == Kind::Tcp && matches!(self.stage, Stage::Open | Stage::Closing);
        if established { Step::Wrong("an established connection was given up".into()) } else { how }
    }

    fn send_down(&mut self, rig: &mut Rig<'_>, control: TcpControl) -> Step {
        let Some(outside_port) = self.outside_port else { return Step::Lost };
        let sent = self.packet(Way::Down, (rig.address, outside_port), control, MSS);
        let answer = rig.down(&sent);
        let expected = self.packet(Way::Down, (host(self.host), self.inside_port), control, CLAMPED_MSS);
        let Some((egress, frame)) = answer else {
            // Perhaps the host is being asked for its hardware address.
            rig.late.clear();
            rig.settle();
            let arrived = rig
                .late
                .iter()
                .any(|frame| matches!(compare(&frame[ETHERNET_HEADER..], expected.clone()), Step::Right));
            return if arrived { Step::Right } else { self.given_up(Step::Lost) };
        };
        let bytes = frame.bytes();
        let is_for_host = bytes.first_chunk() == Some(&mac(usize::from(self.host)).0);
        if egress != Egress::Port(LAN) || !is_for_host {
            return Step::Wrong(format!("{egress:?}, {:02x?}", &bytes[..bytes.len().min(ETHERNET_HEADER)]));
        }
        compare(&bytes[ETHERNET_HEADER..], expected)
    }

    /// The port outside that the router has chosen.
    fn learn(&mut self, packet: &[u8]) -> u16 {
        const IDENT: usize = 4;
        let payload = Ipv4Packet::new_unchecked(packet).header_len() as usize;
        let at = if self.kind == Kind::Echo { payload + IDENT } else { payload };
        let port = packet.get(at..at + 2).map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
        self.outside_port = Some(port);
        port
    }

    /// The packet on this way, where the end at home is `home`.
    fn packet(&self, way: Way, home: Endpoint, control: TcpControl, mss: u16) -> Vec<u8> {
        let (from, to) = match way {
            Way::Up => (home, self.remote),
            Way::Down => (self.remote, home),
        };
        let data = self.seq.to_be_bytes().repeat(8);
        match self.kind {
            Kind::Udp => packet::udp(from, to, &data),
            Kind::Tcp => {
                let ack = (self.stage != Stage::New).then_some(self.seq);
                packet::tcp_with_mss(from, to, control, self.seq, ack, mss)
            }
            Kind::Echo => {
                let (ident, seq_no) = (home.1, self.seq as u16);
                let message = match way {
                    Way::Up => Icmpv4Repr::EchoRequest { ident, seq_no, data: &data },
                    Way::Down => Icmpv4Repr::EchoReply { ident, seq_no, data: &data },
                };
                packet::icmp(from.0, to.0, &message)
            }
        }
    }
}

/// A packet against what it must be, but for its time to live, which is one less.
fn compare(packet: &[u8], mut expected: Vec<u8>) -> Step {
    let mut wanted = Ipv4Packet::new_unchecked(&mut expected);
    wanted.set_hop_limit(wanted.hop_limit() - 1);
    wanted.fill_checksum();
    let len = expected.len();
    if packet.get(..len) == Some(&expected[..]) {
        return Step::Right;
    }
    Step::Wrong(format!("\n  is      {packet:02x?}\n  must be {expected:02x?}"))
}
