//! The `lan` stack: an embassy-net stack with the router's own address at home, for what the router itself offers there.

use embassy_futures::join::join;
use embassy_net::{ConfigV4, Runner, Stack, StaticConfigV4};
use embassy_sync::watch::DynReceiver;
use smoltcp::wire::Ipv4Cidr;

use crate::IpDevice;

/// Runs the stack on the LAN: its packets, and its address as the settings change.
pub struct LanRunner<'a, 'p> {
    pub(crate) runner: Runner<'a, IpDevice<'a, 'p, Ipv4Cidr>>,
    pub(crate) stack: Stack<'a>,
    pub(crate) address: DynReceiver<'a, Option<Ipv4Cidr>>,
}

impl LanRunner<'_, '_> {
    /// Runs for ever; a task of the firmware's awaits it.
    pub async fn run(mut self) -> ! {
        let follow = async {
            loop {
                let address = self.address.changed().await;
                self.stack.set_config_v4(address.map_or(ConfigV4::None, |address| {
                    // Hosts of the LAN are on the link, and so is everybody else: the router forwards what is not.
                    let gateway = Some(address.address());
                    ConfigV4::Static(StaticConfigV4 { address, gateway, dns_servers: heapless::Vec::new() })
                }));
            }
        };
        join(self.runner.run(), follow).await.0
    }
}
