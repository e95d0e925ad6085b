//! The router's task.

use std::cell::RefCell;
use std::vec::Vec;

use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pubsub::WaitResult;
use embassy_time::{Duration, Instant, Timer};
use gatelet_hal::{FramePool, LinkState, PortId};
use gatelet_proto::ppp::Credentials;
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_router::{Command, Router, RouterEvent, WanConfig, WanEvent, WanId};
use smoltcp::wire::EthernetAddress;

use super::world::World;
use crate::{Event, Gatelet, LedgerStore, StoreError, TimedEvent};

const PORT: PortId = PortId(0);
const WAN: WanId = WanId(0);

/// A store that takes its time, and may fail.
#[derive(Default)]
struct Slow {
    takes: Duration,
    fails: bool,
    written: RefCell<Vec<Instant>>,
}

impl LedgerStore for &Slow {
    async fn load(&mut self, _: WanId) -> Option<Ledger> {
        None
    }

    async fn store(&mut self, _: WanId, _: &Ledger) -> Result<(), StoreError> {
        Timer::after(self.takes).await;
        self.written.borrow_mut().push(Instant::now());
        if self.fails { Err(StoreError) } else { Ok(()) }
    }
}

fn router(frames: &FramePool<NoopRawMutex, 16>) -> Router<'_> {
    let mut router = Router::new(frames.pool(), [7; 32]);
    router.add_port(PORT, EthernetAddress([2, 0, 0, 0, 0, 1]), 1514);
    let credentials =
        Credentials { username: "user".try_into().unwrap(), password: "secret".try_into().unwrap() };
    assert_eq!(router.add_wan(crate::now(), WanConfig::new(PORT, credentials), Boot::Cold, None), Some(WAN));
    router
}

/// When each frame is sent.
async fn watch(gatelet: &Gatelet<'_, NoopRawMutex>, sent: &RefCell<Vec<(Instant, [u8; 2])>>) {
    loop {
        let frame = gatelet.ports[0].egress.channel.receive().await;
        let ether_type = frame.bytes()[12..14].try_into().unwrap();
        sent.borrow_mut().push((Instant::now(), ether_type));
    }
}

const PPPOE_DISCOVERY: [u8; 2] = [0x88, 0x63];

#[test]
fn the_padi_waits_for_its_record_and_nothing_else_does() {
    for fails in [false, true] {
        let frames = FramePool::<NoopRawMutex, 16>::new();
        let store = Slow { takes: Duration::from_secs(2), fails, ..Slow::default() };
        let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
        let (mut router, sent, asked) = (router(&frames), RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let start = Instant::now();
        {
            let mut handle = &store;
            let mut world = World::default();
            world.spawn(gatelet.run_router(&mut router, &mut handle));
            world.spawn(watch(&gatelet, &sent));
            world.spawn(async {
                gatelet.ports[0].link.signal(LinkState::Up);
                for _ in 0..10 {
                    Timer::after(Duration::from_millis(100)).await;
                    let status = gatelet.wan_status(WAN).await.unwrap();
                    asked.borrow_mut().push((Instant::now(), status.link));
                }
                assert!(gatelet.wan_status(WanId(1)).await.is_none());
            });
            // Without a record the engine is more patient after a boot.
            world.run_for(if fails { 120_000_000 } else { 3_000_000 });
        }
        assert_eq!(asked.borrow().len(), 10);
        for (n, &(at, link)) in asked.borrow().iter().enumerate() {
            assert_eq!(at - start, Duration::from_millis(100 * (n as u64 + 1)), "answered at once");
            assert_eq!(link, LinkState::Up);
        }
        let written = store.written.borrow()[0];
        let &(padi, ether_type) = sent.borrow().first().expect("a broken flash does not keep the line down");
        assert_eq!(ether_type, PPPOE_DISCOVERY);
        assert!(padi == written || fails, "sent in the moment its record is there");
        assert!(written - start >= Duration::from_secs(2));
    }
}

#[test]
fn events_reach_every_subscriber_with_their_time() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let (mut router, store) = (router(&frames), Slow::default());
    let mut subscribers: Vec<_> = core::iter::from_fn(|| gatelet.events()).collect();
    assert_eq!(subscribers.len(), 4);
    let start = crate::now();
    {
        let mut handle = &store;
        let mut world = World::default();
        world.spawn(gatelet.run_router(&mut router, &mut handle));
        world.spawn(async {
            Timer::after(Duration::from_secs(1)).await;
            gatelet.ports[0].link.signal(LinkState::Up);
        });
        world.run_for(2_000_000);
    }
    for subscriber in &mut subscribers {
        let mut events = core::iter::from_fn(|| subscriber.try_next_message()).map(|message| match message {
            WaitResult::Message(event) => event,
            WaitResult::Lagged(missed) => panic!("missed {missed}"),
        });
        let link_up = events
            .find(|event| event.event == Event::Router(RouterEvent::Wan(WAN, WanEvent::LinkUp)))
            .unwrap();
        assert_eq!((link_up.at - start).total_millis(), 1000);
        let is_padi = |event: TimedEvent| {
            matches!(event.event, Event::Router(RouterEvent::Wan(WAN, WanEvent::PadiSent { .. })))
        };
        assert!(events.any(is_padi));
    }
}

