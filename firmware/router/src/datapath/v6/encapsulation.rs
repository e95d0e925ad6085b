//! IPv6 in IPv4 (RFC 4213): into tunnels and out of them.
//!
//! ```text
//!   out:  IPv6 packet ─► longer than the tunnel's MTU? Packet Too Big ─► 20 bytes of IPv4 in the headroom ─► the WAN
//!   in:   protocol 41, for our address on a WAN ─► from a tunnel's peer? ─► whole? ─► ECN ─► source where it belongs? ─► as any
//!   ICMPv4 about a packet of ours ─► Fragmentation Needed: the tunnel's path MTU, and Packet Too Big to who sent it
//! ```
//!
//! Reading list: RFC 4213 §3.2 (MTU), §3.4 (errors), §3.5 (header), §3.6 (decapsulation), §4 (ingress); RFC 6040 (ECN); RFC 6169,
//! RFC 6324 (what tunnels are abused for).

use gatelet_hal::{Frame, PortId};
use smoltcp::time::{Duration, Instant};

use super::address::{self, Scope};
use super::packet::{HEADER_LEN, MIN_MTU, Packet6};
use super::sit::{Tos, TunnelConfig, TunnelId, TunnelRole};
use super::{Link, MAX_TUNNELS, Medium};
use crate::Dropped;
use crate::datapath::checksum::{fold, halves};
use crate::datapath::flow::{NO_NEIGHBOUR, tick};
use crate::datapath::fragment::Parts;
use crate::datapath::interface::{Hop, HopKind, Interface, word};
use crate::datapath::packet::{HEADER_LEN as IPV4_LEN, Packet};
use crate::datapath::slow::{Arrival, Outcome};
use crate::datapath::{Datapath, DatapathEvent};
use crate::wan::AddressKind;

/// The protocol number of IPv6 in IPv4.
pub(crate) const SIT: u8 = 41;

/// A tunnel, as packets need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tunnel {
    config: Option<TunnelConfig>,
    /// The WAN it goes over.
    pub(super) wan: Hop,
    /// Both ends, in memory order. 0: it is down.
    local: u32,
    remote: u32,
    /// The IPv4 header's first words as they are always, and what all that is constant adds to its checksum.
    header: [u32; 3],
    sum: u32,
    /// What of the traffic class is taken over.
    class_mask: u32,
    /// The neighbour on the WAN, where that has neighbours.
    pub(super) neighbour: u8,
    /// What the path was heard to carry, less our header, and until when that is believed; 0: nothing was heard.
    path_mtu: u16,
    path_mtu_until: Instant,
    /// Of the next packet that may be fragmented.
    id: u16,
    /// On its account, if we serve it.
    pub(super) flows: u16,
    /// The address that was told to be unable to carry protocol 41.
    told: u32,
}

impl Tunnel {
    pub(super) const NONE: Self = Self {
        config: None,
        wan: Hop::NONE,
        local: 0,
        remote: 0,
        header: [0; 3],
        sum: 0,
        class_mask: 0,
        neighbour: NO_NEIGHBOUR,
        path_mtu: 0,
        path_mtu_until: Instant::ZERO,
        id: 0,
        flows: 0,
        told: 0,
    };

    pub(super) fn role(&self) -> Option<TunnelRole> {
        self.config.map(|config| config.role)
    }

    pub(super) const fn has_path_mtu(&self) -> bool {
        self.path_mtu != 0
    }

    /// The longest packet, over a WAN of `mtu`.
    fn mtu(&self, mtu: u16) -> u16 {
        let most = mtu.saturating_sub(IPV4_LEN as u16);
        let wanted = self.config.and_then(|config| config.mtu).unwrap_or(most).min(most);
        let heard = if self.path_mtu == 0 { wanted } else { wanted.min(self.path_mtu) };
        heard.max(MIN_MTU)
    }

    /// Works out the header. RFC 4213 §3.2: a path that cannot carry 1,280 bytes in one has to fragment.
    fn set_header(&mut self, config: &TunnelConfig, mtu: u16) {
        let (mask, class) = match config.tos {
            Tos::Inherit => (0xFF, 0),
            Tos::Fixed(dscp) => (3, u32::from(dscp.min(63)) << 2),
        };
        let dont_fragment = if mtu > MIN_MTU { u32::from(0x4000_u16.to_be()) << 16 } else { 0 };
        self.class_mask = mask;
        self.header = [0x45 | class << 8, dont_fragment, u32::from(config.ttl) | u32::from(SIT) << 8];
        let constant = self.header.iter().chain([&self.local, &self.remote]);
        self.sum = u32::from(fold(constant.map(|word| halves(*word)).sum()));
    }

