//! The link to Redis: the exchanges in flight, and the delays while Redis cannot be used.

use std::time::{Duration, Instant};

use super::exchange::{Exchange, ExchangeId};
use super::outbox::Batch;
use super::reconnect::ReconnectBackoff;
use crate::claim::ClaimRequest;

/// A reply that takes longer means trouble.
const TIMELY_REPLY: Duration = Duration::from_secs(1);

pub(super) struct Link {
    exchanges: Vec<Exchange>,
    next_exchange: u64,
    /// Number of failures. Exchanges that were in flight together fail together, and count once.
    pub(super) failure_epoch: u64,
    pub(super) backoff: ReconnectBackoff,
}

impl Link {
    /// `max_attempts` is the number of failed attempts in a row after which the worker gives up; 0 means no limit.
    pub(super) fn new(max_attempts: u32) -> Self {
        let backoff = ReconnectBackoff::new(max_attempts);
        Link { exchanges: Vec::new(), next_exchange: 0, failure_epoch: 0, backoff }
    }

    /// The exchanges in flight, the oldest first.
    pub(super) fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    pub(super) fn is_idle(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Adds an exchange in flight.
    pub(super) fn add(
        &mut self,
        batch: Batch,
        claim: Option<ClaimRequest>,
        wakeup_epoch: u64,
        sent_at: Instant,
    ) -> ExchangeId {
        let id = ExchangeId(self.next_exchange);
        self.next_exchange += 1;
        let failure_epoch = self.failure_epoch;
        self.exchanges.push(Exchange { id, batch, claim, wakeup_epoch, failure_epoch, sent_at });
        id
    }

    /// Removes an exchange that is over; `None` if it is not in flight.
    pub(super) fn remove(&mut self, id: ExchangeId) -> Option<Exchange> {
        let position = self.exchanges.iter().position(|exchange| exchange.id == id)?;
        Some(self.exchanges.remove(position))
    }

    /// Number of jobs that the claims in flight ask for.
    pub(super) fn claimed_slots(&self) -> usize {
        self.exchanges.iter().filter_map(|exchange| exchange.claim.as_ref()).map(|claim| claim.slots).sum()
    }

    /// Returns `true` if Redis can be used, as far as is known.
    pub(super) fn is_healthy(&self, now: Instant) -> bool {
        let is_late = |exchange: &Exchange| now.saturating_duration_since(exchange.sent_at) > TIMELY_REPLY;
        !self.backoff.is_in_outage() && !self.exchanges.iter().any(is_late)
    }
}
