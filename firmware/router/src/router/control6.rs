//! IPv6's machines, and what follows from what they know: our addresses, the LAN's prefixes, the ways out.
//!
//! ```text
//!   uplinks ─┬─ held prefixes ──► first /64 of each: the LAN's, advertised, with an address of ours
//!            │                └─► the rest: nowhere, so that nothing circles between us and the carrier
//!            ├─ addresses ──────► the WAN's
//!            └─ router ─────────► ::/0 from that WAN's own prefixes alone (RFC 8028), while no captive portal has it
//!   tunnels ─── prefix ─────────► the LAN's; ::/0 from it through the tunnel, while the far end answers and no portal has the WAN
//!   no way out at all ──────────► a router lifetime of zero: hosts fall back to IPv4 at once
//! ```

mod prefixes;
mod tunnels;

pub use tunnels::TunnelStatus;

use gatelet_hal::Frame;
use gatelet_proto::dhcpv6::client;
use gatelet_proto::lifetime::Lifetime;
use gatelet_proto::ra::host;
use gatelet_proto::ra::router::{self, LanPrefix};
use gatelet_proto::sixinfour::liveness::{self, Liveness};
use gatelet_proto::sixinfour::{Mtu, Routed, TrafficClass, Tunnel};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ndp::network;
use heapless::Vec;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv6Address, Ipv6Cidr};

use super::{Captive, MAX_WANS, Router};
use crate::Dropped;
use crate::datapath::{
    Hop, HopKind, Ipv6Route, MAX_TUNNELS, Mac, Medium, Tos, TunnelConfig, TunnelId, TunnelRole, address6,
};
use crate::ipv6::Ipv6Event;
use crate::lan6::{Lan6, packet_frame};
use crate::wan::{Line, Uplink, WanId};

use prefixes::Memory;
use tunnels::{Care, Known};

/// How soon a packet is tried again that found no frame free.
const FRAME_RETRY: Duration = Duration::from_millis(10);
/// The longest packet of our machines.
const PACKET_MOST: usize = 1280;
/// Prefixes of the LAN: those of the WANs and of the tunnels.
const LAN_PREFIXES: usize = router::PREFIXES;
/// Default routes of a WAN, each for a source.
const WAN_ROUTES: usize = crate::MAX_IPV6_ADDRESSES + client::PREFIXES + 1 + 2 * MAX_TUNNELS;
/// Networks that are to be answered for on a WAN: what is shared with it, and two of each tunnel.
const PROXIED: usize = 1 + 2 * MAX_TUNNELS;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Control6 {
    uplinks: [Option<Uplink>; MAX_WANS],
    /// What captive portals have of each WAN.
    captive: [Captive; MAX_WANS],
    lan: Option<Lan6>,
    tunnels: [Option<Watched>; MAX_TUNNELS],
    frame_retry: Option<Instant>,
    /// Our addresses on the LAN, as the datapath knows them.
    own: Vec<Ipv6Cidr, LAN_PREFIXES>,
    /// The owner wants nothing more to be advertised.
    is_silent: bool,
    /// The LAN's own prefix.
    local_prefix: Option<Ipv6Cidr>,
    memory: Memory,
    /// Whom the LAN is told to ask for names; nobody: us.
    dns_servers: Vec<Ipv6Address, { router::DNS_SERVERS }>,
}

/// A tunnel of the owner's.
#[derive(Debug)]
struct Watched {
    /// The WAN whose IPv4 carries it.
    wan: WanId,
    /// As the owner has it.
    settings: Tunnel,
    /// Where the far end has moved since, and whether that is still to be told.
    moved: Option<Ipv4Address>,
    is_move_told: bool,
    liveness: Liveness,
    /// Whether there is a tunnel to be watched: its WAN has an address.
    is_up: bool,
    care: Care,
    known: Known,
}

impl Watched {
    /// As the datapath is to have it.
    fn config(&self) -> Option<TunnelConfig> {
        tunnel_config(self.wan, &Tunnel { remote: self.moved.or(self.settings.remote), ..self.settings })
    }

    /// Whether hosts may be sent through it.
    fn is_way_out(&self) -> bool {
        let answers = matches!(self.liveness.state(), liveness::State::Up | liveness::State::Degraded);
        self.is_up
            && (answers || !self.care.asks_peer)
            && matches!(self.settings.routed, Routed::Client { .. })
    }

