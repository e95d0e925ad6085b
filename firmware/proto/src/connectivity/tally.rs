//! What the findings of a round add up to.

use super::check::{Check, Finding, What, is_not_public};
use super::classify::Answer;
use super::probes::Expect;
use super::region::Region;
use super::round::Round;
use super::task::{Failure, Transport};
use super::verdict::{Dns, Http, Stage, Tally, Tls};

impl Round {
    /// What the findings so far add up to.
    pub(super) fn tally(&self, region: Region<'_>) -> Tally {
        let mut tally = Tally {
            http: Http::NONE,
            tls: Tls::default(),
            dns: Dns { is_done: true, ..Dns::default() },
            is_alive: self.checks.iter().any(|check| check.is_alive),
        };
        let mut heard = 0_u8;
        let mut invented = 0_u8;
        let is_some_honest = self.checks.iter().any(|check| {
            matches!(check.what, What::KnownName { .. })
                && matches!(check.finding, Some((Finding::DnsRight, _)))
        });
        for check in &self.checks {
            let finding = check.finding.map(|(finding, _)| finding);
            match check.what {
                What::Http { row } => {
                    let is_misled =
                        check.resolver.is_some_and(|resolver| self.lies(resolver)) && is_some_honest;
                    let has_body = region.row(row).is_some_and(|probe| probe.expect != Expect::NoContent);
                    count_http(&mut tally.http, check, finding, is_misled, has_body);
                }
                What::Tls { row } => match finding {
                    Some(Finding::ServerHello) => {
                        tally.tls.good += 1;
                        tally.tls.independent += u8::from(self.is_independent(region, row));
                    }
                    // Without an address nothing was seen of TLS: that is DNS's matter.
                    Some(_) if check.address.is_none() => {}
                    Some(_) => tally.tls.failed += 1,
                    None => tally.tls.pending += 1,
                },
                What::KnownName { transport, .. } => match (finding, transport) {
                    (Some(Finding::DnsRight), Transport::Udp) => tally.dns.is_right = true,
                    (Some(Finding::DnsRight), Transport::Tcp) => tally.dns.is_right_by_tcp = true,
                    (Some(Finding::DnsWrong(_)), _) => tally.dns.lies = true,
                    (None, Transport::Udp) => tally.dns.is_done = false,
                    _ => {}
                },
                What::RandomName { .. } => match finding {
                    Some(Finding::DnsRight) => heard += 1,
                    Some(Finding::DnsWrong(_)) => {
                        heard += 1;
                        invented += 1;
                    }
                    _ => {}
                },
                What::Anchor { .. } => {}
            }
        }
        tally.dns.is_done |= tally.dns.is_right;
        tally.dns.invents = invented > 0 && invented == heard;
        tally.dns.is_suspicious = self.has_suspicious_addresses(tally.dns.invents);
        tally
    }

    /// Whether a TLS server is of nobody who answered well over HTTP.
    fn is_independent(&self, region: Region<'_>, row: u8) -> bool {
        let Some(server) = region.row(row) else { return false };
        !self.checks.iter().any(|check| {
            let is_good = matches!(check.finding, Some((Finding::Http(Answer::Good), _)));
            let What::Http { row } = check.what else { return false };
            is_good && region.row(row).is_some_and(|probe| probe.is_same_operator(server))
        })
    }

    /// A name has an address that is nobody's on the Internet; or all have one, and so do names that do not exist.
    fn has_suspicious_addresses(&self, invents: bool) -> bool {
        let is_http = |check: &&Check| matches!(check.what, What::Http { .. });
        let mut addresses = self.checks.iter().filter(is_http).filter_map(|check| check.address);
        let Some(first) = addresses.next() else { return false };
        let mut others = 0;
        let mut are_one = true;
        let mut is_private = is_not_public(first);
        for address in addresses {
            others += 1;
            are_one &= address == first;
            is_private |= is_not_public(address);
        }
        is_private || invents && others > 0 && are_one
    }
}

fn count_http(http: &mut Http, check: &Check, finding: Option<Finding>, is_misled: bool, has_body: bool) {
    http.asked += 1;
    let came_to = |failure: Failure| match failure {
        Failure::Unreachable => Stage::Route,
        Failure::Rejected | Failure::ConnectTimeout => Stage::Tcp,
        Failure::Broken | Failure::Malformed(_) | Failure::AnswerTimeout => Stage::Http,
    };
    let stage = match finding {
        Some(Finding::Http(answer)) if !(is_misled && answer.is_portal()) => {
            http.count(answer, has_body);
            return;
        }
        Some(Finding::Failed(failure)) if check.address.is_some() => came_to(failure),
        None => {
            http.pending += 1;
            if check.address.is_some() { Stage::Tcp } else { Stage::Route }
        }
        Some(_) => Stage::Dns,
    };
    http.furthest = http.furthest.max(stage);
}
