//! One job, and why it is not running.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::diagnostic::Diagnostic;
use super::lease::{self, HEARD_WITHIN};
use super::row::{self, display_error, fetch_bounded_job};
use super::running::{MAX_RUNNING, RunningJob};
use super::{QueueView, WorkerView};
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::Result;
use crate::job::{Record, Status};
use crate::job_handle::Job;
use crate::queue::Queue;
use crate::wrong_type::{WrongTypeKeys, tolerate_wrong_type};

/// How far from its head a queue is searched for the place of a job.
const MAX_POSITION: usize = 10_000;
/// How many relatives are shown.
const MAX_DEPENDENCIES: usize = 100;

/// All there is to know of a job.
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    #[serde(flatten)]
    pub(crate) record: Record,
    /// When one that is scheduled goes to its queue.
    pub(crate) due: Option<DateTime<Utc>>,
    /// Its place in the queue; 1 is the next.
    pub(crate) position: Option<usize>,
    pub(crate) why: Vec<Diagnostic>,
    pub(crate) waits_for: Vec<Dependency>,
    pub(crate) waited_for_by: Vec<Dependency>,
    /// Whether its worker runs it in `threads` or `processes`.
    pub(crate) runs_in: Option<String>,
    /// Fields of the record that are left out, when it is read without what is too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<Vec<&'static str>>,
    /// What can be done with it now.
    pub(crate) actions: &'static [&'static str],
    /// The server's clock.
    pub(crate) now: DateTime<Utc>,
}

/// A job that waits for this one, or is waited for.
#[derive(Debug, Serialize)]
pub(crate) struct Dependency {
    pub(crate) id: String,
    /// `None` when its record is gone.
    pub(crate) status: Option<Status>,
}

pub(crate) fn fetch_job(client: &Arc<Client>, id: &str) -> Result<JobView> {
    build_job_view(client, Job::fetch(client, id)?)
}

/// The same without what is too large to be shown.
pub(crate) fn fetch_job_bounded(client: &Arc<Client>, id: &str) -> Result<JobView> {
    let (job, cut) = fetch_bounded_job(client, id)?;
    Ok(JobView { cut: Some(cut), ..build_job_view(client, job)? })
}

fn build_job_view(client: &Arc<Client>, job: Job) -> Result<JobView> {
    let due = WrongTypeKeys::default().tolerate("", job.due())?;
    let position = if job.status == Status::Queued { position(client, &job)? } else { None };
    let (waits_for, waited_for_by) = fetch_dependencies(client, job.id())?;
    let runs_in = super::fetch_runs_in(client, job.worker_name.as_deref())?;
    let now = super::server_time(client)?;
    let why = match job.status {
        Status::Queued => queued(client, &job, position)?,
        Status::Started => vec![lease::started(client, &job, now)?],
        Status::Scheduled => scheduled(&job, due, now),
        Status::Deferred => waits_for.iter().filter_map(deferred).collect(),
        Status::RateLimited => vec![rate_limited(client, &job)?],
        Status::ReadyToEnqueue => vec![ready(client, &job)?],
        Status::Finished => vec![Diagnostic::new("finished")],
        Status::Failed => vec![Diagnostic::new("failed").with("error", error_of(&job))],
        Status::Stopped => vec![Diagnostic::new("stopped")],
        Status::Canceled => vec![Diagnostic::new("canceled")],
        other => vec![Diagnostic::new("nowhere").with("status", other.as_str())],
    };
    let is_nowhere = why.iter().any(|note| note.code.starts_with("nowhere"));
    let actions = if is_nowhere { &["requeue", "cancel", "delete"] } else { actions(job.status) };
    Ok(JobView {
        record: job.into_record(),
        due,
        position,
        why,
        waits_for,
        waited_for_by,
        runs_in,
        cut: None,
        actions,
        now,
    })
}

