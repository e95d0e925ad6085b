//! ARP packets in and out (RFC 826), and the defence of our own addresses (RFC 5227 §2.4).

use gatelet_hal::{Frame, PortId};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use smoltcp::time::Instant;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, Ipv4Address};

use super::flow::NO_NEIGHBOUR;
use super::interface::{Hop, address, word};
use super::neighbour::{Change, Question};
use super::{Datapath, DatapathEvent};
use crate::Dropped;
use crate::router::Egress;

impl Datapath<'_> {
    /// Takes an ARP packet that arrived at `hop`. Answers who said that it has the address, for those who want to know whether
    /// an address is in use.
    pub(crate) fn handle_arp(
        &mut self,
        now: Instant,
        hop: Hop,
        payload: &[u8],
    ) -> Result<Option<(Ipv4Address, EthernetAddress)>, Dropped> {
        let packet = ArpPacket::new_checked(payload).map_err(|_| Dropped::Malformed)?;
        let repr = ArpRepr::parse(&packet).map_err(|_| Dropped::Malformed)?;
        let ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = repr
        else {
            return Err(Dropped::Malformed);
        };
        let interface = *self.interface(hop);
        let own_mac = interface.framing.mac();
        if !source_hardware_addr.is_unicast() || source_hardware_addr == own_mac {
            return Err(Dropped::Spoofed);
        }
        let source = word(source_protocol_addr);
        if interface.address == Some(source) {
            self.tell_conflict(now, hop, source, source_hardware_addr);
            return Ok(None);
        }
        let claims = !source_protocol_addr.is_unspecified();
        if claims {
            let is_answer = operation == ArpOperation::Reply;
            let change = self.neighbours.handle_claim(now, hop, source, source_hardware_addr, is_answer);
            self.act_on(now, change, source_hardware_addr);
        }
        if operation == ArpOperation::Request && interface.address == Some(word(target_protocol_addr)) {
            // Who asks for us will be sent something soon: it is worth a place, if it is of this network.
            if claims && interface.network.contains(source) && !interface.network.is_edge(source) {
                let mac = Some(source_hardware_addr);
                let _ = self.need_neighbour(now, hop, source, mac, NO_NEIGHBOUR);
            }
            let reply = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: own_mac,
                source_protocol_addr: target_protocol_addr,
                target_hardware_addr: source_hardware_addr,
                target_protocol_addr: source_protocol_addr,
            };
            self.send_arp(hop, source_hardware_addr, &reply)?;
        }
        Ok(claims.then_some((source_protocol_addr, source_hardware_addr)))
    }

    /// The interface that speaks plain Ethernet on `port`, with this tag.
    pub(crate) fn ethernet_hop(&self, port: PortId, vlan: Option<VlanTag>) -> Option<Hop> {
        let id = |tag: Option<VlanTag>| tag.map_or(0, |tag| tag.id);
        let hops = self.ports.get(usize::from(port.0))?;
        hops.all.iter().copied().find(|hop| {
            let interface = self.interface(*hop);
            interface.has_neighbours() && id(interface.framing.vlan()) == id(vlan)
        })
    }

    /// Asks whether anybody has `address` on `hop`: by an ARP Probe, which claims nothing (RFC 5227 §2.1.1).
    pub(crate) fn probe(&mut self, hop: Hop, address: Ipv4Address) {
        let probe = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: self.interface(hop).framing.mac(),
            source_protocol_addr: Ipv4Address::UNSPECIFIED,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address,
        };
        let _ = self.send_arp(hop, EthernetAddress::BROADCAST, &probe);
    }

    /// Tells everybody on `hop` that our address there is ours (RFC 5227 §2.3).
    pub(crate) fn announce(&mut self, hop: Hop) {
        let interface = self.interface(hop);
        let (Some(own), mac) = (interface.address, interface.framing.mac()) else { return };
        let announcement = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: mac,
            source_protocol_addr: address(own),
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address(own),
        };
        let _ = self.send_arp(hop, EthernetAddress::BROADCAST, &announcement);
    }

    /// Sends the ARP requests that are due, and draws the conclusions of those that nobody answered. False if there was nothing.
    pub(super) fn ask_neighbours(&mut self, now: Instant) -> bool {
        let mut busy = false;
        while let Some((question, change)) = self.neighbours.poll(now) {
            busy = true;
            self.act_on(now, change, EthernetAddress([0; 6]));
            let Some(Question { hop, address: asked, to }) = question else { continue };
            let interface = self.interface(hop);
            let Some(own) = interface.address else { continue };
            let request = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Request,
                source_hardware_addr: interface.framing.mac(),
                source_protocol_addr: address(own),
                target_hardware_addr: EthernetAddress([0; 6]),
                target_protocol_addr: address(asked),
            };
            if self.send_arp(hop, to, &request).is_err() {
                return busy;
            }
        }
        busy
    }

    fn act_on(&mut self, now: Instant, change: Change, claimant: EthernetAddress) {
        match change {
            Change::Nothing | Change::Moved(_) => {}
            Change::Reachable(place) => self.release_waiting(now, place),
            Change::Gone(place, _) => {
                self.drop_waiting(place);
                self.next_epoch();
            }
            Change::Disputed(place) => {
                let disputed = self.neighbours.neighbour(place).map_or(0, |neighbour| neighbour.address);
                self.tell(DatapathEvent::NeighbourDisputed { address: address(disputed), mac: claimant });
            }
        }
    }

    fn tell_conflict(&mut self, now: Instant, hop: Hop, own: u32, mac: EthernetAddress) {
        if self.defence.permit(now) {
            self.announce(hop);
            self.tell(DatapathEvent::AddressConflict { address: address(own), mac });
        }
    }

    fn send_arp(&mut self, hop: Hop, destination: EthernetAddress, repr: &ArpRepr) -> Result<(), Dropped> {
        let interface = *self.interface(hop);
        let mut frame = self.pool.take(PortId::LOCAL).ok_or(Dropped::OutOfFrames)?;
        let header = Header {
            destination,
            source: interface.framing.mac(),
            vlan: interface.framing.vlan(),
            ether_type: ethernet::ARP,
        };
        let room = frame.push_back(header.len() + repr.buffer_len()).ok_or(Dropped::NoHeadroom)?;
        let len = header.emit(room).map_err(|_| Dropped::NoHeadroom)?;
        repr.emit(&mut ArpPacket::new_unchecked(&mut room[len..]));
        pad(&mut frame);
        self.queue(Egress::Port(interface.port), frame)
    }
}

/// To the shortest frame there is, with zeros: what was in the buffer before is nobody's business.
pub(super) fn pad(frame: &mut Frame<'_>) {
    let missing = ethernet::MIN_FRAME_LEN.saturating_sub(frame.len());
    if let Some(room) = frame.push_back(missing) {
        room.fill(0);
    }
}
