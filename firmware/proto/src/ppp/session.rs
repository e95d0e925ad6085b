//! What a [`Link`](super::Link) has while a session exists: LCP, authentication, IPCP and IPV6CP on
//! top of each other, in the phases drawn in [`super`].
//!
//! Timers, beside those of each layer: the *padded echo* timer, started by each padded
//! Echo-Request; when it fires, the request or its reply was lost or too long for the path.
//!
//! Reading list: RFC 1661 §3 (phases), §5.7 (Protocol-Reject), §5.8 (Echo), RFC 4638 §8 (padded
//! echo).

use gatelet_wire::ppp::lcp::{self, ECHO_OVERHEAD, ProtocolReject, emit_padded_echo_request};
use gatelet_wire::ppp::{Code, Control, Protocol};
use heapless::Vec;
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::auth::{Authentication, Verdict};
use super::automaton::{Actions, Event, State};
use super::config::{Echo, LinkConfig};
use super::echo::EchoMonitor;
use super::event::{Dropped, LinkEvent, LinkFailure, Ncp, NcpFailure, text};
use super::io::Io;
use super::ipcp::IpcpOptions;
use super::ipv6cp::Ipv6cpOptions;
use super::lcp::{LOOPS_FOR_SURE, LcpOptions};
use super::link::Phase;
use super::negotiation::{Negotiation, Options};

/// What a session works with, lent by its link for one call.
pub(super) struct Env<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a mut LinkConfig,
    pub(super) io: &'a mut Io,
}

/// The layers of one session.
#[derive(Debug)]
pub(super) struct Session {
    phase: Phase,
    lcp: Layer<LcpOptions>,
    auth: Option<Authentication>,
    /// Where the identifiers of the next PAP requests begin.
    pap_identifier: u8,
    /// Until when the peer has to be satisfied, if LCP left Opened before it was.
    auth_patience: Option<Instant>,
    /// Whether the owner has let us authenticate, or need not be asked.
    may_authenticate: bool,
    ipcp: Layer<IpcpOptions>,
    ipv6cp: Layer<Ipv6cpOptions>,
    echo: EchoMonitor,
    echo_identifier: u8,
    padded_echo: Option<PaddedEcho>,
    /// Echo-Requests in a row that bore our own magic number.
    echo_loops: u8,
    reject_identifier: u8,
    /// Whether the peer sent any LCP packet.
    peer_heard: bool,
    /// Whether the owner was told that nothing more will be sent.
    is_closed: bool,
}

/// LCP, IPCP or IPV6CP: a negotiation and its options.
#[derive(Debug)]
struct Layer<O> {
    negotiation: Negotiation,
    options: O,
    /// Whether the owner was told that it is up.
    is_up: bool,
    /// Whether the owner was told that it will not come up.
    is_lost: bool,
    /// A Configure-Request that came before its time, during authentication.
    held: Option<Vec<u8, MAX_HELD_LEN>>,
}

impl<O: Options> Layer<O> {
    const fn new(protocol: Protocol, options: O) -> Self {
        Self { negotiation: Negotiation::new(protocol), options, is_up: false, is_lost: false, held: None }
    }

    fn reset(&mut self) {
        self.negotiation.reset();
        self.is_lost = false;
        self.held = None;
    }

    fn handle_event(&mut self, env: &mut Env<'_>, event: Event) -> Actions {
        self.negotiation.handle_event(env.now, env.io, &self.options, event)
    }

    fn handle_timeout(&mut self, env: &mut Env<'_>) -> Actions {
        self.negotiation.handle_timeout(env.now, env.io, &self.options)
    }

    fn handle_packet(
        &mut self,
        env: &mut Env<'_>,
        rng: &mut dyn Rng,
        packet: &[u8],
    ) -> Result<Actions, Dropped> {
        self.negotiation.handle_packet(env.now, rng, env.io, &mut self.options, packet)
    }

    fn is_hopeless(&self, env: &Env<'_>) -> bool {
        self.negotiation.is_hopeless(env.now, env.io)
    }
}

