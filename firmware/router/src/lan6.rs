//! The home network's side of IPv6: Router Advertisements and the stateless DHCPv6 server.
//!
//! Reading list: RFC 7084 §4.3 (a home router's LAN); RFC 9096 (prefixes that change).

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, Pool, PortId};
use gatelet_proto::dhcpv6::duid_ll;
use gatelet_proto::dhcpv6::server::{self, Server};
use gatelet_proto::ra::router::{Config, Event, Router};
use gatelet_proto::ra::{link_local, modified_eui_64, with_interface_id};
use gatelet_wire::dhcpv6::{CLIENT_PORT, SERVER_PORT};
use gatelet_wire::{EthernetAddress, Ipv6Address, Ipv6Cidr};
use heapless::String;
use smoltcp::time::Instant;
use smoltcp::wire::IpProtocol;

use crate::Dropped;
use crate::ipv6::{HEADERS_LEN, udp_payload, wrap_udp};

/// The LAN's machines.
#[derive(Debug)]
pub(crate) struct Lan6 {
    mac: EthernetAddress,
    pub(crate) router: Router,
    server: Server,
}

/// Octets of the longest message of DHCPv6 that we answer with.
const DHCPV6_MOST: usize = 900;

impl Lan6 {
    pub(crate) fn new(now: Instant, rng: &mut ChaCha8Rng, mac: EthernetAddress) -> Self {
        let mut router = Router::new(Config { link_local: link_local(modified_eui_64(mac)), mac });
        router.link_up(now, rng);
        Self { mac, router, server: Server::new(server::Config::new(duid_ll(mac))) }
    }

    pub(crate) const fn mac(&self) -> EthernetAddress {
        self.mac
    }

    pub(crate) fn link_local(&self) -> Ipv6Address {
        link_local(modified_eui_64(self.mac))
    }

    /// Our address in a /64 of the LAN.
    pub(crate) fn address_in(&self, prefix: Ipv6Cidr) -> Ipv6Cidr {
        Ipv6Cidr::new(with_interface_id(prefix.address(), modified_eui_64(self.mac)), prefix.prefix_len())
    }

    /// Whom hosts are to ask for names.
    pub(crate) fn set_dns_servers(&mut self, now: Instant, servers: &[Ipv6Address]) {
        self.router.set_dns_servers(now, servers);
        self.server.config.dns_servers = servers.iter().copied().take(server::DNS_SERVERS).collect();
    }

    /// Where a captive portal's API is; empty: there is none.
    pub(crate) fn set_captive_portal_uri(&mut self, now: Instant, uri: &str) {
        self.router.set_captive_portal_uri(now, uri);
        if self.server.config.captive_portal_uri != uri {
            self.server.config.captive_portal_uri = String::try_from(uri).unwrap_or_default();
        }
    }

    /// Takes an IPv6 packet: an ICMPv6 message, or one for the DHCPv6 server, whose answer comes back as a packet.
    pub(crate) fn handle_packet<'p>(
        &mut self,
        now: Instant,
        pool: Pool<'p>,
        packet: &[u8],
    ) -> Result<Option<Frame<'p>>, Dropped> {
        if packet.get(6).copied().map(IpProtocol::from) == Some(IpProtocol::Icmpv6) {
            // Why it was not taken, it has counted.
            return self
                .router
                .handle_packet(now, packet)
                .map(|()| None)
                .map_err(|_| Dropped::ControlRefused);
        }
        let (client, payload) = udp_payload(packet, SERVER_PORT).ok_or(Dropped::ControlRefused)?;
        if !client.is_unicast_link_local() {
            return Err(Dropped::ControlRefused);
        }
        let mut frame = packet_frame(pool).ok_or(Dropped::OutOfFrames)?;
        let room = frame.push_back(HEADERS_LEN + DHCPV6_MOST).ok_or(Dropped::OutOfFrames)?;
        let message = room.get_mut(HEADERS_LEN..).ok_or(Dropped::OutOfFrames)?;
        let len = self.server.handle_message(payload, message).map_err(|_| Dropped::ControlRefused)?;
        let ends = (self.link_local(), client);
        let len = wrap_udp(room, ends, (SERVER_PORT, CLIENT_PORT), len).ok_or(Dropped::ControlRefused)?;
        frame.truncate(len);
        Ok(Some(frame))
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.router.poll_event()
    }
}

/// An empty frame with room for the headers of any link before an IPv6 packet.
pub(crate) fn packet_frame(pool: Pool<'_>) -> Option<Frame<'_>> {
    let mut frame = pool.take(PortId::LOCAL)?;
    frame.clear(Frame::IP_HEADROOM);
    Some(frame)
}
