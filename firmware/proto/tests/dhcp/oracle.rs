//! A second opinion: what we write, `dhcproto` must read as we meant it, and the other way round.

use dhcproto::v4::{self, Decodable, Decoder, DhcpOption, Encodable};
use gatelet_wire::dhcpv4::{Header, Message, MessageType, Operation, OptionCode, Route};
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use proptest::prelude::*;
use smoltcp::time::Duration;

use crate::lan::{Lan, OWN, PC, at, config, said};
use crate::link::{Link, Says};
use crate::net::Net;

/// Reads `payload` with both, has the oracle write it again, and compares all that stands in it.
fn judge(payload: &[u8]) {
    let ours = Message::parse(payload).expect("ours");
    let theirs = v4::Message::decode(&mut Decoder::new(payload)).expect("theirs");
    assert_eq!(theirs.opcode() == v4::Opcode::BootRequest, ours.header.operation == Operation::Request);
    assert_eq!((theirs.xid(), theirs.secs()), (ours.header.xid, ours.header.secs));
    assert_eq!(u16::from(theirs.flags()), ours.header.flags);
    assert_eq!((theirs.ciaddr(), theirs.yiaddr()), (ours.header.ciaddr, ours.header.yiaddr));
    assert_eq!((theirs.siaddr(), theirs.giaddr()), (ours.header.siaddr, ours.header.giaddr));
    assert_eq!(theirs.chaddr(), ours.header.ethernet_address().expect("Ethernet").0);
    let message_type = theirs.opts().msg_type().map(u8::from);
    assert_eq!(message_type, ours.message_type().unwrap().map(u8::from));

    let mut codes: Vec<u8> = ours.options().map(|option| option.code.0).collect();
    codes.sort_unstable();
    codes.dedup();
    let mut their_codes: Vec<u8> = theirs.opts().iter().map(|(code, _)| u8::from(*code)).collect();
    their_codes.retain(|code| !matches!(code, 0 | 255));
    their_codes.sort_unstable();
    assert_eq!(their_codes, codes);

    let again = theirs.to_vec().expect("written by theirs");
    let again = Message::parse(&again).expect("ours again");
    for code in codes.into_iter().map(OptionCode) {
        let value =
            |message: &Message<'_>| message.value(code).map(|value| value.octets().collect::<Vec<_>>());
        assert_eq!(value(&again), value(&ours), "{code:?}");
    }
}

#[test]
fn everything_server_and_client_say() {
    let mut config = config();
    config.ntp_server = Some(at(2));
    config.mtu = Some(1480);
    let mut net = Net::new(config, 8, 3, 1);
    net.server.set_captive_portal_uri("https://portal.example/api");
    for index in 0..3 {
        net.link_up(index);
    }
    net.run_for(Duration::from_secs(86_400));
    net.reboot_server(false);
    net.link_down(0);
    net.link_up(0);
    net.squatters.insert(net.address(1).expect("bound"), PC);
    net.release(1);
    net.link_up(1);
    net.run_for(Duration::from_secs(86_400));
    let kind = |payload: &Vec<u8>| Message::parse(payload).unwrap().message_type().unwrap().unwrap();
    let kinds: std::collections::HashSet<_> = net.capture.iter().map(kind).collect();
    assert!(kinds.len() >= 5, "{kinds:?}");
    net.capture.iter().for_each(|payload| judge(payload));

    let mut lan = Lan::new(crate::lan::config());
    lan.say(&said(PC, MessageType::Request).asking_for(Ipv4Address::new(10, 0, 0, 1))).unwrap();
    lan.say(&said(PC, MessageType::Inform).having(at(9))).unwrap();
    lan.heard.iter().for_each(|heard| judge(&heard.payload));
    let mut link = Link::bound();
    link.client.decline(link.now, &mut link.rng);
    link.settle();
    link.sent.iter().for_each(|sent| judge(&sent.payload));
}

