//! Plain Ethernet on a WAN's port: an address by DHCP, from a server of `gatelet-proto`; and the modem's own page below a
//! `PPPoE` line.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{FramePool, LinkState, Pool, PortId};
use gatelet_proto::dhcp::server::{Config, Lease, Server};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::Boot;
use gatelet_router::{
    Addressing, Command, Egress, EthernetWanConfig, LanConfig, Router, RouterEvent, TableSpace, WanConfig,
    WanEvent, WanId,
};
use gatelet_wire::EthernetAddress;
use gatelet_wire::dhcpv4::{Message, OptionCode};
use gatelet_wire::ethernet::{self, Header};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, IpAddress, Ipv4Address, Ipv4Cidr, Ipv4Packet, UdpPacket,
};

use crate::house::{ANN, GATEWAY, WEB, mac};
use crate::packets::{ACK, SYN, tcp, udp, words};

const WAN_PORT: PortId = PortId(0);
const LAN_PORT: PortId = PortId(1);
const WAN_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const LAN_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
const MODEM: Ipv4Address = Ipv4Address::new(192, 168, 100, 1);
const CARRIER: Ipv4Address = Ipv4Address::new(203, 0, 113, 1);

/// A router, and what it has sent.
struct Gateway {
    now: Instant,
    router: Router<'static>,
    pool: Pool<'static>,
    sent: Vec<(PortId, Header, Vec<u8>)>,
    events: Vec<WanEvent>,
}

