//! What the other threads tell the loop.

use crate::claim::PoppedId;
use crate::client::Reply;
use crate::error::{Error, Result};

/// A field of a job, as one run of it may write it.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct JobField {
    pub(crate) id: String,
    pub(crate) execution: String,
    pub(crate) name: &'static str,
}

/// What somebody wants of jobs that run.
#[derive(Debug)]
pub(crate) enum Control {
    /// End this job, or only this run of it.
    Stop { job: String, execution: Option<String> },
    /// Kill whatever runs.
    Kill,
}

/// One piece of news.
pub(crate) enum Message {
    /// So many runs have ended as the loop wanted to hear of; the slots have them.
    RunsCompleted,
    /// A field of a running job is to be written.
    FieldUpdate(JobField, Vec<u8>),
    /// A watcher has taken an id into the intermediate list.
    Popped(PoppedId),
    /// A watcher's wait has ended without an id.
    PopTimedOut { queue: usize },
    /// A watcher cannot wait.
    PopFailed { queue: usize, error: Error },
    /// The heartbeat has found a lease gone, and raised the job's flag.
    LeaseLost,
    /// Redis has answered what was sent, call by call; or it could not be sent.
    Replied { wire: usize, answers: Result<Vec<Result<Reply>>> },
    /// Somebody wants running jobs to end.
    Control(Control),
    /// The stopper has changed its mode.
    StopperChanged,
}
