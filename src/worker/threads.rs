//! Slots: threads that run handlers. They never talk to Redis; they hand back an `Outcome`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::signal::SigSet;

use super::Context;
use super::handlers::Handlers;
use super::message::Message;
use super::panics;
use super::processes::Limits;
use crate::job::{Outcome, Record};

/// A thread cannot be killed. One whose job has run out of time is left alone and replaced; when
/// this many for each slot do not come back, no more are added.
const ABANDONED_PER_SLOT: usize = 4;

struct Assignment {
    ticket: u64,
    context: Context,
    record: Record,
}

/// All slots of a worker.
pub(crate) struct Slots {
    handlers: Arc<Handlers>,
    limits: Limits,
    inbox: Sender<Message>,
    seats: Vec<Sender<Assignment>>,
    free: Vec<usize>,
    abandoned: usize,
}

impl Slots {
    pub(crate) fn new(count: usize, handlers: Handlers, limits: Limits, inbox: Sender<Message>) -> Self {
        let mut slots = Slots {
            handlers: Arc::new(handlers),
            limits,
            inbox,
            seats: Vec::with_capacity(count),
            free: (0..count).rev().collect(),
            abandoned: 0,
        };
        slots.seats = (0..count).map(|seat| slots.seat(seat)).collect();
        slots
    }

    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Whether a program runs this job, and so a supervisor keeps its time.
    pub(crate) fn is_program(&self, record: &Record) -> bool {
        record.handler.as_deref().is_some_and(|name| self.handlers.is_program(name))
    }

    /// Hands a job to a free slot, and says which.
    pub(crate) fn assign(&mut self, ticket: u64, context: Context, record: Record) -> Option<usize> {
        let seat = self.free.pop()?;
        let assignment = Assignment { ticket, context, record };
        if let Err(returned) = self.seats[seat].send(assignment) {
            // The thread is gone, which a panic outside the handler would explain. A new one runs it.
            self.seats[seat] = self.seat(seat);
            let _ = self.seats[seat].send(returned.0);
        }
        Some(seat)
    }

    /// The slot has handed back its outcome.
    pub(crate) fn release(&mut self, seat: usize) {
        self.free.push(seat);
    }

    /// Its thread runs on past its job's time. Returns whether a new thread took its place.
    pub(crate) fn abandon(&mut self, seat: usize) -> bool {
        if self.abandoned >= self.seats.len() * ABANDONED_PER_SLOT {
            return false;
        }
        self.abandoned += 1;
        self.seats[seat] = self.seat(seat);
        self.free.push(seat);
        true
    }

    /// A thread that was abandoned has come back, and ends.
    pub(crate) fn came_back(&mut self) {
        self.abandoned = self.abandoned.saturating_sub(1);
    }

    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned
    }

    fn seat(&self, seat: usize) -> Sender<Assignment> {
        let (door, assignments) = channel();
        let (handlers, limits, inbox) = (Arc::clone(&self.handlers), self.limits, self.inbox.clone());
        std::thread::Builder::new()
            .name(format!("rq-rs slot {seat}"))
            .spawn(move || work(&assignments, &handlers, limits, &inbox))
            .expect("the system has a thread left");
        door
    }
}

fn work(assignments: &Receiver<Assignment>, handlers: &Handlers, limits: Limits, inbox: &Sender<Message>) {
    // The thread that made this one may be deaf to signals; programs inherit that, and must hear TERM.
    let _ = SigSet::empty().thread_set_mask();
    for Assignment { ticket, context, record } in assignments {
        // Whatever panics, the arguments' own code included, the loop hears of the end.
        let outcome = panics::guard(|| handlers.run(&context, &record, limits));
        let outcome = outcome.unwrap_or_else(|panic| Outcome::Crashed {
            error: format!("{} {panic}", record.handler.as_deref().unwrap_or("the job")),
        });
        if inbox.send(Message::Ended { ticket, outcome }).is_err() {
            return;
        }
    }
}
