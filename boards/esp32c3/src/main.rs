//! Gatelet on an ESP32-C3: the carrier at a W5500 and the home on Wi-Fi, or the other way round (`wifi.mode`), the console on the
//! USB socket, what must survive in a partition. README.md has the wiring and how to flash it.
#![no_std]
#![no_main]

mod flash;
mod wifi;

use core::panic::PanicInfo;

use chacha20::ChaCha8Rng;
use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_executor::Spawner;
use embassy_futures::block_on;
use embassy_net::{Stack, StackResources};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_time::{Duration, WithTimeout, block_for};
use embedded_hal::digital::PinState;
use embedded_io_async::Write as _;
use esp_hal::Async;
use esp_hal::clock::CpuClock;
use esp_hal::dma::{DmaRxBuf, DmaTxBuf};
use esp_hal::gpio::{self, Input, InputConfig, Output, OutputConfig, Pull};
use esp_hal::interrupt::software::SoftwareInterruptControl;
use esp_hal::peripherals::{Peripherals, TIMG1};
use esp_hal::rng::Rng as Noise;
use esp_hal::spi::master::{Config as SpiConfig, Spi, SpiDmaBus};
use esp_hal::time::Rate;
use esp_hal::timer::timg::{MwdtStage, TimerGroup, Wdt};
use esp_hal::usb_serial_jtag::UsbSerialJtag;
use esp_radio::wifi::{Interface, WifiController};
use esp_storage::FlashStorage;
use gatelet_board::{LastLedger, LastWords, OwnProbes, engines, look, mix, random};
use gatelet_console::{Console, Level};
use gatelet_hal::{DriverPort, EthernetPort, FramePool, PortId, W5500};
use gatelet_proto::connectivity::Family;
use gatelet_router::{Command, Router, TableSpace};
use gatelet_runtime::settings::{FlashSettings, SettingsDesk, Sides, WAN, load_settings};
use gatelet_runtime::{
    DnsSpace, FlashLeases, FlashLedger, Gatelet, LanRunner, LeaseStore, ProbeSpace, Services, WanRunner,
    run_stacks,
};
use gatelet_settings::Radio;
use rand_core::{Rng, SeedableRng};
use smoltcp::wire::EthernetAddress;
use static_cell::{ConstStaticCell, StaticCell};

esp_bootloader_esp_idf::esp_app_desc!();

const SIDES: Sides = Sides { wan: PortId(0), lan: PortId(1) };

/// 1,648 bytes each.
const FRAMES: usize = 12;
/// 92 bytes each.
const FLOWS: usize = 128;
/// 200 bytes each, with their IPv6 addresses.
const HOSTS: usize = 12;
/// 68 bytes each, of IPv6.
const FLOWS6: usize = 32;
/// 3 KB each.
const QUERIES: usize = 3;
const ANSWERS: usize = 3 * 1024;
/// Four of them: no server sends longer answers by UDP, and very few by TCP.
const MESSAGE: usize = 1280;
/// Of which it is looked whether the Internet is there; 12 KB each.
const FAMILIES: [Family; 1] = [Family::Ipv4];
/// Probes at once, of each family.
const SLOTS: usize = 1;
/// Fed every half second (`Gatelet::run_vigil`).
const PATIENCE: esp_hal::time::Duration = esp_hal::time::Duration::from_secs(8);

/// What the last panic said.
#[unsafe(link_section = ".uninit.last_words")]
static LAST_WORDS: LastWords = LastWords::new();
/// What the redial engine knew last.
#[unsafe(link_section = ".uninit.last_ledger")]
static LAST_LEDGER: LastLedger = LastLedger::new();

