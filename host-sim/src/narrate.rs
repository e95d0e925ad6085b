//! What the router reports, as lines of a timeline.

use std::fmt::Write;

use gatelet_proto::connectivity::{self, CaptivePortalUri, Engine, Family, Verdict};
use gatelet_proto::dhcp::client::Loss;
use gatelet_proto::dhcp::server as dhcp;
use gatelet_proto::ppp::{LinkEvent, PeerMessage, RepeatCause};
use gatelet_proto::pppoe::RefusalKind;
use gatelet_proto::redial::{Advice, Doing, Failure, HangUpReason, Language, Note};
use gatelet_proto::sixinfour::{liveness, update};
use gatelet_router::{AddressKind, DatapathEvent, Ipv6Event, PadtReason, RouterEvent, TunnelId, WanEvent};
use gatelet_wire::ppp::Protocol;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use crate::scenario::values::format_duration;
use crate::timeline::{Actor, Entry, Tone, clock};

/// A line of the timeline for `event`, which happened at `at` of the router's clock, which began when the
/// world was `booted` old. `None` for steps that another event tells better.
pub fn entry(event: &RouterEvent, at: Instant, booted: Instant) -> Option<Entry> {
    let line = match event {
        RouterEvent::ShutDown => Line::new("shut-down", "shut down: every session is ended"),
        RouterEvent::Wan(_, event) => wan(event, at, booted)?,
        RouterEvent::Dhcp(event) => dhcp(event),
        RouterEvent::Datapath(event) => datapath(event),
        RouterEvent::WallClock { unix_seconds } => {
            let of_day = unix_seconds % 86_400;
            let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
            Line::new("time-of-day", format!("it is {hours:02}:{minutes:02}:{seconds:02} UTC"))
                .because(format!("{unix_seconds} s since 1970"))
        }
        RouterEvent::Ipv6(event) => ipv6(event),
    };
    Some(line.entry(at, booted))
}

/// A line of the timeline for what came of telling a tunnel's broker our address.
pub fn tunnel_update(tunnel: TunnelId, event: update::Event, at: Instant, booted: Instant) -> Entry {
    let (tag, tone) =
        if event.is_good() { ("broker-told", Tone::Good) } else { ("broker-not-told", Tone::Bad) };
    Line::new(tag, format!("tunnel {}: {event}", tunnel.0)).tone(tone).entry(at, booted)
}

/// A line of the timeline for `event` of `engine`, as it stands now.
pub fn connectivity(
    event: connectivity::Event,
    engine: &Engine<'_>,
    at: Instant,
    booted: Instant,
) -> Option<Entry> {
    use connectivity::Event;
    let family = match engine.config().family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    };
    let probe = |row| engine.probe(row).map_or("of no list", |probe| probe.id);
    let line = match event {
        Event::VerdictChanged { .. } if *engine.verdict() == Verdict::Unknown => return None,
        Event::VerdictChanged { is_final } => {
            let verdict = engine.verdict();
            let detail = match verdict {
                Verdict::Portal { url } => format!(": {}", url.as_str()),
                _ => verdict.detail().map_or(String::new(), |detail| format!(": {detail}")),
            };
            let mut why = String::new();
            // A String takes everything.
            let _ = verdict.write(&mut why, Language::English);
            if let Some(CaptivePortalUri::Api(uri)) = engine.captive_portal_uri() {
                let _ = write!(why, " The network names a portal: {}", uri.as_str());
            }
            let (tag, so_far) =
                if is_final { ("verdict", "") } else { ("verdict-so-far", ", as it looks so far") };
            let tone = match verdict {
                Verdict::Online => Tone::Good,
                Verdict::Unknown | Verdict::Partial { .. } | Verdict::Portal { .. } => Tone::Notice,
                Verdict::Hijacked | Verdict::Offline { .. } => Tone::Bad,
            };
            Line::new(tag, format!("{family} is {}{detail}{so_far}", verdict.name())).because(why).tone(tone)
        }
        Event::DnsCacheFrozen => {
            Line::new("dns-frozen", "DNS answers are neither kept nor served from the cache")
                .because("what resolves now is forged, or will be wrong soon")
        }
        Event::DnsCacheThawed => Line::new("dns-thawed", "the DNS cache is used again"),
        Event::RebindRelaxed => {
            let name = engine.portal_name().unwrap_or_default();
            Line::new("rebind-relaxed", format!("{name} may have a private address"))
                .because("a portal lives there")
        }
        Event::RebindRestored => Line::new("rebind-restored", "no name may have a private address any more"),
        Event::NoTraffic => Line::new("no-traffic", "the session has an address, but nothing comes back")
            .because("two rounds of checks, and no traffic of LAN hosts")
            .tone(Tone::Bad),
        Event::ProbeDemoted { row } => {
            Line::new("probe-demoted", format!("probe {} is asked seldom from now on", probe(row)))
                .because("it failed twice while others succeeded")
        }
        Event::ProbeRestored { row } => {
            Line::new("probe-restored", format!("probe {} works again", probe(row)))
        }
    };
    Some(line.entry(at, booted))
}

