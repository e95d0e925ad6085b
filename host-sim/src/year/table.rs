//! The year on the terminal.

use std::io::IsTerminal;

use smoltcp::time::Duration;

use super::promise::Verdict;
use super::results::{Life, Row, percentile, rows};
use crate::peers::concentrator::Model;
use crate::scenario::values::format_duration;

const HEAD: [&str; 10] = [
    "concentrator",
    "policy",
    "available",
    "behind",
    "answers-to-up p50",
    "p95",
    "max",
    "longest outage",
    "lockouts own+other",
    "PADIs",
];

const LEGEND: &str = "\
behind: percentage points of availability to the oracle's same years.
answers-to-up: from the moment the line would answer to the moment packets get through.
lockouts: of its own making + tripped by what the line or its people did.
*: locks before five requests or failures, outside the promise.";

/// Prints rows, verdicts and what it took.
pub(super) fn print(lives: &[Life], verdicts: &[Verdict], length: Duration, wall: f64) {
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let rows = rows(lives);
    let cells: Vec<[String; HEAD.len()]> = rows.iter().map(row_cells).collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| cells.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .zip(HEAD)
        .map(|(width, head)| width.max(head.len()))
        .collect();
    let align = |texts: &[String]| {
        let padded: Vec<String> = texts
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, &width))| {
                    if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        padded.join("  ")
    };
    println!("{}", paint(color, "1", &align(&HEAD.map(str::to_owned))));
    let mut last = "";
    for (row, line) in rows.iter().zip(&cells) {
        if !last.is_empty() && last != row.model.name {
            println!();
        }
        let mut line = line.clone();
        if last == row.model.name {
            line[0].clear();
        }
        last = row.model.name;
        let text = align(&line);
        let style = match row.policy {
            super::Policy::Gatelet => "36",
            super::Policy::Oracle => "2",
            _ => "0",
        };
        println!("{}", paint(color, style, &text));
    }
    println!();
    println!("{LEGEND}");
    println!("Lockouts and PADIs are those of a year of {}.", format_duration(length));
    println!();
    for verdict in verdicts {
        let (mark, style) = if verdict.passed { ("kept  ", "32") } else { ("BROKEN", "31;1") };
        println!("{}  {}: {}", paint(color, style, mark), verdict.name, verdict.detail);
    }
    let years = lives.len();
    let slowest = lives.iter().map(|life| life.core_seconds).fold(0.0, f64::max);
    let frames: u64 = lives.iter().map(|life| life.frames).sum();
    println!(
        "{years} years of {} in {wall:.1} s, {frames} frames; the slowest took {slowest:.1} s of one core",
        format_duration(length)
    );
}

fn row_cells(row: &Row) -> [String; HEAD.len()] {
    [
        format!("{}{}", row.model.name, if row.model.promised() { "" } else { " *" }),
        row.policy.name().to_owned(),
        format!("{:.4} %", row.availability * 100.0),
        row.behind_oracle.map_or_else(|| "-".to_owned(), |points| format!("{points:.4}")),
        format_duration(percentile(&row.recoveries, 50)),
        format_duration(percentile(&row.recoveries, 95)),
        format_duration(percentile(&row.recoveries, 100)),
        format_duration(row.longest_outage),
        format!("{:.1} + {:.1}", row.own_lockouts, row.history_lockouts),
        format!("{:.0}", row.padis),
    ]
}

/// Every model with its source.
pub(super) fn print_models() {
    for model in Model::all() {
        println!("{:<20} {}", model.name, model.title);
        println!("{:<20} {}", "", model.source);
    }
}

fn paint(color: bool, style: &str, text: &str) -> String {
    if color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}
