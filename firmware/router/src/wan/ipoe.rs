//! A WAN that is plain Ethernet: an address by DHCP (`IPoE`), or a static one.
//!
//! ```text
//!   DHCP:    link up ──► Client: DISCOVER … ACK ──► Check (ARP probe) ──► Bound ──► up
//!                          ▲                           │ somebody has it     │ NAK, expiry, link down
//!                          └──────── DECLINE ◄─────────┘                     ▼
//!                          └──────────────────────────────────────────── not up
//!   static:  link up ──► up
//! ```
//!
//! Reading list: RFC 2131 §4.4 (the client, in `gatelet-proto`), RFC 5227 (address conflicts), RFC 3442 (routes).

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, HEADROOM, LinkState, PortId};
use gatelet_proto::dhcp::client::{Client, Config, Event, Lease, Loss, Times};
use gatelet_proto::redial::{Advice, Doing};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use heapless::{Deque, Vec};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet, Ipv4Repr, UdpPacket};

use super::event::{Forwarded, Ipv4Status, WanCounters, WanEvent, WanState, WanStatus};
use crate::Dropped;

/// Everything about a WAN that is plain Ethernet.
#[derive(Debug, Clone)]
pub struct EthernetWanConfig {
    /// The port that faces the carrier.
    pub port: PortId,
    /// The 802.1Q tag of everything on this WAN.
    pub vlan: Option<VlanTag>,
    /// A MAC address to use instead of the port's own.
    pub mac: Option<EthernetAddress>,
    /// Where the address comes from.
    pub addressing: Addressing,
}

/// Where a WAN's address comes from.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
pub enum Addressing {
    /// From a DHCP server. The hardware address of the configuration is replaced by the WAN's.
    Dhcp(Config),
    /// From the owner.
    Static {
        /// Our address, and how much is on the link.
        address: Ipv4Cidr,
        /// The way out.
        gateway: Ipv4Address,
        /// DNS servers.
        dns: [Option<Ipv4Address>; 2],
    },
}

impl EthernetWanConfig {
    /// An untagged WAN that asks a DHCP server and says nothing but its hardware address.
    pub const fn dhcp(port: PortId) -> Self {
        let config = Config::new(EthernetAddress([0; 6]));
        Self { port, vlan: None, mac: None, addressing: Addressing::Dhcp(config) }
    }
}

/// The WAN.
#[derive(Debug)]
pub(crate) struct EthernetWan {
    config: EthernetWanConfig,
    port_mac: EthernetAddress,
    link: LinkState,
    /// Whether the owner wants it up.
    wanted: bool,
    client: Client,
    /// The address that is being looked for on the link, and until when.
    checking: Option<(Ipv4Address, Instant)>,
    /// It is to be asked for.
    probe: bool,
    /// The lease's end is to be told to its server yet.
    leaving: bool,
    bound: Option<Bound>,
    began: Instant,
    counters: WanCounters,
    told: Option<Doing>,
    events: Deque<WanEvent, 8>,
    events_lost: u32,
}

/// What there is while the WAN is up.
#[derive(Debug, Clone)]
struct Bound {
    address: Ipv4Cidr,
    gateway: Option<Ipv4Address>,
    dns: [Option<Ipv4Address>; 2],
    mtu: u16,
    since: Instant,
}

/// What the datapath sees of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EthernetFace {
    pub(crate) address: Ipv4Cidr,
    pub(crate) gateway: Option<Ipv4Address>,
    pub(crate) mtu: u16,
    pub(crate) mac: EthernetAddress,
    pub(crate) vlan: Option<VlanTag>,
}

impl EthernetWan {
    pub(crate) fn new(now: Instant, config: EthernetWanConfig) -> Self {
        let client = client_of(&config);
        Self {
            config,
            port_mac: EthernetAddress([0; 6]),
            link: LinkState::Down,
            wanted: true,
            client,
            checking: None,
            probe: false,
            leaving: false,
            bound: None,
            began: now,
            counters: WanCounters::default(),
            told: None,
            events: Deque::new(),
            events_lost: 0,
        }
    }

