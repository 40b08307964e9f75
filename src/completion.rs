//! From a verdict to what is written: where the job goes next, its status, and the fields of its record.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::claim::ClaimedJob;
use crate::dialect::DialectSpec;
use crate::job::{
    Attempt, MAX_DELAY, Record, Status, Ttl, Verdict, encode_attempts, encode_result_entry, format_intervals,
    iso, truncate_error,
};

/// A field of the job's record with its new value.
type Field = (&'static str, Vec<u8>);

/// The end of a run, ready to be written. It is sent again until Redis has acknowledged it.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) id: String,
    /// Index of the job's queue in the worker's order.
    pub(crate) queue: usize,
    pub(crate) handler: Option<String>,
    pub(crate) verdict: Verdict,
    /// Duration of the run.
    pub(crate) took: Duration,
    pub(crate) execution: String,
    pub(crate) worker: String,
    /// Set for a job that is recovered from a lost worker: see [`if_expired`](Self::if_expired).
    pub(crate) expired_score_margin: Option<Duration>,
    pub(crate) destination: Destination,
    pub(crate) status: Status,
    /// Seconds that the job's results are kept, where the dialect keeps them in a stream.
    pub(crate) result_ttl: Option<i64>,
    /// Fields and values of the entry in that stream.
    pub(crate) result_entry: Vec<(&'static str, String)>,
    pub(crate) fields: Vec<Field>,
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
    fn in_queue(delay: Duration, at_front: bool) -> Self {
        match (delay.is_zero(), at_front) {
            (true, true) => Destination::QueueFront,
            (true, false) => Destination::Queue,
            // A record may hold any number, also one that Redis cannot store as a score.
            (false, _) => Destination::Scheduled { delay: delay.min(MAX_DELAY) },
        }
    }

    /// The destination as `finish.lua` names it, and its seconds.
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

/// Times to keep ended jobs that set none of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) finished: Ttl,
    pub(crate) failed: Ttl,
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
        let mut transition = Transition::from_verdict(&verdict, record, retention, dialect);
        let is_put_back = matches!(verdict, Verdict::PutBack { .. });
        if !is_put_back {
            transition.set("ended_at", iso(now));
        }
        if let Some((error, retry_in)) = failure(&verdict) {
            let attempt = Attempt::new((job.started_at, now), &job.worker, error, retry_in);
            transition.set("attempts", encode_attempts(&record.attempts, attempt));
        }
        let mut result_entry = Vec::new();
        if dialect.writes_rq_metadata && !is_put_back {
            transition.set("last_heartbeat", iso(now));
            let run = (job.execution.as_str(), job.started_at, now);
            result_entry = encode_result_entry(&verdict, record, &job.worker, run);
        }
        Completion {
            id: job.record.id,
            queue: job.queue,
            handler: job.record.handler,
            verdict,
            took: (now - job.started_at).to_std().unwrap_or_default(),
            execution: job.execution,
            worker: job.worker,
            expired_score_margin: None,
            destination: transition.destination,
            status: transition.status,
            result_ttl: transition.result_ttl,
            result_entry,
            fields: transition.fields,
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

    /// Marks the completion of a job of a lost worker. Redis changes nothing if the lease's score is still more
    /// than `within` ahead, because the worker has come back and renewed the lease.
    pub(crate) fn for_recovery(mut self, within: Duration) -> Self {
        self.expired_score_margin = Some(within);
        self
    }
}

/// The error of a run that failed, and the seconds until it is retried.
fn failure(verdict: &Verdict) -> Option<(&str, Option<f64>)> {
    match verdict {
        Verdict::Retry { delay, error } => Some((error, Some(delay.as_secs_f64()))),
        Verdict::Fail { error, .. } => Some((error, None)),
        Verdict::Finish { .. } | Verdict::Snooze { .. } | Verdict::PutBack { .. } => None,
    }
}

/// The change of a job's state that follows from a verdict. One constructor for each verdict.
struct Transition {
    destination: Destination,
    status: Status,
    result_ttl: Option<i64>,
    fields: Vec<Field>,
}

impl Transition {
    fn from_verdict(verdict: &Verdict, record: &Record, retention: Retention, dialect: &DialectSpec) -> Self {
        match verdict {
            Verdict::Finish { result, repeat_after } => {
                let ttl = record.result_ttl.unwrap_or(retention.finished.as_seconds());
                Self::finished(record, dialect, (result, ttl), *repeat_after)
            }
            Verdict::Fail { status, error } => {
                let ttl = record.failure_ttl.unwrap_or(retention.failed.as_seconds());
                Self::failed(record, dialect, (error, ttl), *status)
            }
            Verdict::Retry { delay, error } => Self::retried(record, dialect, error, *delay),
            Verdict::Snooze { delay } => Self::snoozed(*delay),
            Verdict::PutBack { .. } => Self::put_back(record),
        }
    }

    fn new(destination: Destination, status: Status) -> Self {
        Transition { destination, status, result_ttl: None, fields: Vec::with_capacity(4) }
    }

    /// Back to its queue, now or after a delay.
    fn queued(delay: Duration, at_front: bool) -> Self {
        let status = if delay.is_zero() { Status::Queued } else { Status::Scheduled };
        Self::new(Destination::in_queue(delay, at_front), status)
    }

    fn finished(
        record: &Record,
        dialect: &DialectSpec,
        (result, ttl): (&[u8], i64),
        repeat_in: Option<Duration>,
    ) -> Self {
        let mut transition = match repeat_in {
            Some(delay) => Self::repeated(record, dialect.retries_field, delay),
            None => Self::new(Destination::Finished { ttl }, Status::Finished),
        };
        transition.result_ttl = Some(ttl);
        if let Some(field) = dialect.result_field {
            transition.set(field, result);
        }
        transition
    }

    fn failed(record: &Record, dialect: &DialectSpec, (error, ttl): (&str, i64), status: Status) -> Self {
        let mut transition = Self::new(Destination::Failed { ttl }, status);
        // Without a time of its own in the record, RQ never lets the stream of results expire; maintenance
        // deletes it with the script `expire`.
        transition.result_ttl = record.failure_ttl;
        if let Some(field) = dialect.error_field {
            transition.set(field, truncate_error(error));
        }
        transition
    }

    fn retried(record: &Record, dialect: &DialectSpec, error: &str, delay: Duration) -> Self {
        let mut transition = Self::queued(delay, record.enqueue_at_front_on_retry);
        transition.set(dialect.retry_error_field, truncate_error(error));
        transition.set("deliveries", "0");
        transition.set(dialect.retries_field, (record.number_of_retries + 1).to_string());
        if let Some(left) = record.retries_left {
            transition.set("retries_left", left.saturating_sub(1).to_string());
        }
        if record.has_default_retry {
            transition.set("retry_intervals", format_intervals(&record.retry_intervals));
            let at_front = if record.enqueue_at_front_on_retry { "1" } else { "0" };
            transition.set("enqueue_at_front_on_retry", at_front);
            transition.set("adopted", "1");
        }
        transition
    }

    fn snoozed(delay: Duration) -> Self {
        let mut transition = Self::queued(delay, false);
        transition.set("deliveries", "0");
        transition
    }

    fn put_back(record: &Record) -> Self {
        let mut transition = Self::new(Destination::QueueFront, Status::Queued);
        // The count as it was read: a worker reads the record before its start is counted, so a start that it
        // gives back does not count; recovery reads the record afterwards, so a loss counts.
        transition.set("deliveries", record.deliveries.to_string());
        transition
    }

    fn repeated(record: &Record, retries_field: &'static str, delay: Duration) -> Self {
        let mut transition = Self::queued(delay, false);
        transition.set("deliveries", "0");
        // The next run is a new one, with all retries of its policy.
        if record.number_of_retries > 0 {
            transition.set(retries_field, "0");
            if let Some(left) = record.retries_left {
                transition.set("retries_left", (left + record.number_of_retries).to_string());
            }
        }
        let left = record.repeats_left.unwrap_or(0).saturating_sub(1);
        transition.set("repeats_left", left.to_string());
        // Each run uses up one interval; the last one serves all further runs.
        if let [_, rest @ ..] = record.repeat_intervals.as_slice()
            && !rest.is_empty()
        {
            transition.set("repeat_intervals", format_intervals(rest));
        }
        transition
    }

    fn set(&mut self, name: &'static str, value: impl Into<Vec<u8>>) {
        self.fields.push((name, value.into()));
    }
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
