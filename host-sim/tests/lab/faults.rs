//! What goes wrong on a line, and what we make of it.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::dialer::{Dial, UP_TIMEOUT};
use crate::dialing::{hang_up, ping, sessions_become, sessions_gone};
use crate::machine::{ip, output};
use crate::throughput::INTERNET_HOST;
use crate::trace::{self, most_within, sent};
use crate::{Checked, Lab, ensure};

/// Until a session is back after a fault: the redial engine's back-off, and an emulated peer.
const PATIENCE: Duration = Duration::from_mins(1);
/// Until the peer has carried out a fault and we have noticed it.
const NOTICED: Duration = Duration::from_secs(10);
/// Discovery messages that may leave within a minute.
const DISCOVERY_BUDGET: usize = 4;
/// Authentications that may be tried within three minutes.
const AUTHENTICATION_BUDGET: usize = 4;

/// Told as what it is, and not tried until the account is locked.
pub(crate) fn wrong_password(lab: &mut Lab) -> Checked {
    for auth in ["pap", "chap", "mschapv2"] {
        lab.isp.command(&format!("auth {auth}"))?;
        let name = format!("wrong-{auth}");
        let dial = Dial { password: "looking-glass", ..Dial::new(&lab.folder, &name) };
        let mut gatelet = dial.start()?;
        let down = gatelet.wait("down", UP_TIMEOUT)?;
        ensure(down["failure"] == "auth-wrong-password" && down["windows_code"] == 691, || {
            format!("a wrong password is told as {down}")
        })?;
        // Watch what it does next, once.
        if auth == "chap" {
            std::thread::sleep(Duration::from_secs(15));
        }
        gatelet.interrupt()?;
        let trace = trace::read(&dial.pcap())?;
        let discovery = most_within(&trace, &["PADI", "PADR"], 60.0);
        let tries = most_within(&trace, &["PAP Authenticate-Request", "CHAP Response"], 180.0);
        ensure(discovery <= DISCOVERY_BUDGET && tries <= AUTHENTICATION_BUDGET, || {
            format!("{discovery} PADIs and PADRs, {tries} authentications: over the budget")
        })?;
    }
    lab.isp.command("auth chap")?;
    sessions_gone(lab)
}

/// The server ends the session with a PADT alone: we notice at once and dial again.
pub(crate) fn padt(lab: &mut Lab) -> Checked {
    ended_by(lab, "padt", "padt")
}

/// The server ends the session by LCP.
pub(crate) fn terminate(lab: &mut Lab) -> Checked {
    ended_by(lab, "term", "terminate-request")
}

fn ended_by(lab: &mut Lab, drop: &str, failure: &str) -> Checked {
    let dial = Dial::new(&lab.folder, drop);
    let (mut gatelet, _) = dial.up()?;
    let at = Instant::now();
    lab.isp.command(&format!("drop {drop}"))?;
    let down = gatelet.wait("down", NOTICED)?;
    // A session this young is taken for one that the carrier refuses (quick-offline), whoever ended it.
    ensure(down["failure"] == "quick-offline" || down["failure"] == failure, || format!("told as {down}"))?;
    ensure(gatelet.seen().iter().any(|event| event["event"] == told_as(drop)), || {
        format!("the {drop} itself is not told\n{}", gatelet.story())
    })?;
    gatelet.wait("up", PATIENCE)?;
    lab.tell(format!("{failure} to up again: {:.1} s", at.elapsed().as_secs_f64()));
    hang_up(lab, gatelet, drop)
}

/// The event that tells of the message itself.
fn told_as(drop: &str) -> &'static str {
    if drop == "padt" { "padt-received" } else { "terminated" }
}

/// A PADT that names another session is none of our business.
pub(crate) fn padt_for_another(lab: &mut Lab) -> Checked {
    let dial = Dial::new(&lab.folder, "padt-other");
    let (mut gatelet, _) = dial.up()?;
    let link = output("ip", &["-o", "link", "show", "wan0"])?;
    let ours = link.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).unwrap_or_default();
    lab.isp.command(&format!("padt 4660:{ours}"))?;
    ensure(!gatelet.hears("down", Duration::from_secs(1)), || "a PADT for session 4660 ended ours".into())?;
    ping_by_tun()?;
    hang_up(lab, gatelet, "padt-other")
}

