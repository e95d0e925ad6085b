//! Whose is it: frames of a WAN's port, packets of the router's own stacks, and the way into the datapath.

use gatelet_hal::{Frame, PortId};
use gatelet_wire::ethernet::{self, Header};
use gatelet_wire::pppoe::{Code, Packet};
use heapless::Vec;
use smoltcp::time::Instant;

use super::{Egress, MAX_WANS, Router};
use crate::Dropped;
use crate::datapath::{Arrival, Hop, Outcome, address};
use crate::wan::{Line, Place, WanId};

impl<'p> Router<'p> {
    pub(super) fn route_wan_frame(
        &mut self,
        now: Instant,
        port: PortId,
        frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        if !self.ports.iter().any(|known| known.id == port) {
            return Err(Dropped::UnknownPort);
        }
        let (header, payload) = Header::parse(frame.bytes()).map_err(|_| Dropped::Malformed)?;
        let session_stage = match header.ether_type {
            ethernet::PPPOE_SESSION => true,
            ethernet::PPPOE_DISCOVERY => false,
            ethernet::ARP | ethernet::IPV4 | ethernet::IPV6 => {
                return self.route_ethernet_frame(now, port, &header, frame);
            }
            _ => return Err(Dropped::OtherEtherType),
        };
        let packet = Packet::parse(payload).map_err(|_| Dropped::Malformed)?;
        if session_stage != (packet.code == Code::Session) {
            return Err(Dropped::WrongStage);
        }
        let mut reason = Dropped::OtherEtherType;
        let mut claimants: Vec<usize, MAX_WANS> = Vec::new();
        for (index, wan) in self.wans.iter().enumerate().filter(|(_, wan)| wan.port() == port) {
            let Some(wan) = wan.pppoe() else { continue };
            match wan.claims(&header) {
                Ok(()) => claimants.push(index).map_err(|_| Dropped::QueueFull)?,
                Err(refused) => reason = refused,
            }
        }
        let Some(&first) = claimants.first() else { return Err(reason) };
        let source = header.source;
        if !session_stage {
            // What all of them ignore, each has counted.
            let rng = &mut self.rng;
            let mut takes = |index: &usize| {
                self.wans
                    .get_mut(*index)
                    .and_then(Line::pppoe_mut)
                    .is_some_and(|wan| wan.handle_discovery(now, rng, source, &packet))
            };
            claimants.iter().any(&mut takes);
            self.refresh(now);
            return Ok(None);
        }
        let wan = |index: &usize| self.wans.get(*index).and_then(Line::pppoe);
        let has_session =
            |index: &&usize| wan(index).is_some_and(|wan| wan.has_session(source, packet.session_id));
        let may_hold = |index: &&usize| wan(index).is_some_and(|wan| wan.may_hold(source));
        let owner = claimants.iter().find(has_session).or_else(|| claimants.iter().find(may_hold));
        let owner = owner.copied();
        let index = owner.unwrap_or(first);
        let wan = self.wans.get_mut(index).and_then(Line::pppoe_mut).ok_or(Dropped::UnknownSession)?;
        if owner.is_none() {
            wan.handle_unknown_session(now, source, packet.session_id);
            return Err(Dropped::UnknownSession);
        }
        let place = Place { header_len: header.len(), payload_len: packet.payload.len() };
        let Some(ip) = wan.handle_session_frame(now, &mut self.rng, place, frame)? else {
            self.refresh(now);
            return Ok(None);
        };
        let id = WanId(index as u8);
        if self.datapath.is_some() {
            return self.pass(
                now,
                Arrival { hop: Hop::wan(id), at: 0, room: ip.len(), mac: None, to_group: false },
                ip,
            );
        }
        if let Some(wan) = self.wans.get_mut(index).and_then(Line::pppoe_mut) {
            wan.count_received(ip.len());
        }
        Ok(Some((Egress::Stack(id), ip)))
    }

    pub(super) fn route_stack_packet(
        &mut self,
        now: Instant,
        id: WanId,
        mut frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        let wan = self.wans.get_mut(usize::from(id.0)).ok_or(Dropped::NetworkDown)?;
        let port = wan.port();
        if self.datapath.is_some() {
            let arrival =
                Arrival { hop: Hop::stack(id), at: 0, room: frame.len(), mac: None, to_group: false };
            return self.pass(now, arrival, frame);
        }
        wan.pppoe_mut().ok_or(Dropped::NetworkDown)?.handle_ip_packet(&mut frame)?;
        Ok(Some((Egress::Port(port), frame)))
    }

    /// Gives an IP packet to the datapath.
    pub(super) fn pass(
        &mut self,
        now: Instant,
        arrival: Arrival,
        frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        let datapath = self.datapath.as_mut().ok_or(Dropped::NetworkDown)?;
        let version = frame.bytes().get(arrival.at).map(|first| first >> 4);
        let outcome = if version == Some(6) {
            datapath.slow6(now, arrival, frame)?
        } else {
            datapath.slow(now, arrival, frame)?
        };
        match outcome {
            Outcome::Sent(egress, frame) => Ok(Some((egress, frame))),
            Outcome::Kept => Ok(None),
            Outcome::Dhcp { source, from, payload, frame } => {
                let lan = self.lan.as_mut().ok_or(Dropped::DhcpRefused)?;
                lan.handle_dhcp(now, source, address(from), payload, &frame)?;
                Ok(None)
            }
            Outcome::Control { hop, mac, frame } => {
                self.handle_control6(now, hop, mac, &frame).map(|()| None)
            }
        }
    }
}

/// Whether the version of an IP packet on Ethernet is what the frame says.
pub(super) fn check_version(header: &Header, packet: &[u8]) -> Result<(), Dropped> {
    let version = packet.first().map(|first| first >> 4);
    let expected = if header.ether_type == ethernet::IPV6 { 6 } else { 4 };
    if version == Some(expected) { Ok(()) } else { Err(Dropped::NotIp) }
}
