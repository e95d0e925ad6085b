//! The LAN behind the router under test: two hosts in network namespaces of their own, and the router
//! between them and the provider.
//!
//! ```text
//!   one: eth0 ── port-one ─┬─ bridge lan ─┬─ veth lan1 ═ lan0: gatelet-sim: wan0 ═ … the provider
//!   two: eth0 ── port-two ─┘              └─ or tap lantap: gatelet-sim
//! ```
//! The hosts run what any Debian machine has: DHCP clients, dig, curl, ping, traceroute, iperf3. Their
//! veth interfaces leave checksums and segmentation to "hardware", as those of containers do.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use crate::dialer::{Dial, Gatelet};
use crate::machine::{ip, output};
use crate::{Checked, Lab, ensure};

/// The router's address in the LAN.
pub(crate) const ROUTER: &str = "192.168.1.1";
/// An address of host one's beside the one it gets by DHCP: where ports are forwarded to.
pub(crate) const SERVER: &str = "192.168.1.2";
/// The ports that are forwarded to the server.
pub(crate) const FORWARDED: std::ops::RangeInclusive<u16> = 8080..=8081;
/// Its port for the first of them; the other follows.
pub(crate) const SERVED: u16 = 80;
/// The router as the checks want it; with a budget for the few dials that they cost it.
const OPTIONS: &str = "--forward tcp:8080-8081:192.168.1.2:80 --ping-from 192.0.2.0/24 \
                       --budget 8/60 --dial-budget 8/60";

/// The router's interfaces in the LAN: one for a packet socket, one that is a TAP device.
pub(crate) const PORTS: [&str; 2] = ["lan0", "lantap"];

/// The router at work between the provider and two hosts.
pub(crate) struct Lan {
    pub(crate) gatelet: Gatelet,
    pub(crate) one: Host,
    pub(crate) two: Host,
    /// Its address on the line.
    pub(crate) public: Ipv4Addr,
}

impl Lan {
    /// Starts the router and waits for the line; the hosts have no addresses yet. `name` is that of the
    /// captures, if there are to be any; `port` is the router's interface, one of [`PORTS`].
    pub(crate) fn start(lab: &Lab, name: &str, port: &str, record: bool) -> Result<Self, String> {
        plug()?;
        let (one, two) = (Host::start("one", &lab.folder)?, Host::start("two", &lab.folder)?);
        one.ip(&format!("addr add {SERVER}/24 dev eth0"))?;
        for port in (SERVED..).take(FORWARDED.len()) {
            one.serve(port)?;
        }
        // Whatever an earlier one has given out.
        let _ = fs::remove_file(leases(lab, port));
        let (gatelet, public) = router(lab, name, port, record)?;
        Ok(Self { gatelet, one, two, public })
    }

    /// Ends the router as Ctrl-C does, and starts another that remembers what the first one kept.
    pub(crate) fn restart(self, lab: &Lab, name: &str) -> Result<Self, String> {
        let Self { gatelet, one, two, .. } = self;
        let status = gatelet.interrupt()?;
        ensure(status.success(), || format!("after Ctrl-C it ended with {status}"))?;
        let (gatelet, public) = router(lab, name, PORTS[0], false)?;
        Ok(Self { gatelet, one, two, public })
    }

    /// Waits until the line is up again, and notes its address.
    pub(crate) fn up_again(&mut self, timeout: Duration) -> Checked {
        let up = self.gatelet.wait("up", timeout)?;
        self.public = address(&up)?;
        Ok(())
    }
}

/// A router with its address on the line.
fn router(lab: &Lab, name: &str, port: &str, record: bool) -> Result<(Gatelet, Ipv4Addr), String> {
    let mut options = format!("--lan {port} --leases {} {OPTIONS}", leases(lab, port).display());
    if record {
        let pcap = lab.folder.join(format!("{name}-lan.pcap"));
        options = format!("{options} --lan-pcap {}", pcap.display());
    }
    let dial = Dial { options: &options, record, tun: false, ..Dial::new(&lab.folder, name) };
    let (gatelet, up) = dial.up()?;
    Ok((gatelet, address(&up)?))
}

/// Where the router at `port` keeps its leases.
fn leases(lab: &Lab, port: &str) -> PathBuf {
    lab.folder.join(format!("{port}.leases"))
}

/// The address of an `up` event.
fn address(up: &Value) -> Result<Ipv4Addr, String> {
    let text = up["address"].as_str().unwrap_or_default();
    text.parse().map_err(|_| format!("an address is expected: {up}"))
}

