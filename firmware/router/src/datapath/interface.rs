//! Where packets come from and go to, and the headers that stand before them there.

use gatelet_hal::{Frame, PortId};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet;
use gatelet_wire::ppp::{PROTOCOL_LEN, Protocol};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::v6::{MAX_TUNNELS, TunnelId};
use crate::router::MAX_WANS;
use crate::wan::WanId;

/// One end of a flow: an interface, or one of the router's own stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop(u8);

impl Hop {
    /// The LAN.
    pub(crate) const LAN: Self = Self(0);
    /// The router's own `lan` stack.
    pub(crate) const LAN_STACK: Self = Self(1);
    /// Nowhere.
    pub(crate) const NONE: Self = Self(u8::MAX);
    pub(crate) const COUNT: usize = 2 + 3 * MAX_WANS;
    /// With the tunnels, which carry IPv6 alone.
    pub(crate) const COUNT6: usize = Self::COUNT + MAX_TUNNELS;
    const KINDS: u8 = MAX_WANS as u8;

    /// A WAN: the session of a `PPPoE` line, or the provider's network on a plain Ethernet one.
    pub(crate) const fn wan(wan: WanId) -> Self {
        Self(2 + wan.0)
    }

    /// The plain Ethernet below a `PPPoE` line, on which the modem has its page.
    pub(crate) const fn modem(wan: WanId) -> Self {
        Self(2 + Self::KINDS + wan.0)
    }

    /// The router's own `wan` stack.
    pub(crate) const fn stack(wan: WanId) -> Self {
        Self(2 + 2 * Self::KINDS + wan.0)
    }

    /// A tunnel.
    pub(crate) const fn tunnel(tunnel: TunnelId) -> Self {
        Self(2 + 3 * Self::KINDS + tunnel.0)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// As part of a flow's key.
    #[inline]
    pub(crate) const fn bits(self) -> u32 {
        (self.0 as u32) << 8
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }

    /// Those that carry IPv6.
    pub(crate) fn all6() -> impl Iterator<Item = Self> {
        (0..Self::COUNT6 as u8).map(Self)
    }

    /// Whose it is.
    pub(crate) const fn kind(self) -> HopKind {
        match self.0 {
            0 => HopKind::Lan,
            1 => HopKind::LanStack,
            n if n < 2 + Self::KINDS => HopKind::Wan(WanId(n - 2)),
            n if n < 2 + 2 * Self::KINDS => HopKind::Modem(WanId(n - 2 - Self::KINDS)),
            n if n < 2 + 3 * Self::KINDS => HopKind::Stack(WanId(n - 2 - 2 * Self::KINDS)),
            n => HopKind::Tunnel(TunnelId(n - 2 - 3 * Self::KINDS)),
        }
    }

    /// Whether packets for it stay in the router.
    pub(crate) const fn is_stack(self) -> bool {
        matches!(self.kind(), HopKind::LanStack | HopKind::Stack(_))
    }

    /// Whether who is there is one of ours.
    pub(crate) const fn is_inside(self) -> bool {
        matches!(self.kind(), HopKind::Lan | HopKind::LanStack | HopKind::Stack(_))
    }
}

/// Which [`Hop`] it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HopKind {
    Lan,
    LanStack,
    Wan(WanId),
    Modem(WanId),
    Stack(WanId),
    Tunnel(TunnelId),
}

/// An interface as the datapath sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interface {
    pub(crate) port: PortId,
    /// Ours, in memory order; `None` while the interface is down.
    pub(crate) address: Option<u32>,
    /// The network on the link; its length is 32 where there is none.
    pub(crate) network: Network,
    /// The next hop for all that is not on the link; `None` on a point-to-point link, which needs none.
    pub(crate) gateway: Option<u32>,
    /// The longest IP packet, in bytes.
    pub(crate) mtu: u16,
    /// Whether packets that leave here get our address.
    pub(crate) masquerades: bool,
    pub(crate) framing: Framing,
}

impl Interface {
    pub(crate) const DOWN: Self = Self {
        port: PortId::LOCAL,
        address: None,
        network: Network { address: 0, mask: u32::MAX },
        gateway: None,
        mtu: 0,
        masquerades: false,
        framing: Framing::NONE,
    };

