//! What the engine must not forget when the power goes.

use super::budget::CAPACITY;
use super::clock::Time;
use core::net::Ipv4Addr;
use heapless::Vec;
use serde::{Deserialize, Serialize};
use smoltcp::wire::EthernetAddress;

/// The layout of [`Ledger`]. A record of another layout is not guessed at.
const FORMAT: u8 = 1;

/// No hold is longer than this, whatever a record says: 4 h, in seconds.
const LONGEST_HOLD: u32 = 4 * 3600;

/// The last session known to the concentrator, to be cleared by a PADT after a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSession {
    /// The access concentrator's address.
    #[serde(with = "mac")]
    pub ac_mac: EthernetAddress,
    /// `SESSION_ID`. 0 only in a [`super::Action::ClearSession`] meant for a concentrator that fell silent.
    pub id: u16,
    /// The 802.1Q VLAN the session ran in.
    pub vlan: Option<u16>,
}

/// Why not one PADI or PADR is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldReason {
    /// Silence after recent activity: the carrier has locked us out.
    Silence,
    /// The credentials were refused.
    Authentication,
}

/// A time without one PADI or PADR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hold {
    /// Seconds of the ledger clock.
    pub(super) until: u32,
    pub(super) reason: HoldReason,
    /// The one PADI after a cold power-on has been spent.
    pub(super) polled: bool,
}

/// What may happen after a record is written without another being written first.
///
/// A power cut in the meantime leaves nothing but the record, so the next boot assumes that all of it did happen,
/// and at the last moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Grant {
    /// PADIs and PADRs, as many as their window allows. The next boot takes the window for full.
    pub(super) discovery: bool,
    pub(super) dials: u8,
    pub(super) authentications: u8,
}

impl Grant {
    pub(super) const NOTHING: Self = Self { discovery: false, dials: 0, authentications: 0 };
    /// For polling a dark line: any number of PADIs, for one write.
    pub(super) const POLLS: Self = Self { discovery: true, dials: 0, authentications: 0 };
    pub(super) const DIAL: Self = Self { discovery: true, dials: 1, authentications: 1 };
    /// For an open session, whose peer may start LCP over and authenticate again.
    pub(super) const SESSION: Self = Self { discovery: false, dials: 0, authentications: 1 };

    pub(super) fn covers(self, need: Self) -> bool {
        (self.discovery || !need.discovery)
            && self.dials >= need.dials
            && self.authentications >= need.authentications
    }

    pub(super) fn both(self, other: Self) -> Self {
        Self {
            discovery: self.discovery && other.discovery,
            dials: self.dials.min(other.dials),
            authentications: self.authentications.min(other.authentications),
        }
    }

    pub(super) fn either(self, other: Self) -> Self {
        Self {
            discovery: self.discovery || other.discovery,
            dials: self.dials.max(other.dials),
            authentications: self.authentications.max(other.authentications),
        }
    }
}

