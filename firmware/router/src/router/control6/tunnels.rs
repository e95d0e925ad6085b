//! Tunnels: how they are looked after, and how they are.

use gatelet_proto::sixinfour::liveness;
use gatelet_proto::sixinfour::{Routed, Tunnel};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv6Cidr};

use super::{Control6, Watched};
use crate::datapath::{Datapath, Hop, MAX_TUNNELS, Medium, TunnelId, address};
use crate::router::Router;
use crate::wan::WanId;

/// A tunnel at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunnelStatus {
    /// The line it goes over.
    pub wan: WanId,
    /// Its ends, and what is routed through it. The far end is where it is now.
    pub tunnel: Tunnel,
    /// Our end's IPv4 address; `None`: the line has none.
    pub local: Option<Ipv4Address>,
    /// The longest packet, in bytes; `None` while it is down: the line is, or the far end's address is not known.
    pub mtu: Option<u16>,
    /// What is known of the far end; `None` if nobody asks.
    pub far_end: Option<liveness::State>,
    /// Since when that is so.
    pub since: Instant,
    /// How long the far end's last answer took.
    pub round_trip: Option<Duration>,
    /// Echo requests sent to the far end, and those answered. Wrap around.
    pub echoes: [u32; 2],
    /// Whether we answer Neighbor Solicitations on the line for what is behind it.
    pub is_proxied: bool,
}

/// How a tunnel is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Care {
    /// Its far end is asked whether it is there.
    pub(super) asks_peer: bool,
    /// We answer on the WAN for what is behind it.
    pub(super) is_proxied: bool,
}

/// How a tunnel was when its status last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) is_up: bool,
    pub(super) far_end: liveness::State,
    pub(super) since: Instant,
}

impl Watched {
    /// Takes note of when something changes.
    pub(super) fn note(&mut self, now: Instant) {
        let (is_up, far_end) = (self.is_up, self.liveness.state());
        if (is_up, far_end) != (self.known.is_up, self.known.far_end) {
            self.known = Known { is_up, far_end, since: now };
        }
    }

    /// The client's address and its prefix, where we are the server.
    fn served(&self) -> impl Iterator<Item = Ipv6Cidr> + use<> {
        let (peer, prefix) = match self.settings.routed {
            Routed::Server { prefix } => (Some(Ipv6Cidr::new(self.settings.peer, 128)), prefix),
            Routed::Client { .. } => (None, None),
        };
        peer.into_iter().chain(prefix)
    }
}

impl Control6 {
    /// Networks of tunnels' clients.
    pub(super) fn served(&self) -> impl Iterator<Item = Ipv6Cidr> {
        self.tunnels.iter().flatten().flat_map(Watched::served)
    }

    /// Those of them for which we answer on a WAN.
    pub(super) fn proxied(&self, wan: WanId) -> impl Iterator<Item = Ipv6Cidr> {
        let tunnels = self.tunnels.iter().flatten();
        tunnels.filter(move |tunnel| tunnel.care.is_proxied && tunnel.wan == wan).flat_map(Watched::served)
    }
}

impl Router<'_> {
    /// Whether a tunnel's far end is asked now and then if it is there, and hosts are told that there is no way out while it is
    /// not. They are watched unless this says otherwise. False if there is no such tunnel.
    pub fn watch_tunnel(&mut self, now: Instant, id: TunnelId, is_watched: bool) -> bool {
        let rng = &mut self.rng;
        let Some(Some(tunnel)) = self.control6.tunnels.get_mut(usize::from(id.0)) else { return false };
        if core::mem::replace(&mut tunnel.care.asks_peer, is_watched) != is_watched {
            if is_watched && tunnel.is_up {
                tunnel.liveness.start(now, rng);
            } else {
                tunnel.liveness.stop();
            }
            self.plan6(now);
        }
        true
    }

    /// Whether we answer Neighbor Solicitations for the address and the prefix of a tunnel's client (RFC 4389), for a provider that
    /// takes them to be on the link. We do, unless this says otherwise, on a WAN where [addresses are
    /// acquired](Self::acquire_ipv6). False if there is no such tunnel.
    pub fn proxy_tunnel(&mut self, now: Instant, id: TunnelId, is_proxied: bool) -> bool {
        let Some(Some(tunnel)) = self.control6.tunnels.get_mut(usize::from(id.0)) else { return false };
        if core::mem::replace(&mut tunnel.care.is_proxied, is_proxied) != is_proxied {
            self.plan6(now);
        }
        true
    }

    /// How each tunnel is that was [set up](Self::set_up_tunnel).
    pub fn tunnels(&self) -> impl Iterator<Item = (TunnelId, TunnelStatus)> {
        (0..MAX_TUNNELS as u8).map(TunnelId).filter_map(|id| Some((id, self.tunnel(id)?)))
    }

    /// How a tunnel is that was [set up](Self::set_up_tunnel).
    pub fn tunnel(&self, id: TunnelId) -> Option<TunnelStatus> {
        let tunnel = self.control6.tunnels.get(usize::from(id.0))?.as_ref()?;
        let datapath: &Datapath<'_> = self.datapath.as_ref()?;
        let link = datapath.link6(Hop::tunnel(id)).filter(|link| link.medium != Medium::Down);
        let counters = tunnel.liveness.counters();
        Some(TunnelStatus {
            wan: tunnel.wan,
            tunnel: Tunnel { remote: tunnel.moved.or(tunnel.settings.remote), ..tunnel.settings },
            local: datapath.interface(Hop::wan(tunnel.wan)).address.map(address),
            mtu: link.map(|link| link.mtu),
            far_end: tunnel.care.asks_peer.then(|| tunnel.liveness.state()),
            since: tunnel.known.since,
            round_trip: tunnel.liveness.round_trip(),
            echoes: [counters.sent, counters.answered],
            is_proxied: tunnel.care.is_proxied,
        })
    }
}
