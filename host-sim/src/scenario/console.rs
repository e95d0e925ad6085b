//! The router's console in a scenario: `[console]`, and what the rest of the file says as settings, for who sits down at a router
//! whose scenario has no console.

use std::net::Ipv4Addr;

use gatelet_hal::PortId;
use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_router::{Addressing, Filtering, PingPolicy, Protocol};
use gatelet_settings::{Editor, Quoted, Settings};
use serde::Deserialize;

use super::File;
use crate::linux::console::set_tunnel;
use crate::world::Access;

/// `[console]`: the router does what its settings say, and somebody may type.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ConsoleFile {
    /// What is in its flash at first, in lines as `export` prints them; nothing: its first start.
    settings: String,
}

impl ConsoleFile {
    /// What is in the router's flash at first.
    ///
    /// # Errors
    /// The line that is wrong, and why.
    pub fn settings(&self) -> Result<Settings, String> {
        read(&self.settings).map_err(|error| format!("console.settings: {error}"))
    }
}

impl File {
    /// What the tables of the file say of the router, as its settings: line, LAN, NAT, tunnels. Times of echo and of the nightly
    /// reconnect, and how fast newcomers are served, are the defaults.
    ///
    /// # Errors
    /// What cannot be said in settings.
    pub fn settings(&self) -> Result<Settings, String> {
        let mut text = String::new();
        let mut set = |path: &str, value: String| {
            text.extend(["set ", path, " ", &Quoted(&value).to_string(), "\n"]);
        };
        self.line_settings(&mut set)?;
        let lan = self.lan.as_ref().ok_or("there is no [lan], and a router with a console has one")?;
        let lan = lan.settings(PortId(1), &self.nat, &self.forwards, self.ipv6()?)?;
        set("lan.address", lan.config.address.to_string());
        for (n, server) in (1..).zip(&self.router.ntp) {
            set(&format!("ntp.server.{n}"), server.clone());
        }
        for (n, forward) in (1..).zip(&lan.forwards) {
            let protocol = match forward.protocol {
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
                _ => "tcp+udp",
            };
            set(&format!("forward.{n}.protocol"), protocol.into());
            set(&format!("forward.{n}.port"), format!("{}-{}", forward.ports.first, forward.ports.last));
            set(&format!("forward.{n}.to"), forward.host.to_string());
            set(&format!("forward.{n}.to-port"), forward.host_port.to_string());
        }
        lan.dmz.into_iter().for_each(|host| set("nat.dmz", host.to_string()));
        let filtering = match lan.filtering {
            Filtering::EndpointIndependent => "endpoint",
            Filtering::AddressDependent => "address",
            Filtering::AddressAndPortDependent => "address-and-port",
        };
        set("nat.filtering", filtering.into());
        if let PingPolicy::From(network) = lan.ping {
            set("wan.ping-from", network.to_string());
        }
        let ipv6 = lan.ipv6.unwrap_or_default();
        let mode = match (ipv6.acquires, ipv6.tunnels.is_empty()) {
            (true, false) => "auto",
            (true, true) => "native",
            (false, false) => "tunnel",
            (false, true) => "off",
        };
        set("ipv6.mode", mode.into());
        for (n, (tunnel, update)) in (1..).zip(ipv6.tunnels) {
            let below = &mut |path: &str, value| set(&format!("tunnel.{n}.{path}"), value);
            set_tunnel(&tunnel, update, UPDATE_PORT, below);
        }
        read(&text)
    }

    fn line_settings(&self, set: &mut dyn FnMut(&str, String)) -> Result<(), String> {
        let config = match self.access(PortId(0))? {
            Access::Pppoe(config) => config,
            Access::Ethernet(line) => {
                match line.addressing {
                    Addressing::Dhcp(_) => set("wan.kind", "dhcp".into()),
                    Addressing::Static { address, gateway, dns } => {
                        set("wan.kind", "static".into());
                        set("wan.address", address.to_string());
                        set("wan.gateway", gateway.to_string());
                        let known =
                            dns.into_iter().flatten().filter(|server| *server != Ipv4Addr::UNSPECIFIED);
                        for (n, server) in (1..).zip(known) {
                            set(&format!("wan.dns.{n}"), server.to_string());
                        }
                    }
                }
                return Ok(());
            }
        };
        for (path, value) in [
            ("wan.user", config.credentials.username.as_str()),
            ("wan.password", config.credentials.password.as_str()),
            ("wan.service-name", config.service_name.as_str()),
            ("wan.ac-name", config.ac_name.as_str()),
        ] {
            if !value.is_empty() {
                set(path, value.into());
            }
        }
        set("wan.carrier", self.router.carrier().name().into());
        if let Some(tag) = config.vlan {
            set("wan.vlan", format!("{}:{}", tag.id, tag.priority));
        }
        set("wan.mtu", if config.jumbo { "1500" } else { "1492" }.into());
        let minimum = match config.minimum_auth {
            AuthMethod::ChapMd5 => "chap",
            AuthMethod::MsChapV2 => "mschapv2",
            AuthMethod::Pap => "pap",
        };
        set("wan.minimum-auth", minimum.into());
        set("wan.ipv6", if config.ipv6 { "on" } else { "off" }.into());
        if let Some(modem) = config.modem {
            set("wan.modem-address", modem.to_string());
        }
        Ok(())
    }
}

/// Where brokers are told of moving ends, if nothing is said.
const UPDATE_PORT: u16 = 8041;

/// Settings from lines of `set`, if they go together.
fn read(text: &str) -> Result<Settings, String> {
    let mut editor = Editor::default();
    for line in text.lines() {
        editor.import_line(line).map_err(|error| format!("{line}: {error}"))?;
    }
    editor.commit().map_err(|error| error.to_string())?;
    Ok(editor.running().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = ConsoleFile { settings: "set wan.user alice\nset wan.usr bob".into() };
        assert!(wrong.settings().unwrap_err().contains("set wan.usr bob"));
    }
}