/// What a WAN's address is about.
fn address(event: &WanEvent) -> Option<Line> {
    Some(match event {
        WanEvent::DhcpSent { message, attempt: 1 } => Line::new("dhcp-sent", format!("DHCP {message:?}")),
        WanEvent::DhcpSent { message, attempt } => {
            Line::new("dhcp-sent", format!("DHCP {message:?} again ({attempt})")).because("no answer yet")
        }
        WanEvent::Leased { address, server, duration } => {
            let term = duration.map_or("for ever".into(), |term| format!("for {}", format_duration(term)));
            Line::new("wan-leased", format!("DHCP gives us {address}"))
                .because(format!("by {server}, {term}"))
        }
        WanEvent::LeaseRenewed => Line::new("wan-lease-kept", "DHCP: the lease is renewed"),
        WanEvent::LeaseLost(loss) => Line::new("wan-lease-lost", "no address any more")
            .because(match loss {
                Loss::Refused => "the DHCP server says that it is not ours",
                Loss::Expired => "nobody renewed the lease",
                Loss::LinkDown => "no carrier",
                Loss::Conflict => "somebody else has it",
            })
            .tone(Tone::Bad),
        WanEvent::AddressInUse { address } => Line::new("address-in-use", format!("{address} is in use"))
            .because("the DHCP server gave it to us, and another station answers for it")
            .tone(Tone::Bad),
        WanEvent::BehindNat { address, kind } => Line::new(
            "behind-nat",
            match kind {
                AddressKind::CarrierGrade => format!("{address} is behind the carrier's own NAT (CGNAT)"),
                AddressKind::Private | AddressKind::Public => {
                    format!("{address} is a private address: behind another NAT")
                }
            },
        )
        .because(
            "port forwards and 6in4 cannot be reached from outside; ask the carrier for a public address",
        )
        .tone(Tone::Notice),
        WanEvent::Clash { wan, lan, suggestion } => {
            Line::new("clash", format!("the LAN {lan} and the WAN {wan} use the same addresses"))
                .because(format!(
                    "what is in both is reached on the LAN only; {suggestion} would do for the LAN"
                ))
                .tone(Tone::Bad)
        }
        _ => return None,
    })
}

