//! The W5500: its bus, its other pins, its start.

use embassy_time::{Duration, block_for};
use esp_hal::Async;
use esp_hal::dma::{DmaRxBuf, DmaTxBuf};
use esp_hal::gpio::{self, Input, InputConfig, Output, OutputConfig, Pull};
use esp_hal::peripherals::{DMA_CH0, GPIO2, GPIO4, GPIO5, GPIO6, GPIO7, GPIO10, SPI2};
use esp_hal::spi::master::{Config, Spi, SpiDmaBus};
use esp_hal::time::Rate;
use gatelet_hal::W5500;
use smoltcp::wire::EthernetAddress;

/// The chip as a port.
pub(crate) type Port = W5500<SpiDmaBus<'static, Async>, Output<'static>, Input<'static>>;
/// The bus' clock, to the chip, from the chip; select, interrupt, reset.
pub(crate) type Pins =
    (GPIO6<'static>, GPIO7<'static>, GPIO2<'static>, GPIO10<'static>, GPIO4<'static>, GPIO5<'static>);

/// Resets the chip and starts it.
///
/// # Errors
/// With what does not work.
pub(crate) fn port(
    spi: SPI2<'static>,
    dma: DMA_CH0<'static>,
    (clock, to_chip, from_chip, select, interrupt, reset): Pins,
    address: EthernetAddress,
) -> Result<Port, &'static str> {
    let (rx, rx_descriptors, tx, tx_descriptors) = esp_hal::dma_buffers!(512);
    let buffers = (DmaRxBuf::new(rx_descriptors, rx), DmaTxBuf::new(tx_descriptors, tx));
    let (Ok(rx), Ok(tx)) = buffers else { return Err("no buffers for SPI") };
    let config = Config::default().with_frequency(Rate::from_mhz(26));
    let bus = Spi::new(spi, config)
        .map_err(|_| "SPI2 is not as fast as that")?
        .with_sck(clock)
        .with_mosi(to_chip)
        .with_miso(from_chip)
        .with_dma(dma)
        .with_buffers(rx, tx)
        .into_async();
    let mut reset = Output::new(reset, gpio::Level::Low, OutputConfig::default());
    // Data sheet of the W5500, section 5.5.1: 500 µs of reset, then 1 ms for the PLL to lock.
    block_for(Duration::from_millis(1));
    reset.set_high();
    block_for(Duration::from_millis(2));
    let select = Output::new(select, gpio::Level::High, OutputConfig::default());
    let interrupt = Input::new(interrupt, InputConfig::default().with_pull(Pull::Up));
    W5500::new(bus, select, interrupt, address).map_err(|_| "no W5500 answers on SPI2")
}
