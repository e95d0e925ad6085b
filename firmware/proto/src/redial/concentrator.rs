//! What the concentrator still remembers of us, and the PADTs that make it forget.
//!
//! A session that a power cut or a dead line left open blocks the next one where RADIUS allows only one. So it gets a
//! PADT: at boot, when the cable is back, and once more when a line that was silent answers again, since the earlier
//! PADT may have been lost in it. And some concentrators stay silent for half an hour or more until they see a PADT
//! from our MAC address, whatever its `SESSION_ID` (rp-pppoe issue 28, a Cisco): so the end of a long silence is
//! announced with one. A PADT is neither a PADI nor a PADR: no documented throttle counts it, and RFC 2516 §5.5 has an
//! unknown session's ignored.

use super::ledger::{LastSession, Ledger};

#[derive(Debug, Clone, Default)]
pub(super) struct Concentrator {
    /// Last spoken to; the `id` is 0 when no session is left behind there.
    known: Option<LastSession>,
    /// The PADT to be sent next.
    clear: Option<LastSession>,
    clear_at_pado: bool,
    pub(super) echo_ignored: bool,
}

impl Concentrator {
    pub(super) fn restore(ledger: &Ledger) -> Self {
        let known = ledger.concentrator;
        Self { known, clear: ledger.last_session(), clear_at_pado: false, echo_ignored: ledger.echo_ignored }
    }

    pub(super) const fn known(&self) -> Option<LastSession> {
        self.known
    }

    fn left_behind(&self) -> Option<LastSession> {
        self.known.filter(|session| session.id != 0)
    }

    pub(super) fn opened(&mut self, session: LastSession) {
        // Another concentrator may well answer echoes.
        let same = self.known.is_some_and(|known| known.ac_mac == session.ac_mac);
        *self = Self {
            known: Some(session),
            echo_ignored: self.echo_ignored && same,
            clear: None,
            clear_at_pado: false,
        };
    }

    /// It knows that the session is over.
    pub(super) fn forget_session(&mut self) {
        if let Some(session) = &mut self.known {
            session.id = 0;
        }
    }

    /// The cable was pulled out of a session.
    pub(super) fn cut_off(&mut self) {
        self.clear = self.left_behind();
    }

    /// A PADI stayed unanswered, so a PADT of ours was perhaps lost as well.
    pub(super) fn unanswered(&mut self) {
        self.clear_at_pado |= self.left_behind().is_some();
    }

    pub(super) fn answered(&mut self) {
        if core::mem::take(&mut self.clear_at_pado) {
            self.clear = self.left_behind();
        }
    }

    /// A long silence is about to end.
    pub(super) fn wake(&mut self) {
        self.clear = self.known;
    }

    pub(super) const fn has_padt(&self) -> bool {
        self.clear.is_some()
    }

    pub(super) fn take_padt(&mut self) -> Option<LastSession> {
        self.clear.take()
    }
}
