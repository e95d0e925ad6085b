//! The director of a scenario: strikes its faults when their time or their event has come.

use gatelet_router::WanConfig;
use smoltcp::time::Instant;

use super::fault::{Fault, When};
use crate::link::Quality;
use crate::timeline::Entry;
use crate::world::{Director, Network};

/// The faults of a scenario and how far they are.
pub struct Script {
    faults: Vec<Fault>,
    config: WanConfig,
    normal: Quality,
    /// Due moments: when, which fault, and whether it strikes or is undone. Few, so a list does.
    due: Vec<Due>,
    /// Events each fault has still to wait for.
    awaited: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    fault: usize,
    undo: bool,
}

impl Script {
    /// A script over a line that is normally of `normal`, with a router told `config`.
    pub fn new(faults: Vec<Fault>, config: WanConfig, normal: Quality) -> Self {
        let mut script = Self { awaited: vec![0; faults.len()], due: Vec::new(), faults, config, normal };
        for fault in 0..script.faults.len() {
            match script.faults[fault].when {
                When::At(at) => script.arm(fault, Instant::ZERO + at),
                When::After { nth, .. } => script.awaited[fault] = nth,
            }
        }
        script
    }

    fn arm(&mut self, fault: usize, at: Instant) {
        let (times, every) = self.faults[fault].repeat;
        for number in 0..times {
            let at = at + every * number;
            self.due.push(Due { at, fault, undo: false });
            if let Some(lasts) = self.faults[fault].lasts {
                self.due.push(Due { at: at + lasts, fault, undo: true });
            }
        }
    }
}

impl Director for Script {
    fn poll_at(&self) -> Option<Instant> {
        self.due.iter().map(|due| due.at).min()
    }

    fn act(&mut self, now: Instant, network: &mut Network<'_>) {
        loop {
            let next = self.due.iter().enumerate().min_by_key(|(index, due)| (due.at, *index));
            let Some((index, &due)) = next.filter(|(_, due)| due.at <= now) else { return };
            self.due.remove(index);
            if due.undo {
                self.faults[due.fault].undo(network, &self.normal);
            } else {
                self.faults[due.fault].strike(network, &self.config);
            }
        }
    }

    fn notice(&mut self, entry: &Entry) {
        for fault in 0..self.faults.len() {
            let When::After { tag, delay, .. } = &self.faults[fault].when else { continue };
            if self.awaited[fault] == 0 || tag != entry.tag {
                continue;
            }
            let at = entry.at + *delay;
            self.awaited[fault] -= 1;
            if self.awaited[fault] == 0 {
                self.arm(fault, at);
            }
        }
    }
}