impl Gateway {
    fn new(add_wan: impl FnOnce(&mut Router<'static>, Instant) -> Option<WanId>) -> Self {
        // Tests are short: their pools and tables may stay.
        let pool: &'static FramePool<NoopRawMutex, 32> = Box::leak(Box::new(FramePool::new()));
        let tables = Box::leak(Box::new(TableSpace::<64, 16>::new()));
        let now = Instant::from_secs(1000);
        let mut router = Router::new(pool.pool(), [7; 32]);
        assert!(router.add_port(WAN_PORT, WAN_MAC, 1514) && router.add_port(LAN_PORT, LAN_MAC, 1514));
        router.lend_tables(tables.lend());
        assert!(router.add_lan(now, LanConfig::new(LAN_PORT, Ipv4Cidr::new(GATEWAY, 24))));
        assert_eq!(add_wan(&mut router, now), Some(WanId(0)));
        router.handle_link(now, WAN_PORT, LinkState::Up);
        router.handle_link(now, LAN_PORT, LinkState::Up);
        let mut it = Self { now, router, pool: pool.pool(), sent: Vec::new(), events: Vec::new() };
        it.settle();
        it
    }

    fn receive(&mut self, port: PortId, source: EthernetAddress, ether_type: u16, payload: &[u8]) {
        let destination = if port == WAN_PORT { WAN_MAC } else { LAN_MAC };
        let mut bytes = vec![0; 14];
        Header { destination, source, vlan: None, ether_type }.emit(&mut bytes).unwrap();
        bytes.extend(payload);
        bytes.resize(bytes.len().max(60), 0xEE);
        let mut frame = self.pool.take(port).expect("a frame is free");
        assert!(frame.extend(&bytes));
        if let Some((egress, frame)) = self.router.handle_frame(self.now, port, frame) {
            self.note(egress, frame.bytes());
        }
        self.settle();
    }

    fn note(&mut self, egress: Egress, bytes: &[u8]) {
        if let Egress::Port(port) = egress {
            let (header, payload) = Header::parse(bytes).unwrap();
            self.sent.push((port, header, payload.to_vec()));
        }
    }

    fn settle(&mut self) {
        while let Some((egress, frame)) = self.router.poll_transmit(self.now) {
            self.note(egress, frame.bytes());
        }
        while let Some((wan, _)) = self.router.poll_store(self.now) {
            self.router.handle_stored(self.now, wan, true);
        }
        while let Some(event) = self.router.poll_event() {
            if let RouterEvent::Wan(_, event) = event {
                self.events.push(event);
            }
        }
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.router.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.router.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// The IPv4 packets that left by `port` since the last call, and to whom.
    fn packets(&mut self, port: PortId) -> Vec<(EthernetAddress, Vec<u8>)> {
        let all = std::mem::take(&mut self.sent);
        let (wanted, kept) =
            all.into_iter().partition(|(at, header, _)| *at == port && header.ether_type == ethernet::IPV4);
        self.sent = kept;
        let wanted: Vec<(PortId, Header, Vec<u8>)> = wanted;
        wanted.into_iter().map(|(_, header, packet)| (header.destination, packet)).collect()
    }

    /// Whether somebody was asked for `address` on the WAN's port since the last call.
    fn asked_for(&mut self, address: Ipv4Address) -> bool {
        let all = std::mem::take(&mut self.sent);
        all.iter().filter(|(port, header, _)| *port == WAN_PORT && header.ether_type == ethernet::ARP).any(
            |(_, _, payload)| {
                let repr = ArpRepr::parse(&ArpPacket::new_checked(payload).unwrap()).unwrap();
                matches!(repr, ArpRepr::EthernetIpv4 { target_protocol_addr, .. } if target_protocol_addr == address)
            },
        )
    }

    /// Who has `address` on the WAN's link says so to whoever is at `to`.
    fn answer_arp(&mut self, address: Ipv4Address, to: Ipv4Address) {
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: mac(address),
            source_protocol_addr: address,
            target_hardware_addr: WAN_MAC,
            target_protocol_addr: to,
        };
        let mut bytes = vec![0; reply.buffer_len()];
        reply.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        self.receive(WAN_PORT, mac(address), ethernet::ARP, &bytes);
    }
}

fn told(packets: &[(EthernetAddress, Vec<u8>)]) -> Vec<String> {
    packets.iter().map(|(_, packet)| words(packet)).collect()
}

/// Whether there is a session or not: here there is none.
#[test]
fn the_modems_page_is_reached_through_the_wans_port() {
    let mut it = Gateway::new(|router, now| {
        let mut config = WanConfig::new(WAN_PORT, Credentials::new("user", "secret").unwrap());
        config.modem = Some(Ipv4Cidr::new(Ipv4Address::new(192, 168, 100, 2), 24));
        router.add_wan(now, config, Boot::Warm, None)
    });
    it.sent.clear();
    it.receive(LAN_PORT, mac(ANN), ethernet::IPV4, &tcp((ANN, 5000), (MODEM, 80), SYN));
    assert_eq!(told(&it.packets(WAN_PORT)), [""; 0], "its hardware address is not known yet");
    assert!(it.asked_for(MODEM));
    it.answer_arp(MODEM, Ipv4Address::new(192, 168, 100, 2));
    let packets = it.packets(WAN_PORT);
    assert_eq!(packets[0].0, mac(MODEM));
    let told_to_modem = told(&packets);
    assert!(told_to_modem[0].starts_with("TCP 192.168.100.2:5000 > 192.168.100.1:80"), "{told_to_modem:?}");
    it.receive(
        WAN_PORT,
        mac(MODEM),
        ethernet::IPV4,
        &tcp((MODEM, 80), (Ipv4Address::new(192, 168, 100, 2), 5000), SYN | ACK),
    );
    let packets = it.packets(LAN_PORT);
    assert_eq!(packets[0].0, mac(ANN));
    assert!(
        told(&packets)[0].starts_with("TCP 192.168.100.1:80 > 192.168.1.10:5000"),
        "{:?}",
        told(&packets)
    );
    // Nobody there gets in uninvited.
    let stranger = tcp((MODEM, 80), (Ipv4Address::new(192, 168, 100, 2), 5001), SYN);
    it.receive(WAN_PORT, mac(MODEM), ethernet::IPV4, &stranger);
    assert!(it.packets(LAN_PORT).is_empty());
}

/// The modem's network is the LAN's: said, with another one for the LAN.
#[test]
fn a_modem_in_the_lans_network_is_a_clash() {
    let it = Gateway::new(|router, now| {
        let mut config = WanConfig::new(WAN_PORT, Credentials::new("user", "secret").unwrap());
        config.modem = Some(Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 2), 24));
        router.add_wan(now, config, Boot::Warm, None)
    });
    let lan = Ipv4Cidr::new(GATEWAY, 24);
    let clash = it.events.iter().find_map(|event| match event {
        WanEvent::Clash { lan: with, suggestion, .. } => Some((*with, *suggestion)),
        _ => None,
    });
    let (with, suggestion) = clash.expect("told");
    assert_eq!(with, lan);
    assert!(!suggestion.contains_subnet(&lan) && !lan.contains_subnet(&suggestion));
}

