//! The lower bound for tunnels: what it costs to put 20 bytes of IPv4 and the headers of a session before an IPv6 packet, and to
//! take them off again, if there is nothing else. As in [`bound`](crate::bound): no firewall, no expiry, no `ICMPv6`, no
//! fragments, no MSS clamp, no counters, no Neighbor Discovery; a flow is known by all of its addresses and ports, and keeps a
//! time of last use.
//!
//! Reading list: RFC 4213 §3.5 (header), RFC 8200 §3. One's complement sums come out the same in either byte order
//! (RFC 1071 §2 (B)), so all words stay as they lie in memory.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{Frame, FramePool, PortId};
use gatelet_router::Egress;
use smoltcp::time::Instant;

use crate::case::{Case, Figure, World};
use crate::{
    AC_MAC, BROKER, Counter, Datapath, FLOWS, HOSTS, LAN, LAN_MAC, SESSION_ID, WAN, WAN_ADDRESS, WAN_MAC,
    host_address6, host_mac,
};

/// Measures `case` in a fresh bound.
pub fn measure(case: Case, counter: &mut impl Counter) -> Figure {
    let frames = FramePool::<NoopRawMutex, 8>::new();
    let mut bound = Bound6::new();
    World::new(&mut bound, frames.pool(), Instant::from_secs(1000)).run(case, counter)
}

/// A router with a tunnel over one `PPPoE` session.
pub struct Bound6 {
    /// Ethernet, `PPPoE`, PPP and IPv4 header of what goes up, lengths and checksum 0.
    up: [u32; SESSION + IPV4],
    /// What all that is constant adds to the checksum of the IPv4 header.
    sum: u32,
    /// What comes down.
    down: [u32; SESSION],
    broker: u32,
    own: u32,
    hosts: [Host; HOSTS],
    flows: [Flow; FLOWS],
    len: u16,
    /// 1 + the number of a flow, by hash, with linear probing.
    index: [u16; 1 << SLOT_BITS],
}

struct Host {
    address: [u32; 4],
    /// Ethernet header of what goes down.
    down: [u32; ETHERNET],
}

#[derive(Clone, Copy, Default)]
struct Flow {
    /// Of a packet going up: source, destination, ports.
    tuple: [u32; 9],
    protocol: u32,
    host: u16,
    /// Microseconds.
    last_used: i64,
}

/// Words of the header of Ethernet, with two octets in front; of a session; of IPv4 without options; of IPv6 and the ports.
const ETHERNET: usize = 4;
const SESSION: usize = 6;
const IPV4: usize = 5;
const IPV6: usize = 11;
const SLOT_BITS: u32 = 12;
const FIRST_HALF: u32 = 0x0000_FFFF;
const SECOND_HALF: u32 = 0xFFFF_0000;
const ETHER_IPV6: u32 = 0x86DD_u16.to_be() as u32;

impl Bound6 {
    fn new() -> Self {
        let session = |destination: [u8; 6], source: [u8; 6]| {
            let mut bytes = [0; 24];
            bytes[2..8].copy_from_slice(&destination);
            bytes[8..14].copy_from_slice(&source);
            bytes[14..18].copy_from_slice(&[0x88, 0x64, 0x11, 0x00]);
            bytes[18..20].copy_from_slice(&SESSION_ID.to_be_bytes());
            bytes[22..24].copy_from_slice(&[0x00, 0x21]);
            words::<SESSION>(&bytes)
        };
        let own = u32::from_ne_bytes(WAN_ADDRESS.octets());
        let broker = u32::from_ne_bytes(BROKER.octets());
        let outer = [
            u32::from_ne_bytes([0x45, 0, 0, 0]),
            u32::from_ne_bytes([0, 0, 0x40, 0]),
            u32::from_ne_bytes([255, 41, 0, 0]),
            own,
            broker,
        ];
        let mut up = [0; SESSION + IPV4];
        up[..SESSION].copy_from_slice(&session(AC_MAC.0, WAN_MAC.0));
        up[SESSION..].copy_from_slice(&outer);
        let host = |number: usize| {
            let mut bytes = [0; 16];
            bytes[2..8].copy_from_slice(&host_mac(number as u8).0);
            bytes[8..14].copy_from_slice(&LAN_MAC.0);
            bytes[14..16].copy_from_slice(&[0x86, 0xDD]);
            Host { address: words(&host_address6(number as u8).octets()), down: words(&bytes) }
        };
        Self {
            up,
            sum: u32::from(fold(outer.iter().map(|word| (word & FIRST_HALF) + (word >> 16)).sum())),
            down: session(WAN_MAC.0, AC_MAC.0),
            broker,
            own,
            hosts: core::array::from_fn(host),
            flows: core::array::from_fn(|_| Flow::default()),
            len: 0,
            index: [0; 1 << SLOT_BITS],
        }
    }

