//! The LAN of a scenario: `[lan]`, its computers `[[lan.host]]`, and what they do, `[[lan.host.task]]`.

use std::net::IpAddr;

use gatelet_hal::PortId;
use gatelet_router::{Filtering, Forward, LanConfig, PingPolicy, PortRange, Protocol};
use serde::Deserialize;
use smoltcp::iface::SocketStorage;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv4Cidr, Ipv6Address};

use super::fault::{Action, Fault, when};
use super::values;
use crate::link::Quality;
use crate::peers::host::{Family, Lease, Machine, Memory, Service, Size, Target, Task};
use crate::peers::lan::{Lan, Mischief, Scheme, mac};
use crate::world::{Ipv6Settings, LanSettings};

/// Fast Ethernet.
const RATE: u64 = 100_000_000;
/// Most hosts: beyond, the numbers in their hardware addresses would repeat.
const MOST_HOSTS: usize = 1000;

/// `[lan]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LanFile {
    /// The router's address and its network.
    #[serde(default = "address", deserialize_with = "values::cidr")]
    pub address: Ipv4Cidr,
    /// How many computers that it does not know the DHCP server serves in a minute.
    newcomers_per_minute: Option<u8>,
    /// Between the router and the switch.
    #[serde(default = "link")]
    link: Quality,
    /// Whom hosts are to ask for names over IPv6.
    #[serde(default)]
    ipv6_dns: Vec<Ipv6Address>,
    #[serde(default, rename = "host")]
    hosts: Vec<HostFile>,
}

/// `[[lan.host]]`: a computer, or several alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HostFile {
    name: String,
    /// How many of them: `name-1`, `name-2`, ...
    count: Option<usize>,
    /// A fixed address, and those behind it if there are several; DHCP if there is none.
    address: Option<Ipv4Address>,
    /// Where it looks names up, if its address is fixed; at the router if this does not say otherwise.
    dns: Option<Ipv4Address>,
    /// When it is plugged in.
    #[serde(default, deserialize_with = "values::some_duration")]
    joins: Option<Duration>,
    /// How much later than the one before each of several joins and does what it does.
    #[serde(default, deserialize_with = "values::some_duration")]
    stagger: Option<Duration>,
    /// Whether it speaks IPv6; it does if nothing is said.
    ipv6: Option<bool>,
    /// Tells only what goes wrong.
    #[serde(default)]
    quiet: bool,
    /// Ports where it serves pages.
    #[serde(default)]
    serves: Vec<u16>,
    #[serde(default, rename = "task")]
    tasks: Vec<TaskFile>,
}

/// `[[lan.host.task]]`, `[[far.task]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TaskFile {
    #[serde(rename = "do")]
    verb: Verb,
    #[serde(default, deserialize_with = "values::some_duration")]
    at: Option<Duration>,
    after: Option<String>,
    nth: Option<u32>,
    #[serde(default, deserialize_with = "values::some_duration")]
    delay: Option<Duration>,
    times: Option<u32>,
    #[serde(default, deserialize_with = "values::some_duration")]
    every: Option<Duration>,
    /// Whom it is about: by name, ...
    name: Option<String>,
    /// ... over one family alone ...
    #[serde(default)]
    over: Family,
    /// ... or by address, ...
    to: Option<IpAddr>,
    /// ... or it is the router, under its address outside.
    #[serde(default)]
    to_router: bool,
    port: Option<u16>,
    /// Octets: of a page, a datagram, a ping's data.
    size: Option<u64>,
    /// So many of them at once.
    parallel: Option<u32>,
    /// How many pings.
    count: Option<u16>,
    /// How often a datagram, a word.
    #[serde(default, deserialize_with = "values::some_duration")]
    pace: Option<Duration>,
    /// For how long.
    #[serde(default, rename = "for", deserialize_with = "values::some_duration")]
    lasts: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    patience: Option<Duration>,
    /// What is said, word for word.
    text: Option<String>,
    /// Frames per second of a misbehaviour.
    rate: Option<u32>,
}

/// `[nat]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct NatFile {
    filtering: FilteringName,
    dmz: Option<Ipv4Address>,
    host_flows: Option<u16>,
    /// Whose pings the router answers on its WAN.
    #[serde(deserialize_with = "values::some_cidr")]
    ping_from: Option<Ipv4Cidr>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FilteringName {
    #[default]
    AddressAndPort,
    Address,
    Endpoint,
}

