//! DHCPv4 messages: the fixed header, the options in their three places, and what some of them hold.
//!
//! Reading list: RFC 2131 §2 (message), §4.1 (overload, order of the fields); RFC 2132 (options);
//! RFC 3396 (long options); RFC 3442 (classless routes); RFC 951 §3 (300 octets at least).
//!
//! ```text
//!  0     1      2      3      4        8       10       12       16       20       24       28
//! +-----+------+------+------+--------+-------+--------+--------+--------+--------+--------+-----
//! | op  | htype| hlen | hops |  xid   | secs  | flags  | ciaddr | yiaddr | siaddr | giaddr | ...
//! +-----+------+------+------+--------+-------+--------+--------+--------+--------+--------+-----
//!  28           44            108               236            240
//! +------------+-------------+-----------------+--------------+-------------- - -
//! | chaddr (16)| sname (64)  |   file (128)    | 99 130 83 99 | options, to END
//! +------------+-------------+-----------------+--------------+-------------- - -
//!   option:  CODE (1)  LENGTH (1)  VALUE        PAD is 0, END is 255: one octet each
//! ```
//!
//! An option may stand in several pieces (RFC 3396), and more options may stand in `file` and
//! `sname` (option 52). [`Message::value`] puts the pieces together without a copy.

use smoltcp::wire::{EthernetAddress, Ipv4Address};

use crate::Malformed;
use crate::cursor::{Filler, Reader};

mod option;
mod writer;

pub use option::{OptionCode, Options, RawOption, Route, Value};
pub use writer::Writer;

/// UDP port of servers (RFC 2131 §4.1).
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients (RFC 2131 §4.1).
pub const CLIENT_PORT: u16 = 68;
/// Octets before the first option: the fixed header and the magic cookie.
pub const HEADER_LEN: usize = 240;
/// No message is sent shorter: some BOOTP relays and clients drop what is below 300 octets (RFC 951
/// §3; RFC 1542 §2.1).
pub const MIN_LEN: usize = 300;
/// The longest message that any client must take without having said so: a datagram of 576 octets
/// without its IPv4 and UDP headers (RFC 2131 §2).
pub const DEFAULT_MAX_LEN: usize = 576 - IPV4_AND_UDP;

/// An IPv4 header without options and a UDP header, which option 57 counts too (RFC 2132 §9.10).
const IPV4_AND_UDP: usize = 20 + 8;
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
const ETHERNET: u8 = 1;
const BROADCAST_FLAG: u16 = 0x8000;
const PAD: u8 = 0;
const END: u8 = 255;

/// The `op` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// 1, BOOTREQUEST: a client speaks.
    Request,
    /// 2, BOOTREPLY: a server speaks.
    Reply,
}

/// The fixed header, without `sname` and `file`: nothing here boots from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `op`: who speaks.
    pub operation: Operation,
    /// `htype`: 1 is Ethernet (RFC 1700).
    pub hardware_type: u8,
    /// `hlen`: how many octets of `chaddr` count, 16 at most.
    pub hardware_len: u8,
    /// `hops`: relay agents on the way.
    pub hops: u8,
    /// `xid`: which exchange this belongs to, chosen by the client.
    pub xid: u32,
    /// `secs`: seconds since the client began.
    pub secs: u16,
    /// `flags`; see [`Header::wants_broadcast`].
    pub flags: u16,
    /// `ciaddr`: the client's address, if it has one and would answer ARP for it.
    pub ciaddr: Ipv4Address,
    /// `yiaddr`: the address offered or granted.
    pub yiaddr: Ipv4Address,
    /// `siaddr`: the server of the next step of a boot.
    pub siaddr: Ipv4Address,
    /// `giaddr`: the first relay agent.
    pub giaddr: Ipv4Address,
    /// `chaddr`: the client's hardware address and what pads it.
    pub chaddr: [u8; 16],
}

