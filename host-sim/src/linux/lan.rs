//! The LAN of a router between two interfaces: what the command line says about it, told to the router.

use std::net::Ipv4Addr;

use gatelet_hal::PortId;
use gatelet_router::{LanConfig, MAX_FORWARDS, PingPolicy, Router, TableSpace};
use gatelet_runtime::{DnsSpace, ProbeSpace, UpdateSpace};
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

/// Sockets of the router's own stack in the LAN, and of the one on the line: the DNS service's, those of endpoint
/// updates, and the one that a stack opens for itself.
pub const LAN_SOCKETS: usize = Names::LAN_SOCKETS + 1 + UpdateSpace::LAN_SOCKETS;
/// As [`LAN_SOCKETS`].
pub const WAN_SOCKETS: usize =
    Names::WAN_SOCKETS + 1 + UpdateSpace::WAN_SOCKETS + CONSOLE_SOCKETS + 2 * Probes::SOCKETS;
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

fn in_the_lan(lan: &Lan, option: &str, host: Ipv4Addr) -> Result<(), String> {
    if lan.address.contains_addr(&host) {
        Ok(())
    } else {
        Err(format!("{option}: {host} is not in the LAN, {}", lan.address.network()))
    }
}
