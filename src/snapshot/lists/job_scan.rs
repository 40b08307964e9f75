//! A scan of one list of a queue, bounded in number and in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ids::{count_jobs, fetch_ids};
use super::job_list::{JobList, SortOrder};
use super::row;
use crate::client::Client;
use crate::error::Result;
use crate::job::JobSummary;
use crate::wrong_type::WrongTypeKeys;

/// Largest number of jobs that one scan reads.
const MAX_SCANNED: usize = 10_000;
const SCAN_TIME_LIMIT: Duration = Duration::from_secs(2);

/// Reads the jobs of one list in batches, until a limit is reached. A later scan goes on at the offset that [`JobScan::run`]
/// returns.
pub(in crate::snapshot) struct JobScan<'a> {
    client: &'a Arc<Client>,
    queue: &'a str,
    list: JobList,
    order: SortOrder,
    /// `true` if no records are read.
    pub(in crate::snapshot) ids_only: bool,
    /// Number of all jobs in the list.
    pub(in crate::snapshot) total: usize,
    pub(in crate::snapshot) wrong_type_keys: WrongTypeKeys,
}

impl<'a> JobScan<'a> {
    /// Counts the jobs of the list, and prepares a scan of it.
    pub(in crate::snapshot) fn new(
        client: &'a Arc<Client>,
        queue: &'a str,
        list: JobList,
        order: SortOrder,
    ) -> Result<Self> {
        let mut wrong_type_keys = WrongTypeKeys::default();
        let total = count_jobs(client, queue, list, &mut wrong_type_keys)?;
        Ok(JobScan { client, queue, list, order, ids_only: false, total, wrong_type_keys })
    }

    /// Passes each job to `visit`, with its score and its record, until `visit` returns `false` or a limit is
    /// reached. Returns the number of jobs read, and the offset at which a further scan begins, if there are more.
    pub(in crate::snapshot) fn run(
        &self,
        offset: usize,
        mut visit: impl FnMut(&str, Option<f64>, Option<&JobSummary>) -> bool,
    ) -> Result<(usize, Option<usize>)> {
        let (started, mut scanned) = (Instant::now(), 0);
        loop {
            let range = (offset + scanned, row::ROWS_PER_BATCH);
            // `new` has reported the key.
            let mut wrong_type_keys = WrongTypeKeys::default();
            let batch =
                fetch_ids(self.client, (self.queue, self.list), self.order, range, &mut wrong_type_keys)?;
            if batch.is_empty() {
                return Ok((scanned, None));
            }
            let (ids, scores): (Vec<String>, Vec<Option<f64>>) = batch.into_iter().unzip();
            let jobs = match self.ids_only {
                true => vec![None; ids.len()],
                false => row::fetch_readable_rows(self.client, &ids)?,
            };
            for ((id, job), score) in ids.iter().zip(jobs).zip(scores) {
                scanned += 1;
                if !visit(id, score, job.as_ref()) {
                    return Ok((scanned, self.next_offset(offset + scanned)));
                }
            }
            if scanned >= MAX_SCANNED || started.elapsed() >= SCAN_TIME_LIMIT {
                return Ok((scanned, self.next_offset(offset + scanned)));
            }
        }
    }

    fn next_offset(&self, next: usize) -> Option<usize> {
        Some(next).filter(|next| *next < self.total)
    }
}