type Board = Gatelet<'static, NoopRawMutex, 2>;
type Desk = SettingsDesk<NoopRawMutex>;
type Checks = gatelet_board::Engines<NoopRawMutex, { FAMILIES.len() }>;
type Probes = [ProbeSpace<SLOTS>; FAMILIES.len()];
type Names = DnsSpace<QUERIES, ANSWERS, MESSAGE>;
type Ledger = FlashLedger<flash::Part>;
type Leases = FlashLeases<flash::Part>;
type Kept = FlashSettings<flash::Part>;
type WirePort = W5500<SpiDmaBus<'static, Async>, Output<'static>, Input<'static>>;
type AirPort = DriverPort<'static, Interface<'static>>;

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    // The radio's, in memory that the boot loader has left and in 36 KB more (limits.x); nobody else allocates.
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 36 * 1024);
    if let Err(reason) = start(spawner, peripherals) {
        panic!("Gatelet does not start: {reason}");
    }
}

/// Makes everything, and sets it going.
fn start(spawner: Spawner, p: Peripherals) -> Result<(), &'static str> {
    static MEMORY: ConstStaticCell<FramePool<NoopRawMutex, FRAMES>> = ConstStaticCell::new(FramePool::new());
    static TABLES: StaticCell<TableSpace<FLOWS, HOSTS, FLOWS6>> = StaticCell::new();
    static NAMES: StaticCell<Names> = StaticCell::new();
    static WAN_SOCKETS: StaticCell<
        StackResources<{ Names::WAN_SOCKETS + 3 + FAMILIES.len() * ProbeSpace::<SLOTS>::SOCKETS }>,
    > = StaticCell::new();
    static CHECKS: StaticCell<Checks> = StaticCell::new();
    static PROBES: ConstStaticCell<Probes> =
        ConstStaticCell::new([const { ProbeSpace::new() }; FAMILIES.len()]);
    static OWN_PROBES: ConstStaticCell<OwnProbes> = ConstStaticCell::new(OwnProbes::new());
    static LAN_SOCKETS: StaticCell<StackResources<{ Names::LAN_SOCKETS }>> = StaticCell::new();
    static BOARD: StaticCell<Board> = StaticCell::new();
    static DESK: StaticCell<Desk> = StaticCell::new();
    static ROUTER: StaticCell<Router<'static>> = StaticCell::new();
    static CONSOLE: StaticCell<Console> = StaticCell::new();
    static FLASH: StaticCell<flash::Shared> = StaticCell::new();
    // The radio is on as long as its controller lives.
    static RADIO: StaticCell<WifiController<'static>> = StaticCell::new();

    let software = SoftwareInterruptControl::new(p.SW_INTERRUPT);
    esp_rtos::start(TimerGroup::new(p.TIMG0).timer0, software.software_interrupt0);
    let now = gatelet_runtime::now();
    let console = CONSOLE.init_with(|| Console::new(now, VERSION));
    if let Some(words) = LAST_WORDS.take() {
        console.log(now, Level::Error, format_args!("the last run ended with a panic: {words}"));
    }
    // The noise source is true while the radio runs, which it does soon; until then, much of it is mixed.
    let mut rng = mix(64, |bytes| Noise::new().read(bytes));
    let flash: &flash::Shared = FLASH.init(Mutex::new(BlockingAsync::new(FlashStorage::new(p.FLASH))));
    let memories = [flash::LEDGER, flash::LEASES, flash::SETTINGS].map(|range| flash::part(flash, &range));
    let [ledger, leases, kept] = memories.clone();
    let mut ledger = Ledger::new(ledger, 0..flash::LEDGER.len() as u32).map_err(|_| NO_ROOM)?;
    let mut leases = Leases::new(leases, 0..flash::LEASES.len() as u32).map_err(|_| NO_ROOM)?;
    let mut kept = Kept::new(kept, 0..flash::SETTINGS.len() as u32).map_err(|_| NO_ROOM)?;
    let settings = block_on(load_settings(&mut kept, &mut |complaint| {
        console.log(now, Level::Warning, format_args!("{complaint}"));
    }));
    let desk: &Desk = DESK.init_with(|| SettingsDesk::new(settings, SIDES));

    let pool = MEMORY.take().pool();
    for quota in [SIDES.wan, SIDES.lan, PortId::LOCAL] {
        pool.reserve(quota, FRAMES as u16 / 4).map_err(|_| "too few frames")?;
    }
    let wire = {
        let (rx, rx_descriptors, tx, tx_descriptors) = esp_hal::dma_buffers!(512);
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
        let mut reset = Output::new(p.GPIO5, gpio::Level::Low, OutputConfig::default());
        // Data sheet of the W5500, section 5.5.1: 500 µs of reset, then 1 ms for the PLL to lock.
        block_for(Duration::from_millis(1));
        reset.set_high();
        block_for(Duration::from_millis(2));
        let select = Output::new(p.GPIO10, gpio::Level::High, OutputConfig::default());
        let interrupt = Input::new(p.GPIO4, InputConfig::default().with_pull(Pull::Up));
        W5500::new(bus, select, interrupt, ethernet_address()).map_err(|_| "no W5500 answers on SPI2")?
    };
    let password = block_on(wifi::password(&mut flash::part(flash, &flash::WIFI), &mut rng));
    let (radio, air, is_station) = desk
        .read(|settings| {
            let wifi = settings.wifi();
            let is_station = matches!(wifi.radio, Radio::Station { .. });
            wifi::start(p.WIFI, &wifi, &password).map(|(radio, air)| (radio, air, is_station))
        })
        .map_err(|_| "the radio does not start")?;
    let radio = RADIO.init(radio);
    // As a station, the air leads to the carrier and the wire home.
    let (wired, on_air) = if is_station { (SIDES.lan, SIDES.wan) } else { (SIDES.wan, SIDES.lan) };
    let air = AirPort::new(air, pool, on_air).map_err(|_| "no frame for the radio")?;

    let router = ROUTER.init_with(|| Router::new(pool, random(&mut rng)));
    router.add_port(wired, wire.hardware_address(), wire.max_frame_len());
    router.add_port(on_air, air.hardware_address(), air.max_frame_len());
    router.lend_tables(TABLES.init_with(TableSpace::new).lend());
    let (boot, past) = block_on(LAST_LEDGER.or(&mut ledger));
    if !desk.set_up(router, now, boot, past) {
        console.log(now, Level::Error, format_args!("the router does not take the settings"));
    }
    block_on(leases.load(&mut |place, lease| router.restore_leases(now, [(place, lease)])));
    router.remember_ipv6_prefixes(&block_on(leases.load_prefixes()));

    let board = BOARD.init_with(|| Gatelet::new(pool));
    board.lend_settings(desk);
    let board: &Board = board;
    let wan_stack = board.wan_stack(WAN, WAN_SOCKETS.init(StackResources::new()), rng.next_u64());
    let lan_stack = board.lan_stack(LAN_SOCKETS.init(StackResources::new()), rng.next_u64());
    let (Some((wan_stack, wan_runner)), Some((lan_stack, lan_runner))) = (wan_stack, lan_stack) else {
        return Err("too few frames");
    };
    let usb = UsbSerialJtag::new(p.USB_DEVICE).into_async();
    let checks: &Checks =
        CHECKS.init_with(|| desk.read(|settings| engines(settings, FAMILIES, OWN_PROBES.take(), SLOTS)));
    let (talks, checks_rng) = ((desk, wan_stack, checks), ChaCha8Rng::from_rng(&mut rng));
    let looks = run_checks(board, checks, wan_stack, PROBES.take(), checks_rng);
    spawner.spawn(looks.map_err(|_| TWICE)?);
    let names = NAMES.init_with(DnsSpace::new);
    let services = Services { wan: WAN, wan_stack, lan_stack, names, leases, settings: kept };
    spawner.spawn(run_wire(board, wired, wire).map_err(|_| TWICE)?);
    spawner.spawn(run_air(board, on_air, air).map_err(|_| TWICE)?);
    if is_station {
        spawner.spawn(run_station(radio).map_err(|_| TWICE)?);
    }
    spawner.spawn(run_router(board, router, ledger).map_err(|_| TWICE)?);
    spawner.spawn(run_own_stacks(wan_runner, lan_runner).map_err(|_| TWICE)?);
    spawner.spawn(run_services(board, services, rng).map_err(|_| TWICE)?);
    spawner.spawn(run_console(board, console, talks, usb, memories, password).map_err(|_| TWICE)?);
    spawner.spawn(
        run_lamp(board, Output::new(p.GPIO8, gpio::Level::High, OutputConfig::default()))
            .map_err(|_| TWICE)?,
    );
    spawner.spawn(run_vigil(board, TimerGroup::new(p.TIMG1).wdt).map_err(|_| TWICE)?);
    Ok(())
}

