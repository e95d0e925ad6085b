//! When the clients of today send their PADIs, measured on Debian's pppd: what the simulated year's
//! model of pppd is held to. OpenWrt's pppd is not Debian's: of its habits, only the restart is seen here.
//!
//! They dial into nothing, on interfaces of the subscriber's machine that lead nowhere, while the
//! other checks run.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::{Checked, Lab, ensure};

/// How long they are watched: pppd gives up 35 s after its first PADI and holds off for 30 s.
const WATCHED: Duration = Duration::from_secs(75);
/// Emulation and a busy machine move a timer by so much (seconds).
const TOLERANCE: f64 = 0.7;
/// pppd ends 35 s after its first PADI, is started a second later, and takes a moment to start.
const RESTARTED: std::ops::RangeInclusive<f64> = 35.5..=39.0;

/// Starts both. OpenWrt's netifd starts a new pppd about a second after the old one ends.
pub(crate) fn begin(lab: &mut Lab) -> Checked {
    let options = "noauth user x nodetach maxfail 1 plugin pppoe.so";
    for (name, dialer) in [
        ("cal0", format!("pppd {options} nic-cal0 maxfail 0 persist holdoff 30")),
        ("cal1", format!("while :; do pppd {options} nic-cal1; sleep 1; done")),
    ] {
        let line = format!(
            "sh ip link add {name} type dummy; ip link set {name} up; \
             tcpdump -Z root -n -tt -l -i {name} ether proto 0x8863 >/run/{name}.log 2>/dev/null & \
             sleep 1; ( {dialer} ) >/dev/null 2>&1 &"
        );
        lab.subscriber.command(&line)?;
    }
    lab.calibration_began = Some(Instant::now());
    Ok(())
}

/// Reads what they did.
pub(crate) fn end(lab: &mut Lab) -> Checked {
    let began = lab.calibration_began.ok_or("run `calibrate: begin` too")?;
    std::thread::sleep(WATCHED.saturating_sub(began.elapsed()));
    let pppd = padi_times(&lab.subscriber, "cal0")?;
    let restarted = padi_times(&lab.subscriber, "cal1")?;
    let model = model("pppd")?;
    lab.tell(format!("PADIs of pppd with persist, in s: {}; of its model: {}", list(&pppd), list(&model)));
    lab.tell(format!("PADIs of pppd restarted after 1 s, in s: {}", list(&restarted)));
    ensure(pppd.len() >= 4 && model.len() >= 4, || "fewer than four PADIs".into())?;
    for (measured, model) in pppd.iter().zip(&model).take(4) {
        ensure((measured - model).abs() <= TOLERANCE, || {
            format!("pppd sends a PADI at {measured:.1} s, the simulated year's model at {model:.1} s")
        })?;
    }
    ensure(restarted.get(3).is_some_and(|at| RESTARTED.contains(at)), || {
        format!("restarted, it sends PADIs at {}", list(&restarted))
    })
}

/// When the model in the simulated year sends its PADIs.
fn model(policy: &str) -> Result<Vec<f64>, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_gatelet-sim"))
        .args(["year", "--padi-times", policy])
        .output()
        .map_err(|error| format!("cannot start gatelet-sim: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let times: Vec<f64> =
        text.split_whitespace().filter_map(|word| word.trim_end_matches('s').parse().ok()).collect();
    ensure(output.status.success() && !times.is_empty(), || format!("year --padi-times {policy}: {text}"))?;
    Ok(times)
}

fn padi_times(machine: &Machine, name: &str) -> Result<Vec<f64>, String> {
    let log = machine.command(&format!("sh cat /run/{name}.log"))?;
    let times: Vec<f64> = log
        .lines()
        .filter(|line| line.contains("PADI"))
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect();
    let first = *times.first().ok_or(format!("no PADI on {name}: {log}"))?;
    Ok(times.iter().map(|time| time - first).collect())
}

fn list(times: &[f64]) -> String {
    times.iter().take(6).map(|time| format!("{time:.1}")).collect::<Vec<_>>().join(" ")
}
