//! The fast path: a packet of an established flow, from header to header.
//!
//! Everything here is done for every packet, so nothing is here that need not be: what is rare leaves by `None` to the
//! [slow path](super::slow), and has changed nothing before it does.

use gatelet_hal::{Frame, PortId};
use smoltcp::time::Instant;

use super::Datapath;
use super::checksum::{adjust, difference, fold, halves};
use super::flow::{Direction, NO_NEIGHBOUR, Tuple, tick};
use super::interface::Hop;
use super::packet::{ACK, FIN, RST, SYN, TCP, UDP, swapped};
use super::v6::SIT;

/// A frame that the fast path has made ready to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) to: PortId,
}

impl<'p> Datapath<'p> {
    /// Forwards a frame of an established flow, in place. `None`, and nothing has changed, if it is anything else.
    #[inline]
    pub(crate) fn fast(&mut self, now: Instant, port: PortId, frame: &mut Frame<'p>) -> Option<Passed> {
        let words = frame.header_words::<4>()?;
        let hops = self.ports.get(usize::from(port.0))?;
        let (hop, at, room) = match words[3] >> 16 {
            ETHER_IPV4 => {
                let framing = &self.interfaces.get(hops.ethernet.index())?.framing;
                if framing.not_for_us(words) != 0 {
                    return None;
                }
                (hops.ethernet, ETHERNET_LEN, frame.len() - ETHERNET_LEN)
            }
            ETHER_SESSION => {
                match self.interfaces.get(hops.session.index())?.framing.is_of_session::<6>(frame) {
                    Some(room) => (hops.session, SESSION_LEN, room),
                    None if is_session_ipv6(frame) => return self.fast6_session(now, port, frame),
                    None => self.find_hop(port, frame)?,
                }
            }
            ETHER_IPV6 => return self.fast6_ethernet(now, port, frame),
            _ => self.find_hop(port, frame)?,
        };
        self.fast_packet(now, hop, at, room, frame)
    }

    /// Whose frame it is, if it has a tag, or is of the second session on its port.
    #[cold]
    #[inline(never)]
    fn find_hop(&self, port: PortId, frame: &Frame<'p>) -> Option<(Hop, usize, usize)> {
        self.ports.get(usize::from(port.0))?.all.iter().find_map(|hop| {
            let (at, room) = self.interfaces.get(hop.index())?.framing.matches(frame)?;
            Some((*hop, at, room))
        })
    }

    #[inline]
    fn fast_packet(
        &mut self,
        now: Instant,
        from: Hop,
        at: usize,
        room: usize,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let words = frame.words_from_mut(at)?;
        if words.len() < LEAST / 4 || words[0] & 0xFF != VERSION_4_NO_OPTIONS || words[1] & FRAGMENT != 0 {
            return None;
        }
        let sum =
            halves(words[0]) + halves(words[1]) + halves(words[2]) + halves(words[3]) + halves(words[4]);
        let (ttl, protocol) = (words[2] & 0xFF, (words[2] >> 8) as u8);
        let len = usize::from(u16::from_be((words[0] >> 16) as u16));
        if fold(sum) != 0xFFFF || ttl <= 1 || len > room || len < LEAST {
            return None;
        }
        if protocol == SIT {
            return self.fast_tunnelled(now, from, at, len, frame);
        }
        let tuple = Tuple { source: words[3], destination: words[4], ports: words[5] };
        let Some((place, direction)) = self.flows.find_inline(&tuple, protocol, from) else {
            return self.fast_first(now, from, at, len, frame);
        };
        self.replay::<false>(now, from, at, len, place, direction, frame)
    }

    /// Opens the flow of a packet that has none, if that is as plain as can be, and sends it on its way.
    #[cold]
    #[inline(never)]
    fn fast_first(
        &mut self,
        now: Instant,
        from: Hop,
        at: usize,
        len: usize,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let words = frame.words_from_mut(at)?;
        let header = words.first_chunk::<{ LEAST / 4 }>()?;
        let tuple = Tuple { source: header[3], destination: header[4], ports: header[5] };
        let protocol = (header[2] >> 8) as u8;
        if from != Hop::LAN
            || self.flows.is_full()
            || !(protocol == UDP || protocol == TCP && is_plain_syn(words, len))
        {
            return None;
        }
        let place = self.open_outward(now, &tuple, protocol)?;
        self.replay::<true>(now, from, at, len, place, Direction::Forward, frame)
    }

