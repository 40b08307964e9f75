//! Ending runs: the `finish` script's arguments and answer. The one door out.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::fetch::Running;
use crate::job::{FAILURE_TTL, Status, Ttl, Verdict, cut, iso};
use crate::store::{Call, FINISH, Reply, Store, reply};

/// Error text is kept up to this size; more is cut, and says so.
const ERROR_LIMIT: usize = 64 * 1024;

/// A run that has ended, ready to be sent, again and again until Redis has answered.
#[derive(Debug)]
pub(crate) struct Ending {
    queue: usize,
    execution: String,
    /// Only when the lease has passed: the job is taken from a worker that is lost.
    is_taken: bool,
    place: &'static str,
    seconds: f64,
    fields: Vec<(&'static str, String)>,
    pub(crate) id: String,
    pub(crate) verdict: Verdict,
    /// How long the run took.
    pub(crate) took: Duration,
}

/// What Redis said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// It is done.
    Done,
    /// It was done before; only the answer was lost.
    DoneBefore,
    /// Somebody else has taken the job over, or canceled or deleted it. Nothing was changed.
    LeaseLost,
}

/// Consumes a running job. `result_ttl` is for jobs that do not say how long to keep them.
pub(crate) fn end(running: Running, verdict: Verdict, result_ttl: Ttl, now: DateTime<Utc>) -> Ending {
    let record = &running.record;
    let keep = |own: Option<i64>, default: Ttl| own.unwrap_or(default.as_seconds()) as f64;
    let mut fields = vec![("status", String::new()), ("ended_at", iso(now))];
    let (status, place, seconds) = match &verdict {
        Verdict::Finish { result } => {
            fields.push(("result", result.clone()));
            (Status::Finished, "finished", keep(record.result_ttl, result_ttl))
        }
        Verdict::Fail { status, error } => {
            fields.push(("exc_info", cut(error, ERROR_LIMIT)));
            (*status, "failed", keep(record.failure_ttl, FAILURE_TTL))
        }
        Verdict::Retry { delay, error } => {
            fields.push(("exc_info", cut(error, ERROR_LIMIT)));
            fields.push(("number_of_retries", (record.number_of_retries + 1).to_string()));
            fields.extend(record.retries_left.map(|n| ("retries_left", n.saturating_sub(1).to_string())));
            fields.push(("deliveries", "0".to_owned()));
            let (status, place) = match (delay.is_zero(), record.enqueue_at_front_on_retry) {
                (true, true) => (Status::Queued, "head"),
                (true, false) => (Status::Queued, "queue"),
                (false, _) => (Status::Scheduled, "scheduled"),
            };
            (status, place, delay.as_secs_f64())
        }
        Verdict::PutBack => {
            // What was read before this start, so that it does not count; or, of a job that was
            // lost with its worker, after it, so that it does.
            let deliveries = record.deliveries.to_string();
            fields = vec![("status", String::new()), ("deliveries", deliveries)];
            (Status::Queued, "head", 0.0)
        }
    };
    fields[0].1 = status.to_string();
    Ending {
        queue: running.queue,
        took: (now - running.started_at).to_std().unwrap_or_default(),
        execution: running.execution,
        is_taken: false,
        place,
        seconds,
        fields,
        id: running.record.id,
        verdict,
    }
}

impl Ending {
    /// Number of its queue, in the worker's order.
    pub(crate) fn queue(&self) -> usize {
        self.queue
    }

    /// Whether the job waits in its queue again.
    pub(crate) fn goes_back(&self) -> bool {
        matches!(self.place, "queue" | "head")
    }

    /// For a job of another worker: nothing happens unless its lease has passed by then.
    pub(crate) fn taken_over(mut self) -> Self {
        self.is_taken = true;
        self
    }
}

/// One script call for endings of one queue. May be repeated: an execution ends once.
pub(crate) fn call(store: &Store, queue: &QueueKeys, endings: &[Ending]) -> Call {
    let keys = [&queue.list, &queue.wip, &queue.finished, &queue.failed, &queue.scheduled];
    let mut call = Call::script(&FINISH, &keys.map(String::as_str))
        .arg(store.dialect.push)
        .arg(store.dialect.push_front)
        .arg(store.keys.job_prefix())
        .arg(store.keys.ended_prefix())
        .arg(store.dialect.failed_forever);
    for ending in endings {
        call = call
            .arg(&ending.id)
            .arg(&ending.execution)
            .arg(u8::from(ending.is_taken))
            .arg(ending.place)
            .arg(ending.seconds)
            .arg(ending.fields.len() * 2);
        for (field, value) in &ending.fields {
            call = call.arg(field).arg(value);
        }
    }
    call
}

pub(crate) fn read(answer: Reply) -> Result<Vec<Receipt>> {
    let receipt = |one: &Reply| {
        Ok(match reply::int(one)? {
            1 => Receipt::Done,
            2 => Receipt::DoneBefore,
            _ => Receipt::LeaseLost,
        })
    };
    reply::list(answer)?.iter().map(receipt).collect()
}
