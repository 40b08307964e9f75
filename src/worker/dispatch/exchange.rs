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
    /// The last of the commands, when it is a claim.
    pub(super) claim: Option<SentClaim>,
    /// One script call finishes runs and claims jobs.
    pub(super) is_finish_and_claim: bool,
    /// The dispatcher's epochs when the exchange was sent.
    pub(super) wakeup_epoch: u64,
    pub(super) failure_epoch: u64,
    pub(super) sent_at: Instant,
}

pub(super) struct SentClaim {
    pub(super) slots: usize,
    /// The executions that the claim may start.
    pub(super) executions: ExecutionRange,
    pub(super) claimed_at: DateTime<Utc>,
}