fn dhcp(event: &dhcp::Event) -> Line {
    use dhcp::Event::{
        Conflict, Declined, Exhausted, Expired, Granted, Refused, Released, Renewed, Withdrawn,
    };
    match event {
        Granted { address, mac } => Line::new("lease", format!("DHCP: {address} for {mac}")),
        Renewed { address, mac } => Line::new("lease-renewed", format!("DHCP: {mac} keeps {address}")),
        Released { address, mac } => Line::new("lease-released", format!("DHCP: {mac} gives {address} back")),
        Expired { address, mac } => {
            Line::new("lease-expired", format!("DHCP: the lease of {address} is over"))
                .because(format!("{mac} did not renew it"))
        }
        Declined { address, mac } => Line::new("lease-declined", format!("DHCP: {address} is in use"))
            .because(format!("{mac} found somebody else there"))
            .tone(Tone::Notice),
        Conflict { address, mac } => Line::new("lease-conflict", format!("DHCP: {address} is in use"))
            .because(format!("{mac} answers for it"))
            .tone(Tone::Notice),
        Refused { address, mac } => Line::new("lease-refused", format!("DHCP: {mac} cannot have {address}")),
        Withdrawn { address, mac } => Line::new("lease-withdrawn", format!("DHCP: {mac} loses {address}")),
        Exhausted => Line::new("dhcp-exhausted", "DHCP: no address is left for a newcomer").tone(Tone::Bad),
    }
}

fn datapath(event: &DatapathEvent) -> Line {
    match event {
        DatapathEvent::AddressConflict { address, mac } => {
            Line::new("address-conflict", format!("another station has our address {address}"))
                .because(format!("{mac} says so"))
                .tone(Tone::Bad)
        }
        DatapathEvent::NeighbourDisputed { address, mac } => {
            Line::new("neighbour-disputed", format!("{mac} claims the address {address}"))
                .because("its holder is asked first")
                .tone(Tone::Notice)
        }
        DatapathEvent::HostQuota { address } => {
            Line::new("host-quota", format!("{address} has as many connections as one host may have"))
                .because("further ones are dropped")
                .tone(Tone::Notice)
        }
        DatapathEvent::FlowTableFull => {
            Line::new("flow-table-full", "the table of flows is full").tone(Tone::Bad)
        }
        DatapathEvent::Rule { number, action, source, destination } => {
            Line::new("rule", format!("rule {number}: {action:?} {source} to {destination}"))
        }
        DatapathEvent::Ipv6AddressConflict { address, mac } => {
            Line::new("address-conflict", format!("another station has our address {address}"))
                .because(format!("{mac} says so"))
                .tone(Tone::Bad)
        }
        DatapathEvent::Ipv6NeighbourDisputed { address, mac } => {
            Line::new("neighbour-disputed", format!("{mac} claims the address {address}"))
                .because("its holder is asked first")
                .tone(Tone::Notice)
        }
        DatapathEvent::Ipv6HostQuota { address } => {
            Line::new("host-quota", format!("{address} has as many connections as one host may have"))
                .because("further ones are dropped")
                .tone(Tone::Notice)
        }
        DatapathEvent::Ipv6Rule { number, action, source, destination } => {
            Line::new("rule", format!("rule {number}: {action:?} {source} to {destination}"))
        }
        DatapathEvent::TunnelBehindNat { tunnel, address, kind } => {
            Line::new("tunnel-behind-nat", format!("tunnel {} cannot work from {address}", tunnel.0))
                .because(format!("the address is {kind:?}: protocol 41 does not come through"))
                .tone(Tone::Bad)
        }
        DatapathEvent::TunnelPathMtu { tunnel, mtu } => {
            Line::new("tunnel-path-mtu", format!("tunnel {} carries {mtu} bytes at once", tunnel.0))
                .because("a router on its path says so")
        }
        DatapathEvent::FlowsCut { flows } => {
            Line::new("flows-cut", format!("{flows} connections through the old address are cut"))
                .because("the address is another one")
                .tone(Tone::Notice)
        }
    }
}

