//! IPv6's machines in the router: a line that delegates a prefix, a LAN that hears of it, redials, portals, tunnels.

use gatelet_proto::dhcpv6::client::Config;
use gatelet_proto::dhcpv6::duid_ll;
use gatelet_proto::ra::modified_eui_64;
use gatelet_proto::sixinfour::liveness::State;
use gatelet_proto::sixinfour::{Routed, Tunnel};
use gatelet_router::{Captive, Command, Dropped, Ipv6Event, RouterEvent, TunnelId, Via, WanId};
use gatelet_wire::EthernetAddress;
use gatelet_wire::dhcpv6::{self, MessageType, OptionCode, StatusCode};
use gatelet_wire::icmpv6::{self, Echo};
use gatelet_wire::ndp::{
    self, ALL_NODES, ALL_ROUTERS, NdOption, Preference, PrefixInformation, RouterAdvertisement,
};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Address, Ipv6Address, Ipv6Cidr, Ipv6Packet, Ipv6Repr, UdpPacket, UdpRepr,
};

use crate::house::{FIBRE_MAC, House, LAN_MAC, OURS, WAN};
use crate::house6::{FAR6, WEB6, mac6};
use crate::packets6::{icmp6, neighbour, udp6, with_hop_limit};

/// The concentrator's link-local address, and what it delegates.
const BRAS: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xB);
const FIRST: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0);
const SECOND: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 0x200, 0, 0, 0, 0, 0);
const SERVER: &[u8] = &[0, 3, 0, 1, 2, 0, 0, 0, 1, 1];

/// What a host hears: the router's lifetime, and prefixes with their preferred and valid lifetimes.
type Heard = (u16, Vec<(Ipv6Cidr, u32, u32)>);

impl House {
    /// Has IPv6 acquired and advertised, as a gateway does once it has booted.
    fn with_control6() -> Self {
        let mut house = Self::new();
        assert!(house.router.acquire_ipv6(house.now, WAN, Some(Config::new(duid_ll(LAN_MAC)))));
        assert!(house.router.advertise_ipv6(house.now, &[]));
        house.settle();
        house
    }

    /// What the router says to the provider: Router Solicitations, and messages of DHCPv6 with their payload.
    fn asks(&mut self) -> (usize, Vec<(MessageType, Vec<u8>)>) {
        let packets = self.internet6_packets();
        let is_solicitation = |packet: &&Vec<u8>| packet[6] == 58 && packet[40] == 133;
        let solicitations = packets.iter().filter(is_solicitation).count();
        let messages = packets.iter().filter(|packet| packet[6] == 17).map(|packet| {
            assert_eq!(packet[40..44], [2, 34, 2, 35], "from port 546 to port 547");
            let payload = packet[48..].to_vec();
            (dhcpv6::Message::parse(&payload).expect("well-formed").message_type, payload)
        });
        (solicitations, messages.collect())
    }

    /// The concentrator advertises itself, and perhaps a /64 of the link.
    fn hears_router(&mut self, lifetime: u16, prefix: Option<Ipv6Address>) {
        let packet = advertisement(lifetime, prefix);
        self.internet6_sends(&packet);
        self.settle();
    }

    /// The concentrator answers `asked` with these prefixes, or has none.
    fn hears_reply(&mut self, asked: &[u8], prefixes: &[Ipv6Address]) {
        let local = self.router.wan(WAN).and_then(|status| status.ipv6).expect("up").local;
        let packet = reply(gatelet_proto::ra::link_local(local), asked, prefixes);
        self.internet6_sends(&packet);
        self.settle();
    }

    /// The newest advertisement for all.
    fn advertised(&mut self) -> Option<Heard> {
        let all = std::mem::take(&mut self.v6.advertisements);
        let (mac, packet) = all.last()?;
        assert_eq!(*mac, EthernetAddress([0x33, 0x33, 0, 0, 0, 1]));
        let packet = ndp::Packet::parse(packet).expect("well-formed");
        let ndp::Message::RouterAdvertisement(said) = packet.message else { panic!("{packet:?}") };
        let prefixes = packet.options().filter_map(|option| match option {
            NdOption::Prefix(said) => {
                Some((said.prefix, said.preferred_lifetime_seconds, said.valid_lifetime_seconds))
            }
            _ => None,
        });
        Some((said.router_lifetime_seconds, prefixes.collect()))
    }

    /// The portal's API of the newest advertisement for all.
    fn named_portal(&mut self) -> Option<String> {
        let all = std::mem::take(&mut self.v6.advertisements);
        let packet = ndp::Packet::parse(&all.last()?.1).expect("well-formed");
        let uri = packet.options().find_map(|option| match option {
            NdOption::CaptivePortal(uri) => Some(uri.to_vec()),
            _ => None,
        });
        uri.map(|uri| String::from_utf8(uri).expect("text"))
    }

    /// A house whose line has delegated [`FIRST`].
    fn with_delegation() -> Self {
        let mut house = Self::with_control6();
        house.hears_router(1800, None);
        let (_, messages) = house.asks();
        house.hears_reply(&messages[0].1, &[FIRST]);
        house.run_secs(5);
        house
    }

