//! A round of checks: which there are, what is to be done for them next, and what they add up to.

use core::net::IpAddr;

use heapless::Vec;
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::check::{Check, Finding, RESOLVERS_MAX, Running, What, first_of};
use super::classify::{Answer, classify, portal_url};
use super::probes;
use super::region::{PROBES_MAX, TLS_MAX};
use super::task::{
    ANSWER_TIMEOUT, CONNECT_TIMEOUT, DNS_TIMEOUT, Failure, Name, Outcome, RandomName, Task, TaskId, TaskKind,
    Transport,
};
use super::url::Url;
use super::{Dropped, Family, Region};

/// HTTP, TLS, each resolver thrice, two anchors.
pub(super) const CHECKS_MAX: usize = PROBES_MAX + TLS_MAX + 3 * RESOLVERS_MAX + 2;

/// No task lasts longer than this into its round, so that its verdict is there within 15 s.
const TASKS_END: Duration = Duration::from_millis(14_500);
/// One attempt at a probe's name, before another resolver or transport is tried.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// Attempts at a probe's name.
const TRIES: u8 = 3;
/// A task that is silent beyond its end by as much is given up for its owner.
const GRACE: Duration = Duration::from_millis(250);

/// What a round looks at, and whom it may ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'r, 'a> {
    pub(super) region: Region<'a>,
    pub(super) family: Family,
    pub(super) resolvers: &'r [IpAddr],
}

/// The checks of the current round, or of the last one.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) started: Instant,
    pub(super) checks: Vec<Check, CHECKS_MAX>,
    random_name: RandomName,
    /// Where the first portal's answer leads, and whose probe met it.
    pub(super) portal: Option<(Url, u8)>,
    /// The answer that names the portal best: a redirect before a page.
    portal_is_named: bool,
}

impl Round {
    pub(super) const NONE: Self = Self {
        started: Instant::ZERO,
        checks: Vec::new(),
        random_name: RandomName::new(),
        portal: None,
        portal_is_named: false,
    };

    /// All that is looked at to reach a verdict. What decides soonest comes first.
    pub(super) fn full(
        now: Instant,
        rng: &mut dyn Rng,
        scope: Scope<'_, '_>,
        http: &[u8],
        tls: &[u8],
    ) -> Self {
        let mut round = Self { started: now, random_name: random_name(rng), ..Self::NONE };
        let resolvers = 0..scope.resolvers.len().min(RESOLVERS_MAX) as u8;
        let known =
            |transport| resolvers.clone().map(move |resolver| What::KnownName { resolver, transport });
        let all = known(Transport::Udp)
            .chain(resolvers.clone().map(|resolver| What::RandomName { resolver }))
            .chain(known(Transport::Tcp))
            .chain(http.iter().map(|row| What::Http { row: *row }))
            .chain(tls.iter().map(|row| What::Tls { row: *row }));
        for what in all {
            round.push(Check::new(what, None));
        }
        round
    }

    /// One probe's HTTP.
    pub(super) fn watch(now: Instant, row: u8) -> Self {
        let mut round = Self { started: now, ..Self::NONE };
        round.push(Check::new(What::Http { row }, None));
        round
    }

    /// There is room for all that a round can have.
    fn push(&mut self, check: Check) {
        let pushed = self.checks.push(check);
        debug_assert!(pushed.is_ok(), "more checks than CHECKS_MAX");
    }

    /// Whether all is heard that matters. What a resolver says by TCP matters only if none is right by UDP, and an address
    /// looked at for itself only as long as nothing has come back from anywhere; otherwise it is noted when it comes.
    pub(super) fn is_over(&self) -> bool {
        let is_right_by_udp = self.checks.iter().any(|check| {
            let is_udp = matches!(check.what, What::KnownName { transport: Transport::Udp, .. });
            is_udp && matches!(check.finding, Some((Finding::DnsRight, _)))
        });
        let is_alive = self.checks.iter().any(|check| check.is_alive);
        let is_optional = |check: &Check| match check.what {
            What::KnownName { transport: Transport::Tcp, .. } => is_right_by_udp,
            What::Anchor { .. } => is_alive,
            _ => false,
        };
        self.checks.iter().all(|check| check.finding.is_some() || is_optional(check))
    }

    pub(super) fn running(&self) -> usize {
        self.checks.iter().filter(|check| check.task.is_some()).count()
    }

    pub(super) fn awaits(&self, id: TaskId) -> bool {
        self.checks.iter().any(|check| check.task.is_some_and(|task| task.id == id))
    }

