//! What can be done from the page. Each thing that was done is a line in the log, with who did it.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::response::{self, Response};
use super::state::{AppState, FURTHEST, RequestInfo};
use crate::bulk::{self, Bookmark, Deed, Part};
use crate::cron::{listed, pause, run_now};
use crate::error::{Error, Result};
use crate::job_handle::Job;
use crate::printable::Printable;
use crate::queue::{Queue, check_known};
use crate::snapshot::{Filter, Place};

/// More ids are not taken at once.
const MOST: usize = 1000;

/// What came of it.
enum Done {
    /// The one thing that was asked for is done.
    It,
    /// It was done for so many jobs.
    Jobs(Part),
}

impl Done {
    fn part(self) -> Part {
        match self {
            Done::It => Part { done: 1, failed: 0, next: None },
            Done::Jobs(part) => part,
        }
    }

    /// For the log.
    fn words(&self) -> String {
        match self {
            Done::It => "done".to_owned(),
            Done::Jobs(Part { done, failed, .. }) => format!("{done} done, {failed} not"),
        }
    }
}

pub(super) fn act(site: &AppState, asked: &RequestInfo<'_>, body: &Map<String, Value>) -> Response {
    let ["api", path @ ..] = asked.parts.as_slice() else {
        return response::not_found("there is no such thing to do");
    };
    let result = match path {
        ["jobs", id, action] => job(site, id, action),
        ["queues", queue, action] => self::queue(site, queue, action),
        ["queues", queue, place, action] => many(site, queue, place, action, body),
        ["suspend"] => all(site).and_then(|queue| queue.suspend_all(None)).map(|()| Some(Done::It)),
        ["resume"] => all(site).and_then(|queue| queue.resume_all()).map(|()| Some(Done::It)),
        ["cron", name, action] => cron(site, name, action),
        ["workers", name, action] => worker(site, name, action),
        _ => Ok(None),
    };
    let told = |words: &str| {
        let what = path.join(" ");
        let (what, who, peer) = (Printable(&what), Printable(&asked.who), asked.peer);
        log::info!(target: "rq_rs", "dashboard: {who} ({peer}): {what}: {words}");
    };
    match result {
        Ok(Some(what)) => {
            told(&what.words());
            let Part { done, failed, next } = what.part();
            let next = next.map(|next| format!("{}+{}", next.offset, next.left));
            response::json(&json!({ "done": done, "failed": failed, "next": next }))
        }
        Ok(None) => response::not_found("there is no such thing to do"),
        Err(error) => {
            told(&error.to_string());
            response::failure(&error)
        }
    }
}

/// Any queue, for what is for all of them.
fn all(site: &AppState) -> Result<Queue> {
    Queue::on(&site.client, "default")
}

fn job(site: &AppState, id: &str, action: &str) -> Result<Option<Done>> {
    Ok(on_job(site, id, action)?.map(|()| Done::It))
}

fn on_job(site: &AppState, id: &str, action: &str) -> Result<Option<()>> {
    let fetch = || Job::find(&site.client, id);
    match action {
        "requeue" => fetch()?.requeue()?,
        "cancel" => fetch()?.cancel().map(drop)?,
        "stop" => fetch()?.stop()?,
        "enqueue" => fetch()?.enqueue_now()?,
        "delete" => fetch()?.delete().map(drop)?,
        _ => return Ok(None),
    }
    Ok(Some(()))
}

fn queue(site: &AppState, name: &str, action: &str) -> Result<Option<Done>> {
    check_known(&site.client, name)?;
    let queue = Queue::of(&site.client, name);
    match action {
        "suspend" => queue.suspend()?,
        "resume" => queue.resume()?,
        "empty" => {
            let done = queue.empty()?;
            return Ok(Some(Done::Jobs(Part { done, failed: 0, next: None })));
        }
        _ => return Ok(None),
    }
    Ok(Some(Done::It))
}

/// For those that are named, or for a part of all that a filter fits.
fn many(
    site: &AppState,
    queue: &str,
    place: &str,
    action: &str,
    body: &Map<String, Value>,
) -> Result<Option<Done>> {
    let deed = Deed { queue, place: Place::from_str(place)?, action };
    check_known(&site.client, queue)?;
    if !["requeue", "cancel", "delete", "enqueue"].contains(&action) {
        return Ok(None);
    }
    if let Some(ids) = body.get("ids") {
        let ids = named(ids)?;
        let done = bulk::on_many(&site.client, &deed, &ids)?;
        return Ok(Some(Done::Jobs(Part { done, failed: ids.len() - done, next: None })));
    }
    if body.get("all") != Some(&Value::Bool(true)) {
        return Err(Error::invalid("no jobs are named", "give \"ids\", or \"all\": true with a filter"));
    }
    let text = |name: &str| {
        body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let filter = Filter {
        handler: text("handler"),
        error: text("error"),
        text: text("text"),
        is_exact: body.get("exact") == Some(&Value::Bool(true)),
        is_blind: site.options.hide_args,
    };
    let from = body.get("next").filter(|next| !next.is_null()).map(bookmark).transpose()?;
    bulk::part(&site.client, &deed, filter, MOST, from).map(|part| Some(Done::Jobs(part)))
}

/// What an answer gave as `next`.
fn bookmark(text: &Value) -> Result<Bookmark> {
    let wrong = || Error::invalid("next is not what an answer has given", "leave it out to begin anew");
    let (offset, left) = text.as_str().and_then(|text| text.split_once('+')).ok_or_else(wrong)?;
    let number = |text: &str| text.parse().ok().filter(|n| *n <= FURTHEST).ok_or_else(wrong);
    Ok(Bookmark { offset: number(offset)?, left: number(left)? })
}

fn named(ids: &Value) -> Result<Vec<String>> {
    let wrong = || Error::invalid("ids is not a list of ids", format!("at most {MOST} texts"));
    let ids = ids.as_array().filter(|ids| ids.len() <= MOST).ok_or_else(wrong)?;
    ids.iter().map(|id| id.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn cron(site: &AppState, name: &str, action: &str) -> Result<Option<Done>> {
    let now = crate::server_info::clock(&site.client)?;
    match action {
        "run" => drop(run_now(&site.client, listed::find(&site.client, name, now)?.cron()?)?),
        "pause" => pause::pause(&site.client, name, now)?,
        "resume" => pause::resume(&site.client, name, now)?,
        _ => return Ok(None),
    }
    Ok(Some(Done::It))
}

fn worker(site: &AppState, name: &str, action: &str) -> Result<Option<Done>> {
    let any = all(site)?;
    match action {
        "shutdown" => any.shutdown_worker(name)?,
        "kill-horse" => any.kill_horse(name)?,
        "quiet" => any.quiet_worker(name)?,
        "continue" => any.continue_worker(name)?,
        _ => return Ok(None),
    }
    Ok(Some(Done::It))
}
