//! What the loop does while Redis is away or refuses, and how it tells that all is well.

use std::time::{Duration, Instant};

use super::{Dispatcher, Look};
use crate::client::RedisCommand;
use crate::error::{Error, Result};
use crate::worker::event::Event;
use crate::worker::outbox;
use crate::worker::stop::Phase;

/// A heartbeat that is later than that is a sign of trouble.
const BEAT_MAY_BE_LATE: Duration = Duration::from_secs(3);
/// How often the worker's health is told.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Whether Redis answers, and takes writes: a replica, or a server that cannot save, does not.
    pub(super) fn is_redis_back(&self) -> bool {
        let record = self.worker.client.keys.worker(&self.worker.options.name);
        let renew =
            RedisCommand::new("EXPIRE").arg(record).arg(self.worker.options.worker_ttl.as_secs() + 60);
        let answers = self.worker.client.query_all_no_retry(&[RedisCommand::new("PING"), renew]);
        answers.is_ok_and(|answers| answers.iter().all(Result::is_ok))
    }

    /// A turn without trouble is the sign of health: fetching goes on, or there is no free slot.
    pub(super) fn tell_health(&mut self) {
        let is_due = self.healthy_at.is_none_or(|at| at.elapsed() >= HEALTH_EVERY);
        let leases_are_safe =
            self.worker.state.has_fresh_heartbeat(self.worker.options.lease() / 3 + BEAT_MAY_BE_LATE);
        let is_answered = self.flights.iter().all(|flight| flight.since.elapsed() <= HEALTH_EVERY);
        if is_due && leases_are_safe && is_answered && !self.outage.is_going_on() {
            self.healthy_at = Some(Instant::now());
            self.worker.state.mark_healthy();
            (self.worker.on_healthy)();
        }
    }

    /// Ends that were refused wait in the outbox. A key that another program has taken is not an outage:
    /// the other queues go on, and a person is told.
    pub(super) fn note_refusal(&self, refusal: Error) -> Option<Error> {
        let is_one_queue = matches!(&refusal, Error::Refused { reason } if reason.starts_with("WRONGTYPE"));
        if !is_one_queue || self.worker.stopper.phase() == Phase::Terminating {
            return Some(refusal);
        }
        let retry_in = outbox::RETRY_REFUSED;
        self.tell(Event::Trouble { error: format!("an end cannot be saved: {refusal}"), retry_in });
        None
    }

    /// Redis cannot be used now: later again, but not for ever.
    pub(super) fn trouble(&mut self, error: Error) -> Result<()> {
        if self.worker.stopper.phase() == Phase::Terminating {
            return Err(self.outage.given_up(&error));
        }
        let retry_in = self.outage.goes_on(&error)?;
        self.look = Look::Now;
        self.tell(Event::Trouble { error: error.to_string(), retry_in });
        Ok(())
    }
}
