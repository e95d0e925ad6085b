//! Gatelet on an RP2040: the carrier at a W5500, the home at the USB socket or (`two-w5500`) at a second W5500, the console on
//! UART0 and at the USB socket, what must survive in the last sectors of flash. README.md has the wiring and how to flash it.
#![no_std]
#![no_main]

mod flash;
mod line;
mod pins;
mod usb;

use core::panic::PanicInfo;

use chacha20::ChaCha8Rng;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_futures::block_on;
use embassy_net::{Stack, StackResources};
use embassy_rp::Peripherals;
use embassy_rp::clocks::RoscRng;
use embassy_rp::flash::Flash;
use embassy_rp::gpio::{self, Output};
use embassy_rp::spi::Spi;
use embassy_rp::uart::{self, BufferedUart};
use embassy_rp::watchdog::Watchdog;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_time::Duration;
use embedded_hal::digital::PinState;
use gatelet_board::{LastLedger, LastWords, OwnProbes, engines, look, mix, random};
use gatelet_console::{Console, Level};
use gatelet_hal::{EthernetPort, FramePool, PortId};
use gatelet_proto::connectivity::Family;
use gatelet_router::{Command, Router, TableSpace};
use gatelet_runtime::settings::{FlashSettings, SettingsDesk, Sides, WAN, load_settings};
use gatelet_runtime::{
    DnsSpace, FlashLeases, FlashLedger, Gatelet, LanRunner, LeaseStore, ProbeSpace, Services, WanRunner,
    run_stacks,
};
use rand_core::{Rng, SeedableRng};
use smoltcp::wire::EthernetAddress;
use static_cell::{ConstStaticCell, StaticCell};

use pins::{Irqs, WanChip, chip, high, low_active, spi_config};

const SIDES: Sides = Sides { wan: PortId(0), lan: PortId(1) };

/// 1,648 bytes each.
const FRAMES: usize = 15;
/// 92 bytes each.
const FLOWS: usize = 128;
/// 200 bytes each, with their IPv6 addresses.
const HOSTS: usize = 24;
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
/// Fed every half second (`Gatelet::run_vigil`); 8.3 s is the most that the chip can do.
const PATIENCE: Duration = Duration::from_secs(8);

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
#[cfg(feature = "two-w5500")]
type LanPort = pins::LanChip;
#[cfg(not(feature = "two-w5500"))]
type LanPort = gatelet_hal::DriverPort<'static, usb::Adapter>;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let peripherals = embassy_rp::init(embassy_rp::config::Config::default());
    static NAMES: StaticCell<Names> = StaticCell::new();
    // Before there is anything else on the stack.
    let names = place(&NAMES, DnsSpace::new);
    if let Err(reason) = start(spawner, peripherals, names) {
        panic!("Gatelet does not start: {reason}");
    }
}

