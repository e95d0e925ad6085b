//! Our engine against a simulated network, in virtual time.

use std::net::{IpAddr, Ipv4Addr};

use chacha20::ChaCha8Rng;
use gatelet_proto::connectivity::{
    Config, DnsError, Engine, Event, Failure, Family, Outcome, Region, Task, TaskId, TaskKind, Verdict,
};
use gatelet_wire::http::{Progress, ResponseReader, emit_get};
use gatelet_wire::tls::{ANSWER_MAX, Answer};
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};

use crate::others::NOT_FOUND;
use gatelet_sim::peers::portal::{Connection, DNS_DELAY, Meeting, Network, RESOLVERS, ROUND_TRIP, Reply};

/// What a run has shown.
pub(crate) struct Run<'a> {
    pub(crate) engine: Engine<'a>,
    pub(crate) now: Instant,
    /// Every verdict published, with its time and whether it was final.
    pub(crate) verdicts: Vec<(Duration, Verdict, bool)>,
    pub(crate) events: Vec<Event>,
    /// Every name asked for and host spoken to.
    pub(crate) hosts: Vec<String>,
    /// When each task began.
    pub(crate) tasks: Vec<Instant>,
    /// What the tasks cost.
    pub(crate) octets: u64,
    /// Answers take up to as much longer, each by chance.
    pub(crate) jitter: Duration,
    rng: ChaCha8Rng,
    pending: Vec<(Instant, TaskId, Done)>,
}

/// An outcome on its way.
enum Done {
    Addresses(Vec<IpAddr>),
    NoAddress(DnsError),
    Response(Box<ResponseReader>),
    Hello(Vec<u8>),
    Failed(Failure),
}

const START: Instant = Instant::from_micros_const(1_000_000_000);
/// What a task costs in octets: a question, a small page.
const QUESTION: u32 = 180;
const PAGE: u32 = 900;

impl<'a> Run<'a> {
    pub(crate) fn new(region: Region<'a>, family: Family) -> Self {
        Self::with(Config::new(region, family), 4)
    }

    pub(crate) fn with(config: Config<'a>, seed: u64) -> Self {
        Self {
            engine: Engine::new(config),
            now: START,
            verdicts: Vec::new(),
            events: Vec::new(),
            hosts: Vec::new(),
            tasks: Vec::new(),
            octets: 0,
            jitter: Duration::ZERO,
            rng: ChaCha8Rng::seed_from_u64(seed),
            pending: Vec::new(),
        }
    }

    /// The line comes up.
    pub(crate) fn line_up(&mut self) {
        let resolvers: Vec<IpAddr> =
            (0..RESOLVERS).map(|number| Ipv4Addr::new(192, 0, 2, 53 + number as u8).into()).collect();
        self.engine.line_up(self.now, &resolvers);
        self.drain_events();
    }

    /// Lives in `network` for as long.
    pub(crate) fn live(&mut self, network: &Network, duration: Duration) {
        self.live_until(network, self.now + duration, |_| false);
    }

    /// Lives in `network` until a final verdict.
    pub(crate) fn decide(&mut self, network: &Network) {
        self.live_until(network, self.now + Duration::from_secs(20), |engine| {
            engine.is_final() && *engine.verdict() != Verdict::Unknown
        });
    }

