//! The end of a run: its outcome becomes a verdict and a completion.

use std::time::Duration;

use super::runs::ActiveRun;
use super::{Engine, Now};
use crate::claim::ClaimedJob;
use crate::completion::Completion;
use crate::job::{Outcome, RetryState, decide};
use crate::worker::phase::Phase;
use crate::worker::run::RunId;

impl Engine {
    /// Handles the end of a run that its thread has reported.
    pub(super) fn on_run_ended(&mut self, now: Now, run: RunId, outcome: Outcome) {
        if let Some(took) = self.end_run(now, run, outcome) {
            self.claims.observe_run_time(took);
        }
    }

    /// Frees the slot of a run and completes its job. Returns the duration of the run; `None` for an abandoned one,
    /// which was completed before.
    pub(super) fn end_run(&mut self, now: Now, id: RunId, outcome: Outcome) -> Option<Duration> {
        let Some(mut run) = self.runs.remove(id) else {
            self.runs.slots.on_abandoned_returned(id);
            return None;
        };
        self.runs.slots.release(id);
        self.claims.include_queues_waiting_for(run.job.record.handler.as_deref());
        let outcome = final_outcome(&mut run, self.life.phase, outcome);
        Some(self.complete(now, run.job, outcome))
    }

    /// Decides what follows from a run, and puts its completion into the outbox. Returns the duration of the run. Every
    /// claimed job comes here once, except one that cannot be decoded and those of a worker that ends with an error:
    /// their leases expire.
    pub(super) fn complete(&mut self, now: Now, mut job: ClaimedJob, outcome: Outcome) -> Duration {
        let options = &self.config.options;
        if let (Some(policy), false) =
            (options.default_retry(&job.record), matches!(outcome, Outcome::Returned(_)))
        {
            job.record.apply_default_retry(policy, || self.rng.f64());
        }
        let verdict = decide(outcome, &RetryState::from_record(&job.record), options.max_deliveries);
        let completion = Completion::new(job, verdict, options.retention(), self.config.dialect, now.utc);
        let took = completion.took;
        self.outbox.add_completion(completion);
        took
    }

    /// Puts jobs whose runs have not begun back at the front of their queues, in their order.
    pub(super) fn put_back(&mut self, now: Now, jobs: Vec<ClaimedJob>) {
        // Every job goes to the front, so the last job goes first.
        for job in jobs.into_iter().rev() {
            self.complete(now, job, Outcome::NotBegun);
        }
    }
}

/// Returns the outcome of a run that may have been ended from outside. A result of the handler has precedence.
fn final_outcome(run: &mut ActiveRun, phase: Phase, outcome: Outcome) -> Outcome {
    // A service manager may send the stop signal to the processes of the jobs as well.
    let was_interrupted = match (phase, &outcome) {
        (Phase::Terminating, _) => run.is_supervised,
        (Phase::Draining, Outcome::KilledFromOutside { .. }) => true,
        _ => false,
    };
    match (outcome, run.control_outcome.take()) {
        (Outcome::Returned(result), _) => Outcome::Returned(result),
        (_, Some(outcome)) => outcome,
        (_, None) if was_interrupted => Outcome::Interrupted,
        (outcome, None) => outcome,
    }
}
