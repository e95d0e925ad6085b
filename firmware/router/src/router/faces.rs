//! What the datapath is told of each WAN, and what the owner is told of its addresses.

use heapless::Deque;
use smoltcp::time::Instant;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::ipv6::wan_link;
use super::{ETHERNET_MTU, Router};
use crate::datapath::{Framing, Hop, Interface, Network, word};
use crate::lan::Lan;
use crate::wan::{AddressKind, EthernetFace, Line, Wan, WanEvent, WanId, routes};

impl Router<'_> {
    /// Tells the datapath what has changed about the WANs.
    pub(super) fn refresh(&mut self, now: Instant) {
        let Some(datapath) = &mut self.datapath else { return };
        for ((id, wan), known) in (0..).map(WanId).zip(&self.wans).zip(&mut self.faces) {
            let interface = interface_of(wan);
            if !datapath.interface(Hop::wan(id)).is_same(&interface) {
                datapath.set_interface(now, Hop::wan(id), interface);
                let stack = Interface { address: interface.address, mtu: interface.mtu, ..Interface::DOWN };
                datapath.set_interface(now, Hop::stack(id), stack);
                let lease = if let Line::Ethernet(wan) = wan { wan.lease() } else { None };
                datapath.set_routes(Hop::wan(id), lease.iter().flat_map(|lease| routes(lease)));
                if interface.is_up() && interface.has_neighbours() {
                    datapath.announce(Hop::wan(id));
                }
            }
            datapath.set_link6(now, Hop::wan(id), &wan_link(wan));
            let modem = modem_of(wan);
            if !datapath.interface(Hop::modem(id)).is_same(&modem) {
                datapath.set_interface(now, Hop::modem(id), modem);
            }
            note_news(&mut self.notes, id, wan, known, self.lan.as_ref());
        }
        self.pass_on_portal(now);
        self.refresh6(now);
    }
}

/// What was last told about a WAN.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faces {
    address: Option<Ipv4Address>,
    clash: Option<Ipv4Cidr>,
}

/// A WAN as an interface.
fn interface_of(wan: &Line<'_>) -> Interface {
    let port = wan.port();
    match wan {
        Line::Pppoe(wan) => wan.face().map_or(Interface::DOWN, |face| Interface {
            port,
            address: Some(word(face.address)),
            mtu: face.mtu,
            masquerades: true,
            framing: Framing::of_session(face.header),
            ..Interface::DOWN
        }),
        Line::Ethernet(wan) => {
            let (mac, vlan) = wan.framing();
            let framing = Framing::ethernet(mac, vlan);
            let down = Interface { port, framing, ..Interface::DOWN };
            wan.face().map_or(down, |EthernetFace { address, gateway, mtu, .. }| Interface {
                address: Some(word(address.address())),
                network: Network::of(address),
                gateway: gateway.map(word),
                mtu,
                masquerades: true,
                ..down
            })
        }
    }
}

/// The modem's own network on a `PPPoE` line.
fn modem_of(wan: &Line<'_>) -> Interface {
    let Some((address, mac, vlan)) = wan.pppoe().and_then(Wan::modem) else { return Interface::DOWN };
    Interface {
        port: wan.port(),
        address: Some(word(address.address())),
        network: Network::of(address),
        mtu: ETHERNET_MTU,
        masquerades: true,
        framing: Framing::ethernet(mac, vlan),
        ..Interface::DOWN
    }
}

/// Tells of an address that is nobody's on the Internet, and of a LAN that uses a WAN's addresses; once each.
fn note_news(
    notes: &mut Deque<(WanId, WanEvent), 4>,
    id: WanId,
    wan: &Line<'_>,
    known: &mut Faces,
    lan: Option<&Lan<'_>>,
) {
    let (address, networks) = match wan {
        Line::Pppoe(wan) => {
            let address = wan.face().map(|face| face.address);
            (address, [address.map(|address| Ipv4Cidr::new(address, 32)), wan.modem().map(|modem| modem.0)])
        }
        Line::Ethernet(wan) => {
            let face = wan.face();
            (face.map(|face| face.address.address()), [face.map(|face| face.address), None])
        }
    };
    if address.is_some() && known.address != address {
        known.address = address;
        if let Some(address) = address {
            let kind = AddressKind::of(address);
            if kind != AddressKind::Public {
                // A full queue: the console shows it all the same.
                let _ = notes.push_back((id, WanEvent::BehindNat { address, kind }));
            }
        }
    }
    let Some(lan) = lan.map(|lan| lan.config.address) else { return };
    let overlaps = |cidr: &Ipv4Cidr| Network::of(*cidr).overlaps(Network::of(lan));
    let clash = networks.into_iter().flatten().find(overlaps);
    if clash != known.clash {
        known.clash = clash;
        if let Some(wan) = clash {
            let suggestion = suggestion(&networks);
            let _ = notes.push_back((id, WanEvent::Clash { wan, lan, suggestion }));
        }
    }
}

/// A network for the LAN that is none of `taken`: first those that few others use.
fn suggestion(taken: &[Option<Ipv4Cidr>]) -> Ipv4Cidr {
    let free = |cidr: &Ipv4Cidr| {
        taken.iter().flatten().all(|taken| !Network::of(*taken).overlaps(Network::of(*cidr)))
    };
    let all = [[192, 168, 77, 1], [192, 168, 78, 1], [10, 77, 0, 1], [172, 20, 77, 1]];
    let all = all.map(|address| Ipv4Cidr::new(address.into(), 24));
    all.into_iter().find(free).unwrap_or(all[0])
}
