//! Models of what others do, as far as their verdict depends on it. Sources: Android's `NetworkMonitor` and
//! `CaptivePortalProbeResult` (AOSP), `NetworkManager`'s `nm-connectivity.c`, Firefox' `CaptiveDetect`.

use std::net::IpAddr;
use std::time::Duration;

use gatelet_proto::connectivity::{Family, Transport};
use gatelet_wire::http::{Progress, Response, ResponseReader};
use gatelet_wire::tls::{ANSWER_MAX, Answer};

use gatelet_sim::peers::portal::{Connection, DNS_DELAY, Meeting, Network, ROUND_TRIP, Reply};

/// Android waits this long for its probes.
const ANDROID_PROBES: Duration = Duration::from_secs(3);
/// `NetworkManager` gives a transfer this long.
const NETWORK_MANAGER: Duration = Duration::from_secs(20);
/// Firefox gives an attempt this long, and makes this many.
const FIREFOX: Duration = Duration::from_secs(5);
const FIREFOX_ATTEMPTS: usize = 6;

/// What a host says that was asked for a page of somebody else's.
pub(crate) const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// Its strategy's word for `network`.
pub(crate) fn android(network: &Network) -> &'static str {
    let http = get(network, "connectivitycheck.gstatic.com", "/generate_204", ANDROID_PROBES, |response| {
        // The status, and of a 200 one octet or the end: an empty page is none.
        response.status != 200 || !response.body.is_empty() || response.is_complete
    });
    let status = match &http {
        Some(reader) => reader.response().map(|response| {
            let is_tiny = response.status == 200 && response.is_complete && response.body.len() <= 4;
            if is_tiny { 599 } else { response.status }
        }),
        None => None,
    };
    let is_valid = hello(network, "www.google.com", ANDROID_PROBES);
    match status {
        Some(200..=203 | 205..=399) => "portal",
        _ if is_valid => "online",
        Some(204) => "partial",
        _ => "offline",
    }
}

/// Its strategy's word for `network`.
pub(crate) fn network_manager(network: &Network) -> &'static str {
    const EXPECTED: &[u8] = b"NetworkManager is online";
    let reader = get(network, "network-test.debian.org", "/nm", NETWORK_MANAGER, |response| {
        response.body.len() >= EXPECTED.len() || response.is_complete
    });
    match reader.as_ref().and_then(ResponseReader::response) {
        Some(response) if response.body.starts_with(EXPECTED) => "online",
        Some(_) => "portal",
        None => "offline",
    }
}

/// Its strategy's word for `network`.
pub(crate) fn firefox(network: &Network) -> &'static str {
    for _ in 0..FIREFOX_ATTEMPTS {
        let reader = get(network, "detectportal.firefox.com", "/success.txt", FIREFOX, |response| {
            matches!(response.status, 300..=399) || response.is_complete
        });
        match reader.as_ref().and_then(ResponseReader::response) {
            Some(Response { status: 200, body: b"success\n", .. }) => return "online",
            Some(Response { status: 200 | 300..=399 | 511, .. }) => return "portal",
            _ => {}
        }
    }
    "unknown"
}

/// A GET that takes `limit` at most, until `is_enough`.
fn get(
    network: &Network,
    host: &str,
    path: &str,
    limit: Duration,
    is_enough: impl Fn(&Response<'_>) -> bool,
) -> Option<ResponseReader> {
    let (address, mut at) = resolve(network, host)?;
    at += 2 * ROUND_TRIP;
    let meeting = (network.tcp)(&Connection { address, port: 80, host, path });
    let (at_once, drip) = match meeting {
        Meeting::Stream { at_once, drip } => (at_once, drip),
        Meeting::Page => (NOT_FOUND.to_vec(), None),
        Meeting::Dropped | Meeting::Reset => return None,
    };
    let mut reader = ResponseReader::new();
    let mut progress = reader.push(&at_once);
    let mut unit = drip.iter().flat_map(|(_, unit)| unit).copied().cycle();
    while at <= limit {
        if drip.is_none() && progress == Ok(Progress::More) {
            progress = reader.close();
        }
        progress.ok()?;
        if reader.response().is_some_and(|response| is_enough(&response)) {
            return Some(reader);
        }
        // Read to the end, or to where our reader stops, and still not enough.
        if progress == Ok(Progress::Done) {
            return None;
        }
        let (pause, _) = drip.as_ref()?;
        at += *pause;
        progress = reader.push(&[unit.next()?]);
    }
    None
}

/// Whether a TLS server answers; its certificate is taken for good.
fn hello(network: &Network, host: &str, limit: Duration) -> bool {
    let Some((address, at)) = resolve(network, host) else { return false };
    let meeting = (network.tcp)(&Connection { address, port: 443, host: "", path: "" });
    match meeting {
        Meeting::Stream { at_once, .. } if at + 2 * ROUND_TRIP <= limit => {
            matches!(
                Answer::parse(&at_once[..at_once.len().min(ANSWER_MAX)]),
                Ok(Some(Answer::ServerHello(_)))
            )
        }
        _ => false,
    }
}

/// By the first resolver, by UDP: it answers at once or not at all.
fn resolve(network: &Network, host: &str) -> Option<(IpAddr, Duration)> {
    match (network.dns)(0, Transport::Udp, host, Family::Ipv4) {
        Reply::Addresses(addresses) => Some((*addresses.first()?, DNS_DELAY)),
        _ => None,
    }
}
