//! A question to a resolver, and what there is in its answer.
//!
//! Reading list: RFC 1035 §4.1, §7.3 (whose answer it is); RFC 2181 §10.1 (aliases).

use core::net::IpAddr;

use gatelet_proto::connectivity::{DnsError, Family};
use gatelet_wire::dns::{
    Class, Flags, HEADER_LEN, MAX_NAME_LEN, MAX_UDP_LEN, Message, NameBuf, Rcode, Section, Type, Writer,
};
use heapless::Vec;

/// The longest question: a header, a name, QTYPE and QCLASS.
pub(super) const QUESTION_MAX: usize = HEADER_LEN + MAX_NAME_LEN + 4;
/// The longest answer that is read, over TCP; over UDP none is longer without EDNS.
pub(super) const MESSAGE_MAX: usize = 2 * MAX_UDP_LEN;
/// Addresses of an answer that are reported; the first is the one that is used.
const ADDRESSES_MAX: usize = 8;
/// Aliases that are followed. Delivery networks have three or four.
const ALIASES_MAX: usize = 8;

/// A question.
pub(super) struct Question {
    id: u16,
    name: NameBuf,
    family: Family,
}

/// An answer to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The addresses; none: the name has none of the family.
    Addresses(Vec<IpAddr, ADDRESSES_MAX>),
    /// The resolver says no, or makes no sense.
    Error(DnsError),
}

impl Question {
    /// `None` if `name` is no domain name.
    pub(super) fn new(id: u16, name: &str, family: Family) -> Option<Self> {
        Some(Self { id, name: NameBuf::from_text(name).ok()?, family })
    }

