//! From what the checks of a round say to a verdict. No time in here, no I/O: a [`Tally`] of findings, judged.
//!
//! The rules, first to fit:
//!
//! 1. An expected body with something in it, and none without: `Hijacked`.
//! 2. A portal's answer, unless it is one operator's alone against two good ones and a TLS server of somebody else's:
//!    `Portal`; but `Hijacked` if the pages say nothing of a portal and the addresses are forged.
//! 3. Every name forged, or no good answer and addresses forged: `Hijacked`.
//! 4. Two operators good: `Online`, or `Partial` if no TLS server answers or DNS is impaired.
//! 5. One operator good: `Partial`.
//! 6. Two operators or more redirect within their own sites: `Portal`.
//! 7. TLS servers answer: `Partial`.
//! 8. `Offline`, at the stage that the furthest check came to.

use super::classify::Answer;
use super::url::Url;

/// How the Internet is, over one WAN and one family.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
pub enum Verdict {
    /// Nothing is known: the line is down, or a first check is under way.
    Unknown,
    /// Two operators give their answers, TLS servers answer, DNS is right.
    Online,
    /// Somebody wants us to sign in first.
    Portal {
        /// Where; opened on a device in the LAN it leads there.
        url: Url,
    },
    /// Some of it works.
    Partial {
        /// What does not.
        impaired: Impairment,
    },
    /// Answers are forged: DNS, or pages.
    Hijacked,
    /// It does not work.
    Offline {
        /// How far it goes.
        stage: Stage,
    },
}

/// What does not work while other things do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Impairment {
    /// Fewer operators than a quorum are reached.
    Operators,
    /// No plain HTTP.
    Http,
    /// No TLS.
    Https,
    /// Names that do not exist have addresses, a resolver lies, or only TCP works.
    Dns,
}

/// How far an attempt comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Nothing comes back: not from resolvers, not from addresses.
    Route,
    /// Something does, but names do not resolve.
    Dns,
    /// Names resolve, nothing connects.
    Tcp,
    /// Connections come up, no HTTP answer does.
    Http,
}

impl Verdict {
    /// The stable name, for logs and files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Portal { .. } => "portal",
            Self::Partial { .. } => "partial",
            Self::Hijacked => "hijacked",
            Self::Offline { .. } => "offline",
        }
    }

    /// What is to be known beside the name: what is impaired, or the stage.
    pub const fn detail(&self) -> Option<&'static str> {
        match self {
            Self::Partial { impaired } => Some(impaired.name()),
            Self::Offline { stage } => Some(stage.name()),
            Self::Unknown | Self::Online | Self::Portal { .. } | Self::Hijacked => None,
        }
    }

    /// Whether two verdicts tell a person the same. The query of a portal's URL changes with every probe.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Portal { url: a }, Self::Portal { url: b }) => a.destination() == b.destination(),
            (a, b) => a == b,
        }
    }
}

impl Impairment {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operators => "operators",
            Self::Http => "http",
            Self::Https => "https",
            Self::Dns => "dns",
        }
    }
}

impl Stage {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Http => "http",
        }
    }
}

/// What the HTTP checks of a round add up to. Each is another operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Http {
    /// How many were chosen.
    pub(super) asked: u8,
    pub(super) pending: u8,
    pub(super) good: u8,
    /// Of the good, those with a body.
    pub(super) good_bodies: u8,
    pub(super) injected: u8,
    /// Redirects to others and 511s.
    pub(super) named: u8,
    /// Pages. Those that a lying resolver led to are left out if another is honest.
    pub(super) pages: u8,
    pub(super) home: u8,
    /// How far the furthest of the rest came.
    pub(super) furthest: Stage,
}

/// What the TLS checks add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tls {
    pub(super) good: u8,
    /// Of the good, those of operators that no good HTTP answer is from.
    pub(super) independent: u8,
    pub(super) failed: u8,
    pub(super) pending: u8,
}

/// What the resolvers' answers add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "six findings that do not exclude each other")]
pub(super) struct Dns {
    /// Some resolver has the known address right by UDP.
    pub(super) is_right: bool,
    /// Some resolver has it right by TCP.
    pub(super) is_right_by_tcp: bool,
    /// Some resolver has it wrong.
    pub(super) lies: bool,
    /// Every resolver that was heard gives an address to a name that has none, and one was.
    pub(super) invents: bool,
    /// Probes' names have addresses that are nobody's on the Internet, or all have the one that invented names have.
    pub(super) is_suspicious: bool,
    /// The questions by UDP are over.
    pub(super) is_done: bool,
}

/// All of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) http: Http,
    pub(super) tls: Tls,
    pub(super) dns: Dns,
    /// Some packet came back from somewhere.
    pub(super) is_alive: bool,
}

impl Http {
    pub(super) const NONE: Self = Self {
        asked: 0,
        pending: 0,
        good: 0,
        good_bodies: 0,
        injected: 0,
        named: 0,
        pages: 0,
        home: 0,
        furthest: Stage::Route,
    };

