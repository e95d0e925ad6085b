//! A client's message, boiled down to what its answer needs; and the answer.

use gatelet_wire::dhcpv4::{Header, Message, MessageType, OptionCode, Value, Writer};
use gatelet_wire::{EthernetAddress, Ipv4Address, Malformed};
use heapless::Vec;

use super::config::Config;
use super::lease::ClientKey;
use crate::dhcp::host_name::{self, HostName};

/// Client identifiers up to this length are echoed (RFC 6842 §3); with a longer one, the client goes
/// by `xid` and `chaddr`. A DUID with its IAID takes 19 to 23 (RFC 4361 §6.1).
const ECHOED_IDENTIFIER_MAX: usize = 32;

/// The options that depend on what is asked for.
const OPTIONAL: [OptionCode; 8] = [
    OptionCode::SUBNET_MASK,
    OptionCode::ROUTER,
    OptionCode::DOMAIN_NAME_SERVER,
    OptionCode::DOMAIN_NAME,
    OptionCode::INTERFACE_MTU,
    OptionCode::BROADCAST_ADDRESS,
    OptionCode::NTP_SERVERS,
    OptionCode::CAPTIVE_PORTAL,
];

/// What a client gets that does not say what it wants.
const UNASKED: [OptionCode; 4] =
    [OptionCode::SUBNET_MASK, OptionCode::ROUTER, OptionCode::DOMAIN_NAME_SERVER, OptionCode::DOMAIN_NAME];

/// What of a client's message its answer needs, kept while a probe is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) key: ClientKey,
    pub(super) mac: EthernetAddress,
    pub(super) ciaddr: Ipv4Address,
    pub(super) host_name: HostName,
    /// The lease time it asks for, in seconds.
    pub(super) lease_seconds: Option<u32>,
    xid: u32,
    wants_broadcast: bool,
    identifier: Option<Vec<u8, ECHOED_IDENTIFIER_MAX, u8>>,
    /// The options it wants of [`OPTIONAL`], in its order.
    wanted: Vec<OptionCode, { OPTIONAL.len() }, u8>,
    max_len: usize,
}

impl Request {
    pub(super) fn new(
        config: &Config,
        message: &Message<'_>,
        mac: EthernetAddress,
    ) -> Result<Self, Malformed> {
        let identifier = message.value(OptionCode::CLIENT_IDENTIFIER);
        let host_name = message.value(OptionCode::HOST_NAME);
        // A reservation is for the host, whatever each of its systems calls itself.
        let known_by = identifier.as_ref().filter(|_| config.reserved_for(mac).is_none());
        Ok(Self {
            key: ClientKey::new(mac, known_by.map(Value::octets)),
            mac,
            ciaddr: message.header.ciaddr,
            host_name: host_name.map_or_else(HostName::new, |value| host_name::host_name(value.octets())),
            lease_seconds: message.u32(OptionCode::LEASE_TIME)?,
            xid: message.header.xid,
            wants_broadcast: message.header.wants_broadcast(),
            identifier: identifier
                .filter(|value| value.len() <= ECHOED_IDENTIFIER_MAX)
                .map(|value| value.octets().collect()),
            wanted: wanted(message),
            max_len: message.max_answer_len()?,
        })
    }
}

fn wanted(message: &Message<'_>) -> Vec<OptionCode, { OPTIONAL.len() }, u8> {
    let mut wanted = Vec::new();
    match message.value(OptionCode::PARAMETER_REQUEST_LIST) {
        None => wanted.extend(UNASKED),
        Some(list) => {
            for code in list.octets().map(OptionCode) {
                if OPTIONAL.contains(&code) && !wanted.contains(&code) {
                    // As many places as codes: it always fits.
                    let _ = wanted.push(code);
                }
            }
        }
    }
    wanted
}

/// An answer that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) request: Request,
    pub(super) kind: AnswerKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Offer {
        address: Ipv4Address,
        lease_seconds: u32,
    },
    Ack {
        address: Ipv4Address,
        lease_seconds: u32,
    },
    /// To an INFORM: what there is to know, without a lease (RFC 2131 §4.3.5).
    Information,
    /// The text says why.
    Nak(&'static str),
}

/// Whom a datagram is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// The Ethernet address: no ARP is needed, or possible, for a client without address.
    pub mac: EthernetAddress,
    /// The IP address; the port is 68.
    pub ip: Ipv4Address,
}

