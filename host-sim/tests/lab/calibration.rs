//! When the clients of today send their PADIs, measured on Debian's pppd: what the simulated year's
//! models of pppd and OpenWrt are held to.
//!
//! They dial into nothing, on interfaces of the subscriber's machine that lead nowhere, while the
//! other checks run.

use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::{Checked, Lab, ensure};

/// How long they are watched. pppd's first three PADIs and its hold-off take about a minute.
const WATCHED: Duration = Duration::from_secs(75);
/// Emulation and a busy machine move a timer by so much (seconds).
const TOLERANCE: f64 = 0.7;

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
    let openwrt = padi_times(&lab.subscriber, "cal1")?;
    lab.tell(format!("PADIs of pppd (hold-off 30 s), s: {}", list(&pppd)));
    lab.tell(format!("PADIs of pppd restarted after 1 s, as OpenWrt does, s: {}", list(&openwrt)));
    matches(&pppd, PPPD)?;
    matches(&openwrt, OPENWRT)
}

/// Seconds after the first PADI. pppd 2.4.9 waits 5, 10 and 20 s for a PADO, gives up, and with `persist` holds off.
const PPPD: &[f64] = &[0.0, 5.0, 15.0, 65.0];
/// The same, and a second later anew.
const OPENWRT: &[f64] = &[0.0, 5.0, 15.0, 36.4, 41.4, 51.4];

fn matches(measured: &[f64], model: &[f64]) -> Checked {
    ensure(measured.len() >= model.len(), || format!("only {} PADIs: {}", measured.len(), list(measured)))?;
    for (measured, model) in measured.iter().zip(model) {
        ensure((measured - model).abs() <= TOLERANCE, || {
            format!("a PADI at {measured:.1} s, the model says {model:.1}")
        })?;
    }
    Ok(())
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
    times.iter().map(|time| format!("{time:.1}")).collect::<Vec<_>>().join(" ")
}
