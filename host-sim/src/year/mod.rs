//! The same random year against every redial policy.
//!
//! ```text
//!  year.toml ─► script (seed, carrier) ─► Street: subscriber ══ line ══ concentrator ─► Stopwatch ─► table, JSON, HTML
//!                                            │                  │
//!                             gatelet, pppd, openwrt, ...     every model
//! ```
//!
//! `data` reads the figures, `script` draws what happens, `street` lets it happen to a `subscriber`,
//! `stopwatch` measures, `promise` judges, `table` and `report` tell.

mod clients;
mod data;
mod gatelet;
mod plots;
mod promise;
mod report;
mod results;
mod script;
mod stopwatch;
mod street;
mod subscriber;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant as WallClock;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use nix::time::{ClockId, clock_gettime};
use smoltcp::time::Duration;

use self::clients::SimpleClient;
use self::data::Data;
use self::results::{Life, LifeId};
use self::street::Street;
use crate::peers::concentrator::Model;
use crate::scenario::values;

/// A redial policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Policy {
    /// This project's router, the very code that ships
    Gatelet,
    /// pppd with persist
    Pppd,
    /// OpenWrt's netifd around pppd
    Openwrt,
    /// lwIP with an application that dials again
    Lwip,
    /// The ESP32 PPPoE router
    Esp32Pppoe,
    /// Knows when the line will answer
    Oracle,
    /// Every one of them
    All,
}

impl Policy {
    const EACH: [Self; 6] =
        [Self::Oracle, Self::Gatelet, Self::Pppd, Self::Openwrt, Self::Lwip, Self::Esp32Pppoe];

    /// As on the command line and in `year.toml`.
    fn name(self) -> &'static str {
        match self {
            Self::Gatelet => "gatelet",
            Self::Pppd => "pppd",
            Self::Openwrt => "openwrt",
            Self::Lwip => "lwip",
            Self::Esp32Pppoe => "esp32-pppoe",
            Self::Oracle => "oracle",
            Self::All => "all",
        }
    }
}

/// Arguments of `year`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose line: unicom, telecom, mobile, generic, or all
    #[arg(long, default_value = "unicom", value_name = "PRESET")]
    pub carrier: String,
    /// Which concentrator, by name (see --models), or all
    #[arg(long, default_value = "all", value_name = "MODEL")]
    pub bras: String,
    /// Which policies live through it
    #[arg(long, value_enum, value_delimiter = ',', default_value = "gatelet,oracle")]
    pub policy: Vec<Policy>,
    /// How many different years
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// The first year's seed
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// How long the year is
    #[arg(long, default_value = "365d", value_name = "TIME", value_parser = parse_length)]
    pub length: Duration,
    /// Worlds at a time; by default one for each processor
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
    /// Write a page with plots into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// List the concentrator models with their sources, and do nothing else
    #[arg(long)]
    pub models: bool,
    /// Print when this policy sends PADIs on a line that never answers, in seconds, and do nothing else
    #[arg(long, value_name = "POLICY", value_enum)]
    pub padi_times: Option<Policy>,
}

