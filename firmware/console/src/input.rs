//! From octets to what was typed: UTF-8, control characters, and the escape sequences of the keys.
//!
//! ```text
//!            ESC            [                  final octet
//!   Ground ──────► Escape ─────► Sequence ──────────────────► Ground
//!     │ │            │ O  ────► Shift3    ── one more ──────►
//!     │ │            │ ] P X ^ _ ► Text   ── BEL, ESC \ ────►
//!     │ └ 0xC2-0xF4 ► Utf8 ── last continuation octet ──────►
//!     └ from everywhere: a control character ends what was begun and counts by itself
//! ```
//!
//! Nothing waits for a clock: a lone ESC means nothing until more is typed. Nothing can swallow what follows for ever,
//! because no sequence outlives a control character such as Enter.
//!
//! Reading list: ECMA-48 §5.4 (control sequences), DEC VT100 and xterm's "ctlseqs" (keys, cursor position report, bracketed
//! paste), RFC 3629 (UTF-8).

/// Something that was typed, or that the terminal tells by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Char(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Up,
    Down,
    Home,
    End,
    /// Ctrl and this letter, where no other variant has it.
    Control(u8),
    /// What follows, up to `PasteEnd`, was not typed.
    PasteBegin,
    PasteEnd,
    /// The cursor position report: the terminal's size, since it was asked for with the cursor in the last corner.
    Size {
        rows: u16,
        columns: u16,
    },
    /// Octets that are no UTF-8.
    Invalid,
}

/// The decoder.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    /// Enter was a CR: a LF right after it belongs to it.
    after_cr: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    Utf8 {
        octets: [u8; 4],
        len: u8,
        needed: u8,
    },
    Escape,
    Sequence {
        parameters: [u16; PARAMETERS],
        last: u8,
        /// Something is in it that no key of ours has.
        is_foreign: bool,
    },
    /// Function keys of the Linux console: one more octet.
    Shift3,
    /// A text for the terminal, not for us.
    Text,
}

impl Decoder {
    /// Takes an octet; answers what was typed, once it is known. Two at most: an octet can show that what came before it was no
    /// character.
    pub(crate) fn handle(&mut self, octet: u8) -> [Option<Input>; 2] {
        let after_cr = core::mem::take(&mut self.after_cr);
        if octet < 0x20 || octet == 0x7F {
            let was_character = matches!(self.state, State::Utf8 { .. });
            let is_meta = self.state == State::Escape;
            self.state = State::Ground;
            let broken = was_character.then_some(Input::Invalid);
            let input = match octet {
                0x1B => {
                    self.state = State::Escape;
                    None
                }
                b'\r' => {
                    self.after_cr = true;
                    Some(Input::Enter)
                }
                b'\n' if after_cr => None,
                b'\n' => Some(Input::Enter),
                b'\t' => Some(Input::Tab),
                // Alt-Backspace.
                0x08 | 0x7F if is_meta => Some(Input::Control(b'W')),
                0x08 | 0x7F => Some(Input::Backspace),
                0x1C..0x20 | 0 => None,
                _ => Some(Input::Control(octet + 0x40)),
            };
            return [broken, input];
        }
        match self.state {
            State::Ground => [None, self.begin(octet)],
            State::Utf8 { mut octets, len, needed } => {
                if !(0x80..0xC0).contains(&octet) {
                    self.state = State::Ground;
                    return [Some(Input::Invalid), self.begin(octet)];
                }
                if let Some(slot) = octets.get_mut(usize::from(len)) {
                    *slot = octet;
                }
                let len = len + 1;
                if len < needed {
                    self.state = State::Utf8 { octets, len, needed };
                    return [None, None];
                }
                self.state = State::Ground;
                [None, Some(character(octets.get(..usize::from(len)).unwrap_or_default()))]
            }
            State::Escape => [None, self.escape(octet)],
            State::Sequence { parameters, last, is_foreign } => {
                [None, self.sequence(octet, parameters, last, is_foreign)]
            }
            State::Shift3 => {
                self.state = State::Ground;
                [None, arrow(octet, false)]
            }
            State::Text => [None, None],
        }
    }

    fn begin(&mut self, octet: u8) -> Option<Input> {
        let needed = match octet {
            0x20..0x7F => return Some(Input::Char(octet.into())),
            0xC2..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0..0xF5 => 4,
            _ => return Some(Input::Invalid),
        };
        self.state = State::Utf8 { octets: [octet, 0, 0, 0], len: 1, needed };
        None
    }

    fn escape(&mut self, octet: u8) -> Option<Input> {
        self.state = match octet {
            b'[' => State::Sequence { parameters: [0; PARAMETERS], last: 0, is_foreign: false },
            b'O' => State::Shift3,
            b']' | b'P' | b'X' | b'^' | b'_' => State::Text,
            _ => State::Ground,
        };
        match octet {
            b'b' | b'B' => Some(Input::WordLeft),
            b'f' | b'F' => Some(Input::WordRight),
            _ => None,
        }
    }

    fn sequence(
        &mut self,
        octet: u8,
        mut parameters: [u16; PARAMETERS],
        mut last: u8,
        mut is_foreign: bool,
    ) -> Option<Input> {
        match octet {
            b'0'..=b'9' => {
                if let Some(parameter) = parameters.get_mut(usize::from(last)) {
                    *parameter = parameter.saturating_mul(10).saturating_add(u16::from(octet - b'0'));
                }
            }
            b';' => last = last.saturating_add(1),
            // The Linux console's F1 to F5 are ESC [ [ and a letter.
            b'[' if last == 0 && parameters == [0; PARAMETERS] => {
                self.state = State::Shift3;
                return None;
            }
            0x40..0x7F => {
                self.state = State::Ground;
                return if is_foreign { None } else { key(octet, parameters) };
            }
            _ => is_foreign = true,
        }
        self.state = State::Sequence { parameters, last, is_foreign };
        None
    }
}

