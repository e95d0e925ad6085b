//! From settings to what IPv6's machines are told.

use gatelet_proto::dhcpv6::DuidBuf;
use gatelet_proto::dhcpv6::client;
use gatelet_proto::sixinfour::update::{self, Account, server};
use gatelet_proto::sixinfour::{Mtu, Routed, TrafficClass, Tunnel};
use gatelet_router::{Ipv6Policy, MAX_TUNNELS};
use gatelet_wire::{Ipv6Address, Ipv6Cidr};
use heapless::Vec;

use crate::config::bounded;
use crate::{Settings, Value};

/// Tunnels there can be, numbered from 1 on.
pub const TUNNELS: u8 = MAX_TUNNELS as u8;
/// The most name servers that hosts are told of.
const DNS_SERVERS: usize = 3;

/// What is wanted of IPv6, beside the tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6 {
    /// The carrier is asked for addresses and prefixes.
    pub is_native: bool,
    /// The LAN's hosts are told of it.
    pub is_advertised: bool,
    /// Where nothing is delegated, the LAN shares the line's own /64.
    pub shares_prefix: bool,
    /// The LAN's own prefix.
    pub local_prefix: Option<Ipv6Cidr>,
    /// What comes in without having been asked for.
    pub policy: Ipv6Policy,
}

impl Settings {
    /// What is wanted of IPv6.
    pub fn ipv6(&self) -> Ipv6 {
        let mode = self.choice("ipv6.mode", 0);
        Ipv6 {
            is_native: matches!(mode, "auto" | "native"),
            is_advertised: mode != "off" && self.flag("ipv6.advertise", 0),
            shares_prefix: self.flag("ipv6.share-prefix", 0),
            local_prefix: self.network6("ipv6.local-prefix", 0),
            policy: Ipv6Policy {
                allow_echo: self.flag("ipv6.firewall.echo", 0),
                allow_ipsec: self.flag("ipv6.firewall.ipsec", 0),
                answer_echo: self.flag("ipv6.firewall.ping-router", 0),
            },
        }
    }

