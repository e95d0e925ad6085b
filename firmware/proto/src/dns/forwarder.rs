//! The forwarder itself: what it does with queries, answers and time.

use gatelet_wire::IpAddress;
use gatelet_wire::dns::{
    self, Class, ExtendedError, Flags, Layout, Message, NameBuf, Opcode, Opt, PORT, Question, Rcode, Section,
    Type, Writer, rewrite_ttls,
};
use heapless::{Deque, String};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpEndpoint;

use super::cache::{Cache, EntryId, Flavour, Freshness, Key};
use super::compose::{Treatment, compose};
use super::counters::{Counters, Dropped, Statistics};
use super::examine::examine;
use super::face::{
    Client, ClientTransport, Config, Destination, Event, Hosts, NameList, QueryId, Tables, Transmit,
    Transport, UpstreamQuery,
};
use super::limit::{ClientRate, admit};
use super::local::{self, ANSWER_MAX};
use super::pending::{Case, ClientEdns, Exchange, Outstanding, Pending, Phase, ReplyForm, Waiter, Waiting};
use super::rebind::Rebind;
use super::upstream::Upstreams;
use super::{MAX_UPSTREAMS, UDP_PAYLOAD_SIZE};

/// How often servers are asked for one query, all of them together.
const MAX_ATTEMPTS: u8 = 4;
/// How long a server may take over TCP, connecting included.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// After this long a client gets what is stale, while the query goes on (RFC 8767 §5).
const STALE_AFTER: Duration = Duration::from_millis(1_800);
/// For this long nobody is asked again after all have failed, where something stale is there (RFC
/// 8767 §5).
const STALE_RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long it is remembered that all have failed, where nothing is, seconds (RFC 9520 §3.2 asks for
/// at least 1 s and at most 5 min).
const FAILURE_TTL_S: u32 = 5;
/// Answers with a wrong ID after which a query goes on over TCP, where nobody can guess.
const MAX_WRONG_IDS: u8 = 100;
/// How long the answer to ANY may be kept, seconds (RFC 8482 §4.2 leaves it open).
const ANY_TTL_S: u32 = 3_600;
/// The data of that HINFO: the CPU is "RFC8482", the OS nothing.
const ANY_DATA: &[u8] = b"\x07RFC8482\x00";

/// A caching DNS forwarder. See the [module](super) for what it does, [`Tables`] for its bounds.
#[derive(Debug)]
pub struct Forwarder<'a> {
    config: Config,
    rebind: Rebind,
    upstreams: Upstreams,
    cache: Cache<'a>,
    pending: &'a mut [Pending],
    waiters: &'a mut [Waiter],
    clients: &'a mut [ClientRate],
    is_wan_up: bool,
    is_frozen: bool,
    generation: u16,
    /// What the last query is answered with at once.
    reply: Option<Reply>,
    /// The message of that answer, if it is one of our own.
    local: [u8; ANSWER_MAX],
    counters: Counters,
    statistics: Statistics,
    events: Deque<Event, 8>,
}

#[derive(Debug, Clone, Copy)]
struct Reply {
    client: Client,
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

impl<'a> Forwarder<'a> {
    /// A forwarder that knows nobody to ask yet.
    pub fn new(config: Config, tables: Tables<'a>) -> Self {
        let Tables { entries, arena, pending, waiters, clients } = tables;
        pending.fill(Pending(None));
        waiters.fill(Waiter(None));
        clients.fill(ClientRate::default());
        // What the number of a query can name.
        let places = pending.len().min(usize::from(u8::MAX));
        let (pending, _) = pending.split_at_mut(places);
        Self {
            config,
            rebind: Rebind::new(),
            upstreams: Upstreams::new(),
            cache: Cache::new(entries, arena),
            pending,
            waiters,
            clients,
            is_wan_up: false,
            is_frozen: false,
            generation: 0,
            reply: None,
            local: [0; ANSWER_MAX],
            counters: Counters::new(),
            statistics: Statistics::default(),
            events: Deque::new(),
        }
    }

