//! The LAN's part of the router: its port's frames, its DHCP server, its stack.

use gatelet_hal::Frame;
use gatelet_proto::dhcp::server::{self, LeaseRecord};
use gatelet_wire::ethernet::{self, Header};
use smoltcp::time::Instant;
use smoltcp::wire::{Ipv4Cidr, Ipv6Address, Ipv6Cidr};

use super::ingress::check_version;
use super::ipv6::lan_link;
use super::{ETHERNET_MTU, Egress, Router};
use crate::Dropped;
use crate::datapath::{Arrival, Framing, Hop, Interface, Network, word};
use crate::lan::{Lan, LanConfig};
use crate::wan::{EthernetWan, WanId};

impl<'p> Router<'p> {
    /// Adds the LAN, or gives it other settings. False, and nothing has changed, without
    /// [tables](Self::lend_tables), without its port, or with settings that the DHCP server cannot work with.
    pub fn add_lan(&mut self, now: Instant, config: LanConfig) -> bool {
        let Some(datapath) = &mut self.datapath else { return false };
        let Some(port) = self.ports.iter().find(|port| port.id == config.port) else { return false };
        let own = config.address.address();
        let address = Some(word(own));
        let mtu =
            port.max_frame_len.saturating_sub(ethernet::HEADER_LEN).min(usize::from(ETHERNET_MTU)) as u16;
        let lan = Interface {
            port: config.port,
            address,
            network: Network::of(config.address),
            mtu,
            framing: Framing::ethernet(port.mac, None),
            ..Interface::DOWN
        };
        let is_good = config.dhcp.as_ref().is_none_or(|dhcp| dhcp.check().is_ok());
        let changed = match &mut self.lan {
            Some(known) => known.set_config(config),
            None if is_good => {
                let leases = self.leases.take().unwrap_or_default();
                Lan::new(config, leases).map(|lan| self.lan = Some(lan))
            }
            None => return false,
        };
        if changed.is_err() {
            return false;
        }
        if let Some(listening) = &mut datapath.firewall.listening {
            listening.host = own;
        }
        datapath.set_interface(now, Hop::LAN, lan);
        datapath.set_interface(now, Hop::LAN_STACK, Interface { address, mtu, ..Interface::DOWN });
        datapath.announce(Hop::LAN);
        datapath.set_link6(now, Hop::LAN, &lan_link(port.id, port.mac, mtu));
        true
    }

    /// Takes an IP packet of the router's own stack on the LAN, and answers the frame that is to be sent for it. Its maker has
    /// left [`Frame::IP_HEADROOM`] in front.
    pub fn handle_lan_packet(&mut self, now: Instant, frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        let arrival = Arrival { hop: Hop::LAN_STACK, at: 0, room: frame.len(), mac: None, to_group: false };
        let routed = self.pass(now, arrival, frame);
        self.sent(routed)
    }

    /// The router's own address on the LAN, and the network's length.
    pub fn lan(&self) -> Option<Ipv4Cidr> {
        self.lan.as_ref().map(|lan| lan.config.address)
    }

    /// The router's own link-local address on the LAN, and those in the LAN's prefixes, the preferred one first.
    pub fn lan_ipv6(&self) -> Option<(Ipv6Address, impl Iterator<Item = Ipv6Cidr>)> {
        self.datapath.as_ref()?.own_ipv6(Hop::LAN)
    }

    /// The DHCP server of the LAN, with its leases.
    pub fn dhcp_server(&self) -> Option<&server::Server<'p>> {
        self.lan.as_ref().map(Lan::server)
    }

    /// Takes the leases that were stored before this boot, with the places they were stored at. To be done right after
    /// [`add_lan`](Self::add_lan).
    pub fn restore_leases(&mut self, now: Instant, records: impl IntoIterator<Item = (usize, LeaseRecord)>) {
        if let Some(lan) = &mut self.lan {
            lan.restore(now, records);
        }
    }

    /// A lease to be written some time soon: nobody waits for it.
    pub fn poll_lease(&mut self, now: Instant) -> Option<server::Store> {
        self.lan.as_mut()?.poll_store(now)
    }

    /// What the datapath and the LAN's DHCP server have to send.
    pub(super) fn poll_lan(&mut self, now: Instant) -> Option<(Egress, Frame<'p>)> {
        self.transmit6(now);
        let datapath = self.datapath.as_mut()?;
        for (id, wan) in (0..).map(WanId).zip(&mut self.wans) {
            if let Some(address) = wan.ethernet_mut().and_then(EthernetWan::poll_probe) {
                datapath.probe(Hop::wan(id), address);
            }
        }
        if let Some(lan) = &mut self.lan {
            while let Some(address) = lan.poll_probe(now) {
                datapath.probe(Hop::LAN, address);
            }
            let mac = datapath.interface(Hop::LAN).framing.mac();
            if let Some(frame) = lan.poll_transmit(self.pool, mac) {
                return Some((Egress::Port(lan.config.port), frame));
            }
        }
        datapath.poll_transmit(now)
    }

    pub(super) fn route_lan_frame(
        &mut self,
        now: Instant,
        frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        let (Some(datapath), Some(lan)) = (&mut self.datapath, &mut self.lan) else {
            return Err(Dropped::UnknownPort);
        };
        let (header, payload) = Header::parse(frame.bytes()).map_err(|_| Dropped::Malformed)?;
        let own = datapath.interface(Hop::LAN).framing.mac();
        if header.destination.is_unicast() && header.destination != own {
            return Err(Dropped::NotForUs);
        }
        if header.vlan.is_some_and(|tag| tag.id != 0) {
            return Err(Dropped::OtherVlan);
        }
        match header.ether_type {
            ethernet::ARP => {
                if let Some((address, mac)) = datapath.handle_arp(now, Hop::LAN, payload)? {
                    lan.handle_claim(now, address, mac);
                }
                Ok(None)
            }
            ethernet::IPV4 | ethernet::IPV6 => {
                check_version(&header, payload)?;
                let (at, room) = (header.len(), payload.len());
                let to_group = !header.destination.is_unicast();
                let arrival = Arrival { hop: Hop::LAN, at, room, mac: Some(header.source), to_group };
                self.pass(now, arrival, frame)
            }
            _ => Err(Dropped::OtherEtherType),
        }
    }
}
