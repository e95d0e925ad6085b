//! The console's task: a terminal on one side, the router and the settings on the other.
//!
//! ```text
//!   rx ──► Console ──► tx          settings ◄──► SettingsDesk
//!             │  ▲
//!    requests │  │ lines, frames
//!             ▼  │
//!   commands(), ReportDesk, ping, traceroute, resolve, Tap
//! ```

mod desk;
mod net;
mod tap;

pub(crate) use desk::ReportDesk;
pub(crate) use tap::Tap;

use core::future::pending;

use embassy_futures::select::{Either, Either4, select, select4};
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use embassy_sync::channel::Channel;
use embassy_sync::pubsub::{DynSubscriber, WaitResult};
use embedded_io_async::{Read, Write};
use gatelet_console::{Answer, CapturePort, Console, Filter, Level, Lines, Report, Request, Text, report};
use gatelet_proto::connectivity::{Engine, Event as Change, Verdict};
use gatelet_router::Command;
use heapless::{String, Vec};

use crate::dns::DnsStatus;
use crate::settings::SettingsDesk;
use crate::vigil::Member;
use crate::{Event, Gatelet, TimedEvent, clock};
use net::{Sockets, Space};
use tap::Snap;

/// What the console works with, beside the router.
pub struct ConsoleSide<'a, M: RawMutex> {
    /// The settings.
    pub settings: &'a SettingsDesk<M>,
    /// The WAN's stack, for `ping`, `traceroute` and `resolve`: with room for three sockets, embassy-net's own one for look-ups among
    /// them. `None`: there are no such commands.
    pub stack: Option<Stack<'a>>,
    /// Shows every [engine](crate::Connectivity) that there is, one after the other.
    pub engines: &'a ShowEngines<'a>,
    /// Has the Internet checked now; false if nobody checks it.
    pub probe: &'a dyn Fn() -> bool,
    /// Whether there is a person's terminal, and not a program: it can be asked for its size.
    pub is_terminal: bool,
}

/// Shows each of several engines to who looks.
pub type ShowEngines<'a> = dyn Fn(&mut dyn FnMut(&Engine<'_>)) + 'a;

/// Why a console has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleEnd {
    /// The other end is gone, or wants to be: the next one may come.
    Closed,
    /// The user wants a reboot.
    Reboot,
    /// The user wants to forget everything. The settings are at their defaults; ledger and leases are the firmware's to erase,
    /// before it starts anew.
    FactoryReset,
}

/// Something that takes its time, and tells lines.
enum Job {
    Ping { host: Host, count: u16 },
    Traceroute { host: Host },
    Resolve { name: Host },
    Capture { port: CapturePort, filter: Filter, count: u16 },
}

type Host = String<128>;

/// What a job tells.
enum Word {
    Line(Text),
    Frame(Snap),
    Done,
    Failed(&'static str),
}

type Words = Channel<NoopRawMutex, Word, 2>;

/// Why the console's loop was left.
enum Turn {
    Begin(Job),
    Cancel,
    End(ConsoleEnd),
}

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Runs a console until it ends: one task for each terminal. `console` is made by the firmware ([`Console::new`]), which may have put
    /// lines into its log that are older than the task.
    ///
    /// Needs one place among the listeners to [`events`](Self::events); without one, nothing is shown as it happens.
    ///
    /// # Panics
    /// If the stack has no room for the sockets.
    pub async fn run_console(
        &self,
        console: &mut Console,
        side: &ConsoleSide<'_, M>,
        (rx, tx): (&mut impl Read, &mut impl Write),
    ) -> ConsoleEnd {
        let mut events = self.events();
        let mut calls = self.roll_call.join();
        side.settings.edit(|editor| console.start(editor, side.is_terminal));
        let mut job = None;
        loop {
            let words = Words::new();
            let run = async {
                if let Some(job) = job.take() {
                    self.run_job(job, side, &words).await;
                }
                pending::<()>().await;
            };
            let talk = self.talk(console, side, (rx, tx), (&mut events, &mut calls), &words);
            match select(run, talk).await {
                Either::Second(Turn::Begin(next)) => job = Some(next),
                Either::First(()) | Either::Second(Turn::Cancel) => {}
                Either::Second(Turn::End(end)) => return end,
            }
        }
    }