    /// The LAN's /64 of it.
    fn lan_prefix(&self) -> Option<Ipv6Cidr> {
        let Routed::Client { prefix } = self.settings.routed else { return None };
        prefix.map(|prefix| network(prefix.address(), 64))
    }
}

const ANY: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, 0);

impl<'p> Router<'p> {
    // What the owner wants.

    /// Gets addresses and prefixes on a WAN by Router Advertisements and DHCPv6, as `config` has it, whenever its link carries
    /// IPv6; `None`: not any more. What it has stays while `config` does, and is asked for anew with another one. False without
    /// tables, or if there is no such WAN.
    pub fn acquire_ipv6(&mut self, now: Instant, wan: WanId, config: Option<client::Config>) -> bool {
        let is_there = self.datapath.is_some() && usize::from(wan.0) < self.wans.len();
        let Some(uplink) = self.control6.uplinks.get_mut(usize::from(wan.0)).filter(|_| is_there) else {
            return false;
        };
        if uplink.as_ref().map(Uplink::config) == config.as_ref() {
            return true;
        }
        let before = uplink.take();
        *uplink = config.map(|config| Uplink::new(wan, config));
        if let (Some(uplink), Some(before)) = (uplink, before) {
            uplink.shares = before.shares;
        }
        if let Some(datapath) = &mut self.datapath {
            datapath.set_ipv6_addresses(Hop::wan(wan), &[]);
            datapath.set_ipv6_routes(Hop::wan(wan), core::iter::empty());
        }
        self.refresh(now);
        self.plan6(now);
        true
    }

    /// Advertises IPv6 on the LAN, and tells hosts these DNS servers by Router Advertisements and DHCPv6: three at most. If there
    /// are none, the router itself, as DHCP does: by its address in a prefix of the LAN, which every host can use, and by the
    /// link-local one, which stays when the prefix changes. False without a LAN.
    pub fn advertise_ipv6(&mut self, now: Instant, dns_servers: &[Ipv6Address]) -> bool {
        let Some(lan) = &self.lan else { return false };
        let Some(port) = self.ports.iter().find(|port| port.id == lan.config.port) else { return false };
        let rng = &mut self.rng;
        let mac = port.mac;
        if self.control6.lan.as_ref().is_none_or(|known| known.mac() != mac) {
            self.control6.lan = Some(Lan6::new(now, rng, mac));
        }
        self.control6.is_silent = false;
        self.control6.dns_servers = dns_servers.iter().copied().take(router::DNS_SERVERS).collect();
        self.plan6(now);
        true
    }

    /// Whether the LAN shares a WAN's own /64 where nothing is delegated (RFC 4389); it does, unless this says otherwise. False
    /// unless addresses are [acquired](Self::acquire_ipv6) there.
    pub fn share_ipv6_prefix(&mut self, now: Instant, wan: WanId, shares: bool) -> bool {
        let uplink = self.control6.uplinks.get_mut(usize::from(wan.0)).and_then(Option::as_mut);
        let Some(uplink) = uplink else { return false };
        if core::mem::replace(&mut uplink.shares, shares) != shares {
            self.plan6(now);
        }
        true
    }

    /// A captive portal has a WAN, or not any more: hosts are told that there is no way out over what it has, and fall back at
    /// once. What they send all the same is forwarded.
    pub fn set_captive(&mut self, now: Instant, wan: WanId, captive: Captive) {
        if let Some(known) = self.control6.captive.get_mut(usize::from(wan.0)) {
            *known = captive;
            self.plan6(now);
        }
    }