    /// Whether nothing about it is different.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.port, self.address, self.network, self.gateway)
            == (other.port, other.address, other.network, other.gateway)
            && (self.mtu, self.masquerades) == (other.mtu, other.masquerades)
            && self.framing == other.framing
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.address.is_some()
    }

    /// Whether neighbours have to be asked for their hardware addresses.
    pub(crate) const fn has_neighbours(&self) -> bool {
        matches!(self.framing.kind, FramingKind::Ethernet | FramingKind::EthernetVlan)
    }
}

/// An IPv4 network in memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: u32,
    mask: u32,
}

impl Network {
    /// No network: nobody's address.
    pub(crate) const NOWHERE: Self = Self::host(0);

    /// One address.
    pub(crate) const fn host(address: u32) -> Self {
        Self { address, mask: u32::MAX }
    }

    pub(crate) fn of(cidr: Ipv4Cidr) -> Self {
        Self { address: word(cidr.network().address()), mask: word(cidr.netmask()) }
    }

    #[inline]
    pub(crate) const fn contains(self, address: u32) -> bool {
        address & self.mask == self.address
    }

    /// Whether they have addresses in common.
    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// Whether `address` is the network's own or its broadcast address. Networks of two or one have neither (RFC 3021).
    pub(crate) fn is_edge(self, address: u32) -> bool {
        let host = address & !self.mask;
        u32::from_be(self.mask) < 0xFFFF_FFFE && self.contains(address) && (host == 0 || host == !self.mask)
    }

    /// The network's own address.
    pub(crate) const fn first(self) -> u32 {
        self.address
    }

    pub(crate) fn broadcast(self) -> u32 {
        self.address | !self.mask
    }
}

/// An address as a word in memory order.
#[inline]
pub(crate) const fn word(address: Ipv4Address) -> u32 {
    u32::from_ne_bytes(address.octets())
}

/// [`word`] and back.
pub(crate) fn address(word: u32) -> Ipv4Address {
    word.to_ne_bytes().into()
}

/// A hardware address as it lies in a frame that begins two bytes past a multiple of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mac {
    pub(crate) head: u16,
    pub(crate) tail: u32,
}

impl Mac {
    pub(crate) const ZERO: Self = Self { head: 0, tail: 0 };

    pub(crate) const fn of(address: EthernetAddress) -> Self {
        let [first, second, rest @ ..] = address.0;
        Self { head: u16::from_ne_bytes([first, second]), tail: u32::from_ne_bytes(rest) }
    }

    pub(crate) const fn address(self) -> EthernetAddress {
        let mut octets = [0; 6];
        let (head, tail) = octets.split_at_mut(2);
        head.copy_from_slice(&self.head.to_ne_bytes());
        tail.copy_from_slice(&self.tail.to_ne_bytes());
        EthernetAddress(octets)
    }
}

/// The header of every frame of an interface, in whole words.
///
/// All of them are 2 bytes past a multiple of four long, so that behind two bytes come words, and behind those, the IP header
/// ([`gatelet_hal::HEADROOM`] sees to it):
///
/// ```text
///   2   4     4     4     4     4     4
///  ┌──┬─────┬─────┬─────┬─────┬─────┬─────┐
///  │de│stina│tion,│sourc│e  08│00   │     │   Ethernet: 14
///  │  │     │     │  881│00 id│0800 │     │   with a tag: 18
///  │  │     │     │  886│4 110│0 ses│len p│   PPPoE: 22, or 26 with a tag
///  └──┴─────┴─────┴─────┴─────┴─────┴─────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framing {
    pub(crate) kind: FramingKind,
    /// What we send: to the peer, where there is only one.
    head: u16,
    words: [u32; 6],
    /// What we receive: to us, from the peer.
    rx_head: u16,
    rx_words: [u32; 6],
}

/// What the header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FramingKind {
    None,
    Ethernet,
    EthernetVlan,
    Pppoe,
    PppoeVlan,
}

impl Framing {
    pub(crate) const NONE: Self =
        Self { kind: FramingKind::None, head: 0, words: [0; 6], rx_head: 0, rx_words: [0; 6] };

