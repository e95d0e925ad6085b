//! IPV6CP's option: the interface identifiers of both sides.
//!
//! Reading list: RFC 5072 §4.1 (Interface-Identifier: drawn at random, never zero, never the
//! peer's).

use gatelet_wire::ppp::ipv6cp::ConfigOption;
use gatelet_wire::ppp::{RawOption, Writer};
use rand_core::Rng;

use super::negotiation::{Judgement, Options};

/// What IPV6CP asks for and has learnt.
#[derive(Debug)]
pub(super) struct Ipv6cpOptions {
    local: [u8; 8],
    /// Whether the peer rejected the option.
    rejected: bool,
    /// The peer's, of its newest Configure-Request.
    peer: Option<[u8; 8]>,
    /// What we suggest in a Configure-Nak.
    suggested: [u8; 8],
}

impl Ipv6cpOptions {
    /// Draws an interface identifier.
    pub(super) fn new(rng: &mut dyn Rng) -> Self {
        Self { local: random_identifier(rng), rejected: false, peer: None, suggested: [0; 8] }
    }

    /// Our identifier, if there was agreement on it.
    pub(super) fn agreed(&self) -> Option<[u8; 8]> {
        (!self.rejected).then_some(self.local)
    }

    /// The peer's identifier, if it told.
    pub(super) const fn peer(&self) -> Option<[u8; 8]> {
        self.peer
    }
}

impl Options for Ipv6cpOptions {
    fn write_request(&self, writer: &mut Writer<'_>) {
        if !self.rejected {
            ConfigOption::InterfaceIdentifier(self.local).write(writer);
        }
    }

    fn begin_peer_request(&mut self) {
        self.peer = None;
    }

    fn judge(&mut self, rng: &mut dyn Rng, option: RawOption<'_>) -> Judgement {
        let Ok(ConfigOption::InterfaceIdentifier(identifier)) = ConfigOption::parse(option) else {
            return Judgement::Reject;
        };
        if identifier == [0; 8] || identifier == self.local {
            self.suggested = random_identifier(rng);
            return Judgement::Nak;
        }
        self.peer = Some(identifier);
        Judgement::Ack
    }

    fn write_suggestion(&self, _kind: u8, writer: &mut Writer<'_>) {
        ConfigOption::InterfaceIdentifier(self.suggested).write(writer);
    }

    fn handle_nak(&mut self, rng: &mut dyn Rng, option: RawOption<'_>, _stubborn: bool) {
        if let Ok(ConfigOption::InterfaceIdentifier(identifier)) = ConfigOption::parse(option) {
            let usable = identifier != [0; 8] && Some(identifier) != self.peer;
            self.local = if usable { identifier } else { random_identifier(rng) };
        }
    }

    fn handle_reject(&mut self, option: RawOption<'_>) -> bool {
        let ours = matches!(ConfigOption::parse(option), Ok(ConfigOption::InterfaceIdentifier(_)));
        ours && !core::mem::replace(&mut self.rejected, true)
    }
}

/// A random identifier with the universal/local bit clear, as RFC 5072 §4.1 asks of one that is not
/// made from a MAC address.
fn random_identifier(rng: &mut dyn Rng) -> [u8; 8] {
    let mut identifier = rng.next_u64().max(1).to_be_bytes();
    identifier[0] &= !0x02;
    if identifier == [0; 8] {
        identifier[7] = 1;
    }
    identifier
}
