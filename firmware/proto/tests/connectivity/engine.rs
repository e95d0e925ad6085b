//! The engine, step by step.

use core::net::{IpAddr, Ipv4Addr};

use chacha20::ChaCha8Rng;
use gatelet_proto::connectivity::probes::{self, Probe, find};
use gatelet_proto::connectivity::{
    CaptivePortalUri, Config, DnsError, Dropped, Engine, Event, Failure, Family, Outcome, Region, Stage,
    Task, TaskKind, Transport, Verdict, What,
};
use gatelet_proto::redial::Language;
use gatelet_wire::http::ResponseReader;
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

fn at(millis: i64) -> Instant {
    Instant::from_millis(1_000_000 + millis)
}

fn up(config: Config<'_>) -> (Engine<'_>, ChaCha8Rng) {
    let mut engine = Engine::new(config);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    assert_eq!(engine.poll_at(), None);
    engine.line_up(at(0), &[RESOLVER]);
    assert_eq!(engine.poll_at(), Some(at(0)), "at once");
    engine.handle_timeout(at(0), &mut rng);
    (engine, rng)
}

fn tasks<'a>(engine: &mut Engine<'a>, now: Instant) -> Vec<Task<'a>> {
    core::iter::from_fn(|| engine.poll_task(now)).collect()
}

fn events(engine: &mut Engine<'_>) -> Vec<Event> {
    core::iter::from_fn(|| engine.poll_event()).collect()
}

fn response(text: &str) -> ResponseReader {
    let mut reader = ResponseReader::new();
    reader.push(text.as_bytes()).expect("HTTP");
    reader.close().expect("a head");
    reader
}

