//! Queries under way, and the clients that wait for them.

use gatelet_wire::dns::{ExtendedError, MAX_NAME_LEN, MAX_UDP_LEN};
use gatelet_wire::dns::{Flags, NameBuf, Opt, Rcode, Type};
use rand_core::Rng;
use smoltcp::time::Instant;

use super::cache::{EntryId, Flavour, Key};
use super::{Client, MAX_UPSTREAMS, QueryId, Transport, UDP_PAYLOAD_SIZE};

/// A query under way. Opaque; lent by the owner as [`Default`] makes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pending(pub(super) Option<Outstanding>);

/// A client that waits. Opaque; lent by the owner as [`Default`] makes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waiter(pub(super) Option<Waiting>);

#[derive(Debug, Clone, Copy)]
pub(super) struct Outstanding {
    /// In small letters.
    pub(super) name: NameBuf,
    pub(super) kind: Type,
    pub(super) flavour: Flavour,
    pub(super) exchange: Exchange,
    /// How often each server has been asked.
    pub(super) asked: [u8; MAX_UPSTREAMS],
    pub(super) attempts: u8,
    /// The servers, a bit for each, that are asked this without 0x20, because an answer of theirs came
    /// back in another case,
    pub(super) without_case: u8,
    /// and those without EDNS, because they could not read it.
    pub(super) without_edns: u8,
    /// When those who wait get what is stale.
    pub(super) stale_at: Option<Instant>,
    pub(super) phase: Phase,
}

/// What an answer must match: drawn anew for whatever is not just a repetition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    pub(super) generation: u16,
    pub(super) id: u16,
    pub(super) source_port: u16,
    /// Which letters are asked for as capitals, where 0x20 is in use.
    pub(super) case: Case,
    /// The servers that were asked, a bit for each,
    pub(super) asked: u8,
    /// and of those the ones that were asked with mixed letters,
    pub(super) asked_mixed: u8,
    /// and with EDNS.
    pub(super) asked_edns: u8,
    /// Answers with another ID so far.
    pub(super) wrong_ids: u8,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    /// A message to a server is due.
    Send { upstream: u8, transport: Transport },
    /// It was sent.
    Await { upstream: u8, transport: Transport, sent_at: Instant, until: Instant },
    /// Those who wait get this.
    Answered { entry: EntryId, is_stale: bool },
    /// Those who wait get this, and no records.
    Failed { rcode: Rcode, error: ExtendedError },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// The number of the query.
    pub(super) slot: u8,
    pub(super) client: Client,
    pub(super) form: ReplyForm,
    /// It gets what is stale, now.
    pub(super) wants_stale: bool,
}

/// What of a client's query goes into its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyForm {
    pub(super) id: u16,
    /// Opcode, RD, AD and CD.
    pub(super) flags: Flags,
    /// The letters of the question, as the client had them.
    pub(super) case: Case,
    pub(super) edns: Option<ClientEdns>,
}

/// What a client said of EDNS.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientEdns {
    udp_payload_size: u16,
    pub(super) dnssec_ok: bool,
}

impl Outstanding {
    pub(super) const fn key(&self) -> Key<'_> {
        Key { name: &self.name, kind: self.kind, flavour: self.flavour }
    }

    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Send { .. } | Phase::Await { .. })
    }

    pub(super) const fn query(&self, slot: u8) -> QueryId {
        QueryId { slot, generation: self.exchange.generation }
    }

    /// The name as `upstream` is, or was, asked for it.
    pub(super) fn asked_name(&self, is_mixed: bool) -> NameBuf {
        if is_mixed { self.exchange.case.applied_to(self.name) } else { self.name }
    }
}

impl ReplyForm {
    /// The longest message this client can receive over UDP.
    pub(super) fn udp_limit(&self) -> usize {
        let size = self.edns.map_or(0, |edns| edns.udp_payload_size.min(UDP_PAYLOAD_SIZE));
        usize::from(size).max(MAX_UDP_LEN)
    }

    /// Whether the client would know what AD means (RFC 6840 §5.7).
    pub(super) fn wants_authentic_data(&self) -> bool {
        self.flags.contains(Flags::AUTHENTIC_DATA) || self.edns.is_some_and(|edns| edns.dnssec_ok)
    }
}

impl From<Opt<'_>> for ClientEdns {
    fn from(opt: Opt<'_>) -> Self {
        Self { udp_payload_size: opt.udp_payload_size, dnssec_ok: opt.flags & Opt::DNSSEC_OK != 0 }
    }
}

/// Which octets of a name are capital letters, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Case([u8; MAX_NAME_LEN.div_ceil(8)]);

impl Case {
    pub(super) const SMALL: Self = Self([0; MAX_NAME_LEN.div_ceil(8)]);

    pub(super) fn of(name: &NameBuf) -> Self {
        let mut case = Self::SMALL;
        for (number, _) in name.as_bytes().iter().enumerate().filter(|(_, octet)| octet.is_ascii_uppercase())
        {
            if let Some(bits) = case.0.get_mut(number / 8) {
                *bits |= 1 << (number % 8);
            }
        }
        case
    }

    pub(super) fn random(rng: &mut dyn Rng) -> Self {
        let mut case = Self::SMALL;
        rng.fill_bytes(&mut case.0);
        case
    }

    pub(super) fn applied_to(&self, mut name: NameBuf) -> NameBuf {
        name.map_letters(|number, letter| {
            let is_capital = self.0.get(number / 8).is_some_and(|bits| bits >> (number % 8) & 1 == 1);
            if is_capital { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
        });
        name
    }
}
