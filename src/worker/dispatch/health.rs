//! Errors of Redis, and reports that the worker is healthy.

use std::time::{Duration, Instant};

use super::dispatcher::{ClaimState, Dispatcher, WorkerShared};
use crate::client::RedisCommand;
use crate::error::{Error, Result};
use crate::worker::event::Event;
use crate::worker::outbox::REJECTED_RETRY_DELAY;
use crate::worker::stop::Phase;
use crate::wrong_type::is_wrong_type;

/// A heartbeat that is late by more than this means trouble.
const HEARTBEAT_TOLERANCE: Duration = Duration::from_secs(3);
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Backs off after an error of the connection, or of a server that cannot be used now.
    ///
    /// # Errors
    /// [`Error::BrokerLost`] when the attempts are used up, or the worker terminates.
    pub(super) fn on_connection_error(&mut self, error: Error) -> Result<()> {
        if self.worker.stopper.phase() == Phase::Terminating {
            return Err(self.backoff.broker_lost(&error));
        }
        let retry_in = self.backoff.record_failure(&error)?;
        self.claim_state = ClaimState::Ready;
        self.emit(Event::Trouble { error: error.to_string(), retry_in });
        Ok(())
    }

    /// Handles rejected completions, which wait in the outbox. Returns the error if the dispatcher has to back off. For
    /// a key of the wrong type it need not: only one queue is affected, and an event reports it.
    pub(super) fn on_finish_rejected(&self, error: Error) -> Option<Error> {
        if !is_wrong_type(&error) || self.worker.stopper.phase() == Phase::Terminating {
            return Some(error);
        }
        let error = format!("an end cannot be saved: {error}");
        self.emit(Event::Trouble { error, retry_in: REJECTED_RETRY_DELAY });
        None
    }

    /// Returns `true` if Redis replies and accepts writes; a replica, or a server that cannot save, does not.
    pub(super) fn probe(&self) -> bool {
        let WorkerShared { client, options, .. } = &self.worker;
        let record = client.keys.worker(&options.name);
        let renew = RedisCommand::new("EXPIRE").arg(record).arg(options.worker_ttl.as_secs() + 60);
        let replies = client.call_all_single_attempt(&[RedisCommand::new("PING"), renew]);
        replies.is_ok_and(|replies| replies.iter().all(Result::is_ok))
    }

    /// Reports an iteration without trouble: Redis can be used and leases are renewed.
    pub(super) fn report_health(&mut self) {
        let is_due = self.health_reported_at.is_none_or(|at| at.elapsed() >= HEALTH_INTERVAL);
        let max_age = self.worker.options.lease() / 3 + HEARTBEAT_TOLERANCE;
        let leases_are_safe = self.worker.state.has_fresh_heartbeat(max_age);
        let has_replies = self.exchanges.iter().all(|exchange| exchange.sent_at.elapsed() <= HEALTH_INTERVAL);
        if is_due && leases_are_safe && has_replies && !self.backoff.is_in_outage() {
            self.health_reported_at = Some(Instant::now());
            self.worker.state.mark_healthy();
            (self.worker.on_healthy)();
        }
    }
}
