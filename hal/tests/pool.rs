//! The pool: quotas, unique buffers, and threads.

use std::sync::atomic::{AtomicBool, Ordering};

use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use gatelet_hal::{Frame, FramePool, HEADROOM, MAX_FRAME_LEN, PortId, QuotaRefused, TAILROOM};
use proptest::prelude::*;

const WAN: PortId = PortId(0);
const LAN: PortId = PortId(1);

#[test]
fn a_flooded_port_cannot_starve_another() {
    let frames = FramePool::<NoopRawMutex, 8>::new();
    let pool = frames.pool();
    pool.reserve(WAN, 3).unwrap();
    pool.reserve(LAN, 2).unwrap();

    let flood: Vec<_> = core::iter::from_fn(|| pool.take(LAN)).collect();
    assert_eq!(flood.len(), 5, "its own two and the three nobody reserved");
    assert_eq!(pool.counters(LAN).out_of_frames, 1);

    let answers: Vec<_> = core::iter::from_fn(|| pool.take(WAN)).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!(pool.counters(WAN).out_of_frames, 1);
    drop(flood);
    assert_eq!(pool.counters(LAN).in_use, 0);
    assert_eq!(pool.counters(LAN).peak, 5);
    assert_eq!(
        core::iter::from_fn(|| pool.take(WAN)).collect::<Vec<_>>().len(),
        3,
        "the shared ones are back"
    );
}

#[test]
fn quotas_that_do_not_fit_are_refused_and_change_nothing() {
    let frames = FramePool::<NoopRawMutex, 4>::new();
    let pool = frames.pool();
    assert_eq!(pool.reserve(WAN, 5), Err(QuotaRefused));
    assert_eq!(pool.reserve(PortId(200), 1), Err(QuotaRefused));
    assert!(pool.take(PortId(200)).is_none());
    pool.reserve(WAN, 2).unwrap();
    pool.reserve(WAN, 4).unwrap();
    assert_eq!(pool.reserve(LAN, 1), Err(QuotaRefused));
    pool.reserve(WAN, 1).unwrap();
    let frame = pool.take(WAN);
    assert_eq!(pool.reserve(WAN, 2), Err(QuotaRefused), "while a frame of it is out");
    drop(frame);
    let _shared = pool.take(LAN);
    assert_eq!(pool.reserve(WAN, 4), Err(QuotaRefused), "a shared one is out");
    pool.reserve(WAN, 3).unwrap();
    assert_eq!(pool.counters(WAN).reserved, 3);
}

#[test]
fn the_ip_header_is_aligned_behind_every_link_header() {
    let frames = FramePool::<NoopRawMutex, 1>::new();
    for link_header in [14, 18, 22, 26] {
        let mut frame = frames.pool().take(WAN).unwrap();
        frame.push_back(MAX_FRAME_LEN).unwrap().fill(1);
        assert!(frame.tailroom() >= TAILROOM);
        assert!(frame.pull_front(link_header));
        assert_eq!(frame.bytes().as_ptr().addr() % 4, 0, "behind {link_header} bytes");
    }
    let mut frame = frames.pool().take(WAN).unwrap();
    frame.clear(Frame::IP_HEADROOM);
    assert_eq!(frame.bytes().as_ptr().addr() % 4, 0);
    assert!(frame.push_back(1500).is_some());
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Take(u8),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![(0u8..3).prop_map(Step::Take), (0usize..16).prop_map(Step::Drop)]
}

fn config() -> ProptestConfig {
    // Under Miri a case takes a second; what Miri looks for shows in any of them.
    ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 256 },
        failure_persistence: None,
        ..Default::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_port_always_gets_its_reserve_and_no_buffer_is_out_twice(
        reserves in prop::array::uniform3(0u16..4),
        steps in prop::collection::vec(step(), 0..100),
    ) {
        const N: usize = 12;
        let frames = FramePool::<NoopRawMutex, N>::new();
        let pool = frames.pool();
        for (port, reserve) in (0u8..).zip(reserves) {
            pool.reserve(PortId(port), reserve).unwrap();
        }
        let shared = N - reserves.iter().map(|&n| usize::from(n)).sum::<usize>();
        let mut out: Vec<(u8, Frame<'_>)> = Vec::new();
        for (serial, step) in (0u32..).zip(steps) {
            match step {
                Step::Take(port) => {
                    let held = |p: u8| out.iter().filter(|(q, _)| *q == p).count();
                    let beyond = |p: u8| held(p).saturating_sub(usize::from(reserves[usize::from(p)]));
                    let own = held(port) < usize::from(reserves[usize::from(port)]);
                    let expected = own || (0..3).map(beyond).sum::<usize>() < shared;
                    let taken = pool.take(PortId(port));
                    prop_assert_eq!(taken.is_some(), expected);
                    if let Some(mut frame) = taken {
                        prop_assert_eq!((frame.len(), frame.headroom(), frame.port()), (0, HEADROOM, PortId(port)));
                        prop_assert!(frame.extend(&serial.to_be_bytes()));
                        out.push((port, frame));
                    }
                }
                Step::Drop(index) if index < out.len() => drop(out.swap_remove(index)),
                Step::Drop(_) => {}
            }
            let mut contents: Vec<_> = out.iter().map(|(_, frame)| frame.bytes().to_vec()).collect();
            contents.sort();
            contents.dedup();
            prop_assert_eq!(contents.len(), out.len(), "two frames share a buffer");
            for port in 0..3 {
                prop_assert_eq!(
                    usize::from(pool.counters(PortId(port)).in_use),
                    out.iter().filter(|(q, _)| *q == port).count()
                );
            }
        }
    }
}

/// A lock of its own per pool, for the threads below.
struct Spin(AtomicBool);

// SAFETY: `lock` runs `f` only between winning and clearing the flag, with acquire and release.
unsafe impl RawMutex for Spin {
    const INIT: Self = Self(AtomicBool::new(false));

    fn lock<R>(&self, f: impl FnOnce() -> R) -> R {
        while self.0.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            std::thread::yield_now();
        }
        let result = f();
        self.0.store(false, Ordering::Release);
        result
    }
}

/// A `Frame` stays on its thread, but threads may share the pool. Every interleaving of the accounts is
/// serialised by the mutex, so what is left to show is that a buffer changes hands only through it: each thread
/// writes its mark and finds it unchanged (and under Miri: without a data race).
#[test]
fn threads_share_a_pool() {
    let frames = FramePool::<Spin, 4>::new();
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    std::thread::scope(|scope| {
        for mark in 0..4u8 {
            let frames = &frames;
            scope.spawn(move || {
                for round in 0..rounds {
                    let length = 1 + round % 1500;
                    let Some(mut frame) = frames.pool().take(PortId(mark)) else { continue };
                    frame.push_back(length).unwrap().fill(mark);
                    let second = frames.pool().take(PortId(mark));
                    assert!(frame.bytes().iter().all(|&byte| byte == mark));
                    drop(second);
                }
            });
        }
    });
    for mark in 0..4 {
        assert_eq!(frames.pool().counters(PortId(mark)).in_use, 0);
    }
}
