//! Whether an IPv6 flow that was decided on under other rules, routes and addresses would be decided on as it was.

use smoltcp::time::Instant;

use super::decide::opening6;
use crate::datapath::Datapath;
use crate::datapath::firewall::Action;
use crate::datapath::flow::NO_NEIGHBOUR;

impl Datapath<'_> {
    /// Whether packets of a flow may go its way, by the rules, routes and addresses of now.
    pub(super) fn holds6(&mut self, now: Instant, place: u16) -> bool {
        let Some(flow) = self.v6.flows.flow(place).filter(|flow| flow.protocol != 0) else { return false };
        flow.epoch == self.epoch || self.still_holds6(now, place)
    }

    /// Whether a flow of another epoch would be decided on as it was; it is of this epoch then.
    fn still_holds6(&mut self, now: Instant, place: u16) -> bool {
        let Some(flow) = self.v6.flows.flow(place).copied() else { return false };
        let (source, destination) = (flow.forward.source(), flow.forward.destination());
        if self.check_source6(flow.from, &source).is_err() {
            return false;
        }
        let target = match self.local_end6(flow.from, &destination) {
            Some(stack) if stack == flow.to => None,
            Some(_) => return false,
            None => match self.route6(flow.from, &source, &destination) {
                Some(target) if target.hop == flow.to => Some(target),
                _ => return false,
            },
        };
        let opening = opening6(flow.from, flow.to, flow.protocol, &flow.forward);
        let rule = self.firewall.find6(&opening).map(|(_, rule)| rule.action);
        if rule.unwrap_or_else(|| self.default6(&flow.forward, flow.protocol, flow.from, flow.to))
            != Action::Accept
        {
            return false;
        }
        let Ok(from_neighbour) = self.way_back6(now, flow.from, &source, NO_NEIGHBOUR) else { return false };
        let to_neighbour = match target {
            Some(target) => self.next_hop6(now, target, &destination, from_neighbour),
            None => Ok(NO_NEIGHBOUR),
        };
        let Ok(to_neighbour) = to_neighbour else { return false };
        let account = self.account_of(flow.from, flow.to, from_neighbour, to_neighbour);
        if account != flow.account {
            self.v6.charge(flow.account, -1);
            self.v6.charge(account, 1);
        }
        // While an end cannot be reached, all packets are looked at: the next from there tells its hardware address.
        let is_reachable = |end: u8| {
            end == NO_NEIGHBOUR
                || self.v6.neighbours.neighbour(end).is_some_and(|known| known.reachable().is_some())
        };
        let is_settled = is_reachable(from_neighbour) && is_reachable(to_neighbour);
        let epoch = if is_settled { self.epoch } else { flow.epoch };
        if let Some(flow) = self.v6.flows.flow_mut(place) {
            (flow.epoch, flow.account) = (epoch, account);
            (flow.from_neighbour, flow.to_neighbour) = (from_neighbour, to_neighbour);
        }
        true
    }
}
