//! What clients say, and what they are told.

use gatelet_wire::dns::{
    Class, ExtendedError, Flags, Message, NameBuf, Opcode, Opt, Question, Rcode, Type, Writer,
};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::Forwarder;
use crate::dns::MAX_UPSTREAMS;
use crate::dns::cache::{EntryId, Flavour, Freshness, Key};
use crate::dns::compose::{Treatment, compose};
use crate::dns::face::{Client, ClientTransport, Destination, Hosts, Transmit, Transport};
use crate::dns::limit::admit;
use crate::dns::pending::{Case, ClientEdns, Outstanding, Phase, ReplyForm, Waiting};
use crate::dns::{Dropped, local};

/// After this long a client gets what is stale, while the query goes on (RFC 8767 §5).
const STALE_AFTER: Duration = Duration::from_millis(1_800);
/// How long the answer to ANY may be kept, seconds (RFC 8482 §4.2 leaves it open).
const ANY_TTL_S: u32 = 3_600;
/// The data of that HINFO: the CPU is "RFC8482", the OS nothing.
const ANY_DATA: &[u8] = b"\x07RFC8482\x00";

#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    pub(super) client: Client,
    form: ReplyForm,
    body: Body,
    treatment: Treatment,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    /// So many octets of `local`.
    Local(usize),
    Cached(EntryId),
}

/// What of a query is known once it has been read.
struct Asked {
    client: Client,
    form: ReplyForm,
    name: NameBuf,
    kind: Type,
    flavour: Flavour,
}

