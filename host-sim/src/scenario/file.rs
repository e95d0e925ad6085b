//! The scenario file: TOML with a topology drawn in the comment it opens with.
//!
//! ```toml
//! title = "The line is cut for ten seconds"
//! lasts = "5m"
//!
//! [router]
//! preset = "unicom"
//!
//! [concentrator]
//! model = "huawei"
//!
//! [[fault]]
//! after = "up"          # or  at = "60s"
//! delay = "30s"
//! do = "cut"
//! for = "10s"
//!
//! [[expect]]
//! name = "comes back"
//! event = "up"
//! count = 2
//! ```

use gatelet_hal::PortId;
use gatelet_proto::connectivity::Region;
use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{Credentials, Echo};
use gatelet_proto::redial::{NightlyReconnect, Policy, Preset};
use gatelet_router::{MAX_TUNNELS, WanConfig};
use gatelet_wire::ethernet::VlanTag;
use gatelet_wire::pppoe::TagKind;
use serde::Deserialize;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::access::{EdgeFile, Kind as WanKind, ModemFile, NeighbourFile};
use super::console::ConsoleFile;
use super::expect::Expectation;
use super::fault::{Fault, FaultFile};
use super::ipv6::{BrokerFile, FarFile, HomeFile, Ipv6File, OwnTunnelFile};
use super::lan::{ForwardFile, LanFile, NatFile};
use super::values;
use crate::link::Quality;
use crate::peers::concentrator::throttle::{Key, Kind, Rule, Stage};
use crate::peers::concentrator::{
    ACCOUNT, Authentication, Concentrator, Cookie, Keepalive, MaxPayload, Model, Moods, Reception, Startup,
};
use crate::peers::portal::{self, Network};
use crate::world::{Access, Ipv6Settings};

/// A scenario as it stands in its file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// One line for `list`.
    pub title: String,
    /// What it shows and why, in a few sentences.
    #[serde(default)]
    pub about: String,
    /// Virtual time from power-on to the end.
    #[serde(deserialize_with = "values::duration")]
    pub lasts: Duration,
    /// The seed, if the command line gives none.
    #[serde(default = "first_seed")]
    pub seed: u64,
    /// The router under test.
    #[serde(default)]
    pub router: RouterFile,
    /// The access line.
    #[serde(default)]
    pub line: Quality,
    /// The concentrator.
    #[serde(default)]
    pub concentrator: ConcentratorFile,
    /// What there is over IPv6.
    pub ipv6: Option<Ipv6File>,
    /// A tunnel broker.
    pub broker: Option<BrokerFile>,
    /// Somebody behind a tunnel that the router serves.
    pub far: Option<FarFile>,
    /// Another home, whose router serves a tunnel.
    pub home: Option<HomeFile>,
    /// The router's ends of tunnels.
    #[serde(default, rename = "tunnel")]
    pub tunnels: Vec<OwnTunnelFile>,
    /// How the router looks whether the Internet is there; it does not if not given.
    pub connectivity: Option<ConnectivityFile>,
    /// What is behind the concentrator.
    #[serde(default)]
    pub internet: InternetFile,
    /// What is there in the concentrator's place on a line without PPP.
    #[serde(default)]
    pub edge: EdgeFile,
    /// Another customer on that line.
    pub neighbour: Option<NeighbourFile>,
    /// The page of the ONT.
    pub modem: Option<ModemFile>,
    /// What is behind the router's second port.
    pub lan: Option<LanFile>,
    /// What the router does between LAN and WAN.
    #[serde(default)]
    pub nat: NatFile,
    /// Ports that lead inside.
    #[serde(default, rename = "forward")]
    pub forwards: Vec<ForwardFile>,
    /// How long the ONT takes to boot at the start; it has long been up if not given.
    #[serde(default, deserialize_with = "values::some_duration")]
    pub ont_boots: Option<Duration>,
    /// The router's console; the router then does what its settings say.
    pub console: Option<ConsoleFile>,
    /// The script.
    #[serde(default, rename = "fault")]
    pub faults: Vec<FaultFile>,
    /// The checks.
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Expectation>,
}

fn first_seed() -> u64 {
    1
}

