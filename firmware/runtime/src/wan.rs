//! The `wan` stack: an embassy-net stack that is up while the session is, for what the firmware itself wants from
//! the Internet.

use embassy_futures::join::join;
use embassy_net::{ConfigV4, ConfigV6, Ipv4Cidr, Ipv6Cidr, Runner, Stack, StaticConfigV4, StaticConfigV6};
use embassy_sync::watch::DynReceiver;
use gatelet_router::{Ipv4Status, Ipv6Access, Ipv6Status, WanStatus};
use smoltcp::wire::Ipv6Address;

use crate::IpDevice;

/// What a session gives to the router's own stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// What IPCP agreed on, if it did.
    pub ipv4: Option<Ipv4Status>,
    /// What IPV6CP agreed on, if it did.
    pub ipv6: Option<Ipv6Status>,
    /// The way to the Internet by IPv6, if there is one: over the line, or through a tunnel over it.
    pub ipv6_access: Option<Ipv6Access>,
    /// The longest IP packet, in bytes.
    pub mtu: u16,
}

impl Session {
    /// `None`, if nothing of the session is up.
    pub(crate) fn of(status: &WanStatus, ipv6_access: Option<Ipv6Access>) -> Option<Self> {
        let &WanStatus { ipv4, ipv6, mtu, .. } = status;
        let is_up = ipv4.is_some() || ipv6.is_some() || ipv6_access.is_some();
        is_up.then_some(Self { ipv4, ipv6, ipv6_access, mtu })
    }
}

/// Runs a WAN's stack: its packets, and its addresses as sessions come and go.
pub struct WanRunner<'a, 'p> {
    pub(crate) runner: Runner<'a, IpDevice<'a, 'p>>,
    pub(crate) stack: Stack<'a>,
    pub(crate) session: DynReceiver<'a, Option<Session>>,
}

impl WanRunner<'_, '_> {
    /// Runs for ever; a task of the firmware's awaits it.
    pub async fn run(mut self) -> ! {
        let follow = async {
            loop {
                configure(self.stack, self.session.changed().await);
            }
        };
        join(self.runner.run(), follow).await.0
    }
}

/// Gives `stack` the session's addresses; none, if there is no session.
fn configure(stack: Stack<'_>, session: Option<Session>) {
    let ipv4 = session.and_then(|session| session.ipv4);
    stack.set_config_v4(ipv4.map_or(ConfigV4::None, |ipv4| {
        ConfigV4::Static(StaticConfigV4 {
            // A point-to-point link has no subnet.
            address: Ipv4Cidr::new(ipv4.address, 32),
            // Nobody looks for the next hop on a point-to-point link: any address makes the default route.
            gateway: Some(ipv4.peer.unwrap_or(ipv4.address)),
            dns_servers: ipv4.dns.into_iter().flatten().collect(),
        })
    }));
    stack.set_config_v6(
        session.and_then(|session| ipv6_of(&session)).map_or(ConfigV6::None, ConfigV6::Static),
    );
}

/// What IPv6 there is: the way to the Internet, else the link.
fn ipv6_of(session: &Session) -> Option<StaticConfigV6> {
    if let Some(Ipv6Access { address, dns, .. }) = session.ipv6_access {
        return Some(StaticConfigV6 {
            address: Ipv6Cidr::new(address, 128),
            // As for IPv4; where it goes from here, the router knows.
            gateway: Some(address),
            dns_servers: dns.into_iter().flatten().collect(),
        });
    }
    let ipv6 = session.ipv6?;
    let local = link_local(ipv6.local);
    Some(StaticConfigV6 {
        address: Ipv6Cidr::new(local, 64),
        gateway: Some(ipv6.peer.map_or(local, link_local)),
        dns_servers: heapless::Vec::new(),
    })
}

/// The link-local prefix and the interface identifier (RFC 5072, section 5).
fn link_local(interface_identifier: [u8; 8]) -> Ipv6Address {
    let mut octets = [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    octets[8..].copy_from_slice(&interface_identifier);
    octets.into()
}
