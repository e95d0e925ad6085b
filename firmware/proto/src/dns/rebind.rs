//! Which addresses no answer from outside may contain: a page from outside could else make a browser
//! talk to hosts of the LAN as if they were its own (DNS rebinding).

use gatelet_wire::dns::{NameBuf, Record};
use gatelet_wire::{IpAddress, Ipv4Address, Ipv6Address};

use super::NameList;

/// Which addresses are kept out of whose answers.
#[derive(Debug)]
pub(super) struct Rebind {
    /// Names that may have any address, with all below them.
    pub(super) exceptions: NameList,
    /// A name that may for now.
    pub(super) relaxed: Option<NameBuf>,
}

impl Rebind {
    pub(super) const fn new() -> Self {
        Self { exceptions: NameList::new(), relaxed: None }
    }

    /// Whether `name` may have any address.
    pub(super) fn is_exempt(&self, name: &NameBuf) -> bool {
        // Windows takes the Internet for absent unless this name has an address of documentation and a
        // unique local one.
        let windows = NameBuf::from_text("dns.msftncsi.com");
        windows.is_ok_and(|windows| name.eq_ignore_ascii_case(&windows))
            || self.relaxed.as_ref().is_some_and(|relaxed| name.eq_ignore_ascii_case(relaxed))
            || self.exceptions.iter().any(|exception| name.is_within(&exception))
    }
}

/// The first address of the LAN's kind in a record, hints of service bindings included.
pub(super) fn private_address(record: &Record<'_>) -> Option<IpAddress> {
    record.address().into_iter().chain(record.svc_hints()).find(|address| match address {
        IpAddress::Ipv4(address) => is_private_ipv4(*address),
        IpAddress::Ipv6(address) => is_private_ipv6(*address),
    })
}

/// This host (RFC 1122), private (RFC 1918), shared (RFC 6598), loopback, link-local (RFC 3927).
fn is_private_ipv4(address: Ipv4Address) -> bool {
    let [first, second, ..] = address.octets();
    first == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || (first == 100 && second & 0xC0 == 64)
}

/// Unspecified, loopback, link-local, site-local (RFC 3879), unique local (RFC 4193), and what
/// contains such an IPv4 address: mapped, compatible (RFC 4291 §2.5.5) and NAT64 (RFC 6052 §2.1).
fn is_private_ipv6(address: Ipv6Address) -> bool {
    let [first, ..] = address.segments();
    let [.., a, b, c, d] = address.octets();
    let embeds_ipv4 =
        matches!(address.segments(), [0, 0, 0, 0, 0, 0 | 0xFFFF, ..] | [0x64, 0xFF9B, 0, 0, 0, 0, ..]);
    address.is_loopback()
        || address.is_unspecified()
        || first & 0xFE00 == 0xFC00
        || first & 0xFF80 == 0xFE80
        || (embeds_ipv4 && is_private_ipv4(Ipv4Address::new(a, b, c, d)))
}
