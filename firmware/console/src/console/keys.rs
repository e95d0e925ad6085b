//! What each key does.

use gatelet_settings::{Editor as Settings, find};
use heapless::String;
use smoltcp::time::Instant;

use super::{ASK_SIZE, Confirm, Console, Listing, Mode, Step, Wanted};
use crate::command::{Command, parse};
use crate::grammar::{Candidate, candidates};
use crate::input::Input;
use crate::width::{is_printable, of_char};
use crate::words::Words;

impl Console {
    pub(super) fn handle_input(&mut self, now: Instant, input: Input, settings: &mut Settings) {
        match input {
            Input::Size { rows, columns } => {
                self.tells_size = true;
                let before = self.columns;
                self.set_size(columns, rows);
                if before != self.columns && matches!(self.mode, Mode::Prompt | Mode::Import | Mode::SetUp(_))
                {
                    self.redraw();
                }
                return;
            }
            Input::PasteBegin => return self.is_pasting = true,
            Input::PasteEnd => return self.is_pasting = false,
            Input::Invalid => {
                self.counters.unprintable = self.counters.unprintable.wrapping_add(1);
                return;
            }
            _ => {}
        }
        match self.mode {
            Mode::Listing { what, at, step: Step::More } => self.more(now, input, what, at, settings),
            Mode::Confirm(confirm) => self.confirm(input, confirm, settings),
            Mode::Live => {
                if matches!(input, Input::Enter | Input::Control(b'C') | Input::Char('q' | ' ')) {
                    self.output.put(format_args!("\n"));
                    self.prompt();
                }
            }
            _ => self.edit(now, input, settings),
        }
    }

    fn edit(&mut self, now: Instant, input: Input, settings: &mut Settings) {
        let is_command = self.mode == Mode::Prompt;
        if core::mem::take(&mut self.is_literal)
            && let Input::Char(character) = input
        {
            return self.insert(character);
        }
        match input {
            Input::Char('?') if is_command && !self.is_pasting && self.wants_help() => {
                self.output.put(format_args!("?\n"));
                self.list(Listing::Candidates);
                return;
            }
            Input::Char(character) => return self.insert(character),
            Input::Tab if self.is_pasting => return self.insert(' '),
            Input::Tab if is_command => return self.complete(),
            Input::Enter => return self.enter(now, settings),
            Input::Control(b'V') => return self.is_literal = true,
            Input::Control(b'C') => {
                self.output.put(format_args!("^C\n"));
                if matches!(self.mode, Mode::Import | Mode::SetUp(_)) {
                    // Nothing else was set: both begin only then.
                    settings.revert();
                }
                return self.prompt();
            }
            Input::Control(b'D') if self.editor.line().is_empty() => {
                return match self.mode {
                    Mode::Import => self.end_import(settings),
                    Mode::Prompt => self.request = Some(Wanted::Exit),
                    _ => {}
                };
            }
            Input::Control(b'L') => {
                self.output.put(format_args!("\x1b[H\x1b[2J{ASK_SIZE}"));
            }
            Input::Up | Input::Control(b'P') if is_command => {
                if let Some(line) = self.history.older(self.editor.line()) {
                    self.editor.replace(line);
                }
            }
            Input::Down | Input::Control(b'N') if is_command => {
                if let Some(line) = self.history.newer() {
                    self.editor.replace(line);
                }
            }
            Input::Backspace => self.editor.delete_left(),
            Input::Delete | Input::Control(b'D') => self.editor.delete_right(),
            Input::Left | Input::Control(b'B') => self.editor.move_left(),
            Input::Right | Input::Control(b'F') => self.editor.move_right(),
            Input::WordLeft => self.editor.move_word_left(),
            Input::WordRight => self.editor.move_word_right(),
            Input::Home | Input::Control(b'A') => self.editor.move_home(),
            Input::End | Input::Control(b'E') => self.editor.move_end(),
            Input::Control(b'K') => self.editor.delete_to_end(),
            Input::Control(b'U') => self.editor.delete_to_start(),
            Input::Control(b'W') => self.editor.delete_word_left(),
            _ => return,
        }
        self.redraw();
    }

    /// Whether `?` asks, and is not a part of a value: not within quotation marks, nor in a value that has been begun.
    fn wants_help(&self) -> bool {
        let words = Words::split(self.editor.before());
        let is_value = words.len() > 2 && words.get(0).is_some_and(|verb| verb == "set");
        !(words.is_quoted || is_value && words.is_open)
    }

    fn insert(&mut self, character: char) {
        if !is_printable(character) {
            self.counters.unprintable = self.counters.unprintable.wrapping_add(1);
            return;
        }
        let is_full = !self.editor.insert(character);
        if is_full {
            return self.output.put(format_args!("\x07"));
        }
        if self.is_hidden() {
            return;
        }
        let prompt = self.line_prompt();
        // A mark changes the character before it.
        if of_char(character) == 0 {
            self.editor.draw(&prompt, self.columns, &mut self.output);
        } else {
            self.editor.draw_inserted(&prompt, self.columns, character, &mut self.output);
        }
    }

    /// Draws the line again, unless it is a password.
    pub(super) fn redraw(&mut self) {
        if !self.is_hidden() {
            let prompt = self.line_prompt();
            self.editor.draw(&prompt, self.columns, &mut self.output);
        }
    }

    fn is_hidden(&self) -> bool {
        matches!(self.mode, Mode::SetUp(question) if question.is_hidden())
    }

