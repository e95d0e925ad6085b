//! The concentrator's discovery stage: PADI, PADR and PADT from clients.
//!
//! Reading list: RFC 2516 §5, RFC 4638 §4.

use gatelet_wire::ethernet::Header;
use gatelet_wire::pppoe::{Code, Packet, TagKind, TagSet, Writer};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use super::path::Path;
use super::session::{Routes, Session};
use super::throttle::{Caller, Reaction, Stage};
use super::{AC_MAC, Client, Concentrator, Cookie, MaxPayload, Reception, SECOND_AC_MAC, Startup};
use crate::world::Outbox;

/// MRU without RFC 4638 (RFC 2516 §7).
const MRU: u16 = 1492;
/// PADIs closer than this, without a PADR between, belong to one dial.
const REPETITION: Duration = Duration::from_secs(20);

impl Concentrator {
    pub(super) fn handle_padi(
        &mut self,
        now: Instant,
        mac: EthernetAddress,
        packet: &Packet,
        out: &mut Outbox,
    ) {
        self.counters.padis += 1;
        let client = self.clients.entry(mac.0).or_default();
        client.note_padi(now);
        let provoked = client.provoked && !client.padi_seen;
        client.padi_seen = true;
        if !self.admits(now, mac, provoked, Stage::Padi, out) || self.moods.padi == Reception::Silence {
            self.counters.padis_unanswered += 1;
            return;
        }
        let Ok(tags) = TagSet::parse(packet) else { return };
        let service = tags.service_name.unwrap_or_default();
        if !self.offers(service) {
            return; // RFC 2516 §5.2: not offered, not answered
        }
        let cookie = self.fresh_cookie(mac);
        let acs = [Some(AC_MAC), self.moods.second_ac.then_some(SECOND_AC_MAC)];
        for ac in acs.into_iter().flatten() {
            let path = Path { ac, client: mac, vlan: self.vlan, session_id: 0 };
            let mut held = Outbox::new();
            let target = if self.model.pado_delay.total_micros() > 0 { &mut held } else { &mut *out };
            let name = self.ac_name(ac);
            path.discovery(target, |buffer| {
                let mut writer = Writer::new(buffer, Code::Pado, 0);
                writer.push(TagKind::AcName, name.as_bytes()).push(TagKind::ServiceName, service);
                for offered in self.moods.services.iter().filter(|offered| offered.as_bytes() != service) {
                    writer.push(TagKind::ServiceName, offered.as_bytes());
                }
                writer.push_some(TagKind::AcCookie, cookie.as_ref().map(|cookie| &cookie[..]));
                self.echo_tags(&mut writer, &tags);
                if let Reception::Error(kind, text) = &self.moods.padi {
                    writer.push(*kind, text.as_bytes());
                }
                writer.finish().unwrap_or(0)
            });
            self.pending.extend(held.frames().map(|frame| (now + self.model.pado_delay, frame.to_vec())));
        }
    }

