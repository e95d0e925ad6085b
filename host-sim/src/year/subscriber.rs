//! What lives at the customer's end of the line in a year: Gatelet, or a model of somebody else's client.

use gatelet_proto::redial::Boot;
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use crate::world::Outbox;

/// The router's Ethernet address.
pub(super) const MAC: EthernetAddress = EthernetAddress([0x02, 0x1A, 0x7E, 0, 0, 1]);

/// A router on the line. Sans-IO, like a [`Node`](crate::world::Node) with a plug.
pub(super) trait Subscriber {
    /// Power returns, or a reset is over.
    fn power_on(&mut self, now: Instant, boot: Boot, carrier: bool, out: &mut Outbox);
    /// Power is gone, or a reset begins: whatever is not in flash is lost with the former.
    fn power_off(&mut self, now: Instant, boot: Boot);
    /// The Ethernet link to the ONT changed.
    fn set_carrier(&mut self, now: Instant, carrier: bool, out: &mut Outbox);
    /// A frame arrived.
    fn handle_frame(&mut self, now: Instant, frame: &[u8], out: &mut Outbox);
    /// The time [`Subscriber::poll_at`] named has come.
    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox);
    /// When [`Subscriber::handle_timeout`] is wanted.
    fn poll_at(&self) -> Option<Instant>;
    /// The session it believes to be up, if any.
    fn session_id(&self) -> Option<u16>;
    /// Whether packets of the household get through at the moment; told at each change.
    fn note_traffic(&mut self, now: Instant, flows: bool);
    /// Only the oracle listens: a dial would succeed from now on.
    fn line_answers(&mut self, now: Instant, out: &mut Outbox) {
        let _ = (now, out);
    }
}
