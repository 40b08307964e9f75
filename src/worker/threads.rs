//! Slots: threads that run handlers. They never talk to Redis; they hand back an `Outcome`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

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
    retired: Retired,
}

/// Says to the thread of a job that another one has taken its place: it ends with the job.
#[derive(Clone, Default)]
pub(crate) struct Retired(Arc<AtomicBool>);

/// Where jobs wait for a thread, for microseconds: there are never more than free slots.
#[derive(Default)]
struct Counter {
    line: Mutex<Line>,
    bell: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Assignment>,
    sleeping: usize,
    threads: usize,
    is_closed: bool,
}

/// All slots of a worker. Threads are made when they are needed, and take whatever job is next, so that
/// short jobs do not cost a change of threads each.
pub(crate) struct Slots {
    handlers: Arc<Handlers>,
    limits: Limits,
    inbox: Sender<Message>,
    counter: Arc<Counter>,
    count: usize,
    free: usize,
    abandoned: usize,
}

impl Slots {
    pub(crate) fn new(count: usize, handlers: Handlers, limits: Limits, inbox: Sender<Message>) -> Self {
        let (handlers, counter) = (Arc::new(handlers), Arc::default());
        Slots { handlers, limits, inbox, counter, count, free: count, abandoned: 0 }
    }

    pub(crate) fn free(&self) -> usize {
        self.free
    }

    /// Whether a program runs this job, and so a supervisor keeps its time.
    pub(crate) fn is_program(&self, record: &Record) -> bool {
        record.handler.as_deref().is_some_and(|name| self.handlers.is_program(name))
    }

    /// Hands a job to a free slot.
    pub(crate) fn assign(&mut self, ticket: u64, context: Context, record: Record) -> Option<Retired> {
        self.free = self.free.checked_sub(1)?;
        let retired = Retired::default();
        let assignment = Assignment { ticket, context, record, retired: retired.clone() };
        let mut line = self.counter.lock();
        line.waiting.push_back(assignment);
        // One that has just handed back its outcome is neither asleep nor busy, and will come.
        if line.waiting.len() > line.sleeping && line.threads < self.count + self.abandoned {
            line.threads += 1;
            drop(line);
            self.add_thread();
        } else {
            drop(line);
            self.counter.bell.notify_one();
        }
        Some(retired)
    }

    /// The slot has handed back its outcome.
    pub(crate) fn release(&mut self) {
        self.free += 1;
    }

    /// Its thread runs on past its job's time. Returns whether a new thread may take its place.
    pub(crate) fn abandon(&mut self, retired: &Retired) -> bool {
        if self.abandoned >= self.count * ABANDONED_PER_SLOT {
            return false;
        }
        self.abandoned += 1;
        self.free += 1;
        retired.0.store(true, Ordering::Relaxed);
        true
    }

    /// A thread that was abandoned has come back, and ends.
    pub(crate) fn came_back(&mut self) {
        self.abandoned = self.abandoned.saturating_sub(1);
    }

    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned
    }

    fn add_thread(&self) {
        let (counter, handlers) = (Arc::clone(&self.counter), Arc::clone(&self.handlers));
        let (limits, inbox) = (self.limits, self.inbox.clone());
        std::thread::Builder::new()
            .name("rq-rs slot".to_owned())
            .spawn(move || work(&counter, &handlers, limits, &inbox))
            .expect("the system has a thread left");
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        let mut line = self.counter.lock();
        line.is_closed = true;
        line.waiting.clear();
        drop(line);
        self.counter.bell.notify_all();
    }
}

impl Counter {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; none when the worker has ended.
    fn next(&self) -> Option<Assignment> {
        let mut line = self.lock();
        loop {
            if let Some(assignment) = line.waiting.pop_front() {
                return Some(assignment);
            }
            if line.is_closed {
                return None;
            }
            line.sleeping += 1;
            line = self.bell.wait(line).unwrap_or_else(PoisonError::into_inner);
            line.sleeping -= 1;
        }
    }
}

fn work(counter: &Counter, handlers: &Handlers, limits: Limits, inbox: &Sender<Message>) {
    // The thread that made this one may be deaf to signals; programs inherit that, and must hear TERM.
    let _ = SigSet::empty().thread_set_mask();
    while let Some(Assignment { ticket, context, record, retired }) = counter.next() {
        // Whatever panics, the arguments' own code included, the loop hears of the end.
        let outcome = panics::guard(|| match context.is_canceled() {
            true => Outcome::Interrupted, // it was put back, or is over, before it began
            false => handlers.run(&context, &record, limits),
        });
        let outcome = outcome.unwrap_or_else(|panic| Outcome::Crashed {
            error: format!("{} {panic}", record.handler.as_deref().unwrap_or("the job")),
        });
        // Counted out before the loop hears of it, so that a job which comes then gets a thread.
        let is_retired = retired.0.load(Ordering::Relaxed);
        if is_retired {
            counter.lock().threads -= 1;
        }
        if inbox.send(Message::Ended { ticket, outcome }).is_err() || is_retired {
            return;
        }
    }
}
