//! IPV6CP: its configuration options.
//!
//! Reading list: RFC 5072 §4.1 (Interface-Identifier).

use super::{RawOption, Writer};
use crate::Malformed;

/// An IPV6CP configuration option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigOption<'a> {
    /// 1: the low half of the sender's link-local address; all zero asks for one
    /// (RFC 5072 §4.1).
    InterfaceIdentifier([u8; 8]),
    /// Anything else, IPv6-Compression-Protocol (2) among it.
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
    /// [`Malformed::OptionLength`] if an identifier is not eight octets; see
    /// [`lcp::ConfigOption::parse`](super::lcp::ConfigOption::parse).
    pub fn parse(option: RawOption<'a>) -> Result<Self, Malformed> {
        match option.kind {
            1 => option.fixed().map(Self::InterfaceIdentifier),
            kind => Ok(Self::Unknown { kind, value: option.value }),
        }
    }

    /// The Type field.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::InterfaceIdentifier(_) => 1,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// Appends the option to a packet.
    pub fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::InterfaceIdentifier(identifier) => writer.option(1, identifier),
            Self::Unknown { kind, value } => writer.option(*kind, value),
        };
    }
}
