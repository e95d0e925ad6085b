//! What arrives in the name of a server.

use gatelet_wire::dns::{
    self, Class, ExtendedError, Flags, Layout, Message, NameBuf, Opcode, PORT, Rcode, Section, rewrite_ttls,
};
use heapless::String;
use rand_core::Rng;
use smoltcp::time::Instant;
use smoltcp::wire::IpEndpoint;

use super::Forwarder;
use crate::dns::examine::examine;
use crate::dns::face::{QueryId, Transport};
use crate::dns::pending::Phase;
use crate::dns::{Dropped, Event};

/// Answers with a wrong ID after which a query goes on over TCP, where nobody can guess.
const MAX_WRONG_IDS: u8 = 100;

impl Forwarder<'_> {
    pub(super) fn take_answer(
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
        let is_failure = matches!(rcode, Rcode::FORMERR | Rcode::SERVFAIL | Rcode::NOTIMP | Rcode::REFUSED);
        // Those above 15 are about EDNS, and nothing a client could do anything with.
        if is_failure || rcode.0 > 15 {
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
        let edited = self.cache.edit_newest(entry, |copy| {
            let len = if drops_additional {
                dns::cut_from(copy, layout, Section::Additional)
            } else {
                // EDNS is between the server and us.
                dns::cut_opt(copy, layout)
            };
            // Nor are we an authority.
            let flags = message.flags().only(Flags::AUTHENTIC_DATA).with(Flags::RESPONSE).with_rcode(rcode);
            dns::set_flags(copy, flags);
            let copy = copy.get_mut(..len)?;
            rewrite_ttls(copy, |_, ttl| ttl.max(ttl_floor_s).min(examined.ttl_max_s)).ok()?;
            // Unless a name has been one with a TTL in it.
            Message::parse(copy).and_then(|message| message.check().map(drop)).ok()?;
            Some(len)
        });
        edited.ok_or(Dropped::AnswerMalformed)?;
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

    pub(super) fn note_silence(&mut self, now: Instant, upstream: u8) {
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
}

/// As much of the name as fits.
fn shown<const N: usize>(name: &NameBuf) -> String<N> {
    use core::fmt::Write as _;
    let mut text = String::new();
    let _ = write!(text, "{name}");
    text
}
