//! The LAN of a router between two interfaces: what the command line says about it, told to the router.

use gatelet_hal::PortId;
use gatelet_router::{LanConfig, PingPolicy, Router, TableSpace};
use smoltcp::time::Instant;

use super::args::Lan;

/// Flows at a time, each of them a connection: 1.5 MB. A browser's start page opens a hundred.
const FLOWS: usize = 16_384;
/// Hosts in the LAN.
const HOSTS: usize = 254;

/// The memory of the router's tables.
pub type Tables = TableSpace<FLOWS, HOSTS>;

/// Makes `router` the LAN's router.
///
/// # Errors
/// A sentence about what the router does not take.
pub fn set_up(router: &mut Router<'_>, now: Instant, port: PortId, lan: &Lan) -> Result<(), String> {
    let mut config = LanConfig::new(port, lan.address);
    if lan.no_dhcp {
        config.dhcp = None;
    }
    router
        .add_lan(now, config)
        .ok_or_else(|| format!("{} is no address of a router in a LAN", lan.address))?;
    for forward in &lan.forwards {
        if !lan.address.contains_addr(&forward.host) {
            return Err(format!("--forward: {} is not in the LAN {}", forward.host, lan.address));
        }
        router.add_forward(*forward).map_err(|_| "more port forwards than the router takes".to_owned())?;
    }
    if let Some(host) = lan.dmz {
        if !lan.address.contains_addr(&host) {
            return Err(format!("--dmz: {host} is not in the LAN {}", lan.address));
        }
        router.set_dmz(Some(host));
    }
    if let Some(network) = lan.ping_from {
        router.set_ping(PingPolicy::From(network));
    }
    Ok(())
}
