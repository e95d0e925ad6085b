//! The router's task: the only owner of the [`Router`], which is synchronous, between queues that are not.
//!
//! One turn takes at most [`BURST`] frames of each port and each stack, then the rest of the inputs, then carries
//! out whatever the router has to say; after each turn the other tasks run. So a flood on one port delays
//! another port, or a timer, by a turn.

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer};
use gatelet_hal::{Frame, PortId};
use gatelet_proto::redial::Ledger;
use gatelet_proto::sixinfour::liveness;
use gatelet_router::{Egress, Ipv6Event, Router, RouterEvent, WanId};
use smoltcp::time::Instant;

use crate::fmt::{Debug, Show, info, warning};
use crate::gatelet::{Event, Gatelet, TimedEvent};
use crate::lan::LanAddresses;
use crate::queues::FrameQueue;
use crate::{LedgerStore, Session, clock, one_address};

/// How many frames of one queue are handled before the next queue's turn.
const BURST: usize = 8;

/// How long the ports get to send the last frames before a shutdown is called done.
const LINGER: Duration = Duration::from_millis(100);

/// How old a retained ledger may be. Ledgers count in seconds.
const RETAIN_EVERY: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(1);

/// Runs until the router has shut down.
pub(crate) async fn run<'p, M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'p, M, PORTS, WANS>,
    router: &mut Router<'p>,
    store: &mut impl LedgerStore,
    retain: Option<&mut dyn FnMut(WanId, Ledger)>,
) {
    let desk = [const { LedgerSlot { to_write: Signal::new(), written: Signal::new() } }; WANS];
    select(route(gatelet, router, &desk, retain), write_ledgers(&desk, store)).await;
    Timer::after(LINGER).await;
}

/// Between the router and the flash, which takes its time: the router goes on meanwhile. One for each WAN. A newer
/// ledger replaces one that is not written yet; serial numbers tell whose success is reported.
struct LedgerSlot {
    to_write: Signal<NoopRawMutex, (u32, Ledger)>,
    /// Which, and whether it could be written.
    written: Signal<NoopRawMutex, (u32, bool)>,
}

/// Writes one ledger after the other.
async fn write_ledgers<const WANS: usize>(desk: &[LedgerSlot; WANS], store: &mut impl LedgerStore) {
    loop {
        poll_fn(|cx| {
            let ready = desk.iter().fold(false, |ready, slot| signaled(&slot.to_write, cx) | ready);
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        for (wan, slot) in (0..).map(WanId).zip(desk) {
            let Some((serial, ledger)) = slot.to_write.try_take() else { continue };
            let stored = store.store(wan, &ledger).await;
            if let Err(error) = &stored {
                warning!("wan {}: {}", Show(wan.0), Show(error));
            }
            slot.written.signal((serial, stored.is_ok()));
        }
    }
}

async fn route<'p, M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'p, M, PORTS, WANS>,
    router: &mut Router<'p>,
    desk: &[LedgerSlot; WANS],
    mut retain: Option<&mut dyn FnMut(WanId, Ledger)>,
) {
    // The serial number of the ledger given out last, of each WAN.
    let mut latest = [0; WANS];
    let mut retain_at = clock::now();
    publish_sessions(gatelet, router);
    // Of leases that were kept over a reboot.
    publish_names(gatelet, router);
    loop {
        let now = clock::now();
        take_inputs(gatelet, router, desk, &latest, now);
        let told = carry_out(gatelet, router, desk, &mut latest, now);
        if told.shut_down {
            return;
        }
        let mut deadline = router.poll_at();
        if let Some(retain) = &mut retain {
            // With every event, so that not even a reset right after a PADI forgets it: the port has not sent it yet.
            if retain_at <= now || told.anything {
                retain_at = now + RETAIN_EVERY;
                (0..WANS as u8).map(WanId).for_each(|wan| {
                    router.snapshot(now, wan).into_iter().for_each(|ledger| retain(wan, ledger));
                });
            }
            deadline = Some(deadline.map_or(retain_at, |deadline| deadline.min(retain_at)));
        }
        // Everything in the queues was put there by other tasks: let them run before looking again.
        yield_now().await;
        if deadline.is_none_or(|deadline| deadline > clock::now()) {
            wait(gatelet, desk, deadline).await;
        }
    }
}

fn take_inputs<'p, M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'p, M, PORTS, WANS>,
    router: &mut Router<'p>,
    desk: &[LedgerSlot; WANS],
    latest: &[u32; WANS],
    now: Instant,
) {
    for (id, queues) in (0..).map(PortId).zip(&gatelet.ports) {
        if let Some(state) = queues.link.try_take() {
            router.handle_link(now, id, state);
        }
    }
    for (id, queues) in (0..).map(PortId).zip(&gatelet.ports) {
        for frame in burst(&queues.ingress) {
            gatelet.tap.see(now, id, frame.bytes());
            if let Some((egress, frame)) = router.handle_frame(now, id, frame) {
                deliver(gatelet, router, egress, frame);
            }
            transmit(gatelet, router, now);
        }
    }
    for (wan, queues) in (0..).map(WanId).zip(&gatelet.stacks) {
        for frame in burst(&queues.from_stack) {
            if let Some((egress, frame)) = router.handle_stack_packet(now, wan, frame) {
                deliver(gatelet, router, egress, frame);
            }
            transmit(gatelet, router, now);
        }
    }
    for mut frame in burst(&gatelet.lan.from_stack) {
        if let Some((link_local, others)) = router.lan_ipv6() {
            one_address::leave(frame.bytes_mut(), link_local, others);
        }
        if let Some((egress, frame)) = router.handle_lan_packet(now, frame) {
            deliver(gatelet, router, egress, frame);
        }
        transmit(gatelet, router, now);
    }
    while let Ok(command) = gatelet.commands.try_receive() {
        router.handle_command(now, command);
    }
    if let Some(settings) = gatelet.settings
        && settings.carry_out(router, now)
    {
        settings.read(|settings| gatelet.follow_tunnel_settings(settings));
        // The LAN may have another address.
        publish_sessions(gatelet, router);
    }
    for ((wan, slot), latest) in (0..).map(WanId).zip(desk).zip(latest) {
        // That an older one is written says nothing about the one given out since.
        if let Some((serial, stored)) = slot.written.try_take()
            && serial == *latest
        {
            router.handle_stored(now, wan, stored);
        }
    }
    if router.poll_at().is_some_and(|deadline| deadline <= now) {
        router.handle_timeout(now);
    }
    if let Some(wan) = gatelet.status.question.try_take() {
        gatelet.status.answer.signal(router.wan(wan));
    }
    gatelet.reports.serve(router);
}

