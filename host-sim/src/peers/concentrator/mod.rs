//! A simulated access concentrator: `PPPoE` server, PPP server and what defends both, at packet level.
//!
//! ```text
//!            PADI      ┌── Throttle ──┐    PADR      ┌── Throttle ──┐
//!  client ───────────► │  answered?   │ ───────────► │  answered?   │ ──► Session: LCP, authentication, NCPs, data
//!         ◄──── PADO ──┴──────────────┘ ◄── PADS ────┴──────────────┘        │
//!         ◄──────────────────────────── PADT ────────────────────────────────┘ over
//! ```
//!
//! [`Model`] says what it is, [`Moods`] how it behaves today, [`Radius`] who may log in. It knows which dials the line
//! itself provoked ([`Concentrator::line_failed`]), so that it can tell a lockout of the client's own making.
//!
//! Reading list: RFC 2516 §5, RFC 4638 §4; the PPP side is in `session`, `authenticator` and `layer`.

mod authenticator;
mod discovery;
mod layer;
mod model;
mod moods;
mod path;
mod session;
pub mod throttle;
mod verbs;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chacha20::ChaCha8Rng;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use gatelet_wire::pppoe::{Code, Packet, TagKind};
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Packet, Ipv6Packet};

pub use self::model::{Model, SingleSession};
pub use self::moods::{Authentication, Cookie, Keepalive, MaxPayload, Moods, Reception, Startup};
use self::path::Path;
pub use self::session::Ipv6Access;
use self::session::{Fate, Happening, Session, Surroundings};
pub(super) use self::session::{Made, Routes};
use self::throttle::{Caller, Lockout, Outcome, Throttle};
use super::radius::{Radius, Refusal, Verdict};
use super::{broker, dhcpv6, internet, packet};
use crate::world::{Node, Outbox};

/// The concentrator's Ethernet address; the second one's ends in 2.
pub const AC_MAC: EthernetAddress = EthernetAddress([0x02, 0xAC, 0, 0, 0, 1]);
const SECOND_AC_MAC: EthernetAddress = EthernetAddress([0x02, 0xAC, 0, 0, 0, 2]);
/// User and password that [`Concentrator::new`] knows.
pub const ACCOUNT: (&str, &str) = ("alice@isp.test", "wonderland");

/// What happened so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named for what it counts")]
pub struct Counters {
    pub padis: u64,
    pub padis_unanswered: u64,
    pub padrs: u64,
    pub padrs_unanswered: u64,
    pub sessions_opened: u64,
    pub sessions_up: u64,
    pub authentications: u64,
    pub authentications_refused: u64,
    pub padts_received: u64,
    pub frames: u64,
    /// Packets whose source was not the subscriber's address.
    pub foreign_sources: u64,
    /// IPv6 packets of subscribers that were not in order.
    pub malformed: u64,
    /// Router Advertisements, and solicitations for them.
    pub router_advertisements: u64,
    pub router_solicitations: u64,
    /// The DHCPv6 servers of sessions that are over.
    pub dhcpv6: dhcpv6::Counters,
    /// Packets of the Internet's that were too long for a session, or for nobody.
    pub undelivered: u64,
    /// Requests that started a lock anew.
    pub lock_extensions: u64,
    /// Every lock, in order.
    pub lockouts: Vec<Lockout>,
}

/// A session as tests and reports see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionView {
    /// The session id.
    pub id: u16,
    /// The client.
    pub client: EthernetAddress,
    /// The concentrator that serves it.
    pub ac: EthernetAddress,
    /// When PADS went out.
    pub opened_at: Instant,
    /// When the first network protocol came up, if one did.
    pub up_since: Option<Instant>,
    /// The client's address.
    pub address: Ipv4Address,
    /// Whether it leads to a portal instead of the Internet.
    pub walled: bool,
}

/// A simulated access concentrator.
#[derive(Debug)]
pub struct Concentrator {
    /// How it behaves today; change it at will.
    pub moods: Moods,
    /// Who may log in.
    pub radius: Radius,
    /// The 802.1Q tag it expects and sends; frames with any other are not for it.
    pub vlan: Option<VlanTag>,
    /// Its AC-Name.
    pub name: String,
    model: Model,
    throttles: Vec<Throttle>,
    sessions: Vec<Session>,
    clients: BTreeMap<[u8; 6], Client>,
    /// PADOs held back.
    pending: Vec<(Instant, Vec<u8>)>,
    counters: Counters,
    rng: ChaCha8Rng,
    powered: bool,
    next_session_id: u16,
    next_address: u32,
    /// Whose prefixes are whose: clients' numbers, and the next one.
    subscribers: BTreeMap<[u8; 6], u32>,
    next_subscriber: u32,
}

