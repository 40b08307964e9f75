//! Slots: threads that run handlers. They never talk to Redis; they hand back an `Outcome`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;

use super::Context;
use super::handlers::{Handlers, RunnableJob};
use super::message::Message;
use super::panics;
use super::processes::Processes;
use crate::job::{Outcome, Record};

/// A thread cannot be killed. One whose job has run out of time is left alone and replaced; when
/// this many for each slot do not come back, no more are added.
const ABANDONED_PER_SLOT: usize = 4;

/// Signals that were sent to a worker and its processes together have all come after this.
const TOLD_TOGETHER: Duration = Duration::from_millis(200);

struct QueuedRun {
    ticket: u64,
    context: Context,
    work: RunnableJob,
    retired: RetireFlag,
    since: Instant,
}

/// Says to the thread of a job that another one has taken its place: it ends with the job.
#[derive(Clone, Default)]
pub(crate) struct RetireFlag(Arc<AtomicBool>);

/// How a run ended: its ticket, and what became of it.
pub(crate) type Completed = (u64, Outcome);

/// How many threads are being woken at a time. Each that comes wakes the next one while jobs wait: all are
/// awake within moments, but a few short jobs, which the first one does alone, wake only a few.
const WAKING: usize = 2;

/// Where jobs wait for a thread: for microseconds where there are free slots, and for as long as a short job
/// takes where the loop is ahead of them. And where what has ended waits for the loop.
#[derive(Default)]
struct PoolShared {
    line: Mutex<PoolState>,
    bell: Condvar,
}

#[derive(Default)]
struct PoolState {
    waiting: VecDeque<QueuedRun>,
    ended: Vec<Completed>,
    /// The loop sleeps, and wants to be told when so many have ended.
    awaited: Option<usize>,
    sleeping: usize,
    /// Threads that were woken and are not there yet.
    waking: usize,
    threads: usize,
    is_closed: bool,
}

/// All slots of a worker. Threads are made when they are needed, and take whatever job is next, so that
/// short jobs do not cost a change of threads each.
pub(crate) struct ThreadPool {
    handlers: Arc<Handlers>,
    processes: Arc<Processes>,
    inbox: Sender<Message>,
    counter: Arc<PoolShared>,
    count: usize,
    busy: usize,
    abandoned: usize,
    assigned: Vec<QueuedRun>,
    /// The signals that whoever runs the worker does not want to be interrupted by.
    blocked: SigSet,
}

