//! One place of several queues, gone through as one list.

use std::sync::Arc;

use super::page;
use super::place::{Order, Place};
use super::row::BATCH;
use crate::client::Client;
use crate::error::Error;
use crate::wrong_type::WrongTypeKeys;

/// What is gone through.
pub(crate) struct List<'a> {
    pub(crate) client: &'a Arc<Client>,
    pub(crate) queues: &'a [String],
    pub(crate) place: Place,
    /// How many are passed over at first, and how many are shown; all, when nothing is said.
    pub(crate) offset: usize,
    pub(crate) limit: Option<usize>,
}

impl List<'_> {
    /// Shows the ids of each queue, oldest first, a few at a time. What is taken away meanwhile lets nothing else be
    /// passed over. Returns how many there are in all.
    pub(crate) fn each<E: From<Error>>(
        &self,
        odd: &mut WrongTypeKeys,
        mut show: impl FnMut(&str, &[String]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let (mut skip, mut left, mut total) = (self.offset, self.limit.unwrap_or(usize::MAX), 0);
        for queue in self.queues {
            let here = page::count_of(self.client, queue, self.place, odd)?;
            total += here;
            let (mut at, mut ahead) = (skip, here.saturating_sub(skip));
            skip = skip.saturating_sub(here);
            // No more than there were: what fails again meanwhile comes behind.
            while left > 0 && ahead > 0 {
                let size = BATCH.min(left).min(ahead);
                let ids = page::ids(self.client, (queue, self.place), Order::Oldest, (at, size), odd)?;
                if ids.is_empty() {
                    break;
                }
                let ids: Vec<String> = ids.into_iter().map(|(id, _)| id).collect();
                show(queue, &ids)?;
                left -= ids.len();
                ahead -= ids.len();
                at += page::kept(self.client, queue, self.place, (at, &ids))?;
            }
        }
        Ok(total)
    }
}
