//! The router's console: at this program's own terminal, or at a Unix socket for scripts.

use std::cell::Cell;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use embassy_futures::block_on;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_async::{ErrorType, Read, Write};
use gatelet_console::Console;
use gatelet_proto::redial::Preset;
use gatelet_proto::sixinfour::{Routed, Tunnel};
use gatelet_router::{Command, Protocol, WanConfig};
use gatelet_runtime::settings::{SettingsDesk, SettingsStore, Sides};
use gatelet_runtime::{ConsoleEnd, ConsoleSide, Gatelet, StoreError, TunnelUpdate};
use gatelet_settings::{Place, Quoted, Record, Settings, find};
use nix::sys::termios::{self, SetArg, Termios};

use super::args::{Args, EchoMode, MinimumAuth};
use super::settings_file::SettingsFile;
use crate::executor::{now, readable, writable};

/// The name of this firmware, for `show version`.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (linux)");

/// Where the console is to be.
pub enum Seat {
    /// This program's terminal.
    Terminal(RawTerminal),
    /// Who connects to the socket, one after the other.
    Socket(UnixListener),
}

impl Seat {
    /// Opens it; `-` is the terminal.
    ///
    /// # Errors
    /// A sentence for the person who chose the path.
    pub fn open(path: &Path) -> Result<Self, String> {
        if path == Path::new("-") {
            return RawTerminal::enter().map(Self::Terminal);
        }
        // What an earlier run left behind. Anything but a socket stays, and is complained about.
        if UnixStream::connect(path).is_err() && is_socket(path) {
            let _ = fs::remove_file(path);
        }
        let listener = UnixListener::bind(path)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|error| format!("--console: {}: {error}", path.display()))?;
        Ok(Self::Socket(listener))
    }

    /// Whether the console has standard output for itself.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// Serves consoles for ever; at the terminal, the end of the console is that of the program.
    pub async fn run(self, gatelet: &Gatelet<'_, NoopRawMutex, 2>, side: &mut ConsoleSide<'_, NoopRawMutex>) {
        let mut console = Console::new(now(), VERSION);
        match self {
            Self::Terminal(_terminal) => {
                side.is_terminal = true;
                let (mut rx, mut tx) = (Stdin, Stdout);
                gatelet.run_console(&mut console, side, (&mut rx, &mut tx)).await;
                gatelet.commands().send(Command::Shutdown).await;
            }
            Self::Socket(listener) => loop {
                let Ok((stream, _)) = listener.accept() else {
                    readable(listener.as_raw_fd()).await;
                    continue;
                };
                if stream.set_nonblocking(true).is_err() {
                    continue;
                }
                let (mut rx, mut tx) = (Socket(&stream), Socket(&stream));
                let end = gatelet.run_console(&mut console, side, (&mut rx, &mut tx)).await;
                if end != ConsoleEnd::Closed {
                    // Who has started this program can start it again.
                    gatelet.commands().send(Command::Shutdown).await;
                }
                console = Console::new(now(), VERSION);
            },
        }
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
}

