//! Gatelet on the line: the runtime that boards run, with a flash, a power plug, and somebody who notices when
//! nothing gets through.
//!
//! ```text
//!  Street ══ Plug (frames, power, carrier) ══ port ─ router ─ wan stack ─ pings
//!                                                    └─ flash
//! ```
//!
//! A life of the runtime ends when the plug is pulled. What the next one knows is what flash holds and, over a reset,
//! the ledger in retained memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use embassy_net::icmp::{IcmpEndpoint, IcmpSocket, PacketMetadata};
use embassy_net::{Stack, StackResources};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pubsub::WaitResult;
use embassy_time::{Duration as Wait, Timer, with_timeout};
use gatelet_hal::{EthernetPort, Frame, FramePool, LinkState, PortId, Ready};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::{Boot, Ledger, Policy, Preset};
use gatelet_router::{Command, Router, RouterEvent, WanConfig, WanEvent, WanId};
use gatelet_runtime::{Event, FlashLedger, Gatelet, LedgerStore};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Icmpv4Packet, Icmpv4Repr, IpAddress};

use super::street::Street;
use super::subscriber::{MAC, Subscriber};
use crate::clock;
use crate::executor::{Executor, Mode, Stuck};
use crate::peers::concentrator::ACCOUNT;
use crate::peers::internet;
use crate::world::Outbox;
use crate::world::flash::{self, Flash};

const FRAMES: usize = 24;
const RESERVED: u16 = 8;
const WAN_PORT: PortId = PortId(0);
const WAN: WanId = WanId(0);
/// A plain Ethernet port.
const MAX_FRAME_LEN: usize = 1514;
const SOCKETS: usize = 2;
/// The household's own check, until connectivity probes exist: a ping every five minutes; after one in vain more of them,
/// and three in a row mean that nothing gets through.
const PING_INTERVAL: Wait = Wait::from_secs(300);
const PING_AGAIN: Wait = Wait::from_secs(10);
const PING_PATIENCE: Wait = Wait::from_secs(2);
const PINGS_MISSED: u32 = 3;

/// Lives the street's year with a router fresh out of the box, set up for this carrier.
///
/// # Errors
/// [`Stuck`] if the runtime spins.
pub(super) fn live(street: Street<'_>, preset: Preset, seed: u64) -> Result<Street<'_>, Stuck> {
    let street = RefCell::new(street);
    let plug = RefCell::new(Plug::default());
    let mut enclosure = Enclosure { flash: Flash::new(), retained: None, preset, seed, boots: 0 };
    while !street.borrow().is_over() {
        let now = street.borrow().now();
        let power = plug.borrow_mut().settle();
        match power {
            None => {
                let mut executor = Executor::booting_at(Mode::Virtual, now);
                executor.run_until(drive(&street, &plug))?;
            }
            Some(boot) => enclosure.live(now, boot, &street, &plug)?,
        }
    }
    Ok(street.into_inner())
}

/// What the router is between two lives.
struct Enclosure {
    flash: Flash,
    /// Memory that a reset leaves alone.
    retained: Option<Ledger>,
    preset: Preset,
    seed: u64,
    boots: u64,
}

impl Enclosure {
    fn live(
        &mut self,
        now: Instant,
        boot: Boot,
        street: &RefCell<Street<'_>>,
        plug: &RefCell<Plug>,
    ) -> Result<(), Stuck> {
        let frames = Box::new(FramePool::<NoopRawMutex, FRAMES>::new());
        let pool = frames.pool();
        for port in [WAN_PORT, PortId::LOCAL] {
            pool.reserve(port, RESERVED).expect("the pool has as many frames");
        }
        let gatelet: Gatelet<'_, NoopRawMutex> = Gatelet::new(pool);
        let mut resources = StackResources::<SOCKETS>::new();
        self.boots += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&self.boots.to_le_bytes());
        let mut router = Router::new(pool, seed);
        router.add_port(WAN_PORT, MAC, MAX_FRAME_LEN);
        let mut store: FlashLedger<_> =
            FlashLedger::<_, 1>::new(self.flash.clone(), flash::LEDGER).expect("two whole sectors");
        let retained = self.retained.take().filter(|_| boot == Boot::Warm);
        let credentials = Credentials::new(ACCOUNT.0, ACCOUNT.1).unwrap_or_default();
        let config =
            WanConfig { policy: Policy::preset(self.preset), ..WanConfig::new(WAN_PORT, credentials) };
        let ended = {
            let mut executor = Executor::booting_at(Mode::Virtual, now);
            executor.spawn("port", gatelet.run_port(WAN_PORT, Port { plug, link: LinkState::Down }));
            executor.spawn("events", watch(&gatelet, plug));
            let wan = gatelet.wan_stack(WAN, &mut resources, self.seed ^ self.boots);
            let (stack, runner) = wan.expect("a frame is reserved, and nobody else follows the session");
            executor.spawn("stack", runner.run());
            executor.spawn("household", ping_often(stack, &gatelet));
            let router = &mut router;
            executor.spawn("router", async {
                let (boot, ledger) = match retained {
                    Some(ledger) => (Boot::Warm, Some(ledger)),
                    None => (Boot::Cold, store.load(WAN).await),
                };
                router.add_wan(gatelet_runtime::now(), config, boot, ledger);
                gatelet.run_router(router, &mut store).await;
            });
            executor.run_until(drive(street, plug))?;
            executor.now()
        };
        if plug.borrow().reset {
            self.retained = router.snapshot(Instant::ZERO + (ended - now), WAN);
        }
        Ok(())
    }
}