impl Header {
    /// The header of a client's message on Ethernet, all addresses unspecified.
    pub fn request(xid: u32, client: EthernetAddress) -> Self {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&client.0);
        Self {
            operation: Operation::Request,
            hardware_type: ETHERNET,
            hardware_len: 6,
            hops: 0,
            xid,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Address::UNSPECIFIED,
            yiaddr: Ipv4Address::UNSPECIFIED,
            siaddr: Ipv4Address::UNSPECIFIED,
            giaddr: Ipv4Address::UNSPECIFIED,
            chaddr,
        }
    }

    /// The header of a server's message to a client on Ethernet, all addresses unspecified.
    pub fn reply(xid: u32, client: EthernetAddress) -> Self {
        Self { operation: Operation::Reply, ..Self::request(xid, client) }
    }

    /// The client's address, if its hardware is Ethernet.
    pub const fn ethernet_address(&self) -> Option<EthernetAddress> {
        match self.chaddr.first_chunk() {
            Some(address) if self.hardware_type == ETHERNET && self.hardware_len == 6 => {
                Some(EthernetAddress(*address))
            }
            _ => None,
        }
    }

    /// The B flag: the client cannot take unicast before it has its address (RFC 2131 §4.1).
    pub const fn wants_broadcast(&self) -> bool {
        self.flags & BROADCAST_FLAG != 0
    }

    /// Sets the B flag, and no other.
    pub const fn set_broadcast(&mut self, broadcast: bool) {
        self.flags = if broadcast { BROADCAST_FLAG } else { 0 };
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let operation = match reader.u8()? {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return Err(Malformed::Operation),
        };
        let [hardware_type, hardware_len, hops] = reader.array()?;
        if hardware_len > 16 {
            return Err(Malformed::HardwareLength);
        }
        Ok(Self {
            operation,
            hardware_type,
            hardware_len,
            hops,
            xid: reader.u32()?,
            secs: reader.u16()?,
            flags: reader.u16()?,
            ciaddr: Ipv4Address::from(reader.u32()?),
            yiaddr: Ipv4Address::from(reader.u32()?),
            siaddr: Ipv4Address::from(reader.u32()?),
            giaddr: Ipv4Address::from(reader.u32()?),
            chaddr: reader.array()?,
        })
    }

    fn put(&self, filler: &mut Filler<'_>) {
        let operation = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        filler.put(&[operation, self.hardware_type, self.hardware_len, self.hops]);
        filler.put(&self.xid.to_be_bytes());
        filler.put(&self.secs.to_be_bytes());
        filler.put(&self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            filler.put(&address.octets());
        }
        filler.put(&self.chaddr);
        if self.hardware_len > 16 {
            filler.fail();
        }
    }
}

/// What kind of message it is: option 53 (RFC 2132 §9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 1: DHCPDISCOVER.
    Discover,
    /// 2: DHCPOFFER.
    Offer,
    /// 3: DHCPREQUEST.
    Request,
    /// 4: DHCPDECLINE.
    Decline,
    /// 5: DHCPACK.
    Ack,
    /// 6: DHCPNAK.
    Nak,
    /// 7: DHCPRELEASE.
    Release,
    /// 8: DHCPINFORM.
    Inform,
    /// Anything else: forced renewal, lease queries.
    Unknown(u8),
}

impl From<u8> for MessageType {
    fn from(value: u8) -> Self {
        match value {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Unknown(other),
        }
    }
}

impl From<MessageType> for u8 {
    fn from(value: MessageType) -> Self {
        match value {
            MessageType::Discover => 1,
            MessageType::Offer => 2,
            MessageType::Request => 3,
            MessageType::Decline => 4,
            MessageType::Ack => 5,
            MessageType::Nak => 6,
            MessageType::Release => 7,
            MessageType::Inform => 8,
            MessageType::Unknown(other) => other,
        }
    }
}
/// A message that was read. All of its options have been found to lie within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The fixed header.
    pub header: Header,
    options: Options<'a>,
}

