//! One layer's option negotiation: the automaton of RFC 1661 §4 with its identifiers, its Restart
//! timer and its counters. LCP, IPCP and IPV6CP differ in their [`Options`] only.
//!
//! Timers:
//! - *Restart timer*: started by each Configure-Request and Terminate-Request of ours; when it
//!   fires, the request is sent again, or the layer gives up (TO+, TO-).
//! - *patience*: started when negotiation begins, cleared by [`Negotiation::settle`]; when it fires
//!   while negotiating, the peer has been answering for all that time without agreeing. A layer
//!   that opens and begins again before it was settled does not get more of it.
//!
//! A request that is repeated keeps its identifier, so that the answer to any of its transmissions
//! counts (RFC 1661 §5.1 permits it). An identifier is good for one answer: a second one is ignored
//! instead of tearing the layer down, as it would by the table's RCA in Opened.
//!
//! *Start-up rule.* When the peer's first Configure-Request arrives and the answer to ours is
//! overdue, ours was most likely sent before the peer listened (pppd begins 240 ms after its PADS).
//! It is then repeated at once, as if the Restart timer had fired: RFC 1661 §4.6 leaves the timer's
//! length to the implementation, so TO+ in Req-Sent (scr/6) is within the table, and Max-Configure
//! counts it. The repetition leaves before our Configure-Ack, never after it: a peer that did have
//! our request, and merely was slow, then sees it in Ack-Sent, where it acknowledges once more
//! (sca/8), and not in Opened, where it would begin all over again (tld,scr,sca/8).
//!
//! Reading list: RFC 1661 §4, §5.1 to §5.6.

use gatelet_wire::ppp::lcp::emit_code_reject;
use gatelet_wire::ppp::{Code, Control, Protocol, RawOption, Writer};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::automaton::{Actions, Event, State, transition};
use super::event::{Dropped, LinkEvent, PeerMessage, RepeatCause};
use super::io::Io;

/// What an option of the peer's deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Good.
    Ack,
    /// Known, but with another value; after Max-Failure of them it is rejected.
    Nak,
    /// As `Nak`, but never turned into a Reject: the layer decides when to give up.
    NakAlways,
    /// Unknown or not to be negotiated.
    Reject,
}

