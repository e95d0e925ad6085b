//! Router Solicitations and Advertisements as the simulated computers and carriers read and write them. They are not
//! the router's own formats: whoever is under test is not measured by what it has made itself.
//!
//! Reading list: RFC 4861 §4.1 and §4.2 (messages), §4.6 (options), §6.1 (what is valid); RFC 4862 §5.5.3 (prefixes);
//! RFC 8106 §5.1 (RDNSS); RFC 8910 §2.3 (captive portals).

use smoltcp::time::Duration;
use smoltcp::wire::{
    EthernetAddress, EthernetProtocol, Icmpv6Packet, IpProtocol, Ipv6Address, Ipv6Cidr, Ipv6Packet,
};

use super::packet;

/// `ff02::1` and `ff02::2` (RFC 4291 §2.7.1).
pub const ALL_NODES: Ipv6Address = Ipv6Address::new(0xFF02, 0, 0, 0, 0, 0, 0, 1);
/// All routers.
pub const ALL_ROUTERS: Ipv6Address = Ipv6Address::new(0xFF02, 0, 0, 0, 0, 0, 0, 2);

/// RFC 4861 §6.1: what comes from the link itself.
const HOP_LIMIT: u8 = 255;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
const PREFIX_INFORMATION: u8 = 3;
const MTU: u8 = 5;
const RDNSS: u8 = 25;
const CAPTIVE_PORTAL: u8 = 37;
/// Flags of the message, and of a prefix.
const MANAGED: u8 = 0x80;
const OTHER: u8 = 0x40;
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;

/// A Router Advertisement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// For how long its sender is a default router; zero: not any more.
    pub lifetime: Duration,
    /// There are addresses by DHCPv6 (M).
    pub managed: bool,
    /// There is other configuration by DHCPv6 (O).
    pub other: bool,
    /// Its sender's address on the link layer.
    pub mac: Option<EthernetAddress>,
    /// The MTU of the link, in octets.
    pub mtu: Option<u32>,
    /// The prefixes.
    pub prefixes: Vec<Prefix>,
    /// DNS servers.
    pub dns: Vec<Ipv6Address>,
    /// For how long they may be asked.
    pub dns_lifetime: Duration,
    /// DNS servers that may not be asked any more.
    pub old_dns: Vec<Ipv6Address>,
    /// Where a captive portal's API is.
    pub portal: Option<String>,
}

/// A prefix in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The prefix.
    pub cidr: Ipv6Cidr,
    /// Whether what it covers is on the link.
    pub on_link: bool,
    /// Whether hosts make themselves addresses of it.
    pub autonomous: bool,
    /// For how long such an address is valid.
    pub valid: Duration,
    /// For how long it is for new connections.
    pub preferred: Duration,
}

