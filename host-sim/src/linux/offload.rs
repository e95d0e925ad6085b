//! What Linux leaves to the hardware: checksums, and cutting a long segment into frames of the wire.
//!
//! A sender on the same machine (a network namespace behind a veth pair, a virtual machine) hands
//! its frames over as a network card would get them: with the sum of the pseudo-header where the
//! checksum is to be, and up to 64 KiB of one TCP connection in one piece. A real card's driver
//! does the like to what it receives (GRO). A packet socket with `PACKET_VNET_HDR` says beside
//! each frame what is still to be done; here it is done, so that the router meets the frames that
//! would have been on a wire.

/// Length of the header beside a frame.
pub const HEADER_LEN: usize = 10;

/// What is still to be done to a frame: `struct virtio_net_hdr` of `<linux/virtio_net.h>`, which
/// is in this machine's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Offload {
    /// Where the summed part begins and where in it the checksum is, if it is to be filled in.
    checksum: Option<(usize, usize)>,
    /// The transport and the payload bytes of a piece, if the frame is to be cut.
    cut: Option<(Transport, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

impl Offload {
    /// Reads the header; `None` for a kind of frame that is unknown here.
    pub fn parse(header: [u8; HEADER_LEN]) -> Option<Self> {
        let field = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
        let (size, start, offset) = (field(4), field(6), field(8));
        let checksum = (header[0] & NEEDS_CHECKSUM != 0).then_some((start, offset));
        let transport = match header[1] & !GSO_ECN {
            GSO_NONE => return Some(Self { checksum, cut: None }),
            GSO_TCPV4 | GSO_TCPV6 => Transport::Tcp,
            GSO_UDP_L4 => Transport::Udp,
            _ => return None,
        };
        // A frame that is to be cut always has its checksum filled in too, which tells where TCP begins.
        (checksum.is_some() && size > 0).then_some(Self { checksum, cut: Some((transport, size)) })
    }
}

/// `VIRTIO_NET_HDR_*`.
const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// The frames of the wire that one frame of the kernel's stands for, one after the other.
#[derive(Clone, Copy, Debug)]
pub enum Pieces {
    /// The frame as it is, its checksum to be filled in or not.
    Whole(Option<(usize, usize)>),
    /// Headers repeated before each part of the payload.
    Cut(Cut),
    /// None, or no more.
    Done,
}

/// A frame that is being cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    transport: Transport,
    /// Payload bytes of a piece; the last may have fewer.
    size: usize,
    /// Where the IP header begins, where TCP's or UDP's, where the payload.
    ip: usize,
    transport_at: usize,
    payload: usize,
    /// Pieces and payload bytes handed out.
    index: u16,
    done: usize,
}

impl Pieces {
    /// How to make the frames of `frame`. One that is not what `offload` says gives none.
    pub fn of(frame: &[u8], offload: Offload) -> Self {
        match offload {
            Offload { cut: Some((transport, size)), checksum: Some((start, _)) } => {
                Cut::plan(frame, transport, size, start).map_or(Self::Done, Self::Cut)
            }
            Offload { checksum, .. } => Self::Whole(checksum),
        }
    }

    /// Writes the next frame to `out` and returns its length; `None` after the last. One for which
    /// `out` is too short is skipped.
    pub fn next(&mut self, frame: &[u8], out: &mut [u8]) -> Option<usize> {
        loop {
            match self {
                Self::Done => return None,
                Self::Whole(checksum) => {
                    let checksum = *checksum;
                    *self = Self::Done;
                    let out = out.get_mut(..frame.len())?;
                    out.copy_from_slice(frame);
                    if let Some((start, offset)) = checksum {
                        fill_in(out, start, offset)?;
                    }
                    return Some(out.len());
                }
                Self::Cut(cut) => {
                    let piece = cut.next(frame, out);
                    if cut.payload + cut.done >= frame.len() {
                        *self = Self::Done;
                    }
                    if piece.is_some() {
                        return piece;
                    }
                }
            }
        }
    }
}

