//! What the datapath tells.

use smoltcp::wire::Ipv4Address;

use super::firewall::Action;

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
    /// Frames that wait for a neighbour's hardware address.
    pub waiting: usize,
}