    pub(super) fn count(&mut self, answer: Answer, has_body: bool) {
        let counter = match answer {
            Answer::Good => {
                self.good_bodies += u8::from(has_body);
                &mut self.good
            }
            Answer::Injected => &mut self.injected,
            Answer::Redirected | Answer::AuthenticationRequired => &mut self.named,
            Answer::OtherBody => &mut self.pages,
            Answer::RedirectedHome => &mut self.home,
            Answer::Tiny | Answer::Cut | Answer::OtherStatus(_) | Answer::Reached => {
                self.furthest = Stage::Http;
                return;
            }
        };
        *counter += 1;
    }
}

impl Tally {
    /// The verdict, with the URL that goes with a portal's answer. What is pending counts as missing: a caller who
    /// cannot wait calls it provisional.
    pub(super) fn judge(&self, portal: Option<&Url>) -> Verdict {
        let Self { http, tls, dns, .. } = self;
        if http.asked == 0 {
            return Verdict::Unknown; // nobody to ask: a custom list without a probe for this family
        }
        let quorum = http.asked.clamp(1, 2);
        let portals = http.named + http.pages;
        if http.injected > 0 && http.good_bodies == 0 && portals == 0 {
            return Verdict::Hijacked;
        }
        let is_alone = portals == 1 && http.good >= 2 && tls.independent > 0;
        let is_all_forged = dns.lies && dns.invents && !dns.is_right && !dns.is_right_by_tcp;
        let is_forged = is_all_forged || dns.is_suspicious;
        if portals > 0 && !is_alone {
            return match portal {
                Some(url) if http.named > 0 || !is_forged => Verdict::Portal { url: url.clone() },
                _ => Verdict::Hijacked,
            };
        }
        if is_all_forged || is_forged && http.good == 0 {
            return Verdict::Hijacked;
        }
        if http.good >= quorum {
            return if tls.good == 0 && tls.failed + tls.pending > 0 {
                Verdict::Partial { impaired: Impairment::Https }
            } else if self.is_dns_impaired() {
                Verdict::Partial { impaired: Impairment::Dns }
            } else {
                Verdict::Online
            };
        }
        if http.good > 0 {
            return Verdict::Partial { impaired: Impairment::Operators };
        }
        if let Some(url) = portal.filter(|_| http.home >= quorum) {
            return Verdict::Portal { url: url.clone() };
        }
        if tls.good > 0 {
            return Verdict::Partial { impaired: Impairment::Http };
        }
        let stage = match http.furthest {
            Stage::Route | Stage::Dns if self.is_alive => Stage::Dns,
            Stage::Route | Stage::Dns => Stage::Route,
            furthest => furthest,
        };
        Verdict::Offline { stage }
    }

    /// Whether what is still pending can hardly change that it is `Online`: most operators have been heard.
    pub(super) const fn is_settled(&self) -> bool {
        self.http.good > self.http.pending && self.tls.good > 0 && self.dns.is_done
    }

