//! The lower bound: what rewriting the headers costs if there is nothing else. No firewall, no expiry, no ICMP, no
//! fragments, no MSS clamp, no counters, no ARP, no dialing: neighbours and session are known, and headers are read and
//! written as aligned native words. Its way down finds the flow by an index: each flow has a port to itself.
//!
//! It is here to be compared with, and is no design: a flow is never forgotten, a table that is full stays so.
//!
//! Reading list: RFC 1624 §3 (incremental checksums). One's complement sums come out the same in either byte order
//! (RFC 1071 §2 (B)), so all words stay as they lie in memory.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{Frame, FramePool, PortId};
use gatelet_router::Egress;
use smoltcp::time::Instant;

use crate::case::{Case, Figure, World};
use crate::{
    AC_MAC, Counter, Datapath, FLOWS, HOSTS, LAN, LAN_MAC, SESSION_ID, WAN, WAN_ADDRESS, WAN_MAC,
    host_address, host_mac,
};

const _: () = assert!(cfg!(target_endian = "little"), "masks and shifts below are for little-endian words");

/// Measures `case` in a fresh bound.
pub fn measure(case: Case, counter: &mut impl Counter) -> Figure {
    let frames = FramePool::<NoopRawMutex, 8>::new();
    let mut bound = Bound::new();
    World::new(&mut bound, frames.pool(), Instant::from_secs(1000)).run(case, counter)
}

/// A NAPT gateway on one `PPPoE` session. Every header begins two octets behind a multiple of four, so two octets in
/// front are taken along, and everything is words.
pub struct Bound {
    wan_address: u32,
    hosts: [Host; HOSTS],
    /// Ethernet, `PPPoE` and PPP header of what goes up.
    up: [u32; ETHERNET + PPPOE],
    /// The same of what comes down.
    down: [u32; ETHERNET + PPPOE],
    flows: [Flow; FLOWS],
    len: u16,
    /// 1 + the number of a flow, by hash, with linear probing.
    index: [u16; 1 << SLOT_BITS],
}

struct Host {
    address: u32,
    /// Ethernet header of what goes up.
    up: [u32; ETHERNET],
    /// Ethernet header of what goes down.
    down: [u32; ETHERNET],
}

#[derive(Clone, Copy, Default)]
struct Flow {
    /// Of a packet going up.
    source: u32,
    destination: u32,
    ports: u32,
    protocol: u32,
    /// What a packet going up adds to the sums of its IP header and of its transport header.
    sums: [u16; 2],
    host: u16,
    /// Microseconds.
    last_used: i64,
}

/// Words of an Ethernet header.
const ETHERNET: usize = 4;
/// Words that `PPPoE` adds.
const PPPOE: usize = 2;
/// Words of an IP header without options.
const IP: usize = 5;
/// Words of a TCP header up to its checksum: more than a UDP header has. Frames are padded to hold them.
const TRANSPORT: usize = 5;

const SLOT_BITS: u32 = 12;
/// The port of flow 0 on the WAN.
const FIRST_PORT: u16 = 0x8000;
const FIRST_HALF: u32 = 0x0000_FFFF;
const SECOND_HALF: u32 = 0xFFFF_0000;
const PROTOCOL: u32 = 0x0000_FF00;
const UDP: u32 = 17 << 8;
const TCP: u32 = 6 << 8;

impl Bound {
    fn new() -> Self {
        let session = |destination: [u8; 6], source: [u8; 6]| {
            let mut bytes = [0; 24];
            bytes[2..8].copy_from_slice(&destination);
            bytes[8..14].copy_from_slice(&source);
            bytes[14..18].copy_from_slice(&[0x88, 0x64, 0x11, 0x00]);
            bytes[18..20].copy_from_slice(&SESSION_ID.to_be_bytes());
            bytes[22..24].copy_from_slice(&[0x00, 0x21]);
            words(&bytes)
        };
        let ethernet = |destination: [u8; 6], source: [u8; 6]| {
            let mut bytes = [0; 16];
            bytes[2..8].copy_from_slice(&destination);
            bytes[8..14].copy_from_slice(&source);
            bytes[14..16].copy_from_slice(&[0x08, 0x00]);
            words(&bytes)
        };
        let host = |number: usize| Host {
            address: u32::from_ne_bytes(host_address(number as u8).octets()),
            up: ethernet(LAN_MAC.0, host_mac(number as u8).0),
            down: ethernet(host_mac(number as u8).0, LAN_MAC.0),
        };
        Self {
            wan_address: u32::from_ne_bytes(WAN_ADDRESS.octets()),
            hosts: core::array::from_fn(host),
            up: session(AC_MAC.0, WAN_MAC.0),
            down: session(WAN_MAC.0, AC_MAC.0),
            flows: core::array::from_fn(|_| Flow::default()),
            len: 0,
            index: [0; 1 << SLOT_BITS],
        }
    }

