//! Plain Ethernet on a WAN's port: the frames of a WAN without PPP, and of the network a modem has of its own.

use gatelet_hal::{Frame, PortId};
use gatelet_wire::ethernet::{self, Header};
use smoltcp::time::Instant;
use smoltcp::wire::{IpProtocol, Ipv4Packet, UdpPacket};

use super::ingress::check_version;
use super::{Egress, Router};
use crate::Dropped;
use crate::datapath::{Arrival, HopKind};
use crate::wan::{EthernetWan, EthernetWanConfig, Line, WanId};

impl<'p> Router<'p> {
    /// Adds a WAN that is plain Ethernet and answers its number; `None` beyond [`MAX_WANS`](crate::MAX_WANS), or without
    /// [tables](Self::lend_tables): it is the datapath that speaks ARP.
    pub fn add_ethernet_wan(&mut self, now: Instant, config: EthernetWanConfig) -> Option<WanId> {
        self.datapath.as_ref()?;
        let id = self.add_line(now, Line::Ethernet(EthernetWan::new(now, config)));
        self.refresh(now);
        id
    }

    /// Other settings for a WAN that is plain Ethernet: begins anew with them, at the port that it was added with. False if there
    /// is no such WAN, or it is of another kind.
    pub fn reconfigure_ethernet(&mut self, now: Instant, id: WanId, config: EthernetWanConfig) -> bool {
        let Some(line) = self.wans.get_mut(usize::from(id.0)).and_then(Line::ethernet_mut) else {
            return false;
        };
        line.reconfigure(now, &mut self.rng, config);
        self.refresh(now);
        true
    }

    /// A frame of plain Ethernet on a WAN's port: of a WAN without PPP, or of the modem's own network.
    pub(super) fn route_ethernet_frame(
        &mut self,
        now: Instant,
        port: PortId,
        header: &Header,
        frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        let datapath = self.datapath.as_mut().ok_or(Dropped::OtherEtherType)?;
        let hop = datapath.ethernet_hop(port, header.vlan).ok_or(Dropped::OtherEtherType)?;
        let own = datapath.interface(hop).framing.mac();
        if header.destination.is_unicast() && header.destination != own {
            return Err(Dropped::NotForUs);
        }
        let payload = frame.bytes().get(header.len()..).ok_or(Dropped::Malformed)?;
        let line = match hop.kind() {
            HopKind::Wan(wan) => self.wans.get_mut(usize::from(wan.0)).and_then(Line::ethernet_mut),
            _ => None,
        };
        if header.ether_type == ethernet::ARP {
            if let Some((address, _)) = datapath.handle_arp(now, hop, payload)?
                && let Some(line) = line
            {
                line.handle_claim(now, &mut self.rng, address);
                self.refresh(now);
            }
            return Ok(None);
        }
        check_version(header, payload)?;
        let (at, room) = (header.len(), payload.len());
        if header.ether_type == ethernet::IPV6 && matches!(hop.kind(), HopKind::Modem(_)) {
            // A modem's page is had by IPv4.
            return Err(Dropped::OtherEtherType);
        }
        if let (Some(line), Some(message)) = (line, dhcp_message(payload)) {
            let taken = line.handle_dhcp(now, &mut self.rng, message);
            self.refresh(now);
            return taken.map(|()| None);
        }
        let to_group = !header.destination.is_unicast();
        self.pass(now, Arrival { hop, at, room, mac: Some(header.source), to_group }, frame)
    }
}

/// The payload of a UDP datagram to the DHCP client's port, if `packet` is one whose checksums hold.
fn dhcp_message(packet: &[u8]) -> Option<&[u8]> {
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    let fragmented = packet.more_frags() || packet.frag_offset() != 0;
    if packet.next_header() != IpProtocol::Udp || fragmented || !packet.verify_checksum() {
        return None;
    }
    let (source, destination) = (packet.src_addr().into(), packet.dst_addr().into());
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    let is_ours = datagram.dst_port() == DHCP_CLIENT_PORT && datagram.verify_checksum(&source, &destination);
    is_ours.then(|| datagram.payload())
}

/// RFC 2131 §4.1.
const DHCP_CLIENT_PORT: u16 = 68;
