//! From settings to what the parts of the router are told.

use gatelet_hal::PortId;
use gatelet_proto::connectivity::Region;
use gatelet_proto::connectivity::probes::{ChinaClass, Confidence, Expect, Ipv6, Probe, Scheme, Sets, Tls};
use gatelet_proto::dhcp::client::{self, ClientIdentifier};
use gatelet_proto::dhcp::server::Reservation;
use gatelet_proto::dns;
use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{Credentials, Echo};
use gatelet_proto::redial::{Between, Language, NightlyReconnect, Policy, Preset, Window};
use gatelet_router::{
    Action, Addressing, EthernetWanConfig, Filtering, Forward, LanConfig, MAX_FORWARDS, MAX_RULES,
    PingPolicy, PortRange, Prefix, Protocol, Rule, WanConfig, Zone,
};
use gatelet_wire::dns::NameBuf;
use gatelet_wire::ethernet::VlanTag;
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use heapless::{String, Vec};
use smoltcp::time::Duration;

use crate::{ClientId, Settings, Value};

/// What the line is.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
pub enum Wan {
    /// Dialed.
    Pppoe(WanConfig),
    /// By DHCP, or static.
    Ethernet(EthernetWanConfig),
}

/// The most probes of the user's own.
pub const PROBES: usize = 8;
/// The most name servers of the user's own.
pub const UPSTREAMS: usize = 2;

impl Settings {
    /// The line, at `port`.
    pub fn wan(&self, port: PortId) -> Wan {
        match self.choice("wan.kind", 0) {
            "dhcp" => Wan::Ethernet(self.ethernet_wan(port, Addressing::Dhcp(self.dhcp_client()))),
            "static" => {
                // What is missing was found by the check; without it the line stays down.
                let address = self.cidr("wan.address", 0).unwrap_or(NOWHERE);
                let gateway = self.host("wan.gateway", 0).unwrap_or(Ipv4Address::UNSPECIFIED);
                let dns = [self.host("wan.dns.#", 1), self.host("wan.dns.#", 2)];
                Wan::Ethernet(self.ethernet_wan(port, Addressing::Static { address, gateway, dns }))
            }
            _ => Wan::Pppoe(self.pppoe_wan(port)),
        }
    }

    fn ethernet_wan(&self, port: PortId, addressing: Addressing) -> EthernetWanConfig {
        EthernetWanConfig { port, vlan: self.vlan(), mac: self.mac("wan.mac", 0), addressing }
    }

    fn dhcp_client(&self) -> client::Config {
        let mut config = client::Config::new(EthernetAddress([0; 6]));
        config.identifier = match self.at("wan.dhcp.client-id", 0) {
            Some(Value::ClientId(ClientId::Omitted)) => ClientIdentifier::Omitted,
            Some(Value::ClientId(id @ ClientId::Octets(_))) => {
                ClientIdentifier::Other(id.octets().take(client::IDENTIFIER_MAX).collect())
            }
            _ => ClientIdentifier::HardwareAddress,
        };
        let class = self.plain("wan.dhcp.vendor-class", 0);
        config.vendor_class = Vec::from_slice(class.as_bytes()).unwrap_or_default();
        config.host_name = bounded(self.plain("wan.dhcp.host-name", 0));
        config.wants_broadcast = self.flag("wan.dhcp.broadcast", 0);
        config
    }

    fn pppoe_wan(&self, port: PortId) -> WanConfig {
        let credentials = Credentials {
            username: bounded(self.plain("wan.user", 0)),
            password: bounded(self.plain("wan.password", 0)),
        };
        let mut config = WanConfig::new(port, credentials);
        config.service_name = bounded(self.plain("wan.service-name", 0));
        config.ac_name = bounded(self.plain("wan.ac-name", 0));
        config.ac_mac = self.mac("wan.ac-mac", 0);
        config.vlan = self.vlan();
        config.mac = self.mac("wan.mac", 0);
        config.jumbo = self.choice("wan.mtu", 0) == "1500";
        config.minimum_auth = match self.choice("wan.minimum-auth", 0) {
            "chap" => AuthMethod::ChapMd5,
            "mschapv2" => AuthMethod::MsChapV2,
            _ => AuthMethod::Pap,
        };
        config.ipv6 = self.flag("wan.ipv6", 0);
        config.modem = self.cidr("wan.modem-address", 0);
        config.policy = self.policy();
        let interval = self.span("wan.echo-interval").unwrap_or(Echo::DEFAULT_INTERVAL);
        let max_missed = Echo::DEFAULT_MAX_MISSED;
        config.echo = match self.choice("wan.echo", 0) {
            "off" => Echo::Off,
            "on" => Echo::On { interval, max_missed },
            _ => Echo::Adaptive { interval, max_missed },
        };
        config
    }

