//! Whether the Internet is there, as the router says over its real session, while the provider gets in the way in each of its
//! modes.
//!
//! The lab has no port 443, and one host plays the probes' owners: the probes are of the router's own list, which then judges
//! no TLS.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::dialer::{Dial, Gatelet};
use crate::lan::Host;
use crate::machine::{Machine, ip};
use crate::{Checked, Lab, ensure};

/// Four owners, as the Internet host answers for them.
const PROBES: &str = "--probe google,http://connectivitycheck.gstatic.com/generate_204,204 \
     --probe cloudflare,http://cp.cloudflare.com/generate_204,204 \
     --probe mozilla,http://detectportal.firefox.com/success.txt,success \
     --probe apple,http://captive.apple.com/hotspot-detect.html,\
     <HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";

/// What the provider does, and what is to be said of it.
const MODES: [(&str, &str, Option<&str>); 11] = [
    ("portal 302", "portal", None),
    ("portal 200", "portal", None),
    ("portal 511", "portal", None),
    ("portal reset", "offline", Some("tcp")),
    ("portal drop", "offline", Some("tcp")),
    ("portal 302 walled", "portal", None),
    ("dns hijack", "hijacked", None),
    ("dns nxdomain", "offline", Some("dns")),
    ("dns refused", "offline", Some("dns")),
    // A probe's address that was good before shows that there is a way out.
    ("dns drop", "offline", Some("dns")),
    ("dns reject", "offline", Some("dns")),
];

/// Final after so long, and time for a machine that is busy.
const FINAL: Duration = Duration::from_secs(20);
/// A check that is not asked for comes after a second, then two, then four.
const AGAIN: Duration = Duration::from_secs(30);
/// How long openNDS may take for a new guest.
const NEW_GUEST: Duration = Duration::from_mins(2);
/// From its letting a guest in to the verdict: a probe that it has begun to answer before may take its time.
const LET_IN: Duration = Duration::from_secs(30);
/// A DHCPv6 server that was started with the session needs its seconds, on an emulated machine.
const DELEGATED: Duration = Duration::from_secs(25);
/// Router Advertisements keep 3 s apart (RFC 4861 §10), and a host has to hear them.
const ADVERTISED: Duration = Duration::from_secs(10);
/// From signing in to the verdict, while a host of the LAN is at it.
const SIGNED_IN: Duration = Duration::from_secs(10);

pub(crate) fn every_mode(lab: &mut Lab) -> Checked {
    // Its router has the LAN's port.
    drop(lab.lan.take());
    // The known name of the DNS checks, which the provider does not know otherwise.
    lab.isp.command("dns add dns.msftncsi.com 131.107.255.255")?;
    lab.isp.command("dns add dns.msftncsi.com fd3e:4f5a:5b81::1")?;
    let home = Host::start("home", &lab.folder)?;
    let leases = lab.folder.join("portal.leases");
    let options = format!("--lan lan0 --ipv6 --leases {} {PROBES}", leases.display());
    let dial = Dial { options: &options, tun: false, ..Dial::new(&lab.folder, "portal") };
    let (mut gatelet, _) = dial.up()?;
    let began = Instant::now();
    expect(&mut gatelet, began, FINAL, "online", None)?;
    let first = began.elapsed();
    home.udhcpc()?;
    // The same over IPv6, which is there once Kea has delegated a prefix.
    let ipv6 = hear(&mut gatelet, 0, DELEGATED, |told| told["family"] == "ipv6" && is_online(told));
    ipv6.map_err(|error| format!("over IPv6: {error}"))?;
    let first_ipv6 = began.elapsed();
    await_ipv6_route(&home, true)?;
    let mut lines = Vec::new();
    for (mode, verdict, detail) in MODES {
        let outcome = meet(lab, &mut gatelet, &home, mode, verdict, detail);
        lab.isp.command("portal off")?;
        lab.isp.command("dns open")?;
        let (seen, told) = outcome.map_err(|error| format!("{mode}: {error}"))?;
        let back = Instant::now();
        let is_portal = verdict == "portal";
        let limit = if is_portal { SIGNED_IN } else { AGAIN };
        while is_portal
            && back.elapsed() < limit
            && !gatelet.hears_where("verdict", TICK, |told| is_of_ipv4(told) && is_online(told))
        {
            // Somebody is signing in.
            let _ = home.curl(1, "http://captive.apple.com/hotspot-detect.html");
        }
        if !is_portal {
            expect(&mut gatelet, back, limit, "online", None)
                .map_err(|error| format!("after {mode}: {error}"))?;
        }
        ensure(back.elapsed() < limit, || {
            format!("after {mode}: not on line within {limit:?}\n{}", gatelet.story())
        })?;
        if mode == "portal 302" {
            await_ipv6_route(&home, true)?;
        }
        lines.push(format!(
            "{mode}: {told} after {:.1} s, back after {:.1} s",
            seen.as_secs_f64(),
            back.elapsed().as_secs_f64()
        ));
    }
    ensure(!gatelet.seen().iter().any(|event| event["event"] == "down"), || "the line went down".into())?;
    gatelet.interrupt()?;
    lab.tell(format!(
        "connectivity: on line {:.1} s after up, over IPv6 {:.1} s; {}",
        first.as_secs_f64(),
        first_ipv6.as_secs_f64(),
        lines.join("; ")
    ));
    Ok(())
}

