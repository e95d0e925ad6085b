//! The forwarder itself: what it does with queries, answers and time.

mod answers;
mod clients;
mod servers;

use gatelet_wire::IpAddress;
use gatelet_wire::dns::{ExtendedError, NameBuf};
use heapless::Deque;
use rand_core::Rng;
use smoltcp::time::Instant;
use smoltcp::wire::IpEndpoint;

use super::MAX_UPSTREAMS;
use super::cache::Cache;
use super::counters::{Counters, Dropped, Statistics};
use super::face::{
    Client, ClientTransport, Config, Event, Hosts, NameList, QueryId, Tables, Transmit, Transport,
};
use super::limit::ClientRate;
use super::local::ANSWER_MAX;
use super::pending::{Outstanding, Pending, Phase, Waiter};
use super::rebind::Rebind;
use super::upstream::Upstreams;
use clients::Reply;

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
            (outstanding.attempts, outstanding.without_case, outstanding.without_edns) = (0, 0, 0);
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