/// `[[forward]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ForwardFile {
    #[serde(default)]
    protocol: ProtocolName,
    /// The port outside, and the last one if there are several.
    port: u16,
    last_port: Option<u16>,
    /// The host inside.
    to: Ipv4Address,
    /// Its port, if that is another.
    to_port: Option<u16>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ProtocolName {
    Tcp,
    Udp,
    #[default]
    TcpUdp,
}

impl ForwardFile {
    fn check(&self) -> Result<Forward, String> {
        let forward = Forward {
            protocol: match self.protocol {
                ProtocolName::Tcp => Protocol::Tcp,
                ProtocolName::Udp => Protocol::Udp,
                ProtocolName::TcpUdp => Protocol::TcpUdp,
            },
            ports: PortRange { first: self.port, last: self.last_port.unwrap_or(self.port) },
            host: self.to,
            host_port: self.to_port.unwrap_or(self.port),
            source: Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 0),
        };
        forward.is_valid().then_some(forward).ok_or_else(|| format!("forward: port {} cannot be", self.port))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    Resolve,
    Fetch,
    Stream,
    Ping,
    Hold,
    Trace,
    Ask,
    #[serde(untagged)]
    Misbehave(Mischief),
}

fn address() -> Ipv4Cidr {
    Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24)
}

fn link() -> Quality {
    Quality { delay: Duration::ZERO, rate: Some(RATE), ..Quality::default() }
}

impl LanFile {
    /// What the router is told.
    ///
    /// # Errors
    /// Which forward cannot be.
    pub fn settings(
        &self,
        port: PortId,
        nat: &NatFile,
        forwards: &[ForwardFile],
        ipv6: Option<Ipv6Settings>,
    ) -> Result<LanSettings, String> {
        let mut config = LanConfig::new(port, self.address);
        if let (Some(dhcp), Some(newcomers)) = (&mut config.dhcp, self.newcomers_per_minute) {
            dhcp.newcomers_per_minute = newcomers;
        }
        Ok(LanSettings {
            config,
            forwards: forwards.iter().map(ForwardFile::check).collect::<Result<_, _>>()?,
            dmz: nat.dmz,
            filtering: match nat.filtering {
                FilteringName::AddressAndPort => Filtering::AddressAndPortDependent,
                FilteringName::Address => Filtering::AddressDependent,
                FilteringName::Endpoint => Filtering::EndpointIndependent,
            },
            host_quota: nat.host_flows,
            ping: nat.ping_from.map_or(PingPolicy::Nobody, PingPolicy::From),
            ipv6: ipv6.map(|settings| Ipv6Settings { dns: self.ipv6_dns.clone(), ..settings }),
        })
    }

    /// Every computer's name, in the order of their numbers.
    fn names(&self) -> Vec<(String, &HostFile, u32)> {
        let mut names = Vec::new();
        for host in &self.hosts {
            match host.count {
                None => names.push((host.name.clone(), host, 0)),
                Some(count) => {
                    let numbered = (0..count as u32)
                        .map(|number| (format!("{}-{}", host.name, number + 1), host, number));
                    names.extend(numbered);
                }
            }
        }
        names
    }

    /// What its computers' sockets borrow.
    ///
    /// # Errors
    /// If there are too many.
    pub fn memory(&self) -> Result<Vec<Memory>, String> {
        let count = self.names().len();
        if count > MOST_HOSTS {
            return Err(format!("lan.host: {count} are more than {MOST_HOSTS}"));
        }
        Ok((0..count).map(|_| Memory::new(Size::LAN_HOST)).collect())
    }

    /// The LAN.
    pub fn build<'a>(
        &self,
        memory: &'a mut [Memory],
        storage: &'a mut [Vec<SocketStorage<'a>>],
        seed: u64,
    ) -> Lan<'a> {
        let mut lan = Lan::new(self.link.clone(), seed);
        let rooms = memory.iter_mut().zip(storage);
        for ((number, (name, host, place)), (memory, storage)) in
            self.names().into_iter().enumerate().zip(rooms)
        {
            let fixed = host.address.map(|first| Lease {
                address: Ipv4Cidr::new((u32::from(first) + place).into(), self.address.prefix_len()),
                gateway: self.address.address(),
                dns: vec![host.dns.unwrap_or(self.address.address())],
                portal: None,
            });
            let seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15u64.wrapping_mul(number as u64 + 1));
            let mut machine = Machine::on_ethernet(&name, mac(number), fixed, memory, storage, seed);
            machine.set_quiet(host.quiet);
            if host.ipv6 == Some(false) {
                machine.forget_ipv6();
            }
            for &port in &host.serves {
                machine.serve(Service::Http, port, 4);
            }
            let joins = host.joins.unwrap_or(Duration::ZERO) + host.stagger() * place;
            lan.add(machine, Instant::ZERO + joins);
        }
        lan
    }

    /// What the computers do.
    ///
    /// # Errors
    /// Which task cannot be, and why.
    pub fn script(&self) -> Result<Vec<Fault>, String> {
        let mut script = Vec::new();
        for (number, (name, host, place)) in self.names().into_iter().enumerate() {
            for task in &host.tasks {
                let mut fault =
                    task.check(number).map_err(|error| format!("{name}, {:?}: {error}", task.verb))?;
                fault.when.postpone(host.stagger() * place);
                for _ in 0..task.parallel.unwrap_or(1) {
                    script.push(fault.clone());
                }
            }
        }
        Ok(script)
    }
}

