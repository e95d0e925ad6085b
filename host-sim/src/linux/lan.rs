//! The LAN of a router between two interfaces: what the command line says about it, told to the router.

use std::net::Ipv4Addr;

use gatelet_hal::PortId;
use gatelet_proto::dhcpv6::{client, duid_ll};
use gatelet_proto::sixinfour::{Routed, Tunnel};
use gatelet_router::{LanConfig, MAX_FORWARDS, MAX_TUNNELS, PingPolicy, Router, TableSpace, TunnelId, WanId};
use gatelet_runtime::{DnsSpace, ProbeSpace};
use gatelet_wire::EthernetAddress;
use smoltcp::time::Instant;

use super::args::Lan;

/// Flows at a time, each of them a connection: 1.5 MB. A browser's start page opens a hundred.
const FLOWS: usize = 16_384;
/// Those of IPv6.
const FLOWS6: usize = 4_096;
/// Hosts in the LAN.
const HOSTS: usize = 254;

/// The memory of the router's tables.
pub type Tables = TableSpace<FLOWS, HOSTS, FLOWS6>;

/// Names that may be looked up at once; more wait for a repetition.
const QUERIES: usize = 32;
/// Bytes of answers that are kept.
const ANSWERS: usize = 64 * 1024;

/// The memory of the DNS service.
pub type Names = DnsSpace<QUERIES, ANSWERS>;

/// The memory of one family's connectivity checks.
pub type Probes = ProbeSpace<8>;

/// Sockets of the router's own stack in the LAN, and of the one on the line: the DNS service's, and the one that
/// a stack opens for itself.
pub const LAN_SOCKETS: usize = Names::LAN_SOCKETS + 1;
/// As [`LAN_SOCKETS`].
pub const WAN_SOCKETS: usize = Names::WAN_SOCKETS + 1 + CONSOLE_SOCKETS + 2 * Probes::SOCKETS;
/// What `ping` and `traceroute` take.
const CONSOLE_SOCKETS: usize = 2;

/// Makes `router` the LAN's router.
///
/// # Errors
/// A sentence about what the router does not take.
pub fn set_up(router: &mut Router<'_>, now: Instant, port: PortId, lan: &Lan) -> Result<(), String> {
    let mut config = LanConfig::new(port, lan.address);
    if lan.no_dhcp {
        config.dhcp = None;
    }
    if !router.add_lan(now, config) {
        return Err(format!("--lan-address: {} is no address of a router in a LAN", lan.address));
    }
    for forward in &lan.forwards {
        in_the_lan(lan, "--forward", forward.host)?;
        if !router.add_forward(*forward) {
            return Err(format!("--forward: more than the {MAX_FORWARDS} that the router takes"));
        }
    }
    if let Some(host) = lan.dmz {
        in_the_lan(lan, "--dmz", host)?;
        router.set_dmz(Some(host));
    }
    if let Some(network) = lan.ping_from {
        router.set_ping(PingPolicy::From(network));
    }
    Ok(())
}

/// Has the router speak IPv6, as far as that is wanted; `mac` is its own on the line.
///
/// # Errors
/// A sentence about what the router does not take.
pub fn set_up_ipv6(
    router: &mut Router<'_>,
    now: Instant,
    wan: WanId,
    mac: EthernetAddress,
    lan: &Lan,
) -> Result<(), String> {
    if !lan.ipv6 && lan.sit.is_none() && lan.sit_client.is_empty() {
        return Ok(());
    }
    let config = lan.ipv6.then(|| client::Config::new(duid_ll(mac)));
    // The hosts look names up over IPv4, at the router.
    if config.is_some() && !router.acquire_ipv6(now, wan, config) || !router.advertise_ipv6(now, &[]) {
        return Err("--ipv6: the router does not take it".into());
    }
    let served = lan.sit_client.iter().map(|tunnel| {
        let Routed::Client { prefix } = tunnel.routed else { return *tunnel };
        Tunnel { routed: Routed::Server { prefix }, ..*tunnel }
    });
    for (number, tunnel) in (0..).zip(lan.sit.into_iter().chain(served)) {
        if !router.set_up_tunnel(now, TunnelId(number), wan, Some(&tunnel)) {
            return Err(format!("--sit-client: more than the {MAX_TUNNELS} tunnels that the router takes"));
        }
    }
    Ok(())
}

fn in_the_lan(lan: &Lan, option: &str, host: Ipv4Addr) -> Result<(), String> {
    if lan.address.contains_addr(&host) {
        Ok(())
    } else {
        Err(format!("{option}: {host} is not in the LAN, {}", lan.address.network()))
    }
}
