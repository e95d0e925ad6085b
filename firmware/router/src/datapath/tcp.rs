//! What the datapath does to TCP: clamps the MSS, and ends connections that lead nowhere.

use gatelet_hal::{Frame, PortId};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::flow::Tuple;
use super::icmp::write_header;
use super::interface::Hop;
use super::packet::{ACK, FIN, HEADER_LEN, Packet, RST, SYN, TCP, adjust_at};
use super::{Datapath, checksum};

/// Lowers the MSS option of a SYN to what fits through `mtu` (RFC 9293 §3.7.1; RFC 2923 §2.1 says why). A SYN without one, which
/// means 536, is left alone.
pub(super) fn clamp_mss(frame: &mut Frame<'_>, packet: &Packet, mtu: u16) {
    let most = mtu.saturating_sub((HEADER_LEN + TCP_HEADER_LEN) as u16);
    let segment = frame.bytes_mut().get_mut(packet.at + packet.header_len..packet.at + packet.len);
    clamp_segment(segment.unwrap_or_default(), most);
}

/// The same of a segment, from its header on: no more than `most`.
pub(super) fn clamp_segment(bytes: &mut [u8], most: u16) {
    let Some(options_end) = bytes.get(12).map(|offset| usize::from(offset >> 4) * 4) else { return };
    let mut at = TCP_HEADER_LEN;
    while at + 1 < options_end.min(bytes.len()) {
        let (kind, len) = (bytes[at], usize::from(bytes[at + 1]));
        match kind {
            0 => return,
            1 => at += 1,
            MSS if len == 4 && at + 4 <= options_end.min(bytes.len()) => {
                let old = [bytes[at + 2], bytes[at + 3]];
                if u16::from_be_bytes(old) > most {
                    let new = most.to_be_bytes();
                    bytes[at + 2..at + 4].copy_from_slice(&new);
                    // At an odd place, both values are across the border of two halves, and so is their sum: swapped.
                    let halves = |[high, low]: [u8; 2]| {
                        u32::from(u16::from_ne_bytes(if at.is_multiple_of(2) {
                            [high, low]
                        } else {
                            [low, high]
                        }))
                    };
                    adjust_at(bytes, 16, false, checksum::difference([halves(old)], [halves(new)]));
                }
                return;
            }
            _ if len < 2 => return,
            _ => at += len,
        }
    }
}

impl<'p> Datapath<'p> {
    /// Answers a segment that came from `hop` with a RST, if not too many are answered.
    pub(super) fn send_reset(&mut self, now: Instant, hop: Hop, packet: &Packet, segment: &Frame<'p>) {
        if packet.protocol == TCP && packet.tcp_flags & RST == 0 && self.icmp_out.permit(now) {
            self.reset(now, hop, packet, segment);
        }
    }

    /// Answers a segment that came from `hop` with a RST (RFC 9293 §3.10.7.1). False if no frame is free.
    fn reset(&mut self, now: Instant, hop: Hop, packet: &Packet, segment: &Frame<'p>) -> bool {
        let Some(header) = segment.bytes().get(packet.at + packet.header_len..packet.at + packet.len) else {
            return false;
        };
        let (seq, ack, flags) = reset_for(header, packet.tcp_flags);
        self.send_segment(now, hop, Tuple::of(packet).answer(), seq, ack, flags)
    }

    /// A packet of a connection that is cut: its sender is told, and the flow is over. Each is told once, so that no limit is
    /// needed.
    pub(super) fn answer_cut(
        &mut self,
        now: Instant,
        hop: Hop,
        place: u16,
        packet: &Packet,
        frame: &Frame<'p>,
    ) {
        if hop.is_inside() && (packet.tcp_flags & RST != 0 || self.reset(now, hop, packet, frame)) {
            self.end_flow(place);
        }
    }