fn actions(status: Status) -> &'static [&'static str] {
    match status {
        Status::Started => &["stop", "cancel", "delete"],
        Status::Scheduled => &["enqueue", "cancel", "delete"],
        Status::Failed | Status::Stopped | Status::Canceled => &["requeue", "delete"],
        Status::Finished => &["delete"],
        _ => &["cancel", "delete"],
    }
}

fn error_of(job: &Record) -> String {
    job.exc_info.as_deref().map(display_error).unwrap_or_default()
}

/// Redis 5 has no command for it.
fn position(client: &Client, job: &Record) -> Result<Option<usize>> {
    let mut call = RedisCommand::new("LPOS")
        .arg(client.keys.queue(&job.origin).list)
        .arg(&job.id)
        .arg("MAXLEN")
        .arg(MAX_POSITION);
    if client.dialect.pops_from_tail {
        call = call.arg("RANK").arg(-1);
    }
    let length = RedisCommand::new("LLEN").arg(client.keys.queue(&job.origin).list);
    let mut answers = client.query_all(&[call, length])?.into_iter();
    let mut next = || answers.next().and_then(Result::ok);
    let Some(at) = next().filter(|at| *at != Reply::Nil).and_then(|at| reply::int(&at).ok()) else {
        return Ok(None);
    };
    let length = next().and_then(|length| reply::int(&length).ok()).unwrap_or_default();
    let before = if client.dialect.pops_from_tail { length - 1 - at } else { at };
    Ok(usize::try_from(before + 1).ok())
}

fn queued(client: &Arc<Client>, job: &Record, position: Option<usize>) -> Result<Vec<Diagnostic>> {
    let queue =
        super::fetch_queues(client, std::slice::from_ref(&job.origin), &mut WrongTypeKeys::default())?.pop();
    let Some(queue) = queue else { return Ok(Vec::new()) };
    let mut notes = Vec::new();
    let here = |note: Diagnostic| note.with("total", queue.queued).with("queue", &*job.origin);
    match position {
        Some(position) => notes.push(here(Diagnostic::new("queued").with("position", position))),
        // Longer queues are not searched to their end.
        None if queue.queued as usize <= MAX_POSITION && queue.intermediate == 0 => {
            notes.push(Diagnostic::new("nowhere").with("status", "queued"));
        }
        None if queue.queued as usize > MAX_POSITION => {
            notes.push(here(Diagnostic::new("queued_far").with("position", MAX_POSITION)));
        }
        None => {}
    }
    let is_suspended =
        reply::int(&client.query(&RedisCommand::new("EXISTS").arg(client.keys.suspended()))?)? == 1;
    if is_suspended {
        notes.push(Diagnostic::new("suspended"));
    }
    if queue.suspended {
        notes.push(Diagnostic::new("queue_suspended").with("queue", queue.name.as_str()));
    }
    if !is_suspended && !queue.suspended {
        notes.extend(workers(client, &queue, job, position)?);
    }
    Ok(notes)
}

