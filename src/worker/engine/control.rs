//! RQ's commands `stop-job` and `kill-horse`: they end the run of one job, or all runs.

use super::runs::ActiveRun;
use super::{Engine, Now};
use crate::job::Outcome;
use crate::worker::input::ControlMessage;
use crate::worker::run::RunId;

/// Number of times that a control is applied in vain before it is dropped: its job may be in a claim in flight.
const MAX_MISSES: u8 = 3;

impl Engine {
    pub(super) fn on_control(&mut self, now: Now, control: ControlMessage, misses: u8) {
        let targets = self.runs.select(|run| is_target(&control, run));
        if targets.is_empty() {
            // The job may be in a claim in flight, or about to begin.
            if misses < MAX_MISSES && (!self.link.is_idle() || !self.runs.arrived.is_empty()) {
                self.runs.pending_controls.push((control, misses + 1));
            } else {
                log::debug!(target: "rq_rs", "nothing here for the order {control:?}");
            }
            return;
        }
        targets.into_iter().for_each(|run| self.apply_control(now, &control, run));
    }

    /// Applies the controls again that have found no run.
    pub(super) fn retry_pending_controls(&mut self, now: Now) {
        for (control, misses) in std::mem::take(&mut self.runs.pending_controls) {
            self.on_control(now, control, misses);
        }
    }

    fn apply_control(&mut self, now: Now, control: &ControlMessage, id: RunId) {
        self.cancel(id);
        let Some(run) = self.runs.get_mut(id) else { return };
        let outcome = outcome_of_control(control, run);
        if run.is_supervised {
            // The supervisor ends the process, and the run ends after that.
            run.control_outcome = Some(outcome);
        } else {
            self.abandon(now, id, outcome, true);
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