    /// Whether a host with this prefix reaches the Internet.
    fn reaches(&mut self, prefix: Ipv6Address, over: fn(&mut Self) -> usize) -> bool {
        let host = Ipv6Address::from_bits(prefix.to_bits() | 0x10);
        self.v6.hosts = vec![host];
        over(self);
        self.lan6_sends(host, &udp6((host, 5000), (WEB6, 53), b"hello"));
        self.settle();
        over(self) > 0
    }
}

const fn said(lifetime: u16) -> RouterAdvertisement {
    RouterAdvertisement {
        hop_limit: 64,
        is_managed: true,
        has_other: true,
        preference: Preference::Medium,
        router_lifetime_seconds: lifetime,
        reachable_time_ms: 0,
        retrans_timer_ms: 0,
    }
}

fn advertisement(lifetime: u16, prefix: Option<Ipv6Address>) -> Vec<u8> {
    let mut buffer = [0; 300];
    let message = ndp::Message::RouterAdvertisement(said(lifetime));
    let mut writer = ndp::Writer::new(&mut buffer, BRAS, ALL_NODES, &message);
    if let Some(prefix) = prefix {
        writer.prefix(&PrefixInformation {
            prefix: Ipv6Cidr::new(prefix, 64),
            is_on_link: true,
            is_autonomous: true,
            valid_lifetime_seconds: 86_400,
            preferred_lifetime_seconds: 86_400,
        });
    }
    let len = writer.finish().expect("fits");
    buffer[..len].to_vec()
}

fn reply(own: Ipv6Address, asked: &[u8], prefixes: &[Ipv6Address]) -> Vec<u8> {
    let asked = dhcpv6::Message::parse(asked).expect("well-formed");
    let client = asked.options().duid(OptionCode::CLIENT_ID).unwrap().unwrap();
    let mut payload = [0; 400];
    let mut writer = dhcpv6::Writer::new(&mut payload, MessageType::Reply, asked.transaction_id);
    writer.push(OptionCode::CLIENT_ID, client.octets()).push(OptionCode::SERVER_ID, SERVER);
    writer.push(OptionCode::RAPID_COMMIT, b"").ia(OptionCode::IA_PD, 1, 0, 0, |writer| {
        for prefix in prefixes {
            writer.ia_prefix(Ipv6Cidr::new(*prefix, 56), 3600, 7200);
        }
        if prefixes.is_empty() {
            writer.status(StatusCode::NoPrefixAvail, "none");
        }
    });
    let len = writer.finish().expect("fits");
    datagram((BRAS, 547), (own, 546), &payload[..len])
}

fn over_wan(house: &mut House) -> usize {
    house.internet6_packets().iter().filter(|packet| packet[24..40] == WEB6.octets()).count()
}

