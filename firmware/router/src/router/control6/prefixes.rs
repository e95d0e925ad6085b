//! The LAN's prefixes beside those of WANs and tunnels: the owner's own one, and those of before a reboot.
//!
//! ```text
//!   flash ──remember──► known ◄── each new /64 that is advertised ──► poll: to flash
//!                         │
//!                         └── once every WAN has said what it has: those that are not there again are deprecated
//! ```
//!
//! A host does not notice that its router has rebooted. If the prefix is another one afterwards, it goes on to send from
//! addresses that lead nowhere, for hours: so the router has to know what it advertised before (RFC 9096 §3.5).
//!
//! Reading list: RFC 9096 §3.5 (stale prefixes); RFC 4193 (a prefix of one's own); RFC 7084 §4.3.

use gatelet_proto::dhcpv6::client::Delegated;
use gatelet_proto::lifetime::Lifetime;
use gatelet_proto::ra::router::{self, LanPrefix};
use gatelet_wire::ndp::network;
use heapless::Vec;
use smoltcp::time::Instant;
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use super::{Control6, LAN_PREFIXES, Plan};
use crate::router::Router;
use crate::wan::{Uplink, WanId};

/// Prefixes that are kept after they have gone: hosts may have addresses of them for 90 minutes.
const GONE: usize = 2;

/// The /64s of which hosts may have addresses.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Their first 64 bits; the newest comes last.
    known: Vec<u64, LAN_PREFIXES>,
    /// Some are of before a reboot, and not compared yet with what there is now.
    is_to_compare: bool,
    /// There is one that the owner does not know of.
    is_to_keep: bool,
}

impl Memory {
    /// What was kept over a reboot comes before what is advertised already.
    fn remember(&mut self, prefixes: &[u64]) {
        let since = core::mem::take(&mut self.known);
        self.known.extend(prefixes.iter().copied().take(LAN_PREFIXES));
        self.is_to_compare = !self.known.is_empty();
        self.is_to_keep = false;
        for new in since {
            self.add(new);
        }
    }

    fn add(&mut self, new: u64) {
        if self.known.contains(&new) {
            return;
        }
        if self.known.is_full() {
            self.known.remove(0);
        }
        // There is room now.
        let _ = self.known.push(new);
        self.is_to_keep = true;
    }

    /// Takes note of what is advertised.
    fn note(&mut self, advertised: &[LanPrefix]) {
        for LanPrefix { prefix, .. } in advertised {
            let new = high_bits(*prefix);
            if self.known.contains(&new) {
                continue;
            }
            let is_there = |known: &u64| advertised.iter().any(|there| high_bits(there.prefix) == *known);
            let mut gone = self.known.iter().filter(|known| !is_there(known)).count();
            self.known.retain(|known| {
                let stays = is_there(known) || gone <= GONE;
                gone -= usize::from(!stays);
                stays
            });
            self.add(new);
        }
    }
}

impl Control6 {
    /// What the plan says of prefixes is carried out; hosts are told of those that are gone.
    pub(super) fn compare_prefixes(&mut self, now: Instant, plan: &Plan) {
        self.memory.note(&plan.lan);
        let is_settled = self.uplinks.iter().flatten().all(Uplink::is_settled);
        let Some(lan) = self.lan.as_mut().filter(|_| self.memory.is_to_compare && is_settled) else { return };
        self.memory.is_to_compare = false;
        for known in &self.memory.known {
            lan.router.deprecate(now, Ipv6Cidr::new(Ipv6Address::from_bits(u128::from(*known) << 64), 64));
        }
    }

    /// The prefix of the owner's own goes into the plan.
    pub(super) fn plan_local_prefix(&self, plan: &mut Plan) {
        if let Some(prefix) = self.local_prefix {
            plan.leads_nowhere(prefix);
            let prefix = network(prefix.address(), 64);
            plan.add(LanPrefix { prefix, preferred: Lifetime::Forever, valid: Lifetime::Forever });
        }
    }
}

