//! `ICMPv6` errors (RFC 4443, RFC 4890): those that pass go the way of the flow they are about, those that we send are few and
//! careful.

use gatelet_hal::{Frame, PortId};
use smoltcp::time::Instant;

use super::address::{Address, Scope, UNSPECIFIED};
use super::flow::Tuple6;
use super::packet::{
    self, HEADER_LEN, HOP_LIMIT, ICMPV6, MIN_MTU, Packet6, pseudo_header, set_icmp_checksum, write_header,
};
use crate::Dropped;
use crate::datapath::flow::{Direction, NO_NEIGHBOUR};
use crate::datapath::interface::Hop;
use crate::datapath::packet::{RST, TCP, swapped};
use crate::datapath::slow::Outcome;
use crate::datapath::tcp::{TCP_HEADER_LEN, reset_for, write_segment};
use crate::datapath::{Datapath, checksum};

/// An error of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorKind6 {
    NoRoute,
    Prohibited,
    AddressUnreachable,
    /// The source is of a prefix that is not ours any more (RFC 7084 L-14).
    SourcePolicy,
    /// With the MTU of the next hop.
    PacketTooBig(u16),
    HopLimitExceeded,
}

impl ErrorKind6 {
    /// Type, code and the second word of its header (RFC 4443 §3).
    const fn fields(self) -> (u8, u8, u32) {
        match self {
            Self::NoRoute => (1, 0, 0),
            Self::Prohibited => (1, 1, 0),
            Self::AddressUnreachable => (1, 3, 0),
            Self::SourcePolicy => (1, 5, 0),
            Self::PacketTooBig(mtu) => (PACKET_TOO_BIG, 0, mtu as u32),
            Self::HopLimitExceeded => (3, 0, 0),
        }
    }
}

impl<'p> Datapath<'p> {
    /// Tells the sender of `packet`, which came from `hop`, why it goes no further. Twenty at once and twenty a second at most; never
    /// about an error, or to a group or nobody (RFC 4443 §2.4).
    pub(super) fn send_error6(
        &mut self,
        now: Instant,
        hop: Hop,
        packet: &Packet6,
        about: &Frame<'p>,
        kind: ErrorKind6,
    ) {
        let Some(mut frame) = self.error_frame6(now, hop, packet, kind) else { return };
        let quoted = packet.len.min(QUOTED);
        let Some(quote) = about.bytes().get(packet.at..packet.at + quoted) else { return };
        if frame.extend(quote) {
            self.finish_error6(now, hop, frame);
        }
    }

    /// The same about a packet that is not here itself: `bytes` are what is known of it.
    pub(super) fn send_quoting6(
        &mut self,
        now: Instant,
        hop: Hop,
        packet: &Packet6,
        bytes: &[u8],
        kind: ErrorKind6,
    ) {
        let Some(mut frame) = self.error_frame6(now, hop, packet, kind) else { return };
        if frame.extend(bytes.get(..bytes.len().min(QUOTED)).unwrap_or_default()) {
            self.finish_error6(now, hop, frame);
        }
    }

