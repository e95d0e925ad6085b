//! The scenarios that are part of the program: the files of `host-sim/scenarios`.

use super::File;

/// A scenario of the program.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    /// Its name: that of its file.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

macro_rules! library {
    ($($name:literal)*) => {
        /// In the order `list` shows them.
        const LIBRARY: &[Bundled] = &[$(Bundled {
            name: $name,
            text: include_str!(concat!("../../scenarios/", $name, ".toml")),
        }),*];
    };
}

library! {
    "unicom"
    "fault-free"
    "dark-line"
    "ont-boot"
    "ont-power"
    "replug-ten-times"
    "power-loss-in-hold"
    "warm-reset"
    "stale-session"
    "hang-up"
    "kick-48h"
    "nightly-reconnect"
    "wrong-password"
    "account-locked"
    "mschapv2"
    "weak-auth"
    "two-acs"
    "pado-without-pads"
    "cookie-change"
    "error-tags"
    "data-after-pads"
    "stale-padt"
    "nak-everything"
    "no-echo-replies"
    "blackhole-up"
    "lossy-line"
    "bad-weather"
    "jumbo-rfc4638"
    "jumbo-blackhole"
    "vlan"
    "loopback"
    "silent-cisco"
    "bell"
    "force-dial"
    "lan-surf"
    "lan-hundred"
    "busy-line"
    "nat-timeouts"
    "redial-same-address"
    "redial-other-address"
    "lan-power-cut"
    "port-forward"
    "hairpin"
    "wan-clash"
    "ipoe"
    "ipoe-outage"
    "ipoe-renumber"
    "static-wan"
    "double-nat"
    "carrier-nat"
    "modem-page"
    "modem-clash"
    "time-of-day"
    "lease-memory"
    "nat-exhaustion"
    "nat-crowd"
    "many-faces"
    "syn-flood"
    "port-scan"
    "spoofed-sources"
    "icmp-forgery"
    "fragment-flood"
    "arp-spoof"
    "dhcp-starvation"
    "dns-failover"
    "dns-poison"
    "portal-302"
    "portal-307-https"
    "portal-200"
    "portal-511"
    "portal-ipv6-dead"
    "portal-ipv6-named"
    "portal-ipv6-passes"
    "portal-ipv6-tunnel"
    "portal-meta-refresh"
    "portal-reset"
    "portal-blackhole"
    "portal-dns-hijack"
    "portal-nxdomain"
    "portal-walled-garden"
    "portal-https-only"
    "portal-slow-drip"
    "portal-endless-body"
    "portal-gzip"
    "portal-garbage"
    "portal-blocked-timeout"
    "portal-blocked-reset"
    "portal-dead-session"
    "portal-expires"
    "portal-quiet-day"
    "portal-named"
    "ipv6-native"
    "ipv6-dns"
    "ipv6-redial"
    "ipv6-redial-same-prefix"
    "ipv6-renumber"
    "ipv6-no-prefix"
    "ipv6-single-64"
    "ipv6-pmtu"
    "ipv6-lossy"
    "ipv6-scan"
    "ipv6-spoofed"
    "ipv6-icmp-forgery"
    "ipv6-ethernet"
    "ipv6-relay"
    "sit-client"
    "sit-lossy"
    "sit-pmtu"
    "sit-black-hole"
    "sit-fragments"
    "sit-broker-dead"
    "sit-endpoint"
    "sit-spoofed"
    "sit-server"
    "sit-update"
    "sit-update-server"
    "sit-both-ends"
    "console-first-boot"
}

/// All of them.
pub fn bundled() -> &'static [Bundled] {
    LIBRARY
}

/// The one of that name.
pub fn find(name: &str) -> Option<Bundled> {
    LIBRARY.iter().copied().find(|scenario| scenario.name == name)
}

impl Bundled {
    /// Reads it.
    ///
    /// # Errors
    /// As [`File::parse`]; a test sees to it that there are none.
    pub fn parse(&self) -> Result<File, String> {
        File::parse(self.text)
    }

    /// The topology: the comment the file opens with.
    pub fn topology(&self) -> String {
        topology(self.text)
    }
}

/// The comment a scenario file opens with, without its marks.
pub fn topology(text: &str) -> String {
    let comment = text.lines().take_while(|line| line.starts_with('#'));
    let lines = comment.map(|line| line.strip_prefix("# ").unwrap_or(line.trim_start_matches('#')));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_draws_its_topology() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let mut names: Vec<String> = LIBRARY.iter().map(|scenario| scenario.name.to_owned()).collect();
        files.sort();
        names.sort();
        assert_eq!(files, names);
        for scenario in LIBRARY {
            assert!(scenario.topology().lines().count() >= 1, "{}", scenario.name);
        }
    }
}