    /// The IPv4 header of a packet of `len` bytes whose first word is `first`.
    #[expect(clippy::inline_always, reason = "a tenth of the fast path")]
    #[inline(always)]
    pub(super) fn header(&mut self, len: usize, first: u32) -> [u32; 5] {
        // Version and traffic class are the first twelve bits.
        let class = ((first & 0xF) << 4 | first >> 12 & 0xF) & self.class_mask;
        let front = self.header[0] | class << 8 | u32::from((len as u16 + IPV4_LEN as u16).to_be()) << 16;
        let mut id = self.header[1];
        if id == 0 {
            // Without Don't Fragment, packets must be told apart (RFC 6864 §4.1).
            self.id = self.id.wrapping_add(1);
            id = u32::from(self.id);
        }
        let sum = self.sum + halves(class << 8) + (front >> 16) + (id & 0xFFFF);
        let checksum = !fold(sum);
        [front, id, self.header[2] | u32::from(checksum) << 16, self.local, self.remote]
    }
}

/// An IPv4 packet that is put together again. One is lost when there are more than [`REASSEMBLIES`] at once: the oldest.
#[derive(Debug)]
pub(crate) struct Reassembly<'p> {
    tunnel: TunnelId,
    id: u16,
    /// The inner packet, as far as it is here.
    frame: Frame<'p>,
    parts: Parts,
    /// Its length, once the last part is here.
    len: Option<u16>,
    /// The ECN field of all parts (RFC 3168 §5.3).
    ecn: u8,
    /// In ticks.
    began: u32,
}

impl<'p> Datapath<'p> {
    /// Sets up a tunnel, or takes it down. False if there is no such number.
    pub(crate) fn set_tunnel(&mut self, now: Instant, id: TunnelId, config: Option<TunnelConfig>) -> bool {
        let Some(tunnel) = self.v6.tunnels.get_mut(usize::from(id.0)) else { return false };
        let is_other_end = tunnel.config.map(|known| (known.wan, known.remote))
            != config.map(|wanted| (wanted.wan, wanted.remote));
        let (flows, id) = (tunnel.flows, tunnel.id);
        if is_other_end {
            *tunnel = Tunnel { id, flows, ..Tunnel::NONE };
        }
        tunnel.config = config;
        self.refresh_tunnels(now);
        // Another role asks for other sources.
        self.next_epoch();
        true
    }

    pub(super) fn tunnel(&self, id: TunnelId) -> Option<&Tunnel> {
        self.v6.tunnels.get(usize::from(id.0))
    }

    /// A WAN has changed, or a tunnel's settings, or what is known of a path.
    pub(in crate::datapath) fn refresh_tunnels(&mut self, now: Instant) {
        for n in 0..MAX_TUNNELS as u8 {
            self.refresh_tunnel(now, TunnelId(n));
        }
    }

    fn refresh_tunnel(&mut self, now: Instant, id: TunnelId) {
        let Some(tunnel) = self.v6.tunnels.get_mut(usize::from(id.0)) else { return };
        let wan = tunnel.config.map_or(Hop::NONE, |config| Hop::wan(config.wan));
        let interface = self.interfaces.get(wan.index()).copied().unwrap_or(Interface::DOWN);
        let (Some(config), Some(local)) = (tunnel.config, interface.address) else {
            (tunnel.local, tunnel.remote) = (0, 0);
            return self.set_link6(now, Hop::tunnel(id), &Link::DOWN);
        };
        if tunnel.local != local {
            // What was heard was about another path.
            tunnel.path_mtu = 0;
        }
        (tunnel.wan, tunnel.local, tunnel.remote) = (wan, local, word(config.remote));
        let mtu = tunnel.mtu(interface.mtu);
        tunnel.set_header(&config, mtu);
        let address = crate::datapath::address(local);
        let kind = AddressKind::of(address);
        if kind == AddressKind::Public {
            tunnel.told = 0;
        } else if tunnel.told != local {
            tunnel.told = local;
            self.tell(DatapathEvent::TunnelBehindNat { tunnel: id, address, kind });
        }
        // RFC 4213 §3.7: our interface identifier is made of our IPv4 address.
        let [a, b, c, d] = address.octets();
        let link_local = address::link_local([0, 0, 0, 0, a, b, c, d]);
        let link = Link { medium: Medium::Tunnel(id), mtu, local: link_local, ..Link::DOWN };
        self.set_link6(now, Hop::tunnel(id), &link);
    }