    /// Tells the ends inside of connections that are cut, a few at a time. What has sent nothing cannot be sent a RST, since its
    /// sequence number is not known: an ACK it does not expect has it answer (RFC 9293 §3.10.7.4), and the answer gets the RST.
    /// False if there is nothing to do now.
    pub(super) fn tell_cut(&mut self, now: Instant) -> bool {
        let Some((from, at)) = self.cut else { return false };
        if at > now {
            return false;
        }
        let mut told = 0;
        for place in from..self.flows.capacity() as u16 {
            let Some(flow) =
                self.flows.flow(place).filter(|flow| flow.protocol == TCP && flow.state.is_cut())
            else {
                continue;
            };
            let (hop, tuple) = if flow.from.is_inside() {
                (flow.from, flow.forward.answer())
            } else {
                (flow.to, flow.reverse.answer())
            };
            let (seq, ack) = (self.rng.next_u32(), self.rng.next_u32());
            // Some look at the acknowledgement first, and say nothing about an old one (smoltcp): one of two is not.
            self.send_segment(now, hop, tuple, seq, ack, ACK);
            self.send_segment(now, hop, tuple, seq, ack ^ 0x8000_0000, ACK);
            told += 1;
            if told == CUT_AT_ONCE {
                self.cut = Some((place + 1, now + CUT_PAUSE));
                return true;
            }
        }
        self.cut = None;
        told > 0
    }

    /// A segment without data. False if no frame is free.
    fn send_segment(&mut self, now: Instant, hop: Hop, tuple: Tuple, seq: u32, ack: u32, flags: u8) -> bool {
        let Some(mut frame) = self.pool.take(PortId::LOCAL) else { return false };
        frame.clear(Frame::IP_HEADROOM);
        let mut bytes = [0; HEADER_LEN + TCP_HEADER_LEN];
        write_header(&mut bytes, HEADER_LEN + TCP_HEADER_LEN, TCP, tuple.source, tuple.destination);
        let Some((_, segment)) = bytes.split_last_chunk_mut() else { return false };
        write_segment(segment, tuple.ports, seq, ack, flags);
        let pseudo = checksum::halves(tuple.source)
            + checksum::halves(tuple.destination)
            + u32::from(u16::from(TCP).to_be())
            + u32::from((TCP_HEADER_LEN as u16).to_be());
        let sum = checksum::of(segment, pseudo);
        segment[16..18].copy_from_slice(&sum.to_ne_bytes());
        let fits = frame.extend(&bytes);
        if fits {
            self.send_own(now, hop, tuple.destination, frame);
        }
        fits
    }
}

/// Sequence number, acknowledgement and flags of the RST that fits a segment (RFC 9293 §3.10.7.1).
pub(super) fn reset_for(segment: &[u8], tcp_flags: u8) -> (u32, u32, u8) {
    let word = |at: usize| {
        segment.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    let data_offset = segment.get(12).map_or(0, |offset| usize::from(offset >> 4) * 4);
    let control = u32::from(tcp_flags & SYN != 0) + u32::from(tcp_flags & FIN != 0);
    let len = segment.len().saturating_sub(data_offset) as u32 + control;
    if tcp_flags & ACK != 0 { (word(8), 0, RST) } else { (0, word(4).wrapping_add(len), RST | ACK) }
}

/// Writes the header of a segment without data, but for its checksum.
pub(super) fn write_segment(segment: &mut [u8; TCP_HEADER_LEN], ports: u32, seq: u32, ack: u32, flags: u8) {
    segment.fill(0);
    segment[..4].copy_from_slice(&ports.to_ne_bytes());
    segment[4..8].copy_from_slice(&seq.to_be_bytes());
    segment[8..12].copy_from_slice(&ack.to_be_bytes());
    segment[12] = (TCP_HEADER_LEN as u8 / 4) << 4;
    segment[13] = flags;
}

pub(super) const TCP_HEADER_LEN: usize = 20;
/// The kind of the option (RFC 9293 §3.2).
const MSS: u8 = 2;
/// Ends that are told at once, and the pause before the next: no burst that a queue would drop.
const CUT_AT_ONCE: u32 = 8;
const CUT_PAUSE: Duration = Duration::from_millis(10);