    /// Talks until a job is to begin or to end.
    async fn talk(
        &self,
        console: &mut Console,
        side: &ConsoleSide<'_, M>,
        (rx, tx): (&mut impl Read, &mut impl Write),
        (events, calls): (&mut Option<DynSubscriber<'_, TimedEvent>>, &mut Member<'_, M>),
        words: &Words,
    ) -> Turn {
        let mut typed = [0; 32];
        loop {
            side.settings.edit(|editor| console.advance(clock::now(), editor));
            let output = console.output();
            if !output.is_empty() {
                let len = output.len();
                // A terminal may take as long as it likes to read.
                let shown = calls.answering(async { tx.write_all(output).await.and(tx.flush().await) });
                if shown.await.is_err() {
                    return Turn::End(ConsoleEnd::Closed);
                }
                console.sent(len);
                continue;
            }
            if let Some(request) = console.poll_request(clock::now()) {
                match self.want(&request, side).await {
                    Done::Nothing => {}
                    Done::Line(Some((text, next))) => {
                        console.handle_answer(&Answer::Line { text: &text, next });
                    }
                    Done::Line(None) => console.handle_answer(&Answer::Done),
                    Done::Failed(why) => console.handle_answer(&Answer::Failed(why)),
                    Done::Turn(turn) => return turn,
                }
                continue;
            }
            let word = async { if console.wants_answer() { words.receive().await } else { pending().await } };
            let event = async {
                match events {
                    Some(events) => events.next_message().await,
                    None => pending().await,
                }
            };
            let something = select4(rx.read(&mut typed), word, event, side.settings.next_event());
            match calls.answering(something).await {
                Either4::First(Ok(0) | Err(_)) => return Turn::End(ConsoleEnd::Closed),
                Either4::First(Ok(len)) => {
                    typed.iter().take(len).for_each(|octet| console.handle_byte(*octet));
                }
                Either4::Second(word) => match word {
                    Word::Line(text) => console.handle_answer(&Answer::Line { text: &text, next: 0 }),
                    Word::Frame(Snap { at, len, bytes }) => {
                        let micros = console.clock().unix_micros(at);
                        console.handle_answer(&Answer::Frame { micros, bytes: &bytes, len });
                    }
                    Word::Done => console.handle_answer(&Answer::Done),
                    Word::Failed(why) => console.handle_answer(&Answer::Failed(why)),
                },
                Either4::Third(WaitResult::Message(timed)) => match &timed.event {
                    Event::Router(event) => console.handle_event(timed.at, event),
                    Event::Connectivity { family, event: Change::VerdictChanged { .. }, .. } => {
                        let language = console.language();
                        (side.engines)(&mut |engine| {
                            let mut text = Text::new();
                            if engine.config().family == *family && engine.is_final() {
                                let verdict = engine.verdict();
                                let level = if matches!(verdict, Verdict::Online) {
                                    Level::Info
                                } else {
                                    Level::Warning
                                };
                                // A URL that is longer than the line is cut.
                                let _ = verdict.write(&mut text, language);
                                console.log(timed.at, level, format_args!("{}: {text}", family.name()));
                            }
                        });
                    }
                    Event::Connectivity { .. } => {}
                    Event::TunnelUpdate { tunnel, event } => {
                        let level = if event.is_good() { Level::Info } else { Level::Warning };
                        console.log(timed.at, level, format_args!("tunnel {}: {event}", tunnel.0));
                    }
                },
                Either4::Third(WaitResult::Lagged(count)) => {
                    console.log(
                        clock::now(),
                        Level::Warning,
                        format_args!("{count} events were missed here"),
                    );
                }
                Either4::Fourth(event) => console.handle_settings_event(clock::now(), event),
            }
        }
    }