impl Router<'_> {
    /// A prefix of the LAN's own, beside those that WANs and tunnels give: its first /64 is advertised (RFC 4193 §3.2). There is no
    /// way out for it.
    pub fn set_local_ipv6_prefix(&mut self, now: Instant, prefix: Option<Ipv6Cidr>) {
        if core::mem::replace(&mut self.control6.local_prefix, prefix) != prefix {
            self.plan6(now);
        }
    }

    /// No more prefixes and no way out are advertised, and no DNS servers told; hosts are told that those of before are gone. Until
    /// [`advertise_ipv6`](Self::advertise_ipv6).
    pub fn stop_advertising_ipv6(&mut self, now: Instant) {
        self.control6.is_silent = true;
        self.plan6(now);
    }

    /// What [`poll_ipv6_prefixes`](Self::poll_ipv6_prefixes) gave before a reboot: hosts are told that those are gone that are not
    /// there again, once it is known what is (RFC 9096 §3.5).
    pub fn remember_ipv6_prefixes(&mut self, prefixes: &[u64]) {
        self.control6.memory.remember(prefixes);
    }

    /// The /64s of which hosts may have addresses, when there is one more: they are to be kept over a reboot. Of each, its first 64
    /// bits. Those that are gone are among them until others have taken their places.
    pub fn poll_ipv6_prefixes(&mut self) -> Option<Vec<u64, LAN_PREFIXES>> {
        let memory = &mut self.control6.memory;
        let is_to_keep = core::mem::take(&mut memory.is_to_keep);
        is_to_keep.then(|| memory.known.clone())
    }

    /// Whether addresses and prefixes are [acquired](Self::acquire_ipv6) on any WAN.
    pub fn acquires_ipv6(&self) -> bool {
        self.control6.uplinks.iter().any(Option::is_some)
    }

    /// The default router that a WAN has told: its link-local address.
    pub fn ipv6_router(&self, wan: WanId) -> Option<Ipv6Address> {
        self.uplink(wan).and_then(Uplink::router)
    }

    /// The /64 of a WAN's own link that the LAN shares, because nothing is delegated.
    pub fn shared_ipv6_prefix(&self, wan: WanId) -> Option<Delegated> {
        self.uplink(wan).and_then(Uplink::shared)
    }

    /// What the LAN is told of prefixes: those that are there, then those that are told to be gone.
    pub fn advertised_ipv6_prefixes(&self) -> impl Iterator<Item = &LanPrefix> {
        let router = self.control6.lan.as_ref().map(|lan| &lan.router);
        router.into_iter().flat_map(|router| router.prefixes().chain(router.old_prefixes()))
    }

    /// Whether the LAN is told that there is a way out over IPv6.
    pub fn is_ipv6_default_router(&self) -> bool {
        self.control6.lan.as_ref().is_some_and(|lan| lan.router.is_default_router())
    }
}

/// What a /64 begins with.
fn high_bits(prefix: Ipv6Cidr) -> u64 {
    (prefix.address().to_bits() >> 64) as u64
}

/// The most prefixes there are at a time.
const _: () = assert!(GONE < router::PREFIXES, "there is room for new ones");

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(n: u16) -> Ipv6Cidr {
        Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xDB8, n, 0, 0, 0, 0, 0), 64)
    }

    fn advertised(numbers: &[u16]) -> std::vec::Vec<LanPrefix> {
        let forever = Lifetime::Forever;
        numbers.iter().map(|n| LanPrefix { prefix: prefix(*n), preferred: forever, valid: forever }).collect()
    }

    fn known(memory: &Memory) -> std::vec::Vec<u16> {
        memory.known.iter().map(|bits| (bits >> 16) as u16).collect()
    }

    #[test]
    fn what_is_there_is_kept_and_the_last_two_that_were() {
        let mut memory = Memory::default();
        memory.note(&[]);
        assert!(!memory.is_to_keep);
        memory.note(&advertised(&[1]));
        assert!(core::mem::take(&mut memory.is_to_keep));
        // What comes back, and what goes, is no reason to wear the flash.
        for there in [&[][..], &[1], &[]] {
            memory.note(&advertised(there));
            assert!(!memory.is_to_keep, "{there:?}");
        }
        for (there, kept) in [
            (&[2][..], &[1, 2][..]),
            (&[3], &[1, 2, 3]),
            (&[4], &[2, 3, 4]),
            (&[4, 5, 6], &[2, 3, 4, 5, 6]),
            (&[4, 5, 6, 7, 8, 9], &[4, 5, 6, 7, 8, 9]),
            (&[10], &[8, 9, 10]),
        ] {
            memory.note(&advertised(there));
            assert_eq!(known(&memory), kept, "{there:?}");
            assert!(core::mem::take(&mut memory.is_to_keep));
        }
    }

    #[test]
    fn what_is_advertised_before_the_flash_is_read_is_no_reason_to_write() {
        let mut memory = Memory::default();
        memory.note(&advertised(&[1]));
        memory.remember(&[high_bits(prefix(7)), high_bits(prefix(1))]);
        assert!(memory.is_to_compare && !memory.is_to_keep);
        assert_eq!(known(&memory), [7, 1]);
        memory.note(&advertised(&[2]));
        memory.remember(&[high_bits(prefix(7)), high_bits(prefix(1))]);
        assert!(memory.is_to_keep);
        assert_eq!(known(&memory), [7, 1, 2]);
    }
}
