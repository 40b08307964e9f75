//! Ending runs from outside: at their deadline, after the grace of a shutdown, and at a cold shutdown.

use super::runs::ActiveRun;
use super::{Action, Engine, Now};
use crate::error::Error;
use crate::job::Outcome;
use crate::worker::event::Event;
use crate::worker::outcome_limits::timeout_message;
use crate::worker::phase::Phase;
use crate::worker::run::RunId;

impl Engine {
    /// Ends the runs that are past their deadline, and all runs when the worker terminates.
    pub(super) fn enforce_deadlines(&mut self, now: Now) {
        self.check_grace(now);
        let is_terminating = self.life.is_terminating();
        let is_due = |run: &ActiveRun| {
            is_terminating && !run.is_canceled || run.deadline.is_some_and(|deadline| deadline <= now.instant)
        };
        if self.runs.iter().any(is_due) {
            for run in self.runs.select(is_due) {
                self.end_due_run(now, run);
            }
        }
    }

    /// Terminates a draining worker that has used up its grace.
    fn check_grace(&mut self, now: Now) {
        if let (Some(since), Some(grace)) = (self.life.draining_since, self.config.options.grace)
            && !self.life.is_terminating()
            && since + grace <= now.instant
            && !self.has_no_work()
        {
            self.actions.push_back(Action::Terminate);
            self.on_stopper_changed(Phase::Terminating, self.life.is_quiet);
        }
    }

    fn end_due_run(&mut self, now: Now, id: RunId) {
        self.cancel(id);
        let Some(run) = self.runs.get_mut(id) else { return };
        if run.is_supervised {
            // The supervisor ends the process, and the run ends after that. A job that is put back earlier could run
            // twice at the same time.
            return;
        }
        let (is_terminating, job) = (self.life.is_terminating(), run.job.record.id.clone());
        let handler = run.job.record.handler.clone().unwrap_or_else(|| "the job".to_owned());
        let allowed = run.job.timeout().unwrap_or_default();
        if is_terminating {
            return self.abandon(now, id, Outcome::Interrupted, false);
        }
        self.warn_of_timeout(&job, &handler);
        self.abandon(now, id, Outcome::TimedOut { error: timeout_message(&handler, allowed) }, true);
    }

    /// Sets the cancel flag of a run.
    pub(super) fn cancel(&mut self, id: RunId) {
        if let Some(run) = self.runs.get_mut(id) {
            run.is_canceled = true;
            self.actions.push_back(Action::Cancel(id));
        }
    }

    /// Completes a run whose thread still works, because a thread cannot be killed. With `replace`, a new thread gets
    /// the slot.
    pub(super) fn abandon(&mut self, now: Now, id: RunId, outcome: Outcome, replace: bool) {
        let Some(run) = self.runs.remove(id) else { return };
        self.claims.include_queues_waiting_for(run.job.record.handler.as_deref());
        let is_replaced = self.runs.slots.abandon(id, replace);
        self.actions.push_back(Action::Abandon { run: id, is_replaced });
        let took = self.complete(now, run.job, outcome);
        self.claims.observe_run_time(took);
    }

    /// Warns that a thread is about to be abandoned at its deadline.
    fn warn_of_timeout(&mut self, job: &str, handler: &str) {
        let (others, max) = (self.runs.slots.abandoned(), self.runs.slots.max_replaced());
        let advice = match others >= self.config.options.concurrency {
            true => format!(
                "; with {max} the worker runs out of slots and ends: run handlers in processes (--isolate), \
                 or let them ask Context::is_canceled"
            ),
            false => String::new(),
        };
        self.emit(Event::Warning(format!(
            "{job}: the thread of {handler} runs on past its time, as {others} others do{advice}"
        )));
    }

    /// Ends a worker that can run nothing any more, because an abandoned thread holds each slot and no more threads
    /// are started. Only a new process helps.
    pub(super) fn check_exhausted(&mut self) {
        if self.runs.slots.are_exhausted()
            && self.outbox.is_empty()
            && self.link.is_idle()
            && !self.life.is_stopping()
        {
            self.end(Err(Error::Stuck { threads: self.runs.slots.abandoned() }));
        }
    }
}
