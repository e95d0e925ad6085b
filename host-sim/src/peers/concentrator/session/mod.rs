//! One PPP session as the server runs it: LCP, authentication, IPCP and IPV6CP, keepalive and data.
//!
//! ```text
//!  PADS ─► LCP ─► authentication ─► IPCP, IPV6CP ─► up ─► over
//!           └──────────┴─ gave up, refused ───────────────┘   then Terminate-Request and PADT
//! ```
//!
//! Reading list: RFC 1661 §3, RFC 1332, RFC 1877, RFC 5072.

mod ipv6;
mod options;

use gatelet_proto::ppp::automaton::Actions;
use gatelet_wire::ppp::{self, Code, Control, Protocol, ipcp, ipv6cp, lcp};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Packet, Ipv6Packet};

pub use self::ipv6::Ipv6Access;
pub(in crate::peers) use self::ipv6::{Made, Routes};

use self::options::options;
use super::authenticator::{Authenticator, Proof};
use super::layer::Layer;
use super::moods::{Authentication, Moods, Startup};
use super::path::Path;
use crate::peers::internet;
use crate::peers::packet;
use crate::peers::radius::{Radius, Refusal, Ticket};
use crate::world::Outbox;

/// The concentrator's own address on every session.
pub(super) const GATEWAY: Ipv4Address = Ipv4Address::new(100, 64, 0, 1);
/// After Terminate-Request, PADT follows this much later if no Terminate-Ack comes.
const LINGER: Duration = Duration::from_secs(1);

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    /// It is over: PADT is due.
    Over,
}

/// Something the concentrator must decide or note for a session.
#[derive(Debug)]
pub(super) enum Happening {
    /// The client tried to prove itself: call [`Session::verdict`].
    Proof(Proof),
    /// The first network protocol came up.
    Up,
}

/// What a session needs to know of the concentrator it lives in.
pub(super) struct Surroundings<'a> {
    pub(super) moods: &'a Moods,
    pub(super) radius: &'a Radius,
    /// Addresses of the other sessions.
    pub(super) taken: &'a [Ipv4Address],
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) path: Path,
    /// Whether the line provoked the dial that led here.
    pub(super) provoked: bool,
    pub(super) host_uniq: Vec<u8>,
    pub(super) opened_at: Instant,
    pub(super) up_since: Option<Instant>,
    pub(super) kick_at: Option<Instant>,
    pub(super) user: Option<String>,
    pub(super) ticket: Option<Ticket>,
    pub(super) address: Ipv4Address,
    pub(super) walled: bool,
    pub(super) refused: bool,
    /// Packets whose source was not the client's address, since the concentrator last looked.
    pub(super) foreign_sources: u64,
    /// IPv6 packets that were not in order, since then.
    pub(super) malformed: u64,
    /// What it is given over IPv6, if anything.
    pub(super) ipv6: Option<Routes>,
    interface_identifier: [u8; 8],
    magic_number: u32,
    mru: u16,
    starts_at: Option<Instant>,
    lcp: Layer,
    authenticator: Authenticator,
    ipcp: Layer,
    ipv6cp: Layer,
    last_heard: Instant,
    unanswered: u32,
    echo_identifier: u8,
    gone_at: Option<Instant>,
}

impl Session {
    pub(super) fn new(
        now: Instant,
        path: Path,
        moods: &Moods,
        mru: u16,
        address: Ipv4Address,
        rng: &mut dyn Rng,
    ) -> Self {
        let mut interface_identifier = [0; 8];
        rng.fill_bytes(&mut interface_identifier);
        Self {
            path,
            provoked: false,
            host_uniq: Vec::new(),
            opened_at: now,
            up_since: None,
            kick_at: None,
            user: None,
            ticket: None,
            address,
            walled: false,
            refused: false,
            foreign_sources: 0,
            malformed: 0,
            ipv6: None,
            interface_identifier,
            magic_number: rng.next_u32(),
            mru,
            starts_at: match moods.startup {
                Startup::After(delay) => Some(now + delay),
                _ => None,
            },
            lcp: Layer::new(Protocol::Lcp),
            authenticator: Authenticator::new(moods.authentication),
            ipcp: Layer::new(Protocol::Ipcp),
            ipv6cp: Layer::new(Protocol::Ipv6cp),
            last_heard: now,
            unanswered: 0,
            echo_identifier: 0,
            gone_at: None,
        }
    }