    pub(super) fn expire_path_mtus(&mut self, now: Instant) {
        let mut is_news = false;
        for tunnel in self.v6.tunnels.iter_mut().filter(|tunnel| tunnel.has_path_mtu()) {
            if tunnel.path_mtu_until <= now {
                tunnel.path_mtu = 0;
                is_news = true;
            }
        }
        if is_news {
            self.refresh_tunnels(now);
        }
    }

    /// Finds out the neighbour on the WAN that packets of a tunnel go to first.
    pub(super) fn prepare_tunnel(&mut self, now: Instant, hop: Hop) -> Result<(), Dropped> {
        let HopKind::Tunnel(id) = hop.kind() else { return Ok(()) };
        let tunnel = self.tunnel(id).filter(|tunnel| tunnel.local != 0).ok_or(Dropped::NetworkDown)?;
        let neighbour = self.next_hop(now, tunnel.wan, tunnel.remote, NO_NEIGHBOUR)?;
        if let Some(tunnel) = self.v6.tunnels.get_mut(usize::from(id.0)) {
            tunnel.neighbour = neighbour;
        }
        Ok(())
    }

    /// Sends the IPv6 packet in `frame` through a tunnel.
    pub(super) fn encapsulate(
        &mut self,
        now: Instant,
        id: TunnelId,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        self.prepare_tunnel(now, Hop::tunnel(id))?;
        let tunnel = self.v6.tunnels.get_mut(usize::from(id.0)).ok_or(Dropped::NetworkDown)?;
        let len = frame.len();
        let first = frame.bytes().first_chunk().copied().map_or(0, u32::from_ne_bytes);
        let header = tunnel.header(len, first);
        let (wan, neighbour) = (tunnel.wan, tunnel.neighbour);
        let room = frame.push_front(IPV4_LEN).ok_or(Dropped::NoHeadroom)?;
        for (bytes, word) in room.as_chunks_mut::<4>().0.iter_mut().zip(header) {
            *bytes = word.to_ne_bytes();
        }
        self.send(now, wan, neighbour, frame)
    }

    /// The tunnel whose ends these are.
    #[inline]
    pub(super) fn tunnel_between(&self, local: u32, remote: u32) -> Option<TunnelId> {
        let is_it = |tunnel: &Tunnel| tunnel.local == local && tunnel.remote == remote && local != 0;
        self.v6.tunnels.iter().position(is_it).map(|n| TunnelId(n as u8))
    }

    /// Whether a packet of protocol 41 is for a tunnel of ours. An error: it is for none, and nobody inside speaks the protocol.
    pub(in crate::datapath) fn is_tunnelled(&self, hop: Hop, packet: &Packet) -> Result<bool, Dropped> {
        if packet.protocol != SIT || self.interface(hop).address != Some(packet.destination) {
            return Ok(false);
        }
        if self.tunnel_between(packet.destination, packet.source).is_some() {
            return Ok(true);
        }
        let tuple = crate::datapath::flow::Tuple::of(packet);
        let has_tunnels = self.v6.tunnels.iter().any(|tunnel| tunnel.local == packet.destination);
        // A host inside may have a tunnel of its own.
        let is_of_flow = self.flows.find(&tuple, SIT, hop).is_some();
        if has_tunnels && !is_of_flow { Err(Dropped::TunnelPeer) } else { Ok(false) }
    }

