//! The `finish` script: its arguments and its reply. The completions of workers and of recovery are written by it.

use std::cmp::Ordering;

use crate::client::scripts::{AsText, Finish};
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::completion::Completion;
use crate::dialect::QueueKeys;
use crate::error::Result;

/// Number of completions in one call. The limit keeps a script from occupying the server for long.
const MAX_BATCH: usize = 500;

/// Codes in the script's reply: see `src/lua/README.md`.
const DONE: i64 = 1;
const ALREADY_DONE: i64 = 2;
const DONE_WITH_MORE_DEPENDENTS: i64 = 3;

/// Redis' reply to a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishAck {
    /// The completion is written.
    Done,
    /// The completion is written, but the job has more dependents than one call releases.
    DoneWithMoreDependents,
    /// An earlier call, whose reply was lost, has written the completion.
    AlreadyDone,
    /// The job was not changed, because its record no longer names the execution as started: another worker has taken
    /// the job over, or it was canceled or deleted.
    Fenced,
}

/// Sorts completions so that those of one call are neighbors.
pub(crate) fn sort_for_batches(completions: &mut [Completion]) {
    completions.sort_by(compare);
}

/// Splits a sorted list into parts, each for one call of [`encode`].
pub(crate) fn batches(completions: &[Completion]) -> impl Iterator<Item = &[Completion]> {
    completions.chunk_by(|a, b| compare(a, b).is_eq()).flat_map(|alike| alike.chunks(MAX_BATCH))
}

/// Compares the values that all completions of one call share: queue, destination, worker, status and names of fields.
fn compare(a: &Completion, b: &Completion) -> Ordering {
    let target = |c: &Completion| (c.queue, c.expired_score_margin, c.destination, c.result_ttl);
    fn names(completion: &Completion) -> impl Iterator<Item = &'static str> {
        completion.fields.iter().map(|(name, _)| *name)
    }
    target(a)
        .cmp(&target(b))
        .then_with(|| a.worker.cmp(&b.worker))
        .then_with(|| (a.status as u8).cmp(&(b.status as u8)))
        .then_with(|| names(a).cmp(names(b)))
}

/// Encodes one batch as a script call. The call may be repeated, because an execution ends once.
pub(crate) fn encode(client: &Client, queues: &[QueueKeys], batch: &[Completion]) -> RedisCommand {
    let mut call = encode_shared(client, queues, &batch[0]);
    for completion in batch {
        call = call.arg(&completion.id).arg(&completion.execution);
        call = completion.fields.iter().fold(call, |call, (_, value)| call.arg(value));
        if client.rq.is_enabled() {
            let entry = &completion.result_entry;
            call =
                entry.iter().fold(call.arg(entry.len() * 2), |call, (name, value)| call.arg(name).arg(value));
        }
    }
    call
}

/// Keys and arguments that all completions of a batch share.
fn encode_shared(client: &Client, queues: &[QueueKeys], first: &Completion) -> RedisCommand {
    let queue = &queues[first.queue];
    let (destination, seconds) = first.destination.arguments();
    let call = client.evalsha(&Finish {
        list: &queue.list,
        wip: &queue.wip,
        finished: &queue.finished,
        failed: &queue.failed,
        scheduled: &queue.scheduled,
        worker: &first.worker,
        score_margin: first.expired_score_margin.map(|margin| margin.as_secs_f64()),
        destination,
        seconds: &seconds.to_string(),
        result_ttl: AsText(first.result_ttl),
        status: first.status.as_str(),
        names: first.fields.len(),
    });
    first.fields.iter().fold(call, |call, (name, _)| call.arg(name))
}

/// Decodes the reply: one acknowledgement for each completion, in order.
pub(crate) fn decode_acks(reply: Reply) -> Result<Vec<FinishAck>> {
    let ack = |code: &Reply| {
        Ok(match reply::int(code)? {
            DONE => FinishAck::Done,
            ALREADY_DONE => FinishAck::AlreadyDone,
            DONE_WITH_MORE_DEPENDENTS => FinishAck::DoneWithMoreDependents,
            _ => FinishAck::Fenced,
        })
    };
    reply::list(reply)?.iter().map(ack).collect()
}
