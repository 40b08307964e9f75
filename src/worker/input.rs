//! Inputs: everything that happens to a worker. Its threads send them to the driver, which gives them to the engine.

use super::engine::{ExchangeId, Replies};
use super::phase::Phase;
use super::run::{JobField, RunId};
use crate::claim::{ClaimedJob, PoppedId};
use crate::error::{Error, Result};
use crate::job::Outcome;

/// A request to end runs.
#[derive(Debug, Clone)]
pub(crate) enum ControlMessage {
    /// Ends a job's run, or only the given execution of it (RQ's command `stop-job`).
    Stop { job: String, execution: Option<String> },
    /// Ends all runs (RQ's command `kill-horse`).
    Kill,
}

/// Something that has happened to a worker.
#[derive(Debug)]
pub(crate) enum Input {
    /// A run has ended. Also an abandoned run ends, some time after its completion.
    RunEnded { run: RunId, outcome: Outcome },
    /// Answer to [`Action::Recall`](super::engine::Action::Recall): these runs will not begin, the latest first.
    Recalled(Vec<RunId>),
    /// A run writes a field of its job.
    FieldUpdate(JobField, Vec<u8>),
    /// A watcher has moved an id from a queue to the intermediate list.
    Popped(PoppedId),
    /// A watcher's blocking pop ended without an id.
    PopTimedOut { queue: usize },
    /// A watcher's blocking pop failed.
    PopFailed { queue: usize, error: Error },
    /// An exchange is over. An error means that the connection broke: Redis may have carried out all commands or none.
    Replied { exchange: ExchangeId, replies: Result<Replies> },
    /// Answer to [`Action::FetchLostClaims`](super::engine::Action::FetchLostClaims): the jobs that still have leases
    /// of lost claims, the oldest claim first.
    LostClaimsFetched(Result<Vec<ClaimedJob>>),
    /// Answer to [`Action::Probe`](super::engine::Action::Probe): `true` if Redis replies and accepts writes.
    Probed(bool),
    /// One run or all runs are to be ended.
    Control(ControlMessage),
    /// The worker's stopper has changed: the phase that it asks for, and whether the worker is to be quiet.
    StopperChanged { phase: Phase, is_quiet: bool },
    /// Wakes the driver, and is nothing to the engine: the driver asks the pool for ended runs in any case, and the
    /// heartbeat has set the cancel flag of a run whose lease is lost.
    Wake,
}
