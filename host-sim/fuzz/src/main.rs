//! `gatelet-fuzz`: looks at single inputs and makes the first seeds. Fuzzing itself is cargo-fuzz's
//! (README.md).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatelet_fuzz::{TARGETS, Target};

#[path = "../../../firmware/wire/tests/fixture/mod.rs"]
mod fixture;

const USAGE: &str = "\
gatelet-fuzz list                  the targets
gatelet-fuzz run TARGET FILE...    runs a target once per file, as the fuzzer would
gatelet-fuzz seed                  puts the fixtures of firmware/wire/testdata into the corpus
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["list"] => {
            for target in TARGETS {
                println!("{}", target.name);
            }
            Ok(())
        }
        ["run", name, ref files @ ..] if !files.is_empty() => run(name, files),
        ["seed"] => seed(),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, files: &[&str]) -> Result<(), Box<dyn Error>> {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .ok_or_else(|| format!("no target is called {name}; `gatelet-fuzz list` names them"))?;
    for file in files {
        let input = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        println!("{file}: {} octets", input.len());
        (target.run)(&input);
    }
    Ok(())
}

fn seed() -> Result<(), Box<dyn Error>> {
    for name in fixture::all() {
        let (group, case) = name.split_once('/').ok_or("a fixture without a group")?;
        let Some(Target { name: target, .. }) = TARGETS.iter().find(|target| target.fixtures == Some(group))
        else {
            return Err(format!("no target takes the fixtures of {group}").into());
        };
        let directory: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(case), fixture::load(&name))?;
    }
    Ok(())
}