    pub(crate) const fn port(&self) -> PortId {
        self.config.port
    }

    fn mac(&self) -> EthernetAddress {
        self.config.mac.unwrap_or(self.port_mac)
    }

    pub(crate) fn set_port(&mut self, mac: EthernetAddress) {
        self.port_mac = mac;
        if let Addressing::Dhcp(config) = &self.config.addressing {
            self.client.set_config(Config { mac: self.mac(), ..config.clone() });
        }
    }

    /// Begins anew with other settings, at the same port. An address of before is not given back: the server it is from gives it to
    /// who asks as the same client, and another one does not know it.
    pub(crate) fn reconfigure(&mut self, now: Instant, rng: &mut ChaCha8Rng, config: EthernetWanConfig) {
        self.stop(now, rng, false);
        self.client = client_of(&config);
        self.config = EthernetWanConfig { port: self.config.port, ..config };
        self.set_port(self.port_mac);
        self.start(now, rng);
    }

    pub(crate) fn handle_link(&mut self, now: Instant, rng: &mut ChaCha8Rng, link: LinkState) {
        if self.link == link {
            return;
        }
        self.link = link;
        self.tell(if link == LinkState::Up { WanEvent::LinkUp } else { WanEvent::LinkDown });
        if link == LinkState::Up {
            self.start(now, rng);
        } else {
            self.stop(now, rng, false);
        }
    }

    pub(crate) fn dial(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.wanted = true;
        self.start(now, rng);
    }

    pub(crate) fn hang_up(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.wanted = false;
        self.stop(now, rng, true);
    }

    fn start(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if core::mem::take(&mut self.leaving) {
            self.bound = None;
        }
        if !self.wanted || self.link == LinkState::Down || self.bound.is_some() {
            return;
        }
        self.began = now;
        match &self.config.addressing {
            Addressing::Dhcp(_) => self.client.link_up(now, rng),
            &Addressing::Static { address, gateway, dns } => {
                let bound = Bound { address, gateway: Some(gateway), dns, mtu: ETHERNET_MTU, since: now };
                self.come_up(now, bound);
            }
        }
        self.advance(now, rng);
    }

    fn stop(&mut self, now: Instant, rng: &mut ChaCha8Rng, in_order: bool) {
        if in_order {
            self.client.release(rng);
        } else {
            self.client.link_down();
        }
        self.checking = None;
        // What gives the address back is sent from it: until then it is ours.
        self.leaving = in_order && self.client.wants_to_send(now);
        if !self.leaving {
            self.bound = None;
        }
        self.advance(now, rng);
    }

    fn come_up(&mut self, now: Instant, bound: Bound) {
        let ipv4 = bound.status();
        let since_dial = now - self.began;
        self.tell(WanEvent::Up { ipv4, mtu: bound.mtu, since_dial });
        self.bound = Some(bound);
    }

    /// Takes the payload of a UDP datagram for a DHCP client.
    pub(crate) fn handle_dhcp(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        let taken = self.client.handle_message(now, rng, payload);
        self.advance(now, rng);
        taken.map_err(|_| Dropped::DhcpRefused)
    }

    /// Somebody on the link has this address.
    pub(crate) fn handle_claim(&mut self, now: Instant, rng: &mut ChaCha8Rng, address: Ipv4Address) {
        if self.checking.is_some_and(|(checked, _)| checked == address) {
            self.checking = None;
            self.client.decline(now, rng);
            self.tell(WanEvent::AddressInUse { address });
            self.advance(now, rng);
        }
    }

    /// An address to be looked for on the link.
    pub(crate) fn poll_probe(&mut self) -> Option<Ipv4Address> {
        let (address, _) = self.checking.filter(|_| self.probe)?;
        self.probe = false;
        Some(address)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if let Some((_, until)) = self.checking
            && until <= now
        {
            self.checking = None;
            self.client.accept();
        }
        if self.client.poll_at().is_some_and(|at| at <= now) {
            self.client.handle_timeout(now, rng);
        }
        self.advance(now, rng);
    }

