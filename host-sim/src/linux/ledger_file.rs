//! The redial engine's ledger in a file of JSON, replaced as a whole: after a crash it is the one
//! before or the one after.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gatelet_proto::redial::{Boot, Ledger};
use gatelet_router::WanId;
use gatelet_runtime::{LedgerStore, StoreError};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Which run of the machine wrote it (`/proc/sys/kernel/random/boot_id`).
    boot_id: String,
    /// When, in seconds since the machine's start, sleep included.
    written_at: u32,
    ledger: Ledger,
}

/// A [`LedgerStore`] for the one WAN of this program.
pub struct LedgerFile {
    path: PathBuf,
    boot_id: String,
}

impl LedgerFile {
    /// The store at `path`, whose folder is made if there is none.
    ///
    /// # Errors
    /// A sentence for the person who chose the path, if nothing can be written there: to find out
    /// after the first dial would be too late.
    pub fn open(path: &Path) -> Result<Self, String> {
        let store = Self {
            path: path.to_owned(),
            boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        };
        let folder = store.folder();
        fs::create_dir_all(folder)
            .and_then(|()| File::create(store.draft()))
            .and_then(|_| fs::remove_file(store.draft()))
            .map_err(|error| {
                format!(
                    "the ledger cannot be kept in {}: {error}; choose another file with --ledger",
                    folder.display()
                )
            })?;
        Ok(store)
    }

    /// What is remembered, and whether the time since is known.
    pub fn restore(&self) -> (Boot, Option<Ledger>) {
        let record = match fs::read(&self.path) {
            Ok(content) => serde_json::from_slice::<Record>(&content).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (Boot::Cold, None),
            Err(_) => None,
        };
        match record {
            // The machine has run on, so its clock tells how long nobody dialed.
            Some(record) if record.boot_id == self.boot_id && !self.boot_id.is_empty() => {
                let away = uptime().saturating_sub(record.written_at);
                (Boot::Warm, Some(record.ledger.advanced(away)))
            }
            Some(record) => (Boot::Cold, Some(record.ledger)),
            None => (Boot::Cold, Some(Ledger::unreadable())),
        }
    }

    /// Writes `ledger` as of now.
    ///
    /// # Errors
    /// The operating system's; the file is as it was before then.
    pub fn write(&self, ledger: &Ledger) -> io::Result<()> {
        let record = Record { boot_id: self.boot_id.clone(), written_at: uptime(), ledger: ledger.clone() };
        let mut draft = File::create(self.draft())?;
        serde_json::to_writer_pretty(&mut draft, &record)?;
        draft.write_all(b"\n")?;
        draft.sync_all()?;
        fs::rename(self.draft(), &self.path)?;
        // The rename itself must be on the disk before the PADI leaves that the record is about.
        File::open(self.folder())?.sync_all()
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn draft(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        name.into()
    }
}

impl LedgerStore for LedgerFile {
    async fn load(&mut self, _wan: WanId) -> Option<Ledger> {
        self.restore().1
    }

    async fn store(&mut self, _wan: WanId, ledger: &Ledger) -> Result<(), StoreError> {
        // A few milliseconds, a few times an hour at worst: no thread for it.
        self.write(ledger).map_err(|_| StoreError)
    }
}

/// Seconds since the machine's start, sleep included.
fn uptime() -> u32 {
    let seconds = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| time.tv_sec());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("gatelet-ledger-{name}-{}", std::process::id()));
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_written_is_read_back_with_the_time_in_between() {
        let folder = Folder::new("written");
        let store = LedgerFile::open(&folder.0.join("a/b/ledger.json")).unwrap();
        assert_eq!(store.restore(), (Boot::Cold, None), "no file is no past");
        let ledger = Ledger::unreadable();
        store.write(&ledger).unwrap();
        let (boot, read) = store.restore();
        assert_eq!(boot, Boot::Warm);
        let clock = read.unwrap().clock();
        assert!((ledger.clock()..=ledger.clock() + 2).contains(&clock), "{clock}");
        assert!(!store.draft().exists());
    }

    #[test]
    fn after_a_restart_of_the_machine_the_time_off_is_unknown() {
        let folder = Folder::new("restart");
        let mut store = LedgerFile::open(&folder.0.join("ledger.json")).unwrap();
        store.write(&Ledger::unreadable()).unwrap();
        store.boot_id = "another".into();
        assert_eq!(store.restore(), (Boot::Cold, Some(Ledger::unreadable())));
    }

    #[test]
    fn a_damaged_file_is_an_unknown_past_and_no_crash() {
        let folder = Folder::new("damaged");
        let store = LedgerFile::open(&folder.0.join("ledger.json")).unwrap();
        for damage in ["", "{", "null", "[]", "\u{0}\u{1}", r#"{"boot_id":"","written_at":-1,"ledger":{}}"#] {
            fs::write(&store.path, damage).unwrap();
            assert_eq!(store.restore(), (Boot::Cold, Some(Ledger::unreadable())), "{damage}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_at_once() {
        let error = LedgerFile::open(Path::new("/proc/ledger.json")).err().unwrap();
        assert!(error.contains("--ledger"), "{error}");
    }
}