impl Destination {
    const BROADCAST: Self = Self { mac: EthernetAddress::BROADCAST, ip: Ipv4Address::BROADCAST };
}

impl Answer {
    /// Where it goes, without relays (RFC 2131 §4.1).
    pub(super) fn destination(&self) -> Destination {
        let Request { mac, ciaddr, .. } = self.request;
        match self.kind {
            AnswerKind::Nak(_) => Destination::BROADCAST,
            _ if !ciaddr.is_unspecified() => Destination { mac, ip: ciaddr },
            _ if self.request.wants_broadcast => Destination::BROADCAST,
            AnswerKind::Offer { address, .. } | AnswerKind::Ack { address, .. } => {
                Destination { mac, ip: address }
            }
            AnswerKind::Information => Destination::BROADCAST,
        }
    }

    /// Writes it, no longer than the client takes. `None` if `buffer` does not hold what must be in it.
    pub(super) fn emit(&self, config: &Config, uri: &str, buffer: &mut [u8]) -> Option<usize> {
        let request = &self.request;
        let mut header = Header::reply(request.xid, request.mac);
        header.set_broadcast(request.wants_broadcast);
        let (message_type, lease_seconds) = match self.kind {
            AnswerKind::Offer { address, lease_seconds } => {
                header.yiaddr = address;
                (MessageType::Offer, Some(lease_seconds))
            }
            AnswerKind::Ack { address, lease_seconds } => {
                header.yiaddr = address;
                header.ciaddr = request.ciaddr;
                (MessageType::Ack, Some(lease_seconds))
            }
            AnswerKind::Information => {
                header.ciaddr = request.ciaddr;
                (MessageType::Ack, None)
            }
            AnswerKind::Nak(_) => (MessageType::Nak, None),
        };
        let room = request.max_len.min(buffer.len());
        let mut writer = Writer::new(buffer.get_mut(..room)?, &header);
        writer.message_type(message_type).address(OptionCode::SERVER_IDENTIFIER, config.own());
        if let Some(identifier) = &request.identifier {
            writer.push(OptionCode::CLIENT_IDENTIFIER, identifier);
        }
        if let Some(seconds) = lease_seconds {
            // T1 and T2 at half and seven eighths of the lease (RFC 2131 §4.4.5).
            writer
                .u32(OptionCode::LEASE_TIME, seconds)
                .u32(OptionCode::RENEWAL_TIME, seconds / 2)
                .u32(OptionCode::REBINDING_TIME, seconds - seconds / 8);
        }
        if let AnswerKind::Nak(text) = self.kind {
            writer.push(OptionCode::MESSAGE, text.as_bytes());
        } else {
            // The mask before the router, whatever the client's order (RFC 2132 §3.3).
            put_optional(&mut writer, OptionCode::SUBNET_MASK, config, uri);
            for code in request.wanted.iter().filter(|code| **code != OptionCode::SUBNET_MASK) {
                put_optional(&mut writer, *code, config, uri);
            }
        }
        writer.finish().ok()
    }
}

/// One of [`OPTIONAL`], if there is something to say and room for it.
fn put_optional(writer: &mut Writer<'_>, code: OptionCode, config: &Config, uri: &str) {
    let mut address = |address: Ipv4Address| writer.push_if_it_fits(code, &address.octets());
    let _ = match code {
        OptionCode::SUBNET_MASK => address(config.address.netmask()),
        OptionCode::ROUTER | OptionCode::DOMAIN_NAME_SERVER => address(config.own()),
        OptionCode::BROADCAST_ADDRESS => config.address.broadcast().is_some_and(address),
        OptionCode::NTP_SERVERS => config.ntp_server.is_some_and(address),
        OptionCode::DOMAIN_NAME if !config.domain_name.is_empty() => {
            writer.push_if_it_fits(code, config.domain_name.as_bytes())
        }
        OptionCode::INTERFACE_MTU => {
            config.mtu.is_some_and(|mtu| writer.push_if_it_fits(code, &mtu.to_be_bytes()))
        }
        OptionCode::CAPTIVE_PORTAL if !uri.is_empty() => writer.push_if_it_fits(code, uri.as_bytes()),
        _ => false,
    };
}
