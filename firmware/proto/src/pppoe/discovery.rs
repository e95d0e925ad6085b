//! The Discovery stage: from PADI to a session.
//!
//! ```text
//!         start               first acceptable PADO                  PADS
//!   Idle ───────► Soliciting ───────────────────────► Requesting ───────────► Idle (Established)
//!    ▲             │  PADI, repeated after             │  PADR, repeated at the same pace;
//!    │             │  1.1-1.25 s, then doubling        │  refused or unanswered: to the next
//!    │             │                                   │  offer, if one is kept
//!    └─────────────┴───────────────────────────────────┘
//!     nobody left to ask (Failed), or stop
//! ```
//!
//! Sending is the owner's decision: [`Discovery::wants_to_send`] names the message that is due, the
//! owner asks the redial engine, then calls [`Discovery::poll_transmit`] or [`Discovery::defer`].
//! `stop` leads to Idle from anywhere, and every new start begins with a broadcast PADI.
//!
//! Reading list: RFC 2516 §5.1 to §5.5, appendix A; RFC 4638 §4.

use gatelet_wire::EthernetAddress;
use gatelet_wire::pppoe::{Code, Packet, TagKind, TagSet, Writer, is_session_id};
use heapless::{Deque, Vec};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::offer::{HOST_UNIQ_LEN, Offer};
use super::pace::{Pace, Timer};
use super::{DiscoveryConfig, DiscoveryMessage, Dropped, Event, Failure, Mode, Outgoing, Refusal, Session};

/// How long a probe listens after its one PADI. As long as a dial listens after its last.
const PROBE_WAIT: Duration = Duration::from_millis(4_800);

/// After this long an offer is not worth a repeated PADR any more: accel-ppp forgets its cookie after
/// 5 s (`cookie-timeout`).
const OFFER_LIFETIME: Duration = Duration::from_secs(5);

/// PADRs to one concentrator while another's offer is kept as fallback.
const PADR_ATTEMPTS_WITH_FALLBACK: u8 = 2;

/// Offers kept as fallback.
const FALLBACKS: usize = 2;

/// The MRU every `PPPoE` session has without RFC 4638 (RFC 2516 §7).
const DEFAULT_MAX_PAYLOAD: u16 = 1492;

/// The Discovery machine. One per WAN; it lives on between dials, because a late PADS must still be
/// answered.
#[derive(Debug)]
pub struct Discovery {
    config: DiscoveryConfig,
    state: State,
    /// Whom this attempt has sent a PADR: only they may answer with a PADS, now or late.
    asked: Vec<EthernetAddress, { FALLBACKS + 1 }>,
    host_uniq: [u8; HOST_UNIQ_LEN],
    /// The concentrator and id of the session this attempt led to.
    established: Option<(EthernetAddress, u16)>,
    events: Deque<Event, 4>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
enum State {
    Idle,
    Soliciting {
        mode: Mode,
        pace: Pace,
        /// The last refusal in a PADO: better told than "nobody answered".
        refusal: Option<Refusal>,
    },
    Requesting {
        pace: Pace,
        offer: Offer,
        fallbacks: Vec<Offer, FALLBACKS>,
    },
}

impl Discovery {
    /// A machine at rest.
    pub const fn new(config: DiscoveryConfig) -> Self {
        Self {
            config,
            state: State::Idle,
            asked: Vec::new(),
            host_uniq: [0; HOST_UNIQ_LEN],
            established: None,
            events: Deque::new(),
        }
    }

    /// What is asked for.
    pub const fn config(&self) -> &DiscoveryConfig {
        &self.config
    }

    /// Asks for something else from the next start on.
    pub fn set_config(&mut self, config: DiscoveryConfig) {
        self.config = config;
    }

    /// Whether an attempt is under way.
    pub const fn is_active(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// Begins a new attempt with a broadcast PADI, whatever went before.
    pub fn start(&mut self, now: Instant, rng: &mut dyn Rng, mode: Mode) {
        rng.fill_bytes(&mut self.host_uniq);
        self.asked.clear();
        self.established = None;
        self.state = State::Soliciting { mode, pace: Pace::starting(now, rng), refusal: None };
    }

    /// Gives up the attempt, without an event. A PADS that still arrives is reported as surplus.
    pub fn stop(&mut self) {
        self.state = State::Idle;
    }

    /// Whether a session packet from `source` may belong to the session whose PADS is awaited: the
    /// owner holds a few of those. (Cisco sends session data right after PADS, and a switch may
    /// reorder the two.)
    pub fn may_hold(&self, source: EthernetAddress) -> bool {
        matches!(&self.state, State::Requesting { offer, pace, .. } if pace.sent > 0 && offer.ac_mac == source)
    }

    /// Takes a Discovery packet addressed to us. PADT is not for this machine but for
    /// [`Session::handle_padt`].
    ///
    /// # Errors
    /// Why it was ignored.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        source: EthernetAddress,
        packet: &Packet<'_>,
    ) -> Result<(), Dropped> {
        match packet.code {
            Code::Pado | Code::Pads => {}
            Code::Padi | Code::Padr => return Err(Dropped::NotForClients),
            Code::Padt => return Err(Dropped::PadtForOtherSession),
            Code::Session | Code::Unknown(_) => return Err(Dropped::UnknownCode),
        }
        if !source.is_unicast() {
            return Err(Dropped::SourceNotUnicast);
        }
        let tags = TagSet::parse(packet).map_err(|_| Dropped::Malformed)?;
        let solicited = !matches!(self.state, State::Idle) || !self.asked.is_empty();
        if !solicited {
            return Err(Dropped::NotAwaited);
        }
        if tags.host_uniq != Some(&self.host_uniq[..]) {
            return Err(Dropped::HostUniq);
        }
        if packet.code == Code::Pado {
            self.handle_pado(now, rng, source, packet, &tags)
        } else {
            self.handle_pads(now, rng, source, packet, &tags)
        }
    }

