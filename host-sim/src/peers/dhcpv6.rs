//! A carrier's DHCPv6 server for one subscriber: prefixes, perhaps an address, DNS servers.
//!
//! ```text
//!  SOLICIT ──► ADVERTISE   REQUEST ──► REPLY: bound ──► RENEW, REBIND ──► REPLY: until later, or not any more
//!     └── rapid commit ──────────────────►  └── RELEASE ──► REPLY: free
//! ```
//!
//! Its messages are dhcproto's, so that the client under test is not measured by its own formats. Reading list: RFC 8415
//! §18.3 (server), §21 (options), §13.1 and §13.2 (which status codes go where); RFC 3646 (DNS servers).

use dhcproto::v6::{
    DhcpOption, DhcpOptions, IAAddr, IANA, IAPD, IAPrefix, Message, MessageType, Status, StatusCode,
};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

/// RFC 8415 §7.2.
pub const SERVER_PORT: u16 = 547;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 546;
/// RFC 8415 §7.1: `All_DHCP_Relay_Agents_and_Servers`.
pub const ALL_SERVERS: Ipv6Address = Ipv6Address::new(0xFF02, 0, 0, 0, 0, 0, 1, 2);

/// Its DUID: of a link layer address (RFC 8415 §11.4).
const DUID: [u8; 10] = [0, 3, 0, 1, 0x02, 0xAC, 0, 0, 0, 1];
/// Where prefixes are from: 12 bits for subscribers where they are of 48, more where they are longer (RFC 3849).
const POOL: Ipv6Address = Ipv6Address::new(0x2001, 0xDB8, 0xD000, 0, 0, 0, 0, 0);
/// Prefixes set aside for a subscriber.
const PER_SUBSCRIBER: u32 = 4;

/// What it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a delegated prefix is, in bits.
    pub prefix_len: u8,
    /// How many of them a client gets, four at most.
    pub prefixes: u32,
    /// Whether it gives an address for the line, too.
    pub address: Option<Ipv6Address>,
    /// Whether it binds at once where a client wishes so.
    pub rapid_commit: bool,
    /// For how long. T1 is the half of it, T2 four fifths.
    pub preferred: Duration,
    /// For how long after all.
    pub valid: Duration,
    /// DNS servers.
    pub dns: Vec<Ipv6Address>,
}

/// How it is today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// It answers.
    #[default]
    Well,
    /// It does not.
    Silent,
    /// It has no prefix left.
    Exhausted,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named for what it counts")]
pub struct Counters {
    pub solicits: u64,
    pub requests: u64,
    pub renews: u64,
    pub rebinds: u64,
    pub releases: u64,
    pub information_requests: u64,
    pub bound: u64,
    pub unanswered: u64,
    /// Messages that cannot be read, or make no sense from a client.
    pub malformed: u64,
}

impl Counters {
    /// Adds another server's.
    pub fn add(&mut self, other: &Self) {
        self.solicits += other.solicits;
        self.requests += other.requests;
        self.renews += other.renews;
        self.rebinds += other.rebinds;
        self.releases += other.releases;
        self.information_requests += other.information_requests;
        self.bound += other.bound;
        self.unanswered += other.unanswered;
        self.malformed += other.malformed;
    }
}

/// The server, on the line of one subscriber.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    subscriber: u32,
    /// By IAID: what was given for good, until then.
    delegations: Vec<(u32, Ipv6Cidr, Instant)>,
    /// What was given before, and is not his any more.
    withdrawn: Vec<(u32, Ipv6Cidr)>,
    /// All that ever was.
    former: Vec<Ipv6Cidr>,
    counters: Counters,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The message.
    pub message: Vec<u8>,
    /// Prefixes that were given with it and had not been.
    pub delegated: Vec<Ipv6Cidr>,
}