    /// Names resolve, but not as they should. That the known name alone is wrong, and nothing else, is its operator's
    /// doing.
    const fn is_dns_impaired(&self) -> bool {
        let dns = &self.dns;
        let is_by_tcp_only = dns.is_right_by_tcp && !dns.is_right && !dns.lies;
        dns.invents || dns.lies && (dns.is_right || dns.is_right_by_tcp) || is_by_tcp_only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clean network: six operators, two TLS servers.
    const CLEAN: Tally = Tally {
        http: Http { asked: 6, good: 6, good_bodies: 2, ..Http::NONE },
        tls: Tls { good: 2, independent: 1, failed: 0, pending: 0 },
        dns: Dns {
            is_right: true,
            is_right_by_tcp: true,
            lies: false,
            invents: false,
            is_suspicious: false,
            is_done: true,
        },
        is_alive: true,
    };
    const LIE: Dns = Dns { is_right: false, is_right_by_tcp: false, lies: true, invents: true, ..CLEAN.dns };
    const NO_TLS: Tls = Tls { good: 0, independent: 0, failed: 2, pending: 0 };
    const NONE_GOOD: Http = Http { good: 0, good_bodies: 0, ..CLEAN.http };

    fn url() -> Url {
        Url::parse("http://portal.test/").expect("a URL")
    }

    /// Each rule, and the smallest step to its other side.
    #[test]
    fn the_rules() {
        let http = |http: Http| Tally { http, ..CLEAN };
        let portal = || Verdict::Portal { url: url() };
        let partial = |impaired| Verdict::Partial { impaired };
        let offline = |stage| Verdict::Offline { stage };
        let dead = Tally { http: NONE_GOOD, tls: NO_TLS, dns: Dns::default(), is_alive: false };
        for (tally, expected, why) in [
            (CLEAN, Verdict::Online, "clean"),
            (
                http(Http { good_bodies: 0, injected: 1, ..CLEAN.http }),
                Verdict::Hijacked,
                "no body is unharmed",
            ),
            (http(Http { injected: 1, ..CLEAN.http }), Verdict::Online, "one operator's body has changed"),
            (http(Http { named: 1, ..CLEAN.http }), Verdict::Online, "one operator against the rest"),
            (http(Http { pages: 1, ..CLEAN.http }), Verdict::Online, "the same with a page"),
            (http(Http { named: 2, ..CLEAN.http }), portal(), "two operators"),
            (http(Http { named: 1, pages: 1, ..CLEAN.http }), portal(), "two operators, in two ways"),
            (http(Http { named: 1, good: 1, ..CLEAN.http }), portal(), "against one only"),
            (
                Tally { tls: Tls { independent: 0, ..CLEAN.tls }, ..http(Http { named: 1, ..CLEAN.http }) },
                portal(),
                "nobody independent speaks TLS",
            ),
            (
                Tally { dns: LIE, ..http(Http { pages: 6, ..NONE_GOOD }) },
                Verdict::Hijacked,
                "pages, forged DNS",
            ),
            (Tally { dns: LIE, ..http(Http { named: 1, pages: 5, ..NONE_GOOD }) }, portal(), "it has a name"),
            (Tally { dns: LIE, ..CLEAN }, Verdict::Hijacked, "every name forged, the probes let through"),
            (
                Tally { dns: Dns { invents: false, ..LIE }, ..CLEAN },
                Verdict::Online,
                "the known name has moved",
            ),
            (
                Tally { dns: Dns { is_suspicious: true, ..CLEAN.dns }, ..http(NONE_GOOD) },
                Verdict::Hijacked,
                "private addresses, and nothing good",
            ),
            (
                Tally { dns: Dns { is_suspicious: true, ..CLEAN.dns }, ..CLEAN },
                Verdict::Online,
                "a cache of the carrier's own",
            ),
            (http(Http { good: 2, ..CLEAN.http }), Verdict::Online, "a quorum"),
            (http(Http { good: 1, ..CLEAN.http }), partial(Impairment::Operators), "no quorum"),
            (http(Http { asked: 1, good: 1, ..CLEAN.http }), Verdict::Online, "all there are"),
            (Tally { tls: NO_TLS, ..CLEAN }, partial(Impairment::Https), "no TLS"),
            (Tally { tls: Tls { good: 1, failed: 1, ..NO_TLS }, ..CLEAN }, Verdict::Online, "one TLS server"),
            (Tally { tls: Tls::default(), ..CLEAN }, Verdict::Online, "no TLS server to look at"),
            (
                Tally { dns: Dns { invents: true, ..CLEAN.dns }, ..CLEAN },
                partial(Impairment::Dns),
                "names that do not exist",
            ),
            (Tally { dns: Dns { lies: true, ..CLEAN.dns }, ..CLEAN }, partial(Impairment::Dns), "one liar"),
            (
                Tally { dns: Dns { is_right: false, ..CLEAN.dns }, ..CLEAN },
                partial(Impairment::Dns),
                "by TCP only",
            ),
            (
                Tally { dns: Dns { is_right_by_tcp: false, ..CLEAN.dns }, ..CLEAN },
                Verdict::Online,
                "by UDP only",
            ),
            (http(Http { home: 2, ..NONE_GOOD }), portal(), "all redirect within their sites"),
            (http(Http { home: 2, ..CLEAN.http }), Verdict::Online, "some do"),
            (http(Http { furthest: Stage::Tcp, ..NONE_GOOD }), partial(Impairment::Http), "TLS only"),
            (Tally { http: Http::NONE, ..CLEAN }, Verdict::Unknown, "nobody was asked"),
            (dead, offline(Stage::Route), "nothing"),
            (Tally { is_alive: true, ..dead }, offline(Stage::Dns), "something"),
            (
                Tally { http: Http { furthest: Stage::Tcp, ..NONE_GOOD }, ..dead },
                offline(Stage::Tcp),
                "names",
            ),
            (
                Tally { http: Http { furthest: Stage::Http, ..NONE_GOOD }, ..dead },
                offline(Stage::Http),
                "TCP",
            ),
        ] {
            assert_eq!(tally.judge(Some(&url())), expected, "{why}");
        }
        let unnamed = http(Http { named: 6, ..NONE_GOOD });
        assert_eq!(unnamed.judge(None), Verdict::Hijacked, "no place to send anybody to");
    }

    #[test]
    fn two_portals_are_one_if_their_host_is() {
        let portal = |text: &str| Verdict::Portal { url: Url::parse(text).expect("a URL") };
        assert!(portal("http://portal.test/a?1").is_same_as(&portal("http://portal.test/a?2")));
        assert!(!portal("http://portal.test/").is_same_as(&portal("http://other.test/")));
        assert!(!portal("http://portal.test/").is_same_as(&Verdict::Online));
    }
}
