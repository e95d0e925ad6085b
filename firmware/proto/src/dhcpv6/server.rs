//! The stateless server of the LAN: who asks for settings is told them, addresses are made by the hosts themselves.
//!
//! ```text
//!   INFORMATION-REQUEST ──► REPLY: DNS servers, domain, captive portal, when to ask again
//!   anything else       ──► counted
//! ```
//!
//! Reading list: RFC 8415 §16.12 (validation), §18.3.6 (answer), §21.23 (refresh time); RFC 3646 (DNS); RFC 8910 §2.2.

use gatelet_wire::dhcpv6::{Message, MessageType, OptionCode, Writer};
use gatelet_wire::dns::NameBuf;
use gatelet_wire::{Ipv6Address, Malformed};
use heapless::{String, Vec};
use smoltcp::time::Duration;

use super::DuidBuf;

/// DNS servers that are told.
pub const DNS_SERVERS: usize = 3;
/// Octets of a captive portal's URI (RFC 8910 §2).
pub const URI_MAX: usize = 255;
/// `IRT_MINIMUM` (RFC 8415 §7.6).
const LEAST_REFRESH: Duration = Duration::from_secs(600);

/// What hosts are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Server identifier.
    pub duid: DuidBuf,
    /// DNS servers; none: not told.
    pub dns_servers: Vec<Ipv6Address, DNS_SERVERS>,
    /// The domain that names are looked for in.
    pub domain: Option<NameBuf>,
    /// The URI of a captive portal's API; empty: not told.
    pub captive_portal_uri: String<URI_MAX>,
    /// When hosts are to ask again; 600 s at least.
    pub refresh: Duration,
}

impl Config {
    /// A server that has nothing to tell yet, and is asked again after an hour: prefixes and servers of a home change
    /// with its line.
    pub const fn new(duid: DuidBuf) -> Self {
        Self {
            duid,
            dns_servers: Vec::new(),
            domain: None,
            captive_portal_uri: String::new(),
            refresh: Duration::from_secs(3600),
        }
    }
}

/// The server.
#[derive(Debug)]
pub struct Server {
    /// What hosts are told from now on.
    pub config: Config,
    counters: Counters,
}

impl Server {
    /// A server that tells this.
    pub const fn new(config: Config) -> Self {
        Self { config, counters: Counters { answered: 0, dropped: [0; Dropped::ALL.len()] } }
    }

    /// What was answered and ignored, and how often.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes the payload of a datagram that came to port 547, and writes the payload of the answer, for port 546 of its
    /// sender, into `buffer`; answers its length. 900 octets are enough for any.
    ///
    /// # Errors
    /// Why there is no answer; it has been counted.
    pub fn handle_message(&mut self, payload: &[u8], buffer: &mut [u8]) -> Result<usize, Dropped> {
        let result = self.answer(payload, buffer);
        match result {
            Ok(_) => self.counters.answered = self.counters.answered.wrapping_add(1),
            Err(reason) => self.counters.count(reason),
        }
        result
    }

    fn answer(&self, payload: &[u8], buffer: &mut [u8]) -> Result<usize, Dropped> {
        let message = Message::parse(payload)?;
        if message.message_type != MessageType::InformationRequest {
            return Err(Dropped::Stateful);
        }
        let options = message.options();
        if let Some(server) = options.duid(OptionCode::SERVER_ID)?
            && server.octets() != self.config.duid.as_slice()
        {
            return Err(Dropped::OtherServer);
        }
        if options.clone().any(|option| matches!(option.code, OptionCode::IA_NA | OptionCode::IA_PD)) {
            return Err(Dropped::Association);
        }
        let request = options.value(OptionCode::OPTION_REQUEST)?.unwrap_or_default();
        let wants =
            |code: OptionCode| request.as_chunks().0.iter().any(|pair| u16::from_be_bytes(*pair) == code.0);
        let config = &self.config;
        let mut writer = Writer::new(buffer, MessageType::Reply, message.transaction_id);
        if let Some(client) = options.duid(OptionCode::CLIENT_ID)? {
            writer.push(OptionCode::CLIENT_ID, client.octets());
        }
        writer.push(OptionCode::SERVER_ID, &config.duid);
        if wants(OptionCode::DNS_SERVERS) {
            writer.addresses(OptionCode::DNS_SERVERS, &config.dns_servers);
        }
        if let Some(domain) = config.domain.as_ref().filter(|_| wants(OptionCode::DOMAIN_LIST)) {
            writer.push(OptionCode::DOMAIN_LIST, domain.as_bytes());
        }
        if wants(OptionCode::CAPTIVE_PORTAL) && !config.captive_portal_uri.is_empty() {
            writer.push(OptionCode::CAPTIVE_PORTAL, config.captive_portal_uri.as_bytes());
        }
        if wants(OptionCode::INFORMATION_REFRESH_TIME) {
            let seconds = config.refresh.max(LEAST_REFRESH).secs();
            writer.u32(OptionCode::INFORMATION_REFRESH_TIME, u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        writer.finish().map_err(|_| Dropped::NoRoom)
    }
}

/// Why there is no answer. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It cannot be read.
    Malformed,
    /// It asks for addresses or prefixes, or is no client's message.
    Stateful,
    /// It is for another server.
    OtherServer,
    /// An identity association where none may be (RFC 8415 §16.12).
    Association,
    /// The buffer that was lent is too small.
    NoRoom,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 5] =
        [Self::Malformed, Self::Stateful, Self::OtherServer, Self::Association, Self::NoRoom];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "dhcpv6-server-malformed",
            Self::Stateful => "dhcpv6-server-stateful",
            Self::OtherServer => "dhcpv6-server-other-server",
            Self::Association => "dhcpv6-server-association",
            Self::NoRoom => "dhcpv6-server-no-room",
        }
    }
}

