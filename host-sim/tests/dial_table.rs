//! How long a dial takes, whole and through the runtime: by round-trip time, and with each message lost once.
//!
//! `cargo test -p gatelet-sim --test dial_table -- --nocapture` prints the table.

use gatelet_sim::scenario::{self, File, Options};

/// Round-trip times tried, in milliseconds.
const ROUND_TRIPS: [i64; 4] = [2, 10, 60, 200];
/// Our first repetition comes after 1.1 to 1.25 s.
const OUR_TIMER: i64 = 1_250;
/// The Restart timer of the simulated concentrators (RFC 1661 §4.6: 3 s by default).
const PEERS_TIMER: i64 = 3_000;
/// Flash writes before a PADI or PADR, and the router's own turns.
const OVERHEAD: i64 = 5;

/// Whose timer repairs a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Repair {
    Ours,
    Peers,
}

use Repair::{Ours, Peers};

/// Message, sender, and who repairs its loss.
const LOSSES: [(&str, &str, Repair); 13] = [
    ("padi", "router", Ours),
    ("pado", "peers", Ours),
    ("padr", "router", Ours),
    ("pads", "peers", Ours),
    ("lcp configure-request", "router", Ours),
    ("lcp configure-ack", "peers", Ours),
    ("lcp configure-request", "peers", Peers),
    ("lcp configure-ack", "router", Peers),
    ("chap challenge", "peers", Peers),
    ("chap response", "router", Peers),
    ("chap success", "peers", Ours),
    ("ipcp configure-request", "router", Ours),
    ("ipcp configure-ack", "peers", Ours),
];

/// Milliseconds from the first PADI to an address, of the first dial and of the redial after a PADT.
fn dial(round_trip: i64, lost: Option<(&str, &str)>) -> [i64; 2] {
    let fault = lost.map_or(String::new(), |(message, from)| {
        format!("[[fault]]\nat = '9m'\ndo = 'lose'\nmessage = '{message}'\nfrom = '{from}'\n")
    });
    let text = format!(
        "title = 'dial'\nlasts = '12m'\n[line]\ndelay = '{}us'\n[concentrator]\nauthentication = 'chap'\n{fault}\
         [[fault]]\nat = '10m'\ndo = 'padt'\n",
        round_trip * 500,
    );
    let file = File::parse(&text).expect("a scenario");
    let report = scenario::run("dial", &file, Options::default()).expect("it runs");
    let moments = |tag: &str| -> Vec<i64> {
        let entries = report.entries.iter().filter(|entry| entry.tag == tag);
        entries.map(|entry| entry.at.total_micros()).collect()
    };
    let (dials, ups) = (moments("dial"), moments("up"));
    assert_eq!((dials.len(), ups.len()), (2, 2), "{lost:?} at {round_trip} ms: {:#?}", report.entries);
    [0, 1].map(|index| (ups[index] - dials[index] + 500) / 1000)
}

#[test]
fn a_dial_takes_six_round_trips_and_a_redial_five() {
    println!("\n round trip      first dial          redial");
    for round_trip in ROUND_TRIPS {
        let [first, again] = dial(round_trip, None);
        println!("{round_trip:8} ms {first:9} ms (6 RTT) {again:9} ms (5 RTT)");
        assert!(first <= 6 * round_trip + OVERHEAD, "first dial: {first} ms at {round_trip} ms");
        assert!(again <= 5 * round_trip + OVERHEAD, "redial: {again} ms at {round_trip} ms");
    }
}

#[test]
fn a_lost_message_costs_one_timer_and_a_round_trip() {
    print!("\n {:34}", "redial with one message lost, ms");
    for round_trip in ROUND_TRIPS {
        print!("{:>10}", format!("RTT {round_trip}"));
    }
    println!("  repaired by");
    for (message, from, repair) in LOSSES {
        print!(" {:34}", format!("{message} ({from})"));
        for round_trip in ROUND_TRIPS {
            let [_, whole] = dial(round_trip, None);
            let [_, taken] = dial(round_trip, Some((message, from)));
            print!("{taken:10}");
            let timer = if repair == Ours { OUR_TIMER } else { PEERS_TIMER };
            let most = whole + timer + round_trip + OVERHEAD;
            assert!(taken > whole, "{message} of {from} was not lost");
            assert!(taken <= most, "{message} of {from} at {round_trip} ms: {taken} ms, at most {most}");
        }
        println!("  {repair:?}");
    }
}
