//! Writing what is due.

use gatelet_wire::Ipv4Address;
use gatelet_wire::dhcpv4::{Header, MessageType, OptionCode, Writer};
use smoltcp::time::Instant;

use super::exchange::Pace;
use super::lease::{Lease, Times};
use super::{Client, Farewell, Holding, Memory, REBOOT_ATTEMPTS, REQUEST_ATTEMPTS, State};

/// The longest message we take: a datagram that an Ethernet frame holds (option 57).
const MAX_MESSAGE_SIZE: u16 = 1500;

/// What we want to know. Classless routes before routers, as RFC 3442 has it.
const PARAMETER_REQUEST_LIST: [u8; 13] = [
    OptionCode::SUBNET_MASK.0,
    OptionCode::CLASSLESS_ROUTES.0,
    OptionCode::ROUTER.0,
    OptionCode::DOMAIN_NAME_SERVER.0,
    OptionCode::DOMAIN_NAME.0,
    OptionCode::INTERFACE_MTU.0,
    OptionCode::BROADCAST_ADDRESS.0,
    OptionCode::NTP_SERVERS.0,
    OptionCode::LEASE_TIME.0,
    OptionCode::SERVER_IDENTIFIER.0,
    OptionCode::RENEWAL_TIME.0,
    OptionCode::REBINDING_TIME.0,
    OptionCode::CAPTIVE_PORTAL.0,
];

/// A message that was written, and is to be sent from port 68 to port 67.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Which.
    pub message_type: MessageType,
    /// Which copy of it this is, from 1.
    pub attempt: u8,
    /// Whom it is from: unspecified while we have no address.
    pub source: Ipv4Address,
    /// Whom it is for: everybody (255.255.255.255), or our server, perhaps by way of the router.
    pub destination: Ipv4Address,
    /// Its length in bytes: the payload of a UDP datagram.
    pub len: usize,
}

/// What stands in a message, apart from what every one has.
struct Draft {
    message_type: MessageType,
    xid: u32,
    secs: u16,
    ciaddr: Ipv4Address,
    requested: Option<Ipv4Address>,
    server: Option<Ipv4Address>,
}

impl Client {
    /// Whether a message is due.
    pub fn wants_to_send(&self, now: Instant) -> bool {
        self.farewell.is_some() || self.draft(now).is_some()
    }

    /// Writes the message that is due into `buffer`, as the payload of a UDP datagram. `None` if none
    /// is due, or `buffer` is too small for it (548 bytes are enough).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Outgoing> {
        if let Some(Farewell { message_type, xid, address, server }) = self.farewell {
            let mut draft = Draft { server: Some(server), ..Draft::new(message_type, xid, 0) };
            let is_release = message_type == MessageType::Release;
            if is_release {
                draft.ciaddr = address;
            } else {
                draft.requested = Some(address);
            }
            let len = draft.emit(self, buffer)?;
            self.farewell = None;
            return Some(draft.outgoing(if is_release { server } else { Ipv4Address::BROADCAST }, 1, len));
        }
        let (draft, destination, pace) = self.draft(now)?;
        let len = draft.emit(self, buffer)?;
        let exchange = match &mut self.state {
            State::Selecting { exchange, offers } => {
                *offers = 0;
                exchange
            }
            State::Requesting { exchange, .. }
            | State::Rebooting { exchange, .. }
            | State::Holding { phase: Holding::Renewing(exchange) | Holding::Rebinding(exchange), .. } => {
                exchange
            }
            State::Idle | State::Init { .. } | State::Holding { .. } => return None,
        };
        let attempt = exchange.note_sent(now, pace);
        Some(draft.outgoing(destination, attempt, len))
    }

    /// The message that is due, whom it is for, and how long to wait for an answer.
    fn draft(&self, now: Instant) -> Option<(Draft, Ipv4Address, Pace)> {
        let exchange = self.exchange().filter(|exchange| exchange.is_due(now))?;
        let draft = |message_type| Draft::new(message_type, exchange.xid, exchange.seconds(now));
        let all = Ipv4Address::BROADCAST;
        match &self.state {
            State::Selecting { .. } => {
                let requested = match self.memory {
                    Memory::Nothing => None,
                    Memory::Wish(address) | Memory::Lease(address) => Some(address),
                };
                Some((Draft { requested, ..draft(MessageType::Discover) }, all, Pace::Exponential))
            }
            State::Requesting { server, address, secs, .. } if exchange.sent < REQUEST_ATTEMPTS => {
                let (server, requested) = (Some(*server), Some(*address));
                let draft = Draft { server, requested, secs: *secs, ..draft(MessageType::Request) };
                Some((draft, all, Pace::Exponential))
            }
            State::Rebooting { address, .. } if exchange.sent < REBOOT_ATTEMPTS => {
                let draft = Draft { requested: Some(*address), ..draft(MessageType::Request) };
                Some((draft, all, Pace::Exponential))
            }
            State::Holding { lease, since, phase } => {
                let draft = Draft { ciaddr: lease.address.address(), ..draft(MessageType::Request) };
                let is_renewing = matches!(phase, Holding::Renewing(_));
                let until = match lease.times {
                    Times::Infinite if exchange.sent >= REQUEST_ATTEMPTS => return None,
                    Times::Infinite => now,
                    Times::Finite { rebinding, .. } if is_renewing => *since + rebinding,
                    Times::Finite { end, .. } => *since + end,
                };
                let Lease { server, .. } = *lease;
                Some((draft, if is_renewing { server } else { all }, Pace::HalfwayTo(until)))
            }
            _ => None,
        }
    }
}

impl Draft {
    const fn new(message_type: MessageType, xid: u32, secs: u16) -> Self {
        let ciaddr = Ipv4Address::UNSPECIFIED;
        Self { message_type, xid, secs, ciaddr, requested: None, server: None }
    }

    fn emit(&self, client: &Client, buffer: &mut [u8]) -> Option<usize> {
        let config = &client.config;
        let mut header =
            Header { secs: self.secs, ciaddr: self.ciaddr, ..Header::request(self.xid, config.mac) };
        // With an address of our own, unicast reaches us (RFC 2131 §4.1).
        header.set_broadcast(config.wants_broadcast && self.ciaddr.is_unspecified());
        let mut writer = Writer::new(buffer, &header);
        writer.message_type(self.message_type);
        if let Some(identifier) = config.identifier() {
            writer.push(OptionCode::CLIENT_IDENTIFIER, &identifier);
        }
        if let Some(address) = self.requested {
            writer.address(OptionCode::REQUESTED_ADDRESS, address);
        }
        if let Some(server) = self.server {
            writer.address(OptionCode::SERVER_IDENTIFIER, server);
        }
        // A DECLINE or RELEASE asks for nothing (RFC 2131 §4.4.1, table 5).
        if matches!(self.message_type, MessageType::Discover | MessageType::Request) {
            if !config.host_name.is_empty() {
                writer.push(OptionCode::HOST_NAME, config.host_name.as_bytes());
            }
            if !config.vendor_class.is_empty() {
                writer.push(OptionCode::VENDOR_CLASS, &config.vendor_class);
            }
            writer
                .u16(OptionCode::MAX_MESSAGE_SIZE, MAX_MESSAGE_SIZE)
                .push(OptionCode::PARAMETER_REQUEST_LIST, &PARAMETER_REQUEST_LIST);
        }
        writer.finish().ok()
    }

    const fn outgoing(&self, destination: Ipv4Address, attempt: u8, len: usize) -> Outgoing {
        Outgoing { message_type: self.message_type, attempt, source: self.ciaddr, destination, len }
    }
}