impl Lab {
    /// The router with its LAN, started by the first check that needs it.
    pub(crate) fn lan(&mut self) -> Result<Lan, String> {
        if let Some(lan) = self.lan.take() {
            return Ok(lan);
        }
        // Another one after a check that failed: with files of its own, and without the first one's past.
        self.lans += 1;
        let name = if self.lans == 1 { "lan".to_owned() } else { format!("lan{}", self.lans) };
        let lan = Lan::start(self, &name, PORTS[0], true)?;
        lan.one.udhcpc()?;
        lan.two.udhcpc()?;
        Ok(lan)
    }
}

/// The LAN's cables; once.
fn plug() -> Checked {
    if output("ip", &["link", "show", "lan0"]).is_ok() {
        return Ok(());
    }
    for words in [
        "link add name lan type bridge",
        "link add name lan0 type veth peer name lan1",
        "link set lan1 master lan",
        "tuntap add name lantap mode tap",
        "link set lantap master lan",
    ] {
        ip(words)?;
    }
    for name in ["lan", "lan0", "lan1", "lantap"] {
        // No chatter of the machine's own in the LAN.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
        ip(&format!("link set {name} up"))?;
    }
    Ok(())
}

/// A machine in the LAN.
pub(crate) struct Host {
    /// Told to the DHCP server, too.
    name: &'static str,
    /// Keeps the namespaces.
    holder: Child,
    folder: PathBuf,
}

/// What a DHCP client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) address: Ipv4Addr,
    pub(crate) router: String,
    pub(crate) dns: String,
    pub(crate) mask: String,
    pub(crate) seconds: u32,
}

impl Host {
    /// A host with a cable to the LAN's bridge, without an address.
    pub(crate) fn start(name: &'static str, folder: &Path) -> Result<Self, String> {
        plug()?;
        let fault = |error: std::io::Error| format!("host {name}: {error}");
        let resolv = folder.join(format!("{name}.resolv.conf"));
        File::create(&resolv).map_err(fault)?;
        // The namespaces live as long as its standard input is open: as long as this process.
        let script = format!(
            "mount --make-rprivate / && mount --bind {} /etc/resolv.conf && echo ready && exec cat >/dev/null",
            resolv.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(fault)?;
        let mut ready = String::new();
        let stdout = holder.stdout.take().ok_or("piped above")?;
        BufReader::new(stdout).read_line(&mut ready).map_err(fault)?;
        let host = Self { name, holder, folder: folder.to_owned() };
        ensure(ready == "ready\n", || format!("host {name} has no namespaces of its own"))?;
        let id = host.holder.id();
        ip(&format!("link add name port-{name} type veth peer name eth0 netns {id}"))?;
        ip(&format!("link set port-{name} master lan"))?;
        ip(&format!("link set port-{name} up"))?;
        host.ip("link set lo up")?;
        host.ip("link set eth0 up")?;
        Ok(host)
    }

    /// Runs a program in the host; its standard output.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let id = self.holder.id().to_string();
        output("nsenter", &[&["-t", &id, "--net", "--mount", "--", program], arguments].concat())
    }

    /// Starts a program in the host.
    pub(crate) fn spawn(&self, program: &str, arguments: &[&str]) -> Result<Child, String> {
        Command::new("nsenter")
            .args(["-t", &self.holder.id().to_string(), "--net", "--mount", "--", program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))
    }

    /// `ip WORDS` in the host.
    pub(crate) fn ip(&self, words: &str) -> Checked {
        self.run("ip", &words.split(' ').collect::<Vec<_>>()).map(drop)
    }

    /// `curl -sS` with at most `seconds` for the whole of it.
    pub(crate) fn curl(&self, seconds: u32, url: &str) -> Result<String, String> {
        self.run("curl", &["-sS", "-f", "-m", &seconds.to_string(), url])
    }

    /// Asks for an address with udhcpc and uses what it gets.
    pub(crate) fn udhcpc(&self) -> Result<Lease, String> {
        self.udhcpc_asking(&[])
    }

    /// Asks for a certain address, and uses what it gets.
    pub(crate) fn udhcpc_for(&self, address: Ipv4Addr) -> Result<Lease, String> {
        self.udhcpc_asking(&["-r", &address.to_string()])
    }

    fn udhcpc_asking(&self, further: &[&str]) -> Result<Lease, String> {
        let script = self.script("udhcpc", UDHCPC)?;
        let name = format!("hostname:{}", self.name);
        // -n: fail when nobody answers; -q: end when somebody did.
        let arguments = ["-f", "-n", "-q", "-t", "5", "-T", "1", "-i", "eth0", "-x", &name, "-s", &script];
        self.run("udhcpc", &[&arguments, further].concat())?;
        self.lease()
    }