fn ipv6(event: &Ipv6Event) -> Line {
    match event {
        Ipv6Event::Router { address, .. } => {
            Line::new("ipv6-router", format!("IPv6: the way out is {address}"))
        }
        Ipv6Event::RouterLost { .. } => {
            Line::new("ipv6-router-lost", "IPv6: there is no way out any more").tone(Tone::Bad)
        }
        Ipv6Event::Address { address, .. } => Line::new("ipv6-address", format!("IPv6: we have {address}")),
        Ipv6Event::AddressDeprecated { address, .. } => {
            Line::new("ipv6-address-deprecated", format!("IPv6: {address} is used for nothing new"))
        }
        Ipv6Event::AddressLost { address, .. } => {
            Line::new("ipv6-address-lost", format!("IPv6: {address} is ours no more"))
        }
        Ipv6Event::Delegated { prefix, .. } => {
            Line::new("ipv6-delegated", format!("IPv6: {prefix} is delegated to us")).tone(Tone::Good)
        }
        Ipv6Event::DelegationLost { prefix, .. } => {
            Line::new("ipv6-delegation-lost", format!("IPv6: {prefix} is ours no more")).tone(Tone::Notice)
        }
        Ipv6Event::NothingDelegated { .. } => {
            Line::new("ipv6-nothing-delegated", "IPv6: the line has no prefix for us").tone(Tone::Notice)
        }
        Ipv6Event::SettingsChanged { .. } => {
            Line::new("ipv6-settings", "IPv6: DNS servers, MTU or portal have changed")
        }
        Ipv6Event::OtherRouter { address } => {
            Line::new("ipv6-other-router", format!("{address} advertises on our LAN, too"))
                .because("hosts may send to it")
                .tone(Tone::Bad)
        }
        Ipv6Event::TunnelMoved { tunnel, remote } => {
            Line::new("tunnel-moved", format!("tunnel {}: the far end is at {remote} now", tunnel.0))
        }
        Ipv6Event::Tunnel { tunnel, state } => {
            let (what, tone) = match state {
                liveness::State::Unknown => ("is not watched", Tone::Plain),
                liveness::State::Up => ("is up", Tone::Good),
                liveness::State::Degraded => ("loses packets", Tone::Notice),
                liveness::State::Down => ("is down", Tone::Bad),
            };
            Line::new("tunnel", format!("tunnel {} {what}", tunnel.0)).tone(tone)
        }
    }
}

/// A moment of the router's clock in the world's.
fn world(at: Instant, booted: Instant) -> Instant {
    at + (booted - Instant::ZERO)
}

struct Line {
    tag: &'static str,
    what: String,
    why: String,
    tone: Tone,
    until: Option<Instant>,
}

impl Line {
    fn new(tag: &'static str, what: impl Into<String>) -> Self {
        Self { tag, what: what.into(), why: String::new(), tone: Tone::Plain, until: None }
    }

    fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    fn entry(self, at: Instant, booted: Instant) -> Entry {
        let Self { tag, what, why, tone, until } = self;
        Entry { at: world(at, booted), actor: Actor::Router, tag, what, why, tone, until }
    }
}