    /// LCP begins, unless the mood is to begin later.
    pub(super) fn start(&mut self, now: Instant, moods: &Moods, out: &mut Outbox) {
        if self.starts_at.is_some() {
            return;
        }
        self.lcp.request = self.lcp_request();
        if moods.startup == Startup::Passive {
            self.lcp.start_passively();
        } else {
            self.lcp.start(now, &self.path, out);
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.ipcp.is_open() || self.ipv6cp.is_open()
    }

    pub(super) fn poll_at(&self, moods: &Moods) -> Option<Instant> {
        let keepalive = moods
            .keepalive
            .filter(|_| self.lcp.is_open())
            .map(|keepalive| self.last_heard + keepalive.interval * (self.unanswered + 1));
        [
            self.starts_at,
            self.gone_at,
            self.kick_at,
            keepalive,
            self.lcp.poll_at(),
            self.authenticator.poll_at(),
            self.ipcp.poll_at(),
            self.ipv6cp.poll_at(),
            self.ipv6.as_ref().and_then(Routes::poll_at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        moods: &Moods,
        rng: &mut dyn Rng,
        out: &mut Outbox,
    ) -> Fate {
        if self.gone_at.is_some_and(|at| now >= at) {
            return Fate::Over;
        }
        if self.starts_at.is_some_and(|at| now >= at) {
            self.starts_at = None;
            self.start(now, moods, out);
        }
        if self.kick_at.is_some_and(|at| now >= at) {
            self.terminate(now, out);
        }
        if !self.authenticator.handle_timeout(now, &self.path, out) {
            self.terminate(now, out);
        }
        let actions = self.lcp.handle_timeout(now, &self.path, out);
        if self.after_lcp(now, actions, rng, out) == Fate::Over {
            return Fate::Over;
        }
        self.ipcp.handle_timeout(now, &self.path, out);
        self.ipv6cp.handle_timeout(now, &self.path, out);
        let router = internet::link_local(self.interface_identifier);
        let advertisement = self.ipv6.as_mut().and_then(|ipv6| ipv6.advertisement(now, router, self.mru));
        if let Some(advertisement) = advertisement {
            self.send(Protocol::Ipv6, &advertisement, out);
        }
        match moods.keepalive {
            Some(keepalive) if self.lcp.is_open() => {
                if now >= self.last_heard + keepalive.interval * (self.unanswered + 1) {
                    if self.unanswered >= keepalive.failures {
                        return Fate::Over;
                    }
                    self.unanswered += 1;
                    self.echo_request(out);
                }
                Fate::Lives
            }
            _ => Fate::Lives,
        }
    }

    /// A PPP packet from the client, protocol field first.
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        packet: &[u8],
        surroundings: &Surroundings<'_>,
        rng: &mut dyn Rng,
        out: &mut Outbox,
    ) -> (Fate, Option<Happening>) {
        let Surroundings { moods, radius, .. } = *surroundings;
        self.last_heard = now;
        self.unanswered = 0;
        let Ok((protocol, rest)) = ppp::parse(packet) else { return (Fate::Lives, None) };
        if self.starts_at.is_some() {
            return (Fate::Lives, None); // nobody listens yet
        }
        match protocol {
            Protocol::Lcp => (self.handle_lcp(now, rest, moods, rng, out), None),
            Protocol::Pap if self.lcp.is_open() => {
                let proof = self.authenticator.handle_pap(rest, radius, &self.path, out);
                (Fate::Lives, proof.map(Happening::Proof))
            }
            Protocol::Chap if self.lcp.is_open() => {
                let proof = self.authenticator.handle_chap(rest, radius, &self.path, out);
                (Fate::Lives, proof.map(Happening::Proof))
            }
            Protocol::Ipcp if self.network_phase() => {
                (Fate::Lives, self.handle_ipcp(now, rest, surroundings, out))
            }
            Protocol::Ipv6cp if self.network_phase() && moods.ipv6 => {
                (Fate::Lives, self.handle_ipv6cp(now, rest, moods, out))
            }
            Protocol::Ipcp | Protocol::Ipv6cp if !self.network_phase() => (Fate::Lives, None),
            Protocol::Ipv4 | Protocol::Ipv6 => {
                if protocol == Protocol::Ipv6 && moods.passes_on && self.ipv6.is_some() {
                    self.forward_ipv6(now, rest, moods, out);
                } else {
                    self.forward(protocol, rest, moods, out);
                }
                (Fate::Lives, None)
            }
            _ => {
                self.protocol_reject(packet, out);
                (Fate::Lives, None)
            }
        }
    }

    /// The verdict on a proof.
    pub(super) fn verdict(
        &mut self,
        now: Instant,
        proof: &Proof,
        refusal: Option<Refusal>,
        moods: &Moods,
        out: &mut Outbox,
    ) {
        match refusal {
            None => {
                self.authenticator.accept(proof, &moods.welcome, &self.path, out);
                self.start_network(now, moods, out);
            }
            Some(refusal) => {
                self.refused = true;
                self.authenticator.refuse(proof, refusal, &self.path, out);
                self.terminate(now, out);
            }
        }
    }

    /// Ends the session in order: Terminate-Request, then PADT.
    pub(super) fn terminate(&mut self, now: Instant, out: &mut Outbox) {
        self.kick_at = None;
        self.authenticator.stop();
        self.lcp.close(now, &self.path, out);
        self.gone_at = Some(now + LINGER);
    }

    /// Lets IPCP and IPV6CP begin.
    pub(super) fn start_network(&mut self, now: Instant, moods: &Moods, out: &mut Outbox) {
        let mut buffer = [0; 64];
        let gateway = ipcp::ConfigOption::IpAddress(GATEWAY);
        self.ipcp.request = options(&mut buffer, |writer| gateway.write(writer)).to_vec();
        self.ipcp.start(now, &self.path, out);
        if moods.ipv6 {
            let identifier = self.interface_identifier;
            self.ipv6cp.request = options(&mut buffer, |writer| {
                ipv6cp::ConfigOption::InterfaceIdentifier(identifier).write(writer);
            })
            .to_vec();
            self.ipv6cp.start(now, &self.path, out);
        }
    }

    fn network_phase(&self) -> bool {
        self.lcp.is_open() && (self.user.is_some() || self.authenticator.method == Authentication::None)
    }

    fn handle_lcp(
        &mut self,
        now: Instant,
        bytes: &[u8],
        moods: &Moods,
        rng: &mut dyn Rng,
        out: &mut Outbox,
    ) -> Fate {
        let Ok(control) = Control::parse(bytes) else { return Fate::Lives };
        let mut answer = None;
        match control.code {
            Code::EchoRequest => {
                if self.lcp.is_open() && moods.echo {
                    self.echo_reply(&control, moods, out);
                }
                return Fate::Lives;
            }
            Code::EchoReply | Code::DiscardRequest | Code::Identification | Code::TimeRemaining => {
                return Fate::Lives;
            }
            Code::ProtocolReject => {
                self.protocol_rejected(now, control.data, out);
                return Fate::Lives;
            }
            Code::ConfigureRequest => answer = Some(self.judge_lcp(&control, moods)),
            Code::ConfigureNak if self.lcp.awaits(control.identifier) => self.lcp_nak(&control, rng),
            Code::ConfigureReject if self.lcp.awaits(control.identifier) => {
                self.lcp.drop_options(control.options().flatten());
            }
            _ => {}
        }
        let actions = self.lcp.handle(now, &control, answer, &self.path, out);
        self.after_lcp(now, actions, rng, out)
    }

    fn after_lcp(&mut self, now: Instant, actions: Actions, rng: &mut dyn Rng, out: &mut Outbox) -> Fate {
        if actions.contains(Actions::TLD) {
            self.authenticator.stop();
            self.ipcp.down(now, &self.path, out);
            self.ipv6cp.down(now, &self.path, out);
            self.ipv6.iter_mut().for_each(Routes::close);
            if self.gone_at.is_none() && self.lcp.state.runs_timer() && actions.contains(Actions::STA) {
                self.gone_at = Some(now + LINGER); // the client said goodbye
            }
        }
        if actions.contains(Actions::TLU) {
            if self.authenticator.method == Authentication::None {
                self.authenticator.stop();
            } else {
                self.authenticator.start(now, rng, &self.path, out);
            }
        }
        if actions.contains(Actions::TLF) { Fate::Over } else { Fate::Lives }
    }

    /// Whether LCP just came up without anybody asking for a proof.
    pub(super) fn needs_no_proof(&self) -> bool {
        self.lcp.is_open()
            && self.authenticator.method == Authentication::None
            && self.ipcp.request.is_empty()
    }

    fn handle_ipcp(
        &mut self,
        now: Instant,
        bytes: &[u8],
        surroundings: &Surroundings<'_>,
        out: &mut Outbox,
    ) -> Option<Happening> {
        let control = Control::parse(bytes).ok()?;
        let answer = match control.code {
            Code::ConfigureRequest => Some(self.judge_ipcp(&control, surroundings)),
            Code::ConfigureReject if self.ipcp.awaits(control.identifier) => {
                self.ipcp.drop_options(control.options().flatten());
                None
            }
            _ => None,
        };
        let actions = self.ipcp.handle(now, &control, answer, &self.path, out);
        self.after_network(now, actions)
    }

    fn handle_ipv6cp(
        &mut self,
        now: Instant,
        bytes: &[u8],
        moods: &Moods,
        out: &mut Outbox,
    ) -> Option<Happening> {
        let control = Control::parse(bytes).ok()?;
        let answer = (control.code == Code::ConfigureRequest).then(|| self.judge_ipv6cp(&control, moods));
        let actions = self.ipv6cp.handle(now, &control, answer, &self.path, out);
        if let Some(ipv6) = &mut self.ipv6 {
            if actions.contains(Actions::TLU) {
                ipv6.open(now);
            } else if actions.contains(Actions::TLD) {
                ipv6.close();
            }
        }
        self.after_network(now, actions)
    }

    fn after_network(&mut self, now: Instant, actions: Actions) -> Option<Happening> {
        if actions.contains(Actions::TLU) && self.up_since.is_none() {
            self.up_since = Some(now);
            return Some(Happening::Up);
        }
        None
    }

    fn forward(&mut self, protocol: Protocol, packet: &[u8], moods: &Moods, out: &mut Outbox) {
        let fits = |len: usize| moods.mtu_hole.is_none_or(|hole| len <= hole);
        if !moods.forwarding || self.walled || !fits(packet.len()) {
            return;
        }
        if protocol == Protocol::Ipv4 && moods.passes_on {
            if self.ipcp.is_open() && self.is_source(packet) {
                out.pass_on(packet);
            } else {
                self.foreign_sources += 1;
            }
            return;
        }
        let reply = match protocol {
            Protocol::Ipv4 if self.ipcp.is_open() => internet::answer_ipv4(packet, self.address),
            Protocol::Ipv6 if self.ipv6cp.is_open() => {
                internet::answer_ipv6(packet, self.interface_identifier)
            }
            _ => None,
        };
        if let Some(reply) = reply.filter(|reply| fits(reply.len())) {
            self.send(protocol, &reply, out);
        }
    }

    /// [`Session::forward`] for IPv6 where it is more than a link: to the Internet, or to the concentrator itself.
    fn forward_ipv6(&mut self, now: Instant, packet: &[u8], moods: &Moods, out: &mut Outbox) {
        let fits = |len: usize| moods.mtu_hole.is_none_or(|hole| len <= hole);
        let passes = moods.forwarding && !self.walled && fits(packet.len()) && self.ipv6cp.is_open();
        let Some(ipv6) = self.ipv6.as_mut().filter(|_| passes) else { return };
        if !packet::is_ipv6(packet) || packet::inspect(packet).is_err() {
            self.malformed += 1;
            return;
        }
        let router = internet::link_local(self.interface_identifier);
        match ipv6.handle(now, moods.dhcpv6, router, self.mru, packet) {
            Made::Forward => out.pass_on(packet),
            Made::Foreign => self.foreign_sources += 1,
            Made::Stale => {}
            Made::Answer(replies, delegated) => {
                for prefix in delegated {
                    out.remark(format!("delegates {prefix}"), format!("to {}", self.path.client));
                }
                for reply in replies.iter().filter(|reply| fits(reply.len())) {
                    self.send(Protocol::Ipv6, reply, out);
                }
            }
        }
    }

    /// Whether an IP packet of the Internet's is for this session's client.
    pub(super) fn is_for(&self, now: Instant, packet: &[u8]) -> bool {
        if packet::is_ipv6(packet) {
            let to = Ipv6Packet::new_unchecked(packet).dst_addr();
            return self.ipv6cp.is_open() && self.ipv6.as_ref().is_some_and(|ipv6| ipv6.has(now, to));
        }
        let to = Ipv4Packet::new_checked(packet).map(|packet| packet.dst_addr());
        self.ipcp.is_open() && Ok(self.address) == to
    }

    /// How long packets to it may be.
    pub(super) fn mtu(&self) -> usize {
        usize::from(self.mru)
    }

    /// An IP packet of the Internet's for this session's client. False if it does not get there.
    pub(super) fn deliver(&self, packet: &[u8], moods: &Moods, out: &mut Outbox) -> bool {
        let hole = moods.mtu_hole.unwrap_or(usize::MAX);
        let passes = moods.forwarding && !self.walled;
        let fits = packet.len() <= hole.min(self.mtu());
        if passes && fits {
            let is_ipv6 = packet::is_ipv6(packet);
            self.send(if is_ipv6 { Protocol::Ipv6 } else { Protocol::Ipv4 }, packet, out);
        }
        passes && fits
    }

    fn send(&self, protocol: Protocol, packet: &[u8], out: &mut Outbox) {
        self.path.ppp(out, packet.len() + 2, |buffer| {
            buffer[..2].copy_from_slice(&u16::from(protocol).to_be_bytes());
            buffer[2..2 + packet.len()].copy_from_slice(packet);
            2 + packet.len()
        });
    }

    /// Reverse path check.
    fn is_source(&self, packet: &[u8]) -> bool {
        let source = Ipv4Packet::new_checked(packet).map(|packet| packet.src_addr());
        source == Ok(self.address)
    }

    fn echo_reply(&self, request: &Control, moods: &Moods, out: &mut Outbox) {
        let fits = moods.mtu_hole.is_none_or(|hole| request.data.len() + ppp::CONTROL_HEADER_LEN <= hole);
        let Ok(echo) = lcp::Echo::parse(request.data) else { return };
        if fits {
            let reply = lcp::Echo { magic_number: self.magic_number, data: echo.data };
            self.path.ppp(out, request.data.len() + 6, |buffer| {
                reply.emit(buffer, Code::EchoReply, request.identifier).unwrap_or(0)
            });
        }
    }

    fn echo_request(&mut self, out: &mut Outbox) {
        self.echo_identifier = self.echo_identifier.wrapping_add(1);
        let identifier = self.echo_identifier;
        let echo = lcp::Echo { magic_number: self.magic_number, data: &[] };
        self.path.ppp(out, 16, |buffer| echo.emit(buffer, Code::EchoRequest, identifier).unwrap_or(0));
    }

    fn protocol_reject(&mut self, packet: &[u8], out: &mut Outbox) {
        if !self.lcp.is_open() {
            return; // RFC 1661 §5.7
        }
        self.echo_identifier = self.echo_identifier.wrapping_add(1);
        let identifier = self.echo_identifier;
        self.path.control(out, Protocol::Lcp, Code::ProtocolReject, identifier, packet);
    }

    fn protocol_rejected(&mut self, now: Instant, data: &[u8], out: &mut Outbox) {
        let layer = match lcp::ProtocolReject::parse(data).map(|reject| reject.protocol) {
            Ok(Protocol::Ipcp) => &mut self.ipcp,
            Ok(Protocol::Ipv6cp) => &mut self.ipv6cp,
            _ => return,
        };
        layer.down(now, &self.path, out);
    }
}
