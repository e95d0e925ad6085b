//! The year as a page.

use std::io;
use std::path::{Path, PathBuf};

use smoltcp::time::Duration;

use super::data::Data;
use super::promise::Verdict;
use super::results::Life;

/// Writes `year.html` into `folder`.
pub(super) fn write(
    folder: &Path,
    _lives: &[Life],
    _verdicts: &[Verdict],
    _data: &Data,
    _length: Duration,
) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join("year.html");
    std::fs::write(&file, "")?;
    Ok(file)
}