fn datagram(from: (Ipv6Address, u16), to: (Ipv6Address, u16), payload: &[u8]) -> Vec<u8> {
    let udp = UdpRepr { src_port: from.1, dst_port: to.1 };
    let ip = Ipv6Repr {
        src_addr: from.0,
        dst_addr: to.0,
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload.len(),
        hop_limit: 64,
    };
    let mut packet = vec![0; 48 + payload.len()];
    ip.emit(&mut Ipv6Packet::new_unchecked(&mut packet));
    let (source, destination) = (IpAddress::Ipv6(from.0), IpAddress::Ipv6(to.0));
    udp.emit(
        &mut UdpPacket::new_unchecked(&mut packet[40..]),
        &source,
        &destination,
        payload.len(),
        |room| room.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    packet
}

fn lan(prefix: Ipv6Address) -> Ipv6Cidr {
    Ipv6Cidr::new(prefix, 64)
}

#[test]
fn a_line_gives_a_prefix_and_the_lan_has_it() {
    let mut house = House::with_control6();
    let (solicitations, messages) = house.asks();
    assert_eq!((solicitations, messages.len(), messages[0].0), (1, 1, MessageType::Solicit));
    assert_eq!(house.advertised(), Some((0, vec![])), "no way out yet");
    house.hears_reply(&messages[0].1, &[FIRST]);
    house.run_secs(4);
    let prefixes = vec![(lan(FIRST), 2700, 5400)];
    assert_eq!(house.advertised(), Some((0, prefixes.clone())), "a prefix, and nobody to send to");
    assert!(!house.reaches(FIRST, over_wan));
    house.hears_router(1800, Some(SECOND));
    house.run_secs(4);
    assert_eq!(house.advertised(), Some((1800, prefixes)));
    assert!(house.reaches(FIRST, over_wan));
    assert!(!house.reaches(SECOND, over_wan), "that is the line's, not the LAN's");
    let own: Vec<_> = house.router.ipv6_addresses(WAN).collect();
    assert_eq!((own.len(), own[0].prefix_len()), (1, 64));
    assert_eq!(house.router.delegated_prefixes(WAN)[0].prefix, Ipv6Cidr::new(FIRST, 56));
    // What is delegated and not in use is nowhere.
    let unused = Ipv6Address::from_bits(FIRST.to_bits() | 7 << 64 | 1);
    let host = Ipv6Address::from_bits(FIRST.to_bits() | 0x10);
    house.internet6_packets();
    house.lan6_sends(host, &udp6((host, 5001), (unused, 53), b"hello"));
    house.settle();
    assert_eq!(house.internet6_got(), [""; 0]);
    house.check_tables();
}

/// The router's own stack asks somebody from the address that it has been told, and hears the answer.
fn stack_reaches(house: &mut House, over: fn(&mut House) -> usize) -> bool {
    let own = house.router.ipv6_access(WAN).expect("a way out").address;
    over(house);
    house.wan_stack_sends(&with_hop_limit(udp6((own, 6000), (WEB6, 53), b"question"), 64));
    house.settle();
    over(house) == 1
}

#[test]
fn the_routers_own_stack_has_the_lines_address() {
    let mut house = House::with_control6();
    assert_eq!(house.router.ipv6_access(WAN), None);
    let (_, messages) = house.asks();
    house.hears_reply(&messages[0].1, &[FIRST]);
    assert_eq!(house.router.ipv6_access(WAN), None, "nobody to send to");
    house.hears_router(1800, None);
    // The line gives a prefix and no address: one out of the prefix, with the link's interface identifier (RFC 7084 WAA-7).
    let local = house.router.wan(WAN).and_then(|status| status.ipv6).expect("up").local;
    let own = gatelet_proto::ra::with_interface_id(FIRST, local);
    let access = house.router.ipv6_access(WAN).expect("a way out");
    assert_eq!((access.address, access.via, access.dns), (own, Via::Wan(WAN), [None; 3]));
    assert_eq!(house.router.ipv6_addresses(WAN).collect::<Vec<_>>(), [Ipv6Cidr::new(own, 128)]);
    assert!(stack_reaches(&mut house, over_wan));
    house.internet6_sends(&udp6((WEB6, 53), (own, 6000), b"answer"));
    assert_eq!(house.stacks6_got().len(), 1);
    let uninvited =
        house.dropped_by(|house| house.internet6_sends(&udp6((WEB6, 54), (own, 6000), b"answer")));
    assert_eq!(uninvited, [(Dropped::Uninvited, 1)]);
    // An address of the line's own is the better one.
    house.hears_router(1800, Some(SECOND));
    let own = gatelet_proto::ra::with_interface_id(SECOND, local);
    assert_eq!(house.router.ipv6_access(WAN).map(|access| access.address), Some(own));
    assert!(stack_reaches(&mut house, over_wan));
    house.redial(OURS);
    assert_eq!(house.router.ipv6_access(WAN), None, "the last session's prefix is not known to be good");
    house.check_tables();
}

#[test]
fn a_redial_keeps_the_prefix_if_it_is_still_good() {
    let mut house = House::with_delegation();
    house.advertised();
    house.internet6_packets();
    house.redial(OURS);
    house.run_secs(4);
    let (lifetime, prefixes) = house.advertised().expect("the way out was lost");
    assert_eq!((lifetime, prefixes.len()), (0, 1));
    assert!(prefixes[0].1 > 0, "the prefix is not given up yet");
    let (solicitations, messages) = house.asks();
    assert!(solicitations >= 1, "routers are looked for again");
    assert_eq!(messages[0].0, MessageType::Rebind);
    house.hears_router(1800, None);
    house.hears_reply(&messages.last().unwrap().1, &[FIRST]);
    house.run_secs(4);
    let (lifetime, prefixes) = house.advertised().expect("there is a way out again");
    assert_eq!((lifetime, prefixes.as_slice()), (1800, &[(lan(FIRST), 2700, 5400)][..]));
    assert!(house.reaches(FIRST, over_wan));
    house.check_tables();
}

#[test]
fn a_redial_with_another_prefix_deprecates_the_old_one() {
    let mut house = House::with_delegation();
    house.redial(OURS);
    house.run_secs(2);
    let (_, messages) = house.asks();
    house.hears_router(1800, None);
    house.hears_reply(&messages.last().unwrap().1, &[SECOND]);
    house.run_secs(5);
    let (lifetime, prefixes) = house.advertised().expect("there is another prefix");
    assert_eq!(lifetime, 1800);
    assert!(prefixes.contains(&(lan(SECOND), 2700, 5400)), "{prefixes:?}");
    assert!(prefixes.iter().any(|said| said.0 == lan(FIRST) && said.1 == 0 && said.2 > 5000), "{prefixes:?}");
    assert!(house.reaches(SECOND, over_wan));
    assert!(!house.reaches(FIRST, over_wan), "the carrier would not take it");
    house.check_tables();
}

#[test]
fn a_captive_portal_withdraws_the_way_out() {
    let mut house = House::with_delegation();
    house.router.set_captive(house.now, WAN, Captive::All);
    house.run_secs(4);
    assert_eq!(house.advertised().map(|heard| heard.0), Some(0));
    assert!(house.reaches(FIRST, over_wan), "who sends all the same is not in the way");
    house.router.set_captive(house.now, WAN, Captive::Ipv4);
    house.run_secs(4);
    assert_eq!(house.advertised().map(|heard| heard.0), Some(1800), "IPv6 gets through");
    house.router.set_captive(house.now, WAN, Captive::No);
    house.run_secs(4);
    assert_eq!(house.advertised(), None, "no news");
}

/// RFC 8910 §2.2 and §2.3.
#[test]
fn the_portal_that_a_line_names_is_the_lans_too() {
    let mut house = House::with_delegation();
    house.run_secs(60);
    house.v6.advertisements.clear();
    let mut buffer = [0; 300];
    let router = ndp::Message::RouterAdvertisement(said(1800));
    let len = ndp::Writer::new(&mut buffer, BRAS, ALL_NODES, &router)
        .captive_portal(b"https://portal.example/api")
        .finish()
        .unwrap();
    house.internet6_sends(&buffer[..len]);
    house.settle();
    assert_eq!(house.router.captive_portal_uri(WAN), "https://portal.example/api");
    house.run_secs(4);
    assert_eq!(house.named_portal(), Some("https://portal.example/api".into()));
    let server = house.router.dhcp_server().expect("there is a LAN");
    assert_eq!(server.captive_portal_uri(), "https://portal.example/api");
    let host = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10);
    house.v6.any_limit = true;
    house.lan6_packets();
    let len =
        dhcpv6::Writer::new(&mut buffer, MessageType::InformationRequest, dhcpv6::TransactionId([1, 2, 3]))
            .option_request(&[OptionCode::CAPTIVE_PORTAL])
            .finish()
            .unwrap();
    house.lan6_says(host, &datagram((host, 546), (dhcpv6::ALL_SERVERS, 547), &buffer[..len]));
    house.settle();
    let answers = house.lan6_packets();
    let message = dhcpv6::Message::parse(&answers[0][48..]).unwrap();
    let uri = message.options().value(OptionCode::CAPTIVE_PORTAL).unwrap();
    assert_eq!(uri, Some(&b"https://portal.example/api"[..]));
    // With the line it is gone.
    house.redial(OURS);
    house.run_secs(4);
    assert_eq!(house.router.captive_portal_uri(WAN), "");
    assert_eq!(house.named_portal(), None);
}

