//! Runs a scenario and judges it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;

use gatelet_hal::PortId;
use serde::Serialize;
use smoltcp::time::Instant;

use super::{Check, File, Script};
use crate::executor::Mode;
use crate::timeline::{Actor, Entry, Timeline, Tone};
use crate::world::mirror::Mirror;
use crate::world::{Gateway, Network, Run, WorldPacer};

/// How to run it.
#[derive(Default)]
pub struct Options {
    /// In place of the file's.
    pub seed: Option<u64>,
    /// Time passes instead of jumping.
    pub real_time: bool,
    /// Gets a capture of the router's port.
    pub capture: Option<Box<dyn Write>>,
    /// Hears each entry of the timeline as it happens.
    pub listener: Option<crate::timeline::Listener>,
    /// Called before the clock jumps.
    pub pacer: Option<WorldPacer<'static>>,
}

/// How it went. Serializes to the object that `--json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Name of the scenario.
    pub scenario: String,
    /// The seed it ran with.
    pub seed: u64,
    /// Whether every check passed.
    pub passed: bool,
    /// What was expected and what was found.
    pub checks: Vec<Check>,
    /// Virtual time, power-on to end.
    pub virtual_seconds: f64,
    /// How long it took.
    pub wall_seconds: f64,
    /// Equal for equal runs: over every frame at the router's port, its time and its direction.
    pub digest: String,
    /// What was counted.
    pub counters: BTreeMap<String, u64>,
    /// What happened.
    #[serde(skip)]
    pub entries: Vec<Entry>,
}

/// Runs `file` as `name`.
///
/// # Errors
/// What in the file cannot be, or that the world got stuck, or why the capture could not be written.
pub fn run(name: &str, file: &File, options: Options) -> Result<Report, String> {
    let began = std::time::Instant::now();
    let seed = options.seed.unwrap_or(file.seed);
    for expectation in &file.expectations {
        expectation.check_fields()?;
    }
    let faults = file.script()?;
    let (config, max_frame_len) = file.router.config(PortId(0))?;
    let budget = usize::from(config.policy.discovery.limit);
    let mut timeline = Timeline::new();
    if let Some(listener) = options.listener {
        timeline.listen(listener);
    }
    let concentrator = file.concentrator.build(seed ^ 0xAC)?;
    let mut network = Network::new(concentrator, file.line.clone(), timeline, seed);
    if file.concentrator.is_mirror() {
        network.others.push(Box::new(Mirror::default()));
    }
    if let Some(capture) = options.capture {
        network.capture(capture).map_err(|error| format!("the capture: {error}"))?;
    }
    network.tell(Actor::Line, "power-on", Tone::Plain, "power on".into(), String::new());
    if file.ont_boots.is_some() {
        network.set_ont_power(true, file.ont_boots);
    }
    let script = Script::new(faults, config.clone(), file.line.clone());
    let mut gateway = Gateway::new(config, seed);
    gateway.max_frame_len = max_frame_len;
    let network = RefCell::new(network);
    let world = Run {
        mode: if options.real_time { Mode::Real } else { Mode::Virtual },
        end: Instant::ZERO + file.lasts,
        pacer: options.pacer,
    };
    let outcome = gateway.run(&network, &RefCell::new(script), world);
    let mut network = network.into_inner();
    network.end_capture().map_err(|error| format!("the capture: {error}"))?;

    let counters = counters(&network, &gateway);
    let entries = network.timeline.entries().to_vec();
    let mut checks: Vec<Check> =
        file.expectations.iter().map(|expectation| expectation.judge(&entries, &counters)).collect();
    checks.extend(standing_checks(&network, budget));
    if let Err(stuck) = outcome {
        checks.push(Check { name: "the world goes on".into(), passed: false, detail: stuck.to_string() });
    }
    Ok(Report {
        scenario: name.to_owned(),
        seed,
        passed: checks.iter().all(|check| check.passed),
        checks,
        virtual_seconds: seconds(network.now()),
        wall_seconds: began.elapsed().as_secs_f64(),
        digest: format!("{:016x}", network.meter.digest()),
        counters,
        entries,
    })
}

/// What every scenario expects.
fn standing_checks(network: &Network, budget: usize) -> Vec<Check> {
    let most = network.meter.most_discovery_in_a_minute;
    let own = network.concentrator.counters().lockouts.iter().filter(|lockout| lockout.own_making).count();
    let unknown = network.meter.unknown_from_router;
    vec![
        Check {
            name: "the discovery budget holds on the wire".into(),
            passed: most <= budget,
            detail: format!("at most {most} PADIs and PADRs within any 60 s, {budget} allowed"),
        },
        Check {
            name: "no lockout of our own making".into(),
            passed: own == 0,
            detail: format!("{own} lockouts that the line did not cause"),
        },
        Check {
            name: "every frame of the router's is one of PPPoE's or PPP's".into(),
            passed: unknown == 0,
            detail: format!("{unknown} others"),
        },
    ]
}

fn counters(network: &Network, gateway: &Gateway) -> BTreeMap<String, u64> {
    let (meter, link) = (&network.meter, network.link.counters());
    let (ac, wear) = (network.concentrator.counters(), gateway.flash().wear());
    let timeline = &network.timeline;
    let named = [
        ("frames", meter.frames),
        ("bytes", meter.bytes),
        ("padi-sent", meter.padi),
        ("padr-sent", meter.padr),
        ("padt-sent", meter.padt),
        ("echoes", meter.echoes),
        ("ip-packets", meter.ip),
        ("frames-lost", link.lost),
        ("frames-duplicated", link.duplicated),
        ("frames-reordered", link.reordered),
        ("frames-corrupted", link.corrupted),
        ("dials", timeline.count("dial")),
        ("ups", timeline.count("up")),
        ("downs", timeline.count("down")),
        ("holds", timeline.count("hold")),
        ("lockouts", ac.lockouts.len() as u64),
        ("lock-extensions", ac.lock_extensions),
        ("padis-unanswered", ac.padis_unanswered),
        ("padrs-unanswered", ac.padrs_unanswered),
        ("authentications", ac.authentications),
        ("authentications-refused", ac.authentications_refused),
        ("seconds-up", seconds_up(timeline.entries(), network.now())),
        ("flash-writes", wear.writes),
        ("flash-bytes", wear.bytes),
        ("flash-erases", wear.erases),
    ];
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whole seconds with an address, in the router's own reading.
fn seconds_up(entries: &[Entry], end: Instant) -> u64 {
    let mut up_since = None;
    let mut micros = 0;
    for entry in entries {
        let is_over = match entry.tag {
            "up" => {
                up_since = up_since.or(Some(entry.at));
                false
            }
            "down" | "link-down" | "hanging-up" | "terminated" => true,
            "fault" => entry.what.starts_with("the router"),
            _ => false,
        };
        if is_over && let Some(since) = up_since.take() {
            micros += (entry.at - since).total_micros();
        }
    }
    micros += up_since.map_or(0, |since| (end - since).total_micros());
    micros / 1_000_000
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of years are far below 2^52")]
fn seconds(at: Instant) -> f64 {
    at.total_micros() as f64 / 1e6
}
