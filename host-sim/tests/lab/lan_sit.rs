//! The server's end of a tunnel, whose client is Linux's `sit` in the subscriber's machine.
//!
//! ```text
//!   over PPPoE:  subscriber: pppd, sit1 ── ISP ── gatelet-sim ── home       (the Internet is beyond the ISP)
//!   on Ethernet: subscriber: sit1 ─┬─ gatelet-sim ── home
//!                         carrier ─┘  dnsmasq; takes the client's address for one of its own link's
//! ```

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dialer::{Dial, Gatelet};
use crate::lan::{Host, PORTS};
use crate::lan_ipoe::Dnsmasq;
use crate::lan_ipv6::{DELEGATED, address, addresses};
use crate::lan_traffic::provide;
use crate::machine::{Machine, ip};
use crate::throughput::{INTERNET_HOST6 as FAR, measured};
use crate::{Checked, Lab, ensure, fail};

/// What the provider leads to the server: the ends of the tunnel, and the client's own prefix.
const OURS: &str = "2001:db8:77::/48";
const SERVER: &str = "2001:db8:77::10";
const CLIENT: &str = "2001:db8:77::11";
const PREFIX: &str = "2001:db8:77:100::/56";
/// The client in its own prefix.
const ROUTED: &str = "2001:db8:77:100::1";
/// The internet host, under another of its addresses.
const ANOTHER: &str = "2001:db8:2::54";
/// Octets of a large transfer.
const LARGE: usize = 3_000_000;
/// An MTU on the way of the outer packets, and what it leaves for those inside.
const NARROW: (u32, u32) = (1400, 1380);

/// Over a PPPoE line, with a second one for the client: everyday traffic, what is refused, a path that is narrower than the tunnel.
pub(crate) fn server(lab: &mut Lab) -> Checked {
    drop(lab.lan.take());
    let done = over_pppoe(lab);
    lab.subscriber.command("sh ip tunnel del sit1; ip -6 addr flush dev lo scope global; true")?;
    lab.subscriber.command("hangup")?;
    done
}

fn over_pppoe(lab: &mut Lab) -> Checked {
    let dialed = lab.subscriber.command("dial bob@isp.test builder noipv6")?;
    let remote = dialed.split_whitespace().nth(2).unwrap_or_default().to_owned();
    ensure(remote.starts_with("203.0.113."), || format!("the subscriber has no address: {dialed}"))?;
    let home = Host::start("home", &lab.folder)?;
    let client = format!("{remote},{SERVER}/127,{CLIENT},{PREFIX}");
    let (mut gatelet, up, console) = router(lab, "sit-server", &client, |dial| dial)?;
    let local = up["address"].as_str().unwrap_or_default();
    let device = |address: &str| format!("$(ip -o route get {address} | sed 's/.* dev \\([^ ]*\\).*/\\1/')");
    lab.isp.command(&format!("sh ip -6 route replace {OURS} dev {}", device(local)))?;
    for line in [
        &format!("ip tunnel add sit1 mode sit remote {local} local {remote} ttl 255"),
        "ip link set sit1 up mtu 1472",
        &format!("ip addr add {CLIENT}/127 dev sit1"),
        "ip route add ::/0 dev sit1",
        &format!("ip addr add {ROUTED}/64 dev lo"),
    ] {
        lab.subscriber.command(&format!("sh {line}"))?;
    }
    home.udhcpc()?;
    // In whatever order they come.
    heard(&mut gatelet, "tunnel", |event| event["what"] == "tunnel 0 is up")?;
    heard(&mut gatelet, "ipv6-delegated", |_| true)?;
    let house = address(&home, "2001:db8:d:")?;
    everyday(lab, &home, &house)?;
    refused(lab, &console, &house, local)?;

    // The outer packets meet a path that is narrower than the tunnel, each way.
    for address in [local, &remote] {
        let route = format!("{address}/32 dev {} src 203.0.113.1", device(address));
        lab.isp.command(&format!("sh ip route replace {route} mtu lock {}", NARROW.0))?;
    }
    narrow(lab, &home, local)?;
    let status = gatelet.interrupt()?;
    ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))
}

