//! Resource records, and what a router wants to know of their data.

use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

use super::{Class, Name, Rcode, Type};
use crate::Malformed;
use crate::cursor::Reader;

/// Octets of a record behind its name, RDATA excluded.
const FIXED_LEN: usize = 10;
/// The option an Extended DNS Error is in (RFC 8914 §2).
pub(super) const EXTENDED_ERROR_OPTION: u16 = 15;
/// The `ipv4hint` of a service binding (RFC 9460 §14.3.2).
const IPV4_HINT: u16 = 4;
/// Its `ipv6hint`.
const IPV6_HINT: u16 = 6;

/// The part of a message a record stands in. Its number is that of the header's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// What was asked for.
    Answer = 1,
    /// Which zone says so.
    Authority = 2,
    /// What may be of use too.
    Additional = 3,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it stands.
    pub section: Section,
    /// Whose it is.
    pub name: Name<'a>,
    /// TYPE.
    pub kind: Type,
    /// CLASS; an OPT keeps something else there.
    pub class: Class,
    /// How long it may be kept, in seconds; 0 if its first bit is set (RFC 2181 §8).
    pub ttl: u32,
    /// RDATA.
    pub data: &'a [u8],
    /// The TTL field as it stands there; an OPT keeps something else in it.
    raw_ttl: u32,
    /// Where it is.
    pub(super) ttl_at: usize,
    message: &'a [u8],
    data_at: usize,
}

impl<'a> Record<'a> {
    /// The address of an A or AAAA.
    pub fn address(&self) -> Option<IpAddress> {
        match self.kind {
            Type::A => Some(IpAddress::Ipv4(Ipv4Address::from(<[u8; 4]>::try_from(self.data).ok()?))),
            Type::AAAA => Some(IpAddress::Ipv6(Ipv6Address::from(<[u8; 16]>::try_from(self.data).ok()?))),
            _ => None,
        }
    }

    /// The name that is all the data of a CNAME, NS, PTR or DNAME.
    pub fn target(&self) -> Option<Name<'a>> {
        match self.kind {
            Type::CNAME | Type::NS | Type::PTR | Type::DNAME => {
                Name::parse(self.message, self.data_at).ok().map(|(name, _)| name)
            }
            _ => None,
        }
    }

    /// The data of an SOA.
    pub fn soa(&self) -> Option<Soa<'a>> {
        if self.kind != Type::SOA {
            return None;
        }
        let (primary, at) = Name::parse(self.message, self.data_at).ok()?;
        let (mailbox, at) = Name::parse(self.message, at).ok()?;
        let mut reader = Reader::new(self.message.get(at..self.data_at + self.data.len())?);
        let mut field = || reader.u32().ok();
        let (serial, refresh, retry, expire) = (field()?, field()?, field()?, field()?);
        Some(Soa { primary, mailbox, serial, refresh, retry, expire, minimum: field()? })
    }

    /// The addresses that an SVCB or HTTPS gives away in its hints (RFC 9460 §7.3).
    pub fn svc_hints(&self) -> SvcHints<'a> {
        let parameters = match self.kind {
            Type::SVCB | Type::HTTPS => SvcHints::parameters(self.message, self.data_at, self.data),
            _ => None,
        };
        SvcHints { parameters: parameters.unwrap_or_default(), is_ipv6: false, addresses: &[] }
    }

    /// Reads the data of the types whose form a reader depends on.
    pub(super) fn check(&self) -> Result<(), Malformed> {
        let end = self.data_at + self.data.len();
        let ends_at = |at: usize| if at == end { Ok(()) } else { Err(Malformed::FieldLength) };
        let name_at = |at| Name::parse(self.message, at).map(|(_, behind)| behind);
        // Behind a preference or the like.
        let behind = |skipped: usize| {
            if self.data.len() > skipped { Ok(self.data_at + skipped) } else { Err(Malformed::FieldLength) }
        };
        match self.kind {
            Type::A => ends_at(self.data_at + 4),
            Type::AAAA => ends_at(self.data_at + 16),
            Type::CNAME | Type::NS | Type::PTR | Type::DNAME => ends_at(name_at(behind(0)?)?),
            Type::MX => ends_at(name_at(behind(2)?)?),
            Type::SRV => ends_at(name_at(behind(6)?)?),
            Type::SOA => ends_at(name_at(name_at(behind(0)?)?)? + 20),
            Type::SVCB | Type::HTTPS => {
                name_at(behind(2)?)?;
                let mut parameters = SvcHints::parameters(self.message, self.data_at, self.data)
                    .map(Reader::new)
                    .ok_or(Malformed::FieldLength)?;
                while !parameters.rest().is_empty() {
                    parameters.u16()?;
                    let length = parameters.u16()?;
                    parameters.take(usize::from(length), Malformed::FieldLength)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The data of an SOA (RFC 1035 §3.3.13); times in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Soa<'a> {
    /// MNAME: the zone's first server.
    pub primary: Name<'a>,
    /// RNAME: who is responsible.
    pub mailbox: Name<'a>,
    /// SERIAL.
    pub serial: u32,
    /// REFRESH.
    pub refresh: u32,
    /// RETRY.
    pub retry: u32,
    /// EXPIRE.
    pub expire: u32,
    /// MINIMUM: how long it may be remembered that there is nothing (RFC 2308 §4).
    pub minimum: u32,
}

/// The addresses in the hints of a service binding.
#[derive(Debug, Clone)]
pub struct SvcHints<'a> {
    parameters: &'a [u8],
    is_ipv6: bool,
    addresses: &'a [u8],
}

impl<'a> SvcHints<'a> {
    /// What stands behind priority and target.
    fn parameters(message: &'a [u8], data_at: usize, data: &'a [u8]) -> Option<&'a [u8]> {
        let (_, at) = Name::parse(message, data_at + 2).ok()?;
        data.get(at.checked_sub(data_at)?..)
    }
}

impl Iterator for SvcHints<'_> {
    type Item = IpAddress;

    fn next(&mut self) -> Option<IpAddress> {
        loop {
            if self.is_ipv6 {
                if let Some((address, rest)) = self.addresses.split_first_chunk::<16>() {
                    self.addresses = rest;
                    return Some(IpAddress::Ipv6(Ipv6Address::from(*address)));
                }
            } else if let Some((address, rest)) = self.addresses.split_first_chunk::<4>() {
                self.addresses = rest;
                return Some(IpAddress::Ipv4(Ipv4Address::from(*address)));
            }
            let mut reader = Reader::new(self.parameters);
            let key = reader.u16().ok()?;
            let length = reader.u16().ok()?;
            let value = reader.take(usize::from(length), Malformed::FieldLength).ok()?;
            self.parameters = reader.rest();
            self.is_ipv6 = key == IPV6_HINT;
            self.addresses = if key == IPV4_HINT || key == IPV6_HINT { value } else { &[] };
        }
    }
}