/// The engine's memory across reboots and power loss, written before the PADI it records.
///
/// Times are seconds of the *ledger clock*, which stops while the power is off. What happened is rounded up to the
/// next second and the clock down to the last, so that nothing looks older than it is.
///
/// # Wear
///
/// One record is written before a dial (its PADIs and its PADR together), one when the session is up, one when it
/// has been up for 10 minutes; one when a hold begins, one before the single PADI inside it, one when a line is found
/// dark and one when it answers again. Polling a dark line writes nothing.
///
/// - A calm line, redialed once a day after a forced disconnect: 3 writes a day.
/// - No line can do worse than 3 dials in 5 minutes, 864 a day, each of which finds it dark, is answered at a poll, comes
///   up and settles: 5 writes each. A peer that starts LCP over in an open session costs one for each authentication
///   beyond those, 4 in 180 s: 1056 more. [`Ledger::MOST_WRITES_PER_DAY`] = 5376.
/// - The worst line a test could find in a day of simulation breaks every session after a minute: 1728 writes.
///
/// A record takes at most [`Ledger::MAX_ENCODED_LEN`] = 224 bytes, so that a 4 KiB page holds 15 with a store's own
/// bytes. Eight pages of NOR flash, good for 100 000 erasures each (the usual figure of data sheets), take
/// 8 * 15 * 100 000 = 12 million records: 19 years of the worst line seen, 6 of the impossible one, without a pause.
/// Two pages, the least a store works with, take 3 million: 4.7 and 1.5 years, and 2700 on a calm line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub(super) format: u8,
    /// The ledger clock when this was written.
    pub(super) clock: u32,
    pub(super) discovery: Vec<u32, CAPACITY>,
    pub(super) dials: Vec<u32, CAPACITY>,
    pub(super) authentications: Vec<u32, CAPACITY>,
    pub(super) failed_sessions: Vec<u32, CAPACITY>,
    pub(super) grant: Grant,
    pub(super) hold: Option<Hold>,
    /// What was seen before this does not count as activity: a full hold was waited out since.
    pub(super) innocent_since: u32,
    /// The concentrator last spoken to; its `id` is 0 when no session is left behind there.
    pub(super) concentrator: Option<LastSession>,
    pub(super) address: Option<Ipv4Addr>,
    /// A fingerprint of the credentials the rest is about.
    pub(super) credentials: Option<u32>,
    pub(super) credentials_worked: bool,
    pub(super) echo_ignored: bool,
    pub(super) no_traffic_at: Option<u32>,
    /// Dials and sessions that failed since the last good session, for the back-off.
    pub(super) failures: u8,
    /// Refused authentications since the last accepted one.
    pub(super) refusals: u8,
}

impl Ledger {
    /// No serialised ledger (postcard) is longer than this, in bytes.
    pub const MAX_ENCODED_LEN: usize = 224;

    /// No line makes the engine write more records than this in 24 h.
    pub const MOST_WRITES_PER_DAY: u32 = 864 * 5 + (1920 - 864);

    /// Writes in 24 h on the worst line a test could find.
    #[cfg(test)]
    pub(super) const WORST_SEEN: u32 = 1728;

    /// Stands in for a record that could not be read (damaged, or of another firmware): the engine then assumes
    /// the worst, a power cut in the middle of a hold. Nothing stored at all is `None` instead.
    pub fn unreadable() -> Self {
        Self { format: 0, ..Self::blank() }
    }

    /// The state of a device that never dialed.
    pub(super) fn blank() -> Self {
        Self {
            format: FORMAT,
            clock: 0,
            discovery: Vec::new(),
            dials: Vec::new(),
            authentications: Vec::new(),
            failed_sessions: Vec::new(),
            grant: Grant::NOTHING,
            hold: None,
            innocent_since: 0,
            concentrator: None,
            address: None,
            credentials: None,
            credentials_worked: false,
            echo_ignored: false,
            no_traffic_at: None,
            failures: 0,
            refusals: 0,
        }
    }

    /// Whether a past like this can be: of this layout, and nothing in it later than its own clock.
    pub(super) fn is_plausible(&self) -> bool {
        // Seconds begun lie up to one ahead of seconds passed.
        let latest = self.clock.saturating_add(1);
        let past = |times: &[u32]| times.is_sorted() && times.last().is_none_or(|&time| time <= latest);
        self.format == FORMAT
            && self.clock < u32::MAX / 2
            && past(&self.discovery)
            && past(&self.dials)
            && past(&self.authentications)
            && past(&self.failed_sessions)
            && self.innocent_since <= latest
            && self.no_traffic_at.is_none_or(|time| time <= latest)
            && self.hold.is_none_or(|hold| hold.until <= latest.saturating_add(LONGEST_HOLD))
    }

    /// The session a power cut left behind at the concentrator.
    pub fn last_session(&self) -> Option<LastSession> {
        self.concentrator.filter(|session| session.id != 0)
    }

    /// The IPv4 address to ask for again.
    pub fn last_address(&self) -> Option<Ipv4Addr> {
        self.address
    }

    /// Seconds of the ledger clock at which this was written.
    pub fn clock(&self) -> u32 {
        self.clock
    }