impl Cut {
    fn plan(frame: &[u8], transport: Transport, size: usize, transport_at: usize) -> Option<Self> {
        let ip = ip_offset(frame)?;
        let least = match frame.get(ip)? >> 4 {
            4 => IPV4_LEN,
            6 => IPV6_LEN,
            _ => return None,
        };
        let header_len = match transport {
            Transport::Tcp => usize::from(*frame.get(transport_at + 12)? >> 4) * 4,
            Transport::Udp => 8,
        };
        let enough = match transport {
            Transport::Tcp => header_len >= 20,
            Transport::Udp => true,
        };
        let payload = transport_at + header_len;
        let fits = enough && transport_at >= ip + least && payload < frame.len();
        fits.then_some(Self { transport, size, ip, transport_at, payload, index: 0, done: 0 })
    }

    fn next(&mut self, frame: &[u8], out: &mut [u8]) -> Option<usize> {
        let rest = &frame[self.payload + self.done..];
        let (part, is_last) = (&rest[..rest.len().min(self.size)], rest.len() <= self.size);
        let (index, sent) = (self.index, self.done);
        self.index = self.index.wrapping_add(1);
        self.done += part.len();

        let len = self.payload + part.len();
        let out = out.get_mut(..len)?;
        let (headers, payload) = out.split_at_mut(self.payload);
        headers.copy_from_slice(&frame[..self.payload]);
        payload.copy_from_slice(part);
        let ip_len = (len - self.ip) as u16;
        if self.ip == PPPOE_IP_OFFSET {
            put(out, self.ip - 4, ip_len + 2);
        }
        let (addresses, pseudo_len) = self.finish_ip(out, ip_len, index);
        let transport_len = len - self.transport_at;
        let checksum_at = match self.transport {
            Transport::Tcp => {
                let sequence = &mut out[self.transport_at + 4..self.transport_at + 8];
                let first = u32::from_be_bytes([sequence[0], sequence[1], sequence[2], sequence[3]]);
                sequence.copy_from_slice(&first.wrapping_add(sent as u32).to_be_bytes());
                let flags = &mut out[self.transport_at + 13];
                if !is_last {
                    *flags &= !(TCP_FIN | TCP_PSH);
                }
                if index > 0 {
                    *flags &= !TCP_CWR;
                }
                self.transport_at + 16
            }
            Transport::Udp => {
                put(out, self.transport_at + 4, transport_len as u16);
                self.transport_at + 6
            }
        };
        let protocol = match self.transport {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        };
        put(out, checksum_at, 0);
        let pseudo = sum(&out[addresses..addresses + pseudo_len]) + transport_len as u64 + protocol;
        let checksum = finished(pseudo + sum(&out[self.transport_at..]));
        put(out, checksum_at, checksum);
        Some(len)
    }

    /// Writes the lengths and IPv4's checksum; answers where both addresses are and their length.
    fn finish_ip(&self, out: &mut [u8], ip_len: u16, index: u16) -> (usize, usize) {
        let ip = self.ip;
        if out[ip] >> 4 == 6 {
            put(out, ip + 4, ip_len - IPV6_LEN as u16);
            return (ip + 8, 32);
        }
        put(out, ip + 2, ip_len);
        let identification = u16::from_be_bytes([out[ip + 4], out[ip + 5]]);
        put(out, ip + 4, identification.wrapping_add(index));
        put(out, ip + 10, 0);
        let checksum = !folded(sum(&out[ip..self.transport_at]));
        put(out, ip + 10, checksum);
        (ip + 12, 8)
    }
}

const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
/// Ethernet, PPPoE and the PPP protocol field before an IP header.
const PPPOE_IP_OFFSET: usize = 14 + 6 + 2;
const TCP_FIN: u8 = 0x01;
const TCP_PSH: u8 = 0x08;
const TCP_CWR: u8 = 0x80;

/// Where the IP header of a frame without a tag begins.
fn ip_offset(frame: &[u8]) -> Option<usize> {
    match frame.get(12..14)? {
        [0x08, 0x00] | [0x86, 0xDD] => Some(14),
        [0x88, 0x64] => Some(PPPOE_IP_OFFSET),
        _ => None,
    }
}

/// Fills in the checksum over all from `start` on, where the sum of the pseudo-header stands already.
fn fill_in(frame: &mut [u8], start: usize, offset: usize) -> Option<()> {
    let checksum = finished(sum(frame.get(start..)?));
    let at = start + offset;
    frame.get_mut(at..at + 2)?.copy_from_slice(&checksum.to_be_bytes());
    Some(())
}

