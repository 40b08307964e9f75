//! Explains a job that waits in its queue: its distance from the front, and the state of the workers.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::liveness::may_be_alive;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::Result;
use crate::job::Record;
use crate::queue::Queue;
use crate::snapshot::diagnostic::Diagnostic;
use crate::snapshot::lists::row;
use crate::snapshot::queues::{QueueView, fetch_queues};
use crate::snapshot::running::{MAX_RUNNING, RunningJob, fetch_running};
use crate::snapshot::workers::{WorkerView, fetch_workers};
use crate::wrong_type::WrongTypeKeys;

/// Largest position that is searched for.
const MAX_POSITION: usize = 10_000;

/// Fetches the position of a job in its queue, from 1; `None` beyond the largest position.
pub(in crate::snapshot) fn fetch_position(client: &Client, job: &Record) -> Result<Option<usize>> {
    let list = client.keys.queue(&job.origin).list;
    let mut search = RedisCommand::new("LPOS").arg(&list).arg(&job.id).arg("MAXLEN").arg(MAX_POSITION);
    if client.dialect.pops_from_right {
        search = search.arg("RANK").arg(-1);
    }
    let length = RedisCommand::new("LLEN").arg(&list);
    let mut replies = client.call_all(&[search, length])?.into_iter();
    let mut next = || replies.next().unwrap_or(Ok(Reply::Nil));
    let (index, length) = (next(), next());
    match index {
        Ok(Reply::Int(index)) => {
            let length = length.and_then(|length| reply::int(&length)).unwrap_or_default();
            let before = if client.dialect.pops_from_right { length - 1 - index } else { index };
            Ok(usize::try_from(before + 1).ok())
        }
        Err(error) if error.is_unknown_command() => find_position(client, &list, &job.id),
        _ => Ok(None),
    }
}

/// Searches the ids of a queue for a job, because a server before Redis 6.0.6 has no LPOS.
fn find_position(client: &Client, list: &str, id: &str) -> Result<Option<usize>> {
    let (first, last, is_reversed) = client.dialect.list_range(0, MAX_POSITION);
    let range = RedisCommand::new("LRANGE").arg(list).arg(first).arg(last);
    let mut ids = reply::texts(client.call(&range)?)?;
    if is_reversed {
        ids.reverse();
    }
    Ok(ids.iter().position(|listed| listed == id).map(|index| index + 1))
}

/// Explains a queued job.
pub(super) fn explain(
    client: &Arc<Client>,
    job: &Record,
    position: Option<usize>,
) -> Result<Vec<Diagnostic>> {
    let queue = fetch_queues(client, std::slice::from_ref(&job.origin), &mut WrongTypeKeys::default())?.pop();
    let Some(queue) = queue else { return Ok(Vec::new()) };
    let mut diagnostics = Vec::from_iter(explain_position(&queue, position));
    let suspended = client.call(&RedisCommand::new("EXISTS").arg(client.keys.suspended()))?;
    let all_suspended = reply::int(&suspended)? == 1;
    if all_suspended {
        diagnostics.push(Diagnostic::new("suspended"));
    }
    if queue.suspended {
        diagnostics.push(Diagnostic::new("queue_suspended").with("queue", queue.name.as_str()));
    }
    if !all_suspended && !queue.suspended {
        diagnostics.extend(explain_by_workers(client, &queue, job, position)?);
    }
    Ok(diagnostics)
}

fn explain_position(queue: &QueueView, position: Option<usize>) -> Option<Diagnostic> {
    let in_queue = |code, position: usize| {
        let diagnostic = Diagnostic::new(code).with("position", position);
        diagnostic.with("total", queue.queued).with("queue", queue.name.as_str())
    };
    match position {
        Some(position) => Some(in_queue("queued", position)),
        None if queue.queued as usize > MAX_POSITION => Some(in_queue("queued_far", MAX_POSITION)),
        None if queue.intermediate == 0 => Some(Diagnostic::new("nowhere").with("status", "queued")),
        None => None,
    }
}

