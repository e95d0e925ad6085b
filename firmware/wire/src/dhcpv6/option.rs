//! The options of a message, and what some of them hold.

use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use crate::Malformed;
use crate::cursor::Reader;
use crate::ndp::network;

/// The code of an option. Those named here are the ones this project speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OptionCode(pub u16);

impl OptionCode {
    /// Client Identifier (RFC 8415 §21.2).
    pub const CLIENT_ID: Self = Self(1);
    /// Server Identifier (RFC 8415 §21.3).
    pub const SERVER_ID: Self = Self(2);
    /// Identity Association for Non-temporary Addresses (RFC 8415 §21.4).
    pub const IA_NA: Self = Self(3);
    /// IA Address (RFC 8415 §21.6).
    pub const IA_ADDRESS: Self = Self(5);
    /// Option Request (RFC 8415 §21.7).
    pub const OPTION_REQUEST: Self = Self(6);
    /// Preference of a server (RFC 8415 §21.8).
    pub const PREFERENCE: Self = Self(7);
    /// Elapsed Time, in hundredths of a second (RFC 8415 §21.9).
    pub const ELAPSED_TIME: Self = Self(8);
    /// Status Code (RFC 8415 §21.13).
    pub const STATUS_CODE: Self = Self(13);
    /// Rapid Commit (RFC 8415 §21.14).
    pub const RAPID_COMMIT: Self = Self(14);
    /// Reconfigure Accept (RFC 8415 §21.20).
    pub const RECONFIGURE_ACCEPT: Self = Self(20);
    /// DNS Recursive Name Server (RFC 3646 §3).
    pub const DNS_SERVERS: Self = Self(23);
    /// Domain Search List (RFC 3646 §4).
    pub const DOMAIN_LIST: Self = Self(24);
    /// Identity Association for Prefix Delegation (RFC 8415 §21.21).
    pub const IA_PD: Self = Self(25);
    /// IA Prefix (RFC 8415 §21.22).
    pub const IA_PREFIX: Self = Self(26);
    /// Information Refresh Time, in seconds (RFC 8415 §21.23).
    pub const INFORMATION_REFRESH_TIME: Self = Self(32);
    /// `SOL_MAX_RT`, in seconds (RFC 8415 §21.24).
    pub const SOL_MAX_RT: Self = Self(82);
    /// `INF_MAX_RT`, in seconds (RFC 8415 §21.25).
    pub const INF_MAX_RT: Self = Self(83);
    /// DHCP Captive-Portal: the URI of its API (RFC 8910 §2.2).
    pub const CAPTIVE_PORTAL: Self = Self(103);
}

/// One option as it stands in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawOption<'a> {
    /// Its code.
    pub code: OptionCode,
    /// Its value, possibly empty.
    pub value: &'a [u8],
}

