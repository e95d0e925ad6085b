//! The box itself, and its line: sections 0x01 and 0x02.

use gatelet_proto::redial::Preset;

use super::{LINE, LIVE};
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

/// In the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
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
        ..LINE
    },
    Key {
        id: 0x0211,
        path: "wan.gateway",
        kind: Kind::Ipv4,
        unset: Unset::Means("none"),
        example: "203.0.113.1",
        help: "The carrier's router, if wan.kind is static.",
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
        ..LINE
    },
    Key {
        id: 0x0213,
        path: "wan.dhcp.host-name",
        kind: Kind::Label,
        unset: Unset::Means("not told"),
        example: "router",
        help: "What to call ourselves, if wan.kind is dhcp (option 12).",
        ..LINE
    },
    Key {
        id: 0x0214,
        path: "wan.dhcp.vendor-class",
        kind: Kind::Text { most: 64 },
        unset: Unset::Means("not told"),
        example: "IPTV_STB",
        help: "What kind of box to be, if wan.kind is dhcp (option 60).",
        ..LINE
    },
    Key {
        id: 0x0215,
        path: "wan.dhcp.client-id",
        kind: Kind::ClientId,
        unset: Unset::Value("mac"),
        example: "00:6a:6b:6c",
        help: "Who to be, if wan.kind is dhcp (option 61): the hardware address (mac), nobody (none), or these octets.",
        ..LINE
    },
    Key {
        id: 0x0216,
        path: "wan.dhcp.broadcast",
        kind: Kind::Flag,
        unset: Unset::Value("off"),
        example: "on",
        help: "Whether to ask the DHCP server for answers by broadcast.",
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
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_of_the_redial_engine_are_the_carriers() {
        assert_eq!(CARRIERS, Preset::ALL.map(Preset::name));
    }
}