    /// Sets up a tunnel over `wan` with all that belongs to it: its ends' addresses, what is routed through it, the LAN's prefix
    /// of it, and a watch over the far end. `None` takes it down. False, and nothing has changed, without tables, beyond
    /// [`MAX_TUNNELS`], or if it [cannot be](Tunnel::check). A far end that is not known yet leaves the tunnel down. One that is set
    /// up anew as it was stays as it is, wherever its far end [has moved](Self::move_tunnel).
    pub fn set_up_tunnel(&mut self, now: Instant, id: TunnelId, wan: WanId, tunnel: Option<&Tunnel>) -> bool {
        let Some(place) = self.control6.tunnels.get_mut(usize::from(id.0)) else { return false };
        let Some(datapath) = &mut self.datapath else { return false };
        if tunnel.is_some_and(|tunnel| tunnel.check().is_err()) {
            return false;
        }
        let known = place.as_ref().map(|known| (known.wan, &known.settings));
        if tunnel.is_some() && known == tunnel.map(|tunnel| (wan, tunnel)) {
            return true;
        }
        let hop = Hop::tunnel(id);
        let config = tunnel.and_then(|tunnel| tunnel_config(wan, tunnel));
        if !datapath.set_tunnel(now, id, config) {
            return false;
        }
        datapath.set_ipv6_addresses(hop, tunnel.map(|tunnel| tunnel.address).as_slice());
        datapath.set_ipv6_routes(hop, core::iter::empty());
        *place = tunnel.map(|tunnel| Watched {
            wan,
            settings: *tunnel,
            moved: None,
            is_move_told: true,
            liveness: Liveness::new(tunnel.address.address(), tunnel.peer),
            is_up: false,
            care: Care { asks_peer: true, is_proxied: true },
            known: Known { is_up: false, far_end: liveness::State::Unknown, since: now },
        });
        self.refresh(now);
        self.plan6(now);
        true
    }

    /// The far end of a tunnel that was [set up](Self::set_up_tunnel) has another address, as it has said and proved. False, and
    /// nothing has changed, if there is no such tunnel, or that is no host's address.
    pub fn move_tunnel(&mut self, now: Instant, id: TunnelId, remote: Ipv4Address) -> bool {
        let tunnel = self.control6.tunnels.get_mut(usize::from(id.0)).and_then(Option::as_mut);
        let (Some(datapath), Some(tunnel)) = (&mut self.datapath, tunnel) else { return false };
        if (Tunnel { remote: Some(remote), ..tunnel.settings }).check().is_err() {
            return false;
        }
        (tunnel.moved, tunnel.is_move_told) = (Some(remote), false);
        let is_set = datapath.set_tunnel(now, id, tunnel.config());
        self.refresh(now);
        self.plan6(now);
        is_set
    }

    /// Our global addresses on a WAN, as far as they came by Router Advertisements and DHCPv6.
    pub fn ipv6_addresses(&self, wan: WanId) -> impl Iterator<Item = Ipv6Cidr> {
        let uplink = self.uplink(wan);
        uplink.map(Uplink::addresses).unwrap_or_default().into_iter()
    }

    /// Prefixes delegated to us on a WAN. While it is down these are those of its last session.
    pub fn delegated_prefixes(&self, wan: WanId) -> &[client::Delegated] {
        self.uplink(wan).map(Uplink::held).unwrap_or_default()
    }

    /// DNS servers that a WAN's routers and its DHCPv6 server told.
    pub fn ipv6_dns_servers(&self, wan: WanId) -> impl Iterator<Item = Ipv6Address> {
        self.uplink(wan).into_iter().flat_map(Uplink::dns_servers)
    }

    /// Where a captive portal's API is, as the carrier of a WAN has told by DHCP, `DHCPv6` or Router Advertisements (RFC 8910 §2);
    /// empty, if it has not.
    pub fn captive_portal_uri(&self, id: WanId) -> &str {
        self.wans.get(usize::from(id.0)).map(|wan| named_portal(wan, self.uplink(id))).unwrap_or_default()
    }

    /// How a tunnel that was [set up](Self::set_up_tunnel) is.
    pub fn tunnel_state(&self, id: TunnelId) -> Option<liveness::State> {
        Some(self.control6.tunnels.get(usize::from(id.0))?.as_ref()?.liveness.state())
    }

    pub(super) fn uplink(&self, wan: WanId) -> Option<&Uplink> {
        self.control6.uplinks.get(usize::from(wan.0))?.as_ref()
    }

    /// The tunnel to the Internet over a WAN that is up, and our address at its near end: one whose far end answers, if there is
    /// one.
    pub(super) fn tunnel_out(&self, wan: WanId) -> Option<(TunnelId, Ipv6Address)> {
        let all = (0..).map(TunnelId).zip(&self.control6.tunnels);
        let is_candidate = |tunnel: &&Watched| {
            tunnel.wan == wan && tunnel.is_up && matches!(tunnel.settings.routed, Routed::Client { .. })
        };
        let mut up = all.filter_map(|(id, tunnel)| Some((id, tunnel.as_ref().filter(is_candidate)?)));
        let first = up.next()?;
        let (id, tunnel) = if first.1.is_way_out() {
            first
        } else {
            up.find(|(_, tunnel)| tunnel.is_way_out()).unwrap_or(first)
        };
        Some((id, tunnel.settings.address.address()))
    }

