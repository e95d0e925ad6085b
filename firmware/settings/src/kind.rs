//! What may stand in a key: the reader of each kind of value, and why it refuses.

use core::fmt;
use core::str::FromStr;

use gatelet_router::{PortRange, Prefix, Protocol};
use gatelet_wire::dns::NameBuf;
use gatelet_wire::ethernet::VlanTag;
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use smoltcp::time::Duration;

use crate::kind6;
use crate::value::{ClientId, Value};

/// What may stand in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any characters but control characters, so many bytes of UTF-8 at most.
    Text {
        /// Bytes.
        most: u8,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `on` or `off`.
    Flag,
    /// A whole number.
    Number {
        /// The lowest.
        least: u32,
        /// The highest.
        most: u32,
    },
    /// A time: `90s`, `10m`, `1h30m`, `7d`.
    Span {
        /// The shortest, seconds.
        least_s: u32,
        /// The longest, seconds.
        most_s: u32,
    },
    /// The name of a host: one label.
    Label,
    /// A domain name.
    Name,
    /// The address of a host, IPv4.
    Ipv4,
    /// An IPv4 address of ours and the length of its network's prefix.
    Interface {
        /// The longest prefix.
        longest: u8,
    },
    /// An IPv4 network, or one address.
    Network,
    /// A network or an address of either family, or `any`.
    Prefix,
    /// The address of a host, IPv6, that others can reach.
    Ipv6,
    /// Our address in a tunnel and the length of the tunnel's network, 127 or 64 (RFC 6164, RFC 4291).
    Interface6,
    /// An IPv6 prefix of 48 to 64 bits.
    Network6 {
        /// Of `fd00::/8` (RFC 4193), or of the Internet.
        is_local: bool,
    },
    /// `inherit`, or a DSCP from 0 to 63 (RFC 2474).
    Dscp,
    /// What WPA2 takes: 8 to 63 characters of ASCII (IEEE 802.11 §J.4).
    Passphrase,
    /// Two letters (ISO 3166-1).
    Country,
    /// A hardware address of one machine.
    Mac,
    /// Two IPv4 addresses, the first and the last: `192.168.1.100-192.168.1.199`.
    Pool,
    /// A port, or the first and the last of several.
    Ports,
    /// An 802.1Q tag: an id from 1 to 4094, and after a colon a priority from 0 to 7.
    Vlan,
    /// So many within a time: `4/60s`.
    Window {
        /// The fewest. The most is 8: what the redial engine remembers.
        least: u8,
    },
    /// `04:30`.
    TimeOfDay,
    /// The time of day here against UTC: `+08:00`.
    UtcOffset,
    /// `mac`, `none`, or octets in hexadecimal (option 61 of DHCP from its type on, RFC 2132 §9.14).
    ClientId,
    /// A plain web address: `http://`, a name, a path.
    Url,
    /// `tcp`, `udp`, `tcp+udp`, `icmp`, `any`, or a protocol's number (IANA).
    Protocol,
}

/// Why a text is no value of a key, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// As it says.
    Says(&'static str),
    /// It is none of these.
    NotOneOf(&'static [&'static str]),
    /// It is longer than so many bytes.
    TooLong(u8),
    /// It is not from the first to the second.
    OutOfRange(u32, u32),
    /// It is not from the first to the second, in seconds.
    OutOfSpan(u32, u32),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Says(words) => f.write_str(words),
            Self::NotOneOf(words) => {
                f.write_str("it is one of ")?;
                for (n, word) in words.iter().enumerate() {
                    write!(f, "{}{word}", if n == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::TooLong(most) => write!(f, "it has at most {most} bytes"),
            Self::OutOfRange(least, most) => write!(f, "it is a number from {least} to {most}"),
            Self::OutOfSpan(least, most) => {
                let span = |seconds: &u32| Value::Span(Duration::from_secs(u64::from(*seconds)));
                write!(f, "it is a time from {} to {}", span(least), span(most))
            }
        }
    }
}

impl core::error::Error for Reason {}

/// The words of a [`Kind::Flag`].
const FLAG: [&str; 2] = ["on", "off"];
/// The words of a [`Kind::Protocol`].
const PROTOCOLS: [&str; 5] = ["any", "tcp", "udp", "tcp+udp", "icmp"];
/// The words of a [`Kind::ClientId`].
const CLIENT_IDS: [&str; 2] = ["mac", "none"];

