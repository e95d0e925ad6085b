//! The home network, and what passes between it and the line over IPv4: sections 0x03 to 0x07.

use super::{BOOT, LIVE};
use crate::key::{Effect, Key, Unset};
use crate::kind::Kind;

const FORWARD_PROTOCOLS: [&str; 3] = ["tcp", "udp", "tcp+udp"];
const ACTIONS: [&str; 3] = ["accept", "drop", "reject"];
const ZONES: [&str; 3] = ["lan", "wan", "router"];
const FILTERINGS: [&str; 3] = ["address-and-port", "address", "endpoint"];

/// In the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
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
];
