//! What a machine's sockets borrow. smoltcp is built without an allocator here, as it is on boards: with one, the
//! router's own stacks would behave, and leak, in ways that no board knows.

use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::{dhcpv4, icmp, tcp, udp};
use smoltcp::storage::RingBuffer;

/// How many sockets of each kind, and how much they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// TCP sockets.
    pub tcp: usize,
    /// Octets each receives and sends.
    pub tcp_window: usize,
    /// UDP sockets.
    pub udp: usize,
}

impl Size {
    /// A laptop.
    pub const LAN_HOST: Self = Self { tcp: 16, tcp_window: 16 * 1024, udp: 8 };
    /// A modem's page.
    pub const MODEM: Self = Self { tcp: 4, tcp_window: 16 * 1024, udp: 0 };
    /// All servers of the Internet.
    pub const INTERNET: Self = Self { tcp: 400, tcp_window: 16 * 1024, udp: 4 };

    fn sockets(self) -> usize {
        self.tcp + self.udp + ICMP_SOCKETS + DHCP_SOCKETS
    }
}

/// Pings and traces that run at once.
const ICMP_SOCKETS: usize = 4;
const DHCP_SOCKETS: usize = 1;
/// The longest message of a DHCP server: a UDP datagram in a frame.
const DHCP_OCTETS: usize = 1472;
/// Mask, router, DNS servers; captive portal (RFC 8910 §2.1).
const ASKED_FOR: &[u8] = &[1, 3, 6, 114];
/// Packets and octets a datagram socket holds, each way.
const DATAGRAMS: usize = 64;
const DATAGRAM_OCTETS: usize = 64 * 1024;

/// The octets of a machine's sockets. Lives outside the machine, and longer.
#[derive(Debug)]
pub struct Memory {
    size: Size,
    octets: Vec<u8>,
    udp: Vec<udp::PacketMetadata>,
    icmp: Vec<icmp::PacketMetadata>,
    dhcp: Vec<u8>,
}

impl Memory {
    /// Room for sockets of this size.
    pub fn new(size: Size) -> Self {
        let datagram_sockets = size.udp + ICMP_SOCKETS;
        Self {
            size,
            octets: vec![0; 2 * (size.tcp * size.tcp_window + datagram_sockets * DATAGRAM_OCTETS)],
            udp: vec![udp::PacketMetadata::EMPTY; 2 * size.udp * DATAGRAMS],
            icmp: vec![icmp::PacketMetadata::EMPTY; 2 * ICMP_SOCKETS * DATAGRAMS],
            dhcp: vec![0; DHCP_OCTETS],
        }
    }

    /// The sockets themselves, which borrow from it.
    pub fn storage<'a>(&self) -> Vec<SocketStorage<'a>> {
        (0..self.size.sockets()).map(|_| SocketStorage::EMPTY).collect()
    }
}

/// A machine's sockets by kind.
#[derive(Debug)]
pub(super) struct Sockets<'a> {
    pub(super) set: SocketSet<'a>,
    pub(super) tcp: Vec<SocketHandle>,
    pub(super) udp: Vec<SocketHandle>,
    pub(super) icmp: Vec<SocketHandle>,
    pub(super) dhcp: Option<SocketHandle>,
}

impl<'a> Sockets<'a> {
    pub(super) fn new(memory: &'a mut Memory, storage: &'a mut [SocketStorage<'a>], dhcp: bool) -> Self {
        let Memory { size, octets, udp, icmp, dhcp: message } = memory;
        let mut set = SocketSet::new(storage);
        let mut octets = Room(octets.as_mut_slice());
        let mut stream = || RingBuffer::new(octets.carve(size.tcp_window));
        let tcp = (0..size.tcp).map(|_| set.add(tcp::Socket::new(stream(), stream()))).collect();
        let mut metadata = Room(udp.as_mut_slice());
        let mut queue = || {
            let slots = metadata.carve(DATAGRAMS);
            udp::PacketBuffer::new(slots, octets.carve(DATAGRAM_OCTETS))
        };
        let udp = (0..size.udp).map(|_| set.add(udp::Socket::new(queue(), queue()))).collect();
        let mut metadata = Room(icmp.as_mut_slice());
        let mut queue = || {
            let slots = metadata.carve(DATAGRAMS);
            icmp::PacketBuffer::new(slots, octets.carve(DATAGRAM_OCTETS))
        };
        let icmp = (0..ICMP_SOCKETS).map(|_| set.add(icmp::Socket::new(queue(), queue()))).collect();
        let dhcp = dhcp.then(|| {
            let mut socket = dhcpv4::Socket::new();
            socket.set_parameter_request_list(ASKED_FOR);
            socket.set_receive_packet_buffer(message);
            set.add(socket)
        });
        Self { set, tcp, udp, icmp, dhcp }
    }
}

/// The next `count` places of a room that is given away piece by piece. It is as large as all of them.
struct Room<'a, T>(&'a mut [T]);

impl<'a, T> Room<'a, T> {
    fn carve(&mut self, count: usize) -> &'a mut [T] {
        let (first, others) = std::mem::take(&mut self.0).split_at_mut(count);
        self.0 = others;
        first
    }
}
