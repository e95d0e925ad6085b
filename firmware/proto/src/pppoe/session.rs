//! An established session as Discovery knows it: who it is with, and how it ends.
//!
//! Reading list: RFC 2516 §5.4 (PADS), §5.5 (PADT).

use gatelet_wire::pppoe::{Code, Packet, TagKind, TagSet, Writer};
use gatelet_wire::{BufferTooSmall, EthernetAddress};
use heapless::{String, Vec};
use smoltcp::time::{Duration, Instant};

use super::offer::{COOKIE_MAX, HOST_UNIQ_LEN, RELAY_SESSION_ID_MAX};
use super::{Dropped, NAME_MAX, TEXT_MAX};
use crate::text;

/// What PADS established.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The concentrator.
    pub ac_mac: EthernetAddress,
    /// `SESSION_ID`: neither 0 nor 0xFFFF.
    pub id: u16,
    /// The concentrator's AC-Name.
    pub ac_name: String<NAME_MAX>,
    /// The PPP-Max-Payload both sides agreed to, above 1492 (RFC 4638). `None`: 1492.
    pub max_payload: Option<u16>,
    pub(super) host_uniq: [u8; HOST_UNIQ_LEN],
    pub(super) cookie: Option<Vec<u8, COOKIE_MAX>>,
    pub(super) relay_session_id: Option<Vec<u8, RELAY_SESSION_ID_MAX>>,
}

impl Session {
    /// Asks whether `packet`, a PADT, ends this session: only its concentrator can, and only by its
    /// id. Host-Uniq has no say: it need not be there, and a stale PADT may carry a good one.
    ///
    /// Answers the text of a Generic-Error tag, mostly empty. Unreadable tags do not save a session
    /// that its concentrator has ended (RFC 2516 §5.5 requires no tags).
    ///
    /// # Errors
    /// Why it does not.
    pub fn handle_padt(
        &self,
        source: EthernetAddress,
        packet: &Packet<'_>,
    ) -> Result<String<TEXT_MAX>, Dropped> {
        if packet.code != Code::Padt {
            return Err(Dropped::UnknownCode);
        }
        if packet.session_id != self.id {
            return Err(Dropped::PadtForOtherSession);
        }
        if source != self.ac_mac {
            return Err(Dropped::PadtFromOtherConcentrator);
        }
        let error = TagSet::parse(packet).ok().and_then(|tags| tags.error);
        Ok(error.map_or_else(String::new, |tag| text::from_peer(tag.value)))
    }

    /// Writes the PADT that ends this session, from the `PPPoE` header on: with the tags of its
    /// PADR, for relays and concentrators that look at them.
    ///
    /// # Errors
    /// [`BufferTooSmall`]; 190 bytes are enough.
    pub fn emit_padt(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        Writer::new(buffer, Code::Padt, self.id)
            .push(TagKind::HostUniq, &self.host_uniq)
            .push_some(TagKind::AcCookie, self.cookie.as_deref())
            .push_some(TagKind::RelaySessionId, self.relay_session_id.as_deref())
            .finish()
    }
}

/// Writes a PADT without tags (RFC 2516 §5.5 requires none), from the `PPPoE` header on: for a
/// session of which only the id is known.
///
/// # Errors
/// [`BufferTooSmall`]: it takes 6 bytes.
pub fn emit_padt(buffer: &mut [u8], session_id: u16) -> Result<usize, BufferTooSmall> {
    Writer::new(buffer, Code::Padt, session_id).finish()
}

/// Paces the PADTs that answer data of unknown sessions: at most one a second, whatever arrives.
#[derive(Debug, Clone, Copy, Default)]
pub struct PadtLimiter {
    next: Option<Instant>,
}

impl PadtLimiter {
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Whether a PADT may be sent now; if so, it is counted as sent.
    pub fn permit(&mut self, now: Instant) -> bool {
        let permitted = self.next.is_none_or(|next| next <= now);
        if permitted {
            self.next = Some(now + Self::INTERVAL);
        }
        permitted
    }
}
