//! What flash keeps.

use gatelet_proto::dhcp::server::{Config, LeaseRecord};
use gatelet_wire::dhcpv4::MessageType;
use smoltcp::time::Duration;

use crate::lan::{Lan, NAS, PC, TV, at, config, host, said};

#[test]
fn leases_survive_a_reboot() {
    let mut lan = Lan::new(config());
    lan.join_with(PC, |said| said.called("pc").asking_for(at(150))).unwrap();
    lan.join_at(TV, at(160));
    lan.join_at(NAS, at(170));
    lan.say(&said(TV, MessageType::Release).having(at(160))).unwrap();
    lan.run_for_secs(6 * 3600);
    // As it would be in flash.
    for record in lan.flash.values_mut() {
        let mut buffer = [0; LeaseRecord::MAX_ENCODED_LEN];
        let bytes = postcard::to_slice(&*record, &mut buffer).unwrap();
        *record = postcard::from_bytes(bytes).unwrap();
    }
    let writes = lan.writes;
    lan.reboot(config(), 32);
    assert_eq!(lan.writes, writes, "what is in flash need not be written again");
    lan.forget_transcript();

    let lease = lan.server.lookup_name("pc").expect("remembered");
    assert_eq!((lease.address(), lease.mac()), (at(150), PC));
    // Nobody knows how long the power was off: the lease begins anew.
    let left = lease.expires_at().unwrap() - lan.now;
    assert!(left >= Config::LEASE_TIME && left <= Config::LEASE_TIME + Duration::from_secs(1));

    lan.say(&said(PC, MessageType::Request).having(at(150))).unwrap();
    lan.say(&said(host(1), MessageType::Request).having(at(170))).unwrap();
    lan.say(&said(host(1), MessageType::Request).asking_for(at(160))).unwrap();
    lan.say(&said(TV, MessageType::Discover)).unwrap();
    lan.expect_transcript(
        "pc -> REQUEST 192.168.1.150
         pc <- ACK 192.168.1.150
         host -> REQUEST 192.168.1.170
         host <- NAK to all
         host -> REQUEST 192.168.1.160
         host <- NAK to all
         tv -> DISCOVER
         tv <- OFFER 192.168.1.160",
    );
}

/// A power cut before the record was written, or no flash at all.
#[test]
fn without_records_nobody_loses_its_address() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.join_at(TV, at(160));
    lan.flash.clear();
    lan.reboot(config(), 32);
    lan.forget_transcript();
    lan.say(&said(PC, MessageType::Request).having(at(150))).unwrap();
    lan.say(&said(TV, MessageType::Request).asking_for(at(160))).unwrap();
    lan.run_for_secs(1);
    lan.expect_transcript(
        "pc -> REQUEST 192.168.1.150
         pc <- ACK 192.168.1.150
         tv -> REQUEST 192.168.1.160
            probe 192.168.1.160: nobody
         tv <- ACK 192.168.1.160",
    );
}

#[test]
fn records_that_do_not_fit_are_erased() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    lan.join_at(TV, at(160));
    lan.join_at(NAS, at(170));
    // Twice the same client, in another place; and a table that has become smaller.
    let pc = lan.flash[&0].clone();
    lan.flash.insert(5, pc);
    let mut smaller = config();
    smaller.last = at(165);
    lan.reboot(smaller, 6);
    let left: Vec<_> = lan.server.leases().map(gatelet_proto::dhcp::server::Lease::address).collect();
    assert_eq!(left, [at(150), at(160)]);
    assert_eq!(lan.flash.keys().copied().collect::<Vec<_>>(), [0, 1]);

    let nas = lan.flash[&1].clone();
    lan.flash.insert(2, nas);
    lan.reboot(config(), 1);
    assert_eq!(lan.server.leases().count(), 1);
}

/// A lease that could be longer than any we give is nothing to believe in.
#[test]
fn a_lease_longer_than_possible_is_not_restored() {
    let mut lan = Lan::new(config());
    lan.join_at(PC, at(150));
    let short = Duration::from_secs(3600);
    lan.reboot(Config { lease_time: short, lease_time_max: short, ..config() }, 32);
    assert_eq!(lan.server.leases().count(), 0);
    assert!(lan.flash.is_empty());
}

/// Flash that contradicts itself: the first record of an address, and of a name, is the one that counts.
#[test]
fn records_that_contradict_each_other() {
    let record = |mac, address| {
        let mut lan = Lan::new(config());
        lan.join_with(mac, |said| said.called("printer").asking_for(address)).expect("joined");
        lan.flash[&0].clone()
    };
    let mut lan = Lan::new(config());
    lan.flash.insert(0, record(PC, at(150)));
    lan.flash.insert(1, record(TV, at(150)));
    lan.flash.insert(2, record(NAS, at(160)));
    lan.reboot(config(), 32);
    let left: Vec<_> = lan.server.leases().map(|lease| (lease.mac(), lease.host_name())).collect();
    assert_eq!(left, [(PC, "printer"), (NAS, "")]);
    assert_eq!(lan.flash.keys().copied().collect::<Vec<_>>(), [0, 2]);
}
