//! What befalls the world: one `[[fault]]` of a scenario file.

mod strike;

use gatelet_proto::ppp::Credentials;
use gatelet_router::{Command, WanId};
use serde::Deserialize;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Address;

use super::file::{error_tag, network};
use super::values;
use crate::link::{End, Loss, Quality};
use crate::message::Message;
use crate::peers::broker;
use crate::peers::concentrator::Reception;
use crate::peers::dhcpv6;
use crate::peers::edge;
use crate::peers::host::Task;
use crate::peers::internet::{self, Attack, Campaign, DnsMood, Narrow};
use crate::peers::lan::Scheme;
use crate::peers::radius::Refusal;
use crate::timeline::tags;
use crate::world::Errand;

/// How long a DNS server takes that takes its time: a resolver that must ask a chain of others.
const SLOW: Duration = Duration::from_millis(1500);

/// A fault as it stands in its file. Which fields mean something depends on `do`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultFile {
    /// What is done.
    #[serde(rename = "do")]
    verb: Verb,
    /// When, since power-on.
    #[serde(default, deserialize_with = "values::some_duration")]
    at: Option<Duration>,
    /// Or: after this event of the timeline, by its tag.
    after: Option<String>,
    /// The how manieth of these events, from 1.
    nth: Option<u32>,
    /// How long after the event.
    #[serde(default, deserialize_with = "values::some_duration")]
    delay: Option<Duration>,
    /// It is undone after this long.
    #[serde(default, rename = "for", deserialize_with = "values::some_duration")]
    lasts: Option<Duration>,
    /// It is done that often ...
    times: Option<u32>,
    /// ... this long apart.
    #[serde(default, deserialize_with = "values::some_duration")]
    every: Option<Duration>,
    /// Why, for the timeline.
    #[serde(default)]
    why: String,
    message: Option<Message>,
    from: Option<End>,
    count: Option<u32>,
    #[serde(default, deserialize_with = "values::some_duration")]
    boot: Option<Duration>,
    quality: Option<Quality>,
    goodbye: Option<bool>,
    other_ac: Option<bool>,
    refusal: Option<RefusalName>,
    tag: Option<String>,
    text: Option<String>,
    to: Option<Ipv4Address>,
    name: Option<String>,
    force: Option<bool>,
    user: Option<String>,
    password: Option<String>,
    unix_seconds: Option<u64>,
    kind: Option<Attack>,
    rate: Option<u32>,
    port: Option<u16>,
    size: Option<u64>,
    mtu: Option<usize>,
    black_hole: Option<bool>,
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    Cut,
    Unplug,
    OntOff,
    PowerOff,
    Reset,
    Quality,
    Lose,
    Kick,
    Padt,
    Forget,
    StalePadt,
    Restart,
    ConcentratorOff,
    Lock,
    Refuse,
    Silence,
    NoPads,
    RefuseSession,
    BlackHole,
    IgnoreEcho,
    Ping,
    Resolve,
    Type,
    Dial,
    HangUp,
    Shutdown,
    NoTraffic,
    WallClock,
    Credentials,
    Attack,
    Reach,
    DnsSilence,
    DnsFailure,
    DnsSlow,
    Network,
    DhcpSilence,
    DhcpNoRenewals,
    DhcpRenumber,
    NtpSilence,
    Dhcpv6Silence,
    Dhcpv6Exhausted,
    Renumber,
    PathMtu,
    BrokerSilence,
    BrokerFailure,
    BrokerGone,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RefusalName {
    WrongPassword,
    TooManySessions,
    Locked,
    Binding,
    Exhausted,
    Trouble,
}

/// A fault, checked.
#[derive(Debug, Clone)]
pub struct Fault {
    /// When.
    pub when: When,
    /// It is undone after this long.
    pub lasts: Option<Duration>,
    /// How often, and how far apart.
    pub repeat: (u32, Duration),
    pub(super) why: String,
    pub(super) action: Action,
}

