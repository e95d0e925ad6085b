//! Gatelet on the line: the router that ships, with a flash, a power plug, and somebody who notices when nothing
//! gets through.

use gatelet_hal::{Frame, LinkState, Pool, PortId};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::{Boot, Ledger, Policy, Preset};
use gatelet_router::{Command, Egress, Router, RouterEvent, WanConfig, WanEvent, WanId};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr};

use super::subscriber::{MAC, Subscriber};
use crate::peers::concentrator::ACCOUNT;
use crate::peers::internet;
use crate::world::Outbox;

/// Frames of the pool: few, the line is idle.
pub(super) const FRAMES: usize = 16;
const WAN_PORT: PortId = PortId(0);
/// An Ethernet port without jumbo frames, 802.1Q tag included.
const MAX_FRAME_LEN: usize = 1518;
/// The household's own check: a ping a minute, and three unanswered ones mean that nothing gets through.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PINGS_MISSED: u32 = 3;

/// The router, its flash and its retained memory.
pub(super) struct Gatelet<'p> {
    pool: Pool<'p>,
    preset: Preset,
    seed: u64,
    boots: u64,
    /// What is in flash.
    flash: Option<Ledger>,
    /// What is in memory that a reset leaves alone.
    retained: Option<Ledger>,
    running: Option<Running<'p>>,
}

struct Running<'p> {
    router: Router<'p>,
    wan: WanId,
    /// The board's clock begins at zero with each boot.
    booted_at: Instant,
    session: Option<u16>,
    address: Option<Ipv4Address>,
    ping_at: Option<Instant>,
    pings_missed: u32,
}

impl<'p> Gatelet<'p> {
    /// A router fresh out of the box, set up for this carrier.
    pub(super) fn new(pool: Pool<'p>, preset: Preset, seed: u64) -> Self {
        Self { pool, preset, seed, boots: 0, flash: None, retained: None, running: None }
    }

    fn config(&self) -> WanConfig {
        let credentials = Credentials::new(ACCOUNT.0, ACCOUNT.1).unwrap_or_default();
        WanConfig { policy: Policy::preset(self.preset), ..WanConfig::new(WAN_PORT, credentials) }
    }

    /// One mutation was made: sends, stores and notes what follows from it.
    fn drain(&mut self, now: Instant, out: &mut Outbox) {
        let Some(running) = &mut self.running else { return };
        let local = running.local(now);
        loop {
            let mut idle = true;
            while let Some((wan, ledger)) = running.router.poll_store(local) {
                self.flash = Some(ledger);
                running.router.handle_stored(local, wan, true);
                idle = false;
            }
            while let Some((egress, frame)) = running.router.poll_transmit(local) {
                match egress {
                    Egress::Port(_) => out.send(frame.bytes()),
                    Egress::Stack(_) => running.pings_missed = 0,
                }
                idle = false;
            }
            while let Some(event) = running.router.poll_event() {
                running.note(now, &event);
                idle = false;
            }
            if idle {
                return;
            }
        }
    }
}

impl<'p> Running<'p> {
    fn local(&self, now: Instant) -> Instant {
        Instant::ZERO + (now - self.booted_at)
    }

    fn note(&mut self, now: Instant, event: &RouterEvent) {
        match event {
            RouterEvent::Wan(_, WanEvent::Up { ipv4, .. }) => {
                self.session =
                    self.router.wan(self.wan).and_then(|wan| wan.session).map(|session| session.id);
                self.address = Some(ipv4.address);
                self.ping_at = Some(now + PING_INTERVAL);
                self.pings_missed = 0;
            }
            RouterEvent::Wan(_, WanEvent::Down { .. } | WanEvent::LinkDown) => {
                self.session = None;
                self.address = None;
                self.ping_at = None;
            }
            _ => {}
        }
    }

