//! The session as a network device: what an embassy-net stack sees of a WAN.

use core::mem;
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::channel::{DynamicReceiver, DynamicSender};
use embassy_sync::watch::DynReceiver;
use gatelet_hal::{Frame, Pool, PortId};

use crate::Session;

/// An [`embassy_net_driver::Driver`] of IP medium over the two frame queues of a WAN. Packets are not copied: the
/// frame the router decapsulated is the stack's receive buffer, and the stack writes into the frame that the
/// router will encapsulate. The link is up while the session is.
pub struct IpDevice<'a, 'p> {
    pub(crate) to_stack: DynamicReceiver<'a, Frame<'p>>,
    pub(crate) from_stack: DynamicSender<'a, Frame<'p>>,
    pub(crate) session: DynReceiver<'a, Option<Session>>,
    pub(crate) pool: Pool<'p>,
    /// Always one frame to write into, since a token that was given cannot fail. When the pool has no other to
    /// replace it, the packet written is dropped (and counted by the pool) and the frame used again.
    pub(crate) spare: Frame<'p>,
    pub(crate) up: bool,
}

/// The longest IP packet of a session without RFC 4638 (RFC 2516, section 7: 1500 - 6 - 2).
const MTU: usize = 1492;

impl IpDevice<'_, '_> {
    /// Brings `up` up to date, and has `cx` woken at the next change.
    fn follow_session(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(session) = pin!(self.session.changed()).poll(cx) {
            self.up = session.is_some();
            if !self.up {
                // Packets of the session that ended.
                while self.to_stack.try_receive().is_ok() {}
            }
        }
    }
}

impl<'a, 'p> Driver for IpDevice<'a, 'p> {
    type RxToken<'t>
        = Received<'p>
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t, 'a, 'p>
    where
        Self: 't;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'p>, Room<'_, 'a, 'p>)> {
        self.follow_session(cx);
        if self.from_stack.poll_ready_to_send(cx).is_pending() {
            // The token for a reply must be good for one.
            return None;
        }
        match self.to_stack.poll_receive(cx) {
            Poll::Ready(frame) => Some((Received(frame), Room(self))),
            Poll::Pending => None,
        }
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room<'_, 'a, 'p>> {
        self.follow_session(cx);
        (self.up && self.from_stack.poll_ready_to_send(cx).is_ready()).then_some(Room(self))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.follow_session(cx);
        if self.up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ip
    }
}

/// A packet for the stack.
pub struct Received<'p>(Frame<'p>);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(self.0.bytes_mut())
    }
}

/// Room for a packet of the stack's.
pub struct Room<'t, 'a, 'p>(&'t mut IpDevice<'a, 'p>);

impl TxToken for Room<'_, '_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let device = self.0;
        device.spare.clear(Frame::IP_HEADROOM);
        // smoltcp asks for no more than the device's MTU, which fits; an empty slice stands for the impossible.
        let room = device.spare.push_back(len);
        debug_assert!(room.is_some(), "{len} bytes are more than the MTU");
        let result = f(room.unwrap_or_default());
        if let Some(next) = device.pool.take(PortId::LOCAL) {
            let queued = device.from_stack.try_send(mem::replace(&mut device.spare, next));
            debug_assert!(queued.is_ok(), "a token was given without room in the queue");
        }
        result
    }
}
