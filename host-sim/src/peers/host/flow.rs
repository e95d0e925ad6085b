//! A connection that is kept open for hours and says something once in a while: a shell, a telephone, a game.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

use super::Next;
use super::body::Body;
use super::connect::{Connect, Connecting};
use super::lookup::{Found, Lookup, Target};
use crate::scenario::values::format_duration;
use crate::timeline::Tone;

/// What is said.
const WORDS: &[u8] = b"are you still there?";

/// A connection kept open, from its lookup to its end. It ends with the first failure.
#[derive(Debug)]
pub(super) struct Flow {
    target: Target,
    port: u16,
    every: Duration,
    until: Instant,
    /// How long an answer may take, or a connection.
    patience: Duration,
    step: Step,
    said: u32,
}

#[derive(Debug)]
enum Step {
    Name(Lookup),
    Connection(Connect),
    /// Nothing to say until then.
    Quiet(SocketHandle, Instant),
    /// Said something; this much of it has come back.
    Waiting {
        handle: SocketHandle,
        heard: usize,
        since: Instant,
    },
}

impl Flow {
    pub(super) fn new(
        now: Instant,
        target: Target,
        port: u16,
        every: Duration,
        lasts: Duration,
        patience: Duration,
    ) -> Self {
        let step = Step::Name(Lookup::new(now, target.clone()));
        Self { target, port, every, until: now + lasts, patience, step, said: 0 }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        loop {
            match &mut self.step {
                Step::Name(lookup) => match lookup.poll(now, body) {
                    Found::NotYet(until) => return Next::Wait(Some(until)),
                    Found::Nothing(why) => return self.lost(None, body, &why),
                    Found::Addresses(addresses) => {
                        let connect = Connect::new(now, addresses, self.port, self.patience);
                        self.step = Step::Connection(connect);
                    }
                },
                Step::Connection(connect) => match connect.poll(now, body) {
                    Connecting::NotYet(until) => return Next::Wait(Some(until)),
                    Connecting::Failed(why) => return self.lost(None, body, why),
                    Connecting::Up(address, handle) => {
                        self.step = Step::Quiet(handle, now);
                        let (target, every) = (&self.target, format_duration(self.every));
                        let what = format!("keeps a connection to {target} open");
                        body.tell(
                            "flow-opened",
                            Tone::Plain,
                            &what,
                            format!("{address}, a word every {every}"),
                        );
                    }
                },
                &mut Step::Quiet(handle, until) => {
                    let socket = body.tcp(handle);
                    if !socket.may_recv() {
                        return self.lost(Some(handle), body, "closed while nothing was said");
                    }
                    if now >= self.until {
                        return self.survived(handle, body);
                    }
                    if now < until {
                        return Next::Wait(Some(until.min(self.until)));
                    }
                    // An empty buffer has room for it.
                    let _ = socket.send_slice(WORDS);
                    self.said += 1;
                    self.step = Step::Waiting { handle, heard: 0, since: now };
                }
                Step::Waiting { handle, heard, since } => {
                    let (handle, since) = (*handle, *since);
                    let socket = body.sockets.set.get_mut::<tcp::Socket>(handle);
                    while socket.can_recv() {
                        // There is something.
                        let _ = socket.recv(|bytes| (bytes.len(), *heard += bytes.len()));
                    }
                    if *heard >= WORDS.len() {
                        self.step = Step::Quiet(handle, since + self.every);
                    } else if !socket.may_recv() {
                        let took = format_duration(now - since);
                        return self.lost(Some(handle), body, &format!("reset {took} after a word"));
                    } else if now >= since + self.patience {
                        return self.lost(Some(handle), body, "a word was not answered");
                    } else {
                        return Next::Wait(Some(since + self.patience));
                    }
                }
            }
        }
    }

    fn survived(&mut self, handle: SocketHandle, body: &mut Body<'_>) -> Next {
        body.tcp(handle).close();
        body.release(handle);
        body.tally.flows_survived += 1;
        let what = format!("the connection to {} has lasted", self.target);
        body.tell("flow-survived", Tone::Good, &what, format!("{} words answered", self.said));
        Next::Done
    }

    fn lost(&mut self, handle: Option<SocketHandle>, body: &mut Body<'_>, why: &str) -> Next {
        if let Some(handle) = handle {
            body.tcp(handle).abort();
            body.release(handle);
        }
        body.tally.flows_lost += 1;
        body.tell("flow-lost", Tone::Bad, &format!("the connection to {} is lost", self.target), why);
        Next::Done
    }
}
