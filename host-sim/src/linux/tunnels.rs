//! IPv6 and tunnels of a router between two interfaces: what the command line says about them, told to the router.
#![allow(clippy::doc_markdown)] // the comments of the arguments are the help text, where backticks would show

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use gatelet_proto::dhcpv6::{client, duid_ll};
use gatelet_proto::sixinfour::update::server::Entry;
use gatelet_proto::sixinfour::update::{Account, Config};
use gatelet_proto::sixinfour::{Routed, Tunnel};
use gatelet_router::{MAX_TUNNELS, Router, TunnelId, WanId};
use gatelet_runtime::TunnelUpdate;
use gatelet_wire::EthernetAddress;
use gatelet_wire::nic_update::HTTP;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv6Cidr;

/// IPv6 of the LAN.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "IPv6 in the LAN")]
pub struct Ipv6Args {
    /// Speak IPv6: an address and a prefix from the line (router advertisements, DHCPv6), handed on to the LAN.
    #[arg(id = "ipv6", long = "ipv6", requires = "interface")]
    pub is_wanted: bool,

    /// Bring IPv6 to the LAN through a tunnel (6in4): whom it leads to, our address in it with a length of 64 or 127, the
    /// far end's, and the prefix that is routed to us. As `ip tunnel add … mode sit remote R ttl 255` and its addresses.
    #[arg(long, value_name = "REMOTE,ADDRESS/LENGTH,PEER[,PREFIX]", value_parser = parse_tunnel, requires = "interface")]
    pub sit: Option<Tunnel>,

    /// Tell the tunnel's broker our address, whenever it changes: GET /nic/update?hostname=TUNNEL, as user USER with the key that
    /// is the first line of KEY-FILE. There is no TLS yet: http:// says that you know that the key can be read on the way.
    #[arg(long, value_name = "http://HOST[:PORT],USER,KEY-FILE,TUNNEL", value_parser = parse_broker, requires = "sit")]
    pub sit_update: Option<Broker>,

    /// Be the server's end of a tunnel (6in4), as for --sit; PREFIX is the client's. REMOTE is "unknown" if the client has to say first
    /// where it is. May be given several times.
    #[arg(long, value_name = "REMOTE,ADDRESS/LENGTH,PEER[,PREFIX]", value_parser = parse_client, requires = "interface")]
    pub sit_client: Vec<Tunnel>,

    /// Let that client say where it is: GET /nic/update?hostname=TUNNEL at the port of --sit-update-port, as user USER with the
    /// key that is the first line of KEY-FILE. The first is of the first --sit-client, and so on.
    #[arg(long, value_name = "TUNNEL,USER,KEY-FILE", value_parser = parse_client_update, requires = "sit_client")]
    pub sit_client_update: Vec<ClientUpdate>,

    /// The TCP port of the line where clients say so.
    #[arg(long, value_name = "PORT", default_value_t = 8041, value_parser = clap::value_parser!(u16).range(1..))]
    pub sit_update_port: u16,
}

/// Whom to tell our address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    host: String,
    port: u16,
    client: ClientUpdate,
}

/// A tunnel by the name that both ends have for it, and who may speak for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientUpdate {
    tunnel: String,
    user: String,
    key_file: PathBuf,
}

impl Ipv6Args {
    /// Whether hosts have a way to the Internet over IPv6.
    pub fn leads_out(&self) -> bool {
        self.is_wanted || self.sit.is_some()
    }

    /// Every tunnel, and what keeps it together when an end of it moves.
    ///
    /// # Errors
    /// A sentence about what cannot be.
    pub fn tunnels(&self) -> Result<Vec<(Tunnel, Option<TunnelUpdate>)>, String> {
        let (clients, updates) = (self.sit_client.len(), self.sit_client_update.len());
        if updates > clients {
            return Err(format!("--sit-client-update: {updates} are more than there are --sit-client"));
        }
        let told = self.sit_update.as_ref().map(Broker::update).transpose()?;
        let mut all: Vec<_> = self.sit.map(|tunnel| (tunnel, told)).into_iter().collect();
        for (place, tunnel) in self.sit_client.iter().enumerate() {
            let heard = match self.sit_client_update.get(place) {
                Some(update) => Some(update.update(tunnel.remote)?),
                None if tunnel.remote.is_none() => {
                    return Err("--sit-client: a client that is nowhere needs a --sit-client-update".into());
                }
                None => None,
            };
            all.push((*tunnel, heard));
        }
        Ok(all)
    }
}