    /// The same past, `seconds` later: for who knows how long nobody dialed since it was written (a program on a
    /// computer that ran on). Goes with [`super::Boot::Warm`].
    #[must_use]
    pub fn advanced(mut self, seconds: u32) -> Self {
        self.clock = self.clock.saturating_add(seconds);
        self
    }

    /// Seconds a hold had still to go when this was written, and its reason.
    pub fn hold(&self) -> Option<(u32, HoldReason)> {
        self.hold.map(|hold| (hold.until.saturating_sub(self.clock), hold.reason))
    }
}

impl Hold {
    pub(super) fn ends(self) -> Time {
        Time::from_seconds(self.until)
    }
}

mod mac {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use smoltcp::wire::EthernetAddress;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(mac: &EthernetAddress, serializer: S) -> Result<S::Ok, S::Error> {
        mac.0.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<EthernetAddress, D::Error> {
        <[u8; 6]>::deserialize(deserializer).map(EthernetAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(value: u32) -> Vec<u32, CAPACITY> {
        Vec::from_array([value; CAPACITY])
    }

    /// Every field as long as postcard makes it.
    pub(super) fn longest() -> Ledger {
        Ledger {
            format: 255,
            clock: u32::MAX,
            discovery: full(u32::MAX),
            dials: full(u32::MAX),
            authentications: full(u32::MAX),
            failed_sessions: full(u32::MAX),
            grant: Grant { discovery: true, dials: 255, authentications: 255 },
            hold: Some(Hold { until: u32::MAX, reason: HoldReason::Authentication, polled: true }),
            innocent_since: u32::MAX,
            concentrator: Some(LastSession {
                ac_mac: EthernetAddress([255; 6]),
                id: u16::MAX,
                vlan: Some(u16::MAX),
            }),
            address: Some(Ipv4Addr::BROADCAST),
            credentials: Some(u32::MAX),
            credentials_worked: true,
            echo_ignored: true,
            no_traffic_at: Some(u32::MAX),
            failures: 255,
            refusals: 255,
        }
    }

    #[test]
    fn the_longest_ledger_fits_its_bound() {
        let mut buffer = [0; 1024];
        let length = postcard::to_slice(&longest(), &mut buffer).unwrap().len();
        assert!(length <= Ledger::MAX_ENCODED_LEN, "{length}");
        // The bound is not a wish either: the wear in the docstring is reckoned with it.
        assert!(length + 16 > Ledger::MAX_ENCODED_LEN, "{length}");
    }

    #[test]
    fn a_ledger_survives_postcard() {
        let mut buffer = [0; 1024];
        for ledger in [longest(), Ledger::blank(), Ledger::unreadable()] {
            let bytes = postcard::to_slice(&ledger, &mut buffer).unwrap();
            assert_eq!(postcard::from_bytes::<Ledger>(bytes).unwrap(), ledger);
        }
    }

    #[test]
    fn impossible_pasts_are_not_believed() {
        assert!(Ledger::blank().is_plausible());
        let at = |clock| Ledger { clock, ..Ledger::blank() };
        assert!(Ledger { discovery: Vec::from_slice(&[3, 11]).unwrap(), ..at(10) }.is_plausible());
        assert!(!Ledger::unreadable().is_plausible(), "damaged, or the layout of a newer firmware");
        assert!(!Ledger { format: FORMAT + 1, ..at(10) }.is_plausible());
        assert!(!Ledger { discovery: Vec::from_slice(&[3, 12]).unwrap(), ..at(10) }.is_plausible());
        assert!(!Ledger { dials: Vec::from_slice(&[3, 2]).unwrap(), ..at(10) }.is_plausible());
        assert!(!Ledger { no_traffic_at: Some(99), ..at(10) }.is_plausible());
        assert!(!at(u32::MAX).is_plausible());
        let hold = |until| Some(Hold { until, reason: HoldReason::Silence, polled: false });
        assert!(Ledger { hold: hold(370), ..at(10) }.is_plausible());
        assert!(!Ledger { hold: hold(100_000), ..at(10) }.is_plausible(), "nobody holds for a day");
    }
}