/// A stock client's messages, written by the oracle, lead to a lease.
#[test]
fn a_server_understands_the_oracle() {
    let mut lan = Lan::new(config());
    let message = |message_type, more: &[DhcpOption]| {
        let mut message = v4::Message::new_with_id(
            0x1234_5678,
            Ipv4Address::UNSPECIFIED,
            Ipv4Address::UNSPECIFIED,
            Ipv4Address::UNSPECIFIED,
            Ipv4Address::UNSPECIFIED,
            &PC.0,
        );
        message.set_flags(v4::Flags::default().set_broadcast());
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(message_type));
        options.insert(DhcpOption::Hostname("Oracle".into()));
        options.insert(DhcpOption::ClientIdentifier([&[1], &PC.0[..]].concat()));
        options.insert(DhcpOption::ParameterRequestList(vec![
            v4::OptionCode::Router,
            v4::OptionCode::DomainNameServer,
            v4::OptionCode::SubnetMask,
        ]));
        for option in more {
            options.insert(option.clone());
        }
        message.to_vec().expect("written by theirs")
    };
    let nowhere = Ipv4Address::UNSPECIFIED;
    let discover = message(v4::MessageType::Discover, &[DhcpOption::RequestedIpAddress(at(150))]);
    assert_eq!(lan.hear_payload(PC, nowhere, &discover), Ok(()));
    lan.run_for_secs(1);
    let offer = v4::Message::decode(&mut Decoder::new(&lan.last().payload)).expect("read by theirs");
    assert!(offer.opts().has_msg_type(v4::MessageType::Offer));
    let chosen = [DhcpOption::RequestedIpAddress(offer.yiaddr()), DhcpOption::ServerIdentifier(OWN)];
    assert_eq!(lan.hear_payload(PC, nowhere, &message(v4::MessageType::Request, &chosen)), Ok(()));
    let ack = v4::Message::decode(&mut Decoder::new(&lan.last().payload)).expect("read by theirs");
    assert!(ack.opts().has_msg_type(v4::MessageType::Ack));
    assert_eq!(ack.yiaddr(), at(150));
    assert_eq!(ack.opts().get(v4::OptionCode::Router), Some(&DhcpOption::Router(vec![OWN])));
    assert_eq!(ack.opts().get(v4::OptionCode::AddressLeaseTime), Some(&DhcpOption::AddressLeaseTime(43_200)));
    assert_eq!(
        lan.server.lookup_name("oracle").map(gatelet_proto::dhcp::server::Lease::address),
        Some(at(150))
    );
}

#[test]
fn the_client_understands_the_oracle() {
    let mut link = Link::new();
    link.up();
    let answer = |link: &Link, message_type| {
        let mut message =
            v4::Message::decode(&mut Decoder::new(&link.last().payload)).expect("read by theirs");
        message.set_opcode(v4::Opcode::BootReply).set_yiaddr([100, 64, 0, 9]);
        message.opts_mut().clear();
        for option in [
            DhcpOption::MessageType(message_type),
            DhcpOption::ServerIdentifier(Ipv4Address::new(100, 64, 0, 1)),
            DhcpOption::AddressLeaseTime(3600),
            DhcpOption::SubnetMask(Ipv4Address::new(255, 255, 255, 0)),
            DhcpOption::DomainNameServer(vec![Ipv4Address::new(9, 9, 9, 9)]),
            DhcpOption::InterfaceMtu(1492),
            DhcpOption::ClasslessStaticRoute(vec![
                ("10.16.0.0/12".parse().unwrap(), Ipv4Address::new(100, 64, 0, 3)),
                ("0.0.0.0/0".parse().unwrap(), Ipv4Address::new(100, 64, 0, 2)),
            ]),
        ] {
            message.opts_mut().insert(option);
        }
        message.to_vec().expect("written by theirs")
    };
    let offer = answer(&link, v4::MessageType::Offer);
    assert_eq!(link.hear_payload(&offer), Ok(()));
    let ack = answer(&link, v4::MessageType::Ack);
    assert_eq!(link.hear_payload(&ack), Ok(()));
    link.client.accept();
    let lease = link.client.lease().expect("bound");
    assert_eq!(lease.address.to_string(), "100.64.0.9/24");
    assert_eq!((lease.router, lease.mtu), (Some(Ipv4Address::new(100, 64, 0, 2)), Some(1492)));
    let destination = Ipv4Cidr::new(Ipv4Address::new(10, 16, 0, 0), 12);
    assert_eq!(lease.routes, [Route { destination, router: Ipv4Address::new(100, 64, 0, 3) }]);
}

proptest! {
    /// Long options in pieces too (RFC 3396).
    #[test]
    fn both_read_the_same(
        addresses in prop::collection::vec(any::<u32>(), 1..100),
        text in "[a-z0-9-]{1,400}",
        identifier in prop::collection::vec(any::<u8>(), 2..300),
        routes in prop::collection::vec((any::<u32>(), 0_u8..=32, any::<u32>()), 1..40),
        header: [u32; 5],
    ) {
        let addresses: Vec<u8> = addresses.into_iter().flat_map(u32::to_be_bytes).collect();
        let routes: Vec<_> = routes
            .into_iter()
            .map(|(destination, width, router)| Route {
                destination: Ipv4Cidr::new(Ipv4Address::from(destination), width).network(),
                router: Ipv4Address::from(router),
            })
            .collect();
        let [xid, ciaddr, yiaddr, siaddr, giaddr] = header;
        let [ciaddr, yiaddr, siaddr, giaddr] = [ciaddr, yiaddr, siaddr, giaddr].map(Ipv4Address::from);
        let blank = Header::reply(xid, EthernetAddress([2, 0, 0, 0, 0, 1]));
        let says = Says {
            header: Header { ciaddr, yiaddr, siaddr, giaddr, ..blank },
            message_type: MessageType::Ack,
            options: vec![
                (OptionCode::DOMAIN_NAME_SERVER, addresses),
                (OptionCode::MESSAGE, text.into_bytes()),
                (OptionCode::CLIENT_IDENTIFIER, identifier),
            ],
            routes,
        };
        judge(&says.payload());
    }
}
