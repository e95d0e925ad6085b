//! What a home router does beside routing, as two tasks: its own two stacks; DNS, the time of day, who keeps leases and settings.

use core::future::pending;

use embassy_futures::join::{join, join3};
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::RawMutex;
use gatelet_router::WanId;
use gatelet_settings::Settings;
use heapless::{String, Vec};
use rand_core::Rng;

use crate::settings::SettingsStore;
use crate::{DnsSpace, Gatelet, LanRunner, LeaseStore, WanRunner};

/// What the services work with, beside the [settings](Gatelet::lend_settings).
pub struct Services<'a, L, S, const QUERIES: usize, const ARENA: usize, const MESSAGE: usize> {
    /// The session they use.
    pub wan: WanId,
    /// Its stack ([`Gatelet::wan_stack`]), with room for [`DnsSpace::WAN_SOCKETS`] sockets and one
    /// more.
    pub wan_stack: Stack<'a>,
    /// The stack on the LAN ([`Gatelet::lan_stack`]), with room for [`DnsSpace::LAN_SOCKETS`] sockets.
    pub lan_stack: Stack<'a>,
    /// The memory of the DNS service.
    pub names: &'a mut DnsSpace<QUERIES, ARENA, MESSAGE>,
    /// Where leases are kept.
    pub leases: L,
    /// Where the settings are kept.
    pub settings: S,
}

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Runs all services, for ever, as the settings say; those of the DNS service and the time servers are read once. `rng` makes a
    /// generator that nobody can guess for each of them.
    ///
    /// They share a task, since none of them is in the way of forwarded packets: when one wakes, all are looked at. The stacks
    /// have [another](run_stacks).
    ///
    /// # Panics
    /// If the WAN is not below `WANS`, or the stacks have no room for the sockets.
    pub async fn run_services<R: Rng, const QUERIES: usize, const ARENA: usize, const MESSAGE: usize>(
        &self,
        services: Services<'_, impl LeaseStore, impl SettingsStore, QUERIES, ARENA, MESSAGE>,
        mut rng: impl FnMut() -> R,
    ) -> ! {
        let Services { wan, wan_stack, lan_stack, names, mut leases, mut settings } = services;
        let (dns, time_servers) = match self.settings {
            Some(desk) => desk.read(|settings| {
                self.follow_tunnel_settings(settings);
                (settings.dns(), time_servers(settings))
            }),
            None => Default::default(),
        };
        let time_servers: Vec<&str, TIME_SERVERS> = time_servers.iter().map(String::as_str).collect();
        let keep = async {
            match self.settings {
                Some(desk) => desk.run(&mut settings).await,
                None => pending().await,
            }
        };
        let others = join3(
            self.run_dns(wan, (lan_stack, wan_stack), dns, names, rng()),
            self.run_sntp(wan, wan_stack, &time_servers, rng()),
            self.run_leases(&mut leases),
        );
        join(others, keep).await.1
    }
}

/// Runs the stacks, for ever, in a task of their own: whoever looks whether a socket has received something wakes its stack, so
/// that in one task the two would wake each other without end.
pub async fn run_stacks(wan: WanRunner<'_, '_>, lan: LanRunner<'_, '_>) -> ! {
    join(wan.run(), lan.run()).await.0
}

/// As many as the settings have.
const TIME_SERVERS: usize = 4;

fn time_servers(settings: &Settings) -> Vec<String<64>, TIME_SERVERS> {
    settings.ntp_servers().filter_map(|name| name.try_into().ok()).collect()
}