/// Runs the command. Succeeds if Gatelet kept its promise in every year (or was not asked to live).
pub fn run(args: &Args) -> ExitCode {
    let data = Data::load();
    if args.models {
        table::print_models();
        return ExitCode::SUCCESS;
    }
    if let Some(policy) = args.padi_times {
        return print_padi_times(&data, policy);
    }
    let lives = match plan(args, &data) {
        Ok(lives) => lives,
        Err(complaint) => {
            eprintln!("year: {complaint}");
            return ExitCode::from(2);
        }
    };
    let started = WallClock::now();
    let lives = live_all(&lives, args, &data);
    let verdicts = promise::judge(&lives);
    let wall = started.elapsed().as_secs_f64();
    if args.json {
        println!("{}", results::json(&lives, &verdicts, args.length, wall));
    } else {
        table::print(&lives, &verdicts, args.length, wall);
    }
    if let Some(folder) = &args.report {
        match report::write(folder, &lives, &verdicts, &data, args.length) {
            Ok(file) => eprintln!("report: {}", file.display()),
            Err(error) => {
                eprintln!("year: the report could not be written to {}: {error}", folder.display());
                return ExitCode::from(2);
            }
        }
    }
    if verdicts.iter().all(|verdict| verdict.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every combination that was asked for.
fn plan(args: &Args, data: &Data) -> Result<Vec<LifeId>, String> {
    let carriers: Vec<&String> = match args.carrier.as_str() {
        "all" => data.carrier.keys().collect(),
        name => vec![
            data.carrier.get_key_value(name).ok_or_else(|| unknown("carrier", name, data.carrier.keys()))?.0,
        ],
    };
    let names: Vec<String> = Model::all().iter().map(|model| model.name.to_owned()).collect();
    let models = match args.bras.as_str() {
        "all" => Model::all(),
        name => vec![Model::by_name(name).ok_or_else(|| unknown("concentrator", name, names.iter()))?],
    };
    let policies: Vec<Policy> = Policy::EACH
        .into_iter()
        .filter(|policy| args.policy.contains(policy) || args.policy.contains(&Policy::All))
        .collect();
    let mut lives = Vec::new();
    for model in &models {
        for carrier in &carriers {
            for seed in args.seed..args.seed + args.seeds {
                for &policy in &policies {
                    lives.push(LifeId { policy, carrier: (*carrier).clone(), model: model.clone(), seed });
                }
            }
        }
    }
    Ok(lives)
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    format!("there is no {what} {name:?}; there are: all, {}", known.join(", "))
}

/// Lives them all, in parallel, in the order of `ids`.
fn live_all(ids: &[LifeId], args: &Args, data: &Data) -> Vec<Life> {
    let bar = ProgressBar::new(ids.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} years, {eta} left  {msg}") {
        bar.set_style(style);
    }
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Life>>> = Mutex::new(ids.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads.unwrap_or(1).clamp(1, ids.len().max(1)) {
            scope.spawn(|| {
                while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                    bar.set_message(format!("{} on {}", id.policy.name(), id.model.name));
                    let life = live(id, args.length, data);
                    let index = ids.iter().position(|other| other == id);
                    if let (Ok(mut done), Some(index)) = (done.lock(), index) {
                        done[index] = Some(life);
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    done.into_inner().unwrap_or_default().into_iter().flatten().collect()
}

/// A life of a moment has no availability to compare, and a typing error should not run for a day.
fn parse_length(text: &str) -> Result<Duration, String> {
    let length = values::parse_duration(text)?;
    let (least, most) = (Duration::from_secs(3600), Duration::from_secs(100 * 365 * 86_400));
    if (least..=most).contains(&length) {
        Ok(length)
    } else {
        Err(format!("{text:?} is no length for a year of trouble: write one from \"1h\" to \"36500d\""))
    }
}

/// One year of one policy.
fn live(id: &LifeId, length: Duration, data: &Data) -> Life {
    let started = core_seconds();
    let carrier = &data.carrier[&id.carrier];
    let script = script::write(data, carrier, id.seed, length);
    let mut street = Street::new(data, carrier, id.model.clone(), &script, id.seed, length);
    match id.policy {
        Policy::Gatelet => {
            street =
                gatelet::live(street, data::preset(&id.carrier), id.seed).expect("the runtime does not spin");
        }
        Policy::Oracle | Policy::All => street.run(&mut SimpleClient::oracle(id.seed)),
        other => street.run(&mut SimpleClient::new(&data.policy[other.name()], id.seed)),
    }
    Life::new(id.clone(), length, &street, core_seconds() - started)
}

/// What this thread has used of a processor so far; 0 where the system does not tell.
fn core_seconds() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds and nanoseconds of a run")]
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0.0, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

fn print_padi_times(data: &Data, policy: Policy) -> ExitCode {
    let Some(client) = data.policy.get(policy.name()) else {
        eprintln!("year: {} is no model with PADI times of its own", policy.name());
        return ExitCode::from(2);
    };
    for time in clients::padi_times(client, Duration::from_secs(120)) {
        println!("{}.{:03}", time.secs(), time.millis());
    }
    ExitCode::SUCCESS
}
