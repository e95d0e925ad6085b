//! Which pin is what. The first W5500 is where the W5500-EVB-Pico has it.
//!
//! | | W5500 of the WAN (SPI0) | W5500 of the LAN (SPI1, `two-w5500`) |
//! |---|---|---|
//! | MISO | GP16 | GP12 |
//! | `CSn` | GP17 | GP13 |
//! | SCLK | GP18 | GP10 |
//! | MOSI | GP19 | GP11 |
//! | `RSTn` | GP20 | GP14 |
//! | `INTn` | GP21 | GP15 |
//!
//! Console: UART0, TX on GP0 and RX on GP1. Lamp: GP25.

use embassy_rp::gpio::{Input, Level, Output, Pin, Pull};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, DMA_CH2, DMA_CH3, DMA_CH4, SPI0, UART0, USB};
use embassy_rp::spi::{self, Async, Spi};
use embassy_rp::uart::BufferedInterruptHandler;
use embassy_rp::{Peri, bind_interrupts, dma, usb};
use embassy_time::{Duration, block_for};
use gatelet_hal::{NoW5500, W5500};
use smoltcp::wire::EthernetAddress;

bind_interrupts!(pub(crate) struct Irqs {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>, dma::InterruptHandler<DMA_CH2>,
        dma::InterruptHandler<DMA_CH3>, dma::InterruptHandler<DMA_CH4>;
    UART0_IRQ => BufferedInterruptHandler<UART0>;
    USBCTRL_IRQ => usb::InterruptHandler<USB>;
});

/// A W5500 on SPI `S`.
pub(crate) type Chip<S> = W5500<Spi<'static, S, Async>, Output<'static>, Input<'static>>;
/// The one of the WAN.
pub(crate) type WanChip = Chip<SPI0>;
/// The one of the LAN.
#[cfg(feature = "two-w5500")]
pub(crate) type LanChip = Chip<embassy_rp::peripherals::SPI1>;

/// A chip that has just been reset, or power has just come.
pub(crate) fn chip<S: spi::Instance>(
    bus: Spi<'static, S, Async>,
    select: Output<'static>,
    interrupt: Input<'static>,
    mut reset: Output<'static>,
    mac: EthernetAddress,
) -> Result<Chip<S>, NoW5500> {
    // Data sheet, section 5.5.1: 500 µs of reset, then 1 ms for the PLL to lock; the PHY takes longer, and nobody waits for it.
    reset.set_low();
    block_for(Duration::from_millis(1));
    reset.set_high();
    block_for(Duration::from_millis(2));
    // Left as it is when the pin's owner goes.
    core::mem::forget(reset);
    W5500::new(bus, select, interrupt, mac)
}

/// How both are clocked: 125 MHz / 4, the most below the 33.3 MHz that the data sheet promises (section 5.5.4).
pub(crate) fn spi_config() -> spi::Config {
    let mut config = spi::Config::default();
    config.frequency = 31_250_000;
    config
}

/// An output that is high.
pub(crate) fn high(pin: Peri<'static, impl Pin>) -> Output<'static> {
    Output::new(pin, Level::High)
}

/// The chip's interrupt, which pulls the line low.
pub(crate) fn low_active(pin: Peri<'static, impl Pin>) -> Input<'static> {
    Input::new(pin, Pull::Up)
}