/// Makes everything, and sets it going.
#[inline(never)]
fn start(spawner: Spawner, p: Peripherals, names: &'static mut Names) -> Result<(), &'static str> {
    static MEMORY: ConstStaticCell<FramePool<NoopRawMutex, FRAMES>> = ConstStaticCell::new(FramePool::new());
    static TABLES: StaticCell<TableSpace<FLOWS, HOSTS, FLOWS6>> = StaticCell::new();
    static WAN_SOCKETS: StaticCell<
        StackResources<{ Names::WAN_SOCKETS + 3 + FAMILIES.len() * ProbeSpace::<SLOTS>::SOCKETS }>,
    > = StaticCell::new();
    static LAN_SOCKETS: StaticCell<StackResources<{ Names::LAN_SOCKETS }>> = StaticCell::new();
    static CHECKS: StaticCell<Checks> = StaticCell::new();
    static PROBES: ConstStaticCell<Probes> =
        ConstStaticCell::new([const { ProbeSpace::new() }; FAMILIES.len()]);
    static OWN_PROBES: ConstStaticCell<OwnProbes> = ConstStaticCell::new(OwnProbes::new());
    static BOARD: StaticCell<Board> = StaticCell::new();
    static DESK: StaticCell<Desk> = StaticCell::new();
    static ROUTER: StaticCell<Router<'static>> = StaticCell::new();
    static CONSOLE: StaticCell<Console> = StaticCell::new();
    static FLASH: StaticCell<flash::Shared> = StaticCell::new();
    static TYPED: ConstStaticCell<([u8; 64], [u8; 256])> = ConstStaticCell::new(([0; 64], [0; 256]));

    let now = gatelet_runtime::now();
    let console = place(&CONSOLE, || Console::new(now, VERSION));
    if let Some(words) = LAST_WORDS.take() {
        defmt::error!("the last run ended with a panic: {}", words.as_str());
        console.log(now, Level::Error, format_args!("the last run ended with a panic: {words}"));
    }
    let mut rng = mix(64, |bytes| RoscRng.fill_bytes(bytes));
    let mut flash = Flash::new(p.FLASH, p.DMA_CH2, Irqs);
    let [wan_mac, lan_mac, their_mac] = addresses(&mut flash);
    let flash: &flash::Shared = FLASH.init(Mutex::new(flash));
    let memories = [flash::LEDGER, flash::LEASES, flash::SETTINGS].map(|range| flash::part(flash, &range));
    let [ledger, leases, kept] = memories.clone();
    let mut ledger = Ledger::new(ledger, 0..flash::LEDGER.len() as u32).map_err(|_| NO_ROOM)?;
    let mut leases = Leases::new(leases, 0..flash::LEASES.len() as u32).map_err(|_| NO_ROOM)?;
    let mut kept = Kept::new(kept, 0..flash::SETTINGS.len() as u32).map_err(|_| NO_ROOM)?;
    let settings = block_on(load_settings(&mut kept, &mut |complaint| {
        console.log(now, Level::Warning, format_args!("{complaint}"));
    }));
    let desk: &Desk = place(&DESK, || SettingsDesk::new(settings, SIDES));

    let pool = MEMORY.take().pool();
    for quota in [SIDES.wan, SIDES.lan, PortId::LOCAL] {
        pool.reserve(quota, FRAMES as u16 / 4).map_err(|_| "too few frames")?;
    }
    let bus = Spi::new(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, p.DMA_CH0, p.DMA_CH1, Irqs, spi_config());
    let wan = chip(bus, high(p.PIN_17), low_active(p.PIN_21), high(p.PIN_20), wan_mac)
        .map_err(|_| "no W5500 answers on SPI0")?;
    let mut socket = usb::begin(embassy_rp::usb::Driver::new(p.USB, Irqs));
    #[cfg(feature = "two-w5500")]
    let lan = {
        let _ = their_mac;
        let bus = Spi::new(p.SPI1, p.PIN_10, p.PIN_11, p.PIN_12, p.DMA_CH3, p.DMA_CH4, Irqs, spi_config());
        chip(bus, high(p.PIN_13), low_active(p.PIN_15), high(p.PIN_14), lan_mac)
            .map_err(|_| "no W5500 answers on SPI1")?
    };
    #[cfg(not(feature = "two-w5500"))]
    let lan = {
        let (mover, adapter) = usb::adapter(&mut socket, lan_mac, their_mac);
        spawner.spawn(run_mover(mover).map_err(|_| TWICE)?);
        LanPort::new(adapter, pool, SIDES.lan).map_err(|_| "no frame for the USB adapter")?
    };

    let router = place(&ROUTER, || Router::new(pool, random(&mut rng)));
    router.add_port(SIDES.wan, wan.hardware_address(), wan.max_frame_len());
    router.add_port(SIDES.lan, lan.hardware_address(), lan.max_frame_len());
    router.lend_tables(place(&TABLES, TableSpace::new).lend());
    let (boot, past) = block_on(LAST_LEDGER.or(&mut ledger));
    if !desk.set_up(router, now, boot, past) {
        console.log(now, Level::Error, format_args!("the router does not take the settings"));
    }
    block_on(leases.load(&mut |place, lease| router.restore_leases(now, [(place, lease)])));
    router.remember_ipv6_prefixes(&block_on(leases.load_prefixes()));

    let board = place(&BOARD, || Gatelet::new(pool));
    board.lend_settings(desk);
    let board: &Board = board;
    let wan_stack = board.wan_stack(WAN, WAN_SOCKETS.init(StackResources::new()), rng.next_u64());
    let lan_stack = board.lan_stack(LAN_SOCKETS.init(StackResources::new()), rng.next_u64());
    let (Some((wan_stack, wan_runner)), Some((lan_stack, lan_runner))) = (wan_stack, lan_stack) else {
        return Err("too few frames");
    };
    let (to_send, typed) = TYPED.take();
    let serial = usb::serial(&mut socket);
    spawner.spawn(run_usb(socket.build()).map_err(|_| TWICE)?);
    let uart = BufferedUart::new(p.UART0, p.PIN_0, p.PIN_1, Irqs, to_send, typed, uart::Config::default());
    let line = line::open(uart, serial);
    let checks: &Checks =
        place(&CHECKS, || desk.read(|settings| engines(settings, FAMILIES, OWN_PROBES.take(), SLOTS)));
    let (talks, checks_rng) = ((desk, wan_stack, checks), ChaCha8Rng::from_rng(&mut rng));
    let looks = run_checks(board, checks, wan_stack, PROBES.take(), checks_rng);
    spawner.spawn(looks.map_err(|_| TWICE)?);
    // For what keeps tunnels together when an end of them moves, there is no memory left.
    let services = Services { wan: WAN, wan_stack, lan_stack, names, leases, settings: kept };
    spawner.spawn(run_wan_port(board, wan).map_err(|_| TWICE)?);
    spawner.spawn(run_lan_port(board, lan).map_err(|_| TWICE)?);
    spawner.spawn(run_router(board, router, ledger).map_err(|_| TWICE)?);
    spawner.spawn(run_own_stacks(wan_runner, lan_runner).map_err(|_| TWICE)?);
    spawner.spawn(run_services(board, services, rng).map_err(|_| TWICE)?);
    spawner.spawn(run_console(board, console, talks, line, memories).map_err(|_| TWICE)?);
    spawner.spawn(run_lamp(board, Output::new(p.PIN_25, gpio::Level::Low)).map_err(|_| TWICE)?);
    spawner.spawn(run_vigil(board, Watchdog::new(p.WATCHDOG)).map_err(|_| TWICE)?);
    Ok(())
}

#[embassy_executor::task]
async fn run_wan_port(board: &'static Board, port: WanChip) -> ! {
    board.run_port(SIDES.wan, port).await
}

#[embassy_executor::task]
async fn run_lan_port(board: &'static Board, port: LanPort) -> ! {
    board.run_port(SIDES.lan, port).await
}

#[embassy_executor::task]
async fn run_router(board: &'static Board, router: &'static mut Router<'static>, mut ledger: Ledger) {
    board.run_router_retaining(router, &mut ledger, &mut |_, ledger| LAST_LEDGER.keep(&ledger)).await;
    cortex_m::peripheral::SCB::sys_reset()
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
    line: (line::Keyboard, line::Screen),
    mut memories: [flash::Part; 3],
) {
    let (keyboard, screen) = line;
    gatelet_board::talk(board, console, talks, keyboard, screen, &mut memories).await;
    board.commands().send(Command::Shutdown).await;
}

#[embassy_executor::task]
async fn run_lamp(board: &'static Board, lamp: Output<'static>) -> ! {
    board.run_lamp(WAN, lamp, PinState::High).await
}

#[embassy_executor::task]
async fn run_vigil(board: &'static Board, mut watchdog: Watchdog) -> ! {
    watchdog.pause_on_debug(true);
    watchdog.start(PATIENCE);
    board.run_vigil(WAN, || true, || watchdog.feed(PATIENCE)).await
}

#[embassy_executor::task]
async fn run_usb(mut socket: usb::Socket) -> ! {
    socket.run().await
}

#[cfg(not(feature = "two-w5500"))]
#[embassy_executor::task]
async fn run_mover(mover: usb::Mover) -> ! {
    mover.run().await
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    LAST_WORDS.keep(info);
    cortex_m::peripheral::SCB::sys_reset()
}

/// Makes something where it stays. It comes into being on the stack first, hence a function that is never inlined: in one frame
/// all of them together are more than the stack has.
#[inline(never)]
fn place<T>(cell: &'static StaticCell<T>, make: impl FnOnce() -> T) -> &'static mut T {
    cell.init_with(make)
}

const NO_ROOM: &str = "the flash's parts are too small";
const TWICE: &str = "a task is spawned once";
/// What `show version` says.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (RP2040)");

/// Three addresses that no other board has, made from the flash chip's number.
fn addresses(
    flash: &mut Flash<'_, embassy_rp::peripherals::FLASH, embassy_rp::flash::Async, { flash::LEN }>,
) -> [EthernetAddress; 3] {
    let mut number = [0; 8];
    // Without one, all boards have the same: one of them works.
    let _ = flash.blocking_unique_id(&mut number);
    let [.., b, c, d, e] = number;
    // Locally administered (IEEE 802, section 8.4).
    [0, 1, 2].map(|which| EthernetAddress([0x02, 0x47, which, b ^ c, d, e]))
}
