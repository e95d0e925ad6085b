//! What is edited and what is in force.
//!
//! ```text
//!                 set, unset, import
//!                        │
//!                        ▼    commit              ┌─ commit ─► kept
//!     running ──────► working ───────► running ───┤
//!        ▲   revert                    (on trial, │
//!        └───────────────────────────── if so) ───┘─ time is up, or power fails ─► the one before
//! ```
//!
//! On trial, what is in force is not in flash: so a power cut takes it back as the end of the time does.
//!
//! After each call the owner drains [`poll_apply`](Editor::poll_apply), [`poll_store`](Editor::poll_store) and
//! [`poll_event`](Editor::poll_event), and comes back at [`poll_at`](Editor::poll_at).

use core::fmt;

use heapless::Deque;
use smoltcp::time::{Duration, Instant};

use crate::check::Conflict;
use crate::difference::{differences, effects};
use crate::settings::Refused;
use crate::text::{Line, QuoteError, read_line, unquote};
use crate::{Difference, Effects, PathError, Place, Settings, find};

/// The longest trial: an hour.
pub const TRIAL_MINUTES_MAX: u8 = 60;
/// Events that wait to be heard.
const EVENTS: usize = 4;

/// Settings, as they are edited and as they are in force.
#[derive(Debug)]
pub struct Editor {
    running: Settings,
    working: Settings,
    trial: Option<Trial>,
    import: Option<Import>,
    to_apply: Effects,
    is_to_store: bool,
    events: Deque<Event, EVENTS>,
}

/// What is in force is on trial.
#[derive(Debug)]
struct Trial {
    before: Settings,
    until: Instant,
}

/// Lines are being taken.
#[derive(Debug, Default)]
struct Import {
    line: u16,
    errors: u16,
}

/// What happened without being asked for at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Nobody confirmed: what was in force before is so again.
    RolledBack,
    /// What is in force is in flash.
    Stored,
    /// It could not be written: a reboot brings back what was before.
    NotStored,
}

/// Why a setting was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditError {
    /// There is no such setting.
    Path(PathError),
    /// The value cannot be read.
    Quote(QuoteError),
    /// The value is refused.
    Refused(Refused),
    /// The line is neither `set` nor `unset`, nor a remark. For imports.
    Line,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(error) => error.fmt(f),
            Self::Quote(error) => error.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
            Self::Line => f.write_str("neither `set PATH VALUE` nor `unset PATH`; a remark begins with #"),
        }
    }
}

impl core::error::Error for EditError {}

/// Why nothing was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitError {
    /// Something does not go together; [`Settings::conflicts`] of what is edited tells all of it.
    Conflict(Conflict),
    /// A trial is for 1 to [`TRIAL_MINUTES_MAX`] minutes.
    Minutes,
    /// What is on trial is to be confirmed or taken back first.
    OnTrial,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Minutes => write!(f, "a trial is for 1 to {TRIAL_MINUTES_MAX} minutes"),
            Self::OnTrial => {
                f.write_str("there is a trial: `commit` keeps what is in force now, and what was set since")
            }
        }
    }
}

impl core::error::Error for CommitError {}

/// Nothing can be imported while there are changes that are not committed: an import that fails would lose them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uncommitted;

impl fmt::Display for Uncommitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are changes that are not committed: commit or revert first")
    }
}

/// An error in an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportError {
    /// The line, from 1 on.
    pub line: u16,
    /// What is wrong with it.
    pub error: EditError,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.error)
    }
}

impl Default for Editor {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Editor {
    /// Nothing set, and nothing edited: for statics, since an editor has 12 KB. [`begin`](Self::begin) comes next.
    pub const EMPTY: Self = Self {
        running: Settings::new(),
        working: Settings::new(),
        trial: None,
        import: None,
        to_apply: Effects::NONE,
        is_to_store: false,
        events: Deque::new(),
    };

    /// Begins with what came out of flash, which is in force.
    pub fn new(settings: Settings) -> Self {
        Self { working: settings.clone(), running: settings, ..Self::EMPTY }
    }

