//! The counts of completed runs in the worker's summary and statistics. Only acknowledged completions are counted.

use super::event::Event;
use super::state::WorkerState;
use super::summary::Summary;
use crate::completion::Completion;
use crate::finish::FinishAck;
use crate::job::{Verdict, error_line};
use crate::stats::RunResult;

/// Counts a completion according to Redis' acknowledgement, and returns its event.
pub(crate) fn record_completion(
    summary: &mut Summary,
    state: &WorkerState,
    completion: Completion,
    ack: FinishAck,
) -> Event {
    let Completion { id, verdict, took, queue, handler, .. } = completion;
    if ack == FinishAck::Fenced {
        summary.stale += 1;
        return Event::Stale { id };
    }
    let line = |error: &str| error_line(error).to_owned();
    match verdict {
        Verdict::Finish { .. } => {
            summary.finished += 1;
            state.record_run(RunResult::Finished, took, queue, handler.as_deref());
            Event::Finished { id, took }
        }
        Verdict::Fail { error, .. } => {
            summary.failed += 1;
            state.record_run(RunResult::Failed, took, queue, handler.as_deref());
            Event::Failed { id, error: line(&error) }
        }
        Verdict::Retry { delay, error } => {
            summary.retried += 1;
            state.record_run(RunResult::Retried, took, queue, handler.as_deref());
            Event::Retried { id, delay, error: line(&error) }
        }
        Verdict::Snooze { delay } => Event::Snoozed { id, delay },
        Verdict::PutBack { has_begun: true } => {
            summary.put_back += 1;
            Event::PutBack { id }
        }
        Verdict::PutBack { has_begun: false } => Event::NotBegun { id },
    }
}