/// What is remembered of a client between its sessions.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Client {
    /// The line failed: the next dial is provoked.
    excused: bool,
    /// The dial in progress was provoked.
    provoked: bool,
    /// Its PADI, its PADR were seen: further ones are not covered.
    padi_seen: bool,
    padr_seen: bool,
    last_padi: Option<Instant>,
    cookie: [u8; 16],
    cookie_was_stale: bool,
}

impl Concentrator {
    /// A concentrator of that kind that knows [`ACCOUNT`]. `seed` decides every random number it uses.
    pub fn new(model: Model, moods: Moods, seed: u64) -> Self {
        let mut radius = Radius::new();
        radius.add_account(ACCOUNT.0, ACCOUNT.1);
        Self {
            moods,
            radius,
            vlan: None,
            name: format!("bras-{}", model.name),
            throttles: model.rules.iter().copied().map(Throttle::new).collect(),
            model,
            sessions: Vec::new(),
            clients: BTreeMap::new(),
            pending: Vec::new(),
            counters: Counters::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            powered: true,
            next_session_id: 1,
            next_address: 2,
            subscribers: BTreeMap::new(),
            next_subscriber: 1,
        }
    }

    /// What kind it is.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What its DHCPv6 servers did so far.
    pub fn dhcpv6(&self) -> dhcpv6::Counters {
        let mut sum = self.counters.dhcpv6;
        for ipv6 in self.sessions.iter().filter_map(|session| session.ipv6.as_ref()) {
            sum.add(ipv6.dhcp());
        }
        sum
    }

