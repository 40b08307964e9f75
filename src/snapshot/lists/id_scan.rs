//! The ids of one list of several queues, as if they were one list.

use std::sync::Arc;

use super::ids::{count_jobs, count_remaining, fetch_ids};
use super::job_list::{JobList, SortOrder};
use super::row::ROWS_PER_BATCH;
use crate::client::Client;
use crate::error::Error;
use crate::wrong_type::WrongTypeKeys;

/// A scan of the ids only: it reads no records, and has no limit in time.
pub(crate) struct IdScan<'a> {
    pub(crate) client: &'a Arc<Client>,
    pub(crate) queues: &'a [String],
    pub(crate) list: JobList,
    /// Number of ids to pass over.
    pub(crate) offset: usize,
    /// Largest number of ids; `None` for all.
    pub(crate) limit: Option<usize>,
}

impl IdScan<'_> {
    /// Passes the ids to `visit`, queue by queue, oldest first, in batches. `visit` may remove them: no other id is
    /// missed for that. Returns the number of all jobs in the lists.
    pub(crate) fn for_each_batch<E: From<Error>>(
        &self,
        wrong_type_keys: &mut WrongTypeKeys,
        mut visit: impl FnMut(&str, &[String]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let (mut skip, mut left, mut total) = (self.offset, self.limit.unwrap_or(usize::MAX), 0);
        for queue in self.queues {
            let count = count_jobs(self.client, queue, self.list, wrong_type_keys)?;
            total += count;
            // Not more than there are now: jobs that fail again meanwhile come behind those.
            let (mut offset, mut ahead) = (skip, count.saturating_sub(skip));
            skip = skip.saturating_sub(count);
            while left > 0 && ahead > 0 {
                let range = (offset, ROWS_PER_BATCH.min(left).min(ahead));
                let ids =
                    fetch_ids(self.client, (queue, self.list), SortOrder::Oldest, range, wrong_type_keys)?;
                if ids.is_empty() {
                    break;
                }
                let ids: Vec<String> = ids.into_iter().map(|(id, _)| id).collect();
                visit(queue, &ids)?;
                left -= ids.len();
                ahead -= ids.len();
                offset += count_remaining(self.client, queue, self.list, (offset, &ids))?;
            }
        }
        Ok(total)
    }
}
