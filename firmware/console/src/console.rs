//! The console as a machine.
//!
//! ```text
//!             Enter: a command            last line, q, Ctrl-C
//!   Prompt ──────────────────► Listing ────────────────────────► Prompt
//!    │  │                       │  ▲ page full, key
//!    │  │                       └──┘
//!    │  ├─ ping, capture … ► Stream ── Done, Ctrl-C ──► Prompt
//!    │  ├─ reboot … ───────► Confirm ── yes or no ────► Prompt
//!    │  ├─ import ─────────► Import ── end, Ctrl-C ───► Prompt
//!    │  └─ setup ──► SetUp: carrier ► user ► password ─► Live ── on line, a key ──► Prompt
//! ```
//!
//! What is typed while something is printed waits, and is typed afterwards. Only Ctrl-C is heard at once.

mod answer;
mod keys;
mod listing;
mod run;

use gatelet_proto::redial::Language;
use gatelet_router::{MAX_WANS, RouterEvent, WanEvent, WanId};
use gatelet_settings::Editor as Settings;
use heapless::{Deque, String};
use smoltcp::time::Instant;

use crate::diary::{self, Diaries, Diary};
use crate::editor::Editor;
use crate::history::History;
use crate::input::Decoder;
use crate::log::{Level, Log};
use crate::narrate;
use crate::output::Output;
use crate::pcap::Encoder;
use crate::request::{Report, Request};
use crate::setup::Question;
use crate::time::{Clock, Context};

/// The console of one terminal.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is remembered of keys and terminal does not exclude each other"
)]
pub struct Console {
    version: &'static str,
    /// What was typed, and not looked at yet.
    typed: Deque<u8, TYPED>,
    /// Something was lost: the line it was in is not to be run.
    is_torn: bool,
    decoder: Decoder,
    editor: Editor,
    history: History,
    output: Output,
    mode: Mode,
    /// Between the marks of a bracketed paste.
    is_pasting: bool,
    /// The next character is taken as it is.
    is_literal: bool,
    columns: u16,
    /// 0: not known, so nothing is paged.
    rows: u16,
    /// The terminal answers when it is asked for its size.
    tells_size: bool,
    /// Rows printed since the last key.
    printed: u16,
    host_name: String<HOST_NAME>,
    is_changed: bool,
    language: Language,
    clock: Clock,
    diaries: Diaries,
    log: Log,
    /// What is shown as it happens.
    live: Option<Level>,
    request: Option<Wanted>,
    /// What a request or a listing is about.
    subject: String<SUBJECT>,
    pcap: Encoder,
    counters: Counters,
}

/// What was not taken as it came. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Octets typed ahead that found no room.
    pub typed_lost: u32,
    /// Octets that are no UTF-8, and characters that are not to be shown.
    pub unprintable: u32,
    /// Lines that were too long, or had lost something: not run.
    pub lines_refused: u32,
    /// Events that were not shown as they happened, since there was no room; the log has them.
    pub events_skipped: u32,
    /// Octets printed that found no room.
    pub output_lost: u32,
}

/// What happens to what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Prompt,
    Listing {
        what: Listing,
        at: u32,
        step: Step,
    },
    /// Lines come from the owner.
    Stream {
        is_capture: bool,
    },
    Confirm(Confirm),
    Import,
    SetUp(Question),
    /// The dial is watched.
    Live,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next line can be made.
    Ready,
    /// The owner has been asked for it.
    Asked,
    /// The page is full.
    More,
}

/// A text that is being printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// The owner's.
    Report(Report),
    Log,
    Version,
    /// The settings whose path begins with the subject.
    Settings,
    Diff,
    Export {
        secrets: bool,
    },
    /// What does not go together.
    Conflicts,
    /// All commands.
    Commands,
    /// The command that the subject names.
    Command,
    /// How the line can go on; the line stays.
    Candidates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirm {
    Reboot,
    FactoryReset,
}

