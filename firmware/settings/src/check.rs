//! What goes together: looked at when settings are committed, and when they come out of flash.

use core::fmt;

use gatelet_hal::PortId;
use gatelet_proto::dhcp::server::ConfigError;
use gatelet_proto::sixinfour::ConfigError as ConfigError6;
use gatelet_router::{Forward, MAX_FORWARDS, Protocol};
use gatelet_wire::{Ipv4Address, Ipv4Cidr};

use crate::{KEYS, Place, Settings, Unset};

/// Two settings that contradict each other, or one that lacks another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// What is to be changed, or set.
    pub place: Place,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The entry is of no use without it.
    Missing,
    /// A static line is of no use without address and gateway.
    StaticNeeds,
    /// The address is not in the network of the line.
    NotOnTheLine(Ipv4Cidr),
    /// The pool reaches beyond what hosts of the LAN can have.
    Pool(Ipv4Cidr),
    /// No host of the LAN can have this address.
    NotInTheLan(Ipv4Cidr),
    /// It is the router's own address.
    RoutersOwn,
    /// An address or a client is reserved twice.
    ReservedTwice,
    /// This network and the LAN's have addresses in common.
    MeetsLan(Ipv4Cidr),
    /// As many ports as there are outside do not fit behind it.
    PortsBeyond,
    /// A forward with a lower number takes these ports already.
    Shadowed(u8),
    /// Nobody tells the time of day.
    NeedsClock,
    /// There is no list.
    NeedsProbes,
    /// The tunnel cannot be.
    Tunnel(ConfigError6),
    /// Nobody says where the far end of this tunnel is, whose client we are.
    ClientNeedsRemote(u8),
    /// Nobody says where the client is, and nobody can tell.
    ServerNeedsRemote,
    /// This tunnel has the same far end: nobody could tell whose packets are whose.
    TunnelTwice(u8),
    /// This tunnel has a prefix with addresses in common.
    PrefixTwice(u8),
    /// Updates are of no use without an account.
    UpdateNeedsAccount,
    /// Updates would tell the key to all who listen, and nobody has said that they may.
    UpdateInClear,
    /// What HTTP takes for a user name has no colon (RFC 7617 §2).
    Colon,
    /// There is no network to join.
    StationNeeds,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match self.problem {
            Problem::Missing => write!(
                f,
                "it is missing, and the entry of no use without it; for example {}",
                self.place.key.example
            ),
            Problem::StaticNeeds => f.write_str(
                "static needs wan.address and wan.gateway, for example 203.0.113.7/24 and 203.0.113.1",
            ),
            Problem::NotOnTheLine(network) => write!(f, "it is not in the network of wan.address, {network}"),
            Problem::Pool(network) => write!(
                f,
                "it reaches beyond what hosts of the LAN, {network}, can have; for example unset it"
            ),
            Problem::NotInTheLan(network) => {
                write!(f, "no host of the LAN, {network}, can have this address")
            }
            Problem::RoutersOwn => f.write_str("it is the router's own address"),
            Problem::ReservedTwice => {
                f.write_str("another reservation has this address or this host already")
            }
            Problem::MeetsLan(network) => {
                write!(
                    f,
                    "it has addresses in common with the LAN, {network}; for example lan.address 192.168.8.1/24"
                )
            }
            Problem::PortsBeyond => f.write_str("counted from there, the range of ports ends beyond 65535"),
            Problem::Shadowed(other) => write!(f, "forward.{other} takes these ports already"),
            Problem::NeedsClock => {
                f.write_str("it needs the time of day: set ntp.server.1, for example ntp.aliyun.com")
            }
            Problem::NeedsProbes => {
                f.write_str("custom needs a list of your own: set connectivity.probe.1.url")
            }
            Problem::Tunnel(error) => f.write_str(error.as_str()),
            Problem::ClientNeedsRemote(n) => {
                write!(f, "a client needs tunnel.{n}.remote, for example 198.51.100.2")
            }
            Problem::ServerNeedsRemote => {
                f.write_str("a server needs its .remote, or .update.id, .user and .key")
            }
            Problem::TunnelTwice(other) => write!(f, "tunnel.{other} has the same far end"),
            Problem::PrefixTwice(other) => {
                write!(f, "it has addresses in common with the prefix of tunnel.{other}")
            }
            Problem::UpdateNeedsAccount => f.write_str("it needs .id, .user and .key, too"),
            Problem::UpdateInClear => f.write_str("the key would go in clear; .plain-http on allows it"),
            Problem::Colon => f.write_str("it has a colon, which no user name of HTTP has"),
            Problem::StationNeeds => {
                f.write_str("a station needs wifi.station.ssid, for example Hotel Guest")
            }
        }
    }
}

