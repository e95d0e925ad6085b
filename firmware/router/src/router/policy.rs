//! What the owner may say about what passes between LAN and WAN.

use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::Router;
use crate::datapath::{Filtering, Firewall, Forward, PingPolicy, PortRange, Protocol, Rule};

impl Router<'_> {
    /// Adds a rule behind those there are. False beyond [`MAX_RULES`](crate::MAX_RULES), or without tables.
    pub fn add_rule(&mut self, rule: Rule) -> bool {
        self.change_firewall(|firewall| firewall.rules.push((rule, 0)).is_ok())
    }

    /// Forgets all rules.
    pub fn clear_rules(&mut self) {
        self.change_firewall(|firewall| {
            firewall.rules.clear();
            true
        });
    }

    /// The rules in the order in which they are asked, and how many flows each has decided on. Wraps around.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, u32)> {
        let rules = self.datapath.iter().flat_map(|datapath| &datapath.firewall.rules);
        rules.map(|(rule, hits)| (rule, *hits))
    }

    /// Adds a port forward. False beyond [`MAX_FORWARDS`](crate::MAX_FORWARDS), without tables, or if it is not [valid](Forward::is_valid).
    pub fn add_forward(&mut self, forward: Forward) -> bool {
        forward.is_valid() && self.change_firewall(|firewall| firewall.forwards.push(forward).is_ok())
    }

    /// Forgets all port forwards. Connections through them end with their next packet.
    pub fn clear_forwards(&mut self) {
        self.change_firewall(|firewall| {
            firewall.forwards.clear();
            true
        });
    }

    /// The TCP port of every WAN at which the router itself may be spoken to: its stack on the LAN listens there. A
    /// [port forward](Self::add_forward) of the same port goes first, and rules from [`Zone::Wan`](crate::Zone::Wan) to
    /// [`Zone::Router`](crate::Zone::Router) are asked. `None`: there is none. False without a LAN, or for port 0.
    pub fn set_listening(&mut self, port: Option<u16>) -> bool {
        let Some(host) = self.lan().map(|lan| lan.address()).filter(|_| port != Some(0)) else {
            return false;
        };
        self.change_firewall(|firewall| {
            firewall.listening = port.map(|port| Forward {
                protocol: Protocol::Tcp,
                ports: PortRange::one(port),
                host,
                host_port: port,
                source: Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 0),
            });
            true
        })
    }

    /// The host on the LAN that gets what comes from a WAN and is for nobody else. False without tables.
    pub fn set_dmz(&mut self, host: Option<Ipv4Address>) -> bool {
        self.change_firewall(|firewall| {
            firewall.dmz = host;
            true
        })
    }

    /// Who may ping us from a WAN; nobody, unless this says otherwise. False without tables.
    pub fn set_ping(&mut self, ping: PingPolicy) -> bool {
        self.change_firewall(|firewall| {
            firewall.ping = ping;
            true
        })
    }

    /// Whose packets an open mapping lets in. False without tables.
    pub fn set_filtering(&mut self, filtering: Filtering) -> bool {
        self.change_firewall(|firewall| {
            firewall.filtering = filtering;
            true
        })
    }

    /// The most flows one host on the LAN may have; a quarter of all, unless this says otherwise. False without tables.
    pub fn set_host_quota(&mut self, flows: u16) -> bool {
        self.datapath.as_mut().map(|datapath| datapath.set_host_quota(flows)).is_some()
    }

    fn change_firewall(&mut self, change: impl FnOnce(&mut Firewall) -> bool) -> bool {
        let Some(datapath) = &mut self.datapath else { return false };
        datapath.next_epoch();
        change(&mut datapath.firewall)
    }
}