    /// Who the router is, and what holds.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// From now on this holds. What is cached stays.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// Ask these from now on, the one in front first; beyond three, or those that are no host's
    /// address, are left out. Queries under way begin again if it is others than before.
    pub fn set_upstreams(&mut self, now: Instant, rng: &mut dyn Rng, servers: &[IpAddress]) {
        if !self.upstreams.set(servers) {
            return;
        }
        for slot in 0..self.pending.len() as u8 {
            let Some(outstanding) = self.outstanding_mut(slot).filter(|it| it.is_under_way()) else {
                continue;
            };
            outstanding.asked = [0; MAX_UPSTREAMS];
            outstanding.attempts = 0;
            self.ask_next(now, rng, slot, false);
        }
    }

    /// The servers that are asked.
    pub fn upstreams(&self) -> impl Iterator<Item = IpAddress> {
        self.upstreams.iter().map(|upstream| upstream.address)
    }

    /// Whether there is a way to the servers. Without one nobody is asked, and what is stale is
    /// answered at once. A new way begins with a clean slate for every server.
    pub fn set_wan_up(&mut self, now: Instant, is_up: bool) {
        if is_up && !self.is_wan_up {
            self.upstreams.forget();
        }
        self.is_wan_up = is_up;
        if !is_up {
            for slot in 0..self.pending.len() as u8 {
                if self.outstanding(slot).is_some_and(Outstanding::is_under_way) {
                    self.fail(now, slot, ExtendedError::NETWORK_ERROR);
                }
            }
        }
    }

    /// While frozen, nothing that arrives is kept: a captive portal is answering.
    pub fn freeze_cache(&mut self, is_frozen: bool) {
        self.is_frozen = is_frozen;
    }

    /// Forgets every answer.
    pub fn clear_cache(&mut self) {
        self.cache.clear();
    }

    /// These names, and all below them, may have addresses of the LAN's kind.
    pub fn set_rebind_exceptions(&mut self, exceptions: NameList) {
        self.rebind.exceptions = exceptions;
    }

    /// This name alone may have them too, until further notice: a captive portal's.
    pub fn relax_rebind(&mut self, name: Option<NameBuf>) {
        self.rebind.relaxed = name;
    }

    /// How often each reason to ignore or refuse a message occurred.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How queries were answered.
    pub const fn statistics(&self) -> Statistics {
        Statistics { evicted: self.cache.evicted, ..self.statistics }
    }

    /// How many answers are cached, and how many octets they take.
    pub fn cache_usage(&self) -> (usize, usize) {
        self.cache.usage()
    }

    /// Whether an answer to this query is awaited: if not, its owner closes the socket.
    pub fn is_awaiting(&self, query: QueryId) -> bool {
        let same = |it: &&Outstanding| it.exchange.generation == query.generation;
        self.outstanding(query.slot).filter(same).is_some_and(Outstanding::is_under_way)
    }

    /// Takes a message of a client. The answer may be there at once, or later.
    ///
    /// # Errors
    /// Why it was ignored or refused; it has been counted. Those that are refused have an answer,
    /// too.
    pub fn handle_query(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        client: Client,
        message: &[u8],
        hosts: &Hosts<'_>,
    ) -> Result<(), Dropped> {
        self.statistics.queries = self.statistics.queries.wrapping_add(1);
        let taken = self.take_query(now, rng, client, message, hosts);
        self.counted(taken)
    }

    /// The client's TCP connection of this number is gone: nobody waits there any more.
    pub fn forget_client(&mut self, connection: u8) {
        let is_gone = |client: Client| client.transport == ClientTransport::Tcp(connection);
        for waiter in &mut *self.waiters {
            waiter.0.take_if(|waiting| is_gone(waiting.client));
        }
        if self.reply.is_some_and(|reply| is_gone(reply.client)) {
            self.drop_reply();
        }
        self.collect();
    }