/// Has the router speak IPv6, as far as that is wanted; `mac` is its own on the line. Hosts are told to ask it for names.
///
/// # Errors
/// A sentence about what the router does not take.
pub fn set_up(
    router: &mut Router<'_>,
    now: Instant,
    wan: WanId,
    mac: EthernetAddress,
    (args, tunnels): (&Ipv6Args, &[(Tunnel, Option<TunnelUpdate>)]),
) -> Result<(), String> {
    if !args.is_wanted && tunnels.is_empty() {
        return Ok(());
    }
    let config = args.is_wanted.then(|| client::Config::new(duid_ll(mac)));
    if config.is_some() && !router.acquire_ipv6(now, wan, config) || !router.advertise_ipv6(now, &[]) {
        return Err("--ipv6: the router does not take it".into());
    }
    for (number, (tunnel, _)) in (0..).zip(tunnels) {
        if !router.set_up_tunnel(now, TunnelId(number), wan, Some(tunnel)) {
            return Err(format!("--sit-client: more than the {MAX_TUNNELS} tunnels that the router takes"));
        }
    }
    Ok(())
}

impl Broker {
    fn update(&self) -> Result<TunnelUpdate, String> {
        Ok(TunnelUpdate::Tell(Config {
            server: short(&self.host)?,
            port: self.port,
            hostname: short(&self.client.tunnel)?,
            account: self.client.account()?,
            says_address: true,
            allows_plain_http: true,
        }))
    }
}

impl ClientUpdate {
    fn update(&self, remote: Option<Ipv4Addr>) -> Result<TunnelUpdate, String> {
        Ok(TunnelUpdate::Hear(Entry { account: self.account()?, hostname: short(&self.tunnel)?, remote }))
    }

    fn account(&self) -> Result<Account, String> {
        let path = self.key_file.display();
        let content = fs::read_to_string(&self.key_file).map_err(|error| format!("{path}: {error}"))?;
        let key = content.lines().next().filter(|key| !key.is_empty()).ok_or(format!("{path}: no key"))?;
        Account::new(&self.user, key)
            .ok_or_else(|| format!("{path}: user name and key have at most 64 bytes each"))
    }
}

fn short<const N: usize>(name: &str) -> Result<heapless::String<N>, String> {
    name.try_into().map_err(|_| format!("a name of more than {N} bytes: {name}"))
}

fn parse_tunnel(text: &str) -> Result<Tunnel, String> {
    let words: Vec<&str> = text.split(',').collect();
    let (remote, address, peer, prefix) =
        match words[..] {
            [remote, address, peer] => (remote, address, peer, None),
            [remote, address, peer, prefix] => (remote, address, peer, Some(prefix)),
            _ => return Err(
                "three or four parts, such as 192.0.2.1,2001:db8:6::11/127,2001:db8:6::10,2001:db8:66::/48"
                    .into(),
            ),
        };
    let remote = remote.parse().map_err(|_| "begins with the far end's IPv4 address".to_owned())?;
    let address = parse_network6(address)?;
    let peer = peer.parse().map_err(|_| "the far end's address is one of IPv6".to_owned())?;
    let prefix = prefix.map(parse_network6).transpose()?;
    checked(Tunnel::client(remote, address, peer, prefix))
}

fn parse_client(text: &str) -> Result<Tunnel, String> {
    let known = text.strip_prefix("unknown,").map(|rest| format!("{SOMEWHERE},{rest}"));
    let tunnel = parse_tunnel(known.as_deref().unwrap_or(text))?;
    let (Routed::Client { prefix } | Routed::Server { prefix }) = tunnel.routed;
    let remote = tunnel.remote.filter(|_| known.is_none());
    checked(Tunnel { remote, routed: Routed::Server { prefix }, ..tunnel })
}

