//! The command line of `gatelet-sim linux`.
#![allow(clippy::doc_markdown)] // the comments are the help text, where backticks would show

use std::net::Ipv4Addr;
use std::path::PathBuf;

use gatelet_proto::connectivity::probes::{ChinaClass, Confidence, Expect, Ipv6, Probe, Scheme, Sets, Tls};
use gatelet_proto::redial::Preset;
use gatelet_router::{Forward, PortRange, Protocol};
use smoltcp::wire::{EthernetAddress, Ipv4Cidr};

use super::tunnels::Ipv6Args;

/// What `gatelet-sim linux` is told.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Interface the modem is at: any Ethernet interface, or a TAP device that no one holds.
    #[arg(long, value_name = "IFACE")]
    pub wan: String,

    /// How to reach it; `auto` attaches to a free TAP device and opens a packet socket on all else.
    #[arg(long, value_enum, default_value_t = Attach::Auto, value_name = "HOW")]
    pub attach: Attach,

    #[allow(missing_docs)] // a comment here would replace the command's own help
    #[command(flatten)]
    pub line: Line,

    #[allow(missing_docs)] // a comment here would replace the command's own help
    #[command(flatten)]
    pub lan: Lan,

    #[allow(missing_docs)] // a comment here would replace the command's own help
    #[command(flatten)]
    pub host: Host,

    #[allow(missing_docs)] // a comment here would replace the command's own help
    #[command(flatten)]
    pub expert: Expert,
}

const AFTER_HELP: &str = "\
Needs root, or CAP_NET_ADMIN and CAP_NET_RAW. Ctrl-C hangs up (Terminate-Request, PADT) and ends; a second one ends at once.
SIGUSR1 has it look at once whether the Internet is there, if it looks at all (--connectivity, --probe).

Examples:
  # The modem is at eth1: dial, and use the line for everything
  gatelet-sim linux --wan eth1 --user 02112345678@isp --password-file isp.password --carrier unicom --default-route
  # Beside another uplink: only what is sent to gatelet0 takes the line
  gatelet-sim linux --wan eth1 --user alice --password-file pw & ping -I gatelet0 192.0.2.1
  # A router between the modem at eth1 and the LAN at eth2, with a web server in the LAN
  gatelet-sim linux --wan eth1 --user alice --password-file pw --lan eth2 --forward tcp:80:192.168.1.10
  # ... and with the modem's page, at 192.168.100.1, reached from the LAN
  gatelet-sim linux --wan eth1 --user alice --password-file pw --lan eth2 --modem 192.168.100.2/24
  # A tagged line, recorded for Wireshark
  gatelet-sim linux --wan eth1 --vlan 7 --user alice --password-file pw --pcap line.pcap";

/// How the WAN interface is used.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A free TAP device as such, all else by packet socket.
    Auto,
    /// The far end of a TAP device.
    Tap,
    /// A packet socket.
    Packet,
}

/// What the carrier gave you.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "The line")]
pub struct Line {
    /// No PPP: the carrier gives the address by DHCP (IPoE), as behind most fibre and cable modems.
    #[arg(long, requires = "interface", conflicts_with_all = ["user", "password", "password_file", "mac"])]
    pub ipoe: bool,

    /// User name of the account.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub user: String,

    /// Password of the account. Others on this machine can read a command line: prefer
    /// --password-file.
    #[arg(long, value_name = "PASSWORD", conflicts_with = "password_file")]
    pub password: Option<String>,

    /// File whose first line is the password.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Preset with the carrier's habits: how long it locks out, whether it answers echo.
    #[arg(long, value_name = "PRESET", default_value = Preset::Generic.name(), value_parser = Preset::ALL.map(Preset::name))]
    pub carrier: String,

    /// 802.1Q tag of the line, with a priority (0-7) if the carrier wants one.
    #[arg(long, value_name = "ID[:PRIORITY]", value_parser = parse_vlan)]
    pub vlan: Option<(u16, u8)>,

    /// Take only offers of this service (Service-Name).
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,

    /// Take only offers of the access concentrator of this name (AC-Name).
    #[arg(long, value_name = "NAME")]
    pub ac_name: Option<String>,

    /// Take only offers of the access concentrator at this hardware address.
    #[arg(long, value_name = "MAC", value_parser = parse_mac)]
    pub ac_mac: Option<EthernetAddress>,

    /// Hardware address to dial with, for lines bound to the address of an older router.
    #[arg(long, value_name = "MAC", value_parser = parse_mac)]
    pub mac: Option<EthernetAddress>,

