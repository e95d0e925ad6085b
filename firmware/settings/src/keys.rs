//! The table of all keys.
//!
//! Numbers are for ever: 0xSSNN, section and key. Sections 0x0A (IPv6), 0x0B (tunnels) and 0x0C (wireless) are kept for what
//! will come. A key that is dropped leaves its number behind; one that changes its meaning gets a new one.

use gatelet_proto::redial::Preset;

use crate::key::{Effect, Key, Unset};
use crate::kind::Kind;

const LANGUAGES: [&str; 2] = ["english", "chinese"];
const WAN_KINDS: [&str; 3] = ["pppoe", "dhcp", "static"];
const CARRIERS: [&str; 6] = {
    let mut names = [""; 6];
    let mut n = 0;
    while n < names.len() {
        names[n] = Preset::ALL[n].name();
        n += 1;
    }
    names
};
const MTUS: [&str; 2] = ["1492", "1500"];
const AUTH_METHODS: [&str; 3] = ["pap", "chap", "mschapv2"];
const ECHO_MODES: [&str; 3] = ["adaptive", "on", "off"];
const FORWARD_PROTOCOLS: [&str; 3] = ["tcp", "udp", "tcp+udp"];
const ACTIONS: [&str; 3] = ["accept", "drop", "reject"];
const ZONES: [&str; 3] = ["lan", "wan", "router"];
const FILTERINGS: [&str; 3] = ["address-and-port", "address", "endpoint"];
const REGIONS: [&str; 4] = ["auto", "cn", "global", "custom"];

/// What most keys have in common.
const LIVE: Key = Key {
    id: 0,
    path: "",
    most: 0,
    kind: Kind::Flag,
    unset: Unset::Means(""),
    example: "",
    help: "",
    secret: false,
    effect: Effect::Live,
};
const LINE: Key = Key { effect: Effect::Redial, ..LIVE };
const BOOT: Key = Key { effect: Effect::Restart, ..LIVE };

