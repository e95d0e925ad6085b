//! The watchdog's feeding.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::task::Poll;

use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pipe::Pipe;
use gatelet_console::Console;
use gatelet_hal::{EthernetPort, Frame, FramePool, LinkState, PortId, Ready};
use gatelet_proto::redial::Ledger;
use gatelet_router::{Router, WanId};
use smoltcp::wire::EthernetAddress;

use super::world::World;
use crate::settings::{SettingsDesk, Sides};
use crate::{ConsoleSide, Gatelet, LedgerStore, StoreError};

const PORT: PortId = PortId(0);

struct NoStore;

impl LedgerStore for NoStore {
    async fn load(&mut self, _: WanId) -> Option<Ledger> {
        None
    }

    async fn store(&mut self, _: WanId, _: &Ledger) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A port with a frame at hand, once it is told so, that it never comes to the end of.
struct Stuck<'c>(&'c Cell<bool>);

impl<'p> EthernetPort<'p> for Stuck<'_> {
    fn hardware_address(&self) -> EthernetAddress {
        EthernetAddress([2, 0, 0, 0, 0, 1])
    }

    fn max_frame_len(&self) -> usize {
        1514
    }

    fn link_state(&self) -> LinkState {
        LinkState::Up
    }

    async fn wait(&mut self, _: bool) -> Ready {
        while !self.0.get() {
            embassy_time::Timer::after_millis(10).await;
        }
        Ready { receive: true, transmit: false }
    }

    async fn receive(&mut self, _: &mut Frame<'p>) -> bool {
        pending().await
    }

    async fn transmit(&mut self, _: Frame<'p>) -> bool {
        true
    }
}

/// How often the watchdog was fed in ten seconds, before and after `event`.
fn fed(event: impl Fn(&Cell<bool>, &Cell<bool>, &Cell<bool>)) -> (u32, u32) {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let mut router = Router::new(frames.pool(), [7; 32]);
    let (stuck, console, blocked, fed) = (Cell::new(false), Cell::new(true), Cell::new(false), Cell::new(0));
    let mut world = World::default();
    world.spawn(gatelet.run_port(PORT, Stuck(&stuck)));
    world.spawn(async {
        let mut store = NoStore;
        let run = gatelet.run_router(&mut router, &mut store);
        let mut run = core::pin::pin!(run);
        poll_fn(|cx| if blocked.get() { Poll::Pending } else { run.as_mut().poll(cx) }).await;
    });
    world.spawn(gatelet.run_vigil(WanId(0), || console.get(), || fed.set(fed.get() + 1)));
    world.spawn(yield_now());
    world.run_for(10_100_000);
    let before = fed.replace(0);
    event(&stuck, &console, &blocked);
    world.run_for(10_000_000);
    (before, fed.get())
}

#[test]
fn a_watchdog_is_fed_while_everybody_makes_progress() {
    assert_eq!(fed(|_, _, _| ()), (20, 20));
}

#[test]
fn a_driver_that_does_not_come_to_an_end_starves_it() {
    let (before, after) = fed(|stuck, _, _| stuck.set(true));
    assert_eq!(before, 20);
    assert!(after <= 1, "fed {after} times more");
}

#[test]
fn a_router_that_does_not_answer_starves_it() {
    assert_eq!(fed(|_, _, blocked| blocked.set(true)), (20, 0));
}

#[test]
fn somebody_of_the_firmwares_own_starves_it() {
    assert_eq!(fed(|_, console, _| console.set(false)), (20, 0));
}

/// How often the watchdog was fed in ten seconds beside a console at whose screen nobody reads, before and after the console's
/// task is not polled any more, if it is so.
fn fed_beside_a_console(is_blocked: bool) -> (u32, u32) {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let mut router = Router::new(frames.pool(), [7; 32]);
    let settings = SettingsDesk::empty(Sides { wan: PORT, lan: PORT });
    let (keyboard, screen) = (Pipe::<NoopRawMutex, 64>::new(), Pipe::<NoopRawMutex, 8>::new());
    let mut console = Console::new(crate::now(), "test");
    let side = ConsoleSide {
        settings: &settings,
        stack: None,
        engines: &|_| {},
        probe: &|| false,
        is_terminal: true,
    };
    let (blocked, fed) = (Cell::new(false), Cell::new(0));
    let mut world = World::default();
    world.spawn(async { gatelet.run_router(&mut router, &mut NoStore).await });
    world.spawn(async {
        let (mut keyboard, mut screen) = (&keyboard, &screen);
        let run = gatelet.run_console(&mut console, &side, (&mut keyboard, &mut screen));
        let mut run = core::pin::pin!(run);
        poll_fn(|cx| if blocked.get() { Poll::Pending } else { run.as_mut().poll(cx) }).await;
    });
    world.spawn(gatelet.run_vigil(WanId(0), || true, || fed.set(fed.get() + 1)));
    world.run_for(10_100_000);
    let before = fed.replace(0);
    blocked.set(is_blocked);
    world.run_for(10_000_000);
    (before, fed.get())
}

#[test]
fn a_console_that_waits_makes_progress() {
    assert_eq!(fed_beside_a_console(false), (20, 20));
}

#[test]
fn a_console_that_does_not_answer_starves_it() {
    assert_eq!(fed_beside_a_console(true), (20, 0));
}
