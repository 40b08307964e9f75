//! Shutdown: a worker begins to drain, drains and ends.

use std::time::{Duration, Instant};

use super::{Action, Engine, Now};
use crate::error::Result;
use crate::worker::event::Event;
use crate::worker::phase::Phase;

/// Longest time that a drained worker waits for its watchers. Longer than a blocking pop.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(7);

impl Engine {
    pub(super) fn on_stopper_changed(&mut self, phase: Phase, is_quiet: bool) {
        self.life.phase = self.life.phase.max(phase);
        if self.life.is_terminating() {
            // Redis gets one more attempt at once; if it fails, the worker ends.
            self.link.backoff.reset_delay();
        }
        if is_quiet != self.life.is_quiet {
            self.life.is_quiet = is_quiet;
            self.claims.request();
            self.emit(if is_quiet { Event::Quieted } else { Event::GoesOn });
        }
    }

    /// Begins to drain when that is due, and ends the worker when it has drained. No watcher may be armed then, because
    /// it could pop an id whose job no worker would run.
    pub(super) fn advance_drain(&mut self, now: Now) {
        self.maybe_start_drain(now);
        if !self.life.is_draining() {
            return;
        }
        if self.claims.is_any_watcher_armed() && !self.life.are_watchers_unblocked {
            self.life.are_watchers_unblocked = true;
            self.actions.push_back(Action::UnblockWatchers);
        }
        self.settle_lost_claims(now);
        if !self.is_settled() {
            self.life.drained_at = None;
            return;
        }
        let drained_at = *self.life.drained_at.get_or_insert(now.instant);
        if !self.claims.is_any_watcher_armed() || drained_at + SHUTDOWN_TIMEOUT <= now.instant {
            self.end(Ok(()));
        }
    }

    fn maybe_start_drain(&mut self, now: Now) {
        if self.life.is_draining() {
            return;
        }
        self.settle_lost_claims(now);
        if !self.should_drain(now) {
            return;
        }
        self.life.draining_since = Some(now.instant);
        if self.life.is_stopping() && !self.has_no_work() {
            let (running, unsaved) = (self.runs.len(), self.outbox.completions().len());
            self.emit(Event::Stopping { running, unsaved });
        }
    }

    /// Returns `true` if the worker was stopped, has reached a limit of its options, or is a burst worker without
    /// jobs.
    fn should_drain(&self, now: Now) -> bool {
        let options = &self.config.options;
        let have_all_begun = options.max_jobs.is_some_and(|max| self.claims.begun >= max);
        let has_no_jobs = !self.claims.is_ready() && self.is_settled();
        self.life.is_stopping()
            || have_all_begun
            || self.idle_ends_at().is_some_and(|at| at <= now.instant)
            || (options.burst && has_no_jobs)
    }

    /// The moment at which an idle worker has been idle for too long.
    fn idle_ends_at(&self) -> Option<Instant> {
        self.life.idle_since.zip(self.config.options.max_idle_time).map(|(since, limit)| since + limit)
    }

    /// The moment at which a phase ends by itself: an idle worker begins to drain, a draining one has used up its grace,
    /// a drained one waits no longer for its watchers.
    pub(super) fn phase_ends_at(&self) -> Option<Instant> {
        let Some(draining_since) = self.life.draining_since else { return self.idle_ends_at() };
        let grace = self.config.options.grace.filter(|_| !self.life.is_terminating() && !self.has_no_work());
        let grace_ends_at = grace.map(|grace| draining_since + grace);
        let timeout_at = self.life.drained_at.map(|since| since + SHUTDOWN_TIMEOUT);
        grace_ends_at.into_iter().chain(timeout_at).min()
    }

    /// Ends the worker. The first result stays.
    pub(super) fn end(&mut self, result: Result<()>) {
        if self.life.result.is_none() {
            self.warn_of_lost_claims();
            self.life.result = Some(result);
        }
    }

    /// Returns `true` if the worker has no work and need not look for jobs of lost claims.
    fn is_settled(&self) -> bool {
        self.has_no_work() && !self.must_settle_lost_claims()
    }
}
