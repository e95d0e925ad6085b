//! What the person (or the script) at the terminal sees, as it happens.

use std::io::{self, IsTerminal, Write};

use gatelet_proto::connectivity::{self, CaptivePortalUri, Engine, Evidence, Verdict, What};
use gatelet_proto::sixinfour::update;
use gatelet_router::{Ipv4Status, Ipv6Status, RouterEvent, TunnelId, WanEvent};
use serde_json::{Map, Value, json};
use smoltcp::time::Instant;

use super::session::link_local;
use crate::narrate;
use crate::timeline::{Actor, Entry, Painter, Tone};

/// Columns where the terminal does not tell.
const WIDTH: usize = 100;

/// Writes each event at once: a line of the timeline, or an object of JSON.
pub struct Output {
    json: bool,
    is_quiet: bool,
    painter: Painter,
}

impl Output {
    /// To standard output, unless `is_quiet`.
    pub fn new(json: bool, is_quiet: bool) -> Self {
        let columns =
            if io::stdout().is_terminal() { console::Term::stdout().size().1.into() } else { WIDTH };
        Self { json, is_quiet, painter: Painter { width: columns } }
    }

    /// Tells what the router reports.
    pub fn event(&self, at: Instant, event: &RouterEvent) {
        if let Some(entry) = narrate::entry(event, at, Instant::ZERO) {
            self.write(&entry, details(event));
        }
    }

    /// Tells what came of telling a tunnel's broker our address.
    pub fn tunnel_update(&self, at: Instant, tunnel: TunnelId, event: update::Event) {
        let entry = narrate::tunnel_update(tunnel, event, at, Instant::ZERO);
        let mut details = Map::new();
        details.insert("tunnel".into(), json!(tunnel.0));
        if let update::Event::Updated { address, .. } | update::Event::OtherAddress { address } = event {
            details.insert("address".into(), json!(address.to_string()));
        }
        self.write(&entry, details);
    }

    /// Tells what the router has found out about the Internet.
    pub fn connectivity(&self, at: Instant, event: connectivity::Event, engine: &Engine<'_>) {
        let Some(entry) = narrate::connectivity(event, engine, at, Instant::ZERO) else { return };
        let mut details = Map::new();
        if let connectivity::Event::VerdictChanged { is_final } = event {
            let verdict = engine.verdict();
            details.insert("family".into(), json!(engine.config().family.name()));
            details.insert("verdict".into(), json!(verdict.name()));
            details.insert("detail".into(), json!(verdict.detail()));
            details.insert("final".into(), json!(is_final));
            if let Verdict::Portal { url } = verdict {
                details.insert("url".into(), json!(url.as_str()));
            }
            if let Some(CaptivePortalUri::Api(uri)) = engine.captive_portal_uri() {
                details.insert("captive_portal".into(), json!(uri.as_str()));
            }
            details
                .insert("evidence".into(), engine.evidence().map(|seen| evidence(engine, &seen)).collect());
        }
        self.write(&entry, details);
    }

    /// Tells what this program itself has to say.
    pub fn note(&self, at: Instant, tag: &'static str, what: String, tone: Tone) {
        let entry = Entry { at, actor: Actor::User, tag, what, why: String::new(), tone, until: None };
        self.write(&entry, Map::new());
    }

    fn write(&self, entry: &Entry, details: Map<String, Value>) {
        if self.is_quiet {
            return;
        }
        let mut out = io::stdout().lock();
        // A reader that has gone away is no reason to hang up.
        let _ = if self.json {
            let mut object = Map::new();
            object.insert("at".into(), json!(seconds(entry.at)));
            object.insert("event".into(), json!(entry.tag));
            object.insert("what".into(), json!(entry.what));
            if !entry.why.is_empty() {
                object.insert("why".into(), json!(entry.why));
            }
            if let Some(until) = entry.until {
                object.insert("until".into(), json!(seconds(until)));
            }
            object.extend(details);
            writeln!(out, "{}", Value::Object(object))
        } else {
            writeln!(out, "{}", self.painter.paint(entry))
        };
        let _ = out.flush();
    }
}

/// What scripts want of an event beyond its name. Times in seconds.
fn details(event: &RouterEvent) -> Map<String, Value> {
    let value = match event {
        RouterEvent::Wan(_, event) => wan_details(event),
        RouterEvent::WallClock { unix_seconds } => json!({ "unix_seconds": unix_seconds }),
        _ => Value::Null,
    };
    match value {
        Value::Object(details) => details,
        _ => Map::new(),
    }
}

fn wan_details(event: &WanEvent) -> Value {
    match event {
        WanEvent::PadoReceived { ac_mac, ac_name, .. } => {
            json!({ "ac_mac": ac_mac.to_string(), "ac_name": ac_name.as_str() })
        }
        WanEvent::PadsReceived { ac_mac, session_id, max_payload } => {
            json!({ "ac_mac": ac_mac.to_string(), "session_id": session_id, "max_payload": max_payload })
        }
        WanEvent::Up { ipv4: Ipv4Status { address, peer, dns }, mtu, since_dial } => json!({
            "address": address.to_string(),
            "peer": peer.map(|peer| peer.to_string()),
            "dns": dns.iter().flatten().map(ToString::to_string).collect::<Vec<_>>(),
            "mtu": mtu,
            "since_dial": micros(since_dial.total_micros()),
        }),
        WanEvent::Ipv6Up { ipv6: Ipv6Status { local, peer }, mtu, since_dial } => json!({
            "address": link_local(*local).to_string(),
            "peer": peer.map(|peer| link_local(peer).to_string()),
            "mtu": mtu,
            "since_dial": micros(since_dial.total_micros()),
        }),
        WanEvent::Down { failure, uptime } => json!({
            "failure": failure.name(),
            "windows_code": failure.windows_code(),
            "uptime": uptime.map(|uptime| micros(uptime.total_micros())),
        }),
        _ => Value::Null,
    }
}

/// Which check, where, what it said.
fn evidence(engine: &Engine<'_>, seen: &Evidence) -> Value {
    let id = |row| engine.probe(row).map_or("", |probe| probe.id);
    let what = match seen.what {
        What::Http { row } => format!("http {}", id(row)),
        What::Tls { row } => format!("tls {}", id(row)),
        What::KnownName { resolver, transport } => format!("known name, resolver {resolver}, {transport:?}"),
        What::RandomName { resolver } => format!("random name, resolver {resolver}"),
        What::Anchor { row } => format!("anchor {}", row.map_or("", id)),
    };
    json!({
        "what": what,
        "address": seen.address.map(|address| address.to_string()),
        "finding": seen.finding.map(|(finding, _)| finding.name()),
        "began": seconds(seen.began_at),
        "at": seen.finding.map(|(_, at)| seconds(at)),
    })
}

fn seconds(at: Instant) -> f64 {
    micros(u64::try_from(at.total_micros()).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "2^53 µs are 285 years")]
fn micros(micros: u64) -> f64 {
    micros as f64 / 1e6
}