    pub(super) fn handle_padr(&mut self, now: Instant, header: &Header, packet: &Packet, out: &mut Outbox) {
        self.counters.padrs += 1;
        let mac = header.source;
        let client = self.clients.entry(mac.0).or_default();
        let provoked = client.provoked && !client.padr_seen;
        client.padr_seen = true;
        if !self.admits(now, mac, provoked, Stage::Padr, out) || self.moods.padr == Reception::Silence {
            self.counters.padrs_unanswered += 1;
            return;
        }
        let Ok(tags) = TagSet::parse(packet) else { return };
        if !self.cookie_is_good(mac, tags.ac_cookie) {
            self.counters.padrs_unanswered += 1;
            return;
        }
        let mut path = Path { ac: header.destination, client: mac, vlan: self.vlan, session_id: 0 };
        let service = tags.service_name.unwrap_or_default();
        let error = match &self.moods.padr {
            Reception::Error(kind, text) => Some((*kind, text.clone())),
            _ if !self.offers(service) => Some((TagKind::ServiceNameError, "no such service".to_owned())),
            _ => None,
        };
        if let Some((kind, text)) = error {
            out.remark("refuses the session", text.as_str());
            path.discovery(out, |buffer| {
                let mut writer = Writer::new(buffer, Code::Pads, 0);
                writer.push(TagKind::ServiceName, service).push(kind, text.as_bytes());
                self.echo_tags(&mut writer, &tags);
                writer.finish().unwrap_or(0)
            });
            return;
        }
        // A repeated PADR means that PADS was lost: the same session is confirmed again.
        let host_uniq = tags.host_uniq.unwrap_or_default();
        let repeated = self.sessions.iter().position(|session| {
            session.path.client == mac
                && session.path.ac == path.ac
                && session.host_uniq == host_uniq
                && session.user.is_none()
                && !session.is_up()
        });
        let mru = self.granted_payload(&tags).unwrap_or(MRU);
        let index = repeated.unwrap_or_else(|| {
            path.session_id = self.fresh_session_id();
            let address = self.fresh_address();
            let mut session = Session::new(now, path, &self.moods, mru, address, &mut self.rng);
            session.host_uniq = host_uniq.to_vec();
            session.ipv6 = self.moods.ipv6_access.clone().map(|access| {
                let subscriber = self.subscriber(mac, !access.keeps_prefix);
                Routes::new(access, subscriber)
            });
            session.provoked = self.clients.get(&mac.0).is_some_and(|client| client.provoked);
            self.sessions.push(session);
            self.counters.sessions_opened += 1;
            self.sessions.len() - 1
        });
        path = self.sessions[index].path;
        let early = self.moods.startup == Startup::Early && repeated.is_none();
        if early {
            self.sessions[index].start(now, &self.moods, out);
        }
        let name = self.ac_name(path.ac);
        path.discovery(out, |buffer| {
            let mut writer = Writer::new(buffer, Code::Pads, path.session_id);
            writer.push(TagKind::ServiceName, service).push(TagKind::AcName, name.as_bytes());
            self.echo_tags(&mut writer, &tags);
            writer.finish().unwrap_or(0)
        });
        if repeated.is_none() && !early {
            self.sessions[index].start(now, &self.moods, out);
        }
    }

    pub(super) fn handle_padt(
        &mut self,
        now: Instant,
        mac: EthernetAddress,
        session_id: u16,
        out: &mut Outbox,
    ) {
        self.counters.padts_received += 1;
        let caller = Caller { mac, user: None, provoked: false };
        for throttle in &mut self.throttles {
            throttle.padt(&caller);
        }
        let found = self
            .sessions
            .iter()
            .position(|session| session.path.client == mac && session.path.session_id == session_id);
        if let Some(index) = found {
            self.end(now, index, None, out);
        }
    }

    /// Whether every throttle lets this request through. All of them count it.
    fn admits(
        &mut self,
        now: Instant,
        mac: EthernetAddress,
        provoked: bool,
        stage: Stage,
        out: &mut Outbox,
    ) -> bool {
        let caller = Caller { mac, user: None, provoked };
        let mut admitted = true;
        for index in 0..self.throttles.len() {
            let extended = self.moods.lock_extended_by_requests;
            match self.throttles[index].request(now, &caller, stage, extended) {
                Reaction::Answered(lockout) => self.note_lockout(lockout, out),
                Reaction::Ignored => admitted = false,
                Reaction::LockExtended => {
                    admitted = false;
                    self.counters.lock_extensions += 1;
                }
            }
        }
        admitted
    }

    fn offers(&self, service: &[u8]) -> bool {
        service.is_empty() || self.moods.services.iter().any(|offered| offered.as_bytes() == service)
    }

    fn ac_name(&self, ac: EthernetAddress) -> String {
        if ac == AC_MAC { self.name.clone() } else { format!("{}-2", self.name) }
    }

