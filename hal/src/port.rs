//! Ports: what moves whole Ethernet frames between a wire and the router.

use smoltcp::wire::EthernetAddress;

use crate::{Frame, MAX_PORTS};

/// A port of the router, by number. Ports are data: which one faces the carrier is the configuration's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u8);

impl PortId {
    /// Not a wire: the quota of the frames that the router makes itself (control messages, and the packets
    /// of its own IP stack).
    pub const LOCAL: Self = Self(MAX_PORTS as u8 - 1);
}

/// Whether a port has carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkState {
    /// No carrier: the cable is out, the ONT is off, the radio is not associated.
    #[default]
    Down,
    /// Carrier: frames may be exchanged.
    Up,
}

/// What [`EthernetPort::wait`] found a port ready for. Neither, if only the link state has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// A frame has arrived: [`EthernetPort::receive`] hands it over without waiting for the wire.
    pub receive: bool,
    /// [`EthernetPort::transmit`] has room for a frame. Only set if it was asked for.
    pub transmit: bool,
}

/// An Ethernet port with its driver.
///
/// One task pumps each port: it alone calls these methods, in a loop of `wait`, then `receive` and `transmit`
/// as far as the port is ready. Only `wait` is ever cancelled, so a driver may hold its bus across an
/// `.await` in the other two.
///
/// An `embassy-net-driver` becomes a port with [`DriverPort`](crate::DriverPort); a driver written for
/// this trait spares the copy, because it reads its chip into the frame itself.
#[expect(async_fn_in_trait, reason = "ports are pumped by one executor; Frame is not Send either")]
pub trait EthernetPort<'p> {
    /// The port's MAC address.
    fn hardware_address(&self) -> EthernetAddress;

    /// The longest frame, in bytes from the destination address on and without the FCS, that goes through in
    /// either direction: 1514 for plain Ethernet, 1518 where the driver has room for an 802.1Q tag. The MRU
    /// of a PPPoE session follows from it.
    fn max_frame_len(&self) -> usize;

    /// The carrier, as the last [`wait`](Self::wait) saw it.
    fn link_state(&self) -> LinkState;

    /// Waits until a frame has arrived, the link state has changed or, if `to_transmit`, a frame can be
    /// sent. At once, if one of them is so already.
    ///
    /// Cancel-safe: nothing is lost if the future is dropped, and a later call sees what this one would have.
    async fn wait(&mut self, to_transmit: bool) -> Ready;

    /// Puts the frame that has arrived into `frame`, which the pump hands over empty. False if there was none,
    /// or it was unusable (longer than [`max_frame_len`](Self::max_frame_len), a bus error).
    async fn receive(&mut self, frame: &mut Frame<'p>) -> bool;

    /// Sends `frame`, which begins with its destination address. Never waits for the far end: false, and the
    /// frame is gone, if it cannot be sent now (no room, too long, no carrier).
    async fn transmit(&mut self, frame: Frame<'p>) -> bool;
}
