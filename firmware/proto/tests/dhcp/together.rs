//! The client and the server with each other.

use gatelet_proto::dhcp::client::{self, Loss, Phase};
use gatelet_proto::dhcp::server::{Config, Event};
use gatelet_wire::dhcpv4::MessageType;
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

use crate::lan::{at, config, reserve};
use crate::net::Net;

#[test]
fn ten_hosts_come_home() {
    let mut net = Net::new(config(), 32, 10, 1);
    for index in 0..10 {
        net.link_up(index);
    }
    let start = net.now;
    net.run_for_secs(5);
    for host in &net.hosts {
        let took = host.bound_at.expect("bound") - start;
        // Up to a second before the first message, half a second of the server's probe, as much of the client's.
        assert!(took.total_millis() <= 1_000 + 500 + 400 + 50, "{took}");
        let lease = host.client.lease().unwrap();
        assert_eq!((lease.router, lease.domain_name.as_str()), (Some(at(1)), "lan"));
        assert_eq!(lease.dns_servers, [at(1)]);
    }
    assert_eq!(net.server.leases().count(), 10);
    // For a week everybody keeps the address, and flash is left in peace.
    let addresses: Vec<_> = (0..10).map(|index| net.address(index)).collect();
    net.run_for_secs(7 * 86_400);
    assert_eq!((0..10).map(|index| net.address(index)).collect::<Vec<_>>(), addresses);
    for host in &net.hosts {
        assert!(!host.events.iter().any(|event| matches!(event, client::Event::Lost(_))));
    }
    let renewed = net.server_events.iter().filter(|event| matches!(event, Event::Renewed { .. })).count();
    assert!((10 * 28..=10 * 29).contains(&renewed), "{renewed} renewals in 28 times 6 h");
}

/// Each message of a dial lost once: how long it takes then.
#[test]
fn one_message_is_lost() {
    for lost in [MessageType::Discover, MessageType::Offer, MessageType::Request, MessageType::Ack] {
        let mut net = Net::new(config(), 32, 1, 7);
        net.lose_next.push(lost);
        net.link_up(0);
        net.run_for_secs(1);
        let start = net.now;
        net.run_for_secs(60);
        let took = (net.hosts[0].bound_at.expect("bound") - start).secs();
        // One wait of 4 s, give or take one; and the two probes.
        assert!((2..=6).contains(&took), "{lost:?}: {took} s");
        assert_eq!(net.server.leases().count(), 1, "{lost:?}");
    }
}

#[test]
fn half_of_all_messages_are_lost() {
    let mut net = Net::new(config(), 32, 8, 3);
    net.loss = 128;
    for index in 0..8 {
        net.link_up(index);
    }
    net.run_for_secs(600);
    let addresses: Vec<_> = (0..8).map(|index| net.address(index)).collect();
    assert!(addresses.iter().all(Option::is_some), "{addresses:?}");
    net.run_for_secs(3 * 86_400);
    assert_eq!((0..8).map(|index| net.address(index)).collect::<Vec<_>>(), addresses, "nobody moved");
}

/// A switch that has forgotten where the server is: renewing fails, rebinding does not.
#[test]
fn unicast_is_lost() {
    let mut net = Net::new(config(), 32, 1, 5);
    net.link_up(0);
    net.run_for_secs(5);
    net.is_unicast_lost = true;
    net.run_for_secs(10 * 3600);
    assert_eq!(net.hosts[0].client.phase(), Phase::Renewing);
    net.run_for_secs(1800);
    assert_eq!(net.hosts[0].client.phase(), Phase::Rebinding);
    // The answer is unicast as well, and the next REQUEST half of what is left away.
    net.is_unicast_lost = false;
    net.run_for_secs(2700);
    assert_eq!(net.hosts[0].client.phase(), Phase::Bound);
    assert!(!net.hosts[0].events.iter().any(|event| matches!(event, client::Event::Lost(_))));
}