/// Pings, pages and transfers between the client, the Internet and the LAN.
fn everyday(lab: &mut Lab, home: &Host, house: &str) -> Checked {
    let subscriber = &lab.subscriber;
    ping(subscriber, "", FAR)?;
    for own in [CLIENT, ROUTED] {
        let seen = subscriber.command(&format!("sh curl -sS -m 8 --interface {own} http://[{FAR}]/ip"))?;
        ensure(seen.trim() == own, || format!("the Internet sees {seen} for {own}"))?;
        ping(&lab.isp, "ip netns exec inet", own)?;
        let ping = home.run("ping", &["-6", "-c", "2", "-i", "0.2", "-W", "3", own])?;
        ensure(ping.contains(" 0% packet loss"), || ping.clone())?;
    }
    // For the LAN the client is a stranger: a ping is let in (RFC 4890 §4.3.1), a connection is not.
    ping(subscriber, "", house)?;
    let knock = subscriber.command(&format!("sh curl -s -m 1 http://[{house}]:8080/; echo $?"))?;
    ensure(knock.trim() == "28", || format!("the client got an answer from the LAN: {knock}"))?;

    subscriber.command("sh killall -9 iperf3; iperf3 -s -D")?;
    let inside = |arguments: &[&str]| home.run("iperf3", arguments);
    let outside = |arguments: &[&str]| subscriber.command(&format!("sh iperf3 {}", arguments.join(" ")));
    let mut figures = Vec::new();
    for way in [None, Some("-R")] {
        let arguments = |server: &'static str| ["-J", "-6", "-t", "1", "-c", server].into_iter().chain(way);
        let to_internet: Vec<_> = arguments(FAR).collect();
        figures.push(measured(&lab.isp, || outside(&to_internet))?);
        let to_client: Vec<_> = arguments(CLIENT).collect();
        figures.push(measured(&lab.isp, || inside(&to_client))?);
    }
    subscriber.command("sh killall -9 iperf3")?;
    ensure(figures.iter().all(|megabits| *megabits > 1.0), || format!("iperf3: {figures:?} Mbit/s"))?;
    lab.tell(format!(
        "IPv6 through a tunnel's server, in Mbit/s: client to Internet {:.0}, back {:.0}; LAN to client {:.0}, back {:.0}",
        figures[0], figures[2], figures[1], figures[3]
    ));
    Ok(())
}

/// A source inside that is not the client's; a tunnel packet of somebody else's, which moves no endpoint either.
fn refused(lab: &Lab, console: &Path, house: &str, local: &str) -> Checked {
    for source in ["2001:db8:99::1", &neighbour_of(house)] {
        lab.subscriber.command(&format!("sh ip -6 addr add {source}/128 dev lo"))?;
        let lost = lab.subscriber.command(&format!("sh ping -6 -c 2 -i 0.2 -W 1 -I {source} {FAR}; true"))?;
        ensure(lost.contains(" 100% packet loss"), || format!("under {source}:\n{lost}"))?;
        lab.subscriber.command(&format!("sh ip -6 addr del {source}/128 dev lo"))?;
    }
    let count = counted(console, "router.tunnel-source")?;
    ensure(count >= 4, || format!("four packets with sources of others', and {count} were counted"))?;

    // The edge's own tunnel leads to the newest session, which is ours.
    let edge = |line: &str| lab.isp.command(&format!("sh ip netns exec edge {line}"));
    lab.isp.command(&format!("tunnel remote {local}"))?;
    let received = || edge("cat /sys/class/net/sit1/statistics/rx_packets");
    let before = received()?;
    edge("ip -6 addr add 2001:db8:77:100::5/128 dev sit1 nodad")?;
    edge(&format!("ip -6 route add {SERVER}/128 dev sit1"))?;
    let lost = edge(&format!("ping -6 -c 2 -i 0.2 -W 1 -I 2001:db8:77:100::5 {SERVER}; true"));
    edge(&format!("ip -6 route del {SERVER}/128 dev sit1"))?;
    edge("ip -6 addr del 2001:db8:77:100::5/128 dev sit1")?;
    let lost = lost?;
    ensure(lost.contains(" 100% packet loss"), || format!("a stranger's tunnel was answered:\n{lost}"))?;
    let count = counted(console, "router.tunnel-peer")?;
    ensure(count >= 2, || format!("two packets of a stranger's, and {count} were counted"))?;
    ping(&lab.isp, "ip netns exec inet", ROUTED)?;
    let after = received()?;
    ensure(before == after, || format!("the stranger has got {before}, then {after} packets"))
}

