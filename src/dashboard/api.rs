//! What the pages are drawn from, and scripts may read: docs/dashboard.md.

use std::str::FromStr;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::response::{self, Response};
use super::state::{AppState, FURTHEST, Query};
use crate::client::Client;
use crate::cron::listed;
use crate::error::Result;
use crate::queue::check_known;
use crate::snapshot::{self, Filter, LARGEST, Order, Place};
use crate::wrong_type::WrongTypeKeys;

pub(super) fn answer(site: &AppState, parts: &[&str], query: &Query, who: &str) -> Response {
    let client = &site.client;
    let found = match parts {
        ["site"] => Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "dialect": client.dialect.name,
            "prefix": client.keys.prefix(),
            "address": client.address(),
            "read_only": site.options.access.is_read_only,
            "hide_args": site.options.hide_args,
            "user": Some(who).filter(|_| !site.options.access.is_open()),
        })),
        ["overview"] => {
            let only: Vec<String> = query.get("queue").map(str::to_owned).into_iter().collect();
            value(snapshot::look(client, &only))
        }
        ["queues", queue, place] => page(site, queue, place, query),
        ["queues", queue, place, "count"] => count(site, queue, place, query),
        ["scheduled"] => {
            let offset = query.number("offset", 0, FURTHEST);
            value(snapshot::scheduled(client, offset, query.number("limit", 50, LARGEST).max(1)))
        }
        ["failed"] => {
            value(checked(client, query.get("queue")).and_then(|queue| snapshot::failed(client, queue)))
        }
        ["jobs", id] => return job(site, id),
        ["jobs", id, "result"] => return result(site, id),
        ["cron"] => return cron(site),
        ["cron", name, "history"] => {
            let limit = query.number("limit", 50, LARGEST);
            value(
                snapshot::cron_history(client, name, limit, &mut WrongTypeKeys::default())
                    .map(|(jobs, _)| jobs),
            )
        }
        ["workers"] => workers(site),
        ["metrics"] => {
            value(checked(client, query.get("queue")).and_then(|queue| snapshot::history(client, queue)))
        }
        _ => return response::not_found("there is no such thing to read"),
    };
    match found {
        Ok(mut found) => {
            if site.options.hide_args {
                hide(&mut found);
            }
            response::json(&found)
        }
        Err(error) => response::failure(&error),
    }
}

fn value(found: Result<impl Serialize>) -> Result<Value> {
    found.map(|found| serde_json::to_value(found).unwrap_or_default())
}

fn checked<'a>(client: &Client, queue: Option<&'a str>) -> Result<Option<&'a str>> {
    queue.map_or(Ok(()), |name| check_known(client, name)).map(|()| queue)
}

/// What is asked of a list.
fn asked(query: &Query, place: Place, is_blind: bool) -> snapshot::Asked {
    let text = |name: &str| query.get(name).map(str::to_owned);
    let first_due = matches!(place, Place::Queued | Place::Scheduled | Place::Started);
    let order = match query.get("order") {
        Some("oldest") => Order::Oldest,
        Some("newest") => Order::Newest,
        _ if first_due => Order::Oldest,
        _ => Order::Newest,
    };
    snapshot::Asked {
        offset: query.number("offset", 0, FURTHEST),
        limit: query.number("limit", 50, LARGEST).max(1),
        order,
        filter: Filter {
            handler: text("handler"),
            error: text("error"),
            text: text("text"),
            is_exact: query.get("exact") == Some("true"),
            is_blind,
        },
    }
}

fn page(site: &AppState, queue: &str, place: &str, query: &Query) -> Result<Value> {
    let place = Place::from_str(place)?;
    check_known(&site.client, queue)?;
    value(snapshot::page(&site.client, queue, place, &asked(query, place, site.options.hide_args)))
}

fn count(site: &AppState, queue: &str, place: &str, query: &Query) -> Result<Value> {
    let place = Place::from_str(place)?;
    check_known(&site.client, queue)?;
    value(snapshot::count(&site.client, queue, place, &asked(query, place, site.options.hide_args)))
}

fn cron(site: &AppState) -> Response {
    let found = crate::server_info::clock(&site.client).and_then(|now| listed::list(&site.client, now));
    match found {
        Ok(listing) if site.options.hide_args => {
            let mut all = serde_json::to_value(&listing.all).unwrap_or_default();
            hide(&mut all);
            response::json(&all)
        }
        // Not as a value first, which would take the same room again.
        Ok(listing) => response::json(&listing.all),
        Err(error) => response::failure(&error),
    }
}

fn workers(site: &AppState) -> Result<Value> {
    let shot = snapshot::look(&site.client, &[])?;
    let queues: Vec<String> = shot.queues.into_iter().map(|queue| queue.name).collect();
    let running = snapshot::running(&site.client, &queues)?;
    let (workers, worker_count, odd_keys, now) = (shot.workers, shot.worker_count, shot.odd_keys, shot.now);
    Ok(json!({
        "workers": workers, "worker_count": worker_count, "running": running, "odd_keys": odd_keys, "now": now
    }))
}

/// All there is to show of a job.
fn job(site: &AppState, id: &str) -> Response {
    match snapshot::look_at_shown(&site.client, id) {
        Ok(job) if site.options.hide_args => {
            let mut job = serde_json::to_value(&job).unwrap_or_default();
            hide(&mut job);
            response::json(&job)
        }
        // Not as a value first, which would take the same room again.
        Ok(job) => response::json(&job),
        Err(error) => response::failure(&error),
    }
}

fn result(site: &AppState, id: &str) -> Response {
    if site.options.hide_args {
        return response::refuse(StatusCode::FORBIDDEN, "results are hidden here", "");
    }
    match snapshot::result_text(&site.client, id) {
        Ok(Some(text)) => response::file("attachment; filename=\"result.json.txt\"", text),
        Ok(None) => response::not_found("the job has no result"),
        Err(error) => response::failure(&error),
    }
}

/// What a job is about, wherever it stands.
const HIDDEN: [&str; 7] = ["args", "kwargs", "meta", "result", "other", "log", "problems"];

/// Leaves out what a job is about. The name of its handler stays; errors stay, because nobody could help without.
fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(object) => {
            let handler = object.get("handler").cloned();
            for (name, value) in object {
                match name.as_str() {
                    name if HIDDEN.contains(&name) => *value = Value::Null,
                    "description" => *value = handler.clone().unwrap_or_default(),
                    _ => hide(value),
                }
            }
        }
        _ => {}
    }
}
