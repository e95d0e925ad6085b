//! The settings: kept in flash, put in force, shared by the tasks that need them.
//!
//! ```text
//!   SettingsStore ──load──► Settings ──► wan(), lan(), dns() … what the tasks are begun with
//!        ▲                     │
//!        └──── store ──── SettingsDesk ──changed──► the router's task: apply()
//!                              ▲
//!                        set, commit: the console
//! ```

mod apply;
mod desk;
mod flash;
mod ipv6;
#[cfg(test)]
mod tests;

pub use apply::{Sides, WAN, set_up};
pub use desk::SettingsDesk;
pub use flash::FlashSettings;
use gatelet_settings::{Complaint, Record, Settings};

use crate::StoreError;
use crate::fmt::{Show, warning};

/// Where the settings survive a reboot.
#[expect(async_fn_in_trait, reason = "one executor runs everything")]
pub trait SettingsStore {
    /// Gives each record of the newest generation that is whole to `take`; none if there never was one. False if there is something, and
    /// none that is whole.
    async fn load(&mut self, take: &mut dyn FnMut(Record<'_>)) -> bool;

    /// Keeps `settings` as a new generation. After a power cut in the middle of it, they or the ones before are there, each
    /// whole.
    ///
    /// # Errors
    /// [`StoreError`], if they could not be kept; the ones before are still there.
    async fn store(&mut self, settings: &Settings) -> Result<(), StoreError>;
}

/// The settings in `store`: what cannot be used any more falls back to its default and is told to `tell`, and to the log; all else is
/// as it was.
pub async fn load_settings(store: &mut impl SettingsStore, tell: &mut dyn FnMut(Complaint)) -> Settings {
    let mut settings = Settings::new();
    let mut tell = |complaint| {
        warning!("settings: {}", Show(complaint));
        tell(complaint);
    };
    let mut restore = |record: Record<'_>| {
        if let Err(complaint) = settings.restore(record) {
            tell(complaint);
        }
    };
    if !store.load(&mut restore).await {
        tell(Complaint::Unreadable);
    }
    settings.mend(&mut tell);
    settings
}
