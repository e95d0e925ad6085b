//! What a WAN has to send, in order: PADTs for sessions of the past, PPP, the farewell of a session
//! that ends, and Discovery with the redial engine's permit.

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, HEADROOM};
use gatelet_proto::pppoe::{self, DiscoveryMessage};
use gatelet_proto::redial::Permit;
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use gatelet_wire::ppp::PROTOCOL_LEN;
use smoltcp::time::{Duration, Instant};

use super::event::{PadtReason, WanEvent};
use super::{MRU_MAX, State, WORTH_TELLING, Wan};

/// How soon a message is tried again that found no frame free.
const FRAME_RETRY: Duration = Duration::from_millis(10);
/// The longest packet of Discovery that we send.
const DISCOVERY_MAX: usize = 300;
/// The longest packet of PPP that we send, from its protocol field on.
const PPP_MAX: usize = PROTOCOL_LEN + MRU_MAX as usize;

/// What [`Wan::poll_transmit`] answers.
pub(crate) enum Transmit<'p> {
    /// A frame for the port. There may be more.
    Frame(Frame<'p>),
    /// Nothing to send; `unused` is the frame that was lent.
    Nothing { unused: Option<Frame<'p>> },
    /// There may be something to send, and no frame for it. It waits.
    OutOfFrames,
}

impl<'p> Wan<'p> {
    /// Writes the next control message into a frame, which `take` provides.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        take: impl FnOnce() -> Option<Frame<'p>>,
    ) -> Transmit<'p> {
        if !self.attention {
            return Transmit::Nothing { unused: None };
        }
        let live = matches!(self.state, State::Session(_) | State::Closing(_) | State::Ending(..));
        if self.padts.is_empty() && !live && self.discovery.wants_to_send(now).is_none() {
            self.attention = false;
            self.frame_retry = None;
            return Transmit::Nothing { unused: None };
        }
        let Some(mut frame) = take() else {
            self.attention = false;
            self.frame_retry = Some(now + FRAME_RETRY);
            return Transmit::OutOfFrames;
        };
        self.frame_retry = None;
        frame.clear(HEADROOM);
        if self.write_next(now, rng, &mut frame) {
            Transmit::Frame(frame)
        } else {
            self.attention = false;
            Transmit::Nothing { unused: Some(frame) }
        }
    }

    fn write_next(&mut self, now: Instant, rng: &mut ChaCha8Rng, frame: &mut Frame<'_>) -> bool {
        self.write_queued_padt(frame)
            || self.write_ppp(now, frame)
            || self.write_farewell(now, rng, frame)
            || self.write_discovery(now, rng, frame)
    }

    fn write_queued_padt(&mut self, frame: &mut Frame<'_>) -> bool {
        let Some(padt) = self.padts.pop_front() else { return false };
        let written = fill(frame, DISCOVERY_MAX, |buffer| pppoe::emit_padt(buffer, padt.session_id).ok())
            && push_ethernet(frame, padt.ac_mac, self.mac(), padt.vlan);
        if written {
            self.note_padt(padt.ac_mac, padt.session_id, padt.vlan, padt.reason);
        }
        written
    }

    fn write_ppp(&mut self, now: Instant, frame: &mut Frame<'_>) -> bool {
        let (State::Session(live) | State::Closing(live) | State::Ending(live, _)) = &mut self.state else {
            return false;
        };
        let link = &mut live.link;
        let written = fill(frame, PPP_MAX, |buffer| link.poll_transmit(now, buffer))
            && live.push_headers(frame).is_ok();
        self.counters.ppp_sent = self.counters.ppp_sent.wrapping_add(u32::from(written));
        written
    }

    /// The PADT of a session whose PPP has nothing more to say.
    fn write_farewell(&mut self, now: Instant, rng: &mut ChaCha8Rng, frame: &mut Frame<'_>) -> bool {
        let State::Ending(live, end) = &self.state else { return false };
        let (ac_mac, session_id, end) = (live.session.ac_mac, live.session.id, *end);
        let (mac, vlan) = (self.mac(), self.config.vlan);
        let written = fill(frame, DISCOVERY_MAX, |buffer| live.session.emit_padt(buffer).ok())
            && push_ethernet(frame, ac_mac, mac, vlan);
        if written {
            let reason = match end {
                super::End::Closed => PadtReason::HangUp,
                super::End::Failed(_) => PadtReason::LinkEnded,
            };
            self.note_padt(ac_mac, session_id, vlan, reason);
        }
        self.finish(now, rng, end);
        self.advance(now, rng);
        written
    }

    fn write_discovery(&mut self, now: Instant, rng: &mut ChaCha8Rng, frame: &mut Frame<'_>) -> bool {
        let Some(message) = self.discovery.wants_to_send(now) else { return false };
        if let Permit::At(until) = self.engine.permit(now, message) {
            if until >= now + WORTH_TELLING {
                self.tell(WanEvent::Deferred { message, until });
            }
            self.discovery.defer(until);
            self.advance(now, rng);
            return false;
        }
        let mut sent = None;
        let written = fill(frame, DISCOVERY_MAX, |buffer| {
            sent = self.discovery.poll_transmit(now, buffer);
            sent.map(|sent| sent.len)
        });
        let Some(sent) = sent.filter(|_| written) else { return false };
        if !push_ethernet(frame, sent.destination, self.mac(), self.config.vlan) {
            return false;
        }
        match message {
            DiscoveryMessage::Padi => {
                if sent.attempt == 1 {
                    self.dial_began = now;
                }
                self.counters.padi_sent = self.counters.padi_sent.wrapping_add(1);
                self.tell(WanEvent::PadiSent { attempt: sent.attempt });
            }
            DiscoveryMessage::Padr => {
                self.padr_sent = (sent.attempt == 1).then_some(now);
                self.counters.padr_sent = self.counters.padr_sent.wrapping_add(1);
                self.tell(WanEvent::PadrSent { ac_mac: sent.destination, attempt: sent.attempt });
            }
        }
        self.advance(now, rng);
        true
    }

    fn note_padt(
        &mut self,
        ac_mac: EthernetAddress,
        session_id: u16,
        vlan: Option<VlanTag>,
        reason: PadtReason,
    ) {
        self.counters.padt_sent = self.counters.padt_sent.wrapping_add(1);
        if reason == PadtReason::Stale {
            let vlan = super::vlan_id(vlan);
            let id = session_id;
            self.tell(WanEvent::StaleSessionCleared(gatelet_proto::redial::LastSession { ac_mac, id, vlan }));
        } else {
            self.tell(WanEvent::PadtSent { ac_mac, session_id, reason });
        }
    }
}

/// Lets `write` fill an empty frame with up to `max` bytes.
fn fill(frame: &mut Frame<'_>, max: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
    let written = frame.push_back(max).and_then(write);
    frame.truncate(written.unwrap_or(0));
    written.is_some()
}

/// Puts the Ethernet header of a Discovery packet in front.
fn push_ethernet(
    frame: &mut Frame<'_>,
    destination: EthernetAddress,
    source: EthernetAddress,
    vlan: Option<VlanTag>,
) -> bool {
    let header = Header { destination, source, vlan, ether_type: ethernet::PPPOE_DISCOVERY };
    frame.push_front(header.len()).is_some_and(|room| header.emit(room).is_ok())
}
