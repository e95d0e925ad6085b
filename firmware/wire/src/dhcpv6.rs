//! DHCPv6 messages: header, options, and the options within options.
//!
//! Reading list: RFC 8415 §7 (constants), §8 (message), §11 (DUID), §21 (options); RFC 3646 (DNS);
//! RFC 4242 (Information Refresh Time); RFC 8910 §2.2 (Captive-Portal).
//!
//! ```text
//!  0          1                4
//! +----------+----------------+------------- - -
//! | msg-type | transaction-id | options, to the end
//! +----------+----------------+------------- - -
//!   option:     CODE (2)  LENGTH (2)  VALUE
//!   IA_NA, IA_PD:  IAID (4)  T1 (4)  T2 (4)  options
//!   IAADDR:        address (16)  preferred (4)  valid (4)  options
//!   IAPREFIX:      preferred (4)  valid (4)  prefix length (1)  prefix (16)  options
//! ```
//!
//! Relay agents' messages have another header, and are not spoken.

use crate::Malformed;
use crate::cursor::Reader;

mod option;
mod writer;

pub use option::{
    Addresses, Duid, Ia, IaAddress, IaPrefix, OptionCode, Options, RawOption, Status, StatusCode,
};
pub use writer::Writer;

/// UDP port of clients (RFC 8415 §7.2).
pub const CLIENT_PORT: u16 = 546;
/// UDP port of servers (RFC 8415 §7.2).
pub const SERVER_PORT: u16 = 547;
/// All servers and relay agents on the link, `ff02::1:2` (RFC 8415 §7.1).
pub const ALL_SERVERS: smoltcp::wire::Ipv6Address =
    smoltcp::wire::Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// Octets before the first option.
pub const HEADER_LEN: usize = 4;
/// A lifetime, T1 or T2 without end (RFC 8415 §7.7).
pub const INFINITE: u32 = u32::MAX;

const RELAY_FORW: u8 = 12;
const RELAY_REPL: u8 = 13;

/// What kind of message it is (RFC 8415 §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 1.
    Solicit,
    /// 2.
    Advertise,
    /// 3.
    Request,
    /// 4.
    Confirm,
    /// 5.
    Renew,
    /// 6.
    Rebind,
    /// 7.
    Reply,
    /// 8.
    Release,
    /// 9.
    Decline,
    /// 10.
    Reconfigure,
    /// 11.
    InformationRequest,
    /// Anything else: lease queries and what came after.
    Unknown(u8),
}

impl From<u8> for MessageType {
    fn from(value: u8) -> Self {
        match value {
            1 => Self::Solicit,
            2 => Self::Advertise,
            3 => Self::Request,
            4 => Self::Confirm,
            5 => Self::Renew,
            6 => Self::Rebind,
            7 => Self::Reply,
            8 => Self::Release,
            9 => Self::Decline,
            10 => Self::Reconfigure,
            11 => Self::InformationRequest,
            other => Self::Unknown(other),
        }
    }
}

impl From<MessageType> for u8 {
    fn from(value: MessageType) -> Self {
        match value {
            MessageType::Solicit => 1,
            MessageType::Advertise => 2,
            MessageType::Request => 3,
            MessageType::Confirm => 4,
            MessageType::Renew => 5,
            MessageType::Rebind => 6,
            MessageType::Reply => 7,
            MessageType::Release => 8,
            MessageType::Decline => 9,
            MessageType::Reconfigure => 10,
            MessageType::InformationRequest => 11,
            MessageType::Unknown(other) => other,
        }
    }
}

/// Which exchange a message belongs to, chosen by the client: 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 3]);

/// A message that has been read: header, and options that are known to end where they should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// What kind.
    pub message_type: MessageType,
    /// Which exchange.
    pub transaction_id: TransactionId,
    options: Options<'a>,
}

impl<'a> Message<'a> {
    /// Reads the payload of a UDP datagram.
    ///
    /// # Errors
    /// [`Malformed::Truncated`]; [`Malformed::UnknownCode`] for a relay agent's message;
    /// [`Malformed::OptionOverrun`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let message_type = reader.u8()?;
        if matches!(message_type, RELAY_FORW | RELAY_REPL) {
            return Err(Malformed::UnknownCode);
        }
        let transaction_id = TransactionId(reader.array()?);
        let options = Options::parse(reader.rest())?;
        Ok(Self { message_type: message_type.into(), transaction_id, options })
    }

    /// All options, in order.
    pub fn options(&self) -> Options<'a> {
        self.options.clone()
    }
}
