//! The console's line: the UART and the USB socket's serial line at once. What is typed at either is heard, what is shown is shown
//! at both.

use core::convert::Infallible;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_rp::uart::{BufferedUart, BufferedUartRx, BufferedUartTx};
use embassy_time::{Duration, WithTimeout};
use embedded_io_async::{ErrorType, Read, Write};

use crate::usb;

/// How long a terminal at the USB socket may take to read a packet, before the UART's goes on without it.
const PATIENCE: Duration = Duration::from_millis(100);
/// What is shown in one go. One byte less than a packet: a full one would have to be followed by an empty one (USB 2.0, section
/// 5.8.3).
const PIECE: usize = usb::PACKET as usize - 1;

/// Both ends of the line.
pub(crate) fn open(
    uart: BufferedUart,
    (sender, receiver): (usb::Sender, usb::Receiver),
) -> (Keyboard, Screen) {
    let (tx, rx) = uart.split();
    let keyboard = Keyboard { uart: rx, usb: receiver, packet: [0; PACKET], ahead: (0, 0) };
    (keyboard, Screen { uart: tx, usb: sender, is_slow: false })
}

const PACKET: usize = usb::PACKET as usize;

/// What is typed.
pub(crate) struct Keyboard {
    uart: BufferedUartRx,
    usb: usb::Receiver,
    packet: [u8; PACKET],
    /// What of the packet has not been read yet: from, to.
    ahead: (usize, usize),
}

impl ErrorType for Keyboard {
    type Error = Infallible;
}

impl Read for Keyboard {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        loop {
            let (from, to) = self.ahead;
            let waiting = self.packet.get(from..to).unwrap_or_default();
            if !waiting.is_empty() {
                let len = waiting.len().min(bytes.len());
                bytes[..len].copy_from_slice(&waiting[..len]);
                self.ahead.0 += len;
                return Ok(len);
            }
            let (usb, packet) = (&mut self.usb, &mut self.packet);
            let by_usb = async {
                usb.wait_connection().await;
                usb.read_packet(packet).await
            };
            match select(self.uart.read(bytes), by_usb).await {
                Either::First(Ok(len)) if len > 0 => return Ok(len),
                // A cable that is plugged in makes such noise.
                Either::First(_) | Either::Second(Err(_)) => {}
                Either::Second(Ok(len)) => self.ahead = (0, len),
            }
        }
    }
}

/// What is shown.
pub(crate) struct Screen {
    uart: BufferedUartTx,
    usb: usb::Sender,
    /// The terminal at the USB socket did not read the last time: it is not waited for again until it does.
    is_slow: bool,
}

impl ErrorType for Screen {
    type Error = Infallible;
}

impl Write for Screen {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        let patience = if self.is_slow { Duration::MIN } else { PATIENCE };
        let by_usb = async {
            // DTR tells that a terminal program is there.
            self.usb.dtr() && self.usb.write_packet(piece).with_timeout(patience).await.is_err()
        };
        let (_, is_slow) = join(self.uart.write_all(piece), by_usb).await;
        self.is_slow = is_slow;
        Ok(piece.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