/// The options of a message, or of an option, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    /// Options that end where `bytes` does.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let options = Self { rest: bytes };
        let mut all = options.clone();
        while all.parse_next()?.is_some() {}
        Ok(options)
    }

    fn parse_next(&mut self) -> Result<Option<RawOption<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(self.rest);
        let code = reader.u16().map_err(|_| Malformed::OptionOverrun)?;
        let length = reader.u16().map_err(|_| Malformed::OptionOverrun)?;
        let value = reader.take(usize::from(length), Malformed::OptionOverrun)?;
        self.rest = reader.rest();
        Ok(Some(RawOption { code: OptionCode(code), value }))
    }

    /// The value of the option with this code, of which there may be one.
    ///
    /// # Errors
    /// [`Malformed::DuplicateOption`] if it has two values.
    pub fn value(&self, code: OptionCode) -> Result<Option<&'a [u8]>, Malformed> {
        let mut found = None;
        for option in self.clone().filter(|option| option.code == code) {
            if *found.get_or_insert(option.value) != option.value {
                return Err(Malformed::DuplicateOption);
            }
        }
        Ok(found)
    }

    /// The value of an option that has exactly `N` octets.
    ///
    /// # Errors
    /// [`Malformed::OptionLength`] for another size; as [`Options::value`].
    pub fn fixed<const N: usize>(&self, code: OptionCode) -> Result<Option<[u8; N]>, Malformed> {
        let value = self.value(code)?;
        value.map(|value| value.try_into().map_err(|_| Malformed::OptionLength)).transpose()
    }

    /// The value of an option that is a number of 32 bits, such as a time in seconds.
    ///
    /// # Errors
    /// As [`Options::fixed`].
    pub fn u32(&self, code: OptionCode) -> Result<Option<u32>, Malformed> {
        Ok(self.fixed(code)?.map(u32::from_be_bytes))
    }

    /// The identifier of the client or the server.
    ///
    /// # Errors
    /// [`Malformed::DuidLength`]; as [`Options::value`].
    pub fn duid(&self, code: OptionCode) -> Result<Option<Duid<'a>>, Malformed> {
        self.value(code)?.map(Duid::parse).transpose()
    }

    /// What came of the request; success if nothing is said (RFC 8415 §21.13).
    ///
    /// # Errors
    /// [`Malformed::OptionLength`] if there is no room for the code; as [`Options::value`].
    pub fn status(&self) -> Result<Status<'a>, Malformed> {
        let Some(value) = self.value(OptionCode::STATUS_CODE)? else {
            return Ok(Status { code: StatusCode::Success, text: b"" });
        };
        let (code, text) = value.split_first_chunk().ok_or(Malformed::OptionLength)?;
        Ok(Status { code: u16::from_be_bytes(*code).into(), text })
    }

    /// The value of an option that is a list of addresses; none if it is not there.
    ///
    /// # Errors
    /// [`Malformed::OptionLength`] if the size is 0 or no multiple of 16; as [`Options::value`].
    pub fn addresses(&self, code: OptionCode) -> Result<Addresses<'a>, Malformed> {
        let Some(value) = self.value(code)? else { return Ok(Addresses { rest: &[] }) };
        let (rest, odd) = value.as_chunks();
        if rest.is_empty() || !odd.is_empty() {
            return Err(Malformed::OptionLength);
        }
        Ok(Addresses { rest })
    }

    /// Every identity association of this kind, [`OptionCode::IA_NA`] or [`OptionCode::IA_PD`].
    pub fn ias(&self, code: OptionCode) -> impl Iterator<Item = Result<Ia<'a>, Malformed>> + use<'a> {
        self.clone().filter(move |option| option.code == code).map(|option| Ia::parse(option.value))
    }

    /// Every address of an [`OptionCode::IA_NA`].
    pub fn ia_addresses(&self) -> impl Iterator<Item = Result<IaAddress<'a>, Malformed>> + use<'a> {
        let all = self.clone().filter(|option| option.code == OptionCode::IA_ADDRESS);
        all.map(|option| IaAddress::parse(option.value))
    }

    /// Every prefix of an [`OptionCode::IA_PD`].
    pub fn ia_prefixes(&self) -> impl Iterator<Item = Result<IaPrefix<'a>, Malformed>> + use<'a> {
        let all = self.clone().filter(|option| option.code == OptionCode::IA_PREFIX);
        all.map(|option| IaPrefix::parse(option.value))
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = RawOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // `parse` has read them all once: there is no error left to meet.
        self.parse_next().unwrap_or_default()
    }
}

/// A DHCP Unique Identifier, to be compared and not understood (RFC 8415 §11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Duid<'a>(&'a [u8]);

impl<'a> Duid<'a> {
    /// The longest: its type and 128 octets (RFC 8415 §11.1).
    pub const MAX_LEN: usize = 130;
    /// Its type and an octet.
    const MIN_LEN: usize = 3;

    /// Takes these octets for one.
    ///
    /// # Errors
    /// [`Malformed::DuidLength`].
    pub const fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        if octets.len() < Self::MIN_LEN || octets.len() > Self::MAX_LEN {
            return Err(Malformed::DuidLength);
        }
        Ok(Self(octets))
    }

    /// Its octets, from the type on.
    pub const fn octets(self) -> &'a [u8] {
        self.0
    }
}

/// What came of a request, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status<'a> {
    /// For machines.
    pub code: StatusCode,
    /// For people; anything the server liked.
    pub text: &'a [u8],
}

