//! What a packet costs: the datapath's work, prepared, measured by whoever can count instructions, and checked.
//!
//! ```text
//!   8 LAN hosts ──Ethernet──► ┌──────────┐ ──PPPoE──► concentrator ── remote hosts
//!                             │ Datapath │
//!               ◄──────────── └──────────┘ ◄─────────
//!                 one frame in, one frame out: Datapath::forward
//! ```
//!
//! Only [`Datapath::forward`] is counted. Frames are built before it, and judged after it by smoltcp's code:
//! addresses, ports, checksums, TTL, `PPPoE` header, payload. There are two datapaths: [`gatelet`], the real one, and
//! [`bound`], a rewrite of the same headers with nothing else in it.
//!
//! `no_std`, because the same work runs on x86-64 and on bare RISC-V and Cortex-M machines (`src/main.rs`).
#![no_std]

pub mod bound;
pub mod bound6;
pub mod case;
pub mod flow;
pub mod gatelet;
mod isp;
mod judge;
mod packet;

use gatelet_hal::{Frame, PortId};
use gatelet_router::Egress;
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv6Address};
use smoltcp::time::Instant;

/// The port towards the LAN.
pub const LAN: PortId = PortId(0);
/// The port towards the concentrator.
pub const WAN: PortId = PortId(1);
/// The router's MAC address on the LAN.
pub const LAN_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
/// The router's MAC address on the WAN.
pub const WAN_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
/// The concentrator's MAC address.
pub const AC_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xAC]);
/// The session's id.
pub const SESSION_ID: u16 = 0x1234;
/// The router's address in the LAN, a /24.
pub const LAN_ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 1, 1);
/// The router's address on the WAN.
pub const WAN_ADDRESS: Ipv4Address = Ipv4Address::new(100, 64, 0, 7);
/// The other end of the tunnel.
pub const BROKER: Ipv4Address = Ipv4Address::new(192, 0, 2, 41);
/// The router's address in the LAN, a /64.
pub const LAN_ADDRESS6: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
/// How many hosts the LAN has.
pub const HOSTS: usize = 8;
/// The most flows a [`Datapath`] must be able to carry.
pub const FLOWS: usize = 1024;

/// What is measured: takes one received frame and hands over one frame to send.
pub trait Datapath<'p> {
    /// The counted call. `None` if there is nothing to send at once.
    fn forward(&mut self, now: Instant, port: PortId, frame: Frame<'p>) -> Option<(Egress, Frame<'p>)>;

    /// What it wants to send of its own accord, such as ARP. Call until `None`.
    fn poll_transmit(&mut self, now: Instant) -> Option<(Egress, Frame<'p>)>;
}

/// The machine's count of retired instructions.
pub trait Counter {
    /// A count that goes with instructions, wrapping. A machine that is counted from outside answers 0.
    fn read(&mut self) -> u32;

    /// Instructions from one reading to a later one.
    fn between(&self, before: u32, after: u32) -> u32 {
        after.wrapping_sub(before)
    }

    /// What was done so far was preparation.
    fn begin(&mut self) {}
}

/// The MAC address of a LAN host, below [`HOSTS`].
pub const fn host_mac(host: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 1, host])
}

/// The IPv6 address of a LAN host, below [`HOSTS`].
pub const fn host_address6(host: u8) -> Ipv6Address {
    Ipv6Address::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100 + host as u16)
}

/// The IPv6 address of a remote host.
pub const fn remote_address6(remote: Ipv4Address) -> Ipv6Address {
    let [a, b, c, d] = remote.octets();
    Ipv6Address::new(0x2620, 0, 0x80, 0, 0, 0, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// The address of a LAN host, below [`HOSTS`].
pub const fn host_address(host: u8) -> Ipv4Address {
    let [a, b, c, _] = LAN_ADDRESS.octets();
    Ipv4Address::new(a, b, c, 100 + host)
}
