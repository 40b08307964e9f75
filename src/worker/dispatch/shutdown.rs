//! Shutdown: a worker begins to drain, drains and ends.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::dispatcher::{ClaimState, Dispatcher};
use crate::worker::event::Event;
use crate::worker::stop::Phase;
use crate::worker::watchers::UNBLOCK_INTERVAL;

/// Longest time that a drained worker waits for its watchers, and shortest limit for its processes. Longer than a
/// blocking pop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(7);

impl Dispatcher {
    pub(super) fn on_stopper_changed(&mut self) {
        if self.worker.stopper.phase() == Phase::Terminating {
            // Redis gets one more attempt at once; if it fails, the worker ends.
            self.backoff.reset_delay();
        }
        let is_quiet = self.worker.stopper.is_quiet();
        if is_quiet != self.is_quiet {
            self.is_quiet = is_quiet;
            self.worker.state.set_quiet(is_quiet);
            self.request_claim();
            self.emit(if is_quiet { Event::Quieted } else { Event::GoesOn });
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining_since.is_some()
    }

    /// Returns `true` if nothing runs, nothing waits to be sent and no exchange is in flight.
    pub(super) fn has_no_work(&self) -> bool {
        self.runs.is_empty() && self.outbox.is_empty() && self.exchanges.is_empty()
    }

    pub(super) fn maybe_start_drain(&mut self) {
        if self.is_draining() {
            return;
        }
        if self.worker.options.burst && self.claim_state != ClaimState::Ready {
            self.settle_lost_claims();
        }
        if !self.should_drain() {
            return;
        }
        self.draining_since = Some(Instant::now());
        if self.worker.stopper.is_stopping() && !self.has_no_work() {
            self.worker.state.mark_shutdown_requested();
            self.emit(Event::Stopping { running: self.runs.len(), unsaved: self.outbox.completions.len() });
        }
    }

    /// Returns `true` if the worker was stopped, has reached a limit of its options, or is a burst worker without
    /// jobs.
    fn should_drain(&self) -> bool {
        let options = &self.worker.options;
        let have_all_begun = options.max_jobs.is_some_and(|max| self.runs_begun >= max);
        let idle = self.idle_since.map(|since| since.elapsed()).unwrap_or_default();
        let was_idle_too_long = options.max_idle_time.is_some_and(|max| idle >= max);
        let has_no_jobs = self.claim_state != ClaimState::Ready && self.is_settled();
        self.worker.stopper.is_stopping()
            || have_all_begun
            || was_idle_too_long
            || (options.burst && has_no_jobs)
    }

    /// Unblocks the watchers of a draining worker and settles its lost claims. Returns `true` when the worker can end: no
    /// watcher may be armed any more, because it could pop an id whose job no worker would run.
    pub(super) fn advance_drain(&mut self) -> bool {
        if !self.is_draining() {
            return false;
        }
        if self.watchers.is_any_armed() {
            self.watchers.unblock_all(&self.worker.client);
        }
        self.settle_lost_claims();
        if !self.is_settled() {
            self.drained_at = None;
            return false;
        }
        let drained_at = *self.drained_at.get_or_insert_with(Instant::now);
        !self.is_waiting_for_watchers() || drained_at.elapsed() >= SHUTDOWN_TIMEOUT
    }

    /// Returns `true` if the worker has no work and need not look for jobs of lost claims.
    fn is_settled(&self) -> bool {
        self.has_no_work() && !self.must_settle_lost_claims()
    }

    /// Returns `true` while lost claims may have jobs that can be reclaimed. While Redis is away, or the worker
    /// terminates, the leases have to expire.
    fn must_settle_lost_claims(&self) -> bool {
        !self.lost_claims.is_empty()
            && !self.backoff.is_in_outage()
            && self.worker.stopper.phase() != Phase::Terminating
    }

    /// Reclaims the jobs of lost claims a last time when there is no other work: Redis may read a command late that
    /// was sent before its connection broke. The claims are settled when none of their jobs is left.
    fn settle_lost_claims(&mut self) {
        if self.has_no_work()
            && self.must_settle_lost_claims()
            && self.reclaim_lost_claims()
            && self.outbox.completions.is_empty()
        {
            self.lost_claims.clear();
        }
    }

    /// Warns at the end of the worker that jobs of lost claims may wait for their leases.
    pub(super) fn warn_of_lost_claims(&self) {
        if !self.lost_claims.is_empty() {
            let lease = self.worker.options.lease().as_secs();
            self.emit(Event::Warning(format!(
                "the answer to the last claim was lost: jobs that it has started run again, by any worker, \
                 when their leases of {lease} s have passed"
            )));
        }
    }

    pub(super) fn is_waiting_for_watchers(&self) -> bool {
        self.is_draining() && self.watchers.is_any_armed()
    }

    /// Ends the processes of running jobs and waits for them, also when the worker ends with an error.
    pub(super) fn wait_for_children(&mut self) {
        for run in self.runs.values().filter(|run| run.is_supervised) {
            run.cancel_flag.store(true, Ordering::Relaxed);
        }
        let kill_timeout = self.worker.options.kill_after + UNBLOCK_INTERVAL * 50;
        let until = Instant::now() + SHUTDOWN_TIMEOUT.max(kill_timeout);
        let has_children = |this: &Self| this.runs.values().any(|run| run.is_supervised);
        while has_children(self) {
            let left = until.saturating_duration_since(Instant::now());
            if self.pool.arm_notification(1) && self.messages.recv_timeout(left).is_err() {
                return;
            }
            for (run_id, _) in self.pool.take_ended() {
                self.runs.remove(&run_id);
            }
        }
    }
}
