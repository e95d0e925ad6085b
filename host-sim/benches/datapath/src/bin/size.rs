//! The router alone on a bare board, to be weighed (`cargo xtask bench`): two Ethernet ports, a `PPPoE` WAN and the LAN
//! behind it, and a loop that drives all of them. No embassy, no sockets, no drivers. It runs nowhere.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("build this for a board: --target thumbv6m-none-eabi or riscv32imc-unknown-none-elf");
}

#[cfg(target_os = "none")]
mod image {
    use core::hint::black_box;
    use core::panic::PanicInfo;

    use embassy_sync::blocking_mutex::raw::NoopRawMutex;
    use gatelet_bench::{LAN, LAN_ADDRESS, LAN_MAC, WAN, WAN_MAC};
    use gatelet_hal::{FramePool, LinkState};
    use gatelet_proto::ppp::Credentials;
    use gatelet_proto::redial::{Boot, Ledger};
    use gatelet_router::{Command, LanConfig, Router, TableSpace, WanConfig};
    use smoltcp::time::Instant;
    use smoltcp::wire::Ipv4Cidr;

    #[unsafe(no_mangle)]
    extern "C" fn _start() -> ! {
        let frames = FramePool::<NoopRawMutex, 16>::new();
        let mut tables = TableSpace::<1024, 32>::new();
        let mut router = Router::new(frames.pool(), black_box([0; 32]));
        router.add_port(LAN, black_box(LAN_MAC), 1514);
        router.add_port(WAN, black_box(WAN_MAC), 1514);
        router.lend_tables(tables.lend());
        router.add_lan(now(), LanConfig::new(LAN, Ipv4Cidr::new(black_box(LAN_ADDRESS), 24)));
        let Some(credentials) = Credentials::new(black_box("user"), black_box("secret")) else { halt() };
        let mut stored: Option<Ledger> = black_box(None);
        let id = router.add_wan(now(), WanConfig::new(WAN, credentials), Boot::Cold, stored.take());
        let Some(id) = id else { halt() };
        loop {
            for port in [LAN, WAN] {
                router.handle_link(
                    now(),
                    port,
                    if black_box(true) { LinkState::Up } else { LinkState::Down },
                );
                if let Some(mut frame) = frames.pool().take(port)
                    && frame.extend(black_box(&[0; 1514]))
                {
                    black_box(&router.handle_frame(now(), port, frame));
                }
            }
            if let Some(mut packet) = frames.pool().take(LAN)
                && packet.extend(black_box(&[0; 1500]))
            {
                black_box(&router.handle_stack_packet(now(), id, packet));
            }
            if let Some(mut packet) = frames.pool().take(LAN)
                && packet.extend(black_box(&[0; 1500]))
            {
                black_box(&router.handle_lan_packet(now(), packet));
            }
            if black_box(true) {
                router.handle_command(now(), Command::Dial { wan: id, force: false });
            }
            if router.poll_at().is_some_and(|at| at <= now()) {
                router.handle_timeout(now());
            }
            while let Some((egress, frame)) = router.poll_transmit(now()) {
                black_box((egress, frame.bytes().len()));
            }
            while let Some((wan, ledger)) = router.poll_store(now()) {
                black_box(&ledger);
                router.handle_stored(now(), wan, black_box(true));
            }
            while let Some(lease) = router.poll_lease(now()) {
                black_box(&lease);
            }
            while let Some(event) = router.poll_event() {
                black_box(&event);
            }
        }
    }

    fn now() -> Instant {
        Instant::from_micros(black_box(0i64))
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
}
