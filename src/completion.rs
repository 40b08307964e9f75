//! A completion: the change of a job's place, status and record that follows from the verdict on its run.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::claim::ClaimedJob;
use crate::dialect::DialectSpec;
use crate::job::{
    Attempt, MAX_DELAY, Record, Status, Ttl, Verdict, encode_attempts, encode_result_entry, format_intervals,
    iso, truncate_error,
};

/// The end of a run, ready to be written. It is sent again until Redis has acknowledged it.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Id of the job.
    pub(crate) id: String,
    /// Index of the job's queue in the worker's order.
    pub(crate) queue: usize,
    pub(crate) handler: Option<String>,
    pub(crate) verdict: Verdict,
    /// Duration of the run.
    pub(crate) took: Duration,
    pub(crate) execution: String,
    /// Name of the worker that has run the job.
    pub(crate) worker: String,
    /// `None` unless the job's worker was lost: see [`for_recovery`](Self::for_recovery).
    pub(crate) expired_score_margin: Option<Duration>,
    pub(crate) destination: Destination,
    pub(crate) status: Status,
    /// Seconds for which the job's results are kept, where the dialect keeps them in a stream.
    pub(crate) result_ttl: Option<i64>,
    /// Fields and values of the entry in that stream.
    pub(crate) result_entry: Vec<(&'static str, String)>,
    /// Fields of the record with their new values.
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
}

/// The queue or registry in which a job is after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// The failed registry, for `ttl` seconds: -1 for ever, 0 deletes the job.
    Failed { ttl: i64 },
    /// The finished registry, for `ttl` seconds: -1 for ever, 0 deletes the job.
    Finished { ttl: i64 },
    /// The front of its queue.
    QueueFront,
    /// The back of its queue.
    Queue,
    /// The scheduled registry, to be enqueued after this delay.
    Scheduled { delay: Duration },
}

impl Destination {
    fn of(verdict: &Verdict, record: &Record, retention: Retention) -> Self {
        match verdict {
            Verdict::Finish { repeat_after: Some(delay), .. } => Self::in_queue(*delay, false),
            Verdict::Finish { repeat_after: None, .. } => {
                Destination::Finished { ttl: retention.finished_ttl(record) }
            }
            Verdict::Fail { .. } => Destination::Failed { ttl: retention.failed_ttl(record) },
            Verdict::Retry { delay, .. } => Self::in_queue(*delay, record.enqueue_at_front_on_retry),
            Verdict::Snooze { delay } => Self::in_queue(*delay, false),
            Verdict::PutBack { .. } => Destination::QueueFront,
        }
    }

    /// The queue, now or after a delay.
    fn in_queue(delay: Duration, at_front: bool) -> Self {
        match (delay.is_zero(), at_front) {
            (true, true) => Destination::QueueFront,
            (true, false) => Destination::Queue,
            // A record may hold any number, also one that Redis cannot store as a score.
            (false, _) => Destination::Scheduled { delay: delay.min(MAX_DELAY) },
        }
    }

    /// The status of a job at this destination, unless the verdict names another one.
    fn status(self) -> Status {
        match self {
            Destination::Failed { .. } => Status::Failed,
            Destination::Finished { .. } => Status::Finished,
            Destination::QueueFront | Destination::Queue => Status::Queued,
            Destination::Scheduled { .. } => Status::Scheduled,
        }
    }

    /// The name of the destination in `finish.lua`, and its seconds.
    pub(crate) fn arguments(self) -> (&'static str, f64) {
        match self {
            Destination::Failed { ttl } => ("failed", ttl as f64),
            Destination::Finished { ttl } => ("finished", ttl as f64),
            Destination::QueueFront => ("head", 0.0),
            Destination::Queue => ("queue", 0.0),
            Destination::Scheduled { delay } => ("scheduled", delay.as_secs_f64()),
        }
    }
}

/// Default times for which jobs and their results are kept after they have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) finished: Ttl,
    pub(crate) failed: Ttl,
}

impl Retention {
    fn finished_ttl(self, record: &Record) -> i64 {
        record.result_ttl.unwrap_or(self.finished.as_seconds())
    }

    fn failed_ttl(self, record: &Record) -> i64 {
        record.failure_ttl.unwrap_or(self.failed.as_seconds())
    }
}

impl Completion {
    /// Consumes the job, so that no run can be completed twice.
    pub(crate) fn new(
        job: ClaimedJob,
        verdict: Verdict,
        retention: Retention,
        dialect: &DialectSpec,
        now: DateTime<Utc>,
    ) -> Self {
        let record = &job.record;
        let destination = Destination::of(&verdict, record, retention);
        let mut fields = verdict_fields(&verdict, record, dialect);
        push_history(&mut fields, &verdict, &job, now);
        let mut result_entry = Vec::new();
        if dialect.writes_rq_metadata && !matches!(verdict, Verdict::PutBack { .. }) {
            fields.push(("last_heartbeat", iso(now).into()));
            let run = (job.execution.as_str(), job.started_at, now);
            result_entry = encode_result_entry(&verdict, record, &job.worker, run);
        }
        Completion {
            queue: job.queue,
            took: (now - job.started_at).to_std().unwrap_or_default(),
            execution: job.execution,
            worker: job.worker,
            expired_score_margin: None,
            destination,
            status: if let Verdict::Fail { status, .. } = verdict { status } else { destination.status() },
            result_ttl: result_ttl(&verdict, record, retention),
            result_entry,
            fields,
            id: job.record.id,
            handler: job.record.handler,
            verdict,
        }
    }

