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
use embassy_futures::block_on;
use embassy_net::{Stack, StackResources};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_storage_async::nor_flash::ReadNorFlash;
use gatelet_board::{LastLedger, LastWords, OwnProbes, engines, look, random};
use gatelet_console::{Console, Level};
use gatelet_hal::{EthernetPort, FramePool, PortId};
use gatelet_proto::connectivity::Family;
use gatelet_router::{Command, Router, TableSpace};
use gatelet_runtime::settings::{FlashSettings, SettingsDesk, Sides, WAN, load_settings};
use gatelet_runtime::{
    DnsSpace, FlashLeases, FlashLedger, Gatelet, LanRunner, LeaseStore, PlainHttp, ProbeSpace, Services,
    UpdateDesk, UpdateSpace, WanRunner, run_stacks,
};
use rand_core::{Rng, SeedableRng};
use static_cell::{ConstStaticCell, StaticCell};

use machine::Slot;
use uart::{Keyboard, Screen};
use virtio::Port;

const SIDES: Sides = Sides { wan: PortId(0), lan: PortId(1) };

/// 16 of each port are with its device; the rest is on its way.
const FRAMES: usize = 192;
const FLOWS: usize = 4096;
const HOSTS: usize = 128;
const QUERIES: usize = 16;
const ANSWERS: usize = 16 * 1024;
const MESSAGE: usize = 4 * 1024;
/// Of which it is looked whether the Internet is there.
const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
/// Probes at once, of each family.
const SLOTS: usize = 4;

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

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    machine::start();
    if let Err(reason) = start(spawner) {
        let _ = write!(uart::Emergency, "\r\nGatelet does not start: {reason}\r\n");
        machine::fail();
    }
}

