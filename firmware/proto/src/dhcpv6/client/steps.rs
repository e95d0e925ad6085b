//! What each message, and the end of a lease, leads to (RFC 8415 §18.2).

use gatelet_wire::dhcpv6::{Message, MessageType, OptionCode, Options, StatusCode};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::lease::{Granted, Lease};
use super::{Client, Dropped, Event, Holding, Loss, Offer, State, Transaction};

/// What a server may set `SOL_MAX_RT` to, in seconds (RFC 8415 §21.24).
const SOL_MAX_RT_SECONDS: core::ops::RangeInclusive<u32> = 60..=86_400;
/// A preference with which an ADVERTISE is taken at once (RFC 8415 §18.2.9).
const AT_ONCE: u8 = 255;

impl Client {
    pub(super) fn take_message(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        let message = Message::parse(payload)?;
        match message.message_type {
            MessageType::Advertise | MessageType::Reply => {}
            MessageType::Reconfigure => return Err(Dropped::Reconfigure),
            _ => return Err(Dropped::MessageType),
        }
        let transaction = self.transaction().ok_or(Dropped::NotAwaited)?;
        if transaction.id != message.transaction_id || transaction.exchange.sent == 0 {
            return Err(Dropped::TransactionId);
        }
        let options = message.options();
        let client = options.duid(OptionCode::CLIENT_ID)?.ok_or(Dropped::ClientId)?;
        if client.octets() != self.config.duid.as_slice() {
            return Err(Dropped::ClientId);
        }
        let server = options.duid(OptionCode::SERVER_ID)?.ok_or(Dropped::Server)?;
        if let Some(seconds) = options.u32(OptionCode::SOL_MAX_RT)?
            && SOL_MAX_RT_SECONDS.contains(&seconds)
        {
            self.solicit_most = Duration::from_secs(u64::from(seconds));
        }
        if message.message_type == MessageType::Advertise {
            self.take_advertise(now, rng, server.octets(), &options)
        } else {
            self.take_reply(now, rng, server.octets(), &options)
        }
    }

    fn granted(&mut self, now: Instant, server: &[u8], options: &Options<'_>) -> Result<Granted, Dropped> {
        Granted::parse(now, &self.config, &mut self.counters, server, options)
    }

    fn take_advertise(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        server: &[u8],
        options: &Options<'_>,
    ) -> Result<(), Dropped> {
        if !matches!(self.state, State::Soliciting { .. }) {
            return Err(Dropped::NotAwaited);
        }
        let preference = options.fixed(OptionCode::PREFERENCE)?.map_or(0, |[preference]| preference);
        // What is offered counts, whatever the message says as a whole: dibbler says NoAddrsAvail beside a prefix.
        let lease = self.granted(now, server, options)?.lease;
        if lease.is_empty() {
            self.tell_nothing();
            return Err(Dropped::NothingGranted);
        }
        let offer = Offer { preference, lease };
        let State::Soliciting { transaction, best } = &mut self.state else {
            return Err(Dropped::NotAwaited);
        };
        if best.as_ref().is_some_and(|best| best.rank() >= offer.rank()) {
            return Err(Dropped::WorseOffer);
        }
        // Whoever answers a later SOLICIT is not compared with others (RFC 8415 §18.2.1).
        if preference == AT_ONCE || transaction.exchange.sent > 1 {
            self.request(now, rng, offer.lease);
        } else {
            *best = Some(offer);
        }
        Ok(())
    }