/// When a fault strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// So long after power-on.
    At(Duration),
    /// So long after the nth event of that tag.
    After {
        /// The tag.
        tag: String,
        /// Which, from 1.
        nth: u32,
        /// How long after it.
        delay: Duration,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Cut,
    Unplug,
    OntOff {
        boot: Option<Duration>,
    },
    PowerOff,
    Reset,
    Quality(Box<Quality>),
    Lose(Loss),
    Kick,
    Padt,
    Forget,
    StalePadt {
        other_ac: bool,
    },
    Restart {
        goodbye: bool,
    },
    ConcentratorOff,
    Lock(Duration),
    Refuse(Refusal),
    Silence,
    NoPads,
    RefuseSession(Reception),
    BlackHole,
    IgnoreEcho,
    Errand(Errand),
    /// A user types a line at the router's console.
    Type(String),
    Command(Box<Command>),
    Credentials(Box<Credentials>),
    /// A computer on the LAN does something, perhaps about the router's address outside.
    Begin {
        host: usize,
        task: Task,
        to_router: bool,
    },
    /// Somebody behind a tunnel that the router serves does something.
    BeginFar {
        task: Task,
        to_router: bool,
    },
    Misbehave {
        host: usize,
        scheme: Scheme,
    },
    Attack(Campaign),
    /// Somebody on the Internet fetches a page from the router's address.
    Reach {
        port: u16,
        size: u64,
    },
    Dns(DnsMood),
    /// Something else is on the way to the Internet: its name.
    Network(String),
    /// The DHCP server of a line without PPP.
    Dhcp(edge::Mood),
    Renumber,
    NtpSilence,
    /// The DHCPv6 server.
    Dhcpv6(dhcpv6::Mood),
    /// Other prefixes for the session, at once.
    RenumberIpv6,
    /// The way is narrower over IPv6 from now on.
    Narrow(Narrow),
    /// The tunnel broker's page.
    Broker(broker::Mood),
}

impl FaultFile {
    /// Checks that its fields make sense together.
    ///
    /// # Errors
    /// A sentence that says what does not.
    pub fn check(&self) -> Result<Fault, String> {
        let when = when(self.at, self.after.as_ref(), self.nth, self.delay)?;
        let repeat = match (self.times, self.every) {
            (None, None) => (1, Duration::ZERO),
            (Some(times), Some(every)) => (times, every),
            _ => return Err("`times` and `every` go together".into()),
        };
        self.check_fields()?;
        let action = self.action()?;
        let undone = self.lasts.is_some() && !matches!(action, Action::Lock(_) | Action::Attack(_));
        if undone && !action.can_be_undone() {
            return Err(format!("`for` means nothing to {:?}: it cannot be undone", self.verb));
        }
        let lasts = self.lasts.filter(|_| undone);
        Ok(Fault { when, lasts, repeat, why: self.why.clone(), action })
    }

    /// Every field that is there must mean something to the verb.
    fn check_fields(&self) -> Result<(), String> {
        let given = [
            ("message", self.message.is_some(), &[Verb::Lose][..]),
            ("from", self.from.is_some(), &[Verb::Lose]),
            ("count", self.count.is_some(), &[Verb::Lose]),
            ("boot", self.boot.is_some(), &[Verb::OntOff]),
            ("quality", self.quality.is_some(), &[Verb::Quality]),
            ("goodbye", self.goodbye.is_some(), &[Verb::Restart]),
            ("other-ac", self.other_ac.is_some(), &[Verb::StalePadt]),
            ("refusal", self.refusal.is_some(), &[Verb::Refuse]),
            ("tag", self.tag.is_some(), &[Verb::RefuseSession]),
            ("text", self.text.is_some(), &[Verb::RefuseSession, Verb::Type]),
            ("to", self.to.is_some(), &[Verb::Ping]),
            ("name", self.name.is_some(), &[Verb::Resolve, Verb::Network]),
            ("force", self.force.is_some(), &[Verb::Dial]),
            ("user", self.user.is_some(), &[Verb::Credentials]),
            ("password", self.password.is_some(), &[Verb::Credentials]),
            ("unix-seconds", self.unix_seconds.is_some(), &[Verb::WallClock]),
            ("kind", self.kind.is_some(), &[Verb::Attack]),
            ("rate", self.rate.is_some(), &[Verb::Attack]),
            ("port", self.port.is_some(), &[Verb::Attack, Verb::Reach]),
            ("size", self.size.is_some(), &[Verb::Reach]),
            ("mtu", self.mtu.is_some(), &[Verb::PathMtu]),
            ("black-hole", self.black_hole.is_some(), &[Verb::PathMtu]),
        ];
        match given.iter().find(|(_, there, verbs)| *there && !verbs.contains(&self.verb)) {
            Some((name, _, verbs)) => Err(format!("`{name}` belongs to {verbs:?}, not to {:?}", self.verb)),
            None => Ok(()),
        }
    }