    fn up<'p>(&mut self, now: Instant, mut frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        let len = frame.len();
        frame.push_front(2)?;
        let [head, mac, _, ether_type, packet @ ..] = front::<{ ETHERNET + IP + TRANSPORT }>(&mut frame)?;
        let ours = &self.hosts[0].up;
        if (*head ^ ours[0]) & SECOND_HALF != 0
            || *mac != ours[1]
            || (*ether_type ^ ours[3]) & SECOND_HALF != 0
        {
            return None;
        }
        let total_len = total_len(packet, len - 14)?;
        let (source, destination, ports) = (packet[3], packet[4], packet[5]);
        let protocol = packet[2] & PROTOCOL;
        let number = match self.find(source, destination, ports, protocol) {
            Some(number) => number,
            None => self.open(source, destination, ports, protocol)?,
        };
        let flow = &mut self.flows[number % FLOWS];
        flow.last_used = now.total_micros();
        packet[3] = self.wan_address;
        packet[5] = ports & SECOND_HALF | u32::from((FIRST_PORT + number as u16).to_be());
        rewrite_checksums(packet, protocol, flow.sums);
        frame.truncate(2 + 14 + usize::from(total_len));
        frame.push_front(4 * PPPOE)?;
        let headers = front::<{ ETHERNET + PPPOE }>(&mut frame)?;
        *headers = self.up;
        headers[5] |= u32::from((total_len + 2).to_be());
        frame.pull_front(2).then_some((Egress::Port(WAN), frame))
    }

    fn down<'p>(&mut self, now: Instant, mut frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        let len = frame.len();
        frame.push_front(2)?;
        let headers = front::<{ ETHERNET + PPPOE + IP + TRANSPORT }>(&mut frame)?;
        let (headers, packet) = headers.split_first_chunk_mut::<{ ETHERNET + PPPOE }>()?;
        let packet = packet.first_chunk_mut()?;
        let total_len = total_len(packet, len - 22)?;
        let length = u32::from((total_len + 2).to_be());
        let [head, middle @ .., last] = &self.down;
        // Word by word: a comparison of slices would call memcmp.
        let differ = |(ours, theirs): (&u32, &u32)| ours != theirs;
        if (headers[0] ^ head) & SECOND_HALF != 0
            || middle.iter().zip(&headers[1..]).any(differ)
            || headers[5] != last | length
        {
            return None;
        }
        let number = u16::from_be((packet[5] >> 16) as u16).wrapping_sub(FIRST_PORT);
        let flow = self.flows.get_mut(usize::from(number))?;
        let protocol = packet[2] & PROTOCOL;
        if packet[4] != self.wan_address
            || packet[3] != flow.destination
            || (packet[5] ^ flow.ports >> 16) & FIRST_HALF != 0
            || protocol != flow.protocol
        {
            return None;
        }
        flow.last_used = now.total_micros();
        packet[4] = flow.source;
        packet[5] = flow.ports.rotate_left(16);
        rewrite_checksums(packet, protocol, flow.sums.map(|sum| !sum));
        let host = &self.hosts[usize::from(flow.host) % HOSTS];
        frame.truncate(2 + 22 + usize::from(total_len));
        if !frame.pull_front(4 * PPPOE) {
            return None;
        }
        *front::<ETHERNET>(&mut frame)? = host.down;
        frame.pull_front(2).then_some((Egress::Port(LAN), frame))
    }

    fn find(&self, source: u32, destination: u32, ports: u32, protocol: u32) -> Option<usize> {
        let mut slot = hash(source, destination, ports, protocol);
        loop {
            let number = usize::from(self.index[slot % self.index.len()]).checked_sub(1)?;
            let flow = &self.flows[number % FLOWS];
            if flow.source == source
                && flow.destination == destination
                && flow.ports == ports
                && flow.protocol == protocol
            {
                return Some(number);
            }
            slot += 1;
        }
    }

    #[inline(never)]
    fn open(&mut self, source: u32, destination: u32, ports: u32, protocol: u32) -> Option<usize> {
        let host = self.hosts.iter().position(|host| host.address == source)?;
        let number = self.len;
        let flow = self.flows.get_mut(usize::from(number))?;
        let sum = |word: u32| (word & FIRST_HALF) + (word >> 16);
        let address = sum(!source) + sum(self.wan_address);
        let port = (!ports & FIRST_HALF) + u32::from((FIRST_PORT + number).to_be());
        let sums = [fold(address), fold(address + port)];
        *flow = Flow { source, destination, ports, protocol, sums, host: host as u16, last_used: 0 };
        self.len += 1;
        let mut slot = hash(source, destination, ports, protocol);
        while self.index[slot % self.index.len()] != 0 {
            slot += 1;
        }
        self.index[slot % self.index.len()] = self.len;
        Some(usize::from(number))
    }
}

