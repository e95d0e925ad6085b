//! IPv6 in the LAN: by a prefix that Kea, then dibbler delegates, and through a tunnel of Linux's own (6in4). The hosts are
//! Linux's own SLAAC.

use std::fs;
use std::net::Ipv6Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::dialer::{Dial, Gatelet, UP_TIMEOUT};
use crate::lan::{Host, PORTS};
use crate::throughput::{INTERNET_HOST6 as FAR, Throughput, compare};
use crate::{Checked, Lab, ensure, fail};

/// A DHCPv6 server that was started with the session needs its seconds, on an emulated machine.
pub(crate) const DELEGATED: Duration = Duration::from_secs(25);

/// Both directions over IPv6, next to what the lab's own subscriber carried in the same run.
pub(crate) fn throughput(lab: &mut Lab) -> Checked {
    compare(
        lab,
        "the same over IPv6: ",
        |baseline| baseline.ipv6,
        |lab| {
            let home = Host::start("home", &lab.folder)?;
            let leases = lab.folder.join("ipv6-throughput.leases");
            let options = format!("--lan {} --ipv6 --leases {}", PORTS[0], leases.display());
            let dial = Dial { record: false, tun: false, ..Dial::new(&lab.folder, "ipv6-throughput") };
            let (gatelet, _) = Dial { options: &options, ..dial }.up()?;
            address(&home, "2001:db8:d:")?;
            home.run("ping", &["-6", "-c", "2", "-i", "0.2", "-W", "3", FAR])?;
            let ours = Throughput::measure6(&lab.isp, |arguments| home.run("iperf3", arguments))?;
            gatelet.interrupt()?;
            Ok(ours)
        },
    )
}

/// The prefix from Kea, and after a redial one from dibbler.
pub(crate) fn delegated(lab: &mut Lab) -> Checked {
    // Its router has the LAN's port.
    drop(lab.lan.take());
    let done = lab.isp.command("ipv6 kea").and_then(|_| by_delegation(lab));
    lab.isp.command("ipv6 kea")?;
    done
}

fn by_delegation(lab: &mut Lab) -> Checked {
    let home = Host::start("home", &lab.folder)?;
    let leases = lab.folder.join("ipv6.leases");
    let options =
        format!("--lan {} --ipv6 --leases {} --budget 8/60 --dial-budget 8/60", PORTS[0], leases.display());
    let dial = Dial { options: &options, tun: false, ..Dial::new(&lab.folder, "ipv6") };
    let (mut gatelet, _) = dial.up()?;
    home.udhcpc()?;
    gatelet.wait("ipv6-delegated", DELEGATED)?;
    let first = address(&home, "2001:db8:d:")?;
    surfs(&home, &first)?;
    asks_the_router(&home, &first)?;
    downloads(lab, &home)?;
    // Nobody gets in who was not asked.
    let knock =
        lab.isp.command(&format!("sh ip netns exec inet curl -s -m 3 http://[{first}]:8080/; echo $?"))?;
    ensure(knock.trim() == "28", || format!("a stranger got an answer: {knock}"))?;

    lab.isp.command("ipv6 dibbler")?;
    lab.isp.command("pd renumber")?;
    lab.isp.command("drop padt")?;
    gatelet.wait("up", UP_TIMEOUT)?;
    gatelet.wait("ipv6-delegated", DELEGATED)?;
    let prefix = |address: &str| address.split(':').take(4).collect::<Vec<_>>().join(":");
    let old = prefix(&first);
    let deadline = Instant::now() + DELEGATED;
    let second = loop {
        let found = addresses(&home)?
            .into_iter()
            .find(|(address, _)| address.starts_with("2001:db8:d:") && prefix(address) != old);
        if let Some((address, _)) = found {
            break address;
        }
        ensure(Instant::now() < deadline, || {
            format!("no address of another prefix: {:?}", addresses(&home))
        })?;
        sleep(Duration::from_millis(200));
    };
    surfs(&home, &second)?;
    let old_one = addresses(&home)?.into_iter().find(|(address, _)| *address == first);
    ensure(old_one.is_none_or(|(_, deprecated)| deprecated), || format!("{first} is still preferred"))?;
    let status = gatelet.interrupt()?;
    ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))
}

/// The client's end of a tunnel whose other end is Linux's `sit`, as a tunnel broker has it; it follows another address.
pub(crate) fn tunnel(lab: &mut Lab) -> Checked {
    drop(lab.lan.take());
    let done = lab.isp.command("ipv6 off").and_then(|_| by_tunnel(lab));
    lab.isp.command("ipv6 kea")?;
    done
}

