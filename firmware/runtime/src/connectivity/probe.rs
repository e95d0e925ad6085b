//! One probe at a time: a question to a resolver, a page, a greeting to a TLS server.

use core::cell::RefCell;

use embassy_futures::select::{Either, select};
use embassy_net::tcp::{ConnectError, State, TcpSocket};
use embassy_net::udp::UdpSocket;
use embassy_net::{IpEndpoint, Stack};
use embassy_time::WithTimeout;
use gatelet_proto::connectivity::{DnsError, Failure, Outcome, Task, TaskKind, Transport};
use gatelet_wire::http::{self, Progress, ResponseReader};
use gatelet_wire::tls::{self, ANSWER_MAX, Answer, CLIENT_HELLO_MAX, ClientHello};
use gatelet_wire::{IpAddress, dns};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::SlotSpace;
use super::question::{MESSAGE_MAX, QUESTION_MAX, Question, Reply};
use crate::clock;

/// A question by UDP is repeated after as long.
const REPEAT: Duration = Duration::from_secs(1);
/// How long a reset may take to leave.
const GOODBYE: embassy_time::Duration = embassy_time::Duration::from_secs(1);
/// Headers of IPv4 with UDP, and with TCP: a packet's cost beside its payload.
const UDP_HEADERS: u32 = 28;
const TCP_HEADERS: u32 = 40;
/// What a connection takes without payload: three segments to open it, one to end it, an acknowledgement or two.
const TCP_SEGMENTS: u32 = 6;
/// RFC 6335 §6.
const EPHEMERAL: u16 = 49_152;
/// The ports of HTTP and of HTTPS (RFC 9110 §4.2).
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// The sockets of a slot.
pub(super) struct Sockets<'s> {
    tcp: TcpSocket<'s>,
    udp: UdpSocket<'s>,
    /// What the task has cost so far.
    octets: u32,
}

impl<'s> Sockets<'s> {
    pub(super) fn new(stack: Stack<'s>, space: &'s mut SlotSpace) -> Self {
        let SlotSpace { tcp_rx, tcp_tx, rx_meta, udp_rx, tx_meta, udp_tx } = space;
        Self {
            tcp: TcpSocket::new(stack, tcp_rx, tcp_tx),
            udp: UdpSocket::new(stack, rx_meta, udp_rx, tx_meta, udp_tx),
            octets: 0,
        }
    }

    /// Closes whatever the last task left open.
    pub(super) async fn clear(&mut self) {
        self.udp.close();
        self.tcp.abort();
        // Without it the reset would never leave.
        let _ = self.tcp.flush().with_timeout(GOODBYE).await;
    }

