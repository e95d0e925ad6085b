//! Permits: the only way a PADI, a PADR or an authentication gets out.

use super::clock::Time;
use super::engine::Engine;
use super::event::Permit;
use super::ledger::Grant;
use super::state::{ATTEMPT_MOST, State};
use crate::pppoe::DiscoveryMessage;
use smoltcp::time::{Duration, Instant};

/// An attempt waits this long for an answer when the budget forbids to repeat the question.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon to ask again for what a record must come before.
const RECORD_PAUSE: Duration = Duration::from_millis(20);
/// How soon to ask again for what is not going to be permitted.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

impl Engine {
    /// Asks for every PADI and PADR, right before it is sent: the only way one gets out.
    pub fn permit(&mut self, now: Instant, message: DiscoveryMessage) -> Permit {
        let now = self.clock.advance(now);
        match self.try_permit(now, message) {
            Ok(()) => Permit::Now,
            Err(at) => Permit::At(self.clock.instant(at)),
        }
    }

    fn try_permit(&mut self, now: Time, message: DiscoveryMessage) -> Result<(), Time> {
        let State::Attempt(attempt) = &mut self.state else { return Err(now.after(REFUSED_PAUSE)) };
        let first_padr = message == DiscoveryMessage::Padr && !attempt.dialed;
        let room = match message {
            DiscoveryMessage::Padi => {
                let most = if attempt.plan.is_single_padi() { 1 } else { self.policy.padi_attempts.max(1) };
                if attempt.padis >= most {
                    attempt.give_up = attempt.give_up.min(now.after(PATIENCE));
                    return Err(attempt.give_up.max(now.after(REFUSED_PAUSE)));
                }
                let spaced = self.last_padi.map_or(now, |last| last.after(self.policy.padi_spacing));
                self.budget.room_for_padi(self.policy.discovery, now).max(spaced)
            }
            DiscoveryMessage::Padr => self.budget.discovery.room_at(self.policy.discovery, now, 1),
        };
        let room =
            if first_padr { room.max(self.budget.dials.room_at(self.policy.dials, now, 1)) } else { room };
        if room > now {
            // A repeated PADI may still be answered while it waits; a PADO grows stale.
            let patience = if first_padr { Duration::ZERO } else { PATIENCE };
            if room > now.after(PATIENCE) {
                attempt.give_up = attempt.give_up.min(now.after(patience));
            }
            return Err(room);
        }
        let need = if first_padr { Grant::DIAL } else { Grant::POLLS };
        if !self.memory.covers(need) {
            self.memory.want(need);
            return Err(now.after(RECORD_PAUSE));
        }
        attempt.give_up = now.after(ATTEMPT_MOST);
        self.budget.discovery.count(now);
        match message {
            DiscoveryMessage::Padi => {
                attempt.padis = attempt.padis.saturating_add(1);
                attempt.last_padi = Some(now);
                self.last_padi = Some(now);
            }
            DiscoveryMessage::Padr if first_padr => {
                attempt.dialed = true;
                self.budget.dials.count(now);
                self.memory.spend_dial();
            }
            DiscoveryMessage::Padr => {}
        }
        Ok(())
    }

    /// Asks for each authentication, once, when LCP has opened (not for repeated packets of it).
    pub fn permit_authentication(&mut self, now: Instant) -> Permit {
        let now = self.clock.advance(now);
        let at = match self.state {
            State::Attempt(_) | State::Up(_) => {
                self.budget.authentications.room_at(self.policy.authentications, now, 1)
            }
            _ => now.after(REFUSED_PAUSE),
        };
        if at > now {
            return Permit::At(self.clock.instant(at));
        }
        if !self.memory.covers(Grant::SESSION) {
            self.memory.want(Grant::SESSION);
            return Permit::At(self.clock.instant(now.after(RECORD_PAUSE)));
        }
        self.budget.authentications.count(now);
        self.memory.spend_authentication();
        Permit::Now
    }
}