    /// When the first task is to be given up.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        self.checks.iter().filter_map(|check| check.task).map(|task| task.give_up_at + GRACE).min()
    }

    /// Looks at addresses themselves, if no resolver has said anything yet.
    pub(super) fn add_anchors(&mut self, scope: Scope<'_, '_>, remembered: Option<(u8, IpAddr)>) {
        let is_heard = |check: &Check| check.is_alive;
        let has_anchors = self.checks.iter().any(|check| matches!(check.what, What::Anchor { .. }));
        if has_anchors || self.checks.iter().any(is_heard) {
            return;
        }
        let [first, second] = scope.region.anchors(scope.family);
        self.push(Check::new(What::Anchor { row: None }, Some(first)));
        let (row, address) = remembered.map_or((None, second), |(row, address)| (Some(row), address));
        self.push(Check::new(What::Anchor { row }, Some(address)));
    }

    /// The next thing to do. A check that cannot go on is concluded on the way.
    pub(super) fn next_task<'a>(
        &mut self,
        now: Instant,
        scope: Scope<'_, 'a>,
        id: TaskId,
    ) -> Option<Task<'a>> {
        let end = self.started + TASKS_END;
        if now >= end {
            return None;
        }
        loop {
            let is_anchor = |check: &Check| matches!(check.what, What::Anchor { .. }) && check.is_waiting();
            let is_ready = |check: &Check| check.is_waiting() && self.is_due(check.what);
            let first = |is: &dyn Fn(&Check) -> bool| self.checks.iter().position(is);
            let index = first(&is_anchor).or_else(|| first(&is_ready))?;
            let Some(kind) = self.task_of(index, scope) else {
                self.checks.get_mut(index)?.conclude(now, Finding::Failed(Failure::Unreachable));
                continue;
            };
            let check = self.checks.get_mut(index)?;
            let began_at = *check.began_at.get_or_insert(now);
            let (connect_by, give_up_at) = match (&kind, check.what) {
                (TaskKind::Resolve { .. }, What::Http { .. } | What::Tls { .. }) => {
                    let by = (now + TRY_TIMEOUT).min(began_at + DNS_TIMEOUT);
                    (by, by)
                }
                (TaskKind::Resolve { .. }, _) => (now + DNS_TIMEOUT, now + DNS_TIMEOUT),
                (TaskKind::Get { .. } | TaskKind::Hello { .. }, _) => {
                    (now + CONNECT_TIMEOUT, now + CONNECT_TIMEOUT + ANSWER_TIMEOUT)
                }
            };
            if now >= give_up_at {
                // A further attempt at a name that waited for its turn until its time was up.
                check.conclude(now, Finding::Failed(Failure::AnswerTimeout));
                continue;
            }
            let (connect_by, give_up_at) = (connect_by.min(end), give_up_at.min(end));
            check.task = Some(Running { id, give_up_at });
            return Some(Task { id, kind, connect_by, give_up_at });
        }
    }

    /// A resolver is asked for a name that nobody has once it has answered at all.
    fn is_due(&self, what: What) -> bool {
        match what {
            What::RandomName { resolver } => self.known(resolver, Transport::Udp).is_some(),
            _ => true,
        }
    }

    fn task_of<'a>(&mut self, index: usize, scope: Scope<'_, 'a>) -> Option<TaskKind<'a>> {
        let check = self.checks.get(index)?;
        let family = scope.family;
        let resolver = |resolver: u8| scope.resolvers.get(usize::from(resolver)).copied();
        match (check.what, check.address) {
            (What::KnownName { resolver: r, transport }, _) => {
                let name = Name::Known(probes::KNOWN_NAME);
                Some(TaskKind::Resolve { name, family, resolver: resolver(r)?, transport })
            }
            (What::RandomName { resolver: r }, _) => {
                let name = Name::Random(self.random_name.clone());
                Some(TaskKind::Resolve { name, family, resolver: resolver(r)?, transport: Transport::Udp })
            }
            (What::Http { row } | What::Anchor { row: Some(row) }, Some(address)) => {
                let probe = scope.region.row(row)?;
                Some(TaskKind::Get { address, host: probe.host, path: probe.path })
            }
            (What::Tls { row }, Some(address)) => {
                Some(TaskKind::Hello { address, server_name: Some(scope.region.row(row)?.host) })
            }
            (What::Anchor { row: None }, Some(address)) => {
                Some(TaskKind::Hello { address, server_name: None })
            }
            (What::Http { row } | What::Tls { row }, None) => {
                let (r, transport) = self.choose_resolver(index, scope)?;
                let name = Name::Known(scope.region.row(row)?.host);
                self.checks.get_mut(index)?.ask(r, transport);
                Some(TaskKind::Resolve { name, family, resolver: resolver(r)?, transport })
            }
            (What::Anchor { .. }, None) => None,
        }
    }

    /// Whom to ask for a probe's name: who was right in this round before who was not asked yet, UDP before TCP, and
    /// each check begins with another resolver.
    fn choose_resolver(&self, index: usize, scope: Scope<'_, '_>) -> Option<(u8, Transport)> {
        let check = self.checks.get(index)?;
        let count = scope.resolvers.len().min(RESOLVERS_MAX);
        let in_turn = (0..count).map(|place| ((place + index) % count) as u8);
        let both = in_turn.flat_map(|resolver| [(resolver, Transport::Udp), (resolver, Transport::Tcp)]);
        both.filter(|(resolver, transport)| !check.was_asked(*resolver, *transport))
            .map(|(resolver, transport)| (self.distrust(resolver, transport), (resolver, transport)))
            .filter(|_| check.tries < TRIES)
            .min_by_key(|(distrust, _)| *distrust)
            .map(|(_, choice)| choice)
    }

    /// 0: it has been right. 1, 2: not asked yet. 3: it does not answer. 4: it lies.
    fn distrust(&self, resolver: u8, transport: Transport) -> u8 {
        match (self.known(resolver, transport), transport) {
            (Some(Finding::DnsWrong(_)), _) => 4,
            (Some(Finding::DnsRight), _) => 0,
            (None, Transport::Udp) => 1,
            (None, Transport::Tcp) => 2,
            (Some(_), _) => 3,
        }
    }

    fn known(&self, resolver: u8, transport: Transport) -> Option<Finding> {
        let what = What::KnownName { resolver, transport };
        self.checks
            .iter()
            .find(|check| check.what == what)
            .and_then(|check| check.finding)
            .map(|(finding, _)| finding)
    }

    /// Whether the resolver has the known name wrong, asked in this way.
    pub(super) fn lies(&self, (resolver, transport): (u8, Transport)) -> bool {
        matches!(self.known(resolver, transport), Some(Finding::DnsWrong(_)))
    }

    /// Takes the outcome of a task.
    pub(super) fn take(
        &mut self,
        now: Instant,
        scope: Scope<'_, '_>,
        id: TaskId,
        outcome: Outcome<'_>,
    ) -> Result<(), Dropped> {
        let is_it = |check: &Check| check.task.is_some_and(|task| task.id == id);
        let index = self.checks.iter().position(is_it).ok_or(Dropped::Late)?;
        let check = self.checks.get_mut(index).ok_or(Dropped::Late)?;
        let finding = match (check.what, check.address, outcome) {
            (_, _, Outcome::Failed(failure)) => Finding::Failed(failure),
            (What::KnownName { .. } | What::RandomName { .. }, _, Outcome::Addresses(addresses)) => {
                named(check.what, scope.family, addresses)
            }
            (What::RandomName { .. }, _, Outcome::NoAddress(super::DnsError::NoSuchName)) => {
                Finding::DnsRight
            }
            (What::KnownName { .. } | What::RandomName { .. }, _, Outcome::NoAddress(error)) => {
                Finding::Dns(error)
            }
            (What::Http { .. } | What::Tls { .. }, None, Outcome::Addresses(addresses)) => {
                check.is_alive = true;
                check.task = None;
                match first_of(addresses, scope.family) {
                    Some(address) => {
                        self.resolved(index, scope, address);
                        return Ok(());
                    }
                    None => Finding::NoAddress,
                }
            }
            (What::Http { .. } | What::Tls { .. }, None, Outcome::NoAddress(error)) => Finding::Dns(error),
            (What::Http { row } | What::Anchor { row: Some(row) }, Some(_), Outcome::Response(response)) => {
                let probe = scope.region.row(row).ok_or(Dropped::Mismatch)?;
                let answer = classify(probe, &response);
                let is_http = matches!(check.what, What::Http { .. });
                let is_better = answer.names_portal() && !self.portal_is_named;
                if is_http && answer.is_sign() && (self.portal.is_none() || is_better) {
                    self.portal = portal_url(probe, &response).map(|url| (url, row));
                    self.portal_is_named = answer.names_portal();
                }
                Finding::Http(answer)
            }
            (What::Tls { .. } | What::Anchor { row: None }, Some(_), Outcome::Hello(answer)) => {
                match answer {
                    gatelet_wire::tls::Answer::ServerHello(_) => Finding::ServerHello,
                    gatelet_wire::tls::Answer::Alert { description, .. } => Finding::Alert(description),
                }
            }
            _ => return Err(Dropped::Mismatch),
        };
        self.found(now, index, scope, finding);
        self.repeat_misled(scope);
        Ok(())
    }

    /// A check that a lying resolver misled begins again, once somebody is known to be honest.
    fn repeat_misled(&mut self, scope: Scope<'_, '_>) {
        for index in 0..self.checks.len() {
            let Some(check) = self.checks.get(index) else { continue };
            let is_bad = !matches!(
                check.finding,
                None | Some((Finding::Http(Answer::Good | Answer::Injected) | Finding::ServerHello, _))
            );
            let is_misled = check.resolver.is_some_and(|resolver| self.lies(resolver));
            let is_other_honest = self
                .choose_resolver(index, scope)
                .is_some_and(|(resolver, transport)| self.distrust(resolver, transport) == 0);
            if !(is_bad && is_misled && is_other_honest) {
                continue;
            }
            let Some(check) = self.checks.get_mut(index) else { continue };
            (check.finding, check.address, check.began_at) = (None, None, None);
            let what = check.what;
            if self.portal.as_ref().is_some_and(|(_, row)| what == What::Http { row: *row }) {
                (self.portal, self.portal_is_named) = (None, false);
            }
        }
    }

    /// Gives up what nobody has reported on in time.
    pub(super) fn expire(&mut self, now: Instant, scope: Scope<'_, '_>) {
        for index in 0..self.checks.len() {
            let Some(check) = self.checks.get(index) else { continue };
            if check.task.is_some_and(|task| task.give_up_at + GRACE <= now) {
                self.found(now, index, scope, Finding::Failed(Failure::AnswerTimeout));
            }
        }
    }

    /// A probe's name has an address. A liar's is not taken while another resolver may be better.
    fn resolved(&mut self, index: usize, scope: Scope<'_, '_>, address: IpAddr) {
        let resolver = self.checks.get(index).and_then(|check| check.resolver);
        let is_lie = resolver.is_some_and(|resolver| self.lies(resolver));
        let is_another_better =
            self.choose_resolver(index, scope).is_some_and(|resolver| !self.lies(resolver));
        if let Some(check) = self.checks.get_mut(index)
            && !(is_lie && is_another_better)
        {
            check.address = Some(address);
        }
    }

    /// A task ended with this: the next attempt at the name, or the end of the check.
    fn found(&mut self, now: Instant, index: usize, scope: Scope<'_, '_>, finding: Finding) {
        let is_another = self.choose_resolver(index, scope).is_some();
        let Some(check) = self.checks.get_mut(index) else { return };
        let is_resolving =
            matches!(check.what, What::Http { .. } | What::Tls { .. }) && check.address.is_none();
        let is_time = check.began_at.is_none_or(|began_at| now < began_at + DNS_TIMEOUT);
        if is_resolving && is_another && is_time {
            check.is_alive |= finding.is_sign_of_life();
            check.task = None;
        } else {
            check.conclude(now, finding);
        }
        // A resolver that does not answer what it must know need not be asked for what nobody knows.
        let what = self.checks.get(index).map(|check| check.what);
        if let (Some(What::KnownName { resolver, transport: Transport::Udp }), Finding::Failed(_)) =
            (what, finding)
        {
            let random = What::RandomName { resolver };
            for check in self.checks.iter_mut().filter(|check| check.what == random && check.is_waiting()) {
                check.conclude(now, finding);
            }
        }
    }
}

/// What addresses say of a name that has a known one, or none.
fn named(what: What, family: Family, addresses: &[IpAddr]) -> Finding {
    let known = match family {
        Family::Ipv4 => IpAddr::V4(probes::KNOWN_IPV4),
        Family::Ipv6 => IpAddr::V6(probes::KNOWN_IPV6),
    };
    let is_random = matches!(what, What::RandomName { .. });
    match first_of(addresses, family) {
        Some(_) if !is_random && addresses.contains(&known) => Finding::DnsRight,
        Some(address) => Finding::DnsWrong(address),
        None if is_random => Finding::DnsRight,
        None => Finding::NoAddress,
    }
}

/// 14 letters under `.com`: 65 bits, which nobody has registered.
fn random_name(rng: &mut dyn Rng) -> RandomName {
    let mut name = RandomName::new();
    for _ in 0..14 {
        let letter = b'a' + (rng.next_u32() % 26) as u8;
        let _ = name.push(char::from(letter));
    }
    let _ = name.push_str(".com");
    name
}