    /// The router's address in the modem's own network: hosts in the LAN reach the modem's page there, beside the
    /// session. This machine should have no address on the interface.
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = parse_network, requires = "interface", conflicts_with = "ipoe")]
    pub modem: Option<Ipv4Cidr>,

    /// Ask for an MTU of 1500 (RFC 4638); the interface's own MTU must be 1508 or more.
    #[arg(long)]
    pub jumbo: bool,

    /// Weakest authentication to consent to.
    #[arg(long, value_enum, value_name = "PROTOCOL", default_value_t = MinimumAuth::Pap)]
    pub minimum_auth: MinimumAuth,

    /// Do not ask for IPv6.
    #[arg(long)]
    pub no_ipv6: bool,
}

/// The weakest authentication protocol to consent to, weakest first.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinimumAuth {
    /// The password goes over the line in clear.
    Pap,
    /// CHAP with MD5.
    Chap,
    /// MS-CHAPv2: both ends prove that they know the password.
    Mschapv2,
}

/// What is behind the router, if it is to be one.
#[derive(clap::Args, Clone, Debug)]
#[command(
    next_help_heading = "The LAN (with --lan, the session is for the hosts there, not for this machine)"
)]
pub struct Lan {
    /// Interface the LAN is at: be its router, with NAT, firewall, DHCP and DNS. The router has a hardware
    /// address of its own there; addresses that this machine has on the interface do not matter.
    #[arg(long = "lan", value_name = "IFACE", conflicts_with_all = ["tun", "default_route", "resolv_conf"])]
    pub interface: Option<String>,

    /// How to reach it, as for the WAN.
    #[arg(id = "lan_attach", long = "lan-attach", value_enum, default_value_t = Attach::Auto, value_name = "HOW", requires = "interface")]
    pub attach: Attach,

    /// The router's address in the LAN, and the length of the LAN's prefix.
    #[arg(long = "lan-address", value_name = "ADDRESS/LENGTH", default_value = "192.168.1.1/24", value_parser = parse_network, requires = "interface")]
    pub address: Ipv4Cidr,

    /// Give out no addresses: another machine does, or they are fixed.
    #[arg(long, requires = "interface")]
    pub no_dhcp: bool,

    /// The addresses given out, remembered between runs [default: beside the ledger, IFACE.leases.json]
    #[arg(long, value_name = "FILE", requires = "interface")]
    pub leases: Option<PathBuf>,

    /// Lead a port, or a range of ports, of the line to a host in the LAN: to the same port there, or to the
    /// one that follows. PROTOCOL is tcp, udp or tcp+udp. May be given several times.
    #[arg(long = "forward", value_name = "PROTOCOL:PORT[-PORT]:HOST[:PORT]", value_parser = parse_forward, requires = "interface")]
    pub forwards: Vec<Forward>,

    /// Lead everything from the Internet that nobody asked for to this host.
    #[arg(long, value_name = "HOST", requires = "interface")]
    pub dmz: Option<Ipv4Addr>,

    /// Answer a ping from this network of the Internet; 0.0.0.0/0 is all of it.
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = parse_network, requires = "interface")]
    pub ping_from: Option<Ipv4Cidr>,

    /// Ask this server for the time of day (SNTP). May be given several times.
    #[arg(long, value_name = "NAME", requires = "interface")]
    pub ntp: Vec<String>,

    /// Look whether the Internet is there, by the probes of this region: cn, global, or auto, which learns.
    #[arg(long, value_name = "REGION", value_parser = ["cn", "global", "auto"], requires = "interface")]
    pub connectivity: Option<String>,

    /// Look whether the Internet is there, by a page of your own choice: whose it is, where (http://, port 80),
    /// and what it says if nobody interferes: 204 for nothing, else the text. May be given several times.
    #[arg(long = "probe", value_name = "OWNER,URL,ANSWER", value_parser = parse_probe, conflicts_with = "connectivity", requires = "interface")]
    pub probes: Vec<ProbePage>,

    #[allow(missing_docs)] // a comment here would replace the command's own help
    #[command(flatten)]
    pub ipv6: Ipv6Args,

    /// Record the LAN to this file (pcap).
    #[arg(id = "lan_pcap", long = "lan-pcap", value_name = "FILE", requires = "interface")]
    pub pcap: Option<PathBuf>,
}

/// A page of the user's own choice that is to show whether the Internet is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbePage {
    /// Whose it is.
    pub owner: String,
    /// Its host.
    pub host: String,
    /// Its path.
    pub path: String,
    /// What it says; none: 204.
    pub answer: Option<String>,
}