/// The options of one layer: what we ask for, and what we think of the peer's.
pub(super) trait Options {
    /// Writes the options of our Configure-Request. It has to write the same until a
    /// `handle_*` method is called: a Configure-Ack is compared with it.
    fn write_request(&self, writer: &mut Writer<'_>);
    /// A Configure-Request of the peer begins; what the one before contained is void.
    fn begin_peer_request(&mut self);
    /// One option of it.
    fn judge(&mut self, rng: &mut dyn Rng, option: RawOption<'_>) -> Judgement;
    /// Writes what we would rather see for an option judged `Nak`.
    fn write_suggestion(&self, kind: u8, writer: &mut Writer<'_>);
    /// The peer suggests another value for an option of ours. `stubborn`: it has refused so often
    /// that the option is better dropped.
    fn handle_nak(&mut self, rng: &mut dyn Rng, option: RawOption<'_>, stubborn: bool);
    /// Whether the peer's request bears the mark of our own.
    fn is_looped_back(&self) -> bool {
        false
    }
    /// The peer refuses an option of ours; false if we did not ask for it.
    fn handle_reject(&mut self, option: RawOption<'_>) -> bool;
}

/// The state of one layer's negotiation.
#[derive(Debug)]
pub(super) struct Negotiation {
    protocol: Protocol,
    state: State,
    /// Of the newest Configure-Request or Terminate-Request.
    identifier: u8,
    /// When the Configure-Request that nobody answered yet was sent last.
    unanswered_since: Option<Instant>,
    /// How often it was sent.
    attempt: u8,
    restart_timer: Option<Instant>,
    period: Duration,
    /// The restart counter (RFC 1661 §4.6): transmissions left.
    restart_count: u8,
    patience: Option<Instant>,
    /// Configure-Naks sent since the last agreement, against Max-Failure.
    naks_sent: u8,
    /// Configure-Naks and Configure-Rejects received since the last agreement.
    refusals: u8,
    /// The peer's newest Configure-Request.
    peer_request: Option<PeerRequest>,
    /// Since when the peer owes us its Configure-Request.
    acknowledged_at: Option<Instant>,
    /// Identifier of the newest Code-Reject.
    reject_identifier: u8,
}

/// A Configure-Request of the peer's, to know it again.
#[derive(Debug, Clone, Copy)]
struct PeerRequest {
    identifier: u8,
    /// Of its options.
    fingerprint: u32,
    answered_at: Instant,
}

impl PeerRequest {
    fn new(control: Control<'_>, answered_at: Instant) -> Self {
        // FNV-1a.
        let fingerprint = control
            .data
            .iter()
            .fold(0x811C_9DC5, |hash: u32, octet| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193));
        Self { identifier: control.identifier, fingerprint, answered_at }
    }

    /// Whether it is `earlier` again: some change the identifier with each transmission.
    fn repeats(&self, earlier: &Self) -> bool {
        self.identifier == earlier.identifier || self.fingerprint == earlier.fingerprint
    }
}

/// Options of one request that are told apart; the rest of a longer one is rejected.
const MAX_OPTIONS: usize = 32;

/// A peer's message that comes later than this after it was due had to wait for a timer; one that
/// comes again sooner was duplicated on the way.
pub(super) const PEER_TIMER_SUSPECTED: Duration = Duration::from_secs(1);

impl Negotiation {
    pub(super) const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            state: State::Initial,
            identifier: 0,
            unanswered_since: None,
            attempt: 0,
            restart_timer: None,
            period: Duration::ZERO,
            restart_count: 0,
            patience: None,
            naks_sent: 0,
            refusals: 0,
            peer_request: None,
            acknowledged_at: None,
            reject_identifier: 0,
        }
    }

    /// Back to Initial; identifiers go on, so that a late answer to an earlier negotiation matches
    /// nothing.
    pub(super) const fn reset(&mut self) {
        let (identifier, reject_identifier) = (self.identifier, self.reject_identifier);
        *self = Self { identifier, reject_identifier, ..Self::new(self.protocol) };
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        let patience = self.patience.filter(|_| is_negotiating(self.state));
        self.restart_timer.into_iter().chain(patience).min()
    }

    /// What was agreed is of use: a later negotiation gets all the time again.
    pub(super) const fn settle(&mut self) {
        self.patience = None;
    }

    /// Whether negotiation lasts too long or the peer refused too often.
    pub(super) fn is_hopeless(&self, now: Instant, io: &Io) -> bool {
        is_negotiating(self.state)
            && (self.patience.is_some_and(|until| until <= now)
                || self.refusals >= io.timers.max_failure.saturating_mul(2))
    }

    /// An administrative event: Open, Close, Up, Down, or a Protocol-Reject (RXJ-).
    pub(super) fn handle_event(
        &mut self,
        now: Instant,
        io: &mut Io,
        options: &dyn Options,
        event: Event,
    ) -> Actions {
        self.step(now, io, options, event, None)
    }

    /// Lets the Restart timer fire if it is time.
    pub(super) fn handle_timeout(&mut self, now: Instant, io: &mut Io, options: &dyn Options) -> Actions {
        if self.restart_timer.is_none_or(|at| now < at) {
            return Actions::NONE;
        }
        if self.restart_count == 0 {
            return self.step(now, io, options, Event::TimeoutGiveUp, None);
        }
        self.period = io.longer(self.period);
        self.repeat(now, io, options, RepeatCause::Timeout)
    }

    /// A packet of this layer, from its code on.
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        io: &mut Io,
        options: &mut dyn Options,
        packet: &[u8],
    ) -> Result<Actions, Dropped> {
        let control = Control::parse(packet)?;
        let received = Received { control, packet, judgements: [Judgement::Reject; MAX_OPTIONS] };
        match control.code {
            Code::ConfigureRequest => self.handle_request(now, rng, io, options, received),
            Code::ConfigureAck | Code::ConfigureNak | Code::ConfigureReject => {
                let event = self.take_answer(rng, io, options, control)?;
                Ok(self.step(now, io, options, event, Some(&received)))
            }
            Code::TerminateRequest => {
                Ok(self.step(now, io, options, Event::TerminateRequest, Some(&received)))
            }
            Code::TerminateAck => {
                let awaited = matches!(self.state, State::Closing | State::Stopping);
                if awaited && control.identifier != self.identifier {
                    return Err(Dropped::Identifier);
                }
                Ok(self.step(now, io, options, Event::TerminateAck, Some(&received)))
            }
            Code::CodeReject => {
                // Codes 1 to 7 are what the automaton itself is made of.
                let event = match control.data.first() {
                    None => return Err(Dropped::Malformed),
                    Some(1..=7) => Event::RejectCatastrophic,
                    Some(_) => Event::RejectPermitted,
                };
                Ok(self.step(now, io, options, event, Some(&received)))
            }
            _ => Ok(self.step(now, io, options, Event::UnknownCode, Some(&received))),
        }
    }

    fn handle_request(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        io: &mut Io,
        options: &mut dyn Options,
        mut received: Received<'_>,
    ) -> Result<Actions, Dropped> {
        let control = received.control;
        if control.options().any(|option| option.is_err()) {
            return Err(Dropped::Malformed);
        }
        options.begin_peer_request();
        let patient = self.naks_sent < io.timers.max_failure;
        let mut good = true;
        for (judgement, option) in received.judgements.iter_mut().zip(control.options().flatten()) {
            *judgement = match options.judge(rng, option) {
                Judgement::Nak if !patient => Judgement::Reject,
                other => other,
            };
            good &= *judgement == Judgement::Ack;
        }
        good &= control.options().count() <= MAX_OPTIONS;

        let mut lower = Actions::NONE;
        if !options.is_looped_back() {
            let request = PeerRequest::new(control, now);
            self.note_peer_timer(now, io, request);
            let overdue = self.unanswered_since.is_some_and(|sent| io.is_overdue(now, sent));
            let first = self.state == State::ReqSent && self.peer_request.is_none();
            if first && overdue && self.restart_count > 0 {
                // The start-up rule; the period begins afresh, so that this one's loss costs no more.
                self.period = io.first_period;
                lower = self.repeat(now, io, options, RepeatCause::PeerStarted);
            }
            self.peer_request = Some(request);
        }
        let event = if good { Event::ConfigureRequestGood } else { Event::ConfigureRequestBad };
        Ok(lower.and(self.step(now, io, options, event, Some(&received))))
    }

    /// Tells the owner if this request of the peer's came by a timer of the peer's.
    fn note_peer_timer(&mut self, now: Instant, io: &mut Io, request: PeerRequest) {
        let (message, since) = match (self.peer_request, self.acknowledged_at.take()) {
            (Some(earlier), _) if request.repeats(&earlier) => {
                (PeerMessage::ConfigureRequestAgain, earlier.answered_at)
            }
            (_, Some(at)) if self.state == State::AckRcvd => (PeerMessage::ConfigureRequest, at),
            _ => return,
        };
        // Much later it is not a repetition but another negotiation.
        if now >= since + PEER_TIMER_SUSPECTED && now <= since + io.timers.patience {
            io.tell(LinkEvent::PeerTimer { protocol: self.protocol, message, waited: now - since });
        }
    }

    /// Checks an answer to our Configure-Request and learns from it.
    fn take_answer(
        &mut self,
        rng: &mut dyn Rng,
        io: &Io,
        options: &mut dyn Options,
        control: Control<'_>,
    ) -> Result<Event, Dropped> {
        let event = match control.code {
            Code::ConfigureAck => Event::ConfigureAck,
            _ => Event::ConfigureNak,
        };
        let negotiating =
            matches!(self.state, State::ReqSent | State::AckRcvd | State::AckSent | State::Opened);
        if !negotiating {
            return Ok(event);
        }
        if self.unanswered_since.is_none() || control.identifier != self.identifier {
            return Err(Dropped::Identifier);
        }
        if control.options().any(|option| option.is_err()) {
            return Err(Dropped::Malformed);
        }
        match control.code {
            Code::ConfigureAck => {
                if !self.is_our_request(options, control.data) {
                    return Err(Dropped::NotRequested);
                }
            }
            Code::ConfigureNak => {
                let stubborn = self.refusals >= io.timers.max_failure;
                for option in control.options().flatten() {
                    options.handle_nak(rng, option, stubborn);
                }
                self.refusals = self.refusals.saturating_add(1);
            }
            _ => {
                let mut known = false;
                for option in control.options().flatten() {
                    known |= options.handle_reject(option);
                }
                if !known {
                    return Err(Dropped::NotRequested);
                }
                self.refusals = self.refusals.saturating_add(1);
            }
        }
        self.unanswered_since = None;
        Ok(event)
    }

    /// Whether `data` are the options of our newest Configure-Request (RFC 1661 §5.2).
    fn is_our_request(&self, options: &dyn Options, data: &[u8]) -> bool {
        let mut buffer = [0; MAX_REQUEST_LEN];
        let length = write_request(&mut buffer, self.protocol, self.identifier, options);
        length.is_ok_and(|length| buffer[REQUEST_HEADER_LEN..length] == *data)
    }

    /// TO+: the unanswered request once more.
    fn repeat(&mut self, now: Instant, io: &mut Io, options: &dyn Options, cause: RepeatCause) -> Actions {
        // In Ack-Rcvd ours was answered; what TO+ sends there is a new request (scr/6).
        let attempt = if self.state == State::AckRcvd { 0 } else { self.attempt };
        self.attempt = attempt;
        let actions = self.step(now, io, options, Event::TimeoutRepeat, None);
        if attempt > 0 {
            io.tell(LinkEvent::Repeated { protocol: self.protocol, attempt: self.attempt, cause });
        }
        actions
    }

    /// One step of the automaton.
    fn step(
        &mut self,
        now: Instant,
        io: &mut Io,
        options: &dyn Options,
        event: Event,
        received: Option<&Received<'_>>,
    ) -> Actions {
        let Some((actions, next)) = transition(self.state, event) else { return Actions::NONE };
        self.state = next;
        if actions.contains(Actions::TLD) {
            self.period = io.first_period;
        }
        if actions.contains(Actions::IRC) {
            self.restart_count = if actions.contains(Actions::STR) {
                io.timers.max_terminate
            } else {
                io.timers.max_configure
            };
            self.period = io.first_period;
        }
        if actions.contains(Actions::ZRC) {
            self.restart_count = 0;
            self.period = io.first_period;
            self.restart_timer = Some(now + self.period);
        }
        if actions.contains(Actions::SCR) {
            self.send_request(now, io, options, event == Event::TimeoutRepeat);
        }
        if let Some(received) = received {
            self.answer(io, options, actions, received);
        }
        if actions.contains(Actions::STR) {
            self.send_terminate(now, io, event == Event::TimeoutRepeat);
        }
        if event == Event::ConfigureAck && next == State::AckRcvd {
            // Now it is the peer's turn. Our Restart timer would only make it acknowledge again.
            self.acknowledged_at = Some(now);
            self.restart_timer = Some(now + io.timers.restart_ceiling);
        }
        if actions.contains(Actions::TLU) {
            self.naks_sent = 0;
            self.refusals = 0;
        }
        if !next.runs_timer() {
            self.restart_timer = None;
        }
        if is_negotiating(next) && self.patience.is_none() {
            self.patience = Some(now + io.timers.patience);
        } else if !is_negotiating(next) && next != State::Opened {
            self.patience = None;
        }
        actions
    }

    fn send_request(&mut self, now: Instant, io: &mut Io, options: &dyn Options, again: bool) {
        if again && self.attempt > 0 {
            self.attempt = self.attempt.saturating_add(1);
        } else {
            self.identifier = self.identifier.wrapping_add(1);
            self.attempt = 1;
        }
        self.restart_count = self.restart_count.saturating_sub(1);
        self.unanswered_since = Some(now);
        self.acknowledged_at = None;
        self.restart_timer = Some(now + self.period);
        io.send(|buffer| write_request(buffer, self.protocol, self.identifier, options));
    }

    fn send_terminate(&mut self, now: Instant, io: &mut Io, again: bool) {
        if !again {
            self.identifier = self.identifier.wrapping_add(1);
            self.attempt = 0;
        }
        self.attempt = self.attempt.saturating_add(1);
        self.restart_count = self.restart_count.saturating_sub(1);
        self.unanswered_since = None;
        self.restart_timer = Some(now + self.period);
        let request = Control { code: Code::TerminateRequest, identifier: self.identifier, data: &[] };
        io.send(|buffer| request.emit(buffer, self.protocol));
    }

    /// The answers of a transition: sca, scn, sta, scj.
    fn answer(&mut self, io: &mut Io, options: &dyn Options, actions: Actions, received: &Received<'_>) {
        let control = received.control;
        let protocol = self.protocol;
        if actions.contains(Actions::SCA) {
            let ack = Control { code: Code::ConfigureAck, ..control };
            io.send(|buffer| ack.emit(buffer, protocol));
        }
        if actions.contains(Actions::SCN) {
            let reject = received.judged().any(|(_, judgement)| judgement == Judgement::Reject);
            let code = if reject { Code::ConfigureReject } else { Code::ConfigureNak };
            if !reject {
                self.naks_sent = self.naks_sent.saturating_add(1);
            }
            io.send(|buffer| {
                let mut writer = Writer::new(buffer, protocol, code, control.identifier);
                for (option, judgement) in received.judged() {
                    match judgement {
                        Judgement::Reject => _ = writer.raw_option(option),
                        Judgement::Nak | Judgement::NakAlways if !reject => {
                            options.write_suggestion(option.kind, &mut writer);
                        }
                        _ => {}
                    }
                }
                writer.finish()
            });
        }
        if actions.contains(Actions::STA) {
            let ack = Control { code: Code::TerminateAck, identifier: control.identifier, data: &[] };
            io.send(|buffer| ack.emit(buffer, protocol));
        }
        if actions.contains(Actions::SCJ) {
            self.reject_identifier = self.reject_identifier.wrapping_add(1);
            let (identifier, mru) = (self.reject_identifier, io.peer_mru);
            let rejected = &received.packet[..received.len()];
            io.send(|buffer| emit_code_reject(buffer, protocol, identifier, rejected, mru));
        }
    }
}

/// A packet on its way through the automaton.
struct Received<'a> {
    control: Control<'a>,
    /// The same, from its code on, padding included.
    packet: &'a [u8],
    /// Of its options, if it is a Configure-Request.
    judgements: [Judgement; MAX_OPTIONS],
}

