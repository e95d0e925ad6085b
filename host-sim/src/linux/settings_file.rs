//! The settings in a file of text, as `export secrets` prints them: made by the console or by hand, replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gatelet_runtime::StoreError;
use gatelet_runtime::settings::SettingsStore;
use gatelet_settings::{Editor, Quoted, Record, Settings};

/// In front of what another firmware has set, which no `set` line can say.
const UNKNOWN: &str = "# kept for other firmware: ";

/// A [`SettingsStore`] of which the file is a copy.
pub struct SettingsFile {
    path: PathBuf,
    settings: Settings,
}

impl SettingsFile {
    /// The store at `path`. A file that is not there is one without settings.
    ///
    /// # Errors
    /// A sentence for the person who wrote the file, with the line that is wrong; or who chose the path, if it cannot be read.
    pub fn open(path: &Path) -> Result<Self, String> {
        let content = match fs::read_to_string(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let mut editor = Editor::default();
        for line in content.lines() {
            editor.import_line(line).map_err(|error| format!("{}, {error}", path.display()))?;
        }
        let mut settings = editor.working().clone();
        for line in content.lines().filter_map(|line| line.strip_prefix(UNKNOWN)) {
            // What is no such line is a remark.
            let _ = unknown(line, &mut settings);
        }
        Ok(Self { path: path.to_owned(), settings })
    }

    fn write(&self, settings: &Settings) -> io::Result<()> {
        let mut draft = self.path.clone().into_os_string();
        draft.push(".new");
        // It has the password in it.
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        for line in settings.export(true) {
            writeln!(file, "{line}")?;
        }
        for Record { id, number, text } in settings.records().filter(|record| record.place().is_none()) {
            writeln!(file, "{UNKNOWN}{id} {number} {}", Quoted(text))?;
        }
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        // The name is to last as the content does.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Reads a line of what another firmware has set.
fn unknown(line: &str, settings: &mut Settings) -> Option<()> {
    let (id, rest) = line.split_once(' ')?;
    let (number, text) = rest.split_once(' ')?;
    let text = gatelet_settings::unquote(text).ok()?;
    let record = Record { id: id.parse().ok()?, number: number.parse().ok()?, text: &text };
    // That it is unknown is no news.
    record.place().is_none().then(|| settings.restore(record).err()).map(drop)
}

impl SettingsStore for SettingsFile {
    async fn load(&mut self, take: &mut dyn FnMut(Record<'_>)) -> bool {
        self.settings.records().for_each(take);
        true
    }

    async fn store(&mut self, settings: &Settings) -> Result<(), StoreError> {
        self.write(settings).map_err(|_| StoreError)?;
        self.settings.clone_from(settings);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use embassy_futures::block_on;
    use gatelet_runtime::settings::load_settings;

    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_what_is_wrong_is_told_with_its_line() {
        let path = std::env::temp_dir().join(format!("gatelet-settings-{}", std::process::id()));
        let load = || {
            let mut told = Vec::new();
            let mut file = SettingsFile::open(&path).unwrap();
            let settings =
                block_on(load_settings(&mut file, &mut |complaint| told.push(complaint.to_string())));
            (settings, told)
        };
        assert_eq!(load(), (Settings::new(), vec![]), "there is no file");
        fs::write(&path, "# by hand\nset wan.user alice\n\nset wan.password \" x \"\nset nat.dmz 10.0.0.1\n")
            .unwrap();
        let (mut settings, told) = load();
        assert!(told.len() == 1 && told[0].starts_with("nat.dmz: no host of the LAN"), "{told:?}");

        let unknown = Record { id: 0x0A01, number: 2, text: "2001:db8::/48 \"x\"" };
        settings.restore(unknown).unwrap_err();
        let mut file = SettingsFile::open(&path).unwrap();
        block_on(file.store(&settings)).unwrap();
        assert_eq!(load().0, settings);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "for nobody else to read");
        let content = fs::read_to_string(&path).unwrap();
        assert!(
            content.starts_with(
                "set wan.user alice\nset wan.password \" x \"\n# kept for other firmware: 2561 2 "
            )
        );

        fs::write(&path, "set wan.user alice\nset wan.vlan 4095\n").unwrap();
        let wrong = SettingsFile::open(&path).err().unwrap();
        assert!(wrong.contains("line 2: it is an id from 1 to 4094"), "{wrong}");
        fs::remove_file(&path).unwrap();
        let mut nowhere = SettingsFile { path: "/proc/gatelet/settings".into(), settings: Settings::new() };
        assert_eq!(block_on(nowhere.store(&settings)), Err(StoreError));
    }
}
