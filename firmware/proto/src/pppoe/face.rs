//! What [`Discovery`](super::Discovery) is told, and what it tells.

use gatelet_wire::EthernetAddress;
use heapless::String;

use super::{DiscoveryMessage, NAME_MAX, Refusal, Session};

/// What to ask for, whom to accept, how often to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// The Service-Name asked for. Empty: any (RFC 2516 appendix A).
    pub service_name: String<NAME_MAX>,
    /// Accept only a concentrator with this AC-Name. Empty: any.
    pub ac_name: String<NAME_MAX>,
    /// Accept only the concentrator with this MAC address.
    pub ac_mac: Option<EthernetAddress>,
    /// PPP-Max-Payload to ask for, above 1492 (RFC 4638 §4).
    pub max_payload: Option<u16>,
    /// PADIs of one dial before it counts as unanswered.
    pub padi_attempts: u8,
    /// PADRs to one concentrator before it counts as unanswered.
    pub padr_attempts: u8,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self {
            service_name: String::new(),
            ac_name: String::new(),
            ac_mac: None,
            max_payload: None,
            padi_attempts: 3,
            padr_attempts: 3,
        }
    }
}

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A dial: PADIs until `padi_attempts`.
    Dial,
    /// A look whether anybody is there: one PADI. If it is answered, it goes on as a dial.
    Probe,
}

/// What happened. Poll until there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An offer was chosen: the first acceptable one, or a kept one after the choice before failed.
    /// A PADR to it is due.
    Offer {
        /// The concentrator.
        ac_mac: EthernetAddress,
        /// Its AC-Name.
        ac_name: String<NAME_MAX>,
        /// Whether it had been kept as fallback.
        fallback: bool,
    },
    /// A further acceptable offer arrived and is kept as fallback.
    OfferKept {
        /// The concentrator.
        ac_mac: EthernetAddress,
        /// Its AC-Name.
        ac_name: String<NAME_MAX>,
    },
    /// A PADO or PADS carried an error tag. What follows from it is another event.
    Refused(Refusal),
    /// PADS: there is a session. Its owner must accept session packets from this moment on.
    Established(Session),
    /// A PADS for a session we do not want, such as the answer to a PADR that was repeated too
    /// early. The owner ends it with a PADT.
    SurplusPads {
        /// The concentrator.
        ac_mac: EthernetAddress,
        /// The session.
        session_id: u16,
    },
    /// The attempt is over.
    Failed(Failure),
}

/// Why discovery ended without a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No acceptable PADO to any PADI.
    NoPado,
    /// No PADS to any PADR.
    PadrUnanswered {
        /// The concentrator asked last.
        ac_mac: EthernetAddress,
    },
    /// The last concentrator refused with an error tag.
    Refused(Refusal),
}

/// A message that was written, and is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Which.
    pub message: DiscoveryMessage,
    /// Whom it is for.
    pub destination: EthernetAddress,
    /// Which transmission of this message it is, from 1.
    pub attempt: u8,
    /// Its length from the `PPPoE` header on, in bytes.
    pub len: usize,
}
