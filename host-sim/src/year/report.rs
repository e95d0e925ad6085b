//! The year as one self-contained page with plots.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use smoltcp::time::{Duration, Instant};

use super::Policy;
use super::data::Data;
use super::plots;
use super::promise::Verdict;
use super::results::{Life, Row, percentile, rows};
use crate::peers::concentrator::Model;
use crate::scenario::values::format_duration;

/// Whose year is shown outage by outage, if it was lived.
const EXAMPLE: &str = "cisco";

const STYLE: &str = include_str!("report.css");

/// Writes `year.html` into `folder`, which is made if need be.
pub(super) fn write(
    folder: &Path,
    lives: &[Life],
    verdicts: &[Verdict],
    data: &Data,
    length: Duration,
) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join("year.html");
    std::fs::write(&file, page(lives, verdicts, data, length))?;
    Ok(file)
}

fn page(lives: &[Life], verdicts: &[Verdict], data: &Data, length: Duration) -> String {
    let rows = rows(lives);
    let policies = policies(lives);
    let mut carriers: Vec<&str> = lives.iter().map(|life| life.id.carrier.as_str()).collect();
    carriers.sort_unstable();
    carriers.dedup();
    let mut seeds: Vec<u64> = lives.iter().map(|life| life.id.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let mut html = String::new();
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>A year on the line</title>\
         <style>{STYLE}</style><main><h1>A year on the line</h1>\
         <p>{} lives of {} each: the same random years ({}, carriers: {}) under every redial policy, packet by packet, \
         on {} simulated access concentrators.</p>",
        lives.len(),
        format_duration(length),
        counted(seeds.len(), "seed"),
        carriers.join(", "),
        models(lives).len(),
    );
    verdict_cards(&mut html, verdicts);
    legend(&mut html, &policies, data);

    section(
        &mut html,
        "How long until it is back",
        "From the moment the line would answer to the moment packets get through: the share of all recoveries that \
         took at most so long. Further left and higher is better. What keeps even the oracle waiting is RADIUS, \
         which believes in a lost session until it ages.",
        &plots::recoveries(lives, &policies),
    );
    section(
        &mut html,
        "Time without Internet, beyond the oracle",
        &format!(
            "Hours in {} that the oracle would have had service and the policy had none.",
            format_duration(length)
        ),
        &plots::matrix(&rows, &policies, plots::Cell::Lost, length),
    );
    section(
        &mut html,
        "Lockouts of its own making",
        &format!(
            "In {}: locks that took a dial beyond the first after each failure the line caused. A model marked * \
             locks after fewer than five requests or failures and is outside Gatelet's promise.",
            format_duration(length)
        ),
        &plots::matrix(&rows, &policies, plots::Cell::OwnLockouts, length),
    );
    let usual = lives.iter().find(|life| life.id.model.name == EXAMPLE);
    if let Some(example) = usual.or(lives.first()) {
        let title = format!(
            "One year, outage by outage: {}, {}, seed {}",
            example.id.model.name, example.id.carrier, example.id.seed
        );
        section(
            &mut html,
            &title,
            "Each mark is an outage as the household saw it; its height grows with its length (one minute, an hour, \
             a day). What every policy shares is the line's doing.",
            &plots::outages(lives, example, &policies, length),
        );
    }
    table(&mut html, &rows);
    sources(&mut html, data);
    html.push_str("</main></html>\n");
    html
}

fn verdict_cards(html: &mut String, verdicts: &[Verdict]) {
    html.push_str("<div class=\"verdicts\">");
    for verdict in verdicts {
        let (class, word) = if verdict.passed { ("", "Kept") } else { (" broken", "Broken") };
        let _ = write!(
            html,
            "<div class=\"verdict{class}\"><b>{word}: {}</b><span>{}</span></div>",
            escape(verdict.name),
            escape(&verdict.detail)
        );
    }
    html.push_str("</div>");
}

fn legend(html: &mut String, policies: &[Policy], data: &Data) {
    html.push_str("<div class=\"legend\">");
    for &policy in policies {
        let title = match policy {
            Policy::Gatelet => "Gatelet, the runtime that ships",
            Policy::Oracle => "oracle: knows when the line answers",
            other => data.policy.get(other.name()).map_or("", |client| client.title.as_str()),
        };
        let color = plots::color(policy);
        let _ = write!(html, "<span><i style=\"background:{color}\"></i>{}</span>", escape(title));
    }
    html.push_str("</div>");
}

