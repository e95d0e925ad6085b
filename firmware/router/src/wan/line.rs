//! One WAN of whatever kind, as the router drives it.

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, LinkState, PortId};
use gatelet_proto::redial::Ledger;
use gatelet_wire::EthernetAddress;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Address;

use super::event::{WanEvent, WanStatus};
use super::ipoe::EthernetWan;
use super::transmit::Transmit;
use super::{Wan, WanConfig};

/// A WAN.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
pub(crate) enum Line<'p> {
    Pppoe(Wan<'p>),
    Ethernet(EthernetWan),
}

/// What a WAN sends.
pub(crate) enum Outgoing<'p> {
    /// A frame for the port.
    Frame(Frame<'p>),
    /// An IP packet for this address, to be sent by the datapath.
    Packet(Frame<'p>, Ipv4Address),
    /// Nothing; the frame that was lent.
    Nothing { unused: Option<Frame<'p>> },
    /// There may be something, and no frame for it.
    OutOfFrames,
}

impl<'p> Line<'p> {
    pub(crate) const fn pppoe(&self) -> Option<&Wan<'p>> {
        match self {
            Self::Pppoe(wan) => Some(wan),
            Self::Ethernet(_) => None,
        }
    }

    pub(crate) const fn pppoe_mut(&mut self) -> Option<&mut Wan<'p>> {
        match self {
            Self::Pppoe(wan) => Some(wan),
            Self::Ethernet(_) => None,
        }
    }

    pub(crate) const fn ethernet_mut(&mut self) -> Option<&mut EthernetWan> {
        match self {
            Self::Ethernet(wan) => Some(wan),
            Self::Pppoe(_) => None,
        }
    }

    pub(crate) const fn port(&self) -> PortId {
        match self {
            Self::Pppoe(wan) => wan.port(),
            Self::Ethernet(wan) => wan.port(),
        }
    }

    pub(crate) fn set_port(&mut self, mac: EthernetAddress, max_frame_len: usize) {
        match self {
            Self::Pppoe(wan) => wan.set_port(mac, max_frame_len),
            Self::Ethernet(wan) => wan.set_port(mac),
        }
    }

    pub(crate) fn handle_link(&mut self, now: Instant, rng: &mut ChaCha8Rng, link: LinkState) {
        match self {
            Self::Pppoe(wan) => wan.handle_link(now, rng, link),
            Self::Ethernet(wan) => wan.handle_link(now, rng, link),
        }
    }

    /// Data of the session has arrived.
    #[inline]
    pub(crate) fn note_traffic(&mut self, now: Instant) {
        if let Self::Pppoe(wan) = self {
            wan.note_traffic(now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        match self {
            Self::Pppoe(wan) => wan.handle_timeout(now, rng),
            Self::Ethernet(wan) => wan.handle_timeout(now, rng),
        }
    }

    pub(crate) fn handle_stored(&mut self, now: Instant, rng: &mut ChaCha8Rng, stored: bool) {
        if let Self::Pppoe(wan) = self {
            wan.handle_stored(now, rng, stored);
        }
    }

    pub(crate) fn dial(&mut self, now: Instant, rng: &mut ChaCha8Rng, force: bool) {
        match self {
            Self::Pppoe(wan) => wan.dial(now, rng, force),
            Self::Ethernet(wan) => wan.dial(now, rng),
        }
    }

    pub(crate) fn hang_up(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        match self {
            Self::Pppoe(wan) => wan.hang_up(now, rng),
            Self::Ethernet(wan) => wan.hang_up(now, rng),
        }
    }

    /// Other settings; a WAN keeps its kind.
    pub(crate) fn reconfigure(&mut self, now: Instant, rng: &mut ChaCha8Rng, config: WanConfig) {
        if let Self::Pppoe(wan) = self {
            wan.reconfigure(now, rng, config);
        }
    }

    pub(crate) fn note_no_traffic(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if let Self::Pppoe(wan) = self {
            wan.note_no_traffic(now, rng);
        }
    }

    pub(crate) fn set_wall_clock(&mut self, now: Instant, rng: &mut ChaCha8Rng, unix_seconds: u64) {
        if let Self::Pppoe(wan) = self {
            wan.set_wall_clock(now, rng, unix_seconds);
        }
    }

    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        take: impl FnOnce() -> Option<Frame<'p>>,
    ) -> Outgoing<'p> {
        match self {
            Self::Pppoe(wan) => match wan.poll_transmit(now, rng, take) {
                Transmit::Frame(frame) => Outgoing::Frame(frame),
                Transmit::Nothing { unused } => Outgoing::Nothing { unused },
                Transmit::OutOfFrames => Outgoing::OutOfFrames,
            },
            Self::Ethernet(wan) => match wan.poll_transmit(now, take) {
                Some((frame, None)) => Outgoing::Frame(frame),
                Some((frame, Some(destination))) => Outgoing::Packet(frame, destination),
                None => Outgoing::Nothing { unused: None },
            },
        }
    }

    pub(crate) fn poll_store(&mut self, now: Instant) -> Option<Ledger> {
        // Nobody locks out a DHCP client.
        self.pppoe_mut()?.poll_store(now)
    }

    pub(crate) fn snapshot(&self, now: Instant) -> Option<Ledger> {
        self.pppoe().map(|wan| wan.snapshot(now))
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        match self {
            Self::Pppoe(wan) => wan.is_at_rest(),
            Self::Ethernet(wan) => wan.is_at_rest(),
        }
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        match self {
            Self::Pppoe(wan) => wan.poll_at(),
            Self::Ethernet(wan) => wan.poll_at(),
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<WanEvent> {
        match self {
            Self::Pppoe(wan) => wan.poll_event(),
            Self::Ethernet(wan) => wan.poll_event(),
        }
    }

    pub(crate) const fn take_events_lost(&mut self) -> u32 {
        match self {
            Self::Pppoe(wan) => wan.take_events_lost(),
            Self::Ethernet(wan) => wan.take_events_lost(),
        }
    }

    pub(crate) fn status(&self) -> WanStatus {
        match self {
            Self::Pppoe(wan) => wan.status(),
            Self::Ethernet(wan) => wan.status(),
        }
    }
}