    /// Takes a packet that is for a tunnel, which has passed all checks of IPv4.
    pub(in crate::datapath) fn decapsulate(
        &mut self,
        now: Instant,
        packet: &Packet,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let id = self.tunnel_between(packet.destination, packet.source).ok_or(Dropped::TunnelPeer)?;
        let ecn = frame.bytes().get(packet.at + 1).map_or(0, |tos| tos & ECN);
        let (begin, end) = (packet.at + packet.header_len, packet.at + packet.len);
        if packet.fragment.is_some() {
            let part = frame.bytes().get(begin..end).ok_or(Dropped::Malformed)?;
            return match self.reassemble(now, id, packet, part, ecn)? {
                Some((whole, ecn)) => self.enter6(now, id, ecn, whole),
                None => Ok(Outcome::Kept),
            };
        }
        frame.truncate(end);
        if !frame.pull_front(begin) {
            return Err(Dropped::Malformed);
        }
        self.enter6(now, id, ecn, frame)
    }

    /// An IPv6 packet that came out of a tunnel.
    fn enter6(
        &mut self,
        now: Instant,
        id: TunnelId,
        ecn: u8,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let bytes = frame.bytes_mut().first_chunk_mut::<2>().ok_or(Dropped::Malformed)?;
        let inner = bytes[1] >> 4 & ECN;
        let merged = merged_ecn(inner, ecn).ok_or(Dropped::TunnelEcn)?;
        bytes[1] = bytes[1] & !(ECN << 4) | merged << 4;
        let packet = Packet6::parse(frame.bytes(), 0, frame.len())?;
        self.check_inner(id, &packet)?;
        let arrival = Arrival { hop: Hop::tunnel(id), at: 0, room: frame.len(), mac: None, to_group: false };
        self.slow6(now, arrival, frame)
    }

    /// What must not come out of a tunnel (RFC 4213 §3.6 and §4, RFC 6169 §2.1, RFC 6324 §3).
    fn check_inner(&self, id: TunnelId, packet: &Packet6) -> Result<(), Dropped> {
        let scopes = [Scope::of(&packet.source), Scope::of(&packet.destination)];
        // Neighbours on the tunnel itself may talk (RFC 4213 §3.8), from link-local to link-local address.
        let is_local =
            scopes[0] == Scope::LinkLocal && (scopes[1] == Scope::LinkLocal || scopes[1] == Scope::Multicast);
        if !is_local && !scopes.iter().all(|scope| scope.is_routable()) {
            return Err(Dropped::TunnelScope);
        }
        if is_local {
            return Ok(());
        }
        let hop = Hop::tunnel(id);
        let is_good = match self.tunnel(id).and_then(Tunnel::role) {
            Some(TunnelRole::Server) => self.is_behind(hop, &packet.source),
            _ => !self.is_ours6(&packet.source),
        };
        if !is_good || self.owner6(&packet.source).is_some() {
            return Err(Dropped::TunnelSource);
        }
        Ok(())
    }

    // Fragments of the packet outside.

    /// Adds a part, and answers the packet inside and its ECN field when it is whole.
    fn reassemble(
        &mut self,
        now: Instant,
        tunnel: TunnelId,
        packet: &Packet,
        part: &[u8],
        ecn: u8,
    ) -> Result<Option<(Frame<'p>, u8)>, Dropped> {
        let Some(fragment) = packet.fragment else { return Ok(None) };
        let (first, end) = (usize::from(fragment.offset), usize::from(fragment.offset) + part.len());
        if part.is_empty() || fragment.more && !part.len().is_multiple_of(8) {
            return Err(Dropped::Malformed);
        }
        let id = fragment.id;
        let is_it = |known: &Reassembly<'_>| known.tunnel == tunnel && known.id == id;
        let place = match self.v6.reassemblies.iter().position(is_it) {
            Some(place) => place,
            None => self.begin_reassembly(now, tunnel, id)?,
        };
        let all = &mut self.v6.reassemblies;
        let known = all.get_mut(place).ok_or(Dropped::FragmentTableFull)?;
        let is_end_known = known.len.is_some_and(|len| end > usize::from(len) || !fragment.more);
        let is_good = !is_end_known && end <= known.frame.len() && known.parts.add(first as u16, end as u16);
        // RFC 6040 §4.2 of a packet in parts: one that is marked marks all.
        known.ecn |= if ecn == CE { CE } else { 0 };
        if !is_good {
            all.remove(place);
            return Err(Dropped::FragmentOverlap);
        }
        if let Some(room) = known.frame.bytes_mut().get_mut(first..end) {
            room.copy_from_slice(part);
        }
        if !fragment.more {
            known.len = Some(end as u16);
        }
        if known.ecn != CE && first == 0 {
            known.ecn = ecn;
        }
        let Some(len) = known.len.filter(|len| known.parts.has(0, *len)) else { return Ok(None) };
        let mut whole = all.remove(place);
        whole.frame.truncate(usize::from(len));
        Ok(Some((whole.frame, whole.ecn)))
    }