    /// The lease's entry in the queue's `wip`, which ends with this run.
    pub(crate) fn lease_member(&self) -> String {
        format!("{}:{}", self.id, self.execution)
    }

    /// Returns whether the job waits in its queue again.
    pub(crate) fn is_in_queue_again(&self) -> bool {
        matches!(self.destination, Destination::Queue | Destination::QueueFront)
    }

    /// Makes the completion one of a job whose worker was lost: Redis changes nothing if the score of its lease is more
    /// than this margin ahead of now, because the worker has come back and renewed the lease.
    pub(crate) fn for_recovery(mut self, expired_score_margin: Duration) -> Self {
        self.expired_score_margin = Some(expired_score_margin);
        self
    }
}

/// Returns the seconds for which the job's results are kept; `None` if they are kept as long as before.
fn result_ttl(verdict: &Verdict, record: &Record, retention: Retention) -> Option<i64> {
    match verdict {
        Verdict::Finish { .. } => Some(retention.finished_ttl(record)),
        // Without a time of its own in the record, RQ never lets the stream of results expire; maintenance
        // deletes it with the script `expire`. An earlier, finished run may have given the stream a time, with which the
        // reason of this failure would vanish.
        Verdict::Fail { .. } => Some(record.failure_ttl.unwrap_or(-1)),
        Verdict::Retry { .. } | Verdict::Snooze { .. } | Verdict::PutBack { .. } => None,
    }
}

