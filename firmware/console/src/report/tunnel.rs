//! `show tunnel`: does it work, and if not, why.

use gatelet_proto::sixinfour::Routed;
use gatelet_proto::sixinfour::liveness::State;
use gatelet_router::{AddressKind, Dropped, Router, TunnelStatus};

use crate::lines::Lines;
use crate::time::Context;

/// The tunnels, and what was refused of them.
pub fn tunnels(router: &Router<'_>, context: &Context, lines: &mut Lines<'_>) {
    let mut are_none = true;
    for (id, status) in router.tunnels() {
        are_none = false;
        tunnel(id.0 + 1, &status, context, lines);
    }
    if are_none {
        let none =
            context.pick("there is no tunnel: set tunnel.1.address", "没有隧道:请设置 tunnel.1.address");
        return lines.line(format_args!("{none}"));
    }
    // Whose packets these were nobody can say: those of no tunnel are among them.
    for reason in REFUSALS {
        let count = router.counters().of(reason);
        if count > 0 {
            lines.line(format_args!("{count:>10}  {}", reason.name()));
        }
    }
}

/// A tunnel, by its number in the settings.
pub fn tunnel(number: u8, status: &TunnelStatus, context: &Context, lines: &mut Lines<'_>) {
    let pick = |english, chinese| context.pick(english, chinese);
    let TunnelStatus { tunnel, local, mtu, far_end, since, round_trip, echoes, .. } = *status;
    let state = match (mtu, tunnel.remote, far_end) {
        (None, None, _) => pick("waits for its client to tell where it is", "等待客户端上报地址"),
        (None, Some(_), _) => pick("down: the line is", "线路未上线"),
        (Some(_), _, None) => pick("up; nobody asks the far end", "已建立;未检测对端"),
        (Some(_), _, Some(State::Unknown)) => pick("the far end has not answered yet", "对端尚未应答"),
        (Some(_), _, Some(State::Up)) => pick("up: the far end answers", "正常:对端有应答"),
        (Some(_), _, Some(State::Degraded)) => {
            pick("degraded: the far end does not always answer", "不稳定:对端时有不应答")
        }
        (Some(_), _, Some(State::Down)) => pick("down: the far end does not answer", "中断:对端不应答"),
    };
    let (role, prefix, whose) = match tunnel.routed {
        Routed::Client { prefix } => (pick("client", "客户端"), prefix, pick("to us", "归本端")),
        Routed::Server { prefix } => (pick("server", "服务端"), prefix, pick("to the client", "归客户端")),
    };
    lines.field(pick("Tunnel", "隧道"), format_args!("{number} ({role}): {state}"));
    lines.field(pick("Since", "始于"), format_args!("{}", context.since(since)));
    if let Some((local, kind)) = local.map(|local| (local, AddressKind::of(local)))
        && kind != AddressKind::Public
    {
        lines.field(
            pick("Why", "原因"),
            format_args!("{local} {}", pick("is no address of the Internet.", "不是公网地址。")),
        );
        lines.sentence("", why(kind, context));
    }
    match (local, tunnel.remote) {
        (Some(local), Some(remote)) => lines.field("IPv4", format_args!("{local} - {remote}")),
        (None, Some(remote)) => lines.field("IPv4", format_args!("- {remote}")),
        (_, None) => {}
    }
    lines.field("IPv6", format_args!("{} - {}", tunnel.address, tunnel.peer));
    if let Some(prefix) = prefix {
        lines.field(pick("Routed", "路由"), format_args!("{prefix} {whose}"));
    }
    if let Some(mtu) = mtu {
        lines.field("MTU", format_args!("{mtu}"));
    }
    let [sent, answered] = echoes;
    if let Some(round_trip) = round_trip.filter(|_| answered > 0) {
        lines.field(
            pick("Far end", "对端"),
            format_args!(
                "{answered} {} {sent} {}, {} {}.{} ms",
                pick("of", "/"),
                pick("answered", "次应答"),
                pick("the last after", "最近用时"),
                round_trip.total_millis(),
                round_trip.total_micros() / 100 % 10,
            ),
        );
    } else if sent > 0 {
        lines.field(
            pick("Far end", "对端"),
            format_args!("0 {} {sent} {}", pick("of", "/"), pick("answered", "次应答")),
        );
    }
}

/// Why protocol 41 does not come through from here.
fn why(kind: AddressKind, context: &Context) -> &'static str {
    match kind {
        AddressKind::CarrierGrade => context.pick(
            "The carrier translates addresses: protocol 41 does not come through from outside, and seldom gets out. Ask the carrier for a public address.",
            "线路处于运营商级 NAT 之后,协议 41 无法通过。请向运营商申请公网地址。",
        ),
        AddressKind::Private | AddressKind::Public => context.pick(
            "Another router is in front: protocol 41 only comes through if that forwards it to us. Set it to bridge, if it can.",
            "前面还有一台路由器,需由它转发协议 41。请尽量改为桥接。",
        ),
    }
}

const REFUSALS: [Dropped; 5] = [
    Dropped::TunnelPeer,
    Dropped::TunnelSource,
    Dropped::TunnelScope,
    Dropped::TunnelLoop,
    Dropped::TunnelEcn,
];