#[test]
fn a_line_without_a_prefix_shares_its_own() {
    let mut house = House::with_control6();
    let (_, messages) = house.asks();
    house.hears_router(1800, Some(SECOND));
    house.hears_reply(&messages[0].1, &[]);
    house.run_secs(4);
    let (lifetime, prefixes) = house.advertised().expect("it is shared");
    assert_eq!((lifetime, prefixes[0].0), (1800, lan(SECOND)));
    assert!(house.reaches(SECOND, over_wan));
    house.check_tables();
}

#[test]
fn a_line_without_dhcpv6_shares_its_own_after_a_while() {
    let mut house = House::with_control6();
    house.hears_router(1800, Some(SECOND));
    house.run_secs(29);
    assert_eq!(house.advertised(), Some((0, vec![])));
    house.run_secs(5);
    assert_eq!(house.advertised(), Some((1800, vec![(lan(SECOND), 2700, 5400)])));
    // A server that comes late is still welcome.
    let (_, messages) = house.asks();
    house.hears_reply(&messages.last().unwrap().1, &[FIRST]);
    house.run_secs(5);
    let (lifetime, prefixes) = house.advertised().unwrap();
    assert_eq!(lifetime, 1800);
    assert!(prefixes.contains(&(lan(FIRST), 2700, 5400)), "{prefixes:?}");
    assert!(prefixes.iter().any(|said| said.0 == lan(SECOND) && said.1 == 0), "{prefixes:?}");
    house.check_tables();
}

#[test]
fn on_ethernet_the_gateway_is_asked_for_and_we_answer_for_hosts_that_share_its_network() {
    let mut house = House::new();
    house.any_ttl = true;
    house.v6.any_limit = true;
    house.add_fibre();
    let fibre = WanId(1);
    assert!(house.router.acquire_ipv6(house.now, fibre, Some(Config::new(duid_ll(FIBRE_MAC)))));
    assert!(house.router.advertise_ipv6(house.now, &[]));
    house.run_secs(2);
    let frames = house.fibre6_frames();
    let solicit = &frames[0].1[48..];
    assert_eq!(frames[0].0, EthernetAddress([0x33, 0x33, 0, 1, 0, 2]));
    let own = gatelet_proto::ra::link_local(modified_eui_64(FIBRE_MAC));
    house.v6.hosts = vec![BRAS];
    house.fibre6_sends(mac6(BRAS), &advertisement(1800, Some(SECOND)));
    house.fibre6_sends(mac6(BRAS), &reply(own, solicit, &[]));
    house.run_secs(4);
    assert_eq!(house.advertised(), Some((1800, vec![(lan(SECOND), 2700, 5400)])));
    let host = Ipv6Address::from_bits(SECOND.to_bits() | 0x10);
    house.v6.hosts.push(host);
    house.fibre6_frames();
    house.lan6_sends(host, &udp6((host, 5000), (WEB6, 53), b"hello"));
    house.settle();
    house.answer6();
    let sent: Vec<_> = house.fibre6_got().into_iter().map(|(to, _)| to).collect();
    assert_eq!(sent, [mac6(BRAS)], "by way of the gateway");
    // The gateway believes that the host is on its link: we answer for it.
    house.ndp_seen();
    let option = [&[1, 1], &mac6(BRAS).0[..]].concat();
    let asked = neighbour(BRAS, ndp::solicited_node(host), 135, 0, host, &option);
    house.fibre6_sends(mac6(BRAS), &asked);
    house.run_secs(4);
    let answers = house.ndp_seen();
    assert!(answers.iter().any(|said| said.contains(&format!("I have {host}"))), "{answers:?}");
    // Another station of the link may be on the gateway's side: it is let in like anybody, but not under the address of a host.
    let station = Ipv6Address::from_bits(SECOND.to_bits() | 0x77);
    let echo = |from, to| icmp6(from, to, (128, 0), [0, 1, 0, 1], b"hello");
    house.lan6_frames();
    house.fibre6_sends(mac6(station), &echo(station, host));
    assert_eq!(house.lan6_frames().len(), 1);
    let dropped = house.dropped_by(|house| house.fibre6_sends(mac6(station), &echo(host, WEB6)));
    assert_eq!(dropped, [(Dropped::Spoofed, 1)]);
    house.check_tables();
}

