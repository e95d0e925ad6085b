//! That the LAN's judges see what they are there to see: a scenario that must hold is made to fail.

use gatelet_sim::scenario::{self, File, Options, Report};

/// Runs a scenario of the program with something in its file replaced.
fn run_with(name: &str, changes: &[(&str, &str)]) -> Report {
    let mut text = scenario::find(name).expect(name).text.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from:?}");
        text = text.replace(from, to);
    }
    let file = File::parse(&text).expect(name);
    scenario::run(name, &file, Options::default()).expect(name)
}

fn failed(report: &Report) -> Vec<&str> {
    report.checks.iter().filter(|check| !check.passed).map(|check| check.name.as_str()).collect()
}

#[test]
fn an_open_door_is_seen() {
    // The scan gets in where the owner lets everybody in.
    let report = run_with(
        "port-scan",
        &[
            ("[lan]\n", "[lan]\n[nat]\ndmz = \"192.168.1.20\"\n"),
            ("name = \"nas\"\n", "name = \"nas\"\naddress = \"192.168.1.20\"\n"),
        ],
    );
    assert!(report.counters["lan-intruded"] > 200, "{:?}", report.counters);
    assert!(failed(&report).contains(&"nothing gets into the LAN that nobody asked for"));
}

#[test]
fn a_forward_that_is_not_there_leads_nowhere() {
    let report = run_with("port-forward", &[("port = 8080\nto = ", "port = 9090\nto = ")]);
    assert_eq!(failed(&report)[0], "the pictures came, both times");
}

#[test]
fn a_dead_dns_server_is_seen() {
    let report = run_with(
        "dns-failover",
        &[(
            "do = \"dns-failure\"\nat = \"200s\"\nfor = \"90s\"",
            "do = \"cut\"\nat = \"200s\"\nfor = \"90s\"",
        )],
    );
    assert!(failed(&report).contains(&"every name resolves"), "{:?}", failed(&report));
}

#[test]
fn a_page_that_does_not_come_is_seen() {
    let report = run_with("lan-surf", &[("rate = 50_000_000", "rate = 50_000_000\nmax-frame-len = 1400")]);
    assert!(failed(&report).contains(&"every page came, whole"), "{:?}", failed(&report));
    let report = run_with("nat-timeouts", &[("port = 10_270", "port = 10_320")]);
    assert_eq!(failed(&report), ["no datagram was lost"]);
}

#[test]
fn a_black_hole_on_the_way_is_seen() {
    let report = run_with("ipv6-pmtu", &[("path-mtu = 1400", "path-mtu = 1400\nblack-hole = true")]);
    assert!(failed(&report).contains(&"every page comes"), "{:?}", failed(&report));
    // As long as the owner has not said that the tunnel takes no more.
    let own = "prefix = [\"2001:db8:c000::/48\"]\n";
    let report = run_with("sit-black-hole", &[(&format!("{own}mtu = 1280"), own)]);
    assert!(failed(&report).contains(&"every page comes"), "{:?}", failed(&report));
}

#[test]
fn what_is_not_routed_into_a_tunnel_is_seen_in_it() {
    let report = run_with("sit-client", &[("routed = [\"2001:db8:c000::", "routed = [\"2001:db8:c001::")]);
    assert!(failed(&report).contains(&"what goes into the tunnel is in order and the client's own"));
}

#[test]
fn an_endpoint_that_does_not_answer_is_not_believed() {
    let report =
        run_with("sit-endpoint", &[("ping-from = \"192.0.2.41/32\"", "ping-from = \"192.0.2.42/32\"")]);
    assert!(failed(&report).contains(&"the broker has the new one"), "{:?}", failed(&report));
    assert_eq!((report.counters["endpoint-updates"], report.counters["endpoint-updates-refused"]), (0, 1));
}

#[test]
fn a_world_with_a_lan_is_the_same_each_time_and_another_with_another_seed() {
    let file = scenario::find("lan-surf").unwrap().parse().unwrap();
    let run = |seed| {
        scenario::run("lan-surf", &file, Options { seed: Some(seed), ..Options::default() }).unwrap().digest
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn mistakes_in_a_lan_are_named() {
    let cases = [
        ("[lan]\naddress = \"192.168.1.1\"", "write it like"),
        ("[lan]\n[[lan.host]]\nname = \"a\"\n[[lan.host.task]]\ndo = \"fetchh\"\nat = \"1s\"", "fetchh"),
        ("[lan]\n[[lan.host]]\nname = \"a\"\n[[lan.host.task]]\ndo = \"hold\"\nat = \"1s\"", "for how long"),
        ("[lan]\n[[lan.host]]\nname = \"a\"\n[[lan.host.task]]\ndo = \"fetch\"", "say when"),
        (
            "[lan]\n[[lan.host]]\nname = \"a\"\n[[lan.host.task]]\ndo = \"ping\"\nat = \"1s\"\nname = \"x\"\nto = \"192.0.2.1\"",
            "two ways",
        ),
        ("[ipv6]", "there is no [lan]"),
        ("[lan]\n[ipv6]\ndelegates = 40", "48 to 64"),
        ("[lan]\n[[broker.tunnel]]\nclient = \"2001:db8::2/64\"", "`server` is missing"),
        ("[lan]\n[[tunnel]]\nremote = \"192.0.2.41\"\naddress = \"2001:db8::2/96\"", "tunnel network"),
        ("[lan]\n[[tunnel]]\nremote = \"192.0.2.41\"\naddress = \"2001:db8::2\"", "write it like"),
        ("[lan]\n[[fault]]\ndo = \"path-mtu\"\nat = \"1s\"", "`mtu` is missing"),
        ("[lan]\n[[forward]]\nport = 0\nto = \"192.168.1.2\"", "port 0 cannot be"),
        ("[[forward]]\nport = 80\nto = \"192.168.1.2\"", "there is no [lan]"),
        ("[lan]\n[[lan.host]]\nname = \"a\"\ncount = 5000", "more than 1000"),
        ("[lan]\n[[fault]]\ndo = \"attack\"\nat = \"1s\"\nfor = \"1s\"", "`kind` is missing"),
    ];
    for (text, complaint) in cases {
        let text = format!("title = 'x'\nlasts = '1s'\n{text}\n");
        let error = File::parse(&text)
            .and_then(|file| scenario::run("x", &file, Options::default()).map(drop))
            .expect_err(&text);
        assert!(error.contains(complaint), "{text}: {error}");
    }
}
