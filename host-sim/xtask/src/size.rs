//! `cargo xtask size`: the boards' images, built as they are flashed and weighed: flash by the crate whose source the bytes
//! come from, static RAM by variable. docs/size.md has what was weighed last; 3 % more than there is a failure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags};

use crate::bench::size::{Size, weigh_image};
use crate::bench::{rustc, thousands};
use crate::run::{Failure, Outcome, cargo, run as run_command, target_dir, workspace};

/// `cargo xtask size …`
#[derive(clap::Args)]
pub(crate) struct Weigh {
    /// Record what was weighed in docs/size.md
    #[arg(long)]
    update: bool,
}

/// How far a figure may rise above the recorded one, in percent.
const TOLERANCE_PERCENT: u64 = 3;
/// A row of a table is for at least a so-manieth of the whole; the rest is one row.
const SMALLEST_SHARE: u64 = 200;

/// An image.
struct Board {
    /// Its folder in `boards/`.
    folder: &'static str,
    flavour: &'static str,
    target: &'static str,
    features: &'static [&'static str],
    /// What its linker script asserts.
    limit: &'static str,
}

const BOARDS: [Board; 4] = [
    Board {
        folder: "qemu-virt",
        flavour: "",
        target: "riscv32imac-unknown-none-elf",
        features: &[],
        limit: "16 MB",
    },
    Board { folder: "rp2040", flavour: "", target: "thumbv6m-none-eabi", features: &[], limit: "200 KB" },
    Board {
        folder: "rp2040",
        flavour: ", two W5500",
        target: "thumbv6m-none-eabi",
        features: &["--features", "two-w5500"],
        limit: "200 KB",
    },
    Board {
        folder: "esp32c3",
        flavour: "",
        target: "riscv32imc-unknown-none-elf",
        features: &[],
        limit: "180 KB beside the radio's",
    },
];

/// Builds, weighs, and records or compares.
pub(crate) fn run(arguments: &Weigh) -> Outcome {
    let mut weights = Vec::new();
    for board in &BOARDS {
        let weight = board.weigh()?;
        println!(
            "   {:<24} flash {:>10}, static RAM {:>10}",
            board.name(),
            thousands(weight.flash.flash()),
            thousands(weight.ram())
        );
        weights.push(weight);
    }
    let path = workspace().join("docs/size.md");
    if arguments.update {
        return fs::write(&path, document(&weights)?).map_err(|error| format!("{}: {error}", path.display()));
    }
    let recorded = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    compare(&recorded, &weights)
}

impl Board {
    fn name(&self) -> String {
        format!("{}{}", self.folder, self.flavour)
    }

    fn weigh(&self) -> Result<Weight, Failure> {
        let mut build = cargo(&["build", "--quiet", "--locked", "--profile", "firmware"]);
        build.args(self.features).current_dir(workspace().join("boards").join(self.folder));
        run_command(&mut build)?;
        let image: PathBuf =
            target_dir().join(self.target).join("firmware").join(format!("gatelet-{}", self.folder));
        // What its log is decoded with, where it logs.
        let octets = fs::read(&image).map_err(|error| format!("{}: {error}", image.display()))?;
        defmt_decoder::Table::parse(&octets).map_err(|error| format!("{}: {error:#}", image.display()))?;
        Ok(Weight { board: self.name(), flash: weigh_image(&image)?, variables: variables(&image)? })
    }
}

/// What an image takes.
struct Weight {
    board: String,
    flash: Size,
    /// Static RAM by variable.
    variables: BTreeMap<String, u64>,
}

impl Weight {
    fn ram(&self) -> u64 {
        self.variables.values().sum()
    }
}

/// The variables of an image, in octets.
fn variables(image: &std::path::Path) -> Result<BTreeMap<String, u64>, Failure> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", image.display());
    let bytes = fs::read(image).map_err(|error| failed(&error))?;
    let file = object::File::parse(&*bytes).map_err(|error| failed(&error))?;
    let mut variables = BTreeMap::new();
    let writable: Vec<_> = file
        .sections()
        .filter(|section| {
            let name = section.name().unwrap_or_default();
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return false };
            let is_ram = sh_flags.0 & object::elf::SHF_WRITE.0 != 0;
            is_ram && !name.ends_with("dummy") && ![".stack", ".heap"].contains(&name)
        })
        .map(|section| (section.index(), section.size()))
        .collect();
    let all: u64 = writable.iter().map(|(_, size)| size).sum();
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
        let inside =
            symbol.section_index().is_some_and(|index| writable.iter().any(|(known, _)| *known == index));
        if inside && let Ok(name) = symbol.name() {
            *variables.entry(short(name)).or_default() += symbol.size();
        }
    }
    // Merged constants, paddings, and whatever has no name.
    let named: u64 = variables.values().sum();
    *variables.entry("without a name".into()).or_default() += all.saturating_sub(named);
    Ok(variables)
}