    /// What stands before the line being typed.
    fn line_prompt(&self) -> String<{ super::PROMPT }> {
        match self.mode {
            Mode::SetUp(question) => question.prompt(self.language).try_into().unwrap_or_default(),
            _ => self.prompt_text(),
        }
    }

    fn complete(&mut self) {
        let mut common: String<{ super::SUBJECT }> = String::new();
        let mut count = 0;
        let mut end = "";
        let language = self.language;
        let mut take = |candidate: Candidate<'_>| {
            if candidate.word.starts_with('<') {
                return;
            }
            if count == 0 {
                common = candidate.word.try_into().unwrap_or_default();
                end = candidate.end;
            } else {
                let same = common.chars().zip(candidate.word.chars()).take_while(|(a, b)| a == b);
                let len = same.map(|(a, _)| a.len_utf8()).sum();
                common.truncate(len);
            }
            count += 1;
        };
        let typed = candidates(self.editor.before(), language, &mut take);
        let rest: String<{ super::SUBJECT }> =
            common.get(typed..).unwrap_or_default().try_into().unwrap_or_default();
        if count == 0 {
            self.output.put(format_args!("\x07"));
            return;
        }
        if rest.is_empty() && count > 1 {
            self.output.put(format_args!("\n"));
            return self.list(Listing::Candidates);
        }
        let is_whole = self.editor.insert_str(&rest) && (count > 1 || self.editor.insert_str(end));
        if !is_whole {
            self.output.put(format_args!("\x07"));
        }
        self.redraw();
    }

    fn enter(&mut self, now: Instant, settings: &mut Settings) {
        let is_torn = core::mem::take(&mut self.is_torn);
        let is_overfull = self.editor.is_overfull();
        let line = self.editor.take();
        self.output.put(format_args!("\n"));
        self.printed = 0;
        if is_torn || is_overfull {
            self.counters.lines_refused = self.counters.lines_refused.wrapping_add(1);
            let why = if is_overfull {
                self.pick("The line is too long: nothing was done.", "行太长:未执行。")
            } else {
                self.pick("Too fast: some of it was lost. Nothing was done.", "输入过快,有丢失:未执行。")
            };
            self.output.put(format_args!("{why}\n"));
            return self.again();
        }
        match self.mode {
            Mode::Import => self.import_line(&line, settings),
            Mode::SetUp(question) => self.answer_question(question, &line, settings),
            _ => {
                let words = Words::split(&line);
                if !is_secret(&words) {
                    self.history.add(&line);
                }
                self.history.leave();
                let command = parse(&line, &words);
                // The window may have another size now; who leaves does not answer any more.
                if self.tells_size && command != Ok(Some(Command::Exit)) {
                    self.output.put(format_args!("{ASK_SIZE}"));
                }
                match command {
                    Ok(None) => self.prompt(),
                    Ok(Some(command)) => self.run(now, command, settings),
                    Err(mistake) => {
                        self.say(format_args!("{mistake}"));
                        self.prompt();
                    }
                }
            }
        }
    }

    /// The same is to be typed again.
    pub(super) fn again(&mut self) {
        match self.mode {
            Mode::Import => self.draw(),
            Mode::SetUp(question) => self.ask(question),
            _ => self.prompt(),
        }
    }

    /// A key while the page is full. What is none of its own ends the text and is taken for the next command.
    fn more(&mut self, now: Instant, input: Input, what: Listing, at: u32, settings: &mut Settings) {
        self.output.put(format_args!("\r\x1b[K"));
        let go_on = Mode::Listing { what, at, step: Step::Ready };
        match input {
            Input::Char(' ') => {
                self.printed = 0;
                self.mode = go_on;
            }
            Input::Enter | Input::Down => {
                self.printed = self.printed.saturating_sub(1);
                self.mode = go_on;
            }
            Input::Char('q' | 'Q') | Input::Control(b'C') => self.end_listing(what),
            Input::Char(_) => {
                self.end_listing(what);
                self.handle_input(now, input, settings);
            }
            _ => self.show_more(),
        }
    }

    pub(super) fn show_more(&mut self) {
        let more = self.pick(
            "-- more -- (space: page, Enter: line, q: end)",
            "-- 更多 --(空格:翻页,回车:下一行,q:结束)",
        );
        self.output.put(format_args!("{more}"));
    }

    fn confirm(&mut self, input: Input, confirm: Confirm, settings: &mut Settings) {
        match input {
            Input::Char('y' | 'Y') => {
                self.output.put(format_args!("y\n"));
                match confirm {
                    Confirm::Reboot => self.request = Some(Wanted::Reboot),
                    Confirm::FactoryReset => {
                        settings.reset_to_factory();
                        self.request = Some(Wanted::FactoryReset);
                        if let Err(error) = settings.commit() {
                            // The defaults go together.
                            self.output.put(format_args!("{error}\n"));
                            self.request = None;
                        }
                    }
                }
                self.prompt();
            }
            Input::Char('n' | 'N') | Input::Enter | Input::Control(b'C') => {
                self.output.put(format_args!("{}\n", self.pick("no", "否")));
                self.prompt();
            }
            _ => {}
        }
    }
}

/// Whether a line sets something that is not to be shown.
fn is_secret(words: &Words) -> bool {
    let is_set = words.get(0).is_some_and(|verb| verb == "set");
    is_set && words.get(1).is_some_and(|path| find(path).is_ok_and(|place| place.key.secret))
}
