//! `ping`, `traceroute` and `resolve`, over the WAN's stack, by IPv6 where there is a way and the host has such an address.
//!
//! Reading list: RFC 792 (ICMP), RFC 4443 (`ICMPv6`), RFC 1393 §1 on how traceroute does it with UDP, RFC 6724 §6 (IPv6 first).

use core::fmt::Write;

use embassy_net::dns::DnsQueryType;
use embassy_net::icmp::{ChecksumCapabilities, IcmpEndpoint, IcmpSocket, PacketMetadata as IcmpMetadata};
use embassy_net::icmp::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr};
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, IpEndpoint, IpListenEndpoint, Stack};
use embassy_time::{Duration, Instant, Timer, WithTimeout};
use gatelet_console::Text;
use smoltcp::wire::Ipv6Address;

use super::{Word, Words};

/// The sockets' memory.
pub(super) struct Space {
    icmp_rx_meta: [IcmpMetadata; 4],
    icmp_rx: [u8; 640],
    icmp_tx_meta: [IcmpMetadata; 1],
    icmp_tx: [u8; 64],
    udp_rx_meta: [PacketMetadata; 1],
    udp_rx: [u8; 64],
    udp_tx_meta: [PacketMetadata; 1],
    udp_tx: [u8; 64],
}

impl Space {
    pub(super) const fn new() -> Self {
        Self {
            icmp_rx_meta: [IcmpMetadata::EMPTY; 4],
            icmp_rx: [0; 640],
            icmp_tx_meta: [IcmpMetadata::EMPTY; 1],
            icmp_tx: [0; 64],
            udp_rx_meta: [PacketMetadata::EMPTY; 1],
            udp_rx: [0; 64],
            udp_tx_meta: [PacketMetadata::EMPTY; 1],
            udp_tx: [0; 64],
        }
    }
}

/// The sockets of one command.
pub(super) struct Sockets<'a> {
    stack: Stack<'a>,
    icmp: IcmpSocket<'a>,
    udp: UdpSocket<'a>,
}

/// Why it cannot be done.
type Why = &'static str;

impl<'a> Sockets<'a> {
    pub(super) fn new(stack: Stack<'a>, space: &'a mut Space) -> Self {
        let Space { icmp_rx_meta, icmp_rx, icmp_tx_meta, icmp_tx, udp_rx_meta, udp_rx, udp_tx_meta, udp_tx } =
            space;
        Self {
            stack,
            icmp: IcmpSocket::new(stack, icmp_rx_meta, icmp_rx, icmp_tx_meta, icmp_tx),
            udp: UdpSocket::new(stack, udp_rx_meta, udp_rx, udp_tx_meta, udp_tx),
        }
    }

    /// The address of a host, of a family that we have.
    async fn address(&self, host: &str) -> Result<IpAddress, Why> {
        if !self.stack.is_config_up() {
            return Err(DOWN);
        }
        if let Ok(address) = host.parse() {
            return if self.own6().is_none() { Err(NO_IPV6) } else { Ok(IpAddress::Ipv6(address)) };
        }
        if let Ok(address) = host.parse() {
            return Ok(IpAddress::Ipv4(address));
        }
        let ipv6 = self.own6().map(|_| DnsQueryType::Aaaa);
        for family in ipv6.into_iter().chain([DnsQueryType::A]) {
            let found = self.stack.dns_query(host, family).with_timeout(LOOKUP).await;
            if let Some(address) = found.map_err(|_| NO_ANSWER)?.ok().and_then(|all| all.first().copied()) {
                return Ok(address);
            }
        }
        Err(NO_NAME)
    }

    /// Our address on the Internet of IPv6.
    fn own6(&self) -> Option<Ipv6Address> {
        let own = self.stack.config_v6().map(|config| config.address.address());
        own.filter(|own| !own.is_unicast_link_local())
    }