    fn policy(&self) -> Policy {
        let preset = Preset::from_name(self.choice("wan.carrier", 0)).unwrap_or(Preset::Generic);
        let mut policy = Policy::preset(preset);
        match self.choice("wan.echo", 0) {
            "" => {}
            mode => policy.echo = mode != "off",
        }
        if let Some(hold) = self.span("wan.limit.hold") {
            policy.hold = Between { least: hold, most: hold };
        }
        if let Some(Value::Window { limit, period }) = self.at("wan.limit.discovery", 0) {
            policy.discovery = Window { limit, period };
        }
        if let Some(Value::Window { limit, period }) = self.at("wan.limit.dials", 0) {
            policy.dials = Window { limit, period };
        }
        if let Some(Value::TimeOfDay(minutes)) = self.at("wan.nightly.at", 0) {
            policy.nightly = Some(NightlyReconnect {
                second_of_day: u32::from(minutes) * 60,
                utc_offset_minutes: self.utc_offset_minutes(),
                forced_disconnect: self
                    .span("wan.nightly.age")
                    .unwrap_or(NightlyReconnect::CHINA_48_HOURS.forced_disconnect),
            });
        }
        policy
    }

    /// The LAN, at `port`.
    pub fn lan(&self, port: PortId) -> LanConfig {
        let mut config = LanConfig::new(port, self.lan_address());
        if let Some(dhcp) = &mut config.dhcp {
            if let Some(Value::Pool { first, last }) = self.at("lan.dhcp.pool", 0) {
                (dhcp.first, dhcp.last) = (first, last);
            }
            if let Some(time) = self.span("lan.dhcp.lease-time") {
                dhcp.lease_time = time;
            }
            let reservations = (1..=16).filter_map(|n| {
                let mac = self.mac("lan.dhcp.reservation.#.mac", n)?;
                Some(Reservation { mac, address: self.host("lan.dhcp.reservation.#.address", n)? })
            });
            dhcp.reservations = reservations.collect();
            dhcp.domain_name = bounded(self.plain("lan.domain", 0));
            dhcp.ntp_server = self.host("lan.dhcp.ntp-server", 0);
            dhcp.mtu = self.number("lan.dhcp.mtu", 0).and_then(|mtu| mtu.try_into().ok());
            if let Some(newcomers) = self.number("lan.dhcp.newcomers", 0) {
                dhcp.newcomers_per_minute = u8::try_from(newcomers).unwrap_or(u8::MAX);
            }
        }
        if !self.flag("lan.dhcp.enabled", 0) {
            config.dhcp = None;
        }
        config
    }

    pub(crate) fn lan_address(&self) -> Ipv4Cidr {
        self.cidr("lan.address", 0).unwrap_or(NOWHERE)
    }

    /// The port forwards, in the order of their numbers; those that lack something are left out.
    pub fn forwards(&self) -> impl Iterator<Item = Forward> {
        (1..=MAX_FORWARDS as u8).filter_map(|n| self.forward(n))
    }

    pub(crate) fn forward(&self, n: u8) -> Option<Forward> {
        let ports = self.ports("forward.#.port", n)?;
        Some(Forward {
            protocol: match self.choice("forward.#.protocol", n) {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                _ => Protocol::TcpUdp,
            },
            ports,
            host: self.host("forward.#.to", n)?,
            host_port: match self.number("forward.#.to-port", n) {
                Some(port) => u16::try_from(port).ok()?,
                None => ports.first,
            },
            source: self.cidr("forward.#.source", n)?,
        })
    }

