//! The home at the USB socket: an Ethernet adapter (CDC-NCM) for the computer at the other end.

use embassy_rp::peripherals::USB;
use embassy_rp::usb::Driver;
use embassy_usb::class::cdc_ncm::embassy_net::{Device, Runner, State as Buffers};
use embassy_usb::class::cdc_ncm::{CdcNcmClass, State};
use embassy_usb::{Builder, Config, UsbDevice};
use smoltcp::wire::EthernetAddress;
use static_cell::{ConstStaticCell, StaticCell};

/// Ethernet without a tag: what CDC-NCM's descriptor promises.
const MTU: usize = 1514;
/// Frames on their way from and to the wire.
const FRAMES: usize = 2;

/// Runs the socket.
pub(crate) type Socket = UsbDevice<'static, Driver<'static, USB>>;
/// Moves the frames.
pub(crate) type Mover = Runner<'static, Driver<'static, USB>, MTU>;
/// The adapter as a driver.
pub(crate) type Adapter = Device<'static, MTU>;

/// The adapter: we have `ours` as address, the computer `theirs`.
pub(crate) fn adapter(
    driver: Driver<'static, USB>,
    ours: EthernetAddress,
    theirs: EthernetAddress,
) -> (Socket, Mover, Adapter) {
    static DESCRIPTORS: ConstStaticCell<([u8; 256], [u8; 128], [u8; 128])> =
        ConstStaticCell::new(([0; 256], [0; 128], [0; 128]));
    static STATE: StaticCell<State<'static>> = StaticCell::new();
    static BUFFERS: StaticCell<Buffers<MTU, FRAMES, FRAMES>> = StaticCell::new();

    // pid.codes' number for tests: a product needs its own.
    let mut config = Config::new(0x1209, 0x0001);
    config.manufacturer = Some("Gatelet");
    config.product = Some("Gatelet home router");
    config.serial_number = None;
    config.max_power = 250;
    let (configuration, bos, control) = DESCRIPTORS.take();
    let mut builder = Builder::new(driver, config, configuration, bos, &mut [], control);
    let class = CdcNcmClass::new(&mut builder, STATE.init(State::new()), theirs.0, 64);
    let (mover, adapter) =
        class.into_embassy_net_device::<MTU, FRAMES, FRAMES>(BUFFERS.init(Buffers::new()), ours.0);
    (builder.build(), mover, adapter)
}