fn explain_by_workers(
    client: &Arc<Client>,
    queue: &QueueView,
    job: &Record,
    position: Option<usize>,
) -> Result<Option<Diagnostic>> {
    let diagnostic = |code| Diagnostic::new(code).with("queue", queue.name.as_str());
    let all = fetch_workers(client, &mut WrongTypeKeys::default())?;
    let listening: Vec<&WorkerView> = all.iter().filter(|worker| worker.listens_to(&queue.name)).collect();
    if listening.is_empty() {
        return Ok(Some(diagnostic("no_worker")));
    }
    let load = Load::fetch(client, &listening)?;
    let busy: usize = listening.iter().map(|worker| load.runs(worker)).sum();
    let slots: usize = listening.iter().map(|worker| slots(worker)).sum();
    if busy >= slots {
        return Ok(Some(diagnostic("workers_busy").with("busy", busy).with("slots", slots)));
    }
    let now = client.server_now()?;
    if let Some(code) = why_none_claims(&listening, now) {
        return Ok(Some(diagnostic(code)));
    }
    let ready = listening.into_iter().filter(|worker| load.is_ready(worker, now)).collect::<Vec<_>>();
    match position {
        Some(position) if !ready.is_empty() && load.is_complete() => {
            explain_by_front_job(client, queue, job, position, (&ready, &load))
        }
        _ => Ok(None),
    }
}

/// Explains a job by the handler of the job at the front of its queue, which may be at its concurrency limit.
fn explain_by_front_job(
    client: &Arc<Client>,
    queue: &QueueView,
    job: &Record,
    position: usize,
    (ready, load): (&[&WorkerView], &Load),
) -> Result<Option<Diagnostic>> {
    let diagnostic = |code| Diagnostic::new(code).with("queue", queue.name.as_str());
    let front = match position {
        1 => Some((job.id.clone(), job.handler.clone())),
        _ => fetch_front_job(client, queue)?,
    };
    let Some((id, Some(handler))) = front else { return Ok((position == 1).then(|| diagnostic("next"))) };
    let is_at_limit = ready.iter().all(|worker| load.is_at_limit(worker, &handler));
    Ok(match (is_at_limit, position) {
        (true, 1) => Some(diagnostic("handler_full").with("handler", handler)),
        (true, _) => Some(diagnostic("behind_full").with("handler", handler).with("id", id)),
        (false, 1) => Some(diagnostic("next")),
        (false, _) => None,
    })
}

/// Fetches the id and the handler of the job at the front of a queue.
fn fetch_front_job(client: &Arc<Client>, queue: &QueueView) -> Result<Option<(String, Option<String>)>> {
    let Some(id) = Queue::with_any_name(client, &queue.name).ids(0, 1)?.pop() else { return Ok(None) };
    let front = row::fetch_readable_rows(client, std::slice::from_ref(&id))?.pop().flatten();
    Ok(front.map(|job| (id, job.handler)))
}

/// Jobs that the workers of a queue are running.
struct Load(Vec<RunningJob>);

impl Load {
    fn fetch(client: &Arc<Client>, workers: &[&WorkerView]) -> Result<Self> {
        let mut queues: Vec<String> = workers.iter().flat_map(|worker| worker.queues.clone()).collect();
        queues.sort_unstable();
        queues.dedup();
        Ok(Load(fetch_running(client, &queues)?))
    }

    fn is_complete(&self) -> bool {
        self.0.len() < MAX_RUNNING
    }

    fn runs(&self, worker: &WorkerView) -> usize {
        self.0.iter().filter(|run| run.worker_name.as_ref() == Some(&worker.name)).count()
    }

    fn is_ready(&self, worker: &WorkerView, now: DateTime<Utc>) -> bool {
        !worker.quiet
            && worker.state != "suspended"
            && may_be_alive(worker, now)
            && self.runs(worker) < slots(worker)
    }

    fn is_at_limit(&self, worker: &WorkerView, handler: &str) -> bool {
        let is_of_handler = |run: &&RunningJob| {
            run.worker_name.as_ref() == Some(&worker.name) && run.handler.as_deref() == Some(handler)
        };
        let limit = worker.handler_limits.get(handler).or_else(|| worker.handler_limits.get("*"));
        limit.is_some_and(|limit| self.0.iter().filter(is_of_handler).count() >= *limit)
    }
}

fn slots(worker: &WorkerView) -> usize {
    worker.concurrency.unwrap_or(1) as usize
}

/// Code for why none of these workers claims jobs, if that is because of the workers.
fn why_none_claims(workers: &[&WorkerView], now: DateTime<Utc>) -> Option<&'static str> {
    let mut alive = workers.iter().filter(|worker| may_be_alive(worker, now)).peekable();
    match alive.peek() {
        None => Some("workers_silent"),
        Some(_) => alive.all(|worker| worker.quiet).then_some("workers_quiet"),
    }
}
