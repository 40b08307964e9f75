//! An exchange: one pipelined round trip with Redis.

use std::time::Instant;

use crate::claim::ClaimRequest;
use crate::worker::message::ExchangeId;
use crate::worker::outbox::Batch;

/// An exchange in flight: all that is needed to read its replies, or to send it again.
pub(super) struct Exchange {
    pub(super) id: ExchangeId,
    pub(super) batch: Batch,
    /// The claim, which is the last command; `None` for an exchange without one.
    pub(super) claim: Option<ClaimRequest>,
    /// The dispatcher's `wakeup_epoch` when the exchange was sent.
    pub(super) wakeup_epoch: u64,
    /// The dispatcher's `failure_epoch` when the exchange was sent.
    pub(super) failure_epoch: u64,
    pub(super) sent_at: Instant,
}
