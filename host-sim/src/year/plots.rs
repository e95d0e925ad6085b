//! The plots of the report, as SVG.

use std::fmt::Write as _;

use smoltcp::time::Duration;

use super::Policy;
use super::report::{escape, marked, share};
use super::results::{Life, Row, seconds};
use crate::scenario::values::format_duration;

const WIDTH: f64 = 1000.0;

/// Colours that stay apart for colour-blind readers (Okabe and Ito).
pub(super) fn color(policy: Policy) -> &'static str {
    match policy {
        Policy::Oracle | Policy::All => "#8a949e",
        Policy::Gatelet => "#0072b2",
        Policy::Pppd => "#e69f00",
        Policy::Openwrt => "#d55e00",
        Policy::Lwip => "#cc79a7",
        Policy::Esp32Pppoe => "#009e73",
    }
}

/// The share of recoveries that took at most so long, on a logarithmic axis of time.
pub(super) fn recoveries(lives: &[Life], policies: &[Policy]) -> String {
    const HEIGHT: f64 = 340.0;
    const LEFT: f64 = 52.0;
    const BOTTOM: f64 = 40.0;
    const RIGHT: f64 = 20.0;
    const TOP: f64 = 10.0;
    /// 50 ms to 12 h.
    const LEAST: f64 = 0.05;
    const MOST: f64 = 12.0 * 3600.0;
    let x = |seconds: f64| {
        LEFT + (seconds.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln() * (WIDTH - LEFT - RIGHT)
    };
    let y = |part: f64| HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP);
    let mut svg = open(HEIGHT);
    for (at, label) in [
        (0.1, "0.1 s"),
        (1.0, "1 s"),
        (10.0, "10 s"),
        (60.0, "1 min"),
        (300.0, "5 min"),
        (1800.0, "30 min"),
        (7200.0, "2 h"),
        (43200.0, "12 h"),
    ] {
        line(&mut svg, x(at), y(0.0), x(at), y(1.0));
        text(&mut svg, x(at), HEIGHT - BOTTOM + 18.0, "middle", "soft", label);
    }
    for percent in [0_u32, 25, 50, 75, 95, 100] {
        let part = f64::from(percent) / 100.0;
        line(&mut svg, LEFT, y(part), WIDTH - RIGHT, y(part));
        text(&mut svg, LEFT - 8.0, y(part) + 4.0, "end", "soft", &format!("{percent} %"));
    }
    for &policy in policies.iter().rev() {
        let mut all: Vec<Duration> = lives
            .iter()
            .filter(|life| life.id.policy == policy)
            .flat_map(|life| life.recoveries.iter().copied())
            .collect();
        all.sort_unstable();
        if all.is_empty() {
            continue;
        }
        let mut path = format!("M{:.1} {:.1}", x(LEAST), y(0.0));
        let mut last = (x(LEAST), 0.0);
        for (rank, recovery) in all.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "some thousand recoveries")]
            let part = (rank + 1) as f64 / all.len() as f64;
            let here = x(seconds(*recovery));
            // Steps closer than half a pixel are one.
            if here - last.0 > 0.5 || (part - last.1) * HEIGHT > 0.5 || rank + 1 == all.len() {
                let _ = write!(path, "H{here:.1}V{:.1}", y(part));
                last = (here, part);
            }
        }
        let _ = write!(path, "H{:.1}", x(MOST));
        let width = if policy == Policy::Gatelet { 3.5 } else { 2.0 };
        let dash = if policy == Policy::Oracle { " stroke-dasharray=\"6 4\"" } else { "" };
        let _ = write!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dash}><title>{}</title></path>",
            color(policy),
            policy.name()
        );
    }
    svg + "</svg>"
}

/// What a cell of the matrix shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// Hours a year without service beyond the oracle's.
    Lost,
    /// Lockouts a year of its own making.
    OwnLockouts,
}

