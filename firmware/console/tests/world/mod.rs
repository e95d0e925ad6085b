//! A terminal at a console, and an owner who answers.

use core::str::FromStr;

use gatelet_console::report::Line6;
use gatelet_console::{Answer, Clock, Console, Context, Lines, Report, Request, Text, report};
use gatelet_hal::LinkState;
use gatelet_proto::dhcpv6::client::Delegated;
use gatelet_proto::lifetime::Lifetime;
use gatelet_proto::ppp::LinkEvent;
use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::redial::{Advice, AuthRefusal, Doing, Failure, HoldReason, Note};
use gatelet_proto::sixinfour::liveness::State;
use gatelet_proto::sixinfour::{Routed, Tunnel};
use gatelet_router::{
    Forwarded, Ipv4Status, Ipv6Event, RouterEvent, SessionStatus, TunnelId, TunnelStatus, WanCounters,
    WanEvent, WanId, WanState, WanStatus,
};
use gatelet_settings::{Editor, Settings};
use gatelet_wire::EthernetAddress;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv6Address, Ipv6Cidr};

/// The world.
pub(crate) struct World {
    console: Console,
    settings: Editor,
    terminal: vt100::Parser,
    now: Instant,
    size: (u16, u16),
    asked: Vec<String>,
    wan: WanStatus,
    line6: Line6,
    tunnels: Vec<TunnelStatus>,
    /// Frames still to be captured.
    capture: u16,
}

impl Default for World {
    fn default() -> Self {
        let now = Instant::from_secs(3600);
        let size = (80, 24);
        Self {
            console: Console::new(now, "0.1.0 (test)"),
            settings: Editor::new(Settings::new()),
            terminal: vt100::Parser::new(size.1, size.0, 0),
            now,
            size,
            asked: Vec::new(),
            wan: off_line(),
            line6: Line6::default(),
            tunnels: Vec::new(),
            capture: 0,
        }
    }
}

impl World {
    pub(crate) fn set_size(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.terminal.screen_mut().set_size(rows, columns);
    }

    /// A setting that is in force before the start.
    pub(crate) fn set(&mut self, line: &str) {
        let (path, value) = line.split_once(' ').unwrap();
        self.settings.set(path, value).unwrap();
        self.settings.commit().unwrap();
    }

    pub(crate) fn start(&mut self) {
        self.console.set_clock(Clock { unix_seconds_at_zero: Some(1_789_500_000), utc_offset_minutes: 0 });
        self.console.start(&self.settings, true);
        self.run();
    }

