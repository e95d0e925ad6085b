//! ICMP errors: those that pass are translated with what they quote (RFC 5508 §4), those that we send are few and careful
//! (RFC 1812 §4.3).

use gatelet_hal::{Frame, PortId};
use smoltcp::time::Instant;

use super::Datapath;
use super::checksum;
use super::flow::{Direction, NO_NEIGHBOUR, Tuple};
use super::interface::Hop;
use super::packet::{HEADER_LEN, ICMP, Packet, TCP, UDP, adjust_at, checksum_place, swapped};
use super::slow::Outcome;
use crate::Dropped;

/// An error of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorKind {
    NetworkUnreachable,
    /// With the MTU of the next hop (RFC 1191 §4).
    FragmentationNeeded(u16),
    Prohibited,
    TimeExceeded,
}

impl ErrorKind {
    /// Type, code and the second word of its header.
    const fn fields(self) -> (u8, u8, [u8; 4]) {
        match self {
            Self::NetworkUnreachable => (3, 0, [0; 4]),
            Self::FragmentationNeeded(mtu) => {
                let [high, low] = mtu.to_be_bytes();
                (3, 4, [0, 0, high, low])
            }
            Self::Prohibited => (3, 13, [0; 4]),
            Self::TimeExceeded => (11, 0, [0; 4]),
        }
    }
}

impl<'p> Datapath<'p> {
    /// Tells the sender of `packet`, which came from `hop`, why it goes no further. At most ten at once and ten a second; never
    /// about an error, a later fragment or a group (RFC 1812 §4.3.2.7).
    pub(super) fn send_error(
        &mut self,
        now: Instant,
        hop: Hop,
        packet: &Packet,
        about: &Frame<'p>,
        kind: ErrorKind,
    ) {
        if packet.is_icmp_error()
            || packet.is_later_fragment()
            || hop.is_stack()
            || !self.icmp_out.permit(now)
        {
            return;
        }
        let Some(source) = self.interface(hop).address else { return };
        let (kind, code, rest) = kind.fields();
        let quoted = packet.len.min(QUOTED);
        let Some(quote) = about.bytes().get(packet.at..packet.at + quoted) else { return };
        let Some(mut frame) = self.pool.take(PortId::LOCAL) else { return };
        frame.clear(Frame::IP_HEADROOM);
        let total = HEADER_LEN + ICMP_HEADER_LEN + quoted;
        let mut header = [0; HEADER_LEN + ICMP_HEADER_LEN];
        write_header(&mut header, total, ICMP, source, packet.source);
        header[HEADER_LEN..HEADER_LEN + 2].copy_from_slice(&[kind, code]);
        header[HEADER_LEN + 4..].copy_from_slice(&rest);
        if !frame.extend(&header) || !frame.extend(quote) {
            return;
        }
        set_icmp_checksum(&mut frame.bytes_mut()[HEADER_LEN..]);
        self.send_own(now, hop, packet.source, frame);
    }

    /// Sends a packet of the datapath's own out of `hop`.
    pub(crate) fn send_own(&mut self, now: Instant, hop: Hop, destination: u32, frame: Frame<'p>) {
        let Ok(neighbour) = self.next_hop(now, hop, destination, NO_NEIGHBOUR) else { return };
        if let Ok(Outcome::Sent(egress, frame)) = self.send(now, hop, neighbour, frame) {
            let _ = self.queue(egress, frame);
        }
    }

    /// Takes an ICMP error that arrived at `hop`: it goes the way of the flow whose packet it quotes.
    pub(super) fn icmp_error(
        &mut self,
        now: Instant,
        hop: Hop,
        packet: &Packet,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        if matches!(packet.icmp_type, SOURCE_QUENCH | REDIRECT) {
            return Err(Dropped::IcmpUnwanted);
        }
        frame.truncate(packet.at + packet.len);
        let message = frame.bytes().get(packet.at + packet.header_len..).ok_or(Dropped::Malformed)?;
        if checksum::of(message, 0) != 0 {
            return Err(Dropped::BadChecksum);
        }
        let quote = message.get(ICMP_HEADER_LEN..).ok_or(Dropped::Malformed)?;
        if self.is_of_tunnel(hop, quote) {
            let is_too_big = packet.icmp_type == 3 && message[1] == 4;
            let mtu = is_too_big.then(|| u16::from_be_bytes([message[6], message[7]]));
            return self.tunnel_error(now, quote, mtu).map(|()| Outcome::Kept);
        }
        let quote = Quote::parse(quote)?;
        let answer = quote.tuple.answer();
        let Some((place, direction)) = self.flows.find(&answer, quote.protocol, hop) else {
            if self.answers_lan(hop, packet) {
                return self.send_answer(now, hop, packet, frame);
            }
            return Err(Dropped::IcmpUnrelated);
        };
        if !self.holds(now, place) {
            return Err(Dropped::IcmpUnrelated);
        }
        let flow = *self.flows.flow(place).ok_or(Dropped::IcmpUnrelated)?;
        if !hop.is_inside() && !self.icmp_in.permit(now) {
            return Err(Dropped::RateLimited);
        }
        // The quoted packet went the other way than its error: it becomes again what its sender sent.
        let (to, neighbour, quoted, travels, flip) = match direction {
            Direction::Reverse => {
                (flow.from, flow.from_neighbour, flow.forward, flow.forward.answer(), 0xFFFF)
            }
            Direction::Forward => (flow.to, flow.to_neighbour, flow.reverse, flow.reverse.answer(), 0),
        };
        let source = if packet.source == answer.source {
            // The other end itself says so.
            travels.source
        } else if hop.is_inside() {
            // A router inside: nobody outside knows its address.
            self.interface(to).address.unwrap_or(travels.source)
        } else {
            packet.source
        };
        let stays = to.is_stack();
        if !stays && packet.ttl <= 1 {
            return Err(Dropped::TtlExceeded);
        }
        let bytes = frame.bytes_mut().get_mut(packet.at..).ok_or(Dropped::Malformed)?;
        let (outer, message) = bytes.split_at_mut(packet.header_len);
        quote.rewrite(
            &mut message[ICMP_HEADER_LEN..],
            &quoted,
            flow.ip_difference ^ flip,
            flow.transport_difference ^ flip,
        );
        set_icmp_checksum(message);
        outer[12..16].copy_from_slice(&source.to_ne_bytes());
        outer[16..20].copy_from_slice(&travels.destination.to_ne_bytes());
        if !stays {
            outer[8] -= 1;
        }
        outer[10..12].fill(0);
        let sum = checksum::of(outer, 0);
        outer[10..12].copy_from_slice(&sum.to_ne_bytes());
        let _ = frame.pull_front(packet.at);
        self.send(now, to, neighbour, frame)
    }
}