/// What those who listen are at.
fn workers(
    client: &Arc<Client>,
    queue: &QueueView,
    job: &Record,
    position: Option<usize>,
) -> Result<Option<Diagnostic>> {
    let all = super::fetch_workers(client, &mut WrongTypeKeys::default())?;
    let listening: Vec<&WorkerView> = all.iter().filter(|worker| worker.listens_to(&queue.name)).collect();
    if listening.is_empty() {
        return Ok(Some(Diagnostic::new("no_worker").with("queue", queue.name.as_str())));
    }
    let mut queues: Vec<String> = listening.iter().flat_map(|worker| worker.queues.clone()).collect();
    queues.sort_unstable();
    queues.dedup();
    let running = super::fetch_running(client, &queues)?;
    let runs_of = |worker: &WorkerView, handler: Option<&String>| {
        let is_its = |run: &&RunningJob| {
            run.worker_name.as_ref() == Some(&worker.name)
                && handler.is_none_or(|name| run.handler.as_ref() == Some(name))
        };
        running.iter().filter(is_its).count()
    };
    let slots_of = |worker: &WorkerView| worker.concurrency.unwrap_or(1) as usize;
    let busy: usize = listening.iter().map(|worker| runs_of(worker, None)).sum();
    let slots: usize = listening.iter().map(|worker| slots_of(worker)).sum();
    let note = |code| Diagnostic::new(code).with("queue", queue.name.as_str());
    if busy >= slots {
        return Ok(Some(note("workers_busy").with("busy", busy).with("slots", slots)));
    }
    let now = super::server_time(client)?;
    if let Some(why) = nobody_looks(&listening, now) {
        return Ok(Some(note(why)));
    }
    let is_ready = |worker: &WorkerView| {
        !worker.quiet
            && worker.state != "suspended"
            && is_heard(worker, now)
            && runs_of(worker, None) < slots_of(worker)
    };
    let ready: Vec<&WorkerView> = listening.into_iter().filter(|worker| is_ready(worker)).collect();
    // Of more than are shown nobody has looked at all.
    let Some(position) = position.filter(|_| !ready.is_empty() && running.len() < MAX_RUNNING) else {
        return Ok(None);
    };
    let head =
        if position == 1 { Some((job.id.clone(), job.handler.clone())) } else { head_of(client, queue)? };
    let Some((id, Some(handler))) = head else { return Ok((position == 1).then(|| note("next"))) };
    let is_full = |worker: &&WorkerView| {
        let most = worker.handler_limits.get(&handler).or_else(|| worker.handler_limits.get("*"));
        most.is_some_and(|most| runs_of(worker, Some(&handler)) >= *most)
    };
    Ok(match (ready.iter().all(is_full), position) {
        (true, 1) => Some(note("handler_full").with("handler", handler)),
        (true, _) => Some(note("behind_full").with("handler", handler).with("id", id)),
        (false, 1) => Some(note("next")),
        (false, _) => None,
    })
}

/// Whether a worker lives. One that stands still may have a record for minutes.
fn is_heard(worker: &WorkerView, now: DateTime<Utc>) -> bool {
    worker.runs_in.is_none() || lease::silence(worker, now).is_some_and(|silent| silent < HEARD_WITHIN)
}

/// Why none of these workers takes jobs, if that is because of the workers.
fn nobody_looks(listening: &[&WorkerView], now: DateTime<Utc>) -> Option<&'static str> {
    let mut alive = listening.iter().filter(|worker| is_heard(worker, now)).peekable();
    match alive.peek() {
        None => Some("workers_silent"),
        Some(_) => alive.all(|worker| worker.quiet).then_some("workers_quiet"),
    }
}

/// The next job of a queue, and what it calls.
fn head_of(client: &Arc<Client>, queue: &QueueView) -> Result<Option<(String, Option<String>)>> {
    let Some(id) = Queue::with_any_name(client, &queue.name).ids(0, 1)?.pop() else { return Ok(None) };
    let head = row::fetch_readable_rows(client, std::slice::from_ref(&id))?.pop().flatten();
    Ok(head.map(|head| (id, head.handler)))
}

/// The jobs that it waited for have ended, and it is not in its queue yet.
fn ready(client: &Client, job: &Record) -> Result<Diagnostic> {
    let since = RedisCommand::new("ZSCORE").arg(client.keys.queue(&job.origin).ready).arg(&job.id);
    let since = tolerate_wrong_type(client.query(&since).and_then(reply::text))?;
    let note = Diagnostic::new(if since.is_some() { "ready" } else { "nowhere" });
    Ok(note.with("status", job.status.as_str()).with("queue", &*job.origin))
}

