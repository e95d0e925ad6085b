//! When the engine looks again, what that costs, and what follows from a verdict.

use std::net::IpAddr;

use gatelet_proto::connectivity::{Activity, Event, Family, Finding, Region, Stage, Verdict, What, probes};
use smoltcp::time::Duration;

use crate::ours::Run;
use gatelet_sim::peers::portal::{Meeting, Network, Reply, network};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

fn up(region: Region<'static>, family: Family, name: &str) -> (Run<'static>, Network) {
    let network = network(name).expect(name);
    let mut run = Run::new(region, family);
    run.line_up();
    run.decide(&network);
    (run, network)
}

/// When the rounds began: tasks more than half a second after the one before.
fn rounds(run: &Run<'_>) -> Vec<i64> {
    let mut rounds: Vec<i64> = Vec::new();
    let mut last = i64::MIN / 2;
    for at in &run.tasks {
        let at = at.total_millis();
        if at - last > 500 {
            rounds.push(at);
        }
        last = at;
    }
    rounds
}

fn gaps(run: &Run<'_>) -> Vec<i64> {
    rounds(run).windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn class(run: &Run<'_>) -> &'static str {
    run.engine.verdict().name()
}

#[test]
fn a_day_on_line_costs_less_than_half_a_megabyte_per_family() {
    for family in [Family::Ipv4, Family::Ipv6] {
        for region in [Region::Cn, Region::Global, Region::Auto] {
            let (mut run, network) = up(region, family, "clean");
            let before = run.octets;
            run.live(&network, DAY);
            let cost = run.octets - before;
            assert!(cost <= 500_000, "{} {}: {cost}", region.name(), family.name());
            assert!(run.octets > 100_000, "and it does look: {cost}");
            for gap in gaps(&run) {
                assert!((240_000..=361_000).contains(&gap), "5 min and jitter: {gap} ms");
            }
            assert_eq!(class(&run), "online");
            assert_eq!(run.verdicts.len(), 1, "told once: {:?}", run.verdicts);
        }
    }
}

#[test]
fn traffic_that_comes_back_stands_in_for_checks_but_not_for_ever() {
    let (mut run, network) = up(Region::Cn, Family::Ipv4, "clean");
    let before = rounds(&run).len();
    for _ in 0..24 * 60 {
        run.engine.handle_activity(run.now, Activity::TrafficReturns);
        run.live(&network, MINUTE);
    }
    let looked = rounds(&run).len() - before;
    assert!((30..=60).contains(&looked), "one in seven of 288: {looked}");
}

#[test]
fn stalled_traffic_is_looked_into_at_once_but_not_all_the_time() {
    let (mut run, network) = up(Region::Cn, Family::Ipv4, "clean");
    run.live(&network, MINUTE);
    let before = run.tasks.len();
    run.engine.handle_activity(run.now, Activity::TrafficStalled);
    run.live(&network, Duration::from_millis(10));
    assert_eq!(run.tasks.len(), before + 1, "one probe is asked at once");
    for _ in 0..60 {
        run.engine.handle_activity(run.now, Activity::TrafficStalled);
        run.live(&network, Duration::from_secs(1));
    }
    assert!(run.tasks.len() - before <= 2 * 3, "and every 30 s after that: {}", run.tasks.len() - before);
}

#[test]
fn a_portal_that_comes_back_is_noticed_when_traffic_stalls() {
    let (mut run, clean) = up(Region::Auto, Family::Ipv4, "clean");
    run.live(&clean, MINUTE);
    run.events.clear();
    run.engine.handle_activity(run.now, Activity::TrafficStalled);
    run.live(&network("portal-302").expect("there"), Duration::from_secs(2));
    assert_eq!(class(&run), "portal");
    let expected = [Event::VerdictChanged { is_final: true }, Event::DnsCacheFrozen, Event::RebindRelaxed];
    assert_eq!(run.events, expected);
    assert_eq!(run.engine.portal_name(), Some("portal.isp.test"));
}

#[test]
fn signing_in_is_noticed_within_ten_seconds_while_somebody_is_there() {
    let (mut run, portal) = up(Region::Cn, Family::Ipv4, "portal-302");
    let active = |run: &mut Run<'_>, network: &Network, seconds: u64| {
        for _ in 0..seconds {
            run.engine.handle_activity(run.now, Activity::LanActive);
            run.live(network, Duration::from_secs(1));
        }
    };
    active(&mut run, &portal, 100);
    assert!(gaps(&run).iter().all(|gap| *gap <= 8_100), "every 8 s: {:?}", gaps(&run));
    run.events.clear();
    active(&mut run, &network("clean").expect("there"), 10);
    assert_eq!(class(&run), "online");
    let expected = [Event::VerdictChanged { is_final: true }, Event::DnsCacheThawed, Event::RebindRestored];
    assert_eq!(run.events, expected);
}

#[test]
fn a_portal_nobody_looks_at_is_asked_ever_more_seldom_until_somebody_comes() {
    let (mut run, portal) = up(Region::Cn, Family::Ipv4, "portal-200");
    run.live(&portal, DAY);
    let gaps = gaps(&run);
    assert!(gaps.last().is_some_and(|gap| (360_000..=601_000).contains(gap)), "{gaps:?}");
    assert!(gaps.len() < 200, "{}", gaps.len());
    let before = run.tasks.len();
    run.engine.handle_activity(run.now, Activity::LanActive);
    run.live(&portal, Duration::from_millis(100));
    assert!(run.tasks.len() > before, "at once");
}

#[test]
fn off_line_the_wait_doubles_from_one_second_to_ten_minutes() {
    let (mut run, dead) = up(Region::Cn, Family::Ipv4, "offline-tcp-reset");
    run.live(&dead, DAY);
    let gaps = gaps(&run);
    for (index, gap) in gaps.iter().enumerate() {
        let wait = (1_000_i64 << index.min(10)).min(600_000);
        // The round itself takes some 100 ms.
        assert!(*gap >= wait * 6 / 10 && *gap <= wait + 500, "{index}: {gap}");
    }
    assert!(gaps.len() > 100);
    let distinct: std::collections::BTreeSet<_> = gaps.iter().rev().take(20).collect();
    assert!(distinct.len() > 10, "jitter: {distinct:?}");
}

/// What is said before all is heard differs from round to round here, and nobody is to be told each time.
#[test]
fn the_wait_doubles_where_the_first_guess_is_always_another() {
    let (mut run, drip) = up(Region::Cn, Family::Ipv4, "offline-slow-drip");
    let told = run.verdicts.len();
    run.live(&drip, DAY);
    assert_eq!(run.verdicts.len(), told, "{:?}", run.verdicts);
    assert!(gaps(&run).last().is_some_and(|gap| *gap > 360_000), "{:?}", gaps(&run));
}

#[test]
fn coming_back_is_noticed_sooner_when_traffic_shows_it() {
    let (mut run, dead) = up(Region::Cn, Family::Ipv4, "offline-dead");
    run.live(&dead, DAY);
    run.engine.handle_activity(run.now, Activity::TrafficReturns);
    run.live(&network("clean").expect("there"), Duration::from_secs(9));
    assert_eq!(class(&run), "online");
}

#[test]
fn a_dead_session_is_told_after_two_rounds_and_only_then() {
    let told = |run: &Run<'_>| run.events.iter().filter(|event| **event == Event::NoTraffic).count();
    let (mut run, dead) = up(Region::Cn, Family::Ipv4, "offline-dead");
    assert_eq!(told(&run), 0, "once is chance");
    run.live(&dead, Duration::from_secs(16));
    assert_eq!(told(&run), 1);

    let (mut run, dead) = up(Region::Cn, Family::Ipv4, "offline-dead");
    for _ in 0..16 {
        run.engine.handle_activity(run.now, Activity::TrafficReturns);
        run.live(&dead, Duration::from_secs(1));
    }
    assert_eq!(told(&run), 0, "something comes back");

    for (family, name) in [
        (Family::Ipv6, "offline-dead"),
        (Family::Ipv4, "offline-tcp-blackhole"),
        (Family::Ipv4, "offline-dns-dropped"),
        (Family::Ipv4, "offline-dns-rejected"),
        (Family::Ipv4, "portal-302"),
    ] {
        let (mut run, network) = up(Region::Cn, family, name);
        run.live(&network, Duration::from_secs(120));
        assert_eq!(told(&run), 0, "{name}");
    }
}

#[test]
fn a_probe_that_fails_alone_is_demoted_and_asked_seldom() {
    let (mut run, network) = up(Region::Cn, Family::Ipv4, "online-retired-probe");
    let row = probes::TABLE.iter().position(|probe| probe.id == "vivo").expect("a row") as u8;
    let is_told = |run: &Run<'_>| run.events.contains(&Event::ProbeDemoted { row });
    assert!(!is_told(&run) && !run.engine.is_demoted(row), "once is chance");
    for _ in 0..2 {
        run.engine.check_now(run.now);
        run.live(&network, MINUTE);
    }
    assert!(is_told(&run) && run.engine.is_demoted(row));
    let asked = |run: &Run<'_>| run.hosts.iter().filter(|host| *host == "wifi.vivo.com.cn").count();
    let before = asked(&run);
    run.live(&network, DAY);
    // A name and a page each time.
    assert!(asked(&run) - before <= 2 * 8, "{}", asked(&run) - before);
    assert_eq!(class(&run), "online");
    assert!(
        run.verdicts.iter().skip(1).all(|(_, verdict, _)| *verdict == Verdict::Online),
        "{:?}",
        run.verdicts
    );
}

#[test]
fn google_hears_nothing_in_china_nor_where_it_is_not_known() {
    for region in [Region::Cn, Region::Auto] {
        for family in [Family::Ipv4, Family::Ipv6] {
            for name in ["clean", "blocked-timeout", "offline-dead", "portal-302", "partial-one-operator"] {
                let (mut run, network) = up(region, family, name);
                run.live(&network, DAY);
                for host in &run.hosts {
                    let row = probes::TABLE.iter().find(|probe| probe.host == host);
                    let is_google = ["google", "gstatic"].iter().any(|word| host.contains(word));
                    assert!(!is_google && row.is_none_or(|probe| probe.owner != "Google"), "{host}");
                    assert!(row.is_none_or(|probe| probe.china != probes::ChinaClass::Blocked), "{host}");
                }
            }
        }
    }
}

#[test]
fn a_hijack_freezes_the_cache_and_relaxes_nothing() {
    let (mut run, _) = up(Region::Cn, Family::Ipv4, "hijack-dns");
    assert!(run.engine.freezes_dns_cache());
    assert_eq!(run.engine.portal_name(), None);
    assert!(run.events.contains(&Event::DnsCacheFrozen) && !run.events.contains(&Event::RebindRelaxed));
    run.events.clear();
    run.engine.line_down(run.now);
    run.live(&network("hijack-dns").expect("there"), Duration::from_secs(1));
    assert_eq!(run.events, [Event::VerdictChanged { is_final: true }, Event::DnsCacheThawed]);
    assert_eq!(run.engine.verdict(), &Verdict::Unknown);
    assert_eq!(run.engine.poll_at(), None, "nothing is looked at without a line");
}

#[test]
fn the_portals_address_is_told() {
    for (name, expected) in [
        ("portal-302", "http://portal.isp.test/login"),
        ("portal-307-https", "https://login.isp.test:8443/"),
        ("portal-200", "http://connect.rom.miui.com/generate_204"),
        ("portal-511", "http://connect.rom.miui.com/generate_204"),
        ("portal-walled-garden", "http://portal.isp.test/login"),
    ] {
        let (run, _) = up(Region::Cn, Family::Ipv4, name);
        let Verdict::Portal { url } = run.engine.verdict() else { panic!("{name}") };
        assert_eq!(url.as_str(), expected, "{name}");
    }
}

/// Once on line, a line without DNS is told from a dead one by the address of a probe, even where public resolvers are
/// out of reach.
#[test]
fn an_address_that_was_good_proves_the_way_out() {
    let (mut run, _) = up(Region::Cn, Family::Ipv4, "clean");
    let network = Network {
        dns: |_, _, _, _| Reply::Silent,
        tcp: |to| match to.port {
            80 => (network("clean").expect("there").tcp)(to),
            _ => Meeting::Dropped,
        },
    };
    run.engine.check_now(run.now);
    run.live(&network, Duration::from_secs(16));
    assert_eq!(run.engine.verdict(), &Verdict::Offline { stage: Stage::Dns });
    assert!(
        run.engine
            .evidence()
            .any(|seen| matches!(seen.what, What::Anchor { row: Some(_) }) && seen.is_good())
    );
}

/// The evidence says who said what, and when; the resolvers by UDP and by TCP.
#[test]
fn the_evidence_is_whole() {
    let (run, _) = up(Region::Cn, Family::Ipv4, "clean");
    let evidence: Vec<_> = run.engine.evidence().collect();
    let count = |is: fn(&What) -> bool| evidence.iter().filter(|seen| is(&seen.what)).count();
    assert_eq!(count(|what| matches!(what, What::Http { .. })), 6);
    assert_eq!(count(|what| matches!(what, What::Tls { .. })), 2);
    assert_eq!(count(|what| matches!(what, What::KnownName { .. })), 4);
    assert_eq!(count(|what| matches!(what, What::RandomName { .. })), 2);
    for seen in &evidence {
        let (finding, at) = seen.finding.expect("all were heard");
        assert!(seen.is_good() && at > seen.began_at, "{seen:?}");
        let is_looked_at = matches!(seen.what, What::Http { .. } | What::Tls { .. });
        assert_eq!(seen.address.is_some(), is_looked_at, "{seen:?}");
        assert!(!is_looked_at || seen.resolver.is_some_and(|resolver: IpAddr| resolver.is_ipv4()));
        assert!(!matches!(finding, Finding::Failed(_)));
    }
}

/// A laboratory, or a carrier's cache: all probes behind one address, the known name not there. A page is then a portal's.
#[test]
fn names_behind_one_address_are_no_forgery() {
    let mut run = Run::new(Region::Global, Family::Ipv4);
    let network = Network {
        dns: |_, _, name, _| {
            let is_known = probes::TABLE.iter().any(|probe| probe.host == name);
            let here = IpAddr::from([192, 0, 2, 80]);
            if is_known { Reply::Addresses(vec![here]) } else { Reply::NoSuchName }
        },
        tcp: |to| (network("portal-200").expect("there").tcp)(to),
    };
    run.line_up();
    run.decide(&network);
    assert_eq!(class(&run), "portal");
}