/// A request, until the owner takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Line { report: Report, at: u32 },
    Dial { wan: WanId, force: bool },
    HangUp { wan: WanId },
    Probe,
    Ping { count: u16 },
    Traceroute,
    Resolve,
    Capture { port: crate::CapturePort, filter: crate::Filter, count: u16 },
    Cancel,
    Reboot,
    FactoryReset,
    Exit,
}

impl Console {
    /// A console of which nothing is seen before [`start`](Self::start). `version` names firmware and board.
    pub fn new(now: Instant, version: &'static str) -> Self {
        Self {
            version,
            typed: Deque::new(),
            is_torn: false,
            decoder: Decoder::default(),
            editor: Editor::default(),
            history: History::default(),
            output: Output::default(),
            mode: Mode::Prompt,
            is_pasting: false,
            is_literal: false,
            columns: 80,
            rows: 0,
            tells_size: false,
            printed: 0,
            host_name: String::new(),
            is_changed: false,
            language: Language::English,
            clock: Clock::default(),
            diaries: [Diary::new(now); MAX_WANS],
            log: Log::default(),
            live: None,
            request: None,
            subject: String::new(),
            pcap: Encoder::default(),
            counters: Counters::default(),
        }
    }

    /// Greets. `ask_size`: whether there is a terminal, which can be asked for its size, and not a program. Where nothing is set
    /// yet, the questions of the first start follow.
    pub fn start(&mut self, settings: &Settings, ask_size: bool) {
        self.follow(settings);
        if ask_size {
            self.output.put(format_args!("{ASK_SIZE}"));
        }
        self.output.put(format_args!("\r\x1b[K\nGatelet {}\n", self.version));
        if settings.running().records().next().is_none() {
            self.begin_set_up();
        } else {
            let help = self.pick(
                "Type help for what there is, ? for help within a line.",
                "输入 help 查看命令,行内按 ? 获得帮助。",
            );
            self.put_wrapped(help);
            self.prompt();
        }
    }

    /// The time of day, since somebody has told it.
    pub const fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// The time of day, as far as it is known.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// The size of the terminal, for an owner that knows it.
    pub fn set_size(&mut self, columns: u16, rows: u16) {
        self.columns = columns.clamp(crate::input::COLUMNS_LEAST, COLUMNS_MOST);
        self.rows = rows;
    }

    /// What was not taken as it came.
    pub const fn counters(&self) -> Counters {
        Counters { output_lost: self.output.lost(), ..self.counters }
    }

    // What comes in. Each is followed by `advance`.

    /// An octet was typed.
    pub fn handle_byte(&mut self, octet: u8) {
        if octet == CTRL_C && matches!(self.mode, Mode::Listing { .. } | Mode::Stream { .. }) {
            self.interrupt();
            return;
        }
        if self.typed.push_back(octet).is_err() {
            self.counters.typed_lost = self.counters.typed_lost.wrapping_add(1);
            self.is_torn = true;
        }
    }

    /// Something happened: it goes into the log, and is shown if that is wanted.
    pub fn handle_event(&mut self, now: Instant, event: &RouterEvent) {
        if let RouterEvent::Wan(wan, event) = event
            && let Some(diary) = diary::of(&mut self.diaries, *wan)
        {
            diary.handle_event(now, self.clock, event);
        }
        if let RouterEvent::WallClock { unix_seconds } = event {
            self.clock.unix_seconds_at_zero = unix_seconds.checked_add_signed(-now.secs());
        }
        let language = self.language;
        let mut told = crate::Text::new();
        let mut level = None;
        let (log, clock) = (&mut self.log, self.clock);
        narrate::event(event, now, language, &mut |new, text| {
            told = log.add(now, clock, new, text).try_into().unwrap_or_default();
            level = Some(new);
        });
        if let Some(level) = level {
            self.show_live(level, &told);
        }
        if self.mode == Mode::Live
            && self.output.has_room()
            && matches!(event, RouterEvent::Wan(WanId(0), WanEvent::Up { .. }))
        {
            let done =
                self.pick("You are on line. `show wan` tells more.", "已经上线。输入 show wan 查看详情。");
            self.output.put(format_args!("{done}\n"));
            self.prompt();
        }
    }