/// All that can be set, in the order in which it is shown. Keys of one branch are neighbours.
pub static KEYS: &[Key] = &[
    // The box itself.
    Key {
        id: 0x0101,
        path: "system.host-name",
        kind: Kind::Label,
        unset: Unset::Value("gatelet"),
        example: "router",
        help: "The router's own name in the LAN.",
        effect: Effect::Restart,
        ..LIVE
    },
    Key {
        id: 0x0102,
        path: "system.language",
        kind: Kind::Choice(&LANGUAGES),
        unset: Unset::Value("english"),
        example: "chinese",
        help: "The language of what the router tells about the line.",
        ..LIVE
    },
    Key {
        id: 0x0103,
        path: "system.utc-offset",
        kind: Kind::UtcOffset,
        unset: Unset::Value("+08:00"),
        example: "+01:00",
        help: "How far the time of day here is ahead of UTC.",
        effect: Effect::Redial,
        ..LIVE
    },
    // The line.
    Key {
        id: 0x0201,
        path: "wan.kind",
        kind: Kind::Choice(&WAN_KINDS),
        unset: Unset::Value("pppoe"),
        example: "dhcp",
        help: "How the carrier gives the address: dialed with a user name (pppoe), by DHCP (dhcp), or on paper (static).",
        effect: Effect::Restart,
        ..LINE
    },
    Key {
        id: 0x0202,
        path: "wan.carrier",
        kind: Kind::Choice(&CARRIERS),
        unset: Unset::Value("generic"),
        example: "unicom",
        help: "The carrier's habits: how long it locks out, whether it answers echo.",
        ..LINE
    },
    Key {
        id: 0x0203,
        path: "wan.user",
        kind: Kind::Text { most: 128 },
        unset: Unset::Means("no user name"),
        example: "02112345678@isp",
        help: "User name of the account.",
        ..LINE
    },
    Key {
        id: 0x0204,
        path: "wan.password",
        kind: Kind::Text { most: 128 },
        unset: Unset::Means("no password"),
        example: "k4Hq7w2x",
        help: "Password of the account.",
        secret: true,
        ..LINE
    },
    Key {
        id: 0x0205,
        path: "wan.service-name",
        kind: Kind::Text { most: 64 },
        unset: Unset::Means("any service"),
        example: "internet",
        help: "Take only offers of this service (Service-Name of PPPoE).",
        ..LINE
    },
    Key {
        id: 0x0206,
        path: "wan.ac-name",
        kind: Kind::Text { most: 64 },
        unset: Unset::Means("any concentrator"),
        example: "BRAS-1",
        help: "Take only offers of the access concentrator of this name (AC-Name).",
        ..LINE
    },
    Key {
        id: 0x0207,
        path: "wan.ac-mac",
        kind: Kind::Mac,
        unset: Unset::Means("any concentrator"),
        example: "00:00:5e:00:53:01",
        help: "Take only offers of the access concentrator at this hardware address.",
        ..LINE
    },
    Key {
        id: 0x0208,
        path: "wan.mac",
        kind: Kind::Mac,
        unset: Unset::Means("the port's own"),
        example: "02:00:5e:00:53:01",
        help: "Hardware address towards the carrier, for lines bound to the address of an older router.",
        ..LINE
    },
    Key {
        id: 0x0209,
        path: "wan.vlan",
        kind: Kind::Vlan,
        unset: Unset::Means("untagged"),
        example: "7",
        help: "The 802.1Q tag of the line, with a priority behind a colon if the carrier wants one.",
        ..LINE
    },
    Key {
        id: 0x020A,
        path: "wan.mtu",
        kind: Kind::Choice(&MTUS),
        unset: Unset::Value("1500"),
        example: "1492",
        help: "The longest packet to ask for: 1500 (RFC 4638, where port and carrier can) or 1492.",
        ..LINE
    },
    Key {
        id: 0x020B,
        path: "wan.minimum-auth",
        kind: Kind::Choice(&AUTH_METHODS),
        unset: Unset::Value("pap"),
        example: "chap",
        help: "The weakest authentication to consent to; with pap, the password can go over the line in clear.",
        ..LINE
    },
    Key {
        id: 0x020C,
        path: "wan.echo",
        kind: Kind::Choice(&ECHO_MODES),
        unset: Unset::Means("as the carrier's preset says"),
        example: "on",
        help: "LCP echo: at every interval (on), only when nothing else arrives (adaptive), or never (off).",
        ..LINE
    },
    Key {
        id: 0x020D,
        path: "wan.echo-interval",
        kind: Kind::Span { least_s: 5, most_s: 600 },
        unset: Unset::Value("20s"),
        example: "30s",
        help: "From one LCP echo to the next.",
        ..LINE
    },
    Key {
        id: 0x020E,
        path: "wan.ipv6",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Whether to ask the carrier for IPv6 too.",
        ..LINE
    },
    Key {
        id: 0x020F,
        path: "wan.modem-address",
        kind: Kind::Interface { longest: 30 },
        unset: Unset::Means("the modem's page is not reached"),
        example: "192.168.100.2/24",
        help: "Our address in the modem's own network, so that its page can be opened from the LAN.",
        ..LINE
    },
    Key {
        id: 0x0210,
        path: "wan.address",
        kind: Kind::Interface { longest: 32 },
        unset: Unset::Means("none"),
        example: "203.0.113.7/24",
        help: "Our address, if wan.kind is static.",
        effect: Effect::Restart,
        ..LINE
    },
    Key {
        id: 0x0211,
        path: "wan.gateway",
        kind: Kind::Ipv4,
        unset: Unset::Means("none"),
        example: "203.0.113.1",
        help: "The carrier's router, if wan.kind is static.",
        effect: Effect::Restart,
        ..LINE
    },
    Key {
        id: 0x0212,
        path: "wan.dns.#",
        most: 2,
        kind: Kind::Ipv4,
        unset: Unset::Means("none"),
        example: "203.0.113.53",
        help: "Name servers, if wan.kind is static.",
        effect: Effect::Restart,
        ..LINE
    },
    Key {
        id: 0x0213,
        path: "wan.dhcp.host-name",
        kind: Kind::Label,
        unset: Unset::Means("not told"),
        example: "router",
        help: "What to call ourselves, if wan.kind is dhcp (option 12).",
        effect: Effect::Restart,
        ..LINE
    },
    Key {
        id: 0x0214,
        path: "wan.dhcp.vendor-class",
        kind: Kind::Text { most: 64 },
        unset: Unset::Means("not told"),
        example: "IPTV_STB",
        help: "What kind of box to be, if wan.kind is dhcp (option 60).",
        effect: Effect::Restart,
        ..LINE
    },
    Key {
        id: 0x0215,
        path: "wan.dhcp.client-id",
        kind: Kind::ClientId,
        unset: Unset::Value("mac"),
        example: "00:6a:6b:6c",
        help: "Who to be, if wan.kind is dhcp (option 61): the hardware address (mac), nobody (none), or these octets.",
        effect: Effect::Restart,
        ..LINE
    },
    Key {
        id: 0x0216,
        path: "wan.dhcp.broadcast",
        kind: Kind::Flag,
        unset: Unset::Value("off"),
        example: "on",
        help: "Whether to ask the DHCP server for answers by broadcast.",
        effect: Effect::Restart,
        ..LINE
    },
    Key {
        id: 0x0217,
        path: "wan.limit.hold",
        kind: Kind::Span { least_s: 1, most_s: 4 * 3600 },
        unset: Unset::Means("as the carrier's preset says"),
        example: "10m",
        help: "How long to keep silent once the line seems locked. Too short gets it locked again.",
        ..LINE
    },
    Key {
        id: 0x0218,
        path: "wan.limit.discovery",
        kind: Kind::Window { least: 2 },
        unset: Unset::Means("as the carrier's preset says"),
        example: "3/1m",
        help: "Discovery messages (PADI and PADR) allowed within a time.",
        ..LINE
    },
    Key {
        id: 0x0219,
        path: "wan.limit.dials",
        kind: Kind::Window { least: 1 },
        unset: Unset::Means("as the carrier's preset says"),
        example: "2/5m",
        help: "Dials allowed within a time.",
        ..LINE
    },
    Key {
        id: 0x021A,
        path: "wan.nightly.at",
        kind: Kind::TimeOfDay,
        unset: Unset::Means("never"),
        example: "04:30",
        help: "Redial at this hour, before the carrier ends the session at a busy one. Needs the time of day: see ntp.server.",
        ..LINE
    },
    Key {
        id: 0x021B,
        path: "wan.nightly.age",
        kind: Kind::Span { least_s: 6 * 3600, most_s: 60 * 86_400 },
        unset: Unset::Value("1d23h6m"),
        example: "7d",
        help: "The age at which the carrier ends a session: a night that comes sooner is slept through.",
        ..LINE
    },
    Key {
        id: 0x021C,
        path: "wan.ping-from",
        kind: Kind::Network,
        unset: Unset::Means("nobody is answered"),
        example: "0.0.0.0/0",
        help: "Answer a ping from this network of the Internet; 0.0.0.0/0 is all of it.",
        effect: Effect::Live,
        ..LINE
    },
    // The home network.
    Key {
        id: 0x0301,
        path: "lan.address",
        kind: Kind::Interface { longest: 30 },
        unset: Unset::Value("192.168.1.1/24"),
        example: "192.168.8.1/24",
        help: "The router's address in the LAN, and the length of the LAN's prefix. Hosts must ask for new addresses.",
        ..LIVE
    },
    Key {
        id: 0x0302,
        path: "lan.domain",
        kind: Kind::Name,
        unset: Unset::Value("lan"),
        example: "home.example",
        help: "What the names of the LAN's hosts end in.",
        effect: Effect::Restart,
        ..LIVE
    },
    Key {
        id: 0x0303,
        path: "lan.dhcp.enabled",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Whether to give out addresses.",
        ..LIVE
    },
    Key {
        id: 0x0304,
        path: "lan.dhcp.pool",
        kind: Kind::Pool,
        unset: Unset::Means("the upper half of the LAN"),
        example: "192.168.1.100-192.168.1.199",
        help: "The addresses given to hosts that have none reserved.",
        ..LIVE
    },
    Key {
        id: 0x0305,
        path: "lan.dhcp.lease-time",
        kind: Kind::Span { least_s: 600, most_s: 7 * 86_400 },
        unset: Unset::Value("12h"),
        example: "1d",
        help: "For how long an address is given.",
        ..LIVE
    },
    Key {
        id: 0x0306,
        path: "lan.dhcp.ntp-server",
        kind: Kind::Ipv4,
        unset: Unset::Means("not told"),
        example: "192.168.1.5",
        help: "The time server that hosts are told of (option 42).",
        ..LIVE
    },
    Key {
        id: 0x0307,
        path: "lan.dhcp.mtu",
        kind: Kind::Number { least: 576, most: 1500 },
        unset: Unset::Means("not told"),
        example: "1492",
        help: "The longest packet that hosts are told to send (option 26).",
        ..LIVE
    },
    Key {
        id: 0x0308,
        path: "lan.dhcp.newcomers",
        kind: Kind::Number { least: 1, most: 255 },
        unset: Unset::Value("30"),
        example: "10",
        help: "Hosts never seen before that get an address within a minute.",
        ..LIVE
    },
    Key {
        id: 0x0309,
        path: "lan.dhcp.reservation.#.mac",
        most: 16,
        kind: Kind::Mac,
        unset: Unset::Required,
        example: "02:00:5e:00:53:0a",
        help: "Whose address it is.",
        ..LIVE
    },
    Key {
        id: 0x030A,
        path: "lan.dhcp.reservation.#.address",
        most: 16,
        kind: Kind::Ipv4,
        unset: Unset::Required,
        example: "192.168.1.10",
        help: "The address that this host always gets.",
        ..LIVE
    },
    // Names.
    Key {
        id: 0x0401,
        path: "dns.rebind-protection",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Whether addresses of the LAN's kind are kept out of answers from outside.",
        ..BOOT
    },
    Key {
        id: 0x0402,
        path: "dns.rebind-exception.#",
        most: 8,
        kind: Kind::Name,
        unset: Unset::Means("none"),
        example: "intranet.example",
        help: "Names that may have any address, with all below them.",
        ..BOOT
    },
    Key {
        id: 0x0403,
        path: "dns.upstream.#",
        most: 2,
        kind: Kind::Ipv4,
        unset: Unset::Means("those that the carrier gives"),
        example: "223.5.5.5",
        help: "Name servers to ask instead of the carrier's.",
        ..BOOT
    },
    Key {
        id: 0x0404,
        path: "dns.stale",
        kind: Kind::Span { least_s: 0, most_s: 3 * 86_400 },
        unset: Unset::Value("1d"),
        example: "1h",
        help: "For how long an answer that has expired is good enough where there is no other.",
        ..BOOT
    },
    // Ports that lead in.
    Key {
        id: 0x0501,
        path: "forward.#.protocol",
        most: 16,
        kind: Kind::Choice(&FORWARD_PROTOCOLS),
        unset: Unset::Value("tcp+udp"),
        example: "tcp",
        help: "What is led in.",
        ..LIVE
    },
    Key {
        id: 0x0502,
        path: "forward.#.port",
        most: 16,
        kind: Kind::Ports,
        unset: Unset::Required,
        example: "8080",
        help: "The port of the line that leads in, or the first and the last of several.",
        ..LIVE
    },
    Key {
        id: 0x0503,
        path: "forward.#.to",
        most: 16,
        kind: Kind::Ipv4,
        unset: Unset::Required,
        example: "192.168.1.10",
        help: "The host in the LAN that it leads to.",
        ..LIVE
    },
    Key {
        id: 0x0504,
        path: "forward.#.to-port",
        most: 16,
        kind: Kind::Number { least: 1, most: 65_535 },
        unset: Unset::Means("the same port"),
        example: "80",
        help: "The port there; of several, the first one's.",
        ..LIVE
    },
    Key {
        id: 0x0505,
        path: "forward.#.source",
        most: 16,
        kind: Kind::Network,
        unset: Unset::Value("0.0.0.0/0"),
        example: "203.0.113.0/24",
        help: "Who may use it.",
        ..LIVE
    },
    // Who may open a connection. The first rule that fits decides; without one, what comes from inside may and what comes from outside may not.
    Key {
        id: 0x0601,
        path: "rule.#.action",
        most: 32,
        kind: Kind::Choice(&ACTIONS),
        unset: Unset::Required,
        example: "drop",
        help: "What becomes of it: it may be opened (accept), or not, without a word (drop) or with one (reject).",
        ..LIVE
    },
    Key {
        id: 0x0602,
        path: "rule.#.from",
        most: 32,
        kind: Kind::Choice(&ZONES),
        unset: Unset::Value("lan"),
        example: "wan",
        help: "Where it comes from.",
        ..LIVE
    },
    Key {
        id: 0x0603,
        path: "rule.#.to",
        most: 32,
        kind: Kind::Choice(&ZONES),
        unset: Unset::Value("wan"),
        example: "router",
        help: "Where it wants to go.",
        ..LIVE
    },
    Key {
        id: 0x0604,
        path: "rule.#.protocol",
        most: 32,
        kind: Kind::Protocol,
        unset: Unset::Value("any"),
        example: "udp",
        help: "Its protocol.",
        ..LIVE
    },
    Key {
        id: 0x0605,
        path: "rule.#.source",
        most: 32,
        kind: Kind::Prefix,
        unset: Unset::Value("any"),
        example: "192.168.1.20",
        help: "Its source.",
        ..LIVE
    },
    Key {
        id: 0x0606,
        path: "rule.#.destination",
        most: 32,
        kind: Kind::Prefix,
        unset: Unset::Value("any"),
        example: "198.51.100.0/24",
        help: "Its destination: behind a port forward, the host inside.",
        ..LIVE
    },
    Key {
        id: 0x0607,
        path: "rule.#.source-port",
        most: 32,
        kind: Kind::Ports,
        unset: Unset::Means("every port"),
        example: "1024-65535",
        help: "Its source port, or the first and the last of several.",
        ..LIVE
    },
    Key {
        id: 0x0608,
        path: "rule.#.destination-port",
        most: 32,
        kind: Kind::Ports,
        unset: Unset::Means("every port"),
        example: "25",
        help: "Its destination port, or the first and the last of several.",
        ..LIVE
    },
    Key {
        id: 0x0609,
        path: "rule.#.log",
        most: 32,
        kind: Kind::Flag,
        unset: Unset::Value("off"),
        example: "on",
        help: "Whether the log tells of it.",
        ..LIVE
    },
    // Address translation.
    Key {
        id: 0x0701,
        path: "nat.filtering",
        kind: Kind::Choice(&FILTERINGS),
        unset: Unset::Value("address-and-port"),
        example: "endpoint",
        help: "Whose packets an open port lets in: only the one's that was sent to (address-and-port), any of its host (address), everybody's (endpoint; some games want that).",
        ..LIVE
    },
    Key {
        id: 0x0702,
        path: "nat.dmz",
        kind: Kind::Ipv4,
        unset: Unset::Means("nobody"),
        example: "192.168.1.9",
        help: "The host in the LAN that gets everything from the Internet that nobody asked for.",
        ..LIVE
    },
    Key {
        id: 0x0703,
        path: "nat.host-flows",
        kind: Kind::Number { least: 16, most: 65_535 },
        unset: Unset::Means("a quarter of all"),
        example: "512",
        help: "The most connections one host may have.",
        effect: Effect::Restart,
        ..LIVE
    },
    // The time of day.
    Key {
        id: 0x0801,
        path: "ntp.server.#",
        most: 4,
        kind: Kind::Name,
        unset: Unset::Means("nobody is asked, and the time of day stays unknown"),
        example: "ntp.aliyun.com",
        help: "Servers to ask for the time of day (SNTP).",
        ..BOOT
    },
    // Whether the Internet is really there.
    Key {
        id: 0x0901,
        path: "connectivity.region",
        kind: Kind::Choice(&REGIONS),
        unset: Unset::Value("auto"),
        example: "cn",
        help: "Which servers are asked: those of China (cn), those of elsewhere (global), what turns out to work (auto), or your own list (custom).",
        ..BOOT
    },
    Key {
        id: 0x0902,
        path: "connectivity.probe.#.url",
        most: 8,
        kind: Kind::Url,
        unset: Unset::Required,
        example: "http://connectivity.example/generate_204",
        help: "A page to ask for, if connectivity.region is custom.",
        ..BOOT
    },
    Key {
        id: 0x0903,
        path: "connectivity.probe.#.operator",
        most: 8,
        kind: Kind::Label,
        unset: Unset::Means("another one's than all others"),
        example: "example",
        help: "Whose it is: what one operator says counts once.",
        ..BOOT
    },
    Key {
        id: 0x0904,
        path: "connectivity.probe.#.body",
        most: 8,
        kind: Kind::Text { most: 64 },
        unset: Unset::Means("an empty page: status 204"),
        example: "success",
        help: "What the page must say.",
        ..BOOT
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_paths_are_each_keys_own_and_sections_stay_together() {
        let ids: BTreeSet<_> = KEYS.iter().map(|key| key.id).collect();
        let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
        assert_eq!((ids.len(), paths.len()), (KEYS.len(), KEYS.len()));
        assert!(KEYS.is_sorted_by_key(|key| key.id), "found by looking from the front, shown in this order");
        for key in KEYS {
            assert_eq!(key.path.contains('#'), key.most > 0, "{}", key.path);
            assert!(!paths.contains(key.path.rsplit_once('.').unwrap().0), "{} is below a key", key.path);
        }
    }

    #[test]
    fn every_default_and_every_example_is_a_right_value() {
        for key in KEYS {
            let example = key.parse(key.example).unwrap_or_else(|reason| panic!("{}: {reason}", key.path));
            assert_ne!(Some(example), key.default_value(), "{}: the example shows nothing new", key.path);
            if let Unset::Value(text) = key.unset {
                let value = key.parse(text).unwrap_or_else(|reason| panic!("{}: {reason}", key.path));
                assert_eq!(std::format!("{value}"), text, "{}", key.path);
            }
            for word in key.values() {
                assert!(key.parse(word).is_ok(), "{}: {word}", key.path);
            }
            assert!(key.help.ends_with('.') && key.help.len() <= 180, "{}", key.path);
        }
    }

    #[test]
    fn presets_of_the_redial_engine_are_the_carriers() {
        assert_eq!(CARRIERS, Preset::ALL.map(Preset::name));
    }
}