/// Drives the street until the year is over or the plug is touched.
async fn drive(street: &RefCell<Street<'_>>, plug: &RefCell<Plug>) {
    poll_fn(|cx| {
        let (mut street, mut plug) = (street.borrow_mut(), plug.borrow_mut());
        keep(&mut plug.driver, cx.waker());
        street.advance(clock::now(), &mut *plug);
        if street.is_over() || plug.touched {
            return Poll::Ready(());
        }
        clock::wake_at(street.poll_at(&*plug), cx.waker());
        Poll::Pending
    })
    .await;
}

/// Between the street and the runtime.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Plug {
    /// How it was switched on, while it is.
    on: Option<Boot>,
    /// The switch was touched since the runtime began to live.
    touched: bool,
    /// The last power-off was a mere reset.
    reset: bool,
    carrier: bool,
    session: Option<u16>,
    up: bool,
    inbox: VecDeque<Vec<u8>>,
    outbox: Outbox,
    spare: Vec<Vec<u8>>,
    sent_at: Option<Instant>,
    driver: Option<Waker>,
    port: Option<Waker>,
}

impl Plug {
    /// Whether, and how, the runtime is to live now.
    fn settle(&mut self) -> Option<Boot> {
        self.touched = false;
        self.on
    }
}

impl Subscriber for Plug {
    fn power_on(&mut self, _now: Instant, boot: Boot, carrier: bool, _out: &mut Outbox) {
        self.on = Some(boot);
        self.touched = true;
        self.carrier = carrier;
        self.inbox.clear();
        self.outbox.clear();
        self.sent_at = None;
    }

    fn power_off(&mut self, _now: Instant, boot: Boot) {
        self.on = None;
        self.touched = true;
        self.reset = boot == Boot::Warm;
        self.session = None;
        self.up = false;
        self.inbox.clear();
        self.outbox.clear();
        self.sent_at = None;
    }

    fn set_carrier(&mut self, _now: Instant, carrier: bool, _out: &mut Outbox) {
        self.carrier = carrier;
        if !carrier {
            self.inbox.clear();
        }
        wake(self.port.as_ref());
    }

    fn handle_frame(&mut self, _now: Instant, frame: &[u8], _out: &mut Outbox) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(frame);
        self.inbox.push_back(bytes);
        wake(self.port.as_ref());
    }

    fn handle_timeout(&mut self, _now: Instant, out: &mut Outbox) {
        for frame in self.outbox.frames() {
            out.send(frame);
        }
        self.outbox.clear();
        self.sent_at = None;
    }

    fn poll_at(&self) -> Option<Instant> {
        self.sent_at
    }

    fn session_id(&self) -> Option<u16> {
        self.session.filter(|_| self.up)
    }

    fn note_traffic(&mut self, _now: Instant, _flows: bool) {}
}

/// The port's end of the plug.
struct Port<'a> {
    plug: &'a RefCell<Plug>,
    link: LinkState,
}