    /// Asks for an address with ISC's dhclient, which stays and keeps it.
    pub(crate) fn dhclient(&self) -> Result<Lease, String> {
        self.run("dhclient", &self.dhclient_arguments("-1")?.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.lease()
    }

    /// Ends the dhclient, which gives its address back.
    pub(crate) fn dhclient_release(&self) -> Checked {
        let arguments = self.dhclient_arguments("-r")?;
        self.run("dhclient", &arguments.iter().map(String::as_str).collect::<Vec<_>>()).map(drop)
    }

    fn dhclient_arguments(&self, what: &str) -> Result<Vec<String>, String> {
        let file =
            |kind: &str| self.folder.join(format!("{}.dhclient.{kind}", self.name)).display().to_string();
        let script = self.script("dhclient", DHCLIENT)?;
        let (leases, process, config) = (file("leases"), file("pid"), file("conf"));
        fs::write(&config, format!("send host-name \"{}\";\n", self.name))
            .map_err(|error| format!("{config}: {error}"))?;
        let words = [what, "-cf", &config, "-lf", &leases, "-pf", &process, "-sf", &script, "eth0"];
        Ok(words.map(str::to_owned).to_vec())
    }

    /// What the DHCP client's script was told last.
    fn lease(&self) -> Result<Lease, String> {
        let file = self.folder.join(format!("{}.lease", self.name));
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| value.trim().to_owned()).ok_or(format!("no {name} in the lease:\n{text}"))
        };
        let number = |name: &str, error: &dyn std::fmt::Display| format!("{name}: {error}:\n{text}");
        Ok(Lease {
            address: field("address")?.parse().map_err(|error| number("address", &error))?,
            router: field("router")?,
            dns: field("dns")?,
            mask: field("mask")?,
            seconds: field("seconds")?.parse().map_err(|error| number("seconds", &error))?,
        })
    }

    fn script(&self, client: &str, body: &str) -> Result<String, String> {
        let file = self.folder.join(format!("{}.{client}", self.name));
        let lease = self.folder.join(format!("{}.lease", self.name));
        let text = format!("#!/bin/sh\nlease_file={}\n{body}", lease.display());
        let fault = |error| format!("{}: {error}", file.display());
        fs::write(&file, text).map_err(fault)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).map_err(fault)?;
        Ok(file.display().to_string())
    }

    /// A server on this port that tells everyone who connects who he is.
    pub(crate) fn serve(&self, port: u16) -> Checked {
        let namespace = format!("/proc/{}/ns/net", self.holder.id());
        let name = self.name;
        let (told, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let listener = File::open(&namespace)
                .and_then(|namespace| setns(namespace, CloneFlags::CLONE_NEWNET).map_err(Into::into))
                .and_then(|()| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)));
            let listener = match listener {
                Ok(listener) => listener,
                Err(error) => return drop(told.send(Err(format!("a server in host {name}: {error}")))),
            };
            drop(told.send(Ok(())));
            while let Ok((stream, from)) = listener.accept() {
                std::thread::spawn(move || greet(stream, from, name, port));
            }
        });
        ready.recv().map_err(|_| "the server's thread ended".to_owned())?
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The kernel takes the interfaces with the namespace, a moment later: without a port nobody waits for it.
        let _ = ip(&format!("link delete port-{}", self.name));
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Answers one HTTP request.
fn greet(mut stream: TcpStream, from: SocketAddr, name: &str, port: u16) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut some = [0; 1024];
        let len = stream.read(&mut some).ok().filter(|len| *len > 0)?;
        request.extend_from_slice(&some[..len]);
    }
    let body = format!("{name}, port {port}, greets {}\n", from.ip());
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).ok()
}

/// What udhcpc runs when something happens (busybox' networking/udhcp/dhcpc.c says what it is told).
const UDHCPC: &str = r#"
case $1 in
deconfig) ip link set "$interface" up ;;
bound|renew)
  ip addr replace "$ip/$mask" dev "$interface"
  for r in $router; do ip route replace default via "$r" src "$ip"; break; done
  for s in $dns; do echo "nameserver $s"; done >/etc/resolv.conf
  printf '%s\n' "address=$ip" "router=$router" "dns=$dns" "mask=$subnet" "seconds=$lease" >"$lease_file" ;;
esac
"#;

/// What dhclient runs (dhclient-script(8)).
const DHCLIENT: &str = r#"
case $reason in
PREINIT) ip link set "$interface" up ;;
BOUND|RENEW|REBIND|REBOOT)
  ip addr replace "$new_ip_address/$new_subnet_mask" dev "$interface"
  for r in $new_routers; do ip route replace default via "$r" src "$new_ip_address"; break; done
  for s in $new_domain_name_servers; do echo "nameserver $s"; done >/etc/resolv.conf
  printf '%s\n' "address=$new_ip_address" "router=$new_routers" "dns=$new_domain_name_servers" \
    "mask=$new_subnet_mask" "seconds=$new_dhcp_lease_time" >"$lease_file" ;;
RELEASE|STOP|EXPIRE) ip addr del "$old_ip_address/$old_subnet_mask" dev "$interface" ;;
esac
"#;
