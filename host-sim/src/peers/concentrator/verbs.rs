//! What a scenario or a year can do to a concentrator.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use super::path::Path;
use super::throttle::{self, Caller, Throttle};
use super::{AC_MAC, ACCOUNT, Concentrator, Reception, SECOND_AC_MAC, discovery};
use crate::peers::radius::Refusal;
use crate::world::Outbox;

impl Concentrator {
    /// Ends every session of `client` in order, Terminate-Request and then PADT, as the nightly kick does.
    pub fn kick(&mut self, now: Instant, client: EthernetAddress, out: &mut Outbox) {
        for session in self.sessions.iter_mut().filter(|session| session.path.client == client) {
            out.remark("ends the session", "forced disconnect");
            session.terminate(now, out);
        }
    }

    /// Ends every session of `client` by PADT alone.
    pub fn padt(&mut self, now: Instant, client: EthernetAddress, out: &mut Outbox) {
        while let Some(index) = self.sessions.iter().position(|session| session.path.client == client) {
            self.end(now, index, Some("PADT by the concentrator"), out);
        }
    }

    /// Forgets every session of `client` without a word. RADIUS is told so only if `orderly`; otherwise it believes
    /// in the session until it ages.
    pub fn forget_sessions(
        &mut self,
        now: Instant,
        client: EthernetAddress,
        orderly: bool,
        out: &mut Outbox,
    ) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.sessions.drain(..).partition(|session| session.path.client == client);
        self.sessions = kept;
        for session in gone {
            out.remark("forgets the session", if orderly { "failure inside" } else { "crash" });
            self.account_stop(now, &session, orderly);
        }
    }

    /// Sends a PADT for a session `client` does not have now: one that is `other_session`s old, or from the second
    /// concentrator. Neither may hurt the live session.
    pub fn stale_padt(&mut self, client: EthernetAddress, from_second_ac: bool, out: &mut Outbox) {
        let live = self.session_of(client).map(|session| session.id);
        let session_id = if from_second_ac { live.unwrap_or(1) } else { live.unwrap_or(2) ^ 0x4000 };
        let ac = if from_second_ac { SECOND_AC_MAC } else { AC_MAC };
        out.remark("sends a stale PADT", if from_second_ac { "another AC" } else { "another session" });
        discovery::send_padt(&Path { ac, client, vlan: self.vlan, session_id }, out);
    }

    /// Restarts: sessions, locks and cookies are gone. With `goodbye` every client gets a PADT first; without, RADIUS
    /// goes on believing in the sessions.
    pub fn restart(&mut self, now: Instant, goodbye: bool, out: &mut Outbox) {
        out.remark("restarts", if goodbye { "orderly, with PADT" } else { "without a word" });
        for session in std::mem::take(&mut self.sessions) {
            if goodbye {
                discovery::send_padt(&session.path, out);
            }
            self.account_stop(now, &session, goodbye);
        }
        self.throttles.iter_mut().for_each(Throttle::forget);
        self.pending.clear();
        for client in self.clients.values_mut() {
            client.cookie = [0; 16];
        }
    }

    /// Switches it on or off. Off, it is deaf and dumb; its sessions are gone when it returns.
    pub fn set_power(&mut self, now: Instant, on: bool, out: &mut Outbox) {
        if self.powered && !on {
            self.restart(now, false, out);
        }
        self.powered = on;
    }

    /// Whether it is on.
    pub fn powered(&self) -> bool {
        self.powered
    }

    /// Locks `client` out for `block`, for what happened on this line before: another device, another router.
    /// Without a throttle of its own the model gets one that only this verb trips.
    pub fn lock(&mut self, now: Instant, client: EthernetAddress, block: Duration, out: &mut Outbox) {
        if self
            .throttles
            .iter()
            .all(|throttle| matches!(throttle.rule().kind, throttle::Kind::Spacing { .. }))
        {
            let kind = throttle::Kind::Requests { limit: u32::MAX, window: Duration::ZERO, block };
            self.throttles.push(Throttle::new(throttle::Rule {
                kind,
                key: throttle::Key::Mac,
                stage: throttle::Stage::Padi,
                extended_by_requests: false,
            }));
        }
        let caller = Caller { mac: client, user: Some(ACCOUNT.0), provoked: true };
        let lockout = self
            .throttles
            .iter_mut()
            .find(|throttle| !matches!(throttle.rule().kind, throttle::Kind::Spacing { .. }))
            .and_then(|throttle| throttle.impose(now, &caller, block));
        self.note_lockout(lockout, out);
    }

    /// Refuses every authentication for this reason, or stops doing so.
    pub fn refuse(&mut self, refusal: Option<Refusal>) {
        self.radius.refuse_all = refusal;
    }

    /// Lets PADIs go unanswered, or answers them again.
    pub fn set_silence(&mut self, silent: bool) {
        self.moods.padi = if silent { Reception::Silence } else { Reception::Answer };
    }

    /// Every session of `client` gets other prefixes over IPv6, at once and without asking.
    pub fn renumber(&mut self, now: Instant, client: EthernetAddress, out: &mut Outbox) {
        let subscriber = self.subscriber(client, true);
        for session in self.sessions.iter_mut().filter(|session| session.path.client == client) {
            if let Some(ipv6) = &mut session.ipv6 {
                out.remark("gives the subscriber other prefixes", "renumbering");
                ipv6.renumber(now, subscriber);
            }
        }
    }

    /// Sessions stay up but nothing gets through, until the client dials anew.
    pub fn black_hole(&mut self) {
        self.moods.forwarding = false;
        self.moods.forwarding_mended_by_redial = true;
    }
}
