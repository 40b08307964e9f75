//! Ending runs: the `finish` script's arguments and answer. The one door out.

use std::cmp::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::dialect::{Facts, QueueKeys};
use crate::error::Result;
use crate::fetch::Running;
use crate::job::{
    Attempt, LONGEST_WAIT, Record, Status, Ttl, Verdict, cut_error, entry_of, history, iso, list_of,
};
use crate::store::{Call, FINISH, Reply, Store, reply};

/// How many endings one call takes at most: the server is never busy with one script for long.
const BATCH: usize = 500;

/// A run that has ended, ready to be sent, again and again until Redis has answered.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) queue: usize,
    execution: String,
    /// For a job of a worker that is lost: only when the lease ends in less than this.
    passed: Option<Duration>,
    place: &'static str,
    seconds: f64,
    status: Status,
    worker: String,
    /// How long its results are kept, where they are kept apart.
    results_kept: Option<i64>,
    entry: Vec<(&'static str, String)>,
    fields: Vec<(&'static str, Vec<u8>)>,
    pub(crate) id: String,
    pub(crate) handler: Option<String>,
    pub(crate) verdict: Verdict,
    /// How long the run took.
    pub(crate) took: Duration,
}

/// What Redis said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// It is done.
    Done,
    /// It is done, but more jobs wait for it than one call releases.
    DoneAndAwaited,
    /// It was done before; only the answer was lost.
    DoneBefore,
    /// Somebody else has taken the job over, or canceled or deleted it. Nothing was changed.
    LeaseLost,
}

/// How long jobs are kept that do not say: those that finished, and those that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) finished: Ttl,
    pub(crate) failed: Ttl,
}

/// Consumes a running job.
pub(crate) fn end(
    running: Running,
    verdict: Verdict,
    kept: Kept,
    facts: &Facts,
    now: DateTime<Utc>,
) -> Ending {
    let record = &running.record;
    let mut ending = Ending {
        queue: running.queue,
        took: (now - running.started_at).to_std().unwrap_or_default(),
        passed: None,
        place: "head",
        seconds: 0.0,
        status: Status::Queued,
        worker: running.worker.clone(),
        results_kept: None,
        entry: Vec::new(),
        fields: Vec::new(),
        id: record.id.clone(),
        handler: None,
        execution: running.execution.clone(),
        verdict: Verdict::PutBack { was_begun: false },
    };
    ending.status = ending.go(record, &verdict, kept, facts);
    let is_put_back = matches!(verdict, Verdict::PutBack { .. });
    if !is_put_back {
        ending.field("ended_at", iso(now));
    }
    if let Some((error, retry_in)) = failure(&verdict) {
        let attempt = Attempt::new((running.started_at, now), &ending.worker, error, retry_in);
        ending.field("attempts", history(&record.attempts, attempt));
    }
    if facts.keeps_books && !is_put_back {
        ending.field("last_heartbeat", iso(now));
        let ran = (running.execution.as_str(), running.started_at, now);
        ending.entry = entry_of(&verdict, record, &ending.worker, ran);
    }
    ending.verdict = verdict;
    ending.handler = running.record.handler;
    ending
}

/// The error of a run that failed, and after how many seconds it is tried again.
fn failure(verdict: &Verdict) -> Option<(&str, Option<f64>)> {
    match verdict {
        Verdict::Retry { delay, error } => Some((error, Some(delay.as_secs_f64()))),
        Verdict::Fail { error, .. } => Some((error, None)),
        Verdict::Finish { .. } | Verdict::Snooze { .. } | Verdict::PutBack { .. } => None,
    }
}

impl Ending {
    fn field(&mut self, name: &'static str, value: impl Into<Vec<u8>>) {
        self.fields.push((name, value.into()));
    }

    fn keep(&mut self, place: &'static str, seconds: i64) {
        (self.place, self.seconds) = (place, seconds as f64);
    }

    /// Where the verdict sends the job, and what its record says there.
    fn go(&mut self, record: &Record, verdict: &Verdict, kept: Kept, facts: &Facts) -> Status {
        match verdict {
            Verdict::Finish { result, again_in } => {
                let seconds = record.result_ttl.unwrap_or(kept.finished.as_seconds());
                self.keep("finished", seconds);
                self.results_kept = Some(seconds);
                if !facts.keeps_books {
                    self.field("result", result.as_slice());
                }
                again_in.map_or(Status::Finished, |delay| self.repeat(record, facts.retries_field, delay))
            }
            Verdict::Fail { status, error } => {
                self.keep("failed", record.failure_ttl.unwrap_or(kept.failed.as_seconds()));
                // RQ lets them live for ever when the job does not say; the duty `expire` sees to them.
                self.results_kept = record.failure_ttl;
                if !facts.keeps_books {
                    self.field("exc_info", cut_error(error));
                }
                *status
            }
            Verdict::Retry { delay, error } => {
                // RQ keeps nothing of such a run, and its tools would take `exc_info` for the last word.
                let name = if facts.keeps_books { "retry_error" } else { "exc_info" };
                self.field(name, cut_error(error));
                self.try_again(record, facts.retries_field, *delay)
            }
            Verdict::Snooze { delay } => {
                self.field("deliveries", "0");
                self.go_back(*delay, false)
            }
            Verdict::PutBack { .. } => {
                // What was read before this start, so that it does not count; or, of a job that was
                // lost with its worker, after it, so that it does.
                self.field("deliveries", record.deliveries.to_string());
                Status::Queued
            }
        }
    }

