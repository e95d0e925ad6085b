//! A WAN at one moment.

use super::event::{Forwarded, SessionStatus, WanState, WanStatus};
use super::{State, Wan};

impl Wan<'_> {
    pub(crate) fn status(&self) -> WanStatus {
        let live = match &self.state {
            State::Session(live) | State::Closing(live) | State::Ending(live, _) => Some(live),
            State::Idle | State::Discovering { .. } => None,
        };
        let state = match &self.state {
            State::Idle => WanState::Idle,
            State::Discovering { .. } => WanState::Discovery,
            State::Session(live) if live.is_up() => WanState::Up,
            State::Session(live) => WanState::Negotiating(live.link.phase()),
            State::Closing(_) | State::Ending(..) => WanState::Closing,
        };
        let mut counters = self.counters;
        if let Some(live) = live {
            counters.link = *live.link.counters();
        }
        WanStatus {
            state,
            link: self.port_link,
            session: live.map(|live| SessionStatus {
                ac_mac: live.session.ac_mac,
                ac_name: live.session.ac_name.clone(),
                id: live.session.id,
            }),
            ipv4: live.and_then(|live| live.ipv4),
            ipv6: live.and_then(|live| live.ipv6),
            mtu: live.map_or(0, |live| live.mtu),
            up_since: live.and_then(|live| live.up_since),
            advice: self.engine.advice(),
            last_failure: self.last_failure,
            counters,
            forwarded: Forwarded::default(),
            forwarded_ipv6: Forwarded::default(),
        }
    }
}
