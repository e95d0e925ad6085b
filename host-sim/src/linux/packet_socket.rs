//! An Ethernet interface through a packet socket (`packet(7)`), in batches.
//!
//! A kernel filter keeps all but the frames that are meant for the router out, so the interface may
//! serve other purposes too. The kernel takes an 802.1Q tag out of a frame before a packet socket
//! sees it and tells it beside the frame (`PACKET_AUXDATA`), and it tells what it left to the
//! hardware (`PACKET_VNET_HDR`, see [`offload`](super::offload)); both are made good here, so that
//! the router meets the frames as they are on a wire.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use smoltcp::wire::EthernetAddress;

use super::interface::Interface;
use super::offload::{HEADER_LEN, Offload, Pieces};

/// Frames fetched by one system call at most.
const BATCH: usize = 32;
/// Room for what stands beside a frame and for the longest that is left to be cut: 64 KiB of IP packet.
const SLOT: usize = HEADER_LEN + 14 + 65_536;
/// A socket buffer that takes a burst while another process has the core (bytes).
const SOCKET_BUFFER: libc::c_int = 4 << 20;
/// Length of an 802.1Q tag.
const TAG_LEN: usize = 4;
/// Destination and source address: what stands before a tag.
const ADDRESSES_LEN: usize = 12;

/// Which frames of an interface are for the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// PPPoE alone, of both types.
    Pppoe,
    /// Everything sent to this address or to a group.
    To(EthernetAddress),
}

/// A packet socket bound to one interface.
pub struct PacketSocket {
    fd: OwnedFd,
    batch: Batch,
}

impl PacketSocket {
    /// Opens the socket on `interface`; `extra_address` is a hardware address to listen to beside
    /// the interface's own (a MAC clone).
    ///
    /// # Errors
    /// The operating system's: mostly that `CAP_NET_RAW` is missing.
    pub fn open(
        interface: &Interface,
        filter: Filter,
        extra_address: Option<EthernetAddress>,
    ) -> io::Result<Self> {
        // Protocol 0: nothing arrives before the filter is in place and the socket is bound.
        // SAFETY: a plain system call; the result is checked and owned at once.
        let fd = unsafe {
            let fd =
                libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let instructions = filter.program();
        let program =
            libc::sock_fprog { len: instructions.len() as u16, filter: instructions.as_ptr().cast_mut() };
        set_option(&fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        set_option(&fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, &1_i32)?;
        set_option(&fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
        set_option(&fd, libc::SOL_PACKET, libc::PACKET_VNET_HDR, &1_i32)?;
        // The forced variants need CAP_NET_ADMIN; the plain ones are cut to the system's limit.
        for (forced, plain) in
            [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
        {
            if set_option(&fd, libc::SOL_SOCKET, forced, &SOCKET_BUFFER).is_err() {
                set_option(&fd, libc::SOL_SOCKET, plain, &SOCKET_BUFFER)?;
            }
        }
        // SAFETY: packet_mreq is plain old data for which all zeroes is a value.
        let mut membership: libc::packet_mreq = unsafe { zeroed() };
        membership.mr_ifindex = interface.index();
        if matches!(filter, Filter::To(_)) {
            // Neighbours are asked for by groups of their own (RFC 4861 §7.2.2).
            membership.mr_type = libc::PACKET_MR_ALLMULTI as u16;
            set_option(&fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)?;
        }
        if let Some(address) = extra_address {
            membership.mr_type = libc::PACKET_MR_UNICAST as u16;
            membership.mr_alen = 6;
            membership.mr_address[..6].copy_from_slice(&address.0);
            set_option(&fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)?;
        }
        // SAFETY: sockaddr_ll is plain old data for which all zeroes is a value.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = interface.index();
        // SAFETY: the pointer and the length are those of a live sockaddr_ll.
        let bound = unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if bound < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { fd, batch: Batch::new() })
    }

    /// The descriptor to wait on when [`PacketSocket::receive`] had nothing.
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The next frame into `out`, its length, or `None` when there is none now. A frame that is
    /// longer than `out` is dropped.
    ///
    /// # Errors
    /// The operating system's, for example when the interface went down or away.
    pub fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            if let Some(len) = self.batch.take(out) {
                return Ok(Some(len));
            }
            if self.batch.next == self.batch.filled {
                self.batch.refill(&self.fd)?;
                if self.batch.filled == 0 {
                    return Ok(None);
                }
            }
            self.batch.begin_next();
        }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The operating system's; `WouldBlock` or `ENOBUFS` when the interface's queue is full.
    pub fn transmit(&self, frame: &[u8]) -> io::Result<()> {
        // Nothing is left to the hardware.
        let header = [0_u8; HEADER_LEN];
        nix::sys::uio::writev(&self.fd, &[io::IoSlice::new(&header), io::IoSlice::new(frame)])?;
        Ok(())
    }
}

/// What one `recvmmsg` fetched and what is left of it.
struct Batch {
    next: usize,
    filled: usize,
    lengths: [usize; BATCH],
    tags: [Option<[u8; TAG_LEN]>; BATCH],
    /// [`BATCH`] times [`SLOT`] bytes, of which the kernel need not find those that no frame ever reached.
    slots: Box<[u8]>,
    /// What is left of the frame before `next`.
    pieces: Pieces,
}

/// Room for one control message with a `tpacket_auxdata`, aligned as `cmsghdr` wants.
#[repr(align(8))]
#[derive(Clone, Copy)]
struct ControlBuffer {
    _room: [u8; 64],
}

impl Batch {
    fn new() -> Self {
        Self {
            next: 0,
            filled: 0,
            lengths: [0; BATCH],
            tags: [None; BATCH],
            slots: vec![0; BATCH * SLOT].into_boxed_slice(),
            pieces: Pieces::Done,
        }
    }

    fn refill(&mut self, fd: &OwnedFd) -> io::Result<()> {
        (self.next, self.filled) = (0, 0);
        let mut controls = [ControlBuffer { _room: [0; 64] }; BATCH];
        // SAFETY: iovec and mmsghdr are plain old data for which all zeroes is a value.
        let (mut vectors, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { zeroed() };
        for (index, slot) in self.slots.chunks_exact_mut(SLOT).enumerate() {
            vectors[index] = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: SLOT };
            let header = &mut headers[index].msg_hdr;
            header.msg_iov = &raw mut vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut controls[index]).cast();
            header.msg_controllen = size_of::<ControlBuffer>() as _;
        }
        // SAFETY: every header points at its own live slot, vector and control buffer, all of
        // which outlive the call.
        let received = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if received < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                // The last: a frame whose left work cannot be told in the header. It is lost; the next may do.
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::InvalidInput => {
                    Ok(())
                }
                _ => Err(error),
            };
        }
        self.filled = usize::try_from(received).unwrap_or(0);
        for (index, header) in headers[..self.filled].iter().enumerate() {
            self.lengths[index] = (header.msg_len as usize).min(SLOT);
            self.tags[index] = vlan_tag(&header.msg_hdr);
        }
        Ok(())
    }

    /// Turns to the next frame.
    fn begin_next(&mut self) {
        let frame = slot(&self.slots, self.next, self.lengths[self.next]);
        self.pieces = match frame.split_first_chunk::<HEADER_LEN>() {
            Some((header, frame)) => {
                Offload::parse(*header).map_or(Pieces::Done, |offload| Pieces::of(frame, offload))
            }
            None => Pieces::Done,
        };
        self.next += 1;
    }

    /// Copies the next piece of the present frame out, its tag put back; `None` if there is none that fits.
    fn take(&mut self, out: &mut [u8]) -> Option<usize> {
        let index = self.next.checked_sub(1)?;
        let frame = slot(&self.slots, index, self.lengths[index]).get(HEADER_LEN..)?;
        let Some(tag) = self.tags[index] else { return self.pieces.next(frame, out) };
        let (room, _) = out.split_at_mut_checked(out.len().checked_sub(TAG_LEN)?)?;
        let len = self.pieces.next(frame, room).filter(|len| *len >= ADDRESSES_LEN)?;
        out.copy_within(ADDRESSES_LEN..len, ADDRESSES_LEN + TAG_LEN);
        out[ADDRESSES_LEN..][..TAG_LEN].copy_from_slice(&tag);
        Some(len + TAG_LEN)
    }
}

