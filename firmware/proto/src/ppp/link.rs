//! One PPP session, from PADS to its end, as its owner sees it.
//!
//! The owner gives [`Link`] every packet of the session that is not IPv4 or IPv6 data, calls
//! [`Link::handle_timeout`] at [`Link::poll_at`], and after each call drains
//! [`Link::poll_transmit`] and [`Link::poll_event`].
//!
//! With a peer that answers at once, LCP takes one round trip, authentication one, and the network
//! protocols, both at a time, one if IPCP asks for what the peer would give (see
//! [`LastIpv4`](super::LastIpv4)), else two.

use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::config::{Echo, LinkConfig};
use super::event::{Counters, Dropped, LinkEvent};
use super::io::{DEFAULT_MRU, Io, MAX_ROUND_TRIP};
use super::session::{Env, Session};

/// Where a link stands (RFC 1661 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No session.
    Dead,
    /// LCP negotiates.
    Establish,
    /// The peer wants to know who we are.
    Authenticate,
    /// Network protocols negotiate or are open.
    Network,
    /// The session is over, but for the Terminate exchange.
    Terminate,
}

/// LCP, authentication, IPCP and IPV6CP of one session, as the client.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    io: Io,
    session: Option<Session>,
}

impl Link {
    /// A link without a session.
    pub fn new(config: LinkConfig) -> Self {
        Self { io: Io::new(config.timers), config, session: None }
    }

    /// The configuration; what is changed counts from the next [`open`](Self::open) on. What IPCP
    /// agreed on last is found, and kept for the next session, in
    /// [`last_ipv4`](LinkConfig::last_ipv4).
    pub fn config_mut(&mut self) -> &mut LinkConfig {
        &mut self.config
    }

    /// How long discovery's last request took to be answered: tells a lost Configure-Request from
    /// one whose answer is under way. Counts from now on; 100 ms are assumed without it, and more
    /// than 200 ms are not believed, since pppd begins 240 ms after its PADS.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.io.round_trip = round_trip.min(MAX_ROUND_TRIP);
    }

    /// PADS arrived: the lower layer is up, LCP begins. A session that was still there is dropped
    /// as by [`lower_down`](Self::lower_down).
    pub fn open(&mut self, now: Instant, rng: &mut dyn Rng) {
        self.lower_down(now);
        self.io.begin(self.config.timers, rng);
        let mut env = Env { now, config: &mut self.config, io: &mut self.io };
        self.session = Some(Session::open(&mut env, rng));
    }

    /// The user wants the session to end: Terminate-Request, then [`LinkEvent::Closed`]. Without a
    /// session `Closed` comes at once.
    pub fn close(&mut self, now: Instant) {
        match &mut self.session {
            Some(session) => {
                session.close(&mut Env { now, config: &mut self.config, io: &mut self.io });
            }
            None => self.io.tell(LinkEvent::Closed),
        }
    }

    /// The session is gone (PADT, carrier lost) or given up: back to [`Phase::Dead`]. Nothing that
    /// waited to be sent is sent any more. [`LinkEvent::Ipv4Down`] and
    /// [`Ipv6Down`](LinkEvent::Ipv6Down) tell what was up.
    pub fn lower_down(&mut self, now: Instant) {
        if let Some(mut session) = self.session.take() {
            session.lower_down(&mut Env { now, config: &mut self.config, io: &mut self.io });
        }
        self.io.outbox.clear();
    }

    /// A packet of the session arrived, from its protocol field on; not IPv4 or IPv6 data.
    ///
    /// # Errors
    /// Why it was ignored; also counted.
    pub fn handle_packet(&mut self, now: Instant, rng: &mut dyn Rng, packet: &[u8]) -> Result<(), Dropped> {
        let longest = gatelet_wire::ppp::PROTOCOL_LEN + usize::from(DEFAULT_MRU.max(self.config.mru));
        let result = match &mut self.session {
            None => Err(Dropped::LinkDown),
            Some(_) if packet.len() > longest => Err(Dropped::Oversize),
            Some(session) => session.handle_packet(
                &mut Env { now, config: &mut self.config, io: &mut self.io },
                rng,
                packet,
            ),
        };
        if let Err(reason) = result {
            self.io.counters.count(reason);
        }
        result
    }

    /// Data was received: proof of life.
    pub fn note_traffic(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            session.note_traffic(now);
        }
    }

    /// Whether a PAP request or CHAP response waits for [`authenticate`](Self::authenticate). Only
    /// with [`LinkConfig::ask_before_authenticating`], once for each session.
    pub fn wants_to_authenticate(&self) -> bool {
        self.session.as_ref().is_some_and(Session::wants_to_authenticate)
    }

    /// Lets the waiting PAP request or CHAP response go.
    pub fn authenticate(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            session.authenticate(&mut Env { now, config: &mut self.config, io: &mut self.io });
        }
    }

    /// Changes the echo mode of this session and the next ones.
    pub fn set_echo(&mut self, now: Instant, echo: Echo) {
        self.config.echo = echo;
        if let Some(session) = &mut self.session {
            session.set_echo(now, echo);
        }
    }

    /// Sends an Echo-Request whose information field has `size` octets, up to three times, to see
    /// whether the path carries them (RFC 4638); [`LinkEvent::PaddedEcho`] tells within 3.75 s. Does nothing
    /// unless LCP is Opened and both MRUs allow the size.
    pub fn echo_padded(&mut self, now: Instant, size: u16) {
        if let Some(session) = &mut self.session {
            session.echo_padded(&mut Env { now, config: &mut self.config, io: &mut self.io }, size);
        }
    }

    /// To be called when [`poll_at`](Self::poll_at)'s time has come; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            session.handle_timeout(&mut Env { now, config: &mut self.config, io: &mut self.io });
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_at(&self) -> Option<Instant> {
        self.session.as_ref()?.poll_at()
    }

    /// The next packet to be sent, from its protocol field on. Call until `None`. A packet that
    /// does not fit `buffer` is lost and counted; none is longer than the MRU and two octets.
    pub fn poll_transmit(&mut self, _now: Instant, buffer: &mut [u8]) -> Option<usize> {
        loop {
            match self.io.outbox.pop(buffer)? {
                Ok(length) => return Some(length),
                Err(_) => self.io.counters.unsent = self.io.counters.unsent.wrapping_add(1),
            }
        }
    }

    /// What happened, oldest first. Call until `None`.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.io.poll_event()
    }

    /// Where the session stands.
    pub fn phase(&self) -> Phase {
        self.session.as_ref().map_or(Phase::Dead, Session::phase)
    }

    /// What was ignored so far.
    pub fn counters(&self) -> &Counters {
        &self.io.counters
    }
}
