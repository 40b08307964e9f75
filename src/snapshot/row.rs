//! A job in a list: one row of the command line, the page and `top`.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::bounded_read;
use crate::client::Client;
use crate::error::{Error, Result};
pub(crate) use crate::job::JobSummary;
use crate::job::{self, RESULT_FIELDS, SUMMARY_FIELDS, error_line};
use crate::job_handle::Job;
use crate::program;
use crate::wrong_type::{WrongTypeKeys, is_wrong_type};

/// How many are read together, each at most 150 KiB of it.
pub(super) const BATCH: usize = 50;
/// How much is shown of a description or an error.
const MAX_TEXT: usize = 300;

/// Reads these, one round trip for all of them; an error for one that has expired, and for one whose key is of
/// another type.
pub(crate) fn fetch_rows<S: AsRef<str>>(client: &Client, ids: &[S]) -> Result<Vec<Result<JobSummary>>> {
    let keys = ids.iter().map(|id| {
        let id = id.as_ref();
        (client.keys.job(id), client.rq.results_stream(id))
    });
    let found = bounded_read::fetch_excerpts(client, keys, SUMMARY_FIELDS)?;
    let row = |(id, parts): (&S, Result<Option<_>>)| match parts {
        Err(error @ (Error::Denied { .. } | Error::Unreachable { .. })) => Err(error),
        Err(error) if is_wrong_type(&error) => Ok(Err(error)),
        parts => {
            let row =
                parts.unwrap_or_default().as_ref().map(|excerpts| JobSummary::read(id.as_ref(), excerpts));
            Ok(row.ok_or_else(|| Error::NotFound { id: id.as_ref().to_owned() }))
        }
    };
    ids.iter().zip(found).map(row).collect()
}

/// The same, none of those that have an error.
pub(crate) fn fetch_readable_rows<S: AsRef<str>>(
    client: &Client,
    ids: &[S],
) -> Result<Vec<Option<JobSummary>>> {
    Ok(fetch_rows(client, ids)?.into_iter().map(Result::ok).collect())
}

/// The same for more of them, in parts, of which only what is shown is kept.
pub(crate) fn fetch_display_rows<S: AsRef<str>>(
    client: &Arc<Client>,
    ids: &[S],
) -> Result<Vec<Option<JobSummary>>> {
    fetch_display_rows_reporting(client, ids, &mut WrongTypeKeys::default())
}

/// The same; keys of another type are named.
pub(super) fn fetch_display_rows_reporting<S: AsRef<str>>(
    client: &Arc<Client>,
    ids: &[S],
    wrong_keys: &mut WrongTypeKeys,
) -> Result<Vec<Option<JobSummary>>> {
    let mut rows = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        for (id, row) in batch.iter().zip(fetch_rows(client, batch)?) {
            let row = match row {
                Err(Error::NotFound { .. }) => None,
                row => wrong_keys.tolerate(&client.keys.job(id.as_ref()), row.map(Some))?,
            };
            rows.push(row.map(shortened));
        }
    }
    Ok(rows)
}

fn shortened(row: JobSummary) -> JobSummary {
    let error = row.error.as_deref().map(display_error);
    JobSummary { description: display_line(&row.description), error, ..row }
}

/// All of a job but what is too large to be shown, and the names of the fields that are left out.
pub(crate) fn fetch_bounded_job(client: &Arc<Client>, id: &str) -> Result<(Job, Vec<&'static str>)> {
    let found = bounded_read::fetch_previews(client, &[id])?
        .pop()
        .unwrap_or_else(|| Err(Error::NotFound { id: id.to_owned() }))?;
    let (record, cut) = found.read(id);
    Ok((Job::new(client, record), cut))
}

/// The result of a job as JSON, if it has one.
pub(crate) fn fetch_result_json(client: &Client, id: &str) -> Result<Option<String>> {
    let keys = std::iter::once((client.keys.job(id), client.rq.results_stream(id)));
    let parts = bounded_read::fetch_excerpts(client, keys, RESULT_FIELDS)?.pop().unwrap_or(Ok(None))?;
    let parts = parts.ok_or_else(|| Error::NotFound { id: id.to_owned() })?;
    job::result_json(&parts, bounded_read::MAX_VALUE_SIZE).map_err(|what| {
        let hint = format!("see `{} job show {id} --json`", program::name());
        Error::invalid(format!("the result of job {id}: {what}"), hint)
    })
}

/// Row of a job in a list. `job` is `None` when its record has expired or cannot be read.
pub(super) fn listed(
    id: String,
    queue: &str,
    job: Option<&JobSummary>,
    due: Option<DateTime<Utc>>,
) -> JobSummary {
    let mut row = shortened(job.cloned().unwrap_or_default());
    if row.origin.is_empty() {
        row.origin = queue.into();
    }
    JobSummary { id, due, ..row }
}

/// As much of a text as fits a table.
pub(crate) fn display_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(MAX_TEXT).collect()
}

/// What an error says, as short.
pub(super) fn display_error(text: &str) -> String {
    display_line(error_line(text))
}
