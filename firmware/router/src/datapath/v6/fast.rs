//! The fast path of IPv6: a packet of an established flow, from header to header, or into a tunnel and out of one.

use gatelet_hal::{Frame, PortId};
use smoltcp::time::Instant;

use super::Medium;
use super::encapsulation::ECN;
use super::packet::HEADER_LEN;
use super::sit::TunnelId;
use crate::datapath::Datapath;
use crate::datapath::fast::Passed;
use crate::datapath::flow::{Direction, NO_NEIGHBOUR, tick};
use crate::datapath::interface::{Hop, HopKind};
use crate::datapath::packet::{FIN, HEADER_LEN as IPV4_LEN, RST, SYN, TCP, UDP};

impl<'p> Datapath<'p> {
    /// Forwards a frame of plain Ethernet with an IPv6 packet in it, if that is of an established flow. `None`, and nothing has
    /// changed, if it is not.
    #[inline]
    pub(in crate::datapath) fn fast6_ethernet(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let hop = self.v6.ports.get(usize::from(port.0))?.ethernet;
        let words = frame.header_words::<4>()?;
        if self.v6.links.get(hop.index())?.framing.not_for_us(words) != 0 {
            return None;
        }
        let room = frame.len() - ETHERNET_LEN;
        self.fast6(now, hop, ETHERNET_LEN, room, frame)
    }

    /// The same of a frame of a session.
    #[inline]
    pub(in crate::datapath) fn fast6_session(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let hop = self.v6.ports.get(usize::from(port.0))?.session;
        let room = self.v6.links.get(hop.index())?.framing.is_of_session::<6>(frame)?;
        self.fast6(now, hop, SESSION_LEN, room, frame)
    }

    /// Takes an IPv4 packet of protocol 41 whose header is good: out of its tunnel, and on.
    #[inline(never)]
    pub(in crate::datapath) fn fast_tunnelled(
        &mut self,
        now: Instant,
        from: Hop,
        at: usize,
        len: usize,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let words = frame.words_from_mut(at)?;
        let &mut [outer, _, _, remote, local, inner, ..] = words else { return None };
        if self.interfaces.get(from.index())?.address != Some(local) {
            return None;
        }
        let id = self.tunnel_between(local, remote)?;
        // An ECN field that changes something is rare.
        let (outer, inner) = ((outer >> 8) as u8 & ECN, (inner >> 12) as u8 & ECN);
        if outer != 0 && outer != inner {
            return None;
        }
        let passed = self.fast6(now, Hop::tunnel(id), at + IPV4_LEN, len - IPV4_LEN, frame)?;
        let received = self.traffic.get_mut(from.index())?;
        received.count_received(len);
        received.last = now;
        Some(passed)
    }

    #[inline(never)]
    fn fast6(
        &mut self,
        now: Instant,
        from: Hop,
        at: usize,
        room: usize,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let words = frame.words_from_mut(at)?;
        let (header, transport) = words.split_first_chunk_mut::<{ LEAST / 4 }>()?;
        if header[0] & 0xF0 != VERSION_6 {
            return None;
        }
        let (protocol, hop_limit) = ((header[1] >> 16) as u8, header[1] >> 24);
        let len = HEADER_LEN + usize::from(u16::from_be(header[1] as u16));
        if hop_limit <= 1 || len > room || len < LEAST {
            return None;
        }
        let tuple = header[2..].first_chunk::<9>()?;
        let (place, direction) = self.v6.flows.find_inline(tuple, protocol, from)?;
        let flow = self.v6.flows.flow_mut(place)?;
        match protocol {
            UDP => {}
            // Offset, flags and window are the fourth word of TCP's header.
            TCP => {
                let flags = transport.get(1)? >> 8;
                if len < LEAST_TCP || flags as u8 & (SYN | FIN | RST) != 0 {
                    return None;
                }
            }
            _ => return None,
        }
        let is_steady = flow.state.is_steady() || protocol == UDP && direction == Direction::Forward;
        if flow.epoch != self.epoch || !is_steady {
            return None;
        }
        let (to, neighbour) = match direction {
            Direction::Forward => (flow.to, flow.to_neighbour),
            Direction::Reverse => (flow.from, flow.from_neighbour),
        };
        let egress = self.v6.links.get(to.index())?;
        // A stack, and a link that is down, have an MTU of 0.
        if len > usize::from(egress.mtu) {
            return None;
        }
        let port = if egress.medium == Medium::Tunnel {
            let HopKind::Tunnel(id) = to.kind() else { return None };
            self.fast_encapsulate(id, at, len, frame)?
        } else {
            let mac = match neighbour {
                NO_NEIGHBOUR => egress.framing.peer(),
                neighbour => self.v6.neighbours.neighbour(neighbour)?.reachable()?,
            };
            header[1] -= ONE_HOP;
            // What was checked above fits, and every frame has the headroom.
            egress.framing.replace(frame, at, len, mac)?;
            egress.port
        };
        self.v6.flows.flow_mut(place)?.seen = tick(now);
        let received = self.traffic.get_mut(from.index())?;
        received.count_received(len);
        received.last = now;
        self.traffic.get_mut(to.index())?.count_sent(len);
        Some(Passed { to: port })
    }

    /// Puts the headers of a tunnel and its WAN before the packet at `at`, in the place of the one that is there.
    #[inline]
    fn fast_encapsulate(
        &mut self,
        id: TunnelId,
        at: usize,
        len: usize,
        frame: &mut Frame<'p>,
    ) -> Option<PortId> {
        let tunnel = self.v6.tunnels.get_mut(usize::from(id.0))?;
        let wan = self.interfaces.get(tunnel.wan.index())?;
        let mac = match tunnel.neighbour {
            NO_NEIGHBOUR => wan.framing.peer(),
            neighbour => self.neighbours.neighbour(neighbour)?.reachable()?,
        };
        let outside = len + IPV4_LEN;
        if outside > usize::from(wan.mtu) {
            return None;
        }
        let words = frame.words_from_mut(at)?;
        let (first, second) = (*words.first()?, words.get_mut(1)?);
        *second -= ONE_HOP;
        *frame.reframe_words::<5>(at, len, IPV4_LEN)? = tunnel.header(len, first);
        wan.framing.replace(frame, 0, outside, mac)?;
        let sent = self.traffic.get_mut(tunnel.wan.index())?;
        sent.count_sent(outside);
        Some(wan.port)
    }
}

/// The headers of plain Ethernet, and of a session's IP packets, without a tag.
const ETHERNET_LEN: usize = 14;
const SESSION_LEN: usize = 22;
/// The upper half of the first byte.
const VERSION_6: u32 = 0x60;
/// A hop limit that is one less, in the second word as it lies in memory.
const ONE_HOP: u32 = 1 << 24;
/// An IPv6 header and the eight bytes that UDP has.
const LEAST: usize = HEADER_LEN + 8;
/// An IPv6 header and that of TCP.
const LEAST_TCP: usize = HEADER_LEN + 20;
