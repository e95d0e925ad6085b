//! The frame's window, against a model of it.

use std::collections::VecDeque;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{FramePool, HEADROOM, MAX_FRAME_LEN, PortId, TAILROOM};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    PushFront(usize),
    PullFront(usize),
    PushBack(usize),
    Truncate(usize),
    Clear(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0usize..100).prop_map(Step::PushFront),
        (0usize..100).prop_map(Step::PullFront),
        (0usize..900).prop_map(Step::PushBack),
        (0usize..1600).prop_map(Step::Truncate),
        (0usize..2000).prop_map(Step::Clear),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 1 } else { 512 },
        failure_persistence: None,
        ..Default::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_frame_is_a_deque_of_bytes_with_bounds(steps in prop::collection::vec(step(), 0..40)) {
        let frames = FramePool::<NoopRawMutex, 1>::new();
        let mut frame = frames.pool().take(PortId(0)).unwrap();
        let whole = frame.headroom() + frame.tailroom();
        let mut model = VecDeque::new();
        let mut mark = 0u8;
        for step in steps {
            mark = mark.wrapping_add(1);
            let (headroom, tailroom) = (frame.headroom(), frame.tailroom());
            match step {
                Step::PushFront(n) => {
                    let room = frame.push_front(n);
                    prop_assert_eq!(room.is_some(), n <= headroom);
                    if let Some(room) = room {
                        prop_assert_eq!(room.len(), n);
                        room.fill(mark);
                        (0..n).for_each(|_| model.push_front(mark));
                    }
                }
                Step::PullFront(n) => {
                    prop_assert_eq!(frame.pull_front(n), n <= model.len());
                    if n <= model.len() {
                        model.drain(..n);
                    }
                }
                Step::PushBack(n) => {
                    let bytes = vec![mark; n];
                    prop_assert_eq!(frame.extend(&bytes), n <= tailroom);
                    if n <= tailroom {
                        model.extend(bytes);
                    }
                }
                Step::Truncate(n) => {
                    frame.truncate(n);
                    model.truncate(n);
                }
                Step::Clear(n) => {
                    frame.clear(n);
                    model.clear();
                    prop_assert_eq!(frame.headroom(), n.min(whole));
                }
            }
            prop_assert_eq!(frame.bytes(), model.make_contiguous());
            prop_assert_eq!(frame.len(), model.len());
            prop_assert_eq!(frame.is_empty(), model.is_empty());
            prop_assert_eq!(frame.headroom() + frame.len() + frame.tailroom(), whole);
        }
    }
}

#[test]
fn the_longest_frame_has_its_whole_headroom_and_tailroom() {
    let frames = FramePool::<NoopRawMutex, 1>::new();
    let mut frame = frames.pool().take(PortId(0)).unwrap();
    frame.push_back(MAX_FRAME_LEN).unwrap().fill(0xA5);
    assert!(frame.push_front(HEADROOM).is_some());
    assert!(frame.push_back(TAILROOM).is_some());
    assert!(frame.push_front(1).is_none());
}

#[test]
fn a_moved_frame_goes_back_while_its_mover_still_runs() {
    // What a `&mut` in the frame would make undefined: the buffer is used by a second owner inside a call
    // that was given the first. Miri is the judge.
    fn consume(frame: gatelet_hal::Frame<'_>, pool: gatelet_hal::Pool<'_>) -> u8 {
        drop(frame);
        let mut next = pool.take(PortId(0)).unwrap();
        next.push_back(1).unwrap()[0] = 7;
        next.bytes()[0]
    }
    let frames = FramePool::<NoopRawMutex, 1>::new();
    let frame = frames.pool().take(PortId(0)).unwrap();
    assert_eq!(consume(frame, frames.pool()), 7);
}