fn rate_limited(client: &Client, job: &Record) -> Result<Diagnostic> {
    let nowhere = || Diagnostic::new("nowhere").with("status", job.status.as_str());
    let Some(limit) = job.other.get("rate_limit_key") else { return Ok(nowhere()) };
    let waits = RedisCommand::new("ZSCORE").arg(client.keys.limit_waiting(limit)).arg(&job.id);
    let runs = RedisCommand::new("ZSCORE").arg(client.keys.limit_slots(limit)).arg(&job.id);
    let taken = RedisCommand::new("ZCARD").arg(client.keys.limit_slots(limit));
    let slots = RedisCommand::new("HGET").arg(client.keys.limit(limit)).arg("concurrency");
    if tolerate_wrong_type(client.query(&waits).and_then(reply::text))?.is_none() {
        return Ok(nowhere());
    }
    if tolerate_wrong_type(client.query(&runs).and_then(reply::text))?.is_some() {
        return Ok(Diagnostic::new("rate_limited_runs").with("limit", limit.as_str()));
    }
    let taken = tolerate_wrong_type(client.query(&taken).and_then(|taken| reply::int(&taken)))?;
    // Workers take it from there too when somebody has deleted the hash.
    let of_record = job.other.get("rate_limit_concurrency").cloned();
    let slots =
        tolerate_wrong_type(client.query(&slots).and_then(reply::text))?.or(of_record).unwrap_or_default();
    let note = Diagnostic::new("rate_limited").with("limit", limit.as_str());
    Ok(note.with("taken", taken).with("slots", slots.parse::<i64>().unwrap_or(0)))
}

fn scheduled(job: &Record, due: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<Diagnostic> {
    let Some(due) = due else { return vec![Diagnostic::new("nowhere").with("status", "scheduled")] };
    let seconds = (due - now).num_seconds();
    if seconds < -5 {
        return vec![Diagnostic::new("overdue").with("queue", &*job.origin)];
    }
    let seconds = seconds.max(0);
    vec![match (job.number_of_retries, job.retries_left) {
        (made @ 1.., left) => Diagnostic::new("retry")
            .with("attempt", made + 1)
            .with("of", made + 1 + left.unwrap_or(0))
            .with("seconds", seconds)
            .with("error", job.attempts.last().map(|attempt| attempt.error.clone()).unwrap_or_default()),
        _ => Diagnostic::new("scheduled").with("at", crate::job::iso(due)).with("seconds", seconds),
    }]
}

fn deferred(other: &Dependency) -> Option<Diagnostic> {
    match other.status {
        Some(Status::Finished) => None,
        Some(status) => {
            Some(Diagnostic::new("waits_for").with("id", other.id.as_str()).with("status", status.as_str()))
        }
        None => Some(Diagnostic::new("waits_gone").with("id", other.id.as_str())),
    }
}

/// Those it waits for, and those that wait for it.
fn fetch_dependencies(client: &Arc<Client>, id: &str) -> Result<(Vec<Dependency>, Vec<Dependency>)> {
    let keys = [client.keys.dependencies(id), client.keys.dependents(id)];
    // Looked at in small parts: nobody knows how large such a set is.
    let calls = keys.map(|key| RedisCommand::new("SSCAN").arg(key).arg(0).arg("COUNT").arg(MAX_DEPENDENCIES));
    let mut both = Vec::new();
    for answer in client.query_all(&calls)? {
        let found = answer.and_then(reply::list).unwrap_or_default().into_iter().nth(1);
        let mut ids = found.map_or(Ok(Vec::new()), reply::texts)?;
        ids.truncate(MAX_DEPENDENCIES);
        let name =
            |key: String| key.strip_prefix(&client.keys.job_prefix()).map(str::to_owned).unwrap_or(key);
        let ids: Vec<String> = ids.into_iter().map(name).collect();
        let status = |id: &String| RedisCommand::new("HGET").arg(client.keys.job(id)).arg("status");
        let states = client.query_all(&ids.iter().map(status).collect::<Vec<_>>())?;
        let of = |(id, status): (String, Result<_>)| Dependency {
            id,
            status: status.and_then(reply::text).unwrap_or_default().and_then(|status| status.parse().ok()),
        };
        both.push(ids.into_iter().zip(states).map(of).collect());
    }
    let by = both.pop().unwrap_or_default();
    Ok((both.pop().unwrap_or_default(), by))
}
