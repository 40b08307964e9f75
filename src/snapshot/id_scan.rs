//! One place of several queues, gone through as one list.

use std::sync::Arc;

use super::job_list::{JobList, SortOrder};
use super::page;
use super::row::BATCH;
use crate::client::Client;
use crate::error::Error;
use crate::wrong_type::WrongTypeKeys;

/// What is gone through.
pub(crate) struct IdScan<'a> {
    pub(crate) client: &'a Arc<Client>,
    pub(crate) queues: &'a [String],
    pub(crate) list: JobList,
    /// How many are passed over at first, and how many are shown; all, when nothing is said.
    pub(crate) offset: usize,
    pub(crate) limit: Option<usize>,
}

impl IdScan<'_> {
    /// Shows the ids of each queue, oldest first, a few at a time. What is taken away meanwhile lets nothing else be
    /// passed over. Returns how many there are in all.
    pub(crate) fn for_each_batch<E: From<Error>>(
        &self,
        wrong_keys: &mut WrongTypeKeys,
        mut show: impl FnMut(&str, &[String]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let (mut skip, mut left, mut total) = (self.offset, self.limit.unwrap_or(usize::MAX), 0);
        for queue in self.queues {
            let here = page::count_jobs(self.client, queue, self.list, wrong_keys)?;
            total += here;
            let (mut at, mut ahead) = (skip, here.saturating_sub(skip));
            skip = skip.saturating_sub(here);
            // No more than there were: what fails again meanwhile comes behind.
            while left > 0 && ahead > 0 {
                let size = BATCH.min(left).min(ahead);
                let ids = page::fetch_ids(
                    self.client,
                    (queue, self.list),
                    SortOrder::Oldest,
                    (at, size),
                    wrong_keys,
                )?;
                if ids.is_empty() {
                    break;
                }
                let ids: Vec<String> = ids.into_iter().map(|(id, _)| id).collect();
                show(queue, &ids)?;
                left -= ids.len();
                ahead -= ids.len();
                at += page::count_remaining(self.client, queue, self.list, (at, &ids))?;
            }
        }
        Ok(total)
    }
}
