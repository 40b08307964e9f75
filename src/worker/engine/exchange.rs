//! An exchange: one pipelined round trip with Redis.

use std::time::Instant;

use super::outbox::Batch;
use crate::claim::{ClaimReply, ClaimRequest};
use crate::error::Result;
use crate::finish::FinishAck;

/// Number of an exchange, unique in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExchangeId(pub(crate) u64);

/// An exchange in flight: all that is needed to encode it, to read its replies, and to send it again.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(super) id: ExchangeId,
    pub(crate) batch: Batch,
    /// The claim, which is the last command; `None` for an exchange without one.
    pub(crate) claim: Option<ClaimRequest>,
    /// The value of [`Claims::wakeup_epoch`](super::claims::Claims::wakeup_epoch) when the exchange was sent.
    pub(super) wakeup_epoch: u64,
    /// The value of [`Link::failure_epoch`](super::link::Link::failure_epoch) when the exchange was sent.
    pub(super) failure_epoch: u64,
    pub(super) sent_at: Instant,
}

/// The decoded replies to an exchange whose connection did not break.
#[derive(Debug)]
pub(crate) struct Replies {
    /// For each batch of [`finish::batches`](crate::finish::batches), the acknowledgements of its completions, or the
    /// error with which Redis has rejected all of them.
    pub(crate) acks: Vec<Result<Vec<FinishAck>>>,
    /// `None` if the exchange has no claim.
    pub(crate) claim: Option<Result<ClaimReply>>,
}
