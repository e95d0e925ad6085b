//! Gatelet on QEMU's `virt` machine: the carrier at the first virtio-net device, the home at the second, the console on the
//! UART, what must survive in the second flash bank. `cargo xtask qemu` builds and starts it.
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "of the entry point that a macro of riscv-rt's makes")]

mod clock;
mod flash;
mod machine;
mod uart;
mod virtio;

use core::fmt::Write as _;
use core::panic::PanicInfo;

use chacha20::ChaCha8Rng;
use embassy_executor::Spawner;
use embassy_net::StackResources;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_board::{LastWords, random};
use gatelet_hal::{EthernetPort, FramePool, PortId};
use gatelet_proto::dns;
use gatelet_proto::redial::Boot;
use gatelet_router::{LanConfig, Router, TableSpace, WanConfig, WanId};
use gatelet_runtime::{DnsSpace, FlashLeases, FlashLedger, Gatelet, LeaseStore, LedgerStore, Services};
use rand_core::{Rng, SeedableRng};
use static_cell::{ConstStaticCell, StaticCell};

use machine::Slot;
use virtio::Port;

const WAN_PORT: PortId = PortId(0);
const LAN_PORT: PortId = PortId(1);
const WAN: WanId = WanId(0);

/// 16 of each port are with its device; the rest is on its way.
const FRAMES: usize = 192;
const FLOWS: usize = 4096;
const HOSTS: usize = 128;
const QUERIES: usize = 16;
const ANSWERS: usize = 16 * 1024;

/// What the last panic said.
#[unsafe(link_section = ".uninit.last_words")]
static LAST_WORDS: LastWords = LastWords::new();

type Board = Gatelet<'static, NoopRawMutex, 2>;
type Names = DnsSpace<QUERIES, ANSWERS>;
type Ledger = FlashLedger<flash::Bank>;
type Leases = FlashLeases<flash::Bank>;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    machine::start();
    if let Some(words) = LAST_WORDS.take() {
        let _ = write!(uart::Emergency, "\r\nThe last run ended with a panic: {words}\r\n");
    }
    if let Err(reason) = start(spawner).await {
        let _ = write!(uart::Emergency, "\r\nGatelet does not start: {reason}\r\n");
        machine::exit(false);
    }
}

/// Makes everything, where it stays: what this future itself holds is memory that is never used again.
async fn start(spawner: Spawner) -> Result<(), &'static str> {
    static MEMORY: ConstStaticCell<FramePool<NoopRawMutex, FRAMES>> = ConstStaticCell::new(FramePool::new());
    static TABLES: StaticCell<TableSpace<FLOWS, HOSTS>> = StaticCell::new();
    static NAMES: StaticCell<Names> = StaticCell::new();
    static WAN_SOCKETS: StaticCell<StackResources<{ Names::WAN_SOCKETS + 1 }>> = StaticCell::new();
    static LAN_SOCKETS: StaticCell<StackResources<{ Names::LAN_SOCKETS + 1 }>> = StaticCell::new();
    static BOARD: StaticCell<Board> = StaticCell::new();
    static ROUTER: StaticCell<Router<'static>> = StaticCell::new();

    let mut rng = ChaCha8Rng::from_seed(virtio::entropy().ok_or("no source of random numbers")?);
    let [ledger, leases] = flash::take().ok_or("the flash is taken")?;
    let mut ledger = Ledger::new(ledger, flash::map::LEDGER).map_err(|_| "no room for the ledger")?;
    let mut leases = Leases::new(leases, flash::map::LEASES).map_err(|_| "no room for the leases")?;

    let pool = MEMORY.take().pool();
    for quota in [WAN_PORT, LAN_PORT, PortId::LOCAL] {
        pool.reserve(quota, FRAMES as u16 / 4).map_err(|_| "too few frames")?;
    }
    let wan = Port::new(Slot::Wan, pool, WAN_PORT).ok_or("no virtio-net device for the WAN")?;
    let lan = Port::new(Slot::Lan, pool, LAN_PORT).ok_or("no virtio-net device for the LAN")?;

    let mut uart = uart::Uart::new();
    let settings = gatelet_board::ask(&mut uart, "QEMU's virt machine").await;
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
    spawner.spawn(tell(board, uart).map_err(twice)?);
    Ok(())
}

#[embassy_executor::task]
async fn run_wan_port(board: &'static Board, port: Port<'static>) -> ! {
    board.run_port(WAN_PORT, port).await
}

#[embassy_executor::task]
async fn run_lan_port(board: &'static Board, port: Port<'static>) -> ! {
    board.run_port(LAN_PORT, port).await
}

#[embassy_executor::task]
async fn run_router(board: &'static Board, router: &'static mut Router<'static>, mut ledger: Ledger) {
    board.run_router(router, &mut ledger).await;
    machine::exit(true)
}

#[embassy_executor::task]
async fn run_services(
    board: &'static Board,
    services: Services<'static, 'static, Leases, QUERIES, ANSWERS>,
    mut rng: ChaCha8Rng,
) -> ! {
    board.run_services(services, || ChaCha8Rng::from_rng(&mut rng)).await
}

/// Says what happens.
#[embassy_executor::task]
async fn tell(board: &'static Board, uart: uart::Uart) {
    gatelet_board::tell(board, uart).await;
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    LAST_WORDS.keep(info);
    machine::reset()
}