    /// What the carrier is asked for over IPv6, by a router that calls itself `duid`; `None`: nothing.
    pub fn ipv6_client(&self, duid: DuidBuf) -> Option<client::Config> {
        let len = self.number("ipv6.prefix-length", 0).and_then(|len| len.try_into().ok()).unwrap_or(56);
        let any = Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, len);
        let config = client::Config { wants_prefix: Some(any), ..client::Config::new(duid) };
        self.ipv6().is_native.then_some(config)
    }

    /// Name servers that hosts are told of by IPv6; none: the router itself, if it serves names over IPv6.
    pub fn ipv6_dns(&self) -> Vec<Ipv6Address, DNS_SERVERS> {
        (1..=DNS_SERVERS as u8).filter_map(|n| self.host6("ipv6.dns.#", n)).collect()
    }

    /// A tunnel, by its number from 1 on; `None` if it is not set, or not wanted by `ipv6.mode`.
    pub fn tunnel(&self, n: u8) -> Option<Tunnel> {
        let is_wanted = match self.choice("ipv6.mode", 0) {
            "off" => false,
            // Whom we serve is another matter than where our own IPv6 comes from.
            "native" => self.serves(n),
            _ => true,
        };
        self.tunnel_set(n).filter(|tunnel| is_wanted && tunnel.check().is_ok())
    }

    /// A tunnel as it is set, whether it can be or not.
    pub(crate) fn tunnel_set(&self, n: u8) -> Option<Tunnel> {
        let Some(Value::Interface6(address)) = self.at("tunnel.#.address", n) else { return None };
        let prefix = self.network6("tunnel.#.prefix", n);
        let number = |path| self.number(path, n);
        Some(Tunnel {
            remote: self.host("tunnel.#.remote", n),
            address,
            peer: self.host6("tunnel.#.peer", n).unwrap_or_else(|| other_end(address, self.serves(n))),
            routed: if self.serves(n) { Routed::Server { prefix } } else { Routed::Client { prefix } },
            ttl: number("tunnel.#.ttl").and_then(|ttl| ttl.try_into().ok()).unwrap_or(u8::MAX),
            traffic_class: match self.at("tunnel.#.dscp", n) {
                Some(Value::Dscp(Some(dscp))) => TrafficClass::Dscp(dscp),
                _ => TrafficClass::Inherit,
            },
            mtu: number("tunnel.#.mtu").and_then(|mtu| mtu.try_into().ok()).map_or(Mtu::Derived, Mtu::Fixed),
        })
    }

    /// Whether we are the server's end of a tunnel.
    pub(crate) fn serves(&self, n: u8) -> bool {
        self.choice("tunnel.#.role", n) == "server"
    }

    /// Whether a tunnel's far end is watched.
    pub fn tunnel_is_watched(&self, n: u8) -> bool {
        self.flag("tunnel.#.watch", n)
    }

    /// Whether a tunnel's server answers on its line for the client's addresses.
    pub fn tunnel_is_proxied(&self, n: u8) -> bool {
        self.serves(n) && self.flag("tunnel.#.ndp-proxy", n)
    }

    /// Whom to tell that the address of a tunnel's client, us, has changed; `None`: nobody.
    pub fn tunnel_update(&self, n: u8) -> Option<update::Config> {
        let server = self.plain("tunnel.#.update.server", n);
        let is_wanted = !server.is_empty() && !self.serves(n) && self.tunnel(n).is_some();
        let config = update::Config {
            server: bounded(server),
            port: self.update_port(n).unwrap_or(80),
            hostname: bounded(self.plain("tunnel.#.update.id", n)),
            account: self.account(n)?,
            // Behind another NAT the broker would be told an address that nobody reaches.
            says_address: false,
            allows_plain_http: self.flag("tunnel.#.update.plain-http", n),
        };
        is_wanted.then_some(config)
    }

    /// Who may tell that the address of a tunnel's client has changed, where we are its server; `None`: nobody.
    pub fn tunnel_update_entry(&self, n: u8) -> Option<server::Entry> {
        let tunnel = self.tunnel(n).filter(|_| self.serves(n))?;
        let hostname = bounded(self.plain("tunnel.#.update.id", n));
        Some(server::Entry { account: self.account(n)?, hostname, remote: tunnel.remote })
    }

    /// At which port the clients of tunnels may tell where they are; `None`: at the usual one.
    pub fn tunnel_update_port(&self) -> Option<u16> {
        (1..=TUNNELS).filter(|n| self.serves(*n)).find_map(|n| self.update_port(n))
    }

    fn update_port(&self, n: u8) -> Option<u16> {
        self.number("tunnel.#.update.port", n).and_then(|port| port.try_into().ok())
    }

    fn account(&self, n: u8) -> Option<Account> {
        let [user, key] = ["tunnel.#.update.user", "tunnel.#.update.key"].map(|path| self.plain(path, n));
        Account::new(user, key).filter(|_| !user.is_empty() && !key.is_empty())
    }

    pub(crate) fn host6(&self, path: &str, n: u8) -> Option<Ipv6Address> {
        if let Some(Value::Ipv6(address)) = self.at(path, n) { Some(address) } else { None }
    }

    pub(crate) fn network6(&self, path: &str, n: u8) -> Option<Ipv6Cidr> {
        if let Some(Value::Network6(network)) = self.at(path, n) { Some(network) } else { None }
    }
}

/// The far end's address where it is not set: there is one other in a /127; in a /64 brokers have `::1`, their clients `::2`.
fn other_end(own: Ipv6Cidr, is_server: bool) -> Ipv6Address {
    let bits = own.address().to_bits();
    match own.prefix_len() {
        127 => Ipv6Address::from_bits(bits ^ 1),
        _ => Ipv6Address::from_bits(bits >> 64 << 64 | if is_server { 2 } else { 1 }),
    }
}

