//! A connection to a machine with several addresses: IPv6 first, IPv4 soon after if nothing comes of it, and the first
//! that is there is taken (RFC 8305 §5, with a fixed delay and without a memory).

use std::collections::VecDeque;

use smoltcp::iface::SocketHandle;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use super::body::Body;

/// RFC 8305 §8: Connection Attempt Delay.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How soon it is tried again when every socket is taken, or there is no way.
const AGAIN: Duration = Duration::from_millis(100);

/// A connection that is to come about.
#[derive(Debug)]
pub(super) struct Connect {
    port: u16,
    /// Not tried yet.
    addresses: VecDeque<IpAddress>,
    attempts: Vec<(IpAddress, SocketHandle)>,
    next_at: Instant,
    deadline: Instant,
    tried: bool,
}

/// How it stands.
pub(super) enum Connecting {
    NotYet(Instant),
    Up(IpAddress, SocketHandle),
    /// Why there is none.
    Failed(&'static str),
}

impl Connect {
    pub(super) fn new(now: Instant, addresses: Vec<IpAddress>, port: u16, patience: Duration) -> Self {
        let (addresses, attempts) = (addresses.into(), Vec::new());
        Self { port, addresses, attempts, next_at: now, deadline: now + patience, tried: false }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Connecting {
        let up = self.attempts.iter().position(|(_, handle)| body.tcp(*handle).may_send());
        if let Some(index) = up {
            let (address, handle) = self.attempts.swap_remove(index);
            self.give_up(body);
            body.tally.connections_over_ipv6 += u64::from(matches!(address, IpAddress::Ipv6(_)));
            return Connecting::Up(address, handle);
        }
        let attempts = self.attempts.len();
        self.attempts.retain(|&(_, handle)| {
            let open = body.tcp(handle).is_open();
            if !open {
                body.release(handle);
            }
            open
        });
        if self.attempts.len() < attempts {
            self.next_at = now; // the next one need not wait for what was refused
        }
        if self.attempts.is_empty() && self.addresses.is_empty() {
            return Connecting::Failed("the connection was refused");
        }
        if now >= self.deadline {
            self.give_up(body);
            return Connecting::Failed(if self.tried {
                "no connection comes about"
            } else {
                "no way to connect"
            });
        }
        while now >= self.next_at
            && let Some(&address) = self.addresses.front()
        {
            let Some(handle) = body.claim_tcp() else {
                self.next_at = now + AGAIN;
                break;
            };
            if body.connect(handle, address, self.port) {
                self.addresses.pop_front();
                self.attempts.push((address, handle));
                self.tried = true;
                self.next_at = now + ATTEMPT_DELAY;
            } else {
                body.release(handle);
                if self.addresses.len() == 1 {
                    self.next_at = now + AGAIN;
                } else {
                    self.addresses.pop_front();
                }
            }
        }
        let next = if self.addresses.is_empty() { self.deadline } else { self.next_at.min(self.deadline) };
        Connecting::NotYet(next)
    }

    /// Ends every attempt.
    pub(super) fn give_up(&mut self, body: &mut Body<'_>) {
        for (_, handle) in self.attempts.drain(..) {
            body.tcp(handle).abort();
            body.release(handle);
        }
    }
}
