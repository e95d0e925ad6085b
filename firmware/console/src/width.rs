//! How many columns text takes: two for most of Chinese, none for a mark on the letter before it.

use core::fmt;

use unicode_width::UnicodeWidthChar;

/// Columns of a character; 0 for a mark, and for what is never shown.
pub(crate) fn of_char(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// Columns of a text.
pub(crate) fn of(text: &str) -> usize {
    text.chars().map(of_char).sum()
}

/// Whether a character may reach a terminal: no control, and nothing that turns the direction of what follows it round.
pub(crate) fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

/// Writes text with what is not [printable](is_printable) replaced: names that others chose cannot steer the terminal.
pub(crate) struct Printable<'w>(pub(crate) &'w mut dyn fmt::Write);

impl fmt::Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|character| !is_printable(character)) {
            let (good, bad) = rest.split_at(at);
            self.0.write_str(good)?;
            self.0.write_char(char::REPLACEMENT_CHARACTER)?;
            let mut after = bad.chars();
            after.next();
            rest = after.as_str();
        }
        self.0.write_str(rest)
    }
}

/// The end of the first part of `text` that is at most `columns` wide, cut between words if there are any, else between
/// characters; and where the next part begins. The whole text, if it fits. Never nothing, unless the text is.
pub(crate) fn wrap(text: &str, columns: usize) -> (usize, usize) {
    let mut taken = 0;
    // Where the part can end, and where the next one begins then.
    let mut cut = None;
    let mut last = ' ';
    for (at, character) in text.char_indices() {
        let width = of_char(character);
        let is_wide = width == 2 || of_char(last) == 2;
        if character == ' ' && at > 0 {
            cut = Some((at, at + 1));
        } else if is_wide && last != ' ' && !is_closing(character) {
            // Chinese can be cut anywhere, but a sentence ends before its stop, never after it.
            cut = Some((at, at));
        }
        if taken + width > columns && at > 0 {
            return cut.unwrap_or((at, at));
        }
        taken += width;
        last = character;
    }
    (text.len(), text.len())
}

const fn is_closing(character: char) -> bool {
    matches!(
        character,
        '。' | '、' | '”' | '.' | ',' | ';' | ':' | ')' | '\u{FF09}' | '\u{FF0C}' | '\u{FF1A}' | '\u{FF1B}'
    )
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn wrapped(mut text: &str, columns: usize) -> Vec<&str> {
        let mut lines = Vec::new();
        while !text.is_empty() {
            let (end, next) = wrap(text, columns);
            lines.push(&text[..end]);
            text = &text[next..];
        }
        lines
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrapped("", 4), Vec::<&str>::new());
    }

    #[test]
    fn chinese_breaks_anywhere_but_before_a_stop() {
        assert_eq!(wrapped("等待与光猫的网线连通。", 8), ["等待与光", "猫的网线", "连通。"]);
        assert_eq!(wrapped("等待与光。猫", 8), ["等待与", "光。猫"]);
        assert_eq!(wrapped("联通 10010,电信 10000", 12), ["联通 10010,", "电信 10000"]);
    }

    #[test]
    fn what_steers_a_terminal_is_replaced() {
        let mut text = String::new();
        fmt::Write::write_str(&mut Printable(&mut text), "a\x1b[2Jb\u{202E}c\r\n光").unwrap();
        assert_eq!(text, "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}\u{FFFD}光");
    }
}
