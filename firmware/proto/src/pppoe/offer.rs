//! What a concentrator said: its offer, or its refusal, bounded and owned.

use gatelet_wire::EthernetAddress;
use gatelet_wire::pppoe::{Packet, Tag, TagKind, TagSet};
use heapless::{String, Vec};
use smoltcp::time::Instant;

use super::{DiscoveryConfig, Dropped, NAME_MAX, TEXT_MAX};
use crate::text;

/// The longest AC-Cookie that is echoed. RFC 2516 sets no bound; concentrators send a hash of 16 to
/// 24 bytes (rp-pppoe 20, accel-ppp 24).
pub const COOKIE_MAX: usize = 128;

/// The longest Relay-Session-Id that is echoed. RFC 2516 appendix A has hosts leave room for 12.
pub const RELAY_SESSION_ID_MAX: usize = 32;

/// Length of our Host-Uniq in bytes. Drawn anew for each attempt, so that somebody who cannot see
/// our PADI cannot answer it either.
pub(super) const HOST_UNIQ_LEN: usize = 8;

/// A PADO that passed every filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) ac_mac: EthernetAddress,
    pub(super) ac_name: String<NAME_MAX>,
    pub(super) cookie: Option<Vec<u8, COOKIE_MAX>>,
    pub(super) relay_session_id: Option<Vec<u8, RELAY_SESSION_ID_MAX>>,
    pub(super) received_at: Instant,
}

impl Offer {
    /// Reads a PADO whose Host-Uniq is ours.
    pub(super) fn parse(
        config: &DiscoveryConfig,
        now: Instant,
        source: EthernetAddress,
        packet: &Packet<'_>,
        tags: &TagSet<'_>,
    ) -> Result<Self, Dropped> {
        if packet.session_id != 0 {
            return Err(Dropped::OfferWithSession);
        }
        if config.ac_mac.is_some_and(|pinned| pinned != source) {
            return Err(Dropped::FilteredByMac);
        }
        if tags.error.is_some() {
            return Err(Dropped::RefusingOffer);
        }
        let ac_name = tags.ac_name.ok_or(Dropped::NoAcName)?;
        if !config.ac_name.is_empty() && ac_name != config.ac_name.as_bytes() {
            return Err(Dropped::FilteredByAcName);
        }
        let mut services = packet.tags().flatten().filter(|tag| tag.kind == TagKind::ServiceName);
        if !config.service_name.is_empty()
            && !services.any(|service| service.value == config.service_name.as_bytes())
        {
            return Err(Dropped::FilteredByServiceName);
        }
        Ok(Self {
            ac_mac: source,
            ac_name: text::from_peer(ac_name),
            cookie: echo(tags.ac_cookie)?,
            relay_session_id: echo(tags.relay_session_id)?,
            received_at: now,
        })
    }
}

fn echo<const N: usize>(value: Option<&[u8]>) -> Result<Option<Vec<u8, N>>, Dropped> {
    value.map(|value| Vec::from_slice(value).map_err(|_| Dropped::OversizeTag)).transpose()
}

/// An error tag with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which concentrator refused.
    pub ac_mac: EthernetAddress,
    /// Which error tag it used.
    pub kind: RefusalKind,
    /// What it wrote into the tag; often empty.
    pub text: String<TEXT_MAX>,
}

impl Refusal {
    pub(super) fn from_tag(ac_mac: EthernetAddress, tag: Tag<'_>) -> Self {
        let kind = match tag.kind {
            TagKind::ServiceNameError => RefusalKind::ServiceName,
            TagKind::AcSystemError => RefusalKind::AcSystem,
            _ => RefusalKind::Generic,
        };
        Self { ac_mac, kind, text: text::from_peer(tag.value) }
    }
}

/// The three error tags (RFC 2516 appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// 0x0201 Service-Name-Error: the service asked for cannot be had here.
    ServiceName,
    /// 0x0202 AC-System-Error: the concentrator could not, for lack of resources for example.
    AcSystem,
    /// 0x0203 Generic-Error: whatever else is unrecoverable.
    Generic,
}
