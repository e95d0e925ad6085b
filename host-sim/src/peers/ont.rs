//! The optical terminal between the router and the street: a bridge that takes its time to boot.
//!
//! ```text
//!  off ──power──► booting ──60..120 s──► bridging ──power lost──► off
//!                 carrier, but nothing passes
//! ```

use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// How long a terminal takes from power to its first frame (a range: some are slow).
pub const BOOT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(120));

/// An optical terminal (ONT).
#[derive(Debug)]
pub struct Ont {
    bridges_at: Option<Instant>,
}

impl Ont {
    /// One that has long been up.
    pub fn up() -> Self {
        Self { bridges_at: Some(Instant::ZERO) }
    }

    /// One that begins to bridge at `at`.
    pub fn bridging_at(at: Instant) -> Self {
        Self { bridges_at: Some(at) }
    }

    /// Power returns, or a reboot begins. Returns when it will bridge.
    pub fn boot(&mut self, now: Instant, rng: &mut dyn Rng) -> Instant {
        let spread = BOOT.1.total_micros() - BOOT.0.total_micros();
        let at = now + BOOT.0 + Duration::from_micros(rng.next_u64() % spread);
        self.bridges_at = Some(at);
        at
    }

    /// Power is lost.
    pub fn power_off(&mut self) {
        self.bridges_at = None;
    }

    /// Whether frames pass.
    pub fn bridges(&self, now: Instant) -> bool {
        self.bridges_at.is_some_and(|at| now >= at)
    }

    /// Whether the router sees a carrier: from power on, since the Ethernet side is up first.
    pub fn carrier(&self) -> bool {
        self.bridges_at.is_some()
    }

    /// When it begins to bridge, if that is still to come.
    pub fn poll_at(&self, now: Instant) -> Option<Instant> {
        self.bridges_at.filter(|&at| now < at)
    }
}