    pub(crate) fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.settings.handle_timeout(self.now);
        self.run();
    }

    pub(crate) fn type_in(&mut self, octets: &[u8]) {
        for octet in octets {
            self.console.handle_byte(*octet);
            self.run();
        }
    }

    /// What the owner was asked for since the last time.
    pub(crate) fn asked(&mut self) -> String {
        std::mem::take(&mut self.asked).join("; ")
    }

    /// The rows of the terminal, with a mark where the cursor is.
    pub(crate) fn screen(&self) -> Vec<String> {
        let screen = self.terminal.screen();
        let (row, column) = screen.cursor_position();
        let mut rows: Vec<String> = (0..self.size.1)
            .map(|at| {
                let text = |from: u16, width: u16| screen.rows(from, width).nth(usize::from(at)).unwrap();
                if at == row {
                    let before = text(0, column);
                    let padded = usize::from(column) - gatelet_width(&before);
                    format!("{before}{:padded$}_{}", "", text(column, self.size.0 - column))
                } else {
                    text(0, self.size.0)
                }
            })
            .map(|row| row.trim_end().to_owned())
            .collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    fn run(&mut self) {
        loop {
            self.console.advance(self.now, &mut self.settings);
            let output = self.console.output().to_vec();
            self.terminal.process(&output);
            self.console.sent(output.len());
            // A terminal tells its size if it is asked for it.
            if output.windows(4).any(|octets| octets == b"\x1b[6n") {
                let (columns, rows) = self.size;
                format!("\x1b[{rows};{columns}R").bytes().for_each(|octet| self.console.handle_byte(octet));
            }
            let is_quiet = output.is_empty() && !self.answer() && !self.stream();
            if is_quiet && self.console.output().is_empty() {
                break;
            }
        }
        assert_eq!(self.console.counters().output_lost, 0);
    }

    /// Does what is wanted. False if nothing is.
    fn answer(&mut self) -> bool {
        let now = self.now;
        let Some(request) = self.console.poll_request(now) else { return false };
        if let Request::Line { report, at, context } = request {
            let mut text = Text::new();
            match self.line(report, at, &context, &mut text) {
                Some(next) => self.console.handle_answer(&Answer::Line { text: &text, next }),
                None => self.console.handle_answer(&Answer::Done),
            }
            return true;
        }
        let told = format!("{request:?}");
        self.asked.push(told);
        match request {
            Request::Ping { .. } => {
                let lines = ["64 bytes from 192.0.2.1: 12 ms", "1 of 1 answered"];
                for text in lines {
                    self.console.handle_answer(&Answer::Line { text, next: 0 });
                }
                self.console.handle_answer(&Answer::Done);
            }
            Request::Resolve { .. } => self.console.handle_answer(&Answer::Failed("no such name")),
            Request::Capture { count, .. } => self.capture = count,
            Request::Cancel => self.capture = 0,
            _ => {}
        }
        true
    }

    fn stream(&mut self) -> bool {
        if self.capture == 0 || self.capture > 1000 {
            return false;
        }
        if self.console.wants_answer() {
            self.capture -= 1;
            let bytes: Vec<u8> = (0..60).collect();
            let frame = Answer::Frame { micros: 1_000_000, bytes: &bytes, len: 60 };
            self.console.handle_answer(&frame);
            if self.capture == 0 {
                self.console.handle_answer(&Answer::Done);
            }
        }
        true
    }

    fn line(&self, what: Report, at: u32, context: &Context, out: &mut Text) -> Option<u32> {
        match what {
            Report::Wan(id) => {
                let mut lines = Lines::new(out, at, context);
                report::wan(id, &self.wan, &self.line6, context, &mut lines);
                lines.is_found().then(|| at + 1)
            }
            Report::Flows => (at < 100).then(|| {
                *out = Text::from_str(&format!("row {at} of a table")).unwrap();
                at + 1
            }),
            Report::Tunnel => {
                let mut lines = Lines::new(out, at, context);
                if self.tunnels.is_empty() {
                    lines.line(format_args!("there are no tunnels"));
                }
                for (number, tunnel) in (1..).zip(&self.tunnels) {
                    report::tunnel(number, tunnel, context, &mut lines);
                }
                lines.is_found().then(|| at + 1)
            }
            _ => None,
        }
    }

    /// The line has IPv6, native and shared.
    fn has_ipv6(&mut self) {
        let lifetime = |seconds| Lifetime::of(self.now, seconds);
        let delegated = |prefix| Delegated { prefix, preferred: lifetime(3300), valid: lifetime(6900) };
        let prefix = Ipv6Cidr::new(ipv6("2001:db8:100::"), 56);
        self.line6 = Line6 {
            router: Some(ipv6("fe80::b")),
            addresses: [Ipv6Cidr::new(ipv6("2001:db8:1::2"), 64)].into_iter().collect(),
            delegated: [delegated(prefix)].into_iter().collect(),
            shared: None,
            dns: [ipv6("2001:db8::53")].into_iter().collect(),
        };
        let Delegated { prefix, preferred, valid } = self.line6.delegated[0];
        let event = Ipv6Event::Delegated { wan: WanId(0), prefix, preferred, valid };
        self.console.handle_event(self.now, &RouterEvent::Ipv6(event));
    }

    /// Three tunnels: one as it should be, one behind a carrier's NAT, a server's that waits for its client.
    fn has_tunnels(&mut self) {
        let remote = Ipv4Address::new(198, 51, 100, 2);
        let own = Ipv6Cidr::new(ipv6("2001:db8:6::11"), 127);
        let prefix = Some(Ipv6Cidr::new(ipv6("2001:db8:66::"), 48));
        let good = TunnelStatus {
            wan: WanId(0),
            tunnel: Tunnel::client(remote, own, ipv6("2001:db8:6::10"), prefix),
            local: Some(Ipv4Address::new(203, 0, 113, 100)),
            mtu: Some(1472),
            far_end: Some(State::Up),
            since: self.now,
            round_trip: Some(Duration::from_millis(12)),
            echoes: [31, 30],
            is_proxied: false,
        };
        let translated = TunnelStatus {
            local: Some(Ipv4Address::new(100, 64, 0, 5)),
            far_end: Some(State::Down),
            round_trip: None,
            echoes: [4, 0],
            ..good
        };
        let routed = Routed::Server { prefix };
        let waiting = Tunnel { remote: None, routed, ..good.tunnel };
        let waiting = TunnelStatus {
            tunnel: waiting,
            mtu: None,
            far_end: Some(State::Unknown),
            round_trip: None,
            echoes: [0, 0],
            ..good
        };
        self.tunnels = vec![good, translated, waiting];
        let event = Ipv6Event::Tunnel { tunnel: TunnelId(1), state: State::Down };
        self.console.handle_event(self.now, &RouterEvent::Ipv6(event));
    }

    /// Something happens on the line.
    pub(crate) fn happens(&mut self, what: &str) {
        match what {
            "ipv6" => self.has_ipv6(),
            "tunnels" => self.has_tunnels(),
            what => self.happens_to_the_line(what),
        }
        self.run();
    }

    fn happens_to_the_line(&mut self, what: &str) {
        let (ac_mac, ac_name) = (EthernetAddress([2, 0, 0, 0, 0, 1]), "BRAS-1".try_into().unwrap());
        let address = Ipv4Address::new(203, 0, 113, 7);
        let dns = [Some(Ipv4Address::new(203, 0, 113, 53)), None];
        let ipv4 = Ipv4Status { address, peer: None, dns };
        let until = self.now + Duration::from_secs(330);
        let event = match what {
            "dial" => WanEvent::DialBegun { probe: false },
            "padi" => WanEvent::PadiSent { attempt: 1 },
            "pado" => WanEvent::PadoReceived { ac_mac, ac_name, fallback: false },
            "padr" => WanEvent::PadrSent { ac_mac, attempt: 1 },
            "pads" => WanEvent::PadsReceived { ac_mac, session_id: 0x1234, max_payload: None },
            "auth" => WanEvent::Ppp(LinkEvent::AuthSent { method: AuthMethod::ChapMd5 }),
            "welcome" => WanEvent::Ppp(LinkEvent::Authenticated {
                method: AuthMethod::ChapMd5,
                text: "hello\x1b[2J".try_into().unwrap(),
            }),
            "up" => {
                self.wan = WanStatus {
                    state: WanState::Up,
                    session: Some(SessionStatus { ac_mac, ac_name, id: 0x1234 }),
                    ipv4: Some(ipv4),
                    mtu: 1492,
                    up_since: Some(self.now),
                    advice: Advice { doing: Doing::Up, because: None, until: None },
                    ..off_line()
                };
                WanEvent::Up { ipv4, mtu: 1492, since_dial: Duration::from_millis(740) }
            }
            "refused" => {
                let failure = Failure::AuthRefused(AuthRefusal::WrongPassword);
                let reason = HoldReason::Authentication;
                self.wan = WanStatus {
                    advice: Advice { doing: Doing::Hold(reason), because: Some(failure), until: Some(until) },
                    last_failure: Some(failure),
                    ..off_line()
                };
                WanEvent::Down { failure, uptime: None }
            }
            "hold" => WanEvent::Note(Note::HoldBegun { until, reason: HoldReason::Silence }),
            other => panic!("{other}"),
        };
        self.console.handle_event(self.now, &RouterEvent::Wan(WanId(0), event));
    }
}

fn ipv6(text: &str) -> Ipv6Address {
    text.parse().unwrap()
}

fn off_line() -> WanStatus {
    WanStatus {
        state: WanState::Idle,
        link: LinkState::Up,
        session: None,
        ipv4: None,
        ipv6: None,
        mtu: 0,
        up_since: None,
        advice: Advice { doing: Doing::Stopped, because: None, until: None },
        last_failure: None,
        counters: WanCounters::default(),
        forwarded: Forwarded::default(),
        forwarded_ipv6: Forwarded::default(),
    }
}

/// Columns of what the terminal shows.
fn gatelet_width(text: &str) -> usize {
    text.chars().map(|letter| if (letter as u32) < 0x1100 { 1 } else { 2 }).sum()
}