/// What the command line says, as settings.
///
/// # Errors
/// What cannot be said in settings.
fn settings(args: &Args, config: &WanConfig) -> Result<Settings, String> {
    let mut settings = Settings::new();
    let refused = Cell::new(None);
    let mut set = |path: &str, value: String| {
        let Ok(place) = find(path) else { return refused.set(Some(format!("{path}: no such setting"))) };
        if let Err(error) = settings.set(place, &value) {
            refused.set(Some(format!("{path} {}: {error}", Quoted(&value))));
        }
    };
    let line = &args.line;
    set("wan.kind", if line.ipoe { "dhcp" } else { "pppoe" }.into());
    for (path, value) in [
        ("wan.user", config.credentials.username.as_str()),
        ("wan.password", config.credentials.password.as_str()),
        ("wan.service-name", config.service_name.as_str()),
        ("wan.ac-name", config.ac_name.as_str()),
    ] {
        if !value.is_empty() {
            set(path, value.into());
        }
    }
    let colons = |mac: smoltcp::wire::EthernetAddress| mac.to_string().replace('-', ":");
    line.ac_mac.into_iter().for_each(|mac| set("wan.ac-mac", colons(mac)));
    line.mac.into_iter().for_each(|mac| set("wan.mac", colons(mac)));
    if let Some((id, priority)) = line.vlan {
        set("wan.vlan", if priority == 0 { id.to_string() } else { format!("{id}:{priority}") });
    }
    if Preset::from_name(&line.carrier).is_some() {
        set("wan.carrier", line.carrier.clone());
    }
    set("wan.mtu", if line.jumbo { "1500" } else { "1492" }.into());
    let auth = match line.minimum_auth {
        MinimumAuth::Pap => "pap",
        MinimumAuth::Chap => "chap",
        MinimumAuth::Mschapv2 => "mschapv2",
    };
    set("wan.minimum-auth", auth.into());
    set("wan.ipv6", if line.no_ipv6 { "off" } else { "on" }.into());
    let expert = &args.expert;
    expert.hold.into_iter().for_each(|seconds| set("wan.limit.hold", format!("{seconds}s")));
    for (path, budget) in [("wan.limit.discovery", expert.budget), ("wan.limit.dials", expert.dial_budget)] {
        if let Some(budget) = budget {
            set(path, format!("{}/{}s", budget.count, budget.seconds));
        }
    }
    if let Some(echo) = expert.echo {
        let echo = match echo {
            EchoMode::On => "on",
            EchoMode::Adaptive => "adaptive",
            EchoMode::Off => "off",
        };
        set("wan.echo", echo.into());
    }
    let lan = &args.lan;
    set("lan.address", lan.address.to_string());
    set("lan.dhcp.enabled", if lan.no_dhcp { "off" } else { "on" }.into());
    for (n, forward) in (1..).zip(&lan.forwards) {
        let protocol = match forward.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            _ => "tcp+udp",
        };
        let (first, last) = (forward.ports.first, forward.ports.last);
        set(&format!("forward.{n}.protocol"), protocol.into());
        set(
            &format!("forward.{n}.port"),
            if first == last { first.to_string() } else { format!("{first}-{last}") },
        );
        set(&format!("forward.{n}.to"), forward.host.to_string());
        set(&format!("forward.{n}.to-port"), forward.host_port.to_string());
    }
    lan.dmz.into_iter().for_each(|host| set("nat.dmz", host.to_string()));
    lan.ping_from.into_iter().for_each(|network| set("wan.ping-from", network.to_string()));
    for (n, server) in (1..).zip(&lan.ntp) {
        set(&format!("ntp.server.{n}"), server.clone());
    }
    let tunnels = lan.ipv6.tunnels()?;
    let mode = match (lan.ipv6.is_wanted, tunnels.is_empty()) {
        (true, false) => "auto",
        (true, true) => "native",
        (false, false) => "tunnel",
        (false, true) => "off",
    };
    set("ipv6.mode", mode.into());
    for (n, (tunnel, update)) in (1..).zip(tunnels) {
        set_tunnel(&tunnel, update, lan.ipv6.sit_update_port, &mut |path, value| {
            set(&format!("tunnel.{n}.{path}"), value);
        });
    }
    refused.take().map_or(Ok(settings), Err)
}

/// A tunnel as settings below it; `port` is where its far end is heard, if that moves.
pub fn set_tunnel(
    tunnel: &Tunnel,
    update: Option<TunnelUpdate>,
    port: u16,
    set: &mut dyn FnMut(&str, String),
) {
    let (role, prefix) = match tunnel.routed {
        Routed::Client { prefix } => ("client", prefix),
        Routed::Server { prefix } => ("server", prefix),
    };
    let (server, account, id) = match update {
        None => Default::default(),
        Some(TunnelUpdate::Tell(told)) => (Some((told.server, told.port)), Some(told.account), told.hostname),
        Some(TunnelUpdate::Hear(heard)) => (None, Some(heard.account), heard.hostname),
    };
    let is_told = server.is_some();
    let port = account.as_ref().map(|_| server.as_ref().map_or(port, |(_, port)| *port));
    for (path, value) in [
        ("role", Some(role.into())),
        ("remote", tunnel.remote.map(|remote| remote.to_string())),
        ("address", Some(tunnel.address.to_string())),
        ("peer", Some(tunnel.peer.to_string())),
        ("prefix", prefix.map(|prefix| prefix.to_string())),
        ("update.id", account.as_ref().map(|_| id.to_string())),
        ("update.user", account.as_ref().map(|account| account.username.to_string())),
        ("update.key", account.as_ref().map(|account| account.key.to_string())),
        ("update.server", server.map(|(server, _)| server.to_string())),
        ("update.port", port.map(|port| port.to_string())),
        ("update.plain-http", is_told.then(|| "on".into())),
    ] {
        if let Some(value) = value {
            set(path, value);
        }
    }
}

