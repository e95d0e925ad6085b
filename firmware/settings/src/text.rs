//! Settings as lines of text: what `export` prints, and what can be pasted back.
//!
//! ```text
//!   # a remark
//!   set wan.user 02112345678@isp
//!   set wan.password "with a blank at its end "
//!   unset forward.3
//! ```
//!
//! A value is what is left of the line, without blanks at its ends; between double quotes it is what stands there, with `\"` and
//! `\\` for these two.

use core::fmt::{self, Write as _};

use heapless::String;

use crate::{Place, Settings, TEXT_MAX};

/// A line of an export.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ExportLine<'s> {
    /// `set`, the path, the value.
    Set(Place, &'s str),
    /// A remark: there is a secret here.
    Hidden(Place),
}

impl fmt::Debug for ExportLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Set(place, _) | Self::Hidden(place)) = self;
        write!(f, "{place}")
    }
}

impl fmt::Display for ExportLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(place, text) => write!(f, "set {place} {}", Quoted(text)),
            Self::Hidden(place) => write!(f, "# {place} is set and not shown; export secrets shows it"),
        }
    }
}

impl Settings {
    /// All that is set, as lines that can be pasted back; secrets only if asked for. What this firmware does not know is left
    /// out.
    pub fn export(&self, secrets: bool) -> impl Iterator<Item = ExportLine<'_>> {
        self.records().filter_map(move |record| {
            let place = record.place()?;
            let is_hidden = place.key.secret && !secrets;
            Some(if is_hidden { ExportLine::Hidden(place) } else { ExportLine::Set(place, record.text) })
        })
    }
}

/// A value as it is typed: between quotes where it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'s>(pub &'s str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        if !text.is_empty() && text.trim() == text && !text.starts_with('"') {
            return f.write_str(text);
        }
        f.write_char('"')?;
        for letter in text.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(letter)?;
        }
        f.write_char('"')
    }
}

/// Why a text is no value, whatever the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteError {
    /// The quotes are not closed, or something follows them.
    Open,
    /// No setting has so long a value.
    TooLong,
}

impl fmt::Display for QuoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str(
                "a value that begins with a quote ends with one; within it, \\\" stands for a quote",
            ),
            Self::TooLong => write!(f, "no setting has a value of more than {TEXT_MAX} bytes"),
        }
    }
}

/// The value that somebody typed.
///
/// # Errors
/// Why it is none.
pub fn unquote(typed: &str) -> Result<String<TEXT_MAX>, QuoteError> {
    let typed = typed.trim();
    let Some(inner) = typed.strip_prefix('"') else {
        return typed.try_into().map_err(|_| QuoteError::TooLong);
    };
    let mut value = String::new();
    let mut letters = inner.chars();
    loop {
        let letter = match letters.next().ok_or(QuoteError::Open)? {
            '"' => break,
            '\\' => letters.next().ok_or(QuoteError::Open)?,
            letter => letter,
        };
        value.push(letter).map_err(|_| QuoteError::TooLong)?;
    }
    if letters.as_str().is_empty() { Ok(value) } else { Err(QuoteError::Open) }
}

/// What a line wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'t> {
    Nothing,
    /// A path, and a value as it was typed.
    Set(&'t str, &'t str),
    /// A path, or what many begin with.
    Unset(&'t str),
}

/// Reads a line; `None` if it is of no kind.
pub(crate) fn read_line(line: &str) -> Option<Line<'_>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Some(Line::Nothing);
    }
    let (verb, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    match verb {
        "set" => rest.split_once(char::is_whitespace).map(|(path, value)| Line::Set(path, value)),
        "unset" if !rest.contains(char::is_whitespace) => Some(Line::Unset(rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn values_survive_their_quotes() {
        for (value, typed) in [
            ("plain", "plain"),
            ("two words", "two words"),
            ("", "\"\""),
            (" ", "\" \""),
            ("a ", "\"a \""),
            ("\"", "\"\\\"\""),
            ("\"a\\", "\"\\\"a\\\\\""),
            ("a\"b\\", "a\"b\\"),
            ("# no remark", "# no remark"),
            ("密码\u{3000}", "\"密码\u{3000}\""),
        ] {
            assert_eq!(Quoted(value).to_string(), typed);
            assert_eq!(unquote(typed).as_deref(), Ok(value));
            assert_eq!(unquote(&std::format!("  {typed}\t")).as_deref(), Ok(value));
        }
        for bad in ["\"", "\"a", "\"a\\\"", "\"a\" b", "\"a\"\"", "\"\\"] {
            assert_eq!(unquote(bad), Err(QuoteError::Open), "{bad}");
        }
        assert_eq!(unquote(&"x".repeat(TEXT_MAX + 1)), Err(QuoteError::TooLong));
        assert_eq!(unquote(&std::format!("\"{}\"", "x".repeat(TEXT_MAX + 1))), Err(QuoteError::TooLong));
    }

    #[test]
    fn lines_are_told_apart() {
        for (line, read) in [
            ("", Some(Line::Nothing)),
            ("  # set wan.user x", Some(Line::Nothing)),
            ("set wan.user  alice ", Some(Line::Set("wan.user", " alice"))),
            ("set\twan.user \"a b\"", Some(Line::Set("wan.user", "\"a b\""))),
            ("unset forward.1", Some(Line::Unset("forward.1"))),
            ("set wan.user", None),
            ("set", None),
            ("unset", None),
            ("unset a b", None),
            ("show wan", None),
        ] {
            assert_eq!(read_line(line), read, "{line:?}");
        }
    }
}