    /// The message that is due, if one is. It leaves only with [`poll_transmit`](Self::poll_transmit).
    pub fn wants_to_send(&self, now: Instant) -> Option<DiscoveryMessage> {
        match &self.state {
            State::Soliciting { pace, .. } if pace.due(now) => Some(DiscoveryMessage::Padi),
            State::Requesting { pace, .. } if pace.due(now) => Some(DiscoveryMessage::Padr),
            _ => None,
        }
    }

    /// The message that is due may not leave before `until`. A PADR that would then be repeated to a
    /// concentrator that has forgotten its offer is not waited for: the attempt is over.
    pub fn defer(&mut self, until: Instant) {
        match &mut self.state {
            State::Idle => {}
            State::Requesting { pace, offer, .. }
                if pace.sent > 0 && until > offer.received_at + OFFER_LIFETIME =>
            {
                let ac_mac = offer.ac_mac;
                self.fail(Failure::PadrUnanswered { ac_mac });
            }
            State::Soliciting { pace, .. } | State::Requesting { pace, .. } => {
                pace.timer = Timer::Send(until);
            }
        }
    }

    /// What held the message back may be gone: it is due again.
    pub const fn hurry(&mut self, now: Instant) {
        if let State::Soliciting { pace, .. } | State::Requesting { pace, .. } = &mut self.state
            && let Timer::Send(at) = &mut pace.timer
        {
            *at = now;
        }
    }