impl core::error::Error for Conflict {}

impl Settings {
    /// Tells all that does not go together.
    pub fn conflicts(&self, tell: &mut dyn FnMut(Conflict)) {
        self.entries_lack(tell);
        self.line_conflicts(tell);
        self.dhcp_conflicts(tell);
        self.forward_conflicts(tell);
        self.tunnel_conflicts(tell);
        self.radio_conflicts(tell);
        let mut tell = |path, problem| tell(conflict(path, 0, problem));
        if let Some(host) = self.dmz()
            && let Some(problem) = self.not_a_host_of_the_lan(host)
        {
            tell("nat.dmz", problem);
        }
        if self.at("wan.nightly.at", 0).is_some() && self.ntp_servers().next().is_none() {
            tell("wan.nightly.at", Problem::NeedsClock);
        }
        if self.choice("connectivity.region", 0) == "custom" && self.probes().is_empty() {
            tell("connectivity.region", Problem::NeedsProbes);
        }
    }

    /// The first of them.
    pub(crate) fn first_conflict(&self) -> Option<Conflict> {
        let mut first = None;
        self.conflicts(&mut |conflict| {
            first.get_or_insert(conflict);
        });
        first
    }

    /// Entries of lists that are begun and not complete.
    fn entries_lack(&self, tell: &mut dyn FnMut(Conflict)) {
        for key in KEYS.iter().filter(|key| key.unset == Unset::Required) {
            let Some(list) = key.list() else { continue };
            for number in (1..=key.most).filter(|number| self.has_entry(list, *number)) {
                let place = Place { key, number };
                if self.text(place).is_none() {
                    tell(Conflict { place, problem: Problem::Missing });
                }
            }
        }
    }

    fn line_conflicts(&self, tell: &mut dyn FnMut(Conflict)) {
        let mut tell = |path, problem| tell(conflict(path, 0, problem));
        let lan = self.lan_address();
        if let Some(modem) = self.cidr("wan.modem-address", 0)
            && meet(modem, lan)
        {
            tell("wan.modem-address", Problem::MeetsLan(lan));
        }
        if self.choice("wan.kind", 0) != "static" {
            return;
        }
        let (address, gateway) = (self.cidr("wan.address", 0), self.host("wan.gateway", 0));
        let (Some(address), Some(gateway)) = (address, gateway) else {
            return tell("wan.kind", Problem::StaticNeeds);
        };
        if meet(address, lan) {
            tell("wan.address", Problem::MeetsLan(lan));
        }
        // Behind a /32, the gateway is on the link all the same.
        if address.prefix_len() < 32 && (!address.contains_addr(&gateway) || gateway == address.address()) {
            tell("wan.gateway", Problem::NotOnTheLine(address.network()));
        }
    }

    fn dhcp_conflicts(&self, tell: &mut dyn FnMut(Conflict)) {
        let lan = self.lan_address();
        let Some(dhcp) = self.lan(PortId(0)).dhcp else { return };
        let reserved = |address: Ipv4Address| {
            // Of two with one address the later is to be changed.
            let n = (1..=16).rev().find(|n| self.host("lan.dhcp.reservation.#.address", *n) == Some(address));
            n.unwrap_or(1)
        };
        let problem = match dhcp.check() {
            Ok(()) => return,
            Err(ConfigError::Pool) => conflict("lan.dhcp.pool", 0, Problem::Pool(lan.network())),
            Err(ConfigError::ReservationAddress(address)) => {
                let problem = if address == lan.address() {
                    Problem::RoutersOwn
                } else {
                    Problem::NotInTheLan(lan.network())
                };
                conflict("lan.dhcp.reservation.#.address", reserved(address), problem)
            }
            Err(ConfigError::ReservedTwice(address)) => {
                conflict("lan.dhcp.reservation.#.address", reserved(address), Problem::ReservedTwice)
            }
            // Their kinds see to these.
            Err(ConfigError::PrefixLength | ConfigError::OwnAddress | ConfigError::LeaseTime) => {
                conflict("lan.address", 0, Problem::Pool(lan.network()))
            }
        };
        tell(problem);
    }

