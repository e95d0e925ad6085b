//! Where the tasks meet over the settings: the console edits, the router's task carries out, a keeper writes.

use core::cell::{Cell, RefCell};

use embassy_futures::select::select;
use embassy_sync::blocking_mutex::{self, raw::RawMutex};
use embassy_sync::signal::Signal;
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_router::{Command, Router};
use gatelet_settings::{Complaint, Editor, Effects, Event, Settings, Wan};
use smoltcp::time::Instant;

use super::apply::{self, Sides};
use super::{SettingsStore, load_settings};
use crate::clock;
use crate::fmt::{Show, warning};

/// The settings of a gateway, for all its tasks: 12 KB, three times what there is room for (in force, edited, and before a trial).
///
/// The router's task sees changes once the desk is [lent](crate::Gatelet::lend_settings) to the [`Gatelet`](crate::Gatelet).
pub struct SettingsDesk<M: RawMutex> {
    editor: blocking_mutex::Mutex<M, RefCell<Editor>>,
    sides: Sides,
    /// For the router's task.
    pub(crate) changed: Signal<M, Effects>,
    /// For the keeper.
    edited: Signal<M, ()>,
    /// For the console: there are events.
    event: Signal<M, ()>,
    /// The line is not dialed, because nobody has said yet as whom.
    waits_for_user: blocking_mutex::Mutex<M, Cell<bool>>,
}

impl<M: RawMutex> SettingsDesk<M> {
    /// A desk with what is in force.
    pub fn new(settings: Settings, sides: Sides) -> Self {
        let editor = blocking_mutex::Mutex::new(RefCell::new(Editor::new(settings)));
        Self { editor, ..Self::empty(sides) }
    }

    /// A desk where nothing is set yet, for a static; [`load`](Self::load) comes next.
    pub const fn empty(sides: Sides) -> Self {
        Self {
            editor: blocking_mutex::Mutex::new(RefCell::new(Editor::EMPTY)),
            sides,
            changed: Signal::new(),
            edited: Signal::new(),
            event: Signal::new(),
            waits_for_user: blocking_mutex::Mutex::new(Cell::new(false)),
        }
    }

    /// [Sets a router up](super::set_up) as the settings say. A line that is dialed, and of whose user nothing is known yet, stays
    /// silent until there is one: with the first commit that names him it is dialed.
    ///
    /// False if the router does not take the line, or the LAN.
    pub fn set_up(&self, router: &mut Router<'_>, now: Instant, boot: Boot, ledger: Option<Ledger>) -> bool {
        let (is_taken, has_user) = self.read(|settings| {
            (apply::set_up(router, now, settings, self.sides, boot, ledger), self.has_user(settings))
        });
        if !has_user {
            router.handle_command(now, Command::HangUp { wan: apply::WAN });
        }
        self.waits_for_user.lock(|waits| waits.set(!has_user));
        is_taken
    }

    fn has_user(&self, settings: &Settings) -> bool {
        match settings.wan(self.sides.wan) {
            Wan::Pppoe(config) => !config.credentials.username.is_empty(),
            Wan::Ethernet(_) => true,
        }
    }

    /// Begins with what is in `store`; to be called before anybody else comes to the desk. What cannot be used any more is told to
    /// `tell`.
    pub async fn load(&self, store: &mut impl SettingsStore, tell: &mut dyn FnMut(Complaint)) {
        let settings = load_settings(store, tell).await;
        self.editor.lock(|editor| editor.borrow_mut().begin(&settings));
    }

    /// Which port is which.
    pub const fn sides(&self) -> Sides {
        self.sides
    }

    /// Looks at what is in force.
    pub fn read<T>(&self, look: impl FnOnce(&Settings) -> T) -> T {
        self.editor.lock(|editor| look(editor.borrow().running()))
    }

    /// Edits, or commits. What a commit changes is carried out and written by other tasks, soon.
    ///
    /// # Panics
    /// If `edit` calls its own desk.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Editor) -> T) -> T {
        let (done, effects) = self.editor.lock(|editor| {
            let mut editor = editor.borrow_mut();
            let done = edit(&mut editor);
            (done, editor.poll_apply())
        });
        self.event.signal(());
        if let Some(effects) = effects {
            // What the router has not carried out yet is not to be forgotten.
            let before = self.changed.try_take().unwrap_or_default();
            self.changed.signal(before.and(effects));
        }
        self.edited.signal(());
        done
    }

    /// Waits for what happens without being asked for at this moment. For one listener: the console.
    pub async fn next_event(&self) -> Event {
        loop {
            let event = self.editor.lock(|editor| editor.borrow_mut().poll_event());
            if let Some(event) = event {
                return event;
            }
            self.event.wait().await;
        }
    }

    /// Keeps the settings, for ever: writes what was committed to `store`, and ends trials that nobody confirms.
    pub async fn run(&self, store: &mut impl SettingsStore) -> ! {
        loop {
            let now = clock::now();
            let (to_store, deadline) = self.editor.lock(|editor| {
                let mut editor = editor.borrow_mut();
                (editor.poll_store().cloned(), editor.poll_at())
            });
            // Not moved: 4 KB, which this future would have twice.
            if let Some(settings) = &to_store {
                let stored = store.store(settings).await;
                if let Err(error) = &stored {
                    warning!("settings: {}", Show(error));
                }
                self.edit(|editor| editor.handle_stored(stored.is_ok()));
            } else if deadline.is_some_and(|deadline| deadline <= now) {
                self.edit(|editor| editor.handle_timeout(now));
            } else {
                let timer = async {
                    match deadline {
                        Some(deadline) => clock::at(deadline).await,
                        None => core::future::pending().await,
                    }
                };
                select(self.edited.wait(), timer).await;
            }
        }
    }

    /// Carries out what has changed, in the router's task. False if there is nothing.
    pub(crate) fn carry_out(&self, router: &mut Router<'_>, now: Instant) -> bool {
        let Some(effects) = self.changed.try_take() else { return false };
        let has_user = self.read(|settings| {
            apply::apply(router, now, settings, self.sides, effects);
            self.has_user(settings)
        });
        if has_user && self.waits_for_user.lock(|waits| waits.replace(false)) {
            router.handle_command(now, Command::Dial { wan: apply::WAN, force: false });
        }
        true
    }
}