    /// Takes a message that arrived for `query`, over TCP without its length.
    ///
    /// # Errors
    /// Why it was ignored; it has been counted.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        query: QueryId,
        transport: Transport,
        from: IpEndpoint,
        message: &[u8],
    ) -> Result<(), Dropped> {
        let taken = self.take_answer(now, rng, query, transport, from, message);
        self.counted(taken)
    }

    /// No TCP connection could be had for `query`, or it ended without an answer.
    pub fn handle_tcp_failed(&mut self, now: Instant, rng: &mut dyn Rng, query: QueryId) {
        let is_tcp = |phase| {
            matches!(
                phase,
                Phase::Await { transport: Transport::Tcp, .. }
                    | Phase::Send { transport: Transport::Tcp, .. }
            )
        };
        if self.is_awaiting(query) && self.outstanding(query.slot).is_some_and(|it| is_tcp(it.phase)) {
            self.ask_next(now, rng, query.slot, false);
        }
    }

    /// The port named for `query` cannot be had: it is asked from another.
    pub fn handle_port_taken(&mut self, rng: &mut dyn Rng, query: QueryId) {
        if !self.is_awaiting(query) {
            return;
        }
        let attempt = self.outstanding(query.slot).map(|it| it.phase);
        if let Some(Phase::Send { upstream, transport } | Phase::Await { upstream, transport, .. }) = attempt
        {
            self.send_anew(rng, query.slot, upstream, transport);
        }
    }

    /// Takes the steps that silence asks for.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut dyn Rng) {
        for slot in 0..self.pending.len() as u8 {
            let Some(outstanding) = self.outstanding_mut(slot).filter(|it| it.is_under_way()) else {
                continue;
            };
            if outstanding.stale_at.is_some_and(|at| at <= now) {
                outstanding.stale_at = None;
                self.serve_stale_meanwhile(now, slot);
            }
            let Some(outstanding) = self.outstanding_mut(slot) else { continue };
            if let Phase::Await { upstream, until, .. } = outstanding.phase
                && until <= now
            {
                self.note_silence(now, upstream);
                self.ask_next(now, rng, slot, true);
            }
        }
        self.collect();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_at(&self) -> Option<Instant> {
        let under_way = self.pending.iter().filter_map(|pending| pending.0.as_ref());
        under_way
            .filter(|it| it.is_under_way())
            .flat_map(|it| {
                let until = match it.phase {
                    Phase::Await { until, .. } => Some(until),
                    _ => None,
                };
                [until, it.stale_at].into_iter().flatten()
            })
            .min()
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Writes the next message that is due into `buffer`, which should have
    /// [`MAX_MESSAGE_LEN`](super::MAX_MESSAGE_LEN) octets: what is longer than the buffer is cut off
    /// as if the client could not receive it.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        self.transmit_reply(now, buffer)
            .or_else(|| self.transmit_answer(now, buffer))
            .or_else(|| self.transmit_query(now, buffer))
    }

    // ---- Queries of clients

