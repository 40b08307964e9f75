//! What can be done from the page. Each thing that was done is a line in the log, with who did it.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::site::{Asked, Site};
use crate::bulk;
use crate::cron::{book, run_now};
use crate::error::{Error, Result};
use crate::handle::Job;
use crate::queue::Queue;
use crate::snapshot::{self, Filter, Order, Place};
use crate::worker::Printable;

/// More ids are not taken at once.
const MOST: usize = 1000;

/// How many it was done for, and where to go on.
struct Done {
    done: usize,
    failed: usize,
    next: Option<usize>,
}

impl From<usize> for Done {
    fn from(done: usize) -> Self {
        Done { done, failed: 0, next: None }
    }
}

pub(super) fn act(site: &Site, asked: &Asked<'_>, body: &Map<String, Value>) -> Answer {
    let ["api", path @ ..] = asked.parts.as_slice() else {
        return answer::not_found("there is no such thing to do");
    };
    let result = match path {
        ["jobs", id, action] => job(site, id, action),
        ["queues", queue, action] => self::queue(site, queue, action),
        ["queues", queue, place, action] => many(site, queue, place, action, body),
        ["suspend"] => all(site).and_then(|queue| queue.suspend_all(None)).map(|()| Some(0.into())),
        ["resume"] => all(site).and_then(|queue| queue.resume_all()).map(|()| Some(0.into())),
        ["cron", name, action] => cron(site, name, action),
        ["workers", name, action] => worker(site, name, action),
        _ => Ok(None),
    };
    match result {
        Ok(Some(Done { done, failed, next })) => {
            let what = path.join(" ");
            let (what, who, peer) = (Printable(&what), Printable(&asked.who), asked.peer);
            log::info!(target: "rq_rs", "dashboard: {who} ({peer}): {what}: {done} done, {failed} not");
            answer::json(&json!({ "done": done, "failed": failed, "next": next }))
        }
        Ok(None) => answer::not_found("there is no such thing to do"),
        Err(error) => answer::failure(&error),
    }
}

/// Any queue, for what is for all of them.
fn all(site: &Site) -> Result<Queue> {
    Queue::on(&site.store, "default")
}

fn job(site: &Site, id: &str, action: &str) -> Result<Option<Done>> {
    Ok(on_job(site, id, action)?.map(|()| 1.into()))
}

fn on_job(site: &Site, id: &str, action: &str) -> Result<Option<()>> {
    let fetch = || Job::fetch(&site.store, id);
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

fn queue(site: &Site, name: &str, action: &str) -> Result<Option<Done>> {
    let queue = Queue::on(&site.store, name)?;
    let done = match action {
        "suspend" => queue.suspend().map(|()| 0)?,
        "resume" => queue.resume().map(|()| 0)?,
        "empty" => queue.empty()?,
        _ => return Ok(None),
    };
    Ok(Some(done.into()))
}

/// For those that are named, or for a part of all that a filter fits.
fn many(
    site: &Site,
    name: &str,
    place: &str,
    action: &str,
    body: &Map<String, Value>,
) -> Result<Option<Done>> {
    let place = Place::from_str(place)?;
    if !["requeue", "cancel", "delete", "enqueue"].contains(&action) {
        return Ok(None);
    }
    let (ids, next, offset) = match body.get("ids") {
        Some(ids) => (named(ids)?, None, 0),
        None if body.get("all") == Some(&Value::Bool(true)) => {
            let text = |name: &str| {
                body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
            };
            let offset = body.get("offset").and_then(Value::as_u64).unwrap_or(0) as usize;
            let filter = Filter {
                handler: text("handler"),
                error: text("error"),
                text: text("text"),
                is_exact: body.get("exact") == Some(&Value::Bool(true)),
            };
            // From the oldest on: what fails again meanwhile comes behind those that are looked at.
            let asked = snapshot::Asked { offset, limit: MOST, order: Order::Oldest, filter };
            let (ids, next) = snapshot::matching(&site.store, name, place, &asked)?;
            (ids, next, offset)
        }
        None => {
            return Err(Error::invalid("no jobs are named", "give \"ids\", or \"all\": true with a filter"));
        }
    };
    let asked_for = ids.len();
    let done = bulk::on_many(&site.store, name, place, action, &ids)?;
    // Those for which it was done are in the list no more, so what follows has moved up.
    let next = next.map(|next| next.saturating_sub(done).max(offset));
    Ok(Some(Done { done, failed: asked_for - done, next }))
}

fn named(ids: &Value) -> Result<Vec<String>> {
    let wrong = || Error::invalid("ids is not a list of ids", format!("at most {MOST} texts"));
    let ids = ids.as_array().filter(|ids| ids.len() <= MOST).ok_or_else(wrong)?;
    ids.iter().map(|id| id.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn cron(site: &Site, name: &str, action: &str) -> Result<Option<Done>> {
    let now = crate::server::clock(&site.store)?;
    match action {
        "run" => drop(run_now(&site.store, book::find(&site.store, name, now)?.cron()?)?),
        "pause" => book::pause(&site.store, name, now)?,
        "resume" => book::resume(&site.store, name, now)?,
        _ => return Ok(None),
    }
    Ok(Some(1.into()))
}

fn worker(site: &Site, name: &str, action: &str) -> Result<Option<Done>> {
    let any = all(site)?;
    match action {
        "shutdown" => any.shutdown_worker(name)?,
        "kill-horse" => any.kill_horse(name)?,
        "quiet" => any.quiet_worker(name)?,
        "continue" => any.continue_worker(name)?,
        _ => return Ok(None),
    }
    Ok(Some(0.into()))
}
