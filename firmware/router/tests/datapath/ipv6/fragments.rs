//! Fragments: the first decides, the others follow.

use gatelet_router::Dropped;

use crate::house::House;
use crate::house6::{ANN6, GATEWAY6, WEB6};
use crate::packets6::{fragment6, fragments6, ping6, udp6, words6};

#[test]
fn in_order_and_in_any_other() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let mut house = House::with_ipv6();
        let parts = fragments6(&udp6((ANN6, 5000), (WEB6, 53), &[7; 2000]), 800);
        for n in order {
            house.lan6_sends(ANN6, &parts[n]);
        }
        let mut got: Vec<_> =
            house.internet6_packets().iter().map(|packet| (words6(packet), packet[48..].to_vec())).collect();
        let mut expected: Vec<_> =
            parts.iter().map(|packet| (words6(packet), packet[48..].to_vec())).collect();
        got.sort();
        expected.sort();
        assert_eq!(got, expected, "{order:?}");
        // And the way back.
        for part in fragments6(&udp6((WEB6, 53), (ANN6, 5000), &[7; 2000]), 800) {
            house.internet6_sends(&part);
        }
        assert_eq!(house.lan6_got().len(), 3);
        house.check_tables();
        house.run_secs(400);
        house.check_tables();
    }
}

/// RFC 8200 §4.5, RFC 5722 §4: who overlaps is up to no good, and takes the rest with it.
#[test]
fn overlaps_are_refused() {
    let mut house = House::with_ipv6();
    let whole = udp6((ANN6, 5000), (WEB6, 53), &[7; 2000]);
    let part = |from: usize, to: usize| fragment6(&whole, from, &whole[40 + from..40 + to], to < 2008);
    house.lan6_sends(ANN6, &part(0, 800));
    let dropped = house.dropped_by(|house| {
        house.lan6_sends(ANN6, &part(0, 800));
        house.lan6_sends(ANN6, &part(792, 1600));
        house.lan6_sends(ANN6, &part(800, 1600));
    });
    assert_eq!(dropped, [(Dropped::FragmentOverlap, 3)]);
    assert_eq!(house.internet6_got().len(), 1);
}

/// RFC 7112: all headers are in the first one. RFC 6946: what is whole is no fragment.
#[test]
fn first_fragments_tell_everything() {
    let mut house = House::with_ipv6();
    let whole = udp6((ANN6, 5000), (WEB6, 53), &[7; 100]);
    let dropped =
        house.dropped_by(|house| house.lan6_sends(ANN6, &fragment6(&whole, 0, &whole[40..44], true)));
    assert_eq!(dropped, [(Dropped::Malformed, 1)]);
    house.lan6_sends(ANN6, &fragment6(&whole, 0, &whole[40..], false));
    assert_eq!(house.internet6_got(), ["UDP [2001:db8:1::10]:5000 > [2620:0:80::50]:53 part 0"]);
    // RFC 6980, and nobody puts together what is for us.
    let whole = ping6(ANN6, GATEWAY6, 1);
    let dropped =
        house.dropped_by(|house| house.lan6_sends(ANN6, &fragment6(&whole, 0, &whole[40..56], true)));
    assert_eq!(dropped, [(Dropped::NoFlow, 1)]);
}

#[test]
fn a_flood_is_bounded() {
    let mut house = House::with_ipv6();
    let whole = udp6((ANN6, 5000), (WEB6, 53), &[7; 2000]);
    let dropped = house.dropped_by(|house| {
        for id in 0..200_u8 {
            let mut part = fragment6(&whole, 800, &whole[840..1640], true);
            part[47] = id;
            house.lan6_sends(ANN6, &part);
        }
        house.run_secs(60);
    });
    assert_eq!(dropped, [(Dropped::FragmentsWaiting, 200)]);
    house.check_tables();
    house.assert_silent();
}
