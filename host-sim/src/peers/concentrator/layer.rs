//! One control protocol of a session, as the server runs it: LCP, IPCP or IPV6CP on the RFC 1661 automaton.
//!
//! Reading list: RFC 1661 §4.4 (actions), §4.6 (counters and timers).

use gatelet_proto::ppp::automaton::{Actions, Event, State, transition};
use gatelet_wire::ppp::{Code, Control, Protocol, RawOption};
use smoltcp::time::{Duration, Instant};

use super::path::Path;
use crate::world::Outbox;

/// RFC 1661 §4.6: Restart timer 3 s, Max-Configure 10, Max-Terminate 2.
const RESTART: Duration = Duration::from_secs(3);
const MAX_CONFIGURE: u32 = 10;
const MAX_TERMINATE: u32 = 2;

/// The answer to a Configure-Request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Ack,
    /// The options as they should be.
    Nak(Vec<u8>),
    /// The options that must go.
    Reject(Vec<u8>),
}

#[derive(Debug)]
pub(super) struct Layer {
    protocol: Protocol,
    pub(super) state: State,
    tries: u32,
    deadline: Option<Instant>,
    identifier: u8,
    /// The options of our Configure-Request.
    pub(super) request: Vec<u8>,
    /// Configure-Requests of the client answered so far: contrary servers count their objections by it.
    pub(super) judged: u32,
}

impl Layer {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            state: State::Initial,
            tries: 0,
            deadline: None,
            identifier: 0,
            request: Vec::new(),
            judged: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Opened
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.deadline
    }

    /// Open and Up, in either order.
    pub(super) fn start(&mut self, now: Instant, path: &Path, out: &mut Outbox) {
        self.run(now, Event::Open, None, path, out);
        self.run(now, Event::Up, None, path, out);
    }

    /// Waits for the client's Configure-Request: as if ours had run out of tries (Stopped).
    pub(super) fn start_passively(&mut self) {
        self.state = State::Stopped;
    }

    /// The lower layer is gone.
    pub(super) fn down(&mut self, now: Instant, path: &Path, out: &mut Outbox) -> Actions {
        self.run(now, Event::Down, None, path, out)
    }

    pub(super) fn close(&mut self, now: Instant, path: &Path, out: &mut Outbox) -> Actions {
        self.run(now, Event::Close, None, path, out)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, path: &Path, out: &mut Outbox) -> Actions {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Actions::NONE;
        }
        self.deadline = None;
        let event = if self.tries > 0 { Event::TimeoutRepeat } else { Event::TimeoutGiveUp };
        self.run(now, event, None, path, out)
    }

    /// A packet all control protocols share (codes 1 to 7). `answer` judges Configure-Requests; Naks and Rejects of
    /// ours must have been worked into [`Layer::request`] by the caller before.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        control: &Control,
        answer: Option<Answer>,
        path: &Path,
        out: &mut Outbox,
    ) -> Actions {
        let event = match control.code {
            Code::ConfigureRequest => match answer {
                Some(Answer::Ack) => Event::ConfigureRequestGood,
                _ => Event::ConfigureRequestBad,
            },
            Code::ConfigureAck if control.identifier == self.identifier && control.data == self.request => {
                Event::ConfigureAck
            }
            Code::ConfigureNak | Code::ConfigureReject if control.identifier == self.identifier => {
                Event::ConfigureNak
            }
            Code::ConfigureAck | Code::ConfigureNak | Code::ConfigureReject => return Actions::NONE,
            Code::TerminateRequest => Event::TerminateRequest,
            Code::TerminateAck => Event::TerminateAck,
            Code::CodeReject => Event::RejectPermitted,
            _ => Event::UnknownCode,
        };
        self.run(now, event, Some((control, answer)), path, out)
    }

    /// Whether a Nak or Reject with this identifier is about our latest request.
    pub(super) fn awaits(&self, identifier: u8) -> bool {
        identifier == self.identifier
    }

    /// Takes the options of `rejected` out of our request.
    pub(super) fn drop_options<'a>(&mut self, rejected: impl Iterator<Item = RawOption<'a>>) {
        for option in rejected {
            let mut kept = Vec::new();
            for ours in gatelet_wire::ppp::Options::new(&self.request).flatten() {
                if ours.kind != option.kind {
                    kept.extend_from_slice(&[ours.kind, ours.value.len() as u8 + 2]);
                    kept.extend_from_slice(ours.value);
                }
            }
            self.request = kept;
        }
    }

    fn run(
        &mut self,
        now: Instant,
        event: Event,
        about: Option<(&Control, Option<Answer>)>,
        path: &Path,
        out: &mut Outbox,
    ) -> Actions {
        let Some((actions, next)) = transition(self.state, event) else { return Actions::NONE };
        self.state = next;
        if actions.contains(Actions::IRC) {
            self.tries =
                if next == State::Closing || next == State::Stopping { MAX_TERMINATE } else { MAX_CONFIGURE };
        }
        if actions.contains(Actions::ZRC) {
            self.tries = 0;
            self.deadline = Some(now + RESTART);
        }
        if actions.contains(Actions::SCR) {
            self.identifier = self.identifier.wrapping_add(1);
            self.arm(now);
            path.control(out, self.protocol, Code::ConfigureRequest, self.identifier, &self.request);
        }
        if let Some((control, answer)) = about {
            if actions.contains(Actions::SCA) {
                path.control(out, self.protocol, Code::ConfigureAck, control.identifier, control.data);
            }
            if actions.contains(Actions::SCN) {
                let (code, options) = match answer {
                    Some(Answer::Nak(options)) => (Code::ConfigureNak, options),
                    Some(Answer::Reject(options)) => (Code::ConfigureReject, options),
                    _ => (Code::ConfigureReject, Vec::new()),
                };
                path.control(out, self.protocol, code, control.identifier, &options);
            }
            if actions.contains(Actions::STA) {
                path.control(out, self.protocol, Code::TerminateAck, control.identifier, &[]);
            }
            if actions.contains(Actions::SCJ) {
                let mut rejected = vec![control.code.into(), control.identifier];
                rejected.extend_from_slice(&(control.data.len() as u16 + 4).to_be_bytes());
                rejected.extend_from_slice(control.data);
                self.identifier = self.identifier.wrapping_add(1);
                path.control(out, self.protocol, Code::CodeReject, self.identifier, &rejected);
            }
        }
        if actions.contains(Actions::STR) {
            self.identifier = self.identifier.wrapping_add(1);
            self.arm(now);
            path.control(out, self.protocol, Code::TerminateRequest, self.identifier, &[]);
        }
        if !next.runs_timer() {
            self.deadline = None;
        }
        actions
    }

    fn arm(&mut self, now: Instant) {
        self.tries = self.tries.saturating_sub(1);
        self.deadline = Some(now + RESTART);
    }
}