/// Large transfers both ways, and what each sender has been told.
fn narrow(lab: &Lab, home: &Host, local: &str) -> Checked {
    let sum = provide(lab, "large", LARGE)?;
    // Each sender finds out for itself: between other ends than the other one, or it would have announced a shorter MSS.
    let octets = LARGE.to_string();
    measured(&lab.isp, || lab.subscriber.command(&format!("sh iperf3 -J -6 -n {octets} -c {ANOTHER}")))?;
    let fetch = format!("sh curl -sS -f -m 20 --interface {ROUTED} http://[{FAR}]/files/large | sha256sum");
    let fetched = lab.subscriber.command(&fetch)?;
    ensure(fetched.starts_with(&sum), || format!("the transfer is not what was sent: {fetched}, {sum}"))?;
    // Who sends into the tunnel elsewhere is told by us; the client's end by the router that has the narrow path.
    let told = format!("mtu {}", NARROW.1);
    for (machine, line, told) in [
        (&lab.isp, format!("sh ip netns exec inet ip -6 route get {ROUTED}"), &told),
        (&lab.subscriber, format!("sh ip route get {local}"), &format!("mtu {}", NARROW.0)),
    ] {
        let route = machine.command(&line)?;
        ensure(route.contains(told), || format!("`{line}`: {told} is expected: {route}"))?;
    }
    // So is a host of the LAN.
    let len = (NARROW.1 + 1 - 48).to_string();
    match home.run("ping", &["-6", "-c", "1", "-W", "2", "-M", "do", "-s", &len, CLIENT]) {
        Ok(text) => return fail(format!("{} octets went through:\n{text}", NARROW.1 + 1)),
        Err(text) => ensure(text.contains(&told) || text.contains(&told.replace(' ', "=")), || text)?,
    }
    let len = (NARROW.1 - 48).to_string();
    home.run("ping", &["-6", "-c", "1", "-W", "2", "-M", "do", "-s", &len, CLIENT]).map(drop)
}

/// The carrier's network is on the link itself. A client of ours has an address of it, and so has the LAN, which shares it
/// because nothing is delegated: neighbours reach both by way of us. What belongs to neighbours we leave to them.
pub(crate) fn neighbours(lab: &mut Lab) -> Checked {
    drop(lab.lan.take());
    let done = on_ethernet(lab);
    for line in [
        "ip tunnel del sit1",
        "ip addr flush dev wan",
        "sysctl -qw net.ipv6.conf.wan.disable_ipv6=0",
        "ip -6 addr flush dev lo scope global",
    ] {
        lab.subscriber.command(&format!("sh {line}; true"))?;
    }
    done
}

