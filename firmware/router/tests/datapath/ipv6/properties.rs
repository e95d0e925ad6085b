//! What holds for any packets.

use gatelet_router::{Ipv6Route, TunnelConfig, TunnelId, Via};
use proptest::prelude::*;
use smoltcp::wire::Ipv6Cidr;

use crate::house::{FAR, House, OURS, WAN};
use crate::house6::{ANN6, BOB6, EVERYWHERE, FAR6, WEB6};
use crate::packets::{ACK, FIN, RST, SYN, edited, ip};
use crate::packets6::{at, extended, fragments6, ping6, pong6, tcp6_with, udp6, with_class, with_hop_limit};

#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    flow: u8,
    from_lan: bool,
    by_tunnel: bool,
    len: usize,
    hop_limit: u8,
    class: u8,
    outer_ecn: u8,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![0..20_usize, 1200..1440_usize];
    let limit = prop_oneof![8 => Just(50_u8), 1 => 0..4_u8];
    let class = prop_oneof![4 => Just(0_u8), 1 => any::<u8>()];
    let ecn = prop_oneof![4 => Just(0_u8), 1 => 0..4_u8];
    (0..12_u8, 0..4_u8, any::<bool>(), any::<bool>(), len, limit, class, ecn).prop_map(
        |(kind, flow, from_lan, by_tunnel, len, hop_limit, class, outer_ecn)| Step {
            kind,
            flow,
            from_lan,
            by_tunnel,
            len,
            hop_limit,
            class,
            outer_ecn,
        },
    )
}

impl Step {
    fn packets(&self) -> Vec<Vec<u8>> {
        let host = if self.flow & 1 == 0 { ANN6 } else { BOB6 };
        // The tunnel leads to one of them, the line to the other.
        let server = if self.by_tunnel { FAR6 } else { WEB6 };
        let (inner, outer) = ((host, 5000 + u16::from(self.flow >> 1)), (server, 443));
        let (from, to) = if self.from_lan { (inner, outer) } else { (outer, inner) };
        let data = vec![self.flow; self.len];
        let flags = [SYN, ACK, ACK, FIN | ACK, RST];
        let packet = match self.kind {
            0..=3 => udp6(from, to, &data),
            4..=8 => tcp6_with(from, to, flags[usize::from(self.kind) - 4], &[], &data),
            9 => extended(&udp6(from, to, &data), 60),
            10 => return fragments6(&udp6(from, to, &data), 800),
            _ if self.from_lan => ping6(from.0, to.0, 7),
            _ => pong6(from.0, to.0, 7),
        };
        vec![with_class(with_hop_limit(packet, self.hop_limit), self.class)]
    }
}

/// What two runs that differ in where frames begin have said.
fn run(steps: &[Step], skew: usize) -> (Vec<Vec<u8>>, Vec<(gatelet_router::Dropped, u32)>, usize) {
    let mut house = House::with_ipv6();
    let tunnel = Via::Tunnel(TunnelId(0));
    let config = TunnelConfig::new(WAN, FAR);
    assert!(house.router.set_tunnel(house.now, TunnelId(0), Some(config)));
    let network = Ipv6Cidr::new(at("2620:0:99::"), 48);
    let route = Ipv6Route { destination: network, source: EVERYWHERE, gateway: None };
    assert!(house.router.set_ipv6_routes(tunnel, &[route]));
    house.skew = skew;
    (house.any_ttl, house.v6.any_limit) = (true, true);
    let mut said = Vec::new();
    for step in steps {
        for packet in step.packets() {
            match (step.from_lan, step.by_tunnel) {
                (true, _) => {
                    let source: [u8; 16] = packet[8..24].try_into().expect("a source");
                    house.lan6_sends(source.into(), &packet);
                }
                (false, false) => house.internet6_sends(&packet),
                (false, true) => {
                    let outside = ip(41, FAR, OURS, &packet);
                    house.internet_sends(&edited(outside, |bytes| bytes[1] = step.outer_ecn));
                    house.answer6();
                }
            }
        }
        said.extend(house.internet6_packets());
        said.extend(house.lan6_packets());
        said.extend(house.internet_packets());
        house.check_tables();
    }
    let dropped = house.router.counters().iter().filter(|(_, count)| *count > 0).collect();
    (said, dropped, house.table_use().flows6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Both paths do the same to a packet.
    #[test]
    fn the_fast_path_does_what_the_slow_one_does(steps in prop::collection::vec(step(), 1..40)) {
        prop_assert_eq!(run(&steps, 0), run(&steps, 1));
    }
}
