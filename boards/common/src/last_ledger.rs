//! The redial engine's ledger, kept over a reset: with it the engine goes on as if nothing had happened.

use gatelet_hal::Kept;
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_runtime::LedgerStore;
use gatelet_runtime::settings::WAN;

/// Room for a ledger in memory that a reset leaves alone.
pub struct LastLedger(Kept<{ Ledger::MAX_ENCODED_LEN / 4 }>);

impl LastLedger {
    /// For a static in a section that nobody fills at start.
    #[expect(clippy::new_without_default, reason = "const, for statics, is the only use")]
    pub const fn new() -> Self {
        Self(Kept::new())
    }

    /// Keeps what is known now.
    pub fn keep(&self, ledger: &Ledger) {
        let mut room = [0; Ledger::MAX_ENCODED_LEN];
        if let Ok(record) = postcard::to_slice(ledger, &mut room) {
            self.0.put(record);
        }
    }

    /// What the engine is begun with: what was kept over a reset, or what is in `store`.
    pub async fn or(&self, store: &mut impl LedgerStore) -> (Boot, Option<Ledger>) {
        let mut room = [0; Ledger::MAX_ENCODED_LEN];
        match self.0.take(&mut room) {
            Some(record) => (Boot::Warm, Some(gatelet_runtime::decode(WAN, record))),
            None => (Boot::Cold, store.load(WAN).await),
        }
    }
}