    /// From a header as it is sent: Ethernet, with a tag or without, and the header of a `PPPoE` session with the PPP
    /// protocol IPv4, if it has one. [`NONE`](Self::NONE) for anything else.
    pub(crate) fn of(header: &[u8]) -> Self {
        let kind = match header.len() {
            14 => FramingKind::Ethernet,
            18 => FramingKind::EthernetVlan,
            22 => FramingKind::Pppoe,
            26 => FramingKind::PppoeVlan,
            _ => return Self::NONE,
        };
        let mut answer = [0; 26];
        let answer = &mut answer[..header.len()];
        answer.copy_from_slice(header);
        answer[..6].copy_from_slice(&header[6..12]);
        answer[6..12].copy_from_slice(&header[..6]);
        let ((head, words), (rx_head, rx_words)) = (in_words(header), in_words(answer));
        Self { kind, head, words, rx_head, rx_words }
    }

    /// Ethernet between `source` and whom each packet is for.
    pub(crate) fn ethernet(source: EthernetAddress, vlan: Option<ethernet::VlanTag>) -> Self {
        let mut bytes = [0; 18];
        let destination = EthernetAddress([0; 6]);
        let header = ethernet::Header { destination, source, vlan, ether_type: ethernet::IPV4 };
        let len = header.emit(&mut bytes).unwrap_or(0);
        Self::of(&bytes[..len])
    }

    /// From Ethernet and `PPPoE` header of a session, LENGTH 0.
    pub(crate) fn of_session(header: &[u8]) -> Self {
        let mut bytes = [0; 26];
        let len = header.len() + PROTOCOL_LEN;
        let Some(room) = bytes.get_mut(..len) else { return Self::NONE };
        let (front, protocol) = room.split_at_mut(header.len());
        front.copy_from_slice(header);
        protocol.copy_from_slice(&u16::from(Protocol::Ipv4).to_be_bytes());
        Self::of(room)
    }

    /// The same, for IPv6: another `EtherType`, or PPP protocol.
    pub(crate) const fn for_ipv6(&self) -> Self {
        let (last, kind) = match self.kind {
            FramingKind::None => return *self,
            FramingKind::Ethernet => (2, ethernet::IPV6),
            FramingKind::EthernetVlan => (3, ethernet::IPV6),
            FramingKind::Pppoe => (4, PPP_IPV6),
            FramingKind::PppoeVlan => (5, PPP_IPV6),
        };
        let mut framing = *self;
        let kind = (kind.to_be() as u32) << 16;
        framing.words[last] = framing.words[last] & !SECOND_HALF | kind;
        framing.rx_words[last] = framing.rx_words[last] & !SECOND_HALF | kind;
        framing
    }

    /// Our own hardware address on this interface.
    pub(crate) const fn mac(&self) -> EthernetAddress {
        Mac { head: self.rx_head, tail: self.rx_words[0] }.address()
    }

    /// The tag of its frames.
    pub(crate) fn vlan(&self) -> Option<ethernet::VlanTag> {
        let tagged = matches!(self.kind, FramingKind::EthernetVlan | FramingKind::PppoeVlan);
        let [high, low, ..] = self.words[2 + 1].to_ne_bytes();
        let tci = u16::from_be_bytes([high, low]);
        let tag = ethernet::VlanTag {
            id: tci & 0xFFF,
            priority: (tci >> 13) as u8,
            drop_eligible: tci & 0x1000 != 0,
        };
        tagged.then_some(tag)
    }

    /// Puts the header before the IP packet in `frame`. `to` is whom it is for, where that is not always the same. False
    /// without the room.
    #[inline]
    #[must_use]
    pub(crate) fn push(&self, frame: &mut Frame<'_>, to: Mac) -> bool {
        let peer = Mac { head: self.head, tail: self.words[0] };
        let length = u32::from((frame.len() as u16 + 2).to_be());
        match self.kind {
            FramingKind::Ethernet => self.write::<3>(frame, to, 0),
            FramingKind::Pppoe => self.write::<5>(frame, peer, length),
            FramingKind::EthernetVlan => self.write::<4>(frame, to, 0),
            FramingKind::PppoeVlan => self.write::<6>(frame, peer, length),
            FramingKind::None => true,
        }
    }

