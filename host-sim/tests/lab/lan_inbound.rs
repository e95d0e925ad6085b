//! The LAN seen from the Internet, and what becomes of it when the line goes away.

use std::fs;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::dialing::sessions_gone;
use crate::lan::{FORWARDED, Lan, SERVED};
use crate::lan_services::expect;
use crate::lan_traffic::provide;
use crate::machine::output;
use crate::throughput::INTERNET_HOST;
use crate::{Checked, Lab, ensure, fail};

/// Until the line is back: the redial engine's back-off, and an emulated peer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How soon after the line is back a new connection must work.
const BACK_IN_USE: Duration = Duration::from_secs(1);

/// Both ports of the range lead to the server, from the Internet and from the LAN itself.
pub(crate) fn port_forward(lab: &mut Lab) -> Checked {
    let lan = lab.lan()?;
    for (port, served) in FORWARDED.zip(SERVED..) {
        let url = format!("http://{}:{port}/", lan.public);
        let outside = lab.isp.command(&format!("sh ip netns exec inet curl -sS -m 5 {url}"))?;
        ensure(outside.contains(&format!("one, port {served}, greets {INTERNET_HOST}")), || {
            format!("from outside: {outside}")
        })?;
        // The other host, and the server itself.
        for host in [&lan.two, &lan.one] {
            let inside = host.curl(5, &url)?;
            ensure(inside.starts_with(&format!("one, port {served}, greets ")), || {
                format!("from inside: {inside}")
            })?;
        }
    }
    lab.lan = Some(lan);
    Ok(())
}

/// What was not asked for is not answered: other ports, and echo from outside of the permitted network.
pub(crate) fn closed(lab: &mut Lab) -> Checked {
    let lan = lab.lan()?;
    let public = lan.public;
    let refused = |line: String| match lab.isp.command(&line) {
        Ok(text) => fail(format!("`{line}` was answered:\n{text}")),
        Err(_) => Ok(()),
    };
    for port in [53, 80, *FORWARDED.end() + 1] {
        refused(format!("sh ip netns exec inet curl -sS -m 1 http://{public}:{port}/"))?;
    }
    refused(format!("sh ip netns exec edge ping -c 1 -W 1 {public}"))?;
    lab.isp.command(&format!("sh ip netns exec inet ping -c 2 -i 0.2 -W 1 {public}"))?;
    // A packet for the LAN itself, as only a neighbour on the line could send it.
    lab.isp.command(&format!("sh ip route replace 192.168.1.0/24 via {public}"))?;
    let spoofed = refused("sh ping -c 1 -W 1 192.168.1.2".into());
    lab.isp.command("sh ip route del 192.168.1.0/24")?;
    spoofed?;
    lab.lan = Some(lan);
    Ok(())
}

/// Bytes of the transfer that is interrupted, and its speed in bytes a second.
const LONG_TRANSFER: usize = 6_000_000;
const SPEED: &str = "2M";

/// The concentrator ends the session while a transfer runs, and gives the same address to the next: the
/// transfer goes on where it was.
pub(crate) fn padt(lab: &mut Lab) -> Checked {
    let mut lan = lab.lan()?;
    let sum = provide(lab, "long", LONG_TRANSFER)?;
    lab.isp.command(&format!("addr {}", lan.public))?;
    let (before, file) = (lan.public, lab.folder.join("long"));
    let url = format!("http://{INTERNET_HOST}/files/long");
    let path = file.display().to_string();
    let mut transfer =
        lan.two.spawn("curl", &["-sS", "-f", "-m", "60", "--limit-rate", SPEED, "-o", &path, &url])?;
    std::thread::sleep(Duration::from_secs(1));
    let at = Instant::now();
    lab.isp.command("drop padt")?;
    lan.gatelet.wait("down", Duration::from_secs(10))?;
    lan.up_again(PATIENCE)?;
    let up = at.elapsed();
    usable_at_once(&lan)?;
    ensure(lan.public == before, || format!("{before} became {}", lan.public))?;
    let status = transfer.wait().map_err(|error| error.to_string())?;
    lab.isp.command("addr pool")?;
    ensure(status.success(), || format!("the transfer ended with {status}"))?;
    let sums = output("sha256sum", &[&path])?;
    ensure(sums.starts_with(&sum), || format!("the transfer is not what was sent: {sums}, {sum}"))?;
    fs::remove_file(&file).map_err(|error| format!("{path}: {error}"))?;
    lab.tell(format!(
        "PADT in the middle of a transfer: up again after {:.1} s, the transfer went on and ended {:.1} s later",
        up.as_secs_f64(),
        at.elapsed().saturating_sub(up).as_secs_f64()
    ));
    lab.lan = Some(lan);
    Ok(())
}

