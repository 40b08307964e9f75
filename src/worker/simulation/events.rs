//! The events of a world, in the order of their time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::clock::Micros;
use crate::completion::Completion;
use crate::worker::engine::ExchangeId;
use crate::worker::input::Input;
use crate::worker::run::RunId;

/// Something that happens at a moment. Workers are indices in the order of their start.
#[derive(Debug)]
pub(super) enum WorldEvent {
    /// An item of the plan, by its index.
    Item(usize),
    /// A worker's loop iterates.
    Turn(usize),
    /// An exchange reaches Redis.
    Arrive(usize, ExchangeId),
    /// The reply to an exchange reaches the worker.
    Reply(usize, ExchangeId),
    /// A worker gets an input from another of its threads.
    Deliver(usize, Box<Input>),
    /// A call that blocks the worker's loop reaches Redis, and its reply the worker.
    CallArrives(usize),
    CallReturns(usize),
    RunEnds(usize, RunId),
    RunWrites(usize, RunId),
    HeartbeatTick(usize),
    HeartbeatArrives(usize),
    HeartbeatReturns(usize, bool, Vec<String>),
    Promote(usize),
    Recover(usize),
    RecoverFinishes(usize, Vec<Completion>),
    PutBackOrphans(usize),
    /// The blocking move of a watcher reaches Redis: the worker, the queue, and the number of the wait.
    WatcherArrives(usize, usize, u64),
    WatcherTimesOut(usize, usize, u64),
    Resume(usize),
    /// A look whether a worker has ended that was told at a time to terminate.
    CheckStopped(usize, Micros),
    RedisIsBack,
    /// The faults stop.
    FaultsStop,
    EnqueueLast(LastJob),
    CheckEnd,
}

/// A job that is enqueued after the faults.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastJob {
    pub(super) number: usize,
    pub(super) queue: usize,
}

impl WorldEvent {
    /// The worker whose process has to run for this event; `None` if it happens elsewhere.
    pub(super) fn needs_process(&self) -> Option<usize> {
        match self {
            WorldEvent::Turn(worker)
            | WorldEvent::Reply(worker, _)
            | WorldEvent::Deliver(worker, _)
            | WorldEvent::CallReturns(worker)
            | WorldEvent::RunEnds(worker, _)
            | WorldEvent::RunWrites(worker, _)
            | WorldEvent::HeartbeatTick(worker)
            | WorldEvent::CheckStopped(worker, _)
            | WorldEvent::HeartbeatReturns(worker, ..)
            | WorldEvent::Promote(worker)
            | WorldEvent::Recover(worker)
            | WorldEvent::PutBackOrphans(worker) => Some(*worker),
            _ => None,
        }
    }
}

struct QueuedEvent {
    at: Micros,
    number: u64,
    event: WorldEvent,
}

impl PartialEq for QueuedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for QueuedEvent {}

impl PartialOrd for QueuedEvent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for QueuedEvent {
    /// The earliest entry is the greatest, as the heap returns it.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// The events to come. Events of one moment happen in the order in which they were added.
#[derive(Default)]
pub(super) struct EventQueue {
    entries: BinaryHeap<QueuedEvent>,
    added: u64,
}

impl EventQueue {
    pub(super) fn add(&mut self, at: Micros, event: WorldEvent) {
        self.added += 1;
        self.entries.push(QueuedEvent { at, number: self.added, event });
    }

    pub(super) fn next(&mut self) -> Option<(Micros, WorldEvent)> {
        self.entries.pop().map(|entry| (entry.at, entry.event))
    }
}