    #[inline]
    fn write<const N: usize>(&self, frame: &mut Frame<'_>, to: Mac, length: u32) -> bool {
        let Some(front) = frame.push_front(2 + 4 * N) else { return false };
        let Some(head) = front.first_chunk_mut() else { return false };
        *head = to.head.to_ne_bytes();
        let Some(words) = frame.words_mut::<N>(2) else { return self.write_bytes::<N>(frame, to, length) };
        words[0] = to.tail;
        words[1..N].copy_from_slice(&self.words[1..N]);
        words[N - 1] |= length;
        true
    }

    /// [`write`](Self::write) for a packet that does not begin where words do.
    #[cold]
    fn write_bytes<const N: usize>(&self, frame: &mut Frame<'_>, to: Mac, length: u32) -> bool {
        let Some(front) = frame.bytes_mut().get_mut(2..2 + 4 * N) else { return false };
        for (n, (word, bytes)) in self.words.iter().zip(front.as_chunks_mut::<4>().0).enumerate() {
            let word = match n {
                0 => to.tail,
                n if n == N - 1 => word | length,
                _ => *word,
            };
            *bytes = word.to_ne_bytes();
        }
        true
    }

    /// The other end, where there is only one.
    #[inline]
    pub(crate) const fn peer(&self) -> Mac {
        Mac { head: self.head, tail: self.words[0] }
    }

    /// [`push`](Self::push) in the place of the header of `at` bytes, for the IP packet of `len` bytes behind it.
    #[expect(clippy::inline_always, reason = "a tenth of the fast path")]
    #[inline(always)]
    pub(crate) fn replace(&self, frame: &mut Frame<'_>, at: usize, len: usize, to: Mac) -> Option<()> {
        match self.kind {
            FramingKind::Ethernet => {
                let words = frame.reframe_words::<4>(at, len, 14)?;
                words[0] = u32::from(to.head) << 16;
                words[1] = to.tail;
                (words[2], words[3]) = (self.words[1], self.words[2]);
                Some(())
            }
            FramingKind::Pppoe => {
                let words = frame.reframe_words::<6>(at, len, 22)?;
                words[0] = u32::from(to.head) << 16;
                words[1] = to.tail;
                (words[2], words[3], words[4]) = (self.words[1], self.words[2], self.words[3]);
                words[5] = self.words[4] | u32::from((len as u16 + 2).to_be());
                Some(())
            }
            _ => self.replace_tagged(frame, at, len, to),
        }
    }