impl ThreadPool {
    pub(crate) fn new(
        count: usize,
        handlers: Handlers,
        processes: Processes,
        inbox: Sender<Message>,
    ) -> Self {
        let (handlers, processes, counter) = (Arc::new(handlers), Arc::new(processes), Arc::default());
        let (assigned, blocked) = (Vec::new(), SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty()));
        ThreadPool { handlers, processes, inbox, counter, count, busy: 0, abandoned: 0, assigned, blocked }
    }

    /// How many jobs more may come, when so many may wait for a slot.
    pub(crate) fn room(&self, ahead: usize) -> usize {
        (self.count + ahead).saturating_sub(self.busy)
    }

    /// Whether there are more jobs than slots.
    pub(crate) fn is_ahead(&self) -> bool {
        self.busy > self.count
    }

    /// Whether a process runs this job, and so a supervisor keeps its time.
    pub(crate) fn is_supervised(&self, record: &Record) -> bool {
        self.handlers.is_supervised(record.handler.as_deref(), &self.processes)
    }

    /// All jobs have ended: ends the processes that wait for more.
    pub(crate) fn end_processes(&self) {
        self.processes.end(self.handlers.dismiss_servers());
    }

    /// Gives a slot to a job, the next one that is free after the next [`hand_out`](Self::hand_out).
    pub(crate) fn assign(&mut self, ticket: u64, context: Context, work: RunnableJob) -> RetireFlag {
        self.busy += 1;
        let (retired, since) = (RetireFlag::default(), Instant::now());
        self.assigned.push(QueuedRun { ticket, context, work, retired: retired.clone(), since });
        retired
    }

    /// Takes back the jobs that wait for a slot when the first of them has done so for longer than that.
    /// The youngest comes first.
    pub(crate) fn take_back(&self, waited: Duration) -> Vec<u64> {
        let mut line = self.counter.lock();
        match line.waiting.front() {
            Some(first) if first.since.elapsed() > waited => {
                line.waiting.drain(..).rev().map(|assignment| assignment.ticket).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Lets the jobs begin that were assigned.
    pub(crate) fn hand_out(&mut self) {
        if self.assigned.is_empty() {
            return;
        }
        let mut line = self.counter.lock();
        line.waiting.extend(self.assigned.drain(..));
        self.counter.wake_others(&mut line);
        // One that has just handed back its outcome is neither asleep nor busy, and will come.
        let lacking = line.waiting.len().saturating_sub(line.sleeping);
        let added = lacking.min((self.count + self.abandoned).saturating_sub(line.threads));
        line.threads += added;
        drop(line);
        (0..added).for_each(|_| self.add_thread());
    }

    /// What has ended since the last time.
    pub(crate) fn ended(&self) -> Vec<Completed> {
        let mut line = self.counter.lock();
        line.awaited = None;
        std::mem::take(&mut line.ended)
    }

    /// Asks for a message when so many have ended. Returns false when they have already.
    pub(crate) fn await_ended(&self, count: usize) -> bool {
        let mut line = self.counter.lock();
        let is_later = line.ended.len() < count;
        line.awaited = is_later.then_some(count);
        is_later
    }

    /// The slot has handed back its outcome.
    pub(crate) fn release(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// Its thread runs on past its job's time. Returns whether a new thread may take its place.
    pub(crate) fn abandon(&mut self, retired: &RetireFlag) -> bool {
        if self.abandoned >= self.most_abandoned() {
            return false;
        }
        self.abandoned += 1;
        self.release();
        retired.0.store(true, Ordering::Relaxed);
        true
    }

    /// How many threads may run on past the time of their jobs.
    pub(crate) fn most_abandoned(&self) -> usize {
        self.count * ABANDONED_PER_SLOT
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
        let (processes, inbox, blocked) = (Arc::clone(&self.processes), self.inbox.clone(), self.blocked);
        std::thread::Builder::new()
            .name("rq-rs slot".to_owned())
            .spawn(move || {
                // The thread that makes this one is deaf to all signals, and what handlers start would be too.
                let _ = blocked.thread_set_mask();
                worker_loop(&counter, &handlers, &processes, &inbox);
            })
            .expect("the system has a thread left");
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        let mut line = self.counter.lock();
        line.is_closed = true;
        line.waiting.clear();
        drop(line);
        self.counter.bell.notify_all();
    }
}

impl PoolShared {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; none when the worker has ended, or the thread is not needed any more. Hands back how the
    /// last one ended, and tells the loop when it wants to be told.
    fn next(&self, ended: Option<Completed>, is_retired: bool, tell: impl Fn()) -> Option<QueuedRun> {
        let mut line = self.lock();
        line.ended.extend(ended);
        // Counted out before the loop hears of its end, so that a job which comes then gets a thread.
        line.threads -= usize::from(is_retired);
        if line.awaited.is_some_and(|count| line.ended.len() >= count) {
            line.awaited = None;
            drop(line);
            tell();
            line = self.lock();
        }
        let mut has_woken = false;
        loop {
            if is_retired || (line.is_closed && line.waiting.is_empty()) {
                return None;
            }
            if let Some(assignment) = line.waiting.pop_front() {
                if has_woken {
                    self.wake_others(&mut line);
                }
                return Some(assignment);
            }
            line.sleeping += 1;
            line = self.bell.wait(line).unwrap_or_else(PoisonError::into_inner);
            line.sleeping -= 1;
            line.waking = line.waking.saturating_sub(1);
            has_woken = true;
        }
    }

    /// While jobs wait and threads sleep, some thread is on its way.
    fn wake_others(&self, line: &mut PoolState) {
        while line.waking < WAKING.min(line.waiting.len()).min(line.sleeping) {
            line.waking += 1;
            self.bell.notify_one();
        }
    }
}

fn worker_loop(counter: &PoolShared, handlers: &Handlers, processes: &Processes, inbox: &Sender<Message>) {
    // A loop that has ended hears nothing any more.
    let tell = || drop(inbox.send(Message::RunsCompleted));
    let (mut ended, mut is_retired) = (None, false);
    while let Some(QueuedRun { ticket, context, mut work, retired, .. }) =
        counter.next(ended, is_retired, tell)
    {
        // Whatever panics, the arguments' own code included, the loop hears of the end.
        let outcome = panics::catch_panic(|| match context.is_canceled() {
            true => Outcome::Interrupted, // it was put back, or is over, before it began
            false => handlers.run(&context, &mut work, processes),
        });
        let outcome = outcome.unwrap_or_else(|panic| Outcome::Crashed {
            error: format!("{} {panic}", work.record.handler.as_deref().unwrap_or("the job")),
        });
        if matches!(outcome, Outcome::Terminated { .. }) {
            // Perhaps all processes of the service were told to end: the worker is to know that first.
            std::thread::sleep(TOLD_TOGETHER);
        }
        is_retired = retired.0.load(Ordering::Relaxed);
        ended = Some((ticket, outcome));
    }
}
