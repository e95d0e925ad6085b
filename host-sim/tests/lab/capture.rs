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
    let all = lab.folder.join("all");
    let mut merge = vec!["-F".to_owned(), "pcap".into(), "-w".into(), all.display().to_string()];
    merge.extend(captures.iter().map(|capture| capture.display().to_string()));
    output("mergecap", &merge.iter().map(String::as_str).collect::<Vec<_>>())?;
    let counts = judge(&all)?;
    lab.tell(format!(
        "tshark: {} captures of the lab, {} frames, nothing malformed, no expert error",
        captures.len(),
        counts.get("eth").copied().unwrap_or(0)
    ));
    // The LAN as the router met it: what its hosts need, and what it gave them.
    if let Some(lan) = captures.iter().find(|path| path.ends_with("lan-lan.pcap")) {
        expect(lan, &[("arp", 4), ("dhcp", 8)])?;
    }
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
const FAULT_FREE: &str = "fault-free";

/// Wireshark's `PI_ERROR` (epan/proto.h): a malformed frame and a wrong checksum are of this severity.
const EXPERT_ERROR: u32 = 0x0080_0000;

/// Frames of each protocol; fails on a malformed frame or an expert error.
fn judge(capture: &Path) -> Result<BTreeMap<String, usize>, String> {
    let file = capture.display().to_string();
    let fields = ["frame.number", "frame.protocols", "_ws.expert.severity", "_ws.expert.message"];
    let mut arguments = vec!["-r", &file, "-T", "fields"];
    // It guesses from the payload alone, and takes octets of iperf3's for its own.
    arguments.extend(["--disable-protocol", "thrift"]);
    // Off by default, because captures of sending hosts show what their network card has yet to fill in.
    arguments.extend(CHECKSUMS.iter().flat_map(|preference| ["-o", preference]));
    // What iperf3 sends is no protocol of anybody. A segment that is in a tunnel as well is there twice, and no whole comes of it.
    arguments.extend(["-d", "tcp.port==5201,data", "-o", "tcp.desegment_tcp_streams:FALSE"]);
    arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
    let mut counts = BTreeMap::new();
    for line in output("tshark", &arguments)?.lines() {
        let mut columns = line.split('\t');
        let (number, protocols) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        let severities = columns.next().unwrap_or_default();
        let worst = severities.split(',').filter_map(|word| word.parse::<u32>().ok()).max().unwrap_or(0);
        let message = columns.next().unwrap_or_default();
        // Of a segment that an error quotes tshark computes the checksum, though its end was cut off. Each was judged whole when it
        // was sent.
        let quotes = [":icmp:ip:", ":icmpv6:ipv6:"].iter().any(|quotes| protocols.contains(quotes));
        let is_cut_off = quotes && message.starts_with("Bad checksum");
        if worst >= EXPERT_ERROR && !is_cut_off || protocols.contains("malformed") {
            return fail(format!("{file}, frame {number} ({protocols}): tshark objects: {message}"));
        }
        for protocol in protocols.split(':') {
            *counts.entry(protocol.to_owned()).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Wireshark's preferences by which it checks checksums.
const CHECKSUMS: [&str; 3] = ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"];

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