impl Kind {
    /// The values there are, for completion; none if they cannot be listed.
    pub const fn values(&self) -> &'static [&'static str] {
        match self {
            Self::Choice(words) => words,
            Self::Flag => &FLAG,
            Self::Protocol => &PROTOCOLS,
            Self::ClientId => &CLIENT_IDS,
            Self::Prefix => &["any"],
            Self::Dscp => &["inherit"],
            _ => &[],
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse<'t>(&self, text: &'t str) -> Result<Value<'t>, Reason> {
        match *self {
            Self::Text { most } => plain_text(text, most).map(Value::Text),
            Self::Choice(words) => choice(text, words).map(Value::Choice),
            Self::Flag => choice(text, &FLAG).map(|word| Value::Flag(word == "on")),
            Self::Number { least, most } => {
                let number = number(text).filter(|number| (least..=most).contains(number));
                number.map(Value::Number).ok_or(Reason::OutOfRange(least, most))
            }
            Self::Span { least_s, most_s } => {
                let seconds = span(text)?;
                let fits = (least_s..=most_s).contains(&seconds);
                let value = Value::Span(Duration::from_secs(u64::from(seconds)));
                fits.then_some(value).ok_or(Reason::OutOfSpan(least_s, most_s))
            }
            Self::Label => label(text).map(Value::Label),
            Self::Name => name(text).map(Value::Name),
            Self::Ipv4 => host(text).map(Value::Ipv4),
            Self::Interface { longest } => interface(text, longest).map(Value::Interface),
            Self::Network => network(text).map(Value::Network),
            Self::Prefix => prefix(text).map(Value::Prefix),
            Self::Ipv6 => kind6::host(text).map(Value::Ipv6),
            Self::Interface6 => kind6::interface(text).map(Value::Interface6),
            Self::Network6 { is_local } => kind6::network(text, is_local).map(Value::Network6),
            Self::Dscp => kind6::dscp(text).map(Value::Dscp),
            Self::Passphrase => passphrase(text).map(Value::Text),
            Self::Country => country(text).map(Value::Country),
            Self::Mac => mac(text).map(Value::Mac),
            Self::Pool => pool(text),
            Self::Ports => ports(text).map(Value::Ports),
            Self::Vlan => vlan(text).map(Value::Vlan),
            Self::Window { least } => window(text, least),
            Self::TimeOfDay => time_of_day(text).map(Value::TimeOfDay),
            Self::UtcOffset => utc_offset(text).map(Value::UtcOffset),
            Self::ClientId => client_id(text).map(Value::ClientId),
            Self::Url => url(text),
            Self::Protocol => protocol(text).map(Value::Protocol),
        }
    }
}

/// A number in digits alone: `str::parse` would take a sign too.
pub(crate) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn plain_text(text: &str, most: u8) -> Result<&str, Reason> {
    if text.chars().any(char::is_control) {
        return Err(Reason::Says("control characters cannot be part of it"));
    }
    if text.len() <= usize::from(most) { Ok(text) } else { Err(Reason::TooLong(most)) }
}

fn choice(text: &str, words: &'static [&'static str]) -> Result<&'static str, Reason> {
    words.iter().copied().find(|word| *word == text).ok_or(Reason::NotOneOf(words))
}

/// Seconds of numbers with their units, one behind the other.
fn span(text: &str) -> Result<u32, Reason> {
    const FORM: Reason = Reason::Says("a time is a number with its unit: s, m, h or d, or several of these");
    let mut seconds = 0_u32;
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| !letter.is_ascii_digit()) {
        let (digits, tail) = rest.split_at(at);
        let scale = match tail.as_bytes().first() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            Some(b'd') => 86_400,
            _ => return Err(FORM),
        };
        let part = digits.parse::<u32>().ok().and_then(|count| count.checked_mul(scale));
        seconds = part.and_then(|part| seconds.checked_add(part)).ok_or(FORM)?;
        rest = tail.get(1..).unwrap_or_default();
    }
    if rest.is_empty() && !text.is_empty() { Ok(seconds) } else { Err(FORM) }
}

fn label(text: &str) -> Result<&str, Reason> {
    let is_good = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && (1..=HOST_NAME_MAX).contains(&text.len());
    is_good.then_some(text).ok_or(Reason::Says(
        "a host name is letters, digits and hyphens between them, 31 at most, without a dot",
    ))
}

/// As long as the names that the DHCP server and the DNS service keep (`gatelet_proto::dhcp::HostName`).
const HOST_NAME_MAX: usize = 31;

