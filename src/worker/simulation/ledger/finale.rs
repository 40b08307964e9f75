//! Rules of the end: every job is settled, and every run is reported.

use super::{Check, Ledger, hold};

impl Ledger {
    /// A worker has ended by itself, without an error.
    pub(in crate::worker::simulation) fn on_worker_ended(&mut self, worker: usize) -> Check {
        let unreported =
            self.executions.iter().find(|run| run.worker == worker && run.is_delivered && !run.is_reported);
        hold(unreported.is_none(), "a worker that ends has reported every run", || {
            format!("worker {worker}: {unreported:?}")
        })
    }

    /// Checks a job when nothing happens any more. `record` is its status and whether a reason is kept; `None` without
    /// a record.
    pub(in crate::worker::simulation) fn check_settled(
        &self,
        number: usize,
        record: Option<(&str, bool)>,
    ) -> Check {
        let job = &self.jobs[number];
        let what = || format!("j{number} {record:?}: {job:?}");
        hold(job.open.is_none(), "no execution has a job at the end", what)?;
        let is_right = match record {
            None => !job.is_expected || job.expires_at.is_some_and(|at| at <= self.now),
            Some(("finished", _)) => job.has_returned,
            Some(("failed" | "stopped", has_reason)) => has_reason,
            Some(("canceled", _)) => job.is_canceled,
            Some(_) => false,
        };
        hold(is_right, "an enqueued job is finished, failed with a reason, canceled or deleted", what)
    }
}
