//! The options of a message and what some of them hold.

use core::iter;

use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::{END, PAD};
use crate::Malformed;
use crate::cursor::Reader;

/// The code of an option. Those named here are the ones this project speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OptionCode(pub u8);

impl OptionCode {
    /// Subnet Mask (RFC 2132 §3.3).
    pub const SUBNET_MASK: Self = Self(1);
    /// Router (RFC 2132 §3.5).
    pub const ROUTER: Self = Self(3);
    /// Domain Name Server (RFC 2132 §3.8).
    pub const DOMAIN_NAME_SERVER: Self = Self(6);
    /// Host Name (RFC 2132 §3.14).
    pub const HOST_NAME: Self = Self(12);
    /// Domain Name (RFC 2132 §3.17).
    pub const DOMAIN_NAME: Self = Self(15);
    /// Interface MTU (RFC 2132 §5.1).
    pub const INTERFACE_MTU: Self = Self(26);
    /// Broadcast Address (RFC 2132 §5.3).
    pub const BROADCAST_ADDRESS: Self = Self(28);
    /// Network Time Protocol Servers (RFC 2132 §8.3).
    pub const NTP_SERVERS: Self = Self(42);
    /// Requested IP Address (RFC 2132 §9.1).
    pub const REQUESTED_ADDRESS: Self = Self(50);
    /// IP Address Lease Time, in seconds (RFC 2132 §9.2).
    pub const LEASE_TIME: Self = Self(51);
    /// Option Overload (RFC 2132 §9.3).
    pub const OVERLOAD: Self = Self(52);
    /// DHCP Message Type (RFC 2132 §9.6).
    pub const MESSAGE_TYPE: Self = Self(53);
    /// Server Identifier (RFC 2132 §9.7).
    pub const SERVER_IDENTIFIER: Self = Self(54);
    /// Parameter Request List (RFC 2132 §9.8).
    pub const PARAMETER_REQUEST_LIST: Self = Self(55);
    /// Message, a text that says why (RFC 2132 §9.9).
    pub const MESSAGE: Self = Self(56);
    /// Maximum DHCP Message Size (RFC 2132 §9.10).
    pub const MAX_MESSAGE_SIZE: Self = Self(57);
    /// Renewal (T1) Time Value, in seconds (RFC 2132 §9.11).
    pub const RENEWAL_TIME: Self = Self(58);
    /// Rebinding (T2) Time Value, in seconds (RFC 2132 §9.12).
    pub const REBINDING_TIME: Self = Self(59);
    /// Vendor Class Identifier (RFC 2132 §9.13).
    pub const VENDOR_CLASS: Self = Self(60);
    /// Client-identifier (RFC 2132 §9.14).
    pub const CLIENT_IDENTIFIER: Self = Self(61);
    /// DHCP Captive-Portal: the URI of its API (RFC 8910 §2.1).
    pub const CAPTIVE_PORTAL: Self = Self(114);
    /// Classless Static Route (RFC 3442).
    pub const CLASSLESS_ROUTES: Self = Self(121);
}

/// One option as it stands in the message; perhaps a piece of a longer one (RFC 3396).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawOption<'a> {
    /// Its code, neither PAD nor END.
    pub code: OptionCode,
    /// Its value, possibly empty.
    pub value: &'a [u8],
}
/// The options of a [`Message`](super::Message), in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options<'a> {
    /// What is left of `options`, `file` and `sname`; the latter two are empty unless overloaded.
    fields: [&'a [u8]; 3],
}

impl<'a> Options<'a> {
    pub(super) const fn new(options: &'a [u8]) -> Self {
        Self { fields: [options, &[], &[]] }
    }

    /// Has two more fields read after `options`.
    pub(super) const fn append(&mut self, second: &'a [u8], third: &'a [u8]) {
        self.fields = [self.fields[0], second, third];
    }