    /// The rules, in the order of their numbers; those that do not say what they do are left out.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        (1..=MAX_RULES as u8).filter_map(|n| self.rule(n))
    }

    fn rule(&self, n: u8) -> Option<Rule> {
        let action = match self.choice("rule.#.action", n) {
            "accept" => Action::Accept,
            "drop" => Action::Drop,
            "reject" => Action::Reject,
            _ => return None,
        };
        let zone = |path| match self.choice(path, n) {
            "lan" => Zone::Lan,
            "router" => Zone::Router,
            _ => Zone::Wan,
        };
        let prefix =
            |path| if let Some(Value::Prefix(prefix)) = self.at(path, n) { prefix } else { Prefix::Any };
        let ports = |path| self.ports(path, n).unwrap_or(PortRange::ALL);
        Some(Rule {
            source: prefix("rule.#.source"),
            destination: prefix("rule.#.destination"),
            protocol: match self.at("rule.#.protocol", n) {
                Some(Value::Protocol(protocol)) => protocol,
                _ => Protocol::Any,
            },
            source_ports: ports("rule.#.source-port"),
            destination_ports: ports("rule.#.destination-port"),
            log: self.flag("rule.#.log", n),
            ..Rule::new(zone("rule.#.from"), zone("rule.#.to"), action)
        })
    }

    /// The host that gets what nobody asked for.
    pub fn dmz(&self) -> Option<Ipv4Address> {
        self.host("nat.dmz", 0)
    }

    /// Who may ping us from the Internet.
    pub fn ping(&self) -> PingPolicy {
        self.cidr("wan.ping-from", 0).map_or(PingPolicy::Nobody, PingPolicy::From)
    }

    /// Whose packets an open mapping lets in.
    pub fn filtering(&self) -> Filtering {
        match self.choice("nat.filtering", 0) {
            "address" => Filtering::AddressDependent,
            "endpoint" => Filtering::EndpointIndependent,
            _ => Filtering::AddressAndPortDependent,
        }
    }

    /// The most flows of one host; `None`: what the router holds to be right.
    pub fn host_quota(&self) -> Option<u16> {
        self.number("nat.host-flows", 0).and_then(|flows| flows.try_into().ok())
    }

    /// The DNS service.
    pub fn dns(&self) -> dns::Config {
        let default = dns::Config::default();
        let stale = self.span("dns.stale").map(|stale| stale.secs());
        dns::Config {
            host_name: bounded(self.host_name()),
            local_domain: NameBuf::from_text(self.plain("lan.domain", 0)).unwrap_or_default(),
            lan: self.lan_address(),
            rebind_protection: self.flag("dns.rebind-protection", 0),
            stale_max_s: stale.and_then(|stale| stale.try_into().ok()).unwrap_or(default.stale_max_s),
            ..default
        }
    }

    /// Names that may have any address.
    pub fn rebind_exceptions(&self) -> dns::NameList {
        let mut list = dns::NameList::new();
        for name in (1..=8).map(|n| self.plain("dns.rebind-exception.#", n)).filter(|name| !name.is_empty()) {
            // Eight names of 63 bytes have room at all times.
            let _ = NameBuf::from_text(name).map(|name| list.push(&name));
        }
        list
    }

    /// Name servers to ask instead of the carrier's; none: the carrier's.
    pub fn dns_upstreams(&self) -> Vec<Ipv4Address, UPSTREAMS> {
        (1..=UPSTREAMS as u8).filter_map(|n| self.host("dns.upstream.#", n)).collect()
    }

    /// Servers to ask for the time of day.
    pub fn ntp_servers(&self) -> impl Iterator<Item = &str> {
        (1..=4).map(|n| self.plain("ntp.server.#", n)).filter(|name| !name.is_empty())
    }

    /// Which servers tell whether the Internet is there; `probes` is what [`probes`](Self::probes) gives.
    pub fn region<'a>(&self, probes: &'a [Probe<'a>]) -> Region<'a> {
        match self.choice("connectivity.region", 0) {
            "cn" => Region::Cn,
            "global" => Region::Global,
            "custom" => Region::Custom(probes),
            _ => Region::Auto,
        }
    }

    /// The user's own probes.
    pub fn probes(&self) -> Vec<Probe<'_>, PROBES> {
        (1..=PROBES as u8).filter_map(|n| self.probe(n)).collect()
    }

    fn probe(&self, n: u8) -> Option<Probe<'_>> {
        let Some(Value::Url { host, path }) = self.at("connectivity.probe.#.url", n) else { return None };
        let operator = match self.plain("connectivity.probe.#.operator", n) {
            "" => host,
            operator => operator,
        };
        Some(Probe {
            id: host,
            owner: operator,
            served_by: operator,
            scheme: Scheme::Http,
            host,
            path,
            expect: match self.plain("connectivity.probe.#.body", n) {
                "" => Expect::NoContent,
                body => Expect::Body(body),
            },
            tls: Tls::Unknown,
            ipv6: Ipv6::Unknown,
            china: ChinaClass::Unknown,
            sets: Sets::NONE,
            source: "settings",
            confidence: Confidence::High,
        })
    }

    /// The router's own name.
    pub fn host_name(&self) -> &str {
        self.plain("system.host-name", 0)
    }

    /// The language of sentences.
    pub fn language(&self) -> Language {
        if self.choice("system.language", 0) == "chinese" { Language::Chinese } else { Language::English }
    }

    /// Minutes that the time of day here is ahead of UTC.
    pub fn utc_offset_minutes(&self) -> i16 {
        if let Some(Value::UtcOffset(minutes)) = self.at("system.utc-offset", 0) { minutes } else { 0 }
    }

    /// Empty, if nothing holds.
    pub(crate) fn plain(&self, path: &str, n: u8) -> &str {
        match self.at(path, n) {
            Some(Value::Text(text) | Value::Label(text) | Value::Name(text)) => text,
            _ => "",
        }
    }

    /// Empty, if nothing holds.
    pub(crate) fn choice(&self, path: &str, n: u8) -> &'static str {
        if let Some(Value::Choice(word)) = self.at(path, n) { word } else { "" }
    }

    pub(crate) fn flag(&self, path: &str, n: u8) -> bool {
        self.at(path, n) == Some(Value::Flag(true))
    }

    pub(crate) fn number(&self, path: &str, n: u8) -> Option<u32> {
        if let Some(Value::Number(number)) = self.at(path, n) { Some(number) } else { None }
    }

    fn span(&self, path: &str) -> Option<Duration> {
        if let Some(Value::Span(span)) = self.at(path, 0) { Some(span) } else { None }
    }

    pub(crate) fn host(&self, path: &str, n: u8) -> Option<Ipv4Address> {
        if let Some(Value::Ipv4(address)) = self.at(path, n) { Some(address) } else { None }
    }

    pub(crate) fn cidr(&self, path: &str, n: u8) -> Option<Ipv4Cidr> {
        match self.at(path, n) {
            Some(Value::Interface(cidr) | Value::Network(cidr)) => Some(cidr),
            _ => None,
        }
    }

    pub(crate) fn ports(&self, path: &str, n: u8) -> Option<PortRange> {
        if let Some(Value::Ports(ports)) = self.at(path, n) { Some(ports) } else { None }
    }

    pub(crate) fn mac(&self, path: &str, n: u8) -> Option<EthernetAddress> {
        if let Some(Value::Mac(mac)) = self.at(path, n) { Some(mac) } else { None }
    }

    fn vlan(&self) -> Option<VlanTag> {
        if let Some(Value::Vlan(tag)) = self.at("wan.vlan", 0) { Some(tag) } else { None }
    }
}

