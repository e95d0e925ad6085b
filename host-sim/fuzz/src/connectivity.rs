//! The connectivity engine: time, activity, and whatever a network may answer, late, wrong or never.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gatelet_proto::connectivity::probes::{self, Expect};
use gatelet_proto::connectivity::{
    Activity, Config, DnsError, Engine, Event, Failure, Family, Outcome, Region, Task, TaskKind, Verdict,
};
use gatelet_wire::Malformed;
use gatelet_wire::http::ResponseReader;
use gatelet_wire::tls::{Answer, ServerHello};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::input::Input;

/// A verdict is there after this, and final after that.
const PROVISIONAL: Duration = Duration::from_secs(3);
const FINAL: Duration = Duration::from_secs(15);

/// The owner of an engine, and the network it lives in.
struct Owner {
    engine: Engine<'static>,
    rng: chacha20::ChaCha8Rng,
    now: Instant,
    up_at: Option<Instant>,
    tasks: Vec<Task<'static>>,
    /// Whether a probe has got its answer since the line came up.
    was_good: bool,
    is_frozen: bool,
    relaxed: Option<String>,
}

/// Any sequence of steps. The engine never panics, never stands still or runs in circles, asks for no more at once than it
/// may, says nothing good without a reason, and does as it says with DNS.
pub fn engine(input: &[u8]) {
    let mut input = Input::new(input);
    let mut owner = Owner::new(&mut input);
    while let Some(operation) = input.operation() {
        owner.step(operation, &mut input);
        owner.drain();
        owner.check();
    }
}

