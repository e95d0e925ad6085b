//! What each message leads to (RFC 2131 §4.3).

use gatelet_wire::{EthernetAddress, Ipv4Address};
use smoltcp::time::Instant;

use super::lease::{Lease, State, deadline, seconds};
use super::pending::{Pending, Stage, Then};
use super::request::{Answer, AnswerKind, Request};
use super::{Dropped, Event, OFFER_HOLD, PROBE_WAIT, Server};

/// Addresses found in use for one client before it is left to ask again.
const CONFLICTS: u8 = 4;

impl Server<'_> {
    pub(super) fn discover(
        &mut self,
        now: Instant,
        request: Request,
        requested: Option<Ipv4Address>,
    ) -> Result<(), Dropped> {
        if let Some((index, is_offered)) = self.pending_of(request.key) {
            let Some(pending) = self.pending.get_mut(index) else { return Ok(()) };
            let address = pending.address;
            if let Stage::Probing { request: first, then, .. } = &mut pending.stage {
                (*first, *then) = (request, Then::Offer);
            } else if is_offered {
                // How long it is held is not extended: nobody holds an address by asking.
                self.offer(request, address);
            }
            return Ok(());
        }
        if self.place_of(request.key).is_none() {
            // Before any search: a flood is to cost little.
            self.admit_to_pending(now, &request)?;
        }
        let choice = self.select(&request, requested)?;
        if choice.is_own {
            self.offer(request, choice.address);
            return Ok(());
        }
        self.probe(now, request, choice.address, Then::Offer)
    }

    /// SELECTING: the client has chosen our offer.
    pub(super) fn request_selecting(
        &mut self,
        now: Instant,
        request: Request,
        address: Ipv4Address,
    ) -> Result<(), Dropped> {
        let is_promised = self.pending.iter().any(|pending| {
            pending.key == request.key
                && pending.address == address
                && matches!(pending.stage, Stage::Offered { .. })
        });
        let is_own = self.place_of(request.key).is_some() && self.may_keep(&request, address);
        if !is_promised && !is_own {
            self.refuse(request, address, "not offered to you");
            return Ok(());
        }
        self.acknowledge(now, request, address)
    }

    /// INIT-REBOOT: the client remembers an address and asks whether it is still good.
    pub(super) fn request_init_reboot(
        &mut self,
        now: Instant,
        request: Request,
        address: Ipv4Address,
    ) -> Result<(), Dropped> {
        if !self.may_keep(&request, address) {
            self.refuse(request, address, "not your address here");
            return Ok(());
        }
        if self.place_of(request.key).is_some() {
            return self.acknowledge(now, request, address);
        }
        if let Some((index, _)) = self.pending_of(request.key) {
            self.pending.swap_remove(index);
        }
        self.probe(now, request, address, Then::Ack)
    }

    /// RENEWING and REBINDING: the client has the address and wants it for longer. Unknown to us, it is
    /// taken at its word if nobody else has a claim: probing would only find the client itself.
    pub(super) fn request_renewing(
        &mut self,
        now: Instant,
        request: Request,
        address: Ipv4Address,
    ) -> Result<(), Dropped> {
        if !self.may_keep(&request, address) {
            self.refuse(request, address, "not your address here");
            return Ok(());
        }
        self.acknowledge(now, request, address)
    }

    pub(super) fn decline(
        &mut self,
        now: Instant,
        request: &Request,
        address: Ipv4Address,
    ) -> Result<(), Dropped> {
        let lease = self.leases.iter_mut().find(|lease| {
            lease.is_bound()
                && lease.key == request.key
                && lease.mac == request.mac
                && lease.address == address
        });
        lease.ok_or(Dropped::NoSuchLease)?.clear();
        self.quarantine(now, address);
        self.tell(Event::Declined { address, mac: request.mac });
        Ok(())
    }

    pub(super) fn release(&mut self, now: Instant, request: &Request) -> Result<(), Dropped> {
        let address = request.ciaddr;
        let lease = self.leases.iter_mut().find(|lease| {
            lease.is_bound()
                && lease.key == request.key
                && lease.mac == request.mac
                && lease.address == address
        });
        let lease = lease.ok_or(Dropped::NoSuchLease)?;
        lease.state = State::Past { since: seconds(now) };
        lease.is_changed = true;
        self.tell(Event::Released { address, mac: request.mac });
        Ok(())
    }

    pub(super) fn inform(&mut self, request: Request) -> Result<(), Dropped> {
        if !self.config.is_host(request.ciaddr) {
            return Err(Dropped::NoAddress);
        }
        self.answer(request, AnswerKind::Information);
        Ok(())
    }

    /// The owner's probe was answered by `mac`: somebody has the address.
    pub(super) fn conflict(&mut self, now: Instant, index: usize, mac: EthernetAddress) {
        if index >= self.pending.len() {
            return;
        }
        let Pending { address, stage, .. } = self.pending.swap_remove(index);
        self.quarantine(now, address);
        self.tell(Event::Conflict { address, mac });
        let Stage::Probing { request, then, conflicts, .. } = stage else { return };
        match then {
            Then::Ack => self.refuse(request, address, "somebody else has it"),
            // The client asks again; by then fewer addresses are in doubt.
            Then::Offer if conflicts + 1 >= CONFLICTS => {}
            Then::Offer => match self.select(&request, None) {
                Ok(choice) => self.promise(now, request, choice.address, then, conflicts + 1),
                Err(reason) => self.count(reason),
            },
        }
    }

    /// A probe that nobody answered, or an offer that nobody took.
    pub(super) fn pending_is_over(&mut self, now: Instant, index: usize) {
        if index >= self.pending.len() {
            return;
        }
        let Pending { key, mac, address, stage } = self.pending.swap_remove(index);
        match stage {
            Stage::Probing { request, then: Then::Offer, .. } => {
                // There is room: one has just been taken out.
                let stage = Stage::Offered { until: now + OFFER_HOLD };
                let _ = self.pending.push(Pending { key, mac, address, stage });
                self.offer(request, address);
            }
            Stage::Probing { request, then: Then::Ack, .. } => {
                if let Err(reason) = self.acknowledge(now, request, address) {
                    self.count(reason);
                }
            }
            Stage::Offered { .. } => {}
        }
    }

    /// Promises `address` to a client and has it probed.
    fn probe(
        &mut self,
        now: Instant,
        request: Request,
        address: Ipv4Address,
        then: Then,
    ) -> Result<(), Dropped> {
        self.admit_to_pending(now, &request)?;
        self.promise(now, request, address, then, 0);
        Ok(())
    }

    fn admit_to_pending(&mut self, now: Instant, request: &Request) -> Result<(), Dropped> {
        self.admit(now, request)?;
        if self.pending.is_full() { Err(Dropped::TooManyOffers) } else { Ok(()) }
    }

    fn promise(&mut self, now: Instant, request: Request, address: Ipv4Address, then: Then, conflicts: u8) {
        let (key, mac) = (request.key, request.mac);
        // Without a probe, the wait goes on from here: an owner that cannot probe still serves.
        let stage = Stage::Probing { request, then, until: now + PROBE_WAIT, is_asked: false, conflicts };
        // There is room: `probe` has seen to it, and `conflict` has just made some.
        let _ = self.pending.push(Pending { key, mac, address, stage });
    }

    fn offer(&mut self, request: Request, address: Ipv4Address) {
        let lease_seconds = self.lease_seconds(&request);
        self.answer(request, AnswerKind::Offer { address, lease_seconds });
    }

    /// Binds the client to `address` and says so.
    fn acknowledge(&mut self, now: Instant, request: Request, address: Ipv4Address) -> Result<(), Dropped> {
        let lease_seconds = self.lease_seconds(&request);
        let known = self.place_of(request.key);
        let place =
            if let Some(place) = known { place } else { self.admit_to_place(now, &request, address)? };
        let host_name = self.name_for(&request);
        // Another place may remember the address for a client that is gone.
        for (other, lease) in self.leases.iter_mut().enumerate() {
            if other != place && lease.address == address {
                lease.clear();
            }
        }
        let Some(lease) = self.leases.get_mut(place) else { return Err(Dropped::Exhausted) };
        let before = lease.record();
        let is_renewal = lease.is_bound() && lease.key == request.key && lease.address == address;
        let granted = State::Bound { until: deadline(now, lease_seconds), lease_seconds };
        let state = match lease.state {
            // A shorter lease than before: the client may never hear of it, and believe in the longer one.
            State::Bound { until, .. } if is_renewal && until > deadline(now, lease_seconds) => lease.state,
            _ => granted,
        };
        let (key, mac) = (request.key, request.mac);
        // Some say their name in a DISCOVER only.
        let host_name =
            if request.host_name.is_empty() && known.is_some() { lease.host_name.clone() } else { host_name };
        *lease = Lease { state, key, mac, address, host_name, is_changed: lease.is_changed };
        lease.is_changed |= before != lease.record();
        // Whatever else it was promised, it has chosen.
        self.pending.retain(|pending| pending.key != request.key);
        self.tell(if is_renewal { Event::Renewed { address, mac } } else { Event::Granted { address, mac } });
        self.answer(request, AnswerKind::Ack { address, lease_seconds });
        Ok(())
    }

    /// A place for a newcomer, who counts as one from here on.
    fn admit_to_place(
        &mut self,
        now: Instant,
        request: &Request,
        address: Ipv4Address,
    ) -> Result<usize, Dropped> {
        self.admit(now, request)?;
        let place = self.place_for_newcomer(address).ok_or(Dropped::Exhausted)?;
        if self.config.reserved_for(request.mac).is_none() {
            self.newcomers.take();
        }
        self.is_exhausted = false;
        Ok(place)
    }

    /// Tells the client that it cannot have what it asks for: it starts over at once.
    fn refuse(&mut self, request: Request, address: Ipv4Address, why: &'static str) {
        self.tell(Event::Refused { address, mac: request.mac });
        self.answer(request, AnswerKind::Nak(why));
    }

    fn answer(&mut self, request: Request, kind: AnswerKind) {
        if self.answers.push_back(Answer { request, kind }).is_err() {
            self.count(Dropped::Busy);
        }
    }
}