/// In the place of an address that is not known yet (RFC 5737).
const SOMEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn checked(tunnel: Tunnel) -> Result<Tunnel, String> {
    tunnel.check().map(|()| tunnel).map_err(|error| error.as_str().to_owned())
}

fn parse_network6(text: &str) -> Result<Ipv6Cidr, String> {
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let length = length.parse::<u8>().ok().filter(|length| *length <= 128)?;
        Some(Ipv6Cidr::new(address.parse().ok()?, length))
    });
    parsed.ok_or_else(|| format!("{text}: an IPv6 address and a length are wanted, such as 2001:db8::1/64"))
}

fn parse_broker(text: &str) -> Result<Broker, String> {
    let parts: Vec<&str> = text.split(',').collect();
    let [url, user, key_file, tunnel] = parts[..] else {
        return Err("four parts, such as http://tunnelbroker.example,alice,broker.key,123456".into());
    };
    let server = url.strip_prefix("http://").ok_or("begins with http://, since there is no TLS yet")?;
    let server = server.trim_end_matches('/');
    let (host, port) = match server.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
        None => (server, Some(HTTP)),
    };
    let port = port.ok_or("behind the colon a port")?;
    if !is_name(host) || !is_name(tunnel) {
        return Err(format!("{text}: host and tunnel are letters, digits, dots, hyphens and underscores"));
    }
    let client = ClientUpdate { tunnel: tunnel.into(), user: user.into(), key_file: key_file.into() };
    Ok(Broker { host: host.into(), port, client })
}

fn parse_client_update(text: &str) -> Result<ClientUpdate, String> {
    let parts: Vec<&str> = text.split(',').collect();
    let [tunnel, user, key_file] = parts[..] else {
        return Err("three parts, such as home,alice,home.key".into());
    };
    if !is_name(tunnel) {
        return Err(format!("{tunnel}: a tunnel's name is letters, digits, dots, hyphens and underscores"));
    }
    Ok(ClientUpdate { tunnel: tunnel.into(), user: user.into(), key_file: key_file.into() })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels() {
        let ours = "192.0.2.1,2001:db8:6::11/127,2001:db8:6::10,2001:db8:66::/48";
        let tunnel = parse_tunnel(ours).unwrap();
        assert_eq!(tunnel.remote, Some(SOMEWHERE));
        assert!(matches!(tunnel.routed, Routed::Client { prefix: Some(_) }));
        let client = parse_client(ours).unwrap();
        assert_eq!(client.remote, Some(SOMEWHERE));
        assert!(matches!(client.routed, Routed::Server { prefix: Some(_) }));
        assert_eq!(parse_client("unknown,2001:db8:6::10/127,2001:db8:6::11").unwrap().remote, None);
        for bad in [
            "unknown,2001:db8:6::11/127,2001:db8:6::10",
            "192.0.2.1,2001:db8:6::11/127",
            "192.0.2.1,2001:db8:6::11,2001:db8:6::10",
            "224.0.0.1,2001:db8:6::11/127,2001:db8:6::10",
            "192.0.2.1,2001:db8:6::11/127,2001:db8:7::10",
        ] {
            assert!(parse_tunnel(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn brokers_and_clients() {
        let broker = parse_broker("http://tunnelbroker.example:8041/,alice,/etc/key,123456").unwrap();
        assert_eq!((broker.host.as_str(), broker.port), ("tunnelbroker.example", 8041));
        assert_eq!((broker.client.tunnel.as_str(), broker.client.user.as_str()), ("123456", "alice"));
        assert_eq!(parse_broker("http://192.0.2.1,a,k,1").unwrap().port, 80);
        for bad in [
            "https://b.example,alice,key,1",
            "http://b.example,alice,key",
            "http://b.example:x,alice,key,1",
            "http://b.example:0,alice,key,1",
            "http://,alice,key,1",
            "http://b.example,alice,key,a&b",
        ] {
            assert!(parse_broker(bad).is_err(), "{bad}");
        }
        assert!(parse_client_update("home,alice,key").is_ok());
        assert!(parse_client_update("home,alice").is_err());
    }
}