    /// Every session, oldest first.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView> {
        self.sessions.iter().map(|session| SessionView {
            id: session.path.session_id,
            client: session.path.client,
            ac: session.path.ac,
            opened_at: session.opened_at,
            up_since: session.up_since.filter(|_| session.is_up()),
            address: session.address,
            walled: session.walled,
        })
    }

    /// The latest session of `client` whose network layer is up.
    pub fn session_of(&self, client: EthernetAddress) -> Option<SessionView> {
        self.sessions().filter(|session| session.client == client && session.up_since.is_some()).last()
    }

    /// Whether IP packets of this session get through to the Internet.
    pub fn forwards(&self, client: EthernetAddress, session_id: u16) -> bool {
        self.powered
            && self.moods.forwarding
            && self.sessions.iter().any(|session| {
                session.path.client == client
                    && session.path.session_id == session_id
                    && session.is_up()
                    && !session.walled
            })
    }

    /// An IP packet of the Internet's, for the session that has its destination address. What is said to its sender, if it
    /// is too long for the session: over IPv6, and of a tunnel over IPv4 that wants to know (RFC 4213 §3.2.2).
    pub fn deliver(&mut self, now: Instant, packet: &[u8], out: &mut Outbox) -> Option<Vec<u8>> {
        let session = self.sessions.iter().find(|session| session.is_for(now, packet));
        let moods = &self.moods;
        if session.is_some_and(|session| self.powered && session.deliver(packet, moods, out)) {
            return None;
        }
        self.counters.undelivered += 1;
        let mtu = session.map(Session::mtu).filter(|&mtu| packet.len() > mtu)?;
        if packet::is_ipv6(packet) {
            let sender = Ipv6Packet::new_unchecked(packet).src_addr();
            return Some(internet::too_big(internet::HOPS6[0], sender, mtu, packet));
        }
        let header = Ipv4Packet::new_unchecked(packet);
        (header.next_header() == broker::SIT && header.dont_frag()).then(|| {
            let [high, low] = (mtu as u16).to_be_bytes();
            packet::icmp_error(session::GATEWAY, header.src_addr(), 3, 4, [0, 0, high, low], packet)
        })
    }

    /// Until when `client` is locked, if it is.
    pub fn locked_until(&self, now: Instant, client: EthernetAddress) -> Option<Instant> {
        let caller = Caller { mac: client, user: Some(ACCOUNT.0), provoked: false };
        self.throttles.iter().filter_map(|throttle| throttle.locked_until(now, &caller)).max()
    }

    /// The first moment, not before `now`, at which a dial of `client` would succeed, as far as the concentrator can
    /// foresee and if the client ends the sessions it still has; `None` while the concentrator's mood forbids.
    pub fn answers_at(&self, now: Instant, client: EthernetAddress) -> Option<Instant> {
        let willing = self.powered
            && self.moods.padi == Reception::Answer
            && self.moods.padr == Reception::Answer
            && self.moods.forwarding | self.moods.forwarding_mended_by_redial;
        if !willing {
            return None;
        }
        let caller = Caller { mac: client, user: Some(ACCOUNT.0), provoked: false };
        let unlocked =
            self.throttles.iter().map(|throttle| throttle.answers_at(now, &caller)).max().unwrap_or(now);
        Some(self.radius.accepts_at(now, ACCOUNT.0)?.max(unlocked))
    }

    /// The line itself did something to its clients (cut, kick, restart, refused, ...): the next dial of each is not
    /// of its own making.
    pub fn line_failed(&mut self, client: EthernetAddress) {
        self.clients.entry(client.0).or_default().excused = true;
    }

    fn handle_session(&mut self, now: Instant, header: &Header, packet: &Packet, out: &mut Outbox) {
        let found = self.sessions.iter().position(|session| {
            session.path.session_id == packet.session_id
                && session.path.client == header.source
                && session.path.ac == header.destination
        });
        let Some(index) = found else {
            if self.moods.padt_for_unknown {
                let (ac, client) = (header.destination, header.source);
                discovery::send_padt(
                    &Path { ac, client, vlan: self.vlan, session_id: packet.session_id },
                    out,
                );
            }
            return;
        };
        let others: Vec<_> = self
            .sessions
            .iter()
            .enumerate()
            .filter(|&(at, _)| at != index)
            .map(|(_, other)| other.address)
            .collect();
        let surroundings = Surroundings { moods: &self.moods, radius: &self.radius, taken: &others };
        let (fate, happening) =
            self.sessions[index].handle_packet(now, packet.payload, &surroundings, &mut self.rng, out);
        self.counters.foreign_sources += std::mem::take(&mut self.sessions[index].foreign_sources);
        self.counters.malformed += std::mem::take(&mut self.sessions[index].malformed);
        match happening {
            Some(Happening::Proof(proof)) => self.judge(now, index, &proof, out),
            Some(Happening::Up) => self.session_is_up(now, index, out),
            None if self.sessions[index].needs_no_proof() => {
                self.sessions[index].start_network(now, &self.moods, out);
            }
            None => {}
        }
        if fate == Fate::Over {
            self.end(now, index, Some("PPP is over"), out);
        }
    }

    /// A client has proven, or failed to prove, who it is.
    fn judge(&mut self, now: Instant, index: usize, proof: &authenticator::Proof, out: &mut Outbox) {
        self.counters.authentications += 1;
        let session = &self.sessions[index];
        let path = session.path;
        let (mac, provoked) = (path.client, session.provoked);
        let caller = Caller { mac, user: Some(&proof.user), provoked };
        let frozen = self.throttles.iter().any(|throttle| throttle.refuses_authentication(now, &caller));
        if self.model.single_session == SingleSession::Replace && proof.proven {
            self.replace_sessions(now, index, &proof.user, out);
        }
        let Some(index) = self.sessions.iter().position(|session| session.path == path) else { return };
        let denied = self.model.single_session == SingleSession::Deny
            && self.sessions.iter().any(|session| session.user.as_deref() == Some(&proof.user));
        let refusal = match self.radius.access(now, &proof.user, proof.proven) {
            _ if frozen => Some(Refusal::Locked),
            Verdict::Reject(refusal) => Some(refusal),
            Verdict::Accept if denied => Some(Refusal::TooManySessions),
            Verdict::Accept => None,
        };
        if let Some(refusal) = refusal {
            self.counters.authentications_refused += 1;
            out.remark("refuses the credentials", refusal.text());
            self.outcome(now, &caller, Outcome::Rejected, out);
        } else {
            let concurrent = self.radius.sessions(&proof.user) > 0;
            let ticket = self.radius.start(&proof.user);
            let session = &mut self.sessions[index];
            session.user = Some(proof.user.clone());
            session.ticket = Some(ticket);
            if concurrent && self.moods.walled_garden {
                session.walled = true;
                session.address = Ipv4Address::new(12, 0, 0, index as u8 + 2);
            }
        }
        self.sessions[index].verdict(now, proof, refusal, &self.moods, out);
    }

    fn replace_sessions(&mut self, now: Instant, newcomer: usize, user: &str, out: &mut Outbox) {
        let mut index = 0;
        let keep = self.sessions[newcomer].path;
        while index < self.sessions.len() {
            if self.sessions[index].path != keep && self.sessions[index].user.as_deref() == Some(user) {
                self.end(now, index, Some("replaced by a new session of the same user"), out);
            } else {
                index += 1;
            }
        }
    }

    fn session_is_up(&mut self, now: Instant, index: usize, out: &mut Outbox) {
        self.counters.sessions_up += 1;
        if self.moods.forwarding_mended_by_redial {
            self.moods.forwarding = true;
            self.moods.forwarding_mended_by_redial = false;
        }
        let session = &mut self.sessions[index];
        if let Some((least, most)) = self.moods.kick_after {
            let spread = (most.total_micros() - least.total_micros()).max(1);
            session.kick_at = Some(now + least + Duration::from_micros(self.rng.next_u64() % spread));
        }
        out.remark("a session is up", format!("{} for {}", session.address, session.path.client));
        let caller =
            Caller { mac: session.path.client, user: session.user.as_deref(), provoked: session.provoked };
        for throttle in &mut self.throttles {
            throttle.session_opened(&caller);
        }
    }

    /// A session is over; PADT says so unless `reason` is `None` (the client said so itself).
    fn end(&mut self, now: Instant, index: usize, reason: Option<&str>, out: &mut Outbox) {
        let session = self.sessions.remove(index);
        if let Some(reason) = reason {
            out.remark("sends PADT", reason);
            discovery::send_padt(&session.path, out);
        }
        self.account_stop(now, &session, true);
        if !session.refused {
            let outcome = match session.up_since {
                Some(since) => Outcome::Ended { lasted: now - since },
                None => Outcome::Failed,
            };
            let caller = Caller {
                mac: session.path.client,
                user: session.user.as_deref(),
                provoked: session.provoked,
            };
            self.outcome(now, &caller, outcome, out);
        }
    }

    fn account_stop(&mut self, now: Instant, session: &Session, orderly: bool) {
        if let Some(ipv6) = &session.ipv6 {
            self.counters.router_advertisements += ipv6.advertised;
            self.counters.router_solicitations += ipv6.solicited;
            self.counters.dhcpv6.add(ipv6.dhcp());
        }
        match session.ticket {
            Some(ticket) if orderly => self.radius.stop(ticket),
            Some(ticket) => self.radius.lose(now, ticket),
            None => {}
        }
    }

    fn outcome(&mut self, now: Instant, caller: &Caller, outcome: Outcome, out: &mut Outbox) {
        for index in 0..self.throttles.len() {
            let lockout = self.throttles[index].outcome(now, caller, outcome);
            self.note_lockout(lockout, out);
        }
    }

    fn note_lockout(&mut self, lockout: Option<Lockout>, out: &mut Outbox) {
        if let Some(lockout) = lockout {
            let seconds = (lockout.until - lockout.at).secs();
            out.remark(format!("locks the client out for {seconds} s"), lockout.cause.name());
            self.counters.lockouts.push(lockout);
        }
    }
}

