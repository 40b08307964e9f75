//! The state of claiming: when to ask Redis for jobs, which queues to leave out, and which watchers wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::lost_claims::LostClaims;
use crate::claim::ExecutionIds;

/// Assumed run time of a job before any has ended: long, so that nothing is prefetched.
pub(super) const INITIAL_RUN_TIME: Duration = Duration::from_secs(1);

/// State of claiming: the next exchange may include a claim only when there may be jobs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ClaimState {
    /// There may be jobs.
    Ready,
    /// The queues gave no jobs: the next claim waits for a watcher, or until this moment.
    WaitUntil(Option<Instant>),
}

pub(super) struct Claims {
    pub(super) state: ClaimState,
    /// Counts the reasons to claim. If it has grown since an exchange was sent, the engine claims again, whatever the
    /// reply says.
    pub(super) wakeup_epoch: u64,
    /// `true` after a claim that found the queues empty.
    pub(super) must_arm_watchers: bool,
    /// For each queue, `true` while its watcher waits for an id.
    armed_watchers: Vec<bool>,
    pub(super) is_suspended: bool,
    /// Queues that give no jobs now: suspended, or with a key of the wrong type.
    pub(super) unavailable_queues: Vec<usize>,
    /// Queues whose next job has a handler at its limit, with the name of that handler.
    queues_at_limit: BTreeMap<usize, Option<String>>,
    /// Number of runs that were begun, without prefetched ones that were put back.
    pub(super) begun: u64,
    /// Moving average of the run times, the latest counting most.
    pub(super) mean_run_time: Duration,
    pub(super) execution_ids: ExecutionIds,
    keys_checked_at: Option<DateTime<Utc>>,
    pub(super) lost: LostClaims,
}

impl Claims {
    pub(super) fn new(queues: usize, execution_ids: ExecutionIds) -> Self {
        Claims {
            state: ClaimState::Ready,
            wakeup_epoch: 0,
            must_arm_watchers: false,
            armed_watchers: vec![false; queues],
            is_suspended: false,
            unavailable_queues: Vec::new(),
            queues_at_limit: BTreeMap::new(),
            begun: 0,
            mean_run_time: INITIAL_RUN_TIME,
            execution_ids,
            keys_checked_at: None,
            lost: LostClaims::default(),
        }
    }

    /// Allows a claim now, whatever the reply to a claim in flight says.
    pub(super) fn request(&mut self) {
        self.state = ClaimState::Ready;
        self.wakeup_epoch += 1;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state == ClaimState::Ready
    }

    /// The moment at which a wait ends.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match self.state {
            ClaimState::Ready => None,
            ClaimState::WaitUntil(at) => at,
        }
    }

    /// Allows a claim whose waiting time is over.
    pub(super) fn check_wait(&mut self, now: Instant) {
        if self.wake_at().is_some_and(|at| at <= now) {
            self.state = ClaimState::Ready;
        }
    }

    /// Records that the watcher of a queue has ended its wait.
    pub(super) fn disarm_watcher(&mut self, queue: usize) {
        self.armed_watchers[queue] = false;
    }

    /// Records that the watchers of all queues that may give jobs wait, and returns those that did not wait before.
    pub(super) fn arm_watchers(&mut self) -> Vec<usize> {
        let may_give_jobs = |queue: &usize| {
            !self.unavailable_queues.contains(queue) && !self.queues_at_limit.contains_key(queue)
        };
        let queues = (0..self.armed_watchers.len()).filter(may_give_jobs);
        let newly_armed: Vec<usize> = queues.filter(|queue| !self.armed_watchers[*queue]).collect();
        newly_armed.iter().for_each(|queue| self.armed_watchers[*queue] = true);
        newly_armed
    }

    pub(super) fn is_any_watcher_armed(&self) -> bool {
        self.armed_watchers.contains(&true)
    }

    /// Leaves a queue out of claims until a run of this handler has ended.
    pub(super) fn exclude_queue(&mut self, queue: usize, handler: Option<String>) {
        self.queues_at_limit.insert(queue, handler);
    }

    /// Includes the queues in claims again that wait for a run of this handler to end.
    pub(super) fn include_queues_waiting_for(&mut self, handler: Option<&str>) {
        let before = self.queues_at_limit.len();
        self.queues_at_limit.retain(|_, at_limit| at_limit.as_deref() != handler);
        if self.queues_at_limit.len() < before {
            self.request();
        }
    }

    pub(super) fn excluded_queues(&self) -> Vec<usize> {
        self.queues_at_limit.keys().copied().collect()
    }

    pub(super) fn observe_run_time(&mut self, took: Duration) {
        self.mean_run_time = (self.mean_run_time * 7 + took) / 8;
    }

    /// Lets the next claim check the types of all keys, because one of them was wrong.
    pub(super) fn request_key_check(&mut self) {
        self.keys_checked_at = None;
    }

    /// Returns whether the next claim checks the types of all keys. That is once a second: another program takes a key
    /// rarely, and a check costs as much as a job.
    pub(super) fn take_key_check(&mut self, now: DateTime<Utc>) -> bool {
        let is_due = self.keys_checked_at.is_none_or(|at| (now - at).num_seconds() != 0);
        if is_due {
            self.keys_checked_at = Some(now);
        }
        is_due
    }
}
