//! The engine: the rules of a worker's loop, without I/O. It is a state machine: [`Engine::handle`] takes what has
//! happened, an [`Input`](super::input::Input), with the time, and [`Engine::poll`] returns what is to be done, an
//! [`Action`]. It has no connection, no thread and no clock; its random numbers come from a seed. So each rule can be
//! tested by inputs and actions, and whole workers can be simulated. The driver carries the actions out.
//!
//! | part | state |
//! |---|---|
//! | `claims` | when to ask Redis for jobs, and which queues to leave out |
//! | `runs` | jobs that have begun or begin next, and the slots that they hold |
//! | `outbox` | writes that Redis has not acknowledged |
//! | `link` | exchanges in flight, and delays while Redis cannot be used |
//! | `life` | phases from running to stopped |
//!
//! The other files have the rules, each those of one subject.

mod action;
mod begin;
mod claims;
mod config;
mod control;
mod deadlines;
mod end;
mod exchange;
mod life;
mod link;
mod lost_claims;
mod outbox;
mod poll;
mod prefetch;
mod reclaim;
mod reconnect;
mod replies;
mod runs;
mod send;
mod shutdown;
mod slots;

use std::collections::VecDeque;

use fastrand::Rng;

pub(crate) use self::action::{Action, Start};
use self::claims::Claims;
pub(crate) use self::config::{Config, Now};
pub(crate) use self::exchange::{Exchange, ExchangeId, Replies};
use self::life::Life;
use self::link::Link;
use self::outbox::Outbox;
pub(crate) use self::prefetch::MAX_PREFETCH_WAIT;
use self::runs::Runs;
pub(crate) use self::shutdown::SHUTDOWN_TIMEOUT;
use super::event::Event;
use crate::claim::ExecutionIds;

/// The rules of one worker and their state.
pub(crate) struct Engine {
    config: Config,
    rng: Rng,
    claims: Claims,
    runs: Runs,
    outbox: Outbox,
    link: Link,
    life: Life,
    /// Actions that [`poll`](Self::poll) has not returned yet.
    actions: VecDeque<Action>,
}

impl Engine {
    pub(crate) fn new(config: Config) -> Self {
        let mut rng = Rng::with_seed(config.seed);
        let options = &config.options;
        Engine {
            claims: Claims::new(options.queues.len(), ExecutionIds::new(rng.u128(..))),
            runs: Runs::new(options.concurrency),
            outbox: Outbox::default(),
            link: Link::new(options.broker_max_retries),
            life: Life::default(),
            actions: VecDeque::new(),
            rng,
            config,
        }
    }

    fn emit(&mut self, event: Event) {
        self.actions.push_back(Action::Emit(event));
    }

    /// Returns `true` if nothing runs, nothing waits to be sent and no exchange is in flight.
    fn has_no_work(&self) -> bool {
        self.runs.is_empty() && self.outbox.is_empty() && self.link.is_idle()
    }
}

#[cfg(test)]
mod tests;
