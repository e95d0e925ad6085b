//! The WAN supervisor: Discovery, PPP and the redial engine composed into one line to the carrier.
//!
//! ```text
//!              Dial, Probe                PADS                      Closed
//!    Idle ─────────────────► Discovering ─────► Session ─► Closing ────────► Ending ──► Idle
//!     ▲                        │                 │  │   HangUp                 ▲   PADT
//!     │ no session, HangUp     │                 │  └── PPP failed, refused, ───┘
//!     ├────────────────────────┘                 │      terminated by the peer
//!     └──────────────────────────────────────────┘ PADT received
//!    link down: to Idle from anywhere
//! ```
//!
//! A session, its PPP and its addresses live inside the state that has them, so that none can
//! outlive the other. The redial engine decides whether there is a dial; each PADI, PADR and
//! authentication asks it again. What it wants recorded is stored before it says `Dial`.
//!
//! Reading list: RFC 2516, RFC 1661 §3, RFC 4638.

mod config;
mod event;
mod ipoe;
mod ipv6;
mod line;
mod session;
mod status;
mod steps;
mod transmit;

pub(crate) use ipoe::{EthernetFace, EthernetWan, routes};
pub(crate) use ipv6::Uplink;
pub(crate) use line::{Line, Outgoing};

pub use config::WanConfig;
pub use event::{
    AddressKind, Forwarded, Ipv4Status, Ipv6Status, PadtReason, SessionStatus, WanCounters, WanEvent, WanId,
    WanState, WanStatus,
};
pub use ipoe::{Addressing, EthernetWanConfig};

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, LinkState, PortId};
use gatelet_proto::ppp::LastIpv4;
use gatelet_proto::pppoe::{Discovery, DiscoveryConfig, PadtLimiter};
use gatelet_proto::redial::{self, Advice, Boot, Engine, Failure, Ledger};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VLAN_LEN, VlanTag};
use gatelet_wire::ppp::{self, Protocol};
use gatelet_wire::pppoe::{self, Code, Packet, SESSION_OVERHEAD};
use heapless::{Deque, Vec};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::Dropped;
use session::{Live, decapsulate};

/// The MRU of `PPPoE` on Ethernet (RFC 2516 §7).
const MRU: u16 = 1492;
/// The most asked for by RFC 4638: what an Ethernet interface behind us has.
const MRU_MAX: u16 = 1500;
/// What an untagged frame has before its IP packet.
const HEADERS_LEN: usize = ethernet::HEADER_LEN + SESSION_OVERHEAD;
/// Shorter waits are nobody's business: the pause while a record is written, a clock's rounding.
const WORTH_TELLING: Duration = Duration::from_secs(1);
/// Session frames held while PADS is awaited.
const HELD: usize = 2;

/// One WAN.
#[derive(Debug)]
pub(crate) struct Wan<'p> {
    config: WanConfig,
    /// Takes effect when what is live has ended.
    new_config: Option<WanConfig>,
    /// The port's.
    port_mac: EthernetAddress,
    max_frame_len: usize,
    port_link: LinkState,
    engine: Engine,
    discovery: Discovery,
    state: State<'p>,
    /// PADTs to be sent for sessions that are not the live one.
    padts: Deque<Padt, 4>,
    limiter: PadtLimiter,
    /// Something may have to be sent: set by everything but data.
    attention: bool,
    /// A message waits for a frame until then.
    frame_retry: Option<Instant>,
    /// When the first PADI of this dial went out.
    dial_began: Instant,
    /// When the PADR went out, if only one did.
    padr_sent: Option<Instant>,
    /// The path did not carry the MRU that RFC 4638 promised.
    black_hole: bool,
    last_ipv4: Option<LastIpv4>,
    advice: Option<Advice>,
    last_failure: Option<Failure>,
    counters: WanCounters,
    events: Deque<WanEvent, 16>,
    events_lost: u32,
}

#[derive(Debug)]
enum State<'p> {
    /// No session, and none on its way.
    Idle,
    /// Discovery is under way. Frames that came before their PADS are held.
    Discovering { held: Vec<Frame<'p>, HELD> },
    /// PPP comes up or is up.
    Session(Live),
    /// We hung up: Terminate-Request is out.
    Closing(Live),
    /// PPP is over. Its last packets are still to go, then the PADT.
    Ending(Live, End),
}

/// What the engine is told once an ending session is gone.
#[derive(Debug, Clone, Copy)]
enum End {
    Failed(Failure),
    Closed,
}

