//! Fetching a page: name, connection, request, and every octet of the answer compared with what it must be.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use super::Next;
use super::body::Body;
use super::connect::{Connect, Connecting};
use super::lookup::{Found, Lookup, Target};
use super::server::content;
use crate::scenario::values::format_duration;
use crate::timeline::Tone;

/// A page on its way.
#[derive(Debug)]
pub(super) struct Fetch {
    began: Instant,
    target: Target,
    port: u16,
    size: u64,
    patience: Duration,
    /// Without an octet until then, the user gives up.
    deadline: Instant,
    step: Step,
    received: u64,
    head: Vec<u8>,
    head_is_over: bool,
}

#[derive(Debug)]
enum Step {
    Name(Lookup),
    Connection(Connect),
    Answer(IpAddress, SocketHandle),
}

const HEAD_LIMIT: usize = 1024;

impl Fetch {
    pub(super) fn new(now: Instant, target: Target, port: u16, size: u64, patience: Duration) -> Self {
        Self {
            began: now,
            deadline: now + patience,
            step: Step::Name(Lookup::new(now, target.clone())),
            target,
            port,
            size,
            patience,
            received: 0,
            head: Vec::new(),
            head_is_over: false,
        }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        loop {
            match &mut self.step {
                Step::Name(lookup) => match lookup.poll(now, body) {
                    Found::NotYet(until) => return Next::Wait(Some(until)),
                    Found::Nothing(why) => return self.fail(None, body, &why),
                    Found::Addresses(addresses) => {
                        let connect = Connect::new(now, addresses, self.port, self.patience);
                        self.step = Step::Connection(connect);
                    }
                },
                Step::Connection(connect) => match connect.poll(now, body) {
                    Connecting::NotYet(until) => return Next::Wait(Some(until)),
                    Connecting::Failed(why) => return self.fail(None, body, why),
                    Connecting::Up(address, handle) => {
                        let request = format!("GET /{} HTTP/1.0\r\nHost: {}\r\n\r\n", self.size, self.target);
                        // An empty buffer has room for it.
                        let _ = body.tcp(handle).send_slice(request.as_bytes());
                        self.deadline = now + self.patience;
                        self.step = Step::Answer(address, handle);
                    }
                },
                &mut Step::Answer(address, handle) => return self.read(now, address, handle, body),
            }
        }
    }

    fn read(&mut self, now: Instant, address: IpAddress, handle: SocketHandle, body: &mut Body<'_>) -> Next {
        let mut wrong = None;
        let socket = body.tcp(handle);
        while socket.can_recv() {
            self.deadline = now + self.patience;
            // There is something.
            let _ = socket.recv(|bytes| (bytes.len(), wrong = wrong.or(self.take(bytes))));
        }
        let over = !socket.may_recv();
        let reset = socket.state() == tcp::State::Closed;
        if let Some(at) = wrong {
            return self.fail(Some(handle), body, &format!("octet {at} is not what was sent"));
        }
        if over && self.head_is_over && self.received == self.size {
            body.tcp(handle).close();
            body.release(handle);
            body.tally.fetched += 1;
            body.tally.octets_fetched += self.size;
            let what = format!("fetched {} octets from {}", self.size, self.target);
            let took = format_duration(now - self.began);
            body.tell("fetched", Tone::Good, &what, format!("{address}, {took}"));
            return Next::Done;
        }
        let progress = format!("{} of {} octets", self.received, self.size);
        if over {
            let how = if reset { "reset" } else { "closed" };
            return self.fail(Some(handle), body, &format!("{how} after {progress}"));
        }
        if now >= self.deadline {
            return self.fail(Some(handle), body, &format!("stalled after {progress}"));
        }
        Next::Wait(Some(self.deadline))
    }

    /// Takes what came. The offset of the first octet that is wrong, if one is.
    fn take(&mut self, mut bytes: &[u8]) -> Option<u64> {
        while !self.head_is_over {
            let (&octet, rest) = bytes.split_first()?;
            self.head.push(octet);
            self.head_is_over = self.head.ends_with(b"\r\n\r\n");
            if self.head.len() > HEAD_LIMIT {
                return Some(0);
            }
            bytes = rest;
        }
        for &octet in bytes {
            if self.received >= self.size || octet != content(self.received) {
                return Some(self.received);
            }
            self.received += 1;
        }
        None
    }

    fn fail(&mut self, handle: Option<SocketHandle>, body: &mut Body<'_>, why: &str) -> Next {
        if let Some(handle) = handle {
            body.tcp(handle).abort();
            body.release(handle);
        }
        body.tally.fetch_failed += 1;
        body.tell("fetch-failed", Tone::Bad, &format!("no page from {}", self.target), why);
        Next::Done
    }
}
