//! `PPPoE`, the client's side.
//!
//! [`Discovery`] finds an access concentrator and comes back with a [`Session`]; the session's
//! owner carries the PPP packets, asks [`Session::handle_padt`] about every PADT and writes the
//! farewell with [`Session::emit_padt`]. [`PadtLimiter`] paces the answers to data of sessions that
//! nobody here has.
//!
//! Reading list: RFC 2516 (all of it), RFC 4638 §4 and §6 (PPP-Max-Payload).

mod discovery;
mod face;
mod offer;
mod pace;
mod session;

pub use discovery::Discovery;
pub use face::{DiscoveryConfig, Event, Failure, Mode, Outgoing};
pub use offer::{COOKIE_MAX, RELAY_SESSION_ID_MAX, Refusal, RefusalKind};
pub use session::{PadtLimiter, Session, emit_padt};

/// Bytes of a service name or an AC name that are kept.
pub const NAME_MAX: usize = 64;
/// Bytes of a text from the peer that are kept.
pub const TEXT_MAX: usize = 128;

/// The two Discovery messages a client starts an exchange with. Concentrators count them against
/// their throttles, so each needs a permit of the redial engine before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiscoveryMessage {
    /// `PPPoE` Active Discovery Initiation (RFC 2516 §5.1).
    Padi,
    /// `PPPoE` Active Discovery Request (RFC 2516 §5.3).
    Padr,
}

/// Why a Discovery packet was ignored. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// The tags do not parse.
    Malformed,
    /// A PADI or PADR: another client's, or somebody who takes us for a concentrator.
    NotForClients,
    /// A code RFC 2516 does not know.
    UnknownCode,
    /// The source is no unicast address: nobody could be answered.
    SourceNotUnicast,
    /// A PADO whose session id is not 0 (RFC 2516 §5.2).
    OfferWithSession,
    /// A PADO or PADS while none is awaited, such as a PADS before any PADR.
    NotAwaited,
    /// The Host-Uniq is not ours, or missing.
    HostUniq,
    /// A PADO from an AC that the MAC pin excludes.
    FilteredByMac,
    /// A PADO without an AC-Name (RFC 2516 §5.2 demands one).
    NoAcName,
    /// A PADO from an AC that the AC-Name filter excludes.
    FilteredByAcName,
    /// A PADO that does not offer the service asked for.
    FilteredByServiceName,
    /// An AC-Cookie or Relay-Session-Id longer than is kept for echoing.
    OversizeTag,
    /// A PADO that carries an error tag instead of an offer.
    RefusingOffer,
    /// A further PADO while as many are kept as fallback as there is room for.
    TooManyOffers,
    /// A PADS from another AC than the one the PADR went to.
    WrongConcentrator,
    /// A PADS that names no session and no error.
    NoSessionId,
    /// A second PADS for the session we have.
    DuplicatePads,
    /// A PADT for another session than the live one, such as the one before it.
    PadtForOtherSession,
    /// A PADT for our session id from another AC.
    PadtFromOtherConcentrator,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 19] = [
        Self::Malformed,
        Self::NotForClients,
        Self::UnknownCode,
        Self::SourceNotUnicast,
        Self::OfferWithSession,
        Self::NotAwaited,
        Self::HostUniq,
        Self::FilteredByMac,
        Self::NoAcName,
        Self::FilteredByAcName,
        Self::FilteredByServiceName,
        Self::OversizeTag,
        Self::RefusingOffer,
        Self::TooManyOffers,
        Self::WrongConcentrator,
        Self::NoSessionId,
        Self::DuplicatePads,
        Self::PadtForOtherSession,
        Self::PadtFromOtherConcentrator,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "pppoe-malformed",
            Self::NotForClients => "pppoe-not-for-clients",
            Self::UnknownCode => "pppoe-unknown-code",
            Self::SourceNotUnicast => "pppoe-source-not-unicast",
            Self::OfferWithSession => "pado-with-session",
            Self::NotAwaited => "pppoe-not-awaited",
            Self::HostUniq => "pppoe-host-uniq",
            Self::FilteredByMac => "pado-filtered-by-mac",
            Self::NoAcName => "pado-no-ac-name",
            Self::FilteredByAcName => "pado-filtered-by-ac-name",
            Self::FilteredByServiceName => "pado-filtered-by-service-name",
            Self::OversizeTag => "pado-oversize-tag",
            Self::RefusingOffer => "pado-refusing",
            Self::TooManyOffers => "pado-too-many",
            Self::WrongConcentrator => "pads-wrong-concentrator",
            Self::NoSessionId => "pads-no-session-id",
            Self::DuplicatePads => "pads-duplicate",
            Self::PadtForOtherSession => "padt-for-other-session",
            Self::PadtFromOtherConcentrator => "padt-from-other-concentrator",
        }
    }
}

/// How often each reason of [`Dropped`] occurred. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters([u32; Dropped::ALL.len()]);

impl Counters {
    /// Counts one.
    pub fn count(&mut self, reason: Dropped) {
        let counter = &mut self.0[reason as usize];
        *counter = counter.wrapping_add(1);
    }

    /// How often `reason` occurred.
    pub const fn of(&self, reason: Dropped) -> u32 {
        self.0[reason as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Dropped, u32)> {
        Dropped::ALL.into_iter().zip(self.0)
    }
}
