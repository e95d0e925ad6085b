//! What the owner answers.

use super::{Console, Mode};
use crate::pcap::SNAP;
use crate::request::{Answer, Text};
use crate::width::Printable;

impl Console {
    /// Takes an answer; while [`wants_answer`](Self::wants_answer) says no, it is lost. What was cancelled has no answer.
    pub fn handle_answer(&mut self, answer: &Answer<'_>) {
        if !self.wants_answer() {
            return;
        }
        match (self.mode, answer) {
            (Mode::Listing { what, .. }, Answer::Line { text, next }) => {
                let mut line = Text::new();
                // What is too long is cut.
                let _ = core::fmt::Write::write_str(&mut Printable(&mut line), text);
                self.print_line(what, &line, *next);
            }
            (Mode::Listing { what, .. }, Answer::Done) => self.end_listing(what),
            (_, Answer::Line { text, .. }) => self.say(format_args!("{text}")),
            (Mode::Stream { is_capture: true }, Answer::Frame { micros, bytes, len }) => {
                let output = &mut self.output;
                self.pcap.frame(*micros, bytes, *len, &mut |line| output.put(format_args!("{line}\n")));
            }
            (_, Answer::Frame { .. }) => {}
            (mode, Answer::Done | Answer::Failed(_)) => {
                if mode == (Mode::Stream { is_capture: true }) {
                    self.end_capture();
                }
                if let Answer::Failed(why) = answer {
                    self.say(format_args!("{why}"));
                }
                self.prompt();
            }
        }
    }

    pub(super) fn begin_capture(&mut self) {
        if !matches!(self.mode, Mode::Stream { .. }) {
            return;
        }
        let how = self.pick(
            "octets at most of each frame follow as text; Ctrl-C ends. With the terminal's log in console.log:",
            "字节以内的各帧内容如下;Ctrl-C 结束。将终端记录存为 console.log 后运行:",
        );
        self.say(format_args!("{SNAP} {how}"));
        self.output.put(format_args!("\n{HOST_COMMAND}\n\n{BEGIN}\n"));
        let output = &mut self.output;
        self.pcap.begin(&mut |line| output.put(format_args!("{line}\n")));
    }

    pub(super) fn end_capture(&mut self) {
        let output = &mut self.output;
        self.pcap.end(&mut |line| output.put(format_args!("{line}\n")));
        self.output.put(format_args!("{END}\n"));
    }
}

/// Around the text of a capture.
const BEGIN: &str = "-----BEGIN PCAP-----";
const END: &str = "-----END PCAP-----";
/// Makes the file.
const HOST_COMMAND: &str = "tr -d '\\r' <console.log | sed -n '/^-----BEGIN P/,/^-----END P/{/^-----/d;p}' | base64 -d >capture.pcap";
