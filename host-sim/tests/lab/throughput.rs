//! How much gets through: first the lab's own subscriber (the kernel's PPPoE in a machine of its own),
//! then ours, in the same run on the same machine.

use serde_json::Value;

use crate::dialer::Dial;
use crate::machine::{Machine, output};
use crate::{Checked, Lab, ensure, fail};

/// The share of the subscriber's throughput that ours must reach.
pub(crate) const SHARE: f64 = 0.8;
/// Seconds of a measurement, after one second that does not count (TCP's start).
pub(crate) const SECONDS: &str = "4";
/// The lab's internet host.
pub(crate) const INTERNET_HOST: &str = "192.0.2.80";

/// Debian's own client on the same wire: if it fails, it is not us. Then both directions through its
/// session.
pub(crate) fn subscriber(lab: &mut Lab) -> Checked {
    lab.subscriber.command("dial")?;
    lab.subscriber.command(&format!("sh ping -c 2 -i 0.2 -W 2 {INTERNET_HOST}"))?;
    let measure = |reverse: &str| {
        measured(&lab.isp, || {
            let line = format!("sh iperf3 -J -c {INTERNET_HOST} -O 1 -t {SECONDS} {reverse}");
            lab.subscriber.command(&line)
        })
    };
    let (up, down) = (measure("")?, measure("-R")?);
    lab.tell(format!("throughput of the lab's subscriber: {up:.0} Mbit/s up, {down:.0} Mbit/s down"));
    lab.baseline = Some((up, down));
    lab.subscriber.command("hangup").map(drop)
}

/// Both directions through our session.
pub(crate) fn ours(lab: &mut Lab) -> Checked {
    let Some((up_baseline, down_baseline)) = lab.baseline else {
        return fail("no figure of the subscriber's to compare with: run `subscriber` too");
    };
    let dial = Dial { options: "--default-route", ..Dial::new(&lab.folder, "throughput") };
    // Without a capture, as one would run it.
    let (gatelet, _) = Dial { record: false, ..dial }.up()?;
    // The first packets of a session also find out that its route is there.
    crate::dialing::ping(INTERNET_HOST)?;
    let measure = |reverse: &[&str]| {
        let arguments = [&["-J", "-c", INTERNET_HOST, "-O", "1", "-t", SECONDS], reverse].concat();
        measured(&lab.isp, || output("iperf3", &arguments))
    };
    let (up, down) = (measure(&[])?, measure(&["-R"])?);
    gatelet.interrupt()?;
    let (up_share, down_share) = (up / up_baseline, down / down_baseline);
    lab.tell(format!(
        "throughput of gatelet-sim:         {up:.0} Mbit/s up ({:.0} %), {down:.0} Mbit/s down ({:.0} %)",
        up_share * 100.0,
        down_share * 100.0
    ));
    ensure(up_share >= SHARE && down_share >= SHARE, || {
        format!(
            "{up:.1} up and {down:.1} down are less than {SHARE} of {up_baseline:.1} and {down_baseline:.1} Mbit/s"
        )
    })
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