impl Server {
    /// One whose subscriber has this number.
    pub fn new(settings: Settings, subscriber: u32) -> Self {
        let (delegations, withdrawn, former) = (Vec::new(), Vec::new(), Vec::new());
        Self { settings, subscriber, delegations, withdrawn, former, counters: Counters::default() }
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The prefixes that are his now.
    pub fn delegated(&self, now: Instant) -> impl Iterator<Item = Ipv6Cidr> {
        self.delegations.iter().filter(move |(_, _, until)| now < *until).map(|(_, prefix, _)| *prefix)
    }

    /// Whether an address is of a prefix that was his and is not any more.
    pub fn had(&self, address: Ipv6Address) -> bool {
        self.former.iter().any(|prefix| prefix.contains_addr(&address))
    }

    /// He gets other prefixes from now on. The present ones are gone; he hears of it when he renews.
    pub fn renumber(&mut self, subscriber: u32) {
        self.subscriber = subscriber;
        self.former.extend(self.delegations.iter().map(|(_, prefix, _)| *prefix));
        self.withdrawn.extend(self.delegations.drain(..).map(|(iaid, prefix, _)| (iaid, prefix)));
    }

    /// A message of a client's.
    pub fn handle(&mut self, now: Instant, mood: Mood, bytes: &[u8]) -> Option<Answer> {
        let Some(message) = read(bytes) else {
            self.counters.malformed += 1;
            return None;
        };
        let kind = message.msg_type();
        match kind {
            MessageType::Solicit => self.counters.solicits += 1,
            MessageType::Request => self.counters.requests += 1,
            MessageType::Renew => self.counters.renews += 1,
            MessageType::Rebind => self.counters.rebinds += 1,
            MessageType::Release => self.counters.releases += 1,
            MessageType::InformationRequest => self.counters.information_requests += 1,
            _ => {}
        }
        if mood == Mood::Silent {
            self.counters.unanswered += 1;
            return None;
        }
        let client = option(&message, |option| match option {
            DhcpOption::ClientId(duid) => Some(duid.clone()),
            _ => None,
        });
        let server = option(&message, |option| match option {
            DhcpOption::ServerId(duid) => Some(duid.clone()),
            _ => None,
        });
        // RFC 8415 §16: what must and must not name a server, and who must say who he is.
        let names_server = matches!(kind, MessageType::Request | MessageType::Renew | MessageType::Release);
        let is_anonymous = client.is_none() && kind != MessageType::InformationRequest;
        if is_anonymous || names_server != server.is_some() && kind != MessageType::InformationRequest {
            self.counters.malformed += 1;
            return None;
        }
        if server.is_some_and(|server| server != DUID) {
            return None; // for somebody else
        }
        let wishes_at_once =
            option(&message, |option| matches!(option, DhcpOption::RapidCommit).then_some(())).is_some();
        let at_once = kind == MessageType::Solicit && wishes_at_once && self.settings.rapid_commit;
        let reply = match kind {
            MessageType::Solicit if !at_once => MessageType::Advertise,
            _ => MessageType::Reply,
        };
        let mut answer = Message::new_with_id(reply, message.xid());
        let options = answer.opts_mut();
        if let Some(client) = client {
            options.insert(DhcpOption::ClientId(client));
        }
        options.insert(DhcpOption::ServerId(DUID.to_vec()));
        if at_once {
            options.insert(DhcpOption::RapidCommit);
        }
        let binds = at_once || kind == MessageType::Request;
        let mut delegated = Vec::new();
        match kind {
            MessageType::Solicit
            | MessageType::Request
            | MessageType::Renew
            | MessageType::Rebind
            | MessageType::Confirm => {
                for option in message.opts().iter() {
                    match option {
                        DhcpOption::IAPD(wanted) => {
                            let given = self.prefixes(now, mood, (kind, binds), wanted, &mut delegated);
                            options.insert(DhcpOption::IAPD(given));
                        }
                        DhcpOption::IANA(wanted) => options.insert(DhcpOption::IANA(self.address(wanted))),
                        _ => {}
                    }
                }
            }
            MessageType::Release => {
                self.delegations.clear();
                options.insert(status(Status::Success));
            }
            MessageType::InformationRequest => {}
            _ => return None,
        }
        if !self.settings.dns.is_empty() {
            options.insert(DhcpOption::DomainNameServers(self.settings.dns.clone()));
        }
        self.counters.bound += delegated.len() as u64;
        let mut bytes = Vec::new();
        answer.encode(&mut Encoder::new(&mut bytes)).ok()?;
        Some(Answer { message: bytes, delegated })
    }

    /// What is given, or kept, of the prefixes that one identity association is about.
    fn prefixes(
        &mut self,
        now: Instant,
        mood: Mood,
        (kind, binds): (MessageType, bool),
        wanted: &IAPD,
        delegated: &mut Vec<Ipv6Cidr>,
    ) -> IAPD {
        let mut opts = DhcpOptions::new();
        let until = now + self.settings.valid;
        let extends = matches!(kind, MessageType::Renew | MessageType::Rebind);
        let has_any = self.delegations.iter().any(|(iaid, _, _)| *iaid == wanted.id);
        // RFC 8415 §18.3.4: what is not appropriate any more, with nothing left.
        let gone: Vec<_> = self.withdrawn.extract_if(.., |(iaid, _)| extends && *iaid == wanted.id).collect();
        let is_moved = !gone.is_empty();
        for (_, prefix) in gone {
            opts.insert(lifetimes(prefix, Duration::ZERO, Duration::ZERO));
        }
        if mood == Mood::Exhausted && !(extends && has_any) {
            opts.insert(status(Status::NoPrefixAvail));
        } else if extends && !has_any && !is_moved {
            opts.insert(status(Status::NoBinding));
        } else {
            for number in 0..self.settings.prefixes.min(PER_SUBSCRIBER) {
                let prefix = prefix(self.subscriber * PER_SUBSCRIBER + number, self.settings.prefix_len);
                opts.insert(lifetimes(prefix, self.settings.preferred, self.settings.valid));
                if !(binds || extends) {
                    continue;
                }
                if let Some((_, _, known_until)) =
                    self.delegations.iter_mut().find(|(_, known, _)| *known == prefix)
                {
                    *known_until = until;
                } else {
                    self.delegations.push((wanted.id, prefix, until));
                    delegated.push(prefix);
                }
            }
        }
        let t1 = self.settings.preferred / 2;
        let t2 = self.settings.preferred * 4 / 5;
        IAPD { id: wanted.id, t1: t1.secs() as u32, t2: t2.secs() as u32, opts }
    }

    fn address(&self, wanted: &IANA) -> IANA {
        let mut opts = DhcpOptions::new();
        opts.insert(match self.settings.address {
            Some(addr) => DhcpOption::IAAddr(IAAddr {
                addr,
                preferred_life: self.settings.preferred.secs() as u32,
                valid_life: self.settings.valid.secs() as u32,
                opts: DhcpOptions::new(),
            }),
            None => status(Status::NoAddrsAvail),
        });
        IANA { id: wanted.id, t1: 0, t2: 0, opts }
    }
}

/// The prefix of that number.
fn prefix(number: u32, len: u8) -> Ipv6Cidr {
    let bits = POOL.to_bits() | u128::from(number) << (128 - u32::from(len));
    Ipv6Cidr::new(Ipv6Address::from_bits(bits), len)
}

fn lifetimes(prefix: Ipv6Cidr, preferred: Duration, valid: Duration) -> DhcpOption {
    DhcpOption::IAPrefix(IAPrefix {
        preferred_lifetime: preferred.secs() as u32,
        valid_lifetime: valid.secs() as u32,
        prefix_len: prefix.prefix_len(),
        prefix_ip: prefix.address(),
        opts: DhcpOptions::new(),
    })
}

fn status(status: Status) -> DhcpOption {
    DhcpOption::StatusCode(StatusCode { status, msg: String::new() })
}

/// dhcproto stops where it can read no further, and says nothing: what was read must be all there is.
fn read(bytes: &[u8]) -> Option<Message> {
    let message = Message::decode(&mut Decoder::new(bytes)).ok()?;
    let mut again = Vec::new();
    message.encode(&mut Encoder::new(&mut again)).ok()?;
    (again.len() == bytes.len()).then_some(message)
}

fn option<R>(message: &Message, pick: impl Fn(&DhcpOption) -> Option<R>) -> Option<R> {
    message.opts().iter().find_map(pick)
}

#[cfg(test)]
pub(in crate::peers) mod tests {
    use super::*;

