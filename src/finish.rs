//! Ending runs: the `finish` script's arguments and answer. The one door out.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::dialect::{Facts, QueueKeys};
use crate::error::Result;
use crate::fetch::Running;
use crate::job::{FAILURE_TTL, Record, Status, Ttl, Verdict, cut_error, entry_of, iso};
use crate::store::{Call, FINISH, Reply, Store, reply};

/// How many endings one call takes at most: the server is never busy with one script for long.
const BATCH: usize = 500;

/// A run that has ended, ready to be sent, again and again until Redis has answered.
#[derive(Debug)]
pub(crate) struct Ending {
    queue: usize,
    execution: String,
    /// For a job of a worker that is lost: only when the lease ends in less than this.
    passed: Option<Duration>,
    place: &'static str,
    seconds: f64,
    worker: String,
    /// How long its results are kept, where they are kept apart.
    results_kept: Option<i64>,
    entry: Vec<(&'static str, String)>,
    fields: Vec<(&'static str, Vec<u8>)>,
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
    /// It is done, but more jobs wait for it than one call releases.
    DoneAndAwaited,
    /// It was done before; only the answer was lost.
    DoneBefore,
    /// Somebody else has taken the job over, or canceled or deleted it. Nothing was changed.
    LeaseLost,
}

/// Consumes a running job. `result_ttl` is for jobs that do not say how long to keep them.
pub(crate) fn end(
    running: Running,
    verdict: Verdict,
    result_ttl: Ttl,
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
        worker: running.worker.clone(),
        results_kept: None,
        entry: Vec::new(),
        fields: Vec::new(),
        id: record.id.clone(),
        execution: running.execution.clone(),
        verdict: Verdict::PutBack,
    };
    let status = ending.go(record, &verdict, result_ttl, facts);
    if verdict != Verdict::PutBack {
        ending.field("ended_at", iso(now));
    }
    if facts.keeps_books && verdict != Verdict::PutBack {
        ending.field("last_heartbeat", iso(now));
        let ran = (running.execution.as_str(), running.started_at, now);
        ending.entry = entry_of(&verdict, record, &ending.worker, ran);
    }
    // First, because waiters are told it.
    ending.fields.insert(0, ("status", status.to_string().into()));
    ending.verdict = verdict;
    ending
}

impl Ending {
    fn field(&mut self, name: &'static str, value: impl Into<Vec<u8>>) {
        self.fields.push((name, value.into()));
    }

    fn keep(&mut self, place: &'static str, seconds: i64) {
        (self.place, self.seconds) = (place, seconds as f64);
    }

    /// Where the verdict sends the job, and what its record says there.
    fn go(&mut self, record: &Record, verdict: &Verdict, result_ttl: Ttl, facts: &Facts) -> Status {
        match verdict {
            Verdict::Finish { result } => {
                let seconds = record.result_ttl.unwrap_or(result_ttl.as_seconds());
                self.keep("finished", seconds);
                self.results_kept = Some(seconds);
                if !facts.keeps_books {
                    self.field("result", result.as_slice());
                }
                Status::Finished
            }
            Verdict::Fail { status, error } => {
                self.keep("failed", record.failure_ttl.unwrap_or(FAILURE_TTL.as_seconds()));
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
            Verdict::PutBack => {
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
        self.seconds = delay.as_secs_f64();
        self.place = match (delay.is_zero(), record.enqueue_at_front_on_retry) {
            (true, true) => "head",
            (true, false) => "queue",
            (false, _) => "scheduled",
        };
        if delay.is_zero() { Status::Queued } else { Status::Scheduled }
    }

    /// Number of its queue, in the worker's order.
    pub(crate) fn queue(&self) -> usize {
        self.queue
    }

    /// Whether the job waits in its queue again.
    pub(crate) fn goes_back(&self) -> bool {
        matches!(self.place, "queue" | "head")
    }

    /// The order that makes the fewest [`batches`].
    pub(crate) fn by_worker(a: &Ending, b: &Ending) -> std::cmp::Ordering {
        (&a.worker, a.passed).cmp(&(&b.worker, b.passed))
    }

    /// For a job of another worker: nothing happens unless its score in `wip` is less than this away.
    pub(crate) fn taken_over(mut self, within: Duration) -> Self {
        self.passed = Some(within);
        self
    }
}

/// Parts of a list, sorted by queue, that one call can end: they share a queue and a worker.
pub(crate) fn batches(endings: &[Ending]) -> impl Iterator<Item = &[Ending]> {
    let is_alike =
        |a: &Ending, b: &Ending| a.queue == b.queue && a.worker == b.worker && a.passed == b.passed;
    endings.chunk_by(is_alike).flat_map(|alike| alike.chunks(BATCH))
}

/// One script call for one of the [`batches`]. May be repeated: an execution ends once.
pub(crate) fn call(store: &Store, queue: &QueueKeys, endings: &[Ending]) -> Call {
    let keys = [&queue.list, &queue.wip, &queue.finished, &queue.failed, &queue.scheduled];
    let first = endings.first();
    let passed = first.and_then(|ending| ending.passed).map(|within| within.as_secs_f64().to_string());
    let mut call = Call::script(&FINISH, &keys.map(String::as_str))
        .arg(store.facts.push)
        .arg(store.facts.push_front)
        .arg(store.keys.job_prefix())
        .arg(store.keys.ended_prefix())
        .arg(store.facts.failed_forever)
        .arg(&store.books)
        .arg(keys_of(endings))
        .arg(first.map_or("", |ending| &ending.worker))
        .arg(passed.unwrap_or_default())
        .arg(u8::from(store.facts.whole_seconds));
    for ending in endings {
        call = call.arg(&ending.id).arg(&ending.execution).arg(ending.place).arg(ending.seconds.to_string());
        call = pairs(call, &ending.fields);
        if store.facts.keeps_books {
            call = pairs(call, &ending.entry);
            call = call.arg(ending.results_kept.map(|seconds| seconds.to_string()).unwrap_or_default());
        }
    }
    call
}

/// How many values there are, and the values.
fn pairs(call: Call, pairs: &[(&'static str, impl AsRef<[u8]>)]) -> Call {
    let call = call.arg(pairs.len() * 2);
    pairs.iter().fold(call, |call, (field, value)| call.arg(field).arg(value.as_ref()))
}

/// Numbers of the keys of these endings, as the script counts them; the leases' first.
fn keys_of(endings: &[Ending]) -> String {
    let homes = [("queue", '1'), ("head", '1'), ("finished", '3'), ("failed", '4'), ("scheduled", '5')];
    let mut keys = String::from("2");
    for ending in endings {
        let home = homes.iter().find(|(place, _)| *place == ending.place).map_or('1', |(_, key)| *key);
        if !keys.contains(home) {
            keys.push(home);
        }
    }
    keys
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