impl Advertisement {
    /// Reads one, with who has sent it, if a packet is one. `Some(Err)`: it says so and is none.
    pub fn parse(bytes: &[u8]) -> Option<Result<(Ipv6Address, Self), &'static str>> {
        let (protocol, message) = packet::ipv6_payload(bytes)?;
        let is_one = protocol == IpProtocol::Icmpv6 && message.first() == Some(&ROUTER_ADVERTISEMENT);
        is_one.then(|| Self::read(bytes, message))
    }

    fn read(bytes: &[u8], message: &[u8]) -> Result<(Ipv6Address, Self), &'static str> {
        const FIXED: usize = 16;
        let packet = Ipv6Packet::new_unchecked(bytes);
        let (from, to) = (packet.src_addr(), packet.dst_addr());
        let checked = Icmpv6Packet::new_checked(message).map_err(|_| "it is cut short")?;
        if !checked.verify_checksum(&from, &to) {
            return Err("its checksum is wrong");
        }
        if packet.hop_limit() != HOP_LIMIT || !is_link_local(from) || message[1] != 0 {
            return Err("its hop limit, its source or its code is wrong");
        }
        let (fixed, mut options) = message.split_at_checked(FIXED).ok_or("it is cut short")?;
        let mut read = Self {
            lifetime: Duration::from_secs(u64::from(u16::from_be_bytes([fixed[6], fixed[7]]))),
            managed: fixed[5] & MANAGED != 0,
            other: fixed[5] & OTHER != 0,
            ..Self::default()
        };
        while let Some(&[kind, length]) = options.first_chunk() {
            let (option, rest) = match usize::from(length) {
                0 => return Err("an option has no length"),
                length => options.split_at_checked(8 * length).ok_or("an option is cut short")?,
            };
            read.take_option(kind, option)?;
            options = rest;
        }
        if options.is_empty() { Ok((from, read)) } else { Err("an octet is left over") }
    }

    fn take_option(&mut self, kind: u8, option: &[u8]) -> Result<(), &'static str> {
        let seconds = |at: usize| u32_at(option, at).map(|seconds| Duration::from_secs(u64::from(seconds)));
        match kind {
            SOURCE_LINK_LAYER_ADDRESS => {
                self.mac = option.get(2..8).map(EthernetAddress::from_bytes);
            }
            MTU => self.mtu = Some(u32_at(option, 4).ok_or("the MTU is cut short")?),
            PREFIX_INFORMATION => {
                let (Some(valid), Some(preferred), Some(address), Some(&[length, flags])) = (
                    seconds(4),
                    seconds(8),
                    address_at(option, 16),
                    option.get(2..).and_then(|o| o.first_chunk()),
                ) else {
                    return Err("a prefix is cut short");
                };
                if length > 128 || preferred > valid {
                    return Err("a prefix makes no sense");
                }
                self.prefixes.push(Prefix {
                    cidr: Ipv6Cidr::new(address, length),
                    on_link: flags & ON_LINK != 0,
                    autonomous: flags & AUTONOMOUS != 0,
                    valid,
                    preferred,
                });
            }
            RDNSS => {
                let lifetime = seconds(4).ok_or("RDNSS is cut short")?;
                if option.len() < 24 || option.len() % 16 != 8 {
                    return Err("RDNSS is of an odd length");
                }
                let servers = if lifetime == Duration::ZERO {
                    &mut self.old_dns
                } else {
                    self.dns_lifetime = lifetime;
                    &mut self.dns
                };
                servers.extend((8..option.len()).step_by(16).filter_map(|at| address_at(option, at)));
            }
            CAPTIVE_PORTAL => {
                let uri = option[2..].split(|octet| *octet == 0).next().unwrap_or_default();
                self.portal = Some(String::from_utf8_lossy(uri).into_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes it.
    pub fn emit(&self, from: Ipv6Address, to: Ipv6Address) -> Vec<u8> {
        const OWN_HOP_LIMIT: u8 = 64;
        let seconds = |duration: Duration| (duration.secs().min(u64::from(u32::MAX)) as u32).to_be_bytes();
        let flags = if self.managed { MANAGED } else { 0 } | if self.other { OTHER } else { 0 };
        let mut body = vec![OWN_HOP_LIMIT, flags];
        body.extend_from_slice(&(self.lifetime.secs() as u16).to_be_bytes());
        body.extend_from_slice(&[0; 8]); // reachable and retransmission time: nothing said
        if let Some(mac) = self.mac {
            body.extend_from_slice(&[SOURCE_LINK_LAYER_ADDRESS, 1]);
            body.extend_from_slice(mac.as_bytes());
        }
        if let Some(mtu) = self.mtu {
            body.extend_from_slice(&[MTU, 1, 0, 0]);
            body.extend_from_slice(&mtu.to_be_bytes());
        }
        for prefix in &self.prefixes {
            let on_link = if prefix.on_link { ON_LINK } else { 0 };
            let flags = on_link | if prefix.autonomous { AUTONOMOUS } else { 0 };
            body.extend_from_slice(&[PREFIX_INFORMATION, 4, prefix.cidr.prefix_len(), flags]);
            body.extend_from_slice(&seconds(prefix.valid));
            body.extend_from_slice(&seconds(prefix.preferred));
            body.extend_from_slice(&[0; 4]);
            body.extend_from_slice(&prefix.cidr.address().octets());
        }
        for (servers, lifetime) in [(&self.dns, self.dns_lifetime), (&self.old_dns, Duration::ZERO)] {
            if !servers.is_empty() {
                body.extend_from_slice(&[RDNSS, 1 + 2 * servers.len() as u8, 0, 0]);
                body.extend_from_slice(&seconds(lifetime));
                body.extend(servers.iter().flat_map(Ipv6Address::octets));
            }
        }
        if let Some(uri) = &self.portal {
            let units = (2 + uri.len()).div_ceil(8);
            body.extend_from_slice(&[CAPTIVE_PORTAL, units as u8]);
            body.extend_from_slice(uri.as_bytes());
            body.resize(body.len() + 8 * units - 2 - uri.len(), 0);
        }
        packet::icmpv6(from, to, HOP_LIMIT, (ROUTER_ADVERTISEMENT, 0), &body)
    }
}

/// Whether a packet is a Router Solicitation.
pub fn is_solicitation(bytes: &[u8]) -> bool {
    packet::ipv6_payload(bytes).is_some_and(|(protocol, message)| {
        protocol == IpProtocol::Icmpv6
            && message.first() == Some(&ROUTER_SOLICITATION)
            && Ipv6Packet::new_unchecked(bytes).hop_limit() == HOP_LIMIT
    })
}

/// A Router Solicitation in its frame.
pub fn solicit_router(mac: EthernetAddress, from: Ipv6Address) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&[SOURCE_LINK_LAYER_ADDRESS, 1]);
    body.extend_from_slice(mac.as_bytes());
    let packet = packet::icmpv6(from, ALL_ROUTERS, HOP_LIMIT, (ROUTER_SOLICITATION, 0), &body);
    packet::ethernet(mac, multicast_mac(ALL_ROUTERS), EthernetProtocol::Ipv6, &packet)
}