/// `[router]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RouterFile {
    /// What kind of line it has.
    pub wan: WanKind,
    /// Its own address in the modem's network.
    #[serde(deserialize_with = "values::some_cidr")]
    modem: Option<Ipv4Cidr>,
    /// Whom it asks what time it is.
    pub ntp: Vec<String>,
    preset: PresetName,
    user: Option<String>,
    password: Option<String>,
    service_name: String,
    ac_name: String,
    vlan: Option<u16>,
    vlan_priority: u8,
    /// Longest frame of the port.
    max_frame_len: Option<usize>,
    jumbo: Option<bool>,
    minimum_auth: MinimumAuth,
    ipv6: Option<bool>,
    /// Local time of the nightly reconnect, `"04:30"`.
    nightly: Option<String>,
    /// LCP echo interval; `"0s"` switches it off.
    #[serde(deserialize_with = "values::some_duration")]
    echo: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PresetName {
    Unicom,
    Telecom,
    Mobile,
    #[default]
    Generic,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MinimumAuth {
    #[default]
    Pap,
    Chap,
    Mschapv2,
}

impl RouterFile {
    /// Whose line it is told it has.
    pub fn carrier(&self) -> Preset {
        match self.preset {
            PresetName::Unicom => Preset::Unicom,
            PresetName::Telecom => Preset::Telecom,
            PresetName::Mobile => Preset::Mobile,
            PresetName::Generic => Preset::Generic,
        }
    }

    /// What the router is told, and the longest frame of its port.
    ///
    /// # Errors
    /// A sentence that says which value cannot be.
    pub fn config(&self, port: PortId) -> Result<(WanConfig, usize), String> {
        let user = self.user.as_deref().unwrap_or(ACCOUNT.0);
        let password = self.password.as_deref().unwrap_or(ACCOUNT.1);
        let credentials = Credentials::new(user, password)
            .ok_or("router.user or router.password is longer than 128 octets")?;
        let mut policy = Policy::preset(self.carrier());
        if let Some(nightly) = &self.nightly {
            policy.nightly = Some(self::nightly(nightly)?);
        }
        let mut config = WanConfig::new(port, credentials);
        config.policy = policy;
        config.service_name =
            self.service_name.as_str().try_into().map_err(|_| "router.service-name is too long")?;
        config.ac_name = self.ac_name.as_str().try_into().map_err(|_| "router.ac-name is too long")?;
        if let Some(id) = self.vlan {
            let tag = VlanTag::new(id).map_err(|_| format!("router.vlan: {id} is no VLAN (1 to 4094)"))?;
            config.vlan = Some(VlanTag { priority: self.vlan_priority & 7, ..tag });
        }
        config.jumbo = self.jumbo.unwrap_or(config.jumbo);
        config.ipv6 = self.ipv6.unwrap_or(config.ipv6);
        config.modem = self.modem;
        config.minimum_auth = match self.minimum_auth {
            MinimumAuth::Pap => AuthMethod::Pap,
            MinimumAuth::Chap => AuthMethod::ChapMd5,
            MinimumAuth::Mschapv2 => AuthMethod::MsChapV2,
        };
        match self.echo {
            Some(Duration::ZERO) => config.echo = Echo::Off,
            Some(interval) => config.echo = Echo::On { interval, max_missed: 3 },
            None => {}
        }
        Ok((config, self.max_frame_len.unwrap_or(1514)))
    }
}

/// China's time zone, in which `nightly` is meant.
const UTC_OFFSET_MINUTES: i16 = 480;

fn nightly(text: &str) -> Result<NightlyReconnect, String> {
    let complaint = || format!("router.nightly: {text:?} is no time of day: write it like \"04:30\"");
    let (hour, minute) = text.split_once(':').ok_or_else(complaint)?;
    let (hour, minute): (u32, u32) =
        (hour.parse().map_err(|_| complaint())?, minute.parse().map_err(|_| complaint())?);
    if hour > 23 || minute > 59 {
        return Err(complaint());
    }
    Ok(NightlyReconnect {
        second_of_day: hour * 3600 + minute * 60,
        utc_offset_minutes: UTC_OFFSET_MINUTES,
        // Unicom ends sessions after 2826 to 2885 minutes (users' logs).
        forced_disconnect: Duration::from_secs(48 * 3600),
    })
}

/// `[connectivity]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConnectivityFile {
    #[serde(default)]
    region: RegionName,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RegionName {
    Cn,
    Global,
    #[default]
    Auto,
}

impl ConnectivityFile {
    /// Which probes.
    pub fn region(self) -> Region<'static> {
        match self.region {
            RegionName::Cn => Region::Cn,
            RegionName::Global => Region::Global,
            RegionName::Auto => Region::Auto,
        }
    }
}

/// `[internet]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct InternetFile {
    network: Option<String>,
}

impl InternetFile {
    /// What is on the way, by its name.
    ///
    /// # Errors
    /// If nothing is called so.
    pub fn network(&self) -> Result<Option<Network>, String> {
        self.network.as_deref().map(network).transpose()
    }
}

/// The network of that name.
pub(super) fn network(name: &str) -> Result<Network, String> {
    portal::network(name).ok_or_else(|| format!("network: nothing is called {name:?}"))
}