    // What arrives, and time.

    /// An IPv6 packet for a machine of ours, from its header on: a Router Solicitation or Advertisement, a message of DHCPv6, the
    /// echo reply of a tunnel's other end.
    pub(super) fn handle_control6(
        &mut self,
        now: Instant,
        hop: Hop,
        mac: Option<EthernetAddress>,
        frame: &Frame<'p>,
    ) -> Result<(), Dropped> {
        let (control, rng) = (&mut self.control6, &mut self.rng);
        let is_changed = match hop.kind() {
            HopKind::Lan => {
                let lan = control.lan.as_mut().ok_or(Dropped::ControlRefused)?;
                if let (Some(answer), Some(mac)) = (lan.handle_packet(now, self.pool, frame.bytes())?, mac) {
                    self.send_control6(now, hop, Some(mac), answer)?;
                }
                false
            }
            HopKind::Wan(wan) => {
                let uplink = control.uplinks.get_mut(usize::from(wan.0)).and_then(Option::as_mut);
                uplink.ok_or(Dropped::ControlRefused)?.handle_packet(now, rng, frame.bytes())?
            }
            HopKind::Tunnel(id) => {
                let tunnel = control.tunnels.get_mut(usize::from(id.0)).and_then(Option::as_mut);
                let watch = &mut tunnel.ok_or(Dropped::ControlRefused)?.liveness;
                let before = watch.state();
                watch.handle_packet(now, frame.bytes()).map_err(|_| Dropped::ControlRefused)?;
                watch.state() != before
            }
            HopKind::LanStack | HopKind::Modem(_) | HopKind::Stack(_) => return Err(Dropped::ControlRefused),
        };
        if is_changed {
            self.plan6(now);
        }
        Ok(())
    }

    /// Tells the machines what has become of their links.
    pub(super) fn refresh6(&mut self, now: Instant) {
        let Some(datapath) = &self.datapath else { return };
        let (control, rng) = (&mut self.control6, &mut self.rng);
        let mut is_changed = false;
        for ((id, wan), uplink) in (0..).map(WanId).zip(&self.wans).zip(&mut control.uplinks) {
            let Some(uplink) = uplink else { continue };
            let link = datapath.link6(Hop::wan(id)).filter(|link| link.medium != Medium::Down);
            let link = link.map(|link| {
                let interface_id = (address6(&link.local).to_bits() as u64).to_be_bytes();
                let mac = match wan {
                    Line::Pppoe(_) => None,
                    Line::Ethernet(wan) => Some(wan.framing().0),
                };
                host::Config { interface_id, mac, mtu: link.mtu }
            });
            is_changed |= uplink.set_link(now, rng, link);
        }
        for (id, tunnel) in (0..).map(TunnelId).zip(&mut control.tunnels) {
            let Some(tunnel) = tunnel else { continue };
            let link = datapath.link6(Hop::tunnel(id));
            let is_up = link.is_some_and(|link| link.medium != Medium::Down);
            if core::mem::replace(&mut tunnel.is_up, is_up) != is_up {
                is_changed = true;
                if is_up && tunnel.care.asks_peer {
                    tunnel.liveness.start(now, rng);
                } else {
                    tunnel.liveness.stop();
                }
            }
        }
        if is_changed {
            self.plan6(now);
        }
    }

    pub(super) fn handle_timeout6(&mut self, now: Instant) {
        let (control, rng) = (&mut self.control6, &mut self.rng);
        if control.frame_retry.is_some_and(|at| at <= now) {
            control.frame_retry = None;
        }
        let mut is_changed = false;
        for uplink in control.uplinks.iter_mut().flatten() {
            is_changed |= uplink.handle_timeout(now, rng);
        }
        for tunnel in control.tunnels.iter_mut().flatten() {
            let before = tunnel.liveness.state();
            tunnel.liveness.handle_timeout(now);
            is_changed |= tunnel.liveness.state() != before;
        }
        if let Some(lan) = &mut control.lan {
            lan.router.handle_timeout(now);
        }
        if is_changed {
            self.plan6(now);
        }
    }

