//! The console: anything typed, anything happening, a terminal and an owner who take their time.

use gatelet_console::{Answer, Console, Request};
use gatelet_proto::redial::{Failure, HoldReason, Note};
use gatelet_router::{Ipv4Status, RouterEvent, WanEvent, WanId};
use gatelet_settings::{Editor, Settings};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

use crate::input::Input;

/// Octets are typed as they are, but for some that no UTF-8 has: they let time pass, events happen, answers come late or the terminal
/// stand still. Nothing printed is lost, nothing printed steers the terminal but the console's own few sequences, and whatever was
/// typed, Ctrl-C and `help` work afterwards.
pub fn typed(input: &[u8]) {
    let mut input = Input::new(input);
    let mut world = World::new(input.u8());
    while let Some(octet) = input.operation() {
        match octet {
            0xF8 => world.answers_late = !world.answers_late,
            0xF9 => world.happens(input.u8()),
            0xFA => world.now += Duration::from_secs(input.u8().into()),
            0xFB => world.is_still = !world.is_still,
            0xFC => drop(world.answer(input.u8())),
            octet => world.console.handle_byte(octet),
        }
        world.run();
    }
    world.ends_well();
}

struct World {
    console: Console,
    settings: Editor,
    now: Instant,
    /// The owner answers when told to, and not at once.
    answers_late: bool,
    /// The terminal takes nothing.
    is_still: bool,
    printed: Vec<u8>,
    /// Lines left of what the owner tells.
    lines: u8,
}

impl World {
    fn new(kind: u8) -> Self {
        let now = Instant::from_secs(i64::from(kind));
        let mut settings = Editor::new(Settings::new());
        if kind & 1 == 1 {
            settings.set("system.language", "chinese").expect("a language");
            settings.commit().expect("which goes together with all else");
        }
        let mut console = Console::new(now, "fuzz");
        console.start(&settings, kind & 2 == 2);
        if kind & 4 == 4 {
            console.set_size(u16::from(kind), u16::from(kind >> 4));
        }
        Self { console, settings, now, answers_late: false, is_still: false, printed: Vec::new(), lines: 0 }
    }

    fn run(&mut self) {
        loop {
            self.console.advance(self.now, &mut self.settings);
            if self.is_still {
                return;
            }
            let output = self.console.output().to_vec();
            self.console.sent(output.len());
            self.printed.extend(&output);
            if output.is_empty() && (self.answers_late || !self.answer(3)) {
                return;
            }
        }
    }

    /// Does what the console wants, or gives the next of what it waits for. False if there is nothing to do.
    fn answer(&mut self, kind: u8) -> bool {
        if let Some(request) = self.console.poll_request(self.now) {
            if let Request::Line { at, .. } = request {
                let text = ["a row \x1b[2J\u{202E}", "另一行"][(at & 1) as usize];
                let answer = if at < 40 { Answer::Line { text, next: at + 1 } } else { Answer::Done };
                self.console.handle_answer(&answer);
            } else {
                self.lines = 5;
            }
            return true;
        }
        if !self.console.wants_answer() {
            return false;
        }
        self.lines = self.lines.saturating_sub(1);
        let bytes = [kind; 300];
        self.console.handle_answer(&match kind & 3 {
            _ if self.lines == 0 => Answer::Done,
            0 => Answer::Failed("not now"),
            1 => Answer::Frame { micros: 7, bytes: &bytes[..usize::from(kind)], len: 300 },
            _ => Answer::Line { text: "64 bytes", next: 0 },
        });
        true
    }

    fn happens(&mut self, what: u8) {
        let until = self.now + Duration::from_secs(300);
        let event = match what & 15 {
            0 => WanEvent::LinkUp,
            1 => WanEvent::DialBegun { probe: false },
            2 => {
                WanEvent::Down { failure: Failure::ALL[usize::from(what) % Failure::ALL.len()], uptime: None }
            }
            3 => WanEvent::Note(Note::HoldBegun { until, reason: HoldReason::Silence }),
            4 => {
                WanEvent::PadtReceived { session_id: 7, text: "\x1b]0;x\x07".try_into().unwrap_or_default() }
            }
            5 => {
                return self
                    .console
                    .handle_event(self.now, &RouterEvent::WallClock { unix_seconds: 1 << (what & 63) });
            }
            6 => return self.settings.handle_timeout(self.now),
            7 => WanEvent::Up {
                ipv4: Ipv4Status { address: Ipv4Address::new(192, 0, 2, 1), peer: None, dns: [None; 2] },
                mtu: 1492,
                since_dial: Duration::from_secs(1),
            },
            _ => WanEvent::PadiSent { attempt: what },
        };
        self.console.handle_event(self.now, &RouterEvent::Wan(WanId(0), event));
    }

    fn ends_well(&mut self) {
        (self.is_still, self.answers_late) = (false, false);
        self.run();
        for octet in *b"\x03\x03\x03" {
            self.console.handle_byte(octet);
            self.run();
        }
        self.printed.clear();
        for octet in *b"\rterminal 80 0\rhelp reboot\r" {
            self.console.handle_byte(octet);
            self.run();
        }
        let end = String::from_utf8_lossy(&self.printed).into_owned();
        assert!(end.contains("start anew") || end.contains("重启"), "{end:?}");
        assert_eq!(self.console.counters().output_lost, 0, "there was room for everything");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            check(&self.printed);
        }
    }
}

/// Nothing but text, line ends, bells, and the sequences that the console has use for.
fn check(printed: &[u8]) {
    let text = core::str::from_utf8(printed).expect("UTF-8");
    let mut rest = text;
    while let Some(at) =
        rest.find(|letter: char| letter.is_control() && !matches!(letter, '\r' | '\n' | '\x07'))
    {
        rest = &rest[at..];
        let known = ["\x1b[K", "\x1b[H", "\x1b[2J", "\x1b7", "\x1b8", "\x1b[999;999H", "\x1b[6n"];
        let sequence = known.into_iter().find(|known| rest.starts_with(known)).map(str::len);
        let right = rest
            .strip_prefix("\x1b[")
            .map(|rest| rest.trim_start_matches(|letter: char| letter.is_ascii_digit()));
        let right = right.filter(|after| after.starts_with('C')).map(|after| rest.len() - after.len() + 1);
        let len = sequence.or(right).unwrap_or_else(|| panic!("{:?}", &rest[..rest.len().min(20)]));
        rest = &rest[len..];
    }
}