    /// Writes the message that is due into `buffer`, from the `PPPoE` header on. `None` if none is
    /// due, or `buffer` is too small for it (260 bytes are enough).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Outgoing> {
        let message = self.wants_to_send(now)?;
        let max_payload = self.config.max_payload.map(u16::to_be_bytes);
        let code = if message == DiscoveryMessage::Padi { Code::Padi } else { Code::Padr };
        let mut writer = Writer::new(buffer, code, 0);
        writer
            .push(TagKind::ServiceName, self.config.service_name.as_bytes())
            .push(TagKind::HostUniq, &self.host_uniq)
            .push_some(TagKind::PppMaxPayload, max_payload.as_ref().map(<[u8; 2]>::as_slice));
        let (destination, len, attempt) = match &mut self.state {
            State::Idle => return None,
            State::Soliciting { mode, pace, .. } => {
                let len = writer.finish().ok()?;
                let wait = (*mode == Mode::Probe).then_some(PROBE_WAIT);
                (EthernetAddress::BROADCAST, len, pace.note_sent(now, wait))
            }
            State::Requesting { pace, offer, .. } => {
                writer
                    .push_some(TagKind::AcCookie, offer.cookie.as_deref())
                    .push_some(TagKind::RelaySessionId, offer.relay_session_id.as_deref());
                let len = writer.finish().ok()?;
                if !self.asked.contains(&offer.ac_mac) {
                    // Offers that came while others failed can make more than there are places: the
                    // one that was asked first is the least likely to answer yet.
                    if self.asked.is_full() {
                        self.asked.remove(0);
                    }
                    let _ = self.asked.push(offer.ac_mac);
                }
                (offer.ac_mac, len, pace.note_sent(now, None))
            }
        };
        Some(Outgoing { message, destination, attempt, len })
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), or to ask
    /// [`wants_to_send`](Self::wants_to_send) again.
    pub const fn poll_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Soliciting { pace, .. } | State::Requesting { pace, .. } => Some(pace.at()),
        }
    }

    /// Takes the step that silence asks for.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut dyn Rng) {
        match &mut self.state {
            State::Idle => {}
            State::Soliciting { mode, pace, refusal } => {
                if !pace.expired(now) {
                    return;
                }
                let attempts = if *mode == Mode::Probe { 1 } else { self.config.padi_attempts };
                if pace.sent < attempts {
                    pace.timer = Timer::Send(now);
                } else {
                    let failure = refusal.take().map_or(Failure::NoPado, Failure::Refused);
                    self.fail(failure);
                }
            }
            State::Requesting { pace, offer, fallbacks, .. } => {
                if !pace.expired(now) {
                    return;
                }
                let attempts = if fallbacks.is_empty() {
                    self.config.padr_attempts
                } else {
                    self.config.padr_attempts.min(PADR_ATTEMPTS_WITH_FALLBACK)
                };
                if pace.sent < attempts {
                    pace.timer = Timer::Send(now);
                } else {
                    let failure = Failure::PadrUnanswered { ac_mac: offer.ac_mac };
                    self.next_offer(now, rng, failure);
                }
            }
        }
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn handle_pado(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        source: EthernetAddress,
        packet: &Packet<'_>,
        tags: &TagSet<'_>,
    ) -> Result<(), Dropped> {
        if matches!(self.state, State::Idle) {
            return Err(Dropped::NotAwaited);
        }
        let parsed = Offer::parse(&self.config, now, source, packet, tags);
        match (&mut self.state, parsed) {
            (State::Soliciting { pace, .. }, _) if pace.sent == 0 => Err(Dropped::NotAwaited),
            (State::Soliciting { refusal, .. }, Err(Dropped::RefusingOffer)) => {
                if let Some(tag) = tags.error {
                    let refused = Refusal::from_tag(source, tag);
                    *refusal = Some(refused.clone());
                    self.tell(Event::Refused(refused));
                }
                Err(Dropped::RefusingOffer)
            }
            (_, Err(dropped)) => Err(dropped),
            (State::Soliciting { .. }, Ok(offer)) => {
                self.request(now, rng, offer, Vec::new(), false);
                Ok(())
            }
            (State::Requesting { offer, fallbacks, .. }, Ok(new)) => {
                // The answer to a repeated PADI: the newest cookie is the one that is surely good.
                let known = core::iter::once(offer).chain(fallbacks.iter_mut());
                if let Some(known) = known.into_iter().find(|known| known.ac_mac == new.ac_mac) {
                    *known = new;
                    return Ok(());
                }
                let kept = Event::OfferKept { ac_mac: new.ac_mac, ac_name: new.ac_name.clone() };
                fallbacks.push(new).map_err(|_| Dropped::TooManyOffers)?;
                self.tell(kept);
                Ok(())
            }
            (State::Idle, Ok(_)) => Err(Dropped::NotAwaited),
        }
    }

    fn handle_pads(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        source: EthernetAddress,
        packet: &Packet<'_>,
        tags: &TagSet<'_>,
    ) -> Result<(), Dropped> {
        if !self.asked.contains(&source) {
            let awaited = matches!(self.state, State::Requesting { .. }) && !self.asked.is_empty();
            return Err(if awaited { Dropped::WrongConcentrator } else { Dropped::NotAwaited });
        }
        let offer = match &self.state {
            State::Requesting { offer, pace, .. } if offer.ac_mac == source && pace.sent > 0 => Some(offer),
            _ => None,
        };
        if let Some(tag) = tags.error {
            if offer.is_none() {
                return Err(Dropped::NotAwaited);
            }
            let refusal = Refusal::from_tag(source, tag);
            self.tell(Event::Refused(refusal.clone()));
            self.next_offer(now, rng, Failure::Refused(refusal));
            return Ok(());
        }
        if !is_session_id(packet.session_id) {
            return Err(Dropped::NoSessionId);
        }
        let Some(offer) = offer else {
            if self.established == Some((source, packet.session_id)) {
                return Err(Dropped::DuplicatePads);
            }
            self.tell(Event::SurplusPads { ac_mac: source, session_id: packet.session_id });
            return Ok(());
        };
        let granted =
            tags.max_payload.zip(self.config.max_payload).map(|(granted, asked)| granted.min(asked));
        let session = Session {
            ac_mac: source,
            id: packet.session_id,
            ac_name: offer.ac_name.clone(),
            max_payload: granted.filter(|granted| *granted > DEFAULT_MAX_PAYLOAD),
            host_uniq: self.host_uniq,
            cookie: offer.cookie.clone(),
            relay_session_id: offer.relay_session_id.clone(),
        };
        self.established = Some((source, session.id));
        self.state = State::Idle;
        self.tell(Event::Established(session));
        Ok(())
    }

    /// The chosen concentrator will not do: on to a kept offer, or the end.
    fn next_offer(&mut self, now: Instant, rng: &mut dyn Rng, failure: Failure) {
        let State::Requesting { fallbacks, .. } = &mut self.state else { return };
        if fallbacks.is_empty() {
            self.fail(failure);
            return;
        }
        let offer = fallbacks.remove(0);
        let fallbacks = core::mem::take(fallbacks);
        self.request(now, rng, offer, fallbacks, true);
    }

    fn request(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        offer: Offer,
        fallbacks: Vec<Offer, FALLBACKS>,
        fallback: bool,
    ) {
        self.tell(Event::Offer { ac_mac: offer.ac_mac, ac_name: offer.ac_name.clone(), fallback });
        self.state = State::Requesting { pace: Pace::starting(now, rng), offer, fallbacks };
    }

    fn fail(&mut self, failure: Failure) {
        self.state = State::Idle;
        self.tell(Event::Failed(failure));
    }

    /// The queue has room for what one call can cause, and is drained after each.
    fn tell(&mut self, event: Event) {
        let told = self.events.push_back(event);
        debug_assert!(told.is_ok(), "events are to be polled after every call");
    }
}