fn put(out: &mut [u8], at: usize, value: u16) {
    out[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// The sum of all 16-bit words (RFC 1071), not yet folded.
fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(4);
    // Twice sixteen bits at once: their carries meet again when the sum is folded.
    let sum: u64 =
        words.by_ref().map(|word| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))).sum();
    let mut last = [0; 4];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    sum + u64::from(u32::from_be_bytes(last))
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}

/// The checksum of TCP and UDP; in UDP's, 0 means that there is none (RFC 768).
fn finished(sum: u64) -> u16 {
    match !folded(sum) {
        0 => 0xFFFF,
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{IpAddress, Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet, TcpPacket, UdpPacket};

    use super::*;

    const FROM: [u8; 4] = [192, 168, 1, 10];
    const TO: [u8; 4] = [192, 0, 2, 80];

    fn header(flags: u8, gso: u8, size: u16, start: u16, offset: u16) -> [u8; HEADER_LEN] {
        let mut header = [flags, gso, 0, 0, 0, 0, 0, 0, 0, 0];
        for (at, value) in [(4, size), (6, start), (8, offset)] {
            header[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        }
        header
    }

    fn payload(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    /// An Ethernet or PPPoE frame as the kernel leaves it to the hardware.
    fn unfinished(before: &[u8], ip: &[u8], transport: &[u8], payload: &[u8]) -> Vec<u8> {
        [before, ip, transport, payload].concat()
    }

    fn ethernet(kind: u16) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        bytes.extend(kind.to_be_bytes());
        bytes
    }

    fn ipv4(protocol: u8) -> Vec<u8> {
        let start = [0x45, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x40, 0, 64, protocol, 0xAA, 0xAA];
        [&start[..], &FROM, &TO].concat()
    }

    /// Sequence number `0xFFFF_FF00`, flags CWR, ACK, PSH and FIN, twelve bytes of options.
    fn tcp() -> Vec<u8> {
        let mut bytes =
            vec![0x9C, 0x40, 0, 80, 0xFF, 0xFF, 0xFF, 0, 1, 2, 3, 4, 0x80, 0x99, 1, 0, 0x12, 0x34, 0, 0];
        bytes.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
        bytes
    }

    fn pieces(frame: &[u8], header: [u8; HEADER_LEN]) -> Vec<Vec<u8>> {
        let mut pieces = Pieces::of(frame, Offload::parse(header).unwrap());
        let mut out = [0xA5; 2048];
        core::iter::from_fn(|| pieces.next(frame, &mut out).map(|len| out[..len].to_vec())).collect()
    }

    #[test]
    fn a_long_tcp_segment_becomes_frames_with_checksums() {
        let content = payload(3001);
        for (before, at) in [
            (ethernet(0x0800), 14),
            ([ethernet(0x8864), vec![0x11, 0, 0, 7, 0xFF, 0xFF, 0, 0x21]].concat(), 22),
        ] {
            let frame = unfinished(&before, &ipv4(6), &tcp(), &content);
            let cut = pieces(&frame, header(NEEDS_CHECKSUM, GSO_TCPV4 | GSO_ECN, 1400, at + 20, 16));
            assert_eq!(
                cut.iter().map(Vec::len).collect::<Vec<_>>(),
                [1400, 1400, 201].map(|len| usize::from(at) + 20 + 32 + len)
            );
            let mut seen = Vec::new();
            for (index, piece) in cut.iter().enumerate() {
                if at == 22 {
                    assert_eq!(usize::from(u16::from_be_bytes([piece[18], piece[19]])), piece.len() - 20);
                }
                let ip = Ipv4Packet::new_checked(&piece[usize::from(at)..]).unwrap();
                assert!(ip.verify_checksum());
                assert_eq!(usize::from(ip.total_len()), piece.len() - usize::from(at));
                assert_eq!(ip.ident(), 0xFFFF_u16.wrapping_add(index as u16));
                let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
                let (from, to) = (Ipv4Address::from(FROM), Ipv4Address::from(TO));
                assert!(tcp.verify_checksum(&IpAddress::Ipv4(from), &IpAddress::Ipv4(to)));
                assert_eq!(
                    tcp.seq_number().0.cast_unsigned(),
                    0xFFFF_FF00_u32.wrapping_add(seen.len() as u32)
                );
                assert_eq!((tcp.psh(), tcp.fin()), (index == 2, index == 2));
                assert_eq!((tcp.cwr(), tcp.ack()), (index == 0, true));
                assert_eq!(tcp.options().len(), 12);
                seen.extend_from_slice(tcp.payload());
            }
            assert_eq!(seen, content);
        }
    }

    #[test]
    fn long_segments_of_ipv6_and_udp_too() {
        let content = payload(2500);
        let (from, to) = ([0xFD; 16], [0x20; 16]);
        let mut ip = vec![0x60, 0, 0, 0, 0xFF, 0xFF, 17, 64];
        ip.extend([from, to].concat());
        let frame =
            unfinished(&ethernet(0x86DD), &ip, &[0x9C, 0x40, 1, 187, 0xFF, 0xFF, 0x12, 0x34], &content);
        let cut = pieces(&frame, header(NEEDS_CHECKSUM, GSO_UDP_L4, 1200, 54, 6));
        let mut seen = Vec::new();
        for piece in &cut {
            let ip = Ipv6Packet::new_checked(&piece[14..]).unwrap();
            let udp = UdpPacket::new_checked(ip.payload()).unwrap();
            let (from, to) = (Ipv6Address::from(from), Ipv6Address::from(to));
            assert!(udp.verify_checksum(&IpAddress::Ipv6(from), &IpAddress::Ipv6(to)));
            assert_eq!(usize::from(udp.len()), piece.len() - 54);
            seen.extend_from_slice(udp.payload());
        }
        assert_eq!((cut.len(), seen), (3, content));
    }

    #[test]
    fn a_missing_checksum_is_filled_in() {
        // The pseudo-header: addresses, protocol 17, length 13.
        let pseudo = folded(sum(&FROM) + sum(&TO) + 17 + 13);
        let mut ip = ipv4(17);
        ip[2..4].copy_from_slice(&33u16.to_be_bytes());
        let mut udp = vec![0, 53, 0, 53, 0, 13];
        udp.extend(pseudo.to_be_bytes());
        let frame = unfinished(&ethernet(0x0800), &ip, &udp, b"hello");
        let [whole] = &pieces(&frame, header(NEEDS_CHECKSUM, GSO_NONE, 0, 34, 6))[..] else {
            panic!("one frame")
        };
        let udp = UdpPacket::new_checked(&whole[34..]).unwrap();
        let (from, to) = (Ipv4Address::from(FROM), Ipv4Address::from(TO));
        assert!(udp.verify_checksum(&IpAddress::Ipv4(from), &IpAddress::Ipv4(to)));
        assert_eq!(pieces(&frame, [0; HEADER_LEN]), [frame]);
    }

    #[test]
    fn what_is_no_such_frame_gives_none() {
        let frame = unfinished(&ethernet(0x0800), &ipv4(6), &tcp(), &payload(3000));
        assert_eq!(Offload::parse(header(NEEDS_CHECKSUM, 3, 1400, 34, 16)), None, "IPv4 fragments");
        assert_eq!(Offload::parse(header(0, GSO_TCPV4, 1400, 34, 16)), None, "no checksum to fill in");
        assert_eq!(Offload::parse(header(NEEDS_CHECKSUM, GSO_TCPV4, 0, 34, 16)), None, "pieces of nothing");
        for (frame, start) in [
            (&frame[..60], 34), // ends in the TCP header
            (&frame[..66], 34), // no payload
            (&frame[..], 20),   // TCP inside of the IP header
            (&frame[..], 9000), // TCP beyond the end
            (&frame[..10], 34), // no Ethernet
        ] {
            assert!(pieces(frame, header(NEEDS_CHECKSUM, GSO_TCPV4, 1400, start, 16)).is_empty(), "{start}");
        }
        assert!(pieces(&frame, header(NEEDS_CHECKSUM, GSO_NONE, 0, 34, 9000)).is_empty());
        let whole = payload(3000);
        assert!(pieces(&whole, [0; HEADER_LEN]).is_empty(), "longer than there is room");
    }
}
