//! IPv6 addresses as the datapath holds them: four words in memory order, and what may be forwarded (RFC 4291, RFC 6890).

use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

/// An address in memory order.
pub(crate) type Address = [u32; 4];

/// No address.
pub(crate) const UNSPECIFIED: Address = [0; 4];
/// All nodes on the link (RFC 4291 §2.7.1).
pub(crate) const ALL_NODES: Address = words(Ipv6Address::new(0xFF02, 0, 0, 0, 0, 0, 0, 1));

/// An address in words.
pub(crate) const fn words(address: Ipv6Address) -> Address {
    let octets = address.octets();
    let (quads, _) = octets.as_chunks::<4>();
    [
        u32::from_ne_bytes(quads[0]),
        u32::from_ne_bytes(quads[1]),
        u32::from_ne_bytes(quads[2]),
        u32::from_ne_bytes(quads[3]),
    ]
}

/// [`words`] and back.
pub(crate) fn address(words: &Address) -> Ipv6Address {
    octets(words).into()
}

/// The sixteen octets of an address.
pub(crate) fn octets(words: &Address) -> [u8; 16] {
    let mut octets = [0; 16];
    for (chunk, word) in octets.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *chunk = word.to_ne_bytes();
    }
    octets
}

/// The address whose octets begin at `at`.
pub(crate) fn read(bytes: &[u8], at: usize) -> Option<Address> {
    let (quads, _) = bytes.get(at..at + 16)?.as_chunks::<4>();
    let mut words = UNSPECIFIED;
    for (word, quad) in words.iter_mut().zip(quads) {
        *word = u32::from_ne_bytes(*quad);
    }
    Some(words)
}

/// What kind of address it is, as far as forwarding cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Unspecified,
    /// `::1`, and everything else that stands for no host on any network: IPv4-mapped and IPv4-compatible addresses.
    Nowhere,
    LinkLocal,
    Multicast,
    /// RFC 4193.
    UniqueLocal,
    Global,
}

impl Scope {
    pub(crate) fn of(address: &Address) -> Self {
        let first = u32::from_be(address[0]);
        match first >> 24 {
            0 if *address == UNSPECIFIED => Self::Unspecified,
            0 if address[..2] == [0, 0] && matches!(u32::from_be(address[2]), 0 | 0xFFFF) => Self::Nowhere,
            0xFE if first >> 22 == 0xFE80 >> 6 => Self::LinkLocal,
            0xFF => Self::Multicast,
            0xFC | 0xFD => Self::UniqueLocal,
            _ => Self::Global,
        }
    }

    /// Whether it is somebody's beyond the link.
    pub(crate) const fn is_routable(self) -> bool {
        matches!(self, Self::UniqueLocal | Self::Global)
    }
}

/// An IPv6 network, or an address and the network it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network6 {
    /// Any of its addresses.
    pub(crate) address: Address,
    pub(crate) prefix_len: u8,
}

impl Network6 {
    pub(crate) fn of(cidr: Ipv6Cidr) -> Self {
        Self { address: words(cidr.address()), prefix_len: cidr.prefix_len().min(128) }
    }

    #[inline]
    pub(crate) fn contains(&self, address: &Address) -> bool {
        let whole = usize::from(self.prefix_len / 32);
        // What a table's networks differ in is mostly in the first two words.
        let differs = |n: usize| self.address[n] != address[n];
        if whole >= 1 && differs(0) || whole >= 2 && differs(1) || whole >= 3 && differs(2) {
            return false;
        }
        let (Some(known), Some(word)) = (self.address.get(whole), address.get(whole)) else {
            return !differs(3);
        };
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_len % 32)).unwrap_or(0).to_be();
        (known ^ word) & mask == 0
    }
}

/// The multicast address at which `target` is asked for (RFC 4291 §2.7.1).
pub(crate) fn solicited_node(target: &Address) -> Address {
    let last = u32::from_be(target[3]) & 0x00FF_FFFF | 0xFF00_0000;
    [0xFF02_0000_u32.to_be(), 0, 1_u32.to_be(), last.to_be()]
}

/// The link-local address with this interface identifier.
pub(crate) fn link_local(identifier: [u8; 8]) -> Address {
    let (high, low) = (identifier.first_chunk(), identifier.last_chunk());
    let word = |octets: Option<&[u8; 4]>| octets.map_or(0, |octets| u32::from_ne_bytes(*octets));
    [0xFE80_0000_u32.to_be(), 0, word(high), word(low)]
}

/// The interface identifier of a hardware address (RFC 4291, appendix A).
pub(crate) const fn interface_identifier(mac: gatelet_wire::EthernetAddress) -> [u8; 8] {
    let mac = mac.0;
    [mac[0] ^ 2, mac[1], mac[2], 0xFF, 0xFE, mac[3], mac[4], mac[5]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Address {
        words(text.parse().expect("an address"))
    }

    #[test]
    fn scopes() {
        for (text, expected) in [
            ("::", Scope::Unspecified),
            ("::1", Scope::Nowhere),
            ("::192.0.2.1", Scope::Nowhere),
            ("::ffff:192.0.2.1", Scope::Nowhere),
            ("64:ff9b::192.0.2.1", Scope::Global),
            ("fe80::1", Scope::LinkLocal),
            ("febf::1", Scope::LinkLocal),
            ("fec0::1", Scope::Global),
            ("ff02::1", Scope::Multicast),
            ("fd00::1", Scope::UniqueLocal),
            ("2001:db8::1", Scope::Global),
            ("0:1::", Scope::Global),
        ] {
            assert_eq!(Scope::of(&at(text)), expected, "{text}");
            assert_eq!(words(address(&at(text))), at(text));
        }
    }

    #[test]
    fn networks() {
        let network = |text: &str, len| Network6::of(Ipv6Cidr::new(text.parse().expect("an address"), len));
        let lan = network("2001:db8:1:2::99", 64);
        assert!(lan.contains(&at("2001:db8:1:2:ffff::")) && !lan.contains(&at("2001:db8:1:3::")));
        let pair = network("2001:4860:4860::8888", 127);
        assert!(pair.contains(&at("2001:4860:4860::8889")) && !pair.contains(&at("2001:4860:4860::888a")));
        assert!(network("::", 0).contains(&at("2001:db8::1")));
        let host = network("2001:db8::1", 128);
        assert!(host.contains(&at("2001:db8::1")) && !host.contains(&at("2001:db8::")));
        let odd = network("2001:db8:f800::", 37);
        assert!(odd.contains(&at("2001:db8:ffff::")) && !odd.contains(&at("2001:db8:f000::")));
    }

    #[test]
    fn made_up_addresses() {
        assert_eq!(solicited_node(&at("2001:db8::1234:5678:9abc")), at("ff02::1:ff78:9abc"));
        let mac = gatelet_wire::EthernetAddress([0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE]);
        assert_eq!(link_local(interface_identifier(mac)), at("fe80::3656:78ff:fe9a:bcde"));
    }
}
