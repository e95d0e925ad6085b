//! IPv6, the tunnels that carry it, and the radio: sections 0x0A to 0x0C.

use super::{BOOT, LIVE};
use crate::key::{Key, Unset};
use crate::kind::Kind;

const MODES: [&str; 4] = ["auto", "native", "tunnel", "off"];
const ROLES: [&str; 2] = ["client", "server"];
const RADIO_MODES: [&str; 2] = ["access-point", "station"];

/// As many as the router has (`gatelet_router::MAX_TUNNELS`).
const TUNNELS: u8 = 4;
const TUNNEL: Key = Key { most: TUNNELS, ..LIVE };

/// In the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
    // IPv6 on the line and in the LAN.
    Key {
        id: 0x0A01,
        path: "ipv6.mode",
        kind: Kind::Choice(&MODES),
        unset: Unset::Value("auto"),
        example: "tunnel",
        help: "Where the LAN's IPv6 comes from: the carrier (native), the tunnels to servers (tunnel), whatever there is of both (auto), nowhere (off).",
        ..LIVE
    },
    Key {
        id: 0x0A02,
        path: "ipv6.advertise",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Whether the LAN's hosts are told of it: Router Advertisements and stateless DHCPv6.",
        ..LIVE
    },
    Key {
        id: 0x0A03,
        path: "ipv6.prefix-length",
        kind: Kind::Number { least: 48, most: 64 },
        unset: Unset::Value("56"),
        example: "60",
        help: "How long a prefix the carrier is asked for (DHCPv6 prefix delegation); it may give another one.",
        ..LIVE
    },
    Key {
        id: 0x0A04,
        path: "ipv6.share-prefix",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Where the carrier delegates nothing, let the LAN share the line's own /64 (NDP proxy, RFC 4389).",
        ..LIVE
    },
    Key {
        id: 0x0A05,
        path: "ipv6.local-prefix",
        kind: Kind::Network6 { is_local: true },
        unset: Unset::Means("none"),
        example: "fd12:3456:789a::/48",
        help: "A prefix of the LAN's own that no carrier takes away (RFC 4193); its first /64 is advertised.",
        ..LIVE
    },
    Key {
        id: 0x0A06,
        path: "ipv6.dns.#",
        most: 3,
        kind: Kind::Ipv6,
        unset: Unset::Means("the router, where it serves names over IPv6"),
        example: "2001:db8::53",
        help: "Name servers that hosts are told of by IPv6, in place of the router.",
        ..LIVE
    },
    Key {
        id: 0x0A07,
        path: "ipv6.firewall.echo",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Whether hosts of the LAN can be pinged from outside (RFC 4890), within limits.",
        ..LIVE
    },
    Key {
        id: 0x0A08,
        path: "ipv6.firewall.ipsec",
        kind: Kind::Flag,
        unset: Unset::Value("off"),
        example: "on",
        help: "Whether ESP, AH and IKE get in to hosts of the LAN unasked (RFC 6092, REC-21 to REC-24).",
        ..LIVE
    },
    Key {
        id: 0x0A09,
        path: "ipv6.firewall.ping-router",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Whether the router itself answers pings over IPv6 from outside, within limits.",
        ..LIVE
    },
    // Tunnels of IPv6 over IPv4 (6in4, RFC 4213). Our end follows the line's address by itself.
    Key {
        id: 0x0B01,
        path: "tunnel.#.role",
        kind: Kind::Choice(&ROLES),
        unset: Unset::Value("client"),
        example: "server",
        help: "Which end this is: the one with a home behind it (client), or the one with the Internet behind it (server).",
        ..TUNNEL
    },
    Key {
        id: 0x0B02,
        path: "tunnel.#.remote",
        kind: Kind::Ipv4,
        unset: Unset::Means("a server learns it by an update"),
        example: "198.51.100.2",
        help: "The far end's IPv4 address.",
        ..TUNNEL
    },
    Key {
        id: 0x0B03,
        path: "tunnel.#.address",
        kind: Kind::Interface6,
        unset: Unset::Required,
        example: "2001:db8:6::11/127",
        help: "Our address in the tunnel, with the length of the tunnel's own network: 127 or 64.",
        ..TUNNEL
    },
    Key {
        id: 0x0B04,
        path: "tunnel.#.peer",
        kind: Kind::Ipv6,
        unset: Unset::Means("the other address of a /127; of a /64, ::1 for a client and ::2 for a server"),
        example: "2001:db8:6::10",
        help: "The far end's address in the tunnel.",
        ..TUNNEL
    },
    Key {
        id: 0x0B05,
        path: "tunnel.#.prefix",
        kind: Kind::Network6 { is_local: false },
        unset: Unset::Means("nothing is routed"),
        example: "2001:db8:66::/48",
        help: "What is routed through it: the client's prefix, of whose first /64 the LAN is.",
        ..TUNNEL
    },
    Key {
        id: 0x0B06,
        path: "tunnel.#.ttl",
        kind: Kind::Number { least: 1, most: 255 },
        unset: Unset::Value("255"),
        example: "64",
        help: "Time to live of the IPv4 packets.",
        ..TUNNEL
    },
    Key {
        id: 0x0B07,
        path: "tunnel.#.dscp",
        kind: Kind::Dscp,
        unset: Unset::Value("inherit"),
        example: "0",
        help: "Class of the IPv4 packets: that of what is inside (inherit), or always this DSCP.",
        ..TUNNEL
    },
    Key {
        id: 0x0B08,
        path: "tunnel.#.mtu",
        kind: Kind::Number { least: 1280, most: 1480 },
        unset: Unset::Means("what the line leaves: 1480 on Ethernet, 1472 where it is dialed"),
        example: "1280",
        help: "The longest packet that goes into it.",
        ..TUNNEL
    },
    Key {
        id: 0x0B09,
        path: "tunnel.#.watch",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Whether the far end is pinged now and then; while it does not answer, hosts are told that there is no way out.",
        ..TUNNEL
    },
    Key {
        id: 0x0B0A,
        path: "tunnel.#.ndp-proxy",
        kind: Kind::Flag,
        unset: Unset::Value("on"),
        example: "off",
        help: "Whether a server answers Neighbor Solicitations for the client's addresses, where others take them to be on the link.",
        ..TUNNEL
    },
    Key {
        id: 0x0B10,
        path: "tunnel.#.update.server",
        kind: Kind::Name,
        unset: Unset::Means("nobody is told"),
        example: "ipv4.tunnelbroker.net",
        help: "Whom a client tells when its IPv4 address changes: a name or an address (/nic/update, as tunnel brokers have it).",
        ..TUNNEL
    },
    Key {
        id: 0x0B11,
        path: "tunnel.#.update.id",
        kind: Kind::Name,
        unset: Unset::Means("none"),
        example: "123456",
        help: "The tunnel's number or name in updates.",
        ..TUNNEL
    },
    Key {
        id: 0x0B12,
        path: "tunnel.#.update.user",
        kind: Kind::Text { most: 64 },
        unset: Unset::Means("none"),
        example: "alice",
        help: "The account of updates: ours with a client, that of who may update with a server.",
        ..TUNNEL
    },
    Key {
        id: 0x0B13,
        path: "tunnel.#.update.key",
        kind: Kind::Text { most: 64 },
        unset: Unset::Means("none"),
        example: "q8Zf3kTw",
        help: "Its key.",
        secret: true,
        ..TUNNEL
    },
    Key {
        id: 0x0B14,
        path: "tunnel.#.update.plain-http",
        kind: Kind::Flag,
        unset: Unset::Value("off"),
        example: "on",
        help: "Whether a client may say the key in clear. There is no other way yet, so without this nobody is told.",
        ..TUNNEL
    },
    Key {
        id: 0x0B15,
        path: "tunnel.#.update.port",
        kind: Kind::Number { least: 1, most: 65_535 },
        unset: Unset::Means("80 with a client, 8041 with a server"),
        example: "8041",
        help: "The TCP port at which updates are heard: the broker's with a client, ours with a server; of several servers, the first one's.",
        ..TUNNEL
    },
    // The radio, on boards that have one.
    Key {
        id: 0x0C01,
        path: "wifi.mode",
        kind: Kind::Choice(&RADIO_MODES),
        unset: Unset::Value("access-point"),
        example: "station",
        help: "What the radio is: the home network's (access-point), or the line, in somebody else's network (station).",
        ..BOOT
    },
    Key {
        id: 0x0C02,
        path: "wifi.ssid",
        kind: Kind::Text { most: 32 },
        unset: Unset::Value("Gatelet"),
        example: "Our home",
        help: "The name of the access point.",
        ..BOOT
    },
    Key {
        id: 0x0C03,
        path: "wifi.password",
        kind: Kind::Passphrase,
        unset: Unset::Means("one that the board has made up and shows at its start"),
        example: "correct horse",
        help: "The password of the access point (WPA2).",
        secret: true,
        ..BOOT
    },
    Key {
        id: 0x0C04,
        path: "wifi.channel",
        kind: Kind::Number { least: 1, most: 13 },
        unset: Unset::Value("6"),
        example: "11",
        help: "The channel of the access point; 1, 6 and 11 do not overlap.",
        ..BOOT
    },
    Key {
        id: 0x0C05,
        path: "wifi.country",
        kind: Kind::Country,
        unset: Unset::Value("CN"),
        example: "DE",
        help: "Where the box is: what may be sent on which channel (IEEE 802.11d).",
        ..BOOT
    },
    Key {
        id: 0x0C06,
        path: "wifi.station.ssid",
        kind: Kind::Text { most: 32 },
        unset: Unset::Means("none"),
        example: "Hotel Guest",
        help: "The network that a station joins.",
        ..BOOT
    },
    Key {
        id: 0x0C07,
        path: "wifi.station.password",
        kind: Kind::Passphrase,
        unset: Unset::Means("the network is open"),
        example: "room 1204",
        help: "The password of the network that a station joins (WPA2).",
        secret: true,
        ..BOOT
    },
];