#[test]
fn the_task_ends_after_a_shutdown() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let (mut router, store) = (router(&frames), Slow::default());
    let ended = RefCell::new(None);
    let start = Instant::now();
    {
        let mut handle = &store;
        let mut world = World::default();
        world.spawn(async {
            gatelet.run_router(&mut router, &mut handle).await;
            ended.replace(Some(Instant::now()));
        });
        world.spawn(async {
            gatelet.ports[0].link.signal(LinkState::Up);
            Timer::after(Duration::from_secs(1)).await;
            gatelet.commands().send(Command::Shutdown).await;
        });
        world.run();
    }
    let ended = ended.into_inner().expect("it ends");
    assert!(ended - start < Duration::from_secs(10), "{}", ended - start);
}

#[test]
fn retained_ledgers_are_never_older_than_a_second() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let (mut router, store, retained) = (router(&frames), Slow::default(), RefCell::new(Vec::new()));
    {
        let mut handle = &store;
        let mut retain = |wan, ledger| retained.borrow_mut().push((crate::now(), wan, ledger));
        let mut world = World::default();
        world.spawn(gatelet.run_router_retaining(&mut router, &mut handle, &mut retain));
        world.spawn(async { gatelet.ports[0].link.signal(LinkState::Up) });
        // Of which most is a hold or a silence, in which the router sleeps.
        world.run_for(600_000_000);
    }
    let retained = retained.into_inner();
    assert!(retained.iter().all(|&(_, wan, _)| wan == WAN));
    let longest = retained.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap();
    assert_eq!(longest.secs(), 1);
    assert!(retained.len() < 700, "once a second, and with each event: {}", retained.len());
    let (at, _, last) = retained.last().unwrap();
    assert_eq!(Some(last), router.snapshot(*at, WAN).as_ref());
}

#[test]
fn a_busy_port_does_not_delay_another_by_more_than_a_turn() {
    let frames = FramePool::<NoopRawMutex, 48>::new();
    let (busy, calm) = (PortId(0), PortId(1));
    frames.pool().reserve(calm, 4).unwrap();
    let gatelet = Gatelet::<NoopRawMutex, 2>::new(frames.pool());
    let (mut router, store) = (Router::new(frames.pool(), [7; 32]), Slow::default());
    let turns = RefCell::new(Vec::new());
    let push = |port: PortId| {
        let frame = frames.pool().take(port);
        frame.map(|frame| gatelet.ports[usize::from(port.0)].ingress.push(frame)).is_some()
    };
    {
        let mut handle = &store;
        let mut world = World::default();
        world.spawn(gatelet.run_router(&mut router, &mut handle));
        world.spawn(async {
            for _ in 0..100 {
                // The busy port's queue is full at each turn of the router's.
                while gatelet.ports[0].ingress.channel.free_capacity() > 0 && push(busy) {}
                assert!(push(calm), "its frames are its own");
                let mut waited = 0;
                while !gatelet.ports[1].ingress.channel.is_empty() {
                    yield_now().await;
                    waited += 1;
                }
                turns.borrow_mut().push(waited);
            }
        });
        world.run();
    }
    let turns = turns.into_inner();
    assert_eq!(turns.len(), 100);
    assert!(turns.iter().all(|&waited| waited <= 2), "{turns:?}");
}

#[test]
fn a_flood_of_garbage_delays_neither_timers_nor_commands() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    frames.pool().reserve(PortId::LOCAL, 2).unwrap();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let (mut router, store, sent) = (router(&frames), Slow::default(), RefCell::new(Vec::new()));
    let flooded = RefCell::new(0);
    let answered = RefCell::new(0);
    {
        let mut handle = &store;
        let mut world = World::default();
        world.spawn(gatelet.run_router(&mut router, &mut handle));
        world.spawn(watch(&gatelet, &sent));
        world.spawn(async {
            gatelet.ports[0].link.signal(LinkState::Up);
            loop {
                // As many as the pool gives, every 100 µs: 140,000 frames a second.
                while let Some(mut frame) = frames.pool().take(PORT) {
                    assert!(frame.extend(&[0xFF; 64]));
                    gatelet.ports[0].ingress.push(frame);
                    *flooded.borrow_mut() += 1;
                }
                Timer::after(Duration::from_micros(100)).await;
            }
        });
        world.spawn(async {
            for _ in 0..20 {
                Timer::after(Duration::from_millis(10)).await;
                let asked = Instant::now();
                gatelet.wan_status(WAN).await;
                assert_eq!(Instant::now(), asked);
                *answered.borrow_mut() += 1;
            }
        });
        world.run_for(2_000_000);
    }
    assert!(*flooded.borrow() > 200_000, "{flooded:?}");
    assert_eq!(*answered.borrow(), 20);
    // The first PADI and its repetition after 1.1 to 1.25 s.
    assert_eq!(sent.borrow().len(), 2, "{sent:?}");
    let wait = sent.borrow()[1].0 - sent.borrow()[0].0;
    assert!((1_100_000..=1_250_000).contains(&wait.as_micros()), "{wait}");
}
