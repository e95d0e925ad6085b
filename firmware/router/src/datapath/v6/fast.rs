//! The fast path of IPv6: a packet of an established flow, from header to header, or into a tunnel and out of one.

use gatelet_hal::{Frame, PortId};
use smoltcp::time::Instant;

use super::Medium;
use super::encapsulation::ECN;
use super::packet::HEADER_LEN;
use crate::datapath::Datapath;
use crate::datapath::fast::Passed;
use crate::datapath::flow::{Direction, NO_NEIGHBOUR, tick};
use crate::datapath::interface::Hop;
use crate::datapath::packet::{FIN, HEADER_LEN as IPV4_LEN, RST, SYN, TCP, UDP};

impl<'p> Datapath<'p> {
    /// Forwards an Ethernet frame with an IPv6 packet of an established flow, in place. `None`, and nothing has changed, if it is
    /// anything else.
    #[inline(never)]
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
        // What is behind the packet is padding.
        let room = frame.len() - ETHERNET_LEN;
        let passed = self.fast6_packet(hop, tick(now), ETHERNET_LEN, room, frame)?;
        self.received6(now, hop, room)?;
        Some(passed)
    }

    /// The same, of a session's frame.
    #[inline(never)]
    pub(in crate::datapath) fn fast6_session(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let hop = self.v6.ports.get(usize::from(port.0))?.session;
        let room = self.v6.links.get(hop.index())?.framing.is_of_session::<6>(frame)?;
        let passed = self.fast6_packet(hop, tick(now), SESSION_LEN, room, frame)?;
        self.received6(now, hop, room)?;
        Some(passed)
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
        let id = self.tunnel_between(local, remote)?;
        if self.v6.tunnels.get(usize::from(id.0))?.wan != from {
            return None;
        }
        // An ECN field that changes something is rare.
        let (outer, inner) = ((outer >> 8) as u8 & ECN, (inner >> 12) as u8 & ECN);
        if outer != 0 && outer != inner {
            return None;
        }
        let passed = self.fast6_packet(Hop::tunnel(id), tick(now), at + IPV4_LEN, len - IPV4_LEN, frame)?;
        let received = self.traffic.get_mut(from.index())?;
        received.count_received(len);
        received.last = now;
        Some(passed)
    }

    /// Counts an IPv6 packet that came in a frame of `from`.
    #[inline]
    fn received6(&mut self, now: Instant, from: Hop, len: usize) -> Option<()> {
        let received = self.v6.traffic.get_mut(from.index())?;
        received.count_received(len);
        received.last = now;
        Some(())
    }

    /// A packet that arrived at `from`. `now` is in ticks. The caller counts it.
    #[inline(never)]
    fn fast6_packet(
        &mut self,
        from: Hop,
        now: u32,
        at: usize,
        room: usize,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let words = frame.words_from_mut(at)?;
        let (header, transport) = words.split_first_chunk_mut::<{ LEAST / 4 }>()?;
        let [first, second, ..] = *header;
        let (protocol, hop_limit) = ((second >> 16) as u8, second >> 24);
        let len = HEADER_LEN + usize::from(u16::from_be(second as u16));
        if first & 0xF0 != VERSION_6 || hop_limit <= 1 || len > room || len < LEAST {
            return None;
        }
        let tuple = header[2..].first_chunk::<9>()?;
        let (place, direction) = self.v6.flows.find_inline(tuple, protocol, from)?;
        let flow = self.v6.flows.flow_mut(place)?;
        let is_steady = flow.state.is_steady() || protocol == UDP && direction == Direction::Forward;
        if flow.epoch != self.epoch || !is_steady {
            return None;
        }
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
        let (to, neighbour) = match direction {
            Direction::Forward => (flow.to, flow.to_neighbour),
            Direction::Reverse => (flow.from, flow.from_neighbour),
        };
        let egress = self.v6.links.get(to.index())?;
        // A stack, and a link that is down, have an MTU of 0.
        if len > usize::from(egress.mtu) {
            return None;
        }
        if let Medium::Tunnel(id) = egress.medium {
            let tunnel = self.v6.tunnels.get_mut(usize::from(id.0))?;
            let wan = self.interfaces.get(tunnel.wan.index())?;
            let outside = len + IPV4_LEN;
            let mac = match tunnel.neighbour {
                NO_NEIGHBOUR => wan.framing.peer(),
                neighbour => self.neighbours.neighbour(neighbour)?.reachable()?,
            };
            if outside > usize::from(wan.mtu) {
                return None;
            }
            header[1] = second - ONE_HOP;
            flow.seen = now;
            wan.framing.replace_around(frame, at, len, mac, &tunnel.header(len, first))?;
            self.traffic.get_mut(tunnel.wan.index())?.count_sent(outside);
            return Some(Passed { to: wan.port });
        }
        let mac = match neighbour {
            NO_NEIGHBOUR => egress.framing.peer(),
            neighbour => self.v6.neighbours.neighbour(neighbour)?.reachable()?,
        };
        header[1] = second - ONE_HOP;
        flow.seen = now;
        // What was checked above fits, and every frame has the headroom.
        egress.framing.replace(frame, at, len, mac)?;
        self.v6.traffic.get_mut(to.index())?.count_sent(len);
        Some(Passed { to: egress.port })
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
