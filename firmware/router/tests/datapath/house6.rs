//! The IPv6 side of the [world](crate::house): hosts that answer Neighbor Solicitations, and an Internet without ARP.

use gatelet_hal::PortId;
use gatelet_router::{Egress, Ipv6Route, Via};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header};
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use crate::house::{FIBRE_MAC, FIBRE_PORT, House, LAN_MAC, LAN_PORT, WAN, WAN_PORT, framed};
use crate::packets6::{check6, neighbour, words6};

/// Our network on the LAN, and what it is a part of.
pub(crate) const DELEGATED: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0), 56);
pub(crate) const LAN_PREFIX: Ipv6Cidr = Ipv6Cidr::new(GATEWAY6, 64);
pub(crate) const GATEWAY6: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
/// The router's link-local address on the LAN.
pub(crate) const NEAR: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 2);
/// Hosts on the LAN.
pub(crate) const ANN6: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x10);
pub(crate) const BOB6: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x11);
/// Our address on the WAN.
pub(crate) const OURS6: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 7);
/// Hosts on the Internet, and a router on the way to them.
pub(crate) const WEB6: Ipv6Address = Ipv6Address::new(0x2620, 0, 0x80, 0, 0, 0, 0, 80);
pub(crate) const FAR6: Ipv6Address = Ipv6Address::new(0x2620, 0, 0x99, 0, 0, 0, 0, 9);
pub(crate) const HOP6: Ipv6Address = Ipv6Address::new(0x2620, 0, 1, 0, 0, 0, 0, 1);

pub(crate) const EVERYWHERE: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, 0);

#[derive(Default)]
pub(crate) struct House6 {
    /// The hop limit of what is forwarded may be any.
    pub(crate) any_limit: bool,
    /// Who is on Ethernet and answers solicitations.
    pub(crate) hosts: Vec<Ipv6Address>,
    lan: Vec<(EthernetAddress, Vec<u8>)>,
    internet: Vec<Vec<u8>>,
    fibre: Vec<(EthernetAddress, Vec<u8>)>,
    stacks: Vec<(Egress, Vec<u8>)>,
    /// Messages of Neighbor Discovery that the router sent, in words.
    pub(crate) ndp: Vec<String>,
    /// Router Advertisements that the router sent, to whom as Ethernet has it.
    pub(crate) advertisements: Vec<(EthernetAddress, Vec<u8>)>,
    /// To be said to the router.
    answers: Vec<(PortId, EthernetAddress, Vec<u8>)>,
}

impl House6 {
    #[track_caller]
    pub(crate) fn heard_by_stack(&mut self, egress: Egress, bytes: Vec<u8>) {
        check6(&bytes);
        self.stacks.push((egress, bytes));
    }

    #[track_caller]
    pub(crate) fn heard_outside(&mut self, packet: &[u8], ttl: u8) {
        check6(packet);
        let limit = packet[7];
        assert!(
            self.any_limit || [64, 255, ttl - 1].contains(&limit),
            "hop limit {limit} of {}",
            words6(packet)
        );
        self.internet.push(packet.to_vec());
    }

    /// All that nobody has looked at.
    pub(crate) fn everything(&mut self) -> Vec<String> {
        let framed = std::mem::take(&mut self.lan).into_iter().chain(std::mem::take(&mut self.fibre));
        let bare = std::mem::take(&mut self.internet).into_iter();
        let stacks = std::mem::take(&mut self.stacks).into_iter();
        framed
            .map(|(_, packet)| packet)
            .chain(bare)
            .chain(stacks.map(|(_, packet)| packet))
            .map(|packet| words6(&packet))
            .collect()
    }
}

/// The hardware address of a host, by the last octet of its address.
pub(crate) fn mac6(host: Ipv6Address) -> EthernetAddress {
    let [.., last] = host.octets();
    EthernetAddress([2, 0, 0, 0, 0x60, last])
}

impl House {
    /// A house whose line has given it a prefix, as a router that speaks DHCPv6 would know.
    pub(crate) fn with_ipv6() -> Self {
        let mut house = Self::new();
        house.add_ipv6();
        house
    }

    pub(crate) fn add_ipv6(&mut self) {
        assert!(self.router.set_ipv6_addresses(Via::Lan, &[LAN_PREFIX]));
        assert!(self.router.set_ipv6_addresses(Via::Wan(WAN), &[Ipv6Cidr::new(OURS6, 128)]));
        let route = |source| Ipv6Route { destination: EVERYWHERE, source, gateway: None };
        let routes = [route(DELEGATED), route(Ipv6Cidr::new(OURS6, 128))];
        assert!(self.router.set_ipv6_routes(Via::Wan(WAN), &routes));
        let nowhere = Ipv6Route { destination: DELEGATED, source: EVERYWHERE, gateway: None };
        assert!(self.router.set_ipv6_routes(Via::Nowhere, &[nowhere]));
        self.v6.hosts = vec![ANN6, BOB6];
        self.settle();
        self.v6.ndp.clear();
    }

