//! The smallest whole image: one port, one WAN with its stack, ledgers in flash. It runs on no board; it is there to
//! be built for one:
//!
//! ```text
//! cargo build --release -p gatelet-runtime --example footprint --target thumbv6m-none-eabi
//! ```
//!
//! That it links proves that nothing of the core needs the standard library or a heap: with `alloc` anywhere in it the
//! linker would miss a global allocator. And its size is the component's: `llvm-size` tells it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!(
        "build this for a board: --target thumbv6m-none-eabi (or riscv32imc-, riscv32imac-unknown-none-elf)"
    );
}

#[cfg(target_os = "none")]
mod image {
    use core::convert::Infallible;
    use core::panic::PanicInfo;
    use core::task::{Context, Waker};

    use embassy_futures::block_on;
    use embassy_futures::join::join3;
    use embassy_net::StackResources;
    use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
    use embassy_sync::blocking_mutex::raw::NoopRawMutex;
    use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
    use gatelet_hal::{DriverPort, EthernetPort, FramePool, PortId};
    use gatelet_proto::ppp::Credentials;
    use gatelet_proto::redial::Boot;
    use gatelet_router::{Router, WanConfig, WanId};
    use gatelet_runtime::{FlashLedger, Gatelet, LedgerStore};

    const WAN_PORT: PortId = PortId(0);
    const WAN: WanId = WanId(0);

    #[unsafe(no_mangle)]
    extern "C" fn _start() -> ! {
        block_on(run())
    }

    async fn run() -> ! {
        let frames = FramePool::<NoopRawMutex, 16>::new();
        let pool = frames.pool();
        let gatelet = Gatelet::<NoopRawMutex>::new(pool);
        let Ok(wire) = DriverPort::new(Nic, pool, WAN_PORT) else { halt() };
        let mut router = Router::new(pool, [4; 32]);
        router.add_port(WAN_PORT, wire.hardware_address(), wire.max_frame_len());
        let (Ok(username), Ok(password)) = ("user".try_into(), "secret".try_into()) else { halt() };
        let Ok(mut store): Result<FlashLedger<_>, _> = FlashLedger::new(Flash, 0..0x8000) else { halt() };
        let ledger = store.load(WAN).await;
        let config = WanConfig::new(WAN_PORT, Credentials { username, password });
        router.add_wan(gatelet_runtime::now(), config, Boot::Cold, ledger);
        let mut sockets = StackResources::<2>::new();
        let Some((_stack, runner)) = gatelet.wan_stack(WAN, &mut sockets, 4) else { halt() };
        join3(gatelet.run_port(WAN_PORT, wire), gatelet.run_router(&mut router, &mut store), runner.run())
            .await
            .0
    }

    fn halt() -> ! {
        loop {
            core::hint::spin_loop();
        }
    }

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        halt()
    }

    struct Clock;

    embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock);

    impl embassy_time_driver::Driver for Clock {
        fn now(&self) -> u64 {
            opaque(0)
        }

        fn schedule_wake(&self, _: u64, waker: &Waker) {
            waker.wake_by_ref();
        }
    }

    /// What hardware would answer: nothing the compiler can draw conclusions from.
    fn opaque<T>(value: T) -> T {
        core::hint::black_box(value)
    }

    struct Nic;
    struct Token([u8; 1514]);

    impl RxToken for Token {
        fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
            let len = opaque(60usize).min(self.0.len());
            f(&mut self.0[..len])
        }
    }

    impl TxToken for Token {
        fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, f: F) -> R {
            let result = f(&mut self.0[..len]);
            opaque(&self.0);
            result
        }
    }

    impl Driver for Nic {
        type RxToken<'a> = Token;
        type TxToken<'a> = Token;

        fn receive(&mut self, _: &mut Context<'_>) -> Option<(Token, Token)> {
            opaque(true).then_some((Token(opaque([0; 1514])), Token([0; 1514])))
        }

        fn transmit(&mut self, _: &mut Context<'_>) -> Option<Token> {
            opaque(true).then_some(Token([0; 1514]))
        }

        fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
            if opaque(true) { LinkState::Up } else { LinkState::Down }
        }

        fn capabilities(&self) -> Capabilities {
            let mut capabilities = Capabilities::default();
            capabilities.max_transmission_unit = 1514;
            capabilities
        }

        fn hardware_address(&self) -> HardwareAddress {
            HardwareAddress::Ethernet(opaque([2, 0, 0, 0, 0, 1]))
        }
    }

    struct Flash;

    impl ErrorType for Flash {
        type Error = Infallible;
    }

    impl ReadNorFlash for Flash {
        const READ_SIZE: usize = 1;

        async fn read(&mut self, _: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
            opaque(bytes);
            Ok(())
        }

        fn capacity(&self) -> usize {
            0x8000
        }
    }

    impl NorFlash for Flash {
        const WRITE_SIZE: usize = 4;
        const ERASE_SIZE: usize = 4096;

        async fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
            opaque((from, to));
            Ok(())
        }

        async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Infallible> {
            opaque((at, bytes));
            Ok(())
        }
    }
}
