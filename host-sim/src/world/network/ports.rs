//! The router's ports, as the world sees them: carrier, what waits, what is counted and captured.

use std::collections::VecDeque;
use std::io::Write;
use std::task::Waker;

use gatelet_hal::LinkState;
use smoltcp::time::Instant;

use super::{Network, Power, keep, wake};
use crate::link::End;
use crate::pcap;

/// A port of the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Towards the ONT.
    Wan,
    /// Towards the computers at home.
    Lan,
}

/// What waits at a port, and who waits for it.
#[derive(Default)]
pub(super) struct Inbox {
    frames: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
}

impl Network<'_> {
    /// Has every frame that passes a port of the router's written to `output`.
    ///
    /// # Errors
    /// What the output says to the file header.
    pub fn capture(&mut self, side: Side, output: Box<dyn Write>) -> std::io::Result<()> {
        self.captures[side as usize] = Some(pcap::Writer::new(output)?);
        Ok(())
    }

    /// Ends the captures.
    ///
    /// # Errors
    /// The first error that writing it met.
    pub fn end_capture(&mut self) -> std::io::Result<()> {
        if let Some(error) = self.capture_error.take() {
            return Err(error);
        }
        self.captures.iter_mut().filter_map(Option::take).try_for_each(|capture| capture.finish().map(drop))
    }

    /// The carrier at a port of the router's.
    pub fn carrier(&self, side: Side) -> LinkState {
        let up = match side {
            Side::Wan => self.cable && self.ont.carrier(),
            Side::Lan => self.lan.is_some(),
        };
        if up { LinkState::Up } else { LinkState::Down }
    }

    /// Takes a frame from a port of the router's. False if there is no carrier.
    pub fn transmit(&mut self, now: Instant, side: Side, frame: &[u8]) -> bool {
        self.now = now;
        if self.carrier(side) == LinkState::Down {
            return false;
        }
        self.pass(side, End::Router, frame);
        if side == Side::Wan
            && let Some(modem) = &mut self.modem
        {
            modem.handle_frame(now, frame);
        }
        match (side, &mut self.lan) {
            (Side::Wan, _) if self.ont_bridges => self.link.send(now, End::Router, frame),
            (Side::Lan, Some(lan)) => lan.link.send(now, End::Router, frame),
            _ => return true,
        }
        wake(self.driver.as_ref());
        true
    }

    /// Whether a frame waits for a port of the router's.
    pub fn has_frame(&self, side: Side) -> bool {
        !self.inboxes[side as usize].frames.is_empty()
    }

    /// Hands the next frame for a port of the router's to `take`.
    pub fn receive<R>(&mut self, side: Side, take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let frame = self.inboxes[side as usize].frames.pop_front()?;
        let result = take(&frame);
        self.link.recycle(frame);
        Some(result)
    }

    /// What waits at the ports and was typed when the router is switched off is gone.
    pub fn drop_received(&mut self) {
        for side in [Side::Wan, Side::Lan] {
            while self.receive(side, |_| ()).is_some() {}
        }
        self.typed.clear();
    }

    /// Has `waker` woken when a frame comes to a port or its carrier changes.
    pub fn wake_port(&mut self, side: Side, waker: &Waker) {
        keep(&mut self.inboxes[side as usize].waker, waker);
    }

    /// A frame reaches a port of the router's.
    pub(super) fn arrive(&mut self, side: Side, frame: Vec<u8>) {
        if self.carrier(side) == LinkState::Down || self.power != Power::On {
            self.link.recycle(frame);
            return;
        }
        self.pass(side, End::Peers, &frame);
        let inbox = &mut self.inboxes[side as usize];
        inbox.frames.push_back(frame);
        wake(inbox.waker.as_ref());
    }

    pub(super) fn carrier_changed(&mut self) {
        if self.carrier(Side::Wan) == LinkState::Down {
            while self.receive(Side::Wan, |_| ()).is_some() {}
        }
        wake(self.inboxes[Side::Wan as usize].waker.as_ref());
        wake(self.driver.as_ref());
    }

    /// A frame passes a port of the router's.
    fn pass(&mut self, side: Side, from: End, frame: &[u8]) {
        let meter = match side {
            Side::Wan => &mut self.meter,
            Side::Lan => &mut self.lan_meter,
        };
        meter.count(self.now, from, frame);
        let capture = &mut self.captures[side as usize];
        if let Some(writer) = capture
            && let Err(error) = writer.write(self.now, frame)
        {
            *capture = None;
            self.capture_error = Some(error);
        }
    }
}