impl Node for Concentrator {
    fn handle_frame(&mut self, now: Instant, frame: &[u8], out: &mut Outbox) {
        let Ok((header, payload)) = Header::parse(frame) else { return };
        if !self.powered || header.vlan.map(|tag| tag.id) != self.vlan.map(|tag| tag.id) {
            return;
        }
        let ours =
            header.destination == AC_MAC || (self.moods.second_ac && header.destination == SECOND_AC_MAC);
        let Ok(packet) = Packet::parse(payload) else { return };
        match (header.ether_type, packet.code) {
            (ethernet::PPPOE_SESSION, Code::Session) if ours => {
                self.counters.frames += 1;
                self.handle_session(now, &header, &packet, out);
            }
            (ethernet::PPPOE_DISCOVERY, Code::Padi) if header.destination.is_broadcast() => {
                self.handle_padi(now, header.source, &packet, out);
            }
            (ethernet::PPPOE_DISCOVERY, Code::Padr) if ours => self.handle_padr(now, &header, &packet, out),
            (ethernet::PPPOE_DISCOVERY, Code::Padt) if ours => {
                self.handle_padt(now, header.source, packet.session_id, out);
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        let mut index = 0;
        while index < self.pending.len() {
            if now >= self.pending[index].0 {
                let (_, frame) = self.pending.remove(index);
                out.send(&frame);
            } else {
                index += 1;
            }
        }
        let mut index = 0;
        while index < self.sessions.len() {
            if self.sessions[index].handle_timeout(now, &self.moods, &mut self.rng, out) == Fate::Over {
                self.end(now, index, Some("the client is gone or gave no good answer"), out);
            } else {
                index += 1;
            }
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        let sessions = self.sessions.iter().filter_map(|session| session.poll_at(&self.moods));
        self.pending.iter().map(|&(at, _)| at).chain(sessions).min()
    }
}

/// An error tag with the text that goes with it in the field.
pub fn error_tag(kind: TagKind) -> Reception {
    let text = match kind {
        TagKind::ServiceNameError => "no such service",
        TagKind::AcSystemError => "no resources",
        _ => "access denied",
    };
    Reception::Error(kind, text.to_owned())
}
