//! Actions: everything that the engine asks its driver to do.

use std::time::Instant;

use super::exchange::ExchangeId;
use crate::claim::ExecutionRange;
use crate::completion::Completion;
use crate::error::Result;
use crate::finish::FinishAck;
use crate::worker::event::Event;
use crate::worker::run::{RunId, RunInfo, RunnableJob};

/// Something that the driver has to do, in the order of [`Engine::poll`](super::Engine::poll).
#[derive(Debug)]
pub(crate) enum Action {
    /// Sends an exchange to Redis; see [`Engine::exchange`](super::Engine::exchange) for its content.
    /// [`Input::Replied`](crate::worker::input::Input::Replied) follows in any case. If `is_alone`, there is nothing
    /// else to do until the reply has come.
    Send { exchange: ExchangeId, is_alone: bool },
    /// Gives a run to the pool.
    Start(Box<Start>),
    /// Takes the runs that wait for a thread back from the pool, if the first of them has waited for
    /// [`MAX_PREFETCH_WAIT`](super::MAX_PREFETCH_WAIT). The pool knows better which ones wait: runs may have ended meanwhile.
    Recall,
    /// Sets the cancel flag of a run.
    Cancel(RunId),
    /// Leaves a run to its thread: the thread cannot be killed, and its outcome is ignored. If `is_replaced`, the thread
    /// ends after the run, and another one takes its slot.
    Abandon { run: RunId, is_replaced: bool },
    /// Lets the watcher of a queue wait for one id.
    ArmWatcher(usize),
    /// Ends the blocking pops of all watchers.
    UnblockWatchers,
    /// Looks for the jobs that have leases of these executions.
    FetchLostClaims(Vec<ExecutionRange>),
    /// Asks whether Redis can be used again.
    Probe,
    /// Puts the phase `Terminating` into the stopper, for other threads: the grace of the shutdown is over.
    Terminate,
    /// Counts completions that Redis has acknowledged, and emits their events.
    Report(Vec<(Completion, FinishAck)>),
    /// Emits an event.
    Emit(Event),
    /// Ends the worker. It is the last action.
    Stop(Result<()>),
}

/// A run that begins.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) run: RunId,
    /// Index of the job's queue.
    pub(crate) queue: usize,
    pub(crate) info: RunInfo,
    pub(crate) job: RunnableJob,
    /// End of the timeout; `None` without one.
    pub(crate) deadline: Option<Instant>,
    /// `true` if a process runs the job, which its supervisor ends.
    pub(crate) is_supervised: bool,
}