/// In its frame: whether anybody has `address` already (RFC 4862 §5.4.2).
pub fn probe_address(mac: EthernetAddress, address: Ipv6Address) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&address.octets());
    let group = solicited_node(address);
    let kind = (NEIGHBOUR_SOLICITATION, 0);
    let packet = packet::icmpv6(Ipv6Address::UNSPECIFIED, group, HOP_LIMIT, kind, &body);
    packet::ethernet(mac, multicast_mac(group), EthernetProtocol::Ipv6, &packet)
}

/// In its frame: who has `target`?
pub fn solicit_neighbour(mac: EthernetAddress, from: Ipv6Address, target: Ipv6Address) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&target.octets());
    body.extend_from_slice(&[SOURCE_LINK_LAYER_ADDRESS, 1]);
    body.extend_from_slice(mac.as_bytes());
    let group = solicited_node(target);
    let packet = packet::icmpv6(from, group, HOP_LIMIT, (NEIGHBOUR_SOLICITATION, 0), &body);
    packet::ethernet(mac, multicast_mac(group), EthernetProtocol::Ipv6, &packet)
}

/// What neighbours say to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbourly {
    /// Who has `target`?
    Solicitation {
        /// Who is meant.
        target: Ipv6Address,
        /// Who asks, on the link layer.
        mac: Option<EthernetAddress>,
    },
    /// I have.
    Advertisement {
        /// What.
        target: Ipv6Address,
        /// Where, on the link layer.
        mac: Option<EthernetAddress>,
        /// Whether somebody has asked.
        is_solicited: bool,
    },
}

/// The message of that kind in a packet that is in order, if there is one (RFC 4861 §7.1).
pub fn neighbourly(bytes: &[u8]) -> Option<Neighbourly> {
    const FIXED: usize = 24;
    const SOLICITED: u8 = 0x40;
    let (protocol, message) = packet::ipv6_payload(bytes)?;
    let is_near = Ipv6Packet::new_unchecked(bytes).hop_limit() == HOP_LIMIT;
    let (fixed, options) =
        message.split_at_checked(FIXED).filter(|_| is_near && protocol == IpProtocol::Icmpv6)?;
    let target = address_at(fixed, 8)?;
    let option = |kind| {
        let option = options.get(..8).filter(|option| option[..2] == [kind, 1])?;
        Some(EthernetAddress::from_bytes(&option[2..]))
    };
    match fixed[0] {
        NEIGHBOUR_SOLICITATION => {
            Some(Neighbourly::Solicitation { target, mac: option(SOURCE_LINK_LAYER_ADDRESS) })
        }
        NEIGHBOUR_ADVERTISEMENT => {
            let (mac, is_solicited) = (option(TARGET_LINK_LAYER_ADDRESS), fixed[4] & SOLICITED != 0);
            Some(Neighbourly::Advertisement { target, mac, is_solicited })
        }
        _ => None,
    }
}

/// A Neighbor Advertisement in its frame: solicited, and to override what was known.
pub fn advertise_neighbour(
    mac: EthernetAddress,
    address: Ipv6Address,
    to_mac: EthernetAddress,
    to: Ipv6Address,
) -> Vec<u8> {
    let mut body = vec![0x60, 0, 0, 0];
    body.extend_from_slice(&address.octets());
    body.extend_from_slice(&[TARGET_LINK_LAYER_ADDRESS, 1]);
    body.extend_from_slice(mac.as_bytes());
    let packet = packet::icmpv6(address, to, HOP_LIMIT, (NEIGHBOUR_ADVERTISEMENT, 0), &body);
    packet::ethernet(mac, to_mac, EthernetProtocol::Ipv6, &packet)
}

/// RFC 4291 §2.5.6.
pub fn is_link_local(address: Ipv6Address) -> bool {
    address.segments()[0] & 0xFFC0 == 0xFE80
}

