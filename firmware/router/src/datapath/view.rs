//! Flows and mappings as people see them.

use core::net::{SocketAddrV4, SocketAddrV6};

use smoltcp::time::{Duration, Instant};

use super::flow::{Flow, tick};
use super::interface::{HopKind, address};
use super::packet::{destination_port, source_port};
use super::v6::{Flow6, address6};
use super::{Datapath, nat::Mapping};
use crate::WanId;

/// A flow at one moment. Ports are identifiers, for ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowStatus {
    /// IP's number of the protocol.
    pub protocol: u8,
    /// Who opened it, as it sent.
    pub source: SocketAddrV4,
    /// Whom it wanted.
    pub destination: SocketAddrV4,
    /// Who opened it, as the other end sees it.
    pub translated_source: SocketAddrV4,
    /// Whom it got.
    pub translated_destination: SocketAddrV4,
    /// There was an answer, and a TCP connection is open.
    pub is_established: bool,
    /// Since the last packet, to the second.
    pub idle: Duration,
}

/// A flow of IPv6 at one moment. Ports are identifiers, for `ICMPv6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowStatus6 {
    /// IP's number of the protocol.
    pub protocol: u8,
    /// Who opened it.
    pub source: SocketAddrV6,
    /// Whom it wanted.
    pub destination: SocketAddrV6,
    /// There was an answer, and a TCP connection is open.
    pub is_established: bool,
    /// Since the last packet, to the second.
    pub idle: Duration,
}

/// A NAT mapping at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappingStatus {
    /// IP's number of the protocol.
    pub protocol: u8,
    /// Who is meant. The port is an identifier, for ICMP.
    pub inside: SocketAddrV4,
    /// The port of the WAN's address that stands for it.
    pub external_port: u16,
    /// Which WAN, unless it is on a modem's own network.
    pub wan: Option<WanId>,
    /// Flows that use it.
    pub flows: u16,
}

impl Datapath<'_> {
    pub(crate) fn flow_status(&self, now: Instant, from: u16) -> impl Iterator<Item = (u16, FlowStatus)> {
        self.flows.iter_from(from).map(move |(place, flow)| (place, status_of(now, flow)))
    }

    pub(crate) fn flow_status6(&self, now: Instant, from: u16) -> impl Iterator<Item = (u16, FlowStatus6)> {
        self.v6.flows_from(from).map(move |(place, flow)| (place, status_of6(now, flow)))
    }

    pub(crate) fn mapping_status(&self, from: u16) -> impl Iterator<Item = (u16, MappingStatus)> {
        self.mappings.iter_from(from).map(|(place, mapping)| (place, status_of_mapping(mapping)))
    }
}

fn status_of(now: Instant, flow: &Flow) -> FlowStatus {
    let ends = |source, destination, ports| {
        [
            SocketAddrV4::new(address(source), source_port(ports)),
            SocketAddrV4::new(address(destination), destination_port(ports)),
        ]
    };
    let [source, destination] = ends(flow.forward.source, flow.forward.destination, flow.forward.ports);
    let [translated_destination, translated_source] =
        ends(flow.reverse.source, flow.reverse.destination, flow.reverse.ports);
    FlowStatus {
        protocol: flow.protocol,
        source,
        destination,
        translated_source,
        translated_destination,
        is_established: flow.state.is_steady(),
        idle: since(now, flow.seen),
    }
}

fn status_of6(now: Instant, flow: &Flow6) -> FlowStatus6 {
    let tuple = &flow.forward;
    let end = |address, port| SocketAddrV6::new(address6(&address), port, 0, 0);
    FlowStatus6 {
        protocol: flow.protocol,
        source: end(tuple.source(), source_port(tuple.ports())),
        destination: end(tuple.destination(), destination_port(tuple.ports())),
        is_established: flow.state.is_steady(),
        idle: since(now, flow.seen),
    }
}

fn since(now: Instant, seen: u32) -> Duration {
    let ticks = tick(now).wrapping_sub(seen);
    Duration::from_secs((u64::from(ticks) << 20) / 1_000_000)
}

fn status_of_mapping(mapping: &Mapping) -> MappingStatus {
    let Mapping { address: inside, port, external_port, flows, protocol, hop } = *mapping;
    MappingStatus {
        protocol,
        inside: SocketAddrV4::new(address(inside), port),
        external_port,
        wan: match hop.kind() {
            HopKind::Wan(wan) => Some(wan),
            _ => None,
        },
        flows,
    }
}
