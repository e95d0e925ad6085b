//! The decision about a new IPv6 flow: may it, where to, on whose account.

use gatelet_hal::Frame;
use smoltcp::time::Instant;

use super::address::{self, Address};
use super::flow::{Flow6, Tuple6};
use super::icmp::ErrorKind6;
use super::local::{control6, deliver6};
use super::packet::{self, ICMPV6, Packet6};
use super::route::Target;
use super::{Medium, TUNNEL_ACCOUNTS};
use crate::Dropped;
use crate::datapath::firewall::{Action, Opening6, Zone};
use crate::datapath::flow::{Direction, NO_NEIGHBOUR, State, tick};
use crate::datapath::interface::{Hop, HopKind};
use crate::datapath::packet::{TCP, UDP, destination_port, source_port};
use crate::datapath::slow::{Arrival, Outcome};
use crate::datapath::{Datapath, DatapathEvent, HOST_SHARE};

/// Where a packet goes.
pub(super) enum Found6<'p> {
    Flow(u16, Direction, Frame<'p>),
    Done(Outcome<'p>),
}

impl<'p> Datapath<'p> {
    /// Decides on the first packet of what may become a flow.
    pub(super) fn decide6(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet6,
        frame: Frame<'p>,
    ) -> Result<Found6<'p>, Dropped> {
        let hop = arrival.hop;
        if let Some(stack) = self.local_end6(hop, &packet.destination) {
            return self.decide_local6(now, arrival, packet, frame, stack);
        }
        let Some(target) = self.route6(hop, &packet.source, &packet.destination) else {
            self.send_error6(now, hop, packet, &frame, ErrorKind6::NoRoute);
            return Err(Dropped::NoRoute);
        };
        if target.hop == hop {
            // Back to where it came from: on the LAN they need no router, and through a tunnel it would go round and round
            // (RFC 6324 §3.1).
            let is_lan = hop == Hop::LAN;
            if !is_lan {
                self.send_error6(now, hop, packet, &frame, ErrorKind6::AddressUnreachable);
            }
            let is_tunnel = self.link6(hop).is_some_and(|link| matches!(link.medium, Medium::Tunnel(_)));
            return Err(match (is_lan, is_tunnel) {
                (true, _) => Dropped::OnLink,
                (_, true) => Dropped::TunnelLoop,
                _ => Dropped::NoRoute,
            });
        }
        if hop.is_stack() && target.hop == Hop::LAN {
            // Nobody but us speaks there under our address: no flow is needed to tell the answer.
            self.ask_rules6(now, hop, target.hop, packet, &frame)?;
            return self.stack_to_lan6(now, target, packet, frame).map(Found6::Done);
        }
        if !packet.may_open() {
            return Err(Dropped::NoFlow);
        }
        self.ask_rules6(now, hop, target.hop, packet, &frame)?;
        let from_neighbour = self.sender6(now, arrival, packet)?;
        let to_neighbour = self.next_hop6(now, target, &packet.destination, from_neighbour)?;
        match self.open6(now, hop, target.hop, packet, from_neighbour, to_neighbour) {
            Ok(place) => Ok(Found6::Flow(place, Direction::Forward, frame)),
            Err(reason) => {
                if hop == Hop::LAN {
                    // Better than a host that waits.
                    self.send_error6(now, hop, packet, &frame, ErrorKind6::Prohibited);
                }
                Err(reason)
            }
        }
    }

    /// A packet for an address of ours that is of no flow.
    fn decide_local6(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &Packet6,
        frame: Frame<'p>,
        stack: Hop,
    ) -> Result<Found6<'p>, Dropped> {
        let hop = arrival.hop;
        if packet.fragment.is_some() {
            return Err(Dropped::NoFlow);
        }
        if packet.protocol == ICMPV6 {
            return match packet.icmp_type {
                packet::ECHO_REQUEST => {
                    self.hear_source6(now, arrival, packet);
                    self.answer_echo6(now, hop, packet, frame).map(Found6::Done)
                }
                // What a tunnel's other end answers to its keeper.
                packet::ECHO_REPLY if matches!(hop.kind(), HopKind::Tunnel(_)) => {
                    Ok(Found6::Done(control6(arrival, packet, frame)))
                }
                _ => Err(Dropped::NoFlow),
            };
        }
        self.ask_rules6(now, hop, stack, packet, &frame)?;
        if hop.is_inside() {
            self.hear_source6(now, arrival, packet);
            return deliver6(stack, packet, frame).map(Found6::Done);
        }
        if !packet.may_open() {
            return Err(Dropped::NoFlow);
        }
        let from_neighbour = self.sender6(now, arrival, packet)?;
        let place = self.open6(now, hop, stack, packet, from_neighbour, NO_NEIGHBOUR)?;
        Ok(Found6::Flow(place, Direction::Forward, frame))
    }

    /// A packet of a stack of ours to the LAN, without a flow.
    fn stack_to_lan6(
        &mut self,
        now: Instant,
        target: Target,
        packet: &Packet6,
        mut frame: Frame<'p>,
    ) -> Result<Outcome<'p>, Dropped> {
        let neighbour = self.next_hop6(now, target, &packet.destination, NO_NEIGHBOUR)?;
        frame.truncate(packet.at + packet.len);
        let _ = frame.pull_front(packet.at);
        self.send6(now, target.hop, neighbour, frame)
    }

    /// The neighbour over which answers to a packet go back.
    fn sender6(&mut self, now: Instant, arrival: Arrival, packet: &Packet6) -> Result<u8, Dropped> {
        self.hear_source6(now, arrival, packet);
        let place = self.way_back6(now, arrival.hop, &packet.source, NO_NEIGHBOUR)?;
        if let Some(mac) = arrival.mac
            && self.v6.neighbours.hear(now, place, mac)
        {
            self.release_waiting6(now, place);
        }
        Ok(place)
    }

    /// Records the flow.
    fn open6(
        &mut self,
        now: Instant,
        from: Hop,
        to: Hop,
        packet: &Packet6,
        from_neighbour: u8,
        to_neighbour: u8,
    ) -> Result<u16, Dropped> {
        let forward = Tuple6::of(packet);
        if self.v6.flows.find(&forward.answer().0, packet.protocol, to).is_some() {
            return Err(Dropped::Ambiguous);
        }
        let account = self.account_of(from, to, from_neighbour, to_neighbour);
        self.admit6(now, account)?;
        let flow = Flow6 {
            forward,
            seen: tick(now),
            epoch: self.epoch,
            protocol: packet.protocol,
            state: State::NEW,
            from,
            to,
            from_neighbour,
            to_neighbour,
            account,
        };
        let super::V6 { flows, neighbours, fragments, tunnels, .. } = &mut self.v6;
        let opened = flows.insert(flow, tick(now), |place, victim| {
            super::charge(neighbours, tunnels, victim.account, -1);
            fragments.forget_flow(place);
        });
        let Some(place) = opened else {
            if self.tell_full.permit(now) {
                self.tell(DatapathEvent::FlowTableFull);
            }
            return Err(Dropped::FlowTableFull);
        };
        self.v6.charge(account, 1);
        Ok(place)
    }

    /// On whose account a flow is: that of its end on the LAN, else that of the tunnel we serve.
    pub(super) fn account_of(&self, from: Hop, to: Hop, from_neighbour: u8, to_neighbour: u8) -> u8 {
        if from == Hop::LAN {
            return from_neighbour;
        }
        if to == Hop::LAN {
            return to_neighbour;
        }
        let served = [from, to].into_iter().find_map(|hop| match hop.kind() {
            HopKind::Tunnel(id) if self.is_served(hop) => Some(TUNNEL_ACCOUNTS + id.0),
            _ => None,
        });
        served.unwrap_or(NO_NEIGHBOUR)
    }

    /// Whether there may be one more flow on an account: a quarter of all for each host and each tunnel. At its quota it gets on at its own expense, as
    /// long as there is a flow that was never answered.
    fn admit6(&mut self, now: Instant, account: u8) -> Result<(), Dropped> {
        let quota = (self.v6.flows.capacity() / HOST_SHARE).max(1);
        let is_below = |flows: u16| usize::from(flows) < quota;
        // With fewer flows than that in all, nobody has more.
        if self.v6.flows.len() < quota || self.v6.flows_of(account).is_none_or(is_below) {
            return Ok(());
        }
        let super::V6 { flows, neighbours, .. } = &mut self.v6;
        if let Some(victim) = flows.unanswered_of(|other| neighbours.is_same_host(account, other), tick(now))
        {
            self.end_flow6(victim);
            return Ok(());
        }
        if let Some(neighbour) = self.v6.neighbours.neighbour(account) {
            let address = address::address(&neighbour.address);
            if self.tell_quota.permit(now) {
                self.tell(DatapathEvent::Ipv6HostQuota { address });
            }
        }
        Err(Dropped::HostQuota)
    }

    /// Asks the rules about a new flow.
    fn ask_rules6(
        &mut self,
        now: Instant,
        from: Hop,
        to: Hop,
        packet: &Packet6,
        frame: &Frame<'p>,
    ) -> Result<(), Dropped> {
        let tuple = Tuple6::of(packet);
        let opening = opening6(from, to, packet.protocol, &tuple);
        let rule = self.firewall.decide6(&opening);
        if let Some((number, rule)) = rule.filter(|(_, rule)| rule.log) {
            let (source, destination) =
                (address::address(&packet.source), address::address(&packet.destination));
            self.tell(DatapathEvent::Ipv6Rule { number, action: rule.action, source, destination });
        }
        let Some((_, rule)) = rule else {
            let default = self.default6(&tuple, packet.protocol, from, to);
            let is_echo = packet.protocol == ICMPV6 && !self.is_served(from) && self.is_served(to);
            if default == Action::Accept && is_echo && !self.v6.echo.permit(now) {
                return Err(Dropped::RateLimited);
            }
            return if default == Action::Accept { Ok(()) } else { Err(Dropped::Uninvited) };
        };
        match rule.action {
            Action::Accept => Ok(()),
            Action::Drop => Err(Dropped::Rule),
            Action::Reject => {
                if packet.protocol == TCP {
                    self.send_reset6(now, from, packet, frame);
                } else {
                    self.send_error6(now, from, packet, frame, ErrorKind6::Prohibited);
                }
                Err(Dropped::Rule)
            }
        }
    }

    /// What becomes of a flow that no rule speaks of (RFC 6092 REC-11, REC-21 to REC-25): from inside it may be opened, from
    /// outside not, but for what the policy lets in. Who is behind a tunnel that we serve is outside for our LAN, and has an
    /// Internet of its own: that is not ours to filter.
    pub(super) fn default6(&self, tuple: &Tuple6, protocol: u8, from: Hop, to: Hop) -> Action {
        if from.is_inside() || !to.is_inside() && (self.is_served(from) || self.is_served(to)) {
            return Action::Accept;
        }
        let policy = self.v6.policy;
        let is_let_in = match protocol {
            ICMPV6 => policy.allow_echo,
            ESP | AH | HIP => policy.allow_ipsec,
            UDP => policy.allow_ipsec && destination_port(tuple.ports()) == IKE,
            _ => false,
        };
        if is_let_in && to == Hop::LAN { Action::Accept } else { Action::Drop }
    }
}

/// What a rule is asked about a flow.
pub(super) fn opening6(from: Hop, to: Hop, protocol: u8, arriving: &Tuple6) -> Opening6 {
    let zone = |hop: Hop| match hop.kind() {
        HopKind::Lan => Zone::Lan,
        HopKind::LanStack | HopKind::Stack(_) => Zone::Router,
        HopKind::Wan(_) | HopKind::Modem(_) | HopKind::Tunnel(_) => Zone::Wan,
    };
    let has_ports = matches!(protocol, TCP | UDP);
    let port = |port: u16| if has_ports { port } else { 0 };
    let (source, destination): (Address, Address) = (arriving.source(), arriving.destination());
    Opening6 {
        from: zone(from),
        to: zone(to),
        source: address::address(&source),
        destination: address::address(&destination),
        protocol,
        source_port: port(source_port(arriving.ports())),
        destination_port: port(destination_port(arriving.ports())),
    }
}

/// Protocols that protect themselves (RFC 4303, RFC 4302, RFC 7401), and the port at which they agree how (RFC 7296).
const ESP: u8 = 50;
const AH: u8 = 51;
const HIP: u8 = 139;
const IKE: u16 = 500;
