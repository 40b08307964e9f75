//! Ending runs from outside: at their deadline, after the grace of a shutdown, and at a cold shutdown.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::dispatcher::{ActiveRun, Dispatcher};
use crate::error::{Error, Result};
use crate::job::Outcome;
use crate::worker::event::Event;
use crate::worker::outcome_limits::timeout_message;
use crate::worker::stop::Phase;
use crate::worker::thread_pool::run_queue::RunId;

impl Dispatcher {
    /// Ends the runs that are past their deadline, and all runs when the worker terminates.
    pub(super) fn enforce_deadlines(&mut self) {
        if let (Some(since), Some(grace)) = (self.draining_since, self.worker.options.grace)
            && since.elapsed() >= grace
            && !self.has_no_work()
        {
            self.worker.stopper.stop_now();
        }
        let is_terminating = self.worker.stopper.phase() == Phase::Terminating;
        let now = Instant::now();
        let is_due = |run: &ActiveRun| is_terminating || run.deadline.is_some_and(|deadline| deadline <= now);
        let due: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| is_due(run)).map(|(run_id, _)| *run_id).collect();
        due.into_iter().for_each(|run_id| self.end_due_run(run_id, is_terminating));
    }

    fn end_due_run(&mut self, run_id: RunId, is_terminating: bool) {
        let Some(run) = self.runs.get(&run_id) else { return };
        run.cancel_flag.store(true, Ordering::Relaxed);
        if run.is_supervised {
            // The supervisor ends the process, and the run ends after that. A job that is put back earlier could run
            // twice at the same time.
            return;
        }
        let outcome = match is_terminating {
            true => Outcome::Interrupted,
            false => self.warn_of_timeout(run),
        };
        self.abandon_thread(run_id, outcome, !is_terminating);
    }

    /// Completes a run whose thread still works, because a thread cannot be killed. With `replace`, a new thread gets
    /// the slot.
    pub(super) fn abandon_thread(&mut self, run_id: RunId, outcome: Outcome, replace: bool) {
        let Some(run) = self.runs.remove(&run_id) else { return };
        self.pool.abandon(run_id, &run.retire_flag, replace);
        self.worker.state.set_abandoned_threads(self.pool.abandoned());
        let took = self.complete(run.job, outcome);
        self.observe_run_time(took);
    }

    /// Warns that a thread is about to be abandoned at its deadline, and returns the outcome of its run.
    fn warn_of_timeout(&self, run: &ActiveRun) -> Outcome {
        let record = &run.job.record;
        let handler = record.handler.as_deref().unwrap_or("the job");
        let allowed = run.job.timeout().unwrap_or_default();
        let (others, max) = (self.pool.abandoned(), self.pool.max_replaced());
        let advice = match others >= self.worker.options.concurrency {
            true => format!(
                "; with {max} the worker runs out of slots and ends: run handlers in processes (--isolate), \
                 or let them ask Context::is_canceled"
            ),
            false => String::new(),
        };
        self.emit(Event::Warning(format!(
            "{}: the thread of {handler} runs on past its time, as {others} others do{advice}",
            record.id,
        )));
        Outcome::TimedOut { error: timeout_message(handler, allowed) }
    }

    /// Ends a worker that can run nothing any more, because an abandoned thread holds each slot and no more threads
    /// are started. Only a new process helps.
    ///
    /// # Errors
    /// [`Error::Stuck`].
    pub(super) fn check_exhausted(&self) -> Result<()> {
        if self.pool.is_exhausted()
            && self.outbox.is_empty()
            && self.exchanges.is_empty()
            && self.worker.stopper.phase() == Phase::Running
        {
            return Err(Error::Stuck { threads: self.pool.abandoned() });
        }
        Ok(())
    }
}