/// A variable as its crate and its own name; a task's memory by the task's.
fn short(name: &str) -> String {
    let demangled = addr2line::demangle_auto(name.into(), None);
    let path = demangled.trim_start_matches('<').replace(['<', '>'], "");
    let parts: Vec<_> = path.split("::").filter(|part| !part.starts_with('{')).collect();
    match parts.as_slice() {
        [only] => (*only).to_owned(),
        [.., task, "POOL"] => format!("task {}", task.trim_start_matches('_')),
        [first, .., last] => format!("{first}: {}", last.split([' ', '.']).next().unwrap_or(last)),
        [] => name.to_owned(),
    }
}

/// docs/size.md.
fn document(weights: &[Weight]) -> Result<String, Failure> {
    let mut text = format!(
        "# What the images weigh\n\n\
         Written by `cargo xtask size --update`, checked by `cargo xtask size`: an image that is more than {TOLERANCE_PERCENT} % \
         above its row here fails,\n\
         and so does the linker where there is more static RAM than the limit (`boards/*/limits.x`). With rustc {}.\n\n\
         Octets. Static RAM is all variables and the tasks' memory; what is not spoken for is the stack's.\n\n\
         | image | flash | static RAM | limit of RAM |\n|---|---:|---:|---|\n",
        rustc()?
    );
    for (weight, board) in weights.iter().zip(&BOARDS) {
        let (flash, ram) = (thousands(weight.flash.flash()), thousands(weight.ram()));
        let _ = writeln!(text, "| {} | {flash} | {ram} | {} |", weight.board, board.limit);
    }
    text.push_str(
        "\nAn instruction belongs to the crate (and, of ours, the folder in it) where it was written, wherever it was inlined; \
         the standard\nlibrary's to whoever called it. `constants` are strings, tables and what variables begin with.\n",
    );
    for weight in weights {
        let _ = write!(text, "\n## {}\n\n| flash | octets |\n|---|---:|\n", weight.board);
        rows(&mut text, &weight.flash.0);
        text.push_str("\n| static RAM | octets |\n|---|---:|\n");
        rows(&mut text, &weight.variables.clone().into_iter().collect::<Vec<_>>());
    }
    Ok(text)
}

/// The largest first, the small ones together.
fn rows(text: &mut String, all: &[(String, u64)]) {
    let total: u64 = all.iter().map(|(_, octets)| octets).sum();
    let (mut large, small): (Vec<_>, Vec<_>) =
        all.iter().partition(|(_, octets)| octets * SMALLEST_SHARE >= total);
    large.sort_by_key(|(_, octets)| std::cmp::Reverse(*octets));
    for (name, octets) in large {
        let _ = writeln!(text, "| {name} | {} |", thousands(*octets));
    }
    let rest: u64 = small.iter().map(|(_, octets)| octets).sum();
    let _ = writeln!(text, "| {} others | {} |", small.len(), thousands(rest));
}

/// # Errors
/// What weighs more than is recorded, and what is not recorded.
fn compare(recorded: &str, weights: &[Weight]) -> Outcome {
    let mut failures = Vec::new();
    for weight in weights {
        let row = recorded.lines().find_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let &[_, board, flash, ram, _, _] = cells.as_slice() else { return None };
            let number = |cell: &str| cell.replace(',', "").parse::<u64>().ok();
            (board == weight.board).then_some((number(flash)?, number(ram)?))
        });
        let Some((flash, ram)) = row else {
            failures.push(format!("{}: not recorded", weight.board));
            continue;
        };
        for (what, before, now) in [("flash", flash, weight.flash.flash()), ("static RAM", ram, weight.ram())]
        {
            if now * 100 > before * (100 + TOLERANCE_PERCENT) {
                failures.push(format!("{}: {what} {now}, recorded {before}", weight.board));
            }
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!(
        "images weigh more than {TOLERANCE_PERCENT} % above docs/size.md:\n{}\nIf it is worth it: cargo xtask size --update",
        failures.join("\n")
    ))
}
