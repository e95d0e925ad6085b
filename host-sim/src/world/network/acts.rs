//! What a director can do with the world, and a user.

use gatelet_router::Command;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

use super::{Errand, Network, Power, ROUTER_MAC, wake};
use crate::peers::concentrator::Concentrator;
use crate::peers::host::Task;
use crate::peers::internet::Campaign;
use crate::peers::lan::Scheme;
use crate::peers::ont::Ont;
use crate::timeline::{Actor, Tone};
use crate::world::Outbox;

impl Network<'_> {
    /// Pulls the cable out of the router's port, or puts it back.
    pub fn set_cable(&mut self, plugged: bool) {
        self.cable = plugged;
        self.carrier_changed();
    }

    /// Switches the ONT on or off. On, it bridges after it has booted: 60 to 120 s, or `boot`.
    pub fn set_ont_power(&mut self, on: bool, boot: Option<Duration>) {
        if on {
            let bridges_at = self.ont.boot(self.now, &mut self.rng);
            if let Some(boot) = boot {
                self.ont = Ont::bridging_at(self.now + boot);
            }
            let wait = boot.unwrap_or(bridges_at - self.now);
            let seconds = wait.secs();
            self.tell(
                Actor::Line,
                "ont-boots",
                Tone::Plain,
                "the ONT boots; its Ethernet lamp is on".into(),
                format!("the optical line follows in {seconds} s"),
            );
        } else {
            self.ont.power_off();
        }
        self.ont_bridges = self.ont.bridges(self.now);
        self.carrier_changed();
    }

    /// The router's switch.
    pub fn set_power(&mut self, power: Power) {
        self.power_touched |= power != self.power;
        self.power = power;
        wake(self.driver.as_ref());
    }

    /// Where the router's switch stands.
    pub fn power(&self) -> Power {
        self.power
    }

    /// Makes the concentrator do something that may send frames.
    pub fn with_concentrator(&mut self, act: impl FnOnce(Instant, &mut Concentrator, &mut Outbox)) {
        act(self.now, &mut self.concentrator, &mut self.outbox);
        self.flush();
        wake(self.driver.as_ref());
    }

    /// The line itself did something to the client: the next dial is not of its own making.
    pub fn line_failed(&mut self) {
        self.concentrator.line_failed(ROUTER_MAC);
    }

    /// Gives the router a command, as its owner would.
    pub fn command(&mut self, command: Command) {
        self.commands.push_back(command);
        wake(self.clerk.as_ref());
    }

    /// Lets a computer do something, on the LAN (by its number) or on the Internet.
    pub fn begin(&mut self, host: Option<usize>, task: Task) {
        let now = self.now;
        match (host, &mut self.lan, &mut self.internet) {
            (Some(host), Some(lan), _) => lan.begin(now, host, task),
            (None, _, Some(internet)) => internet.begin(now, task),
            _ => {}
        }
        wake(self.driver.as_ref());
    }

    /// Lets somebody out there do something who has IPv6 by a tunnel to the router's present address. Without one nothing
    /// happens.
    pub fn begin_far(&mut self, task: Task) {
        let (now, server) = (self.now, self.subscriber());
        let far = self.internet.as_mut().and_then(|internet| internet.far.as_mut());
        if let (Some(far), Some(server)) = (far, server) {
            far.begin(now, server, task);
        }
        wake(self.driver.as_ref());
    }

    /// Lets a computer on the LAN misbehave.
    pub fn misbehave(&mut self, host: usize, scheme: Scheme) {
        if let Some(lan) = &mut self.lan {
            lan.misbehave(self.now, host, scheme);
        }
        wake(self.driver.as_ref());
    }

    /// Lets somebody on the Internet attack the router's present address. Without one nothing happens.
    pub fn attack(&mut self, campaign: Campaign) {
        let subscriber = self.subscriber();
        if let (Some(internet), Some(subscriber)) = (&mut self.internet, subscriber) {
            internet.attack(self.now, campaign, subscriber);
        }
        wake(self.driver.as_ref());
    }

    /// The address the router has on the Internet now.
    pub fn subscriber(&self) -> Option<Ipv4Address> {
        match &self.edge {
            Some(edge) => edge.subscriber(self.now),
            None => self.concentrator.session_of(ROUTER_MAC).map(|session| session.address),
        }
    }

    /// Types at the router's console. Without power, or while it boots, nobody takes it.
    pub fn type_in(&mut self, text: &str) {
        if self.power == Power::On {
            self.typed.extend(text.bytes());
            wake(self.typist.as_ref());
        }
    }

    /// Sends a user on an errand.
    pub fn errand(&mut self, errand: Errand) {
        self.errands.push_back(errand);
        wake(self.runner.as_ref());
    }
}
