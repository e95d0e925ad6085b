//! Dials that must succeed: each authentication, each way to the wire, VLAN, RFC 4638.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::dialer::{Dial, Gatelet, TUN};
use crate::machine::{ip, output};
use crate::throughput::INTERNET_HOST;
use crate::trace::{self, Message};
use crate::{Checked, Lab, ensure, fail};

pub(crate) fn chap(lab: &mut Lab) -> Checked {
    whole_session(lab, "chap", "wan0", "")
}

pub(crate) fn pap(lab: &mut Lab) -> Checked {
    lab.isp.command("auth pap")?;
    whole_session(lab, "pap", "wan0", "")?;
    lab.isp.command("auth chap").map(drop)
}

pub(crate) fn mschapv2(lab: &mut Lab) -> Checked {
    lab.isp.command("auth mschapv2")?;
    whole_session(lab, "mschapv2", "wan0", "--minimum-auth mschapv2")?;
    lab.isp.command("auth chap").map(drop)
}

pub(crate) fn by_tap(lab: &mut Lab) -> Checked {
    whole_session(lab, "tap", "gate", "--attach tap")
}

pub(crate) fn vlan_by_packet_socket(lab: &mut Lab) -> Checked {
    in_vlan(lab, "vlan-packet", "wan0")
}

pub(crate) fn vlan_by_tap(lab: &mut Lab) -> Checked {
    in_vlan(lab, "vlan-tap", "gate")
}

fn in_vlan(lab: &mut Lab, name: &str, wan: &str) -> Checked {
    lab.isp.command("vlan 7")?;
    whole_session(lab, name, wan, "--vlan 7:2")?;
    lab.isp.command("vlan off")?;
    let tags = trace::read(&lab.folder.join(format!("{name}.pcap")))?;
    ensure(tags.iter().all(|message| message.vlan == Some(7)), || "frames outside of VLAN 7".into())
}

/// RFC 4638: both ends' Ethernet carries 1508 bytes, so IP gets its 1500.
pub(crate) fn jumbo(lab: &mut Lab) -> Checked {
    ethernet_mtu(lab, 1508)?;
    let (gatelet, up) =
        Dial { options: "--jumbo --default-route", ..Dial::new(&lab.folder, "jumbo") }.up()?;
    ensure(up["mtu"] == 1500, || format!("an MTU of {} where RFC 4638 gives 1500", up["mtu"]))?;
    full_size_ping(1500)?;
    hang_up(lab, gatelet, "jumbo")?;
    ethernet_mtu(lab, 1500)
}

/// The concentrator agrees to 1500, and the path between does not carry it: found out, and lived with.
pub(crate) fn jumbo_black_hole(lab: &mut Lab) -> Checked {
    ethernet_mtu(lab, 1508)?;
    ip("link set wan1 mtu 1500")?;
    let dial = Dial { options: "--jumbo --default-route", ..Dial::new(&lab.folder, "black-hole") };
    let (mut gatelet, up) = dial.up()?;
    ensure(up["mtu"] == 1500, || format!("an MTU of {} where the concentrator agreed to 1500", up["mtu"]))?;
    let found = gatelet.wait("black-hole", Duration::from_secs(20))?;
    full_size_ping(1492)?;
    let seconds = found["at"].as_f64().unwrap_or(0.0) - up["at"].as_f64().unwrap_or(0.0);
    lab.tell(format!("RFC 4638 promised and not kept: found out {seconds:.1} s after IPv4 was up"));
    hang_up(lab, gatelet, "black-hole")?;
    ethernet_mtu(lab, 1500)
}

/// The MTU of every piece of the wire.
pub(crate) fn ethernet_mtu(lab: &Lab, mtu: u16) -> Checked {
    for name in ["isp", "wan1", "wan0", "bridge0"] {
        ip(&format!("link set {name} mtu {mtu}"))?;
    }
    lab.isp.command(&format!("sh ip link set wan mtu {mtu}"))?;
    lab.isp.command("server restart").map(drop)
}

/// The concentrator offers one service; who asks for its names gets it, who asks for others does not.
pub(crate) fn filters(lab: &mut Lab) -> Checked {
    lab.isp.command("acname north")?;
    let right = Dial { options: "--ac-name north", ..Dial::new(&lab.folder, "ac-name") };
    hang_up(lab, right.up()?.0, "ac-name")?;
    let wrong = Dial { options: "--ac-name south", ..Dial::new(&lab.folder, "ac-name-wrong") };
    let mut gatelet = wrong.start()?;
    ensure(!gatelet.hears("padr", Duration::from_secs(2)), || {
        "a PADR to a concentrator of another name".into()
    })?;
    gatelet.interrupt()?;
    lab.isp.command("acname isp-ac").map(drop)
}

