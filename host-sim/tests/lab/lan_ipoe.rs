//! A line without PPP: the carrier is a machine of ours with Debian's dnsmasq, which gives the router its address.

use std::fs;
use std::time::Duration;

use crate::dialer::Dial;
use crate::lan::{Host, ROUTER};
use crate::machine::ip;
use crate::{Checked, Lab, ensure};

/// The carrier, and an Internet host behind it.
const CARRIER: &str = "203.0.113.1";
const INTERNET_HOST: &str = "192.0.2.80";

/// DHCP with a foreign server, then what a house does: an address, a name, a page; in the end the address goes back.
pub(crate) fn dhcp_line(lab: &mut Lab) -> Checked {
    // Its router has the LAN's port.
    drop(lab.lan.take());
    let (carrier, home) = (Host::start("carrier", &lab.folder)?, Host::start("home", &lab.folder)?);
    // The other end of its cable is our WAN's, no port of the LAN's.
    ip("link set port-carrier nomaster")?;
    carrier.ip(&format!("addr add {CARRIER}/24 dev eth0"))?;
    carrier.ip(&format!("addr add {INTERNET_HOST}/32 dev lo"))?;
    carrier.serve(80)?;
    let log = lab.folder.join("dnsmasq.log");
    let (facility, leases) = (format!("--log-facility={}", log.display()), lab.folder.join("dnsmasq.leases"));
    let mut dnsmasq = carrier.spawn(
        "dnsmasq",
        &[
            "--no-daemon",
            "--user=root",
            "--conf-file=/dev/null",
            "--pid-file=",
            "--interface=eth0",
            "--bind-interfaces",
            "--no-resolv",
            "--no-hosts",
            "--dhcp-range=203.0.113.50,203.0.113.60,10m",
            "--dhcp-option=114,https://portal.example/api",
            "--address=/www.example/192.0.2.80",
            "--log-dhcp",
            &facility,
            &format!("--dhcp-leasefile={}", leases.display()),
        ],
    )?;
    let outcome = surf(lab, &home, &log);
    let _ = dnsmasq.kill();
    let _ = dnsmasq.wait();
    outcome
}

fn surf(lab: &Lab, home: &Host, log: &std::path::Path) -> Checked {
    let leases = lab.folder.join("ipoe.leases");
    let options = format!("--ipoe --lan lan0 --leases {}", leases.display());
    let dial = Dial {
        wan: "port-carrier",
        user: "",
        password: "",
        options: &options,
        tun: false,
        ..Dial::new(&lab.folder, "ipoe")
    };
    let (mut gatelet, up) = dial.up()?;
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
    let told = fs::read_to_string(log).map_err(|error| format!("{}: {error}", log.display()))?;
    for message in ["DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK", "DHCPRELEASE"] {
        ensure(told.contains(message), || format!("dnsmasq has seen no {message}:\n{told}"))?;
    }
    Ok(())
}
