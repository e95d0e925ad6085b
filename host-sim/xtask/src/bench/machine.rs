//! The machines that count, and what they print.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::figures::Line;
use crate::run::{Failure, output, target_dir};

/// Something that runs the bench's program and counts its instructions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// This host, under callgrind.
    X86,
    /// QEMU's `virt`, by `minstret`.
    Riscv32,
    /// QEMU's `mps2-an385` with code for a Cortex-M0+, by `SysTick`.
    CortexM0,
}

/// What the bare machines' programs are built for.
pub(crate) const TARGETS: [&str; 2] = ["riscv32imac-unknown-none-elf", "thumbv6m-none-eabi"];

impl Machine {
    pub(crate) const ALL: [Self; 3] = [Self::X86, Self::Riscv32, Self::CortexM0];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86-64",
            Self::Riscv32 => "riscv32imac",
            Self::CortexM0 => "Cortex-M0+",
        }
    }

    /// Runs the cases whose names contain `filter`.
    ///
    /// # Errors
    /// What the program said: that a frame was not what it should be, for example.
    pub(crate) fn measure(self, filter: &str) -> Result<Vec<Line>, Failure> {
        let records = match self {
            Self::X86 => callgrind(filter),
            Self::Riscv32 => {
                let machine = ["-M", "virt", "-bios", "none", "-icount", "shift=0"];
                qemu("qemu-system-riscv32", &machine, TARGETS[0], filter)
            }
            Self::CortexM0 => {
                let machine = ["-M", "mps2-an385", "-icount", "shift=7"];
                qemu("qemu-system-arm", &machine, TARGETS[1], filter)
            }
        };
        Ok(lines(&records.map_err(|failure| format!("{}: {failure}", self.name()))?))
    }
}

/// A line of the bench's program.
struct Record {
    /// `gatelet` or `bound`.
    who: String,
    case: String,
    packets: u64,
    instructions: u64,
    worst: u64,
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('|');
        let (who, case) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        let mut number = || fields.next()?.parse().ok();
        Some(Self { who, case, packets: number()?, instructions: number()?, worst: number()? })
    }
}

fn parse(text: &str) -> Result<Vec<Record>, Failure> {
    text.lines().map(|line| Record::parse(line).ok_or_else(|| text.to_owned())).collect()
}

/// One line for each case, the mean rounded.
fn lines(records: &[Record]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for record in records {
        let index = lines.iter().position(|line| line.case == record.case).unwrap_or_else(|| {
            lines.push(Line { case: record.case.clone(), values: Vec::new() });
            lines.len() - 1
        });
        let values = &mut lines[index].values;
        let mean = (record.instructions + record.packets / 2) / record.packets.max(1);
        values.push((record.who.clone(), mean));
        if record.who == "gatelet" && record.worst > 0 {
            values.push(("worst".to_owned(), record.worst));
        }
    }
    lines
}

fn qemu(program: &str, machine: &[&str], target: &str, filter: &str) -> Result<Vec<Record>, Failure> {
    // QEMU wants a comma within a value doubled.
    let semihosting = format!("enable=on,target=native,chardev=out,arg={}", filter.replace(',', ",,"));
    let said = output(
        Command::new(program)
            .args(machine)
            .args(["-display", "none", "-monitor", "none", "-serial", "none", "-chardev", "stdio,id=out"])
            .args(["-semihosting-config", &semihosting, "-kernel"])
            .arg(program_for(Some(target))),
    )?;
    parse(&said)
}

/// Counts are toggled by the counted functions, zeroed where a case begins and written where it ends: a file for each.
fn callgrind(filter: &str) -> Result<Vec<Record>, Failure> {
    let folder = target_dir().join("bench");
    let unwritable = |error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(unwritable)?;
    }
    fs::create_dir_all(&folder).map_err(unwritable)?;
    let said = output(
        Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind", "--collect-atstart=no", "--dump-instr=yes"])
            .args([
                "--toggle-collect=*counted_*",
                "--zero-before=*begin_of_case*",
                "--dump-before=*end_of_case*",
            ])
            .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
            .arg(program_for(None))
            .arg(filter),
    )?;
    let mut records = parse(&said)?;
    for (index, record) in records.iter_mut().enumerate() {
        let dump = folder.join(format!("out.{}", index + 1));
        record.instructions = total(&dump)?;
        let name: String =
            record.case.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let named = folder.join(format!("{}-{}.callgrind", record.who, name.replace("--", "-")));
        fs::rename(&dump, named).map_err(unwritable)?;
    }
    Ok(records)
}

/// The sum at the end of a file of callgrind's.
fn total(dump: &Path) -> Result<u64, Failure> {
    let text = fs::read_to_string(dump).map_err(|error| format!("{}: {error}", dump.display()))?;
    let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| format!("{}: no totals", dump.display()))
}

fn program_for(target: Option<&str>) -> PathBuf {
    let folder = target_dir();
    target.map_or(folder.clone(), |target| folder.join(target)).join("firmware/gatelet-bench")
}