/// Dials, uses and ends one session as a user would.
fn whole_session(lab: &mut Lab, name: &str, wan: &str, options: &str) -> Checked {
    let options = format!("--default-route {options}");
    let dial = Dial { wan, options: &options, ..Dial::new(&lab.folder, name) };
    let (mut gatelet, up) = dial.up()?;
    let address = up["address"].as_str().unwrap_or_default().to_owned();
    ensure(address.starts_with("203.0.113."), || format!("an address of another world: {up}"))?;
    ensure(up["dns"] == serde_json::json!(["192.0.2.53", "192.0.2.54"]), || format!("name servers: {up}"))?;
    ensure(up["mtu"] == 1492, || format!("an MTU of {}", up["mtu"]))?;
    sessions_become(lab, 1)?;
    ping(INTERNET_HOST)?;
    full_size_ping(1492)?;
    let seen = output("curl", &["-sS", "-m", "5", &format!("http://{INTERNET_HOST}/ip")])?;
    ensure(seen.trim() == address, || format!("the internet host sees {seen}, we are {address}"))?;
    link_local_ping(&mut gatelet)?;
    hang_up(lab, gatelet, name)?;
    let trace = trace::read(&dial.pcap())?;
    lab.tell(dial_table(name, &trace));
    Ok(())
}

/// Ctrl-C: Terminate-Request, PADT, and the concentrator has forgotten us.
pub(crate) fn hang_up(lab: &Lab, gatelet: Gatelet, name: &str) -> Checked {
    let status = gatelet.interrupt()?;
    ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))?;
    let trace = trace::read(&lab.folder.join(format!("{name}.pcap")))?;
    let last: Vec<_> = trace.iter().filter(|message| message.ours).map(|message| &message.name).collect();
    ensure(last.last().is_some_and(|name| *name == "PADT"), || {
        format!("the last frame of a clean end is a PADT, not {:?}", last.last())
    })?;
    ensure(last.iter().any(|name| *name == "LCP Terminate-Request"), || "no Terminate-Request".into())?;
    sessions_gone(lab)
}

/// The concentrator forgets all sessions within a few seconds.
pub(crate) fn sessions_gone(lab: &Lab) -> Checked {
    sessions_become(lab, 0)
}

/// The concentrator has so many sessions within a few seconds: pppd takes its time to end.
pub(crate) fn sessions_become(lab: &Lab, count: usize) -> Checked {
    for _ in 0..50 {
        if lab.isp.sessions()? == count {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    fail(format!("the concentrator does not come to {count} sessions:\n{}", lab.isp.command("status")?))
}

pub(crate) fn ping(host: &str) -> Checked {
    output("ping", &["-c", "2", "-i", "0.2", "-W", "2", "-I", TUN, host]).map(drop)
}

/// An IP packet of exactly `mtu` bytes, not to be fragmented.
fn full_size_ping(mtu: u16) -> Checked {
    let payload = (mtu - 28).to_string();
    // One of three: right after IPCP the concentrator may not have its route yet.
    output("ping", &["-c", "3", "-i", "0.3", "-W", "2", "-M", "do", "-s", &payload, INTERNET_HOST]).map(drop)
}

fn link_local_ping(gatelet: &mut Gatelet) -> Checked {
    let up = gatelet.seen().iter().find(|event| event["event"] == "ipv6-up").cloned();
    let up: Value = match up {
        Some(up) => up,
        None => gatelet.wait("ipv6-up", Duration::from_secs(10))?,
    };
    let peer = up["peer"].as_str().ok_or("IPV6CP told no peer")?;
    // Twice a second: the kernel may take a moment until our own address can be used.
    output("ping", &["-6", "-c", "2", "-i", "0.5", "-W", "2", &format!("{peer}%{TUN}")]).map(drop)
}

/// A label of the dial table, and the messages that end the step: the last of them counts.
type Step = (&'static str, &'static [&'static str]);

const STEPS: [Step; 8] = [
    ("PADO", &["PADO"]),
    ("PADR", &["PADR"]),
    ("PADS", &["PADS"]),
    ("peer's LCP", &["LCP Configure-Request"]),
    ("LCP up", &["LCP Configure-Ack"]),
    ("authenticated", &["PAP Authenticate-Ack", "CHAP Success"]),
    ("IPv4 up", &["IPCP Configure-Ack"]),
    ("IPv6 up", &["IPV6CP Configure-Ack"]),
];

/// One line: when which step of a dial was done, in milliseconds after the PADI.
fn dial_table(name: &str, trace: &[Message]) -> String {
    let mut line = format!("dial {name:<12} ms after the PADI:");
    for (label, messages) in STEPS {
        let at = trace
            .iter()
            .rfind(|message| messages.contains(&message.name.as_str()))
            .map_or_else(|| "-".into(), |message| format!("{:.0}", message.at * 1e3));
        let _ = write!(line, "  {label} {at}");
    }
    line
}