/// The packet that an error quotes, as far as it does.
struct Quote {
    header_len: usize,
    protocol: u8,
    tuple: Tuple,
}

impl Quote {
    fn parse(bytes: &[u8]) -> Result<Self, Dropped> {
        let header_len = bytes.first().map_or(0, |first| usize::from(first & 0x0F) * 4);
        if bytes.first().map(|first| first >> 4) != Some(4) || header_len < HEADER_LEN {
            return Err(Dropped::Malformed);
        }
        let (header, rest) = bytes.split_at_checked(header_len).ok_or(Dropped::Malformed)?;
        let word = |bytes: &[u8], at: usize| {
            bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_ne_bytes)
        };
        let is_later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1FFF != 0;
        let first = word(rest, 0).filter(|_| !is_later_fragment).ok_or(Dropped::Malformed)?;
        let protocol = header[9];
        let ports = match protocol {
            TCP | UDP => first,
            ICMP => {
                let id = word(rest, 4).ok_or(Dropped::Malformed)? & 0xFFFF;
                match rest[0] {
                    0 | 14 | 16 | 18 => id << 16,
                    8 | 13 | 15 | 17 => id,
                    // Never an error about an error.
                    _ => return Err(Dropped::IcmpUnrelated),
                }
            }
            _ => 0,
        };
        let source = word(header, 12).ok_or(Dropped::Malformed)?;
        let destination = word(header, 16).ok_or(Dropped::Malformed)?;
        Ok(Self { header_len, protocol, tuple: Tuple { source, destination, ports } })
    }

    /// Makes the quote say `new`.
    fn rewrite(&self, bytes: &mut [u8], new: &Tuple, ip_difference: u16, transport_difference: u16) {
        adjust_at(bytes, 10, false, ip_difference);
        bytes[12..16].copy_from_slice(&new.source.to_ne_bytes());
        bytes[16..20].copy_from_slice(&new.destination.to_ne_bytes());
        let Some(transport) = bytes.get_mut(self.header_len..) else { return };
        match self.protocol {
            TCP | UDP => transport[..4].copy_from_slice(&new.ports.to_ne_bytes()),
            ICMP => {
                let asks = self.tuple.ports & 0xFFFF == self.tuple.ports;
                let id = if asks { new.ports } else { swapped(new.ports) };
                transport[4..6].copy_from_slice(&(id as u16).to_ne_bytes());
            }
            _ => return,
        }
        if let Some((at, optional)) = checksum_place(self.protocol) {
            // Often the quote ends before it.
            adjust_at(transport, at, optional, transport_difference);
        }
    }
}

/// An IPv4 header of our own, with its checksum.
pub(super) fn write_header(header: &mut [u8], total: usize, protocol: u8, source: u32, destination: u32) {
    let header = &mut header[..HEADER_LEN];
    header.fill(0);
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(total as u16).to_be_bytes());
    header[8] = TTL;
    header[9] = protocol;
    header[12..16].copy_from_slice(&source.to_ne_bytes());
    header[16..20].copy_from_slice(&destination.to_ne_bytes());
    let sum = checksum::of(header, 0);
    header[10..12].copy_from_slice(&sum.to_ne_bytes());
}

fn set_icmp_checksum(message: &mut [u8]) {
    message[2..4].fill(0);
    let sum = checksum::of(message, 0);
    message[2..4].copy_from_slice(&sum.to_ne_bytes());
}

const ICMP_HEADER_LEN: usize = 8;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
/// What fits into 576 bytes with our headers (RFC 1812 §4.3.2.3).
const QUOTED: usize = 576 - HEADER_LEN - ICMP_HEADER_LEN;
/// The Internet's default (RFC 1700).
const TTL: u8 = 64;