    pub(super) fn poll_at6(&self) -> Option<Instant> {
        let control = &self.control6;
        let uplinks = control.uplinks.iter().flatten().filter_map(Uplink::poll_at);
        let tunnels = control.tunnels.iter().flatten().filter_map(|tunnel| tunnel.liveness.poll_at());
        let lan = control.lan.iter().filter_map(|lan| lan.router.poll_at());
        let at = uplinks.chain(tunnels).chain(lan).min()?;
        Some(control.frame_retry.map_or(at, |retry| retry.max(at)))
    }

    pub(super) fn poll_event6(&mut self) -> Option<Ipv6Event> {
        let control = &mut self.control6;
        for uplink in control.uplinks.iter_mut().flatten() {
            if let Some(event) = uplink.poll_event() {
                return Some(event);
            }
            for _ in 0..uplink.take_events_lost() {
                self.counters.count(Dropped::EventLost);
            }
        }
        if let Some(event) = control.lan.as_mut().and_then(Lan6::poll_event) {
            let router::Event::OtherRouter { address } = event;
            return Some(Ipv6Event::OtherRouter { address });
        }
        for (id, tunnel) in (0..).map(TunnelId).zip(&mut control.tunnels) {
            let Some(tunnel) = tunnel else { continue };
            if let Some(remote) = tunnel.moved
                && !core::mem::replace(&mut tunnel.is_move_told, true)
            {
                return Some(Ipv6Event::TunnelMoved { tunnel: id, remote });
            }
            if let Some(state) = tunnel.liveness.poll_event() {
                return Some(Ipv6Event::Tunnel { tunnel: id, state });
            }
        }
        None
    }

    // What leaves.

    /// Gives the datapath what the machines have to send. It comes out of [`poll_transmit`](Self::poll_transmit).
    pub(super) fn transmit6(&mut self, now: Instant) {
        while let Some((hop, mac, frame)) = self.next_packet6(now) {
            if let Err(reason) = self.send_control6(now, hop, mac, frame) {
                self.counters.count(reason);
            }
        }
    }

    /// The next packet, where it goes, and to which station if that is known.
    fn next_packet6(&mut self, now: Instant) -> Option<(Hop, Option<EthernetAddress>, Frame<'p>)> {
        let control = &mut self.control6;
        if control.frame_retry.is_some_and(|at| at > now) {
            return None;
        }
        let uplinks = (0..).map(WanId).zip(&mut control.uplinks);
        let mut uplinks = uplinks.filter_map(|(id, uplink)| Some((id, uplink.as_mut()?)));
        let uplink = uplinks.find(|(_, uplink)| uplink.wants_to_send(now));
        let tunnels = (0..).map(TunnelId).zip(&mut control.tunnels);
        let mut tunnels = tunnels.filter_map(|(id, tunnel)| Some((id, &mut tunnel.as_mut()?.liveness)));
        let tunnel = tunnels.find(|(_, liveness)| liveness.wants_to_send(now));
        let lan = control.lan.as_mut().filter(|lan| lan.router.wants_to_send(now));
        if uplink.is_none() && tunnel.is_none() && lan.is_none() {
            return None;
        }
        let Some(mut frame) = packet_frame(self.pool) else {
            control.frame_retry = Some(now + FRAME_RETRY);
            self.counters.count(Dropped::OutOfFrames);
            return None;
        };
        let room = frame.push_back(PACKET_MOST)?;
        let (hop, mac, len) = match (uplink, tunnel, lan) {
            (Some((id, uplink)), ..) => (Hop::wan(id), None, uplink.poll_transmit(now, room)?),
            (None, Some((id, liveness)), _) => (Hop::tunnel(id), None, liveness.poll_transmit(now, room)?),
            (None, None, lan) => {
                let out = lan?.router.poll_transmit(now, room)?;
                (Hop::LAN, Some(out.mac), out.len)
            }
        };
        frame.truncate(len);
        Some((hop, mac, frame))
    }

    /// Sends an IPv6 packet of such a machine out of `hop`: to a station, to a group, or to whom its route leads. It comes out of
    /// [`poll_transmit`](Self::poll_transmit).
    fn send_control6(
        &mut self,
        now: Instant,
        hop: Hop,
        mac: Option<EthernetAddress>,
        frame: Frame<'p>,
    ) -> Result<(), Dropped> {
        let datapath = self.datapath.as_mut().ok_or(Dropped::NetworkDown)?;
        match mac {
            // Whoever has just asked need not be looked for.
            Some(mac) => datapath.send_to6(hop, Mac::of(mac), frame),
            None => datapath.send_own6(now, hop, frame),
        }
    }

