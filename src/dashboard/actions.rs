//! Changes that the page can make (`POST /api/…`). Each is a line in the log, with the user who made it.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::request::{MAX_OFFSET, RequestInfo};
use super::response::{self, Response};
use super::state::AppState;
use crate::bulk::{self, BulkAction, BulkProgress, Cursor};
use crate::cron::find::find_entry;
use crate::cron::{enqueue_now, pause};
use crate::error::{Error, Result};
use crate::job_handle::Job;
use crate::printable::ShortLine;
use crate::queue::{Queue, check_existing_or_valid};
use crate::snapshot::{Filter, JobList};

/// Ids in one request, and jobs that one request with a filter acts on.
const MAX_JOBS: usize = 1000;

/// Outcome of an action.
enum Done {
    /// The action on one job, queue, entry or worker is done.
    Single,
    /// The action was tried on the jobs of a batch.
    Jobs(BulkProgress),
}

impl Done {
    fn into_progress(self) -> BulkProgress {
        match self {
            Done::Single => BulkProgress { done: 1, failed: 0, next: None },
            Done::Jobs(progress) => progress,
        }
    }

    fn log_text(&self) -> String {
        match self {
            Done::Single => "done".to_owned(),
            Done::Jobs(BulkProgress { done, failed, .. }) => format!("{done} done, {failed} not"),
        }
    }
}

/// Responds to `POST /api/…`: carries out the action that the path names.
pub(super) fn handle(state: &AppState, request: &RequestInfo<'_>, body: &Map<String, Value>) -> Response {
    let ["api", path @ ..] = request.segments.as_slice() else {
        return response::not_found("there is no such thing to do");
    };
    match run(state, path, body) {
        Ok(Some(done)) => {
            log_action(request, path, &done.log_text());
            let BulkProgress { done, failed, next } = done.into_progress();
            let next = next.map(|next| format!("{}+{}", next.offset, next.left));
            response::json(&json!({ "done": done, "failed": failed, "next": next }))
        }
        Ok(None) => response::not_found("there is no such thing to do"),
        Err(error) => {
            log_action(request, path, &error.to_string());
            response::from_error(&error)
        }
    }
}

/// Returns nothing if there is no such action.
fn run(state: &AppState, path: &[&str], body: &Map<String, Value>) -> Result<Option<Done>> {
    match path {
        ["jobs", id, action] => on_job(state, id, action),
        ["queues", queue, action] => on_queue(state, queue, action),
        ["queues", queue, registry, action] => on_jobs(state, queue, registry, action, body),
        ["suspend"] => {
            any_queue(state).and_then(|queue| queue.suspend_all(None)).map(|()| Some(Done::Single))
        }
        ["resume"] => any_queue(state).and_then(|queue| queue.resume_all()).map(|()| Some(Done::Single)),
        ["cron", name, action] => on_cron_entry(state, name, action),
        ["workers", name, action] => on_worker(state, name, action),
        _ => Ok(None),
    }
}

fn log_action(request: &RequestInfo<'_>, path: &[&str], outcome: &str) {
    let action = path.join(" ");
    let (action, user, peer) = (ShortLine(&action), ShortLine(&request.user), request.peer);
    log::info!(target: "rq_rs", "dashboard: {user} ({peer}): {action}: {outcome}");
}

/// A handle for actions that concern no single queue.
fn any_queue(state: &AppState) -> Result<Queue> {
    Queue::with_client(&state.client, "default")
}

fn on_job(state: &AppState, id: &str, action: &str) -> Result<Option<Done>> {
    let fetch = || Job::fetch_partial(&state.client, id);
    match action {
        "requeue" => fetch()?.requeue()?,
        "cancel" => fetch()?.cancel().map(drop)?,
        "stop" => fetch()?.stop()?,
        "enqueue" => fetch()?.enqueue_now()?,
        "delete" => fetch()?.delete().map(drop)?,
        _ => return Ok(None),
    }
    Ok(Some(Done::Single))
}

