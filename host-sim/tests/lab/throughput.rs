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
/// Those of one over IPv6: whether it keeps up, beside the figures that IPv4 gives.
const SECONDS6: &str = "2";
/// The lab's internet host.
pub(crate) const INTERNET_HOST: &str = "192.0.2.80";
pub(crate) const INTERNET_HOST6: &str = "2001:db8:2::80";

/// What one session carried, in Mbit/s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throughput {
    up: f64,
    down: f64,
}

/// What the subscriber's session carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baseline {
    pub(crate) ipv4: Throughput,
    pub(crate) ipv6: Throughput,
}

/// Debian's own client on the same wire: if it fails, it is not us. Then both directions through its
/// session.
pub(crate) fn subscriber(lab: &mut Lab) -> Checked {
    // Not our account: a session of ours may be there, whose prefix would be led to this one.
    lab.subscriber.command("dial bob@isp.test builder")?;
    lab.subscriber.command(&format!("sh ping -c 2 -i 0.2 -W 2 {INTERNET_HOST}"))?;
    let client = |arguments: &[&str]| lab.subscriber.command(&format!("sh iperf3 {}", arguments.join(" ")));
    let ipv4 = Throughput::measure(&lab.isp, client)?;
    lab.subscriber.command("ra")?;
    let ipv6 = Throughput::measure6(&lab.isp, client)?;
    lab.tell(format!("throughput of the lab's subscriber: {ipv4}; over IPv6 {ipv6}"));
    lab.baseline = Some(Baseline { ipv4, ipv6 });
    lab.subscriber.command("hangup").map(drop)
}

/// Both directions through our session.
pub(crate) fn ours(lab: &mut Lab) -> Checked {
    compare(
        lab,
        "gatelet-sim:        ",
        |baseline| baseline.ipv4,
        |lab| {
            let dial = Dial { options: "--default-route", ..Dial::new(&lab.folder, "throughput") };
            // Without a capture, as one would run it.
            let (gatelet, _) = Dial { record: false, ..dial }.up()?;
            // The first packets of a session also find out that its route is there.
            crate::dialing::ping(INTERNET_HOST)?;
            let ours = Throughput::measure(&lab.isp, |arguments| output("iperf3", arguments))?;
            gatelet.interrupt()?;
            Ok(ours)
        },
    )
}

/// Judges `measure` by those of the subscriber's figures that `which` chooses. Below its share both are measured once more, in case
/// this machine did something else meanwhile.
pub(crate) fn compare(
    lab: &mut Lab,
    whose: &str,
    which: fn(&Baseline) -> Throughput,
    measure: impl Fn(&Lab) -> Result<Throughput, String>,
) -> Checked {
    let mut judged = Ok(());
    for attempt in 0..2 {
        if attempt > 0 || lab.baseline.is_none() {
            subscriber(lab)?;
        }
        let ours = measure(lab)?;
        let baseline = lab.baseline.as_ref().map_or(ours, which);
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
        Self::between(isp, client, (INTERNET_HOST, SECONDS))
    }

    /// The same over IPv6, and shorter.
    pub(crate) fn measure6(
        isp: &Machine,
        client: impl Fn(&[&str]) -> Result<String, String>,
    ) -> Result<Self, String> {
        Self::between(isp, client, (INTERNET_HOST6, SECONDS6))
    }

    fn between(
        isp: &Machine,
        client: impl Fn(&[&str]) -> Result<String, String>,
        (server, seconds): (&str, &str),
    ) -> Result<Self, String> {
        let arguments = ["-J", "-c", server, "-O", "1", "-t", seconds, "-R"];
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
        isp.command("sh killall -9 iperf3; sleep 0.5")?;
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
