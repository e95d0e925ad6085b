//! A concentrator's side of PPP, well-behaved, on the same automaton as [`Link`]. Its Restart timer
//! is pppd's: 3 s, ten times.
//!
//! [`Link`]: gatelet_proto::ppp::Link

use gatelet_proto::ppp::auth::{AuthMethod, chap as md5, mschapv2 as hash};
use gatelet_proto::ppp::automaton::{Actions, Event, State, transition};
use gatelet_wire::ppp::{self, Code, Control, Protocol, RawOption, Writer, chap, ipcp, lcp, mschapv2, pap};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

pub(crate) const USERNAME: &str = "user@isp";
pub(crate) const PASSWORD: &str = "secret";
pub(crate) const SERVER_ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
pub(crate) const CLIENT_ADDRESS: Ipv4Address = Ipv4Address::new(100, 64, 0, 7);
pub(crate) const DNS: [Ipv4Address; 2] = [Ipv4Address::new(10, 0, 0, 53), Ipv4Address::new(10, 0, 0, 54)];

const CHALLENGE: [u8; 16] = *b"sixteen octets !";
const RESTART: Duration = Duration::from_secs(3);
const MAX_CONFIGURE: u8 = 10;

/// How the server behaves.
pub(crate) struct Plan {
    /// From PADS until it listens and sends its first Configure-Request.
    pub(crate) starts_after: Duration,
    /// What it demands; after a Configure-Nak what was suggested, if it is in here.
    pub(crate) auth: Vec<AuthMethod>,
    pub(crate) ipv6: bool,
    pub(crate) mru: u16,
    /// The client's address.
    pub(crate) address: Ipv4Address,
    /// What it says when it refuses, instead of accepting, everybody.
    pub(crate) refuses_with: Option<&'static str>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            starts_after: Duration::ZERO,
            auth: vec![AuthMethod::Pap],
            ipv6: true,
            mru: 1492,
            address: CLIENT_ADDRESS,
            refuses_with: None,
        }
    }
}

pub(crate) struct Server {
    plan: Plan,
    starts_at: Option<Instant>,
    lcp: Layer,
    ipcp: Layer,
    ipv6cp: Layer,
    /// Index into `plan.auth` of what is demanded.
    demand: usize,
    authenticated: bool,
    challenge_identifier: u8,
    challenge_timer: Option<Instant>,
    pub(crate) out: Vec<Vec<u8>>,
}

struct Layer {
    state: State,
    identifier: u8,
    timer: Option<Instant>,
    count: u8,
}

impl Layer {
    fn new() -> Self {
        Self { state: State::Initial, identifier: 0, timer: None, count: 0 }
    }
}

