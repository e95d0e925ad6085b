//! A million packets through the router alone. Ten million: `gatelet-sim soak`.

use gatelet_sim::soak::{self, Settings};

#[test]
fn a_million_packets_leak_nothing() {
    let outcome = soak::run(Settings { packets: 1_000_000, flows: 2000, seed: 1 });
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    // Flows that are given up are few, though the table is full.
    assert!(outcome.most_flows > 4000, "{outcome:?}");
    assert!(outcome.lost + outcome.moved < outcome.right / 100, "{outcome:?}");
    assert!(outcome.opened > 15_000 && outcome.in_pieces > 8_000, "{outcome:?}");
}

#[test]
fn a_few_flows_in_a_large_table_lose_nothing() {
    let outcome = soak::run(Settings { packets: 100_000, flows: 100, seed: 2 });
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    assert_eq!((outcome.lost, outcome.moved), (0, 0), "{outcome:?}");
}
