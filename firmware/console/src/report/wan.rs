//! `show wan`: is the line up, and if not, why and until when.

use core::fmt;

use gatelet_hal::LinkState;
use gatelet_proto::ppp::Phase;
use gatelet_proto::redial::Doing;
use gatelet_router::{AddressKind, WanId, WanState, WanStatus};

use super::Line6;
use crate::lines::Lines;
use crate::time::{Context, Span};

/// The state of a WAN.
pub fn wan(id: WanId, status: &WanStatus, ipv6: &Line6, context: &Context, lines: &mut Lines<'_>) {
    let pick = |english, chinese| context.pick(english, chinese);
    let language = context.language;
    let state = match status.state {
        _ if status.link == LinkState::Down => pick("no link to the modem", "到光猫的网线未连通"),
        WanState::Idle => pick("off line", "未上线"),
        WanState::Discovery => pick("dialing: looking for the carrier", "拨号中:寻找接入设备"),
        WanState::Negotiating(Phase::Authenticate) => {
            pick("dialing: user name and password", "拨号中:账号认证")
        }
        WanState::Negotiating(Phase::Network) => pick("dialing: addresses", "拨号中:获取地址"),
        WanState::Negotiating(_) => pick("dialing: link control", "拨号中:链路协商"),
        WanState::Acquiring => pick("asking for an address", "正在获取地址"),
        WanState::Up => pick("on line", "已上线"),
        WanState::Closing => pick("hanging up", "正在断开"),
    };
    match status.up_since {
        Some(since) => lines.field(
            "WAN",
            format_args!("{}: {state}, {} {}", id.0, pick("since", "始于"), context.since(since)),
        ),
        None => lines.field("WAN", format_args!("{}: {state}", id.0)),
    }
    // Why it waits.
    let advice = status.advice;
    if !matches!(advice.doing, Doing::Up | Doing::Dialing | Doing::Polling | Doing::NoLink)
        && status.state != WanState::Up
    {
        lines.sentence(pick("Why", "原因"), advice.doing.sentence(language));
        if let Some(until) = advice.until.filter(|until| *until > context.now) {
            lines.field(pick("Until", "直到"), format_args!("{}", context.since(until)));
        }
    }
    tell_addresses(status, context, lines);
    ipv6.tell(context, lines);
    tell_session(status, context, lines);
    // What went wrong.
    if let Some(failure) = status.last_failure {
        let label = pick("Last failure", "最近故障");
        lines.field(
            label,
            format_args!("{} {} ({})", pick("error", "错误"), failure.windows_code(), failure.name()),
        );
        lines.sentence("", failure.sentence(language));
    }
    tell_day(status, context, lines);
}

/// What the session gives.
fn tell_addresses(status: &WanStatus, context: &Context, lines: &mut Lines<'_>) {
    let pick = |english, chinese| context.pick(english, chinese);
    if let Some(ipv4) = &status.ipv4 {
        let kind = match AddressKind::of(ipv4.address) {
            AddressKind::Public => pick("public", "公网地址"),
            AddressKind::CarrierGrade => pick("behind the carrier's NAT", "运营商级 NAT"),
            AddressKind::Private => pick("private, behind another NAT", "私有地址,位于另一层 NAT 之后"),
        };
        lines.field(pick("Address", "地址"), format_args!("{} ({kind})", ipv4.address));
        if let Some(peer) = ipv4.peer {
            lines.field(pick("Gateway", "网关"), format_args!("{peer}"));
        }
        let [first, second] = ipv4.dns;
        match (first, second) {
            (Some(first), Some(second)) => lines.field("DNS", format_args!("{first}, {second}")),
            (Some(one), None) | (None, Some(one)) => lines.field("DNS", format_args!("{one}")),
            (None, None) => {}
        }
    }
    if let Some(ipv6) = &status.ipv6 {
        lines.field("IPv6", format_args!("{}", LinkLocal(ipv6.local)));
    }
}

/// What carries it.
fn tell_session(status: &WanStatus, context: &Context, lines: &mut Lines<'_>) {
    let pick = |english, chinese| context.pick(english, chinese);
    if status.mtu > 0 {
        lines.field("MTU", format_args!("{}", status.mtu));
    }
    if let Some(session) = &status.session {
        lines.field(
            pick("Session", "会话"),
            format_args!("{:#06x}, {} {}", session.id, session.ac_mac, session.ac_name),
        );
    }
}

/// How it was.
fn tell_day(status: &WanStatus, context: &Context, lines: &mut Lines<'_>) {
    let pick = |english, chinese| context.pick(english, chinese);
    let language = context.language;
    let day = context.day;
    let today = if day.from_midnight { pick("Today", "今日") } else { pick("Since start", "启动以来") };
    lines.field(
        today,
        format_args!(
            "{} {}, {} {}",
            day.dials,
            pick("dials", "次拨号"),
            day.failures,
            pick("failures", "次失败")
        ),
    );
    if let Some(permille) = day.uptime_permille() {
        lines.field(
            pick("Up", "在线率"),
            format_args!(
                "{}.{} % {} {}",
                permille / 10,
                permille % 10,
                pick("of", "/"),
                Span(day.passed, language)
            ),
        );
    }
    let counters = &status.counters;
    lines.field(
        pick("Received", "接收"),
        format_args!(
            "{} ({} {})",
            Octets(counters.ip_received_bytes),
            counters.ip_received,
            pick("packets", "个包")
        ),
    );
    lines.field(
        pick("Sent", "发送"),
        format_args!("{} ({} {})", Octets(counters.ip_sent_bytes), counters.ip_sent, pick("packets", "个包")),
    );
}

/// The address that an interface identifier stands for.
struct LinkLocal([u8; 8]);

impl fmt::Display for LinkLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = [0; 16];
        octets[0] = 0xFE;
        octets[1] = 0x80;
        octets[8..].copy_from_slice(&self.0);
        core::net::Ipv6Addr::from(octets).fmt(f)
    }
}

/// Octets in the unit that leaves one to three digits before the point.
pub(super) struct Octets(pub(super) u64);

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0..1000 => return write!(f, "{} B", self.0),
            1000..1_000_000 => (1000, "kB"),
            1_000_000..1_000_000_000 => (1_000_000, "MB"),
            _ => (1_000_000_000, "GB"),
        };
        write!(f, "{}.{} {name}", self.0 / unit, self.0 % unit * 10 / unit)
    }
}
