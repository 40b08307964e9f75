//! A job in a list: one row of the command line, the page and `top`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::bounded_read;
use crate::client::Client;
use crate::error::{Error, Result};
pub(crate) use crate::job::Row;
use crate::job::{self, OF_RESULT, OF_ROW, Status, error_line};
use crate::job_handle::Job;
use crate::program;
use crate::wrong_type::{WrongTypeKeys, is_wrong_type};

/// How many are read together, each at most 150 KiB of it.
pub(super) const BATCH: usize = 50;
/// How much is shown of a description or an error.
const SHOWN: usize = 300;

/// Reads these, one round trip for all of them; an error for one that has expired, and for one whose key is of
/// another type.
pub(crate) fn read_each<S: AsRef<str>>(client: &Client, ids: &[S]) -> Result<Vec<Result<Row>>> {
    let keys = ids.iter().map(|id| {
        let id = id.as_ref();
        (client.keys.job(id), client.dialect.writes_rq_metadata.then(|| client.keys.results(id)))
    });
    let found = bounded_read::ends(client, keys, OF_ROW)?;
    let row = |(id, parts): (&S, Result<Option<_>>)| match parts {
        Err(error @ (Error::Denied { .. } | Error::Unreachable { .. })) => Err(error),
        Err(error) if is_wrong_type(&error) => Ok(Err(error)),
        parts => {
            let row = parts.unwrap_or_default().as_ref().map(Row::read);
            Ok(row.ok_or_else(|| Error::NotFound { id: id.as_ref().to_owned() }))
        }
    };
    ids.iter().zip(found).map(row).collect()
}

/// The same, none of those that have an error.
pub(crate) fn read<S: AsRef<str>>(client: &Client, ids: &[S]) -> Result<Vec<Option<Row>>> {
    Ok(read_each(client, ids)?.into_iter().map(Result::ok).collect())
}

/// The same for more of them, in parts, of which only what is shown is kept.
pub(crate) fn read_all<S: AsRef<str>>(client: &Arc<Client>, ids: &[S]) -> Result<Vec<Option<Row>>> {
    read_all_naming(client, ids, &mut WrongTypeKeys::default())
}

/// The same; keys of another type are named.
pub(super) fn read_all_naming<S: AsRef<str>>(
    client: &Arc<Client>,
    ids: &[S],
    odd: &mut WrongTypeKeys,
) -> Result<Vec<Option<Row>>> {
    let mut rows = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        for (id, row) in batch.iter().zip(read_each(client, batch)?) {
            let row = match row {
                Err(Error::NotFound { .. }) => None,
                row => odd.pass(&client.keys.job(id.as_ref()), row.map(Some))?,
            };
            rows.push(row.map(shortened));
        }
    }
    Ok(rows)
}

fn shortened(row: Row) -> Row {
    let error = row.error.as_deref().map(short_error);
    Row { description: one_line(&row.description), error, ..row }
}

/// All of a job but what is too large to be shown, and the names of the fields that are left out.
pub(crate) fn fetch_shown(client: &Arc<Client>, id: &str) -> Result<(Job, Vec<&'static str>)> {
    let found = bounded_read::shown(client, &[id])?
        .pop()
        .unwrap_or_else(|| Err(Error::NotFound { id: id.to_owned() }))?;
    let (record, cut) = found.read(id);
    Ok((Job::new(client, record), cut))
}

/// The result of a job as JSON, if it has one.
pub(crate) fn result_text(client: &Client, id: &str) -> Result<Option<String>> {
    let keys = std::iter::once((
        client.keys.job(id),
        client.dialect.writes_rq_metadata.then(|| client.keys.results(id)),
    ));
    let parts = bounded_read::ends(client, keys, OF_RESULT)?.pop().unwrap_or(Ok(None))?;
    let parts = parts.ok_or_else(|| Error::NotFound { id: id.to_owned() })?;
    job::result_text(&parts, bounded_read::SHOWN).map_err(|what| {
        let hint = format!("see `{} job show {id} --json`", program::name());
        Error::invalid(format!("the result of job {id}: {what}"), hint)
    })
}

/// Some of the fields of a record.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Brief {
    pub(crate) id: String,
    /// `None` when its record has expired or cannot be read.
    pub(crate) status: Option<Status>,
    pub(crate) origin: String,
    pub(crate) handler: Option<String>,
    pub(crate) description: String,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) enqueued_at: Option<DateTime<Utc>>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// When one that is scheduled is due.
    pub(crate) due: Option<DateTime<Utc>>,
    pub(crate) worker_name: Option<String>,
    /// The line that says what happened.
    pub(crate) error: Option<String>,
    pub(crate) number_of_retries: u32,
    pub(crate) retries_left: Option<u32>,
}

impl Brief {
    pub(super) fn new(id: String, queue: &str, job: Option<&Row>, due: Option<DateTime<Utc>>) -> Self {
        let time = |of: fn(&Row) -> Option<DateTime<Utc>>| job.and_then(of);
        Brief {
            status: job.map(|job| job.status),
            origin: job.map(|job| job.origin.clone()).filter(|name| !name.is_empty()).unwrap_or(queue.into()),
            handler: job.and_then(|job| job.handler.clone()),
            description: job.map(|job| one_line(&job.description)).unwrap_or_default(),
            created_at: time(|job| job.created_at),
            enqueued_at: time(|job| job.enqueued_at),
            started_at: time(|job| job.started_at),
            ended_at: time(|job| job.ended_at),
            due,
            worker_name: job.and_then(|job| job.worker_name.clone()),
            error: job.and_then(|job| job.error.as_deref()).map(short_error),
            number_of_retries: job.map_or(0, |job| job.number_of_retries),
            retries_left: job.and_then(|job| job.retries_left),
            id,
        }
    }
}

/// As much of a text as fits a table.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(SHOWN).collect()
}

/// What an error says, as short.
pub(super) fn short_error(text: &str) -> String {
    one_line(error_line(text))
}