/// `[concentrator]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct ConcentratorFile {
    model: Option<String>,
    name: Option<String>,
    authentication: Option<AuthenticationName>,
    startup: Option<StartupName>,
    #[serde(deserialize_with = "values::some_duration")]
    startup_delay: Option<Duration>,
    cookie: Option<CookieName>,
    second_ac: bool,
    silent: bool,
    no_pads: bool,
    /// RFC 4638: the largest PPP-Max-Payload it agrees to.
    max_payload: Option<u16>,
    mtu_hole: Option<usize>,
    contrary: bool,
    answers_echo: Option<bool>,
    keepalive: Option<bool>,
    #[serde(deserialize_with = "values::some_duration")]
    kick_after: Option<Duration>,
    walled_garden: bool,
    /// Whether a client that redials gets the address it had.
    keeps_address: Option<bool>,
    padt_for_unknown: bool,
    /// Whether its addresses are of the Internet, and not of a carrier's NAT (RFC 6598).
    public_addresses: bool,
    /// The DNS servers that it names.
    dns: Option<Vec<Ipv4Address>>,
    ipv6: Option<bool>,
    vlan: Option<u16>,
    simultaneous: Option<usize>,
    #[serde(deserialize_with = "values::some_duration")]
    ageing: Option<Duration>,
    welcome: Option<String>,
    chasten: Option<Chasten>,
    extended_by_requests: Option<bool>,
    /// No concentrator at all: a device that reflects what it is sent.
    mirror: bool,
}

