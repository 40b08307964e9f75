//! The JSON that the page is drawn from and that scripts may read; docs/dashboard.md describes it.

use std::str::FromStr;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::request::{MAX_OFFSET, Query};
use super::response::{self, Response};
use super::state::AppState;
use crate::client::Client;
use crate::cron::view;
use crate::error::Result;
use crate::queue::check_existing_or_valid;
use crate::snapshot::{self, Filter, JobList, MAX_PAGE_SIZE, SortOrder};
use crate::wrong_type::WrongTypeKeys;

const DEFAULT_LIMIT: usize = 50;

/// Responds to `GET /api/PATH`.
pub(super) fn read(state: &AppState, path: &[&str], query: &Query, user: &str) -> Response {
    match path {
        ["jobs", id] => return job(state, id),
        ["jobs", id, "result"] => return result(state, id),
        ["cron"] => return cron(state),
        // The other paths are fetched below as JSON values.
        _ => {}
    }
    match fetch(state, path, query, user) {
        Some(Ok(mut value)) => {
            if state.options.hide_args {
                hide(&mut value);
            }
            response::json(&value)
        }
        Some(Err(error)) => response::from_error(&error),
        None => response::not_found("there is no such thing to read"),
    }
}

/// Fetches the data of a path; nothing if the path is unknown.
fn fetch(state: &AppState, path: &[&str], query: &Query, user: &str) -> Option<Result<Value>> {
    Some(match path {
        ["site"] => Ok(site(state, user)),
        ["overview"] => {
            let queues: Vec<String> = query.get("queue").map(str::to_owned).into_iter().collect();
            to_value(snapshot::fetch(&state.client, &queues))
        }
        ["queues", queue, registry] => page(state, queue, registry, query),
        ["queues", queue, registry, "count"] => count(state, queue, registry, query),
        ["scheduled"] => {
            let (offset, limit) = (query.number("offset", 0, MAX_OFFSET), limit(query).max(1));
            to_value(snapshot::fetch_scheduled(&state.client, offset, limit))
        }
        ["failed"] => {
            let queue = queue_parameter(&state.client, query);
            to_value(queue.and_then(|queue| snapshot::fetch_failure_groups(&state.client, queue)))
        }
        ["cron", name, "history"] => {
            let runs = snapshot::fetch_cron_history(
                &state.client,
                name,
                limit(query),
                &mut WrongTypeKeys::default(),
            );
            to_value(runs.map(|(jobs, _)| jobs))
        }
        ["workers"] => workers(state),
        ["metrics"] => {
            let queue = queue_parameter(&state.client, query);
            to_value(queue.and_then(|queue| snapshot::fetch_run_history(&state.client, queue)))
        }
        _ => return None,
    })
}

fn site(state: &AppState, user: &str) -> Value {
    let (client, options) = (&state.client, &state.options);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "dialect": client.dialect.name,
        "prefix": client.keys.prefix(),
        "address": client.address(),
        "read_only": options.access.is_read_only,
        "hide_args": options.hide_args,
        "user": Some(user).filter(|_| !options.access.is_open()),
    })
}

fn limit(query: &Query) -> usize {
    query.number("limit", DEFAULT_LIMIT, MAX_PAGE_SIZE)
}

fn to_value(result: Result<impl Serialize>) -> Result<Value> {
    result.map(|data| serde_json::to_value(data).unwrap_or_default())
}

/// The queue that the query names, if any; an unknown one is an error.
fn queue_parameter<'a>(client: &Client, query: &'a Query) -> Result<Option<&'a str>> {
    let queue = query.get("queue");
    queue.map_or(Ok(()), |name| check_existing_or_valid(client, name)).map(|()| queue)
}

/// Reads offset, limit, order and filter of a list from the query.
fn page_query(query: &Query, list: JobList, hide_text: bool) -> snapshot::PageQuery {
    let text = |name: &str| query.get(name).map(str::to_owned);
    let is_oldest_first = matches!(list, JobList::Queued | JobList::Scheduled | JobList::Started);
    let order = match query.get("order") {
        Some("oldest") => SortOrder::Oldest,
        Some("newest") => SortOrder::Newest,
        _ if is_oldest_first => SortOrder::Oldest,
        _ => SortOrder::Newest,
    };
    snapshot::PageQuery {
        offset: query.number("offset", 0, MAX_OFFSET),
        limit: limit(query).max(1),
        order,
        filter: Filter {
            handler: text("handler"),
            error: text("error"),
            text: text("text"),
            is_exact: query.get("exact") == Some("true"),
            hide_text,
        },
    }
}

fn page(state: &AppState, queue: &str, registry: &str, query: &Query) -> Result<Value> {
    let list = JobList::from_str(registry)?;
    check_existing_or_valid(&state.client, queue)?;
    let query = page_query(query, list, state.options.hide_args);
    to_value(snapshot::fetch_page(&state.client, queue, list, &query))
}

fn count(state: &AppState, queue: &str, registry: &str, query: &Query) -> Result<Value> {
    let list = JobList::from_str(registry)?;
    check_existing_or_valid(&state.client, queue)?;
    let query = page_query(query, list, state.options.hide_args);
    to_value(snapshot::count_matching(&state.client, queue, list, &query))
}

fn cron(state: &AppState) -> Response {
    let listing = state.client.server_time().and_then(|now| view::list_entries(&state.client, now));
    large(state, listing.map(|listing| listing.entries))
}

fn workers(state: &AppState) -> Result<Value> {
    let snapshot = snapshot::fetch(&state.client, &[])?;
    let queues: Vec<String> = snapshot.queues.into_iter().map(|queue| queue.name).collect();
    let running = snapshot::fetch_running(&state.client, &queues)?;
    Ok(json!({
        "workers": snapshot.workers,
        "worker_count": snapshot.worker_count,
        "running": running,
        "odd_keys": snapshot.wrong_type_keys,
        "now": snapshot.now,
    }))
}

fn job(state: &AppState, id: &str) -> Response {
    large(state, snapshot::fetch_job_bounded(&state.client, id))
}

/// Responds with data that may be megabytes large. It is serialized directly, because a JSON value of it in between
/// takes the same memory once more; only hiding needs that value.
fn large(state: &AppState, result: Result<impl Serialize>) -> Response {
    match result {
        Ok(data) if state.options.hide_args => {
            let mut value = serde_json::to_value(&data).unwrap_or_default();
            hide(&mut value);
            response::json(&value)
        }
        Ok(data) => response::json(&data),
        Err(error) => response::from_error(&error),
    }
}

fn result(state: &AppState, id: &str) -> Response {
    if state.options.hide_args {
        return response::error(StatusCode::FORBIDDEN, "results are hidden here", "");
    }
    match snapshot::fetch_result_json(&state.client, id) {
        Ok(Some(text)) => response::download("attachment; filename=\"result.json.txt\"", text),
        Ok(None) => response::not_found("the job has no result"),
        Err(error) => response::from_error(&error),
    }
}

/// Fields with a job's data, at any depth.
const HIDDEN_FIELDS: [&str; 7] = ["args", "kwargs", "meta", "result", "other", "log", "problems"];

/// Removes a job's data. Its handler's name stays, and replaces the description; errors stay, because without them
/// nobody could help.
fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(object) => {
            let handler = object.get("handler").cloned();
            for (name, value) in object {
                match name.as_str() {
                    name if HIDDEN_FIELDS.contains(&name) => *value = Value::Null,
                    "description" => *value = handler.clone().unwrap_or_default(),
                    _ => hide(value),
                }
            }
        }
        _ => {}
    }
}