    fn server(rapid_commit: bool) -> Server {
        let settings = Settings {
            prefix_len: 56,
            prefixes: 1,
            address: None,
            rapid_commit,
            preferred: Duration::from_secs(1800),
            valid: Duration::from_secs(3600),
            dns: vec!["2001:db8:53::53".parse().unwrap()],
        };
        Server::new(settings, 1)
    }

    /// A client's message that asks for a prefix.
    pub(in crate::peers) fn message(kind: MessageType, names_server: bool, is_rapid: bool) -> Vec<u8> {
        let mut message = Message::new_with_id(kind, [1, 2, 3]);
        let options = message.opts_mut();
        options.insert(DhcpOption::ClientId(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 7]));
        if names_server {
            options.insert(DhcpOption::ServerId(DUID.to_vec()));
        }
        if is_rapid {
            options.insert(DhcpOption::RapidCommit);
        }
        options.insert(DhcpOption::IAPD(IAPD { id: 9, t1: 0, t2: 0, opts: DhcpOptions::new() }));
        let mut bytes = Vec::new();
        message.encode(&mut Encoder::new(&mut bytes)).unwrap();
        bytes
    }

    /// The kind of an answer, and the prefixes in it with what is left to them; a status code in their place.
    fn ask(
        server: &mut Server,
        seconds: i64,
        kind: MessageType,
        is_rapid: bool,
    ) -> (MessageType, Vec<String>) {
        let names_server = matches!(kind, MessageType::Request | MessageType::Renew | MessageType::Release);
        let bytes = message(kind, names_server, is_rapid);
        let now = Instant::from_secs(seconds);
        let answer = server.handle(now, Mood::Well, &bytes).expect("answered");
        let answer = read(&answer.message).unwrap();
        assert_eq!(answer.xid(), [1, 2, 3]);
        let of = |option: &DhcpOption| match option {
            DhcpOption::IAPrefix(prefix) => {
                format!("{}/{} for {}", prefix.prefix_ip, prefix.prefix_len, prefix.valid_lifetime)
            }
            DhcpOption::StatusCode(code) => format!("{:?}", code.status),
            other => format!("{other:?}"),
        };
        let said = answer.opts().iter().flat_map(|option| match option {
            DhcpOption::IAPD(ia) => ia.opts.iter().map(of).collect(),
            DhcpOption::StatusCode(_) => vec![of(option)],
            _ => Vec::new(),
        });
        (answer.msg_type(), said.collect())
    }