    /// Pings a host on the Internet; tells the router when the last ones stayed unanswered.
    fn ping(&mut self, now: Instant, pool: Pool<'p>) {
        let (Some(source), Some(due)) = (self.address, self.ping_at) else { return };
        if now < due {
            return;
        }
        self.ping_at = Some(now + PING_INTERVAL);
        let local = self.local(now);
        if self.pings_missed >= PINGS_MISSED {
            self.pings_missed = 0;
            self.router.handle_command(local, Command::NoTraffic { wan: self.wan });
            return;
        }
        self.pings_missed += 1;
        if let Some(mut frame) = pool.take(PortId::LOCAL) {
            if write_ping(&mut frame, source) {
                self.router.handle_stack_packet(local, self.wan, frame);
            }
        }
    }
}

impl Subscriber for Gatelet<'_> {
    fn power_on(&mut self, now: Instant, boot: Boot, carrier: bool, out: &mut Outbox) {
        self.boots += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&self.boots.to_le_bytes());
        let mut router = Router::new(self.pool, seed);
        router.add_port(WAN_PORT, MAC, MAX_FRAME_LEN);
        let (boot, ledger) = match (boot, self.retained.take()) {
            (Boot::Warm, Some(retained)) => (Boot::Warm, Some(retained)),
            _ => (Boot::Cold, self.flash.clone()),
        };
        let Some(wan) = router.add_wan(Instant::ZERO, self.config(), boot, ledger) else { return };
        let link = if carrier { LinkState::Up } else { LinkState::Down };
        router.handle_link(Instant::ZERO, WAN_PORT, link);
        self.running = Some(Running {
            router,
            wan,
            booted_at: now,
            session: None,
            address: None,
            ping_at: None,
            pings_missed: 0,
        });
        self.drain(now, out);
    }

    fn power_off(&mut self, now: Instant, boot: Boot) {
        if let Some(running) = self.running.take() {
            self.retained = running.router.snapshot(running.local(now), running.wan);
        }
        if boot == Boot::Cold {
            self.retained = None;
        }
    }

    fn set_carrier(&mut self, now: Instant, carrier: bool, out: &mut Outbox) {
        if let Some(running) = &mut self.running {
            let local = running.local(now);
            running.router.handle_link(
                local,
                WAN_PORT,
                if carrier { LinkState::Up } else { LinkState::Down },
            );
        }
        self.drain(now, out);
    }

    fn handle_frame(&mut self, now: Instant, bytes: &[u8], out: &mut Outbox) {
        let Some(running) = &mut self.running else { return };
        let Some(mut frame) = self.pool.take(WAN_PORT) else { return };
        if frame.extend(bytes) {
            let local = running.local(now);
            running.router.handle_frame(local, WAN_PORT, frame);
            self.drain(now, out);
        }
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        if let Some(running) = &mut self.running {
            let local = running.local(now);
            running.router.handle_timeout(local);
            running.ping(now, self.pool);
        }
        self.drain(now, out);
    }

    fn poll_at(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        let router = running.router.poll_at().map(|at| running.booted_at + (at - Instant::ZERO));
        router.into_iter().chain(running.ping_at).min()
    }

    fn session_id(&self) -> Option<u16> {
        self.running.as_ref()?.session
    }

    fn note_traffic(&mut self, _now: Instant, _flows: bool) {}
}

fn write_ping(frame: &mut Frame<'_>, source: Ipv4Address) -> bool {
    let checksums = ChecksumCapabilities::default();
    let echo = Icmpv4Repr::EchoRequest { ident: 1, seq_no: 1, data: &[] };
    let header = Ipv4Repr {
        src_addr: source,
        dst_addr: internet::HOST,
        next_header: IpProtocol::Icmp,
        payload_len: echo.buffer_len(),
        hop_limit: 64,
    };
    let mut bytes = [0; 64];
    let len = header.buffer_len() + echo.buffer_len();
    header.emit(&mut Ipv4Packet::new_unchecked(&mut bytes[..len]), &checksums);
    echo.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes[header.buffer_len()..len]), &checksums);
    frame.clear(Frame::IP_HEADROOM);
    frame.extend(&bytes[..len])
}
