//! The end of a run: its outcome becomes a verdict and a completion, and Redis' acknowledgement an event.

use chrono::Utc;

use super::dispatcher::{ActiveRun, Dispatcher};
use crate::claim::ClaimedJob;
use crate::completion::Completion;
use crate::finish::FinishAck;
use crate::job::{Outcome, RetryState, decide};
use crate::worker::accounting::record_completion;
use crate::worker::event::Event;
use crate::worker::stop::Phase;
use crate::worker::thread_pool::shared::RunId;

impl Dispatcher {
    pub(super) fn on_run_ended(&mut self, run_id: RunId, outcome: Outcome) {
        let Some(mut run) = self.runs.remove(&run_id) else {
            return self.on_abandoned_run_ended(run_id);
        };
        self.pool.release_slot();
        let outcome = final_outcome(&mut run, self.worker.stopper.phase(), outcome);
        self.complete(run.job, outcome);
    }

    fn on_abandoned_run_ended(&mut self, run_id: RunId) {
        match self.abandoned.remove(&run_id) {
            Some(false) => self.pool.release_slot(),
            Some(true) | None => self.pool.abandoned_returned(),
        }
        self.worker.state.set_abandoned_threads(self.abandoned.len());
    }

    /// Decides what follows from a run and puts its completion into the outbox. Every claimed job comes here once.
    pub(super) fn complete(&mut self, mut job: ClaimedJob, outcome: Outcome) {
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
        self.observe_run_time(completion.took);
        self.outbox.completions.push(completion);
    }

    /// Returns jobs that were not started to the heads of their queues, in their order. The mean run time stays as it
    /// is.
    pub(super) fn put_back(&mut self, jobs: Vec<ClaimedJob>) {
        let mean_run_time = self.mean_run_time;
        // Every job goes to the head, so the last job goes first.
        jobs.into_iter().rev().for_each(|job| self.complete(job, Outcome::NotBegun));
        self.mean_run_time = mean_run_time;
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

/// Returns the outcome that counts when a run was ended from outside. A result counts in any case.
fn final_outcome(run: &mut ActiveRun, phase: Phase, outcome: Outcome) -> Outcome {
    // A service manager may send the stop signal to the processes of the jobs as well.
    let was_interrupted = match (phase, &outcome) {
        (Phase::Terminating, _) => run.is_supervised,
        (Phase::Draining, Outcome::Terminated { .. }) => true,
        _ => false,
    };
    match (outcome, run.control_outcome.take()) {
        (Outcome::Returned(result), _) => Outcome::Returned(result),
        (_, Some(outcome)) => outcome,
        (_, None) if was_interrupted => Outcome::Interrupted,
        (outcome, None) => outcome,
    }
}