/// Where the PPP packet of a session frame is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Length of the Ethernet header.
    pub(crate) header_len: usize,
    /// Length of the PPP packet, from its protocol field on: LENGTH of the `PPPoE` header.
    pub(crate) payload_len: usize,
}

/// A session as an interface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Face<'a> {
    pub(crate) address: Ipv4Address,
    /// The longest IP packet, in bytes.
    pub(crate) mtu: u16,
    /// Ethernet and `PPPoE` header, LENGTH 0.
    pub(crate) header: &'a [u8],
}

/// A session as a link of IPv6.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Face6<'a> {
    /// Our interface identifier.
    pub(crate) identifier: [u8; 8],
    /// The longest IP packet, in bytes.
    pub(crate) mtu: u16,
    /// Ethernet and `PPPoE` header, LENGTH 0.
    pub(crate) header: &'a [u8],
}

/// A PADT to be sent.
#[derive(Debug, Clone, Copy)]
struct Padt {
    ac_mac: EthernetAddress,
    session_id: u16,
    vlan: Option<VlanTag>,
    reason: PadtReason,
}

impl<'p> Wan<'p> {
    pub(crate) fn new(now: Instant, config: WanConfig, boot: Boot, ledger: Option<Ledger>) -> Self {
        let mut engine = Engine::new(config.policy.clone(), now, boot, ledger);
        engine.set_credentials(now, &config.credentials.username, &config.credentials.password);
        Self {
            discovery: Discovery::new(DiscoveryConfig::default()),
            config,
            new_config: None,
            port_mac: EthernetAddress([0; 6]),
            max_frame_len: 0,
            port_link: LinkState::Down,
            engine,
            state: State::Idle,
            padts: Deque::new(),
            limiter: PadtLimiter::default(),
            attention: true,
            frame_retry: None,
            dial_began: now,
            padr_sent: None,
            black_hole: false,
            last_ipv4: None,
            advice: None,
            last_failure: None,
            counters: WanCounters::default(),
            events: Deque::new(),
            events_lost: 0,
        }
    }

    pub(crate) const fn port(&self) -> PortId {
        self.config.port
    }

    pub(crate) const fn set_port(&mut self, mac: EthernetAddress, max_frame_len: usize) {
        self.port_mac = mac;
        self.max_frame_len = max_frame_len;
    }

    // What arrives.

    /// Whether a frame with this header may be for this WAN.
    pub(crate) fn claims(&self, header: &Header) -> Result<(), Dropped> {
        if vlan_id(header.vlan) != vlan_id(self.config.vlan) {
            return Err(Dropped::OtherVlan);
        }
        if header.destination != self.mac() {
            return Err(Dropped::NotForUs);
        }
        Ok(())
    }

    /// Whether session packets of `id` from `source` are this WAN's.
    pub(crate) fn has_session(&self, source: EthernetAddress, id: u16) -> bool {
        match &self.state {
            State::Idle | State::Discovering { .. } => false,
            State::Session(live) | State::Closing(live) | State::Ending(live, _) => {
                live.session.id == id && live.session.ac_mac == source
            }
        }
    }

    /// Whether session packets from `source` that are nobody's may become this WAN's, because they
    /// overtook their PADS.
    pub(crate) fn may_hold(&self, source: EthernetAddress) -> bool {
        matches!(self.state, State::Discovering { .. }) && self.discovery.may_hold(source)
    }