    // What arrives.

    pub(crate) fn lan6_sends(&mut self, host: Ipv6Address, packet: &[u8]) {
        self.lan_frame(mac6(host), LAN_MAC, ethernet::IPV6, packet);
        self.answer6();
    }

    /// To a group, as Ethernet has it.
    pub(crate) fn lan6_says(&mut self, host: Ipv6Address, packet: &[u8]) {
        let group = EthernetAddress([0x33, 0x33, packet[36], packet[37], packet[38], packet[39]]);
        self.lan_frame(mac6(host), group, ethernet::IPV6, packet);
        self.answer6();
    }

    pub(crate) fn internet6_sends(&mut self, packet: &[u8]) {
        let frame = self.session_frame(&[&[0x00, 0x57], packet].concat());
        self.receive(WAN_PORT, &frame);
        self.answer6();
    }

    pub(crate) fn fibre6_sends(&mut self, from: EthernetAddress, packet: &[u8]) {
        let header = Header { destination: FIBRE_MAC, source: from, vlan: None, ether_type: ethernet::IPV6 };
        self.receive(FIBRE_PORT, &framed(&header, packet));
        self.answer6();
    }

    // What leaves.

    pub(crate) fn lan6_got(&mut self) -> Vec<String> {
        self.lan6_packets().iter().map(|packet| words6(packet)).collect()
    }

    pub(crate) fn lan6_packets(&mut self) -> Vec<Vec<u8>> {
        self.lan6_frames().into_iter().map(|(_, packet)| packet).collect()
    }

    pub(crate) fn lan6_frames(&mut self) -> Vec<(EthernetAddress, Vec<u8>)> {
        std::mem::take(&mut self.v6.lan)
    }

    pub(crate) fn internet6_got(&mut self) -> Vec<String> {
        self.internet6_packets().iter().map(|packet| words6(packet)).collect()
    }

    pub(crate) fn internet6_packets(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.v6.internet)
    }

    pub(crate) fn fibre6_got(&mut self) -> Vec<(EthernetAddress, String)> {
        self.fibre6_frames().iter().map(|(to, packet)| (*to, words6(packet))).collect()
    }

    pub(crate) fn fibre6_frames(&mut self) -> Vec<(EthernetAddress, Vec<u8>)> {
        std::mem::take(&mut self.v6.fibre)
    }

    pub(crate) fn stacks6_got(&mut self) -> Vec<String> {
        let said = |(egress, packet): (Egress, Vec<u8>)| {
            let stack = if egress == Egress::LanStack { "lan" } else { "wan" };
            format!("{stack}: {}", words6(&packet))
        };
        std::mem::take(&mut self.v6.stacks).into_iter().map(said).collect()
    }

    /// The messages of Neighbor Discovery that the router has sent since the last call.
    pub(crate) fn ndp_seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.v6.ndp)
    }

    #[track_caller]
    pub(crate) fn ipv6_on_ethernet(&mut self, port: PortId, header: &Header, packet: &[u8]) {
        check6(packet);
        let is_ndp = packet[6] == 58 && matches!(packet[40], 133..=136);
        if !is_ndp {
            let limit = packet[7];
            assert!(
                self.v6.any_limit || [64, self.ttl - 1].contains(&limit),
                "hop limit {limit} of {}",
                words6(packet)
            );
            assert_eq!(header.destination.is_unicast(), packet[24] != 0xff);
            let inbox = if port == LAN_PORT { &mut self.v6.lan } else { &mut self.v6.fibre };
            inbox.push((header.destination, packet.to_vec()));
            return;
        }
        assert_eq!(packet[7], 255);
        self.v6.ndp.push(words6(packet));
        if packet[40] == 134 {
            self.v6.advertisements.push((header.destination, packet.to_vec()));
        }
        if packet[40] != 135 {
            return;
        }
        let target: [u8; 16] = packet[48..64].try_into().expect("a target");
        let target = Ipv6Address::from(target);
        let is_probe = packet[8..24] == [0; 16];
        let heard = !header.destination.is_unicast() || header.destination == mac6(target);
        if self.v6.hosts.contains(&target) && heard && !is_probe {
            let from: [u8; 16] = packet[8..24].try_into().expect("a source");
            let mac = mac6(target);
            let option = [&[2, 1], &mac.0[..]].concat();
            let answer = neighbour(target, Ipv6Address::from(from), 136, 0x60, target, &option);
            self.v6.answers.push((port, mac, answer));
        }
    }

    /// What hosts have to say to what they were asked.
    pub(crate) fn answer6(&mut self) {
        while let Some((port, mac, packet)) = self.v6.answers.pop() {
            let destination = if port == LAN_PORT { LAN_MAC } else { FIBRE_MAC };
            let header = Header { destination, source: mac, vlan: None, ether_type: ethernet::IPV6 };
            self.receive(port, &framed(&header, &packet));
        }
    }
}