#[test]
fn the_server_reboots() {
    for is_flash_kept in [true, false] {
        let mut net = Net::new(config(), 32, 6, 9);
        for index in 0..4 {
            net.link_up(index);
        }
        net.run_for_secs(10);
        let before: Vec<_> = (0..4).map(|index| net.address(index)).collect();
        net.link_down(3);
        net.reboot_server(is_flash_kept);
        // One comes back, two are new, the others find out when they renew.
        for index in 3..6 {
            net.link_up(index);
        }
        net.run_for_secs(86_400);
        let after: Vec<_> = (0..4).map(|index| net.address(index)).collect();
        assert_eq!(after, before, "flash kept: {is_flash_kept}");
        assert_eq!(net.server.leases().count(), 6);
        let lost = net.hosts[0].events.iter().filter(|event| matches!(event, client::Event::Lost(_))).count();
        assert_eq!(lost, 0);
    }
}

#[test]
fn an_address_given_back_is_kept_for_its_host() {
    let mut net = Net::new(config(), 32, 3, 4);
    net.link_up(0);
    net.run_for_secs(5);
    let before = net.address(0);
    net.release(0);
    net.run_for_secs(5);
    assert_eq!(net.server.leases().count(), 0);
    net.link_up(1);
    net.link_up(0);
    net.run_for_secs(5);
    assert_eq!(net.address(0), before);
    assert_ne!(net.address(1), before);
}

#[test]
fn the_subnet_moves_under_its_hosts() {
    let mut net = Net::new(config(), 32, 4, 2);
    for index in 0..4 {
        net.link_up(index);
    }
    net.run_for_secs(10);
    let own = Ipv4Address::new(10, 20, 30, 1);
    net.set_config(Config::new(Ipv4Cidr::new(own, 24)));
    // Until T2 they ask the server they know, whose address has moved; then everybody.
    net.run_for_secs(10 * 3600 + 1800 + 60);
    for index in 0..4 {
        let address = net.address(index).expect("bound again");
        assert_eq!(address.octets()[..3], own.octets()[..3]);
        assert!(net.hosts[index].events.contains(&client::Event::Lost(Loss::Refused)));
    }
}

/// Somebody has set up by hand the very address that is granted: server and client both look.
#[test]
fn a_squatter_comes() {
    let squatter = EthernetAddress([2, 0, 0, 0, 9, 9]);
    let mut net = Net::new(config(), 32, 1, 6);
    net.link_up(0);
    net.run_for_secs(5);
    let first = net.address(0).expect("bound");
    net.link_down(0);
    net.squatters.insert(first, squatter);
    net.link_up(0);
    net.run_for_secs(60);
    let second = net.address(0).expect("bound");
    assert_ne!(second, first);
    assert!(net.server_events.contains(&Event::Declined { address: first, mac: net.hosts[0].mac }));
    // Ten minutes later the first one is tried again, and found in use by the server itself.
    net.run_for_secs(700);
    net.release(0);
    net.reboot_server(false);
    net.link_up(0);
    net.run_for_secs(60);
    assert!(net.address(0).is_some_and(|address| address != first));
}

/// The power goes for the whole house: everybody reboots with the address of before, the server with
/// what flash kept of it.
#[test]
fn everybody_reboots() {
    let mut net = Net::new(config(), 32, 8, 8);
    for index in 0..8 {
        net.link_up(index);
    }
    net.run_for_secs(10);
    let before: Vec<_> = (0..8).map(|index| net.address(index)).collect();
    for index in 0..8 {
        net.link_down(index);
    }
    net.reboot_server(true);
    let start = net.now;
    for index in 0..8 {
        net.link_up(index);
    }
    net.run_for_secs(10);
    assert_eq!((0..8).map(|index| net.address(index)).collect::<Vec<_>>(), before);
    assert!(net.hosts.iter().all(|host| (host.bound_at.unwrap() - start).total_millis() < 500));
}

#[test]
fn a_reservation_is_made_while_its_host_is_here() {
    let mut net = Net::new(config(), 32, 2, 3);
    net.link_up(0);
    net.link_up(1);
    net.run_for_secs(10);
    let other = net.address(1);
    let mut config = config();
    reserve(&mut config, net.hosts[0].mac, at(7));
    net.set_config(config);
    net.run_for_secs(7 * 3600);
    assert_eq!((net.address(0), net.address(1)), (Some(at(7)), other));
}
