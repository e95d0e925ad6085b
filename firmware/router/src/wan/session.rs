//! A live session: its PPP, what PPP has brought up, and the headers of its data.

use gatelet_hal::Frame;
use gatelet_proto::ppp::{Link, LinkConfig};
use gatelet_proto::pppoe::Session;
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use gatelet_wire::ppp::{PROTOCOL_LEN, Protocol};
use gatelet_wire::pppoe::{self, SESSION_OVERHEAD};
use heapless::Vec;
use smoltcp::time::Instant;

use super::Place;
use super::event::{Ipv4Status, Ipv6Status};
use crate::Dropped;

/// Ethernet with a tag, and `PPPoE`: the longest that goes before a PPP packet.
const HEADERS_MAX: usize = ethernet::HEADER_LEN + ethernet::VLAN_LEN + pppoe::HEADER_LEN;

/// A session and everything that is gone with it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) session: Session,
    pub(super) link: Link,
    pub(super) ipv4: Option<Ipv4Status>,
    pub(super) ipv6: Option<Ipv6Status>,
    /// The longest IP packet: what both sides can receive, and the path has not disproved.
    pub(super) mtu: u16,
    /// When the first network protocol opened.
    pub(super) up_since: Option<Instant>,
    /// The redial engine lets us authenticate from then on.
    pub(super) authenticate_at: Option<Instant>,
    /// Ethernet and `PPPoE` header of everything we send, LENGTH still 0.
    headers: Vec<u8, HEADERS_MAX>,
}

impl Live {
    pub(super) fn new(
        session: Session,
        config: LinkConfig,
        mac: EthernetAddress,
        vlan: Option<VlanTag>,
    ) -> Self {
        let mtu = config.mru;
        let mut headers = Vec::new();
        let header =
            Header { destination: session.ac_mac, source: mac, vlan, ether_type: ethernet::PPPOE_SESSION };
        let mut bytes = [0; HEADERS_MAX];
        if let Ok(len) = header.emit(&mut bytes) {
            let mut session_header = [0; pppoe::HEADER_LEN];
            pppoe::emit_session_header(&mut session_header, session.id, 0);
            // Both together are as long as HEADERS_MAX at most.
            let _ = headers.extend_from_slice(&bytes[..len]);
            let _ = headers.extend_from_slice(&session_header);
        }
        Self {
            session,
            link: Link::new(config),
            ipv4: None,
            ipv6: None,
            mtu,
            up_since: None,
            authenticate_at: None,
            headers,
        }
    }

    /// What goes before every PPP packet, LENGTH 0.
    pub(super) fn headers(&self) -> &[u8] {
        &self.headers
    }

    pub(super) const fn is_up(&self) -> bool {
        self.ipv4.is_some() || self.ipv6.is_some()
    }

    /// Whether data of this protocol may flow (RFC 1661 §3.5).
    pub(super) const fn carries(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Ipv4 => self.ipv4.is_some(),
            Protocol::Ipv6 => self.ipv6.is_some(),
            _ => false,
        }
    }

    /// Makes the IP packet in `frame` an Ethernet frame of this session: the headers go into the
    /// headroom.
    pub(super) fn encapsulate(&self, frame: &mut Frame<'_>) -> Result<(), Dropped> {
        let protocol = match frame.bytes().first().map(|byte| byte >> 4) {
            Some(4) => Protocol::Ipv4,
            Some(6) => Protocol::Ipv6,
            _ => return Err(Dropped::NotIp),
        };
        if !self.carries(protocol) {
            return Err(Dropped::NetworkDown);
        }
        if frame.len() > usize::from(self.mtu) {
            return Err(Dropped::TooLong);
        }
        let field = frame.push_front(PROTOCOL_LEN).ok_or(Dropped::NoHeadroom)?;
        field.copy_from_slice(&u16::from(protocol).to_be_bytes());
        self.push_headers(frame)
    }

    /// Puts Ethernet and `PPPoE` header before the PPP packet in `frame`.
    pub(super) fn push_headers(&self, frame: &mut Frame<'_>) -> Result<(), Dropped> {
        let length = (frame.len() as u16).to_be_bytes();
        let room = frame.push_front(self.headers.len()).ok_or(Dropped::NoHeadroom)?;
        room.copy_from_slice(&self.headers);
        if let Some(field) = room.last_chunk_mut() {
            *field = length;
        }
        Ok(())
    }
}

/// Strips a frame of the session stage down to its IP packet.
pub(super) fn decapsulate(frame: &mut Frame<'_>, place: Place) -> Result<(), Dropped> {
    if place.payload_len < PROTOCOL_LEN || !frame.pull_front(place.header_len + SESSION_OVERHEAD) {
        return Err(Dropped::Malformed);
    }
    frame.truncate(place.payload_len - PROTOCOL_LEN);
    Ok(())
}