impl Owner {
    fn new(input: &mut Input<'_>) -> Self {
        let wishes = input.u8();
        let region = match wishes & 3 {
            0 => Region::Cn,
            1 => Region::Global,
            2 => Region::Auto,
            _ => Region::Custom(&probes::TABLE[..usize::from(wishes >> 4)]),
        };
        let family = if wishes & 4 == 0 { Family::Ipv4 } else { Family::Ipv6 };
        let config = Config { in_flight: wishes >> 3 & 15, ..Config::new(region, family) };
        Self {
            engine: Engine::new(config),
            rng: chacha20::ChaCha8Rng::seed_from_u64(1),
            now: Instant::from_secs(1),
            up_at: None,
            tasks: Vec::new(),
            was_good: false,
            is_frozen: false,
            relaxed: None,
        }
    }

    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        match operation % 16 {
            0 => {
                let resolvers = [1, 2, 3, 4].map(|number| IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)));
                self.engine.line_up(self.now, &resolvers[..usize::from(input.u8() % 5)]);
                self.up_at = Some(self.now);
                self.was_good = false;
            }
            1 => {
                self.engine.line_down(self.now);
                self.up_at = None;
                self.was_good = false;
            }
            2 => {
                let end = self.now + input.duration();
                self.pass_until(end);
            }
            3 => {
                let end = self.engine.poll_at().unwrap_or(self.now).max(self.now);
                self.pass_until(end);
            }
            4 => self.engine.check_now(self.now),
            5 => self.engine.handle_activity(self.now, Activity::LanActive),
            6 => self.engine.handle_activity(self.now, Activity::TrafficReturns),
            7 => self.engine.handle_activity(self.now, Activity::TrafficStalled),
            8 => {
                let text = String::from_utf8_lossy(input.octets()).into_owned();
                self.engine
                    .set_captive_portal_uri(Some(&text).filter(|text| !text.is_empty()).map(|text| &**text));
            }
            // Something of a kind that need not fit, for a task that need not be the next.
            9 | 10 => self.answer_wrongly(input),
            _ => self.answer(input),
        }
    }

    /// Time passes, and the engine is called whenever it wants to be.
    fn pass_until(&mut self, end: Instant) {
        // A day of rounds at most: enough for every wait there is.
        let end = end.min(self.now + Duration::from_secs(24 * 3_600));
        let mut calls = 0;
        while let Some(at) = self.engine.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now, &mut self.rng);
            self.drain();
            calls += 1;
            assert!(calls < 20_000, "in circles");
        }
        self.now = self.now.max(end);
    }

    fn answer(&mut self, input: &mut Input<'_>) {
        if self.tasks.is_empty() {
            return;
        }
        let task = self.tasks.remove(usize::from(input.u8()) % self.tasks.len());
        let cost = u32::from(input.u16());
        let how = input.u8();
        let addresses: [IpAddr; 3] = match how >> 4 & 3 {
            0 => [probes::KNOWN_IPV4.into(), probes::KNOWN_IPV6.into(), Ipv4Addr::LOCALHOST.into()],
            1 => [
                Ipv4Addr::new(203, 0, 113, 1).into(),
                Ipv6Addr::LOCALHOST.into(),
                Ipv6Addr::UNSPECIFIED.into(),
            ],
            _ => {
                let number = input.u8();
                let far = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into());
                [Ipv4Addr::new(198, 51, 100, number).into(), far.into(), far.into()]
            }
        };
        let random = [7; 32];
        let hello = ServerHello { version: 0x0304, random, session_id: &[], cipher_suite: 0x1301 };
        let outcome = match (&task.kind, how & 15) {
            (_, 0) => Outcome::Failed(Failure::Unreachable),
            (_, 1) => Outcome::Failed(Failure::Rejected),
            (_, 2) => Outcome::Failed(Failure::ConnectTimeout),
            (_, 3) => Outcome::Failed(Failure::Broken),
            (_, 4) => Outcome::Failed(Failure::Malformed(Malformed::StatusLine)),
            (_, 5) => Outcome::Failed(Failure::AnswerTimeout),
            (TaskKind::Resolve { .. }, 6) => Outcome::NoAddress(DnsError::NoSuchName),
            (TaskKind::Resolve { .. }, 7) => Outcome::NoAddress(DnsError::Refused),
            (TaskKind::Resolve { .. }, 8) => Outcome::NoAddress(DnsError::ServerFailure),
            (TaskKind::Resolve { .. }, 9) => Outcome::Addresses(&[]),
            (TaskKind::Resolve { .. }, _) => Outcome::Addresses(&addresses),
            (TaskKind::Hello { .. }, 6) => Outcome::Hello(Answer::Alert { level: 2, description: how }),
            (TaskKind::Hello { .. }, _) => Outcome::Hello(Answer::ServerHello(hello)),
            (TaskKind::Get { host, path, .. }, how) => {
                let reader = response(host, path, how, input);
                let Some(response) = reader.response() else { return };
                self.was_good |= how >= 12;
                let taken = self.engine.handle_result(self.now, task.id, cost, Outcome::Response(response));
                assert!(taken.is_ok() || !self.engine.awaits(task.id));
                return;
            }
        };
        let awaited = self.engine.awaits(task.id);
        let taken = self.engine.handle_result(self.now, task.id, cost, outcome);
        assert_eq!(taken.is_ok(), awaited, "what fits and is awaited is taken");
        assert!(!self.engine.awaits(task.id), "once");
    }

    fn answer_wrongly(&mut self, input: &mut Input<'_>) {
        let Some(task) = self.tasks.first() else { return };
        let outcome = match input.u8() % 3 {
            0 => Outcome::Hello(Answer::Alert { level: 1, description: 0 }),
            1 => Outcome::NoAddress(DnsError::Refused),
            _ => Outcome::Addresses(&[]),
        };
        let fits = match &task.kind {
            TaskKind::Resolve { .. } => !matches!(outcome, Outcome::Hello(_)),
            TaskKind::Hello { .. } => matches!(outcome, Outcome::Hello(_)),
            TaskKind::Get { .. } => false,
        };
        let awaited = self.engine.awaits(task.id);
        let taken = self.engine.handle_result(self.now, task.id, 0, outcome);
        assert_eq!(taken.is_ok(), awaited && fits);
    }

    fn drain(&mut self) {
        while let Some(task) = self.engine.poll_task(self.now) {
            assert!(self.up_at.is_some(), "nothing is asked without a line");
            assert!(task.connect_by <= task.give_up_at && self.now <= task.give_up_at);
            assert!(task.give_up_at <= self.now + FINAL);
            assert!(self.tasks.iter().all(|other| other.id != task.id), "ids differ");
            if matches!(self.engine.config().region, Region::Cn | Region::Auto) {
                let host = match &task.kind {
                    TaskKind::Resolve { name, .. } => name.as_str().to_owned(),
                    TaskKind::Get { host, .. } => (*host).to_owned(),
                    TaskKind::Hello { server_name, .. } => server_name.unwrap_or_default().to_owned(),
                };
                assert!(!host.contains("google") && !host.contains("gstatic"), "{host}");
            }
            self.tasks.push(task);
        }
        self.tasks.retain(|task| self.engine.awaits(task.id));
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::DnsCacheFrozen => {
                    assert!(!core::mem::replace(&mut self.is_frozen, true), "frozen twice");
                }
                Event::DnsCacheThawed => assert!(core::mem::take(&mut self.is_frozen), "thawed twice"),
                Event::RebindRelaxed => self.relaxed = self.engine.portal_name().map(str::to_owned),
                Event::RebindRestored => assert!(self.relaxed.take().is_some(), "restored twice"),
                Event::NoTraffic => assert_eq!(self.engine.config().family, Family::Ipv4),
                Event::VerdictChanged { is_final } => assert!(is_final || !self.engine.is_final()),
                Event::ProbeDemoted { row } => assert!(self.engine.is_demoted(row)),
                Event::ProbeRestored { row } => assert!(!self.engine.is_demoted(row)),
            }
        }
    }

    fn check(&mut self) {
        assert_eq!(self.is_frozen, self.engine.freezes_dns_cache());
        assert_eq!(self.relaxed.as_deref(), self.engine.portal_name());
        assert_eq!(self.engine.poll_at().is_some(), self.up_at.is_some(), "it stands still");
        let limit = usize::from(self.engine.config().in_flight.max(1));
        // Those of the last round that were still under way come on top.
        assert!(self.tasks.len() <= limit + 20, "{}", self.tasks.len());
        match self.engine.verdict() {
            Verdict::Portal { url } => {
                let text = url.as_str();
                assert!(text.starts_with("http://") || text.starts_with("https://"), "{text}");
                assert!(text.bytes().all(|octet| octet.is_ascii_graphic()), "{text}");
                assert!(!text.contains(['"', '<', '>', '\\', '`']) && text.contains(url.host()), "{text}");
            }
            Verdict::Online => assert!(self.was_good, "on line without a good answer"),
            _ => {}
        }
        let Some(up_at) = self.up_at else {
            assert_eq!(self.engine.verdict(), &Verdict::Unknown);
            return;
        };
        let is_list_of_nobody = matches!(self.engine.config().region, Region::Custom(_));
        let is_due = self.engine.poll_at().is_some_and(|at| at <= self.now);
        if self.now > up_at + PROVISIONAL && !is_due && !is_list_of_nobody {
            assert_ne!(self.engine.verdict(), &Verdict::Unknown, "a verdict is late");
        }
        for seen in self.engine.evidence() {
            if let Some((_, at)) = seen.finding {
                assert!(at >= seen.began_at && at <= self.now);
            }
        }
    }
}

/// A response, of a kind: good from 12 on.
fn response(host: &str, path: &str, how: u8, input: &mut Input<'_>) -> ResponseReader {
    let mut reader = ResponseReader::new();
    let mut push = |octets: &[u8]| {
        let _ = reader.push(octets);
    };
    match how {
        6 => push(b"HTTP/1.1 511 Network Authentication Required\r\n\r\n"),
        7 | 8 => {
            push(b"HTTP/1.1 302 Found\r\nLocation: ");
            push(input.octets());
            push(b"\r\n\r\n");
        }
        9 | 10 => {
            push(b"HTTP/1.1 200 OK\r\n\r\n");
            push(input.octets());
        }
        11 => push(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
        _ => {
            let probe = probes::TABLE.iter().find(|probe| probe.host == host && probe.path == path);
            match probe.map(|probe| probe.expect) {
                Some(Expect::Body(body) | Expect::BodyContains(body)) => {
                    push(b"HTTP/1.1 200 OK\r\n\r\n");
                    push(body.as_bytes());
                }
                _ => push(b"HTTP/1.1 204 No Content\r\n\r\n"),
            }
        }
    }
    let _ = reader.close();
    reader
}
