//! Rows of job lists, for the command line, the page and `top`.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::bounded_read;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::job::{self, JobSummary, RESULT_FIELDS, SUMMARY_FIELDS, error_line};
use crate::program;
use crate::wrong_type::{WrongTypeKeys, is_wrong_type};

/// Number of records that are read in one round trip, at most 150 KiB of each.
pub(in crate::snapshot) const ROWS_PER_BATCH: usize = 50;
/// Characters of a description or an error in a row.
const MAX_TEXT: usize = 300;

/// Fetches these jobs in one round trip. Each has an error if its record has expired or its key is of a wrong type.
pub(crate) fn fetch_rows<S: AsRef<str>>(client: &Client, ids: &[S]) -> Result<Vec<Result<JobSummary>>> {
    let keys = ids.iter().map(|id| {
        let id = id.as_ref();
        (client.keys.job(id), client.rq.results_stream(id))
    });
    let found = bounded_read::fetch_excerpts(client, keys, SUMMARY_FIELDS)?;
    let row = |(id, excerpts): (&S, Result<Option<_>>)| match excerpts {
        Err(error @ (Error::Denied { .. } | Error::Unreachable { .. })) => Err(error),
        Err(error) if is_wrong_type(&error) => Ok(Err(error)),
        excerpts => {
            let row = excerpts.unwrap_or_default().map(|excerpts| JobSummary::read(id.as_ref(), &excerpts));
            Ok(row.ok_or_else(|| Error::NotFound { id: id.as_ref().to_owned() }))
        }
    };
    ids.iter().zip(found).map(row).collect()
}

/// Fetches these jobs in one round trip; `None` for a record that has expired or cannot be read.
pub(crate) fn fetch_readable_rows<S: AsRef<str>>(
    client: &Client,
    ids: &[S],
) -> Result<Vec<Option<JobSummary>>> {
    Ok(fetch_rows(client, ids)?.into_iter().map(Result::ok).collect())
}

/// Fetches any number of jobs in batches, with texts cut to the width of a row; `None` for a record that has expired
/// or is of a wrong type.
pub(crate) fn fetch_display_rows<S: AsRef<str>>(
    client: &Arc<Client>,
    ids: &[S],
) -> Result<Vec<Option<JobSummary>>> {
    fetch_display_rows_and_report(client, ids, &mut WrongTypeKeys::default())
}

/// [`fetch_display_rows`], which also reports keys of a wrong type.
pub(in crate::snapshot) fn fetch_display_rows_and_report<S: AsRef<str>>(
    client: &Arc<Client>,
    ids: &[S],
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<Vec<Option<JobSummary>>> {
    let mut rows = Vec::with_capacity(ids.len());
    for batch in ids.chunks(ROWS_PER_BATCH) {
        for (id, row) in batch.iter().zip(fetch_rows(client, batch)?) {
            let row = match row {
                Err(Error::NotFound { .. }) => None,
                row => wrong_type_keys.tolerate(&client.keys.job(id.as_ref()), row.map(Some))?,
            };
            rows.push(row.map(shorten));
        }
    }
    Ok(rows)
}

fn shorten(row: JobSummary) -> JobSummary {
    let error = row.error.as_deref().map(display_error);
    JobSummary { description: display_line(&row.description), error, ..row }
}

/// Fetches the result of a job as JSON, if it has one.
pub(crate) fn fetch_result_json(client: &Client, id: &str) -> Result<Option<String>> {
    let keys = std::iter::once((client.keys.job(id), client.rq.results_stream(id)));
    let parts = bounded_read::fetch_excerpts(client, keys, RESULT_FIELDS)?.pop().unwrap_or(Ok(None))?;
    let parts = parts.ok_or_else(|| Error::NotFound { id: id.to_owned() })?;
    job::result_json(&parts, bounded_read::MAX_VALUE_SIZE).map_err(|what| {
        let hint = format!("see `{} job show {id} --json`", program::name());
        Error::invalid(format!("the result of job {id}: {what}"), hint)
    })
}

/// Builds the row of a job in a list. `job` is `None` when its record has expired or cannot be read.
pub(in crate::snapshot) fn list_row(
    id: String,
    queue: &str,
    job: Option<&JobSummary>,
    due: Option<DateTime<Utc>>,
) -> JobSummary {
    let mut row = shorten(job.cloned().unwrap_or_default());
    if row.origin.is_empty() {
        row.origin = queue.into();
    }
    JobSummary { id, due, ..row }
}

/// First line of a text, cut to the width of a row.
pub(crate) fn display_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(MAX_TEXT).collect()
}

/// The line of an error that says what happened, cut to the width of a row.
pub(in crate::snapshot) fn display_error(text: &str) -> String {
    display_line(error_line(text))
}