/// A hotel's network: DHCP, and a portal that nobody here wrote. What the router tells leads a host of its LAN to the page
/// where one signs in; that somebody did is noticed, and that the permit is over.
pub(crate) fn hotspot(lab: &mut Lab) -> Checked {
    drop(lab.lan.take());
    for words in [
        "tuntap add name hot mode tap",
        "link add name hotspot type bridge",
        "link add name hot0 type veth peer name hot1",
        "link set hot master hotspot",
        "link set hot1 master hotspot",
    ] {
        ip(words)?;
    }
    for name in ["hotspot", "hot", "hot0", "hot1"] {
        // No chatter of the machine's own in the hotel.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
        ip(&format!("link set {name} up"))?;
    }
    let hotel = Machine::boot("hotspot", "hot", &lab.folder)?.ready()?;
    let outcome = stay(lab, &hotel);
    outcome.map_err(|error| format!("{error}\nopenNDS:\n{}", hotel.command("log").unwrap_or_default()))
}

/// From arrival to departure.
fn stay(lab: &mut Lab, hotel: &Machine) -> Checked {
    let home = Host::start("home", &lab.folder)?;
    let leases = lab.folder.join("hotspot.leases");
    let options = format!("--ipoe --lan lan0 --leases {} {PROBES}", leases.display());
    let dial = Dial {
        wan: "hot0",
        user: "",
        password: "",
        options: &options,
        tun: false,
        ..Dial::new(&lab.folder, "hotspot")
    };
    let (mut gatelet, _) = dial.up()?;
    // openNDS runs a dozen scripts for a guest that it does not know, and its web server hears nobody meanwhile: as long as
    // that takes, and on an emulated machine it takes long, "connections come up, but no page does" is the truth.
    let told = gatelet.wait_where("verdict", NEW_GUEST, |told| told["verdict"] == "portal")?;
    let url = told["url"].as_str().unwrap_or_default().to_owned();
    home.udhcpc()?;
    let page = home.run("curl", &["-sS", "-L", "-m", "60", &url])?;
    ensure(page.contains("Accept Terms of Service"), || format!("{url} is no page to sign in at:\n{page}"))?;
    ensure(!gatelet.hears_where("verdict", Duration::from_millis(1), is_online), || {
        format!("on line, and nobody has signed in\n{}", gatelet.story())
    })?;
    // It takes openNDS some seconds, too.
    hotel.command("login")?;
    let began = Instant::now();
    while began.elapsed() < LET_IN && !gatelet.hears_where("verdict", TICK, is_online) {
        let _ = home.curl(1, "http://captive.apple.com/hotspot-detect.html");
    }
    let took = began.elapsed();
    ensure(took < LET_IN, || format!("signed in, and not on line within {LET_IN:?}\n{}", gatelet.story()))?;
    let page = home.curl(5, "http://probe.isp.test/success.txt")?;
    ensure(page == "success\n", || format!("through the hotel's network: {page}"))?;
    hotel.command("logout")?;
    gatelet.signal(Signal::SIGUSR1)?;
    let is_portal = |told: &Value| told["verdict"] == "portal";
    gatelet
        .wait_where("verdict", NEW_GUEST, is_portal)
        .map_err(|error| format!("after the permit: {error}"))?;
    gatelet.interrupt()?;
    lab.tell(format!("openNDS: {url}, on line {:.1} s after signing in", took.as_secs_f64()));
    Ok(())
}

