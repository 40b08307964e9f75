//! What people order through RQ's commands: a job, or all jobs, to end.

use std::sync::atomic::Ordering;

use super::{Dispatcher, Held};
use crate::job::Outcome;
use crate::worker::message::Control;

/// How many claims may come in before an order for a job that is not here is dropped.
const TRIES: u8 = 3;

impl Dispatcher {
    pub(super) fn hear_order(&mut self, order: Control, tries: u8) {
        let is_meant = |held: &Held| match &order {
            Control::Kill => true,
            Control::Stop { job, execution } => {
                held.running.record.id == *job
                    && execution.as_ref().is_none_or(|execution| *execution == held.running.execution)
            }
        };
        let meant: Vec<u64> =
            self.held.iter().filter(|(_, held)| is_meant(held)).map(|(ticket, _)| *ticket).collect();
        if meant.is_empty() {
            // The job may be in a claim whose answer has not come yet, or is not unpacked.
            if tries < TRIES && (!self.flights.is_empty() || !self.arrived.is_empty()) {
                self.orders.push((order, tries + 1));
            } else {
                log::debug!(target: "rq_rs", "nothing here for the order {order:?}");
            }
            return;
        }
        for ticket in meant {
            let Some(mut held) = self.held.remove(&ticket) else { continue };
            held.flag.store(true, Ordering::Relaxed);
            let outcome = ordered(&order, &held);
            if held.is_supervised {
                // Its supervisor ends it; then this is what is said of it.
                held.ordered = Some(outcome);
                self.held.insert(ticket, held);
            } else {
                self.leave_thread(ticket, held, outcome, true);
            }
        }
    }
}

fn ordered(order: &Control, held: &Held) -> Outcome {
    let what = match held.is_supervised {
        true => "its process was ended",
        false => "its thread was told to stop but may still run",
    };
    match order {
        // RQ's words for it begin the same.
        Control::Stop { .. } => Outcome::Stopped { error: format!("Job stopped by user, {what}.") },
        Control::Kill => Outcome::Crashed { error: format!("killed by the command kill-horse, {what}") },
    }
}
