//! What the datapath tells.

use smoltcp::wire::{Ipv4Address, Ipv6Address};

use super::firewall::Action;
use super::v6::TunnelId;
use crate::wan::AddressKind;

/// What the datapath has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatapathEvent {
    /// Another station claims an address of ours.
    AddressConflict {
        /// Our address.
        address: Ipv4Address,
        /// Who claims it.
        mac: gatelet_wire::EthernetAddress,
    },
    /// Another station claims the address of a neighbour, which is being asked.
    NeighbourDisputed {
        /// The address.
        address: Ipv4Address,
        /// Who claims it.
        mac: gatelet_wire::EthernetAddress,
    },
    /// A host has as many flows as a host may have; told once a minute at most.
    HostQuota {
        /// The host.
        address: Ipv4Address,
    },
    /// The table of flows is full of flows that may not be given up; told once a minute at most.
    FlowTableFull,
    /// A rule with `log` decided on a flow.
    Rule {
        /// Its number, from 0.
        number: u8,
        /// What became of the flow.
        action: Action,
        /// The packet's source.
        source: Ipv4Address,
        /// The packet's destination.
        destination: Ipv4Address,
    },
    /// Another station claims an IPv6 address of ours.
    Ipv6AddressConflict {
        /// Our address.
        address: Ipv6Address,
        /// Who claims it.
        mac: gatelet_wire::EthernetAddress,
    },
    /// Another station claims the IPv6 address of a neighbour, which is being asked.
    Ipv6NeighbourDisputed {
        /// The address.
        address: Ipv6Address,
        /// Who claims it.
        mac: gatelet_wire::EthernetAddress,
    },
    /// A host has as many IPv6 flows as a host may have; told once a minute at most.
    Ipv6HostQuota {
        /// The address of the host that has them.
        address: Ipv6Address,
    },
    /// A rule with `log` decided on an IPv6 flow.
    Ipv6Rule {
        /// Its number, from 0.
        number: u8,
        /// What became of the flow.
        action: Action,
        /// The packet's source.
        source: Ipv6Address,
        /// The packet's destination.
        destination: Ipv6Address,
    },
    /// A tunnel's end is an address that the Internet does not know: protocol 41 will not come through.
    TunnelBehindNat {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The WAN's address.
        address: Ipv4Address,
        /// What it is.
        kind: AddressKind,
    },
    /// The path of a tunnel carries less than was thought; believed for ten minutes.
    TunnelPathMtu {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The longest IPv6 packet in bytes.
        mtu: u16,
    },
    /// The WAN has another address: connections through the old one are cut.
    FlowsCut {
        /// How many.
        flows: u16,
    },
}

/// How full the tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableUse {
    /// Flows.
    pub flows: usize,
    /// The most flows.
    pub flows_most: usize,
    /// NAT mappings.
    pub mappings: usize,
    /// Flows with a mapping, and how many flows the mappings think they have: the same, or something leaks.
    pub mapped_flows: [usize; 2],
    /// Flows on the account of a host, and what the accounts add up to: the same, or something leaks.
    pub host_flows: [usize; 2],
    /// Neighbours.
    pub neighbours: usize,
    /// Entries in both indices: two for each flow and two for each mapping, or something leaks.
    pub index_entries: usize,
    /// Frames that wait for a neighbour's hardware address, or, of a tunnel, for the rest of their packet.
    pub waiting: usize,
    /// IPv6 flows.
    pub flows6: usize,
    /// Entries in their index: two for each flow, or something leaks.
    pub index_entries6: usize,
    /// IPv6 flows on an account, and what the accounts add up to: the same, or something leaks.
    pub host_flows6: [usize; 2],
}
