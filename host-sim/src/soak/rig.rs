//! A router on a bench: its ports are function calls, a simulated concentrator gives it a session.

use gatelet_hal::{Frame, LinkState, Pool, PortId};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::Boot;
use gatelet_router::{Egress, LanConfig, Router, RouterEvent, Tables, WanConfig, WanEvent};
use gatelet_wire::ethernet;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetProtocol, Ipv4Address, Ipv4Cidr,
};

use crate::peers::concentrator::{AC_MAC, ACCOUNT, Concentrator, Model, Moods};
use crate::peers::lan::{LAN_MAC, mac};
use crate::peers::packet;
use crate::world::{Node, Outbox, ROUTER_MAC};

pub(super) const WAN: PortId = PortId(0);
pub(super) const LAN: PortId = PortId(1);
const MAX_FRAME_LEN: usize = 1514;
/// Ethernet, `PPPoE` and the PPP protocol field.
pub(super) const SESSION_HEADER: usize = 14 + 6 + 2;
const ETHERNET_HEADER: usize = 14;

/// The router and what it is connected to.
pub(super) struct Rig<'p> {
    pub(super) router: Router<'p>,
    pub(super) pool: Pool<'p>,
    pub(super) now: Instant,
    /// The address outside, once there is one.
    pub(super) address: Ipv4Address,
    /// What was sent that nobody waited for.
    pub(super) aside: u64,
    /// What was sent to the LAN since this was cleared, but not at once: it had to wait for a hardware address.
    pub(super) late: Vec<Vec<u8>>,
    /// The same towards the WAN.
    pub(super) late_up: Vec<Vec<u8>>,
    concentrator: Concentrator,
    outbox: Outbox,
    header: [u8; SESSION_HEADER],
    up: bool,
}

/// The address of the host of this number.
pub(super) fn host(number: u8) -> Ipv4Address {
    Ipv4Address::new(192, 168, 1, 10 + number)
}

impl<'p> Rig<'p> {
    /// A router that is on line. `None` if it does not get there.
    pub(super) fn new(pool: Pool<'p>, tables: Tables<'p>, seed: u64) -> Option<Self> {
        let mut bytes = [0x5A; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut router = Router::new(pool, bytes);
        router.add_port(WAN, ROUTER_MAC, MAX_FRAME_LEN);
        router.add_port(LAN, LAN_MAC, MAX_FRAME_LEN);
        router.lend_tables(tables);
        let now = Instant::from_secs(1);
        let credentials = Credentials::new(ACCOUNT.0, ACCOUNT.1)?;
        router.add_wan(now, WanConfig::new(WAN, credentials), Boot::Cold, None)?;
        if !router.add_lan(now, LanConfig::new(LAN, Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24))) {
            return None;
        }
        router.handle_link(now, WAN, LinkState::Up);
        router.handle_link(now, LAN, LinkState::Up);
        let moods = Moods { passes_on: true, ..Moods::default() };
        let mut rig = Self {
            router,
            pool,
            now,
            address: Ipv4Address::UNSPECIFIED,
            aside: 0,
            late: Vec::new(),
            late_up: Vec::new(),
            concentrator: Concentrator::new(Model::open(), moods, seed),
            outbox: Outbox::new(),
            header: [0; SESSION_HEADER],
            up: false,
        };
        rig.get_up().then_some(rig)
    }

    /// The exchange drops the session, and the router dials again. Whether it has the address it had.
    pub(super) fn redial(&mut self) -> bool {
        let before = self.address;
        self.concentrator.padt(self.now, ROUTER_MAC, &mut self.outbox);
        self.settle();
        !self.up && self.get_up() && self.address == before
    }

    /// Waits until the router is on line, and takes note of its session.
    fn get_up(&mut self) -> bool {
        const PATIENCE: u32 = 600_000;
        for _ in 0..PATIENCE {
            if self.up {
                break;
            }
            self.pass_time(Duration::from_millis(1));
        }
        let Some(session) = self.concentrator.session_of(ROUTER_MAC).filter(|_| self.up) else {
            return false;
        };
        self.address = session.address;
        self.header[..6].copy_from_slice(ROUTER_MAC.as_bytes());
        self.header[6..12].copy_from_slice(AC_MAC.as_bytes());
        self.header[12..16].copy_from_slice(&[0x88, 0x64, 0x11, 0]);
        self.header[16..18].copy_from_slice(&session.id.to_be_bytes());
        self.header[20..].copy_from_slice(&[0, 0x21]);
        true
    }