    // What follows.

    /// Tells the LAN's hosts, by DHCP, Router Advertisements and DHCPv6, the captive portal that a WAN has named (RFC 8910): it is
    /// one for them, too. Of several WANs' the first.
    pub(super) fn pass_on_portal(&mut self, now: Instant) {
        let wans = self.wans.iter().zip(&self.control6.uplinks);
        let mut named = wans.map(|(wan, uplink)| named_portal(wan, uplink.as_ref()));
        let uri = named.find(|uri| !uri.is_empty()).unwrap_or_default();
        if let Some(lan) = &mut self.lan {
            lan.set_captive_portal_uri(uri);
        }
        if let Some(lan) = &mut self.control6.lan {
            lan.set_captive_portal_uri(now, uri);
        }
    }

    /// Works out anew what the datapath and the LAN are to be told. Routes to nowhere are its own: those of the owner are
    /// forgotten.
    fn plan6(&mut self, now: Instant) {
        self.pass_on_portal(now);
        let Some(datapath) = &mut self.datapath else { return };
        let control = &mut self.control6;
        let mut plan = Plan::default();
        for ((id, uplink), captive) in (0..).map(WanId).zip(&control.uplinks).zip(control.captive) {
            let Some(uplink) = uplink else { continue };
            let hop = Hop::wan(id);
            datapath.set_ipv6_addresses(hop, &uplink.addresses());
            datapath.set_ipv6_routes(hop, routes_of(uplink, control.served()).into_iter());
            let shared = uplink.shared().map(|shared| shared.prefix);
            let mut proxied: Vec<Ipv6Cidr, PROXIED> = shared.into_iter().collect();
            // One beyond what the datapath takes is left alone.
            proxied.extend(control.proxied(id).take(PROXIED - 1));
            // Nobody looks for neighbours where there is but one.
            let proxied = if uplink.is_point_to_point() { &[] } else { proxied.as_slice() };
            datapath.set_ndp_proxy(hop, proxied);
            let before = plan.lan.len();
            for client::Delegated { prefix, preferred, valid } in uplink.lan_prefixes() {
                plan.add(LanPrefix { prefix, preferred, valid });
            }
            for held in uplink.held() {
                plan.leads_nowhere(held.prefix);
            }
            let has_prefix = plan.lan.len() > before;
            if has_prefix && uplink.router().is_some() && captive != Captive::All {
                plan.leads_out(uplink.mtu());
            }
        }
        for (id, tunnel) in (0..).map(TunnelId).zip(&mut control.tunnels) {
            let Some(tunnel) = tunnel else { continue };
            tunnel.note(now);
            let hop = Hop::tunnel(id);
            datapath.set_ipv6_routes(hop, tunnel_routes(&tunnel.settings).into_iter());
            let Some(prefix) = tunnel.lan_prefix() else { continue };
            plan.add(LanPrefix { prefix, preferred: Lifetime::Forever, valid: Lifetime::Forever });
            if let Routed::Client { prefix: Some(prefix) } = tunnel.settings.routed {
                plan.leads_nowhere(prefix);
            }
            let captive = control.captive.get(usize::from(tunnel.wan.0)).copied().unwrap_or_default();
            if tunnel.is_way_out() && captive == Captive::No {
                plan.leads_out(datapath.link6(hop).map_or(host::LEAST_MTU, |link| link.mtu));
            }
        }
        control.plan_local_prefix(&mut plan);
        datapath.set_ipv6_routes(Hop::NONE, plan.nowhere.iter().copied());
        let Some(lan) = &mut control.lan else { return };
        let addresses: Vec<Ipv6Cidr, LAN_PREFIXES> =
            plan.lan.iter().map(|known| lan.address_in(known.prefix)).collect();
        if addresses != control.own {
            datapath.set_ipv6_addresses(Hop::LAN, &addresses);
            datapath.probe_addresses6(Hop::LAN);
            control.own = addresses;
        }
        let named = plan.preferred(now).map(|prefix| lan.address_in(prefix).address());
        let named: Vec<Ipv6Address, 2> = named.into_iter().chain([lan.link_local()]).collect();
        let named = if control.dns_servers.is_empty() { named.as_slice() } else { &control.dns_servers };
        if control.is_silent {
            // What hosts have still works until they have forgotten it.
            plan.lan.clear();
            plan.mtu = None;
        }
        lan.set_dns_servers(now, if control.is_silent { &[] } else { named });
        lan.router.set_prefixes(now, &plan.lan);
        lan.router.set_default_router(now, plan.mtu.is_some());
        lan.router.set_mtu(now, plan.mtu.filter(|mtu| *mtu < super::ETHERNET_MTU));
        control.compare_prefixes(now, &plan);
    }
}

