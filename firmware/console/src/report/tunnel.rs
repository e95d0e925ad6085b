//! `show tunnel`.

use gatelet_proto::sixinfour::liveness::State;
use gatelet_router::{MAX_TUNNELS, Router, TunnelId};

use crate::lines::Lines;

/// The tunnels, and whether their far ends answer.
pub fn tunnels(router: &Router<'_>, lines: &mut Lines<'_>) {
    let states = (0..MAX_TUNNELS as u8).filter_map(|id| Some((id, router.tunnel_state(TunnelId(id))?)));
    let mut are_none = true;
    for (id, state) in states {
        are_none = false;
        let told = match state {
            State::Unknown => "not known yet",
            State::Up => "up: the far end answers",
            State::Degraded => "degraded: the far end does not always answer",
            State::Down => "down: the far end does not answer",
        };
        lines.field("Tunnel", format_args!("{id}: {told}"));
    }
    if are_none {
        lines.line(format_args!("there is no tunnel"));
    }
}
