//! Other people's clients, modelled from what is known of their timers: discovery written out here, PPP by our own
//! [`Link`] with their Restart timer. And the oracle, which dials when the line answers and never else.
//!
//! ```text
//!  off ──power──► waiting ──► PADI ──PADO──► PADR ──PADS──► session ──► up
//!                    ▲         │ no PADO      │ no PADS       │ refused, lost, ended
//!                    └─redial──┴──────────────┴───────────────┴──► stopped, if refusal stops it for good
//! ```

use chacha20::ChaCha8Rng;
use gatelet_proto::ppp::{Credentials, Echo, Link, LinkConfig, LinkEvent, Timers};
use gatelet_proto::redial::Boot;
use gatelet_wire::ethernet::{self, Header};
use gatelet_wire::pppoe::{self, Code, Packet, TagKind, TagSet, Writer};
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use super::data::Client;
use super::subscriber::{MAC, Subscriber};
use crate::peers::concentrator::ACCOUNT;
use crate::world::Outbox;

/// Between the oracle's own repetitions of a message that was lost: it still may not send two PADIs within a second.
const ORACLE_REPEATS: [Duration; 3] =
    [Duration::from_millis(1200), Duration::from_millis(2400), Duration::from_millis(4800)];

/// A simple client.
pub(super) struct SimpleClient {
    timers: Client,
    oracle: bool,
    state: State,
    link: Link,
    rng: ChaCha8Rng,
    carrier: bool,
    traffic: bool,
    host_uniq: [u8; 4],
    /// The oracle clears what power loss or a crash left behind.
    last_session: Option<(EthernetAddress, u16)>,
}

enum State {
    Off,
    /// Dials at this time; `None`: only something from outside makes it dial.
    Waiting(Option<Instant>),
    Offering {
        attempt: usize,
        next: Instant,
    },
    Requesting {
        ac: EthernetAddress,
        cookie: Vec<u8>,
        attempt: usize,
        next: Instant,
    },
    Session {
        ac: EthernetAddress,
        id: u16,
        since: Instant,
        up: bool,
    },
}

impl SimpleClient {
    /// A client with these timers.
    pub(super) fn new(timers: &Client, seed: u64) -> Self {
        let config = link_config(timers);
        Self {
            timers: timers.clone(),
            oracle: false,
            state: State::Off,
            link: Link::new(config),
            rng: ChaCha8Rng::seed_from_u64(seed),
            carrier: false,
            traffic: false,
            host_uniq: [0; 4],
            last_session: None,
        }
    }

    /// The client that knows.
    pub(super) fn oracle(seed: u64) -> Self {
        let timers = Client {
            title: "the oracle: knows when the line answers".to_owned(),
            padi_waits: ORACLE_REPEATS.to_vec(),
            padr_waits: ORACLE_REPEATS.to_vec(),
            redial: Duration::ZERO,
            lcp_restart: ORACLE_REPEATS[0],
            lcp_tries: 10,
            echo_interval: None,
            echo_failures: 0,
            echo_adaptive: false,
            stops_on_refusal: false,
            heeds_padt: true,
            hears_carrier: true,
            source: String::new(),
        };
        Self { oracle: true, ..Self::new(&timers, seed) }
    }

    fn discover(&mut self, now: Instant, out: &mut Outbox) {
        if !self.carrier && self.timers.hears_carrier {
            self.state = State::Waiting(None);
            return;
        }
        self.rng.fill_bytes(&mut self.host_uniq);
        self.state = State::Offering { attempt: 0, next: now };
        self.repeat(now, out);
    }

    /// Sends the PADI or PADR that is due, or gives up.
    fn repeat(&mut self, now: Instant, out: &mut Outbox) {
        let host_uniq = self.host_uniq;
        match &mut self.state {
            State::Offering { attempt, next } if now >= *next => {
                let Some(&wait) = self.timers.padi_waits.get(*attempt) else { return self.redial_later(now) };
                *attempt += 1;
                *next = now + wait;
                discovery(out, EthernetAddress::BROADCAST, |buffer| {
                    Writer::new(buffer, Code::Padi, 0)
                        .push(TagKind::ServiceName, &[])
                        .push(TagKind::HostUniq, &host_uniq)
                        .finish()
                        .unwrap_or(0)
                });
            }
            State::Requesting { ac, cookie, attempt, next } if now >= *next => {
                let Some(&wait) = self.timers.padr_waits.get(*attempt) else { return self.redial_later(now) };
                *attempt += 1;
                *next = now + wait;
                discovery(out, *ac, |buffer| {
                    Writer::new(buffer, Code::Padr, 0)
                        .push(TagKind::ServiceName, &[])
                        .push(TagKind::HostUniq, &host_uniq)
                        .push(TagKind::AcCookie, cookie)
                        .finish()
                        .unwrap_or(0)
                });
            }
            _ => {}
        }
    }