#[embassy_executor::task]
async fn run_wire(board: &'static Board, side: PortId, port: WirePort) -> ! {
    board.run_port(side, port).await
}

#[embassy_executor::task]
async fn run_air(board: &'static Board, side: PortId, port: AirPort) -> ! {
    board.run_port(side, port).await
}

#[embassy_executor::task]
async fn run_station(radio: &'static mut WifiController<'static>) -> ! {
    wifi::stay(radio).await
}

#[embassy_executor::task]
async fn run_router(board: &'static Board, router: &'static mut Router<'static>, mut ledger: Ledger) {
    board.run_router_retaining(router, &mut ledger, &mut |_, ledger| LAST_LEDGER.keep(&ledger)).await;
    esp_hal::system::software_reset()
}

#[embassy_executor::task]
async fn run_own_stacks(wan: WanRunner<'static, 'static>, lan: LanRunner<'static, 'static>) -> ! {
    run_stacks(wan, lan).await
}

#[embassy_executor::task]
async fn run_services(
    board: &'static Board,
    services: Services<'static, Leases, Kept, QUERIES, ANSWERS, MESSAGE>,
    mut rng: ChaCha8Rng,
) -> ! {
    board.run_services(services, || ChaCha8Rng::from_rng(&mut rng)).await
}