/// The process dies without a word; the next one clears the session that it left behind.
pub(crate) fn killed(lab: &mut Lab) -> Checked {
    let first = Dial::new(&lab.folder, "killed");
    let (gatelet, _) = first.up()?;
    gatelet.kill();
    ensure(lab.isp.sessions()? == 1, || "the concentrator knows of the death already".into())?;
    let second = Dial { ledger: Some(first.ledger()), ..Dial::new(&lab.folder, "started-again") };
    let (gatelet, _) = second.up()?;
    let trace = trace::read(&second.pcap())?;
    let cleared = trace.first().is_some_and(|message| message.ours && message.name == "PADT");
    ensure(cleared, || {
        format!("the first frame is to clear the old session, and was {:?}", trace.first().map(|m| &m.name))
    })?;
    sessions_become(lab, 1)?;
    if let (Some(padt), Some(padi)) = (sent(&trace, "PADT"), sent(&trace, "PADI")) {
        lab.tell(format!(
            "kill -9, started again: PADT for the old session, PADI {:.0} ms later",
            (padi - padt) * 1e3
        ));
    }
    hang_up(lab, gatelet, "started-again")
}

/// The concentrator goes away and comes back. Nothing answers meanwhile: polls, not a storm.
pub(crate) fn server_restart(lab: &mut Lab) -> Checked {
    let dial = Dial::new(&lab.folder, "server");
    let (mut gatelet, _) = dial.up()?;
    lab.isp.command("server stop")?;
    gatelet.wait("down", NOTICED)?;
    gatelet.wait_where("down", Duration::from_secs(30), |down| down["failure"] == "no-pado")?;
    lab.isp.command("server start")?;
    let at = Instant::now();
    gatelet.wait("up", PATIENCE)?;
    lab.tell(format!("server started to up again: {:.1} s", at.elapsed().as_secs_f64()));
    hang_up(lab, gatelet, "server")?;
    let trace = trace::read(&dial.pcap())?;
    let sent = most_within(&trace, &["PADI", "PADR"], 60.0);
    ensure(sent <= DISCOVERY_BUDGET, || format!("{sent} PADIs and PADRs within a minute"))
}

/// Loss of carrier costs nothing: dialed again as soon as it is back.
pub(crate) fn cable(lab: &mut Lab) -> Checked {
    let dial = Dial::new(&lab.folder, "cable");
    let (mut gatelet, _) = dial.up()?;
    ip("link set wan1 down")?;
    gatelet.wait("link-down", NOTICED)?;
    gatelet.wait("down", NOTICED)?;
    ip("link set wan1 up")?;
    let at = Instant::now();
    gatelet.wait("up", UP_TIMEOUT)?;
    lab.tell(format!("carrier back to up again: {:.1} s", at.elapsed().as_secs_f64()));
    hang_up(lab, gatelet, "cable")
}

/// The concentrator forgets the session and says nothing: LCP echo finds out.
pub(crate) fn silent_drop(lab: &mut Lab) -> Checked {
    let dial = Dial { options: "--echo on --echo-interval 2", ..Dial::new(&lab.folder, "silent") };
    let (mut gatelet, _) = dial.up()?;
    lab.isp.command("drop silent")?;
    let at = Instant::now();
    let down = gatelet.wait("down", PATIENCE)?;
    let noticed = at.elapsed();
    gatelet.wait("up", PATIENCE)?;
    lab.tell(format!(
        "session lost without a word (echo every 2 s): noticed after {:.1} s as {}, up again after {:.1} s",
        noticed.as_secs_f64(),
        down["failure"].as_str().unwrap_or("?"),
        at.elapsed().as_secs_f64()
    ));
    hang_up(lab, gatelet, "silent")
}

/// With nobody there to answer the Terminate-Request, the second Ctrl-C ends it at once.
pub(crate) fn second_interrupt(lab: &mut Lab) -> Checked {
    let (mut gatelet, _) = Dial::new(&lab.folder, "interrupted").up()?;
    lab.isp.command("wire off")?;
    gatelet.signal(Signal::SIGINT)?;
    gatelet.wait("interrupted", Duration::from_secs(2))?;
    let at = Instant::now();
    gatelet.signal(Signal::SIGINT)?;
    gatelet.end()?;
    // An unanswered Terminate-Request is repeated for 3.8 s.
    ensure(at.elapsed() < Duration::from_secs(2), || format!("it took {:?}", at.elapsed()))?;
    lab.isp.command("wire on")?;
    lab.isp.command("drop padt")?;
    sessions_gone(lab)
}

/// The session still carries traffic.
fn ping_by_tun() -> Checked {
    ip(&format!("route replace {INTERNET_HOST}/32 dev gatelet0"))?;
    ping(INTERNET_HOST)
}
