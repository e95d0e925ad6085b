//! An Ethernet interface of this machine as a port of the router.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{SystemTime, UNIX_EPOCH};

use embassy_futures::select::select;
use embassy_time::Timer;
use gatelet_hal::{EthernetPort, Frame, HEADROOM, LinkState, MAX_FRAME_LEN, Ready};
use nix::libc;
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use super::args::Attach;
use super::interface::Interface;
use super::packet_socket::{Filter, PacketSocket};
use super::tuntap::{Kind, TunTap};
use crate::executor::readable;
use crate::pcap;

/// Bytes of an Ethernet header and an 802.1Q tag: an interface's MTU counts neither, and every
/// Linux interface takes a tagged frame of its full MTU.
const HEADER_LEN: usize = 14 + 4;

/// What an interface is to the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The line is there.
    Wan {
        /// It is dialed from this hardware address, or else from the interface's own.
        mac: Option<EthernetAddress>,
        /// The modem's own network is there, too.
        modem: bool,
    },
    /// The LAN is there, or a line without PPP. The router has a hardware address of its own in it, because
    /// what is sent to the interface's is for this machine, which may be a router itself.
    Station,
}

/// An Ethernet interface of this machine as an [`EthernetPort`].
pub struct LinuxPort {
    wire: Wire,
    interface: Interface,
    hardware_address: EthernetAddress,
    max_frame_len: usize,
    link: LinkState,
    link_news: LinkNews,
    capture: Option<Capture>,
    /// The frame that `wait` found; empty if there is none.
    arrived: Vec<u8>,
    /// The last attempt to receive failed: the interface is down or gone, which [`LinkNews`] tells,
    /// and its file may be readable for ever.
    failed: bool,
}

/// A recording of the line.
pub type Capture = pcap::Writer<BufWriter<File>>;

enum Wire {
    Packet(Box<PacketSocket>),
    Tap(TunTap),
}

impl LinuxPort {
    /// Opens the interface `name`. A TAP device that `attach` asks for is made if there is none.
    ///
    /// # Errors
    /// A sentence for the person who typed the name.
    pub fn open(name: &str, attach: Attach, side: Side, capture: Option<Capture>) -> Result<Self, String> {
        open_wire(name, attach, side)
            .and_then(|(wire, interface, address)| Self::with(wire, interface, address, capture))
            .map_err(|error| explain(name, &error))
    }

    fn with(
        wire: Wire,
        interface: Interface,
        hardware_address: EthernetAddress,
        capture: Option<Capture>,
    ) -> io::Result<Self> {
        interface.set_up(true)?;
        let max_frame_len = (interface.mtu()? + HEADER_LEN).min(MAX_FRAME_LEN);
        let link = link_state(&interface);
        let link_news = LinkNews::open()?;
        let arrived = Vec::with_capacity(MAX_FRAME_LEN);
        Ok(Self {
            wire,
            interface,
            hardware_address,
            max_frame_len,
            link,
            link_news,
            capture,
            arrived,
            failed: false,
        })
    }

    /// How it is reached, by which address, for the timeline.
    pub fn describe(&self) -> String {
        let how = match self.wire {
            Wire::Packet(_) => "packet socket",
            Wire::Tap(_) => "TAP device",
        };
        format!("{how}, {}, frames of up to {} bytes", self.hardware_address, self.max_frame_len)
    }

    /// Fetches the next frame unless there is one already; tells whether there is one now.
    fn fetch(&mut self) -> bool {
        if self.arrived.is_empty() {
            self.arrived.resize(MAX_FRAME_LEN, 0);
            let received = match &mut self.wire {
                Wire::Packet(socket) => socket.receive(&mut self.arrived),
                Wire::Tap(tap) => tap.receive(&mut self.arrived),
            };
            self.failed = received.is_err();
            self.arrived.truncate(received.ok().flatten().unwrap_or(0));
            record(&mut self.capture, &self.arrived);
        }
        !self.arrived.is_empty()
    }

    fn fd(&self) -> RawFd {
        match &self.wire {
            Wire::Packet(socket) => socket.fd().as_raw_fd(),
            Wire::Tap(tap) => tap.fd().as_raw_fd(),
        }
    }
}

impl<'p> EthernetPort<'p> for LinuxPort {
    fn hardware_address(&self) -> EthernetAddress {
        self.hardware_address
    }

    fn max_frame_len(&self) -> usize {
        self.max_frame_len
    }

    fn link_state(&self) -> LinkState {
        self.link
    }

    async fn wait(&mut self, to_transmit: bool) -> Ready {
        loop {
            let ready = Ready { receive: self.fetch(), transmit: to_transmit };
            if ready.receive || ready.transmit {
                return ready;
            }
            if let Some(capture) = &mut self.capture {
                // Idle: whoever reads along, or what is left after a kill, has every frame.
                let _ = capture.flush();
            }
            let frame = async {
                if self.failed {
                    Timer::after_secs(1).await;
                } else {
                    readable(self.fd()).await;
                }
            };
            select(frame, readable(self.link_news.0.as_raw_fd())).await;
            if self.link_news.drain() {
                let link = link_state(&self.interface);
                if link != self.link {
                    self.link = link;
                    return Ready::default();
                }
            }
        }
    }

