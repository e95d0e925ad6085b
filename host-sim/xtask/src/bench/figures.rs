//! Figures, and the files they are kept in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::size::Size;
use crate::run::Failure;

/// What was measured at one time, or elsewhere.
#[derive(Default)]
pub(crate) struct Figures {
    /// The compiler.
    pub(crate) rustc: String,
    /// By machine, in the order of the cases.
    pub(crate) counts: BTreeMap<String, Vec<Line>>,
    /// By target.
    pub(crate) sizes: BTreeMap<String, Size>,
}

/// Instructions of a case, by whose they are.
pub(crate) struct Line {
    pub(crate) case: String,
    pub(crate) values: Vec<(String, u64)>,
}

impl Line {
    /// The figure with this name.
    pub(crate) fn value(&self, name: &str) -> Option<u64> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl Figures {
    /// The lines of a machine; none, if it is unknown.
    pub(crate) fn lines(&self, machine: &str) -> &[Line] {
        self.counts.get(machine).map_or(&[], Vec::as_slice)
    }

    /// Reads a file that [`to_toml`](Self::to_toml) wrote, or of the same shape.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let name = file.display();
        let text = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
        let table: toml::Table = text.parse().map_err(|error| format!("{name}: {error}"))?;
        Self::from_table(&table).ok_or_else(|| format!("{name}: not a file of figures"))
    }

    fn from_table(table: &toml::Table) -> Option<Self> {
        let mut figures = Self::default();
        if let Some(rustc) = table.get("rustc") {
            rustc.as_str()?.clone_into(&mut figures.rustc);
        }
        for (name, group) in table {
            let Some(group) = group.as_table() else { continue };
            if let Some(target) = name.strip_prefix("flash ") {
                figures.sizes.insert(target.to_owned(), Size(values(group)?));
                continue;
            }
            let mut lines = Vec::new();
            for (case, line) in group {
                lines.push(Line { case: case.clone(), values: values(line.as_table()?)? });
            }
            figures.counts.insert(name.clone(), lines);
        }
        Some(figures)
    }

    /// The text of a file to be kept.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::from(HEADER);
        let _ = writeln!(text, "rustc = {:?}", self.rustc);
        for (machine, lines) in &self.counts {
            let _ = writeln!(text, "\n[{machine:?}]");
            for line in lines {
                let _ = writeln!(text, "{:?} = {{ {} }}", line.case, pairs(&line.values).join(", "));
            }
        }
        for (target, size) in &self.sizes {
            let _ = writeln!(text, "\n[\"flash {target}\"]\n{}", pairs(&size.0).join("\n"));
        }
        text
    }
}

const HEADER: &str = "\
# Written by `cargo xtask bench --update`. Instructions per packet (`worst`: for the one that took most), and octets of
# flash by whose source they come from. What the lines mean: README.md.
";

fn values(table: &toml::Table) -> Option<Vec<(String, u64)>> {
    let value = |value: &toml::Value| u64::try_from(value.as_integer()?).ok();
    table.iter().map(|(name, number)| Some((name.clone(), value(number)?))).collect()
}

fn pairs(values: &[(String, u64)]) -> Vec<String> {
    let bare = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let pair = |(name, value): &(String, u64)| {
        if bare(name) { format!("{name} = {value}") } else { format!("{name:?} = {value}") }
    };
    values.iter().map(pair).collect()
}
