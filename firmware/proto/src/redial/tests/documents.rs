//! `docs/failures.md` says what the code says.

use super::std::{self, fmt::Write, format, string::String};
use crate::redial::{Failure, Language};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/failures.md");

const OPENING: &str = "# Why a dial or a session failed\n
Every failure has a stable name (for logs, files and `--json`), the number Windows shows for the same thing (which
support lines know), and a sentence on what is going on and what to do.\n
This table is written by the test `docs_failures_md_is_the_table_of_failures`: after changing a sentence, run
`GATELET_WRITE_DOCS=1 cargo test -p gatelet-proto docs_failures`.\n
| name | Windows | English | 中文 |\n|---|---|---|---|\n";

#[test]
fn docs_failures_md_is_the_table_of_failures() {
    let mut table = String::from(OPENING);
    for failure in Failure::ALL {
        let english = failure.sentence(Language::English);
        let chinese = failure.sentence(Language::Chinese);
        writeln!(table, "| `{}` | {} | {english} | {chinese} |", failure.name(), failure.windows_code())
            .unwrap();
    }
    if std::env::var_os("GATELET_WRITE_DOCS").is_some() {
        std::fs::write(PATH, &table).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        written == table,
        "docs/failures.md is not what the code says: {}",
        OPENING.lines().nth(5).unwrap()
    );
}

#[test]
fn sentences_are_sentences() {
    for failure in Failure::ALL {
        let (english, chinese) = (failure.sentence(Language::English), failure.sentence(Language::Chinese));
        assert!(english.ends_with('.') && english.is_ascii(), "{english}");
        assert!(chinese.ends_with('。') && !chinese.contains("  "), "{chinese}");
        assert!(!english.contains("  "), "{english}");
        // Whoever is to call the carrier is told the number, in both languages.
        for hotline in ["10010", "10000", "10086"] {
            assert_eq!(english.contains(hotline), chinese.contains(hotline), "{}", failure.name());
            assert!(
                !english.contains("call your carrier") || english.contains(hotline),
                "{}",
                format!("{failure:?}")
            );
        }
    }
}