    /// RFC 2516 §5: tags a concentrator must return unaltered; RFC 4638: the one it may.
    fn echo_tags(&self, writer: &mut Writer<'_>, tags: &TagSet) {
        writer.push_some(TagKind::HostUniq, tags.host_uniq);
        writer.push_some(TagKind::RelaySessionId, tags.relay_session_id);
        if let Some(payload) = self.granted_payload(tags) {
            writer.push(TagKind::PppMaxPayload, &payload.to_be_bytes());
        }
    }

    fn granted_payload(&self, tags: &TagSet) -> Option<u16> {
        match self.moods.max_payload {
            MaxPayload::Echo(most) => tags.max_payload.filter(|&wanted| wanted > MRU && wanted <= most),
            MaxPayload::Ignore => None,
        }
    }

    fn fresh_cookie(&mut self, mac: EthernetAddress) -> Option<[u8; 16]> {
        let client = self.clients.entry(mac.0).or_default();
        match self.moods.cookie {
            Cookie::None => return None,
            Cookie::Stable if client.cookie != [0; 16] => {}
            Cookie::Stable | Cookie::Changing | Cookie::StaleOnce => self.rng.fill_bytes(&mut client.cookie),
        }
        Some(client.cookie)
    }

    fn cookie_is_good(&mut self, mac: EthernetAddress, cookie: Option<&[u8]>) -> bool {
        let client = self.clients.entry(mac.0).or_default();
        if self.moods.cookie == Cookie::StaleOnce && !client.cookie_was_stale {
            client.cookie_was_stale = true;
            self.rng.fill_bytes(&mut client.cookie);
        }
        self.moods.cookie == Cookie::None || cookie == Some(&client.cookie)
    }

    /// Session ids spread over the number space, never 0, 0xFFFF or one in use (RFC 2516 §5.4).
    fn fresh_session_id(&mut self) -> u16 {
        loop {
            self.next_session_id = self.next_session_id.wrapping_mul(25173).wrapping_add(13849);
            let id = self.next_session_id;
            let taken = self.sessions.iter().any(|session| session.path.session_id == id);
            if gatelet_wire::pppoe::is_session_id(id) && !taken {
                return id;
            }
        }
    }

    /// The number that decides a client's prefixes: the one it had, or another.
    pub(super) fn subscriber(&mut self, mac: EthernetAddress, is_new: bool) -> u32 {
        if !is_new && let Some(known) = self.subscribers.get(&mac.0) {
            return *known;
        }
        let number = self.next_subscriber;
        self.next_subscriber += 1;
        self.subscribers.insert(mac.0, number);
        number
    }

    /// Another address at each dial, from the range carriers use behind their NAT (RFC 6598), or from one of the Internet's.
    fn fresh_address(&mut self) -> Ipv4Address {
        self.next_address = (self.next_address + 1) % 0x003F_0000;
        if self.moods.public_addresses {
            return Ipv4Address::new(198, 51, 100, 128 + (self.next_address % 120) as u8);
        }
        Ipv4Address::from_bits(u32::from(Ipv4Address::new(100, 64, 0, 2)) + self.next_address)
    }
}

impl Client {
    /// A PADI begins a dial, which is provoked if the line failed since the last one; or it repeats one that got no
    /// answer, and then it belongs to the same dial but is not covered by what provoked it.
    fn note_padi(&mut self, now: Instant) {
        let repeated = !self.padr_seen && self.last_padi.is_some_and(|last| now < last + REPETITION);
        self.last_padi = Some(now);
        if self.excused || !repeated {
            self.provoked = std::mem::take(&mut self.excused);
            self.padi_seen = false;
            self.padr_seen = false;
        }
    }
}

pub(super) fn send_padt(path: &Path, out: &mut Outbox) {
    path.discovery(out, |buffer| Writer::new(buffer, Code::Padt, path.session_id).finish().unwrap_or(0));
}