    pub(super) fn parse_next(&mut self) -> Result<Option<RawOption<'a>>, Malformed> {
        for field in &mut self.fields {
            while let Some((&code, rest)) = field.split_first() {
                match code {
                    PAD => *field = rest,
                    END => *field = &[],
                    _ => {
                        let mut reader = Reader::new(rest);
                        let length = reader.u8().map_err(|_| Malformed::OptionOverrun)?;
                        let value = reader.take(usize::from(length), Malformed::OptionOverrun)?;
                        *field = reader.rest();
                        return Ok(Some(RawOption { code: OptionCode(code), value }));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = RawOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // `Message::parse` has read them all once: there is no error left to meet.
        self.parse_next().unwrap_or_default()
    }
}

/// The value of an option, wherever its pieces stand (RFC 3396 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value<'a> {
    code: OptionCode,
    /// From the first piece on.
    options: Options<'a>,
}

impl<'a> Value<'a> {
    pub(super) fn find(mut options: Options<'a>, code: OptionCode) -> Option<Self> {
        loop {
            let from_here = options.clone();
            if options.next()?.code == code {
                return Some(Self { code, options: from_here });
            }
        }
    }

    /// The pieces, in order; mostly one.
    pub fn pieces(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let code = self.code;
        self.options.clone().filter(move |option| option.code == code).map(|option| option.value)
    }

    /// All octets, in order.
    pub fn octets(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        self.pieces().flatten().copied()
    }

    /// How many octets it has.
    pub fn len(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value as a list of addresses, at least one.
    ///
    /// # Errors
    /// [`Malformed::OptionLength`] if the size is 0 or no multiple of four.
    pub fn addresses(&self) -> Result<impl Iterator<Item = Ipv4Address> + use<'a>, Malformed> {
        if self.is_empty() || !self.len().is_multiple_of(4) {
            return Err(Malformed::OptionLength);
        }
        let mut octets = self.octets();
        Ok(iter::from_fn(move || take(&mut octets).map(|all: [u8; 4]| Ipv4Address::from(all))))
    }

    /// The value as classless static routes (RFC 3442). Ends after the first error.
    pub fn classless_routes(&self) -> impl Iterator<Item = Result<Route, Malformed>> + use<'a> {
        let mut octets = self.octets().fuse();
        let mut failed = false;
        iter::from_fn(move || {
            let width = octets.next().filter(|_| !failed)?;
            let route = Route::take(width, &mut octets);
            failed = route.is_err();
            Some(route)
        })
    }
}

fn take<const N: usize>(octets: &mut impl Iterator<Item = u8>) -> Option<[u8; N]> {
    let mut taken = [0; N];
    for octet in &mut taken {
        *octet = octets.next()?;
    }
    Some(taken)
}

/// A classless static route (RFC 3442).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where it leads; no bits are set behind the prefix.
    pub destination: Ipv4Cidr,
    /// By whom. Unspecified: the destination is on the link itself.
    pub router: Ipv4Address,
}

impl Route {
    fn take(width: u8, octets: &mut impl Iterator<Item = u8>) -> Result<Self, Malformed> {
        if width > 32 {
            return Err(Malformed::PrefixLength);
        }
        let mut address = [0; 4];
        for octet in address.iter_mut().take(significant_octets(width)) {
            *octet = octets.next().ok_or(Malformed::OptionLength)?;
        }
        let router = take(octets).ok_or(Malformed::OptionLength)?;
        let destination = Ipv4Cidr::new(Ipv4Address::from(address), width).network();
        Ok(Self { destination, router: Ipv4Address::from(router) })
    }

    /// Width, four octets of destination, four of router.
    pub(super) const MAX_LEN: usize = 9;

    pub(super) const fn encoded_len(&self) -> usize {
        1 + significant_octets(self.destination.prefix_len()) + 4
    }
}

/// How many octets of a destination are written (RFC 3442, "Classless Route Option Format").
pub(super) const fn significant_octets(width: u8) -> usize {
    width.div_ceil(8) as usize
}