fn name(text: &str) -> Result<&str, Reason> {
    let is_good = text.len() <= NAME_MAX
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
        })
        && NameBuf::from_text(text).is_ok();
    is_good.then_some(text).ok_or(Reason::Says(
        "a domain name is labels of letters, digits and hyphens, with dots between them, 63 bytes at most",
    ))
}

/// What one setting keeps of a name; as much as DHCP tells as domain (`dhcp::server::DOMAIN_NAME_MAX`).
const NAME_MAX: usize = 63;

fn ipv4(text: &str) -> Result<Ipv4Address, Reason> {
    text.parse()
        .map_err(|_| Reason::Says("it is an IPv4 address: four numbers from 0 to 255, with dots between"))
}

fn host(text: &str) -> Result<Ipv4Address, Reason> {
    let address = ipv4(text)?;
    if is_host(address) { Ok(address) } else { Err(Reason::Says("no machine can have this address")) }
}

fn is_host(address: Ipv4Address) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first < 224 && !address.is_loopback()
}

/// An address and the length of a prefix.
fn cidr(text: &str) -> Result<(Ipv4Address, u8), Reason> {
    const FORM: Reason = Reason::Says("behind the address and a slash, the length of the prefix: 0 to 32");
    let (address, len) = text.split_once('/').ok_or(FORM)?;
    Ok((ipv4(address)?, number(len).filter(|len| *len <= 32).ok_or(FORM)?))
}

fn interface(text: &str, longest: u8) -> Result<Ipv4Cidr, Reason> {
    let (address, len) = cidr(text)?;
    if !(8..=longest).contains(&len) {
        return Err(Reason::Says("the prefix leaves too little room for hosts, or is no network of a home"));
    }
    let cidr = Ipv4Cidr::new(address, len);
    let is_end = len < 31 && (address == cidr.network().address() || Some(address) == cidr.broadcast());
    if is_end || !is_host(address) {
        return Err(Reason::Says(
            "no machine can have this address: it stands for the network, or for all in it",
        ));
    }
    Ok(cidr)
}

fn network(text: &str) -> Result<Ipv4Cidr, Reason> {
    let (address, len) = if text.contains('/') { cidr(text)? } else { (ipv4(text)?, 32) };
    Ok(Ipv4Cidr::new(address, len).network())
}

fn prefix(text: &str) -> Result<Prefix, Reason> {
    const FORM: Reason =
        Reason::Says("it is an IPv6 address, or a network: behind a slash, a length from 0 to 128");
    if text == "any" {
        return Ok(Prefix::Any);
    }
    if !text.contains(':') {
        return network(text).map(Prefix::Ipv4);
    }
    let (address, len) = text.split_once('/').unwrap_or((text, "128"));
    kind6::cidr(address, len).map(kind6::network_of).map(Prefix::Ipv6).ok_or(FORM)
}

fn mac(text: &str) -> Result<EthernetAddress, Reason> {
    const FORM: Reason = Reason::Says("a hardware address is six bytes in hexadecimal, with colons between");
    let mut address = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut address {
        *byte = parts.next().and_then(hexadecimal).ok_or(FORM)?;
    }
    if parts.next().is_some() {
        return Err(FORM);
    }
    let address = EthernetAddress(address);
    let is_one = address.is_unicast() && address.0 != [0; 6];
    is_one.then_some(address).ok_or(Reason::Says("this is not the hardware address of one machine"))
}

/// Two digits.
fn hexadecimal(text: &str) -> Option<u8> {
    let is_plain = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_plain.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

fn pool(text: &str) -> Result<Value<'_>, Reason> {
    let (first, last) =
        text.split_once('-').ok_or(Reason::Says("it is two addresses with a hyphen between"))?;
    let (first, last) = (host(first)?, host(last)?);
    if first > last {
        return Err(Reason::Says("the first address comes behind the last one"));
    }
    Ok(Value::Pool { first, last })
}

fn ports(text: &str) -> Result<PortRange, Reason> {
    const FORM: Reason = Reason::Says("it is a port from 1 to 65535, or two with a hyphen between");
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text| number::<u16>(text).filter(|port| *port > 0).ok_or(FORM);
    let range = PortRange { first: port(first)?, last: port(last)? };
    if range.first <= range.last {
        Ok(range)
    } else {
        Err(Reason::Says("the first port comes behind the last one"))
    }
}