    /// Does what the console wants, unless it takes its time.
    async fn want(&self, request: &Request<'_>, side: &ConsoleSide<'_, M>) -> Done {
        let host = |text: &str| Host::try_from(text).unwrap_or_default();
        match *request {
            Request::Line { report, at, context } => match report {
                Report::Connectivity => {
                    let mut text = Text::new();
                    let mut found: Vec<_, ENGINES> = Vec::new();
                    (side.engines)(&mut |engine| {
                        let family = engine.config().family;
                        let _ = found.push((family, engine.verdict().clone(), engine.decided_at()));
                    });
                    let mut lines = Lines::new(&mut text, at, &context);
                    report::connectivity(&found, &context, &mut lines);
                    let is_found = lines.is_found();
                    Done::Line(is_found.then(|| (text, at + 1)))
                }
                Report::Dns => {
                    let mut text = Text::new();
                    let mut lines = Lines::new(&mut text, at, &context);
                    self.dns.lock(|status| match &*status.borrow() {
                        Some(DnsStatus { upstreams, cached, statistics, counters }) => {
                            let (cached, statistics) = (*cached, *statistics);
                            report::dns(&report::Dns { upstreams, cached, statistics, counters }, &mut lines);
                        }
                        None => lines.line(format_args!("there is no DNS service here")),
                    });
                    let is_found = lines.is_found();
                    Done::Line(is_found.then(|| (text, at + 1)))
                }
                _ => Done::Line(self.reports.ask(report, at, context).await),
            },
            Request::Dial { wan, force } => {
                self.commands.send(Command::Dial { wan, force }).await;
                Done::Nothing
            }
            Request::HangUp { wan } => {
                self.commands.send(Command::HangUp { wan }).await;
                Done::Nothing
            }
            Request::Probe if (side.probe)() => {
                Done::Failed("Under way; `show connectivity` shows what is found.")
            }
            Request::Probe => Done::Failed("Nobody checks that here."),
            Request::Ping { host: to, count } => Done::Turn(Turn::Begin(Job::Ping { host: host(to), count })),
            Request::Traceroute { host: to } => Done::Turn(Turn::Begin(Job::Traceroute { host: host(to) })),
            Request::Resolve { name } => Done::Turn(Turn::Begin(Job::Resolve { name: host(name) })),
            Request::Capture { port, filter, count } => {
                Done::Turn(Turn::Begin(Job::Capture { port, filter, count }))
            }
            Request::Cancel => Done::Turn(Turn::Cancel),
            Request::Reboot => Done::Turn(Turn::End(ConsoleEnd::Reboot)),
            Request::FactoryReset => Done::Turn(Turn::End(ConsoleEnd::FactoryReset)),
            Request::Exit => Done::Turn(Turn::End(ConsoleEnd::Closed)),
        }
    }

    async fn run_job(&self, job: Job, side: &ConsoleSide<'_, M>, words: &Words) {
        let job = match job {
            Job::Capture { port, filter, count } => {
                let sides = side.settings.sides();
                let port = if port == CapturePort::Wan { sides.wan } else { sides.lan };
                return self.tap.run(port, filter, count, words).await;
            }
            job => job,
        };
        let Some(stack) = side.stack else {
            return words.send(Word::Failed("The router has no stack of its own on the line here.")).await;
        };
        let mut space = Space::new();
        let mut sockets = Sockets::new(stack, &mut space);
        let done = match job {
            Job::Ping { host, count } => sockets.ping(&host, count, words).await,
            Job::Traceroute { host } => sockets.trace(&host, words).await,
            Job::Resolve { name } => sockets.resolve(&name, words).await,
            Job::Capture { .. } => Ok(()),
        };
        words.send(done.map_or_else(Word::Failed, |()| Word::Done)).await;
    }
}

/// The most engines that are shown: two families of two WANs.
const ENGINES: usize = 4;

/// What became of a request.
enum Done {
    Nothing,
    Line(Option<(Text, u32)>),
    Failed(&'static str),
    Turn(Turn),
}
