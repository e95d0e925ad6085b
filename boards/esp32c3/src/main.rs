//! Gatelet on an ESP32-C3: the carrier at a W5500, the home on Wi-Fi, the console on the USB socket, what must survive in a
//! partition. README.md has the wiring and how to flash it.
#![no_std]
#![no_main]

mod flash;
mod wifi;

use core::fmt::Write as _;
use core::ops::Range;
use core::panic::PanicInfo;

use chacha20::ChaCha8Rng;
use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_executor::Spawner;
use embassy_net::StackResources;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_time::{Duration, block_for};
use embedded_hal::digital::PinState;
use embedded_io_async::Write as _;
use esp_hal::Async;
use esp_hal::clock::CpuClock;
use esp_hal::dma::{DmaRxBuf, DmaTxBuf};
use esp_hal::gpio::{Input, InputConfig, Level, Output, OutputConfig, Pull};
use esp_hal::interrupt::software::SoftwareInterruptControl;
use esp_hal::peripherals::{Peripherals, TIMG1};
use esp_hal::rng::Rng as Noise;
use esp_hal::spi::master::{Config as SpiConfig, Spi, SpiDmaBus};
use esp_hal::time::Rate;
use esp_hal::timer::timg::{MwdtStage, TimerGroup, Wdt};
use esp_hal::usb_serial_jtag::UsbSerialJtag;
use esp_radio::wifi::{Interface, WifiController};
use esp_storage::FlashStorage;
use gatelet_board::{LastWords, mix, random};
use gatelet_hal::{DriverPort, EthernetPort, FramePool, PortId, W5500};
use gatelet_proto::dns;
use gatelet_proto::redial::Boot;
use gatelet_router::{LanConfig, Router, TableSpace, WanConfig, WanId};
use gatelet_runtime::{DnsSpace, FlashLeases, FlashLedger, Gatelet, LeaseStore, LedgerStore, Services};
use rand_core::Rng;
use smoltcp::wire::EthernetAddress;
use static_cell::{ConstStaticCell, StaticCell};

esp_bootloader_esp_idf::esp_app_desc!();

const WAN_PORT: PortId = PortId(0);
const LAN_PORT: PortId = PortId(1);
const WAN: WanId = WanId(0);

/// 1,648 bytes each.
const FRAMES: usize = 22;
/// 92 bytes each.
const FLOWS: usize = 256;
/// 104 bytes each.
const HOSTS: usize = 24;
/// 3 KB each.
const QUERIES: usize = 2;
const ANSWERS: usize = 2 * 1024;
/// Fed every half second (`Gatelet::run_vigil`).
const PATIENCE: esp_hal::time::Duration = esp_hal::time::Duration::from_secs(8);

/// What the last panic said.
#[unsafe(link_section = ".uninit.last_words")]
static LAST_WORDS: LastWords = LastWords::new();

type Board = Gatelet<'static, NoopRawMutex, 2>;
type Names = DnsSpace<QUERIES, ANSWERS>;
type Ledger = FlashLedger<flash::Part>;
type Leases = FlashLeases<flash::Part>;
type WanChip = W5500<SpiDmaBus<'static, Async>, Output<'static>, Input<'static>>;
type LanPort = DriverPort<'static, Interface<'static>>;
type Console = UsbSerialJtag<'static, Async>;

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    // The radio's, in memory that the boot loader has left and in 36 KB more (limits.x); nobody else allocates.
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 36 * 1024);
    if let Err(reason) = start(spawner, peripherals).await {
        panic!("Gatelet does not start: {reason}");
    }
}

