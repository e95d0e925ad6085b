//! Each message of a dial lost in turn. What we send is repeated by us within 1.25 s; what the peer
//! sends is repeated by its timer, unless asking again makes it answer again.

use std::fmt::Write as _;
use std::time::Instant;

use crate::dialer::Dial;
use crate::dialing::sessions_gone;
use crate::trace;
use crate::{Checked, Lab, ensure};

/// The longest until a lost message of ours goes out again, in seconds. One round trip may be added.
const REPEAT: f64 = 1.25;

struct Loss {
    /// Who loses it: `in` is what we send, `out` what the peer sends (seen from the provider).
    direction: &'static str,
    /// The message as the lab's `lose` names it, and which of them.
    message: &'static str,
    /// The message as a trace names it.
    name: &'static str,
    auth: &'static str,
}

const fn ours(message: &'static str, name: &'static str) -> Loss {
    Loss { direction: "in", message, name, auth: "chap" }
}

const fn theirs(message: &'static str, name: &'static str) -> Loss {
    Loss { direction: "out", message, name, auth: "chap" }
}

const LOSSES: &[Loss] = &[
    ours("padi", "PADI"),
    theirs("pado", "PADO"),
    ours("padr", "PADR"),
    theirs("pads", "PADS"),
    // The first Configure-Request often meets a pppd that has not started: the second is the one that counts.
    ours("c021:01", "LCP Configure-Request"),
    theirs("c021:02", "LCP Configure-Ack"),
    theirs("c021:01", "LCP Configure-Request"),
    ours("c021:02", "LCP Configure-Ack"),
    theirs("c223:01", "CHAP Challenge"),
    ours("c223:02", "CHAP Response"),
    theirs("c223:03", "CHAP Success"),
    Loss { auth: "pap", ..ours("c023:01", "PAP Authenticate-Request") },
    Loss { auth: "pap", ..theirs("c023:02", "PAP Authenticate-Ack") },
    ours("8021:01", "IPCP Configure-Request"),
    theirs("8021:03", "IPCP Configure-Nak"),
    ours("8021:01 2", "IPCP Configure-Request"),
    theirs("8021:02", "IPCP Configure-Ack"),
    theirs("8021:01", "IPCP Configure-Request"),
    ours("8021:02", "IPCP Configure-Ack"),
];

/// Loses each, dials, and reports the time from the first PADI to IPv4.
pub(crate) fn each_message(lab: &mut Lab) -> Checked {
    let nothing = time_to_up(lab, "lost-nothing", None)?.0;
    lab.tell(format!("lost message of a dial (time to up with none lost: {nothing:.2} s)"));
    let mut failures = String::new();
    for (number, loss) in LOSSES.iter().enumerate() {
        lab.isp.command(&format!("auth {}", loss.auth))?;
        let (up, repeat) = time_to_up(lab, &format!("lost-{number:02}"), Some(loss))?;
        let side = if loss.direction == "in" { "ours" } else { "peer's" };
        let repeat_text =
            repeat.map_or_else(String::new, |repeat| format!(", repeated by us after {repeat:.2} s"));
        lab.tell(format!(
            "  {:6} {:28} up in {up:5.2} s (+{:.2}){repeat_text}",
            side,
            format!("{} {}", loss.name, loss.message.split_once(' ').map_or("", |_| "(second)")),
            (up - nothing).max(0.0),
        ));
        let in_time = repeat.is_some_and(|repeat| repeat <= REPEAT + ROUND_TRIP);
        if loss.direction == "in" && loss.name.ends_with("Ack") {
            // An Ack of ours is an answer: it goes out again when the peer asks again, by its timer.
        } else if loss.direction == "in" && !in_time {
            let _ = writeln!(failures, "{}: repeated after {repeat:?} s", loss.name);
        }
    }
    lab.isp.command("wire on")?;
    lab.isp.command("auth chap")?;
    ensure(failures.is_empty(), || failures)
}

/// A round trip in the lab, with an emulated peer on a machine busy with other things (seconds).
const ROUND_TRIP: f64 = 0.1;

/// Seconds from our first PADI to IPv4 up, and from the lost message of ours to its repetition.
fn time_to_up(lab: &Lab, name: &str, loss: Option<&Loss>) -> Result<(f64, Option<f64>), String> {
    if let Some(loss) = loss {
        lab.isp.command(&format!("lose {} {}", loss.direction, loss.message))?;
    }
    let dial = Dial { options: "--no-ipv6", ..Dial::new(&lab.folder, name) };
    let began = Instant::now();
    let (gatelet, up) =
        dial.up().map_err(|story| format!("{}: {story}", loss.map_or("nothing lost", |loss| loss.name)))?;
    let time = up["since_dial"].as_f64().unwrap_or(began.elapsed().as_secs_f64());
    if let Some(loss) = loss {
        let count = lab.isp.command("lost")?;
        ensure(count.trim() == "1", || format!("{} was not lost: {count}", loss.name))?;
        lab.isp.command("wire on")?;
    }
    gatelet.interrupt()?;
    sessions_gone(lab)?;
    let trace = trace::read(&dial.pcap())?;
    let repeat = loss.filter(|loss| loss.direction == "in").and_then(|loss| {
        let nth = loss.message.split_once(' ').map_or(0, |_| 1);
        let mut sent = trace.iter().filter(|message| message.ours && message.name == loss.name).skip(nth);
        Some(-(sent.next()?.at - sent.next()?.at))
    });
    Ok((time, repeat))
}
