//! A conversation whose other side the test speaks itself.

use chacha20::ChaCha8Rng;
use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{Dropped, Link, LinkConfig, LinkEvent};
use gatelet_wire::ppp::{Code, Control, Protocol, Writer, chap, ipcp, lcp, pap};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::server::{CLIENT_ADDRESS, SERVER_ADDRESS};
use crate::words::describe;

pub(crate) struct Script {
    pub(crate) now: Instant,
    pub(crate) link: Link,
    pub(crate) rng: ChaCha8Rng,
    /// The newest packet of the link, as bytes, for answers that depend on it.
    pub(crate) last: Vec<u8>,
    events: Vec<LinkEvent>,
}

impl Script {
    /// PADS arrives at second 1.
    pub(crate) fn open(config: LinkConfig) -> Self {
        let now = Instant::from_secs(1);
        let mut script = Self {
            now,
            link: Link::new(config),
            rng: ChaCha8Rng::seed_from_u64(1661),
            last: vec![],
            events: vec![],
        };
        script.link.open(now, &mut script.rng);
        script
    }

    /// Open, with LCP Opened and `auth` demanded.
    pub(crate) fn with_lcp(config: LinkConfig, auth: Option<AuthMethod>) -> Self {
        let mut script = Self::open(config);
        script.hears("LCP Configure-Request 1 mru=1492 magic");
        script.acknowledge();
        let mut options = vec![lcp::ConfigOption::MagicNumber(0x1111_1111)];
        options.extend(auth.map(|method| lcp::ConfigOption::AuthenticationProtocol(method.option())));
        script.lcp(Code::ConfigureRequest, 1, &options).unwrap();
        script.skip();
        script
    }

    /// Open, with IPv4 and IPv6 up and nothing demanded.
    pub(crate) fn up(config: LinkConfig) -> Self {
        let mut script = Self::with_lcp(config, None);
        script.link_events();
        script.ipcp(Code::ConfigureNak, 1, &[ipcp::ConfigOption::IpAddress(CLIENT_ADDRESS)]).unwrap();
        script.skip();
        script.acknowledge();
        script.ipcp(Code::ConfigureRequest, 1, &[ipcp::ConfigOption::IpAddress(SERVER_ADDRESS)]).unwrap();
        script.skip();
        let events = script.link_events();
        assert!(matches!(events[..], [LinkEvent::Ipv4Up { .. }]), "{events:?}");
        script
    }

    /// Lets time pass, with timers firing as they are due.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.link.poll_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.link.handle_timeout(self.now);
            self.events.extend(std::iter::from_fn(|| self.link.poll_event()));
        }
        self.now = until;
    }

    /// The next packet the link sends, in words.
    pub(crate) fn next(&mut self) -> Option<String> {
        let mut buffer = [0; 1502];
        let length = self.link.poll_transmit(self.now, &mut buffer)?;
        self.last = buffer[..length].to_vec();
        Some(describe(&self.last))
    }

    /// The link sends exactly this next.
    #[track_caller]
    pub(crate) fn hears(&mut self, words: &str) {
        assert_eq!(self.next().as_deref(), Some(words));
    }

    /// The link sends nothing more.
    #[track_caller]
    pub(crate) fn hears_nothing(&mut self) {
        assert_eq!(self.next(), None);
    }

    /// Whatever the link still wants to send is not of interest; the last of it stays in `last`.
    pub(crate) fn skip(&mut self) {
        while self.next().is_some() {}
    }

    /// What happened since this was last asked.
    pub(crate) fn link_events(&mut self) -> Vec<LinkEvent> {
        self.events.extend(std::iter::from_fn(|| self.link.poll_event()));
        std::mem::take(&mut self.events)
    }

    /// Gives the link a packet.
    pub(crate) fn says(&mut self, packet: &[u8]) -> Result<(), Dropped> {
        self.link.handle_packet(self.now, &mut self.rng, packet)
    }

    pub(crate) fn control(
        &mut self,
        protocol: Protocol,
        code: Code,
        identifier: u8,
        data: &[u8],
    ) -> Result<(), Dropped> {
        let mut buffer = [0; 1600];
        let length = Control { code, identifier, data }.emit(&mut buffer, protocol).unwrap();
        self.says(&buffer[..length])
    }

    pub(crate) fn lcp(
        &mut self,
        code: Code,
        identifier: u8,
        options: &[lcp::ConfigOption<'_>],
    ) -> Result<(), Dropped> {
        let mut buffer = [0; 1600];
        let mut writer = Writer::new(&mut buffer, Protocol::Lcp, code, identifier);
        for option in options {
            option.write(&mut writer);
        }
        let length = writer.finish().unwrap();
        self.says(&buffer[..length])
    }

    pub(crate) fn ipcp(
        &mut self,
        code: Code,
        identifier: u8,
        options: &[ipcp::ConfigOption<'_>],
    ) -> Result<(), Dropped> {
        let mut buffer = [0; 1600];
        let mut writer = Writer::new(&mut buffer, Protocol::Ipcp, code, identifier);
        for option in options {
            option.write(&mut writer);
        }
        let length = writer.finish().unwrap();
        self.says(&buffer[..length])
    }

    pub(crate) fn chap(&mut self, packet: &chap::Packet<'_>) -> Result<(), Dropped> {
        let mut buffer = [0; 600];
        let length = packet.emit(&mut buffer).unwrap();
        self.says(&buffer[..length])
    }

    pub(crate) fn pap(&mut self, packet: &pap::Packet<'_>) -> Result<(), Dropped> {
        let mut buffer = [0; 600];
        let length = packet.emit(&mut buffer).unwrap();
        self.says(&buffer[..length])
    }

    /// Configure-Ack of the newest packet.
    pub(crate) fn acknowledge(&mut self) {
        let mut packet = self.last.clone();
        packet[2] = u8::from(Code::ConfigureAck);
        self.says(&packet).unwrap();
    }

    /// Configure-Reject of everything in the newest packet.
    pub(crate) fn reject_all(&mut self) {
        let mut packet = self.last.clone();
        packet[2] = u8::from(Code::ConfigureReject);
        self.says(&packet).unwrap();
    }
}
