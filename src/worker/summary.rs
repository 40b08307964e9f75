//! What a worker did: counted and told when Redis has said so.

use super::event::Event;
use super::heartbeat::WorkerState;
use crate::completion::Completion;
use crate::finish::FinishAck;
use crate::job::{Verdict, error_line};
use crate::stats::RunResult;

/// What a worker did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Jobs that finished.
    pub finished: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Runs that failed and are to be tried again.
    pub retried: u64,
    /// Jobs that were put back unfinished because the worker had to stop.
    pub put_back: u64,
    /// Runs whose end was refused because somebody else had taken the job.
    pub stale: u64,
}

impl Summary {
    /// Counts an ending that Redis has answered, and says what there is to tell.
    pub(crate) fn count(&mut self, board: &WorkerState, ending: Completion, receipt: FinishAck) -> Event {
        let Completion { id, verdict, took, queue, handler, .. } = ending;
        if receipt == FinishAck::LeaseLost {
            self.stale += 1;
            return Event::Stale { id };
        }
        let line = |error: &str| error_line(error).to_owned();
        match verdict {
            Verdict::Finish { .. } => {
                self.finished += 1;
                board.record_run(RunResult::Finished, took, queue, handler.as_deref());
                Event::Finished { id, took }
            }
            Verdict::Fail { error, .. } => {
                self.failed += 1;
                board.record_run(RunResult::Failed, took, queue, handler.as_deref());
                Event::Failed { id, error: line(&error) }
            }
            Verdict::Retry { delay, error } => {
                self.retried += 1;
                board.record_run(RunResult::Retried, took, queue, handler.as_deref());
                Event::Retried { id, delay, error: line(&error) }
            }
            Verdict::Snooze { delay } => Event::Snoozed { id, delay },
            Verdict::PutBack { was_started: true } => {
                self.put_back += 1;
                Event::PutBack { id }
            }
            Verdict::PutBack { was_started: false } => Event::NotBegun { id },
        }
    }
}
