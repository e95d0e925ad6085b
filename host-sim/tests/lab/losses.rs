//! Each message of a dial lost in turn. What we ask is asked again by us within 1.25 s. What we answer
//! (an Ack, a CHAP Response) and what the peer asks goes again when the peer's timer says so, which is
//! reported against that timer.

use std::fmt::Write as _;
use std::time::Instant;

use crate::dialer::Dial;
use crate::dialing::sessions_gone;
use crate::trace;
use crate::{Checked, Lab, ensure};

/// The longest until a lost message of ours goes out again, in seconds. One round trip may be added.
const REPEAT: f64 = 1.25;

struct Loss {
    /// Whose it is, and whose timer repairs it.
    kind: Kind,
    /// The message as the lab's `lose` names it, and which of them.
    message: &'static str,
    /// The message as a trace names it.
    name: &'static str,
    auth: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// We send it and wait for an answer: our timer.
    Question,
    /// We send it and wait for nothing: the peer asks again, by its timer.
    Answer,
    /// The peer sends it.
    Peer,
}

const fn question(message: &'static str, name: &'static str) -> Loss {
    Loss { kind: Kind::Question, message, name, auth: "chap" }
}

const fn answer(message: &'static str, name: &'static str) -> Loss {
    Loss { kind: Kind::Answer, message, name, auth: "chap" }
}

const fn peer(message: &'static str, name: &'static str) -> Loss {
    Loss { kind: Kind::Peer, message, name, auth: "chap" }
}

const LOSSES: &[Loss] = &[
    question("padi", "PADI"),
    peer("pado", "PADO"),
    question("padr", "PADR"),
    peer("pads", "PADS"),
    // The first Configure-Request often meets a pppd that has not started: the second is the one that counts.
    question("c021:01", "LCP Configure-Request"),
    peer("c021:02", "LCP Configure-Ack"),
    peer("c021:01", "LCP Configure-Request"),
    answer("c021:02", "LCP Configure-Ack"),
    peer("c223:01", "CHAP Challenge"),
    answer("c223:02", "CHAP Response"),
    peer("c223:03", "CHAP Success"),
    Loss { auth: "pap", ..question("c023:01", "PAP Authenticate-Request") },
    Loss { auth: "pap", ..peer("c023:02", "PAP Authenticate-Ack") },
    question("8021:01", "IPCP Configure-Request"),
    peer("8021:03", "IPCP Configure-Nak"),
    question("8021:01 2", "IPCP Configure-Request"),
    peer("8021:02", "IPCP Configure-Ack"),
    peer("8021:01", "IPCP Configure-Request"),
    answer("8021:02", "IPCP Configure-Ack"),
];

/// Loses each, dials, and reports the time from the first PADI to IPv4.
pub(crate) fn each_message(lab: &mut Lab) -> Checked {
    // The peer's own start takes 0.3 s, or seconds on a busy machine: the better of two is what to compare with.
    let nothing = time_to_up(lab, "lost-nothing", None)?.0.min(time_to_up(lab, "lost-nothing", None)?.0);
    lab.tell(format!("lost message of a dial (time to up with none lost: {nothing:.2} s)"));
    let mut failures = String::new();
    for (number, loss) in LOSSES.iter().enumerate() {
        lab.isp.command(&format!("auth {}", loss.auth))?;
        let (up, repeat) = time_to_up(lab, &format!("lost-{number:02}"), Some(loss))?;
        let (whose, timer) = match loss.kind {
            Kind::Question => ("ours", "our timer"),
            Kind::Answer => ("ours", "the peer's timer"),
            Kind::Peer => ("peer's", "either timer"),
        };
        let again = repeat.map_or_else(String::new, |repeat| format!(", sent again after {repeat:.2} s"));
        lab.tell(format!(
            "  {whose:6} {:30} up in {up:5.2} s (+{:.2}), {timer}{again}",
            format!("{}{}", loss.name, if loss.message.contains(' ') { " (second)" } else { "" }),
            (up - nothing).max(0.0),
        ));
        if loss.kind == Kind::Question && !repeat.is_some_and(|repeat| repeat <= REPEAT + ROUND_TRIP) {
            let _ = writeln!(failures, "{}: sent again after {repeat:?} s", loss.name);
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
        let direction = if loss.kind == Kind::Peer { "out" } else { "in" };
        lab.isp.command(&format!("lose {direction} {}", loss.message))?;
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
    let repeat = loss.filter(|loss| loss.kind != Kind::Peer).and_then(|loss| {
        let nth = loss.message.split_once(' ').map_or(0, |_| 1);
        let mut sent = trace.iter().filter(|message| message.ours && message.name == loss.name).skip(nth);
        Some(-(sent.next()?.at - sent.next()?.at))
    });
    Ok((time, repeat))
}
