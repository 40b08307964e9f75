//! The ledger: what has really happened to each job, execution and worker. It is written by the world, which sees
//! everything, and checked against what the scripts and the engines say. A broken rule is a [`Violation`].

mod claims;
mod ends;
mod excuses;
mod finale;
mod runs;
mod users;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use super::clock::Micros;
use super::coverage::Coverage;
use crate::completion::Completion;
use crate::finish::FinishAck;
use crate::job::Verdict;
use crate::worker::phase::Phase;

/// A broken rule.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) rule: &'static str,
    pub(super) details: String,
}

pub(super) type Check = Result<(), Violation>;

/// Returns an error if the rule is broken.
pub(super) fn hold(is_held: bool, rule: &'static str, details: impl FnOnce() -> String) -> Check {
    if is_held { Ok(()) } else { Err(Violation { rule, details: details() }) }
}

/// The truth about a job.
#[derive(Debug, Default)]
pub(super) struct JobTruth {
    /// `true` if an enqueue was acknowledged, and the job was not deleted since.
    pub(super) is_expected: bool,
    pub(super) is_canceled: bool,
    /// The time at which the job was made, which tells two jobs with the same id apart.
    pub(super) made_at: Option<Micros>,
    /// The execution that the job has now.
    pub(super) open: Option<usize>,
    pub(super) deliveries: u32,
    pub(super) retries: u32,
    /// Grows with each change after which a repeated `finish` is not recognized.
    pub(super) version: u64,
    pub(super) has_returned: bool,
    /// `true` if only its record was deleted.
    pub(super) is_forgotten: bool,
    /// The worker that has put the job back into its queue, until anybody takes it out.
    pub(super) returned_by: Option<usize>,
    /// `true` if the id was pushed by hand once more.
    pub(super) has_copies: bool,
    /// The time at which the record of the ended job expires.
    pub(super) expires_at: Option<Micros>,
    /// The worker whose watcher has popped the id, and when.
    pub(super) popped: Option<(usize, Micros)>,
}

/// How an execution was closed in Redis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Close {
    Own(VerdictKind),
    Recovery,
    User,
    DataLost,
}

/// The kind of a verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum VerdictKind {
    Finish,
    Repeat,
    Retry,
    Snooze,
    Fail,
    PutBack,
    NotBegun,
}

impl VerdictKind {
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Finish { repeat_after: None, .. } => VerdictKind::Finish,
            Verdict::Finish { repeat_after: Some(_), .. } => VerdictKind::Repeat,
            Verdict::Retry { .. } => VerdictKind::Retry,
            Verdict::Snooze { .. } => VerdictKind::Snooze,
            Verdict::Fail { .. } => VerdictKind::Fail,
            Verdict::PutBack { has_begun: true } => VerdictKind::PutBack,
            Verdict::PutBack { has_begun: false } => VerdictKind::NotBegun,
        }
    }
}

/// The end of a run as its thread has seen it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SeenEnd {
    Returned,
    Failed,
    Snoozed,
    /// The process was killed from outside.
    Killed,
    /// The cancel flag was set before the run began.
    Skipped,
}

/// The truth about an execution.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) name: String,
    pub(super) job: usize,
    pub(super) worker: usize,
    pub(super) claimed_at: Micros,
    /// The time at which the lease was written last.
    pub(super) renewed_at: Micros,
    /// `true` if the claim reached Redis after its worker had got an error.
    pub(super) is_late: bool,
    /// `true` once the engine has got the job.
    pub(super) is_delivered: bool,
    pub(super) is_started: bool,
    pub(super) has_begun: bool,
    pub(super) end: Option<SeenEnd>,
    pub(super) is_abandoned: bool,
    pub(super) is_controlled: bool,
    pub(super) close: Option<(Close, u64)>,
    /// The acknowledgements of its own completion that Redis has given.
    pub(super) acks: Vec<FinishAck>,
    pub(super) is_reported: bool,
}

/// The truth about a worker.
#[derive(Debug, Default)]
pub(super) struct WorkerTruth {
    pub(super) started_at: Micros,
    pub(super) is_alive: bool,
    pub(super) is_frozen: bool,
    /// The time at which the worker last continued after it was frozen.
    pub(super) thawed_at: Micros,
    /// The phase that the engine was told.
    pub(super) phase: Phase,
    pub(super) is_quiet: bool,
    /// The last heartbeat that has failed although Redis could be used by others.
    pub(super) heartbeat_fault_at: Option<Micros>,
    pub(super) exchange_error_at: Option<Micros>,
    /// The end of the longest delay after an error.
    pub(super) backs_off_until: Micros,
    pub(super) reply_at: Option<Micros>,
    /// The last look for jobs of lost claims that succeeded: when Redis has read it.
    pub(super) looked_up_at: Option<Micros>,
}

/// A time in which nobody could use Redis.
#[derive(Debug)]
pub(super) struct RedisOutage {
    pub(super) from: Micros,
    pub(super) until: Micros,
    pub(super) is_restart: bool,
}

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) now: Micros,
    pub(super) lease: Micros,
    pub(super) jobs: Vec<JobTruth>,
    pub(super) executions: Vec<Execution>,
    by_name: HashMap<String, usize, BuildHasherDefault<DefaultHasher>>,
    pub(super) workers: Vec<WorkerTruth>,
    pub(super) outages: Vec<RedisOutage>,
    pub(super) coverage: Coverage,
}

impl Ledger {
    pub(super) fn new(lease: Micros) -> Self {
        Ledger { lease, ..Ledger::default() }
    }

    pub(super) fn find(&self, execution: &str) -> Option<usize> {
        self.by_name.get(execution).copied()
    }

    /// The execution of a completion.
    pub(super) fn find_of(&self, completion: &Completion) -> Result<usize, Violation> {
        self.find(&completion.execution).ok_or_else(|| Violation {
            rule: "an execution that ends was claimed",
            details: format!("{} {}", completion.id, completion.execution),
        })
    }

    /// Closes the execution that a job has.
    pub(super) fn close(&mut self, execution: usize, close: Close) {
        let job = self.executions[execution].job;
        self.executions[execution].close = Some((close, self.jobs[job].version));
        if self.jobs[job].open == Some(execution) {
            self.jobs[job].open = None;
        }
    }
}

/// The number of a job, from its id.
pub(super) fn number_of(id: &str) -> usize {
    id.trim_start_matches('j').parse().unwrap_or(usize::MAX)
}

pub(super) fn id_of(number: usize) -> String {
    format!("j{number}")
}
