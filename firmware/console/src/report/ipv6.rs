//! IPv6 in `show wan` and `show lan`.

use gatelet_proto::dhcpv6::client::Delegated;
use gatelet_proto::lifetime::Lifetime;
use gatelet_proto::ra::router::LanPrefix;
use gatelet_router::{Router, WanId};
use heapless::Vec;
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use crate::lines::Lines;
use crate::time::{Context, Span};

/// What a line gives over IPv6.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line6 {
    /// The carrier's router.
    pub router: Option<Ipv6Address>,
    /// Our addresses, the preferred one first.
    pub addresses: Vec<Ipv6Cidr, 4>,
    /// Prefixes delegated to us.
    pub delegated: Vec<Delegated, 4>,
    /// The line's own /64, if the LAN shares it.
    pub shared: Option<Delegated>,
    /// Name servers.
    pub dns: Vec<Ipv6Address, 3>,
}

impl Line6 {
    pub(super) fn of(router: &Router<'_>, wan: WanId) -> Self {
        Self {
            router: router.ipv6_router(wan),
            addresses: router.ipv6_addresses(wan).take(4).collect(),
            delegated: router.delegated_prefixes(wan).iter().copied().take(4).collect(),
            shared: router.shared_ipv6_prefix(wan),
            dns: router.ipv6_dns_servers(wan).take(3).collect(),
        }
    }

    pub(super) fn tell(&self, context: &Context, lines: &mut Lines<'_>) {
        let pick = |english, chinese| context.pick(english, chinese);
        if let Some(router) = self.router {
            lines.field(pick("IPv6 gateway", "IPv6 网关"), format_args!("{router}"));
        }
        for address in &self.addresses {
            lines.field(pick("IPv6 address", "IPv6 地址"), format_args!("{address}"));
        }
        for Delegated { prefix, preferred, valid } in &self.delegated {
            tell_prefix(*prefix, *preferred, *valid, context, lines);
        }
        if let Some(Delegated { prefix, .. }) = self.shared {
            let how = pick("the line's own, which the LAN shares", "线路自身的前缀,由局域网共用");
            lines.field(pick("IPv6 prefix", "IPv6 前缀"), format_args!("{prefix}, {how}"));
        }
        for server in &self.dns {
            lines.field("IPv6 DNS", format_args!("{server}"));
        }
    }
}

/// What the LAN has of IPv6; nothing, if it is not advertised.
pub(super) fn lan6(router: &Router<'_>, context: &Context, lines: &mut Lines<'_>) {
    let pick = |english, chinese| context.pick(english, chinese);
    let mut prefixes = router.advertised_ipv6_prefixes().peekable();
    if prefixes.peek().is_none() && router.tunnels().next().is_none() && !router.acquires_ipv6() {
        return;
    }
    let way_out = if router.is_ipv6_default_router() {
        pick("there is one", "有出口")
    } else {
        pick("none: hosts use IPv4", "无出口,主机使用 IPv4")
    };
    lines.field(pick("IPv6 way out", "IPv6 出口"), format_args!("{way_out}"));
    if let Some((_, addresses)) = router.lan_ipv6() {
        for address in addresses {
            lines.field(pick("IPv6 address", "IPv6 地址"), format_args!("{address}"));
        }
    }
    for LanPrefix { prefix, preferred, valid } in prefixes {
        let label = pick("IPv6 prefix", "IPv6 前缀");
        if preferred.is_over(context.now) {
            let gone = pick("gone, and hosts are told so", "已失效,正在通知主机");
            lines.field(label, format_args!("{prefix}, {gone}"));
        } else {
            tell_prefix(*prefix, *preferred, *valid, context, lines);
        }
    }
}

/// A prefix, and until when it is to be used for what is new, and is there at all, unless that is for ever.
fn tell_prefix(
    prefix: Ipv6Cidr,
    preferred: Lifetime,
    valid: Lifetime,
    context: &Context,
    lines: &mut Lines<'_>,
) {
    let pick = |english, chinese| context.pick(english, chinese);
    lines.field(pick("IPv6 prefix", "IPv6 前缀"), format_args!("{prefix}"));
    if let (Some(preferred), Some(valid)) = (preferred.until(), valid.until()) {
        let [preferred, valid] = [preferred, valid].map(|until| {
            let left = until.max(context.now) - context.now;
            Span(left, context.language)
        });
        let [first, second] = [pick("preferred for", "首选"), pick("valid for", "有效")];
        lines.field("", format_args!("{first} {preferred}, {second} {valid}"));
    }
}
