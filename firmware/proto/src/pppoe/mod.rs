//! `PPPoE` Discovery, the client's side (RFC 2516, RFC 4638).

/// The two Discovery messages a client starts an exchange with. Concentrators count them against
/// their throttles, so each needs a permit of the redial engine before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiscoveryMessage {
    /// `PPPoE` Active Discovery Initiation (RFC 2516 §5.1).
    Padi,
    /// `PPPoE` Active Discovery Request (RFC 2516 §5.3).
    Padr,
}