impl ProbePage {
    /// As a row of a region of one's own.
    pub fn row(&self) -> Probe<'_> {
        Probe {
            id: &self.host,
            owner: &self.owner,
            served_by: &self.owner,
            scheme: Scheme::Http,
            host: &self.host,
            path: &self.path,
            expect: self.answer.as_deref().map_or(Expect::NoContent, Expect::Body),
            tls: Tls::Unknown,
            ipv6: Ipv6::Yes,
            china: ChinaClass::Unknown,
            sets: Sets::NONE,
            source: "the command line",
            confidence: Confidence::High,
        }
    }
}

fn parse_probe(text: &str) -> Result<ProbePage, String> {
    let mut parts = text.splitn(3, ',');
    let (Some(owner), Some(url), Some(answer)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("write it as OWNER,URL,ANSWER".into());
    };
    let rest = url.strip_prefix("http://").ok_or("the URL begins with http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    if owner.is_empty() || !is_name(host) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{text}: an owner, the URL of a page at port 80, and its text"));
    }
    Ok(ProbePage {
        owner: owner.into(),
        host: host.into(),
        path: format!("/{path}"),
        answer: Some(answer.to_owned()).filter(|answer| answer != "204"),
    })
}

/// What happens on this machine.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "This machine")]
pub struct Host {
    /// Name of the TUN device for the session's traffic.
    #[arg(long, value_name = "NAME", default_value = "gatelet0")]
    pub tun: String,

    /// Send this machine's Internet traffic through the session: a default IPv4 route with this
    /// metric.
    #[arg(long, value_name = "METRIC", num_args = 0..=1, default_missing_value = "0")]
    pub default_route: Option<u16>,

    /// File to write the carrier's name servers to, in the format of resolv.conf.
    #[arg(long, value_name = "FILE")]
    pub resolv_conf: Option<PathBuf>,

    /// What must be remembered between runs not to be locked out [default:
    /// /var/lib/gatelet/IFACE.json as root, else ~/.local/state/gatelet/IFACE.json]
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,

    /// Record the line to this file (pcap).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,

    /// The router's console, at a Unix socket for scripts (`socat -,raw,echo=0 PATH`); without a path at this terminal, in
    /// place of the timeline.
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "-")]
    pub console: Option<PathBuf>,

    /// File of what is set at the console; what it says goes before the command line. Without it, what is set is forgotten when
    /// the program ends.
    #[arg(long, value_name = "FILE", requires = "console")]
    pub settings: Option<PathBuf>,

    /// One JSON object a line in place of the timeline.
    #[arg(long)]
    pub json: bool,
}

/// Figures of the redial policy, for lines that are known to differ from the preset.
#[derive(clap::Args, Clone, Debug)]
#[command(
    next_help_heading = "Redial policy (experts: a short hold or a large budget gets a line locked out)"
)]
pub struct Expert {
    /// Silence once the line seems locked, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=LONGEST_HOLD))]
    pub hold: Option<u32>,

    /// Discovery messages (PADI and PADR) allowed in a time: 2 to 8 of them.
    #[arg(long, value_name = "COUNT/SECONDS", value_parser = parse_discovery_budget)]
    pub budget: Option<Budget>,

    /// Dials allowed in a time: 1 to 8 of them.
    #[arg(long, value_name = "COUNT/SECONDS", value_parser = parse_budget)]
    pub dial_budget: Option<Budget>,

    /// LCP echo: probe always, only when nothing else arrives, or never.
    #[arg(long, value_enum, value_name = "MODE")]
    pub echo: Option<EchoMode>,

    /// Seconds between two LCP echo requests.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub echo_interval: Option<u32>,
}

/// The longest hold of the redial engine, in seconds: 4 h.
const LONGEST_HOLD: i64 = 4 * 3600;

/// So many within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many: the redial engine remembers 8 of a kind.
    pub count: u8,
    /// Within how many seconds.
    pub seconds: u32,
}

/// When LCP echo requests are sent.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoMode {
    /// At every interval.
    On,
    /// At every interval in which nothing else arrived.
    Adaptive,
    /// Never.
    Off,
}

fn parse_vlan(text: &str) -> Result<(u16, u8), String> {
    let (id, priority) = text.split_once(':').unwrap_or((text, "0"));
    let id = id.parse().ok().filter(|id| (1..=4094).contains(id));
    let priority = priority.parse().ok().filter(|priority| *priority <= 7);
    id.zip(priority)
        .ok_or_else(|| "a VLAN id from 1 to 4094, and after a colon a priority from 0 to 7".into())
}

