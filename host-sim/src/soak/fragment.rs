//! Datagrams in three pieces, in any order, through an open flow: they must come out as what they were, translated.

use chacha20::ChaCha8Rng;
use gatelet_router::Egress;
use rand_core::Rng;
use smoltcp::wire::{IpProtocol, Ipv4Packet};

use super::flow::Flow;
use super::rig::{LAN, Rig, SESSION_HEADER, WAN, host};
use crate::peers::lan::mac;
use crate::peers::packet::{self, Endpoint, Fragment};

const IPV4_HEADER: usize = 20;
const ETHERNET_HEADER: usize = 14;
/// Octets of the first two pieces: a multiple of eight.
const PIECE: usize = 496;
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Sends one up or down. Whether it came out whole; if nothing came out, that is an answer, too: flows are given up when the
/// table is full.
///
/// # Errors
/// What is wrong with what came out.
pub(super) fn pass(flow: &Flow, rig: &mut Rig<'_>, rng: &mut ChaCha8Rng) -> Result<bool, String> {
    let Some((home, remote, outside_port)) = flow.open_udp() else { return Ok(false) };
    let outside = (rig.address, outside_port);
    let random = rng.next_u64();
    let mut data = vec![0; 2 * PIECE + (random >> 32) as usize % PIECE];
    rng.fill_bytes(&mut data);
    let is_up = random & 1 == 0;
    let order = ORDERS[(random >> 8) as usize % ORDERS.len()];
    let (sent, expected) = if is_up {
        (packet::udp(home, remote, &data), packet::udp(outside, remote, &data))
    } else {
        (packet::udp(remote, outside, &data), packet::udp(remote, home, &data))
    };
    let source = mac(usize::from(home.0.octets()[3] - host(0).octets()[3]));
    let ident = (random >> 16) as u16 | 8;
    rig.late.clear();
    rig.late_up.clear();
    let mut pieces = Vec::new();
    for number in order {
        let piece = piece(&sent, ident, number);
        let at_once = if is_up { rig.up(source, &piece) } else { rig.down(&piece) };
        match at_once {
            Some((Egress::Port(WAN), frame)) if is_up => {
                pieces.push(frame.bytes()[SESSION_HEADER..].to_vec());
            }
            Some((Egress::Port(LAN), frame)) if !is_up => {
                pieces.push(frame.bytes()[ETHERNET_HEADER..].to_vec());
            }
            Some((egress, _)) => return Err(format!("a fragment went to {egress:?}")),
            None => {}
        }
        rig.settle();
        pieces.extend(rig.late_up.drain(..).map(|frame| frame[SESSION_HEADER..].to_vec()));
        pieces.extend(rig.late.drain(..).map(|frame| frame[ETHERNET_HEADER..].to_vec()));
    }
    if pieces.is_empty() {
        return Ok(false);
    }
    check(&pieces, &expected).map_err(|what| format!("fragments {order:?}, up: {is_up}: {what}"))?;
    Ok(true)
}

fn piece(datagram: &[u8], ident: u16, number: usize) -> Vec<u8> {
    let packet = Ipv4Packet::new_unchecked(datagram);
    let start = number * PIECE;
    let end = if number < 2 { start + PIECE } else { packet.payload().len() };
    let fragment = Fragment { ident, offset: start as u16, more: number < 2 };
    packet::ipv4(
        packet.src_addr(),
        packet.dst_addr(),
        IpProtocol::Udp,
        fragment,
        &packet.payload()[start..end],
    )
}

/// Whether the pieces are all of the datagram that is expected, and each is in order.
fn check(pieces: &[Vec<u8>], expected: &[u8]) -> Result<(), String> {
    let expected = Ipv4Packet::new_unchecked(expected);
    let mut whole = vec![0; expected.payload().len()];
    let mut octets = 0;
    let mut idents = Vec::new();
    for piece in pieces {
        packet::inspect(piece).map_err(|complaint| format!("{complaint}: {:02x?}", &piece[..IPV4_HEADER]))?;
        let packet = Ipv4Packet::new_unchecked(piece.as_slice());
        let ends: [Endpoint; 2] = [(packet.src_addr(), 0), (packet.dst_addr(), 0)];
        if ends != [(expected.src_addr(), 0), (expected.dst_addr(), 0)] {
            return Err(format!("from {} to {}", packet.src_addr(), packet.dst_addr()));
        }
        let at = usize::from(packet.frag_offset());
        let room = whole.get_mut(at..at + packet.payload().len()).ok_or("beyond the datagram")?;
        room.copy_from_slice(packet.payload());
        octets += packet.payload().len();
        idents.push(packet.ident());
    }
    idents.dedup();
    if octets != whole.len() {
        return Err(format!("{octets} of {} octets", whole.len()));
    }
    if idents.len() != 1 {
        return Err(format!("under {} identifications", idents.len()));
    }
    if whole != expected.payload() {
        return Err(format!("{:02x?}\n  must be {:02x?}", &whole[..8], &expected.payload()[..8]));
    }
    Ok(())
}
