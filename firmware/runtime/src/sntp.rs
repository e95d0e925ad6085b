//! The wall clock: an SNTP client on a WAN's stack. Until a server has answered, the time of day is unknown.

use embassy_futures::select::{Either, select};
use embassy_net::dns::DnsQueryType;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, WithTimeout};
use gatelet_proto::sntp::{Client, Outgoing};
use gatelet_router::{Command, WanId};
use gatelet_wire::ntp::{PACKET_LEN, PORT};
use rand_core::Rng;

use crate::fmt::{Show, info};
use crate::{Gatelet, clock};

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Asks the time of day from `servers`, for ever: at once when `wan` comes up, then every six hours. The router is told
    /// ([`Command::WallClock`]). `stack` needs room for two sockets, one of them embassy-net's own for DNS.
    ///
    /// Does nothing, for ever, without servers, or if the session of `wan` has more followers than there is room for.
    ///
    /// # Panics
    /// If `wan` is not below `WANS`, or the stack has no room for the socket.
    pub async fn run_sntp(&self, wan: WanId, stack: Stack<'_>, servers: &[&str], mut rng: impl Rng) -> ! {
        // The client would be due, and nobody there to ask, again and again.
        let session = if servers.is_empty() { None } else { self.session(wan) };
        let Some(mut session) = session else {
            loop {
                core::future::pending::<()>().await;
            }
        };
        let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY; 2]);
        let (mut rx, mut tx) = ([0; 256], [0; 128]);
        let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
        let mut client = Client::new(u8::try_from(servers.len()).unwrap_or(u8::MAX));
        loop {
            let mut request = [0; PACKET_LEN];
            if let Some(Outgoing { server, .. }) = client.poll_transmit(clock::now(), &mut rng, &mut request)
            {
                socket.close();
                // A port of its own for each request (RFC 9109).
                let port = EPHEMERAL + (rng.next_u32() & 0x3FFF) as u16;
                let name = servers.get(usize::from(server)).copied().unwrap_or_default();
                let found = stack.dns_query(name, DnsQueryType::A).with_timeout(LOOKUP).await;
                let address =
                    found.ok().and_then(Result::ok).and_then(|addresses| addresses.first().copied());
                match address {
                    Some(address) if socket.bind(port).is_ok() => {
                        let server = IpEndpoint::new(address, PORT);
                        if let Ok(Some(unix_seconds)) =
                            exchange(&socket, &mut client, &request, server).with_timeout(ANSWER).await
                        {
                            info!(
                                "the time of day is {} s since 1970, says {}",
                                Show(unix_seconds),
                                Show(name)
                            );
                            self.commands.send(Command::WallClock { unix_seconds }).await;
                        }
                        socket.close();
                    }
                    _ => client.handle_failed(clock::now()),
                }
                client.handle_timeout(clock::now());
            }
            let wait = async {
                match client.poll_at() {
                    Some(at) => clock::at(at).await,
                    None => core::future::pending().await,
                }
            };
            match select(session.changed(), wait).await {
                Either::First(session) => {
                    client.set_wan_up(clock::now(), session.is_some_and(|session| session.ipv4.is_some()));
                }
                Either::Second(()) => client.handle_timeout(clock::now()),
            }
        }
    }
}

/// Asks, and waits for the answer. `None` if the server's answer is of no use.
async fn exchange(
    socket: &UdpSocket<'_>,
    client: &mut Client,
    request: &[u8],
    server: IpEndpoint,
) -> Option<u64> {
    if socket.send_to(request, server).await.is_err() {
        client.handle_failed(clock::now());
        return None;
    }
    let mut packet = [0; 128];
    loop {
        let (len, meta) = socket.recv_from(&mut packet).await.ok()?;
        if meta.endpoint != server {
            continue;
        }
        let told = client.handle_answer(clock::now(), &packet[..len]);
        let is_over =
            client.poll_at().is_none_or(|at| at > clock::now() + smoltcp::time::Duration::from_secs(6));
        if told.is_some() || is_over {
            return told;
        }
    }
}

/// How long a look-up, and an answer, may take.
const LOOKUP: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);
/// RFC 6335 §6.
const EPHEMERAL: u16 = 49152;
