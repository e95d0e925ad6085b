//! A value that was read, and the one text that stands for it.

use core::fmt::{self, Write as _};

use gatelet_router::{PortRange, Prefix, Protocol};
use gatelet_wire::ethernet::VlanTag;
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use smoltcp::time::Duration;

/// Bytes of the longest text of a value: a [`Kind::Url`](crate::Kind::Url) with its `http://`.
pub const TEXT_MAX: usize = 200;

/// A value that was read. Shown, it is the one text that stands for it: `8:0:2b` or `08-00-2B` make no difference between two
/// settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'t> {
    /// Any text.
    Text(&'t str),
    /// One of the key's words.
    Choice(&'static str),
    /// On or off.
    Flag(bool),
    /// A number.
    Number(u32),
    /// A time, of whole seconds.
    Span(Duration),
    /// One label; small letters when shown.
    Label(&'t str),
    /// A domain name; small letters when shown.
    Name(&'t str),
    /// An address.
    Ipv4(Ipv4Address),
    /// An address of ours with its network.
    Interface(Ipv4Cidr),
    /// A network.
    Network(Ipv4Cidr),
    /// A network of either family, or all.
    Prefix(Prefix),
    /// An IPv6 address.
    Ipv6(Ipv6Address),
    /// An IPv6 address of ours with its network.
    Interface6(Ipv6Cidr),
    /// An IPv6 network.
    Network6(Ipv6Cidr),
    /// A DSCP; `None`: that of what is carried.
    Dscp(Option<u8>),
    /// A country's code, in capitals.
    Country([u8; 2]),
    /// A hardware address.
    Mac(EthernetAddress),
    /// Addresses from the first to the last.
    Pool {
        /// The lowest.
        first: Ipv4Address,
        /// The highest.
        last: Ipv4Address,
    },
    /// Ports.
    Ports(PortRange),
    /// An 802.1Q tag.
    Vlan(VlanTag),
    /// So many within a time.
    Window {
        /// How many.
        limit: u8,
        /// Within which time.
        period: Duration,
    },
    /// Minutes after midnight.
    TimeOfDay(u16),
    /// Minutes ahead of UTC.
    UtcOffset(i16),
    /// What is sent as Client-identifier.
    ClientId(ClientId<'t>),
    /// A plain web address.
    Url {
        /// The name in it.
        host: &'t str,
        /// From the slash on.
        path: &'t str,
    },
    /// A transport protocol.
    Protocol(Protocol),
}

/// What is sent as Client-identifier (option 61 of DHCP, RFC 2132 §9.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientId<'t> {
    /// The hardware address.
    Mac,
    /// Nothing.
    Omitted,
    /// These octets, in hexadecimal with colons between.
    Octets(&'t str),
}

impl ClientId<'_> {
    /// The octets, where they are given.
    pub fn octets(&self) -> impl Iterator<Item = u8> {
        let text = if let Self::Octets(text) = self { text } else { "" };
        text.split(':').filter_map(|part| u8::from_str_radix(part, 16).ok())
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Text(text) | Self::Choice(text) => f.write_str(text),
            Self::Flag(on) => f.write_str(if on { "on" } else { "off" }),
            Self::Number(number) => write!(f, "{number}"),
            Self::Span(span) => write_span(f, span),
            Self::Label(text) | Self::Name(text) => write_lowercase(f, text),
            Self::Ipv4(address) => write!(f, "{address}"),
            Self::Interface(cidr) | Self::Network(cidr) | Self::Prefix(Prefix::Ipv4(cidr)) => {
                write!(f, "{cidr}")
            }
            Self::Prefix(Prefix::Any) => f.write_str("any"),
            Self::Prefix(Prefix::Ipv6(cidr)) | Self::Interface6(cidr) | Self::Network6(cidr) => {
                write!(f, "{cidr}")
            }
            Self::Ipv6(address) => write!(f, "{address}"),
            Self::Dscp(None) => f.write_str("inherit"),
            Self::Dscp(Some(dscp)) => write!(f, "{dscp}"),
            Self::Country(letters) => letters.iter().try_for_each(|letter| f.write_char(char::from(*letter))),
            Self::Mac(address) => write_octets(f, address.0.into_iter()),
            Self::Pool { first, last } => write!(f, "{first}-{last}"),
            Self::Ports(PortRange { first, last }) if first == last => write!(f, "{first}"),
            Self::Ports(PortRange { first, last }) => write!(f, "{first}-{last}"),
            Self::Vlan(VlanTag { id, priority: 0, .. }) => write!(f, "{id}"),
            Self::Vlan(VlanTag { id, priority, .. }) => write!(f, "{id}:{priority}"),
            Self::Window { limit, period } => {
                write!(f, "{limit}/")?;
                write_span(f, period)
            }
            Self::TimeOfDay(minutes) => write!(f, "{:02}:{:02}", minutes / 60, minutes % 60),
            Self::UtcOffset(minutes) => {
                let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::ClientId(ClientId::Mac) => f.write_str("mac"),
            Self::ClientId(ClientId::Omitted) => f.write_str("none"),
            Self::ClientId(octets @ ClientId::Octets(_)) => write_octets(f, octets.octets()),
            Self::Url { host, path } => {
                f.write_str("http://")?;
                write_lowercase(f, host)?;
                f.write_str(path)
            }
            Self::Protocol(protocol) => match protocol {
                Protocol::Any => f.write_str("any"),
                Protocol::Tcp => f.write_str("tcp"),
                Protocol::Udp => f.write_str("udp"),
                Protocol::TcpUdp => f.write_str("tcp+udp"),
                Protocol::Icmp => f.write_str("icmp"),
                Protocol::Other(number) => write!(f, "{number}"),
            },
        }
    }
}

/// The largest units first; `0s` for nothing.
fn write_span(f: &mut fmt::Formatter<'_>, span: Duration) -> fmt::Result {
    let mut rest = span.secs();
    if rest == 0 {
        return f.write_str("0s");
    }
    for (unit, scale) in [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)] {
        if rest >= scale {
            write!(f, "{}{unit}", rest / scale)?;
            rest %= scale;
        }
    }
    Ok(())
}

fn write_lowercase(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|letter| f.write_char(letter.to_ascii_lowercase()))
}

fn write_octets(f: &mut fmt::Formatter<'_>, octets: impl Iterator<Item = u8>) -> fmt::Result {
    for (n, octet) in octets.enumerate() {
        write!(f, "{}{octet:02x}", if n == 0 { "" } else { ":" })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::{String, ToString};

    use super::*;
    use crate::Kind;

    const SPAN: Kind = Kind::Span { least_s: 60, most_s: 7 * 86_400 };
    const HOME: Kind = Kind::Interface { longest: 30 };
    const PUBLIC: Kind = Kind::Network6 { is_local: false };
    const LOCAL: Kind = Kind::Network6 { is_local: true };

    /// What is typed, and how it is shown.
    #[test]
    fn values_are_read_and_shown_in_one_form() {
        for (kind, typed, shown) in [
            (Kind::Text { most: 8 }, "密码 1", "密码 1"),
            (Kind::Text { most: 8 }, "", ""),
            (Kind::Choice(&["one", "two"]), "two", "two"),
            (Kind::Flag, "off", "off"),
            (Kind::Number { least: 1, most: 10 }, "007", "7"),
            (SPAN, "90m", "1h30m"),
            (SPAN, "1d", "1d"),
            (SPAN, "1h60s", "1h1m"),
            (Kind::Label, "Gate-1", "gate-1"),
            (Kind::Name, "NAS.Example.org", "nas.example.org"),
            (Kind::Ipv4, "192.168.1.9", "192.168.1.9"),
            (HOME, "192.168.1.1/24", "192.168.1.1/24"),
            (Kind::Interface { longest: 32 }, "192.0.2.1/32", "192.0.2.1/32"),
            (Kind::Network, "203.0.113.9", "203.0.113.9/32"),
            (Kind::Network, "203.0.113.9/24", "203.0.113.0/24"),
            (Kind::Network, "0.0.0.0/0", "0.0.0.0/0"),
            (Kind::Prefix, "any", "any"),
            (Kind::Prefix, "10.1.2.3/8", "10.0.0.0/8"),
            (Kind::Prefix, "2001:DB8:0::1/32", "2001:db8::/32"),
            (Kind::Prefix, "2001:db8::1", "2001:db8::1/128"),
            (Kind::Prefix, "::/0", "::/0"),
            (Kind::Ipv6, "2001:DB8:0:0::53", "2001:db8::53"),
            (Kind::Ipv6, "fd00::1", "fd00::1"),
            (Kind::Interface6, "2001:DB8:6::11/127", "2001:db8:6::11/127"),
            (Kind::Interface6, "2001:db8:6::2/64", "2001:db8:6::2/64"),
            (PUBLIC, "2001:db8:66:1::9/48", "2001:db8:66::/48"),
            (PUBLIC, "2001:db8:66:1::/64", "2001:db8:66:1::/64"),
            (LOCAL, "fd12:3456:789a::1/56", "fd12:3456:789a::/56"),
            (Kind::Dscp, "inherit", "inherit"),
            (Kind::Dscp, "046", "46"),
            (Kind::Passphrase, "a b c d ~", "a b c d ~"),
            (Kind::Country, "de", "DE"),
            (Kind::Mac, "02-00-5E-00-53-0a", "02:00:5e:00:53:0a"),
            (Kind::Pool, "10.0.0.9-10.0.0.10", "10.0.0.9-10.0.0.10"),
            (Kind::Ports, "80", "80"),
            (Kind::Ports, "80-80", "80"),
            (Kind::Ports, "8000-8010", "8000-8010"),
            (Kind::Vlan, "7", "7"),
            (Kind::Vlan, "7:0", "7"),
            (Kind::Vlan, "4094:5", "4094:5"),
            (Kind::Window { least: 2 }, "4/60s", "4/1m"),
            (Kind::TimeOfDay, "04:30", "04:30"),
            (Kind::UtcOffset, "+08:00", "+08:00"),
            (Kind::UtcOffset, "-03:30", "-03:30"),
            (Kind::ClientId, "mac", "mac"),
            (Kind::ClientId, "none", "none"),
            (Kind::ClientId, "00:6A:6b", "00:6a:6b"),
            (Kind::Url, "http://Example.org", "http://example.org/"),
            (Kind::Url, "http://example.org/generate_204?A", "http://example.org/generate_204?A"),
            (Kind::Protocol, "tcp+udp", "tcp+udp"),
            (Kind::Protocol, "47", "47"),
        ] {
            let value = kind.parse(typed).unwrap_or_else(|reason| panic!("{typed}: {reason}"));
            assert_eq!(value.to_string(), shown, "{typed}");
            let again = kind.parse(shown).unwrap_or_else(|reason| panic!("{shown}: {reason}"));
            assert_eq!(again.to_string(), shown, "{typed}");
        }
    }

    /// What is typed, and why it is refused.
    #[test]
    fn what_is_refused_has_a_reason() {
        for (kind, typed, reason) in [
            (Kind::Text { most: 2 }, "abc", "it has at most 2 bytes"),
            (Kind::Text { most: 9 }, "a\u{1b}[2J", "control characters cannot be part of it"),
            (Kind::Choice(&["one", "two"]), "three", "it is one of one, two"),
            (Kind::Flag, "yes", "it is one of on, off"),
            (Kind::Number { least: 1, most: 10 }, "+5", "it is a number from 1 to 10"),
            (Kind::Number { least: 1, most: 10 }, "", "it is a number from 1 to 10"),
            (Kind::Number { least: 1, most: 10 }, "4294967297", "it is a number from 1 to 10"),
            (SPAN, "59s", "it is a time from 1m to 7d"),
            (SPAN, "8d", "it is a time from 1m to 7d"),
        ] {
            assert_eq!(kind.parse(typed).unwrap_err().to_string(), reason, "{typed}");
        }
        for (kind, typed) in [
            (SPAN, ""),
            (SPAN, "60"),
            (SPAN, "m"),
            (SPAN, "1h30"),
            (SPAN, "99999999d"),
            (SPAN, "4294967295s1s"),
            (SPAN, "1小时"),
            (Kind::Label, ""),
            (Kind::Label, "a.b"),
            (Kind::Label, "-a"),
            (Kind::Label, "a-"),
            (Kind::Label, "家"),
            (Kind::Label, "abcdefghijklmnopqrstuvwxyz1234567"),
            (Kind::Name, ""),
            (Kind::Name, "a..b"),
            (Kind::Name, ".a"),
            (Kind::Name, "a b"),
            (Kind::Ipv4, "192.168.1"),
            (Kind::Ipv4, "192.168.1.256"),
            (Kind::Ipv4, "0.0.0.0"),
            (Kind::Ipv4, "127.0.0.1"),
            (Kind::Ipv4, "224.0.0.1"),
            (Kind::Ipv4, "255.255.255.255"),
            (HOME, "192.168.1.1"),
            (HOME, "192.168.1.0/24"),
            (HOME, "192.168.1.255/24"),
            (HOME, "192.168.1.1/31"),
            (HOME, "192.168.1.1/7"),
            (HOME, "192.168.1.1/+24"),
            (HOME, "192.168.1.1/24/1"),
            (Kind::Network, "10.0.0.0/33"),
            (Kind::Prefix, "2001:db8::/129"),
            (Kind::Prefix, "2001:db8:::/64"),
            (Kind::Mac, "02:00:5e:00:53"),
            (Kind::Mac, "02:00:5e:00:53:01:02"),
            (Kind::Mac, "+2:00:5e:00:53:01"),
            (Kind::Mac, "01:00:5e:00:00:01"),
            (Kind::Mac, "00:00:00:00:00:00"),
            (Kind::Pool, "10.0.0.9"),
            (Kind::Pool, "10.0.0.9-10.0.0.8"),
            (Kind::Ports, "0"),
            (Kind::Ports, "65536"),
            (Kind::Ports, "90-80"),
            (Kind::Ports, "80-"),
            (Kind::Vlan, "0"),
            (Kind::Vlan, "4095"),
            (Kind::Vlan, "7:8"),
            (Kind::Vlan, "7:1:1"),
            (Kind::Window { least: 2 }, "1/60s"),
            (Kind::Window { least: 1 }, "9/60s"),
            (Kind::Window { least: 1 }, "4/0s"),
            (Kind::Window { least: 1 }, "4/2d"),
            (Kind::Window { least: 1 }, "4"),
            (Kind::TimeOfDay, "24:00"),
            (Kind::TimeOfDay, "4:30"),
            (Kind::TimeOfDay, "+4:30"),
            (Kind::UtcOffset, "08:00"),
            (Kind::UtcOffset, "+14:01"),
            (Kind::UtcOffset, "-12:01"),
            (Kind::ClientId, ""),
            (Kind::ClientId, "6a"),
            (Kind::ClientId, "6a:6"),
            (Kind::Url, "https://example.org/"),
            (Kind::Url, "http://example.org:8080/"),
            (Kind::Url, "http:///path"),
            (Kind::Url, "http://example.org/a b"),
            (Kind::Url, "http://user@example.org/"),
            (Kind::Protocol, "256"),
            (Kind::Protocol, "sctp"),
        ] {
            assert!(kind.parse(typed).is_err(), "{kind:?} {typed:?}");
        }
    }

    #[test]
    fn what_is_refused_of_ipv6_and_the_radio() {
        for (kind, typed) in [
            (Kind::Ipv6, "2001:db8::/64"),
            (Kind::Ipv6, "fe80::1"),
            (Kind::Ipv6, "ff02::1"),
            (Kind::Ipv6, "::1"),
            (Kind::Ipv6, "::"),
            (Kind::Ipv6, "::ffff:192.0.2.1"),
            (Kind::Ipv6, "192.0.2.1"),
            (Kind::Interface6, "2001:db8::1"),
            (Kind::Interface6, "2001:db8::1/96"),
            (Kind::Interface6, "2001:db8::/64"),
            (Kind::Interface6, "fe80::1/64"),
            (PUBLIC, "2001:db8::/47"),
            (PUBLIC, "2001:db8::/65"),
            (PUBLIC, "2001:db8::"),
            (PUBLIC, "fd00::/48"),
            (PUBLIC, "fe80::/64"),
            (LOCAL, "2001:db8::/48"),
            (LOCAL, "fc00::/48"),
            (Kind::Dscp, "64"),
            (Kind::Dscp, "+1"),
            (Kind::Passphrase, "1234567"),
            (Kind::Passphrase, "密码密码密码"),
            (Kind::Country, "DEU"),
            (Kind::Country, "D1"),
            (Kind::Country, "é"),
        ] {
            assert!(kind.parse(typed).is_err(), "{kind:?} {typed:?}");
        }
    }

    #[test]
    fn no_text_is_longer_than_there_is_room_for() {
        let octets = format!("{}ff", "ff:".repeat(63));
        let shown = Kind::ClientId.parse(&octets).unwrap().to_string();
        assert!(shown.len() <= TEXT_MAX, "{}", shown.len());
        let url = |path: usize| format!("http://example.org/{}", "a".repeat(path));
        let longest: String = (0..400).map(url).rfind(|url| Kind::Url.parse(url).is_ok()).unwrap();
        assert!((190..=TEXT_MAX).contains(&longest.len()), "{}", longest.len());
    }
}