    /// Writes it.
    pub(super) fn emit<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let len = Writer::new(buffer, self.id, Flags::RECURSION_DESIRED)
            .question(&self.name, self.kind(), Class::IN)
            .finish()
            .ok()?;
        buffer.get(..len)
    }

    /// Reads an answer. `None` if it is none to this question.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<Reply> {
        let message = Message::parse(bytes).ok()?;
        let is_its = message.id() == self.id && message.flags().contains(Flags::RESPONSE);
        if !is_its {
            return None;
        }
        match message.question() {
            Ok(Some(asked)) if asked.kind == self.kind() && asked.name.eq_ignore_ascii_case(&self.name) => {}
            // Servers that refuse may leave the question out.
            Ok(None) if message.flags().rcode() != Rcode::NOERROR => {}
            _ => return None,
        }
        let failure = Reply::Error(DnsError::ServerFailure);
        Some(match message.flags().rcode() {
            Rcode::NOERROR => match self.addresses(&message) {
                // One that was cut off before the first address says nothing.
                Some(addresses) if addresses.is_empty() && message.flags().contains(Flags::TRUNCATED) => {
                    failure
                }
                Some(addresses) => Reply::Addresses(addresses),
                None => failure,
            },
            Rcode::NXDOMAIN => Reply::Error(DnsError::NoSuchName),
            Rcode::REFUSED => Reply::Error(DnsError::Refused),
            _ => failure,
        })
    }

    fn kind(&self) -> Type {
        match self.family {
            Family::Ipv4 => Type::A,
            Family::Ipv6 => Type::AAAA,
        }
    }

    /// The addresses behind the name and its aliases, in whatever order they stand. `None` if it cannot be read.
    fn addresses(&self, message: &Message<'_>) -> Option<Vec<IpAddr, ADDRESSES_MAX>> {
        let mut name = self.name;
        for _ in 0..=ALIASES_MAX {
            let mut addresses = Vec::new();
            let mut alias = None;
            for record in message.records().ok()? {
                let record = record.ok()?;
                if record.section != Section::Answer || !record.name.eq_ignore_ascii_case(&name) {
                    continue;
                }
                match record.address() {
                    // More than there is room for are of no use.
                    Some(address) if record.kind == self.kind() => drop(addresses.push(address.into())),
                    _ if record.kind == Type::CNAME => alias = record.target(),
                    _ => {}
                }
            }
            match alias {
                Some(alias) if addresses.is_empty() => name = alias.to_buf(),
                _ => return Some(addresses),
            }
        }
        // In a circle, or no way to an address.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "captive.example";

    fn question() -> Question {
        Question::new(0x1234, NAME, Family::Ipv4).unwrap()
    }

    /// Name, type, data.
    type Rr<'a> = (&'a str, Type, &'a [u8]);

    fn answer(name: &str, id: u16, rcode: Rcode, records: &[Rr<'_>]) -> std::vec::Vec<u8> {
        let mut buffer = [0xA5; 1024];
        let flags = Flags::RESPONSE.with(Flags::RECURSION_AVAILABLE).with_rcode(rcode);
        let mut writer = Writer::new(&mut buffer, id, flags);
        writer.question(&NameBuf::from_text(name).unwrap(), Type::A, Class::IN);
        for (owner, kind, data) in records {
            let owner = NameBuf::from_text(owner).unwrap();
            writer.record(Section::Answer, &owner, *kind, Class::IN, 60, data);
        }
        let len = writer.finish().unwrap();
        buffer[..len].to_vec()
    }

    fn addresses(octets: &[[u8; 4]]) -> Reply {
        Reply::Addresses(octets.iter().map(|octets| IpAddr::from(*octets)).collect())
    }

    #[test]
    fn a_question_is_read_by_a_server() {
        let mut buffer = [0xA5; QUESTION_MAX];
        let message = Message::parse(question().emit(&mut buffer).unwrap()).unwrap();
        let asked = message.question().unwrap().unwrap();
        assert_eq!((message.id(), asked.kind, asked.class), (0x1234, Type::A, Class::IN));
        assert!(asked.name.eq_ignore_ascii_case(&NameBuf::from_text(NAME).unwrap()));
    }

    #[test]
    fn aliases_are_followed_in_any_order() {
        let (edge, far) =
            (NameBuf::from_text("edge.example").unwrap(), NameBuf::from_text("b.example").unwrap());
        let chain: [Rr<'_>; 4] = [
            ("b.example", Type::A, &[192, 0, 2, 7]),
            ("edge.example", Type::CNAME, far.as_bytes()),
            (NAME, Type::CNAME, edge.as_bytes()),
            ("stranger.example", Type::A, &[192, 0, 2, 66]),
        ];
        let expected = Some(addresses(&[[192, 0, 2, 7]]));
        assert_eq!(question().read(&answer(NAME, 0x1234, Rcode::NOERROR, &chain)), expected);
        assert_eq!(question().read(&answer("Captive.EXAMPLE", 0x1234, Rcode::NOERROR, &chain)), expected);
        let circle: [Rr<'_>; 2] =
            [(NAME, Type::CNAME, edge.as_bytes()), ("edge.example", Type::CNAME, edge.as_bytes())];
        let circle = question().read(&answer(NAME, 0x1234, Rcode::NOERROR, &circle));
        assert_eq!(circle, Some(Reply::Error(DnsError::ServerFailure)));
    }

    #[test]
    fn what_is_no_answer_to_it_is_none() {
        let records: [Rr<'_>; 1] = [(NAME, Type::A, &[192, 0, 2, 7])];
        let good = answer(NAME, 0x1234, Rcode::NOERROR, &records);
        assert_eq!(question().read(&good), Some(addresses(&[[192, 0, 2, 7]])));
        assert_eq!(question().read(&answer(NAME, 0x1235, Rcode::NOERROR, &records)), None, "another's");
        assert_eq!(question().read(&answer("x.example", 0x1234, Rcode::NOERROR, &records)), None);
        let mut query = [0; QUESTION_MAX];
        assert_eq!(question().read(question().emit(&mut query).unwrap()), None, "its own echo");
        assert_eq!(question().read(&good[..11]), None);
        assert_eq!(question().read(&good[..good.len() - 1]), Some(Reply::Error(DnsError::ServerFailure)));
    }

    #[test]
    fn a_no_is_told_from_nothing() {
        let read = |rcode| question().read(&answer(NAME, 0x1234, rcode, &[]));
        assert_eq!(read(Rcode::NOERROR), Some(addresses(&[])));
        assert_eq!(read(Rcode::NXDOMAIN), Some(Reply::Error(DnsError::NoSuchName)));
        assert_eq!(read(Rcode::REFUSED), Some(Reply::Error(DnsError::Refused)));
        assert_eq!(read(Rcode::SERVFAIL), Some(Reply::Error(DnsError::ServerFailure)));
        let mut cut = answer(NAME, 0x1234, Rcode::NOERROR, &[]);
        cut[2] |= 0x02;
        assert_eq!(question().read(&cut), Some(Reply::Error(DnsError::ServerFailure)));
    }
}