/// The line comes back with another address: what is begun then uses it.
pub(crate) fn another_address(lab: &mut Lab) -> Checked {
    let mut lan = lab.lan()?;
    let before = lan.public;
    lab.isp.command("drop padt")?;
    lan.gatelet.wait("down", Duration::from_secs(10))?;
    lan.up_again(PATIENCE)?;
    usable_at_once(&lan)?;
    ensure(lan.public != before, || format!("{before} again"))?;
    let seen = lan.one.curl(5, &format!("http://{INTERNET_HOST}/ip"))?;
    ensure(seen.trim() == lan.public.to_string(), || {
        format!("the internet host sees {seen}, the line has {}", lan.public)
    })?;
    // A name that was not asked for before, so that the answer comes over the line.
    expect(&lan.one, &["www.msftncsi.com", "A"], "NOERROR", INTERNET_HOST)?;
    let forwarded = lab.isp.command(&format!(
        "sh ip netns exec inet curl -sS -m 5 http://{}:{}/",
        lan.public,
        FORWARDED.start()
    ))?;
    ensure(forwarded.contains("one, port"), || format!("a forwarded port at the new address: {forwarded}"))?;
    lab.lan = Some(lan);
    Ok(())
}

/// A new connection of a host's works, soon after the line is up.
fn usable_at_once(lan: &Lan) -> Checked {
    let at = Instant::now();
    loop {
        let answer = lan.one.run(
            "curl",
            &[
                "-sS",
                "-f",
                "--connect-timeout",
                "0.3",
                "-m",
                "1",
                &format!("http://{INTERNET_HOST}/success.txt"),
            ],
        );
        match answer {
            Ok(_) => return Ok(()),
            Err(message) if at.elapsed() > BACK_IN_USE => {
                return fail(format!("no new connection {BACK_IN_USE:?} after the line was up: {message}"));
            }
            Err(_) => {}
        }
    }
}

/// Ctrl-C, and started again: hosts have the addresses that they had. Then Ctrl-C for good: the concentrator
/// has forgotten us.
pub(crate) fn restart(lab: &mut Lab) -> Checked {
    let lan = lab.lan()?;
    let (one, two) = (lan.one.udhcpc()?.address, lan.two.udhcpc()?.address);
    // A new client, and an address that the server would not choose for it: only who remembers gives it again.
    lan.one.ip("link set eth0 address 02:00:5e:00:53:aa")?;
    let free = (140..=254)
        .map(|last| Ipv4Addr::new(192, 168, 1, last))
        .find(|address| ![one, two].contains(address));
    let wished = free.ok_or("two of so many are taken")?;
    let lease = lan.one.udhcpc_for(wished)?;
    ensure(lease.address == wished, || format!("{wished} is free, and udhcpc got {lease:?}"))?;
    let lan = lan.restart(lab, "lan-again")?;
    for (host, before) in [(&lan.one, wished), (&lan.two, two)] {
        let now = host.udhcpc()?.address;
        ensure(now == before, || format!("a host that had {before} gets {now} after the router's restart"))?;
    }
    lan.one.curl(5, &format!("http://{INTERNET_HOST}/success.txt"))?;
    let status = lan.gatelet.interrupt()?;
    ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))?;
    sessions_gone(lab)
}