fn wan(event: &WanEvent, at: Instant, booted: Instant) -> Option<Line> {
    Some(match event {
        WanEvent::LinkUp => Line::new("link-up", "carrier on the WAN port"),
        WanEvent::LinkDown => Line::new("link-down", "no carrier on the WAN port").tone(Tone::Bad),
        WanEvent::DialBegun { probe: false } => Line::new("dial", "dials"),
        WanEvent::DialBegun { probe: true } => {
            Line::new("probe", "sends one PADI").because("to see whether anybody is there")
        }
        WanEvent::StaleSessionCleared(session) if session.id == 0 => {
            Line::new("unlock-padt", "PADT with session 0")
                .because("some concentrators stay silent until they hear one")
        }
        WanEvent::StaleSessionCleared(session) => {
            Line::new("stale-session-cleared", format!("PADT for the old session {:#06x}", session.id))
                .because("the concentrator may still hold it")
        }
        WanEvent::PadiSent { attempt: 1 } => Line::new("padi", "PADI"),
        WanEvent::PadiSent { attempt } => {
            Line::new("padi", format!("PADI again ({attempt})")).because("no PADO yet")
        }
        WanEvent::Deferred { message, until } => {
            Line::new("deferred", format!("{} waits {}", upper(*message), format_duration(*until - at)))
                .because("the discovery budget is used up: more would look like an attack")
                .until(Some(world(*until, booted)))
        }
        WanEvent::AuthenticationDeferred { until } => {
            Line::new("deferred", format!("authentication waits {}", format_duration(*until - at)))
                .because("the budget of authentications is used up: more would freeze the account")
                .until(Some(world(*until, booted)))
        }
        WanEvent::PadoReceived { ac_mac, ac_name, fallback } => {
            let why = if *fallback { "kept as fallback; the first choice failed" } else { "" };
            Line::new("pado", format!("PADO from {}", named(*ac_mac, ac_name))).because(why)
        }
        WanEvent::PadoKept { ac_mac, ac_name } => {
            Line::new("pado-kept", format!("PADO from {}", named(*ac_mac, ac_name)))
                .because("kept as fallback")
        }
        WanEvent::PadrSent { attempt: 1, .. } => Line::new("padr", "PADR"),
        WanEvent::PadrSent { attempt, .. } => {
            Line::new("padr", format!("PADR again ({attempt})")).because("no PADS yet")
        }
        WanEvent::RefusalReceived(refusal) => {
            let kind = match refusal.kind {
                RefusalKind::ServiceName => "Service-Name-Error",
                RefusalKind::AcSystem => "AC-System-Error",
                RefusalKind::Generic => "Generic-Error",
            };
            Line::new("refusal", format!("refused: {kind}")).because(quoted(&refusal.text)).tone(Tone::Bad)
        }
        WanEvent::PadsReceived { session_id, max_payload, .. } => {
            let why = max_payload.map_or(String::new(), |octets| format!("PPP-Max-Payload {octets}"));
            Line::new("pads", format!("PADS: session {session_id:#06x}")).because(why)
        }
        WanEvent::SurplusPadsReceived { session_id, .. } => {
            Line::new("surplus-pads", format!("a surplus PADS: session {session_id:#06x}"))
                .because("ended with a PADT")
        }
        WanEvent::PadtReceived { session_id, text } => {
            Line::new("padt-received", format!("PADT: session {session_id:#06x} is over"))
                .because(quoted(text))
                .tone(Tone::Bad)
        }
        WanEvent::PadtSent { session_id, reason, .. } => {
            Line::new("padt-sent", format!("PADT for session {session_id:#06x}")).because(match reason {
                PadtReason::Stale => "left over from before",
                PadtReason::HangUp => "hung up",
                PadtReason::LinkEnded => "PPP has ended",
                PadtReason::Surplus => "nobody asked for it",
                PadtReason::UnknownSession => "data for a session that nobody here has",
            })
        }
        WanEvent::Ppp(event) => return ppp(event),
        WanEvent::Up { ipv4, mtu, since_dial } => {
            let dns: Vec<String> = ipv4.dns.iter().flatten().map(Ipv4Address::to_string).collect();
            let dns = if dns.is_empty() { "no DNS".into() } else { format!("DNS {}", dns.join(" and ")) };
            Line::new("up", format!("UP: {}", ipv4.address))
                .because(format!("{dns}, MTU {mtu}, took {}", format_duration(*since_dial)))
                .tone(Tone::Good)
        }
        WanEvent::Ipv6Up { mtu, since_dial, .. } => Line::new("ipv6-up", "IPv6 is up (link-local)")
            .because(format!("MTU {mtu}, took {}", format_duration(*since_dial))),
        WanEvent::BlackHole { size } => {
            Line::new("black-hole", format!("{size} octets do not come back: MTU 1492 from now on"))
                .because("the path does not carry what RFC 4638 promised")
                .tone(Tone::Notice)
        }
        WanEvent::HangingUp { reason } => {
            Line::new("hanging-up", "hangs up").because(hang_up_reason(*reason))
        }
        WanEvent::Down { failure, uptime } => {
            let after = uptime.map_or(String::new(), |uptime| format!(" after {}", format_duration(uptime)));
            Line::new("down", format!("down{after}: {} ({})", failure.name(), failure.windows_code()))
                .because(failure.sentence(Language::English))
                .tone(Tone::Bad)
        }
        WanEvent::Advice(given) => return advice(given, at, booted),
        WanEvent::Note(given) => note(given, at, booted),
        _ => return address(event),
    })
}

