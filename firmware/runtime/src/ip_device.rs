//! The router as a network device: what an embassy-net stack sees of a WAN, or of the LAN.

use core::mem;
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::channel::{DynamicReceiver, DynamicSender};
use embassy_sync::watch::DynReceiver;
use gatelet_hal::{Frame, Pool, PortId};

use crate::Session;

/// An [`embassy_net_driver::Driver`] of IP medium over the two frame queues of a stack. Packets are not copied: the
/// frame the router decapsulated is the stack's receive buffer, and the stack writes into the frame that the
/// router will send. The link is up while the WAN's session is, or the LAN has an address.
pub struct IpDevice<'a, 'p, L: Clone = Session> {
    pub(crate) to_stack: DynamicReceiver<'a, Frame<'p>>,
    pub(crate) from_stack: DynamicSender<'a, Frame<'p>>,
    /// What gives the stack its address, while it is there.
    pub(crate) link: DynReceiver<'a, Option<L>>,
    pub(crate) pool: Pool<'p>,
    /// Always one frame to write into, since a token that was given cannot fail. When the pool has no other to
    /// replace it, the packet written is dropped (and counted by the pool) and the frame used again.
    pub(crate) spare: Frame<'p>,
    pub(crate) up: bool,
    pub(crate) mtu: usize,
}

impl<L: Clone> IpDevice<'_, '_, L> {
    /// Brings `up` up to date, and has `cx` woken at the next change.
    fn follow_link(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(link) = pin!(self.link.changed()).poll(cx) {
            self.up = link.is_some();
            if !self.up {
                // Packets of the link that ended.
                while self.to_stack.try_receive().is_ok() {}
            }
        }
    }
}

impl<'a, 'p, L: Clone> Driver for IpDevice<'a, 'p, L> {
    type RxToken<'t>
        = Received<'p>
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t, 'a, 'p, L>
    where
        Self: 't;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'p>, Room<'_, 'a, 'p, L>)> {
        self.follow_link(cx);
        if self.from_stack.poll_ready_to_send(cx).is_pending() {
            // The token for a reply must be good for one.
            return None;
        }
        match self.to_stack.poll_receive(cx) {
            Poll::Ready(frame) => Some((Received(frame), Room(self))),
            Poll::Pending => None,
        }
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room<'_, 'a, 'p, L>> {
        self.follow_link(cx);
        (self.up && self.from_stack.poll_ready_to_send(cx).is_ready()).then_some(Room(self))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.follow_link(cx);
        if self.up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = self.mtu;
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
pub struct Room<'t, 'a, 'p, L: Clone = Session>(&'t mut IpDevice<'a, 'p, L>);

impl<L: Clone> TxToken for Room<'_, '_, '_, L> {
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