impl<'p> Datapath<'p> for Bound {
    fn forward(&mut self, now: Instant, port: PortId, frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        counted_bound(self, now, port, frame)
    }

    fn poll_transmit(&mut self, _: Instant) -> Option<(Egress, Frame<'p>)> {
        None
    }
}

/// The counted call: see its twin in `gatelet.rs`.
#[inline(never)]
fn counted_bound<'p>(
    bound: &mut Bound,
    now: Instant,
    port: PortId,
    frame: Frame<'p>,
) -> Option<(Egress, Frame<'p>)> {
    if port == LAN { bound.up(now, frame) } else { bound.down(now, frame) }
}

/// The total length of an IPv4 packet that may be forwarded: no options, no fragment, TTL left, UDP or TCP, its checksum
/// right, and no longer than the `room` it came in.
fn total_len(packet: &[u32; IP + TRANSPORT], room: usize) -> Option<u16> {
    let sum: u32 = packet[..IP].iter().map(|word| (word & FIRST_HALF) + (word >> 16)).sum();
    let total_len = u16::from_be((packet[0] >> 16) as u16);
    let protocol = packet[2] & PROTOCOL;
    // More-Fragments and the offset, in network order.
    let fragment = packet[1] >> 16 & 0xFF3F != 0;
    let good = packet[0] & 0xFF == 0x45
        && fold(sum) == 0xFFFF
        && (28..=room).contains(&usize::from(total_len))
        && !fragment
        && packet[2] & 0xFF > 1
        && (protocol == UDP || protocol == TCP && total_len >= 40);
    good.then_some(total_len)
}

/// Takes one off the TTL, and brings both checksums up to date.
fn rewrite_checksums(packet: &mut [u32; IP + TRANSPORT], protocol: u32, sums: [u16; 2]) {
    // The TTL is the lower octet of its half word, so the sum is less by one: in one's complement, more by !1.
    let ip = update((packet[2] >> 16) as u16, u32::from(sums[0]) + 0xFFFE);
    packet[2] = (packet[2] - 1) & FIRST_HALF | u32::from(ip) << 16;
    if protocol == TCP {
        let checksum = update(packet[9] as u16, u32::from(sums[1]));
        packet[9] = packet[9] & SECOND_HALF | u32::from(checksum);
    } else if packet[6] >> 16 != 0 {
        let checksum = update((packet[6] >> 16) as u16, u32::from(sums[1]));
        // 0 would say that there is none (RFC 768).
        let checksum = if checksum == 0 { 0xFFFF } else { checksum };
        packet[6] = packet[6] & FIRST_HALF | u32::from(checksum) << 16;
    }
}

/// RFC 1624 §3, equation 3.
fn update(checksum: u16, sum: u32) -> u16 {
    !fold(u32::from(!checksum) + sum)
}

/// A sum of at most 2^16 half words, as one.
fn fold(sum: u32) -> u16 {
    let sum = (sum & FIRST_HALF) + (sum >> 16);
    (sum + (sum >> 16)) as u16
}

/// Vector multiply-shift.
fn hash(source: u32, destination: u32, ports: u32, protocol: u32) -> usize {
    let sum = source
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add(destination.wrapping_mul(0x85EB_CA6B))
        .wrapping_add((ports ^ protocol).wrapping_mul(0xC2B2_AE35));
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
