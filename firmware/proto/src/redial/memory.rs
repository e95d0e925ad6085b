//! Writing before acting: which record flash holds, what that record allows, which one is still needed.

use super::clock::Time;
use super::ledger::Grant;
use smoltcp::time::Duration;

/// A store that says nothing for this long is offered the ledger again.
const STORE_RETRY: Duration = Duration::from_secs(10);

/// The state of the record in flash.
///
/// While a new record is offered nobody knows which of the two a power cut would leave: only what both allow may be
/// done.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    stored: Grant,
    offered: Option<(Grant, Time)>,
    wanted: Option<Grant>,
    /// The store failed: this attempt goes ahead without a record.
    waived: bool,
}

impl Memory {
    /// Asks for a record of the present that allows `grant`.
    pub(super) fn want(&mut self, grant: Grant) {
        self.wanted = Some(self.wanted.unwrap_or_default().either(grant));
    }

    /// Whether `need` may be done now, as far as records go.
    pub(super) fn covers(&self, need: Grant) -> bool {
        let offered = self.offered.map_or(self.stored, |(grant, _)| grant);
        self.waived || self.stored.both(offered).covers(need)
    }

    /// Whether the record in flash is the latest wanted.
    pub(super) fn is_settled(&self) -> bool {
        self.waived || (self.wanted.is_none() && self.offered.is_none())
    }

    pub(super) const fn is_waived(&self) -> bool {
        self.waived
    }

    /// A new attempt tries the store again.
    pub(super) fn insist(&mut self) {
        self.waived = false;
    }

    pub(super) fn spend_dial(&mut self) {
        self.for_each_grant(|grant| grant.dials = grant.dials.saturating_sub(1));
    }

    pub(super) fn spend_authentication(&mut self) {
        self.for_each_grant(|grant| grant.authentications = grant.authentications.saturating_sub(1));
    }

    fn for_each_grant(&mut self, change: impl Fn(&mut Grant)) {
        change(&mut self.stored);
        if let Some((grant, _)) = &mut self.offered {
            change(grant);
        }
    }

    /// The grant of the record to be offered now, if one is due.
    pub(super) fn poll(&mut self, now: Time) -> Option<Grant> {
        let grant = match self.offered {
            Some((_, at)) if now < at.after(STORE_RETRY) => return None,
            Some((grant, _)) => grant.either(self.wanted.take().unwrap_or_default()),
            None => self.wanted.take()?,
        };
        self.offered = Some((grant, now));
        Some(grant)
    }

    pub(super) fn poll_at(&self, now: Time) -> Option<Time> {
        match self.offered {
            Some((_, at)) => Some(at.after(STORE_RETRY)),
            None => self.wanted.map(|_| now),
        }
    }

    pub(super) fn stored(&mut self) {
        if let Some((grant, _)) = self.offered.take() {
            self.stored = grant;
            self.waived = false;
        }
    }

    pub(super) fn store_failed(&mut self) {
        self.offered = None;
        self.wanted = None;
        self.stored = Grant::NOTHING;
        self.waived = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_before_the_record_is_stored() {
        let mut memory = Memory::default();
        memory.want(Grant::DIAL);
        assert!(!memory.covers(Grant::DIAL));
        assert_eq!(memory.poll(Time::default()), Some(Grant::DIAL));
        assert!(!memory.covers(Grant::DIAL) && !memory.is_settled());
        memory.stored();
        assert!(memory.covers(Grant::DIAL) && memory.is_settled());
    }

    #[test]
    fn a_dial_is_spent_once() {
        let mut memory = Memory::default();
        memory.want(Grant::DIAL);
        memory.poll(Time::default());
        memory.stored();
        memory.spend_dial();
        assert!(memory.covers(Grant::POLLS) && !memory.covers(Grant::DIAL));
    }

    #[test]
    fn while_a_record_is_in_flight_both_must_allow() {
        let mut memory = Memory::default();
        memory.want(Grant::DIAL);
        memory.poll(Time::default());
        memory.stored();
        memory.want(Grant::POLLS);
        assert!(memory.covers(Grant::DIAL), "flash still holds the old record");
        memory.poll(Time::default());
        assert!(memory.covers(Grant::POLLS) && !memory.covers(Grant::DIAL));
    }

    #[test]
    fn a_silent_store_is_offered_the_ledger_again() {
        let mut memory = Memory::default();
        memory.want(Grant::DIAL);
        assert!(memory.poll(Time::default()).is_some());
        assert!(memory.poll(Time::from_seconds(9)).is_none());
        assert_eq!(memory.poll(Time::from_seconds(10)), Some(Grant::DIAL));
    }

    #[test]
    fn a_late_report_of_nothing_offered_changes_nothing() {
        let mut memory = Memory::default();
        memory.stored();
        assert!(!memory.covers(Grant::POLLS));
    }
}