/// What the router had to say in one turn.
#[derive(Default)]
struct Told {
    anything: bool,
    shut_down: bool,
}

/// Carries out all the router has to say.
fn carry_out<'p, M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'p, M, PORTS, WANS>,
    router: &mut Router<'p>,
    desk: &[LedgerSlot; WANS],
    latest: &mut [u32; WANS],
    now: Instant,
) -> Told {
    transmit(gatelet, router, now);
    while let Some((wan, ledger)) = router.poll_store(now) {
        let index = usize::from(wan.0);
        if let (Some(slot), Some(latest)) = (desk.get(index), latest.get_mut(index)) {
            *latest = latest.wrapping_add(1);
            slot.to_write.signal((*latest, ledger));
        } else {
            // A WAN for which this `Gatelet` has no place.
            router.handle_stored(now, wan, false);
        }
    }
    while !gatelet.leases.is_full() {
        let Some(lease) = router.poll_lease(now) else { break };
        let _ = gatelet.leases.try_send(lease);
    }
    if let Some(prefixes) = router.poll_ipv6_prefixes() {
        gatelet.prefixes.signal(prefixes);
    }
    let mut told = Told::default();
    while let Some(event) = router.poll_event() {
        match &event {
            RouterEvent::Wan(wan, event) => info!("wan {}: {}", Show(wan.0), Debug(event)),
            RouterEvent::Dhcp(event) => {
                info!("dhcp: {}", Debug(event));
                publish_names(gatelet, router);
            }
            RouterEvent::Datapath(event) => info!("datapath: {}", Debug(event)),
            RouterEvent::WallClock { unix_seconds } => {
                info!("the time of day: {} s since 1970", Show(unix_seconds));
            }
            RouterEvent::Ipv6(event) => {
                info!("ipv6: {}", Debug(event));
                if let (Some(updates), Ipv6Event::Tunnel { tunnel, state: liveness::State::Down }) =
                    (gatelet.updates, event)
                {
                    updates.note_silence(*tunnel);
                }
            }
            RouterEvent::ShutDown => told.shut_down = true,
        }
        told.anything = true;
        gatelet
            .events
            .immediate_publisher()
            .publish_immediate(TimedEvent { at: now, event: Event::Router(event) });
    }
    if told.anything {
        publish_sessions(gatelet, router);
    }
    told
}

/// Puts what the router has to send where it belongs.
fn transmit<'p, M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'p, M, PORTS, WANS>,
    router: &mut Router<'p>,
    now: Instant,
) {
    while let Some((egress, frame)) = router.poll_transmit(now) {
        deliver(gatelet, router, egress, frame);
    }
}

