//! What [`Forwarder`](super::Forwarder) is told, and what it tells.

use gatelet_wire::dns::{MAX_NAME_LEN, NameBuf};
use gatelet_wire::{BufferTooSmall, IpAddress, Ipv4Address, Ipv6Address};
use heapless::{String, Vec};
use smoltcp::wire::{IpEndpoint, Ipv4Cidr};

use super::{CacheEntry, ClientRate, HOST_NAME_MAX, Pending, Waiter};

/// Who the router is to the LAN, and how it deals with DNS.
#[derive(Debug, Clone)]
pub struct Config {
    /// The router's own name: a label.
    pub host_name: String<HOST_NAME_MAX>,
    /// What the names of the LAN end in. Nothing below it is ever asked outside.
    pub local_domain: NameBuf,
    /// The router's address on the LAN, and how much is LAN: its reverse zone is answered here.
    pub lan: Ipv4Cidr,
    /// The router's IPv6 address there, if it has one that stays.
    pub lan_ipv6: Option<Ipv6Address>,
    /// No answer is kept, nor may a client keep it, for longer than this: seconds, for as long as
    /// that outlives the address it names.
    pub ttl_cap_s: u32,
    /// Answers may be kept for so long, whatever they say: seconds. 0 is what the standard wants.
    pub ttl_floor_s: u32,
    /// The same cap for answers that there is nothing. RFC 2308 §5 speaks of one to three hours.
    pub negative_ttl_cap_s: u32,
    /// For how long after it has expired an answer is good enough where there is no other: seconds.
    /// RFC 8767 §5 speaks of one to three days; 0 turns it off.
    pub stale_max_s: u32,
    /// Whether addresses of the LAN's kind are kept out of answers from outside.
    pub rebind_protection: bool,
    /// Source ports of queries are from here,
    pub source_port_min: u16,
    /// to here. The WAN's NAT must leave these ports alone.
    pub source_port_max: u16,
    /// Queries a client may send, in the long run.
    pub rate_per_s: u16,
    /// And at once.
    pub burst: u16,
    /// Queries of one client that may wait for an answer. Never more than three quarters of those
    /// there is room for.
    pub queries_per_client: u8,
}

impl Default for Config {
    /// `gatelet.lan` at 192.168.1.1/24. A page of the web can need a hundred names at once, a host
    /// that goes on like that is ill.
    fn default() -> Self {
        Self {
            host_name: String::try_from("gatelet").unwrap_or_default(),
            local_domain: NameBuf::from_text("lan").unwrap_or_default(),
            lan: Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24),
            lan_ipv6: None,
            ttl_cap_s: 86_400,
            ttl_floor_s: 0,
            negative_ttl_cap_s: 3_600,
            stale_max_s: 86_400,
            rebind_protection: true,
            source_port_min: 49_152,
            source_port_max: 65_535,
            rate_per_s: 50,
            burst: 200,
            queries_per_client: 12,
        }
    }
}

/// The memory a forwarder works with, lent by its owner. Its sizes are the forwarder's bounds.
#[derive(Debug)]
pub struct Tables<'a> {
    /// Answers that can be kept. When all are taken, or the arena is full: those expired go first,
    /// then those not asked for the longest.
    pub entries: &'a mut [CacheEntry],
    /// Where they are kept, one behind the other: an answer takes as many octets as it has. At
    /// least 2 KB, at most 64 KB.
    pub arena: &'a mut [u8],
    /// Queries that can be under way: as many as there are UDP sockets, at most 255.
    pub pending: &'a mut [Pending],
    /// Clients that can wait for their answers. More than there are queries, because several may
    /// wait for the same one.
    pub waiters: &'a mut [Waiter],
    /// Clients whose rate is watched; the one not heard of the longest is forgotten first.
    pub clients: &'a mut [ClientRate],
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Where the query came from and the answer goes to.
    pub remote: IpEndpoint,
    /// The router's address that was asked, where the owner knows: the answer must come from it.
    pub local: Option<IpAddress>,
    /// How.
    pub transport: ClientTransport,
}

/// How a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTransport {
    /// Over UDP.
    Udp,
    /// Over TCP, on the owner's connection of this number.
    Tcp(u8),
}

/// What the owner knows of the LAN.
#[derive(Clone, Copy)]
pub struct Hosts<'h> {
    /// The address of the host of this name: one label, in small letters, without the domain.
    pub address_of: &'h dyn Fn(&str) -> Option<Ipv4Address>,
    /// And the name of the host at this address, in the same form.
    pub name_of: &'h dyn Fn(Ipv4Address) -> Option<String<HOST_NAME_MAX>>,
}

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP, from a socket bound to the port named.
    Udp,
    /// TCP: one connection for one query. The owner puts
    /// [`tcp_prefix`](gatelet_wire::dns::tcp_prefix) in front.
    Tcp,
}

/// A query under way: which of the forwarder's places it has, and which of the queries that had it
/// over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueryId {
    /// The place, below the length of [`Tables::pending`]: the owner keeps a socket for each.
    pub slot: u8,
    pub(super) generation: u16,
}

/// Where a message to a server goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamQuery {
    /// To be said again with the answer. A new one in the same place means a new socket, at another
    /// port; the same one again is a repetition, or the next server, from the same socket.
    pub query: QueryId,
    /// The server; its port is 53.
    pub server: IpAddress,
    /// The port to send from.
    pub source_port: u16,
    /// How.
    pub transport: Transport,
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A client.
    Client(Client),
    /// A server.
    Upstream(UpstreamQuery),
}

/// A message that was written, and is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Whom it is for.
    pub to: Destination,
    /// Its length, in octets. Over TCP its length goes in front.
    pub len: usize,
}

/// What happened. Poll until there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server has left several queries in a row unanswered and is asked last for a while.
    UpstreamSilent(IpAddress),
    /// It answers again.
    UpstreamAnswers(IpAddress),
    /// A server changes the case of names: it is not used against forgers there any more.
    CaseRandomisationOff(IpAddress),
    /// A server cannot read EDNS: it is asked without.
    EdnsOff(IpAddress),
    /// So many wrong IDs came in the name of this server that somebody is guessing them.
    Guessing(IpAddress),
    /// An answer with an address of the LAN's kind was refused.
    Rebind {
        /// Whose, as far as it fits.
        name: String<64>,
        /// The address.
        address: IpAddress,
    },
}

/// A short list of domain names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameList {
    /// Names as they stand in messages, one behind the other.
    octets: Vec<u8, { 2 * MAX_NAME_LEN }>,
}

impl NameList {
    /// An empty one.
    pub const fn new() -> Self {
        Self { octets: Vec::new() }
    }

    /// Appends a name.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if there is no room for it: 510 octets are for some thirty names.
    pub fn push(&mut self, name: &NameBuf) -> Result<(), BufferTooSmall> {
        self.octets.extend_from_slice(name.as_bytes()).map_err(|_| BufferTooSmall)
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = NameBuf> {
        let mut rest = self.octets.as_slice();
        core::iter::from_fn(move || {
            let name = NameBuf::from_bytes(rest).ok()?;
            rest = rest.get(name.as_bytes().len()..)?;
            Some(name)
        })
    }
}
