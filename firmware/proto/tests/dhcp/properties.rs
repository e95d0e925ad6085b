//! What holds whatever happens. [`Net`] looks at every moment that no address is bound twice, and that
//! the server gives only what is its own to give.

use gatelet_proto::dhcp::server::Config;
use gatelet_wire::dhcpv4::{HEADER_LEN, Header, MIN_LEN, Message, OptionCode, Writer};
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use proptest::prelude::*;

use crate::lan::{NOWHERE, config, reserve};
use crate::net::Net;

const HOSTS: usize = 6;

#[derive(Debug, Clone)]
enum Step {
    Up(usize),
    Down(usize),
    Release(usize),
    Renew(usize),
    Wait(u64),
    Loss(u8),
    Unicast(bool),
    Reboot(bool),
    /// A host set up by hand comes or goes, with the address of one of ours.
    Squat(usize, bool),
    Config(u8),
    /// A message of anybody's making.
    Say {
        message_type: u8,
        from: usize,
        ciaddr: u8,
        requested: Option<u8>,
        server: Option<bool>,
        identifier: Option<u8>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let host = || 0..HOSTS;
    let wait = prop_oneof![0_u64..3_000, 0_u64..100_000, 0_u64..30_000_000];
    let say = (1_u8..9, host(), any::<u8>(), any::<Option<u8>>(), any::<Option<bool>>(), any::<Option<u8>>());
    prop_oneof![
        10 => host().prop_map(Step::Up),
        3 => host().prop_map(Step::Down),
        3 => host().prop_map(Step::Release),
        1 => host().prop_map(Step::Renew),
        20 => wait.prop_map(Step::Wait),
        1 => (0_u8..200).prop_map(Step::Loss),
        1 => any::<bool>().prop_map(Step::Unicast),
        1 => any::<bool>().prop_map(Step::Reboot),
        1 => (host(), any::<bool>()).prop_map(|(host, comes)| Step::Squat(host, comes)),
        1 => (0_u8..4).prop_map(Step::Config),
        8 => say.prop_map(|(message_type, from, ciaddr, requested, server, identifier)| Step::Say {
            message_type,
            from,
            ciaddr: if ciaddr < 128 { 0 } else { ciaddr },
            requested,
            server,
            identifier: identifier.map(|number| number % 4),
        }),
    ]
}

/// A small pool, so that addresses are short; with a reservation or without; and another subnet.
fn numbered_config(number: u8, reserved: EthernetAddress) -> Config {
    let small = |mut config: Config| {
        config.first = Ipv4Address::from_bits(config.first.to_bits() | 0x40);
        config.last = Ipv4Address::from_bits(config.first.to_bits() + 4);
        config.newcomers_per_minute = 60;
        config
    };
    let mut config = match number {
        3 => small(Config::new(Ipv4Cidr::new(Ipv4Address::new(192, 168, 2, 1), 24))),
        _ => small(config()),
    };
    if number == 1 {
        let first = config.first;
        reserve(&mut config, reserved, first);
    }
    if number == 2 {
        let outside = Ipv4Address::from_bits(config.first.to_bits() - 9);
        reserve(&mut config, reserved, outside);
    }
    config
}

fn payload(net: &Net, step: &Step) -> Option<(EthernetAddress, Ipv4Address, Vec<u8>)> {
    let Step::Say { message_type, from, ciaddr, requested, server, identifier } = step else { return None };
    let mac = net.hosts[*from].mac;
    let network = net.server.config().address.network().address().to_bits();
    let near = |last: u8| Ipv4Address::from_bits(network + u32::from(last));
    let mut header = Header::request(7, mac);
    header.ciaddr = if *ciaddr == 0 { NOWHERE } else { near(*ciaddr) };
    let mut buffer = [0; 600];
    let mut writer = Writer::new(&mut buffer, &header);
    writer.message_type((*message_type).into());
    if let Some(last) = requested {
        writer.address(OptionCode::REQUESTED_ADDRESS, near(*last));
    }
    if let Some(is_ours) = server {
        let own = net.server.config().address.address();
        writer.address(OptionCode::SERVER_IDENTIFIER, if *is_ours { own } else { near(2) });
    }
    if let Some(number) = identifier {
        writer.push(OptionCode::CLIENT_IDENTIFIER, &[0, *number]);
    }
    let len = writer.finish().expect("fits");
    Some((mac, header.ciaddr, buffer[..len].to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_address_is_bound_twice(steps in prop::collection::vec(step(), 1..80), seed: u64) {
        let reserved = EthernetAddress([2, 0, 0, 0, 1, 0]);
        let mut net = Net::new(numbered_config(0, reserved), 4, HOSTS, seed);
        for step in steps {
            match &step {
                Step::Up(host) => net.link_up(*host),
                Step::Down(host) => net.link_down(*host),
                Step::Release(host) => net.release(*host),
                Step::Renew(host) => {
                    let now = net.now;
                    net.hosts[*host].client.renew(now, &mut net.rng);
                }
                Step::Wait(millis) => net.run_for(smoltcp::time::Duration::from_millis(*millis)),
                Step::Loss(loss) => net.loss = *loss,
                Step::Unicast(is_lost) => net.is_unicast_lost = *is_lost,
                Step::Reboot(is_flash_kept) => net.reboot_server(*is_flash_kept),
                Step::Squat(host, comes) => {
                    net.squatters.clear();
                    if let (true, Some(address)) = (*comes, net.address(*host)) {
                        net.squatters.insert(address, EthernetAddress([2, 0, 0, 0, 9, 9]));
                    }
                }
                Step::Config(number) => net.set_config(numbered_config(*number, reserved)),
                Step::Say { .. } => {
                    let (mac, source, payload) = payload(&net, &step).expect("said");
                    net.say(mac, source, &payload);
                }
            }
        }
        // Left in peace, whoever there is room for is served.
        net.loss = 0;
        net.is_unicast_lost = false;
        net.squatters.clear();
        net.set_config(numbered_config(0, reserved));
        for host in 0..HOSTS {
            if host < 4 { net.link_up(host) } else { net.release(host) }
        }
        net.run_for(smoltcp::time::Duration::from_secs(2 * 8 * 86_400));
        let bound = (0..HOSTS).filter(|host| net.address(*host).is_some()).count();
        prop_assert_eq!(bound, 4, "{:?}", net.server.leases().collect::<Vec<_>>());
    }

    /// Options of any kind get no answer that cannot be read, and do not keep a host from its address.
    #[test]
    fn any_options(options in prop::collection::vec(any::<u8>(), 0..60), seed: u64) {
        let mut net = Net::new(config(), 4, 1, seed);
        net.link_up(0);
        let mac = net.hosts[0].mac;
        let mut buffer = [0; MIN_LEN];
        Writer::new(&mut buffer, &Header::request(7, mac)).finish().expect("fits");
        let bytes = [&buffer[..HEADER_LEN], &options].concat();
        net.say(mac, NOWHERE, &bytes);
        net.run_for(smoltcp::time::Duration::from_secs(10));
        for sent in &net.capture {
            prop_assert!(Message::parse(sent).is_ok());
        }
        prop_assert!(net.address(0).is_some());
    }
}