/// Puts a frame where it belongs. The router has no other ports and WANs than the firmware gave it; what it has beyond the
/// queues of this `Gatelet` is nowhere to be sent.
fn deliver<'p, M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'p, M, PORTS, WANS>,
    router: &Router<'p>,
    egress: Egress,
    mut frame: Frame<'p>,
) {
    match egress {
        Egress::Port(id) => {
            if let Some(port) = gatelet.ports.get(usize::from(id.0)) {
                gatelet.tap.see(clock::now(), id, frame.bytes());
                port.egress.push(frame);
            }
        }
        Egress::Stack(wan) => {
            if let Some(stack) = gatelet.stacks.get(usize::from(wan.0)) {
                stack.to_stack.push(frame);
            }
        }
        Egress::LanStack => {
            if let Some((link_local, _)) = router.lan_ipv6() {
                one_address::enter(frame.bytes_mut(), link_local);
            }
            gatelet.lan.to_stack.push(frame);
        }
    }
}

/// Tells those who follow a session what it gives now.
fn publish_sessions<M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'_, M, PORTS, WANS>,
    router: &Router<'_>,
) {
    for (wan, queues) in (0..).map(WanId).zip(&gatelet.stacks) {
        let session = router.wan(wan).and_then(|status| Session::of(&status, router.ipv6_access(wan)));
        if let Some(portal) = gatelet.portals.get(usize::from(wan.0)) {
            // Before the session is known: who hears of that reads this.
            portal.set_captive_portal_uri(router.captive_portal_uri(wan));
        }
        queues.session.sender().send_if_modified(|known| {
            let changed = known.flatten() != session;
            *known = Some(session);
            changed
        });
    }
    let lan = LanAddresses::of(router);
    gatelet.lan.session.sender().send_if_modified(|known| {
        let changed = known.flatten() != lan;
        *known = Some(lan);
        changed
    });
}

/// Tells the DNS service who has which name.
fn publish_names<M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'_, M, PORTS, WANS>,
    router: &Router<'_>,
) {
    let Some(server) = router.dhcp_server() else { return };
    let leases = server.leases().filter(|lease| !lease.host_name().is_empty());
    gatelet.names.lock(|names| {
        let mut names = names.borrow_mut();
        names.clear();
        for lease in leases {
            let Ok(name) = lease.host_name().try_into() else { continue };
            if names.push((name, lease.address())).is_err() {
                return;
            }
        }
    });
}

/// At most [`BURST`] frames of a queue.
fn burst<'q, 'p, M: RawMutex>(
    queue: &'q FrameQueue<'p, M>,
) -> impl Iterator<Item = Frame<'p>> + use<'q, 'p, M> {
    core::iter::from_fn(|| queue.channel.try_receive().ok()).take(BURST)
}

/// Until there is an input or `deadline` has come.
async fn wait<M: RawMutex, const PORTS: usize, const WANS: usize>(
    gatelet: &Gatelet<'_, M, PORTS, WANS>,
    desk: &[LedgerSlot; WANS],
    deadline: Option<Instant>,
) {
    let mut timer = deadline.map(clock::at);
    poll_fn(|cx| {
        // Every source is asked, so that each has our waker, whichever of them is ready.
        let mut ready = timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready());
        for port in &gatelet.ports {
            ready |= port.ingress.channel.poll_ready_to_receive(cx).is_ready();
            ready |= signaled(&port.link, cx);
        }
        for stack in &gatelet.stacks {
            ready |= stack.from_stack.channel.poll_ready_to_receive(cx).is_ready();
        }
        ready |= gatelet.lan.from_stack.channel.poll_ready_to_receive(cx).is_ready();
        ready |= gatelet.commands.poll_ready_to_receive(cx).is_ready();
        for slot in desk {
            ready |= signaled(&slot.written, cx);
        }
        ready |= signaled(&gatelet.status.question, cx);
        ready |= signaled(&gatelet.reports.question, cx);
        if let Some(settings) = gatelet.settings {
            ready |= signaled(&settings.changed, cx);
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Whether a signal is there, without taking it; if not, `cx` is woken by it.
fn signaled<M: RawMutex, T: Send>(signal: &Signal<M, T>, cx: &mut Context<'_>) -> bool {
    if signal.signaled() {
        return true;
    }
    // Polled once and dropped, the future leaves the waker registered. A signal that came in between is put back.
    match pin!(signal.wait()).poll(cx) {
        Poll::Ready(value) => {
            signal.signal(value);
            true
        }
        Poll::Pending => false,
    }
}
