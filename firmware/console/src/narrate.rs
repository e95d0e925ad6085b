//! Events as sentences: for the log, and for who watches the first dial.

use core::fmt;

use gatelet_proto::dhcp::client::Loss;
use gatelet_proto::dhcp::server as dhcp;
use gatelet_proto::ppp::LinkEvent;
use gatelet_proto::pppoe::{DiscoveryMessage, RefusalKind};
use gatelet_proto::redial::{Advice, Doing, HangUpReason, Language, Note};
use gatelet_proto::sixinfour::liveness::State;
use gatelet_router::{AddressKind, DatapathEvent, Ipv6Event, RouterEvent, WanEvent};
use smoltcp::time::{Duration, Instant};

use crate::Level;
use crate::grammar::Text;
use crate::time::Span;

/// Where a sentence goes.
pub(crate) type Say<'s> = &'s mut dyn FnMut(Level, fmt::Arguments<'_>);

/// Tells an event, if nothing else tells it better. `now` is when it happened.
pub(crate) fn event(event: &RouterEvent, now: Instant, language: Language, say: Say<'_>) {
    match event {
        RouterEvent::Wan(_, event) => wan(event, now, language, say),
        RouterEvent::Dhcp(event) => leases(event, say),
        RouterEvent::Datapath(event) => datapath(event, say),
        RouterEvent::Ipv6(event) => ipv6(event, say),
        // The console has a clock of its own.
        RouterEvent::WallClock { .. } => {}
        RouterEvent::ShutDown => say(Level::Info, format_args!("every session is ended")),
    }
}

fn wan(event: &WanEvent, now: Instant, language: Language, say: Say<'_>) {
    let pick = |english, chinese| pick(language, english, chinese);
    match event {
        WanEvent::LinkUp => {
            say(Level::Info, format_args!("{}", pick("The modem's cable is live.", "光猫网线已连通。")));
        }
        WanEvent::LinkDown => {
            say(
                Level::Warning,
                format_args!(
                    "{}",
                    pick("No link to the modem: check the cable.", "到光猫的网线断开,请检查。")
                ),
            );
        }
        WanEvent::DialBegun { probe: false } => {
            say(Level::Info, format_args!("{}", pick("Dialing.", "开始拨号。")));
        }
        WanEvent::DialBegun { probe: true } => {
            say(
                Level::Info,
                format_args!("{}", pick("Asking once whether anybody is there.", "发送一次探测。")),
            );
        }
        WanEvent::Ppp(event) => ppp(event, language, say),
        WanEvent::Up { ipv4, mtu, since_dial } => {
            let up = pick("ON LINE:", "已上线:");
            let took = Span(*since_dial, language);
            say(
                Level::Info,
                format_args!("{up} {}, MTU {mtu}, {} {took}", ipv4.address, pick("after", "用时")),
            );
        }
        WanEvent::Ipv6Up { mtu, .. } => say(Level::Info, format_args!("IPv6, MTU {mtu}")),
        WanEvent::BlackHole { size } => {
            say(
                Level::Warning,
                format_args!(
                    "{size}: {}",
                    pick(
                        "packets of this size get lost; MTU 1492 from now on",
                        "该尺寸的报文丢失,MTU 改用 1492"
                    )
                ),
            );
        }
        WanEvent::HangingUp { reason } => {
            let why = match reason {
                HangUpReason::User => pick("as you asked", "应用户要求"),
                HangUpReason::Nightly => pick("the nightly reconnect", "夜间定时重连"),
                HangUpReason::NoTraffic => pick("nothing gets through", "已连接但无流量"),
                HangUpReason::Abandoned => pick("this dial leads nowhere", "本次拨号无结果"),
            };
            say(Level::Info, format_args!("{} {why}", pick("Hanging up:", "断开:")));
        }
        WanEvent::Down { failure, .. } => {
            say(Level::Warning, format_args!("{} ({})", failure.sentence(language), failure.windows_code()));
        }
        WanEvent::Advice(advice) => tell_advice(advice, now, language, say),
        WanEvent::Note(note) => tell_note(note, now, language, say),
        _ => discovery(event, now, language, say),
    }
}

/// The steps to a session.
fn discovery(event: &WanEvent, now: Instant, language: Language, say: Say<'_>) {
    let pick = |english, chinese| pick(language, english, chinese);
    match event {
        WanEvent::PadiSent { attempt } => {
            say(Level::Debug, format_args!("PADI ({attempt}) {}", pick("- who is there?", "- 寻找接入设备")));
        }
        WanEvent::Deferred { message, until } => {
            let name = match message {
                DiscoveryMessage::Padi => "PADI",
                DiscoveryMessage::Padr => "PADR",
            };
            let why = pick("more now could lock the line", "以免线路被锁");
            say(Level::Info, format_args!("{name}: {} - {why}", span(now, *until, language)));
        }
        WanEvent::AuthenticationDeferred { until } => {
            let why = pick(
                "before the password is sent: more tries now could lock the account",
                "后再认证,以免账号被锁",
            );
            say(Level::Info, format_args!("{} {why}", span(now, *until, language)));
        }
        WanEvent::PadoReceived { ac_name, ac_mac, .. } => {
            let who = pick("offers a connection", "提供接入");
            say(Level::Info, format_args!("PADO: {} {who}", Named(ac_name, ac_mac)));
        }
        WanEvent::PadoKept { ac_name, ac_mac } => {
            say(Level::Debug, format_args!("PADO: {}", Named(ac_name, ac_mac)));
        }
        WanEvent::PadrSent { attempt, .. } => say(Level::Debug, format_args!("PADR ({attempt})")),
        WanEvent::RefusalReceived(refusal) => {
            let kind = match refusal.kind {
                RefusalKind::ServiceName => "Service-Name-Error",
                RefusalKind::AcSystem => "AC-System-Error",
                RefusalKind::Generic => "Generic-Error",
            };
            say(Level::Warning, format_args!("{} {kind} {}", pick("Refused:", "被拒绝:"), refusal.text));
        }
        WanEvent::PadsReceived { session_id, .. } => {
            say(Level::Info, format_args!("PADS: {} {session_id:#06x}", pick("session", "会话")));
        }
        WanEvent::PadtReceived { session_id, text } => {
            say(
                Level::Warning,
                format_args!(
                    "PADT: {} {session_id:#06x} {text}",
                    pick("the carrier ends session", "运营商结束会话")
                ),
            );
        }
        WanEvent::PadtSent { session_id, .. } => say(Level::Debug, format_args!("PADT {session_id:#06x}")),
        WanEvent::StaleSessionCleared(session) => {
            say(
                Level::Debug,
                format_args!("PADT {:#06x}: {}", session.id, pick("an old session is cleared", "清除旧会话")),
            );
        }
        WanEvent::SurplusPadsReceived { session_id, .. } => {
            say(Level::Debug, format_args!("surplus PADS {session_id:#06x}"));
        }
        _ => address(event, language, say),
    }
}

/// What a WAN's address is about.
fn address(event: &WanEvent, language: Language, say: Say<'_>) {
    let pick = |english, chinese| pick(language, english, chinese);
    match event {
        WanEvent::DhcpSent { message, attempt } => {
            say(Level::Debug, format_args!("DHCP {message:?} ({attempt})"));
        }
        WanEvent::Leased { address, server, .. } => {
            say(Level::Info, format_args!("DHCP: {address} ({server})"));
        }
        WanEvent::LeaseRenewed => {
            say(Level::Debug, format_args!("DHCP: {}", pick("the lease is renewed", "租约已续")));
        }
        WanEvent::LeaseLost(loss) => {
            let why = match loss {
                Loss::Refused => pick("the server says that the address is not ours", "服务器不承认该地址"),
                Loss::Expired => pick("nobody renewed the lease", "租约到期未续"),
                Loss::LinkDown => pick("no link to the modem", "网线断开"),
                Loss::Conflict => pick("somebody else has the address", "地址冲突"),
            };
            say(Level::Warning, format_args!("DHCP: {why}"));
        }
        WanEvent::AddressInUse { address } => {
            say(
                Level::Warning,
                format_args!("DHCP: {address} {}", pick("is in use by somebody else", "已被他人占用")),
            );
        }
        WanEvent::BehindNat { address, kind } => {
            let what = match kind {
                AddressKind::CarrierGrade => pick(
                    "is behind the carrier's own NAT: nobody outside can reach it. Ask for a public address.",
                    "是运营商级 NAT 地址,外网无法访问;可向运营商申请公网 IP。",
                ),
                AddressKind::Private | AddressKind::Public => {
                    pick("is a private address: behind another NAT.", "是私有地址:位于另一层 NAT 之后。")
                }
            };
            say(Level::Warning, format_args!("{address} {what}"));
        }
        WanEvent::Clash { wan, lan, suggestion } => {
            let what = pick("use the same addresses; for the LAN this would do:", "地址冲突;局域网可改用");
            say(Level::Error, format_args!("LAN {lan}, WAN {wan} {what} {suggestion}"));
        }
        _ => {}
    }
}

fn tell_note(note: &Note, now: Instant, language: Language, say: Say<'_>) {
    let level = match note {
        Note::HoldLifted | Note::ForcedDisconnect { .. } => Level::Info,
        Note::LineLooksDead | Note::LedgerNotStored | Note::LedgerUnreadable => Level::Error,
        _ => Level::Warning,
    };
    match note {
        Note::HoldBegun { until, .. } | Note::DialHeld { until } => {
            say(level, format_args!("{} {}", note.sentence(language), span(now, *until, language)));
        }
        _ => say(level, format_args!("{}", note.sentence(language))),
    }
}

/// How long until then.
fn span(now: Instant, until: Instant, language: Language) -> Span {
    Span(if until > now { until - now } else { Duration::ZERO }, language)
}

const fn pick(language: Language, english: &'static str, chinese: &'static str) -> &'static str {
    Text(english, chinese).pick(language)
}