/// The first tasks: the resolver by UDP and TCP, the names of six operators.
#[test]
fn a_round_begins_with_what_decides_soonest() {
    let (mut engine, _) = up(Config::new(Region::Cn, Family::Ipv4));
    let tasks = tasks(&mut engine, at(0));
    assert_eq!(tasks.len(), 8, "no more at once than the owner has sockets for");
    let asked: Vec<_> = tasks
        .iter()
        .map(|task| match &task.kind {
            TaskKind::Resolve { name, family: Family::Ipv4, resolver: RESOLVER, transport } => {
                (name.as_str().to_owned(), *transport)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(asked[0], (probes::KNOWN_NAME.to_owned(), Transport::Udp));
    assert_eq!(asked[1], (probes::KNOWN_NAME.to_owned(), Transport::Tcp));
    assert_eq!(asked[2], ("connect.rom.miui.com".to_owned(), Transport::Udp));
    for task in &tasks {
        assert!(engine.awaits(task.id));
        assert!(task.give_up_at <= at(5_000), "DNS has 5 s");
    }
}

#[test]
fn a_name_has_two_seconds_per_resolver_then_a_connection_five_and_an_answer_ten() {
    let (mut engine, _) = up(Config::new(Region::Cn, Family::Ipv4));
    let first = tasks(&mut engine, at(0));
    assert_eq!(first[2].give_up_at, at(2_000));
    engine.handle_result(at(100), first[2].id, 0, Outcome::Addresses(&[HOST])).expect("awaited");
    let get = tasks(&mut engine, at(100)).remove(0);
    let expected = TaskKind::Get { address: HOST, host: "connect.rom.miui.com", path: "/generate_204" };
    assert_eq!((get.kind, get.connect_by, get.give_up_at), (expected, at(5_100), at(14_500)));
}

/// What nobody reports on is given up, so that the next verdict does not wait for a lost socket.
#[test]
fn a_silent_owner_is_not_waited_for() {
    let (mut engine, mut rng) = up(Config::new(Region::Global, Family::Ipv4));
    let mut now = at(0);
    while !(engine.is_final() && *engine.verdict() != Verdict::Unknown) {
        let _ = tasks(&mut engine, now);
        now = engine.poll_at().expect("a round is under way").max(now);
        engine.handle_timeout(now, &mut rng);
        let _ = events(&mut engine);
    }
    assert_eq!(*engine.verdict(), Verdict::Offline { stage: Stage::Route });
    assert!(now <= at(15_000), "{now}");
}

/// A line that carries nothing in its first second: by then two addresses are looked at for themselves, and once resolvers
/// answer nobody waits for those.
#[test]
fn a_late_resolver_makes_up_for_addresses_that_do_not_answer() {
    let rows = ["xiaomi", "huawei"].map(|id| *find(id).expect("a row"));
    let (mut engine, mut rng) = up(Config::new(Region::Custom(&rows), Family::Ipv4));
    let mut under_way = tasks(&mut engine, at(0));
    engine.handle_timeout(at(1_000), &mut rng);
    let anchors = tasks(&mut engine, at(1_000));
    let is_anchor = |task: &Task<'_>| matches!(task.kind, TaskKind::Hello { server_name: None, .. });
    assert!(anchors.len() == 2 && anchors.iter().all(is_anchor), "{anchors:?}");
    let page = response("HTTP/1.1 204 No Content\r\n\r\n");
    let mut now = at(1_000);
    while let Some(task) = under_way.pop() {
        now += Duration::from_millis(10);
        let outcome = match &task.kind {
            TaskKind::Resolve { name, .. } if name.as_str() == probes::KNOWN_NAME => {
                Outcome::Addresses(&[IpAddr::V4(probes::KNOWN_IPV4)])
            }
            TaskKind::Resolve { name, .. } if rows.iter().any(|row| row.host == name.as_str()) => {
                Outcome::Addresses(&[HOST])
            }
            TaskKind::Resolve { .. } => Outcome::NoAddress(DnsError::NoSuchName),
            TaskKind::Get { .. } => Outcome::Response(page.response().expect("whole")),
            TaskKind::Hello { .. } => Outcome::Failed(Failure::ConnectTimeout),
        };
        if engine.awaits(task.id) && !is_anchor(&task) {
            engine.handle_result(now, task.id, 0, outcome).expect("awaited");
        }
        under_way.extend(tasks(&mut engine, now));
    }
    assert!(engine.is_final() && now < at(2_000), "{now}");
    assert!(matches!(engine.verdict(), Verdict::Online | Verdict::Partial { .. }), "{:?}", engine.verdict());
}

#[test]
fn outcomes_that_nobody_waits_for_or_that_do_not_fit_are_counted() {
    let (mut engine, _) = up(Config::new(Region::Cn, Family::Ipv4));
    let first = tasks(&mut engine, at(0)).remove(0);
    let page = response("HTTP/1.1 204 No Content\r\n\r\n");
    let misfit = Outcome::Response(page.response().expect("whole"));
    assert_eq!(engine.handle_result(at(1), first.id, 0, misfit), Err(Dropped::Mismatch));
    let failed = Outcome::Failed(Failure::AnswerTimeout);
    assert_eq!(engine.handle_result(at(2), first.id, 0, failed), Ok(()));
    assert_eq!(engine.handle_result(at(3), first.id, 0, failed), Err(Dropped::Late));
    engine.line_down(at(4));
    let _ = events(&mut engine);
    assert_eq!(engine.poll_task(at(4)), None);
    for reason in Dropped::ALL {
        assert_eq!(engine.counters().of(reason), 1, "{}", reason.name());
    }
}

/// A list of one's own: its order, its operators, one of whom is a quorum if there is no other.
#[test]
fn a_custom_list_of_one_is_a_quorum() {
    let mine = [Probe {
        id: "mine",
        owner: "me",
        served_by: "me",
        host: "probe.example",
        ..*find("kde").expect("a row")
    }];
    let (mut engine, mut rng) = up(Config::new(Region::Custom(&mine), Family::Ipv4));
    let page = response("HTTP/1.1 200 OK\r\n\r\nOK\n");
    let mut now = at(0);
    while *engine.verdict() == Verdict::Unknown {
        now += Duration::from_millis(20);
        for task in tasks(&mut engine, now) {
            let outcome = match &task.kind {
                TaskKind::Resolve { name, .. } if name.as_str() == "probe.example" => {
                    Outcome::Addresses(&[HOST])
                }
                TaskKind::Resolve { name, .. } if name.as_str() == probes::KNOWN_NAME => {
                    Outcome::Addresses(&[IpAddr::V4(probes::KNOWN_IPV4)])
                }
                TaskKind::Resolve { .. } => Outcome::Addresses(&[]),
                TaskKind::Get { host: "probe.example", path: "/", .. } => {
                    Outcome::Response(page.response().expect("whole"))
                }
                other => panic!("{other:?}"),
            };
            engine.handle_result(now, task.id, 100, outcome).expect("awaited");
        }
        engine.handle_timeout(now, &mut rng);
    }
    assert_eq!((engine.verdict(), engine.is_final()), (&Verdict::Online, true));
    assert!(engine.evidence().all(|seen| !matches!(seen.what, What::Tls { .. })), "no TLS server is named");
    assert_eq!(events(&mut engine), [Event::VerdictChanged { is_final: true }]);

    let (mut engine, _) = up(Config::new(Region::Custom(&[]), Family::Ipv4));
    assert!(tasks(&mut engine, at(0)).iter().all(|task| matches!(task.kind, TaskKind::Resolve { .. })));
}

#[test]
fn what_the_network_says_of_itself_is_kept_if_it_can_be_shown() {
    let mut engine = Engine::new(Config::new(Region::Cn, Family::Ipv4));
    let mut said = |text: Option<&str>| {
        engine.set_captive_portal_uri(text);
        engine.captive_portal_uri().cloned()
    };
    assert_eq!(said(Some("urn:ietf:params:capport:unrestricted")), Some(CaptivePortalUri::Unrestricted));
    let Some(CaptivePortalUri::Api(url)) = said(Some("https://portal.isp.test/api?session=1")) else {
        panic!("shown")
    };
    assert_eq!(url.as_str(), "https://portal.isp.test/api?session=1");
    for text in [Some("javascript:alert(1)"), Some(""), Some("/api"), None] {
        assert_eq!(said(text), None, "{text:?}");
    }
    engine.set_captive_portal_uri(Some("https://portal.isp.test/api"));
    engine.line_down(at(0));
    assert_eq!(engine.captive_portal_uri(), None, "the next line says its own");
}

#[test]
fn every_verdict_has_a_sentence_in_both_languages() {
    use gatelet_proto::connectivity::{Impairment, Url};
    let url = Url::parse("http://portal.isp.test/login").expect("a URL");
    let partial = [Impairment::Operators, Impairment::Http, Impairment::Https, Impairment::Dns]
        .map(|impaired| Verdict::Partial { impaired });
    let offline = [Stage::Route, Stage::Dns, Stage::Tcp, Stage::Http].map(|stage| Verdict::Offline { stage });
    let single = [Verdict::Unknown, Verdict::Online, Verdict::Hijacked, Verdict::Portal { url }];
    let mut sentences = std::collections::BTreeSet::new();
    let verdicts: Vec<_> = single.into_iter().chain(partial).chain(offline).collect();
    for verdict in &verdicts {
        let (mut english, mut chinese) = (String::new(), String::new());
        verdict.write(&mut english, Language::English).expect("a String takes it");
        verdict.write(&mut chinese, Language::Chinese).expect("a String takes it");
        assert!(english.is_ascii() && english.ends_with('.') && !english.contains("  "), "{english}");
        assert!(chinese.ends_with('。') && !chinese.contains("  "), "{chinese}");
        if matches!(verdict, Verdict::Portal { .. }) {
            let told = "open http://portal.isp.test/login on a device in your network.";
            assert!(english.ends_with(told), "{english}");
        }
        sentences.insert(english);
    }
    assert_eq!(sentences.len(), verdicts.len(), "each its own");
}
