//! What a board must offer Gatelet: Ethernet [ports](EthernetPort), and the [frames](Frame) of one
//! fixed [pool](FramePool) that move between them.
//!
//! ```text
//!            FramePool<M, N>            one static block, reserved frames per port
//!                 │ pool()
//!                 ▼
//!             Pool<'p>  ── take(PortId) ──►  Frame<'p>  ── drop ──► back to the pool
//!                                               │ moves, is never copied
//!   EthernetPort::receive ──► ingress queue ──► router ──► port queue ──► EthernetPort::transmit
//! ```
//!
//! For every other piece of hardware the standard traits are used as they are: `rand_core` for
//! randomness, `embedded-storage-async` for flash, `embassy-time` for the clock.
#![no_std]

mod driver_port;
mod frame;
mod kept;
mod pool;
mod port;
mod w5500;

pub use driver_port::{DriverPort, UnusableDriver};
pub use frame::Frame;
pub use kept::Kept;
pub use pool::{FramePool, Pool, PoolCounters, QuotaRefused};
pub use port::{EthernetPort, LinkState, PortId, Ready};
pub use w5500::{NoW5500, W5500};

/// Bytes free in front of a received Ethernet frame, for the headers the router adds.
///
/// The longest stack of headers put in front of what a frame already has room for: PPPoE 8, VLAN 4,
/// SIT 20, GRE 24 or WireGuard 44. The 2 beyond 72 put the IP header on a multiple of four, both
/// behind a 14-byte Ethernet header and behind the 22 bytes of Ethernet and PPPoE (and, 802.1Q
/// being 4 bytes, behind either with a tag): a Cortex-M0+ cannot load a word from anywhere else.
pub const HEADROOM: usize = 72 + 2;

/// Bytes free behind the longest frame: what a tunnel appends (WireGuard: 15 of padding, 16 of tag).
pub const TAILROOM: usize = 31;

/// The longest Ethernet frame a [`Frame`] holds, without its FCS: 14 (Ethernet), 4 (802.1Q), 8 (PPPoE) and
/// 1500 bytes of IP (RFC 4638).
pub const MAX_FRAME_LEN: usize = 1526;

/// How many ports can have frames of their own in a pool: [`PortId`]s are below it.
pub const MAX_PORTS: usize = 8;