/// A throttle of failed or short sessions, in place of the model's own.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Chasten {
    failures: u32,
    #[serde(deserialize_with = "values::duration")]
    within: Duration,
    #[serde(deserialize_with = "values::duration")]
    block: Duration,
    #[serde(default, deserialize_with = "values::some_duration")]
    short: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AuthenticationName {
    None,
    Pap,
    Chap,
    Mschapv2,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StartupName {
    AtOnce,
    Early,
    Delayed,
    Passive,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CookieName {
    None,
    Stable,
    Changing,
    StaleOnce,
}

impl ConcentratorFile {
    /// Whether there is a mirror in its place.
    pub fn is_mirror(&self) -> bool {
        self.mirror
    }

    /// The concentrator.
    ///
    /// # Errors
    /// A sentence that says which value cannot be.
    pub fn build(&self, seed: u64) -> Result<Concentrator, String> {
        let name = self.model.as_deref().unwrap_or("open");
        let mut model = Model::by_name(name).ok_or_else(|| {
            let known: Vec<_> = Model::all().into_iter().map(|model| model.name).collect();
            format!("concentrator.model: nothing is called {name:?}: try {}", known.join(", "))
        })?;
        if let Some(chasten) = self.chasten {
            model.rules = vec![Rule {
                kind: Kind::Failures {
                    limit: chasten.failures,
                    window: chasten.within,
                    block: chasten.block,
                    quick_offline: chasten.short,
                },
                key: Key::Mac,
                stage: Stage::Padi,
                extended_by_requests: self.extended_by_requests.unwrap_or(false),
            }];
        }
        let mut concentrator = Concentrator::new(model, self.moods(), seed);
        if let Some(id) = self.vlan {
            let tag =
                VlanTag::new(id).map_err(|_| format!("concentrator.vlan: {id} is no VLAN (1 to 4094)"))?;
            concentrator.vlan = Some(tag);
        }
        concentrator.name = self.name.clone().unwrap_or(concentrator.name);
        concentrator.radius.simultaneous = self.simultaneous;
        concentrator.radius.ageing = self.ageing.unwrap_or(concentrator.radius.ageing);
        if self.mirror {
            concentrator.set_power(Instant::ZERO, false, &mut crate::world::Outbox::new());
        }
        Ok(concentrator)
    }

    fn moods(&self) -> Moods {
        let mut moods = Moods { lock_extended_by_requests: self.extended_by_requests, ..Moods::default() };
        if let Some(authentication) = self.authentication {
            moods.authentication = match authentication {
                AuthenticationName::None => Authentication::None,
                AuthenticationName::Pap => Authentication::Pap,
                AuthenticationName::Chap => Authentication::ChapMd5,
                AuthenticationName::Mschapv2 => Authentication::MsChapV2,
            };
        }
        let delay = self.startup_delay.unwrap_or(Duration::from_millis(240));
        match self.startup {
            Some(StartupName::AtOnce) => moods.startup = Startup::AtOnce,
            Some(StartupName::Early) => moods.startup = Startup::Early,
            Some(StartupName::Delayed) => moods.startup = Startup::After(delay),
            Some(StartupName::Passive) => moods.startup = Startup::Passive,
            None => {}
        }
        match self.cookie {
            Some(CookieName::None) => moods.cookie = Cookie::None,
            Some(CookieName::Stable) => moods.cookie = Cookie::Stable,
            Some(CookieName::Changing) => moods.cookie = Cookie::Changing,
            Some(CookieName::StaleOnce) => moods.cookie = Cookie::StaleOnce,
            None => {}
        }
        if self.silent {
            moods.padi = Reception::Silence;
        }
        if self.no_pads {
            moods.padr = Reception::Silence;
        }
        if let Some(octets) = self.max_payload {
            moods.max_payload = MaxPayload::Echo(octets);
        }
        if self.keepalive == Some(false) {
            moods.keepalive = None;
        } else if self.keepalive == Some(true) {
            moods.keepalive = Some(Keepalive { interval: Duration::from_secs(60), failures: 5 });
        }
        moods.second_ac = self.second_ac;
        moods.mtu_hole = self.mtu_hole;
        moods.contrary = self.contrary;
        moods.echo = self.answers_echo.unwrap_or(moods.echo);
        moods.kick_after = self.kick_after.map(|after| (after, after + Duration::from_secs(60)));
        moods.walled_garden = self.walled_garden;
        moods.honours_requested_address = self.keeps_address.unwrap_or(moods.honours_requested_address);
        moods.padt_for_unknown = self.padt_for_unknown;
        moods.public_addresses = self.public_addresses;
        moods.dns = self.dns.clone().unwrap_or(moods.dns);
        moods.ipv6 = self.ipv6.unwrap_or(moods.ipv6);
        moods.welcome = self.welcome.clone().unwrap_or(moods.welcome);
        moods
    }
}

/// An error tag by its name in files.
pub(super) fn error_tag(name: &str) -> Result<TagKind, String> {
    match name {
        "service-name-error" => Ok(TagKind::ServiceNameError),
        "ac-system-error" => Ok(TagKind::AcSystemError),
        "generic-error" => Ok(TagKind::GenericError),
        _ => Err(format!("tag: {name:?} is none of service-name-error, ac-system-error, generic-error")),
    }
}

impl File {
    /// What the router is told of its line.
    ///
    /// # Errors
    /// A sentence that says which value cannot be.
    pub fn access(&self, port: PortId) -> Result<Access, String> {
        let is_plain = self.router.wan != WanKind::Pppoe;
        if is_plain && self.modem.is_some() {
            return Err("modem: its page is beside a session, and router.wan is none".into());
        }
        if self.neighbour.is_some() && !is_plain {
            return Err("neighbour: a session has one other end, and router.wan is one".into());
        }
        if self.lan.is_none() && (is_plain || !self.router.ntp.is_empty()) {
            return Err("router.wan and router.ntp: there is no [lan], and without one no Internet".into());
        }
        match self.edge.config(self.router.wan, port) {
            Some(config) => Ok(Access::Ethernet(config)),
            None => Ok(Access::Pppoe(self.router.config(port)?.0)),
        }
    }

    /// Whether there is anything in it that needs an Internet over IPv6.
    pub fn needs_ipv6_outside(&self) -> bool {
        self.ipv6.is_some()
            || self.broker.is_some()
            || self.far.is_some()
            || self.home.is_some()
            || !self.tunnels.is_empty()
    }

    /// What the router is told of IPv6, if there is any.
    ///
    /// # Errors
    /// Which tunnel cannot be.
    pub fn ipv6(&self) -> Result<Option<Ipv6Settings>, String> {
        let tunnels: Vec<_> = self.tunnels.iter().map(OwnTunnelFile::check).collect::<Result<_, _>>()?;
        if tunnels.len() > MAX_TUNNELS {
            return Err(format!("tunnel: {MAX_TUNNELS} at most"));
        }
        let is_wanted = self.ipv6.is_some() || !tunnels.is_empty();
        let (acquires, dns) = (self.ipv6.is_some(), Vec::new());
        Ok(is_wanted.then_some(Ipv6Settings { acquires, dns, tunnels }))
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// What is wrong, with the line where that is known.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The script, checked.
    ///
    /// # Errors
    /// Which fault cannot be, and why.
    pub fn script(&self) -> Result<Vec<Fault>, String> {
        let numbered = self.faults.iter().enumerate();
        let faults = numbered
            .map(|(index, fault)| fault.check().map_err(|error| format!("fault {}: {error}", index + 1)));
        let mut script: Vec<Fault> = faults.collect::<Result<_, _>>()?;
        if self.console.is_none() && script.iter().any(Fault::is_typed) {
            return Err("do = \"type\": there is no [console]".into());
        }
        if let Some(lan) = &self.lan {
            script.extend(lan.script()?);
        }
        if let Some(far) = &self.far {
            script.extend(far.script()?);
        }
        Ok(script)
    }
}
