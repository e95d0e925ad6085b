//! What goes together of tunnels and the radio.
//!
//! What is blamed is always something that is set: out of flash, an entry that cannot be goes as a whole.

use gatelet_proto::sixinfour::{ConfigError, Routed, Tunnel};
use gatelet_wire::Ipv6Cidr;

use crate::check::{Conflict, Problem, conflict};
use crate::{Settings, TUNNELS};

impl Settings {
    pub(crate) fn tunnel_conflicts(&self, tell: &mut dyn FnMut(Conflict)) {
        for (n, tunnel) in (1..=TUNNELS).filter_map(|n| Some((n, self.tunnel_set(n)?))) {
            let mut tell = |path, problem| tell(conflict(path, n, problem));
            if let Err(error) = tunnel.check() {
                tell(blamed(error), Problem::Tunnel(error));
            }
            let is_updated = self.serves(n) && self.has_account(n);
            if tunnel.remote.is_none() && !is_updated {
                let problem =
                    if self.serves(n) { Problem::ServerNeedsRemote } else { Problem::ClientNeedsRemote(n) };
                tell("tunnel.#.address", problem);
            }
            let earlier = || (1..n).filter_map(|n| Some((n, self.tunnel_set(n)?)));
            let is_same = |other: &(u8, Tunnel)| tunnel.remote.is_some() && other.1.remote == tunnel.remote;
            if let Some((other, _)) = earlier().find(is_same) {
                tell("tunnel.#.remote", Problem::TunnelTwice(other));
            }
            if let Some(prefix) = routed(&tunnel)
                && let Some((other, _)) =
                    earlier().find(|(_, other)| routed(other).is_some_and(|other| meet(prefix, other)))
            {
                tell("tunnel.#.prefix", Problem::PrefixTwice(other));
            }
            if self.plain("tunnel.#.update.user", n).contains(':') {
                tell("tunnel.#.update.user", Problem::Colon);
            }
            if !self.plain("tunnel.#.update.server", n).is_empty() && !self.serves(n) {
                if !self.has_account(n) {
                    tell("tunnel.#.update.server", Problem::UpdateNeedsAccount);
                } else if !self.flag("tunnel.#.update.plain-http", n) {
                    tell("tunnel.#.update.server", Problem::UpdateInClear);
                }
            }
        }
    }

    pub(crate) fn radio_conflicts(&self, tell: &mut dyn FnMut(Conflict)) {
        if self.choice("wifi.mode", 0) == "station" && self.plain("wifi.station.ssid", 0).is_empty() {
            tell(conflict("wifi.mode", 0, Problem::StationNeeds));
        }
    }

    fn has_account(&self, n: u8) -> bool {
        let parts = ["tunnel.#.update.id", "tunnel.#.update.user", "tunnel.#.update.key"];
        parts.iter().all(|path| !self.plain(path, n).is_empty())
    }
}

/// What is to be changed. Each kind sees to what the others of them say.
fn blamed(error: ConfigError) -> &'static str {
    match error {
        ConfigError::Remote => "tunnel.#.remote",
        ConfigError::Routed => "tunnel.#.prefix",
        ConfigError::Ttl => "tunnel.#.ttl",
        ConfigError::Dscp => "tunnel.#.dscp",
        ConfigError::Mtu => "tunnel.#.mtu",
        ConfigError::Network | ConfigError::Ends => "tunnel.#.address",
    }
}

fn routed(tunnel: &Tunnel) -> Option<Ipv6Cidr> {
    let (Routed::Client { prefix } | Routed::Server { prefix }) = tunnel.routed;
    prefix
}

/// Whether two networks have addresses in common.
fn meet(one: Ipv6Cidr, other: Ipv6Cidr) -> bool {
    one.contains_addr(&other.address()) || other.contains_addr(&one.address())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::check::tests::conflicts;

    const ADDRESS: (&str, &str) = ("tunnel.1.address", "2001:db8:6::11/127");
    const REMOTE: (&str, &str) = ("tunnel.1.remote", "198.51.100.2");
    const SERVER: (&str, &str) = ("tunnel.1.role", "server");
    const ACCOUNT: [(&str, &str); 3] =
        [("tunnel.1.update.id", "1"), ("tunnel.1.update.user", "a"), ("tunnel.1.update.key", "k")];
    const BROKER: (&str, &str) = ("tunnel.1.update.server", "broker.example");

    #[test]
    fn what_goes_together_is_taken() {
        let in_clear = ("tunnel.1.update.plain-http", "on");
        for lines in [
            &[ADDRESS, REMOTE][..],
            &[ADDRESS, REMOTE, ("tunnel.1.prefix", "2001:db8:66::/48")],
            &[("tunnel.1.address", "2001:db8:6::2/64"), REMOTE],
            &[ADDRESS, SERVER, ACCOUNT[0], ACCOUNT[1], ACCOUNT[2]],
            &[ADDRESS, REMOTE, ACCOUNT[0], ACCOUNT[1], ACCOUNT[2], BROKER, in_clear],
            &[("wifi.mode", "station"), ("wifi.station.ssid", "Hotel")],
        ] {
            assert_eq!(conflicts(lines), [""; 0], "{lines:?}");
        }
    }

    #[test]
    fn what_contradicts_says_where_and_why() {
        let second = [("tunnel.2.address", "2001:db8:7::11/127"), ("tunnel.2.remote", "198.51.100.3")];
        let prefix = ("tunnel.1.prefix", "2001:db8:66::/48");
        for (lines, told) in [
            (&[REMOTE][..], "tunnel.1.address: it is missing"),
            (&[ADDRESS], "tunnel.1.address: a client needs tunnel.1.remote"),
            (&[ADDRESS, SERVER], "tunnel.1.address: a server needs its .remote, or .update.id"),
            (&[ADDRESS, REMOTE, ("tunnel.1.peer", "2001:db8:6::12")], "tunnel.1.address: tunnel addresses"),
            (&[ADDRESS, ("tunnel.1.remote", "169.254.1.1")], "tunnel.1.remote: remote is no host's"),
            (&[ADDRESS, REMOTE, ("tunnel.1.prefix", "2001:db8:6::/48")], "tunnel.1.prefix: routed prefix"),
            (
                &[ADDRESS, REMOTE, second[0], ("tunnel.2.remote", "198.51.100.2")],
                "tunnel.2.remote: tunnel.1 has the same far end",
            ),
            (
                &[ADDRESS, REMOTE, prefix, second[0], second[1], ("tunnel.2.prefix", "2001:db8:66:9::/64")],
                "tunnel.2.prefix: it has addresses in common with the prefix of tunnel.1",
            ),
            (&[ADDRESS, REMOTE, BROKER], "tunnel.1.update.server: it needs .id, .user and .key"),
            (
                &[ADDRESS, REMOTE, BROKER, ACCOUNT[0], ACCOUNT[1], ACCOUNT[2]],
                "tunnel.1.update.server: the key would go in clear",
            ),
            (&[ADDRESS, REMOTE, ("tunnel.1.update.user", "a:b")], "tunnel.1.update.user: it has a colon"),
            (&[("wifi.mode", "station")], "wifi.mode: a station needs wifi.station.ssid"),
        ] {
            let all: Vec<_> = conflicts(lines);
            assert!(all.len() == 1 && all[0].starts_with(told), "{lines:?}: {all:?}");
        }
    }
}