impl Server {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            starts_at: None,
            lcp: Layer::new(),
            ipcp: Layer::new(),
            ipv6cp: Layer::new(),
            demand: 0,
            authenticated: false,
            challenge_identifier: 0,
            challenge_timer: None,
            out: Vec::new(),
        }
    }

    /// PADS left.
    pub(crate) fn open(&mut self, now: Instant) {
        self.starts_at = Some(now + self.plan.starts_after);
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let timers =
            [self.starts_at, self.lcp.timer, self.ipcp.timer, self.ipv6cp.timer, self.challenge_timer];
        timers.into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.starts_at.take_if(|at| *at <= now).is_some() {
            self.step(now, Protocol::Lcp, Event::Open, None);
            self.step(now, Protocol::Lcp, Event::Up, None);
        }
        for protocol in [Protocol::Lcp, Protocol::Ipcp, Protocol::Ipv6cp] {
            let layer = self.layer(protocol);
            if layer.timer.take_if(|at| *at <= now).is_some() {
                let event = if layer.count > 0 { Event::TimeoutRepeat } else { Event::TimeoutGiveUp };
                self.step(now, protocol, event, None);
            }
        }
        if self.challenge_timer.take_if(|at| *at <= now).is_some() {
            self.challenge(now);
        }
    }

    /// As an administrator would.
    pub(crate) fn close(&mut self, now: Instant) {
        self.step(now, Protocol::Lcp, Event::Close, None);
    }

    /// Challenges again while the link is open.
    pub(crate) fn rechallenge(&mut self, now: Instant) {
        self.challenge_identifier += 1;
        self.challenge(now);
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        if self.lcp.state == State::Initial {
            return;
        }
        let (protocol, information) = ppp::parse(packet).expect("the client sends readable packets");
        match protocol {
            Protocol::Lcp => self.handle_control(now, protocol, information),
            Protocol::Pap if self.lcp.state == State::Opened => self.handle_pap(now, information),
            Protocol::Chap if self.lcp.state == State::Opened => self.handle_chap(now, information),
            Protocol::Ipv6cp if self.authenticated && !self.plan.ipv6 => {
                let mut buffer = [0; 1600];
                let reject = lcp::ProtocolReject { protocol, information };
                let length = reject.emit(&mut buffer, 1, 1492).expect("fits");
                self.out.push(buffer[..length].to_vec());
            }
            Protocol::Ipcp | Protocol::Ipv6cp if self.authenticated => {
                self.handle_control(now, protocol, information);
            }
            _ => {}
        }
    }

    fn layer(&mut self, protocol: Protocol) -> &mut Layer {
        match protocol {
            Protocol::Lcp => &mut self.lcp,
            Protocol::Ipcp => &mut self.ipcp,
            _ => &mut self.ipv6cp,
        }
    }

    fn handle_control(&mut self, now: Instant, protocol: Protocol, packet: &[u8]) {
        let control = Control::parse(packet).expect("the client sends readable packets");
        let matches = control.identifier == self.layer(protocol).identifier;
        let event = match control.code {
            Code::ConfigureRequest if self.refused(protocol, control).is_empty() => {
                Event::ConfigureRequestGood
            }
            Code::ConfigureRequest => Event::ConfigureRequestBad,
            Code::ConfigureAck if matches => Event::ConfigureAck,
            Code::ConfigureNak | Code::ConfigureReject if matches => {
                self.learn(protocol, control);
                Event::ConfigureNak
            }
            Code::TerminateRequest => Event::TerminateRequest,
            Code::TerminateAck => Event::TerminateAck,
            Code::EchoRequest => {
                let echo = lcp::Echo::parse(control.data).expect("readable");
                let reply = lcp::Echo { magic_number: 0x5E17_E121, data: echo.data };
                let mut buffer = [0; 1600];
                let length = reply.emit(&mut buffer, Code::EchoReply, control.identifier).expect("fits");
                return self.out.push(buffer[..length].to_vec());
            }
            _ => return,
        };
        self.step(now, protocol, event, Some(control));
    }

    /// The options of a request that get another value, as they are nak'd.
    fn refused(&self, protocol: Protocol, request: Control<'_>) -> Vec<ipcp::ConfigOption<'static>> {
        if protocol != Protocol::Ipcp {
            return Vec::new();
        }
        let mut naks = Vec::new();
        for option in request.options().flatten() {
            let wanted = match option.kind {
                3 => ipcp::ConfigOption::IpAddress(self.plan.address),
                129 => ipcp::ConfigOption::PrimaryDns(DNS[0]),
                131 => ipcp::ConfigOption::SecondaryDns(DNS[1]),
                _ => continue,
            };
            if ipcp::ConfigOption::parse(option) != Ok(wanted) {
                naks.push(wanted);
            }
        }
        naks
    }

    /// A Configure-Nak of our request: takes the suggested authentication if we speak it.
    fn learn(&mut self, protocol: Protocol, control: Control<'_>) {
        let authentication = |option: RawOption<'_>| match lcp::ConfigOption::parse(option) {
            Ok(lcp::ConfigOption::AuthenticationProtocol(method)) => AuthMethod::from_option(method),
            _ => None,
        };
        if protocol == Protocol::Lcp
            && let Some(suggested) = control.options().flatten().find_map(authentication)
            && let Some(index) = self.plan.auth.iter().position(|method| *method == suggested)
        {
            self.demand = index;
        }
    }

    fn step(&mut self, now: Instant, protocol: Protocol, event: Event, received: Option<Control<'_>>) {
        let Some((actions, next)) = transition(self.layer(protocol).state, event) else { return };
        let layer = self.layer(protocol);
        layer.state = next;
        if actions.contains(Actions::IRC) {
            layer.count = MAX_CONFIGURE;
        }
        if actions.contains(Actions::ZRC) {
            layer.count = 0;
            layer.timer = Some(now + RESTART);
        }
        if actions.contains(Actions::TLD) && protocol == Protocol::Lcp {
            self.authenticated = false;
            self.challenge_timer = None;
            self.ipcp = Layer::new();
            self.ipv6cp = Layer::new();
        }
        if actions.contains(Actions::SCR) {
            self.send_request(now, protocol, event == Event::TimeoutRepeat);
        }
        if let Some(control) = received {
            let answer = |code| Control { code, ..control };
            if actions.contains(Actions::SCA) {
                self.send(protocol, answer(Code::ConfigureAck));
            }
            if actions.contains(Actions::SCN) {
                let mut buffer = [0; 256];
                let mut writer = Writer::new(&mut buffer, protocol, Code::ConfigureNak, control.identifier);
                for option in self.refused(protocol, control) {
                    option.write(&mut writer);
                }
                let length = writer.finish().expect("fits");
                self.out.push(buffer[..length].to_vec());
            }
            if actions.contains(Actions::STA) {
                self.send(protocol, Control { data: &[], ..answer(Code::TerminateAck) });
            }
        }
        if actions.contains(Actions::STR) {
            let layer = self.layer(protocol);
            layer.identifier += 1;
            layer.count = layer.count.saturating_sub(1);
            layer.timer = Some(now + RESTART);
            let request =
                Control { code: Code::TerminateRequest, identifier: layer.identifier, data: b"bye" };
            self.send(protocol, request);
        }
        if actions.contains(Actions::TLU) && protocol == Protocol::Lcp {
            match self.plan.auth.get(self.demand) {
                None => self.start_network(now),
                Some(AuthMethod::Pap) => {}
                Some(_) => {
                    self.challenge_identifier += 1;
                    self.challenge(now);
                }
            }
        }
        let layer = self.layer(protocol);
        if !layer.state.runs_timer() {
            layer.timer = None;
        }
    }

    fn send_request(&mut self, now: Instant, protocol: Protocol, again: bool) {
        let auth = self.plan.auth.get(self.demand).copied();
        let mru = self.plan.mru;
        let layer = self.layer(protocol);
        if !again {
            layer.identifier += 1;
        }
        layer.count = layer.count.saturating_sub(1);
        layer.timer = Some(now + RESTART);
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer, protocol, Code::ConfigureRequest, layer.identifier);
        match protocol {
            Protocol::Lcp => {
                lcp::ConfigOption::MaximumReceiveUnit(mru).write(&mut writer);
                if let Some(method) = auth {
                    lcp::ConfigOption::AuthenticationProtocol(method.option()).write(&mut writer);
                }
                lcp::ConfigOption::MagicNumber(0x5E17_E121).write(&mut writer);
            }
            Protocol::Ipcp => ipcp::ConfigOption::IpAddress(SERVER_ADDRESS).write(&mut writer),
            _ => ppp::ipv6cp::ConfigOption::InterfaceIdentifier(*b"\0\0server").write(&mut writer),
        }
        let length = writer.finish().expect("fits");
        self.out.push(buffer[..length].to_vec());
    }

    fn send(&mut self, protocol: Protocol, control: Control<'_>) {
        let mut buffer = [0; 1600];
        let length = control.emit(&mut buffer, protocol).expect("fits");
        self.out.push(buffer[..length].to_vec());
    }

    fn start_network(&mut self, now: Instant) {
        self.authenticated = true;
        for protocol in [Protocol::Ipcp, Protocol::Ipv6cp] {
            if protocol == Protocol::Ipcp || self.plan.ipv6 {
                self.step(now, protocol, Event::Open, None);
                self.step(now, protocol, Event::Up, None);
            }
        }
    }

    fn handle_pap(&mut self, now: Instant, packet: &[u8]) {
        let Ok(pap::Packet::AuthenticateRequest { identifier, peer_id, password }) =
            pap::Packet::parse(packet)
        else {
            panic!("the client only asks");
        };
        let good = peer_id == USERNAME.as_bytes() && password == PASSWORD.as_bytes();
        let accepted = good && self.plan.refuses_with.is_none();
        let text = self.plan.refuses_with.unwrap_or(if good { "welcome" } else { "no such user" });
        let answer = if accepted {
            pap::Packet::AuthenticateAck { identifier, message: text.as_bytes() }
        } else {
            pap::Packet::AuthenticateNak { identifier, message: text.as_bytes() }
        };
        let mut buffer = [0; 256];
        let length = answer.emit(&mut buffer).expect("fits");
        self.out.push(buffer[..length].to_vec());
        self.judged(now, accepted);
    }

    /// Once judged, a repeated request or response only has the verdict repeated.
    fn judged(&mut self, now: Instant, accepted: bool) {
        if accepted && !self.authenticated {
            self.start_network(now);
        } else if !accepted {
            self.close(now);
        }
    }

    fn challenge(&mut self, now: Instant) {
        self.challenge_timer = Some(now + RESTART);
        let challenge = chap::Packet::Challenge {
            identifier: self.challenge_identifier,
            value: &CHALLENGE,
            name: b"concentrator",
        };
        let mut buffer = [0; 256];
        let length = challenge.emit(&mut buffer).expect("fits");
        self.out.push(buffer[..length].to_vec());
    }

    fn handle_chap(&mut self, now: Instant, packet: &[u8]) {
        let Ok(chap::Packet::Response { identifier, value, name }) = chap::Packet::parse(packet) else {
            panic!("the client only responds");
        };
        if identifier != self.challenge_identifier {
            return;
        }
        self.challenge_timer = None;
        let known = name == USERNAME.as_bytes();
        let mut text = [0; 128];
        let (good, length) = if self.plan.auth[self.demand] == AuthMethod::MsChapV2 {
            let response = mschapv2::Response::parse(value).expect("49 octets");
            let expected = hash::nt_response(&CHALLENGE, &response.peer_challenge, USERNAME, PASSWORD);
            let success = mschapv2::Success {
                authenticator_response: hash::authenticator_response(
                    &CHALLENGE,
                    &response.peer_challenge,
                    &response.nt_response,
                    USERNAME,
                    PASSWORD,
                ),
                message: b"",
            };
            let length = success.emit(&mut text).expect("fits");
            (known && hash::verify(&expected, &response.nt_response), length)
        } else {
            (known && md5::verify(identifier, PASSWORD.as_bytes(), &CHALLENGE, value), 0)
        };
        let accepted = good && self.plan.refuses_with.is_none();
        let refusal =
            self.plan.refuses_with.unwrap_or("E=691 R=0 C=00000000000000000000000000000000 V=3 M=no");
        let verdict = if accepted {
            chap::Packet::Success { identifier, message: &text[..length] }
        } else {
            chap::Packet::Failure { identifier, message: refusal.as_bytes() }
        };
        let mut buffer = [0; 256];
        let length = verdict.emit(&mut buffer).expect("fits");
        self.out.push(buffer[..length].to_vec());
        self.judged(now, accepted);
    }
}