#[test]
fn an_address_by_dhcp_and_the_internet_behind_its_gateway() {
    let mut it = Gateway::new(|router, now| router.add_ethernet_wan(now, EthernetWanConfig::dhcp(WAN_PORT)));
    let leases = Box::leak(Box::new([const { Lease::FREE }; 4]));
    let mut config = Config::new(Ipv4Cidr::new(CARRIER, 24));
    config.first = Ipv4Address::new(203, 0, 113, 50);
    config.last = config.first;
    let mut server = Server::new(config, leases).unwrap();
    server.set_captive_portal_uri("https://portal.example/api");
    let ours = Ipv4Address::new(203, 0, 113, 50);
    let mut probed = false;
    for _ in 0..200 {
        it.run_for(Duration::from_millis(100));
        probed |= it.sent.iter().any(|(_, header, payload)| {
            header.ether_type == ethernet::ARP
                && matches!(
                    ArpRepr::parse(&ArpPacket::new_checked(payload).unwrap()),
                    Ok(ArpRepr::EthernetIpv4 { target_protocol_addr, source_protocol_addr, .. })
                        if target_protocol_addr == ours && source_protocol_addr.is_unspecified()
                )
        });
        for (destination, packet) in it.packets(WAN_PORT) {
            let ip = Ipv4Packet::new_checked(&packet).unwrap();
            assert!(ip.verify_checksum());
            let datagram = UdpPacket::new_checked(ip.payload()).unwrap();
            assert!(
                datagram.verify_checksum(&IpAddress::Ipv4(ip.src_addr()), &IpAddress::Ipv4(ip.dst_addr()))
            );
            assert_eq!((destination, datagram.dst_port()), (EthernetAddress::BROADCAST, 67));
            server.handle_message(it.now, WAN_MAC, ip.src_addr(), datagram.payload()).unwrap();
        }
        while server.poll_probe(it.now).is_some() {}
        server.handle_timeout(it.now);
        let mut buffer = [0; 600];
        while let Some(reply) = server.poll_transmit(&mut buffer) {
            let packet = udp((CARRIER, 67), (reply.destination.ip, 68), &buffer[..reply.len]);
            it.receive(WAN_PORT, mac(CARRIER), ethernet::IPV4, &packet);
        }
        if it.router.wan(WanId(0)).is_some_and(|status| status.ipv4.is_some()) {
            break;
        }
    }
    let status = it.router.wan(WanId(0)).unwrap().ipv4.expect("an address");
    assert_eq!((status.address, status.peer), (ours, Some(CARRIER)));
    assert!(probed, "it was looked for on the link before it was used (RFC 5227)");
    assert!(it.events.iter().any(|event| matches!(event, WanEvent::Leased { .. })));

    it.sent.clear();
    it.receive(LAN_PORT, mac(ANN), ethernet::IPV4, &udp((ANN, 5000), (WEB, 53), b"x"));
    assert!(it.asked_for(CARRIER), "the gateway, not the host");
    it.answer_arp(CARRIER, ours);
    let packets = it.packets(WAN_PORT);
    assert_eq!(
        (packets[0].0, told(&packets)),
        (mac(CARRIER), vec!["UDP 203.0.113.50:5000 > 192.0.2.80:53".to_owned()])
    );
    it.receive(WAN_PORT, mac(CARRIER), ethernet::IPV4, &udp((WEB, 53), (ours, 5000), b"x"));
    assert_eq!(told(&it.packets(LAN_PORT)), ["UDP 192.0.2.80:53 > 192.168.1.10:5000"]);
    // RFC 8910: the portal that the carrier's server named is told to a host that asks for it.
    let mut message = vec![0; 300];
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[28..34].copy_from_slice(&mac(ANN).0);
    message[236..240].copy_from_slice(&[99, 130, 83, 99]);
    message[240..248].copy_from_slice(&[53, 1, 1, 55, 2, 1, 114, 255]);
    let everybody = (Ipv4Address::BROADCAST, 67);
    it.receive(LAN_PORT, mac(ANN), ethernet::IPV4, &udp((Ipv4Address::UNSPECIFIED, 68), everybody, &message));
    it.run_for(Duration::from_secs(2));
    let offers = it.packets(LAN_PORT);
    let offer = Ipv4Packet::new_checked(&offers[0].1).unwrap();
    let datagram = UdpPacket::new_checked(offer.payload()).unwrap();
    let offer = Message::parse(datagram.payload()).unwrap();
    let portal = offer.value(OptionCode::CAPTIVE_PORTAL).expect("option 114");
    assert!(portal.octets().eq(*b"https://portal.example/api"));
    // Hung up, the address goes back, to the server alone.
    it.sent.clear();
    it.router.handle_command(it.now, Command::HangUp { wan: WanId(0) });
    it.settle();
    let farewell = it.packets(WAN_PORT);
    assert_eq!((farewell.len(), farewell[0].0), (1, mac(CARRIER)));
    let ip = Ipv4Packet::new_checked(&farewell[0].1).unwrap();
    assert_eq!((ip.src_addr(), ip.dst_addr()), (ours, CARRIER));
    server
        .handle_message(it.now, WAN_MAC, ours, UdpPacket::new_checked(ip.payload()).unwrap().payload())
        .unwrap();
    assert_eq!(server.leases().count(), 0);
    assert!(it.router.wan(WanId(0)).unwrap().ipv4.is_none());
}