    pub(super) async fn resolve(&mut self, name: &str, words: &Words) -> Result<(), Why> {
        if !self.stack.is_config_up() {
            return Err(DOWN);
        }
        let mut is_known = false;
        for family in [DnsQueryType::A, DnsQueryType::Aaaa] {
            let begun = Instant::now();
            let found = self.stack.dns_query(name, family).with_timeout(LOOKUP).await;
            let found = found.map_err(|_| NO_ANSWER)?.unwrap_or_default();
            let took = begun.elapsed().as_millis();
            is_known |= !found.is_empty();
            for address in &found {
                say(words, format_args!("{address} ({took} ms)")).await;
            }
        }
        if is_known { Ok(()) } else { Err(NO_NAME) }
    }

    pub(super) async fn ping(&mut self, host: &str, count: u16, words: &Words) -> Result<(), Why> {
        let to = self.address(host).await?;
        let ident = Instant::now().as_ticks() as u16 | 1;
        self.bind(IcmpEndpoint::Ident(ident))?;
        let mut answered = 0;
        for seq_no in 1..=count {
            let begun = Instant::now();
            if self.icmp.send_to(&echo_request(to, ident, seq_no), to).await.is_err() {
                return Err(WENT_DOWN);
            }
            let answer = self.echo_reply(ident, seq_no).with_timeout(ANSWER).await;
            let took = begun.elapsed();
            match answer {
                Ok(from) => {
                    answered += 1;
                    let (millis, tenth) = (took.as_millis(), took.as_micros() / 100 % 10);
                    say(words, format_args!("{from}: {seq_no}, {millis}.{tenth} ms")).await;
                }
                Err(_) => say(words, format_args!("{to}: {seq_no}, no answer")).await,
            }
            if seq_no < count {
                Timer::at(begun + EVERY).await;
            }
        }
        say(words, format_args!("{answered} of {count} answered")).await;
        Ok(())
    }

    /// Waits for the answer to a ping.
    async fn echo_reply(&self, ident: u16, seq_no: u16) -> IpAddress {
        let mut packet = [0; 160];
        loop {
            let Ok((len, from)) = self.icmp.recv_from(&mut packet).await else { continue };
            if self.heard(from, packet.get(..len).unwrap_or_default()) == Some(Heard::Echo(ident, seq_no)) {
                return from;
            }
        }
    }

