//! What a WAN is told.

use gatelet_hal::PortId;
use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{Credentials, Echo};
use gatelet_proto::pppoe::NAME_MAX;
use gatelet_proto::redial::Policy;
use gatelet_wire::ethernet::VlanTag;
use gatelet_wire::{EthernetAddress, Ipv4Cidr};
use heapless::String;

/// Everything about one WAN.
#[derive(Debug, Clone)]
pub struct WanConfig {
    /// The port that faces the carrier.
    pub port: PortId,
    /// User name and password.
    pub credentials: Credentials,
    /// The service asked for. Empty: any, which is what nearly every carrier expects.
    pub service_name: String<NAME_MAX>,
    /// Accept only a concentrator of this AC-Name. Empty: any.
    pub ac_name: String<NAME_MAX>,
    /// Accept only the concentrator with this MAC address.
    pub ac_mac: Option<EthernetAddress>,
    /// The 802.1Q tag of everything on this WAN.
    pub vlan: Option<VlanTag>,
    /// A MAC address to use instead of the port's own.
    pub mac: Option<EthernetAddress>,
    /// Whether to ask for an MRU of up to 1500 (RFC 4638) where the port can carry it. If the path
    /// turns out not to, 1492 is used from the next dial on.
    pub jumbo: bool,
    /// LCP echo, unless the redial engine has found out that this concentrator ignores it.
    pub echo: Echo,
    /// The weakest authentication that may be used.
    pub minimum_auth: AuthMethod,
    /// When to dial and when to keep silent.
    pub policy: Policy,
    /// Whether IPv6 is wanted too.
    pub ipv6: bool,
    /// Our address in the modem's own network, for its page: with 192.168.100.2/24, hosts of the LAN reach a modem at
    /// 192.168.100.1 through the WAN's port, whether there is a session or not.
    pub modem: Option<Ipv4Cidr>,
}

impl WanConfig {
    /// The defaults: any service of any concentrator, untagged, RFC 4638 where it fits, PAP allowed,
    /// adaptive echo, IPv6, the generic redial policy.
    pub fn new(port: PortId, credentials: Credentials) -> Self {
        Self {
            port,
            credentials,
            service_name: String::new(),
            ac_name: String::new(),
            ac_mac: None,
            vlan: None,
            mac: None,
            jumbo: true,
            echo: Echo::default(),
            minimum_auth: AuthMethod::Pap,
            policy: Policy::default(),
            ipv6: true,
            modem: None,
        }
    }
}
