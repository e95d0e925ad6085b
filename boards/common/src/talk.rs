//! The console at a board's serial line.

use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::{Read, Write};
use embedded_storage_async::nor_flash::NorFlash;
use gatelet_console::Console;
use gatelet_runtime::settings::SettingsDesk;
use gatelet_runtime::{Connectivity, ConsoleEnd, ConsoleSide, Gatelet};

use crate::Engines;

/// Talks until somebody wants the board to start anew. After `factory-reset` nothing is left in `memories`.
pub async fn talk<M: RawMutex, const PORTS: usize, const WANS: usize, const FAMILIES: usize>(
    gatelet: &Gatelet<'_, M, PORTS, WANS>,
    console: &mut Console,
    (settings, stack, engines): (&SettingsDesk<M>, Stack<'_>, &Engines<M, FAMILIES>),
    mut rx: impl Read,
    mut tx: impl Write,
    memories: &mut [impl NorFlash],
) {
    let side = ConsoleSide {
        settings,
        stack: Some(stack),
        engines: &|show| engines.iter().for_each(|engine| engine.look(|engine| show(engine))),
        probe: &|| {
            engines.iter().for_each(Connectivity::check_now);
            true
        },
        is_terminal: true,
    };
    loop {
        match gatelet.run_console(console, &side, (&mut rx, &mut tx)).await {
            // Nobody hangs a serial line up.
            ConsoleEnd::Closed => {}
            ConsoleEnd::Reboot => return,
            ConsoleEnd::FactoryReset => {
                for memory in memories {
                    let end = memory.capacity() as u32;
                    // One that cannot be erased was of no use before either.
                    let _ = memory.erase(0, end).await;
                }
                return;
            }
        }
    }
}
