//! The USB socket: a serial line for the console (CDC-ACM), and an Ethernet adapter (CDC-NCM) for the computer at the other end,
//! unless the home is at a second W5500.
//!
//! | | endpoints | memory |
//! |---|---|---|
//! | control | 0 | 512 bytes of descriptors |
//! | Ethernet adapter | one interrupt, two bulk | 4 frames of 1,514 bytes, and one on its way each way |
//! | serial line | one interrupt, two bulk | 64 bytes |
//!
//! Of the chip's 4 KB for endpoints (RP2040 data sheet, section 4.1.2.5) that is 448 bytes.

use embassy_rp::peripherals::USB;
use embassy_rp::usb::Driver;
use embassy_usb::class::cdc_acm::{self, CdcAcmClass};
#[cfg(not(feature = "two-w5500"))]
pub(crate) use ethernet::{Adapter, Mover, adapter};
use static_cell::{ConstStaticCell, StaticCell};

/// Bytes of a bulk packet at full speed (USB 2.0, section 5.8.3).
pub(crate) const PACKET: u16 = 64;

/// What will be a socket.
pub(crate) type Builder = embassy_usb::Builder<'static, Driver<'static, USB>>;
/// Runs the socket.
pub(crate) type Socket = embassy_usb::UsbDevice<'static, Driver<'static, USB>>;
/// What is shown on the serial line.
pub(crate) type Sender = cdc_acm::Sender<'static, Driver<'static, USB>>;
/// What is typed there.
pub(crate) type Receiver = cdc_acm::Receiver<'static, Driver<'static, USB>>;

/// A socket with nothing in it yet. To be made once.
pub(crate) fn begin(driver: Driver<'static, USB>) -> Builder {
    static DESCRIPTORS: ConstStaticCell<([u8; 256], [u8; 128], [u8; 128])> =
        ConstStaticCell::new(([0; 256], [0; 128], [0; 128]));

    // pid.codes' number for tests: a product needs its own.
    let mut config = embassy_usb::Config::new(0x1209, 0x0001);
    config.manufacturer = Some("Gatelet");
    config.product = Some("Gatelet home router");
    config.serial_number = None;
    config.max_power = 250;
    let (configuration, bos, control) = DESCRIPTORS.take();
    Builder::new(driver, config, configuration, bos, &mut [], control)
}

/// The console's serial line.
pub(crate) fn serial(builder: &mut Builder) -> (Sender, Receiver) {
    static STATE: StaticCell<cdc_acm::State<'static>> = StaticCell::new();

    CdcAcmClass::new(builder, STATE.init(cdc_acm::State::new()), PACKET).split()
}

#[cfg(not(feature = "two-w5500"))]
mod ethernet {
    use embassy_rp::peripherals::USB;
    use embassy_rp::usb::Driver;
    use embassy_usb::class::cdc_ncm::embassy_net::{Device, Runner, State as Buffers};
    use embassy_usb::class::cdc_ncm::{CdcNcmClass, State};
    use smoltcp::wire::EthernetAddress;
    use static_cell::StaticCell;

    use super::{Builder, PACKET};

    /// Ethernet without a tag: what CDC-NCM's descriptor promises.
    const MTU: usize = 1514;
    /// Frames on their way from and to the wire.
    const FRAMES: usize = 2;

    /// Moves the frames.
    pub(crate) type Mover = Runner<'static, Driver<'static, USB>, MTU>;
    /// The adapter as a driver.
    pub(crate) type Adapter = Device<'static, MTU>;

    /// The adapter: we have `ours` as address, the computer `theirs`.
    pub(crate) fn adapter(
        builder: &mut Builder,
        ours: EthernetAddress,
        theirs: EthernetAddress,
    ) -> (Mover, Adapter) {
        static STATE: StaticCell<State<'static>> = StaticCell::new();
        static BUFFERS: StaticCell<Buffers<MTU, FRAMES, FRAMES>> = StaticCell::new();

        let class = CdcNcmClass::new(builder, STATE.init(State::new()), theirs.0, PACKET);
        class.into_embassy_net_device::<MTU, FRAMES, FRAMES>(BUFFERS.init(Buffers::new()), ours.0)
    }
}