    /// Something happened to the settings. [`advance`](Self::advance) asks for it too.
    pub fn handle_settings_event(&mut self, now: Instant, event: gatelet_settings::Event) {
        let text = match event {
            gatelet_settings::Event::Stored => {
                if self.output.has_room() {
                    self.interject(self.pick("Saved.", "已保存。"));
                }
                return;
            }
            gatelet_settings::Event::RolledBack => self.pick(
                "Not confirmed in time: the settings from before are in force again.",
                "未在时限内确认:已恢复之前的设置。",
            ),
            gatelet_settings::Event::NotStored => self.pick(
                "The settings could not be written to flash: a reboot brings back what was before.",
                "设置无法写入闪存:重启后将恢复之前的设置。",
            ),
        };
        self.log(now, Level::Error, format_args!("{text}"));
        if self.live.is_none() && self.output.has_room() {
            self.interject(text);
        }
    }

    /// Adds a line to the log: what was kept over a reboot, what a task of the owner's has to say.
    pub fn log(&mut self, now: Instant, level: Level, text: core::fmt::Arguments<'_>) {
        let line: crate::Text = self.log.add(now, self.clock, level, text).try_into().unwrap_or_default();
        self.show_live(level, &line);
    }

    /// Does what can be done now: looks at what was typed, prints what has room. To be called after all else, and when
    /// [`output`](Self::output) has gone.
    pub fn advance(&mut self, now: Instant, settings: &mut Settings) {
        self.follow(settings);
        if let Some(event) = settings.poll_event() {
            self.handle_settings_event(now, event);
        }
        while self.output.has_room() && self.step(now, settings) {
            self.follow(settings);
        }
    }

    fn step(&mut self, now: Instant, settings: &mut Settings) -> bool {
        match self.mode {
            Mode::Listing { what, at, step: Step::Ready } => {
                self.print_next(what, at, now, settings);
                true
            }
            // The owner's turn.
            Mode::Listing { step: Step::Asked, .. } | Mode::Stream { .. } => false,
            _ if self.request.is_some() => false,
            _ => {
                let Some(octet) = self.typed.pop_front() else { return false };
                for input in self.decoder.handle(octet).into_iter().flatten() {
                    self.handle_input(now, input, settings);
                }
                true
            }
        }
    }

    // What goes out.

    /// What is to be sent to the terminal; empty if there is nothing. [`sent`](Self::sent) takes it away.
    pub fn output(&self) -> &[u8] {
        self.output.waiting()
    }

    /// So many octets of the output are sent.
    pub fn sent(&mut self, len: usize) {
        self.output.sent(len);
    }

    /// Whether the owner can give a line or a frame of what streams.
    pub fn wants_answer(&self) -> bool {
        self.output.has_room()
            && matches!(self.mode, Mode::Stream { .. } | Mode::Listing { step: Step::Asked, .. })
    }

