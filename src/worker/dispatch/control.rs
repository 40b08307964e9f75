//! RQ's commands `stop-job` and `kill-horse`: they end the run of one job, or all runs.

use std::sync::atomic::Ordering;

use super::dispatcher::{ActiveRun, Dispatcher};
use crate::job::Outcome;
use crate::worker::message::ControlMessage;
use crate::worker::thread_pool::run_queue::RunId;

/// Number of times that a control is applied in vain before it is dropped: its job may be in a claim in flight.
const MAX_MISSES: u8 = 3;

impl Dispatcher {
    pub(super) fn on_control(&mut self, control: ControlMessage, misses: u8) {
        let targets: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| is_target(&control, run)).map(|(run_id, _)| *run_id).collect();
        if targets.is_empty() {
            // The job may be in a claim in flight, or not decoded yet.
            if misses < MAX_MISSES && (!self.exchanges.is_empty() || !self.arrived.is_empty()) {
                self.pending_controls.push((control, misses + 1));
            } else {
                log::debug!(target: "rq_rs", "nothing here for the order {control:?}");
            }
            return;
        }
        targets.into_iter().for_each(|run_id| self.apply_control(&control, run_id));
    }

    fn apply_control(&mut self, control: &ControlMessage, run_id: RunId) {
        let Some(run) = self.runs.get_mut(&run_id) else { return };
        run.cancel_flag.store(true, Ordering::Relaxed);
        let outcome = outcome_of_control(control, run);
        if run.is_supervised {
            // The supervisor ends the process, and the run ends after that.
            run.control_outcome = Some(outcome);
        } else {
            self.abandon_thread(run_id, outcome, true);
        }
    }
}

fn is_target(control: &ControlMessage, run: &ActiveRun) -> bool {
    match control {
        ControlMessage::Kill => true,
        ControlMessage::Stop { job, execution } => {
            run.job.record.id == *job
                && execution.as_ref().is_none_or(|execution| *execution == run.job.execution)
        }
    }
}

fn outcome_of_control(control: &ControlMessage, run: &ActiveRun) -> Outcome {
    let consequence = match run.is_supervised {
        true => "its process was ended",
        false => "its thread was told to stop but may still run",
    };
    match control {
        // Begins as RQ's message does.
        ControlMessage::Stop { .. } => {
            Outcome::Stopped { error: format!("Job stopped by user, {consequence}.") }
        }
        ControlMessage::Kill => {
            Outcome::Crashed { error: format!("killed by the command kill-horse, {consequence}") }
        }
    }
}