/// Models by policies: a bar and a figure in each cell.
pub(super) fn matrix(rows: &[Row], policies: &[Policy], cell: Cell, length: Duration) -> String {
    const LINE: f64 = 24.0;
    const LEFT: f64 = 170.0;
    const HEAD: f64 = 26.0;
    let shown: Vec<Policy> = policies.iter().copied().filter(|&policy| policy != Policy::Oracle).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.model.name).fold(Vec::new(), |mut names, name| {
        if names.last() != Some(&name) {
            names.push(name);
        }
        names
    });
    let value = |row: &Row| match cell {
        Cell::Lost => row.behind_oracle.map(|points| points / 100.0 * seconds(length) / 3600.0),
        Cell::OwnLockouts => Some(row.own_lockouts),
    };
    let most = rows.iter().filter_map(value).fold(0.0, f64::max).max(1e-9);
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let (height, width) =
        (HEAD + LINE * names.len() as f64 + 4.0, (WIDTH - LEFT) / shown.len().max(1) as f64);
    let mut svg = open(height);
    for (column, policy) in (0_u32..).zip(&shown) {
        text(&mut svg, LEFT + width * f64::from(column), 16.0, "start", "soft", policy.name());
    }
    for (line_number, name) in (0_u32..).zip(&names) {
        let top = HEAD + LINE * f64::from(line_number);
        line(&mut svg, 0.0, top, WIDTH, top);
        if let Some(row) = rows.iter().find(|row| row.model.name == *name) {
            text(&mut svg, 0.0, top + 16.0, "start", "", &marked(&row.model));
        }
        for (column, &policy) in (0_u32..).zip(&shown) {
            let row = rows.iter().find(|row| row.model.name == *name && row.policy == policy);
            let Some(figure) = row.and_then(value) else { continue };
            let left = LEFT + width * f64::from(column);
            // A square root lets small figures be seen beside large ones.
            let bar = (figure.max(0.0) / most).sqrt() * (width - 70.0);
            let _ = write!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"14\" rx=\"2\" fill=\"{}\"/>",
                top + 5.0,
                color(policy)
            );
            let label = match cell {
                Cell::Lost if figure.abs() < 0.05 => "0".to_owned(),
                Cell::Lost if figure < 10.0 => format!("{figure:.1} h"),
                Cell::Lost => format!("{figure:.0} h"),
                Cell::OwnLockouts if figure == 0.0 => "0".to_owned(),
                Cell::OwnLockouts => format!("{figure:.1}"),
            };
            text(&mut svg, left + bar + 6.0, top + 16.0, "start", "", &label);
        }
    }
    svg + "</svg>"
}

/// One year of each policy as a strip of outages.
pub(super) fn outages(lives: &[Life], example: &Life, policies: &[Policy], length: Duration) -> String {
    const STRIP: f64 = 46.0;
    const LEFT: f64 = 110.0;
    const FOOT: f64 = 24.0;
    #[expect(clippy::cast_precision_loss, reason = "six at most")]
    let height = STRIP * policies.len() as f64 + FOOT;
    let mut svg = open(height);
    let x = |part: f64| LEFT + part * (WIDTH - LEFT - 4.0);
    let days = seconds(length) / 86_400.0;
    for month in 0..=12_u32 {
        let part = f64::from(month) / 12.0;
        line(&mut svg, x(part), 0.0, x(part), height - FOOT);
        if month < 12 {
            text(&mut svg, x(part), height - 6.0, "middle", "soft", &format!("day {:.0}", days * part));
        }
    }
    for (number, &policy) in (0_u32..).zip(policies) {
        let base = STRIP * f64::from(number + 1) - 6.0;
        line(&mut svg, LEFT, base, WIDTH, base);
        text(&mut svg, 0.0, base - 10.0, "start", "", policy.name());
        let life = lives.iter().find(|life| {
            life.id.policy == policy
                && life.id.model == example.id.model
                && life.id.carrier == example.id.carrier
                && life.id.seed == example.id.seed
        });
        for &(at, lasted) in life.map_or(&[][..], |life| &life.outages) {
            // 1 s is one pixel, a day is 36.
            let tall = 1.0 + (seconds(lasted).max(1.0).ln() / 86_400_f64.ln()).min(1.0) * (STRIP - 11.0);
            let wide = (share(at + lasted, length) - share(at, length)).max(0.0) * (WIDTH - LEFT);
            let _ = write!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"{}\"><title>{}</title></rect>",
                x(share(at, length)),
                base - tall,
                wide.max(1.6),
                color(policy),
                escape(&format_duration(lasted))
            );
        }
    }
    svg + "</svg>"
}

fn open(height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">")
}

fn line(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64) {
    let _ = write!(svg, "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
    let _ = write!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>",
        escape(words)
    );
}