    fn take_query(
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
        let half = (self.pending.len().min(self.waiters.len()) / 2).max(1);
        let quota = usize::from(self.config.queries_per_client).min(half);
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
                phase: Phase::Send { upstream: 0, transport: Transport::Udp },
            });
        }
        self.ask_next(now, rng, slot, false);
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

    fn drop_reply(&mut self) {
        if let Some(Reply { body: Body::Cached(entry), .. }) = self.reply.take() {
            self.cache.settle(entry);
        }
    }

    // ---- Questions to servers

    /// On to the next server, or the end: `is_silent` if the one before did not answer, which may
    /// then be asked again.
    fn ask_next(&mut self, now: Instant, rng: &mut dyn Rng, slot: u8, is_silent: bool) {
        let Some(outstanding) = self.outstanding(slot) else { return };
        let asked = outstanding.asked;
        let has_refused =
            |number: &u8| !is_silent && asked.get(usize::from(*number)).is_some_and(|times| *times > 0);
        let is_over = outstanding.attempts >= MAX_ATTEMPTS || !self.is_wan_up;
        let choice = self.upstreams.choose(now, asked).filter(|number| !is_over && !has_refused(number));
        let Some(upstream) = choice else {
            self.fail(now, slot, ExtendedError::NO_REACHABLE_AUTHORITY);
            return;
        };
        // To a server that did not answer, and to the next one, the same message goes from the same
        // port: whichever answers first.
        let transport = Transport::Udp;
        match self.outstanding_mut(slot) {
            Some(Outstanding { phase: phase @ Phase::Await { transport: Transport::Udp, .. }, .. })
                if is_silent =>
            {
                *phase = Phase::Send { upstream, transport };
            }
            _ => self.send_anew(rng, slot, upstream, transport),
        }
    }

    /// Asks with another ID from another port: what was sent before is not waited for any more.
    fn send_anew(&mut self, rng: &mut dyn Rng, slot: u8, upstream: u8, transport: Transport) {
        let exchange = self.draw_exchange(rng);
        if let Some(outstanding) = self.outstanding_mut(slot) {
            outstanding.exchange = exchange;
            outstanding.phase = Phase::Send { upstream, transport };
        }
    }

    fn draw_exchange(&mut self, rng: &mut dyn Rng) -> Exchange {
        self.generation = self.generation.wrapping_add(1);
        let first = self.config.source_port_min.max(1);
        let count = u32::from(self.config.source_port_max.saturating_sub(first)) + 1;
        let offset = ((u64::from(rng.next_u32()) * u64::from(count)) >> 32) as u32;
        let is_free = |port: &u16| {
            !self
                .pending
                .iter()
                .filter_map(|pending| pending.0.as_ref())
                .any(|it| it.exchange.source_port == *port)
        };
        // Of as many ports as there are queries, one is free, unless there are no more ports than that.
        let ports = (offset..offset + self.pending.len() as u32).map(|port| first + (port % count) as u16);
        let source_port = ports.clone().find(is_free).unwrap_or(first + offset as u16);
        Exchange {
            generation: self.generation,
            id: (rng.next_u32() >> 16) as u16,
            source_port,
            case: Case::random(rng),
            asked: 0,
            asked_mixed: 0,
            asked_edns: 0,
            wrong_ids: 0,
        }
    }

    // ---- Answers of servers

    fn take_answer(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        query: QueryId,
        transport: Transport,
        from: IpEndpoint,
        bytes: &[u8],
    ) -> Result<(), Dropped> {
        let slot = query.slot;
        if !self.is_awaiting(query) {
            return Err(Dropped::NotAwaited);
        }
        let outstanding = *self.outstanding(slot).ok_or(Dropped::NotAwaited)?;
        let exchange = outstanding.exchange;
        let upstream = self.upstreams.iter().position(|upstream| upstream.address == from.addr);
        let upstream = upstream.map(|number| number as u8).filter(|number| exchange.asked >> number & 1 == 1);
        let Some(upstream) = upstream.filter(|_| from.port == PORT) else {
            return Err(Dropped::WrongServer);
        };
        let (Phase::Send { transport: expected, .. } | Phase::Await { transport: expected, .. }) =
            outstanding.phase
        else {
            return Err(Dropped::NotAwaited);
        };
        if transport != expected {
            return Err(Dropped::WrongTransport);
        }
        let message = Message::parse(bytes).map_err(|_| Dropped::AnswerMalformed)?;
        if message.id() != exchange.id {
            return Err(self.note_wrong_id(rng, slot, upstream, transport));
        }
        if !message.flags().contains(Flags::RESPONSE) || message.flags().opcode() != Opcode::QUERY {
            return Err(Dropped::AnswerMalformed);
        }
        let has_mixed = exchange.asked_mixed >> upstream & 1 == 1;
        let has_edns = exchange.asked_edns >> upstream & 1 == 1;
        let low_rcode = message.flags().rcode();
        if message.question_count() == 0 && matches!(low_rcode, Rcode::FORMERR | Rcode::NOTIMP) && has_edns {
            // So old a server that it does not even repeat the question.
            self.note_answer(now, slot, upstream);
            self.ask_without_edns(rng, slot, upstream, transport);
            return Ok(());
        }
        let layout = message.check().map_err(|_| Dropped::AnswerMalformed)?;
        let question = message.question().ok().flatten().filter(|_| message.question_count() == 1);
        let question = question.ok_or(Dropped::WrongQuestion)?;
        if !question.name.eq_ignore_ascii_case(&outstanding.name)
            || (question.kind, question.class) != (outstanding.kind, Class::IN)
        {
            return Err(Dropped::WrongQuestion);
        }
        if has_mixed && question.name.to_buf() != outstanding.asked_name(true) {
            self.note_case_lost(rng, slot, upstream, transport);
            return Err(Dropped::WrongCase);
        }

        // It is the server's.
        self.note_answer(now, slot, upstream);
        if has_mixed && let Some(upstream) = self.upstreams.get_mut(upstream) {
            upstream.note_case_kept();
        }
        let rcode = layout.opt.map_or(low_rcode, |opt| opt.rcode(low_rcode));
        if has_edns && matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP | Rcode::BADVERS) {
            self.ask_without_edns(rng, slot, upstream, transport);
            return Ok(());
        }
        if outstanding.without_edns >> upstream & 1 == 1 && !matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP) {
            self.note_edns_off(upstream);
        }
        if message.flags().contains(Flags::TRUNCATED) {
            if transport == Transport::Udp {
                self.send_anew(rng, slot, upstream, Transport::Tcp);
            } else {
                self.ask_next(now, rng, slot, false);
            }
            return Ok(());
        }
        if matches!(rcode, Rcode::FORMERR | Rcode::SERVFAIL | Rcode::NOTIMP | Rcode::REFUSED | Rcode::BADVERS)
        {
            // One that was given up already does not end the wait for the one asked since.
            if matches!(outstanding.phase, Phase::Await { upstream: last, .. } if last == upstream) {
                self.ask_next(now, rng, slot, false);
            }
            return Ok(());
        }
        self.accept(now, slot, &message, &layout, rcode)
    }

    /// The answer to the query, at last.
    fn accept(
        &mut self,
        now: Instant,
        slot: u8,
        message: &Message<'_>,
        layout: &Layout<'_>,
        rcode: Rcode,
    ) -> Result<(), Dropped> {
        let outstanding = *self.outstanding(slot).ok_or(Dropped::NotAwaited)?;
        let examined = examine(&self.config, message, layout, rcode, &outstanding.name, outstanding.kind);
        let is_exempt = !self.config.rebind_protection || self.rebind.is_exempt(&outstanding.name);
        if let Some(address) = examined.private.filter(|_| !is_exempt) {
            self.tell(Event::Rebind { name: shown(&outstanding.name), address });
            self.finish(slot, Phase::Failed { rcode: Rcode::NXDOMAIN, error: ExtendedError::BLOCKED });
            return Err(Dropped::Rebind);
        }
        let bytes = message.bytes().get(..layout.end).unwrap_or_default();
        let entry = if examined.lifetime_s > 0 && !self.is_frozen {
            self.cache.keep(now, &outstanding.key(), bytes, examined.lifetime_s, false)
        } else {
            self.cache.hold(now, &outstanding.key(), bytes)
        };
        let Some(entry) = entry else {
            let error = ExtendedError::NO_REACHABLE_AUTHORITY;
            self.finish(slot, Phase::Failed { rcode: Rcode::SERVFAIL, error });
            return Err(Dropped::AnswerTooLong);
        };
        let drops_additional = examined.has_private_additional && !is_exempt;
        let ttl_floor_s = self.config.ttl_floor_s;
        self.cache.edit_newest(entry, |copy| {
            let len = if drops_additional {
                dns::cut_from(copy, layout, Section::Additional)
            } else {
                // EDNS is between the server and us.
                dns::cut_opt(copy, layout)
            };
            rewrite_ttls(copy.get_mut(..len)?, |_, ttl| ttl.max(ttl_floor_s).min(examined.ttl_max_s)).ok()?;
            Some(len)
        });
        self.statistics.answers = self.statistics.answers.wrapping_add(1);
        self.finish(slot, Phase::Answered { entry, is_stale: false });
        Ok(())
    }

    fn note_answer(&mut self, now: Instant, slot: u8, upstream: u8) {
        let Some(outstanding) = self.outstanding(slot) else { return };
        // What was asked twice does not tell which of the two was answered (RFC 6298 §3).
        let round_trip = match outstanding.phase {
            Phase::Await { upstream: last, sent_at, .. }
                if last == upstream
                    && outstanding.asked.get(usize::from(upstream)) == Some(&1)
                    && now > sent_at =>
            {
                Some(now - sent_at)
            }
            _ => None,
        };
        let Some(upstream) = self.upstreams.get_mut(upstream) else { return };
        let address = upstream.address;
        if upstream.note_answer(round_trip) {
            self.tell(Event::UpstreamAnswers(address));
        }
    }

    fn note_silence(&mut self, now: Instant, upstream: u8) {
        let Some(upstream) = self.upstreams.get_mut(upstream) else { return };
        let address = upstream.address;
        if upstream.note_timeout(now) {
            self.tell(Event::UpstreamSilent(address));
        }
    }

    fn note_wrong_id(&mut self, rng: &mut dyn Rng, slot: u8, upstream: u8, transport: Transport) -> Dropped {
        let Some(outstanding) = self.outstanding_mut(slot) else { return Dropped::WrongId };
        let wrong_ids = &mut outstanding.exchange.wrong_ids;
        *wrong_ids = wrong_ids.saturating_add(1);
        if *wrong_ids < MAX_WRONG_IDS || transport == Transport::Tcp {
            return Dropped::WrongId;
        }
        self.send_anew(rng, slot, upstream, Transport::Tcp);
        if let Some(upstream) = self.upstreams.get(upstream) {
            self.tell(Event::Guessing(upstream.address));
        }
        Dropped::Guessed
    }

    /// Everything fits but the case: a forger who guessed all but that, or a server that changes it.
    /// Asked anew and without it, a forger has all to guess again.
    fn note_case_lost(&mut self, rng: &mut dyn Rng, slot: u8, upstream: u8, transport: Transport) {
        if let Some(outstanding) = self.outstanding_mut(slot) {
            outstanding.without_case |= 1 << upstream;
        }
        self.send_anew(rng, slot, upstream, transport);
        let Some(upstream) = self.upstreams.get_mut(upstream) else { return };
        let address = upstream.address;
        if upstream.note_case_lost() {
            self.tell(Event::CaseRandomisationOff(address));
        }
    }

    fn ask_without_edns(&mut self, rng: &mut dyn Rng, slot: u8, upstream: u8, transport: Transport) {
        if let Some(outstanding) = self.outstanding_mut(slot) {
            outstanding.without_edns |= 1 << upstream;
        }
        self.send_anew(rng, slot, upstream, transport);
    }

    fn note_edns_off(&mut self, upstream: u8) {
        let Some(upstream) = self.upstreams.get_mut(upstream).filter(|upstream| upstream.edns) else {
            return;
        };
        upstream.edns = false;
        let address = upstream.address;
        self.tell(Event::EdnsOff(address));
    }

    // ---- How queries end

    /// Nobody answers: those who wait get what is stale, or are told.
    fn fail(&mut self, now: Instant, slot: u8, error: ExtendedError) {
        let Some(outstanding) = self.outstanding(slot).copied() else { return };
        let stale = self.cache.find(now, &outstanding.key(), self.config.stale_max_s);
        if let Some((entry, _)) = stale {
            self.cache.note_tried(entry, now + STALE_RETRY_AFTER);
            self.finish(slot, Phase::Answered { entry, is_stale: true });
            return;
        }
        self.counters.count(Dropped::AllFailed);
        if self.is_wan_up && !self.is_frozen {
            let mut message = [0; 12 + 255 + 4];
            let flags = Flags::RESPONSE.with_rcode(Rcode::SERVFAIL);
            let written = Writer::new(&mut message, 0, flags)
                .question(&outstanding.name, outstanding.kind, Class::IN)
                .finish();
            if let Some(message) = written.ok().and_then(|len| message.get(..len)) {
                self.cache.keep(now, &outstanding.key(), message, FAILURE_TTL_S, true);
            }
        }
        self.finish(slot, Phase::Failed { rcode: Rcode::SERVFAIL, error });
    }

    fn finish(&mut self, slot: u8, phase: Phase) {
        if let Phase::Answered { entry, .. } = phase {
            self.cache.owe(entry);
        }
        if let Some(outstanding) = self.outstanding_mut(slot) {
            outstanding.phase = phase;
            outstanding.stale_at = None;
        }
        self.collect();
    }

    fn serve_stale_meanwhile(&mut self, now: Instant, slot: u8) {
        let Some(key) = self.outstanding(slot).copied() else { return };
        if self.cache.find(now, &key.key(), self.config.stale_max_s).is_some() {
            let waiting = self.waiters.iter_mut().filter_map(|waiter| waiter.0.as_mut());
            waiting.filter(|waiting| waiting.slot == slot).for_each(|waiting| waiting.wants_stale = true);
        }
    }

    /// Frees the places of queries that are over and that nobody waits for.
    fn collect(&mut self) {
        for slot in 0..self.pending.len() as u8 {
            if self.outstanding(slot).is_some_and(|it| !it.is_under_way()) && !self.is_waited_for(slot) {
                self.release(slot);
            }
        }
    }

    fn release(&mut self, slot: u8) {
        let gone = self.pending.get_mut(usize::from(slot)).and_then(|pending| pending.0.take());
        if let Some(Outstanding { phase: Phase::Answered { entry, .. }, .. }) = gone {
            self.cache.settle(entry);
        }
    }

    fn is_waited_for(&self, slot: u8) -> bool {
        self.waiters.iter().any(|waiter| waiter.0.is_some_and(|waiting| waiting.slot == slot))
    }

    // ---- What is sent

    fn transmit_reply(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
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

    fn transmit_answer(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        loop {
            let is_due = |waiting: &Waiting| {
                let over = self.outstanding(waiting.slot).is_some_and(|it| !it.is_under_way());
                waiting.wants_stale || over
            };
            let place = self.waiters.iter().position(|waiter| waiter.0.as_ref().is_some_and(is_due))?;
            let waiting = self.waiters.get_mut(place)?.0.take()?;
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

    fn transmit_query(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let is_due = |pending: &Pending| pending.0.is_some_and(|it| matches!(it.phase, Phase::Send { .. }));
        let slot = self.pending.iter().position(is_due)? as u8;
        let outstanding = *self.outstanding(slot)?;
        let Phase::Send { upstream: number, transport } = outstanding.phase else { return None };
        let upstream = self.upstreams.get(number)?;
        let is_mixed = upstream.keeps_case && outstanding.without_case >> number & 1 == 0;
        let has_edns = upstream.edns && outstanding.without_edns >> number & 1 == 0;
        let server = upstream.address;
        let repetition = outstanding.asked.get(usize::from(number)).copied().unwrap_or(0);
        let wait = match transport {
            Transport::Udp => upstream.timeout(repetition),
            Transport::Tcp => TCP_TIMEOUT,
        };
        let written = emit_query(&outstanding, is_mixed, has_edns, buffer);
        let outstanding = self.outstanding_mut(slot)?;
        outstanding.phase = Phase::Await { upstream: number, transport, sent_at: now, until: now + wait };
        outstanding.attempts = outstanding.attempts.saturating_add(1);
        if let Some(times) = outstanding.asked.get_mut(usize::from(number)) {
            *times = times.saturating_add(1);
        }
        let bit = 1 << number;
        outstanding.exchange.asked |= bit;
        outstanding.exchange.asked_mixed |= if is_mixed { bit } else { 0 };
        outstanding.exchange.asked_edns |= if has_edns { bit } else { 0 };
        let (query, source_port) = (outstanding.query(slot), outstanding.exchange.source_port);
        let Ok(len) = written else {
            self.counters.count(Dropped::BufferTooSmall);
            return None;
        };
        let statistic = match transport {
            Transport::Udp => &mut self.statistics.asked_udp,
            Transport::Tcp => &mut self.statistics.asked_tcp,
        };
        *statistic = statistic.wrapping_add(1);
        let to = UpstreamQuery { query, server, source_port, transport };
        Some(Transmit { to: Destination::Upstream(to), len })
    }

    // ---- Small things

    fn outstanding(&self, slot: u8) -> Option<&Outstanding> {
        self.pending.get(usize::from(slot))?.0.as_ref()
    }

    fn outstanding_mut(&mut self, slot: u8) -> Option<&mut Outstanding> {
        self.pending.get_mut(usize::from(slot))?.0.as_mut()
    }

    fn counted(&mut self, result: Result<(), Dropped>) -> Result<(), Dropped> {
        result.inspect_err(|reason| self.counters.count(*reason))
    }

    /// Tells the owner; a full queue drops the newest and counts it.
    fn tell(&mut self, event: Event) {
        if self.events.push_back(event).is_err() {
            self.counters.count(Dropped::EventLost);
        }
    }
}

/// The question and the EDNS of a client's query, if all of it can be read.
fn read_query<'m>(message: &Message<'m>) -> Option<(Question<'m>, Option<Opt<'m>>)> {
    let layout = message.check().ok()?;
    Some((message.question().ok()??, layout.opt))
}

fn emit_query(
    outstanding: &Outstanding,
    is_mixed: bool,
    has_edns: bool,
    buffer: &mut [u8],
) -> Result<usize, gatelet_wire::BufferTooSmall> {
    let mut flags = Flags::RECURSION_DESIRED;
    if outstanding.flavour.checking_disabled {
        flags = flags.with(Flags::CHECKING_DISABLED);
    }
    if has_edns {
        // We would like to know, for those clients that will (RFC 6840 §5.7).
        flags = flags.with(Flags::AUTHENTIC_DATA);
    }
    let name = outstanding.asked_name(is_mixed);
    let mut writer = Writer::new(buffer, outstanding.exchange.id, flags);
    writer.question(&name, outstanding.kind, Class::IN);
    if has_edns {
        writer.opt(&Opt {
            udp_payload_size: UDP_PAYLOAD_SIZE,
            extended_rcode: 0,
            version: 0,
            flags: if outstanding.flavour.dnssec_ok { Opt::DNSSEC_OK } else { 0 },
            options: &[],
        });
    }
    writer.finish()
}

fn cached(is_stale: bool, is_failure: bool) -> Treatment {
    let error = match (is_stale, is_failure) {
        (true, _) => Some(ExtendedError::STALE_ANSWER),
        (_, true) => Some(ExtendedError::NO_REACHABLE_AUTHORITY),
        _ => None,
    };
    Treatment { is_stale, error, ..Treatment::default() }
}

/// As much of the name as fits.
fn shown<const N: usize>(name: &NameBuf) -> String<N> {
    use core::fmt::Write as _;
    let mut text = String::new();
    let _ = write!(text, "{name}");
    text
}
