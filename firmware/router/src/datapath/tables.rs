//! The memory of the datapath, lent by its owner.

use super::flow::Flow;
use super::fragment::Datagram;
use super::index::Bucket;
use super::nat::Mapping;
use super::neighbour::Neighbour;
use super::v6::{Datagram6, Flow6, Neighbour6};
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
    /// IPv6 flows, both directions in one: 52 bytes each.
    pub flows6: &'a mut [Flow6],
    /// The index of the IPv6 flows: 16 bytes for each flow.
    pub flow_index6: &'a mut [Bucket],
    /// IPv6 addresses of hosts on the LAN, and gateways: 48 bytes each, 240 at most.
    pub neighbours6: &'a mut [Neighbour6],
    /// IPv6 datagrams whose fragments are on their way: 72 bytes each, 255 at most.
    pub datagrams6: &'a mut [Datagram6],
    /// Leases of the DHCP server: 64 bytes each, as many as the LAN has hosts.
    pub leases: &'a mut [Lease],
}

/// Memory for the tables of a router with `FLOWS` flows, `HOSTS` neighbours and `FLOWS6` IPv6 flows: 92 bytes per flow, 200 per
/// neighbour (its lease and two IPv6 addresses included), 68 per IPv6 flow. `FLOWS` and `FLOWS6` are to be powers of two.
pub struct TableSpace<const FLOWS: usize, const HOSTS: usize, const FLOWS6: usize = 256> {
    flows: [Flow; FLOWS],
    flow_index: [Bucket; FLOWS],
    mappings: [Mapping; FLOWS],
    mapping_index: [Bucket; FLOWS],
    neighbours: [Neighbour; HOSTS],
    datagrams: [Datagram; 16],
    leases: [Lease; HOSTS],
    flows6: [Flow6; FLOWS6],
    flow_index6: [Bucket; FLOWS6],
    /// A host has an address for each network, and often one that changes.
    neighbours6: [[Neighbour6; 2]; HOSTS],
    datagrams6: [Datagram6; 8],
}

impl<const FLOWS: usize, const HOSTS: usize, const FLOWS6: usize> TableSpace<FLOWS, HOSTS, FLOWS6> {
    /// Empty tables, for a static or a box.
    #[expect(clippy::new_without_default, reason = "90 KB and more: const, for statics, is the use")]
    pub const fn new() -> Self {
        const { assert!(FLOWS.is_power_of_two() && FLOWS <= 16384 && HOSTS > 0) }
        const { assert!(FLOWS6.is_power_of_two() && FLOWS6 <= 16384) }
        Self {
            flows: [Flow::FREE; FLOWS],
            flow_index: [Bucket::EMPTY; FLOWS],
            mappings: [Mapping::FREE; FLOWS],
            mapping_index: [Bucket::EMPTY; FLOWS],
            neighbours: [Neighbour::FREE; HOSTS],
            datagrams: [Datagram::FREE; 16],
            leases: [const { Lease::FREE }; HOSTS],
            flows6: [Flow6::FREE; FLOWS6],
            flow_index6: [Bucket::EMPTY; FLOWS6],
            neighbours6: [[Neighbour6::FREE; 2]; HOSTS],
            datagrams6: [Datagram6::FREE; 8],
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
            flows6: &mut self.flows6,
            flow_index6: &mut self.flow_index6,
            neighbours6: self.neighbours6.as_flattened_mut(),
            datagrams6: &mut self.datagrams6,
        }
    }
}
