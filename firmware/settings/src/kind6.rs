//! Readers of what is IPv6's.

use gatelet_wire::{Ipv6Address, Ipv6Cidr};

use crate::Reason;
use crate::kind::number;

/// The address of a host that others can reach, be it on the Internet or in a network of one's own (RFC 4291 §2.4).
pub(crate) fn host(text: &str) -> Result<Ipv6Address, Reason> {
    let address = text.parse().map_err(|_| {
        Reason::Says("it is an IPv6 address: groups of hexadecimal digits, with colons between")
    })?;
    if is_host(address) {
        Ok(address)
    } else {
        Err(Reason::Says("it is not the address of one machine that others can reach"))
    }
}

fn is_host(address: Ipv6Address) -> bool {
    // The first 64 bits of what is made of IPv4 addresses, of ::1 and of ::.
    let is_special = address.to_bits() >> 64 == 0;
    !is_special && !address.is_multicast() && !address.is_unicast_link_local()
}

/// An address and the length of a prefix, each in its text.
pub(crate) fn cidr(address: &str, len: &str) -> Option<Ipv6Cidr> {
    let len = number::<u8>(len).filter(|len| *len <= 128)?;
    Some(Ipv6Cidr::new(address.parse().ok()?, len))
}

/// The network that an address is in.
pub(crate) fn network_of(cidr: Ipv6Cidr) -> Ipv6Cidr {
    gatelet_wire::ndp::network(cidr.address(), cidr.prefix_len())
}

/// Our address in a tunnel.
pub(crate) fn interface(text: &str) -> Result<Ipv6Cidr, Reason> {
    const FORM: Reason =
        Reason::Says("behind the IPv6 address and a slash, the length of the prefix: 127 or 64");
    let (address, len) = text.split_once('/').ok_or(FORM)?;
    host(address)?;
    let cidr = cidr(address, len).filter(|cidr| matches!(cidr.prefix_len(), 64 | 127)).ok_or(FORM)?;
    if cidr.prefix_len() == 64 && network_of(cidr).address() == cidr.address() {
        return Err(Reason::Says("this address stands for all routers of the network (RFC 4291)"));
    }
    Ok(cidr)
}

/// A prefix that is given to a network, of which each LAN has a /64.
pub(crate) fn network(text: &str, is_local: bool) -> Result<Ipv6Cidr, Reason> {
    const FORM: Reason = Reason::Says("it is an IPv6 prefix: behind a slash, its length from 48 to 64");
    let (address, len) = text.split_once('/').ok_or(FORM)?;
    let cidr = cidr(address, len).filter(|cidr| (48..=64).contains(&cidr.prefix_len())).ok_or(FORM)?;
    let [first, ..] = cidr.address().octets();
    match (is_local, first) {
        (true, 0xFD) => Ok(network_of(cidr)),
        (true, _) => {
            Err(Reason::Says("a network's own prefix begins with fd and ten digits by chance (RFC 4193)"))
        }
        (false, 0xFC | 0xFD) => {
            Err(Reason::Says("the Internet does not know this prefix: it is for use at home"))
        }
        (false, _) if is_host(network_of(cidr).address()) => Ok(network_of(cidr)),
        (false, _) => Err(Reason::Says("no network can have this prefix")),
    }
}

/// `inherit`, or a number.
pub(crate) fn dscp(text: &str) -> Result<Option<u8>, Reason> {
    if text == "inherit" {
        return Ok(None);
    }
    let dscp = number::<u8>(text).filter(|dscp| *dscp < 64);
    dscp.map(Some).ok_or(Reason::Says("it is inherit, or a DSCP from 0 to 63"))
}
