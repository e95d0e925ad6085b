//! From a plan that is due to an attempt under way: the budget first, then the record, then the act.

use super::clock::Time;
use super::engine::Engine;
use super::event::Action;
use super::ledger::Grant;
use super::policy::Window;
use super::state::{ATTEMPT_MOST, Attempt, Plan, Rest, State};
use smoltcp::time::Duration;

impl Engine {
    /// Enters a plan that is due and within the budget into the ledger.
    pub(super) fn prepare(&mut self, now: Time) {
        if let (State::Resting(rest), Some(hold)) = (&mut self.state, self.hold)
            && rest.plan == Plan::ColdPoll
            && !rest.prepared
            && now >= hold.ends()
        {
            rest.plan = Plan::AfterHold;
            rest.due = hold.ends();
        }
        let State::Resting(rest) = &self.state else { return };
        if rest.prepared || now < self.ready_at(rest, now) {
            return;
        }
        let plan = rest.plan;
        match plan {
            Plan::ColdPoll => {
                if let Some(hold) = &mut self.hold {
                    hold.polled = true;
                }
                self.memory.want(Grant::DIAL);
            }
            Plan::AfterHold => {
                self.innocent_since = now;
                self.hold = None;
                self.concentrator.wake();
                self.memory.want(Grant::DIAL);
            }
            Plan::Dial => {
                if self.hold.take().is_some() || !self.memory.covers(Grant::DIAL) {
                    self.memory.want(Grant::DIAL);
                }
            }
            Plan::DarkPoll => {
                if let Some(dark) = &mut self.dark
                    && core::mem::replace(&mut dark.silent, false)
                {
                    dark.polling_until = now.after(self.policy.dark_polling);
                    self.concentrator.wake();
                }
                if !self.memory.covers(Grant::POLLS) {
                    self.memory.want(Grant::POLLS);
                }
            }
        }
        if let State::Resting(rest) = &mut self.state {
            rest.prepared = true;
        }
    }

    /// Starts a prepared plan once its record is stored.
    pub(super) fn start(&mut self, now: Time) -> Option<Action> {
        let State::Resting(rest) = &self.state else { return None };
        let plan = rest.plan;
        if !rest.prepared || now < self.ready_at(rest, now) {
            return None;
        }
        let (need, recorded) = match plan {
            Plan::DarkPoll => (Grant::POLLS, true),
            Plan::Dial => (Grant::DIAL, true),
            // Their mark on the hold must be in flash, not only a grant.
            Plan::AfterHold | Plan::ColdPoll => (Grant::DIAL, self.memory.is_settled()),
        };
        if !(recorded && self.memory.covers(need)) {
            if self.memory.is_settled() {
                self.memory.want(need);
            }
            return None;
        }
        self.state = State::Attempt(Attempt {
            plan,
            since: now,
            padis: 0,
            offered: false,
            dialed: false,
            opened: false,
            last_padi: None,
            give_up: now.after(ATTEMPT_MOST),
        });
        Some(if plan.is_single_padi() { Action::Probe } else { Action::Dial })
    }

    /// When `rest` is due and the budget has room for all of it.
    fn ready_at(&self, rest: &Rest, now: Time) -> Time {
        let due = now.max(rest.due);
        let ready = due
            .max(self.budget.room_for_padi(self.policy.discovery, now))
            .max(self.budget.dials.room_at(self.policy.dials, now, 1))
            .max(self.budget.authentications.room_at(self.policy.authentications, now, 1));
        let spaced = self.last_padi.map_or(ready, |last| ready.max(last.after(self.policy.padi_spacing)));
        if self.memory.is_waived() { spaced.max(self.forgetful_from()) } else { spaced }
    }

    /// When there is something to be done about `rest`: a poll in a hold gives way to the dial after it.
    pub(super) fn next_step_at(&self, rest: &Rest, now: Time) -> Time {
        let ready = self.ready_at(rest, now);
        match self.hold {
            Some(hold) if rest.plan == Plan::ColdPoll && !rest.prepared => ready.min(hold.ends().max(now)),
            _ => ready,
        }
    }

    /// With a ledger that cannot be written, nothing is remembered across a power cut: so far apart that the windows
    /// are kept by waiting alone, from the boot and from the last dial.
    fn forgetful_from(&self) -> Time {
        let share = |window: Window| window.period.total_micros() / window.effective_limit() as u64;
        let apart = share(self.policy.dials)
            .max(share(self.policy.authentications))
            .max(self.policy.discovery.period.total_micros());
        let last = self.budget.dials.last().map_or(self.booted, |last| last.max(self.booted));
        last.after(Duration::from_micros(apart.saturating_add(1_000_000)))
    }
}
