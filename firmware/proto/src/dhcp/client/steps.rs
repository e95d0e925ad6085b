//! What each message, and silence, leads to (RFC 2131 §4.4).

use gatelet_wire::Ipv4Address;
use gatelet_wire::dhcpv4::{Message, MessageType, Operation, OptionCode};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::exchange::Exchange;
use super::lease::{Lease, Times};
use super::{Client, Dropped, Event, Holding, Loss, Memory, REQUEST_ATTEMPTS, State};

/// How long the owner may take to look for a conflict. RFC 5227's own probing takes up to 7 s (§1.1),
/// which nobody likes to wait; on a link that works, a single probe is answered within milliseconds.
const CHECK_WAIT: Duration = Duration::from_secs(2);

/// Offers looked at per DISCOVER.
const OFFERS: u8 = 8;

impl Client {
    pub(super) fn take_message(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        let message = Message::parse(payload)?;
        if message.header.operation != Operation::Reply {
            return Err(Dropped::NotForClients);
        }
        if message.header.ethernet_address() != Some(self.config.mac) {
            return Err(Dropped::HardwareAddress);
        }
        if self.exchange().map(|exchange| exchange.xid) != Some(message.header.xid) {
            return Err(Dropped::TransactionId);
        }
        if let (Some(said), Some(own)) =
            (message.value(OptionCode::CLIENT_IDENTIFIER), self.config.identifier())
            && !said.octets().eq(own)
        {
            return Err(Dropped::ClientIdentifier);
        }
        match message.message_type()?.ok_or(Dropped::Bootp)? {
            MessageType::Offer => self.take_offer(now, &message),
            MessageType::Ack => self.take_ack(now, rng, &message),
            MessageType::Nak => self.take_nak(now, &message),
            _ => Err(Dropped::MessageType),
        }
    }

    fn take_offer(&mut self, now: Instant, message: &Message<'_>) -> Result<(), Dropped> {
        let State::Selecting { exchange, offers } = &mut self.state else { return Err(Dropped::NotAwaited) };
        let Some(sent_at) = exchange.last_sent_at else { return Err(Dropped::NotAwaited) };
        if *offers >= OFFERS {
            return Err(Dropped::TooManyOffers);
        }
        *offers += 1;
        let lease = Lease::parse(message)?;
        let secs = exchange.seconds(sent_at);
        self.state = State::Requesting {
            exchange: exchange.continued(now),
            server: lease.server,
            address: lease.address.address(),
            secs,
        };
        Ok(())
    }

    fn take_ack(&mut self, now: Instant, rng: &mut dyn Rng, message: &Message<'_>) -> Result<(), Dropped> {
        let sent_at =
            self.exchange().and_then(|exchange| exchange.first_sent_at).ok_or(Dropped::NotAwaited)?;
        let (server, address) = self.asked().ok_or(Dropped::NotAwaited)?;
        let lease = Lease::parse(message)?;
        if server.is_some_and(|server| server != lease.server) {
            return Err(Dropped::Server);
        }
        if lease.address.address() != address {
            return Err(Dropped::Address);
        }
        self.memory = Memory::Lease(address);
        let renew_at = renew_at(&lease, sent_at, rng);
        if let State::Holding { lease: held, since, phase } = &mut self.state {
            let is_changed = !held.is_alike(&lease);
            *phase = Holding::Bound { renew_at };
            (*held, *since) = (lease, sent_at);
            self.tell(Event::Renewed { is_changed });
        } else {
            let phase = Holding::Checking { until: now + CHECK_WAIT, renew_at };
            self.state = State::Holding { lease, since: sent_at, phase };
            self.tell(Event::Check { address });
        }
        Ok(())
    }

    fn take_nak(&mut self, now: Instant, message: &Message<'_>) -> Result<(), Dropped> {
        let (asked, _) = self.asked().ok_or(Dropped::NotAwaited)?;
        let server = message.address(OptionCode::SERVER_IDENTIFIER)?.ok_or(Dropped::Server)?;
        if asked.is_some_and(|asked| asked != server) {
            return Err(Dropped::Server);
        }
        if self.lease().is_some() {
            self.tell(Event::Lost(Loss::Refused));
        }
        self.start_over(now, Duration::ZERO);
        Ok(())
    }

    /// Whom we have sent a REQUEST, if it was to one, and for which address.
    fn asked(&self) -> Option<(Option<Ipv4Address>, Ipv4Address)> {
        match &self.state {
            State::Requesting { server, address, exchange, .. } if exchange.sent > 0 => {
                Some((Some(*server), *address))
            }
            State::Rebooting { address, exchange } if exchange.sent > 0 => Some((None, *address)),
            State::Holding { lease, phase: Holding::Renewing(exchange), .. } if exchange.sent > 0 => {
                Some((Some(lease.server), lease.address.address()))
            }
            State::Holding { lease, phase: Holding::Rebinding(exchange), .. } if exchange.sent > 0 => {
                Some((None, lease.address.address()))
            }
            _ => None,
        }
    }

    pub(super) fn lease_timeout(&mut self, now: Instant, rng: &mut dyn Rng) {
        let State::Holding { lease, since, phase } = &mut self.state else { return };
        if let Holding::Checking { until, .. } = phase {
            if *until <= now {
                self.accept();
                // Whoever comes late finds more than that due.
                self.lease_timeout(now, rng);
            }
            return;
        }
        let Times::Finite { rebinding, end, .. } = lease.times else {
            // Only the owner asks for more than eternity; who does not hear an answer leaves it at that.
            if matches!(phase, Holding::Renewing(exchange) if exchange.sent >= REQUEST_ATTEMPTS && exchange.is_due(now))
            {
                *phase = Holding::Bound { renew_at: None };
            }
            return;
        };
        let (rebind_at, end_at) = (*since + rebinding, *since + end);
        if end_at <= now {
            self.memory = Memory::Wish(lease.address.address());
            self.state = State::Selecting { exchange: Exchange::new(now, rng), offers: 0 };
            self.tell(Event::Lost(Loss::Expired));
            return;
        }
        match phase {
            Holding::Bound { .. } | Holding::Renewing(_) if rebind_at <= now => {
                *phase = Holding::Rebinding(Exchange::new(now, rng));
            }
            Holding::Bound { renew_at: Some(at) } if *at <= now => {
                *phase = Holding::Renewing(Exchange::new(now, rng));
            }
            _ => {}
        }
    }

    /// Begins anew after a refusal or a conflict, `least` from now at the earliest. The address is no
    /// good.
    pub(super) fn start_over(&mut self, now: Instant, least: Duration) {
        let backoff = match self.failures {
            0 => Duration::ZERO,
            failures => Duration::from_secs(1 << failures.min(6)),
        };
        self.failures = self.failures.saturating_add(1);
        self.memory = Memory::Nothing;
        self.state = State::Init { at: now + backoff.max(least) };
    }
}

/// T1, up to a thirty-second part earlier: clients that came at once need not renew at once (RFC 2131
/// §4.4.5).
fn renew_at(lease: &Lease, since: Instant, rng: &mut dyn Rng) -> Option<Instant> {
    let Times::Finite { renewal, .. } = lease.times else { return None };
    // 16 bits of chance: with more, the longest lease would not fit the product.
    let earlier = (renewal.total_micros() / 32 * u64::from(rng.next_u32() >> 16)) >> 16;
    Some(since + renewal - Duration::from_micros(earlier))
}
