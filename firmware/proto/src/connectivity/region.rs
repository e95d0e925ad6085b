//! Whom to ask where: the sets of probes, and which of a set a round takes.

use core::net::IpAddr;

use heapless::Vec;
use smoltcp::time::Instant;

use super::Family;
use super::health::Health;
use super::probes::{self, ChinaClass, Probe, Scheme, Sets};

/// Probes that a round asks over HTTP, each another operator's.
pub const PROBES_MAX: usize = 6;
/// TLS servers that a round looks at.
pub(super) const TLS_MAX: usize = 2;
/// Rows that a list of probes may have; what is beyond is not used.
pub const ROWS_MAX: usize = 48;

/// Which probes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region<'a> {
    /// Mainland China: what is stable there. Nothing blocked, nothing of Google's.
    Cn,
    /// Anywhere else.
    Global,
    /// Not known: begins with what is stable in China and works abroad too, tries one other probe a round, and comes to
    /// prefer those that answer fastest. Nothing blocked in China, nothing of Google's.
    Auto,
    /// The owner's own list, in its order; at most [`ROWS_MAX`] rows. Those whose TLS gives a status serve as TLS servers
    /// too; without any, TLS is not judged. With fewer than two operators one is a quorum.
    Custom(&'a [Probe<'a>]),
}

