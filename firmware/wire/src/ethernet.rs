//! Ethernet II frames with at most one 802.1Q tag.
//!
//! Reading list: IEEE 802.3 §3.1.1 (frame), IEEE 802.1Q §9.6 (tag control information),
//! RFC 2516 §4 (the two `EtherType`s of `PPPoE`).
//!
//! ```text
//!  0            6            12          14
//! +------------+------------+-----------+---------- - -
//! | destination|   source   | EtherType | payload            without a tag: 14 octets
//! +------------+------------+-----------+---------- - -
//! | destination|   source   |   0x8100  | PCP DEI VID | EtherType | payload     with one: 18
//! +------------+------------+-----------+-------------+-----------+---------- - -
//! ```

use smoltcp::wire::EthernetAddress;

use crate::cursor::{Filler, Reader};
use crate::{BufferTooSmall, Malformed};

/// `EtherType` of the `PPPoE` discovery stage (RFC 2516 §4).
pub const PPPOE_DISCOVERY: u16 = 0x8863;
/// `EtherType` of the `PPPoE` session stage (RFC 2516 §4).
pub const PPPOE_SESSION: u16 = 0x8864;
/// Tag protocol identifier of an 802.1Q tag.
pub const VLAN: u16 = 0x8100;
/// `EtherType` of IPv4.
pub const IPV4: u16 = 0x0800;
/// `EtherType` of ARP.
pub const ARP: u16 = 0x0806;
/// `EtherType` of IPv6.
pub const IPV6: u16 = 0x86DD;

/// Octets of a header without a VLAN tag.
pub const HEADER_LEN: usize = 14;
/// Octets an 802.1Q tag adds.
pub const VLAN_LEN: usize = 4;
/// The shortest frame on the wire, without its checksum: shorter ones are padded (IEEE 802.3 §3.2.8).
pub const MIN_FRAME_LEN: usize = 60;

/// What stands before the payload of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whom the frame is for.
    pub destination: EthernetAddress,
    /// Who sent it.
    pub source: EthernetAddress,
    /// The 802.1Q tag, if there is one.
    pub vlan: Option<VlanTag>,
    /// What the payload is. With two tags this is the second one's 0x8100: stacked tags are not
    /// taken apart. Below 0x0600 it is a length (IEEE 802.3 §3.2.6).
    pub ether_type: u16,
}

impl Header {
    /// Reads the header of `frame` and answers it with what follows: the payload and any padding.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if the header is cut off, [`Malformed::VlanId`] for the reserved
    /// VLAN 0xFFF.
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut reader = Reader::new(frame);
        let destination = EthernetAddress(reader.array()?);
        let source = EthernetAddress(reader.array()?);
        let mut ether_type = reader.u16()?;
        let mut vlan = None;
        if ether_type == VLAN {
            vlan = Some(VlanTag::from_control_information(reader.u16()?)?);
            ether_type = reader.u16()?;
        }
        Ok((Self { destination, source, vlan, ether_type }, reader.rest()))
    }

    /// Writes the header to the front of `buffer` and answers its length.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if `buffer` is shorter than [`Header::len`] or a VLAN field has more bits
    /// than the tag.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut filler = Filler::new(buffer);
        filler.put(&self.destination.0);
        filler.put(&self.source.0);
        if let Some(tag) = self.vlan {
            filler.put(&VLAN.to_be_bytes());
            filler.put(&tag.control_information()?.to_be_bytes());
        }
        filler.put(&self.ether_type.to_be_bytes());
        filler.finish()
    }

    /// Octets this header takes: 14, or 18 with a VLAN tag.
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub const fn len(&self) -> usize {
        match self.vlan {
            None => HEADER_LEN,
            Some(_) => HEADER_LEN + VLAN_LEN,
        }
    }
}

/// An 802.1Q tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VlanTag {
    /// VLAN identifier, 0..=0xFFE; 0 is a mere priority tag.
    pub id: u16,
    /// Priority code point, 0..=7.
    pub priority: u8,
    /// Drop eligible indicator.
    pub drop_eligible: bool,
}

impl VlanTag {
    /// The largest VLAN identifier; 0xFFF is reserved (IEEE 802.1Q table 9-2).
    pub const MAX_ID: u16 = 0xFFE;

    /// A tag of priority 0.
    ///
    /// # Errors
    /// [`Malformed::VlanId`] above [`VlanTag::MAX_ID`].
    pub const fn new(id: u16) -> Result<Self, Malformed> {
        if id > Self::MAX_ID {
            return Err(Malformed::VlanId);
        }
        Ok(Self { id, priority: 0, drop_eligible: false })
    }

    const fn from_control_information(tci: u16) -> Result<Self, Malformed> {
        match Self::new(tci & 0x0FFF) {
            Ok(tag) => Ok(Self { priority: (tci >> 13) as u8, drop_eligible: tci & 0x1000 != 0, ..tag }),
            Err(error) => Err(error),
        }
    }

    fn control_information(self) -> Result<u16, BufferTooSmall> {
        if self.id > Self::MAX_ID || self.priority > 7 {
            return Err(BufferTooSmall);
        }
        Ok(u16::from(self.priority) << 13 | u16::from(self.drop_eligible) << 12 | self.id)
    }
}
