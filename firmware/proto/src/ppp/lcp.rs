//! LCP's options: MRU, the authentication demanded of us, and the magic number with its loop
//! detection.
//!
//! Reading list: RFC 1661 §6.1 (MRU), §6.2 (Authentication-Protocol), §6.4 (Magic-Number); RFC 2516
//! §7 (MRU at most 1492, no ACCM, FCS alternatives or compressed headers on Ethernet); RFC 4638 (MRU
//! up to 1500).

use gatelet_wire::ppp::lcp::ConfigOption;
use gatelet_wire::ppp::{RawOption, Writer};
use rand_core::Rng;

use super::auth::AuthMethod;
use super::io::DEFAULT_MRU;
use super::negotiation::{Judgement, Options};

/// What LCP asks for and has learnt.
#[derive(Debug)]
pub(super) struct LcpOptions {
    /// The most we receive and send, octets.
    limit: u16,
    minimum_auth: AuthMethod,
    /// What we ask for; `None` once the peer rejected the option.
    mru: Option<u16>,
    magic_number: Option<u32>,
    /// Of the peer's Configure-Request under judgement, which is the acknowledged one once LCP is
    /// Opened.
    peer_mru: u16,
    auth: Option<AuthMethod>,
    /// Naks of its authentication option, and what it last offered.
    pub(super) auth_refusals: u8,
    pub(super) auth_offered: Option<AuthMethod>,
    /// Configure-Requests in a row that bore our own magic number.
    pub(super) loops: u8,
    /// What we suggest in a Configure-Nak.
    suggested_magic: u32,
}

/// Own magic numbers in a row that make a loop. After each we draw a new one, so chance would need
/// to guess 96 bits.
pub(super) const LOOPS_FOR_SURE: u8 = 3;

/// The least MRU we acknowledge, octets: pppd's `MINMRU`.
const MIN_MRU: u16 = 128;

impl LcpOptions {
    pub(super) fn new(rng: &mut dyn Rng, limit: u16, minimum_auth: AuthMethod) -> Self {
        Self {
            limit,
            minimum_auth,
            mru: Some(limit),
            magic_number: Some(random_magic(rng)),
            peer_mru: DEFAULT_MRU,
            auth: None,
            auth_refusals: 0,
            auth_offered: None,
            loops: 0,
            suggested_magic: 0,
        }
    }

    /// The most the peer may send us, octets.
    pub(super) fn mru(&self) -> u16 {
        self.mru.unwrap_or(DEFAULT_MRU)
    }

    /// The most we may send the peer, octets.
    pub(super) fn peer_mru(&self) -> u16 {
        self.peer_mru.min(self.limit)
    }

    /// The authentication we agreed to.
    pub(super) const fn auth(&self) -> Option<AuthMethod> {
        self.auth
    }

    /// Our magic number, 0 without one.
    pub(super) fn magic_number(&self) -> u32 {
        self.magic_number.unwrap_or(0)
    }

    /// What we suggest instead of an authentication we refused: what is acceptable, most widely
    /// spoken first, another one each time.
    fn suggested_auth(&self) -> AuthMethod {
        let preference = [AuthMethod::ChapMd5, AuthMethod::MsChapV2, AuthMethod::Pap];
        let acceptable = || preference.into_iter().filter(|method| *method >= self.minimum_auth);
        // The refusal this suggestion belongs to is counted already.
        let turn = usize::from(self.auth_refusals.saturating_sub(1)) % acceptable().count().max(1);
        acceptable().nth(turn).unwrap_or(AuthMethod::MsChapV2)
    }

    fn judge_auth(&mut self, offered: Option<AuthMethod>) -> Judgement {
        self.auth_offered = offered;
        match offered {
            Some(method) if method >= self.minimum_auth => {
                self.auth = offered;
                Judgement::Ack
            }
            _ => {
                self.auth_refusals = self.auth_refusals.saturating_add(1);
                Judgement::NakAlways
            }
        }
    }

    fn judge_magic(&mut self, rng: &mut dyn Rng, magic: u32) -> Judgement {
        let ours = self.magic_number == Some(magic);
        self.loops = if ours { self.loops.saturating_add(1) } else { 0 };
        if ours || magic == 0 {
            self.suggested_magic = random_magic(rng);
            return Judgement::NakAlways;
        }
        Judgement::Ack
    }
}

impl Options for LcpOptions {
    fn write_request(&self, writer: &mut Writer<'_>) {
        if let Some(mru) = self.mru {
            ConfigOption::MaximumReceiveUnit(mru).write(writer);
        }
        if let Some(magic) = self.magic_number {
            ConfigOption::MagicNumber(magic).write(writer);
        }
    }

    fn begin_peer_request(&mut self) {
        self.peer_mru = DEFAULT_MRU;
        self.auth = None;
    }

    fn judge(&mut self, rng: &mut dyn Rng, option: RawOption<'_>) -> Judgement {
        match ConfigOption::parse(option) {
            Ok(ConfigOption::MaximumReceiveUnit(mru)) if mru >= MIN_MRU => {
                self.peer_mru = mru;
                Judgement::Ack
            }
            Ok(ConfigOption::MaximumReceiveUnit(_)) => Judgement::Nak,
            Ok(ConfigOption::AuthenticationProtocol(auth)) => self.judge_auth(AuthMethod::from_option(auth)),
            Ok(ConfigOption::MagicNumber(magic)) => self.judge_magic(rng, magic),
            // RFC 2516 §7 forbids or discourages the rest.
            Ok(_) | Err(_) => Judgement::Reject,
        }
    }

    fn write_suggestion(&self, kind: u8, writer: &mut Writer<'_>) {
        let suggestions = [
            ConfigOption::MaximumReceiveUnit(self.limit),
            ConfigOption::AuthenticationProtocol(self.suggested_auth().option()),
            ConfigOption::MagicNumber(self.suggested_magic),
        ];
        for suggestion in suggestions {
            if suggestion.kind() == kind {
                suggestion.write(writer);
            }
        }
    }

    fn handle_nak(&mut self, rng: &mut dyn Rng, option: RawOption<'_>, stubborn: bool) {
        match ConfigOption::parse(option) {
            Ok(ConfigOption::MaximumReceiveUnit(_)) if stubborn => self.mru = None,
            Ok(ConfigOption::MaximumReceiveUnit(mru)) => {
                // We cannot receive more than we said; less we can.
                self.mru = self.mru.map(|ours| if mru >= MIN_MRU { ours.min(mru) } else { ours });
            }
            Ok(ConfigOption::MagicNumber(_)) if stubborn => self.magic_number = None,
            // Whatever it suggests, a new one is drawn (RFC 1661 §6.4).
            Ok(ConfigOption::MagicNumber(_)) => {
                self.magic_number = self.magic_number.map(|_| random_magic(rng));
            }
            _ => {}
        }
    }

    fn is_looped_back(&self) -> bool {
        self.loops > 0
    }

    fn handle_reject(&mut self, option: RawOption<'_>) -> bool {
        match ConfigOption::parse(option) {
            Ok(ConfigOption::MaximumReceiveUnit(_)) => self.mru.take().is_some(),
            Ok(ConfigOption::MagicNumber(_)) => self.magic_number.take().is_some(),
            _ => false,
        }
    }
}

/// A number that is not 0, which stands for none (RFC 1661 §6.4).
fn random_magic(rng: &mut dyn Rng) -> u32 {
    rng.next_u32().max(1)
}
