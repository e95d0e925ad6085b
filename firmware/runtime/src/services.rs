//! What a home router does beside routing, as one task: its own two stacks, DNS, the time of day, the leases' keeper.

use embassy_futures::join::join5;
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::RawMutex;
use gatelet_proto::dns;
use gatelet_router::WanId;
use rand_core::Rng;

use crate::{DnsSpace, Gatelet, LanRunner, LeaseStore, WanRunner};

/// What the services work with.
pub struct Services<'a, 'p, S, const QUERIES: usize, const ARENA: usize> {
    /// The session they use.
    pub wan: WanId,
    /// Its stack ([`Gatelet::wan_stack`]), with room for [`DnsSpace::WAN_SOCKETS`] sockets and one more.
    pub wan_stack: (Stack<'a>, WanRunner<'a, 'p>),
    /// The stack on the LAN ([`Gatelet::lan_stack`]), with room for [`DnsSpace::LAN_SOCKETS`] sockets.
    pub lan_stack: (Stack<'a>, LanRunner<'a, 'p>),
    /// The memory of the DNS service.
    pub names: &'a mut DnsSpace<QUERIES, ARENA>,
    /// Who the DNS service is.
    pub dns: dns::Config,
    /// Who is asked for the time of day.
    pub time_servers: &'a [&'a str],
    /// Where leases are kept.
    pub leases: S,
}

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Runs all services, for ever. `rng` makes a generator that nobody can guess for each of them.
    ///
    /// They share a task, since none of them is in the way of forwarded packets: when one wakes, all are looked at.
    ///
    /// # Panics
    /// If the WAN is not below `WANS`, or the stacks have no room for the sockets.
    pub async fn run_services<R: Rng, const QUERIES: usize, const ARENA: usize>(
        &self,
        services: Services<'_, '_, impl LeaseStore, QUERIES, ARENA>,
        mut rng: impl FnMut() -> R,
    ) -> ! {
        let Services { wan, wan_stack, lan_stack, names, dns, time_servers, mut leases } = services;
        join5(
            wan_stack.1.run(),
            lan_stack.1.run(),
            self.run_dns(wan, (lan_stack.0, wan_stack.0), dns, names, rng()),
            self.run_sntp(wan, wan_stack.0, time_servers, rng()),
            self.run_leases(&mut leases),
        )
        .await
        .0
    }
}
