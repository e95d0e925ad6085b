//! What kind of message a frame is, by the names of the RFCs: to lose just that one, and to name frames.

use core::fmt;
use core::str::FromStr;

use gatelet_wire::ppp::{self, Code, Protocol};
use gatelet_wire::{ethernet, pppoe};
use serde::Deserialize;

/// The kind of message a frame carries. As text: `padi`, `lcp configure-request`, `pap authenticate-ack`,
/// `chap challenge`, `ipcp configure-nak`, `ipv4`, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Message {
    /// PPPoE Active Discovery Initiation.
    Padi,
    /// ... Offer.
    Pado,
    /// ... Request.
    Padr,
    /// ... Session-confirmation.
    Pads,
    /// ... Terminate.
    Padt,
    /// A control packet of PPP: protocol and code.
    Control(Protocol, u8),
    /// An IPv4 packet of a session.
    Ipv4,
    /// An IPv6 packet of a session.
    Ipv6,
    /// Anything else.
    Other,
}

const PROTOCOLS: [(Protocol, &str); 5] = [
    (Protocol::Lcp, "lcp"),
    (Protocol::Pap, "pap"),
    (Protocol::Chap, "chap"),
    (Protocol::Ipcp, "ipcp"),
    (Protocol::Ipv6cp, "ipv6cp"),
];
/// Codes of LCP and the NCPs, from 1 on (RFC 1661 §5).
const CONTROL_CODES: [&str; 11] = [
    "configure-request",
    "configure-ack",
    "configure-nak",
    "configure-reject",
    "terminate-request",
    "terminate-ack",
    "code-reject",
    "protocol-reject",
    "echo-request",
    "echo-reply",
    "discard-request",
];
/// RFC 1334 §2.2.
const PAP_CODES: [&str; 3] = ["authenticate-request", "authenticate-ack", "authenticate-nak"];
/// RFC 1994 §4.
const CHAP_CODES: [&str; 4] = ["challenge", "response", "success", "failure"];

fn codes(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Pap => &PAP_CODES,
        Protocol::Chap => &CHAP_CODES,
        _ => &CONTROL_CODES,
    }
}

impl Message {
    /// What `frame` (from the Ethernet header on) carries.
    pub fn of(frame: &[u8]) -> Self {
        Self::parse(frame).unwrap_or(Self::Other)
    }

    fn parse(frame: &[u8]) -> Option<Self> {
        let (header, payload) = ethernet::Header::parse(frame).ok()?;
        match header.ether_type {
            ethernet::PPPOE_DISCOVERY => match pppoe::Packet::parse(payload).ok()?.code {
                pppoe::Code::Padi => Some(Self::Padi),
                pppoe::Code::Pado => Some(Self::Pado),
                pppoe::Code::Padr => Some(Self::Padr),
                pppoe::Code::Pads => Some(Self::Pads),
                pppoe::Code::Padt => Some(Self::Padt),
                _ => None,
            },
            ethernet::PPPOE_SESSION => {
                let packet = pppoe::Packet::parse(payload).ok()?;
                match ppp::parse(packet.payload).ok()? {
                    (Protocol::Ipv4, _) => Some(Self::Ipv4),
                    (Protocol::Ipv6, _) => Some(Self::Ipv6),
                    (protocol, rest) => Some(Self::Control(protocol, *rest.first()?)),
                }
            }
            _ => None,
        }
    }

    /// Whether it is a PADI or a PADR, which concentrators count.
    pub fn is_counted_discovery(self) -> bool {
        matches!(self, Self::Padi | Self::Padr)
    }

    /// Whether it is LCP's Echo-Request or -Reply.
    pub fn is_echo(self) -> bool {
        let Self::Control(Protocol::Lcp, code) = self else { return false };
        matches!(Code::from(code), Code::EchoRequest | Code::EchoReply)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Padi => f.write_str("PADI"),
            Self::Pado => f.write_str("PADO"),
            Self::Padr => f.write_str("PADR"),
            Self::Pads => f.write_str("PADS"),
            Self::Padt => f.write_str("PADT"),
            Self::Ipv4 => f.write_str("IPv4"),
            Self::Ipv6 => f.write_str("IPv6"),
            Self::Other => f.write_str("other"),
            Self::Control(protocol, code) => {
                let name = PROTOCOLS.iter().find(|(known, _)| *known == protocol).map(|(_, name)| *name);
                let code_name = usize::from(code).checked_sub(1).and_then(|index| codes(protocol).get(index));
                write!(f, "{}", name.unwrap_or("PPP").to_uppercase())?;
                match code_name {
                    Some(code) => write!(f, " {code}"),
                    None => write!(f, " code {code}"),
                }
            }
        }
    }
}

impl FromStr for Message {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        let simple = [Self::Padi, Self::Pado, Self::Padr, Self::Pads, Self::Padt, Self::Ipv4, Self::Ipv6];
        if let Some(message) = simple.into_iter().find(|message| message.to_string().to_lowercase() == lower)
        {
            return Ok(message);
        }
        let (protocol, code) = lower.split_once(' ').unwrap_or((&lower, ""));
        let Some((protocol, _)) = PROTOCOLS.iter().find(|(_, name)| *name == protocol) else {
            return Err(format!(
                "no message is called {text:?}: try padi, pado, padr, pads, padt, ipv4, ipv6, \
                 or lcp, pap, chap, ipcp, ipv6cp and a code"
            ));
        };
        match codes(*protocol).iter().position(|name| *name == code) {
            Some(index) => Ok(Self::Control(*protocol, index as u8 + 1)),
            None => Err(format!("no code is called {code:?}: try {}", codes(*protocol).join(", "))),
        }
    }
}

impl TryFrom<String> for Message {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        let mut names = vec!["padi", "pado", "padr", "pads", "padt", "ipv4", "ipv6"];
        names.extend(["pap authenticate-nak", "chap challenge", "ipcp configure-nak", "lcp echo-reply"]);
        for name in names {
            let message: Message = name.parse().unwrap();
            assert_eq!(message.to_string().to_lowercase(), name);
        }
        assert!("pap challenge".parse::<Message>().unwrap_err().contains("authenticate-request"));
        assert!("hello".parse::<Message>().unwrap_err().contains("padi"));
    }

    #[test]
    fn frames_are_recognised() {
        let mut frame = vec![0xFF; 60];
        frame[12..20].copy_from_slice(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 6]);
        frame[20..26].copy_from_slice(&[0xC0, 0x21, 9, 1, 0, 4]);
        assert_eq!(Message::of(&frame), "lcp echo-request".parse().unwrap());
        assert!(Message::of(&frame).is_echo());
        frame[12..20].copy_from_slice(&[0x88, 0x63, 0x11, 0x19, 0, 0, 0, 0]);
        assert!(Message::of(&frame).is_counted_discovery());
        assert_eq!(Message::of(&[]), Message::Other);
    }
}