    fn up<'p>(&mut self, now: Instant, mut frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        let len = frame.len();
        frame.push_front(2)?;
        let [head, mac, _, ether_type, packet @ ..] = front::<{ ETHERNET + IPV6 }>(&mut frame)?;
        let ours = LAN_MAC.0;
        if *head >> 16 != u32::from(u16::from_ne_bytes([ours[0], ours[1]]))
            || *mac != u32::from_ne_bytes([ours[2], ours[3], ours[4], ours[5]])
            || *ether_type >> 16 != ETHER_IPV6
        {
            return None;
        }
        let payload = payload_len(packet, len - 14)?;
        let protocol = packet[1] >> 16 & 0xFF;
        let tuple = packet.last_chunk::<9>()?;
        let number = match self.find(tuple, protocol) {
            Some(number) => number,
            None => self.open(*tuple, protocol)?,
        };
        self.flows[number % FLOWS].last_used = now.total_micros();
        packet[1] -= 1 << 24;
        let total = payload + 60;
        frame.truncate(2 + 14 + usize::from(total) - 20);
        // From the two octets in front to the IPv6 header are 16; the new headers are 44.
        frame.push_front(4 * (SESSION + IPV4 - ETHERNET))?;
        let headers = front::<{ SESSION + IPV4 }>(&mut frame)?;
        *headers = self.up;
        headers[5] |= u32::from((total + 2).to_be());
        let wire_len = u32::from(total.to_be());
        headers[6] |= wire_len << 16;
        headers[8] |= u32::from(!fold(self.sum + wire_len)) << 16;
        frame.pull_front(2).then_some((Egress::Port(WAN), frame))
    }

    fn down<'p>(&mut self, now: Instant, mut frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        let len = frame.len();
        frame.push_front(2)?;
        let headers = front::<{ SESSION + IPV4 + IPV6 }>(&mut frame)?;
        let (headers, packet) = headers.split_first_chunk_mut::<{ SESSION + IPV4 }>()?;
        let packet: &mut [u32; IPV6] = packet.first_chunk_mut()?;
        let outer = &headers[SESSION..];
        let total = u16::from_be((outer[0] >> 16) as u16);
        let length = u32::from((total + 2).to_be());
        let [head, middle @ .., last] = &self.down;
        let differ = |(ours, theirs): (&u32, &u32)| ours != theirs;
        let sum: u32 = outer.iter().map(|word| (word & FIRST_HALF) + (word >> 16)).sum();
        if (headers[0] ^ head) & SECOND_HALF != 0
            || middle.iter().zip(&headers[1..]).any(differ)
            || headers[5] != last | length
            || fold(sum) != 0xFFFF
            // No options, no fragment, protocol 41, no mark of congestion.
            || outer[0] & 0x03FF != 0x45
            || outer[1] >> 16 & 0xFF3F != 0
            || outer[2] >> 8 & 0xFF != 41
            || (outer[3], outer[4]) != (self.broker, self.own)
        {
            return None;
        }
        let payload = payload_len(packet, len.min(usize::from(total) + 22) - 42)?;
        let protocol = packet[1] >> 16 & 0xFF;
        let [from @ .., _, _, _, _, _] = packet.last_chunk::<9>()?;
        let [_, _, _, _, to @ .., ports] = packet.last_chunk::<9>()?;
        let answered =
            [to[0], to[1], to[2], to[3], from[0], from[1], from[2], from[3], ports.rotate_left(16)];
        let number = self.find(&answered, protocol)?;
        let flow = &mut self.flows[number % FLOWS];
        flow.last_used = now.total_micros();
        packet[1] -= 1 << 24;
        let host = &self.hosts[usize::from(flow.host) % HOSTS];
        frame.truncate(2 + 42 + 40 + usize::from(payload));
        if !frame.pull_front(4 * (SESSION + IPV4 - ETHERNET)) {
            return None;
        }
        *front::<ETHERNET>(&mut frame)? = host.down;
        frame.pull_front(2).then_some((Egress::Port(LAN), frame))
    }

    fn find(&self, tuple: &[u32; 9], protocol: u32) -> Option<usize> {
        let mut slot = hash(tuple, protocol);
        loop {
            let number = usize::from(self.index[slot % self.index.len()]).checked_sub(1)?;
            let flow = &self.flows[number % FLOWS];
            let known = &flow.tuple;
            let differs = (known[0] ^ tuple[0])
                | (known[1] ^ tuple[1])
                | (known[2] ^ tuple[2])
                | (known[3] ^ tuple[3])
                | (known[4] ^ tuple[4])
                | (known[5] ^ tuple[5])
                | (known[6] ^ tuple[6])
                | (known[7] ^ tuple[7])
                | (known[8] ^ tuple[8]);
            if differs | (flow.protocol ^ protocol) == 0 {
                return Some(number);
            }
            slot += 1;
        }
    }

    #[inline(never)]
    fn open(&mut self, tuple: [u32; 9], protocol: u32) -> Option<usize> {
        let source = tuple.first_chunk::<4>()?;
        let host = self.hosts.iter().position(|host| host.address == *source)?;
        let number = self.len;
        let flow = self.flows.get_mut(usize::from(number))?;
        *flow = Flow { tuple, protocol, host: host as u16, last_used: 0 };
        self.len += 1;
        let mut slot = hash(&tuple, protocol);
        while self.index[slot % self.index.len()] != 0 {
            slot += 1;
        }
        self.index[slot % self.index.len()] = self.len;
        Some(usize::from(number))
    }
}