    fn advance(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        let _ = rng;
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Check { address } => {
                    self.checking = Some((address, now + PROBE_WAIT));
                    self.probe = true;
                }
                Event::Bound => {
                    if let Some((lease, bound)) =
                        self.client.lease().map(|lease| (lease, Bound::of(lease, now)))
                    {
                        let (address, server) = (lease.address, lease.server);
                        let duration = match lease.times {
                            Times::Infinite => None,
                            Times::Finite { end, .. } => Some(end),
                        };
                        self.tell(WanEvent::Leased { address, server, duration });
                        self.come_up(now, bound);
                    }
                }
                Event::Renewed { is_changed } => {
                    self.tell(WanEvent::LeaseRenewed);
                    if let Some(lease) = self.client.lease().filter(|_| is_changed) {
                        let since = self.bound.as_ref().map_or(now, |bound| bound.since);
                        let bound = Bound { since, ..Bound::of(lease, now) };
                        self.come_up(now, bound);
                    }
                }
                Event::Lost(loss) => {
                    let was_up = self.bound.take().is_some();
                    if was_up || loss != Loss::LinkDown {
                        self.tell(WanEvent::LeaseLost(loss));
                    }
                    self.began = now;
                }
            }
        }
        let doing = self.doing();
        if self.told != Some(doing) {
            self.told = Some(doing);
            self.tell(WanEvent::Advice(self.advice()));
        }
    }

    const fn doing(&self) -> Doing {
        match (self.link, self.wanted, &self.bound) {
            (LinkState::Down, _, _) => Doing::NoLink,
            (_, false, _) => Doing::Stopped,
            (_, _, Some(_)) => Doing::Up,
            (_, _, None) => Doing::Dialing,
        }
    }

    const fn advice(&self) -> Advice {
        Advice { doing: self.doing(), because: None, until: None }
    }

    /// Writes the next message into `frame`. What is for one station alone is left without an Ethernet header, and its
    /// destination is the answer's second part.
    pub(crate) fn poll_transmit<'p>(
        &mut self,
        now: Instant,
        take: impl FnOnce() -> Option<Frame<'p>>,
    ) -> Option<(Frame<'p>, Option<Ipv4Address>)> {
        if !self.wants_to_send(now) {
            return None;
        }
        let mut frame = take()?;
        frame.clear(HEADROOM + ethernet::HEADER_LEN);
        let room = frame.push_back(IP_AND_UDP_LEN + DHCP_MOST)?;
        let outgoing = self.client.poll_transmit(now, room.get_mut(IP_AND_UDP_LEN..)?)?;
        if core::mem::take(&mut self.leaving) {
            self.bound = None;
        }
        let ip = Ipv4Repr {
            src_addr: outgoing.source,
            dst_addr: outgoing.destination,
            next_header: IpProtocol::Udp,
            payload_len: UDP_LEN + outgoing.len,
            hop_limit: 64,
        };
        let datagram = room.get_mut(IP_AND_UDP_LEN - UDP_LEN..IP_AND_UDP_LEN + outgoing.len)?;
        let mut udp = UdpPacket::new_unchecked(datagram);
        udp.set_src_port(CLIENT_PORT);
        udp.set_dst_port(SERVER_PORT);
        udp.set_len((UDP_LEN + outgoing.len) as u16);
        udp.fill_checksum(&IpAddress::Ipv4(ip.src_addr), &IpAddress::Ipv4(ip.dst_addr));
        ip.emit(
            &mut Ipv4Packet::new_unchecked(&mut room[..IP_AND_UDP_LEN]),
            &ChecksumCapabilities::default(),
        );
        frame.truncate(IP_AND_UDP_LEN + outgoing.len);
        self.tell(WanEvent::DhcpSent { message: outgoing.message_type, attempt: outgoing.attempt });
        if outgoing.destination != Ipv4Address::BROADCAST {
            return Some((frame, Some(outgoing.destination)));
        }
        let header = Header {
            destination: EthernetAddress::BROADCAST,
            source: self.mac(),
            vlan: self.config.vlan,
            ether_type: ethernet::IPV4,
        };
        header.emit(frame.push_front(header.len())?).ok()?;
        Some((frame, None))
    }

    fn wants_to_send(&self, now: Instant) -> bool {
        self.client.wants_to_send(now)
    }

    // What it tells.

    pub(crate) fn face(&self) -> Option<EthernetFace> {
        let bound = self.bound.as_ref()?;
        Some(EthernetFace {
            address: bound.address,
            gateway: bound.gateway,
            mtu: bound.mtu,
            mac: self.mac(),
            vlan: self.config.vlan,
        })
    }

    /// Whether there is anybody on the port.
    pub(crate) fn has_carrier(&self) -> bool {
        self.link == LinkState::Up
    }

    /// How its frames look before it has an address: it must be heard by ARP.
    pub(crate) fn framing(&self) -> (EthernetAddress, Option<VlanTag>) {
        (self.mac(), self.config.vlan)
    }

    /// The lease, if it has one.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.client.lease()
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.bound.is_none() && !self.wants_to_send(Instant::from_micros(i64::MAX))
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        [self.client.poll_at(), self.checking.map(|(_, until)| until)].into_iter().flatten().min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<WanEvent> {
        self.events.pop_front()
    }

    pub(crate) const fn take_events_lost(&mut self) -> u32 {
        core::mem::replace(&mut self.events_lost, 0)
    }

    pub(crate) fn status(&self) -> WanStatus {
        let bound = self.bound.as_ref();
        WanStatus {
            state: match self.doing() {
                Doing::Up => WanState::Up,
                Doing::Dialing => WanState::Acquiring,
                _ => WanState::Idle,
            },
            link: self.link,
            session: None,
            ipv4: bound.map(Bound::status),
            ipv6: None,
            mtu: bound.map_or(0, |bound| bound.mtu),
            up_since: bound.map(|bound| bound.since),
            advice: self.advice(),
            last_failure: None,
            counters: self.counters,
            forwarded: Forwarded::default(),
            forwarded_ipv6: Forwarded::default(),
        }
    }

    fn tell(&mut self, event: WanEvent) {
        if self.events.push_back(event).is_err() {
            self.events_lost += 1;
        }
    }
}