fn parse_mac(text: &str) -> Result<EthernetAddress, String> {
    let mut address = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut address {
        *byte = parts
            .next()
            .filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|part| u8::from_str_radix(part, 16).ok())
            .ok_or("six bytes in hexadecimal, such as 02:00:5e:00:53:01")?;
    }
    if parts.next().is_some() {
        return Err("a hardware address has six bytes".into());
    }
    let address = EthernetAddress(address);
    if address.is_unicast() { Ok(address) } else { Err("not the address of one machine (unicast)".into()) }
}

fn parse_network(text: &str) -> Result<Ipv4Cidr, String> {
    text.parse().map_err(|()| "an IPv4 address and a length, such as 192.168.1.1/24".into())
}

fn parse_forward(text: &str) -> Result<Forward, String> {
    let mut words = text.split(':');
    let protocol = match words.next() {
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some("tcp+udp") => Protocol::TcpUdp,
        _ => return Err("begins with tcp:, udp: or tcp+udp:".into()),
    };
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let ports = words.next().and_then(|text| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(PortRange { first: port(first)?, last: port(last)? })
    });
    let ports = ports.ok_or("after the protocol a port or a range, such as 8080 or 8080-8090")?;
    let host = words.next().and_then(|text| text.parse().ok()).ok_or("after the ports an IPv4 address")?;
    let host_port = match words.next() {
        None => ports.first,
        Some(text) => port(text).ok_or("after the address a port")?,
    };
    if words.next().is_some() {
        return Err("nothing follows the host's port".into());
    }
    let source = Ipv4Cidr::new(Ipv4Addr::UNSPECIFIED, 0);
    let forward = Forward { protocol, ports, host, host_port, source };
    if forward.is_valid() { Ok(forward) } else { Err("no such range of ports, or no such host".into()) }
}

fn parse_budget(text: &str) -> Result<Budget, String> {
    let (count, seconds) = text.split_once('/').ok_or("a count and seconds, such as 4/60")?;
    match (count.parse(), seconds.parse()) {
        (Ok(count @ 1..=8), Ok(seconds @ 1..)) => Ok(Budget { count, seconds }),
        _ => Err("a count from 1 to 8, and seconds, such as 4/60".into()),
    }
}

/// A dial takes a PADI and a PADR.
fn parse_discovery_budget(text: &str) -> Result<Budget, String> {
    parse_budget(text).and_then(|budget| {
        if budget.count < 2 { Err("a dial takes two: a PADI and a PADR".into()) } else { Ok(budget) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vlan_ids_and_priorities() {
        assert_eq!(parse_vlan("7"), Ok((7, 0)));
        assert_eq!(parse_vlan("4094:5"), Ok((4094, 5)));
        for bad in ["0", "4095", "7:8", "", ":", "x", "7:1:1"] {
            assert!(parse_vlan(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hardware_addresses() {
        assert_eq!(parse_mac("02:00:5e:00:53:01"), Ok(EthernetAddress([2, 0, 0x5e, 0, 0x53, 1])));
        assert_eq!(parse_mac("02-00-5E-00-53-01"), Ok(EthernetAddress([2, 0, 0x5e, 0, 0x53, 1])));
        for bad in [
            "",
            "02:00:5e:00:53",
            "02:00:5e:00:53:01:02",
            "ff:ff:ff:ff:ff:ff",
            "+2:00:5e:00:53:01",
            "0:0:0:0:0:0",
        ] {
            assert!(parse_mac(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn forwards() {
        let forward = |text| parse_forward(text).unwrap();
        let web = forward("tcp:80:192.168.1.10");
        assert_eq!((web.protocol, web.ports, web.host_port), (Protocol::Tcp, PortRange::one(80), 80));
        assert_eq!(web.host, Ipv4Addr::new(192, 168, 1, 10));
        let range = forward("tcp+udp:8080-8090:192.168.1.10:80");
        assert_eq!((range.ports.first, range.ports.last, range.host_port), (8080, 8090, 80));
        for bad in [
            "80:192.168.1.10",
            "icmp:80:192.168.1.10",
            "tcp:0:192.168.1.10",
            "tcp:90-80:192.168.1.10",
            "tcp:80-90:192.168.1.10:65530",
            "tcp:80",
            "tcp:80:host",
            "tcp:80:192.168.1.10:0",
            "tcp:80:192.168.1.10:80:80",
            "tcp:80:0.0.0.0",
        ] {
            assert!(parse_forward(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn budgets() {
        assert_eq!(parse_budget("4/60"), Ok(Budget { count: 4, seconds: 60 }));
        for bad in ["4", "0/60", "9/60", "4/0", "-1/60", "4/60/1"] {
            assert!(parse_budget(bad).is_err(), "{bad}");
        }
        assert!(parse_discovery_budget("1/60").is_err());
        assert!(parse_discovery_budget("2/60").is_ok());
    }
}
