//! Values that tests give to a [`Rig`](super::rig::Rig): jobs, replies of Redis, outcomes of runs and errors.

use crate::claim::{ClaimReply, ClaimRequest, ClaimedJob};
use crate::completion::Completion;
use crate::error::{Error, Result};
use crate::finish::FinishAck;
use crate::job::{Outcome, RawHash, RetryDirective};
use crate::worker::engine::Now;
use crate::worker::lost_claim_reader::job_of_lost_claim;

/// A job as it is in Redis: of the handler `work` in the first queue, unless the test says otherwise.
#[derive(Debug, Clone)]
pub(super) struct TestJob {
    pub(super) id: String,
    queue: usize,
    fields: Vec<(&'static str, String)>,
}

impl From<&str> for TestJob {
    fn from(id: &str) -> Self {
        TestJob { id: id.to_owned(), queue: 0, fields: Vec::new() }.of("work")
    }
}

impl From<String> for TestJob {
    fn from(id: String) -> Self {
        TestJob::from(id.as_str())
    }
}

/// Ids of many jobs: `1`, `2`, …
pub(super) fn numbered(ids: std::ops::RangeInclusive<usize>) -> Vec<String> {
    ids.map(|n| n.to_string()).collect()
}

pub(super) fn job(id: &str) -> TestJob {
    TestJob::from(id)
}

impl TestJob {
    /// A job of this handler. Those whose names begin with `exec` run in processes.
    pub(super) fn of(self, handler: &str) -> Self {
        self.with("data", format!(r#"["{handler}", null, [], {{}}]"#))
    }

    /// A job of another queue than the first.
    pub(super) fn in_queue(self, queue: usize) -> Self {
        TestJob { queue, ..self }
    }

    /// A job with a timeout of this many seconds.
    pub(super) fn timeout(self, seconds: u64) -> Self {
        self.with("timeout", seconds)
    }

    /// A job with a field of this value.
    pub(super) fn with(mut self, field: &'static str, value: impl ToString) -> Self {
        self.fields.retain(|(name, _)| *name != field);
        self.fields.push((field, value.to_string()));
        self
    }

    /// The job after a claim has given it to an execution.
    pub(super) fn claimed_by(&self, execution: String, now: Now) -> ClaimedJob {
        ClaimedJob::read(self.queue, (&self.id, execution), self.hash(), now.utc, "worker")
    }

    /// The job as a search for jobs of lost claims finds it.
    pub(super) fn found(&self, execution: &str, now: Now) -> ClaimedJob {
        job_of_lost_claim((&self.id, execution), &self.hash(), (self.queue, "worker"), now.utc)
    }

    fn hash(&self) -> RawHash {
        let fields = self.fields.iter();
        RawHash(fields.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect())
    }
}

/// Redis' answer to an exchange: [`jobs`] for its claim, and `Done` for its completions unless the test says otherwise.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) jobs: Vec<TestJob>,
    /// The parts of the claim's reply beside its jobs.
    claim: ClaimReply,
    is_more_left: bool,
    acks: Vec<(String, FinishAck)>,
    pub(super) claim_error: Option<Error>,
    finish_error: Option<Error>,
    /// The only queue whose completions are rejected; `None` for all.
    rejected_queue: Option<usize>,
}

/// An answer with these jobs. If they are fewer than the claim asked for, the queues are empty.
pub(super) fn jobs<J: Into<TestJob>>(jobs: impl IntoIterator<Item = J>) -> Answer {
    Answer { jobs: jobs.into_iter().map(Into::into).collect(), ..Answer::default() }
}

/// An answer without jobs: the queues are empty.
pub(super) fn nothing() -> Answer {
    Answer::default()
}

impl Answer {
    /// Says that the queues have more jobs, whatever the number of jobs here.
    pub(super) fn and_more(self) -> Self {
        Answer { is_more_left: true, ..self }
    }