/// Makes everything, where it stays: what this future itself holds is memory that is never used again.
async fn start(spawner: Spawner, p: Peripherals) -> Result<(), &'static str> {
    static MEMORY: ConstStaticCell<FramePool<NoopRawMutex, FRAMES>> = ConstStaticCell::new(FramePool::new());
    static TABLES: StaticCell<TableSpace<FLOWS, HOSTS>> = StaticCell::new();
    static NAMES: StaticCell<Names> = StaticCell::new();
    static WAN_SOCKETS: StaticCell<StackResources<{ Names::WAN_SOCKETS + 1 }>> = StaticCell::new();
    static LAN_SOCKETS: StaticCell<StackResources<{ Names::LAN_SOCKETS + 1 }>> = StaticCell::new();
    static BOARD: StaticCell<Board> = StaticCell::new();
    static ROUTER: StaticCell<Router<'static>> = StaticCell::new();
    static FLASH: StaticCell<flash::Shared> = StaticCell::new();
    // The radio is on as long as its controller lives.
    static RADIO: StaticCell<WifiController<'static>> = StaticCell::new();

    let software = SoftwareInterruptControl::new(p.SW_INTERRUPT);
    esp_rtos::start(TimerGroup::new(p.TIMG0).timer0, software.software_interrupt0);
    let mut console = UsbSerialJtag::new(p.USB_DEVICE).into_async();
    if let Some(words) = LAST_WORDS.take() {
        tell_line(&mut console, "The last run ended with a panic: ", &words).await;
    }

    // The noise source is true while the radio runs, which it does soon; until then, much of it is mixed.
    let mut rng = mix(64, |bytes| Noise::new().read(bytes));
    let flash: &flash::Shared = FLASH.init(Mutex::new(BlockingAsync::new(FlashStorage::new(p.FLASH))));
    let whole = |range: &Range<u32>| 0..range.len() as u32;
    let mut ledger = Ledger::new(flash::part(flash, &flash::LEDGER), whole(&flash::LEDGER))
        .map_err(|_| "no room for the ledger")?;
    let mut leases = Leases::new(flash::part(flash, &flash::LEASES), whole(&flash::LEASES))
        .map_err(|_| "no room for the leases")?;

    let pool = MEMORY.take().pool();
    for quota in [WAN_PORT, LAN_PORT, PortId::LOCAL] {
        pool.reserve(quota, FRAMES as u16 / 4).map_err(|_| "too few frames")?;
    }
    let wan = {
        let (rx, rx_descriptors, tx, tx_descriptors) = esp_hal::dma_buffers!(1536);
        let buffers = (DmaRxBuf::new(rx_descriptors, rx), DmaTxBuf::new(tx_descriptors, tx));
        let (Ok(rx), Ok(tx)) = buffers else { return Err("no buffers for SPI") };
        let config = SpiConfig::default().with_frequency(Rate::from_mhz(26));
        let bus = Spi::new(p.SPI2, config)
            .map_err(|_| "SPI2 is not as fast as that")?
            .with_sck(p.GPIO6)
            .with_mosi(p.GPIO7)
            .with_miso(p.GPIO2)
            .with_dma(p.DMA_CH0)
            .with_buffers(rx, tx)
            .into_async();
        let mut reset = Output::new(p.GPIO5, Level::Low, OutputConfig::default());
        // Data sheet of the W5500, section 5.5.1: 500 µs of reset, then 1 ms for the PLL to lock.
        block_for(Duration::from_millis(1));
        reset.set_high();
        block_for(Duration::from_millis(2));
        let select = Output::new(p.GPIO10, Level::High, OutputConfig::default());
        let interrupt = Input::new(p.GPIO4, InputConfig::default().with_pull(Pull::Up));
        W5500::new(bus, select, interrupt, ethernet_address()).map_err(|_| "no W5500 answers on SPI2")?
    };
    let password = wifi::password(&mut flash::part(flash, &flash::WIFI), &mut rng).await;
    let (radio, air) =
        wifi::access_point(p.WIFI, NETWORK, &password).map_err(|_| "the radio does not start")?;
    RADIO.init(radio);
    tell_line(&mut console, "The wireless network is Gatelet, its password ", &password).await;
    let lan = LanPort::new(air, pool, LAN_PORT).map_err(|_| "no frame for the radio")?;
    let settings = gatelet_board::ask(&mut console, "an ESP32-C3").await;

    let now = gatelet_runtime::now();
    let router = ROUTER.init_with(|| Router::new(pool, random(&mut rng)));
    router.add_port(WAN_PORT, wan.hardware_address(), wan.max_frame_len());
    router.add_port(LAN_PORT, lan.hardware_address(), lan.max_frame_len());
    router.lend_tables(TABLES.init_with(TableSpace::new).lend());
    router.add_lan(now, LanConfig::new(LAN_PORT, settings.lan));
    leases.load(&mut |place, lease| router.restore_leases(now, [(place, lease)])).await;
    let past = ledger.load(WAN).await;
    router.add_wan(now, WanConfig::new(WAN_PORT, settings.credentials), Boot::Cold, past);

    let board: &Board = BOARD.init_with(|| Gatelet::new(pool));
    let no_stack = "no frame for the router's own stacks";
    let wan_stack = board.wan_stack(WAN, WAN_SOCKETS.init(StackResources::new()), rng.next_u64());
    let lan_stack = board.lan_stack(LAN_SOCKETS.init(StackResources::new()), rng.next_u64());
    let services = Services {
        wan: WAN,
        wan_stack: wan_stack.ok_or(no_stack)?,
        lan_stack: lan_stack.ok_or(no_stack)?,
        names: NAMES.init_with(DnsSpace::new),
        dns: dns::Config { lan: settings.lan, ..dns::Config::default() },
        time_servers: &["ntp.aliyun.com", "ntp.ntsc.ac.cn"],
        leases,
    };
    let twice = |_| "a task is spawned once";
    spawner.spawn(run_wan_port(board, wan).map_err(twice)?);
    spawner.spawn(run_lan_port(board, lan).map_err(twice)?);
    spawner.spawn(run_router(board, router, ledger).map_err(twice)?);
    spawner.spawn(run_services(board, services, rng).map_err(twice)?);
    spawner
        .spawn(run_lamp(board, Output::new(p.GPIO8, Level::High, OutputConfig::default())).map_err(twice)?);
    spawner.spawn(run_vigil(board, TimerGroup::new(p.TIMG1).wdt).map_err(twice)?);
    spawner.spawn(tell(board, console).map_err(twice)?);
    Ok(())
}

