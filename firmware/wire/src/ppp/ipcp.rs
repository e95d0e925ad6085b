//! IPCP: its configuration options.
//!
//! Reading list: RFC 1332 §3 (IP-Address), RFC 1877 §1 (name servers).

use super::{RawOption, Writer};
use crate::{Ipv4Address, Malformed};

/// An IPCP configuration option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigOption<'a> {
    /// 3: the sender's address; 0.0.0.0 asks for one (RFC 1332 §3.3).
    IpAddress(Ipv4Address),
    /// 129: a DNS server for the sender to use; 0.0.0.0 asks for one (RFC 1877 §1.1).
    PrimaryDns(Ipv4Address),
    /// 130: a `NetBIOS` name server (RFC 1877 §1.2).
    PrimaryNbns(Ipv4Address),
    /// 131: a second DNS server (RFC 1877 §1.3).
    SecondaryDns(Ipv4Address),
    /// 132: a second `NetBIOS` name server (RFC 1877 §1.4).
    SecondaryNbns(Ipv4Address),
    /// Anything else, IP-Addresses (1, obsolete) and IP-Compression-Protocol (2) among it.
    Unknown {
        /// The Type field.
        kind: u8,
        /// What follows the Length field.
        value: &'a [u8],
    },
}

impl<'a> ConfigOption<'a> {
    /// Makes sense of an option.
    ///
    /// # Errors
    /// [`Malformed::OptionLength`] if an address is not four octets; see
    /// [`lcp::ConfigOption::parse`](super::lcp::ConfigOption::parse).
    pub fn parse(option: RawOption<'a>) -> Result<Self, Malformed> {
        let make = match option.kind {
            3 => Self::IpAddress,
            129 => Self::PrimaryDns,
            130 => Self::PrimaryNbns,
            131 => Self::SecondaryDns,
            132 => Self::SecondaryNbns,
            kind => return Ok(Self::Unknown { kind, value: option.value }),
        };
        option.fixed::<4>().map(|address| make(address.into()))
    }

    /// The Type field.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::IpAddress(_) => 3,
            Self::PrimaryDns(_) => 129,
            Self::PrimaryNbns(_) => 130,
            Self::SecondaryDns(_) => 131,
            Self::SecondaryNbns(_) => 132,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// Appends the option to a packet.
    pub fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::IpAddress(address)
            | Self::PrimaryDns(address)
            | Self::PrimaryNbns(address)
            | Self::SecondaryDns(address)
            | Self::SecondaryNbns(address) => writer.option(self.kind(), &address.octets()),
            Self::Unknown { kind, value } => writer.option(*kind, value),
        };
    }
}
