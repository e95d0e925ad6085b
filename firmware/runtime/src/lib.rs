//! Gatelet in a firmware: plain `async fn`s that give the router frames, time, flash and an IP stack.
//!
//! A board's `main.rs` makes one of each of these and spawns one task for each arrow's end:
//!
//! ```text
//!   EthernetPort ◄──► run_port ──ingress──► run_router ◄──────► LedgerStore (flash)
//!                        ▲                  │  ▲   │  ▲
//!                        └─────egress───────┘  │   │  └── commands() ── console, buttons
//!                                              │   └────► events() ─── console, log, lamps
//!                              packets, session│
//!                                              ▼
//!                           WanRunner::run: the `wan` embassy-net stack ──► the firmware's own sockets
//! ```
//!
//! # Adding Gatelet to an embassy firmware
//!
//! This dials a PPPoE line over a W5500, or any other chip with an `embassy-net-driver`, keeps the redial engine's
//! ledger in flash, and prints what happens. `stack` is an ordinary embassy-net stack that is up while the line is.
//!
//! ```no_run
//! use embassy_executor::Spawner;
//! use embassy_sync::blocking_mutex::raw::NoopRawMutex;
//! use gatelet_hal::{DriverPort, EthernetPort, FramePool, PortId};
//! use gatelet_proto::ppp::Credentials;
//! use gatelet_proto::redial::Boot;
//! use gatelet_router::{Router, WanConfig, WanId};
//! use gatelet_runtime::{FlashLedger, Gatelet, LedgerStore, WanRunner};
//! use static_cell::{ConstStaticCell, StaticCell};
//! # // What the board's own crates provide: a driver, flash, a random number generator.
//! # struct Nic;
//! # struct Token;
//! # impl embassy_net_driver::RxToken for Token {
//! #     fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R { f(&mut []) }
//! # }
//! # impl embassy_net_driver::TxToken for Token {
//! #     fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: usize, f: F) -> R { f(&mut []) }
//! # }
//! # impl embassy_net_driver::Driver for Nic {
//! #     type RxToken<'a> = Token;
//! #     type TxToken<'a> = Token;
//! #     fn receive(&mut self, _: &mut core::task::Context) -> Option<(Token, Token)> { None }
//! #     fn transmit(&mut self, _: &mut core::task::Context) -> Option<Token> { None }
//! #     fn link_state(&mut self, _: &mut core::task::Context) -> embassy_net_driver::LinkState { embassy_net_driver::LinkState::Up }
//! #     fn capabilities(&self) -> embassy_net_driver::Capabilities { Default::default() }
//! #     fn hardware_address(&self) -> embassy_net_driver::HardwareAddress { embassy_net_driver::HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1]) }
//! # }
//! # struct Flash;
//! # impl embedded_storage_async::nor_flash::ErrorType for Flash { type Error = core::convert::Infallible; }
//! # impl embedded_storage_async::nor_flash::ReadNorFlash for Flash {
//! #     const READ_SIZE: usize = 1;
//! #     async fn read(&mut self, _: u32, _: &mut [u8]) -> Result<(), Self::Error> { Ok(()) }
//! #     fn capacity(&self) -> usize { 0 }
//! # }
//! # impl embedded_storage_async::nor_flash::NorFlash for Flash {
//! #     const WRITE_SIZE: usize = 4;
//! #     const ERASE_SIZE: usize = 4096;
//! #     async fn erase(&mut self, _: u32, _: u32) -> Result<(), Self::Error> { Ok(()) }
//! #     async fn write(&mut self, _: u32, _: &[u8]) -> Result<(), Self::Error> { Ok(()) }
//! # }
//! # fn random<T: Default>() -> T { T::default() }
//!
//! const WAN_PORT: PortId = PortId(0);
//! const WAN: WanId = WanId(0);
//! const LEDGER: core::ops::Range<u32> = 0x1F_8000..0x20_0000; // eight sectors of flash
//!
//! type Board = Gatelet<'static, NoopRawMutex>;
//! type Wire = DriverPort<'static, Nic>; // `Nic`: your chip's driver
//!
//! #[embassy_executor::task]
//! async fn port(board: &'static Board, wire: Wire) -> ! {
//!     board.run_port(WAN_PORT, wire).await
//! }
//!
//! #[embassy_executor::task]
//! async fn router(board: &'static Board, mut router: Router<'static>, mut store: FlashLedger<Flash>) {
//!     board.run_router(&mut router, &mut store).await;
//! }
//!
//! #[embassy_executor::task]
//! async fn wan_stack(runner: WanRunner<'static, 'static>) -> ! {
//!     runner.run().await
//! }
//!
//! # fn main() {}
//! // The body of your `#[embassy_executor::main]`.
//! async fn dial(spawner: Spawner) -> Result<(), Box<dyn core::error::Error>> {
//!     # let (nic, flash) = (Nic, Flash);
//!     static FRAMES: ConstStaticCell<FramePool<NoopRawMutex, 32>> = ConstStaticCell::new(FramePool::new());
//!     let pool = FRAMES.take().pool();
//!     pool.reserve(WAN_PORT, 12)?;
//!     pool.reserve(PortId::LOCAL, 6)?;
//!     static BOARD: StaticCell<Board> = StaticCell::new();
//!     let board: &Board = BOARD.init(Gatelet::new(pool));
//!
//!     let wire = DriverPort::new(nic, pool, WAN_PORT)?;
//!     let mut gateway = Router::new(pool, random()); // 32 bytes of a true random number generator
//!     gateway.add_port(WAN_PORT, wire.hardware_address(), wire.max_frame_len());
//!     let credentials = Credentials { username: "0512345@163.gd".try_into()?, password: "secret".try_into()? };
//!     let mut store = FlashLedger::new(flash, LEDGER)?;
//!     let ledger = store.load(WAN).await;
//!     let config = WanConfig::new(WAN_PORT, credentials);
//!     gateway.add_wan(gatelet_runtime::now(), config, Boot::Cold, ledger);
//!
//!     static SOCKETS: StaticCell<embassy_net::StackResources<4>> = StaticCell::new();
//!     let sockets = SOCKETS.init(embassy_net::StackResources::new());
//!     let (stack, runner) = board.wan_stack(WAN, sockets, random()).ok_or("no frame for the stack")?;
//!
//!     spawner.spawn(port(board, wire)?);
//!     spawner.spawn(router(board, gateway, store)?);
//!     spawner.spawn(wan_stack(runner)?);
//!
//!     let mut events = board.events().ok_or("four listen already")?;
//!     stack.wait_config_up().await; // on line: open sockets on `stack`
//!     loop {
//!         let event = events.next_message_pure().await;
//!         println!("{event:?}");
//!     }
//! }
//! ```
//!
//! # What to know
//!
//! - **One executor.** Frames are not `Send`, so all these tasks run on one executor; then `NoopRawMutex` is enough.
//! - **Nothing waits for room.** A full queue drops the newest frame, a pool out of frames drops what has arrived; both
//!   are counted ([`Gatelet::port_counters`]).
//! - **Nobody starves.** Each port has frames, queues and a pump of its own, the router takes at most eight frames of
//!   one port before the next one's turn and before its timers, and yields after each turn.
//! - **Flash may be slow.** The router goes on while a ledger is written; only the PADI that the record announces waits.
//! - **embassy-time at 1 MHz** (`tick-hz-1_000_000`). Gatelet's own timers are right at any rate, but embassy-net rounds its
//!   deadlines down: at 32,768 Hz its stack wakes before them, again and again.
//! - **The log** is `defmt` with that feature, `log` with that one; nothing without.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod clock;
mod connectivity;
mod console;
mod dns;
mod fmt;
mod gatelet;
mod ip_device;
mod lamp;
mod lan;
mod leases;
mod ledger;
mod one_address;
mod port;
mod queues;
mod router;
mod services;
pub mod settings;
mod sntp;
#[cfg(test)]
mod tests;
mod tunnel_update;
mod vigil;
mod wan;

pub use clock::now;
pub use connectivity::{Connectivity, ProbeSpace};
pub use console::{ConsoleEnd, ConsoleSide, ShowEngines};
pub use dns::DnsSpace;
pub use gatelet::{Event, Gatelet, PortCounters, TimedEvent};
pub use ip_device::{IpDevice, Received, Room};
pub use lan::LanRunner;
pub use leases::{FlashLeases, LeaseStore, Prefixes};
pub use ledger::{BadRange, FlashLedger, LedgerStore, StoreError, decode};
pub use queues::QUEUE_DEPTH;
pub use services::{Services, run_stacks};
pub use tunnel_update::{PlainHttp, TunnelUpdate, UpdateDesk, UpdateSpace, UpdateTransport};
pub use wan::{Session, WanRunner};