    fn action(&self) -> Result<Action, String> {
        let wan = WanId(0);
        let command = |command| Action::Command(Box::new(command));
        Ok(match self.verb {
            Verb::Cut => Action::Cut,
            Verb::Unplug => Action::Unplug,
            Verb::OntOff => Action::OntOff { boot: self.boot },
            Verb::PowerOff => Action::PowerOff,
            Verb::Reset => Action::Reset,
            Verb::Quality => Action::Quality(Box::new(self.quality.clone().ok_or("`quality` is missing")?)),
            Verb::Lose => Action::Lose(Loss {
                message: self.message.ok_or("`message` is missing: which is to be lost?")?,
                from: self.from,
                remaining: self.count.unwrap_or(1),
            }),
            Verb::Kick => Action::Kick,
            Verb::Padt => Action::Padt,
            Verb::Forget => Action::Forget,
            Verb::StalePadt => Action::StalePadt { other_ac: self.other_ac.unwrap_or(false) },
            Verb::Restart => Action::Restart { goodbye: self.goodbye.unwrap_or(false) },
            Verb::ConcentratorOff => Action::ConcentratorOff,
            Verb::Lock => Action::Lock(self.lasts.ok_or("`for` is missing: how long is the lock?")?),
            Verb::Refuse => Action::Refuse(match self.refusal.ok_or("`refusal` is missing")? {
                RefusalName::WrongPassword => Refusal::WrongPassword,
                RefusalName::TooManySessions => Refusal::TooManySessions,
                RefusalName::Locked => Refusal::Locked,
                RefusalName::Binding => Refusal::Binding,
                RefusalName::Exhausted => Refusal::Exhausted,
                RefusalName::Trouble => Refusal::Trouble,
            }),
            Verb::Silence => Action::Silence,
            Verb::NoPads => Action::NoPads,
            Verb::RefuseSession => {
                let tag = error_tag(self.tag.as_deref().unwrap_or("generic-error"))?;
                Action::RefuseSession(Reception::Error(tag, self.text.clone().unwrap_or_default()))
            }
            Verb::BlackHole => Action::BlackHole,
            Verb::IgnoreEcho => Action::IgnoreEcho,
            Verb::Ping => Action::Errand(Errand::Ping(self.to.unwrap_or(internet::HOST))),
            Verb::Resolve => {
                Action::Errand(Errand::Resolve(self.name.clone().unwrap_or_else(|| "www.example.net".into())))
            }
            Verb::Type => Action::Type(self.text.clone().ok_or("`text` is missing: what is typed?")?),
            Verb::Dial => command(Command::Dial { wan, force: self.force.unwrap_or(false) }),
            Verb::HangUp => command(Command::HangUp { wan }),
            Verb::Shutdown => command(Command::Shutdown),
            Verb::NoTraffic => command(Command::NoTraffic { wan }),
            Verb::WallClock => {
                let unix_seconds = self.unix_seconds.ok_or("`unix-seconds` is missing")?;
                command(Command::WallClock { unix_seconds })
            }
            Verb::Credentials => {
                let user = self.user.as_deref().unwrap_or(crate::peers::concentrator::ACCOUNT.0);
                let password = self.password.as_deref().unwrap_or(crate::peers::concentrator::ACCOUNT.1);
                let credentials = Credentials::new(user, password);
                let credentials = credentials.ok_or("user or password is longer than 128 octets")?;
                Action::Credentials(Box::new(credentials))
            }
            Verb::Attack => Action::Attack(Campaign {
                attack: self.kind.ok_or("`kind` is missing")?,
                rate: self.rate.unwrap_or(100),
                lasts: self.lasts.ok_or("`for` is missing: how long is the attack?")?,
                port: self.port.unwrap_or(80),
            }),
            Verb::Reach => Action::Reach { port: self.port.unwrap_or(80), size: self.size.unwrap_or(20_000) },
            Verb::DnsSilence => Action::Dns(DnsMood::Silent),
            Verb::DnsFailure => Action::Dns(DnsMood::Failing),
            Verb::DnsSlow => Action::Dns(DnsMood::Slow(SLOW)),
            Verb::Network => {
                let name = self.name.clone().ok_or("`name` is missing: of which network?")?;
                network(&name)?;
                Action::Network(name)
            }
            Verb::DhcpSilence => Action::Dhcp(edge::Mood::Silent),
            Verb::DhcpNoRenewals => Action::Dhcp(edge::Mood::DeafToRenewals),
            Verb::DhcpRenumber => Action::Renumber,
            Verb::NtpSilence => Action::NtpSilence,
            Verb::Dhcpv6Silence => Action::Dhcpv6(dhcpv6::Mood::Silent),
            Verb::Dhcpv6Exhausted => Action::Dhcpv6(dhcpv6::Mood::Exhausted),
            Verb::Renumber => Action::RenumberIpv6,
            Verb::BrokerSilence => Action::Broker(broker::Mood::Silent),
            Verb::BrokerGone => Action::Broker(broker::Mood::Gone),
            Verb::BrokerFailure => Action::Broker(broker::Mood::Failing),
            Verb::PathMtu => Action::Narrow(Narrow {
                mtu: self.mtu.ok_or("`mtu` is missing")?,
                is_black_hole: self.black_hole.unwrap_or(false),
            }),
        })
    }
}