/// No address.
const NOWHERE: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 32);

/// Every key's kind has its bound; what were longer would be left out.
pub(crate) fn bounded<const N: usize>(text: &str) -> String<N> {
    String::try_from(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String as Text;

    use gatelet_proto::dhcpv6::duid_ll;

    use super::*;
    use crate::{KEYS, Key, Place, Radio};

    /// All that the settings say to anybody.
    fn told(settings: &Settings) -> Text {
        let wan = match settings.wan(PortId(0)) {
            // `Credentials` do not show the password.
            Wan::Pppoe(config) => format!("{config:?} {}", config.credentials.password),
            Wan::Ethernet(config) => format!("{config:?}"),
        };
        let probes = settings.probes();
        let [tunnels, radio] = told_of_tunnels_and_radio(settings);
        format!(
            "{wan} {tunnels} {radio} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {:?} {} {:?} {:?} {:?}",
            settings.lan(PortId(1)),
            settings.forwards().collect::<Vec<_, 16>>(),
            settings.rules().collect::<Vec<_, 32>>(),
            settings.dmz(),
            settings.ping(),
            settings.filtering(),
            settings.host_quota(),
            settings.dns(),
            settings.rebind_exceptions(),
            settings.dns_upstreams(),
            settings.ntp_servers().collect::<Vec<_, 4>>(),
            settings.region(&probes),
            settings.host_name(),
            settings.language(),
            settings.utc_offset_minutes(),
            settings.ipv6(),
            settings.ipv6_client(duid_ll(EthernetAddress([2; 6]))),
            settings.ipv6_dns(),
        )
    }

    /// `Account`s and `Radio`s do not show their keys.
    fn told_of_tunnels_and_radio(settings: &Settings) -> [Text; 2] {
        let tunnel = |n| {
            let (update, entry) = (settings.tunnel_update(n), settings.tunnel_update_entry(n));
            let key = update.as_ref().map(|update| update.account.key.clone());
            let watch = (settings.tunnel_is_watched(n), settings.tunnel_is_proxied(n));
            format!("{:?} {watch:?} {update:?} {key:?} {entry:?}", settings.tunnel(n))
        };
        let wifi = settings.wifi();
        let (Radio::AccessPoint { password, .. } | Radio::Station { password, .. }) = wifi.radio;
        let tunnels: Text = (1..=crate::TUNNELS).map(tunnel).collect();
        [format!("{tunnels} {:?}", settings.tunnel_update_port()), format!("{wifi:?} {password:?}")]
    }

    /// Settings in which every key can make a difference.
    fn stage(key: &Key, number: u8) -> Settings {
        let mut settings = Settings::new();
        let mut set = |path: &str, text: &str| {
            let key = KEYS.iter().find(|known| known.path == path).unwrap();
            settings.set(Place { key, number: if key.most == 0 { 0 } else { number } }, text).unwrap();
        };
        if key.path.starts_with("wan.dhcp") {
            set("wan.kind", "dhcp");
        } else if ["wan.address", "wan.gateway", "wan.dns.#"].contains(&key.path) {
            set("wan.kind", "static");
        }
        set("wan.nightly.at", "03:00");
        set("lan.dhcp.reservation.#.mac", "02:00:00:00:00:99");
        set("lan.dhcp.reservation.#.address", "192.168.1.99");
        set("forward.#.port", "99");
        set("forward.#.to", "192.168.1.99");
        set("rule.#.action", "accept");
        set("connectivity.region", "custom");
        set("connectivity.probe.#.url", "http://other.example/");
        if key.path.starts_with("tunnel.") {
            if key.path == "tunnel.#.ndp-proxy" {
                set("tunnel.#.role", "server");
            }
            set("tunnel.#.address", "2001:db8:6::99/64");
            set("tunnel.#.remote", "198.51.100.99");
            set("tunnel.#.update.server", "other.example");
            set("tunnel.#.update.user", "other");
            set("tunnel.#.update.key", "other");
        } else if key.path.starts_with("wifi.station") {
            set("wifi.mode", "station");
        }
        if key.path.starts_with("wifi.") {
            set("wifi.station.ssid", "other");
        }
        settings
    }

    #[test]
    fn every_key_says_something_to_somebody() {
        for key in KEYS {
            for number in [1, key.most.max(1)] {
                let before = stage(key, number);
                let mut after = before.clone();
                let place = Place { key, number: if key.most == 0 { 0 } else { number } };
                after.set(place, key.example).unwrap();
                assert!(told(&before) != told(&after), "{place}");
            }
        }
    }

    #[test]
    fn nothing_set_is_what_the_parts_themselves_start_from() {
        let settings = Settings::new();
        let Wan::Pppoe(wan) = settings.wan(PortId(0)) else { panic!("not dialed") };
        assert_eq!(format!("{wan:?}"), format!("{:?}", WanConfig::new(PortId(0), Credentials::default())));
        let address = Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24);
        assert_eq!(
            format!("{:?}", settings.lan(PortId(1))),
            format!("{:?}", LanConfig::new(PortId(1), address))
        );
        assert_eq!(format!("{:?}", settings.dns()), format!("{:?}", dns::Config::default()));
        assert_eq!(settings.filtering(), Filtering::default());
        assert_eq!(settings.region(&[]), Region::Auto);
        assert_eq!(
            (settings.forwards().count(), settings.rules().count(), settings.host_quota()),
            (0, 0, None)
        );
    }

    #[test]
    fn echo_is_the_carriers_unless_it_is_set() {
        let policy = |words: &[(&str, &str)]| {
            let mut settings = Settings::new();
            for (path, text) in words {
                settings.set(crate::find(path).unwrap(), text).unwrap();
            }
            let Wan::Pppoe(config) = settings.wan(PortId(0)) else { panic!("not dialed") };
            (config.policy.echo, config.echo == Echo::Off)
        };
        assert_eq!(policy(&[]), (true, false));
        assert_eq!(policy(&[("wan.carrier", "mobile")]), (false, false));
        assert_eq!(policy(&[("wan.carrier", "mobile"), ("wan.echo", "on")]), (true, false));
        assert_eq!(policy(&[("wan.echo", "off")]), (false, true));
    }
}
