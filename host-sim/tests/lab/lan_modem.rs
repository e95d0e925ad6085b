//! The modem's page: a machine of ours on the provider's wire, on plain Ethernet beside the session.

use crate::dialer::Dial;
use crate::lan::{Host, PORTS};
use crate::machine::ip;
use crate::{Checked, Lab, ensure};

/// The modem, as one of Huawei's comes from the shop, and the router in its network.
const MODEM: &str = "192.168.100.1";
const OURS: &str = "192.168.100.2";

/// While PPPoE is up, a host of the LAN sees the modem's page and the Internet's; and the page alone while the
/// concentrator is away.
pub(crate) fn page(lab: &mut Lab) -> Checked {
    // Its router has the LAN's port.
    drop(lab.lan.take());
    let (modem, home) = (Host::start("modem", &lab.folder)?, Host::start("home", &lab.folder)?);
    // Its cable leads to the provider's wire.
    ip("link set port-modem master bridge0")?;
    modem.ip(&format!("addr add {MODEM}/24 dev eth0"))?;
    modem.serve(80)?;
    let leases = lab.folder.join("modem.leases");
    let options = format!("--lan {} --modem {OURS}/24 --leases {}", PORTS[0], leases.display());
    let dial = Dial { options: &options, tun: false, ..Dial::new(&lab.folder, "modem") };
    let (gatelet, _) = dial.up()?;
    home.udhcpc()?;

    let url = format!("http://{MODEM}/");
    let greeting = home.curl(5, &url)?;
    // It knows nobody but the router: it has no way to the LAN.
    ensure(greeting.contains(&format!("greets {OURS}")), || format!("the page: {greeting}"))?;
    let body = home.curl(5, "http://probe.isp.test/success.txt")?;
    ensure(body == "success\n", || format!("the Internet beside it: {body}"))?;

    // What the page is for.
    lab.isp.command("wire off")?;
    let alone = home.curl(5, &url);
    lab.isp.command("wire on")?;
    let alone = alone?;
    ensure(alone.contains(OURS), || format!("without a line: {alone}"))?;
    // Nobody in the modem's network gets in.
    modem.ip(&format!("route add 192.168.1.0/24 via {OURS}"))?;
    let address = home.udhcpc()?.address;
    home.serve(8080)?;
    let intruder = modem.curl(2, &format!("http://{address}:8080/"));
    ensure(intruder.is_err(), || format!("the modem got in: {intruder:?}"))?;
    let status = gatelet.interrupt()?;
    ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))
}