impl<'a> Region<'a> {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cn => "cn",
            Self::Global => "global",
            Self::Auto => "auto",
            Self::Custom(_) => "custom",
        }
    }

    /// The rows that indices count in.
    pub(super) fn rows(self) -> &'a [Probe<'a>] {
        match self {
            Self::Cn | Self::Global | Self::Auto => &probes::TABLE,
            Self::Custom(rows) => rows.get(..ROWS_MAX).unwrap_or(rows),
        }
    }

    pub(super) fn row(self, index: u8) -> Option<&'a Probe<'a>> {
        self.rows().get(usize::from(index))
    }

    /// How a row ranks for plain HTTP: 0 before 1, `None` not at all.
    fn tier(self, probe: &Probe<'_>, family: Family) -> Option<u8> {
        if probe.scheme == Scheme::Https || !probe.has(family) {
            return None;
        }
        let is_in = |sets: Sets| probe.sets.has(sets);
        let is_v6 = family == Family::Ipv6;
        match self {
            Self::Cn => match () {
                () if probe.china != ChinaClass::Stable => None,
                // Volunteers' probes come last.
                () if is_v6 && is_in(Sets::CN_V6) => Some(u8::from(probe.id == "ustc")),
                () if is_in(Sets::CN) => Some(0),
                () if is_in(Sets::CN_EXTRA) => Some(1),
                () => None,
            },
            Self::Global if is_v6 => is_in(Sets::GLOBAL.and(Sets::GLOBAL_V6)).then_some(0),
            Self::Global => is_in(Sets::GLOBAL).then_some(0),
            Self::Auto if probe.china == ChinaClass::Blocked || probe.owner == "Google" => None,
            Self::Auto => match () {
                () if is_v6 && is_in(Sets::CN_V6) => Some(u8::from(probe.id == "ustc")),
                () if is_in(Sets::CN) => Some(0),
                () if is_in(Sets::GLOBAL) || is_v6 && is_in(Sets::GLOBAL_V6) => Some(1),
                () => None,
            },
            Self::Custom(_) => Some(0),
        }
    }

    /// The rows a round asks over HTTP, best first, no two of one operator.
    pub(super) fn pick(
        self,
        family: Family,
        health: &[Health; ROWS_MAX],
        now: Instant,
    ) -> Vec<u8, PROBES_MAX> {
        let mut ranked: Vec<(u32, u8), ROWS_MAX> = Vec::new();
        for (index, (probe, health)) in self.rows().iter().zip(health).enumerate() {
            if let Some(tier) = self.tier(probe, family) {
                // Full only if there are more rows than ROWS_MAX, and there are not.
                let _ = ranked.push((self.rank(tier, health, now), index as u8));
            }
        }
        ranked.sort_unstable();
        let mut picked = Vec::new();
        if self == Self::Auto {
            self.take(&mut picked, ranked.iter().map(|(_, index)| *index), PROBES_MAX - 1);
            // One place for whoever was left out longest: so it is learnt what else works here.
            let others = ranked.iter().filter(|(_, index)| !picked.contains(index));
            let is_rested =
                |index: u8| !health.get(usize::from(index)).is_some_and(|health| health.is_resting(now));
            let tried = |index: u8| health.get(usize::from(index)).map_or(0, Health::tried);
            let mut others: Vec<(u32, u8), ROWS_MAX> = others
                .map(|(_, index)| (tried(*index), *index))
                .filter(|(_, index)| is_rested(*index))
                .collect();
            others.sort_unstable();
            self.take(&mut picked, others.iter().map(|(_, index)| *index), PROBES_MAX);
        }
        self.take(&mut picked, ranked.iter().map(|(_, index)| *index), PROBES_MAX);
        picked
    }

    /// Lower is better.
    fn rank(self, tier: u8, health: &Health, now: Instant) -> u32 {
        let rest = u32::from(health.is_resting(now)) * 1_000_000;
        let learnt = match (self, health.answer_ms()) {
            (Self::Auto, Some(millis)) => u32::from(millis),
            (Self::Auto, None) => 500 + u32::from(tier) * 500,
            _ => u32::from(tier),
        };
        rest + learnt
    }

    /// Adds rows until there are `most`.
    fn take(self, picked: &mut Vec<u8, PROBES_MAX>, from: impl Iterator<Item = u8>, most: usize) {
        for index in from {
            let Some(probe) = self.row(index) else { continue };
            let is_new = |other: &u8| self.row(*other).is_some_and(|other| !probe.is_same_operator(other));
            if picked.len() < most && picked.iter().all(is_new) {
                let _ = picked.push(index);
            }
        }
    }

    /// The rows whose TLS a round looks at: those that rest last.
    pub(super) fn pick_tls(
        self,
        family: Family,
        health: &[Health; ROWS_MAX],
        now: Instant,
    ) -> Vec<u8, TLS_MAX> {
        let is_resting =
            |index: u8| health.get(usize::from(index)).is_some_and(|health| health.is_resting(now));
        let is_usable = |index: u8| self.row(index).is_some_and(|probe| probe.has(family));
        let candidates: Vec<u8, ROWS_MAX> = match self {
            Self::Cn => indices(probes::TLS_CN),
            Self::Global => indices(probes::TLS_GLOBAL),
            Self::Auto => indices(probes::TLS_AUTO),
            Self::Custom(_) => {
                let rows = self.rows().iter().enumerate();
                rows.filter(|(_, row)| matches!(row.tls, probes::Tls::Status(_)))
                    .map(|(at, _)| at as u8)
                    .collect()
            }
        };
        let fit = || candidates.iter().copied().filter(|index| is_usable(*index));
        fit()
            .filter(|index| !is_resting(*index))
            .chain(fit().filter(|index| is_resting(*index)))
            .take(TLS_MAX)
            .collect()
    }

    /// Addresses that are looked at when no resolver answers.
    pub(super) const fn anchors(self, family: Family) -> [IpAddr; 2] {
        match (self, family) {
            (Self::Cn | Self::Auto, Family::Ipv4) => probes::ANCHORS_CN_IPV4,
            (Self::Cn | Self::Auto, Family::Ipv6) => probes::ANCHORS_CN_IPV6,
            (Self::Global | Self::Custom(_), Family::Ipv4) => probes::ANCHORS_GLOBAL_IPV4,
            (Self::Global | Self::Custom(_), Family::Ipv6) => probes::ANCHORS_GLOBAL_IPV6,
        }
    }
}