/// How often a host of the LAN tries while somebody signs in.
const TICK: Duration = Duration::from_secs(1);

/// The provider begins, the router is to say so: after how long, and how it says it.
fn meet(
    lab: &Lab,
    gatelet: &mut Gatelet,
    home: &Host,
    mode: &str,
    verdict: &str,
    detail: Option<&str>,
) -> Result<(Duration, String), String> {
    lab.isp.command(mode)?;
    let (since, began) = (gatelet.seen().len(), Instant::now());
    gatelet.signal(Signal::SIGUSR1)?;
    let told = expect(gatelet, began, FINAL, verdict, detail)?;
    let seen = began.elapsed();
    if mode == "portal 302" {
        // Both families are redirected, and so the LAN has no way out over IPv6.
        let is_portal = |told: &Value| told["family"] == "ipv6" && told["verdict"] == "portal";
        hear(gatelet, since, FINAL, is_portal)?;
        await_ipv6_route(home, false)?;
    }
    if verdict == "portal" {
        let url = told["url"].as_str().unwrap_or_default();
        let names_it = !mode.contains("302") || url.starts_with("http://portal.isp.test/login");
        let asks = told["why"].as_str().unwrap_or_default().contains("on a device in your network");
        ensure(names_it && asks && url.starts_with("http://"), || format!("where to sign in: {told}"))?;
        // And there it is, for a host of the LAN.
        let page = home.curl(5, "http://portal.isp.test/")?;
        ensure(page.contains("Sign in"), || format!("the portal's page: {page}"))?;
    }
    Ok((seen, told["what"].as_str().unwrap_or_default().to_owned()))
}

/// A verdict that was told since then, or will be.
fn hear(
    gatelet: &mut Gatelet,
    since: usize,
    within: Duration,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value, String> {
    let mut told = gatelet.seen().iter().skip(since).filter(|event| event["event"] == "verdict");
    match told.find(|event| wanted(event)) {
        Some(told) => Ok(told.clone()),
        None => gatelet.wait_where("verdict", within, wanted),
    }
}

/// A host of the LAN has a default route over IPv6, or none.
fn await_ipv6_route(home: &Host, wanted: bool) -> Checked {
    let deadline = Instant::now() + ADVERTISED;
    while home.run("ip", &["-6", "route", "show", "default"])?.contains("default") != wanted {
        ensure(Instant::now() < deadline, || {
            format!("a default route over IPv6 after {ADVERTISED:?}: {}", !wanted)
        })?;
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// The next final verdict of IPv4 is this one. A round that began before `since` has seen some of what was then, and is not judged.
fn expect(
    gatelet: &mut Gatelet,
    since: Instant,
    within: Duration,
    verdict: &str,
    detail: Option<&str>,
) -> Result<Value, String> {
    loop {
        let told = gatelet.wait_where("verdict", within, is_of_ipv4)?;
        if told["verdict"] == verdict && told["detail"].as_str() == detail {
            return Ok(told);
        }
        let evidence = told["evidence"].as_array();
        let began = evidence.into_iter().flatten().filter_map(|seen| seen["began"].as_f64());
        let began = began.min_by(f64::total_cmp).and_then(|at| gatelet.moment(at));
        ensure(began.is_some_and(|began| began < since), || {
            format!("{verdict} {} is expected: {told:#}", detail.unwrap_or_default())
        })?;
    }
}

fn is_of_ipv4(told: &Value) -> bool {
    told["family"] == "ipv4"
}

fn is_online(told: &Value) -> bool {
    told["verdict"] == "online"
}