#[test]
fn hosts_that_ask_are_answered() {
    let mut house = House::with_delegation();
    let dns = [Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x53)];
    assert!(house.router.advertise_ipv6(house.now, &dns));
    house.run_secs(60);
    house.v6.advertisements.clear();
    let host = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10);
    let mut buffer = [0; 100];
    let len = ndp::Writer::new(&mut buffer, host, ALL_ROUTERS, &ndp::Message::RouterSolicitation)
        .source_link_layer(mac6(host))
        .finish()
        .unwrap();
    house.lan6_says(host, &buffer[..len]);
    house.run_secs(2);
    let all = std::mem::take(&mut house.v6.advertisements);
    assert_eq!(all.iter().map(|(mac, _)| *mac).collect::<Vec<_>>(), [mac6(host)], "{all:?}");
    let packet = ndp::Packet::parse(&all[0].1).unwrap();
    assert!(
        packet
            .options()
            .any(|option| matches!(option, NdOption::Rdnss { servers, .. } if servers.clone().eq(dns)))
    );

    let len =
        dhcpv6::Writer::new(&mut buffer, MessageType::InformationRequest, dhcpv6::TransactionId([1, 2, 3]))
            .option_request(&[OptionCode::DNS_SERVERS])
            .finish()
            .unwrap();
    house.v6.any_limit = true;
    house.lan6_says(host, &datagram((host, 546), (dhcpv6::ALL_SERVERS, 547), &buffer[..len]));
    house.settle();
    let answers = house.lan6_packets();
    assert_eq!(answers.len(), 1);
    let message = dhcpv6::Message::parse(&answers[0][48..]).unwrap();
    assert_eq!(message.message_type, MessageType::Reply);
    assert!(message.options().addresses(OptionCode::DNS_SERVERS).unwrap().eq(dns));
}

#[test]
fn a_far_end_moves() {
    let mut house = House::new();
    house.any_ttl = true;
    let [first, second] = [41, 42].map(|last| Ipv4Address::new(192, 0, 2, last));
    let (own, peer) = (
        Ipv6Address::new(0x2001, 0xdb8, 0x41, 0, 0, 0, 0, 2),
        Ipv6Address::new(0x2001, 0xdb8, 0x41, 0, 0, 0, 0, 1),
    );
    let tunnel = Tunnel {
        routed: Routed::Server { prefix: Some(Ipv6Cidr::new(FIRST, 64)) },
        ..Tunnel::client(first, Ipv6Cidr::new(own, 64), peer, None)
    };
    let id = TunnelId(1);
    assert!(!house.router.move_tunnel(house.now, id, second), "there is none");
    assert!(house.router.set_up_tunnel(house.now, id, WAN, Some(&tunnel)));
    let pinged = |house: &mut House| {
        house.internet_packets();
        house.run_secs(20);
        let outer = house.internet_packets().into_iter().filter(|packet| packet[9] == 41);
        let mut to: Vec<_> = outer.map(|packet| packet[19]).collect();
        to.dedup();
        to
    };
    assert_eq!(pinged(&mut house), [41]);
    for nobody in [Ipv4Address::UNSPECIFIED, Ipv4Address::new(224, 0, 0, 1)] {
        assert!(!house.router.move_tunnel(house.now, id, nobody));
    }
    house.router.handle_command(house.now, Command::MoveTunnel { tunnel: id, remote: second });
    let moved = RouterEvent::Ipv6(Ipv6Event::TunnelMoved { tunnel: id, remote: second });
    assert_eq!(std::iter::from_fn(|| house.router.poll_event()).filter(|event| *event == moved).count(), 1);
    assert_eq!(pinged(&mut house), [42]);
    let from = |remote| {
        let mut echo = [0; 100];
        let asked = Echo { identifier: 1, sequence_number: 1, data: b"" };
        let len = asked.emit(&mut echo, icmpv6::ECHO_REQUEST, peer, own, 64).unwrap();
        crate::packets::ip(41, remote, OURS, &echo[..len])
    };
    let dropped = house.dropped_by(|house| house.internet_sends(&from(first)));
    assert_eq!(dropped.len(), 1, "where it was, it is not any more");
    house.internet_sends(&from(second));
    // The settings are applied once more, as they were: it stays.
    assert!(house.router.set_up_tunnel(house.now, id, WAN, Some(&tunnel)));
    assert_eq!(pinged(&mut house), [42]);
    assert!(house.router.set_up_tunnel(house.now, id, WAN, Some(&Tunnel { ttl: 64, ..tunnel })));
    assert_eq!(pinged(&mut house), [41]);
}