impl Forwarder<'_> {
    pub(super) fn take_query(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        client: Client,
        bytes: &[u8],
        hosts: &Hosts<'_>,
    ) -> Result<(), Dropped> {
        if !admit(self.clients, &self.config, now, client.remote.addr) {
            return Err(Dropped::RateLimited);
        }
        let message = Message::parse(bytes).map_err(|_| Dropped::QueryTruncated)?;
        if message.flags().contains(Flags::RESPONSE) {
            return Err(Dropped::QueryIsResponse);
        }
        if self.reply.is_some() {
            self.drop_reply();
            self.counters.count(Dropped::ReplyNotFetched);
        }
        let mut form = ReplyForm { id: message.id(), flags: message.flags(), case: Case::SMALL, edns: None };
        if message.flags().opcode() != Opcode::QUERY {
            return self.refuse(client, form, None, Rcode::NOTIMP, Dropped::Opcode);
        }
        let read = (message.question_count() == 1).then(|| read_query(&message)).flatten();
        let Some((question, opt)) = read else {
            return self.refuse(client, form, None, Rcode::FORMERR, Dropped::QueryMalformed);
        };
        let name = question.name.to_buf();
        form.case = Case::of(&name);
        form.edns = opt.map(ClientEdns::from);
        let name = name.to_ascii_lowercase();
        let asked = Some((&name, question.kind, question.class));
        if opt.is_some_and(|opt| opt.version > 0) {
            return self.refuse(client, form, asked, Rcode::BADVERS, Dropped::EdnsVersion);
        }
        if question.class != Class::IN {
            return self.refuse(client, form, asked, Rcode::NOTIMP, Dropped::Class);
        }
        if question.kind == Type::ANY {
            return self.refuse_any(client, form, &name);
        }
        if question.kind.is_meta() {
            return self.refuse(client, form, asked, Rcode::REFUSED, Dropped::MetaType);
        }
        if let Some(answer) = local::answer(&self.config, hosts, &name, question.kind) {
            self.statistics.local = self.statistics.local.wrapping_add(1);
            if let Ok(len) = local::emit(&answer, &name, question.kind, &mut self.local) {
                self.reply_local(client, form, len, None);
            }
            return Ok(());
        }
        let flavour = Flavour {
            dnssec_ok: form.edns.is_some_and(|edns| edns.dnssec_ok),
            checking_disabled: form.flags.contains(Flags::CHECKING_DISABLED),
        };
        self.resolve(now, rng, &Asked { client, form, name, kind: question.kind, flavour })
    }

    /// Answers from the cache, or asks.
    fn resolve(&mut self, now: Instant, rng: &mut dyn Rng, asked: &Asked) -> Result<(), Dropped> {
        let key = Key { name: &asked.name, kind: asked.kind, flavour: asked.flavour };
        let known = self.cache.find(now, &key, self.config.stale_max_s);
        let under_way = self.pending.iter().position(|pending| {
            pending.0.as_ref().is_some_and(|it| {
                it.is_under_way()
                    && (it.kind, it.flavour) == (asked.kind, asked.flavour)
                    && it.name.eq_ignore_ascii_case(&asked.name)
            })
        });
        let can_ask = self.is_wan_up && !self.upstreams.is_empty();
        if let Some((entry, freshness)) = known {
            let is_late = under_way
                .and_then(|slot| self.outstanding(slot as u8))
                .is_some_and(|it| it.stale_at.is_none());
            if freshness == Freshness::Fresh {
                self.statistics.hits = self.statistics.hits.wrapping_add(1);
                self.reply_cached(asked, entry, false);
                return Ok(());
            }
            if freshness == Freshness::Tried || is_late || !can_ask {
                self.reply_cached(asked, entry, true);
                return Ok(());
            }
        }
        let question = Some((&asked.name, asked.kind, Class::IN));
        if !asked.form.flags.contains(Flags::RECURSION_DESIRED) {
            return self.refuse(asked.client, asked.form, question, Rcode::REFUSED, Dropped::NoRecursion);
        }
        if !can_ask {
            let refused =
                self.refuse(asked.client, asked.form, question, Rcode::SERVFAIL, Dropped::NoUpstream);
            if let Some(reply) = &mut self.reply {
                reply.treatment.error = Some(ExtendedError::NETWORK_ERROR);
            }
            return refused;
        }
        let stale_at = known.map(|_| now + STALE_AFTER);
        match self.wait(now, rng, asked, under_way, stale_at) {
            // What is stale needs no place.
            Err(Dropped::ClientQuota | Dropped::TableFull) if let Some((entry, _)) = known => {
                self.reply_cached(asked, entry, true);
                Ok(())
            }
            // A UDP client asks again in a moment, when there may be room. A TCP client would wait.
            Err(reason @ (Dropped::ClientQuota | Dropped::TableFull))
                if asked.client.transport != ClientTransport::Udp =>
            {
                self.refuse(asked.client, asked.form, question, Rcode::SERVFAIL, reason)
            }
            result => result,
        }
    }

    /// Lets the client wait for a query under way, or for a new one.
    fn wait(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        asked: &Asked,
        under_way: Option<usize>,
        stale_at: Option<Instant>,
    ) -> Result<(), Dropped> {
        let waiting = || self.waiters.iter().filter_map(|waiter| waiter.0.as_ref());
        let is_same = |other: &Waiting| {
            other.client == asked.client
                && other.form.id == asked.form.id
                && under_way == Some(usize::from(other.slot))
        };
        if waiting().any(is_same) {
            return Err(Dropped::Duplicate);
        }
        let places = self.pending.len().min(self.waiters.len());
        let most = (places - places.div_ceil(4)).max(1);
        let quota = usize::from(self.config.queries_per_client).min(most);
        if waiting().filter(|other| other.client.remote.addr == asked.client.remote.addr).count() >= quota {
            return Err(Dropped::ClientQuota);
        }
        let place = self.waiters.iter().position(|waiter| waiter.0.is_none()).ok_or(Dropped::TableFull)?;
        let slot = if let Some(slot) = under_way {
            self.statistics.coalesced = self.statistics.coalesced.wrapping_add(1);
            slot as u8
        } else {
            self.begin(now, rng, asked, stale_at)?
        };
        if let Some(waiter) = self.waiters.get_mut(place) {
            waiter.0 = Some(Waiting { slot, client: asked.client, form: asked.form, wants_stale: false });
        }
        Ok(())
    }

    /// Begins a query to the servers.
    fn begin(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        asked: &Asked,
        stale_at: Option<Instant>,
    ) -> Result<u8, Dropped> {
        let free = self.pending.iter().position(|pending| pending.0.is_none());
        // One that nobody waits for any more only refreshes the cache.
        let place = free
            .or_else(|| (0..self.pending.len()).find(|slot| !self.is_waited_for(*slot as u8)))
            .ok_or(Dropped::TableFull)?;
        let slot = place as u8;
        self.release(slot);
        let upstream = self.upstreams.choose(now, [0; MAX_UPSTREAMS]).ok_or(Dropped::NoUpstream)?;
        let exchange = self.draw_exchange(rng);
        if let Some(pending) = self.pending.get_mut(place) {
            pending.0 = Some(Outstanding {
                name: asked.name,
                kind: asked.kind,
                flavour: asked.flavour,
                exchange,
                asked: [0; MAX_UPSTREAMS],
                attempts: 0,
                without_case: 0,
                without_edns: 0,
                stale_at,
                phase: Phase::Send { upstream, transport: Transport::Udp },
            });
        }
        Ok(slot)
    }

    /// Answers with a code and no records.
    fn refuse(
        &mut self,
        client: Client,
        form: ReplyForm,
        asked: Option<(&NameBuf, Type, Class)>,
        rcode: Rcode,
        reason: Dropped,
    ) -> Result<(), Dropped> {
        let mut writer = Writer::new(&mut self.local, 0, Flags::RESPONSE);
        if let Some((name, kind, class)) = asked {
            writer.question(name, kind, class);
        }
        if let Ok(len) = writer.finish() {
            self.reply_local(client, form, len, Some(rcode));
        }
        Err(reason)
    }

    fn refuse_any(&mut self, client: Client, form: ReplyForm, name: &NameBuf) -> Result<(), Dropped> {
        let mut writer = Writer::new(&mut self.local, 0, Flags::RESPONSE);
        writer.question(name, Type::ANY, Class::IN).answer(Type::HINFO, ANY_TTL_S, ANY_DATA);
        if let Ok(len) = writer.finish() {
            self.reply_local(client, form, len, None);
        }
        Err(Dropped::Any)
    }

    fn reply_local(&mut self, client: Client, form: ReplyForm, len: usize, rcode: Option<Rcode>) {
        let treatment = Treatment { rcode, ..Treatment::default() };
        self.reply = Some(Reply { client, form, body: Body::Local(len), treatment });
    }

    fn reply_cached(&mut self, asked: &Asked, entry: EntryId, is_stale: bool) {
        if is_stale {
            self.statistics.stale = self.statistics.stale.wrapping_add(1);
        }
        self.cache.owe(entry);
        let treatment = cached(is_stale, self.cache.is_failure(entry));
        let (client, form) = (asked.client, asked.form);
        self.reply = Some(Reply { client, form, body: Body::Cached(entry), treatment });
    }

    pub(super) fn drop_reply(&mut self) {
        if let Some(Reply { body: Body::Cached(entry), .. }) = self.reply.take() {
            self.cache.settle(entry);
        }
    }

    pub(super) fn transmit_reply(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let reply = self.reply.take()?;
        let composed = match reply.body {
            Body::Local(len) => {
                let message = self.local.get(..len).unwrap_or_default();
                compose(message, &reply.form, reply.client.transport, &reply.treatment, buffer)
            }
            Body::Cached(entry) => {
                let composed = self.cache.message(now, entry).and_then(|(message, age_s)| {
                    let treatment = Treatment { age_s, ..reply.treatment };
                    compose(message, &reply.form, reply.client.transport, &treatment, buffer)
                });
                self.cache.settle(entry);
                composed
            }
        };
        self.composed(reply.client, composed)
    }

    pub(super) fn transmit_answer(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        loop {
            let is_due = |waiting: &Waiting| {
                let over = self.outstanding(waiting.slot).is_some_and(|it| !it.is_under_way());
                waiting.wants_stale || over
            };
            let place = self.waiters.iter().position(|waiter| waiter.0.as_ref().is_some_and(is_due))?;
            let waiting = self.waiters.get_mut(place)?.0.take()?;
            let outstanding = *self.outstanding(waiting.slot)?;
            if outstanding.is_under_way()
                && self.cache.find(now, &outstanding.key(), self.config.stale_max_s).is_none()
            {
                // What is stale has made room for something else meanwhile: back to waiting.
                self.waiters.get_mut(place)?.0 = Some(Waiting { wants_stale: false, ..waiting });
                continue;
            }
            let composed = self.compose_answer(now, &waiting, buffer);
            self.collect();
            let transmit = self.composed(waiting.client, composed);
            if transmit.is_some() {
                return transmit;
            }
        }
    }

    fn compose_answer(&mut self, now: Instant, waiting: &Waiting, buffer: &mut [u8]) -> Option<usize> {
        let outstanding = *self.outstanding(waiting.slot)?;
        let (entry, is_stale) = match outstanding.phase {
            Phase::Answered { entry, is_stale } => (entry, is_stale),
            Phase::Failed { rcode, error } => {
                let mut message = [0; 12 + 255 + 4];
                let len = Writer::new(&mut message, 0, Flags::RESPONSE)
                    .question(&outstanding.name, outstanding.kind, Class::IN)
                    .finish()
                    .ok()?;
                let treatment = Treatment { rcode: Some(rcode), error: Some(error), ..Treatment::default() };
                let message = message.get(..len)?;
                return compose(message, &waiting.form, waiting.client.transport, &treatment, buffer);
            }
            Phase::Send { .. } | Phase::Await { .. } => {
                let found = self.cache.find(now, &outstanding.key(), self.config.stale_max_s);
                (found?.0, true)
            }
        };
        if is_stale {
            self.statistics.stale = self.statistics.stale.wrapping_add(1);
        }
        let (message, age_s) = self.cache.message(now, entry)?;
        let treatment = Treatment { age_s, ..cached(is_stale, false) };
        compose(message, &waiting.form, waiting.client.transport, &treatment, buffer)
    }

    fn composed(&mut self, client: Client, composed: Option<usize>) -> Option<Transmit> {
        if composed.is_none() {
            self.counters.count(Dropped::BufferTooSmall);
        }
        Some(Transmit { to: Destination::Client(client), len: composed? })
    }
}

/// The question and the EDNS of a client's query, if all of it can be read.
fn read_query<'m>(message: &Message<'m>) -> Option<(Question<'m>, Option<Opt<'m>>)> {
    let layout = message.check().ok()?;
    Some((message.question().ok()??, layout.opt))
}

fn cached(is_stale: bool, is_failure: bool) -> Treatment {
    let error = match (is_stale, is_failure) {
        (true, _) => Some(ExtendedError::STALE_ANSWER),
        (_, true) => Some(ExtendedError::NO_REACHABLE_AUTHORITY),
        _ => None,
    };
    Treatment { is_stale, error, ..Treatment::default() }
}
