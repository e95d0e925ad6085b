//! A line without PPP: the carrier is a machine of ours with Debian's dnsmasq, which gives the router its address, and
//! chrony, which tells it the time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::dialer::{Dial, Gatelet};
use crate::lan::{Host, ROUTER};
use crate::machine::ip;
use crate::{Checked, Lab, ensure};

/// The carrier, and an Internet host behind it.
const CARRIER: &str = "203.0.113.1";
const INTERNET_HOST: &str = "192.0.2.80";
/// The server that takes over when the first one is gone.
const SUCCESSOR: &str = "203.0.113.2";

/// DHCP with a foreign server, then what a house does: an address, a name, a page; in the end the address goes back.
pub(crate) fn dhcp_line(lab: &mut Lab) -> Checked {
    let (carrier, home) = houses(lab)?;
    let dnsmasq = Dnsmasq::start(&carrier, lab, "ipoe", &["--dhcp-option=114,https://portal.example/api"])?;
    let (mut gatelet, up) = router(lab, "ipoe", "")?;
    let address = up["address"].as_str().unwrap_or_default().to_owned();
    ensure(address.starts_with("203.0.113."), || format!("an address of the carrier's: {up}"))?;
    home.udhcpc()?;
    let name = home.run("dig", &["+short", "+time=3", &format!("@{ROUTER}"), "www.example"])?;
    ensure(name.trim() == INTERNET_HOST, || format!("www.example is {name}"))?;
    home.curl(5, &format!("http://{INTERNET_HOST}/"))?;
    home.run("ping", &["-c", "2", "-i", "0.2", "-W", "2", CARRIER])?;
    ensure(gatelet.seen().iter().any(|event| event["event"] == "wan-leased"), || "no wan-leased".into())?;
    ensure(!gatelet.hears("down", Duration::from_millis(1)), || "it went down".into())?;
    gatelet.interrupt()?;
    dnsmasq.has_seen(&["DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK", "DHCPRELEASE"])
}

/// The lease is renewed at T1 with the server that gave it. Then that server is gone, and another one knows its leases: at
/// T2 everybody is asked, and the address stays. A transfer goes on over all of it.
pub(crate) fn renewed(lab: &mut Lab) -> Checked {
    let (carrier, home) = houses(lab)?;
    // dnsmasq gives no lease of less than two minutes, and renews none of them sooner than it is told.
    let times = ["--dhcp-option=option:T1,6", "--dhcp-option=option:T2,14"];
    let mut dnsmasq = Dnsmasq::start(&carrier, lab, "renewed", &times)?;
    let (mut gatelet, up) = router(lab, "renewed", "")?;
    home.udhcpc()?;
    let mut ping = home.spawn("ping", &["-c", "40", "-i", "0.5", INTERNET_HOST])?;
    gatelet.wait("wan-lease-kept", Duration::from_secs(10))?;

    dnsmasq.stop();
    carrier.ip(&format!("addr del {CARRIER}/24 dev eth0"))?;
    carrier.ip(&format!("addr add {SUCCESSOR}/24 dev eth0"))?;
    dnsmasq = Dnsmasq::start(&carrier, lab, "renewed", &times)?;
    // Sent to it alone, and then to all.
    gatelet.wait_where("dhcp-sent", Duration::from_secs(12), |event| event["what"] == "DHCP Request")?;
    gatelet.wait_where("dhcp-sent", Duration::from_secs(12), |event| event["what"] == "DHCP Request")?;
    gatelet.wait("wan-lease-kept", Duration::from_secs(3))?;
    // The same address, by way of the other one.
    let again = gatelet.wait("up", Duration::from_secs(3))?;
    ensure(again["address"] == up["address"] && again["peer"] == SUCCESSOR, || {
        format!("{up}, then {again}")
    })?;
    home.curl(5, &format!("http://{INTERNET_HOST}/"))?;
    let answered = ping.wait().map_err(|error| error.to_string())?;
    ensure(answered.success(), || "not one ping was answered".into())?;
    let lost = gatelet.seen().iter().any(|event| event["event"] == "wan-lease-lost");
    ensure(!lost, || "the lease was lost".into())?;
    gatelet.interrupt()?;
    dnsmasq.has_seen(&["DHCPACK"])
}