    /// Whether the session it began with is still there.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// Time goes by, and everything that is due is done.
    pub(super) fn pass_time(&mut self, by: Duration) {
        self.now += by;
        self.late.clear();
        self.late_up.clear();
        if self.concentrator.poll_at().is_some_and(|at| at <= self.now) {
            self.concentrator.handle_timeout(self.now, &mut self.outbox);
        }
        if self.router.poll_at().is_some_and(|at| at <= self.now) {
            self.router.handle_timeout(self.now);
        }
        self.settle();
    }

    /// A host on the LAN sends an IPv4 packet. What the router sends at once, from its IP header on.
    pub(super) fn up(&mut self, source: EthernetAddress, packet: &[u8]) -> Option<(Egress, Frame<'p>)> {
        let header = packet::ethernet_header(source, LAN_MAC, EthernetProtocol::Ipv4);
        self.frame(LAN, &[&header, packet])
    }

    /// The Internet sends an IPv4 packet.
    pub(super) fn down(&mut self, packet: &[u8]) -> Option<(Egress, Frame<'p>)> {
        let mut header = self.header;
        header[18..20].copy_from_slice(&(packet.len() as u16 + 2).to_be_bytes());
        self.frame(WAN, &[&header, packet])
    }

    /// A frame arrives at a port.
    pub(super) fn frame(&mut self, port: PortId, parts: &[&[u8]]) -> Option<(Egress, Frame<'p>)> {
        let mut frame = self.pool.take(port)?;
        if !parts.iter().all(|part| frame.extend(part)) {
            return None;
        }
        if frame.len() < ethernet::MIN_FRAME_LEN {
            let missing = ethernet::MIN_FRAME_LEN - frame.len();
            // A frame has room for that.
            let _ = frame.extend(&[0; ethernet::MIN_FRAME_LEN][..missing]);
        }
        self.router.handle_frame(self.now, port, frame)
    }

    /// Whether a frame for the WAN begins as one of the session should.
    pub(super) fn is_of_session(&self, frame: &[u8]) -> bool {
        let Some(header) = frame.get(..SESSION_HEADER) else { return false };
        header[..6] == self.header[6..12]
            && header[6..12] == self.header[..6]
            && header[12..18] == self.header[12..18]
            && usize::from(u16::from_be_bytes([header[18], header[19]])) + SESSION_HEADER - 2 == frame.len()
    }

    /// Fetches everything the router has to say.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some((egress, frame)) = self.router.poll_transmit(self.now) {
                match egress {
                    Egress::Port(WAN) => self.sent_to_wan(frame.bytes()),
                    Egress::Port(_) => {
                        let answer = self.answer(frame.bytes());
                        drop(frame);
                        if let Some(answer) = answer {
                            let at_once = self.frame(LAN, &[&answer]);
                            self.aside += u64::from(at_once.is_some());
                        }
                    }
                    Egress::Stack(_) | Egress::LanStack => self.aside += 1,
                }
            }
            while let Some((wan, _)) = self.router.poll_store(self.now) {
                self.router.handle_stored(self.now, wan, true);
            }
            while let Some(event) = self.router.poll_event() {
                match event {
                    RouterEvent::Wan(_, WanEvent::Up { .. }) => self.up = true,
                    RouterEvent::Wan(_, WanEvent::Down { .. }) => self.up = false,
                    _ => {}
                }
            }
            while self.router.poll_lease(self.now).is_some() {}
            let mut outbox = std::mem::take(&mut self.outbox);
            if outbox.is_empty() {
                self.outbox = outbox;
                return;
            }
            for frame in outbox.frames() {
                let at_once = self.frame(WAN, &[frame]);
                self.aside += u64::from(at_once.is_some());
            }
            outbox.clear();
            self.outbox = outbox;
        }
    }

    fn sent_to_wan(&mut self, frame: &[u8]) {
        let is_data = frame.get(20..SESSION_HEADER) == Some(&[0, 0x21]) && frame[12..14] == [0x88, 0x64];
        if is_data {
            self.aside += 1;
            self.late_up.push(frame.to_vec());
        } else {
            self.concentrator.handle_frame(self.now, frame, &mut self.outbox);
        }
    }

    /// A host's answer to an ARP request.
    fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let payload = frame.get(ETHERNET_HEADER..).filter(|_| frame[12..14] == [0x08, 0x06]);
        let Some(payload) = payload else {
            self.aside += 1;
            self.late.push(frame.to_vec());
            return None;
        };
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = ArpRepr::parse(&ArpPacket::new_checked(payload).ok()?).ok()?
        else {
            return None;
        };
        let number =
            target_protocol_addr.octets()[3].checked_sub(10).filter(|&number| number < super::HOSTS)?;
        let mac = mac(usize::from(number));
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: mac,
            source_protocol_addr: target_protocol_addr,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        };
        let mut bytes = vec![0; reply.buffer_len()];
        reply.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        Some(packet::ethernet(mac, source_hardware_addr, EthernetProtocol::Arp, &bytes))
    }
}