    fn begin_reassembly(&mut self, now: Instant, tunnel: TunnelId, id: u16) -> Result<usize, Dropped> {
        let mut frame = self.pool.take(PortId::LOCAL).ok_or(Dropped::OutOfFrames)?;
        frame.clear(Frame::IP_HEADROOM);
        let room = frame.push_back(REASSEMBLED).ok_or(Dropped::NoHeadroom)?;
        // Nobody sees what was in it before, but for a packet that lies about its length.
        room.fill(0);
        let all = &mut self.v6.reassemblies;
        if all.is_full() {
            all.remove(0);
            self.waited_in_vain += 1;
        }
        let began = tick(now);
        let new = Reassembly { tunnel, id, frame, parts: Parts::NONE, len: None, ecn: 0, began };
        all.push(new).map_err(|_| Dropped::FragmentTableFull)?;
        Ok(all.len() - 1)
    }

    /// Forgets what is not whole in time. Answers how many.
    pub(super) fn expire_reassemblies(&mut self, now: Instant) -> u32 {
        let before = self.v6.reassemblies.len();
        let now = tick(now);
        self.v6.reassemblies.retain(|known| now.wrapping_sub(known.began) <= REASSEMBLY_TIME);
        (before - self.v6.reassemblies.len()) as u32
    }

    // Errors about the packet outside.

    /// Whether an error that came from `hop` is about a packet of a tunnel of ours.
    pub(in crate::datapath) fn is_of_tunnel(&self, hop: Hop, quote: &[u8]) -> bool {
        let word =
            |at: usize| quote.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_ne_bytes);
        let (Some(local), Some(remote), Some(SIT)) = (word(12), word(16), quote.get(9).copied()) else {
            return false;
        };
        !hop.is_inside() && self.tunnel_between(local, remote).is_some()
    }

    /// Takes an `ICMPv4` error about a packet of ours: `quote` is that packet, from its header on, as far as the error has it, and
    /// `next_hop_mtu` what it says of the path, if it does (RFC 1191 §4).
    pub(in crate::datapath) fn tunnel_error(
        &mut self,
        now: Instant,
        quote: &[u8],
        next_hop_mtu: Option<u16>,
    ) -> Result<(), Dropped> {
        let word =
            |at: usize| quote.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_ne_bytes);
        let (Some(local), Some(remote)) = (word(12), word(16)) else { return Err(Dropped::Malformed) };
        let id = self.tunnel_between(local, remote).ok_or(Dropped::IcmpUnrelated)?;
        if !self.icmp_in.permit(now) {
            return Err(Dropped::RateLimited);
        }
        let header_len = quote.first().map_or(0, |first| usize::from(first & 0x0F) * 4);
        let inner = quote.get(header_len..).unwrap_or_default();
        if let Some(mtu) = next_hop_mtu {
            let known = self.link6(Hop::tunnel(id)).map_or(0, |link| link.mtu);
            // RFC 1191 §5: routers of old say nothing; then the least there is has to do.
            let heard = mtu.saturating_sub(IPV4_LEN as u16).max(MIN_MTU);
            if heard < known
                && let Some(tunnel) = self.v6.tunnels.get_mut(usize::from(id.0))
            {
                (tunnel.path_mtu, tunnel.path_mtu_until) = (heard, now + PATH_MTU_TIME);
                self.refresh_tunnels(now);
                self.tell(DatapathEvent::TunnelPathMtu { tunnel: id, mtu: heard });
            }
        }
        self.pass_tunnel_error(now, id, inner, next_hop_mtu.is_some());
        Ok(())
    }

    /// Tells who sent the packet inside, if enough of that is quoted (RFC 4213 §3.4).
    fn pass_tunnel_error(&mut self, now: Instant, id: TunnelId, inner: &[u8], is_too_big: bool) {
        let Ok(packet) = Packet6::parse_quote(inner) else { return };
        let tuple = super::flow::Tuple6::of(&packet);
        let hop = Hop::tunnel(id);
        // Somebody must have sent it this way.
        let Some((place, direction)) = self.v6.flows.find(&tuple.answer().0, packet.protocol, hop) else {
            return;
        };
        let Some(flow) = self.v6.flows.flow(place) else { return };
        let back = match direction {
            crate::datapath::flow::Direction::Reverse => flow.from,
            crate::datapath::flow::Direction::Forward => flow.to,
        };
        let mtu = self.link6(hop).map_or(MIN_MTU, |link| link.mtu);
        let kind = if is_too_big {
            super::icmp::ErrorKind6::PacketTooBig(mtu)
        } else {
            super::icmp::ErrorKind6::AddressUnreachable
        };
        self.send_quoting6(now, back, &packet, inner, kind);
    }
}