    fn live_until(&mut self, network: &Network, end: Instant, is_enough: impl Fn(&Engine<'_>) -> bool) {
        loop {
            while let Some(task) = self.engine.poll_task(self.now) {
                self.begin(network, &task);
                self.drain_events();
            }
            self.drain_events();
            if is_enough(&self.engine) {
                return;
            }
            let answer = self.pending.iter().map(|(at, ..)| *at).min();
            let next = [answer, self.engine.poll_at()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            let due = self.pending.iter().enumerate().filter(|(_, (at, ..))| *at <= self.now);
            if let Some((index, _)) = due.min_by_key(|(_, (at, ..))| *at) {
                let (_, id, done) = self.pending.remove(index);
                self.report(id, &done);
            } else {
                self.engine.handle_timeout(self.now, &mut self.rng);
            }
            self.drain_events();
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            if let Event::VerdictChanged { is_final } = event {
                let verdict = self.engine.verdict().clone();
                self.verdicts.push((self.now - START, verdict, is_final));
            }
            self.events.push(event);
        }
    }

    fn report(&mut self, id: TaskId, done: &Done) {
        let (octets, outcome) = match done {
            Done::Addresses(addresses) => (QUESTION, Outcome::Addresses(addresses)),
            Done::NoAddress(error) => (QUESTION, Outcome::NoAddress(*error)),
            Done::Response(reader) => (PAGE, Outcome::Response(reader.response().expect("a head"))),
            Done::Hello(octets) => {
                let answer = Answer::parse(octets).expect("an answer").expect("a whole one");
                (PAGE + 1_000, Outcome::Hello(answer))
            }
            Done::Failed(failure) => (QUESTION, Outcome::Failed(*failure)),
        };
        self.octets += u64::from(octets);
        // Late ones are the engine's to drop, and it counts them.
        let _ = self.engine.handle_result(self.now, id, octets, outcome);
    }

    fn begin(&mut self, network: &Network, task: &Task<'_>) {
        self.tasks.push(self.now);
        let (at, done) = match &task.kind {
            TaskKind::Resolve { name, family, resolver, transport } => {
                self.hosts.push(name.as_str().to_owned());
                let IpAddr::V4(resolver) = resolver else { panic!("the resolvers are IPv4's") };
                let number = usize::from(resolver.octets()[3] - 53);
                let in_time = self.now + DNS_DELAY.into();
                match (network.dns)(number, *transport, name.as_str(), *family) {
                    Reply::Addresses(addresses) => (in_time, Done::Addresses(addresses)),
                    Reply::NoSuchName => (in_time, Done::NoAddress(DnsError::NoSuchName)),
                    Reply::Refused => (in_time, Done::NoAddress(DnsError::Refused)),
                    Reply::Rejected => (in_time, Done::Failed(Failure::Rejected)),
                    Reply::Silent => (task.give_up_at, Done::Failed(Failure::AnswerTimeout)),
                }
            }
            TaskKind::Get { address, host, path } => {
                emit_get(&mut [0; 512], host, path).expect("a request");
                self.hosts.push((*host).to_owned());
                let connection = Connection { address: *address, port: 80, host, path };
                self.connect(task, (network.tcp)(&connection), |so_far, is_closed| {
                    let mut reader = ResponseReader::new();
                    let progress = reader.push(so_far);
                    let progress =
                        if is_closed && progress == Ok(Progress::More) { reader.close() } else { progress };
                    match progress {
                        Ok(Progress::Done) => Some(Done::Response(Box::new(reader))),
                        Ok(Progress::More) => None,
                        Err(malformed) => Some(Done::Failed(Failure::Malformed(malformed))),
                    }
                })
            }
            TaskKind::Hello { address, server_name } => {
                self.hosts.push(server_name.unwrap_or_default().to_owned());
                let connection = Connection { address: *address, port: 443, host: "", path: "" };
                self.connect(task, (network.tcp)(&connection), |so_far, is_closed| {
                    let seen = &so_far[..so_far.len().min(ANSWER_MAX)];
                    match Answer::parse(seen) {
                        Ok(Some(_)) => Some(Done::Hello(seen.to_vec())),
                        Ok(None) => is_closed.then_some(Done::Failed(Failure::Broken)),
                        Err(malformed) => Some(Done::Failed(Failure::Malformed(malformed))),
                    }
                })
            }
        };
        let most = self.jitter.total_micros().max(1);
        let late = Duration::from_micros(u64::from(self.rng.next_u32()) % most);
        self.pending.push(((at + late).min(task.give_up_at), task.id, done));
    }

    /// What comes of a connection: `look` says when what has arrived is enough.
    fn connect(
        &self,
        task: &Task<'_>,
        meeting: Meeting,
        look: impl Fn(&[u8], bool) -> Option<Done>,
    ) -> (Instant, Done) {
        let up_at = self.now + ROUND_TRIP.into();
        let (at_once, drip) = match meeting {
            Meeting::Page => (NOT_FOUND.to_vec(), None),
            Meeting::Dropped => return (task.connect_by, Done::Failed(Failure::ConnectTimeout)),
            Meeting::Reset => return (up_at, Done::Failed(Failure::Rejected)),
            Meeting::Stream { at_once, drip } => (at_once, drip),
        };
        let mut at = up_at + ROUND_TRIP.into();
        let mut so_far = at_once;
        let mut unit = drip.iter().flat_map(|(_, unit)| unit).copied().cycle();
        loop {
            if let Some(done) = look(&so_far, drip.is_none()) {
                return (at, done);
            }
            let Some((pause, _)) = &drip else { return (at, Done::Failed(Failure::Broken)) };
            at += (*pause).into();
            if at > task.give_up_at {
                break;
            }
            so_far.extend(unit.next());
        }
        // Time is up: a response whose head is whole is told as it is.
        let mut reader = ResponseReader::new();
        let is_http = matches!(task.kind, TaskKind::Get { .. }) && reader.push(&so_far).is_ok();
        if is_http && reader.response().is_some() {
            return (task.give_up_at, Done::Response(Box::new(reader)));
        }
        (task.give_up_at, Done::Failed(Failure::AnswerTimeout))
    }
}