fn by_tunnel(lab: &mut Lab) -> Checked {
    let home = Host::start("home", &lab.folder)?;
    let (leases, key) = (lab.folder.join("sit.leases"), lab.folder.join("broker.key"));
    fs::write(&key, "wonderland\n").map_err(|error| format!("{}: {error}", key.display()))?;
    let options = format!(
        "--lan {} --sit 198.51.100.2,2001:db8:6::11/127,2001:db8:6::10,2001:db8:66::/48 --leases {} --budget 8/60 --dial-budget 8/60 \
         --sit-update http://192.0.2.80,alice,{key},123456 \
         --sit-client unknown,2001:db8:7::10/127,2001:db8:7::11,2001:db8:77::/64 --sit-client-update home,alice,{key}",
        PORTS[0],
        leases.display(),
        key = key.display()
    );
    let dial = Dial { options: &options, tun: false, ..Dial::new(&lab.folder, "sit") };
    let (mut gatelet, up) = dial.up()?;
    home.udhcpc()?;
    let public = up["address"].as_str().unwrap_or_default().to_owned();
    // Its broker, nginx on the internet host, is told; the settling of two seconds is waited out meanwhile.
    gatelet.wait("broker-told", DELEGATED)?;
    let asked = lab.isp.command("sh grep nic/update /run/http.access")?;
    let line = format!("\"GET /nic/update?hostname=123456&myip={public} HTTP/1.1\" 200");
    ensure(asked.contains("- alice [") && asked.contains(&line), || format!("{line}: {asked}"))?;
    says_where(lab, &mut gatelet, &public)?;
    let is_up = |event: &serde_json::Value| event["what"].as_str().is_some_and(|what| what.contains("is up"));
    gatelet.wait_where("tunnel", DELEGATED, is_up)?;
    let address = address(&home, "2001:db8:66:")?;
    surfs(&home, &address)?;
    downloads(lab, &home)?;
    // From the Internet: the far end sends through the tunnel, and the router lets a ping in (RFC 4890 §4.3.1).
    let ping = lab.isp.command(&format!("sh ip netns exec inet ping -6 -c 2 -i 0.2 -W 3 {address}"))?;
    ensure(ping.contains(" 0% packet loss"), || ping.clone())?;

    lab.isp.command("drop padt")?;
    gatelet.wait("up", UP_TIMEOUT)?;
    let deadline = Instant::now() + DELEGATED;
    while surfs(&home, &address).is_err() {
        ensure(Instant::now() < deadline, || "the tunnel does not follow another address".to_owned())?;
        sleep(Duration::from_millis(500));
    }
    let status = gatelet.interrupt()?;
    ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))
}

/// A tunnel's far end, curl on the internet host, says where it is.
fn says_where(lab: &Lab, gatelet: &mut Gatelet, public: &str) -> Checked {
    for (account, answer) in [
        ("alice:wrong", "badauth"),
        ("alice:wonderland", "good 192.0.2.80"),
        ("alice:wonderland", "nochg 192.0.2.80"),
    ] {
        let url = format!("http://{public}:8041/nic/update?hostname=home");
        let heard = lab.isp.command(&format!("sh ip netns exec inet curl -sS -m 5 -u {account} '{url}'"))?;
        ensure(heard.trim() == answer, || format!("{account}: {answer} is expected: {heard}"))?;
    }
    gatelet.wait("tunnel-moved", UP_TIMEOUT)?;
    Ok(())
}

/// The router answers questions for names under both of its addresses in the LAN.
fn asks_the_router(home: &Host, own: &str) -> Checked {
    let route = home.run("ip", &["-6", "route", "show", "default"])?;
    let near = route.split_whitespace().nth(2).and_then(|router| router.parse::<Ipv6Addr>().ok());
    let (Some(near), Ok(own)) = (near, own.parse::<Ipv6Addr>()) else {
        return fail(format!("no router's address: {route}"));
    };
    // Both end in its interface identifier.
    let global = Ipv6Addr::from_bits(own.to_bits() >> 64 << 64 | near.to_bits() & u128::from(u64::MAX));
    for server in [format!("@{global}"), format!("@{near}%eth0")] {
        for transport in ["+notcp", "+tcp"] {
            let question = ["+short", "+tries=2", "+time=2", transport, &server, "probe.isp.test", "AAAA"];
            let answer = home.run("dig", &question)?;
            ensure(answer.trim() == FAR, || format!("{server} {transport}: {answer}"))?;
        }
    }
    Ok(())
}

/// The host reaches the Internet over IPv6, under an address of its own.
fn surfs(home: &Host, address: &str) -> Checked {
    let ping = home.run("ping", &["-6", "-c", "3", "-i", "0.2", "-W", "3", FAR])?;
    ensure(ping.contains(" 0% packet loss"), || ping.clone())?;
    let seen = home.curl(8, &format!("http://[{FAR}]/ip"))?;
    ensure(seen.trim() == address, || format!("the Internet sees {seen}, the host has {address}"))
}

/// A large transfer, which meets the way's MTU.
fn downloads(lab: &Lab, home: &Host) -> Checked {
    let far = lab.isp.command("sh mkdir -p /run/files; head -c 3000000 /dev/urandom >/run/files/three")?;
    ensure(far.trim().is_empty(), || far.clone())?;
    let count =
        home.run("sh", &["-c", &format!("curl -sS -f -m 20 'http://[{FAR}]/files/three' | wc -c")])?;
    ensure(count.trim() == "3000000", || format!("of 3,000,000 octets came {count}"))
}

/// The host's own address of this prefix, once it has one that it uses.
pub(crate) fn address(home: &Host, prefix: &str) -> Result<String, String> {
    let deadline = Instant::now() + DELEGATED;
    loop {
        let found = addresses(home)?.into_iter().find(|(address, _)| address.starts_with(prefix));
        if let Some((address, false)) = found {
            return Ok(address);
        }
        if Instant::now() > deadline {
            return Err(format!("no address of {prefix}: {:?}", addresses(home)));
        }
        sleep(Duration::from_millis(200));
    }
}

/// Its global addresses that have passed duplicate detection, and whether each is deprecated.
pub(crate) fn addresses(home: &Host) -> Result<Vec<(String, bool)>, String> {
    let text = home.run("ip", &["-6", "-o", "addr", "show", "dev", "eth0", "scope", "global"])?;
    let lines = text.lines().filter(|line| !line.contains("tentative"));
    Ok(lines
        .filter_map(|line| {
            let (_, rest) = line.split_once("inet6 ")?;
            let (address, _) = rest.split_once('/')?;
            Some((address.to_owned(), line.contains("deprecated")))
        })
        .collect())
}