/// The ECN field of the packet inside, after one outside (RFC 6040 §4.2). `None`: it is to be dropped.
const fn merged_ecn(inner: u8, outer: u8) -> Option<u8> {
    match (inner, outer) {
        (0, CE) => None,
        (0, _) => Some(0),
        (CE, _) | (_, CE) => Some(CE),
        (ECT_0, ECT_1) => Some(ECT_1),
        (inner, _) => Some(inner),
    }
}

/// The field, and its values (RFC 3168 §5).
pub(super) const ECN: u8 = 3;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;
const CE: u8 = 3;
/// Packets in parts at once, each in a frame of the router's own.
pub(super) const REASSEMBLIES: usize = 2;
/// The longest packet that is put together: RFC 4213 §3.6 asks for 1,500 bytes inside.
const REASSEMBLED: usize = 1500;
/// Ticks until a packet that is not whole is given up (RFC 1122 §3.3.2 lets a host wait for 60 to 120 s; what is still to come
/// after so long is not worth a frame).
const REASSEMBLY_TIME: u32 = 15;
/// How long a path MTU is believed (RFC 1191 §6.3 recommends ten minutes).
const PATH_MTU_TIME: Duration = Duration::from_secs(600);
// The shortest packet inside is shorter than the room for one.
const _: () = assert!(HEADER_LEN < REASSEMBLED);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WanId;

    /// RFC 6040 §4.2, figure 4.
    #[test]
    fn ecn_is_merged() {
        let table: [[Option<u8>; 4]; 4] = [
            [Some(0), Some(0), Some(0), None],
            [Some(1), Some(1), Some(1), Some(3)],
            [Some(2), Some(1), Some(2), Some(3)],
            [Some(3), Some(3), Some(3), Some(3)],
        ];
        for (inner, row) in (0..).zip(table) {
            for (outer, expected) in (0..).zip(row) {
                assert_eq!(merged_ecn(inner, outer), expected, "{inner:02b} in {outer:02b}");
            }
        }
    }

    #[test]
    fn the_header_is_right_for_every_class_and_length() {
        use crate::datapath::checksum;
        for tos in [Tos::Inherit, Tos::Fixed(46), Tos::Fixed(0)] {
            for mtu in [1280, 1472] {
                let config = TunnelConfig { tos, ..TunnelConfig::new(WanId(0), [192, 0, 2, 1].into()) };
                let mut tunnel = Tunnel { local: 0x0A00_0001, remote: 0x0102_0304, ..Tunnel::NONE };
                tunnel.set_header(&config, mtu);
                for (class, len) in [(0, 40), (0xB8, 1280), (0xBB, 1472), (0xFF, 41), (0x03, 100)] {
                    let first = u32::from_ne_bytes([0x60 | class >> 4, class << 4 | 0xF, 0xAB, 0xCD]);
                    let bytes = tunnel.header(len, first).map(u32::to_ne_bytes).concat();
                    assert_eq!(checksum::of(&bytes, 0), 0, "{tos:?} {class:#x}");
                    assert_eq!((bytes[0], bytes[8], bytes[9]), (0x45, 255, 41));
                    assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), len + 20);
                    let expected = match tos {
                        Tos::Inherit => class,
                        Tos::Fixed(dscp) => dscp << 2 | class & 3,
                    };
                    assert_eq!(bytes[1], expected);
                    assert_eq!(bytes[6] & 0x40 != 0, mtu > 1280);
                    assert_eq!((&bytes[12..16], &bytes[16..20]), (&[1, 0, 0, 10][..], &[4, 3, 2, 1][..]));
                }
            }
        }
    }
}
