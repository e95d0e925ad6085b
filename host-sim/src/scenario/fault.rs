//! What befalls the world: one `[[fault]]` of a scenario file.

use gatelet_hal::PortId;
use gatelet_proto::ppp::Credentials;
use gatelet_router::{Command, WanConfig, WanId};
use serde::Deserialize;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Address;

use super::file::{error_tag, network};
use super::values::{self, format_duration};
use crate::link::{End, Loss, Quality};
use crate::message::Message;
use crate::peers::broker;
use crate::peers::concentrator::Reception;
use crate::peers::dhcpv6;
use crate::peers::edge;
use crate::peers::host::{Target, Task};
use crate::peers::internet::{self, Attack, Campaign, DnsMood, Narrow};
use crate::peers::lan::Scheme;
use crate::peers::portal;
use crate::peers::radius::Refusal;
use crate::timeline::{Actor, Tone, tags};
use crate::world::{Errand, Network, Power, ROUTER_MAC};

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
    Command(Box<Command>),
    Credentials(Box<Credentials>),
    /// A computer on the LAN does something, perhaps about the router's address outside.
    Begin {
        host: usize,
        task: Task,
        to_router: bool,
    },
    /// Somebody behind a tunnel that the router serves does something.
    BeginFar(Task),
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
            ("text", self.text.is_some(), &[Verb::RefuseSession]),
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

impl Fault {
    /// Strikes. `config` is what the router was told at first, `before` the line as it was.
    pub fn strike(&self, network: &mut Network<'_>, config: &WanConfig) {
        let line = |network: &mut Network<'_>, what: &str| self.tell(network, Actor::Line, Tone::Bad, what);
        match &self.action {
            Action::Cut => {
                line(network, "the line is cut");
                network.line_failed();
                network.link.set_cut(true);
            }
            Action::Unplug => {
                line(network, "the cable is pulled");
                network.set_cable(false);
            }
            Action::OntOff { .. } => {
                line(network, "the ONT loses power");
                network.line_failed();
                network.set_ont_power(false, None);
            }
            Action::PowerOff => {
                line(network, "the router loses power");
                network.set_power(Power::Off);
            }
            Action::Reset => {
                line(network, "the router is reset");
                network.set_power(Power::Reset);
            }
            Action::Quality(quality) => {
                line(network, "the line changes");
                network.link.quality = Quality::clone(quality);
            }
            Action::Lose(loss) => network.link.losses.push(loss.clone()),
            Action::Errand(errand) => network.errand(errand.clone()),
            Action::Command(command) => {
                let what = match **command {
                    Command::Dial { force: true, .. } => "the user says: dial, hold or not",
                    Command::Dial { .. } => "the user says: dial",
                    Command::HangUp { .. } => "the user says: hang up",
                    Command::Shutdown => "the user shuts the router down",
                    Command::NoTraffic { .. } => "a connectivity check finds no traffic",
                    Command::WallClock { .. } => "the router learns the time of day",
                    Command::Reconfigure { .. } => "new settings",
                };
                self.tell(network, Actor::User, Tone::Plain, what);
                network.command(Command::clone(command));
            }
            Action::Credentials(credentials) => {
                self.tell(network, Actor::User, Tone::Plain, "the user enters other credentials");
                let config = WanConfig {
                    credentials: Credentials::clone(credentials),
                    port: PortId(0),
                    ..config.clone()
                };
                network.command(Command::Reconfigure { wan: WanId(0), config });
            }
            Action::Begin { host, task, to_router } => {
                let mut task = task.clone();
                if let Some(address) = network.subscriber().filter(|_| *to_router) {
                    task.retarget(address.into());
                }
                network.begin(Some(*host), task);
            }
            Action::BeginFar(task) => network.begin_far(task.clone()),
            Action::Misbehave { host, scheme } => network.misbehave(*host, *scheme),
            Action::Attack(campaign) => network.attack(*campaign),
            &Action::Reach { port, size } => {
                if let Some(address) = network.subscriber() {
                    let (target, patience) = (Target::Address(address.into()), Duration::from_secs(10));
                    network.begin(None, Task::Fetch { target, port, size, patience });
                }
            }
            Action::Dns(mood) => {
                let what = match mood {
                    DnsMood::Silent => "the first DNS server falls silent",
                    DnsMood::Failing => "the first DNS server fails",
                    _ => "the DNS servers take their time",
                };
                self.tell(network, Actor::Internet, Tone::Bad, what);
                set_dns(network, *mood);
            }
            Action::Network(name) => {
                let what = match name.as_str() {
                    "clean" => "nothing is between the line and the Internet any more".to_owned(),
                    name => format!("between the line and the Internet: {name}"),
                };
                self.tell(network, Actor::Internet, Tone::Plain, &what);
                if let (Some(internet), Some(between)) = (&mut network.internet, portal::network(name)) {
                    internet.set_network(between);
                }
            }
            Action::NtpSilence => {
                self.tell(network, Actor::Internet, Tone::Bad, "nobody tells the time any more");
                tell_time(network, false);
            }
            Action::Narrow(narrow) => {
                let how = if narrow.is_black_hole { ", and nobody says so" } else { "" };
                let what = format!("the way over IPv6 takes {} octets{how}", narrow.mtu);
                self.tell(network, Actor::Internet, Tone::Bad, &what);
                set_narrow(network, Some(*narrow));
            }
            Action::Broker(mood) => {
                let what = match mood {
                    broker::Mood::Failing => "the tunnel broker's page fails",
                    broker::Mood::Gone => "the tunnel broker is gone",
                    _ => "the tunnel broker's page does not answer",
                };
                self.tell(network, Actor::Internet, Tone::Bad, what);
                set_broker(network, *mood);
            }
            action => self.strike_carrier(action, network),
        }
    }