    pub(super) async fn trace(&mut self, host: &str, words: &Words) -> Result<(), Why> {
        let to = self.address(host).await?;
        self.udp.bind(0).map_err(|_| NO_SOCKET)?;
        let own = IpListenEndpoint { addr: None, port: self.udp.endpoint().port };
        self.bind(IcmpEndpoint::Udp(own))?;
        say(words, format_args!("to {to}, {HOPS} hops at most")).await;
        let mut silent = 0;
        for hop in 1..=HOPS {
            self.udp.set_hop_limit(Some(hop));
            let begun = Instant::now();
            // A port for each hop, as traceroute has always done: which answer is whose is seen by it.
            let remote = IpEndpoint::new(to, FIRST_PORT + u16::from(hop));
            if self.udp.send_to(&DATA, remote).await.is_err() {
                return Err(WENT_DOWN);
            }
            let error = self.error_for(remote.port).with_timeout(ANSWER).await;
            let Ok((from, is_end)) = error else {
                silent += 1;
                say(words, format_args!("{hop:>2}  *")).await;
                if silent == SILENT {
                    return Err("Nobody further answers.");
                }
                continue;
            };
            silent = 0;
            say(words, format_args!("{hop:>2}  {from}  {} ms", begun.elapsed().as_millis())).await;
            if is_end {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for the error that a datagram to `port` causes. True if it is from its destination.
    async fn error_for(&self, port: u16) -> (IpAddress, bool) {
        let mut packet = [0; 160];
        loop {
            let Ok((len, from)) = self.icmp.recv_from(&mut packet).await else { continue };
            match self.heard(from, packet.get(..len).unwrap_or_default()) {
                Some(Heard::Error { port: of, is_end }) if of == port => return (from, is_end),
                _ => {}
            }
        }
    }

    /// Reads an ICMP message; the stack has looked at its checksum.
    fn heard(&self, from: IpAddress, message: &[u8]) -> Option<Heard> {
        let unchecked = ChecksumCapabilities::ignored();
        match from {
            IpAddress::Ipv4(_) => {
                let packet = Icmpv4Packet::new_checked(message).ok()?;
                match Icmpv4Repr::parse(&packet, &unchecked).ok()? {
                    Icmpv4Repr::EchoReply { ident, seq_no, .. } => Some(Heard::Echo(ident, seq_no)),
                    Icmpv4Repr::DstUnreachable { data, .. } => Heard::error(data, true),
                    Icmpv4Repr::TimeExceeded { data, .. } => Heard::error(data, false),
                    _ => None,
                }
            }
            IpAddress::Ipv6(source) => {
                let packet = Icmpv6Packet::new_checked(message).ok()?;
                match Icmpv6Repr::parse(&source, &self.own6()?, &packet, &unchecked).ok()? {
                    Icmpv6Repr::EchoReply { ident, seq_no, .. } => Some(Heard::Echo(ident, seq_no)),
                    Icmpv6Repr::DstUnreachable { data, .. } => Heard::error(data, true),
                    Icmpv6Repr::TimeExceeded { data, .. } => Heard::error(data, false),
                    _ => None,
                }
            }
        }
    }

    fn bind(&mut self, endpoint: IcmpEndpoint) -> Result<(), Why> {
        self.icmp.bind(endpoint).map_err(|_| NO_SOCKET)?;
        self.icmp.set_hop_limit(None);
        Ok(())
    }
}

/// What a message of ICMP says to who waits for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// A ping is answered: its identifier and its number.
    Echo(u16, u16),
    /// A datagram to this port got no further, or has come to its end.
    Error { port: u16, is_end: bool },
}

impl Heard {
    /// An error, by the UDP header that it quotes.
    fn error(udp: &[u8], is_end: bool) -> Option<Self> {
        let port = udp.get(2..)?.first_chunk::<2>()?;
        Some(Self::Error { port: u16::from_be_bytes(*port), is_end })
    }
}

/// An echo request for a host. The stack fills its checksum in, which for IPv6 is about the addresses, too.
fn echo_request(to: IpAddress, ident: u16, seq_no: u16) -> [u8; 8 + DATA.len()] {
    let mut packet = [0; 8 + DATA.len()];
    let caps = ChecksumCapabilities::default();
    match to {
        IpAddress::Ipv4(_) => {
            let request = Icmpv4Repr::EchoRequest { ident, seq_no, data: &DATA };
            request.emit(&mut Icmpv4Packet::new_unchecked(&mut packet[..]), &caps);
        }
        IpAddress::Ipv6(to) => {
            let request = Icmpv6Repr::EchoRequest { ident, seq_no, data: &DATA };
            let mut packet = Icmpv6Packet::new_unchecked(&mut packet[..]);
            request.emit(&Ipv6Address::UNSPECIFIED, &to, &mut packet, &caps);
        }
    }
    packet
}

async fn say(words: &Words, line: core::fmt::Arguments<'_>) {
    let mut text = Text::new();
    // What is too long is cut.
    let _ = text.write_fmt(line);
    words.send(Word::Line(text)).await;
}

const DOWN: Why = "The line is down.";
const WENT_DOWN: Why = "The line went down.";
const NO_IPV6: Why = "There is no way to the Internet over IPv6 here.";
const NO_NAME: Why = "There is no such name.";
const NO_ANSWER: Why = "No name server answers.";
const NO_SOCKET: Why = "There is no socket for it.";
/// What a ping carries: 32 octets, as Windows sends them.
const DATA: [u8; 32] = *b"abcdefghijklmnopqrstuvwabcdefghi";
const LOOKUP: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(1);
/// The first port of traceroute (LBL's traceroute(8)).
const FIRST_PORT: u16 = 33434;
const HOPS: u8 = 30;
/// Hops in a row that do not answer, until it is given up.
const SILENT: u8 = 8;