fn ppp(event: &LinkEvent, language: Language, say: Say<'_>) {
    let pick = |english, chinese| pick(language, english, chinese);
    match event {
        LinkEvent::LcpUp { auth, .. } => {
            let method = auth.map_or("-", |method| method.name());
            say(Level::Debug, format_args!("LCP {} ({method})", pick("is open", "已建立")));
        }
        LinkEvent::AuthSent { method } => {
            say(
                Level::Info,
                format_args!(
                    "{} ({})",
                    pick("User name and password are sent", "已发送账号密码"),
                    method.name()
                ),
            );
        }
        LinkEvent::Authenticated { text, .. } => {
            say(Level::Info, format_args!("{} {text}", pick("The carrier accepts them.", "认证成功。")));
        }
        LinkEvent::AuthRefused { text, .. } => {
            say(Level::Warning, format_args!("{} {text}", pick("The carrier refuses them:", "认证被拒绝:")));
        }
        LinkEvent::TerminatedByPeer { text } => {
            say(
                Level::Warning,
                format_args!("{} {text}", pick("The carrier ends the connection.", "运营商结束连接。")),
            );
        }
        LinkEvent::NcpUnavailable { ncp, reason } => say(Level::Info, format_args!("{ncp:?}: {reason:?}")),
        LinkEvent::Repeated { protocol, attempt, .. } => {
            say(Level::Debug, format_args!("{protocol:?} ({attempt})"));
        }
        // Told by other events, or nobody's business.
        _ => {}
    }
}