/// What was written to a slot.
fn slot(slots: &[u8], index: usize, len: usize) -> &[u8] {
    &slots[index * SLOT..][..len]
}

/// The tag that the kernel took out of a frame, from the auxiliary data beside it.
fn vlan_tag(header: &libc::msghdr) -> Option<[u8; TAG_LEN]> {
    // SAFETY: the kernel filled `header` and its control buffer, which is alive in the caller;
    // the CMSG functions stay within msg_controllen.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            if (*control).cmsg_level == libc::SOL_PACKET && (*control).cmsg_type == libc::PACKET_AUXDATA {
                let data: libc::tpacket_auxdata =
                    libc::CMSG_DATA(control).cast::<libc::tpacket_auxdata>().read_unaligned();
                if data.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
                    return None;
                }
                let tpid = if data.tp_status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
                    0x8100
                } else {
                    data.tp_vlan_tpid
                };
                let [a, b] = tpid.to_be_bytes();
                let [c, d] = data.tp_vlan_tci.to_be_bytes();
                return Some([a, b, c, d]);
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}

impl Filter {
    /// As classic BPF. By the time it runs the kernel has taken a tag out, so the type stands at
    /// offset 12 of tagged frames too.
    fn program(self) -> Vec<libc::sock_filter> {
        let instruction = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        let load = |size, at| instruction(libc::BPF_LD | size | libc::BPF_ABS, 0, 0, at);
        let if_equal = |jt, jf, k| instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
        let mut program = match self {
            Self::Pppoe => vec![load(libc::BPF_H, 12), if_equal(1, 0, 0x8863), if_equal(0, 1, 0x8864)],
            Self::To(EthernetAddress(address)) => vec![
                load(libc::BPF_B, 0),
                instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 4, 0, 1), // a group
                load(libc::BPF_W, 0),
                if_equal(0, 3, number(&address[..4])),
                load(libc::BPF_H, 4),
                if_equal(0, 1, number(&address[4..])),
            ],
        };
        program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX));
        program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0));
        program
    }
}

fn set_option<T>(fd: &OwnedFd, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of a live T, which the callers match to the
    // option after packet(7) and socket(7).
    let set = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