#[test]
fn without_servers_of_the_owners_the_router_is_named() {
    let named = |house: &mut House| {
        house.run_secs(60);
        let all = std::mem::take(&mut house.v6.advertisements);
        let packet = ndp::Packet::parse(&all.last().expect("an advertisement").1).unwrap().options();
        let of = |option| match option {
            NdOption::Rdnss { lifetime_seconds, servers } => {
                servers.map(|server| (server, lifetime_seconds > 0)).collect()
            }
            _ => Vec::new(),
        };
        packet.flat_map(of).collect::<Vec<(Ipv6Address, bool)>>()
    };
    let own = |prefix: Ipv6Address| {
        let low = u64::from_be_bytes(modified_eui_64(LAN_MAC));
        Ipv6Address::from_bits(prefix.to_bits() | u128::from(low))
    };
    let near = own(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0));
    let mut house = House::with_control6();
    house.run_secs(10);
    let (local, others) = house.router.lan_ipv6().unwrap();
    assert_eq!((local, others.count()), (near, 0));
    let mut house = House::with_delegation();
    let (local, others) = house.router.lan_ipv6().unwrap();
    assert_eq!((local, others.collect::<Vec<_>>()), (near, vec![Ipv6Cidr::new(own(FIRST), 64)]));
    assert_eq!(named(&mut house), [(own(FIRST), true), (near, true)]);
    // It can be asked there, from the LAN and from nowhere else.
    let host = Ipv6Address::from_bits(FIRST.to_bits() | 0x10);
    house.v6.hosts = vec![host];
    house.lan6_sends(host, &udp6((host, 5000), (own(FIRST), 53), b"?"));
    assert_eq!(house.stacks6_got(), [format!("lan: UDP [{host}]:5000 > [{}]:53", own(FIRST))]);
    let asked = udp6((WEB6, 5000), (own(FIRST), 53), b"?");
    assert_eq!(house.dropped_by(|house| house.internet6_sends(&asked)), [(Dropped::Uninvited, 1)]);
    let dns = [Ipv6Address::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 0x53)];
    assert!(house.router.advertise_ipv6(house.now, &dns));
    assert_eq!(named(&mut house)[0], (dns[0], true));
}

#[test]
fn a_tunnel_is_watched_and_gives_the_lan_its_prefix() {
    let mut house = House::new();
    house.any_ttl = true;
    assert!(house.router.advertise_ipv6(house.now, &[]));
    let remote = Ipv4Address::new(192, 0, 2, 41);
    let (own, peer) = (
        Ipv6Address::new(0x2001, 0xdb8, 0x41, 0, 0, 0, 0, 2),
        Ipv6Address::new(0x2001, 0xdb8, 0x41, 0, 0, 0, 0, 1),
    );
    let tunnel = Tunnel::client(remote, Ipv6Cidr::new(own, 64), peer, Some(Ipv6Cidr::new(FIRST, 48)));
    let id = TunnelId(0);
    assert!(!house.router.set_up_tunnel(house.now, id, WAN, Some(&Tunnel { ttl: 0, ..tunnel })));
    assert!(house.router.set_up_tunnel(house.now, id, WAN, Some(&tunnel)));
    house.settle();
    house.run_secs(4);
    assert_eq!(house.advertised(), Some((0, vec![(lan(FIRST), 2700, 5400)])), "until the far end answers");
    assert_eq!(over_tunnel(&mut house, peer).len(), 1);
    house.run_secs(1);
    let pings = over_tunnel(&mut house, peer);
    let asked = icmpv6::Packet::parse(&pings.last().unwrap()[20..]).expect("an echo request");
    let echo = Echo::parse(asked.body).unwrap();
    let mut answer = [0; 100];
    let len = echo.emit(&mut answer, icmpv6::ECHO_REPLY, peer, own, 64).unwrap();
    house.internet_sends(&crate::packets::ip(41, remote, OURS, &answer[..len]));
    house.settle();
    assert_eq!(house.router.tunnel_state(id), Some(State::Up));
    let access = house.router.ipv6_access(WAN).expect("through the tunnel");
    assert_eq!((access.address, access.via, access.mtu), (own, Via::Tunnel(id), 1472));
    assert!(stack_reaches(&mut house, |house| over_tunnel(house, WEB6).len()));
    let answer = with_hop_limit(udp6((WEB6, 53), (own, 6000), b"answer"), 60);
    house.internet_sends(&crate::packets::ip(41, remote, OURS, &answer));
    assert_eq!(house.stacks6_got().len(), 1);
    house.run_secs(4);
    assert_eq!(house.advertised().map(|heard| heard.0), Some(1800));
    assert!(house.reaches(FIRST, |house| over_tunnel(house, WEB6).len()));
    house.router.set_captive(house.now, WAN, Captive::Ipv4);
    house.run_secs(4);
    assert_eq!(house.advertised().map(|heard| heard.0), Some(0), "up or not");
    house.router.set_captive(house.now, WAN, Captive::No);
    house.run_secs(4);
    assert_eq!(house.advertised().map(|heard| heard.0), Some(1800));
    house.run_secs(52);
    assert_eq!(house.router.tunnel_state(id), Some(State::Down));
    assert_eq!(house.router.ipv6_access(WAN), Some(access), "whoever looks through it finds that out");
    assert_eq!(house.advertised().map(|heard| heard.0), Some(0), "hosts fall back");
    assert!(house.router.set_up_tunnel(house.now, id, WAN, None));
    assert_eq!(house.router.ipv6_access(WAN), None);
    house.run_secs(4);
    let (_, prefixes) = house.advertised().unwrap();
    assert_eq!((prefixes[0].0, prefixes[0].1), (lan(FIRST), 0), "deprecated");
    house.check_tables();
}

