//! A Linux network interface by name: its index, address and flags; addresses and routes on it
//! (`netdevice(7)`, `ipv6(7)`, `rtnetlink`'s older sibling `ioctl`).

use std::ffi::{c_char, c_int, c_ulong};
use std::fs;
use std::io;
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use smoltcp::wire::EthernetAddress;

/// `struct in6_ifreq` of `<linux/ipv6.h>`, which libc does not have.
#[repr(C)]
struct In6IfReq {
    address: libc::in6_addr,
    prefix_len: u32,
    interface: c_int,
}

/// An interface that exists.
#[derive(Clone, Debug)]
pub struct Interface {
    name: String,
    index: c_int,
}

impl Interface {
    /// Looks the interface up.
    ///
    /// # Errors
    /// `NotFound` if there is none of that name.
    pub fn named(name: &str) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(name)?;
        Ok(Self { name: name.to_owned(), index: c_int::try_from(index).map_err(io::Error::other)? })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's number for it.
    pub fn index(&self) -> c_int {
        self.index
    }

    /// Its Ethernet address.
    ///
    /// # Errors
    /// `InvalidInput` if it is not an Ethernet interface.
    pub fn hardware_address(&self) -> io::Result<EthernetAddress> {
        let mut request = self.request();
        ioctl(&inet_socket(libc::AF_INET)?, libc::SIOCGIFHWADDR, &raw mut request)?;
        // SAFETY: SIOCGIFHWADDR filled this member of the union.
        let address = unsafe { request.ifr_ifru.ifru_hwaddr };
        if address.sa_family != libc::ARPHRD_ETHER {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an Ethernet interface"));
        }
        let mut bytes = [0; 6];
        for (byte, from) in bytes.iter_mut().zip(address.sa_data) {
            *byte = from.cast_unsigned();
        }
        Ok(EthernetAddress(bytes))
    }

    /// Its MTU in bytes: the longest payload of an untagged Ethernet frame.
    ///
    /// # Errors
    /// The operating system's.
    pub fn mtu(&self) -> io::Result<usize> {
        let mut request = self.request();
        ioctl(&inet_socket(libc::AF_INET)?, libc::SIOCGIFMTU, &raw mut request)?;
        // SAFETY: SIOCGIFMTU filled this member of the union.
        Ok(usize::try_from(unsafe { request.ifr_ifru.ifru_mtu }).unwrap_or(0))
    }

    /// Sets the MTU.
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_mtu(&self, mtu: usize) -> io::Result<()> {
        let mut request = self.request();
        request.ifr_ifru.ifru_mtu = c_int::try_from(mtu).map_err(io::Error::other)?;
        ioctl(&inet_socket(libc::AF_INET)?, libc::SIOCSIFMTU, &raw mut request)
    }

    /// Whether it is up and has a carrier.
    ///
    /// # Errors
    /// The operating system's; `ENODEV` once the interface is gone.
    pub fn is_running(&self) -> io::Result<bool> {
        let running = libc::IFF_UP | libc::IFF_RUNNING;
        Ok(c_int::from(self.flags()?) & running == running)
    }

    /// Brings the interface up or down.
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_up(&self, up: bool) -> io::Result<()> {
        let bit = libc::IFF_UP as i16;
        let flags = self.flags()?;
        let mut request = self.request();
        request.ifr_ifru.ifru_flags = if up { flags | bit } else { flags & !bit };
        ioctl(&inet_socket(libc::AF_INET)?, libc::SIOCSIFFLAGS, &raw mut request)
    }

    /// Gives a point-to-point interface its IPv4 address and that of the other end.
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_ipv4(&self, address: Ipv4Addr, peer: Ipv4Addr) -> io::Result<()> {
        let socket = inet_socket(libc::AF_INET)?;
        // The mask last: setting an address resets it to that of its class.
        for (command, value) in [
            (libc::SIOCSIFADDR, address),
            (libc::SIOCSIFDSTADDR, peer),
            (libc::SIOCSIFNETMASK, Ipv4Addr::BROADCAST),
        ] {
            let mut request = self.request();
            request.ifr_ifru.ifru_addr = socket_address(value);
            ioctl(&socket, command, &raw mut request)?;
        }
        Ok(())
    }

    /// Adds (or takes away) an IPv6 address.
    ///
    /// # Errors
    /// The operating system's.
    pub fn change_ipv6(&self, address: Ipv6Addr, prefix_len: u8, add: bool) -> io::Result<()> {
        let mut request = In6IfReq {
            address: libc::in6_addr { s6_addr: address.octets() },
            prefix_len: prefix_len.into(),
            interface: self.index,
        };
        let command = if add { libc::SIOCSIFADDR } else { libc::SIOCDIFADDR };
        match ioctl(&inet_socket(libc::AF_INET6)?, command, &raw mut request) {
            Err(error) if add && error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    /// A default IPv4 route out of this interface. It goes with the interface's going down.
    ///
    /// # Errors
    /// The operating system's; `AlreadyExists` if there is one with the same metric.
    pub fn add_default_route(&self, metric: u16) -> io::Result<()> {
        let mut device: Vec<c_char> = self.name.bytes().map(u8::cast_signed).chain([0]).collect();
        // SAFETY: rtentry is plain old data for which all zeroes is a value.
        let mut route: libc::rtentry = unsafe { zeroed() };
        route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
        route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
        route.rt_flags = libc::RTF_UP;
        // The kernel takes one off ("+1 for binary compatibility", route(8)).
        route.rt_metric = i16::try_from(metric).unwrap_or(i16::MAX - 1) + 1;
        route.rt_dev = device.as_mut_ptr();
        ioctl(&inet_socket(libc::AF_INET)?, libc::SIOCADDRT, &raw mut route)
    }

    /// Writes a per-interface IPv6 setting below `/proc/sys/net/ipv6/conf`.
    ///
    /// # Errors
    /// The operating system's; `NotFound` where the kernel has no IPv6.
    pub fn set_ipv6_setting(&self, setting: &str, value: u32) -> io::Result<()> {
        fs::write(format!("/proc/sys/net/ipv6/conf/{}/{setting}", self.name), value.to_string())
    }

    fn flags(&self) -> io::Result<i16> {
        let mut request = self.request();
        ioctl(&inet_socket(libc::AF_INET)?, libc::SIOCGIFFLAGS, &raw mut request)?;
        // SAFETY: SIOCGIFFLAGS filled this member of the union.
        Ok(unsafe { request.ifr_ifru.ifru_flags })
    }

    fn request(&self) -> libc::ifreq {
        named_request(&self.name)
    }
}

/// An `ifreq` for the interface of this name, all else zero.
pub(super) fn named_request(name: &str) -> libc::ifreq {
    // SAFETY: ifreq is plain old data for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    // The last byte stays 0 and ends the name.
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request
}

/// One `ioctl` whose argument is a structure that the command reads or fills.
pub(super) fn ioctl<T>(fd: &impl AsRawFd, command: c_ulong, argument: *mut T) -> io::Result<()> {
    // SAFETY: the callers pass a live structure of the type that the command is documented with.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), command as _, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn inet_socket(family: c_int) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; the result is checked and owned at once.
    unsafe {
        let fd = libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// An IPv4 address as the generic `sockaddr` of `ifreq` and `rtentry`.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let address = nix::sys::socket::SockaddrIn::from(SocketAddrV4::new(address, 0));
    let address: &libc::sockaddr_in = address.as_ref();
    // SAFETY: sockaddr_in and sockaddr have the same size and are plain old data.
    unsafe { std::mem::transmute_copy(address) }
}
