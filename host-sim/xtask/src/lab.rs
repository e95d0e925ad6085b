//! The peer lab (host-sim/peer-lab): its image, built once for each state of its scripts, and its
//! commands.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Instant;

use crate::run::{Failure, Outcome, target_dir, workspace};
use crate::setup;

/// `cargo xtask lab …`
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Build the image if there is none for these scripts, and print where it is
    Build,
    /// Start a machine: `lab run RUN WAN [--role isp|subscriber] [--pcap FILE]`, see its README
    Run {
        /// Folder for its sockets, and this end of the wire
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Send a machine one command: `lab ctl RUN/ctl status`
    Ctl {
        /// Control socket, command and its words
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Check the lab itself: its concentrator against Debian's own subscriber (3 minutes)
    Selftest {
        /// Folder for logs and a capture
        work: Option<PathBuf>,
    },
}

/// Carries a command out.
pub(crate) fn run(command: &Command) -> Outcome {
    match command {
        Command::Build => {
            println!("{}", image()?.display());
            Ok(())
        }
        Command::Run { arguments } => become_script("run-isp", Some(&image()?), arguments),
        Command::Ctl { arguments } => become_script("ctl", None, arguments),
        Command::Selftest { work } => {
            let work: Vec<_> = work.iter().map(|work| work.display().to_string()).collect();
            become_script("selftest", Some(&image()?), &work)
        }
    }
}

/// The folder with the image for the scripts as they are now, building it if need be.
///
/// # Errors
/// What the build said.
pub(crate) fn image() -> Result<PathBuf, Failure> {
    let scripts = scripts();
    let cache = env::var_os("GATELET_LAB_CACHE").map_or_else(|| target_dir().join("peer-lab"), PathBuf::from);
    let image = cache.join(format!("image-{:016x}", fingerprint(&scripts)?));
    let finished = image.join("initramfs");
    if finished.is_file() {
        return Ok(image);
    }
    let began = Instant::now();
    fs::create_dir_all(&image).map_err(|error| format!("{}: {error}", image.display()))?;
    println!("   lab image: building (its packages are downloaded once, then kept in {})", cache.display());
    // Stale package lists name versions that the mirror no longer has: fetch them and try once more.
    let archives = cache.join("archives");
    if let Err(first) = build(&scripts, &image, &archives) {
        println!(
            "   lab image: {}; trying again with fresh package lists",
            first.lines().last().unwrap_or("")
        );
        setup::update_package_lists()?;
        build(&scripts, &image, &archives)?;
    }
    println!("   lab image: built in {:.0} s", began.elapsed().as_secs_f64());
    Ok(image)
}

fn build(scripts: &Path, image: &Path, archives: &Path) -> Outcome {
    let log = image.join("build.log");
    let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let copy = file.try_clone().map_err(|error| error.to_string())?;
    let status = Process::new(scripts.join("build-image"))
        .arg(image)
        .env("ARCHIVES", archives)
        .stdout(file)
        .stderr(copy)
        .status()
        .map_err(|error| format!("cannot start build-image: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    let tail: Vec<_> = said.lines().rev().take(12).collect();
    let tail: Vec<_> = tail.into_iter().rev().collect();
    Err(format!("the lab's image could not be built, see {}:\n{}", log.display(), tail.join("\n")))
}

/// Becomes one of the lab's scripts.
fn become_script(script: &str, image: Option<&Path>, arguments: &[String]) -> Outcome {
    let error = Process::new(scripts().join(script)).args(image).args(arguments).exec();
    Err(format!("cannot start {script}: {error}"))
}

/// Where the lab's scripts are.
pub(crate) fn scripts() -> PathBuf {
    workspace().join("host-sim/peer-lab")
}

/// FNV-1a over what goes into an image: the builder and the guest's files, names and contents.
fn fingerprint(scripts: &Path) -> Result<u64, Failure> {
    let mut files = vec![scripts.join("build-image")];
    let guest = scripts.join("guest");
    let unreadable = |error| format!("{}: {error}", guest.display());
    for entry in fs::read_dir(&guest).map_err(unreadable)? {
        files.push(entry.map_err(unreadable)?.path());
    }
    files.sort();
    let mut hash = 0xCBF2_9CE4_8422_2325;
    for file in files {
        let content = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_name().unwrap_or_default().as_encoded_bytes();
        for byte in name.iter().chain(&[0]).chain(&content) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    Ok(hash)
}
