//! The real datapath, brought on line.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{Frame, FramePool, LinkState, Pool, PortId};
use gatelet_proto::ppp::{Credentials, Echo};
use gatelet_proto::redial::Boot;
use gatelet_router::{
    Egress, Ipv6Route, LanConfig, Router, TableSpace, Tables, TunnelConfig, TunnelId, Via, WanConfig, WanId,
};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Cidr, Ipv6Address, Ipv6Cidr};

use crate::case::{Case, Figure, World};
use crate::flow::Family;
use crate::{BROKER, Counter, Datapath, FLOWS, LAN, LAN_ADDRESS, LAN_ADDRESS6, LAN_MAC, WAN, WAN_MAC};

/// More than there are.
const NEIGHBOURS: usize = 32;

/// The router, forwarding.
pub struct Gatelet<'p> {
    router: Router<'p>,
}

/// Brings a router on line, measures `case` in it and forgets it.
pub fn measure(case: Case, counter: &mut impl Counter) -> Figure {
    let frames = FramePool::<NoopRawMutex, 8>::new();
    let mut space = TableSpace::<FLOWS, NEIGHBOURS, FLOWS>::new();
    let pool = frames.pool();
    let mut gatelet = Gatelet::new(pool, space.lend());
    let now = gatelet.come_up(pool);
    if case.family == Family::SixInFour {
        gatelet.open_tunnel(now);
    }
    World::new(&mut gatelet, pool, now).run(case, counter)
}

impl<'p> Gatelet<'p> {
    fn new(pool: Pool<'p>, tables: Tables<'p>) -> Self {
        let mut router = Router::new(pool, [7; 32]);
        assert!(router.add_port(LAN, LAN_MAC, 1514) && router.add_port(WAN, WAN_MAC, 1514));
        let credentials = Credentials::new("user", "secret").expect("short");
        let config =
            WanConfig { jumbo: false, ipv6: false, echo: Echo::Off, ..WanConfig::new(WAN, credentials) };
        let start = Instant::from_secs(1000);
        router.lend_tables(tables);
        let lan = LanConfig::new(LAN, Ipv4Cidr::new(LAN_ADDRESS, 24));
        assert!(router.add_lan(start, lan));
        // Eight hosts are to fill the table, whose last eighth would be for others.
        router.set_host_quota(FLOWS as u16);
        router.add_wan(start, config, Boot::Warm, None).expect("there is room for one");
        router.handle_link(start, WAN, LinkState::Up);
        router.handle_link(start, LAN, LinkState::Up);
        Self { router }
    }

    /// All of IPv6 through a tunnel.
    fn open_tunnel(&mut self, now: Instant) {
        let (tunnel, lan) = (TunnelId(0), Ipv6Cidr::new(LAN_ADDRESS6, 64));
        assert!(self.router.set_tunnel(now, tunnel, Some(TunnelConfig::new(WanId(0), BROKER))));
        assert!(self.router.set_ipv6_addresses(Via::Lan, &[lan]));
        let all = Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, 0);
        let route = Ipv6Route { destination: all, source: all, gateway: None };
        assert!(self.router.set_ipv6_routes(Via::Tunnel(tunnel), &[route]));
    }

    /// Dials. Answers when it was done.
    fn come_up(&mut self, pool: Pool<'p>) -> Instant {
        let mut now = Instant::from_secs(1000);
        let end = now + Duration::from_secs(900);
        while now < end {
            self.router.handle_timeout(now);
            let _ = World::new(self, pool, now).settle();
            while let Some((wan, _)) = self.router.poll_store(now) {
                self.router.handle_stored(now, wan, true);
            }
            while self.router.poll_event().is_some() {}
            if self.router.wan(WanId(0)).is_some_and(|wan| wan.ipv4.is_some()) {
                return now;
            }
            now = self.router.poll_at().unwrap_or(end).max(now + Duration::from_millis(1));
        }
        panic!("the session did not come up");
    }
}

impl<'p> Datapath<'p> for Gatelet<'p> {
    fn forward(&mut self, now: Instant, port: PortId, frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        counted_gatelet(&mut self.router, now, port, frame)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(Egress, Frame<'p>)> {
        self.router.poll_transmit(now)
    }
}

/// The counted call: callgrind knows it by its name, and the compiler must not dissolve it in its caller.
#[inline(never)]
fn counted_gatelet<'p>(
    router: &mut Router<'p>,
    now: Instant,
    port: PortId,
    frame: Frame<'p>,
) -> Option<(Egress, Frame<'p>)> {
    router.handle_frame(now, port, frame)
}