/// The address of a station in a /64, from its hardware address (RFC 4291, appendix A).
pub fn address_in(prefix: Ipv6Address, mac: EthernetAddress) -> Ipv6Address {
    let (vendor, serial) = mac.0.split_at(3);
    let mut octets = prefix.octets();
    octets[8..11].copy_from_slice(vendor);
    octets[8] ^= 2;
    octets[11..13].copy_from_slice(&[0xFF, 0xFE]);
    octets[13..].copy_from_slice(serial);
    octets.into()
}

/// Where an address is asked for (RFC 4291 §2.7.1).
fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., high, middle, low] = address.octets();
    Ipv6Address::new(0xFF02, 0, 0, 0, 0, 1, 0xFF00 | u16::from(high), u16::from_be_bytes([middle, low]))
}

/// Where a group is on Ethernet (RFC 2464 §7).
pub fn multicast_mac(group: Ipv6Address) -> EthernetAddress {
    let [.., a, b, c, d] = group.octets();
    EthernetAddress([0x33, 0x33, a, b, c, d])
}

fn u32_at(option: &[u8], at: usize) -> Option<u32> {
    option.get(at..)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

fn address_at(option: &[u8], at: usize) -> Option<Ipv6Address> {
    option.get(at..)?.first_chunk::<16>().map(|octets| Ipv6Address::from(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Ipv6Address = Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 1);

    fn advertisement() -> Advertisement {
        Advertisement {
            lifetime: Duration::from_secs(1800),
            managed: false,
            other: true,
            mac: Some(EthernetAddress([2, 0, 0, 0, 0, 9])),
            mtu: Some(1492),
            prefixes: vec![Prefix {
                cidr: "2001:db8:d000::/64".parse().unwrap(),
                on_link: true,
                autonomous: true,
                valid: Duration::from_secs(5400),
                preferred: Duration::from_secs(2700),
            }],
            dns: vec!["2001:db8:53::53".parse().unwrap(), "2001:db8:53::54".parse().unwrap()],
            dns_lifetime: Duration::from_secs(3600),
            old_dns: vec!["2001:db8:53::52".parse().unwrap()],
            portal: Some("https://p.example/ap".into()),
        }
    }

    #[test]
    fn an_advertisement_reads_back_and_a_damaged_one_does_not() {
        let bytes = advertisement().emit(ROUTER, ALL_NODES);
        assert_eq!(packet::inspect(&bytes), Ok(()));
        assert_eq!(Advertisement::parse(&bytes), Some(Ok((ROUTER, advertisement()))));
        // smoltcp reads the same, as far as it reads.
        let packet = Ipv6Packet::new_checked(&bytes[..]).unwrap();
        let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
        assert_eq!(message.router_lifetime(), Duration::from_secs(1800));
        for octet in 8..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[octet] ^= 0x01;
            assert!(!matches!(Advertisement::parse(&damaged), Some(Ok(_))), "octet {octet}");
        }
        let mut far = bytes.clone();
        far[7] = 254;
        assert!(matches!(Advertisement::parse(&far), Some(Err(_))), "from beyond the link");
        assert_eq!(Advertisement::parse(&solicit_router(EthernetAddress([2; 6]), ROUTER)[14..]), None);
    }

    #[test]
    fn addresses_are_made_of_hardware_addresses() {
        let mac = EthernetAddress([0x02, 0x00, 0x5E, 0x10, 0x00, 0x07]);
        let address = address_in("2001:db8:d000:1::".parse().unwrap(), mac);
        assert_eq!(address, "2001:db8:d000:1:0:5eff:fe10:7".parse::<Ipv6Address>().unwrap());
        let probe = probe_address(mac, address);
        assert_eq!(probe[..6], [0x33, 0x33, 0xFF, 0x10, 0x00, 0x07]);
        assert_eq!(packet::inspect(packet::ipv6_in_frame(&probe).unwrap()), Ok(()));
        assert!(is_solicitation(&solicit_router(mac, ROUTER)[14..]));
        let asked = solicit_neighbour(mac, ROUTER, address);
        assert_eq!(packet::inspect(&asked[14..]), Ok(()));
        let question = Neighbourly::Solicitation { target: address, mac: Some(mac) };
        assert_eq!(neighbourly(&asked[14..]), Some(question));
        let answer = advertise_neighbour(mac, address, mac, ROUTER);
        let expected = Neighbourly::Advertisement { target: address, mac: Some(mac), is_solicited: true };
        assert_eq!(neighbourly(&answer[14..]), Some(expected));
    }
}
