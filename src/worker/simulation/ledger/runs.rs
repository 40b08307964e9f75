//! Rules of runs: an execution runs once, in the worker that has claimed it.

use super::super::coverage::Mark;
use super::{Check, Ledger, SeenEnd, Violation, hold};

impl Ledger {
    fn running(&self, execution: &str, rule: &'static str) -> Result<usize, Violation> {
        self.find(execution).ok_or_else(|| Violation { rule, details: execution.to_owned() })
    }

    /// The engine has given a run to the pool.
    pub(in crate::worker::simulation) fn on_started(&mut self, execution: &str, worker: usize) -> Check {
        let run = self.running(execution, "a run was claimed")?;
        let run = &mut self.executions[run];
        let is_new = run.is_delivered && !run.is_started && run.worker == worker;
        run.is_started = true;
        hold(is_new, "an execution starts once, in its worker", || execution.to_owned())
    }

    /// A thread has begun a run. `others` are the executions of other runs that go on, without a cancel flag.
    pub(in crate::worker::simulation) fn on_begun(&mut self, execution: &str, others: &[String]) -> Check {
        let run = self.running(execution, "a run that begins was claimed")?;
        let is_first = !std::mem::replace(&mut self.executions[run].has_begun, true);
        hold(is_first, "an execution begins once", || execution.to_owned())?;
        self.coverage.count(Mark::RunsBegun);
        let job = self.executions[run].job;
        let others = others.iter().filter_map(|other| self.find(other));
        let overlapping: Vec<usize> =
            others.filter(|other| *other != run && self.executions[*other].job == job).collect();
        for other in overlapping {
            self.coverage.count(Mark::Overlapped);
            // Each way to close an execution while it runs has a cause, which is checked then.
            let is_caused = self.executions[run].close.is_some() || self.executions[other].close.is_some();
            hold(is_caused, "two runs of a job go on only for a cause", || {
                format!("j{job}: {execution} and {}", self.executions[other].name)
            })?;
        }
        Ok(())
    }

    pub(in crate::worker::simulation) fn on_ended(&mut self, execution: &str, end: SeenEnd) -> Check {
        let run = self.running(execution, "a run that ends was claimed")?;
        let before = self.executions[run].end.replace(end);
        hold(before.is_none(), "a run ends once", || execution.to_owned())
    }

    pub(in crate::worker::simulation) fn on_abandoned(&mut self, execution: &str) {
        if let Some(run) = self.find(execution) {
            self.executions[run].is_abandoned = true;
        }
    }

    pub(in crate::worker::simulation) fn on_controlled(&mut self, execution: &str) {
        if let Some(run) = self.find(execution) {
            self.executions[run].is_controlled = true;
        }
    }
}
