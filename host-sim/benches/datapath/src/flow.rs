//! Flows, and the sets of keys that a table must cope with.

use chacha20::ChaCha8Rng;
use gatelet_wire::Ipv4Address;
use rand_core::Rng;

use crate::HOSTS;

/// UDP or TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// User Datagram Protocol.
    Udp,
    /// Transmission Control Protocol.
    Tcp,
}

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, translated.
    Nat,
    /// IPv6, through a tunnel over IPv4 (RFC 4213).
    SixInFour,
}

/// A flow of a LAN host to somewhere in the Internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// What its packets are.
    pub family: Family,
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Which LAN host, below [`HOSTS`].
    pub host: u8,
    /// The host's port.
    pub host_port: u16,
    /// The other end; of IPv6, the last word of its address.
    pub remote: Ipv4Address,
    /// Its port.
    pub remote_port: u16,
    /// The port that the router gave it on the WAN; 0 until it is known.
    pub external_port: u16,
}

/// Which flows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Hosts in turn, a port of its own for each flow, anywhere in the Internet.
    Random,
    /// One remote, ports one after the other.
    SequentialPorts,
    /// Equal but for the upper bits of the remote's address: a socket that talks to many.
    TopBits,
    /// Ports whose lower ten bits are equal.
    SameLowBits,
}

impl Keys {
    /// The flow with this number, below 4096. Different numbers give different flows; each host has its fair share of them.
    pub fn flow(self, protocol: Protocol, number: u16, rng: &mut ChaCha8Rng) -> Flow {
        let host = number % HOSTS as u16;
        let nth = number / HOSTS as u16;
        let plain = Flow {
            family: Family::Nat,
            protocol,
            host: host as u8,
            host_port: 5000,
            remote: Ipv4Address::new(203, 0, 113, 9),
            remote_port: 443,
            external_port: 0,
        };
        match self {
            Self::Random => {
                let [a, b, c, d] = rng.next_u32().to_be_bytes();
                Flow {
                    // A multiple of an odd number: each occurs once.
                    host_port: 1024 + number.wrapping_mul(4051) % 32768,
                    // Public unicast: 11/8 to 90/8.
                    remote: Ipv4Address::new(11 + a % 80, b, c, d),
                    remote_port: [443, 80, 53, 4500][usize::from(d % 4)],
                    ..plain
                }
            }
            Self::SequentialPorts => Flow { host_port: 5000 + nth, ..plain },
            Self::TopBits => {
                // 64 values for the first octet and the upper bits of the second.
                let remote = Ipv4Address::new(11 + (nth % 64) as u8, ((nth / 64) << 4) as u8, 113, 9);
                Flow { remote, ..plain }
            }
            Self::SameLowBits => {
                Flow { host_port: 1024 + (nth % 32) * 1024, remote_port: 443 + nth / 32 * 1024, ..plain }
            }
        }
    }
}