fn section(html: &mut String, title: &str, text: &str, svg: &str) {
    let _ = write!(html, "<h2>{}</h2><p>{}</p><div class=\"card\">{svg}</div>", escape(title), escape(text));
}

fn table(html: &mut String, rows: &[Row]) {
    html.push_str(
        "<h2>All figures</h2><p>Means over the years of a row; the longest outage is the longest of any. Lockouts: own \
         making + tripped by what the line or its people did. Replugs: how often a year somebody pulled the plug \
         because nothing else helped.</p><div class=\"card\"><table><tr><th>concentrator</th><th class=\"text\">policy</th>\
         <th>years</th><th>available</th><th>behind, points</th><th>p50</th><th>p95</th><th>max</th>\
         <th>longest outage</th><th>lockouts</th><th>PADIs</th><th>dials</th><th>replugs</th></tr>",
    );
    let mut last = "";
    for row in rows {
        let first = row.model.name != last;
        last = row.model.name;
        let gatelet = if row.policy == Policy::Gatelet { " gatelet" } else { "" };
        let first_class = if first { "first" } else { "" };
        let _ = write!(
            html,
            "<tr class=\"{first_class}{gatelet}\"><td title=\"{}\">{}</td><td class=\"name\">{}</td><td>{}</td>\
             <td>{:.4} %</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{:.1} + {:.1}</td><td>{:.0}</td><td>{:.0}</td><td>{:.1}</td></tr>",
            escape(row.model.title),
            if first { marked(&row.model) } else { String::new() },
            row.policy.name(),
            row.years,
            row.availability * 100.0,
            row.behind_oracle.map_or_else(|| "–".to_owned(), |points| format!("{points:.4}")),
            format_duration(percentile(&row.recoveries, 50)),
            format_duration(percentile(&row.recoveries, 95)),
            format_duration(percentile(&row.recoveries, 100)),
            format_duration(row.longest_outage),
            row.own_lockouts,
            row.history_lockouts,
            row.padis,
            row.dials,
            row.replugs,
        );
    }
    html.push_str("</table></div>");
}

fn sources(html: &mut String, data: &Data) {
    html.push_str(
        "<h2>What a year is made of</h2><p>Random events with their mean number a year and their duration (evenly on a \
         logarithmic scale).</p><div class=\"card\"><table><tr><th>event</th><th>a year</th><th>lasts</th>\
         <th class=\"text\">source</th></tr>",
    );
    for event in &data.event {
        let (least, most) = event.lasts;
        let lasts = if most > Duration::ZERO {
            format!("{} – {}", format_duration(least), format_duration(most))
        } else {
            String::new()
        };
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{lasts}</td><td class=\"text\">{}</td></tr>",
            escape(&words(&format!("{:?}", event.what))),
            event.per_year,
            escape(&event.source)
        );
    }
    html.push_str("</table></div><h2>Concentrators</h2><div class=\"card\"><table>");
    for model in Model::all() {
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"text\">{}<br><small>{}</small></td></tr>",
            marked(&model),
            escape(model.title),
            escape(model.source)
        );
    }
    html.push_str("</table></div><h2>Carriers and other people's clients</h2><div class=\"card\"><table>");
    for (name, source) in data
        .carrier
        .iter()
        .map(|(name, carrier)| (name, &carrier.source))
        .chain(data.policy.iter().map(|(name, client)| (name, &client.source)))
    {
        let _ = write!(html, "<tr><td>{}</td><td class=\"text\">{}</td></tr>", escape(name), escape(source));
    }
    html.push_str("</table></div>");
}

/// The policies that lived, in the order of the legend.
fn policies(lives: &[Life]) -> Vec<Policy> {
    Policy::EACH.into_iter().filter(|&policy| lives.iter().any(|life| life.id.policy == policy)).collect()
}

/// The models, in the order of the table.
fn models(lives: &[Life]) -> Vec<&Model> {
    let mut models: Vec<&Model> = Vec::new();
    for life in lives {
        if !models.contains(&&life.id.model) {
            models.push(&life.id.model);
        }
    }
    models
}

/// Where in the year an outage lies, 0 to 1.
pub(super) fn share(at: Instant, length: Duration) -> f64 {
    super::results::seconds(at - Instant::ZERO) / super::results::seconds(length)
}

/// A model's name, with a star where the promise does not cover it.
pub(super) fn marked(model: &Model) -> String {
    if model.promised() { model.name.to_owned() } else { format!("{} *", model.name) }
}

/// `PowerCut` as "power cut".
fn words(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