/// What chrony says is what the router knows.
pub(crate) fn time_of_day(lab: &mut Lab) -> Checked {
    let (carrier, _home) = houses(lab)?;
    let _dnsmasq = Dnsmasq::start(&carrier, lab, "time", &["--address=/ntp.example/192.0.2.80"])?;
    let (config, socket) = (lab.folder.join("chrony.conf"), lab.folder.join("chronyd.sock"));
    // Nobody's clock is touched (-x); its own, of stratum 8, is good enough for all.
    let text = format!(
        "local stratum 8\nallow all\ncmdport 0\nbindcmdaddress {}\npidfile {}\n",
        socket.display(),
        lab.folder.join("chronyd.pid").display()
    );
    fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
    let mut chrony =
        carrier.spawn("chronyd", &["-x", "-d", "-u", "root", "-f", &config.display().to_string()])?;
    let heard = router(lab, "time", "--ntp ntp.example").and_then(|(mut gatelet, _)| {
        let told = gatelet.wait("time-of-day", Duration::from_secs(30))?;
        gatelet.interrupt()?;
        Ok(told)
    });
    let _ = chrony.kill();
    let _ = chrony.wait();
    let heard = heard?;
    let seconds = heard["unix_seconds"].as_u64().unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    ensure(now.abs_diff(seconds) <= 20, || format!("it is {now}, and Gatelet was told: {heard}"))
}

/// The carrier with its Internet host, and a host in the LAN.
fn houses(lab: &mut Lab) -> Result<(Host, Host), String> {
    // Its router has the LAN's port.
    drop(lab.lan.take());
    let (carrier, home) = (Host::start("carrier", &lab.folder)?, Host::start("home", &lab.folder)?);
    // The other end of its cable is our WAN's, no port of the LAN's.
    ip("link set port-carrier nomaster")?;
    carrier.ip(&format!("addr add {CARRIER}/24 dev eth0"))?;
    carrier.ip(&format!("addr add {INTERNET_HOST}/32 dev lo"))?;
    carrier.serve(80)?;
    Ok((carrier, home))
}

/// The router on that line, with its address.
fn router(lab: &Lab, name: &str, further: &str) -> Result<(Gatelet, Value), String> {
    let leases = lab.folder.join(format!("{name}.leases"));
    let options = format!("--ipoe --lan lan0 --leases {} {further}", leases.display());
    let wan = "port-carrier";
    let dial =
        Dial { wan, user: "", password: "", options: &options, tun: false, ..Dial::new(&lab.folder, name) };
    dial.up()
}

/// The carrier's servers of addresses and names.
pub(crate) struct Dnsmasq {
    process: Child,
    log: PathBuf,
}

impl Dnsmasq {
    /// Starts it; what an earlier one of this name has given away is still given away.
    pub(crate) fn start(carrier: &Host, lab: &Lab, name: &str, further: &[&str]) -> Result<Self, String> {
        let file = |kind: &str| lab.folder.join(format!("{name}.dnsmasq.{kind}"));
        let option = |option: &str, path: &Path| format!("--{option}={}", path.display());
        let log = file("log");
        let arguments = [
            "--no-daemon",
            "--user=root",
            "--conf-file=/dev/null",
            "--pid-file=",
            "--interface=eth0",
            "--bind-interfaces",
            "--no-resolv",
            "--no-hosts",
            "--dhcp-authoritative",
            "--dhcp-range=203.0.113.50,203.0.113.60,10m",
            "--address=/www.example/192.0.2.80",
            "--log-dhcp",
            &option("log-facility", &log),
            &option("dhcp-leasefile", &file("leases")),
        ];
        let process = carrier.spawn("dnsmasq", &[&arguments, further].concat())?;
        Ok(Self { process, log })
    }

    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Whether it has taken and given all these messages.
    fn has_seen(&self, messages: &[&str]) -> Checked {
        let told =
            fs::read_to_string(&self.log).map_err(|error| format!("{}: {error}", self.log.display()))?;
        for message in messages {
            ensure(told.contains(message), || format!("dnsmasq has seen no {message}:\n{told}"))?;
        }
        Ok(())
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.stop();
    }
}