fn tell_advice(advice: &Advice, now: Instant, language: Language, say: Say<'_>) {
    let until = advice.until.filter(|until| *until > now);
    match advice.doing {
        // Their steps tell it.
        Doing::Dialing | Doing::Polling | Doing::Up | Doing::HangingUp => {}
        doing => match until {
            Some(until) => {
                say(
                    Level::Info,
                    format_args!("{} {}", doing.sentence(language), Span(until - now, language)),
                );
            }
            None if matches!(doing, Doing::BackOff | Doing::Budget) => {}
            None => say(Level::Info, format_args!("{}", doing.sentence(language))),
        },
    }
}

fn leases(event: &dhcp::Event, say: Say<'_>) {
    use dhcp::Event::{
        Conflict, Declined, Exhausted, Expired, Granted, Refused, Released, Renewed, Withdrawn,
    };
    match event {
        Granted { address, mac } => say(Level::Info, format_args!("DHCP: {address} for {mac}")),
        Renewed { address, mac } => say(Level::Debug, format_args!("DHCP: {mac} keeps {address}")),
        Released { address, mac } => say(Level::Info, format_args!("DHCP: {mac} gives {address} back")),
        Expired { address, mac } => say(Level::Info, format_args!("DHCP: {mac} has not renewed {address}")),
        Declined { address, mac } | Conflict { address, mac } => {
            say(Level::Warning, format_args!("DHCP: {address} is in use already, says {mac}"));
        }
        Refused { address, mac } => say(Level::Info, format_args!("DHCP: {mac} cannot have {address}")),
        Withdrawn { address, mac } => say(Level::Info, format_args!("DHCP: {mac} loses {address}")),
        Exhausted => say(Level::Error, format_args!("DHCP: no address is left for a newcomer")),
    }
}

