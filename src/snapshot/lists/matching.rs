//! Jobs that a filter matches: their number, and their ids for actions on all of them.

use std::sync::Arc;

use serde::Serialize;

use super::job_list::JobList;
use super::job_scan::JobScan;
use super::page::PageQuery;
use crate::client::Client;
use crate::error::Result;

/// Number of jobs that a filter matches, as far as one scan goes.
#[derive(Debug, Serialize)]
pub(crate) struct MatchCount {
    pub(crate) matched: usize,
    pub(crate) scanned: usize,
    /// Number of all jobs in the list.
    pub(crate) total: usize,
}

/// Counts the jobs that the filter of `query` matches.
pub(crate) fn count_matching(
    client: &Arc<Client>,
    queue: &str,
    list: JobList,
    query: &PageQuery,
) -> Result<MatchCount> {
    let scan = JobScan::new(client, queue, list, query.order)?;
    let total = scan.total;
    if query.filter.is_empty() {
        return Ok(MatchCount { matched: total, scanned: total, total });
    }
    let mut matched = 0;
    let (scanned, _) = scan.run(0, |id, _, job| {
        matched += usize::from(query.filter.matches(id, job));
        true
    })?;
    Ok(MatchCount { matched, scanned, total })
}

/// Jobs that a filter matches, as far as one scan goes.
pub(crate) struct Matches {
    /// Ids that the filter matches, at most the limit of the query.
    pub(crate) ids: Vec<String>,
    /// All ids that were read, in their order.
    pub(crate) seen: Vec<String>,
    /// Number of all jobs in the list.
    pub(crate) total: usize,
}

/// Finds the jobs that the filter of `query` matches, from its offset on.
pub(crate) fn find_matching(
    client: &Arc<Client>,
    queue: &str,
    list: JobList,
    query: &PageQuery,
) -> Result<Matches> {
    let (mut ids, mut seen) = (Vec::new(), Vec::new());
    let mut scan = JobScan::new(client, queue, list, query.order)?;
    scan.ids_only = query.filter.is_empty();
    scan.run(query.offset, |id, _, job| {
        seen.push(id.to_owned());
        if query.filter.matches(id, job) {
            ids.push(id.to_owned());
        }
        ids.len() < query.limit
    })?;
    Ok(Matches { ids, seen, total: scan.total })
}
