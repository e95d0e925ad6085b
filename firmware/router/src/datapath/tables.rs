//! The memory of the datapath, lent by its owner.

use super::flow::Flow;
use super::fragment::Datagram;
use super::index::Bucket;
use super::nat::Mapping;
use super::neighbour::Neighbour;
use gatelet_proto::dhcp::server::Lease;

/// All tables of a router: plain slices, so that a board, a test and a soak choose their sizes. Powers of two suit the indices,
/// which want one bucket for each place of their table.
#[derive(Debug)]
pub struct Tables<'a> {
    /// Flows, both directions in one: 44 bytes each.
    pub flows: &'a mut [Flow],
    /// The index of the flows: 16 bytes for each flow.
    pub flow_index: &'a mut [Bucket],
    /// NAT mappings: 16 bytes each. As many as flows are enough always.
    pub mappings: &'a mut [Mapping],
    /// The index of the mappings: 16 bytes for each mapping.
    pub mapping_index: &'a mut [Bucket],
    /// Hosts on the LAN, gateways and modems on the WAN: 40 bytes each, 255 at most.
    pub neighbours: &'a mut [Neighbour],
    /// Datagrams whose fragments are on their way: 48 bytes each, 255 at most.
    pub datagrams: &'a mut [Datagram],
    /// Leases of the DHCP server: 64 bytes each, as many as the LAN has hosts.
    pub leases: &'a mut [Lease],
}

/// Memory for the tables of a router with `FLOWS` flows and `HOSTS` neighbours: 92 bytes per flow, 104 per neighbour (its lease included).
/// `FLOWS` is to be a power of two.
pub struct TableSpace<const FLOWS: usize, const HOSTS: usize> {
    flows: [Flow; FLOWS],
    flow_index: [Bucket; FLOWS],
    mappings: [Mapping; FLOWS],
    mapping_index: [Bucket; FLOWS],
    neighbours: [Neighbour; HOSTS],
    datagrams: [Datagram; 16],
    leases: [Lease; HOSTS],
}

impl<const FLOWS: usize, const HOSTS: usize> TableSpace<FLOWS, HOSTS> {
    /// Empty tables, for a static or a box.
    #[expect(clippy::new_without_default, reason = "90 KB and more: const, for statics, is the use")]
    pub const fn new() -> Self {
        const { assert!(FLOWS.is_power_of_two() && FLOWS <= 16384 && HOSTS > 0) }
        Self {
            flows: [Flow::FREE; FLOWS],
            flow_index: [Bucket::EMPTY; FLOWS],
            mappings: [Mapping::FREE; FLOWS],
            mapping_index: [Bucket::EMPTY; FLOWS],
            neighbours: [Neighbour::FREE; HOSTS],
            datagrams: [Datagram::FREE; 16],
            leases: [const { Lease::FREE }; HOSTS],
        }
    }

    /// The tables, to be lent to a router.
    pub const fn lend(&mut self) -> Tables<'_> {
        Tables {
            flows: &mut self.flows,
            flow_index: &mut self.flow_index,
            mappings: &mut self.mappings,
            mapping_index: &mut self.mapping_index,
            neighbours: &mut self.neighbours,
            datagrams: &mut self.datagrams,
            leases: &mut self.leases,
        }
    }
}