    fn forward_conflicts(&self, tell: &mut dyn FnMut(Conflict)) {
        for (n, forward) in (1..=MAX_FORWARDS as u8).filter_map(|n| Some((n, self.forward(n)?))) {
            if let Some(problem) = self.not_a_host_of_the_lan(forward.host) {
                tell(conflict("forward.#.to", n, problem));
            }
            if !forward.is_valid() {
                // All else that can be wrong with it, its kinds see to.
                tell(conflict("forward.#.to-port", n, Problem::PortsBeyond));
            }
            let before =
                (1..n).find(|other| self.forward(*other).is_some_and(|other| hides(&other, &forward)));
            if let Some(other) = before {
                tell(conflict("forward.#.port", n, Problem::Shadowed(other)));
            }
        }
    }

    fn not_a_host_of_the_lan(&self, host: Ipv4Address) -> Option<Problem> {
        let lan = self.lan_address();
        let is_end = host == lan.network().address() || Some(host) == lan.broadcast();
        if host == lan.address() {
            Some(Problem::RoutersOwn)
        } else if !lan.contains_addr(&host) || is_end {
            Some(Problem::NotInTheLan(lan.network()))
        } else {
            None
        }
    }
}

pub(crate) fn conflict(path: &str, number: u8, problem: Problem) -> Conflict {
    // Every path here is one of the table: a test goes through all of them.
    let key = KEYS.iter().find(|key| key.path == path).unwrap_or(&KEYS[0]);
    Conflict { place: Place { key, number }, problem }
}

/// Whether two networks have addresses in common.
fn meet(one: Ipv4Cidr, other: Ipv4Cidr) -> bool {
    one.contains_addr(&other.network().address()) || other.contains_addr(&one.network().address())
}