/// Makes everything, and sets it going.
fn start(spawner: Spawner) -> Result<(), &'static str> {
    static MEMORY: ConstStaticCell<FramePool<NoopRawMutex, FRAMES>> = ConstStaticCell::new(FramePool::new());
    static TABLES: StaticCell<TableSpace<FLOWS, HOSTS>> = StaticCell::new();
    static NAMES: StaticCell<Names> = StaticCell::new();
    static UPDATES: StaticCell<UpdateSpace> = StaticCell::new();
    static UPDATE_DESK: StaticCell<UpdateDesk<NoopRawMutex>> = StaticCell::new();
    static WAN_SOCKETS: StaticCell<
        StackResources<
            {
                Names::WAN_SOCKETS
                    + UpdateSpace::WAN_SOCKETS
                    + 3
                    + FAMILIES.len() * ProbeSpace::<SLOTS>::SOCKETS
            },
        >,
    > = StaticCell::new();
    static CHECKS: StaticCell<Checks> = StaticCell::new();
    static PROBES: ConstStaticCell<Probes> =
        ConstStaticCell::new([const { ProbeSpace::new() }; FAMILIES.len()]);
    static OWN_PROBES: ConstStaticCell<OwnProbes> = ConstStaticCell::new(OwnProbes::new());
    static LAN_SOCKETS: StaticCell<StackResources<{ Names::LAN_SOCKETS + UpdateSpace::LAN_SOCKETS }>> =
        StaticCell::new();
    static BOARD: StaticCell<Board> = StaticCell::new();
    static DESK: StaticCell<Desk> = StaticCell::new();
    static ROUTER: StaticCell<Router<'static>> = StaticCell::new();
    static CONSOLE: StaticCell<Console> = StaticCell::new();

    let now = gatelet_runtime::now();
    let console = CONSOLE.init_with(|| Console::new(now, VERSION));
    if let Some(words) = LAST_WORDS.take() {
        console.log(now, Level::Error, format_args!("the last run ended with a panic: {words}"));
    }
    let mut rng = ChaCha8Rng::from_seed(virtio::entropy().ok_or("no source of random numbers")?);
    let [[ledger, ledger_too], [leases, leases_too], [kept, kept_too]] =
        flash::take().ok_or("the flash is taken")?;
    let mut ledger = Ledger::new(ledger, 0..ledger_too.capacity() as u32).map_err(|_| NO_ROOM)?;
    let mut leases = Leases::new(leases, 0..leases_too.capacity() as u32).map_err(|_| NO_ROOM)?;
    let mut kept = Kept::new(kept, 0..kept_too.capacity() as u32).map_err(|_| NO_ROOM)?;
    let settings = block_on(load_settings(&mut kept, &mut |complaint| {
        console.log(now, Level::Warning, format_args!("{complaint}"));
    }));
    let desk: &Desk = DESK.init_with(|| SettingsDesk::new(settings, SIDES));

    let pool = MEMORY.take().pool();
    for quota in [SIDES.wan, SIDES.lan, PortId::LOCAL] {
        pool.reserve(quota, FRAMES as u16 / 4).map_err(|_| "too few frames")?;
    }
    let wan = Port::new(Slot::Wan, pool, SIDES.wan).ok_or("no virtio-net device for the WAN")?;
    let lan = Port::new(Slot::Lan, pool, SIDES.lan).ok_or("no virtio-net device for the LAN")?;

    let router = ROUTER.init_with(|| Router::new(pool, random(&mut rng)));
    router.add_port(SIDES.wan, wan.hardware_address(), wan.max_frame_len());
    router.add_port(SIDES.lan, lan.hardware_address(), lan.max_frame_len());
    router.lend_tables(TABLES.init_with(TableSpace::new).lend());
    let (boot, past) = block_on(LAST_LEDGER.or(&mut ledger));
    if !desk.set_up(router, now, boot, past) {
        console.log(now, Level::Error, format_args!("the router does not take the settings"));
    }
    block_on(leases.load(&mut |place, lease| router.restore_leases(now, [(place, lease)])));
    router.remember_ipv6_prefixes(&block_on(leases.load_prefixes()));

    let board = BOARD.init_with(|| Gatelet::new(pool));
    board.lend_settings(desk);
    board.lend_tunnel_updates(UPDATE_DESK.init_with(UpdateDesk::new));
    let board: &Board = board;
    let wan_stack = board.wan_stack(WAN, WAN_SOCKETS.init(StackResources::new()), rng.next_u64());
    let lan_stack = board.lan_stack(LAN_SOCKETS.init(StackResources::new()), rng.next_u64());
    let (Some((wan_stack, wan_runner)), Some((lan_stack, lan_runner))) = (wan_stack, lan_stack) else {
        return Err("too few frames");
    };
    let (keyboard, screen) = uart::open();
    let checks: &Checks =
        CHECKS.init_with(|| desk.read(|settings| engines(settings, FAMILIES, OWN_PROBES.take(), SLOTS)));
    let (talks, checks_rng) = ((desk, wan_stack, checks), ChaCha8Rng::from_rng(&mut rng));
    let looks = run_checks(board, checks, wan_stack, PROBES.take(), checks_rng);
    spawner.spawn(looks.map_err(|_| TWICE)?);
    let names = NAMES.init_with(DnsSpace::new);
    let updates = run_updates(board, (lan_stack, wan_stack), UPDATES.init_with(UpdateSpace::new));
    spawner.spawn(updates.map_err(|_| TWICE)?);
    let services = Services { wan: WAN, wan_stack, lan_stack, names, leases, settings: kept };
    spawner.spawn(run_wan_port(board, wan).map_err(|_| TWICE)?);
    spawner.spawn(run_lan_port(board, lan).map_err(|_| TWICE)?);
    spawner.spawn(run_router(board, router, ledger).map_err(|_| TWICE)?);
    spawner.spawn(run_own_stacks(wan_runner, lan_runner).map_err(|_| TWICE)?);
    spawner.spawn(run_services(board, services, rng).map_err(|_| TWICE)?);
    let memories = [ledger_too, leases_too, kept_too];
    spawner.spawn(run_console(board, console, talks, keyboard, screen, memories).map_err(|_| TWICE)?);
    Ok(())
}

#[embassy_executor::task]
async fn run_wan_port(board: &'static Board, port: Port<'static>) -> ! {
    board.run_port(SIDES.wan, port).await
}

#[embassy_executor::task]
async fn run_lan_port(board: &'static Board, port: Port<'static>) -> ! {
    board.run_port(SIDES.lan, port).await
}

#[embassy_executor::task]
async fn run_router(board: &'static Board, router: &'static mut Router<'static>, mut ledger: Ledger) {
    board.run_router_retaining(router, &mut ledger, &mut |_, ledger| LAST_LEDGER.keep(&ledger)).await;
    machine::reset()
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
async fn run_updates(
    board: &'static Board,
    stacks: (Stack<'static>, Stack<'static>),
    space: &'static mut UpdateSpace,
) -> ! {
    board.run_tunnel_updates(WAN, stacks, PlainHttp, space).await
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
    keyboard: Keyboard,
    screen: Screen,
    mut memories: [flash::Part; 3],
) {
    gatelet_board::talk(board, console, talks, keyboard, screen, &mut memories).await;
    board.commands().send(Command::Shutdown).await;
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    LAST_WORDS.keep(info);
    machine::reset()
}

const NO_ROOM: &str = "the flash's parts are too small";
const TWICE: &str = "a task is spawned once";
/// What `show version` says.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (QEMU virt)");