/// IPv4 packets that left with an IPv6 packet for `destination` in them.
fn over_tunnel(house: &mut House, destination: Ipv6Address) -> Vec<Vec<u8>> {
    let is_it = |packet: &Vec<u8>| packet[9] == 41 && packet[44..60] == destination.octets();
    house.internet_packets().into_iter().filter(is_it).collect()
}

#[test]
fn what_is_not_there_cannot_be_used() {
    let mut house = House::new();
    let config = Config::new(duid_ll(LAN_MAC));
    assert!(!house.router.acquire_ipv6(house.now, WanId(1), Some(config)));
    assert_eq!(house.router.tunnel_state(TunnelId(0)), None);
    house.hears_router(1800, None);
    assert_eq!(house.router.ipv6_addresses(WAN).count(), 0);
    let own = gatelet_proto::ra::link_local(modified_eui_64(LAN_MAC));
    assert_ne!(own, FAR6);
}

/// A /64 as it is kept over a reboot.
fn kept(prefix: Ipv6Address) -> u64 {
    (prefix.to_bits() >> 64) as u64
}

#[test]
fn a_prefix_from_before_a_reboot_is_deprecated_if_there_is_another_one() {
    let mut house = House::new();
    house.router.remember_ipv6_prefixes(&[kept(SECOND)]);
    assert!(house.router.acquire_ipv6(house.now, WAN, Some(Config::new(duid_ll(LAN_MAC)))));
    assert!(house.router.advertise_ipv6(house.now, &[]));
    house.settle();
    house.run_secs(4);
    assert_eq!(house.advertised(), Some((0, vec![])), "it may still be there");
    let (_, messages) = house.asks();
    house.hears_router(1800, None);
    house.hears_reply(&messages[0].1, &[FIRST]);
    house.run_secs(4);
    let (lifetime, prefixes) = house.advertised().unwrap();
    assert_eq!(lifetime, 1800);
    assert!(prefixes.contains(&(lan(FIRST), 2700, 5400)), "{prefixes:?}");
    assert!(prefixes.iter().any(|said| said.0 == lan(SECOND) && said.1 == 0), "{prefixes:?}");
    let known = house.router.poll_ipv6_prefixes().expect("one more");
    assert_eq!(
        known.as_slice(),
        [kept(SECOND), kept(FIRST)],
        "the old one may be needed after the next reboot"
    );
    assert_eq!(house.router.poll_ipv6_prefixes(), None);
    house.check_tables();
}

#[test]
fn a_prefix_from_before_a_reboot_that_is_there_again_is_nothing_new() {
    let mut house = House::new();
    house.router.remember_ipv6_prefixes(&[kept(FIRST)]);
    assert!(house.router.acquire_ipv6(house.now, WAN, Some(Config::new(duid_ll(LAN_MAC)))));
    assert!(house.router.advertise_ipv6(house.now, &[]));
    house.settle();
    let (_, messages) = house.asks();
    house.hears_router(1800, None);
    house.hears_reply(&messages[0].1, &[FIRST]);
    house.run_secs(4);
    assert_eq!(house.advertised(), Some((1800, vec![(lan(FIRST), 2700, 5400)])));
    assert_eq!(house.router.poll_ipv6_prefixes(), None, "the flash is not worn");
}

#[test]
fn what_the_owner_wants_may_change_while_the_line_is_up() {
    let mut house = House::with_delegation();
    let local = Ipv6Address::new(0xfd12, 0x3456, 0x789a, 0, 0, 0, 0, 0);
    house.router.set_local_ipv6_prefix(house.now, Some(Ipv6Cidr::new(local, 48)));
    house.run_secs(4);
    let (lifetime, prefixes) = house.advertised().unwrap();
    assert_eq!(lifetime, 1800);
    assert!(prefixes.contains(&(lan(local), 2700, 5400)), "{prefixes:?}");
    assert!(!house.reaches(local, over_wan), "the Internet does not know it");
    // What is wanted already is not asked for anew.
    house.asks();
    let config = Config::new(duid_ll(LAN_MAC));
    assert!(house.router.acquire_ipv6(house.now, WAN, Some(config.clone())));
    house.run_secs(4);
    assert_eq!((house.asks().1.len(), house.advertised()), (0, None));
    house.router.stop_advertising_ipv6(house.now);
    house.run_secs(4);
    let (lifetime, prefixes) = house.advertised().unwrap();
    assert_eq!((lifetime, prefixes.len()), (0, 2));
    assert!(prefixes.iter().all(|said| said.1 == 0), "{prefixes:?}");
    assert!(house.router.advertise_ipv6(house.now, &[]));
    // Another length: the carrier is asked again.
    let wants_prefix = Some(Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, 60));
    assert!(house.router.acquire_ipv6(house.now, WAN, Some(Config { wants_prefix, ..config })));
    house.run_secs(2);
    let (_, messages) = house.asks();
    assert_eq!(messages[0].0, MessageType::Solicit);
    house.check_tables();
}

#[test]
fn a_shared_prefix_may_be_unwanted() {
    let mut house = House::with_control6();
    assert!(house.router.share_ipv6_prefix(house.now, WAN, false));
    let (_, messages) = house.asks();
    house.hears_router(1800, Some(SECOND));
    house.hears_reply(&messages[0].1, &[]);
    house.run_secs(4);
    assert_eq!(house.advertised(), Some((0, vec![])));
    assert!(house.router.share_ipv6_prefix(house.now, WAN, true));
    house.run_secs(4);
    assert_eq!(house.advertised().map(|heard| heard.0), Some(1800));
}

