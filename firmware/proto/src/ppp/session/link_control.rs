//! LCP's packets once they concern the whole link: negotiation, rejects, echo.
//!
//! Timer: the *padded echo* timer, started by each padded Echo-Request; when it fires, the request or
//! its reply was lost or too long for the path.
//!
//! Reading list: RFC 1661 §5.6 (Code-Reject), §5.7 (Protocol-Reject), §5.8 (Echo), §6.4 (loops); RFC
//! 4638 (padded echo).

use gatelet_wire::ppp::lcp::{self, ECHO_OVERHEAD, ProtocolReject, emit_padded_echo_request};
use gatelet_wire::ppp::{CONTROL_HEADER_LEN, Code, Control, Protocol};
use rand_core::Rng;
use smoltcp::time::Instant;

use super::{Env, Session};
use crate::ppp::automaton::Actions;
use crate::ppp::event::{Dropped, LinkEvent, LinkFailure, Ncp, text};
use crate::ppp::lcp::LOOPS_FOR_SURE;
use crate::ppp::link::Phase;

/// A padded Echo-Request under way.
#[derive(Debug)]
pub(super) struct PaddedEcho {
    size: u16,
    attempt: u8,
    pub(super) timer: Instant,
}

/// How often a padded Echo-Request is sent at most, one first Restart period apart; RFC 4638 leaves
/// it open. Until it is known that the path is too narrow, at most 3.75 s, long packets are lost.
const PADDED_ECHO_ATTEMPTS: u8 = 3;

/// An Echo-Reply to one of the last so many requests counts: a late one shows life too.
const ECHO_WINDOW: u8 = 8;

impl Session {
    pub(super) fn handle_lcp(
        &mut self,
        env: &mut Env<'_>,
        rng: &mut dyn Rng,
        packet: &[u8],
    ) -> Result<(), Dropped> {
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
        let actions = self.lcp().handle_packet(env, rng, packet)?;
        if control.code == Code::CodeReject {
            self.note_code_reject(env, control.data);
        }
        self.after_lcp(env, rng, actions);
        if self.phase == Phase::Terminate {
            return Ok(());
        }
        if control.code == Code::TerminateRequest {
            self.end(env, LinkEvent::TerminatedByPeer { text: text(control.data) });
        } else if actions.contains(Actions::TLF)
            || (control.code == Code::CodeReject && actions.contains(Actions::TLD))
        {
            self.fail(env, LinkFailure::LcpRejected);
        } else if self.lcp.options.loops >= LOOPS_FOR_SURE {
            self.fail(env, LinkFailure::Loop);
        } else if self.lcp.options.auth_refusals > env.io.timers.max_failure {
            let offered = self.lcp.options.auth_offered;
            self.fail(env, LinkFailure::AuthTooWeak { offered });
        } else if self.phase == Phase::Establish && self.lcp().is_hopeless(env) {
            self.fail(env, LinkFailure::LcpNoConvergence);
        }
        Ok(())
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
            (Protocol::Ipcp, _) if self.phase == Phase::Network => self.reject_ncp(env, Ncp::Ipcp),
            (Protocol::Ipv6cp, _) if self.phase == Phase::Network => self.reject_ncp(env, Ncp::Ipv6cp),
            _ => return Err(Dropped::NotRequested),
        }
        Ok(())
    }

    /// Protocol-Reject of what we do not speak, once LCP is Opened and, by RFC 1661 §3.5, the peer
    /// authenticated.
    pub(super) fn reject_protocol(
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
        let size = CONTROL_HEADER_LEN + control.data.len();
        if let Some(padded) = self.padded_echo.take_if(|padded| usize::from(padded.size) == size) {
            env.io.tell(LinkEvent::PaddedEcho { size: padded.size, answered: true });
        }
        Ok(())
    }

    pub(super) fn handle_echo_timeout(&mut self, env: &mut Env<'_>) {
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

    pub(super) fn repeat_padded_echo(&mut self, env: &mut Env<'_>) {
        let Some(padded) = &mut self.padded_echo else { return };
        let size = padded.size;
        if padded.attempt >= PADDED_ECHO_ATTEMPTS {
            self.padded_echo = None;
            env.io.tell(LinkEvent::PaddedEcho { size, answered: false });
            return;
        }
        padded.attempt += 1;
        padded.timer = env.now + env.io.first_period;
        self.send_echo(env, usize::from(size).saturating_sub(ECHO_OVERHEAD));
    }

    pub(in crate::ppp) fn echo_padded(&mut self, env: &mut Env<'_>, size: u16) {
        let carried = self.lcp.options.peer_mru().min(self.lcp.options.mru());
        if !self.is_lcp_opened() || size > carried || usize::from(size) < ECHO_OVERHEAD {
            return;
        }
        self.padded_echo = Some(PaddedEcho { size, attempt: 0, timer: env.now });
        self.repeat_padded_echo(env);
    }
}