/// What the air is called.
const NETWORK: &str = "Gatelet";

#[embassy_executor::task]
async fn run_wan_port(board: &'static Board, port: WanChip) -> ! {
    board.run_port(WAN_PORT, port).await
}

#[embassy_executor::task]
async fn run_lan_port(board: &'static Board, port: LanPort) -> ! {
    board.run_port(LAN_PORT, port).await
}

#[embassy_executor::task]
async fn run_router(board: &'static Board, router: &'static mut Router<'static>, mut ledger: Ledger) {
    board.run_router(router, &mut ledger).await;
    esp_hal::system::software_reset()
}

#[embassy_executor::task]
async fn run_services(
    board: &'static Board,
    services: Services<'static, 'static, Leases, QUERIES, ANSWERS>,
    mut rng: ChaCha8Rng,
) -> ! {
    board.run_services(services, || mix(1, |bytes| rng.fill_bytes(bytes))).await
}

/// The lamp of most boards with this chip is lit by a low level.
#[embassy_executor::task]
async fn run_lamp(board: &'static Board, lamp: Output<'static>) -> ! {
    board.run_lamp(WAN, lamp, PinState::Low).await
}

#[embassy_executor::task]
async fn run_vigil(board: &'static Board, mut watchdog: Wdt<TIMG1<'static>>) -> ! {
    watchdog.set_timeout(MwdtStage::Stage0, PATIENCE);
    watchdog.enable();
    board.run_vigil(WAN, || true, || watchdog.feed()).await
}

/// Says what happens.
#[embassy_executor::task]
async fn tell(board: &'static Board, console: Console) {
    gatelet_board::tell(board, console).await;
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    LAST_WORDS.keep(info);
    esp_hal::system::software_reset()
}

async fn tell_line(console: &mut Console, what: &str, more: &str) {
    let mut line = heapless::String::<320>::new();
    // A line that is too long ends where it is full.
    let _ = write!(line, "\r\n{what}{more}\r\n");
    let _ = console.write_all(line.as_bytes()).await;
}

/// The chip's own, made one that is administered locally: it has none for wires, and the air has the other.
fn ethernet_address() -> EthernetAddress {
    let mut octets = [0; 6];
    octets.copy_from_slice(esp_hal::efuse::base_mac_address().as_bytes());
    octets[0] |= 0x02;
    EthernetAddress(octets)
}