    /// Puts in force what came out of flash, and forgets all else.
    pub fn begin(&mut self, settings: &Settings) {
        self.running.clone_from(settings);
        self.working.clone_from(settings);
        self.trial = None;
        self.import = None;
        self.to_apply = Effects::NONE;
        self.is_to_store = false;
    }

    /// What is in force.
    pub const fn running(&self) -> &Settings {
        &self.running
    }

    /// What is edited.
    pub const fn working(&self) -> &Settings {
        &self.working
    }

    /// Whether there are changes that are not committed.
    pub fn is_changed(&self) -> bool {
        self.working != self.running
    }

    /// Until when what is in force is on trial.
    pub fn trial_until(&self) -> Option<Instant> {
        self.trial.as_ref().map(|trial| trial.until)
    }

    /// What a commit would change, in the order of the keys' numbers.
    pub fn diff(&self) -> impl Iterator<Item = Difference<'_>> {
        differences(&self.running, &self.working)
    }

    /// Sets a value, as it was typed.
    ///
    /// # Errors
    /// Why not. Nothing has changed then.
    pub fn set(&mut self, path: &str, typed: &str) -> Result<Place, EditError> {
        let place = find(path).map_err(EditError::Path)?;
        let value = unquote(typed).map_err(EditError::Quote)?;
        self.working.set(place, &value).map_err(EditError::Refused)?;
        Ok(place)
    }

    /// Lets the defaults hold of `path`, or of all below it. Answers how many were set.
    ///
    /// # Errors
    /// If there is nothing of this name.
    pub fn unset(&mut self, path: &str) -> Result<usize, EditError> {
        match find(path) {
            Ok(_) | Err(PathError::Branch) => Ok(self.working.unset_below(path)),
            Err(error) => Err(EditError::Path(error)),
        }
    }

    /// Forgets what was set since the last commit.
    pub fn revert(&mut self) {
        self.working.clone_from(&self.running);
        self.import = None;
    }

    /// Lets all defaults hold; still to be committed. What other firmware has set goes too.
    pub fn reset_to_factory(&mut self) {
        self.working = Settings::new();
    }

    /// Puts in force what was set, for good; what is on trial is confirmed by it. Answers what it takes to be felt.
    ///
    /// # Errors
    /// What does not go together. Nothing has changed then.
    pub fn commit(&mut self) -> Result<Effects, CommitError> {
        self.check()?;
        let effects = self.put_in_force();
        // Written even if nothing differs: that is how a failed write is tried again, and a trial confirmed.
        self.trial = None;
        self.is_to_store = true;
        Ok(effects)
    }

    /// Puts in force what was set, and takes it back after so many minutes if [`commit`](Self::commit) does not confirm it.
    ///
    /// # Errors
    /// What does not go together, or another trial. Nothing has changed then.
    pub fn commit_confirmed(&mut self, now: Instant, minutes: u8) -> Result<Effects, CommitError> {
        if !(1..=TRIAL_MINUTES_MAX).contains(&minutes) {
            return Err(CommitError::Minutes);
        }
        if self.trial.is_some() {
            return Err(CommitError::OnTrial);
        }
        self.check()?;
        let before = self.running.clone();
        self.trial = Some(Trial { before, until: now + Duration::from_secs(u64::from(minutes) * 60) });
        Ok(self.put_in_force())
    }

    fn check(&self) -> Result<(), CommitError> {
        self.working.first_conflict().map_or(Ok(()), |conflict| Err(CommitError::Conflict(conflict)))
    }

    fn put_in_force(&mut self) -> Effects {
        let effects = effects(&self.running, &self.working);
        self.running.clone_from(&self.working);
        self.to_apply = self.to_apply.and(effects);
        effects
    }

