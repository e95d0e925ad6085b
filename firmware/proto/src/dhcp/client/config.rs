//! What a client is told.

use gatelet_wire::EthernetAddress;
use heapless::{String, Vec};

/// Bytes of a client identifier or a vendor class.
pub const IDENTIFIER_MAX: usize = 64;
/// Bytes of the host name that is sent: a label of the DNS.
pub const HOST_NAME_MAX: usize = 63;

/// Who we are, as the carrier wants to hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The hardware address of our side of the link.
    pub mac: EthernetAddress,
    /// Client-identifier (option 61).
    pub identifier: ClientIdentifier,
    /// Vendor Class Identifier (option 60), by which some carriers tell their own boxes. Empty: not
    /// sent.
    pub vendor_class: Vec<u8, IDENTIFIER_MAX>,
    /// Host Name (option 12). Empty: not sent.
    pub host_name: String<HOST_NAME_MAX>,
    /// Asks for answers by broadcast (the B flag), for links that do not deliver unicast to an address
    /// we do not have yet.
    pub wants_broadcast: bool,
}

/// What is sent as Client-identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientIdentifier {
    /// The hardware type and address (RFC 2132 §9.14).
    HardwareAddress,
    /// None: the server goes by `chaddr`.
    Omitted,
    /// These octets, from the type on.
    Other(Vec<u8, IDENTIFIER_MAX>),
}

impl Config {
    /// A client that says nothing about itself but its hardware address.
    pub const fn new(mac: EthernetAddress) -> Self {
        Self {
            mac,
            identifier: ClientIdentifier::HardwareAddress,
            vendor_class: Vec::new(),
            host_name: String::new(),
            wants_broadcast: false,
        }
    }

    /// The octets of option 61, if it is sent.
    pub(super) fn identifier(&self) -> Option<Vec<u8, IDENTIFIER_MAX>> {
        match &self.identifier {
            ClientIdentifier::HardwareAddress => Some(core::iter::once(1).chain(self.mac.0).collect()),
            ClientIdentifier::Omitted => None,
            ClientIdentifier::Other(octets) => Some(octets.clone()),
        }
    }
}