    fn redial_later(&mut self, now: Instant) {
        self.state = State::Waiting((!self.oracle).then_some(now + self.timers.redial));
    }

    fn handle_discovery(&mut self, now: Instant, source: EthernetAddress, packet: &Packet, out: &mut Outbox) {
        let Ok(tags) = TagSet::parse(packet) else { return };
        let ours = tags.host_uniq == Some(&self.host_uniq);
        match (&self.state, packet.code) {
            (State::Offering { .. }, Code::Pado) if ours && tags.error.is_none() => {
                let cookie = tags.ac_cookie.unwrap_or_default().to_vec();
                self.state = State::Requesting { ac: source, cookie, attempt: 0, next: now };
                self.repeat(now, out);
            }
            (State::Requesting { ac, .. }, Code::Pads) if ours && *ac == source => {
                if tags.error.is_some() || packet.session_id == 0 {
                    return self.redial_later(now);
                }
                self.state = State::Session { ac: source, id: packet.session_id, since: now, up: false };
                self.last_session = Some((source, packet.session_id));
                self.link = Link::new(link_config(&self.timers));
                self.link.open(now, &mut self.rng);
                self.drain(now, out);
            }
            (State::Session { ac, id, .. }, Code::Padt)
                if self.timers.heeds_padt && *ac == source && *id == packet.session_id =>
            {
                self.link.lower_down(now);
                self.redial_later(now);
            }
            _ => {}
        }
    }

    /// Sends what PPP wants to send, then looks at what became of the session.
    fn drain(&mut self, now: Instant, out: &mut Outbox) {
        let State::Session { ac, id, .. } = self.state else { return };
        let mut buffer = [0; 1502];
        while let Some(len) = self.link.poll_transmit(now, &mut buffer) {
            out.send_with(len + 64, |frame| {
                let header =
                    Header { destination: ac, source: MAC, vlan: None, ether_type: ethernet::PPPOE_SESSION };
                let start = header.emit(frame).unwrap_or(0);
                let packet = Packet { code: Code::Session, session_id: id, payload: &buffer[..len] };
                start + packet.emit(&mut frame[start..]).unwrap_or(0)
            });
        }
        let mut over = false;
        let mut refused = false;
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Ipv4Up { .. } | LinkEvent::Ipv6Up { .. } => {
                    if let State::Session { up, .. } = &mut self.state {
                        *up = true;
                    }
                }
                LinkEvent::AuthRefused { .. } => refused = true,
                LinkEvent::Failed(_) | LinkEvent::TerminatedByPeer { .. } | LinkEvent::Closed => over = true,
                _ => {}
            }
        }
        if over || refused {
            discovery(out, ac, |buffer| Writer::new(buffer, Code::Padt, id).finish().unwrap_or(0));
            self.link.lower_down(now);
            self.redial_later(now);
            if refused && self.timers.stops_on_refusal {
                self.state = State::Waiting(None);
            }
        }
    }
}

impl Subscriber for SimpleClient {
    fn power_on(&mut self, now: Instant, _boot: Boot, carrier: bool, out: &mut Outbox) {
        self.carrier = carrier;
        if self.oracle {
            self.state = State::Waiting(None);
        } else {
            self.discover(now, out);
        }
    }

    fn power_off(&mut self, now: Instant, _boot: Boot) {
        self.link.lower_down(now);
        self.state = State::Off;
    }

    fn set_carrier(&mut self, now: Instant, carrier: bool, out: &mut Outbox) {
        self.carrier = carrier;
        if !self.timers.hears_carrier || matches!(self.state, State::Off) {
            return;
        }
        if carrier {
            if matches!(self.state, State::Waiting(None)) && !self.oracle {
                self.discover(now, out);
            }
        } else {
            self.link.lower_down(now);
            self.state = State::Waiting(None);
        }
    }

