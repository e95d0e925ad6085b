//! Writing a message.

use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use super::{MessageType, OptionCode, StatusCode, TransactionId};
use crate::BufferTooSmall;
use crate::cursor::Filler;

/// Writes a message, header first, into a lent buffer.
///
/// ```
/// use gatelet_wire::dhcpv6::{MessageType, OptionCode, TransactionId, Writer};
/// let mut buffer = [0; 200];
/// let len = Writer::new(&mut buffer, MessageType::Solicit, TransactionId([1, 2, 3]))
///     .push(OptionCode::CLIENT_ID, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1])
///     .ia(OptionCode::IA_PD, 1, 0, 0, |_| {})
///     .finish()?;
/// assert_eq!(len, 4 + 14 + 16);
/// # Ok::<(), gatelet_wire::BufferTooSmall>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    filler: Filler<'a>,
}

impl<'a> Writer<'a> {
    /// Begins a message at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8], message_type: MessageType, transaction_id: TransactionId) -> Self {
        let mut filler = Filler::new(buffer);
        filler.put(&[message_type.into()]);
        filler.put(&transaction_id.0);
        Self { filler }
    }

    /// Appends an option. One that does not fit is told by [`Writer::finish`].
    pub fn push(&mut self, code: OptionCode, value: &[u8]) -> &mut Self {
        self.nested(code, |writer| writer.filler.put(value))
    }

    /// Appends an option that is a number of 32 bits.
    pub fn u32(&mut self, code: OptionCode, value: u32) -> &mut Self {
        self.push(code, &value.to_be_bytes())
    }

    /// Appends the options that are asked for.
    pub fn option_request(&mut self, codes: &[OptionCode]) -> &mut Self {
        self.nested(OptionCode::OPTION_REQUEST, |writer| {
            for code in codes {
                writer.filler.put(&code.0.to_be_bytes());
            }
        })
    }

    /// Appends the time since the client began, in hundredths of a second.
    pub fn elapsed_time(&mut self, hundredths: u16) -> &mut Self {
        self.push(OptionCode::ELAPSED_TIME, &hundredths.to_be_bytes())
    }

    /// Appends a status.
    pub fn status(&mut self, code: StatusCode, text: &str) -> &mut Self {
        self.nested(OptionCode::STATUS_CODE, |writer| {
            writer.filler.put(&u16::from(code).to_be_bytes());
            writer.filler.put(text.as_bytes());
        })
    }

    /// Appends a list of addresses; nothing if there are none.
    pub fn addresses(&mut self, code: OptionCode, addresses: &[Ipv6Address]) -> &mut Self {
        if addresses.is_empty() {
            return self;
        }
        self.nested(code, |writer| {
            for address in addresses {
                writer.filler.put(&address.octets());
            }
        })
    }

    /// Appends an [`OptionCode::IA_NA`] or [`OptionCode::IA_PD`], and in it what `fill` writes.
    pub fn ia(
        &mut self,
        code: OptionCode,
        iaid: u32,
        t1_seconds: u32,
        t2_seconds: u32,
        fill: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.nested(code, |writer| {
            for number in [iaid, t1_seconds, t2_seconds] {
                writer.filler.put(&number.to_be_bytes());
            }
            fill(writer);
        })
    }

    /// Appends an address, for within an IA.
    pub fn ia_address(&mut self, address: Ipv6Address, preferred_seconds: u32, valid_seconds: u32) {
        self.nested(OptionCode::IA_ADDRESS, |writer| {
            writer.filler.put(&address.octets());
            writer.filler.put(&preferred_seconds.to_be_bytes());
            writer.filler.put(&valid_seconds.to_be_bytes());
        });
    }

    /// Appends a prefix, for within an IA.
    pub fn ia_prefix(&mut self, prefix: Ipv6Cidr, preferred_seconds: u32, valid_seconds: u32) {
        self.nested(OptionCode::IA_PREFIX, |writer| {
            writer.filler.put(&preferred_seconds.to_be_bytes());
            writer.filler.put(&valid_seconds.to_be_bytes());
            writer.filler.put(&[prefix.prefix_len()]);
            writer.filler.put(&prefix.address().octets());
        });
    }

    /// Answers the length of the message.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if anything did not fit.
    pub fn finish(&mut self) -> Result<usize, BufferTooSmall> {
        self.filler.finish()
    }

    /// Appends an option whose value is what `fill` writes.
    fn nested(&mut self, code: OptionCode, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.filler.put(&code.0.to_be_bytes());
        let length_at = self.filler.len();
        self.filler.zeros(2);
        let begin = self.filler.len();
        fill(self);
        self.filler.patch_u16(length_at, self.filler.len() - begin);
        self
    }
}
