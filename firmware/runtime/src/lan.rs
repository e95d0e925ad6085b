//! The `lan` stack: an embassy-net stack with the router's own addresses at home, for what the router itself offers there.

use embassy_futures::join::join;
use embassy_net::{ConfigV4, ConfigV6, Runner, Stack, StaticConfigV4, StaticConfigV6};
use embassy_sync::watch::DynReceiver;
use gatelet_router::Router;
use smoltcp::wire::{Ipv4Cidr, Ipv6Address, Ipv6Cidr};

use crate::IpDevice;

/// The router's addresses on the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LanAddresses {
    pub(crate) ipv4: Ipv4Cidr,
    /// That of the stack: see [`one_address`](crate::one_address).
    pub(crate) link_local: Option<Ipv6Address>,
    /// The one in the LAN's preferred prefix, if there is a prefix.
    pub(crate) ipv6: Option<Ipv6Address>,
}

impl LanAddresses {
    /// `None` if there is no LAN.
    pub(crate) fn of(router: &Router<'_>) -> Option<Self> {
        let ipv4 = router.lan()?;
        let (link_local, ipv6) = router
            .lan_ipv6()
            .map(|(local, mut others)| (local, others.next().map(|cidr| cidr.address())))
            .unzip();
        Some(Self { ipv4, link_local, ipv6: ipv6.flatten() })
    }
}

/// Runs the stack on the LAN: its packets, and its addresses as the settings and the LAN's prefixes change.
pub struct LanRunner<'a, 'p> {
    pub(crate) runner: Runner<'a, IpDevice<'a, 'p, LanAddresses>>,
    pub(crate) stack: Stack<'a>,
    pub(crate) addresses: DynReceiver<'a, Option<LanAddresses>>,
}

impl LanRunner<'_, '_> {
    /// Runs for ever; a task of the firmware's awaits it.
    pub async fn run(mut self) -> ! {
        let follow = async {
            loop {
                configure(self.stack, self.addresses.changed().await);
            }
        };
        join(self.runner.run(), follow).await.0
    }
}

/// Gives `stack` these addresses. Hosts of the LAN are on the link, and so is everybody else: the router forwards what is not.
fn configure(stack: Stack<'_>, addresses: Option<LanAddresses>) {
    let ipv4 = addresses.map(|addresses| addresses.ipv4).map(|address| StaticConfigV4 {
        address,
        gateway: Some(address.address()),
        dns_servers: heapless::Vec::new(),
    });
    stack.set_config_v4(ipv4.map_or(ConfigV4::None, ConfigV4::Static));
    let ipv6 = addresses.and_then(|addresses| addresses.link_local).map(|address| StaticConfigV6 {
        address: Ipv6Cidr::new(address, 64),
        gateway: Some(address),
        dns_servers: heapless::Vec::new(),
    });
    stack.set_config_v6(ipv6.map_or(ConfigV6::None, ConfigV6::Static));
}
