//! The home network's side: its address, its DHCP server.
//!
//! The router is the only owner of the DHCP server, because it owns ARP: an address is asked for on the wire before it is
//! given away. What the server says leaves as whole frames; a client without an address cannot be asked for one.

use core::ops::Range;

use gatelet_hal::{Frame, Pool, PortId};
use gatelet_proto::dhcp::server::{self, Lease, LeaseRecord, Server, Store};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr};

use crate::Dropped;

/// Everything about the LAN.
#[derive(Debug, Clone)]
pub struct LanConfig {
    /// The port that faces the home network.
    pub port: PortId,
    /// The router's own address there, and the network's length.
    pub address: Ipv4Cidr,
    /// What the DHCP server hands out; `None` turns it off.
    pub dhcp: Option<server::Config>,
}

impl LanConfig {
    /// A network whose upper half is for DHCP, with the domain `lan`.
    pub fn new(port: PortId, address: Ipv4Cidr) -> Self {
        let mut dhcp = server::Config::new(address);
        dhcp.domain_name = DOMAIN.try_into().unwrap_or_default();
        Self { port, address, dhcp: Some(dhcp) }
    }
}

/// The domain of a home's hosts (RFC 6762, appendix G, on private names in use; `home.arpa` is longer to type).
const DOMAIN: &str = "lan";

/// The LAN.
#[derive(Debug)]
pub(crate) struct Lan<'p> {
    pub(crate) config: LanConfig,
    server: Server<'p>,
    /// Whether the server is to be heard.
    serves: bool,
}

impl<'p> Lan<'p> {
    /// The LAN of `config`, whose leases have `leases` as their memory.
    pub(crate) fn new(config: LanConfig, leases: &'p mut [Lease]) -> Result<Self, server::ConfigError> {
        let serves = config.dhcp.is_some();
        let dhcp = config.dhcp.clone().unwrap_or_else(|| server::Config::new(config.address));
        Ok(Self { server: Server::new(dhcp, leases)?, config, serves })
    }

    /// Uses other settings.
    pub(crate) fn set_config(&mut self, config: LanConfig) -> Result<(), server::ConfigError> {
        if let Some(dhcp) = &config.dhcp {
            self.server.set_config(dhcp.clone())?;
        }
        self.serves = config.dhcp.is_some();
        self.config = config;
        Ok(())
    }

    pub(crate) const fn server(&self) -> &Server<'p> {
        &self.server
    }

    pub(crate) fn restore(&mut self, now: Instant, records: impl IntoIterator<Item = (usize, LeaseRecord)>) {
        self.server.restore(now, records);
    }

    pub(crate) fn set_captive_portal_uri(&mut self, uri: &str) {
        self.server.set_captive_portal_uri(uri);
    }

    pub(crate) fn handle_dhcp(
        &mut self,
        now: Instant,
        source: EthernetAddress,
        from: Ipv4Address,
        payload: Range<usize>,
        frame: &Frame<'p>,
    ) -> Result<(), Dropped> {
        let message = frame.bytes().get(payload).ok_or(Dropped::Malformed)?;
        if !self.serves {
            return Err(Dropped::DhcpRefused);
        }
        let taken = self.server.handle_message(now, source, from, message);
        taken.map_err(|_| Dropped::DhcpRefused)
    }

    /// An address that is to be looked for on the wire.
    pub(crate) fn poll_probe(&mut self, now: Instant) -> Option<Ipv4Address> {
        self.server.poll_probe(now)
    }

    /// Somebody on the LAN has this address.
    pub(crate) fn handle_claim(&mut self, now: Instant, address: Ipv4Address, mac: EthernetAddress) {
        self.server.handle_probe_answer(now, address, mac);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.server.poll_at()
    }

    pub(crate) fn poll_store(&mut self, now: Instant) -> Option<Store> {
        self.server.poll_store(now)
    }

    pub(crate) fn poll_event(&mut self) -> Option<server::Event> {
        self.server.poll_event()
    }

    /// The next message of the server as a frame from `mac`; `None` if there is none, or no frame for it.
    pub(crate) fn poll_transmit(&mut self, pool: Pool<'p>, mac: EthernetAddress) -> Option<Frame<'p>> {
        if !self.server.has_transmit() {
            return None;
        }
        let mut frame = pool.take(PortId::LOCAL)?;
        let room = frame.push_back(HEADERS_LEN + DHCP_MOST)?;
        let (headers, payload) = room.split_at_mut(HEADERS_LEN);
        let reply = self.server.poll_transmit(payload)?;
        let header = Header {
            destination: reply.destination.mac,
            source: mac,
            vlan: None,
            ether_type: ethernet::IPV4,
        };
        header.emit(headers).ok()?;
        let udp = UdpRepr { src_port: SERVER_PORT, dst_port: CLIENT_PORT };
        let ip = Ipv4Repr {
            src_addr: self.config.address.address(),
            dst_addr: reply.destination.ip,
            next_header: IpProtocol::Udp,
            payload_len: udp.header_len() + reply.len,
            hop_limit: 64,
        };
        let checksums = ChecksumCapabilities::default();
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut headers[ethernet::HEADER_LEN..]), &checksums);
        let (source, destination) = (IpAddress::Ipv4(ip.src_addr), IpAddress::Ipv4(ip.dst_addr));
        let len = reply.len;
        let datagram = frame.bytes_mut().get_mut(HEADERS_LEN - udp.header_len()..HEADERS_LEN + len)?;
        let mut packet = UdpPacket::new_unchecked(datagram);
        packet.set_src_port(udp.src_port);
        packet.set_dst_port(udp.dst_port);
        packet.set_len((udp.header_len() + len) as u16);
        packet.fill_checksum(&source, &destination);
        frame.truncate(HEADERS_LEN + len);
        Some(frame)
    }
}

/// Ethernet, IPv4 and UDP.
const HEADERS_LEN: usize = ethernet::HEADER_LEN + 20 + 8;
/// What every DHCP client can receive (RFC 2131 §2: 576 bytes of IP).
const DHCP_MOST: usize = 576 - 20 - 8;
/// RFC 2131 §4.1.
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
