//! Captures read back with tshark: no malformed frame, no expert error, and what must be there is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{output, tail};
use crate::{Checked, Lab, ensure, fail};

/// Every capture of this run.
pub(crate) fn of_the_lab(lab: &mut Lab) -> Checked {
    let mut captures: Vec<PathBuf> = std::fs::read_dir(&lab.folder)
        .map_err(|error| error.to_string())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap"))
        .collect();
    captures.sort();
    ensure(!captures.is_empty(), || "no capture: run some dials too".into())?;
    let mut frames = 0;
    for capture in &captures {
        let counts = judge(capture)?;
        frames += counts.values().sum::<usize>();
    }
    lab.tell(format!("tshark: {} captures of the lab, {frames} layers, nothing malformed", captures.len()));
    // One session with everything in it, for the number of frames of each protocol.
    if let Some(whole) = captures.iter().find(|path| path.ends_with("chap.pcap")) {
        expect(
            whole,
            &[
                ("pppoed", 5), // PADI, PADO, PADR, PADS, PADT
                ("lcp", 6),    // Configure both ways, Terminate both ways
                ("chap", 3),
                ("ipcp", 5), // one Nak, then both ways
                ("ipv6cp", 4),
                ("icmp", 6),
                ("icmpv6", 4),
                ("tcp", 6),
            ],
        )?;
    }
    Ok(())
}

/// The fault-free scenario of the simulator.
pub(crate) fn of_the_simulator(lab: &mut Lab) -> Checked {
    let capture = lab.folder.join("simulator.pcap");
    let run = Command::new(env!("CARGO_BIN_EXE_gatelet-sim"))
        .args(["run", FAULT_FREE, "--json", "--pcap"])
        .arg(&capture)
        .output()
        .map_err(|error| format!("cannot start gatelet-sim: {error}"))?;
    ensure(run.status.success(), || {
        format!(
            "`gatelet-sim run {FAULT_FREE}`: {}\n{}",
            run.status,
            tail(&String::from_utf8_lossy(&run.stderr), 10)
        )
    })?;
    let counts = judge(&capture)?;
    lab.tell(format!("tshark: the simulator's capture, {counts:?}"));
    expect(&capture, &[("pppoed", 4), ("lcp", 4), ("ipcp", 4)])
}

/// The simulator's scenario in which nothing goes wrong.
const FAULT_FREE: &str = "plain";

/// Frames of each protocol; fails on a malformed frame or an expert error.
fn judge(capture: &Path) -> Result<BTreeMap<String, usize>, String> {
    let file = capture.display().to_string();
    let bad = output(
        "tshark",
        &[
            "-r",
            &file,
            "-Y",
            "_ws.malformed || _ws.expert.severity >= 0x00800000",
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "_ws.col.Info",
            "-e",
            "_ws.expert.message",
        ],
    )?;
    if !bad.trim().is_empty() {
        return fail(format!("{file}: tshark objects to\n{}", tail(&bad, 10)));
    }
    let layers = output("tshark", &["-r", &file, "-T", "fields", "-e", "frame.protocols"])?;
    let mut counts = BTreeMap::new();
    for line in layers.lines() {
        for layer in line.split(':') {
            *counts.entry(layer.to_owned()).or_default() += 1;
        }
    }
    Ok(counts)
}

fn expect(capture: &Path, least: &[(&str, usize)]) -> Checked {
    let counts = judge(capture)?;
    for (protocol, least) in least {
        let count = counts.get(*protocol).copied().unwrap_or(0);
        ensure(count >= *least, || {
            format!(
                "{}: {count} frames of {protocol}, at least {least} are expected: {counts:?}",
                capture.display()
            )
        })?;
    }
    Ok(())
}