/// RFC 8415 §21.13.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusCode {
    /// 0.
    Success,
    /// 1.
    UnspecFail,
    /// 2.
    NoAddrsAvail,
    /// 3: the server has no record of what was to be renewed.
    NoBinding,
    /// 4: the addresses do not belong to the link.
    NotOnLink,
    /// 5: it must be sent to the group.
    UseMulticast,
    /// 6.
    NoPrefixAvail,
    /// Anything else.
    Unknown(u16),
}

impl From<u16> for StatusCode {
    fn from(value: u16) -> Self {
        match value {
            0 => Self::Success,
            1 => Self::UnspecFail,
            2 => Self::NoAddrsAvail,
            3 => Self::NoBinding,
            4 => Self::NotOnLink,
            5 => Self::UseMulticast,
            6 => Self::NoPrefixAvail,
            other => Self::Unknown(other),
        }
    }
}

impl From<StatusCode> for u16 {
    fn from(value: StatusCode) -> Self {
        match value {
            StatusCode::Success => 0,
            StatusCode::UnspecFail => 1,
            StatusCode::NoAddrsAvail => 2,
            StatusCode::NoBinding => 3,
            StatusCode::NotOnLink => 4,
            StatusCode::UseMulticast => 5,
            StatusCode::NoPrefixAvail => 6,
            StatusCode::Unknown(other) => other,
        }
    }
}

/// The value of an option that is a list of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses<'a> {
    rest: &'a [[u8; 16]],
}

impl Iterator for Addresses<'_> {
    type Item = Ipv6Address;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(Ipv6Address::from(*first))
    }
}

/// An identity association, of addresses (RFC 8415 §21.4) or of prefixes (§21.21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ia<'a> {
    /// Which of the client's.
    pub iaid: u32,
    /// When to ask its server again, in seconds; 0 leaves it to the client.
    pub t1_seconds: u32,
    /// When to ask any server, in seconds; 0 leaves it to the client.
    pub t2_seconds: u32,
    /// What is in it.
    pub options: Options<'a>,
}

impl<'a> Ia<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let mut number = || reader.u32().map_err(|_| Malformed::OptionLength);
        let (iaid, t1_seconds, t2_seconds) = (number()?, number()?, number()?);
        Ok(Self { iaid, t1_seconds, t2_seconds, options: Options::parse(reader.rest())? })
    }
}

/// An address that is granted (RFC 8415 §21.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IaAddress<'a> {
    /// The address.
    pub address: Ipv6Address,
    /// How long it is preferred, in seconds.
    pub preferred_seconds: u32,
    /// How long it is valid, in seconds.
    pub valid_seconds: u32,
    /// What is in it: a status.
    pub options: Options<'a>,
}

impl<'a> IaAddress<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let address = reader.array::<16>().map_err(|_| Malformed::OptionLength)?;
        let preferred_seconds = reader.u32().map_err(|_| Malformed::OptionLength)?;
        let valid_seconds = reader.u32().map_err(|_| Malformed::OptionLength)?;
        let options = Options::parse(reader.rest())?;
        Ok(Self { address: Ipv6Address::from(address), preferred_seconds, valid_seconds, options })
    }
}

/// A prefix that is delegated (RFC 8415 §21.22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IaPrefix<'a> {
    /// The prefix; no bits are set behind it.
    pub prefix: Ipv6Cidr,
    /// How long it is preferred, in seconds.
    pub preferred_seconds: u32,
    /// How long it is valid, in seconds.
    pub valid_seconds: u32,
    /// What is in it: a status.
    pub options: Options<'a>,
}

impl<'a> IaPrefix<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let preferred_seconds = reader.u32().map_err(|_| Malformed::OptionLength)?;
        let valid_seconds = reader.u32().map_err(|_| Malformed::OptionLength)?;
        let prefix_len = reader.u8().map_err(|_| Malformed::OptionLength)?;
        let prefix = reader.array::<16>().map_err(|_| Malformed::OptionLength)?;
        if prefix_len > 128 {
            return Err(Malformed::PrefixLength);
        }
        let options = Options::parse(reader.rest())?;
        let prefix = network(Ipv6Address::from(prefix), prefix_len);
        Ok(Self { prefix, preferred_seconds, valid_seconds, options })
    }
}
