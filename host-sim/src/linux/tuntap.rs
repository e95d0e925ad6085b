//! TUN and TAP devices (Linux's `Documentation/networking/tuntap`): the far end of an interface as
//! a file, one packet a read or write.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;
use std::os::fd::BorrowedFd;

use super::interface::{Interface, ioctl, named_request};

/// What a device carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IP packets: what the session carries.
    Tun,
    /// Ethernet frames: a wire.
    Tap,
}

/// An attached device. One made here goes with it; one that was there before stays.
pub struct TunTap {
    file: File,
    interface: Interface,
}

impl TunTap {
    /// Attaches to the device `name`, which is made if there is none.
    ///
    /// # Errors
    /// The operating system's: `ResourceBusy` if another process holds the device, `InvalidInput`
    /// if the interface is of another kind, `PermissionDenied` without `CAP_NET_ADMIN`.
    pub fn attach(name: &str, kind: Kind) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        let mut request = named_request(name);
        let flags = libc::IFF_NO_PI
            | match kind {
                Kind::Tun => libc::IFF_TUN,
                Kind::Tap => libc::IFF_TAP,
            };
        request.ifr_ifru.ifru_flags = flags as i16;
        ioctl(&file, libc::TUNSETIFF, &raw mut request)?;
        let interface = Interface::named(name)?;
        Ok(Self { file, interface })
    }

    /// The interface at the kernel's end.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The descriptor to wait on when [`TunTap::receive`] had nothing.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The next packet into `out`, its length, or `None` when there is none now.
    ///
    /// # Errors
    /// The operating system's, for example when the device was deleted.
    pub fn receive(&self, out: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.file).read(out) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends one packet.
    ///
    /// # Errors
    /// The operating system's: `EIO` while the interface is down.
    pub fn transmit(&self, packet: &[u8]) -> io::Result<()> {
        (&self.file).write(packet).map(drop)
    }
}