/// A desk with what the command line says, and over it what the file does. What takes a reboot elsewhere is the command line's to say.
///
/// # Errors
/// A sentence for the person who wrote either.
pub fn desk(args: &Args, config: &WanConfig, sides: Sides) -> Result<Desk, String> {
    let desk = SettingsDesk::new(settings(args, config)?, sides);
    let Some(path) = &args.host.settings else { return Ok((desk, None)) };
    let mut file = SettingsFile::open(path)?;
    let mut records = Vec::new();
    block_on(file.load(&mut |Record { id, number, text }| {
        records.extend(Place::of_id(id, number).map(|place| (place.to_string(), Quoted(text).to_string())));
    }));
    let committed = desk.edit(|editor| {
        for (path, text) in &records {
            editor.set(path, text).map_err(|error| format!("{path}: {error}"))?;
        }
        editor.commit().map_err(|error| error.to_string())
    });
    committed.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((desk, Some(file)))
}

/// The settings, and the file they are kept in.
pub type Desk = (SettingsDesk<NoopRawMutex>, Option<SettingsFile>);

/// Without a file, nothing is kept.
struct Nowhere;

impl SettingsStore for Nowhere {
    async fn load(&mut self, _: &mut dyn FnMut(Record<'_>)) -> bool {
        true
    }

    async fn store(&mut self, _: &Settings) -> Result<(), StoreError> {
        Err(StoreError)
    }
}

/// Keeps the settings and ends trials that nobody confirms, for ever.
pub async fn keep(desk: &SettingsDesk<NoopRawMutex>, file: Option<SettingsFile>) {
    match file {
        Some(mut file) => desk.run(&mut file).await,
        None => desk.run(&mut Nowhere).await,
    };
}

/// The terminal, every key of which is the console's. As it was before, once dropped.
pub struct RawTerminal(Termios);

impl RawTerminal {
    fn enter() -> Result<Self, String> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err("--console: standard input is no terminal; name a Unix socket for scripts".into());
        }
        let before = termios::tcgetattr(stdin.as_fd()).map_err(|error| format!("--console: {error}"))?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &raw)
            .map_err(|error| format!("--console: {error}"))?;
        Ok(Self(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &self.0);
        println!();
    }
}

/// What is typed at this program's terminal.
pub struct Stdin;

/// This program's terminal.
pub struct Stdout;

/// Both ends of a visitor's connection.
pub struct Socket<'a>(pub &'a UnixStream);

impl ErrorType for Stdin {
    type Error = io::Error;
}

impl ErrorType for Stdout {
    type Error = io::Error;
}

impl ErrorType for Socket<'_> {
    type Error = io::Error;
}

impl Read for Stdin {
    async fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        readable(io::stdin().as_raw_fd()).await;
        // Not through the buffer of `stdin()`, which would keep what does not fit.
        nix::unistd::read(io::stdin(), octets).map_err(io::Error::from)
    }
}

impl Write for Stdout {
    async fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        writable(io::stdout().as_raw_fd()).await;
        io::stdout().write(octets)
    }

    async fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

impl Read for Socket<'_> {
    async fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(octets) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => readable(self.0.as_raw_fd()).await,
                done => return done,
            }
        }
    }
}

impl Write for Socket<'_> {
    async fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(octets) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => writable(self.0.as_raw_fd()).await,
                done => return done,
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