#[test]
fn a_tunnel_that_is_not_watched_is_a_way_out_at_once() {
    let mut house = House::new();
    house.any_ttl = true;
    assert!(house.router.advertise_ipv6(house.now, &[]));
    let own = Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, 0x41, 0, 0, 0, 0, 0x11), 127);
    let peer = Ipv6Address::new(0x2001, 0xdb8, 0x41, 0, 0, 0, 0, 0x10);
    let remote = Ipv4Address::new(192, 0, 2, 41);
    let tunnel = Tunnel::client(remote, own, peer, Some(Ipv6Cidr::new(FIRST, 48)));
    let id = TunnelId(0);
    assert!(!house.router.watch_tunnel(house.now, id, false), "there is none");
    assert!(house.router.set_up_tunnel(house.now, id, WAN, Some(&tunnel)));
    let since = house.now;
    assert!(house.router.watch_tunnel(house.now, id, false));
    house.run_secs(4);
    assert_eq!(house.advertised().map(|heard| heard.0), Some(1800));
    assert_eq!(over_tunnel(&mut house, peer).len(), 0);
    let status = house.router.tunnel(id).expect("it is there");
    assert_eq!((status.local, status.mtu, status.far_end), (Some(OURS), Some(1472), None));
    assert_eq!((status.since, status.echoes), (since, [0, 0]));
    house.run_secs(60);
    assert!(house.router.watch_tunnel(house.now, id, true));
    house.run_secs(20);
    assert_eq!(house.router.tunnel(id).unwrap().far_end, Some(State::Down));
    assert!(house.router.tunnel(id).unwrap().since > since);
    assert_eq!(house.advertised().map(|heard| heard.0), Some(0), "nobody has answered");
}

/// A provider that routes a prefix to us, of which neither an advertisement nor DHCPv6 tells: it is our client's.
#[test]
fn a_servers_client_gets_out_by_the_line() {
    let mut house = House::with_delegation();
    house.any_ttl = true;
    let own = Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, 0x41, 0, 0, 0, 0, 0x10), 127);
    let peer = Ipv6Address::new(0x2001, 0xdb8, 0x41, 0, 0, 0, 0, 0x11);
    let client = Ipv4Address::new(192, 0, 2, 41);
    let prefix = Some(Ipv6Cidr::new(SECOND, 48));
    let tunnel = Tunnel { routed: Routed::Server { prefix }, ..Tunnel::client(client, own, peer, None) };
    assert!(house.router.set_up_tunnel(house.now, TunnelId(0), WAN, Some(&tunnel)));
    house.settle();
    over_wan(&mut house);
    for source in [peer, Ipv6Address::from_bits(SECOND.to_bits() | 5 << 64 | 0x10)] {
        let inner = udp6((source, 5000), (WEB6, 53), b"hello");
        house.internet_sends(&crate::packets::ip(41, client, OURS, &inner));
        house.settle();
        assert_eq!(over_wan(&mut house), 1, "{source}");
    }
    let stranger = Ipv6Address::new(0x2001, 0xdb8, 0x42, 0, 0, 0, 0, 1);
    let inner = udp6((stranger, 5000), (WEB6, 53), b"hello");
    house.internet_sends(&crate::packets::ip(41, client, OURS, &inner));
    house.settle();
    assert_eq!(over_wan(&mut house), 0);
    house.check_tables();
}

#[test]
fn a_server_answers_on_its_line_for_a_client_if_it_is_to() {
    let mut house = House::new();
    house.any_ttl = true;
    house.v6.any_limit = true;
    house.add_fibre();
    let fibre = WanId(1);
    assert!(house.router.acquire_ipv6(house.now, fibre, Some(Config::new(duid_ll(FIBRE_MAC)))));
    house.run_secs(2);
    house.v6.hosts = vec![BRAS];
    house.fibre6_sends(mac6(BRAS), &advertisement(1800, Some(SECOND)));
    let own = Ipv6Cidr::new(Ipv6Address::from_bits(SECOND.to_bits() | 0x10), 127);
    let peer = Ipv6Address::from_bits(SECOND.to_bits() | 0x11);
    let client = Ipv4Address::new(192, 0, 2, 41);
    let tunnel =
        Tunnel { routed: Routed::Server { prefix: None }, ..Tunnel::client(client, own, peer, None) };
    assert!(house.router.set_up_tunnel(house.now, TunnelId(0), fibre, Some(&tunnel)));
    house.run_secs(2);
    let option = [&[1, 1], &mac6(BRAS).0[..]].concat();
    let asked = neighbour(BRAS, ndp::solicited_node(peer), 135, 0, peer, &option);
    for is_proxied in [false, true] {
        assert!(house.router.proxy_tunnel(house.now, TunnelId(0), is_proxied));
        house.ndp_seen();
        house.fibre6_sends(mac6(BRAS), &asked);
        house.run_secs(4);
        let answers = house.ndp_seen();
        let is_answered = answers.iter().any(|said| said.contains(&format!("I have {peer}")));
        assert_eq!(is_answered, is_proxied, "{answers:?}");
    }
    house.check_tables();
}
