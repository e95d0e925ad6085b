//! What a fault does to the world when it strikes, and when it is undone.

use gatelet_hal::PortId;
use gatelet_proto::ppp::Credentials;
use gatelet_router::{Command, WanConfig, WanId};
use smoltcp::time::Duration;

use super::{Action, Fault};
use crate::link::Quality;
use crate::peers::concentrator::Reception;
use crate::peers::host::{Target, Task};
use crate::peers::internet::{DnsMood, Narrow};
use crate::peers::{broker, dhcpv6, edge, portal};
use crate::scenario::values::format_duration;
use crate::timeline::{Actor, Tone};
use crate::world::{Network, Power, ROUTER_MAC};

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
            Action::Type(text) => {
                network.tell(Actor::User, "typed", Tone::Plain, format!("types “{text}”"), self.why.clone());
                network.type_in(&format!("{text}\r"));
            }
            Action::Command(command) => {
                let what = match **command {
                    Command::Dial { force: true, .. } => "the user says: dial, hold or not",
                    Command::Dial { .. } => "the user says: dial",
                    Command::HangUp { .. } => "the user says: hang up",
                    Command::Shutdown => "the user shuts the router down",
                    Command::NoTraffic { .. } => "a connectivity check finds no traffic",
                    Command::Captive { .. } => "a portal comes or goes",
                    Command::WallClock { .. } => "the router learns the time of day",
                    Command::Reconfigure { .. } => "new settings",
                    Command::MoveTunnel { .. } => "a tunnel's far end has moved",
                    Command::Listen { .. } => "the router listens",
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
                network.begin(Some(*host), aimed(task, *to_router, network));
            }
            Action::BeginFar { task, to_router } => network.begin_far(aimed(task, *to_router, network)),
            Action::Misbehave { host, scheme } => network.misbehave(*host, *scheme),
            Action::Attack(campaign) => network.attack(*campaign),
            &Action::Reach { port, size } => {
                if let Some(address) = network.subscriber() {
                    let (target, patience) = (Target::Address(address.into()), Duration::from_secs(10));
                    network.begin(None, Task::Fetch { target, port, size, patience });
                }
            }
            action => self.strike_internet(action, network),
        }
    }

    fn strike_internet(&self, action: &Action, network: &mut Network<'_>) {
        match action {
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
                set_dhcpv6(network, *mood);
            }
            Action::RenumberIpv6 => {
                let now = network.now();
                match &mut network.edge {
                    Some(edge) => edge.renumber_ipv6(now),
                    None => network.with_concentrator(|now, ac, out| ac.renumber(now, ROUTER_MAC, out)),
                }
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
                set_dhcpv6(network, dhcpv6::Mood::Well);
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

/// What is to be done, perhaps to the router under the address that it has now.
fn aimed(task: &Task, to_router: bool, network: &Network<'_>) -> Task {
    let mut task = task.clone();
    if let Some(address) = network.subscriber().filter(|_| to_router) {
        task.retarget(address.into());
    }
    task
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

fn set_dhcpv6(network: &mut Network<'_>, mood: dhcpv6::Mood) {
    network.concentrator.moods.dhcpv6 = mood;
    if let Some(edge) = &mut network.edge {
        edge.set_dhcpv6_mood(mood);
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
