//! What each machine of a WAN has to say, and what the others do about it.

use chacha20::ChaCha8Rng;
use gatelet_proto::ppp::{Echo, LastIpv4, LinkConfig, LinkEvent, LinkFailure};
use gatelet_proto::pppoe::{self, DiscoveryConfig, Dropped, Mode, RefusalKind, Session};
use gatelet_proto::redial::{self, Action, Advice, Failure, HangUpReason, LastSession, PadsErrorTag, Permit};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{Header, VlanTag};
use gatelet_wire::pppoe::Packet;
use heapless::Vec;
use smoltcp::time::Instant;

use super::WORTH_TELLING;
use super::event::{Ipv4Status, Ipv6Status, PadtReason, WanEvent};
use super::session::Live;
use super::{End, MRU, MRU_MAX, Padt, Place, State, Wan, vlan_id};

impl Wan<'_> {
    /// Carries what the machines say from one to the other until none has anything to say.
    pub(super) fn advance(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.attention = true;
        loop {
            if let Some(event) = self.discovery.poll_event() {
                self.handle_discovery_event(now, rng, event);
            } else if let Some(event) = self.poll_link_event() {
                self.handle_link_event(now, rng, event);
            } else if let Some(action) = self.engine.poll_action(now, rng) {
                self.act(now, rng, action);
            } else if !self.authenticates(now) {
                break;
            }
        }
        while let Some(note) = self.engine.poll_note() {
            self.tell(WanEvent::Note(note));
        }
        let advice = self.engine.advice();
        if self.advice.is_none_or(|told| is_news(told, advice)) {
            self.advice = Some(advice);
            self.tell(WanEvent::Advice(advice));
        }
    }

    // Discovery.

    fn handle_discovery_event(&mut self, now: Instant, rng: &mut ChaCha8Rng, event: pppoe::Event) {
        match event {
            pppoe::Event::Offer { ac_mac, ac_name, fallback } => {
                self.tell(WanEvent::PadoReceived { ac_mac, ac_name, fallback });
                self.engine.handle_event(now, rng, redial::Event::PadoReceived);
            }
            pppoe::Event::OfferKept { ac_mac, ac_name } => self.tell(WanEvent::PadoKept { ac_mac, ac_name }),
            pppoe::Event::Refused(refusal) => self.tell(WanEvent::RefusalReceived(refusal)),
            pppoe::Event::Established(session) => self.open(now, rng, session),
            pppoe::Event::SurplusPads { ac_mac, session_id } => {
                self.tell(WanEvent::SurplusPadsReceived { ac_mac, session_id });
                let vlan = self.config.vlan;
                self.queue_padt(Padt { ac_mac, session_id, vlan, reason: PadtReason::Surplus });
            }
            pppoe::Event::Failed(failure) => {
                self.state = State::Idle;
                let failure = match failure {
                    pppoe::Failure::NoPado => Failure::NoPado,
                    pppoe::Failure::PadrUnanswered { .. } => Failure::PadrUnanswered,
                    pppoe::Failure::Refused(refusal) => Failure::PadsError(match refusal.kind {
                        RefusalKind::ServiceName => PadsErrorTag::ServiceNameError,
                        RefusalKind::AcSystem => PadsErrorTag::AcSystemError,
                        RefusalKind::Generic => PadsErrorTag::GenericError,
                    }),
                };
                self.fail(now, rng, failure, None);
            }
        }
    }

    /// PADS: the session lives from here on, and what arrived before it is taken.
    fn open(&mut self, now: Instant, rng: &mut ChaCha8Rng, session: Session) {
        self.counters.sessions = self.counters.sessions.wrapping_add(1);
        self.tell(WanEvent::PadsReceived {
            ac_mac: session.ac_mac,
            session_id: session.id,
            max_payload: session.max_payload,
        });
        let last = LastSession { ac_mac: session.ac_mac, id: session.id, vlan: vlan_id(self.config.vlan) };
        self.engine.handle_event(now, rng, redial::Event::SessionOpened(last));

        let config = LinkConfig {
            minimum_auth: self.config.minimum_auth,
            ask_before_authenticating: true,
            mru: session.max_payload.unwrap_or(MRU).min(self.room()),
            ipv6: self.config.ipv6,
            last_ipv4: self
                .last_ipv4
                .or_else(|| self.engine.last_address().map(|address| LastIpv4 { address, dns: [None; 2] })),
            echo: if self.engine.echo() { self.config.echo } else { Echo::Off },
            ..LinkConfig::new(self.config.credentials.clone())
        };
        let mut live = Live::new(session, config, self.mac(), self.config.vlan);
        if let Some(sent) = self.padr_sent.take() {
            live.link.set_round_trip(now - sent);
        }
        live.link.open(now, rng);
        let held = match core::mem::replace(&mut self.state, State::Session(live)) {
            State::Discovering { held } => held,
            _ => Vec::new(),
        };
        for frame in held {
            let Ok((header, rest)) = Header::parse(frame.bytes()) else { continue };
            let Ok(packet) = Packet::parse(rest) else { continue };
            if self.has_session(header.source, packet.session_id) {
                let place = Place { header_len: header.len(), payload_len: packet.payload.len() };
                // Data before its network protocol is up is dropped, as always.
                let _ = self.handle_session_frame(now, rng, place, frame);
            } else {
                // Of a session whose PADS was lost, for example.
                self.handle_unknown_session(now, header.source, packet.session_id);
            }
        }
    }

    /// A PADT: the end of the live session, if it is for that and from its concentrator.
    pub(super) fn handle_padt(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        source: EthernetAddress,
        packet: &Packet<'_>,
    ) -> Result<(), Dropped> {
        let (live, end) = match &self.state {
            State::Session(live) => (live, End::Failed(Failure::Padt)),
            State::Closing(live) => (live, End::Closed),
            State::Ending(live, end) => (live, *end),
            State::Idle | State::Discovering { .. } => return Err(Dropped::PadtForOtherSession),
        };
        let text = live.session.handle_padt(source, packet)?;
        self.tell(WanEvent::PadtReceived { session_id: packet.session_id, text });
        self.finish(now, rng, end);
        Ok(())
    }

    // PPP.

    fn poll_link_event(&mut self) -> Option<LinkEvent> {
        match &mut self.state {
            State::Session(live) | State::Closing(live) => live.link.poll_event(),
            State::Idle | State::Discovering { .. } | State::Ending(..) => None,
        }
    }

    fn handle_link_event(&mut self, now: Instant, rng: &mut ChaCha8Rng, event: LinkEvent) {
        let (State::Session(live) | State::Closing(live)) = &mut self.state else { return };
        match &event {
            LinkEvent::LcpUp { peer_mru, .. } => {
                live.mtu = if self.black_hole { MRU.min(*peer_mru) } else { *peer_mru };
            }
            LinkEvent::Authenticated { .. } => {
                self.engine.handle_event(now, rng, redial::Event::Authenticated);
            }
            LinkEvent::Ipv4Up { address, peer, dns } => {
                let ipv4 = Ipv4Status { address: *address, peer: *peer, dns: *dns };
                live.ipv4 = Some(ipv4);
                self.last_ipv4 = Some(LastIpv4 { address: *address, dns: *dns });
                let mtu = self.come_up(now, rng);
                self.tell(WanEvent::Up { ipv4, mtu, since_dial: now - self.dial_began });
                return;
            }
            LinkEvent::Ipv6Up { local, peer } => {
                let ipv6 = Ipv6Status { local: *local, peer: *peer };
                live.ipv6 = Some(ipv6);
                let mtu = self.come_up(now, rng);
                self.tell(WanEvent::Ipv6Up { ipv6, mtu, since_dial: now - self.dial_began });
                return;
            }
            LinkEvent::Ipv4Down => live.ipv4 = None,
            LinkEvent::Ipv6Down => live.ipv6 = None,
            LinkEvent::PaddedEcho { size, answered: false } => {
                live.mtu = live.mtu.min(MRU);
                self.black_hole = true;
                self.tell(WanEvent::BlackHole { size: *size });
                return;
            }
            LinkEvent::PeerIgnoresEcho => {
                self.engine.handle_event(now, rng, redial::Event::PeerIgnoresEcho);
                if !self.engine.echo() {
                    live.link.set_echo(now, Echo::Off);
                }
            }
            LinkEvent::AuthRefused { text, .. } => {
                let failure = self.engine.auth_refused(text);
                self.end(End::Failed(failure));
            }
            LinkEvent::TerminatedByPeer { .. } => self.end(End::Failed(Failure::TerminateRequest)),
            LinkEvent::Failed(failure) => self.end(End::Failed(reading(*failure))),
            LinkEvent::Closed => self.end(End::Closed),
            LinkEvent::AuthSent { .. }
            | LinkEvent::NcpUnavailable { .. }
            | LinkEvent::PaddedEcho { answered: true, .. }
            | LinkEvent::Repeated { .. }
            | LinkEvent::PeerTimer { .. } => {}
        }
        self.tell(WanEvent::Ppp(event));
    }

    /// A network protocol has opened. Answers the MTU.
    fn come_up(&mut self, now: Instant, rng: &mut ChaCha8Rng) -> u16 {
        let State::Session(live) = &mut self.state else { return 0 };
        if live.up_since.is_none() {
            live.up_since = Some(now);
            if live.mtu > MRU {
                live.link.echo_padded(now, live.mtu);
            }
        }
        let (mtu, address) = (live.mtu, live.ipv4.map(|ipv4| ipv4.address));
        self.engine.handle_event(now, rng, redial::Event::Up { address });
        mtu
    }

    /// Lets the link authenticate, if it wants to and the redial engine permits.
    fn authenticates(&mut self, now: Instant) -> bool {
        let State::Session(live) = &mut self.state else { return false };
        let before = live.authenticate_at.take();
        if !live.link.wants_to_authenticate() {
            return false;
        }
        match self.engine.permit_authentication(now) {
            Permit::Now => {
                live.link.authenticate(now);
                true
            }
            Permit::At(until) => {
                live.authenticate_at = Some(until);
                if before.is_none() && until >= now + WORTH_TELLING {
                    self.tell(WanEvent::AuthenticationDeferred { until });
                }
                false
            }
        }
    }

    // The end of a session.

    /// PPP is over: what it has still to send goes out, then the PADT, then it is
    /// [finished](Self::finish).
    fn end(&mut self, end: End) {
        self.state = match core::mem::replace(&mut self.state, State::Idle) {
            // Failed while closing: we wanted the end anyway.
            State::Closing(live) => State::Ending(live, End::Closed),
            State::Session(live) => State::Ending(live, end),
            other => other,
        };
    }

    /// The session is gone.
    pub(super) fn finish(&mut self, now: Instant, rng: &mut ChaCha8Rng, end: End) {
        let uptime = self.uptime(now);
        if let State::Session(live) | State::Closing(live) | State::Ending(live, _) = &self.state {
            self.counters.link = *live.link.counters();
        }
        self.state = State::Idle;
        match end {
            End::Failed(failure) => self.fail(now, rng, failure, uptime),
            End::Closed => self.closed(now, rng, uptime),
        }
    }

    fn fail(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        failure: Failure,
        uptime: Option<smoltcp::time::Duration>,
    ) {
        self.engine.handle_event(now, rng, redial::Event::Failed(failure));
        let failure = self.engine.last_failure().unwrap_or(failure);
        self.tell_down(failure, uptime);
        self.use_new_config(now);
    }

    /// A hang-up of ours is done.
    fn closed(&mut self, now: Instant, rng: &mut ChaCha8Rng, uptime: Option<smoltcp::time::Duration>) {
        self.engine.handle_event(now, rng, redial::Event::Closed);
        self.tell_down(self.engine.last_failure().unwrap_or(Failure::UserHangUp), uptime);
        self.use_new_config(now);
    }

    fn use_new_config(&mut self, now: Instant) {
        if let Some(config) = self.new_config.take() {
            self.apply(now, config);
            self.engine.dial(now, false);
        }
    }

    // The redial engine.

    fn act(&mut self, now: Instant, rng: &mut ChaCha8Rng, action: Action) {
        match action {
            Action::ClearSession(last) => {
                let vlan = last.vlan.map(|id| VlanTag { id, ..self.config.vlan.unwrap_or_default() });
                let reason = PadtReason::Stale;
                self.queue_padt(Padt { ac_mac: last.ac_mac, session_id: last.id, vlan, reason });
            }
            Action::Dial => self.begin(now, rng, Mode::Dial),
            Action::Probe => self.begin(now, rng, Mode::Probe),
            Action::HangUp(reason) => self.begin_hang_up(now, rng, reason),
        }
    }

    fn begin(&mut self, now: Instant, rng: &mut ChaCha8Rng, mode: Mode) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.discovery.set_config(DiscoveryConfig {
            service_name: self.config.service_name.clone(),
            ac_name: self.config.ac_name.clone(),
            ac_mac: self.config.ac_mac,
            max_payload: Some(self.room().min(MRU_MAX))
                .filter(|max| *max > MRU && self.config.jumbo && !self.black_hole),
            padi_attempts: self.config.policy.padi_attempts,
            ..DiscoveryConfig::default()
        });
        self.tell(WanEvent::DialBegun { probe: mode == Mode::Probe });
        self.dial_began = now;
        self.discovery.start(now, rng, mode);
        self.state = State::Discovering { held: Vec::new() };
    }

    fn begin_hang_up(&mut self, now: Instant, rng: &mut ChaCha8Rng, reason: HangUpReason) {
        self.tell(WanEvent::HangingUp { reason });
        self.discovery.stop();
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Idle | State::Discovering { .. } => self.closed(now, rng, None),
            State::Session(mut live) => {
                live.link.close(now);
                self.state = State::Closing(live);
            }
            closing => self.state = closing,
        }
    }
}

/// Whether people should hear of `advice` after they were `told` another. The end of a wait moves by
/// itself, a little, until the wait begins.
fn is_news(told: Advice, advice: Advice) -> bool {
    let moved = match (told.until, advice.until) {
        (Some(told), Some(until)) => told.max(until) - told.min(until) >= WORTH_TELLING,
        (told, until) => told.is_some() != until.is_some(),
    };
    moved || told.doing != advice.doing || told.because != advice.because
}

/// What a failure of the link is to the redial engine.
const fn reading(failure: LinkFailure) -> Failure {
    match failure {
        LinkFailure::LcpTimeout { .. } | LinkFailure::LcpNoConvergence | LinkFailure::LcpRejected => {
            Failure::LcpTimeout
        }
        LinkFailure::Loop => Failure::Loop,
        LinkFailure::AuthTimeout { .. } | LinkFailure::AuthRejected { .. } => Failure::AuthTimeout,
        LinkFailure::AuthTooWeak { .. } | LinkFailure::PeerNotGenuine => Failure::PeerNotTrusted,
        LinkFailure::NcpFailed { .. } => Failure::NcpFailed,
        LinkFailure::EchoTimeout { .. } => Failure::EchoTimeout,
    }
}
