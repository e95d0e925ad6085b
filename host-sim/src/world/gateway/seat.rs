//! Who sits at the box's console.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::rc::Rc;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_async::{ErrorType, Read, Write};
use gatelet_console::Console;
use gatelet_runtime::{ConsoleEnd, ConsoleSide, Gatelet};

use super::{Network, PORTS, VERSION};
use crate::clock;
use crate::executor::readable;
use crate::linux::console::{self as linux, RawTerminal, Socket, Stdin, Stdout};
use crate::timeline::{Actor, Tone};

/// Who types, and reads. It is there before the box is switched on, and after: like a serial line, it outlives a reboot.
pub enum Seat {
    /// The script types, the timeline reads.
    Script,
    /// A person at this program's terminal. The world ends when the person leaves.
    Terminal(RawTerminal),
    /// Who connects to the socket, one after the other.
    Socket {
        /// Where they come.
        listener: UnixListener,
        /// Who is there.
        visitor: RefCell<Option<Rc<UnixStream>>>,
    },
}

impl Seat {
    /// This program's terminal, or a socket.
    ///
    /// # Errors
    /// A sentence for the person who chose it.
    pub fn open(socket: Option<&Path>) -> Result<Self, String> {
        Ok(match linux::Seat::open(socket.unwrap_or(Path::new("-")))? {
            linux::Seat::Terminal(terminal) => Self::Terminal(terminal),
            linux::Seat::Socket(listener) => Self::Socket { listener, visitor: RefCell::default() },
        })
    }

    /// Talks until the box is to start anew, and says how.
    pub(super) async fn talk(
        &self,
        gatelet: &Gatelet<'_, NoopRawMutex, PORTS>,
        console: &mut Console,
        side: &ConsoleSide<'_, NoopRawMutex>,
        network: &RefCell<Network<'_>>,
    ) -> ConsoleEnd {
        loop {
            let end = match self {
                Self::Script => {
                    let (mut rx, mut tx) = (Keyboard(network), Screen { network, line: Vec::new() });
                    gatelet.run_console(console, side, (&mut rx, &mut tx)).await
                }
                Self::Terminal(_) => gatelet.run_console(console, side, (&mut Stdin, &mut Stdout)).await,
                Self::Socket { listener, visitor } => {
                    let stream = receive(listener, visitor).await;
                    let (mut rx, mut tx) = (Socket(&stream), Socket(&stream));
                    gatelet.run_console(console, side, (&mut rx, &mut tx)).await
                }
            };
            match (self, end) {
                (_, ConsoleEnd::Reboot | ConsoleEnd::FactoryReset) => return end,
                (Self::Script, ConsoleEnd::Closed) => {}
                (Self::Terminal(_), ConsoleEnd::Closed) => {
                    network.borrow_mut().leave();
                    pending::<()>().await;
                }
                (Self::Socket { visitor, .. }, ConsoleEnd::Closed) => {
                    visitor.take();
                    *console = Console::new(gatelet_runtime::now(), VERSION);
                }
            }
        }
    }
}

/// Who is there, or else the next who comes.
async fn receive(listener: &UnixListener, visitor: &RefCell<Option<Rc<UnixStream>>>) -> Rc<UnixStream> {
    loop {
        if let Some(stream) = &*visitor.borrow() {
            return stream.clone();
        }
        match listener.accept() {
            Ok((stream, _)) if stream.set_nonblocking(true).is_ok() => {
                visitor.replace(Some(Rc::new(stream)));
            }
            Ok(_) => {}
            Err(_) => readable(listener.as_raw_fd()).await,
        }
    }
}

/// What the script types.
struct Keyboard<'n, 'w>(&'n RefCell<Network<'w>>);

/// Puts what is printed into the timeline, line by line, as a person reads it: without the terminal's own sequences, and with
/// one blank for several, since the timeline is no table.
struct Screen<'n, 'w> {
    network: &'n RefCell<Network<'w>>,
    line: Vec<u8>,
}

impl ErrorType for Keyboard<'_, '_> {
    type Error = Infallible;
}

impl ErrorType for Screen<'_, '_> {
    type Error = Infallible;
}

impl Read for Keyboard<'_, '_> {
    async fn read(&mut self, octets: &mut [u8]) -> Result<usize, Infallible> {
        Ok(poll_fn(|cx| self.0.borrow_mut().poll_typed(octets, cx.waker())).await)
    }
}

impl Write for Screen<'_, '_> {
    async fn write(&mut self, octets: &[u8]) -> Result<usize, Infallible> {
        for &octet in octets {
            if octet != b'\n' {
                self.line.push(octet);
                continue;
            }
            let line = legible(&std::mem::take(&mut self.line));
            if !line.is_empty() {
                let mut network = self.network.borrow_mut();
                network.set_now(clock::now());
                network.tell(Actor::Console, "console", Tone::Plain, line, String::new());
            }
        }
        Ok(octets.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What is seen of a line in the end, on a terminal that knows what the console's editor sends: carriage return, cursor forward
/// (`CSI n C`), erase to the end of the line (`CSI K`).
fn legible(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let (mut cells, mut column) = (Vec::new(), 0);
    let put = |cells: &mut Vec<char>, text: &str, column: &mut usize| {
        for character in text.chars() {
            if character == '\r' {
                *column = 0;
                continue;
            }
            let width = ::console::measure_text_width(character.encode_utf8(&mut [0; 4]));
            cells.resize(cells.len().max(*column + width), ' ');
            // The second cell of a wide one is no character.
            cells[*column..*column + width].fill('\0');
            if let Some(cell) = cells.get_mut(*column).filter(|_| width > 0) {
                *cell = character;
            }
            *column += width;
        }
    };
    let mut parts = text.split("\x1b[");
    put(&mut cells, parts.next().unwrap_or_default(), &mut column);
    for part in parts {
        let end = part.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(part.len());
        let (count, rest) = part.split_at(end);
        match rest.chars().next() {
            Some('C') => column += count.parse().unwrap_or(1),
            Some('K') => cells.truncate(column),
            _ => {}
        }
        put(&mut cells, rest.get(1..).unwrap_or_default(), &mut column);
    }
    let seen: String = cells.into_iter().filter(|&cell| cell != '\0').collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_stands_in_the_end() {
        assert_eq!(legible(b"\r\x1b[K\r"), "");
        assert_eq!(legible(b"\rgw> sh\x1b[K\r\x1b[6Cow wan\r"), "gw> show wan");
        assert_eq!(legible(b"3.0 I Dialing.\r\x1b[Kgw> \r"), "gw>");
        assert_eq!(legible("WAN             0: 上线\r\x1b[2Cx".as_bytes()), "WAx 0: 上线");
    }
}