    #[test]
    fn a_prefix_is_offered_bound_kept_and_given_back() {
        let mut server = server(true);
        let prefix = "2001:db8:d000:400::/56 for 3600".to_owned();
        let offered = ask(&mut server, 0, MessageType::Solicit, false);
        assert_eq!(offered, (MessageType::Advertise, vec![prefix.clone()]));
        assert_eq!(server.delegated(Instant::ZERO).count(), 0, "an offer binds nobody");
        assert_eq!(ask(&mut server, 1, MessageType::Request, false).1, std::slice::from_ref(&prefix));
        assert_eq!(ask(&mut server, 1801, MessageType::Renew, false).1, std::slice::from_ref(&prefix));
        assert_eq!(server.delegated(Instant::from_secs(5400)).count(), 1, "it was renewed");
        assert_eq!(server.delegated(Instant::from_secs(5401)).count(), 0, "until then");
        assert_eq!(ask(&mut server, 1900, MessageType::Release, false).1, ["Success"]);
        assert_eq!(ask(&mut server, 1901, MessageType::Rebind, false).1, ["NoBinding"]);
        let at_once = ask(&mut server, 1902, MessageType::Solicit, true);
        assert_eq!(at_once, (MessageType::Reply, vec![prefix]));
        assert_eq!(server.counters().bound, 2);
    }

    #[test]
    fn who_renews_hears_that_the_prefix_is_another() {
        let mut server = server(false);
        ask(&mut server, 0, MessageType::Request, false);
        server.renumber(2);
        let (_, mut said) = ask(&mut server, 900, MessageType::Renew, false);
        said.sort();
        assert_eq!(said, ["2001:db8:d000:400::/56 for 0", "2001:db8:d000:800::/56 for 3600"]);
        let (kind, _) = ask(&mut server, 901, MessageType::Solicit, true);
        assert_eq!(kind, MessageType::Advertise, "no rapid commit here");
    }

    #[test]
    fn what_makes_no_sense_is_counted_and_a_mood_is_a_mood() {
        let mut server = server(true);
        let solicit = message(MessageType::Solicit, false, false);
        assert_eq!(server.handle(Instant::ZERO, Mood::Well, &solicit[..solicit.len() - 3]), None);
        let named = message(MessageType::Solicit, true, false);
        assert_eq!(server.handle(Instant::ZERO, Mood::Well, &named), None, "a SOLICIT names no server");
        let unnamed = message(MessageType::Request, false, false);
        assert_eq!(server.handle(Instant::ZERO, Mood::Well, &unnamed), None, "a REQUEST names one");
        assert_eq!(server.counters().malformed, 3);
        assert_eq!(server.handle(Instant::ZERO, Mood::Silent, &solicit), None);
        let none = server.handle(Instant::ZERO, Mood::Exhausted, &solicit).expect("answered");
        let none = read(&none.message).unwrap();
        let is_none = none.opts().iter().any(|option| match option {
            DhcpOption::IAPD(ia) => ia.opts.iter().eq([&status(Status::NoPrefixAvail)]),
            _ => false,
        });
        assert!(is_none, "{none:?}");
    }
}
