//! `ping`, `traceroute` and `resolve`, over the WAN's stack.
//!
//! Reading list: RFC 792 (ICMP), RFC 1393 §1 on how traceroute does it with UDP.

use core::fmt::Write;

use embassy_net::dns::DnsQueryType;
use embassy_net::icmp::{ChecksumCapabilities, IcmpEndpoint, IcmpSocket, PacketMetadata as IcmpMetadata};
use embassy_net::icmp::{Icmpv4Packet, Icmpv4Repr};
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, IpEndpoint, IpListenEndpoint, Stack};
use embassy_time::{Duration, Instant, Timer, WithTimeout};
use gatelet_console::Text;
use smoltcp::wire::Ipv4Address;

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

    async fn address(&self, host: &str) -> Result<Ipv4Address, Why> {
        if !self.stack.is_config_up() {
            return Err("The line is down.");
        }
        if let Ok(address) = host.parse() {
            return Ok(address);
        }
        let found = self.stack.dns_query(host, DnsQueryType::A).with_timeout(LOOKUP).await;
        let addresses = found.map_err(|_| NO_ANSWER)?.map_err(|_| NO_NAME)?;
        addresses.iter().find_map(|address| ipv4(*address)).ok_or(NO_NAME)
    }

    pub(super) async fn resolve(&mut self, name: &str, words: &Words) -> Result<(), Why> {
        if !self.stack.is_config_up() {
            return Err("The line is down.");
        }
        let begun = Instant::now();
        let found = self.stack.dns_query(name, DnsQueryType::A).with_timeout(LOOKUP).await;
        let addresses = found.map_err(|_| NO_ANSWER)?.map_err(|_| NO_NAME)?;
        let took = begun.elapsed().as_millis();
        for address in &addresses {
            say(words, format_args!("{address} ({took} ms)")).await;
        }
        if addresses.is_empty() { Err(NO_NAME) } else { Ok(()) }
    }

    pub(super) async fn ping(&mut self, host: &str, count: u16, words: &Words) -> Result<(), Why> {
        let to = self.address(host).await?;
        let ident = Instant::now().as_ticks() as u16 | 1;
        self.bind(IcmpEndpoint::Ident(ident))?;
        let mut answered = 0;
        for seq_no in 1..=count {
            let begun = Instant::now();
            let request = Icmpv4Repr::EchoRequest { ident, seq_no, data: &DATA };
            let mut packet = [0; 8 + DATA.len()];
            request.emit(&mut Icmpv4Packet::new_unchecked(&mut packet[..]), &ChecksumCapabilities::default());
            if self.icmp.send_to(&packet, IpAddress::Ipv4(to)).await.is_err() {
                return Err("The line went down.");
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
            let Ok(packet) = Icmpv4Packet::new_checked(packet.get(..len).unwrap_or_default()) else {
                continue;
            };
            if let Ok(Icmpv4Repr::EchoReply { ident: of, seq_no: number, .. }) =
                Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default())
                && (of, number) == (ident, seq_no)
            {
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
            let remote = IpEndpoint::new(IpAddress::Ipv4(to), FIRST_PORT + u16::from(hop));
            if self.udp.send_to(&DATA, remote).await.is_err() {
                return Err("The line went down.");
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
            let Ok(packet) = Icmpv4Packet::new_checked(packet.get(..len).unwrap_or_default()) else {
                continue;
            };
            let is_end = match Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()) {
                Ok(Icmpv4Repr::DstUnreachable { data, .. }) if quotes(data, port) => true,
                Ok(Icmpv4Repr::TimeExceeded { data, .. }) if quotes(data, port) => false,
                _ => continue,
            };
            return (from, is_end);
        }
    }

    fn bind(&mut self, endpoint: IcmpEndpoint) -> Result<(), Why> {
        self.icmp.bind(endpoint).map_err(|_| NO_SOCKET)?;
        self.icmp.set_hop_limit(None);
        Ok(())
    }
}

/// Whether the UDP header that an error quotes is for this port.
fn quotes(udp: &[u8], port: u16) -> bool {
    udp.get(2..4) == Some(port.to_be_bytes().as_slice())
}

const fn ipv4(address: IpAddress) -> Option<Ipv4Address> {
    match address {
        IpAddress::Ipv4(address) => Some(address),
        IpAddress::Ipv6(_) => None,
    }
}

async fn say(words: &Words, line: core::fmt::Arguments<'_>) {
    let mut text = Text::new();
    // What is too long is cut.
    let _ = text.write_fmt(line);
    words.send(Word::Line(text)).await;
}

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