    fn take_reply(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        server: &[u8],
        options: &Options<'_>,
    ) -> Result<(), Dropped> {
        let asked = match &self.state {
            State::Requesting { offer: lease, .. }
            | State::Releasing { lease, .. }
            | State::Holding { lease, phase: Holding::Renewing(_) } => Some(lease.server.as_slice()),
            _ => None,
        };
        if asked.is_some_and(|asked| asked != server) {
            return Err(Dropped::Server);
        }
        if matches!(self.state, State::Releasing { .. }) {
            self.state = State::Idle(None);
            return Ok(());
        }
        let is_rapid = options.value(OptionCode::RAPID_COMMIT)?.is_some();
        if matches!(self.state, State::Soliciting { .. }) && !(is_rapid && self.config.rapid_commit) {
            return Err(Dropped::NotAwaited);
        }
        match options.status()?.code {
            // One association may have got what the message as a whole says there is none of.
            StatusCode::Success | StatusCode::NoAddrsAvail | StatusCode::NoPrefixAvail => {}
            StatusCode::NotOnLink if matches!(self.state, State::Requesting { .. }) => {
                self.start_over(now, rng);
                return Err(Dropped::Status);
            }
            StatusCode::NoBinding if matches!(self.state, State::Confirming { .. }) => {
                self.solicit(now, rng);
                return Ok(());
            }
            // It is asked again, as if it had said nothing (RFC 8415 §18.2.10).
            _ => return Err(Dropped::Status),
        }
        let granted = self.granted(now, server, options)?;
        match core::mem::replace(&mut self.state, State::Idle(None)) {
            State::Holding { lease, phase } => {
                self.take_renewal(now, rng, (lease, phase), granted)?;
            }
            State::Confirming { transaction, lease } => {
                if !granted.answers {
                    self.state = State::Confirming { transaction, lease };
                    return Err(Dropped::NothingGranted);
                }
                if granted.lease.is_empty() {
                    self.hint = None;
                    self.solicit(now, rng);
                    return Ok(());
                }
                self.bind(granted.lease);
            }
            state => {
                if granted.lease.is_empty() {
                    self.tell_nothing();
                    if matches!(state, State::Soliciting { .. }) {
                        self.state = state;
                    } else {
                        self.start_over(now, rng);
                    }
                    return Err(Dropped::NothingGranted);
                }
                self.bind(granted.lease);
            }
        }
        Ok(())
    }

    fn bind(&mut self, lease: Lease) {
        self.failures = 0;
        self.told_nothing = false;
        self.hint = lease.prefixes.first().map(|delegated| delegated.prefix).or(self.hint);
        self.state = State::Holding { lease, phase: Holding::Bound };
        self.tell(Event::Bound);
    }

    fn take_renewal(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        (held, phase): (Lease, Holding),
        granted: Granted,
    ) -> Result<(), Dropped> {
        if granted.has_no_binding && granted.lease.is_empty() {
            self.tell(Event::Lost(Loss::NoBinding));
            // It is asked to make one (RFC 8415 §18.2.10.1).
            let offer = Lease { server: granted.lease.server, ..held };
            self.request(now, rng, offer);
            return Ok(());
        }
        if !granted.answers {
            self.state = State::Holding { lease: held, phase };
            return Err(Dropped::NothingGranted);
        }
        let mut gone = heapless::Vec::<_, { super::PREFIXES }>::new();
        let lease = granted.renew(&held, &mut self.counters, |prefix| _ = gone.push(prefix));
        for prefix in gone {
            self.tell(Event::PrefixLost { prefix });
        }
        if lease.is_empty() {
            self.tell(Event::Lost(Loss::Withdrawn));
            self.start_over(now, rng);
            return Ok(());
        }
        let is_changed = !held.is_alike(&lease);
        self.hint = lease.prefixes.first().map(|delegated| delegated.prefix).or(self.hint);
        self.state = State::Holding { lease, phase: Holding::Bound };
        self.tell(Event::Renewed { is_changed });
        Ok(())
    }

    pub(super) fn lease_timeout(&mut self, now: Instant, rng: &mut dyn Rng) {
        let State::Holding { lease, phase } = &mut self.state else { return };
        let mut gone = heapless::Vec::<_, { super::PREFIXES }>::new();
        lease.forget_expired(now, |prefix| _ = gone.push(prefix));
        let is_over = lease.is_empty();
        if !is_over {
            if lease.rebind_at.is_over(now) && !matches!(phase, Holding::Rebinding(_)) {
                *phase = Holding::Rebinding(Transaction::new(now, rng));
            } else if lease.renew_at.is_over(now) && matches!(phase, Holding::Bound) {
                *phase = Holding::Renewing(Transaction::new(now, rng));
            }
        }
        for prefix in gone {
            self.tell(Event::PrefixLost { prefix });
        }
        if is_over {
            self.tell(Event::Lost(Loss::Expired));
            self.solicit(now, rng);
        }
    }

    /// Tells, once until there are leases, that servers have nothing for us.
    fn tell_nothing(&mut self) {
        if !core::mem::replace(&mut self.told_nothing, true) {
            self.tell(Event::NothingAvailable);
        }
    }
}

impl Offer {
    /// The greater the better: a prefix counts for more than what a server thinks of itself.
    fn rank(&self) -> (bool, u8, bool) {
        (!self.lease.prefixes.is_empty(), self.preference, !self.lease.addresses.is_empty())
    }
}
