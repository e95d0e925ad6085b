//! `/nic/update`: how the end of a tunnel whose IPv4 address has changed tells the broker. The protocol is that of dynamic
//! DNS, which tunnel brokers took over.
//!
//! ```text
//!   GET /nic/update?hostname=<tunnel>[&myip=<address>] HTTP/1.1
//!   Host: <broker>
//!   Authorization: Basic <base64 of user:key>
//!                                                     200, and in the body:  good 203.0.113.5
//!                                                                            nochg 203.0.113.5
//!                                                                            badauth, abuse, nohost, 911, …
//! ```
//!
//! The key stands in the request for everybody to read who sees it: it is worth no more than the connection's secrecy.
//!
//! Reading list: RFC 9112 §2, §3; RFC 7617 (Basic); RFC 4648 §4 (base64).

use smoltcp::wire::Ipv4Address;

use crate::cursor::Filler;
use crate::{BufferTooSmall, Malformed};

/// Octets of a request that are read: request line and header fields.
pub const REQUEST_MAX: usize = 1024;

/// RFC 9110 §4.2.1.
pub const HTTP: u16 = 80;

const PATH: &[u8] = b"/nic/update";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A request as it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Update<'a> {
    /// The broker's name.
    pub host: &'a str,
    /// Where it listens; named if it is not HTTP's own (RFC 9110 §7.2).
    pub port: u16,
    /// The tunnel: its number or name with the broker.
    pub hostname: &'a str,
    /// The new address; `None`: the one that the request comes from.
    pub address: Option<Ipv4Address>,
    /// The account.
    pub username: &'a str,
    /// The account's, or the tunnel's own, key.
    pub key: &'a str,
}

impl Update<'_> {
    /// Writes the request, and answers its length.
    ///
    /// # Errors
    /// [`BufferTooSmall`], also if a name holds what would end it early: `host` and `hostname` are letters, digits, dots,
    /// hyphens and underscores, `username` has no colon, neither it nor `key` a control character.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut filler = Filler::new(buffer);
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(is_name_octet);
        let is_plain = |text: &str| text.bytes().all(|octet| !octet.is_ascii_control());
        if !is_name(self.host)
            || !is_name(self.hostname)
            || !is_plain(self.username)
            || !is_plain(self.key)
            || self.username.contains(':')
        {
            filler.fail();
        }
        filler.put(b"GET /nic/update?hostname=");
        filler.put(self.hostname.as_bytes());
        if let Some(address) = self.address {
            filler.put(b"&myip=");
            put_address(&mut filler, address);
        }
        filler.put(b" HTTP/1.1\r\nHost: ");
        filler.put(self.host.as_bytes());
        if self.port != HTTP {
            filler.put(b":");
            put_number(&mut filler, usize::from(self.port));
        }
        filler.put(b"\r\nAuthorization: Basic ");
        let parts = [self.username.as_bytes(), b":", self.key.as_bytes()];
        put_base64(&mut filler, parts.into_iter().flatten().copied());
        filler.put(b"\r\nUser-Agent: Gatelet\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        filler.finish()
    }
}

/// A request as it was received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Which tunnel; empty if it does not say.
    pub hostname: &'a [u8],
    /// The new address, if it says so.
    pub address: Option<Ipv4Address>,
    /// What follows `Basic`, still in base64.
    authorization: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Reads a request. `None` until the empty line that ends its head has arrived.
    ///
    /// # Errors
    /// [`Malformed::RequestLine`] if it is no GET for `/nic/update`; [`Malformed::HeadTooLong`] if it has no end within
    /// [`REQUEST_MAX`]; [`Malformed::Text`] if `myip` is no IPv4 address, or an octet stands where none may.
    pub fn parse(octets: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let Some(end) = octets.windows(4).position(|end| end == b"\r\n\r\n") else {
            return if octets.len() >= REQUEST_MAX { Err(Malformed::HeadTooLong) } else { Ok(None) };
        };
        if end + 4 > REQUEST_MAX {
            return Err(Malformed::HeadTooLong);
        }
        let head = octets.get(..end).unwrap_or_default();
        let mut lines = head.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
        let mut words = lines.next().unwrap_or_default().split(|octet| *octet == b' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let is_get = method == Some(b"GET") && version.is_some_and(|version| version.starts_with(b"HTTP/1."));
        let query = target.and_then(|target| target.strip_prefix(PATH)).filter(|_| is_get);
        let query = query.filter(|query| query.is_empty() || query.starts_with(b"?"));
        let query = query.ok_or(Malformed::RequestLine)?;
        let mut request = Self { hostname: b"", address: None, authorization: None };
        for pair in query.strip_prefix(b"?").unwrap_or_default().split(|octet| *octet == b'&') {
            if let Some(hostname) = pair.strip_prefix(b"hostname=") {
                if !hostname.iter().copied().all(is_name_octet) {
                    return Err(Malformed::Text);
                }
                request.hostname = hostname;
            } else if let Some(address) = pair.strip_prefix(b"myip=") {
                request.address = Some(read_address(address).ok_or(Malformed::Text)?);
            }
        }
        for line in lines {
            let Some((name, value)) = split_once(line, b':') else { continue };
            if name.eq_ignore_ascii_case(b"authorization")
                && let Some((scheme, value)) = split_once(value.trim_ascii(), b' ')
                && scheme.eq_ignore_ascii_case(b"basic")
            {
                request.authorization = Some(value.trim_ascii());
            }
        }
        Ok(Some(request))
    }

    /// Decodes user name and key into `buffer`. `None` if there are none, or they cannot be read.
    pub fn credentials<'b>(&self, buffer: &'b mut [u8]) -> Option<(&'b [u8], &'b [u8])> {
        let len = decode_base64(self.authorization?, buffer)?;
        split_once(buffer.get(..len)?, b':')
    }
}