/// EDNS: what an OPT says (RFC 6891 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt<'a> {
    /// The longest message its sender can receive over UDP; below 512 means 512.
    pub udp_payload_size: u16,
    /// The high eight bits of the RCODE.
    pub extended_rcode: u8,
    /// 0 is the only one there is.
    pub version: u8,
    /// DO and the fifteen bits behind it.
    pub flags: u16,
    /// The options, each with code and length.
    pub options: &'a [u8],
}

impl<'a> Opt<'a> {
    /// DO: its sender can do with the records of DNSSEC (RFC 3225 §3).
    pub const DNSSEC_OK: u16 = 0x8000;

    /// Reads the record's fields as an OPT has them.
    pub(super) fn from_record(record: &Record<'a>) -> Result<Self, Malformed> {
        if record.section != Section::Additional || record.name.labels().next().is_some() {
            return Err(Malformed::Opt);
        }
        let [extended_rcode, version, flags_high, flags_low] = record.raw_ttl.to_be_bytes();
        Ok(Self {
            udp_payload_size: record.class.0,
            extended_rcode,
            version,
            flags: u16::from_be_bytes([flags_high, flags_low]),
            options: record.data,
        })
    }

    /// The whole RCODE, `low` being the header's part.
    pub const fn rcode(&self, low: Rcode) -> Rcode {
        Rcode((self.extended_rcode as u16) << 4 | low.0 & 0x0F)
    }

    /// The first Extended DNS Error among the options; what stands behind an unreadable option is
    /// not looked at.
    pub fn extended_error(&self) -> Option<ExtendedError> {
        let mut reader = Reader::new(self.options);
        loop {
            let code = reader.u16().ok()?;
            let length = reader.u16().ok()?;
            let value = reader.take(usize::from(length), Malformed::OptionOverrun).ok()?;
            if code == EXTENDED_ERROR_OPTION {
                return Reader::new(value).u16().ok().map(ExtendedError);
            }
        }
    }
}

/// The INFO-CODE of an Extended DNS Error (RFC 8914 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtendedError(pub u16);

impl ExtendedError {
    /// Nobody could be asked; this is what was known before.
    pub const STALE_ANSWER: Self = Self(3);
    /// The operator of this server does not want it known.
    pub const BLOCKED: Self = Self(15);
    /// No server answered.
    pub const NO_REACHABLE_AUTHORITY: Self = Self(22);
    /// There is no way to any server.
    pub const NETWORK_ERROR: Self = Self(23);
}

/// Where in the records of a message a reader is, apart from the message: so that it can be changed
/// in between.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) at: usize,
    /// Records left in each section.
    pub(super) left: [u16; 3],
}

impl Position {
    pub(super) fn next<'a>(&mut self, message: &'a [u8]) -> Option<Result<Record<'a>, Malformed>> {
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        let (left, section) = self.left.iter_mut().zip(sections).find(|(left, _)| **left > 0)?;
        *left -= 1;
        let record = read(message, self.at, section);
        match &record {
            Ok(record) => self.at = record.data_at + record.data.len(),
            Err(_) => self.left = [0; 3],
        }
        Some(record)
    }
}

fn read(message: &[u8], at: usize, section: Section) -> Result<Record<'_>, Malformed> {
    let (name, behind) = Name::parse(message, at)?;
    let mut reader = Reader::new(message.get(behind..).ok_or(Malformed::Truncated)?);
    let kind = Type(reader.u16()?);
    let class = Class(reader.u16()?);
    let raw_ttl = reader.u32()?;
    let length = reader.u16()?;
    let data = reader.take(usize::from(length), Malformed::LengthOverrun)?;
    let ttl = if raw_ttl >> 31 == 0 { raw_ttl } else { 0 };
    let (ttl_at, data_at) = (behind + 4, behind + FIXED_LEN);
    Ok(Record { section, name, kind, class, ttl, data, raw_ttl, ttl_at, message, data_at })
}