/// A field of the record with its new value.
type Field = (&'static str, Vec<u8>);

/// Adds the fields that record the end of the run and, if it has failed, the failed run.
fn push_history(fields: &mut Vec<Field>, verdict: &Verdict, job: &ClaimedJob, now: DateTime<Utc>) {
    if matches!(verdict, Verdict::PutBack { .. }) {
        return;
    }
    fields.push(("ended_at", iso(now).into()));
    let (error, retry_in) = match verdict {
        Verdict::Retry { delay, error } => (error, Some(delay.as_secs_f64())),
        Verdict::Fail { error, .. } => (error, None),
        Verdict::Finish { .. } | Verdict::Snooze { .. } | Verdict::PutBack { .. } => return,
    };
    let attempt = Attempt::new((job.started_at, now), &job.worker, error, retry_in);
    fields.push(("attempts", encode_attempts(&job.record.attempts, attempt)));
}

/// Returns the fields that a verdict changes.
fn verdict_fields(verdict: &Verdict, record: &Record, dialect: &DialectSpec) -> Vec<Field> {
    let mut fields = match verdict {
        Verdict::Finish { repeat_after: Some(_), .. } => repeat_fields(record, dialect),
        Verdict::Retry { error, .. } => retry_fields(record, error, dialect),
        Verdict::Snooze { .. } => vec![("deliveries", "0".into())],
        // This write overwrites the counter that the claim has increased. A worker has the value from before its claim,
        // so a claim that it puts back does not count. Recovery has the value from after the claim, so a lost run counts.
        Verdict::PutBack { .. } => vec![("deliveries", record.deliveries.to_string().into())],
        Verdict::Finish { repeat_after: None, .. } | Verdict::Fail { .. } => Vec::with_capacity(4),
    };
    match (verdict, dialect.result_field, dialect.error_field) {
        (Verdict::Finish { result, .. }, Some(field), _) => fields.push((field, result.clone())),
        (Verdict::Fail { error, .. }, _, Some(field)) => fields.push((field, truncate_error(error).into())),
        _ => {}
    }
    fields
}

fn retry_fields(record: &Record, error: &str, dialect: &DialectSpec) -> Vec<Field> {
    let mut fields: Vec<Field> = vec![
        (dialect.retry_error_field, truncate_error(error).into()),
        ("deliveries", "0".into()),
        (dialect.retries_field, (record.number_of_retries + 1).to_string().into()),
    ];
    if let Some(left) = record.retries_left {
        fields.push(("retries_left", left.saturating_sub(1).to_string().into()));
    }
    if record.has_default_retry {
        fields.push(("retry_intervals", format_intervals(&record.retry_intervals).into()));
        let at_front = if record.enqueue_at_front_on_retry { "1" } else { "0" };
        fields.push(("enqueue_at_front_on_retry", at_front.into()));
        // This marks the policy as the worker's default, which a requeue removes from the record.
        fields.push(("adopted", "1".into()));
    }
    fields
}

fn repeat_fields(record: &Record, dialect: &DialectSpec) -> Vec<Field> {
    let mut fields: Vec<Field> = vec![("deliveries", "0".into())];
    // The next run is a new one, with all retries of its policy.
    if record.number_of_retries > 0 {
        fields.push((dialect.retries_field, "0".into()));
        if let Some(left) = record.retries_left {
            fields.push(("retries_left", (left + record.number_of_retries).to_string().into()));
        }
    }
    let left = record.repeats_left.unwrap_or(0).saturating_sub(1);
    fields.push(("repeats_left", left.to_string().into()));
    // Each run uses up one interval; the last one serves all further runs.
    if let [_, rest @ ..] = record.repeat_intervals.as_slice()
        && !rest.is_empty()
    {
        fields.push(("repeat_intervals", format_intervals(rest).into()));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::job::{RawHash, ReadMode};

    const KEPT: Retention = Retention { finished: Ttl::seconds(500), failed: Ttl::seconds(900) };

    fn complete(fields: &[(&str, &str)], verdict: Verdict) -> Completion {
        let pairs = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let record = Record::read("id", &RawHash(pairs.collect()), ReadMode::Run);
        let started_at = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
        let job = ClaimedJob {
            queue: 0,
            execution: "run".to_owned(),
            record,
            payload: Vec::new(),
            started_at,
            worker: "ada".to_owned(),
        };
        Completion::new(job, verdict, KEPT, Dialect::Native.spec(), started_at + Duration::from_secs(3))
    }

    fn field<'a>(completion: &'a Completion, name: &str) -> Option<&'a str> {
        let found = completion.fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| std::str::from_utf8(value).unwrap())
    }

    fn finished() -> Verdict {
        Verdict::Finish { result: b"5".to_vec(), repeat_after: None }
    }

    fn retry(delay: u64) -> Verdict {
        Verdict::Retry { delay: Duration::from_secs(delay), error: "boom".to_owned() }
    }

    #[test]
    fn a_finished_job_is_kept_as_long_as_its_record_says_or_else_the_worker() {
        let completion = complete(&[], finished());
        assert_eq!(completion.destination, Destination::Finished { ttl: 500 });
        assert_eq!((completion.status, field(&completion, "result")), (Status::Finished, Some("5")));
        assert_eq!(completion.took, Duration::from_secs(3));
        let completion = complete(&[("result_ttl", "0")], finished());
        assert_eq!(completion.destination, Destination::Finished { ttl: 0 });
    }

    #[test]
    fn a_retry_without_delay_is_queued_and_a_later_one_is_scheduled() {
        let completion = complete(&[("retries_left", "3")], retry(0));
        assert_eq!((completion.destination, completion.status), (Destination::Queue, Status::Queued));
        assert!(completion.is_in_queue_again());
        assert_eq!(field(&completion, "retries_left"), Some("2"));
        let at_front = [("retries_left", "3"), ("enqueue_at_front_on_retry", "1")];
        assert_eq!(complete(&at_front, retry(0)).destination, Destination::QueueFront);
        let completion = complete(&[("retries_left", "3")], retry(60));
        assert_eq!(completion.destination, Destination::Scheduled { delay: Duration::from_secs(60) });
        assert_eq!(completion.status, Status::Scheduled);
    }

    #[test]
    fn a_delay_that_redis_cannot_store_is_cut() {
        let completion = complete(&[("retries_left", "3")], retry(u64::MAX));
        assert_eq!(completion.destination, Destination::Scheduled { delay: MAX_DELAY });
    }

    #[test]
    fn a_job_that_is_put_back_has_not_ended_and_goes_to_the_front() {
        let completion = complete(&[("deliveries", "2")], Verdict::PutBack { has_begun: false });
        assert_eq!((completion.destination, completion.status), (Destination::QueueFront, Status::Queued));
        assert_eq!(field(&completion, "deliveries"), Some("2"));
        assert_eq!((field(&completion, "ended_at"), field(&completion, "attempts")), (None, None));
    }

    #[test]
    fn the_reason_of_a_failure_does_not_expire_with_the_result_of_an_earlier_run() {
        let failed = || Verdict::Fail { status: Status::Failed, error: "boom".to_owned() };
        assert_eq!(complete(&[], failed()).result_ttl, Some(-1));
        assert_eq!(complete(&[("failure_ttl", "60")], failed()).result_ttl, Some(60));
        assert_eq!(complete(&[], retry(1)).result_ttl, None);
    }

    #[test]
    fn a_repeated_job_uses_up_one_repeat_and_one_interval() {
        let fields = [("repeats_left", "3"), ("repeat_intervals", "[1, 2]")];
        let verdict = Verdict::Finish { result: Vec::new(), repeat_after: Some(Duration::ZERO) };
        let completion = complete(&fields, verdict);
        assert_eq!((completion.destination, completion.status), (Destination::Queue, Status::Queued));
        assert_eq!(field(&completion, "repeats_left"), Some("2"));
        assert_eq!(field(&completion, "repeat_intervals"), Some("[2]"));
        assert_eq!(completion.result_ttl, Some(500));
    }
}
