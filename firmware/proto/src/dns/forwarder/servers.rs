//! How servers are asked, and what becomes of it in the end.

use gatelet_wire::BufferTooSmall;
use gatelet_wire::dns::{Class, ExtendedError, Flags, Opt, Rcode, Writer};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::Forwarder;
use crate::dns::face::{Destination, Transmit, Transport, UpstreamQuery};
use crate::dns::pending::{Case, Exchange, Outstanding, Pending, Phase};
use crate::dns::{Dropped, UDP_PAYLOAD_SIZE};

/// How often servers are asked for one query, all of them together.
const MAX_ATTEMPTS: u8 = 4;
/// How long a server may take over TCP, connecting included.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// For this long nobody is asked again after all have failed, where something stale is there (RFC
/// 8767 §5).
const STALE_RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long it is remembered that all have failed, where nothing is, seconds (RFC 9520 §3.2 asks for
/// at least 1 s and at most 5 min).
const FAILURE_TTL_S: u32 = 5;

impl Forwarder<'_> {
    /// On to the next server, or the end: `is_silent` if the one before did not answer, which may
    /// then be asked again.
    pub(super) fn ask_next(&mut self, now: Instant, rng: &mut dyn Rng, slot: u8, is_silent: bool) {
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
    pub(super) fn send_anew(&mut self, rng: &mut dyn Rng, slot: u8, upstream: u8, transport: Transport) {
        let exchange = self.draw_exchange(rng);
        if let Some(outstanding) = self.outstanding_mut(slot) {
            outstanding.exchange = exchange;
            outstanding.phase = Phase::Send { upstream, transport };
        }
    }

    pub(super) fn draw_exchange(&mut self, rng: &mut dyn Rng) -> Exchange {
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

    pub(super) fn transmit_query(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
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

    /// Nobody answers: those who wait get what is stale, or are told.
    pub(super) fn fail(&mut self, now: Instant, slot: u8, error: ExtendedError) {
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

    pub(super) fn finish(&mut self, slot: u8, phase: Phase) {
        if let Phase::Answered { entry, .. } = phase {
            self.cache.owe(entry);
        }
        if let Some(outstanding) = self.outstanding_mut(slot) {
            outstanding.phase = phase;
            outstanding.stale_at = None;
        }
        self.collect();
    }

    pub(super) fn serve_stale_meanwhile(&mut self, now: Instant, slot: u8) {
        let Some(key) = self.outstanding(slot).copied() else { return };
        if self.cache.find(now, &key.key(), self.config.stale_max_s).is_some() {
            let waiting = self.waiters.iter_mut().filter_map(|waiter| waiter.0.as_mut());
            waiting.filter(|waiting| waiting.slot == slot).for_each(|waiting| waiting.wants_stale = true);
        }
    }

    /// Frees the places of queries that are over and that nobody waits for.
    pub(super) fn collect(&mut self) {
        for slot in 0..self.pending.len() as u8 {
            if self.outstanding(slot).is_some_and(|it| !it.is_under_way()) && !self.is_waited_for(slot) {
                self.release(slot);
            }
        }
    }

    pub(super) fn release(&mut self, slot: u8) {
        let gone = self.pending.get_mut(usize::from(slot)).and_then(|pending| pending.0.take());
        if let Some(Outstanding { phase: Phase::Answered { entry, .. }, .. }) = gone {
            self.cache.settle(entry);
        }
    }

    pub(super) fn is_waited_for(&self, slot: u8) -> bool {
        self.waiters.iter().any(|waiter| waiter.0.is_some_and(|waiting| waiting.slot == slot))
    }
}

fn emit_query(
    outstanding: &Outstanding,
    is_mixed: bool,
    has_edns: bool,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
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
