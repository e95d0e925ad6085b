//! Runs every target over its committed corpus: whatever once was interesting stays so.

use std::path::{Path, PathBuf};

use gatelet_fuzz::TARGETS;

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let list =
        std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = list.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_input_of_the_corpus_passes() {
    for target in TARGETS {
        let inputs = files(&here("corpus").join(target.name));
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            println!("{}", input.display()); // shown if the next line panics
            (target.run)(&std::fs::read(&input).unwrap());
        }
    }
}

#[test]
fn corpus_and_binaries_match_the_targets() {
    let names = |directory: &str| -> Vec<_> {
        files(&here(directory)).iter().map(|file| file.file_stem().unwrap().to_owned()).collect()
    };
    let mut expected: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    expected.sort_unstable();
    assert_eq!(names("corpus"), expected);
    assert_eq!(names("fuzz_targets"), expected);
}
