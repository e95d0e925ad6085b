//! What the console wants of its owner, and what the owner answers.

use gatelet_router::WanId;
use heapless::String;

use crate::command::{CapturePort, Filter};
use crate::lines::LINE_TEXT;
use crate::time::Context;

/// A line of text.
pub type Text = String<LINE_TEXT>;

/// Something to print that is the owner's to know. [`report`](crate::report) has a function for each; those of the router are
/// all in [`report::router`](crate::report::router).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Report {
    /// A WAN.
    Wan(WanId),
    /// The home network.
    Lan,
    /// Its leases.
    Leases,
    /// Flows.
    Flows,
    /// NAT mappings.
    Nat,
    /// What was dropped, and why.
    Counters,
    /// How full tables and buffers are.
    Memory,
    /// Tunnels.
    Tunnel,
    /// Whether the Internet is there.
    Connectivity,
    /// The DNS service.
    Dns,
}

/// What the console wants.
#[derive(Debug, Clone, Copy)]
pub enum Request<'c> {
    /// A line of a report. Answer with [`Answer::Line`] or [`Answer::Done`].
    Line {
        /// Which report.
        report: Report,
        /// Where: 0 at first, then what the answer before said.
        at: u32,
        /// When, for whom.
        context: Context,
    },
    /// Be on line. No answer.
    Dial {
        /// Which WAN.
        wan: WanId,
        /// Lifts a hold.
        force: bool,
    },
    /// Be off line. No answer.
    HangUp {
        /// Which WAN.
        wan: WanId,
    },
    /// Check the Internet now. Lines until [`Answer::Done`].
    Probe,
    /// Ping a host. Lines until [`Answer::Done`].
    Ping {
        /// A name or an address.
        host: &'c str,
        /// How often.
        count: u16,
    },
    /// Find the way to a host. Lines until [`Answer::Done`].
    Traceroute {
        /// A name or an address.
        host: &'c str,
    },
    /// Resolve a name. Lines until [`Answer::Done`].
    Resolve {
        /// The name.
        name: &'c str,
    },
    /// Capture frames: [`Answer::Frame`]s, as many as the console [has room](crate::Console::wants_answer) for, until
    /// [`Answer::Done`] or [`Request::Cancel`].
    Capture {
        /// At which port.
        port: CapturePort,
        /// Which.
        filter: Filter,
        /// How many.
        count: u16,
    },
    /// No more lines or frames of what was wanted last. No answer, and none to what was cancelled.
    Cancel,
    /// Start anew. No answer.
    Reboot,
    /// Forget ledger and leases too, then start anew; settings are back at their defaults already. No answer.
    FactoryReset,
    /// The connection is to end. No answer.
    Exit,
}

/// What the owner answers.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// A line.
    Line {
        /// What it says.
        text: &'a str,
        /// Where the next one is, for [`Request::Line`].
        next: u32,
    },
    /// A captured frame.
    Frame {
        /// Unix time, or time since the start, in microseconds.
        micros: u64,
        /// The frame from its destination address on, as much of it as was kept.
        bytes: &'a [u8],
        /// How long it was.
        len: u16,
    },
    /// That was all.
    Done,
    /// It cannot be done, and why.
    Failed(&'a str),
}
