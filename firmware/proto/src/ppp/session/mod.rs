//! What a [`Link`](super::Link) has while a session exists: LCP, authentication, IPCP and IPV6CP on
//! top of each other, in the phases drawn in [`super`].
//!
//! This file has what concerns all of them; `link_control` the packets of LCP, `network` those of
//! IPCP and IPV6CP.
//!
//! Reading list: RFC 1661 §3 (phases).

mod link_control;
mod network;

use gatelet_wire::ppp::Protocol;
use heapless::Vec;
use rand_core::Rng;
use smoltcp::time::Instant;

use self::link_control::PaddedEcho;
use self::network::MAX_HELD_LEN;

use super::auth::{Authentication, Verdict};
use super::automaton::{Actions, Event, State};
use super::config::{Echo, LinkConfig};
use super::echo::EchoMonitor;
use super::event::{Dropped, LinkEvent, LinkFailure, Ncp, NcpFailure};
use super::io::Io;
use super::ipcp::IpcpOptions;
use super::ipv6cp::Ipv6cpOptions;
use super::lcp::LcpOptions;
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
struct Layer<O: ?Sized> {
    negotiation: Negotiation,
    /// Whether the owner was told that it is up.
    is_up: bool,
    /// Whether the owner was told that it will not come up.
    is_lost: bool,
    /// A Configure-Request that came before its time, during authentication.
    held: Option<Vec<u8, MAX_HELD_LEN>>,
    options: O,
}

impl<O> Layer<O> {
    const fn new(protocol: Protocol, options: O) -> Self {
        Self { negotiation: Negotiation::new(protocol), is_up: false, is_lost: false, held: None, options }
    }
}

/// What does not depend on the options, once for all three layers.
impl Layer<dyn Options> {
    fn reset(&mut self) {
        self.negotiation.reset();
        self.is_lost = false;
        self.held = None;
    }

    fn state(&self) -> State {
        self.negotiation.state()
    }

    fn open(&mut self, env: &mut Env<'_>) {
        self.handle_event(env, Event::Open);
        self.handle_event(env, Event::Up);
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
        session.lcp().open(env);
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
        let actions = self.lcp().handle_timeout(env);
        self.after_lcp_timer(env, actions);
        if self.phase == Phase::Establish && self.lcp().is_hopeless(env) {
            self.fail(env, LinkFailure::LcpNoConvergence);
        }
        if let Some(auth) = &mut self.auth
            && auth.handle_timeout(env.now, env.io, &env.config.credentials)
        {
            let (method, sent) = (auth.method(), auth.is_sent());
            self.fail(env, LinkFailure::AuthTimeout { method, sent });
        }
        for ncp in [Ncp::Ipcp, Ncp::Ipv6cp] {
            if self.phase == Phase::Network {
                let actions = self.ncp(ncp).handle_timeout(env);
                self.after_ncp(env, ncp, actions, NcpFailure::Timeout);
            }
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

    fn lcp(&mut self) -> &mut Layer<dyn Options> {
        &mut self.lcp
    }

    fn ncp(&mut self, ncp: Ncp) -> &mut Layer<dyn Options> {
        match ncp {
            Ncp::Ipcp => &mut self.ipcp,
            Ncp::Ipv6cp => &mut self.ipv6cp,
        }
    }

    fn is_lcp_opened(&self) -> bool {
        self.lcp.negotiation.state() == State::Opened
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

    /// Ends the session and tells why: after what goes down by it.
    fn end(&mut self, env: &mut Env<'_>, reason: LinkEvent) {
        if self.phase != Phase::Terminate {
            self.leave_network(env);
            env.io.tell(reason);
            self.terminate(env);
        }
    }

    fn fail(&mut self, env: &mut Env<'_>, failure: LinkFailure) {
        self.end(env, LinkEvent::Failed(failure));
    }

    /// Closes LCP.
    fn terminate(&mut self, env: &mut Env<'_>) {
        self.phase = Phase::Terminate;
        self.lcp().handle_event(env, Event::Close);
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
                self.end(env, LinkEvent::AuthRefused { method, text, code });
            }
            Some(Verdict::NotGenuine) => self.fail(env, LinkFailure::PeerNotGenuine),
        }
        Ok(())
    }
}
