//! What happens, told on the console.

use core::fmt::Write as _;

use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::Write;
use gatelet_runtime::{Gatelet, TimedEvent};
use heapless::String;

/// Writes a line for each event, for ever.
pub async fn tell<M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'_, M, PORTS, WANS>,
    mut console: impl Write,
) {
    let Some(mut events) = gatelet.events() else { return };
    loop {
        let TimedEvent { at, event } = events.next_message_pure().await;
        let mut line = String::<512>::new();
        // A line that is too long ends where it is full.
        let _ = write!(line, "[{:>5}.{:03}] {event:?}\r\n", at.secs(), at.millis());
        let _ = console.write_all(line.as_bytes()).await;
    }
}