    /// [`replace`](Self::replace), with `outer` between it and the packet: the header of a tunnel.
    #[expect(clippy::inline_always, reason = "a twentieth of the fast path")]
    #[inline(always)]
    pub(crate) fn replace_around(
        &self,
        frame: &mut Frame<'_>,
        at: usize,
        len: usize,
        to: Mac,
        outer: &[u32; 5],
    ) -> Option<()> {
        match self.kind {
            FramingKind::Ethernet => {
                let words = frame.reframe_words::<9>(at, len, 14 + 20)?;
                words[0] = u32::from(to.head) << 16;
                words[1] = to.tail;
                (words[2], words[3]) = (self.words[1], self.words[2]);
                // A copy of slices would call memcpy.
                (words[4], words[5], words[6]) = (outer[0], outer[1], outer[2]);
                (words[7], words[8]) = (outer[3], outer[4]);
                Some(())
            }
            FramingKind::Pppoe => {
                let words = frame.reframe_words::<11>(at, len, 22 + 20)?;
                words[0] = u32::from(to.head) << 16;
                words[1] = to.tail;
                (words[2], words[3], words[4]) = (self.words[1], self.words[2], self.words[3]);
                words[5] = self.words[4] | u32::from((len as u16 + 20 + 2).to_be());
                (words[6], words[7], words[8]) = (outer[0], outer[1], outer[2]);
                (words[9], words[10]) = (outer[3], outer[4]);
                Some(())
            }
            _ => {
                *frame.reframe_words::<5>(at, len, 20)? = *outer;
                self.replace_tagged(frame, 0, len + 20, to)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn replace_tagged(&self, frame: &mut Frame<'_>, at: usize, len: usize, to: Mac) -> Option<()> {
        frame.reframe(at, len, 0)?;
        self.push(frame, to).then_some(())
    }

    /// Whether `frame` is one of this interface's with an IPv4 packet in it, for us. Answers where the packet begins and how
    /// many bytes may belong to it.
    pub(crate) fn matches(&self, frame: &Frame<'_>) -> Option<(usize, usize)> {
        match self.kind {
            FramingKind::Ethernet => Some((14, self.is_ours::<4>(frame)?)),
            FramingKind::Pppoe => Some((22, self.is_of_session::<6>(frame)?)),
            FramingKind::EthernetVlan => Some((18, self.is_ours::<5>(frame)?)),
            FramingKind::PppoeVlan => Some((26, self.is_of_session::<7>(frame)?)),
            FramingKind::None => None,
        }
    }

    /// Ethernet: whoever is the sender, and whatever the priority. Answers how many bytes are behind the header.
    #[inline]
    pub(crate) fn is_ours<const N: usize>(&self, frame: &Frame<'_>) -> Option<usize> {
        let words = frame.header_words::<N>()?;
        let mut differs = self.not_for_us(words.first_chunk()?);
        if N > 4 {
            differs |= (words[N - 1] ^ self.rx_words[N - 2]) & !PRIORITY;
        }
        (differs == 0).then_some(frame.len() - (4 * N - 2))
    }

    /// 0, if destination and type of a frame are ours.
    #[inline]
    pub(crate) fn not_for_us(&self, words: &[u32; 4]) -> u32 {
        let differs = (words[0] >> 16 ^ u32::from(self.rx_head)) | (words[1] ^ self.rx_words[0]);
        differs | (words[3] ^ self.rx_words[2]) & SECOND_HALF
    }

    /// A session: from its peer alone. Answers how many bytes of IP its LENGTH says.
    #[inline]
    pub(crate) fn is_of_session<const N: usize>(&self, frame: &Frame<'_>) -> Option<usize> {
        let words = frame.header_words::<N>()?;
        let mut differs = words[0] >> 16 ^ u32::from(self.rx_head);
        // No loop: it would not be unrolled where size counts.
        differs |= (words[1] ^ self.rx_words[0]) | (words[2] ^ self.rx_words[1]);
        differs |= words[3] ^ self.rx_words[2];
        let ignored = if N > 6 { PRIORITY } else { 0 };
        differs |= (words[4] ^ self.rx_words[3]) & !ignored;
        if N > 6 {
            differs |= words[5] ^ self.rx_words[4];
        }
        differs |= (words[N - 1] ^ self.rx_words[N - 2]) & SECOND_HALF;
        if differs != 0 {
            return None;
        }
        // LENGTH counts the PPP protocol field.
        let len = usize::from(u16::from_be(words[N - 1] as u16)).checked_sub(2)?;
        (4 * N - 2 + len <= frame.len()).then_some(len)
    }
}

/// A header: two bytes, then words.
fn in_words(header: &[u8]) -> (u16, [u32; 6]) {
    let mut words = [0; 6];
    let Some((head, rest)) = header.split_first_chunk() else { return (0, words) };
    for (word, bytes) in words.iter_mut().zip(rest.as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    (u16::from_ne_bytes(*head), words)
}

/// RFC 5072 §3.
const PPP_IPV6: u16 = 0x0057;
/// The second two bytes of a word.
const SECOND_HALF: u32 = u32::from_ne_bytes([0, 0, 0xFF, 0xFF]);
/// Priority and drop eligibility, in the word of an 802.1Q tag's second half.
const PRIORITY: u32 = u32::from_ne_bytes([0xF0, 0, 0, 0]);
// A LENGTH is put into the low half of a word, and the IPv4 header's fields are taken out of halves (all targets are of this kind).
const _: () = assert!(cfg!(target_endian = "little"));

#[cfg(test)]
mod tests {
    use embassy_sync::blocking_mutex::raw::NoopRawMutex;
    use gatelet_hal::FramePool;

    use super::*;

    const US: EthernetAddress = EthernetAddress([2, 0, 0x5E, 0, 0x53, 1]);
    const PEER: EthernetAddress = EthernetAddress([2, 0, 0x5E, 0, 0x53, 0xAC]);

    /// Every kind of header, as it is sent.
    fn headers() -> [std::vec::Vec<u8>; 4] {
        let tag = [0x81, 0, 0, 35];
        let pppoe = [0x88, 0x64, 0x11, 0, 0x12, 0x34, 0, 0, 0, 0x21];
        let macs = [&PEER.0[..], &US.0].concat();
        [
            [&macs[..], &[8, 0]].concat(),
            [&macs[..], &tag, &[8, 0]].concat(),
            [&macs[..], &pppoe].concat(),
            [&macs[..], &tag, &pppoe].concat(),
        ]
    }

    /// What the other side would send.
    fn turned(header: &[u8]) -> std::vec::Vec<u8> {
        [&header[6..12], &header[..6], &header[12..]].concat()
    }

    #[test]
    fn what_is_pushed_is_the_header_with_its_length() {
        let frames = FramePool::<NoopRawMutex, 2>::new();
        for header in headers() {
            let framing = Framing::of(&header);
            let mut frame = frames.pool().take(PortId(0)).unwrap();
            let mut expected = [&header[..], &[0x45; 40]].concat();
            if header.len() >= 22 {
                expected[header.len() - 3] = 42;
            }
            for skew in 0..4 {
                frame.clear(Frame::IP_HEADROOM + skew);
                assert!(frame.extend(&[0x45; 40]));
                assert!(framing.push(&mut frame, Mac::of(PEER)));
                assert_eq!(frame.bytes(), expected);
            }
            assert_eq!(framing.mac(), US);
        }
    }

    #[test]
    fn only_the_peers_frames_to_us_match() {
        let frames = FramePool::<NoopRawMutex, 2>::new();
        for header in headers() {
            let framing = Framing::of(&header);
            let pppoe = header.len() >= 22;
            let mut good = turned(&header);
            if pppoe {
                good[header.len() - 3] = 42;
            }
            good.extend([0x45; 40]);
            let matches = |bytes: &[u8]| {
                let mut frame = frames.pool().take(PortId(0)).unwrap();
                assert!(frame.extend(bytes));
                framing.matches(&frame)
            };
            assert_eq!(matches(&good), Some((header.len(), 40)));
            for at in 0..header.len() {
                let mut other = good.clone();
                other[at] ^= 1;
                let sender_is_free = !pppoe && (6..12).contains(&at);
                let shorter = pppoe && at == header.len() - 3;
                assert_eq!(matches(&other).is_some(), sender_is_free, "byte {at} of {}", header.len());
                let _ = shorter;
            }
            assert_eq!(matches(&good[..10]), None);
        }
    }

    #[test]
    fn hops_and_their_kinds_are_one_to_one() {
        for hop in Hop::all6() {
            let again = match hop.kind() {
                HopKind::Lan => Hop::LAN,
                HopKind::LanStack => Hop::LAN_STACK,
                HopKind::Wan(wan) => Hop::wan(wan),
                HopKind::Modem(wan) => Hop::modem(wan),
                HopKind::Stack(wan) => Hop::stack(wan),
                HopKind::Tunnel(tunnel) => Hop::tunnel(tunnel),
            };
            assert_eq!(again, hop);
        }
    }

    #[test]
    fn the_edges_of_networks() {
        let network = |a: [u8; 4], len| Network::of(Ipv4Cidr::new(a.into(), len));
        let at = |a: [u8; 4]| word(a.into());
        let lan = network([192, 168, 1, 1], 24);
        assert!(lan.contains(at([192, 168, 1, 77])) && !lan.contains(at([192, 168, 2, 77])));
        assert!(lan.is_edge(at([192, 168, 1, 0])) && lan.is_edge(at([192, 168, 1, 255])));
        assert!(!lan.is_edge(at([192, 168, 1, 254])) && !lan.is_edge(at([192, 168, 2, 0])));
        assert_eq!(lan.broadcast(), at([192, 168, 1, 255]));
        assert!(!network([10, 0, 0, 0], 31).is_edge(at([10, 0, 0, 0])));
        assert!(network([0, 0, 0, 0], 0).contains(at([8, 8, 8, 8])));
    }
}
