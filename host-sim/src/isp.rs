//! The simulated provider for routers that are no part of this process, such as a board under an emulator: in real time at the
//! end of a datagram socket, or on the other's clock at the end of two pipes.
//!
//! ```text
//!   QEMU: netdev dgram ══ UDP or UNIX datagrams, a frame each ══ Concentrator ── Internet
//!   rp2040js: run.js ════ stdin, stdout: times and frames ══════ Concentrator ── Internet
//! ```
//!
//! By pipes, a message to the provider is a time in microseconds (64 bits, little endian), a length (32 bits) and a frame of that
//! length, none if it is 0. It is answered by a length and a frame, as often as there are any, then by a length of
//! `0xFFFF_FFFF` and the time at which something happens here if nothing comes before, all ones if nothing does.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use smoltcp::time::Instant;

use crate::pcap;
use crate::peers::concentrator::{Concentrator, Model, Moods};
use crate::peers::host::{Memory, Size};
use crate::peers::internet::Internet;
use crate::world::{Node, Outbox};

/// What `gatelet-sim isp` is told.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// This end of the wire: `udp:OURPORT:THEIRPORT` on 127.0.0.1, `unix:OURPATH:THEIRPATH`, or `pipe`: stdin and stdout, on the
    /// clock of whoever is there
    #[arg(value_name = "WIRE")]
    pub wire: Wire,
    /// Which concentrator; a wrong name lists them
    #[arg(long, value_name = "NAME", default_value = "open", value_parser = model)]
    pub bras: Model,
    /// Write what passes to FILE, for Wireshark
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Seed of everything random in it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// An end of a wire made of datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Ports of 127.0.0.1, ours and theirs.
    Udp(u16, u16),
    /// Paths, ours and theirs.
    Unix(PathBuf, PathBuf),
    /// stdin and stdout.
    Pipe,
}

impl FromStr for Wire {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = |rest: &str| rest.split_once(':').map(|(one, other)| (one.to_owned(), other.to_owned()));
        let wire = match text.split_once(':') {
            Some(("udp", rest)) => ends(rest)
                .and_then(|(ours, theirs)| Some(Self::Udp(ours.parse().ok()?, theirs.parse().ok()?))),
            Some(("unix", rest)) => ends(rest)
                .filter(|(ours, theirs)| !ours.is_empty() && !theirs.is_empty())
                .map(|(ours, theirs)| Self::Unix(ours.into(), theirs.into())),
            None if text == "pipe" => Some(Self::Pipe),
            _ => None,
        };
        wire.ok_or_else(|| "it is udp:OURPORT:THEIRPORT, unix:OURPATH:THEIRPATH or pipe".into())
    }
}

fn model(name: &str) -> Result<Model, String> {
    Model::by_name(name).ok_or_else(|| {
        let all: Vec<_> = Model::all().iter().map(|model| model.name).collect();
        format!("there are {}", all.join(", "))
    })
}

/// Provides until it is interrupted, or by pipes until the other end is closed, and tells what happens through `tell`.
///
/// # Errors
/// What the wire or the capture says.
pub fn run(args: &Args, mut tell: impl FnMut(Instant, &str, &str)) -> io::Result<()> {
    let mut memory = Memory::new(Size::INTERNET);
    let mut storage = memory.storage();
    let mut provider = Provider {
        internet: Internet::new(&mut memory, &mut storage, args.seed),
        concentrator: Concentrator::new(args.bras.clone(), Moods::default(), args.seed),
        capture: match &args.pcap {
            Some(path) => Some(pcap::Writer::new(BufWriter::new(File::create(path)?))?),
            None => None,
        },
        out: Outbox::new(),
    };
    match Socket::open(&args.wire)? {
        Some(wire) => in_real_time(&mut provider, &wire, &mut tell),
        None => on_their_clock(&mut provider, &mut io::stdin().lock(), &mut io::stdout().lock(), &mut tell),
    }
}

fn in_real_time(
    provider: &mut Provider<'_>,
    wire: &Socket,
    tell: &mut impl FnMut(Instant, &str, &str),
) -> io::Result<()> {
    let mut buffer = [0; FRAME_ROOM];
    let began = std::time::Instant::now();
    let clock = || Instant::from_micros_const(i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX));
    loop {
        provider.advance(
            clock(),
            |frame| {
                wire.send(frame);
                Ok(())
            },
            tell,
        )?;
        let wait = provider.poll_at().map_or(LONGEST_WAIT, |at| {
            Duration::from_micros(u64::try_from(at.total_micros() - clock().total_micros()).unwrap_or(0))
        });
        if let Some(len) = wire.receive(&mut buffer, wait.clamp(SHORTEST_WAIT, LONGEST_WAIT))? {
            provider.handle_frame(clock(), &buffer[..len])?;
        }
    }
}

