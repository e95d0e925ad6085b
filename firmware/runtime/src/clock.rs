//! embassy's clock in the core's terms: microseconds since boot.

use embassy_time::Timer;
use smoltcp::time::Instant;

/// This moment.
pub fn now() -> Instant {
    // 2^63 µs are 292,000 years.
    Instant::from_micros(embassy_time::Instant::now().as_micros().cast_signed())
}

/// Fires at `deadline` or up to a tick after it, never before: waking early would find nothing due and, at a
/// coarse tick rate, come back to the same tick for ever.
pub(crate) fn at(deadline: Instant) -> Timer {
    let micros = deadline.total_micros().max(0).cast_unsigned();
    let tick = embassy_time::Duration::from_ticks(1);
    let mut instant = embassy_time::Instant::from_micros(micros);
    if instant.as_micros() < micros {
        instant = instant.saturating_add(tick);
    }
    Timer::at(instant)
}
