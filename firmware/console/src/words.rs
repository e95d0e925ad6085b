//! A line cut into words. Quotation marks hold a word with spaces together; inside of them, a backslash takes the next
//! character as it is.

use heapless::{String, Vec};

use crate::editor::LINE_MAX;

/// The most words of a line that are looked at.
pub(crate) const WORDS_MAX: usize = 8;

/// The words of a line.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// All words, one behind the other.
    text: String<LINE_MAX>,
    /// Where in `text` each ends.
    ends: Vec<u16, WORDS_MAX>,
    /// The line ends within a word, and not behind it.
    pub(crate) is_open: bool,
    /// The line ends within quotation marks.
    pub(crate) is_quoted: bool,
    /// There are more words than are looked at.
    pub(crate) is_cut: bool,
}

impl Words {
    /// The words of `line`. A line that begins with `#` has none.
    pub(crate) fn split(line: &str) -> Self {
        let mut words = Self::default();
        if line.trim_start().starts_with('#') {
            return words;
        }
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            match character {
                ' ' | '\t' if !words.is_quoted => words.end(),
                '"' => {
                    words.is_quoted = !words.is_quoted;
                    words.is_open = true;
                }
                '\\' if words.is_quoted => words.push(characters.next().unwrap_or('\\')),
                _ => words.push(character),
            }
        }
        if words.is_open {
            words.end();
            words.is_open = true;
        }
        words
    }

    fn push(&mut self, character: char) {
        self.is_open = true;
        // No longer than the line, which fits.
        let _ = self.text.push(character);
    }

    fn end(&mut self) {
        if core::mem::take(&mut self.is_open) && self.ends.push(self.text.len() as u16).is_err() {
            self.is_cut = true;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The word at this place.
    pub(crate) fn get(&self, place: usize) -> Option<&str> {
        let end = usize::from(*self.ends.get(place)?);
        let start =
            place.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| usize::from(*end));
        self.text.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        for (line, expected) in [
            ("", &[][..]),
            ("  ", &[]),
            ("# set a b", &[]),
            ("show  wan ", &["show", "wan"]),
            ("set a \"b c\"", &["set", "a", "b c"]),
            ("set a b\"c d\"e", &["set", "a", "bc de"]),
            (r#"set a "q\"\\\x""#, &["set", "a", r#"q"\x"#]),
            (r"set a C:\dir", &["set", "a", r"C:\dir"]),
            ("set a \"\"", &["set", "a", ""]),
            ("set a#b c", &["set", "a#b", "c"]),
        ] {
            let words = Words::split(line);
            let found = (0..words.len()).filter_map(|place| words.get(place));
            assert!(found.eq(expected.iter().copied()), "{line}");
        }
    }

    #[test]
    fn whether_a_word_is_open() {
        let open = |line| (Words::split(line).is_open, Words::split(line).is_quoted);
        assert_eq!(open(""), (false, false));
        assert_eq!(open("show"), (true, false));
        assert_eq!(open("show "), (false, false));
        assert_eq!(open("set a \"b c"), (true, true));
        assert_eq!(open("set a \""), (true, true));
        assert_eq!(open("set a \"b\""), (true, false));
    }

    #[test]
    fn too_many_words_are_cut() {
        let words = Words::split("1 2 3 4 5 6 7 8 9");
        assert_eq!((words.len(), words.is_cut), (8, true));
    }
}