fn hang_up_reason(reason: HangUpReason) -> &'static str {
    match reason {
        HangUpReason::User => "the user asked for it",
        HangUpReason::Nightly => "the nightly reconnect, before the carrier does it by day",
        HangUpReason::NoTraffic => "addressed, but no traffic passes",
        HangUpReason::Abandoned => "the dial leads nowhere",
    }
}

fn ppp(event: &LinkEvent) -> Option<Line> {
    Some(match event {
        LinkEvent::LcpUp { peer_mru, auth, .. } => {
            let auth = auth.map_or("no authentication wanted", |method| method.name());
            Line::new("lcp-up", "LCP is open").because(format!("MRU {peer_mru}, {auth}"))
        }
        LinkEvent::AuthSent { method } => {
            Line::new("auth-sent", format!("credentials sent ({})", method.name()))
        }
        LinkEvent::Authenticated { text, .. } => {
            Line::new("authenticated", "authenticated").because(quoted(text))
        }
        LinkEvent::AuthRefused { text, code, .. } => {
            let code = code.map_or(String::new(), |code| format!(" (E={code})"));
            Line::new("auth-refused", format!("authentication refused{code}"))
                .because(quoted(text))
                .tone(Tone::Bad)
        }
        LinkEvent::NcpUnavailable { ncp, reason } => {
            Line::new("ncp-unavailable", format!("{ncp:?} is not available")).because(format!("{reason:?}"))
        }
        LinkEvent::TerminatedByPeer { text } => {
            Line::new("terminated", "Terminate-Request from the concentrator")
                .because(quoted(text))
                .tone(Tone::Bad)
        }
        LinkEvent::PeerIgnoresEcho => {
            Line::new("peer-ignores-echo", "the concentrator does not answer LCP echo, though data flows")
                .tone(Tone::Notice)
        }
        LinkEvent::PaddedEcho { size, answered } => {
            let what = if *answered { "came back" } else { "did not come back" };
            Line::new("padded-echo", format!("an echo of {size} octets {what}"))
                .because("does the path carry RFC 4638's size?")
        }
        LinkEvent::Repeated { protocol, attempt, cause } => {
            let name = name(*protocol);
            Line::new("repeated", format!("{name}: sent again ({attempt})")).because(match cause {
                RepeatCause::Timeout => "no answer in time",
                RepeatCause::PeerStarted => "the concentrator has only just begun to listen",
                RepeatCause::VerdictLost => "the concentrator went on, so its verdict was lost",
            })
        }
        LinkEvent::PeerTimer { protocol, message, waited } => {
            let message = match message {
                PeerMessage::ConfigureRequest => "its Configure-Request",
                PeerMessage::ConfigureRequestAgain => "its Configure-Request again",
                PeerMessage::Challenge => "its Challenge",
                PeerMessage::ChallengeAgain => "its Challenge again",
            };
            let what =
                format!("{}: {} late, waiting for {message}", name(*protocol), format_duration(*waited));
            Line::new("peer-timer", what).because("only the concentrator's own timer can repeat it")
        }
        // Told by `Up`, `Ipv6Up` and `Down`.
        LinkEvent::Ipv4Up { .. } | LinkEvent::Ipv6Up { .. } | LinkEvent::Ipv4Down | LinkEvent::Ipv6Down => {
            return None;
        }
        LinkEvent::Failed(_) | LinkEvent::Closed => return None,
    })
}

