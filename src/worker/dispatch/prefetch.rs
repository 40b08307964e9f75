//! Claiming ahead of free slots: of short jobs some wait here, so that a slot which ends one has the next at
//! once instead of after an exchange with Redis. Longer ones would make those wait that another worker could
//! begin, so they go back.

use std::time::Duration;

use super::Dispatcher;
use crate::job::Outcome;

/// Jobs that take no longer are short.
const SHORT: Duration = Duration::from_millis(10);
/// How long a job that was claimed ahead may wait for a slot before it goes back to its queue.
pub(super) const WAITS_AT_MOST: Duration = Duration::from_millis(20);
/// Before any job has ended: as if they took long.
pub(super) const UNKNOWN_PACE: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// How many jobs may wait for a slot.
    pub(super) fn ahead(&self) -> usize {
        if self.is_pipelined() && self.pace <= SHORT { self.worker.options.concurrency } else { 0 }
    }

    pub(super) fn note_pace(&mut self, took: Duration) {
        self.pace = (self.pace * 7 + took) / 8;
    }

    /// Jobs were claimed ahead of free slots, and then the slots were not free soon: other workers may be.
    pub(super) fn give_back_what_waits(&mut self) {
        if !self.slots.is_ahead() {
            return;
        }
        let back = self.slots.take_back(WAITS_AT_MOST);
        if back.is_empty() {
            return;
        }
        for ticket in back {
            self.begun = self.begun.saturating_sub(1);
            self.hear_end(ticket, Outcome::NotStarted);
        }
        self.pace = UNKNOWN_PACE;
    }
}
