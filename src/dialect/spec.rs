//! The table in which the dialects differ.

use std::time::Duration;

use crate::job::{PayloadFormat, Ttl};

/// The table of a dialect: everything in which dialects differ.
#[derive(Debug)]
pub(crate) struct DialectSpec {
    /// Name for `RQ_RS_DIALECT` and `--dialect`.
    pub(crate) name: &'static str,
    /// Default of the key prefix, the first part of every key.
    pub(crate) prefix: &'static str,
    /// Oldest supported server version, major and minor.
    pub(crate) oldest_server: (u32, u32),
    /// Command that removes the next id from a queue.
    pub(crate) pop: &'static str,
    /// Command that adds an id at the back of a queue.
    pub(crate) push: &'static str,
    /// Command that adds an id at the front of a queue.
    pub(crate) push_front: &'static str,
    /// `true` if the front of a queue is the right end of its list, in the words of Redis' `RPOP`.
    pub(crate) pops_from_right: bool,
    /// Command that waits for the next id and moves it to the intermediate list, and its arguments between the
    /// two keys and the timeout.
    pub(crate) blocking_move: (&'static str, &'static [&'static str]),
    /// Score in the failed registry of jobs that are kept forever.
    pub(crate) failed_forever: &'static str,
    /// Time to live of a canceled job's record.
    pub(crate) canceled_ttl: Ttl,
    /// Encoding of the fields of new jobs.
    pub(crate) payload_format: PayloadFormat,
    /// Default length of a worker's leases.
    pub(crate) lease: Duration,
    /// Added to the end of a lease for its score in `wip`. Programs that treat a passed score as an expired lease,
    /// such as RQ's own, act this much later than rq-rs.
    pub(crate) lease_score_offset: Duration,
    /// `true` if scores are whole seconds.
    pub(crate) integer_scores: bool,
    /// Field that counts the retries of a job.
    pub(crate) retries_field: &'static str,
    /// Age at which an id in the intermediate list is orphaned: its worker died before it could claim the job.
    pub(crate) orphan_after: Duration,
    /// Field of the record that holds the result of a finished run; `None` where only the results stream has it.
    pub(crate) result_field: Option<&'static str>,
    /// Field of the record that holds the error of a failed run; `None` where only the results stream has it.
    pub(crate) error_field: Option<&'static str>,
    /// Field of the record that holds the error of a run that is retried.
    pub(crate) retry_error_field: &'static str,
    /// `true` if jobs get RQ's metadata, which only RQ's tools read: see [`RqMetadata`](super::RqMetadata).
    pub(crate) writes_rq_metadata: bool,
    /// `true` if Python's workers may work on the same queues.
    pub(crate) is_shared_with_python: bool,
    /// Hint for a worker that is started without handlers.
    pub(crate) handlers_hint: &'static str,
}

impl DialectSpec {
    /// Margin for the score of an expired lease in `wip`: a lease of an rq-rs worker has expired when its score is
    /// less than this ahead of now. A score cut to whole seconds may be up to one second too early.
    pub(crate) fn expired_score_margin(&self) -> Duration {
        if self.integer_scores {
            self.lease_score_offset.saturating_sub(Duration::from_secs(1))
        } else {
            self.lease_score_offset
        }
    }

    /// Returns the `LRANGE` bounds of a page of a queue, counted from the next id, and `true` if the reply is in
    /// reverse order.
    pub(crate) fn list_range(&self, offset: usize, limit: usize) -> (i64, i64, bool) {
        let (first, behind) = (offset as i64, (offset + limit) as i64);
        if self.pops_from_right { (-behind, -first - 1, true) } else { (first, behind - 1, false) }
    }
}
