//! Neighbor Solicitations and Advertisements (RFC 4861 §7.2), for ourselves, and for [whom we proxy](super::proxy).

use gatelet_hal::{Frame, PortId};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ndp::{self, Message, NdOption};
use smoltcp::time::Instant;

use super::address::{self, ALL_NODES, Address, UNSPECIFIED, solicited_node, words};
use super::neighbour::{Change6, Question6};
use super::packet::Packet6;
use super::proxy::Asker;
use super::{MAX_IPV6_ADDRESSES, Medium};
use crate::Dropped;
use crate::datapath::interface::{Hop, Mac};
use crate::datapath::slow::Arrival;
use crate::datapath::{Datapath, DatapathEvent};

impl Datapath<'_> {
    /// Takes a solicitation or an advertisement that arrived at a link.
    pub(super) fn handle_ndp(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet6,
        frame: &Frame<'_>,
    ) -> Result<(), Dropped> {
        let bytes = frame.bytes().get(packet.at..packet.at + packet.len).ok_or(Dropped::Malformed)?;
        let message = ndp::Packet::parse(bytes).map_err(|_| Dropped::NdpInvalid)?;
        match message.message {
            Message::NeighborSolicitation { target } => {
                self.handle_solicitation(now, arrival, packet, &words(target))
            }
            Message::NeighborAdvertisement { target, is_solicited, overrides, .. } => {
                let mac = message.options().find_map(|option| match option {
                    NdOption::TargetLinkLayer(mac) => Some(mac),
                    _ => None,
                });
                // Without the option, to a solicitation that was sent to one station alone, it was that station.
                let mac =
                    mac.or(arrival.mac).filter(EthernetAddress::is_unicast).ok_or(Dropped::NdpInvalid)?;
                let target = words(target);
                if self.has6(arrival.hop, &target) {
                    self.tell_conflict6(now, arrival.hop, &target, mac);
                    return Ok(());
                }
                let change =
                    self.v6.neighbours.handle_claim(now, arrival.hop, &target, mac, is_solicited, overrides);
                self.act_on6(now, change, mac);
                Ok(())
            }
            _ => Err(Dropped::NdpInvalid),
        }
    }

    fn handle_solicitation(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet6,
        target: &Address,
    ) -> Result<(), Dropped> {
        let hop = arrival.hop;
        let way = if self.has6(hop, target) {
            None
        } else {
            Some(self.proxied_way(hop, target).ok_or(Dropped::NotForUs)?)
        };
        let is_probe = packet.source == UNSPECIFIED;
        if !is_probe {
            if self.has6(hop, &packet.source) {
                let mac = arrival.mac.unwrap_or(EthernetAddress([0; 6]));
                self.tell_conflict6(now, hop, &packet.source, mac);
                return Ok(());
            }
            self.hear_source6(now, arrival, packet);
        }
        // RFC 4861 §7.2.4: to who asked; if that is nobody yet (RFC 4862 §5.4.3), to all.
        let (to, mac) = match (is_probe, arrival.mac) {
            (false, Some(mac)) => (packet.source, Some(mac)),
            (false, None) => (packet.source, None),
            (true, _) => (ALL_NODES, Some(EthernetAddress([0x33, 0x33, 0, 0, 0, 1]))),
        };
        let asker = Asker { hop, to, mac };
        let is_there = match way {
            Some(way) => self.is_there6(now, way, target, asker)?,
            None => true,
        };
        if is_there { self.advertise6(target, asker) } else { Ok(()) }
    }

    /// Says to `asker` that `target` is ours, or for us to reach.
    pub(super) fn advertise6(&mut self, target: &Address, asker: Asker) -> Result<(), Dropped> {
        let message = Message::NeighborAdvertisement {
            target: address::address(target),
            is_router: true,
            is_solicited: asker.to != ALL_NODES,
            // RFC 4389 §4.1.3.3: a proxy's word counts for less than the host's own.
            overrides: self.has6(asker.hop, target),
        };
        self.send_ndp(asker.hop, target, &asker.to, asker.mac, &message)
    }

    /// Asks whether anybody has one of our addresses (RFC 4862 §5.4.2), all on `hop`: once each, and they are used meanwhile
    /// (RFC 4429).
    pub(crate) fn probe_addresses6(&mut self, hop: Hop) {
        let Some(link) = self.link6(hop).filter(|link| link.medium == Medium::Ethernet) else { return };
        let mut own = [UNSPECIFIED; MAX_IPV6_ADDRESSES + 1];
        let known = core::iter::once(link.local).chain(self.addresses6(hop).iter().map(|own| own.address));
        own.iter_mut().zip(known).for_each(|(place, address)| *place = address);
        for target in own.iter().filter(|target| **target != UNSPECIFIED) {
            let message = Message::NeighborSolicitation { target: address::address(target) };
            let _ = self.send_ndp(hop, &UNSPECIFIED, &solicited_node(target), None, &message);
        }
    }

    /// Sends the solicitations that are due, and draws the conclusions of those that nobody answered. False if there was nothing.
    pub(in crate::datapath) fn ask_neighbours6(&mut self, now: Instant) -> bool {
        let mut busy = false;
        while let Some((question, change)) = self.v6.neighbours.poll(now) {
            busy = true;
            self.act_on6(now, change, EthernetAddress([0; 6]));
            let Some(Question6 { hop, address, to }) = question else { continue };
            let source = self.link6(hop).map_or(UNSPECIFIED, |link| link.local);
            let message = Message::NeighborSolicitation { target: address::address(&address) };
            let destination = if to.is_some() { address } else { solicited_node(&address) };
            if self.send_ndp(hop, &source, &destination, to, &message).is_err() {
                return busy;
            }
        }
        busy
    }

    fn act_on6(&mut self, now: Instant, change: Change6, claimant: EthernetAddress) {
        match change {
            Change6::Nothing => {}
            Change6::Reachable(place) => self.release_waiting6(now, place),
            Change6::Gone(place) => {
                self.drop_waiting6(place);
                self.next_epoch();
            }
            Change6::Disputed(place) => {
                let Some(disputed) = self.v6.neighbours.neighbour(place) else { return };
                let address = address::address(&disputed.address);
                self.tell(DatapathEvent::Ipv6NeighbourDisputed { address, mac: claimant });
            }
        }
    }

    /// Somebody else says that he has an address of ours: we say so too, once.
    fn tell_conflict6(&mut self, now: Instant, hop: Hop, own: &Address, mac: EthernetAddress) {
        if self.v6.defence.permit(now) {
            let message = Message::NeighborAdvertisement {
                target: address::address(own),
                is_router: true,
                is_solicited: false,
                overrides: true,
            };
            let _ = self.send_ndp(hop, own, &ALL_NODES, None, &message);
            self.tell(DatapathEvent::Ipv6AddressConflict { address: address::address(own), mac });
        }
    }

    /// Sends a message: to the station `to`, or, without one, to where its group is.
    fn send_ndp(
        &mut self,
        hop: Hop,
        source: &Address,
        destination: &Address,
        to: Option<EthernetAddress>,
        message: &Message,
    ) -> Result<(), Dropped> {
        let link = self.link6(hop).ok_or(Dropped::NetworkDown)?;
        let (mac, is_ethernet) = (link.framing.mac(), link.medium == Medium::Ethernet);
        let mut frame = self.pool.take(PortId::LOCAL).ok_or(Dropped::OutOfFrames)?;
        frame.clear(Frame::IP_HEADROOM);
        let room = frame.push_back(NDP_MOST).ok_or(Dropped::NoHeadroom)?;
        let (from, group) = (address::address(source), address::address(destination));
        let mut writer = ndp::Writer::new(room, from, group, message);
        match message {
            // RFC 4861 §7.2.2: our own address goes with it, but for a probe.
            Message::NeighborSolicitation { .. } if is_ethernet && *source != UNSPECIFIED => {
                writer.source_link_layer(mac);
            }
            Message::NeighborAdvertisement { .. } if is_ethernet => {
                writer.target_link_layer(mac);
            }
            _ => {}
        }
        let len = writer.finish().map_err(|_| Dropped::NoHeadroom)?;
        frame.truncate(len);
        let group = Mac { head: u16::from_ne_bytes([0x33, 0x33]), tail: destination[3] };
        self.send_to6(hop, to.map_or(group, Mac::of), frame)
    }
}

/// A header, a message with its target, and one option.
const NDP_MOST: usize = 40 + 24 + 8;
