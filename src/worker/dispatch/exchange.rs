//! An exchange: one pipelined round trip with Redis.

use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::claim::ExecutionRange;
use crate::worker::message::ExchangeId;
use crate::worker::outbox::Batch;

/// An exchange in flight: all that is needed to read its replies, or to send it again.
pub(super) struct Exchange {
    pub(super) id: ExchangeId,
    pub(super) batch: Batch,
    /// The claim, which is the last command or part; `None` for an exchange without one.
    pub(super) claim: Option<SentClaim>,
    /// `true` if the only command is the script `finish_and_claim`; `false` if each part has its own command.
    pub(super) is_finish_and_claim: bool,
    /// The dispatcher's `wakeup_epoch` when the exchange was sent.
    pub(super) wakeup_epoch: u64,
    /// The dispatcher's `failure_epoch` when the exchange was sent.
    pub(super) failure_epoch: u64,
    pub(super) sent_at: Instant,
}

/// A claim whose reply has not come yet.
pub(super) struct SentClaim {
    /// Number of jobs that the claim asks for.
    pub(super) slots: usize,
    /// The execution ids that the claim may give to jobs.
    pub(super) executions: ExecutionRange,
    pub(super) claimed_at: DateTime<Utc>,
}
