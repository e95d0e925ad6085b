//! What is typed, and what is seen: one file per case in `tests/transcripts`.
//!
//! A line that begins with `>` is typed (`\r`, `\t`, `\e`, `\b`, `^C` and the like stand for keys); the lines that follow it,
//! each behind `|`, are what the terminal shows then, without the rows at its top that are as before, with `_` where the cursor
//! is. `size COLUMNS ROWS` before the first line sets the terminal's size, `set …` lines are settings in force, `happens NAME` lets
//! something happen, `later SECONDS` lets time pass. The terminal is another project's (`vt100`).
//!
//! `GATELET_WRITE_TRANSCRIPTS=1` writes what is seen into the files; what it has changed is to be read.

mod world;

use std::fmt::Write;
use std::path::Path;

use world::World;

#[test]
fn every_transcript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let is_to_write = std::env::var_os("GATELET_WRITE_TRANSCRIPTS").is_some();
    let mut different = Vec::new();
    for file in files {
        let told = std::fs::read_to_string(&file).unwrap();
        let seen = replay(&told);
        if seen == told {
            continue;
        }
        if is_to_write {
            std::fs::write(&file, &seen).unwrap();
        } else {
            println!("--- {}\n{seen}", file.display());
            different.push(file);
        }
    }
    assert!(different.is_empty(), "{different:?}");
}

/// The transcript as it is with what is seen now.
fn replay(told: &str) -> String {
    let mut seen = String::new();
    let mut world = World::default();
    let mut before = Vec::new();
    for line in told.lines().filter(|line| !line.starts_with('|')) {
        writeln!(seen, "{line}").unwrap();
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        match first {
            "#" | "" => {}
            "size" => {
                let (columns, rows) = rest.split_once(' ').unwrap();
                world.set_size(columns.parse().unwrap(), rows.parse().unwrap());
            }
            "set" => world.set(rest),
            "start" => world.start(),
            "happens" => world.happens(rest),
            "later" => world.later(rest.parse().unwrap()),
            "asked" => writeln!(seen, "| {}", world.asked()).unwrap(),
            ">" => world.type_in(&keys(rest)),
            _ => panic!("{line}"),
        }
        if matches!(first, "start" | "happens" | ">") {
            let screen = world.screen();
            for row in news(&before, &screen) {
                writeln!(seen, "{}", format!("| {row}").trim_end()).unwrap();
            }
            before = screen;
        }
    }
    seen
}

/// The rows that were not there before, maybe further down.
fn news<'s>(before: &[String], now: &'s [String]) -> &'s [String] {
    // Without the row of the cursor.
    let old = before.get(..before.len().saturating_sub(1)).unwrap_or_default();
    let same = |scrolled: &usize| now.starts_with(&old[*scrolled..]);
    let scrolled = (0..=old.len()).find(same).unwrap_or(old.len());
    &now[old.len() - scrolled..]
}

/// What the names of keys stand for.
fn keys(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next().unwrap() {
                'r' => octets.push(b'\r'),
                'n' => octets.push(b'\n'),
                't' => octets.push(b'\t'),
                'e' => octets.push(0x1B),
                'b' => octets.push(0x7F),
                'x' => {
                    let digits: String = letters.by_ref().take(2).collect();
                    octets.push(u8::from_str_radix(&digits, 16).unwrap());
                }
                other => octets.extend(other.to_string().bytes()),
            },
            '^' => octets.push(letters.next().unwrap() as u8 & 0x1F),
            other => octets.extend(other.to_string().bytes()),
        }
    }
    octets
}