    fn error_frame6(
        &mut self,
        now: Instant,
        hop: Hop,
        packet: &Packet6,
        kind: ErrorKind6,
    ) -> Option<Frame<'p>> {
        if packet.is_icmp_error() || !Scope::of(&packet.source).is_routable() {
            return None;
        }
        let source = self.source_address6(hop)?;
        if !self.v6.errors_out.permit(now) {
            return None;
        }
        let mut frame = self.pool.take(PortId::LOCAL)?;
        frame.clear(Frame::IP_HEADROOM);
        let room = frame.push_back(HEADER_LEN + ICMP_HEADER_LEN)?;
        let (header, message) = room.split_first_chunk_mut()?;
        write_header(header, 0, ICMPV6, HOP_LIMIT, &source, &packet.source);
        let (kind, code, word) = kind.fields();
        message[..4].copy_from_slice(&[kind, code, 0, 0]);
        message[4..].copy_from_slice(&word.to_be_bytes());
        Some(frame)
    }

    fn finish_error6(&mut self, now: Instant, hop: Hop, mut frame: Frame<'p>) {
        let len = (frame.len() - HEADER_LEN) as u16;
        if let Some(field) = frame.bytes_mut().get_mut(4..6) {
            field.copy_from_slice(&len.to_be_bytes());
        }
        set_icmp_checksum(frame.bytes_mut());
        let _ = self.send_own6(now, hop, frame);
    }

    /// The address that errors and answers of ours come from, to somebody behind `hop` (RFC 4443 §2.2).
    pub(super) fn source_address6(&self, hop: Hop) -> Option<Address> {
        let first = |hop: Hop| self.addresses6(hop).first().map(|own| own.address);
        let mut others = Hop::all6().filter(|hop| self.link6(*hop).is_some_and(super::Link::is_up));
        let link_local = || {
            let link = self.link6(hop)?;
            (link.local != UNSPECIFIED).then_some(link.local)
        };
        first(hop).or_else(|| others.find_map(first)).or_else(link_local)
    }

    /// Takes an error that arrived at `hop`.
    pub(super) fn icmp_error6(
        &mut self,
        now: Instant,
        hop: Hop,
        packet: &Packet6,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        // RFC 4890 §4.3.1; what else is below 128 is not known to anybody (§4.3.4).
        if !matches!(packet.icmp_type, 1..=4) {
            return Err(Dropped::IcmpUnwanted);
        }
        frame.truncate(packet.at + packet.len);
        let message = frame.bytes().get(packet.at + packet.header_len..).ok_or(Dropped::Malformed)?;
        let pseudo = pseudo_header(&packet.source, &packet.destination, ICMPV6, message.len());
        if checksum::of(message, pseudo) != 0 {
            return Err(Dropped::BadChecksum);
        }
        let quote = message.get(ICMP_HEADER_LEN..).ok_or(Dropped::Malformed)?;
        let quote = Packet6::parse_quote(quote).map_err(|_| Dropped::IcmpUnrelated)?;
        // Whoever reports goes to whom the packet came from.
        if quote.source != packet.destination || quote.is_later_fragment() || quote.is_icmp_error() {
            return Err(Dropped::IcmpUnrelated);
        }
        let found = self.v6.flows.find(&Tuple6::of(&quote).answer().0, quote.protocol, hop);
        let (place, direction) = found.ok_or(Dropped::IcmpUnrelated)?;
        if !self.holds6(now, place) {
            return Err(Dropped::IcmpUnrelated);
        }
        if !self.is_served(hop) && !self.v6.errors_in.permit(now) {
            return Err(Dropped::RateLimited);
        }
        let flow = self.v6.flows.flow(place).ok_or(Dropped::IcmpUnrelated)?;
        let (to, neighbour) = match direction {
            Direction::Reverse => (flow.from, flow.from_neighbour),
            Direction::Forward => (flow.to, flow.to_neighbour),
        };
        if !to.is_stack() {
            if packet.hop_limit <= 1 {
                return Err(Dropped::TtlExceeded);
            }
            if let Some(limit) = frame.bytes_mut().get_mut(packet.at + 7) {
                *limit -= 1;
            }
        }
        let _ = frame.pull_front(packet.at);
        self.send6(now, to, neighbour, frame)
    }

    /// Answers an echo request that is for us, in its own frame.
    pub(super) fn answer_echo6(
        &mut self,
        now: Instant,
        hop: Hop,
        packet: &Packet6,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        if !self.is_served(hop) && !self.v6.policy.answer_echo {
            return Err(Dropped::Uninvited);
        }
        if !self.v6.echo.permit(now) {
            return Err(Dropped::RateLimited);
        }
        frame.truncate(packet.at + packet.len);
        let message = frame.bytes().get(packet.at + packet.header_len..).ok_or(Dropped::Malformed)?;
        let pseudo = pseudo_header(&packet.source, &packet.destination, ICMPV6, message.len());
        if checksum::of(message, pseudo) != 0 {
            return Err(Dropped::BadChecksum);
        }
        // Extension headers are not sent back.
        let len = packet.len - packet.header_len;
        if !frame.pull_front(packet.at + packet.header_len) {
            return Err(Dropped::Malformed);
        }
        if let Some(kind) = frame.bytes_mut().first_mut() {
            *kind = packet::ECHO_REPLY;
        }
        let header = frame.push_front(HEADER_LEN).and_then(|room| room.first_chunk_mut());
        let header = header.ok_or(Dropped::NoHeadroom)?;
        write_header(header, len, ICMPV6, HOP_LIMIT, &packet.destination, &packet.source);
        set_icmp_checksum(frame.bytes_mut());
        let neighbour = if Scope::of(&packet.source) == Scope::LinkLocal {
            let target = super::route::Target { hop, gateway: UNSPECIFIED };
            self.next_hop6(now, target, &packet.source, NO_NEIGHBOUR)?
        } else {
            self.way_back6(now, hop, &packet.source, NO_NEIGHBOUR)?
        };
        self.send6(now, hop, neighbour, frame)
    }
}

impl Datapath<'_> {
    /// Answers a segment that came from `hop` with a RST, if not too many are answered.
    pub(super) fn send_reset6(&mut self, now: Instant, hop: Hop, packet: &Packet6, segment: &Frame<'_>) {
        let bytes = segment.bytes().get(packet.at + packet.header_len..packet.at + packet.len);
        let Some(bytes) = bytes.filter(|_| packet.tcp_flags & RST == 0) else { return };
        if !self.v6.errors_out.permit(now) {
            return;
        }
        let (seq, ack, flags) = reset_for(bytes, packet.tcp_flags);
        let Some(mut frame) = self.pool.take(PortId::LOCAL) else { return };
        frame.clear(Frame::IP_HEADROOM);
        let Some((header, segment)) =
            frame.push_back(HEADER_LEN + TCP_HEADER_LEN).and_then(<[u8]>::split_first_chunk_mut)
        else {
            return;
        };
        let (from, to) = (&packet.destination, &packet.source);
        write_header(header, TCP_HEADER_LEN, TCP, HOP_LIMIT, from, to);
        let Some(segment) = segment.first_chunk_mut() else { return };
        write_segment(segment, swapped(packet.ports), seq, ack, flags);
        let sum = checksum::of(segment, pseudo_header(from, to, TCP, TCP_HEADER_LEN));
        segment[16..18].copy_from_slice(&sum.to_ne_bytes());
        let _ = self.send_own6(now, hop, frame);
    }
}

const PACKET_TOO_BIG: u8 = 2;
const ICMP_HEADER_LEN: usize = 8;
/// What fits into the least MTU with our headers (RFC 4443 §2.4 (c)).
const QUOTED: usize = MIN_MTU as usize - HEADER_LEN - ICMP_HEADER_LEN;
