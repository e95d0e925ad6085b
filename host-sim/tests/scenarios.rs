//! Every scenario holds what it expects, and is the same run each time: on another thread too.

use gatelet_sim::scenario::{self, Options, Report};
use gatelet_sim::timeline::tags;

fn run(name: &str, seed: Option<u64>) -> Report {
    let file = scenario::find(name).expect(name).parse().expect(name);
    scenario::run(name, &file, Options { seed, ..Options::default() }).expect(name)
}

/// Runs a scenario twice, on two threads.
fn hold(name: &'static str) {
    let other = std::thread::spawn(move || run(name, None));
    let report = run(name, None);
    let other = other.join().expect("the other thread's run ends");
    assert_eq!(report.digest, other.digest, "{name}: two runs differ");
    assert_eq!(report.entries, other.entries, "{name}: two timelines differ");
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.passed).collect();
    assert!(report.passed && failed.is_empty(), "{name}: {failed:#?}");
    assert!(report.counters["frames"] > 0, "{name}: nothing was sent");
}

macro_rules! scenarios {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            hold($name);
        })*

        /// The scenarios that have a test here.
        const TESTED: &[&str] = &[$($name),*];
    };
}

scenarios! {
    unicom "unicom"
    fault_free "fault-free"
    dark_line "dark-line"
    ont_boot "ont-boot"
    ont_power "ont-power"
    replug_ten_times "replug-ten-times"
    power_loss_in_hold "power-loss-in-hold"
    warm_reset "warm-reset"
    stale_session "stale-session"
    hang_up "hang-up"
    kick_48h "kick-48h"
    nightly_reconnect "nightly-reconnect"
    wrong_password "wrong-password"
    account_locked "account-locked"
    mschapv2 "mschapv2"
    weak_auth "weak-auth"
    two_acs "two-acs"
    pado_without_pads "pado-without-pads"
    cookie_change "cookie-change"
    error_tags "error-tags"
    data_after_pads "data-after-pads"
    stale_padt "stale-padt"
    nak_everything "nak-everything"
    no_echo_replies "no-echo-replies"
    blackhole_up "blackhole-up"
    lossy_line "lossy-line"
    bad_weather "bad-weather"
    jumbo_rfc4638 "jumbo-rfc4638"
    jumbo_blackhole "jumbo-blackhole"
    vlan "vlan"
    loopback "loopback"
    silent_cisco "silent-cisco"
    bell "bell"
    force_dial "force-dial"
    lan_surf "lan-surf"
    lan_hundred "lan-hundred"
    busy_line "busy-line"
    nat_timeouts "nat-timeouts"
    redial_same_address "redial-same-address"
    redial_other_address "redial-other-address"
    lan_power_cut "lan-power-cut"
    port_forward "port-forward"
    hairpin "hairpin"
    wan_clash "wan-clash"
    ipoe "ipoe"
    ipoe_outage "ipoe-outage"
    ipoe_renumber "ipoe-renumber"
    static_wan "static-wan"
    double_nat "double-nat"
    carrier_nat "carrier-nat"
    modem_page "modem-page"
    modem_clash "modem-clash"
    time_of_day "time-of-day"
    lease_memory "lease-memory"
    nat_exhaustion "nat-exhaustion"
    nat_crowd "nat-crowd"
    many_faces "many-faces"
    syn_flood "syn-flood"
    port_scan "port-scan"
    spoofed_sources "spoofed-sources"
    icmp_forgery "icmp-forgery"
    fragment_flood "fragment-flood"
    arp_spoof "arp-spoof"
    dhcp_starvation "dhcp-starvation"
    dns_failover "dns-failover"
    dns_poison "dns-poison"
    portal_302 "portal-302"
    portal_307_https "portal-307-https"
    portal_200 "portal-200"
    portal_511 "portal-511"
    portal_ipv6_dead "portal-ipv6-dead"
    portal_ipv6_named "portal-ipv6-named"
    portal_ipv6_passes "portal-ipv6-passes"
    portal_ipv6_tunnel "portal-ipv6-tunnel"
    portal_meta_refresh "portal-meta-refresh"
    portal_reset "portal-reset"
    portal_blackhole "portal-blackhole"
    portal_dns_hijack "portal-dns-hijack"
    portal_nxdomain "portal-nxdomain"
    portal_walled_garden "portal-walled-garden"
    portal_https_only "portal-https-only"
    portal_slow_drip "portal-slow-drip"
    portal_endless_body "portal-endless-body"
    portal_gzip "portal-gzip"
    portal_garbage "portal-garbage"
    portal_blocked_timeout "portal-blocked-timeout"
    portal_blocked_reset "portal-blocked-reset"
    portal_dead_session "portal-dead-session"
    portal_expires "portal-expires"
    portal_quiet_day "portal-quiet-day"
    portal_named "portal-named"
    ipv6_native "ipv6-native"
    ipv6_dns "ipv6-dns"
    ipv6_redial "ipv6-redial"
    ipv6_redial_same_prefix "ipv6-redial-same-prefix"
    ipv6_renumber "ipv6-renumber"
    ipv6_no_prefix "ipv6-no-prefix"
    ipv6_single_64 "ipv6-single-64"
    ipv6_pmtu "ipv6-pmtu"
    ipv6_lossy "ipv6-lossy"
    ipv6_scan "ipv6-scan"
    ipv6_spoofed "ipv6-spoofed"
    ipv6_icmp_forgery "ipv6-icmp-forgery"
    ipv6_ethernet "ipv6-ethernet"
    ipv6_relay "ipv6-relay"
    sit_client "sit-client"
    sit_lossy "sit-lossy"
    sit_pmtu "sit-pmtu"
    sit_black_hole "sit-black-hole"
    sit_fragments "sit-fragments"
    sit_broker_dead "sit-broker-dead"
    sit_endpoint "sit-endpoint"
    sit_spoofed "sit-spoofed"
    sit_server "sit-server"
    sit_update "sit-update"
    sit_update_server "sit-update-server"
    sit_both_ends "sit-both-ends"
    console_first_boot "console-first-boot"
}

#[test]
fn every_scenario_is_tested() {
    let names: Vec<_> = scenario::bundled().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names, TESTED);
}

#[test]
fn every_scenario_holds_with_other_seeds() {
    // Days of line time take a while without optimisation.
    let long = ["kick-48h", "nightly-reconnect"];
    for name in TESTED.iter().filter(|name| !long.contains(name)) {
        for seed in 2..=6 {
            let report = run(name, Some(seed));
            let failed: Vec<_> = report.checks.iter().filter(|check| !check.passed).collect();
            assert!(report.passed, "{name}, seed {seed}: {failed:#?}");
        }
    }
}

#[test]
fn every_event_is_listed() {
    for name in TESTED {
        let report = run(name, None);
        for entry in &report.entries {
            assert_eq!(tags::check(entry.tag), Ok(()), "{name}");
        }
    }
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(run("bad-weather", Some(1)).digest, run("bad-weather", Some(2)).digest);
}