impl HostFile {
    fn stagger(&self) -> Duration {
        self.stagger.unwrap_or(Duration::ZERO)
    }
}

impl TaskFile {
    /// What somebody far away does.
    pub(super) fn check_far(&self) -> Result<Fault, String> {
        let mut fault = self.check(0)?;
        fault.action = Action::BeginFar { task: self.task()?, to_router: self.to_router };
        Ok(fault)
    }

    fn check(&self, host: usize) -> Result<Fault, String> {
        let when = when(self.at, self.after.as_ref(), self.nth, self.delay)?;
        let repeat = match (self.times, self.every) {
            (None, None) => (1, Duration::ZERO),
            (Some(times), Some(every)) => (times, every),
            _ => return Err("`times` and `every` go together".into()),
        };
        let action = match self.verb {
            Verb::Misbehave(mischief) => {
                let lasts = self.lasts.ok_or("`for` is missing: for how long?")?;
                Action::Misbehave { host, scheme: Scheme { mischief, rate: self.rate.unwrap_or(100), lasts } }
            }
            _ => Action::Begin { host, task: self.task()?, to_router: self.to_router },
        };
        Ok(Fault { when, lasts: None, repeat, why: String::new(), action })
    }

    fn target(&self) -> Result<Target, String> {
        match (&self.name, self.to) {
            (Some(name), None) => Ok(Target::Name(name.clone(), self.over)),
            (None, Some(_)) if self.over != Family::Any => Err("`over` belongs to a name".into()),
            (None, Some(IpAddr::V4(address))) => Ok(Target::Address(IpAddress::Ipv4(address))),
            (None, Some(IpAddr::V6(address))) => Ok(Target::Address(IpAddress::Ipv6(address))),
            (None, None) => Ok(Target::Name("www.example.net".into(), self.over)),
            _ => Err("`name` and `to` are two ways to say the same".into()),
        }
    }

    fn task(&self) -> Result<Task, String> {
        const ECHO: u16 = 7;
        let seconds = Duration::from_secs;
        let target = self.target()?;
        Ok(match self.verb {
            Verb::Resolve => match target {
                Target::Name(name, family) => Task::Resolve { name, family },
                Target::Address(_) => return Err("an address needs no looking up".into()),
            },
            Verb::Fetch => Task::Fetch {
                target,
                port: self.port.unwrap_or(80),
                size: self.size.unwrap_or(20_000),
                patience: self.patience.unwrap_or(seconds(30)),
            },
            Verb::Stream => Task::Stream {
                target,
                port: self.port.unwrap_or(ECHO),
                every: self.pace.unwrap_or(Duration::from_millis(20)),
                lasts: self.lasts.unwrap_or(seconds(10)),
                size: self.size.unwrap_or(172) as usize,
            },
            Verb::Ping => {
                Task::Ping { target, count: self.count.unwrap_or(1), size: self.size.unwrap_or(32) as usize }
            }
            Verb::Hold => Task::Hold {
                target,
                port: self.port.unwrap_or(ECHO),
                every: self.pace.unwrap_or(seconds(60)),
                lasts: self.lasts.ok_or("`for` is missing: for how long?")?,
                patience: self.patience.unwrap_or(seconds(20)),
            },
            Verb::Trace => Task::Trace { target },
            Verb::Ask => Task::Ask {
                target,
                port: self.port.unwrap_or(80),
                text: self.text.clone().ok_or("`text` is missing: what is said?")?,
            },
            Verb::Misbehave(_) => return Err("no task".into()),
        })
    }
}