impl<'p> Datapath<'p> for Bound6 {
    fn forward(&mut self, now: Instant, port: PortId, frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        counted_bound6(self, now, port, frame)
    }

    fn poll_transmit(&mut self, _: Instant) -> Option<(Egress, Frame<'p>)> {
        None
    }
}

/// The counted call: see its twin in `gatelet.rs`.
#[inline(never)]
fn counted_bound6<'p>(
    bound: &mut Bound6,
    now: Instant,
    port: PortId,
    frame: Frame<'p>,
) -> Option<(Egress, Frame<'p>)> {
    if port == LAN { bound.up(now, frame) } else { bound.down(now, frame) }
}

/// The payload length of an IPv6 packet that may be forwarded: hop limit left, UDP or TCP, no longer than the `room` it came in.
fn payload_len(packet: &[u32], room: usize) -> Option<u16> {
    let payload = u16::from_be(packet[1] as u16);
    let (protocol, len) = (packet[1] >> 16 & 0xFF, 40 + usize::from(payload));
    let good = packet[0] & 0xF0 == 0x60
        && packet[1] >> 24 > 1
        && len <= room
        && (protocol == 17 && payload >= 8 || protocol == 6 && payload >= 20);
    good.then_some(payload)
}

/// A sum of at most 2^16 half words, as one.
fn fold(sum: u32) -> u16 {
    let sum = (sum & FIRST_HALF) + (sum >> 16);
    (sum + (sum >> 16)) as u16
}

/// Vector multiply-shift.
fn hash(tuple: &[u32; 9], protocol: u32) -> usize {
    let sum = tuple[0]
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add(tuple[1].wrapping_mul(0x85EB_CA6B))
        .wrapping_add(tuple[2].wrapping_mul(0xC2B2_AE35))
        .wrapping_add(tuple[3].wrapping_mul(0x27D4_EB2F))
        .wrapping_add(tuple[4].wrapping_mul(0x1656_67B1))
        .wrapping_add(tuple[5].wrapping_mul(0xD3A2_646D))
        .wrapping_add(tuple[6].wrapping_mul(0xFD70_46C5))
        .wrapping_add(tuple[7].wrapping_mul(0xB55A_4F09))
        .wrapping_add((tuple[8] ^ protocol << 8).wrapping_mul(0x2545_F491));
    (sum >> (32 - SLOT_BITS)) as usize
}

/// The first words of a frame; `None` if it is shorter or begins elsewhere than on a word.
fn front<'f, const N: usize>(frame: &'f mut Frame<'_>) -> Option<&'f mut [u32; N]> {
    let bytes = frame.bytes_mut();
    let first = bytes.as_mut_ptr().cast::<[u32; N]>();
    // SAFETY: the length and the alignment are checked, any bits are a u32, and the frame stays borrowed.
    (bytes.len() >= 4 * N && first.is_aligned()).then(|| unsafe { &mut *first })
}

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    core::array::from_fn(|word| core::array::from_fn(|octet| bytes[4 * word + octet])).map(u32::from_ne_bytes)
}
