//! What is answered here and never asked outside: the names of the LAN, and those of which a standard
//! says that they mean nothing outside.

use gatelet_wire::dns::{Class, Flags, NameBuf, Rcode, Section, Type, Writer};
use gatelet_wire::{BufferTooSmall, Ipv4Address, Ipv6Address};

use super::{Config, Hosts};

/// How long a client may keep what the LAN's names mean, seconds: a lease can go to another host.
const LAN_TTL_S: u32 = 30;
/// How long it may keep what never changes (RFC 6303 §3).
const CONSTANT_TTL_S: u32 = 10_800;
/// Octets of the longest local answer without EDNS: header, question, a PTR.
pub(super) const ANSWER_MAX: usize = 600;

/// An answer of our own.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
pub(super) enum LocalAnswer {
    Ipv4(Ipv4Address, u32),
    Ipv6(Ipv6Address, u32),
    Name(NameBuf),
    /// There is such a name, but nothing of that type.
    NoData(Option<Zone>),
    /// There is no such name.
    NoName(Option<Zone>),
}

/// The zone that says so: where in the name it begins, and how long that may be remembered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Zone {
    at: usize,
    ttl_s: u32,
}

/// What `name`, in small letters, is answered with here; `None` if it may be asked outside.
pub(super) fn answer(config: &Config, hosts: &Hosts<'_>, name: &NameBuf, kind: Type) -> Option<LocalAnswer> {
    lan_name(config, hosts, name, kind)
        .or_else(|| special_name(name, kind))
        .or_else(|| reverse_ipv4(config, hosts, name, kind))
        .or_else(|| reverse_ipv6(config, name, kind))
}

/// Writes the answer to `name`: without EDNS, which depends on the client.
pub(super) fn emit(
    answer: &LocalAnswer,
    name: &NameBuf,
    kind: Type,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let rcode = if matches!(answer, LocalAnswer::NoName(_)) { Rcode::NXDOMAIN } else { Rcode::NOERROR };
    let flags = Flags::RESPONSE.with(Flags::AUTHORITATIVE).with_rcode(rcode);
    let mut writer = Writer::new(buffer, 0, flags);
    writer.question(name, kind, Class::IN);
    match answer {
        LocalAnswer::Ipv4(address, ttl_s) => {
            writer.answer(Type::A, *ttl_s, &address.octets());
        }
        LocalAnswer::Ipv6(address, ttl_s) => {
            writer.answer(Type::AAAA, *ttl_s, &address.octets());
        }
        LocalAnswer::Name(target) => {
            writer.answer(Type::PTR, LAN_TTL_S, target.as_bytes());
        }
        LocalAnswer::NoData(zone) | LocalAnswer::NoName(zone) => {
            if let Some(zone) = zone
                && let Ok(apex) = NameBuf::from_bytes(name.as_bytes().get(zone.at..).unwrap_or_default())
            {
                soa(&mut writer, &apex, zone.ttl_s);
            }
        }
    }
    writer.finish()
}

/// The SOA of RFC 6303 §3, so that the client remembers (RFC 2308 §3).
fn soa(writer: &mut Writer<'_>, apex: &NameBuf, ttl_s: u32) {
    let mut data = heapless::Vec::<u8, 320>::new();
    let nobody = NameBuf::from_text("nobody.invalid").unwrap_or_default();
    let numbers = [1, 3_600, 1_200, 604_800, ttl_s].map(u32::to_be_bytes);
    let is_whole = data.extend_from_slice(apex.as_bytes()).is_ok()
        && data.extend_from_slice(nobody.as_bytes()).is_ok()
        && data.extend_from_slice(numbers.as_flattened()).is_ok();
    if is_whole {
        writer.record(Section::Authority, apex, Type::SOA, Class::IN, ttl_s, &data);
    }
}

/// The local domain and all below it, and single labels: a host's name without the domain.
fn lan_name(config: &Config, hosts: &Hosts<'_>, name: &NameBuf, kind: Type) -> Option<LocalAnswer> {
    let mut labels = name.labels();
    let first = labels.next()?;
    let is_single = labels.next().is_none();
    let within = name.offset_of(&config.local_domain).filter(|_| !config.local_domain.is_root());
    let zone = within.map(|at| Zone { at, ttl_s: LAN_TTL_S });
    match within {
        Some(0) => return Some(LocalAnswer::NoData(zone)),
        Some(at) if at != 1 + first.len() => return Some(LocalAnswer::NoName(zone)),
        Some(_) => {}
        // A top-level domain has no addresses, but other records that may be asked for.
        None if is_single && first != b"localhost" && matches!(kind, Type::A | Type::AAAA) => {}
        None => return None,
    }
    let Ok(label) = core::str::from_utf8(first) else { return Some(LocalAnswer::NoName(zone)) };
    let is_router = label.eq_ignore_ascii_case(&config.host_name);
    let address = if is_router { Some(config.lan.address()) } else { (hosts.address_of)(label) };
    Some(match (address, kind) {
        (None, _) => LocalAnswer::NoName(zone),
        (Some(address), Type::A) => LocalAnswer::Ipv4(address, LAN_TTL_S),
        (Some(_), Type::AAAA) if is_router => match config.lan_ipv6 {
            Some(address) => LocalAnswer::Ipv6(address, LAN_TTL_S),
            None => LocalAnswer::NoData(zone),
        },
        (Some(_), _) => LocalAnswer::NoData(zone),
    })
}