/// When something happens, as it stands in a file.
///
/// # Errors
/// A sentence that says what makes no sense.
pub(super) fn when(
    at: Option<Duration>,
    after: Option<&String>,
    nth: Option<u32>,
    delay: Option<Duration>,
) -> Result<When, String> {
    match (at, after) {
        (Some(at), None) if nth.is_none() && delay.is_none() => Ok(When::At(at)),
        (Some(_), None) => Err("`nth` and `delay` belong to `after`, not to `at`".into()),
        (None, Some(tag)) => {
            tags::check(tag)?;
            let (nth, delay) = (nth.unwrap_or(1).max(1), delay.unwrap_or(Duration::ZERO));
            Ok(When::After { tag: tag.clone(), nth, delay })
        }
        _ => Err("say when: either `at = \"60s\"` or `after = \"up\"`".into()),
    }
}

impl Fault {
    /// Whether somebody types at the console.
    pub(super) fn is_typed(&self) -> bool {
        matches!(self.action, Action::Type(_))
    }
}

impl When {
    /// So much later.
    pub(super) fn postpone(&mut self, by: Duration) {
        match self {
            Self::At(at) => *at += by,
            Self::After { delay, .. } => *delay += by,
        }
    }
}

impl Action {
    fn can_be_undone(&self) -> bool {
        matches!(
            self,
            Self::Cut
                | Self::Unplug
                | Self::OntOff { .. }
                | Self::PowerOff
                | Self::Quality(_)
                | Self::ConcentratorOff
                | Self::Refuse(_)
                | Self::Silence
                | Self::NoPads
                | Self::RefuseSession(_)
                | Self::IgnoreEcho
                | Self::Dns(_)
                | Self::Dhcp(_)
                | Self::NtpSilence
                | Self::Dhcpv6(_)
                | Self::Narrow(_)
                | Self::Broker(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Fault, String> {
        toml::from_str::<FaultFile>(text).map_err(|error| error.to_string())?.check()
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("do = 'cut'", "say when"),
            ("do = 'cut'\nafter = 'upp'", "did you mean \"up\""),
            ("do = 'cut'\nat = '1s'\ndelay = '3s'", "belong to `after`"),
            ("do = 'cut'\nat = '1s'\nmessage = 'padi'", "`message` belongs to [Lose], not to Cut"),
            ("do = 'cutt'\nat = '1s'", "unknown variant `cutt`"),
            ("do = 'lose'\nat = '1s'", "which is to be lost"),
            ("do = 'lose'\nat = '1s'\nmessage = 'padx'", "padx"),
            ("do = 'padt'\nat = '1s'\nfor = '3s'", "cannot be undone"),
            ("do = 'lock'\nat = '1s'", "how long is the lock"),
            ("do = 'cut'\nat = '1s'\ntimes = 3", "go together"),
            ("do = 'cut'\nat = '1 fortnight'", "is no duration"),
            ("do = 'type'\nat = '1s'", "what is typed"),
        ];
        for (text, complaint) in cases {
            let error = check(text).unwrap_err();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    #[test]
    fn a_fault_after_an_event() {
        let fault = check("do = 'cut'\nafter = 'up'\nnth = 2\ndelay = '10s'\nfor = '5s'").unwrap();
        let when = When::After { tag: "up".into(), nth: 2, delay: Duration::from_secs(10) };
        assert_eq!((fault.when, fault.lasts), (when, Some(Duration::from_secs(5))));
    }
}
