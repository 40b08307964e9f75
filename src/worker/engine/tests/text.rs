//! Actions and exchanges as short texts, which tests compare.

use std::collections::HashMap;

use crate::claim::ClaimRequest;
use crate::completion::Completion;
use crate::finish::FinishAck;
use crate::job::{Status, Verdict};
use crate::worker::engine::{Action, Exchange};
use crate::worker::event::Event;
use crate::worker::run::RunId;

/// Names for the numbers in actions.
pub(super) struct Names {
    pub(super) queues: Vec<String>,
    /// The job of each run.
    pub(super) runs: HashMap<RunId, String>,
}

/// An action other than `Send`.
pub(super) fn of_action(action: &Action, names: &Names) -> String {
    let job = |run: &RunId| names.runs[run].clone();
    match action {
        Action::Send { .. } => "send".to_owned(),
        Action::Start(start) => format!("start {}", start.info.id),
        Action::Recall => "recall".to_owned(),
        Action::Cancel(run) => format!("cancel {}", job(run)),
        Action::Abandon { run, is_replaced: true } => format!("abandon {}, replace its thread", job(run)),
        Action::Abandon { run, is_replaced: false } => format!("abandon {}", job(run)),
        Action::ArmWatcher(queue) => format!("watch {}", names.queues[*queue]),
        Action::UnblockWatchers => "unblock watchers".to_owned(),
        Action::FetchLostClaims(_) => "search for jobs of lost claims".to_owned(),
        Action::Probe => "probe".to_owned(),
        Action::Terminate => "terminate".to_owned(),
        Action::Report(acknowledged) => {
            let reports: Vec<String> = acknowledged.iter().map(|(one, ack)| of_report(one, *ack)).collect();
            format!("report {}", reports.join(", "))
        }
        Action::Emit(event) => format!("event: {}", of_event(event)),
        Action::Stop(Ok(())) => "stop".to_owned(),
        Action::Stop(Err(error)) => format!("stop: {error}"),
    }
}

fn of_report(completion: &Completion, ack: FinishAck) -> String {
    let ack = match ack {
        FinishAck::Done | FinishAck::DoneWithMoreDependents => "",
        FinishAck::AlreadyDone => " (already)",
        FinishAck::Fenced => " (fenced)",
    };
    format!("{}{ack}", of_completion(completion))
}

fn of_event(event: &Event) -> String {
    match event {
        Event::Idle => "idle".to_owned(),
        Event::Suspended => "all suspended".to_owned(),
        Event::QueueSuspended { queue } => format!("{queue} suspended"),
        Event::Trouble { .. } => "trouble".to_owned(),
        Event::Back => "back".to_owned(),
        Event::Quieted => "quiet".to_owned(),
        Event::GoesOn => "going on".to_owned(),
        Event::Dropped { id } => format!("{id} dropped"),
        Event::SetAside { id } => format!("{id} set aside"),
        Event::Stopping { running, unsaved } => format!("stopping, {running} running, {unsaved} unsaved"),
        Event::Warning(text) => format!("warning: {text}"),
        other => format!("{other:?}"),
    }
}

/// The writes of an exchange and its claim, in their order.
pub(super) fn of_exchange(exchange: &Exchange, names: &Names) -> String {
    let updates = exchange.batch.field_updates.iter();
    let updates = updates
        .map(|(field, value)| format!("{}.{}={}", field.id, field.name, String::from_utf8_lossy(value)));
    let completions = exchange.batch.completions.iter().map(of_completion);
    let claim = exchange.claim.iter().map(|claim| of_claim(claim, names));
    updates.chain(completions).chain(claim).collect::<Vec<_>>().join(", ")
}

fn of_completion(completion: &Completion) -> String {
    let change = match &completion.verdict {
        Verdict::Finish { .. } => "finished",
        Verdict::Retry { .. } if completion.is_in_queue_again() => "retried at once",
        Verdict::Retry { .. } => "retried later",
        Verdict::Snooze { .. } => "snoozed",
        Verdict::Fail { status: Status::Stopped, .. } => "stopped",
        Verdict::Fail { .. } => "failed",
        Verdict::PutBack { has_begun: true } => "put back",
        Verdict::PutBack { has_begun: false } => "put back unbegun",
    };
    format!("{} {change}", completion.id)
}

fn of_claim(claim: &ClaimRequest, names: &Names) -> String {
    let mut text = format!("claim {}", claim.slots);
    if !claim.popped_ids.is_empty() {
        let ids = claim.popped_ids.iter().map(|popped| String::from_utf8_lossy(&popped.id));
        text += &format!(" with {}", ids.collect::<Vec<_>>().join(" "));
    }
    if !claim.excluded_queues.is_empty() {
        let queues = claim.excluded_queues.iter().map(|queue| names.queues[*queue].as_str());
        text += &format!(" without {}", queues.collect::<Vec<_>>().join(" "));
    }
    text
}
