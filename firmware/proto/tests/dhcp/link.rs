//! The owner of a [`Client`], who sends whatever is due, and the servers' mouth.

use chacha20::ChaCha8Rng;
use gatelet_proto::dhcp::client::{Client, Config, Dropped, Event, Outgoing};
use gatelet_wire::dhcpv4::{Header, Message, MessageType, OptionCode, Route, Writer};
use gatelet_wire::{EthernetAddress, Ipv4Address};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

pub(crate) const ROUTER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x0E]);
pub(crate) const SERVER: Ipv4Address = wan(1);
pub(crate) const OTHER_SERVER: Ipv4Address = wan(2);

/// 100.64.0.`last`, of a /24.
pub(crate) const fn wan(last: u8) -> Ipv4Address {
    Ipv4Address::new(100, 64, 0, last)
}

/// A message that went out.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) out: Outgoing,
    pub(crate) payload: Vec<u8>,
}

impl Sent {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.payload).expect("well-formed")
    }

    pub(crate) fn header(&self) -> Header {
        self.message().header
    }

    pub(crate) fn value(&self, code: OptionCode) -> Option<Vec<u8>> {
        Some(self.message().value(code)?.octets().collect())
    }
}

/// What a server says.
#[derive(Clone)]
pub(crate) struct Says {
    pub(crate) header: Header,
    pub(crate) message_type: MessageType,
    pub(crate) options: Vec<(OptionCode, Vec<u8>)>,
    pub(crate) routes: Vec<Route>,
}

impl Says {
    pub(crate) fn option(mut self, code: OptionCode, value: &[u8]) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self.options.push((code, value.to_vec()));
        self
    }

    pub(crate) fn without(mut self, code: OptionCode) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self
    }

    pub(crate) fn seconds(self, code: OptionCode, seconds: u32) -> Self {
        self.option(code, &seconds.to_be_bytes())
    }

    pub(crate) fn address(mut self, address: Ipv4Address) -> Self {
        self.header.yiaddr = address;
        self
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let mut writer = Writer::new(&mut buffer, &self.header);
        writer.message_type(self.message_type);
        for (code, value) in &self.options {
            writer.push(*code, value);
        }
        writer.classless_routes(&self.routes);
        let len = writer.finish().expect("fits");
        buffer[..len].to_vec()
    }
}

pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Instant,
    pub(crate) sent: Vec<Sent>,
    pub(crate) events: Vec<Event>,
    transcript: Vec<String>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self::with_config(Config::new(ROUTER))
    }

    pub(crate) fn with_config(config: Config) -> Self {
        Self {
            client: Client::new(config),
            rng: ChaCha8Rng::seed_from_u64(1),
            now: Instant::from_secs(50),
            sent: Vec::new(),
            events: Vec::new(),
            transcript: Vec::new(),
        }
    }

    /// The link is up, and the first message is out.
    pub(crate) fn up(&mut self) {
        self.client.link_up(self.now, &mut self.rng);
        self.settle();
        if self.sent.is_empty() {
            self.run_for_secs(1);
        }
    }

    /// With a lease of 100.64.0.9 for an hour, just bound.
    pub(crate) fn bound() -> Self {
        let mut link = Self::new();
        link.up();
        link.hear(&link.offer()).expect("taken");
        link.hear(&link.ack()).expect("taken");
        link.client.accept();
        link.settle();
        assert_eq!(link.events.last(), Some(&Event::Bound));
        link.forget_transcript();
        link
    }

    pub(crate) fn settle(&mut self) {
        let mut buffer = [0xA5; 548];
        while let Some(out) = self.client.poll_transmit(self.now, &mut buffer) {
            let sent = Sent { at: self.now, out, payload: buffer[..out.len].to_vec() };
            assert_eq!(sent.message().message_type(), Ok(Some(out.message_type)));
            let kind = format!("{:?}", out.message_type).to_uppercase();
            let address = sent.message().address(OptionCode::REQUESTED_ADDRESS).expect("readable");
            let address = address.map_or(String::new(), |address| format!(" {address}"));
            let to = if out.destination == Ipv4Address::BROADCAST { "all" } else { "server" };
            let from =
                if out.source.is_unspecified() { String::new() } else { format!(" from {}", out.source) };
            self.transcript.push(format!("-> {to} {kind}{address}{from} ({})", out.attempt));
            self.sent.push(sent);
        }
        while let Some(event) = self.client.poll_event() {
            self.transcript.push(format!("   {event:?}"));
            self.events.push(event);
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.client.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now, &mut self.rng);
            self.settle();
            let next = self.client.poll_at();
            assert!(next.is_none_or(|next| next > self.now), "it stands still: {:?}", self.client.phase());
        }
        self.now = end;
    }

    pub(crate) fn run_for_secs(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    /// An answer to the last message, without options but the server identifier.
    pub(crate) fn answer(&self, message_type: MessageType) -> Says {
        let header = Header::reply(self.last().header().xid, ROUTER);
        let options = vec![(OptionCode::SERVER_IDENTIFIER, SERVER.octets().to_vec())];
        Says { header, message_type, options, routes: Vec::new() }
    }

    /// An OFFER of 100.64.0.9 for an hour.
    pub(crate) fn offer(&self) -> Says {
        self.answer(MessageType::Offer)
            .address(wan(9))
            .seconds(OptionCode::LEASE_TIME, 3600)
            .option(OptionCode::SUBNET_MASK, &[255, 255, 255, 0])
            .option(OptionCode::ROUTER, &SERVER.octets())
            .option(OptionCode::DOMAIN_NAME_SERVER, &[100, 64, 0, 1, 100, 64, 0, 2])
    }

    pub(crate) fn ack(&self) -> Says {
        Says { message_type: MessageType::Ack, ..self.offer() }
    }

    pub(crate) fn nak(&self) -> Says {
        self.answer(MessageType::Nak)
    }

    pub(crate) fn hear(&mut self, says: &Says) -> Result<(), Dropped> {
        let kind = format!("{:?}", says.message_type).to_uppercase();
        let address = Some(says.header.yiaddr).filter(|address| !address.is_unspecified());
        let address = address.map_or(String::new(), |address| format!(" {address}"));
        self.transcript.push(format!("<- {kind}{address}"));
        self.hear_payload(&says.payload())
    }

    pub(crate) fn hear_payload(&mut self, payload: &[u8]) -> Result<(), Dropped> {
        let result = self.client.handle_message(self.now, &mut self.rng, payload);
        if let Err(reason) = result {
            self.transcript.push(format!("   ({})", reason.name().trim_start_matches("dhcp-client-")));
        }
        self.settle();
        result
    }

    pub(crate) fn last(&self) -> &Sent {
        self.sent.last().expect("something was sent")
    }

    #[track_caller]
    pub(crate) fn expect_transcript(&mut self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said: Vec<&str> = self.transcript.iter().map(|line| line.trim()).collect();
        assert_eq!(said, expected, "\n{}", self.transcript.join("\n"));
        self.transcript.clear();
    }

    pub(crate) fn forget_transcript(&mut self) {
        self.transcript.clear();
    }
}