fn character(octets: &[u8]) -> Input {
    let decoded = core::str::from_utf8(octets).ok().and_then(|text| text.chars().next());
    decoded.map_or(Input::Invalid, Input::Char)
}

fn key(last: u8, parameters: [u16; PARAMETERS]) -> Option<Input> {
    let [first, second, ..] = parameters;
    Some(match last {
        b'~' => match first {
            1 | 7 => Input::Home,
            3 => Input::Delete,
            4 | 8 => Input::End,
            200 => Input::PasteBegin,
            201 => Input::PasteEnd,
            _ => return None,
        },
        // F3 with a modifier is spelled like a tiny terminal.
        b'R' if first >= ROWS_LEAST && second >= COLUMNS_LEAST => {
            Input::Size { rows: first, columns: second }
        }
        // A modifier: 3 Alt, 5 Ctrl.
        _ => return arrow(last, second > 1),
    })
}

const fn arrow(last: u8, is_modified: bool) -> Option<Input> {
    Some(match last {
        b'A' => Input::Up,
        b'B' => Input::Down,
        b'C' if is_modified => Input::WordRight,
        b'D' if is_modified => Input::WordLeft,
        b'C' => Input::Right,
        b'D' => Input::Left,
        b'H' => Input::Home,
        b'F' => Input::End,
        _ => return None,
    })
}

/// Parameters of a sequence that are looked at.
const PARAMETERS: usize = 3;
/// Smaller terminals are not believed in.
pub(crate) const ROWS_LEAST: u16 = 3;
pub(crate) const COLUMNS_LEAST: u16 = 20;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn typed(octets: &[u8]) -> Vec<Input> {
        let mut decoder = Decoder::default();
        octets.iter().flat_map(|octet| decoder.handle(*octet)).flatten().collect()
    }

    #[test]
    fn each_line_end_is_one_enter() {
        use Input::{Char, Enter};
        for (octets, expected) in [
            (&b"\r"[..], &[Enter][..]),
            (b"\n", &[Enter]),
            (b"\r\n", &[Enter]),
            (b"\n\n", &[Enter, Enter]),
            (b"\r\r", &[Enter, Enter]),
            (b"\r\n\r\n", &[Enter, Enter]),
            (b"\ra\n", &[Enter, Char('a'), Enter]),
            (b"\r\0\n", &[Enter, Enter]),
        ] {
            assert_eq!(typed(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn keys_of_many_terminals() {
        use Input::{Delete, Down, End, Home, Left, PasteBegin, PasteEnd, Right, Up, WordLeft, WordRight};
        for (octets, expected) in [
            ("\x1b[A", Up),
            ("\x1bOA", Up),
            ("\x1b[B", Down),
            ("\x1b[C", Right),
            ("\x1b[D", Left),
            ("\x1b[1;5C", WordRight),
            ("\x1b[1;3D", WordLeft),
            ("\x1bb", WordLeft),
            ("\x1b[H", Home),
            ("\x1bOH", Home),
            ("\x1b[1~", Home),
            ("\x1b[7~", Home),
            ("\x1b[4~", End),
            ("\x1bOF", End),
            ("\x1b[3~", Delete),
            ("\x1b[200~", PasteBegin),
            ("\x1b[201~", PasteEnd),
            ("\x1b[24;80R", Input::Size { rows: 24, columns: 80 }),
            ("\x1b\x7f", Input::Control(b'W')),
        ] {
            assert_eq!(typed(octets.as_bytes()), [expected], "{octets:?}");
        }
    }

    #[test]
    fn what_no_key_sends_is_nothing_and_ends() {
        use Input::{Char, Control, Enter};
        for (octets, expected) in [
            (&b"\x1b[1;2R"[..], &[][..]),
            (b"\x1b[?62;22c", &[]),
            (b"\x1b[[A", &[Input::Up]),
            (b"\x1b[99999999999999999999;;;;;;;;;~x", &[Char('x')]),
            (b"\x1b]0;title\x07x", &[Control(b'G'), Char('x')]),
            (b"\x1b]0;title\x1b\\x", &[Char('x')]),
            (b"\x1bPnever ended\rx", &[Enter, Char('x')]),
            (b"\x1b[12\x03x", &[Control(b'C'), Char('x')]),
            (b"\x1b\x1b\x1b[A", &[Input::Up]),
            (b"\x1b\r", &[Enter]),
            (b"\x1c\x1d\x1e\x1f\0", &[]),
        ] {
            assert_eq!(typed(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn utf8_and_what_is_none() {
        use Input::{Char, Enter, Invalid};
        assert_eq!(typed("é光😀".as_bytes()), [Char('é'), Char('光'), Char('😀')]);
        for (octets, expected) in [
            (&b"\xff"[..], &[Invalid][..]),
            (b"\x80a", &[Invalid, Char('a')]),
            (b"\xe5\x85a", &[Invalid, Char('a')]),
            (b"\xe5\x85\r", &[Invalid, Enter]),
            (b"\xe5\xe5\x85\x89", &[Invalid, Char('光')]),
            (b"\xed\xa0\x80", &[Invalid]),
            (b"\xe0\x80\x80", &[Invalid]),
            (b"\xf4\x90\x80\x80", &[Invalid]),
            (b"\xc0\xaf", &[Invalid, Invalid]),
            (b"\xc2\x9b", &[Char('\u{9b}')]),
        ] {
            assert_eq!(typed(octets), expected, "{octets:?}");
        }
    }
}