    /// To be called when [`poll_at`](Self::poll_at)'s time has come; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(trial) = self.trial.take_if(|trial| trial.until <= now) else { return };
        let effects = effects(&self.running, &trial.before);
        self.to_apply = self.to_apply.and(effects);
        // What was set since stays to be looked at, and shows in the diff what the trial had changed.
        self.running = trial.before;
        self.tell(Event::RolledBack);
    }

    /// What [`poll_store`](Self::poll_store) gave is written (`stored`), or could not be.
    pub fn handle_stored(&mut self, stored: bool) {
        self.tell(if stored { Event::Stored } else { Event::NotStored });
    }

    /// Begins to take lines.
    ///
    /// # Errors
    /// [`Uncommitted`], if there are changes that a failed import would lose.
    pub fn begin_import(&mut self) -> Result<(), Uncommitted> {
        if self.is_changed() {
            return Err(Uncommitted);
        }
        self.import = Some(Import::default());
        Ok(())
    }

    /// Takes a line of an import.
    ///
    /// # Errors
    /// What is wrong with it. The lines that follow are looked at all the same, so that all errors are known at once.
    pub fn import_line(&mut self, line: &str) -> Result<(), ImportError> {
        let done = match read_line(line) {
            None => Err(EditError::Line),
            Some(Line::Nothing) => Ok(()),
            Some(Line::Set(path, typed)) => self.set(path, typed).map(drop),
            Some(Line::Unset(path)) => self.unset(path).map(drop),
        };
        let import = self.import.get_or_insert_default();
        import.line = import.line.saturating_add(1);
        done.map_err(|error| {
            import.errors = import.errors.saturating_add(1);
            ImportError { line: import.line, error }
        })
    }

    /// Ends an import. With an error in any line nothing of it is left; without, it is still to be committed.
    ///
    /// # Errors
    /// How many lines were wrong.
    pub fn end_import(&mut self) -> Result<(), u16> {
        match self.import.take() {
            Some(Import { errors: errors @ 1.., .. }) => {
                self.revert();
                Err(errors)
            }
            _ => Ok(()),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_at(&self) -> Option<Instant> {
        self.trial_until()
    }

    /// What of [`running`](Self::running) is to be carried out.
    pub fn poll_apply(&mut self) -> Option<Effects> {
        Some(core::mem::take(&mut self.to_apply)).filter(|effects| !effects.is_none())
    }

    /// What was committed for good and is to be written to flash; [`handle_stored`](Self::handle_stored) tells how that went.
    pub fn poll_store(&mut self) -> Option<&Settings> {
        // Not what is on trial, should one have begun in between.
        let kept = self.trial.as_ref().map_or(&self.running, |trial| &trial.before);
        core::mem::take(&mut self.is_to_store).then_some(kept)
    }

    /// What happened meanwhile.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// With nobody listening, the oldest goes.
    fn tell(&mut self, event: Event) {
        if self.events.is_full() {
            self.events.pop_front();
        }
        let _ = self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    const NOW: Instant = Instant::from_micros_const(1_000_000);
    const LIVE: Effects = Effects { live: true, ..Effects::NONE };

    fn diff(editor: &Editor) -> Vec<String> {
        editor.diff().map(|difference| difference.to_string()).collect()
    }

    fn lines(settings: &Settings, secrets: bool) -> Vec<String> {
        settings.export(secrets).map(|line| line.to_string()).collect()
    }

    #[test]
    fn nothing_takes_effect_before_the_commit() {
        let mut editor = Editor::default();
        editor.set("wan.user", "alice").unwrap();
        editor.set("wan.password", "secret one").unwrap();
        editor.set("nat.dmz", "192.168.1.9").unwrap();
        assert_eq!(
            diff(&editor),
            ["+ wan.user alice", "+ wan.password (not shown)", "+ nat.dmz 192.168.1.9"]
        );
        assert_eq!(*editor.running(), Settings::new());
        assert_eq!((editor.poll_apply(), editor.poll_store().is_some()), (None, false));
        let effects = Effects { redial: true, ..LIVE };
        assert_eq!(editor.commit(), Ok(effects));
        assert_eq!((editor.poll_apply(), editor.poll_apply()), (Some(effects), None));
        assert_eq!(lines(editor.running(), true)[1], "set wan.password secret one");
        assert!(editor.poll_store().is_some() && editor.poll_store().is_none());
        assert_eq!(diff(&editor), [""; 0]);

        editor.set("wan.user", "bob").unwrap();
        editor.set("wan.vlan", "7").unwrap();
        assert_eq!(editor.unset("nat"), Ok(1));
        assert_eq!(
            diff(&editor),
            ["- wan.user alice\n+ wan.user bob", "+ wan.vlan 7", "- nat.dmz 192.168.1.9"]
        );
        editor.revert();
        assert!(!editor.is_changed());
    }

    #[test]
    fn what_does_not_go_together_is_not_committed() {
        let mut editor = Editor::default();
        editor.set("lan.dhcp.pool", "10.0.0.2-10.0.0.9").unwrap();
        let Err(CommitError::Conflict(conflict)) = editor.commit() else { panic!("committed") };
        assert!(conflict.to_string().starts_with("lan.dhcp.pool: "));
        assert!(editor.commit_confirmed(NOW, 5).is_err());
        assert_eq!(
            (editor.trial_until(), editor.poll_apply(), editor.poll_store().is_some()),
            (None, None, false)
        );
        // In any order: the network that makes it right may come later.
        editor.set("lan.address", "10.0.0.1/24").unwrap();
        assert_eq!(editor.commit(), Ok(Effects { lan: true, ..LIVE }));
    }

    #[test]
    fn errors_say_what_and_how() {
        let mut editor = Editor::default();
        for (path, typed, told) in [
            (
                "wan.vlan",
                "9999",
                "it is an id from 1 to 4094, and after a colon a priority from 0 to 7; for example 7",
            ),
            (
                "wan.carrier",
                "att",
                "it is one of unicom, telecom, mobile, bell, generic, custom; for example unicom",
            ),
            ("wan.colour", "red", "there is no such setting"),
            ("wan", "x", "not a setting, but a group of them: type ? for what is in it"),
            ("forward.20.port", "80", "entries are numbered from 1 to 16"),
            (
                "wan.user",
                "\"alice",
                "a value that begins with a quote ends with one; within it, \\\" stands for a quote",
            ),
        ] {
            assert_eq!(editor.set(path, typed).unwrap_err().to_string(), told);
        }
        assert_eq!(editor.unset("forward.20"), Err(EditError::Path(PathError::Number(16))));
        assert!(!editor.is_changed());
    }

    #[test]
    fn a_trial_ends_as_it_was_before_unless_it_is_confirmed() {
        let mut editor = Editor::default();
        editor.set("nat.dmz", "192.168.1.9").unwrap();
        assert_eq!(editor.commit_confirmed(NOW, 0), Err(CommitError::Minutes));
        assert_eq!(editor.commit_confirmed(NOW, 61), Err(CommitError::Minutes));
        assert_eq!(editor.commit_confirmed(NOW, 5), Ok(LIVE));
        assert_eq!(editor.poll_apply(), Some(LIVE));
        assert!(editor.poll_store().is_none(), "a power cut takes it back too");
        assert_eq!(editor.commit_confirmed(NOW, 5), Err(CommitError::OnTrial));
        let until = NOW + Duration::from_secs(300);
        assert_eq!(editor.poll_at(), Some(until));
        editor.handle_timeout(until - Duration::from_micros(1));
        assert_eq!((editor.poll_event(), editor.poll_apply()), (None, None));
        editor.handle_timeout(until);
        assert_eq!((editor.poll_event(), editor.poll_apply()), (Some(Event::RolledBack), Some(LIVE)));
        assert_eq!((editor.poll_at(), editor.running()), (None, &Settings::new()));
        assert_eq!(diff(&editor), ["+ nat.dmz 192.168.1.9"], "to be tried again, or reverted");

        assert_eq!(editor.commit_confirmed(NOW, 60), Ok(LIVE));
        assert_eq!(editor.poll_apply(), Some(LIVE));
        assert_eq!(editor.commit(), Ok(Effects::default()));
        assert_eq!((editor.poll_at(), editor.poll_apply()), (None, None));
        assert!(editor.poll_store().is_some(), "confirmed: now it is to last");
        editor.handle_stored(true);
        editor.handle_stored(false);
        assert_eq!(editor.poll_event(), Some(Event::Stored));
        assert_eq!((editor.poll_event(), editor.poll_event()), (Some(Event::NotStored), None));

        // A trial that begins before the flash was written does not get there with the commit.
        editor.set("wan.user", "alice").unwrap();
        editor.commit().unwrap();
        let committed = editor.running().clone();
        editor.set("wan.user", "bob").unwrap();
        editor.commit_confirmed(NOW, 5).unwrap();
        assert_eq!(editor.poll_store(), Some(&committed));
    }

    #[test]
    fn a_line_begins_anew_for_what_is_about_its_kind() {
        let (restart, redial) =
            (Effects { restart: true, ..Effects::NONE }, Effects { redial: true, ..Effects::NONE });
        let mut editor = Editor::default();
        for (path, typed, effects) in [
            ("wan.dhcp.host-name", "box", Effects::NONE),
            ("wan.user", "alice", redial),
            ("wan.kind", "dhcp", restart),
            ("wan.user", "bob", Effects::NONE),
            ("wan.dns.1", "203.0.113.53", Effects::NONE),
            ("wan.dhcp.host-name", "router", redial),
            ("wan.vlan", "7", redial),
        ] {
            editor.set(path, typed).unwrap();
            assert_eq!(editor.commit(), Ok(effects), "{path}");
        }
        // Of both, the reboot: until then the line is what it was.
        editor.set("wan.kind", "pppoe").unwrap();
        editor.set("wan.vlan", "8").unwrap();
        assert_eq!(editor.commit(), Ok(restart));
    }

    #[test]
    fn an_export_pasted_back_is_the_same() {
        let mut editor = Editor::default();
        for (path, typed) in [
            ("wan.user", "alice"),
            ("wan.password", "\" \\\" # \""),
            ("forward.2.port", "80"),
            ("forward.2.to", "192.168.1.2"),
            ("system.language", "chinese"),
        ] {
            editor.set(path, typed).unwrap();
        }
        editor.commit().unwrap();
        let exported = lines(editor.running(), true);
        assert_eq!(
            exported,
            [
                "set system.language chinese",
                "set wan.user alice",
                "set wan.password \" \\\" # \"",
                "set forward.2.port 80",
                "set forward.2.to 192.168.1.2",
            ]
        );
        let mut other = Editor::default();
        other.begin_import().unwrap();
        for line in &exported {
            other.import_line(line).unwrap();
        }
        assert_eq!(other.end_import(), Ok(()));
        other.commit().unwrap();
        assert_eq!(other.running(), editor.running());

        // Without the secrets, the password there stays what it is.
        let hidden = lines(editor.running(), false);
        assert_eq!(hidden[2], "# wan.password is set and not shown; export secrets shows it");
        other.begin_import().unwrap();
        for line in &hidden {
            other.import_line(line).unwrap();
        }
        assert_eq!(other.end_import(), Ok(()));
        assert_eq!(other.working(), editor.running());
    }

    #[test]
    fn an_import_with_errors_tells_all_and_changes_nothing() {
        let mut editor = Editor::default();
        editor.set("wan.user", "alice").unwrap();
        assert_eq!(editor.begin_import(), Err(Uncommitted));
        editor.commit().unwrap();
        editor.begin_import().unwrap();
        let text = "# mine\nset wan.user bob\nset wan.vlan 0\nshow wan\n\nunset wan.colour\nunset wan.user";
        let errors: Vec<_> = text.lines().filter_map(|line| editor.import_line(line).err()).collect();
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [3, 4, 6]);
        assert!(errors[0].to_string().starts_with("line 3: it is an id from 1 to 4094"), "{}", errors[0]);
        assert_eq!(editor.end_import(), Err(3));
        assert_eq!(lines(editor.working(), true), ["set wan.user alice"]);
        // The next one counts its lines anew.
        editor.begin_import().unwrap();
        assert_eq!(editor.import_line("what").map_err(|error| error.line), Err(1));
    }

    #[test]
    fn a_factory_reset_forgets_what_it_does_not_know_too() {
        let mut settings = Settings::new();
        let unknown = crate::Record { id: 0x7A01, number: 0, text: "x" };
        settings.restore(unknown).unwrap_err();
        let mut editor = Editor::new(settings);
        editor.set("wan.user", "alice").unwrap();
        editor.commit().unwrap();
        assert_eq!(editor.running().records().count(), 2);
        editor.reset_to_factory();
        editor.commit().unwrap();
        assert_eq!(editor.poll_store(), Some(&Settings::new()));
    }
}
