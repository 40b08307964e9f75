//! The state of the model: its clock, the queues, and the jobs by id.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::mutation::Mutation;
use super::place::{LISTS, Place, SETS};
use super::sorted_set::SortedSet;
use crate::dialect::DialectSpec;
use crate::job::RawHash;

/// Redis in memory.
pub(in crate::worker::simulation) struct RedisModel {
    pub(super) dialect: &'static DialectSpec,
    /// Microseconds since 1970.
    pub(super) now: i64,
    pub(super) queues: Vec<QueueState>,
    pub(super) jobs: BTreeMap<String, JobState>,
    /// Executions of the dialect rq by `<job>:<execution>`.
    pub(super) executions: BTreeMap<String, ExecutionHash>,
    /// The executions of each worker, in the dialect rq.
    pub(super) executions_of_workers: BTreeMap<String, Expiring<BTreeSet<String>>>,
    /// `true` while all queues are suspended at once.
    pub(in crate::worker::simulation) all_suspended: bool,
    /// The fault that a test has put into the model.
    pub(in crate::worker::simulation) mutation: Option<Mutation>,
    /// Jobs that were changed since the last check.
    pub(super) touched: Vec<String>,
    /// No key expires before this time.
    next_expiry: i64,
}

/// A queue: its lists, from left to right, and its registries.
#[derive(Default)]
pub(super) struct QueueState {
    pub(super) lists: [VecDeque<String>; LISTS],
    pub(super) sets: [SortedSet; SETS],
    pub(super) is_suspended: bool,
}

/// The keys of one job.
#[derive(Default)]
pub(super) struct JobState {
    pub(super) record: Expiring<Option<RawHash>>,
    /// The places that have an entry of the job, one for each entry.
    pub(super) places: Vec<(usize, Place)>,
    /// The executions of the dialect rq, with the times at which they are dead if nobody renews them.
    pub(super) executions: Expiring<SortedSet>,
    /// Length of the results stream.
    pub(super) results: Expiring<usize>,
    pub(super) is_touched: bool,
    /// `true` if the id was pushed by hand: the lists may have more of it.
    pub(super) has_copies: bool,
}

/// A key with a time to live.
#[derive(Debug, Default)]
pub(super) struct Expiring<T> {
    pub(super) value: T,
    /// Microseconds since 1970; `None` for ever.
    pub(super) expires_at: Option<i64>,
}

/// The hash of an execution in the dialect rq.
#[derive(Debug, Default)]
pub(super) struct ExecutionHash {
    /// `None` in a hash that a heartbeat has restored.
    pub(super) worker: Option<String>,
    pub(super) expires_at: i64,
}

impl RedisModel {
    /// An empty Redis. Queues are numbers from 0.
    pub(in crate::worker::simulation) fn new(
        dialect: &'static DialectSpec,
        queues: usize,
        now_micros: i64,
    ) -> Self {
        RedisModel {
            dialect,
            now: now_micros,
            queues: (0..queues).map(|_| QueueState::default()).collect(),
            jobs: BTreeMap::new(),
            executions: BTreeMap::new(),
            executions_of_workers: BTreeMap::new(),
            all_suspended: false,
            mutation: None,
            touched: Vec::new(),
            next_expiry: i64::MAX,
        }
    }

    /// Sets the clock, in microseconds since 1970. It never goes back.
    pub(in crate::worker::simulation) fn set_now(&mut self, micros: i64) {
        self.now = self.now.max(micros);
        if self.now >= self.next_expiry {
            self.expire_keys();
        }
    }

    /// Loses all data, as a Redis that restarts without it. The clock goes on.
    pub(in crate::worker::simulation) fn flush(&mut self) {
        let now = self.now;
        let mutation = self.mutation;
        *self = RedisModel::new(self.dialect, self.queues.len(), now);
        self.mutation = mutation;
    }

    pub(in crate::worker::simulation) fn set_suspended(&mut self, queue: usize, is_suspended: bool) {
        self.queues[queue].is_suspended = is_suspended;
    }

    /// The job's keys, marked for the next check.
    pub(super) fn touch(&mut self, id: &str) -> &mut JobState {
        if !self.jobs.contains_key(id) {
            self.jobs.insert(id.to_owned(), JobState::default());
        }
        let job = self.jobs.get_mut(id).expect("the job is there by now");
        if !job.is_touched {
            job.is_touched = true;
            self.touched.push(id.to_owned());
        }
        job
    }

    pub(super) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whole seconds since 1970: the first part of `TIME`.
    pub(super) fn seconds(&self) -> i64 {
        self.now / 1_000_000
    }

    pub(super) fn now_seconds(&self) -> f64 {
        self.now as f64 / 1e6
    }

    /// Time at which a key with this time to live expires.
    pub(super) fn expiry(&mut self, seconds: i64) -> i64 {
        let at = self.now + seconds * 1_000_000;
        self.next_expiry = self.next_expiry.min(at);
        at
    }

    fn expire_keys(&mut self) {
        let (now, mut next) = (self.now, i64::MAX);
        let mut is_over = |expires_at: &mut Option<i64>| {
            let is_over = expires_at.is_some_and(|at| at <= now);
            if is_over {
                *expires_at = None;
            }
            next = next.min(expires_at.unwrap_or(i64::MAX));
            is_over
        };
        for job in self.jobs.values_mut() {
            if is_over(&mut job.record.expires_at) {
                job.record.value = None;
            }
            if is_over(&mut job.executions.expires_at) {
                job.executions.value.clear();
            }
            if is_over(&mut job.results.expires_at) {
                job.results.value = 0;
            }
        }
        self.executions.retain(|_, execution| !is_over(&mut Some(execution.expires_at)));
        self.executions_of_workers.retain(|_, executions| !is_over(&mut executions.expires_at));
        self.next_expiry = next;
    }
}