/// The captive portal that a WAN has named; all ways to name it should say the same (RFC 8910 §3).
fn named_portal<'r>(wan: &'r Line<'_>, uplink: Option<&'r Uplink>) -> &'r str {
    let lease = if let Line::Ethernet(wan) = wan { wan.lease() } else { None };
    let by_dhcp = lease.map(|lease| lease.captive_portal_uri.as_str()).filter(|uri| !uri.is_empty());
    by_dhcp.or(uplink.map(Uplink::captive_portal_uri)).unwrap_or_default()
}

/// What the LAN is told.
#[derive(Debug, Default)]
struct Plan {
    lan: Vec<LanPrefix, LAN_PREFIXES>,
    nowhere: Vec<Ipv6Route, LAN_PREFIXES>,
    /// The shortest of all ways out; `None`: there is none.
    mtu: Option<u16>,
}

impl Plan {
    fn add(&mut self, prefix: LanPrefix) {
        if !self.lan.iter().any(|known| known.prefix == prefix.prefix) {
            // More than the LAN can have are left alone.
            let _ = self.lan.push(prefix);
        }
    }

    /// The prefix that new connections of hosts come from.
    fn preferred(&self, now: Instant) -> Option<Ipv6Cidr> {
        self.lan.iter().find(|known| !known.preferred.is_over(now)).map(|known| known.prefix)
    }

    fn leads_nowhere(&mut self, destination: Ipv6Cidr) {
        let _ = self.nowhere.push(Ipv6Route { destination, source: ANY, gateway: None });
    }

    fn leads_out(&mut self, mtu: u16) {
        self.mtu = Some(self.mtu.map_or(mtu, |known| known.min(mtu)));
    }
}

/// The default route of a WAN, for what is the WAN's own, and for `served`, the clients of our tunnels: of their prefixes no WAN
/// knows, where a provider just routes them to us.
fn routes_of(uplink: &Uplink, served: impl Iterator<Item = Ipv6Cidr>) -> Vec<Ipv6Route, WAN_ROUTES> {
    let Some(router) = uplink.router() else { return Vec::new() };
    let gateway = (!uplink.is_point_to_point()).then_some(router);
    let own = uplink.addresses().into_iter().map(|own| Ipv6Cidr::new(own.address(), 128));
    let held = uplink.held().iter().map(|held| held.prefix);
    let shared = uplink.shared().map(|shared| shared.prefix);
    let route = |source| Ipv6Route { destination: ANY, source, gateway };
    own.chain(held).chain(shared).chain(served).map(route).take(WAN_ROUTES).collect()
}

/// What goes through a tunnel: to the client what is its, from the client's end everything that is ours.
fn tunnel_routes(tunnel: &Tunnel) -> Vec<Ipv6Route, 2> {
    match tunnel.routed {
        Routed::Client { prefix } => {
            let own = Ipv6Cidr::new(tunnel.address.address(), 128);
            let route = |source| Ipv6Route { destination: ANY, source, gateway: None };
            core::iter::once(own).chain(prefix).map(route).collect()
        }
        Routed::Server { prefix } => {
            let route = |destination| Ipv6Route { destination, source: ANY, gateway: None };
            prefix.into_iter().map(route).collect()
        }
    }
}

/// A tunnel as the datapath has it; `None` while its far end is not known.
fn tunnel_config(wan: WanId, tunnel: &Tunnel) -> Option<TunnelConfig> {
    Some(TunnelConfig {
        wan,
        remote: tunnel.remote?,
        role: match tunnel.routed {
            Routed::Client { .. } => TunnelRole::Client,
            Routed::Server { .. } => TunnelRole::Server,
        },
        ttl: tunnel.ttl,
        tos: match tunnel.traffic_class {
            TrafficClass::Inherit => Tos::Inherit,
            TrafficClass::Dscp(dscp) => Tos::Fixed(dscp),
        },
        mtu: match tunnel.mtu {
            Mtu::Derived => None,
            Mtu::Fixed(mtu) => Some(mtu),
        },
    })
}