#[embassy_executor::task]
async fn run_checks(
    board: &'static Board,
    checks: &'static Checks,
    stack: Stack<'static>,
    probes: &'static mut Probes,
    mut rng: ChaCha8Rng,
) {
    look(board, checks, stack, probes, &mut rng).await;
}

/// Ends with a reset: the router says goodbye first.
#[embassy_executor::task]
async fn run_console(
    board: &'static Board,
    console: &'static mut Console,
    talks: (&'static Desk, Stack<'static>, &'static Checks),
    usb: UsbSerialJtag<'static, Async>,
    mut memories: [flash::Part; 3],
    password: wifi::Password,
) {
    let (keyboard, mut screen) = usb.split();
    if talks.0.read(|settings| matches!(settings.wifi().radio, Radio::AccessPoint { password: None, .. })) {
        for text in ["\r\nThe password of the wireless network is ", &password, "\r\n"] {
            // Where nobody listens, nobody reads it.
            let _ = screen.write_all(text.as_bytes()).with_timeout(PATIENCE_OF_READERS).await;
        }
    }
    gatelet_board::talk(board, console, talks, keyboard, screen, &mut memories).await;
    board.commands().send(Command::Shutdown).await;
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

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    LAST_WORDS.keep(info);
    esp_hal::system::software_reset()
}

const NO_ROOM: &str = "the flash's parts are too small";
const TWICE: &str = "a task is spawned once";
/// How long a terminal may take to read a line before there is a console.
const PATIENCE_OF_READERS: Duration = Duration::from_millis(100);
/// What `show version` says.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (ESP32-C3)");

/// The chip's own, made one that is administered locally: it has none for wires, and the air has the other.
fn ethernet_address() -> EthernetAddress {
    let mut octets = [0; 6];
    octets.copy_from_slice(esp_hal::efuse::base_mac_address().as_bytes());
    octets[0] |= 0x02;
    EthernetAddress(octets)
}