    /// What is wanted of the owner.
    pub fn poll_request(&mut self, now: Instant) -> Option<Request<'_>> {
        let wanted = self.request.take()?;
        let subject = &self.subject;
        Some(match wanted {
            Wanted::Line { report, at } => {
                let wan = if let Report::Wan(wan) = report { wan } else { WanId(0) };
                let day = diary::of(&mut self.diaries, wan).map(|diary| diary.day(now, self.clock));
                let (clock, language, columns) = (self.clock, self.language, self.columns);
                let context = Context { now, clock, language, columns, day: day.unwrap_or_default() };
                Request::Line { report, at, context }
            }
            Wanted::Dial { wan, force } => Request::Dial { wan, force },
            Wanted::HangUp { wan } => Request::HangUp { wan },
            Wanted::Probe => Request::Probe,
            Wanted::Ping { count } => Request::Ping { host: subject, count },
            Wanted::Traceroute => Request::Traceroute { host: subject },
            Wanted::Resolve => Request::Resolve { name: subject },
            Wanted::Capture { port, filter, count } => Request::Capture { port, filter, count },
            Wanted::Cancel => Request::Cancel,
            Wanted::Reboot => Request::Reboot,
            Wanted::FactoryReset => Request::FactoryReset,
            Wanted::Exit => Request::Exit,
        })
    }

    // Helpers.

    fn follow(&mut self, settings: &Settings) {
        self.language = settings.running().language();
        self.clock.utc_offset_minutes = settings.running().utc_offset_minutes();
        self.is_changed = settings.is_changed();
        let name = settings.running().host_name();
        if self.host_name != name {
            self.host_name = name.chars().take(HOST_NAME).collect();
        }
    }

    pub(crate) const fn pick(&self, english: &'static str, chinese: &'static str) -> &'static str {
        match self.language {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    // For `setup.rs`.

    pub(crate) fn put(&mut self, text: core::fmt::Arguments<'_>) {
        self.output.put(text);
    }

    pub(crate) fn put_wrapped(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let (end, next) = crate::width::wrap(rest, usize::from(self.columns) - 1);
            self.output.put(format_args!("{}\n", rest.get(..end).unwrap_or_default()));
            rest = rest.get(next..).unwrap_or_default();
        }
    }

    /// The language it speaks.
    pub const fn language(&self) -> Language {
        self.language
    }

    pub(crate) const fn enter_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    pub(crate) fn leave_set_up(&mut self) {
        self.prompt();
    }

    fn show_live(&mut self, level: Level, line: &str) {
        match self.mode {
            Mode::Live => {}
            _ if self.live.is_some_and(|live| level <= live) => {}
            _ => return,
        }
        if self.output.has_room() && matches!(self.mode, Mode::Live | Mode::Prompt) {
            self.interject(line);
        } else {
            self.counters.events_skipped = self.counters.events_skipped.wrapping_add(1);
        }
    }

    /// Prints a line above the one being typed.
    fn interject(&mut self, line: &str) {
        match self.mode {
            Mode::Live => self.output.put(format_args!("  {line}\n")),
            Mode::Prompt => {
                self.output.put(format_args!("\r\x1b[K"));
                self.put_wrapped(line);
                self.draw();
            }
            _ => {}
        }
    }

    fn interrupt(&mut self) {
        self.typed.clear();
        self.is_torn = false;
        self.decoder = Decoder::default();
        // A request that the owner has not taken need not be cancelled.
        let is_asked = self.request.take().is_none();
        if let Mode::Stream { is_capture } = self.mode {
            if is_capture {
                self.end_capture();
            }
            if is_asked {
                self.request = Some(Wanted::Cancel);
            }
        }
        self.output.put(format_args!("^C\n"));
        self.prompt();
    }

    /// A new line to be typed.
    fn prompt(&mut self) {
        self.mode = Mode::Prompt;
        self.printed = 0;
        self.history.leave();
        let _ = self.editor.take();
        self.draw();
    }

    fn draw(&mut self) {
        let prompt = self.prompt_text();
        self.editor.draw(&prompt, self.columns, &mut self.output);
    }

    fn prompt_text(&self) -> String<PROMPT> {
        let mut prompt = String::new();
        let mark = match self.mode {
            Mode::Import => "import> ",
            _ if self.is_changed => "*> ",
            _ => "> ",
        };
        let has_room = crate::width::of(&self.host_name) + 8 < usize::from(self.columns) / 2;
        if has_room && self.mode != Mode::Import {
            // There is room for both.
            let _ = prompt.push_str(&self.host_name);
        }
        let _ = prompt.push_str(mark);
        prompt
    }
}

/// Octets that are typed ahead.
const TYPED: usize = 512;
/// A label of the DNS is not longer; nor is more of it shown.
const HOST_NAME: usize = 32;
const PROMPT: usize = HOST_NAME + 8;
/// The longest name of a host, or path.
const SUBJECT: usize = 128;
/// What a line is drawn for at most.
pub(crate) const COLUMNS_MOST: u16 = 240;
const CTRL_C: u8 = 3;
/// Saves the cursor, moves it further than any terminal is large, asks where it is, and puts it back.
const ASK_SIZE: &str = "\x1b7\x1b[999;999H\x1b[6n\x1b8";
