//! What people order through RQ's commands: a job, or all jobs, to end.

use std::sync::atomic::Ordering;

use super::{Dispatcher, Held};
use crate::job::Outcome;
use crate::worker::message::Order;

impl Dispatcher {
    pub(super) fn hear_order(&mut self, order: &Order) {
        let is_meant = |held: &Held| match order {
            Order::Kill => true,
            Order::Stop { job, execution } => {
                held.running.record.id == *job
                    && execution.as_ref().is_none_or(|execution| *execution == held.running.execution)
            }
        };
        let meant: Vec<u64> =
            self.held.iter().filter(|(_, held)| is_meant(held)).map(|(ticket, _)| *ticket).collect();
        if meant.is_empty() {
            log::debug!(target: "rq_rs", "nothing here for the order {order:?}");
        }
        for ticket in meant {
            let Some(mut held) = self.held.remove(&ticket) else { continue };
            held.flag.store(true, Ordering::Relaxed);
            let outcome = ordered(order, &held);
            if held.is_program {
                // Its supervisor ends it; then this is what is said of it.
                held.ordered = Some(outcome);
                self.held.insert(ticket, held);
            } else {
                self.leave_thread(ticket, held, outcome, true);
            }
        }
    }
}

fn ordered(order: &Order, held: &Held) -> Outcome {
    let what = match held.is_program {
        true => "its program was ended",
        false => "its thread was told to stop but may still run",
    };
    match order {
        // RQ's words for it begin the same.
        Order::Stop { .. } => Outcome::Stopped { error: format!("Job stopped by user, {what}.") },
        Order::Kill => Outcome::Crashed { error: format!("killed by the command kill-horse, {what}") },
    }
}
