//! Whether the Internet is there: an engine for each family that a board has memory for, and servers as the settings have them.

use core::mem;

use chacha20::ChaCha8Rng;
use embassy_futures::join::join_array;
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::RawMutex;
use gatelet_proto::connectivity::probes::{Expect, Probe};
use gatelet_proto::connectivity::{Config, Family, Region};
use gatelet_runtime::settings::WAN;
use gatelet_runtime::{Connectivity, Gatelet, ProbeSpace};
use gatelet_settings::{PROBES, Settings};
use heapless::Vec;
use rand_core::SeedableRng;

/// An engine for each family.
pub type Engines<M, const FAMILIES: usize> = [Connectivity<'static, M>; FAMILIES];

/// The engines, each with `slots` probes at once at most, which look for what the `settings` say now. The user's own probes, if
/// there are any, are kept in `own`.
pub fn engines<M: RawMutex, const FAMILIES: usize>(
    settings: &Settings,
    families: [Family; FAMILIES],
    own: &'static mut OwnProbes,
    slots: usize,
) -> Engines<M, FAMILIES> {
    let (region, in_flight) = (own.region(settings), slots as u8);
    families.map(|family| Connectivity::new(WAN, Config { in_flight, ..Config::new(region, family) }))
}

/// Runs the engines, for ever, over the WAN's `stack`, which needs room for [`ProbeSpace::SOCKETS`] sockets for each.
pub async fn look<
    M: RawMutex,
    const PORTS: usize,
    const WANS: usize,
    const SLOTS: usize,
    const FAMILIES: usize,
>(
    gatelet: &Gatelet<'_, M, PORTS, WANS>,
    engines: &Engines<M, FAMILIES>,
    stack: Stack<'_>,
    spaces: &mut [ProbeSpace<SLOTS>; FAMILIES],
    rng: &mut ChaCha8Rng,
) {
    let mut engines = engines.iter();
    let runs = spaces.each_mut().map(|space| {
        let (engine, rng) = (engines.next(), ChaCha8Rng::from_rng(rng));
        async move {
            // There are as many as there are spaces.
            if let Some(engine) = engine {
                gatelet.run_connectivity(engine, stack, space, rng).await;
            }
        }
    });
    join_array(runs).await;
}

/// Probes of the user's own, for which their servers are asked until the next boot: the settings may change meanwhile.
pub struct OwnProbes {
    /// Their texts, one behind the other.
    text: [u8; TEXT],
    rows: Vec<Probe<'static>, PROBES>,
}

/// Eight of 64 bytes. What finds no room is left out.
const TEXT: usize = 512;

impl OwnProbes {
    /// For a static.
    #[expect(clippy::new_without_default, reason = "const, for statics, is the only use")]
    pub const fn new() -> Self {
        Self { text: [0; TEXT], rows: Vec::new() }
    }

    fn region(&'static mut self, settings: &Settings) -> Region<'static> {
        let Self { text, rows } = self;
        let mut room = Room(text);
        if let Region::Custom(_) = settings.region(&[]) {
            rows.extend(settings.probes().iter().filter_map(|probe| room.keep_probe(probe)));
        }
        settings.region(rows)
    }
}

/// Bytes for texts that are kept.
struct Room(&'static mut [u8]);

impl Room {
    /// A copy of `probe` whose texts are here.
    fn keep_probe(&mut self, probe: &Probe<'_>) -> Option<Probe<'static>> {
        let host = self.keep(probe.host)?;
        let owner = if probe.owner == probe.host { host } else { self.keep(probe.owner)? };
        Some(Probe {
            id: host,
            owner,
            served_by: owner,
            host,
            path: self.keep(probe.path)?,
            expect: match probe.expect {
                Expect::NoContent => Expect::NoContent,
                Expect::Body(body) => Expect::Body(self.keep(body)?),
                Expect::BodyContains(part) => Expect::BodyContains(self.keep(part)?),
                Expect::Unknown => Expect::Unknown,
            },
            scheme: probe.scheme,
            tls: probe.tls,
            ipv6: probe.ipv6,
            china: probe.china,
            sets: probe.sets,
            source: "settings",
            confidence: probe.confidence,
        })
    }

    /// A copy of `text`; there is that much less room afterwards.
    fn keep(&mut self, text: &str) -> Option<&'static str> {
        if self.0.len() < text.len() {
            return None;
        }
        let (copy, rest) = mem::take(&mut self.0).split_at_mut(text.len());
        copy.copy_from_slice(text.as_bytes());
        self.0 = rest;
        str::from_utf8(copy).ok()
    }
}