    fn try_again(&mut self, record: &Record, retries_field: &'static str, delay: Duration) -> Status {
        self.field("deliveries", "0");
        self.field(retries_field, (record.number_of_retries + 1).to_string());
        if let Some(left) = record.retries_left {
            self.field("retries_left", left.saturating_sub(1).to_string());
        }
        if record.has_new_policy {
            self.field("retry_intervals", list_of(&record.retry_intervals));
            self.field("enqueue_at_front_on_retry", if record.enqueue_at_front_on_retry { "1" } else { "0" });
            self.field("adopted", "1");
        }
        self.go_back(delay, record.enqueue_at_front_on_retry)
    }

    fn repeat(&mut self, record: &Record, retries_field: &'static str, delay: Duration) -> Status {
        self.field("deliveries", "0");
        // The next run is a new one: it has all retries again.
        if record.number_of_retries > 0 {
            self.field(retries_field, "0");
            if let Some(left) = record.retries_left {
                self.field("retries_left", (left + record.number_of_retries).to_string());
            }
        }
        self.field("repeats_left", record.repeats_left.unwrap_or(0).saturating_sub(1).to_string());
        // The last one is for all others.
        if let [_, rest @ ..] = record.repeat_intervals.as_slice()
            && !rest.is_empty()
        {
            self.field("repeat_intervals", list_of(rest));
        }
        self.go_back(delay, false)
    }

    /// To its queue, now or later.
    fn go_back(&mut self, delay: Duration, at_front: bool) -> Status {
        // A record may hold whatever somebody has written there.
        self.seconds = delay.min(LONGEST_WAIT).as_secs_f64();
        self.place = match (delay.is_zero(), at_front) {
            (true, true) => "head",
            (true, false) => "queue",
            (false, _) => "scheduled",
        };
        if delay.is_zero() { Status::Queued } else { Status::Scheduled }
    }

    /// The entry in `wip` that it ends.
    pub(crate) fn member(&self) -> String {
        format!("{}:{}", self.id, self.execution)
    }

    /// Whether the job waits in its queue again.
    pub(crate) fn goes_back(&self) -> bool {
        matches!(self.place, "queue" | "head")
    }

    /// Compares what runs that end in one call have in common: where they come from and go to, and which
    /// fields are written.
    fn compare(&self, other: &Ending) -> Ordering {
        let place = |e: &Ending| (e.queue, e.passed, e.place, e.seconds.to_bits(), e.results_kept);
        fn names(ending: &Ending) -> impl Iterator<Item = &'static str> {
            ending.fields.iter().map(|(name, _)| *name)
        }
        place(self)
            .cmp(&place(other))
            .then_with(|| self.worker.cmp(&other.worker))
            .then_with(|| (self.status as u8).cmp(&(other.status as u8)))
            .then_with(|| names(self).cmp(names(other)))
    }

    /// For a job of another worker: nothing happens unless its score in `wip` is less than this away.
    pub(crate) fn taken_over(mut self, within: Duration) -> Self {
        self.passed = Some(within);
        self
    }
}

/// Sorts endings into as few parts as there are calls needed.
pub(crate) fn sort(endings: &mut [Ending]) {
    endings.sort_by(Ending::compare);
}

/// The parts of a sorted list, each for one [`call`].
pub(crate) fn batches(endings: &[Ending]) -> impl Iterator<Item = &[Ending]> {
    endings.chunk_by(|a, b| a.compare(b).is_eq()).flat_map(|alike| alike.chunks(BATCH))
}

/// One script call. May be repeated: an execution ends once.
pub(crate) fn call(store: &Store, queues: &[QueueKeys], endings: &[Ending]) -> Call {
    let first = &endings[0];
    let queue = &queues[first.queue];
    let number = |number: Option<String>| number.unwrap_or_default();
    let keys = [&queue.list, &queue.wip, &queue.finished, &queue.failed, &queue.scheduled];
    let mut call = Call::script(&FINISH, &keys.map(String::as_str))
        .arg(store.facts.push)
        .arg(store.facts.push_front)
        .arg(store.keys.job_prefix())
        .arg(store.keys.ended_prefix())
        .arg(store.facts.failed_forever)
        .arg(&store.books)
        .arg(u8::from(store.facts.whole_seconds))
        .arg(&first.worker)
        .arg(number(first.passed.map(|within| within.as_secs_f64().to_string())))
        .arg(first.place)
        .arg(first.seconds.to_string())
        .arg(number(first.results_kept.map(|seconds| seconds.to_string())))
        .arg(first.status.to_string())
        .arg(first.fields.len());
    call = first.fields.iter().fold(call, |call, (name, _)| call.arg(name));
    for ending in endings {
        call = call.arg(&ending.id).arg(&ending.execution);
        call = ending.fields.iter().fold(call, |call, (_, value)| call.arg(value));
        if store.facts.keeps_books {
            call = call.arg(ending.entry.len() * 2);
            call = ending.entry.iter().fold(call, |call, (name, value)| call.arg(name).arg(value));
        }
    }
    call
}

pub(crate) fn read(answer: Reply) -> Result<Vec<Receipt>> {
    let receipt = |one: &Reply| {
        Ok(match reply::int(one)? {
            1 => Receipt::Done,
            3 => Receipt::DoneAndAwaited,
            2 => Receipt::DoneBefore,
            _ => Receipt::LeaseLost,
        })
    };
    reply::list(answer)?.iter().map(receipt).collect()
}
