//! The network phase: IPCP and IPV6CP, and what their coming and going means for the link.
//!
//! Reading list: RFC 1661 §3.5 (what may be heard during authentication), §3.6 (network phase).

use gatelet_wire::ppp::{CONTROL_HEADER_LEN, Code, Control};
use heapless::Vec;
use rand_core::Rng;

use super::{Env, Session};
use crate::ppp::automaton::{Actions, Event, State};
use crate::ppp::event::{Dropped, LinkEvent, LinkFailure, Ncp, NcpFailure};
use crate::ppp::link::Phase;

/// The longest network protocol request that is held, octets from its code on. IPCP's with all
/// options of RFC 1332 and 1877 has 40.
pub(super) const MAX_HELD_LEN: usize = 64;

/// The least MTU IPv6 works on, octets (RFC 8200 §5).
const IPV6_MIN_MTU: u16 = 1280;

impl Session {
    /// Both network protocols begin, at the same time.
    pub(super) fn enter_network(&mut self, env: &mut Env<'_>, rng: &mut dyn Rng) {
        self.phase = Phase::Network;
        self.auth_patience = None;
        self.lcp.negotiation.settle();
        self.echo.start(env.now, env.config.echo);
        if env.config.ipv4 {
            self.ncp(Ncp::Ipcp).open(env);
        }
        if env.config.ipv6 {
            if env.io.peer_mru >= IPV6_MIN_MTU {
                self.ncp(Ncp::Ipv6cp).open(env);
            } else {
                self.lose(env, Ncp::Ipv6cp, NcpFailure::MruTooSmall);
            }
        }
        for ncp in [Ncp::Ipcp, Ncp::Ipv6cp] {
            if let Some(held) = self.ncp(ncp).held.take() {
                // It was well-formed enough to be held; what else is wrong with it is counted.
                if let Err(reason) = self.handle_ncp(env, rng, ncp, &held) {
                    env.io.counters.count(reason);
                }
            }
        }
    }

    pub(super) fn leave_network(&mut self, env: &mut Env<'_>) {
        for ncp in [Ncp::Ipcp, Ncp::Ipv6cp] {
            self.ncp_down(env, ncp);
            self.ncp(ncp).reset();
        }
    }

    pub(super) fn handle_ncp(
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
        let state = self.ncp(ncp).state();
        if state == State::Initial {
            // Not wanted.
            return self.reject_protocol(env, ncp.protocol(), packet);
        }
        let actions = self.ncp(ncp).handle_packet(env, rng, packet)?;
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
        let length = CONTROL_HEADER_LEN + control.data.len();
        self.ncp(ncp).held = Some(Vec::from_slice(&packet[..length]).map_err(|_| Dropped::WrongPhase)?);
        Ok(())
    }

    /// The peer does not speak it.
    pub(super) fn reject_ncp(&mut self, env: &mut Env<'_>, ncp: Ncp) {
        let actions = self.ncp(ncp).handle_event(env, Event::RejectCatastrophic);
        self.after_ncp(env, ncp, actions, NcpFailure::Rejected);
    }

    /// Carries out what happened to a network protocol; `reason` is why, should it be finished.
    pub(super) fn after_ncp(&mut self, env: &mut Env<'_>, ncp: Ncp, actions: Actions, reason: NcpFailure) {
        let hopeless = self.ncp(ncp).is_hopeless(env);
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
        if core::mem::take(&mut self.ncp(ncp).is_up) {
            env.io.tell(match ncp {
                Ncp::Ipcp => LinkEvent::Ipv4Down,
                Ncp::Ipv6cp => LinkEvent::Ipv6Down,
            });
        }
    }

    /// Tells that a network protocol is up; false if there is no address in what was agreed.
    fn ncp_up(&mut self, env: &mut Env<'_>, ncp: Ncp) -> bool {
        let up = match ncp {
            Ncp::Ipcp => {
                let Some(agreed) = self.ipcp.options.agreed() else { return false };
                env.config.last_ipv4 = Some(agreed);
                let peer = self.ipcp.options.peer();
                LinkEvent::Ipv4Up { address: agreed.address, peer, dns: agreed.dns }
            }
            Ncp::Ipv6cp => {
                let Some(local) = self.ipv6cp.options.agreed() else { return false };
                LinkEvent::Ipv6Up { local, peer: self.ipv6cp.options.peer() }
            }
        };
        let layer = self.ncp(ncp);
        layer.is_up = true;
        layer.is_lost = false;
        layer.negotiation.settle();
        env.io.tell(up);
        true
    }

    /// A network protocol will not come up. IPv4 is needed where it is wanted, IPv6 where it is all
    /// that is wanted. One that merely got no answer stays Stopped, where a peer that begins late
    /// can still open it.
    fn lose(&mut self, env: &mut Env<'_>, ncp: Ncp, reason: NcpFailure) {
        let layer = self.ncp(ncp);
        if core::mem::replace(&mut layer.is_lost, true) {
            return;
        }
        if reason != NcpFailure::Timeout {
            layer.handle_event(env, Event::Close);
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