fn on_queue(state: &AppState, name: &str, action: &str) -> Result<Option<Done>> {
    check_existing_or_valid(&state.client, name)?;
    let queue = Queue::with_any_name(&state.client, name);
    match action {
        "suspend" => queue.suspend()?,
        "resume" => queue.resume()?,
        "empty" => {
            let done = queue.empty()?;
            return Ok(Some(Done::Jobs(BulkProgress { done, failed: 0, next: None })));
        }
        _ => return Ok(None),
    }
    Ok(Some(Done::Single))
}

/// Acts on the jobs whose ids the body lists, or on the next ones that its filter matches.
fn on_jobs(
    state: &AppState,
    queue: &str,
    registry: &str,
    action: &str,
    body: &Map<String, Value>,
) -> Result<Option<Done>> {
    let bulk_action = BulkAction { queue, list: JobList::from_str(registry)?, action };
    check_existing_or_valid(&state.client, queue)?;
    if !["requeue", "cancel", "delete", "enqueue"].contains(&action) {
        return Ok(None);
    }
    if let Some(ids) = body.get("ids") {
        let ids = id_list(ids)?;
        let done = bulk::apply_to_ids(&state.client, &bulk_action, &ids)?;
        return Ok(Some(Done::Jobs(BulkProgress { done, failed: ids.len() - done, next: None })));
    }
    if body.get("all") != Some(&Value::Bool(true)) {
        return Err(Error::invalid("no jobs are named", "give \"ids\", or \"all\": true with a filter"));
    }
    let cursor = body.get("next").filter(|next| !next.is_null()).map(cursor).transpose()?;
    let filter = filter(body, state.options.hide_args);
    bulk::run_batch(&state.client, &bulk_action, filter, MAX_JOBS, cursor)
        .map(|progress| Some(Done::Jobs(progress)))
}

fn filter(body: &Map<String, Value>, hide_text: bool) -> Filter {
    let text = |name: &str| {
        body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Filter {
        handler: text("handler"),
        error: text("error"),
        text: text("text"),
        is_exact: body.get("exact") == Some(&Value::Bool(true)),
        hide_text,
    }
}

/// Parses the `next` of an earlier response: `OFFSET+LEFT`.
fn cursor(text: &Value) -> Result<Cursor> {
    let malformed =
        || Error::invalid("next is not a value of an earlier response", "leave it out to begin anew");
    let (offset, left) = text.as_str().and_then(|text| text.split_once('+')).ok_or_else(malformed)?;
    let number = |text: &str| text.parse().ok().filter(|n| *n <= MAX_OFFSET).ok_or_else(malformed);
    Ok(Cursor { offset: number(offset)?, left: number(left)? })
}

fn id_list(ids: &Value) -> Result<Vec<String>> {
    let malformed = || Error::invalid("ids must be a list of job ids", format!("at most {MAX_JOBS} strings"));
    let ids = ids.as_array().filter(|ids| ids.len() <= MAX_JOBS).ok_or_else(malformed)?;
    ids.iter().map(|id| id.as_str().map(str::to_owned).ok_or_else(malformed)).collect()
}

fn on_cron_entry(state: &AppState, name: &str, action: &str) -> Result<Option<Done>> {
    let now = state.client.server_time()?;
    match action {
        "run" => drop(enqueue_now(&state.client, find_entry(&state.client, name, now)?.cron()?)?),
        "pause" => pause::pause(&state.client, name, now)?,
        "resume" => pause::resume(&state.client, name, now)?,
        _ => return Ok(None),
    }
    Ok(Some(Done::Single))
}

fn on_worker(state: &AppState, name: &str, action: &str) -> Result<Option<Done>> {
    let queue = any_queue(state)?;
    match action {
        "shutdown" => queue.shutdown_worker(name)?,
        "kill-horse" => queue.kill_horse(name)?,
        "quiet" => queue.quiet_worker(name)?,
        "continue" => queue.continue_worker(name)?,
        _ => return Ok(None),
    }
    Ok(Some(Done::Single))
}