fn special_name(name: &NameBuf, kind: Type) -> Option<LocalAnswer> {
    let within = |zone: &str| {
        let at = name.offset_of(&NameBuf::from_text(zone).ok()?)?;
        Some(Zone { at, ttl_s: CONSTANT_TTL_S })
    };
    // RFC 6761 §6.3
    if let Some(zone) = within("localhost") {
        return Some(match kind {
            Type::A => LocalAnswer::Ipv4(Ipv4Address::LOCALHOST, CONSTANT_TTL_S),
            Type::AAAA => LocalAnswer::Ipv6(Ipv6Address::LOCALHOST, CONSTANT_TTL_S),
            _ => LocalAnswer::NoData(Some(zone)),
        });
    }
    // We offer no encrypted DNS, and must not let a server outside offer its own in our place, past the
    // names of the LAN (RFC 9462).
    if let Some(zone) = within("resolver.arpa") {
        return Some(LocalAnswer::NoData(Some(zone)));
    }
    // RFC 6761 §6.4, RFC 6762 §22.1, RFC 7686 §2, RFC 8375 §4
    let nowhere = ["invalid", "local", "onion", "home.arpa"];
    nowhere.into_iter().find_map(within).map(|zone| {
        if zone.at == 0 { LocalAnswer::NoData(Some(zone)) } else { LocalAnswer::NoName(Some(zone)) }
    })
}

/// The zones of RFC 6303 §4.1, §4.2 and RFC 7793, and the LAN whatever its addresses are.
fn reverse_ipv4(config: &Config, hosts: &Hosts<'_>, name: &NameBuf, kind: Type) -> Option<LocalAnswer> {
    name.offset_of(&NameBuf::from_text("in-addr.arpa").ok()?)?;
    let mut reversed = heapless::Vec::<u8, 4>::new();
    for label in name.labels().take_while(|label| *label != b"in-addr") {
        let number = core::str::from_utf8(label).ok()?.parse().ok()?;
        reversed.push(number).ok()?;
    }
    let mut octets = [0; 4];
    for (octet, value) in octets.iter_mut().zip(reversed.iter().rev()) {
        *octet = *value;
    }
    let address = Ipv4Address::from(octets);
    let is_lan = reversed.is_full() && config.lan.contains_addr(&address);
    let zone_octets = match octets {
        [0 | 10 | 127, ..] if !reversed.is_empty() => 1,
        [172, 16..=31, ..] | [192, 168, ..] | [169, 254, ..] | [100, 64..=127, ..] => 2,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => 3,
        [255, 255, 255, 255] => 4,
        _ if is_lan => 3,
        _ => return None,
    };
    let in_front = name.labels().take(reversed.len() - zone_octets).map(|label| 1 + label.len());
    let zone = Some(Zone { at: in_front.sum(), ttl_s: if is_lan { LAN_TTL_S } else { CONSTANT_TTL_S } });
    if !reversed.is_full() {
        // There may be something below.
        return Some(LocalAnswer::NoData(zone));
    }
    let host = if is_lan { host_at(config, hosts, address) } else { None };
    Some(match host {
        Some(host) if kind == Type::PTR => LocalAnswer::Name(host),
        Some(_) => LocalAnswer::NoData(zone),
        None => LocalAnswer::NoName(zone),
    })
}

fn host_at(config: &Config, hosts: &Hosts<'_>, address: Ipv4Address) -> Option<NameBuf> {
    let is_router = address == config.lan.address();
    let label = if is_router { config.host_name.clone() } else { (hosts.name_of)(address)? };
    fully_qualified(config, &label)
}

fn fully_qualified(config: &Config, label: &str) -> Option<NameBuf> {
    let mut name = NameBuf::ROOT;
    name.push(label.as_bytes()).ok()?;
    config.local_domain.labels().try_for_each(|label| name.push(label)).ok()?;
    Some(name)
}

/// The zones of RFC 6303 §4.3 to §4.6, and the router's own address.
fn reverse_ipv6(config: &Config, name: &NameBuf, kind: Type) -> Option<LocalAnswer> {
    name.offset_of(&NameBuf::from_text("ip6.arpa").ok()?)?;
    let mut reversed = heapless::Vec::<u8, 32>::new();
    for label in name.labels().take_while(|label| *label != b"ip6") {
        let [digit] = label else { return None };
        reversed.push(char::from(*digit).to_digit(16)? as u8).ok()?;
    }
    let bits = reversed.iter().rev().fold(0_u128, |bits, digit| bits << 4 | u128::from(*digit));
    let is_full = reversed.is_full();
    let address = Ipv6Address::from_bits(bits);
    if is_full && config.lan_ipv6 == Some(address) {
        let host = fully_qualified(config, &config.host_name)?;
        return Some(if kind == Type::PTR { LocalAnswer::Name(host) } else { LocalAnswer::NoData(None) });
    }
    // The digits as they are written in an address, from the front.
    let begins = |prefix: &[u8]| {
        reversed.len() >= prefix.len() && prefix.iter().eq(reversed.iter().rev().take(prefix.len()))
    };
    let zone_digits = if is_full && (address.is_unspecified() || address.is_loopback()) {
        32
    } else if begins(&[0xF, 0xD]) {
        2
    } else if begins(&[0xF, 0xE, 0x8])
        || begins(&[0xF, 0xE, 0x9])
        || begins(&[0xF, 0xE, 0xA])
        || begins(&[0xF, 0xE, 0xB])
    {
        3
    } else if begins(&[2, 0, 0, 1, 0, 0xD, 0xB, 8]) {
        8
    } else {
        return None;
    };
    let zone = Some(Zone { at: 2 * (reversed.len() - zone_digits), ttl_s: CONSTANT_TTL_S });
    Some(if is_full { LocalAnswer::NoName(zone) } else { LocalAnswer::NoData(zone) })
}