    /// What was decided, once more. `FIRST`: for the packet whose flow has just been opened.
    #[expect(clippy::inline_always, reason = "the better part of the fast path")]
    #[expect(clippy::too_many_arguments, reason = "what the fast path knows by then")]
    #[inline(always)]
    fn replay<const FIRST: bool>(
        &mut self,
        now: Instant,
        from: Hop,
        at: usize,
        len: usize,
        place: u16,
        direction: Direction,
        frame: &mut Frame<'p>,
    ) -> Option<Passed> {
        let words = frame.words_from_mut(at)?;
        if words.len() < LEAST / 4 {
            return None;
        }
        let protocol = (words[2] >> 8) as u8;
        let flow = self.flows.flow_mut(place)?;
        let is_steady = flow.state.is_steady() || protocol == UDP && direction == Direction::Forward;
        if flow.epoch != self.epoch || !(is_steady || FIRST) {
            return None;
        }
        let (to_hop, neighbour, new, flip) = match direction {
            Direction::Forward => (flow.to, flow.to_neighbour, &flow.reverse, 0),
            Direction::Reverse => (flow.from, flow.from_neighbour, &flow.forward, 0xFFFF),
        };
        let egress = self.interfaces.get(to_hop.index())?;
        // A stack, and an interface that is down, have an MTU of 0.
        if len > usize::from(egress.mtu) {
            return None;
        }
        let mac = match neighbour {
            NO_NEIGHBOUR => egress.framing.peer(),
            neighbour => self.neighbours.neighbour(neighbour)?.reachable()?,
        };
        let transport_difference = flow.transport_difference ^ flip;
        match protocol {
            UDP => {
                let checksum = (words[6] >> 16) as u16;
                if checksum != 0 {
                    let new = adjust(checksum, transport_difference);
                    let new = if new == 0 { 0xFFFF } else { new };
                    words[6] = words[6] & 0xFFFF | u32::from(new) << 16;
                }
            }
            TCP => {
                if len < LEAST_TCP || words.len() < LEAST_TCP / 4 {
                    return None;
                }
                if (words[8] >> 8) as u8 & (SYN | FIN | RST) != 0 {
                    if !FIRST {
                        return None;
                    }
                    clamp_first_mss(words, egress.mtu.min(self.interfaces.get(from.index())?.mtu));
                }
                words[9] = words[9] & 0xFFFF_0000 | u32::from(adjust(words[9] as u16, transport_difference));
            }
            _ => return None,
        }
        flow.seen = tick(now);
        let ip_difference = u32::from(flow.ip_difference ^ flip) + ONE_LESS;
        let checksum = !fold(u32::from(!(words[2] >> 16) as u16) + ip_difference);
        words[2] = (words[2] & 0xFFFF | u32::from(checksum) << 16) - 1;
        words[3] = new.destination;
        words[4] = new.source;
        words[5] = swapped(new.ports);
        // What was checked above fits, and every frame has the headroom.
        egress.framing.replace(frame, at, len, mac)?;
        let to = egress.port;
        let received = self.traffic.get_mut(from.index())?;
        received.count_received(len);
        received.last = now;
        self.traffic.get_mut(to_hop.index())?.count_sent(len);
        Some(Passed { to })
    }
}

/// Whether a segment with this header is the first of a connection, with the MSS in front of its options or without any.
fn is_plain_syn(words: &[u32], len: usize) -> bool {
    let Some(&[.., offset_and_flags, _]) = words.first_chunk::<{ LEAST_TCP / 4 }>() else { return false };
    let header_len = (offset_and_flags & 0xF0) as usize / 4;
    let is_syn = (offset_and_flags >> 8) as u8 & (SYN | ACK | FIN | RST) == SYN;
    let is_plain = header_len == 20
        || header_len >= 24 && words.get(LEAST_TCP / 4).is_some_and(|word| word & 0xFFFF == MSS);
    is_syn && is_plain && len >= 20 + header_len
}

/// [`clamp_mss`](super::tcp::clamp_mss) for [such a segment](is_plain_syn).
fn clamp_first_mss(words: &mut [u32], mtu: u16) {
    let most = u32::from(mtu.saturating_sub(LEAST_TCP as u16).to_be());
    let has_options = words[8] & 0xF0 > 0x50;
    let Some(option) = words.get_mut(LEAST_TCP / 4).filter(|_| has_options) else { return };
    let old = *option >> 16;
    if u16::from_be(old as u16) > u16::from_be(most as u16) {
        *option = *option & 0xFFFF | most << 16;
        words[9] = words[9] & 0xFFFF_0000 | u32::from(adjust(words[9] as u16, difference([old], [most])));
    }
}

/// Whether the packet of a session's frame without a tag is IPv6.
fn is_session_ipv6(frame: &Frame<'_>) -> bool {
    frame.header_words::<6>().is_some_and(|words| words[5] >> 16 == PPP_IPV6)
}

/// `EtherType`s as they lie in the second half of a word.
const ETHER_IPV4: u32 = gatelet_wire::ethernet::IPV4.to_be() as u32;
const ETHER_SESSION: u32 = gatelet_wire::ethernet::PPPOE_SESSION.to_be() as u32;
const ETHER_IPV6: u32 = gatelet_wire::ethernet::IPV6.to_be() as u32;
/// And the PPP protocol that is one (RFC 5072 §3).
const PPP_IPV6: u32 = 0x0057_u16.to_be() as u32;
/// The headers of plain Ethernet, and of a session's IP packets, without a tag.
const ETHERNET_LEN: usize = 14;
const SESSION_LEN: usize = 22;
/// The first byte of an IPv4 header without options.
const VERSION_4_NO_OPTIONS: u32 = 0x45;
/// More Fragments and the Fragment Offset, in the second word as it lies in memory.
const FRAGMENT: u32 = 0x3FFF_u32.to_be();
/// A TTL that is one less, as part of a checksum's sum: the TTL is the first byte of its half.
const ONE_LESS: u32 = 0xFFFE;
/// An IPv4 header and the eight bytes that UDP has, or the least of a quoted packet.
const LEAST: usize = 28;
/// Kind and length of the option Maximum Segment Size (RFC 9293 §3.2), as they lie in a word.
const MSS: u32 = 0x0402;
/// An IPv4 header and that of TCP.
const LEAST_TCP: usize = 40;