fn datapath(event: &DatapathEvent, say: Say<'_>) {
    match event {
        DatapathEvent::AddressConflict { address, mac } => {
            say(Level::Error, format_args!("another station has our address {address}: {mac}"));
        }
        DatapathEvent::NeighbourDisputed { address, mac } => {
            say(Level::Warning, format_args!("{mac} claims the address {address} of another host"));
        }
        DatapathEvent::HostQuota { address } => {
            say(Level::Warning, format_args!("{address} has as many connections as one host may have"));
        }
        DatapathEvent::FlowTableFull => say(Level::Error, format_args!("the table of flows is full")),
        DatapathEvent::Rule { number, action, source, destination } => {
            say(Level::Info, format_args!("rule {number}: {action:?} {source} to {destination}"));
        }
        DatapathEvent::Ipv6AddressConflict { address, mac } => {
            say(Level::Error, format_args!("another station has our address {address}: {mac}"));
        }
        DatapathEvent::Ipv6NeighbourDisputed { address, mac } => {
            say(Level::Warning, format_args!("{mac} claims the address {address} of another host"));
        }
        DatapathEvent::Ipv6HostQuota { address } => {
            say(Level::Warning, format_args!("{address} has as many connections as one host may have"));
        }
        DatapathEvent::Ipv6Rule { number, action, source, destination } => {
            say(Level::Info, format_args!("rule {number}: {action:?} {source} to {destination}"));
        }
        DatapathEvent::TunnelBehindNat { tunnel, address, kind } => {
            let number = tunnel.0 + 1;
            say(
                Level::Error,
                format_args!(
                    "tunnel {number} cannot work: {address} is {kind:?}, protocol 41 does not come through"
                ),
            );
        }
        DatapathEvent::TunnelPathMtu { tunnel, mtu } => {
            say(Level::Info, format_args!("tunnel {} carries {mtu} bytes at once", tunnel.0 + 1));
        }
        DatapathEvent::FlowsCut { flows } => {
            say(
                Level::Info,
                format_args!("another address: {flows} connections through the old one are cut"),
            );
        }
    }
}

fn ipv6(event: &Ipv6Event, say: Say<'_>) {
    match event {
        Ipv6Event::Router { address, .. } => say(Level::Info, format_args!("IPv6: the way out is {address}")),
        Ipv6Event::RouterLost { .. } => {
            say(Level::Warning, format_args!("IPv6: there is no way out any more"));
        }
        Ipv6Event::Address { address, .. } => say(Level::Info, format_args!("IPv6: we have {address}")),
        Ipv6Event::AddressDeprecated { address, .. } => {
            say(Level::Debug, format_args!("IPv6: {address} is used for nothing new"));
        }
        Ipv6Event::AddressLost { address, .. } => {
            say(Level::Info, format_args!("IPv6: {address} is ours no more"));
        }
        Ipv6Event::Delegated { prefix, .. } => {
            say(Level::Info, format_args!("IPv6: {prefix} is delegated to us"));
        }
        Ipv6Event::DelegationLost { prefix, .. } => {
            say(Level::Warning, format_args!("IPv6: {prefix} is ours no more"));
        }
        Ipv6Event::NothingDelegated { .. } => {
            say(Level::Warning, format_args!("IPv6: the line has no prefix for us"));
        }
        Ipv6Event::SettingsChanged { .. } => {
            say(Level::Debug, format_args!("IPv6: DNS servers, MTU or portal have changed"));
        }
        Ipv6Event::OtherRouter { address } => {
            say(Level::Warning, format_args!("{address} advertises on our LAN, too: hosts may send to it"));
        }
        Ipv6Event::TunnelMoved { tunnel, remote } => {
            say(Level::Info, format_args!("tunnel {}: the far end is at {remote} now", tunnel.0));
        }
        Ipv6Event::Tunnel { tunnel, state } => {
            let (level, what) = match state {
                State::Unknown => (Level::Debug, "is not watched"),
                State::Up => (Level::Info, "is up"),
                State::Degraded => (Level::Warning, "loses packets"),
                State::Down => (Level::Error, "is down"),
            };
            say(level, format_args!("tunnel {} {what}", tunnel.0 + 1));
        }
    }
}

/// A concentrator by its name, or by its address if it has none.
struct Named<'a>(&'a str, &'a gatelet_wire::EthernetAddress);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { self.1.fmt(f) } else { f.write_str(self.0) }
    }
}