/// Whether all that `later` would lead in is led elsewhere by `first`.
fn hides(first: &Forward, later: &Forward) -> bool {
    let protocols = first.protocol == Protocol::TcpUdp || first.protocol == later.protocol;
    protocols
        && first.ports.first <= later.ports.first
        && later.ports.last <= first.ports.last
        && first.source.prefix_len() <= later.source.prefix_len()
        && first.source.contains_addr(&later.source.address())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;
    use crate::find;

    pub(crate) fn conflicts(lines: &[(&str, &str)]) -> Vec<String> {
        let mut settings = Settings::new();
        for (path, text) in lines {
            settings.set(find(path).unwrap(), text).unwrap_or_else(|refused| panic!("{path}: {refused}"));
        }
        let mut told = Vec::new();
        settings.conflicts(&mut |conflict| told.push(conflict.to_string()));
        told
    }

    #[test]
    fn what_goes_together_is_taken() {
        for lines in [
            &[][..],
            &[("lan.address", "10.0.0.1/8"), ("lan.dhcp.pool", "10.1.0.0-10.1.255.255")],
            &[("wan.kind", "static"), ("wan.address", "203.0.113.7/24"), ("wan.gateway", "203.0.113.1")],
            &[("wan.kind", "static"), ("wan.address", "203.0.113.7/32"), ("wan.gateway", "198.51.100.1")],
            &[("wan.address", "192.168.1.7/24")], // of no meaning while the line is dialed
            &[("wan.modem-address", "192.168.100.2/24")],
            &[("nat.dmz", "192.168.1.9")],
            &[("wan.nightly.at", "04:30"), ("ntp.server.2", "ntp.example")],
            &[("connectivity.region", "custom"), ("connectivity.probe.3.url", "http://a.example/")],
            // The same port for TCP and UDP, for friends and for everybody.
            &[
                ("forward.1.port", "80"),
                ("forward.1.to", "192.168.1.2"),
                ("forward.1.protocol", "tcp"),
                ("forward.2.port", "80"),
                ("forward.2.to", "192.168.1.3"),
                ("forward.2.protocol", "udp"),
            ],
            &[
                ("forward.1.port", "80"),
                ("forward.1.to", "192.168.1.2"),
                ("forward.1.source", "203.0.113.0/24"),
                ("forward.2.port", "80"),
                ("forward.2.to", "192.168.1.3"),
            ],
            // Off: what it would have said does not matter.
            &[("lan.dhcp.enabled", "off"), ("lan.dhcp.pool", "10.0.0.2-10.0.0.9")],
        ] {
            assert_eq!(conflicts(lines), [""; 0], "{lines:?}");
        }
    }

    #[test]
    fn what_does_not_is_told_with_what_to_change() {
        for (lines, told) in [
            (&[("forward.2.port", "80")][..], "forward.2.to: it is missing"),
            (&[("forward.2.to", "192.168.1.2")], "forward.2.port: it is missing"),
            (&[("rule.9.protocol", "udp")], "rule.9.action: it is missing"),
            (
                &[("lan.dhcp.reservation.1.mac", "02:00:00:00:00:01")],
                "lan.dhcp.reservation.1.address: it is missing",
            ),
            (
                &[("lan.dhcp.reservation.1.address", "192.168.1.9")],
                "lan.dhcp.reservation.1.mac: it is missing",
            ),
            (&[("connectivity.probe.1.body", "x")], "connectivity.probe.1.url: it is missing"),
            (&[("wan.kind", "static"), ("wan.address", "203.0.113.7/24")], "wan.kind: static needs"),
            (
                &[("wan.kind", "static"), ("wan.address", "203.0.113.7/24"), ("wan.gateway", "198.51.100.1")],
                "wan.gateway: it is not in the network of wan.address, 203.0.113.0/24",
            ),
            (
                &[("wan.kind", "static"), ("wan.address", "192.168.1.7/24"), ("wan.gateway", "192.168.1.6")],
                "wan.address: it has addresses in common with the LAN, 192.168.1.1/24",
            ),
            (&[("wan.modem-address", "192.168.1.2/30")], "wan.modem-address: it has addresses in common"),
            (
                &[("wan.modem-address", "192.168.9.2/24"), ("lan.address", "192.168.8.1/16")],
                "wan.modem-address: it has",
            ),
            (&[("lan.dhcp.pool", "10.0.0.2-10.0.0.9")], "lan.dhcp.pool: it reaches beyond"),
            (&[("lan.dhcp.pool", "192.168.1.2-192.168.1.255")], "lan.dhcp.pool: it reaches beyond"),
            (
                &[
                    ("lan.dhcp.reservation.4.mac", "02:00:00:00:00:01"),
                    ("lan.dhcp.reservation.4.address", "10.0.0.1"),
                ],
                "lan.dhcp.reservation.4.address: no host of the LAN, 192.168.1.0/24, can have",
            ),
            (
                &[
                    ("lan.dhcp.reservation.4.mac", "02:00:00:00:00:01"),
                    ("lan.dhcp.reservation.4.address", "192.168.1.1"),
                ],
                "lan.dhcp.reservation.4.address: it is the router's own",
            ),
            (
                &[
                    ("lan.dhcp.reservation.1.mac", "02:00:00:00:00:01"),
                    ("lan.dhcp.reservation.1.address", "192.168.1.9"),
                    ("lan.dhcp.reservation.2.mac", "02:00:00:00:00:02"),
                    ("lan.dhcp.reservation.2.address", "192.168.1.9"),
                ],
                "lan.dhcp.reservation.2.address: another reservation",
            ),
            (&[("forward.1.port", "80"), ("forward.1.to", "10.0.0.1")], "forward.1.to: no host of the LAN"),
            (
                &[("forward.1.port", "80"), ("forward.1.to", "192.168.1.255")],
                "forward.1.to: no host of the LAN",
            ),
            (
                &[
                    ("forward.1.port", "80-90"),
                    ("forward.1.to", "192.168.1.2"),
                    ("forward.1.to-port", "65530"),
                ],
                "forward.1.to-port: counted from there",
            ),
            (
                &[
                    ("forward.1.port", "80-90"),
                    ("forward.1.to", "192.168.1.2"),
                    ("forward.5.port", "85"),
                    ("forward.5.to", "192.168.1.3"),
                    ("forward.5.protocol", "udp"),
                ],
                "forward.5.port: forward.1 takes these ports already",
            ),
            (&[("nat.dmz", "192.168.1.1")], "nat.dmz: it is the router's own address"),
            (&[("nat.dmz", "192.168.2.1")], "nat.dmz: no host of the LAN"),
            (&[("wan.nightly.at", "04:30")], "wan.nightly.at: it needs the time of day"),
            (&[("connectivity.region", "custom")], "connectivity.region: custom needs a list"),
        ] {
            let all = conflicts(lines);
            assert!(all.len() == 1 && all[0].starts_with(told), "{lines:?}: {all:?}");
        }
    }
}