    async fn receive(&mut self, frame: &mut Frame<'p>) -> bool {
        frame.clear(HEADROOM);
        let fits = self.fetch() && self.arrived.len() <= self.max_frame_len && frame.extend(&self.arrived);
        self.arrived.clear();
        fits
    }

    async fn transmit(&mut self, frame: Frame<'p>) -> bool {
        if frame.len() > self.max_frame_len {
            return false;
        }
        let sent = match &self.wire {
            Wire::Packet(socket) => socket.transmit(frame.bytes()),
            Wire::Tap(tap) => tap.transmit(frame.bytes()),
        };
        if sent.is_ok() {
            record(&mut self.capture, frame.bytes());
        }
        sent.is_ok()
    }
}

/// The way to the interface `name`, and the router's hardware address there.
fn open_wire(name: &str, attach: Attach, side: Side) -> io::Result<(Wire, Interface, EthernetAddress)> {
    let tap = || {
        let tap = TunTap::attach(name, Kind::Tap)?;
        let interface = tap.interface().clone();
        // The TAP's own address is that of the kernel's end, on either side of the router.
        let address = side.address().unwrap_or(neighbour(interface.hardware_address()?));
        Ok((Wire::Tap(tap), interface, address))
    };
    match attach {
        Attach::Tap => return tap(),
        Attach::Auto => {
            // Asking would make a device of this name, were there none.
            Interface::named(name)?;
            // Refused for an interface of any other kind, and for a TAP that another process holds:
            // that is a wire to the other process, and this its near end.
            if let Ok(tap) = tap() {
                return Ok(tap);
            }
        }
        Attach::Packet => {}
    }
    let interface = Interface::named(name)?;
    let own = interface.hardware_address()?;
    let (address, filter) = match side {
        Side::Wan { mac, modem } => {
            let address = mac.unwrap_or(own);
            (address, if modem { Filter::To(address) } else { Filter::Pppoe })
        }
        Side::Station => (neighbour(own), Filter::To(neighbour(own))),
    };
    let socket = PacketSocket::open(&interface, filter, Some(address).filter(|address| *address != own))?;
    Ok((Wire::Packet(Box::new(socket)), interface, address))
}

/// What to do about an interface that cannot be opened.
fn explain(name: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => {
            format!("there is no interface {name}; `ip link` lists those of this machine")
        }
        Some(libc::EPERM | libc::EACCES) => {
            format!("{name}: permission denied; run it as root, or with CAP_NET_ADMIN and CAP_NET_RAW")
        }
        Some(libc::EBUSY) => format!("the TAP device {name} is held by another process"),
        _ => format!("{name}: {error}"),
    }
}

impl Side {
    /// The hardware address that was asked for.
    fn address(self) -> Option<EthernetAddress> {
        match self {
            Self::Wan { mac, .. } => mac,
            Self::Station => None,
        }
    }
}

fn link_state(interface: &Interface) -> LinkState {
    // An interface that is gone has no carrier either.
    if interface.is_running().unwrap_or(false) { LinkState::Up } else { LinkState::Down }
}

/// Another unicast, locally administered address made from `own`: the same at every start, because
/// a concentrator knows a session by it, and the hosts of a LAN their router.
fn neighbour(own: EthernetAddress) -> EthernetAddress {
    let mut address = own;
    address.0[0] = (address.0[0] & !1) | 2;
    address.0[5] ^= 1;
    address
}

fn record(capture: &mut Option<Capture>, frame: &[u8]) {
    if let Some(writer) = capture.as_mut().filter(|_| !frame.is_empty()) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        if let Err(error) = writer.write(now, frame) {
            eprintln!("gatelet-sim: the capture ends here: {error}");
            *capture = None;
        }
    }
}

/// A netlink socket that hears of every change to an interface.
struct LinkNews(OwnedFd);

impl LinkNews {
    fn open() -> io::Result<Self> {
        use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, libc::RTMGRP_LINK as u32))?;
        Ok(Self(fd))
    }

    /// Takes all messages; tells whether there was any. What they say is read from the interface.
    fn drain(&self) -> bool {
        let mut any = false;
        let mut buffer = [0; 4096];
        loop {
            match nix::sys::socket::recv(
                self.0.as_raw_fd(),
                &mut buffer,
                nix::sys::socket::MsgFlags::MSG_DONTWAIT,
            ) {
                // Too many at once: some were lost, which is news too.
                Ok(1..) | Err(nix::errno::Errno::ENOBUFS) => any = true,
                _ => return any,
            }
        }
    }
}
