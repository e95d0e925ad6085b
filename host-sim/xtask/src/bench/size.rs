//! What the router alone takes of flash (`size.rs` of the bench), by whose source the bytes come from.
//!
//! An instruction counts for the innermost function around it that is not the standard library's: what was inlined
//! counts where it was written, and `Option::map` where it was called.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use addr2line::gimli::{self, EndianSlice, RunTimeEndian};
use object::{Object as _, ObjectSection as _, SectionFlags, SectionKind};

use super::thousands;
use crate::run::{Failure, target_dir};

/// What is weighed: the boards' chips.
pub(crate) const TARGETS: [&str; 2] = ["riscv32imc-unknown-none-elf", "thumbv6m-none-eabi"];

/// Octets of flash, by origin.
#[derive(Default)]
pub(crate) struct Size(pub(crate) Vec<(String, u64)>);

impl Size {
    /// All of it.
    pub(crate) fn flash(&self) -> u64 {
        self.0.iter().map(|(_, octets)| octets).sum()
    }
}

/// Weighs the image for each target.
///
/// # Errors
/// If an image is missing or unreadable.
pub(crate) fn weigh() -> Result<BTreeMap<String, Size>, Failure> {
    let image = |target| target_dir().join(target).join("firmware/size");
    TARGETS.into_iter().map(|target| Ok((target.to_owned(), weigh_image(&image(target))?))).collect()
}

/// Prints the targets side by side.
pub(crate) fn print(sizes: &BTreeMap<String, Size>) {
    if sizes.is_empty() {
        return;
    }
    let mut origins: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (index, size) in sizes.values().enumerate() {
        for (origin, octets) in &size.0 {
            origins.entry(origin).or_insert_with(|| vec![0; sizes.len()])[index] += octets;
        }
    }
    let mut rows: Vec<_> = origins.into_iter().collect();
    rows.sort_by_key(|(_, octets)| std::cmp::Reverse(octets[0]));
    let total: Vec<_> = sizes.values().map(Size::flash).collect();
    print!("\n{:<28}", "octets of flash");
    for target in sizes.keys() {
        print!(" {target:>28}");
    }
    println!();
    for (origin, octets) in rows.iter().map(|(origin, octets)| (*origin, octets)).chain([("all", &total)]) {
        print!("{origin:<28}");
        for octets in octets {
            print!(" {:>28}", thousands(*octets));
        }
        println!();
    }
}

/// Weighs one image.
///
/// # Errors
/// If it is missing or unreadable.
pub(crate) fn weigh_image(image: &Path) -> Result<Size, Failure> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", image.display());
    let bytes = fs::read(image).map_err(|error| failed(&error))?;
    let file = object::File::parse(&*bytes).map_err(|error| failed(&error))?;
    let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let load = |id: gimli::SectionId| -> Result<_, object::Error> {
        let section = file.section_by_name(id.name());
        section.map_or(Ok(Cow::default()), |section| section.uncompressed_data())
    };
    let sections = gimli::DwarfSections::load(load).map_err(|error| failed(&error))?;
    let dwarf = sections.borrow(|section| EndianSlice::new(section, endian));
    let context = addr2line::Context::from_dwarf(dwarf).map_err(|error| failed(&error))?;

    let mut origins: BTreeMap<String, u64> = BTreeMap::new();
    for section in file.sections() {
        // What is only for debuggers, and what only keeps addresses free, is not in flash.
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.0 & object::elf::SHF_ALLOC.0 == 0 || section.file_range().is_none() {
            continue;
        }
        match section.kind() {
            SectionKind::Text => {
                let (first, end) = (section.address(), section.address() + section.size());
                let mut known = 0;
                let rows = context.find_location_range(first, end).map_err(|error| failed(&error))?;
                for (address, len, _) in rows {
                    known += len;
                    *origins.entry(origin(&context, address)).or_default() += len;
                }
                *origins.entry("without source".into()).or_default() += section.size().saturating_sub(known);
            }
            SectionKind::ReadOnlyData | SectionKind::ReadOnlyString | SectionKind::Data => {
                *origins.entry("constants".into()).or_default() += section.size();
            }
            _ => {}
        }
    }
    Ok(Size(origins.into_iter().filter(|(_, octets)| *octets > 0).collect()))
}

fn origin<R: gimli::Reader>(context: &addr2line::Context<R>, address: u64) -> String {
    let mut outermost = "without source".to_owned();
    let Ok(mut frames) = context.find_frames(address).skip_all_loads() else { return outermost };
    while let Ok(Some(frame)) = frames.next() {
        let Some(file) = frame.location.and_then(|location| location.file) else { continue };
        let (name, standard) = name_of(file);
        outermost = name;
        if !standard {
            break;
        }
    }
    outermost
}

/// Whose a source file is: a crate, and for ours the folder in it; and whether that is the standard library.
fn name_of(file: &str) -> (String, bool) {
    let parts: Vec<_> = file.split('/').collect();
    let after = |folder: &str, further: usize| {
        let place = parts.iter().position(|part| *part == folder)?;
        parts.get(place + further).copied()
    };
    // …/library/core/src/…, in it also compiler-builtins/…
    if file.starts_with("/rustc/") || file.contains("/rustlib/src/") {
        return (after("library", 1).unwrap_or("core").to_owned(), true);
    }
    if let Some(package) = after("registry", 3) {
        // A name and its version.
        return (package.rsplit_once('-').map_or(package, |(name, _)| name).to_owned(), false);
    }
    if let Some(name) = after("firmware", 1) {
        let folder = after("src", 1).filter(|part| !part.contains('.') || *part == "router.rs");
        let folder = folder.map(|folder| folder.trim_end_matches(".rs"));
        return (folder.map_or(name.to_owned(), |folder| format!("{name}/{folder}")), false);
    }
    (if parts.contains(&"hal") { "hal" } else { "the image itself" }.to_owned(), false)
}