fn vlan(text: &str) -> Result<VlanTag, Reason> {
    const FORM: Reason = Reason::Says("it is an id from 1 to 4094, and after a colon a priority from 0 to 7");
    let (id, priority) = text.split_once(':').unwrap_or((text, "0"));
    Ok(VlanTag {
        id: number(id).filter(|id| (1..=4094).contains(id)).ok_or(FORM)?,
        priority: number(priority).filter(|priority| *priority <= 7).ok_or(FORM)?,
        drop_eligible: false,
    })
}

fn window(text: &str, least: u8) -> Result<Value<'_>, Reason> {
    let (limit, period) = text.split_once('/').ok_or(Reason::Says("it is a count, a slash, and a time"))?;
    let limit = number::<u8>(limit).filter(|limit| (least..=8).contains(limit));
    let limit = limit.ok_or(Reason::OutOfRange(u32::from(least), 8))?;
    let period = span(period)?;
    if !(1..=DAY_S).contains(&period) {
        return Err(Reason::OutOfSpan(1, DAY_S));
    }
    Ok(Value::Window { limit, period: Duration::from_secs(u64::from(period)) })
}

const DAY_S: u32 = 86_400;

/// Hours and minutes, two digits each.
fn clock(text: &str) -> Option<(u16, u16)> {
    let (hours, minutes) =
        text.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some((hours, minutes))
}

fn time_of_day(text: &str) -> Result<u16, Reason> {
    let (hours, minutes) = clock(text).ok_or(Reason::Says("it is hours and minutes, from 00:00 to 23:59"))?;
    Ok(hours * 60 + minutes)
}

fn utc_offset(text: &str) -> Result<i16, Reason> {
    const FORM: Reason = Reason::Says("it is + or -, then hours and minutes, from -12:00 to +14:00");
    let (sign, time) = if let Some(time) = text.strip_prefix('+') {
        (1, time)
    } else {
        (-1, text.strip_prefix('-').ok_or(FORM)?)
    };
    let (hours, minutes) = clock(time).ok_or(FORM)?;
    let offset = sign * i16::try_from(hours * 60 + minutes).map_err(|_| FORM)?;
    if (-12 * 60..=14 * 60).contains(&offset) { Ok(offset) } else { Err(FORM) }
}

fn client_id(text: &str) -> Result<ClientId<'_>, Reason> {
    match text {
        "mac" => Ok(ClientId::Mac),
        "none" => Ok(ClientId::Omitted),
        _ => {
            let octets = ClientId::Octets(text);
            let is_good = text.split(':').all(|part| hexadecimal(part).is_some())
                && (2..=CLIENT_ID_MAX).contains(&text.split(':').count());
            is_good
                .then_some(octets)
                .ok_or(Reason::Says("it is mac, none, or 2 to 64 octets in hexadecimal with colons between"))
        }
    }
}

/// What the DHCP client keeps (`dhcp::client::IDENTIFIER_MAX`).
const CLIENT_ID_MAX: usize = 64;

fn url(text: &str) -> Result<Value<'_>, Reason> {
    const FORM: Reason = Reason::Says("it is http://, a domain name, and a path, without a port");
    let rest = text.strip_prefix("http://").ok_or(FORM)?;
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let host = name(host)?;
    if path.bytes().any(|octet| !octet.is_ascii_graphic()) {
        return Err(FORM);
    }
    let len = host.len() + path.len();
    if len <= URL_MAX { Ok(Value::Url { host, path }) } else { Err(Reason::TooLong(URL_MAX as u8)) }
}

/// A name and a path.
const URL_MAX: usize = 190;

fn protocol(text: &str) -> Result<Protocol, Reason> {
    Ok(match text {
        "any" => Protocol::Any,
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "tcp+udp" => Protocol::TcpUdp,
        "icmp" => Protocol::Icmp,
        _ => Protocol::Other(
            number(text)
                .ok_or(Reason::Says("it is any, tcp, udp, tcp+udp, icmp, or a number from 0 to 255"))?,
        ),
    })
}

fn passphrase(text: &str) -> Result<&str, Reason> {
    let is_good = (8..=63).contains(&text.len()) && text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
    is_good.then_some(text).ok_or(Reason::Says("it has 8 to 63 characters, all of them ASCII"))
}

fn country(text: &str) -> Result<[u8; 2], Reason> {
    let letters = <[u8; 2]>::try_from(text.as_bytes()).ok();
    let letters = letters.filter(|letters| letters.iter().all(u8::is_ascii_alphabetic));
    let letters = letters.ok_or(Reason::Says("it is a country's code of two letters"))?;
    Ok(letters.map(|letter| letter.to_ascii_uppercase()))
}