impl From<Malformed> for Dropped {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What was answered, and how often each reason of [`Dropped`] occurred. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Answers.
    pub answered: u32,
    dropped: [u32; Dropped::ALL.len()],
}

impl Counters {
    /// How often `reason` occurred.
    pub const fn dropped(&self, reason: Dropped) -> u32 {
        self.dropped[reason as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Dropped, u32)> {
        Dropped::ALL.into_iter().zip(self.dropped)
    }

    const fn count(&mut self, reason: Dropped) {
        let counter = &mut self.dropped[reason as usize];
        *counter = counter.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcpv6::duid_ll;
    use dhcproto::v6 as judge;
    use dhcproto::{Decodable, Decoder};
    use gatelet_wire::EthernetAddress;
    use gatelet_wire::dhcpv6::TransactionId;

    fn server() -> Server {
        let mut config = Config::new(duid_ll(EthernetAddress([2, 0, 0, 0, 0, 1])));
        config.dns_servers.push("fe80::1".parse().unwrap()).unwrap();
        config.domain = Some(NameBuf::from_text("lan").unwrap());
        config.captive_portal_uri = String::try_from("https://p.example/ap").unwrap();
        Server::new(config)
    }

    fn ask(server: &mut Server, fill: impl Fn(&mut Writer<'_>)) -> Result<([u8; 900], usize), Dropped> {
        let (mut request, mut answer) = ([0; 300], [0xA5; 900]);
        let mut writer = Writer::new(&mut request, MessageType::InformationRequest, TransactionId([1, 2, 3]));
        fill(&mut writer);
        let len = writer.finish().unwrap();
        server.handle_message(&request[..len], &mut answer).map(|len| (answer, len))
    }

    #[test]
    fn who_asks_is_told_what_it_asks_for() {
        let mut server = server();
        let codes = [23, 24, 32, 103, 31].map(OptionCode);
        let client = [0, 3, 0, 1, 2, 0, 0, 0, 0, 9];
        let (answer, len) = ask(&mut server, |writer| {
            writer.push(OptionCode::CLIENT_ID, &client).option_request(&codes);
        })
        .unwrap();
        let judged = judge::Message::decode(&mut Decoder::new(&answer[..len])).expect("well-formed");
        assert_eq!((judged.msg_type(), judged.xid()), (judge::MessageType::Reply, [1, 2, 3]));
        let options = Message::parse(&answer[..len]).unwrap().options();
        assert_eq!(options.value(OptionCode::CLIENT_ID), Ok(Some(&client[..])));
        assert!(
            options.addresses(OptionCode::DNS_SERVERS).unwrap().eq(server.config.dns_servers.iter().copied())
        );
        assert_eq!(options.value(OptionCode::DOMAIN_LIST), Ok(Some(&b"\x03lan\x00"[..])));
        assert_eq!(options.u32(OptionCode::INFORMATION_REFRESH_TIME), Ok(Some(3600)));
        assert_eq!(options.value(OptionCode::CAPTIVE_PORTAL), Ok(Some(&b"https://p.example/ap"[..])));

        let (answer, len) = ask(&mut server, |_| {}).unwrap();
        let codes = Message::parse(&answer[..len]).unwrap().options().map(|option| option.code);
        assert!(codes.eq([OptionCode::SERVER_ID]), "nothing that was not asked for");
        assert_eq!(server.counters().answered, 2);
    }

    #[test]
    fn all_else_is_counted() {
        let mut server = server();
        let other = ask(&mut server, |writer| _ = writer.push(OptionCode::SERVER_ID, &[0, 3, 0]));
        assert_eq!(other.unwrap_err(), Dropped::OtherServer);
        let association = ask(&mut server, |writer| _ = writer.ia(OptionCode::IA_PD, 1, 0, 0, |_| {}));
        assert_eq!(association.unwrap_err(), Dropped::Association);
        assert_eq!(server.handle_message(&[1, 2, 3, 4], &mut [0; 900]), Err(Dropped::Stateful));
        assert_eq!(server.handle_message(&[11], &mut [0; 900]), Err(Dropped::Malformed));
        assert_eq!(server.handle_message(&[11, 2, 3, 4], &mut [0; 9]), Err(Dropped::NoRoom));
        for (index, (reason, count)) in server.counters().iter().enumerate() {
            assert_eq!(count, 1, "{reason:?}");
            assert!(Dropped::ALL[..index].iter().all(|other| other.name() != reason.name()));
        }
    }
}