impl<'a> Message<'a> {
    /// Reads a message from the payload of a UDP datagram.
    ///
    /// A missing END is taken: the datagram ends as well. What follows END is padding.
    ///
    /// # Errors
    /// [`Malformed::Truncated`]; [`Malformed::Operation`], [`Malformed::HardwareLength`] and
    /// [`Malformed::MagicCookie`] for the fixed header; [`Malformed::OptionOverrun`] if an option
    /// reaches beyond its field; [`Malformed::Overload`] if option 52 has no value RFC 2132 §9.3
    /// knows, [`Malformed::OptionLength`] if it has another size than one octet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let header = Header::parse(&mut reader)?;
        let sname = reader.take(64, Malformed::Truncated)?;
        let file = reader.take(128, Malformed::Truncated)?;
        if reader.array()? != MAGIC_COOKIE {
            return Err(Malformed::MagicCookie);
        }
        let mut options = Options::new(reader.rest());
        let mut own = options.clone();
        let mut overload = None;
        while let Some(option) = own.parse_next()? {
            if option.code == OptionCode::OVERLOAD {
                let [value] = *option.value else { return Err(Malformed::OptionLength) };
                if *overload.get_or_insert(value) != value {
                    return Err(Malformed::DuplicateOption);
                }
            }
        }
        // `file` comes before `sname` (RFC 2131 §4.1).
        match overload {
            None => {}
            Some(1) => options.append(file, &[]),
            Some(2) => options.append(sname, &[]),
            Some(3) => options.append(file, sname),
            Some(_) => return Err(Malformed::Overload),
        }
        let mut all = options.clone();
        while all.parse_next()?.is_some() {}
        Ok(Self { header, options })
    }

    /// All options, in the order RFC 2131 §4.1 has them read: those of `options`, of `file`, of
    /// `sname`. Pieces of a long option come one by one.
    pub fn options(&self) -> Options<'a> {
        self.options.clone()
    }

    /// The value of option `code`, all its pieces together; `None` if it is not there.
    pub fn value(&self, code: OptionCode) -> Option<Value<'a>> {
        Value::find(self.options(), code)
    }

    /// The value of an option that has exactly `N` octets. One that is repeated with the same value
    /// is harmless and taken once.
    ///
    /// # Errors
    /// [`Malformed::OptionLength`] for another size; [`Malformed::DuplicateOption`] if it has two
    /// values.
    pub fn fixed<const N: usize>(&self, code: OptionCode) -> Result<Option<[u8; N]>, Malformed> {
        let mut found = None;
        for option in self.options().filter(|option| option.code == code) {
            let value = <[u8; N]>::try_from(option.value).map_err(|_| Malformed::OptionLength)?;
            if *found.get_or_insert(value) != value {
                return Err(Malformed::DuplicateOption);
            }
        }
        Ok(found)
    }

    /// The kind of message. `None`: it is a message of BOOTP, DHCP's forerunner.
    ///
    /// # Errors
    /// As [`Message::fixed`].
    pub fn message_type(&self) -> Result<Option<MessageType>, Malformed> {
        Ok(self.fixed(OptionCode::MESSAGE_TYPE)?.map(|[value]| MessageType::from(value)))
    }

    /// The value of an option that is one address.
    ///
    /// # Errors
    /// As [`Message::fixed`].
    pub fn address(&self, code: OptionCode) -> Result<Option<Ipv4Address>, Malformed> {
        Ok(self.fixed(code)?.map(|octets: [u8; 4]| Ipv4Address::from(octets)))
    }

    /// The value of an option that is a number of 16 bits.
    ///
    /// # Errors
    /// As [`Message::fixed`].
    pub fn u16(&self, code: OptionCode) -> Result<Option<u16>, Malformed> {
        Ok(self.fixed(code)?.map(u16::from_be_bytes))
    }

    /// The value of an option that is a number of 32 bits, such as a time in seconds.
    ///
    /// # Errors
    /// As [`Message::fixed`].
    pub fn u32(&self, code: OptionCode) -> Result<Option<u32>, Malformed> {
        Ok(self.fixed(code)?.map(u32::from_be_bytes))
    }

    /// How long an answer may be, in octets of UDP payload: what option 57 allows, but never less
    /// than every client must take ([`DEFAULT_MAX_LEN`]).
    ///
    /// # Errors
    /// As [`Message::fixed`].
    pub fn max_answer_len(&self) -> Result<usize, Malformed> {
        let datagram = self.u16(OptionCode::MAX_MESSAGE_SIZE)?.map_or(0, usize::from);
        Ok(datagram.saturating_sub(IPV4_AND_UDP).max(DEFAULT_MAX_LEN))
    }
}
