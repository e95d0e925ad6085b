//! Counts and weighs what passes the router's port, independently of what the router says about itself.

use std::collections::VecDeque;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol};

use crate::link::End;
use crate::message::Message;
use crate::peers::neighbour::NEIGHBOUR_MAC;

/// The period of the budget that [`Meter::most_discovery_in_a_minute`] checks.
const MINUTE: Duration = Duration::from_secs(60);

/// What passed the router's port.
#[derive(Debug, Default)]
pub struct Meter {
    /// Frames, both ways.
    pub frames: u64,
    /// Bytes, both ways.
    pub bytes: u64,
    /// PADIs the router sent.
    pub padi: u64,
    /// PADRs the router sent.
    pub padr: u64,
    /// PADTs the router sent.
    pub padt: u64,
    /// LCP echoes, both ways.
    pub echoes: u64,
    /// IP packets, both ways.
    pub ip: u64,
    /// With whom the router may speak on plain Ethernet.
    pub plain: Option<EthernetAddress>,
    /// Frames the router sent that are neither PPPoE discovery, nor a PPP packet we know, nor for that station.
    pub unknown_from_router: u64,
    /// The most PADIs and PADRs within any 60 s.
    pub most_discovery_in_a_minute: usize,
    recent: VecDeque<Instant>,
    digest: Digest,
}

impl Meter {
    /// Counts a frame that `from` has sent.
    pub fn count(&mut self, now: Instant, from: End, frame: &[u8]) {
        self.frames += 1;
        self.bytes += frame.len() as u64;
        self.digest.add_word(now.total_micros().cast_unsigned() ^ (from as u64) << 63);
        self.digest.add(frame);
        let message = Message::of(frame);
        match message {
            Message::Ipv4 | Message::Ipv6 => self.ip += 1,
            _ if message.is_echo() => self.echoes += 1,
            Message::Padi if from == End::Router => self.padi += 1,
            Message::Padr if from == End::Router => self.padr += 1,
            Message::Padt if from == End::Router => self.padt += 1,
            Message::Other if from == End::Router && !self.is_plain(frame) => self.unknown_from_router += 1,
            _ => {}
        }
        if from == End::Router && message.is_counted_discovery() {
            while self.recent.front().is_some_and(|&at| now - at >= MINUTE) {
                self.recent.pop_front();
            }
            self.recent.push_back(now);
            self.most_discovery_in_a_minute = self.most_discovery_in_a_minute.max(self.recent.len());
        }
    }

    /// Whether a frame is one of plain Ethernet for the station there that speaks it: IPv4, ARP, a DHCP client's,
    /// IPv6 and what belongs to it.
    fn is_plain(&self, frame: &[u8]) -> bool {
        /// UDP to port 67 behind an IPv4 header without options.
        fn is_dhcp(packet: &[u8]) -> bool {
            packet.first() == Some(&0x45)
                && packet.get(9) == Some(&17)
                && packet.get(22..24) == Some(&[0, 67])
        }
        let (Some(station), Ok(frame)) = (self.plain, EthernetFrame::new_checked(frame)) else {
            return false;
        };
        let to_all = frame.dst_addr().is_broadcast();
        match frame.ethertype() {
            EthernetProtocol::Arp => to_all || frame.dst_addr() == station,
            EthernetProtocol::Ipv4 => frame.dst_addr() == station || to_all && is_dhcp(frame.payload()),
            EthernetProtocol::Ipv6 => {
                let to = frame.dst_addr();
                to == station || to == NEIGHBOUR_MAC || to.0[..2] == [0x33, 0x33]
            }
            EthernetProtocol::Unknown(_) => false,
        }
    }

    /// Over every frame, its time and its direction: equal digests, equal runs.
    pub fn digest(&self) -> u64 {
        self.digest.0
    }
}

/// A fast non-cryptographic hash, the same on every machine: FNV-1a's step (offset basis and prime as
/// published by Fowler, Noll and Vo) on words of eight octets, with a rotation so that high bits count.
#[derive(Debug)]
struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Digest {
    fn add_word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(29);
    }

    fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add_word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add_word(u64::from_le_bytes(last));
        self.add_word(bytes.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_sees_bytes_times_and_directions() {
        let digest = |at, from, frame: &[u8]| {
            let mut meter = Meter::default();
            meter.count(Instant::from_micros(at), from, frame);
            meter.digest()
        };
        let base = digest(1, End::Router, &[0; 60]);
        assert_eq!(base, digest(1, End::Router, &[0; 60]));
        assert_ne!(base, digest(2, End::Router, &[0; 60]));
        assert_ne!(base, digest(1, End::Peers, &[0; 60]));
        assert_ne!(base, digest(1, End::Router, &[0; 61]));
        let mut other = [0; 60];
        other[59] = 1;
        assert_ne!(base, digest(1, End::Router, &other));
    }

    #[test]
    fn the_window_of_a_minute_slides() {
        let mut padi = [0xFF; 60];
        padi[12..20].copy_from_slice(&[0x88, 0x63, 0x11, 0x09, 0, 0, 0, 0]);
        let mut meter = Meter::default();
        for second in [0, 10, 20, 59, 60, 70, 200] {
            meter.count(Instant::from_secs(second), End::Router, &padi);
        }
        assert_eq!(meter.most_discovery_in_a_minute, 4);
        meter.count(Instant::from_secs(201), End::Peers, &padi);
        assert_eq!((meter.padi, meter.frames), (7, 8));
    }
}
