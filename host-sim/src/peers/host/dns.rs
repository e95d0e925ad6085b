//! DNS questions as a host asks them, and what it makes of the answers (RFC 1035 §4, RFC 3596).

use smoltcp::wire::IpAddress;

/// Where names are looked up.
pub const PORT: u16 = 53;
const HEADER: usize = 12;
const CLASS_IN: [u8; 2] = [0, 1];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
}

impl Kind {
    fn code(self) -> [u8; 2] {
        match self {
            Self::A => [0, 1],
            Self::Aaaa => [0, 28],
        }
    }

    fn address(self, data: &[u8]) -> Option<IpAddress> {
        match self {
            Self::A => <[u8; 4]>::try_from(data).ok().map(|octets| IpAddress::Ipv4(octets.into())),
            Self::Aaaa => <[u8; 16]>::try_from(data).ok().map(|octets| IpAddress::Ipv6(octets.into())),
        }
    }
}

/// A question for an address of `name`, recursion desired.
pub fn question(id: u16, name: &str, kind: Kind) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut message = vec![high, low, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len().min(63) as u8);
        message.extend_from_slice(&label.as_bytes()[..label.len().min(63)]);
    }
    message.push(0);
    message.extend_from_slice(&kind.code());
    message.extend_from_slice(&CLASS_IN);
    message
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The name has this address.
    Address(IpAddress),
    /// There is none: the response code, 0 if the name has no address.
    None(u8),
}

/// Reads the answer to `question`; `None` if it is not one.
pub fn answer(question: &[u8], message: &[u8]) -> Option<Answer> {
    let (header, body) = message.split_at_checked(HEADER)?;
    let asked = question.get(HEADER..)?;
    if header[..2] != question[..2] || header[2] & 0x80 == 0 || header[4..6] != [0, 1] {
        return None;
    }
    let [.., high, low, _, _] = *asked else { return None };
    let kind = if [high, low] == Kind::Aaaa.code() { Kind::Aaaa } else { Kind::A };
    let mut rest = body.strip_prefix(asked)?;
    for _ in 0..u16::from_be_bytes([header[6], header[7]]) {
        rest = skip_name(rest)?;
        let (fixed, after) = rest.split_at_checked(10)?;
        let (data, after) = after.split_at_checked(usize::from(u16::from_be_bytes([fixed[8], fixed[9]])))?;
        if fixed[..2] == kind.code()
            && let Some(address) = kind.address(data)
        {
            return Some(Answer::Address(address));
        }
        rest = after;
    }
    Some(Answer::None(header[3] & 0x0F))
}

fn skip_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match *rest.first()? {
            0 => return rest.get(1..),
            length if length & 0xC0 == 0xC0 => return rest.get(2..),
            length => rest = rest.get(1 + usize::from(length)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_belongs_to_its_question() {
        let asked = question(0x1234, "up.test", Kind::A);
        let mut reply = asked.clone();
        reply[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 2]);
        // An alias first, then the address of the name it stands for.
        reply.extend_from_slice(b"\xC0\x0C\0\x05\0\x01\0\0\0\x3C\0\x04\x01a\xC0\x0F");
        reply.extend_from_slice(b"\x01a\xC0\x0F\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x50");
        assert_eq!(answer(&asked, &reply), Some(Answer::Address(IpAddress::v4(192, 0, 2, 80))));
        let six = question(0x1234, "up.test", Kind::Aaaa);
        assert_eq!(answer(&six, &reply), None, "another type");
        let mut reply6 = six.clone();
        reply6[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
        reply6.extend_from_slice(b"\xC0\x0C\0\x1C\0\x01\0\0\0\x3C\0\x10");
        reply6.extend_from_slice(&[0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let address = IpAddress::v6(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1);
        assert_eq!(answer(&six, &reply6), Some(Answer::Address(address)));
        assert_eq!(answer(&question(0x1235, "up.test", Kind::A), &reply), None, "another id");
        assert_eq!(answer(&question(0x1234, "uq.test", Kind::A), &reply), None, "another name");
        assert_eq!(answer(&asked, &asked), None, "a question");
        assert_eq!(answer(&asked, &reply[..reply.len() - 1]), None, "cut short");
        let mut none = asked.clone();
        none[2..4].copy_from_slice(&[0x81, 0x83]);
        assert_eq!(answer(&asked, &none), Some(Answer::None(3)));
    }
}
