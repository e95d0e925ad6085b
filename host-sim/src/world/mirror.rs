//! Not a concentrator but a faulty line that ends in a loop: discovery is answered, and from then on every
//! frame of the session comes back as it was sent (RFC 1661 §6.4 is about exactly this).

use gatelet_wire::ethernet::{self, Header};
use gatelet_wire::pppoe::{Code, Packet, TagKind, TagSet, Writer};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use super::{Node, Outbox};

const MIRROR_MAC: EthernetAddress = EthernetAddress([0x02, 0xAC, 0, 0, 0, 9]);
const SESSION_ID: u16 = 0x0100;
const ROOM: usize = 1514;

/// The loop.
#[derive(Debug, Default)]
pub struct Mirror {}

impl Node for Mirror {
    fn handle_frame(&mut self, _now: Instant, frame: &[u8], out: &mut Outbox) {
        let Ok((header, payload)) = Header::parse(frame) else { return };
        let Ok(packet) = Packet::parse(payload) else { return };
        let to_us = header.destination == MIRROR_MAC;
        let (code, session_id) = match (header.ether_type, packet.code) {
            (ethernet::PPPOE_DISCOVERY, Code::Padi) => (Code::Pado, 0),
            (ethernet::PPPOE_DISCOVERY, Code::Padr) if to_us => (Code::Pads, SESSION_ID),
            (ethernet::PPPOE_SESSION, _) if to_us => {
                out.send_with(frame.len(), |buffer| {
                    buffer.copy_from_slice(frame);
                    buffer[..6].copy_from_slice(header.source.as_bytes());
                    buffer[6..12].copy_from_slice(MIRROR_MAC.as_bytes());
                    frame.len()
                });
                return;
            }
            _ => return,
        };
        let Ok(tags) = TagSet::parse(&packet) else { return };
        let reply = Header { destination: header.source, source: MIRROR_MAC, ..header };
        out.send_with(ROOM, |buffer| {
            let Ok(len) = reply.emit(buffer) else { return 0 };
            let mut writer = Writer::new(&mut buffer[len..], code, session_id);
            writer.push(TagKind::ServiceName, tags.service_name.unwrap_or_default());
            writer.push(TagKind::AcName, b"loop").push_some(TagKind::HostUniq, tags.host_uniq);
            writer.finish().map_or(0, |written| (len + written).max(ethernet::MIN_FRAME_LEN))
        });
    }

    fn handle_timeout(&mut self, _now: Instant, _out: &mut Outbox) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }
}