fn client_of(config: &EthernetWanConfig) -> Client {
    match &config.addressing {
        Addressing::Dhcp(config) => Client::new(config.clone()),
        Addressing::Static { .. } => Client::new(Config::new(EthernetAddress([0; 6]))),
    }
}

impl Bound {
    fn of(lease: &Lease, now: Instant) -> Self {
        let mut dns = lease.dns_servers.iter().copied();
        Self {
            address: lease.address,
            gateway: lease.router,
            dns: [dns.next(), dns.next()],
            mtu: lease.mtu.map_or(ETHERNET_MTU, |mtu| mtu.min(ETHERNET_MTU)),
            since: now,
        }
    }

    fn status(&self) -> Ipv4Status {
        Ipv4Status { address: self.address.address(), peer: self.gateway, dns: self.dns }
    }
}

/// Routes of a lease beyond the default route, as network and gateway.
pub(crate) fn routes(lease: &Lease) -> Vec<(Ipv4Cidr, Ipv4Address), { gatelet_proto::dhcp::client::ROUTES }> {
    lease.routes.iter().map(|route| (route.destination, route.router)).collect()
}

/// RFC 894.
const ETHERNET_MTU: u16 = 1500;
/// How long an ARP probe waits for an answer: RFC 5227 §1.1 would have three probes within 6 s; a WAN is worth one second.
const PROBE_WAIT: Duration = Duration::from_secs(1);
const UDP_LEN: usize = 8;
const IP_AND_UDP_LEN: usize = 20 + UDP_LEN;
/// 576 bytes of IP, which every server can receive (RFC 2131 §2).
const DHCP_MOST: usize = 576 - IP_AND_UDP_LEN;
/// RFC 2131 §4.1.
const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