#[derive(Debug)]
struct PaddedEcho {
    size: u16,
    attempt: u8,
    period: Duration,
    timer: Instant,
}

/// The longest network protocol request that is held, octets from its code on. IPCP's with all
/// options of RFC 1332 and 1877 has 40.
const MAX_HELD_LEN: usize = 64;

/// How often a padded Echo-Request is sent at most (RFC 4638 §8 leaves it open).
const PADDED_ECHO_ATTEMPTS: u8 = 3;

/// An Echo-Reply to one of the last so many requests counts: a late one shows life too.
const ECHO_WINDOW: u8 = 8;

/// The least MTU IPv6 works on, octets (RFC 8200 §5).
const IPV6_MIN_MTU: u16 = 1280;

impl Session {
    /// The lower layer is up: sends the first Configure-Request.
    pub(super) fn open(env: &mut Env<'_>, rng: &mut dyn Rng) -> Self {
        let options = LcpOptions::new(rng, env.config.mru, env.config.minimum_auth);
        let mut session = Self {
            phase: Phase::Establish,
            lcp: Layer::new(Protocol::Lcp, options),
            auth: None,
            pap_identifier: 1,
            auth_patience: None,
            may_authenticate: !env.config.ask_before_authenticating,
            ipcp: Layer::new(Protocol::Ipcp, IpcpOptions::new(env.config.last_ipv4)),
            ipv6cp: Layer::new(Protocol::Ipv6cp, Ipv6cpOptions::new(rng)),
            echo: EchoMonitor::new(),
            echo_identifier: 0,
            padded_echo: None,
            echo_loops: 0,
            reject_identifier: 0,
            peer_heard: false,
            is_closed: false,
        };
        session.lcp.handle_event(env, Event::Open);
        session.lcp.handle_event(env, Event::Up);
        session
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn close(&mut self, env: &mut Env<'_>) {
        if self.phase != Phase::Terminate {
            self.terminate(env);
        }
    }

    pub(super) fn lower_down(&mut self, env: &mut Env<'_>) {
        self.leave_network(env);
    }

    pub(super) fn note_traffic(&mut self, now: Instant) {
        self.echo.note_received(now);
    }

    pub(super) fn wants_to_authenticate(&self) -> bool {
        self.auth.as_ref().is_some_and(Authentication::is_waiting)
    }

    pub(super) fn authenticate(&mut self, env: &mut Env<'_>) {
        self.may_authenticate = true;
        if let Some(auth) = &mut self.auth {
            auth.permit(env.now, env.io, &env.config.credentials);
        }
    }

    pub(super) fn set_echo(&mut self, now: Instant, echo: Echo) {
        if self.phase == Phase::Network {
            self.echo.start(now, echo);
        }
    }

    pub(super) fn echo_padded(&mut self, env: &mut Env<'_>, size: u16) {
        let carried = self.lcp.options.peer_mru().min(self.lcp.options.mru());
        if !self.is_lcp_opened() || size > carried || usize::from(size) < ECHO_OVERHEAD {
            return;
        }
        let period = env.io.first_period;
        self.padded_echo = Some(PaddedEcho { size, attempt: 0, period, timer: env.now });
        self.repeat_padded_echo(env);
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        [
            self.lcp.negotiation.poll_at(),
            self.auth.as_ref().and_then(Authentication::poll_at),
            self.ipcp.negotiation.poll_at(),
            self.ipv6cp.negotiation.poll_at(),
            self.echo.poll_at(),
            self.padded_echo.as_ref().map(|padded| padded.timer),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn handle_timeout(&mut self, env: &mut Env<'_>) {
        let actions = self.lcp.handle_timeout(env);
        self.after_lcp_timer(env, actions);
        if self.phase == Phase::Establish && self.lcp.is_hopeless(env) {
            self.fail(env, LinkFailure::LcpNoConvergence);
        }
        if let Some(auth) = &mut self.auth
            && auth.handle_timeout(env.now, env.io, &env.config.credentials)
        {
            let (method, sent) = (auth.method(), auth.is_sent());
            self.fail(env, LinkFailure::AuthTimeout { method, sent });
        }
        if self.phase == Phase::Network {
            let actions = self.ipcp.handle_timeout(env);
            self.after_ncp(env, Ncp::Ipcp, actions, NcpFailure::Timeout);
        }
        if self.phase == Phase::Network {
            let actions = self.ipv6cp.handle_timeout(env);
            self.after_ncp(env, Ncp::Ipv6cp, actions, NcpFailure::Timeout);
        }
        self.handle_echo_timeout(env);
        if self.padded_echo.as_ref().is_some_and(|padded| padded.timer <= env.now) {
            self.repeat_padded_echo(env);
        }
    }

    /// A packet, from its protocol field on.
    pub(super) fn handle_packet(
        &mut self,
        env: &mut Env<'_>,
        rng: &mut dyn Rng,
        packet: &[u8],
    ) -> Result<(), Dropped> {
        let (protocol, information) = gatelet_wire::ppp::parse(packet)?;
        self.echo.note_received(env.now);
        match protocol {
            Protocol::Ipv4 | Protocol::Ipv6 => Err(Dropped::NotControl),
            Protocol::Lcp => {
                self.peer_heard = true;
                self.handle_lcp(env, rng, information)
            }
            Protocol::Pap | Protocol::Chap => self.handle_auth(env, rng, protocol, information),
            Protocol::Ipcp => self.handle_ncp(env, rng, Ncp::Ipcp, information),
            Protocol::Ipv6cp => self.handle_ncp(env, rng, Ncp::Ipv6cp, information),
            Protocol::Unknown(_) => self.reject_protocol(env, protocol, information),
        }
    }

    // LCP

    fn is_lcp_opened(&self) -> bool {
        self.lcp.negotiation.state() == State::Opened
    }

    fn handle_lcp(&mut self, env: &mut Env<'_>, rng: &mut dyn Rng, packet: &[u8]) -> Result<(), Dropped> {
        let control = Control::parse(packet)?;
        match control.code {
            Code::EchoRequest | Code::EchoReply | Code::ProtocolReject if !self.is_lcp_opened() => {
                return Err(Dropped::WrongPhase);
            }
            Code::EchoRequest => return self.handle_echo_request(env, control),
            Code::EchoReply => return self.handle_echo_reply(env, control),
            Code::ProtocolReject => return self.handle_protocol_reject(env, control),
            Code::DiscardRequest | Code::Identification | Code::TimeRemaining => {
                return Err(Dropped::Discarded);
            }
            _ => {}
        }
        let actions = self.lcp.handle_packet(env, rng, packet)?;
        if control.code == Code::CodeReject {
            self.note_code_reject(env, control.data);
        }
        self.after_lcp(env, rng, actions);
        if self.phase == Phase::Terminate {
            return Ok(());
        }
        if control.code == Code::TerminateRequest {
            env.io.tell(LinkEvent::TerminatedByPeer { text: text(control.data) });
            self.terminate(env);
        } else if actions.contains(Actions::TLF)
            || (control.code == Code::CodeReject && actions.contains(Actions::TLD))
        {
            self.fail(env, LinkFailure::LcpRejected);
        } else if self.lcp.options.loops >= LOOPS_FOR_SURE {
            self.fail(env, LinkFailure::Loop);
        } else if self.lcp.options.auth_refusals > env.io.timers.max_failure {
            let offered = self.lcp.options.auth_offered;
            self.fail(env, LinkFailure::AuthTooWeak { offered });
        } else if self.phase == Phase::Establish && self.lcp.is_hopeless(env) {
            self.fail(env, LinkFailure::LcpNoConvergence);
        }
        Ok(())
    }

    /// Carries out what an LCP packet brought about.
    fn after_lcp(&mut self, env: &mut Env<'_>, rng: &mut dyn Rng, actions: Actions) {
        if actions.contains(Actions::TLD) {
            self.leave_opened(env);
        }
        if actions.contains(Actions::TLF) && self.phase == Phase::Terminate {
            self.finish(env);
        }
        if actions.contains(Actions::TLU) {
            self.enter_opened(env, rng);
        }
    }

    /// The same for LCP's Restart timer, which never opens anything.
    fn after_lcp_timer(&mut self, env: &mut Env<'_>, actions: Actions) {
        if !actions.contains(Actions::TLF) {
            return;
        }
        if self.phase == Phase::Terminate {
            self.finish(env);
        } else {
            self.fail(env, LinkFailure::LcpTimeout { peer_heard: self.peer_heard });
        }
    }

    fn enter_opened(&mut self, env: &mut Env<'_>, rng: &mut dyn Rng) {
        let (options, auth) = (&self.lcp.options, self.lcp.options.auth());
        env.io.peer_mru = options.peer_mru();
        env.io.tell(LinkEvent::LcpUp { peer_mru: options.peer_mru(), mru: options.mru(), auth });
        let Some(method) = auth else { return self.enter_network(env, rng) };
        self.phase = Phase::Authenticate;
        let patience = self.auth_patience.unwrap_or(env.now + env.io.timers.patience);
        self.auth = Some(Authentication::begin(
            env.now,
            env.io,
            &env.config.credentials,
            method,
            (self.pap_identifier, self.may_authenticate, patience),
        ));
    }

    /// LCP left Opened: everything above it begins again.
    fn leave_opened(&mut self, env: &mut Env<'_>) {
        self.leave_network(env);
        if let Some(auth) = self.auth.take() {
            self.pap_identifier = auth.next_identifier();
            self.auth_patience = auth.patience();
        }
        self.echo.stop();
        self.padded_echo = None;
        if self.phase != Phase::Terminate {
            self.phase = Phase::Establish;
        }
    }

    /// Ends the session from our side; the owner was told why.
    fn terminate(&mut self, env: &mut Env<'_>) {
        self.phase = Phase::Terminate;
        self.lcp.handle_event(env, Event::Close);
        self.leave_opened(env);
        if self.lcp.negotiation.state() == State::Closed {
            self.finish(env);
        }
    }

    fn finish(&mut self, env: &mut Env<'_>) {
        if !core::mem::replace(&mut self.is_closed, true) {
            env.io.tell(LinkEvent::Closed);
        }
    }

    fn fail(&mut self, env: &mut Env<'_>, failure: LinkFailure) {
        if self.phase != Phase::Terminate {
            env.io.tell(LinkEvent::Failed(failure));
            self.terminate(env);
        }
    }

    fn note_code_reject(&mut self, env: &mut Env<'_>, rejected: &[u8]) {
        if rejected.first() == Some(&u8::from(Code::EchoRequest)) && self.echo.is_running() {
            self.echo.stop();
            env.io.tell(LinkEvent::PeerIgnoresEcho);
        }
    }

    fn handle_protocol_reject(&mut self, env: &mut Env<'_>, control: Control<'_>) -> Result<(), Dropped> {
        let protocol = ProtocolReject::parse(control.data)?.protocol;
        let method = self.lcp.options.auth().filter(|_| self.phase == Phase::Authenticate);
        match (protocol, method) {
            (Protocol::Lcp, _) => self.fail(env, LinkFailure::LcpRejected),
            (Protocol::Pap | Protocol::Chap, Some(method)) if method.protocol() == protocol => {
                self.fail(env, LinkFailure::AuthRejected { method });
            }
            (Protocol::Ipcp, _) if self.phase == Phase::Network => {
                let actions = self.ipcp.handle_event(env, Event::RejectCatastrophic);
                self.after_ncp(env, Ncp::Ipcp, actions, NcpFailure::Rejected);
            }
            (Protocol::Ipv6cp, _) if self.phase == Phase::Network => {
                let actions = self.ipv6cp.handle_event(env, Event::RejectCatastrophic);
                self.after_ncp(env, Ncp::Ipv6cp, actions, NcpFailure::Rejected);
            }
            _ => return Err(Dropped::NotRequested),
        }
        Ok(())
    }

    /// Protocol-Reject of what we do not speak, once LCP is Opened and, by RFC 1661 §3.5, the peer
    /// authenticated.
    fn reject_protocol(
        &mut self,
        env: &mut Env<'_>,
        protocol: Protocol,
        information: &[u8],
    ) -> Result<(), Dropped> {
        if self.phase != Phase::Network {
            return Err(Dropped::WrongPhase);
        }
        self.reject_identifier = self.reject_identifier.wrapping_add(1);
        let (identifier, mru) = (self.reject_identifier, env.io.peer_mru);
        let reject = ProtocolReject { protocol, information };
        env.io.send(|buffer| reject.emit(buffer, identifier, mru));
        Ok(())
    }

    // Echo

    fn handle_echo_request(&mut self, env: &mut Env<'_>, control: Control<'_>) -> Result<(), Dropped> {
        let request = lcp::Echo::parse(control.data)?;
        let ours = self.lcp.options.magic_number();
        if request.magic_number == ours && ours != 0 {
            self.echo_loops = self.echo_loops.saturating_add(1);
            if self.echo_loops >= LOOPS_FOR_SURE {
                self.fail(env, LinkFailure::Loop);
            }
            return Err(Dropped::MagicNumber);
        }
        self.echo_loops = 0;
        let room = usize::from(env.io.peer_mru).saturating_sub(ECHO_OVERHEAD);
        let data = request.data.get(..room).unwrap_or(request.data);
        let reply = lcp::Echo { magic_number: ours, data };
        env.io.send(|buffer| reply.emit(buffer, Code::EchoReply, control.identifier));
        Ok(())
    }

    fn handle_echo_reply(&mut self, env: &mut Env<'_>, control: Control<'_>) -> Result<(), Dropped> {
        // Any magic number will do: some concentrators return ours instead of theirs.
        lcp::Echo::parse(control.data)?;
        if self.echo_identifier.wrapping_sub(control.identifier) >= ECHO_WINDOW {
            return Err(Dropped::Identifier);
        }
        self.echo.note_reply();
        let size = gatelet_wire::ppp::CONTROL_HEADER_LEN + control.data.len();
        if let Some(padded) = self.padded_echo.take_if(|padded| usize::from(padded.size) == size) {
            env.io.tell(LinkEvent::PaddedEcho { size: padded.size, answered: true });
        }
        Ok(())
    }

    fn handle_echo_timeout(&mut self, env: &mut Env<'_>) {
        let due = self.echo.handle_timeout(env.now);
        if due.ignored {
            env.io.tell(LinkEvent::PeerIgnoresEcho);
        }
        if due.send {
            self.send_echo(env, 0);
        }
        if due.dead {
            self.fail(env, LinkFailure::EchoTimeout { ever_answered: self.echo.ever_answered });
        }
    }

    fn send_echo(&mut self, env: &mut Env<'_>, padding: usize) {
        self.echo_identifier = self.echo_identifier.wrapping_add(1);
        let (identifier, magic) = (self.echo_identifier, self.lcp.options.magic_number());
        env.io.send(|buffer| emit_padded_echo_request(buffer, identifier, magic, padding));
    }

    fn repeat_padded_echo(&mut self, env: &mut Env<'_>) {
        let Some(padded) = &mut self.padded_echo else { return };
        let size = padded.size;
        if padded.attempt >= PADDED_ECHO_ATTEMPTS {
            self.padded_echo = None;
            env.io.tell(LinkEvent::PaddedEcho { size, answered: false });
            return;
        }
        padded.attempt += 1;
        padded.timer = env.now + padded.period;
        padded.period = env.io.longer(padded.period);
        self.send_echo(env, usize::from(size).saturating_sub(ECHO_OVERHEAD));
    }

    // Authentication

    fn handle_auth(
        &mut self,
        env: &mut Env<'_>,
        rng: &mut dyn Rng,
        protocol: Protocol,
        packet: &[u8],
    ) -> Result<(), Dropped> {
        let Some(auth) = &mut self.auth else { return Err(Dropped::WrongPhase) };
        let method = auth.method();
        let credentials = &env.config.credentials;
        match auth.handle_packet(env.now, rng, env.io, credentials, protocol, packet)? {
            None => {}
            Some(Verdict::Accepted(text)) => {
                env.io.tell(LinkEvent::Authenticated { method, text });
                if self.phase == Phase::Authenticate {
                    self.enter_network(env, rng);
                }
            }
            Some(Verdict::Refused { text, code }) => {
                env.io.tell(LinkEvent::AuthRefused { method, text, code });
                self.terminate(env);
            }
            Some(Verdict::NotGenuine) => self.fail(env, LinkFailure::PeerNotGenuine),
        }
        Ok(())
    }

    // Network protocols

    /// Both network protocols begin, at the same time.
    fn enter_network(&mut self, env: &mut Env<'_>, rng: &mut dyn Rng) {
        self.phase = Phase::Network;
        self.auth_patience = None;
        self.lcp.negotiation.settle();
        self.echo.start(env.now, env.config.echo);
        if env.config.ipv4 {
            self.ipcp.handle_event(env, Event::Open);
            self.ipcp.handle_event(env, Event::Up);
        }
        if env.config.ipv6 {
            if env.io.peer_mru >= IPV6_MIN_MTU {
                self.ipv6cp.handle_event(env, Event::Open);
                self.ipv6cp.handle_event(env, Event::Up);
            } else {
                self.lose(env, Ncp::Ipv6cp, NcpFailure::MruTooSmall);
            }
        }
        for ncp in [Ncp::Ipcp, Ncp::Ipv6cp] {
            if let Some(held) = self.held(ncp).take() {
                // It was well-formed enough to be held; what else is wrong with it is counted.
                if let Err(reason) = self.handle_ncp(env, rng, ncp, &held) {
                    env.io.counters.count(reason);
                }
            }
        }
    }

    fn leave_network(&mut self, env: &mut Env<'_>) {
        if core::mem::take(&mut self.ipcp.is_up) {
            env.io.tell(LinkEvent::Ipv4Down);
        }
        if core::mem::take(&mut self.ipv6cp.is_up) {
            env.io.tell(LinkEvent::Ipv6Down);
        }
        self.ipcp.reset();
        self.ipv6cp.reset();
    }

    fn held(&mut self, ncp: Ncp) -> &mut Option<Vec<u8, MAX_HELD_LEN>> {
        match ncp {
            Ncp::Ipcp => &mut self.ipcp.held,
            Ncp::Ipv6cp => &mut self.ipv6cp.held,
        }
    }

    fn handle_ncp(
        &mut self,
        env: &mut Env<'_>,
        rng: &mut dyn Rng,
        ncp: Ncp,
        packet: &[u8],
    ) -> Result<(), Dropped> {
        let control = Control::parse(packet)?;
        match self.phase {
            Phase::Network => {}
            Phase::Authenticate => return self.hold(env, ncp, control, packet),
            Phase::Dead | Phase::Establish | Phase::Terminate => return Err(Dropped::WrongPhase),
        }
        let (state, protocol) = match ncp {
            Ncp::Ipcp => (self.ipcp.negotiation.state(), Protocol::Ipcp),
            Ncp::Ipv6cp => (self.ipv6cp.negotiation.state(), Protocol::Ipv6cp),
        };
        if state == State::Initial {
            // Not wanted.
            return self.reject_protocol(env, protocol, packet);
        }
        let actions = match ncp {
            Ncp::Ipcp => self.ipcp.handle_packet(env, rng, packet)?,
            Ncp::Ipv6cp => self.ipv6cp.handle_packet(env, rng, packet)?,
        };
        if control.code == Code::TerminateRequest && state != State::Closed && state != State::Closing {
            self.after_ncp(env, ncp, actions.and(Actions::TLF), NcpFailure::Terminated);
        } else {
            self.after_ncp(env, ncp, actions, NcpFailure::Rejected);
        }
        Ok(())
    }

    /// A peer that is ahead of us: its request waits until authentication is done.
    fn hold(
        &mut self,
        env: &mut Env<'_>,
        ncp: Ncp,
        control: Control<'_>,
        packet: &[u8],
    ) -> Result<(), Dropped> {
        if control.code != Code::ConfigureRequest {
            return Err(Dropped::WrongPhase);
        }
        if let Some(auth) = &mut self.auth {
            auth.note_peer_went_on(env.now, env.io, &env.config.credentials);
        }
        let length = gatelet_wire::ppp::CONTROL_HEADER_LEN + control.data.len();
        *self.held(ncp) = Some(Vec::from_slice(&packet[..length]).map_err(|_| Dropped::WrongPhase)?);
        Ok(())
    }

    /// Carries out what happened to a network protocol; `reason` is why, should it be finished.
    fn after_ncp(&mut self, env: &mut Env<'_>, ncp: Ncp, actions: Actions, reason: NcpFailure) {
        let hopeless = match ncp {
            Ncp::Ipcp => self.ipcp.is_hopeless(env),
            Ncp::Ipv6cp => self.ipv6cp.is_hopeless(env),
        };
        if actions.contains(Actions::TLD) {
            self.ncp_down(env, ncp);
        }
        if actions.contains(Actions::TLU) && !self.ncp_up(env, ncp) {
            self.lose(env, ncp, NcpFailure::NoAddress);
        } else if actions.contains(Actions::TLF) || (reason == NcpFailure::Rejected && is_closing(actions)) {
            self.lose(env, ncp, reason);
        } else if hopeless {
            self.lose(env, ncp, NcpFailure::NoConvergence);
        }
    }

    fn ncp_down(&mut self, env: &mut Env<'_>, ncp: Ncp) {
        let (is_up, event) = match ncp {
            Ncp::Ipcp => (&mut self.ipcp.is_up, LinkEvent::Ipv4Down),
            Ncp::Ipv6cp => (&mut self.ipv6cp.is_up, LinkEvent::Ipv6Down),
        };
        if core::mem::take(is_up) {
            env.io.tell(event);
        }
    }

    /// Tells that a network protocol is up; false if there is no address in what was agreed.
    fn ncp_up(&mut self, env: &mut Env<'_>, ncp: Ncp) -> bool {
        match ncp {
            Ncp::Ipcp => {
                let Some(agreed) = self.ipcp.options.agreed() else { return false };
                self.ipcp.is_lost = false;
                self.ipcp.negotiation.settle();
                env.config.last_ipv4 = Some(agreed);
                self.ipcp.is_up = true;
                let peer = self.ipcp.options.peer();
                env.io.tell(LinkEvent::Ipv4Up { address: agreed.address, peer, dns: agreed.dns });
            }
            Ncp::Ipv6cp => {
                let Some(local) = self.ipv6cp.options.agreed() else { return false };
                self.ipv6cp.is_lost = false;
                self.ipv6cp.negotiation.settle();
                self.ipv6cp.is_up = true;
                env.io.tell(LinkEvent::Ipv6Up { local, peer: self.ipv6cp.options.peer() });
            }
        }
        true
    }

    /// A network protocol will not come up. IPv4 is needed where it is wanted, IPv6 where it is all
    /// that is wanted. One that merely got no answer stays Stopped, where a peer that begins late
    /// can still open it.
    fn lose(&mut self, env: &mut Env<'_>, ncp: Ncp, reason: NcpFailure) {
        let is_lost = match ncp {
            Ncp::Ipcp => &mut self.ipcp.is_lost,
            Ncp::Ipv6cp => &mut self.ipv6cp.is_lost,
        };
        if core::mem::replace(is_lost, true) {
            return;
        }
        match ncp {
            _ if reason == NcpFailure::Timeout => {}
            Ncp::Ipcp => _ = self.ipcp.handle_event(env, Event::Close),
            Ncp::Ipv6cp => _ = self.ipv6cp.handle_event(env, Event::Close),
        }
        self.ncp_down(env, ncp);
        env.io.tell(LinkEvent::NcpUnavailable { ncp, reason });
        if ncp == Ncp::Ipcp || !env.config.ipv4 {
            self.fail(env, LinkFailure::NcpFailed { ncp, reason });
        }
    }
}

/// Whether a rejected layer went from Opened to Stopping.
const fn is_closing(actions: Actions) -> bool {
    actions.contains(Actions::TLD) && actions.contains(Actions::STR)
}