impl<'a> Received<'a> {
    fn judged(&self) -> impl Iterator<Item = (RawOption<'a>, Judgement)> {
        let judgements = self.judgements.iter().copied().chain(core::iter::repeat(Judgement::Reject));
        self.control.options().flatten().zip(judgements)
    }

    /// Octets of the packet without padding.
    fn len(&self) -> usize {
        gatelet_wire::ppp::CONTROL_HEADER_LEN + self.control.data.len()
    }
}

fn is_negotiating(state: State) -> bool {
    matches!(state, State::ReqSent | State::AckRcvd | State::AckSent)
}

fn write_request(
    buffer: &mut [u8],
    protocol: Protocol,
    identifier: u8,
    options: &dyn Options,
) -> Result<usize, gatelet_wire::BufferTooSmall> {
    let mut writer = Writer::new(buffer, protocol, Code::ConfigureRequest, identifier);
    options.write_request(&mut writer);
    writer.finish()
}

/// Octets before the options of a request.
const REQUEST_HEADER_LEN: usize = gatelet_wire::ppp::PROTOCOL_LEN + gatelet_wire::ppp::CONTROL_HEADER_LEN;
/// The longest request is IPCP's, three options of six octets.
const MAX_REQUEST_LEN: usize = REQUEST_HEADER_LEN + 3 * 6;