    fn strike_carrier(&self, action: &Action, network: &mut Network<'_>) {
        let carrier = |network: &mut Network<'_>, what: &str| {
            self.tell(network, Actor::Carrier, Tone::Bad, what);
        };
        match action {
            Action::Kick => {
                network.line_failed();
                network.with_concentrator(|now, ac, out| ac.kick(now, ROUTER_MAC, out));
            }
            Action::Padt => {
                network.line_failed();
                network.with_concentrator(|now, ac, out| ac.padt(now, ROUTER_MAC, out));
            }
            Action::Forget => {
                network.line_failed();
                network.with_concentrator(|now, ac, out| ac.forget_sessions(now, ROUTER_MAC, false, out));
            }
            Action::StalePadt { other_ac } => {
                network.with_concentrator(|_, ac, out| ac.stale_padt(ROUTER_MAC, *other_ac, out));
            }
            Action::Restart { goodbye } => {
                network.line_failed();
                network.with_concentrator(|now, ac, out| ac.restart(now, *goodbye, out));
            }
            Action::ConcentratorOff => {
                carrier(network, "the concentrator fails");
                network.line_failed();
                network.with_concentrator(|now, ac, out| ac.set_power(now, false, out));
            }
            Action::Lock(block) => {
                network.with_concentrator(|now, ac, out| ac.lock(now, ROUTER_MAC, *block, out));
            }
            Action::Refuse(refusal) => {
                carrier(network, &format!("RADIUS refuses everybody: “{}”", refusal.text()));
                network.concentrator.refuse(Some(*refusal));
            }
            Action::Silence => {
                carrier(network, "PADIs go unanswered");
                network.concentrator.set_silence(true);
            }
            Action::NoPads => {
                carrier(network, "PADRs go unanswered");
                network.concentrator.moods.padr = Reception::Silence;
            }
            Action::RefuseSession(reception) => {
                carrier(network, "PADRs are refused");
                network.concentrator.moods.padr = reception.clone();
            }
            Action::BlackHole => {
                carrier(network, "forwards nothing any more, until the next dial");
                network.line_failed();
                network.concentrator.black_hole();
            }
            Action::Dhcp(mood) => {
                let what = match mood {
                    edge::Mood::DeafToRenewals => "the DHCP server answers broadcasts only",
                    _ => "the DHCP server falls silent",
                };
                carrier(network, what);
                set_dhcp(network, *mood);
            }
            Action::Renumber => {
                carrier(network, "the subscriber is to have another address");
                if let Some(edge) = &mut network.edge {
                    edge.renumber();
                }
            }
            Action::Dhcpv6(mood) => {
                let what = match mood {
                    dhcpv6::Mood::Exhausted => "the DHCPv6 server has no prefix left",
                    _ => "the DHCPv6 server falls silent",
                };
                carrier(network, what);
                network.concentrator.moods.dhcpv6 = *mood;
            }
            Action::RenumberIpv6 => {
                network.with_concentrator(|now, ac, out| ac.renumber(now, ROUTER_MAC, out));
            }
            Action::IgnoreEcho => {
                carrier(network, "answers LCP echo no longer");
                network.concentrator.moods.echo = false;
            }
            _ => {}
        }
    }

    /// Undoes it. `normal` is the line as it was at the start.
    pub fn undo(&self, network: &mut Network<'_>, normal: &Quality) {
        let (actor, what) = match &self.action {
            Action::Cut => {
                network.link.set_cut(false);
                (Actor::Line, "the line is mended".to_owned())
            }
            Action::Unplug => {
                network.set_cable(true);
                (Actor::Line, "the cable is back".to_owned())
            }
            Action::OntOff { boot } => {
                network.set_ont_power(true, *boot);
                return;
            }
            Action::PowerOff => {
                network.set_power(Power::On);
                (Actor::Line, "the router has power again".to_owned())
            }
            Action::Quality(_) => {
                network.link.quality = normal.clone();
                (Actor::Line, "the line is as before".to_owned())
            }
            Action::ConcentratorOff => {
                network.with_concentrator(|now, ac, out| ac.set_power(now, true, out));
                (Actor::Carrier, "the concentrator is back".to_owned())
            }
            Action::Refuse(_) => {
                network.concentrator.refuse(None);
                (Actor::Carrier, "RADIUS accepts again".to_owned())
            }
            Action::Silence => {
                network.concentrator.set_silence(false);
                (Actor::Carrier, "PADIs are answered again".to_owned())
            }
            Action::NoPads | Action::RefuseSession(_) => {
                network.concentrator.moods.padr = Reception::Answer;
                (Actor::Carrier, "PADRs are answered again".to_owned())
            }
            Action::IgnoreEcho => {
                network.concentrator.moods.echo = true;
                (Actor::Carrier, "LCP echo is answered again".to_owned())
            }
            Action::Dns(_) => {
                set_dns(network, DnsMood::Well);
                (Actor::Internet, "the DNS servers are well again".to_owned())
            }
            Action::Dhcp(_) => {
                set_dhcp(network, edge::Mood::Well);
                (Actor::Carrier, "the DHCP server answers again".to_owned())
            }
            Action::Dhcpv6(_) => {
                network.concentrator.moods.dhcpv6 = dhcpv6::Mood::Well;
                (Actor::Carrier, "the DHCPv6 server is well again".to_owned())
            }
            Action::Broker(_) => {
                set_broker(network, broker::Mood::Well);
                (Actor::Internet, "the tunnel broker is well again".to_owned())
            }
            Action::Narrow(_) => {
                set_narrow(network, None);
                (Actor::Internet, "the way over IPv6 is as wide as before".to_owned())
            }
            Action::NtpSilence => {
                tell_time(network, true);
                (Actor::Internet, "the time is told again".to_owned())
            }
            _ => return,
        };
        network.tell(actor, "mended", Tone::Plain, what, String::new());
    }

    fn tell(&self, network: &mut Network<'_>, actor: Actor, tone: Tone, what: &str) {
        let lasts = self.lasts.map_or(String::new(), |lasts| format!(" for {}", format_duration(lasts)));
        network.tell(actor, "fault", tone, format!("{what}{lasts}"), self.why.clone());
    }
}

fn set_dns(network: &mut Network<'_>, mood: DnsMood) {
    if let Some(internet) = &mut network.internet {
        // One fails; all of them are slow where the way to them is.
        internet.dns = match mood {
            DnsMood::Slow(_) | DnsMood::Well => [mood; 2],
            DnsMood::Silent | DnsMood::Failing => [mood, DnsMood::Well],
        };
    }
}

fn set_dhcp(network: &mut Network<'_>, mood: edge::Mood) {
    if let Some(edge) = &mut network.edge {
        edge.mood = mood;
    }
}

fn set_broker(network: &mut Network<'_>, mood: broker::Mood) {
    if let Some(broker) = network.internet.as_mut().and_then(|internet| internet.broker.as_mut()) {
        broker.mood = mood;
    }
}

fn set_narrow(network: &mut Network<'_>, narrow: Option<Narrow>) {
    if let Some(internet) = &mut network.internet {
        internet.narrow = narrow;
    }
}

fn tell_time(network: &mut Network<'_>, tells: bool) {
    if let Some(internet) = &mut network.internet {
        internet.tells_time = tells;
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