#[cfg(test)]
mod tests {
    use gatelet_wire::Ipv4Address;
    use std::format;

    use super::*;
    use crate::find;

    fn settings(lines: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::new();
        for (path, text) in lines {
            settings.set(find(path).unwrap(), text).unwrap_or_else(|refused| panic!("{path}: {refused}"));
        }
        settings
    }

    #[test]
    fn the_other_end_follows_from_ours() {
        for (address, role, peer) in [
            ("2001:db8::11/127", "client", "2001:db8::10"),
            ("2001:db8::10/127", "server", "2001:db8::11"),
            ("2001:db8::2/64", "client", "2001:db8::1"),
            ("2001:db8::1/64", "server", "2001:db8::2"),
        ] {
            let lines =
                [("tunnel.1.address", address), ("tunnel.1.role", role), ("tunnel.1.remote", "198.51.100.2")];
            let tunnel = settings(&lines).tunnel(1).unwrap();
            assert_eq!(format!("{}", tunnel.peer), peer);
            assert_eq!(tunnel.remote, Some(Ipv4Address::new(198, 51, 100, 2)));
        }
    }

    #[test]
    fn the_mode_says_which_tunnels_there_are() {
        for (mode, native, client, server, advertised) in [
            ("auto", true, true, true, true),
            ("native", true, false, true, true),
            ("tunnel", false, true, true, true),
            ("off", false, false, false, false),
        ] {
            let settings = settings(&[
                ("ipv6.mode", mode),
                ("tunnel.1.address", "2001:db8::11/127"),
                ("tunnel.1.remote", "198.51.100.2"),
                ("tunnel.4.address", "2001:db8::20/127"),
                ("tunnel.4.role", "server"),
            ]);
            let ipv6 = settings.ipv6();
            assert_eq!((ipv6.is_native, ipv6.is_advertised), (native, advertised), "{mode}");
            assert_eq!(settings.ipv6_client(DuidBuf::new()).is_some(), native, "{mode}");
            assert_eq!(settings.tunnel(1).is_some(), client, "{mode}");
            assert_eq!(settings.tunnel(4).is_some(), server, "{mode}");
            assert_eq!(settings.tunnel(2), None, "{mode}");
        }
    }

    #[test]
    fn one_account_is_ours_with_a_client_and_a_clients_with_a_server() {
        let mut settings = settings(&[
            ("tunnel.1.address", "2001:db8::11/127"),
            ("tunnel.1.remote", "198.51.100.2"),
            ("tunnel.1.update.id", "42"),
            ("tunnel.1.update.user", "alice"),
            ("tunnel.1.update.key", "q8Zf3kTw"),
        ]);
        assert_eq!((settings.tunnel_update(1), settings.tunnel_update_entry(1)), (None, None));
        let mut set = |path, text| settings.set(find(path).unwrap(), text).unwrap();
        set("tunnel.1.update.server", "broker.example");
        set("tunnel.1.update.plain-http", "on");
        let config = settings.tunnel_update(1).unwrap();
        assert_eq!((config.server.as_str(), config.hostname.as_str()), ("broker.example", "42"));
        assert!(config.allows_plain_http && config.account.key == "q8Zf3kTw" && config.port == 80);
        assert_eq!(settings.tunnel_update_port(), None);
        settings.set(find("tunnel.1.update.port").unwrap(), "8041").unwrap();
        assert_eq!(settings.tunnel_update(1).unwrap().port, 8041);
        settings.set(find("tunnel.1.role").unwrap(), "server").unwrap();
        assert_eq!(settings.tunnel_update(1), None);
        let entry = settings.tunnel_update_entry(1).unwrap();
        assert_eq!((entry.account.username.as_str(), entry.hostname.as_str()), ("alice", "42"));
        assert_eq!(settings.tunnel_update_port(), Some(8041));
    }
}
