//! How much gets through: first the lab's own subscriber (the kernel's PPPoE in a machine of its own),
//! then ours, in the same run on the same machine.

use serde_json::Value;

use crate::dialer::Dial;
use crate::machine::{Machine, output};
use crate::{Checked, Lab, ensure, fail};

/// The share of the subscriber's throughput that ours must reach.
const SHARE: f64 = 0.8;
/// Seconds of a measurement, after one second that does not count (TCP's start).
const SECONDS: &str = "4";
/// The lab's internet host.
pub(crate) const INTERNET_HOST: &str = "192.0.2.80";

/// What one session carried, in Mbit/s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throughput {
    up: f64,
    down: f64,
}

/// Debian's own client on the same wire: if it fails, it is not us. Then both directions through its
/// session.
pub(crate) fn subscriber(lab: &mut Lab) -> Checked {
    lab.subscriber.command("dial")?;
    lab.subscriber.command(&format!("sh ping -c 2 -i 0.2 -W 2 {INTERNET_HOST}"))?;
    let baseline = Throughput::measure(&lab.isp, |arguments| {
        lab.subscriber.command(&format!("sh iperf3 {}", arguments.join(" ")))
    })?;
    lab.tell(format!("throughput of the lab's subscriber: {baseline}"));
    lab.baseline = Some(baseline);
    lab.subscriber.command("hangup").map(drop)
}

/// Both directions through our session.
pub(crate) fn ours(lab: &mut Lab) -> Checked {
    compare(lab, "gatelet-sim:        ", |lab| {
        let dial = Dial { options: "--default-route", ..Dial::new(&lab.folder, "throughput") };
        // Without a capture, as one would run it.
        let (gatelet, _) = Dial { record: false, ..dial }.up()?;
        // The first packets of a session also find out that its route is there.
        crate::dialing::ping(INTERNET_HOST)?;
        let ours = Throughput::measure(&lab.isp, |arguments| output("iperf3", arguments))?;
        gatelet.interrupt()?;
        Ok(ours)
    })
}

/// Judges `measure` by the subscriber's figures. Below its share both are measured once more, in case this
/// machine did something else meanwhile.
pub(crate) fn compare(
    lab: &mut Lab,
    whose: &str,
    measure: impl Fn(&Lab) -> Result<Throughput, String>,
) -> Checked {
    if lab.baseline.is_none() {
        return fail("no figure of the subscriber's to compare with: run `subscriber` too");
    }
    let mut judged = Ok(());
    for attempt in 0..2 {
        if attempt > 0 {
            subscriber(lab)?;
        }
        let ours = measure(lab)?;
        let baseline = lab.baseline.unwrap_or(ours);
        let (up, down) = (ours.up / baseline.up, ours.down / baseline.down);
        lab.tell(format!("throughput of {whose} {ours}: {:.0} % and {:.0} %", up * 100.0, down * 100.0));
        judged = ensure(up >= SHARE && down >= SHARE, || {
            format!("{ours} is less than {SHARE} of the subscriber's {baseline}")
        });
        if judged.is_ok() {
            break;
        }
    }
    judged
}

impl Throughput {
    /// Both directions, by an iperf3 client to whom `client` gives its arguments.
    pub(crate) fn measure(
        isp: &Machine,
        client: impl Fn(&[&str]) -> Result<String, String>,
    ) -> Result<Self, String> {
        let arguments = ["-J", "-c", INTERNET_HOST, "-O", "1", "-t", SECONDS, "-R"];
        let up = measured(isp, || client(&arguments[..arguments.len() - 1]))?;
        let down = measured(isp, || client(&arguments))?;
        Ok(Self { up, down })
    }
}

impl std::fmt::Display for Throughput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} Mbit/s up, {:.0} Mbit/s down", self.up, self.down)
    }
}

/// One measurement with a fresh server (the lab starts another where one ends): iperf3's server is known to
/// refuse a client after one whose line went down.
pub(crate) fn measured(isp: &Machine, client: impl Fn() -> Result<String, String>) -> Result<f64, String> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        isp.command("sh killall -9 iperf3; sleep 1")?;
        match client().and_then(|text| megabits(&text)) {
            Ok(megabits) => return Ok(megabits),
            Err(message) => last = message,
        }
    }
    fail(last)
}

/// How often a measurement is tried.
const ATTEMPTS: u32 = 3;

/// What arrived at the receiver, in Mbit/s, of `iperf3 -J`.
fn megabits(json: &str) -> Result<f64, String> {
    let report: Value =
        serde_json::from_str(json).map_err(|error| format!("iperf3's report: {error}: {json}"))?;
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    bits.map(|bits| bits / 1e6).ok_or_else(|| format!("iperf3: {}", report["error"]))
}