    /// Says that all queues are suspended at once.
    pub(super) fn all_suspended(mut self) -> Self {
        self.claim.all_suspended = true;
        self
    }

    /// Says that one queue is suspended.
    pub(super) fn suspended(mut self, queue: usize) -> Self {
        self.claim.suspended_queues.push(queue);
        self
    }

    /// Says that a key of the queue has a wrong type.
    pub(super) fn wrong_type(mut self, queue: usize) -> Self {
        self.claim.wrong_type_queues.push(queue);
        self
    }

    /// Says that no job waits under this id.
    pub(super) fn dropped(mut self, id: &str) -> Self {
        self.claim.dropped.push(id.to_owned());
        self
    }

    /// Says that the record of this id cannot be read.
    pub(super) fn quarantined(mut self, id: &str) -> Self {
        self.claim.quarantined.push(id.to_owned());
        self
    }

    /// Acknowledges the completion of a job in this way.
    pub(super) fn ack(mut self, id: &str, ack: FinishAck) -> Self {
        self.acks.push((id.to_owned(), ack));
        self
    }

    /// Rejects the claim.
    pub(super) fn rejects_claim(self, reason: &str) -> Self {
        Answer { claim_error: Some(refused(reason)), ..self }
    }

    /// Rejects the completions.
    pub(super) fn rejects_completions(self, reason: &str) -> Self {
        Answer { finish_error: Some(refused(reason)), ..self }
    }

    /// Rejects the completions of one queue.
    pub(super) fn rejects_completions_of(self, queue: usize, reason: &str) -> Self {
        Answer { rejected_queue: Some(queue), ..self.rejects_completions(reason) }
    }

    /// The reply to one batch of completions.
    pub(super) fn acks_of(&self, batch: &[Completion]) -> Result<Vec<FinishAck>> {
        let is_rejected = self.rejected_queue.is_none_or(|queue| queue == batch[0].queue);
        match self.finish_error.clone().filter(|_| is_rejected) {
            Some(error) => Err(error),
            None => Ok(batch.iter().map(|completion| self.ack_of(&completion.id)).collect()),
        }
    }

    fn ack_of(&self, id: &str) -> FinishAck {
        self.acks.iter().find(|(job, _)| job == id).map_or(FinishAck::Done, |(_, ack)| *ack)
    }

    /// The reply to this claim.
    pub(super) fn claim_reply(self, claim: &ClaimRequest, now: Now) -> ClaimReply {
        let has_all = self.jobs.len() < claim.slots && !self.is_more_left;
        let queues_are_empty = has_all && !self.claim.all_suspended;
        let executions = (0..).map(|n| claim.executions.nth(n));
        let jobs =
            self.jobs.iter().zip(executions).map(|(job, execution)| Ok(job.claimed_by(execution, now)));
        ClaimReply { jobs: jobs.collect(), queues_are_empty, ..self.claim }
    }
}

/// The handler returned a value.
pub(super) fn returned() -> Outcome {
    Outcome::Returned(b"5".to_vec())
}

/// The handler returned an error.
pub(super) fn failed() -> Outcome {
    Outcome::Failed { error: "boom".to_owned(), directive: RetryDirective::UsePolicy }
}

/// Somebody killed the process of the run.
pub(super) fn killed_from_outside() -> Outcome {
    Outcome::KilledFromOutside { error: "killed by signal 15".to_owned() }
}

/// The process of the run has died, because its worker has ended it.
pub(super) fn crashed() -> Outcome {
    Outcome::Crashed { error: "killed by signal 9".to_owned() }
}

/// The connection broke.
pub(super) fn connection_broke() -> Error {
    Error::Unreachable { address: "redis".to_owned(), reason: "the connection broke".to_owned() }
}

/// Redis replied with an error, such as `OOM`, `READONLY` or `WRONGTYPE`.
pub(super) fn refused(reason: &str) -> Error {
    Error::Refused { reason: reason.to_owned() }
}
