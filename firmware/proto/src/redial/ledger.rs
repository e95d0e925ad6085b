//! What the engine must not forget when the power goes.

use core::net::Ipv4Addr;
use serde::{Deserialize, Serialize};
use smoltcp::wire::EthernetAddress;

/// The last session known to the concentrator, to be cleared by a PADT after a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSession {
    /// The access concentrator's address.
    #[serde(with = "mac")]
    pub ac_mac: EthernetAddress,
    /// `SESSION_ID`. 0 only in a [`super::Action::ClearSession`] for a concentrator that fell silent.
    pub id: u16,
    /// The 802.1Q VLAN the session ran in.
    pub vlan: Option<u16>,
}

/// Why not one PADI or PADR is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldReason {
    /// Silence after recent activity: the carrier has locked us out.
    Silence,
    /// The credentials were refused.
    Authentication,
}

/// The engine's memory across reboots and power loss: a few hundred bytes, written before the PADI it records.
///
/// Times are seconds of the *ledger clock*, which stops while the power is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub(super) format: u8,
    pub(super) clock: u32,
    pub(super) last_session: Option<LastSession>,
    pub(super) last_address: Option<Ipv4Addr>,
}

impl Ledger {
    /// No serialised ledger (postcard) is longer than this, in bytes.
    pub const MAX_ENCODED_LEN: usize = 256;

    /// Stands in for a record that could not be read (damaged, or of another firmware): the engine then assumes
    /// the worst, a power cut in the middle of a hold. Nothing stored at all is `None` instead.
    pub fn unreadable() -> Self {
        Self { format: 0, clock: 0, last_session: None, last_address: None }
    }

    /// The session to clear at boot.
    pub fn last_session(&self) -> Option<LastSession> {
        self.last_session
    }

    /// The IPv4 address to ask for again.
    pub fn last_address(&self) -> Option<Ipv4Addr> {
        self.last_address
    }
}

mod mac {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use smoltcp::wire::EthernetAddress;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(mac: &EthernetAddress, serializer: S) -> Result<S::Ok, S::Error> {
        mac.0.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<EthernetAddress, D::Error> {
        <[u8; 6]>::deserialize(deserializer).map(EthernetAddress)
    }
}