/// What a broker says to an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `good`: it uses the address now.
    Good(Option<Ipv4Address>),
    /// `nochg`: it did so already.
    NoChange(Option<Ipv4Address>),
    /// `badauth`, or 401: it does not know the account, or the key is wrong.
    BadAuth,
    /// `abuse`: it was told too often, and wants to hear nothing any more.
    Abuse,
    /// `nohost`, `notfqdn`, `numhost`, `!yours`: it does not know the tunnel.
    NoHost,
    /// `badagent`: it does not like programs like us.
    BadAgent,
    /// `911`, `dnserr`, 429, or 5xx: it cannot do it at the moment.
    ServerError,
}

impl Answer {
    /// Reads the status and the body of a response. `None` if they say nothing that is known.
    pub fn parse(status: u16, body: &[u8]) -> Option<Self> {
        let mut words = body.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let word = words.next().unwrap_or_default();
        let address = words.next().and_then(read_address);
        let is = |expected: &str| word.eq_ignore_ascii_case(expected.as_bytes());
        match status {
            401 => return Some(Self::BadAuth),
            429 | 500..=599 => return Some(Self::ServerError),
            _ => {}
        }
        // Refusals come with other statuses, too; a promise does not.
        Some(if status == 200 && is("good") {
            Self::Good(address)
        } else if status == 200 && is("nochg") {
            Self::NoChange(address)
        } else if is("badauth") {
            Self::BadAuth
        } else if is("abuse") {
            Self::Abuse
        } else if ["nohost", "notfqdn", "numhost", "!yours"].iter().any(|word| is(word)) {
            Self::NoHost
        } else if is("badagent") {
            Self::BadAgent
        } else if is("911") || is("dnserr") {
            Self::ServerError
        } else {
            return None;
        })
    }

    /// Writes a whole response, and answers its length.
    ///
    /// # Errors
    /// [`BufferTooSmall`]; 256 octets are enough.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut text = [0; 32];
        let mut body = Filler::new(&mut text);
        let (word, address) = match *self {
            Self::Good(address) => ("good", address),
            Self::NoChange(address) => ("nochg", address),
            Self::BadAuth => ("badauth", None),
            Self::Abuse => ("abuse", None),
            Self::NoHost => ("nohost", None),
            Self::BadAgent => ("badagent", None),
            Self::ServerError => ("911", None),
        };
        body.put(word.as_bytes());
        if let Some(address) = address {
            body.put(b" ");
            put_address(&mut body, address);
        }
        body.put(b"\r\n");
        let mut filler = Filler::new(buffer);
        filler.put(match self {
            Self::BadAuth => {
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"Gatelet\"\r\n".as_slice()
            }
            _ => b"HTTP/1.1 200 OK\r\n",
        });
        filler.put(b"Content-Type: text/plain\r\nConnection: close\r\nContent-Length: ");
        put_number(&mut filler, body.len());
        filler.put(b"\r\n\r\n");
        filler.put(body.written());
        filler.finish()
    }
}

/// What a name may hold, so that it needs no encoding.
const fn is_name_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_')
}

fn split_once(octets: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = octets.iter().position(|octet| *octet == separator)?;
    Some((octets.get(..at)?, octets.get(at + 1..)?))
}

fn read_address(text: &[u8]) -> Option<Ipv4Address> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

fn put_address(filler: &mut Filler<'_>, address: Ipv4Address) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            filler.put(b".");
        }
        put_number(filler, usize::from(octet));
    }
}

/// Writes a number below 100,000.
fn put_number(filler: &mut Filler<'_>, number: usize) {
    let digits = [10_000, 1000, 100, 10, 1].map(|place| b'0' + (number / place % 10) as u8);
    let zeros = digits.iter().take(4).take_while(|digit| **digit == b'0').count();
    filler.put(digits.get(zeros..).unwrap_or_default());
}

fn put_base64(filler: &mut Filler<'_>, mut octets: impl Iterator<Item = u8>) {
    while let Some(first) = octets.next() {
        let rest = [octets.next(), octets.next()];
        let all = [first, rest[0].unwrap_or(0), rest[1].unwrap_or(0)];
        let bits = u32::from_be_bytes([0, all[0], all[1], all[2]]);
        let mut text = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63]);
        for (letter, octet) in text[2..].iter_mut().zip(rest) {
            if octet.is_none() {
                *letter = b'=';
            }
        }
        filler.put(&text);
    }
}

/// Decodes into `buffer`, and answers how many octets there are.
fn decode_base64(text: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let mut filler = Filler::new(buffer);
    let (groups, odd) = text.as_chunks::<4>();
    if !odd.is_empty() {
        return None;
    }
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|letter| **letter == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups.len()) {
            return None;
        }
        let mut bits = 0;
        for letter in group.iter().take(4 - padding) {
            let value = ALPHABET.iter().position(|known| known == letter)?;
            bits = bits << 6 | value as u32;
        }
        bits <<= 6 * padding as u32;
        let [_, octets @ ..] = bits.to_be_bytes();
        let (octets, surplus) = octets.split_at_checked(3 - padding)?;
        // Bits that no octet takes must be zero: one text for one value.
        if surplus.iter().any(|octet| *octet != 0) {
            return None;
        }
        filler.put(octets);
    }
    filler.finish().ok()
}
