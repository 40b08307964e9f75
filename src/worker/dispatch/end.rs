//! The end of a run: its outcome becomes a verdict and a completion, and Redis' acknowledgement an event.

use std::time::Duration;

use chrono::Utc;

use super::dispatcher::{ActiveRun, Dispatcher};
use crate::claim::ClaimedJob;
use crate::completion::Completion;
use crate::finish::FinishAck;
use crate::job::{Outcome, RetryState, decide};
use crate::worker::accounting::record_completion;
use crate::worker::event::Event;
use crate::worker::stop::Phase;
use crate::worker::thread_pool::run_queue::RunId;

impl Dispatcher {
    /// Handles the end of a run that its thread has reported.
    pub(super) fn on_run_ended(&mut self, run_id: RunId, outcome: Outcome) {
        if let Some(took) = self.end_run(run_id, outcome) {
            self.observe_run_time(took);
        }
    }

    /// Frees the slot of a run and completes its job. Returns the duration of the run; `None` for an abandoned one,
    /// which has ended before.
    pub(super) fn end_run(&mut self, run_id: RunId, outcome: Outcome) -> Option<Duration> {
        let Some(mut run) = self.runs.remove(&run_id) else {
            self.pool.on_abandoned_returned(run_id);
            self.worker.state.set_abandoned_threads(self.pool.abandoned());
            return None;
        };
        self.pool.release_slot();
        let outcome = final_outcome(&mut run, self.worker.stopper.phase(), outcome);
        Some(self.complete(run.job, outcome))
    }

    /// Decides what follows from a run, and puts its completion into the outbox. Returns the duration of the run. Every
    /// claimed job comes here once, except one that cannot be decoded and those of a worker that ends with an error:
    /// their leases expire.
    pub(super) fn complete(&mut self, mut job: ClaimedJob, outcome: Outcome) -> Duration {
        self.include_queues_waiting_for(job.record.handler.as_deref());
        let options = &self.worker.options;
        if let (Some(policy), false) =
            (options.default_retry(&job.record), matches!(outcome, Outcome::Returned(_)))
        {
            job.record.apply_default_retry(policy, fastrand::f64);
        }
        self.worker.state.untrack_lease(&job.lease_member());
        let verdict = decide(outcome, &RetryState::from_record(&job.record), options.max_deliveries);
        let (retention, dialect) = (options.retention(), self.worker.client.dialect);
        let completion = Completion::new(job, verdict, retention, dialect, Utc::now());
        let took = completion.took;
        self.outbox.completions.push(completion);
        took
    }

    /// Puts jobs whose runs have not begun back at the front of their queues, in their order.
    pub(super) fn put_back(&mut self, jobs: Vec<ClaimedJob>) {
        // Every job goes to the front, so the last job goes first.
        for job in jobs.into_iter().rev() {
            self.complete(job, Outcome::NotBegun);
        }
    }

    /// Emits the event of a run only when Redis has stored its end.
    pub(super) fn on_ack(&mut self, completion: Completion, ack: FinishAck) {
        if ack == FinishAck::DoneWithMoreDependents {
            self.emit(Event::Warning(format!(
                "{}: more than 10,000 jobs wait for it; those that were not released need Python's \
                 queue.enqueue_dependents",
                completion.id
            )));
        }
        let event = record_completion(&mut self.summary, &self.worker.state, completion, ack);
        self.emit(event);
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
