//! What is known about the credentials.

use super::ledger::Ledger;

#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) fingerprint: Option<u32>,
    /// The carrier accepted these credentials before.
    pub(super) worked: bool,
    /// Refusals in a row.
    pub(super) refusals: u8,
}

impl Account {
    pub(super) const fn restore(ledger: &Ledger) -> Self {
        Self { fingerprint: ledger.credentials, worked: ledger.credentials_worked, refusals: ledger.refusals }
    }

    /// Takes note of the credentials in use; whether they replace others.
    pub(super) fn changed_to(&mut self, username: &str, password: &str) -> bool {
        let fingerprint = Some(fingerprint(username, password));
        let changed = self.fingerprint.is_some() && self.fingerprint != fingerprint;
        if changed {
            *self = Self::default();
        }
        self.fingerprint = fingerprint;
        changed
    }

    pub(super) const fn accepted(&mut self) {
        self.worked = true;
        self.refusals = 0;
    }

    /// Counts a refusal; how many came right before it.
    pub(super) fn refused(&mut self) -> usize {
        let before = self.refusals;
        self.refusals = before.saturating_add(1);
        usize::from(before)
    }
}

/// FNV-1a, 32 bits: tells changed credentials from unchanged ones, and no more.
fn fingerprint(username: &str, password: &str) -> u32 {
    let bytes = username.bytes().chain([0]).chain(password.bytes());
    bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
