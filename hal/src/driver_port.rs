//! Any Ethernet driver written for embassy-net, as a port.

use core::fmt;
use core::future::poll_fn;
use core::mem;
use core::task::{Context, Poll};

use embassy_net_driver::{Driver, HardwareAddress, LinkState as DriverLink, RxToken, TxToken};
use smoltcp::wire::EthernetAddress;

use crate::{EthernetPort, Frame, HEADROOM, LinkState, MAX_FRAME_LEN, Pool, PortId, Ready};

/// An `embassy-net-driver` of Ethernet medium as an [`EthernetPort`].
///
/// Its tokens lend buffers for the length of a call, so a frame is copied once per direction; that is all the
/// adapter costs. It holds one frame of the port's quota, into which `wait` takes what has arrived: some
/// drivers give a frame up with its token, so a token cannot be looked at and put back.
pub struct DriverPort<'p, D> {
    driver: D,
    hardware_address: EthernetAddress,
    max_frame_len: usize,
    link: LinkState,
    frame: Frame<'p>,
    arrived: Arrived,
}

/// What is in [`DriverPort::frame`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrived {
    Nothing,
    Frame,
    /// A frame came that is longer than the port's: it was not copied.
    Unusable,
}

/// Why a driver cannot be a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusableDriver {
    /// Its medium is not Ethernet.
    NotEthernet,
    /// The pool has no frame for the port.
    OutOfFrames,
}

impl fmt::Display for UnusableDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEthernet => "the driver's medium is not Ethernet",
            Self::OutOfFrames => "the pool has no frame for the port",
        })
    }
}

impl core::error::Error for UnusableDriver {}

impl<'p, D: Driver> DriverPort<'p, D> {
    /// Makes `driver` the port `id`, with a frame of that port's quota.
    ///
    /// # Errors
    /// [`UnusableDriver`], if the driver is not an Ethernet one or the pool has no frame.
    pub fn new(driver: D, pool: Pool<'p>, id: PortId) -> Result<Self, UnusableDriver> {
        let HardwareAddress::Ethernet(mac) = driver.hardware_address() else {
            return Err(UnusableDriver::NotEthernet);
        };
        // embassy-net-driver, `Capabilities::max_transmission_unit`: for Ethernet it counts the 14 bytes of
        // header and not the FCS (not what Linux calls the MTU). That is exactly our frame length.
        let max_frame_len = driver.capabilities().max_transmission_unit.min(MAX_FRAME_LEN);
        let frame = pool.take(id).ok_or(UnusableDriver::OutOfFrames)?;
        Ok(Self {
            driver,
            hardware_address: EthernetAddress(mac),
            max_frame_len,
            link: LinkState::Down,
            frame,
            arrived: Arrived::Nothing,
        })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>, to_transmit: bool) -> Poll<Ready> {
        let link = match self.driver.link_state(cx) {
            DriverLink::Up => LinkState::Up,
            DriverLink::Down => LinkState::Down,
        };
        let link_changed = mem::replace(&mut self.link, link) != link;
        if self.arrived == Arrived::Nothing
            && let Some((token, _reply)) = self.driver.receive(cx)
        {
            let (frame, longest) = (&mut self.frame, self.max_frame_len);
            frame.clear(HEADROOM);
            let fits = token.consume(|bytes| bytes.len() <= longest && frame.extend(bytes));
            self.arrived = if fits { Arrived::Frame } else { Arrived::Unusable };
        }
        let ready = Ready {
            receive: self.arrived != Arrived::Nothing,
            transmit: to_transmit && self.driver.transmit(cx).is_some(),
        };
        if ready.receive || ready.transmit || link_changed { Poll::Ready(ready) } else { Poll::Pending }
    }
}

impl<'p, D: Driver> EthernetPort<'p> for DriverPort<'p, D> {
    fn hardware_address(&self) -> EthernetAddress {
        self.hardware_address
    }

    fn max_frame_len(&self) -> usize {
        self.max_frame_len
    }

    fn link_state(&self) -> LinkState {
        self.link
    }

    async fn wait(&mut self, to_transmit: bool) -> Ready {
        poll_fn(|cx| self.poll_ready(cx, to_transmit)).await
    }

    async fn receive(&mut self, frame: &mut Frame<'p>) -> bool {
        let arrived = mem::replace(&mut self.arrived, Arrived::Nothing);
        if arrived == Arrived::Frame {
            mem::swap(frame, &mut self.frame);
        } else {
            frame.clear(HEADROOM);
        }
        arrived == Arrived::Frame
    }

    async fn transmit(&mut self, frame: Frame<'p>) -> bool {
        if frame.len() > self.max_frame_len {
            return false;
        }
        poll_fn(|cx| {
            let token = self.driver.transmit(cx);
            Poll::Ready(
                token.map(|token| token.consume(frame.len(), |room| room.copy_from_slice(frame.bytes()))),
            )
        })
        .await
        .is_some()
    }
}