impl<'p> EthernetPort<'p> for Port<'_> {
    fn hardware_address(&self) -> EthernetAddress {
        MAC
    }

    fn max_frame_len(&self) -> usize {
        MAX_FRAME_LEN
    }

    fn link_state(&self) -> LinkState {
        self.link
    }

    async fn wait(&mut self, to_transmit: bool) -> Ready {
        poll_fn(|cx| {
            let mut plug = self.plug.borrow_mut();
            keep(&mut plug.port, cx.waker());
            let link = if plug.carrier { LinkState::Up } else { LinkState::Down };
            let changed = core::mem::replace(&mut self.link, link) != link;
            let ready = Ready { receive: !plug.inbox.is_empty(), transmit: to_transmit && plug.carrier };
            if changed || ready.receive || ready.transmit { Poll::Ready(ready) } else { Poll::Pending }
        })
        .await
    }

    async fn receive(&mut self, frame: &mut Frame<'p>) -> bool {
        frame.clear(gatelet_hal::HEADROOM);
        let mut plug = self.plug.borrow_mut();
        let Some(bytes) = plug.inbox.pop_front() else { return false };
        let taken = bytes.len() <= MAX_FRAME_LEN && frame.extend(&bytes);
        plug.spare.push(bytes);
        taken
    }

    async fn transmit(&mut self, frame: Frame<'p>) -> bool {
        let mut plug = self.plug.borrow_mut();
        if !plug.carrier || frame.len() > MAX_FRAME_LEN {
            return false;
        }
        plug.outbox.send(frame.bytes());
        plug.sent_at = Some(clock::now());
        wake(plug.driver.as_ref());
        true
    }
}

/// Follows what the router says of its session.
async fn watch(gatelet: &Gatelet<'_, NoopRawMutex>, plug: &RefCell<Plug>) {
    let mut events = gatelet.events().expect("the first to listen");
    loop {
        let WaitResult::Message(timed) = events.next_message().await else { continue };
        let mut plug = plug.borrow_mut();
        let Event::Router(event) = timed.event else { continue };
        match event {
            RouterEvent::Wan(_, WanEvent::PadsReceived { session_id, .. }) => plug.session = Some(session_id),
            RouterEvent::Wan(_, WanEvent::Up { .. }) => plug.up = true,
            RouterEvent::Wan(_, WanEvent::Down { .. } | WanEvent::LinkDown) => plug.up = false,
            _ => continue,
        }
        // The stop-watch looks at the next opportunity, which is now.
        plug.sent_at = Some(clock::now());
        wake(plug.driver.as_ref());
    }
}

/// Pings a host on the Internet while there is an address; tells the router when the last ones stayed unanswered.
async fn ping_often(stack: Stack<'_>, gatelet: &Gatelet<'_, NoopRawMutex>) {
    let mut missed = 0;
    loop {
        stack.wait_config_up().await;
        Timer::after(if missed > 0 { PING_AGAIN } else { PING_INTERVAL }).await;
        if stack.config_v4().is_none() {
            missed = 0;
            continue;
        }
        missed = if ping(stack).await { 0 } else { missed + 1 };
        if missed >= PINGS_MISSED {
            missed = 0;
            gatelet.commands().send(Command::NoTraffic { wan: WAN }).await;
        }
    }
}

/// One echo; whether it came back in time. (embassy-net's `PingManager` spins while it waits.)
async fn ping(stack: Stack<'_>) -> bool {
    const IDENT: u16 = 0x4741;
    let (mut received, mut sent) = ([0; 128], [0; 128]);
    let (mut received_meta, mut sent_meta) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 1]);
    let mut socket = IcmpSocket::new(stack, &mut received_meta, &mut received, &mut sent_meta, &mut sent);
    if socket.bind(IcmpEndpoint::Ident(IDENT)).is_err() {
        return false;
    }
    let request = Icmpv4Repr::EchoRequest { ident: IDENT, seq_no: 1, data: b"up?" };
    let mut packet = [0; 16];
    let len = request.buffer_len();
    request.emit(&mut Icmpv4Packet::new_unchecked(&mut packet[..len]), &ChecksumCapabilities::default());
    let echo = async {
        let mut reply = [0; 64];
        socket.send_to(&packet[..len], IpAddress::Ipv4(internet::HOST)).await.is_ok()
            && socket.recv_from(&mut reply).await.is_ok()
    };
    with_timeout(PING_PATIENCE, echo).await.unwrap_or(false)
}

fn keep(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}

fn wake(waker: Option<&Waker>) {
    if let Some(waker) = waker {
        waker.wake_by_ref();
    }
}
