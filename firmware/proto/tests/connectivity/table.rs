//! What the table of probes promises.

use std::collections::BTreeSet;

use gatelet_proto::connectivity::probes::{
    ChinaClass, Confidence, Expect, Ipv6, Scheme, Sets, TABLE, Tls, find,
};
use gatelet_proto::connectivity::{PROBES_MAX, ROWS_MAX, Url};
use gatelet_wire::http::{BODY_MAX, emit_get};

const USED: Sets = Sets::CN.and(Sets::CN_EXTRA).and(Sets::CN_V6).and(Sets::GLOBAL).and(Sets::GLOBAL_V6);
const CHINA: Sets = Sets::CN.and(Sets::CN_EXTRA).and(Sets::CN_V6);

#[test]
fn ids_are_unique_and_rows_fit() {
    let ids: BTreeSet<_> = TABLE.iter().map(|probe| probe.id).collect();
    assert_eq!(ids.len(), TABLE.len());
    assert!(TABLE.len() <= ROWS_MAX);
    assert_eq!(find("apple").map(|probe| probe.host), Some("captive.apple.com"));
    assert_eq!(find("nobody"), None);
}

#[test]
fn every_row_can_be_asked_shown_and_compared() {
    for probe in &TABLE {
        assert!(emit_get(&mut [0; 512], probe.host, probe.path).is_ok(), "{}", probe.id);
        let url = Url::of_probe(probe).expect(probe.id);
        let scheme = if probe.scheme == Scheme::Https { "https" } else { "http" };
        assert_eq!(url.as_str(), format!("{scheme}://{}{}", probe.host, probe.path));
        if let Expect::Body(body) | Expect::BodyContains(body) = probe.expect {
            assert!(!body.is_empty() && body.len() < BODY_MAX && body.trim() == body, "{}", probe.id);
        }
        assert!(!probe.source.is_empty() && !probe.owner.is_empty() && !probe.served_by.is_empty());
    }
}

#[test]
fn the_sets_hold_what_they_may() {
    for probe in TABLE.iter().filter(|probe| probe.sets.has(USED)) {
        assert_eq!(probe.scheme, Scheme::Http, "{}: certificates are not judged", probe.id);
        assert_ne!(probe.expect, Expect::Unknown, "{}", probe.id);
        assert_ne!(probe.confidence, Confidence::Low, "{}", probe.id);
        if probe.sets.has(CHINA) {
            assert_eq!(probe.china, ChinaClass::Stable, "{}", probe.id);
            assert_ne!(probe.owner, "Google", "{}", probe.id);
        }
        if probe.sets.has(Sets::CN_V6.and(Sets::GLOBAL_V6)) {
            assert!(matches!(probe.ipv6, Ipv6::Yes | Ipv6::Only), "{}", probe.id);
        }
        assert_ne!(probe.china, ChinaClass::Blocked, "{}", probe.id);
    }
}

/// A quorum needs two operators; one may be missing.
#[test]
fn every_set_has_three_operators() {
    for (set, v6) in [
        (Sets::CN, false),
        (Sets::CN_V6.and(Sets::CN), true),
        (Sets::GLOBAL, false),
        (Sets::GLOBAL_V6.and(Sets::GLOBAL), true),
    ] {
        let of_set = |probe: &&gatelet_proto::connectivity::probes::Probe<'_>| {
            let fits =
                if v6 { matches!(probe.ipv6, Ipv6::Yes | Ipv6::Only) } else { probe.ipv6 != Ipv6::Only };
            probe.sets.has(set) && fits
        };
        let mut operators: Vec<&gatelet_proto::connectivity::probes::Probe<'_>> = Vec::new();
        for probe in TABLE.iter().filter(of_set) {
            if !operators.iter().any(|other| other.is_same_operator(probe)) {
                operators.push(probe);
            }
        }
        assert!(operators.len() >= 3, "{set:?}");
        assert!(operators.len() <= PROBES_MAX, "{set:?}: all of them are asked");
    }
}

#[test]
fn brands_of_one_owner_or_one_network_count_once() {
    let same = |a: &str, b: &str| find(a).expect(a).is_same_operator(find(b).expect(b));
    assert!(same("ms", "ms-edge") && same("ms", "apple-www") && same("google-cc", "gstatic"));
    assert!(same("qualcomm-cn", "cloudflare") && same("kindle", "fireos"));
    assert!(!same("apple", "ms") && !same("huawei", "honor"));
}

/// What is known of TLS says something about HTTPS probes too.
#[test]
fn https_rows_have_a_tls_server() {
    for probe in TABLE.iter().filter(|probe| probe.scheme == Scheme::Https) {
        assert!(matches!(probe.tls, Tls::Status(204)), "{}", probe.id);
    }
}