    /// Takes a frame of the session stage for which [`has_session`](Self::has_session) or
    /// [`may_hold`](Self::may_hold) is true. Answers the IP packet in it, if it is data.
    pub(crate) fn handle_session_frame(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        place: Place,
        mut frame: Frame<'p>,
    ) -> Result<Option<Frame<'p>>, Dropped> {
        let live = match &mut self.state {
            State::Session(live) | State::Closing(live) => live,
            State::Discovering { held } => {
                held.push(frame).map_err(|_| Dropped::TooEarly)?;
                self.counters.held = self.counters.held.wrapping_add(1);
                return Ok(None);
            }
            State::Idle | State::Ending(..) => return Err(Dropped::UnknownSession),
        };
        let begin = place.header_len + pppoe::HEADER_LEN;
        let packet = frame.bytes().get(begin..begin + place.payload_len).ok_or(Dropped::Malformed)?;
        if let Ok((protocol @ (Protocol::Ipv4 | Protocol::Ipv6), ip)) = ppp::parse(packet) {
            if !live.carries(protocol) {
                return Err(Dropped::NetworkDown);
            }
            if ip.first().map(|byte| byte >> 4) != Some(if protocol == Protocol::Ipv4 { 4 } else { 6 }) {
                return Err(Dropped::NotIp);
            }
            decapsulate(&mut frame, place)?;
            live.link.note_traffic(now);
            return Ok(Some(frame));
        }
        self.counters.ppp_received = self.counters.ppp_received.wrapping_add(1);
        // What the link ignores, it counts.
        let _ = live.link.handle_packet(now, rng, packet);
        drop(frame);
        self.advance(now, rng);
        Ok(None)
    }

    /// Takes a packet of the Discovery stage. False if it was not for this WAN's attempt or session.
    pub(crate) fn handle_discovery(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
        source: EthernetAddress,
        packet: &Packet<'_>,
    ) -> bool {
        let handled = if packet.code == Code::Padt {
            self.handle_padt(now, rng, source, packet)
        } else {
            self.discovery.handle_packet(now, rng, source, packet)
        };
        if let Err(reason) = handled {
            self.counters.discovery.count(reason);
        }
        self.advance(now, rng);
        handled.is_ok()
    }

    /// Session data that no WAN of this VLAN has: its sender is told, at most once a second.
    pub(crate) fn handle_unknown_session(&mut self, now: Instant, source: EthernetAddress, session_id: u16) {
        if source.is_unicast() && self.limiter.permit(now) {
            let reason = PadtReason::UnknownSession;
            self.queue_padt(Padt { ac_mac: source, session_id, vlan: self.config.vlan, reason });
        }
    }

    /// Takes note of the port's carrier.
    pub(crate) fn handle_link(&mut self, now: Instant, rng: &mut ChaCha8Rng, link: LinkState) {
        if self.port_link == link {
            return;
        }
        self.port_link = link;
        if link == LinkState::Up {
            self.tell(WanEvent::LinkUp);
            self.engine.handle_event(now, rng, redial::Event::LinkUp);
        } else {
            self.tell(WanEvent::LinkDown);
            self.padts.clear();
            self.discovery.stop();
            let uptime = self.uptime(now);
            let was_active = !matches!(self.state, State::Idle);
            self.state = State::Idle;
            self.engine.handle_event(now, rng, redial::Event::LinkDown);
            if was_active {
                self.tell_down(Failure::LinkDown, uptime);
            }
        }
        self.advance(now, rng);
    }

    /// How to speak plain Ethernet on the port, and our address there, if the modem is to be reached.
    pub(crate) fn modem(&self) -> Option<(Ipv4Cidr, EthernetAddress, Option<VlanTag>)> {
        let address = self.config.modem.filter(|_| self.port_link == LinkState::Up)?;
        Some((address, self.port_mac, None))
    }

    /// Data of the session has arrived.
    #[inline]
    pub(crate) fn note_traffic(&mut self, now: Instant) {
        if let State::Session(live) = &mut self.state {
            live.link.note_traffic(now);
        }
    }

    /// An IP packet of the session went to the router's own stack.
    pub(crate) const fn count_received(&mut self, len: usize) {
        self.counters.ip_received = self.counters.ip_received.wrapping_add(1);
        self.counters.ip_received_bytes += len as u64;
    }

    /// What the datapath sees of the session, while IPv4 is up.
    pub(crate) fn face(&self) -> Option<Face<'_>> {
        let State::Session(live) = &self.state else { return None };
        Some(Face { address: live.ipv4?.address, mtu: live.mtu, header: live.headers() })
    }

    /// What the datapath sees of the session, while IPv6 is up.
    pub(crate) fn face6(&self) -> Option<Face6<'_>> {
        let State::Session(live) = &self.state else { return None };
        Some(Face6 { identifier: live.ipv6?.local, mtu: live.mtu, header: live.headers() })
    }

    /// Makes an IP packet a frame for the port.
    pub(crate) fn handle_ip_packet(&mut self, frame: &mut Frame<'p>) -> Result<(), Dropped> {
        let State::Session(live) = &self.state else { return Err(Dropped::NetworkDown) };
        let len = frame.len();
        live.encapsulate(frame)?;
        self.counters.ip_sent = self.counters.ip_sent.wrapping_add(1);
        self.counters.ip_sent_bytes += len as u64;
        Ok(())
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.discovery.handle_timeout(now, rng);
        if let State::Session(live) | State::Closing(live) = &mut self.state {
            live.link.handle_timeout(now);
        }
        self.advance(now, rng);
    }

    pub(crate) fn handle_stored(&mut self, now: Instant, rng: &mut ChaCha8Rng, stored: bool) {
        if stored {
            self.engine.stored();
        } else {
            self.engine.store_failed();
        }
        self.discovery.hurry(now);
        self.advance(now, rng);
    }

    // What the owner wants.

    pub(crate) fn dial(&mut self, now: Instant, rng: &mut ChaCha8Rng, force: bool) {
        self.engine.dial(now, force);
        self.advance(now, rng);
    }

    pub(crate) fn hang_up(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.engine.hang_up(now);
        self.advance(now, rng);
    }

    pub(crate) fn note_no_traffic(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.engine.handle_event(now, rng, redial::Event::NoTraffic);
        self.advance(now, rng);
    }

    pub(crate) fn set_wall_clock(&mut self, now: Instant, rng: &mut ChaCha8Rng, unix_seconds: u64) {
        self.engine.set_wall_clock(now, unix_seconds);
        self.advance(now, rng);
    }

    /// Uses other settings: at once where nothing is live, else after a hang-up, then dials.
    pub(crate) fn reconfigure(&mut self, now: Instant, rng: &mut ChaCha8Rng, config: WanConfig) {
        if matches!(self.state, State::Idle) {
            self.apply(now, config);
        } else {
            self.new_config = Some(config);
            self.engine.hang_up(now);
        }
        self.advance(now, rng);
    }

    fn apply(&mut self, now: Instant, config: WanConfig) {
        self.engine.set_policy(now, config.policy.clone());
        self.engine.set_credentials(now, &config.credentials.username, &config.credentials.password);
        self.black_hole = false;
        self.config = WanConfig { port: self.config.port, ..config };
    }

    // What it tells.

    /// Whether nothing is live, and nothing waits to be sent, stored or done.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Idle) && self.padts.is_empty() && self.engine.poll_at().is_none()
    }

    pub(crate) fn poll_store(&mut self, now: Instant) -> Option<Ledger> {
        self.engine.poll_store(now)
    }

    pub(crate) fn snapshot(&self, now: Instant) -> Ledger {
        self.engine.snapshot(now)
    }

    pub(crate) fn poll_event(&mut self) -> Option<WanEvent> {
        self.events.pop_front()
    }

    /// Events lost since the last call, because nobody fetched them in time.
    pub(crate) const fn take_events_lost(&mut self) -> u32 {
        core::mem::replace(&mut self.events_lost, 0)
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let (link, authenticate_at) = match &self.state {
            State::Session(live) | State::Closing(live) => (live.link.poll_at(), live.authenticate_at),
            State::Idle | State::Discovering { .. } | State::Ending(..) => (None, None),
        };
        // What found no frame is due already, and is tried again then.
        let discovery = self.discovery.poll_at().map(|at| self.frame_retry.map_or(at, |retry| retry.max(at)));
        [self.engine.poll_at(), discovery, link, authenticate_at, self.frame_retry]
            .into_iter()
            .flatten()
            .min()
    }

    fn uptime(&self, now: Instant) -> Option<Duration> {
        match &self.state {
            State::Session(live) | State::Closing(live) | State::Ending(live, _) => {
                live.up_since.map(|since| now - since)
            }
            State::Idle | State::Discovering { .. } => None,
        }
    }

    /// The MAC address we use: the cloned one, or the port's.
    fn mac(&self) -> EthernetAddress {
        self.config.mac.unwrap_or(self.port_mac)
    }

    /// The longest IP packet the port has room for.
    fn room(&self) -> u16 {
        let headers = HEADERS_LEN + self.config.vlan.map_or(0, |_| VLAN_LEN);
        u16::try_from(self.max_frame_len.saturating_sub(headers)).unwrap_or(u16::MAX)
    }

    fn tell(&mut self, event: WanEvent) {
        if self.events.push_back(event).is_err() {
            self.events_lost += 1;
        }
    }

    fn tell_down(&mut self, failure: Failure, uptime: Option<Duration>) {
        self.last_failure = Some(failure);
        self.tell(WanEvent::Down { failure, uptime });
    }

    fn queue_padt(&mut self, padt: Padt) {
        // More than a handful at once is somebody's nonsense: those that wait come first.
        let _ = self.padts.push_back(padt);
        self.attention = true;
    }
}

/// VLAN 0 is a mere priority tag: untagged (IEEE 802.1Q §6.9).
fn vlan_id(tag: Option<VlanTag>) -> Option<u16> {
    tag.map(|tag| tag.id).filter(|id| *id != 0)
}
