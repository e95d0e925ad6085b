//! What hosts of the LAN do all day: through the router, and as fast as the lab's own subscriber.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::lan::{Host, Lan, PORTS, ROUTER};
use crate::machine::output;
use crate::throughput::{INTERNET_HOST, Throughput, compare};
use crate::{Checked, Lab, ensure, fail};

/// Both directions, next to what the lab's own subscriber carried in the same run.
pub(crate) fn throughput(lab: &mut Lab) -> Checked {
    compare(
        lab,
        "the LAN behind it:  ",
        |baseline| baseline.ipv4,
        |lab| {
            // Without a capture, as one would run it.
            let lan = Lan::start(lab, "lan-throughput", PORTS[0], false)?;
            lan.one.udhcpc()?;
            lan.one.run("ping", &["-c", "2", "-i", "0.2", "-W", "2", INTERNET_HOST])?;
            let ours = Throughput::measure(&lab.isp, |arguments| lan.one.run("iperf3", arguments))?;
            lan.gatelet.interrupt()?;
            Ok(ours)
        },
    )
}

/// Ping, traceroute, a page, and packets as long as the line takes.
pub(crate) fn everyday(lab: &mut Lab) -> Checked {
    let lan = lab.lan()?;
    lan.one.run("ping", &["-c", "2", "-i", "0.2", "-W", "2", ROUTER])?;
    lan.one.run("ping", &["-c", "2", "-i", "0.2", "-W", "2", INTERNET_HOST])?;
    let seen = lan.one.curl(5, &format!("http://{INTERNET_HOST}/ip"))?;
    ensure(seen.trim() == lan.public.to_string(), || {
        format!("the internet host sees {seen}, the line has {}", lan.public)
    })?;
    // UDP to ports that nobody listens at, and ICMP echo as Windows' tracert has it.
    for method in [&[][..], &["-I"]] {
        let arguments = [&["-n", "-q", "1", "-w", "2", "-m", "6"], method, &[INTERNET_HOST]].concat();
        let text = lan.two.run("traceroute", &arguments)?;
        let hops: Vec<&str> =
            text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
        ensure(hops == [ROUTER, "203.0.113.1", INTERNET_HOST], || format!("traceroute {method:?}:\n{text}"))?;
    }
    full_size(&lan.one)?;
    // In fragments, there and back.
    lan.one.run("ping", &["-c", "2", "-i", "0.2", "-W", "2", "-s", "4000", INTERNET_HOST])?;
    burst(&lan)?;
    lab.lan = Some(lan);
    Ok(())
}

/// Ten pings of 65,000 octets, each of which finds the router asleep, as on a machine with other things to do: when it wakes
/// up, 45 fragments are waiting, and each leaves as two.
fn burst(lan: &Lan) -> Checked {
    for number in 1..=10 {
        lan.gatelet.signal(Signal::SIGSTOP)?;
        let ping = lan.two.spawn("ping", &["-c", "1", "-W", "2", "-s", "65000", INTERNET_HOST]);
        std::thread::sleep(Duration::from_millis(100));
        lan.gatelet.signal(Signal::SIGCONT)?;
        let status = ping?.wait().map_err(|error| error.to_string())?;
        ensure(status.success(), || format!("ping {number} of 10 was not answered"))?;
    }
    Ok(())
}

/// The line's 1492 bytes go through; with 1500 that must not be fragmented, the router says how many do.
fn full_size(host: &Host) -> Checked {
    let ping =
        |payload: &str| host.run("ping", &["-c", "1", "-W", "2", "-M", "do", "-s", payload, INTERNET_HOST]);
    ping("1464")?;
    match ping("1472") {
        Ok(text) => fail(format!("1500 bytes went through a line of 1492:\n{text}")),
        Err(text) => {
            ensure(text.contains(ROUTER) && text.contains("mtu = 1492") || text.contains("mtu=1492"), || {
                format!("no word of an MTU of 1492 from {ROUTER}:\n{text}")
            })
        }
    }
}

/// The other way to the LAN, as long as it takes to see that it is one.
pub(crate) fn by_tap(lab: &mut Lab) -> Checked {
    let lan = Lan::start(lab, "lan-tap", PORTS[1], true)?;
    lan.one.udhcpc()?;
    let seen = lan.one.curl(5, &format!("http://{INTERNET_HOST}/ip"))?;
    ensure(seen.trim() == lan.public.to_string(), || {
        format!("the internet host sees {seen}, the line has {}", lan.public)
    })?;
    let status = lan.gatelet.interrupt()?;
    ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))
}

/// Connections at the same time.
const TRANSFERS: usize = 100;
/// Bytes that each of them fetches.
const TRANSFER_LEN: usize = 200_000;

/// Each transfer is whole, whatever happens next to it.
pub(crate) fn hundred_transfers(lab: &mut Lab) -> Checked {
    let sum = provide(lab, "hundred", TRANSFER_LEN)?;
    let lan = lab.lan()?;
    let folder = lab.folder.join("transfers");
    let fault = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(fault)?;
    let pattern = folder.join("#1").display().to_string();
    let url = format!("http://{INTERNET_HOST}/files/hundred?[1-{TRANSFERS}]");
    let parallel = TRANSFERS.to_string();
    lan.one.run(
        "curl",
        &[
            "-sS",
            "-f",
            "-m",
            "40",
            "-Z",
            "--parallel-immediate",
            "--parallel-max",
            &parallel,
            "-o",
            &pattern,
            &url,
        ],
    )?;
    let files: Vec<String> =
        (1..=TRANSFERS).map(|number| folder.join(number.to_string()).display().to_string()).collect();
    let sums = output("sha256sum", &files.iter().map(String::as_str).collect::<Vec<_>>())?;
    let right = sums.lines().filter(|line| line.starts_with(&sum)).count();
    ensure(right == TRANSFERS, || format!("{right} of {TRANSFERS} transfers are what was sent:\n{sums}"))?;
    fs::remove_dir_all(&folder).map_err(fault)?;
    lab.lan = Some(lan);
    Ok(())
}

/// Puts a file of random bytes on the internet host; its SHA-256.
pub(crate) fn provide(lab: &Lab, name: &str, len: usize) -> Result<String, String> {
    let text = lab.isp.command(&format!(
        "sh mkdir -p /run/files; head -c {len} /dev/urandom >/run/files/{name}; sha256sum /run/files/{name}"
    ))?;
    let sum = text.split_whitespace().next().unwrap_or_default();
    ensure(sum.len() == 64, || format!("a SHA-256 is expected: {text}"))?;
    Ok(sum.to_owned())
}
