//! The session's IP traffic on the TUN device: its packets, its addresses, its routes.

use std::fs;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use embassy_sync::channel::{DynamicReceiver, DynamicSender};
use embassy_time::Timer;
use gatelet_hal::{Frame, MAX_FRAME_LEN, Pool, PortId};
use gatelet_router::{Ipv4Status, Ipv6Status, WanEvent};

use super::args::Host;
use super::interface::Interface;
use super::tuntap::TunTap;
use crate::executor::{readable, writable};

/// What is on the TUN device at the moment.
pub struct Session {
    interface: Interface,
    default_route: Option<u16>,
    resolv_conf: Option<PathBuf>,
    ipv6: Option<Ipv6Addr>,
}

impl Session {
    /// An interface without addresses, down.
    pub fn new(interface: Interface, host: &Host) -> Self {
        // Our link-local address is the one that IPV6CP agreed on, not one that the kernel invents.
        let _ = interface.set_ipv6_setting("addr_gen_mode", 1);
        // Whose default route leads here is said on the command line, not by the carrier.
        let accept_ra = if host.default_route.is_some() { 2 } else { 0 };
        let _ = interface.set_ipv6_setting("accept_ra", accept_ra);
        Self {
            interface,
            default_route: host.default_route,
            resolv_conf: host.resolv_conf.clone(),
            ipv6: None,
        }
    }

    /// Does to the interface what the event means for it.
    ///
    /// # Errors
    /// A sentence that says what could not be done; the rest is done all the same.
    pub fn follow(&mut self, event: &WanEvent) -> Result<(), String> {
        match event {
            WanEvent::Up { ipv4, mtu, .. } => self.ipv4_up(ipv4, *mtu),
            WanEvent::Ipv6Up { ipv6, mtu, .. } => self.ipv6_up(ipv6, *mtu),
            WanEvent::Down { .. } => self.down(),
            WanEvent::BlackHole { .. } => self.told(self.interface.set_mtu(PLAIN_MTU), "set its MTU"),
            _ => Ok(()),
        }
    }

    fn ipv4_up(&self, ipv4: &Ipv4Status, mtu: u16) -> Result<(), String> {
        self.told(self.interface.set_mtu(mtu.into()), "set its MTU")?;
        let peer = ipv4.peer.unwrap_or(ipv4.address);
        self.told(self.interface.set_ipv4(ipv4.address, peer), "set its IPv4 address")?;
        self.told(self.interface.set_up(true), "bring it up")?;
        if let Some(path) = &self.resolv_conf {
            let servers = ipv4
                .dns
                .iter()
                .flatten()
                .fold(String::new(), |text, server| format!("{text}nameserver {server}\n"));
            write_whole(path, &servers).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        match self.default_route {
            Some(metric) => match self.interface.add_default_route(metric) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(format!(
                    "there is a default route with metric {metric} already; choose another with --default-route METRIC"
                )),
                result => self.told(result, "add a default route"),
            },
            None => Ok(()),
        }
    }

    fn ipv6_up(&mut self, ipv6: &Ipv6Status, mtu: u16) -> Result<(), String> {
        self.told(self.interface.set_mtu(mtu.into()), "set its MTU")?;
        self.told(self.interface.set_up(true), "bring it up")?;
        let address = link_local(ipv6.local);
        self.ipv6 = Some(address);
        self.told(self.interface.change_ipv6(address, 64, true), "set its IPv6 address")
    }

    fn down(&mut self) -> Result<(), String> {
        if let Some(address) = self.ipv6.take() {
            // Gone with the interface's going down, if the kernel has been told to.
            let _ = self.interface.change_ipv6(address, 64, false);
        }
        self.told(self.interface.set_up(false), "bring it down")
    }

    fn told(&self, result: io::Result<()>, what: &str) -> Result<(), String> {
        result.map_err(|error| format!("{}: cannot {what}: {error}", self.interface.name()))
    }
}

/// The MTU of a session without RFC 4638.
const PLAIN_MTU: usize = 1492;

/// The link-local address of an interface identifier (RFC 5072 §5).
pub fn link_local(identifier: [u8; 8]) -> Ipv6Addr {
    let mut octets = [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    octets[8..].copy_from_slice(&identifier);
    octets.into()
}

/// Moves the router's packets to the TUN device, for ever.
pub async fn to_tun(packets: DynamicReceiver<'_, Frame<'_>>, tun: &TunTap) {
    loop {
        let packet = packets.receive().await;
        while let Err(error) = tun.transmit(packet.bytes()) {
            if error.kind() != io::ErrorKind::WouldBlock {
                // The interface is down, between two sessions: as on any interface, the packet is lost.
                break;
            }
            writable(tun.fd().as_raw_fd()).await;
        }
    }
}

/// Moves the TUN device's packets to the router, for ever. `quota` is whose frames they travel in.
pub async fn from_tun<'p>(
    tun: &TunTap,
    packets: DynamicSender<'_, Frame<'p>>,
    pool: Pool<'p>,
    quota: PortId,
) {
    loop {
        let Some(mut frame) = pool.take(quota) else {
            // All are on their way through the router; the packets wait in the kernel's queue.
            embassy_futures::yield_now().await;
            continue;
        };
        frame.clear(Frame::IP_HEADROOM);
        match frame.push_back(MAX_IP_LEN).map(|room| tun.receive(room)) {
            Some(Ok(Some(len))) => {
                frame.truncate(len);
                packets.send(frame).await;
            }
            // Somebody deleted the device: it is readable for ever, and nothing will come.
            Some(Err(_)) => {
                drop(frame);
                Timer::after_secs(1).await;
            }
            _ => {
                drop(frame);
                readable(tun.fd().as_raw_fd()).await;
            }
        }
    }
}

/// The longest packet a session carries.
const MAX_IP_LEN: usize = MAX_FRAME_LEN - 14 - 4 - 8;

/// Replaces a file as a whole.
fn write_whole(path: &Path, content: &str) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    fs::write(&draft, content)?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_local_address_ends_in_the_interface_identifier() {
        let address = link_local([0x02, 0, 0x5E, 0xFF, 0xFE, 0, 0x53, 0x01]);
        assert_eq!(address, "fe80::200:5eff:fe00:5301".parse::<Ipv6Addr>().unwrap());
    }
}