fn on_ethernet(lab: &mut Lab) -> Checked {
    let (carrier, home) = (Host::start("carrier", &lab.folder)?, Host::start("home", &lab.folder)?);
    ip("link set port-carrier master bridge0")?;
    carrier.ip("addr add 203.0.113.1/24 dev eth0")?;
    carrier.ip("addr add 2001:db8:6::1/64 dev eth0 nodad")?;
    for line in ["sysctl -qw net.ipv6.conf.wan.disable_ipv6=1", "ip addr add 203.0.113.20/24 dev wan"] {
        lab.subscriber.command(&format!("sh {line}"))?;
    }
    let further = ["--enable-ra", "--dhcp-range=2001:db8:6::100,2001:db8:6::1ff,slaac,64,5m"];
    let _dnsmasq = Dnsmasq::start(&carrier, lab, "sit-neighbours", &further)?;
    let client = "203.0.113.20,2001:db8:6::10/127,2001:db8:6::11";
    let (mut gatelet, up, _) =
        router(lab, "sit-neighbours", client, |dial| Dial { user: "", password: "", ..dial })?;
    let local = up["address"].as_str().unwrap_or_default();
    for line in [
        &format!("ip tunnel add sit1 mode sit remote {local} local 203.0.113.20 ttl 255"),
        "ip link set sit1 up mtu 1480",
        "ip addr add 2001:db8:6::11/127 dev sit1",
        "ip route add ::/0 dev sit1",
    ] {
        lab.subscriber.command(&format!("sh {line}"))?;
    }
    heard(&mut gatelet, "tunnel", |event| event["what"] == "tunnel 0 is up")?;
    let house = address(&home, "2001:db8:6:")?;
    let known = |address: &str| carrier.run("ip", &["neigh", "show", address, "dev", "eth0"]);
    let station =
        |text: &str| text.split_once("lladdr ").map(|(_, rest)| rest.split(' ').next().map(str::to_owned));
    let ours = station(&known(local)?);
    ensure(ours.is_some(), || format!("the carrier does not know {local}"))?;
    // A host that shares a network with the carrier looks for its stations in the LAN: it is reached from beyond them.
    carrier.ip("addr add 2001:db8:5::1/128 dev lo")?;
    for (from, address) in [("2001:db8:6::1", "2001:db8:6::11"), ("2001:db8:5::1", &house)] {
        let words = ["-6", "-c", "3", "-i", "0.2", "-W", "3", "-I", from, address];
        let ping = carrier.run("ping", &words)?;
        ensure(ping.contains(" 0% packet loss"), || ping.clone())?;
        let neighbour = known(address)?;
        ensure(station(&neighbour) == ours, || format!("{neighbour} is not {ours:?}"))?;
    }
    // An address of the carrier's choice passes its probe, and nobody is where nobody is.
    carrier.ip("addr add 2001:db8:6::77/64 dev eth0")?;
    let lost = carrier.run("sh", &["-c", "ping -6 -c 2 -i 0.5 -W 1 2001:db8:6::78; true"])?;
    ensure(lost.contains(" 100% packet loss"), || lost.clone())?;
    let nobody = known("2001:db8:6::78")?;
    ensure(!nobody.contains("lladdr"), || format!("somebody says that he is there: {nobody}"))?;
    let began = Instant::now();
    while !addresses(&carrier)?.iter().any(|(address, _)| address == "2001:db8:6::77") {
        let all = carrier.run("ip", &["-6", "-o", "addr", "show", "dev", "eth0"])?;
        let failed = all.contains("dadfailed") || began.elapsed() > PROBED;
        ensure(!failed, || format!("an address on the carrier's side was taken away:\n{all}"))?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = gatelet.interrupt()?;
    ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))
}

/// Duplicate Address Detection: a second, after a delay of up to another one (RFC 4862 §5.4.2).
const PROBED: Duration = Duration::from_secs(5);

/// The router with one client, on a line or on Ethernet as `how` has it; its `up` event, and its console.
fn router(
    lab: &Lab,
    name: &str,
    client: &str,
    how: impl FnOnce(Dial<'_>) -> Dial<'_>,
) -> Result<(Gatelet, Value, PathBuf), String> {
    let file = |kind: &str| lab.folder.join(format!("{name}.{kind}"));
    let console = file("console");
    let options = format!(
        "--lan {} --ipv6 --sit-client {client} --leases {} --console {}",
        PORTS[0],
        file("leases").display(),
        console.display()
    );
    let dial = how(Dial { tun: false, ..Dial::new(&lab.folder, name) });
    let line = if dial.user.is_empty() { "--ipoe" } else { "--budget 8/60 --dial-budget 8/60" };
    let (gatelet, up) = Dial { options: &format!("{options} {line}"), ..dial }.up()?;
    Ok((gatelet, up, console))
}

/// Waits for an event that may have come already.
fn heard(gatelet: &mut Gatelet, event: &str, wanted: impl Fn(&Value) -> bool) -> Checked {
    let has_come = gatelet.seen().iter().any(|seen| seen["event"] == event && wanted(seen));
    if has_come { Ok(()) } else { gatelet.wait_where(event, DELEGATED, wanted).map(drop) }
}

/// Two pings from a machine, all of them answered.
fn ping(machine: &Machine, from: &str, to: &str) -> Checked {
    let text = machine.command(&format!("sh {from} ping -6 -c 2 -i 0.2 -W 3 {to}"))?;
    ensure(text.contains(" 0% packet loss"), || text.clone())
}

/// Another address of the same /64.
fn neighbour_of(address: &str) -> String {
    let prefix: Vec<_> = address.split(':').take(4).collect();
    format!("{}::66", prefix.join(":"))
}

/// What the router's console says about a counter.
fn counted(console: &Path, name: &str) -> Result<u32, String> {
    let mut said = String::new();
    UnixStream::connect(console)
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"show counters\rexit\r")?;
            stream.read_to_string(&mut said)
        })
        .map_err(|error| format!("the console at {}: {error}:\n{said}", console.display()))?;
    let line = said.lines().find(|line| line.trim_end().ends_with(name));
    Ok(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0))
}
