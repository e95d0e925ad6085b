//! `cargo xtask rp2040js`: the RP2040's image as it is flashed, on an emulated chip (host-sim/rp2040), and its log, decoded as
//! probe-rs does.

use std::fs;
use std::path::Path;
use std::process::Command;

use defmt_decoder::{DecodeError, Table};

use crate::run::{Failure, Outcome, cargo, has_program, run as run_command, target_dir, workspace};

/// `cargo xtask rp2040js …`
#[derive(clap::Args)]
pub(crate) struct Rp2040js {
    /// Show neither the console nor the log, only the figures
    #[arg(long)]
    quiet: bool,
}

/// What the log says of a dial, in this order: it has to come out of the octets that the chip leaves in its memory.
const DIAL: [&str; 4] = ["DialBegun", "PadsReceived", "Authenticated", "wan 0: Up {"];

/// Builds, runs, decodes.
pub(crate) fn run(arguments: &Rp2040js) -> Outcome {
    let missing: Vec<_> = ["node", "npm"].into_iter().filter(|program| !has_program(program)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "{} is missing: install Debian's nodejs and npm, then run this again",
            missing.join(", ")
        ));
    }
    let folder = workspace().join("host-sim/rp2040");
    if !folder.join("node_modules/rp2040js").is_dir() {
        run_command(
            Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder),
        )?;
    }
    run_command(&mut cargo(&["build", "--quiet", "--package", "gatelet-sim"]))?;
    let board = workspace().join("boards/rp2040");
    run_command(cargo(&["build", "--quiet", "--locked", "--profile", "firmware"]).current_dir(board))?;
    let image = target_dir().join("thumbv6m-none-eabi/firmware/gatelet-rp2040");
    let out = target_dir().join("rp2040js");
    fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let log = out.join("defmt");
    let mut node = Command::new("node");
    node.arg(folder.join("run.js")).args([&image, &target_dir().join("debug/gatelet-sim")]);
    node.arg("--log")
        .arg(&log)
        .arg("--pcap")
        .arg(out.join("wan.pcap"))
        .arg("--isp-log")
        .arg(out.join("isp.log"));
    if arguments.quiet {
        node.arg("--quiet");
    }
    run_command(&mut node)?;
    let lines = decode(&image, &log)?;
    if !arguments.quiet {
        for line in &lines {
            println!("   {line}");
        }
    }
    let mut rest = lines.iter();
    for step in DIAL {
        if !rest.any(|line| line.contains(step)) {
            return Err(format!(
                "{} decoded lines of the log, and none in its place says {step}",
                lines.len()
            ));
        }
    }
    println!(
        "   log: {} lines decoded, the dial's among them; what passed is in {}",
        lines.len(),
        out.display()
    );
    Ok(())
}

/// The lines of a log.
///
/// # Errors
/// What cannot be decoded.
fn decode(image: &Path, log: &Path) -> Result<Vec<String>, Failure> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let table = Table::parse(&read(image)?).map_err(|error| format!("{}: {error:#}", image.display()))?;
    let table = table.ok_or_else(|| format!("{} has no strings of defmt's", image.display()))?;
    let mut decoder = table.new_stream_decoder();
    decoder.received(&read(log)?);
    let mut lines = Vec::new();
    loop {
        match decoder.decode() {
            Ok(frame) => {
                let level = frame.level().map_or("", |level| level.as_str());
                lines.push(format!("{level:<5} {}", frame.display_message()));
            }
            Err(DecodeError::UnexpectedEof) => return Ok(lines),
            Err(DecodeError::Malformed) => {
                return Err(format!("{}: malformed after {lines:#?}", log.display()));
            }
        }
    }
}
