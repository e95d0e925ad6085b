//! LCP echo: whether the link is alive, and whether the peer answers echoes at all.
//!
//! Timer: *echo timer*, started when the network phase begins and by itself; when it fires, the last echo is
//! judged and the next one may be due.
//!
//! Reading list: RFC 1661 §5.8; what each mode does is at [`Echo`].

use smoltcp::time::Instant;

use super::config::Echo;

/// The state of LCP echo in one session.
#[derive(Debug)]
pub(super) struct EchoMonitor {
    mode: Echo,
    timer: Option<Instant>,
    last_received: Instant,
    /// When the echo that nobody answered yet was sent.
    unanswered_since: Option<Instant>,
    /// Missed in a row: no answer, and nothing else either.
    missed: u8,
    /// Ignored in a row: no answer, but other packets.
    ignored: u8,
    pub(super) ever_answered: bool,
    /// Whether the owner was told that this peer ignores echo.
    ignorance_told: bool,
}

/// What is to be done when the echo timer fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Send an Echo-Request.
    pub(super) send: bool,
    /// Tell the owner that this peer ignores echo.
    pub(super) ignored: bool,
    /// The link is dead.
    pub(super) dead: bool,
}

/// Echoes in a row that a peer may leave unanswered, with other traffic flowing and none answered
/// before, until it is known to ignore them. One that has answered before merely had some lost.
const IGNORED_FOR_SURE: u8 = 2;

impl EchoMonitor {
    pub(super) const fn new() -> Self {
        Self {
            mode: Echo::Off,
            timer: None,
            last_received: Instant::ZERO,
            unanswered_since: None,
            missed: 0,
            ignored: 0,
            ever_answered: false,
            ignorance_told: false,
        }
    }

    /// The network phase begins, or the mode was changed.
    pub(super) fn start(&mut self, now: Instant, mode: Echo) {
        let timer = mode.timing().map(|(interval, _)| now + interval);
        *self = Self { mode, timer, last_received: now, ..Self::new() };
    }

    /// LCP left Opened.
    pub(super) const fn stop(&mut self) {
        self.timer = None;
    }

    pub(super) const fn is_running(&self) -> bool {
        self.timer.is_some()
    }

    pub(super) const fn poll_at(&self) -> Option<Instant> {
        self.timer
    }

    /// Anything was received.
    pub(super) fn note_received(&mut self, now: Instant) {
        // The datapath tells late of what it saw earlier.
        self.last_received = self.last_received.max(now);
    }

    /// An Echo-Reply was received.
    pub(super) const fn note_reply(&mut self) {
        self.unanswered_since = None;
        self.missed = 0;
        self.ignored = 0;
        self.ever_answered = true;
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Due {
        let mut due = Due { send: false, ignored: false, dead: false };
        let Some((interval, max_missed)) = self.mode.timing() else { return due };
        if self.timer.is_none_or(|at| now < at) {
            return due;
        }
        if let Some(sent) = self.unanswered_since.take() {
            if self.last_received > sent {
                self.missed = 0;
                self.ignored = self.ignored.saturating_add(1);
                let ignores = !self.ever_answered && self.ignored >= IGNORED_FOR_SURE;
                due.ignored = ignores && !self.ignorance_told;
                self.ignorance_told |= due.ignored;
            } else {
                self.missed = self.missed.saturating_add(1);
                if self.missed >= max_missed {
                    self.timer = None;
                    due.dead = true;
                    return due;
                }
            }
        }
        let adaptive = matches!(self.mode, Echo::Adaptive { .. });
        let quiet_until = self.last_received + interval;
        if adaptive && (self.ever_answered || self.ignorance_told) && now < quiet_until {
            self.timer = Some(quiet_until);
            return due;
        }
        self.timer = Some(now + interval);
        self.unanswered_since = Some(now);
        due.send = true;
        due
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::time::Duration;

    use super::*;

    const SEND: Due = Due { send: true, ignored: false, dead: false };
    const NOTHING: Due = Due { send: false, ignored: false, dead: false };

    fn at(seconds: i64) -> Instant {
        Instant::from_secs(seconds)
    }

    fn monitor(mode: Echo) -> EchoMonitor {
        let mut monitor = EchoMonitor::new();
        monitor.start(at(0), mode);
        monitor
    }

    fn on() -> Echo {
        Echo::On { interval: Duration::from_secs(20), max_missed: 3 }
    }

    #[test]
    fn on_sends_each_interval_and_three_silent_misses_are_death() {
        let mut monitor = monitor(on());
        assert_eq!(monitor.handle_timeout(at(19)), NOTHING);
        assert_eq!(monitor.handle_timeout(at(20)), SEND);
        monitor.note_received(at(21));
        monitor.note_reply();
        for seconds in [40, 60, 80] {
            assert_eq!(monitor.handle_timeout(at(seconds)), SEND);
        }
        assert_eq!(monitor.handle_timeout(at(100)), Due { send: false, ignored: false, dead: true });
        assert_eq!(monitor.poll_at(), None);
    }

    #[test]
    fn traffic_without_replies_is_ignorance_not_death() {
        let mut monitor = monitor(on());
        assert_eq!(monitor.handle_timeout(at(20)), SEND);
        monitor.note_received(at(30));
        assert_eq!(monitor.handle_timeout(at(40)), SEND);
        monitor.note_received(at(50));
        assert_eq!(monitor.handle_timeout(at(60)), Due { send: true, ignored: true, dead: false });
        for seconds in (80..400).step_by(20) {
            monitor.note_received(at(seconds - 1));
            assert_eq!(monitor.handle_timeout(at(seconds)), SEND, "told once only");
        }
    }

    #[test]
    fn a_peer_that_has_answered_before_does_not_ignore_echoes_that_are_lost() {
        let mut monitor = monitor(on());
        assert_eq!(monitor.handle_timeout(at(20)), SEND);
        monitor.note_reply();
        for seconds in (40..400).step_by(20) {
            assert_eq!(monitor.handle_timeout(at(seconds)), SEND);
            monitor.note_received(at(seconds + 1));
        }
    }

    #[test]
    fn adaptive_asks_until_answered_once_then_only_in_silence() {
        let mut monitor = monitor(Echo::default());
        monitor.note_received(at(19));
        assert_eq!(monitor.handle_timeout(at(20)), SEND, "traffic, but no answer known yet");
        monitor.note_received(at(20));
        monitor.note_reply();
        monitor.note_received(at(35));
        assert_eq!(monitor.handle_timeout(at(40)), NOTHING);
        assert_eq!(monitor.poll_at(), Some(at(55)));
        assert_eq!(monitor.handle_timeout(at(55)), SEND, "20 s of silence");
    }

    #[test]
    fn off_never_fires() {
        let mut monitor = monitor(Echo::Off);
        assert_eq!(monitor.poll_at(), None);
        assert_eq!(monitor.handle_timeout(at(1_000_000)), NOTHING);
    }
}
