//! Says something to a server, word for word, and tells what it answers.

use smoltcp::iface::SocketHandle;
use smoltcp::time::{Duration, Instant};

use super::Next;
use super::body::Body;
use super::connect::{Connect, Connecting};
use super::lookup::{Found, Lookup, Target};
use crate::timeline::Tone;

const PATIENCE: Duration = Duration::from_secs(10);
/// The most of an answer that is read.
const LIMIT: usize = 4096;

/// A question and its answer.
#[derive(Debug)]
pub(super) struct Ask {
    target: Target,
    port: u16,
    text: String,
    answer: Vec<u8>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Name(Lookup),
    Connection(Connect),
    Answer(SocketHandle, Instant),
}

impl Ask {
    pub(super) fn new(now: Instant, target: Target, port: u16, text: String) -> Self {
        let step = Step::Name(Lookup::new(now, target.clone()));
        Self { target, port, text, answer: Vec::new(), step }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        loop {
            match &mut self.step {
                Step::Name(lookup) => match lookup.poll(now, body) {
                    Found::NotYet(until) => return Next::Wait(Some(until)),
                    Found::Nothing(why) => return self.fail(None, body, &why),
                    Found::Addresses(addresses) => {
                        self.step = Step::Connection(Connect::new(now, addresses, self.port, PATIENCE));
                    }
                },
                Step::Connection(connect) => match connect.poll(now, body) {
                    Connecting::NotYet(until) => return Next::Wait(Some(until)),
                    Connecting::Failed(why) => return self.fail(None, body, why),
                    Connecting::Up(_, handle) => {
                        // An empty buffer has room for it.
                        let _ = body.tcp(handle).send_slice(self.text.as_bytes());
                        self.step = Step::Answer(handle, now + PATIENCE);
                    }
                },
                &mut Step::Answer(handle, deadline) => {
                    let socket = body.sockets.set.get_mut::<smoltcp::socket::tcp::Socket>(handle);
                    while socket.can_recv() {
                        let answer = &mut self.answer;
                        // There is something.
                        let _ = socket.recv(|bytes| (bytes.len(), answer.extend_from_slice(bytes)));
                    }
                    let over = !socket.may_recv() || self.answer.len() > LIMIT;
                    if !over && now < deadline {
                        return Next::Wait(Some(deadline));
                    }
                    if self.answer.is_empty() {
                        return self.fail(Some(handle), body, "no answer");
                    }
                    body.tcp(handle).close();
                    body.release(handle);
                    let said = String::from_utf8_lossy(&self.answer).into_owned();
                    let what = format!("{} answers", self.target);
                    body.tell("answered", Tone::Plain, &what, said.trim_end());
                    return Next::Done;
                }
            }
        }
    }

    fn fail(&mut self, handle: Option<SocketHandle>, body: &mut Body<'_>, why: &str) -> Next {
        if let Some(handle) = handle {
            body.tcp(handle).abort();
            body.release(handle);
        }
        body.tell("not-answered", Tone::Bad, &format!("{} does not answer", self.target), why);
        Next::Done
    }
}