/// Where the rows called so are in the table.
fn indices(ids: &[&str]) -> Vec<u8, ROWS_MAX> {
    ids.iter()
        .filter_map(|id| probes::TABLE.iter().position(|probe| probe.id == *id))
        .map(|index| index as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec as List;

    use smoltcp::time::Duration;

    use super::*;

    const NOW: Instant = Instant::from_micros_const(1_000_000_000);
    const FRESH: [Health; ROWS_MAX] = [Health::NEW; ROWS_MAX];

    fn ids(region: Region<'static>, rows: &[u8]) -> List<&'static str> {
        rows.iter().filter_map(|row| region.row(*row)).map(|probe| probe.id).collect()
    }

    fn picked(region: Region<'static>, family: Family, health: &[Health; ROWS_MAX]) -> List<&'static str> {
        ids(region, &region.pick(family, health, NOW))
    }

    fn row(id: &str) -> usize {
        probes::TABLE.iter().position(|probe| probe.id == id).expect("a row")
    }

    #[test]
    fn who_is_asked_where_at_first() {
        use Family::{Ipv4, Ipv6};
        for (region, family, expected) in [
            (Region::Cn, Ipv4, &["xiaomi", "huawei", "vivo", "apple", "ms", "honor"][..]),
            (Region::Cn, Ipv6, &["apple", "ms-v6", "ustc"]),
            (Region::Global, Ipv4, &["apple", "ms", "google-cc", "cloudflare", "firefox", "ubuntu"]),
            (Region::Global, Ipv6, &["apple", "ms-v6", "google-cc", "cloudflare", "firefox"]),
            (Region::Auto, Ipv4, &["xiaomi", "huawei", "vivo", "apple", "ms", "cloudflare"]),
            (Region::Auto, Ipv6, &["apple", "ms-v6", "ustc", "cloudflare", "firefox"]),
        ] {
            assert_eq!(picked(region, family, &FRESH), expected, "{} {}", region.name(), family.name());
        }
        let tls = |region: Region<'static>, family| ids(region, &region.pick_tls(family, &FRESH, NOW));
        assert_eq!(tls(Region::Cn, Ipv4), ["baidu", "qualcomm-cn"]);
        assert_eq!(tls(Region::Cn, Ipv6), ["ustc", "apple"]);
        assert_eq!(tls(Region::Global, Ipv4), ["graphene", "kuketz"]);
        assert_eq!(tls(Region::Global, Ipv6), ["fedora", "apple"]);
        assert_eq!(tls(Region::Auto, Ipv4), ["baidu", "graphene"]);
    }

    #[test]
    fn who_is_demoted_comes_last() {
        let mut health = FRESH;
        for _ in 0..2 {
            health[row("xiaomi")].failed_alone(NOW);
        }
        assert_eq!(
            picked(Region::Cn, Family::Ipv4, &health),
            ["huawei", "vivo", "apple", "ms", "honor", "oppo"]
        );
        assert_eq!(picked(Region::Auto, Family::Ipv4, &health)[..4], ["huawei", "vivo", "apple", "ms"]);
        // With nobody else left, better the demoted than none.
        for _ in 0..2 {
            health[row("apple")].failed_alone(NOW);
        }
        assert_eq!(picked(Region::Cn, Family::Ipv6, &health), ["ms-v6", "ustc", "apple"]);
        // His place is another brand's of the same house.
        health[row("baidu")].failed_alone(NOW);
        health[row("baidu")].failed_alone(NOW);
        let tls = Region::Cn.pick_tls(Family::Ipv4, &health, NOW);
        assert_eq!(ids(Region::Cn, &tls), ["qualcomm-cn", "ustc"]);
    }

    /// Abroad, what answers fast comes to be asked first, and who was tried longest ago keeps getting a chance.
    #[test]
    fn auto_learns_who_answers_fast() {
        let mut health = FRESH;
        let answers = |id: &str| match id {
            "cloudflare" | "firefox" | "ubuntu" => 20,
            "apple" | "ms" | "ms-edge" => 30,
            _ => 400,
        };
        let mut now = NOW;
        let mut tried = std::collections::BTreeSet::new();
        for _ in 0..20 {
            now += Duration::from_secs(10_800);
            for index in Region::Auto.pick(Family::Ipv4, &health, now) {
                let id = probes::TABLE[usize::from(index)].id;
                health[usize::from(index)].succeeded(now, Duration::from_millis(answers(id)));
                tried.insert(id);
            }
        }
        let mut first = picked(Region::Auto, Family::Ipv4, &health);
        first.truncate(PROBES_MAX - 1);
        assert_eq!(first.iter().filter(|id| answers(id) < 100).count(), 5, "{first:?}");
        assert!(tried.len() >= 8, "{tried:?}");
    }
}
