//! Writing a message.

use smoltcp::wire::Ipv4Address;

use super::option::significant_octets;
use super::{END, Header, MAGIC_COOKIE, MIN_LEN, MessageType, OptionCode, PAD, Route};
use crate::BufferTooSmall;
use crate::cursor::Filler;

/// Writes a message, header first, into a lent buffer.
///
/// ```
/// use gatelet_wire::EthernetAddress;
/// use gatelet_wire::dhcpv4::{Header, MIN_LEN, MessageType, OptionCode, Writer};
/// let mut buffer = [0; 576];
/// let header = Header::request(0x1234, EthernetAddress([2, 0, 0, 0, 0, 1]));
/// let len = Writer::new(&mut buffer, &header)
///     .message_type(MessageType::Discover)
///     .push(OptionCode::HOST_NAME, b"printer")
///     .finish()?;
/// assert_eq!(len, MIN_LEN);
/// # Ok::<(), gatelet_wire::BufferTooSmall>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    filler: Filler<'a>,
}

impl<'a> Writer<'a> {
    /// Begins a message at the front of `buffer`. No option goes into `sname` or `file`: they are
    /// zeros.
    pub fn new(buffer: &'a mut [u8], header: &Header) -> Self {
        let mut filler = Filler::new(buffer);
        header.put(&mut filler);
        filler.zeros(64 + 128);
        filler.put(&MAGIC_COOKIE);
        Self { filler }
    }

    /// Appends an option, in pieces if it is longer than 255 octets (RFC 3396 §5). One that does not
    /// fit is told by [`Writer::finish`].
    pub fn push(&mut self, code: OptionCode, value: &[u8]) -> &mut Self {
        if matches!(code.0, PAD | END) {
            self.filler.fail();
        }
        let mut rest = value;
        loop {
            let (piece, after) = rest.split_at(rest.len().min(255));
            self.filler.put(&[code.0, piece.len() as u8]);
            self.filler.put(piece);
            if after.is_empty() {
                return self;
            }
            rest = after;
        }
    }

    /// Appends the option if there is one, and it leaves room for END: for what may be left out.
    /// Answers whether it was appended.
    pub fn push_if_it_fits(&mut self, code: OptionCode, value: &[u8]) -> bool {
        let headers = 2 * value.len().div_ceil(255).max(1);
        let fits = value.len() + headers < self.filler.room_left();
        if fits {
            self.push(code, value);
        }
        fits
    }

    /// Appends option 53.
    pub fn message_type(&mut self, message_type: MessageType) -> &mut Self {
        self.push(OptionCode::MESSAGE_TYPE, &[message_type.into()])
    }

    /// Appends an option that is one address.
    pub fn address(&mut self, code: OptionCode, address: Ipv4Address) -> &mut Self {
        self.push(code, &address.octets())
    }

    /// Appends an option that is a number of 16 bits.
    pub fn u16(&mut self, code: OptionCode, value: u16) -> &mut Self {
        self.push(code, &value.to_be_bytes())
    }

    /// Appends an option that is a number of 32 bits.
    pub fn u32(&mut self, code: OptionCode, value: u32) -> &mut Self {
        self.push(code, &value.to_be_bytes())
    }

    /// Appends option 121, in several pieces if there are many routes.
    pub fn classless_routes(&mut self, routes: &[Route]) -> &mut Self {
        for piece in routes.chunks(255 / Route::MAX_LEN) {
            let length: usize = piece.iter().map(Route::encoded_len).sum();
            self.filler.put(&[OptionCode::CLASSLESS_ROUTES.0, length as u8]);
            for route in piece {
                let width = route.destination.prefix_len();
                let address = route.destination.network().address().octets();
                self.filler.put(&[width]);
                self.filler.put(address.get(..significant_octets(width)).unwrap_or_default());
                self.filler.put(&route.router.octets());
            }
        }
        self
    }

    /// Appends END, pads to [`MIN_LEN`], and answers the length of the message.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if anything did not fit, or an option had the code of PAD or END.
    pub fn finish(&mut self) -> Result<usize, BufferTooSmall> {
        self.filler.put(&[END]);
        self.filler.zeros(MIN_LEN.saturating_sub(self.filler.len()));
        self.filler.finish()
    }
}
