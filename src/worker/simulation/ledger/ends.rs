//! Rules of completions: an execution is ended once, by what its run has really done, and the worker is told so.

use super::super::clock::{MILLISECOND, SECOND};
use super::super::coverage::Mark;
use super::{Check, Close, Execution, Ledger, SeenEnd, VerdictKind, hold};
use crate::completion::{Completion, Destination};
use crate::finish::FinishAck;
use crate::job::Verdict;
use crate::worker::phase::Phase;

impl Ledger {
    /// Redis has answered a worker's own completion.
    pub(in crate::worker::simulation) fn on_finished(
        &mut self,
        completion: &Completion,
        ack: FinishAck,
    ) -> Check {
        let execution = self.find_of(completion)?;
        self.executions[execution].acks.push(ack);
        match ack {
            FinishAck::Done | FinishAck::DoneWithMoreDependents => self.on_own_end(execution, completion),
            FinishAck::AlreadyDone => {
                self.coverage.count(Mark::AlreadyDone);
                let own = Close::Own(VerdictKind::of(&completion.verdict));
                let close = self.executions[execution].close;
                hold(close.is_some_and(|(close, _)| close == own), "done before means done", || {
                    format!("{} {}: {close:?}", completion.id, completion.execution)
                })
            }
            FinishAck::Fenced => self.on_fenced(execution, completion),
        }
    }

    fn on_fenced(&mut self, execution: usize, completion: &Completion) -> Check {
        self.coverage.count(Mark::Fenced);
        let (job, close) = (self.executions[execution].job, self.executions[execution].close);
        let what = || format!("{} {}: {close:?}", completion.id, completion.execution);
        hold(close.is_some(), "an execution that has its job is not fenced", what)?;
        let is_unchanged =
            matches!(close, Some((Close::Own(_), version)) if version == self.jobs[job].version);
        let is_there = self.jobs[job].expires_at.is_none_or(|at| self.now < at);
        hold(
            !is_unchanged || !is_there,
            "a repeated finish is recognized while nothing else has happened",
            what,
        )
    }

    fn on_own_end(&mut self, execution: usize, completion: &Completion) -> Check {
        let run = &self.executions[execution];
        let what = || format!("{} {} {:?}: {run:?}", completion.id, completion.execution, completion.verdict);
        hold(run.close.is_none(), "an execution is ended once", what)?;
        hold(self.jobs[run.job].open == Some(execution), "an execution ends the job that it has", what)?;
        let is_running = run.has_begun && run.end.is_none() && !run.is_abandoned;
        hold(!is_running, "a job is not ended while its run goes on", what)?;
        let worker = &self.workers[run.worker];
        let is_terminating = worker.phase == Phase::Terminating;
        let is_stopping = worker.phase != Phase::Running;
        let is_true = match &completion.verdict {
            Verdict::Finish { result, .. } => {
                run.end == Some(SeenEnd::Returned) && *result == run.name.as_bytes()
            }
            Verdict::Snooze { .. } => run.end == Some(SeenEnd::Snoozed),
            Verdict::Retry { .. } | Verdict::Fail { .. } => match run.end {
                Some(SeenEnd::Failed | SeenEnd::Killed) => true,
                _ => run.is_abandoned || run.is_controlled,
            },
            Verdict::PutBack { has_begun: true } => {
                is_terminating
                    || run.end == Some(SeenEnd::Skipped)
                    || (run.end == Some(SeenEnd::Killed) && is_stopping)
            }
            Verdict::PutBack { has_begun: false } => !run.has_begun,
        };
        hold(is_true, "a completion says what the run has done", what)?;
        self.close_by(execution, completion, Close::Own(VerdictKind::of(&completion.verdict)));
        Ok(())
    }