/// A line that comes back with the address it had has its connections as before, whatever was said meanwhile.
#[test]
fn connections_outlast_a_cable_that_was_out() {
    let ours = Ipv4Address::new(203, 0, 113, 50);
    let mut it = Gateway::new(|router, now| {
        let addressing =
            Addressing::Static { address: Ipv4Cidr::new(ours, 24), gateway: CARRIER, dns: [None; 2] };
        router.add_ethernet_wan(now, EthernetWanConfig { addressing, ..EthernetWanConfig::dhcp(WAN_PORT) })
    });
    it.sent.clear();
    it.receive(LAN_PORT, mac(ANN), ethernet::IPV4, &tcp((ANN, 5000), (WEB, 80), SYN));
    it.answer_arp(CARRIER, ours);
    it.receive(WAN_PORT, mac(CARRIER), ethernet::IPV4, &tcp((WEB, 80), (ours, 5000), SYN | ACK));
    it.receive(LAN_PORT, mac(ANN), ethernet::IPV4, &tcp((ANN, 5000), (WEB, 80), ACK));
    assert_eq!((it.packets(WAN_PORT).len(), it.packets(LAN_PORT).len()), (2, 1));
    it.router.handle_link(it.now, WAN_PORT, LinkState::Down);
    it.settle();
    it.run_for(Duration::from_secs(5));
    it.sent.clear();
    it.receive(LAN_PORT, mac(ANN), ethernet::IPV4, &tcp((ANN, 5000), (WEB, 80), ACK));
    assert!(it.packets(WAN_PORT).is_empty(), "there is no way out");
    it.router.handle_link(it.now, WAN_PORT, LinkState::Up);
    it.settle();
    it.sent.clear();
    it.receive(WAN_PORT, mac(CARRIER), ethernet::IPV4, &tcp((WEB, 80), (ours, 5000), ACK));
    assert!(told(&it.packets(LAN_PORT))[0].starts_with("TCP 192.0.2.80:80 > 192.168.1.10:5000"));
    it.receive(LAN_PORT, mac(ANN), ethernet::IPV4, &tcp((ANN, 5000), (WEB, 80), ACK));
    assert!(it.asked_for(CARRIER), "a link that was out may have another gateway");
    it.answer_arp(CARRIER, ours);
    assert!(told(&it.packets(WAN_PORT))[0].starts_with("TCP 203.0.113.50:5000 > 192.0.2.80:80"));
}

#[test]
fn other_settings_begin_anew() {
    let ours = |last| Ipv4Address::new(203, 0, 113, last);
    let config = |last| {
        let (address, gateway) = (Ipv4Cidr::new(ours(last), 24), CARRIER);
        let addressing = Addressing::Static { address, gateway, dns: [None; 2] };
        EthernetWanConfig { addressing, ..EthernetWanConfig::dhcp(WAN_PORT) }
    };
    let mut it = Gateway::new(|router, now| router.add_ethernet_wan(now, config(50)));
    let address = |it: &Gateway| it.router.wan(WanId(0)).unwrap().ipv4.map(|ipv4| ipv4.address);
    assert_eq!(address(&it), Some(ours(50)));
    assert!(it.router.reconfigure_ethernet(it.now, WanId(0), config(60)));
    it.settle();
    assert_eq!(address(&it), Some(ours(60)));
    it.sent.clear();
    it.receive(LAN_PORT, mac(ANN), ethernet::IPV4, &udp((ANN, 5000), (WEB, 53), b"hello"));
    it.answer_arp(CARRIER, ours(60));
    assert!(told(&it.packets(WAN_PORT))[0].contains("203.0.113.60:"));
    // From paper to DHCP: asked for at once, and nothing is there until it comes.
    it.sent.clear();
    assert!(it.router.reconfigure_ethernet(it.now, WanId(0), EthernetWanConfig::dhcp(WAN_PORT)));
    it.run_for(Duration::from_secs(2));
    assert_eq!(address(&it), None);
    let asked = it.packets(WAN_PORT);
    assert!(
        asked.iter().any(|(to, packet)| *to == EthernetAddress::BROADCAST && packet[23] == 67),
        "{asked:?}"
    );
    assert!(it.router.reconfigure_ethernet(it.now, WanId(0), config(50)));
    it.settle();
    assert_eq!(address(&it), Some(ours(50)));
    assert!(!it.router.reconfigure_ethernet(it.now, WanId(1), config(50)), "there is no such line");
}