    /// Carries out `task`, and reports what it has cost and what came of it.
    pub(super) async fn perform<R: Rng>(
        &mut self,
        task: &Task<'_>,
        rng: &RefCell<R>,
        report: impl FnOnce(u32, Outcome<'_>),
    ) {
        self.octets = 0;
        match &task.kind {
            TaskKind::Resolve { name, family, resolver, transport } => {
                let id = rng.borrow_mut().next_u32() as u16;
                let resolver = IpEndpoint::new((*resolver).into(), dns::PORT);
                let reply = match (Question::new(id, name.as_str(), *family), transport) {
                    (None, _) => Err(Failure::Unreachable),
                    (Some(question), Transport::Udp) => {
                        self.ask_by_udp(&question, resolver, task.give_up_at, rng).await
                    }
                    (Some(question), Transport::Tcp) => self.ask_by_tcp(&question, resolver, task).await,
                };
                match reply {
                    Ok(Reply::Addresses(addresses)) => report(self.octets, Outcome::Addresses(&addresses)),
                    Ok(Reply::Error(error)) => report(self.octets, Outcome::NoAddress(error)),
                    Err(failure) => report(self.octets, Outcome::Failed(failure)),
                }
            }
            TaskKind::Get { address, host, path } => {
                let mut reader = ResponseReader::new();
                let got = self.get((*address).into(), host, path, task, &mut reader).await;
                // What there is when time is up, or the connection breaks, is reported as it is.
                match (reader.response(), got) {
                    (Some(response), _) => report(self.octets, Outcome::Response(response)),
                    (None, Err(failure)) => report(self.octets, Outcome::Failed(failure)),
                    (None, Ok(())) => report(self.octets, Outcome::Failed(Failure::Broken)),
                }
            }
            TaskKind::Hello { address, server_name } => {
                let mut seen = [0; ANSWER_MAX];
                let greeted = self.greet((*address).into(), *server_name, task, rng, &mut seen).await;
                match greeted.map(|len| tls::Answer::parse(seen.get(..len).unwrap_or_default())) {
                    Ok(Ok(Some(answer))) => report(self.octets, Outcome::Hello(answer)),
                    Ok(Ok(None)) => report(self.octets, Outcome::Failed(Failure::Broken)),
                    Ok(Err(malformed)) => report(self.octets, Outcome::Failed(Failure::Malformed(malformed))),
                    Err(failure) => report(self.octets, Outcome::Failed(failure)),
                }
            }
        }
    }

    async fn ask_by_udp<R: Rng>(
        &mut self,
        question: &Question,
        resolver: IpEndpoint,
        give_up_at: Instant,
        rng: &RefCell<R>,
    ) -> Result<Reply, Failure> {
        self.udp.close();
        // A port of its own for each question (RFC 5452 §9.2), and another if that one is somebody's.
        let is_bound = (0..4).any(|_| {
            let port = EPHEMERAL | rng.borrow_mut().next_u32() as u16;
            self.udp.bind(port).is_ok()
        });
        let mut buffer = [0; QUESTION_MAX];
        let message = question.emit(&mut buffer).filter(|_| is_bound).ok_or(Failure::Unreachable)?;
        loop {
            let repeat_at = (clock::now() + REPEAT).min(give_up_at);
            let cost = UDP_HEADERS + message.len() as u32;
            self.octets += cost;
            if let Some(Err(_)) = until(repeat_at, self.udp.send_to(message, resolver)).await {
                return Err(Failure::Unreachable);
            }
            let answer = until(repeat_at, async {
                loop {
                    let read = self.udp.recv_from_with(|bytes, from| {
                        let is_its = from.endpoint == resolver;
                        (bytes.len(), if is_its { question.read(bytes) } else { None })
                    });
                    let (len, reply) = read.await;
                    self.octets += UDP_HEADERS + len as u32;
                    if let Some(reply) = reply {
                        return reply;
                    }
                }
            });
            if let Some(reply) = answer.await {
                return Ok(reply);
            }
            if clock::now() >= give_up_at {
                return Err(Failure::AnswerTimeout);
            }
        }
    }

    /// RFC 7766.
    async fn ask_by_tcp(
        &mut self,
        question: &Question,
        resolver: IpEndpoint,
        task: &Task<'_>,
    ) -> Result<Reply, Failure> {
        let mut buffer = [0; 2 + QUESTION_MAX];
        let (prefix, room) = buffer.split_at_mut(2);
        let len = question.emit(room).ok_or(Failure::Unreachable)?.len();
        prefix.copy_from_slice(&(len as u16).to_be_bytes());
        self.connect(resolver, task.connect_by).await?;
        let mut seen = [0; 2 + MESSAGE_MAX];
        let exchange = async {
            self.say(buffer.get(..2 + len).unwrap_or_default()).await?;
            self.listen(&mut seen, |seen| dns::tcp_message(seen).is_some()).await
        };
        let len = until(task.give_up_at, exchange).await.ok_or(Failure::AnswerTimeout)??;
        let seen = seen.get(..len).unwrap_or_default();
        // The answer of a server that has closed halfway, or has more to say than there is room for, makes no sense.
        match dns::tcp_message(seen) {
            Some((message, _)) => Ok(question.read(message).unwrap_or(Reply::Error(DnsError::ServerFailure))),
            None if len < 2 => Err(Failure::Broken),
            None => Ok(Reply::Error(DnsError::ServerFailure)),
        }
    }

    async fn get(
        &mut self,
        address: IpAddress,
        host: &str,
        path: &str,
        task: &Task<'_>,
        reader: &mut ResponseReader,
    ) -> Result<(), Failure> {
        let mut request = [0; 384];
        // A row whose request cannot be written is one of the owner's own list.
        let len = http::emit_get(&mut request, host, path).map_err(|_| Failure::Unreachable)?;
        self.connect(IpEndpoint::new(address, HTTP), task.connect_by).await?;
        let exchange = async {
            self.say(request.get(..len).unwrap_or_default()).await?;
            loop {
                let read = self.tcp.read_with(|bytes| (bytes.len(), (bytes.len(), reader.push(bytes)))).await;
                let Ok((len, progress)) = read else { return self.end(reader) };
                self.octets += received(len);
                match progress {
                    Ok(Progress::Done) => return Ok(()),
                    Ok(Progress::More) => {}
                    Err(malformed) => return Err(Failure::Malformed(malformed)),
                }
            }
        };
        until(task.give_up_at, exchange).await.unwrap_or(Err(Failure::AnswerTimeout))
    }

    /// The connection has ended, one way or the other.
    fn end(&self, reader: &mut ResponseReader) -> Result<(), Failure> {
        if self.tcp.state() == State::Closed {
            return Err(Failure::Broken);
        }
        // Closed in good order, which may be how the body ends. Before the head has: nothing of the kind.
        reader.close().map(|_| ()).map_err(|_| Failure::Broken)
    }

    /// Answers how much of an answer there is in `seen`.
    async fn greet<R: Rng>(
        &mut self,
        address: IpAddress,
        server_name: Option<&str>,
        task: &Task<'_>,
        rng: &RefCell<R>,
        seen: &mut [u8; ANSWER_MAX],
    ) -> Result<usize, Failure> {
        let mut hello = ClientHello { random: [0; 32], session_id: [0; 32], key_share: [0; 32], server_name };
        for octets in [&mut hello.random, &mut hello.session_id, &mut hello.key_share] {
            rng.borrow_mut().fill_bytes(octets);
        }
        let mut buffer = [0; CLIENT_HELLO_MAX];
        let len = hello.emit(&mut buffer).map_err(|_| Failure::Unreachable)?;
        self.connect(IpEndpoint::new(address, HTTPS), task.connect_by).await?;
        let exchange = async {
            self.say(buffer.get(..len).unwrap_or_default()).await?;
            self.listen(seen, |seen| !matches!(Answer::parse(seen), Ok(None))).await
        };
        let greeted = until(task.give_up_at, exchange).await.unwrap_or(Err(Failure::AnswerTimeout));
        // What is in the window has come over the line, too.
        self.octets += self.tcp.recv_queue() as u32;
        greeted
    }

    async fn connect(&mut self, to: IpEndpoint, connect_by: Instant) -> Result<(), Failure> {
        self.octets += TCP_SEGMENTS * TCP_HEADERS;
        match until(connect_by, self.tcp.connect(to)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(ConnectError::ConnectionReset)) => Err(Failure::Rejected),
            Some(Err(ConnectError::TimedOut)) | None => Err(Failure::ConnectTimeout),
            Some(Err(ConnectError::NoRoute | ConnectError::InvalidState)) => Err(Failure::Unreachable),
        }
    }

    async fn say(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        self.octets += TCP_HEADERS + bytes.len() as u32;
        while !bytes.is_empty() {
            let written = self.tcp.write(bytes).await.map_err(|_| Failure::Broken)?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads until it is enough, the room is full, or the far end closes, and answers how much there is.
    async fn listen(&mut self, room: &mut [u8], is_enough: impl Fn(&[u8]) -> bool) -> Result<usize, Failure> {
        let mut len = 0;
        while let Some(rest) = room.get_mut(len..).filter(|rest| !rest.is_empty()) {
            match self.tcp.read(rest).await {
                Ok(0) => break,
                Ok(read) => {
                    len += read;
                    self.octets += received(read);
                }
                Err(_) => return Err(Failure::Broken),
            }
            if is_enough(room.get(..len).unwrap_or_default()) {
                break;
            }
        }
        Ok(len)
    }
}

/// What octets from a stream have cost: themselves, the segment they came in, and its acknowledgement.
fn received(len: usize) -> u32 {
    len as u32 + 2 * TCP_HEADERS
}

/// Waits for `future`, until `deadline`.
async fn until<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    match select(future, clock::at(deadline)).await {
        Either::First(result) => Some(result),
        Either::Second(()) => None,
    }
}