    fn handle_frame(&mut self, now: Instant, frame: &[u8], out: &mut Outbox) {
        let Ok((header, payload)) = Header::parse(frame) else { return };
        let Ok(packet) = Packet::parse(payload) else { return };
        if header.destination != MAC {
            return;
        }
        match (header.ether_type, &self.state) {
            (ethernet::PPPOE_DISCOVERY, _) => self.handle_discovery(now, header.source, &packet, out),
            (ethernet::PPPOE_SESSION, State::Session { ac, id, .. })
                if *ac == header.source && *id == packet.session_id =>
            {
                let _ = self.link.handle_packet(now, &mut self.rng, packet.payload);
                self.drain(now, out);
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        match self.state {
            State::Waiting(Some(at)) if now >= at => self.discover(now, out),
            State::Offering { .. } | State::Requesting { .. } => self.repeat(now, out),
            State::Session { .. } => {
                if self.timers.echo_adaptive && self.traffic {
                    self.link.note_traffic(now); // some packet of the household came in within the last second
                }
                self.link.handle_timeout(now);
                self.drain(now, out);
            }
            _ => {}
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Off => None,
            State::Waiting(at) => at,
            State::Offering { next, .. } | State::Requesting { next, .. } => Some(next),
            State::Session { .. } => self.link.poll_at(),
        }
    }

    fn session_id(&self) -> Option<u16> {
        match self.state {
            State::Session { id, up: true, .. } => Some(id),
            _ => None,
        }
    }

    fn note_traffic(&mut self, _now: Instant, flows: bool) {
        self.traffic = flows;
    }

    fn line_answers(&mut self, now: Instant, out: &mut Outbox) {
        /// A dial that is still under way after this long has failed.
        const PATIENCE: Duration = Duration::from_secs(10);
        if !self.oracle || !self.carrier {
            return;
        }
        match self.state {
            State::Off | State::Offering { .. } | State::Requesting { .. } => return,
            State::Session { since, up: false, .. } if now < since + PATIENCE => return,
            State::Session { .. } | State::Waiting(_) => {}
        }
        if let Some((ac, id)) = self.last_session.take() {
            discovery(out, ac, |buffer| Writer::new(buffer, Code::Padt, id).finish().unwrap_or(0));
        }
        self.link.lower_down(now);
        self.discover(now, out);
    }
}

/// When a client sends its PADIs on a line that never answers, within `length` of its start: to be held against a
/// capture of the real one.
pub(super) fn padi_times(timers: &Client, length: Duration) -> Vec<Duration> {
    let mut client = SimpleClient::new(timers, 1);
    let mut out = Outbox::new();
    let mut sent = Vec::new();
    let mut now = Instant::ZERO;
    client.power_on(now, Boot::Cold, true, &mut out);
    loop {
        sent.extend(out.frames().map(|_| now - Instant::ZERO));
        out.clear();
        match client.poll_at() {
            Some(at) if at <= Instant::ZERO + length => now = at,
            _ => return sent,
        }
        client.handle_timeout(now, &mut out);
    }
}

fn link_config(timers: &Client) -> LinkConfig {
    let credentials = Credentials::new(ACCOUNT.0, ACCOUNT.1).unwrap_or_default();
    let mut config = LinkConfig::new(credentials);
    config.timers = Timers {
        restart_min: timers.lcp_restart,
        restart_max: timers.lcp_restart,
        restart_ceiling: timers.lcp_restart,
        max_configure: timers.lcp_tries,
        ..Timers::default()
    };
    config.echo = match timers.echo_interval {
        None => Echo::Off,
        Some(interval) if timers.echo_adaptive => {
            Echo::Adaptive { interval, max_missed: timers.echo_failures }
        }
        Some(interval) => Echo::On { interval, max_missed: timers.echo_failures },
    };
    config
}

fn discovery(out: &mut Outbox, destination: EthernetAddress, write: impl FnOnce(&mut [u8]) -> usize) {
    out.send_with(ethernet::HEADER_LEN + pppoe::MAX_PADI_LEN, |frame| {
        let header = Header { destination, source: MAC, vlan: None, ether_type: ethernet::PPPOE_DISCOVERY };
        let start = header.emit(frame).unwrap_or(0);
        start + write(&mut frame[start..])
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::year::data::Data;

    fn seconds(policy: &str, length: u64) -> Vec<u64> {
        let data = Data::load();
        let times = padi_times(&data.policy[policy], Duration::from_secs(length));
        times.iter().map(Duration::secs).collect()
    }

    #[test]
    fn pppd_doubles_its_waits_and_holds_off_thirty_seconds() {
        assert_eq!(seconds("pppd", 80), [0, 5, 15, 65, 70, 80]);
    }

    #[test]
    fn openwrt_sends_eleven_padis_a_minute() {
        assert_eq!(seconds("openwrt", 59).len(), 12);
        assert_eq!(seconds("openwrt", 20), [0, 5, 10, 16]);
    }
}