    /// Closes an execution, and records what follows for its job.
    fn close_by(&mut self, execution: usize, completion: &Completion, close: Close) {
        let worker = self.executions[execution].worker;
        let job = &mut self.jobs[self.executions[execution].job];
        let is_returned = completion.is_in_queue_again() && close != Close::Recovery;
        job.returned_by = is_returned.then_some(worker);
        let kind = VerdictKind::of(&completion.verdict);
        let before = job.deliveries.saturating_sub(1);
        (job.deliveries, job.retries) = match (close, kind) {
            (Close::Recovery, _) => (job.deliveries, job.retries),
            (_, VerdictKind::Retry) => (0, job.retries + 1),
            (_, VerdictKind::Repeat) => (0, 0),
            (_, VerdictKind::Snooze) => (0, job.retries),
            (_, VerdictKind::PutBack | VerdictKind::NotBegun) => (before, job.retries),
            (_, VerdictKind::Finish | VerdictKind::Fail) => (job.deliveries, job.retries),
        };
        job.has_returned |= matches!(kind, VerdictKind::Finish | VerdictKind::Repeat);
        job.expires_at = match completion.destination {
            Destination::Finished { ttl } | Destination::Failed { ttl } if ttl >= 0 => {
                Some(self.now + ttl.unsigned_abs() * SECOND)
            }
            _ => None,
        };
        let run = &self.executions[execution];
        let run_state = (run.is_delivered, run.is_started);
        self.close(execution, close);
        self.coverage.count(match kind {
            VerdictKind::Finish => Mark::Finished,
            VerdictKind::Repeat => Mark::Repeated,
            VerdictKind::Retry => Mark::Retried,
            VerdictKind::Snooze => Mark::Snoozed,
            VerdictKind::Fail => Mark::Failed,
            VerdictKind::PutBack if close == Close::Recovery => Mark::Recovered,
            VerdictKind::PutBack => Mark::PutBackAtShutdown,
            VerdictKind::NotBegun if run_state == (true, false) => Mark::OverHandlerLimit,
            VerdictKind::NotBegun => return,
        });
    }

    /// Redis has answered a completion of recovery, which `recoverer` has sent.
    pub(in crate::worker::simulation) fn on_recovered(
        &mut self,
        completion: &Completion,
        ack: FinishAck,
        recoverer: usize,
    ) -> Check {
        let execution = self.find_of(completion)?;
        if ack != FinishAck::Done {
            self.coverage.count(Mark::RecoveryFenced);
            return Ok(());
        }
        let run = &self.executions[execution];
        let what = || format!("{} {} by worker {recoverer}: {run:?}", completion.id, completion.execution);
        hold(run.close.is_none(), "an execution is ended once", what)?;
        hold(
            self.jobs[run.job].open == Some(execution),
            "recovery ends the execution that has the job",
            what,
        )?;
        let is_whole = completion.expired_score_margin.is_some_and(|margin| !margin.is_zero());
        hold(self.has_expired(run, is_whole), "recovery takes expired leases only", what)?;
        let excuse = self.excuse(execution, recoverer);
        hold(excuse.is_some(), "a lease runs out only for a cause", || {
            format!("{} worker {:?}, now {}", what(), self.workers[run.worker], self.now)
        })?;
        if let Some(mark) = excuse {
            self.coverage.count(mark);
        }
        if matches!(completion.verdict, Verdict::Fail { .. }) {
            self.coverage.count(Mark::RecoveredAsFailed);
        }
        self.close_by(execution, completion, Close::Recovery);
        Ok(())
    }

    /// Recovery has read this lease as expired.
    pub(in crate::worker::simulation) fn check_expired(&self, member: &str, is_whole: bool) -> Check {
        let run =
            member.rsplit_once(':').and_then(|(_, name)| self.find(name)).map(|run| &self.executions[run]);
        let has_expired = run.is_none_or(|run| self.has_expired(run, is_whole));
        hold(has_expired, "recovery reads expired leases only", || format!("{run:?} now {}", self.now))
    }

    /// A score cut to whole seconds ends up to one second too early, any other one a millisecond.
    fn has_expired(&self, run: &Execution, is_whole: bool) -> bool {
        let margin = if is_whole { SECOND } else { MILLISECOND };
        run.renewed_at + self.lease <= self.now + margin
    }

    /// The engine has reported a completion.
    pub(in crate::worker::simulation) fn on_reported(
        &mut self,
        completion: &Completion,
        ack: FinishAck,
    ) -> Check {
        let execution = self.find_of(completion)?;
        let run = &mut self.executions[execution];
        let what = format!("{} {} {ack:?}", completion.id, completion.execution);
        let is_first = !std::mem::replace(&mut run.is_reported, true);
        hold(run.acks.contains(&ack), "a worker reports what SimulatedRedis has answered", || {
            format!("{what}: {run:?}")
        })?;
        hold(is_first, "an end is reported once", || what)
    }
}