fn advice(advice: &Advice, at: Instant, booted: Instant) -> Option<Line> {
    let tone = match advice.doing {
        // Told by the steps themselves.
        Doing::BackOff | Doing::Budget if advice.until.is_none_or(|until| until <= at) => return None,
        Doing::Dialing | Doing::Polling | Doing::Up | Doing::HangingUp | Doing::NoLink => return None,
        Doing::Hold(_) | Doing::ColdStartInHold => Tone::Notice,
        _ => Tone::Plain,
    };
    let until = advice.until.filter(|&until| until > at);
    let wait = until.map_or(String::new(), |until| {
        format!(" for {}, until {}", format_duration(until - at), clock(world(until, booted)))
    });
    let (what, why) = match advice.doing {
        Doing::Stopped => ("stays off line", "until the user dials"),
        Doing::BackOff => ("waits before the next dial", advice.because.map_or("", Failure::name)),
        _ => ("waits", advice.doing.sentence(Language::English)),
    };
    Some(
        Line::new(advice.doing.name(), format!("{what}{wait}"))
            .because(why)
            .tone(tone)
            .until(until.map(|until| world(until, booted))),
    )
}

fn note(note: &Note, at: Instant, booted: Instant) -> Line {
    let line = match note {
        Note::HoldBegun { until, .. } => {
            let what = format!("HOLD: not one PADI for {}", format_duration(*until - at));
            Line::new("hold", what).tone(Tone::Notice).until(Some(world(*until, booted)))
        }
        Note::HoldLifted => Line::new("hold-lifted", "the hold is lifted").tone(Tone::Notice),
        Note::DialHeld { until } => {
            let what = format!("does not dial yet: on hold until {}", clock(world(*until, booted)));
            Line::new("dial-held", what).tone(Tone::Notice)
        }
        Note::LineLooksDead => Line::new("line-looks-dead", "THE LINE LOOKS DEAD").tone(Tone::Bad),
        Note::LineDark => Line::new("line-dark", "the line is dark").tone(Tone::Notice),
        Note::ForcedDisconnect { after } => {
            let what = format!("the carrier's regular disconnect after {}", format_duration(*after));
            Line::new("forced-disconnect", what).tone(Tone::Notice)
        }
        Note::EchoSwitchedOff => Line::new("echo-off", "LCP echo is switched off").tone(Tone::Notice),
        Note::LedgerUnreadable => {
            Line::new("ledger-unreadable", "the ledger cannot be read").tone(Tone::Notice)
        }
        Note::LedgerNotStored => {
            Line::new("ledger-not-stored", "the ledger cannot be written").tone(Tone::Notice)
        }
    };
    line.because(note.sentence(Language::English))
}

fn upper(message: gatelet_proto::pppoe::DiscoveryMessage) -> String {
    format!("{message:?}").to_uppercase()
}

fn name(protocol: Protocol) -> String {
    format!("{protocol:?}").to_uppercase()
}

fn named(mac: EthernetAddress, name: &str) -> String {
    if name.is_empty() { mac.to_string() } else { name.to_owned() }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("“{text}”") }
}

#[cfg(test)]
mod tests {
    use gatelet_proto::redial::HoldReason;
    use gatelet_router::WanId;
    use smoltcp::time::Duration;

    use super::*;

    #[test]
    fn moments_are_told_in_the_worlds_time() {
        let until = Instant::from_secs(400);
        let event = WanEvent::Note(Note::HoldBegun { until, reason: HoldReason::Silence });
        let at = Instant::from_secs(60);
        let entry = entry(&RouterEvent::Wan(WanId(0), event), at, Instant::from_secs(1000)).unwrap();
        assert_eq!((entry.at, entry.until), (Instant::from_secs(1060), Some(Instant::from_secs(1400))));
        assert_eq!((entry.tag, entry.what.as_str()), ("hold", "HOLD: not one PADI for 5 min 40 s"));
    }

    #[test]
    fn a_failure_comes_with_its_windows_code() {
        let event = WanEvent::Down { failure: Failure::NoPado, uptime: Some(Duration::from_secs(61)) };
        let entry = entry(&RouterEvent::Wan(WanId(0), event), Instant::ZERO, Instant::ZERO).unwrap();
        assert!(entry.what.starts_with("down after 1 min 1 s: "), "{}", entry.what);
        assert!(entry.what.contains("678"), "{}", entry.what);
    }
}