fn on_their_clock(
    provider: &mut Provider<'_>,
    input: &mut impl Read,
    output: &mut impl Write,
    tell: &mut impl FnMut(Instant, &str, &str),
) -> io::Result<()> {
    let mut buffer = [0; FRAME_ROOM];
    loop {
        let (mut time, mut len) = ([0; 8], [0; 4]);
        match input.read_exact(&mut time) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        input.read_exact(&mut len)?;
        let now = Instant::from_micros_const(i64::try_from(u64::from_le_bytes(time)).unwrap_or(i64::MAX));
        let len = u32::from_le_bytes(len) as usize;
        let too_long = || io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {len} bytes"));
        let frame = buffer.get_mut(..len).ok_or_else(too_long)?;
        input.read_exact(frame)?;
        if !frame.is_empty() {
            provider.handle_frame(now, frame)?;
        }
        let mut send = |frame: &[u8]| {
            output.write_all(&u32::try_from(frame.len()).unwrap_or(0).to_le_bytes())?;
            output.write_all(frame)
        };
        provider.advance(now, &mut send, tell)?;
        let next = provider.poll_at().map_or(u64::MAX, |at| u64::try_from(at.total_micros()).unwrap_or(0));
        output.write_all(&u32::MAX.to_le_bytes())?;
        output.write_all(&next.to_le_bytes())?;
        output.flush()?;
    }
}

/// Everything behind the wire.
struct Provider<'a> {
    concentrator: Concentrator,
    internet: Internet<'a>,
    capture: Option<pcap::Writer<BufWriter<File>>>,
    out: Outbox,
}

impl Provider<'_> {
    fn poll_at(&self) -> Option<Instant> {
        [self.concentrator.poll_at(), self.internet.poll_at()].into_iter().flatten().min()
    }

    fn handle_frame(&mut self, now: Instant, frame: &[u8]) -> io::Result<()> {
        self.capture.as_mut().map_or(Ok(()), |capture| capture.write(now, frame))?;
        self.concentrator.handle_frame(now, frame, &mut self.out);
        Ok(())
    }

    /// Does what is due, and sends what there is to send.
    fn advance(
        &mut self,
        now: Instant,
        mut send: impl FnMut(&[u8]) -> io::Result<()>,
        tell: &mut impl FnMut(Instant, &str, &str),
    ) -> io::Result<()> {
        let Self { concentrator, internet, capture, out } = self;
        if concentrator.poll_at().is_some_and(|at| at <= now) {
            concentrator.handle_timeout(now, out);
        }
        if internet.poll_at().is_some_and(|at| at <= now) {
            internet.handle_timeout(now);
        }
        while let Some(packet) = internet.poll_packet(now) {
            if let Some(error) = concentrator.deliver(now, &packet, out) {
                internet.handle_error(now, &error);
            }
        }
        for frame in out.frames() {
            send(frame)?;
            capture.as_mut().map_or(Ok(()), |capture| capture.write(now, frame))?;
        }
        for packet in out.take_passed_on() {
            internet.handle_packet(now, &packet);
        }
        out.take_remarks().for_each(|remark| tell(now, &remark.what, &remark.why));
        out.clear();
        // A reader may come at any time: nobody tells us the end.
        capture.as_mut().map_or(Ok(()), pcap::Writer::flush)
    }
}

/// More than any Ethernet frame that is sent here.
const FRAME_ROOM: usize = 2048;
/// A socket's timeout of zero would be none at all.
const SHORTEST_WAIT: Duration = Duration::from_micros(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

enum Socket {
    Udp(UdpSocket, u16),
    Unix(UnixDatagram, PathBuf),
}

impl Socket {
    /// `None`: of pipes there is none.
    fn open(wire: &Wire) -> io::Result<Option<Self>> {
        let socket = match wire {
            Wire::Pipe => return Ok(None),
            Wire::Udp(ours, theirs) => {
                UdpSocket::bind((Ipv4Addr::LOCALHOST, *ours)).map(|socket| Self::Udp(socket, *theirs))
            }
            Wire::Unix(ours, theirs) => {
                // A socket that an earlier run has left behind.
                let _ = std::fs::remove_file(ours);
                UnixDatagram::bind(ours).map(|socket| Self::Unix(socket, theirs.clone()))
            }
        };
        socket.map(Some)
    }

    /// A frame for nobody, or for somebody who does not keep up, is lost, as on any wire.
    fn send(&self, frame: &[u8]) {
        let _ = match self {
            Self::Udp(socket, port) => socket.send_to(frame, (Ipv4Addr::LOCALHOST, *port)),
            Self::Unix(socket, path) => socket.send_to(frame, path),
        };
    }

    /// The length of the frame that has come, if one does within `wait`.
    fn receive(&self, buffer: &mut [u8], wait: Duration) -> io::Result<Option<usize>> {
        let received = match self {
            Self::Udp(socket, _) => socket.set_read_timeout(Some(wait)).and_then(|()| socket.recv(buffer)),
            Self::Unix(socket, _) => socket.set_read_timeout(Some(wait)).and_then(|()| socket.recv(buffer)),
        };
        match received {
            Ok(len) => Ok(Some(len)),
            // Nothing came; or nobody was there for what we sent.
            Err(error)
                if [
                    io::ErrorKind::WouldBlock,
                    io::ErrorKind::TimedOut,
                    io::ErrorKind::ConnectionRefused,
                    io::ErrorKind::Interrupted,
                ]
                .contains(&error.kind()) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wires_are_read() {
        assert_eq!("udp:17001:17002".parse(), Ok(Wire::Udp(17001, 17002)));
        assert_eq!("pipe".parse(), Ok(Wire::Pipe));
        assert_eq!("unix:/tmp/a:b".parse(), Ok(Wire::Unix("/tmp/a".into(), "b".into())));
        for wrong in ["udp:1", "udp:x:1", "unix::b", "tap:isp", ""] {
            assert!(wrong.parse::<Wire>().is_err(), "{wrong}");
        }
    }
}
