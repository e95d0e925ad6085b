//! The way from the concentrator to one client: addresses, VLAN and session of every frame it sends there.

use gatelet_wire::ethernet::{self, Header, MIN_FRAME_LEN, VlanTag};
use gatelet_wire::ppp::{Code, Protocol, Writer};
use gatelet_wire::pppoe::{self, emit_session_header};
use smoltcp::wire::EthernetAddress;

use crate::world::Outbox;

/// Room for headers and padding around a PPP packet.
const MARGIN: usize = 80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    /// The concentrator.
    pub(super) ac: EthernetAddress,
    pub(super) client: EthernetAddress,
    pub(super) vlan: Option<VlanTag>,
    pub(super) session_id: u16,
}

impl Path {
    /// Sends a PPP packet of at most `room` octets.
    pub(super) fn ppp(&self, out: &mut Outbox, room: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        out.send_with(room + MARGIN, |buffer| {
            let start = self.header(ethernet::PPPOE_SESSION, buffer);
            let (header, packet) = buffer[start..].split_at_mut(pppoe::HEADER_LEN);
            let len = write(packet);
            if let Ok(header) = header.try_into() {
                emit_session_header(header, self.session_id, len as u16);
            }
            (start + pppoe::HEADER_LEN + len).max(MIN_FRAME_LEN)
        });
    }

    /// Sends a control packet.
    pub(super) fn control(
        &self,
        out: &mut Outbox,
        protocol: Protocol,
        code: Code,
        identifier: u8,
        data: &[u8],
    ) {
        self.ppp(out, data.len() + 6, |buffer| {
            Writer::new(buffer, protocol, code, identifier).bytes(data).finish().unwrap_or(0)
        });
    }

    /// Sends a discovery packet that `write` puts down.
    pub(super) fn discovery(&self, out: &mut Outbox, write: impl FnOnce(&mut [u8]) -> usize) {
        out.send_with(1526, |buffer| {
            let start = self.header(ethernet::PPPOE_DISCOVERY, buffer);
            (start + write(&mut buffer[start..])).max(MIN_FRAME_LEN)
        });
    }

    fn header(&self, ether_type: u16, buffer: &mut [u8]) -> usize {
        let header = Header { destination: self.client, source: self.ac, vlan: self.vlan, ether_type };
        header.emit(buffer).unwrap_or(0)
    }
}
